/* SPDX-License-Identifier: MIT
 *
 * The acceptor: what this member has promised and accepted, which is the safety half of
 * Paxos (Lamport: Paxos Made Simple, section 2.2, phases 1b and 2b), with two additions.
 * A cut is accepted only when every batch that it names is here (so what is chosen can be
 * read from a majority, and nothing ordered is lost with its origin), and slots are
 * accepted in order, so that one number, a watermark, answers for all of them.
 *
 * Keeps I-ACC-1: the promise never goes down. I-ACC-2: accepted in the promised ballot
 * only. I-LOG-1: the log has no holes.
 */
#include "paxos/engine.h"

void gr_acceptor_promise(struct gr_paxos *p, gr_ballot ballot) {
  if (!GR_ENSURE(&p->halt, gr_ballot_compare(ballot, p->promised) > 0,
                 "I-ACC-1: a promise is never lowered"))
    return;
  if (p->role != GR_ROLE_FORMING && p->role != GR_ROLE_FOLLOWER) gr_election_step_down(p);
  p->promised = ballot;
  p->leader = GR_NOBODY;
  p->started = false;
  p->start = 0;
  p->accepted = 0;
  p->leader_chosen = 0;
  gr_slot_clear(&p->proposals);
  gr_election_see(p, ballot);
  gr_emit(p, (gr_trace_event){.kind = GR_TRACE_PROMISE,
                              .ballot = ballot,
                              .member = ballot.member});
  gr_storage_promised(p);
}

/* R14: of a boot that has ended a cut adds nothing, and needs nothing. Of one that has
 * not begun here nothing can be held: what comes before its CLOSE is delivered first. */
static bool mark_held(const struct gr_lane *lane, struct gr_mark mark) {
  if (gr_mark_is_close(mark) || mark.boot < lane->boot) return true;
  return mark.boot == lane->boot && mark.upto <= lane->held;
}

bool gr_cut_held(const struct gr_paxos *p, gr_memberset lanes,
                 const struct gr_mark *marks) {
  for (uint32_t i = 0; i < p->roster.count; i++)
    if (gr_memberset_has(lanes, i) && !mark_held(&p->lanes[i], marks[i])) return false;
  return true;
}

void gr_cut_want(struct gr_paxos *p, const struct gr_cut *cut, uint32_t holder) {
  for (uint32_t i = 0; i < p->roster.count; i++) {
    if (!gr_memberset_has(cut->lanes, i)) continue;
    struct gr_lane *lane = &p->lanes[i];
    struct gr_mark mark = cut->marks[i];
    if (mark.boot == lane->boot && lane->wanted < mark.upto) lane->wanted = mark.upto;
    if (holder != GR_NOBODY && holder != p->self) gr_peer_holds(p, holder, i, mark);
  }
}

void gr_peer_holds(struct gr_paxos *p, uint32_t index, uint32_t lane,
                   struct gr_mark mark) {
  struct gr_mark *held = &p->peers[index].held[lane];
  if (held->boot < mark.boot || (held->boot == mark.boot && held->upto < mark.upto))
    *held = mark;
}

bool gr_log_write(struct gr_paxos *p, gr_slot slot, gr_ballot ballot,
                  const struct gr_cut *cut) {
  if (!GR_ENSURE(&p->halt, slot > p->chosen && slot <= p->log_end,
                 "I-LOG-1: the log has no holes, and what is chosen stays"))
    return false;
  if (slot == p->log_end && p->log_end - p->log_first >= p->options.log_slots_max &&
      !gr_learner_evict(p))
    return false;
  while (
      !gr_slot_set(&p->log, slot, ballot, cut, p->roster.count, p->log_first, p->log_end))
    if (!gr_learner_evict(p)) return false;
  /* R3: behind a change of the view nothing can have been chosen. */
  if (slot == p->log_end || gr_is_config(cut)) p->log_end = slot + 1;
  gr_storage_wrote(p, slot);
  return true;
}

/* Slots that are known to be chosen count as accepted; everything below the ballot's
 * start is (R11), so the watermark begins there. */
static bool acceptor_start(struct gr_paxos *p) {
  if (p->start == 0 || p->chosen + 1 < p->start) return false;
  if (!p->started) {
    p->started = true;
    p->accepted = p->start - 1;
  }
  if (p->accepted < p->chosen) p->accepted = p->chosen;
  return true;
}

