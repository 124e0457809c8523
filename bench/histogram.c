/* SPDX-License-Identifier: MIT
 *
 * Buckets: values below HISTOGRAM_STEPS have one each; a value of more bits is put by its
 * highest bit (which power of two) and the HISTOGRAM_STEPS_BITS bits behind it (which
 * step).
 */
#include "histogram.h"

#include <math.h>

static uint32_t bucket_of(uint64_t value) {
  if (value < HISTOGRAM_STEPS) return (uint32_t)value;
  if (value >> HISTOGRAM_VALUE_BITS != 0) return HISTOGRAM_BUCKETS - 1;
  uint32_t highest = 63u - (uint32_t)__builtin_clzll(value);
  uint32_t shift = highest - HISTOGRAM_STEPS_BITS;
  uint32_t step = (uint32_t)(value >> shift) - HISTOGRAM_STEPS;
  return (shift + 1) * HISTOGRAM_STEPS + step;
}

static uint64_t upper_end_of(uint32_t bucket) {
  if (bucket < HISTOGRAM_STEPS) return bucket;
  uint32_t shift = bucket / HISTOGRAM_STEPS - 1;
  uint64_t first = (uint64_t)(HISTOGRAM_STEPS + bucket % HISTOGRAM_STEPS) << shift;
  return first + ((uint64_t)1 << shift) - 1;
}

void histogram_add(struct histogram *histogram, uint64_t nanoseconds) {
  histogram->buckets[bucket_of(nanoseconds)]++;
  histogram->count++;
}

void histogram_merge(struct histogram *into, const struct histogram *from) {
  for (uint32_t i = 0; i < HISTOGRAM_BUCKETS; i++) into->buckets[i] += from->buckets[i];
  into->count += from->count;
}

uint64_t histogram_percentile(const struct histogram *histogram, double share) {
  uint64_t rank = (uint64_t)ceil(share * (double)histogram->count);
  uint64_t seen = 0;
  for (uint32_t i = 0; i < HISTOGRAM_BUCKETS; i++) {
    seen += histogram->buckets[i];
    if (seen > 0 && seen >= rank) return upper_end_of(i);
  }
  return 0;
}
