/* SPDX-License-Identifier: MIT
 *
 * Draws from a generator. Integers only: a run must be the same with every compiler.
 */
#ifndef SIM_CHANCE_H
#define SIM_CHANCE_H

#include "base/random.h"

#include <stdbool.h>

#define SIM_PPM 1000000u

static inline bool sim_chance(struct gr_random *random, uint32_t ppm) {
  return ppm != 0 && gr_random_below(random, SIM_PPM) < ppm;
}

/* least .. most, both included. */
static inline uint64_t sim_between(struct gr_random *random, uint64_t least,
                                   uint64_t most) {
  return least + gr_random_below(random, most - least + 1);
}

/* least .. most with every order of magnitude alike; least is not 0. */
static inline uint64_t sim_spread(struct gr_random *random, uint64_t least,
                                  uint64_t most) {
  uint32_t doublings = 0;
  while (least << doublings <= most / 2) doublings++;
  uint64_t low = least << gr_random_below(random, doublings + 1);
  uint64_t high = low > most / 2 ? most : 2 * low;
  return sim_between(random, low, high);
}

/* Exponentially distributed, to within a few percent: -log2 is taken as linear between
 * powers of two. `mean` is below 2^34. */
static inline uint64_t sim_exponential(struct gr_random *random, uint64_t mean) {
  uint64_t drawn = gr_random_next(random) | 1;
  uint32_t zeros = (uint32_t)__builtin_clzll(drawn);
  uint64_t fraction = ((drawn << zeros) >> 43) & 0xfffff;
  uint64_t log2_q20 = ((uint64_t)(zeros + 1) << 20) - fraction;
  return ((mean * log2_q20) >> 20) * 726817 >> 20; /* times ln 2 */
}

#endif
