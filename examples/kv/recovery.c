/* SPDX-License-Identifier: MIT
 *
 * See recovery.h.
 */
#include "recovery.h"

#include "log.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define UNFINISHED_FILE "received.tmp"

/* The disk takes it piece by piece, so that the end need not wait for all of it. */
#define SYNC_BYTES ((size_t)8 * 1024 * 1024)

struct kv_recovery {
  const struct kv_options *options;
  struct kv_checkpoint *checkpoint;
  struct kv_handover *handover;
  struct kv_store *store; /* NULL: nothing comes */
  struct kv_snapshot_parser parser;
  gr_seqno seqno;
  int fd;
  size_t unsynced;
};

struct kv_recovery *kv_recovery_new(const struct kv_options *options,
                                    struct kv_checkpoint *checkpoint,
                                    struct kv_handover *handover) {
  struct kv_recovery *recovery = calloc(1, sizeof(*recovery));
  if (!recovery) return NULL;
  recovery->options = options;
  recovery->checkpoint = checkpoint;
  recovery->handover = handover;
  recovery->fd = -1;
  return recovery;
}

/* Forgets what has come; the store, unless it was handed on. */
static void clear(struct kv_recovery *recovery) {
  kv_snapshot_parser_release(&recovery->parser);
  kv_store_free(recovery->store);
  recovery->store = NULL;
  if (recovery->fd >= 0) close(recovery->fd);
  recovery->fd = -1;
}

void kv_recovery_free(struct kv_recovery *recovery) {
  if (!recovery) return;
  if (recovery->store) clear(recovery);
  free(recovery);
}

static bool fail(const char *what) {
  kv_log(GR_LOG_ERROR, "the snapshot of another member cannot be taken: %s", what);
  return false;
}

bool kv_recovery_begin(struct kv_recovery *recovery, gr_seqno seqno) {
  recovery->store = kv_store_new();
  if (!recovery->store) return fail("out of memory");
  kv_snapshot_parser_init(&recovery->parser, &recovery->options->group, recovery->store);
  recovery->seqno = seqno;
  recovery->unsynced = 0;
  kv_log(GR_LOG_INFO, "another member's snapshot as of message %llu comes",
         (unsigned long long)seqno);
  if (!recovery->checkpoint) return true;
  kv_checkpoint_begin_replacing(recovery->checkpoint);
  recovery->fd = openat(recovery->checkpoint->directory, UNFINISHED_FILE,
                        O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
  return recovery->fd >= 0 || fail(strerror(errno));
}

static bool write_to_disk(struct kv_recovery *recovery, const uint8_t *bytes,
                          size_t size) {
  while (size > 0) {
    ssize_t written = write(recovery->fd, bytes, size);
    if (written < 0 && errno == EINTR) continue;
    if (written <= 0) return fail(strerror(written < 0 ? errno : ENOSPC));
    bytes += written;
    size -= (size_t)written;
    recovery->unsynced += (size_t)written;
  }
  if (recovery->unsynced < SYNC_BYTES) return true;
  recovery->unsynced = 0;
  return fdatasync(recovery->fd) == 0 || fail(strerror(errno));
}

bool kv_recovery_write(struct kv_recovery *recovery, gr_slice bytes) {
  if (!kv_snapshot_parser_feed(&recovery->parser, bytes.data, bytes.size))
    return fail(recovery->parser.error);
  return recovery->fd < 0 || write_to_disk(recovery, bytes.data, bytes.size);
}

static bool make_durable(struct kv_recovery *recovery) {
  if (!recovery->checkpoint) return true;
  return (fsync(recovery->fd) == 0 &&
          kv_checkpoint_replace(recovery->checkpoint, UNFINISHED_FILE)) ||
         fail(strerror(errno));
}

static bool hand_on(struct kv_recovery *recovery) {
  const struct kv_snapshot *snapshot = &recovery->parser.snapshot;
  struct kv_handover_record record = {.kind = KV_RECORD_RESTORED,
                                      .seqno = snapshot->seqno,
                                      .digest = snapshot->history,
                                      .snapshot_bytes = snapshot->bytes,
                                      .store = recovery->store};
  if (!kv_handover_note(recovery->handover, &record)) return fail("out of memory");
  recovery->store = NULL;
  return kv_handover_publish(recovery->handover);
}

bool kv_recovery_end(struct kv_recovery *recovery, bool complete) {
  bool taken = true;
  if (complete && !kv_snapshot_parser_finish(&recovery->parser))
    taken = fail(recovery->parser.error);
  else if (complete && recovery->parser.snapshot.seqno != recovery->seqno)
    taken = fail("it is as of another message");
  else if (complete)
    taken = make_durable(recovery) && hand_on(recovery);
  else if (recovery->checkpoint)
    kv_checkpoint_end_replacing(recovery->checkpoint, NULL);
  clear(recovery);
  return taken;
}
