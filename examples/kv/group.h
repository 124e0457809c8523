/* SPDX-License-Identifier: MIT
 *
 * gr-kv's member of the group: starts the node, and passes what it delivers to the client
 * thread by way of the hand-over. A founder whose former process was a member comes back
 * as a new one: then the node is started again, to join.
 */
#ifndef KV_GROUP_H
#define KV_GROUP_H

#include "donor.h"
#include "handover.h"
#include "options.h"

struct kv_group;
struct kv_checkpoint;

/* What INFO and GR tell of the group. */
struct kv_group_facts {
  gr_status status;
  gr_counters counters;
  gr_recovery recovery;
  gr_member members[GR_MEMBERS_MAX]; /* without their attributes' address and user_data */
  char addresses[GR_MEMBERS_MAX][GR_ADDRESS_BYTES_MAX + 1];
  size_t member_count;
  gr_node_storage storage; /* of a durable member */
  struct kv_donor_figures donor;
};

/* What an operator may want. */
enum kv_order {
  KV_ORDER_LEAVE,
  KV_ORDER_JOIN,
  KV_ORDER_REMOVE, /* one member */
  KV_ORDER_FORCE   /* those who are to go on */
};

/* The store holds every message up to that of `state` already. `checkpoint` is NULL for a
 * volatile member. NULL: `error_text` says why, in one line. */
struct kv_group *kv_group_start(const struct kv_options *options,
                                struct kv_checkpoint *checkpoint,
                                const struct kv_snapshot *state, char *error_text,
                                size_t error_text_size);
void kv_group_stop(struct kv_group *group);

struct kv_handover *kv_group_handover(struct kv_group *group);
struct kv_donor *kv_group_donor(struct kv_group *group);

/* Broadcasts one message without waiting; as gr_node_broadcast(). */
int kv_group_broadcast(struct kv_group *group, const void *bytes, size_t size,
                       uint64_t tag);

/* Passes an operator's wish on; GR_OK, or what the library answers. */
int kv_group_order(struct kv_group *group, enum kv_order order,
                   const gr_member_id *members, size_t count);

/* Asks the node, which must be restored. False once it has halted. */
bool kv_group_inspect(struct kv_group *group, struct kv_group_facts *facts);

/* The same for the log alone. */
bool kv_group_storage(struct kv_group *group, gr_node_storage *storage);

/* Tells the node that every message up to `applied` is kept elsewhere. */
void kv_group_checkpoint(struct kv_group *group, gr_seqno applied);

#endif
