/* SPDX-License-Identifier: MIT
 *
 * The oracle is tested too: it is told histories with one thing wrong, and must say what;
 * and one with nothing wrong, about which it must be silent.
 */
#include "memory.h"
#include "oracle.h"

#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>

#define MEMBERS 3

static struct sim_content *content;
static struct sim_oracle *oracle;

static const gr_ballot first_ballot = {.view = 1, .round = 1, .member = 1};

static void begin(void) {
  content = sim_allocate(sizeof(*content));
  oracle = memset(sim_allocate(sizeof(*oracle)), 0, sizeof(*oracle));
  sim_content_fill(content);
  sim_oracle_begin(oracle, content, MEMBERS,
                   (struct sim_bounds){.cache_bytes_max = 1000,
                                       .unordered_bytes_max = 1000,
                                       .message_bytes_max = 1000});
  oracle->now = 1;
  for (uint32_t i = 0; i < MEMBERS; i++) {
    sim_oracle_born(oracle, i, 0);
    sim_oracle_trace(oracle, i, &(gr_trace_event){.kind = GR_TRACE_FORMED});
  }
}

static void end(void) {
  sim_oracle_release(oracle);
  free(oracle);
  free(content);
}

/* ---- what members do, in short ---- */

static void trace(uint32_t member, enum gr_trace_kind kind, gr_ballot ballot,
                  gr_slot slot) {
  sim_oracle_trace(oracle, member,
                   &(gr_trace_event){.kind = kind, .ballot = ballot, .slot = slot});
}

static void promise_all(gr_ballot ballot) {
  for (uint32_t i = 0; i < MEMBERS; i++) trace(i, GR_TRACE_PROMISE, ballot, 0);
}

/* Slots up to this one are chosen, in the first ballot. */
static void choose(gr_slot slot) {
  trace(0, GR_TRACE_PROPOSE, first_ballot, slot);
  trace(1, GR_TRACE_ACCEPT, first_ballot, slot);
}

static void lead(void) {
  promise_all(first_ballot);
  trace(0, GR_TRACE_LEADER, first_ballot, 1);
}

static void deliver_bytes(uint32_t member, gr_seqno seqno, uint32_t origin,
                          uint64_t number, gr_slot slot, const uint8_t *bytes,
                          size_t size) {
  gr_slice parts[2] = {{bytes, size / 3}, {bytes + size / 3, size - size / 3}};
  sim_oracle_deliver(oracle, member,
                     &(gr_delivery){.seqno = seqno,
                                    .origin = origin + 1,
                                    .number = number,
                                    .parts = parts,
                                    .part_count = 2,
                                    .bytes = size},
                     slot);
}

/* Messages are of 10 bytes and their number. */
static void broadcast(uint32_t member, uint64_t number) {
  sim_oracle_broadcast(oracle, member, number, (uint32_t)(10 + number));
}

static void deliver(uint32_t member, gr_seqno seqno, uint32_t origin, uint64_t number,
                    gr_slot slot) {
  deliver_bytes(member, seqno, origin, number, slot,
                sim_content_at(content, origin, 0, number), 10 + number);
}

/* Two messages of each of two members, chosen in slots 1 and 2. */
static void prepare(void) {
  lead();
  for (uint64_t number = 1; number <= 2; number++) {
    broadcast(0, number);
    broadcast(1, number);
  }
  choose(1);
  choose(2);
}

static void expect(const char *invariant) {
  cr_assert_not_null(oracle->failure.invariant, "nothing was found; expected %s",
                     invariant);
  cr_expect_str_eq(oracle->failure.invariant, invariant, "found %s: %s",
                   oracle->failure.invariant, oracle->failure.text);
}

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

/* ---- views ---- */

static void tell_view(uint32_t member, uint64_t number, gr_seqno seqno,
                      enum gr_view_reason reason, gr_member_id who,
                      const gr_view_member *members, size_t count) {
  sim_oracle_told_view(oracle, member,
                       &(gr_view){.number = number,
                                  .seqno = seqno,
                                  .reason = reason,
                                  .member = who,
                                  .members = members,
                                  .count = count});
}

#define UUID(byte)                                                                       \
  {                                                                                      \
    .uuid = { {byte} }                                                                   \
  }

static const gr_view_member joined[] = {{1, GR_MEMBER_ONLINE, UUID(1)},
                                        {2, GR_MEMBER_ONLINE, UUID(2)},
                                        {3, GR_MEMBER_ONLINE, UUID(3)},
                                        {4, GR_MEMBER_RECOVERING, UUID(4)}};

Test(oracle, is_silent_about_a_good_view) {
  for (uint32_t member = 0; member < MEMBERS; member++)
    tell_view(member, 2, 0, GR_VIEW_JOINED, 4, joined, 4);
  cr_expect_null(oracle->failure.invariant, "%s", oracle->failure.text);
  cr_expect_eq(sim_oracle_view_now(oracle)->voters, 3);
}

