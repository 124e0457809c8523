/* SPDX-License-Identifier: MIT
 *
 * See submit_queue.h.
 *
 * Order of memory. A producer's bytes reach the consumer by the stamp (store; load with
 * acquire). The consumer's last reads of a line precede its reuse by `released` (store;
 * load with acquire, before `reserved` is read). Everything that is part of a "publish,
 * then look whether the other side sleeps" is sequentially consistent: stamp and
 * gr_waker.asleep one way, released and waiters the other way; waker.h has the argument.
 *
 * Who waits for room waits until half the ring is free, not for any room at all: so
 * threads are woken once for many messages.
 */
#include "posix/submit_queue.h"

#include <stdlib.h>
#include <string.h>

int gr_submit_queue_init(struct gr_submit_queue *queue, uint64_t ring_bytes,
                         uint64_t large_bytes_max) {
  memset(queue, 0, sizeof(*queue));
  queue->lines = ring_bytes / GR_SUBMIT_LINE_BYTES;
  queue->large_bytes_max = large_bytes_max;
  queue->bytes = aligned_alloc(GR_SUBMIT_LINE_BYTES, ring_bytes);
  queue->entries = calloc(queue->lines, sizeof(*queue->entries));
  atomic_init(&queue->reserved, 0);
  atomic_init(&queue->released, 0);
  atomic_init(&queue->large_bytes, 0);
  atomic_init(&queue->waiters, 0);
  atomic_init(&queue->closed, false);
  pthread_mutex_init(&queue->mutex, NULL);
  pthread_cond_init(&queue->room, NULL);
  pthread_cond_init(&queue->left, NULL);
  if (queue->bytes && queue->entries) return GR_OK;
  gr_submit_queue_free(queue);
  return GR_ERR_NO_MEMORY;
}

void gr_submit_queue_free(struct gr_submit_queue *queue) {
  struct gr_submission left_over;
  while (queue->entries && gr_submit_queue_peek(queue, &left_over))
    gr_submit_queue_pop(queue);
  free(queue->bytes);
  free(queue->entries);
  pthread_mutex_destroy(&queue->mutex);
  pthread_cond_destroy(&queue->room);
  pthread_cond_destroy(&queue->left);
}

/* ---- producers ---- */

static bool is_large(const struct gr_submit_queue *queue, size_t size) {
  return size > queue->lines * GR_SUBMIT_LINE_BYTES / 4;
}

/* An empty message takes a line too: its entry. */
static uint64_t lines_of(const struct gr_submit_entry *entry) {
  if (entry->large || entry->size == 0) return 1;
  return (entry->size + GR_SUBMIT_LINE_BYTES - 1) / GR_SUBMIT_LINE_BYTES;
}

static struct gr_submit_entry *entry_at(const struct gr_submit_queue *queue,
                                        uint64_t line) {
  return queue->entries + (line & (queue->lines - 1));
}

/* Wakes those that wait for room; they look again themselves. To be called after a
 * sequentially consistent store of what they look at. */
static void wake_waiters(struct gr_submit_queue *queue) {
  if (atomic_load(&queue->waiters) == 0) return;
  pthread_mutex_lock(&queue->mutex);
  pthread_cond_broadcast(&queue->room);
  pthread_mutex_unlock(&queue->mutex);
}

/* Reserves lines: their first number in `*line`. False if there are too few. */
static bool reserve_lines(struct gr_submit_queue *queue, uint64_t count, uint64_t *line) {
  for (;;) {
    /* In this order: `reserved` is then at least as new, so the difference is no less
     * than 0. */
    uint64_t released = atomic_load_explicit(&queue->released, memory_order_acquire);
    uint64_t reserved = atomic_load_explicit(&queue->reserved, memory_order_relaxed);
    if (reserved - released + count > queue->lines) return false;
    if (atomic_compare_exchange_weak_explicit(&queue->reserved, &reserved,
                                              reserved + count, memory_order_relaxed,
                                              memory_order_relaxed)) {
      *line = reserved;
      return true;
    }
  }
}

static bool reserve_large(struct gr_submit_queue *queue, size_t size) {
  uint64_t used = atomic_load(&queue->large_bytes);
  do {
    if (used + size > queue->large_bytes_max) return false;
  } while (!atomic_compare_exchange_weak(&queue->large_bytes, &used, used + size));
  return true;
}

static void copy_joined(uint8_t *to, const gr_slice *parts, size_t part_count) {
  for (size_t i = 0; i < part_count; i++) {
    if (parts[i].size > 0) memcpy(to, parts[i].data, parts[i].size);
    to += parts[i].size;
  }
}

/* Copies into the ring from `line` on, in two pieces where it wraps. */
static void copy_into_ring(struct gr_submit_queue *queue, uint64_t line,
                           const gr_slice *parts, size_t part_count) {
  const uint64_t ring_bytes = queue->lines * GR_SUBMIT_LINE_BYTES;
  uint64_t at = line * GR_SUBMIT_LINE_BYTES & (ring_bytes - 1);
  for (size_t i = 0; i < part_count; i++) {
    const uint8_t *from = parts[i].data;
    size_t size = parts[i].size;
    if (size == 0) continue;
    size_t before_end = ring_bytes - at < size ? ring_bytes - at : size;
    memcpy(queue->bytes + at, from, before_end);
    if (before_end < size) memcpy(queue->bytes, from + before_end, size - before_end);
    at = (at + size) & (ring_bytes - 1);
  }
}

static void publish(struct gr_submit_queue *queue, uint64_t line, size_t size,
                    uint8_t *large, uint64_t tag) {
  struct gr_submit_entry *entry = entry_at(queue, line);
  entry->tag = tag;
  entry->size = size;
  entry->large = large;
  atomic_store(&entry->stamp, line + 1);
}

