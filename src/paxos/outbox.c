/* SPDX-License-Identifier: MIT
 *
 * The outbox: what is due to whom. Nothing is queued: flags and cursors say what a member
 * is owed, and a frame is made when it can be sent. So what is superseded before it
 * leaves is never sent, and there is no queue that could overflow.
 *
 * Small urgent frames come first. A proposal follows the own batches that it names, so
 * that it never waits for them at the acceptor, and is never stuck behind later ones.
 */
#include "paxos/engine.h"

/* Who has not come over from the former life of the group would not know the new one's.
 */
static struct gr_writer begin(struct gr_paxos *p, const struct gr_peer *peer,
                              enum gr_frame_type type) {
  struct gr_writer writer = gr_writer_of(p->header, GR_FRAME_HEADER_MAX);
  gr_frame_begin(&writer, &p->roster, peer->former ? p->roster.former_tag : p->roster.tag,
                 type);
  return writer;
}

static void offer(struct gr_paxos *p, struct gr_peer *peer, struct gr_writer *writer,
                  struct gr_offer what, gr_frame *frame) {
  (void)GR_ENSURE(&p->halt, !writer->bad, "I-OUT-1: every header fits its buffer");
  gr_frame_end(writer);
  *frame = (gr_frame){.parts = {{writer->data, writer->used}}, .part_count = 1};
  peer->offer = what;
  peer->offer.bytes = writer->used;
}

/* ---- frames that a flag makes due ---- */

static void offer_heartbeat(struct gr_paxos *p, uint32_t to, gr_frame *frame) {
  struct gr_heartbeat heartbeat;
  gr_heartbeat_fill(p, to, &heartbeat);
  struct gr_writer writer = begin(p, &p->peers[to], GR_FRAME_HEARTBEAT);
  gr_heartbeat_encode(&writer, &p->roster, &heartbeat);
  /* It says all that ACCEPTED would. */
  offer(p, &p->peers[to], &writer,
        (struct gr_offer){.done = GR_DUE_HEARTBEAT | GR_DUE_ACCEPTED,
                          .type = GR_FRAME_HEARTBEAT},
        frame);
}

static void offer_accepted(struct gr_paxos *p, uint32_t to, gr_frame *frame) {
  struct gr_accepted accepted = {p->told.promised, p->told.accepted, p->chosen,
                                 gr_storage_settled(p)};
  struct gr_writer writer = begin(p, &p->peers[to], GR_FRAME_ACCEPTED);
  gr_accepted_encode(&writer, &accepted);
  offer(p, &p->peers[to], &writer,
        (struct gr_offer){.done = GR_DUE_ACCEPTED, .type = GR_FRAME_ACCEPTED}, frame);
}

static void offer_prevote(struct gr_paxos *p, uint32_t to, gr_frame *frame) {
  struct gr_prevote prevote = {p->prevote_ballot, p->counters.prevotes_started,
                               p->chosen};
  struct gr_writer writer = begin(p, &p->peers[to], GR_FRAME_PREVOTE);
  gr_prevote_encode(&writer, &prevote);
  offer(p, &p->peers[to], &writer,
        (struct gr_offer){.done = GR_DUE_PREVOTE, .type = GR_FRAME_PREVOTE}, frame);
}

static void offer_prevote_answer(struct gr_paxos *p, uint32_t to, gr_frame *frame) {
  struct gr_prevote_answer answer;
  gr_election_answer(p, to, &answer);
  struct gr_writer writer = begin(p, &p->peers[to], GR_FRAME_PREVOTE_ANSWER);
  gr_prevote_answer_encode(&writer, &answer);
  offer(p, &p->peers[to], &writer,
        (struct gr_offer){.done = GR_DUE_PREVOTE_ANSWER, .type = GR_FRAME_PREVOTE_ANSWER},
        frame);
}

static void offer_prepare(struct gr_paxos *p, uint32_t to, gr_frame *frame) {
  struct gr_prepare prepare = {p->promised, p->peers[to].promised_next, p->ended};
  struct gr_writer writer = begin(p, &p->peers[to], GR_FRAME_PREPARE);
  gr_prepare_encode(&writer, &prepare);
  offer(p, &p->peers[to], &writer,
        (struct gr_offer){.done = GR_DUE_PREPARE, .type = GR_FRAME_PREPARE}, frame);
}

