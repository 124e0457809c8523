/* SPDX-License-Identifier: MIT
 *
 * See snapshot.h: writing.
 */
#include "snapshot.h"

#include "snapshot_format.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#define WRITE_BYTES ((size_t)64 * 1024)

/* What may be written before the disk is made to take it: the member's log must not queue
 * behind gigabytes when it syncs. */
#define SYNC_BYTES ((size_t)8 * 1024 * 1024)

struct writer {
  int fd;
  bool durable;
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
    if (!writer->durable || writer->unsynced < SYNC_BYTES) continue;
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
                       const gr_uuid *group, const struct kv_snapshot *snapshot) {
  uint8_t head[KV_SNAPSHOT_HEAD_BYTES] = {0};
  memcpy(head, KV_SNAPSHOT_MAGIC, KV_SNAPSHOT_MAGIC_BYTES);
  kv_number_put(head + 8, KV_SNAPSHOT_VERSION, 4);
  memcpy(head + 16, group->bytes, sizeof(group->bytes));
  kv_number_put(head + 32, snapshot->seqno, 8);
  kv_number_put(head + 40, kv_store_time(store), 8);
  kv_number_put(head + 48, kv_store_count(store), 8);
  kv_number_put(head + 56, kv_store_digest(store), 8);
  kv_number_put(head + 64, snapshot->history, 8);
  kv_number_put(head + 72, kv_snapshot_check_of_head(head), KV_SNAPSHOT_CHECK_BYTES);
  put(writer, (struct kv_string){head, sizeof(head)});
}

static bool write_entry(void *context, struct kv_string key, struct kv_string value,
                        uint64_t expires_ms) {
  struct writer *writer = context;
  uint8_t entry[KV_SNAPSHOT_ENTRY_BYTES];
  kv_number_put(entry, key.size, 4);
  kv_number_put(entry + 4, value.size, 4);
  kv_number_put(entry + 8, expires_ms, 8);
  kv_number_put(entry + 16,
                kv_snapshot_check_of_entry(entry, writer->number++, key, value),
                KV_SNAPSHOT_CHECK_BYTES);
  put(writer, (struct kv_string){entry, sizeof(entry)});
  put(writer, key);
  put(writer, value);
  return writer->error == 0;
}

int kv_snapshot_write(int fd, const struct kv_store *store, const gr_uuid *group,
                      const struct kv_snapshot *snapshot, bool durable) {
  struct writer writer = {.fd = fd, .durable = durable};
  write_head(&writer, store, group, snapshot);
  if (kv_store_each(store, write_entry, &writer)) drain(&writer);
  if (writer.error == 0 && durable && fsync(fd) != 0) writer.error = errno;
  return writer.error;
}

int kv_snapshot_write_file(int directory, const char *name, const struct kv_store *store,
                           const gr_uuid *group, const struct kv_snapshot *snapshot) {
  int fd = openat(directory, name, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
  if (fd < 0) return errno;
  int error = kv_snapshot_write(fd, store, group, snapshot, true);
  if (close(fd) != 0 && error == 0) error = errno;
  if (error != 0) unlinkat(directory, name, 0);
  return error;
}

int kv_snapshot_publish(int directory, const char *name) {
  if (renameat(directory, name, directory, KV_SNAPSHOT_FILE) != 0) return errno;
  return fsync(directory) == 0 ? 0 : errno;
}
