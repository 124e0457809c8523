/* SPDX-License-Identifier: MIT
 *
 * See checkpoint.h.
 */
#include "checkpoint.h"

#include "child.h"
#include "log.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* What a child writes, until it is whole. */
#define UNFINISHED_FILE "snapshot.tmp"

/* After a snapshot that failed, for want of room for example. */
#define RETRY_MS 60000

/* ---- opening ---- */

static bool refuse(const char *path, const char *what, char *error_text,
                   size_t error_text_size) {
  snprintf(error_text, error_text_size, "%s: %s", path, what);
  return false;
}

/* Opens the directory, made if need be, and then so that it is found after a crash. */
static int open_directory(const char *path) {
  bool made = mkdir(path, 0755) == 0;
  if (!made && errno != EEXIST) return -1;
  int directory = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (directory < 0 || !made) return directory;
  int parent = openat(directory, "..", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  bool durable = parent >= 0 && fsync(parent) == 0;
  int error = errno;
  if (parent >= 0) close(parent);
  if (durable) return directory;
  close(directory);
  errno = error;
  return -1;
}

static bool is_without_files(const char *path) {
  DIR *directory = opendir(path);
  if (!directory) return errno == ENOENT;
  size_t files = 0;
  for (const struct dirent *entry = readdir(directory); entry; entry = readdir(directory))
    files += entry->d_name[0] != '.';
  closedir(directory);
  return files == 0;
}

bool kv_checkpoint_open(struct kv_checkpoint *checkpoint,
                        const struct kv_options *options, struct kv_store *store,
                        char *error_text, size_t error_text_size) {
  *checkpoint = (struct kv_checkpoint){.options = options};
  pthread_mutex_init(&checkpoint->lock, NULL);
  checkpoint->directory = open_directory(options->data_path);
  if (checkpoint->directory < 0)
    return refuse(options->data_path, strerror(errno), error_text, error_text_size);
  char path[KV_PATH_MAX + sizeof(KV_SNAPSHOT_FILE)];
  snprintf(path, sizeof(path), "%s/%s", options->data_path, KV_SNAPSHOT_FILE);
  switch (kv_snapshot_read(path, &options->group, store, &checkpoint->latest, error_text,
                           error_text_size)) {
  case KV_SNAPSHOT_REFUSED:
    return false;
  case KV_SNAPSHOT_NONE:
    return true;
  case KV_SNAPSHOT_READ:
    break;
  }
  kv_log(GR_LOG_INFO, "%s holds %zu keys as of message %llu", path, kv_store_count(store),
         (unsigned long long)checkpoint->latest.seqno);
  /* Without its log a member is another one: it can only come in anew, with this as the
   * state that it begins with. */
  checkpoint->is_orphan = is_without_files(options->data_log_path);
  return true;
}

/* ---- writing ---- */

struct work {
  const struct kv_store *store;
  const gr_uuid *group;
  const struct kv_snapshot *snapshot;
};

static int write_in_child(const void *context, int directory) {
  const struct work *work = context;
  return kv_snapshot_write_file(directory, UNFINISHED_FILE, work->store, work->group,
                                work->snapshot);
}

static void fail(struct kv_checkpoint *checkpoint, gr_seqno seqno, int error,
                 uint64_t now_ms) {
  checkpoint->error = error;
  checkpoint->retry_ms = now_ms + RETRY_MS;
  kv_log(GR_LOG_WARNING, "the snapshot at message %llu failed: %s; the former one stays",
         (unsigned long long)seqno, strerror(error));
}

static void begin(struct kv_checkpoint *checkpoint, const struct kv_store *store,
                  const struct kv_snapshot *now, uint64_t log_bytes, uint64_t now_ms) {
  struct work work = {store, &checkpoint->options->group, now};
  pid_t child = kv_child_begin(write_in_child, &work, checkpoint->directory);
  if (child < 0) {
    fail(checkpoint, now->seqno, errno, now_ms);
    return;
  }
  checkpoint->child = child;
  checkpoint->child_snapshot = *now;
  checkpoint->child_log_bytes = log_bytes;
}

/* Makes the finished file the snapshot, unless another member's comes in its place. 0, or
 * the errno. */
static int publish(struct kv_checkpoint *checkpoint) {
  pthread_mutex_lock(&checkpoint->lock);
  int error = ECANCELED;
  if (checkpoint->replacing == 0)
    error = kv_snapshot_publish(checkpoint->directory, UNFINISHED_FILE);
  pthread_mutex_unlock(&checkpoint->lock);
  return error;
}

static void succeed(struct kv_checkpoint *checkpoint, struct kv_group *group,
                    const struct kv_snapshot *snapshot, uint64_t log_bytes) {
  struct stat facts;
  if (fstatat(checkpoint->directory, KV_SNAPSHOT_FILE, &facts, 0) != 0) facts.st_size = 0;
  checkpoint->latest = *snapshot;
  checkpoint->latest.bytes = (uint64_t)facts.st_size;
  checkpoint->latest_log_bytes = log_bytes;
  checkpoint->error = 0;
  checkpoint->count++;
  kv_log(GR_LOG_INFO, "a snapshot of %llu bytes holds all up to message %llu",
         (unsigned long long)checkpoint->latest.bytes,
         (unsigned long long)snapshot->seqno);
  kv_group_checkpoint(group, snapshot->seqno);
}

/* Looks whether the child is done. */
static void reap(struct kv_checkpoint *checkpoint, struct kv_group *group,
                 uint64_t now_ms) {
  int error = 0;
  if (!kv_child_has_ended(checkpoint->child, &error)) return;
  checkpoint->child = 0;
  if (error == 0) error = publish(checkpoint);
  if (error == 0)
    succeed(checkpoint, group, &checkpoint->child_snapshot, checkpoint->child_log_bytes);
  else if (error != ECANCELED)
    fail(checkpoint, checkpoint->child_snapshot.seqno, error, now_ms);
}

static bool is_due(const struct kv_checkpoint *checkpoint, uint64_t log_bytes,
                   uint64_t now_ms) {
  uint64_t growth = log_bytes - checkpoint->latest_log_bytes;
  uint64_t needed = checkpoint->options->checkpoint_bytes;
  if (needed < checkpoint->latest.bytes) needed = checkpoint->latest.bytes;
  return (growth > needed || checkpoint->hurries) &&
         (checkpoint->error == 0 || now_ms >= checkpoint->retry_ms);
}

void kv_checkpoint_hurry(struct kv_checkpoint *checkpoint) {
  checkpoint->hurries = true;
}

void kv_checkpoint_tend(struct kv_checkpoint *checkpoint, struct kv_group *group,
                        const struct kv_store *store, const struct kv_snapshot *now,
                        uint64_t now_ms) {
  if (checkpoint->child != 0) reap(checkpoint, group, now_ms);
  gr_node_storage figures;
  if (checkpoint->child != 0 || now->seqno == checkpoint->latest.seqno ||
      !kv_group_storage(group, &figures))
    return;
  uint64_t log_bytes = figures.restored_bytes + figures.bytes;
  if (!is_due(checkpoint, log_bytes, now_ms)) return;
  checkpoint->hurries = false;
  begin(checkpoint, store, now, log_bytes, now_ms);
}

/* ---- another member's ---- */

static void end_child(struct kv_checkpoint *checkpoint) {
  if (checkpoint->child == 0) return;
  kv_child_kill(checkpoint->child);
  checkpoint->child = 0;
}

void kv_checkpoint_begin_replacing(struct kv_checkpoint *checkpoint) {
  pthread_mutex_lock(&checkpoint->lock);
  checkpoint->replacing++;
  pthread_mutex_unlock(&checkpoint->lock);
}

bool kv_checkpoint_replace(struct kv_checkpoint *checkpoint, const char *name) {
  int error = kv_snapshot_publish(checkpoint->directory, name);
  errno = error;
  return error == 0;
}

void kv_checkpoint_end_replacing(struct kv_checkpoint *checkpoint,
                                 const struct kv_snapshot *snapshot) {
  if (snapshot) {
    end_child(checkpoint);
    checkpoint->latest = *snapshot;
  }
  pthread_mutex_lock(&checkpoint->lock);
  checkpoint->replacing--;
  pthread_mutex_unlock(&checkpoint->lock);
}

/* ---- the end ---- */

void kv_checkpoint_finish(struct kv_checkpoint *checkpoint, struct kv_group *group,
                          const struct kv_store *store, const struct kv_snapshot *now) {
  end_child(checkpoint);
  if (now->seqno == checkpoint->latest.seqno) return;
  /* Nobody takes what the node delivers meanwhile. */
  kv_handover_yield(kv_group_handover(group), true);
  int error = kv_snapshot_write_file(checkpoint->directory, UNFINISHED_FILE, store,
                                     &checkpoint->options->group, now);
  if (error == 0) error = publish(checkpoint);
  if (error == 0)
    succeed(checkpoint, group, now, checkpoint->latest_log_bytes);
  else if (error != ECANCELED)
    fail(checkpoint, now->seqno, error, 0);
}

void kv_checkpoint_close(struct kv_checkpoint *checkpoint) {
  end_child(checkpoint);
  if (checkpoint->directory >= 0) close(checkpoint->directory);
  checkpoint->directory = -1;
  pthread_mutex_destroy(&checkpoint->lock);
}
