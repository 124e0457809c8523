/* SPDX-License-Identifier: MIT
 *
 * storage-bench: what the disk can do (see disk.h), and beside it the library's log and a
 * member that comes back from it (see log_run.h).
 */
#include "arguments.h"
#include "clock.h"
#include "disk.h"
#include "log_run.h"
#include "report.h"
#include "scratch.h"

#include <stdio.h>
#include <stdlib.h>

enum figure {
  APPEND_P50_US,
  APPEND_P99_US,
  OVERWRITE_P50_US,
  OVERWRITE_P99_US,
  STORE_P50_US,
  STORE_P99_US,
  STORE_INLINE_P50_US,
  STORE_INLINE_P99_US,
  DISK_MB_PER_S,
  REPLAY_16K_LOG_MB_PER_S,
  REPLAY_16K_MEMBER_MB_PER_S,
  REPLAY_1K_LOG_MB_PER_S,
  REPLAY_1K_MEMBER_MB_PER_S,
  FIGURES
};

struct settings {
  const char *directory;
  uint64_t milliseconds, mib, repeat;
  bool json;
};

static struct settings parse(int argc, char **argv) {
  struct settings s = {.milliseconds = 1000, .mib = 1024, .repeat = 1};
  const struct argument arguments[] = {
      {"--directory", "on the disk that is measured", .text = &s.directory},
      {"--milliseconds", "for each kind of sync", .number = &s.milliseconds, .lowest = 1,
       .highest = 3600000},
      {"--mib", "written for the bandwidth, and size of the logs given back",
       .number = &s.mib, .lowest = 1, .highest = 1 << 20},
      {"--repeat", "runs; prints median and spread", .number = &s.repeat, .lowest = 1,
       .highest = SUMMARY_RUNS_MAX},
      {"--json", "the last line is JSON", .flag = &s.json},
  };
  arguments_parse("storage-bench",
                  "The disk's own figures, the log's, and the speed of coming back.",
                  arguments, sizeof(arguments) / sizeof(arguments[0]), argc, argv);
  if (s.directory != NULL) return s;
  fprintf(stderr, "storage-bench: --directory is needed; see --help\n");
  exit(2);
}

/* The median is the figure at `p50`, the 99th percentile the one behind it. */
static void add_times(struct report_figure *p50, const struct histogram *times) {
  summary_add(&p50[0].runs, (double)histogram_percentile(times, 0.5) / 1e3);
  summary_add(&p50[1].runs, (double)histogram_percentile(times, 0.99) / 1e3);
}

static void run_disk(const struct settings *s, struct report_figure *figures) {
  for (int append = 0; append < 2; append++) {
    struct histogram times = {.count = 0};
    disk_write_and_sync(s->directory, append, s->milliseconds * BENCH_MILLISECOND_NS,
                        &times);
    add_times(&figures[append ? APPEND_P50_US : OVERWRITE_P50_US], &times);
  }
  summary_add(&figures[DISK_MB_PER_S].runs, disk_bandwidth(s->directory, s->mib << 20));
}

static void run_store(const struct settings *s, struct report_figure *figures) {
  for (int own_thread = 0; own_thread < 2; own_thread++) {
    struct histogram times = {.count = 0};
    const struct scratch log = scratch_make(s->directory);
    log_run_store(log.path, own_thread, s->milliseconds * BENCH_MILLISECOND_NS, &times);
    scratch_remove(&log);
    add_times(&figures[own_thread ? STORE_P50_US : STORE_INLINE_P50_US], &times);
  }
}

/* The figure at `log` and the one behind it. */
static void run_replay(const struct settings *s, uint64_t message_bytes,
                       struct report_figure *log) {
  const struct scratch directory = scratch_make(s->directory);
  const struct log_replay replay =
      log_run_replay(directory.path, message_bytes, s->mib << 20);
  scratch_remove(&directory);
  summary_add(&log[0].runs, replay.log_mb_per_s);
  summary_add(&log[1].runs, replay.member_mb_per_s);
}

int main(int argc, char **argv) {
  static struct report_figure figures[FIGURES] = {
      [APPEND_P50_US] = {.name = "append_p50_us", .decimals = 1},
      [APPEND_P99_US] = {.name = "append_p99_us", .decimals = 1},
      [OVERWRITE_P50_US] = {.name = "overwrite_p50_us", .decimals = 1},
      [OVERWRITE_P99_US] = {.name = "overwrite_p99_us", .decimals = 1},
      [STORE_P50_US] = {.name = "store_p50_us", .decimals = 1},
      [STORE_P99_US] = {.name = "store_p99_us", .decimals = 1},
      [STORE_INLINE_P50_US] = {.name = "store_inline_p50_us", .decimals = 1},
      [STORE_INLINE_P99_US] = {.name = "store_inline_p99_us", .decimals = 1},
      [DISK_MB_PER_S] = {.name = "disk_mb_per_s"},
      [REPLAY_16K_LOG_MB_PER_S] = {.name = "replay_16k_log_mb_per_s"},
      [REPLAY_16K_MEMBER_MB_PER_S] = {.name = "replay_16k_member_mb_per_s"},
      [REPLAY_1K_LOG_MB_PER_S] = {.name = "replay_1k_log_mb_per_s"},
      [REPLAY_1K_MEMBER_MB_PER_S] = {.name = "replay_1k_member_mb_per_s"},
  };
  struct settings s = parse(argc, argv);
  for (uint64_t run = 0; run < s.repeat; run++) {
    run_disk(&s, figures);
    run_store(&s, figures);
    run_replay(&s, 16384, &figures[REPLAY_16K_LOG_MB_PER_S]);
    run_replay(&s, 1024, &figures[REPLAY_1K_LOG_MB_PER_S]);
  }
  report_print(figures, FIGURES, s.json);
  return EXIT_SUCCESS;
}
