/* SPDX-License-Identifier: MIT
 *
 * Swarm testing: a seed switches each kind of trouble on or off and draws how bad it is,
 * so that some runs have much of one kind and nothing of the others. (Groce et al.:
 * Swarm Testing, ISSTA 2012.) A profile fixes what it is about.
 */
#include "config.h"

#include "chance.h"

#include <string.h>

static const char *const profile_names[] = {
#define SIM_PROFILE_NAME(name, text) #name,
    SIM_PROFILE_LIST(SIM_PROFILE_NAME)
#undef SIM_PROFILE_NAME
};

const char *sim_profile_name(enum sim_profile profile) {
  return profile_names[profile];
}

enum sim_profile sim_profile_of(const char *name) {
  uint32_t i = 0;
  while (i < SIM_PROFILE_COUNT && strcmp(profile_names[i], name) != 0) i++;
  return (enum sim_profile)i;
}

const char *sim_fault_name(enum sim_fault fault) {
  static const char *const names[] = {
      "partition", "isolate",       "cut",    "flap",       "reset",     "slow-link",
      "crash",     "restart",       "pause",  "clock-jump", "transfer",  "old-frames",
      "garbage",   "lose-majority", "outage", "disk-stall", "disk-full", "disk-failure",
      "wipe",      "join",          "leave",  "remove",     "illness",   "diverge",
      "rebirth",   "kill-helper"};
  return names[fault];
}

/* True for one in `among`. */
static bool one_in(struct gr_random *random, uint64_t among) {
  return gr_random_below(random, among) == 0;
}

static uint32_t rate(struct gr_random *random, uint64_t most_ppm) {
  return (uint32_t)sim_spread(random, 100, most_ppm);
}

/* ---- the group's options ---- */

static void draw_sizes(struct gr_random *random, struct sim_config *config) {
  gr_options *options = &config->options;
  bool large = config->world == SIM_PROFILE_large;
  options->message_bytes_max = large ? sim_spread(random, 65536, SIM_MESSAGE_BYTES_MAX)
                                     : 1024 * sim_between(random, 1, 8);
  options->batch_bytes_max =
      large ? sim_spread(random, 16384, 131072) : sim_spread(random, 1024, 16384);
  uint64_t most = options->batch_bytes_max - 64;
  options->fragment_bytes_max = one_in(random, 2) ? most : sim_spread(random, 256, most);
  options->unordered_bytes_max =
      options->batch_bytes_max * sim_spread(random, 1, large ? 8 : 32);
  config->size_usual = (uint32_t)sim_spread(random, 8, 512);
  config->size_rare =
      (uint32_t)(one_in(random, 3) ? options->message_bytes_max
                                   : sim_spread(random, 64, options->message_bytes_max));
  if (large) config->size_usual = config->size_rare / 2;
}

gr_options sim_config_options(const struct sim_config *config, uint32_t index,
                              uint64_t seed, gr_member_id *founders) {
  gr_options options = config->options;
  for (uint32_t i = 0; i < config->members; i++) founders[i] = i + 1;
  options.self = index + 1;
  options.founders = founders;
  options.founder_count = config->members;
  options.seed = seed;
  return options;
}

static bool accepted(const struct sim_config *config, uint64_t cache_bytes_max) {
  gr_member_id founders[SIM_SERVERS_MAX];
  gr_options options = sim_config_options(config, 0, 1, founders);
  options.cache_bytes_max = cache_bytes_max;
  return gr_options_check(&options, NULL) == GR_OK;
}

/* The smallest cache that the library accepts with the other options. */
static uint64_t least_cache(const struct sim_config *config) {
  uint64_t refused = 0, taken = UINT64_C(1) << 40;
  while (taken - refused > 1) {
    uint64_t middle = refused + (taken - refused) / 2;
    if (accepted(config, middle))
      taken = middle;
    else
      refused = middle;
  }
  return taken;
}

/* Enough that nobody is ever left behind, or, if that may be, as little as is allowed. */
static void set_cache(struct sim_config *config) {
  gr_options *options = &config->options;
  uint64_t sent = config->budget * (config->size_usual + config->size_rare / 16 + 128);
  options->cache_bytes_max = least_cache(config);
  options->log_slots_max = 4096;
  if (config->may_fall_behind) return;
  options->cache_bytes_max += 4 * config->members * sent;
  options->log_slots_max = 65536;
}

