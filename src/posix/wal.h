/* SPDX-License-Identifier: MIT
 *
 * The write-ahead log of one durable member: records by ticket, in files of a directory.
 *
 *   wal.c             open, replay, append, close: what the node calls
 *   wal_writer.c      the thread that writes and syncs records
 *   wal_keeper.c      the thread that prepares files, writes checkpoints, recycles
 *   wal_batch.c       records on their way to the writer
 *   wal_replay.c      reading all back; what is torn and what is damaged
 *   wal_reader.c      reading one segment
 *   wal_checkpoint.c  the checkpoint file
 *   wal_files.c       the directory: lock, names, errors
 *   wal_failure.c     why the log failed
 *   wal_format.c      the bytes
 *
 * All functions are for one thread, the node's, except that open and close may be
 * another's while that does not run.
 */
#ifndef GR_POSIX_WAL_H
#define GR_POSIX_WAL_H

#include "posix/wal_replay.h"

#include <gr/posix.h>

struct gr_wal;

/* Locks the directory, which is made if it is not there. `waker`, if not NULL, is
 * notified when more is durable and when the log fails. GR_ERR_NO_MEMORY, GR_ERR_SYSTEM,
 * GR_ERR_STORAGE. */
int gr_wal_open(struct gr_wal **wal, const char *directory, uint64_t segment_bytes,
                gr_time spin_max_ns, struct gr_waker *waker, struct gr_wal_text *why);

/* Gives everything back: with ticket 0 the state, if there is one, then the records. Then
 * the log takes new ones. Errors are those of gr_wal_replay(). */
int gr_wal_start(struct gr_wal *wal, gr_wal_take *take, void *context,
                 struct gr_wal_text *why);

/* Writes and syncs what was appended, ends the threads and unlocks the directory. NULL is
 * allowed. */
void gr_wal_close(struct gr_wal *wal);

/* Appends a record, as gr_host.store() says. False: the log has failed. */
bool gr_wal_append(struct gr_wal *wal, gr_ticket ticket, const gr_slice *parts,
                   size_t part_count);

/* Has what was appended written and synced, soon. */
void gr_wal_sync(struct gr_wal *wal);

/* Whether gr_wal_write() is likely to take less time than gr_wal_sync() would. */
bool gr_wal_is_quick(struct gr_wal *wal);

/* Writes and syncs what was appended, before it returns; or leaves it to a write under
 * way. */
void gr_wal_write(struct gr_wal *wal);

/* As gr_host.trim(). False: the log has failed. */
bool gr_wal_trim(struct gr_wal *wal, gr_ticket first, gr_slice state);
/* Waits until that state is durable, if all records before it are. False: the log has
 * failed. */
bool gr_wal_await_trim(struct gr_wal *wal);

/* Every record up to here is durable. Sequentially consistent: see waker.h. */
gr_ticket gr_wal_durable(const struct gr_wal *wal);

/* Whether something that was appended is not durable yet. */
bool gr_wal_is_busy(const struct gr_wal *wal);

/* Why the log failed; NULL: it has not. Good until it is closed. Likewise. */
const char *gr_wal_failure_text(const struct gr_wal *wal);

/* All but `size`. */
void gr_wal_measure(struct gr_wal *wal, gr_node_storage *figures);

#endif
