/* SPDX-License-Identifier: MIT
 *
 * The group handle: its life, its inputs, and what can be asked of it. It guards against
 * re-entry; what is behind each call is in the files that group.h names.
 */
#include "group/group.h"

#include "base/carve.h"
#include "base/default_allocator.h"
#include "base/fill.h"
#include "base/random.h"
#include "base/xxh64.h"
#include "paxos/options.h"

#include <string.h>

/* ---- life cycle ---- */

/* Lays a group's own memory out; with carver->memory NULL, only measures. */
static struct gr_group *carve(struct gr_carver *carver, uint64_t chunk_bytes) {
  struct gr_group *group = gr_carve(carver, 1, sizeof(*group));
  uint8_t *header = gr_carve(carver, 1, GR_FRAME_HEADER_MAX);
  uint8_t *image = gr_carve(carver, 1, GR_IMAGE_BYTES_MAX);
  if (group) {
    *group = (struct gr_group){.header = header};
    group->joining.image = image;
  }
  for (uint32_t i = 0; i < GR_DONATIONS_MAX; i++) {
    image = gr_carve(carver, 1, GR_IMAGE_BYTES_MAX);
    uint8_t *chunk = gr_carve(carver, 1, chunk_bytes);
    if (!group) continue;
    group->donations[i].image = image;
    group->donations[i].chunk = chunk;
  }
  return group;
}

static size_t own_footprint(uint64_t chunk_bytes) {
  struct gr_carver carver = {0};
  carve(&carver, chunk_bytes);
  return carver.used;
}

size_t gr_group_footprint(const gr_options *options) {
  size_t engine = gr_paxos_footprint(options);
  gr_options checked;
  if (engine == 0 || gr_options_copy(&checked, options) != GR_OK) return 0;
  return engine + own_footprint(checked.snapshot_chunk_bytes);
}

/* The host as far as the caller's struct goes; what a newer one has must be NULL. */
static int copy_host(gr_host *copy, const gr_host *host) {
  int error = gr_take_in(copy, sizeof(*copy), host);
  if (error != GR_OK) return error;
  if (!copy->send || !copy->deliver) return GR_ERR_INVALID;
  bool stores = copy->store && copy->trim;
  if (!stores && (copy->store || copy->sync || copy->trim)) return GR_ERR_INVALID;
  bool gives = copy->snapshot_open && copy->snapshot_read && copy->snapshot_close;
  bool takes = copy->restore_begin && copy->restore_write && copy->restore_end;
  bool any = copy->snapshot_open || copy->snapshot_read || copy->snapshot_close ||
             copy->restore_begin || copy->restore_write || copy->restore_end;
  return any && !(gives && takes) ? GR_ERR_INVALID : GR_OK;
}

static void forward_trace(void *context, const gr_trace_event *event) {
  gr_group *group = context;
  group->host.trace(group->host.context, event);
}

static gr_slice keep(uint8_t *bytes, gr_slice from) {
  if (from.size > 0) memcpy(bytes, from.data, from.size);
  return (gr_slice){bytes, from.size};
}

/* A founder that names no server is named after its id. */
static void keep_attributes(gr_group *group) {
  static const gr_uuid none = {{0}};
  gr_attributes *attributes = &group->options.attributes;
  attributes->address = keep(group->own_address, attributes->address);
  attributes->user_data = keep(group->own_user_data, attributes->user_data);
  if (gr_uuid_equal(&attributes->uuid, &none))
    gr_store_u64(attributes->uuid.bytes + 8, group->options.self);
  for (size_t i = 0; i < group->options.seed_count; i++)
    group->seeds[i] = keep(group->seed_bytes[i], group->options.seeds[i]);
  group->options.seeds = group->seeds;
  group->options.founders = NULL; /* the caller's */
}

/* A founder's attributes go with the first view. */
static void keep_profile(gr_group *group) {
  uint8_t profile[GR_PROFILE_BYTES_MAX];
  struct gr_writer writer = gr_writer_of(profile, sizeof(profile));
  gr_attributes_encode(&writer, &group->options.attributes);
  gr_paxos_profile(group->paxos, (gr_slice){profile, writer.used});
}

