/* SPDX-License-Identifier: MIT
 *
 * gr/options.h: each field at its bounds and beyond, what depends on what, and structs of
 * other sizes.
 */
#include "harness.h"

#include <criterion/criterion.h>
#include <string.h>

#define KIB UINT64_C(1024)
#define MIB (KIB * KIB)
#define US UINT64_C(1000)
#define SECOND (1000 * TEST_MS)

/* Everything at its default but what has none. */
static gr_options plain(void) {
  gr_options options = test_options(3, 0);
  options.members_max = 0;
  options.message_bytes_max = options.fragment_bytes_max = 0;
  options.batch_bytes_max = options.unordered_bytes_max = 0;
  options.cache_bytes_max = options.log_slots_max = 0;
  return options;
}

static uint64_t *field_of(gr_options *options, size_t offset) {
  return (uint64_t *)(void *)((uint8_t *)options + offset);
}

/* `base` has what the other fields must be for the bound to be reached. */
struct bounds {
  const char *name;
  size_t offset;
  uint64_t standard;
  uint64_t least;
  uint64_t most;
  gr_options base;
};
#define BOUNDS(field, standard, least, most, ...)                                        \
  {                                                                                      \
#field, offsetof(gr_options, field), standard, least, most, {                        \
      __VA_ARGS__                                                                        \
    }                                                                                    \
  }

static const struct bounds bounds[] = {
    BOUNDS(message_bytes_max, 64 * MIB, KIB, KIB *MIB, .size = 0),
    BOUNDS(batch_bytes_max, MIB + 64, KIB, 16 * MIB, .unordered_bytes_max = 16 * MIB),
    BOUNDS(fragment_bytes_max, MIB, 256, MIB, .size = 0),
    BOUNDS(unordered_bytes_max, 16 * MIB, KIB, 4 * KIB * MIB, .batch_bytes_max = KIB),
    BOUNDS(log_slots_max, 65536, 4096, 16777216, .size = 0),
    BOUNDS(slots_in_flight_max, 32, 1, 1024, .size = 0),
    BOUNDS(heartbeat_interval_ns, 100 * TEST_MS, TEST_MS, 10 * SECOND,
           .election_timeout_ns = 20 * SECOND),
    BOUNDS(election_timeout_ns, 300 * TEST_MS, 2 * TEST_MS, 3600 * SECOND,
           .heartbeat_interval_ns = TEST_MS),
    BOUNDS(gap_timeout_ns, 5 * TEST_MS, 10 * US, 10 * SECOND, .size = 0),
    BOUNDS(retry_timeout_ns, 30 * TEST_MS, 100 * US, 10 * SECOND, .size = 0),
    BOUNDS(members_max, 9, 3, GR_MEMBERS_MAX, .size = 0),
    BOUNDS(suspect_floor_ns, 500 * TEST_MS, 10 * TEST_MS, 3600 * SECOND,
           .suspect_ceiling_ns = 3600 * SECOND),
    BOUNDS(suspect_ceiling_ns, 5 * SECOND, 10 * TEST_MS, 3600 * SECOND,
           .suspect_floor_ns = 10 * TEST_MS),
    BOUNDS(expel_timeout_ns, 5 * SECOND, TEST_MS, 3600 * SECOND, .size = 0),
    BOUNDS(unreachable_timeout_ns, 30 * SECOND, TEST_MS, GR_TIME_NEVER, .size = 0),
    BOUNDS(join_timeout_ns, 60 * SECOND, 100 * TEST_MS, 3600 * SECOND, .size = 0),
    BOUNDS(rejoin_tries, 3, 1, GR_REJOIN_NEVER, .size = 0),
    BOUNDS(rejoin_interval_ns, SECOND, TEST_MS, 3600 * SECOND, .size = 0),
    BOUNDS(online_lag_max, 64, 1, 65536, .size = 0),
    BOUNDS(snapshot_chunk_bytes, 256 * KIB, KIB, 4 * MIB, .size = 0),
};

