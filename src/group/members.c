/* SPDX-License-Identifier: MIT
 *
 * The members of the present view: who is heard, who is suspected, who else suspects
 * whom, whether a majority can be reached, and what follows for this member's own state.
 */
#include "group/group.h"

/* For so many election timeouts a removed member is still answered: it may not know. */
#define LINGER_TIMEOUTS 20

/* Reports are renewed with each heartbeat; older ones say nothing any more. */
#define REPORT_INTERVALS 10

gr_status gr_members_status(const struct gr_group *group) {
  gr_status status = {.size = sizeof(status)};
  gr_paxos_status(group->paxos, &status);
  return status;
}

static struct gr_detector_settings detector_settings(const struct gr_group *group) {
  return (struct gr_detector_settings){group->options.heartbeat_interval_ns,
                                       group->options.suspect_floor_ns,
                                       group->options.suspect_ceiling_ns};
}

bool gr_is_voter(const struct gr_group *group) {
  gr_seat seats[GR_MEMBERS_MAX];
  size_t count;
  gr_paxos_view(group->paxos, seats, GR_MEMBERS_MAX, &count);
  gr_member_id self = gr_members_status(group).self;
  for (size_t i = 0; i < count; i++)
    if (seats[i].id == self) return seats[i].voter;
  return false;
}

/* ---- states ---- */

void gr_members_step(struct gr_group *group, enum gr_state_cause cause, int error) {
  enum gr_member_state before = group->state.state;
  if (gr_state_step(&group->state, cause) != GR_OK) return;
  if (group->state.state == before && error == group->state_error) return;
  group->state_error = error;
  group->state_due = true;
}

/* ---- views ---- */

static void seat_link(struct gr_group *group, const gr_seat *seat) {
  gr_attributes attributes;
  gr_attributes_of(seat->profile, &attributes);
  struct gr_link *link = gr_link_open(group, seat->id, attributes.address);
  if (!link) return;
  link->voter = seat->voter;
  link->version = attributes.version;
  link->until = GR_TIME_NEVER;
  if (link->member && link->incarnation == seat->incarnation) return;
  link->member = true;
  link->incarnation = seat->incarnation;
  gr_detector_begin(&link->detector, group->now);
}

static void enter_suspicion(struct gr_group *group, bool self, bool votes) {
  gr_memberset members = self ? gr_memberset_one(GR_SELF_PLACE) : 0;
  gr_memberset voters = votes ? gr_memberset_one(GR_SELF_PLACE) : 0;
  for (uint32_t i = 0; i < group->link_end; i++) {
    if (!group->links[i].member) continue;
    members |= gr_memberset_one(i);
    if (group->links[i].voter) voters |= gr_memberset_one(i);
  }
  gr_suspicion_enter(&group->suspicion, members, voters, group->now);
}

void gr_members_enter(struct gr_group *group) {
  gr_seat seats[GR_MEMBERS_MAX];
  size_t count;
  gr_member_id self = gr_members_status(group).self;
  bool member = false, votes = false;
  gr_memberset seen = 0;
  gr_paxos_view(group->paxos, seats, GR_MEMBERS_MAX, &count);
  for (size_t i = 0; i < count; i++) {
    if (seats[i].id == self) {
      member = true;
      votes = seats[i].voter;
      continue;
    }
    seat_link(group, &seats[i]);
    struct gr_link *link = gr_link_find(group, seats[i].id);
    if (link) seen |= gr_memberset_one(gr_link_place(group, link));
  }
  for (uint32_t i = 0; i < group->link_end; i++) {
    struct gr_link *link = &group->links[i];
    if (link->id == 0 || link->id >= GR_GUEST_BIT || gr_memberset_has(seen, i)) continue;
    if (!link->member && link->until != GR_TIME_NEVER) continue;
    link->member = link->voter = link->suspected = false;
    link->until = group->now + LINGER_TIMEOUTS * group->options.election_timeout_ns;
  }
  enter_suspicion(group, member, votes);
}

