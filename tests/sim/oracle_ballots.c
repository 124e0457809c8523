/* SPDX-License-Identifier: MIT
 *
 * What Paxos must keep, from the members' own account of what they promise, propose and
 * accept. The oracle counts acceptances by itself, ballot by ballot, and so knows what is
 * chosen before any member does.
 */
#include "oracle_internal.h"

#include <string.h>

/* ---- ballots ---- */

/* The ballot's entry; those in use are the latest. */
static struct sim_ballot *ballot_of(struct sim_oracle *oracle, gr_ballot ballot) {
  for (uint64_t i = oracle->ballot_count; i > 0; i--)
    if (sim_ballot_compare(oracle->ballots[i - 1].ballot, ballot) == 0)
      return &oracle->ballots[i - 1];
  if (oracle->ballot_count == oracle->ballot_capacity) {
    oracle->ballot_capacity = oracle->ballot_capacity ? 2 * oracle->ballot_capacity : 256;
    oracle->ballots = sim_reallocate(oracle->ballots,
                                     oracle->ballot_capacity * sizeof(*oracle->ballots));
  }
  struct sim_ballot *entry = &oracle->ballots[oracle->ballot_count++];
  *entry = (struct sim_ballot){.ballot = ballot};
  return entry;
}

/* Acceptances are cumulative, so what the last of a majority of the ballot's voters
 * accepted is chosen. */
static void count(struct sim_oracle *oracle, const struct sim_view *view,
                  const struct sim_ballot *entry, gr_slot mark) {
  while (mark > oracle->chosen) {
    uint32_t voters = 0;
    gr_slot next = oracle->chosen;
    for (uint32_t i = 0; i < oracle->members; i++) {
      if (view->seats[i] != SIM_SEAT_VOTER) continue;
      if (entry->accepted[i] >= mark)
        voters++;
      else if (entry->accepted[i] > next)
        next = entry->accepted[i];
    }
    if (2 * voters > view->voters)
      oracle->chosen = mark;
    else
      mark = next;
  }
}

void sim_oracle_recount(struct sim_oracle *oracle, const struct sim_view *view) {
  for (uint64_t i = 0; i < oracle->ballot_count; i++) {
    const struct sim_ballot *entry = &oracle->ballots[i];
    gr_slot most = 0;
    if (entry->ballot.view != view->number) continue;
    for (uint32_t k = 0; k < oracle->members; k++)
      if (entry->accepted[k] > most) most = entry->accepted[k];
    count(oracle, view, entry, most);
  }
}

static void accepted(struct sim_oracle *oracle, uint32_t member, gr_ballot ballot,
                     gr_slot slot) {
  if (sim_ballot_compare(ballot, oracle->witnesses[member].promised) != 0)
    sim_oracle_fail(oracle, "A4", "member %u accepts in a ballot that it left",
                    member + 1);
  struct sim_ballot *entry = ballot_of(oracle, ballot);
  if (!entry->led)
    sim_oracle_fail(oracle, "A4", "member %u accepts in a ballot that nobody leads",
                    member + 1);
  if (entry->accepted[member] < slot) entry->accepted[member] = slot;
  if (slot > oracle->witnesses[member].chosen) entry->voted[member] = slot;
  const struct sim_view *view = sim_oracle_view_of(oracle, ballot.view);
  if (view) count(oracle, view, entry, entry->accepted[member]);
}

static void promised(struct sim_oracle *oracle, uint32_t member, gr_ballot ballot) {
  struct sim_witness *witness = &oracle->witnesses[member];
  if (sim_ballot_compare(ballot, witness->promised) <= 0)
    sim_oracle_fail(oracle, "A4", "member %u promises round %llu of %llu, no higher one",
                    member + 1, (unsigned long long)ballot.round,
                    (unsigned long long)ballot.member);
  witness->promised = ballot;
}

static void leads(struct sim_oracle *oracle, uint32_t member, gr_ballot ballot,
                  gr_slot start) {
  struct sim_ballot *entry = ballot_of(oracle, ballot);
  if (entry->led || ballot.member != member + 1)
    sim_oracle_fail(oracle, "A4",
                    "member %u leads round %llu of member %llu, which is led", member + 1,
                    (unsigned long long)ballot.round, (unsigned long long)ballot.member);
  if (sim_ballot_compare(ballot, oracle->witnesses[member].promised) != 0)
    sim_oracle_fail(oracle, "A4", "member %u leads a ballot that it did not promise",
                    member + 1);
  if (start == 0 || start - 1 > oracle->chosen)
    sim_oracle_fail(oracle, "A4", "member %u leads from slot %llu; chosen are %llu",
                    member + 1, (unsigned long long)start,
                    (unsigned long long)oracle->chosen);
  entry->led = true;
  entry->generation = oracle->witnesses[member].generation;
  entry->accepted[member] = start - 1;
}

/* Without storage a leader accepts what it proposes on the spot; with it, the acceptance
 * comes when it is durable. */
static void proposed(struct sim_oracle *oracle, uint32_t member, gr_ballot ballot,
                     gr_slot slot) {
  const struct sim_ballot *entry = ballot_of(oracle, ballot);
  if (ballot.member != member + 1 || !entry->led ||
      entry->generation != oracle->witnesses[member].generation)
    sim_oracle_fail(oracle, "A4", "member %u proposes in a ballot that it does not lead",
                    member + 1);
  if (!oracle->bounds.durable) accepted(oracle, member, ballot, slot);
}

