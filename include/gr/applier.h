/* SPDX-License-Identifier: MIT
 *
 * The parallel applier, of libgroupcomm-posix: certified transactions come in one order, with
 * what each depends on, and are applied by worker threads, side by side where they may be.
 * doc/applying.md explains it.
 *
 * One thread at a time submits and skips, in the order of seqnos; everything else may be called
 * from any thread at any time, but for what is said below of callbacks and of the end.
 *
 * No lock is held while a callback runs. Callbacks may call gr_applier_applied(),
 * gr_applier_read_figures(), gr_applier_enter(), gr_applier_leave(), gr_applier_hold() and
 * gr_applier_release(). What waits for workers, or brings them work, answers
 * GR_ERR_REENTRANT on a worker's thread, and must not be called in other threads' callbacks.
 */
#ifndef GR_APPLIER_H
#define GR_APPLIER_H

#include <gr/error.h>
#include <gr/types.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef struct gr_applier gr_applier;

#define GR_APPLIER_WORKERS_MAX 256

/* What host.apply and host.commit answer when the engine could not do it now: a lock was not
 * to be had, say. */
#define GR_APPLIER_RETRY 1

/* Set `size` to sizeof(gr_applier_options), and the rest to zero before filling it in. */
typedef struct gr_applier_options {
  size_t size;
  gr_seqno applied;          /* where the host's state begins */
  uint32_t workers;          /* default 4; 1 to GR_APPLIER_WORKERS_MAX */
  uint32_t retries_max;      /* of one transaction; default 10; up to 1,000,000 */
  gr_time retry_pause_ns;    /* before the first; doubles each time, up to 1 s; default 1 ms */
  uint64_t queue_max;        /* transactions submitted and not retired; rounded up to a power
                                of two; default 16,384; 64 to 1,048,576 */
  uint64_t queue_bytes_max;  /* of their payloads and keys; default 64 MiB; 4 KiB to 1 TiB */
  bool any_commit_order;     /* transactions may become visible in another order than that of
                                the seqnos, if they do not depend on each other */
} gr_applier_options;

/* A transaction, as it is submitted. */
typedef struct gr_applier_transaction {
  size_t size;          /* set to sizeof(gr_applier_transaction) */
  gr_seqno seqno;       /* greater than that of the one before */
  gr_seqno depends_on;  /* it is not started before everything up to here is applied: 0:
                           nothing; seqno - 1: all that was before */
  uint64_t tag;         /* the host's own */
  const gr_slice *parts; /* the payload, copied */
  size_t part_count;
  const uint64_t *keys; /* hashes of what it writes, see gr_applier_hold(); may be none */
  size_t key_count;
  bool local;           /* its effects are the work of a client's thread of this member, which
                           calls gr_applier_enter() and gr_applier_leave(); there is no
                           callback for it, and no payload is kept */
} gr_applier_transaction;

/* A transaction, as callbacks get it. */
typedef struct gr_applier_work {
  gr_seqno seqno;
  gr_seqno depends_on;
  uint64_t tag;
  gr_slice payload; /* in one piece, aligned to 16 bytes */
  uint32_t attempt; /* 1, 2, ... */
} gr_applier_work;

/* The callbacks. apply, commit and rollback run on the worker's thread; a worker has one
 * transaction at a time, from apply to its end, so that `worker`, 0, 1, ..., may stand for a
 * session of the engine. */
typedef struct gr_applier_host {
  size_t size;
  void *context;

  /* Does the work. If there is `commit`, only so far that nobody sees it.
   *
   * 0                 done
   * GR_APPLIER_RETRY  undone, and to be called again after a pause, or as soon as a transaction
   *                   that holds one of its keys is released; other work goes on
   * any other         the applier ends at this transaction: see `failed`
   * Required. */
  int (*apply)(void *context, uint32_t worker, const gr_applier_work *work);

  /* Makes visible what apply did, when all before it is visible; without regard to that if
   * any_commit_order is set. Answers as apply; what did not succeed is undone. May be NULL: then
   * apply makes it visible, at any time, or in order if it calls gr_applier_enter() and
   * gr_applier_leave() around that. */
  int (*commit)(void *context, uint32_t worker, const gr_applier_work *work);

  /* Undoes what apply did: it will not be committed, as an error before it, or
   * gr_applier_stop(), has ended the applier. May be NULL. */
  void (*rollback)(void *context, uint32_t worker, const gr_applier_work *work);

  /* Everything up to `applied` is applied. Not called for each step: when it falls behind, it
   * skips to the latest. One call at a time, ascending; on the thread that completed it: a
   * worker's, one in gr_applier_leave(), or the submitting one. May be NULL. */
  void (*applied)(void *context, gr_seqno applied);

  /* The transaction `seqno` could not be applied, for `error`, which is what apply or commit
   * answered; GR_APPLIER_RETRY if more often than retries_max. Everything before it is applied
   * (unless gr_applier_stop() came first), nothing runs any more, and if commits are ordered
   * nothing behind it is visible. Called once; on a worker's thread, one in
   * gr_applier_leave(), or in gr_applier_stop(). May be NULL. */
  void (*failed)(void *context, gr_seqno seqno, int error);

  /* The local transaction `token` holds `key`, which the certified transaction `winner` writes:
   * it can only lose, and is to be rolled back now, so that `winner` need not wait for it. Once
   * for each gr_applier_hold(); possibly just after its release. On the thread that submits,
   * or a worker's, if the keys were held only later and apply answers GR_APPLIER_RETRY. May be
   * NULL. */
  void (*victim)(void *context, uint64_t token, uint64_t key, gr_seqno winner);
} gr_applier_host;