/* Founders stay, whatever becomes of them. */
static void set_founders_stay(struct sim_config *config) {
  gr_options *options = &config->options;
  if (config->dynamic) return;
  options->suspect_floor_ns = options->suspect_ceiling_ns = 3600 * SIM_SECOND;
  options->expel_timeout_ns = 3600 * SIM_SECOND;
  options->unreachable_timeout_ns = GR_TIME_NEVER;
}

/* What was not drawn is set to its default, so that the run can reckon with it. */
static void set_defaults(struct sim_config *config) {
  gr_member_id founders[SIM_SERVERS_MAX];
  set_founders_stay(config);
  gr_options options = sim_config_options(config, 0, 1, founders);
  if (gr_options_check(&options, NULL) == GR_OK) config->options = options;
}

static void draw_times(struct gr_random *random, struct sim_config *config) {
  gr_options *options = &config->options;
  if (config->clock_spread <= 100 && one_in(random, 3)) return; /* the defaults */
  options->heartbeat_interval_ns = sim_spread(random, 10 * SIM_MS, 200 * SIM_MS);
  options->election_timeout_ns =
      options->heartbeat_interval_ns * sim_between(random, 2, 6);
  /* Heartbeats of the slowest clock must be in time for the fastest. */
  if (config->clock_spread > 100)
    options->election_timeout_ns = 8 * options->heartbeat_interval_ns;
  options->gap_timeout_ns = sim_spread(random, SIM_MS / 10, 20 * SIM_MS);
  options->retry_timeout_ns = sim_spread(random, SIM_MS, 100 * SIM_MS);
}

/* ---- members that change ---- */

static void draw_membership_times(struct gr_random *random, gr_options *options) {
  options->suspect_floor_ns = options->heartbeat_interval_ns * sim_between(random, 3, 8);
  options->suspect_ceiling_ns = options->suspect_floor_ns * sim_between(random, 1, 8);
  options->expel_timeout_ns = sim_spread(random, 200 * SIM_MS, 4 * SIM_SECOND);
  options->unreachable_timeout_ns =
      one_in(random, 4) ? GR_TIME_NEVER : sim_spread(random, SIM_SECOND, 16 * SIM_SECOND);
  options->join_timeout_ns = sim_spread(random, 4 * SIM_SECOND, 32 * SIM_SECOND);
  options->rejoin_interval_ns = sim_spread(random, 20 * SIM_MS, SIM_SECOND);
  options->rejoin_tries = one_in(random, 3) ? GR_REJOIN_NEVER : sim_between(random, 1, 5);
}

static void draw_membership(struct gr_random *random, struct sim_config *config) {
  struct sim_membership_config *membership = &config->membership;
  gr_options *options = &config->options;
  config->servers =
      (uint32_t)sim_between(random, config->members + 1, config->members + 4);
  if (config->servers > SIM_SERVERS_MAX) config->servers = SIM_SERVERS_MAX;
  draw_membership_times(random, options);
  options->members_max = SIM_SERVERS_MAX;
  options->online_lag_max = sim_spread(random, 1, 64);
  options->snapshot_chunk_bytes = sim_spread(random, 1024, 16384);
  options->snapshot_bytes_per_s =
      one_in(random, 4) ? sim_spread(random, 65536, 1 << 20) : 0;
  membership->snapshots = true;
  membership->state_bytes = sim_spread(random, 16, 200000);
  if (one_in(random, 2)) membership->busy_ppm = rate(random, 300000);
  if (one_in(random, 2)) membership->waits_ppm = rate(random, 500000);
  if (one_in(random, 3)) membership->fails_ppm = rate(random, 100000);
  if (one_in(random, 2)) membership->ambush_ppm = rate(random, 500000);
  membership->shy = one_in(random, 8);
  membership->some_stay_away = true;
}

