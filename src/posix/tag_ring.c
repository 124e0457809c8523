/* SPDX-License-Identifier: MIT
 *
 * See tag_ring.h.
 */
#include "posix/tag_ring.h"

#include <stdlib.h>

#define TAGS_AT_FIRST 1024

bool gr_tag_ring_init(struct gr_tag_ring *tags) {
  tags->ring = gr_ring_of(1, TAGS_AT_FIRST);
  tags->tags = malloc(TAGS_AT_FIRST * sizeof(*tags->tags));
  return tags->tags != NULL;
}

void gr_tag_ring_free(struct gr_tag_ring *tags) {
  free(tags->tags);
  tags->tags = NULL;
}

void gr_tag_ring_begin(struct gr_tag_ring *tags, uint64_t number) {
  tags->ring = gr_ring_of(number, gr_ring_capacity(&tags->ring));
}

bool gr_tag_ring_reserve(struct gr_tag_ring *tags) {
  if (!gr_ring_full(&tags->ring)) return true;
  struct gr_ring larger = tags->ring;
  larger.mask = 2 * gr_ring_capacity(&tags->ring) - 1;
  uint64_t *moved = malloc(gr_ring_capacity(&larger) * sizeof(*moved));
  if (!moved) return false;
  for (uint64_t number = larger.first; number < larger.end; number++)
    moved[gr_ring_place(&larger, number)] =
        tags->tags[gr_ring_place(&tags->ring, number)];
  free(tags->tags);
  tags->tags = moved;
  tags->ring = larger;
  return true;
}

bool gr_tag_ring_push(struct gr_tag_ring *tags, uint64_t number, uint64_t tag) {
  if (number != tags->ring.end || gr_ring_full(&tags->ring)) return false;
  tags->tags[gr_ring_place(&tags->ring, number)] = tag;
  tags->ring.end++;
  return true;
}

bool gr_tag_ring_pop(struct gr_tag_ring *tags, uint64_t number, uint64_t *tag) {
  if (number != tags->ring.first || gr_ring_count(&tags->ring) == 0) return false;
  *tag = tags->tags[gr_ring_place(&tags->ring, number)];
  tags->ring.first++;
  return true;
}
