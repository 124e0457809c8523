/* SPDX-License-Identifier: MIT
 *
 * Repair: asking for what is known to exist and is not here, and serving those who ask.
 * Batches are asked of their origin first, if it has been heard since, then of the
 * leader, then of anybody who reports to hold them; slots of the leader first, then of
 * anybody who knows more.
 */
#include "paxos/engine.h"

/* Who may be asked, in turn. */
struct candidates {
  uint32_t list[GR_PLACES_MAX];
  uint32_t count;
};

static void candidates_add(struct candidates *candidates, uint32_t index) {
  for (uint32_t k = 0; k < candidates->count; k++)
    if (candidates->list[k] == index) return;
  candidates->list[candidates->count++] = index;
}

static uint32_t candidates_pick(const struct candidates *candidates, uint32_t attempt) {
  return candidates->count == 0 ? GR_NOBODY
                                : candidates->list[attempt % candidates->count];
}

/* ---- batches ---- */

static bool holds_next(const struct gr_paxos *p, uint32_t index, uint32_t lane) {
  if (index == p->self || !gr_peer_reachable(p, index)) return false;
  struct gr_mark held = p->peers[index].held[lane];
  /* Who is in a later boot of the lane has had all that was ordered of ours. */
  return held.boot > p->lanes[lane].boot ||
         (held.boot == p->lanes[lane].boot && held.upto > p->lanes[lane].held);
}

static uint32_t data_holder(const struct gr_paxos *p, uint32_t lane,
                            const struct gr_gap *gap) {
  struct candidates candidates = {.count = 0};
  /* An origin that has said nothing since the gap showed may have just died. */
  if (holds_next(p, lane, lane) && p->peers[lane].heard > gap->since)
    candidates_add(&candidates, lane);
  if (p->leader != GR_NOBODY && holds_next(p, p->leader, lane))
    candidates_add(&candidates, p->leader);
  if (holds_next(p, lane, lane)) candidates_add(&candidates, lane);
  for (uint32_t i = 0; i < p->roster.count; i++)
    if (holds_next(p, i, lane)) candidates_add(&candidates, i);
  return candidates_pick(&candidates, gap->attempt);
}

/* R18: nothing is on its way from an origin that is silent. */
static gr_time data_patience(const struct gr_paxos *p, uint32_t lane) {
  if (lane == p->self || !gr_peer_reachable(p, lane)) return 0;
  gr_time round_trip = p->peers[lane].round_trip;
  return round_trip > p->options.gap_timeout_ns ? round_trip : p->options.gap_timeout_ns;
}

/* What comes next found no room a moment ago. Room comes by delivery, here and there. */
static bool is_full(const struct gr_paxos *p, const struct gr_lane *lane) {
  return p->now < lane->full_until;
}

static gr_time data_deadline(const struct gr_paxos *p, uint32_t lane) {
  const struct gr_lane *wanting = &p->lanes[lane];
  const struct gr_gap *gap = &p->lane_gaps[lane];
  if (wanting->wanted <= wanting->held || is_full(p, wanting)) return GR_TIME_NEVER;
  if (gap->target <= wanting->held) return p->now; /* not watched yet */
  return gr_gap_deadline(gap, data_patience(p, lane));
}

static void poll_lane(struct gr_paxos *p, uint32_t index) {
  struct gr_lane *lane = &p->lanes[index];
  struct gr_gap *gap = &p->lane_gaps[index];
  /* What would find no room is not asked for. */
  gr_gap_watch(gap, lane->held, is_full(p, lane) ? lane->held : lane->wanted, p->now);
  if (p->now < gr_gap_deadline(gap, data_patience(p, index))) return;
  uint32_t holder = data_holder(p, index, gap);
  gr_gap_asked(gap, lane->held, p->now, gr_retry_timeout(p, holder));
  if (holder == GR_NOBODY) return;
  p->peers[holder].fetch_lanes |= gr_memberset_one(index);
  p->peers[holder].due |= GR_DUE_FETCH_DATA;
}

/* Of the own lane a member lacks something only when it has come back. */
static bool is_repaired(const struct gr_paxos *p, uint32_t lane) {
  return lane != p->self || !gr_produces(p);
}

static enum gr_keep keep(struct gr_paxos *p, struct gr_lane *lane,
                         const struct gr_batch *batch) {
  for (;;) {
    enum gr_keep kept = gr_lane_keep(lane, batch);
    if (kept != GR_KEEP_NO_ROOM || batch->seq != lane->held + 1) return kept;
    /* What comes next must find room: first at the laggards' cost, then at that of what
     * lies beyond it. */
    if (gr_learner_evict(p)) continue;
    gr_lane_unpark(lane);
    kept = gr_lane_keep(lane, batch);
    if (kept == GR_KEEP_NO_ROOM)
      lane->full_until = p->now + p->options.heartbeat_interval_ns;
    return kept;
  }
}

