/* SPDX-License-Identifier: MIT
 *
 * A run has two phases. First safety: faults, load, and the oracle. Then liveness (A9): a
 * majority of the members, the core, is made whole and connected; all other trouble stays
 * as it is, for ever; and within the bound every message of the core's members must be
 * delivered by all of them and their marks be equal. (What "everything heals in the end"
 * would hide, this shows: a core that cannot go on without somebody who is gone.) Then,
 * with nothing to do, nothing but heartbeats may be sent.
 *
 * With storage, whoever is not gone for ever is started again first; nothing may be
 * stored with nothing to do; and once all hosts keep everything, storage must be small
 * again (A10).
 *
 * The bound: 40 election timeouts of the slowest clock, and for each message that is not
 * yet delivered everywhere 4 retry timeouts, and 2 s; with storage 4 s more, in which
 * syncs of before come to their end.
 */
#include "simulation.h"

#include <string.h>

#define CHECK_EVERY (10 * SIM_MS)
#define BOUND_ELECTIONS 40
#define BOUND_RETRIES 4
#define BOUND_LEAST (2 * SIM_SECOND)
#define BOUND_SYNCS (4 * SIM_SECOND)
#define IDLE_HEARTBEATS 20
#define TRIMS 3
#define TRIMMED_BYTES_MAX 16384 /* and four batches */

enum phase {
  PHASE_SAFETY,
  PHASE_CONVERGE,
  PHASE_SETTLE,
  PHASE_IDLE,
  PHASE_TRIM,
  PHASE_DONE
};

struct run {
  struct simulation *sim;
  enum phase phase;
  gr_time phase_ends;
  uint32_t core;         /* as a set of bits */
  uint64_t order_before; /* length of the order when the last check was planned */
  uint64_t frames_before[SIM_MEMBERS_MAX][SIM_MEMBERS_MAX];
  gr_ticket stored_before[SIM_MEMBERS_MAX];
  uint32_t trims;
  bool checked_liveness;
};

static bool in_core(const struct run *run, uint32_t index) {
  return (run->core >> index & 1) != 0;
}

/* ---- the core ---- */

static bool can_be_core(const struct simulation *sim, uint32_t index, bool begun) {
  const struct sim_witness *witness = &sim->oracle.witnesses[index];
  return witness->live && (!begun || witness->formed != 0);
}

/* Members that have begun to take part only in part can't make the rest begin without
 * those who died meanwhile: nothing is promised then. Where all come back, it takes all.
 */
static bool all_able_formed(const struct simulation *sim) {
  for (uint32_t i = 0; i < sim->members; i++)
    if (sim_oracle_able(&sim->oracle, i) && sim->oracle.witnesses[i].formed == 0)
      return false;
  return true;
}

/* A random majority of those that take part. If nobody does yet, it takes all to begin,
 * and the dead are started again. 0 if there is no majority. */
static uint32_t choose_core(struct simulation *sim, bool begun) {
  uint32_t able = 0, core = 0, count = 0;
  for (uint32_t i = 0; i < sim->members; i++) {
    if (!begun && !sim->config.durable && sim->processes[i].state == SIM_DOWN &&
        sim->processes[i].generation + 1 < SIM_GENERATIONS_MAX)
      sim_process_start(sim, i, sim->processes[i].generation + 1);
    if (can_be_core(sim, i, begun)) able++;
  }
  if (2 * able <= sim->members || (!begun && able < sim->members)) return 0;
  uint32_t least = begun ? sim->members / 2 + 1 : sim->members;
  uint32_t size = (uint32_t)sim_between(&sim->fault_random, least, able);
  while (count < size) {
    uint32_t i = (uint32_t)gr_random_below(&sim->fault_random, sim->members);
    if (!can_be_core(sim, i, begun) || (core >> i & 1)) continue;
    core |= 1u << i;
    count++;
  }
  return core;
}

/* ---- what stays broken ---- */

static void cut_for_ever(struct simulation *sim, uint32_t from, uint32_t to) {
  sim_network_cut(sim, UINT64_C(1) << (8 * from + to), GR_TIME_NEVER);
}

