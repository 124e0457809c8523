/* SPDX-License-Identifier: MIT
 *
 * One figure over several runs: its median, and how far the runs lie apart.
 */
#ifndef BENCH_SUMMARY_H
#define BENCH_SUMMARY_H

#include <stddef.h>

#define SUMMARY_RUNS_MAX 100

struct summary {
  double values[SUMMARY_RUNS_MAX];
  size_t count;
};

/* At most SUMMARY_RUNS_MAX values. */
void summary_add(struct summary *summary, double value);

/* Each is 0 if there are no values. */
double summary_median(const struct summary *summary);
double summary_lowest(const struct summary *summary);
double summary_highest(const struct summary *summary);

#endif
