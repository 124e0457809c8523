/* SPDX-License-Identifier: MIT
 *
 * join-bench: what a group under full load notices when a member with a large snapshot
 * joins, or dies on its way; see join_run.h.
 */
#include "arguments.h"
#include "clock.h"
#include "join_run.h"
#include "report.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define MIB ((uint64_t)1 << 20)
#define KILL_POINTS_MAX 16

static const char purpose[] =
    "Three members under full load, and a fourth that joins and is given a snapshot.\n"
    "With --kills or --kill-at also runs in which it is killed when it has so much of "
    "the\nsnapshot; the stall is the longest time without a delivery at one of the "
    "three.";

struct settings {
  uint64_t size, in_flight, snapshot_mib, rate_mb, cache_mib, seconds, repeat;
  uint64_t random_kills, seed;
  const char *kill_at;
  bool shared, fresh;
  bool json;
  uint64_t kills[KILL_POINTS_MAX];
  size_t kill_count;
};

/* "0,50,100" */
static void parse_kills(struct settings *s) {
  const char *at = s->kill_at;
  while (at != NULL && *at != '\0') {
    char *end;
    unsigned long percent = strtoul(at, &end, 10);
    if (end == at || percent > 100 || (*end != ',' && *end != '\0') ||
        s->kill_count == KILL_POINTS_MAX) {
      fprintf(stderr, "join-bench: --kill-at takes up to %d percentages; see --help\n",
              KILL_POINTS_MAX);
      exit(2);
    }
    s->kills[s->kill_count++] = percent;
    at = *end == ',' ? end + 1 : end;
  }
}

/* Percentages of which none comes twice. */
static void draw_kills(struct settings *s) {
  srandom((unsigned)s->seed);
  while (s->random_kills > 0 && s->kill_count < KILL_POINTS_MAX) {
    uint64_t percent = (uint64_t)random() % 101;
    size_t same = 0;
    for (size_t i = 0; i < s->kill_count; i++) same += s->kills[i] == percent;
    if (same > 0) continue;
    s->kills[s->kill_count++] = percent;
    s->random_kills--;
  }
}

static struct settings parse(int argc, char **argv) {
  struct settings s = {.size = 1024, .in_flight = 256, .snapshot_mib = 1024};
  /* What is written while the snapshot and then the log travel: with less, broadcasts
   * have to wait for the joiner. */
  s.cache_mib = 5632;
  s.seconds = 3;
  s.repeat = s.seed = 1;
  const struct argument arguments[] = {
      {"--bytes", "of a message", .number = &s.size, .lowest = 24, .highest = 1 << 20},
      {"--inflight", "messages in flight of each member", .number = &s.in_flight,
       .lowest = 1, .highest = 1000000},
      {"--snapshot-mib", "size of the snapshot", .number = &s.snapshot_mib, .lowest = 1,
       .highest = 1 << 20},
      {"--snapshot-rate", "MB/s that a donor sends at most; 0: the default",
       .number = &s.rate_mb, .lowest = 0, .highest = 100000},
      {"--cache-mib", "what each member may keep for those who lag",
       .number = &s.cache_mib, .lowest = 512, .highest = 1 << 20},
      {"--seconds", "measured before, and after", .number = &s.seconds, .lowest = 1,
       .highest = 60},
      {"--kill-at", "percentages: 0 when it is admitted, 100 when it gets the log",
       .text = &s.kill_at},
      {"--kills", "so many runs more in which it is killed, at points drawn by chance",
       .number = &s.random_kills, .lowest = 0, .highest = KILL_POINTS_MAX},
      {"--seed", "of these points", .number = &s.seed, .lowest = 1,
       .highest = UINT32_MAX},
      {"--fresh", "the founders' caches have never been used, nor is their memory locked",
       .flag = &s.fresh},
      {"--shared", "the joiner has no processor to itself", .flag = &s.shared},
      {"--repeat", "runs; prints median and spread", .number = &s.repeat, .lowest = 1,
       .highest = SUMMARY_RUNS_MAX},
      {"--json", "the last line is JSON", .flag = &s.json},
  };
  arguments_parse("join-bench", purpose, arguments,
                  sizeof(arguments) / sizeof(arguments[0]), argc, argv);
  parse_kills(&s);
  draw_kills(&s);
  return s;
}

