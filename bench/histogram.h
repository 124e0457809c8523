/* SPDX-License-Identifier: MIT
 *
 * A log-linear histogram of durations: each power of two is divided into equal buckets,
 * so a percentile is exact to 1/128 of itself, whatever its magnitude. Plain memory
 * without pointers: it can live in memory that processes share.
 */
#ifndef BENCH_HISTOGRAM_H
#define BENCH_HISTOGRAM_H

#include <stdint.h>

#define HISTOGRAM_STEPS 128u    /* buckets of each power of two */
#define HISTOGRAM_STEPS_BITS 7u /* its logarithm */
#define HISTOGRAM_VALUE_BITS                                                             \
  40u /* durations up to 2^40 ns, 18 minutes; longer count as that */
#define HISTOGRAM_BUCKETS                                                                \
  ((HISTOGRAM_VALUE_BITS - HISTOGRAM_STEPS_BITS + 1u) * HISTOGRAM_STEPS)

struct histogram {
  uint64_t count;
  uint64_t buckets[HISTOGRAM_BUCKETS];
};

void histogram_add(struct histogram *histogram, uint64_t nanoseconds);

/* Adds all that `from` has counted to `into`. */
void histogram_merge(struct histogram *into, const struct histogram *from);

/* The duration that `share` (0 to 1) of all do not exceed, in nanoseconds: the upper end
 * of its bucket. 0 if nothing was counted. */
uint64_t histogram_percentile(const struct histogram *histogram, double share);

#endif