void gr_repair_receive_data(struct gr_paxos *p, uint32_t from,
                            const struct gr_batch *batch) {
  struct gr_lane *lane = &p->lanes[batch->lane];
  if (from == batch->lane)
    gr_peer_holds(p, from, batch->lane, (struct gr_mark){batch->boot, batch->seq});
  if (!is_repaired(p, batch->lane) || batch->boot < lane->boot) {
    p->counters.data_repeated++;
    return;
  }
  bool over = !gr_is_member(p, batch->lane) && batch->seq > lane->ordered; /* R14 */
  if (batch->boot > lane->boot || over) { /* or its begin is still to be delivered */
    p->counters.data_dropped++;
    return;
  }
  if (lane->wanted < batch->seq) lane->wanted = batch->seq;
  switch (keep(p, lane, batch)) {
  case GR_KEEP_REPEAT:
    p->counters.data_repeated++;
    return;
  case GR_KEEP_NO_ROOM:
    p->counters.data_dropped++;
    return;
  case GR_KEEP_STORED:
    break;
  }
  if (batch->seq != lane->held + 1) return;
  uint64_t held = lane->held;
  if (!gr_lane_advance(lane, &p->limits)) p->counters.data_dropped++;
  if (held < lane->ordered && lane->held >= lane->ordered) {
    gr_lane_recall(lane);
    lane->again = p->roster.durable ? lane->delivered.seq : 0;
    lane->again_upto = lane->ordered;
    if (lane->delivered.seq == 0) lane->pieces_upto = 0; /* none was begun */
  }
  gr_acceptor_advance(p);
  gr_candidate_advance(p);
  gr_learner_count(p);
}

/* Who lacks so many batches of our own lane has no room for what is new beyond them. So
 * it is not sent that as well, which it would drop: what is sent goes on from there. */
#define GOES_BACK_BATCHES 32

static bool goes_back(struct gr_paxos *p, struct gr_peer *peer,
                      const struct gr_fetch_data *fetch, uint64_t held) {
  const struct gr_lane *own = &p->lanes[p->self];
  if (fetch->lane != p->self || !gr_produces(p) || fetch->boot != own->boot) return false;
  if (peer->awaited) return false;
  if (fetch->from >= peer->data_next) return true; /* is to be sent anyway */
  uint64_t upto = fetch->upto < held ? fetch->upto : held;
  if (upto - fetch->from < GOES_BACK_BATCHES) return false;
  /* Who is slow to read asks again for what is on its way. */
  if (peer->back_to != 0 && fetch->from >= peer->back_to &&
      p->now - peer->went_back < p->options.election_timeout_ns)
    return true;
  peer->data_next = peer->back_to = fetch->from;
  peer->went_back = p->now;
  return true;
}

void gr_repair_receive_fetch_data(struct gr_paxos *p, uint32_t from,
                                  const struct gr_fetch_data *fetch) {
  struct gr_peer *peer = &p->peers[from];
  const struct gr_lane *lane = &p->lanes[fetch->lane];
  if (fetch->boot > lane->boot) return;
  uint64_t held = fetch->boot == lane->boot ? lane->held : lane->base;
  if (fetch->from > held || !gr_lane_batch(&p->lanes[fetch->lane], fetch->from)) return;
  if (goes_back(p, peer, fetch, held)) return;
  peer->serving[fetch->lane] =
      (struct gr_serving){fetch->from, fetch->upto < held ? fetch->upto : held};
  peer->serving_lanes |= gr_memberset_one(fetch->lane);
}

/* ---- slots ---- */

static gr_slot slots_wanted(const struct gr_paxos *p) {
  if (gr_view_ends(p)) return p->chosen; /* what follows is of the next view */
  gr_slot want = p->start > 0 ? p->start - 1 : 0;
  for (uint32_t i = 0; i < p->roster.count; i++)
    if (i != p->self && gr_peer_reachable(p, i) && p->peers[i].chosen > want)
      want = p->peers[i].chosen;
  return want;
}

static bool knows_next(const struct gr_paxos *p, uint32_t index) {
  const struct gr_peer *peer = &p->peers[index];
  return index != p->self && gr_peer_reachable(p, index) && peer->chosen > p->chosen &&
         peer->log_first <= p->chosen + 1;
}

static uint32_t slot_holder(const struct gr_paxos *p, uint32_t attempt) {
  struct candidates candidates = {.count = 0};
  if (p->leader != GR_NOBODY && knows_next(p, p->leader))
    candidates_add(&candidates, p->leader);
  for (uint32_t i = 0; i < p->roster.count; i++)
    if (knows_next(p, i)) candidates_add(&candidates, i);
  return candidates_pick(&candidates, attempt);
}

static gr_time slots_deadline(const struct gr_paxos *p) {
  if (slots_wanted(p) <= p->chosen) return GR_TIME_NEVER;
  if (p->log_gap.target <= p->chosen) return p->now; /* not watched yet */
  return gr_gap_deadline(&p->log_gap, p->options.gap_timeout_ns);
}

