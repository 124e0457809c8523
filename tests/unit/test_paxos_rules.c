/* SPDX-License-Identifier: MIT
 *
 * The rules of doc/protocol.md that are easy to get wrong, each shown on one engine whose
 * peers the test plays, frame by frame.
 */
#include "harness.h"

#include <criterion/criterion.h>
#include <string.h>

static struct gr_log_value value_of(uint64_t round, uint32_t owner, uint32_t lane,
                                    uint64_t upto) {
  return (struct gr_log_value){rig_ballot(round, owner), rig_cut(lane, upto)};
}

static struct rig rig;

static void open_met(uint32_t members) {
  rig_open(&rig, members, 0);
  rig_meet(&rig);
}

/* So that reported values can be of rounds below 9. */
static void raise_rounds(void) {
  cr_assert_eq(rig_prepare(&rig, rig_ballot(9, 2), 1), GR_OK);
}

/* Asks for votes and gets them: the engine prepares. */
static gr_ballot become_candidate(void) {
  while (!rig_heard(&rig, 1, GR_FRAME_PREVOTE)) rig_pass(&rig, 10 * TEST_MS);
  struct gr_reader body = rig_body(&rig, 1, GR_FRAME_PREVOTE);
  struct gr_prevote prevote;
  cr_assert(gr_prevote_decode(&body, &prevote));
  for (uint32_t i = 1; i < rig.members; i++) rig_grant(&rig, i, &prevote);
  cr_assert_eq(rig_status(&rig).role, GR_ROLE_CANDIDATE);
  cr_assert_eq(gr_ballot_compare(rig_status(&rig).promised, prevote.ballot), 0);
  rig_turn(&rig);
  return prevote.ballot;
}

static gr_slot asked_for_log(uint32_t of) {
  gr_slot from = 0;
  struct gr_reader body = rig_body(&rig, of, GR_FRAME_FETCH_LOG);
  cr_assert(gr_fetch_log_decode(&body, &from));
  return from;
}

Test(paxos_rules, r1_a_candidate_far_behind_gives_up_and_catches_up) {
  /* Slots below log_first were trimmed there: no hole to be filled. Or nothing was, but
   * it is more than one promise holds. */
  const struct {
    gr_slot chosen, log_first;
  } rows[] = {{50, 40}, {5000, 4000}, {5000, 1}};
  for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
    open_met(3);
    struct gr_promise promise = {.ballot = become_candidate(),
                                 .chosen = rows[i].chosen,
                                 .log_first = rows[i].log_first,
                                 .from = 1,
                                 .end = rows[i].chosen + 1};
    cr_assert_eq(rig_promise(&rig, 1, &promise, NULL), GR_OK);
    cr_assert_eq(rig_status(&rig).role, GR_ROLE_FOLLOWER, "row %zu", i);
    cr_assert_eq(rig_counters(&rig).elections_won, 0);
    rig_pass(&rig, TEST_MS); /* sees that there is something to be fetched */
    rig_pass(&rig, 5 * TEST_MS);
    cr_assert_eq(asked_for_log(1), 1);
    struct gr_log_value values[] = {value_of(1, 2, 2, 1), value_of(1, 2, 2, 2)};
    cr_assert_eq(rig_log(&rig, 1, 1, rows[i].chosen, values, 2), GR_OK);
    cr_assert_eq(rig_status(&rig).chosen, 2);
    rig_turn(&rig);
    cr_assert_eq(asked_for_log(1), 3, "an answer that helped is followed up at once");
    rig_close(&rig);
  }
}

