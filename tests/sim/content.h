/* SPDX-License-Identifier: MIT
 *
 * What messages say. Each is a window of one block of noise, whose place follows from who
 * broadcast it: so making one costs no copy, and checking one is a comparison.
 */
#ifndef SIM_CONTENT_H
#define SIM_CONTENT_H

#include "base/random.h"

#define SIM_CONTENT_PLACES (UINT64_C(1) << 17)
#define SIM_MESSAGE_BYTES_MAX (UINT64_C(1) << 20)

struct sim_content {
  uint8_t bytes[SIM_CONTENT_PLACES + SIM_MESSAGE_BYTES_MAX];
};

static inline void sim_content_fill(struct sim_content *content) {
  struct gr_random random = {1};
  for (uint64_t i = 0; i < sizeof(content->bytes); i++)
    content->bytes[i] = (uint8_t)(gr_random_next(&random) >> 32);
}

/* A message of the `generation`-th process of a member. */
static inline const uint8_t *sim_content_at(const struct sim_content *content,
                                            uint64_t member, uint64_t generation,
                                            uint64_t number) {
  struct gr_random random = {member << 56 ^ generation << 48 ^ number};
  return content->bytes + gr_random_below(&random, SIM_CONTENT_PLACES);
}

#endif
