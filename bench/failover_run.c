/* SPDX-License-Identifier: MIT
 *
 * The parent's side of a run: causes the fault, waits until the survivors agree, and
 * judges.
 */
#include "failover_run.h"

#include "clock.h"

#include <signal.h>
#include <stdio.h>
#include <sys/mman.h>

#define FORM_TIMEOUT_NS (20 * BENCH_SECOND_NS)
#define DRAIN_TIMEOUT_NS (60 * BENCH_SECOND_NS)
#define AFTER_CONTINUE_NS BENCH_SECOND_NS /* the load goes on so long after a SIGCONT */
#define SETTLED_NS                                                                       \
  (300 * BENCH_MILLISECOND_NS) /* a dead member's last messages may trickle */

struct run {
  struct failover_context context;
  struct processes processes;
  size_t victim;
  uint64_t fault_ns;       /* when */
  uint64_t leader_changes; /* before it */
  uint64_t continued_ns;   /* when; 0 for a killed member */
  uint64_t caught_up_ns;
};

static bool has_halted(const struct run *run, size_t index) {
  return atomic_load(&run->context.shared->reports[index].halted) != 0;
}

/* Has its process, and is up to the group's pace or expected to come to it. */
static bool takes_part(const struct run *run, size_t index) {
  return run->processes.pids[index] != 0 && !has_halted(run, index);
}

/* Waits until `when`, failing if a process ends by itself. */
static void watch_until(struct run *run, uint64_t when) {
  while (bench_now() < when) {
    processes_watch(&run->processes);
    bench_pause_ms(1);
  }
}

static void cause_fault(struct run *run) {
  const struct failover_options *options = run->context.options;
  uint64_t start = bench_now();
  run->fault_ns = start;
  run->leader_changes = atomic_load(&run->context.shared->group.leader_changes);
  atomic_store(&run->context.shared->phase, FAILOVER_FAULT);
  if (!options->stop) {
    processes_kill(&run->processes, run->victim);
    watch_until(run, start + options->fault_ns);
    return;
  }
  kill(run->processes.pids[run->victim], SIGSTOP);
  watch_until(run, start + options->fault_ns);
  uint64_t others = 0; /* what the others have by now */
  struct failover_report *reports = run->context.shared->reports;
  for (size_t i = 0; i < FAILOVER_MEMBERS; i++)
    if (atomic_load(&reports[i].delivered) > others)
      others = atomic_load(&reports[i].delivered);
  run->continued_ns = bench_now();
  kill(run->processes.pids[run->victim], SIGCONT);
  while (bench_now() < run->continued_ns + AFTER_CONTINUE_NS) {
    if (run->caught_up_ns == 0 && atomic_load(&reports[run->victim].delivered) >= others)
      run->caught_up_ns = bench_now();
    watch_until(run, bench_now() + BENCH_MILLISECOND_NS);
  }
}

/* A client that is waiting still has its gap counted up to now. */
static void count_open_gaps(struct run *run) {
  uint64_t now = bench_now();
  for (size_t i = 0; i < FAILOVER_MEMBERS; i++) {
    struct failover_report *report = &run->context.shared->reports[i];
    uint64_t last = atomic_load(&report->last_ns);
    if (last == 0 || now <= last || now - last <= atomic_load(&report->gap_after_ns))
      continue;
    atomic_store(&report->gap_after_ns, now - last);
    atomic_store(&report->gap_after_began_ns, last);
  }
}

/* All that take part have delivered all that each of them sent, and equally much. */
static bool is_level(const struct run *run) {
  const struct failover_report *reports = run->context.shared->reports;
  uint64_t delivered = UINT64_MAX;
  for (size_t i = 0; i < FAILOVER_MEMBERS; i++) {
    if (!takes_part(run, i)) continue;
    uint64_t here = atomic_load(&reports[i].delivered);
    if (!atomic_load(&reports[i].quiet) ||
        atomic_load(&reports[i].acknowledged) != atomic_load(&reports[i].sent) ||
        (delivered != UINT64_MAX && here != delivered))
      return false;
    delivered = here;
  }
  return true;
}

