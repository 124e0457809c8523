/* SPDX-License-Identifier: MIT
 *
 * The messages that gr-kv orders, from a member that may be of another version: what
 * decodes is what its encoder makes, and any run of them can be applied, after which the
 * store's digest still is that of its contents: emptied key by key, it is that of
 * nothing.
 *
 *   input: messages, each size u16 | bytes
 */
#include "fuzz.h"

#include "apply.h"

#include <string.h>

#define SPANS_MAX 4096
#define REPLY_BYTES_MAX ((size_t)1 << 20)

/* The decoded message encoded again, from a request as a client's command would give it.
 */
static void check_round_trip(const struct kv_message *message, const uint8_t *bytes,
                             size_t size) {
  static struct kv_span spans[SPANS_MAX + 1];
  if (message->word_count > SPANS_MAX) return;
  const uint8_t *at = message->words;
  for (uint32_t i = 0; i < message->word_count; i++) {
    struct kv_string word = kv_message_word(&at);
    FUZZ_CHECK(word.data >= bytes && word.size <= size - (size_t)(word.data - bytes),
               "a word lies within the message");
    spans[i + 1] = (struct kv_span){(size_t)(word.data - bytes), word.size};
  }
  struct kv_request request = {bytes, spans, (size_t)message->word_count + 1};
  struct kv_buffer again = kv_buffer_of(size);
  FUZZ_CHECK(kv_message_encode(message, &request, &again), "there is room for it");
  FUZZ_CHECK(again.size == size && memcmp(kv_buffer_data(&again), bytes, size) == 0,
             "a message that decodes is what its encoder makes of it");
  kv_buffer_release(&again);
}

static void apply_one(struct kv_store *store, struct fuzz_input message_input) {
  size_t size = message_input.left;
  uint8_t *bytes = fuzz_allocate(size);
  if (size > 0) memcpy(bytes, message_input.at, size);
  struct kv_message message;
  if (kv_message_decode(bytes, size, &message)) {
    check_round_trip(&message, bytes, size);
    struct kv_buffer reply = kv_buffer_of(REPLY_BYTES_MAX);
    FUZZ_CHECK(kv_apply(store, &message, &reply), "there is memory");
    FUZZ_CHECK(!reply.failed && reply.size > 0, "its client is told");
    kv_buffer_release(&reply);
  }
  free(bytes);
}

struct first_key {
  bool found;
  uint8_t *key;
  size_t size;
};

static void note_key(void *context, struct kv_string key) {
  struct first_key *first = context;
  if (first->found) return;
  *first = (struct first_key){true, fuzz_allocate(key.size), key.size};
  if (key.size > 0) memcpy(first->key, key.data, key.size);
}

/* Some key of those that are there. */
static struct first_key find_key(const struct kv_store *store) {
  struct first_key first = {0};
  uint64_t cursor = 0;
  do cursor = kv_store_scan(store, cursor, 0, note_key, &first);
  while (cursor != 0 && !first.found);
  return first;
}

static void check_emptied(struct kv_store *store, uint64_t digest_of_nothing) {
  while (kv_store_count(store) > 0) {
    struct first_key first = find_key(store);
    FUZZ_CHECK(first.found, "every entry is found by a scan");
    FUZZ_CHECK(kv_store_remove(store, (struct kv_string){first.key, first.size}),
               "a key that a scan found is there");
    free(first.key);
  }
  FUZZ_CHECK(!find_key(store).found, "an empty store has no keys");
  FUZZ_CHECK(kv_store_digest(store) == digest_of_nothing,
             "the digest is that of the contents");
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  struct fuzz_input input = {data, size};
  struct kv_store *store = kv_store_new();
  FUZZ_CHECK(store, "there is memory");
  uint64_t digest_of_nothing = kv_store_digest(store);
  while (input.left > 0) {
    size_t message_size = fuzz_u16(&input);
    apply_one(store, fuzz_take(&input, message_size));
  }
  check_emptied(store, digest_of_nothing);
  kv_store_free(store);
  return 0;
}
