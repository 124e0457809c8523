/* SPDX-License-Identifier: MIT
 *
 * A set of links: those from some servers to some others, perhaps both ways. Servers are
 * sets of bits.
 */
#ifndef SIM_LINKS_H
#define SIM_LINKS_H

#include <stdbool.h>
#include <stdint.h>

struct sim_links {
  uint32_t from;
  uint32_t to;
  bool both;
};

static inline bool sim_links_has(struct sim_links links, uint32_t from, uint32_t to) {
  if (from == to) return false;
  if ((links.from >> from & 1) != 0 && (links.to >> to & 1) != 0) return true;
  return links.both && (links.from >> to & 1) != 0 && (links.to >> from & 1) != 0;
}

/* As the value of an event. */
static inline uint64_t sim_links_pack(struct sim_links links) {
  return (uint64_t)links.both << 63 | (uint64_t)links.from << 31 | links.to;
}

static inline struct sim_links sim_links_unpack(uint64_t value) {
  return (struct sim_links){.from = (uint32_t)(value << 1 >> 32),
                            .to = (uint32_t)value & INT32_MAX,
                            .both = value >> 63 != 0};
}

#endif
