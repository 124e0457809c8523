/* SPDX-License-Identifier: MIT
 *
 * Ordered messages, and what else happens to this member at some place of their order, on
 * their way from the node's thread, which delivers them, to the client thread, which owns
 * the store and applies them. The node's thread copies deliveries into a buffer of its
 * own and publishes it once a turn; the client thread takes all that was published at
 * once. So the lock is taken per batch, and the store needs none.
 *
 * What is published and not taken is bounded: beyond that the node's thread waits, and
 * the member with it. It does not wait while the client thread itself waits for an answer
 * of the node (kv_handover_yield()), nor after the end.
 */
#ifndef KV_HANDOVER_H
#define KV_HANDOVER_H

#include "buffer.h"
#include "store.h"

#include <gr/posix.h>

/* Room for why a node halted. */
#define KV_HALT_TEXT_MAX 1024

/* How the node is, once all before it has been taken. */
struct kv_handover_state {
  bool restored; /* what comes now is no repetition of what the node's log held */
  bool halted;   /* nothing comes any more */
  int error;     /* why it halted */
  char text[KV_HALT_TEXT_MAX];
};

struct kv_handover;

enum kv_handover_kind {
  KV_RECORD_MESSAGE = 1, /* seqno, tag, bytes */
  KV_RECORD_FAILED = 2,  /* tag, error: this own message is not delivered here */
  KV_RECORD_STATE = 3,   /* state, error: this member's */
  KV_RECORD_HISTORY = 4, /* seqno, digest: of the group's messages up to here */
  KV_RECORD_SNAPSHOT =
      5, /* place, seqno, digest: one is asked for, of the store as of here */
  KV_RECORD_RESTORED =
      6 /* store, seqno, digest, snapshot_bytes: in place of the store and all before */
};

/* One thing of a batch. What its kind does not name is 0. */
struct kv_handover_record {
  enum kv_handover_kind kind;
  int error;
  enum gr_member_state state;
  uint32_t place;
  gr_seqno seqno;
  uint64_t tag; /* 0: another member's */
  uint64_t digest;
  struct kv_store *store;
  uint64_t snapshot_bytes;
  const uint8_t *bytes;
  size_t size;
};

/* NULL: errno says why. `bytes_max`: what may wait. */
struct kv_handover *kv_handover_new(size_t bytes_max);
void kv_handover_free(struct kv_handover *handover);

/* Readable when there is something to take. */
int kv_handover_event_fd(const struct kv_handover *handover);

/* On the node's thread: adds a message to what is published next. False: out of memory.
 */
bool kv_handover_add(struct kv_handover *handover, const gr_delivery *delivery,
                     uint64_t tag);

/* On the node's thread: adds a record of another kind, which has no bytes. False: out of
 * memory. */
bool kv_handover_note(struct kv_handover *handover,
                      const struct kv_handover_record *record);

/* On the node's thread: publishes what was added. False: out of memory. */
bool kv_handover_publish(struct kv_handover *handover);

/* On the node's thread: what the node's log held has been added, and is published. False:
 * out of memory. */
bool kv_handover_restored(struct kv_handover *handover);

/* On the node's thread: nothing comes any more, for this reason. */
void kv_handover_halt(struct kv_handover *handover, int error, const char *text);

/* On the client thread: swaps what was published against the emptied `batch`, which
 * becomes the next one. `state` holds once that batch is applied. */
void kv_handover_take(struct kv_handover *handover, struct kv_buffer *batch,
                      struct kv_handover_state *state);

/* On the client thread: takes the next record off the batch, from `*at` on, which begins
 * with 0. False at its end. */
bool kv_handover_next(const struct kv_buffer *batch, size_t *at,
                      struct kv_handover_record *record);

/* On the client thread: while `yield` holds, the node's thread does not wait. */
void kv_handover_yield(struct kv_handover *handover, bool yield);

#endif
