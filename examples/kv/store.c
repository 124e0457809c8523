/* SPDX-License-Identifier: MIT
 *
 * See store.h. The table doubles in one go when it is full: a pause of some milliseconds
 * for each million keys, and each pause comes after twice as many keys as the one before.
 */
#include "store_table.h"

#include "hash.h"

#include <stdlib.h>
#include <string.h>

#define BUCKETS_MIN 1024

struct kv_store *kv_store_new(void) {
  struct kv_store *store = calloc(1, sizeof(*store));
  if (!store) return NULL;
  store->buckets = calloc(BUCKETS_MIN, sizeof(struct kv_entry *));
  store->mask = BUCKETS_MIN - 1;
  if (store->buckets) return store;
  free(store);
  return NULL;
}

void kv_store_free(struct kv_store *store) {
  if (!store) return;
  kv_store_clear(store);
  free(store->expiry.entries);
  free(store->buckets);
  free(store);
}

static struct kv_string key_of(const struct kv_entry *entry) {
  return (struct kv_string){.data = entry->key, .size = entry->key_size};
}

static struct kv_string value_of(const struct kv_entry *entry) {
  return (struct kv_string){.data = entry->value, .size = entry->value_size};
}

/* Puts an entry's present contents into the digest. Shares are summed up, which no order
 * of the entries changes, and which taking one out undoes. */
static void digest_in(struct kv_store *store, struct kv_entry *entry) {
  uint64_t contents = kv_hash(value_of(entry), entry->hash);
  entry->digest = kv_hash_mix(contents ^ kv_hash_mix(entry->expires_ms));
  store->digest += entry->digest;
}

static void digest_out(struct kv_store *store, const struct kv_entry *entry) {
  store->digest -= entry->digest;
}

/* Where the pointer to the entry is, or the end of its chain. */
static struct kv_entry **find(const struct kv_store *store, struct kv_string key,
                              uint64_t hash) {
  struct kv_entry **link = &store->buckets[hash & store->mask];
  for (; *link; link = &(*link)->next)
    if ((*link)->hash == hash && (*link)->key_size == key.size &&
        memcmp((*link)->key, key.data, key.size) == 0)
      break;
  return link;
}

static uint64_t hash_of(struct kv_string key) {
  return kv_hash(key, 0);
}

/* Doubles the table. If memory is refused the chains just grow longer. */
static void grow(struct kv_store *store) {
  size_t mask = store->mask * 2 + 1;
  struct kv_entry **buckets = calloc(mask + 1, sizeof(struct kv_entry *));
  if (!buckets) return;
  for (size_t i = 0; i <= store->mask; i++) {
    struct kv_entry *entry = store->buckets[i];
    while (entry) {
      struct kv_entry *next = entry->next;
      struct kv_entry **bucket = &buckets[entry->hash & mask];
      entry->next = *bucket;
      *bucket = entry;
      entry = next;
    }
  }
  free(store->buckets);
  store->buckets = buckets;
  store->mask = mask;
}

/* Makes room for a value of `size` bytes; what is there stays. */
static bool reserve_value(struct kv_entry *entry, size_t size, bool doubling) {
  if (size <= entry->value_capacity) return true;
  size_t capacity =
      doubling && size / 2 < entry->value_capacity ? entry->value_capacity * 2 : size;
  uint8_t *value = realloc(entry->value, capacity);
  if (!value) return false;
  entry->value = value;
  entry->value_capacity = capacity;
  return true;
}

static void free_entry(struct kv_entry *entry) {
  free(entry->value);
  free(entry);
}

/* A new entry with room for a value, not in the digest yet. NULL: out of memory. */
static struct kv_entry *add(struct kv_store *store, struct kv_string key, uint64_t hash,
                            size_t value_size) {
  struct kv_entry *entry = calloc(1, sizeof(*entry) + key.size);
  if (!entry) return NULL;
  if (!reserve_value(entry, value_size, false)) {
    free_entry(entry);
    return NULL;
  }
  entry->hash = hash;
  entry->heap_place = KV_NO_PLACE;
  entry->key_size = key.size;
  if (key.size > 0) memcpy(entry->key, key.data, key.size);
  if (store->count > store->mask) grow(store);
  struct kv_entry **bucket = &store->buckets[hash & store->mask];
  entry->next = *bucket;
  *bucket = entry;
  store->count++;
  return entry;
}

/* Removes the entry that the link points to, if any; its share of the digest is out
 * already. */
static void unlink_entry(struct kv_store *store, struct kv_entry **link) {
  struct kv_entry *entry = *link;
  if (!entry) return;
  *link = entry->next;
  store->count--;
  kv_expiry_remove(&store->expiry, entry);
  free_entry(entry);
}

