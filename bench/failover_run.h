/* SPDX-License-Identifier: MIT
 *
 * One run of failover-bench: three members, each with a client that sends at a steady
 * rate and has some messages in flight; then one member is killed, or stopped for a
 * while.
 *
 * A message is acknowledged when it is delivered at the member that sent it. What each
 * member delivered, in order, is kept in memory that the processes share, so that what a
 * killed member acknowledged is known as well:
 *
 *   log of member 1   (1,1) (3,1) (1,2) (2,1) ...   origin and number, from the messages'
 *   log of member 2   (1,1) (3,1) (1,2)             own stamps
 */
#ifndef BENCH_FAILOVER_RUN_H
#define BENCH_FAILOVER_RUN_H

#include "local_group.h"

#define FAILOVER_MEMBERS 3u
#define FAILOVER_LOG_MAX (1u << 24) /* deliveries at one member */
#define FAILOVER_RATE_MAX 100000u   /* keeps the longest run within the log */
#define FAILOVER_SECONDS_MAX 30u

struct failover_options {
  uint64_t message_bytes;
  uint64_t in_flight; /* of each client at most */
  uint64_t rate;      /* messages a second of each client */
  uint64_t warmup_ns; /* before the fault */
  uint64_t fault_ns;  /* killed: how long the load goes on; stopped: how long it is */
  bool kill_leader;   /* else another member */
  bool stop;          /* stopped and continued, not killed */
};

enum failover_figure {
  STALL_MS, /* longest time between acknowledgements at a survivor, from the fault on */
  STALL_AT_MS,       /* when it began, after the fault */
  GAP_BEFORE_MS,     /* the same before the fault: what the machine does by itself */
  ACKNOWLEDGED,      /* messages, of all members, the killed one included */
  LOST_ACKNOWLEDGED, /* of them missing at a survivor */
  DUPLICATES,        /* delivered again at a survivor */
  ORDER_ERRORS,      /* places where a member's order is another, and wrong stamps */
  LEADER_CHANGES,    /* since the fault, as all members together noticed them */
  CATCH_UP_MS, /* stopped: from being continued until it had all that the others had */
  FELL_BEHIND, /* stopped: 1 if it halted since the others no longer kept what it lacked
                */
  FAILOVER_FIGURES
};

/* Runs it; ends the process with one line if it cannot. */
void failover_run(const struct failover_options *options,
                  double figures[FAILOVER_FIGURES]);

/* ---- between the parent and the members ---- */

enum failover_phase {
  FAILOVER_FORM,
  FAILOVER_LOAD,
  FAILOVER_FAULT,
  FAILOVER_DRAIN,
  FAILOVER_END
};

struct failover_report {
  _Alignas(64) _Atomic uint64_t delivered; /* entries of the log */
  _Atomic uint64_t acknowledged;           /* own messages delivered here */
  _Atomic uint64_t sent;
  _Atomic bool quiet; /* sends no more */
  _Atomic int halted; /* the error, if the member has halted */
  _Atomic uint64_t stamp_errors;
  _Atomic uint64_t last_ns; /* of the last acknowledgement */
  _Atomic uint64_t gap_before_ns;
  _Atomic uint64_t gap_after_ns;
  _Atomic uint64_t gap_after_began_ns;
};

struct failover_shared {
  struct local_group group;
  _Alignas(64) _Atomic uint32_t phase;
  struct failover_report reports[FAILOVER_MEMBERS];
};

struct failover_context {
  const struct failover_options *options;
  struct failover_shared *shared;
  uint64_t *logs; /* FAILOVER_LOG_MAX entries of each member */
};

#define FAILOVER_ORIGIN_SHIFT 56

static inline uint64_t failover_entry(gr_member_id origin, uint64_t number) {
  return origin << FAILOVER_ORIGIN_SHIFT | number;
}

/* A member's process, from start to end. */
child_function failover_member_run;

/* ---- the verdict ---- */

struct failover_log {
  const uint64_t *entries;
  uint64_t count;
  bool survived; /* it must hold everything; a killed member's may end early */
};

struct failover_verdict {
  uint64_t acknowledged;
  uint64_t lost_acknowledged;
  uint64_t duplicates;
  uint64_t order_errors;
};

/* Compares what the members delivered; `logs[i]` is that of member i + 1. */
struct failover_verdict failover_check(const struct failover_log *logs, size_t count);

#endif
