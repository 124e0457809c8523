/* SPDX-License-Identifier: MIT
 *
 * gr-sim: runs seeds, says what failed, and how much was run.
 */
#include "scenario.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define FAILURES_SHOWN 3

struct arguments {
  uint64_t first;
  uint64_t last;
  enum sim_profile profile; /* SIM_PROFILE_COUNT: all of them */
  uint32_t members;
  uint32_t minutes;
  bool trace;
  bool json;
  bool stop; /* at the first failure */
  const char *scenario;
  uint64_t soak; /* hours */
};

struct totals {
  uint64_t seeds;
  uint64_t events;
  gr_time virtual_ns;
  uint64_t failures;
  uint64_t without_liveness;
  uint64_t digest;
};

static void usage(FILE *to) {
  fprintf(to, "usage: gr-sim --seeds A..B | --seed N [--trace] | --minutes M\n"
              "       gr-sim --scenario FILE [--trace]\n"
              "       gr-sim --soak HOURS\n"
              "              [--profile NAME | --profile all] [--members N] [--json] "
              "[--stop]\n"
              "profiles:\n");
#define USAGE_LINE(name, text) fprintf(to, "  %-12s %s\n", #name, text);
  SIM_PROFILE_LIST(USAGE_LINE)
#undef USAGE_LINE
}

/* ---- arguments ---- */

static bool parse_number(const char *text, char **end, uint64_t *number) {
  if (*text < '0' || *text > '9') return false;
  *number = strtoull(text, end, 10);
  return true;
}

static bool parse_seeds(const char *text, struct arguments *arguments) {
  char *end;
  if (!parse_number(text, &end, &arguments->first) || strncmp(end, "..", 2) != 0 ||
      !parse_number(end + 2, &end, &arguments->last))
    return false;
  return *end == '\0' && arguments->first <= arguments->last;
}

static bool parse_whole(const char *text, uint64_t least, uint64_t most,
                        uint64_t *number) {
  char *end;
  return parse_number(text, &end, number) && *end == '\0' && *number >= least &&
         *number <= most;
}

static bool parse_value(const char *name, const char *value,
                        struct arguments *arguments) {
  uint64_t number;
  if (strcmp(name, "--seeds") == 0) return parse_seeds(value, arguments);
  if (strcmp(name, "--seed") == 0) {
    if (!parse_whole(value, 0, UINT64_MAX, &arguments->first)) return false;
    arguments->last = arguments->first;
    return true;
  }
  if (strcmp(name, "--profile") == 0) {
    arguments->profile = sim_profile_of(value);
    return arguments->profile < SIM_PROFILE_COUNT || strcmp(value, "all") == 0;
  }
  if (strcmp(name, "--soak") == 0) return parse_whole(value, 1, 10000, &arguments->soak);
  if (strcmp(name, "--scenario") == 0) {
    arguments->scenario = value;
    return true;
  }
  if (strcmp(name, "--members") == 0) {
    if (!parse_whole(value, 1, SIM_FOUNDERS_MAX, &number)) return false;
    arguments->members = (uint32_t)number;
    return true;
  }
  if (strcmp(name, "--minutes") != 0 || !parse_whole(value, 1, 100000, &number))
    return false;
  arguments->minutes = (uint32_t)number;
  return true;
}

static bool parse(int count, char **values, struct arguments *arguments) {
  *arguments = (struct arguments){.profile = SIM_PROFILE_swarm};
  for (int i = 1; i < count; i++) {
    if (strcmp(values[i], "--trace") == 0) {
      arguments->trace = true;
    } else if (strcmp(values[i], "--json") == 0) {
      arguments->json = true;
    } else if (strcmp(values[i], "--stop") == 0) {
      arguments->stop = true;
    } else {
      if (i + 1 == count || !parse_value(values[i], values[i + 1], arguments))
        return false;
      i++;
    }
  }
  if (arguments->minutes > 0 && arguments->last == 0) {
    arguments->first = (uint64_t)time(NULL) * 1000000;
    arguments->last = UINT64_MAX;
  }
  return count > 1;
}

/* ---- runs ---- */

static double cpu_seconds(void) {
  return (double)clock() / CLOCKS_PER_SEC;
}

static void run_one(struct simulation *sim, const struct arguments *arguments,
                    enum sim_profile profile, uint64_t seed, struct totals *totals) {
  struct sim_config config;
  sim_config_draw(&config, profile, seed, arguments->members);
  struct sim_result result = sim_run(sim, &config);
  totals->seeds++;
  totals->events += result.events;
  totals->virtual_ns += result.virtual_ns;
  totals->failures += result.failed;
  totals->without_liveness += !result.checked_liveness;
  totals->digest = (totals->digest ^ result.digest) * UINT64_C(0x9e3779b97f4a7c15);
  totals->digest ^= totals->digest >> 29;
  sim->report.brief = totals->failures >= FAILURES_SHOWN;
}

