/* SPDX-License-Identifier: MIT
 *
 * Views: who is a member, who votes, and the way from one view to the next.
 *
 * A change of one member is a value of the log like any other. Its slot is the last of
 * its view: the leader proposes nothing behind it, and nobody accepts or learns anything
 * behind it, until the next view is entered, which is when it is delivered. The next view
 * is a Multi-Paxos of its own, with its own ballots, and begins with a phase 1 among its
 * own voters; so a ballot never spans two sets of voters, and the proof of Multi-Paxos
 * holds view by view. (R3, R10, R22.)
 *
 * Members that are removed stay known, with the lane that they had, for as long as the
 * log holds slots that may name them.
 */
#include "paxos/engine.h"

/* ---- indices ---- */

static void init_peer(struct gr_paxos *p, uint32_t index, gr_member_id id) {
  struct gr_peer *peer = &p->peers[index];
  struct gr_mark *held = peer->held;
  struct gr_serving *serving = peer->serving;
  memset(peer, 0, sizeof(*peer));
  peer->id = id;
  peer->promised.view = p->roster.view;
  peer->log_first = peer->data_next = peer->accept_next = 1;
  peer->held = memset(held, 0, p->places * sizeof(*held));
  peer->serving = memset(serving, 0, p->places * sizeof(*serving));
}

static void init_lane(struct gr_paxos *p, uint32_t index) {
  gr_lane_init(&p->lanes[index], &p->pool, p->lane_batches, p->lane_blocks,
               p->roster.durable ? GR_BOOT_FIRST : GR_BOOT_VOLATILE);
  p->lane_gaps[index] = (struct gr_gap){0};
}

/* Ids ascend, so a new member comes last. */
static uint32_t know(struct gr_paxos *p, gr_member_id id) {
  uint32_t index = p->roster.count++;
  p->roster.ids[index] = id;
  init_peer(p, index, id);
  init_lane(p, index);
  p->proposed_upto[index] = 0;
  p->proposed_boot[index] = p->lanes[index].boot;
  for (uint32_t i = 0; i < index; i++) {
    p->peers[i].held[index] = (struct gr_mark){0};
    p->peers[i].serving_lanes &= ~gr_memberset_one(index);
    p->peers[i].fetch_lanes &= ~gr_memberset_one(index);
  }
  return index;
}

void gr_view_begin(struct gr_paxos *p, const struct gr_seats *seats, gr_member_id self) {
  p->roster.view = seats->number;
  *gr_view_seats(p) = *seats;
  p->roster.count = 0;
  p->members = p->voters = 0;
  bool seated = gr_seats_find(seats, self) < seats->count;
  for (uint32_t i = 0; i < seats->count; i++) {
    const struct gr_seat_kept *seat = &seats->seats[i];
    uint32_t index = know(p, seat->id);
    p->members |= gr_memberset_one(index);
    if (seat->voter) p->voters |= gr_memberset_one(index);
    p->peers[index].incarnation = seat->id == self ? 0 : seat->incarnation;
  }
  /* One who begins with a view before it was added is to come. */
  p->self = seated ? gr_roster_index(&p->roster, self) : know(p, self);
  p->leader = p->transfer_to = GR_NOBODY;
  p->promised = (gr_ballot){.view = seats->number};
  p->told = (struct gr_told){.promised = p->promised};
}

/* Who the founders are is known when all have met. */
void gr_view_met(struct gr_paxos *p) {
  struct gr_seats *seats = gr_view_seats(p);
  for (uint32_t i = 0; i < p->roster.count; i++) {
    const struct gr_peer *peer = &p->peers[i];
    struct gr_seat_kept *seat = &seats->seats[gr_seats_find(seats, p->roster.ids[i])];
    seat->incarnation = i == p->self ? p->roster.incarnation : peer->incarnation;
    if (i == p->self) continue;
    seat->profile_bytes = (uint16_t)peer->note_bytes;
    memcpy(seat->profile, peer->note, peer->note_bytes);
  }
}

