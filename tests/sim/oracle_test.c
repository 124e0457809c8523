/* SPDX-License-Identifier: MIT
 *
 * The oracle is tested too: it is told histories with one thing wrong, and must say what;
 * and one with nothing wrong, about which it must be silent.
 */
#include "oracle_history.h"

TestSuite(oracle, .init = begin, .fini = end);

/* ---- histories ---- */

Test(oracle, is_silent_about_a_good_history) {
  prepare();
  for (uint32_t member = 0; member < MEMBERS; member++) {
    trace(member, GR_TRACE_CHOSEN, first_ballot, 2);
    deliver(member, 1, 0, 1, 1);
    deliver(member, 2, 1, 1, 1);
    deliver(member, 3, 0, 2, 2);
    deliver(member, 4, 1, 2, 2);
    sim_oracle_status(oracle, member,
                      &(gr_status){.promised = first_ballot,
                                   .chosen = 2,
                                   .delivered = 2,
                                   .seqno = 4,
                                   .cache_bytes_max = 1000});
  }
  cr_expect_null(oracle->failure.invariant, "%s", oracle->failure.text);
  cr_expect_eq(oracle->order_count, 4);
}

Test(oracle, finds_two_messages_swapped) {
  prepare();
  deliver(0, 1, 0, 1, 1);
  deliver(1, 1, 1, 1, 1);
  expect("A1");
}

Test(oracle, finds_a_message_delivered_twice) {
  prepare();
  deliver(0, 1, 0, 1, 1);
  deliver(0, 2, 0, 1, 1);
  expect("A2");
}

Test(oracle, finds_a_message_delivered_twice_where_another_delivered_it_once) {
  prepare();
  deliver(0, 1, 0, 1, 1);
  deliver(0, 2, 1, 1, 1);
  deliver(1, 1, 0, 1, 1);
  deliver(1, 2, 0, 1, 1);
  expect("A1");
}

Test(oracle, finds_a_message_left_out) {
  prepare();
  deliver(0, 1, 0, 2, 1);
  expect("A3");
}

Test(oracle, finds_a_seqno_left_out) {
  prepare();
  deliver(0, 1, 0, 1, 1);
  deliver(0, 3, 0, 2, 1);
  expect("A3");
}

Test(oracle, finds_one_members_messages_out_of_their_order) {
  prepare();
  deliver(0, 1, 1, 1, 1);
  deliver(0, 2, 0, 2, 1);
  deliver(0, 3, 0, 1, 1);
  expect("A3");
}

Test(oracle, finds_a_message_that_nobody_broadcast) {
  prepare();
  deliver(0, 1, 2, 1, 1);
  expect("A2");
}

Test(oracle, finds_a_byte_changed_at_the_first_to_deliver) {
  uint8_t bytes[11];
  prepare();
  memcpy(bytes, sim_content_at(content, 0, 0, 1), sizeof(bytes));
  bytes[10] ^= 1;
  deliver_bytes(0, 1, 0, 1, 1, bytes, sizeof(bytes));
  expect("A2");
}

Test(oracle, finds_a_byte_changed_at_the_second_to_deliver) {
  uint8_t bytes[11];
  prepare();
  deliver(0, 1, 0, 1, 1);
  memcpy(bytes, sim_content_at(content, 0, 0, 1), sizeof(bytes));
  bytes[0] ^= 1;
  deliver_bytes(1, 1, 0, 1, 1, bytes, sizeof(bytes));
  expect("A2");
}

Test(oracle, finds_a_message_cut_short) {
  prepare();
  deliver_bytes(0, 1, 0, 1, 1, sim_content_at(content, 0, 0, 1), 10);
  expect("A2");
}

Test(oracle, finds_a_message_in_two_slots) {
  prepare();
  deliver(0, 1, 0, 1, 1);
  deliver(1, 1, 0, 1, 2);
  expect("A4");
}

Test(oracle, finds_a_delivery_of_what_is_not_chosen) {
  prepare();
  deliver(0, 1, 0, 1, 3);
  expect("A4");
}

Test(oracle, finds_what_no_majority_accepted_taken_for_chosen) {
  lead();
  trace(0, GR_TRACE_PROPOSE, first_ballot, 1);
  trace(0, GR_TRACE_CHOSEN, first_ballot, 1);
  expect("A4");
}

Test(oracle, does_not_add_up_acceptances_of_two_ballots) {
  const gr_ballot second = {.view = 1, .round = 2, .member = 2};
  lead();
  trace(0, GR_TRACE_PROPOSE, first_ballot, 1);
  promise_all(second);
  trace(1, GR_TRACE_LEADER, second, 1);
  trace(1, GR_TRACE_PROPOSE, second, 1);
  trace(2, GR_TRACE_CHOSEN, second, 1);
  expect("A4");
}

Test(oracle, finds_a_broken_promise) {
  const gr_ballot second = {.view = 1, .round = 2, .member = 2};
  lead();
  promise_all(second);
  trace(2, GR_TRACE_ACCEPT, first_ballot, 1);
  expect("A4");
}

