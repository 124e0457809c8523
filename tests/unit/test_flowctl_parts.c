/* SPDX-License-Identifier: MIT
 *
 * What flow control is made of: proportions without overflow, the bucket that evens out,
 * and fair shares.
 */
#include "base/random.h"
#include "flowctl/bucket.h"
#include "flowctl/scale.h"
#include "flowctl/share.h"

#include <criterion/criterion.h>

#define MS UINT64_C(1000000)
#define SECOND (1000 * MS)
#define PER_S UINT64_C(1000) /* speeds are in thousandths */
#define COUNT_MAX ((UINT64_C(1) << 31) - 1)

/* ---- proportions ---- */

Test(flowctl_scale, is_exact_where_64_bits_hold_it) {
  cr_assert_eq(gr_flow_scale(0, 5, 0), 0);
  cr_assert_eq(gr_flow_scale(5, 0, 0), 0);
  cr_assert_eq(gr_flow_scale(5, 5, 0), UINT64_MAX);
  cr_assert_eq(gr_flow_scale(7, 3, 2), 10);
  cr_assert_eq(gr_flow_scale(UINT64_MAX, 1, 1), UINT64_MAX);
  cr_assert_eq(gr_flow_scale(UINT64_MAX, 2, 1), UINT64_MAX, "as much as there is");
  cr_assert_eq(gr_flow_scale(UINT64_MAX, 3, UINT64_MAX), 3);
  cr_assert_eq(gr_flow_scale(UINT64_C(1) << 62, 5, 4), UINT64_C(5) << 60);
}

/* Against 128 bits, which the core must do without. */
__extension__ typedef unsigned __int128 wide;

Test(flowctl_scale, is_close_everywhere) {
  struct gr_random random = {1};
  for (int i = 0; i < 200000; i++) {
    uint64_t a = gr_random_next(&random) >> gr_random_below(&random, 64);
    uint64_t b = gr_random_next(&random) >> (14 + gr_random_below(&random, 50));
    uint64_t c = gr_random_next(&random) >> gr_random_below(&random, 64) | 1;
    wide product = (wide)a * b;
    wide exact = product / c;
    uint64_t is = gr_flow_scale(a, b, c);
    if (exact > UINT64_MAX) {
      cr_assert_gt(is, UINT64_MAX - (UINT64_MAX >> 10));
      continue;
    }
    uint64_t off = is > (uint64_t)exact ? is - (uint64_t)exact : (uint64_t)exact - is;
    cr_assert_leq(off, product > UINT64_MAX ? 1 + ((uint64_t)exact >> 12) : 0,
                  "%lu * %lu / %lu", a, b, c);
  }
}

Test(flowctl_scale, speeds_there_and_back) {
  cr_assert_eq(gr_flow_speed(8, SECOND), 8 * PER_S);
  cr_assert_eq(gr_flow_speed(1, 600 * SECOND), 1, "one in ten minutes is a speed");
  cr_assert_eq(gr_flow_speed(COUNT_MAX, 10 * MS), COUNT_MAX * 100 * PER_S);
  cr_assert_eq(gr_flow_count(8 * PER_S, 10 * SECOND), 80);
  cr_assert_eq(gr_flow_duration(80, 8 * PER_S), 10 * SECOND);
  cr_assert_eq(gr_flow_duration(1, 0), UINT64_MAX);
  cr_assert_eq(gr_flow_duration(0, 0), 0);
}

/* ---- the bucket ---- */

/* Takes one whenever that is allowed, for so long; returns how many. */
static uint64_t pour(struct gr_flow_bucket *bucket, gr_time allowance, gr_time *now,
                     gr_time time) {
  uint64_t taken = 0;
  for (gr_time end = *now + time; *now < end;) {
    gr_time due = gr_flow_bucket_due(bucket, allowance, *now);
    if (due > *now) {
      *now = due < end ? due : end;
      continue;
    }
    gr_flow_bucket_take(bucket, 1, *now);
    taken++;
  }
  return taken;
}

Test(flowctl_bucket, keeps_its_speed) {
  const uint64_t speeds[] = {1, 500, 1 * PER_S, 8 * PER_S, 40000 * PER_S, 3333333};
  for (size_t i = 0; i < sizeof(speeds) / sizeof(speeds[0]); i++) {
    struct gr_flow_bucket bucket = {0};
    gr_time now = 77;
    gr_flow_bucket_set(&bucket, speeds[i], now);
    gr_time time = speeds[i] < 1000 ? 20000 * SECOND : 100 * SECOND;
    uint64_t exact = gr_flow_count(speeds[i], time);
    uint64_t taken = pour(&bucket, 0, &now, time);
    cr_assert(taken >= exact && taken <= exact + exact / 10000 + 1, "%lu: %lu of %lu",
              speeds[i], taken, exact);
  }
}

Test(flowctl_bucket, at_once_it_gives_no_more_than_is_allowed) {
  struct gr_flow_bucket bucket = {0};
  gr_time now = SECOND;
  gr_flow_bucket_set(&bucket, 1000 * PER_S, now);
  cr_assert_eq(pour(&bucket, 0, &now, 1), 1, "one is always given");
  now += SECOND; /* nothing is saved up */
  cr_assert_eq(pour(&bucket, 15 * MS, &now, 1), 16);
}

Test(flowctl_bucket, a_large_one_passes_and_those_behind_it_wait) {
  struct gr_flow_bucket bucket = {0};
  gr_flow_bucket_set(&bucket, 1000 * PER_S, 0);
  cr_assert_eq(gr_flow_bucket_due(&bucket, 0, 0), 0);
  gr_flow_bucket_take(&bucket, 5000, 0);
  cr_assert_eq(gr_flow_bucket_due(&bucket, 0, SECOND), 5 * SECOND);
  cr_assert_eq(gr_flow_bucket_due(&bucket, SECOND, SECOND), 4 * SECOND);
}

