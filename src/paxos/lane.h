/* SPDX-License-Identifier: MIT
 *
 * A lane: one member's batches, numbered 1, 2, 3, ..., as this member keeps them.
 *
 *        first         ordered              held       (gap)     end
 *          |              |                   |                   |
 *   trimmed | kept for    | to be delivered   | missing | parked  |
 *           | laggards    |                   |         |         |
 *
 * This file keeps bytes and says which are there. It does not know who asks for them,
 * when they are ordered, or why they may be forgotten. Batches lie in blocks of the pool
 * in the order in which they came; a block goes back when its last batch is forgotten.
 * Those that came beyond a gap (parked) have blocks of their own, so few that they cannot
 * crowd out what fills the gap. That memory suffices for the rest is argued in
 * doc/design.md, "Memory".
 */
#ifndef GR_PAXOS_LANE_H
#define GR_PAXOS_LANE_H

#include "base/assert.h"
#include "base/ring.h"
#include "paxos/frame.h"
#include "paxos/log.h"
#include "paxos/pool.h"

/* Batches of a turn are closed only while fewer than this many are unordered; beyond that
 * the open one grows instead. It bounds the batches that must be kept, however small they
 * are. */
#define GR_BATCHES_UNORDERED_MAX 1024

/* Blocks for parked batches at most, for each lane. */
#define GR_PARKING_BLOCKS_MAX 2

struct gr_kept_batch {
  uint8_t *bytes; /* header and entries; NULL: not there */
  uint32_t size;
  uint32_t messages;
  uint32_t block;
  bool pieces;      /* see gr_batch */
  gr_ticket ticket; /* of its record in storage; GR_TICKET_NONE: not stored yet */
};

/* Where the delivery, or the check of what is held, stands within a message in pieces. */
struct gr_fragments {
  uint64_t seq;    /* batch of the first piece; 0: no message is begun */
  uint32_t offset; /* of its entry */
  uint64_t parts;  /* pieces so far */
  uint64_t bytes;
};

struct gr_lane {
  struct gr_ring ring; /* first kept; end: one behind the last that is there */
  struct gr_kept_batch *batches;
  struct gr_pool *pool;
  uint32_t blocks;  /* taken from the pool */
  uint32_t own;     /* so many are there for it, whatever others take */
  uint32_t parking; /* of these, for parked batches */
  uint32_t block;   /* the block being filled; GR_NO_BLOCK: none */
  uint32_t parking_block;

  uint64_t boot;   /* of its member; the numbers of batches go on from boot to boot */
  uint64_t base;   /* the last batch of the boots before it */
  uint64_t stored; /* batches from `ordered` up to here have been handed to storage, and
                      are still there */
  uint64_t
      again; /* batches from here up to again_upto go to storage once more; 0: none */
  uint64_t again_upto;
  uint64_t pieces_upto; /* of a message that was begun when this member came in, which
                           storage has to have, whole or not; 0: none */
  uint64_t trim_boot;   /* boot as of the slots that are forgotten */

  uint64_t held;      /* every batch from first to here is there */
  uint64_t wanted;    /* batches up to here are known to exist */
  gr_time full_until; /* what comes next found no room: not asked for again before then */
  uint64_t ordered;   /* delivered up to here */
  uint64_t trim;      /* batches up to here may be forgotten, once delivered */
  uint64_t messages;  /* delivered */

  struct gr_fragments checked;   /* within the held prefix */
  struct gr_fragments delivered; /* within the delivered one */

  /* own lane: the open batch */
  uint8_t *open;
  uint32_t open_size;
  uint32_t open_messages;
};

enum gr_keep {
  GR_KEEP_STORED, /* kept */
  GR_KEEP_REPEAT, /* was there already */
  GR_KEEP_NO_ROOM /* not kept; wanted again later */
};

/* What all lanes of an engine share. */
struct gr_lane_limits {
  uint64_t message_bytes_max;
  uint64_t fragment_bytes_max;
  uint64_t batch_bytes_max;
};

