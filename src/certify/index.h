/* SPDX-License-Identifier: MIT
 *
 * Finds the newest row of each key and kind. A bucket is one cache line: slots, each a
 * tag of the key's hash above the place of its row, and a count of those that found it
 * full and went on to a later one. So a search ends at the first bucket that nobody
 * passed, and removing undoes exactly what putting did: nothing is ever rebuilt.
 *
 *   slot: [ tag, low bits of the hash | place + 1 ]     0: empty
 *   home: the hash's high 32 bits, scaled to the number of buckets
 *
 * Buckets are reckoned for 9 rows each, of 15 slots: at that load hardly any is ever
 * passed, so a search takes one line.
 */
#ifndef GR_CERTIFY_INDEX_H
#define GR_CERTIFY_INDEX_H

#include "base/prefetch.h"
#include "certify/rows.h"

#ifdef __SSE2__
#include <emmintrin.h>
#endif

#define GR_BUCKET_SLOTS 15
#define GR_BUCKET_ROWS 9
#define GR_BUCKET_ALL ((UINT32_C(1) << GR_BUCKET_SLOTS) - 1)

struct gr_bucket {
  uint32_t words[GR_BUCKET_SLOTS + 1]; /* the last is the count of those that passed */
};

_Static_assert(sizeof(struct gr_bucket) == 64, "a bucket is a cache line");

struct gr_index {
  struct gr_bucket *buckets;
  uint32_t bucket_count;
  uint32_t place_mask; /* of a slot; the tag is above */
};

static inline uint32_t gr_index_home(const struct gr_index *index, uint64_t hash) {
  return (uint32_t)((hash >> 32) * index->bucket_count >> 32);
}

static inline uint32_t gr_index_tag(const struct gr_index *index, uint64_t hash) {
  return (uint32_t)hash & ~index->place_mask;
}

static inline uint32_t gr_index_next(const struct gr_index *index, uint32_t bucket) {
  return bucket + 1 < index->bucket_count ? bucket + 1 : 0;
}

static inline void gr_index_prefetch(const struct gr_index *index, uint64_t hash) {
  gr_prefetch(&index->buckets[gr_index_home(index, hash)]);
}

/* A bit for each slot that is `value` where `mask` says. */
#ifdef __SSE2__
static inline uint32_t gr_bucket_match(const struct gr_bucket *bucket, uint32_t value,
                                       uint32_t mask) {
  const __m128i *words = (const __m128i *)(const void *)bucket->words;
  __m128i wanted = _mm_set1_epi32((int)value), bits = _mm_set1_epi32((int)mask), equal[4];
  for (unsigned i = 0; i < 4; i++)
    equal[i] = _mm_cmpeq_epi32(_mm_and_si128(_mm_load_si128(words + i), bits), wanted);
  __m128i low = _mm_packs_epi32(equal[0], equal[1]);
  __m128i high = _mm_packs_epi32(equal[2], equal[3]);
  uint32_t found = (uint32_t)_mm_movemask_epi8(_mm_packs_epi16(low, high));
  return found & GR_BUCKET_ALL;
}
#else
static inline uint32_t gr_bucket_match(const struct gr_bucket *bucket, uint32_t value,
                                       uint32_t mask) {
  uint32_t found = 0;
  for (uint32_t i = 0; i < GR_BUCKET_SLOTS; i++)
    found |= (uint32_t)((bucket->words[i] & mask) == value) << i;
  return found;
}
#endif

static inline bool gr_bucket_was_passed(const struct gr_bucket *bucket) {
  return bucket->words[GR_BUCKET_SLOTS] != 0;
}

/* Calls for the lines of rows that a search for this hash will compare. The home bucket
 * should be near. */
void gr_index_prefetch_rows(const struct gr_index *index, const struct gr_row *ring,
                            uint64_t hash);

/* The newest row that a key of this kind meets (see doc/certification.md for the table);
 * 0 if there is none. */
gr_seqno gr_index_newest(const struct gr_index *index, const struct gr_row *ring,
                         uint64_t hash, enum gr_key_kind kind);

/* The row at `place`, which has been written, is now the newest of its key and kind. */
void gr_index_put(struct gr_index *index, const struct gr_row *ring, uint32_t place);

/* Forgets the row at `place`, if it still is the newest of its key and kind. */
void gr_index_remove(struct gr_index *index, uint64_t hash, uint32_t place);

#endif
