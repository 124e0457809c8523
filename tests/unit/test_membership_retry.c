/* SPDX-License-Identifier: MIT
 *
 * membership/retry.h: when the next attempt is due, and when there is none.
 */
#include "membership/retry.h"

#include <criterion/criterion.h>

#define S UINT64_C(1000000000)

/* Waits in seconds before each of up to twelve attempts that all fail; 0 ends the list.
 */
Test(membership_retry, waits_double_up_to_the_longest) {
  static const struct {
    struct gr_retry_settings settings;
    gr_time waits[12];
  } cases[] = {
      {{1 * S, 300 * S, 3}, {1, 2, 4}},
      {{1 * S, 300 * S, 11}, {1, 2, 4, 8, 16, 32, 64, 128, 256, 300, 300}},
      {{5 * S, 8 * S, 3}, {5, 8, 8}},
      {{4 * S, 8 * S, 3}, {4, 8, 8}},
      {{9 * S, 8 * S, 2}, {8, 8}},
      {{1 * S, 300 * S, 1}, {1}},
      {{1 * S, 300 * S, 0}, {0}},
  };
  for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
    const struct gr_retry_settings *settings = &cases[i].settings;
    struct gr_retry retry = {.state = GR_RETRY_IDLE};
    gr_time now = 1000 * S;
    gr_retry_start(&retry, settings, now);
    for (uint32_t attempt = 0; cases[i].waits[attempt] != 0; attempt++) {
      gr_time due = now + cases[i].waits[attempt] * S;
      cr_assert_eq(retry.state, GR_RETRY_WAITING);
      cr_assert_eq(gr_retry_deadline(&retry), due, "case %zu, attempt %u", i, attempt);
      cr_assert(!gr_retry_next(&retry, due - 1));
      cr_assert(gr_retry_next(&retry, due));
      cr_assert_eq(retry.attempts, attempt + 1);
      cr_assert_eq(retry.state, GR_RETRY_TRYING);
      cr_assert(!gr_retry_next(&retry, due + 1000 * S), "one at a time");
      cr_assert_eq(gr_retry_deadline(&retry), GR_TIME_NEVER);
      now = due + 3 * S; /* so long it took to fail */
      gr_retry_failed(&retry, settings, now);
    }
    cr_assert_eq(retry.state, GR_RETRY_EXHAUSTED, "case %zu", i);
    cr_assert_eq(gr_retry_deadline(&retry), GR_TIME_NEVER);
    cr_assert(!gr_retry_next(&retry, UINT64_MAX - 1));
  }
}

Test(membership_retry, waits_stay_the_longest_for_ever) {
  const struct gr_retry_settings settings = {1, UINT64_C(3) << 62, UINT64_MAX};
  struct gr_retry retry = {.state = GR_RETRY_WAITING};
  for (uint64_t attempts = 64; attempts < 200; attempts++) {
    retry = (struct gr_retry){.state = GR_RETRY_TRYING, .attempts = attempts};
    gr_retry_failed(&retry, &settings, 0);
    cr_assert_eq(gr_retry_deadline(&retry), UINT64_C(3) << 62);
  }
}

Test(membership_retry, a_success_ends_it_and_the_next_start_begins_anew) {
  const struct gr_retry_settings settings = {1 * S, 300 * S, 2};
  struct gr_retry retry = {.state = GR_RETRY_IDLE};
  cr_assert_eq(gr_retry_deadline(&retry), GR_TIME_NEVER);
  cr_assert(!gr_retry_next(&retry, 10 * S));
  gr_retry_start(&retry, &settings, 10 * S);
  cr_assert(gr_retry_next(&retry, 11 * S));
  gr_retry_failed(&retry, &settings, 11 * S);
  cr_assert(gr_retry_next(&retry, 13 * S));
  gr_retry_stop(&retry);
  cr_assert_eq(retry.state, GR_RETRY_IDLE);
  gr_retry_failed(&retry, &settings, 14 * S);
  cr_assert_eq(retry.state, GR_RETRY_IDLE, "nothing was under way");
  gr_retry_start(&retry, &settings, 20 * S);
  cr_assert_eq(gr_retry_deadline(&retry), 21 * S);
  cr_assert_eq(retry.attempts, 0);
}

Test(membership_retry, starting_again_forgets_the_failures) {
  const struct gr_retry_settings settings = {1 * S, 300 * S, 1};
  struct gr_retry retry = {.state = GR_RETRY_IDLE};
  gr_retry_start(&retry, &settings, 0);
  cr_assert(gr_retry_next(&retry, 1 * S));
  gr_retry_failed(&retry, &settings, 1 * S);
  cr_assert_eq(retry.state, GR_RETRY_EXHAUSTED);
  gr_retry_start(&retry, &settings, 2 * S);
  cr_assert_eq(gr_retry_deadline(&retry), 3 * S);
}

Test(membership_retry, a_failure_while_waiting_is_none) {
  const struct gr_retry_settings settings = {1 * S, 300 * S, 3};
  struct gr_retry retry = {.state = GR_RETRY_IDLE};
  gr_retry_start(&retry, &settings, 0);
  gr_retry_failed(&retry, &settings, S / 2);
  cr_assert_eq(gr_retry_deadline(&retry), 1 * S);
}
