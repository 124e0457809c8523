/* SPDX-License-Identifier: MIT
 *
 * The candidate: phase 1, from PREPARE to the lead. (Lamport: Paxos Made Simple, section
 * 3, the new leader; rules R1, R4, R15 and R23 of doc/protocol.md.)
 *
 * It collects the promises of a majority. Slots that any of them knows to be chosen it
 * learns. Of those beyond, it takes the value of the highest ballot, fetches the batches
 * that these name, and only then leads and proposes them again.
 */
#include "paxos/engine.h"

/* R1: others have what we cannot get from their promises. Catching up comes first. */
static void give_up(struct gr_paxos *p) {
  p->role = GR_ROLE_FOLLOWER;
  p->reproposing = false;
  gr_election_rearm(p);
}

static void merge(struct gr_paxos *p, gr_slot slot, const struct gr_log_value *value,
                  bool chosen) {
  struct gr_slot_entry *best = gr_slot_at(&p->reported, slot);
  if (best->slot == slot &&
      (best->chosen || (!chosen && gr_ballot_compare(value->ballot, best->ballot) <= 0)))
    return;
  if (gr_slot_set(&p->reported, slot, value->ballot, &value->cut, p->roster.count,
                  p->prepare_from, p->prepare_from + GR_PROMISE_SLOTS_MAX))
    best->chosen = chosen;
}

static void merge_own(struct gr_paxos *p) {
  for (gr_slot slot = p->chosen + 1; slot < p->log_end; slot++) {
    struct gr_log_value value;
    gr_log_read(p, slot, &value);
    merge(p, slot, &value, false);
  }
}

void gr_candidate_begin(struct gr_paxos *p) {
  gr_ballot ballot = gr_election_next_ballot(p);
  gr_acceptor_promise(p, ballot); /* R4: its own promise comes first */
  p->role = GR_ROLE_CANDIDATE;
  p->reproposing = false;
  p->prepare_from = p->chosen + 1;
  p->prepare_retry = p->now + p->options.retry_timeout_ns;
  p->reported_end = p->log_end;
  gr_slot_clear(&p->reported);
  merge_own(p);
  for (uint32_t i = 0; i < p->roster.count; i++) {
    p->peers[i].promised_next = p->prepare_from;
    p->peers[i].promise_complete = false;
  }
  gr_election_rearm(p); /* R15: what takes longer begins anew */
  p->counters.elections_started++;
  for (uint32_t i = 0; i < p->roster.count; i++)
    if (i != p->self && gr_memberset_has(p->voters, i)) p->peers[i].due |= GR_DUE_PREPARE;
  gr_emit(p, (gr_trace_event){.kind = GR_TRACE_CANDIDATE,
                              .ballot = ballot,
                              .slot = p->prepare_from});
  gr_candidate_advance(p);
}

static bool collecting(const struct gr_paxos *p) {
  return p->role == GR_ROLE_CANDIDATE && !p->reproposing;
}

void gr_candidate_poll(struct gr_paxos *p) {
  if (!collecting(p) || p->now < p->prepare_retry) return;
  p->prepare_retry = p->now + p->options.retry_timeout_ns;
  for (uint32_t i = 0; i < p->roster.count; i++)
    if (i != p->self && gr_memberset_has(p->voters, i) && !p->peers[i].promise_complete)
      p->peers[i].due |= GR_DUE_PREPARE;
}

gr_time gr_candidate_deadline(const struct gr_paxos *p) {
  return collecting(p) ? p->prepare_retry : GR_TIME_NEVER;
}

