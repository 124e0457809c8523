/* SPDX-License-Identifier: MIT
 *
 * The benchmarks' own checks: that each planted fault is found, and that what is computed
 * from the measurements is right.
 */
#include "failover_run.h"
#include "histogram.h"
#include "stamp.h"
#include "summary.h"

#include <criterion/criterion.h>
#include <string.h>

/* ---- failover_check ---- */

#define ENTRY(origin, number) (((uint64_t)(origin) << FAILOVER_ORIGIN_SHIFT) | (number))
#define LOG_LENGTH 6

/* Member 1 was killed after three deliveries; what the others delivered. */
static const uint64_t right[LOG_LENGTH] = {ENTRY(1, 1), ENTRY(2, 1), ENTRY(1, 2),
                                           ENTRY(3, 1), ENTRY(2, 2), ENTRY(3, 2)};

static struct failover_verdict judge(const uint64_t *third, uint64_t third_count) {
  const struct failover_log logs[FAILOVER_MEMBERS] = {
      {.entries = right, .count = 3, .survived = false},
      {.entries = right, .count = LOG_LENGTH, .survived = true},
      {.entries = third, .count = third_count, .survived = true},
  };
  return failover_check(logs, FAILOVER_MEMBERS);
}

Test(failover_check, finds_nothing_wrong_with_one_order) {
  struct failover_verdict verdict = judge(right, LOG_LENGTH);
  cr_assert_eq(verdict.acknowledged, 6);
  cr_assert_eq(verdict.lost_acknowledged, 0);
  cr_assert_eq(verdict.duplicates, 0);
  cr_assert_eq(verdict.order_errors, 0);
}

Test(failover_check, finds_what_the_killed_member_had_acknowledged) {
  uint64_t third[LOG_LENGTH - 1] = {ENTRY(1, 1), ENTRY(2, 1), ENTRY(3, 1), ENTRY(2, 2),
                                    ENTRY(3, 2)};
  struct failover_verdict verdict = judge(third, LOG_LENGTH - 1);
  cr_assert_eq(verdict.lost_acknowledged, 1);
  cr_assert_gt(verdict.order_errors, 0);
}

Test(failover_check, finds_a_survivor_that_ends_early) {
  struct failover_verdict verdict = judge(right, 4);
  cr_assert_eq(verdict.lost_acknowledged, 1, "(2,2) was acknowledged at member 2");
  cr_assert_eq(verdict.order_errors, 0);
}

Test(failover_check, finds_a_message_delivered_twice) {
  uint64_t third[LOG_LENGTH + 1];
  memcpy(third, right, sizeof(right));
  third[LOG_LENGTH] = ENTRY(2, 2);
  struct failover_verdict verdict = judge(third, LOG_LENGTH + 1);
  cr_assert_eq(verdict.duplicates, 1);
  cr_assert_eq(verdict.lost_acknowledged, 0);
}

Test(failover_check, finds_another_order) {
  uint64_t third[LOG_LENGTH];
  memcpy(third, right, sizeof(right));
  third[3] = right[4];
  third[4] = right[3];
  struct failover_verdict verdict = judge(third, LOG_LENGTH);
  cr_assert_eq(verdict.order_errors, 2);
  cr_assert_eq(verdict.duplicates, 0);
  cr_assert_eq(verdict.lost_acknowledged, 0);
}

/* ---- stamps ---- */

Test(stamp, holds_for_what_was_written_and_for_nothing_else) {
  uint8_t bytes[40];
  for (size_t size = 1; size <= sizeof(bytes); size++) {
    for (size_t cut = 0; cut < size; cut++) { /* in two parts, and in one for 0 */
      gr_slice parts[2] = {{bytes, cut}, {bytes + cut, size - cut}};
      gr_delivery delivery = {.parts = cut == 0 ? parts + 1 : parts,
                              .part_count = cut == 0 ? 1 : 2,
                              .bytes = size};
      memset(bytes, 0xff, sizeof(bytes));
      stamp_write(bytes, size, 2, 77);
      cr_assert(stamp_holds(&delivery, size, 2, 77));
      cr_assert(!stamp_holds(&delivery, size, 2, 78));
      cr_assert(!stamp_holds(&delivery, size + 1, 2, 77));
      if (size > 8) cr_assert(!stamp_holds(&delivery, size, 3, 77));
      if (size < 24) continue;
      bytes[size - 1] ^= 1; /* the end of the message is looked at as well */
      cr_assert(!stamp_holds(&delivery, size, 2, 77));
    }
  }
}

/* ---- figures ---- */

Test(histogram, percentiles_are_exact_to_a_128th) {
  static struct histogram histogram;
  cr_assert_eq(histogram_percentile(&histogram, 0.5), 0);
  for (uint64_t scale = 1; scale < (uint64_t)1 << 28; scale *= 7) {
    memset(&histogram, 0, sizeof(histogram));
    for (uint64_t value = 1; value <= 1000; value++)
      histogram_add(&histogram, value * scale);
    for (uint64_t share = 1; share <= 1000; share++) {
      uint64_t exact = share * scale;
      uint64_t found = histogram_percentile(&histogram, ((double)share - 0.5) / 1000);
      cr_assert_geq(found, exact);
      cr_assert_leq(found, exact + exact / 128);
    }
  }
}

Test(histogram, merging_adds_and_the_longest_are_kept) {
  static struct histogram one, other;
  histogram_add(&one, 10);
  histogram_add(&other, UINT64_MAX);
  histogram_merge(&one, &other);
  cr_assert_eq(one.count, 2);
  cr_assert_eq(histogram_percentile(&one, 0.5), 10);
  cr_assert_eq(histogram_percentile(&one, 1), ((uint64_t)1 << HISTOGRAM_VALUE_BITS) - 1);
}

Test(summary, median_and_spread) {
  struct summary summary = {.count = 0};
  cr_assert_eq(summary_median(&summary), 0);
  const double values[] = {5, 1, 4, 2};
  for (size_t i = 0; i < 4; i++) summary_add(&summary, values[i]);
  cr_assert_eq(summary_median(&summary), 3);
  summary_add(&summary, 9);
  cr_assert_eq(summary_median(&summary), 4);
  cr_assert_eq(summary_lowest(&summary), 1);
  cr_assert_eq(summary_highest(&summary), 9);
}
