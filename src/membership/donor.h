/* SPDX-License-Identifier: MIT
 *
 * From whom a recovering member gets what it lacks: the candidate with the highest score,
 * the leader only if there is nobody else, and one that has failed only after all others
 * have. The same candidates give the same choice, in whatever order they stand. No
 * threads, no clock; a round trip is in nanoseconds.
 */
#ifndef GR_MEMBERSHIP_DONOR_H
#define GR_MEMBERSHIP_DONOR_H

#include <gr/types.h>

struct gr_donor {
  gr_member_id id;
  gr_time round_trip; /* up to a day; 0: not known, which scores like a very long one */
  uint32_t load;      /* 0: idle, to 1000; more counts as 1000 */
  uint32_t completeness;     /* how much of what is lacked it has: 0 to 1000, as above */
  uint64_t version_distance; /* 0: of the same version as the recovering member */
  uint32_t tries;            /* how often it has been chosen, and has failed */
  bool leads;
};

/* How much each property counts; any scale. All 0: the smallest id is chosen. */
struct gr_donor_weights {
  uint32_t round_trip;   /* default 40 */
  uint32_t load;         /* default 30 */
  uint32_t completeness; /* default 20 */
  uint32_t version;      /* default 10 */
};

/* The candidate to ask; NULL if there are none. The caller counts its failures in
 * `tries`. */
struct gr_donor *gr_donor_choose(struct gr_donor *candidates, uint32_t count,
                                 const struct gr_donor_weights *weights);

#endif