static void draw_membership_faults(struct gr_random *random, struct sim_config *config) {
  uint16_t *weights = config->fault_weights;
  for (uint32_t i = SIM_FAULT_JOIN; i <= SIM_FAULT_KILL_HELPER; i++)
    if (one_in(random, 2)) weights[i] += (uint16_t)sim_between(random, 1, 8);
  weights[SIM_FAULT_JOIN] += 4;
  weights[SIM_FAULT_RESTART] += 2;
  config->faults_early = false;
  config->fault_every_ns = sim_spread(random, 50 * SIM_MS, 4 * SIM_SECOND);
  config->fault_lasts_ns = sim_spread(random, 10 * SIM_MS, 8 * SIM_SECOND);
  config->safety_ns = sim_spread(random, 4 * SIM_SECOND, 32 * SIM_SECOND);
}

static uint32_t draw_founders(struct gr_random *random) {
  return (uint32_t)sim_between(random, 1, one_in(random, 3) ? SIM_FOUNDERS_MAX : 5);
}

static void draw_options(struct gr_random *random, struct sim_config *config,
                         struct gr_random *server_random) {
  gr_options *options = &config->options;
  *options = (gr_options){.size = sizeof(*options),
                          .group_id = {{1, 2, 3}},
                          .durable = config->durable};
  options->slots_in_flight_max = one_in(random, 2) ? 0 : sim_spread(random, 1, 1024);
  draw_times(random, config);
  if (config->dynamic && options->heartbeat_interval_ns == 0) {
    options->heartbeat_interval_ns = 100 * SIM_MS;
    options->election_timeout_ns = 300 * SIM_MS;
  }
  if (config->dynamic) draw_membership(server_random, config);
  draw_sizes(random, config);
  set_cache(config);
}

/* ---- the world ---- */

static void draw_network(struct gr_random *random, struct sim_config *config) {
  enum sim_profile profile = config->world;
  config->delay = (enum sim_delay)gr_random_below(random, 3);
  config->delay_ns = sim_spread(random, SIM_MS / 50, 20 * SIM_MS);
  config->cut_kills = one_in(random, 2);
  if (profile == SIM_PROFILE_tcp || (profile != SIM_PROFILE_lossy && one_in(random, 3)))
    config->in_order = true;
  bool lossy = profile == SIM_PROFILE_lossy;
  if (!config->in_order && (lossy || one_in(random, 2)))
    config->loss_ppm = rate(random, 300000);
  if (!config->in_order && (lossy || one_in(random, 2)))
    config->duplicate_ppm = rate(random, 300000);
  if (lossy || one_in(random, 4)) config->damage_ppm = rate(random, 50000);
  if (one_in(random, 4)) config->busy_ppm = rate(random, 200000);
  if (one_in(random, 4)) {
    config->bytes_per_ms = sim_spread(random, 256, 16384);
    config->queue_ns = sim_spread(random, SIM_MS, 50 * SIM_MS);
    if (profile == SIM_PROFILE_large) config->bytes_per_ms *= 16;
  }
}

static void draw_processes(struct gr_random *random, struct sim_config *config) {
  bool pause = config->world == SIM_PROFILE_pause;
  bool clock = config->world == SIM_PROFILE_clock;
  if (one_in(random, 2)) config->turn_delay_ns = sim_spread(random, 1000, 2 * SIM_MS);
  if (pause || one_in(random, 4)) {
    config->turn_cost_ns = sim_spread(random, 1000, SIM_MS / 2);
    config->slow_members = (uint32_t)gr_random_next(random);
  }
  config->inputs_max = (uint32_t)sim_spread(random, 1, 256);
  if (one_in(random, 4)) config->skip_dispatch_ppm = rate(random, 300000);
  if (one_in(random, 2)) config->odd_poll_ppm = SIM_PPM;
  if (clock || one_in(random, 3)) config->clock_spread = 100;
  if (clock && one_in(random, 3)) config->clock_spread = 480;
  if (clock || one_in(random, 8)) config->backward_ppm = rate(random, 100000);
}