static void init(gr_group *group, gr_time now) {
  gr_options *options = &group->options;
  group->now = now;
  group->id_hash = gr_xxh64(options->group_id.bytes, sizeof(options->group_id.bytes), 0);
  keep_attributes(group);
  group->name = options->self;
  group->snapshot_number = gr_random_next(&(struct gr_random){options->seed}) >> 1;
  gr_awake_begin(&group->awake, now);
  gr_suspicion_begin(&group->suspicion, 10 * options->heartbeat_interval_ns);
  group->joining.applied = group->kept = options->applied;
  group->joining.digest = options->applied_digest;
  group->begins = group->view_due = true;
  if (options->founder_count > 0) {
    keep_profile(group);
    gr_members_enter(group);
  } else if (!options->durable) {
    gr_joining_begin(group);
  }
}

/* The caller's options, with the mode that the host's callbacks choose. */
static int checked_options(gr_options *checked, const gr_options *options,
                           const gr_host *callbacks) {
  gr_options chosen;
  int error = gr_take_in(&chosen, sizeof(chosen), options);
  if (error != GR_OK) return error;
  chosen.size = sizeof(chosen);
  chosen.durable = callbacks->store != NULL;
  error = gr_options_copy(checked, &chosen);
  if (error == GR_OK && checked->founder_count == 0 && !callbacks->link)
    error = GR_ERR_INVALID; /* it could ask nobody */
  return error;
}

int gr_group_new(gr_group **group, const gr_options *options, const gr_host *host,
                 const gr_allocator *allocator, gr_time now) {
  if (!group) return GR_ERR_INVALID;
  *group = NULL;
  gr_host callbacks;
  gr_options checked;
  int error = copy_host(&callbacks, host);
  if (error == GR_OK) error = checked_options(&checked, options, &callbacks);
  if (error != GR_OK) return error;
  gr_paxos *paxos;
  error = gr_paxos_new(&paxos, &checked, allocator, now);
  if (error != GR_OK) return error;
  gr_allocator memory = allocator ? *allocator : gr_default_allocator();
  size_t footprint = own_footprint(checked.snapshot_chunk_bytes);
  struct gr_carver carver = {
      .memory = memory.allocate(memory.context, footprint, GR_CARVE_ALIGNMENT)};
  if (!carver.memory) {
    gr_paxos_free(paxos);
    return GR_ERR_NO_MEMORY;
  }
  gr_group *g = carve(&carver, checked.snapshot_chunk_bytes);
  g->paxos = paxos;
  g->host = callbacks;
  g->options = checked;
  g->allocator = memory;
  g->footprint = footprint;
  if (callbacks.trace) gr_paxos_trace(paxos, forward_trace, g);
  init(g, now);
  *group = g;
  return GR_OK;
}

int gr_group_free(gr_group *group) {
  if (!group) return GR_OK;
  if (group->dispatching) return GR_ERR_REENTRANT;
  gr_allocator memory = group->allocator;
  gr_donation_stop_all(group);
  gr_recovery_stop(group);
  gr_paxos_free(group->paxos);
  memory.release(memory.context, group, group->footprint);
  return GR_OK;
}

/* ---- inputs ---- */

int gr_group_stored(gr_group *group, gr_ticket upto) {
  if (!group) return GR_ERR_INVALID;
  if (group->quiet) return GR_ERR_REENTRANT;
  return gr_paxos_stored(group->paxos, upto);
}

int gr_group_storage_failed(gr_group *group) {
  if (!group) return GR_ERR_INVALID;
  if (group->quiet) return GR_ERR_REENTRANT;
  gr_paxos_halt(group->paxos, GR_ERR_STORAGE, "the host's storage failed");
  return GR_OK;
}

int gr_group_checkpoint(gr_group *group, gr_seqno applied) {
  if (!group) return GR_ERR_INVALID;
  if (group->quiet) return GR_ERR_REENTRANT;
  bool outside = group->options.durable && gr_members_status(group).view == 0 &&
                 group->joining.applied != UINT64_MAX;
  int error = GR_OK;
  if (!outside)
    error = gr_paxos_checkpoint(group->paxos, applied);
  else if (applied > group->joining.applied)
    error = GR_ERR_INVALID;
  if (error == GR_OK && group->kept < applied) group->kept = applied;
  return error;
}

