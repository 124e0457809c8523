/* SPDX-License-Identifier: MIT
 *
 * The applier's own state, and what its files do for each other.
 *
 *   applier.c         start, stop, queries
 *   applier_submit.c  the submitting thread: room, payloads, dependencies
 *   applier_worker.c  the workers: which one takes what, retries, errors
 *   applier_order.c   what is over: the position, the gate, and who waits for them
 *   applier_hold.c    keys that local transactions hold
 *
 * Transactions are in a ring of slots, in the order of their submission, by an index that
 * counts for ever; `head` to `tail` are in use:
 *
 *        head                  gate                unstarted              tail
 *  retired |  some are applied  |  some run or wait  |  none is started    |
 *                                  at the gate
 *
 * So everything up to head's seqno - 1 is applied: the low-water mark, by which
 * dependencies are judged. Who depends on more waits in the list of the last slot that it
 * depends on, and becomes ready when head passes that. Payloads are in a ring of bytes,
 * in the same order.
 *
 * The mutex guards all but what is said to be the submitting thread's, or atomic, and the
 * contents of a slot from its start to its end, which are its worker's.
 */
#ifndef GR_POSIX_APPLIER_H
#define GR_POSIX_APPLIER_H

#include "posix/applier_hold.h"
#include "posix/ready_set.h"

#include <gr/applier.h>

#include <pthread.h>
#include <stdalign.h>
#include <stdatomic.h>

#define GR_APPLIER_NONE UINT64_MAX /* no index */

enum gr_slot_state {
  GR_SLOT_WAITING, /* for what it depends on; or it will never be started any more */
  GR_SLOT_READY,
  GR_SLOT_PAUSED, /* until it is tried again */
  GR_SLOT_RUNNING,
  GR_SLOT_LOCAL, /* a local transaction, until its thread leaves the gate */
  GR_SLOT_DONE
};

/* A thread that waits for a slot's turn at the gate; on its stack. */
struct gr_gate_waiter {
  pthread_cond_t turn;
};

struct gr_applier_slot {
  gr_applier_work work;
  const uint64_t *keys; /* in the ring of bytes */
  size_t key_count;
  uint64_t bytes_end;     /* where the ring of bytes is free to when this retires */
  uint64_t first_waiting; /* the list of those that depend on this one */
  uint64_t next;          /* in that list, or in that of the paused ones */
  gr_time due;            /* if paused */
  struct gr_gate_waiter *at_gate;
  enum gr_slot_state state;
  bool has_left; /* the gate */
  bool is_local;
};

struct gr_applier_worker {
  struct gr_applier *applier;
  uint32_t number;
  pthread_t thread;
  pthread_cond_t wake;
  bool is_idle; /* in the list of idle ones */
  struct gr_applier_worker *next_idle;
};

/* A thread in gr_applier_wait(); on its stack, in a list by ascending seqno. */
struct gr_position_waiter {
  gr_seqno seqno;
  pthread_cond_t cond;
  struct gr_position_waiter *before;
  struct gr_position_waiter *behind;
  bool is_listed;
};

struct gr_applier {
  /* Never changes after the start. */
  gr_applier_options options;
  gr_applier_host host;
  bool is_gated; /* workers may wait at the gate */
  struct gr_applier_slot *slots;
  uint64_t slot_mask;
  uint8_t *bytes;
  struct gr_applier_worker *workers;
  uint32_t worker_count;
  pthread_condattr_t monotonic;
  struct gr_holds holds;

  /* The submitting thread's. */
  alignas(64) uint64_t bytes_tail;

  /* What has retired, for the submitting thread and for queries: written under the mutex.
   */
  alignas(64) _Atomic uint64_t head;
  _Atomic uint64_t bytes_head;
  _Atomic gr_seqno applied;
  _Atomic uint64_t gate; /* the slot whose turn it is */

  alignas(64) pthread_mutex_t mutex;
  uint64_t tail;
  gr_seqno submitted; /* the last seqno */
  uint64_t unstarted; /* all before are started */
  struct gr_ready_set ready;
  uint64_t first_paused;
  uint32_t running;

  struct gr_applier_worker *idle;       /* the latest first: its caches are warm */
  bool is_waking;                       /* one was woken, and has not looked yet */
  struct gr_applier_worker *timekeeper; /* the idle one that sleeps until a pause ends */
  gr_time timekeeper_due;

  /* The end: nothing is started, or enters the gate, from this index on. */
  uint64_t end;
  gr_seqno end_seqno;
  bool is_stopping;
  int error; /* of the transaction `failed_seqno` */
  gr_seqno failed_seqno;
  bool has_told_failure;

  gr_seqno told;   /* what host.applied was told last */
  bool is_telling; /* a thread is at it */

  struct gr_position_waiter *first_waiter;
  struct gr_position_waiter *last_waiter;
  pthread_cond_t room; /* for the submitting thread */
  bool wants_room;
  uint32_t visitors;   /* threads that wait in a call */
  pthread_cond_t left; /* there are none */

  uint64_t remote, local, retries;
  _Atomic uint64_t victims;
};

static inline struct gr_applier_slot *gr_applier_slot_at(const struct gr_applier *applier,
                                                         uint64_t index) {
  return applier->slots + (index & applier->slot_mask);
}

/* ---- applier_worker.c ---- */

/* The worker's thread. */
void *gr_applier_work_loop(void *context);

/* Whether this thread is a worker of `applier`. */
bool gr_applier_is_worker(const struct gr_applier *applier);

void gr_applier_make_ready(struct gr_applier *applier, uint64_t index);

/* Releases the mutex. Wakes one worker if there is something for it to do; that one wakes
 * the next. */
void gr_applier_unlock(struct gr_applier *applier);

/* From now on nothing is started from `end` on; who waits in vain is woken. */
void gr_applier_set_end(struct gr_applier *applier, uint64_t end);

/* Has those that wait for one of this token's keys tried again. */
void gr_applier_retry_blocked(struct gr_applier *applier, uint64_t token);

/* Tells the host of local transactions that hold one of the keys. Without the mutex. */
void gr_applier_tell_victims(struct gr_applier *applier, const uint64_t *keys,
                             size_t count, gr_seqno winner);

/* ---- applier_order.c ---- */

/* The first index whose seqno is greater than `seqno`, of `from` to `tail`. */
uint64_t gr_applier_find_behind(const struct gr_applier *applier, uint64_t from,
                                uint64_t tail, gr_seqno seqno);

/* Index of a transaction that is not retired; GR_APPLIER_NONE. */
uint64_t gr_applier_find(const struct gr_applier *applier, gr_seqno seqno);

/* Waits for this slot's turn, with the mutex held. GR_OK, GR_ERR_HALTED. */
int gr_applier_await_turn(struct gr_applier *applier, uint64_t index);

/* A transaction is applied: what was waiting for that goes on. */
void gr_applier_finish(struct gr_applier *applier, uint64_t index);

/* Retires what is over, and moves the position. */
void gr_applier_advance(struct gr_applier *applier);

/* Calls host.applied and host.failed if there is something to tell. Releases the mutex
 * meanwhile.
 */
void gr_applier_tell(struct gr_applier *applier);

/* Wakes the threads that wait for what will not come. */
void gr_applier_dismiss_waiters(struct gr_applier *applier);

/* A thread begins, and ends, to wait in a call; gr_applier_stop() waits for it. */
void gr_applier_visit(struct gr_applier *applier);
void gr_applier_depart(struct gr_applier *applier);

#endif
