/* SPDX-License-Identifier: MIT
 *
 * The data directory of a durable member:
 *
 *   DIR/log       the node's write-ahead log
 *   DIR/snapshot  the store at one message of the order, see snapshot.h
 *   DIR/uuid      the server's name, see identity.h
 *
 * A start loads the snapshot; the node then delivers what its log holds beyond it. As the
 * log grows, a forked child writes the store as it is at that moment to a new snapshot
 * while this process goes on, and then the log may forget what the snapshot holds. A
 * snapshot that comes from another member takes the place of all that.
 */
#ifndef KV_CHECKPOINT_H
#define KV_CHECKPOINT_H

#include "group.h"
#include "snapshot.h"

#include <pthread.h>
#include <sys/types.h>

struct kv_checkpoint {
  const struct kv_options *options;
  int directory;  /* open */
  bool is_orphan; /* there was a snapshot, and no log to go with it */
  struct kv_snapshot latest;
  uint64_t latest_log_bytes; /* written to the log when that was begun */
  uint64_t count;            /* written by this process */
  pid_t child;               /* writes one now; 0: none does */
  struct kv_snapshot child_snapshot;
  uint64_t child_log_bytes;
  int error;         /* of the last attempt: an errno; 0: it succeeded */
  uint64_t retry_ms; /* not before, after a failure */
  bool hurries;      /* one is due, however little it adds */

  pthread_mutex_t lock;
  unsigned replacing; /* snapshots of others that are being taken, or wait to be used */
};

/* Makes the directory if it is not there, and loads the snapshot, if there is one, into
 * the empty store. False: `error_text` says why. */
bool kv_checkpoint_open(struct kv_checkpoint *checkpoint,
                        const struct kv_options *options, struct kv_store *store,
                        char *error_text, size_t error_text_size);

/* To be called once in a while: begins a snapshot of the store, which holds every message
 * up to that of `now`, if it is time for one, and tells the group when one is done. */
void kv_checkpoint_tend(struct kv_checkpoint *checkpoint, struct kv_group *group,
                        const struct kv_store *store, const struct kv_snapshot *now,
                        uint64_t now_ms);

/* The log will be forgotten: what only it holds is to be kept soon, for which the next call of
 * kv_checkpoint_tend() begins a snapshot. */
void kv_checkpoint_hurry(struct kv_checkpoint *checkpoint);

/* A last snapshot, so that the next start finds little in the log. */
void kv_checkpoint_finish(struct kv_checkpoint *checkpoint, struct kv_group *group,
                          const struct kv_store *store, const struct kv_snapshot *now);

/* On the node's thread: another member's snapshot begins to come. From now on this one's
 * own are of no use. */
void kv_checkpoint_begin_replacing(struct kv_checkpoint *checkpoint);

/* On the node's thread: it is complete, in a file of this name; false: errno says why it
 * is not the snapshot now. */
bool kv_checkpoint_replace(struct kv_checkpoint *checkpoint, const char *name);

/* It was broken off; or, on the client thread, the store is the one that came with it. */
void kv_checkpoint_end_replacing(struct kv_checkpoint *checkpoint,
                                 const struct kv_snapshot *snapshot);

/* Ends the child, if there is one, and closes the directory. */
void kv_checkpoint_close(struct kv_checkpoint *checkpoint);

#endif