Test(oracle, finds_a_promise_lowered) {
  lead();
  trace(1, GR_TRACE_PROMISE, (gr_ballot){.view = 1, .round = 1, .member = 0}, 0);
  expect("A4");
}

Test(oracle, finds_two_leaders_of_a_ballot) {
  lead();
  trace(1, GR_TRACE_LEADER, first_ballot, 1);
  expect("A4");
}

Test(oracle, finds_a_leader_who_begins_behind_what_is_not_chosen) {
  promise_all(first_ballot);
  trace(0, GR_TRACE_LEADER, first_ballot, 2);
  expect("A4");
}

Test(oracle, finds_a_mark_that_goes_back) {
  prepare();
  sim_oracle_status(oracle, 0, &(gr_status){.chosen = 2, .cache_bytes_max = 1000});
  sim_oracle_status(oracle, 0, &(gr_status){.chosen = 1, .cache_bytes_max = 1000});
  expect("A4");
}

Test(oracle, finds_slots_forgotten_that_no_majority_delivered) {
  prepare();
  sim_oracle_status(
      oracle, 0,
      &(gr_status){.chosen = 2, .delivered = 2, .log_first = 1, .cache_bytes_max = 1000});
  sim_oracle_status(
      oracle, 0,
      &(gr_status){.chosen = 2, .delivered = 2, .log_first = 3, .cache_bytes_max = 1000});
  expect("I-EVICT-1");
}

Test(oracle, finds_a_cache_over_its_limit) {
  sim_oracle_status(oracle, 0,
                    &(gr_status){.cache_bytes = 1001, .cache_bytes_max = 1000});
  expect("A10");
}

Test(oracle, finds_more_unordered_than_is_allowed) {
  sim_oracle_status(oracle, 0,
                    &(gr_status){.unordered_bytes = 1100, .cache_bytes_max = 1000});
  expect("A10");
}

Test(oracle, finds_a_message_ordered_without_a_majority) {
  uint32_t links[SIM_SERVERS_MAX] = {0, 1 << 2, 1 << 1};
  lead();
  oracle->now = 10;
  sim_oracle_links(oracle, links, false);
  oracle->now = 11;
  broadcast(0, 1);
  choose(1);
  deliver(0, 1, 0, 1, 1);
  expect("A8");
}

Test(oracle, allows_what_was_broadcast_before_the_cut) {
  uint32_t links[SIM_SERVERS_MAX] = {0, 1 << 2, 1 << 1};
  lead();
  oracle->now = 10;
  broadcast(0, 1);
  oracle->now = 11;
  sim_oracle_links(oracle, links, false);
  choose(1);
  deliver(0, 1, 0, 1, 1);
  cr_expect_null(oracle->failure.invariant, "%s", oracle->failure.text);
}

Test(oracle, finds_a_second_process_that_takes_part) {
  oracle->now = 20;
  sim_oracle_died(oracle, 2);
  sim_oracle_born(oracle, 2, 1);
  trace(2, GR_TRACE_FORMED, first_ballot, 0);
  expect("I-MEET-1");
}

Test(oracle, finds_a_delivery_by_who_does_not_take_part) {
  prepare();
  sim_oracle_died(oracle, 2);
  sim_oracle_born(oracle, 2, 1);
  deliver(2, 1, 0, 1, 1);
  expect("I-MEET-1");
}

Test(oracle, finds_a_halt_without_a_reason) {
  sim_oracle_halt(oracle, 0, GR_ERR_INVARIANT, "I-TEST-1");
  expect("HALT");
}

Test(oracle, finds_a_member_left_behind_where_none_may_be) {
  sim_oracle_halt(oracle, 0, GR_ERR_BEHIND, "");
  expect("HALT");
}

Test(oracle, allows_a_process_without_memory_to_be_refused) {
  sim_oracle_died(oracle, 2);
  sim_oracle_born(oracle, 2, 1);
  sim_oracle_halt(oracle, 2, GR_ERR_REPLACED, "");
  cr_expect_null(oracle->failure.invariant, "%s", oracle->failure.text);
}

/* ---- members with storage ---- */

static void begin_durable(void) {
  begin();
  oracle->bounds.durable = true;
}

TestSuite(oracle_durable, .init = begin_durable, .fini = end);

/* The leader's acceptance comes like that of any other. */
static void choose_durably(gr_slot slot) {
  trace(0, GR_TRACE_ACCEPT, first_ballot, slot);
  choose(slot);
}

static void come_back(uint32_t member, uint32_t generation, gr_seqno applied,
                      gr_status status) {
  sim_oracle_died(oracle, member);
  sim_oracle_born(oracle, member, generation);
  sim_oracle_restores(oracle, member, applied, false);
  status.role = GR_ROLE_FOLLOWER;
  sim_oracle_resumed(oracle, member, &status);
}

