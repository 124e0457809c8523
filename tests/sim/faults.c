/* SPDX-License-Identifier: MIT
 *
 * What goes wrong: one fault after the other, at times and of kinds that the seed draws.
 */
#include "simulation.h"

/* ---- whom it hits ---- */

static struct sim_links between(uint32_t a, uint32_t b, bool both) {
  return (struct sim_links){1u << a, 1u << b, both};
}

static uint32_t any_member(struct simulation *sim) {
  return (uint32_t)gr_random_below(&sim->fault_random, sim->servers);
}

/* The member that leads, or any if none does; half of the time any. */
static uint32_t member_of_interest(struct simulation *sim) {
  if (gr_random_below(&sim->fault_random, 2) == 0) return any_member(sim);
  uint64_t round = 0;
  uint32_t leader = any_member(sim);
  for (uint32_t i = 0; i < sim->servers; i++) {
    const struct sim_process *process = &sim->processes[i];
    if (process->state != SIM_UP || process->status.role != GR_ROLE_LEADER) continue;
    if (process->status.promised.round < round) continue;
    round = process->status.promised.round;
    leader = i;
  }
  return leader;
}

static gr_time lasts(struct simulation *sim) {
  return sim_exponential(&sim->fault_random, sim->config.fault_lasts_ns) + 1;
}

/* ---- links ---- */

static void cut_sides(struct simulation *sim, uint32_t side, bool one_way) {
  uint32_t all = (1u << sim->servers) - 1;
  sim_network_cut(sim, (struct sim_links){side, all & ~side, !one_way}, lasts(sim));
}

static bool sometimes(struct simulation *sim) {
  return gr_random_below(&sim->fault_random, 3) == 0;
}

static void partition(struct simulation *sim) {
  uint32_t side =
      (uint32_t)gr_random_below(&sim->fault_random, UINT64_C(1) << sim->servers);
  cut_sides(sim, side, sometimes(sim));
}

static void isolate(struct simulation *sim) {
  uint32_t all = (1u << sim->servers) - 1;
  uint32_t side = 1u << member_of_interest(sim);
  bool one_way = sometimes(sim);
  /* One way: either its own frames are lost, or those to it. */
  cut_sides(sim, one_way && sometimes(sim) ? all & ~side : side, one_way);
}

static void cut(struct simulation *sim) {
  uint32_t a = any_member(sim), b = any_member(sim);
  /* One draw a statement: the order of arguments is the compiler's. */
  bool both = sometimes(sim);
  if (a != b) sim_network_cut(sim, between(a, b, both), lasts(sim));
}

/* Goes and comes, several times. */
static void flap(struct simulation *sim) {
  uint32_t a = any_member(sim), b = any_member(sim);
  if (a == b) return;
  gr_time period = lasts(sim) / 2 + 1;
  for (uint32_t i = 0; i < 4; i++)
    sim_events_add(&sim->events,
                   (struct sim_event){.at = sim->now + i * period,
                                      .kind = SIM_EVENT_CUT,
                                      .value = sim_links_pack(between(a, b, true))});
}

void sim_faults_cut(struct simulation *sim, struct sim_links links) {
  if (sim->faults_on) sim_network_cut(sim, links, lasts(sim) / 4 + 1);
}

static void reset(struct simulation *sim) {
  uint32_t a = member_of_interest(sim);
  bool all = sometimes(sim);
  uint32_t one = any_member(sim);
  for (uint32_t b = 0; b < sim->servers; b++)
    if (a != b && (all || b == one)) sim_network_reset(sim, a, b);
}

static void slow_link(struct simulation *sim) {
  uint32_t a = member_of_interest(sim), b = any_member(sim);
  sim->links[a][b].slow_until = sim->now + lasts(sim);
}

/* What the leader is about to say reaches but some, and perhaps nothing reaches it: so
 * that what was proposed, and not chosen, is what the next leaders find. */
