/* SPDX-License-Identifier: MIT
 *
 * What waits for storage and what does not: nobody is told of a promise or an acceptance
 * that losing power could undo (I-STO-1), and nothing else waits.
 */
#include "storage.h"

#include <criterion/criterion.h>

static struct rig rig;
static struct storage storage;

static void open_met(uint32_t members) {
  rig_open_stored(&rig, members, 0, &storage, 0);
  rig_meet(&rig);
}

static void close_all(void) {
  rig_close(&rig);
  storage_close(&storage);
}

static struct gr_accepted told_to(uint32_t member) {
  struct gr_accepted accepted;
  struct gr_reader body = rig_body(&rig, member, GR_FRAME_ACCEPTED);
  cr_assert(gr_accepted_decode(&body, &accepted));
  return accepted;
}

static struct gr_heartbeat beat_to(uint32_t member) {
  struct gr_heartbeat heartbeat;
  struct gr_reader body = rig_body(&rig, member, GR_FRAME_HEARTBEAT);
  cr_assert(gr_heartbeat_decode(&body, &rig.roster, &heartbeat));
  return heartbeat;
}

/* Member 1 leads in round 3, and has its first batch ordered as slot 1. */
static void accept_one(void) {
  cr_assert_eq(rig_data(&rig, 1, 1, 1, "x"), GR_OK);
  struct gr_cut cut = rig_boot_cut(1, GR_BOOT_FIRST, 1);
  cr_assert_eq(rig_accept(&rig, rig_ballot(3, 1), 1, 1, 0, cut), GR_OK);
}

static int broadcast(const char *text) {
  gr_slice part = {text, 1};
  return gr_paxos_broadcast(rig.paxos, &part, 1, rig.now, NULL);
}

Test(paxos_storage, nothing_leaves_before_the_boot_is_durable) {
  gr_options options = test_options(3, 0);
  options.durable = true;
  gr_paxos *paxos;
  gr_frame frame;
  cr_assert_eq(gr_paxos_new(&paxos, &options, NULL, TEST_MS), GR_OK);
  cr_assert_eq(gr_paxos_resume(paxos, TEST_MS), GR_OK);
  cr_assert_eq(gr_paxos_poll(paxos, 1000 * TEST_MS), GR_OK);
  cr_assert(!gr_paxos_frame(paxos, test_id(1), &frame));
  cr_assert_eq(storage_take(&storage, paxos), 2);
  cr_assert_eq(storage.records[0].type, GR_RECORD_VIEW);
  cr_assert_eq(storage.records[1].type, GR_RECORD_BOOT);
  cr_assert(!gr_paxos_frame(paxos, test_id(1), &frame));
  cr_assert_eq(gr_paxos_stored(paxos, 1), GR_OK);
  cr_assert(!gr_paxos_frame(paxos, test_id(1), &frame), "the view only");
  cr_assert_eq(gr_paxos_stored(paxos, 2), GR_OK);
  cr_assert(gr_paxos_frame(paxos, test_id(1), &frame));
  gr_paxos_free(paxos);
  storage_close(&storage);
}

Test(paxos_storage, a_member_takes_part_when_it_will_remember_whom_it_has_met) {
  rig_open_stored(&rig, 3, 0, &storage, 0);
  cr_assert_eq(rig_beat_all(&rig), GR_OK);
  rig_turn(&rig);
  cr_assert_eq(rig_status(&rig).role, GR_ROLE_FORMING);
  cr_assert_eq(rig_prepare(&rig, rig_ballot(3, 1), 1), GR_ERR_STALE);
  rig_sync(&rig);
  cr_assert_eq(rig_status(&rig).role, GR_ROLE_FOLLOWER);
  cr_assert(beat_to(1).formed);
  struct gr_view_record view;
  struct gr_reader body = storage_last(&storage, GR_RECORD_VIEW);
  cr_assert_eq(gr_view_record_decode(&body, rig.paxos->group, &view), GR_OK);
  cr_assert(view.formed);
  cr_assert_eq(view.self, 10);
  cr_assert_eq(view.incarnation, rig.incarnation);
  cr_assert_eq(view.seats.seats[0].incarnation, rig.incarnation);
  cr_assert_eq(view.seats.seats[2].incarnation, 7002);
  close_all();
}

Test(paxos_storage, a_promise_is_told_when_it_is_durable) {
  open_met(3);
  cr_assert_eq(rig_prepare(&rig, rig_ballot(3, 1), 1), GR_OK);
  cr_assert_eq(rig_status(&rig).promised.round, 3);
  for (int i = 0; i < 3; i++) { /* as often as it is asked */
    rig_pass(&rig, 100 * TEST_MS);
    cr_assert_null(rig_heard(&rig, 1, GR_FRAME_PROMISE));
    cr_assert_null(rig_heard(&rig, 1, GR_FRAME_ACCEPTED));
    cr_assert_eq(beat_to(1).promised.round, 0);
    cr_assert_eq(rig_prepare(&rig, rig_ballot(3, 1), 1), GR_OK);
  }
  rig_sync(&rig);
  cr_assert_not_null(rig_heard(&rig, 1, GR_FRAME_PROMISE));
  rig_pass(&rig, 100 * TEST_MS);
  cr_assert_eq(beat_to(1).promised.round, 3);
  close_all();
}