/* Figures, for monitoring and flow control. */
typedef struct gr_applier_figures {
  size_t size;           /* set to sizeof(gr_applier_figures) before the call */
  gr_seqno submitted;    /* the last that was submitted or skipped */
  gr_seqno applied;      /* as gr_applier_applied() */
  uint64_t queued;       /* transactions that are not retired: applied, with all before them */
  uint64_t queued_bytes; /* of their payloads and keys */
  uint64_t running;      /* on workers */
  uint64_t remote;       /* transactions that workers have applied, since the start */
  uint64_t local;        /* that clients' threads have */
  uint64_t retries;
  uint64_t victims;
} gr_applier_figures;

/* Starts the workers.
 *
 * GR_OK             `*applier` is the caller's, to be ended with gr_applier_stop()
 * GR_ERR_INVALID    an argument or host.apply is NULL, or an option is out of range
 * GR_ERR_VERSION    a struct is newer than this library
 * GR_ERR_NO_MEMORY  an allocation failed
 * GR_ERR_SYSTEM     a thread could not be made
 */
GR_API int gr_applier_start(gr_applier **applier, const gr_applier_options *options,
                            const gr_applier_host *host);

/* Starts nothing more, waits for what runs, and releases the applier. What is not applied by
 * then is dropped; gr_applier_drain() before it if it is to be applied. Threads that wait are
 * answered first; no thread may call the applier any more. NULL is allowed. GR_OK,
 * GR_ERR_REENTRANT. */
GR_API int gr_applier_stop(gr_applier *applier);

/* Takes a transaction. With `wait`, blocks while the queue is full.
 *
 * GR_OK             queued. The client's thread of a local transaction is to be told now
 * GR_ERR_INVALID    an argument is NULL, the seqno does not ascend, or depends_on is not less
 * GR_ERR_VERSION    the struct is newer than this library
 * GR_ERR_TOO_LARGE  payload and keys exceed queue_bytes_max
 * GR_ERR_FULL       the queue is full
 * GR_ERR_HALTED     a transaction has failed
 * GR_ERR_REENTRANT  called by a worker
 */
GR_API int gr_applier_submit(gr_applier *applier, const gr_applier_transaction *transaction,
                             bool wait);

/* There is nothing to apply up to `seqno`: aborted transactions, other messages. Gaps between
 * submitted seqnos need no such call. GR_OK, GR_ERR_INVALID (not ascending), GR_ERR_HALTED,
 * GR_ERR_REENTRANT. */
GR_API int gr_applier_skip(gr_applier *applier, gr_seqno seqno);

/* The largest seqno up to which everything is applied; 0 for NULL. */
GR_API gr_seqno gr_applier_applied(const gr_applier *applier);

/* Waits until everything up to `seqno` is applied, until `deadline` on the clock of
 * gr_posix_now() at most; GR_TIME_NEVER: for ever. A seqno that is not submitted yet is waited for
 * as well. GR_OK, GR_ERR_TIMEOUT, GR_ERR_HALTED (it will not be: an error came first, or
 * gr_applier_stop()), GR_ERR_INVALID, GR_ERR_REENTRANT. */
GR_API int gr_applier_wait(gr_applier *applier, gr_seqno seqno, gr_time deadline);

/* gr_applier_wait() for what has been submitted and skipped so far. */
GR_API int gr_applier_drain(gr_applier *applier, gr_time deadline);

/* ---- the gate: one at a time, in the order of seqnos ---- */

/* Waits until all before `seqno` have left, if commits are ordered. For the client's thread of a
 * local transaction, once it is submitted, and for apply, if there is no host.commit.
 *
 * GR_OK           it is its turn, until gr_applier_leave()
 * GR_ERR_INVALID  `seqno` is not submitted, or over
 * GR_ERR_STATE    it is another's to enter, or has left
 * GR_ERR_HALTED   its turn will not come: undo it. An error came first, or gr_applier_stop()
 */
GR_API int gr_applier_enter(gr_applier *applier, gr_seqno seqno);

/* Lets the next one enter. A local transaction is applied with it. One that apply has let enter
 * is applied when apply returns; an error that it answers then comes too late for those behind.
 * GR_OK, GR_ERR_INVALID, GR_ERR_STATE (it is not its turn). */
GR_API int gr_applier_leave(gr_applier *applier, gr_seqno seqno);

/* ---- local transactions that may lose ---- */

/* The local transaction `token`, not certified yet, holds what the keys are the hashes of.
 * May be called again for more. Until gr_applier_release() host.victim tells if it can only
 * lose. GR_OK, GR_ERR_INVALID, GR_ERR_NO_MEMORY. */
GR_API int gr_applier_hold(gr_applier *applier, uint64_t token, const uint64_t *keys,
                           size_t count);

/* It holds nothing any more: it is rolled back, or about to be certified. What has waited for
 * one of its keys is tried again. GR_OK, GR_ERR_INVALID (no such token). */
GR_API int gr_applier_release(gr_applier *applier, uint64_t token);

/* GR_OK, GR_ERR_INVALID. */
GR_API int gr_applier_read_figures(gr_applier *applier, gr_applier_figures *figures);

#ifdef __cplusplus
}
#endif
#endif
