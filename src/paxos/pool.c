/* SPDX-License-Identifier: MIT */
#include "paxos/pool.h"

#include "base/assert.h"

void gr_pool_carve(struct gr_pool *pool, struct gr_carver *carver, uint32_t count,
                   uint32_t owned, uint64_t block_bytes) {
  pool->blocks = gr_carve(carver, count, sizeof(struct gr_block));
  pool->memory = gr_carve(carver, count, block_bytes);
  pool->block_bytes = block_bytes;
  pool->count = count;
  pool->fresh = 0;
  pool->free_head = GR_NO_BLOCK;
  pool->taken = 0;
  pool->shared = pool->spare = count - owned;
}

uint32_t gr_pool_take(struct gr_pool *pool) {
  uint32_t block = pool->free_head;
  if (block != GR_NO_BLOCK) {
    pool->free_head = pool->blocks[block].next;
  } else if (pool->fresh < pool->count) {
    block = pool->fresh++;
  } else {
    return GR_NO_BLOCK;
  }
  pool->blocks[block] = (struct gr_block){.next = GR_NO_BLOCK};
  pool->taken++;
  return block;
}

void gr_pool_give(struct gr_pool *pool, uint32_t block) {
  GR_CHECK(pool->taken > 0 && pool->blocks[block].batches == 0);
  pool->blocks[block].next = pool->free_head;
  pool->free_head = block;
  pool->taken--;
}
