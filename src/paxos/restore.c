/* SPDX-License-Identifier: MIT
 *
 * Coming back: the state and the records that storage gives back, one after the other,
 * make the member that it was: the same promise, the same accepted values with their
 * batches, and what is known to be chosen, which is delivered on the way, so that a
 * replay needs no more memory than the life that it repeats. (R4, R6, R12; resume()
 * begins a new boot.)
 *
 * A record may be older than one that came before the checkpoint: what it says of slots
 * and batches that the state has behind it is passed over. Later records of a slot
 * replace earlier ones. Each record is checked against what is known by then; what does
 * not fit together is refused, never guessed.
 */
#include "paxos/engine.h"

/* ---- what the records say ---- */

/* Whose storage it is. The first life of a group is named by its founders. */
static int check_view(const struct gr_paxos *p, const struct gr_view_record *view) {
  bool founder = p->options.founder_count > 0;
  /* A founder may have become another member since; another founder's it is not. */
  bool other = view->self != 0 && founder && view->self != p->options.self;
  if (other && p->roster.view == 1 && !p->storage.restored_view &&
      gr_seats_find(gr_view_seats(p), view->self) < gr_view_seats(p)->count)
    return GR_ERR_FOREIGN;
  if (founder && view->self != 0 && view->epoch.count == 1 && p->founders != 0 &&
      view->epoch.random != p->founders)
    return GR_ERR_FOREIGN;
  return view->seats.count <= p->options.members_max ? GR_OK : GR_ERR_FOREIGN;
}

void gr_view_take(struct gr_paxos *p, const struct gr_view_record *view) {
  p->storage.restored_view = true;
  gr_view_epoch(p, view->epoch);
  gr_view_begin(p, &view->seats, view->self);
  p->roster.incarnation = view->incarnation;
  p->met = view->formed;
  for (uint32_t i = 0; i < p->roster.count; i++) p->peers[i].confirmed = view->formed;
}

static void take_promise(struct gr_paxos *p, gr_ballot ballot) {
  if (gr_ballot_compare(ballot, p->promised) > 0) p->promised = ballot;
  gr_election_see(p, ballot);
}

static int restore_view(struct gr_paxos *p, struct gr_reader *body) {
  struct gr_view_record view;
  int error = gr_view_record_decode(body, p->group, &view);
  if (error == GR_OK) error = check_view(p, &view);
  if (error == GR_OK && !p->met) gr_view_take(p, &view); /* the state may be newer */
  return error;
}

static int restore_boot(struct gr_paxos *p, struct gr_reader *body) {
  uint64_t boot;
  int error = gr_boot_record_decode(body, &boot);
  if (error != GR_OK) return error;
  if (p->roster.boot < boot) p->roster.boot = boot; /* the state may be newer */
  return GR_OK;
}

static int restore_promise(struct gr_paxos *p, struct gr_reader *body) {
  gr_ballot ballot;
  int error = gr_promise_record_decode(body, &ballot);
  if (error != GR_OK) return error;
  if (ballot.view > p->roster.view) return GR_ERR_MALFORMED;
  if (ballot.view == p->roster.view) take_promise(p, ballot);
  return GR_OK;
}

bool gr_restore_evict(struct gr_paxos *p) {
  if (p->log_first > p->delivered || p->log_first > p->storage.restored_spare)
    return false;
  gr_learner_forget(p, p->log_first + 1);
  return true;
}

/* Batches come in another order than in life, and may fill blocks less well. What others
 * do not need is forgotten then, as life would have done next. */
static enum gr_keep keep(struct gr_paxos *p, struct gr_lane *lane,
                         const struct gr_batch *batch) {
  for (;;) {
    enum gr_keep kept = gr_lane_keep(lane, batch);
    if (kept != GR_KEEP_NO_ROOM || batch->seq != lane->held + 1 || !gr_restore_evict(p))
      return kept;
  }
}