static void latch(gr_group *group, gr_time now) {
  if (group->now >= now) return;
  group->now = now;
  gr_members_awake(group);
}

static int receive_body(gr_group *group, gr_member_id from,
                        const struct gr_message_header *header,
                        struct gr_reader *reader) {
  union {
    struct gr_join join;
    struct gr_answer answer;
    struct gr_remove remove;
    struct gr_recover recover;
    struct gr_position position;
    struct gr_pull pull;
    struct gr_chunk chunk;
    struct gr_end end;
  } body;
  switch (header->type) {
  case GR_MESSAGE_JOIN:
    if (!gr_join_decode(reader, &body.join)) return GR_ERR_MALFORMED;
    gr_admission_asked(group, from, header, &body.join);
    return GR_OK;
  case GR_MESSAGE_ANSWER:
    if (!gr_answer_decode(reader, &body.answer)) return GR_ERR_MALFORMED;
    gr_joining_answered(group, from, &body.answer);
    return GR_OK;
  case GR_MESSAGE_REMOVE:
    if (!gr_remove_decode(reader, &body.remove)) return GR_ERR_MALFORMED;
    gr_leaving_asked(group, from, &body.remove);
    return GR_OK;
  case GR_MESSAGE_RECOVER:
    if (!gr_recover_decode(reader, &body.recover)) return GR_ERR_MALFORMED;
    gr_donation_asked(group, from, body.recover.applied);
    return GR_OK;
  case GR_MESSAGE_POSITION:
    if (!gr_position_decode(reader, &body.position)) return GR_ERR_MALFORMED;
    return gr_recovery_positioned(group, from, &body.position);
  case GR_MESSAGE_PULL:
    if (!gr_pull_decode(reader, &body.pull)) return GR_ERR_MALFORMED;
    gr_donation_pulled(group, from, &body.pull);
    return GR_OK;
  case GR_MESSAGE_CHUNK:
    if (!gr_chunk_decode(reader, &body.chunk)) return GR_ERR_MALFORMED;
    return gr_recovery_received(group, from, &body.chunk);
  case GR_MESSAGE_END:
    if (!gr_end_decode(reader, &body.end)) return GR_ERR_MALFORMED;
    gr_recovery_ended(group, from, &body.end);
    gr_donation_ended(group, from, &body.end);
    return GR_OK;
  }
  return GR_ERR_MALFORMED;
}

/* Frames of the membership. Of another group only the wish to join is answered. */
static int receive_message(gr_group *group, gr_member_id from, gr_slice frame) {
  struct gr_reader reader = gr_reader_of(frame.data, frame.size);
  struct gr_message_header header;
  int error = gr_message_open(&reader, &header);
  if (error != GR_OK) return error;
  bool asks = header.type == GR_MESSAGE_JOIN || header.type == GR_MESSAGE_ANSWER;
  if (header.group != group->id_hash && !asks) return GR_ERR_FOREIGN;
  const struct gr_link *link = gr_link_find(group, from);
  if (!asks && link && link->incarnation != 0 && link->incarnation != header.incarnation)
    return GR_ERR_STALE;
  bool was_quiet = group->quiet, was_dispatching = group->dispatching;
  group->quiet = group->dispatching = true; /* the host's callbacks may run inside */
  error = receive_body(group, from, &header, &reader);
  /* An answer says who is a member: who says that we are none says nothing else. */
  if (error == GR_OK && header.type != GR_MESSAGE_ANSWER && link &&
      link->incarnation == header.incarnation)
    gr_members_heard(group, from);
  group->quiet = was_quiet;
  group->dispatching = was_dispatching;
  return error;
}

static void count_received(gr_group *group, size_t bytes, int error) {
  gr_counters *counters = &group->counters;
  counters->refused_malformed += error == GR_ERR_MALFORMED;
  counters->refused_corrupt += error == GR_ERR_CORRUPT;
  counters->refused_foreign += error == GR_ERR_FOREIGN;
  counters->refused_protocol += error == GR_ERR_PROTOCOL;
  counters->refused_stale += error == GR_ERR_STALE;
  if (error != GR_OK) return;
  counters->frames_received++;
  counters->bytes_received += bytes;
}

