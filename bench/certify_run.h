/* SPDX-License-Identifier: MIT
 *
 * A certifier at work: a table that is as full as the window makes it, with a stream of
 * transactions of which the oldest are purged as fast as new ones come. Rates are of
 * processor time: what one core does that does nothing else.
 */
#ifndef BENCH_CERTIFY_RUN_H
#define BENCH_CERTIFY_RUN_H

#include <gr/certify.h>

#include <stddef.h>
#include <stdint.h>

struct certify_settings {
  uint64_t mib;          /* of the certifier */
  uint64_t keys;         /* EXCLUSIVE ones, of each transaction */
  uint64_t hit_percent;  /* keys that are of a row that committed, and is not purged */
  uint64_t lag;          /* seqnos that snapshots lie behind */
  uint64_t window;       /* transactions that the watermark lies behind; 0, or too many:
                            as many as fill the table, but for a sixteenth */
  uint64_t ahead;        /* transactions that are announced before their turn */
  uint64_t transactions; /* timed */
};

struct certify_figures {
  double transactions_per_s;
  double conflict_percent;
  uint64_t rows;
  double bytes_per_row;
};

/* Fills the table, then measures. Ends the process if something is wrong. */
struct certify_figures certify_run(const struct certify_settings *settings);

struct certify_steps {
  double purge_ns_per_row;
  double longest_us;         /* see certify_steps_run() */
  double longest_of_once_us; /* the longest of all, whatever the reason */
  uint64_t steps;
  uint64_t rows;
};

/* Certifies over so many live rows, while the watermark advances step by step, stands
 * still, and at last jumps by all rows at once. Every call is measured, in several runs
 * that are the same call by call; a call's time is the least that it took in any, so that
 * what the operating system did meanwhile does not count, and what the call itself does
 * is in all. */
struct certify_steps certify_steps_run(uint64_t rows, uint64_t keys, unsigned runs);

#endif