/* With all profiles, seeds go round them. */
static void run_all(struct simulation *sim, const struct arguments *arguments,
                    struct totals *totals) {
  bool all = arguments->profile == SIM_PROFILE_COUNT;
  time_t end = time(NULL) + (time_t)arguments->minutes * 60;
  for (uint64_t seed = arguments->first;; seed++) {
    enum sim_profile profile =
        all ? (enum sim_profile)(seed % SIM_PROFILE_COUNT) : arguments->profile;
    run_one(sim, arguments, profile, seed, totals);
    bool late = arguments->minutes > 0 && time(NULL) >= end;
    if (seed == arguments->last || late || (arguments->stop && totals->failures > 0))
      return;
  }
}

/* Prints a transcript. */
static bool run_scenario(struct simulation *sim, const char *path) {
  static struct sim_scenario scenario;
  struct sim_config config;
  if (!sim_scenario_load(&scenario, path) || !sim_scenario_config(&scenario, &config)) {
    fprintf(stderr, "gr-sim: %s is no scenario\n", path);
    return false;
  }
  sim->scenario = &scenario;
  sim->report.transcript = true;
  bool failed = sim_run(sim, &config).failed;
  printf("%s: %s\n", path, failed ? "FAILED" : "passed");
  return !failed;
}

/* Prints what the group made of its troubles. */
static bool run_soak(struct simulation *sim, const struct arguments *arguments) {
  struct sim_config config;
  sim_soak_config(&config, arguments->first + 1, arguments->soak);
  struct sim_result result = sim_run(sim, &config);
  printf("%" PRIu64 " hours of 5 members, %" PRIu64 " events\n", arguments->soak,
         result.events);
  sim_soak_print(&sim->soak);
  return !result.failed && sim->soak.needless == 0;
}

static void print_totals(const struct totals *totals, bool json, double cpu_s) {
  double virtual_s = (double)totals->virtual_ns / (double)SIM_SECOND;
  if (json)
    printf("{\"seeds\": %" PRIu64 ", \"events\": %" PRIu64
           ", \"virtual_s\": %.1f, \"cpu_s\": %.2f, \"failures\": %" PRIu64
           ", \"digest\": \"%016" PRIx64 "\"}\n",
           totals->seeds, totals->events, virtual_s, cpu_s, totals->failures,
           totals->digest);
  else
    printf("%" PRIu64 " seeds (%" PRIu64 " without a majority in the end), %" PRIu64
           " events, %.1f virtual s in %.2f s of CPU (%.0f events/s, %.0f virtual s/s), "
           "%" PRIu64 " failures, digest %016" PRIx64 "\n",
           totals->seeds, totals->without_liveness, totals->events, virtual_s, cpu_s,
           (double)totals->events / cpu_s, virtual_s / cpu_s, totals->failures,
           totals->digest);
}

static void release(struct simulation *sim) {
  sim_memory_release(sim->memory);
  sim_oracle_release(&sim->oracle);
  sim_storage_release(sim);
  free(sim->events.heap);
  free(sim->memory);
  free((void *)(uintptr_t)sim->content);
  free(sim);
}

int main(int count, char **values) {
  struct arguments arguments;
  if (count == 2 && strcmp(values[1], "--help") == 0) {
    usage(stdout);
    return EXIT_SUCCESS;
  }
  if (!parse(count, values, &arguments)) {
    usage(stderr);
    return 2;
  }
  struct simulation *sim = memset(sim_allocate(sizeof(*sim)), 0, sizeof(*sim));
  struct sim_content *content = sim_allocate(sizeof(*content));
  static struct sim_foreign foreign;
  char members_given[32] = "";
  if (arguments.members > 0)
    snprintf(members_given, sizeof(members_given), " --members %u", arguments.members);
  sim_content_fill(content);
  sim_foreign_make(&foreign);
  sim->members_given = members_given;
  sim->content = content;
  sim->foreign = &foreign;
  sim->memory = memset(sim_allocate(sizeof(*sim->memory)), 0, sizeof(*sim->memory));
  sim->report.tracing = arguments.trace;
  if (arguments.scenario) {
    bool passed = run_scenario(sim, arguments.scenario);
    release(sim);
    return passed ? EXIT_SUCCESS : EXIT_FAILURE;
  }
  if (arguments.soak > 0) {
    bool passed = run_soak(sim, &arguments);
    release(sim);
    return passed ? EXIT_SUCCESS : EXIT_FAILURE;
  }
  struct totals totals = {0};
  double began = cpu_seconds();
  run_all(sim, &arguments, &totals);
  print_totals(&totals, arguments.json, cpu_seconds() - began);
  release(sim);
  return totals.failures > 0 ? EXIT_FAILURE : EXIT_SUCCESS;
}
