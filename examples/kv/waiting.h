/* SPDX-License-Identifier: MIT
 *
 * The writes that are on their way through the group, each with the client that waits for
 * its answer. They are numbered in the order of their broadcast, and delivered in that
 * order; that one has failed may be said before it is its turn. A client gets its answers
 * in the order of its commands all the same.
 */
#ifndef KV_WAITING_H
#define KV_WAITING_H

#include "clients.h"

struct kv_waiting {
  struct kv_clients *clients;
  struct kv_waiting_write *ring;
  uint64_t broadcast; /* number of the last write broadcast; they count from 1 */
  uint64_t oldest;    /* all before this one are answered */
  uint64_t delivered; /* number of the last write delivered */
};

/* False: out of memory. */
bool kv_waiting_init(struct kv_waiting *waiting, struct kv_clients *clients);
void kv_waiting_release(struct kv_waiting *waiting);

/* True if no more writes may be broadcast for now. */
bool kv_waiting_is_full(const struct kv_waiting *waiting);

/* The connection's write was broadcast, with the number `broadcast` + 1. */
void kv_waiting_add(struct kv_waiting *waiting, struct kv_connection *connection);

/* The write was delivered. False: not in its order. Else `*connection` is the client that
 * waits for it, NULL if there is none any more; kv_waiting_answered() must follow. */
bool kv_waiting_deliver(struct kv_waiting *waiting, uint64_t number,
                        struct kv_connection **connection);
void kv_waiting_answered(struct kv_waiting *waiting, uint64_t number,
                         struct kv_connection *connection);

/* The write failed: its client is told `text`, which must be static. */
void kv_waiting_fail(struct kv_waiting *waiting, uint64_t number, const char *text);

/* The same for all. */
void kv_waiting_fail_all(struct kv_waiting *waiting, const char *text);

#endif
