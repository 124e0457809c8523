/* SPDX-License-Identifier: MIT
 *
 * gr/flowctl.h, the options: each field at its bounds and beyond, what depends on what,
 * and structs of other sizes.
 */
#include "flowctl/options.h"

#include <criterion/criterion.h>
#include <string.h>

#define MS UINT64_C(1000000)
#define SECOND (1000 * MS)
#define HOUR (3600 * SECOND)
#define COUNT_MAX ((UINT64_C(1) << 31) - 1)

struct bounds {
  const char *name;
  size_t offset;
  uint64_t standard;
  uint64_t least;
  uint64_t most;
  bool or_none;
};
#define BOUNDS(field, standard, least, most, or_none)                                    \
  { #field, offsetof(gr_flow_options, field), standard, least, most, or_none }

static const struct bounds bounds[] = {
    BOUNDS(period_ns, SECOND, 10 * MS, 60 * SECOND, false),
    BOUNDS(certifier_threshold, 25000, 1, COUNT_MAX, true),
    BOUNDS(applier_threshold, 25000, 1, COUNT_MAX, true),
    BOUNDS(bytes_threshold, GR_FLOW_NONE, 1, UINT64_C(1) << 50, true),
    BOUNDS(lag_threshold_ns, GR_TIME_NEVER, 10 * MS, HOUR, true),
    BOUNDS(hold_percent, 10, 1, 100, true),
    BOUNDS(release_percent, 50, 1, 1000, true),
    BOUNDS(min_quota, 0, 0, COUNT_MAX, false),
    BOUNDS(min_recovery_quota, 0, 0, COUNT_MAX, false),
    BOUNDS(max_quota, 0, 0, COUNT_MAX, false),
    BOUNDS(member_quota_percent, 0, 0, 100, false),
    BOUNDS(wait_timeout_ns, 10 * SECOND, MS, HOUR, true),
    BOUNDS(laggard_timeout_ns, 30 * SECOND, 10 * MS, HOUR, true),
    BOUNDS(removal_timeout_ns, GR_TIME_NEVER, 10 * MS, HOUR, true),
};
#define BOUNDS_COUNT (sizeof(bounds) / sizeof(bounds[0]))

static gr_flow_options plain(void) {
  return (gr_flow_options){.size = sizeof(gr_flow_options)};
}

static uint64_t *field_of(gr_flow_options *options, size_t offset) {
  return (uint64_t *)(void *)((uint8_t *)options + offset);
}

static void expect(const struct bounds *row, uint64_t value, int error) {
  gr_flow_options options = plain();
  const char *field = "";
  *field_of(&options, row->offset) = value;
  cr_assert_eq(gr_flow_options_check(&options, &field), error, "%s = %lu", row->name,
               (unsigned long)value);
  if (error == GR_OK)
    cr_assert_null(field);
  else
    cr_assert_str_eq(field, row->name);
  if (value != 0)
    cr_assert_eq(*field_of(&options, row->offset), value, "a value that is set stays");
}

Test(flowctl_options, every_field_has_its_bounds) {
  for (size_t i = 0; i < BOUNDS_COUNT; i++) {
    const struct bounds *row = &bounds[i];
    expect(row, row->least, GR_OK);
    expect(row, row->most, GR_OK);
    if (row->least > 1) expect(row, row->least - 1, GR_ERR_INVALID);
    expect(row, row->most + 1, GR_ERR_INVALID);
    expect(row, UINT64_MAX - 1, GR_ERR_INVALID);
    expect(row, UINT64_MAX, row->or_none ? GR_OK : GR_ERR_INVALID);
  }
}

Test(flowctl_options, zero_means_the_default) {
  gr_flow_options options = plain();
  cr_assert_eq(gr_flow_options_check(&options, NULL), GR_OK);
  for (size_t i = 0; i < BOUNDS_COUNT; i++)
    cr_assert_eq(*field_of(&options, bounds[i].offset), bounds[i].standard, "%s",
                 bounds[i].name);
  gr_flow_options again = options;
  cr_assert_eq(gr_flow_options_check(&again, NULL), GR_OK, "what holds can be set");
  cr_assert_eq(memcmp(&again, &options, sizeof(options)), 0);
}

Test(flowctl_options, choices_are_those_there_are) {
  const char *field;
  gr_flow_options options = plain();
  options.mode = (enum gr_flow_mode)2;
  cr_assert_eq(gr_flow_options_check(&options, &field), GR_ERR_INVALID);
  cr_assert_str_eq(field, "mode");
  options = plain();
  options.policy = (enum gr_flow_policy)3;
  cr_assert_eq(gr_flow_options_check(&options, &field), GR_ERR_INVALID);
  cr_assert_str_eq(field, "policy");
  options = plain();
  options.wait_timeout = (enum gr_flow_timeout)2;
  cr_assert_eq(gr_flow_options_check(&options, &field), GR_ERR_INVALID);
  cr_assert_str_eq(field, "wait_timeout");
  options = plain();
  options.mode = GR_FLOW_DISABLED;
  options.policy = GR_FLOW_NAMED;
  options.wait_timeout = GR_FLOW_PASS;
  cr_assert_eq(gr_flow_options_check(&options, &field), GR_OK);
}

Test(flowctl_options, no_floor_is_above_the_ceiling) {
  const char *field;
  gr_flow_options options = plain();
  options.max_quota = options.min_quota = options.min_recovery_quota = 100;
  cr_assert_eq(gr_flow_options_check(&options, &field), GR_OK);
  options.min_quota = 101;
  cr_assert_eq(gr_flow_options_check(&options, &field), GR_ERR_INVALID);
  cr_assert_str_eq(field, "min_quota");
  options.min_quota = 0;
  options.min_recovery_quota = 101;
  cr_assert_eq(gr_flow_options_check(&options, &field), GR_ERR_INVALID);
  cr_assert_str_eq(field, "min_recovery_quota");
}

Test(flowctl_options, structs_of_other_sizes) {
  const char *field = "";
  gr_flow_options options = plain();
  cr_assert_eq(gr_flow_options_check(NULL, &field), GR_ERR_INVALID);
  cr_assert_null(field);
  options.size = sizeof(size_t) - 1;
  cr_assert_eq(gr_flow_options_check(&options, NULL), GR_ERR_INVALID);

  options.size = offsetof(gr_flow_options, applier_threshold);
  options.certifier_threshold = 7;
  options.applier_threshold = UINT64_MAX - 1; /* beyond: another program's memory */
  cr_assert_eq(gr_flow_options_check(&options, NULL), GR_OK);
  cr_assert_eq(options.period_ns, SECOND);
  cr_assert_eq(options.certifier_threshold, 7);
  cr_assert_eq(options.applier_threshold, UINT64_MAX - 1);

  struct {
    gr_flow_options known;
    uint64_t later;
  } newer = {plain(), 0};
  newer.known.size = sizeof(newer);
  cr_assert_eq(gr_flow_options_check(&newer.known, NULL), GR_OK);
  cr_assert_eq(newer.known.size, sizeof(newer));
  newer.later = 1;
  cr_assert_eq(gr_flow_options_check(&newer.known, NULL), GR_ERR_VERSION);
}

Test(flowctl_options, none_of_a_percentage_is_nothing) {
  gr_flow_options copy, options = plain();
  options.hold_percent = options.release_percent = GR_FLOW_NONE;
  cr_assert_eq(gr_flow_options_copy(&copy, &options), GR_OK);
  cr_assert_eq(copy.hold_percent, 0);
  cr_assert_eq(copy.release_percent, 0);
  cr_assert_eq(copy.wait_timeout_ns, 10 * SECOND);
}
