/* SPDX-License-Identifier: MIT
 *
 * The parent's side of a run: leads the members through the phases, reads the clocks, and
 * compares what the members found.
 */
#include "ordered_run.h"

#include "clock.h"
#include "summary.h"

#include <stdlib.h>
#include <sys/mman.h>

#define FORM_TIMEOUT_NS (20 * BENCH_SECOND_NS)
#define DRAIN_TIMEOUT_NS (60 * BENCH_SECOND_NS)

/* What is read at the ends of the measured time. */
struct reading {
  uint64_t now;
  uint64_t cpu_ns;
  uint64_t leader_changes;
  uint64_t delivered[PROCESSES_MAX];
};

static struct reading read_all(struct ordered_context *context,
                               struct processes *processes) {
  struct ordered_shared *shared = context->shared;
  struct reading reading = {.now = bench_now(),
                            .leader_changes = atomic_load(&shared->group.leader_changes)};
  for (size_t i = 0; i < processes->count; i++) {
    reading.delivered[i] = atomic_load(&shared->reports[i].delivered);
    reading.cpu_ns += processes_cpu_ns(processes, i);
  }
  return reading;
}

/* The senders are the leader and then the others by their ids, or the others first. */
static void choose_senders(struct ordered_context *context, gr_member_id leader) {
  struct ordered_report *reports = context->shared->reports;
  size_t left = context->options->senders;
  if (context->options->leader_sends && left > 0) {
    atomic_store(&reports[leader - 1].sends, true);
    left--;
  }
  for (size_t i = 0; i < context->options->members && left > 0; i++) {
    if (i + 1 == leader) continue;
    atomic_store(&reports[i].sends, true);
    left--;
  }
  if (left > 0) atomic_store(&reports[leader - 1].sends, true);
}

static bool all_have_delivered_all(const struct ordered_context *context) {
  struct ordered_report *reports = context->shared->reports;
  uint64_t sent = 0;
  for (size_t i = 0; i < context->options->members; i++) {
    if (!atomic_load(&reports[i].drained)) return false;
    sent += atomic_load(&reports[i].sent);
  }
  for (size_t i = 0; i < context->options->members; i++)
    if (atomic_load(&reports[i].delivered) != sent) return false;
  return true;
}

static void drain(struct ordered_context *context, struct processes *processes) {
  uint64_t deadline = bench_now() + DRAIN_TIMEOUT_NS;
  atomic_store(&context->shared->phase, PHASE_DRAIN);
  while (!all_have_delivered_all(context)) {
    processes_watch(processes);
    if (bench_now() > deadline)
      processes_fail(processes,
                     "not every message was delivered at every member in time");
    bench_pause_ms(1);
  }
  atomic_store(&context->shared->phase, PHASE_END);
  processes_join(processes, deadline);
}

/* Marks at which a member's order is not that of the first. */
static uint64_t order_errors(const struct ordered_context *context) {
  const struct ordered_report *reports = context->shared->reports;
  uint64_t checkpoints = atomic_load(&reports[0].delivered) / CHECKPOINT_MESSAGES;
  uint64_t errors = 0;
  if (checkpoints > CHECKPOINTS_MAX) checkpoints = CHECKPOINTS_MAX;
  for (size_t i = 0; i < context->options->members; i++) {
    const uint64_t *own = context->checkpoints + i * CHECKPOINTS_MAX;
    errors += reports[i].order_errors;
    errors += reports[i].hash != reports[0].hash;
    for (uint64_t k = 0; k < checkpoints; k++)
      errors += own[k] != context->checkpoints[k];
  }
  return errors;
}

static double median_over_members(const struct ordered_context *context,
                                  double of(const struct storage_reading *first,
                                            const struct storage_reading *last)) {
  struct summary summary = {.count = 0};
  for (size_t i = 0; i < context->options->members; i++) {
    const struct storage_reading *measured = context->shared->reports[i].measured;
    summary_add(&summary, of(&measured[0], &measured[1]));
  }
  return summary_median(&summary);
}

static double per_sync(uint64_t amount, const struct storage_reading *first,
                       const struct storage_reading *last) {
  uint64_t syncs = last->storage.syncs - first->storage.syncs;
  return syncs == 0 ? 0 : (double)amount / (double)syncs;
}

static double per_s(uint64_t amount, const struct storage_reading *first,
                    const struct storage_reading *last) {
  return (double)amount * 1e9 / (double)(last->now - first->now);
}

