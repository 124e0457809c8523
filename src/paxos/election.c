/* SPDX-License-Identifier: MIT
 *
 * Who should lead. A follower that has not heard "I lead" for an election timeout first
 * asks the others whether they lost the leader too (pre-vote; Ongaro: Consensus, Bridging
 * Theory and Practice, section 9.6), so a member with a bad link disturbs nobody. A
 * leader that has not heard from a majority for an election timeout steps down by itself.
 * None of this is needed for safety; all of it is for liveness.
 */
#include "paxos/engine.h"

void gr_election_see(struct gr_paxos *p, gr_ballot ballot) {
  if (p->round_seen < ballot.round) p->round_seen = ballot.round;
}

/* Candidacies are spread by rank among those that remain when the leader is lost. */
static gr_time election_spread(struct gr_paxos *p) {
  gr_time timeout = p->options.election_timeout_ns;
  uint32_t rank = p->self - (p->leader < p->self ? 1 : 0);
  return rank * (timeout / 8) + gr_random_below(&p->random, timeout / 16 + 1);
}

void gr_election_rearm(struct gr_paxos *p) {
  p->election_due = p->now + p->options.election_timeout_ns + election_spread(p);
}

void gr_election_follow(struct gr_paxos *p, gr_ballot ballot) {
  uint32_t leader = gr_roster_index(&p->roster, ballot.member);
  if (p->role != GR_ROLE_FOLLOWER) gr_election_step_down(p);
  p->leader_heard = p->now;
  if (p->leader != leader) {
    p->leader = leader;
    gr_emit(p, (gr_trace_event){.kind = GR_TRACE_FOLLOW,
                                .ballot = ballot,
                                .member = ballot.member});
  }
  gr_election_rearm(p);
}

void gr_election_step_down(struct gr_paxos *p) {
  if (p->role == GR_ROLE_LEADER) {
    p->counters.step_downs++;
    gr_emit(p, (gr_trace_event){.kind = GR_TRACE_STEP_DOWN, .ballot = p->promised});
  }
  p->role = GR_ROLE_FOLLOWER;
  p->leader = GR_NOBODY;
  p->reproposing = false;
  p->wanted.kind = 0;
  gr_election_rearm(p);
}

gr_ballot gr_election_next_ballot(const struct gr_paxos *p) {
  return (gr_ballot){p->roster.view, p->round_seen + 1, p->roster.ids[p->self]};
}

void gr_election_orphaned(struct gr_paxos *p) {
  p->leader = GR_NOBODY;
  p->leader_heard = 0;
  gr_election_rearm(p);
  p->election_due -= p->options.election_timeout_ns; /* only the rank counts */
}

static void prevote_begin(struct gr_paxos *p) {
  p->role = GR_ROLE_PREVOTE;
  p->leader = GR_NOBODY;
  p->reproposing = false;
  p->prevotes = gr_memberset_one(p->self);
  p->prevote_ballot = gr_election_next_ballot(p);
  /* Votes may be refused only because others heard the leader a moment later: ask soon.
   */
  gr_time timeout = p->options.election_timeout_ns;
  p->election_due = p->now + timeout / 4 + gr_random_below(&p->random, timeout / 8 + 1);
  p->counters.prevotes_started++;
  for (uint32_t i = 0; i < p->roster.count; i++)
    if (i != p->self && gr_memberset_has(p->voters, i)) p->peers[i].due |= GR_DUE_PREVOTE;
  gr_emit(p, (gr_trace_event){.kind = GR_TRACE_PREVOTE, .ballot = p->prevote_ballot});
  if (gr_memberset_majority(p->prevotes, p->voters)) gr_candidate_begin(p);
}

/* It hears us too, as far as echoes tell, which come late by some heartbeats. */
static bool hears_us(const struct gr_paxos *p, const struct gr_peer *peer) {
  gr_time since = peer->hears > p->leads_since ? peer->hears : p->leads_since;
  return p->now - since < 2 * p->options.election_timeout_ns;
}