int gr_group_receive(gr_group *group, gr_member_id from, gr_slice frame, gr_time now) {
  if (!group || (!frame.data && frame.size > 0)) return GR_ERR_INVALID;
  if (group->quiet) return GR_ERR_REENTRANT;
  latch(group, now);
  int error = gr_paxos_halt_reason(group->paxos, NULL);
  if (error == GR_OK && gr_message_is(frame)) {
    error = receive_message(group, from, frame);
  } else {
    error = gr_paxos_receive(group->paxos, from, frame, now);
    if (error == GR_OK || error == GR_ERR_STALE) gr_members_heard(group, from);
    return error;
  }
  count_received(group, frame.size, error);
  return error;
}

/* A founder's broadcasts wait until all have met; a joiner's are refused until it votes.
 */
static int refused(const gr_group *group) {
  gr_status status = gr_members_status(group);
  if (group->leaving || status.view == 0) return GR_ERR_NOT_ONLINE;
  if (status.role == GR_ROLE_FORMING) return GR_OK;
  if (group->state.state == GR_MEMBER_ERROR && group->state_error == GR_ERR_REMOVED)
    return GR_ERR_NOT_ONLINE;
  if (group->quorum.state != GR_QUORUM_HELD) return GR_ERR_NO_QUORUM;
  return gr_is_voter(group) ? GR_OK : GR_ERR_NOT_ONLINE;
}

int gr_group_broadcast(gr_group *group, const gr_slice *parts, size_t part_count,
                       gr_time now, uint64_t *number) {
  if (!group) return GR_ERR_INVALID;
  if (group->quiet) return GR_ERR_REENTRANT;
  latch(group, now);
  int error = GR_OK;
  if (!group->serves && gr_paxos_halt_reason(group->paxos, NULL) == GR_OK)
    error = refused(group);
  if (error == GR_OK)
    error = gr_paxos_broadcast(group->paxos, parts, part_count, now, number);
  if (gr_error_classify(error) == GR_CLASS_RETRY) group->turned_away = true;
  return error;
}

int gr_group_sendable(gr_group *group, gr_member_id to) {
  if (!group) return GR_ERR_INVALID;
  if (gr_paxos_halt_reason(group->paxos, NULL) != GR_OK) return GR_ERR_HALTED;
  struct gr_link *link = gr_link_find(group, to);
  if (!link) return GR_ERR_INVALID;
  link->blocked = false;
  return GR_OK;
}

/* Once a heartbeat interval: nothing of the membership is more urgent. */
static void tick(gr_group *group) {
  if (group->now < group->tick_due) return;
  group->tick_due = group->now + group->options.heartbeat_interval_ns;
  bool was_quiet = group->quiet, was_dispatching = group->dispatching;
  group->quiet = group->dispatching = true; /* a donor's host may be called */
  gr_members_tick(group);
  gr_leading_tick(group);
  gr_leaving_tick(group);
  gr_joining_tick(group);
  gr_donation_tick(group);
  gr_links_tick(group);
  group->quiet = was_quiet;
  group->dispatching = was_dispatching;
  bool served = group->serves;
  group->serves = gr_members_status(group).view != 0 && refused(group) == GR_OK;
  if (served != group->serves && group->turned_away) group->writable_due = true;
}

int gr_group_poll(gr_group *group, gr_time now) {
  if (!group) return GR_ERR_INVALID;
  if (group->quiet) return GR_ERR_REENTRANT;
  latch(group, now);
  int error = gr_paxos_poll(group->paxos, now);
  if (error == GR_OK) tick(group);
  return error;
}

int gr_group_transfer(gr_group *group, gr_member_id to, gr_time now) {
  if (!group) return GR_ERR_INVALID;
  if (group->quiet) return GR_ERR_REENTRANT;
  return gr_paxos_transfer(group->paxos, to, now);
}

/* ---- membership ---- */

int gr_group_leave(gr_group *group, gr_time now) {
  if (!group) return GR_ERR_INVALID;
  if (group->quiet) return GR_ERR_REENTRANT;
  if (gr_paxos_halt_reason(group->paxos, NULL) != GR_OK) return GR_ERR_HALTED;
  latch(group, now);
  if (group->leaving) return GR_ERR_STATE;
  if (gr_members_status(group).view == 0) return gr_joining_stop(group);
  if (gr_leaving_stays_out(group)) return GR_OK;
  group->leaving = true;
  group->serves = false;
  group->leave_due = group->tick_due = now;
  return GR_OK;
}

