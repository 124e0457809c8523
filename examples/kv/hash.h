/* SPDX-License-Identifier: MIT
 *
 * The one hash of gr-kv: places keys in the table and makes up the digest of the state.
 * It gives the same value on every machine, since members compare digests. It is not
 * keyed: whoever may choose keys freely can make them collide, so gr-kv is for trusted
 * clients.
 */
#ifndef KV_HASH_H
#define KV_HASH_H

#include "text.h"

/* Spreads the bits of a number over all others; different numbers stay different. */
uint64_t kv_hash_mix(uint64_t value);

uint64_t kv_hash(struct kv_string bytes, uint64_t seed);

#endif
