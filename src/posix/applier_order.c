/* SPDX-License-Identifier: MIT
 *
 * What is over, in order: the position, the gate, and those who wait for them.
 */
#include "posix/applier.h"

#include <errno.h>
#include <gr/posix.h>
#include <time.h>

/* ---- who waits ---- */

void gr_applier_visit(struct gr_applier *applier) {
  applier->visitors++;
}

void gr_applier_depart(struct gr_applier *applier) {
  if (--applier->visitors == 0) pthread_cond_signal(&applier->left);
}

static void unlist(struct gr_applier *applier, struct gr_position_waiter *waiter) {
  if (!waiter->is_listed) return;
  waiter->is_listed = false;
  *(waiter->before ? &waiter->before->behind : &applier->first_waiter) = waiter->behind;
  *(waiter->behind ? &waiter->behind->before : &applier->last_waiter) = waiter->before;
}

/* From the end: who waits for a later position mostly comes later. */
static void list(struct gr_applier *applier, struct gr_position_waiter *waiter) {
  waiter->before = applier->last_waiter;
  while (waiter->before && waiter->before->seqno > waiter->seqno)
    waiter->before = waiter->before->before;
  waiter->behind = waiter->before ? waiter->before->behind : applier->first_waiter;
  *(waiter->before ? &waiter->before->behind : &applier->first_waiter) = waiter;
  *(waiter->behind ? &waiter->behind->before : &applier->last_waiter) = waiter;
  waiter->is_listed = true;
}

static void wake_waiter(struct gr_applier *applier, struct gr_position_waiter *waiter) {
  unlist(applier, waiter);
  pthread_cond_signal(&waiter->cond);
}

void gr_applier_dismiss_waiters(struct gr_applier *applier) {
  while (applier->last_waiter && applier->last_waiter->seqno >= applier->end_seqno)
    wake_waiter(applier, applier->last_waiter);
}

static int wait_until(struct gr_applier *applier, struct gr_position_waiter *waiter,
                      gr_time deadline) {
  const struct timespec until = {.tv_sec = (time_t)(deadline / UINT64_C(1000000000)),
                                 .tv_nsec = (long)(deadline % UINT64_C(1000000000))};
  if (!waiter->is_listed) list(applier, waiter);
  if (deadline == GR_TIME_NEVER) {
    pthread_cond_wait(&waiter->cond, &applier->mutex);
    return GR_OK;
  }
  return pthread_cond_timedwait(&waiter->cond, &applier->mutex, &until) == ETIMEDOUT
             ? GR_ERR_TIMEOUT
             : GR_OK;
}

/* With the mutex held. */
static int wait_for(struct gr_applier *applier, gr_seqno seqno, gr_time deadline) {
  struct gr_position_waiter waiter = {.seqno = seqno};
  int error = GR_OK;
  pthread_cond_init(&waiter.cond, &applier->monotonic);
  gr_applier_visit(applier);
  while (atomic_load(&applier->applied) < seqno && error == GR_OK) {
    error = seqno >= applier->end_seqno ? GR_ERR_HALTED
                                        : wait_until(applier, &waiter, deadline);
  }
  if (atomic_load(&applier->applied) >= seqno) error = GR_OK;
  unlist(applier, &waiter);
  gr_applier_depart(applier);
  pthread_cond_destroy(&waiter.cond);
  return error;
}

int gr_applier_wait(gr_applier *applier, gr_seqno seqno, gr_time deadline) {
  if (!applier) return GR_ERR_INVALID;
  if (atomic_load(&applier->applied) >= seqno) return GR_OK;
  if (gr_applier_is_worker(applier)) return GR_ERR_REENTRANT;
  pthread_mutex_lock(&applier->mutex);
  int error = wait_for(applier, seqno, deadline);
  pthread_mutex_unlock(&applier->mutex);
  return error;
}

