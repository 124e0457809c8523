/* SPDX-License-Identifier: MIT
 *
 * Flow control in a closed loop: one writes as fast as it is let, another applies that.
 * After ten periods the backlog stays below its limit, the applier has always something
 * to do, and what is admitted is spread evenly; when the applier changes, too.
 */
#include "flow_rig.h"

#include <criterion/criterion.h>

#define STEP FLOW_MS

struct loop {
  const char *name;
  gr_flow_options options;
  uint64_t limit;   /* transactions */
  uint64_t speed;   /* applied a second */
  gr_time reports;  /* every */
  uint64_t seconds; /* in all */
  uint64_t
      deviation; /* of a period's admissions from the mean, percent at most; 0: any */
  /* From one second to another (0: never) it applies this percentage of that. */
  uint64_t from, to, percent;
};

#define LIMIT(transactions)                                                              \
  .options = {.certifier_threshold = (transactions),                                     \
              .applier_threshold = (transactions)},                                      \
  .limit = (transactions)

static const struct loop loops[] = {
    {.name = "1 a second",
     LIMIT(20),
     .speed = 1,
     .reports = 100 * FLOW_MS,
     .seconds = 120,
     .deviation = 100},
    {.name = "8 a second",
     LIMIT(80),
     .speed = 8,
     .reports = 100 * FLOW_MS,
     .seconds = 60,
     .deviation = 15},
    {.name = "40,000 a second",
     LIMIT(25000),
     .speed = 40000,
     .reports = 100 * FLOW_MS,
     .seconds = 30,
     .deviation = 2},
    {.name = "reports once a second",
     LIMIT(25000),
     .speed = 40000,
     .reports = FLOW_S,
     .seconds = 30,
     .deviation = 2},
    {.name = "a queue that is soon empty",
     LIMIT(100),
     .speed = 1000,
     .reports = 10 * FLOW_MS,
     .seconds = 30,
     .deviation = 5},
    {.name = "ten seconds without progress",
     LIMIT(1000),
     .speed = 400,
     .reports = 100 * FLOW_MS,
     .seconds = 60,
     .from = 20,
     .to = 30,
     .percent = 0},
    {.name = "half as fast",
     LIMIT(1000),
     .speed = 400,
     .reports = 100 * FLOW_MS,
     .seconds = 60,
     .from = 20,
     .to = 40,
     .percent = 50},
    {.name = "twice as fast",
     LIMIT(1000),
     .speed = 400,
     .reports = 100 * FLOW_MS,
     .seconds = 60,
     .from = 20,
     .to = 40,
     .percent = 200},
    {.name = "a hundredth as fast, for good",
     LIMIT(1000),
     .speed = 4000,
     .reports = 100 * FLOW_MS,
     .seconds = 120,
     .from = 20,
     .to = 120,
     .percent = 1},
    {.name = "a period of 10 ms",
     .options = {.period_ns = 10 * FLOW_MS, .applier_threshold = 1000},
     .limit = 1000,
     .speed = 400,
     .reports = 100 * FLOW_MS,
     .seconds = 30},
    {.name = "a period of 7 s",
     .options = {.period_ns = 7 * FLOW_S, .applier_threshold = 1000},
     .limit = 1000,
     .speed = 400,
     .reports = 130 * FLOW_MS,
     .seconds = 140,
     .deviation = 5},
    {.name = "nothing is held back",
     .options = {.applier_threshold = 1000, .hold_percent = GR_FLOW_NONE},
     .limit = 1000,
     .speed = 400,
     .reports = 100 * FLOW_MS,
     .seconds = 60,
     .deviation = 5},
    {.name = "all is released at once",
     .options = {.applier_threshold = 1000, .release_percent = GR_FLOW_NONE},
     .limit = 1000,
     .speed = 400,
     .reports = 100 * FLOW_MS,
     .seconds = 60,
     .deviation = 5},
};

struct course {
  uint64_t done;    /* applied, in thousandths of a second's nanoseconds */
  uint64_t waiting; /* at the applier */
  uint64_t most;    /* of that, after ten periods */
  uint64_t idle;    /* steps */
  uint64_t steps;
  uint64_t least_admitted, most_admitted; /* in a period */
};

static void apply(struct flow_rig *rig, const struct loop *loop, struct course *course) {
  uint64_t second = rig->now / FLOW_S;
  bool other = second >= loop->from && second < loop->to;
  course->done += loop->speed * (other ? loop->percent : 100) * STEP / 100;
  for (; course->done >= FLOW_S; course->done -= FLOW_S) {
    if (course->waiting == 0) {
      course->done = 0;
      course->idle += 1;
      break;
    }
    course->waiting--;
    rig->told[1].applied++;
  }
}

static gr_time period_of(const struct loop *loop) {
  return loop->options.period_ns > 0 ? loop->options.period_ns : FLOW_S;
}

static void run(struct flow_rig *rig, const struct loop *loop, struct course *course) {
  gr_time period = period_of(loop), warm = rig->now + 10 * period;
  gr_time end = rig->now + loop->seconds * FLOW_S;
  uint64_t admitted = 0;
  *course = (struct course){.least_admitted = UINT64_MAX};
  while (rig->now < end) {
    flow_rig_pass(rig, STEP);
    apply(rig, loop, course);
    for (; flow_rig_ask(rig) == GR_FLOW_ADMITTED; admitted++) course->waiting++;
    if (rig->now % loop->reports < STEP) flow_rig_tell(rig, 2, 0, course->waiting);
    if (rig->now < warm) course->idle = 0;
    if (rig->now >= warm) course->steps++;
    if (rig->now >= warm && course->waiting > course->most)
      course->most = course->waiting;
    if (rig->now % period >= STEP) continue;
    if (rig->now > warm + period) {
      if (admitted < course->least_admitted) course->least_admitted = admitted;
      if (admitted > course->most_admitted) course->most_admitted = admitted;
    }
    admitted = 0;
  }
}

Test(flowctl_loop, backlog_pace_and_evenness) {
  for (size_t i = 0; i < sizeof(loops) / sizeof(loops[0]); i++) {
    const struct loop *loop = &loops[i];
    struct flow_rig rig;
    struct course course;
    flow_rig_begin(&rig, 2, &loop->options);
    flow_rig_tell(&rig, 2, 0, 0);
    run(&rig, loop, &course);
    flow_rig_end(&rig);
    cr_assert_lt(course.most, loop->limit, "%s: %lu wait", loop->name, course.most);
    cr_assert_leq(course.idle * 20, course.steps, "%s: idle %lu of %lu", loop->name,
                  course.idle, course.steps);
    uint64_t mean = loop->speed * period_of(loop) / FLOW_S;
    uint64_t off = mean * loop->deviation / 100;
    if (loop->deviation == 0) continue;
    cr_assert(course.least_admitted + off >= mean && course.most_admitted <= mean + off,
              "%s: %lu to %lu", loop->name, course.least_admitted, course.most_admitted);
  }
}
