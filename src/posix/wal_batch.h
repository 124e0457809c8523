/* SPDX-License-Identifier: MIT
 *
 * Records on their way to a write: gathered on the node's thread, encoded on the
 * writer's. What is small is copied; payload stays where it is.
 *
 *   arena:  [header][part 0][zeros] [header][part 0]   [zeros][header] ...
 *                                                   ^ part 1 belongs here
 */
#ifndef GR_POSIX_WAL_BATCH_H
#define GR_POSIX_WAL_BATCH_H

#include "posix/wal_format.h"

struct gr_wal_entry {
  size_t at;        /* of the header, in the arena */
  size_t copied;    /* header and part 0, and part 1 if that is small */
  gr_slice payload; /* part 1 */
  size_t zeros;
  gr_ticket ticket;
};

struct gr_wal_batch {
  uint8_t *arena;
  size_t used;
  size_t capacity;
  struct gr_wal_entry *entries;
  size_t count;
  size_t entries_capacity;
  uint64_t bytes; /* of all, in their files */
};

void gr_wal_batch_free(struct gr_wal_batch *batch);
void gr_wal_batch_clear(struct gr_wal_batch *batch);

/* Payload up to this size is copied too: that takes less time than to point at it. */
#define GR_WAL_COPIED_BYTES_MAX 512

/* Adds a record of one or two parts, of at most GR_WAL_RECORD_BYTES_MAX. False: no
 * memory. */
bool gr_wal_batch_add(struct gr_wal_batch *batch, gr_ticket ticket, const gr_slice *parts,
                      size_t part_count);

/* Bytes of the entry's record in its file. */
static inline uint64_t gr_wal_entry_bytes(const struct gr_wal_entry *entry) {
  return entry->copied + entry->payload.size + entry->zeros;
}

/* Fills in the header, now that it is known where and when the record is written. */
void gr_wal_batch_seal(struct gr_wal_batch *batch, const struct gr_wal_entry *entry,
                       uint32_t seed, gr_ticket synced);

#endif
