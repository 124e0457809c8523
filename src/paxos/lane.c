/* SPDX-License-Identifier: MIT */
#include "paxos/lane.h"

#include <string.h>

_Static_assert(GR_BATCHES_UNORDERED_MAX <= 1 << 20,
               "the ring of a lane holds twice as many");

/* Next-fit wastes less than half of each block, so twice the bytes is enough. */
static uint64_t blocks_for(uint64_t bytes, uint64_t block_bytes) {
  return 2 * bytes / block_bytes + 2;
}

/* Pieces, each in a batch of its own, that so many bytes of messages make at most. */
static uint64_t pieces_of(const struct gr_lane_limits *limits, uint64_t bytes) {
  return bytes / limits->fragment_bytes_max + 1;
}

uint64_t gr_lane_blocks_min(const struct gr_lane_limits *limits,
                            uint64_t unordered_bytes_max) {
  uint64_t headers = GR_BATCH_HEADER_BYTES + GR_ENTRY_HEADER_BYTES;
  uint64_t bytes = limits->message_bytes_max + unordered_bytes_max;
  bytes += (pieces_of(limits, bytes) + GR_BATCHES_UNORDERED_MAX) * headers;
  return blocks_for(bytes, limits->batch_bytes_max) + 2 + GR_PARKING_BLOCKS_MAX;
}

uint64_t gr_lane_batches(const struct gr_lane_limits *limits,
                         uint64_t unordered_bytes_max, uint32_t blocks) {
  uint64_t bytes = limits->message_bytes_max + unordered_bytes_max;
  uint64_t undelivered = GR_BATCHES_UNORDERED_MAX + pieces_of(limits, bytes) +
                         blocks_for(bytes, limits->batch_bytes_max);
  uint64_t cached = blocks * (limits->batch_bytes_max / 1024);
  return gr_ring_round_up(2 * undelivered > cached ? 2 * undelivered : cached);
}

void gr_lane_carve(struct gr_lane *lane, struct gr_carver *carver, uint64_t batches) {
  struct gr_kept_batch *places = gr_carve(carver, batches, sizeof(struct gr_kept_batch));
  if (carver->memory) lane->batches = places;
}

void gr_lane_init(struct gr_lane *lane, struct gr_pool *pool, uint64_t batches,
                  uint32_t own, uint64_t boot) {
  struct gr_kept_batch *places = lane->batches;
  *lane = (struct gr_lane){.ring = gr_ring_of(1, batches),
                           .batches = places,
                           .pool = pool,
                           .own = own,
                           .boot = boot,
                           .trim_boot = boot,
                           .block = GR_NO_BLOCK,
                           .parking_block = GR_NO_BLOCK};
}

/* ---- blocks ---- */

static struct gr_block *block_of(const struct gr_lane *lane, uint32_t block) {
  return &lane->pool->blocks[block];
}

static void block_take(struct gr_lane *lane, uint32_t block, bool parking) {
  if (lane->blocks >= lane->own) lane->pool->spare--;
  lane->blocks++;
  lane->parking += parking;
  block_of(lane, block)->parking = parking;
}

static void block_give(struct gr_lane *lane, uint32_t block) {
  if (block_of(lane, block)->parking) lane->parking--;
  lane->blocks--;
  if (lane->blocks >= lane->own) lane->pool->spare++;
  gr_pool_give(lane->pool, block);
}

uint64_t gr_lane_blocks_left(const struct gr_lane *lane) {
  uint64_t own = lane->blocks < lane->own ? lane->own - lane->blocks : 0;
  return own + lane->pool->spare;
}

/* A block with no batch left goes back to the pool, or begins anew if it is being filled.
 */
static void block_release(struct gr_lane *lane, uint32_t block) {
  struct gr_block *info = block_of(lane, block);
  GR_CHECK(info->batches > 0);
  if (--info->batches > 0) return;
  if (block == lane->block || block == lane->parking_block) {
    info->used = 0;
    return;
  }
  block_give(lane, block);
}

/* A block that is no longer filled, and may be empty. */
static void block_leave(struct gr_lane *lane, uint32_t block) {
  if (block == GR_NO_BLOCK || block_of(lane, block)->batches > 0) return;
  block_give(lane, block);
}

static bool block_fits(const struct gr_lane *lane, uint32_t block, uint64_t bytes) {
  return block != GR_NO_BLOCK &&
         lane->pool->block_bytes - block_of(lane, block)->used >= bytes;
}

