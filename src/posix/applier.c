/* SPDX-License-Identifier: MIT
 *
 * See applier.h, the one beside this file, for who does what.
 */
#include "posix/applier.h"

#include "base/fill.h"

#include <gr/posix.h>
#include <stdlib.h>
#include <string.h>

#define CACHE_LINE_BYTES 64
#define BYTES_MIN 4096
#define BYTES_MAX (UINT64_C(1) << 40)
#define QUEUE_MIN 64
#define QUEUE_MAX (UINT64_C(1) << 20)
#define RETRIES_MAX 1000000
#define RETRY_PAUSE_NS_MAX UINT64_C(1000000000)

/* ---- options ---- */

static int check_size(size_t theirs, size_t ours) {
  if (theirs > ours) return GR_ERR_VERSION;
  return theirs < ours ? GR_ERR_INVALID : GR_OK;
}

static uint64_t power_of_two_from(uint64_t value) {
  uint64_t power = 1;
  while (power < value) power *= 2;
  return power;
}

/* Puts in the defaults, and checks the limits. */
static int complete(gr_applier_options *options) {
  if (options->workers == 0) options->workers = 4;
  if (options->retries_max == 0) options->retries_max = 10;
  if (options->retry_pause_ns == 0) options->retry_pause_ns = 1000000;
  if (options->queue_max == 0) options->queue_max = 16384;
  if (options->queue_bytes_max == 0) options->queue_bytes_max = 64 << 20;
  if (options->workers > GR_APPLIER_WORKERS_MAX || options->retries_max > RETRIES_MAX ||
      options->retry_pause_ns > RETRY_PAUSE_NS_MAX || options->queue_max < QUEUE_MIN ||
      options->queue_max > QUEUE_MAX || options->queue_bytes_max < BYTES_MIN ||
      options->queue_bytes_max > BYTES_MAX || options->applied == UINT64_MAX)
    return GR_ERR_INVALID;
  options->queue_max = power_of_two_from(options->queue_max);
  options->queue_bytes_max = power_of_two_from(options->queue_bytes_max);
  return GR_OK;
}

/* ---- making ---- */

static void release(struct gr_applier *applier) {
  for (uint32_t i = 0; i < applier->worker_count; i++)
    pthread_cond_destroy(&applier->workers[i].wake);
  free(applier->workers);
  free(applier->slots);
  free(applier->bytes);
  gr_ready_set_free(&applier->ready);
  gr_holds_free(&applier->holds);
  pthread_condattr_destroy(&applier->monotonic);
  pthread_cond_destroy(&applier->room);
  pthread_cond_destroy(&applier->left);
  pthread_mutex_destroy(&applier->mutex);
  free(applier);
}

static void init(struct gr_applier *applier, const gr_applier_options *options,
                 const gr_applier_host *host) {
  memset(applier, 0, sizeof(*applier));
  applier->options = *options;
  applier->host = *host;
  applier->is_gated = !options->any_commit_order;
  applier->slot_mask = options->queue_max - 1;
  applier->first_paused = GR_APPLIER_NONE;
  applier->timekeeper_due = GR_TIME_NEVER;
  applier->end = GR_APPLIER_NONE;
  applier->end_seqno = UINT64_MAX;
  applier->submitted = options->applied;
  applier->told = options->applied;
  atomic_init(&applier->applied, options->applied);
  pthread_mutex_init(&applier->mutex, NULL);
  pthread_condattr_init(&applier->monotonic);
  pthread_condattr_setclock(&applier->monotonic, CLOCK_MONOTONIC);
  pthread_cond_init(&applier->room, NULL);
  pthread_cond_init(&applier->left, NULL);
}

static int make_memory(struct gr_applier *applier) {
  const gr_applier_options *options = &applier->options;
  const bool has_holds = gr_holds_init(&applier->holds);
  const bool has_ready = gr_ready_set_init(&applier->ready, options->queue_max);
  applier->slots =
      aligned_alloc(CACHE_LINE_BYTES, options->queue_max * sizeof(*applier->slots));
  applier->bytes = aligned_alloc(CACHE_LINE_BYTES, options->queue_bytes_max);
  applier->workers = calloc(options->workers, sizeof(*applier->workers));
  return has_holds && has_ready && applier->slots && applier->bytes && applier->workers
             ? GR_OK
             : GR_ERR_NO_MEMORY;
}

