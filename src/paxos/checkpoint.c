/* SPDX-License-Identifier: MIT
 *
 * Checkpoints: letting storage forget. The host says which messages it keeps the effects
 * of; the log can then begin behind a slot boundary at or below it.
 *
 * The position of such a boundary (the lanes' marks, the count of messages) is known only
 * when the delivery passes it, so some of those passed are remembered: all of them at
 * first, and when there are too many, every second one, so that what is remembered
 * spreads evenly over what is delivered and not checkpointed, however much that becomes.
 *
 * The same positions serve members that come in from outside: where the log is kept from
 * one of them on, it is all that they need.
 *
 * I-TRIM-1: a replay never begins behind what the host keeps, what this member has
 * settled, or what its memory keeps for the others.
 */
#include "paxos/engine.h"

/* ---- boundaries ---- */

/* A slot has a value that storage has not been given: should this member stop now, an
 * older record of the slot is what comes back. */
static bool value_is_due(const struct gr_paxos *p) {
  for (gr_slot slot = p->delivered + 1; slot < p->log_end; slot++)
    if (gr_slot_at(&p->log, slot)->ticket == GR_TICKET_NONE) return true;
  return false;
}

static void name_batches(const struct gr_paxos *p, const struct gr_slot_entry *entry,
                         uint64_t *named) {
  for (uint32_t i = 0; i < p->roster.count; i++)
    if (gr_memberset_has(entry->lanes, i) && entry->marks[i].boot == p->lanes[i].boot &&
        named[i] < entry->marks[i].upto)
      named[i] = entry->marks[i].upto;
}

/* The first record with one of the batches up to this one that are still needed. */
static gr_ticket first_batch(const struct gr_lane *lane, uint64_t upto) {
  gr_ticket first = GR_TICKET_NONE;
  uint64_t seq = lane->delivered.seq != 0 ? lane->delivered.seq : lane->ordered + 1;
  for (; seq <= upto; seq++) {
    const struct gr_kept_batch *batch = gr_lane_batch(lane, seq);
    if (batch && batch->ticket < first) first = batch->ticket;
  }
  return first;
}

/* The first record that a replay from here on needs. Batches that no value names any more
 * are not counted, or they would stay in storage for ever: should one be named again, it
 * is stored again. */
static gr_ticket first_needed(struct gr_paxos *p) {
  gr_ticket first = p->storage.next;
  uint64_t named[GR_PLACES_MAX];
  for (uint32_t i = 0; i < p->roster.count; i++) named[i] = p->lanes[i].ordered;
  for (gr_slot slot = p->delivered + 1; slot < p->log_end; slot++) {
    const struct gr_slot_entry *entry = gr_slot_at(&p->log, slot);
    if (entry->ticket < first) first = entry->ticket;
    name_batches(p, entry, named);
  }
  for (uint32_t i = 0; i < p->roster.count; i++) {
    struct gr_lane *lane = &p->lanes[i];
    if (lane->stored > named[i]) lane->stored = named[i];
    gr_ticket batch = first_batch(lane, named[i]);
    if (batch < first) first = batch;
  }
  return first;
}

static void fill_boundary(struct gr_paxos *p, struct gr_boundary *boundary) {
  const struct gr_seats *seats = gr_view_seats(p);
  boundary->slot = p->delivered;
  boundary->view = p->roster.view;
  boundary->seqno = p->seqno;
  boundary->digest = p->digest;
  boundary->first = p->roster.durable ? first_needed(p) : 0;
  boundary->last = p->storage.next - 1;
  for (uint32_t i = 0; i < seats->count; i++) {
    const struct gr_lane *lane =
        &p->lanes[gr_roster_index(&p->roster, seats->seats[i].id)];
    boundary->lanes[i] =
        (struct gr_lane_state){lane->boot, lane->ordered,
                               lane->delivered.seq != 0 ? lane->delivered.seq
                                                        : lane->ordered + 1,
                               lane->messages};
  }
}

static void forget_boundaries(struct gr_storage *storage, gr_slot upto) {
  uint32_t kept = 0;
  for (uint32_t i = 0; i < storage->boundary_count; i++)
    if (storage->boundaries[i].slot > upto)
      storage->boundaries[kept++] = storage->boundaries[i];
  storage->boundary_count = kept;
  if (kept < GR_BOUNDARIES_MAX / 4 && storage->boundary_spacing > 1)
    storage->boundary_spacing /= 2;
}

/* Keeps every second one, the last among them, and the first: it is what somebody needs
 * who was away since. */
