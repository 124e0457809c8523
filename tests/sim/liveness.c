/* SPDX-License-Identifier: MIT
 *
 * Liveness (A9): a majority of the members, the core, is made whole and connected; all
 * other trouble stays as it is, for ever; and within the bound every message of the
 * core's members must be delivered by all of them and their marks be equal. (What
 * "everything heals in the end" would hide, this shows: a core that cannot go on without
 * somebody who is gone.) Then, with nothing to do, nothing but heartbeats may be sent.
 *
 * With storage, whoever is not gone for ever is started again first; nothing may be
 * stored with nothing to do; and once all hosts keep everything, storage must be small
 * again (A10).
 *
 * The bound: 40 election timeouts of the slowest clock, and for each message that is not
 * yet delivered everywhere 4 retry timeouts, and 2 s; with storage 4 s more, in which
 * syncs of before come to their end.
 */
#include "liveness.h"

#define CHECK_EVERY (10 * SIM_MS)
#define BOUND_ELECTIONS 40
#define BOUND_RETRIES 4
#define BOUND_LEAST (2 * SIM_SECOND)
#define BOUND_SYNCS (4 * SIM_SECOND)
#define IDLE_HEARTBEATS 20
#define TRIMS 1100 /* more than slots can be undecided */
#define TRIMMED_BYTES_MAX 4096

static bool in_core(const struct sim_liveness *run, uint32_t index) {
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
  for (uint32_t i = 0; i < sim->servers; i++)
    if (sim_oracle_able(&sim->oracle, i) && sim->oracle.witnesses[i].formed == 0)
      return false;
  return true;
}

/* A random majority of those that take part. If nobody does yet, it takes all to begin,
 * and the dead are started again. 0 if there is no majority. */
static uint32_t choose_core(struct simulation *sim, bool begun) {
  uint32_t able = 0, core = 0, count = 0;
  for (uint32_t i = 0; i < sim->servers; i++) {
    if (!begun && !sim->config.durable && sim->processes[i].state == SIM_DOWN &&
        sim->processes[i].generation + 1 < SIM_GENERATIONS_MAX)
      sim_process_start(sim, i, sim->processes[i].generation + 1);
    if (can_be_core(sim, i, begun)) able++;
  }
  if (2 * able <= sim->servers || (!begun && able < sim->servers)) return 0;
  uint32_t least = begun ? sim->servers / 2 + 1 : sim->servers;
  uint32_t size = (uint32_t)sim_between(&sim->fault_random, least, able);
  while (count < size) {
    uint32_t i = (uint32_t)gr_random_below(&sim->fault_random, sim->servers);
    if (!can_be_core(sim, i, begun) || (core >> i & 1)) continue;
    core |= 1u << i;
    count++;
  }
  return core;
}

/* ---- what stays broken ---- */

static void cut_for_ever(struct simulation *sim, uint32_t from, uint32_t to) {
  sim_network_cut(sim, (struct sim_links){1u << from, 1u << to, false}, GR_TIME_NEVER);
}