Test(paxos_rules, r4_an_equal_ballot_is_answered_again_identically) {
  open_met(3);
  /* Something accepted in an older ballot, to be reported. */
  cr_assert_eq(rig_data(&rig, 1, 1, 1, "x"), GR_OK);
  cr_assert_eq(rig_accept(&rig, rig_ballot(3, 1), 1, 1, 0, rig_cut(1, 1)), GR_OK);
  cr_assert_eq(rig_status(&rig).accepted, 1);
  cr_assert_eq(rig_prepare(&rig, rig_ballot(5, 2), 1), GR_OK);
  rig_turn(&rig);
  struct heard first = *rig_heard(&rig, 2, GR_FRAME_PROMISE);
  cr_assert_eq(rig_prepare(&rig, rig_ballot(5, 2), 1), GR_OK);
  rig_turn(&rig);
  const struct heard *again = rig_heard(&rig, 2, GR_FRAME_PROMISE);
  cr_assert_not_null(again);
  cr_assert_eq(again->size, first.size);
  cr_assert_arr_eq(again->bytes, first.bytes, first.size);
  /* And it says what was accepted, and in which ballot. */
  struct gr_reader body = rig_body(&rig, 2, GR_FRAME_PROMISE);
  struct gr_promise promise;
  struct gr_log_value value;
  cr_assert(gr_promise_decode(&body, &promise));
  cr_assert(gr_log_value_decode(&body, &rig.roster, &value));
  cr_assert(gr_reader_done(&body));
  cr_assert_eq(promise.count, 1);
  cr_assert_eq(value.ballot.round, 3);
  cr_assert_eq(value.cut.marks[1].upto, 1);
}

Test(paxos_rules, r4_a_lower_ballot_is_told_of_the_higher_one) {
  open_met(3);
  cr_assert_eq(rig_prepare(&rig, rig_ballot(5, 2), 1), GR_OK);
  rig_turn(&rig);
  cr_assert_eq(rig_prepare(&rig, rig_ballot(4, 1), 1), GR_OK);
  cr_assert_eq(rig_accept(&rig, rig_ballot(4, 1), 1, 1, 0, rig_cut(1, 1)), GR_OK);
  rig_turn(&rig);
  cr_assert_null(rig_heard(&rig, 1, GR_FRAME_PROMISE));
  struct gr_reader body = rig_body(&rig, 1, GR_FRAME_ACCEPTED);
  struct gr_accepted accepted;
  cr_assert(gr_accepted_decode(&body, &accepted));
  cr_assert_eq(accepted.promised.round, 5);
  cr_assert_eq(accepted.accepted, 0);
}

Test(paxos_rules, r5_a_fetched_value_raises_the_promise_and_a_lower_leader_steps_down) {
  open_met(3);
  gr_ballot ballot = rig_lead(&rig);
  struct gr_log_value value = value_of(ballot.round + 7, 2, 2, 1);
  cr_assert_eq(rig_log(&rig, 1, 1, 1, &value, 1), GR_OK);
  gr_status status = rig_status(&rig);
  cr_assert_eq(status.role, GR_ROLE_FOLLOWER);
  cr_assert_eq(status.promised.round, ballot.round + 7);
  cr_assert_eq(status.promised.member, test_id(2));
  cr_assert_eq(status.chosen, 1);
  cr_assert_eq(rig_counters(&rig).step_downs, 1);
}

Test(paxos_rules, r5_the_leaders_word_on_its_own_ballot_is_proof) {
  open_met(5);
  gr_ballot ballot = rig_ballot(3, 1);
  cr_assert_eq(rig_data(&rig, 1, 1, 1, "x"), GR_OK);
  cr_assert_eq(rig_accept(&rig, ballot, 1, 1, 0, rig_cut(1, 1)), GR_OK);
  for (uint32_t from = 2; from >= 1; from--) { /* another member's, then the leader's */
    struct gr_accepted accepted = {.promised = ballot, .accepted = 0, .chosen = 1};
    struct gr_writer writer = rig_begin(&rig, from, GR_FRAME_ACCEPTED);
    gr_accepted_encode(&writer, &accepted);
    cr_assert_eq(rig_end(&rig, from, &writer), GR_OK);
    cr_assert_eq(rig_status(&rig).chosen, from == 1 ? 1 : 0);
  }
}

