/* SPDX-License-Identifier: MIT
 *
 * All scenarios hold, and false ones are found out. And the table of quorums: a group of
 * n goes on without (n - 1) / 2 of its members, and not without one more.
 */
#include "scenario.h"

#include <criterion/criterion.h>
#include <glob.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static struct simulation *sim;
static struct sim_scenario *scenario;
static struct sim_content *content;
static struct sim_foreign foreign;

static void begin(void) {
  content = sim_allocate(sizeof(*content));
  sim_content_fill(content);
  sim_foreign_make(&foreign);
  scenario = memset(sim_allocate(sizeof(*scenario)), 0, sizeof(*scenario));
  sim = memset(sim_allocate(sizeof(*sim)), 0, sizeof(*sim));
  sim->memory = memset(sim_allocate(sizeof(*sim->memory)), 0, sizeof(*sim->memory));
  sim->content = content;
  sim->foreign = &foreign;
  sim->members_given = "";
  sim->scenario = scenario;
}

static void end(void) {
  sim_memory_release(sim->memory);
  sim_oracle_release(&sim->oracle);
  sim_storage_release(sim);
  free(sim->events.heap);
  free(sim->memory);
  free(sim);
  free(scenario);
  free(content);
}

TestSuite(scenario, .init = begin, .fini = end, .timeout = 300);

static bool holds(void) {
  struct sim_config config;
  cr_assert(sim_scenario_config(scenario, &config), "%s", scenario->name);
  sim->report.brief = true;
  return !sim_run(sim, &config).failed;
}

/* Runs all files of the pattern; returns how many. */
static size_t run_all(const char *pattern, bool truth) {
  glob_t found;
  cr_assert_eq(glob(pattern, 0, NULL, &found), 0, "%s", pattern);
  for (size_t i = 0; i < found.gl_pathc; i++) {
    cr_assert(sim_scenario_load(scenario, found.gl_pathv[i]));
    cr_expect_eq(holds(), truth, "%s", found.gl_pathv[i]);
  }
  size_t count = found.gl_pathc;
  globfree(&found);
  return count;
}

Test(scenario, all_hold) {
  cr_expect_geq(run_all(SIM_SCENARIOS "/*.scenario", true), 25);
}

Test(scenario, false_ones_are_found_out) {
  cr_expect_geq(run_all(SIM_SCENARIOS "/false/*.scenario", false), 2);
}

/* ---- the table of quorums ---- */

static void say(const char *text) {
  char line[128];
  snprintf(line, sizeof(line), "%s", text);
  cr_assert(sim_scenario_add(scenario, "quorum", scenario->count + 1, line));
}

/* What is said of some servers, `first` to `last`; nothing if there are none. */
static void say_of(const char *what, uint32_t first, uint32_t last) {
  char line[128];
  int used = snprintf(line, sizeof(line), "%s", what);
  for (uint32_t i = first; i <= last; i++)
    used += snprintf(line + used, sizeof(line) - (size_t)used, " %u", i);
  if (first <= last) say(line);
}

/* `backward`: those that crash are the last, else the first, the leader among them. */
static void quorum(uint32_t n, bool backward) {
  uint32_t may_fail = n - n / 2 - 1;
  memset(scenario, 0, sizeof(*scenario));
  snprintf(scenario->name, sizeof(scenario->name), "quorum of %u", n);
  say_of("founders", n, n);
  say("option expel 3600s");
  say("option suspect-ceiling 2s");
  say_of("within 2s expect online", 1, n);
  say("load 20");
  say("wait 1s");
  if (backward)
    say_of("crash", n - may_fail + 1, n);
  else
    say_of("crash", 1, may_fail);
  say("wait 5s");
  say("note");
  say("wait 1s");
  say("expect progress");
  uint32_t first = backward ? 1 : may_fail + 1, last = backward ? n - may_fail : n;
  say_of("expect quorum", first, last);
  say_of("crash", backward ? last : first, backward ? last : first);
  if (backward)
    last--;
  else
    first++;
  say("wait 5s");
  say("note");
  say("wait 5s");
  say("expect no progress");
  say_of("expect no quorum", first, last);
  cr_expect(holds(), "%u members, %s", n,
            backward ? "the last crash" : "the first crash");
}

Test(scenario, a_group_of_n_goes_on_without_a_minority_and_not_without_more) {
  for (uint32_t n = 1; n <= SIM_FOUNDERS_MAX; n++) {
    quorum(n, true);
    quorum(n, false);
  }
}
