/* SPDX-License-Identifier: MIT
 *
 * The learner: which slots are chosen, the delivery of what they order, and the
 * forgetting of what all members have delivered.
 *
 * A slot is chosen when a majority of the voters stand at or beyond it in one ballot;
 * every member counts for itself, from the ACCEPTED of all. It learns a slot only with
 * that ballot's own value (I-LRN-1): what was accepted in an older ballot is not known to
 * be chosen, however many slots later are.
 */
#include "paxos/engine.h"

static void learn_upto(struct gr_paxos *p, gr_slot upto) {
  if (p->chosen >= upto) return;
  p->counters.slots_learned += upto - p->chosen;
  while (p->chosen < upto) {
    struct gr_slot_entry *entry = gr_slot_at(&p->log, p->chosen + 1);
    if (!GR_ENSURE(&p->halt,
                   entry->slot == p->chosen + 1 &&
                       gr_ballot_compare(entry->ballot, p->promised) == 0,
                   "I-LRN-1: only the ballot's own value is learned from its marks"))
      return;
    entry->chosen = true;
    p->chosen++;
  }
  gr_emit(p, (gr_trace_event){.kind = GR_TRACE_CHOSEN, .slot = p->chosen});
  /* Its followers wait for its acceptance, which is not needed any more. */
  if (p->role == GR_ROLE_LEADER && p->told.accepted < p->chosen)
    gr_due_all(p, GR_DUE_ACCEPTED);
}

void gr_learner_count(struct gr_paxos *p) {
  if (!p->started || p->accepted <= p->chosen) return;
  uint64_t marks[GR_PLACES_MAX];
  for (uint32_t i = 0; i < p->roster.count; i++) {
    const struct gr_peer *peer = &p->peers[i];
    if (i == p->self)
      marks[i] = gr_storage_promise_told(p) ? p->told.accepted : 0; /* I-STO-1 */
    else
      marks[i] = gr_ballot_compare(peer->promised, p->promised) == 0 ? peer->accepted : 0;
  }
  gr_slot chosen = gr_voters_mark(p, marks);
  /* The leader's word on its own ballot (R5). */
  if (chosen < p->leader_chosen) chosen = p->leader_chosen;
  learn_upto(p, chosen < p->accepted ? chosen : p->accepted);
}

/* Leaves room for what must be accepted, so that catching up never blocks consensus. */
static bool learner_has_room(struct gr_paxos *p) {
  while (p->log_end - p->log_first >= p->options.log_slots_max - GR_SLOTS_UNDECIDED_MAX)
    if (!gr_learner_evict(p)) return false;
  return true;
}

bool gr_learner_learn(struct gr_paxos *p, gr_slot slot,
                      const struct gr_log_value *value) {
  if (slot != p->chosen + 1 || gr_view_ends(p) || value->ballot.view != p->roster.view ||
      (slot == p->log_end && !learner_has_room(p)))
    return false;
  /* R5: who uses a chosen value has in effect accepted it, and promised its ballot. */
  if (gr_ballot_compare(value->ballot, p->promised) > 0) {
    gr_acceptor_promise(p, value->ballot);
    gr_election_rearm(p);
  }
  if (!GR_ENSURE(
          &p->halt, p->role != GR_ROLE_LEADER || slot <= p->proposed,
          "I-LRN-2: nothing is chosen in a ballot that its leader did not propose"))
    return false;
  if (!gr_log_write(p, slot, value->ballot, &value->cut)) return false;
  gr_slot_at(&p->log, slot)->chosen = true;
  p->chosen = slot;
  p->counters.slots_learned++;
  gr_cut_want(p, &value->cut, GR_NOBODY);
  gr_emit(p, (gr_trace_event){.kind = GR_TRACE_CHOSEN, .slot = slot});
  return true;
}

/* ---- delivery ---- */

/* Collects the pieces of a message from its first one on. */
static size_t gather_parts(struct gr_paxos *p, const struct gr_lane *lane) {
  uint64_t seq = lane->delivered.seq;
  uint32_t at = lane->delivered.offset;
  const struct gr_kept_batch *batch = gr_lane_batch(lane, seq);
  size_t count = 0;
  while (batch != NULL) {
    if (at == batch->size) {
      batch = gr_lane_batch(lane, ++seq);
      at = GR_BATCH_HEADER_BYTES;
      continue;
    }
    uint32_t head = gr_load_u32(batch->bytes + at);
    uint32_t size = head & ~GR_ENTRY_MORE;
    p->parts[count++] = (gr_slice){batch->bytes + at + GR_ENTRY_HEADER_BYTES, size};
    if ((head & GR_ENTRY_MORE) == 0) break;
    at += GR_ENTRY_HEADER_BYTES + size;
  }
  return count;
}

