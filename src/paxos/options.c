/* SPDX-License-Identifier: MIT
 *
 * The options: defaults and ranges, in one table, and the rules that join several fields.
 */
#include "paxos/options.h"

#include "base/fill.h"
#include "paxos/engine.h"

#include <string.h>

#define KIB UINT64_C(1024)
#define MIB (KIB * KIB)
#define GIB (KIB * MIB)
#define US UINT64_C(1000)
#define MS (US * US)
#define SECOND (MS * US)

struct range {
  const char *name;
  size_t offset;
  uint64_t standard;
  uint64_t least;
  uint64_t most;
};

#define RANGE(field, standard, least, most)                                              \
  { #field, offsetof(gr_options, field), standard, least, most }

/* fragment_bytes_max and cache_bytes_max depend on others: see below. */
static const struct range ranges[] = {
    RANGE(message_bytes_max, 64 * MIB, KIB, GIB),
    RANGE(batch_bytes_max, MIB + 64, KIB, 16 * MIB),
    RANGE(unordered_bytes_max, 16 * MIB, KIB, 4 * GIB),
    RANGE(log_slots_max, 65536, 4096, 16777216),
    RANGE(slots_in_flight_max, 32, 1, GR_SLOTS_UNDECIDED_MAX),
    RANGE(heartbeat_interval_ns, 100 * MS, MS, 10 * SECOND),
    RANGE(election_timeout_ns, 300 * MS, 2 * MS, 3600 * SECOND),
    RANGE(gap_timeout_ns, 5 * MS, 10 * US, 10 * SECOND),
    RANGE(retry_timeout_ns, 30 * MS, 100 * US, 10 * SECOND),
    RANGE(suspect_floor_ns, 500 * MS, 10 * MS, 3600 * SECOND),
    RANGE(suspect_ceiling_ns, 5 * SECOND, 10 * MS, 3600 * SECOND),
    RANGE(expel_timeout_ns, 5 * SECOND, MS, 3600 * SECOND),
    RANGE(unreachable_timeout_ns, 30 * SECOND, MS, GR_TIME_NEVER),
    RANGE(join_timeout_ns, 60 * SECOND, 100 * MS, 3600 * SECOND),
    RANGE(rejoin_tries, 3, 1, GR_REJOIN_NEVER),
    RANGE(rejoin_interval_ns, SECOND, MS, 3600 * SECOND),
    RANGE(online_lag_max, 64, 1, 65536),
    RANGE(snapshot_chunk_bytes, 256 * KIB, KIB, 4 * MIB),
    RANGE(snapshot_bytes_per_s, 256 * MIB, 1, UINT64_MAX),
};

#define MEMBERS_STANDARD 9
#define FRAGMENT_LEAST 256
#define BATCH_OVERHEAD 64 /* at least a batch's header and that of one entry */
_Static_assert(BATCH_OVERHEAD >= GR_BATCH_HEADER_BYTES + GR_ENTRY_HEADER_BYTES,
               "a fragment fits a batch");

static bool set_standards(gr_options *options, const char **field) {
  for (size_t i = 0; i < sizeof(ranges) / sizeof(ranges[0]); i++) {
    uint64_t value;
    memcpy(&value, (uint8_t *)options + ranges[i].offset, sizeof(value));
    if (value == 0) value = ranges[i].standard;
    if (value < ranges[i].least || value > ranges[i].most) {
      *field = ranges[i].name;
      return false;
    }
    memcpy((uint8_t *)options + ranges[i].offset, &value, sizeof(value));
  }
  return true;
}

static const char *check_attributes(const gr_options *options) {
  static const gr_uuid none = {{0}};
  const gr_attributes *attributes = &options->attributes;
  bool named = memcmp(&attributes->uuid, &none, sizeof(none)) != 0;
  bool address = attributes->address.size <= GR_ADDRESS_BYTES_MAX &&
                 (attributes->address.data || attributes->address.size == 0);
  bool user_data = attributes->user_data.size <= GR_USER_DATA_BYTES_MAX &&
                   (attributes->user_data.data || attributes->user_data.size == 0);
  bool joins = options->founder_count == 0 && !options->durable;
  if ((!named && joins) || attributes->weight > 100 || !address || !user_data)
    return "attributes";
  if (options->seed_count > GR_SEEDS_MAX || (options->seed_count > 0 && !options->seeds))
    return "seeds";
  for (size_t i = 0; i < options->seed_count; i++)
    if (options->seeds[i].size > GR_ADDRESS_BYTES_MAX ||
        (!options->seeds[i].data && options->seeds[i].size > 0))
      return "seeds";
  return NULL;
}

static const char *check_founders(const gr_options *options) {
  static const gr_uuid none = {{0}};
  if (memcmp(&options->group_id, &none, sizeof(none)) == 0) return "group_id";
  if (options->founder_count == 0 && options->self == 0) /* it joins */
    return options->seed == 0 ? "seed" : NULL;
  if (options->self == 0) return "self";
  if (!options->founders) return "founders";
  if (options->founder_count == 0 || options->founder_count > GR_MEMBERS_MAX)
    return "founder_count";
  bool found = false;
  for (size_t i = 0; i < options->founder_count; i++) {
    if (options->founders[i] == 0 || options->founders[i] >= GR_MEMBER_ID_MAX)
      return "founders";
    for (size_t k = 0; k < i; k++)
      if (options->founders[k] == options->founders[i]) return "founders";
    found = found || options->founders[i] == options->self;
  }
  if (!found) return "self";
  return options->seed == 0 ? "seed" : NULL;
}

uint32_t gr_options_places(const gr_options *options) {
  return (uint32_t)options->members_max + GR_PLACES_SPARE;
}

struct gr_lane_limits gr_options_lane_limits(const gr_options *options) {
  return (struct gr_lane_limits){options->message_bytes_max, options->fragment_bytes_max,
                                 options->batch_bytes_max};
}

/* Fields whose range depends on others. */
static const char *check_dependent(gr_options *options) {
  uint64_t fragment_most = options->batch_bytes_max - BATCH_OVERHEAD;
  if (options->fragment_bytes_max == 0)
    options->fragment_bytes_max = fragment_most < MIB ? fragment_most : MIB;
  if (options->fragment_bytes_max < FRAGMENT_LEAST ||
      options->fragment_bytes_max > fragment_most)
    return "fragment_bytes_max";
  if (options->unordered_bytes_max < options->batch_bytes_max)
    return "unordered_bytes_max";
  if (options->members_max == 0)
    options->members_max = options->founder_count > MEMBERS_STANDARD
                               ? options->founder_count
                               : MEMBERS_STANDARD;
  if (options->members_max < options->founder_count ||
      options->members_max > GR_MEMBERS_MAX)
    return "members_max";
  if (options->suspect_ceiling_ns < options->suspect_floor_ns)
    return "suspect_ceiling_ns";
  if (options->election_timeout_ns < 2 * options->heartbeat_interval_ns)
    return "election_timeout_ns";
  struct gr_lane_limits limits = gr_options_lane_limits(options);
  uint64_t least = gr_options_places(options) * options->batch_bytes_max *
                   gr_lane_blocks_min(&limits, options->unordered_bytes_max);
  if (options->cache_bytes_max == 0)
    options->cache_bytes_max = least > 256 * MIB ? least : 256 * MIB;
  if (options->cache_bytes_max < least || options->cache_bytes_max > KIB * GIB)
    return "cache_bytes_max";
  return NULL;
}

static int check(gr_options *checked, const char **field) {
  *field = check_founders(checked);
  if (!*field) *field = check_attributes(checked);
  if (*field || !set_standards(checked, field)) return GR_ERR_INVALID;
  *field = check_dependent(checked);
  return *field ? GR_ERR_INVALID : GR_OK;
}

int gr_options_copy(gr_options *copy, const gr_options *options) {
  const char *field;
  int error = gr_take_in(copy, sizeof(*copy), options);
  return error == GR_OK ? check(copy, &field) : error;
}

int gr_options_check(gr_options *options, const char **field) {
  const char *ignored;
  if (!field) field = &ignored;
  *field = NULL;
  gr_options checked;
  int error = gr_take_in(&checked, sizeof(checked), options);
  if (error == GR_OK) error = check(&checked, field);
  if (error == GR_OK)
    memcpy(options, &checked,
           options->size < sizeof(checked) ? options->size : sizeof(checked));
  return error;
}