static int restore_batch(struct gr_paxos *p, gr_ticket ticket, struct gr_reader *body) {
  struct gr_batch batch;
  int error = gr_batch_open(body, &p->roster, &batch);
  if (error == GR_ERR_STALE) return GR_OK; /* of a member that is not any more */
  if (error != GR_OK) return error;
  struct gr_lane *lane = &p->lanes[batch.lane];
  if (batch.boot < lane->boot || p->peers[batch.lane].removed != 0) return GR_OK;
  if (batch.boot > lane->boot) return GR_ERR_MALFORMED; /* I-STO-2 */
  enum gr_keep kept = keep(p, lane, &batch);
  if (kept == GR_KEEP_NO_ROOM)
    return batch.seq == lane->held + 1 ? GR_ERR_NO_MEMORY : GR_OK;
  /* Of a run that was given once more a crash may have left the beginning only: the first
   * record of a batch, which stands in order with those around it, is the one that
   * counts. */
  if (kept == GR_KEEP_REPEAT) return GR_OK;
  gr_lane_place(lane, batch.seq)->ticket = ticket;
  uint64_t held = lane->held;
  if (!gr_lane_advance(lane, &p->limits)) return GR_ERR_MALFORMED;
  if (lane->stored < lane->held) lane->stored = lane->held;
  if (held < lane->ordered && lane->held >= lane->ordered) gr_lane_recall(lane);
  return GR_OK;
}

/* Makes the log reach to the slot; what is jumped over is to follow. */
static bool log_reach(struct gr_paxos *p, gr_slot slot) {
  if (slot - p->log_first >= p->options.log_slots_max) return false;
  for (; p->log_end <= slot; p->log_end++) gr_slot_at(&p->log, p->log_end)->slot = 0;
  return true;
}

static int restore_accept(struct gr_paxos *p, gr_ticket ticket, struct gr_reader *body) {
  struct gr_accept_record accept;
  struct gr_reader head = *body;
  gr_slot slot;
  /* What is chosen already may name members that are not any more. */
  if (gr_count_decode(&head, &slot) && slot <= p->chosen) return GR_OK;
  /* What was accepted behind the change that ended an earlier view is void. */
  if (gr_read_u64(&head) < p->roster.view) return GR_OK;
  int error = gr_accept_record_decode(body, &p->roster, &accept);
  if (error != GR_OK) return error;
  if (gr_ballot_compare(accept.ballot, p->promised) > 0 ||
      accept.ballot.view != p->roster.view)
    return GR_ERR_MALFORMED;
  if (!log_reach(p, accept.slot)) return GR_ERR_NO_MEMORY;
  if (!gr_slot_set(&p->log, accept.slot, accept.ballot, &accept.cut, p->roster.count,
                   p->log_first, p->log_end))
    return GR_ERR_NO_MEMORY;
  gr_slot_at(&p->log, accept.slot)->ticket = ticket;
  if (gr_is_config(&accept.cut)) p->log_end = accept.slot + 1; /* R3 */
  return GR_OK;
}

static int restore_marks(struct gr_paxos *p, struct gr_reader *body) {
  struct gr_marks_record marks;
  int error = gr_marks_record_decode(body, &marks);
  if (error != GR_OK) return error;
  if (marks.chosen >= p->log_end) return GR_ERR_MALFORMED;
  for (; p->chosen < marks.chosen; p->chosen++) {
    struct gr_slot_entry *entry = gr_slot_at(&p->log, p->chosen + 1);
    if (entry->slot != p->chosen + 1) return GR_ERR_MALFORMED;
    entry->chosen = true;
  }
  if (p->storage.restored_forgotten < marks.forgotten)
    p->storage.restored_forgotten = marks.forgotten;
  if (p->storage.restored_spare < marks.spare) p->storage.restored_spare = marks.spare;
  return GR_OK;
}

void gr_view_take_position(struct gr_paxos *p, const struct gr_state_record *state) {
  gr_view_take(p, &state->view);
  p->chosen = p->delivered = p->stable = state->slot;
  p->log_first = p->log_end = state->slot + 1;
  p->storage.checkpoint = state->slot;
  p->seqno = state->seqno;
  p->digest = state->digest;
  for (uint32_t i = 0; i < state->view.seats.count; i++)
    gr_lane_rebase(&p->lanes[i], state->lanes[i].boot, state->lanes[i].first,
                   state->lanes[i].ordered, state->lanes[i].messages);
  p->lacks_pieces = gr_learner_lacks_pieces(p);
}