struct gr_seat_kept *gr_view_own_seat(const struct gr_paxos *p) {
  struct gr_seats *seats = gr_view_seats(p);
  uint32_t at = gr_seats_find(seats, p->roster.ids[p->self]);
  return at == seats->count ? NULL : &seats->seats[at];
}

int gr_paxos_profile(gr_paxos *p, gr_slice profile) {
  if (!p || profile.size > GR_PROFILE_BYTES_MAX || (profile.size > 0 && !profile.data))
    return GR_ERR_INVALID;
  if (p->roster.view != 1 || (p->met && p->roster.count > 1)) return GR_ERR_STATE;
  struct gr_seat_kept *seat = gr_view_own_seat(p);
  if (!seat) return GR_ERR_STATE;
  seat->profile_bytes = (uint16_t)profile.size;
  if (profile.size > 0) memcpy(seat->profile, profile.data, profile.size);
  return GR_OK;
}

/* ---- from one view to the next ---- */

bool gr_view_ends(const struct gr_paxos *p) {
  return p->chosen > p->delivered && gr_slot_at(&p->log, p->chosen)->config != 0;
}

/* What was promised, accepted and asked for in the view that ended counts no more. */
static void reset_ballots(struct gr_paxos *p) {
  const uint32_t lasting =
      GR_DUE_HEARTBEAT | GR_DUE_FETCH_DATA | GR_DUE_FETCH_LOG | GR_DUE_LOG;
  p->promised = (gr_ballot){.view = p->roster.view};
  p->told = (struct gr_told){.promised = p->promised};
  p->storage.promise_ticket = 0;
  p->started = p->reproposing = false;
  p->start = p->accepted = p->leader_chosen = 0;
  p->changing = 0;
  p->wanted.kind = 0;
  p->leader = p->transfer_to = GR_NOBODY;
  gr_slot_clear(&p->proposals);
  for (uint32_t i = 0; i < p->roster.count; i++) {
    struct gr_peer *peer = &p->peers[i];
    peer->promised = p->promised;
    peer->accepted = 0;
    peer->due &= lasting;
  }
}

/* One who is still to come to where it was added itself, and so has nothing yet, makes
 * way for those who were added before it. */
static uint32_t know_before_self(struct gr_paxos *p, gr_member_id id) {
  gr_member_id self = p->roster.ids[p->self];
  if (id > self) return know(p, id);
  p->roster.count--;
  uint32_t index = know(p, id);
  p->self = know(p, self);
  return index;
}

static void add_member(struct gr_paxos *p, const struct gr_config *config) {
  uint32_t index = gr_roster_index(&p->roster, config->member);
  bool self = index < p->roster.count; /* it has come to where it was added */
  if (!self && !gr_is_member(p, p->self))
    index = know_before_self(p, config->member);
  else if (!self)
    index = know(p, config->member);
  p->members |= gr_memberset_one(index);
  if (self) return;
  struct gr_peer *peer = &p->peers[index];
  peer->incarnation = config->incarnation;
  peer->confirmed = true;
  peer->awaited = true;
  peer->heard = p->now; /* it has its time to come */
}

/* Nothing of its lane is ordered any more (R14). */
static void remove_member(struct gr_paxos *p, gr_member_id id) {
  uint32_t index = gr_roster_index(&p->roster, id);
  p->members &= ~gr_memberset_one(index);
  p->voters &= ~gr_memberset_one(index);
  p->peers[index].removed = p->delivered;
  p->peers[index].removed_at = p->now;
  gr_lane_reopen(&p->lanes[index], p->lanes[index].boot);
  p->lane_gaps[index] = (struct gr_gap){0};
}

/* A new life of the group begins with those who are left. */
static void force_members(struct gr_paxos *p, const struct gr_config *config,
                          const struct gr_seats *next) {
  p->roster.former_tag = p->roster.tag;
  gr_view_epoch(p, (struct gr_epoch){p->epoch.count + 1, config->incarnation});
  p->epoch_view = p->roster.view;
  for (uint32_t i = 0; i < p->roster.count; i++) {
    if (!gr_is_member(p, i)) continue;
    p->peers[i].former = true;
    if (gr_seats_find(next, p->roster.ids[i]) == next->count)
      remove_member(p, p->roster.ids[i]);
  }
}

