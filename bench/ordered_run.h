/* SPDX-License-Identifier: MIT
 *
 * One run of gr-bench: a group of real processes over loopback, of which some send. What
 * is measured, and how it is verified that the order was right.
 *
 * Latency is from just before gr_node_broadcast() to the deliver callback at the same
 * member. With up to LATENCY_ALL_IN_FLIGHT messages in flight it is taken of every
 * message, with more of each LATENCY_STRIDE-th, lest reading the clock be what is
 * measured.
 *
 * Verified at every member, of every message: it is the next of its origin and carries
 * that origin's stamp (fifo_errors), it has the next seqno, and a running hash over
 * origins and numbers equals that of all other members each CHECKPOINT_MESSAGES messages
 * and at the end, when every message sent has been delivered everywhere (order_errors).
 *
 * A durable run keeps nothing but the logs, which it removes at the end; its members say
 * now and then that the messages so far are kept, so that the logs stay small.
 */
#ifndef BENCH_ORDERED_RUN_H
#define BENCH_ORDERED_RUN_H

#include "histogram.h"
#include "local_group.h"

#define LATENCY_ALL_IN_FLIGHT 16u
#define LATENCY_STRIDE                                                                   \
  17u /* odd: keeps no step with batches, which tend to be of even sizes */
#define CHECKPOINT_MESSAGES 1000u
#define CHECKPOINTS_MAX (1u << 21)
#define KEPT_BYTES (64u << 20) /* payload after which a durable member checkpoints */

struct ordered_options {
  size_t members;
  size_t senders;
  uint64_t message_bytes;
  uint64_t in_flight; /* messages of each sender */
  uint64_t warmup_ns;
  uint64_t measured_ns;
  bool leader_sends;  /* of fewer senders than members, the leader is one */
  bool from_callback; /* submit from inside the delivered callback, not from a thread */
  const char *data_directory; /* durable: the logs are made in it; NULL: volatile */
};

/* The figures of a run, each a double, in the order in which they are printed. */
enum ordered_figure {
  DELIVERED_PER_S,  /* at the member that delivered the fewest */
  PAYLOAD_MB_PER_S, /* the same in 10^6 bytes */
  P50_US,
  P99_US,
  P999_US,
  CPU_US_PER_MESSAGE, /* of all processes, a message delivered at one member */
  MAX_RSS_MB,         /* of the largest process */
  FIFO_ERRORS,
  ORDER_ERRORS,
  LEADER_CHANGES, /* while it was measured */

  /* Durable runs only; each the median over the members, while it was measured. */
  MESSAGES_PER_SYNC,
  SYNCS_PER_S,
  LOG_MB_PER_S, /* written to the log */
  SYNC_MEAN_US,
  ORDERED_FIGURES
};

#define ORDERED_VOLATILE_FIGURES MESSAGES_PER_SYNC

/* Runs it; ends the process with one line if it cannot. */
void ordered_run(const struct ordered_options *options, double figures[ORDERED_FIGURES]);

/* ---- between the parent and the members ---- */

enum ordered_phase { PHASE_FORM, PHASE_WARMUP, PHASE_MEASURED, PHASE_DRAIN, PHASE_END };

/* What a member's log has done up to a moment. */
struct storage_reading {
  uint64_t now;
  uint64_t delivered;
  gr_node_storage storage;
};

/* What one member tells the parent. */
struct ordered_report {
  _Alignas(64) _Atomic uint64_t delivered; /* as of the end of its last round */
  _Atomic uint64_t sent;                   /* valid once `drained` */
  _Atomic bool sends;                      /* the parent says so before PHASE_WARMUP */
  _Atomic bool drained; /* sends no more; all it sent is delivered here */
  uint64_t fifo_errors; /* these are valid after the process has ended */
  uint64_t order_errors;
  uint64_t hash;
  uint64_t max_rss_kib;
  struct storage_reading measured[2]; /* durable: at the ends of PHASE_MEASURED */
  struct histogram latency;
};

struct ordered_shared {
  struct local_group group;
  _Alignas(64) _Atomic uint32_t phase;
  struct ordered_report reports[PROCESSES_MAX];
};

struct ordered_context {
  const struct ordered_options *options;
  struct ordered_shared *shared;
  uint64_t *checkpoints; /* CHECKPOINTS_MAX of each member */
};

/* A member's process, from start to end. */
child_function ordered_member_run;

#endif
