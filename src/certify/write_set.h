/* SPDX-License-Identifier: MIT
 *
 * Write sets as bytes. All numbers are little-endian.
 *
 *   version u8 | flags u8 | 0 u16 | keys u32 | snapshot u64 |
 *   keys x { hash u64 | kind u8 }
 */
#ifndef GR_CERTIFY_WRITE_SET_H
#define GR_CERTIFY_WRITE_SET_H

#include "base/bytes.h"

#include <gr/certify.h>

#define GR_WRITE_SET_VERSION 1
#define GR_WRITE_SET_FLAGS                                                               \
  (GR_WRITESET_SERIALIZABLE | GR_WRITESET_CASCADING | GR_WRITESET_BARRIER |              \
   GR_WRITESET_READ_ONLY)

/* One that was decoded; its keys stay where they came. */
struct gr_write_set {
  gr_seqno snapshot;
  uint32_t flags;
  uint32_t key_count;
  uint32_t stored_count; /* keys that are remembered if it commits: all but SHARED ones */
  const uint8_t *keys;
  bool is_near; /* the certifier has called for what its keys need */
};

/* GR_OK, GR_ERR_MALFORMED, GR_ERR_PROTOCOL */
int gr_write_set_decode(struct gr_write_set *set, gr_slice encoded);

/* The same, but looks at no key, which may be of no kind: for who wants their hashes. */
int gr_write_set_decode_header(struct gr_write_set *set, gr_slice encoded);

/* Into GR_WRITESET_HEADER_BYTES. */
void gr_write_set_encode_header(uint8_t *at, const struct gr_write_set *set);

static inline uint64_t gr_write_set_hash(const struct gr_write_set *set, uint32_t index) {
  return gr_load_u64(set->keys + (size_t)index * GR_WRITESET_KEY_BYTES);
}

static inline enum gr_key_kind gr_write_set_kind(const struct gr_write_set *set,
                                                 uint32_t index) {
  return (enum gr_key_kind)set->keys[(size_t)index * GR_WRITESET_KEY_BYTES + 8];
}

/* Whether it must be applied alone: by its flag, or as nothing says what it touches. */
static inline bool gr_write_set_is_barrier(const struct gr_write_set *set) {
  if ((set->flags & GR_WRITESET_BARRIER) != 0) return true;
  return set->key_count == 0 && (set->flags & GR_WRITESET_READ_ONLY) == 0;
}

#endif
