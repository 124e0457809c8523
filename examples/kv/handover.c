/* SPDX-License-Identifier: MIT
 *
 * See handover.h.
 */
#include "handover.h"

#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

/* What the node's thread gathers before it publishes without waiting for the turn's end.
 */
#define PUBLISH_BYTES ((size_t)1024 * 1024)

struct kv_handover {
  struct kv_buffer adding; /* the node's thread's own */
  int event_fd;
  size_t bytes_max;

  pthread_mutex_t lock;
  pthread_cond_t room;
  struct kv_buffer published;
  bool yielding;
  struct kv_handover_state state;
};

struct kv_handover *kv_handover_new(size_t bytes_max) {
  struct kv_handover *handover = calloc(1, sizeof(*handover));
  if (!handover) return NULL;
  handover->event_fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
  if (handover->event_fd < 0) {
    int error = errno;
    free(handover);
    errno = error;
    return NULL;
  }
  handover->bytes_max = bytes_max;
  handover->adding = kv_buffer_of(SIZE_MAX);
  handover->published = kv_buffer_of(SIZE_MAX);
  pthread_mutex_init(&handover->lock, NULL);
  pthread_cond_init(&handover->room, NULL);
  return handover;
}

/* Stores that nobody took. */
static void free_stores(const struct kv_buffer *batch) {
  size_t at = 0;
  struct kv_handover_record record;
  while (kv_handover_next(batch, &at, &record))
    if (record.kind == KV_RECORD_RESTORED) kv_store_free(record.store);
}

void kv_handover_free(struct kv_handover *handover) {
  if (!handover) return;
  free_stores(&handover->adding);
  free_stores(&handover->published);
  pthread_cond_destroy(&handover->room);
  pthread_mutex_destroy(&handover->lock);
  kv_buffer_release(&handover->adding);
  kv_buffer_release(&handover->published);
  close(handover->event_fd);
  free(handover);
}

int kv_handover_event_fd(const struct kv_handover *handover) {
  return handover->event_fd;
}

/* A write to an eventfd of this kind fails only when it is readable for long already. */
static void wake(struct kv_handover *handover) {
  uint64_t one = 1;
  if (write(handover->event_fd, &one, sizeof(one)) < 0) return;
}

bool kv_handover_add(struct kv_handover *handover, const gr_delivery *delivery,
                     uint64_t tag) {
  struct kv_handover_record head = {.kind = KV_RECORD_MESSAGE,
                                    .seqno = delivery->seqno,
                                    .tag = tag,
                                    .size = delivery->bytes};
  kv_buffer_append(&handover->adding, &head, sizeof(head));
  for (size_t i = 0; i < delivery->part_count; i++)
    kv_buffer_append(&handover->adding, delivery->parts[i].data, delivery->parts[i].size);
  if (handover->adding.failed) return false;
  return handover->adding.size < PUBLISH_BYTES || kv_handover_publish(handover);
}

bool kv_handover_note(struct kv_handover *handover,
                      const struct kv_handover_record *record) {
  return kv_buffer_append(&handover->adding, record, sizeof(*record));
}

bool kv_handover_publish(struct kv_handover *handover) {
  if (handover->adding.size == 0) return true;
  pthread_mutex_lock(&handover->lock);
  while (handover->published.size > handover->bytes_max && !handover->yielding)
    pthread_cond_wait(&handover->room, &handover->lock);
  bool was_empty = handover->published.size == 0;
  bool added = true;
  if (was_empty) {
    struct kv_buffer swap = handover->published;
    handover->published = handover->adding;
    handover->adding = swap;
  } else {
    added = kv_buffer_append(&handover->published, kv_buffer_data(&handover->adding),
                             handover->adding.size);
    kv_buffer_clear(&handover->adding);
  }
  pthread_mutex_unlock(&handover->lock);
  if (was_empty) wake(handover);
  return added;
}

bool kv_handover_restored(struct kv_handover *handover) {
  if (!kv_handover_publish(handover)) return false;
  pthread_mutex_lock(&handover->lock);
  handover->state.restored = true;
  pthread_mutex_unlock(&handover->lock);
  wake(handover);
  return true;
}

static void set_halted(struct kv_handover_state *state, int error, const char *text) {
  state->halted = true;
  state->error = error;
  snprintf(state->text, sizeof(state->text), "%s", text);
}

void kv_handover_halt(struct kv_handover *handover, int error, const char *text) {
  pthread_mutex_lock(&handover->lock);
  set_halted(&handover->state, error, text);
  pthread_mutex_unlock(&handover->lock);
  wake(handover);
}

void kv_handover_take(struct kv_handover *handover, struct kv_buffer *batch,
                      struct kv_handover_state *state) {
  uint64_t times;
  if (read(handover->event_fd, &times, sizeof(times)) < 0 && errno != EAGAIN) {
    set_halted(state, GR_ERR_SYSTEM, "reading an eventfd failed");
    return;
  }
  pthread_mutex_lock(&handover->lock);
  struct kv_buffer swap = handover->published;
  handover->published = *batch;
  *batch = swap;
  *state = handover->state;
  pthread_cond_signal(&handover->room);
  pthread_mutex_unlock(&handover->lock);
}

bool kv_handover_next(const struct kv_buffer *batch, size_t *at,
                      struct kv_handover_record *record) {
  if (*at == batch->size) return false;
  const uint8_t *bytes = kv_buffer_data(batch) + *at;
  memcpy(record, bytes, sizeof(*record)); /* it may lie at any address */
  if (record->kind == KV_RECORD_MESSAGE) record->bytes = bytes + sizeof(*record);
  *at += sizeof(*record) + record->size;
  return true;
}

void kv_handover_yield(struct kv_handover *handover, bool yield) {
  pthread_mutex_lock(&handover->lock);
  handover->yielding = yield;
  pthread_cond_signal(&handover->room);
  pthread_mutex_unlock(&handover->lock);
}