/* Faults that each profile always has; the swarm adds others by chance. */
static void profile_faults(struct sim_config *config) {
  static const struct {
    enum sim_profile profile;
    enum sim_fault faults[4];
    uint32_t count;
  } table[] = {
      {SIM_PROFILE_tcp, {SIM_FAULT_RESET, SIM_FAULT_SLOW_LINK, SIM_FAULT_PARTITION}, 3},
      {SIM_PROFILE_lossy, {SIM_FAULT_GARBAGE, SIM_FAULT_OLD_FRAMES}, 2},
      {SIM_PROFILE_partition,
       {SIM_FAULT_PARTITION, SIM_FAULT_ISOLATE, SIM_FAULT_CUT, SIM_FAULT_FLAP},
       4},
      {SIM_PROFILE_crash, {SIM_FAULT_CRASH, SIM_FAULT_RESTART}, 2},
      {SIM_PROFILE_pause, {SIM_FAULT_PAUSE}, 1},
      {SIM_PROFILE_clock, {SIM_FAULT_CLOCK_JUMP}, 1},
      {SIM_PROFILE_quorum_loss, {SIM_FAULT_LOSE_MAJORITY}, 1},
      {SIM_PROFILE_tiny, {SIM_FAULT_PAUSE, SIM_FAULT_ISOLATE, SIM_FAULT_TRANSFER}, 3},
      {SIM_PROFILE_election, {SIM_FAULT_TRANSFER, SIM_FAULT_CUT}, 2},
      {SIM_PROFILE_form, {SIM_FAULT_CRASH, SIM_FAULT_RESTART, SIM_FAULT_RESTART}, 3},
  };
  for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++) {
    if (table[i].profile != config->world) continue;
    for (uint32_t k = 0; k < table[i].count; k++)
      config->fault_weights[table[i].faults[k]] += 8;
  }
}

static void draw_faults(struct gr_random *random, struct sim_config *config) {
  profile_faults(config);
  for (uint32_t i = 0; i < SIM_FAULT_LOSE_MAJORITY; i++)
    if (one_in(random, config->world == SIM_PROFILE_swarm ? 2 : 6))
      config->fault_weights[i] += (uint16_t)sim_between(random, 1, 8);
  config->fault_every_ns = sim_spread(random, 20 * SIM_MS, SIM_SECOND);
  config->fault_lasts_ns = sim_spread(random, 10 * SIM_MS, SIM_SECOND);
  bool election = config->world == SIM_PROFILE_election;
  if (election || one_in(random, 3)) {
    config->ambush_ppm = rate(random, 100000);
    config->ambush_lead_ppm = rate(random, 500000);
  }
  if (election) config->fault_lasts_ns = sim_spread(random, 50 * SIM_MS, SIM_SECOND);
  config->faults_early = config->world == SIM_PROFILE_form ||
                         (config->world == SIM_PROFILE_swarm && one_in(random, 12));
  if (config->faults_early)
    config->fault_every_ns = sim_spread(random, SIM_MS, 50 * SIM_MS);
  config->remains = (enum sim_remains)gr_random_below(random, 4);
}

static void draw_load(struct gr_random *random, struct sim_config *config) {
  config->idle_ns = sim_spread(random, 5 * SIM_MS, 500 * SIM_MS);
  config->burst_max = (uint32_t)sim_spread(random, 1, 32);
  config->budget = sim_between(random, 20, 400);
  if (one_in(random, 4)) config->nested_ppm = rate(random, 200000);
  config->safety_ns = sim_spread(random, SIM_SECOND, 8 * SIM_SECOND);
  if (config->world == SIM_PROFILE_large) config->budget = sim_between(random, 4, 24);
  if (config->world == SIM_PROFILE_election) {
    config->budget = 2000;
    config->idle_ns = sim_spread(random, 2 * SIM_MS, 50 * SIM_MS);
  }
  if (config->world == SIM_PROFILE_tiny) {
    config->budget = 4000;
    config->idle_ns = sim_spread(random, SIM_MS, 20 * SIM_MS);
  }
}

/* In groups whose founders never change. */
#define MEMBERS_DRAWN_MAX 7

static uint32_t draw_members(struct gr_random *random, enum sim_profile profile) {
  if (profile == SIM_PROFILE_calm) return 5;
  if (profile == SIM_PROFILE_election) return (uint32_t)sim_between(random, 3, 5);
  if (profile == SIM_PROFILE_swarm && one_in(random, 20))
    return (uint32_t)sim_between(random, 1, 2);
  return (uint32_t)sim_between(random, 3, MEMBERS_DRAWN_MAX);
}