/* Ends the workers that there are. */
static void end_workers(struct gr_applier *applier) {
  pthread_mutex_lock(&applier->mutex);
  applier->is_stopping = true;
  for (uint32_t i = 0; i < applier->worker_count; i++) {
    applier->workers[i].is_idle = false;
    pthread_cond_signal(&applier->workers[i].wake);
  }
  applier->idle = NULL;
  while (applier->visitors > 0) pthread_cond_wait(&applier->left, &applier->mutex);
  pthread_mutex_unlock(&applier->mutex);
  for (uint32_t i = 0; i < applier->worker_count; i++)
    pthread_join(applier->workers[i].thread, NULL);
}

static int make_workers(struct gr_applier *applier) {
  while (applier->worker_count < applier->options.workers) {
    struct gr_applier_worker *worker = applier->workers + applier->worker_count;
    worker->applier = applier;
    worker->number = applier->worker_count;
    pthread_cond_init(&worker->wake, &applier->monotonic);
    if (pthread_create(&worker->thread, NULL, gr_applier_work_loop, worker) != 0) {
      pthread_cond_destroy(&worker->wake);
      return GR_ERR_SYSTEM;
    }
    applier->worker_count++;
  }
  return GR_OK;
}

int gr_applier_start(gr_applier **applier, const gr_applier_options *options,
                     const gr_applier_host *host) {
  if (!applier || !options || !host) return GR_ERR_INVALID;
  int error = check_size(options->size, sizeof(*options));
  if (error == GR_OK) error = check_size(host->size, sizeof(*host));
  if (error == GR_OK && !host->apply) error = GR_ERR_INVALID;
  if (error != GR_OK) return error;
  gr_applier_options complete_options = *options;
  error = complete(&complete_options);
  if (error != GR_OK) return error;
  struct gr_applier *made = aligned_alloc(CACHE_LINE_BYTES, sizeof(*made));
  if (!made) return GR_ERR_NO_MEMORY;
  init(made, &complete_options, host);
  error = make_memory(made);
  if (error == GR_OK) {
    error = make_workers(made);
    if (error != GR_OK) end_workers(made);
  }
  if (error == GR_OK)
    *applier = made;
  else
    release(made);
  return error;
}

/* All before this are with workers, or over. */
static uint64_t first_not_begun(const struct gr_applier *applier) {
  uint64_t index = atomic_load(&applier->head);
  while (index < applier->tail) {
    const enum gr_slot_state state = gr_applier_slot_at(applier, index)->state;
    if (state != GR_SLOT_RUNNING && state != GR_SLOT_DONE) break;
    index++;
  }
  return index;
}

int gr_applier_stop(gr_applier *applier) {
  if (!applier) return GR_OK;
  if (gr_applier_is_worker(applier)) return GR_ERR_REENTRANT;
  pthread_mutex_lock(&applier->mutex);
  const uint64_t end = first_not_begun(applier);
  if (end < applier->end) gr_applier_set_end(applier, end);
  pthread_mutex_unlock(&applier->mutex);
  end_workers(applier);
  pthread_mutex_lock(&applier->mutex);
  gr_applier_tell(applier);
  pthread_mutex_unlock(&applier->mutex);
  release(applier);
  return GR_OK;
}

/* ---- the rest ---- */

gr_seqno gr_applier_applied(const gr_applier *applier) {
  return applier ? atomic_load(&applier->applied) : 0;
}

int gr_applier_hold(gr_applier *applier, uint64_t token, const uint64_t *keys,
                    size_t count) {
  if (!applier || (!keys && count > 0)) return GR_ERR_INVALID;
  return gr_holds_add(&applier->holds, token, keys, count);
}

int gr_applier_release(gr_applier *applier, uint64_t token) {
  if (!applier) return GR_ERR_INVALID;
  pthread_mutex_lock(&applier->mutex);
  gr_applier_retry_blocked(applier, token);
  gr_applier_unlock(applier);
  return gr_holds_remove(&applier->holds, token) ? GR_OK : GR_ERR_INVALID;
}

int gr_applier_read_figures(gr_applier *applier, gr_applier_figures *figures) {
  if (!applier || !figures) return GR_ERR_INVALID;
  pthread_mutex_lock(&applier->mutex);
  const uint64_t head = atomic_load(&applier->head);
  const struct gr_applier_slot *last = gr_applier_slot_at(applier, applier->tail - 1);
  const gr_applier_figures ours = {
      .submitted = applier->submitted,
      .applied = atomic_load(&applier->applied),
      .queued = applier->tail - head,
      .queued_bytes =
          applier->tail > head ? last->bytes_end - atomic_load(&applier->bytes_head) : 0,
      .running = applier->running,
      .remote = applier->remote,
      .local = applier->local,
      .retries = applier->retries,
      .victims = atomic_load(&applier->victims)};
  pthread_mutex_unlock(&applier->mutex);
  return gr_fill_in(figures, figures->size, &ours, sizeof(ours));
}
