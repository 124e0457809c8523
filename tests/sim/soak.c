/* SPDX-License-Identifier: MIT
 *
 * A long time of little trouble: what a group of five makes of it. Elections and
 * expulsions are counted by the trouble that came before them; without any, or where
 * nobody was in trouble who was given up, they were needless.
 */
#include "soak.h"

#include <inttypes.h>
#include <stdio.h>

#define MEMBERS 5
#define HOUR (3600 * SIM_SECOND)

/* For so long after a trouble what happens may be its work. */
#define AFTERMATH (16 * SIM_SECOND)

void sim_soak_config(struct sim_config *config, uint64_t seed, uint64_t hours) {
  static const struct {
    enum sim_fault fault;
    uint16_t weight;
  } faults[] = {{SIM_FAULT_CUT, 4},   {SIM_FAULT_RESET, 4},   {SIM_FAULT_SLOW_LINK, 4},
                {SIM_FAULT_PAUSE, 4}, {SIM_FAULT_ISOLATE, 1}, {SIM_FAULT_FLAP, 1},
                {SIM_FAULT_CRASH, 1}, {SIM_FAULT_TRANSFER, 1}};
  sim_config_calm(config, MEMBERS, MEMBERS, true);
  config->seed = seed;
  config->budget = UINT64_MAX;
  config->idle_ns = 10 * SIM_SECOND;
  config->fault_every_ns = 16 * SIM_SECOND;
  config->fault_lasts_ns = SIM_SECOND / 2;
  config->disk.down_ns = SIM_SECOND;
  for (size_t i = 0; i < sizeof(faults) / sizeof(faults[0]); i++)
    config->fault_weights[faults[i].fault] = faults[i].weight;
  config->safety_ns = hours * HOUR;
}

/* ---- counting ---- */

void sim_soak_trouble(struct sim_soak *soak, gr_time now, enum sim_fault fault) {
  soak->last = fault;
  soak->last_at = now;
  soak->troubles[fault]++;
}

static enum sim_fault cause(const struct sim_soak *soak, gr_time now) {
  bool recent = soak->last_at > 0 && now - soak->last_at < AFTERMATH;
  return recent ? soak->last : SIM_FAULT_COUNT;
}

void sim_soak_election(struct sim_soak *soak, gr_time now) {
  soak->elections[cause(soak, now)]++;
}

void sim_soak_expulsion(struct sim_soak *soak, gr_time now, bool was_well) {
  soak->expulsions[cause(soak, now)]++;
  soak->needless += was_well;
}

void sim_soak_print(const struct sim_soak *soak) {
  printf("%-14s  troubles  elections  expulsions\n", "trouble");
  for (uint32_t i = 0; i <= SIM_FAULT_COUNT; i++) {
    bool none = i == SIM_FAULT_COUNT;
    uint64_t troubles = none ? 0 : soak->troubles[i];
    if (!none && troubles == 0) continue;
    printf("%-14s  %8" PRIu64 "  %9" PRIu64 "  %10" PRIu64 "\n",
           none ? "none" : sim_fault_name((enum sim_fault)i), troubles,
           soak->elections[i], soak->expulsions[i]);
  }
  printf("needless expulsions: %" PRIu64 "\n", soak->needless);
}
