/* SPDX-License-Identifier: MIT
 *
 * The law, for one queue: levels, how speeds are learned, and the quota that follows.
 */
#include "flowctl/queue.h"
#include "flowctl/scale.h"

#include <criterion/criterion.h>

#define MS UINT64_C(1000000)
#define SECOND (1000 * MS)
#define PER_S UINT64_C(1000)

static const struct gr_flow_law law = {.limit = 1000,
                                       .hold = 10,
                                       .release = 50,
                                       .feedback = 100 * MS};

/* A queue of `waiting` whose speed is known, judged. */
static uint64_t judge(uint64_t waiting, uint64_t speed, const struct gr_flow_law *by) {
  struct gr_flow_queue queue = {.waiting = waiting,
                                .speed = speed,
                                .quota = GR_FLOW_UNLIMITED};
  return gr_flow_queue_judge(&queue, by, SECOND);
}

Test(flowctl_queue, levels_by_use) {
  static const struct {
    uint64_t permille, level;
  } cases[] = {{0, 0},   {99, 0},   {100, 1},       {249, 1}, {250, 2},
               {499, 2}, {500, 3},  {749, 3},       {750, 4}, {899, 4},
               {900, 5}, {1000, 5}, {UINT64_MAX, 5}};
  for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
    cr_assert_eq(gr_flow_level(cases[i].permille), cases[i].level, "%lu",
                 cases[i].permille);
}

/* ---- speeds ---- */

/* The member does `speed` a second for `time`, told each `gap`; the queue looks so. */
static gr_time work(struct gr_flow_queue *queue, uint64_t speed, uint64_t waiting,
                    gr_time gap, gr_time time, gr_time now) {
  uint64_t before = queue->done.total;
  for (gr_time t = gap; t <= time; t += gap)
    gr_flow_queue_report(queue, waiting, before + speed * t / SECOND, SECOND, now + t);
  return now + time;
}

Test(flowctl_queue, speed_is_learned_while_something_waits) {
  struct gr_flow_queue queue;
  gr_flow_queue_begin(&queue, 500, 1000, SECOND);
  gr_time now = work(&queue, 400, 500, 100 * MS, SECOND, SECOND);
  cr_assert_eq(queue.speed, 400 * PER_S);
  now = work(&queue, 800, 500, 100 * MS, SECOND, now);
  cr_assert_eq(queue.speed, 500 * PER_S, "a quarter of the way");
  now = work(&queue, 100, 0, 100 * MS, SECOND, now);
  cr_assert_eq(queue.speed, 500 * PER_S, "idle, it may be faster than that");
  now = work(&queue, 900, 0, 100 * MS, SECOND, now);
  cr_assert_eq(queue.speed, 900 * PER_S, "and is, as it shows");
  now = work(&queue, 100, 9, 100 * MS, SECOND, now);
  cr_assert_eq(queue.speed, 900 * PER_S, "10 in 100 ms: 9 may be none in between");
  now = work(&queue, 100, 0, 100 * MS, 300 * MS, now);
  now = work(&queue, 100, 500, 100 * MS, 700 * MS, now);
  cr_assert_eq(queue.speed, 900 * PER_S, "for a part of the time is enough");
  now = work(&queue, 0, 500, 100 * MS, 4 * SECOND, now);
  now = work(&queue, 0, 500, 100 * MS, 4 * SECOND, now);
  cr_assert_eq(queue.speed, 900 * PER_S, "who stands still is not slow");
}

Test(flowctl_queue, one_a_second_is_measured_as_just_that) {
  struct gr_flow_queue queue;
  gr_flow_queue_begin(&queue, 5, 0, 300 * MS);
  work(&queue, 1, 5, 100 * MS, 60 * SECOND, 300 * MS);
  cr_assert(queue.speed >= 990 && queue.speed <= 1010, "%lu", queue.speed);
}

