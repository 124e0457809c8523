/* SPDX-License-Identifier: MIT
 *
 * See group.h.
 */
#include "group.h"

#include "log.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Delivered messages that may wait for the client thread before the node waits for it. */
#define HANDOVER_BYTES_MAX ((size_t)64 * 1024 * 1024)

#define NS_PER_MS UINT64_C(1000000)

struct kv_group {
  gr_node *node;
  bool durable;
  struct kv_handover *handover;
};

static int deliver(void *context, const gr_delivery *delivery, uint64_t tag) {
  struct kv_group *group = context;
  return kv_handover_add(group->handover, delivery, tag) ? 0 : -1;
}

static void delivered(void *context) {
  struct kv_group *group = context;
  if (!kv_handover_publish(group->handover))
    kv_handover_halt(group->handover, GR_ERR_NO_MEMORY,
                     "no memory to hand messages over");
}

static void restored(void *context) {
  struct kv_group *group = context;
  if (!kv_handover_restored(group->handover))
    kv_handover_halt(group->handover, GR_ERR_NO_MEMORY,
                     "no memory to hand messages over");
}

static void leader_changed(void *context, gr_member_id leader) {
  (void)context;
  if (leader == 0)
    kv_log(GR_LOG_INFO, "the group has no leader");
  else
    kv_log(GR_LOG_INFO, "the leader is member %llu", (unsigned long long)leader);
}

static void log_line(void *context, enum gr_log_level level, const char *text) {
  (void)context;
  kv_log(level, "%s", text);
}

static void halted(void *context, int error, const char *text) {
  struct kv_group *group = context;
  kv_handover_halt(group->handover, error, text);
}

static int start_node(struct kv_group *group, const struct kv_options *options,
                      gr_seqno applied, char *error_text, size_t error_text_size) {
  gr_node_options node_options = {
      .size = sizeof(node_options),
      .group = &(const gr_options){.size = sizeof(gr_options),
                                   .group_id = options->group,
                                   .self = options->id,
                                   .message_bytes_max = options->message_bytes_max,
                                   .cache_bytes_max = options->cache_bytes_max,
                                   .log_slots_max = options->log_slots_max,
                                   .election_timeout_ns =
                                       options->election_timeout_ms * NS_PER_MS,
                                   .heartbeat_interval_ns =
                                       options->heartbeat_interval_ms * NS_PER_MS,
                                   .applied = applied},
      .members = options->members,
      .member_count = options->member_count,
      .data_directory = group->durable ? options->data_log_path : NULL,
      .segment_bytes = options->segment_bytes};
  gr_node_host host = {.size = sizeof(host),
                       .context = group,
                       .deliver = deliver,
                       .delivered = delivered,
                       .leader = leader_changed,
                       .log = log_line,
                       .halted = halted,
                       .restored = restored};
  return gr_node_start(&group->node, &node_options, &host, error_text, error_text_size);
}

struct kv_group *kv_group_start(const struct kv_options *options, gr_seqno applied,
                                char *error_text, size_t error_text_size) {
  struct kv_group *group = calloc(1, sizeof(*group));
  if (group) group->handover = kv_handover_new(HANDOVER_BYTES_MAX);
  if (!group || !group->handover) {
    snprintf(error_text, error_text_size, "cannot start: %s", strerror(errno));
    free(group);
    return NULL;
  }
  group->durable = options->data_path != NULL;
  if (start_node(group, options, applied, error_text, error_text_size) == GR_OK)
    return group;
  kv_handover_free(group->handover);
  free(group);
  return NULL;
}

void kv_group_stop(struct kv_group *group) {
  if (!group) return;
  kv_handover_yield(group->handover, true);
  gr_node_stop(group->node);
  kv_handover_free(group->handover);
  free(group);
}

struct kv_handover *kv_group_handover(struct kv_group *group) {
  return group->handover;
}

int kv_group_broadcast(struct kv_group *group, const void *bytes, size_t size,
                       uint64_t tag) {
  gr_slice part = {.data = bytes, .size = size};
  return gr_node_broadcast(group->node, &part, 1, tag, false);
}

bool kv_group_inspect(struct kv_group *group, struct kv_group_facts *facts) {
  *facts = (struct kv_group_facts){.status = {.size = sizeof(facts->status)},
                                   .storage = {.size = sizeof(facts->storage)}};
  facts->members[0].size = sizeof(facts->members[0]);
  kv_handover_yield(group->handover, true);
  bool answered =
      gr_node_status(group->node, &facts->status) == GR_OK &&
      gr_node_members(group->node, facts->members, GR_MEMBERS_MAX,
                      &facts->member_count) == GR_OK &&
      (!group->durable || gr_node_storage_figures(group->node, &facts->storage) == GR_OK);
  kv_handover_yield(group->handover, false);
  return answered;
}

bool kv_group_storage(struct kv_group *group, gr_node_storage *storage) {
  *storage = (gr_node_storage){.size = sizeof(*storage)};
  kv_handover_yield(group->handover, true);
  bool answered = gr_node_storage_figures(group->node, storage) == GR_OK;
  kv_handover_yield(group->handover, false);
  return answered;
}

void kv_group_checkpoint(struct kv_group *group, gr_seqno applied) {
  int error = gr_node_checkpoint(group->node, applied);
  if (error != GR_OK)
    kv_log(GR_LOG_WARNING, "the log keeps what lies before message %llu: %s",
           (unsigned long long)applied, gr_error_text(error));
}
