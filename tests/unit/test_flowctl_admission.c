/* SPDX-License-Identifier: MIT
 *
 * gr/flowctl.h, one member's side: life cycle, what callers can get wrong, and what
 * writers see: the pace, waiting, its end, and DISABLED mode.
 */
#include "flow_rig.h"
#include "harness.h"

#include <criterion/criterion.h>
#include <string.h>

static const uint64_t slow_third[] = {100, 100, 100};
static const uint64_t third_lags[] = {0, 0, 271}; /* of 1000: at the aim */
static const uint64_t third_is_full[] = {0, 0, 950};
static const uint64_t nobody_lags[] = {0, 0, 0};

static gr_flow_options limit_1000(void) {
  return (gr_flow_options){.certifier_threshold = 1000, .applier_threshold = 1000};
}

/* ---- life cycle ---- */

Test(flowctl_admission, nothing_is_allocated_but_at_the_beginning) {
  struct counting counting = {0};
  gr_allocator allocator = counting_allocator(&counting);
  gr_flow_options options = {.size = sizeof(options)};
  gr_flow *flow;
  cr_assert_eq(gr_flow_new(&flow, &options, &allocator, 0), GR_OK);
  const gr_flow_member members[] = {{1, 0}, {2, 0}};
  gr_flow_statistics told = {.size = sizeof(told), .applier_queue = 24000};
  cr_assert_eq(gr_flow_members(flow, 1, members, 2, 0), GR_OK);
  for (gr_time now = 0; now < 5 * FLOW_S; now += 50 * FLOW_MS) {
    told.applied += 5;
    cr_assert_eq(gr_flow_report(flow, 2, &told, now), GR_OK);
    cr_assert_eq(gr_flow_poll(flow, now), GR_OK);
    gr_flow_admit(flow, 1, 1, now, now, NULL);
  }
  cr_assert_eq(gr_flow_configure(flow, &options, 5 * FLOW_S), GR_OK);
  cr_assert_eq(counting.calls, 1);
  gr_flow_free(flow);
  cr_assert_eq(counting.live, 0);
  cr_assert_eq(counting.live_bytes, 0);
  counting = (struct counting){.fail_at = 1};
  cr_assert_eq(gr_flow_new(&flow, &options, &allocator, 0), GR_ERR_NO_MEMORY);
  cr_assert_null(flow);
}

