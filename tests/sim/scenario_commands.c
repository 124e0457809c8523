/* SPDX-License-Identifier: MIT
 *
 * What a scenario's statements do to servers and links.
 */
#include "scenario.h"

#include <stdio.h>
#include <string.h>

#define ALL(sim) ((1u << (sim)->servers) - 1)

/* ---- links ---- */

static void cut(struct sim_words *words, uint32_t side, uint32_t others) {
  bool out = sim_words_take(words, "out"), in = sim_words_take(words, "in");
  struct sim_links links = {side, others, !out && !in};
  if (in) links = (struct sim_links){others, side, false};
  sim_network_cut(words->sim, links, GR_TIME_NEVER);
}

static void do_isolate(struct sim_words *words) {
  uint32_t side = sim_words_servers(words);
  cut(words, side, ALL(words->sim) & ~side);
}

static void do_cut(struct sim_words *words) {
  uint32_t side = 1u << sim_words_server(words), other = 1u << sim_words_server(words);
  cut(words, side, other);
}

static void do_heal(struct sim_words *words) {
  struct simulation *sim = words->sim;
  for (uint32_t from = 0; from < sim->servers; from++)
    for (uint32_t to = 0; to < sim->servers; to++)
      while (sim->links[from][to].cuts > 0)
        sim_network_heal(sim, (struct sim_links){1u << from, 1u << to, false});
}

/* A link goes and comes: flap 1 2 400ms 8. */
static void do_flap(struct sim_words *words) {
  struct simulation *sim = words->sim;
  uint32_t a = sim_words_server(words), b = sim_words_server(words);
  gr_time period;
  uint64_t times;
  if (!sim_words_time(words, &period) || !sim_words_number(words, &times)) return;
  uint64_t links = sim_links_pack((struct sim_links){1u << a, 1u << b, true});
  sim->config.fault_lasts_ns = 2 * period;
  for (uint64_t i = 0; i < times; i++)
    sim_events_add(&sim->events, (struct sim_event){.at = sim->now + i * period,
                                                    .kind = SIM_EVENT_CUT,
                                                    .value = links});
}

/* ---- processes ---- */

static void for_each(struct sim_words *words,
                     void (*act)(struct simulation *sim, uint32_t index)) {
  uint32_t servers = sim_words_servers(words);
  for (uint32_t i = 0; i < words->sim->servers; i++)
    if (servers >> i & 1) act(words->sim, i);
}

static void crash(struct simulation *sim, uint32_t index) {
  if (sim->processes[index].group) sim_process_crash(sim, index, true);
}

static void do_crash(struct sim_words *words) {
  for_each(words, crash);
}

static void do_restart(struct sim_words *words) {
  for_each(words, sim_servers_start);
}

static void do_join(struct sim_words *words) {
  for_each(words, sim_churn_join);
}

static void do_pause(struct sim_words *words) {
  uint32_t index = sim_words_server(words);
  gr_time time;
  if (sim_words_time(words, &time)) sim_process_pause(words->sim, index, time);
}

/* Crashes as soon as it gives or takes a snapshot. */
static void ambush(struct simulation *sim, uint32_t index) {
  sim->outlasting[index].ambushed = true;
}

static void do_ambush(struct sim_words *words) {
  for_each(words, ambush);
}

static void wipe(struct simulation *sim, uint32_t index) {
  sim_churn_forget(sim, index, true);
}

static void do_wipe(struct sim_words *words) {
  for_each(words, wipe);
}

static void diverge(struct simulation *sim, uint32_t index) {
  sim_churn_forget(sim, index, false);
  sim->outlasting[index].diverged = true;
}

static void do_diverge(struct sim_words *words) {
  for_each(words, diverge);
}

static void stray(struct simulation *sim, uint32_t index) {
  sim->outlasting[index].stray = true;
}

static void do_stray(struct sim_words *words) {
  for_each(words, stray);
}

/* twin 6 of 2: server 6 says that it is server 2. */
static void do_twin(struct sim_words *words) {
  uint32_t index = sim_words_server(words);
  sim_words_take(words, "of");
  words->sim->outlasting[index].twin_of = sim_words_server(words) + 1;
}

/* ---- members ---- */

static void do_leave(struct sim_words *words) {
  uint32_t servers = sim_words_servers(words);
  for (uint32_t i = 0; i < words->sim->servers; i++)
    if ((servers >> i & 1) && !sim_churn_leave(words->sim, i))
      sim_words_fail(words, "it cannot leave");
}

