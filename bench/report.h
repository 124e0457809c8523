/* SPDX-License-Identifier: MIT
 *
 * Prints the figures of a benchmark: of one run as they are, of several the median with
 * the lowest and the highest.
 */
#ifndef BENCH_REPORT_H
#define BENCH_REPORT_H

#include "summary.h"

#include <stdbool.h>

struct report_figure {
  const char *name; /* the key in JSON */
  int decimals;
  struct summary runs; /* left out if it has no values */
};

/* JSON: one object on one line: each name with the median; of several runs also "spread",
 * with [lowest, highest] of each name. Otherwise a table. */
void report_print(const struct report_figure *figures, size_t figure_count, bool json);

#endif