/* A leader that does not reach a majority, both ways, can have nothing chosen; its
 * followers should know. */
static void check_majority(struct gr_paxos *p) {
  gr_memberset heard = gr_memberset_one(p->self);
  for (uint32_t i = 0; i < p->roster.count; i++)
    if (i != p->self && gr_peer_reachable(p, i) && hears_us(p, &p->peers[i]))
      heard |= gr_memberset_one(i);
  if (!gr_memberset_majority(heard, p->voters)) gr_election_step_down(p);
}

void gr_election_poll(struct gr_paxos *p) {
  if (!p->formed) return;
  if (p->role == GR_ROLE_LEADER)
    check_majority(p);
  else if (gr_votes(p) && p->forcing == 0 && p->now >= p->election_due)
    prevote_begin(p);
  if (p->transfer_to != GR_NOBODY && p->now >= p->transfer_until)
    p->transfer_to = GR_NOBODY;
}

void gr_election_receive_prevote(struct gr_paxos *p, uint32_t from,
                                 const struct gr_prevote *prevote) {
  p->peers[from].prevote = *prevote;
  p->peers[from].due |= GR_DUE_PREVOTE_ANSWER;
}

/* Granted by who lost the leader too, to who could learn from us what it lacks. */
void gr_election_answer(const struct gr_paxos *p, uint32_t to,
                        struct gr_prevote_answer *answer) {
  const struct gr_prevote *prevote = &p->peers[to].prevote;
  bool lost = p->role != GR_ROLE_LEADER &&
              (p->leader_heard == 0 ||
               p->now - p->leader_heard >= p->options.election_timeout_ns);
  bool near = prevote->chosen + 1 >= p->log_first &&
              prevote->chosen + GR_SLOTS_UNDECIDED_MAX >= p->chosen;
  *answer = (struct gr_prevote_answer){prevote->ballot, prevote->asking, p->told.promised,
                                       lost && near};
}

void gr_election_receive_answer(struct gr_paxos *p, uint32_t from,
                                const struct gr_prevote_answer *answer) {
  gr_election_see(p, answer->promised);
  if (p->role != GR_ROLE_PREVOTE || !answer->granted ||
      answer->asking != p->counters.prevotes_started ||
      gr_ballot_compare(answer->ballot, p->prevote_ballot) != 0)
    return;
  p->prevotes |= gr_memberset_one(from);
  if (gr_memberset_majority(p->prevotes, p->voters)) gr_candidate_begin(p);
}

int gr_paxos_transfer(gr_paxos *p, gr_member_id to, gr_time now) {
  if (!p) return GR_ERR_INVALID;
  if (gr_halted(p)) return GR_ERR_HALTED;
  if (!p->storage.resumed) return GR_ERR_STATE;
  gr_latch(p, now);
  uint32_t index = gr_roster_index(&p->roster, to);
  if (index == p->roster.count || index == p->self || !gr_memberset_has(p->voters, index))
    return GR_ERR_INVALID;
  if (p->role != GR_ROLE_LEADER) return GR_ERR_NOT_LEADER;
  if (!gr_peer_reachable(p, index)) return GR_ERR_UNREACHABLE;
  p->transfer_to = index;
  p->transfer_until = p->now + p->options.election_timeout_ns;
  p->peers[index].due |= GR_DUE_TRANSFER;
  gr_emit(p, (gr_trace_event){.kind = GR_TRACE_TRANSFER,
                              .ballot = p->promised,
                              .member = to});
  return GR_OK;
}

/* The leader itself asks, so no vote on its loss is needed. */
void gr_election_receive_transfer(struct gr_paxos *p, uint32_t from, gr_ballot ballot) {
  if (p->leader != from || gr_ballot_compare(ballot, p->promised) != 0 || !gr_votes(p))
    return;
  gr_emit(p, (gr_trace_event){.kind = GR_TRACE_TRANSFER,
                              .ballot = ballot,
                              .member = p->roster.ids[p->self]});
  gr_candidate_begin(p);
}