Test(paxos_rules, r5_chosen_in_a_heartbeat_is_no_proof) {
  open_met(5);
  gr_ballot ballot = rig_ballot(3, 1);
  cr_assert_eq(rig_data(&rig, 1, 1, 1, "x"), GR_OK);
  cr_assert_eq(rig_accept(&rig, ballot, 1, 1, 0, rig_cut(1, 1)), GR_OK);
  cr_assert_eq(rig_status(&rig).accepted, 1);
  struct gr_heartbeat heartbeat = rig_beat_of(&rig);
  heartbeat.promised = rig_ballot(4, 2); /* another ballot's leader knows slot 1 */
  heartbeat.leads = true;
  heartbeat.chosen = 1;
  cr_assert_eq(rig_beat(&rig, 2, &heartbeat), GR_OK);
  cr_assert_eq(rig_status(&rig).promised.round, 4);
  cr_assert_eq(rig_status(&rig).chosen, 0,
               "what was accepted may not be what was chosen");
  rig_pass(&rig, TEST_MS);
  rig_pass(&rig, 5 * TEST_MS);
  cr_assert_eq(asked_for_log(2), 1);
  /* What was chosen is another value. */
  struct gr_log_value value = value_of(4, 2, 2, 1);
  cr_assert_eq(rig_log(&rig, 2, 1, 1, &value, 1), GR_OK);
  cr_assert_eq(rig_status(&rig).chosen, 1);
  cr_assert_eq(rig_data(&rig, 2, 2, 1, "y"), GR_OK);
  gr_delivery delivery;
  cr_assert(gr_paxos_delivery(rig.paxos, &delivery));
  cr_assert_eq(delivery.origin, test_id(2));
}

Test(paxos_rules, r5_chosen_in_the_ballots_own_accept_is_proof) {
  open_met(5);
  gr_ballot ballot = rig_ballot(3, 1);
  cr_assert_eq(rig_data(&rig, 1, 1, 1, "x"), GR_OK);
  cr_assert_eq(rig_data(&rig, 1, 1, 2, "y"), GR_OK);
  cr_assert_eq(rig_accept(&rig, ballot, 1, 1, 0, rig_cut(1, 1)), GR_OK);
  cr_assert_eq(rig_status(&rig).chosen, 0, "two of five are no majority");
  cr_assert_eq(rig_accept(&rig, ballot, 2, 1, 1, rig_cut(1, 2)), GR_OK);
  cr_assert_eq(rig_status(&rig).chosen, 1);
}

Test(paxos_rules, acceptances_in_different_ballots_do_not_add_up) {
  open_met(5);
  gr_ballot ballot = rig_ballot(3, 1);
  cr_assert_eq(rig_data(&rig, 1, 1, 1, "x"), GR_OK);
  cr_assert_eq(rig_accept(&rig, ballot, 1, 1, 0, rig_cut(1, 1)), GR_OK);
  cr_assert_eq(rig_accepted(&rig, 2, rig_ballot(2, 3), 1), GR_OK);
  cr_assert_eq(rig_accepted(&rig, 3, rig_ballot(4, 3), 1), GR_OK);
  cr_assert_eq(rig_status(&rig).chosen, 0);
  cr_assert_eq(rig_accepted(&rig, 4, ballot, 1), GR_OK);
  cr_assert_eq(rig_status(&rig).chosen, 1);
}

Test(paxos_rules, r11_nothing_is_accepted_before_all_below_the_start_is_learned) {
  open_met(3);
  gr_ballot ballot = rig_ballot(3, 1);
  for (uint64_t seq = 1; seq <= 3; seq++)
    cr_assert_eq(rig_data(&rig, 1, 1, seq, "x"), GR_OK);
  cr_assert_eq(rig_accept(&rig, ballot, 3, 3, 2, rig_cut(1, 3)), GR_OK);
  cr_assert_eq(rig_status(&rig).accepted, 0);
  rig_pass(&rig, TEST_MS);
  rig_pass(&rig, 5 * TEST_MS);
  cr_assert_eq(asked_for_log(1), 1);
  struct gr_log_value values[] = {value_of(2, 2, 1, 1), value_of(2, 2, 1, 2)};
  cr_assert_eq(rig_log(&rig, 1, 1, 2, values, 1), GR_OK);
  cr_assert_eq(rig_status(&rig).accepted, 0, "slot 2 is still missing");
  cr_assert_eq(rig_log(&rig, 1, 2, 2, values + 1, 1), GR_OK);
  cr_assert_eq(rig_status(&rig).accepted, 3);
}