static void tell_view(struct gr_group *group, enum gr_view_reason reason,
                      gr_member_id member) {
  gr_seat seats[GR_MEMBERS_MAX];
  gr_view_member members[GR_MEMBERS_MAX];
  gr_view view = {.size = sizeof(view),
                  .seqno = gr_members_status(group).seqno,
                  .reason = reason,
                  .member = member,
                  .members = members};
  view.number = gr_paxos_view(group->paxos, seats, GR_MEMBERS_MAX, &view.count);
  for (size_t i = 0; i < view.count; i++) {
    members[i].id = seats[i].id;
    members[i].state = seats[i].voter ? GR_MEMBER_ONLINE : GR_MEMBER_RECOVERING;
    gr_attributes_of(seats[i].profile, &members[i].attributes);
  }
  if (group->host.view) group->host.view(group->host.context, &view);
}

void gr_members_begin(struct gr_group *group) {
  group->begins = false;
  for (uint32_t i = 0; i < group->link_end; i++)
    gr_detector_begin(&group->links[i].detector, group->now);
  gr_members_enter(group);
  if (group->view_due) tell_view(group, GR_VIEW_FOUNDED, 0);
  group->view_due = false;
}

bool gr_members_seated(const struct gr_group *group) {
  return gr_memberset_has(group->suspicion.members, GR_SELF_PLACE);
}

static void enter_own_state(struct gr_group *group, const gr_change *change) {
  gr_status status = gr_members_status(group);
  if (status.durable && !status.resumed) return; /* see gr_group_resume() */
  if (change->kind == GR_CHANGE_FORCE && !gr_members_seated(group))
    gr_joining_removed(group, GR_CAUSE_REMOVED, GR_ERR_REMOVED);
  if (change->member != gr_members_status(group).self) return;
  if (change->kind == GR_CHANGE_PROMOTE)
    gr_members_step(group, GR_CAUSE_PROMOTED, GR_OK);
  else if (change->kind == GR_CHANGE_REMOVE &&
           (change->reason == GR_VIEW_LEFT || group->leaving))
    gr_leaving_done(group, GR_CAUSE_LEFT, GR_OK);
  else if (change->kind == GR_CHANGE_REMOVE)
    gr_leaving_done(group, GR_CAUSE_REMOVED, GR_ERR_REMOVED);
}

void gr_members_changed(struct gr_group *group, const gr_change *change) {
  enum gr_view_reason reason = (enum gr_view_reason)change->reason;
  if (change->kind == GR_CHANGE_ADD) reason = GR_VIEW_JOINED;
  if (change->kind == GR_CHANGE_PROMOTE) reason = GR_VIEW_ONLINE;
  if (change->kind == GR_CHANGE_FORCE) reason = GR_VIEW_FORCED;
  group->view_due = false;
  gr_members_enter(group);
  group->leader_until = group->now + group->options.election_timeout_ns;
  tell_view(group, reason, change->kind == GR_CHANGE_FORCE ? 0 : change->member);
  if (change->kind == GR_CHANGE_ADD) gr_admission_entered(group, change);
  if (group->removing == change->member && change->kind == GR_CHANGE_REMOVE)
    group->removing = 0;
  enter_own_state(group, change);
}

/* ---- signs of life ---- */

static void note_suspicion(struct gr_group *group, struct gr_link *link, bool suspected) {
  if (link->suspected == suspected) return;
  link->suspected = suspected;
  if (group->host.trace)
    group->host.trace(group->host.context, &(gr_trace_event){.kind = GR_TRACE_SUSPECT,
                                                             .now = group->now,
                                                             .member = link->id,
                                                             .value = suspected});
}

void gr_members_heard(struct gr_group *group, gr_member_id from) {
  struct gr_link *link = gr_link_find(group, from);
  if (!link || !link->member) return;
  struct gr_detector_settings settings = detector_settings(group);
  gr_detector_heard(&link->detector, &settings, group->now);
  note_suspicion(group, link, false);
}

