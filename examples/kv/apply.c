/* SPDX-License-Identifier: MIT
 *
 * See apply.h.
 */
#include "apply.h"

/* Values are found by logical time, which the store itself keeps: what is over is gone.
 */
#define NOW_LOGICAL 0

/* A value may not outgrow this by APPEND; the same at all members, as their states must
 * be. */
#define VALUE_BYTES_MAX ((size_t)512 * 1024 * 1024)

static bool set(struct kv_store *store, const struct kv_message *message,
                struct kv_buffer *reply) {
  const uint8_t *at = message->words;
  struct kv_string key = kv_message_word(&at);
  struct kv_string value = kv_message_word(&at);
  struct kv_string old;
  bool present = kv_store_get(store, key, NOW_LOGICAL, &old);
  if (((message->flags & KV_FLAG_IF_ABSENT) && present) ||
      ((message->flags & KV_FLAG_IF_PRESENT) && !present)) {
    kv_reply_nil(reply);
    return true;
  }
  bool expires = (message->flags & KV_FLAG_EXPIRES) != 0;
  if (!kv_store_set(store, key, value, expires ? (uint64_t)message->number : KV_NEVER))
    return false;
  kv_reply_status(reply, "OK");
  return true;
}

static bool add(struct kv_store *store, const struct kv_message *message,
                struct kv_buffer *reply) {
  const uint8_t *at = message->words;
  struct kv_string key = kv_message_word(&at);
  struct kv_string old;
  int64_t value = 0;
  if (kv_store_get(store, key, NOW_LOGICAL, &old) && !kv_parse_integer(old, &value)) {
    kv_reply_error(reply, "ERR value is not an integer or out of range");
    return true;
  }
  int64_t addend = message->number;
  if (addend > 0 ? value > INT64_MAX - addend : value < INT64_MIN - addend) {
    kv_reply_error(reply, "ERR increment or decrement would overflow");
    return true;
  }
  value += addend;
  char text[KV_INTEGER_TEXT_MAX];
  struct kv_string sum = {.data = (const uint8_t *)text,
                          .size = kv_format_integer(value, text)};
  if (!kv_store_update(store, key, sum)) return false;
  kv_reply_integer(reply, value);
  return true;
}

static bool append(struct kv_store *store, const struct kv_message *message,
                   struct kv_buffer *reply) {
  const uint8_t *at = message->words;
  struct kv_string key = kv_message_word(&at);
  struct kv_string tail = kv_message_word(&at);
  struct kv_string old = {0};
  if (kv_store_get(store, key, NOW_LOGICAL, &old) &&
      tail.size > VALUE_BYTES_MAX - old.size) {
    kv_reply_error(reply, "ERR string exceeds the maximum of 512 MiB");
    return true;
  }
  size_t size;
  if (!kv_store_append(store, key, tail, &size)) return false;
  kv_reply_integer(reply, (int64_t)size);
  return true;
}

static void delete_keys(struct kv_store *store, const struct kv_message *message,
                        struct kv_buffer *reply) {
  const uint8_t *at = message->words;
  int64_t removed = 0;
  for (uint32_t i = 0; i < message->word_count; i++)
    if (kv_store_remove(store, kv_message_word(&at))) removed++;
  kv_reply_integer(reply, removed);
}

static bool set_many(struct kv_store *store, const struct kv_message *message,
                     struct kv_buffer *reply) {
  const uint8_t *at = message->words;
  for (uint32_t i = 0; i < message->word_count; i += 2) {
    struct kv_string key = kv_message_word(&at);
    if (!kv_store_set(store, key, kv_message_word(&at), KV_NEVER)) return false;
  }
  kv_reply_status(reply, "OK");
  return true;
}

bool kv_apply(struct kv_store *store, const struct kv_message *message,
              struct kv_buffer *reply) {
  kv_store_advance(store, message->time_ms);
  switch (message->operation) {
  case KV_SET:
    return set(store, message, reply);
  case KV_ADD:
    return add(store, message, reply);
  case KV_APPEND:
    return append(store, message, reply);
  case KV_SET_MANY:
    return set_many(store, message, reply);
  case KV_DELETE:
    delete_keys(store, message, reply);
    return true;
  case KV_CLEAR:
    kv_store_clear(store);
    kv_reply_status(reply, "OK");
    return true;
  }
  return true;
}
