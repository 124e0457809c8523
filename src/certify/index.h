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
 * Buckets are reckoned for 12 rows each, of 15 slots: load 0.8 at most.
 */
#ifndef GR_CERTIFY_INDEX_H
#define GR_CERTIFY_INDEX_H

#include "certify/rows.h"

#define GR_BUCKET_SLOTS 15
#define GR_BUCKET_ROWS 12

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
  __builtin_prefetch(&index->buckets[gr_index_home(index, hash)], 1);
}

/* A bit for each slot that is `value` where `mask` says. A loop without branches, which
 * compilers turn into four vector comparisons. */
static inline uint32_t gr_bucket_match(const struct gr_bucket *bucket, uint32_t value,
                                       uint32_t mask) {
  uint32_t found = 0;
  for (uint32_t i = 0; i <= GR_BUCKET_SLOTS; i++)
    found |= (bucket->words[i] & mask) == value ? UINT32_C(1) << i : 0;
  return found & ((UINT32_C(1) << GR_BUCKET_SLOTS) - 1);
}

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