Test(flowctl_bucket, what_is_owed_is_owed_on_at_the_new_speed) {
  struct gr_flow_bucket bucket = {0};
  gr_flow_bucket_set(&bucket, 10 * PER_S, 0);
  gr_flow_bucket_take(&bucket, 100, 0);
  gr_flow_bucket_set(&bucket, 20 * PER_S, 2 * SECOND); /* 80 are left */
  cr_assert_eq(gr_flow_bucket_due(&bucket, 0, 2 * SECOND), 6 * SECOND);
  gr_flow_bucket_set(&bucket, 0, 2 * SECOND);
  cr_assert_eq(gr_flow_bucket_due(&bucket, SECOND, 3 * SECOND), GR_TIME_NEVER);
  gr_flow_bucket_set(&bucket, 80 * PER_S, 100 * SECOND); /* a pause pays nothing */
  cr_assert_eq(gr_flow_bucket_due(&bucket, 0, 100 * SECOND), 101 * SECOND);
  gr_flow_bucket_forgive(&bucket, SECOND / 4, 100 * SECOND);
  cr_assert_eq(gr_flow_bucket_due(&bucket, 0, 100 * SECOND), 100750 * MS);
  gr_flow_bucket_forgive(&bucket, UINT64_MAX, 100 * SECOND);
  cr_assert_eq(gr_flow_bucket_due(&bucket, 0, 100 * SECOND), 100 * SECOND);
  gr_flow_bucket_take(&bucket, 1000, 100 * SECOND);
  gr_flow_bucket_set(&bucket, GR_FLOW_UNLIMITED, 100 * SECOND);
  cr_assert_eq(gr_flow_bucket_due(&bucket, 0, 100 * SECOND), 100 * SECOND);
  gr_flow_bucket_take(&bucket, UINT64_MAX, 100 * SECOND);
  gr_flow_bucket_set(&bucket, 1, 100 * SECOND);
  cr_assert_eq(gr_flow_bucket_due(&bucket, 0, 100 * SECOND), 100 * SECOND, "is free");
}

Test(flowctl_bucket, survives_any_amount) {
  struct gr_flow_bucket bucket = {0};
  cr_assert_eq(gr_flow_bucket_due(&bucket, UINT64_MAX, 5), GR_TIME_NEVER, "no speed yet");
  gr_flow_bucket_set(&bucket, 1, 0);
  for (int i = 0; i < 3; i++) gr_flow_bucket_take(&bucket, UINT64_MAX, 0);
  cr_assert_gt(gr_flow_bucket_due(&bucket, 0, 0), 1000000 * SECOND);
  cr_assert_lt(gr_flow_bucket_due(&bucket, 0, 0), GR_TIME_NEVER);
  gr_flow_bucket_set(&bucket, UINT64_MAX - 1, 0);
  cr_assert_leq(gr_flow_bucket_due(&bucket, 0, 0), SECOND);
}

/* ---- shares ---- */

Test(flowctl_share, equal_unless_others_need_less) {
  static const struct {
    uint64_t quota;
    uint32_t count;
    uint64_t others[3];
    uint64_t share;
  } cases[] = {
      {1000, 0, {0}, 1000},
      {1000, 1, {500}, 500},
      {1000, 1, {900}, 500}, /* it has more than its share, and shall go down */
      {1000, 1, {100}, 900}, /* it needs no more */
      {1000, 1, {374}, 626}, /* below three quarters of 500 */
      {1000, 1, {375}, 500}, /* slowed down by its quota, perhaps */
      {900, 2, {300, 300}, 300},
      {900, 2, {400, 100}, 400}, /* 800 for two */
      {900, 2, {100, 50}, 750},  /* in any order */
      {900, 3, {100, 900, 100}, 350},
      {2, 3, {5, 5, 5}, 0},
      {GR_FLOW_UNLIMITED, 1, {5}, GR_FLOW_UNLIMITED},
      {UINT64_MAX - 1, 1, {UINT64_MAX}, UINT64_MAX / 2},
  };
  for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
    uint64_t others[3] = {cases[i].others[0], cases[i].others[1], cases[i].others[2]};
    cr_assert_eq(gr_flow_share(cases[i].quota, others, cases[i].count), cases[i].share,
                 "case %zu", i);
  }
}

/* Each computes its own share alone; together it is the quota, whatever each needs. */
Test(flowctl_share, all_shares_together_are_the_quota) {
  const uint64_t needs[] = {100, 5000, 300, 100000};
  const uint64_t quota = 10000;
  uint64_t writes[4] = {2500, 2500, 2500, 2500};
  uint64_t sum = 0;
  for (int round = 0; round < 20; round++) {
    uint64_t next[4];
    sum = 0;
    for (int i = 0; i < 4; i++) {
      uint64_t others[3];
      for (int k = 0, n = 0; k < 4; k++)
        if (k != i) others[n++] = writes[k];
      uint64_t share = gr_flow_share(quota, others, 3);
      next[i] = share < needs[i] ? share : needs[i];
      sum += next[i];
    }
    for (int i = 0; i < 4; i++) writes[i] = next[i];
  }
  cr_assert(sum >= quota * 95 / 100 && sum <= quota * 105 / 100, "%lu", sum);
  cr_assert_eq(writes[0], 100);
  cr_assert_eq(writes[2], 300);
}
