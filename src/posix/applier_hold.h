/* SPDX-License-Identifier: MIT
 *
 * Which keys the local transactions hold that are not certified yet. Each call of
 * gr_holds_add() makes one hold, a piece of memory of its own; a token may have several.
 */
#ifndef GR_POSIX_APPLIER_HOLD_H
#define GR_POSIX_APPLIER_HOLD_H

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct gr_hold;
struct gr_hold_key;

struct gr_holds {
  pthread_mutex_t mutex;
  struct gr_hold_key **keys; /* chains by key */
  struct gr_hold **tokens;   /* chains by token */
  _Atomic uint64_t count;    /* of holds */
};

/* False if an allocation failed. */
bool gr_holds_init(struct gr_holds *holds);
void gr_holds_free(struct gr_holds *holds);

/* GR_OK, GR_ERR_NO_MEMORY. */
int gr_holds_add(struct gr_holds *holds, uint64_t token, const uint64_t *keys,
                 size_t count);

/* False if the token holds nothing. */
bool gr_holds_remove(struct gr_holds *holds, uint64_t token);

/* Whether the token holds one of the keys. */
bool gr_holds_any(struct gr_holds *holds, uint64_t token, const uint64_t *keys,
                  size_t count);

/* The next hold of this key that was not taken yet: its token. Each hold is taken once,
 * for whatever key. */
bool gr_holds_take_victim(struct gr_holds *holds, uint64_t key, uint64_t *token);

#endif