void sim_faults_ambush(struct simulation *sim, uint32_t leader, enum gr_trace_kind kind) {
  uint32_t ppm =
      kind == GR_TRACE_LEADER ? sim->config.ambush_lead_ppm : sim->config.ambush_ppm;
  if (!sim->faults_on || !sim->met || !sim_chance(&sim->fault_random, ppm)) return;
  bool deaf = sometimes(sim);
  uint32_t others = 0;
  for (uint32_t i = 0; i < sim->servers; i++)
    if (i != leader && gr_random_below(&sim->fault_random, 4) > 0) others |= 1u << i;
  sim_network_cut(sim, (struct sim_links){1u << leader, others, deaf}, lasts(sim));
}

/* ---- processes ---- */

static uint32_t able_members(const struct simulation *sim) {
  uint32_t able = 0;
  for (uint32_t i = 0; i < sim->servers; i++)
    if (sim_oracle_able(&sim->oracle, i)) able++;
  return able;
}

static bool alive(const struct simulation *sim, uint32_t index) {
  return sim->processes[index].state == SIM_UP ||
         sim->processes[index].state == SIM_PAUSED;
}

/* Without storage: for ever, or until it comes back without memory. A majority of those
 * that can take part is left alone; before any do, the dead can be started again. */
static void crash(struct simulation *sim) {
  uint32_t index = member_of_interest(sim);
  if (!alive(sim, index)) return;
  if (sim->config.durable) {
    sim_crashes_member(sim, index, sometimes(sim));
    return;
  }
  bool begun = sim_oracle_begun(&sim->oracle);
  if (begun && sim_oracle_able(&sim->oracle, index) &&
      2 * (able_members(sim) - 1) <= sim->servers)
    return;
  if (!begun && sim->processes[index].generation + 1 == SIM_GENERATIONS_MAX) return;
  sim_process_crash(sim, index, false);
}

static void restart(struct simulation *sim) {
  if (sim->config.durable) {
    sim_crashes_restart(sim);
    return;
  }
  for (uint32_t i = 0; i < sim->servers; i++) {
    struct sim_process *process = &sim->processes[i];
    if (process->state != SIM_DOWN || process->generation + 1 == SIM_GENERATIONS_MAX)
      continue;
    sim_process_start(sim, i, process->generation + 1);
    return;
  }
}

static void lose_majority(struct simulation *sim) {
  if (sim->config.durable) {
    sim_crashes_majority(sim);
    return;
  }
  while (2 * able_members(sim) > sim->servers) {
    uint32_t index = any_member(sim);
    if (alive(sim, index)) sim_process_crash(sim, index, false);
  }
}

static void pause(struct simulation *sim) {
  uint32_t index = member_of_interest(sim);
  if (sim->processes[index].state == SIM_UP) sim_process_pause(sim, index, lasts(sim));
}

static void clock_jump(struct simulation *sim) {
  uint32_t index = any_member(sim);
  if (sim->processes[index].state != SIM_UP) return;
  sim_process_jump(sim, index, sim_spread(&sim->fault_random, SIM_MS, 100 * SIM_SECOND));
}

/* Half of the time the one that is furthest behind, which is the least fit. */
static uint32_t successor(struct simulation *sim) {
  uint32_t chosen = any_member(sim);
  if (gr_random_below(&sim->fault_random, 2) == 0) return chosen;
  for (uint32_t i = 0; i < sim->servers; i++)
    if (sim->processes[i].state == SIM_UP &&
        sim->processes[i].status.chosen < sim->processes[chosen].status.chosen)
      chosen = i;
  return chosen;
}

static void transfer(struct simulation *sim) {
  struct sim_process *process = &sim->processes[member_of_interest(sim)];
  uint32_t to = successor(sim);
  if (process->state != SIM_UP || process->dying || to == process->index) return;
  gr_member_id id = sim->processes[to].id;
  int error = gr_group_transfer(process->group, id, sim_process_clock(process));
  if (sim->config.dynamic && error == GR_ERR_INVALID) return; /* it is no member now */
  if (error != GR_OK && error != GR_ERR_NOT_LEADER && error != GR_ERR_UNREACHABLE &&
      error != GR_ERR_HALTED)
    sim_oracle_fail(&sim->oracle, "API", "gr_group_transfer: %s", gr_error_name(error));
  sim_process_wake(process);
}

