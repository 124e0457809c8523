/* SPDX-License-Identifier: MIT
 *
 * Where the elements of a sliding window of a sequence live: numbers first .. end - 1 are
 * present, and number k is in place k modulo a power of two. The ring holds no memory; it
 * only says which place of the owner's array belongs to which number.
 *
 *      first             end
 *        |                |
 *   . . [k][k+1] ... [k+n] . . .      at most capacity of them
 */
#ifndef GR_BASE_RING_H
#define GR_BASE_RING_H

#include <stdbool.h>
#include <stdint.h>

struct gr_ring {
  uint64_t first;
  uint64_t end;
  uint64_t mask; /* capacity - 1 */
};

/* An empty window that begins at `first`. `capacity` is a power of two. */
static inline struct gr_ring gr_ring_of(uint64_t first, uint64_t capacity) {
  return (struct gr_ring){.first = first, .end = first, .mask = capacity - 1};
}

static inline uint64_t gr_ring_capacity(const struct gr_ring *ring) {
  return ring->mask + 1;
}

static inline uint64_t gr_ring_count(const struct gr_ring *ring) {
  return ring->end - ring->first;
}

static inline bool gr_ring_full(const struct gr_ring *ring) {
  return gr_ring_count(ring) > ring->mask;
}

static inline bool gr_ring_has(const struct gr_ring *ring, uint64_t number) {
  return number >= ring->first && number < ring->end;
}

/* The place of `number` in the owner's array. */
static inline uint64_t gr_ring_place(const struct gr_ring *ring, uint64_t number) {
  return number & ring->mask;
}

/* The smallest power of two that is at least `count` (and 1 for 0); count up to 2^63. */
static inline uint64_t gr_ring_round_up(uint64_t count) {
  uint64_t capacity = 1;
  while (capacity < count) capacity *= 2;
  return capacity;
}

#endif
