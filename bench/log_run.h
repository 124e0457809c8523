/* SPDX-License-Identifier: MIT
 *
 * The library's log alone, and a whole member that comes back from it, in one process and
 * without a network.
 */
#ifndef BENCH_LOG_RUN_H
#define BENCH_LOG_RUN_H

#include "histogram.h"

#include <stdbool.h>

/* Stores one record of 128 bytes at a time in a new log in this directory, for so long:
 * from the call that appends it until it is durable. By the log's own thread, which a
 * member under load has write; or on the caller's, as a member does that has little to
 * write. */
void log_run_store(const char *directory, bool by_own_thread, uint64_t duration_ns,
                   struct histogram *times);

struct log_replay {
  double log_mb_per_s;    /* through the log alone, from the system's cache */
  double member_mb_per_s; /* and given to a member, which delivers it all */
};

/* Has a group of one member order messages of a size until its log in this directory has
 * grown to `log_bytes`, then gives it back. */
struct log_replay log_run_replay(const char *directory, uint64_t message_bytes,
                                 uint64_t log_bytes);

#endif