/* Makes `*current` a block with `bytes` of room. False if the lane may take no more. */
static bool block_open(struct gr_lane *lane, uint32_t *current, bool parking,
                       uint64_t bytes) {
  if (block_fits(lane, *current, bytes)) return true;
  if (gr_lane_blocks_left(lane) == 0) return false;
  if (parking && lane->parking >= GR_PARKING_BLOCKS_MAX) return false;
  uint32_t block = gr_pool_take(lane->pool);
  if (block == GR_NO_BLOCK) return false;
  uint32_t left = *current;
  *current = block;
  block_take(lane, block, parking);
  block_leave(lane, left);
  return true;
}

/* ---- another member's lane ---- */

/* Makes `seq` one of the numbers that the ring spans. */
static void ring_reach(struct gr_lane *lane, uint64_t seq) {
  for (; lane->ring.end <= seq; lane->ring.end++)
    gr_lane_place(lane, lane->ring.end)->bytes = NULL;
}

enum gr_keep gr_lane_keep(struct gr_lane *lane, const struct gr_batch *batch) {
  if (batch->seq <= lane->held || gr_lane_batch(lane, batch->seq)) return GR_KEEP_REPEAT;
  if (batch->seq - lane->ring.first >= gr_ring_capacity(&lane->ring))
    return GR_KEEP_NO_ROOM;
  bool parking = batch->seq != lane->held + 1;
  uint32_t *current = parking ? &lane->parking_block : &lane->block;
  if (!block_open(lane, current, parking, batch->size)) return GR_KEEP_NO_ROOM;
  struct gr_block *block = block_of(lane, *current);
  ring_reach(lane, batch->seq);
  struct gr_kept_batch *kept = gr_lane_place(lane, batch->seq);
  kept->bytes = gr_pool_bytes(lane->pool, *current) + block->used;
  kept->size = batch->size;
  kept->messages = batch->messages;
  kept->pieces = batch->pieces;
  kept->ticket = GR_TICKET_NONE;
  kept->block = *current;
  memcpy(kept->bytes, batch->bytes, batch->size);
  block->used += batch->size;
  block->batches++;
  return GR_KEEP_STORED;
}

/* Takes one entry into account: a piece continues the message before it, or begins one.
 */
static bool fragments_step(struct gr_fragments *fragments, uint64_t seq, uint32_t offset,
                           uint32_t head, const struct gr_lane_limits *limits) {
  if ((head & GR_ENTRY_MORE) == 0 && fragments->seq == 0) return true;
  if (fragments->seq == 0)
    *fragments = (struct gr_fragments){.seq = seq, .offset = offset};
  fragments->parts++;
  fragments->bytes += head & ~GR_ENTRY_MORE;
  /* Equal limits at all members, so a longer run of pieces is nobody's message. */
  bool fits =
      fragments->bytes <= limits->message_bytes_max &&
      fragments->parts <= limits->message_bytes_max / limits->fragment_bytes_max + 1;
  if ((head & GR_ENTRY_MORE) == 0) *fragments = (struct gr_fragments){0};
  return fits;
}

static bool batch_continues(struct gr_fragments *fragments, uint64_t seq,
                            const struct gr_kept_batch *batch,
                            const struct gr_lane_limits *limits) {
  if (fragments->seq == 0 && !batch->pieces) return true;
  struct gr_fragments after = *fragments;
  for (uint32_t at = GR_BATCH_HEADER_BYTES; at < batch->size;) {
    uint32_t head = gr_load_u32(batch->bytes + at);
    if (!fragments_step(&after, seq, at, head, limits)) return false;
    at += GR_ENTRY_HEADER_BYTES + (head & ~GR_ENTRY_MORE);
  }
  *fragments = after;
  return true;
}

static void batch_drop(struct gr_lane *lane, uint64_t seq) {
  lane->full_until = 0;
  struct gr_kept_batch *batch = gr_lane_place(lane, seq);
  batch->bytes = NULL;
  block_release(lane, batch->block);
}

/* What was parked goes where it would be had it come in order, if there is room: the
 * blocks for parked batches are few, and kept ones would hold them for as long as others
 * lag. */
static void move_in(struct gr_lane *lane, struct gr_kept_batch *batch) {
  uint32_t parked = batch->block;
  if (!block_of(lane, parked)->parking) return;
  if (!block_open(lane, &lane->block, false, batch->size)) return;
  struct gr_block *block = block_of(lane, lane->block);
  uint8_t *bytes = gr_pool_bytes(lane->pool, lane->block) + block->used;
  memcpy(bytes, batch->bytes, batch->size);
  batch->bytes = bytes;
  batch->block = lane->block;
  block->used += batch->size;
  block->batches++;
  block_release(lane, parked);
}

