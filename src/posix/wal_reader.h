/* SPDX-License-Identifier: MIT
 *
 * Reads one segment's file through a window that moves along it. Not mapped: a disk that
 * cannot read must be an error, not a signal.
 */
#ifndef GR_POSIX_WAL_READER_H
#define GR_POSIX_WAL_READER_H

#include "posix/wal_files.h"
#include "posix/wal_format.h"

struct gr_wal_reader {
  uint8_t *window; /* kept from file to file */
  size_t capacity;
  struct gr_wal_name name;
  int file;
  uint64_t size; /* of the file */
  uint32_t seed;
  uint64_t base; /* the window holds the bytes base .. base + filled - 1 */
  size_t filled;
};

enum gr_wal_read {
  GR_WAL_READ_SOUND,
  GR_WAL_READ_BROKEN, /* no record of this segment is there */
  GR_WAL_READ_FAILED  /* errno says why */
};

/* What lies behind a record that is broken. */
struct gr_wal_evidence {
  bool was_durable; /* it was durable once: so it is damaged, not torn */
  uint64_t end;     /* bytes up to here were written with it or behind it */
};

/* Opens a segment, in place of the one before; `reader` begins as zeros. GR_ERR_STORAGE.
 */
int gr_wal_reader_open(struct gr_wal_reader *reader, const struct gr_wal_files *files,
                       uint64_t number, struct gr_wal_text *why);
void gr_wal_reader_close(struct gr_wal_reader *reader);
void gr_wal_reader_free(struct gr_wal_reader *reader);

/* Bytes of the file, which has so many; good until the next call. NULL, with errno. */
const uint8_t *gr_wal_reader_view(struct gr_wal_reader *reader, uint64_t offset,
                                  uint64_t bytes);

/* The record at `offset`; its payload is good until the next call. */
enum gr_wal_read gr_wal_reader_record(struct gr_wal_reader *reader, uint64_t offset,
                                      struct gr_wal_record *record,
                                      const uint8_t **payload);

/* Looks from `offset` on, where the record of this ticket should be and is not. False,
 * with errno, if the file cannot be read. */
bool gr_wal_reader_examine(struct gr_wal_reader *reader, uint64_t offset,
                           gr_ticket ticket, struct gr_wal_evidence *evidence);

#endif
