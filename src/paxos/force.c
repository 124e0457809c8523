/* SPDX-License-Identifier: MIT
 *
 * Going on without a majority, by an operator's word (R7, R8). Those who are named, and
 * who must all answer, hold a phase 1 among themselves: nobody of them accepts anything
 * of the former life of the group afterwards that the others do not know of. What any of
 * them knows to be chosen, or has accepted in the highest ballot, becomes the order, up
 * to the first batch that none of them holds; behind it stands a change that leaves only
 * them, in a new life of the group, whose frames the lost ones' do not mix with. That the
 * order does not change (A4) and nothing is lost (A5) cannot be promised across this: the
 * lost ones may have known more.
 *
 * Nobody hears of it before it is durable here. Then the others learn it as they learn
 * anything that is chosen.
 */
#include "paxos/engine.h"

bool gr_force_told(const struct gr_paxos *p) {
  if (p->forced == 0 || !p->roster.durable) return true;
  return p->storage.settled >= p->forced;
}

int gr_paxos_force(gr_paxos *p, const gr_member_id *members, size_t count, gr_time now) {
  if (!p || (count > 0 && !members)) return GR_ERR_INVALID;
  if (gr_halted(p)) return GR_ERR_HALTED;
  if (!p->storage.resumed) return GR_ERR_STATE;
  gr_latch(p, now);
  gr_memberset named = 0;
  for (size_t i = 0; i < count; i++) {
    uint32_t index = gr_roster_index(&p->roster, members[i]);
    if (index == p->roster.count || !gr_memberset_has(p->voters, index))
      return GR_ERR_INVALID;
    named |= gr_memberset_one(index);
  }
  if (count > 0 && !gr_memberset_has(named, p->self)) return GR_ERR_INVALID;
  if (named == p->forcing) return GR_OK; /* it is under way */
  /* What others promise was promised to another purpose, which needs more of them. */
  if (p->forcing != 0 && p->role == GR_ROLE_CANDIDATE) gr_election_step_down(p);
  p->forcing = named;
  if (named != 0) gr_candidate_begin(p);
  return gr_halted(p) ? GR_ERR_HALTED : GR_OK;
}

/* Whoever is behind catches up meanwhile; then it is tried again. */
void gr_force_poll(struct gr_paxos *p) {
  if (p->forcing == 0) return;
  if (p->role == GR_ROLE_CANDIDATE && p->reproposing) {
    if (p->now >= p->election_due) gr_election_rearm(p); /* it waits for batches */
    gr_candidate_advance(p);
  } else if (p->now >= p->election_due) {
    gr_candidate_begin(p);
  }
}

/* So many election timeouts those who hold a batch have to send it. */
#define FETCH_TIMEOUTS 4

/* The first slot that cannot be part of the order, for now or for good. */
static gr_slot first_lacking(const struct gr_paxos *p) {
  for (gr_slot slot = p->delivered + 1; slot <= p->chosen; slot++) {
    const struct gr_slot_entry *entry = gr_slot_at(&p->log, slot);
    if (!gr_cut_held(p, entry->lanes, entry->marks)) return slot;
  }
  for (gr_slot slot = p->chosen + 1; slot < p->reported_end; slot++) {
    const struct gr_slot_entry *entry = gr_slot_at(&p->reported, slot);
    if (entry->config != 0 || !gr_cut_held(p, entry->lanes, entry->marks)) return slot;
  }
  return p->reported_end;
}

static void decide(struct gr_paxos *p, const struct gr_cut *value) {
  gr_slot slot = p->chosen + 1;
  if (!gr_log_write(p, slot, p->promised, value)) return;
  gr_slot_at(&p->log, slot)->chosen = true;
  p->chosen = slot;
}

static void write_survivors(const struct gr_paxos *p, struct gr_config *config) {
  for (uint32_t i = 0; i < p->roster.count; i++) {
    if (!gr_memberset_has(p->forcing, i)) continue;
    gr_store_u64(config->profile + config->profile_bytes, p->roster.ids[i]);
    config->profile_bytes += 8;
  }
}

void gr_force_advance(struct gr_paxos *p) {
  gr_slot end = first_lacking(p);
  bool waits =
      end < p->reported_end &&
      p->now - p->forcing_since < FETCH_TIMEOUTS * p->options.election_timeout_ns;
  if (waits) return;
  struct gr_cut value;
  if (p->chosen >= end) p->chosen = end - 1; /* chosen, but with those who are lost */
  for (gr_slot slot = p->chosen + 1; slot < end; slot++) {
    gr_slot_cut(&p->reported, gr_slot_at(&p->reported, slot), p->roster.count, &value);
    decide(p, &value);
  }
  p->log_end = end; /* what nobody holds was never delivered by one of us */
  struct gr_cut last = {.config = {.kind = GR_CHANGE_FORCE,
                                   .member = p->roster.ids[p->self],
                                   .incarnation = gr_random_next(&p->random) | 1}};
  write_survivors(p, &last.config);
  decide(p, &last);
  if (p->chosen != end) return; /* there was no room */
  p->forced = end;
  p->forcing = 0;
  gr_election_step_down(p);
}