/* Those of the new view that asked before we had entered it. */
static void answer_early(struct gr_paxos *p) {
  for (uint32_t i = 0; i < p->roster.count; i++) {
    struct gr_prepare prepare = p->peers[i].prepare;
    p->peers[i].prepare = (struct gr_prepare){0};
    if (prepare.ballot.round > 0 && prepare.ballot.view == p->roster.view)
      gr_acceptor_receive_prepare(p, i, &prepare);
  }
}

static void begin_view(struct gr_paxos *p, bool led, gr_ballot ballot) {
  p->role = GR_ROLE_FOLLOWER;
  p->ended = led ? ballot : (gr_ballot){0};
  p->leader_heard = p->now; /* the leader of the view that ended comes first */
  gr_election_rearm(p);
  gr_due_all(p, GR_DUE_HEARTBEAT);
  if (led && gr_votes(p)) gr_candidate_begin(p);
  answer_early(p);
}

static bool can_drop_all(const struct gr_paxos *p) {
  for (uint32_t i = 0; p->storage.resumed && i < p->roster.count; i++)
    if (gr_lane_tail_in_use(&p->lanes[i], p->storage.synced)) return false;
  return true;
}

/* Storage may still be writing batches that are to be dropped. */
static bool can_enter(const struct gr_paxos *p, const struct gr_config *config) {
  if (p->entered_due) return false;
  /* What ends the view is given to storage before anything of the next one. */
  if (p->roster.durable && p->storage.resumed && p->storage.next_slot <= p->delivered + 1)
    return false;
  if (config->kind == GR_CHANGE_ADD)
    return p->roster.count < p->places ||
           gr_roster_index(&p->roster, config->member) < p->roster.count;
  uint32_t index = gr_roster_index(&p->roster, config->member);
  if (config->kind == GR_CHANGE_FORCE) return can_drop_all(p);
  return config->kind != GR_CHANGE_REMOVE || !p->storage.resumed ||
         !gr_lane_tail_in_use(&p->lanes[index], p->storage.synced);
}

/* The log may still name somebody who was removed. */
static bool is_named(const struct gr_paxos *p) {
  for (uint32_t i = 0; i < p->roster.count; i++)
    if (p->peers[i].removed >= p->log_first) return true;
  return false;
}

/* Makes room for one more, if need be at the cost of those who lag: what they lack names
 * members that are long gone. A replay forgets what life forgot when it came here. */
static void make_place(struct gr_paxos *p) {
  if (!p->storage.resumed) gr_learner_forget(p, p->storage.restored_forgotten + 1);
  gr_view_compact(p);
  while (p->roster.count == p->places && is_named(p) &&
         (p->storage.resumed ? gr_learner_evict(p) : gr_restore_evict(p)))
    gr_view_compact(p);
}

bool gr_view_enter(struct gr_paxos *p, const struct gr_config *config) {
  if (config->kind == GR_CHANGE_ADD) make_place(p);
  if (!can_enter(p, config)) return false;
  struct gr_seats next = *gr_view_seats(p);
  if (!GR_ENSURE(&p->halt,
                 gr_seats_apply(&next, config, p->delivered + 2, p->options.members_max),
                 "I-VIEW-1: a change that is chosen applies to its view"))
    return false;
  p->delivered++;
  p->log_end = p->delivered + 1; /* R3 */
  if (p->storage.next_slot > p->log_end) p->storage.next_slot = p->log_end;
  bool led = p->role == GR_ROLE_LEADER;
  gr_ballot ballot = p->promised;
  p->roster.view = next.number;
  *gr_view_seats(p) = next;
  reset_ballots(p);
  if (config->kind == GR_CHANGE_ADD)
    add_member(p, config);
  else if (config->kind == GR_CHANGE_REMOVE)
    remove_member(p, config->member);
  else if (config->kind == GR_CHANGE_FORCE)
    force_members(p, config, &next);
  else
    p->voters |= gr_memberset_one(gr_roster_index(&p->roster, config->member));
  p->forcing &= config->kind == GR_CHANGE_FORCE ? 0 : p->voters;
  if (!gr_memberset_has(p->forcing, p->self)) p->forcing = 0;
  p->entered = *config;
  p->entered_due = true;
  p->counters.views_entered++;
  p->storage.closed = p->delivered;
  gr_emit(p, (gr_trace_event){.kind = GR_TRACE_VIEW,
                              .slot = next.first,
                              .member = config->member,
                              .value = (int64_t)next.number});
  if (p->storage.resumed && p->formed) begin_view(p, led, ballot);
  return true;
}

