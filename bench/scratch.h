/* SPDX-License-Identifier: MIT
 *
 * A directory for the files of one run.
 */
#ifndef BENCH_SCRATCH_H
#define BENCH_SCRATCH_H

#include <limits.h>

struct scratch {
  char path[PATH_MAX];
};

/* Makes an empty one inside `parent`, which is made too if it is not there. Ends the
 * process with one line if it cannot. */
struct scratch scratch_make(const char *parent);

/* Removes it with all that is in it. */
void scratch_remove(const struct scratch *scratch);

#endif