static void poll_slots(struct gr_paxos *p) {
  struct gr_gap *gap = &p->log_gap;
  gr_gap_watch(gap, p->chosen, slots_wanted(p), p->now);
  if (p->now < gr_gap_deadline(gap, p->options.gap_timeout_ns)) return;
  uint32_t holder = slot_holder(p, gap->attempt);
  gr_gap_asked(gap, p->chosen, p->now, gr_retry_timeout(p, holder));
  if (holder != GR_NOBODY) p->peers[holder].due |= GR_DUE_FETCH_LOG;
}

void gr_repair_receive_fetch_log(struct gr_paxos *p, uint32_t from, gr_slot first) {
  p->peers[from].log_next = first;
  p->peers[from].due |= GR_DUE_LOG;
}

void gr_repair_receive_log(struct gr_paxos *p, uint32_t from,
                           const struct gr_log_run *run, struct gr_reader *values) {
  struct gr_peer *peer = &p->peers[from];
  if (peer->log_first < run->log_first) peer->log_first = run->log_first;
  if (peer->chosen < run->chosen) peer->chosen = run->chosen;
  gr_slot before = p->chosen;
  for (uint32_t k = 0; k < run->count; k++) {
    struct gr_log_value value;
    if (!gr_log_value_decode(values, &p->roster, &value)) return;
    if (run->from + k <= p->chosen) continue;
    if (!gr_learner_learn(p, run->from + k, &value)) break;
    p->counters.slots_fetched++;
  }
  if (p->chosen > before && knows_next(p, from)) peer->due |= GR_DUE_FETCH_LOG;
  gr_acceptor_advance(p);
  gr_candidate_advance(p);
  gr_learner_count(p);
}

/* ---- left behind ---- */

/* The first slot that we cannot deliver with what we have. */
static gr_slot first_lacking(const struct gr_paxos *p) {
  gr_slot slot = p->delivered + 1;
  for (; slot <= p->chosen; slot++) {
    const struct gr_slot_entry *entry = gr_slot_at(&p->log, slot);
    if (!gr_cut_held(p, entry->lanes, entry->marks)) break;
  }
  return slot;
}

/* Silent for so many election timeouts, a member no longer counts as one that may help.
 */
#define GIVEN_UP_TIMEOUTS 10

static bool given_up(const struct gr_paxos *p, const struct gr_peer *peer) {
  return p->now - peer->heard >= GIVEN_UP_TIMEOUTS * p->options.election_timeout_ns;
}

/* It may have, or get, what we need next. Who knows no more slots than we do, all of
 * which we have delivered, waits for the same as we. */
static bool may_help(const struct gr_paxos *p, const struct gr_peer *peer) {
  return !given_up(p, peer) && (p->chosen > p->delivered || peer->chosen > p->chosen);
}

/* A majority has forgotten what we need next, and nobody else is there to ask. */
static bool left_behind(const struct gr_paxos *p) {
  gr_memberset gone = 0;
  for (uint32_t i = 0; i < p->roster.count; i++) {
    const struct gr_peer *peer = &p->peers[i];
    if (i == p->self) continue;
    if (peer->log_first > p->delivered + 1)
      gone |= gr_memberset_one(i);
    else if (may_help(p, peer))
      return false;
  }
  if (gone == 0 || !gr_memberset_majority(gone | gr_memberset_one(p->self), p->voters))
    return false;
  gr_slot lacking = first_lacking(p);
  for (uint32_t i = 0; i < p->roster.count; i++)
    if (gr_memberset_has(gone, i) && p->peers[i].log_first <= lacking) return false;
  return true;
}

/* What is on its way may still save us, so the verdict waits for an election timeout. */
static void poll_behind(struct gr_paxos *p) {
  if (!left_behind(p)) {
    p->behind_since = 0;
    return;
  }
  if (p->behind_since == 0) p->behind_since = p->now;
  if (p->now - p->behind_since >= p->options.election_timeout_ns)
    GR_HALT(&p->halt, GR_ERR_BEHIND,
            "the others have forgotten what this member lacks: cache_bytes_max or "
            "log_slots_max is too small for how long it was away");
}

/* ---- all ---- */

void gr_repair_poll(struct gr_paxos *p) {
  if (!p->formed) return;
  for (uint32_t i = 0; i < p->roster.count; i++)
    if (is_repaired(p, i)) poll_lane(p, i);
  poll_slots(p);
  poll_behind(p);
}

gr_time gr_repair_deadline(const struct gr_paxos *p) {
  if (!p->formed) return GR_TIME_NEVER;
  gr_time deadline = slots_deadline(p);
  for (uint32_t i = 0; i < p->roster.count; i++) {
    gr_time due = is_repaired(p, i) ? data_deadline(p, i) : GR_TIME_NEVER;
    if (due < deadline) deadline = due;
  }
  return deadline;
}