/* A group that is mostly idle, as most are, on a network that does no harm. */
static void set_calm(struct sim_config *config) {
  config->delay = SIM_DELAY_UNIFORM;
  config->delay_ns = SIM_MS / 4;
  config->in_order = true;
  config->inputs_max = 256;
  config->turn_delay_ns = SIM_MS / 50;
  config->idle_ns = 5 * SIM_SECOND;
  config->burst_max = 16;
  config->budget = 2000;
  config->size_usual = 256;
  config->size_rare = 1024;
  config->safety_ns = 100 * SIM_SECOND;
  config->remains = SIM_REMAINS_WHOLE;
  config->options = (gr_options){.size = sizeof(gr_options),
                                 .group_id = {{1, 2, 3}},
                                 .message_bytes_max = 65536,
                                 .batch_bytes_max = 16384,
                                 .unordered_bytes_max = 65536,
                                 .cache_bytes_max = UINT64_C(32) << 20};
}

/* ---- storage ---- */

/* What else is wrong with a world in which members come back. */
static enum sim_profile draw_world(struct gr_random *random) {
  static const enum sim_profile worlds[] = {SIM_PROFILE_swarm,   SIM_PROFILE_tcp,
                                            SIM_PROFILE_lossy,   SIM_PROFILE_partition,
                                            SIM_PROFILE_crash,   SIM_PROFILE_pause,
                                            SIM_PROFILE_clock,   SIM_PROFILE_tiny,
                                            SIM_PROFILE_large,   SIM_PROFILE_form,
                                            SIM_PROFILE_election};
  return worlds[gr_random_below(random, sizeof(worlds) / sizeof(worlds[0]))];
}

static void draw_durable_faults(struct gr_random *random, struct sim_config *config) {
  uint16_t *weights = config->fault_weights;
  for (uint32_t i = SIM_FAULT_OUTAGE; i <= SIM_FAULT_DISK_FAILURE; i++)
    if (one_in(random, 3)) weights[i] += (uint16_t)sim_between(random, 1, 4);
  weights[SIM_FAULT_CRASH] += (uint16_t)sim_between(random, 2, 8);
  weights[SIM_FAULT_RESTART] += (uint16_t)sim_between(random, 2, 8);
  if (one_in(random, 6)) weights[SIM_FAULT_WIPE] = 1;
  if (config->profile == SIM_PROFILE_outage) {
    weights[SIM_FAULT_OUTAGE] += 16;
    weights[SIM_FAULT_LOSE_MAJORITY] += 4;
  } else if (config->profile == SIM_PROFILE_disk) {
    weights[SIM_FAULT_DISK_STALL] += 8;
    weights[SIM_FAULT_DISK_FULL] += 8;
    weights[SIM_FAULT_DISK_FAILURE] += 8;
  }
}

static void draw_disk(struct gr_random *random, struct sim_config *config) {
  struct sim_disk_config *disk = &config->disk;
  bool bad = config->profile == SIM_PROFILE_disk;
  disk->sync_ns = one_in(random, 8) ? 0 : sim_spread(random, 1000, 5 * SIM_MS);
  if (bad || one_in(random, 4)) disk->slow_members = (uint32_t)gr_random_next(random);
  if (bad || one_in(random, 4)) disk->stall_ppm = rate(random, 20000);
  if (one_in(random, 2)) disk->late_notice_ppm = rate(random, 500000);
  if (one_in(random, 2)) disk->twice_notice_ppm = rate(random, 500000);
  disk->no_sync_callback = one_in(random, 8);
  disk->trim_ns = sim_spread(random, 1000, 100 * SIM_MS);
  disk->unknown_ppm = one_in(random, 4) ? SIM_PPM : rate(random, SIM_PPM);
  if (bad || one_in(random, 2)) disk->damage_ppm = rate(random, 500000);
  disk->down_ns = sim_spread(random, SIM_MS, SIM_SECOND);
  disk->stay_ppm = one_in(random, 2) ? 0 : rate(random, 300000);
  if (bad || one_in(random, 2)) disk->ambush_ppm = rate(random, 20000);
  if (one_in(random, 2)) disk->ambush_all_ppm = rate(random, SIM_PPM);
  if (bad || !one_in(random, 4)) {
    disk->apply_ppm = rate(random, 300000);
    disk->apply_ns = sim_spread(random, 1000, 50 * SIM_MS);
    if (one_in(random, 2)) disk->apply_lag_ppm = rate(random, SIM_PPM);
    if (bad || !one_in(random, 4))
      disk->checkpoint_ppm = one_in(random, 2) ? SIM_PPM : 200000;
  }
}