Test(oracle_durable, is_silent_about_a_member_that_comes_back) {
  lead();
  broadcast(0, 1);
  broadcast(1, 1);
  choose_durably(1);
  sim_oracle_told(oracle, 1, first_ballot, 1);
  deliver(1, 1, 0, 1, 1);
  deliver(1, 2, 1, 1, 1);
  sim_oracle_died(oracle, 1);
  sim_oracle_born(oracle, 1, 1);
  sim_oracle_restores(oracle, 1, 1, false);
  deliver(1, 2, 1, 1, 1);
  sim_oracle_resumed(oracle, 1,
                     &(gr_status){.role = GR_ROLE_FOLLOWER,
                                  .promised = first_ballot,
                                  .accepted = 1,
                                  .boot = 2});
  sim_oracle_speaks(oracle, 1);
  sim_oracle_complete(oracle, 1);
  cr_expect_null(oracle->failure.invariant, "%s", oracle->failure.text);
}

Test(oracle_durable, does_not_count_a_proposal_as_accepted) {
  lead();
  trace(0, GR_TRACE_PROPOSE, first_ballot, 1);
  trace(1, GR_TRACE_ACCEPT, first_ballot, 1);
  trace(1, GR_TRACE_CHOSEN, first_ballot, 1);
  expect("A4");
}

Test(oracle_durable, finds_a_promise_forgotten) {
  lead();
  sim_oracle_told(oracle, 2, first_ballot, 0);
  come_back(2, 1, 0, (gr_status){0});
  expect("A5");
}

Test(oracle_durable, finds_an_acceptance_forgotten) {
  lead();
  choose_durably(1);
  come_back(1, 1, 0, (gr_status){.promised = first_ballot});
  sim_oracle_reports(oracle, 1, 1, 1);
  expect("A5");
}

Test(oracle_durable, finds_an_acceptance_replaced_by_an_older_one) {
  const gr_ballot second = {.view = 1, .round = 2, .member = 2};
  lead();
  choose_durably(1);
  promise_all(second);
  trace(1, GR_TRACE_LEADER, second, 1);
  trace(1, GR_TRACE_ACCEPT, second, 1);
  sim_oracle_reports(oracle, 1, 1, 2);
  sim_oracle_reports_value(oracle, 1, 1, second);
  cr_expect_null(oracle->failure.invariant, "%s", oracle->failure.text);
  sim_oracle_reports_value(oracle, 1, 1, first_ballot);
  expect("A5");
}

Test(oracle_durable, finds_an_acceptance_told_that_is_not_durable) {
  lead();
  sim_oracle_told(oracle, 1, first_ballot, 1);
  expect("A5");
}

Test(oracle_durable, finds_a_settled_slot_that_is_gone) {
  lead();
  choose_durably(1);
  sim_oracle_status(oracle, 0,
                    &(gr_status){.promised = first_ballot,
                                 .chosen = 1,
                                 .settled = 1,
                                 .cache_bytes_max = 1000});
  come_back(0, 1, 0, (gr_status){.promised = first_ballot, .accepted = 1, .chosen = 1});
  expect("A5");
}

Test(oracle_durable, finds_a_boot_used_twice) {
  come_back(0, 1, 0, (gr_status){.boot = 2});
  sim_oracle_speaks(oracle, 0);
  come_back(0, 2, 0, (gr_status){.boot = 2});
  sim_oracle_speaks(oracle, 0);
  expect("A5");
}

Test(oracle_durable, finds_a_ballot_led_by_two_processes) {
  lead();
  come_back(0, 1, 0, (gr_status){.promised = first_ballot});
  trace(0, GR_TRACE_PROPOSE, first_ballot, 1);
  expect("A4");
}

Test(oracle_durable, finds_what_the_host_applied_delivered_again) {
  lead();
  broadcast(0, 1);
  choose_durably(1);
  deliver(1, 1, 0, 1, 1);
  sim_oracle_died(oracle, 1);
  sim_oracle_born(oracle, 1, 1);
  sim_oracle_restores(oracle, 1, 1, false);
  deliver(1, 1, 0, 1, 1);
  expect("A3");
}

Test(oracle_durable, finds_a_message_of_a_former_process_behind_those_of_the_next) {
  lead();
  broadcast(0, 1);
  broadcast(0, 2);
  choose_durably(1);
  deliver(1, 1, 0, 1, 1);
  come_back(0, 1, 0, (gr_status){.promised = first_ballot, .accepted = 1});
  broadcast(0, 2);
  deliver(1, 2, 0, 2, 1);
  expect("A2");
}

Test(oracle_durable, finds_a_delivery_that_is_lost) {
  lead();
  broadcast(0, 1);
  choose_durably(1);
  deliver(1, 1, 0, 1, 1);
  sim_oracle_complete(oracle, 0);
  expect("A5");
}

Test(oracle_durable, finds_a_wiped_member_that_takes_part) {
  sim_oracle_died(oracle, 2);
  sim_oracle_born(oracle, 2, 1);
  sim_oracle_restores(oracle, 2, 0, true);
  sim_oracle_resumed(oracle, 2, &(gr_status){0});
  trace(2, GR_TRACE_FORMED, first_ballot, 0);
  expect("I-MEET-1");
}
