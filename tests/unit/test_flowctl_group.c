/* SPDX-License-Identifier: MIT
 *
 * gr/flowctl.h, the group's side: who counts under which policy, floors and ceilings, who
 * writes how much, who is stuck, and laggards.
 */
#include "base/random.h"
#include "flow_rig.h"

#include <criterion/criterion.h>

/* Limits of 1000: at 271 the quota is the speed. */
static gr_flow_options limit_1000(void) {
  return (gr_flow_options){.certifier_threshold = 1000, .applier_threshold = 1000};
}

static void expect_quota(const struct flow_rig *rig, uint64_t quota) {
  uint64_t is = flow_rig_status(rig).group_quota;
  cr_assert(is >= quota * 99 / 100 && is <= quota * 101 / 100, "%lu is not %lu", is,
            quota);
}

/* ---- what limits ---- */

Test(flowctl_group, the_slowest_limits) {
  struct flow_rig rig;
  gr_flow_options options = limit_1000();
  flow_rig_begin(&rig, 3, &options);
  flow_rig_run(&rig, 5, (uint64_t[]){400, 200, 300}, (uint64_t[]){271, 271, 271});
  expect_quota(&rig, 200);
  gr_flow_status status = flow_rig_status(&rig);
  cr_assert_eq(status.member, 2);
  cr_assert_eq(status.limit, GR_FLOW_LIMIT_APPLIER);
  cr_assert_eq(status.level, 2);
  cr_assert_eq(status.counted, 3);
  gr_flow_member_status member = flow_rig_member(&rig, 3);
  cr_assert_eq(member.id, 3);
  cr_assert_eq(member.standing, GR_FLOW_COUNTS);
  cr_assert_eq(member.use_permille, 271);
  cr_assert_eq(member.level, 2);
  cr_assert_eq(member.limit, GR_FLOW_LIMIT_APPLIER);
  cr_assert_eq(member.applied_per_s, 300);
  cr_assert_eq(member.bytes_per_s, 30000);
  cr_assert_eq(member.lag_ns, 271 * FLOW_S / 300);
  cr_assert(!member.stuck);
  flow_rig_end(&rig);
}

Test(flowctl_group, so_does_certifying_and_time) {
  struct flow_rig rig;
  gr_flow_options options = {.lag_threshold_ns = 10 * FLOW_S};
  flow_rig_begin(&rig, 3, &options);
  flow_rig_run(&rig, 5, (uint64_t[]){100, 100, 100}, (uint64_t[]){0, 0, 271});
  expect_quota(&rig, 100);
  cr_assert_eq(flow_rig_status(&rig).limit, GR_FLOW_LIMIT_LAG);
  cr_assert_eq(flow_rig_member(&rig, 3).limit, GR_FLOW_LIMIT_LAG);
  flow_rig_end(&rig);

  options = limit_1000();
  flow_rig_begin(&rig, 3, &options);
  for (int i = 0; i < 50; i++) {
    flow_rig_pass(&rig, 100 * FLOW_MS);
    rig.told[1].certifier_queue = 271;
    flow_rig_tell(&rig, 2, 10, 0);
  }
  expect_quota(&rig, 100);
  cr_assert_eq(flow_rig_status(&rig).limit, GR_FLOW_LIMIT_CERTIFIER);
  flow_rig_end(&rig);
}

Test(flowctl_group, floors_and_ceiling_hold) {
  struct flow_rig rig;
  const uint64_t speeds[] = {100, 100, 100}, full[] = {0, 0, 950}, none[] = {0, 0, 0};
  gr_flow_options options = limit_1000();
  options.bytes_threshold = 100000;
  options.min_quota = 30;
  options.min_recovery_quota = 60;
  options.max_quota = 80;
  flow_rig_begin(&rig, 3, &options);
  flow_rig_run(&rig, 5, speeds, none);
  gr_flow_status status = flow_rig_status(&rig);
  cr_assert_eq(status.group_quota, 80);
  cr_assert_eq(status.limit, GR_FLOW_LIMIT_MAX_QUOTA);
  cr_assert_eq(status.member, 0);
  flow_rig_run(&rig, 5, speeds, full);
  status = flow_rig_status(&rig);
  cr_assert_eq(status.level, 5);
  cr_assert_eq(status.group_quota, 30);
  cr_assert_eq(status.group_quota_bytes, 3000, "so many of 100 bytes");
  cr_assert_eq(status.member, 3);
  flow_rig_flags(&rig, 3, GR_FLOW_RECOVERING);
  options.max_quota = 0;
  options.size = sizeof(options);
  cr_assert_eq(gr_flow_configure(rig.flow, &options, rig.now), GR_OK);
  expect_quota(&rig, 90); /* a recovering one has to gain by 10 % */
  cr_assert_eq(flow_rig_status(&rig).level, 4, "but nothing pauses");
  options.min_recovery_quota = 200;
  cr_assert_eq(gr_flow_configure(rig.flow, &options, rig.now), GR_OK);
  expect_quota(&rig, 200);
  flow_rig_end(&rig);
}