Test(flowctl_admission, arguments_are_checked) {
  gr_flow *flow = NULL;
  gr_flow_options options = {.size = sizeof(options)};
  gr_flow_options bad = {.size = sizeof(bad), .period_ns = 1};
  gr_allocator half = {0};
  cr_assert_eq(gr_flow_new(NULL, &options, NULL, 0), GR_ERR_INVALID);
  cr_assert_eq(gr_flow_new(&flow, NULL, NULL, 0), GR_ERR_INVALID);
  cr_assert_eq(gr_flow_new(&flow, &bad, NULL, 0), GR_ERR_INVALID);
  cr_assert_eq(gr_flow_new(&flow, &options, &half, 0), GR_ERR_INVALID);
  cr_assert_null(flow);
  gr_flow_free(NULL);
  cr_assert_eq(gr_flow_new(&flow, &options, NULL, 0), GR_OK);

  gr_flow_member members[GR_MEMBERS_MAX + 1];
  for (uint32_t i = 0; i <= GR_MEMBERS_MAX; i++) members[i] = (gr_flow_member){i + 1, 0};
  cr_assert_eq(gr_flow_members(NULL, 1, members, 1, 0), GR_ERR_INVALID);
  cr_assert_eq(gr_flow_members(flow, 1, NULL, 1, 0), GR_ERR_INVALID);
  cr_assert_eq(gr_flow_members(flow, 3, members, 2, 0), GR_ERR_INVALID, "self is none");
  cr_assert_eq(gr_flow_members(flow, 1, members, GR_MEMBERS_MAX + 1, 0), GR_ERR_INVALID);
  const gr_flow_member twice[] = {{1, 0}, {2, 0}, {1, 0}};
  cr_assert_eq(gr_flow_members(flow, 1, twice, 3, 0), GR_ERR_INVALID);
  const gr_flow_member zero[] = {{1, 0}, {0, 0}};
  cr_assert_eq(gr_flow_members(flow, 1, zero, 2, 0), GR_ERR_INVALID);
  gr_flow_statistics told = {.size = sizeof(told)};
  cr_assert_eq(gr_flow_report(flow, 1, &told, 0), GR_ERR_INVALID, "nothing was changed");
  cr_assert_eq(gr_flow_members(flow, 0, NULL, 0, 0), GR_OK);
  cr_assert_eq(gr_flow_members(flow, 0, members, 2, 0), GR_OK,
               "this one is none of them");
  cr_assert_eq(gr_flow_members(flow, 9, members, GR_MEMBERS_MAX, 0), GR_OK);

  cr_assert_eq(gr_flow_report(NULL, 1, &told, 0), GR_ERR_INVALID);
  cr_assert_eq(gr_flow_report(flow, 1, NULL, 0), GR_ERR_INVALID);
  cr_assert_eq(gr_flow_report(flow, GR_MEMBERS_MAX + 1, &told, 0), GR_ERR_INVALID);
  told.size = sizeof(size_t) - 1;
  cr_assert_eq(gr_flow_report(flow, 1, &told, 0), GR_ERR_INVALID);

  gr_flow_status status = {.size = sizeof(status)};
  gr_flow_member_status member = {.size = sizeof(member)};
  cr_assert_eq(gr_flow_status_get(NULL, &status), GR_ERR_INVALID);
  cr_assert_eq(gr_flow_status_get(flow, NULL), GR_ERR_INVALID);
  cr_assert_eq(gr_flow_member_status_get(NULL, 1, &member), GR_ERR_INVALID);
  cr_assert_eq(gr_flow_member_status_get(flow, 1, NULL), GR_ERR_INVALID);
  cr_assert_eq(gr_flow_member_status_get(flow, GR_MEMBERS_MAX + 1, &member),
               GR_ERR_INVALID);
  status.size = member.size = 1;
  cr_assert_eq(gr_flow_status_get(flow, &status), GR_ERR_INVALID);
  cr_assert_eq(gr_flow_member_status_get(flow, 1, &member), GR_ERR_INVALID);

  gr_time until = 0;
  cr_assert_eq(gr_flow_configure(NULL, &options, 0), GR_ERR_INVALID);
  cr_assert_eq(gr_flow_configure(flow, &bad, 0), GR_ERR_INVALID);
  cr_assert_eq(gr_flow_poll(NULL, 0), GR_ERR_INVALID);
  cr_assert_eq(gr_flow_deadline(NULL), GR_TIME_NEVER);
  cr_assert_eq(gr_flow_admit(NULL, 1, 1, 0, 5, &until), GR_FLOW_REFUSED);
  cr_assert_eq(until, 5);
  gr_flow_free(flow);
}

Test(flowctl_admission, smaller_structs_are_filled_in_as_far_as_they_go) {
  struct flow_rig rig;
  gr_flow_options options = limit_1000();
  flow_rig_begin(&rig, 3, &options);
  flow_rig_run(&rig, 2, slow_third, third_lags);
  gr_flow_status status;
  memset(&status, 0x5a, sizeof(status));
  status.size = offsetof(gr_flow_status, quota);
  cr_assert_eq(gr_flow_status_get(rig.flow, &status), GR_OK);
  cr_assert_eq(status.level, 2);
  cr_assert_eq(status.quota, UINT64_C(0x5a5a5a5a5a5a5a5a));
  gr_flow_statistics told = {.size = offsetof(gr_flow_statistics, queue_bytes),
                             .applier_queue = 10,
                             .queue_bytes = UINT64_MAX};
  cr_assert_eq(gr_flow_report(rig.flow, 3, &told, rig.now), GR_OK);
  cr_assert_eq(flow_rig_member(&rig, 3).use_permille, 10);
  flow_rig_end(&rig);
}

Test(flowctl_admission, names_are_for_people) {
  for (int i = GR_FLOW_LIMIT_NONE; i <= GR_FLOW_LIMIT_MAX_QUOTA; i++)
    cr_assert_str_neq(gr_flow_limit_name((enum gr_flow_limit)i), "unknown");
  for (int i = GR_FLOW_COUNTS; i <= GR_FLOW_LEFT_OUT; i++)
    cr_assert_str_neq(gr_flow_standing_name((enum gr_flow_standing)i), "unknown");
  cr_assert_str_eq(gr_flow_limit_name((enum gr_flow_limit)6), "unknown");
  cr_assert_str_eq(gr_flow_standing_name((enum gr_flow_standing)4), "unknown");
}

/* ---- the pace ---- */

/* Asks as often as it is let for so long, told again each 100 ms; how many were admitted,
 * and the most in a 16th of a second. */
