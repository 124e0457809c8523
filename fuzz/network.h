/* SPDX-License-Identifier: MIT
 *
 * The network of the cluster target: frames on their way, in the order in which they were
 * sent, of which any may be taken next. It decides nothing by itself, except that the
 * oldest frame is lost when too many are on their way.
 */
#ifndef GR_FUZZ_NETWORK_H
#define GR_FUZZ_NETWORK_H

#include "members.h"

#define FRAMES_MAX 256

struct frame {
  uint8_t from; /* index of the member */
  uint8_t to;
  size_t size;
  uint8_t *bytes; /* exactly so many; of whoever has the frame */
};

struct network {
  struct frame frames[FRAMES_MAX];
  size_t count;
  bool cut[MEMBERS][MEMBERS]; /* [from][to]: what is sent is lost */
};

/* Copies the parts, joined, into a new frame, unless the link is cut. */
void network_send(struct network *network, uint8_t from, uint8_t to,
                  const gr_slice *parts, size_t part_count);

/* Takes a frame off the network; its bytes are the caller's to free. */
struct frame network_take(struct network *network, size_t index);

/* The first frame of a link, or `count` if there is none. */
size_t network_find(const struct network *network, uint8_t from, uint8_t to);

/* Drops all frames. */
void network_clear(struct network *network);

#endif