/* ---- policies ---- */

Test(flowctl_group, a_majority_does_not_wait_for_the_rest) {
  struct flow_rig rig;
  const uint64_t speeds[] = {500, 400, 300, 200, 100};
  const uint64_t queues[] = {271, 271, 271, 271, 950};
  gr_flow_options options = limit_1000();
  options.policy = GR_FLOW_MAJORITY;
  options.laggard_timeout_ns = 20 * FLOW_S;
  flow_rig_begin(&rig, 5, &options);
  flow_rig_run(&rig, 5, speeds, queues);
  expect_quota(&rig, 300);
  cr_assert_eq(flow_rig_status(&rig).member, 3);
  cr_assert_eq(flow_rig_status(&rig).level, 2, "the fullest one is not waited for");
  flow_rig_run(&rig, 30, speeds, queues);
  cr_assert_eq(flow_rig_member(&rig, 5).standing, GR_FLOW_LEFT_OUT);
  expect_quota(&rig, 300); /* who is left out belongs to no fast majority */
  flow_rig_flags(&rig, 1, GR_FLOW_RECOVERING);
  expect_quota(&rig, 200); /* three of four */
  cr_assert_eq(flow_rig_member(&rig, 1).standing, GR_FLOW_UNAWAITED);
  for (gr_member_id id = 1; id <= 5; id++) flow_rig_flags(&rig, id, GR_FLOW_RECOVERING);
  cr_assert_eq(flow_rig_status(&rig).group_quota, GR_FLOW_NONE);
  cr_assert_eq(flow_rig_status(&rig).level, 0);
  flow_rig_end(&rig);
}

Test(flowctl_group, only_those_named_are_awaited) {
  struct flow_rig rig;
  const uint64_t speeds[] = {300, 200, 100}, queues[] = {271, 271, 950};
  gr_flow_options options = limit_1000();
  options.policy = GR_FLOW_NAMED;
  options.removal_timeout_ns = FLOW_S;
  flow_rig_begin(&rig, 3, &options);
  flow_rig_run(&rig, 5, speeds, queues);
  cr_assert_eq(flow_rig_status(&rig).group_quota, GR_FLOW_NONE, "nobody is named");
  cr_assert_eq(flow_rig_status(&rig).counted, 0);
  flow_rig_flags(&rig, 1, GR_FLOW_AWAITED);
  expect_quota(&rig, 300);
  flow_rig_flags(&rig, 2, GR_FLOW_AWAITED);
  expect_quota(&rig, 200);
  cr_assert_eq(flow_rig_status(&rig).level, 2);
  cr_assert_eq(flow_rig_member(&rig, 3).standing, GR_FLOW_UNAWAITED);
  flow_rig_run(&rig, 60, speeds, queues);
  cr_assert_eq(flow_rig_member(&rig, 3).standing, GR_FLOW_UNAWAITED);
  cr_assert(!flow_rig_member(&rig, 3).remove, "is no laggard");
  flow_rig_end(&rig);
}

Test(flowctl_group, who_does_not_report_does_not_count) {
  struct flow_rig rig;
  gr_flow_options options = limit_1000();
  flow_rig_begin(&rig, 3, &options);
  cr_assert_eq(flow_rig_member(&rig, 3).standing, GR_FLOW_UNHEARD);
  cr_assert_eq(flow_rig_member(&rig, 3).lag_ns, GR_TIME_NEVER);
  flow_rig_run(&rig, 5, (uint64_t[]){300, 300, 100}, (uint64_t[]){271, 271, 271});
  expect_quota(&rig, 100);
  rig.count = 2;
  flow_rig_run(&rig, 9, (uint64_t[]){300, 300}, (uint64_t[]){271, 271});
  cr_assert_eq(flow_rig_status(&rig).member, 3);
  flow_rig_run(&rig, 2, (uint64_t[]){300, 300}, (uint64_t[]){271, 271});
  expect_quota(&rig, 300);
  cr_assert_eq(flow_rig_member(&rig, 3).standing, GR_FLOW_UNHEARD);
  cr_assert(!flow_rig_member(&rig, 3).stuck, "nobody knows");
  flow_rig_end(&rig);
}