Test(paxos_storage, a_lower_ballot_is_told_of_the_durable_promise_only) {
  open_met(3);
  cr_assert_eq(rig_prepare(&rig, rig_ballot(5, 2), 1), GR_OK);
  cr_assert_eq(rig_prepare(&rig, rig_ballot(4, 1), 1), GR_OK);
  rig_turn(&rig);
  cr_assert_null(rig_heard(&rig, 1, GR_FRAME_ACCEPTED));
  rig_sync(&rig);
  cr_assert_eq(told_to(1).promised.round, 5);
  close_all();
}

Test(paxos_storage, an_acceptance_is_told_when_it_is_durable) {
  open_met(3);
  accept_one();
  cr_assert_eq(rig_status(&rig).accepted, 1);
  rig_pass(&rig, 100 * TEST_MS);
  cr_assert_null(rig_heard(&rig, 1, GR_FRAME_ACCEPTED));
  cr_assert_eq(beat_to(1).accepted, 0);
  gr_status status = rig_status(&rig);
  const enum gr_record_type order[] = {GR_RECORD_PROMISE, GR_RECORD_BATCH,
                                       GR_RECORD_ACCEPT};
  for (size_t i = 0; i < 3; i++)
    cr_assert_eq(storage.records[storage.count - 3 + i].type, order[i]);
  cr_assert_eq(gr_paxos_stored(rig.paxos, status.stored - 1), GR_OK);
  rig_pass(&rig, 100 * TEST_MS);
  cr_assert_eq(beat_to(1).accepted, 0, "all but the value itself");
  cr_assert_eq(gr_paxos_stored(rig.paxos, status.stored), GR_OK);
  rig_turn(&rig);
  cr_assert_eq(told_to(1).accepted, 1);
  close_all();
}

Test(paxos_storage, a_batch_is_stored_when_a_value_names_it_and_once) {
  open_met(5);
  cr_assert_eq(rig_data(&rig, 1, 1, 1, "x"), GR_OK);
  cr_assert_eq(rig_data(&rig, 2, 2, 1, "y"), GR_OK);
  rig_sync(&rig);
  cr_assert_eq(storage_count(&storage, 0, GR_RECORD_BATCH), 0);
  accept_one();
  rig_sync(&rig);
  cr_assert_eq(storage_count(&storage, 0, GR_RECORD_BATCH), 1, "lane 2 is not named");
  struct gr_cut cut = rig_boot_cut(1, GR_BOOT_FIRST, 1);
  cr_assert_eq(rig_accept(&rig, rig_ballot(5, 1), 1, 1, 0, cut), GR_OK);
  rig_sync(&rig);
  cr_assert_eq(storage_count(&storage, 0, GR_RECORD_ACCEPT), 2, "in each ballot");
  cr_assert_eq(storage_count(&storage, 0, GR_RECORD_BATCH), 1);
  close_all();
}

Test(paxos_storage, a_candidate_asks_and_leads_when_its_promise_is_durable) {
  open_met(3);
  while (!rig_heard(&rig, 1, GR_FRAME_PREVOTE)) rig_pass(&rig, 10 * TEST_MS);
  struct gr_reader body = rig_body(&rig, 1, GR_FRAME_PREVOTE);
  struct gr_prevote prevote;
  cr_assert(gr_prevote_decode(&body, &prevote));
  rig_grant(&rig, 1, &prevote);
  rig_turn(&rig);
  cr_assert_eq(rig_status(&rig).role, GR_ROLE_CANDIDATE);
  cr_assert_null(rig_heard(&rig, 1, GR_FRAME_PREPARE));
  struct gr_promise promise = {.ballot = prevote.ballot,
                               .log_first = 1,
                               .from = 1,
                               .end = 1};
  for (uint32_t i = 1; i < 3; i++)
    cr_assert_eq(rig_promise(&rig, i, &promise, NULL), GR_OK);
  cr_assert_eq(rig_status(&rig).role, GR_ROLE_CANDIDATE, "two of three are not enough");
  rig_sync(&rig);
  cr_assert_eq(rig_status(&rig).role, GR_ROLE_LEADER);
  close_all();
}

/* The leader's proposal and its batch go out while its own storage still writes; its own
 * acceptance counts when it is durable. */
Test(paxos_storage, a_leader_proposes_at_once_and_counts_itself_when_durable) {
  open_met(3);
  gr_ballot ballot = rig_lead(&rig);
  cr_assert_eq(broadcast("x"), GR_OK);
  rig_turn(&rig);
  cr_assert_not_null(rig_heard(&rig, 1, GR_FRAME_DATA));
  struct gr_reader body = rig_body(&rig, 1, GR_FRAME_ACCEPT);
  struct gr_accept accept;
  cr_assert(gr_accept_decode(&body, &rig.roster, &accept));
  cr_assert_eq(accept.slot, 1);
  cr_assert_eq(accept.accepted, 0);
  cr_assert_eq(rig_accepted(&rig, 1, ballot, 1), GR_OK);
  cr_assert_eq(rig_status(&rig).chosen, 0, "one durable acceptance of three");
  rig_sync(&rig);
  cr_assert_eq(rig_status(&rig).chosen, 1);
  cr_assert_eq(told_to(1).accepted, 1, "its proposal could not say so");
  close_all();
}

