/* SPDX-License-Identifier: MIT
 *
 * See applier_hold.h.
 */
#include "posix/applier_hold.h"

#include <gr/error.h>

#include <stdlib.h>

#define CHAINS_SHIFT 14
#define CHAINS (1 << CHAINS_SHIFT)

struct gr_hold_key {
  uint64_t key;
  struct gr_hold *hold;
  struct gr_hold_key *next;
};

struct gr_hold {
  uint64_t token;
  struct gr_hold *next;
  bool is_taken; /* as a victim */
  size_t count;
  struct gr_hold_key keys[];
};

/* Fibonacci hashing: tokens are hardly random. */
static size_t chain_of(uint64_t value) {
  return (size_t)(value * UINT64_C(0x9e3779b97f4a7c15) >> (64 - CHAINS_SHIFT));
}

bool gr_holds_init(struct gr_holds *holds) {
  pthread_mutex_init(&holds->mutex, NULL);
  atomic_init(&holds->count, 0);
  holds->keys = calloc(CHAINS, sizeof(struct gr_hold_key *));
  holds->tokens = calloc(CHAINS, sizeof(struct gr_hold *));
  return holds->keys && holds->tokens;
}

void gr_holds_free(struct gr_holds *holds) {
  for (size_t i = 0; holds->tokens && i < CHAINS; i++) {
    while (holds->tokens[i]) {
      struct gr_hold *hold = holds->tokens[i];
      holds->tokens[i] = hold->next;
      free(hold);
    }
  }
  free(holds->keys);
  free(holds->tokens);
  pthread_mutex_destroy(&holds->mutex);
}

int gr_holds_add(struct gr_holds *holds, uint64_t token, const uint64_t *keys,
                 size_t count) {
  if (count > (SIZE_MAX - sizeof(struct gr_hold)) / sizeof(struct gr_hold_key))
    return GR_ERR_NO_MEMORY;
  struct gr_hold *hold = malloc(sizeof(*hold) + count * sizeof(hold->keys[0]));
  if (!hold) return GR_ERR_NO_MEMORY;
  struct gr_hold **chain = holds->tokens + chain_of(token);
  hold->token = token;
  hold->is_taken = false;
  hold->count = count;
  pthread_mutex_lock(&holds->mutex);
  hold->next = *chain;
  *chain = hold;
  for (size_t i = 0; i < count; i++) {
    struct gr_hold_key **key_chain = holds->keys + chain_of(keys[i]);
    hold->keys[i] =
        (struct gr_hold_key){.key = keys[i], .hold = hold, .next = *key_chain};
    *key_chain = &hold->keys[i];
  }
  atomic_fetch_add(&holds->count, 1);
  pthread_mutex_unlock(&holds->mutex);
  return GR_OK;
}

static void unchain_keys(struct gr_holds *holds, struct gr_hold *hold) {
  for (size_t i = 0; i < hold->count; i++) {
    struct gr_hold_key **link = holds->keys + chain_of(hold->keys[i].key);
    while (*link != &hold->keys[i]) link = &(*link)->next;
    *link = hold->keys[i].next;
  }
}

bool gr_holds_remove(struct gr_holds *holds, uint64_t token) {
  bool found = false;
  pthread_mutex_lock(&holds->mutex);
  struct gr_hold **link = holds->tokens + chain_of(token);
  while (*link) {
    struct gr_hold *hold = *link;
    if (hold->token != token) {
      link = &hold->next;
      continue;
    }
    *link = hold->next;
    unchain_keys(holds, hold);
    free(hold);
    atomic_fetch_sub(&holds->count, 1);
    found = true;
  }
  pthread_mutex_unlock(&holds->mutex);
  return found;
}

static bool holds_key(const struct gr_holds *holds, uint64_t token, uint64_t key) {
  const struct gr_hold_key *at = holds->keys[chain_of(key)];
  while (at && (at->key != key || at->hold->token != token)) at = at->next;
  return at != NULL;
}

bool gr_holds_any(struct gr_holds *holds, uint64_t token, const uint64_t *keys,
                  size_t count) {
  bool found = false;
  pthread_mutex_lock(&holds->mutex);
  for (size_t i = 0; i < count && !found; i++) found = holds_key(holds, token, keys[i]);
  pthread_mutex_unlock(&holds->mutex);
  return found;
}

bool gr_holds_take_victim(struct gr_holds *holds, uint64_t key, uint64_t *token) {
  pthread_mutex_lock(&holds->mutex);
  struct gr_hold_key *at = holds->keys[chain_of(key)];
  while (at && (at->key != key || at->hold->is_taken)) at = at->next;
  if (at) {
    at->hold->is_taken = true;
    *token = at->hold->token;
  }
  pthread_mutex_unlock(&holds->mutex);
  return at != NULL;
}