bool gr_lane_advance(struct gr_lane *lane, const struct gr_lane_limits *limits) {
  const struct gr_kept_batch *batch;
  while ((batch = gr_lane_batch(lane, lane->held + 1)) != NULL) {
    if (!batch_continues(&lane->checked, lane->held + 1, batch, limits)) {
      batch_drop(lane, lane->held + 1);
      return false;
    }
    lane->held++;
    move_in(lane, gr_lane_place(lane, lane->held));
  }
  if (lane->wanted < lane->held) lane->wanted = lane->held;
  return true;
}

/* Drops every batch behind `last`. */
static void drop_behind(struct gr_lane *lane, uint64_t last) {
  while (lane->ring.end > last + 1) {
    lane->ring.end--;
    if (gr_lane_place(lane, lane->ring.end)->bytes) batch_drop(lane, lane->ring.end);
  }
}

void gr_lane_unpark(struct gr_lane *lane) {
  drop_behind(lane, lane->held);
}

/* ---- the own lane ---- */

bool gr_lane_has_room(const struct gr_lane *lane, const struct gr_lane_limits *limits,
                      uint64_t bytes) {
  uint64_t pieces = pieces_of(limits, bytes);
  uint64_t places = gr_ring_capacity(&lane->ring) - gr_ring_count(&lane->ring);
  if (places < pieces + 1) return false;
  if (lane->open && block_fits(lane, lane->block,
                               lane->open_size + pieces * GR_ENTRY_HEADER_BYTES + bytes))
    return true;
  uint64_t headers = pieces * (GR_BATCH_HEADER_BYTES + GR_ENTRY_HEADER_BYTES);
  return gr_lane_blocks_left(lane) >=
         blocks_for(bytes + headers, lane->pool->block_bytes);
}

/* Opens a batch with room for one entry of `bytes`. */
static bool batch_open(struct gr_lane *lane, uint64_t bytes) {
  uint64_t needed = GR_BATCH_HEADER_BYTES + GR_ENTRY_HEADER_BYTES + bytes;
  if (!block_open(lane, &lane->block, false, needed)) return false;
  struct gr_block *block = block_of(lane, lane->block);
  block->batches++;
  lane->open = gr_pool_bytes(lane->pool, lane->block) + block->used;
  lane->open_size = GR_BATCH_HEADER_BYTES;
  lane->open_messages = 0;
  return true;
}

bool gr_lane_close(struct gr_lane *lane, const struct gr_roster *roster, uint32_t self) {
  if (!lane->open) return false;
  uint64_t seq = lane->held + 1;
  gr_batch_seal(roster, lane->open, lane->open_size, self, seq, lane->open_messages);
  ring_reach(lane, seq);
  *gr_lane_place(lane, seq) = (struct gr_kept_batch){.bytes = lane->open,
                                                     .size = lane->open_size,
                                                     .messages = lane->open_messages,
                                                     .ticket = GR_TICKET_NONE,
                                                     .block = lane->block};
  block_of(lane, lane->block)->used += lane->open_size;
  lane->held = lane->wanted = seq;
  lane->open = NULL;
  return true;
}

/* Room for one more entry's bytes in the open batch, which is what is left of its block.
 */
static uint8_t *entry_room(struct gr_lane *lane, const struct gr_roster *roster,
                           uint32_t self, uint32_t bytes, bool more) {
  uint64_t needed = (uint64_t)GR_ENTRY_HEADER_BYTES + bytes;
  if (lane->open && !block_fits(lane, lane->block, lane->open_size + needed))
    gr_lane_close(lane, roster, self);
  if (!lane->open && !batch_open(lane, bytes)) return NULL;
  uint8_t *at = lane->open + lane->open_size;
  gr_store_u32(at, bytes | (more ? GR_ENTRY_MORE : 0));
  lane->open_size += (uint32_t)needed;
  lane->open_messages += !more;
  return at + GR_ENTRY_HEADER_BYTES;
}

/* Copies the next `bytes` of a message, whose reading position is (*part, *offset). */
static void gather(uint8_t *to, uint64_t bytes, const gr_slice **part, size_t *offset) {
  while (bytes > 0) {
    size_t here = (*part)->size - *offset;
    if (here > bytes) here = bytes;
    if (here > 0) memcpy(to, (const uint8_t *)(*part)->data + *offset, here);
    to += here;
    bytes -= here;
    *offset += here;
    if (*offset == (*part)->size) {
      (*part)++;
      *offset = 0;
    }
  }
}

