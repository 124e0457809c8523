/* SPDX-License-Identifier: MIT
 *
 * See snapshot.h.
 */
#include "snapshot.h"

#include "buffer.h"
#include "hash.h"
#include "number.h"

#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define UNFINISHED_FILE "snapshot.tmp"

#define VERSION 1
#define HEAD_BYTES 72
#define ENTRY_BYTES 24
#define CHECK_BYTES 8

static const char magic[8] = {'g', 'r', '-', 'k', 'v', '-', 's', 'n'};

static uint64_t check_of_head(const uint8_t *head) {
  return kv_hash((struct kv_string){head, HEAD_BYTES - CHECK_BYTES}, 0);
}

/* With the entry's number, so that entries cannot change places. */
static uint64_t check_of_entry(const uint8_t *entry, uint64_t number,
                               struct kv_string key, struct kv_string value) {
  uint64_t sum = kv_hash((struct kv_string){entry, ENTRY_BYTES - CHECK_BYTES}, number);
  return kv_hash(value, kv_hash(key, sum));
}

/* ---- writing ---- */

#define WRITE_BYTES ((size_t)64 * 1024)

/* What may be written before the disk is made to take it: the member's log must not queue
 * behind gigabytes when it syncs. */
#define SYNC_BYTES ((size_t)8 * 1024 * 1024)

struct writer {
  int fd;
  int error; /* the errno of what failed first */
  uint64_t number;
  size_t unsynced;
  size_t used;
  uint8_t bytes[WRITE_BYTES];
};

static void write_through(struct writer *writer, const uint8_t *bytes, size_t size) {
  while (size > 0 && writer->error == 0) {
    ssize_t written = write(writer->fd, bytes, size);
    if (written < 0 && errno == EINTR) continue;
    if (written <= 0) {
      writer->error = written < 0 ? errno : ENOSPC;
      return;
    }
    bytes += written;
    size -= (size_t)written;
    writer->unsynced += (size_t)written;
    if (writer->unsynced < SYNC_BYTES) continue;
    writer->unsynced = 0;
    if (fdatasync(writer->fd) != 0) writer->error = errno;
  }
}

static void drain(struct writer *writer) {
  write_through(writer, writer->bytes, writer->used);
  writer->used = 0;
}

static void put(struct writer *writer, struct kv_string bytes) {
  if (bytes.size > WRITE_BYTES - writer->used) drain(writer);
  if (bytes.size > WRITE_BYTES) {
    write_through(writer, bytes.data, bytes.size);
  } else if (bytes.size > 0) {
    memcpy(writer->bytes + writer->used, bytes.data, bytes.size);
    writer->used += bytes.size;
  }
}

static void write_head(struct writer *writer, const struct kv_store *store,
                       const gr_uuid *group, gr_seqno seqno) {
  uint8_t head[HEAD_BYTES] = {0};
  memcpy(head, magic, sizeof(magic));
  kv_number_put(head + 8, VERSION, 4);
  memcpy(head + 16, group->bytes, sizeof(group->bytes));
  kv_number_put(head + 32, seqno, 8);
  kv_number_put(head + 40, kv_store_time(store), 8);
  kv_number_put(head + 48, kv_store_count(store), 8);
  kv_number_put(head + 56, kv_store_digest(store), 8);
  kv_number_put(head + 64, check_of_head(head), CHECK_BYTES);
  put(writer, (struct kv_string){head, sizeof(head)});
}

static bool write_entry(void *context, struct kv_string key, struct kv_string value,
                        uint64_t expires_ms) {
  struct writer *writer = context;
  uint8_t entry[ENTRY_BYTES];
  kv_number_put(entry, key.size, 4);
  kv_number_put(entry + 4, value.size, 4);
  kv_number_put(entry + 8, expires_ms, 8);
  kv_number_put(entry + 16, check_of_entry(entry, writer->number++, key, value),
                CHECK_BYTES);
  put(writer, (struct kv_string){entry, sizeof(entry)});
  put(writer, key);
  put(writer, value);
  return writer->error == 0;
}

static int write_file(int fd, const struct kv_store *store, const gr_uuid *group,
                      gr_seqno seqno) {
  struct writer writer = {.fd = fd};
  write_head(&writer, store, group, seqno);
  if (kv_store_each(store, write_entry, &writer)) drain(&writer);
  if (writer.error == 0 && fsync(fd) != 0) writer.error = errno;
  return writer.error;
}

