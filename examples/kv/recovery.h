/* SPDX-License-Identifier: MIT
 *
 * A snapshot that another member gives to this one, which joins: on the node's thread it
 * is read into a store of its own as it comes, and, with --data, written to the disk.
 * When it is complete, and durable, the client thread gets that store in place of its
 * own.
 */
#ifndef KV_RECOVERY_H
#define KV_RECOVERY_H

#include "checkpoint.h"

struct kv_recovery;

/* `checkpoint` is NULL for a volatile member. NULL: out of memory. */
struct kv_recovery *kv_recovery_new(const struct kv_options *options,
                                    struct kv_checkpoint *checkpoint,
                                    struct kv_handover *handover);
void kv_recovery_free(struct kv_recovery *recovery);

/* As the callbacks of these names; false: it failed, and the log says why. */
bool kv_recovery_begin(struct kv_recovery *recovery, gr_seqno seqno);
bool kv_recovery_write(struct kv_recovery *recovery, gr_slice bytes);
bool kv_recovery_end(struct kv_recovery *recovery, bool complete);

#endif
