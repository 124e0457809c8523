/* SPDX-License-Identifier: MIT
 *
 * Outputs: the only place that runs the acting callbacks, in one order.
 */
#include "group/group.h"

/* ---- messages ---- */

static struct gr_writer begin(gr_group *group, const struct gr_link *link,
                              enum gr_message_type type) {
  struct gr_writer writer = gr_writer_of(group->header, GR_FRAME_HEADER_MAX);
  struct gr_message_header header = {.type = type,
                                     .group = type == GR_MESSAGE_ANSWER
                                                  ? link->answer_group
                                                  : group->id_hash,
                                     .incarnation = gr_paxos_incarnation(group->paxos),
                                     .sender = group->name};
  gr_message_begin(&writer, &header);
  return writer;
}

static void encode_position(gr_group *group, const struct gr_link *link,
                            struct gr_writer *writer) {
  const struct gr_donation *donation = gr_donation_to(group, link->id);
  struct gr_position position = {donation->number,
                                 donation->seqno,
                                 {donation->image, donation->image_bytes}};
  gr_position_encode(writer, &position);
}

/* A donor that may not send now, or has nothing ready, says that it is there. */
static void encode_nothing(gr_group *group, const struct gr_link *link,
                           struct gr_writer *writer) {
  const struct gr_donation *donation = gr_donation_to(group, link->id);
  struct gr_chunk nothing = {.snapshot = donation->number,
                             .offset = donation->offset,
                             .total = gr_donation_total(group, donation)};
  gr_chunk_encode(writer, &nothing);
}

static void encode_recover(gr_group *group, struct gr_writer *writer) {
  /* With storage the log begins with the position: not behind what the host keeps. */
  gr_seqno applied = group->joining.applied;
  bool has = applied != UINT64_MAX; /* else a snapshot broke off */
  bool behind = group->options.durable && has && group->kept < applied;
  struct gr_recover recover = {behind ? group->kept : applied};
  gr_recover_encode(writer, &recover);
}

static void encode(gr_group *group, const struct gr_link *link, enum gr_message_type type,
                   struct gr_writer *writer) {
  struct gr_join join;
  struct gr_answer answer;
  struct gr_pull pull;
  switch (type) {
  case GR_MESSAGE_JOIN:
    gr_joining_fill(group, &join);
    gr_join_encode(writer, &join);
    break;
  case GR_MESSAGE_ANSWER:
    gr_admission_fill(group, link, &answer);
    gr_answer_encode(writer, &answer);
    break;
  case GR_MESSAGE_REMOVE:
    gr_remove_encode(writer, &link->remove);
    break;
  case GR_MESSAGE_RECOVER:
    encode_recover(group, writer);
    break;
  case GR_MESSAGE_POSITION:
    encode_position(group, link, writer);
    break;
  case GR_MESSAGE_PULL:
    gr_recovery_fill_pull(group, &pull);
    gr_pull_encode(writer, &pull);
    break;
  case GR_MESSAGE_END:
    gr_end_encode(writer, &link->end);
    break;
  case GR_MESSAGE_CHUNK:
    encode_nothing(group, link, writer);
    break;
  }
}

/* What the state has moved on from is not said any more. */
static bool still_due(gr_group *group, const struct gr_link *link,
                      enum gr_message_type type) {
  const struct gr_donation *donation = gr_donation_to(group, link->id);
  const struct gr_joining *joining = &group->joining;
  if (type == GR_MESSAGE_POSITION) return donation && donation->opened;
  if (type == GR_MESSAGE_CHUNK)
    return donation && donation->opened && donation->number != 0;
  if (type == GR_MESSAGE_RECOVER) return joining->donor == link->id;
  if (type == GR_MESSAGE_PULL)
    return joining->donor == link->id && joining->snapshot != 0;
  return true;
}

static bool next_chunk(gr_group *group, struct gr_link *link, gr_frame *frame,
                       struct gr_chunk *chunk) {
  struct gr_donation *donation = gr_donation_to(group, link->id);
  if (!donation || !gr_donation_chunk(group, donation, chunk)) return false;
  struct gr_writer writer = begin(group, link, GR_MESSAGE_CHUNK);
  gr_chunk_encode(&writer, chunk);
  gr_message_end(&writer);
  *frame = (gr_frame){.parts = {{writer.data, writer.used}, chunk->bytes},
                      .part_count = chunk->bytes.size > 0 ? 2 : 1};
  return true;
}

/* The next message for a link, and the bit that is no longer due once it is sent; for a
 * piece of a snapshot none. */
