/* SPDX-License-Identifier: MIT
 *
 * The command line of a benchmark: a table of options, each a flag, a number within
 * limits, one of some words, or any text.
 */
#ifndef BENCH_ARGUMENTS_H
#define BENCH_ARGUMENTS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct argument {
  const char *name;  /* "--seconds" */
  const char *help;  /* one line */
  bool *flag;        /* set when the option is there; or */
  uint64_t *number;  /* the value, from `lowest` to `highest`; or */
  const char **word; /* the value, which is one of `words`; or */
  const char **text; /* the value as it is */
  uint64_t lowest;
  uint64_t highest;
  const char *const *words; /* ends with NULL */
};

/* Reads the command line. Prints one line and ends the process with 2 if it is wrong,
 * with the options and 0 on --help. */
void arguments_parse(const char *program, const char *purpose,
                     const struct argument *arguments, size_t argument_count, int argc,
                     char **argv);

#endif