Test(paxos_rules, nothing_is_accepted_without_its_batches) {
  open_met(3);
  gr_ballot ballot = rig_ballot(3, 1);
  cr_assert_eq(rig_accept(&rig, ballot, 1, 1, 0, rig_cut(2, 2)), GR_OK);
  cr_assert_eq(rig_data(&rig, 2, 2, 2, "second"), GR_OK);
  cr_assert_eq(rig_status(&rig).accepted, 0);
  cr_assert_eq(rig_data(&rig, 2, 2, 1, "first"), GR_OK);
  cr_assert_eq(rig_status(&rig).accepted, 1);
}

Test(paxos_rules, slots_are_accepted_in_order) {
  open_met(3);
  gr_ballot ballot = rig_ballot(3, 1);
  for (uint64_t seq = 1; seq <= 3; seq++)
    cr_assert_eq(rig_data(&rig, 1, 1, seq, "x"), GR_OK);
  cr_assert_eq(rig_accept(&rig, ballot, 3, 1, 0, rig_cut(1, 3)), GR_OK);
  cr_assert_eq(rig_accept(&rig, ballot, 2, 1, 0, rig_cut(1, 2)), GR_OK);
  cr_assert_eq(rig_status(&rig).accepted, 0);
  cr_assert_eq(rig_accept(&rig, ballot, 1, 1, 0, rig_cut(1, 1)), GR_OK);
  cr_assert_eq(rig_status(&rig).accepted, 3);
}

Test(paxos_rules, r15_a_candidate_waits_for_the_payload_then_leads) {
  open_met(3);
  raise_rounds();
  gr_ballot ballot = become_candidate();
  struct gr_promise promise = {
      .ballot = ballot, .log_first = 1, .from = 1, .end = 2, .count = 1};
  struct gr_log_value value = value_of(1, 2, 2, 1);
  cr_assert_eq(rig_promise(&rig, 1, &promise, &value), GR_OK);
  cr_assert_eq(rig_status(&rig).role, GR_ROLE_CANDIDATE);
  rig_pass(&rig, TEST_MS);
  rig_pass(&rig, 5 * TEST_MS);
  struct gr_reader body = rig_body(&rig, 1, GR_FRAME_FETCH_DATA);
  struct gr_fetch_data fetch;
  cr_assert(gr_fetch_data_decode(&body, &rig.roster, &fetch));
  cr_assert_eq(fetch.lane, 2);
  cr_assert_eq(fetch.from, 1);
  cr_assert_eq(fetch.upto, 1);
  cr_assert_eq(rig_data(&rig, 1, 2, 1, "the payload"), GR_OK);
  cr_assert_eq(rig_status(&rig).role, GR_ROLE_LEADER);
  cr_assert_eq(rig_status(&rig).accepted, 1, "its re-proposals are out");
  rig_turn(&rig);
  body = rig_body(&rig, 1, GR_FRAME_ACCEPT);
  struct gr_accept accept;
  cr_assert(gr_accept_decode(&body, &rig.roster, &accept));
  cr_assert_eq(accept.slot, 1);
  cr_assert_eq(accept.start, 1);
  cr_assert_eq(accept.cut.marks[2].upto, 1);
  cr_assert_eq(gr_ballot_compare(accept.ballot, ballot), 0);
}

Test(paxos_rules, r15_a_candidate_that_never_gets_it_begins_anew_in_a_higher_round) {
  open_met(3);
  raise_rounds();
  gr_ballot ballot = become_candidate();
  struct gr_promise promise = {
      .ballot = ballot, .log_first = 1, .from = 1, .end = 2, .count = 1};
  struct gr_log_value value = value_of(1, 2, 2, 1);
  cr_assert_eq(rig_promise(&rig, 1, &promise, &value), GR_OK);
  rig_turn(&rig);
  gr_ballot again = become_candidate();
  cr_assert_gt(again.round, ballot.round);
}

