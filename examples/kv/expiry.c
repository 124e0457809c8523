/* SPDX-License-Identifier: MIT
 *
 * The heap of a store's expiring entries. Entries know their places, so that one whose
 * expiry changes is found at once.
 */
#include "store_table.h"

#include <stdlib.h>

#define CAPACITY_MIN 64

bool kv_expiry_reserve(struct kv_expiry *expiry) {
  if (expiry->count < expiry->capacity) return true;
  size_t capacity = expiry->capacity ? expiry->capacity * 2 : CAPACITY_MIN;
  struct kv_entry **entries =
      realloc(expiry->entries, capacity * sizeof(struct kv_entry *));
  if (!entries) return false;
  expiry->entries = entries;
  expiry->capacity = capacity;
  return true;
}

static void put(struct kv_expiry *expiry, size_t place, struct kv_entry *entry) {
  expiry->entries[place] = entry;
  entry->heap_place = place;
}

/* Moves the entry from the free place towards the root until its parent is sooner. */
static void rise(struct kv_expiry *expiry, size_t place, struct kv_entry *entry) {
  while (place > 0) {
    size_t parent = (place - 1) / 2;
    if (expiry->entries[parent]->expires_ms <= entry->expires_ms) break;
    put(expiry, place, expiry->entries[parent]);
    place = parent;
  }
  put(expiry, place, entry);
}

/* Moves the entry from the free place towards the leaves until both children are later.
 */
static void sink(struct kv_expiry *expiry, size_t place, struct kv_entry *entry) {
  for (;;) {
    size_t child = 2 * place + 1;
    if (child >= expiry->count) break;
    if (child + 1 < expiry->count &&
        expiry->entries[child + 1]->expires_ms < expiry->entries[child]->expires_ms)
      child++;
    if (expiry->entries[child]->expires_ms >= entry->expires_ms) break;
    put(expiry, place, expiry->entries[child]);
    place = child;
  }
  put(expiry, place, entry);
}

void kv_expiry_add(struct kv_expiry *expiry, struct kv_entry *entry) {
  rise(expiry, expiry->count++, entry);
}

void kv_expiry_remove(struct kv_expiry *expiry, struct kv_entry *entry) {
  size_t place = entry->heap_place;
  if (place == KV_NO_PLACE) return;
  entry->heap_place = KV_NO_PLACE;
  struct kv_entry *last = expiry->entries[--expiry->count];
  if (last == entry) return;
  if (last->expires_ms < entry->expires_ms)
    rise(expiry, place, last);
  else
    sink(expiry, place, last);
}
