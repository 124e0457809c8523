/* SPDX-License-Identifier: MIT
 *
 * membership/quorum.h: a majority, lost, given up, and back.
 */
#include "membership/quorum.h"

#include <criterion/criterion.h>

#define S UINT64_C(1000000000)

/* How many voters must be reachable, and how many may fail, for each size of group. */
Test(membership_quorum, majorities_of_one_to_nine) {
  static const struct {
    uint32_t voters;
    uint32_t majority;
    uint32_t tolerated;
  } cases[] = {{1, 1, 0}, {2, 2, 0}, {3, 2, 1}, {4, 3, 1}, {5, 3, 2},
               {6, 4, 2}, {7, 4, 3}, {8, 5, 3}, {9, 5, 4}};
  for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
    uint32_t n = cases[i].voters;
    gr_memberset voters = gr_memberset_first(n);
    for (uint32_t failed = 0; failed <= n; failed++) {
      struct gr_quorum quorum = {.state = GR_QUORUM_HELD};
      gr_memberset reachable = gr_memberset_first(n - failed);
      bool held =
          gr_quorum_update(&quorum, voters, reachable, 30 * S, 1) == GR_QUORUM_HELD;
      cr_assert_eq(held, failed <= cases[i].tolerated, "%u of %u failed", failed, n);
      cr_assert_eq(held, n - failed >= cases[i].majority);
    }
  }
}

Test(membership_quorum, learners_do_not_count) {
  struct gr_quorum quorum = {.state = GR_QUORUM_HELD};
  gr_memberset voters = gr_memberset_first(3);
  gr_memberset one_and_learners = gr_memberset_first(8) & ~gr_memberset_first(2);
  cr_assert_eq(gr_quorum_update(&quorum, voters, one_and_learners, 30 * S, 1),
               GR_QUORUM_LOST);
}

/* One long story: time in seconds, who of three can be reached, and what follows. */
Test(membership_quorum, lost_given_up_and_back) {
  static const struct {
    gr_time now;
    uint32_t reachable;
    enum gr_quorum_state state;
    gr_time deadline;
  } steps[] = {
      {1, 3, GR_QUORUM_HELD, GR_TIME_NEVER},
      {2, 1, GR_QUORUM_LOST, 32 * S},
      {20, 1, GR_QUORUM_LOST, 32 * S}, /* lost since the first time */
      {21, 2, GR_QUORUM_HELD, GR_TIME_NEVER},
      {22, 1, GR_QUORUM_LOST, 52 * S}, /* a new loss, a new timeout */
      {51, 1, GR_QUORUM_LOST, 52 * S},
      {52, 1, GR_QUORUM_GIVEN_UP, GR_TIME_NEVER},
      {99, 1, GR_QUORUM_GIVEN_UP, GR_TIME_NEVER},
      {100, 2, GR_QUORUM_HELD, GR_TIME_NEVER},
      {101, 1, GR_QUORUM_LOST, 131 * S},
  };
  struct gr_quorum quorum = {.state = GR_QUORUM_HELD};
  for (size_t i = 0; i < sizeof(steps) / sizeof(steps[0]); i++) {
    enum gr_quorum_state state = gr_quorum_update(&quorum, gr_memberset_first(3),
                                                  gr_memberset_first(steps[i].reachable),
                                                  30 * S, steps[i].now * S);
    cr_assert_eq(state, steps[i].state, "step %zu", i);
    cr_assert_eq(quorum.state, state);
    cr_assert_eq(gr_quorum_deadline(&quorum, 30 * S), steps[i].deadline, "step %zu", i);
  }
}

Test(membership_quorum, without_a_timeout_it_never_gives_up) {
  struct gr_quorum quorum = {.state = GR_QUORUM_HELD};
  for (gr_time now = 1; now < UINT64_MAX / 2; now *= 2)
    cr_assert_eq(gr_quorum_update(&quorum, gr_memberset_first(3), gr_memberset_first(1),
                                  GR_TIME_NEVER, now),
                 GR_QUORUM_LOST);
  cr_assert_eq(gr_quorum_deadline(&quorum, GR_TIME_NEVER), GR_TIME_NEVER);
  cr_assert_eq(quorum.lost_since, 1);
}
