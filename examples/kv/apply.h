/* SPDX-License-Identifier: MIT
 *
 * What an ordered message does to the store, and what its client is told. Depends on
 * nothing but the store and the message: all members do the same. Conditions (NX, XX) and
 * sums (INCR) are worked out here, at the message's place in the order.
 */
#ifndef KV_APPLY_H
#define KV_APPLY_H

#include "message.h"
#include "store.h"

/* Applies one message; the reply is for the client of the origin, NULL elsewhere. False:
 * out of memory. The store is then no longer what the other members have, and must not be
 * used. */
bool kv_apply(struct kv_store *store, const struct kv_message *message,
              struct kv_buffer *reply);

#endif
