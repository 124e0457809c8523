/* SPDX-License-Identifier: MIT
 *
 * What is on its way to one member: frames are gathered during a round and written with
 * one system call. Headers are copied, for their bytes do not last; payload is pointed
 * at, for it lasts until the round ends. What the kernel does not take is copied into a
 * bounded leftover; while there is any, no new frame is taken.
 *
 *   arena:    [len hdr][len hdr] ...            copied, adjacent pieces share one vector
 *   vectors:  arena | payload | arena | ...     points at both
 *   leftover: what the last write left          empty unless the kernel is full
 */
#ifndef GR_POSIX_OUTBOX_H
#define GR_POSIX_OUTBOX_H

#include <gr/types.h>
#include <sys/uio.h>

#define GR_OUTBOX_VECTORS_MAX 256

struct gr_outbox {
  uint8_t *arena;
  size_t arena_used;
  size_t arena_capacity;
  size_t frame_bytes_max;
  size_t gathered; /* bytes that the vectors hold */
  size_t vector_count;
  uint8_t *leftover;
  size_t leftover_first;
  size_t leftover_end;
  struct iovec vectors[GR_OUTBOX_VECTORS_MAX];
};

enum gr_outbox_result {
  GR_OUTBOX_EMPTY,   /* the kernel took everything */
  GR_OUTBOX_BLOCKED, /* it took a part: go on when the socket is writable */
  GR_OUTBOX_BROKEN   /* the connection is lost; errno says why */
};

/* False if there is no memory. */
bool gr_outbox_init(struct gr_outbox *outbox, size_t frame_bytes_max);
void gr_outbox_free(struct gr_outbox *outbox);

/* Forgets everything: the connection is gone. */
void gr_outbox_clear(struct gr_outbox *outbox);

/* Gathers one frame, the parts joined, of at most frame_bytes_max. False: not now, for a
 * leftover waits or the round has gathered enough; nothing was taken. */
bool gr_outbox_add(struct gr_outbox *outbox, const gr_slice *parts, size_t part_count);

/* Writes the gathered frames to `socket`. */
enum gr_outbox_result gr_outbox_flush(struct gr_outbox *outbox, int socket);

/* Writes the leftover, now that the socket is writable. */
enum gr_outbox_result gr_outbox_resume(struct gr_outbox *outbox, int socket);

#endif
