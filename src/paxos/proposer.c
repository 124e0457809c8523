/* SPDX-License-Identifier: MIT
 *
 * The proposer: what the leader does. It proposes a cut of all that it holds whenever
 * there is something new and few enough slots are in flight; under load the cuts grow,
 * and the cost of consensus for each message goes to zero. (Lamport: Paxos Made Simple,
 * section 3.)
 */
#include "paxos/engine.h"

static void note_proposed(struct gr_paxos *p, gr_memberset lanes,
                          const struct gr_mark *marks) {
  for (uint32_t i = 0; i < p->roster.count; i++) {
    if (!gr_memberset_has(lanes, i)) continue;
    if (p->proposed_boot[i] < marks[i].boot) p->proposed_boot[i] = marks[i].boot;
    if (marks[i].boot == p->lanes[i].boot && p->proposed_upto[i] < marks[i].upto)
      p->proposed_upto[i] = marks[i].upto;
  }
}

static void propose(struct gr_paxos *p, gr_slot slot, const struct gr_cut *cut) {
  if (!gr_log_write(p, slot, p->promised, cut)) return;
  p->proposed = p->accepted = slot;
  if (gr_is_config(cut)) p->changing = slot;
  note_proposed(p, cut->lanes, cut->marks);
  gr_emit(p, (gr_trace_event){.kind = GR_TRACE_PROPOSE,
                              .ballot = p->promised,
                              .slot = slot});
  gr_storage_tell(p);
}

/* What is ordered already, delivered or not, needs no proposal. */
static void begin_marks(struct gr_paxos *p) {
  for (uint32_t i = 0; i < p->roster.count; i++) {
    p->proposed_upto[i] = p->lanes[i].ordered;
    p->proposed_boot[i] = p->lanes[i].boot;
  }
  for (gr_slot slot = p->delivered + 1; slot <= p->chosen; slot++) {
    const struct gr_slot_entry *entry = gr_slot_at(&p->log, slot);
    note_proposed(p, entry->lanes, entry->marks);
  }
}

void gr_proposer_begin(struct gr_paxos *p, gr_slot start) {
  p->role = GR_ROLE_LEADER;
  p->leader = p->self;
  p->leads_since = p->now;
  p->started = true;
  p->start = start;
  p->accepted = p->proposed = start - 1;
  p->transfer_to = GR_NOBODY;
  p->changing = 0; /* what it had under way in a former term, if anything */
  p->wanted.kind = 0;
  p->counters.elections_won++;
  gr_emit(p, (gr_trace_event){.kind = GR_TRACE_LEADER,
                              .ballot = p->promised,
                              .slot = start});
  begin_marks(p);
  for (gr_slot slot = start; slot < p->reported_end; slot++) {
    struct gr_cut cut;
    gr_slot_cut(&p->reported, gr_slot_at(&p->reported, slot), p->roster.count, &cut);
    propose(p, slot, &cut);
    if (!GR_ENSURE(&p->halt, p->proposed == slot,
                   "I-LOG-2: the log has room for re-proposals"))
      return;
    p->counters.slots_reproposed++;
  }
  for (uint32_t i = 0; i < p->roster.count; i++) p->peers[i].accept_next = start;
  gr_due_all(p, GR_DUE_HEARTBEAT); /* tells at once who leads */
  gr_learner_count(p);
}

/* All that is held of a lane; once that is proposed, the end of its boot, if its member
 * has begun another one. */
static bool mark_to_propose(const struct gr_paxos *p, uint32_t index,
                            struct gr_mark *mark) {
  const struct gr_lane *lane = &p->lanes[index];
  if (!gr_is_member(p, index)) return false;
  if (p->proposed_boot[index] != lane->boot) return false; /* its end is proposed */
  *mark = (struct gr_mark){lane->boot, lane->held};
  if (lane->held > p->proposed_upto[index]) return true;
  *mark = (struct gr_mark){index == p->self ? p->roster.boot : p->peers[index].boot, 0};
  return mark->boot > lane->boot;
}

/* What it is asked to change comes behind all that is held. */
static void propose_change(struct gr_paxos *p) {
  if (p->wanted.kind == 0) return;
  struct gr_cut value = {.config = p->wanted};
  gr_slot slot = p->proposed + 1;
  propose(p, slot, &value);
  if (p->proposed != slot) return;
  p->wanted.kind = 0;
  p->counters.changes_proposed++;
  gr_learner_count(p);
}

/* When half of the log is kept for a laggard, slots are spent sparingly: cuts grow
 * instead, so that it is not left behind for want of slots while there is memory for what
 * they order. */
static gr_time next_cut(const struct gr_paxos *p) {
  if (p->log_end - p->log_first <= p->options.log_slots_max / 2) return 0;
  return p->cut_at + p->options.heartbeat_interval_ns / 64;
}

static void propose_cut(struct gr_paxos *p) {
  if (p->proposed - p->chosen >= p->options.slots_in_flight_max) return;
  if (p->now < next_cut(p)) return;
  struct gr_cut cut = {.lanes = 0};
  for (uint32_t i = 0; i < p->roster.count; i++)
    if (mark_to_propose(p, i, &cut.marks[i])) cut.lanes |= gr_memberset_one(i);
  if (cut.lanes == 0) return;
  gr_slot slot = p->proposed + 1;
  propose(p, slot, &cut);
  if (p->proposed != slot) return; /* no room in the log until more is delivered */
  p->cut_at = p->now;
  p->counters.slots_proposed++;
  gr_learner_count(p);
}

void gr_proposer_propose(struct gr_paxos *p) {
  if (p->role != GR_ROLE_LEADER || p->changing != 0 || gr_view_ends(p)) return; /* R3 */
  propose_cut(p);
  propose_change(p);
}

/* The first slot that this member has neither acknowledged nor can fetch as chosen. */
static gr_slot first_unacknowledged(const struct gr_paxos *p,
                                    const struct gr_peer *peer) {
  gr_slot accepted =
      gr_ballot_compare(peer->promised, p->promised) == 0 ? peer->accepted : 0;
  return (accepted > p->chosen ? accepted : p->chosen) + 1;
}

void gr_proposer_poll(struct gr_paxos *p) {
  if (p->role != GR_ROLE_LEADER) return;
  for (uint32_t i = 0; i < p->roster.count; i++) {
    struct gr_peer *peer = &p->peers[i];
    if (i == p->self || !gr_is_member(p, i) || peer->awaited ||
        peer->accept_next <= first_unacknowledged(p, peer))
      continue;
    if (p->now < peer->accept_retry) continue;
    peer->accept_next = first_unacknowledged(p, peer);
    peer->accept_retry = p->now + gr_retry_timeout(p, i);
    p->counters.accepts_resent++;
  }
}

gr_time gr_proposer_deadline(const struct gr_paxos *p) {
  gr_time deadline = GR_TIME_NEVER;
  if (p->role != GR_ROLE_LEADER) return deadline;
  if (p->now < next_cut(p)) deadline = next_cut(p);
  for (uint32_t i = 0; i < p->roster.count; i++) {
    const struct gr_peer *peer = &p->peers[i];
    if (i == p->self || !gr_is_member(p, i) || peer->awaited ||
        peer->accept_next <= first_unacknowledged(p, peer))
      continue;
    if (peer->accept_retry < deadline) deadline = peer->accept_retry;
  }
  return deadline;
}
