/* SPDX-License-Identifier: MIT
 *
 * message.h: round trips, every truncation, and every byte changed, from memory of
 * exactly the message's size.
 */
#include "../message.h"

#include "words.h"

#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>

static const char *const commands[] = {"SET key value",   "SET key value NX PX 5",
                                       "INCR key",        "DECRBY key 7",
                                       "APPEND key tail", "DEL a bb ccc",
                                       "MSET a 1 bb 22",  "FLUSHALL"};

#define COMMAND_COUNT (sizeof(commands) / sizeof(commands[0]))

/* Encodes a command of the list; the words that it came from stay with the caller. */
static struct kv_buffer encode(size_t index, struct words *words,
                               struct kv_message *message) {
  struct kv_session session = {.now_ms = 123456789};
  struct kv_buffer bytes = kv_buffer_of(1024);
  words_split(words, commands[index]);
  const struct kv_command *command = kv_command_find(&words->request, NULL);
  cr_assert(command->prepare(&session, &words->request, message, NULL));
  cr_assert(kv_message_encode(message, &words->request, &bytes));
  return bytes;
}

/* Decodes from memory that ends where the message does. */
static bool decode(const uint8_t *bytes, size_t size, struct kv_message *message) {
  uint8_t *copy = malloc(size ? size : 1);
  memcpy(copy, bytes, size);
  bool decoded = kv_message_decode(copy, size, message);
  const uint8_t *at = message->words;
  /* Reads all words: a sanitizer sees one that is beyond the end. */
  for (uint32_t i = 0; decoded && i < message->word_count; i++) {
    struct kv_string word = kv_message_word(&at);
    for (size_t j = 0; j < word.size; j++) message->time_ms += word.data[j];
  }
  free(copy);
  return decoded;
}

Test(message, round_trip) {
  for (size_t i = 0; i < COMMAND_COUNT; i++) {
    struct words words;
    struct kv_message sent;
    struct kv_message got;
    struct kv_buffer bytes = encode(i, &words, &sent);
    cr_assert(kv_message_decode(kv_buffer_data(&bytes), bytes.size, &got), "%s",
              commands[i]);
    cr_assert_eq(got.operation, sent.operation);
    cr_assert_eq(got.flags, sent.flags);
    cr_assert_eq(got.time_ms, 123456789);
    cr_assert_eq(got.number, sent.number);
    cr_assert_eq(got.word_count, sent.word_count);
    const uint8_t *at = got.words;
    for (uint32_t j = 0; j < got.word_count; j++) {
      struct kv_string word = kv_message_word(&at);
      struct kv_string expected = kv_request_arg(&words.request, j + 1);
      cr_assert_eq(word.size, expected.size);
      cr_assert_eq(memcmp(word.data, expected.data, word.size), 0);
    }
    kv_buffer_release(&bytes);
  }
}

Test(message, refused_at_every_other_length) {
  for (size_t i = 0; i < COMMAND_COUNT; i++) {
    struct words words;
    struct kv_message message;
    struct kv_buffer bytes = encode(i, &words, &message);
    size_t size = bytes.size;
    for (size_t length = 0; length < size; length++)
      cr_assert_not(decode(kv_buffer_data(&bytes), length, &message), "%s at %zu of %zu",
                    commands[i], length, size);
    cr_assert(kv_buffer_append(&bytes, "x", 1));
    cr_assert_not(decode(kv_buffer_data(&bytes), bytes.size, &message), "%s and a byte",
                  commands[i]);
    kv_buffer_release(&bytes);
  }
}

/* Any byte may have any value: the decoder may say yes or no, and reads within bounds. */
Test(message, any_byte_changed_is_read_within_bounds) {
  for (size_t i = 0; i < COMMAND_COUNT; i++) {
    struct words words;
    struct kv_message message;
    struct kv_buffer bytes = encode(i, &words, &message);
    uint8_t *data = kv_buffer_data(&bytes);
    for (size_t at = 0; at < bytes.size; at++) {
      uint8_t right = data[at];
      for (unsigned value = 0; value < 256; value++) {
        data[at] = (uint8_t)value;
        bool decoded = decode(data, bytes.size, &message);
        bool head = at == 0 || at == 3; /* format and padding */
        cr_assert(!head || decoded == (value == right), "byte %zu as %u", at, value);
      }
      data[at] = right;
    }
    kv_buffer_release(&bytes);
  }
}

Test(message, a_message_beyond_the_limit_is_not_begun) {
  struct words words;
  struct kv_message message;
  struct kv_buffer bytes = encode(0, &words, &message);
  size_t size = bytes.size;
  kv_buffer_release(&bytes);
  bytes = kv_buffer_of(size - 1);
  cr_assert_not(kv_message_encode(&message, &words.request, &bytes));
  cr_assert_eq(bytes.size, 0);
  kv_buffer_release(&bytes);
}