static uint64_t write_for(struct flow_rig *rig, gr_time time, uint64_t *most) {
  uint64_t admitted = 0, in_part = 0, part = 0;
  *most = 0;
  for (gr_time passed = 0; passed < time; passed += FLOW_MS) {
    if (passed / (FLOW_S / 16) != part) in_part = 0;
    part = passed / (FLOW_S / 16);
    flow_rig_pass(rig, FLOW_MS);
    if (passed % (100 * FLOW_MS) == 0) flow_rig_tell(rig, 3, 10, 271);
    for (; flow_rig_ask(rig) == GR_FLOW_ADMITTED; admitted++) in_part++;
    if (in_part > *most) *most = in_part;
  }
  return admitted;
}

Test(flowctl_admission, a_quota_is_spread_evenly) {
  struct flow_rig rig;
  gr_flow_options options = limit_1000();
  uint64_t most;
  flow_rig_begin(&rig, 3, &options);
  flow_rig_run(&rig, 10, slow_third, third_lags);
  uint64_t admitted = write_for(&rig, 10 * FLOW_S, &most);
  cr_assert(admitted >= 990 && admitted <= 1020, "%lu", admitted);
  cr_assert_leq(most, 9, "100 / 16, and what is allowed at once");
  flow_rig_end(&rig);
}

/* Who is woken each millisecond gets as much as who asks all the time. */
Test(flowctl_admission, short_periods_do_not_ask_for_finer_timers) {
  struct flow_rig rig;
  gr_flow_options options = limit_1000();
  options.period_ns = 10 * FLOW_MS;
  flow_rig_begin(&rig, 3, &options);
  flow_rig_run(&rig, 10, (uint64_t[]){1500, 1500, 1500}, third_lags);
  uint64_t admitted = 0;
  for (int ms = 0; ms < 200; ms++) {
    flow_rig_pass(&rig, FLOW_MS);
    while (flow_rig_ask(&rig) == GR_FLOW_ADMITTED) admitted++;
  }
  cr_assert(admitted >= 297 && admitted <= 306, "%lu", admitted);
  flow_rig_end(&rig);
}

Test(flowctl_admission, without_a_quota_there_is_no_wait) {
  struct flow_rig rig;
  gr_flow_options options = limit_1000();
  flow_rig_begin(&rig, 3, &options);
  cr_assert_eq(flow_rig_status(&rig).quota, GR_FLOW_NONE, "before anybody told anything");
  flow_rig_run(&rig, 10, slow_third, nobody_lags);
  gr_flow_status status = flow_rig_status(&rig);
  cr_assert_eq(status.quota, GR_FLOW_NONE);
  cr_assert_eq(status.group_quota, GR_FLOW_NONE);
  cr_assert_eq(status.level, 0);
  cr_assert_eq(status.limit, GR_FLOW_LIMIT_NONE);
  cr_assert_eq(status.member, 0);
  for (int i = 0; i < 100; i++) cr_assert_eq(flow_rig_ask(&rig), GR_FLOW_ADMITTED);
  cr_assert_eq(flow_rig_status(&rig).admitted, 100);
  flow_rig_end(&rig);
}

/* Yet not more at once than the shortest queue has room for. */
Test(flowctl_admission, a_burst_does_not_fill_a_queue_before_news_come) {
  struct flow_rig rig;
  gr_flow_options options = limit_1000();
  flow_rig_begin(&rig, 3, &options);
  flow_rig_run(&rig, 10, slow_third, nobody_lags);
  uint64_t admitted = 0;
  for (int ms = 0; ms < 100; ms++) {
    flow_rig_pass(&rig, FLOW_MS);
    while (flow_rig_ask(&rig) == GR_FLOW_ADMITTED) admitted++;
  }
  cr_assert(admitted >= 900 && admitted <= 960, "%lu", admitted);
  flow_rig_end(&rig);
}

Test(flowctl_admission, that_holds_when_news_come_more_rarely) {
  struct flow_rig rig;
  gr_flow_options options = limit_1000();
  flow_rig_begin(&rig, 3, &options);
  flow_rig_run(&rig, 10, slow_third, nobody_lags);
  flow_rig_pass(&rig, FLOW_S);
  for (gr_member_id id = 1; id <= 3; id++) flow_rig_tell(&rig, id, 100, 0);
  for (int i = 0; i < 20; i++) /* and many at once do not hide it */
    for (gr_member_id id = 1; id <= 3; id++) flow_rig_tell(&rig, id, 0, 0);
  uint64_t admitted = 0;
  for (int ms = 0; ms < 1000; ms++) {
    flow_rig_pass(&rig, FLOW_MS);
    while (flow_rig_ask(&rig) == GR_FLOW_ADMITTED) admitted++;
  }
  cr_assert(admitted >= 900 && admitted <= 100 + 950, "%lu", admitted);
  flow_rig_end(&rig);
}