static void offer_transfer(struct gr_paxos *p, uint32_t to, gr_frame *frame) {
  struct gr_writer writer = begin(p, &p->peers[to], GR_FRAME_TRANSFER);
  gr_transfer_encode(&writer, p->promised);
  offer(p, &p->peers[to], &writer,
        (struct gr_offer){.done = GR_DUE_TRANSFER, .type = GR_FRAME_TRANSFER}, frame);
}

static void offer_fetch_log(struct gr_paxos *p, uint32_t to, gr_frame *frame) {
  struct gr_writer writer = begin(p, &p->peers[to], GR_FRAME_FETCH_LOG);
  gr_fetch_log_encode(&writer, p->chosen + 1);
  offer(p, &p->peers[to], &writer,
        (struct gr_offer){.done = GR_DUE_FETCH_LOG, .type = GR_FRAME_FETCH_LOG}, frame);
}

/* The first of the lanes that we ask it for: what is missing up to the next parked batch.
 */
static void offer_fetch_data(struct gr_paxos *p, uint32_t to, gr_frame *frame) {
  struct gr_peer *peer = &p->peers[to];
  uint32_t index = 0;
  while (!gr_memberset_has(peer->fetch_lanes, index)) index++;
  const struct gr_lane *lane = &p->lanes[index];
  struct gr_fetch_data fetch = {index, lane->boot, lane->held + 1, lane->wanted};
  if (fetch.upto < fetch.from) fetch.upto = fetch.from; /* it came meanwhile */
  for (uint64_t seq = fetch.from; seq < fetch.upto && seq < lane->ring.end; seq++)
    if (gr_lane_batch(lane, seq + 1)) fetch.upto = seq;
  struct gr_writer writer = begin(p, peer, GR_FRAME_FETCH_DATA);
  gr_fetch_data_encode(&writer, &p->roster, &fetch);
  bool last = peer->fetch_lanes == gr_memberset_one(index);
  offer(p, peer, &writer,
        (struct gr_offer){.done = last ? GR_DUE_FETCH_DATA : 0,
                          .type = GR_FRAME_FETCH_DATA,
                          .lane = index},
        frame);
}

/* ---- frames with a run of values ---- */

/* Writes the values of slots from .. end - 1, as many as fit; the next slot. */
static gr_slot write_values(const struct gr_paxos *p, struct gr_writer *writer,
                            gr_slot from, gr_slot end) {
  gr_slot slot = from;
  for (; slot < end; slot++) {
    struct gr_log_value value;
    gr_log_read(p, slot, &value);
    if (writer->capacity - writer->used < gr_log_value_bytes(&value.cut)) break;
    gr_log_value_encode(writer, &p->roster, &value);
    /* Who reads it may not know those whom the next view's values name. */
    if (gr_is_config(&value.cut)) return slot + 1;
  }
  return slot;
}

/* The count of a run stands right before its values, which are written first. */
static void set_count(struct gr_writer *writer, size_t values_at, gr_slot count) {
  gr_store_u32(writer->data + values_at - sizeof(uint32_t), (uint32_t)count);
}

static void offer_promise(struct gr_paxos *p, uint32_t to, gr_frame *frame) {
  struct gr_peer *peer = &p->peers[to];
  struct gr_promise promise = {.ballot = p->promised,
                               .chosen = peer->promise_chosen,
                               .log_first = p->log_first,
                               .from = peer->promise_next,
                               .end = p->log_end};
  if (promise.end < promise.from) promise.end = promise.from;
  bool whole = promise.from >= p->log_first &&
               promise.end - peer->promise_from <= GR_PROMISE_SLOTS_MAX;
  struct gr_writer writer = begin(p, peer, GR_FRAME_PROMISE);
  gr_promise_encode(&writer, &promise);
  size_t values_at = writer.used;
  gr_slot next =
      whole ? write_values(p, &writer, promise.from, promise.end) : promise.from;
  set_count(&writer, values_at, next - promise.from);
  bool last = !whole || next == promise.end;
  offer(p, peer, &writer,
        (struct gr_offer){.done = last ? GR_DUE_PROMISE : 0,
                          .type = GR_FRAME_PROMISE,
                          .next = next},
        frame);
}

