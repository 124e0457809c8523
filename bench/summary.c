/* SPDX-License-Identifier: MIT
 *
 * The values are kept in ascending order.
 */
#include "summary.h"

void summary_add(struct summary *summary, double value) {
  size_t i = summary->count++;
  for (; i > 0 && summary->values[i - 1] > value; i--)
    summary->values[i] = summary->values[i - 1];
  summary->values[i] = value;
}

double summary_median(const struct summary *summary) {
  if (summary->count == 0) return 0;
  size_t middle = summary->count / 2;
  if (summary->count % 2 == 1) return summary->values[middle];
  return (summary->values[middle - 1] + summary->values[middle]) / 2;
}

double summary_lowest(const struct summary *summary) {
  return summary->count == 0 ? 0 : summary->values[0];
}

double summary_highest(const struct summary *summary) {
  return summary->count == 0 ? 0 : summary->values[summary->count - 1];
}