static void leave_rest_broken(struct sim_liveness *run) {
  struct simulation *sim = run->sim;
  for (uint32_t a = 0; a < sim->servers; a++) {
    for (uint32_t b = a + 1; b < sim->servers; b++) {
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
static void leave_rest_down(struct sim_liveness *run) {
  struct simulation *sim = run->sim;
  for (uint32_t i = 0; i < sim->servers; i++)
    if (!in_core(run, i) && sim->processes[i].group &&
        gr_random_below(&sim->disk_random, 3) == 0)
      sim_process_crash(sim, i, true);
}

static void make_disks_whole(struct sim_liveness *run, gr_time quick) {
  struct sim_disk_config *disk = &run->sim->config.disk;
  disk->slow_members &= ~run->core;
  disk->stall_ppm = 0;
  if (disk->sync_ns > quick) disk->sync_ns = quick;
  if (disk->trim_ns > quick) disk->trim_ns = quick;
  if (disk->apply_ns > quick) disk->apply_ns = quick;
}

/* A network that is as quick as the election timeout presumes; clocks go on as they did.
 */
void sim_liveness_make_whole(struct sim_liveness *run) {
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
}

static void make_whole(struct sim_liveness *run) {
  struct simulation *sim = run->sim;
  sim_liveness_make_whole(run);
  if (sim->config.durable) leave_rest_down(run);
  leave_rest_broken(run);
  sim_network_tell(sim, true);
  for (uint32_t i = 0; i < sim->servers; i++) {
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

/* Members ask again after twice the round trip, if that is longer than the option says.
 */
static gr_time retry(const struct simulation *sim) {
  gr_time twice = 4 * sim->config.delay_ns;
  gr_time least = sim->config.options.retry_timeout_ns;
  return twice > least ? twice : least;
}

static gr_time bound(const struct sim_liveness *run) {
  const struct simulation *sim = run->sim;
  const gr_options *options = &sim->config.options;
  uint64_t messages = 0;
  for (uint32_t i = 0; i < sim->servers; i++) {
    messages += sim->processes[i].broadcasts + sim->processes[i].burst;
    if (in_core(run, i))
      messages += sim->oracle.order_count - sim->oracle.witnesses[i].seqno;
  }
  return slowest(sim, BOUND_ELECTIONS * options->election_timeout_ns +
                          BOUND_RETRIES * retry(sim) * messages) +
         BOUND_LEAST + 40 * sim->config.delay_ns +
         (sim->config.durable ? BOUND_SYNCS : 0);
}

gr_time sim_liveness_idle_window(const struct simulation *sim) {
  return IDLE_HEARTBEATS * sim->config.options.heartbeat_interval_ns;
}

/* ---- has it converged? ---- */

/* Every message of the core's members is delivered at this one. */
static bool has_all(const struct sim_liveness *run, uint32_t index) {
  const struct simulation *sim = run->sim;
  const struct sim_witness *witness = &sim->oracle.witnesses[index];
  for (uint32_t i = 0; i < sim->servers; i++) {
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

static bool converged(const struct sim_liveness *run) {
  const struct simulation *sim = run->sim;
  const gr_status *first = NULL;
  for (uint32_t i = 0; i < sim->servers; i++) {
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
static bool is_stranded(const struct sim_liveness *run, uint32_t member) {
  gr_slot delivered = status_of(run->sim, member).delivered;
  bool somebody_ahead = false;
  for (uint32_t i = 0; i < run->sim->servers; i++) {
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
static bool core_is_stranded(const struct sim_liveness *run) {
  if (!run->sim->config.may_fall_behind) return false;
  for (uint32_t i = 0; i < run->sim->servers; i++)
    if (in_core(run, i) && is_stranded(run, i)) return true;
  return false;
}

static void say_what_is_missing(struct sim_liveness *run) {
  struct simulation *sim = run->sim;
  if (core_is_stranded(run)) {
    run->phase = SIM_PHASE_DONE;
    return;
  }
  for (uint32_t i = 0; i < sim->servers; i++) {
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

static bool core_is_all(const struct sim_liveness *run) {
  return run->core == (1u << run->sim->servers) - 1;
}

void sim_liveness_note_frames(struct sim_liveness *run) {
  for (uint32_t from = 0; from < run->sim->servers; from++)
    for (uint32_t to = 0; to < run->sim->servers; to++)
      run->frames_before[from][to] = run->sim->links[from][to].frames;
  for (uint32_t i = 0; i < run->sim->servers; i++)
    run->stored_before[i] = run->sim->storages[i].last;
}

/* A heartbeat each interval of the fastest clock, half as much again, and a few. */
void sim_liveness_check_frames(struct sim_liveness *run) {
  struct simulation *sim = run->sim;
  uint64_t most =
      IDLE_HEARTBEATS * (1024 + 2 * (uint64_t)sim->config.clock_spread) / 1024;
  most += most / 2 + 4;
  for (uint32_t from = 0; from < sim->servers; from++) {
    for (uint32_t to = 0; to < sim->servers; to++) {
      uint64_t sent = sim->links[from][to].frames - run->frames_before[from][to];
      if (!in_core(run, from) || !in_core(run, to) || sent <= most) continue;
      sim_oracle_fail(
          &sim->oracle, "A9",
          "member %u, with nothing to do, sent %llu frames to member %u in %u "
          "heartbeat intervals",
          from + 1, (unsigned long long)sent, to + 1, IDLE_HEARTBEATS);
    }
  }
}

static void check_idle(struct sim_liveness *run) {
  sim_liveness_check_frames(run);
  if (!converged(run))
    sim_oracle_fail(&run->sim->oracle, "A9", "the core did not stay converged");
}

/* All that the members know to be chosen they can deliver again after losing power. */
static bool settled(const struct sim_liveness *run) {
  const struct simulation *sim = run->sim;
  for (uint32_t i = 0; sim->config.durable && i < sim->servers; i++) {
    if (!in_core(run, i)) continue;
    gr_status status = status_of(sim, i);
    if (status.settled != status.chosen || status.synced != status.stored) return false;
  }
  return true;
}

/* Storage was given nothing since the last look, and made nothing durable. */
static bool storage_rests(struct sim_liveness *run) {
  bool rests = true;
  for (uint32_t i = 0; i < run->sim->servers; i++) {
    const struct sim_storage *storage = &run->sim->storages[i];
    if (in_core(run, i) && (storage->last != run->stored_before[i] ||
                            storage->noted != run->noted_before[i]))
      rests = false;
    run->stored_before[i] = storage->last;
    run->noted_before[i] = storage->noted;
  }
  return rests;
}

static void say_what_is_not_settled(struct sim_liveness *run) {
  struct simulation *sim = run->sim;
  for (uint32_t i = 0; sim->config.durable && i < sim->servers; i++) {
    if (!in_core(run, i)) continue;
    gr_status status = status_of(sim, i);
    if (status.settled != status.chosen)
      sim_oracle_fail(&sim->oracle, "A9",
                      "member %u, with nothing to do, has settled slots to %llu of %llu",
                      i + 1, (unsigned long long)status.settled,
                      (unsigned long long)status.chosen);
  }
}

static void check_idle_storage(struct sim_liveness *run) {
  struct simulation *sim = run->sim;
  say_what_is_not_settled(run);
  /* What slow members of the rest say may still let others forget. */
  for (uint32_t i = 0; i < sim->servers && core_is_all(run); i++)
    if (sim->storages[i].last != run->stored_before[i])
      sim_oracle_fail(&sim->oracle, "A9",
                      "member %u, with nothing to do, stored %llu records", i + 1,
                      (unsigned long long)(sim->storages[i].last -
                                           run->stored_before[i]));
}

/* Who lost its storage has been told so by all the others. */
static void check_wiped(struct sim_liveness *run) {
  struct simulation *sim = run->sim;
  if (sim->config.remains != SIM_REMAINS_WHOLE) return;
  for (uint32_t i = 0; i < sim->servers; i++)
    if (sim->storages[i].wiped && sim->processes[i].state == SIM_UP)
      sim_oracle_fail(&sim->oracle, "A5",
                      "member %u has not noticed that its storage was lost", i + 1);
}

/* ---- storage shrinks ---- */

/* All hosts keep all that was delivered. */
static void checkpoint_all(struct sim_liveness *run) {
  struct simulation *sim = run->sim;
  for (uint32_t i = 0; i < sim->servers; i++) {
    sim->storages[i].applied = sim->oracle.witnesses[i].seqno;
    sim->processes[i].checkpoint_due = true;
    sim_process_wake(&sim->processes[i]);
  }
}

/* The member that needs the most of its records; `bytes`: how much. */
static uint32_t neediest(const struct simulation *sim, uint64_t *bytes) {
  uint32_t member = 0;
  *bytes = 0;
  for (uint32_t i = 0; i < sim->servers; i++) {
    uint64_t needed = sim_storage_bytes(&sim->storages[i]);
    if (needed <= *bytes) continue;
    *bytes = needed;
    member = i;
  }
  return member;
}

/* ---- phases ---- */

void sim_liveness_plan(struct simulation *sim, gr_time at) {
  sim_events_add(&sim->events, (struct sim_event){.at = at, .kind = SIM_EVENT_CHECK});
}

static void begin_liveness(struct sim_liveness *run) {
  struct simulation *sim = run->sim;
  sim->faults_on = false;
  if (sim->config.durable) sim_crashes_restart_all(sim);
  bool begun = sim_oracle_begun(&sim->oracle);
  bool able = all_able_formed(sim);
  run->core = choose_core(sim, sim->config.durable ? begun && able : begun);
  if (run->core == 0 || (begun && !able && !sim->config.durable)) {
    run->phase = SIM_PHASE_DONE;
    return;
  }
  run->checked = true;
  run->phase = SIM_PHASE_CONVERGE;
  sim_report_note(&sim->report, sim->now, SIM_EVERYBODY, "the core is made whole");
  make_whole(run);
  run->phase_ends = sim->now + bound(run);
  sim_liveness_plan(sim, sim->now + CHECK_EVERY);
}

/* Slow disks of the rest may hold up what it says until now. */
static bool undisturbed(const struct sim_liveness *run) {
  const struct sim_config *config = &run->sim->config;
  return !config->durable || core_is_all(run) || config->remains == SIM_REMAINS_CUT;
}

/* Ends a run, or what of it comes next. */
static void end_idle(struct sim_liveness *run) {
  bool calm = undisturbed(run);
  if (calm) check_idle(run);
  run->phase = SIM_PHASE_DONE;
  if (!run->sim->config.durable) return;
  if (calm) check_idle_storage(run);
  check_wiped(run);
  if (!core_is_all(run)) return;
  run->phase = SIM_PHASE_TRIM;
  checkpoint_all(run);
  sim_liveness_plan(run->sim, run->sim->now + sim_liveness_idle_window(run->sim));
}

/* What one member keeps depends on what the others said they do: so, several times. Slots
 * that were accepted and never chosen are kept until others take their places: so, with
 * messages, one slot every other time. */
static void trim(struct sim_liveness *run) {
  struct simulation *sim = run->sim;
  uint64_t bytes;
  uint32_t member = neediest(sim, &bytes);
  if (bytes <= TRIMMED_BYTES_MAX) {
    run->phase = SIM_PHASE_DONE;
    return;
  }
  if (++run->trims == TRIMS) {
    sim_oracle_fail(&sim->oracle, "A10",
                    "member %u needs %llu bytes of records, though all hosts keep all",
                    member + 1, (unsigned long long)bytes);
    return;
  }
  checkpoint_all(run);
  if (run->trims % 2 == 0) sim->processes[0].burst++;
  sim_liveness_plan(sim, sim->now + sim_liveness_idle_window(sim) / 8);
}

/* Whoever is left behind now counts as crashed. True if a majority of all is still in the
 * core; else another core is to be chosen, if there are enough for one. */
static bool core_stands(struct sim_liveness *run) {
  struct simulation *sim = run->sim;
  uint32_t left = 0;
  for (uint32_t i = 0; i < sim->servers; i++) {
    if (sim->processes[i].state == SIM_HALTED) run->core &= ~(1u << i);
    left += in_core(run, i);
  }
  return 2 * left > sim->servers;
}

static void converge(struct sim_liveness *run) {
  struct simulation *sim = run->sim;
  if (!core_stands(run)) {
    begin_liveness(run);
    return;
  }
  if (converged(run)) {
    /* Over odd links, messages of the rest may come at any time. */
    run->phase = odd_links(sim) ? SIM_PHASE_DONE : SIM_PHASE_SETTLE;
    sim_report_note(&sim->report, sim->now, SIM_EVERYBODY, "converged");
    run->order_before = 0;
    sim_liveness_plan(sim, sim->now + CHECK_EVERY);
    return;
  }
  if (sim->now >= run->phase_ends) say_what_is_missing(run);
  sim_liveness_plan(sim, sim->now + CHECK_EVERY);
}

/* Waits until the messages of the rest, and what is on its way, have come, and storage
 * has all. */
static void settle(struct sim_liveness *run) {
  struct simulation *sim = run->sim;
  bool calm = converged(run) && storage_rests(run);
  if (run->order_before != sim->oracle.order_count || !calm || !settled(run)) {
    if (sim->now >= run->phase_ends && converged(run)) say_what_is_not_settled(run);
    if (sim->now >= run->phase_ends) say_what_is_missing(run);
    run->order_before = sim->oracle.order_count;
    sim_liveness_plan(sim, sim->now + sim_liveness_idle_window(sim) / 2);
    return;
  }
  run->phase = SIM_PHASE_IDLE;
  sim_liveness_note_frames(run);
  sim_liveness_plan(sim, sim->now + sim_liveness_idle_window(sim));
}

void sim_liveness_check(struct sim_liveness *run) {
  switch (run->phase) {
  case SIM_PHASE_SAFETY:
    begin_liveness(run);
    return;
  case SIM_PHASE_CONVERGE:
    converge(run);
    return;
  case SIM_PHASE_SETTLE:
    settle(run);
    return;
  case SIM_PHASE_IDLE:
    end_idle(run);
    return;
  case SIM_PHASE_TRIM:
    trim(run);
    return;
  case SIM_PHASE_DONE:
    return;
  }
}
