/* SPDX-License-Identifier: MIT
 *
 * Writes records: what is gathered while a write is under way is the next one, so at most
 * one write is not durable yet, and a slow disk makes larger ones.
 *
 * A thread does it, so that the node goes on meanwhile; but while the disk is quick and
 * there is little to write, waking that thread, and being woken by it, would cost more
 * than the write: then the node's thread does it itself.
 *
 * One batch is filled by the node's thread under the mutex, which is held for a copy at
 * most; the other belongs to who writes.
 */
#ifndef GR_POSIX_WAL_WRITER_H
#define GR_POSIX_WAL_WRITER_H

#include "posix/wal_batch.h"
#include "posix/wal_keeper.h"

#include <sys/uio.h>

#define GR_WAL_VECTORS_MAX 512

/* What was written so far. */
struct gr_wal_written {
  uint64_t records;
  uint64_t bytes;
  uint64_t syncs;
  gr_time sync_time;
  gr_time sync_time_max;
};

struct gr_wal_writer {
  struct gr_wal_files *files;
  struct gr_wal_failure *failure;
  struct gr_wal_keeper *keeper;
  struct gr_waker *waker; /* notified when more is durable; NULL: nobody */
  gr_time spin_max_ns;
  pthread_t thread;
  bool runs;

  _Atomic gr_ticket durable;
  _Atomic bool requested; /* what is gathered is to be written; changes under the mutex */
  pthread_mutex_t mutex;  /* of all below up to the thread's own */
  pthread_cond_t request;
  bool is_asleep;
  bool is_writing; /* one of the two threads is */
  bool stops;
  gr_time usual_sync_ns; /* a sync, as of late */
  size_t filling;        /* the batch that is gathered; the other one is being written */
  struct gr_wal_batch batches[2];
  struct gr_wal_written written;

  gr_time spin_ns; /* the thread's own: how long to look before sleeping, as of late */

  /* Of the thread that is writing. */
  struct gr_wal_segment *segment; /* NULL: none was begun */
  uint32_t seed;
  uint64_t used; /* bytes of the segment */
  size_t vector_count;
  uint64_t vector_offset; /* where in the file the vectors belong */
  uint64_t vector_bytes;
  struct iovec vectors[GR_WAL_VECTORS_MAX];
  uint8_t header[GR_WAL_SEGMENT_HEADER_BYTES];
};

void gr_wal_writer_init(struct gr_wal_writer *writer, struct gr_wal_files *files,
                        struct gr_wal_failure *failure, struct gr_wal_keeper *keeper,
                        struct gr_waker *waker, gr_time spin_max_ns);

/* All up to `durable` is durable. GR_ERR_SYSTEM. */
int gr_wal_writer_start(struct gr_wal_writer *writer, gr_ticket durable,
                        struct gr_wal_text *why);

/* Writes and syncs what was gathered, and the end mark; ends the thread. Good for one
 * that was not started. */
void gr_wal_writer_stop(struct gr_wal_writer *writer);

/* Gathers one record; parts[1] must stay as it is until the record is durable, or the
 * writer is stopped. False: no memory. */
bool gr_wal_writer_add(struct gr_wal_writer *writer, gr_ticket ticket,
                       const gr_slice *parts, size_t part_count);

/* Has what was gathered written and synced as soon as the write before is. */
void gr_wal_writer_sync(struct gr_wal_writer *writer);

/* Whether to write at once, on the node's thread, is better than to have it written:
 * nothing is being written, there is little, and syncs have been short of late. */
bool gr_wal_writer_is_quick(struct gr_wal_writer *writer);

/* Writes and syncs what was gathered, on this thread; unless the other is writing, which
 * then will. */
void gr_wal_writer_write(struct gr_wal_writer *writer);

struct gr_wal_written gr_wal_writer_measure(struct gr_wal_writer *writer);

#endif
