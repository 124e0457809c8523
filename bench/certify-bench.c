/* SPDX-License-Identifier: MIT
 *
 * certify-bench: how many transactions, and keys, a certifier judges in a second on one
 * core, and how long a single call can take. See certify_run.h for what is measured.
 */
#include "arguments.h"
#include "certify_run.h"
#include "summary.h"

#include <inttypes.h>
#include <stdio.h>

#define STEP_ROWS 1000000

struct settings {
  struct certify_settings run;
  uint64_t small_mib, large_mib, mib, repeat;
  bool quick, json;
};

static struct settings parse(int argc, char **argv) {
  struct settings s = {.run = {.keys = 8,
                               .hit_percent = 20,
                               .lag = 16,
                               .ahead = 4,
                               .transactions = 500000},
                       .small_mib = 64,
                       .large_mib = 1024,
                       .repeat = 5};
  const struct argument arguments[] = {
      {"--keys", "keys of each transaction", .number = &s.run.keys, .lowest = 1,
       .highest = 10000},
      {"--hits", "percent of the keys that are of rows in the table",
       .number = &s.run.hit_percent, .lowest = 0, .highest = 100},
      {"--lag", "seqnos that snapshots lie behind", .number = &s.run.lag, .lowest = 0,
       .highest = 10000},
      {"--window", "transactions that the watermark lies behind; 0: a full table",
       .number = &s.run.window, .lowest = 0, .highest = 1000000000},
      {"--ahead", "transactions that are announced before their turn",
       .number = &s.run.ahead, .lowest = 0, .highest = 64},
      {"--mib", "a table of this size, and nothing else; no JSON", .number = &s.mib,
       .lowest = 1, .highest = 4096},
      {"--transactions", "measured in each run", .number = &s.run.transactions,
       .lowest = 100, .highest = 100000000},
      {"--repeat", "runs; prints median and spread", .number = &s.repeat, .lowest = 1,
       .highest = SUMMARY_RUNS_MAX},
      {"--quick", "tables of 1 and 4 MiB, few transactions: shows that it runs",
       .flag = &s.quick},
      {"--json", "the last line is JSON", .flag = &s.json},
  };
  arguments_parse("certify-bench", "The speed of certification on one core.", arguments,
                  sizeof(arguments) / sizeof(arguments[0]), argc, argv);
  if (s.quick) {
    s.small_mib = 1;
    s.large_mib = 4;
    s.run.transactions = 5000;
    s.repeat = 2;
  }
  return s;
}

/* Prints the figures of one size, and returns the median of keys/s. */
static double measure(const struct settings *s, uint64_t mib, double *bytes_per_row) {
  struct certify_settings settings = s->run;
  struct summary keys = {.count = 0};
  struct certify_figures figures = {0};
  settings.mib = mib;
  for (uint64_t i = 0; i < s->repeat; i++) {
    figures = certify_run(&settings);
    summary_add(&keys, figures.transactions_per_s * (double)settings.keys);
  }
  double median = summary_median(&keys);
  printf("%5" PRIu64 " MiB, %" PRIu64 " rows live: %11.0f keys/s (%.0f to %.0f), %10.0f "
         "certifications/s, %.1f %% conflicts\n",
         mib, figures.rows, median, summary_lowest(&keys), summary_highest(&keys),
         median / (double)settings.keys, figures.conflict_percent);
  *bytes_per_row = figures.bytes_per_row;
  return median;
}

int main(int argc, char **argv) {
  const struct settings s = parse(argc, argv);
  double bytes_per_row;
  printf("%" PRIu64 " keys a transaction, %" PRIu64
         " %% of them in the table, announced %" PRIu64
         " ahead; median (lowest to highest) of %" PRIu64 " runs\n",
         s.run.keys, s.run.hit_percent, s.run.ahead, s.repeat);
  if (s.mib > 0) {
    measure(&s, s.mib, &bytes_per_row);
    return 0;
  }
  double small = measure(&s, s.small_mib, &bytes_per_row);
  double large = measure(&s, s.large_mib, &bytes_per_row);
  const struct certify_steps steps =
      certify_steps_run(s.quick ? STEP_ROWS / 50 : STEP_ROWS, s.run.keys,
                        s.repeat > 1 ? (unsigned)s.repeat : 2);
  printf("%.2f bytes a row, at full load\n", bytes_per_row);
  printf("purging: %.1f ns a row\n", steps.purge_ns_per_row);
  printf("longest call of %" PRIu64 ", over %" PRIu64
         " live rows: %.1f us; each call's time is "
         "the least of the runs, which are\nthe same call by call, so that pauses by the "
         "operating system do not count; with them %.1f us\n",
         steps.steps, steps.rows, steps.longest_us, steps.longest_of_once_us);
  if (s.json)
    printf("{\"keys_per_s_64mib\":%.0f,\"keys_per_s_1gib\":%.0f,\"longest_step_us\":%.1f,"
           "\"bytes_per_row\":%.2f}\n",
           small, large, steps.longest_us, bytes_per_row);
  return 0;
}
