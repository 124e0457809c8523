/* SPDX-License-Identifier: MIT
 *
 * See checkpoint.h.
 */
#include "checkpoint.h"

#include "log.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

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
  /* Without its log a member is another one. A group of such members would count its
   * messages anew, and take the first ones for those that the snapshot holds. */
  if (!is_without_files(options->data_log_path)) return true;
  return refuse(path, "there is a snapshot, but the log that belongs to it is gone",
                error_text, error_text_size);
}

/* ---- writing ---- */

/* In the child. Its parent has threads, and any of them may hold any lock at this moment:
 * only system calls here and in kv_snapshot_write(). It keeps nothing open but the
 * directory: neither sockets, whose other ends would not see them closed, nor the log,
 * which a next process must be able to lock. It does not outlive its parent, whose
 * successor writes the same files. */
static void write_in_child(const struct kv_checkpoint *checkpoint, pid_t parent,
                           const struct kv_store *store, gr_seqno seqno) {
  const int kept = STDERR_FILENO + 1;
  if (prctl(PR_SET_PDEATHSIG, SIGKILL) != 0 || getppid() != parent) _exit(ESRCH);
  if (dup2(checkpoint->directory, kept) < 0) _exit(errno);
  if (close_range(kept + 1, UINT_MAX, 0) != 0) _exit(errno);
  _exit(kv_snapshot_write(kept, store, &checkpoint->options->group, seqno));
}

static void fail(struct kv_checkpoint *checkpoint, gr_seqno seqno, int error,
                 uint64_t now_ms) {
  checkpoint->error = error;
  checkpoint->retry_ms = now_ms + RETRY_MS;
  kv_log(GR_LOG_WARNING, "the snapshot at message %llu failed: %s; the former one stays",
         (unsigned long long)seqno, strerror(error));
}

static void begin(struct kv_checkpoint *checkpoint, const struct kv_store *store,
                  gr_seqno applied, uint64_t log_bytes, uint64_t now_ms) {
  pid_t self = getpid();
  pid_t child = fork();
  if (child == 0) write_in_child(checkpoint, self, store, applied);
  if (child < 0) {
    fail(checkpoint, applied, errno, now_ms);
    return;
  }
  checkpoint->child = child;
  checkpoint->child_seqno = applied;
  checkpoint->child_log_bytes = log_bytes;
}

static void succeed(struct kv_checkpoint *checkpoint, struct kv_group *group,
                    gr_seqno seqno, uint64_t log_bytes) {
  struct stat facts;
  if (fstatat(checkpoint->directory, KV_SNAPSHOT_FILE, &facts, 0) != 0) facts.st_size = 0;
  checkpoint->latest =
      (struct kv_snapshot){.seqno = seqno, .bytes = (uint64_t)facts.st_size};
  checkpoint->latest_log_bytes = log_bytes;
  checkpoint->error = 0;
  checkpoint->count++;
  kv_log(GR_LOG_INFO, "a snapshot of %llu bytes holds all up to message %llu",
         (unsigned long long)checkpoint->latest.bytes, (unsigned long long)seqno);
  kv_group_checkpoint(group, seqno);
}

/* Looks whether the child is done. */
static void reap(struct kv_checkpoint *checkpoint, struct kv_group *group,
                 uint64_t now_ms) {
  int status = 0;
  pid_t ended = waitpid(checkpoint->child, &status, WNOHANG);
  if (ended == 0) return;
  checkpoint->child = 0;
  int error = ended > 0 && WIFEXITED(status) ? WEXITSTATUS(status) : EINTR;
  if (error == 0)
    succeed(checkpoint, group, checkpoint->child_seqno, checkpoint->child_log_bytes);
  else
    fail(checkpoint, checkpoint->child_seqno, error, now_ms);
}

static bool is_due(const struct kv_checkpoint *checkpoint, uint64_t log_bytes,
                   uint64_t now_ms) {
  uint64_t growth = log_bytes - checkpoint->latest_log_bytes;
  uint64_t needed = checkpoint->options->checkpoint_bytes;
  if (needed < checkpoint->latest.bytes) needed = checkpoint->latest.bytes;
  return growth > needed && (checkpoint->error == 0 || now_ms >= checkpoint->retry_ms);
}

void kv_checkpoint_tend(struct kv_checkpoint *checkpoint, struct kv_group *group,
                        const struct kv_store *store, gr_seqno applied, uint64_t now_ms) {
  if (checkpoint->child != 0) reap(checkpoint, group, now_ms);
  gr_node_storage figures;
  if (checkpoint->child != 0 || applied == checkpoint->latest.seqno ||
      !kv_group_storage(group, &figures))
    return;
  uint64_t log_bytes = figures.restored_bytes + figures.bytes;
  if (is_due(checkpoint, log_bytes, now_ms))
    begin(checkpoint, store, applied, log_bytes, now_ms);
}

/* ---- the end ---- */

static void end_child(struct kv_checkpoint *checkpoint) {
  if (checkpoint->child == 0) return;
  kill(checkpoint->child, SIGKILL);
  waitpid(checkpoint->child, NULL, 0);
  checkpoint->child = 0;
}

void kv_checkpoint_finish(struct kv_checkpoint *checkpoint, struct kv_group *group,
                          const struct kv_store *store, gr_seqno applied) {
  end_child(checkpoint);
  if (applied == checkpoint->latest.seqno) return;
  /* Nobody takes what the node delivers meanwhile. */
  kv_handover_yield(kv_group_handover(group), true);
  int error = kv_snapshot_write(checkpoint->directory, store, &checkpoint->options->group,
                                applied);
  if (error == 0)
    succeed(checkpoint, group, applied, checkpoint->latest_log_bytes);
  else
    fail(checkpoint, applied, error, 0);
}

void kv_checkpoint_close(struct kv_checkpoint *checkpoint) {
  end_child(checkpoint);
  if (checkpoint->directory >= 0) close(checkpoint->directory);
  checkpoint->directory = -1;
}