int gr_applier_drain(gr_applier *applier, gr_time deadline) {
  if (!applier) return GR_ERR_INVALID;
  if (gr_applier_is_worker(applier)) return GR_ERR_REENTRANT;
  pthread_mutex_lock(&applier->mutex);
  int error = wait_for(applier, applier->submitted, deadline);
  pthread_mutex_unlock(&applier->mutex);
  return error;
}

/* ---- the position ---- */

uint64_t gr_applier_find_behind(const struct gr_applier *applier, uint64_t from,
                                uint64_t tail, gr_seqno seqno) {
  while (from < tail) {
    const uint64_t middle = from + (tail - from) / 2;
    if (gr_applier_slot_at(applier, middle)->work.seqno <= seqno)
      from = middle + 1;
    else
      tail = middle;
  }
  return from;
}

uint64_t gr_applier_find(const struct gr_applier *applier, gr_seqno seqno) {
  const uint64_t head = atomic_load(&applier->head);
  const uint64_t behind = gr_applier_find_behind(applier, head, applier->tail, seqno);
  if (behind == head) return GR_APPLIER_NONE;
  const struct gr_applier_slot *slot = gr_applier_slot_at(applier, behind - 1);
  return slot->work.seqno == seqno ? behind - 1 : GR_APPLIER_NONE;
}

static void retire(struct gr_applier *applier, uint64_t index) {
  const struct gr_applier_slot *slot = gr_applier_slot_at(applier, index);
  uint64_t waiting = slot->first_waiting;
  while (waiting != GR_APPLIER_NONE) {
    const uint64_t next = gr_applier_slot_at(applier, waiting)->next;
    gr_applier_make_ready(applier, waiting);
    waiting = next;
  }
}

/* Half of the queue is free: so the submitting thread is woken once for many
 * transactions. */
static void make_room(struct gr_applier *applier, uint64_t head) {
  const struct gr_applier_slot *last = gr_applier_slot_at(applier, applier->tail - 1);
  if (!applier->wants_room || applier->tail - head > (applier->slot_mask + 1) / 2) return;
  if (head < applier->tail && last->bytes_end - atomic_load(&applier->bytes_head) >
                                  applier->options.queue_bytes_max / 2)
    return;
  applier->wants_room = false;
  pthread_cond_signal(&applier->room);
}

void gr_applier_advance(struct gr_applier *applier) {
  const uint64_t before = atomic_load_explicit(&applier->head, memory_order_relaxed);
  uint64_t head = before;
  while (head < applier->tail && gr_applier_slot_at(applier, head)->state == GR_SLOT_DONE)
    retire(applier, head++);
  if (head > before) {
    /* In this order: who finds the queue empty finds the bytes free. */
    atomic_store_explicit(&applier->bytes_head,
                          gr_applier_slot_at(applier, head - 1)->bytes_end,
                          memory_order_relaxed);
    atomic_store_explicit(&applier->head, head, memory_order_release);
    make_room(applier, head);
  }
  const gr_seqno applied = head < applier->tail
                               ? gr_applier_slot_at(applier, head)->work.seqno - 1
                               : applier->submitted;
  atomic_store_explicit(&applier->applied, applied, memory_order_release);
  while (applier->first_waiter && applier->first_waiter->seqno <= applied)
    wake_waiter(applier, applier->first_waiter);
}

/* ---- the gate ---- */

int gr_applier_await_turn(struct gr_applier *applier, uint64_t index) {
  struct gr_applier_slot *slot = gr_applier_slot_at(applier, index);
  struct gr_gate_waiter waiter;
  if (!applier->is_gated || slot->has_left) return GR_OK;
  if (applier->gate != index && index < applier->end) {
    pthread_cond_init(&waiter.turn, NULL);
    gr_applier_visit(applier);
    slot->at_gate = &waiter;
    while (applier->gate != index && index < applier->end)
      pthread_cond_wait(&waiter.turn, &applier->mutex);
    slot->at_gate = NULL;
    gr_applier_depart(applier);
    pthread_cond_destroy(&waiter.turn);
  }
  return index < applier->end ? GR_OK : GR_ERR_HALTED;
}

