/* SPDX-License-Identifier: MIT
 *
 * Servers come, go, are removed, fall ill, die for good and come back as somebody else.
 * Without storage a process that dies is a vote lost for good: a majority of the latest
 * view is left alone then, or the group would stand still for ever.
 */
#include "simulation.h"

/* A run has only so many ids. */
#define IDS_LEFT_LEAST 36

static uint32_t any_server(struct simulation *sim) {
  return (uint32_t)gr_random_below(&sim->server_random, sim->servers);
}

static void plan(struct simulation *sim, uint32_t index, gr_time wait,
                 enum sim_event_kind kind, uint64_t value) {
  uint32_t generation = sim->processes[index].generation;
  sim_events_add(&sim->events, (struct sim_event){.at = sim->now + wait,
                                                  .kind = kind,
                                                  .value = value,
                                                  .member = (uint8_t)index,
                                                  .generation = (uint16_t)generation});
}

static bool runs(const struct simulation *sim, uint32_t index) {
  const struct sim_process *process = &sim->processes[index];
  return process->group && process->state == SIM_UP && !process->dying;
}

static bool is_online(const struct simulation *sim, uint32_t index) {
  return runs(sim, index) && sim->processes[index].member_state == GR_MEMBER_ONLINE;
}

/* ---- who is left ---- */

/* The first slot that every running member still has; or that any has. */
static gr_slot kept(const struct simulation *sim, bool by_all) {
  gr_slot first = 0;
  for (uint32_t i = 0; i < sim->servers; i++) {
    gr_slot here = sim->processes[i].status.log_first;
    if (!runs(sim, i) || sim->processes[i].id == 0) continue;
    if (first == 0 || (by_all ? first < here : first > here)) first = here;
  }
  return first;
}

/* One that lacks what others have forgotten, as a majority had it, may be unable to catch
 * up with its seat: it gives that up. It surely is where all have forgotten it. */
static bool can_vote(const struct simulation *sim, gr_member_id id, bool surely) {
  uint32_t server = sim_servers_of(sim, id);
  if (server == SIM_SERVERS_MAX || sim->outlasting[server].id != id) return false;
  const struct sim_process *process = &sim->processes[server];
  if (sim->config.durable)
    return !sim->outlasting[server].gone &&
           sim->oracle.delivered[id - 1] + 1 >= kept(sim, surely);
  return process->id == id && (process->state == SIM_UP || process->state == SIM_PAUSED);
}

bool sim_churn_can_vote(const struct simulation *sim, gr_member_id id) {
  return can_vote(sim, id, true);
}

static bool spares_in(const struct simulation *sim, const struct sim_view *view,
                      uint32_t index, bool surely) {
  uint32_t left = 0;
  for (uint32_t i = 0; i < sim->oracle.members; i++)
    if (view->seats[i] == SIM_SEAT_VOTER && can_vote(sim, i + 1, surely) &&
        sim_servers_of(sim, i + 1) != index)
      left++;
  return 2 * left > view->voters;
}

/* The earliest view that somebody who votes in the latest may still be in: to leave it
 * takes a majority of its own voters. */
static uint64_t earliest_view(const struct simulation *sim, bool surely) {
  const struct sim_view *view = sim_oracle_view_now(&sim->oracle);
  uint64_t earliest = view->number;
  for (uint32_t i = 0; i < sim->oracle.members; i++) {
    uint32_t server = sim_servers_of(sim, i + 1);
    if (view->seats[i] != SIM_SEAT_VOTER || !can_vote(sim, i + 1, surely)) continue;
    uint64_t told = sim->oracle.witnesses[i].view;
    if (!sim->processes[server].group || told == 0)
      told = view->number > 2 ? view->number - 2 : 1;
    if (earliest > told) earliest = told;
  }
  return earliest;
}

static bool spares(const struct simulation *sim, uint32_t index, bool surely) {
  uint64_t number = earliest_view(sim, surely);
  for (; number <= sim->oracle.view_count; number++) {
    const struct sim_view *view = sim_oracle_view_of(&sim->oracle, number);
    if (view && !spares_in(sim, view, index, surely)) return false;
  }
  return true;
}