void kv_store_advance(struct kv_store *store, uint64_t time_ms) {
  if (time_ms <= store->time_ms) return;
  store->time_ms = time_ms;
  while (store->expiry.count > 0 && store->expiry.entries[0]->expires_ms <= time_ms) {
    struct kv_entry *entry = store->expiry.entries[0];
    digest_out(store, entry);
    unlink_entry(store, find(store, key_of(entry), entry->hash));
  }
}

static bool is_expired(const struct kv_entry *entry, uint64_t now_ms) {
  return entry->expires_ms != KV_NEVER && entry->expires_ms <= now_ms;
}

bool kv_store_get(const struct kv_store *store, struct kv_string key, uint64_t now_ms,
                  struct kv_string *value) {
  const struct kv_entry *entry = *find(store, key, hash_of(key));
  if (!entry || is_expired(entry, now_ms)) return false;
  *value = value_of(entry);
  return true;
}

/* The expiry of an entry whose share is not in the digest; room in the heap is reserved.
 */
static void set_expiry(struct kv_store *store, struct kv_entry *entry,
                       uint64_t expires_ms) {
  kv_expiry_remove(&store->expiry, entry);
  entry->expires_ms = expires_ms;
  if (expires_ms != KV_NEVER) kv_expiry_add(&store->expiry, entry);
}

/* Overwrites the value from `at` on and ends it there. Adds the key if it is not there.
 * NULL: out of memory, nothing changed. Else the entry is out of the digest. */
static struct kv_entry *write_value(struct kv_store *store, struct kv_string key,
                                    bool append, struct kv_string bytes) {
  uint64_t hash = hash_of(key);
  struct kv_entry *entry = *find(store, key, hash);
  size_t at = append && entry ? entry->value_size : 0;
  if (!entry) {
    entry = add(store, key, hash, bytes.size);
    if (!entry) return NULL;
  } else {
    if (!reserve_value(entry, at + bytes.size, append)) return NULL;
    digest_out(store, entry);
  }
  if (bytes.size > 0) memcpy(entry->value + at, bytes.data, bytes.size);
  entry->value_size = at + bytes.size;
  return entry;
}

bool kv_store_set(struct kv_store *store, struct kv_string key, struct kv_string value,
                  uint64_t expires_ms) {
  if (expires_ms != KV_NEVER && expires_ms <= store->time_ms) {
    kv_store_remove(store, key);
    return true;
  }
  if (expires_ms != KV_NEVER && !kv_expiry_reserve(&store->expiry)) return false;
  struct kv_entry *entry = write_value(store, key, false, value);
  if (!entry) return false;
  set_expiry(store, entry, expires_ms);
  digest_in(store, entry);
  return true;
}

bool kv_store_update(struct kv_store *store, struct kv_string key,
                     struct kv_string value) {
  struct kv_entry *entry = write_value(store, key, false, value);
  if (!entry) return false;
  digest_in(store, entry);
  return true;
}

bool kv_store_append(struct kv_store *store, struct kv_string key, struct kv_string tail,
                     size_t *size) {
  struct kv_entry *entry = write_value(store, key, true, tail);
  if (!entry) return false;
  digest_in(store, entry);
  *size = entry->value_size;
  return true;
}

bool kv_store_remove(struct kv_store *store, struct kv_string key) {
  struct kv_entry **link = find(store, key, hash_of(key));
  if (!*link) return false;
  digest_out(store, *link);
  unlink_entry(store, link);
  return true;
}

void kv_store_clear(struct kv_store *store) {
  for (size_t i = 0; i <= store->mask; i++) {
    while (store->buckets[i]) {
      struct kv_entry *entry = store->buckets[i];
      store->buckets[i] = entry->next;
      free_entry(entry);
    }
  }
  store->count = 0;
  store->expiry.count = 0;
  store->digest = 0;
}

size_t kv_store_count(const struct kv_store *store) {
  return store->count;
}

uint64_t kv_store_digest(const struct kv_store *store) {
  return store->digest;
}

uint64_t kv_store_time(const struct kv_store *store) {
  return store->time_ms;
}

bool kv_store_each(const struct kv_store *store, kv_store_each_visit *visit,
                   void *context) {
  for (size_t i = 0; i <= store->mask; i++)
    for (const struct kv_entry *entry = store->buckets[i]; entry; entry = entry->next)
      if (!visit(context, key_of(entry), value_of(entry), entry->expires_ms))
        return false;
  return true;
}

/* The cursor is a bucket. The table only grows, and a key that moves then moves to a
 * later bucket: what has not been visited stays ahead of the cursor. */
uint64_t kv_store_scan(const struct kv_store *store, uint64_t cursor, uint64_t now_ms,
                       kv_store_visit *visit, void *context) {
  if (cursor > store->mask) return 0;
  const struct kv_entry *entry = store->buckets[cursor];
  for (; entry; entry = entry->next)
    if (!is_expired(entry, now_ms)) visit(context, key_of(entry));
  return cursor == store->mask ? 0 : cursor + 1;
}
