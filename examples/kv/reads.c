/* SPDX-License-Identifier: MIT
 *
 * Commands that read the store of this member. A client sees its own writes, since it is
 * answered after they are applied here; it may not see yet what others were told.
 */
#include "commands.h"

#include <stdio.h>

/* Keys that SCAN visits at least, unless told otherwise, and at most. */
#define SCAN_COUNT 10
#define SCAN_COUNT_MAX 1000000

static void reply_value(const struct kv_session *session, struct kv_string key,
                        struct kv_buffer *reply) {
  struct kv_string value;
  if (kv_store_get(session->service->store, key, session->now_ms, &value))
    kv_reply_bulk(reply, value);
  else
    kv_reply_nil(reply);
}

void kv_run_get(struct kv_session *session, const struct kv_request *request,
                struct kv_buffer *reply) {
  reply_value(session, kv_request_arg(request, 1), reply);
}

void kv_run_mget(struct kv_session *session, const struct kv_request *request,
                 struct kv_buffer *reply) {
  kv_reply_array(reply, request->count - 1);
  for (size_t i = 1; i < request->count; i++)
    reply_value(session, kv_request_arg(request, i), reply);
}

void kv_run_exists(struct kv_session *session, const struct kv_request *request,
                   struct kv_buffer *reply) {
  int64_t found = 0;
  for (size_t i = 1; i < request->count; i++) {
    struct kv_string value;
    if (kv_store_get(session->service->store, kv_request_arg(request, i), session->now_ms,
                     &value))
      found++;
  }
  kv_reply_integer(reply, found);
}

void kv_run_dbsize(struct kv_session *session, const struct kv_request *request,
                   struct kv_buffer *reply) {
  (void)request;
  kv_reply_integer(reply, (int64_t)kv_store_count(session->service->store));
}

void kv_run_digest(struct kv_session *session, const struct kv_request *request,
                   struct kv_buffer *reply) {
  (void)request;
  char text[17];
  snprintf(text, sizeof(text), "%016llx",
           (unsigned long long)kv_store_digest(session->service->store));
  kv_reply_bulk(reply, kv_string_of(text));
}

/* Keys that match, as the elements of an array whose size is known only at the end. */
struct listing {
  struct kv_string pattern;
  struct kv_buffer elements;
  size_t matched;
  size_t visited;
};

static void list(void *context, struct kv_string key) {
  struct listing *listing = context;
  listing->visited++;
  if (!kv_glob_matches(listing->pattern, key)) return;
  listing->matched++;
  kv_reply_bulk(&listing->elements, key);
}

static struct listing listing_of(struct kv_string pattern,
                                 const struct kv_buffer *reply) {
  return (struct listing){.pattern = pattern, .elements = kv_buffer_of(reply->limit)};
}

static void reply_listing(struct listing *listing, struct kv_buffer *reply) {
  kv_reply_array(reply, listing->matched);
  kv_buffer_append(reply, kv_buffer_data(&listing->elements), listing->elements.size);
  if (listing->elements.failed) reply->failed = true;
  kv_buffer_release(&listing->elements);
}

void kv_run_keys(struct kv_session *session, const struct kv_request *request,
                 struct kv_buffer *reply) {
  struct listing listing = listing_of(kv_request_arg(request, 1), reply);
  uint64_t cursor = 0;
  do {
    cursor =
        kv_store_scan(session->service->store, cursor, session->now_ms, list, &listing);
  } while (cursor != 0);
  reply_listing(&listing, reply);
}

/* Reads a cursor, which may have all 64 bits. */
static bool read_cursor(struct kv_string text, uint64_t *cursor) {
  uint64_t value = 0;
  for (size_t i = 0; i < text.size; i++) {
    unsigned digit = (unsigned)text.data[i] - '0';
    if (digit > 9 || value > (UINT64_MAX - digit) / 10) return false;
    value = value * 10 + digit;
  }
  *cursor = value;
  return text.size > 0;
}

/* SCAN cursor [MATCH pattern] [COUNT keys] */
void kv_run_scan(struct kv_session *session, const struct kv_request *request,
                 struct kv_buffer *reply) {
  uint64_t cursor;
  int64_t count = SCAN_COUNT;
  struct kv_string pattern = kv_string_of("*");
  if (!read_cursor(kv_request_arg(request, 1), &cursor)) {
    kv_reply_error(reply, "ERR invalid cursor");
    return;
  }
  for (size_t i = 2; i < request->count; i += 2) {
    struct kv_string word = kv_request_arg(request, i);
    bool sound = i + 1 < request->count;
    if (sound && kv_string_is(word, "MATCH"))
      pattern = kv_request_arg(request, i + 1);
    else if (sound && kv_string_is(word, "COUNT"))
      sound = kv_parse_integer(kv_request_arg(request, i + 1), &count) && count >= 1 &&
              count <= SCAN_COUNT_MAX;
    else
      sound = false;
    if (!sound) {
      kv_reply_error(reply, "ERR syntax error");
      return;
    }
  }
  struct listing listing = listing_of(pattern, reply);
  /* Empty buckets count too, so that a call ends soon in a table with few keys. */
  int64_t buckets = 0;
  do {
    cursor =
        kv_store_scan(session->service->store, cursor, session->now_ms, list, &listing);
    buckets++;
  } while (cursor != 0 && listing.visited < (size_t)count && buckets < count * 10);
  char text[24];
  snprintf(text, sizeof(text), "%llu", (unsigned long long)cursor);
  kv_reply_array(reply, 2);
  kv_reply_bulk(reply, kv_string_of(text));
  reply_listing(&listing, reply);
}
