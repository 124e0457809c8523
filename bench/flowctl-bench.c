/* SPDX-License-Identifier: MIT
 *
 * flowctl-bench: the law of flow control in closed loops (see flow_world.h), and beside
 * it that of MySQL Group Replication in the same ones.
 */
#include "arguments.h"
#include "flow_plot.h"
#include "flow_scenarios.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define WARMUP_PERIODS 10
/* Of fewer, a tenth of a period holds too few for its deviation to mean anything. */
#define PARTS_FROM 1000.0

/* After the first ten periods. */
struct figures {
  double mean;         /* admitted in a period */
  double stddev;       /* of that, in percent of the mean */
  double parts_stddev; /* the same of tenths of periods */
  double busy;         /* percent of the time in which the slowest had work */
  double backlog;      /* the most, in percent of its limit */
  uint32_t over;       /* periods in which it was beyond the limit at some moment */
};

static double mean_of(const uint64_t *values, size_t count) {
  double sum = 0;
  for (size_t i = 0; i < count; i++) sum += (double)values[i];
  return sum / (double)count;
}

static double stddev_percent(const uint64_t *values, size_t count) {
  double mean = mean_of(values, count), sum = 0;
  for (size_t i = 0; i < count; i++)
    sum += ((double)values[i] - mean) * ((double)values[i] - mean);
  return mean > 0 ? 100 * sqrt(sum / (double)count) / mean : 100;
}

static struct figures figures_of(const struct flow_series *series, uint32_t periods) {
  size_t count = periods - WARMUP_PERIODS;
  struct figures f = {.mean = mean_of(series->admitted + WARMUP_PERIODS, count)};
  f.stddev = stddev_percent(series->admitted + WARMUP_PERIODS, count);
  f.parts_stddev =
      stddev_percent(series->parts + WARMUP_PERIODS * FLOW_PARTS, count * FLOW_PARTS);
  for (uint32_t i = WARMUP_PERIODS; i < periods; i++) {
    f.busy += 100 * series->busy[i] / (double)count;
    if (series->backlog[i] > f.backlog) f.backlog = series->backlog[i];
    f.over += series->backlog[i] > 100;
  }
  return f;
}

static void print_row(const struct flow_scenario *s, const char *law,
                      const struct figures *f, bool markdown) {
  char busy[16] = "-", stddev[16] = "-", parts[16] = "-";
  if (s->saturated) snprintf(busy, sizeof(busy), "%.1f", f->busy);
  if (s->steady) snprintf(stddev, sizeof(stddev), "%.1f", f->stddev);
  if (s->steady && f->mean >= PARTS_FROM)
    snprintf(parts, sizeof(parts), "%.1f", f->parts_stddev);
  printf(markdown ? "| %s | %s | %.0f | %s | %s | %s | %.0f | %u |\n"
                  : "%-40s %-12s %8.0f %7s %7s %7s %8.0f %6u\n",
         s->title, law, f->mean, busy, stddev, parts, f->backlog, f->over);
}

static void print_head(uint32_t periods, bool markdown) {
  if (markdown) {
    puts("| Scenario | law | admitted | busy % | stddev % | in tenths % | backlog % | "
         "over |\n|---|---|---:|---:|---:|---:|---:|---:|");
    return;
  }
  printf("%u periods of 1 s, the first %d not counted.\n"
         "admitted: transactions a period, mean. busy: share of the time in which the "
         "slowest applier had work\n  (where demand never ends). stddev: of what is "
         "admitted in a "
         "period, in %% of the mean (where nothing changes);\n  in tenths: the same of "
         "tenths of "
         "periods. backlog: the longest, in %% of its limit (joiners count when\n  they "
         "have "
         "caught up). over: periods in which it was beyond the limit at some moment.\n\n",
         periods, WARMUP_PERIODS);
  printf("%-40s %-12s %8s %7s %7s %7s %8s %6s\n", "scenario", "law", "admitted", "busy",
         "stddev", "tenths", "backlog", "over");
}