static void offer_log(struct gr_paxos *p, uint32_t to, gr_frame *frame) {
  struct gr_peer *peer = &p->peers[to];
  struct gr_log_run run = {.from = peer->log_next,
                           .chosen = p->chosen,
                           .log_first = p->log_first};
  if (run.from > p->chosen + 1) run.from = p->chosen + 1;
  struct gr_writer writer = begin(p, peer, GR_FRAME_LOG);
  gr_log_run_encode(&writer, &run);
  size_t values_at = writer.used;
  gr_slot next = run.from;
  if (run.from >= p->log_first) next = write_values(p, &writer, run.from, p->chosen + 1);
  set_count(&writer, values_at, next - run.from);
  offer(p, peer, &writer, (struct gr_offer){.done = GR_DUE_LOG, .type = GR_FRAME_LOG},
        frame);
}

/* ---- frames that a cursor makes due ---- */

/* The next proposal, if the own batches that it names have gone out before it. */
static bool offer_accept(struct gr_paxos *p, uint32_t to, gr_frame *frame) {
  struct gr_peer *peer = &p->peers[to];
  if (p->role != GR_ROLE_LEADER || peer->accept_next > p->proposed) return false;
  /* What is long chosen, a member that was away fetches faster. */
  if (peer->accept_next < p->log_first ||
      peer->accept_next + GR_SLOTS_UNDECIDED_MAX <= p->chosen)
    peer->accept_next = p->chosen + 1;
  if (peer->accept_next > p->proposed) return false;
  const struct gr_slot_entry *entry = gr_slot_at(&p->log, peer->accept_next);
  if (gr_memberset_has(entry->lanes, p->self) && gr_produces(p) &&
      entry->marks[p->self].boot == p->roster.boot &&
      entry->marks[p->self].upto >= peer->data_next)
    return false;
  if (peer->awaited || !gr_is_member(p, to)) return false;
  struct gr_accept accept = {.ballot = p->promised,
                             .slot = peer->accept_next,
                             .start = p->start,
                             .chosen = p->chosen,
                             .delivered = gr_storage_settled(p),
                             .stable = p->stable,
                             .accepted = p->told.accepted};
  gr_slot_cut(&p->log, entry, p->roster.count, &accept.cut);
  struct gr_writer writer = begin(p, peer, GR_FRAME_ACCEPT);
  gr_accept_encode(&writer, &p->roster, &accept);
  offer(p, peer, &writer, (struct gr_offer){.type = GR_FRAME_ACCEPT}, frame);
  return true;
}

static void offer_batch(struct gr_paxos *p, struct gr_peer *peer,
                        const struct gr_kept_batch *batch, struct gr_offer what,
                        gr_frame *frame) {
  struct gr_writer writer = begin(p, peer, GR_FRAME_DATA);
  offer(p, peer, &writer, what, frame);
  frame->parts[1] = (gr_slice){batch->bytes, batch->size};
  frame->part_count = 2;
  peer->offer.bytes += batch->size;
}

static bool offer_data(struct gr_paxos *p, uint32_t to, gr_frame *frame) {
  struct gr_peer *peer = &p->peers[to];
  const struct gr_lane *lane = &p->lanes[p->self];
  if (!gr_produces(p) || peer->awaited || !gr_is_member(p, to)) return false;
  if (peer->data_next < lane->ring.first) peer->data_next = lane->ring.first;
  const struct gr_kept_batch *batch = gr_lane_batch(lane, peer->data_next);
  if (!batch) return false;
  offer_batch(p, peer, batch, (struct gr_offer){.type = GR_FRAME_DATA}, frame);
  return true;
}

static bool offer_served(struct gr_paxos *p, uint32_t to, gr_frame *frame) {
  struct gr_peer *peer = &p->peers[to];
  for (uint32_t i = 0; peer->serving_lanes != 0; i++) {
    if (!gr_memberset_has(peer->serving_lanes, i)) continue;
    struct gr_serving *serving = &peer->serving[i];

    /* NULL also if it has been forgotten: what follows it would be of no use. */
    const struct gr_kept_batch *batch = gr_lane_batch(&p->lanes[i], serving->from);
    if (serving->from <= serving->upto && batch) {
      offer_batch(p, peer, batch,
                  (struct gr_offer){.type = GR_FRAME_DATA, .lane = i, .serving = true},
                  frame);
      return true;
    }
    peer->serving_lanes &= ~gr_memberset_one(i);
  }
  return false;
}

/* ---- all ---- */