void gr_members_awake(struct gr_group *group) {
  gr_time pause =
      gr_awake_turn(&group->awake, group->options.heartbeat_interval_ns, group->now);
  if (pause == 0) return;
  for (uint32_t i = 0; i < group->link_end; i++)
    if (group->links[i].member) gr_detector_forgive(&group->links[i].detector, pause);
  gr_suspicion_forget(&group->suspicion);
}

/* A member that was suspected again and again is suspected until that is some time ago.
 */
#define FLAPS_MAX 5
#define FLAPS_WINDOW_NS (UINT64_C(60) * 1000000000)

/* Voters that lack what is forgotten here. Where a majority says so they cannot keep
 * their seats: they may be in an earlier view, and not know those who could tell them. */
gr_memberset gr_members_left_behind(struct gr_group *group) {
  gr_member members[GR_MEMBERS_MAX] = {{.size = sizeof(gr_member)}};
  size_t count = 0;
  gr_slot log_first = gr_members_status(group).log_first;
  gr_memberset behind = 0;
  gr_paxos_members(group->paxos, members, GR_MEMBERS_MAX, &count);
  for (size_t i = 0; i < count; i++) {
    const struct gr_link *link = gr_link_find(group, members[i].id);
    bool told = link && link->voter && link->note_came != 0;
    if (told && members[i].chosen + 1 < log_first)
      behind |= gr_memberset_one(gr_link_place(group, link));
  }
  return behind;
}

static gr_memberset suspects(struct gr_group *group) {
  struct gr_detector_settings settings = detector_settings(group);
  gr_memberset suspected = gr_members_left_behind(group);
  for (uint32_t i = 0; i < group->link_end; i++) {
    struct gr_link *link = &group->links[i];
    if (!link->member) continue;
    bool silent = gr_detector_poll(&link->detector, &settings, group->now);
    note_suspicion(group, link, silent);
    uint32_t flaps = gr_detector_flaps(&link->detector, FLAPS_WINDOW_NS, group->now);
    if (silent || flaps >= FLAPS_MAX) suspected |= gr_memberset_one(i);
  }
  return suspected;
}

/* ---- what the members tell each other ---- */

static void tell_suspects(struct gr_group *group, gr_memberset suspected) {
  struct gr_note note = {.healthy = !group->unhealthy, .leaving = group->leaving};
  gr_divergence_fill(group, &note);
  for (uint32_t i = 0; i < group->link_end; i++)
    if (gr_memberset_has(suspected, i) && note.suspect_count < GR_MEMBERS_MAX)
      note.suspects[note.suspect_count++] = group->links[i].id;
  uint8_t bytes[GR_NOTE_BYTES_MAX];
  struct gr_writer writer = gr_writer_of(bytes, sizeof(bytes));
  gr_note_encode(&writer, &note);
  gr_paxos_note(group->paxos, (gr_slice){bytes, writer.used});
}

static void take_note(struct gr_group *group, struct gr_link *link) {
  gr_slice bytes;
  gr_time came;
  if (!gr_paxos_note_of(group->paxos, link->id, &bytes, &came) || came == link->note_came)
    return;
  link->note_came = came;
  struct gr_reader reader = gr_reader_of(bytes.data, bytes.size);
  struct gr_note note;
  if (!gr_note_decode(&reader, &note)) return;
  gr_memberset suspected = 0;
  gr_member_id self = gr_members_status(group).self;
  for (uint32_t i = 0; i < note.suspect_count; i++) {
    const struct gr_link *suspect = gr_link_find(group, note.suspects[i]);
    if (suspect && suspect->member)
      suspected |= gr_memberset_one(gr_link_place(group, suspect));
    if (note.suspects[i] == self) suspected |= gr_memberset_one(GR_SELF_PLACE);
  }
  gr_suspicion_report(&group->suspicion, gr_link_place(group, link), suspected,
                      group->now);
  if (link->healthy && !note.healthy) link->unhealthy_since = group->now;
  link->healthy = note.healthy;
  link->note = note;
}

/* ---- the quorum, and our own state ---- */