bool sim_churn_spares(const struct simulation *sim, uint32_t index) {
  return spares(sim, index, true);
}

bool sim_churn_majority_lost(const struct simulation *sim) {
  return !spares(sim, SIM_SERVERS_MAX, false);
}

static uint32_t wanted(const struct simulation *sim) {
  uint32_t count = 0;
  for (uint32_t i = 0; i < sim->servers; i++) count += sim->outlasting[i].wanted;
  return count;
}

/* ---- what an operator does ---- */

void sim_churn_join(struct simulation *sim, uint32_t index) {
  struct sim_process *process = &sim->processes[index];
  sim_report_note(&sim->report, sim->now, index, "JOINS");
  sim->outlasting[index].wanted = true;
  if (process->state == SIM_PAUSED) {
    plan(sim, index, SIM_SECOND, SIM_EVENT_REJOIN, 0);
    return;
  }
  if (!runs(sim, index)) {
    sim_servers_start(sim, index);
    return;
  }
  int error = gr_group_join(process->group, sim_process_clock(process));
  /* It may not be out yet; then it asks again, as it is wanted. */
  if (error == GR_ERR_STATE) plan(sim, index, SIM_SECOND, SIM_EVENT_REJOIN, 0);
  sim_process_wake(process);
}

bool sim_churn_leave(struct simulation *sim, uint32_t index) {
  struct sim_process *process = &sim->processes[index];
  if (!runs(sim, index)) return false;
  int error = gr_group_leave(process->group, sim_process_clock(process));
  if (error != GR_OK) return false;
  sim_report_note(&sim->report, sim->now, index, "LEAVES");
  sim->outlasting[index].wanted = false;
  process->leaves = true;
  process->burst = 0;
  sim_process_wake(process);
  return true;
}

int sim_churn_remove(struct simulation *sim, uint32_t by, uint32_t index) {
  struct sim_process *process = &sim->processes[by];
  gr_member_id id = sim->outlasting[index].id;
  if (!runs(sim, by) || by == index) return GR_ERR_INVALID;
  sim_report_note(&sim->report, sim->now, index, "IS TO BE REMOVED");
  int error = gr_group_remove(process->group, id, sim_process_clock(process));
  sim_process_wake(process);
  return error;
}

int sim_churn_force(struct simulation *sim, uint32_t by, uint32_t servers) {
  const struct sim_view *view = sim_oracle_view_now(&sim->oracle);
  gr_member_id ids[SIM_SERVERS_MAX];
  gr_seqno seqno = 0;
  uint64_t told = 0;
  size_t count = 0;
  for (uint32_t i = 0; i < sim->oracle.members; i++) {
    uint32_t server = sim_servers_of(sim, i + 1);
    if (view->seats[i] == SIM_SEAT_NONE || server == SIM_SERVERS_MAX ||
        (servers >> server & 1) == 0)
      continue;
    ids[count++] = i + 1;
    if (seqno < sim->processes[server].data.seqno)
      seqno = sim->processes[server].data.seqno;
    if (told < sim->oracle.witnesses[i].view) told = sim->oracle.witnesses[i].view;
  }
  struct sim_process *process = &sim->processes[by];
  if (!process->group) return GR_ERR_INVALID;
  int error = gr_group_force(process->group, ids, count, sim_process_clock(process));
  sim_process_wake(process);
  if (error != GR_OK) return error;
  sim_report_note(&sim->report, sim->now, by, "GOES ON BY FORCE");
  for (uint32_t i = 0; i < sim->servers; i++)
    if ((servers >> i & 1) == 0) sim->outlasting[i].lost = sim->outlasting[i].id;
  sim_oracle_force(&sim->oracle, seqno, told);
  return GR_OK;
}

