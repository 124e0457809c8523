/* SPDX-License-Identifier: MIT
 *
 * See buffer.h.
 */
#include "buffer.h"

#include <stdlib.h>
#include <string.h>

/* The first piece of memory: a few commands or replies of ordinary size. */
#define CAPACITY_MIN 1024

/* An emptied buffer with more than this was made large by an exceptional command. */
#define CAPACITY_KEPT ((size_t)256 * 1024)

struct kv_buffer kv_buffer_of(size_t limit) {
  return (struct kv_buffer){.limit = limit};
}

void kv_buffer_release(struct kv_buffer *buffer) {
  free(buffer->memory);
  *buffer = kv_buffer_of(buffer->limit);
}

uint8_t *kv_buffer_data(const struct kv_buffer *buffer) {
  return buffer->memory ? buffer->memory + buffer->start : NULL;
}

/* The capacity for `needed` bytes: doubled, so that the copying stays linear in what is
 * added. */
static size_t grown(size_t capacity, size_t needed, size_t limit) {
  size_t doubled = capacity < limit / 2 ? capacity * 2 : limit;
  if (doubled < CAPACITY_MIN) doubled = CAPACITY_MIN;
  return doubled < needed ? needed : doubled;
}

uint8_t *kv_buffer_reserve(struct kv_buffer *buffer, size_t size) {
  if (buffer->failed || size > buffer->limit - buffer->size) {
    buffer->failed = true;
    return NULL;
  }
  size_t needed = buffer->size + size;
  if (buffer->memory && buffer->capacity - buffer->start >= needed)
    return buffer->memory + buffer->start + buffer->size;
  /* Moving to the front is free of growth when at least half of the memory has been
   * taken. */
  if (buffer->memory && buffer->capacity >= needed &&
      buffer->start >= buffer->capacity / 2) {
    memmove(buffer->memory, buffer->memory + buffer->start, buffer->size);
    buffer->start = 0;
    return buffer->memory + buffer->size;
  }
  size_t capacity = grown(buffer->capacity, needed, buffer->limit);
  uint8_t *memory = malloc(capacity);
  if (!memory) {
    buffer->failed = true;
    return NULL;
  }
  if (buffer->size > 0) memcpy(memory, buffer->memory + buffer->start, buffer->size);
  free(buffer->memory);
  buffer->memory = memory;
  buffer->start = 0;
  buffer->capacity = capacity;
  return memory + buffer->size;
}

void kv_buffer_commit(struct kv_buffer *buffer, size_t size) {
  buffer->size += size;
}

bool kv_buffer_append(struct kv_buffer *buffer, const void *bytes, size_t size) {
  uint8_t *room = kv_buffer_reserve(buffer, size);
  if (!room) return false;
  if (size > 0) memcpy(room, bytes, size);
  kv_buffer_commit(buffer, size);
  return true;
}

void kv_buffer_consume(struct kv_buffer *buffer, size_t size) {
  buffer->start += size;
  buffer->size -= size;
  if (buffer->size > 0) return;
  buffer->start = 0;
  if (buffer->capacity <= CAPACITY_KEPT) return;
  free(buffer->memory);
  buffer->memory = NULL;
  buffer->capacity = 0;
}

void kv_buffer_clear(struct kv_buffer *buffer) {
  buffer->start = 0;
  buffer->size = 0;
  buffer->failed = false;
}