/* What an incomplete promise has announced but not reported yet is no hole. */
Test(paxos_rules, a_majority_needs_no_more_of_a_promise_that_stays_incomplete) {
  open_met(5);
  raise_rounds();
  cr_assert_eq(rig_data(&rig, 2, 2, 1, "x"), GR_OK);
  gr_ballot ballot = become_candidate();
  struct gr_log_value value = value_of(1, 2, 2, 1);
  struct gr_promise chunk = {
      .ballot = ballot, .log_first = 1, .from = 1, .end = 4, .count = 1};
  cr_assert_eq(rig_promise(&rig, 1, &chunk, &value), GR_OK);
  struct gr_promise whole = {.ballot = ballot, .log_first = 1, .from = 1, .end = 1};
  cr_assert_eq(rig_promise(&rig, 2, &whole, NULL), GR_OK);
  cr_assert_eq(rig_status(&rig).role, GR_ROLE_CANDIDATE);
  cr_assert_eq(rig_promise(&rig, 3, &whole, NULL), GR_OK);
  cr_assert_eq(rig_status(&rig).role, GR_ROLE_LEADER);
  cr_assert_eq(gr_paxos_halt_reason(rig.paxos, NULL), GR_OK);
}

/* Of what the promises report, the highest ballot's value is proposed again. */
Test(paxos_rules, the_value_of_the_highest_ballot_is_proposed_again) {
  for (int order = 0; order < 2; order++) {
    open_met(5);
    cr_assert_eq(rig_data(&rig, 3, 3, 1, "x"), GR_OK);
    cr_assert_eq(rig_data(&rig, 4, 4, 1, "y"), GR_OK);
    cr_assert_eq(rig_prepare(&rig, rig_ballot(9, 4), 1),
                 GR_OK); /* rounds up to 9 exist */
    gr_ballot ballot = become_candidate();
    struct gr_promise promise = {
        .ballot = ballot, .log_first = 1, .from = 1, .end = 2, .count = 1};
    struct gr_log_value low = value_of(2, 3, 3, 1);
    struct gr_log_value high = value_of(7, 2, 4, 1);
    cr_assert_eq(rig_promise(&rig, 1, &promise, order == 0 ? &low : &high), GR_OK);
    cr_assert_eq(rig_promise(&rig, 2, &promise, order == 0 ? &high : &low), GR_OK);
    cr_assert_eq(rig_status(&rig).role, GR_ROLE_LEADER);
    rig_turn(&rig);
    /* Its first proposal is the re-proposal: the others come behind. */
    struct gr_accept accept = {.slot = 0};
    for (size_t i = 0; i < rig.heard_count && accept.slot != 1; i++) {
      if (rig.heard[i].type != GR_FRAME_ACCEPT) continue;
      struct gr_reader body = gr_reader_of(rig.heard[i].bytes + GR_FRAME_HEADER_BYTES,
                                           rig.heard[i].size - GR_FRAME_HEADER_BYTES);
      cr_assert(gr_accept_decode(&body, &rig.roster, &accept));
    }
    cr_assert_eq(accept.slot, 1);
    cr_assert_eq(accept.cut.lanes, gr_memberset_one(4), "order %d", order);
    rig_close(&rig);
  }
}

Test(paxos_rules, r18_what_anybody_holds_is_fetched_from_who_reports_it) {
  open_met(3);
  struct gr_heartbeat heartbeat = rig_beat_of(&rig);
  heartbeat.held[2].upto = 3; /* of member 2's lane, and member 2 says nothing of it */
  cr_assert_eq(rig_beat(&rig, 1, &heartbeat), GR_OK);
  rig_pass(&rig, TEST_MS);
  cr_assert_null(rig_heard(&rig, 1, GR_FRAME_FETCH_DATA), "it may be on its way");
  rig_pass(&rig, 5 * TEST_MS);
  struct gr_reader body = rig_body(&rig, 1, GR_FRAME_FETCH_DATA);
  struct gr_fetch_data fetch;
  cr_assert(gr_fetch_data_decode(&body, &rig.roster, &fetch));
  cr_assert_eq(fetch.lane, 2);
  cr_assert_eq(fetch.from, 1);
  cr_assert_eq(fetch.upto, 3);
  cr_assert_null(rig_heard(&rig, 2, GR_FRAME_FETCH_DATA));
  /* Of what is missing only the gap before what came out of order is asked for again. */
  cr_assert_eq(rig_data(&rig, 1, 2, 3, "3"), GR_OK);
  rig_pass(&rig, 31 * TEST_MS);
  body = rig_body(&rig, 1, GR_FRAME_FETCH_DATA);
  cr_assert(gr_fetch_data_decode(&body, &rig.roster, &fetch));
  cr_assert_eq(fetch.from, 1);
  cr_assert_eq(fetch.upto, 2);
}

