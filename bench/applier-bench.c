/* SPDX-License-Identifier: MIT
 *
 * applier-bench: how much faster several workers apply transactions than one, where each
 * takes a while (it waits, as for a disk), and how many transactions that take no time
 * pass through. Where commits are to be in order, that they are is checked.
 */
#include "arguments.h"
#include "clock.h"

#include <gr/applier.h>
#include <gr/posix.h>

#include <inttypes.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>

struct settings {
  uint64_t workers, apply_us, transactions, chain_percent, passing;
  bool any_order, json;
};

/* One run. */
struct run {
  uint64_t apply_ns;
  bool is_ordered;
  gr_seqno last_committed; /* commits in order come one at a time */
  _Atomic uint64_t committed;
};

struct rates {
  double one, several, passing; /* transactions a second */
};

static void ensure(bool condition, const char *text) {
  if (condition) return;
  fprintf(stderr, "applier-bench: does not hold: %s\n", text);
  exit(1);
}

static struct settings parse(int argc, char **argv) {
  struct settings s = {.workers = 4,
                       .apply_us = 1000,
                       .transactions = 2000,
                       .passing = 300000};
  const struct argument arguments[] = {
      {"--workers", "to be compared with one", .number = &s.workers, .lowest = 1,
       .highest = GR_APPLIER_WORKERS_MAX},
      {"--apply-us", "that a transaction takes", .number = &s.apply_us, .lowest = 0,
       .highest = 1000000},
      {"--transactions", "of each run", .number = &s.transactions, .lowest = 10,
       .highest = 10000000},
      {"--chained", "percent that depend on the one before", .number = &s.chain_percent,
       .lowest = 0, .highest = 100},
      {"--passing", "transactions of the run that takes no time", .number = &s.passing,
       .lowest = 10, .highest = 1000000000},
      {"--any-order", "commits may come in any order", .flag = &s.any_order},
      {"--json", "the last line is JSON", .flag = &s.json},
  };
  arguments_parse("applier-bench", "The speed of parallel applying.", arguments,
                  sizeof(arguments) / sizeof(arguments[0]), argc, argv);
  return s;
}

static int apply(void *context, uint32_t worker, const gr_applier_work *work) {
  const struct run *run = context;
  (void)worker;
  (void)work;
  if (run->apply_ns > 0) bench_sleep_until(bench_now() + run->apply_ns);
  return 0;
}

static int commit(void *context, uint32_t worker, const gr_applier_work *work) {
  struct run *run = context;
  (void)worker;
  if (run->is_ordered) {
    ensure(work->seqno == run->last_committed + 1, "commits come in order");
    run->last_committed = work->seqno;
  }
  atomic_fetch_add(&run->committed, 1);
  return 0;
}

/* Transactions a second. */
static double measure(const struct settings *s, uint32_t workers, uint64_t apply_us,
                      uint64_t transactions) {
  struct run run = {.apply_ns = apply_us * 1000, .is_ordered = !s->any_order};
  const gr_applier_options options = {.size = sizeof(options),
                                      .workers = workers,
                                      .any_commit_order = s->any_order};
  const gr_applier_host host = {.size = sizeof(host),
                                .context = &run,
                                .apply = apply,
                                .commit = commit};
  const gr_slice payload = {(const uint8_t *)"a payload", 9};
  gr_applier *applier;
  ensure(gr_applier_start(&applier, &options, &host) == GR_OK, "it starts");
  uint64_t began = bench_now();
  for (gr_seqno seqno = 1; seqno <= transactions; seqno++) {
    bool is_chained =
        seqno * s->chain_percent / 100 != (seqno - 1) * s->chain_percent / 100;
    const gr_applier_transaction transaction = {.size = sizeof(transaction),
                                                .seqno = seqno,
                                                .depends_on = is_chained ? seqno - 1 : 0,
                                                .parts = &payload,
                                                .part_count = 1};
    ensure(gr_applier_submit(applier, &transaction, true) == GR_OK, "it is taken");
  }
  ensure(gr_applier_drain(applier, GR_TIME_NEVER) == GR_OK, "all is applied");
  uint64_t took = bench_now() - began;
  ensure(gr_applier_stop(applier) == GR_OK, "it stops");
  ensure(atomic_load(&run.committed) == transactions, "all is committed");
  return (double)transactions * (double)BENCH_SECOND_NS / (double)took;
}

int main(int argc, char **argv) {
  const struct settings s = parse(argc, argv);
  struct rates rates;
  printf("transactions of %" PRIu64 " us, %" PRIu64
         " %% depend on the one before; commits in %s order\n",
         s.apply_us, s.chain_percent, s.any_order ? "any" : "the same");
  rates.one = measure(&s, 1, s.apply_us, s.transactions);
  rates.several = measure(&s, (uint32_t)s.workers, s.apply_us, s.transactions);
  rates.passing = measure(&s, (uint32_t)s.workers, 0, s.passing);
  printf("one worker:  %10.0f transactions/s\n", rates.one);
  printf("%3" PRIu64 " workers: %10.0f transactions/s, %.2f times as many\n", s.workers,
         rates.several, rates.several / rates.one);
  printf("that take no time: %.0f transactions/s\n", rates.passing);
  if (s.json)
    printf("{\"workers\":%" PRIu64 ",\"transactions_per_s_one\":%.0f,"
           "\"transactions_per_s\":%.0f,\"speedup\":%.2f,\"passing_per_s\":%.0f}\n",
           s.workers, rates.one, rates.several, rates.several / rates.one, rates.passing);
  return 0;
}
