/* SPDX-License-Identifier: MIT
 *
 * See message.h.
 */
#include "message.h"

#include "number.h"

#include <string.h>

#define FORMAT 1
#define HEAD_BYTES 24

bool kv_message_encode(const struct kv_message *message, const struct kv_request *request,
                       struct kv_buffer *buffer) {
  size_t size = HEAD_BYTES;
  for (uint32_t i = 0; i < message->word_count; i++) {
    size_t word_size = kv_request_arg(request, i + 1).size;
    if (word_size > UINT32_MAX) return false;
    size += 4 + word_size;
  }
  uint8_t *at = kv_buffer_reserve(buffer, size);
  if (!at) return false;
  at[0] = FORMAT;
  at[1] = (uint8_t)message->operation;
  at[2] = message->flags;
  at[3] = 0;
  kv_number_put(at + 4, message->word_count, 4);
  kv_number_put(at + 8, message->time_ms, 8);
  kv_number_put(at + 16, (uint64_t)message->number, 8);
  at += HEAD_BYTES;
  for (uint32_t i = 0; i < message->word_count; i++) {
    struct kv_string word = kv_request_arg(request, i + 1);
    kv_number_put(at, word.size, 4);
    if (word.size > 0) memcpy(at + 4, word.data, word.size);
    at += 4 + word.size;
  }
  kv_buffer_commit(buffer, size);
  return true;
}

/* Whether the operation exists, with such a number of words and such flags. */
static bool is_sound(unsigned operation, uint32_t word_count, unsigned flags) {
  bool no_flags = flags == 0;
  switch ((enum kv_operation)operation) {
  case KV_SET:
    return word_count == 2 &&
           (flags & ~(KV_FLAG_IF_ABSENT | KV_FLAG_IF_PRESENT | KV_FLAG_EXPIRES)) == 0;
  case KV_ADD:
    return word_count == 1 && no_flags;
  case KV_APPEND:
    return word_count == 2 && no_flags;
  case KV_DELETE:
    return word_count >= 1 && no_flags;
  case KV_SET_MANY:
    return word_count >= 2 && word_count % 2 == 0 && no_flags;
  case KV_CLEAR:
    return word_count == 0 && no_flags;
  }
  return false;
}

bool kv_message_decode(const uint8_t *bytes, size_t size, struct kv_message *message) {
  if (size < HEAD_BYTES || bytes[0] != FORMAT || bytes[3] != 0) return false;
  uint32_t word_count = (uint32_t)kv_number_get(bytes + 4, 4);
  if (!is_sound(bytes[1], word_count, bytes[2])) return false;
  const uint8_t *at = bytes + HEAD_BYTES;
  size_t left = size - HEAD_BYTES;
  for (uint32_t i = 0; i < word_count; i++) {
    if (left < 4) return false;
    size_t word_size = (size_t)kv_number_get(at, 4);
    if (word_size > left - 4) return false;
    at += 4 + word_size;
    left -= 4 + word_size;
  }
  if (left != 0) return false;
  *message = (struct kv_message){.operation = (enum kv_operation)bytes[1],
                                 .flags = bytes[2],
                                 .time_ms = kv_number_get(bytes + 8, 8),
                                 .number = (int64_t)kv_number_get(bytes + 16, 8),
                                 .word_count = word_count,
                                 .words = bytes + HEAD_BYTES};
  return true;
}

struct kv_string kv_message_word(const uint8_t **at) {
  struct kv_string word = {.data = *at + 4, .size = (size_t)kv_number_get(*at, 4)};
  *at = word.data + word.size;
  return word;
}
