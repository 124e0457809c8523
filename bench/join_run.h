/* SPDX-License-Identifier: MIT
 *
 * One run of join-bench: three founders under full load, and a fourth process that joins
 * them and is given a snapshot, or is killed on its way.
 *
 * Each founder keeps so many messages in flight, and sends the next when one comes back.
 * The time is cut into windows, for each of which deliveries, latency (from just before
 * gr_node_broadcast() to the own delivery, of each 17th message) and the longest time
 * without a delivery are taken:
 *
 *   BEFORE    nobody joins
 *   SNAPSHOT  from the joiner's start until it has the snapshot
 *   LOG       until it is ONLINE: it gets what was ordered meanwhile
 *   AFTER     it is a voter like the others; or it was killed, and is removed
 *
 * Unless they are to be fresh, the founders' memory is locked, so that all of it is there
 * before the first message, as in members that have run for long: a cache that grows into
 * pages that were never used is as slow as the system is at giving them.
 *
 * Verified: every byte of the snapshot; each message at each member, as in gr-bench; that
 * all end with the same history; and that no founder ever is in a view with other voters
 * than the three, until the joiner is ONLINE.
 */
#ifndef BENCH_JOIN_RUN_H
#define BENCH_JOIN_RUN_H

#include "histogram.h"
#include "local_group.h"

#define JOIN_FOUNDERS 3u
#define JOINER JOIN_FOUNDERS /* its index */
#define JOIN_PROCESSES (JOIN_FOUNDERS + 1)
#define JOIN_LATENCY_STRIDE 17u
#define JOIN_KILL_NEVER UINT64_MAX

struct join_options {
  uint64_t message_bytes;
  uint64_t in_flight; /* of each founder */
  uint64_t snapshot_bytes;
  uint64_t snapshot_bytes_per_s; /* 0: the library's default */
  uint64_t cache_bytes;          /* cache_bytes_max */
  uint64_t measured_ns;          /* before, and after */
  bool apart;                    /* the joiner has a processor to itself */
  bool fresh;                    /* the founders have never used their caches */
  uint64_t kill_at; /* percent of the snapshot; 0: as soon as it is admitted; 100: when
                       it has all of it, and gets the log */
};

enum join_window {
  JOIN_IDLE,
  JOIN_BEFORE,
  JOIN_SNAPSHOT,
  JOIN_LOG,
  JOIN_AFTER,
  JOIN_WINDOWS
};

struct join_window_figures {
  double seconds;
  double per_s;               /* deliveries at the founder with the fewest */
  double p50_us, p99_us;      /* at all founders */
  double longest_gap_ms;      /* without a delivery, at any founder */
  double cpu[JOIN_PROCESSES]; /* processors in use, by process */
};

struct join_figures {
  struct join_window_figures windows[JOIN_WINDOWS];
  struct join_window_figures during; /* of SNAPSHOT and LOG together */
  double online_ms;                  /* from its start; 0: it was killed */
  double snapshots;                  /* begun at the joiner */
  double donor_mb, founder_mb,
      joiner_mb; /* most memory in use: of the donor, of another */
  double errors; /* whatever was verified and did not hold */
};

/* Runs it; ends the process with one line if it cannot. */
void join_run(const struct join_options *options, struct join_figures *figures);

/* ---- between the parent and the members ---- */

enum join_phase { JOIN_FORM, JOIN_LOAD, JOIN_DRAIN, JOIN_END };

struct join_report {
  _Alignas(64) _Atomic uint64_t delivered; /* the last message's place */
  _Atomic uint64_t sent, acknowledged;
  _Atomic uint64_t errors;
  _Atomic uint64_t members, voters; /* of its view */
  _Atomic uint64_t snapshots;       /* begun here */
  struct {
    _Atomic uint64_t delivered;
    _Atomic uint64_t longest_gap;
    struct histogram latency; /* valid after the window */
  } windows[JOIN_WINDOWS];
  uint64_t digest; /* of the history, at the end */
};

struct join_shared {
  struct local_group group;
  _Alignas(64) _Atomic uint32_t phase;
  _Atomic uint32_t window;
  _Atomic bool joins;                      /* the joiner is to start */
  _Atomic bool admitted, complete, online; /* how far it is */
  _Atomic uint64_t received;               /* bytes of its snapshot */
  _Atomic uint64_t donor;                  /* index of whom it asked last */
  struct join_report reports[JOIN_PROCESSES];
};

struct join_context {
  const struct join_options *options;
  struct join_shared *shared;
};

/* A process, from start to end: a founder's, or the joiner's. */
child_function join_member_run;

#endif