/* ---- those who are gone ---- */

/* Moves what belongs to an index behind the others, which move down by one. */
#define ROTATE(array, gone, count)                                                       \
  do {                                                                                   \
    memcpy(rotated, &(array)[gone], sizeof((array)[0]));                                 \
    memmove(&(array)[gone], &(array)[(gone) + 1],                                        \
            ((count) - (gone)-1) * sizeof((array)[0]));                                  \
    memcpy(&(array)[(count)-1], rotated, sizeof((array)[0]));                            \
  } while (0)

static void table_without(const struct gr_slot_table *table, gr_slot first, gr_slot end,
                          uint32_t gone, uint32_t count) {
  for (gr_slot slot = first; slot < end; slot++) {
    struct gr_slot_entry *entry = gr_slot_at(table, slot);
    entry->lanes = gr_memberset_without(entry->lanes, gone);
    memmove(&entry->marks[gone], &entry->marks[gone + 1],
            (count - gone - 1) * sizeof(entry->marks[0]));
  }
}

static void index_without(uint32_t *index, uint32_t gone) {
  if (*index == gone) *index = GR_NOBODY;
  if (*index != GR_NOBODY && *index > gone) --*index;
}

static void forget_index(struct gr_paxos *p, uint32_t gone) {
  uint8_t rotated[sizeof(struct gr_peer) > sizeof(struct gr_lane)
                      ? sizeof(struct gr_peer)
                      : sizeof(struct gr_lane)];
  uint32_t count = p->roster.count;
  gr_lane_clear(&p->lanes[gone]);
  ROTATE(p->peers, gone, count);
  ROTATE(p->lanes, gone, count);
  ROTATE(p->lane_gaps, gone, count);
  ROTATE(p->proposed_upto, gone, count);
  ROTATE(p->proposed_boot, gone, count);
  ROTATE(p->roster.ids, gone, count);
  for (uint32_t i = 0; i < count; i++) {
    struct gr_peer *peer = &p->peers[i];
    ROTATE(peer->held, gone, count);
    ROTATE(peer->serving, gone, count);
    peer->serving_lanes = gr_memberset_without(peer->serving_lanes, gone);
    peer->fetch_lanes = gr_memberset_without(peer->fetch_lanes, gone);
    if (peer->fetch_lanes == 0) peer->due &= ~(uint32_t)GR_DUE_FETCH_DATA;
  }
  table_without(&p->log, p->log_first, p->log_end, gone, count);
  table_without(&p->proposals, 0, p->proposals.capacity, gone, count);
  table_without(&p->reported, 0, p->reported.capacity, gone, count);
  p->members = gr_memberset_without(p->members, gone);
  p->voters = gr_memberset_without(p->voters, gone);
  p->prevotes = gr_memberset_without(p->prevotes, gone);
  p->forcing = gr_memberset_without(p->forcing, gone);
  index_without(&p->self, gone);
  index_without(&p->leader, gone);
  index_without(&p->transfer_to, gone);
  if (p->deliver_lane > gone) p->deliver_lane--;
  p->roster.count--;
}

void gr_view_compact(struct gr_paxos *p) {
  for (uint32_t i = p->roster.count; i-- > 0;) {
    gr_slot removed = p->peers[i].removed;
    if (removed == 0 || i == p->self || removed >= p->log_first) continue;
    /* What it lacks is still kept for it, while nobody else needs its place. */
    if (gr_is_waited_for(p, i) && p->roster.count < p->places) continue;
    if (p->storage.resumed && gr_lane_in_use(&p->lanes[i], p->storage.synced)) continue;
    forget_index(p, i);
  }
}