static void offer_message(struct gr_paxos *p, uint32_t index, const uint8_t *data,
                          uint32_t size, gr_delivery *delivery) {
  const struct gr_lane *lane = &p->lanes[index];
  delivery->seqno = p->seqno + 1;
  delivery->origin = p->roster.ids[index];
  delivery->number = lane->messages + 1;
  delivery->parts = p->parts;
  delivery->bytes = lane->delivered.bytes + size;
  if (lane->delivered.seq == 0) {
    p->parts[0] = (gr_slice){data, size};
    delivery->part_count = 1;
  } else {
    delivery->part_count = gather_parts(p, lane);
  }
  p->delivery_bytes = delivery->bytes;
  p->delivering = true;
}

/* Goes on in batch lane.ordered + 1. True if a message is offered, false at its end. */
static bool deliver_batch(struct gr_paxos *p, uint32_t index,
                          const struct gr_kept_batch *batch, gr_delivery *delivery) {
  struct gr_lane *lane = &p->lanes[index];
  if (p->deliver_offset == 0) p->deliver_offset = GR_BATCH_HEADER_BYTES;
  while (p->deliver_offset < batch->size) {
    uint32_t at = p->deliver_offset;
    uint32_t head = gr_load_u32(batch->bytes + at);
    uint32_t size = head & ~GR_ENTRY_MORE;
    p->delivery_next = at + GR_ENTRY_HEADER_BYTES + size;
    if ((head & GR_ENTRY_MORE) == 0) {
      offer_message(p, index, batch->bytes + at + GR_ENTRY_HEADER_BYTES, size, delivery);
      return true;
    }
    if (lane->delivered.seq == 0)
      lane->delivered = (struct gr_fragments){.seq = lane->ordered + 1, .offset = at};
    lane->delivered.bytes += size;
    p->deliver_offset = p->delivery_next;
  }
  return false;
}

/* What is known to exist of a lane whose boot has just begun. */
static void want_again(struct gr_paxos *p, uint32_t index) {
  struct gr_cut cut;
  for (gr_slot slot = p->delivered + 1; slot < p->log_end; slot++) {
    gr_slot_cut(&p->log, gr_slot_at(&p->log, slot), p->roster.count, &cut);
    cut.lanes &= gr_memberset_one(index);
    gr_cut_want(p, &cut, GR_NOBODY);
  }
  for (uint32_t i = 0; i < p->roster.count; i++) {
    if (i == p->self) continue;
    cut.lanes = gr_memberset_one(index);
    cut.marks[index] = p->peers[i].held[index];
    gr_cut_want(p, &cut, i);
  }
}

/* Of the own lane too: only now is it known where it goes on. */
static void begin_own_lane(struct gr_paxos *p) {
  const struct gr_lane *lane = &p->lanes[p->self];
  p->broadcasts = lane->messages;
  for (uint32_t i = 0; i < p->roster.count; i++) p->peers[i].data_next = lane->held + 1;
}

/* False if it must wait. */
static bool close_lane(struct gr_paxos *p, uint32_t index, uint64_t boot) {
  struct gr_lane *lane = &p->lanes[index];
  if (boot <= lane->boot) return true;
  if (lane->held < lane->ordered) return false; /* a replay has lost records */
  if (p->storage.resumed && gr_lane_tail_in_use(lane, p->storage.synced)) return false;
  if (p->storage.resumed && index == p->self && boot > p->roster.boot) {
    gr_heartbeat_superseded(p);
    return false;
  }
  gr_lane_reopen(lane, boot);
  p->lane_gaps[index] = (struct gr_gap){0};
  p->storage.closed = p->delivered + 1;
  p->deliver_begun = p->lane_closed = true;
  p->proposed_upto[index] = lane->ordered;
  for (uint32_t i = 0; i < p->roster.count; i++)
    p->peers[i].serving_lanes &= ~gr_memberset_one(index);
  gr_emit(p, (gr_trace_event){.kind = GR_TRACE_CLOSE,
                              .lane = p->roster.ids[index],
                              .slot = p->delivered + 1,
                              .value = (int64_t)boot});
  if (index == p->self && gr_produces(p))
    begin_own_lane(p);
  else
    want_again(p, index);
  return true;
}

