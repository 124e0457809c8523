/* SPDX-License-Identifier: MIT
 *
 * The generator: SplitMix64 (Steele, Lea, Flood: Fast Splittable Pseudorandom Number
 * Generators, OOPSLA 2014, section 5). For jitter and names, never for safety or secrets.
 */
#ifndef GR_BASE_RANDOM_H
#define GR_BASE_RANDOM_H

#include <stdint.h>

struct gr_random {
  uint64_t state;
};

static inline uint64_t gr_random_next(struct gr_random *random) {
  uint64_t z = random->state += UINT64_C(0x9e3779b97f4a7c15);
  z = (z ^ z >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
  z = (z ^ z >> 27) * UINT64_C(0x94d049bb133111eb);
  return z ^ z >> 31;
}

/* A value in 0 .. bound - 1; 0 if bound is 0. The bias is below bound / 2^64. */
static inline uint64_t gr_random_below(struct gr_random *random, uint64_t bound) {
  return bound == 0 ? 0 : gr_random_next(random) % bound;
}

#endif