/* `options` with the row's field at `value`, checked. */
static int check_with(const struct bounds *row, uint64_t value, gr_options *options,
                      const char **field) {
  *options = plain();
  options->unordered_bytes_max = row->base.unordered_bytes_max;
  options->batch_bytes_max = row->base.batch_bytes_max;
  options->heartbeat_interval_ns = row->base.heartbeat_interval_ns;
  options->election_timeout_ns = row->base.election_timeout_ns;
  options->suspect_floor_ns = row->base.suspect_floor_ns;
  options->suspect_ceiling_ns = row->base.suspect_ceiling_ns;
  *field_of(options, row->offset) = value;
  return gr_options_check(options, field);
}

Test(paxos_options, every_field_has_its_bounds) {
  for (size_t i = 0; i < sizeof(bounds) / sizeof(bounds[0]); i++) {
    const struct bounds *row = &bounds[i];
    const uint64_t inside[] = {row->least, row->most};
    const uint64_t outside[] = {row->least - 1, row->most + 1, UINT64_MAX};
    gr_options options;
    const char *field;
    for (size_t k = 0; k < 2; k++) {
      cr_assert_eq(check_with(row, inside[k], &options, &field), GR_OK, "%s = %lu: %s",
                   row->name, (unsigned long)inside[k], field);
      cr_assert_null(field);
      cr_assert_eq(*field_of(&options, row->offset), inside[k]);
    }
    for (size_t k = 0; k < 3; k++) {
      if (outside[k] == 0) continue; /* the default */
      if (row->most == UINT64_MAX && outside[k] > row->least) continue; /* no bound */
      cr_assert_eq(check_with(row, outside[k], &options, &field), GR_ERR_INVALID, "%s",
                   row->name);
      cr_assert_str_eq(field, row->name);
      cr_assert_eq(*field_of(&options, row->offset), outside[k], "nothing changes");
    }
  }
}

Test(paxos_options, zero_means_the_default) {
  gr_options options = plain();
  const char *field = "";
  cr_assert_eq(gr_options_check(&options, &field), GR_OK);
  cr_assert_null(field);
  for (size_t i = 0; i < sizeof(bounds) / sizeof(bounds[0]); i++)
    cr_assert_eq(*field_of(&options, bounds[i].offset), bounds[i].standard, "%s",
                 bounds[i].name);
  cr_assert_geq(options.cache_bytes_max, 256 * MIB);
  gr_options again = options;
  cr_assert_eq(gr_options_check(&again, NULL), GR_OK, "what holds can be set");
  cr_assert_eq(again.cache_bytes_max, options.cache_bytes_max);
}

Test(paxos_options, the_cache_holds_at_least_what_the_lanes_need) {
  gr_options options = test_options(3, 0);
  options.message_bytes_max = 64 * MIB; /* more than the default cache is made for */
  options.cache_bytes_max = 0;
  cr_assert_eq(gr_options_check(&options, NULL), GR_OK);
  uint64_t standard = options.cache_bytes_max;
  cr_assert_gt(standard, 256 * MIB);
  const char *field;
  options.cache_bytes_max = standard - 1;
  cr_assert_eq(gr_options_check(&options, &field), GR_ERR_INVALID);
  cr_assert_str_eq(field, "cache_bytes_max");
  options.cache_bytes_max = KIB * KIB * MIB + 1;
  cr_assert_eq(gr_options_check(&options, &field), GR_ERR_INVALID);
  cr_assert_str_eq(field, "cache_bytes_max");
}

static gr_member_id strange[GR_MEMBERS_MAX + 1];

