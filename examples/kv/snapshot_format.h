/* SPDX-License-Identifier: MIT
 *
 * The places of a snapshot's parts, and their checks: what its writer and its reader
 * share. See snapshot.h.
 */
#ifndef KV_SNAPSHOT_FORMAT_H
#define KV_SNAPSHOT_FORMAT_H

#include "hash.h"
#include "number.h"

#define KV_SNAPSHOT_MAGIC "gr-kv-sn"
#define KV_SNAPSHOT_MAGIC_BYTES 8
#define KV_SNAPSHOT_VERSION 2
#define KV_SNAPSHOT_HEAD_BYTES 80
#define KV_SNAPSHOT_ENTRY_BYTES 24
#define KV_SNAPSHOT_CHECK_BYTES 8

static inline uint64_t kv_snapshot_check_of_head(const uint8_t *head) {
  size_t size = KV_SNAPSHOT_HEAD_BYTES - KV_SNAPSHOT_CHECK_BYTES;
  return kv_hash((struct kv_string){head, size}, 0);
}

/* With the entry's number, so that entries cannot change places. */
static inline uint64_t kv_snapshot_check_of_entry(const uint8_t *entry, uint64_t number,
                                                  struct kv_string key,
                                                  struct kv_string value) {
  size_t size = KV_SNAPSHOT_ENTRY_BYTES - KV_SNAPSHOT_CHECK_BYTES;
  uint64_t sum = kv_hash((struct kv_string){entry, size}, number);
  return kv_hash(value, kv_hash(key, sum));
}

#endif
