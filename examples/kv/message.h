/* SPDX-License-Identifier: MIT
 *
 * The ordered message: one write command, as it travels through the group.
 *
 *   offset  0  1  format, 1
 *           1  1  operation
 *           2  1  flags
 *           3  1  0
 *           4  4  number of words
 *           8  8  time stamp of the origin, ms since 1970
 *          16  8  number: expiry for SET, addend for ADD, else 0
 *          24     words: 4 bytes of size, then the bytes, each
 *
 * All numbers little-endian. A decoder takes nothing for granted: members of another
 * version may be in the group. What cannot be decoded cannot be decoded at any member, so
 * all leave it out alike.
 */
#ifndef KV_MESSAGE_H
#define KV_MESSAGE_H

#include "resp.h"

enum kv_operation {
  KV_SET = 1,      /* key, value */
  KV_ADD = 2,      /* key; INCR, DECR and their kind */
  KV_APPEND = 3,   /* key, tail */
  KV_DELETE = 4,   /* keys */
  KV_SET_MANY = 5, /* key, value, key, value, ... */
  KV_CLEAR = 6     /* no words */
};

/* Of KV_SET. */
#define KV_FLAG_IF_ABSENT 1u
#define KV_FLAG_IF_PRESENT 2u
/* Expires at `number`. */
#define KV_FLAG_EXPIRES 4u

struct kv_message {
  enum kv_operation operation;
  uint8_t flags;
  uint64_t time_ms;
  int64_t number;
  uint32_t word_count;
  const uint8_t *words; /* of a decoded message: where they begin; kv_message_word() */
};

/* Adds the message to the buffer; its words are the request's from the second on. False,
 * and nothing added, if there is no room. */
bool kv_message_encode(const struct kv_message *message, const struct kv_request *request,
                       struct kv_buffer *buffer);

/* Reads a message; false if the bytes are not exactly one. It points into the bytes. */
bool kv_message_decode(const uint8_t *bytes, size_t size, struct kv_message *message);

/* The word at `*at`, of a decoded message; moves `*at` to the next. Begin with `words`.
 */
struct kv_string kv_message_word(const uint8_t **at);

#endif