Test(flowctl_queue, a_window_holds_sixteen_or_four_periods) {
  struct gr_flow_meter meter;
  uint64_t speed = 0;
  gr_flow_meter_begin(&meter, 100, 0);
  cr_assert(!gr_flow_meter_count(&meter, 200, SECOND, SECOND - 1, &speed), "too short");
  cr_assert(gr_flow_meter_count(&meter, 200, SECOND, SECOND, &speed));
  cr_assert_eq(speed, 100 * PER_S);
  cr_assert(!gr_flow_meter_count(&meter, 215, SECOND, 2 * SECOND, &speed), "15 are few");
  cr_assert(!gr_flow_meter_count(&meter, 215, SECOND, 8 * SECOND, &speed), "none new");
  cr_assert(gr_flow_meter_count(&meter, 215, SECOND, 9 * SECOND, &speed), "too long");
  cr_assert(!gr_flow_meter_count(&meter, 215, SECOND, 12 * SECOND, &speed));
  cr_assert(gr_flow_meter_count(&meter, 215, SECOND, 13 * SECOND, &speed), "none at all");
  cr_assert_eq(speed, 0);
}

/* ---- quotas ---- */

Test(flowctl_queue, quota_falls_on_a_line_to_the_pause) {
  /* The aim: 950 * (140 - 100) / 140 = 271. */
  cr_assert_eq(judge(271, 100 * PER_S, &law), 100 * PER_S);
  uint64_t before = UINT64_MAX;
  for (uint64_t waiting = 100; waiting < 900; waiting++) {
    uint64_t quota = judge(waiting, 100 * PER_S, &law);
    cr_assert_lt(quota, before, "%lu", waiting);
    cr_assert_eq(waiting<271, quota> 100 * PER_S);
    before = quota;
  }
  cr_assert_gt(before, 0);
  cr_assert_eq(judge(900, 100 * PER_S, &law), 0, "writes pause");
  cr_assert_eq(judge(UINT64_MAX, 100 * PER_S, &law), 0);
  uint64_t at_level_1 = judge(100, 100 * PER_S, &law);
  cr_assert(at_level_1 > 120 * PER_S && at_level_1 < 126 * PER_S, "%lu", at_level_1);
}

Test(flowctl_queue, the_slower_the_news_the_gentler) {
  struct gr_flow_law late = law;
  late.feedback = 60 * SECOND;
  cr_assert_gt(judge(800, 100 * PER_S, &late), judge(800, 100 * PER_S, &law));
  cr_assert_lt(judge(150, 100 * PER_S, &late), judge(150, 100 * PER_S, &law));
}

Test(flowctl_queue, who_holds_back_more_aims_lower_but_never_at_nothing) {
  struct gr_flow_law other = law;
  other.hold = 30; /* 950 * 20 / 120 = 158 */
  cr_assert_eq(judge(158, 100 * PER_S, &other), 100 * PER_S);
  other.hold = 100;
  cr_assert_eq(judge(125, 100 * PER_S, &other), 100 * PER_S);
  other.hold = 0;
  other.release = 1000; /* 950 * 1000 / 1100 = 863 */
  cr_assert_eq(judge(863, 100 * PER_S, &other), 100 * PER_S);
}

/* What is admitted until news come fits into the limit. */
Test(flowctl_queue, an_open_quota_is_what_there_is_room_for) {
  for (uint64_t waiting = 0; waiting < 100; waiting += 33) {
    struct gr_flow_queue queue = {.waiting = waiting,
                                  .speed = 100 * PER_S,
                                  .quota = GR_FLOW_UNLIMITED};
    uint64_t open = gr_flow_queue_judge(&queue, &law, SECOND);
    uint64_t more = gr_flow_count(open - queue.speed, law.feedback) + queue.burst;
    cr_assert(waiting + more <= 950 && waiting + more >= 940);
    queue = (struct gr_flow_queue){.waiting = waiting,
                                   .quota = GR_FLOW_UNLIMITED,
                                   .done.window_since = SECOND};
    open = gr_flow_queue_judge(&queue, &law, SECOND);
    more = gr_flow_count(open, law.feedback) + queue.burst;
    cr_assert(waiting + more <= 271 && waiting + more >= 261, "of unknown speed");
  }
  struct gr_flow_law none = law;
  none.limit = GR_FLOW_UNLIMITED;
  cr_assert_eq(judge(UINT64_MAX, 100 * PER_S, &none), GR_FLOW_UNLIMITED);
}