Test(flowctl_group, a_short_period_does_not_make_members_silent) {
  struct flow_rig rig;
  gr_flow_options options = limit_1000();
  options.period_ns = 10 * FLOW_MS;
  flow_rig_begin(&rig, 2, &options);
  for (int i = 0; i < 3; i++) {
    flow_rig_tell(&rig, 2, 100, 0);
    flow_rig_pass(&rig, FLOW_MS);
    flow_rig_tell(&rig, 2, 1, 0);
    flow_rig_pass(&rig, 999 * FLOW_MS);
    cr_assert_eq(flow_rig_member(&rig, 2).standing, GR_FLOW_COUNTS);
  }
  flow_rig_pass(&rig, 10 * FLOW_S);
  cr_assert_eq(flow_rig_member(&rig, 2).standing, GR_FLOW_UNHEARD);
  flow_rig_end(&rig);
}

Test(flowctl_group, who_begins_anew_is_measured_anew) {
  struct flow_rig rig;
  gr_flow_options options = limit_1000();
  flow_rig_begin(&rig, 3, &options);
  flow_rig_run(&rig, 5, (uint64_t[]){300, 300, 100}, (uint64_t[]){0, 0, 271});
  rig.told[2] = (gr_flow_statistics){.size = sizeof(rig.told[2])};
  flow_rig_tell(&rig, 3, 1, 271);
  cr_assert_eq(flow_rig_member(&rig, 3).applied_per_s, 0);
  flow_rig_run(&rig, 1, (uint64_t[]){300, 300, 200}, (uint64_t[]){0, 0, 271});
  cr_assert_eq(flow_rig_member(&rig, 3).applied_per_s, 200);

  rig.members[1] =
      rig.members[2]; /* another view: what is known of those who stay stays */
  cr_assert_eq(gr_flow_members(rig.flow, 1, rig.members, 2, rig.now), GR_OK);
  cr_assert_eq(flow_rig_member(&rig, 3).applied_per_s, 200);
  flow_rig_end(&rig);
}

/* ---- who writes ---- */

/* Members 1 and 2 write so many a second, 3 applies 100. */
static void write_beside(struct flow_rig *rig, uint64_t own, uint64_t other) {
  for (int i = 0; i < 100; i++) {
    rig->told[0].local += own / 10;
    rig->told[1].local += other / 10;
    flow_rig_pass(rig, 100 * FLOW_MS);
    flow_rig_tell(rig, 1, 10, 0);
    flow_rig_tell(rig, 2, 10, 0);
    flow_rig_tell(rig, 3, 10, 271);
  }
}

static void expect_share(const struct flow_rig *rig, uint64_t share, uint64_t writers) {
  gr_flow_status status = flow_rig_status(rig);
  cr_assert(status.quota + 2 >= share && status.quota <= share + 2, "%lu", status.quota);
  cr_assert_eq(status.writers, writers);
  expect_quota(rig, 100);
}

Test(flowctl_group, writers_share) {
  struct flow_rig rig;
  gr_flow_options options = limit_1000();
  flow_rig_begin(&rig, 3, &options);
  write_beside(&rig, 100, 0);
  expect_share(&rig, 100, 1);
  write_beside(&rig, 50, 50);
  expect_share(&rig, 50, 2);
  write_beside(&rig, 80, 20);
  expect_share(&rig, 80, 2);
  options.size = sizeof(options);
  options.member_quota_percent = 30;
  cr_assert_eq(gr_flow_configure(rig.flow, &options, rig.now), GR_OK);
  expect_share(&rig, 30, 2);
  write_beside(&rig, 50, 0);
  write_beside(&rig, 50, 0);
  expect_share(&rig, 100, 1);
  flow_rig_end(&rig);
}

/* ---- who does not get on ---- */

