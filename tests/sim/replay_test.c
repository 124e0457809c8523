/* SPDX-License-Identifier: MIT
 *
 * A seed is the whole of a run: repeated, with whatever memory other runs left, it gives
 * the same deliveries and the same marks. And seeds that once found a fault stay found.
 */
#include "simulation.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static struct simulation *sim;
static struct sim_content *content;
static struct sim_foreign foreign;

static void begin(void) {
  content = sim_allocate(sizeof(*content));
  sim_content_fill(content);
  sim_foreign_make(&foreign);
  sim = memset(sim_allocate(sizeof(*sim)), 0, sizeof(*sim));
  sim->memory = memset(sim_allocate(sizeof(*sim->memory)), 0, sizeof(*sim->memory));
  sim->content = content;
  sim->foreign = &foreign;
  sim->members_given = "";
}

static void end(void) {
  sim_memory_release(sim->memory);
  sim_oracle_release(&sim->oracle);
  sim_storage_release(sim);
  free(sim->events.heap);
  free(sim->memory);
  free(sim);
  free(content);
}

static struct sim_result run(enum sim_profile profile, uint64_t seed) {
  struct sim_config config;
  sim_config_draw(&config, profile, seed, 0);
  return sim_run(sim, &config);
}

TestSuite(replay, .init = begin, .fini = end, .timeout = 300);

Test(replay, repeats_bit_for_bit) {
  uint64_t digests[SIM_PROFILE_COUNT], events[SIM_PROFILE_COUNT];
  for (uint32_t i = 0; i < SIM_PROFILE_COUNT; i++) {
    struct sim_result result = run((enum sim_profile)i, 7000 + i);
    digests[i] = result.digest;
    events[i] = result.events;
  }
  /* In the other order, so that each finds other memory. */
  for (uint32_t i = SIM_PROFILE_COUNT; i-- > 0;) {
    struct sim_result result = run((enum sim_profile)i, 7000 + i);
    cr_expect_eq(result.digest, digests[i], "profile %s",
                 sim_profile_name((enum sim_profile)i));
    cr_expect_eq(result.events, events[i], "profile %s",
                 sim_profile_name((enum sim_profile)i));
  }
}

Test(replay, differs_where_seeds_differ) {
  cr_expect_neq(run(SIM_PROFILE_swarm, 1).digest, run(SIM_PROFILE_swarm, 2).digest);
}

/* A line: profile, seed, a name for what it found. */
Test(replay, keeps_regressions_fixed) {
  FILE *file = fopen(SIM_REGRESSIONS, "r");
  char line[256], profile[32], name[128];
  unsigned long long seed;
  int count = 0;
  cr_assert_not_null(file, "%s", SIM_REGRESSIONS);
  while (fgets(line, sizeof(line), file)) {
    if (line[0] == '#' || line[0] == '\n') continue;
    cr_assert_eq(sscanf(line, "%31s %llu %127[^\n]", profile, &seed, name), 3, "%s",
                 line);
    enum sim_profile found = sim_profile_of(profile);
    cr_assert_lt(found, SIM_PROFILE_COUNT, "%s", line);
    struct sim_result result = run(found, seed);
    cr_expect(!result.failed, "%s", line);
    count++;
  }
  fclose(file);
  cr_expect_gt(count, 0);
}