static bool next_message(gr_group *group, struct gr_link *link, gr_frame *frame,
                         uint32_t *done, struct gr_chunk *chunk) {
  for (int type = GR_MESSAGE_JOIN; type <= GR_MESSAGE_END; type++) {
    if ((link->due & GR_DUE(type)) == 0) continue;
    if (!still_due(group, link, (enum gr_message_type)type)) {
      link->due &= ~GR_DUE(type);
      continue;
    }
    struct gr_writer writer = begin(group, link, (enum gr_message_type)type);
    encode(group, link, (enum gr_message_type)type, &writer);
    gr_message_end(&writer);
    *frame = (gr_frame){.parts = {{writer.data, writer.used}}, .part_count = 1};
    *done = GR_DUE(type);
    return true;
  }
  *done = 0;
  return next_chunk(group, link, frame, chunk);
}

/* ---- the host's callbacks ---- */

static void log_line(const gr_group *group, enum gr_log_level level, const char *text) {
  if (group->host.log) group->host.log(group->host.context, level, text);
}

static bool store_all(gr_group *group) {
  bool stored = false;
  gr_record record;
  group->quiet = true;
  while (gr_paxos_record(group->paxos, &record)) {
    if (group->host.store(group->host.context, record.ticket, record.parts,
                          record.part_count) != 0) {
      gr_paxos_halt(group->paxos, GR_ERR_STORAGE, "host.store reported failure");
      break;
    }
    gr_paxos_recorded(group->paxos);
    stored = true;
  }
  if (stored && group->host.sync) group->host.sync(group->host.context);
  group->quiet = false;
  return stored;
}

static void trim(gr_group *group) {
  gr_ticket first;
  gr_slice state;
  if (!gr_paxos_trim(group->paxos, &first, &state)) return;
  group->quiet = true;
  if (group->host.trim(group->host.context, first, state) != 0)
    gr_paxos_halt(group->paxos, GR_ERR_STORAGE, "host.trim reported failure");
  group->quiet = false;
}

static bool send_message(gr_group *group, struct gr_link *link) {
  gr_frame frame;
  struct gr_chunk chunk = {0};
  uint32_t done = 0;
  if (!next_message(group, link, &frame, &done, &chunk)) return false;
  if (!group->host.send(group->host.context, link->id, frame.parts, frame.part_count)) {
    link->blocked = true;
    return false;
  }
  link->due &= ~done;
  if (done == 0) gr_donation_sent(group, gr_donation_to(group, link->id), &chunk);
  group->counters.frames_sent++;
  for (size_t i = 0; i < frame.part_count; i++)
    group->counters.bytes_sent += frame.parts[i].size;
  return true;
}

static bool send_frames(gr_group *group, struct gr_link *link) {
  bool sent = false;
  gr_frame frame;
  while (!link->blocked && gr_paxos_frame(group->paxos, link->id, &frame)) {
    if (!group->host.send(group->host.context, link->id, frame.parts, frame.part_count)) {
      link->blocked = true;
      break;
    }
    gr_paxos_frame_sent(group->paxos, link->id);
    sent = true;
  }
  return sent;
}

/* The order comes first. Of a snapshot one piece goes in a round, as its memory is needed
 * until flush. */
static bool send_to(gr_group *group, struct gr_link *link) {
  bool sent = link->id < GR_GUEST_BIT && send_frames(group, link);
  while (!link->blocked && link->due != 0 && send_message(group, link)) sent = true;
  if (!link->blocked && link->due == 0 && send_message(group, link)) sent = true;
  return sent;
}

static bool send_all(gr_group *group) {
  bool sent = false;
  group->quiet = true;
  for (uint32_t i = 0; i < group->link_end; i++)
    if (group->links[i].id != 0 && group->links[i].told)
      sent = send_to(group, &group->links[i]) || sent;
  if (sent && group->host.flush) group->host.flush(group->host.context);
  group->quiet = false;
  return sent;
}

static bool tell_state(gr_group *group) {
  if (!group->state_due) return false;
  group->state_due = false;
  group->serves = false; /* until the next tick finds that it does */
  group->tick_due = group->now;
  if (group->host.trace)
    group->host.trace(group->host.context,
                      &(gr_trace_event){.kind = GR_TRACE_STATE,
                                        .now = group->now,
                                        .value = group->state.state});
  if (group->host.state)
    group->host.state(group->host.context, group->state.state, group->state_error);
  return true;
}

/* A view comes in order with the messages; behind the states that came before it. */
static bool enter_view(gr_group *group) {
  gr_change change;
  if (!gr_paxos_view_entered(group->paxos, &change)) return false;
  tell_state(group);
  gr_members_changed(group, &change);
  return true;
}

/* The next message, or the views before it. */
static bool next_delivery(gr_group *group, gr_delivery *delivery, bool *viewed) {
  for (;;) {
    if (enter_view(group)) *viewed = true;
    if (gr_paxos_delivery(group->paxos, delivery)) return true;
    if (!enter_view(group)) return false;
    *viewed = true;
  }
}