static void spoil_group(gr_options *options) {
  options->group_id = (gr_uuid){{0}};
}
static void spoil_self(gr_options *options) {
  options->self = 0;
}
static void spoil_self_stranger(gr_options *options) {
  options->self = 11;
}
static void spoil_founders(gr_options *options) {
  options->founders = NULL;
}
static void spoil_founders_zero(gr_options *options) {
  strange[0] = 10;
  strange[1] = 0;
  options->founders = strange;
  options->founder_count = 2;
}
static void spoil_founders_twice(gr_options *options) {
  strange[0] = strange[1] = 10;
  options->founders = strange;
  options->founder_count = 2;
}
static void spoil_founders_large(gr_options *options) {
  strange[0] = 10;
  strange[1] = GR_MEMBER_ID_MAX;
  options->founders = strange;
  options->founder_count = 2;
}
static void spoil_members_max(gr_options *options) {
  options->members_max = 2;
}
static void spoil_members_max_many(gr_options *options) {
  options->members_max = GR_MEMBERS_MAX + 1;
}
static void spoil_suspect(gr_options *options) {
  options->suspect_floor_ns = 50 * TEST_MS;
  options->suspect_ceiling_ns = 50 * TEST_MS - 1;
}
static void spoil_weight(gr_options *options) {
  options->attributes.weight = 101;
}
static void spoil_address(gr_options *options) {
  options->attributes.address = (gr_slice){strange, GR_ADDRESS_BYTES_MAX + 1};
}
static void spoil_address_null(gr_options *options) {
  options->attributes.address = (gr_slice){NULL, 1};
}
static void spoil_user_data(gr_options *options) {
  options->attributes.user_data = (gr_slice){strange, GR_USER_DATA_BYTES_MAX + 1};
}
static void spoil_user_data_null(gr_options *options) {
  options->attributes.user_data = (gr_slice){NULL, 1};
}

/* Of one who joins. */
static gr_slice seeds[GR_SEEDS_MAX + 1];

static void make_joiner(gr_options *options) {
  for (size_t i = 0; i <= GR_SEEDS_MAX; i++) seeds[i] = (gr_slice){"seed", 4};
  options->self = 0;
  options->founders = NULL;
  options->founder_count = 0;
  options->attributes.uuid = (gr_uuid){{1}};
  options->seeds = seeds;
  options->seed_count = GR_SEEDS_MAX;
}
static void spoil_seeds_many(gr_options *options) {
  make_joiner(options);
  options->seed_count++;
}
static void spoil_seeds_null(gr_options *options) {
  make_joiner(options);
  options->seeds = NULL;
}
static void spoil_seeds_large(gr_options *options) {
  make_joiner(options);
  seeds[3].size = GR_ADDRESS_BYTES_MAX + 1;
}
static void spoil_seeds_empty(gr_options *options) {
  make_joiner(options);
  seeds[3].data = NULL;
}
static void spoil_uuid(gr_options *options) {
  make_joiner(options);
  options->attributes.uuid = (gr_uuid){{0}};
}
static void spoil_joiner_seed(gr_options *options) {
  make_joiner(options);
  options->seed = 0;
}
static void spoil_joiner_group(gr_options *options) {
  make_joiner(options);
  options->group_id = (gr_uuid){{0}};
}

static void spoil_count(gr_options *options) {
  options->founder_count = 0;
}
static void spoil_count_many(gr_options *options) {
  for (size_t i = 0; i <= GR_MEMBERS_MAX; i++) strange[i] = 10 + i;
  options->founders = strange;
  options->founder_count = GR_MEMBERS_MAX + 1;
}
static void spoil_seed(gr_options *options) {
  options->seed = 0;
}
static void spoil_fragment(gr_options *options) {
  options->fragment_bytes_max = options->batch_bytes_max - 63;
}
static void spoil_unordered(gr_options *options) {
  options->unordered_bytes_max = options->batch_bytes_max;
  options->batch_bytes_max++;
}
static void spoil_election(gr_options *options) {
  options->heartbeat_interval_ns = 100 * TEST_MS;
  options->election_timeout_ns = 200 * TEST_MS - 1;
}