static double messages_per_sync(const struct storage_reading *first,
                                const struct storage_reading *last) {
  return per_sync(last->delivered - first->delivered, first, last);
}

static double syncs_per_s(const struct storage_reading *first,
                          const struct storage_reading *last) {
  return per_s(last->storage.syncs - first->storage.syncs, first, last);
}

static double log_mb_per_s(const struct storage_reading *first,
                           const struct storage_reading *last) {
  return per_s(last->storage.bytes - first->storage.bytes, first, last) / 1e6;
}

static double sync_mean_us(const struct storage_reading *first,
                           const struct storage_reading *last) {
  return per_sync(last->storage.sync_time - first->storage.sync_time, first, last) / 1e3;
}

static void compute_storage(const struct ordered_context *context,
                            double figures[ORDERED_FIGURES]) {
  figures[MESSAGES_PER_SYNC] = median_over_members(context, messages_per_sync);
  figures[SYNCS_PER_S] = median_over_members(context, syncs_per_s);
  figures[LOG_MB_PER_S] = median_over_members(context, log_mb_per_s);
  figures[SYNC_MEAN_US] = median_over_members(context, sync_mean_us);
}

static void compute(const struct ordered_context *context, const struct reading *first,
                    const struct reading *last, double figures[ORDERED_FIGURES]) {
  struct histogram *latency = calloc(1, sizeof(*latency));
  if (latency == NULL) abort();
  uint64_t least = UINT64_MAX;
  uint64_t fifo_errors = 0;
  uint64_t max_rss_kib = 0;
  for (size_t i = 0; i < context->options->members; i++) {
    const struct ordered_report *report = &context->shared->reports[i];
    uint64_t delivered = last->delivered[i] - first->delivered[i];
    if (delivered < least) least = delivered;
    if (report->max_rss_kib > max_rss_kib) max_rss_kib = report->max_rss_kib;
    fifo_errors += report->fifo_errors;
    histogram_merge(latency, &report->latency);
  }
  double seconds = (double)(last->now - first->now) / 1e9;
  double per_s = (double)least / seconds;
  figures[DELIVERED_PER_S] = per_s;
  figures[PAYLOAD_MB_PER_S] = per_s * (double)context->options->message_bytes / 1e6;
  figures[P50_US] = (double)histogram_percentile(latency, 0.5) / 1e3;
  figures[P99_US] = (double)histogram_percentile(latency, 0.99) / 1e3;
  figures[P999_US] = (double)histogram_percentile(latency, 0.999) / 1e3;
  figures[CPU_US_PER_MESSAGE] =
      least == 0 ? 0 : (double)(last->cpu_ns - first->cpu_ns) / 1e3 / (double)least;
  figures[MAX_RSS_MB] = (double)max_rss_kib * 1024 / 1e6;
  figures[FIFO_ERRORS] = (double)fifo_errors;
  figures[ORDER_ERRORS] = (double)order_errors(context);
  figures[LEADER_CHANGES] = (double)(last->leader_changes - first->leader_changes);
  free(latency);
}

void ordered_run(const struct ordered_options *options, double figures[ORDERED_FIGURES]) {
  size_t checkpoint_bytes = options->members * CHECKPOINTS_MAX * sizeof(uint64_t);
  struct ordered_context context = {
      .options = options,
      .shared = shared_memory(sizeof(*context.shared)),
      .checkpoints = shared_memory(checkpoint_bytes),
  };
  struct processes processes;
  local_group_init(&context.shared->group, options->members, options->data_directory);
  processes_start(&processes, options->members, ordered_member_run, &context);
  gr_member_id leader = local_group_await_leader(&context.shared->group, &processes,
                                                 bench_now() + FORM_TIMEOUT_NS);
  choose_senders(&context, leader);
  atomic_store(&context.shared->phase, PHASE_WARMUP);
  bench_sleep_until(bench_now() + options->warmup_ns);
  processes_watch(&processes);
  atomic_store(&context.shared->phase, PHASE_MEASURED);
  struct reading first = read_all(&context, &processes);
  bench_sleep_until(first.now + options->measured_ns);
  processes_watch(&processes);
  struct reading last = read_all(&context, &processes);
  drain(&context, &processes);
  compute(&context, &first, &last, figures);
  if (options->data_directory != NULL) compute_storage(&context, figures);
  munmap(context.checkpoints, checkpoint_bytes);
  munmap(context.shared, sizeof(*context.shared));
}
