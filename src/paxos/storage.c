/* SPDX-License-Identifier: MIT
 *
 * Storage: what of this member's state is to be kept, made into records, and what of it
 * is durable. Nothing is queued: marks say what storage has been given, and a record is
 * made when it can be taken. Without storage everything counts as durable at once.
 *
 * What waits for storage: every frame for the boot; PREPARE and PROMISE for the promise;
 * the acceptances that are told to others, or counted here, for their slots' records
 * (I-STO-1: nobody is told of a promise or an acceptance that losing power could undo).
 * What does not: proposals, which bind nobody but the leader's own acceptance; batches,
 * since a lane's boot ends when its member stops; and delivery, since a majority has
 * synced what is chosen.
 *
 * A slot's batches are stored right before its value, when the value is accepted: so a
 * value never stands in storage without its payload, and batches that nobody orders are
 * not written.
 */
#include "paxos/record.h"
#include "paxos/storage.h"

#include "paxos/engine.h"

/* ---- what is durable ---- */

bool gr_storage_ready(const struct gr_paxos *p) {
  return p->storage.boot_ticket <= p->storage.synced;
}

bool gr_storage_promise_told(const struct gr_paxos *p) {
  return gr_ballot_compare(p->told.promised, p->promised) == 0;
}

gr_slot gr_storage_settled(const struct gr_paxos *p) {
  if (p->lacks_pieces) return 0;
  if (!p->roster.durable) return p->delivered;
  return p->storage.settled < p->delivered ? p->storage.settled : p->delivered;
}

/* Where two are a majority each member has one already with the leader's acceptance and
 * its own: there only the leader needs to hear. Everybody needs to hear of a leader's
 * that came too late for its proposal. */
static void owe_accepted(struct gr_paxos *p) {
  if (p->role == GR_ROLE_LEADER || p->leader == GR_NOBODY ||
      gr_memberset_size(p->voters) > 3 || p->members != p->voters)
    gr_due_all(p, GR_DUE_ACCEPTED);
  else
    p->peers[p->leader].due |= GR_DUE_ACCEPTED;
}

static gr_slot durable_acceptances(const struct gr_paxos *p) {
  gr_slot slot = p->told.accepted;
  if (slot < p->chosen) slot = p->chosen < p->accepted ? p->chosen : p->accepted;
  while (slot < p->accepted && gr_slot_at(&p->log, slot + 1)->ticket <= p->storage.synced)
    slot++;
  return slot;
}

void gr_storage_tell(struct gr_paxos *p) {
  struct gr_told *told = &p->told;
  /* What storage gave back may not be durable before what was written after it is. */
  if (!gr_storage_ready(p)) return;
  if (!gr_storage_promise_told(p)) {
    if (p->storage.promise_ticket > p->storage.synced) return;
    *told = (struct gr_told){.promised = p->promised};
    if (p->role == GR_ROLE_CANDIDATE) gr_election_rearm(p); /* only now it asks */
  }
  if (!p->started) return;
  bool started = told->started;
  gr_slot before = told->accepted;
  if (!started) told->accepted = p->start - 1;
  told->started = true;
  told->accepted = durable_acceptances(p);
  if (started && told->accepted == before) return;
  /* Without storage a leader accepts as it proposes, and its ACCEPT says so. */
  if (p->role == GR_ROLE_LEADER && !p->roster.durable) return;
  owe_accepted(p);
  gr_emit(p, (gr_trace_event){.kind = GR_TRACE_ACCEPT,
                              .ballot = told->promised,
                              .slot = told->accepted});
}

/* Of the marks that are under way one is watched, then the last. */
static void settle(struct gr_storage *storage) {
  for (int i = 0; i < 2 && storage->settling_ticket <= storage->synced; i++) {
    storage->settled = storage->settling;
    storage->settling = storage->marks.chosen;
    storage->settling_ticket = storage->marks_ticket;
  }
}

int gr_paxos_stored(gr_paxos *p, gr_ticket upto) {
  if (!p) return GR_ERR_INVALID;
  if (!p->roster.durable || !p->storage.resumed)
    return gr_halted(p) ? GR_ERR_HALTED : GR_ERR_STATE;
  struct gr_storage *storage = &p->storage;
  if (upto >= storage->next) return gr_halted(p) ? GR_ERR_HALTED : GR_ERR_INVALID;
  bool news = storage->synced < upto;
  if (news) storage->synced = upto; /* also of one that has halted: it may begin anew */
  if (gr_halted(p)) return GR_ERR_HALTED;
  if (p->roster.view == 0) gr_install_forget(p);
  if (!news || p->roster.view == 0) return GR_OK;
  settle(storage);
  if (storage->formed_ticket <= upto) {
    storage->formed_ticket = GR_TICKET_NONE;
    gr_heartbeat_begin(p);
  }
  gr_storage_tell(p);
  gr_learner_count(p);
  gr_candidate_advance(p);
  return gr_halted(p) ? GR_ERR_HALTED : GR_OK;
}