static void leave_rest_broken(struct run *run) {
  struct simulation *sim = run->sim;
  for (uint32_t a = 0; a < sim->members; a++) {
    for (uint32_t b = a + 1; b < sim->members; b++) {
      if (in_core(run, a) && in_core(run, b)) continue;
      uint64_t way = gr_random_below(&sim->fault_random, 4);
      switch (sim->config.remains) {
      case SIM_REMAINS_WHOLE:
        continue;
      case SIM_REMAINS_MIXED:
        if (way < 2) continue;
        way = 0;
        break;
      case SIM_REMAINS_CUT:
        way = 0;
        break;
      case SIM_REMAINS_ONE_WAY:
        break;
      }
      if (way == 0 || way == 1) cut_for_ever(sim, a, b);
      if (way == 0 || way == 2) cut_for_ever(sim, b, a);
    }
  }
}

/* Who is not in the core may stay away for ever. */
static void leave_rest_down(struct run *run) {
  struct simulation *sim = run->sim;
  for (uint32_t i = 0; i < sim->members; i++)
    if (!in_core(run, i) && sim->processes[i].group &&
        gr_random_below(&sim->disk_random, 3) == 0)
      sim_process_crash(sim, i, true);
}

static void make_disks_whole(struct run *run, gr_time quick) {
  struct sim_disk_config *disk = &run->sim->config.disk;
  disk->slow_members &= ~run->core;
  disk->stall_ppm = 0;
  if (disk->sync_ns > quick) disk->sync_ns = quick;
  if (disk->trim_ns > quick) disk->trim_ns = quick;
  if (disk->apply_ns > quick) disk->apply_ns = quick;
  leave_rest_down(run);
}

/* A network that is as quick as the election timeout presumes; clocks go on as they did.
 */
static void make_whole(struct run *run) {
  struct simulation *sim = run->sim;
  struct sim_config *config = &sim->config;
  sim->faults_on = false;
  config->loss_ppm = config->duplicate_ppm = config->damage_ppm = config->busy_ppm = 0;
  config->turn_cost_ns = 0;
  config->skip_dispatch_ppm = config->backward_ppm = 0;
  config->inputs_max = UINT32_MAX;
  if (config->bytes_per_ms > 0 && config->bytes_per_ms < 16384)
    config->bytes_per_ms = 16384;
  gr_time quick = config->options.election_timeout_ns / 64;
  if (config->delay_ns > quick) config->delay_ns = quick;
  if (config->turn_delay_ns > quick) config->turn_delay_ns = quick;
  if (config->durable) make_disks_whole(run, quick);
  sim_network_repair(sim);
  leave_rest_broken(run);
  sim_network_tell(sim, true);
  for (uint32_t i = 0; i < sim->members; i++) {
    struct sim_process *process = &sim->processes[i];
    process->busy_until = 0;
    if (in_core(run, i) && process->state == SIM_PAUSED) {
      process->resume_at = sim->now;
      sim_process_resume(sim, i);
    } else if (!in_core(run, i) && process->state == SIM_PAUSED) {
      process->resume_at = GR_TIME_NEVER; /* for ever */
    }
    if (in_core(run, i)) {
      process->burst += (uint32_t)sim_between(&sim->load_random, 1, 3);
      sim_process_wake(process);
    }
  }
}

/* ---- the bound ---- */

static gr_time slowest(const struct simulation *sim, gr_time time) {
  return time * 1024 / (1024 - sim->config.clock_spread);
}

static gr_time bound(const struct run *run) {
  const struct simulation *sim = run->sim;
  const gr_options *options = &sim->config.options;
  uint64_t messages = 0;
  for (uint32_t i = 0; i < sim->members; i++) {
    messages += sim->processes[i].broadcasts + sim->processes[i].burst;
    if (in_core(run, i))
      messages += sim->oracle.order_count - sim->oracle.witnesses[i].seqno;
  }
  return slowest(sim, BOUND_ELECTIONS * options->election_timeout_ns +
                          BOUND_RETRIES * options->retry_timeout_ns * messages) +
         BOUND_LEAST + 40 * sim->config.delay_ns +
         (sim->config.durable ? BOUND_SYNCS : 0);
}

static gr_time idle_window(const struct simulation *sim) {
  return IDLE_HEARTBEATS * sim->config.options.heartbeat_interval_ns;
}

/* ---- has it converged? ---- */

/* Every message of the core's members is delivered at this one. */
static bool has_all(const struct run *run, uint32_t index) {
  const struct simulation *sim = run->sim;
  const struct sim_witness *witness = &sim->oracle.witnesses[index];
  for (uint32_t i = 0; i < sim->members; i++) {
    const struct sim_process *process = &sim->processes[i];
    if (!in_core(run, i)) continue;
    if (process->burst > 0 || witness->numbers[i] < process->number) return false;
  }
  return true;
}