int kv_snapshot_write(int directory, const struct kv_store *store, const gr_uuid *group,
                      gr_seqno seqno) {
  int fd =
      openat(directory, UNFINISHED_FILE, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
  if (fd < 0) return errno;
  int error = write_file(fd, store, group, seqno);
  if (close(fd) != 0 && error == 0) error = errno;
  if (error == 0 &&
      renameat(directory, UNFINISHED_FILE, directory, KV_SNAPSHOT_FILE) != 0)
    error = errno;
  if (error == 0) return fsync(directory) == 0 ? 0 : errno;
  unlinkat(directory, UNFINISHED_FILE, 0);
  return error;
}

/* ---- reading ---- */

struct reader {
  FILE *file;
  const char *path;
  uint64_t at;            /* where what is being read begins */
  uint64_t left;          /* of the file */
  struct kv_buffer words; /* key and value of the entry being read */
  char *error_text;
  size_t error_text_size;
};

static bool refuse(struct reader *reader, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

static bool refuse(struct reader *reader, const char *format, ...) {
  char reason[128];
  va_list values;
  va_start(values, format);
  vsnprintf(reason, sizeof(reason), format, values);
  va_end(values);
  snprintf(reader->error_text, reader->error_text_size, "%s, offset %llu: %s",
           reader->path, (unsigned long long)reader->at, reason);
  return false;
}

static bool take(struct reader *reader, uint8_t *bytes, size_t size) {
  if (size <= reader->left && fread(bytes, 1, size, reader->file) == size) {
    reader->left -= size;
    return true;
  }
  if (ferror(reader->file)) return refuse(reader, "cannot be read: %s", strerror(errno));
  return refuse(reader, "the snapshot is cut off");
}

static bool read_head(struct reader *reader, const gr_uuid *group, uint8_t *head) {
  if (!take(reader, head, HEAD_BYTES)) return false;
  if (memcmp(head, magic, sizeof(magic)) != 0)
    return refuse(reader, "this is no snapshot of gr-kv");
  if (kv_number_get(head + 8, 4) != VERSION)
    return refuse(reader, "the snapshot is of version %llu, and known is %d",
                  (unsigned long long)kv_number_get(head + 8, 4), VERSION);
  if (kv_number_get(head + 64, CHECK_BYTES) != check_of_head(head))
    return refuse(reader, "the snapshot's head is damaged");
  if (memcmp(head + 16, group->bytes, sizeof(group->bytes)) != 0)
    return refuse(reader, "the snapshot is of another group");
  return true;
}

/* The sizes are believed only as far as the file reaches: no memory is asked for else. */
static bool read_entry(struct reader *reader, struct kv_store *store, uint64_t number) {
  uint8_t entry[ENTRY_BYTES];
  if (!take(reader, entry, sizeof(entry))) return false;
  size_t key_size = (size_t)kv_number_get(entry, 4);
  uint64_t size = key_size + kv_number_get(entry + 4, 4);
  if (size > reader->left)
    return refuse(reader, "the entry is damaged or cut off: it reaches beyond the file");
  kv_buffer_clear(&reader->words);
  uint8_t *words = kv_buffer_reserve(&reader->words, (size_t)size);
  if (!words) return refuse(reader, "no memory for the entry");
  if (!take(reader, words, (size_t)size)) return false;
  struct kv_string key = {words, key_size};
  struct kv_string value = {words + key_size, (size_t)size - key_size};
  if (kv_number_get(entry + 16, CHECK_BYTES) != check_of_entry(entry, number, key, value))
    return refuse(reader, "the entry is damaged");
  if (!kv_store_set(store, key, value, kv_number_get(entry + 8, 8)))
    return refuse(reader, "no memory for the entry");
  if (kv_store_count(store) != number + 1)
    return refuse(reader, "the entry is there twice, or has expired before");
  reader->at += ENTRY_BYTES + size;
  return true;
}

static bool read_file(struct reader *reader, const gr_uuid *group, struct kv_store *store,
                      struct kv_snapshot *snapshot) {
  struct stat facts;
  if (fstat(fileno(reader->file), &facts) != 0)
    return refuse(reader, "cannot be read: %s", strerror(errno));
  reader->left = (uint64_t)facts.st_size;
  uint8_t head[HEAD_BYTES];
  if (!read_head(reader, group, head)) return false;
  reader->at = HEAD_BYTES;
  kv_store_advance(store, kv_number_get(head + 40, 8));
  uint64_t count = kv_number_get(head + 48, 8);
  for (uint64_t i = 0; i < count; i++)
    if (!read_entry(reader, store, i)) return false;
  if (reader->left > 0) return refuse(reader, "something follows the last entry");
  if (kv_store_digest(store) != kv_number_get(head + 56, 8))
    return refuse(reader, "the entries are not those that were written: other digest");
  *snapshot =
      (struct kv_snapshot){.seqno = kv_number_get(head + 32, 8), .bytes = reader->at};
  return true;
}

enum kv_snapshot_outcome kv_snapshot_read(const char *path, const gr_uuid *group,
                                          struct kv_store *store,
                                          struct kv_snapshot *snapshot, char *error_text,
                                          size_t error_text_size) {
  struct reader reader = {.path = path,
                          .words = kv_buffer_of(SIZE_MAX),
                          .error_text = error_text,
                          .error_text_size = error_text_size};
  reader.file = fopen(path, "rbe");
  if (!reader.file && errno == ENOENT) return KV_SNAPSHOT_NONE;
  if (!reader.file) {
    refuse(&reader, "cannot be opened: %s", strerror(errno));
    return KV_SNAPSHOT_REFUSED;
  }
  bool is_read = read_file(&reader, group, store, snapshot);
  fclose(reader.file);
  kv_buffer_release(&reader.words);
  return is_read ? KV_SNAPSHOT_READ : KV_SNAPSHOT_REFUSED;
}
