/* SPDX-License-Identifier: MIT */
#include "membership/donor.h"

/* What the best of all candidates gets for one property. */
#define FULL 1000

static uint64_t at_most_full(uint64_t value) {
  return value < FULL ? value : FULL;
}

static gr_time shortest_round_trip(const struct gr_donor *candidates, uint32_t count) {
  gr_time shortest = GR_TIME_NEVER;
  for (uint32_t i = 0; i < count; i++)
    if (candidates[i].round_trip != 0 && candidates[i].round_trip < shortest)
      shortest = candidates[i].round_trip;
  return shortest;
}

/* Twice the shortest round trip gets half of the points, and so on. */
static uint64_t round_trip_points(const struct gr_donor *donor, gr_time shortest) {
  if (donor->round_trip == 0) return 0;
  return FULL * shortest / donor->round_trip;
}

static uint64_t score(const struct gr_donor *donor, gr_time shortest,
                      const struct gr_donor_weights *weights) {
  return weights->round_trip * round_trip_points(donor, shortest) +
         weights->load * (FULL - at_most_full(donor->load)) +
         weights->completeness * at_most_full(donor->completeness) +
         weights->version * (FULL / (1 + at_most_full(donor->version_distance)));
}

static bool better(const struct gr_donor *one, const struct gr_donor *other,
                   gr_time shortest, const struct gr_donor_weights *weights) {
  if (one->tries != other->tries) return one->tries < other->tries;
  if (one->leads != other->leads) return other->leads;
  uint64_t ones = score(one, shortest, weights);
  uint64_t others = score(other, shortest, weights);
  return ones != others ? ones > others : one->id < other->id;
}

struct gr_donor *gr_donor_choose(struct gr_donor *candidates, uint32_t count,
                                 const struct gr_donor_weights *weights) {
  gr_time shortest = shortest_round_trip(candidates, count);
  struct gr_donor *best = NULL;
  for (uint32_t i = 0; i < count; i++)
    if (!best || better(&candidates[i], best, shortest, weights)) best = &candidates[i];
  return best;
}
