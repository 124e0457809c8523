/* SPDX-License-Identifier: MIT
 *
 * Making a write set. Keys are kept as they travel, so encoding only adds the header.
 *
 * Beside them a table of numbers of keys, open-addressed with linear probing, finds what
 * is there already. Keys leave in the reverse order of their coming, so whatever probed
 * past a key's place came after it, and is gone before it: places are simply emptied.
 */
#include "base/carve.h"
#include "base/default_allocator.h"
#include "base/ring.h"
#include "base/xxh64.h"
#include "certify/write_set.h"

#define WRITESET_BYTES_MAX ((size_t)1 << 30)

struct gr_writeset {
  struct gr_write_set set; /* set.keys == bytes + GR_WRITESET_HEADER_BYTES */
  uint8_t *bytes;
  uint32_t keys_max;
  uint32_t *table; /* number of a key + 1; 0: empty. At most half full */
  uint32_t table_mask;
  gr_allocator allocator;
  size_t footprint;
};

static size_t keys_max(size_t bytes_max) {
  return (bytes_max - GR_WRITESET_HEADER_BYTES) / GR_WRITESET_KEY_BYTES;
}

static gr_writeset *carve(struct gr_carver *carver, size_t bytes_max) {
  gr_writeset *w = gr_carve(carver, 1, sizeof(*w));
  uint8_t *bytes = gr_carve(carver, bytes_max, 1);
  size_t table_size = gr_ring_round_up(2 * keys_max(bytes_max));
  uint32_t *table = gr_carve(carver, table_size, sizeof(*table));
  if (!carver->memory) return NULL;
  *w = (gr_writeset){.bytes = bytes,
                     .keys_max = (uint32_t)keys_max(bytes_max),
                     .table = table,
                     .table_mask = (uint32_t)(table_size - 1)};
  w->set.keys = bytes + GR_WRITESET_HEADER_BYTES;
  memset(table, 0, table_size * sizeof(*table));
  return w;
}

int gr_writeset_new(gr_writeset **writeset, size_t bytes_max,
                    const gr_allocator *allocator) {
  if (!writeset) return GR_ERR_INVALID;
  *writeset = NULL;
  if (allocator && (!allocator->allocate || !allocator->release)) return GR_ERR_INVALID;
  if (bytes_max < GR_WRITESET_HEADER_BYTES || bytes_max > WRITESET_BYTES_MAX)
    return GR_ERR_INVALID;
  gr_allocator memory = allocator ? *allocator : gr_default_allocator();
  struct gr_carver carver = {0};
  carve(&carver, bytes_max);
  size_t size = carver.used;
  carver = (struct gr_carver){
      .memory = memory.allocate(memory.context, size, GR_CARVE_ALIGNMENT)};
  if (!carver.memory) return GR_ERR_NO_MEMORY;
  *writeset = carve(&carver, bytes_max);
  (*writeset)->allocator = memory;
  (*writeset)->footprint = size;
  gr_writeset_clear(*writeset);
  return GR_OK;
}

void gr_writeset_free(gr_writeset *w) {
  if (!w) return;
  gr_allocator memory = w->allocator;
  memory.release(memory.context, w, w->footprint);
}

/* ---- keys ---- */

static bool is_key(const gr_writeset *w, uint32_t index, gr_key key) {
  return gr_write_set_hash(&w->set, index) == key.hash &&
         gr_write_set_kind(&w->set, index) == key.kind;
}

/* The place in the table of a key, or the empty one where it belongs. */
static uint32_t place_of(const gr_writeset *w, gr_key key) {
  uint32_t place = (uint32_t)(key.hash >> 32 ^ key.kind) & w->table_mask;
  while (w->table[place] != 0 && !is_key(w, w->table[place] - 1, key))
    place = (place + 1) & w->table_mask;
  return place;
}

static bool has_key(const gr_writeset *w, gr_key key) {
  return w->keys_max > 0 && w->table[place_of(w, key)] != 0;
}

static void append(gr_writeset *w, gr_key key) {
  uint8_t *at = w->bytes + GR_WRITESET_HEADER_BYTES +
                (size_t)w->set.key_count * GR_WRITESET_KEY_BYTES;
  gr_store_u64(at, key.hash);
  at[8] = (uint8_t)key.kind;
  w->table[place_of(w, key)] = ++w->set.key_count;
  w->set.stored_count += key.kind != GR_KEY_SHARED;
}