static bool odd_links(const struct simulation *sim) {
  return sim->config.remains == SIM_REMAINS_MIXED ||
         sim->config.remains == SIM_REMAINS_ONE_WAY;
}

static bool converged(const struct run *run) {
  const struct simulation *sim = run->sim;
  const gr_status *first = NULL;
  for (uint32_t i = 0; i < sim->members; i++) {
    if (!in_core(run, i)) continue;
    const gr_status *status = &sim->processes[i].status;
    if (sim->processes[i].state != SIM_UP || !has_all(run, i)) return false;
    if (!first) first = status;
    if (status->chosen != first->chosen || status->delivered != status->chosen ||
        status->seqno != first->seqno)
      return false;
    /* A leader outside the core may be out of this member's reach, and does no harm. */
    if (status->leader == 0 && !odd_links(run->sim)) return false;
    /* What anybody else ever delivered. */
    if (sim->config.durable && sim->oracle.witnesses[i].seqno < sim->oracle.order_count)
      return false;
  }
  return true;
}

static gr_status status_of(const struct simulation *sim, uint32_t member) {
  gr_status status = {.size = sizeof(status)};
  gr_group_status(sim->processes[member].group, &status);
  return status;
}

/* Some of the core are ahead of this member, and all of them have forgotten what it
 * needs. */
static bool is_stranded(const struct run *run, uint32_t member) {
  gr_slot delivered = status_of(run->sim, member).delivered;
  bool somebody_ahead = false;
  for (uint32_t i = 0; i < run->sim->members; i++) {
    if (!in_core(run, i)) continue;
    gr_status other = status_of(run->sim, i);
    if (other.delivered <= delivered) continue;
    if (other.log_first <= delivered + 1) return false;
    somebody_ahead = true;
  }
  return somebody_ahead;
}

/* Where caches are tiny, those who died may have been the last who could help a member
 * that a majority needs. */
static bool core_is_stranded(const struct run *run) {
  if (!run->sim->config.may_fall_behind) return false;
  for (uint32_t i = 0; i < run->sim->members; i++)
    if (in_core(run, i) && is_stranded(run, i)) return true;
  return false;
}

static void say_what_is_missing(struct run *run) {
  struct simulation *sim = run->sim;
  if (core_is_stranded(run)) {
    run->phase = PHASE_DONE;
    return;
  }
  for (uint32_t i = 0; i < sim->members; i++) {
    if (!in_core(run, i)) continue;
    if (sim->config.durable) sim_oracle_complete(&sim->oracle, i);
    sim_oracle_fail(&sim->oracle, "A9",
                    "the core (members %x as bits) has not converged in %llu ms; its "
                    "first member delivered %llu, the order has %llu messages",
                    run->core, (unsigned long long)(bound(run) / SIM_MS),
                    (unsigned long long)sim->oracle.witnesses[i].seqno,
                    (unsigned long long)sim->oracle.order_count);
    return;
  }
}

/* ---- idle ---- */

static void note_frames(struct run *run) {
  for (uint32_t from = 0; from < run->sim->members; from++)
    for (uint32_t to = 0; to < run->sim->members; to++)
      run->frames_before[from][to] = run->sim->links[from][to].frames;
  for (uint32_t i = 0; i < run->sim->members; i++)
    run->stored_before[i] = run->sim->storages[i].last;
}

/* A heartbeat each interval of the fastest clock, half as much again, and a few. */
static void check_idle(struct run *run) {
  struct simulation *sim = run->sim;
  uint64_t most =
      IDLE_HEARTBEATS * (1024 + 2 * (uint64_t)sim->config.clock_spread) / 1024;
  most += most / 2 + 4;
  for (uint32_t from = 0; from < sim->members; from++) {
    for (uint32_t to = 0; to < sim->members; to++) {
      uint64_t sent = sim->links[from][to].frames - run->frames_before[from][to];
      if (!in_core(run, from) || !in_core(run, to) || sent <= most) continue;
      sim_oracle_fail(
          &sim->oracle, "A9",
          "member %u, with nothing to do, sent %llu frames to member %u in %u "
          "heartbeat intervals",
          from + 1, (unsigned long long)sent, to + 1, IDLE_HEARTBEATS);
    }
  }
  if (!converged(run))
    sim_oracle_fail(&sim->oracle, "A9", "the core did not stay converged");
}

