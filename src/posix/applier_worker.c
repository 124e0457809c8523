/* SPDX-License-Identifier: MIT
 *
 * The workers. Each takes the oldest transaction that is ready. One is woken at a time,
 * when there is something to do, and wakes the next when it has found something and sees
 * more: so bursts cost few wake-ups.
 *
 * Where commits are ordered, workers may wait at the gate, for older transactions. These
 * must find a worker: so the last one that is free takes nothing but the oldest
 * transaction that is not started. Then, whenever all are busy, the one that was taken
 * last is older than all that is not started, and the oldest of all is with a worker,
 * whose turn it is.
 */
#include "posix/applier.h"

#include <errno.h>
#include <gr/posix.h>
#include <time.h>

#define PAUSE_NS_MAX UINT64_C(1000000000)

static _Thread_local const struct gr_applier *applier_of_thread;

bool gr_applier_is_worker(const struct gr_applier *applier) {
  return applier_of_thread == applier;
}

/* ---- pauses ---- */

/* Into the list of the paused ones, by their time. */
static void pause_until(struct gr_applier *applier, uint64_t index, gr_time due) {
  struct gr_applier_slot *slot = gr_applier_slot_at(applier, index);
  uint64_t *link = &applier->first_paused;
  while (*link != GR_APPLIER_NONE && gr_applier_slot_at(applier, *link)->due <= due)
    link = &gr_applier_slot_at(applier, *link)->next;
  slot->state = GR_SLOT_PAUSED;
  slot->due = due;
  slot->next = *link;
  *link = index;
  if (index < applier->unstarted) applier->unstarted = index;
}

static gr_time first_due(const struct gr_applier *applier) {
  if (applier->first_paused == GR_APPLIER_NONE) return GR_TIME_NEVER;
  return gr_applier_slot_at(applier, applier->first_paused)->due;
}

static void resume_due(struct gr_applier *applier) {
  if (applier->first_paused == GR_APPLIER_NONE) return;
  const gr_time now = gr_posix_now();
  while (first_due(applier) <= now) {
    const uint64_t index = applier->first_paused;
    applier->first_paused = gr_applier_slot_at(applier, index)->next;
    gr_applier_make_ready(applier, index);
  }
}

void gr_applier_retry_blocked(struct gr_applier *applier, uint64_t token) {
  uint64_t *link = &applier->first_paused;
  while (*link != GR_APPLIER_NONE) {
    const uint64_t index = *link;
    struct gr_applier_slot *slot = gr_applier_slot_at(applier, index);
    if (gr_holds_any(&applier->holds, token, slot->keys, slot->key_count)) {
      *link = slot->next;
      gr_applier_make_ready(applier, index);
    } else {
      link = &slot->next;
    }
  }
}

/* ---- which one is next ---- */

void gr_applier_make_ready(struct gr_applier *applier, uint64_t index) {
  gr_applier_slot_at(applier, index)->state = GR_SLOT_READY;
  gr_ready_set_add(&applier->ready, index & applier->slot_mask);
}

static bool is_started(const struct gr_applier *applier, uint64_t index) {
  const enum gr_slot_state state = gr_applier_slot_at(applier, index)->state;
  return state == GR_SLOT_RUNNING || state == GR_SLOT_LOCAL || state == GR_SLOT_DONE;
}

static uint64_t oldest_unstarted(struct gr_applier *applier) {
  const uint64_t head = atomic_load_explicit(&applier->head, memory_order_relaxed);
  if (applier->unstarted < head) applier->unstarted = head;
  while (applier->unstarted < applier->tail && is_started(applier, applier->unstarted))
    applier->unstarted++;
  return applier->unstarted;
}

/* What a free worker is to take; GR_APPLIER_NONE. */
static uint64_t next_to_start(struct gr_applier *applier) {
  resume_due(applier);
  if (applier->ready.count == 0) return GR_APPLIER_NONE;
  const uint64_t head = atomic_load_explicit(&applier->head, memory_order_relaxed);
  const uint64_t place = gr_ready_set_next(&applier->ready, head & applier->slot_mask);
  const uint64_t index = head + ((place - head) & applier->slot_mask);
  if (index >= applier->end) return GR_APPLIER_NONE;
  const bool is_last_free = applier->running + 1 >= applier->worker_count;
  if (applier->is_gated && is_last_free && index != oldest_unstarted(applier))
    return GR_APPLIER_NONE;
  return index;
}

/* ---- sleeping and waking ---- */

static void remove_idle(struct gr_applier *applier, struct gr_applier_worker *worker) {
  struct gr_applier_worker **link = &applier->idle;
  while (*link != worker) link = &(*link)->next_idle;
  *link = worker->next_idle;
  worker->is_idle = false;
}

void gr_applier_unlock(struct gr_applier *applier) {
  struct gr_applier_worker *worker = NULL;
  if (applier->idle && !applier->is_waking &&
      (first_due(applier) < applier->timekeeper_due ||
       next_to_start(applier) != GR_APPLIER_NONE)) {
    worker = applier->idle;
    remove_idle(applier, worker);
    applier->is_waking = true;
  }
  pthread_mutex_unlock(&applier->mutex);
  if (worker) pthread_cond_signal(&worker->wake);
}

