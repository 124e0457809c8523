/* SPDX-License-Identifier: MIT
 *
 * Crashes where members have storage: any number of them at any moment, and each comes
 * back, soon, late, or when something calls it back.
 */
#include "simulation.h"

static void plan(struct simulation *sim, uint32_t index, gr_time wait,
                 enum sim_event_kind kind, bool power) {
  uint32_t generation = sim->processes[index].generation;
  sim_events_add(&sim->events, (struct sim_event){.at = sim->now + wait,
                                                  .kind = kind,
                                                  .value = power,
                                                  .member = (uint8_t)index,
                                                  .generation = (uint16_t)generation});
}

static uint32_t any_member(struct simulation *sim) {
  return (uint32_t)gr_random_below(&sim->disk_random, sim->servers);
}

static bool is_down(const struct simulation *sim, uint32_t index) {
  return sim->processes[index].state == SIM_DOWN ||
         sim->processes[index].state == SIM_HALTED;
}

/* ---- one member ---- */

void sim_crashes_plan_restart(struct simulation *sim, uint32_t index) {
  const struct sim_disk_config *disk = &sim->config.disk;
  if (sim->scenario) return; /* which says when */
  if (sim_chance(&sim->disk_random, disk->stay_ppm)) return;
  gr_time wait = sim_exponential(&sim->disk_random, disk->down_ns) + 1;
  /* Somebody may see to a full disk first. */
  gr_time full_until = sim->storages[index].full_until;
  if (full_until > sim->now && gr_random_below(&sim->disk_random, 4) > 0)
    wait += full_until - sim->now;
  plan(sim, index, wait, SIM_EVENT_RESTART, false);
}

void sim_crashes_member(struct simulation *sim, uint32_t index, bool power) {
  if (!sim->processes[index].group) return;
  sim_process_crash(sim, index, power);
  sim_crashes_plan_restart(sim, index);
}

static void restart(struct simulation *sim, uint32_t index) {
  struct sim_process *process = &sim->processes[index];
  if (!is_down(sim, index) || sim->storages[index].gone) return;
  if (sim->config.dynamic) {
    if (sim->outlasting[index].wanted) sim_servers_start(sim, index);
    return;
  }
  if (process->group) sim_process_crash(sim, index, false);
  sim_process_start(sim, index, process->generation + 1);
}

void sim_crashes_restart(struct simulation *sim) {
  uint32_t first = any_member(sim);
  for (uint32_t i = 0; i < sim->servers; i++) {
    uint32_t index = (first + i) % sim->servers;
    if (!is_down(sim, index) || sim->storages[index].gone) continue;
    if (sim->config.dynamic && !sim->outlasting[index].wanted) continue;
    restart(sim, index);
    return;
  }
}

void sim_crashes_restart_all(struct simulation *sim) {
  for (uint32_t i = 0; i < sim->servers; i++) {
    struct sim_process *process = &sim->processes[i];
    sim->storages[i].full_until = sim->storages[i].stalls_until = 0;
    sim->storages[i].fails = false;
    if (process->dying || process->storage_failed) sim_crashes_member(sim, i, true);
    restart(sim, i);
  }
}

/* ---- several members ---- */

/* At one moment, or one after the other, while those that are left go on. */
void sim_crashes_outage(struct simulation *sim) {
  gr_time window = 0;
  if (gr_random_below(&sim->disk_random, 2) == 0)
    window = sim_spread(&sim->disk_random, 1000, 50 * SIM_MS);
  for (uint32_t i = 0; i < sim->servers; i++)
    plan(sim, i, gr_random_below(&sim->disk_random, window + 1), SIM_EVENT_CRASH, true);
}

void sim_crashes_majority(struct simulation *sim) {
  uint32_t first = any_member(sim);
  for (uint32_t i = 0; i <= sim->servers / 2; i++)
    plan(sim, (first + i) % sim->servers, 0, SIM_EVENT_CRASH, true);
}

/* A member comes back without its storage, once all know it; a majority never does. */
void sim_crashes_wipe(struct simulation *sim) {
  uint32_t gone = 1;
  for (uint32_t i = 0; i < sim->servers; i++) {
    if (!sim->storages[i].met) return;
    gone += sim->storages[i].gone || sim->storages[i].wiped;
  }
  uint32_t index = any_member(sim);
  struct sim_storage *storage = &sim->storages[index];
  if (2 * gone >= sim->servers || storage->gone || storage->wiped) return;
  if (sim->processes[index].group) sim_process_crash(sim, index, true);
  sim_report_note(&sim->report, sim->now, index, "STORAGE WIPED");
  sim_storage_wipe(sim, index);
  storage->wiped = true;
  restart(sim, index);
}

/* ---- where it would hurt ---- */

/* Before anything of the turn leaves, right behind it, or while its sync is under way. */
static void strike(struct sim_process *process) {
  struct simulation *sim = process->sim;
  uint64_t kind = gr_random_below(&sim->disk_random, 3);
  gr_time wait = 0;
  if (kind == 0) process->dying = true;
  if (kind == 2)
    wait = gr_random_below(&sim->disk_random, 2 * sim->config.disk.sync_ns + 1);
  plan(sim, process->index, wait, SIM_EVENT_CRASH, true);
  if (!sim_chance(&sim->disk_random, sim->config.disk.ambush_all_ppm)) return;
  for (uint32_t i = 0; i < sim->servers; i++)
    if (i != process->index) plan(sim, i, wait, SIM_EVENT_CRASH, true);
}

void sim_crashes_ambush(struct sim_process *process, enum gr_trace_kind kind) {
  struct simulation *sim = process->sim;
  uint32_t ppm = sim->config.disk.ambush_ppm;
  bool often =
      kind == GR_TRACE_PROPOSE || kind == GR_TRACE_ACCEPT || kind == GR_TRACE_CHOSEN;
  bool seldom = kind == GR_TRACE_PROMISE || kind == GR_TRACE_LEADER ||
                kind == GR_TRACE_CLOSE || kind == GR_TRACE_CHECKPOINT ||
                kind == GR_TRACE_FORMED || kind == GR_TRACE_RESUME;
  if (seldom) ppm *= 8;
  if (!often && !seldom) return;
  if (!process->resumed && kind != GR_TRACE_RESUME) return;
  if (!sim->faults_on || (!sim->met && !sim->config.faults_early)) return;
  if (!process->dying && sim_chance(&sim->disk_random, ppm)) strike(process);
}

/* ---- events ---- */

void sim_crashes_event(struct simulation *sim, const struct sim_event *event) {
  struct sim_process *process = &sim->processes[event->member];
  if (!sim->faults_on || event->generation != (uint16_t)process->generation) return;
  bool spared = sim->config.dynamic && !sim->config.durable &&
                !sim_churn_spares(sim, event->member);
  if (event->kind == SIM_EVENT_CRASH && !spared)
    sim_crashes_member(sim, event->member, event->value != 0);
  else if (event->kind == SIM_EVENT_RESTART)
    restart(sim, event->member);
}