Test(flowctl_queue, a_quota_is_released_step_by_step) {
  struct gr_flow_queue queue = {.waiting = 300,
                                .speed = 100 * PER_S,
                                .quota = GR_FLOW_UNLIMITED};
  uint64_t quota = gr_flow_queue_judge(&queue, &law, SECOND);
  cr_assert_lt(quota, 100 * PER_S);
  gr_flow_queue_release(&queue, 50);
  cr_assert_eq(gr_flow_queue_judge(&queue, &law, SECOND), quota, "not at level 1");
  queue.waiting = 0;
  cr_assert_eq(gr_flow_queue_judge(&queue, &law, SECOND), 100 * PER_S);
  gr_flow_queue_release(&queue, 50);
  cr_assert_eq(gr_flow_queue_judge(&queue, &law, SECOND), 150 * PER_S);
  for (int i = 0; i < 10; i++) {
    gr_flow_queue_release(&queue, 50);
    gr_flow_queue_judge(&queue, &law, SECOND);
  }
  cr_assert_eq(queue.quota, GR_FLOW_UNLIMITED);

  queue.waiting = 300;
  gr_flow_queue_judge(&queue, &law, SECOND);
  queue.waiting = 0;
  gr_flow_queue_judge(&queue, &law, SECOND);
  gr_flow_queue_release(&queue, 0);
  gr_flow_queue_judge(&queue, &law, SECOND);
  cr_assert_eq(queue.quota, GR_FLOW_UNLIMITED, "at once");

  queue = (struct gr_flow_queue){.waiting = 1000, .done.window_since = SECOND};
  cr_assert_eq(gr_flow_queue_judge(&queue, &law, SECOND), 0);
  queue.waiting = 0;
  cr_assert_gt(gr_flow_queue_judge(&queue, &law, SECOND), 0, "of whatever speed");
  cr_assert_eq(queue.quota, GR_FLOW_UNLIMITED);
}

Test(flowctl_queue, a_limit_in_time_depends_on_the_speed) {
  struct gr_flow_law by_time = law;
  struct gr_flow_queue queue = {.waiting = 500, .speed = 100 * PER_S};
  by_time.lag_limit = 5 * SECOND; /* 500 */
  cr_assert_eq(gr_flow_queue_judge(&queue, &by_time, SECOND), 0);
  cr_assert(queue.by_time);
  cr_assert_eq(queue.use_permille, 1000);
  queue.speed = 1000 * PER_S; /* 5000: the 1000 come first */
  cr_assert_gt(gr_flow_queue_judge(&queue, &by_time, SECOND), 0);
  cr_assert(!queue.by_time);
  cr_assert_eq(queue.use_permille, 500);
  queue.speed = 0;
  queue.done.window_since = SECOND;
  gr_flow_queue_judge(&queue, &by_time, SECOND);
  cr_assert(!queue.by_time, "no speed, no time");
  queue.speed = 1; /* 0.005 of one */
  queue.waiting = 0;
  gr_flow_queue_judge(&queue, &by_time, SECOND);
  cr_assert_eq(queue.use_permille, 0);
}

Test(flowctl_queue, who_recovers_never_makes_writes_pause) {
  struct gr_flow_law recovers = law;
  recovers.never_pauses = true;
  cr_assert_eq(judge(1000000, 100 * PER_S, &recovers), 90 * PER_S,
               "but it gains on them");
  cr_assert_eq(judge(899, 100 * PER_S, &recovers), 90 * PER_S);
  cr_assert_eq(judge(271, 100 * PER_S, &recovers), 100 * PER_S);
  struct gr_flow_queue unknown = {.waiting = 5000};
  unknown.done.window_since = SECOND;
  cr_assert_eq(gr_flow_queue_judge(&unknown, &recovers, SECOND), GR_FLOW_UNLIMITED);
}