enum deliver_step { DELIVER_MESSAGE, DELIVER_MISSING, DELIVER_DONE };

/* Delivers a slot: its lanes in order, in each from what is ordered to what the cut says.
 * A lower mark than an earlier slot's adds nothing. */
static enum deliver_step deliver_slot(struct gr_paxos *p,
                                      const struct gr_slot_entry *entry,
                                      gr_delivery *delivery) {
  for (; p->deliver_lane < p->roster.count; p->deliver_lane++) {
    if (!gr_memberset_has(entry->lanes, p->deliver_lane)) continue;
    struct gr_lane *lane = &p->lanes[p->deliver_lane];
    struct gr_mark mark = entry->marks[p->deliver_lane];
    if (gr_mark_is_close(mark) && !close_lane(p, p->deliver_lane, mark.boot))
      return DELIVER_MISSING;
    if (mark.boot < lane->boot) continue; /* R14 */
    if (!GR_ENSURE(&p->halt, mark.boot == lane->boot,
                   "I-LANE-3: a boot is named only behind the CLOSE that begins it"))
      return DELIVER_MISSING;
    while (lane->ordered < mark.upto) {
      if (lane->ordered >= lane->held) return DELIVER_MISSING;
      const struct gr_kept_batch *batch = gr_lane_batch(lane, lane->ordered + 1);
      if (!GR_ENSURE(&p->halt, batch != NULL,
                     "I-LANE-1: what is held and not delivered is kept"))
        return DELIVER_MISSING;
      if (deliver_batch(p, p->deliver_lane, batch, delivery)) return DELIVER_MESSAGE;
      lane->ordered++;
      p->deliver_begun = true;
      p->deliver_offset = 0;
    }
  }
  return DELIVER_DONE;
}

/* Of a batch's checksum, in its header. */
#define CHECKSUM_AT (GR_BATCH_HEADER_BYTES - 8)

/* A multiply and a shift a word, as in SplitMix64 (Steele et al., 2014). */
static uint64_t digest_step(uint64_t digest, uint64_t word) {
  digest = (digest ^ word) * UINT64_C(0xbf58476d1ce4e5b9);
  return digest ^ digest >> 27;
}

/* The history, one message longer: whose, which of its messages, and, by the checksums of
 * the batches that it lies in, what it says. */
static uint64_t digest_of(const struct gr_paxos *p, const struct gr_lane *lane) {
  uint64_t digest = digest_step(p->digest, p->roster.ids[p->deliver_lane]);
  digest = digest_step(digest, lane->messages);
  uint64_t first = lane->delivered.seq != 0 ? lane->delivered.seq : lane->ordered + 1;
  for (uint64_t seq = first; seq <= lane->ordered + 1; seq++) {
    const struct gr_kept_batch *batch = gr_lane_batch(lane, seq);
    if (batch) digest = digest_step(digest, gr_load_u64(batch->bytes + CHECKSUM_AT));
  }
  return digest;
}

/* Whoever comes back with a history that the group does not share must not go on. What
 * storage has of a former life says nothing: only when all is restored it is judged. */
void gr_learner_check_digest(struct gr_paxos *p) {
  if (p->seqno == p->options.applied) p->digest_applied = p->digest;
  if (p->digest_due == 0 || p->digest_applied == 0 || !p->storage.resumed) return;
  if (p->digest_applied != p->digest_due)
    GR_HALT(&p->halt, GR_ERR_DIVERGED,
            "up to what the host has applied its history is not the group's");
  p->digest_due = 0;
}

/* Moves beyond the message that is offered. */
static void pass_message(struct gr_paxos *p) {
  struct gr_lane *lane = &p->lanes[p->deliver_lane];
  p->delivering = false;
  p->deliver_begun = true;
  p->deliver_offset = p->delivery_next;
  p->seqno++;
  p->digest = digest_of(p, lane);
  gr_learner_check_digest(p);
  lane->messages++;
  lane->delivered = (struct gr_fragments){0};
  if (p->deliver_lane == p->self && gr_produces(p))
    p->unordered_bytes -= p->delivery_bytes + GR_ENTRY_HEADER_BYTES;
}

/* No message follows before the host knows of the view. */
static bool deliver_change(struct gr_paxos *p) {
  struct gr_log_value value;
  gr_log_read(p, p->delivered + 1, &value);
  if (gr_view_enter(p, &value.cut.config)) gr_checkpoint_passed(p);
  return false;
}