/* Blocks with which a lane always finds room for what is not delivered yet. */
uint64_t gr_lane_blocks_min(const struct gr_lane_limits *limits,
                            uint64_t unordered_bytes_max);

/* Batches that the ring of a lane must be able to name, for these limits, and in so many
 * blocks. */
uint64_t gr_lane_batches(const struct gr_lane_limits *limits,
                         uint64_t unordered_bytes_max, uint32_t blocks);

/* Blocks that it may take: of its own, and of what is for all. */
uint64_t gr_lane_blocks_left(const struct gr_lane *lane);

void gr_lane_carve(struct gr_lane *lane, struct gr_carver *carver, uint64_t batches);
void gr_lane_init(struct gr_lane *lane, struct gr_pool *pool, uint64_t batches,
                  uint32_t own, uint64_t boot);

static inline struct gr_kept_batch *gr_lane_place(const struct gr_lane *lane,
                                                  uint64_t seq) {
  return &lane->batches[gr_ring_place(&lane->ring, seq)];
}

/* The batch, or NULL if it is not there. */
static inline const struct gr_kept_batch *gr_lane_batch(const struct gr_lane *lane,
                                                        uint64_t seq) {
  if (!gr_ring_has(&lane->ring, seq)) return NULL;
  const struct gr_kept_batch *batch = gr_lane_place(lane, seq);
  return batch->bytes ? batch : NULL;
}

/* ---- another member's lane ---- */

/* Copies a batch that came. */
enum gr_keep gr_lane_keep(struct gr_lane *lane, const struct gr_batch *batch);

/* Moves `held` over what is there now. False if a batch does not continue the message in
 * pieces before it, or makes one that is too large: it is dropped, and wanted again. */
bool gr_lane_advance(struct gr_lane *lane, const struct gr_lane_limits *limits);

/* Forgets what is parked beyond the gap, so that what fills it finds room. */
void gr_lane_unpark(struct gr_lane *lane);

/* ---- the own lane ---- */

/* True if a message of that size fits into the lane's blocks now. */
bool gr_lane_has_room(const struct gr_lane *lane, const struct gr_lane_limits *limits,
                      uint64_t bytes);

/* Appends a message to the open batch, closing it and opening others as they fill. False
 * if there was no room after all: check with gr_lane_has_room() before. */
bool gr_lane_append(struct gr_lane *lane, const struct gr_roster *roster,
                    const struct gr_lane_limits *limits, uint32_t self,
                    const gr_slice *parts, uint64_t bytes);

/* Closes the open batch, if it holds anything. True if it did. */
bool gr_lane_close(struct gr_lane *lane, const struct gr_roster *roster, uint32_t self);

/* ---- every lane ---- */

/* Storage may still be writing batches beyond what is ordered; or any that the lane
 * keeps. */
bool gr_lane_tail_in_use(const struct gr_lane *lane, gr_ticket synced);
bool gr_lane_in_use(const struct gr_lane *lane, gr_ticket synced);

/* Gives all of the lane's memory back. Only gr_lane_init() may follow. */
void gr_lane_clear(struct gr_lane *lane);

/* Ends the lane's boot with what is ordered, and begins this one behind it: R14. Batches
 * beyond the mark, and the beginning of a message that is not ordered whole, are dropped.
 */
void gr_lane_reopen(struct gr_lane *lane, uint64_t boot);

/* Begins an empty lane where a checkpoint says: with `first` as the first batch to come.
 */
void gr_lane_rebase(struct gr_lane *lane, uint64_t boot, uint64_t first, uint64_t ordered,
                    uint64_t messages);

/* Works out, when the batches up to `ordered` are here again, which message is begun. */
void gr_lane_recall(struct gr_lane *lane);

/* Forgets batches up to `trim`, but for those that are not delivered, or hold the
 * beginning of a message that is not, or that storage may still be writing: what has
 * tickets up to `synced` it has written. */
void gr_lane_forget(struct gr_lane *lane, gr_ticket synced);

#endif