/* ---- what the group asks for ---- */

static int check_change(const struct gr_paxos *p, struct gr_config *config) {
  struct gr_seats next = *gr_view_seats(p);
  if (config->kind == GR_CHANGE_ADD) config->member = next.next_id;
  if (config->kind == GR_CHANGE_REMOVE && config->member == p->roster.ids[p->self])
    return GR_ERR_INVALID;
  if (config->kind == GR_CHANGE_FORCE) return GR_ERR_INVALID;
  return gr_seats_apply(&next, config, 1, p->options.members_max) ? GR_OK
                                                                  : GR_ERR_INVALID;
}

int gr_paxos_change(gr_paxos *p, const gr_change *change, gr_time now) {
  if (!p || !change || change->profile.size > GR_PROFILE_BYTES_MAX ||
      (change->profile.size > 0 && !change->profile.data))
    return GR_ERR_INVALID;
  if (change->kind == GR_CHANGE_ADD && change->incarnation == 0) return GR_ERR_INVALID;
  if (gr_halted(p)) return GR_ERR_HALTED;
  gr_latch(p, now);
  if (p->role != GR_ROLE_LEADER) return GR_ERR_NOT_LEADER;
  if (p->changing != 0 || p->wanted.kind != 0) return GR_ERR_BUSY;
  struct gr_config config = {.kind = change->kind,
                             .member = change->member,
                             .reason = change->reason};
  if (change->kind == GR_CHANGE_ADD) {
    config.incarnation = change->incarnation;
    config.profile_bytes = (uint16_t)change->profile.size;
    if (change->profile.size > 0)
      memcpy(config.profile, change->profile.data, change->profile.size);
  }
  int error = check_change(p, &config);
  if (error == GR_OK) p->wanted = config;
  return error;
}

bool gr_paxos_view_entered(gr_paxos *p, gr_change *change) {
  if (!p || !change || gr_halted(p) || !p->entered_due) return false;
  *change = (gr_change){.kind = p->entered.kind,
                        .member = p->entered.member,
                        .incarnation = p->entered.incarnation,
                        .reason = p->entered.reason,
                        .profile = {p->entered.profile, p->entered.profile_bytes}};
  p->entered_due = false;
  return true;
}

uint64_t gr_paxos_view(const gr_paxos *p, gr_seat *seats, size_t capacity,
                       size_t *count) {
  if (count) *count = 0;
  if (!p || p->roster.view == 0) return 0;
  const struct gr_seats *present = gr_view_seats(p);
  if (count) *count = present->count;
  for (uint32_t i = 0; seats && i < present->count && i < capacity; i++) {
    const struct gr_seat_kept *seat = &present->seats[i];
    seats[i] = (gr_seat){.id = seat->id,
                         .incarnation = seat->incarnation,
                         .voter = seat->voter,
                         .profile = {seat->profile, seat->profile_bytes}};
  }
  return present->number;
}

gr_member_id gr_paxos_next_id(const gr_paxos *p) {
  return p && p->roster.view != 0 ? gr_view_seats(p)->next_id : 0;
}

int gr_paxos_note(gr_paxos *p, gr_slice note) {
  if (!p || note.size > GR_NOTE_BYTES_MAX || (note.size > 0 && !note.data))
    return GR_ERR_INVALID;
  if (note.size > 0) memcpy(p->note, note.data, note.size);
  p->note_bytes = note.size;
  return GR_OK;
}

bool gr_paxos_note_of(const gr_paxos *p, gr_member_id member, gr_slice *note,
                      gr_time *came) {
  if (!p || !note || !came) return false;
  uint32_t index = gr_roster_index(&p->roster, member);
  if (index == p->roster.count || index == p->self || p->peers[index].note_came == 0)
    return false;
  *note = (gr_slice){p->peers[index].note, p->peers[index].note_bytes};
  *came = p->peers[index].note_came;
  return true;
}