Test(paxos_options, what_does_not_fit_together_is_refused_by_name) {
  const struct {
    void (*spoil)(gr_options *options);
    const char *field;
  } rows[] = {
      {spoil_group, "group_id"},
      {spoil_self, "self"},
      {spoil_self_stranger, "self"},
      {spoil_founders, "founders"},
      {spoil_founders_zero, "founders"},
      {spoil_founders_twice, "founders"},
      {spoil_founders_large, "founders"},
      {spoil_count, "founder_count"},
      {spoil_count_many, "founder_count"},
      {spoil_seed, "seed"},
      {spoil_fragment, "fragment_bytes_max"},
      {spoil_unordered, "unordered_bytes_max"},
      {spoil_election, "election_timeout_ns"},
      {spoil_members_max, "members_max"},
      {spoil_members_max_many, "members_max"},
      {spoil_suspect, "suspect_ceiling_ns"},
      {spoil_weight, "attributes"},
      {spoil_address, "attributes"},
      {spoil_address_null, "attributes"},
      {spoil_user_data, "attributes"},
      {spoil_user_data_null, "attributes"},
      {spoil_uuid, "attributes"},
      {spoil_seeds_many, "seeds"},
      {spoil_seeds_null, "seeds"},
      {spoil_seeds_large, "seeds"},
      {spoil_seeds_empty, "seeds"},
      {spoil_joiner_seed, "seed"},
      {spoil_joiner_group, "group_id"},
  };
  for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
    gr_options options = test_options(3, 0);
    rows[i].spoil(&options);
    gr_options before = options;
    const char *field;
    cr_assert_eq(gr_options_check(&options, &field), GR_ERR_INVALID, "row %zu", i);
    cr_assert_str_eq(field, rows[i].field, "row %zu", i);
    cr_assert_arr_eq(&options, &before, sizeof(before));
    cr_assert_eq(gr_group_footprint(&options), 0);
    gr_paxos *paxos;
    cr_assert_eq(gr_paxos_new(&paxos, &options, NULL, 1), GR_ERR_INVALID);
    cr_assert_null(paxos);
  }
}

Test(paxos_options, the_largest_group_is_made) {
  for (size_t i = 0; i < GR_MEMBERS_MAX; i++) strange[i] = 10 * (GR_MEMBERS_MAX - i);
  gr_options options = test_options(1, 0);
  options.founders = strange;
  options.founder_count = GR_MEMBERS_MAX;
  options.cache_bytes_max = options.members_max = 0;
  gr_paxos *paxos;
  cr_assert_eq(gr_paxos_new(&paxos, &options, NULL, 1), GR_OK);
  gr_member members[GR_MEMBERS_MAX] = {{.size = sizeof(gr_member)}};
  size_t count;
  cr_assert_eq(gr_paxos_members(paxos, members, GR_MEMBERS_MAX, &count), GR_OK);
  cr_assert_eq(count, GR_MEMBERS_MAX);
  for (size_t i = 0; i < count; i++) cr_assert_eq(members[i].id, 10 * (i + 1));
  gr_paxos_free(paxos);
}

Test(paxos_options, a_joiner_needs_neither_founders_nor_an_id) {
  gr_options options = test_options(3, 0);
  make_joiner(&options);
  const char *field;
  cr_assert_eq(gr_options_check(&options, &field), GR_OK, "%s", field);
  gr_paxos *paxos;
  cr_assert_eq(gr_paxos_new(&paxos, &options, NULL, 1), GR_OK);
  size_t count = 77;
  cr_assert_eq(gr_paxos_view(paxos, NULL, 0, &count), 0, "in no group yet");
  cr_assert_eq(count, 0);
  gr_paxos_free(paxos);
}

Test(paxos_options, structs_of_other_sizes) {
  /* An older caller's: what it does not know has its default. */
  gr_options options = test_options(3, 0);
  options.retry_timeout_ns = 77; /* not seen */
  options.size = offsetof(gr_options, retry_timeout_ns);
  cr_assert_eq(gr_options_check(&options, NULL), GR_OK);
  cr_assert_eq(options.retry_timeout_ns, 77);
  cr_assert_eq(options.gap_timeout_ns, 5 * TEST_MS);
  /* A newer caller's: what we do not know must be zero. */
  struct {
    gr_options options;
    uint64_t later[2];
  } newer = {.options = test_options(3, 0)};
  newer.options.size = sizeof(newer);
  cr_assert_eq(gr_options_check(&newer.options, NULL), GR_OK);
  newer.later[1] = 1;
  cr_assert_eq(gr_options_check(&newer.options, NULL), GR_ERR_VERSION);
  gr_paxos *paxos;
  cr_assert_eq(gr_paxos_new(&paxos, &newer.options, NULL, 1), GR_ERR_VERSION);
  cr_assert_null(paxos);
  /* And what is no struct at all. */
  options.size = sizeof(size_t) - 1;
  cr_assert_eq(gr_options_check(&options, NULL), GR_ERR_INVALID);
  cr_assert_eq(gr_options_check(NULL, NULL), GR_ERR_INVALID);
}
