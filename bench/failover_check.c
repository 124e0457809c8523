/* SPDX-License-Identifier: MIT
 *
 * Compares the members' logs. The order is that of the survivor which delivered the most;
 * every other log must be its beginning.
 */
#include "failover_run.h"

#include <stdio.h>
#include <stdlib.h>

#define NUMBER_MASK (((uint64_t)1 << FAILOVER_ORIGIN_SHIFT) - 1)

/* How often each message is in one log. */
struct census {
  uint8_t *seen[FAILOVER_MEMBERS + 1]; /* by origin and number; saturates */
  uint64_t highest[FAILOVER_MEMBERS + 1];
};

static void take_census(struct census *census, const struct failover_log *log) {
  *census = (struct census){0};
  for (size_t origin = 1; origin <= FAILOVER_MEMBERS; origin++) {
    census->seen[origin] = calloc(FAILOVER_LOG_MAX + 1, 1);
    if (census->seen[origin] == NULL) {
      fputs("no memory to compare the members' logs\n", stderr);
      exit(EXIT_FAILURE);
    }
  }
  for (uint64_t i = 0; i < log->count; i++) {
    uint64_t origin = log->entries[i] >> FAILOVER_ORIGIN_SHIFT;
    uint64_t number = log->entries[i] & NUMBER_MASK;
    if (number > census->highest[origin]) census->highest[origin] = number;
    if (census->seen[origin][number] < UINT8_MAX) census->seen[origin][number]++;
  }
}

static void drop_census(struct census *census) {
  for (size_t origin = 1; origin <= FAILOVER_MEMBERS; origin++)
    free(census->seen[origin]);
}

static uint64_t count_repeated(const struct census *census) {
  uint64_t repeated = 0;
  for (size_t origin = 1; origin <= FAILOVER_MEMBERS; origin++)
    for (uint64_t number = 0; number <= census->highest[origin]; number++)
      if (census->seen[origin][number] > 1) repeated += census->seen[origin][number] - 1u;
  return repeated;
}

/* The messages that `log`'s own client saw acknowledged and that the census lacks. */
static uint64_t count_lost(const struct census *census, const struct failover_log *log,
                           gr_member_id self) {
  uint64_t lost = 0;
  for (uint64_t i = 0; i < log->count; i++)
    if (log->entries[i] >> FAILOVER_ORIGIN_SHIFT == self)
      lost += census->seen[self][log->entries[i] & NUMBER_MASK] == 0;
  return lost;
}

static uint64_t count_own(const struct failover_log *log, gr_member_id self) {
  uint64_t own = 0;
  for (uint64_t i = 0; i < log->count; i++)
    own += log->entries[i] >> FAILOVER_ORIGIN_SHIFT == self;
  return own;
}

/* Messages of an origin that are not the next of that origin, repeats aside. */
static uint64_t count_unordered(const struct failover_log *log) {
  uint64_t last[FAILOVER_MEMBERS + 1] = {0};
  uint64_t unordered = 0;
  for (uint64_t i = 0; i < log->count; i++) {
    uint64_t origin = log->entries[i] >> FAILOVER_ORIGIN_SHIFT;
    uint64_t number = log->entries[i] & NUMBER_MASK;
    unordered += number > last[origin] + 1;
    if (number > last[origin]) last[origin] = number;
  }
  return unordered;
}

static uint64_t count_different(const struct failover_log *log,
                                const struct failover_log *reference) {
  uint64_t different = 0;
  for (uint64_t i = 0; i < log->count; i++)
    different += i >= reference->count || log->entries[i] != reference->entries[i];
  return different;
}

struct failover_verdict failover_check(const struct failover_log *logs, size_t count) {
  struct failover_verdict verdict = {0};
  const struct failover_log *reference = NULL;
  for (size_t i = 0; i < count; i++)
    if (logs[i].survived && (reference == NULL || logs[i].count > reference->count))
      reference = &logs[i];
  for (size_t i = 0; i < count; i++) {
    verdict.acknowledged += count_own(&logs[i], i + 1);
    verdict.order_errors += count_unordered(&logs[i]);
    if (reference != NULL) verdict.order_errors += count_different(&logs[i], reference);
    if (!logs[i].survived) continue;
    struct census census;
    take_census(&census, &logs[i]);
    verdict.duplicates += count_repeated(&census);
    for (size_t k = 0; k < count; k++)
      verdict.lost_acknowledged += count_lost(&census, &logs[k], k + 1);
    drop_census(&census);
  }
  return verdict;
}
