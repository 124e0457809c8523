/* SPDX-License-Identifier: MIT
 *
 * See snapshot.h: reading.
 */
#include "snapshot.h"
#include "snapshot_format.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

static bool refuse(struct kv_snapshot_parser *parser, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

static bool refuse(struct kv_snapshot_parser *parser, const char *format, ...) {
  char reason[96];
  va_list values;
  va_start(values, format);
  vsnprintf(reason, sizeof(reason), format, values);
  va_end(values);
  snprintf(parser->error, sizeof(parser->error), "offset %llu: %s",
           (unsigned long long)parser->at, reason);
  return false;
}

void kv_snapshot_parser_init(struct kv_snapshot_parser *parser, const gr_uuid *group,
                             struct kv_store *store) {
  *parser = (struct kv_snapshot_parser){.group = group,
                                        .store = store,
                                        .pending = kv_buffer_of(SIZE_MAX)};
}

void kv_snapshot_parser_release(struct kv_snapshot_parser *parser) {
  kv_buffer_release(&parser->pending);
}

static void consume(struct kv_snapshot_parser *parser, size_t size) {
  kv_buffer_consume(&parser->pending, size);
  parser->at += size;
}

static bool read_head(struct kv_snapshot_parser *parser) {
  const uint8_t *head = kv_buffer_data(&parser->pending);
  if (memcmp(head, KV_SNAPSHOT_MAGIC, KV_SNAPSHOT_MAGIC_BYTES) != 0)
    return refuse(parser, "this is no snapshot of gr-kv");
  if (kv_number_get(head + 8, 4) != KV_SNAPSHOT_VERSION)
    return refuse(parser, "the snapshot is of version %llu, and known is %d",
                  (unsigned long long)kv_number_get(head + 8, 4), KV_SNAPSHOT_VERSION);
  if (kv_number_get(head + 72, KV_SNAPSHOT_CHECK_BYTES) !=
      kv_snapshot_check_of_head(head))
    return refuse(parser, "the snapshot's head is damaged");
  if (memcmp(head + 16, parser->group->bytes, sizeof(parser->group->bytes)) != 0)
    return refuse(parser, "the snapshot is of another group");
  parser->snapshot.seqno = kv_number_get(head + 32, 8);
  parser->snapshot.history = kv_number_get(head + 64, 8);
  parser->count = kv_number_get(head + 48, 8);
  parser->digest = kv_number_get(head + 56, 8);
  kv_store_advance(parser->store, kv_number_get(head + 40, 8));
  parser->has_head = true;
  consume(parser, KV_SNAPSHOT_HEAD_BYTES);
  return true;
}

/* Reads an entry, if it is there as a whole: `*complete`. Its sizes are believed as far
 * as bytes come: no memory is asked for else. */
static bool read_entry(struct kv_snapshot_parser *parser, bool *complete) {
  const uint8_t *entry = kv_buffer_data(&parser->pending);
  uint64_t number = kv_store_count(parser->store);
  *complete = false;
  if (number == parser->count) return refuse(parser, "something follows the last entry");
  if (parser->pending.size < KV_SNAPSHOT_ENTRY_BYTES) return true;
  uint64_t key_size = kv_number_get(entry, 4);
  uint64_t size = KV_SNAPSHOT_ENTRY_BYTES + key_size + kv_number_get(entry + 4, 4);
  if (parser->pending.size < size) return true;
  struct kv_string key = {entry + KV_SNAPSHOT_ENTRY_BYTES, (size_t)key_size};
  struct kv_string value = {key.data + key.size,
                            (size_t)(size - KV_SNAPSHOT_ENTRY_BYTES - key_size)};
  if (kv_number_get(entry + 16, KV_SNAPSHOT_CHECK_BYTES) !=
      kv_snapshot_check_of_entry(entry, number, key, value))
    return refuse(parser, "the entry is damaged");
  if (!kv_store_set(parser->store, key, value, kv_number_get(entry + 8, 8)))
    return refuse(parser, "no memory for the entry");
  if (kv_store_count(parser->store) != number + 1)
    return refuse(parser, "the entry is there twice, or has expired before");
  consume(parser, (size_t)size);
  *complete = true;
  return true;
}

bool kv_snapshot_parser_feed(struct kv_snapshot_parser *parser, const void *bytes,
                             size_t size) {
  if (!kv_buffer_append(&parser->pending, bytes, size))
    return refuse(parser, "no memory for the entry");
  if (!parser->has_head) {
    if (parser->pending.size < KV_SNAPSHOT_HEAD_BYTES) return true;
    if (!read_head(parser)) return false;
  }
  bool complete = true;
  while (complete && parser->pending.size > 0)
    if (!read_entry(parser, &complete)) return false;
  return true;
}

bool kv_snapshot_parser_finish(struct kv_snapshot_parser *parser) {
  if (!parser->has_head || parser->pending.size > 0 ||
      kv_store_count(parser->store) != parser->count)
    return refuse(parser, "the snapshot is damaged, or cut off");
  if (kv_store_digest(parser->store) != parser->digest)
    return refuse(parser, "the entries are not those that were written: other digest");
  parser->snapshot.bytes = parser->at;
  return true;
}

/* ---- a file ---- */

#define READ_BYTES ((size_t)64 * 1024)

static bool read_file(struct kv_snapshot_parser *parser, FILE *file) {
  uint8_t bytes[READ_BYTES];
  size_t size;
  while ((size = fread(bytes, 1, sizeof(bytes), file)) > 0)
    if (!kv_snapshot_parser_feed(parser, bytes, size)) return false;
  if (ferror(file)) return refuse(parser, "cannot be read: %s", strerror(errno));
  return kv_snapshot_parser_finish(parser);
}

enum kv_snapshot_outcome kv_snapshot_read(const char *path, const gr_uuid *group,
                                          struct kv_store *store,
                                          struct kv_snapshot *snapshot, char *error_text,
                                          size_t error_text_size) {
  FILE *file = fopen(path, "rbe");
  if (!file && errno == ENOENT) return KV_SNAPSHOT_NONE;
  struct kv_snapshot_parser parser;
  kv_snapshot_parser_init(&parser, group, store);
  bool is_read = file ? read_file(&parser, file)
                      : refuse(&parser, "cannot be opened: %s", strerror(errno));
  if (file) fclose(file);
  kv_snapshot_parser_release(&parser);
  *snapshot = parser.snapshot;
  if (is_read) return KV_SNAPSHOT_READ;
  snprintf(error_text, error_text_size, "%s, %s", path, parser.error);
  return KV_SNAPSHOT_REFUSED;
}
