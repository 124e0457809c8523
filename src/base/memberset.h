/* SPDX-License-Identifier: MIT
 *
 * Sets of members, by their index (0 to GR_PLACES_MAX - 1), and majorities.
 */
#ifndef GR_BASE_MEMBERSET_H
#define GR_BASE_MEMBERSET_H

#include <gr/types.h>

typedef uint64_t gr_memberset; /* bit i: the member with index i */

/* Members that can be known at a time: those of the view, and some that have left and
 * whose batches are still kept. */
#define GR_PLACES_SPARE 4
#define GR_PLACES_MAX (GR_MEMBERS_MAX + GR_PLACES_SPARE)

_Static_assert(GR_PLACES_MAX < 64, "a member set is 64 bits, and all of them must fit");

static inline gr_memberset gr_memberset_one(uint32_t index) {
  return (gr_memberset)1 << index;
}

/* The first `count` members. */
static inline gr_memberset gr_memberset_first(uint32_t count) {
  return ((gr_memberset)1 << count) - 1;
}

static inline bool gr_memberset_has(gr_memberset set, uint32_t index) {
  return (set >> index & 1) != 0;
}

/* The lowest index in a set that is not empty. All of a set, in ascending order:
 *   for (gr_memberset left = set; left != 0; left &= left - 1) ... gr_memberset_lowest(left) ... */
static inline uint32_t gr_memberset_lowest(gr_memberset set) {
  return (uint32_t)__builtin_ctzll(set);
}

static inline uint32_t gr_memberset_size(gr_memberset set) {
  uint32_t size = 0;
  for (; set != 0; set &= set - 1) size++;
  return size;
}

/* Takes index `gone` out: those above it move down by one. */
static inline gr_memberset gr_memberset_without(gr_memberset set, uint32_t gone) {
  gr_memberset below = gr_memberset_one(gone) - 1;
  return (set & below) | ((set >> 1) & ~below);
}

/* More than half of `voters` are in `set`. An empty set of voters has no majority. */
static inline bool gr_memberset_majority(gr_memberset set, gr_memberset voters) {
  return 2 * gr_memberset_size(set & voters) > gr_memberset_size(voters);
}

/* The highest value that a majority of `count` values stand at or beyond; count 1 to
 * GR_PLACES_MAX. */
static inline uint64_t gr_majority_mark(const uint64_t *values, uint32_t count) {
  uint64_t sorted[GR_PLACES_MAX]; /* descending, by insertion: count is small */
  for (uint32_t i = 0; i < count; i++) {
    uint32_t at = i;
    for (; at > 0 && sorted[at - 1] < values[i]; at--) sorted[at] = sorted[at - 1];
    sorted[at] = values[i];
  }
  return sorted[count / 2];
}

#endif
