/* SPDX-License-Identifier: MIT
 *
 * Draws what was admitted and what waited, period by period, as a PNG, with gnuplot.
 */
#ifndef BENCH_FLOW_PLOT_H
#define BENCH_FLOW_PLOT_H

#include "flow_world.h"

struct flow_curve {
  const char *title; /* of the scenario: one column of the picture */
  double scale;      /* of what is admitted: the speed of the slowest */
  const struct flow_series *ours, *mysql;
};

/* False if gnuplot could not be run, or failed. */
bool flow_plot(const char *path, const struct flow_curve *curves, size_t count,
               uint32_t periods);

#endif
