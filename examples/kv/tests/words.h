/* SPDX-License-Identifier: MIT
 *
 * Helpers of gr-kv's unit tests: requests made of words, and what a reply says.
 */
#ifndef KV_TESTS_WORDS_H
#define KV_TESTS_WORDS_H

#include "../command.h"

/* A request on its own memory. */
struct words {
  char bytes[512];
  struct kv_span spans[16];
  struct kv_request request;
};

/* Splits a text at its blanks. */
void words_split(struct words *words, const char *text);

/* The contents of a buffer as a C string, which stays valid until the next call; the
 * buffer is cleared. */
const char *words_taken(struct kv_buffer *buffer);

/* Prepares, encodes, decodes and applies a write command at the time; the reply, as
 * words_taken(). */
const char *words_apply(struct kv_store *store, uint64_t now_ms, const char *text);

#endif