static struct join_options options_of(const struct settings *s, uint64_t kill_at) {
  return (struct join_options){.message_bytes = s->size,
                               .in_flight = s->in_flight,
                               .snapshot_bytes = s->snapshot_mib * MIB,
                               .snapshot_bytes_per_s = s->rate_mb * 1000000,
                               .cache_bytes = s->cache_mib * MIB,
                               .measured_ns = s->seconds * BENCH_SECOND_NS,
                               .apart = !s->shared,
                               .fresh = s->fresh,
                               .kill_at = kill_at};
}

/* ---- figures: some of each window, those of the run, and some of each kill ---- */

#define NAME_BYTES 48
#define REPORTED 5 /* windows; "during" is of two of them */

enum window_figure {
  SECONDS,
  PER_S,
  P50_US,
  P99_US,
  GAP_MS,
  FOUNDERS_CPU,
  JOINER_CPU,
  WINDOW_FIGURES
};
enum run_figure {
  DURING_RATIO,
  DURING_P99_RATIO,
  SNAPSHOT_RATIO,
  SNAPSHOT_P99_RATIO,
  LOG_RATIO,
  LOG_P99_RATIO,
  ONLINE_MS,
  SNAPSHOTS,
  JOINER_MB,
  DONOR_MB,
  FOUNDER_MB,
  ERRORS,
  RUN_FIGURES
};
enum kill_figure {
  KILL_RATIO,
  KILL_P99_US,
  KILL_STALL_BEFORE_MS,
  KILL_STALL_MS,
  KILL_FIGURES
};

static const struct report_figure window_figures[WINDOW_FIGURES] = {
    [SECONDS] = {.name = "s", .decimals = 2},
    [PER_S] = {.name = "per_s", .decimals = 0},
    [P50_US] = {.name = "p50_us", .decimals = 0},
    [P99_US] = {.name = "p99_us", .decimals = 0},
    [GAP_MS] = {.name = "stall_ms", .decimals = 1},
    [FOUNDERS_CPU] = {.name = "founders_cpu", .decimals = 2},
    [JOINER_CPU] = {.name = "joiner_cpu", .decimals = 2},
};
static const struct report_figure run_figures[RUN_FIGURES] = {
    [DURING_RATIO] = {.name = "during_ratio", .decimals = 2},
    [DURING_P99_RATIO] = {.name = "during_p99_ratio", .decimals = 2},
    [SNAPSHOT_RATIO] = {.name = "snapshot_ratio", .decimals = 2},
    [SNAPSHOT_P99_RATIO] = {.name = "snapshot_p99_ratio", .decimals = 2},
    [LOG_RATIO] = {.name = "log_ratio", .decimals = 2},
    [LOG_P99_RATIO] = {.name = "log_p99_ratio", .decimals = 2},
    [ONLINE_MS] = {.name = "online_ms", .decimals = 0},
    [SNAPSHOTS] = {.name = "snapshots_begun", .decimals = 0},
    [JOINER_MB] = {.name = "joiner_rss_mb", .decimals = 0},
    [DONOR_MB] = {.name = "donor_rss_mb", .decimals = 0},
    [FOUNDER_MB] = {.name = "founder_rss_mb", .decimals = 0},
    [ERRORS] = {.name = "errors", .decimals = 0},
};
static const struct report_figure kill_figures[KILL_FIGURES] = {
    [KILL_RATIO] = {.name = "ratio", .decimals = 2},
    [KILL_P99_US] = {.name = "p99_us", .decimals = 0},
    [KILL_STALL_BEFORE_MS] = {.name = "stall_before_ms", .decimals = 1},
    [KILL_STALL_MS] = {.name = "stall_ms", .decimals = 1},
};

static struct {
  struct report_figure
      figures[REPORTED * WINDOW_FIGURES + RUN_FIGURES + KILL_POINTS_MAX * KILL_FIGURES];
  char names[REPORTED * WINDOW_FIGURES + KILL_POINTS_MAX * KILL_FIGURES][NAME_BYTES];
  size_t count, name_count;
} report;

/* The next figure of the report, made when the first run adds to it. */
static void add(size_t place, const char *of, const struct report_figure *like,
                double value) {
  struct report_figure *figure = &report.figures[place];
  if (place == report.count) {
    *figure = *like;
    report.count++;
    if (of != NULL) {
      char *name = report.names[report.name_count++];
      snprintf(name, NAME_BYTES, "%s_%s", of, like->name);
      figure->name = name;
    }
  }
  summary_add(&figure->runs, value);
}

