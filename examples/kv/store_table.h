/* SPDX-License-Identifier: MIT
 *
 * What a store is made of: a chained hash table, and a heap of the entries that expire,
 *
 *   buckets  [ ]-> entry -> entry        heap   soonest
 *            [ ]                               /       \
 *            [ ]-> entry                    later     later
 *
 * Private to store.c and expiry.c.
 */
#ifndef KV_STORE_TABLE_H
#define KV_STORE_TABLE_H

#include "store.h"

/* The place in the heap of an entry that does not expire. */
#define KV_NO_PLACE SIZE_MAX

struct kv_entry {
  struct kv_entry *next; /* of the same bucket */
  uint64_t hash;         /* of the key */
  uint64_t digest;       /* its share of the store's digest */
  uint64_t expires_ms;
  size_t heap_place;
  uint8_t *value;
  size_t value_size;
  size_t value_capacity;
  size_t key_size;
  uint8_t key[];
};

/* A binary heap by time of expiry. */
struct kv_expiry {
  struct kv_entry **entries;
  size_t count;
  size_t capacity;
};

struct kv_store {
  struct kv_entry **buckets;
  size_t mask; /* buckets less one; their number is a power of two */
  size_t count;
  uint64_t digest;
  uint64_t time_ms;
  struct kv_expiry expiry;
};

/* Makes room for one more entry. False: out of memory. */
bool kv_expiry_reserve(struct kv_expiry *expiry);

/* Puts the entry at its place; room was reserved. */
void kv_expiry_add(struct kv_expiry *expiry, struct kv_entry *entry);

/* Takes the entry out, if it is in. */
void kv_expiry_remove(struct kv_expiry *expiry, struct kv_entry *entry);

#endif
