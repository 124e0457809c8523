/* SPDX-License-Identifier: MIT
 *
 * failover-bench: what clients notice when the leader or another member is killed, or
 * stopped and continued; see failover_run.h.
 */
#include "arguments.h"
#include "clock.h"
#include "failover_run.h"
#include "report.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char purpose[] =
    "Three members with a client each; one is killed, or with --stop stopped and "
    "continued.\n"
    "The stall is the longest time between two acknowledgements at a surviving client.";

struct settings {
  uint64_t size, in_flight, rate, warmup, seconds, repeat;
  const char *victim;
  bool stop;
  bool json;
};

static struct settings parse(int argc, char **argv) {
  static const char *const victims[] = {"leader", "other", NULL};
  struct settings s = {
      .size = 128, .in_flight = 64, .rate = 2000, .warmup = 1, .seconds = 3};
  s.repeat = 1;
  s.victim = victims[0];
  const struct argument arguments[] = {
      {"--kill", "who is killed, or stopped", .word = &s.victim, .words = victims},
      {"--stop", "SIGSTOP and SIGCONT, not SIGKILL", .flag = &s.stop},
      {"--seconds", "of load after it is killed; of being stopped", .number = &s.seconds,
       .lowest = 1, .highest = FAILOVER_SECONDS_MAX},
      {"--warmup", "seconds of load before that", .number = &s.warmup, .lowest = 1,
       .highest = FAILOVER_SECONDS_MAX / 2},
      {"--size", "bytes of a message", .number = &s.size, .lowest = 16,
       .highest = 1 << 20},
      {"--inflight", "messages in flight of each client", .number = &s.in_flight,
       .lowest = 1, .highest = 100000},
      {"--rate", "messages a second of each client", .number = &s.rate, .lowest = 100,
       .highest = FAILOVER_RATE_MAX},
      {"--repeat", "runs; prints median and spread", .number = &s.repeat, .lowest = 1,
       .highest = SUMMARY_RUNS_MAX},
      {"--json", "the last line is JSON", .flag = &s.json},
  };
  arguments_parse("failover-bench", purpose, arguments,
                  sizeof(arguments) / sizeof(arguments[0]), argc, argv);
  return s;
}

int main(int argc, char **argv) {
  static struct report_figure figures[FAILOVER_FIGURES] = {
      [STALL_MS] = {.name = "stall_ms", .decimals = 1},
      [STALL_AT_MS] = {.name = "stall_at_ms", .decimals = 1},
      [GAP_BEFORE_MS] = {.name = "gap_before_ms", .decimals = 1},
      [ACKNOWLEDGED] = {.name = "acknowledged", .decimals = 0},
      [LOST_ACKNOWLEDGED] = {.name = "lost_acknowledged", .decimals = 0},
      [DUPLICATES] = {.name = "duplicates", .decimals = 0},
      [ORDER_ERRORS] = {.name = "order_errors", .decimals = 0},
      [LEADER_CHANGES] = {.name = "leader_changes", .decimals = 0},
      [CATCH_UP_MS] = {.name = "catch_up_ms", .decimals = 1},
      [FELL_BEHIND] = {.name = "fell_behind", .decimals = 0},
  };
  struct settings s = parse(argc, argv);
  struct failover_options options = {.message_bytes = s.size,
                                     .in_flight = s.in_flight,
                                     .rate = s.rate,
                                     .warmup_ns = s.warmup * BENCH_SECOND_NS,
                                     .fault_ns = s.seconds * BENCH_SECOND_NS,
                                     .kill_leader = strcmp(s.victim, "leader") == 0,
                                     .stop = s.stop};
  double errors = 0;
  double behind = 0;
  for (uint64_t run = 0; run < s.repeat; run++) {
    double values[FAILOVER_FIGURES];
    failover_run(&options, values);
    for (int i = 0; i < FAILOVER_FIGURES; i++) summary_add(&figures[i].runs, values[i]);
    errors += values[LOST_ACKNOWLEDGED] + values[DUPLICATES] + values[ORDER_ERRORS];
    behind += values[FELL_BEHIND];
  }
  if (behind > 0)
    fprintf(stderr,
            "failover-bench: in %.0f of %llu runs the stopped member halted with "
            "GR_ERR_BEHIND: the others no longer kept what it had missed\n",
            behind, (unsigned long long)s.repeat);
  if (errors > 0)
    fprintf(stderr, "failover-bench: messages were lost, repeated or out of order\n");
  report_print(figures, FAILOVER_FIGURES, s.json);
  return errors > 0 || behind > 0 ? EXIT_FAILURE : EXIT_SUCCESS;
}
