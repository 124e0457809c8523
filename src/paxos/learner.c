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
}

void gr_learner_count(struct gr_paxos *p) {
  if (!p->started || p->accepted <= p->chosen) return;
  uint64_t marks[GR_MEMBERS_MAX];
  for (uint32_t i = 0; i < p->roster.count; i++) {
    const struct gr_peer *peer = &p->peers[i];
    if (i == p->self)
      marks[i] = p->accepted;
    else
      marks[i] = gr_ballot_compare(peer->promised, p->promised) == 0 ? peer->accepted : 0;
  }
  gr_slot chosen = gr_majority_mark(marks, p->roster.count);
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
  if (slot != p->chosen + 1 || (slot == p->log_end && !learner_has_room(p))) return false;
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

enum deliver_step { DELIVER_MESSAGE, DELIVER_MISSING, DELIVER_DONE };

/* Delivers a slot: its lanes in order, in each from what is ordered to what the cut says.
 * A lower mark than an earlier slot's adds nothing. */
static enum deliver_step deliver_slot(struct gr_paxos *p,
                                      const struct gr_slot_entry *entry,
                                      gr_delivery *delivery) {
  for (; p->deliver_lane < p->roster.count; p->deliver_lane++) {
    if (!gr_memberset_has(entry->lanes, p->deliver_lane)) continue;
    struct gr_lane *lane = &p->lanes[p->deliver_lane];
    while (lane->ordered < entry->upto[p->deliver_lane]) {
      if (lane->ordered == lane->held) return DELIVER_MISSING;
      const struct gr_kept_batch *batch = gr_lane_batch(lane, lane->ordered + 1);
      if (!GR_ENSURE(&p->halt, batch != NULL,
                     "I-LANE-1: what is held and not delivered is kept"))
        return DELIVER_MISSING;
      if (deliver_batch(p, p->deliver_lane, batch, delivery)) return DELIVER_MESSAGE;
      lane->ordered++;
      p->deliver_offset = 0;
    }
  }
  return DELIVER_DONE;
}

/* Nothing moves beyond a message until it is delivered, so asking again finds it again.
 */
bool gr_paxos_delivery(gr_paxos *p, gr_delivery *delivery) {
  if (!p || !delivery || gr_halted(p)) return false;
  while (p->delivered < p->chosen) {
    const struct gr_slot_entry *entry = gr_slot_at(&p->log, p->delivered + 1);
    enum deliver_step step = deliver_slot(p, entry, delivery);
    if (step != DELIVER_DONE) return step == DELIVER_MESSAGE;
    p->delivered++;
    p->deliver_lane = 0;
  }
  return false;
}

void gr_paxos_delivered(gr_paxos *p) {
  if (!p || !p->delivering) return;
  struct gr_lane *lane = &p->lanes[p->deliver_lane];
  p->delivering = false;
  p->deliver_offset = p->delivery_next;
  p->seqno++;
  lane->messages++;
  lane->delivered = (struct gr_fragments){0};
  p->counters.messages_delivered++;
  p->counters.bytes_delivered += p->delivery_bytes;
  if (p->deliver_lane == p->self)
    p->unordered_bytes -= p->delivery_bytes + GR_ENTRY_HEADER_BYTES;
}

/* ---- forgetting ---- */

static void drop_first_slot(struct gr_paxos *p) {
  const struct gr_slot_entry *entry = gr_slot_at(&p->log, p->log_first);
  for (uint32_t i = 0; i < p->roster.count; i++) {
    struct gr_lane *lane = &p->lanes[i];
    if (gr_memberset_has(entry->lanes, i) && lane->trim < entry->upto[i])
      lane->trim = entry->upto[i];
  }
  p->log_first++;
}

static void forget_batches(struct gr_paxos *p) {
  for (uint32_t i = 0; i < p->roster.count; i++) gr_lane_forget(&p->lanes[i]);
}

void gr_learner_trim(struct gr_paxos *p) {
  gr_slot stable = p->delivered;
  for (uint32_t i = 0; i < p->roster.count; i++)
    if (i != p->self && p->peers[i].delivered < stable) stable = p->peers[i].delivered;
  if (p->stable < stable) p->stable = stable;
  if (p->log_first > p->stable) return;
  while (p->log_first <= p->stable) drop_first_slot(p);
  forget_batches(p);
}

/* I-EVICT-1: what is forgotten a majority has delivered. So whoever is left behind, a
 * majority never is: the last of it would lack a slot that only a minority ever
 * delivered. */
static bool majority_delivered(const struct gr_paxos *p, gr_slot slot) {
  gr_memberset delivered = 0;
  for (uint32_t i = 0; i < p->roster.count; i++)
    if ((i == p->self ? p->delivered : p->peers[i].delivered) >= slot)
      delivered |= gr_memberset_one(i);
  return gr_memberset_majority(delivered, p->voters);
}

bool gr_learner_evict(struct gr_paxos *p) {
  if (p->log_first > p->delivered || !majority_delivered(p, p->log_first)) return false;
  drop_first_slot(p);
  forget_batches(p);
  p->counters.slots_evicted++;
  gr_emit(p, (gr_trace_event){.kind = GR_TRACE_EVICT, .slot = p->log_first});
  return true;
}