struct settings {
  uint64_t periods;
  const char *only, *plot;
  bool json, markdown;
};

static struct settings parse(int argc, char **argv) {
  struct settings s = {.periods = 130};
  const struct argument arguments[] = {
      {"--periods", "of virtual time, 1 s each", .number = &s.periods, .lowest = 20,
       .highest = FLOW_PERIODS_MAX},
      {"--scenario", "only this one", .text = &s.only},
      {"--plot", "draws to this PNG, with gnuplot", .text = &s.plot},
      {"--markdown", "the table is in Markdown", .flag = &s.markdown},
      {"--json",
       "the last line is JSON: the worst of all scenarios, of this library's law",
       .flag = &s.json},
  };
  arguments_parse("flowctl-bench", "Flow control in simulated closed loops.", arguments,
                  sizeof(arguments) / sizeof(arguments[0]), argc, argv);
  if (s.only && s.plot) {
    fputs("flowctl-bench: --plot draws some of all scenarios\n", stderr);
    exit(2);
  }
  return s;
}

static void worsen(struct figures *worst, const struct flow_scenario *scenario,
                   const struct figures *f) {
  if (scenario->saturated && f->busy < worst->busy) worst->busy = f->busy;
  if (scenario->steady && f->stddev > worst->stddev) worst->stddev = f->stddev;
  worst->over += f->over;
}

static bool draw(const char *path, const struct flow_series *ours,
                 const struct flow_series *mysql, uint32_t periods) {
  static const char *const drawn[] = {"16-8", "100k-40k", "pause-10s"};
  enum { COLUMNS = sizeof(drawn) / sizeof(drawn[0]) };
  struct flow_curve curves[COLUMNS];
  for (size_t k = 0; k < COLUMNS; k++)
    for (size_t i = 0; i < flow_scenario_count; i++) {
      const struct flow_scenario *s = &flow_scenarios[i];
      if (strcmp(s->name, drawn[k]) == 0)
        curves[k] = (struct flow_curve){s->title, s->members[s->slowest].applies_per_s,
                                        &ours[i], &mysql[i]};
    }
  return flow_plot(path, curves, COLUMNS, periods);
}

int main(int argc, char **argv) {
  struct settings settings = parse(argc, argv);
  uint32_t periods = (uint32_t)settings.periods;
  struct flow_series *series = calloc(2 * flow_scenario_count, sizeof(*series));
  if (!series) return 1;
  struct flow_series *ours = series, *mysql = series + flow_scenario_count;
  struct figures worst = {.busy = 100};
  print_head(periods, settings.markdown);
  size_t run = 0;
  for (size_t i = 0; i < flow_scenario_count; i++) {
    struct flow_scenario s = flow_scenarios[i];
    if (settings.only && strcmp(settings.only, s.name) != 0) continue;
    s.options.size = sizeof(s.options);
    flow_world_run(&s, flow_law_ours, periods, &ours[i]);
    flow_world_run(&s, flow_law_mysql, periods, &mysql[i]);
    const struct figures own = figures_of(&ours[i], periods);
    const struct figures other = figures_of(&mysql[i], periods);
    print_row(&s, "libgroupcomm", &own, settings.markdown);
    print_row(&s, "MySQL GR", &other, settings.markdown);
    worsen(&worst, &s, &own);
    run++;
  }
  if (run == 0) {
    fprintf(stderr, "flowctl-bench: there is no scenario %s\n", settings.only);
    return 2;
  }
  bool drawn = !settings.plot || draw(settings.plot, ours, mysql, periods);
  if (!drawn) fprintf(stderr, "flowctl-bench: gnuplot did not draw %s\n", settings.plot);
  if (settings.json)
    printf("{\"slowest_busy_percent\":%.2f,\"admitted_stddev_percent\":%.2f,"
           "\"periods_over_threshold\":%u}\n",
           worst.busy, worst.stddev, worst.over);
  free(series);
  return drawn ? 0 : 1;
}