/* A lane whose blocks are all taken by what is not delivered asks for nothing: it would
 * find no room. When some of it has been delivered it must, though a member that is away
 * keeps everything from being trimmed. */
Test(paxos_rules, a_full_lane_is_asked_for_again_once_something_is_delivered) {
  open_met(3);
  char text[901];
  memset(text, 'x', 900);
  text[900] = 0;
  uint64_t seq = 1;
  for (; rig_counters(&rig).data_dropped == 0; seq++)
    cr_assert_eq(rig_data(&rig, 1, 1, seq, text), GR_OK);
  uint64_t held = seq - 2; /* the last one found no room */
  for (int i = 0; i < 9; i++) {
    cr_assert_eq(rig_beat_all(&rig), GR_OK);
    rig_pass(&rig, 10 * TEST_MS);
    cr_assert_null(rig_heard(&rig, 1, GR_FRAME_FETCH_DATA));
  }
  struct gr_log_value value = value_of(1, 1, 1, held);
  cr_assert_eq(rig_log(&rig, 1, 1, 1, &value, 1), GR_OK);
  gr_delivery delivery;
  for (; gr_paxos_delivery(rig.paxos, &delivery); gr_paxos_delivered(rig.paxos))
    ;
  cr_assert_eq(rig_status(&rig).seqno, held);
  cr_assert_eq(rig_data(&rig, 1, 1, held + 1, text), GR_OK);
  cr_assert_eq(rig.paxos->lanes[1].held, held, "what only we have delivered is kept");
  bool asked = false;
  for (int i = 0; i < 20 && !asked; i++) {
    struct gr_heartbeat heartbeat = rig_beat_of(&rig);
    heartbeat.chosen = heartbeat.delivered = 1; /* so a majority has it */
    cr_assert_eq(rig_beat(&rig, 1, &heartbeat), GR_OK);
    rig_pass(&rig, 10 * TEST_MS);
    asked = rig_heard(&rig, 1, GR_FRAME_FETCH_DATA) != NULL;
  }
  cr_assert(asked);
  cr_assert_eq(rig_data(&rig, 1, 1, held + 1, text), GR_OK);
  cr_assert_eq(rig.paxos->lanes[1].held, held + 1);
}

Test(paxos_rules, r19_a_repeat_is_answered_with_the_watermark) {
  open_met(5);
  gr_ballot ballot = rig_ballot(3, 1);
  cr_assert_eq(rig_data(&rig, 1, 1, 1, "x"), GR_OK);
  cr_assert_eq(rig_accept(&rig, ballot, 1, 1, 0, rig_cut(1, 1)), GR_OK);
  rig_turn(&rig);
  cr_assert_not_null(rig_heard(&rig, 2, GR_FRAME_ACCEPTED), "to all members");
  rig_turn(&rig);
  cr_assert_eq(rig.heard_count, 0);
  cr_assert_eq(rig_accept(&rig, ballot, 1, 1, 0, rig_cut(1, 1)), GR_OK);
  rig_turn(&rig);
  struct gr_reader body = rig_body(&rig, 1, GR_FRAME_ACCEPTED);
  struct gr_accepted accepted;
  cr_assert(gr_accepted_decode(&body, &accepted));
  cr_assert_eq(accepted.accepted, 1);
  cr_assert_null(rig_heard(&rig, 2, GR_FRAME_ACCEPTED), "only to who repeated");
}

Test(paxos_rules, r19_the_leader_sends_again_what_is_not_acknowledged) {
  open_met(3);
  gr_ballot ballot = rig_lead(&rig);
  gr_slice message = {"m", 1};
  cr_assert_eq(gr_paxos_broadcast(rig.paxos, &message, 1, rig.now, NULL), GR_OK);
  rig_turn(&rig);
  for (uint32_t i = 1; i <= 2; i++) {
    cr_assert_not_null(rig_heard(&rig, i, GR_FRAME_DATA));
    cr_assert_not_null(rig_heard(&rig, i, GR_FRAME_ACCEPT));
  }
  rig_pass(&rig, 29 * TEST_MS);
  cr_assert_null(rig_heard(&rig, 1, GR_FRAME_ACCEPT));
  rig_pass(&rig, 2 * TEST_MS);
  for (uint32_t i = 1; i <= 2; i++) {
    cr_assert_not_null(rig_heard(&rig, i, GR_FRAME_ACCEPT));
    cr_assert_null(rig_heard(&rig, i, GR_FRAME_DATA), "payload only on request");
  }
  cr_assert_eq(rig_accepted(&rig, 1, ballot, 1), GR_OK);
  cr_assert_eq(rig_status(&rig).chosen, 1);
  rig_pass(&rig, 31 * TEST_MS);
  cr_assert_null(rig_heard(&rig, 1, GR_FRAME_ACCEPT));
  cr_assert_null(rig_heard(&rig, 2, GR_FRAME_ACCEPT), "what is chosen can be fetched");
}

