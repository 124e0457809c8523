/* SPDX-License-Identifier: MIT
 *
 * See group.h.
 */
#include "group.h"

#include "identity.h"
#include "log.h"
#include "recovery.h"

#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Delivered messages that may wait for the client thread before the node waits for it. */
#define HANDOVER_BYTES_MAX ((size_t)64 * 1024 * 1024)

#define NS_PER_MS UINT64_C(1000000)

/* As good as for ever: a server that was removed wants to come back. */
#define REJOIN_TRIES (UINT64_MAX - 1)

struct kv_group {
  const struct kv_options *options;
  gr_node *node;
  gr_uuid uuid;
  struct kv_handover *handover;
  struct kv_donor *donor;
  struct kv_recovery *recovery;
  bool joins; /* it was not started as a founder */

  /* Where members are, by the latest view: the node's attributes are the node thread's.
   */
  pthread_mutex_t lock;
  size_t view_count;
  gr_member_id view_ids[GR_MEMBERS_MAX];
  char view_addresses[GR_MEMBERS_MAX][GR_ADDRESS_BYTES_MAX + 1];
};

/* ---- what the node tells, on its thread ---- */

static void out_of_memory(struct kv_group *group) {
  kv_handover_halt(group->handover, GR_ERR_NO_MEMORY, "no memory to hand messages over");
}

static void hand_over(struct kv_group *group, const struct kv_handover_record *record) {
  if (!kv_handover_note(group->handover, record) || !kv_handover_publish(group->handover))
    out_of_memory(group);
}

static int deliver(void *context, const gr_delivery *delivery, uint64_t tag) {
  struct kv_group *group = context;
  return kv_handover_add(group->handover, delivery, tag) ? 0 : -1;
}

/* A state of the store is worth something to others only with the history that led to it.
 */
static void delivered(void *context) {
  struct kv_group *group = context;
  gr_status status = {.size = sizeof(status)};
  if (gr_node_status(group->node, &status) != GR_OK) return;
  hand_over(group, &(struct kv_handover_record){.kind = KV_RECORD_HISTORY,
                                                .seqno = status.seqno,
                                                .digest = status.digest});
}

static void failed(void *context, uint64_t tag, int error) {
  hand_over(context, &(struct kv_handover_record){.kind = KV_RECORD_FAILED,
                                                  .tag = tag,
                                                  .error = error});
}

static void restored(void *context) {
  struct kv_group *group = context;
  if (!kv_handover_restored(group->handover)) out_of_memory(group);
}

static void state_changed(void *context, enum gr_member_state state, int error) {
  struct kv_group *group = context;
  gr_status status = {.size = sizeof(status)};
  if (gr_node_status(group->node, &status) == GR_OK && status.self != 0)
    kv_log_name(status.self);
  kv_log(error == GR_OK ? GR_LOG_INFO : GR_LOG_WARNING, "this member is %s%s%s",
         gr_member_state_name(state), error == GR_OK ? "" : ": ",
         error == GR_OK ? "" : gr_error_text(error));
  hand_over(group, &(struct kv_handover_record){.kind = KV_RECORD_STATE,
                                                .state = state,
                                                .error = error,
                                                .tag = status.self});
}