static double ratio(double value, double to) {
  return to > 0 ? value / to : 0;
}

static size_t add_window(size_t place, const char *of,
                         const struct join_window_figures *w) {
  const double values[WINDOW_FIGURES] = {
      [SECONDS] = w->seconds,        [PER_S] = w->per_s,
      [P50_US] = w->p50_us,          [P99_US] = w->p99_us,
      [GAP_MS] = w->longest_gap_ms,  [FOUNDERS_CPU] = w->cpu[0] + w->cpu[1] + w->cpu[2],
      [JOINER_CPU] = w->cpu[JOINER],
  };
  for (size_t i = 0; i < WINDOW_FIGURES; i++)
    add(place++, of, &window_figures[i], values[i]);
  return place;
}

/* Answers how many errors there were. */
static double run_join(const struct settings *s) {
  struct join_figures f;
  struct join_options options = options_of(s, JOIN_KILL_NEVER);
  join_run(&options, &f);
  size_t place = add_window(0, "before", &f.windows[JOIN_BEFORE]);
  place = add_window(place, "during", &f.during);
  place = add_window(place, "snapshot", &f.windows[JOIN_SNAPSHOT]);
  place = add_window(place, "log", &f.windows[JOIN_LOG]);
  place = add_window(place, "after", &f.windows[JOIN_AFTER]);
  const struct join_window_figures *before = &f.windows[JOIN_BEFORE];
  const double values[RUN_FIGURES] = {
      [DURING_RATIO] = ratio(f.during.per_s, before->per_s),
      [DURING_P99_RATIO] = ratio(f.during.p99_us, before->p99_us),
      [SNAPSHOT_RATIO] = ratio(f.windows[JOIN_SNAPSHOT].per_s, before->per_s),
      [SNAPSHOT_P99_RATIO] = ratio(f.windows[JOIN_SNAPSHOT].p99_us, before->p99_us),
      [LOG_RATIO] = ratio(f.windows[JOIN_LOG].per_s, before->per_s),
      [LOG_P99_RATIO] = ratio(f.windows[JOIN_LOG].p99_us, before->p99_us),
      [ONLINE_MS] = f.online_ms,
      [SNAPSHOTS] = f.snapshots,
      [JOINER_MB] = f.joiner_mb,
      [DONOR_MB] = f.donor_mb,
      [FOUNDER_MB] = f.founder_mb,
      [ERRORS] = f.errors,
  };
  for (size_t i = 0; i < RUN_FIGURES; i++) add(place++, NULL, &run_figures[i], values[i]);
  return f.errors;
}

/* Behind the figures of the join. */
static double run_kill(const struct settings *s, size_t kill) {
  struct join_figures f;
  struct join_options options = options_of(s, s->kills[kill]);
  char of[NAME_BYTES / 2];
  join_run(&options, &f);
  double stall = 0;
  for (int i = JOIN_SNAPSHOT; i < JOIN_WINDOWS; i++)
    if (f.windows[i].longest_gap_ms > stall) stall = f.windows[i].longest_gap_ms;
  const struct join_window_figures *after = &f.windows[JOIN_AFTER];
  const double values[KILL_FIGURES] = {
      [KILL_RATIO] = ratio(after->per_s, f.windows[JOIN_BEFORE].per_s),
      [KILL_P99_US] = after->p99_us,
      [KILL_STALL_BEFORE_MS] = f.windows[JOIN_BEFORE].longest_gap_ms,
      [KILL_STALL_MS] = stall,
  };
  snprintf(of, sizeof(of), "killed_at_%llu", (unsigned long long)s->kills[kill]);
  size_t place = REPORTED * WINDOW_FIGURES + RUN_FIGURES + kill * KILL_FIGURES;
  for (size_t i = 0; i < KILL_FIGURES; i++)
    add(place + i, of, &kill_figures[i], values[i]);
  return f.errors;
}

int main(int argc, char **argv) {
  struct settings s = parse(argc, argv);
  double errors = 0;
  for (uint64_t run = 0; run < s.repeat; run++) {
    errors += run_join(&s);
    for (size_t i = 0; i < s.kill_count; i++) errors += run_kill(&s, i);
  }
  report_print(report.figures, report.count, s.json);
  if (errors == 0) return EXIT_SUCCESS;
  fprintf(stderr,
          "join-bench: the snapshot or a message is not what was sent, or a member "
          "was a voter before it was ONLINE\n");
  return EXIT_FAILURE;
}