Test(paxos_rules, a_vote_is_refused_while_the_leader_is_heard) {
  open_met(3);
  struct gr_heartbeat heartbeat = rig_beat_of(&rig);
  heartbeat.promised = rig_ballot(3, 1);
  heartbeat.leads = true;
  cr_assert_eq(rig_beat(&rig, 1, &heartbeat), GR_OK);
  for (int lost = 0; lost < 2; lost++) {
    struct gr_prevote prevote = {.ballot = rig_ballot(4, 2)};
    struct gr_writer writer = rig_begin(&rig, 2, GR_FRAME_PREVOTE);
    gr_prevote_encode(&writer, &prevote);
    cr_assert_eq(rig_end(&rig, 2, &writer), GR_OK);
    rig_turn(&rig);
    struct gr_reader body = rig_body(&rig, 2, GR_FRAME_PREVOTE_ANSWER);
    struct gr_prevote_answer answer;
    cr_assert(gr_prevote_answer_decode(&body, &answer));
    cr_assert_eq(answer.granted, lost == 1);
    cr_assert_eq(rig_status(&rig).promised.round, 3, "asking promises nothing");
    rig.now += 300 * TEST_MS; /* an election timeout without a word of the leader */
  }
}

Test(paxos_rules, a_leader_that_hears_no_majority_steps_down) {
  open_met(5);
  rig_lead(&rig);
  rig_pass(&rig, 299 * TEST_MS);
  cr_assert_eq(rig_status(&rig).role, GR_ROLE_LEADER);
  struct gr_heartbeat heartbeat = rig_beat_of(&rig);
  cr_assert_eq(rig_beat(&rig, 1, &heartbeat), GR_OK);
  rig_pass(&rig, 2 * TEST_MS); /* hears itself and one other */
  cr_assert_eq(rig_status(&rig).role, GR_ROLE_FOLLOWER);
  cr_assert_eq(rig_status(&rig).leader, 0);
}

/* It hears them all, but they do not hear it: another must lead. */
Test(paxos_rules, a_leader_that_no_majority_hears_steps_down) {
  open_met(3);
  rig_lead(&rig);
  for (int passed = 0; passed < 700; passed += 50) {
    cr_assert_eq(rig_status(&rig).role == GR_ROLE_LEADER, passed < 600, "%d", passed);
    for (uint32_t from = 1; from <= 2 && passed < 550; from++) {
      struct gr_heartbeat heartbeat = rig_beat_of(&rig);
      heartbeat.echo = 0;
      cr_assert_eq(rig_beat(&rig, from, &heartbeat), GR_OK);
    }
    rig_pass(&rig, 50 * TEST_MS);
  }
}

Test(paxos_rules, a_process_without_its_memory_is_refused_and_halts) {
  rig_open(&rig, 5, 0);
  struct gr_heartbeat heartbeat = rig_beat_of(&rig);
  heartbeat.incarnations[0] = 777; /* a former process of ours */
  for (uint32_t i = 1; i <= 3; i++) {
    cr_assert_eq(gr_paxos_halt_reason(rig.paxos, NULL), GR_OK, "after %u", i - 1);
    rig_beat(&rig, i, &heartbeat);
  }
  const char *text;
  cr_assert_eq(gr_paxos_halt_reason(rig.paxos, &text), GR_ERR_REPLACED);
  cr_assert_gt(strlen(text), 20);
  rig_turn(&rig);
  cr_assert_eq(rig.heard_count, 0, "a halted member is silent");
  cr_assert_eq(rig_beat(&rig, 4, &heartbeat), GR_ERR_HALTED);
}