static void knows_chosen(struct sim_oracle *oracle, uint32_t member, gr_slot slot) {
  oracle->witnesses[member].chosen = slot;
  if (oracle->told[member].chosen < slot) oracle->told[member].chosen = slot;
  sim_oracle_must_be_chosen(oracle, member, slot);
}

void sim_oracle_unproven(struct sim_oracle *oracle) {
  if (oracle->unproven > oracle->chosen)
    sim_oracle_fail(oracle, "A4",
                    "member %u takes slot %llu for chosen, but no majority accepted "
                    "beyond slot %llu",
                    oracle->unproven_by + 1, (unsigned long long)oracle->unproven,
                    (unsigned long long)oracle->chosen);
  oracle->unproven = 0;
}

/* In a group of one a view's first slots are chosen before anybody has been told of it;
 * until then it is not known whose acceptances count. */
void sim_oracle_must_be_chosen(struct sim_oracle *oracle, uint32_t member, gr_slot slot) {
  if (slot <= oracle->chosen || slot <= oracle->unproven) return;
  if (oracle->forcing) {
    oracle->chosen = slot;
    return;
  }
  oracle->unproven = slot;
  oracle->unproven_by = member;
  if (oracle->witnesses[member].promised.view <= oracle->view_count)
    sim_oracle_unproven(oracle);
}

/* ---- taking part ---- */

bool sim_oracle_begun(const struct sim_oracle *oracle) {
  for (uint32_t i = 0; i < oracle->members; i++)
    if (oracle->witnesses[i].live && oracle->witnesses[i].formed != 0) return true;
  return false;
}

/* Whoever took part before a process was born knows another one of that member. */
static bool replaces(const struct sim_oracle *oracle, uint32_t member) {
  if (oracle->witnesses[member].joined) return false;
  if (oracle->bounds.durable) return oracle->witnesses[member].wiped;
  for (uint32_t i = 0; i < oracle->members; i++) {
    const struct sim_witness *other = &oracle->witnesses[i];
    if (i != member && other->live && other->formed != 0 &&
        other->formed < oracle->witnesses[member].born)
      return true;
  }
  return false;
}

bool sim_oracle_able(const struct sim_oracle *oracle, uint32_t member) {
  const struct sim_witness *witness = &oracle->witnesses[member];
  return witness->live && (witness->formed != 0 || !replaces(oracle, member));
}

static void formed(struct sim_oracle *oracle, uint32_t member) {
  if (replaces(oracle, member))
    sim_oracle_fail(oracle, "I-MEET-1",
                    "member %u takes part, but others did with its former process",
                    member + 1);
  oracle->witnesses[member].formed = oracle->now;
}

void sim_oracle_trace(struct sim_oracle *oracle, uint32_t member,
                      const gr_trace_event *event) {
  switch (event->kind) {
  case GR_TRACE_FORMED:
    formed(oracle, member);
    break;
  case GR_TRACE_PROMISE:
    promised(oracle, member, event->ballot);
    break;
  case GR_TRACE_LEADER:
    leads(oracle, member, event->ballot, event->slot);
    break;
  case GR_TRACE_PROPOSE:
    proposed(oracle, member, event->ballot, event->slot);
    break;
  case GR_TRACE_ACCEPT:
    accepted(oracle, member, event->ballot, event->slot);
    break;
  case GR_TRACE_CHOSEN:
    knows_chosen(oracle, member, event->slot);
    break;
  case GR_TRACE_VIEW:
    sim_oracle_enters(oracle, member, (uint64_t)event->value, event->slot);
    break;
  case GR_TRACE_SUSPECT:
    sim_oracle_suspects(oracle, member, event->member);
    break;
  case GR_TRACE_PREVOTE:
  case GR_TRACE_CANDIDATE:
  case GR_TRACE_STEP_DOWN:
  case GR_TRACE_FOLLOW:
  case GR_TRACE_FETCH_DATA:
  case GR_TRACE_FETCH_LOG:
  case GR_TRACE_EVICT:
  case GR_TRACE_REFUSED:
  case GR_TRACE_HALT:
  case GR_TRACE_TRANSFER:
  case GR_TRACE_RESUME:
  case GR_TRACE_CLOSE:
  case GR_TRACE_CHECKPOINT:
  case GR_TRACE_INSTALL:
  case GR_TRACE_STATE:
  case GR_TRACE_JOIN:
  case GR_TRACE_DONOR:
    break;
  }
}

/* ---- who can reach whom ---- */

void sim_oracle_links(struct sim_oracle *oracle, const uint32_t *links, bool healed) {
  uint32_t voting = 0;
  for (uint32_t i = 0; i < oracle->members; i++)
    if (oracle->witnesses[i].live && oracle->witnesses[i].formed != 0) voting |= 1u << i;
  for (uint32_t i = 0; i < oracle->members; i++) {
    uint32_t heard = 1u << i;
    for (uint32_t hop = 0; hop < oracle->members; hop++)
      for (uint32_t k = 0; k < oracle->members; k++)
        if (heard & 1u << k) heard |= links[k] & voting;
    bool lonely = 2 * (uint32_t)__builtin_popcount(heard & voting) <= oracle->members;
    if (!lonely)
      oracle->lonely_since[i] = GR_TIME_NEVER;
    else if (healed || oracle->lonely_since[i] == GR_TIME_NEVER)
      oracle->lonely_since[i] = oracle->now;
  }
}
