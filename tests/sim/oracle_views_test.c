/* SPDX-License-Identifier: MIT
 *
 * The oracle and views: histories with one thing wrong, as in oracle_test.c.
 */
#include "oracle_history.h"

TestSuite(oracle_views, .init = begin, .fini = end);

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

Test(oracle_views, is_silent_about_a_good_view) {
  for (uint32_t member = 0; member < MEMBERS; member++)
    tell_view(member, 2, 0, GR_VIEW_JOINED, 4, joined, 4);
  cr_expect_null(oracle->failure.invariant, "%s", oracle->failure.text);
  cr_expect_eq(sim_oracle_view_now(oracle)->voters, 3);
}

Test(oracle_views, finds_two_views_of_one_number) {
  static const gr_view_member others[] = {{1, GR_MEMBER_ONLINE, UUID(1)},
                                          {2, GR_MEMBER_ONLINE, UUID(2)}};
  tell_view(0, 2, 0, GR_VIEW_JOINED, 4, joined, 4);
  tell_view(1, 2, 0, GR_VIEW_LEFT, 3, others, 2);
  expect("A6");
}

Test(oracle_views, finds_a_view_behind_another_message) {
  prepare();
  tell_view(0, 2, 0, GR_VIEW_JOINED, 4, joined, 4);
  deliver(1, 1, 0, 1, 1);
  tell_view(1, 2, 1, GR_VIEW_JOINED, 4, joined, 4);
  expect("A6");
}

Test(oracle_views, finds_a_view_left_out) {
  tell_view(0, 3, 0, GR_VIEW_JOINED, 4, joined, 4);
  expect("A6");
}

Test(oracle_views, finds_one_server_twice_in_a_view) {
  static const gr_view_member twice[] = {{1, GR_MEMBER_ONLINE, UUID(1)},
                                         {2, GR_MEMBER_ONLINE, UUID(2)},
                                         {3, GR_MEMBER_ONLINE, UUID(3)},
                                         {4, GR_MEMBER_RECOVERING, UUID(3)}};
  tell_view(0, 2, 0, GR_VIEW_JOINED, 4, twice, 4);
  expect("A6");
}

Test(oracle_views, finds_an_id_used_again) {
  static const gr_view_member left[] = {{1, GR_MEMBER_ONLINE, UUID(1)},
                                        {2, GR_MEMBER_ONLINE, UUID(2)}};
  static const gr_view_member again[] = {{1, GR_MEMBER_ONLINE, UUID(1)},
                                         {2, GR_MEMBER_ONLINE, UUID(2)},
                                         {3, GR_MEMBER_RECOVERING, UUID(4)}};
  tell_view(0, 2, 0, GR_VIEW_LEFT, 3, left, 2);
  tell_view(0, 3, 0, GR_VIEW_JOINED, 3, again, 3);
  expect("A6");
}

/* Of three voters one is no majority. */
Test(oracle_views, finds_an_expulsion_that_too_few_asked_for) {
  static const gr_view_member left[] = {{1, GR_MEMBER_ONLINE, UUID(1)},
                                        {2, GR_MEMBER_ONLINE, UUID(2)}};
  gr_trace_event suspicion = {.kind = GR_TRACE_SUSPECT, .member = 3, .value = 1};
  sim_oracle_trace(oracle, 0, &suspicion);
  tell_view(0, 2, 0, GR_VIEW_SILENT, 3, left, 2);
  expect("A6");
}

Test(oracle_views, is_silent_about_an_expulsion_that_a_majority_asked_for) {
  static const gr_view_member left[] = {{1, GR_MEMBER_ONLINE, UUID(1)},
                                        {2, GR_MEMBER_ONLINE, UUID(2)}};
  gr_trace_event suspicion = {.kind = GR_TRACE_SUSPECT, .member = 3, .value = 1};
  sim_oracle_trace(oracle, 0, &suspicion);
  sim_oracle_trace(oracle, 1, &suspicion);
  tell_view(0, 2, 0, GR_VIEW_SILENT, 3, left, 2);
  cr_expect_null(oracle->failure.invariant, "%s", oracle->failure.text);
}

/* Of four voters two are no majority, of three they were. */
Test(oracle_views, counts_the_voters_of_the_ballots_own_view) {
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

Test(oracle_views, does_not_count_a_learner) {
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

Test(oracle_views, finds_two_histories) {
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

Test(oracle_views, finds_a_host_that_made_something_else_of_the_messages) {
  prepare();
  deliver(0, 1, 0, 1, 1);
  struct sim_data data = sim_oracle_data(oracle, 1);
  data.hash ^= 1;
  sim_oracle_history(oracle, 1, &data);
  expect("A7");
}

Test(oracle_views, finds_a_state_that_may_not_follow) {
  sim_oracle_state(oracle, 0, GR_MEMBER_ONLINE, GR_MEMBER_RECOVERING, GR_OK);
  expect("STATE");
}
