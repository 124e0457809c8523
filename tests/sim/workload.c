/* SPDX-License-Identifier: MIT
 *
 * What members broadcast: bursts with idle times between them, until a budget is used up;
 * now and then a message from inside a delivery.
 */
#include "simulation.h"

#define NO_SIZE UINT32_MAX

static uint32_t draw_size(struct simulation *sim) {
  const struct sim_config *config = &sim->config;
  bool rare = gr_random_below(&sim->load_random, 16) == 0;
  return (uint32_t)gr_random_below(&sim->load_random,
                                   (rare ? config->size_rare : config->size_usual) +
                                       UINT64_C(1));
}

/* The number that the next message must get. Those of former processes that were not
 * delivered before this one may broadcast never are. */
static uint64_t next_number(const struct sim_process *process) {
  if (process->number > 0 || !process->sim->config.durable) return process->number + 1;
  return process->sim->oracle.numbers[sim_process_member(process)] + 1;
}

/* A message in up to three parts, one of which may be empty. */
static int broadcast(struct sim_process *process, uint32_t size) {
  struct simulation *sim = process->sim;
  const uint8_t *bytes = sim_content_at(sim->content, sim_process_member(process),
                                        process->life, next_number(process));
  uint64_t first = gr_random_below(&sim->load_random, size + UINT64_C(1));
  uint64_t second = gr_random_below(&sim->load_random, size - first + 1);
  gr_slice parts[3] = {{bytes, first},
                       {bytes + first, second},
                       {bytes + first + second, size - first - second}};
  uint64_t number = 0;
  int error =
      gr_group_broadcast(process->group, parts, 3, sim_process_clock(process), &number);
  if (error != GR_OK) return error;
  process->broadcasts++;
  process->number = number;
  sim->storages[process->index].broadcasts++;
  sim_oracle_broadcast(&sim->oracle, sim_process_member(process), number, size);
  sim_report_broadcast(&sim->report, sim->now, process->index, number, size);
  return GR_OK;
}

/* False if the member can take no more now. */
static bool broadcast_next(struct sim_process *process) {
  uint32_t size = process->burst_size;
  if (size == NO_SIZE) size = draw_size(process->sim);
  int error = broadcast(process, size);
  process->burst_size = NO_SIZE;
  if (error == GR_OK) return true;
  if (error == GR_ERR_NO_QUORUM || error == GR_ERR_NOT_ONLINE) {
    process->waits = true;
    process->burst_size = size;
  } else if (error == GR_ERR_FULL) {
    process->full = true;
    process->burst_size = size; /* the same one again, when there is room */
  } else if (error != GR_ERR_HALTED) {
    sim_oracle_fail(&process->sim->oracle, "API", "gr_group_broadcast: %s",
                    gr_error_name(error));
  }
  return false;
}

void sim_workload_turn(struct sim_process *process) {
  while (process->burst > 0 && !process->full && !process->waits &&
         broadcast_next(process))
    process->burst--;
}

/* The member has broadcast all that it will. A process without the member's storage may
 * begin, but is none of the group's. */
static bool is_spent(const struct sim_process *process) {
  const struct simulation *sim = process->sim;
  /* It may be nobody already, and not have been told. */
  if (sim->config.dynamic &&
      (process->member_state != GR_MEMBER_ONLINE || process->id == 0))
    return true;
  const struct sim_storage *storage = &sim->storages[process->index];
  if (!sim->config.durable) return process->broadcasts >= sim->config.budget;
  return storage->broadcasts >= sim->config.budget || storage->wiped || !process->resumed;
}

void sim_workload_delivered(struct sim_process *process) {
  struct simulation *sim = process->sim;
  if (!sim->faults_on || process->full || process->waits || is_spent(process) ||
      !sim_chance(&sim->load_random, sim->config.nested_ppm))
    return;
  broadcast_next(process);
}

void sim_workload_plan(struct simulation *sim, uint32_t index) {
  gr_time wait = sim_exponential(&sim->load_random, sim->config.idle_ns);
  sim_events_add(&sim->events, (struct sim_event){.at = sim->now + wait,
                                                  .kind = SIM_EVENT_WORKLOAD,
                                                  .member = (uint8_t)index});
}

void sim_workload_burst(struct simulation *sim, uint32_t index) {
  struct sim_process *process = &sim->processes[index];
  if (!sim->faults_on) return;
  sim_workload_plan(sim, index);
  if (process->state != SIM_UP || process->burst > 0 || is_spent(process)) return;
  process->burst = (uint32_t)sim_between(&sim->load_random, 1, sim->config.burst_max);
  sim_process_wake(process);
}