Test(oracle, finds_two_views_of_one_number) {
  static const gr_view_member others[] = {{1, GR_MEMBER_ONLINE, UUID(1)},
                                          {2, GR_MEMBER_ONLINE, UUID(2)}};
  tell_view(0, 2, 0, GR_VIEW_JOINED, 4, joined, 4);
  tell_view(1, 2, 0, GR_VIEW_LEFT, 3, others, 2);
  expect("A6");
}

Test(oracle, finds_a_view_behind_another_message) {
  prepare();
  tell_view(0, 2, 0, GR_VIEW_JOINED, 4, joined, 4);
  deliver(1, 1, 0, 1, 1);
  tell_view(1, 2, 1, GR_VIEW_JOINED, 4, joined, 4);
  expect("A6");
}

Test(oracle, finds_a_view_left_out) {
  tell_view(0, 3, 0, GR_VIEW_JOINED, 4, joined, 4);
  expect("A6");
}

Test(oracle, finds_one_server_twice_in_a_view) {
  static const gr_view_member twice[] = {{1, GR_MEMBER_ONLINE, UUID(1)},
                                         {2, GR_MEMBER_ONLINE, UUID(2)},
                                         {3, GR_MEMBER_ONLINE, UUID(3)},
                                         {4, GR_MEMBER_RECOVERING, UUID(3)}};
  tell_view(0, 2, 0, GR_VIEW_JOINED, 4, twice, 4);
  expect("A6");
}

Test(oracle, finds_an_id_used_again) {
  static const gr_view_member left[] = {{1, GR_MEMBER_ONLINE, UUID(1)},
                                        {2, GR_MEMBER_ONLINE, UUID(2)}};
  static const gr_view_member again[] = {{1, GR_MEMBER_ONLINE, UUID(1)},
                                         {2, GR_MEMBER_ONLINE, UUID(2)},
                                         {3, GR_MEMBER_RECOVERING, UUID(4)}};
  tell_view(0, 2, 0, GR_VIEW_LEFT, 3, left, 2);
  tell_view(0, 3, 0, GR_VIEW_JOINED, 3, again, 3);
  expect("A6");
}

/* Of four voters two are no majority, of three they were. */
Test(oracle, counts_the_voters_of_the_ballots_own_view) {
  static const gr_view_member online[] = {{1, GR_MEMBER_ONLINE, UUID(1)},
                                          {2, GR_MEMBER_ONLINE, UUID(2)},
                                          {3, GR_MEMBER_ONLINE, UUID(3)},
                                          {4, GR_MEMBER_ONLINE, UUID(4)}};
  const gr_ballot ballot = {.view = 3, .round = 1, .member = 1};
  tell_view(0, 2, 0, GR_VIEW_JOINED, 4, joined, 4);
  tell_view(0, 3, 0, GR_VIEW_ONLINE, 4, online, 4);
  promise_all(ballot);
  trace(0, GR_TRACE_LEADER, ballot, 1);
  trace(0, GR_TRACE_PROPOSE, ballot, 1);
  trace(1, GR_TRACE_ACCEPT, ballot, 1);
  cr_expect_eq(oracle->chosen, 0);
  trace(2, GR_TRACE_ACCEPT, ballot, 1);
  cr_expect_eq(oracle->chosen, 1);
}

Test(oracle, does_not_count_a_learner) {
  const gr_ballot ballot = {.view = 2, .round = 1, .member = 1};
  tell_view(0, 2, 0, GR_VIEW_JOINED, 4, joined, 4);
  sim_oracle_admitted(oracle, 3, 0, 0);
  promise_all(ballot);
  trace(3, GR_TRACE_PROMISE, ballot, 0);
  trace(0, GR_TRACE_LEADER, ballot, 1);
  trace(0, GR_TRACE_PROPOSE, ballot, 1);
  trace(3, GR_TRACE_ACCEPT, ballot, 1);
  trace(0, GR_TRACE_CHOSEN, ballot, 1);
  expect("A4");
}

Test(oracle, finds_two_histories) {
  prepare();
  deliver(0, 1, 0, 1, 1);
  struct sim_data data = sim_oracle_data(oracle, 1);
  data.digest = 7;
  sim_oracle_history(oracle, 0, &data);
  cr_expect_null(oracle->failure.invariant, "%s", oracle->failure.text);
  data.digest = 8;
  sim_oracle_history(oracle, 1, &data);
  expect("A7");
}

Test(oracle, finds_a_host_that_made_something_else_of_the_messages) {
  prepare();
  deliver(0, 1, 0, 1, 1);
  struct sim_data data = sim_oracle_data(oracle, 1);
  data.hash ^= 1;
  sim_oracle_history(oracle, 1, &data);
  expect("A7");
}

Test(oracle, finds_a_state_that_may_not_follow) {
  sim_oracle_state(oracle, 0, GR_MEMBER_ONLINE, GR_MEMBER_RECOVERING, GR_OK);
  expect("STATE");
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
