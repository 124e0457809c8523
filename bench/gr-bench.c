/* SPDX-License-Identifier: MIT
 *
 * gr-bench: throughput, latency and cost of ordered broadcast among real processes on
 * loopback; see ordered_run.h for what is measured and verified. With --baseline each run
 * comes after one of the same bytes over bare TCP (see bare_tcp.h), and the ratio to it
 * is told: absolute figures are of this machine, the ratio is of this library.
 */
#include "arguments.h"
#include "bare_tcp.h"
#include "clock.h"
#include "ordered_run.h"
#include "report.h"
#include "scratch.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define BASELINE_SECONDS_MAX 3
#define ROUND_TRIP_NS (BENCH_SECOND_NS / 2)

enum baseline_figure {
  NULL_MB_PER_S = ORDERED_FIGURES,
  RATIO_TO_NULL,
  NULL_CPU_US_PER_MESSAGE,
  NULL_ROUND_TRIP_P50_US,
  FIGURES
};

struct settings {
  uint64_t members, senders, size, in_flight, seconds, warmup, repeat;
  const char *sender;
  const char *resubmit;
  const char *durable;
  bool baseline;
  bool json;
};

static const char purpose[] =
    "Ordered broadcast among real processes on loopback. Latency is from just before\n"
    "gr_node_broadcast() to the own deliver callback: of every message with up to 16 in\n"
    "flight, of each 17th with more.";

static struct settings parse(int argc, char **argv) {
  static const char *const senders[] = {"leader", "other", NULL};
  static const char *const resubmits[] = {"thread", "callback", NULL};
  struct settings s = {.members = 3, .senders = 3, .size = 1024, .in_flight = 256};
  s.seconds = 5;
  s.warmup = 1;
  s.repeat = 1;
  s.sender = senders[0];
  s.resubmit = resubmits[0];
  const struct argument arguments[] = {
      {"--members", "processes of the group", .number = &s.members, .lowest = 1,
       .highest = PROCESSES_MAX},
      {"--senders", "of them broadcast", .number = &s.senders, .lowest = 1,
       .highest = PROCESSES_MAX},
      {"--size", "bytes of a message", .number = &s.size, .lowest = 1,
       .highest = 1 << 26},
      {"--inflight", "messages in flight of each sender", .number = &s.in_flight,
       .lowest = 1, .highest = 1000000},
      {"--seconds", "measured", .number = &s.seconds, .lowest = 1, .highest = 3600},
      {"--warmup", "seconds before that", .number = &s.warmup, .lowest = 0,
       .highest = 3600},
      {"--repeat", "runs; prints median and spread", .number = &s.repeat, .lowest = 1,
       .highest = SUMMARY_RUNS_MAX},
      {"--sender", "who sends when not all do", .word = &s.sender, .words = senders},
      {"--resubmit",
       "who sends: a thread that is woken, or the callback of the deliveries",
       .word = &s.resubmit, .words = resubmits},
      {"--durable", "durable members, with their logs in this directory",
       .text = &s.durable},
      {"--baseline", "also bare TCP, before each run", .flag = &s.baseline},
      {"--json", "the last line is JSON", .flag = &s.json},
  };
  arguments_parse("gr-bench", purpose, arguments,
                  sizeof(arguments) / sizeof(arguments[0]), argc, argv);
  if (s.senders > s.members) {
    fprintf(stderr, "gr-bench: --senders must not exceed --members; see --help\n");
    exit(2);
  }
  if (s.baseline && s.members < 2) {
    fprintf(stderr, "gr-bench: --baseline needs at least 2 members; see --help\n");
    exit(2);
  }
  return s;
}