/* ---- what is to be stored ---- */

void gr_storage_keep_view(struct gr_paxos *p) {
  p->storage.view_due = true;
}

void gr_storage_promised(struct gr_paxos *p) {
  if (p->roster.durable) p->storage.promise_ticket = GR_TICKET_NONE;
  gr_storage_tell(p);
}

void gr_storage_wrote(struct gr_paxos *p, gr_slot slot) {
  if (!p->roster.durable) gr_slot_at(&p->log, slot)->ticket = 0;
  if (p->storage.next_slot > slot) p->storage.next_slot = slot;
}

void gr_storage_poll(struct gr_paxos *p) {
  p->storage.marks_due = true;
}

/* The last batch of the lane that this mark orders, or needs, whatever boot it names. */
static uint64_t last_batch(const struct gr_lane *lane, struct gr_mark mark) {
  if (mark.boot == lane->boot) return mark.upto;
  return mark.upto < lane->base ? mark.upto : lane->base;
}

/* A batch that storage has, and is to have nearer to the end of what it keeps. */
static bool next_again(struct gr_paxos *p) {
  for (uint32_t i = 0; i < p->roster.count; i++) {
    struct gr_lane *lane = &p->lanes[i];
    if (lane->again == 0) continue;
    bool whole = lane->delivered.seq == 0 && lane->again > lane->pieces_upto;
    if (whole || lane->again > lane->again_upto) {
      lane->again = 0; /* the message is whole, or all of it is given */
      continue;
    }
    p->storage.lane = i;
    p->storage.seq = lane->again;
    return true;
  }
  return false;
}

/* The lane whose batches the slot's value still waits for; or the number of members. */
static uint32_t lane_to_store(const struct gr_paxos *p,
                              const struct gr_slot_entry *entry) {
  for (uint32_t i = 0; i < p->roster.count; i++)
    if (gr_memberset_has(entry->lanes, i) &&
        p->lanes[i].stored < last_batch(&p->lanes[i], entry->marks[i]))
      return i;
  return p->roster.count;
}

/* The next slot to be given, in order: so what comes back is without holes too. 0 if
 * there is none, or its batches are not here yet. */
static gr_slot next_slot(struct gr_paxos *p) {
  struct gr_storage *storage = &p->storage;
  for (; storage->next_slot < p->log_end; storage->next_slot++) {
    const struct gr_slot_entry *entry = gr_slot_at(&p->log, storage->next_slot);
    if (entry->ticket != GR_TICKET_NONE) continue;
    return gr_cut_held(p, entry->lanes, entry->marks) ? storage->next_slot : 0;
  }
  return 0;
}

/* Slots that are chosen, and given. */
static gr_slot marked(const struct gr_paxos *p) {
  gr_slot given = p->storage.next_slot - 1;
  return given < p->chosen ? given : p->chosen;
}

/* Marks go with other records, so that they cost no sync of their own; alone only when
 * some time has passed. What memory forgets is said before what took its place, so that a
 * replay needs no more memory. I-STO-2: that a boot has ended is said before the first
 * batch of the next one. */
static bool marks_needed(const struct gr_paxos *p, bool others_due) {
  const struct gr_storage *storage = &p->storage;
  if (storage->marks.chosen < storage->closed && storage->marks.chosen < marked(p))
    return true;
  if (storage->marks.chosen >= marked(p) && storage->marks.forgotten + 1 >= p->log_first)
    return false;
  return (others_due && !storage->marks_given) || storage->marks_due;
}

static enum gr_record_type next_type(struct gr_paxos *p) {
  struct gr_storage *storage = &p->storage;
  if (p->roster.view == 0) return 0; /* in no group: there is nothing to keep */
  if (storage->state_due) return GR_RECORD_STATE;
  if (storage->view_due) return GR_RECORD_VIEW;
  if (storage->boot_due) return GR_RECORD_BOOT;
  bool promise_due = storage->promise_ticket == GR_TICKET_NONE;
  storage->slot = next_slot(p);
  if (marks_needed(p, promise_due || storage->slot != 0)) return GR_RECORD_MARKS;
  /* R10: nothing is promised in a view before all that comes before it is given. */
  if (promise_due && storage->marks.chosen + 1 >= gr_view_seats(p)->first)
    return GR_RECORD_PROMISE;
  if (next_again(p)) return GR_RECORD_BATCH;
  if (storage->slot == 0) return 0;
  storage->lane = lane_to_store(p, gr_slot_at(&p->log, storage->slot));
  if (storage->lane == p->roster.count) return GR_RECORD_ACCEPT;
  storage->seq = p->lanes[storage->lane].stored + 1;
  return GR_RECORD_BATCH;
}

/* ---- records ---- */

