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
};

/* NULL: `error_text` says why, in one line. */
struct kv_group *kv_group_start(const struct kv_options *options, char *error_text,
                                size_t error_text_size);
void kv_group_stop(struct kv_group *group);

struct kv_handover *kv_group_handover(struct kv_group *group);

/* Broadcasts one message without waiting; as gr_node_broadcast(). */
int kv_group_broadcast(struct kv_group *group, const void *bytes, size_t size,
                       uint64_t tag);

/* Asks the node. False once it has halted. */
bool kv_group_inspect(struct kv_group *group, struct kv_group_facts *facts);

#endif