bool gr_deliver_all(gr_group *group) {
  bool delivered = false;
  gr_delivery delivery;
  while (next_delivery(group, &delivery, &delivered)) {
    if (group->host.deliver(group->host.context, &delivery) != 0) {
      gr_paxos_halt(group->paxos, GR_ERR_HOST, "host.deliver reported failure");
      return delivered;
    }
    gr_paxos_delivered(group->paxos);
    gr_divergence_delivered(group, delivery.seqno);
    delivered = true;
  }
  return delivered;
}

static bool tell_leader(gr_group *group) {
  gr_status status = {.size = sizeof(status)};
  gr_paxos_status(group->paxos, &status);
  if (status.leader == group->leader) return false;
  /* A view begins without one, for two round trips or so. */
  bool begins = status.leader == 0 && group->now < group->leader_until;
  if (begins) return false;
  group->leader = status.leader;
  if (group->host.leader) group->host.leader(group->host.context, status.leader);
  return true;
}

static bool tell_writable(gr_group *group) {
  if (!gr_paxos_writable(group->paxos) && !group->writable_due) return false;
  group->writable_due = group->turned_away = false;
  if (group->host.writable) group->host.writable(group->host.context);
  return true;
}

/* The founders have met, or it has come back, or in. */
static bool begin_view(gr_group *group) {
  if (!group->begins) return false;
  gr_status status = gr_members_status(group);
  if (status.view == 0 || status.role == GR_ROLE_FORMING) return false;
  gr_members_begin(group);
  if (group->state.state == GR_MEMBER_OFFLINE && gr_members_seated(group))
    gr_members_step(group, status.boot > 1 ? GR_CAUSE_RESUMED : GR_CAUSE_FOUNDED, GR_OK);
  return true;
}

static void act_on_membership(gr_group *group) {
  group->quiet = true;
  gr_links_act(group);
  gr_donation_act(group);
  gr_admission_act(group);
  group->quiet = false;
}

/* Whom the others keep nothing for any more, or who is not whom they know, begins anew as
 * somebody else. */
static bool survives(gr_group *group) {
  int error = gr_paxos_halt_reason(group->paxos, NULL);
  if (error == GR_OK || !group->host.link) return error == GR_OK;
  bool forming = gr_members_status(group).role == GR_ROLE_FORMING;
  if (error == GR_ERR_BEHIND) {
    gr_joining_removed(group, GR_CAUSE_FELL_BEHIND, GR_ERR_BEHIND);
  } else if (error == GR_ERR_REPLACED && forming) {
    /* A founder that lost what it knew: the others have begun without this process. */
    gr_joining_anew(group);
  } else {
    return false;
  }
  return true;
}

static void tell_halt(gr_group *group) {
  const char *text;
  int error = gr_paxos_halt_reason(group->paxos, &text);
  if (group->halt_told) return;
  group->halt_told = true;
  gr_members_step(group, GR_CAUSE_FAILED, error);
  tell_state(group);
  log_line(group, GR_LOG_ERROR, text);
  if (group->host.trace)
    group->host.trace(group->host.context,
                      &(gr_trace_event){.kind = GR_TRACE_HALT, .value = error});
}

/* Rounds of one dispatch at most. A group of one, or a transport that takes everything at
 * once, could go on for ever with a host that answers each delivery with a broadcast. */
#define DISPATCH_ROUNDS_MAX 64

int gr_group_dispatch(gr_group *group) {
  if (!group) return GR_ERR_INVALID;
  if (group->dispatching) return GR_ERR_REENTRANT;
  group->dispatching = true;
  int error = GR_OK;
  bool acted = false;
  uint32_t rounds = 0;
  do {
    if (!survives(group)) break;
    error = gr_paxos_flush(group->paxos);
    if (error != GR_OK) break;
    acted = begin_view(group);
    gr_links_act(group);
    acted = store_all(group) || acted;
    acted = send_all(group) || acted;
    acted = gr_deliver_all(group) || acted;
    act_on_membership(group);
    trim(group);
    if (gr_paxos_halt_reason(group->paxos, NULL) != GR_OK) break;
    acted = tell_state(group) || acted;
    acted = tell_leader(group) || acted;
    acted = tell_writable(group) || acted;
  } while (acted && ++rounds < DISPATCH_ROUNDS_MAX);
  group->unfinished = error == GR_OK && acted;
  if (gr_paxos_halt_reason(group->paxos, NULL) != GR_OK) {
    error = GR_ERR_HALTED;
    tell_halt(group);
  }
  group->dispatching = false;
  return error;
}