/* What a majority has synced is delivered, whatever the own storage does. */
Test(paxos_storage, delivery_does_not_wait_for_the_own_storage) {
  open_met(3);
  gr_ballot ballot = rig_lead(&rig);
  cr_assert_eq(broadcast("x"), GR_OK);
  rig_turn(&rig);
  for (uint32_t i = 1; i < 3; i++) cr_assert_eq(rig_accepted(&rig, i, ballot, 1), GR_OK);
  rig_turn(&rig);
  cr_assert_str_eq(rig.delivered, "x ");
  gr_status status = rig_status(&rig);
  cr_assert_eq(status.delivered, 1);
  cr_assert_eq(status.settled, 0);
  cr_assert_lt(status.synced, status.stored);
  rig_pass(&rig, 100 * TEST_MS);
  cr_assert_eq(beat_to(1).delivered, 0, "others keep it for it");
  close_all();
}

/* Marks go with other records; alone only when a heartbeat has passed. */
Test(paxos_storage, marks_cost_no_sync_of_their_own) {
  open_met(3);
  accept_one();
  rig_sync(&rig);
  size_t before = storage.count;
  rig_turn(&rig);
  cr_assert_eq(rig_status(&rig).chosen, 1);
  cr_assert_eq(storage.count, before, "known as chosen, and nothing else");
  rig_pass(&rig, 100 * TEST_MS);
  cr_assert_eq(storage.count, before + 1);
  struct gr_marks_record marks;
  struct gr_reader body = storage_last(&storage, GR_RECORD_MARKS);
  cr_assert_eq(gr_marks_record_decode(&body, &marks), GR_OK);
  cr_assert_eq(marks.chosen, 1);
  cr_assert_eq(rig_status(&rig).settled, 0);
  rig_sync(&rig);
  cr_assert_eq(rig_status(&rig).settled, 1);
  rig_pass(&rig, 100 * TEST_MS);
  cr_assert_eq(storage.count, before + 1, "said once");
  cr_assert_eq(beat_to(1).delivered, 1);
  close_all();
}

Test(paxos_storage, a_round_is_one_sync) {
  open_met(3);
  uint64_t syncs = rig_counters(&rig).syncs_asked;
  uint64_t records = rig_counters(&rig).records_stored;
  accept_one();
  cr_assert_eq(rig_data(&rig, 2, 2, 1, "y"), GR_OK);
  struct gr_cut cut = rig_boot_cut(2, GR_BOOT_FIRST, 1);
  cr_assert_eq(rig_accept(&rig, rig_ballot(3, 1), 2, 1, 0, cut), GR_OK);
  rig_turn(&rig);
  cr_assert_eq(rig_counters(&rig).records_stored, records + 5);
  cr_assert_eq(rig_counters(&rig).syncs_asked, syncs + 1);
  rig_turn(&rig);
  cr_assert_eq(rig_counters(&rig).syncs_asked, syncs + 1, "nothing was due");
  size_t bytes = 0;
  for (size_t i = 0; i < storage.count; i++) bytes += storage.records[i].size;
  cr_assert_eq(rig_counters(&rig).bytes_stored, bytes);
  close_all();
}

Test(paxos_storage, a_record_that_was_not_taken_is_offered_again) {
  open_met(3);
  cr_assert_eq(rig_prepare(&rig, rig_ballot(3, 1), 1), GR_OK);
  gr_record first;
  gr_record again;
  gr_ticket next = rig_status(&rig).stored + 1;
  for (int i = 0; i < 2; i++) {
    cr_assert(gr_paxos_record(rig.paxos, &first));
    cr_assert(gr_paxos_record(rig.paxos, &again));
    cr_assert_eq(first.ticket, next);
    cr_assert_eq(again.ticket, next);
    cr_assert_eq(again.parts[0].size, first.parts[0].size);
  }
  gr_paxos_recorded(rig.paxos);
  gr_paxos_recorded(rig.paxos); /* nothing was offered meanwhile */
  cr_assert_eq(rig_status(&rig).stored, next);
  cr_assert(!gr_paxos_record(rig.paxos, &again));
  close_all();
}

Test(paxos_storage, only_records_that_were_handed_over_can_be_durable) {
  open_met(3);
  gr_ticket stored = rig_status(&rig).stored;
  cr_assert_eq(gr_paxos_stored(rig.paxos, stored + 1), GR_ERR_INVALID);
  cr_assert_eq(gr_paxos_stored(rig.paxos, stored), GR_OK);
  cr_assert_eq(gr_paxos_stored(rig.paxos, 1), GR_OK, "less than before says nothing");
  cr_assert_eq(rig_status(&rig).synced, stored);
  close_all();
}
