/* SPDX-License-Identifier: MIT
 *
 * The tags of this member's messages that are broadcast but not yet delivered here. A
 * member's own messages are delivered in the order in which it broadcast them, so a queue
 * by number suffices. It grows by doubling; the group's limit on unordered bytes bounds
 * it.
 */
#ifndef GR_POSIX_TAG_RING_H
#define GR_POSIX_TAG_RING_H

#include "base/ring.h"

#include <gr/types.h>

struct gr_tag_ring {
  uint64_t *tags;
  struct gr_ring ring; /* by the message's number */
};

/* False if there is no memory. */
bool gr_tag_ring_init(struct gr_tag_ring *tags);
void gr_tag_ring_free(struct gr_tag_ring *tags);

/* The first message will be `number`, rather than 1; while none was pushed. */
void gr_tag_ring_begin(struct gr_tag_ring *tags, uint64_t number);

/* Makes room for one more. False if there is no memory. */
bool gr_tag_ring_reserve(struct gr_tag_ring *tags);

/* Appends the tag of message `number`, for which room was reserved. False if `number` is
 * not the one that follows. */
bool gr_tag_ring_push(struct gr_tag_ring *tags, uint64_t number, uint64_t tag);

/* Takes out the tag of message `number`. False if that is not the oldest. */
bool gr_tag_ring_pop(struct gr_tag_ring *tags, uint64_t number, uint64_t *tag);

#endif
