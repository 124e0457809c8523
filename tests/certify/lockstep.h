/* SPDX-License-Identifier: MIT
 *
 * One history, made of choices, for the real certifier and the naive one. Beside them
 * another real one is made again and again from what the first exports while it goes on,
 * or from the history itself, and takes its place.
 */
#ifndef TESTS_CERTIFY_LOCKSTEP_H
#define TESTS_CERTIFY_LOCKSTEP_H

#include "naive.h"

/* Where choices come from: a number in 0 .. bound - 1, bound > 0. */
typedef uint64_t lockstep_choose(void *context, uint64_t bound);

struct lockstep_counts {
  uint64_t certifications;
  uint64_t verdicts[GR_VERDICT_TOO_LARGE + 1];
  uint64_t refused_calls; /* write sets that are no such, and seqnos that do not ascend */
  uint64_t imports;
  uint64_t overtaken;
  uint64_t rebuilds;
  uint64_t forced; /* times that the floor rose above the watermark */
};

/* Runs a history of so many steps, on certifiers of limits that are chosen first. NULL,
 * or what went wrong first. Adds to the counts. */
const char *lockstep_run(lockstep_choose *choose, void *context, uint64_t steps,
                         struct lockstep_counts *counts);

#endif