int gr_group_join(gr_group *group, gr_time now) {
  if (!group) return GR_ERR_INVALID;
  if (group->quiet) return GR_ERR_REENTRANT;
  if (gr_paxos_halt_reason(group->paxos, NULL) != GR_OK) return GR_ERR_HALTED;
  latch(group, now);
  if (group->left_until != 0) gr_joining_removed(group, GR_CAUSE_NONE, group->left_error);
  if (group->joining.stage != GR_JOINING_RESTING) return GR_ERR_STATE;
  gr_retry_stop(&group->joining.retry);
  group->joining.again = false; /* its host is told if it is refused */
  gr_joining_begin(group);
  group->tick_due = now;
  return GR_OK;
}

int gr_group_remove(gr_group *group, gr_member_id member, gr_time now) {
  if (!group) return GR_ERR_INVALID;
  if (group->quiet) return GR_ERR_REENTRANT;
  if (gr_paxos_halt_reason(group->paxos, NULL) != GR_OK) return GR_ERR_HALTED;
  latch(group, now);
  gr_status status = gr_members_status(group);
  if (status.view == 0) return GR_ERR_NOT_ONLINE;
  const struct gr_link *link = gr_link_find(group, member);
  if (!link || !link->member) return GR_ERR_INVALID;
  if (group->removing != 0) return GR_ERR_BUSY;
  group->removing = member;
  group->removing_until = now + UINT64_C(60000000000);
  group->leave_due = group->tick_due = now;
  return GR_OK;
}

int gr_group_force(gr_group *group, const gr_member_id *members, size_t count,
                   gr_time now) {
  if (!group || !members || count == 0) return GR_ERR_INVALID;
  if (group->quiet) return GR_ERR_REENTRANT;
  if (gr_paxos_halt_reason(group->paxos, NULL) != GR_OK) return GR_ERR_HALTED;
  latch(group, now);
  if (gr_members_status(group).view == 0 || !gr_is_voter(group)) return GR_ERR_NOT_ONLINE;
  if (group->quorum.state == GR_QUORUM_HELD) return GR_ERR_STATE;
  return gr_paxos_force(group->paxos, members, count, now);
}

int gr_group_health(gr_group *group, bool healthy, gr_time now) {
  if (!group) return GR_ERR_INVALID;
  if (group->quiet) return GR_ERR_REENTRANT;
  if (gr_paxos_halt_reason(group->paxos, NULL) != GR_OK) return GR_ERR_HALTED;
  latch(group, now);
  group->unhealthy = !healthy;
  return GR_OK;
}

int gr_group_apply_failed(gr_group *group, gr_seqno seqno, uint64_t digest, gr_time now) {
  if (!group) return GR_ERR_INVALID;
  if (group->quiet) return GR_ERR_REENTRANT;
  if (gr_paxos_halt_reason(group->paxos, NULL) != GR_OK) return GR_ERR_HALTED;
  latch(group, now);
  if (seqno == 0 || seqno > gr_members_status(group).seqno + 1) return GR_ERR_INVALID;
  group->failed = (struct gr_kept_digest){seqno, digest};
  return GR_OK;
}

/* ---- time ---- */

gr_time gr_group_deadline(const gr_group *group) {
  if (!group || gr_paxos_halt_reason(group->paxos, NULL) != GR_OK) return GR_TIME_NEVER;
  gr_status status = gr_members_status(group);
  if (status.durable && !status.resumed) return GR_TIME_NEVER;
  if (group->unfinished) return 0;
  gr_time deadlines[] = {gr_paxos_deadline(group->paxos), group->tick_due,
                         gr_donation_deadline(group)};
  gr_time first = GR_TIME_NEVER;
  for (size_t i = 0; i < sizeof(deadlines) / sizeof(deadlines[0]); i++)
    if (deadlines[i] < first) first = deadlines[i];
  return first;
}

int gr_group_halt_reason(const gr_group *group, const char **text) {
  return gr_paxos_halt_reason(group ? group->paxos : NULL, text);
}

/* ---- coming back ---- */

