/* SPDX-License-Identifier: MIT
 *
 * The pool: the cache's memory, cut into blocks of one size, each of which holds batches
 * of one lane. A block that is given back is the next to be taken, so that while the
 * members keep up with each other the same few blocks, warm in the processor's caches,
 * are used over and over, however large the cache may grow when one lags.
 */
#ifndef GR_PAXOS_POOL_H
#define GR_PAXOS_POOL_H

#include "base/carve.h"

#include <stdbool.h>
#include <stdint.h>

#define GR_NO_BLOCK UINT32_MAX

struct gr_block {
  uint32_t used;    /* bytes taken from its start */
  uint32_t batches; /* batches in it that are still kept, the open one included */
  uint32_t next;    /* free list */
  bool parking;     /* taken for batches beyond a gap */
};

struct gr_pool {
  struct gr_block *blocks;
  uint8_t *memory;
  uint64_t block_bytes;
  uint32_t count;
  uint32_t
      fresh; /* blocks from here on have never been taken: their memory is untouched */
  uint32_t free_head;
  uint32_t taken;
  uint32_t shared; /* blocks that no lane owns, */
  uint32_t spare;  /* and those of them that none has taken */
};

/* `owned`: blocks that are kept for certain lanes; any may take one of the others. */
void gr_pool_carve(struct gr_pool *pool, struct gr_carver *carver, uint32_t count,
                   uint32_t owned, uint64_t block_bytes);

/* A block, or GR_NO_BLOCK when all are taken. */
uint32_t gr_pool_take(struct gr_pool *pool);
void gr_pool_give(struct gr_pool *pool, uint32_t block);

static inline uint8_t *gr_pool_bytes(const struct gr_pool *pool, uint32_t block) {
  return pool->memory + (uint64_t)block * pool->block_bytes;
}

#endif
