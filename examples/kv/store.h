/* SPDX-License-Identifier: MIT
 *
 * The replicated state: keys, values, times of expiry. A function of the ordered messages
 * alone, so that members that applied the same messages hold the same state, and the same
 * digest.
 *
 * Time in here is logical: the latest time stamp that ordered messages have carried,
 * which is the same at all members. An entry is removed when logical time reaches its
 * expiry; readers pass their own clock beside it and do not see what is over by that.
 */
#ifndef KV_STORE_H
#define KV_STORE_H

#include "text.h"

/* Expiry of what does not expire. */
#define KV_NEVER UINT64_C(0)

struct kv_store;

/* NULL: out of memory. */
struct kv_store *kv_store_new(void);
void kv_store_free(struct kv_store *store);

/* Moves logical time to `time_ms`, never back, and removes what expires by then. */
void kv_store_advance(struct kv_store *store, uint64_t time_ms);

/* Finds the value of a key that is not expired at `now_ms`. It stays valid until the
 * store changes. */
bool kv_store_get(const struct kv_store *store, struct kv_string key, uint64_t now_ms,
                  struct kv_string *value);

/* Gives the key this value and this expiry (in ms since 1970, or KV_NEVER). An expiry
 * that logical time has reached removes the key. False: out of memory, nothing changed.
 */
bool kv_store_set(struct kv_store *store, struct kv_string key, struct kv_string value,
                  uint64_t expires_ms);

/* Gives an existing key another value and leaves its expiry, else sets it. False: out of
 * memory, nothing changed. */
bool kv_store_update(struct kv_store *store, struct kv_string key,
                     struct kv_string value);

/* Adds to the end of the key's value, which is empty if there is no such key. False: out
 * of memory, nothing changed. `size` is set to the size of the value. */
bool kv_store_append(struct kv_store *store, struct kv_string key, struct kv_string tail,
                     size_t *size);

/* True if the key was there, and is no more. */
bool kv_store_remove(struct kv_store *store, struct kv_string key);

void kv_store_clear(struct kv_store *store);

/* Entries, those that readers no longer see included. */
size_t kv_store_count(const struct kv_store *store);

/* A hash over all keys, values and expiries, independent of the order in which they came
 * to be. Kept up to date with every change. */
uint64_t kv_store_digest(const struct kv_store *store);

/* Logical time. */
uint64_t kv_store_time(const struct kv_store *store);

/* Visits every entry, in no particular order, until a visit answers false; false if one
 * did. Allocates nothing and takes no lock, so that a forked child may do it. */
typedef bool kv_store_each_visit(void *context, struct kv_string key,
                                 struct kv_string value, uint64_t expires_ms);
bool kv_store_each(const struct kv_store *store, kv_store_each_visit *visit,
                   void *context);

/* Visits a part of the keys that are not expired at `now_ms`; returns where to go on, 0
 * after the last part. Begin with 0. A key that is there from the first call to the last
 * is visited at least once, whatever else changes between the calls. */
typedef void kv_store_visit(void *context, struct kv_string key);
uint64_t kv_store_scan(const struct kv_store *store, uint64_t cursor, uint64_t now_ms,
                       kv_store_visit *visit, void *context);

#endif