int gr_group_restore(gr_group *group, gr_ticket ticket, gr_slice record) {
  if (!group) return GR_ERR_INVALID;
  if (group->dispatching) return GR_ERR_REENTRANT;
  int error = gr_paxos_restore(group->paxos, ticket, record);
  if (error != GR_OK) return error;
  group->dispatching = true;
  gr_deliver_all(group);
  group->dispatching = false;
  return gr_paxos_halt_reason(group->paxos, NULL) == GR_OK ? GR_OK : GR_ERR_HALTED;
}

int gr_group_resume(gr_group *group, gr_time now) {
  if (!group) return GR_ERR_INVALID;
  if (group->dispatching) return GR_ERR_REENTRANT;
  latch(group, now);
  int error = gr_paxos_resume(group->paxos, now);
  if (error != GR_OK) return error;
  gr_status status = gr_members_status(group);
  group->name = status.self;
  group->name_due = group->links_due = true;
  if (status.view != 0) gr_members_enter(group);
  if (status.view == 0)
    gr_joining_begin(group);
  else if (!gr_members_seated(group))
    gr_leaving_resumed(group); /* it had gone before it stopped */
  return GR_OK;
}

/* ---- queries ---- */

int gr_group_status(const gr_group *group, gr_status *status) {
  if (!group || !status) return GR_ERR_INVALID;
  gr_status now = gr_members_status(group);
  now.state = group->state.state;
  now.quorum = group->quorum.state == GR_QUORUM_HELD;
  if (now.view == 0) { /* what the host has, and is to come in with */
    bool has = group->joining.applied != UINT64_MAX;
    now.seqno = has ? group->joining.applied : 0;
    now.digest = group->joining.digest;
  }
  return gr_fill_in(status, status->size, &now, sizeof(now));
}

int gr_group_counters(const gr_group *group, gr_counters *counters) {
  if (!group || !counters) return GR_ERR_INVALID;
  gr_counters sum = {.size = sizeof(sum)};
  gr_paxos_counters(group->paxos, &sum);
#define ADD(field, text) sum.field += group->counters.field;
  GR_COUNTER_LIST(ADD)
#undef ADD
  return gr_fill_in(counters, counters->size, &sum, sizeof(sum));
}

int gr_group_members(const gr_group *group, gr_member *members, size_t capacity,
                     size_t *count) {
  if (!group) return GR_ERR_INVALID;
  int error = gr_paxos_members(group->paxos, members, capacity, count);
  gr_seat seats[GR_MEMBERS_MAX];
  size_t seat_count;
  gr_paxos_view(group->paxos, seats, GR_MEMBERS_MAX, &seat_count);
  for (size_t i = 0; error == GR_OK && i < *count && i < capacity; i++) {
    gr_attributes_of(seats[i].profile, &members[i].attributes);
    if (members[i].is_self) members[i].state = group->state.state;
    for (uint32_t k = 0; k < group->link_end; k++)
      if (group->links[k].id == members[i].id)
        members[i].unreachable = group->links[k].suspected;
  }
  return error;
}

int gr_group_recovery(const gr_group *group, gr_recovery *recovery) {
  if (!group || !recovery) return GR_ERR_INVALID;
  const struct gr_joining *joining = &group->joining;
  gr_status status = gr_members_status(group);
  gr_recovery now = {.donor = joining->donor,
                     .snapshot_bytes = joining->received,
                     .bytes_per_s = joining->per_second,
                     .slot = status.delivered,
                     .target = gr_members_target(group),
                     .attempts = joining->attempts,
                     .snapshot_total = joining->total,
                     .remaining = gr_recovery_remaining(group)};
  if (joining->stage == GR_JOINING_ASKING)
    now.stage = GR_RECOVERY_ASKING;
  else if (joining->stage == GR_JOINING_RECOVERING)
    now.stage = joining->snapshot != 0 ? GR_RECOVERY_SNAPSHOT : GR_RECOVERY_CHOOSING;
  else if (group->state.state == GR_MEMBER_RECOVERING)
    now.stage = GR_RECOVERY_LOG;
  for (uint32_t i = 0; i < GR_DONATIONS_MAX; i++)
    now.given += group->donations[i].opened && group->donations[i].number != 0;
  return gr_fill_in(recovery, recovery->size, &now, sizeof(now));
}