/* Answers the payload in MB/s. */
static double run_baseline(const struct settings *s, struct report_figure *figures) {
  uint64_t seconds =
      s->seconds < BASELINE_SECONDS_MAX ? s->seconds : BASELINE_SECONDS_MAX;
  struct bare_tcp_options options = {.members = s->members,
                                     .senders = s->senders,
                                     .message_bytes = s->size,
                                     .warmup_ns = BENCH_SECOND_NS / 2,
                                     .measured_ns = seconds * BENCH_SECOND_NS};
  struct bare_tcp_result bare = bare_tcp_throughput(&options);
  summary_add(&figures[NULL_MB_PER_S].runs, bare.payload_mb_per_s);
  summary_add(&figures[NULL_CPU_US_PER_MESSAGE].runs, bare.cpu_us_per_message);
  summary_add(&figures[NULL_ROUND_TRIP_P50_US].runs,
              bare_tcp_latency(s->size, ROUND_TRIP_NS).p50_us);
  return bare.payload_mb_per_s;
}

static void run_ordered(const struct settings *s, double values[ORDERED_FIGURES]) {
  struct scratch logs;
  struct ordered_options options = {
      .members = s->members,
      .senders = s->senders,
      .message_bytes = s->size,
      .in_flight = s->in_flight,
      .warmup_ns = s->warmup * BENCH_SECOND_NS,
      .measured_ns = s->seconds * BENCH_SECOND_NS,
      .leader_sends = strcmp(s->sender, "leader") == 0,
      .from_callback = strcmp(s->resubmit, "callback") == 0,
  };
  if (s->durable == NULL) {
    ordered_run(&options, values);
    return;
  }
  logs = scratch_make(s->durable);
  options.data_directory = logs.path;
  ordered_run(&options, values);
  scratch_remove(&logs);
}

int main(int argc, char **argv) {
  static struct report_figure figures[FIGURES] = {
      [DELIVERED_PER_S] = {.name = "delivered_per_s", .decimals = 0},
      [PAYLOAD_MB_PER_S] = {.name = "payload_mb_per_s", .decimals = 2},
      [P50_US] = {.name = "p50_us", .decimals = 2},
      [P99_US] = {.name = "p99_us", .decimals = 2},
      [P999_US] = {.name = "p999_us", .decimals = 2},
      [CPU_US_PER_MESSAGE] = {.name = "cpu_us_per_message", .decimals = 3},
      [MAX_RSS_MB] = {.name = "max_rss_mb", .decimals = 1},
      [FIFO_ERRORS] = {.name = "fifo_errors", .decimals = 0},
      [ORDER_ERRORS] = {.name = "order_errors", .decimals = 0},
      [LEADER_CHANGES] = {.name = "leader_changes", .decimals = 0},
      [MESSAGES_PER_SYNC] = {.name = "messages_per_sync", .decimals = 1},
      [SYNCS_PER_S] = {.name = "syncs_per_s", .decimals = 0},
      [LOG_MB_PER_S] = {.name = "log_mb_per_s", .decimals = 1},
      [SYNC_MEAN_US] = {.name = "sync_mean_us", .decimals = 1},
      [NULL_MB_PER_S] = {.name = "null_mb_per_s", .decimals = 2},
      [RATIO_TO_NULL] = {.name = "ratio_to_null", .decimals = 4},
      [NULL_CPU_US_PER_MESSAGE] = {.name = "null_cpu_us_per_message", .decimals = 3},
      [NULL_ROUND_TRIP_P50_US] = {.name = "null_round_trip_p50_us", .decimals = 2},
  };
  struct settings s = parse(argc, argv);
  double errors = 0;
  for (uint64_t run = 0; run < s.repeat; run++) {
    double values[ORDERED_FIGURES];
    double null_mb_per_s = 0;
    if (s.baseline) null_mb_per_s = run_baseline(&s, figures);
    run_ordered(&s, values);
    int count = s.durable == NULL ? ORDERED_VOLATILE_FIGURES : ORDERED_FIGURES;
    for (int i = 0; i < count; i++) summary_add(&figures[i].runs, values[i]);
    if (null_mb_per_s > 0)
      summary_add(&figures[RATIO_TO_NULL].runs, values[PAYLOAD_MB_PER_S] / null_mb_per_s);
    errors += values[FIFO_ERRORS] + values[ORDER_ERRORS];
  }
  report_print(figures, FIGURES, s.json);
  if (errors == 0) return EXIT_SUCCESS;
  fprintf(stderr,
          "gr-bench: messages were delivered out of order, or are not what was sent\n");
  return EXIT_FAILURE;
}