/* With a ticket it is the position with which this member came in from outside. */
static int restore_state(struct gr_paxos *p, gr_ticket ticket, struct gr_reader *body) {
  struct gr_state_record state;
  int error = gr_state_record_decode(body, &p->roster, p->group, &state);
  if (error == GR_OK) error = check_view(p, &state.view);
  if (error != GR_OK) return error;
  if (state.first == 0 || state.boot == 0 || state.first > GR_TICKET_NONE / 2)
    return GR_ERR_MALFORMED;
  p->roster.boot = state.boot;
  p->storage.state_first = ticket == 0 ? state.first : p->storage.state_first;
  p->storage.came_in = ticket != 0;
  if (state.view.self == 0) {
    gr_paxos_outside(p);
    return GR_OK;
  }
  if (p->options.applied < state.seqno) return GR_ERR_OUTDATED;
  gr_view_take_position(p, &state);
  take_promise(p, state.promised);
  p->storage.applied = state.seqno;
  gr_learner_check_digest(p);
  return GR_OK;
}

/* What came before is of a life that was over: power was lost before storage had
 * forgotten it. The host has got what that life had delivered. */
static int begin_anew(struct gr_paxos *p, struct gr_reader body) {
  struct gr_state_record state;
  int error = gr_state_record_decode(&body, &p->roster, p->group, &state);
  if (error != GR_OK) return error;
  if (state.view.epoch.count != p->epoch.count && p->seqno > state.seqno)
    return GR_ERR_DIVERGED; /* of another history */
  gr_seqno applied = p->options.applied > p->seqno ? p->options.applied : p->seqno;
  uint64_t digest_due = applied == p->options.applied ? p->digest_due : 0;
  gr_ticket first = p->storage.state_first, restored = p->storage.restored;
  gr_paxos_again(p);
  p->options.applied = applied;
  p->digest_due = digest_due;
  p->storage.state_first = first;
  p->storage.restored = restored;
  p->storage.restoring = true;
  return GR_OK;
}

/* ---- one after the other ---- */

/* GR_OK if the record is the one that must follow. */
static int check_ticket(const struct gr_paxos *p, gr_ticket ticket,
                        enum gr_record_type type) {
  const struct gr_storage *storage = &p->storage;
  if (ticket == 0 && type != GR_RECORD_STATE) return GR_ERR_MALFORMED;
  if (ticket == 0) return storage->restoring ? GR_ERR_MALFORMED : GR_OK;
  if (storage->restored != 0)
    return ticket == storage->restored + 1 ? GR_OK : GR_ERR_MALFORMED;
  gr_ticket latest = storage->state_first != 0 ? storage->state_first : 1;
  return ticket <= latest ? GR_OK : GR_ERR_MALFORMED;
}

static int restore(struct gr_paxos *p, gr_ticket ticket, gr_slice record) {
  struct gr_reader reader = gr_reader_of(record.data, record.size);
  enum gr_record_type type;
  int error = gr_record_open(&reader, &type);
  if (error == GR_OK) error = check_ticket(p, ticket, type);
  if (error != GR_OK) return error;
  p->storage.restoring = true;
  p->storage.restored = ticket;
  if (ticket != 0 && ticket < p->storage.state_first) return GR_OK;
  if (type == GR_RECORD_STATE && ticket != 0 && p->met) error = begin_anew(p, reader);
  if (error != GR_OK) return error;
  /* Memory forgets when it did then: what was forgotten has been delivered by now. */
  gr_learner_forget(p, p->storage.restored_forgotten + 1);
  switch (type) {
  case GR_RECORD_STATE:
    return restore_state(p, ticket, &reader);
  case GR_RECORD_VIEW:
    return restore_view(p, &reader);
  case GR_RECORD_BOOT:
    return restore_boot(p, &reader);
  case GR_RECORD_PROMISE:
    return restore_promise(p, &reader);
  case GR_RECORD_BATCH:
    return restore_batch(p, ticket, &reader);
  case GR_RECORD_ACCEPT:
    return restore_accept(p, ticket, &reader);
  case GR_RECORD_MARKS:
    return restore_marks(p, &reader);
  }
  return GR_ERR_MALFORMED;
}

