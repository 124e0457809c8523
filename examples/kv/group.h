/* SPDX-License-Identifier: MIT
 *
 * gr-kv's member of the group: starts the node, and passes what it delivers to the client
 * thread by way of the hand-over.
 */
#ifndef KV_GROUP_H
#define KV_GROUP_H

#include "handover.h"
#include "options.h"

struct kv_group;

/* What INFO tells of the group. */
struct kv_group_facts {
  gr_status status;
  gr_member members[GR_MEMBERS_MAX];
  size_t member_count;
  gr_node_storage storage; /* of a durable member */
};

/* Of a durable member the store holds every message up to `applied` already. NULL:
 * `error_text` says why, in one line. */
struct kv_group *kv_group_start(const struct kv_options *options, gr_seqno applied,
                                char *error_text, size_t error_text_size);
void kv_group_stop(struct kv_group *group);

struct kv_handover *kv_group_handover(struct kv_group *group);

/* Broadcasts one message without waiting; as gr_node_broadcast(). */
int kv_group_broadcast(struct kv_group *group, const void *bytes, size_t size,
                       uint64_t tag);

/* Asks the node, which must be restored. False once it has halted. */
bool kv_group_inspect(struct kv_group *group, struct kv_group_facts *facts);

/* The same for the log alone. */
bool kv_group_storage(struct kv_group *group, gr_node_storage *storage);

/* Tells the node that every message up to `applied` is kept elsewhere. */
void kv_group_checkpoint(struct kv_group *group, gr_seqno applied);

#endif
