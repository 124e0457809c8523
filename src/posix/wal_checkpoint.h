/* SPDX-License-Identifier: MIT
 *
 * The checkpoint file: the state that replaces all records below a ticket. It is replaced
 * as a whole, so that either the old or the new one is there.
 */
#ifndef GR_POSIX_WAL_CHECKPOINT_H
#define GR_POSIX_WAL_CHECKPOINT_H

#include "posix/wal_files.h"
#include "posix/wal_format.h"

struct gr_wal_checkpoint {
  bool exists;
  gr_ticket first; /* the records from here on follow the state */
  gr_slice state;  /* points into `bytes` */
  /* The whole file, and a byte more: one that is too long is damaged too. */
  uint8_t bytes[GR_WAL_CHECKPOINT_HEADER_BYTES + GR_RECORD_HEADER_MAX + 1];
};

/* GR_ERR_STORAGE: it is damaged, of another version, or cannot be read. */
int gr_wal_checkpoint_read(struct gr_wal_files *files,
                           struct gr_wal_checkpoint *checkpoint, struct gr_wal_text *why);

/* Durable when it returns GR_OK. The state is of at most GR_RECORD_HEADER_MAX bytes. */
int gr_wal_checkpoint_write(struct gr_wal_files *files, gr_ticket first, gr_slice state,
                            struct gr_wal_text *why);

#endif
