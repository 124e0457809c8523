/* SPDX-License-Identifier: MIT
 *
 * Liveness where members change (A9): the network is made whole, whoever can come back
 * does, but for a few who stay away for ever; and within the bound every server that is
 * wanted is ONLINE in one view, whose members are just these, and delivers all that any
 * of them broadcasts. Then, with nothing to do, nothing but heartbeats may be sent.
 */
#include "liveness.h"

#define CHECK_EVERY (20 * SIM_MS)
#define BOUND_LEAST (60 * SIM_SECOND)
#define BOUND_ELECTIONS 40
#define OPERATOR_EVERY (20 * SIM_SECOND)

static bool in_core(const struct sim_liveness *run, uint32_t index) {
  return (run->core >> index & 1) != 0;
}

/* ---- who comes back ---- */

static void leave_away(struct simulation *sim, uint32_t index) {
  sim_report_note(&sim->report, sim->now, index, "STAYS AWAY");
  if (sim->processes[index].group) sim_process_crash(sim, index, true);
  sim->outlasting[index].wanted = false;
  sim->outlasting[index].gone = true;
}

static void choose_absent(struct simulation *sim) {
  for (uint32_t i = 0; i < sim->servers; i++)
    if (gr_random_below(&sim->server_random, 5) == 0 && sim_churn_spares(sim, i))
      leave_away(sim, i);
}

static bool is_seated(const struct simulation *sim, uint32_t index) {
  gr_member_id id = sim->outlasting[index].id;
  const struct sim_view *view = sim_oracle_view_now(&sim->oracle);
  return id != 0 && view->seats[id - 1] != SIM_SEAT_NONE;
}

static void bring_back(struct simulation *sim) {
  for (uint32_t i = 0; i < sim->servers; i++) {
    struct sim_process *process = &sim->processes[i];
    struct sim_storage *storage = &sim->storages[i];
    storage->full_until = storage->stalls_until = 0;
    storage->fails = false;
    if (process->state == SIM_PAUSED) {
      process->resume_at = sim->now;
      sim_process_resume(sim, i);
    }
    bool ends = process->dying || process->storage_failed || process->state == SIM_HALTED;
    if (process->group && ends) sim_process_crash(sim, i, true);
    if (process->group && process->state == SIM_UP) sim_churn_health(sim, i, true);
    if (process->group || sim->outlasting[i].gone) continue;
    /* One that crashed before it had left is a member still. */
    if (is_seated(sim, i)) sim->outlasting[i].wanted = true;
    if (sim->outlasting[i].wanted) sim_servers_start(sim, i);
  }
}

/* Somebody is left who could go on, by force if need be. */
static bool has_voter(const struct simulation *sim) {
  const struct sim_view *view = sim_oracle_view_now(&sim->oracle);
  for (uint32_t i = 0; i < sim->oracle.members; i++)
    if (view->seats[i] == SIM_SEAT_VOTER && sim_churn_can_vote(sim, i + 1) &&
        sim->outlasting[sim_servers_of(sim, i + 1)].wanted)
      return true;
  return false;
}

/* ---- the bound ---- */

static gr_time bound(const struct simulation *sim) {
  const gr_options *options = &sim->config.options;
  gr_time changes = options->expel_timeout_ns + options->suspect_ceiling_ns +
                    2 * options->join_timeout_ns + options->rejoin_interval_ns * 16;
  uint64_t rate = options->snapshot_bytes_per_s;
  gr_time copies =
      rate > 0 ? sim->servers * (sim->config.membership.state_bytes * SIM_SECOND / rate)
               : 0;
  gr_time sum = BOUND_ELECTIONS * options->election_timeout_ns + changes * 4 + copies;
  return BOUND_LEAST + sum * 1024 / (1024 - sim->config.clock_spread);
}

/* ---- is it done? ---- */

static uint32_t wanted(const struct simulation *sim) {
  uint32_t servers = 0;
  for (uint32_t i = 0; i < sim->servers; i++)
    if (sim->outlasting[i].wanted) servers |= 1u << i;
  return servers;
}

/* The servers of the latest view, if all of its members vote; else 0. */
static uint32_t seated(const struct simulation *sim) {
  const struct sim_view *view = sim_oracle_view_now(&sim->oracle);
  uint32_t servers = 0;
  for (uint32_t i = 0; i < sim->oracle.members; i++) {
    if (view->seats[i] == SIM_SEAT_LEARNER) return 0;
    if (view->seats[i] == SIM_SEAT_VOTER) servers |= 1u << sim_servers_of(sim, i + 1);
  }
  return servers;
}

static bool has_all(const struct sim_liveness *run, uint32_t index) {
  const struct simulation *sim = run->sim;
  const struct sim_process *here = &sim->processes[index];
  const struct sim_witness *witness = &sim->oracle.witnesses[here->id - 1];
  for (uint32_t i = 0; i < sim->servers; i++) {
    const struct sim_process *process = &sim->processes[i];
    if (!in_core(run, i)) continue;
    if (process->burst > 0 || witness->numbers[process->id - 1] < process->number)
      return false;
  }
  return true;
}

static bool is_online(const struct sim_liveness *run, uint32_t index) {
  const struct simulation *sim = run->sim;
  const struct sim_process *process = &sim->processes[index];
  return process->state == SIM_UP && process->id != 0 &&
         process->member_state == GR_MEMBER_ONLINE &&
         process->status.view == sim->oracle.view_count && process->status.leader != 0;
}

static bool all_online(struct sim_liveness *run) {
  const struct simulation *sim = run->sim;
  run->core = wanted(sim);
  if (seated(sim) != run->core) return false;
  for (uint32_t i = 0; i < sim->servers; i++)
    if (in_core(run, i) && (!is_online(run, i) || sim->outlasting[i].diverged))
      return false;
  return true;
}