static bool offer_due(struct gr_paxos *p, uint32_t to, gr_frame *frame) {
  struct gr_peer *peer = &p->peers[to];
  /* What the state has moved on from is not said any more. */
  if (p->role != GR_ROLE_CANDIDATE) peer->due &= ~(uint32_t)GR_DUE_PREPARE;
  if (p->role != GR_ROLE_PREVOTE) peer->due &= ~(uint32_t)GR_DUE_PREVOTE;
  if (p->role != GR_ROLE_LEADER) peer->due &= ~(uint32_t)GR_DUE_TRANSFER;
  if (p->promised.member != peer->id) peer->due &= ~(uint32_t)GR_DUE_PROMISE;
  if (!gr_memberset_has(p->voters, to)) peer->due &= ~(uint32_t)GR_DUE_PREPARE;
  uint32_t due = p->formed ? peer->due : peer->due & GR_DUE_HEARTBEAT;
  if (p->told.promised.round == 0)
    due &= ~(uint32_t)GR_DUE_ACCEPTED; /* nothing to tell */
  if (!gr_storage_promise_told(p))     /* R4: not before it is durable */
    due &= ~(uint32_t)(GR_DUE_PREPARE | GR_DUE_PROMISE);
  if (due & GR_DUE_PREPARE)
    offer_prepare(p, to, frame);
  else if (due & GR_DUE_PROMISE)
    offer_promise(p, to, frame);
  else if (due & GR_DUE_PREVOTE)
    offer_prevote(p, to, frame);
  else if (due & GR_DUE_PREVOTE_ANSWER)
    offer_prevote_answer(p, to, frame);
  else if (due & GR_DUE_HEARTBEAT)
    offer_heartbeat(p, to, frame);
  else if (due & GR_DUE_ACCEPTED)
    offer_accepted(p, to, frame);
  else if (due & GR_DUE_TRANSFER)
    offer_transfer(p, to, frame);
  else if (due & GR_DUE_FETCH_LOG)
    offer_fetch_log(p, to, frame);
  else if (due & GR_DUE_FETCH_DATA)
    offer_fetch_data(p, to, frame);
  else if (due & GR_DUE_LOG)
    offer_log(p, to, frame);
  else
    return false;
  return true;
}

bool gr_paxos_frame(gr_paxos *p, gr_member_id to, gr_frame *frame) {
  if (!p || !frame || gr_halted(p) || p->roster.view == 0 || !gr_storage_ready(p) ||
      !gr_force_told(p))
    return false;
  uint32_t index = gr_roster_index(&p->roster, to);
  if (index == p->roster.count || index == p->self) return false;
  bool offered = p->peers[index].due != 0 && offer_due(p, index, frame);
  if (!offered && p->formed)
    offered = (p->peers[index].serve_next && offer_served(p, index, frame)) ||
              offer_accept(p, index, frame) || offer_data(p, index, frame) ||
              offer_served(p, index, frame);
  return offered && !gr_halted(p);
}

void gr_paxos_frame_sent(gr_paxos *p, gr_member_id to) {
  uint32_t index = p ? gr_roster_index(&p->roster, to) : 0;
  if (!p || index == p->roster.count || index == p->self) return;
  struct gr_peer *peer = &p->peers[index];
  const struct gr_offer *offer = &peer->offer;
  if (offer->bytes == 0) return; /* nothing was offered */
  peer->due &= ~offer->done;
  if (offer->type == GR_FRAME_ACCEPT) {
    if (peer->accept_next == p->chosen + 1)
      peer->accept_retry = p->now + gr_retry_timeout(p, index);
    peer->accept_next++;
    peer->serve_next = true;
  } else if (offer->type == GR_FRAME_PROMISE) {
    peer->promise_next = offer->next;
  } else if (offer->type == GR_FRAME_FETCH_DATA) {
    peer->fetch_lanes &= ~gr_memberset_one(offer->lane);
    p->counters.data_fetches++;
    gr_emit(p, (gr_trace_event){.kind = GR_TRACE_FETCH_DATA,
                                .member = to,
                                .lane = p->roster.ids[offer->lane],
                                .slot = p->lanes[offer->lane].held + 1});
  } else if (offer->type == GR_FRAME_FETCH_LOG) {
    p->counters.log_fetches++;
    gr_emit(p, (gr_trace_event){.kind = GR_TRACE_FETCH_LOG,
                                .member = to,
                                .slot = p->chosen + 1});
  } else if (offer->type == GR_FRAME_DATA && offer->serving) {
    peer->serving[offer->lane].from++;
    peer->serve_next = false;
    p->counters.data_repaired++;
  } else if (offer->type == GR_FRAME_DATA) {
    peer->data_next++;
    peer->serve_next = true;
  }
  p->counters.frames_sent++;
  p->counters.bytes_sent += offer->bytes;
  peer->offer.bytes = 0;
}