void gr_candidate_receive(struct gr_paxos *p, uint32_t from,
                          const struct gr_promise *promise, struct gr_reader *values) {
  struct gr_peer *peer = &p->peers[from];
  if (!collecting(p) || gr_ballot_compare(promise->ballot, p->promised) != 0) return;
  if (peer->chosen < promise->chosen) peer->chosen = promise->chosen;
  if (promise->from < peer->promised_next) return; /* a repeat */
  if (promise->log_first > promise->from ||
      promise->end > p->prepare_from + GR_PROMISE_SLOTS_MAX) {
    give_up(p);
    return;
  }
  if (promise->from > peer->promised_next) return; /* one before it is missing */
  for (uint32_t k = 0; k < promise->count; k++) {
    gr_slot slot = promise->from + k;
    bool chosen = slot <= promise->chosen;
    struct gr_log_value value;
    if (!gr_log_value_decode(values, &p->roster, &value)) return;
    merge(p, slot, &value, chosen);
    /* Who accepted a cut holds its batches (R15). */
    if (!chosen) gr_cut_want(p, &value.cut, from);
  }
  peer->promised_next += promise->count;
  /* As far as it has reported: its promise may never become complete. */
  if (p->reported_end < peer->promised_next) p->reported_end = peer->promised_next;
  peer->promise_complete = peer->promised_next == promise->end;
  gr_candidate_advance(p);
}

static bool majority_promised(const struct gr_paxos *p) {
  if (!gr_storage_promise_told(p)) return false; /* R4 */
  gr_memberset promised = gr_memberset_one(p->self);
  for (uint32_t i = 0; i < p->roster.count; i++)
    if (i != p->self && p->peers[i].promise_complete) promised |= gr_memberset_one(i);
  if (p->forcing != 0) return (p->forcing & ~promised) == 0;
  return gr_memberset_majority(promised, p->voters);
}

/* False if there is no room until more is delivered. */
static bool learn_reported(struct gr_paxos *p) {
  for (;;) {
    const struct gr_slot_entry *entry = gr_slot_at(&p->reported, p->chosen + 1);
    if (entry->slot != p->chosen + 1 || !entry->chosen) return true;
    struct gr_log_value value = {.ballot = entry->ballot};
    gr_slot_cut(&p->reported, entry, p->roster.count, &value.cut);
    if (!gr_learner_learn(p, p->chosen + 1, &value)) return false;
  }
}

/* Above every reported `chosen` there is no hole: what was proposed behind a hole cannot
 * have been accepted in order. Nothing is ever filled in. */
static bool reported_complete(struct gr_paxos *p) {
  for (gr_slot slot = p->chosen + 1; slot < p->reported_end; slot++) {
    const struct gr_slot_entry *entry = gr_slot_at(&p->reported, slot);
    if (!GR_ENSURE(&p->halt, entry->slot == slot,
                   "I-PRO-1: no hole above every reported chosen slot"))
      return false;
    struct gr_cut cut;
    gr_slot_cut(&p->reported, entry, p->roster.count, &cut);
    gr_cut_want(p, &cut, GR_NOBODY);
    if (entry->config != 0) p->reported_end = slot + 1; /* R3 */
  }
  return true;
}

static bool reported_held(const struct gr_paxos *p) {
  for (gr_slot slot = p->chosen + 1; slot < p->reported_end; slot++) {
    const struct gr_slot_entry *entry = gr_slot_at(&p->reported, slot);
    if (!gr_cut_held(p, entry->lanes, entry->marks)) return false;
  }
  return true;
}

/* I-LOG-2: there is room for all re-proposals, if need be at the laggards' cost. */
static bool find_log_room(struct gr_paxos *p) {
  while (p->reported_end > p->log_first + p->options.log_slots_max)
    if (!gr_learner_evict(p)) return false;
  return true;
}

void gr_candidate_advance(struct gr_paxos *p) {
  if (p->role != GR_ROLE_CANDIDATE) return;
  if (!p->reproposing) {
    if (!majority_promised(p)) return;
    /* Behind a change that is chosen another view begins. */
    if (!learn_reported(p) || gr_view_ends(p)) {
      give_up(p);
      return;
    }
    if (!reported_complete(p)) return;
    if (!find_log_room(p)) {
      give_up(p);
      return;
    }
    p->reproposing = true;
    p->forcing_since = p->now;
  }
  if (p->forcing != 0)
    gr_force_advance(p);
  else if (reported_held(p))
    gr_proposer_begin(p, p->chosen + 1);
}
