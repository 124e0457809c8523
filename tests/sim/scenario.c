/* SPDX-License-Identifier: MIT */
#include "scenario.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define LOOK_AGAIN (10 * SIM_MS)

/* ---- loading ---- */

static void cut_into_words(struct sim_statement *statement) {
  memcpy(statement->words_text, statement->text, sizeof(statement->text));
  statement->count = 0;
  char *at = statement->words_text;
  while (*(at += strspn(at, " \t")) != '\0' &&
         statement->count < SIM_SCENARIO_WORDS_MAX) {
    statement->words[statement->count++] = at;
    at += strcspn(at, " \t");
    if (*at != '\0') *at++ = '\0';
  }
}

bool sim_scenario_add(struct sim_scenario *scenario, const char *path, uint32_t number,
                      char *line) {
  line[strcspn(line, "#\r\n")] = '\0';
  line += strspn(line, " \t");
  size_t length = strlen(line);
  while (length > 0 && line[length - 1] == ' ') line[--length] = '\0';
  if (length == 0) return true;
  if (scenario->count == SIM_SCENARIO_LINES_MAX ||
      length >= sizeof(scenario->statements[0].text)) {
    fprintf(stderr, "%s:%u: too long\n", path, number);
    return false;
  }
  struct sim_statement *statement = &scenario->statements[scenario->count++];
  statement->line = number;
  memcpy(statement->text, line, length + 1);
  cut_into_words(statement);
  return true;
}

bool sim_scenario_load(struct sim_scenario *scenario, const char *path) {
  FILE *file = fopen(path, "r");
  const char *base = strrchr(path, '/');
  char line[512];
  bool good = file != NULL;
  memset(scenario, 0, sizeof(*scenario));
  snprintf(scenario->name, sizeof(scenario->name), "%s", base ? base + 1 : path);
  if (!file) fprintf(stderr, "gr-sim: cannot read %s\n", path);
  for (uint32_t number = 1; good && fgets(line, sizeof(line), file); number++)
    good = sim_scenario_add(scenario, path, number, line);
  if (file) fclose(file);
  return good;
}

static bool parse_time(const char *text, gr_time *time) {
  char *end;
  if (*text < '0' || *text > '9') return false;
  uint64_t number = strtoull(text, &end, 10);
  gr_time unit = strcmp(end, "s") == 0 ? SIM_SECOND : strcmp(end, "ms") == 0 ? SIM_MS : 0;
  *time = number * unit;
  return unit != 0;
}

/* ---- the group ---- */

static bool set_option(struct sim_config *config, const char *name, const char *text) {
  gr_options *options = &config->options;
  const struct {
    const char *name;
    gr_time *time;
  } times[] = {{"expel", &options->expel_timeout_ns},
               {"suspect-floor", &options->suspect_floor_ns},
               {"suspect-ceiling", &options->suspect_ceiling_ns},
               {"unreachable", &options->unreachable_timeout_ns},
               {"join-timeout", &options->join_timeout_ns},
               {"rejoin-interval", &options->rejoin_interval_ns}};
  const struct {
    const char *name;
    uint64_t *number;
  } numbers[] = {{"members-max", &options->members_max},
                 {"rejoin-tries", &options->rejoin_tries},
                 {"cache", &options->cache_bytes_max},
                 {"rate", &options->snapshot_bytes_per_s},
                 {"state", &config->membership.state_bytes}};
  for (size_t i = 0; i < sizeof(times) / sizeof(times[0]); i++)
    if (strcmp(times[i].name, name) == 0) return parse_time(text, times[i].time);
  for (size_t i = 0; i < sizeof(numbers) / sizeof(numbers[0]); i++) {
    if (strcmp(numbers[i].name, name) != 0) continue;
    *numbers[i].number = strtoull(text, NULL, 10);
    return true;
  }
  return false;
}

bool sim_scenario_config(const struct sim_scenario *scenario, struct sim_config *config) {
  uint32_t founders = 3, servers = 0;
  bool durable = false, good = true;
  for (uint32_t i = 0; i < scenario->count; i++) {
    const struct sim_statement *statement = &scenario->statements[i];
    const char *name = statement->words[0];
    uint32_t number =
        statement->count > 1 ? (uint32_t)strtoul(statement->words[1], NULL, 10) : 0;
    if (strcmp(name, "founders") == 0) founders = number;
    if (strcmp(name, "servers") == 0) servers = number;
    if (strcmp(name, "durable") == 0) durable = true;
  }
  if (servers < founders) servers = founders;
  if (founders == 0 || founders > SIM_FOUNDERS_MAX || servers > SIM_SERVERS_MAX)
    return false;
  sim_config_calm(config, founders, servers, durable);
  for (uint32_t i = 0; i < scenario->count; i++) {
    const struct sim_statement *statement = &scenario->statements[i];
    if (strcmp(statement->words[0], "option") != 0) continue;
    good = good && statement->count == 3 &&
           set_option(config, statement->words[1], statement->words[2]);
  }
  sim_config_finish(config);
  return good;
}

/* ---- words ---- */

const char *sim_words_next(struct sim_words *words) {
  const struct sim_statement *statement = words->statement;
  return words->at < statement->count ? statement->words[words->at++] : "";
}

bool sim_words_take(struct sim_words *words, const char *word) {
  const struct sim_statement *statement = words->statement;
  if (words->at == statement->count || strcmp(statement->words[words->at], word) != 0)
    return false;
  words->at++;
  return true;
}