Test(flowctl_group, who_stands_still_is_stuck_and_who_is_slow_is_not) {
  struct flow_rig rig;
  const uint64_t queues[] = {0, 5, 5};
  gr_flow_options options = limit_1000();
  options.period_ns = 100 * FLOW_MS;
  flow_rig_begin(&rig, 3, &options);
  flow_rig_run(&rig, 20, (uint64_t[]){100, 1, 100}, queues);
  for (int tenth = 0; tenth < 20; tenth++) { /* for 3 periods one a second does nothing */
    cr_assert(!flow_rig_member(&rig, 2).stuck);
    flow_rig_pass(&rig, 100 * FLOW_MS);
    flow_rig_tell(&rig, 2, tenth % 10 == 0, 5);
  }
  flow_rig_tell(&rig, 3, 1, 5);
  flow_rig_pass(&rig, 299 * FLOW_MS);
  flow_rig_tell(&rig, 3, 0, 5);
  cr_assert(!flow_rig_member(&rig, 3).stuck);
  flow_rig_pass(&rig, FLOW_MS);
  flow_rig_tell(&rig, 3, 0, 5);
  cr_assert(flow_rig_member(&rig, 3).stuck);
  flow_rig_tell(&rig, 3, 1, 5);
  cr_assert(!flow_rig_member(&rig, 3).stuck);
  flow_rig_run(&rig, 20, (uint64_t[]){0, 0, 0}, queues);
  cr_assert(!flow_rig_member(&rig, 1).stuck, "has nothing to do");
  cr_assert(flow_rig_member(&rig, 2).stuck);
  flow_rig_end(&rig);
}

Test(flowctl_group, a_laggard_is_left_out_until_half_of_its_queue_is_gone) {
  struct flow_rig rig;
  const uint64_t moving[] = {300, 300, 100}, standing[] = {300, 300, 0};
  gr_flow_options options = limit_1000();
  options.laggard_timeout_ns = 20 * FLOW_S;
  options.removal_timeout_ns = 10 * FLOW_S;
  flow_rig_begin(&rig, 3, &options);
  flow_rig_run(&rig, 5, moving, (uint64_t[]){0, 0, 271});
  flow_rig_run(&rig, 19, standing, (uint64_t[]){0, 0, 950});
  cr_assert_eq(flow_rig_ask(&rig), GR_FLOW_WAIT);
  cr_assert(flow_rig_member(&rig, 3).stuck);
  flow_rig_run(&rig, 2, standing, (uint64_t[]){0, 0, 950});
  cr_assert_eq(flow_rig_ask(&rig), GR_FLOW_ADMITTED);
  cr_assert_eq(flow_rig_member(&rig, 3).standing, GR_FLOW_LEFT_OUT);
  cr_assert_eq(flow_rig_status(&rig).counted, 2);
  cr_assert_eq(flow_rig_status(&rig).remove, 0);
  flow_rig_run(&rig, 10, moving, (uint64_t[]){0, 0, 5000});
  cr_assert_eq(flow_rig_status(&rig).remove, 3);
  cr_assert(flow_rig_member(&rig, 3).remove);
  flow_rig_flags(&rig, 3, GR_FLOW_PRIMARY);
  cr_assert_eq(flow_rig_status(&rig).remove, 0, "not a primary");
  flow_rig_flags(&rig, 3, 0);
  flow_rig_run(&rig, 1, moving, (uint64_t[]){0, 0, 501});
  cr_assert_eq(flow_rig_member(&rig, 3).standing, GR_FLOW_LEFT_OUT);
  flow_rig_run(&rig, 1, moving, (uint64_t[]){0, 0, 500});
  cr_assert_eq(flow_rig_member(&rig, 3).standing, GR_FLOW_COUNTS);
  cr_assert_eq(flow_rig_status(&rig).remove, 0);
  flow_rig_end(&rig);
}

Test(flowctl_group, who_has_lagged_for_longest_goes_first) {
  struct flow_rig rig;
  const uint64_t speeds[] = {100, 100, 100, 100, 100};
  gr_flow_options options = limit_1000();
  options.laggard_timeout_ns = 10 * FLOW_S;
  options.removal_timeout_ns = 10 * FLOW_S;
  flow_rig_begin(&rig, 5, &options);
  flow_rig_run(&rig, 2, speeds, (uint64_t[]){0, 950, 0, 0, 0});
  flow_rig_run(&rig, 30, speeds, (uint64_t[]){0, 950, 950, 0, 0});
  cr_assert(flow_rig_member(&rig, 2).remove);
  cr_assert(flow_rig_member(&rig, 3).remove);
  cr_assert_eq(flow_rig_status(&rig).remove, 2);
  flow_rig_end(&rig);

  options.period_ns = 20 * FLOW_S; /* nothing is decided for a while */
  flow_rig_begin(&rig, 3, &options);
  flow_rig_tell(&rig, 2, 1, 950);
  flow_rig_pass(&rig, FLOW_S);
  flow_rig_tell(&rig, 3, 1, 950);
  flow_rig_pass(&rig, 15 * FLOW_S);
  flow_rig_tell(&rig, 1, 1, 0);
  cr_assert_eq(flow_rig_member(&rig, 2).standing, GR_FLOW_LEFT_OUT);
  cr_assert_eq(flow_rig_member(&rig, 3).standing, GR_FLOW_COUNTS);
  flow_rig_end(&rig);
}

