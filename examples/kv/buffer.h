/* SPDX-License-Identifier: MIT
 *
 * A byte queue in one piece of memory: bytes are added at the end and taken from the
 * front. It grows up to its limit. One that could not take something says so from then on
 * (failed), so that a reply of many parts needs one check, at its end.
 */
#ifndef KV_BUFFER_H
#define KV_BUFFER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct kv_buffer {
  uint8_t *memory;
  size_t start;    /* of what is in it */
  size_t size;     /* of what is in it */
  size_t capacity; /* of the memory */
  size_t limit;    /* never holds more than this */
  bool failed; /* the limit was passed or memory was refused; contents are incomplete */
};

/* An empty buffer without memory. */
struct kv_buffer kv_buffer_of(size_t limit);

/* Releases the memory and empties the buffer. */
void kv_buffer_release(struct kv_buffer *buffer);

/* The first byte. NULL if it never held any. */
uint8_t *kv_buffer_data(const struct kv_buffer *buffer);

/* Room for `size` more bytes behind the last one, not yet counted as held: NULL, and
 * failed, if there is none. Moves what is held. */
uint8_t *kv_buffer_reserve(struct kv_buffer *buffer, size_t size);

/* Counts `size` of the reserved bytes as held. */
void kv_buffer_commit(struct kv_buffer *buffer, size_t size);

/* Adds a copy of the bytes. False, and failed, if they do not fit. */
bool kv_buffer_append(struct kv_buffer *buffer, const void *bytes, size_t size);

/* Drops the first `size` bytes, of those held. An empty buffer gives back memory that is
 * larger than what ordinary commands need. */
void kv_buffer_consume(struct kv_buffer *buffer, size_t size);

/* Drops everything and forgets a failure; keeps the memory. */
void kv_buffer_clear(struct kv_buffer *buffer);

#endif