Test(paxos_rules, a_formed_member_knows_no_second_process_of_a_founder) {
  open_met(3);
  struct gr_heartbeat heartbeat = rig_beat_of(&rig);
  struct gr_writer writer = rig_begin(&rig, 1, GR_FRAME_HEARTBEAT);
  heartbeat.incarnations[1] = 8001;
  gr_heartbeat_encode(&writer, &rig.roster, &heartbeat);
  gr_store_u64(rig.frame + 16, 8001); /* the sender's process, in the frame's header */
  gr_counters before = rig_counters(&rig);
  cr_assert_eq(rig_end(&rig, 1, &writer), GR_ERR_STALE);
  cr_assert_eq(rig_counters(&rig).refused_stale, before.refused_stale + 1);
}

Test(paxos_rules, frames_before_the_meeting_are_as_if_lost) {
  rig_open(&rig, 3, 0);
  struct gr_heartbeat heartbeat = rig_beat_of(&rig);
  heartbeat.formed = false;
  cr_assert_eq(rig_beat(&rig, 1, &heartbeat), GR_OK);
  cr_assert_eq(rig_prepare(&rig, rig_ballot(3, 1), 1), GR_ERR_STALE);
  rig_turn(&rig);
  cr_assert_null(rig_heard(&rig, 1, GR_FRAME_PROMISE));
  cr_assert_eq(rig_status(&rig).role, GR_ROLE_FORMING);
  cr_assert_eq(rig_status(&rig).promised.round, 0);
}

/* Another founder may know an earlier process of this one, and have taken part with it. */
Test(paxos_rules, the_word_of_one_formed_member_is_not_enough) {
  rig_open(&rig, 3, 0);
  struct gr_heartbeat heartbeat = rig_beat_of(&rig);
  cr_assert_eq(rig_beat(&rig, 1, &heartbeat), GR_OK);
  cr_assert_eq(rig_status(&rig).role, GR_ROLE_FORMING);
  cr_assert_eq(rig_prepare(&rig, rig_ballot(3, 1), 1), GR_ERR_STALE);
  cr_assert_eq(rig_beat(&rig, 2, &heartbeat), GR_OK);
  cr_assert_eq(rig_status(&rig).role, GR_ROLE_FOLLOWER);
}

Test(paxos_rules, who_is_left_behind_halts) {
  for (int kept = 0; kept < 2; kept++) {
    open_met(3);
    for (int i = 0; i < 8; i++) {
      for (uint32_t from = 1; from <= 2; from++) {
        struct gr_heartbeat heartbeat = rig_beat_of(&rig);
        heartbeat.promised = rig_ballot(3, 1);
        heartbeat.leads = from == 1;
        heartbeat.chosen = heartbeat.delivered = 200;
        heartbeat.log_first = kept == 1 && from == 2 ? 1 : 100;
        if (gr_paxos_halt_reason(rig.paxos, NULL) == GR_OK)
          cr_assert_eq(rig_beat(&rig, from, &heartbeat), GR_OK);
      }
      rig_pass(&rig, 50 * TEST_MS);
    }
    int expected = kept == 1 ? GR_OK : GR_ERR_BEHIND; /* one still has it: it is asked */
    cr_assert_eq(gr_paxos_halt_reason(rig.paxos, NULL), expected, "kept %d", kept);
    rig_close(&rig);
  }
}

Test(paxos_rules, an_idle_member_sends_nothing_but_heartbeats) {
  open_met(3);
  rig_lead(&rig);
  for (int i = 0; i < 100; i++) {
    for (uint32_t from = 1; from <= 2; from++) {
      struct gr_heartbeat heartbeat = rig_beat_of(&rig);
      heartbeat.promised = rig_status(&rig).promised;
      cr_assert_eq(rig_beat(&rig, from, &heartbeat), GR_OK);
    }
    rig_pass(&rig, 10 * TEST_MS);
    for (size_t k = 0; k < rig.heard_count; k++)
      cr_assert_eq(rig.heard[k].type, GR_FRAME_HEARTBEAT);
  }
  cr_assert_eq(rig_status(&rig).role, GR_ROLE_LEADER);
}