static void give_large_back(struct gr_submit_queue *queue, size_t size) {
  atomic_fetch_sub(&queue->large_bytes, size);
  wake_waiters(queue);
}

static int push_large(struct gr_submit_queue *queue, const gr_slice *parts,
                      size_t part_count, size_t size, uint64_t tag) {
  if (!reserve_large(queue, size)) return GR_ERR_FULL;
  uint8_t *large = malloc(size);
  uint64_t line = 0;
  if (!large || !reserve_lines(queue, 1, &line)) {
    int error = large ? GR_ERR_FULL : GR_ERR_NO_MEMORY;
    free(large);
    give_large_back(queue, size);
    return error;
  }
  copy_joined(large, parts, part_count);
  publish(queue, line, size, large, tag);
  return GR_OK;
}

int gr_submit_queue_push(struct gr_submit_queue *queue, const gr_slice *parts,
                         size_t part_count, size_t size, uint64_t tag) {
  if (atomic_load_explicit(&queue->closed, memory_order_relaxed)) return GR_ERR_HALTED;
  if (is_large(queue, size)) return push_large(queue, parts, part_count, size, tag);
  uint64_t line = 0;
  uint64_t count = lines_of(&(struct gr_submit_entry){.size = size});
  if (!reserve_lines(queue, count, &line)) return GR_ERR_FULL;
  copy_into_ring(queue, line, parts, part_count);
  publish(queue, line, size, NULL, tag);
  return GR_OK;
}

/* At least half of the ring is free. */
static bool is_half_free(const struct gr_submit_queue *queue) {
  uint64_t released = atomic_load(&queue->released);
  return atomic_load(&queue->reserved) - released <= queue->lines / 2;
}

static bool has_room(const struct gr_submit_queue *queue, size_t size) {
  if (!is_half_free(queue)) return false;
  return !is_large(queue, size) ||
         atomic_load(&queue->large_bytes) + size <= queue->large_bytes_max;
}

int gr_submit_queue_push_wait(struct gr_submit_queue *queue, const gr_slice *parts,
                              size_t part_count, size_t size, uint64_t tag) {
  int error = gr_submit_queue_push(queue, parts, part_count, size, tag);
  if (error != GR_ERR_FULL) return error;
  pthread_mutex_lock(&queue->mutex);
  atomic_fetch_add(&queue->waiters, 1); /* before it looks: see the top */
  do {
    while (!atomic_load(&queue->closed) && !has_room(queue, size))
      pthread_cond_wait(&queue->room, &queue->mutex);
    pthread_mutex_unlock(&queue->mutex);
    error = gr_submit_queue_push(queue, parts, part_count, size, tag);
    pthread_mutex_lock(&queue->mutex);
  } while (error == GR_ERR_FULL);
  if (atomic_fetch_sub(&queue->waiters, 1) == 1) pthread_cond_signal(&queue->left);
  pthread_mutex_unlock(&queue->mutex);
  return error;
}

void gr_submit_queue_close(struct gr_submit_queue *queue) {
  pthread_mutex_lock(&queue->mutex);
  atomic_store(&queue->closed, true);
  pthread_cond_broadcast(&queue->room);
  pthread_mutex_unlock(&queue->mutex);
}

void gr_submit_queue_await_leavers(struct gr_submit_queue *queue) {
  pthread_mutex_lock(&queue->mutex);
  while (atomic_load(&queue->waiters) > 0) pthread_cond_wait(&queue->left, &queue->mutex);
  pthread_mutex_unlock(&queue->mutex);
}

/* ---- the consumer ---- */

bool gr_submit_queue_is_empty(const struct gr_submit_queue *queue) {
  return atomic_load(&entry_at(queue, queue->head)->stamp) != queue->head + 1;
}

bool gr_submit_queue_peek(struct gr_submit_queue *queue,
                          struct gr_submission *submission) {
  const struct gr_submit_entry *entry = entry_at(queue, queue->head);
  if (atomic_load_explicit(&entry->stamp, memory_order_acquire) != queue->head + 1)
    return false;
  const uint64_t ring_bytes = queue->lines * GR_SUBMIT_LINE_BYTES;
  uint64_t at = queue->head * GR_SUBMIT_LINE_BYTES & (ring_bytes - 1);
  *submission = (struct gr_submission){.size = entry->size, .tag = entry->tag};
  submission->part_count = 1;
  if (entry->large) {
    submission->parts[0] = (gr_slice){.data = entry->large, .size = entry->size};
  } else if (at + entry->size <= ring_bytes) {
    submission->parts[0] = (gr_slice){.data = queue->bytes + at, .size = entry->size};
  } else {
    size_t before_end = ring_bytes - at;
    submission->parts[0] = (gr_slice){.data = queue->bytes + at, .size = before_end};
    submission->parts[1] =
        (gr_slice){.data = queue->bytes, .size = entry->size - before_end};
    submission->part_count = 2;
  }
  return true;
}

void gr_submit_queue_pop(struct gr_submit_queue *queue) {
  struct gr_submit_entry *entry = entry_at(queue, queue->head);
  uint64_t count = lines_of(entry);
  if (entry->large) {
    free(entry->large);
    entry->large = NULL;
    give_large_back(queue, entry->size);
  }
  queue->head += count;
}

void gr_submit_queue_release(struct gr_submit_queue *queue) {
  if (atomic_load_explicit(&queue->released, memory_order_relaxed) == queue->head) return;
  atomic_store(&queue->released, queue->head);
  if (atomic_load(&queue->waiters) > 0 && is_half_free(queue)) wake_waiters(queue);
}
