/* SPDX-License-Identifier: MIT
 *
 * See outbox.h.
 */
#include "posix/outbox.h"

#include "base/bytes.h"
#include "posix/frame_reader.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/socket.h>

/* A round beyond this is written before more is gathered: enough to make the system call
 * cheap, little enough that it stays in the processor's cache. */
#define GATHERED_BYTES_MAX (512 * 1024)

/* Copied headers at most in one round, but for the last. */
#define ARENA_BYTES (64 * 1024)

/* A part up to this size is copied even if it is payload: a vector costs more. */
#define COPIED_BYTES_MAX 256

/* What was gathered when the limit let one more frame in. */
static size_t leftover_capacity(const struct gr_outbox *outbox) {
  return GATHERED_BYTES_MAX + GR_FRAME_LENGTH_BYTES + outbox->frame_bytes_max;
}

bool gr_outbox_init(struct gr_outbox *outbox, size_t frame_bytes_max) {
  *outbox = (struct gr_outbox){.frame_bytes_max = frame_bytes_max};
  /* A frame may be all header. What is never used is never touched, so costs no memory.
   */
  outbox->arena_capacity = ARENA_BYTES + GR_FRAME_LENGTH_BYTES + frame_bytes_max;
  outbox->arena = malloc(outbox->arena_capacity);
  outbox->leftover = malloc(leftover_capacity(outbox));
  if (outbox->arena && outbox->leftover) return true;
  gr_outbox_free(outbox);
  return false;
}

void gr_outbox_free(struct gr_outbox *outbox) {
  free(outbox->arena);
  free(outbox->leftover);
  outbox->arena = NULL;
  outbox->leftover = NULL;
}

static void clear_round(struct gr_outbox *outbox) {
  outbox->arena_used = 0;
  outbox->gathered = 0;
  outbox->vector_count = 0;
}

void gr_outbox_clear(struct gr_outbox *outbox) {
  clear_round(outbox);
  outbox->leftover_first = outbox->leftover_end = 0;
}

static void add_vector(struct gr_outbox *outbox, const void *data, size_t size) {
  /* sendmsg() reads through the pointer only; iovec just has no const. */
  outbox->vectors[outbox->vector_count++] =
      (struct iovec){.iov_base = (void *)(uintptr_t)data, .iov_len = size};
  outbox->gathered += size;
}

/* Copies into the arena; goes on in the last vector if that ends where the copy begins.
 */
static void add_copy(struct gr_outbox *outbox, const void *data, size_t size) {
  uint8_t *at = outbox->arena + outbox->arena_used;
  if (size > 0) memcpy(at, data, size);
  outbox->arena_used += size;
  struct iovec *last = outbox->vectors + outbox->vector_count - 1;
  if (outbox->vector_count > 0 && (uint8_t *)last->iov_base + last->iov_len == at) {
    last->iov_len += size;
    outbox->gathered += size;
  } else {
    add_vector(outbox, at, size);
  }
}

bool gr_outbox_add(struct gr_outbox *outbox, const gr_slice *parts, size_t part_count) {
  size_t size = 0;
  for (size_t i = 0; i < part_count; i++) size += parts[i].size;
  if (outbox->leftover_end > 0) return false;
  if (outbox->gathered >= GATHERED_BYTES_MAX || outbox->arena_used >= ARENA_BYTES)
    return false;
  if (outbox->vector_count + part_count + 1 > GR_OUTBOX_VECTORS_MAX) return false;
  uint8_t length[GR_FRAME_LENGTH_BYTES];
  gr_store_u32(length, (uint32_t)size);
  add_copy(outbox, length, sizeof(length));
  for (size_t i = 0; i < part_count; i++) {
    if (i == 0 || parts[i].size <= COPIED_BYTES_MAX)
      add_copy(outbox, parts[i].data, parts[i].size);
    else
      add_vector(outbox, parts[i].data, parts[i].size);
  }
  return true;
}

/* Keeps what follows the first `taken` bytes of the vectors. */
static void keep_leftover(struct gr_outbox *outbox, size_t taken) {
  size_t end = 0;
  for (size_t i = 0; i < outbox->vector_count; i++) {
    const struct iovec *vector = outbox->vectors + i;
    if (taken >= vector->iov_len) {
      taken -= vector->iov_len;
      continue;
    }
    size_t rest = vector->iov_len - taken;
    memcpy(outbox->leftover + end, (const uint8_t *)vector->iov_base + taken, rest);
    end += rest;
    taken = 0;
  }
  outbox->leftover_first = 0;
  outbox->leftover_end = end;
}

/* Bytes taken, 0 if the kernel is full, -1 if the connection is lost. A signal may
 * interrupt before anything is taken: then again. */
static ssize_t write_vectors(int socket, struct iovec *vectors, size_t count) {
  struct msghdr message = {.msg_iov = vectors, .msg_iovlen = count};
  for (;;) {
    ssize_t taken = sendmsg(socket, &message, MSG_NOSIGNAL | MSG_DONTWAIT);
    if (taken >= 0) return taken;
    if (errno == EAGAIN || errno == EWOULDBLOCK) return 0;
    if (errno != EINTR) return -1;
  }
}

enum gr_outbox_result gr_outbox_flush(struct gr_outbox *outbox, int socket) {
  if (outbox->gathered == 0) return GR_OUTBOX_EMPTY;
  ssize_t taken = write_vectors(socket, outbox->vectors, outbox->vector_count);
  if (taken < 0) return GR_OUTBOX_BROKEN;
  bool all = (size_t)taken == outbox->gathered;
  if (!all) keep_leftover(outbox, (size_t)taken);
  clear_round(outbox);
  return all ? GR_OUTBOX_EMPTY : GR_OUTBOX_BLOCKED;
}

enum gr_outbox_result gr_outbox_resume(struct gr_outbox *outbox, int socket) {
  if (outbox->leftover_end == 0) return GR_OUTBOX_EMPTY;
  struct iovec rest = {.iov_base = outbox->leftover + outbox->leftover_first,
                       .iov_len = outbox->leftover_end - outbox->leftover_first};
  ssize_t taken = write_vectors(socket, &rest, 1);
  if (taken < 0) return GR_OUTBOX_BROKEN;
  outbox->leftover_first += (size_t)taken;
  if (outbox->leftover_first < outbox->leftover_end) return GR_OUTBOX_BLOCKED;
  outbox->leftover_first = outbox->leftover_end = 0;
  return GR_OUTBOX_EMPTY;
}