int gr_paxos_restore(gr_paxos *p, gr_ticket ticket, gr_slice record) {
  if (!p || !record.data) return GR_ERR_INVALID;
  if (gr_halted(p)) return GR_ERR_HALTED;
  if (!p->roster.durable || p->storage.resumed) return GR_ERR_STATE;
  int error = restore(p, ticket, record);
  if (error == GR_OK)
    p->counters.records_restored++;
  else
    GR_HALT(&p->halt, error, "what storage gave back does not fit this member");
  return error;
}

/* ---- resuming ---- */

static bool log_complete(const struct gr_paxos *p) {
  for (gr_slot slot = p->log_first; slot < p->log_end; slot++)
    if (gr_slot_at(&p->log, slot)->slot != slot) return false;
  if (p->roster.view == 0) return true;
  for (uint32_t i = 0; i < p->roster.count; i++)
    if (p->lanes[i].held < p->lanes[i].ordered && !p->storage.came_in) return false;
  /* Marks are given behind the values, and those behind their batches. Only a change of
   * the view may wait: for the place of somebody whom the log still names. */
  if (p->delivered < p->chosen && gr_slot_at(&p->log, p->delivered + 1)->config == 0)
    return false;
  /* Nothing of a boot is sent, or comes back, before the boot is durable. */
  const struct gr_lane *own = &p->lanes[p->self];
  return own->boot <= p->roster.boot || (p->roster.boot == 0 && own->held == 0);
}

/* All that was given back is durable: storage says so with the first ticket of this boot.
 */
static void resume_storage(struct gr_paxos *p) {
  struct gr_storage *storage = &p->storage;
  bool outside = p->roster.view == 0;
  bool first = p->roster.incarnation == 0;
  storage->next = storage->restored + 1;
  if (storage->next < storage->state_first) storage->next = storage->state_first;
  storage->synced = storage->next - 1;
  storage->view_due = first && !outside;
  storage->boot_due = !outside;
  storage->boot_ticket = storage->formed_ticket = GR_TICKET_NONE;
  storage->marks = (struct gr_marks_record){p->chosen, p->log_first - 1, 0};
  storage->settled = storage->settling = p->chosen;
  storage->next_slot = p->log_end;
  storage->resumed = true;
}

/* What the accepted values name, and what of it is missing. */
static void resume_lanes(struct gr_paxos *p) {
  for (gr_slot slot = p->delivered + 1; slot < p->log_end; slot++) {
    struct gr_cut cut;
    gr_slot_cut(&p->log, gr_slot_at(&p->log, slot), p->roster.count, &cut);
    gr_cut_want(p, &cut, GR_NOBODY);
  }
}

int gr_paxos_resume(gr_paxos *p, gr_time now) {
  if (!p) return GR_ERR_INVALID;
  if (gr_halted(p)) return GR_ERR_HALTED;
  if (!p->roster.durable || p->storage.resumed) return GR_ERR_STATE;
  if (!log_complete(p)) {
    GR_HALT(&p->halt, GR_ERR_MALFORMED, "storage has lost records");
    return GR_ERR_MALFORMED;
  }
  gr_latch(p, now);
  gr_learner_forget(p, p->storage.restored_forgotten + 1);
  resume_storage(p);
  p->roster.boot = p->roster.view == 0 ? GR_BOOT_FIRST : p->roster.boot + 1;
  p->heartbeat_due = p->now;
  while (p->roster.incarnation == 0) p->roster.incarnation = gr_random_next(&p->random);
  resume_lanes(p);
  p->lacks_pieces = gr_learner_lacks_pieces(p);
  gr_learner_check_digest(p);
  gr_storage_tell(p);
  gr_emit(p, (gr_trace_event){.kind = GR_TRACE_RESUME,
                              .ballot = p->promised,
                              .slot = p->delivered,
                              .value = (int64_t)p->roster.boot});
  if (p->met)
    gr_heartbeat_begin(p);
  else if (p->roster.view != 0)
    gr_heartbeat_form(p); /* a group of one has met already */
  return gr_halted(p) ? GR_ERR_HALTED : GR_OK;
}