Test(flowctl_group, a_short_pause_makes_no_laggard) {
  struct flow_rig rig;
  const uint64_t speeds[] = {300, 300, 100};
  gr_flow_options options = limit_1000();
  options.laggard_timeout_ns = 3 * FLOW_S;
  flow_rig_begin(&rig, 3, &options);
  for (int i = 0; i < 5; i++) {
    flow_rig_run(&rig, 2, speeds, (uint64_t[]){0, 0, 950});
    flow_rig_run(&rig, 1, speeds, (uint64_t[]){0, 0, 850});
  }
  cr_assert_eq(flow_rig_member(&rig, 3).standing, GR_FLOW_COUNTS);
  flow_rig_end(&rig);
}

Test(flowctl_group, the_group_does_not_leave_out_its_majority) {
  struct flow_rig rig;
  const uint64_t speeds[] = {100, 100, 100, 100}, full[] = {0, 950, 950, 950};
  gr_flow_options options = limit_1000();
  options.laggard_timeout_ns = 10 * FLOW_S;
  flow_rig_begin(&rig, 4, &options);
  flow_rig_run(&rig, 1, speeds, (uint64_t[]){0, 0, 0, 950});
  flow_rig_run(&rig, 30, speeds, full);
  cr_assert_eq(flow_rig_member(&rig, 4).standing, GR_FLOW_LEFT_OUT, "was first");
  cr_assert_eq(flow_rig_status(&rig).counted, 2);
  cr_assert_eq(flow_rig_status(&rig).level, 5, "the other one is waited for");
  flow_rig_end(&rig);
}

/* ---- anything at all ---- */

static uint64_t any(struct gr_random *random) {
  return gr_random_next(random) >> gr_random_below(random, 64);
}

static void tell_anything(struct flow_rig *rig, struct gr_random *random) {
  gr_flow_statistics told = {sizeof(told), any(random), any(random),
                             any(random),  any(random), any(random),
                             any(random),  any(random), any(random)};
  gr_member_id id = 1 + gr_random_below(random, rig->count);
  cr_assert_eq(gr_flow_report(rig->flow, id, &told, rig->now), GR_OK);
}

/* Whatever members tell, what comes out stays within its bounds. */
Test(flowctl_group, survives_whatever_is_told) {
  struct gr_random random = {1};
  for (int round = 0; round < 200; round++) {
    struct flow_rig rig;
    gr_flow_options options = {.policy = (enum gr_flow_policy)(round % 2),
                               .period_ns = (1 + any(&random) % 5999) * 10 * FLOW_MS,
                               .applier_threshold = 1 + any(&random) % INT32_MAX,
                               .bytes_threshold = 1 + any(&random) % (1u << 30),
                               .lag_threshold_ns = 10 * FLOW_MS + any(&random) % FLOW_S,
                               .min_quota = any(&random) % 1000};
    flow_rig_begin(&rig, 5, &options);
    for (int i = 0; i < 500; i++) {
      flow_rig_pass(&rig, any(&random) % FLOW_S);
      tell_anything(&rig, &random);
      gr_time until = 0;
      uint64_t count = any(&random), bytes = any(&random);
      enum gr_flow_verdict verdict =
          gr_flow_admit(rig.flow, count, bytes, rig.now, rig.now, &until);
      cr_assert_neq(verdict, GR_FLOW_REFUSED, "nobody has waited");
      cr_assert(verdict == GR_FLOW_ADMITTED || until > rig.now);
      cr_assert_leq(flow_rig_status(&rig).level, 5);
      cr_assert_leq(flow_rig_status(&rig).quota, flow_rig_status(&rig).group_quota);
      cr_assert_leq(flow_rig_member(&rig, 3).level, 5);
    }
    flow_rig_end(&rig);
  }
}