/* It was accepted by this member's process of a former boot. */
static bool was_accepted(const struct gr_paxos *p, gr_slot slot) {
  return slot < p->log_end &&
         gr_ballot_compare(gr_slot_at(&p->log, slot)->ballot, p->promised) == 0;
}

/* Nothing is proposed behind a change of the view (R3). */
static bool ends_view(const struct gr_paxos *p, gr_slot slot) {
  if (slot < p->log_first) return false;
  const struct gr_slot_entry *entry = gr_slot_at(&p->log, slot);
  return entry->config != 0 && entry->ballot.view == p->roster.view;
}

/* Accepts the proposal that is next, if it is here with its batches. */
static bool accept_next(struct gr_paxos *p) {
  gr_slot slot = p->accepted + 1;
  if (was_accepted(p, slot)) {
    p->accepted = slot;
    return true;
  }
  const struct gr_slot_entry *proposal = gr_slot_at(&p->proposals, slot);
  if (proposal->slot != slot || gr_ballot_compare(proposal->ballot, p->promised) != 0)
    return false;
  if (!gr_cut_held(p, proposal->lanes, proposal->marks)) return false;
  if (ends_view(p, p->accepted)) return false;
  struct gr_cut cut;
  gr_slot_cut(&p->proposals, proposal, p->roster.count, &cut);
  if (!gr_log_write(p, slot, p->promised, &cut)) return false;
  p->accepted = slot;
  return true;
}

void gr_acceptor_advance(struct gr_paxos *p) {
  if (p->role == GR_ROLE_LEADER) return; /* it accepts as it proposes */
  if (!acceptor_start(p)) return;
  while (accept_next(p)) {
  }
  gr_storage_tell(p);
}

void gr_acceptor_leader_knows(struct gr_paxos *p, uint32_t from, gr_ballot ballot,
                              gr_slot chosen) {
  if (ballot.member == p->peers[from].id && gr_ballot_compare(ballot, p->promised) == 0 &&
      p->leader_chosen < chosen)
    p->leader_chosen = chosen;
}

void gr_acceptor_receive_accept(struct gr_paxos *p, uint32_t from,
                                const struct gr_accept *accept) {
  struct gr_peer *peer = &p->peers[from];
  int order = gr_ballot_compare(accept->ballot, p->promised);
  if (order < 0) {
    peer->due |= GR_DUE_ACCEPTED; /* which tells it of the higher ballot */
    return;
  }
  if (order > 0) gr_acceptor_promise(p, accept->ballot);
  gr_election_follow(p, accept->ballot);
  gr_marks_report(p, from, accept->ballot, accept->accepted, accept->chosen,
                  accept->delivered);
  if (p->start == 0) p->start = accept->start;
  gr_acceptor_leader_knows(p, from, accept->ballot, accept->chosen);
  /* What is not settled here is not settled everywhere, whatever the leader says. */
  gr_slot settled = gr_storage_settled(p);
  gr_slot stable = accept->stable < settled ? accept->stable : settled;
  if (p->stable < stable) p->stable = stable;
  gr_cut_want(p, &accept->cut, from);
  gr_slot base = p->started ? p->accepted : p->start - 1;
  if (base < p->chosen) base = p->chosen;
  if (accept->slot <= base)
    peer->due |= GR_DUE_ACCEPTED; /* R19: a repeat is answered with the watermark */
  else if (accept->slot - base <= GR_SLOTS_UNDECIDED_MAX)
    (void)gr_slot_set(&p->proposals, accept->slot, accept->ballot, &accept->cut,
                      p->roster.count, base, base + GR_SLOTS_UNDECIDED_MAX + 1);
  gr_acceptor_advance(p);
  gr_learner_count(p);
}

void gr_acceptor_receive_prepare(struct gr_paxos *p, uint32_t from,
                                 const struct gr_prepare *prepare) {
  struct gr_peer *peer = &p->peers[from];
  if (!gr_memberset_has(p->voters, from)) return;
  int order = gr_ballot_compare(prepare->ballot, p->promised);
  if (order < 0) {
    peer->due |= GR_DUE_ACCEPTED;
    return;
  }
  if (order > 0) {
    gr_acceptor_promise(p, prepare->ballot);
    gr_election_rearm(p); /* the candidate gets its time */
  }
  /* R4: an equal ballot is answered again. */
  peer->promise_from = prepare->from;
  peer->promise_next = prepare->from;
  peer->promise_chosen = p->chosen;
  peer->due |= GR_DUE_PROMISE;
}
