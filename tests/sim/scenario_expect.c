/* SPDX-License-Identifier: MIT
 *
 * What a scenario can expect.
 */
#include "scenario.h"

#include <string.h>

/* ---- states ---- */

/* offline 3 4, or with the reason: offline 3 GR_ERR_DIVERGED. */
static bool all_are(struct sim_words *words, enum gr_member_state state) {
  uint32_t servers = sim_words_servers(words);
  const char *error = sim_words_next(words);
  for (uint32_t i = 0; i < words->sim->servers; i++) {
    const struct sim_process *process = &words->sim->processes[i];
    if ((servers >> i & 1) == 0) continue;
    if (!process->group || process->member_state != state) return false;
    if (*error != '\0' && strcmp(gr_error_name(process->state_error), error) != 0)
      return false;
  }
  return true;
}

static bool are_online(struct sim_words *words) {
  return all_are(words, GR_MEMBER_ONLINE);
}

static bool are_recovering(struct sim_words *words) {
  return all_are(words, GR_MEMBER_RECOVERING);
}

static bool are_offline(struct sim_words *words) {
  return all_are(words, GR_MEMBER_OFFLINE);
}

static bool are_in_error(struct sim_words *words) {
  return all_are(words, GR_MEMBER_ERROR);
}

/* Their processes have ended. */
static bool down(struct sim_words *words) {
  uint32_t servers = sim_words_servers(words);
  for (uint32_t i = 0; i < words->sim->servers; i++)
    if ((servers >> i & 1) && words->sim->processes[i].group) return false;
  return true;
}

static bool have_quorum(struct sim_words *words, bool wanted) {
  uint32_t servers = sim_words_servers(words);
  for (uint32_t i = 0; i < words->sim->servers; i++) {
    const struct sim_process *process = &words->sim->processes[i];
    gr_status status = {.size = sizeof(status)};
    if ((servers >> i & 1) == 0 || !process->group) continue;
    gr_group_status(process->group, &status);
    if (status.quorum != wanted) return false;
  }
  return true;
}

static bool quorum(struct sim_words *words) {
  return have_quorum(words, true);
}

/* ---- views ---- */

static uint32_t seats(const struct simulation *sim, bool voters_only) {
  const struct sim_view *view = sim_oracle_view_now(&sim->oracle);
  uint32_t servers = 0;
  for (uint32_t i = 0; i < sim->oracle.members; i++) {
    if (view->seats[i] == SIM_SEAT_NONE) continue;
    if (voters_only && view->seats[i] != SIM_SEAT_VOTER) continue;
    uint32_t owner = sim_servers_of(sim, i + 1);
    if (owner < SIM_SERVERS_MAX) servers |= 1u << owner;
  }
  return servers;
}

static bool members(struct sim_words *words) {
  return seats(words->sim, false) == sim_words_servers(words);
}

static bool voters(struct sim_words *words) {
  return seats(words->sim, true) == sim_words_servers(words);
}

static bool view(struct sim_words *words) {
  uint64_t number;
  return sim_words_number(words, &number) && words->sim->oracle.view_count == number;
}

static bool reason(struct sim_words *words) {
  const struct sim_view *now = sim_oracle_view_now(&words->sim->oracle);
  return strcmp(gr_view_reason_name(now->reason), sim_words_next(words)) == 0;
}

static bool is_expulsion(enum gr_view_reason why) {
  return why == GR_VIEW_SILENT || why == GR_VIEW_FLAPPING || why == GR_VIEW_UNHEALTHY ||
         why == GR_VIEW_DIVERGED || why == GR_VIEW_BEHIND;
}

/* Since the last note. */
static bool no_expulsion(struct sim_words *words) {
  const struct sim_oracle *oracle = &words->sim->oracle;
  for (uint64_t i = words->scenario->noted_view; i < oracle->view_count; i++)
    if (is_expulsion(oracle->views[i].reason)) return false;
  return true;
}

/* ---- leaders ---- */

static bool leader(struct sim_words *words) {
  bool negated = sim_words_take(words, "not");
  uint32_t now = sim_servers_leader(words->sim);
  return now != SIM_SERVERS_MAX && (now == sim_words_server(words)) != negated;
}

static bool elections(struct sim_words *words) {
  uint64_t most;
  sim_words_take(words, "at");
  sim_words_take(words, "most");
  return sim_words_number(words, &most) &&
         words->sim->elections - words->scenario->elections <= most;
}

/* ---- messages ---- */

static bool progress(struct sim_words *words) {
  return words->sim->oracle.order_count > words->scenario->noted;
}

/* All members that are ONLINE have delivered all that any of them broadcast. */
static bool delivered(struct sim_words *words) {
  const struct simulation *sim = words->sim;
  for (uint32_t i = 0; i < sim->servers; i++) {
    const struct sim_process *process = &sim->processes[i];
    if (process->state != SIM_UP || process->member_state != GR_MEMBER_ONLINE) continue;
    if (process->data.seqno != sim->oracle.order_count || process->burst > 0 ||
        sim->oracle.numbers[sim_process_member(process)] < process->number)
      return false;
  }
  return true;
}

static bool no(struct sim_words *words) {
  if (sim_words_take(words, "expulsion")) return no_expulsion(words);
  if (sim_words_take(words, "progress")) return !progress(words);
  if (sim_words_take(words, "quorum")) return have_quorum(words, false);
  if (sim_words_take(words, "leader"))
    return sim_servers_leader(words->sim) == SIM_SERVERS_MAX;
  sim_words_fail(words, "nobody knows what this expects");
  return true;
}

bool sim_scenario_holds(struct sim_words words, bool *known) {
  static const struct {
    const char *name;
    bool (*holds)(struct sim_words *words);
  } expectations[] = {{"online", are_online},
                      {"recovering", are_recovering},
                      {"offline", are_offline},
                      {"error", are_in_error},
                      {"quorum", quorum},
                      {"down", down},
                      {"members", members},
                      {"voters", voters},
                      {"view", view},
                      {"reason", reason},
                      {"leader", leader},
                      {"elections", elections},
                      {"progress", progress},
                      {"delivered", delivered},
                      {"no", no}};
  const char *name = sim_words_next(&words);
  for (size_t i = 0; i < sizeof(expectations) / sizeof(expectations[0]); i++)
    if (strcmp(expectations[i].name, name) == 0) return expectations[i].holds(&words);
  *known = false;
  return false;
}