void gr_storage_view(const struct gr_paxos *p, uint64_t number,
                     struct gr_view_record *view) {
  view->epoch = p->epoch;
  view->self = p->roster.ids[p->self];
  view->incarnation = p->roster.incarnation;
  view->formed = p->met;
  view->seats = p->views[number % GR_VIEWS_KEPT];
}

static void encode_accept(const struct gr_paxos *p, struct gr_writer *writer) {
  const struct gr_slot_entry *entry = gr_slot_at(&p->log, p->storage.slot);
  struct gr_accept_record accept = {.slot = p->storage.slot, .ballot = entry->ballot};
  gr_slot_cut(&p->log, entry, p->roster.count, &accept.cut);
  gr_accept_record_encode(writer, &p->roster, &accept);
}

static void encode_body(struct gr_paxos *p, struct gr_writer *writer) {
  struct gr_storage *storage = &p->storage;
  struct gr_view_record view;
  switch (storage->offered) {
  case GR_RECORD_VIEW:
    gr_storage_view(p, p->roster.view, &view);
    gr_view_record_encode(writer, p->group, &view);
    break;
  case GR_RECORD_BOOT:
    gr_boot_record_encode(writer, p->roster.boot);
    break;
  case GR_RECORD_PROMISE:
    gr_promise_record_encode(writer, p->promised);
    break;
  case GR_RECORD_ACCEPT:
    encode_accept(p, writer);
    break;
  case GR_RECORD_MARKS:
    storage->marking =
        (struct gr_marks_record){marked(p), p->log_first - 1, gr_learner_spare(p)};
    gr_marks_record_encode(writer, &storage->marking);
    break;
  case GR_RECORD_STATE:
    gr_checkpoint_encode_now(p, writer);
    break;
  case GR_RECORD_BATCH:
    break; /* its own body */
  }
}

bool gr_paxos_record(gr_paxos *p, gr_record *record) {
  if (!p || !record || gr_halted(p) || !p->roster.durable || !p->storage.resumed)
    return false;
  struct gr_storage *storage = &p->storage;
  storage->offered = next_type(p);
  if (storage->offered == 0) {
    storage->marks_given = storage->marks_due = false; /* the round is over */
    if (storage->round_given) p->counters.syncs_asked++;
    storage->round_given = false;
    return false;
  }
  struct gr_writer writer = gr_writer_of(p->record, GR_RECORD_HEADER_MAX);
  gr_record_begin(&writer, storage->offered);
  encode_body(p, &writer);
  gr_record_end(&writer);
  *record = (gr_record){.ticket = storage->next,
                        .parts = {{writer.data, writer.used}},
                        .part_count = 1};
  storage->offered_bytes = writer.used;
  if (storage->offered == GR_RECORD_BATCH) {
    const struct gr_lane *lane = &p->lanes[storage->lane];
    const struct gr_kept_batch *batch = gr_lane_batch(lane, storage->seq);
    if (!GR_ENSURE(&p->halt, batch != NULL,
                   "I-STO-3: what is accepted and not stored is kept"))
      return false;
    record->parts[1] = (gr_slice){batch->bytes, batch->size};
    record->part_count = 2;
    storage->offered_bytes += batch->size;
  }
  return true;
}

static void marks_recorded(struct gr_storage *storage, gr_ticket ticket) {
  storage->marks = storage->marking;
  storage->marks_due = false;
  storage->marks_given = true;
  storage->marks_ticket = ticket;
  settle(storage);
}

void gr_paxos_recorded(gr_paxos *p) {
  if (!p || p->storage.offered == 0) return;
  struct gr_storage *storage = &p->storage;
  gr_ticket ticket = storage->next++;
  struct gr_lane *lane;
  switch (storage->offered) {
  case GR_RECORD_VIEW:
    storage->view_due = false;
    if (p->met && !p->formed) storage->formed_ticket = ticket;
    break;
  case GR_RECORD_BOOT:
    storage->boot_due = false;
    storage->boot_ticket = ticket;
    break;
  case GR_RECORD_PROMISE:
    storage->promise_ticket = ticket;
    break;
  case GR_RECORD_BATCH:
    lane = &p->lanes[storage->lane];
    gr_lane_place(lane, storage->seq)->ticket = ticket;
    if (lane->stored < storage->seq) lane->stored = storage->seq;
    if (lane->again == storage->seq) lane->again++;
    break;
  case GR_RECORD_ACCEPT:
    gr_slot_at(&p->log, storage->slot)->ticket = ticket;
    break;
  case GR_RECORD_MARKS:
    marks_recorded(storage, ticket);
    break;
  case GR_RECORD_STATE:
    storage->state_due = false;
    storage->boot_ticket = ticket;
    break;
  }
  storage->offered = 0;
  storage->round_given = true;
  p->counters.records_stored++;
  p->counters.bytes_stored += storage->offered_bytes;
}