bool gr_lane_append(struct gr_lane *lane, const struct gr_roster *roster,
                    const struct gr_lane_limits *limits, uint32_t self,
                    const gr_slice *parts, uint64_t bytes) {
  const gr_slice *part = parts;
  size_t offset = 0;
  uint64_t left = bytes;
  do {
    uint64_t piece =
        left < limits->fragment_bytes_max ? left : limits->fragment_bytes_max;
    left -= piece;
    uint8_t *to = entry_room(lane, roster, self, (uint32_t)piece, left > 0);
    if (!to) return false;
    gather(to, piece, &part, &offset);
  } while (left > 0);
  return true;
}

/* ---- every lane ---- */

static bool in_use_from(const struct gr_lane *lane, uint64_t seq, gr_ticket synced) {
  for (; seq < lane->ring.end; seq++) {
    const struct gr_kept_batch *batch = gr_lane_batch(lane, seq);
    if (batch && batch->ticket != GR_TICKET_NONE && batch->ticket > synced) return true;
  }
  return false;
}

bool gr_lane_tail_in_use(const struct gr_lane *lane, gr_ticket synced) {
  return in_use_from(lane, lane->ordered + 1, synced);
}

bool gr_lane_in_use(const struct gr_lane *lane, gr_ticket synced) {
  return in_use_from(lane, lane->ring.first, synced);
}

void gr_lane_clear(struct gr_lane *lane) {
  while (lane->ring.end > lane->ring.first) {
    lane->ring.end--;
    if (gr_lane_place(lane, lane->ring.end)->bytes) batch_drop(lane, lane->ring.end);
  }
  uint32_t blocks[] = {lane->block, lane->parking_block};
  lane->block = lane->parking_block = GR_NO_BLOCK;
  for (int i = 0; i < 2; i++) block_leave(lane, blocks[i]);
}

void gr_lane_reopen(struct gr_lane *lane, uint64_t boot) {
  drop_behind(lane, lane->ordered);
  lane->boot = boot;
  lane->base = lane->held = lane->wanted = lane->ordered;
  if (lane->stored > lane->ordered) lane->stored = lane->ordered;
  lane->checked = lane->delivered = (struct gr_fragments){0};
  lane->full_until = 0;
  lane->again = lane->pieces_upto = 0;
}

void gr_lane_rebase(struct gr_lane *lane, uint64_t boot, uint64_t first, uint64_t ordered,
                    uint64_t messages) {
  lane->ring.first = lane->ring.end = first;
  lane->boot = lane->trim_boot = boot;
  lane->base = lane->held = lane->wanted = lane->stored = first - 1;
  lane->ordered = lane->trim = ordered;
  lane->messages = messages;
  if (first <= ordered) lane->delivered.seq = first; /* see gr_lane_recall() */
  if (first <= ordered) lane->wanted = lane->pieces_upto = ordered;
}

void gr_lane_recall(struct gr_lane *lane) {
  lane->delivered = (struct gr_fragments){0};
  for (uint64_t seq = lane->ring.first; seq <= lane->ordered; seq++) {
    const struct gr_kept_batch *batch = gr_lane_place(lane, seq);
    for (uint32_t at = GR_BATCH_HEADER_BYTES; at < batch->size;) {
      uint32_t head = gr_load_u32(batch->bytes + at);
      uint32_t size = head & ~GR_ENTRY_MORE;
      if ((head & GR_ENTRY_MORE) == 0)
        lane->delivered = (struct gr_fragments){0};
      else if (lane->delivered.seq == 0)
        lane->delivered = (struct gr_fragments){.seq = seq, .offset = at};
      if (head & GR_ENTRY_MORE) lane->delivered.bytes += size;
      at += GR_ENTRY_HEADER_BYTES + size;
    }
  }
}

void gr_lane_forget(struct gr_lane *lane, gr_ticket synced) {
  uint64_t upto = lane->trim < lane->ordered ? lane->trim : lane->ordered;
  if (lane->delivered.seq != 0 && upto >= lane->delivered.seq)
    upto = lane->delivered.seq - 1;
  while (lane->ring.first <= upto) {
    gr_ticket ticket = gr_lane_place(lane, lane->ring.first)->ticket;
    if (ticket != GR_TICKET_NONE && ticket > synced) return;
    batch_drop(lane, lane->ring.first);
    lane->ring.first++;
  }
}
