/* SPDX-License-Identifier: MIT
 *
 * The queue of messages from any number of producer threads to the node's thread.
 * Producers take no lock; they reserve bytes with one compare-and-swap, copy, and
 * publish.
 *
 *   bytes:    ring of cache lines; a message takes whole ones, and may wrap at the end
 *   entries:  one a line; a message uses the entry of its first line
 *
 *        released        head                       reserved     (lines, counted for
 * ever) |  consumed    |  published or being copied  |
 *
 * An entry is published when its stamp is its line's number + 1. Line numbers never
 * repeat and nothing but this queue writes stamps, so bytes of a former message cannot
 * pass for a published entry.
 *
 * Messages larger than a quarter of the ring wait in memory of their own, bounded apart,
 * and take one line. What the queue can hold is so bounded by ring_bytes +
 * large_bytes_max.
 */
#ifndef GR_POSIX_SUBMIT_QUEUE_H
#define GR_POSIX_SUBMIT_QUEUE_H

#include <gr/error.h>
#include <gr/types.h>

#include <pthread.h>
#include <stdalign.h>
#include <stdatomic.h>

#define GR_SUBMIT_LINE_BYTES 64

struct gr_submit_entry {
  _Atomic uint64_t stamp;
  uint64_t tag;
  size_t size;
  uint8_t *large; /* the message, if it is not in the ring */
};

struct gr_submit_queue {
  /* Never changes after the initialization. */
  uint8_t *bytes;
  struct gr_submit_entry *entries;
  uint64_t lines; /* a power of two */
  uint64_t large_bytes_max;

  /* What producers change, what the consumer changes, and what hardly changes are on
   * lines of their own. */
  alignas(GR_SUBMIT_LINE_BYTES) _Atomic uint64_t reserved;
  alignas(GR_SUBMIT_LINE_BYTES) _Atomic uint64_t released;
  _Atomic uint64_t large_bytes;
  uint64_t head; /* the consumer's own */
  alignas(GR_SUBMIT_LINE_BYTES) _Atomic uint32_t waiters;
  _Atomic bool closed;
  pthread_mutex_t mutex; /* of the waiters only */
  pthread_cond_t room;
  pthread_cond_t left;
};

/* The message at the head: its bytes, in two slices if it wraps. */
struct gr_submission {
  gr_slice parts[2];
  size_t part_count;
  size_t size;
  uint64_t tag;
};

/* `ring_bytes` is a power of two, at least 1 KiB. GR_OK, GR_ERR_NO_MEMORY. */
int gr_submit_queue_init(struct gr_submit_queue *queue, uint64_t ring_bytes,
                         uint64_t large_bytes_max);

/* Nobody may use the queue any more. */
void gr_submit_queue_free(struct gr_submit_queue *queue);

/* ---- producers ---- */

/* Appends the parts, joined; `size` is their sum. GR_OK, GR_ERR_FULL, GR_ERR_HALTED
 * (closed), GR_ERR_NO_MEMORY. */
int gr_submit_queue_push(struct gr_submit_queue *queue, const gr_slice *parts,
                         size_t part_count, size_t size, uint64_t tag);

/* The same, but waits while the queue is full: GR_OK, GR_ERR_HALTED, GR_ERR_NO_MEMORY. */
int gr_submit_queue_push_wait(struct gr_submit_queue *queue, const gr_slice *parts,
                              size_t part_count, size_t size, uint64_t tag);

/* Takes no message any more; who waits is answered GR_ERR_HALTED. From any thread. */
void gr_submit_queue_close(struct gr_submit_queue *queue);

/* Returns when nobody is inside gr_submit_queue_push_wait() any more; after the close. */
void gr_submit_queue_await_leavers(struct gr_submit_queue *queue);

/* ---- the consumer ---- */

/* True if gr_submit_queue_peek() would answer false. Sequentially consistent: see
 * waker.h. */
bool gr_submit_queue_is_empty(const struct gr_submit_queue *queue);

/* The oldest message, in place; false if it is not published yet, or there is none. */
bool gr_submit_queue_peek(struct gr_submit_queue *queue,
                          struct gr_submission *submission);

/* Takes the message that was peeked at out of the queue. Its room is reused only after
 * gr_submit_queue_release(). */
void gr_submit_queue_pop(struct gr_submit_queue *queue);

/* Gives the room of what was taken out back to the producers. */
void gr_submit_queue_release(struct gr_submit_queue *queue);

#endif