static void drain(struct run *run) {
  uint64_t deadline = bench_now() + DRAIN_TIMEOUT_NS;
  uint64_t level_since = 0;
  atomic_store(&run->context.shared->phase, FAILOVER_DRAIN);
  while (level_since == 0 || bench_now() - level_since < SETTLED_NS) {
    if (!is_level(run))
      level_since = 0;
    else if (level_since == 0)
      level_since = bench_now();
    processes_watch(&run->processes);
    if (bench_now() > deadline)
      processes_fail(&run->processes,
                     "the survivors did not come to the same order in time");
    bench_pause_ms(1);
  }
  if (run->caught_up_ns == 0) run->caught_up_ns = level_since;
}

/* The longest gap at a client that is not the victim's. */
static void judge_stall(const struct run *run, double figures[FAILOVER_FIGURES]) {
  struct failover_report *reports = run->context.shared->reports;
  uint64_t before = 0;
  uint64_t after = 0;
  uint64_t began = run->fault_ns;
  for (size_t i = 0; i < FAILOVER_MEMBERS; i++) {
    if (atomic_load(&reports[i].gap_before_ns) > before)
      before = atomic_load(&reports[i].gap_before_ns);
    if (i == run->victim || atomic_load(&reports[i].gap_after_ns) <= after) continue;
    after = atomic_load(&reports[i].gap_after_ns);
    began = atomic_load(&reports[i].gap_after_began_ns);
  }
  figures[GAP_BEFORE_MS] = (double)before / 1e6;
  figures[STALL_MS] = (double)after / 1e6;
  figures[STALL_AT_MS] =
      began < run->fault_ns ? 0 : (double)(began - run->fault_ns) / 1e6;
}

static void judge_order(const struct run *run, double figures[FAILOVER_FIGURES]) {
  struct failover_report *reports = run->context.shared->reports;
  struct failover_log logs[FAILOVER_MEMBERS];
  uint64_t stamp_errors = 0;
  for (size_t i = 0; i < FAILOVER_MEMBERS; i++) {
    logs[i].entries = run->context.logs + i * FAILOVER_LOG_MAX;
    logs[i].count = atomic_load(&reports[i].delivered);
    logs[i].survived = takes_part(run, i);
    stamp_errors += atomic_load(&reports[i].stamp_errors);
  }
  struct failover_verdict verdict = failover_check(logs, FAILOVER_MEMBERS);
  figures[ACKNOWLEDGED] = (double)verdict.acknowledged;
  figures[LOST_ACKNOWLEDGED] = (double)verdict.lost_acknowledged;
  figures[DUPLICATES] = (double)verdict.duplicates;
  figures[ORDER_ERRORS] = (double)(verdict.order_errors + stamp_errors);
}

static void judge(const struct run *run, double figures[FAILOVER_FIGURES]) {
  bool behind = has_halted(run, run->victim);
  uint64_t changes = atomic_load(&run->context.shared->group.leader_changes);
  judge_stall(run, figures);
  judge_order(run, figures);
  figures[LEADER_CHANGES] = (double)(changes - run->leader_changes);
  figures[FELL_BEHIND] = behind;
  figures[CATCH_UP_MS] = 0;
  if (run->continued_ns != 0 && !behind)
    figures[CATCH_UP_MS] = (double)(run->caught_up_ns - run->continued_ns) / 1e6;
}

void failover_run(const struct failover_options *options,
                  double figures[FAILOVER_FIGURES]) {
  size_t log_bytes = FAILOVER_MEMBERS * (size_t)FAILOVER_LOG_MAX * sizeof(uint64_t);
  struct failover_shared *shared = shared_memory(sizeof(*shared));
  struct run run = {.context = {options, shared, shared_memory(log_bytes)}};
  local_group_init(&shared->group, FAILOVER_MEMBERS, NULL);
  processes_start(&run.processes, FAILOVER_MEMBERS, failover_member_run, &run.context);
  local_group_await_leader(&shared->group, &run.processes, bench_now() + FORM_TIMEOUT_NS);
  atomic_store(&shared->phase, FAILOVER_LOAD);
  watch_until(&run, bench_now() + options->warmup_ns);
  gr_member_id leader = local_group_await_leader(&shared->group, &run.processes,
                                                 bench_now() + FORM_TIMEOUT_NS);
  run.victim = options->kill_leader ? leader - 1 : leader % FAILOVER_MEMBERS;
  cause_fault(&run);
  count_open_gaps(&run);
  drain(&run);
  judge(&run, figures);
  atomic_store(&shared->phase, FAILOVER_END);
  processes_join(&run.processes, bench_now() + FORM_TIMEOUT_NS);
  munmap(run.context.logs, log_bytes);
  munmap(shared, sizeof(*shared));
}