static void remove_last(gr_writeset *w) {
  uint32_t last = w->set.key_count - 1;
  gr_key key = {gr_write_set_hash(&w->set, last), gr_write_set_kind(&w->set, last)};
  w->table[place_of(w, key)] = 0;
  w->set.key_count = last;
  w->set.stored_count -= key.kind != GR_KEY_SHARED;
}

static bool are_parts(const gr_slice *parts, size_t part_count) {
  if (!parts) return false;
  for (size_t i = 0; i < part_count; i++)
    if (!parts[i].data && parts[i].size > 0) return false;
  return true;
}

uint64_t gr_key_hash(const gr_slice *parts, size_t part_count) {
  struct gr_xxh64_stream stream;
  if (!are_parts(parts, part_count)) return 0;
  gr_xxh64_begin(&stream, 0);
  for (size_t i = 0; i < part_count; i++) {
    uint8_t length[8];
    gr_store_u64(length, parts[i].size);
    gr_xxh64_add(&stream, length, sizeof(length));
    gr_xxh64_add(&stream, parts[i].data, parts[i].size);
  }
  return gr_xxh64_end(&stream);
}

int gr_writeset_add(gr_writeset *w, enum gr_key_kind kind, const gr_slice *parts,
                    size_t part_count, uint32_t *index) {
  if (!w || part_count == 0 || !are_parts(parts, part_count) ||
      (unsigned)kind > GR_KEY_EXCLUSIVE)
    return GR_ERR_INVALID;
  gr_key key = {gr_key_hash(parts, part_count), kind};
  if (!has_key(w, key)) {
    if (w->set.key_count == w->keys_max) return GR_ERR_TOO_LARGE;
    append(w, key);
  }
  if (index) *index = w->table[place_of(w, key)] - 1;
  return GR_OK;
}

int gr_writeset_change(gr_writeset *w, const gr_slice *before, size_t before_count,
                       const gr_slice *after, size_t after_count) {
  if (!w || before_count + after_count == 0 ||
      (before_count > 0 && !are_parts(before, before_count)) ||
      (after_count > 0 && !are_parts(after, after_count)))
    return GR_ERR_INVALID;
  gr_key images[2];
  size_t count = 0;
  if (before_count > 0)
    images[count++] = (gr_key){gr_key_hash(before, before_count), GR_KEY_EXCLUSIVE};
  if (after_count > 0)
    images[count++] = (gr_key){gr_key_hash(after, after_count), GR_KEY_EXCLUSIVE};
  if (count == 2 && images[0].hash == images[1].hash) count = 1;
  size_t missing = 0;
  for (size_t i = 0; i < count; i++) missing += !has_key(w, images[i]);
  if (missing > w->keys_max - w->set.key_count) return GR_ERR_TOO_LARGE;
  for (size_t i = 0; i < count; i++)
    if (!has_key(w, images[i])) append(w, images[i]);
  return GR_OK;
}

size_t gr_writeset_count(const gr_writeset *w) {
  return w ? w->set.key_count : 0;
}

int gr_writeset_rollback(gr_writeset *w, size_t mark) {
  if (!w || mark > w->set.key_count) return GR_ERR_INVALID;
  while (w->set.key_count > mark) remove_last(w);
  return GR_OK;
}

/* ---- the rest ---- */

void gr_writeset_clear(gr_writeset *w) {
  if (!w) return;
  gr_writeset_rollback(w, 0);
  w->set.snapshot = GR_SNAPSHOT_NONE;
  w->set.flags = 0;
}

int gr_writeset_snapshot(gr_writeset *w, gr_seqno snapshot) {
  if (!w || (snapshot != GR_SNAPSHOT_NONE && snapshot > GR_CERTIFY_SEQNO_MAX))
    return GR_ERR_INVALID;
  w->set.snapshot = snapshot;
  return GR_OK;
}

int gr_writeset_flag(gr_writeset *w, uint32_t flags) {
  if (!w || (flags & ~GR_WRITE_SET_FLAGS) != 0) return GR_ERR_INVALID;
  w->set.flags |= flags;
  return GR_OK;
}

int gr_writeset_encode(gr_writeset *w, gr_slice *encoded) {
  if (!w || !encoded) return GR_ERR_INVALID;
  if ((w->set.flags & GR_WRITESET_READ_ONLY) != 0 && w->set.stored_count > 0)
    return GR_ERR_STATE;
  gr_write_set_encode_header(w->bytes, &w->set);
  *encoded = (gr_slice){w->bytes, GR_WRITESET_HEADER_BYTES +
                                      (size_t)w->set.key_count * GR_WRITESET_KEY_BYTES};
  return GR_OK;
}
