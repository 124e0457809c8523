/* SPDX-License-Identifier: MIT
 *
 * A run has two phases. First safety: faults, load, and the oracle. Then liveness, which
 * is in liveness.c.
 */
#include "scenario.h"

#include <string.h>

static void handle(struct sim_liveness *run, const struct sim_event *event) {
  struct simulation *sim = run->sim;
  switch (event->kind) {
  case SIM_EVENT_FRAME:
    sim_network_arrive(sim, event->frame);
    return;
  case SIM_EVENT_TURN:
    sim_process_turn(sim, event->member);
    return;
  case SIM_EVENT_TIMER:
    sim_process_timer(sim, event);
    return;
  case SIM_EVENT_WORKLOAD:
    sim_workload_burst(sim, event->member);
    return;
  case SIM_EVENT_SENDABLE:
    sim_network_sendable(sim, event->member, event->other);
    return;
  case SIM_EVENT_FAULT:
    sim_faults_next(sim);
    return;
  case SIM_EVENT_CUT:
    sim_faults_cut(sim, sim_links_unpack(event->value));
    return;
  case SIM_EVENT_HEAL:
    if (sim->faults_on) sim_network_heal(sim, sim_links_unpack(event->value));
    return;
  case SIM_EVENT_RESUME:
    sim_process_resume(sim, event->member);
    return;
  case SIM_EVENT_SYNCED:
  case SIM_EVENT_STORED:
  case SIM_EVENT_TRIMMED:
  case SIM_EVENT_APPLIED:
    sim_storage_event(sim, event);
    return;
  case SIM_EVENT_CRASH:
  case SIM_EVENT_RESTART:
    sim_crashes_event(sim, event);
    return;
  case SIM_EVENT_REJOIN:
    sim_servers_rejoin(sim, event);
    return;
  case SIM_EVENT_FORCE:
    sim_churn_force_event(sim);
    return;
  case SIM_EVENT_SCRIPT:
    sim_scenario_step(run);
    return;
  case SIM_EVENT_HEALTHY:
    sim_churn_healthy(sim, event);
    return;
  case SIM_EVENT_CHECK:
    if (sim->config.dynamic)
      sim_reunion_check(run);
    else
      sim_liveness_check(run);
    return;
  }
}

/* ---- a whole run ---- */

static void begin(struct simulation *sim, const struct sim_config *config) {
  struct gr_random random = {config->seed};
  sim->config = *config;
  sim->servers = config->servers;
  sim->now = SIM_MS;
  sim->network_random.state = gr_random_next(&random);
  sim->process_random.state = gr_random_next(&random);
  sim->fault_random.state = gr_random_next(&random);
  sim->load_random.state = gr_random_next(&random);
  sim->disk_random.state = gr_random_next(&random);
  sim->server_random.state = gr_random_next(&random);
  sim->faults_on = true;
  sim->met = false;
  sim->event_count = sim->turn_count = 0;
  sim->report.count = 0;
  sim_oracle_begin(&sim->oracle, sim->content, config->members,
                   (struct sim_bounds){config->options.cache_bytes_max,
                                       config->options.unordered_bytes_max,
                                       config->options.message_bytes_max,
                                       config->may_fall_behind, config->durable});
  sim->oracle.now = sim->now;
  sim_network_begin(sim);
  sim_storage_begin(sim);
  sim_servers_begin(sim);
  memset(sim->processes, 0, sizeof(sim->processes));
  for (uint32_t i = 0; i < sim->servers; i++) {
    if (i < config->members) sim_process_start(sim, i, 0);
    sim_workload_plan(sim, i);
  }
  sim->elections = 0;
  sim->soak = (struct sim_soak){0};
  if (sim->scenario) {
    sim->scenario->started = sim->now;
    sim_events_add(&sim->events,
                   (struct sim_event){.at = sim->now, .kind = SIM_EVENT_SCRIPT});
    return;
  }
  sim_faults_plan(sim);
  sim_liveness_plan(sim, sim->now + config->safety_ns);
}

/* Gives back all memory; the last marks go into the digest. */
static void finish(struct simulation *sim) {
  struct sim_event event;
  while (sim_events_take(&sim->events, &event))
    if (event.kind == SIM_EVENT_FRAME) sim_frame_free(sim->memory, event.frame);
  sim->events.next_order = 0;
  for (uint32_t i = 0; i < sim->servers; i++) {
    struct sim_process *process = &sim->processes[i];
    sim_oracle_digest(&sim->oracle, process->status.chosen);
    sim_oracle_digest(&sim->oracle, process->status.seqno);
    sim_oracle_digest(&sim->oracle, process->status.promised.round);
    sim_oracle_digest(&sim->oracle, process->state);
    if (process->group) sim_process_crash(sim, i, false);
  }
  sim_oracle_digest(&sim->oracle, sim->event_count);
  sim_network_end(sim);
  sim_storage_end(sim);
}

struct sim_result sim_run(struct simulation *sim, const struct sim_config *config) {
  struct sim_liveness run = {.sim = sim};
  struct sim_event event;
  begin(sim, config);
  if (sim->report.tracing) sim_report_config(config);
  while (run.phase != SIM_PHASE_DONE && !sim->oracle.failure.invariant &&
         sim_events_take(&sim->events, &event)) {
    sim->now = sim->oracle.now = event.at;
    sim->event_count++;
    handle(&run, &event);
  }
  if (sim->oracle.failure.invariant) sim_report_failure(sim);
  struct sim_result result = {.events = sim->event_count,
                              .virtual_ns = sim->now,
                              .failed = sim->oracle.failure.invariant != NULL,
                              .checked_liveness = run.checked};
  sim->report.transcript = false;
  finish(sim);
  result.digest = sim->oracle.digest;
  return result;
}
