/* SPDX-License-Identifier: MIT
 *
 * See index.h.
 */
#include "certify/index.h"

/* The place of the row that the slot of the lowest bit names, plus one: 0 for an empty
 * slot, which looks like a slot with a tag of zero. */
static uint32_t lowest(const struct gr_index *index, const struct gr_bucket *bucket,
                       uint32_t found) {
  return bucket->words[__builtin_ctz(found)] & index->place_mask;
}

/* Whether a search that began at `home` goes on behind `*at`: not once around, which in a
 * small table all buckets may have been passed for. */
static bool goes_on(const struct gr_index *index, uint32_t *at, uint32_t home) {
  if (!gr_bucket_was_passed(&index->buckets[*at])) return false;
  *at = gr_index_next(index, *at);
  return *at != home;
}

void gr_index_prefetch_rows(const struct gr_index *index, const struct gr_row *ring,
                            uint64_t hash) {
  const struct gr_bucket *bucket = &index->buckets[gr_index_home(index, hash)];
  uint32_t tag = gr_index_tag(index, hash);
  uint32_t found = gr_bucket_match(bucket, tag, ~index->place_mask);
  for (; found != 0; found &= found - 1) {
    uint32_t place = lowest(index, bucket, found);
    if (place != 0) gr_prefetch(&ring[place - 1]);
  }
}

gr_seqno gr_index_newest(const struct gr_index *index, const struct gr_row *ring,
                         uint64_t hash, enum gr_key_kind kind) {
  uint32_t home = gr_index_home(index, hash), at = home;
  uint32_t tag = gr_index_tag(index, hash);
  uint64_t exclusive_only = kind != GR_KEY_EXCLUSIVE;
  gr_seqno newest = 0;
  for (;;) {
    const struct gr_bucket *bucket = &index->buckets[at];
    uint32_t found = gr_bucket_match(bucket, tag, ~index->place_mask);
    for (; found != 0; found &= found - 1) {
      uint32_t place = lowest(index, bucket, found);
      if (place == 0) continue;
      const struct gr_row *row = &ring[place - 1];
      if (row->hash != hash || (row->mark & 1) < exclusive_only) continue;
      if (gr_row_seqno(row) > newest) newest = gr_row_seqno(row);
    }
    if (!goes_on(index, &at, home)) return newest;
  }
}

/* The slot of the row of this key and kind; NULL if there is none. */
static uint32_t *find(struct gr_index *index, const struct gr_row *ring,
                      const struct gr_row *row) {
  uint32_t home = gr_index_home(index, row->hash), at = home;
  uint32_t tag = gr_index_tag(index, row->hash);
  for (;;) {
    struct gr_bucket *bucket = &index->buckets[at];
    uint32_t found = gr_bucket_match(bucket, tag, ~index->place_mask);
    for (; found != 0; found &= found - 1) {
      uint32_t place = lowest(index, bucket, found);
      if (place == 0) continue;
      const struct gr_row *other = &ring[place - 1];
      if (other->hash == row->hash && ((other->mark ^ row->mark) & 1) == 0)
        return &bucket->words[__builtin_ctz(found)];
    }
    if (!goes_on(index, &at, home)) return NULL;
  }
}

void gr_index_put(struct gr_index *index, const struct gr_row *ring, uint32_t place) {
  uint64_t hash = ring[place].hash;
  uint32_t slot = gr_index_tag(index, hash) | (place + 1);
  uint32_t *old = find(index, ring, &ring[place]);
  if (old) {
    *old = slot;
    return;
  }
  uint32_t at = gr_index_home(index, hash);
  uint32_t empty;
  while ((empty = gr_bucket_match(&index->buckets[at], 0, UINT32_MAX)) == 0) {
    index->buckets[at].words[GR_BUCKET_SLOTS]++;
    at = gr_index_next(index, at);
  }
  index->buckets[at].words[__builtin_ctz(empty)] = slot;
}

void gr_index_remove(struct gr_index *index, uint64_t hash, uint32_t place) {
  uint32_t slot = gr_index_tag(index, hash) | (place + 1);
  uint32_t home = gr_index_home(index, hash), at = home, found;
  while ((found = gr_bucket_match(&index->buckets[at], slot, UINT32_MAX)) == 0) {
    if (!goes_on(index, &at, home)) return;
  }
  index->buckets[at].words[__builtin_ctz(found)] = 0;
  for (; home != at; home = gr_index_next(index, home))
    index->buckets[home].words[GR_BUCKET_SLOTS]--;
}