void sim_churn_health(struct simulation *sim, uint32_t index, bool healthy) {
  struct sim_process *process = &sim->processes[index];
  sim->outlasting[index].unhealthy = !healthy;
  if (!runs(sim, index)) return;
  sim_report_note(&sim->report, sim->now, index, healthy ? "IS WELL" : "IS ILL");
  gr_group_health(process->group, healthy, sim_process_clock(process));
  sim_process_wake(process);
}

/* Its storage is lost; what its host has is not, or is. It is nobody from now on. */
void sim_churn_forget(struct simulation *sim, uint32_t index, bool host_too) {
  struct sim_server *server = &sim->outlasting[index];
  gr_seqno kept = sim->storages[index].applied;
  if (sim->processes[index].group) sim_process_crash(sim, index, true);
  if (kept > sim->storages[index].applied) kept = sim->storages[index].applied;
  sim_storage_wipe(sim, index);
  if (!host_too) sim->storages[index].applied = kept;
  if (host_too) server->kept = 0;
  server->founder = false;
  server->id = 0;
}

/* ---- faults ---- */

static void crash(struct simulation *sim) {
  uint32_t index = any_server(sim);
  if (!sim->processes[index].group) return;
  if (sim->config.durable || sim_churn_spares(sim, index))
    sim_crashes_member(sim, index, sim->config.durable);
}

/* The others are dead for good, or nobody would need to. */
void sim_churn_force_left(struct simulation *sim) {
  uint32_t left = 0, by = SIM_SERVERS_MAX;
  const struct sim_view *view = sim_oracle_view_now(&sim->oracle);
  for (uint32_t i = 0; i < sim->oracle.members; i++) {
    uint32_t server = sim_servers_of(sim, i + 1);
    if (view->seats[i] != SIM_SEAT_VOTER || !sim_churn_can_vote(sim, i + 1)) continue;
    left |= 1u << server;
    if (runs(sim, server)) by = server;
  }
  if (by != SIM_SERVERS_MAX) sim_churn_force(sim, by, left);
}

void sim_churn_force_event(struct simulation *sim) {
  if (!sim->faults_on || !sim_churn_majority_lost(sim)) return;
  sim_events_add(&sim->events, (struct sim_event){.at = sim->now + 20 * SIM_SECOND,
                                                  .kind = SIM_EVENT_FORCE});
  sim_churn_force_left(sim);
}

static void lose_majority(struct simulation *sim) {
  if (sim->config.durable) {
    sim_crashes_majority(sim);
    return;
  }
  uint32_t last = any_server(sim);
  for (uint32_t i = 0; i < sim->servers; i++) {
    uint32_t index = (last + 1 + i) % sim->servers;
    bool alone = index == last || !sim_churn_spares(sim, SIM_SERVERS_MAX);
    if (sim->processes[index].group && sim->processes[last].group && !alone)
      sim_process_crash(sim, index, true);
  }
  gr_time wait = sim_between(&sim->server_random, SIM_SECOND, 8 * SIM_SECOND);
  sim_events_add(&sim->events,
                 (struct sim_event){.at = sim->now + wait, .kind = SIM_EVENT_FORCE});
}

static void join(struct simulation *sim) {
  uint32_t index = any_server(sim);
  if (!sim->outlasting[index].wanted && !sim->outlasting[index].gone)
    sim_churn_join(sim, index);
}

static void leave(struct simulation *sim) {
  uint32_t index = any_server(sim);
  /* With the last one the group would be gone. One that joins calls that off. */
  bool last = sim_oracle_view_now(&sim->oracle)->voters == 1;
  bool joins = sim->outlasting[index].wanted && sim->processes[index].id == 0;
  if (wanted(sim) > 1 && !last && (is_online(sim, index) || joins))
    sim_churn_leave(sim, index);
}

static void remove_one(struct simulation *sim) {
  uint32_t by = any_server(sim), index = any_server(sim);
  if (is_online(sim, by) && wanted(sim) > 1) sim_churn_remove(sim, by, index);
}

