/* SPDX-License-Identifier: MIT
 *
 * The thread that keeps the log's files, so that the one that writes records waits for
 * nothing but its own writes: it fills the next segment with zeros in advance (a file
 * whose blocks are there already syncs faster), writes checkpoints, and recycles or
 * removes what they replace.
 */
#ifndef GR_POSIX_WAL_KEEPER_H
#define GR_POSIX_WAL_KEEPER_H

#include "posix/wal_files.h"
#include "posix/wal_replay.h"

#include <gr/host.h>

/* Files kept to become segments again; more are removed. */
#define GR_WAL_SPARES_MAX 2

/* Zeros written at once. */
#define GR_WAL_FILL_BYTES ((size_t)64 << 10)

struct gr_wal_segment {
  uint64_t number;
  gr_ticket first; /* of its records */
  uint64_t used;   /* bytes of header and records */
  int file;        /* -1: closed */
  struct gr_wal_segment *next;
};

struct gr_wal_keeper {
  struct gr_wal_files *files;
  struct gr_wal_failure *failure;
  uint64_t segment_bytes;
  pthread_t thread;
  bool runs;

  /* The thread's own. */
  uint64_t next_number;
  uint64_t spares[GR_WAL_SPARES_MAX];
  size_t spare_count;
  uint8_t state[GR_RECORD_HEADER_MAX]; /* of the checkpoint being written */

  uint8_t zeros[GR_WAL_FILL_BYTES];

  _Atomic bool is_awaited; /* the writer waits for a segment, full of zeros or not */
  pthread_mutex_t mutex;   /* of all below */
  pthread_cond_t work;
  pthread_cond_t ready;
  pthread_cond_t trimmed;
  bool stops;
  struct gr_wal_segment *prepared; /* NULL: to be made */
  struct gr_wal_segment
      *oldest; /* of those with records, the one being written included */
  struct gr_wal_segment *newest;
  gr_ticket durable;
  bool trims; /* writes a checkpoint */
  bool trim_wanted;
  gr_ticket trim_first;
  size_t trim_size;
  uint8_t trim_state[GR_RECORD_HEADER_MAX];
};

void gr_wal_keeper_init(struct gr_wal_keeper *keeper, struct gr_wal_files *files,
                        struct gr_wal_failure *failure, uint64_t segment_bytes);

/* Takes over what a replay found, prepares the first segment and starts the thread.
 * GR_ERR_NO_MEMORY, GR_ERR_SYSTEM, GR_ERR_STORAGE. */
int gr_wal_keeper_start(struct gr_wal_keeper *keeper, const struct gr_wal_replayed *found,
                        struct gr_wal_text *why);

/* Writes the checkpoint that waits, if it can, and ends the thread. Good for one that was
 * not started. */
void gr_wal_keeper_stop(struct gr_wal_keeper *keeper);

/* ---- for the writer ---- */

/* The segment to be written from now on, to begin with record `first`; NULL: the log has
 * failed. It stays the keeper's. */
struct gr_wal_segment *gr_wal_keeper_next(struct gr_wal_keeper *keeper, gr_ticket first);

/* All up to `durable` is durable, and the segment being written holds so many bytes. */
void gr_wal_keeper_advance(struct gr_wal_keeper *keeper, gr_ticket durable,
                           uint64_t used);

/* ---- for the owner ---- */

/* Asks for a checkpoint; the last one asked for counts. */
void gr_wal_keeper_trim(struct gr_wal_keeper *keeper, gr_ticket first, gr_slice state);

/* Waits until that one is durable, if all below its first ticket is. False: the log has
 * failed. */
bool gr_wal_keeper_await_trim(struct gr_wal_keeper *keeper);

/* Segments with records, and the bytes that they hold. */
void gr_wal_keeper_measure(struct gr_wal_keeper *keeper, uint64_t *segments,
                           uint64_t *bytes);

#endif