/* Nothing moves beyond a message until it is delivered, so asking again finds it again.
 */
bool gr_paxos_delivery(gr_paxos *p, gr_delivery *delivery) {
  if (!p || !delivery || gr_halted(p)) return false;
  while (p->delivered < p->chosen) {
    const struct gr_slot_entry *entry = gr_slot_at(&p->log, p->delivered + 1);
    if (entry->config != 0) return deliver_change(p);
    enum deliver_step step = deliver_slot(p, entry, delivery);
    if (step == DELIVER_MISSING) return false;
    if (step == DELIVER_DONE) {
      p->delivered++;
      p->deliver_lane = 0;
      p->deliver_begun = false;
      gr_checkpoint_passed(p);
    } else if (p->seqno < p->options.applied) {
      pass_message(p); /* the host has it already */
      if (gr_halted(p)) return false;
    } else {
      return true;
    }
  }
  return false;
}

void gr_paxos_delivered(gr_paxos *p) {
  if (!p || !p->delivering) return;
  p->counters.messages_delivered++;
  p->counters.bytes_delivered += p->delivery_bytes;
  pass_message(p);
}

/* ---- forgetting ---- */

static void drop_first_slot(struct gr_paxos *p) {
  const struct gr_slot_entry *entry = gr_slot_at(&p->log, p->log_first);
  for (uint32_t i = 0; i < p->roster.count; i++) {
    if (!gr_memberset_has(entry->lanes, i)) continue;
    struct gr_lane *lane = &p->lanes[i];
    struct gr_mark mark = entry->marks[i];
    if (mark.boot < lane->trim_boot) continue; /* R14: it added nothing */
    lane->trim_boot = mark.boot;
    if (lane->trim < mark.upto) lane->trim = mark.upto;
  }
  p->log_first++;
}

void gr_learner_forget(struct gr_paxos *p, gr_slot first) {
  if (p->log_first >= first) return;
  while (p->log_first < first && p->log_first <= p->delivered) drop_first_slot(p);
  gr_ticket synced = p->storage.resumed ? p->storage.synced : GR_TICKET_NONE;
  for (uint32_t i = 0; i < p->roster.count; i++) gr_lane_forget(&p->lanes[i], synced);
}

bool gr_is_waited_for(const struct gr_paxos *p, uint32_t index) {
  return gr_is_member(p, index) || p->now - p->peers[index].removed_at < GR_RETAINED_NS;
}

static bool lacks_pieces(const struct gr_paxos *p, const struct gr_lane *lane) {
  if (lane->held < lane->pieces_upto) return true;
  if (!p->roster.durable || lane->pieces_upto == 0) return false;
  const struct gr_kept_batch *last = gr_lane_batch(lane, lane->pieces_upto);
  return last && last->ticket > p->storage.synced; /* NULL: it is long forgotten */
}

bool gr_learner_lacks_pieces(const struct gr_paxos *p) {
  for (uint32_t i = 0; i < p->roster.count; i++)
    if (lacks_pieces(p, &p->lanes[i])) return true;
  return false;
}

void gr_learner_trim(struct gr_paxos *p) {
  if (p->lacks_pieces) p->lacks_pieces = gr_learner_lacks_pieces(p);
  gr_slot stable = gr_storage_settled(p);
  for (uint32_t i = 0; i < p->roster.count; i++)
    if (i != p->self && gr_is_waited_for(p, i) && p->peers[i].delivered < stable)
      stable = p->peers[i].delivered;
  if (p->stable < stable) p->stable = stable;
  gr_learner_forget(p, p->stable + 1);
}

/* I-EVICT-1: what is forgotten a majority has delivered, and settled. So whoever is left
 * behind, a majority never is: the last of it would lack a slot that only a minority ever
 * delivered. */
gr_slot gr_learner_spare(const struct gr_paxos *p) {
  uint64_t marks[GR_PLACES_MAX];
  for (uint32_t i = 0; i < p->roster.count; i++)
    marks[i] = i == p->self ? gr_storage_settled(p) : p->peers[i].delivered;
  return gr_voters_mark(p, marks);
}

bool gr_learner_evict(struct gr_paxos *p) {
  if (p->log_first > gr_storage_settled(p) || p->log_first > gr_learner_spare(p))
    return false;
  gr_learner_forget(p, p->log_first + 1);
  p->counters.slots_evicted++;
  gr_emit(p, (gr_trace_event){.kind = GR_TRACE_EVICT, .slot = p->log_first});
  return true;
}