static void thin_out(struct gr_storage *storage) {
  uint32_t kept = 1;
  for (uint32_t i = 1; i < storage->boundary_count; i += 2)
    storage->boundaries[kept++] = storage->boundaries[i];
  storage->boundary_count = kept;
  storage->boundary_spacing *= 2;
}

/* The origin of a message in pieces may never send the rest. Its first piece would hold
 * all records since in storage: those that did so at the last checkpoint are given once
 * more. */
static void renew_pieces(struct gr_paxos *p) {
  for (uint32_t i = 0; i < p->roster.count; i++) {
    struct gr_lane *lane = &p->lanes[i];
    if (lane->delivered.seq == 0 || lane->again != 0) continue;
    const struct gr_kept_batch *batch = gr_lane_batch(lane, lane->delivered.seq);
    if (!batch || batch->ticket > p->storage.trimmed) continue;
    lane->again = lane->delivered.seq;
    lane->again_upto = lane->stored;
  }
}

static void remember(struct gr_paxos *p) {
  struct gr_storage *storage = &p->storage;
  if (p->roster.durable && value_is_due(p)) return;
  if (!p->roster.durable && p->log_first > 1)
    forget_boundaries(storage, p->log_first - 2);
  if (storage->boundary_count == GR_BOUNDARIES_MAX) thin_out(storage);
  fill_boundary(p, &storage->boundaries[storage->boundary_count++]);
  if (p->roster.durable) renew_pieces(p);
}

static gr_slot last_boundary(const struct gr_storage *storage) {
  return storage->boundary_count == 0
             ? storage->checkpoint
             : storage->boundaries[storage->boundary_count - 1].slot;
}

void gr_checkpoint_passed(struct gr_paxos *p) {
  if (!p->storage.resumed) return;
  if (p->delivered - last_boundary(&p->storage) >= p->storage.boundary_spacing)
    remember(p);
}

/* The last boundary that the host keeps; NULL if there is none. */
static const struct gr_boundary *boundary_kept(const struct gr_storage *storage) {
  for (uint32_t i = storage->boundary_count; i-- > 0;)
    if (storage->boundaries[i].seqno <= storage->applied) return &storage->boundaries[i];
  return NULL;
}

/* I-TRIM-1. What replaced older records is durable, too. */
static bool can_trim_to(const struct gr_paxos *p, const struct gr_boundary *boundary) {
  return boundary->seqno <= p->storage.applied && boundary->last <= p->storage.synced &&
         boundary->slot <= gr_storage_settled(p) && boundary->slot < p->log_first &&
         boundary->view == p->roster.view; /* whose ballot is the promised one */
}

static const struct gr_boundary *boundary_to_trim_to(const struct gr_paxos *p) {
  for (uint32_t i = p->storage.boundary_count; i-- > 0;)
    if (can_trim_to(p, &p->storage.boundaries[i])) return &p->storage.boundaries[i];
  return NULL;
}

/* ---- checkpoints ---- */

int gr_paxos_checkpoint(gr_paxos *p, gr_seqno applied) {
  if (!p) return GR_ERR_INVALID;
  if (gr_halted(p)) return GR_ERR_HALTED;
  struct gr_storage *storage = &p->storage;
  if (!p->roster.durable || !storage->resumed) return GR_ERR_STATE;
  if (applied > p->seqno && applied > p->options.applied) return GR_ERR_INVALID;
  if (applied < storage->applied) return GR_OK;
  storage->applied = applied;
  if (storage->applied >= p->seqno && !p->deliver_begun &&
      last_boundary(storage) < p->delivered)
    remember(p);
  const struct gr_boundary *wanted = boundary_kept(storage);
  storage->trim_now = storage->trim_slot != 0; /* what the last one still waits for */
  storage->trim_slot = wanted ? wanted->slot : 0;
  return GR_OK;
}

/* Of the view that the boundary lies in. */
static void fill_state(const struct gr_paxos *p, const struct gr_boundary *boundary,
                       struct gr_state_record *state) {
  gr_storage_view(p, boundary->view, &state->view);
  state->slot = boundary->slot;
  state->seqno = boundary->seqno;
  state->digest = boundary->digest;
  memcpy(state->lanes, boundary->lanes,
         state->view.seats.count * sizeof(state->lanes[0]));
}

static void encode_state(struct gr_paxos *p, const struct gr_boundary *boundary,
                         struct gr_writer *writer) {
  struct gr_state_record state = {.first = boundary->first,
                                  .boot = p->roster.boot,
                                  .promised = p->promised};
  fill_state(p, boundary, &state);
  gr_record_begin(writer, GR_RECORD_STATE);
  gr_state_record_encode(writer, p->group, &state);
  gr_record_end(writer);
}