Test(flowctl_admission, bytes_are_a_quota_of_their_own) {
  struct flow_rig rig;
  gr_flow_options options = {.bytes_threshold = 100000}; /* 1000 of the rig's */
  flow_rig_begin(&rig, 3, &options);
  flow_rig_run(&rig, 10, slow_third, third_lags);
  gr_flow_status status = flow_rig_status(&rig);
  cr_assert_eq(status.limit, GR_FLOW_LIMIT_BYTES);
  cr_assert_eq(status.member, 3);
  cr_assert_eq(status.quota, GR_FLOW_NONE);
  cr_assert(status.quota_bytes > 9900 && status.quota_bytes < 10100);
  cr_assert_eq(gr_flow_admit(rig.flow, 1, 20000, rig.now, rig.now, NULL),
               GR_FLOW_ADMITTED, "who is larger than all that is allowed passes, too");
  gr_time until = 0;
  cr_assert_eq(gr_flow_admit(rig.flow, 1, 1, rig.now, rig.now, &until), GR_FLOW_WAIT);
  cr_assert(until > rig.now + 1900 * FLOW_MS && until < rig.now + 2000 * FLOW_MS);
  cr_assert_eq(gr_flow_admit(rig.flow, 1, 0, rig.now, rig.now, NULL), GR_FLOW_ADMITTED,
               "has no bytes");
  flow_rig_end(&rig);
}

/* ---- waiting, and its end ---- */

/* Writes pause. */
static void begin_full(struct flow_rig *rig, gr_flow_options options) {
  flow_rig_begin(rig, 3, &options);
  flow_rig_run(rig, 5, slow_third, third_is_full);
  cr_assert_eq(flow_rig_status(rig).level, 5);
  cr_assert_eq(flow_rig_status(rig).quota, 0);
}

Test(flowctl_admission, who_waits_too_long_is_refused) {
  struct flow_rig rig;
  gr_flow_options options = limit_1000();
  options.wait_timeout_ns = 2 * FLOW_S;
  begin_full(&rig, options);
  gr_time since = rig.now, until;
  cr_assert_eq(gr_flow_admit(rig.flow, 3, 1, since, since, &until), GR_FLOW_WAIT);
  cr_assert_eq(until, since + 2 * FLOW_S);
  cr_assert_eq(gr_flow_admit(rig.flow, 3, 1, since, until - 1, &until), GR_FLOW_WAIT);
  cr_assert_eq(gr_flow_admit(rig.flow, 3, 1, since, until, NULL), GR_FLOW_REFUSED);
  gr_flow_status status = flow_rig_status(&rig);
  cr_assert_eq(status.refused, 3);
  cr_assert_eq(status.passed, 0);
  cr_assert_eq(status.admitted, 0);
  cr_assert_eq(status.waited, 3);
  cr_assert_eq(status.waited_ns, 6 * FLOW_S);
  flow_rig_end(&rig);
}

Test(flowctl_admission, or_passes_by_setting_and_others_wait_for_that) {
  struct flow_rig rig;
  gr_flow_options options = limit_1000();
  options.wait_timeout_ns = 2 * FLOW_S;
  options.wait_timeout = GR_FLOW_PASS;
  begin_full(&rig, options);
  gr_time since = rig.now;
  cr_assert_eq(gr_flow_admit(rig.flow, 100, 1, since, since, NULL), GR_FLOW_WAIT);
  cr_assert_eq(gr_flow_admit(rig.flow, 100, 1, since, since + 2 * FLOW_S, NULL),
               GR_FLOW_ADMITTED);
  cr_assert_eq(flow_rig_status(&rig).passed, 100);
  cr_assert_eq(flow_rig_status(&rig).admitted, 100);
  flow_rig_end(&rig);

  flow_rig_begin(&rig, 3, &options);
  flow_rig_run(&rig, 5, slow_third, third_lags);
  for (int i = 0; i < 2; i++) /* 400 of 100 a second: two seconds beyond the timeout */
    cr_assert_eq(gr_flow_admit(rig.flow, 400, 1, rig.now - 2 * FLOW_S, rig.now, NULL),
                 GR_FLOW_ADMITTED);
  gr_time until;
  cr_assert_eq(gr_flow_admit(rig.flow, 1, 1, rig.now + 6 * FLOW_S, rig.now + 6 * FLOW_S,
                             &until),
               GR_FLOW_WAIT);
  cr_assert_gt(until, rig.now + 7 * FLOW_S, "what has passed is paid for");
  flow_rig_end(&rig);
}

