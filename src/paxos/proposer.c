/* SPDX-License-Identifier: MIT
 *
 * The proposer: what the leader does. It proposes a cut of all that it holds whenever
 * there is something new and few enough slots are in flight; under load the cuts grow,
 * and the cost of consensus for each message goes to zero. (Lamport: Paxos Made Simple,
 * section 3.)
 */
#include "paxos/engine.h"

static void propose(struct gr_paxos *p, gr_slot slot, const struct gr_cut *cut) {
  if (!gr_log_write(p, slot, p->promised, cut)) return;
  p->proposed = p->accepted = slot;
  for (uint32_t i = 0; i < p->roster.count; i++)
    if (gr_memberset_has(cut->lanes, i) && p->proposed_upto[i] < cut->upto[i])
      p->proposed_upto[i] = cut->upto[i];
  gr_emit(p, (gr_trace_event){.kind = GR_TRACE_PROPOSE,
                              .ballot = p->promised,
                              .slot = slot});
}

/* What is ordered already, delivered or not, needs no proposal. */
static void begin_marks(struct gr_paxos *p) {
  for (uint32_t i = 0; i < p->roster.count; i++)
    p->proposed_upto[i] = p->lanes[i].ordered;
  for (gr_slot slot = p->delivered + 1; slot <= p->chosen; slot++) {
    const struct gr_slot_entry *entry = gr_slot_at(&p->log, slot);
    for (uint32_t i = 0; i < p->roster.count; i++)
      if (gr_memberset_has(entry->lanes, i) && p->proposed_upto[i] < entry->upto[i])
        p->proposed_upto[i] = entry->upto[i];
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
  p->counters.elections_won++;
  gr_emit(p, (gr_trace_event){.kind = GR_TRACE_LEADER,
                              .ballot = p->promised,
                              .slot = start});
  begin_marks(p);
  for (gr_slot slot = start; slot < p->reported_end; slot++) {
    struct gr_cut cut;
    gr_slot_cut(gr_slot_at(&p->reported, slot), p->roster.count, &cut);
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

void gr_proposer_propose(struct gr_paxos *p) {
  if (p->role != GR_ROLE_LEADER) return;
  if (p->proposed - p->chosen >= p->options.slots_in_flight_max) return;
  struct gr_cut cut = {.lanes = 0};
  for (uint32_t i = 0; i < p->roster.count; i++) {
    if (p->lanes[i].held <= p->proposed_upto[i]) continue;
    cut.lanes |= gr_memberset_one(i);
    cut.upto[i] = p->lanes[i].held;
  }
  if (cut.lanes == 0) return;
  gr_slot slot = p->proposed + 1;
  propose(p, slot, &cut);
  if (p->proposed != slot) return; /* no room in the log until more is delivered */
  p->counters.slots_proposed++;
  gr_learner_count(p);
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
    if (i == p->self || peer->accept_next <= first_unacknowledged(p, peer)) continue;
    if (p->now < peer->accept_retry) continue;
    peer->accept_next = first_unacknowledged(p, peer);
    peer->accept_retry = p->now + gr_retry_timeout(p, i);
    p->counters.accepts_resent++;
  }
}

gr_time gr_proposer_deadline(const struct gr_paxos *p) {
  gr_time deadline = GR_TIME_NEVER;
  if (p->role != GR_ROLE_LEADER) return deadline;
  for (uint32_t i = 0; i < p->roster.count; i++) {
    const struct gr_peer *peer = &p->peers[i];
    if (i == p->self || peer->accept_next <= first_unacknowledged(p, peer)) continue;
    if (peer->accept_retry < deadline) deadline = peer->accept_retry;
  }
  return deadline;
}
