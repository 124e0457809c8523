/* SPDX-License-Identifier: MIT
 *
 * A5: what members with storage must keep over their crashes.
 */
#include "oracle_internal.h"

void sim_oracle_restores(struct sim_oracle *oracle, uint32_t member, gr_seqno applied,
                         bool wiped) {
  struct sim_witness *witness = &oracle->witnesses[member];
  witness->restores = true;
  witness->wiped = wiped;
  witness->seqno = witness->applied = applied;
  for (uint64_t i = 0; i < applied && i < oracle->order_count; i++)
    witness->numbers[oracle->order[i].origin] = oracle->order[i].number;
}

/* How far a member accepted in a ballot, as it said itself; 0 if it never did. */
static gr_slot accepted_in(const struct sim_oracle *oracle, uint32_t member,
                           gr_ballot ballot) {
  for (uint64_t i = oracle->ballot_count; i > 0; i--)
    if (sim_ballot_compare(oracle->ballots[i - 1].ballot, ballot) == 0)
      return oracle->ballots[i - 1].accepted[member];
  return 0;
}

void sim_oracle_resumed(struct sim_oracle *oracle, uint32_t member,
                        const gr_status *status) {
  struct sim_witness *witness = &oracle->witnesses[member];
  struct sim_told *told = &oracle->told[member];
  witness->restores = false;
  if (witness->wiped) *told = (struct sim_told){0};
  if (sim_ballot_compare(status->promised, told->promised) < 0)
    sim_oracle_fail(oracle, "A5",
                    "member %u comes back with promise %llu.%llu; it told %llu.%llu",
                    member + 1, (unsigned long long)status->promised.round,
                    (unsigned long long)status->promised.member,
                    (unsigned long long)told->promised.round,
                    (unsigned long long)told->promised.member);
  if (status->settled < told->settled || status->chosen < told->settled)
    sim_oracle_fail(oracle, "A5",
                    "member %u comes back with slots to %llu settled; it had settled "
                    "slots to %llu",
                    member + 1, (unsigned long long)status->settled,
                    (unsigned long long)told->settled);
  witness->promised = status->promised;
  witness->chosen = status->chosen;
  if (status->role != GR_ROLE_FORMING) witness->formed = oracle->now;
  witness->status = *status;
  sim_oracle_digest(oracle, status->boot);
}

void sim_oracle_speaks(struct sim_oracle *oracle, uint32_t member) {
  uint64_t boot = oracle->witnesses[member].status.boot;
  struct sim_told *told = &oracle->told[member];
  if (boot <= told->boot)
    sim_oracle_fail(oracle, "A5", "member %u speaks in boot %llu, after boot %llu",
                    member + 1, (unsigned long long)boot, (unsigned long long)told->boot);
  told->boot = boot;
}

void sim_oracle_told(struct sim_oracle *oracle, uint32_t member, gr_ballot promised,
                     gr_slot accepted) {
  struct sim_told *told = &oracle->told[member];
  /* To have entered a view is no promise: it may be entered again. */
  if (promised.round > 0 && sim_ballot_compare(promised, told->promised) > 0)
    told->promised = promised;
  if (accepted <= oracle->chosen) return;
  if (accepted > accepted_in(oracle, member, promised))
    sim_oracle_fail(oracle, "A5",
                    "member %u tells that it accepted to slot %llu, which is not durable",
                    member + 1, (unsigned long long)accepted);
}

void sim_oracle_told_settled(struct sim_oracle *oracle, uint32_t member, gr_slot slot) {
  if (oracle->told[member].settled < slot) oracle->told[member].settled = slot;
  if (oracle->delivered[member] < slot) oracle->delivered[member] = slot;
}

/* What was accepted in an earlier view, behind its end, is void. */
void sim_oracle_reports(struct sim_oracle *oracle, uint32_t member, uint64_t view,
                        gr_slot end) {
  gr_slot voted = 0;
  for (uint64_t i = 0; i < oracle->ballot_count; i++)
    if (oracle->ballots[i].ballot.view == view &&
        oracle->ballots[i].voted[member] > voted)
      voted = oracle->ballots[i].voted[member];
  if (end <= voted)
    sim_oracle_fail(oracle, "A5",
                    "member %u promises and reports slots before %llu; it had accepted "
                    "slots to %llu",
                    member + 1, (unsigned long long)end, (unsigned long long)voted);
}

void sim_oracle_reports_value(struct sim_oracle *oracle, uint32_t member, gr_slot slot,
                              gr_ballot ballot) {
  /* What a member ever knew to be chosen stands there in the ballot of whoever told it.
   */
  if (slot <= oracle->told[member].chosen) return;
  for (uint64_t i = oracle->ballot_count; i > 0; i--) {
    const struct sim_ballot *entry = &oracle->ballots[i - 1];
    if (entry->voted[member] < slot || sim_ballot_compare(entry->ballot, ballot) <= 0)
      continue;
    sim_oracle_fail(oracle, "A5",
                    "member %u reports slot %llu with ballot %llu.%llu; it had accepted "
                    "it in ballot %llu.%llu",
                    member + 1, (unsigned long long)slot,
                    (unsigned long long)ballot.round, (unsigned long long)ballot.member,
                    (unsigned long long)entry->ballot.round,
                    (unsigned long long)entry->ballot.member);
    return;
  }
}

void sim_oracle_complete(struct sim_oracle *oracle, uint32_t member) {
  const struct sim_witness *witness = &oracle->witnesses[member];
  if (witness->seqno < oracle->order_count)
    sim_oracle_fail(oracle, "A5",
                    "member %u delivered to seqno %llu; others have delivered %llu",
                    member + 1, (unsigned long long)witness->seqno,
                    (unsigned long long)oracle->order_count);
}