/* Sleeps until there is something to do. One of the sleepers looks after the pauses. */
static void sleep_idle(struct gr_applier_worker *worker) {
  struct gr_applier *applier = worker->applier;
  const gr_time due = first_due(applier);
  const struct timespec until = {.tv_sec = (time_t)(due / UINT64_C(1000000000)),
                                 .tv_nsec = (long)(due % UINT64_C(1000000000))};
  const bool keeps_time = due < applier->timekeeper_due;
  if (keeps_time) {
    applier->timekeeper = worker;
    applier->timekeeper_due = due;
  }
  worker->is_idle = true;
  worker->next_idle = applier->idle;
  applier->idle = worker;
  int error = 0;
  while (worker->is_idle && error != ETIMEDOUT)
    error = keeps_time ? pthread_cond_timedwait(&worker->wake, &applier->mutex, &until)
                       : pthread_cond_wait(&worker->wake, &applier->mutex);
  if (worker->is_idle)
    remove_idle(applier, worker);
  else
    applier->is_waking = false;
  if (applier->timekeeper != worker) return;
  applier->timekeeper = NULL;
  applier->timekeeper_due = GR_TIME_NEVER;
}

/* ---- the end ---- */

void gr_applier_set_end(struct gr_applier *applier, uint64_t end) {
  applier->end = end;
  applier->end_seqno = end < applier->tail ? gr_applier_slot_at(applier, end)->work.seqno
                                           : applier->submitted + 1;
  for (uint64_t i = end; i < applier->tail; i++) {
    struct gr_gate_waiter *waiter = gr_applier_slot_at(applier, i)->at_gate;
    if (waiter) pthread_cond_signal(&waiter->turn);
  }
  gr_applier_dismiss_waiters(applier);
  pthread_cond_signal(&applier->room);
}

/* An error behind the end, that of what was rolled back among them, changes nothing. */
static void fail(struct gr_applier *applier, uint64_t index, int error) {
  struct gr_applier_slot *slot = gr_applier_slot_at(applier, index);
  slot->state = GR_SLOT_WAITING;
  if (index >= applier->end) return;
  applier->error = error;
  applier->failed_seqno = slot->work.seqno;
  gr_applier_set_end(applier, index);
}

/* ---- one transaction ---- */

void gr_applier_tell_victims(struct gr_applier *applier, const uint64_t *keys,
                             size_t count, gr_seqno winner) {
  uint64_t token = 0;
  if (!applier->host.victim || atomic_load(&applier->holds.count) == 0) return;
  for (size_t i = 0; i < count; i++) {
    while (gr_holds_take_victim(&applier->holds, keys[i], &token)) {
      atomic_fetch_add(&applier->victims, 1);
      applier->host.victim(applier->host.context, token, keys[i], winner);
    }
  }
}

static int run(const struct gr_applier_worker *worker, uint64_t index) {
  struct gr_applier *applier = worker->applier;
  const gr_applier_host *host = &applier->host;
  const gr_applier_work *work = &gr_applier_slot_at(applier, index)->work;
  int error = host->apply(host->context, worker->number, work);
  if (error != 0 || !host->commit) return error;
  pthread_mutex_lock(&applier->mutex);
  error = gr_applier_await_turn(applier, index);
  pthread_mutex_unlock(&applier->mutex);
  if (error == GR_OK) return host->commit(host->context, worker->number, work);
  if (host->rollback) host->rollback(host->context, worker->number, work);
  return error;
}

static void start(struct gr_applier *applier, uint64_t index) {
  struct gr_applier_slot *slot = gr_applier_slot_at(applier, index);
  gr_ready_set_remove(&applier->ready, index & applier->slot_mask);
  slot->state = GR_SLOT_RUNNING;
  slot->work.attempt++;
  applier->running++;
}

static void retry(struct gr_applier *applier, uint64_t index) {
  const uint32_t attempt = gr_applier_slot_at(applier, index)->work.attempt;
  gr_time pause = applier->options.retry_pause_ns;
  if (attempt > applier->options.retries_max) {
    fail(applier, index, GR_APPLIER_RETRY);
    return;
  }
  for (uint32_t i = 1; i < attempt && pause < PAUSE_NS_MAX; i++) pause *= 2;
  applier->retries++;
  pause_until(applier, index,
              gr_posix_now() + (pause < PAUSE_NS_MAX ? pause : PAUSE_NS_MAX));
}

static void conclude(struct gr_applier *applier, uint64_t index, int outcome) {
  applier->running--;
  if (outcome == GR_APPLIER_RETRY) {
    retry(applier, index);
  } else if (outcome != 0) {
    fail(applier, index, outcome);
  } else {
    applier->remote++;
    gr_applier_finish(applier, index);
  }
  gr_applier_tell(applier);
}

void *gr_applier_work_loop(void *context) {
  struct gr_applier_worker *worker = context;
  struct gr_applier *applier = worker->applier;
  applier_of_thread = applier;
  pthread_mutex_lock(&applier->mutex);
  while (!applier->is_stopping) {
    const uint64_t index = next_to_start(applier);
    if (index == GR_APPLIER_NONE) {
      sleep_idle(worker);
      continue;
    }
    start(applier, index);
    gr_applier_unlock(applier);
    const struct gr_applier_slot *slot = gr_applier_slot_at(applier, index);
    const int outcome = run(worker, index);
    if (outcome == GR_APPLIER_RETRY)
      gr_applier_tell_victims(applier, slot->keys, slot->key_count, slot->work.seqno);
    pthread_mutex_lock(&applier->mutex);
    conclude(applier, index, outcome);
  }
  pthread_mutex_unlock(&applier->mutex);
  return NULL;
}