Test(flowctl_admission, a_wait_without_end_ends_with_the_pause) {
  struct flow_rig rig;
  gr_flow_options options = limit_1000();
  options.wait_timeout_ns = GR_TIME_NEVER;
  options.laggard_timeout_ns = GR_TIME_NEVER;
  begin_full(&rig, options);
  gr_time since = rig.now, until;
  flow_rig_run(&rig, 100, slow_third, third_is_full);
  cr_assert_eq(gr_flow_admit(rig.flow, 1, 1, since, rig.now, &until), GR_FLOW_WAIT);
  cr_assert_eq(until, GR_TIME_NEVER);
  flow_rig_tell(&rig, 3, 10, 800);
  cr_assert_eq(gr_flow_admit(rig.flow, 1, 1, since, rig.now, &until), GR_FLOW_ADMITTED);
  cr_assert_eq(flow_rig_status(&rig).waited, 1);
  cr_assert_eq(flow_rig_status(&rig).waited_ns, 100 * FLOW_S);
  flow_rig_end(&rig);
}

Test(flowctl_admission, time_does_not_go_back) {
  struct flow_rig rig;
  gr_flow_options options = limit_1000();
  options.wait_timeout_ns = 2 * FLOW_S;
  begin_full(&rig, options);
  gr_time until;
  cr_assert_eq(gr_flow_admit(rig.flow, 1, 1, 0, 0, &until), GR_FLOW_REFUSED,
               "it is later, whoever says what");
  cr_assert_eq(gr_flow_admit(rig.flow, 1, 1, GR_TIME_NEVER, rig.now, &until),
               GR_FLOW_WAIT);
  cr_assert_eq(gr_flow_report(rig.flow, 3, &rig.told[2], 5), GR_OK);
  cr_assert_eq(gr_flow_poll(rig.flow, 5), GR_OK);
  cr_assert_gt(gr_flow_deadline(rig.flow), rig.now);
  flow_rig_end(&rig);
}

/* ---- modes ---- */

Test(flowctl_admission, disabled_admits_all_and_watches_on) {
  struct flow_rig rig;
  gr_flow_options options = limit_1000();
  begin_full(&rig, options);
  options.size = sizeof(options);
  options.mode = GR_FLOW_DISABLED;
  options.max_quota = 5;
  cr_assert_eq(gr_flow_configure(rig.flow, &options, rig.now), GR_OK);
  for (int i = 0; i < 1000; i++) cr_assert_eq(flow_rig_ask(&rig), GR_FLOW_ADMITTED);
  gr_flow_status status = flow_rig_status(&rig);
  cr_assert_eq(status.level, 5);
  cr_assert_eq(status.quota, GR_FLOW_NONE);
  cr_assert_eq(status.quota_bytes, GR_FLOW_NONE);
  cr_assert_eq(status.admitted, 1000);
  cr_assert_eq(flow_rig_member(&rig, 3).applied_per_s, 100);
  options.mode = GR_FLOW_QUOTA;
  options.max_quota = 0;
  cr_assert_eq(gr_flow_configure(rig.flow, &options, rig.now), GR_OK);
  cr_assert_eq(flow_rig_ask(&rig), GR_FLOW_WAIT);
  flow_rig_end(&rig);
}

Test(flowctl_admission, a_shorter_period_begins_at_once) {
  struct flow_rig rig;
  gr_flow_options options = {.period_ns = 60 * FLOW_S};
  flow_rig_begin(&rig, 3, &options);
  cr_assert_eq(gr_flow_deadline(rig.flow), rig.now + 60 * FLOW_S);
  options.size = sizeof(options);
  options.period_ns = 10 * FLOW_MS;
  cr_assert_eq(gr_flow_configure(rig.flow, &options, rig.now), GR_OK);
  cr_assert_eq(gr_flow_deadline(rig.flow), rig.now + 10 * FLOW_MS);
  flow_rig_end(&rig);
}