static void view_changed(void *context, const gr_view *view) {
  struct kv_group *group = context;
  char line[256];
  size_t used = 0;
  line[0] = '\0';
  pthread_mutex_lock(&group->lock);
  group->view_count = view->count;
  for (size_t i = 0; i < view->count; i++) {
    const gr_view_member *member = &view->members[i];
    gr_slice address = member->attributes.address;
    group->view_ids[i] = member->id;
    memcpy(group->view_addresses[i], address.data, address.size);
    group->view_addresses[i][address.size] = '\0';
    if (used < sizeof(line))
      used += (size_t)snprintf(line + used, sizeof(line) - used, " %llu%s",
                               (unsigned long long)member->id,
                               member->state == GR_MEMBER_ONLINE ? "" : " (recovers)");
  }
  pthread_mutex_unlock(&group->lock);
  kv_log(GR_LOG_INFO, "view %llu, %s, member %llu: now%s",
         (unsigned long long)view->number, gr_view_reason_name(view->reason),
         (unsigned long long)view->member, line);
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

/* ---- snapshots, on its thread ---- */

static int snapshot_open(void *context, uint64_t *snapshot) {
  struct kv_group *group = context;
  gr_status status = {.size = sizeof(status)};
  uint32_t place;
  if (gr_node_status(group->node, &status) != GR_OK ||
      !kv_donor_open(group->donor, &place))
    return -1;
  hand_over(group, &(struct kv_handover_record){.kind = KV_RECORD_SNAPSHOT,
                                                .place = place,
                                                .seqno = status.seqno,
                                                .digest = status.digest});
  *snapshot = place;
  return 0;
}

static int snapshot_read(void *context, uint64_t snapshot, uint64_t offset, void *buffer,
                         size_t *size, bool *end) {
  struct kv_group *group = context;
  return kv_donor_read(group->donor, (uint32_t)snapshot, offset, buffer, size, end) ? 0
                                                                                    : -1;
}

static void snapshot_close(void *context, uint64_t snapshot) {
  struct kv_group *group = context;
  kv_donor_close(group->donor, (uint32_t)snapshot);
}

static uint64_t snapshot_bytes(void *context, uint64_t snapshot) {
  struct kv_group *group = context;
  return kv_donor_bytes(group->donor, (uint32_t)snapshot);
}

static int restore_begin(void *context, gr_seqno seqno) {
  struct kv_group *group = context;
  return kv_recovery_begin(group->recovery, seqno) ? 0 : -1;
}

static int restore_write(void *context, uint64_t offset, gr_slice bytes) {
  struct kv_group *group = context;
  (void)offset;
  return kv_recovery_write(group->recovery, bytes) ? 0 : -1;
}

static int restore_end(void *context, bool complete) {
  struct kv_group *group = context;
  return kv_recovery_end(group->recovery, complete) ? 0 : -1;
}

/* ---- starting ---- */

/* Whom one who is in no group asks to let it in: those that it was told, or, a founder
 * whose former process took part, the other founders, or whoever is there now. */
static size_t find_seeds(const struct kv_options *options, gr_slice seeds[GR_SEEDS_MAX]) {
  size_t count = options->seed_count;
  memcpy(seeds, options->seeds, count * sizeof(*seeds));
  for (size_t i = 0; i < options->member_count && count < GR_SEEDS_MAX; i++) {
    const gr_node_member *member = &options->members[i];
    if (member->id != options->id)
      seeds[count++] = (gr_slice){member->address, strlen(member->address)};
  }
  return count;
}

static const char *own_address(const struct kv_options *options) {
  if (options->listen) return options->listen;
  for (size_t i = 0; i < options->member_count; i++)
    if (options->members[i].id == options->id) return options->members[i].address;
  return NULL;
}

static gr_options group_options(const struct kv_group *group,
                                const struct kv_snapshot *state) {
  const struct kv_options *options = group->options;
  return (gr_options){.size = sizeof(gr_options),
                      .group_id = options->group,
                      .self = group->joins ? 0 : options->id,
                      .message_bytes_max = options->message_bytes_max,
                      .cache_bytes_max = options->cache_bytes_max,
                      .log_slots_max = options->log_slots_max,
                      .election_timeout_ns = options->election_timeout_ms * NS_PER_MS,
                      .heartbeat_interval_ns = options->heartbeat_interval_ms * NS_PER_MS,
                      .applied = state->seqno,
                      .applied_digest = state->history,
                      .attributes = {.uuid = group->uuid, .weight = options->weight},
                      .members_max = options->members_max,
                      .suspect_floor_ns = options->suspect_floor_ms * NS_PER_MS,
                      .suspect_ceiling_ns = options->suspect_ceiling_ms * NS_PER_MS,
                      .expel_timeout_ns = options->expel_timeout_ms * NS_PER_MS,
                      .unreachable_timeout_ns =
                          options->unreachable_timeout_ms * NS_PER_MS,
                      .join_timeout_ns = options->join_timeout_ms * NS_PER_MS,
                      .rejoin_tries = REJOIN_TRIES,
                      .rejoin_interval_ns = options->rejoin_interval_ms * NS_PER_MS,
                      .snapshot_bytes_per_s = options->snapshot_bytes_per_s};
}

static int start_node(struct kv_group *group, const struct kv_snapshot *state,
                      char *error_text, size_t error_text_size) {
  const struct kv_options *options = group->options;
  gr_slice seeds[GR_SEEDS_MAX];
  gr_options of_group = group_options(group, state);
  of_group.seeds = seeds;
  of_group.seed_count = find_seeds(options, seeds);
  gr_node_options node_options = {
      .size = sizeof(node_options),
      .group = &of_group,
      .members = group->joins ? NULL : options->members,
      .member_count = group->joins ? 0 : options->member_count,
      .listen = own_address(options),
      .advertise = options->advertise ? options->advertise : own_address(options),
      .data_directory = options->data_path ? options->data_log_path : NULL,
      .segment_bytes = options->segment_bytes};
  gr_node_host host = {.size = sizeof(host),
                       .context = group,
                       .deliver = deliver,
                       .delivered = delivered,
                       .leader = leader_changed,
                       .log = log_line,
                       .halted = halted,
                       .restored = restored,
                       .failed = failed,
                       .view = view_changed,
                       .state = state_changed,
                       .snapshot_open = snapshot_open,
                       .snapshot_read = snapshot_read,
                       .snapshot_close = snapshot_close,
                       .snapshot_bytes = snapshot_bytes,
                       .restore_begin = restore_begin,
                       .restore_write = restore_write,
                       .restore_end = restore_end};
  return gr_node_start(&group->node, &node_options, &host, error_text, error_text_size);
}

static bool choose_uuid(struct kv_group *group, const struct kv_checkpoint *checkpoint) {
  const struct kv_options *options = group->options;
  group->uuid = options->uuid;
  if (options->has_uuid) return true;
  if (options->id != 0) {
    group->uuid = kv_uuid_of_founder(&options->group, options->id);
    return true;
  }
  if (checkpoint) return kv_uuid_keep(checkpoint->directory, "uuid", &group->uuid);
  return kv_uuid_draw(&group->uuid);
}

static void release(struct kv_group *group) {
  kv_recovery_free(group->recovery);
  kv_donor_free(group->donor);
  kv_handover_free(group->handover);
  pthread_mutex_destroy(&group->lock);
  free(group);
}

static bool prepare(struct kv_group *group, struct kv_checkpoint *checkpoint) {
  group->handover = kv_handover_new(HANDOVER_BYTES_MAX);
  if (!group->handover) return false;
  group->donor = kv_donor_new(group->options);
  group->recovery = kv_recovery_new(group->options, checkpoint, group->handover);
  return group->donor && group->recovery && choose_uuid(group, checkpoint);
}

/* A founder's snapshot without its log cannot be gone on with: it comes in anew. */
static bool must_join(const struct kv_group *group,
                      const struct kv_checkpoint *checkpoint) {
  return group->options->id == 0 || (checkpoint && checkpoint->is_orphan);
}

static bool has_seeds(const struct kv_group *group) {
  gr_slice seeds[GR_SEEDS_MAX];
  return find_seeds(group->options, seeds) > 0;
}

struct kv_group *kv_group_start(const struct kv_options *options,
                                struct kv_checkpoint *checkpoint,
                                const struct kv_snapshot *state, char *error_text,
                                size_t error_text_size) {
  struct kv_group *group = calloc(1, sizeof(*group));
  if (!group) {
    snprintf(error_text, error_text_size, "cannot start: out of memory");
    return NULL;
  }
  group->options = options;
  group->joins = must_join(group, checkpoint);
  pthread_mutex_init(&group->lock, NULL);
  if (!prepare(group, checkpoint))
    snprintf(error_text, error_text_size, "cannot start: %s", strerror(errno));
  else if (group->joins && !has_seeds(group))
    snprintf(error_text, error_text_size,
             "%s: there is a snapshot, but the log that belongs to it is gone, and there "
             "are no other members to ask",
             options->data_path);
  else if (start_node(group, state, error_text, error_text_size) == GR_OK)
    return group;
  release(group);
  return NULL;
}

void kv_group_stop(struct kv_group *group) {
  if (!group) return;
  kv_handover_yield(group->handover, true);
  gr_node_stop(group->node);
  release(group);
}

/* ---- asking it ---- */

struct kv_handover *kv_group_handover(struct kv_group *group) {
  return group->handover;
}

struct kv_donor *kv_group_donor(struct kv_group *group) {
  return group->donor;
}

int kv_group_broadcast(struct kv_group *group, const void *bytes, size_t size,
                       uint64_t tag) {
  gr_slice part = {.data = bytes, .size = size};
  return gr_node_broadcast(group->node, &part, 1, tag, false);
}

int kv_group_order(struct kv_group *group, enum kv_order order,
                   const gr_member_id *members, size_t count) {
  int error = GR_ERR_INVALID;
  kv_handover_yield(group->handover, true);
  switch (order) {
  case KV_ORDER_LEAVE:
    error = gr_node_leave(group->node);
    break;
  case KV_ORDER_JOIN:
    error = gr_node_join(group->node);
    break;
  case KV_ORDER_REMOVE:
    error = gr_node_remove(group->node, members[0]);
    break;
  case KV_ORDER_FORCE:
    error = gr_node_force(group->node, members, count);
    break;
  }
  kv_handover_yield(group->handover, false);
  return error;
}

/* The addresses beside the members, who may be of a view before or after. */
static void add_addresses(struct kv_group *group, struct kv_group_facts *facts) {
  pthread_mutex_lock(&group->lock);
  for (size_t i = 0; i < facts->member_count; i++) {
    facts->members[i].attributes.address = (gr_slice){0};
    facts->members[i].attributes.user_data = (gr_slice){0};
    for (size_t j = 0; j < group->view_count; j++)
      if (group->view_ids[j] == facts->members[i].id)
        memcpy(facts->addresses[i], group->view_addresses[j],
               sizeof(facts->addresses[i]));
  }
  pthread_mutex_unlock(&group->lock);
}

bool kv_group_inspect(struct kv_group *group, struct kv_group_facts *facts) {
  *facts = (struct kv_group_facts){.status = {.size = sizeof(facts->status)},
                                   .counters = {.size = sizeof(facts->counters)},
                                   .recovery = {.size = sizeof(facts->recovery)},
                                   .storage = {.size = sizeof(facts->storage)}};
  facts->members[0].size = sizeof(facts->members[0]);
  kv_handover_yield(group->handover, true);
  bool answered = gr_node_status(group->node, &facts->status) == GR_OK &&
                  gr_node_counters(group->node, &facts->counters) == GR_OK &&
                  gr_node_recovery(group->node, &facts->recovery) == GR_OK &&
                  gr_node_members(group->node, facts->members, GR_MEMBERS_MAX,
                                  &facts->member_count) == GR_OK &&
                  (!group->options->data_path ||
                   gr_node_storage_figures(group->node, &facts->storage) == GR_OK);
  kv_handover_yield(group->handover, false);
  facts->donor = kv_donor_figures(group->donor);
  add_addresses(group, facts);
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
