/* SPDX-License-Identifier: MIT
 *
 * The parent's side of a run: leads through the windows, kills the joiner if it is to,
 * and judges.
 */
#include "join_run.h"

#include "clock.h"

#include <stdlib.h>
#include <sys/mman.h>

#define FORM_TIMEOUT_NS (20 * BENCH_SECOND_NS)
#define LOCK_TIMEOUT_NS (300 * BENCH_SECOND_NS) /* some systems are slow to give memory  \
                                                 */
#define JOIN_TIMEOUT_NS (100 * BENCH_SECOND_NS)
#define WARMUP_NS BENCH_SECOND_NS
#define SETTLED_NS                                                                       \
  (50 * BENCH_MILLISECOND_NS) /* a last message may be about to be sent */

struct run {
  struct join_context context;
  struct processes processes;
  struct join_figures *figures;
  enum join_window window;
  uint64_t window_began;
  uint64_t cpu_ns[JOIN_PROCESSES]; /* when it began */
  double seconds[JOIN_WINDOWS];    /* of all that are over */
  double cpu_seconds[JOIN_WINDOWS][JOIN_PROCESSES];
};

static uint64_t cpu_ns(struct run *run, size_t index) {
  return run->processes.pids[index] == 0 ? run->cpu_ns[index]
                                         : processes_cpu_ns(&run->processes, index);
}

/* The windows before and after the snapshot may come several times: should the joiner
 * fall behind it begins again. So times are added up. */
static void enter(struct run *run, enum join_window window) {
  uint64_t now = bench_now();
  if (window == run->window) return;
  atomic_store(&run->context.shared->window, window);
  run->seconds[run->window] += (double)(now - run->window_began) / 1e9;
  for (size_t i = 0; i < JOIN_PROCESSES; i++) {
    uint64_t used = cpu_ns(run, i);
    run->cpu_seconds[run->window][i] += (double)(used - run->cpu_ns[i]) / 1e9;
    run->cpu_ns[i] = used;
  }
  run->window = window;
  run->window_began = now;
}

static void pause_and_watch(struct run *run, uint64_t deadline, const char *too_late) {
  processes_watch(&run->processes);
  if (bench_now() > deadline) processes_fail(&run->processes, "%s", too_late);
  bench_pause_ms(1);
}

static void stay(struct run *run, uint64_t nanoseconds) {
  uint64_t until = bench_now() + nanoseconds;
  while (bench_now() < until) pause_and_watch(run, UINT64_MAX, "");
}

/* ---- the joiner ---- */

static bool is_where_it_is_killed(const struct run *run) {
  const struct join_options *options = run->context.options;
  struct join_shared *shared = run->context.shared;
  if (options->kill_at == 0) return atomic_load(&shared->admitted);
  if (options->kill_at == 100) return atomic_load(&shared->complete);
  return options->kill_at < 100 && atomic_load(&shared->received) >=
                                       options->snapshot_bytes / 100 * options->kill_at;
}

static void await_removal(struct run *run) {
  uint64_t began = bench_now();
  for (;;) {
    size_t without = 0;
    for (size_t i = 0; i < JOIN_FOUNDERS; i++)
      without += atomic_load(&run->context.shared->reports[i].members) == JOIN_FOUNDERS;
    if (without == JOIN_FOUNDERS &&
        bench_now() - began >= run->context.options->measured_ns)
      return;
    pause_and_watch(run, began + JOIN_TIMEOUT_NS,
                    "the killed joiner was not removed in time");
  }
}

static void join(struct run *run) {
  struct join_shared *shared = run->context.shared;
  uint64_t began = bench_now();
  enter(run, JOIN_SNAPSHOT);
  atomic_store(&shared->joins, true);
  while (!atomic_load(&shared->online)) {
    if (is_where_it_is_killed(run)) {
      enter(run, JOIN_AFTER);
      processes_kill(&run->processes, JOINER);
      await_removal(run);
      return;
    }
    enter(run, atomic_load(&shared->complete) ? JOIN_LOG : JOIN_SNAPSHOT);
    pause_and_watch(run, began + JOIN_TIMEOUT_NS, "the joiner was not ONLINE in time");
  }
  run->figures->online_ms = (double)(bench_now() - began) / 1e6;
  enter(run, JOIN_AFTER);
  stay(run, run->context.options->measured_ns);
}

/* ---- the end ---- */

/* All of what the founders have sent has come back to them, and is everywhere. */
static bool is_level(const struct run *run) {
  const struct join_report *reports = run->context.shared->reports;
  for (size_t i = 0; i < JOIN_PROCESSES; i++) {
    if (run->processes.pids[i] == 0) continue;
    if (atomic_load(&reports[i].delivered) != atomic_load(&reports[0].delivered) ||
        (i < JOIN_FOUNDERS &&
         atomic_load(&reports[i].acknowledged) != atomic_load(&reports[i].sent)))
      return false;
  }
  return true;
}

