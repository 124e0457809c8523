/* SPDX-License-Identifier: MIT
 *
 * The data directory of a durable member:
 *
 *   DIR/log       the node's write-ahead log
 *   DIR/snapshot  the store at one message of the order, see snapshot.h
 *
 * A start loads the snapshot; the node then delivers what its log holds beyond it. As the
 * log grows, a forked child writes the store as it is at that moment to a new snapshot
 * while this process goes on, and then the log may forget what the snapshot holds.
 */
#ifndef KV_CHECKPOINT_H
#define KV_CHECKPOINT_H

#include "group.h"
#include "snapshot.h"

#include <sys/types.h>

struct kv_checkpoint {
  const struct kv_options *options;
  int directory; /* open */
  struct kv_snapshot latest;
  uint64_t latest_log_bytes; /* written to the log when that was begun */
  uint64_t count;            /* written by this process */
  pid_t child;               /* writes one now; 0: none does */
  gr_seqno child_seqno;
  uint64_t child_log_bytes;
  int error;         /* of the last attempt: an errno; 0: it succeeded */
  uint64_t retry_ms; /* not before, after a failure */
};

/* Makes the directory if it is not there, and loads the snapshot, if there is one, into
 * the empty store. False: `error_text` says why. */
bool kv_checkpoint_open(struct kv_checkpoint *checkpoint,
                        const struct kv_options *options, struct kv_store *store,
                        char *error_text, size_t error_text_size);

/* To be called once in a while: begins a snapshot of the store, which holds every message
 * up to `applied`, if it is time for one, and tells the group when one is done. */
void kv_checkpoint_tend(struct kv_checkpoint *checkpoint, struct kv_group *group,
                        const struct kv_store *store, gr_seqno applied, uint64_t now_ms);

/* A last snapshot, so that the next start finds little in the log. */
void kv_checkpoint_finish(struct kv_checkpoint *checkpoint, struct kv_group *group,
                          const struct kv_store *store, gr_seqno applied);

/* Ends the child, if there is one, and closes the directory. */
void kv_checkpoint_close(struct kv_checkpoint *checkpoint);

#endif