/* Nothing was stored, and all is durable and known to be chosen. */
static void check_idle_storage(struct run *run) {
  struct simulation *sim = run->sim;
  for (uint32_t i = 0; i < sim->members; i++) {
    const gr_status *status = &sim->processes[i].status;
    if (!in_core(run, i)) continue;
    if (sim->storages[i].last != run->stored_before[i])
      sim_oracle_fail(&sim->oracle, "A9",
                      "member %u, with nothing to do, stored %llu records", i + 1,
                      (unsigned long long)(sim->storages[i].last -
                                           run->stored_before[i]));
    if (status->settled != status->chosen)
      sim_oracle_fail(&sim->oracle, "A9",
                      "member %u, with nothing to do, has settled slots to %llu of %llu",
                      i + 1, (unsigned long long)status->settled,
                      (unsigned long long)status->chosen);
  }
}

/* ---- storage shrinks ---- */

static bool core_is_all(const struct run *run) {
  return run->core == (1u << run->sim->members) - 1;
}

/* All hosts keep all that was delivered. */
static void checkpoint_all(struct run *run) {
  struct simulation *sim = run->sim;
  for (uint32_t i = 0; i < sim->members; i++) {
    sim->storages[i].applied = sim->oracle.witnesses[i].seqno;
    sim->processes[i].checkpoint_due = true;
    sim_process_wake(&sim->processes[i]);
  }
}

static void check_trimmed(struct run *run) {
  struct simulation *sim = run->sim;
  uint64_t most = TRIMMED_BYTES_MAX + 4 * sim->config.options.batch_bytes_max;
  for (uint32_t i = 0; i < sim->members; i++) {
    uint64_t bytes = sim_storage_bytes(&sim->storages[i]);
    if (bytes > most)
      sim_oracle_fail(&sim->oracle, "A10",
                      "member %u needs %llu bytes of records, though all hosts keep all",
                      i + 1, (unsigned long long)bytes);
  }
}

/* ---- phases ---- */

static void plan_check(struct simulation *sim, gr_time at) {
  sim_events_add(&sim->events, (struct sim_event){.at = at, .kind = SIM_EVENT_CHECK});
}

static void begin_liveness(struct run *run) {
  struct simulation *sim = run->sim;
  sim->faults_on = false;
  if (sim->config.durable) sim_crashes_restart_all(sim);
  bool begun = sim_oracle_begun(&sim->oracle);
  bool able = all_able_formed(sim);
  run->core = choose_core(sim, sim->config.durable ? begun && able : begun);
  if (run->core == 0 || (begun && !able && !sim->config.durable)) {
    run->phase = PHASE_DONE;
    return;
  }
  run->checked_liveness = true;
  run->phase = PHASE_CONVERGE;
  sim_report_note(&sim->report, sim->now, SIM_EVERYBODY, "the core is made whole");
  make_whole(run);
  run->phase_ends = sim->now + bound(run);
  plan_check(sim, sim->now + CHECK_EVERY);
}

/* Ends a run, or what of it comes next. */
static void end_idle(struct run *run) {
  check_idle(run);
  run->phase = PHASE_DONE;
  if (!run->sim->config.durable) return;
  check_idle_storage(run);
  if (!core_is_all(run)) return;
  run->phase = PHASE_TRIM;
  checkpoint_all(run);
  plan_check(run->sim, run->sim->now + idle_window(run->sim));
}

/* What one member keeps depends on what the others said they do: so, several times. */
static void trim(struct run *run) {
  if (++run->trims < TRIMS) {
    checkpoint_all(run);
    plan_check(run->sim, run->sim->now + idle_window(run->sim));
    return;
  }
  check_trimmed(run);
  run->phase = PHASE_DONE;
}

/* Whoever is left behind now counts as crashed. True if a majority of all is still in the
 * core; else another core is to be chosen, if there are enough for one. */
static bool core_stands(struct run *run) {
  struct simulation *sim = run->sim;
  uint32_t left = 0;
  for (uint32_t i = 0; i < sim->members; i++) {
    if (sim->processes[i].state == SIM_HALTED) run->core &= ~(1u << i);
    left += in_core(run, i);
  }
  return 2 * left > sim->members;
}

