/* SPDX-License-Identifier: MIT
 *
 * See write_set.h. The bytes may be anybody's.
 */
#include "certify/write_set.h"

#include "base/fill.h"

void gr_write_set_encode_header(uint8_t *at, const struct gr_write_set *set) {
  at[0] = GR_WRITE_SET_VERSION;
  at[1] = (uint8_t)set->flags;
  gr_store_u16(at + 2, 0);
  gr_store_u32(at + 4, set->key_count);
  gr_store_u64(at + 8, set->snapshot);
}

int gr_write_set_decode_header(struct gr_write_set *set, gr_slice encoded) {
  const uint8_t *at = encoded.data;
  if (!at || encoded.size < GR_WRITESET_HEADER_BYTES) return GR_ERR_MALFORMED;
  if (at[0] != GR_WRITE_SET_VERSION) return GR_ERR_PROTOCOL;
  *set = (struct gr_write_set){.snapshot = gr_load_u64(at + 8),
                               .flags = at[1],
                               .key_count = gr_load_u32(at + 4),
                               .keys = at + GR_WRITESET_HEADER_BYTES};
  size_t key_bytes = encoded.size - GR_WRITESET_HEADER_BYTES;
  if ((set->flags & ~GR_WRITE_SET_FLAGS) != 0 || gr_load_u16(at + 2) != 0 ||
      key_bytes % GR_WRITESET_KEY_BYTES != 0 ||
      key_bytes / GR_WRITESET_KEY_BYTES != set->key_count)
    return GR_ERR_MALFORMED;
  return GR_OK;
}

int gr_write_set_decode(struct gr_write_set *set, gr_slice encoded) {
  int error = gr_write_set_decode_header(set, encoded);
  if (error != GR_OK) return error;
  for (uint32_t i = 0; i < set->key_count; i++) {
    enum gr_key_kind kind = gr_write_set_kind(set, i);
    if (kind > GR_KEY_EXCLUSIVE) return GR_ERR_MALFORMED;
    set->stored_count += kind != GR_KEY_SHARED;
  }
  if (set->stored_count > 0 && (set->flags & GR_WRITESET_READ_ONLY) != 0)
    return GR_ERR_MALFORMED;
  return GR_OK;
}

int gr_writeset_read(gr_slice encoded, gr_writeset_info *info) {
  struct gr_write_set set;
  if (!info) return GR_ERR_INVALID;
  int error = gr_write_set_decode(&set, encoded);
  if (error != GR_OK) return error;
  gr_writeset_info found = {sizeof(found), set.snapshot, set.flags, set.key_count};
  return gr_fill_in(info, info->size, &found, sizeof(found));
}

int gr_writeset_key(gr_slice encoded, uint32_t index, gr_key *key) {
  struct gr_write_set set;
  if (!key) return GR_ERR_INVALID;
  int error = gr_write_set_decode(&set, encoded);
  if (error != GR_OK) return error;
  if (index >= set.key_count) return GR_ERR_INVALID;
  *key = (gr_key){gr_write_set_hash(&set, index), gr_write_set_kind(&set, index)};
  return GR_OK;
}