static bool converged(struct sim_liveness *run) {
  const struct simulation *sim = run->sim;
  const gr_status *first = NULL;
  if (!all_online(run)) return false;
  for (uint32_t i = 0; i < sim->servers; i++) {
    if (!in_core(run, i)) continue;
    const gr_status *status = &sim->processes[i].status;
    if (!has_all(run, i)) return false;
    if (!first) first = status;
    if (status->chosen != first->chosen || status->delivered != status->chosen ||
        status->seqno != first->seqno || status->seqno != sim->oracle.order_count)
      return false;
  }
  return true;
}

static void say_what_is_missing(struct sim_liveness *run) {
  struct simulation *sim = run->sim;
  all_online(run);
  for (uint32_t i = 0; i < sim->servers; i++) {
    const struct sim_process *process = &sim->processes[i];
    if (!in_core(run, i) || (is_online(run, i) && has_all(run, i))) continue;
    sim_oracle_fail(&sim->oracle, "A9",
                    "server %u (member %llu, %s: %s) is not with the others in %llu ms; "
                    "wanted %x, latest view %llu of %x",
                    i + 1, (unsigned long long)process->id,
                    gr_member_state_name(process->member_state),
                    gr_error_name(process->state_error),
                    (unsigned long long)(bound(sim) / SIM_MS), run->core,
                    (unsigned long long)sim->oracle.view_count, seated(sim));
  }
  sim_oracle_fail(&sim->oracle, "A9", "wanted are %x; the latest view has %x", run->core,
                  seated(sim));
}

/* ---- phases ---- */

static void begin(struct sim_liveness *run) {
  struct simulation *sim = run->sim;
  sim->faults_on = false;
  if (sim->config.membership.some_stay_away) choose_absent(sim);
  sim_report_note(&sim->report, sim->now, SIM_EVERYBODY, "the network is made whole");
  sim_liveness_make_whole(run);
  bring_back(sim);
  if (wanted(sim) == 0 || !has_voter(sim)) {
    run->phase = SIM_PHASE_DONE;
    return;
  }
  run->checked = true;
  run->phase = SIM_PHASE_CONVERGE;
  run->phase_ends = sim->now + bound(sim);
}

static void broadcast_all(struct sim_liveness *run) {
  struct simulation *sim = run->sim;
  for (uint32_t i = 0; i < sim->servers; i++) {
    if (!in_core(run, i)) continue;
    sim->processes[i].burst += (uint32_t)sim_between(&sim->load_random, 1, 3);
    sim_process_wake(&sim->processes[i]);
  }
}

/* Whoever was to leave may have left the others without a majority. */
static void call_operator(struct sim_liveness *run) {
  struct simulation *sim = run->sim;
  if (sim->now < run->operator_at) return;
  run->operator_at = sim->now + OPERATOR_EVERY;
  if (sim_churn_majority_lost(sim)) sim_churn_force_left(sim);
}

static void converge(struct sim_liveness *run) {
  struct simulation *sim = run->sim;
  call_operator(run);
  if (run->phase == SIM_PHASE_CONVERGE && all_online(run)) {
    sim_report_note(&sim->report, sim->now, SIM_EVERYBODY, "all are ONLINE");
    run->phase = SIM_PHASE_SETTLE;
    broadcast_all(run);
  } else if (run->phase == SIM_PHASE_SETTLE && converged(run)) {
    sim_report_note(&sim->report, sim->now, SIM_EVERYBODY, "converged");
    run->phase = SIM_PHASE_IDLE;
    run->idle_view = sim->oracle.view_count;
    sim_liveness_plan(sim, sim->now + 2 * sim_liveness_idle_window(sim));
    return;
  } else if (sim->now >= run->phase_ends && !has_voter(sim)) {
    run->phase = SIM_PHASE_DONE; /* the last one had been asked to leave, and did */
    return;
  } else if (sim->now >= run->phase_ends) {
    say_what_is_missing(run);
  }
  sim_liveness_plan(sim, sim->now + CHECK_EVERY);
}

/* Whoever was ill, or cut off again and again, or was to be removed, may be only now. */
static bool was_removed(const struct sim_liveness *run) {
  const struct sim_oracle *oracle = &run->sim->oracle;
  const struct sim_view *view = sim_oracle_view_now(oracle);
  return oracle->view_count > run->idle_view &&
         (view->reason == GR_VIEW_FLAPPING || view->reason == GR_VIEW_EXCLUDED ||
          view->reason == GR_VIEW_UNHEALTHY);
}

static void converge_again(struct sim_liveness *run) {
  run->noted = false;
  run->phase = SIM_PHASE_CONVERGE;
  run->phase_ends = run->sim->now + bound(run->sim);
  sim_liveness_plan(run->sim, run->sim->now + CHECK_EVERY);
}

static void idle(struct sim_liveness *run) {
  struct simulation *sim = run->sim;
  if (was_removed(run)) {
    converge_again(run);
    return;
  }
  if (!run->noted) {
    run->noted = true;
    sim_liveness_note_frames(run);
    sim_liveness_plan(sim, sim->now + sim_liveness_idle_window(sim));
    return;
  }
  sim_liveness_check_frames(run);
  if (!converged(run)) say_what_is_missing(run);
  run->phase = SIM_PHASE_DONE;
}

void sim_reunion_check(struct sim_liveness *run) {
  if (run->phase == SIM_PHASE_SAFETY) {
    begin(run);
    sim_liveness_plan(run->sim, run->sim->now + CHECK_EVERY);
  } else if (run->phase == SIM_PHASE_IDLE) {
    idle(run);
  } else if (run->phase != SIM_PHASE_DONE) {
    converge(run);
  }
}