static void converge(struct run *run) {
  struct simulation *sim = run->sim;
  if (!core_stands(run)) {
    begin_liveness(run);
    return;
  }
  if (converged(run)) {
    /* Over odd links, messages of the rest may come at any time. */
    run->phase = odd_links(sim) ? PHASE_DONE : PHASE_SETTLE;
    sim_report_note(&sim->report, sim->now, SIM_EVERYBODY, "converged");
    run->order_before = 0;
    plan_check(sim, sim->now + CHECK_EVERY);
    return;
  }
  if (sim->now >= run->phase_ends) say_what_is_missing(run);
  plan_check(sim, sim->now + CHECK_EVERY);
}

/* Waits until the messages of the rest, and what is on its way, have come. */
static void settle(struct run *run) {
  struct simulation *sim = run->sim;
  if (run->order_before != sim->oracle.order_count || !converged(run)) {
    if (sim->now >= run->phase_ends) say_what_is_missing(run);
    run->order_before = sim->oracle.order_count;
    plan_check(sim, sim->now + idle_window(sim) / 2);
    return;
  }
  run->phase = PHASE_IDLE;
  note_frames(run);
  plan_check(sim, sim->now + idle_window(sim));
}

static void check_phase(struct run *run) {
  switch (run->phase) {
  case PHASE_SAFETY:
    begin_liveness(run);
    return;
  case PHASE_CONVERGE:
    converge(run);
    return;
  case PHASE_SETTLE:
    settle(run);
    return;
  case PHASE_IDLE:
    end_idle(run);
    return;
  case PHASE_TRIM:
    trim(run);
    return;
  case PHASE_DONE:
    return;
  }
}

static void handle(struct run *run, const struct sim_event *event) {
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
    sim_faults_cut(sim, event->value);
    return;
  case SIM_EVENT_HEAL:
    if (sim->faults_on) sim_network_heal(sim, event->value);
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
  case SIM_EVENT_CHECK:
    check_phase(run);
    return;
  }
}

/* ---- a whole run ---- */

static void begin(struct simulation *sim, const struct sim_config *config) {
  struct gr_random random = {config->seed};
  sim->config = *config;
  sim->members = config->members;
  sim->now = SIM_MS;
  sim->network_random.state = gr_random_next(&random);
  sim->process_random.state = gr_random_next(&random);
  sim->fault_random.state = gr_random_next(&random);
  sim->load_random.state = gr_random_next(&random);
  sim->disk_random.state = gr_random_next(&random);
  sim->faults_on = true;
  sim->met = false;
  sim->event_count = sim->turn_count = 0;
  sim->report.count = 0;
  sim_oracle_begin(&sim->oracle, sim->content, sim->members,
                   (struct sim_bounds){config->options.cache_bytes_max,
                                       config->options.unordered_bytes_max,
                                       config->options.message_bytes_max,
                                       config->may_fall_behind, config->durable});
  sim->oracle.now = sim->now;
  sim_network_begin(sim);
  sim_storage_begin(sim);
  for (uint32_t i = 0; i < sim->members; i++) {
    sim_process_start(sim, i, 0);
    sim_workload_plan(sim, i);
  }
  sim_faults_plan(sim);
  plan_check(sim, sim->now + config->safety_ns);
}

/* Gives back all memory; the last marks go into the digest. */
static void finish(struct simulation *sim) {
  struct sim_event event;
  while (sim_events_take(&sim->events, &event))
    if (event.kind == SIM_EVENT_FRAME) sim_frame_free(sim->memory, event.frame);
  sim->events.next_order = 0;
  for (uint32_t i = 0; i < sim->members; i++) {
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
  struct run run = {.sim = sim};
  struct sim_event event;
  begin(sim, config);
  if (sim->report.tracing) sim_report_config(config);
  while (run.phase != PHASE_DONE && !sim->oracle.failure.invariant &&
         sim_events_take(&sim->events, &event)) {
    sim->now = sim->oracle.now = event.at;
    sim->event_count++;
    handle(&run, &event);
  }
  if (sim->oracle.failure.invariant) sim_report_failure(sim);
  struct sim_result result = {.events = sim->event_count,
                              .virtual_ns = sim->now,
                              .failed = sim->oracle.failure.invariant != NULL,
                              .checked_liveness = run.checked_liveness};
  finish(sim);
  result.digest = sim->oracle.digest;
  return result;
}