void sim_words_fail(struct sim_words *words, const char *why) {
  sim_oracle_fail(&words->sim->oracle, "SCENARIO", "%s:%u: %s: %s", words->scenario->name,
                  words->statement->line, words->statement->text, why);
}

bool sim_words_time(struct sim_words *words, gr_time *time) {
  if (parse_time(sim_words_next(words), time)) return true;
  sim_words_fail(words, "a time is missing");
  return false;
}

bool sim_words_number(struct sim_words *words, uint64_t *number) {
  const char *text = sim_words_next(words);
  char *end;
  *number = strtoull(text, &end, 10);
  if (*text != '\0' && *end == '\0') return true;
  sim_words_fail(words, "a number is missing");
  return false;
}

static uint32_t a_follower(const struct simulation *sim) {
  uint32_t leader = sim_servers_leader(sim);
  for (uint32_t i = 0; i < sim->servers; i++)
    if (i != leader && sim->processes[i].state == SIM_UP &&
        sim->processes[i].member_state == GR_MEMBER_ONLINE)
      return i;
  return SIM_SERVERS_MAX;
}

static uint32_t server_called(const struct sim_words *words, const char *text) {
  const struct sim_scenario *scenario = words->scenario;
  if (strcmp(text, "leader") == 0) return sim_servers_leader(words->sim);
  if (strcmp(text, "follower") == 0) return a_follower(words->sim);
  for (uint32_t i = 0; i < scenario->name_count; i++)
    if (strcmp(scenario->names[i].name, text) == 0) return scenario->names[i].server;
  char *end;
  uint64_t number = strtoull(text, &end, 10);
  bool known =
      *text != '\0' && *end == '\0' && number >= 1 && number <= words->sim->servers;
  return known ? (uint32_t)(number - 1) : SIM_SERVERS_MAX;
}

uint32_t sim_words_server(struct sim_words *words) {
  uint32_t server = server_called(words, sim_words_next(words));
  if (server == SIM_SERVERS_MAX) sim_words_fail(words, "there is no such server");
  return server;
}

uint32_t sim_words_servers(struct sim_words *words) {
  uint32_t servers = 0;
  while (words->at < words->statement->count) {
    uint32_t server = server_called(words, words->statement->words[words->at]);
    if (server == SIM_SERVERS_MAX) break;
    servers |= 1u << server;
    words->at++;
  }
  if (servers == 0) sim_words_fail(words, "servers are missing");
  return servers;
}

/* ---- one after the other ---- */

static struct sim_words words_of(struct simulation *sim, uint32_t statement) {
  return (struct sim_words){.sim = sim,
                            .scenario = sim->scenario,
                            .statement = &sim->scenario->statements[statement]};
}

enum outcome { OUTCOME_DONE, OUTCOME_LATER };

static enum outcome expect(struct sim_words *words, gr_time patience) {
  struct simulation *sim = words->sim;
  bool known = true;
  if (sim_scenario_holds(*words, &known)) return OUTCOME_DONE;
  if (!known) {
    sim_words_fail(words, "nobody knows what this expects");
    return OUTCOME_DONE;
  }
  if (sim->now < words->scenario->began + patience) return OUTCOME_LATER;
  sim_words_fail(words, patience > 0 ? "it did not come to pass" : "it does not hold");
  return OUTCOME_DONE;
}

/* Until `at`, which does not lie in the past. */
static enum outcome wait_until(struct sim_words *words, gr_time at) {
  return words->sim->now < at ? OUTCOME_LATER : OUTCOME_DONE;
}

static enum outcome perform(struct sim_words *words) {
  struct sim_scenario *scenario = words->scenario;
  gr_time time;
  if (sim_words_take(words, "expect")) return expect(words, 0);
  if (sim_words_take(words, "wait"))
    return sim_words_time(words, &time) ? wait_until(words, scenario->began + time)
                                        : OUTCOME_DONE;
  if (sim_words_take(words, "within")) {
    if (!sim_words_time(words, &time)) return OUTCOME_DONE;
    sim_words_take(words, "expect");
    return expect(words, time);
  }
  if (sim_words_take(words, "at")) {
    if (!sim_words_time(words, &time)) return OUTCOME_DONE;
    if (wait_until(words, scenario->started + time) == OUTCOME_LATER)
      return OUTCOME_LATER;
    if (sim_words_take(words, "expect")) return expect(words, 0);
  }
  if (!sim_scenario_command(words)) sim_words_fail(words, "nobody knows this command");
  return OUTCOME_DONE;
}

void sim_scenario_step(struct sim_liveness *run) {
  struct simulation *sim = run->sim;
  struct sim_scenario *scenario = sim->scenario;
  while (scenario->next < scenario->count && !sim->oracle.failure.invariant) {
    struct sim_words words = words_of(sim, scenario->next);
    if (scenario->began == 0) scenario->began = sim->now;
    if (perform(&words) == OUTCOME_LATER) {
      sim_events_add(&sim->events, (struct sim_event){.at = sim->now + LOOK_AGAIN,
                                                      .kind = SIM_EVENT_SCRIPT});
      return;
    }
    sim_report_statement(&sim->report, sim->now, words.statement->text);
    scenario->began = 0;
    scenario->next++;
  }
  run->phase = SIM_PHASE_DONE;
}