void gr_checkpoint_encode_now(struct gr_paxos *p, struct gr_writer *writer) {
  struct gr_boundary here;
  struct gr_state_record state = {.first = p->storage.next,
                                  .boot = p->roster.boot,
                                  .promised = p->promised};
  fill_boundary(p, &here);
  fill_state(p, &here, &state);
  gr_state_record_encode(writer, p->group, &state);
}

/* All that was kept is of a life that is over. */
static bool trim_all(struct gr_paxos *p, gr_ticket *first, gr_slice *state) {
  struct gr_state_record outside = {.first = p->storage.next, .boot = p->roster.boot};
  struct gr_writer writer = gr_writer_of(p->record, GR_RECORD_HEADER_MAX);
  gr_record_begin(&writer, GR_RECORD_STATE);
  gr_state_record_encode(&writer, p->group, &outside);
  gr_record_end(&writer);
  p->storage.outside_due = false;
  *first = p->storage.next;
  *state = (gr_slice){writer.data, writer.used};
  return true;
}

bool gr_paxos_trim(gr_paxos *p, gr_ticket *first, gr_slice *state) {
  if (!p || !first || !state || gr_halted(p) || !p->roster.durable) return false;
  struct gr_storage *storage = &p->storage;
  if (storage->outside_due) return trim_all(p, first, state);
  if (storage->trim_slot == 0 && !storage->trim_now) return false;
  const struct gr_boundary *boundary = boundary_to_trim_to(p);
  bool reached = boundary && boundary->slot >= storage->trim_slot;
  if (!reached && !storage->trim_now) return false;
  storage->trim_now = false;
  if (reached) storage->trim_slot = 0;
  if (!boundary) return false;
  struct gr_writer writer = gr_writer_of(p->record, GR_RECORD_HEADER_MAX);
  encode_state(p, boundary, &writer);
  *first = boundary->first;
  *state = (gr_slice){writer.data, writer.used};
  storage->checkpoint = boundary->slot;
  storage->trimmed = boundary->first;
  p->counters.checkpoints++;
  gr_emit(p, (gr_trace_event){.kind = GR_TRACE_CHECKPOINT,
                              .slot = boundary->slot,
                              .value = (int64_t)*first});
  forget_boundaries(storage, boundary->slot);
  return true;
}

/* ---- positions for others ---- */

/* Of a message that was begun there all pieces are still here. */
static bool pieces_kept(const struct gr_paxos *p, const struct gr_boundary *boundary) {
  const struct gr_seats *seats = &p->views[boundary->view % GR_VIEWS_KEPT];
  for (uint32_t i = 0; i < seats->count; i++) {
    uint32_t index = gr_roster_index(&p->roster, seats->seats[i].id);
    const struct gr_lane_state *state = &boundary->lanes[i];
    if (state->first <= state->ordered &&
        (index == p->roster.count || !gr_lane_batch(&p->lanes[index], state->first)))
      return false;
  }
  return true;
}

static bool is_kept(const struct gr_paxos *p, const struct gr_boundary *boundary) {
  return boundary->slot + 1 >= p->log_first && boundary->view >= p->epoch_view &&
         boundary->view + GR_VIEWS_KEPT > p->roster.view && pieces_kept(p, boundary);
}

/* The last one at or before this message; NULL if none is kept. */
static const struct gr_boundary *boundary_before(const struct gr_paxos *p,
                                                 gr_seqno seqno) {
  for (uint32_t i = p->storage.boundary_count; i-- > 0;) {
    const struct gr_boundary *boundary = &p->storage.boundaries[i];
    if (boundary->seqno <= seqno) return is_kept(p, boundary) ? boundary : NULL;
  }
  return NULL;
}

bool gr_paxos_image(gr_paxos *p, gr_seqno seqno, gr_slice *image) {
  if (!p || !image || gr_halted(p) || p->roster.view == 0 || !p->formed) return false;
  if (p->seqno < p->options.applied) return false; /* the host is ahead of us */
  struct gr_boundary here;
  const struct gr_boundary *boundary = NULL;
  if (seqno >= p->seqno && !p->deliver_begun && !p->entered_due) {
    fill_boundary(p, &here);
    boundary = &here;
  } else if (seqno < p->seqno) {
    boundary = boundary_before(p, seqno);
  }
  if (!boundary) return false;
  struct gr_state_record state = {.promised.view = boundary->view};
  fill_state(p, boundary, &state);
  struct gr_writer writer = gr_writer_of(p->image, GR_RECORD_HEADER_MAX);
  gr_record_begin(&writer, GR_RECORD_STATE);
  gr_state_record_encode(&writer, p->group, &state);
  gr_record_end(&writer);
  *image = (gr_slice){writer.data, writer.used};
  return !writer.bad;
}