static void poll_quorum(struct gr_group *group) {
  gr_memberset voters = group->suspicion.voters;
  if (voters == 0 || group->left_until != 0) return; /* it has no part in that quorum */
  gr_memberset reachable = gr_memberset_one(GR_SELF_PLACE);
  for (uint32_t i = 0; i < group->link_end; i++)
    if (group->links[i].member && !group->links[i].suspected)
      reachable |= gr_memberset_one(i);
  enum gr_quorum_state before = group->quorum.state;
  enum gr_quorum_state state =
      gr_quorum_update(&group->quorum, voters, reachable,
                       group->options.unreachable_timeout_ns, group->now);
  if (state == before) return;
  if (state == GR_QUORUM_GIVEN_UP)
    gr_members_step(group, GR_CAUSE_QUORUM_LOST, GR_ERR_NO_QUORUM);
  else if (state == GR_QUORUM_HELD && before == GR_QUORUM_GIVEN_UP)
    gr_members_step(group, GR_CAUSE_QUORUM_BACK, GR_OK);
}

gr_slot gr_members_target(const struct gr_group *group) {
  gr_member members[GR_MEMBERS_MAX] = {{.size = sizeof(gr_member)}};
  size_t count = 0;
  gr_paxos_members(group->paxos, members, GR_MEMBERS_MAX, &count);
  gr_slot target = 0;
  for (size_t i = 0; i < count; i++)
    if (members[i].chosen > target) target = members[i].chosen;
  return target;
}

/* A voter that was away serves again when it follows somebody, and has what the others
 * have. */
static void poll_caught_up(struct gr_group *group) {
  if (group->state.state != GR_MEMBER_RECOVERING || group->state_due) return;
  if (!gr_is_voter(group)) return;
  gr_status status = gr_members_status(group);
  if (status.leader == 0 || group->quorum.state != GR_QUORUM_HELD) return;
  if (status.delivered + group->options.online_lag_max >= gr_members_target(group))
    gr_members_step(group, GR_CAUSE_CAUGHT_UP, GR_OK);
}

/* For so many election timeouts a learner may stand still while the others go on. */
#define STUCK_TIMEOUTS 40

/* Grows with whatever comes: one slot may order many batches. */
static uint64_t progress(const struct gr_group *group) {
  gr_member members[GR_MEMBERS_MAX] = {{.size = sizeof(gr_member)}};
  size_t count = 0;
  uint64_t sum = gr_members_status(group).delivered;
  gr_paxos_members(group->paxos, members, GR_MEMBERS_MAX, &count);
  for (size_t i = 0; i < count; i++) sum += members[i].held;
  return sum;
}

/* What it lacks nobody has any more. (A voter finds that out in the engine, where it
 * needs a majority to be sure: without it the others might depend on its vote.) */
static void poll_stuck(struct gr_group *group) {
  bool waits = group->state.state == GR_MEMBER_RECOVERING && !gr_is_voter(group) &&
               group->quorum.state == GR_QUORUM_HELD &&
               gr_members_status(group).delivered < gr_members_target(group);
  uint64_t reached = progress(group);
  if (!waits || group->reached != reached) {
    group->reached = reached;
    group->reached_since = group->now;
  } else if (group->now - group->reached_since >=
             STUCK_TIMEOUTS * group->options.election_timeout_ns) {
    gr_joining_removed(group, GR_CAUSE_FELL_BEHIND, GR_ERR_BEHIND);
  }
}

void gr_members_tick(struct gr_group *group) {
  gr_status status = gr_members_status(group);
  if (status.view == 0 || status.role == GR_ROLE_FORMING) return;
  gr_memberset suspected = suspects(group);
  tell_suspects(group, suspected);
  for (uint32_t i = 0; i < group->link_end; i++)
    if (group->links[i].member) take_note(group, &group->links[i]);
  gr_suspicion_report(&group->suspicion, GR_SELF_PLACE, suspected, group->now);
  gr_divergence_tick(group);
  poll_quorum(group);
  /* An operator's word, given for want of a majority, is not needed any more. */
  if (group->quorum.state == GR_QUORUM_HELD)
    gr_paxos_force(group->paxos, NULL, 0, group->now);
  poll_caught_up(group);
  poll_stuck(group);
}
