/* SPDX-License-Identifier: MIT
 *
 * The options: defaults and ranges, in one table.
 */
#include "flowctl/options.h"

#include "base/fill.h"

#include <string.h>

#define MS UINT64_C(1000000)
#define SECOND (1000 * MS)
#define HOUR (3600 * SECOND)
#define COUNT_MAX ((UINT64_C(1) << 31) - 1)
#define BYTES_MAX (UINT64_C(1) << 50)

struct range {
  const char *name;
  size_t offset;
  uint64_t standard;
  uint64_t least;
  uint64_t most;
  bool or_none; /* UINT64_MAX, which is also GR_TIME_NEVER */
};

#define RANGE(field, standard, least, most, or_none)                                     \
  { #field, offsetof(gr_flow_options, field), standard, least, most, or_none }

static const struct range ranges[] = {
    RANGE(period_ns, SECOND, 10 * MS, 60 * SECOND, false),
    RANGE(certifier_threshold, 25000, 1, COUNT_MAX, true),
    RANGE(applier_threshold, 25000, 1, COUNT_MAX, true),
    RANGE(bytes_threshold, GR_FLOW_NONE, 1, BYTES_MAX, true),
    RANGE(lag_threshold_ns, GR_TIME_NEVER, 10 * MS, HOUR, true),
    RANGE(hold_percent, 10, 1, 100, true),
    RANGE(release_percent, 50, 1, 1000, true),
    RANGE(min_quota, 0, 0, COUNT_MAX, false),
    RANGE(min_recovery_quota, 0, 0, COUNT_MAX, false),
    RANGE(max_quota, 0, 0, COUNT_MAX, false),
    RANGE(member_quota_percent, 0, 0, 100, false),
    RANGE(wait_timeout_ns, 10 * SECOND, MS, HOUR, true),
    RANGE(laggard_timeout_ns, 30 * SECOND, 10 * MS, HOUR, true),
    RANGE(removal_timeout_ns, GR_TIME_NEVER, 10 * MS, HOUR, true),
};

static const char *set_standards(gr_flow_options *options) {
  for (size_t i = 0; i < sizeof(ranges) / sizeof(ranges[0]); i++) {
    const struct range *range = &ranges[i];
    uint64_t value;
    memcpy(&value, (uint8_t *)options + range->offset, sizeof(value));
    if (value == 0) value = range->standard;
    bool none = range->or_none && value == UINT64_MAX;
    if (!none && (value < range->least || value > range->most)) return range->name;
    memcpy((uint8_t *)options + range->offset, &value, sizeof(value));
  }
  return NULL;
}

/* By their numbers, which may be any. */
static const char *check_choices(const gr_flow_options *options) {
  if ((unsigned)options->mode > GR_FLOW_DISABLED) return "mode";
  if ((unsigned)options->policy > GR_FLOW_NAMED) return "policy";
  if ((unsigned)options->wait_timeout > GR_FLOW_PASS) return "wait_timeout";
  return NULL;
}

static const char *check_quotas(const gr_flow_options *options) {
  if (options->max_quota == 0) return NULL;
  if (options->min_quota > options->max_quota) return "min_quota";
  if (options->min_recovery_quota > options->max_quota) return "min_recovery_quota";
  return NULL;
}

static int check(gr_flow_options *copy, const gr_flow_options *options,
                 const char **field) {
  *field = NULL;
  int error = gr_take_in(copy, sizeof(*copy), options);
  if (error != GR_OK) return error;
  *field = check_choices(copy);
  if (!*field) *field = set_standards(copy);
  if (!*field) *field = check_quotas(copy);
  return *field ? GR_ERR_INVALID : GR_OK;
}

int gr_flow_options_check(gr_flow_options *options, const char **field) {
  gr_flow_options checked;
  const char *ignored;
  int error = check(&checked, options, field ? field : &ignored);
  if (error == GR_OK)
    memcpy(options, &checked,
           options->size < sizeof(checked) ? options->size : sizeof(checked));
  return error;
}

int gr_flow_options_copy(gr_flow_options *copy, const gr_flow_options *options) {
  const char *field;
  int error = check(copy, options, &field);
  if (error != GR_OK) return error;
  if (copy->hold_percent == GR_FLOW_NONE) copy->hold_percent = 0;
  if (copy->release_percent == GR_FLOW_NONE) copy->release_percent = 0;
  return GR_OK;
}
