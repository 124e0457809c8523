/* SPDX-License-Identifier: MIT
 *
 * See words.h.
 */
#include "words.h"

#include "../apply.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <string.h>

void words_split(struct words *words, const char *text) {
  size_t size = strlen(text);
  cr_assert_lt(size, sizeof(words->bytes));
  memcpy(words->bytes, text, size + 1);
  words->request =
      (struct kv_request){.bytes = (uint8_t *)words->bytes, .spans = words->spans};
  for (size_t at = 0; at < size;) {
    size_t end = at + strcspn(text + at, " ");
    cr_assert_lt(words->request.count, sizeof(words->spans) / sizeof(words->spans[0]));
    words->spans[words->request.count++] =
        (struct kv_span){.offset = at, .size = end - at};
    at = end + (end < size);
  }
}

const char *words_taken(struct kv_buffer *buffer) {
  static char text[4096];
  cr_assert_not(buffer->failed);
  cr_assert_lt(buffer->size, sizeof(text));
  if (buffer->size > 0) memcpy(text, kv_buffer_data(buffer), buffer->size);
  text[buffer->size] = '\0';
  kv_buffer_clear(buffer);
  return text;
}

const char *words_apply(struct kv_store *store, uint64_t now_ms, const char *text) {
  struct words words;
  words_split(&words, text);
  struct kv_session session = {.now_ms = now_ms};
  struct kv_buffer reply = kv_buffer_of(4096);
  struct kv_buffer bytes = kv_buffer_of(4096);
  struct kv_message message;
  const struct kv_command *command = kv_command_find(&words.request, &reply);
  if (command) {
    cr_assert_not_null(command->prepare, "%s is no write", text);
    if (command->prepare(&session, &words.request, &message, &reply)) {
      cr_assert(kv_message_encode(&message, &words.request, &bytes));
      cr_assert(kv_message_decode(kv_buffer_data(&bytes), bytes.size, &message), "%s",
                text);
      cr_assert(kv_apply(store, &message, &reply));
    }
  }
  const char *taken = words_taken(&reply);
  kv_buffer_release(&reply);
  kv_buffer_release(&bytes);
  return taken;
}