static void illness(struct simulation *sim) {
  uint32_t index = any_server(sim);
  if (!is_online(sim, index)) return;
  sim_churn_health(sim, index, false);
  gr_time most = 4 * sim->config.options.expel_timeout_ns;
  plan(sim, index, gr_random_below(&sim->server_random, most), SIM_EVENT_HEALTHY, 0);
}

/* What its host has is not what the group made of it. */
static void diverge(struct simulation *sim) {
  uint32_t index = any_server(sim);
  struct sim_process *process = &sim->processes[index];
  if (!process->group || !sim->outlasting[index].wanted || !sim_churn_spares(sim, index))
    return;
  sim_process_crash(sim, index, false);
  sim_churn_forget(sim, index, false);
  sim_report_note(&sim->report, sim->now, index, "DIVERGES");
  sim->outlasting[index].diverged = true;
  sim_servers_start(sim, index);
}

/* Another process of the same server, at once. */
static void rebirth(struct simulation *sim) {
  uint32_t index = any_server(sim);
  if (!sim->processes[index].group || !sim->outlasting[index].wanted ||
      !sim_churn_spares(sim, index))
    return;
  sim_report_note(&sim->report, sim->now, index, "IS BORN AGAIN");
  sim_process_crash(sim, index, false);
  sim_churn_forget(sim, index, gr_random_below(&sim->server_random, 2) == 0);
  sim_servers_start(sim, index);
}

/* Somebody who gives or takes a snapshot. */
static void kill_helper(struct simulation *sim) {
  uint32_t first = any_server(sim);
  for (uint32_t i = 0; i < sim->servers; i++) {
    uint32_t index = (first + i) % sim->servers;
    const struct sim_process *process = &sim->processes[index];
    bool busy = process->receipt.begun || process->snapshots[0].handle > 0 ||
                process->member_state == GR_MEMBER_RECOVERING;
    if (!process->group || !busy) continue;
    if (sim->config.durable || sim_churn_spares(sim, index))
      sim_crashes_member(sim, index, sim->config.durable);
    return;
  }
}

bool sim_churn_begin(struct simulation *sim, enum sim_fault fault) {
  static void (*const faults[SIM_FAULT_COUNT])(
      struct simulation *) = {[SIM_FAULT_CRASH] = crash,
                              [SIM_FAULT_RESTART] = sim_crashes_restart,
                              [SIM_FAULT_WIPE] = rebirth,
                              [SIM_FAULT_LOSE_MAJORITY] = lose_majority,
                              [SIM_FAULT_JOIN] = join,
                              [SIM_FAULT_LEAVE] = leave,
                              [SIM_FAULT_REMOVE] = remove_one,
                              [SIM_FAULT_ILLNESS] = illness,
                              [SIM_FAULT_DIVERGE] = diverge,
                              [SIM_FAULT_REBIRTH] = rebirth,
                              [SIM_FAULT_KILL_HELPER] = kill_helper};
  if (!sim->config.dynamic) return false;
  if (sim->oracle.members + IDS_LEFT_LEAST > SIM_MEMBERS_MAX) return true;
  if (!faults[fault]) return false;
  faults[fault](sim);
  return true;
}

void sim_churn_ambush(struct sim_process *process) {
  struct simulation *sim = process->sim;
  struct sim_server *server = &sim->outlasting[process->index];
  if (server->ambushed) {
    server->ambushed = false;
    plan(sim, process->index, 5 * SIM_MS, SIM_EVENT_CRASH, true);
    return;
  }
  if (!sim->faults_on ||
      !sim_chance(&sim->server_random, sim->config.membership.ambush_ppm))
    return;
  plan(sim, process->index, gr_random_below(&sim->server_random, 100 * SIM_MS),
       SIM_EVENT_CRASH, sim->config.durable);
}

void sim_churn_healthy(struct simulation *sim, const struct sim_event *event) {
  if (event->generation == (uint16_t)sim->processes[event->member].generation)
    sim_churn_health(sim, event->member, true);
}
