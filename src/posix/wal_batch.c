/* SPDX-License-Identifier: MIT
 *
 * See wal_batch.h.
 */
#include "posix/wal_batch.h"

#include <stdlib.h>
#include <string.h>

#define ARENA_BYTES_MIN 4096
#define ENTRIES_MIN 64

void gr_wal_batch_free(struct gr_wal_batch *batch) {
  free(batch->arena);
  free(batch->entries);
}

void gr_wal_batch_clear(struct gr_wal_batch *batch) {
  batch->used = 0;
  batch->count = 0;
  batch->bytes = 0;
}

/* `array` with room for `needed` elements of this size, by doubling; NULL: no memory, and
 * it is as it was. */
static void *grown(void *array, size_t *capacity, size_t needed, size_t element,
                   size_t least) {
  if (needed <= *capacity) return array;
  size_t larger = *capacity ? *capacity : least;
  while (larger < needed) larger *= 2;
  void *moved = realloc(array, larger * element);
  if (moved) *capacity = larger;
  return moved;
}

static bool make_room(struct gr_wal_batch *batch, size_t bytes) {
  uint8_t *arena =
      grown(batch->arena, &batch->capacity, batch->used + bytes, 1, ARENA_BYTES_MIN);
  if (!arena) return false;
  batch->arena = arena;
  struct gr_wal_entry *entries = grown(batch->entries, &batch->entries_capacity,
                                       batch->count + 1, sizeof(*entries), ENTRIES_MIN);
  if (entries) batch->entries = entries;
  return entries != NULL;
}

bool gr_wal_batch_add(struct gr_wal_batch *batch, gr_ticket ticket, const gr_slice *parts,
                      size_t part_count) {
  gr_slice payload = part_count > 1 ? parts[1] : (gr_slice){.size = 0};
  gr_slice small = {.size = 0};
  if (payload.size <= GR_WAL_COPIED_BYTES_MAX) {
    small = payload;
    payload = (gr_slice){.size = 0};
  }
  const size_t copied = GR_WAL_RECORD_HEADER_BYTES + parts[0].size + small.size;
  const size_t bytes =
      (size_t)gr_wal_record_bytes(copied - GR_WAL_RECORD_HEADER_BYTES + payload.size);
  const size_t zeros = bytes - copied - payload.size;
  if (!make_room(batch, copied + zeros)) return false;
  uint8_t *at = batch->arena + batch->used + GR_WAL_RECORD_HEADER_BYTES;
  if (parts[0].size > 0) memcpy(at, parts[0].data, parts[0].size);
  if (small.size > 0) memcpy(at + parts[0].size, small.data, small.size);
  memset(at + parts[0].size + small.size, 0, zeros);
  batch->entries[batch->count++] = (struct gr_wal_entry){.at = batch->used,
                                                         .copied = copied,
                                                         .payload = payload,
                                                         .zeros = zeros,
                                                         .ticket = ticket};
  batch->used += copied + zeros;
  batch->bytes += bytes;
  return true;
}

void gr_wal_batch_seal(struct gr_wal_batch *batch, const struct gr_wal_entry *entry,
                       uint32_t seed, gr_ticket synced) {
  uint8_t *at = batch->arena + entry->at;
  const size_t part = entry->copied - GR_WAL_RECORD_HEADER_BYTES;
  struct gr_wal_record record = {.length = (uint32_t)(part + entry->payload.size),
                                 .ticket = entry->ticket,
                                 .synced = synced};
  gr_wal_record_encode(at, &record);
  record.crc = gr_wal_record_checksum(seed, at, entry->copied);
  record.crc = gr_wal_checksum(record.crc, entry->payload.data, entry->payload.size);
  record.crc = gr_wal_checksum(record.crc, at + entry->copied, entry->zeros);
  gr_wal_record_encode(at, &record);
}