static void do_remove(struct sim_words *words) {
  uint32_t index = sim_words_server(words);
  uint32_t by = sim_words_take(words, "by") ? sim_words_server(words)
                                            : sim_servers_leader(words->sim);
  if (by == SIM_SERVERS_MAX || index == SIM_SERVERS_MAX) return;
  int error = sim_churn_remove(words->sim, by, index);
  if (error != GR_OK) sim_words_fail(words, gr_error_name(error));
}

static void do_ill(struct sim_words *words) {
  sim_churn_health(words->sim, sim_words_server(words), false);
}

static void do_well(struct sim_words *words) {
  sim_churn_health(words->sim, sim_words_server(words), true);
}

static void do_force(struct sim_words *words) {
  uint32_t servers = sim_words_servers(words);
  uint32_t by = 0;
  while (by < words->sim->servers && (servers >> by & 1) == 0) by++;
  int error = sim_churn_force(words->sim, by, servers);
  if (error != GR_OK) sim_words_fail(words, gr_error_name(error));
}

static void do_transfer(struct sim_words *words) {
  struct simulation *sim = words->sim;
  uint32_t to = sim_words_server(words), from = sim_servers_leader(sim);
  if (from == SIM_SERVERS_MAX || to == SIM_SERVERS_MAX) return;
  struct sim_process *process = &sim->processes[from];
  int error = gr_group_transfer(process->group, sim->processes[to].id,
                                sim_process_clock(process));
  if (error != GR_OK) sim_words_fail(words, gr_error_name(error));
  sim_process_wake(process);
}

/* ---- the rest ---- */

/* Messages a second of each member that is ONLINE; 0: none. */
static void do_load(struct sim_words *words) {
  struct sim_config *config = &words->sim->config;
  uint64_t rate;
  if (!sim_words_number(words, &rate)) return;
  config->budget = rate > 0 ? UINT64_MAX : 0;
  if (rate > 0) config->idle_ns = SIM_SECOND / rate;
}

static void do_broadcast(struct sim_words *words) {
  struct simulation *sim = words->sim;
  uint32_t index = sim_words_server(words);
  uint64_t count;
  if (index == SIM_SERVERS_MAX || !sim_words_number(words, &count)) return;
  sim->processes[index].burst += (uint32_t)count;
  if (sim->processes[index].group) sim_process_wake(&sim->processes[index]);
}

/* Progress, views and elections are counted from here. */
static void do_note(struct sim_words *words) {
  words->scenario->noted = words->sim->oracle.order_count;
  words->scenario->noted_view = words->sim->oracle.view_count;
  words->scenario->elections = words->sim->elections;
}

/* name L leader: from now on L is the server that leads now. */
static void do_name(struct sim_words *words) {
  struct sim_scenario *scenario = words->scenario;
  const char *name = sim_words_next(words);
  uint32_t server = sim_words_server(words);
  if (scenario->name_count == SIM_SCENARIO_NAMES_MAX) return;
  snprintf(scenario->names[scenario->name_count].name, sizeof(scenario->names[0].name),
           "%s", name);
  scenario->names[scenario->name_count++].server = server;
}

/* They were for sim_scenario_config(). */
static void do_nothing(struct sim_words *words) {
  (void)words;
}

bool sim_scenario_command(struct sim_words *words) {
  static const struct {
    const char *name;
    void (*act)(struct sim_words *words);
  } commands[] = {
      {"isolate", do_isolate},   {"cut", do_cut},         {"heal", do_heal},
      {"flap", do_flap},         {"crash", do_crash},     {"restart", do_restart},
      {"join", do_join},         {"pause", do_pause},     {"ambush", do_ambush},
      {"wipe", do_wipe},         {"diverge", do_diverge}, {"stray", do_stray},
      {"twin", do_twin},         {"leave", do_leave},     {"remove", do_remove},
      {"ill", do_ill},           {"well", do_well},       {"force", do_force},
      {"transfer", do_transfer}, {"load", do_load},       {"broadcast", do_broadcast},
      {"note", do_note},         {"name", do_name},       {"founders", do_nothing},
      {"servers", do_nothing},   {"durable", do_nothing}, {"option", do_nothing}};
  const char *name = sim_words_next(words);
  for (size_t i = 0; i < sizeof(commands) / sizeof(commands[0]); i++) {
    if (strcmp(commands[i].name, name) != 0) continue;
    commands[i].act(words);
    return true;
  }
  return false;
}