static void drain(struct run *run) {
  uint64_t deadline = bench_now() + FORM_TIMEOUT_NS;
  uint64_t level_since = 0;
  atomic_store(&run->context.shared->phase, JOIN_DRAIN);
  while (level_since == 0 || bench_now() - level_since < SETTLED_NS) {
    if (!is_level(run))
      level_since = 0;
    else if (level_since == 0)
      level_since = bench_now();
    pause_and_watch(run, deadline, "the members did not end with the same history");
  }
}

static double peak_mb(struct run *run, size_t index) {
  if (run->processes.pids[index] == 0) return 0;
  return (double)processes_peak_bytes(&run->processes, index) / 1e6;
}

static void measure_memory(struct run *run) {
  size_t donor = atomic_load(&run->context.shared->donor);
  run->figures->joiner_mb = peak_mb(run, JOINER);
  run->figures->donor_mb = peak_mb(run, donor);
  for (size_t i = 0; i < JOIN_FOUNDERS; i++)
    if (i != donor && peak_mb(run, i) > run->figures->founder_mb)
      run->figures->founder_mb = peak_mb(run, i);
}

/* Of the windows from first to last together. */
static void judge_windows(const struct run *run, int first, int last,
                          struct join_window_figures *figures) {
  struct join_report *reports = run->context.shared->reports;
  struct histogram *latency = calloc(1, sizeof(*latency));
  if (latency == NULL) abort();
  uint64_t fewest = UINT64_MAX;
  uint64_t gap = 0;
  for (size_t i = 0; i < JOIN_FOUNDERS; i++) {
    uint64_t delivered = 0;
    for (int window = first; window <= last; window++) {
      uint64_t longest = atomic_load(&reports[i].windows[window].longest_gap);
      delivered += atomic_load(&reports[i].windows[window].delivered);
      if (longest > gap) gap = longest;
      histogram_merge(latency, &reports[i].windows[window].latency);
    }
    if (delivered < fewest) fewest = delivered;
  }
  *figures = (struct join_window_figures){.longest_gap_ms = (double)gap / 1e6};
  for (int window = first; window <= last; window++) {
    figures->seconds += run->seconds[window];
    for (size_t i = 0; i < JOIN_PROCESSES; i++)
      figures->cpu[i] += run->cpu_seconds[window][i];
  }
  for (size_t i = 0; i < JOIN_PROCESSES && figures->seconds > 0; i++)
    figures->cpu[i] /= figures->seconds;
  if (figures->seconds > 0) figures->per_s = (double)fewest / figures->seconds;
  figures->p50_us = (double)histogram_percentile(latency, 0.5) / 1e3;
  figures->p99_us = (double)histogram_percentile(latency, 0.99) / 1e3;
  free(latency);
}

static void judge(const struct run *run, bool killed) {
  const struct join_report *reports = run->context.shared->reports;
  for (int window = JOIN_BEFORE; window < JOIN_WINDOWS; window++)
    judge_windows(run, window, window, &run->figures->windows[window]);
  judge_windows(run, JOIN_SNAPSHOT, JOIN_LOG, &run->figures->during);
  run->figures->snapshots = (double)atomic_load(&reports[JOINER].snapshots);
  for (size_t i = 0; i < JOIN_PROCESSES; i++) {
    run->figures->errors += (double)atomic_load(&reports[i].errors);
    if (i == JOINER && killed) continue;
    run->figures->errors += reports[i].digest != reports[0].digest;
  }
}

void join_run(const struct join_options *options, struct join_figures *figures) {
  struct join_shared *shared = shared_memory(sizeof(*shared));
  struct run run = {.context = {options, shared}, .figures = figures};
  *figures = (struct join_figures){0};
  local_group_init(&shared->group, JOIN_PROCESSES, NULL);
  shared->group.count = JOIN_FOUNDERS; /* the last address is the joiner's */
  processes_start(&run.processes, JOIN_PROCESSES, join_member_run, &run.context);
  local_group_await_leader(&shared->group, &run.processes, bench_now() + LOCK_TIMEOUT_NS);
  atomic_store(&shared->phase, JOIN_LOAD);
  stay(&run, WARMUP_NS);
  enter(&run, JOIN_BEFORE);
  stay(&run, options->measured_ns);
  join(&run);
  enter(&run, JOIN_IDLE);
  bool killed = run.processes.pids[JOINER] == 0;
  drain(&run);
  measure_memory(&run);
  atomic_store(&shared->phase, JOIN_END);
  processes_join(&run.processes, bench_now() + FORM_TIMEOUT_NS);
  judge(&run, killed);
  munmap(shared, sizeof(*shared));
}