static void pass_gate(struct gr_applier *applier, uint64_t index) {
  gr_applier_slot_at(applier, index)->has_left = true;
  if (applier->gate != index) return;
  while (applier->gate < applier->tail &&
         gr_applier_slot_at(applier, applier->gate)->has_left)
    applier->gate++;
  if (applier->gate == applier->tail) return;
  struct gr_gate_waiter *next = gr_applier_slot_at(applier, applier->gate)->at_gate;
  if (next) pthread_cond_signal(&next->turn);
}

void gr_applier_finish(struct gr_applier *applier, uint64_t index) {
  struct gr_applier_slot *slot = gr_applier_slot_at(applier, index);
  if (!slot->has_left) pass_gate(applier, index);
  slot->state = GR_SLOT_DONE;
  if (index == atomic_load_explicit(&applier->head, memory_order_relaxed))
    gr_applier_advance(applier);
}

/* Whether somebody may be in the gate for this slot, or enter it. */
static bool may_enter(const struct gr_applier_slot *slot) {
  return (slot->state == GR_SLOT_RUNNING || slot->state == GR_SLOT_LOCAL) &&
         !slot->has_left && !slot->at_gate;
}

int gr_applier_enter(gr_applier *applier, gr_seqno seqno) {
  if (!applier) return GR_ERR_INVALID;
  pthread_mutex_lock(&applier->mutex);
  int error = GR_ERR_INVALID;
  const uint64_t index = gr_applier_find(applier, seqno);
  if (index != GR_APPLIER_NONE)
    error = may_enter(gr_applier_slot_at(applier, index))
                ? gr_applier_await_turn(applier, index)
                : GR_ERR_STATE;
  pthread_mutex_unlock(&applier->mutex);
  return error;
}

/* With the mutex held. */
static int leave(struct gr_applier *applier, gr_seqno seqno) {
  const uint64_t index = gr_applier_find(applier, seqno);
  if (index == GR_APPLIER_NONE) return GR_ERR_INVALID;
  struct gr_applier_slot *slot = gr_applier_slot_at(applier, index);
  if (!may_enter(slot) || (applier->is_gated && applier->gate != index))
    return GR_ERR_STATE;
  pass_gate(applier, index);
  if (slot->state != GR_SLOT_LOCAL) return GR_OK;
  applier->local++;
  gr_applier_finish(applier, index);
  gr_applier_tell(applier);
  return GR_OK;
}

int gr_applier_leave(gr_applier *applier, gr_seqno seqno) {
  if (!applier) return GR_ERR_INVALID;
  pthread_mutex_lock(&applier->mutex);
  int error = leave(applier, seqno);
  gr_applier_unlock(applier);
  return error;
}

/* ---- telling the host ---- */

/* Everything before the failed transaction is applied, and nothing runs any more. */
static bool is_at_rest(const struct gr_applier *applier) {
  return applier->running == 0 &&
         (applier->is_stopping || atomic_load(&applier->head) == applier->end);
}

void gr_applier_tell(struct gr_applier *applier) {
  const gr_applier_host *host = &applier->host;
  while (!applier->is_telling) {
    const gr_seqno applied =
        atomic_load_explicit(&applier->applied, memory_order_relaxed);
    const bool tells_applied = host->applied && applied != applier->told;
    const bool tells_failure =
        applier->error && !applier->has_told_failure && is_at_rest(applier);
    if (!tells_applied && !tells_failure) return;
    applier->is_telling = true;
    applier->told = applied;
    applier->has_told_failure |= tells_failure;
    gr_applier_unlock(applier);
    if (tells_applied) host->applied(host->context, applied);
    if (tells_failure && host->failed)
      host->failed(host->context, applier->failed_seqno, applier->error);
    pthread_mutex_lock(&applier->mutex);
    applier->is_telling = false;
  }
}