/* Drawn apart from the rest, which is the same with storage and without. */
static void draw_durable(struct gr_random *random, struct sim_config *config) {
  enum sim_profile profile = config->profile;
  if (profile == SIM_PROFILE_membership) {
    config->world = SIM_PROFILE_swarm;
    config->dynamic = true;
    config->durable = one_in(random, 2);
    return;
  }
  if (profile == SIM_PROFILE_swarm) config->durable = one_in(random, 2);
  if (profile == SIM_PROFILE_durable) config->world = draw_world(random);
  if (profile == SIM_PROFILE_outage || profile == SIM_PROFILE_disk)
    config->world = SIM_PROFILE_swarm;
  if (profile != config->world) config->durable = true;
}

void sim_config_draw(struct sim_config *config, enum sim_profile profile, uint64_t seed,
                     uint32_t members) {
  struct gr_random random = {seed ^ (uint64_t)profile << 56};
  struct gr_random durable_random = {~random.state};
  *config = (struct sim_config){.profile = profile, .world = profile, .seed = seed};
  draw_durable(&durable_random, config);
  struct gr_random server_random = {random.state * 3 + 1};
  uint32_t drawn = config->dynamic ? draw_founders(&server_random)
                                   : draw_members(&random, config->world);
  config->members = members > 0 ? members : drawn;
  config->servers = config->members;
  if (profile == SIM_PROFILE_calm) {
    set_calm(config);
    set_defaults(config);
    return;
  }
  config->may_fall_behind = config->world == SIM_PROFILE_tiny;
  draw_network(&random, config);
  draw_processes(&random, config);
  draw_faults(&random, config);
  draw_load(&random, config);
  if (config->durable) {
    draw_durable_faults(&durable_random, config);
    draw_disk(&durable_random, config);
    /* Every member's storage may keep all of it. */
    if (config->world == SIM_PROFILE_large) config->budget = 2 + config->budget / 4;
  }
  if (config->dynamic) {
    if (!config->durable) draw_disk(&durable_random, config);
    draw_membership_faults(&server_random, config);
  }
  draw_options(&random, config, &server_random);
  set_defaults(config);
  /* No candidate is patient enough for disks as slow as its timeout: and where members
   * change, all that are left may be slow ones. */
  gr_time most = config->options.election_timeout_ns / (4 * SIM_SLOW_DISK);
  if (config->dynamic && config->disk.sync_ns > most) config->disk.sync_ns = most;
}

void sim_config_finish(struct sim_config *config) {
  set_defaults(config);
}

void sim_config_calm(struct sim_config *config, uint32_t founders, uint32_t servers,
                     bool durable) {
  *config = (struct sim_config){.profile = SIM_PROFILE_membership,
                                .world = SIM_PROFILE_calm,
                                .seed = 1,
                                .members = founders,
                                .servers = servers,
                                .dynamic = true,
                                .durable = durable};
  set_calm(config);
  config->budget = 0;
  config->idle_ns = 50 * SIM_MS;
  config->burst_max = 1;
  config->options.durable = durable;
  config->options.members_max = SIM_FOUNDERS_MAX;
  config->options.snapshot_chunk_bytes = 16384;
  config->membership.snapshots = true;
  config->membership.state_bytes = 100000;
  config->disk.sync_ns = SIM_MS / 5;
  config->disk.trim_ns = SIM_MS;
  config->disk.apply_ppm = SIM_PPM;
  config->disk.apply_ns = SIM_MS;
  config->disk.checkpoint_ppm = SIM_PPM / 100;
}