/* ---- storage ---- */

static void disk_stall(struct simulation *sim) {
  sim->storages[member_of_interest(sim)].stalls_until = sim->now + lasts(sim);
}

static void disk_full(struct simulation *sim) {
  sim->storages[member_of_interest(sim)].full_until = sim->now + lasts(sim);
}

static void disk_failure(struct simulation *sim) {
  sim->storages[member_of_interest(sim)].fails = true;
}

/* ---- frames ---- */

static void old_frames(struct simulation *sim) {
  for (size_t i = 0; i < sizeof(sim->old_frames) / sizeof(sim->old_frames[0]); i++) {
    struct sim_frame *frame = sim->old_frames[i];
    if (!frame) continue;
    sim_network_inject(sim, frame->from, frame->to, frame->bytes, frame->size, false);
    sim->old_frames[i] = NULL;
    sim_frame_free(sim->memory, frame);
  }
}

/* Noise, and a frame that is whole but of another group. */
static void garbage(struct simulation *sim) {
  uint8_t bytes[256];
  uint32_t a = any_member(sim), b = any_member(sim);
  if (a == b) return;
  for (size_t i = 0; i < sizeof(bytes); i++)
    bytes[i] = (uint8_t)gr_random_next(&sim->fault_random);
  size_t size = gr_random_below(&sim->fault_random, sizeof(bytes));
  sim_network_inject(sim, a, b, bytes, size, true);
  sim_network_inject(sim, a, b, sim->foreign->bytes, sim->foreign->size, true);
}

/* ---- one after the other ---- */

void sim_faults_plan(struct simulation *sim) {
  if (sim->config.fault_every_ns == 0) return;
  gr_time wait = sim_exponential(&sim->fault_random, sim->config.fault_every_ns);
  sim_events_add(&sim->events,
                 (struct sim_event){.at = sim->now + wait, .kind = SIM_EVENT_FAULT});
}

static enum sim_fault draw_fault(struct simulation *sim) {
  const uint16_t *weights = sim->config.fault_weights;
  uint64_t total = 0;
  for (uint32_t i = 0; i < SIM_FAULT_COUNT; i++) total += weights[i];
  uint64_t at = gr_random_below(&sim->fault_random, total);
  uint32_t fault = 0;
  while (fault < SIM_FAULT_COUNT && at >= weights[fault]) at -= weights[fault++];
  return (enum sim_fault)fault;
}

static void begin(struct simulation *sim, enum sim_fault fault) {
  sim_soak_trouble(&sim->soak, sim->now, fault);
  static void (*const faults[SIM_FAULT_COUNT])(struct simulation *) = {partition,
                                                                       isolate,
                                                                       cut,
                                                                       flap,
                                                                       reset,
                                                                       slow_link,
                                                                       crash,
                                                                       restart,
                                                                       pause,
                                                                       clock_jump,
                                                                       transfer,
                                                                       old_frames,
                                                                       garbage,
                                                                       lose_majority,
                                                                       sim_crashes_outage,
                                                                       disk_stall,
                                                                       disk_full,
                                                                       disk_failure,
                                                                       sim_crashes_wipe};
  if (sim_churn_begin(sim, fault) || !faults[fault]) return;
  faults[fault](sim);
}

static bool all_formed(const struct simulation *sim) {
  for (uint32_t i = 0; i < sim->config.members; i++)
    if (sim->oracle.witnesses[i].formed == 0) return false;
  return true;
}

void sim_faults_next(struct simulation *sim) {
  if (!sim->faults_on) return;
  sim_faults_plan(sim);
  /* Once they have met, the faults of the meeting are over. */
  bool meeting = sim->config.profile == SIM_PROFILE_form && all_formed(sim);
  if (!meeting && (sim->config.faults_early || sim->met || all_formed(sim))) {
    sim->met = sim->met || all_formed(sim);
    enum sim_fault fault = draw_fault(sim);
    if (fault < SIM_FAULT_COUNT) begin(sim, fault);
  }
}
