/* SPDX-License-Identifier: MIT
 *
 * paxos/lane.h, pool.h and gap.h: batches are kept byte for byte, memory stays within its
 * blocks, and what must be delivered next always finds room, however sizes fall.
 */
#include "harness.h"

#include "base/random.h"

#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>

static const struct gr_roster roster = {.tag = 1,
                                        .view = 1,
                                        .incarnation = 1,
                                        .count = 2,
                                        .ids = {10, 20},
                                        .message_bytes_max = TEST_MESSAGE_MAX,
                                        .batch_bytes_max = TEST_BATCH_MAX};

/* A lane in memory of its own, with a pool of just `blocks`. */
struct bench {
  struct gr_lane_limits limits;
  struct gr_pool pool;
  struct gr_lane lane;
  void *memory;
};

static void carve_bench(struct bench *bench, struct gr_carver *carver, uint32_t blocks,
                        uint64_t batches) {
  gr_lane_carve(&bench->lane, carver, batches);
  gr_pool_carve(&bench->pool, carver, blocks, blocks, bench->limits.batch_bytes_max);
}

static void bench_open(struct bench *bench, uint64_t fragment, uint32_t blocks) {
  *bench = (struct bench){
      .limits = {TEST_MESSAGE_MAX, fragment, TEST_BATCH_MAX},
  };
  uint64_t batches = gr_lane_batches(&bench->limits, TEST_UNORDERED_MAX, blocks);
  struct gr_carver carver = {0};
  carve_bench(bench, &carver, blocks, batches);
  bench->memory = carver.memory = aligned_alloc(GR_CARVE_ALIGNMENT, carver.used);
  cr_assert_not_null(bench->memory);
  memset(bench->memory, 0xa5, carver.used);
  carver.used = 0;
  carve_bench(bench, &carver, blocks, batches);
  gr_lane_init(&bench->lane, &bench->pool, batches, blocks, GR_BOOT_VOLATILE);
}

static void bench_close(struct bench *bench) {
  free(bench->memory);
}

static uint32_t blocks_min(uint64_t fragment) {
  struct gr_lane_limits limits = {TEST_MESSAGE_MAX, fragment, TEST_BATCH_MAX};
  return (uint32_t)gr_lane_blocks_min(&limits, TEST_UNORDERED_MAX);
}

/* A batch that must be there. */
static const struct gr_kept_batch *kept_at(const struct bench *bench, uint64_t seq) {
  const struct gr_kept_batch *kept = gr_lane_batch(&bench->lane, seq);
  cr_assert_not_null(kept, "batch %lu is not kept", (unsigned long)seq);
  if (!kept) abort(); /* the assertion does not return, which compilers don't know */
  return kept;
}

static void append(struct bench *bench, uint64_t bytes, uint8_t fill) {
  uint8_t message[TEST_MESSAGE_MAX];
  memset(message, fill, bytes);
  gr_slice parts[] = {{message, bytes / 2}, {NULL, 0}, {message, bytes - bytes / 2}};
  cr_assert(gr_lane_has_room(&bench->lane, &bench->limits, bytes));
  cr_assert(gr_lane_append(&bench->lane, &roster, &bench->limits, 0, parts, bytes));
}

/* A batch with one entry, made by hand. */
static struct gr_batch batch_of(uint8_t *bytes, uint64_t seq, uint32_t size, bool more) {
  uint32_t entry = size - GR_BATCH_HEADER_BYTES - GR_ENTRY_HEADER_BYTES;
  memset(bytes, (int)seq, size);
  gr_store_u32(bytes + GR_BATCH_HEADER_BYTES, entry | (more ? GR_ENTRY_MORE : 0));
  gr_batch_seal(&roster, bytes, size, 1, seq, more ? 0 : 1);
  struct gr_reader reader = gr_reader_of(bytes, size);
  struct gr_batch batch;
  cr_assert_eq(gr_batch_open(&reader, &roster, &batch), GR_OK);
  return batch;
}

static enum gr_keep keep(struct bench *bench, uint64_t seq, uint32_t size, bool more) {
  uint8_t bytes[TEST_BATCH_MAX];
  struct gr_batch batch = batch_of(bytes, seq, size, more);
  return gr_lane_keep(&bench->lane, &batch);
}

/* ---- the own lane ---- */

Test(paxos_lane, messages_share_a_batch_until_it_is_closed) {
  struct bench bench;
  bench_open(&bench, 512, blocks_min(512));
  cr_assert(!gr_lane_close(&bench.lane, &roster, 0), "there is none");
  append(&bench, 10, 1);
  append(&bench, 0, 2);
  append(&bench, 20, 3);
  cr_assert_eq(bench.lane.held, 0);
  cr_assert(gr_lane_close(&bench.lane, &roster, 0));
  cr_assert(!gr_lane_close(&bench.lane, &roster, 0));
  cr_assert_eq(bench.lane.held, 1);
  const struct gr_kept_batch *kept = kept_at(&bench, 1);
  cr_assert_eq(kept->messages, 3);
  cr_assert_eq(kept->size, 40 + 3 * 4 + 30);
  struct gr_reader reader = gr_reader_of(kept->bytes, kept->size);
  struct gr_batch batch;
  cr_assert_eq(gr_batch_open(&reader, &roster, &batch), GR_OK);
  cr_assert_eq(batch.seq, 1);
  cr_assert(!batch.pieces);
  bench_close(&bench);
}

Test(paxos_lane, a_large_message_becomes_pieces_in_order) {
  struct bench bench;
  bench_open(&bench, 512, blocks_min(512));
  append(&bench, 1300, 9); /* 512, 512 and 276 */
  gr_lane_close(&bench.lane, &roster, 0);
  uint64_t bytes = 0;
  uint32_t pieces = 0;
  uint32_t messages = 0;
  for (uint64_t seq = 1; seq <= bench.lane.held; seq++) {
    const struct gr_kept_batch *kept = kept_at(&bench, seq);
    cr_assert_leq(kept->size, TEST_BATCH_MAX);
    messages += kept->messages;
    for (uint32_t at = GR_BATCH_HEADER_BYTES; at < kept->size; pieces++) {
      uint32_t head = gr_load_u32(kept->bytes + at);
      bytes += head & ~GR_ENTRY_MORE;
      cr_assert_eq((head & GR_ENTRY_MORE) != 0, bytes < 1300);
      at += GR_ENTRY_HEADER_BYTES + (head & ~GR_ENTRY_MORE);
    }
  }
  cr_assert_eq(bytes, 1300);
  cr_assert_eq(pieces, 3);
  cr_assert_eq(messages, 1);
  bench_close(&bench);
}

/* The open batch takes room too: what has_room() promises, append() must find. */
Test(paxos_lane, room_is_what_the_open_batch_leaves) {
  for (uint64_t fragment = 256; fragment <= 960; fragment += 64) {
    struct gr_random random = {fragment};
    for (int run = 0; run < 50; run++) {
      struct bench bench;
      bench_open(&bench, fragment, 8);
      for (;;) {
        uint64_t bytes = gr_random_below(&random, TEST_BATCH_MAX);
        if (!gr_lane_has_room(&bench.lane, &bench.limits, bytes)) break;
        append(&bench, bytes, 1);
        if (gr_random_below(&random, 4) == 0) gr_lane_close(&bench.lane, &roster, 0);
      }
      cr_assert_leq(bench.lane.blocks, 8);
      bench_close(&bench);
    }
  }
}

/* ---- another member's lane ---- */

Test(paxos_lane, batches_out_of_order_are_parked_and_joined) {
  struct bench bench;
  bench_open(&bench, 512, 16);
  cr_assert_eq(keep(&bench, 3, 100, false), GR_KEEP_STORED);
  cr_assert_eq(keep(&bench, 2, 100, false), GR_KEEP_STORED);
  cr_assert(gr_lane_advance(&bench.lane, &bench.limits));
  cr_assert_eq(bench.lane.held, 0);
  cr_assert_eq(keep(&bench, 3, 100, false), GR_KEEP_REPEAT);
  cr_assert_null(gr_lane_batch(&bench.lane, 1));
  cr_assert_eq(keep(&bench, 1, 100, false), GR_KEEP_STORED);
  cr_assert(gr_lane_advance(&bench.lane, &bench.limits));
  cr_assert_eq(bench.lane.held, 3);
  cr_assert_eq(bench.lane.wanted, 3);
  cr_assert_eq(keep(&bench, 2, 100, false), GR_KEEP_REPEAT);
  for (uint64_t seq = 1; seq <= 3; seq++)
    cr_assert_eq(kept_at(&bench, seq)->bytes[60], (uint8_t)seq);
  bench_close(&bench);
}

Test(paxos_lane, only_so_much_is_parked) {
  struct bench bench;
  bench_open(&bench, 512, 16);
  uint64_t seq = 2;
  while (keep(&bench, seq, 600, false) == GR_KEEP_STORED) seq++;
  cr_assert_eq(seq - 2, GR_PARKING_BLOCKS_MAX);
  cr_assert_eq(bench.lane.blocks, GR_PARKING_BLOCKS_MAX);
  cr_assert_eq(keep(&bench, UINT64_MAX / 8, 60, false), GR_KEEP_NO_ROOM, "far beyond");
  cr_assert_eq(keep(&bench, 1, 600, false), GR_KEEP_STORED, "what is next has room");
  gr_lane_advance(&bench.lane, &bench.limits);
  cr_assert_eq(bench.lane.held, seq - 1);
  bench_close(&bench);
}

Test(paxos_lane, unparking_gives_the_room_back) {
  struct bench bench;
  bench_open(&bench, 512, 3);
  cr_assert_eq(keep(&bench, 3, 1000, false), GR_KEEP_STORED);
  cr_assert_eq(keep(&bench, 5, 1000, false), GR_KEEP_STORED);
  cr_assert_eq(keep(&bench, 1, 1000, false), GR_KEEP_STORED);
  gr_lane_advance(&bench.lane, &bench.limits);
  cr_assert_eq(keep(&bench, 2, 1000, false), GR_KEEP_NO_ROOM);
  gr_lane_unpark(&bench.lane);
  cr_assert_null(gr_lane_batch(&bench.lane, 3));
  cr_assert_null(gr_lane_batch(&bench.lane, 5));
  cr_assert_not_null(gr_lane_batch(&bench.lane, 1));
  cr_assert_eq(keep(&bench, 2, 1000, false), GR_KEEP_STORED);
  gr_lane_advance(&bench.lane, &bench.limits);
  cr_assert_eq(bench.lane.held, 2);
  bench_close(&bench);
}

Test(paxos_lane, pieces_that_are_nobodys_message_are_dropped) {
  struct bench bench;
  bench_open(&bench, 512, 64);
  /* Pieces without an end: more bytes than the largest message. */
  uint64_t seq = 1;
  bool fits = true;
  for (; fits && seq < 100; seq++) {
    cr_assert_eq(keep(&bench, seq, 44 + 512, true), GR_KEEP_STORED);
    fits = gr_lane_advance(&bench.lane, &bench.limits);
  }
  cr_assert(!fits);
  cr_assert_eq(bench.lane.held, TEST_MESSAGE_MAX / 512);
  cr_assert_null(gr_lane_batch(&bench.lane, bench.lane.held + 1));
  /* The true batch of that number is still welcome. */
  cr_assert_eq(keep(&bench, bench.lane.held + 1, 44, false), GR_KEEP_STORED);
  cr_assert(gr_lane_advance(&bench.lane, &bench.limits));
  bench_close(&bench);
  /* Pieces of nothing: more of them than the largest message has. */
  bench_open(&bench, 512, 64);
  fits = true;
  for (seq = 1; fits && seq < 100; seq++) {
    cr_assert_eq(keep(&bench, seq, 44, true), GR_KEEP_STORED);
    fits = gr_lane_advance(&bench.lane, &bench.limits);
  }
  cr_assert(!fits);
  bench_close(&bench);
}

Test(paxos_lane, what_is_not_delivered_is_not_forgotten) {
  struct bench bench;
  bench_open(&bench, 512, 16);
  for (uint64_t seq = 1; seq <= 6; seq++) {
    cr_assert_eq(keep(&bench, seq, 500, false), GR_KEEP_STORED);
    cr_assert(gr_lane_advance(&bench.lane, &bench.limits));
  }
  const struct {
    uint64_t trim, ordered, begun, first;
  } rows[] = {{0, 3, 0, 1}, {2, 3, 0, 3}, {9, 3, 0, 4}, {9, 6, 5, 5}, {9, 6, 0, 7}};
  for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
    bench.lane.trim = rows[i].trim;
    bench.lane.ordered = rows[i].ordered;
    bench.lane.delivered.seq = rows[i].begun;
    gr_lane_forget(&bench.lane, GR_TICKET_NONE);
    cr_assert_eq(bench.lane.ring.first, rows[i].first, "row %zu", i);
    for (uint64_t seq = 1; seq <= 6; seq++)
      cr_assert_eq(gr_lane_batch(&bench.lane, seq) != NULL, seq >= rows[i].first);
  }
  cr_assert_leq(bench.pool.taken, 1, "but for the block being filled");
  bench_close(&bench);
}

/* ---- parking ---- */

/* Some of the next few, in any order, and some forgotten. */
static void shuffle(struct bench *bench, struct gr_random *random) {
  for (int i = 0; i < 20; i++) {
    uint64_t seq = bench->lane.held + 1 + gr_random_below(random, 4);
    uint32_t size = 60 + (uint32_t)gr_random_below(random, i % 4 == 0 ? 900 : 200);
    keep(bench, seq, size, false);
    cr_assert(gr_lane_advance(&bench->lane, &bench->limits));
    cr_assert_leq(bench->lane.parking, GR_PARKING_BLOCKS_MAX);
    cr_assert_eq(bench->lane.blocks, bench->pool.taken);
  }
  if (gr_random_below(random, 4) == 0) gr_lane_unpark(&bench->lane);
  uint64_t kept = bench->lane.held + 1 - bench->lane.ring.first;
  bench->lane.trim = bench->lane.ordered =
      bench->lane.ring.first + gr_random_below(random, kept + 1) - 1;
  gr_lane_forget(&bench->lane, GR_TICKET_NONE);
}

Test(paxos_lane, blocks_are_accounted_for_in_whatever_order_batches_come) {
  for (uint64_t seed = 1; seed <= 300; seed++) {
    struct gr_random random = {seed};
    struct bench bench;
    bench_open(&bench, 512, 200);
    for (int round = 0; round < 10; round++) {
      shuffle(&bench, &random);
      for (uint64_t seq = bench.lane.ring.first; seq <= bench.lane.held; seq++) {
        const struct gr_kept_batch *kept = kept_at(&bench, seq);
        struct gr_reader reader = gr_reader_of(kept->bytes, kept->size);
        struct gr_batch batch;
        cr_assert_eq(gr_batch_open(&reader, &roster, &batch), GR_OK, "seed %d",
                     (int)seed);
        cr_assert_eq(batch.seq, seq);
      }
    }
    bench.lane.trim = bench.lane.ordered = bench.lane.held;
    gr_lane_unpark(&bench.lane);
    gr_lane_forget(&bench.lane, GR_TICKET_NONE);
    cr_assert_leq(bench.pool.taken, 2, "but for the blocks being filled");
    bench_close(&bench);
  }
}

Test(paxos_lane, what_storage_still_writes_is_not_forgotten) {
  struct bench bench;
  bench_open(&bench, 512, 16);
  for (uint64_t seq = 1; seq <= 4; seq++) {
    cr_assert_eq(keep(&bench, seq, 100, false), GR_KEEP_STORED);
    if (seq < 4) gr_lane_place(&bench.lane, seq)->ticket = 10 * seq;
  }
  cr_assert(gr_lane_advance(&bench.lane, &bench.limits));
  bench.lane.trim = bench.lane.ordered = 4;
  const struct {
    gr_ticket synced;
    uint64_t first;
  } rows[] = {{0, 1}, {9, 1}, {10, 2}, {29, 3}, {30, 5}}; /* the last was never given */
  for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
    gr_lane_forget(&bench.lane, rows[i].synced);
    cr_assert_eq(bench.lane.ring.first, rows[i].first, "row %zu", i);
  }
  bench_close(&bench);
}

/* ---- random histories: an origin, and a receiver that lags, beside a naive copy ---- */

#define HISTORY_MAX 6000

struct history {
  struct gr_random random;
  struct bench origin;
  struct bench receiver;
  uint8_t *copies; /* of all batches ever closed, TEST_BATCH_MAX bytes each */
  uint32_t sizes[HISTORY_MAX + 1];
  uint64_t copied;
  uint64_t cuts[HISTORY_MAX]; /* one for each slot: the lane's mark */
  uint64_t slots;
  uint64_t delivered[2]; /* slots, by origin and receiver */
  uint64_t unordered;    /* at the origin */
  uint64_t charges[HISTORY_MAX];
  uint64_t messages; /* appended */
  uint64_t done;     /* of them, delivered at the origin */
  uint32_t style;
};

static uint64_t some_size(struct history *h) {
  switch (h->style + (uint32_t)gr_random_below(&h->random, 2)) {
  case 0:
    return gr_random_below(&h->random, 4);
  case 1: /* just over half a block, so that no two share one */
    return 470 + gr_random_below(&h->random, 20);
  case 2:
    return gr_random_below(&h->random, 1200);
  default:
    return gr_random_below(&h->random, TEST_MESSAGE_MAX + 1);
  }
}

static void copy_closed(struct history *h) {
  for (; h->copied < h->origin.lane.held; h->copied++) {
    const struct gr_kept_batch *kept = kept_at(&h->origin, h->copied + 1);
    h->sizes[h->copied + 1] = kept->size;
    memcpy(h->copies + (h->copied + 1) * TEST_BATCH_MAX, kept->bytes, kept->size);
  }
}

/* Goes over the entries as a delivery does; how many messages end. */
static uint64_t deliver_upto(struct bench *bench, uint64_t upto) {
  struct gr_lane *lane = &bench->lane;
  uint64_t ended = 0;
  for (; lane->ordered < upto; lane->ordered++) {
    const struct gr_kept_batch *kept = kept_at(bench, lane->ordered + 1);
    for (uint32_t at = GR_BATCH_HEADER_BYTES; at < kept->size;) {
      uint32_t head = gr_load_u32(kept->bytes + at);
      if ((head & GR_ENTRY_MORE) == 0) {
        ended++;
        lane->delivered.seq = 0;
      } else if (lane->delivered.seq == 0) {
        lane->delivered.seq = lane->ordered + 1;
      }
      at += GR_ENTRY_HEADER_BYTES + (head & ~GR_ENTRY_MORE);
    }
  }
  return ended;
}

static void forget_delivered(struct bench *bench) {
  bench->lane.trim = bench->lane.ordered;
  gr_lane_forget(&bench->lane, GR_TICKET_NONE);
}

static void origin_append(struct history *h) {
  uint64_t bytes = some_size(h);
  uint64_t charge = bytes + GR_ENTRY_HEADER_BYTES;
  if (h->messages == HISTORY_MAX) return;
  if (h->unordered > 0 && h->unordered + charge > TEST_UNORDERED_MAX) return;
  if (!gr_lane_has_room(&h->origin.lane, &h->origin.limits, bytes))
    forget_delivered(&h->origin);
  append(&h->origin, bytes, (uint8_t)h->messages); /* checks that there is room */
  h->unordered += charge;
  h->charges[h->messages++] = charge;
  copy_closed(h);
}

static void origin_close(struct history *h) {
  if (h->origin.lane.held - h->origin.lane.ordered >= GR_BATCHES_UNORDERED_MAX) return;
  gr_lane_close(&h->origin.lane, &roster, 0);
  copy_closed(h);
}

static void order(struct history *h) {
  if (h->slots < HISTORY_MAX && (h->slots == 0 || h->cuts[h->slots - 1] < h->copied))
    h->cuts[h->slots++] = h->copied;
}

static void origin_deliver(struct history *h) {
  if (h->delivered[0] == h->slots) return;
  uint64_t ended = deliver_upto(&h->origin, h->cuts[h->delivered[0]++]);
  for (; ended > 0; ended--) h->unordered -= h->charges[h->done++];
}

static void receiver_deliver(struct history *h) {
  while (h->delivered[1] < h->slots &&
         h->receiver.lane.held >= h->cuts[h->delivered[1]] &&
         gr_random_below(&h->random, 8) != 0)
    deliver_upto(&h->receiver, h->cuts[h->delivered[1]++]);
}

/* One batch arrives, often the next one, and is treated as the engine does. */
static void receiver_receive(struct history *h) {
  struct gr_lane *lane = &h->receiver.lane;
  uint64_t next = lane->held + 1;
  uint64_t seq = next + gr_random_below(&h->random, 12);
  if (gr_random_below(&h->random, 2) == 0) seq = next;
  if (seq > 3 && gr_random_below(&h->random, 16) == 0) seq -= 3;
  if (seq > h->copied) return;
  struct gr_reader reader = gr_reader_of(h->copies + seq * TEST_BATCH_MAX, h->sizes[seq]);
  struct gr_batch batch;
  cr_assert_eq(gr_batch_open(&reader, &roster, &batch), GR_OK);
  enum gr_keep kept = gr_lane_keep(lane, &batch);
  if (kept == GR_KEEP_NO_ROOM && seq == next) {
    forget_delivered(&h->receiver);
    kept = gr_lane_keep(lane, &batch);
    if (kept == GR_KEEP_NO_ROOM) gr_lane_unpark(lane);
    if (kept == GR_KEEP_NO_ROOM) kept = gr_lane_keep(lane, &batch);
    bool needed = h->delivered[1] < h->slots && seq <= h->cuts[h->delivered[1]];
    cr_assert(kept == GR_KEEP_STORED || !needed, "what the next slot needs finds room");
  }
  cr_assert(kept != GR_KEEP_REPEAT || seq < next || gr_lane_batch(lane, seq));
  cr_assert(gr_lane_advance(lane, &h->receiver.limits));
}

static void check_copies(const struct history *h, const struct bench *bench) {
  const struct gr_lane *lane = &bench->lane;
  cr_assert_leq(lane->blocks, lane->own);
  cr_assert_eq(lane->blocks, bench->pool.taken);
  for (uint64_t seq = lane->ring.first; seq < lane->ring.end; seq++) {
    const struct gr_kept_batch *kept = gr_lane_batch(lane, seq);
    if (!kept) {
      cr_assert_gt(seq, lane->held);
      continue;
    }
    cr_assert_eq(kept->size, h->sizes[seq]);
    cr_assert_arr_eq(kept->bytes, h->copies + seq * TEST_BATCH_MAX, kept->size);
  }
}

static void run_history(uint64_t seed) {
  static struct history h;
  const uint64_t fragments[] = {256, 480, 512, 960};
  uint64_t fragment = fragments[seed % 4];
  uint8_t *copies = calloc(HISTORY_MAX + 1, TEST_BATCH_MAX);
  cr_assert_not_null(copies);
  h = (struct history){.random = {seed},
                       .copies = copies,
                       .style = (uint32_t)(seed / 4 % 3)};
  bench_open(&h.origin, fragment, blocks_min(fragment));
  bench_open(&h.receiver, fragment, blocks_min(fragment));
  uint64_t pace = 2 + gr_random_below(&h.random, 30); /* of the receiver */
  for (int step = 0; step < 5000 && h.copied + 64 < HISTORY_MAX; step++) {
    origin_append(&h);
    if (gr_random_below(&h.random, 3) == 0) origin_close(&h);
    if (gr_random_below(&h.random, 4) == 0) order(&h);
    if (gr_random_below(&h.random, 4) == 0) origin_deliver(&h);
    for (uint64_t k = gr_random_below(&h.random, pace); k > 0; k--) receiver_receive(&h);
    receiver_deliver(&h);
    if (step % 500 == 0) {
      check_copies(&h, &h.origin);
      check_copies(&h, &h.receiver);
    }
  }
  /* And in the end all of it gets through. */
  origin_close(&h);
  order(&h);
  for (int step = 0; step < 200000 && h.delivered[1] < h.slots; step++) {
    receiver_receive(&h);
    receiver_deliver(&h);
  }
  cr_assert_eq(h.delivered[1], h.slots, "seed %lu", (unsigned long)seed);
  check_copies(&h, &h.receiver);
  bench_close(&h.origin);
  bench_close(&h.receiver);
  free(copies);
}

Test(paxos_lane, what_is_next_always_finds_room) {
  for (uint64_t seed = 1; seed <= 24; seed++) run_history(seed);
}

/* ---- the pool ---- */

Test(paxos_pool, gives_every_block_once_and_the_last_returned_first) {
  struct gr_pool pool;
  struct gr_carver carver = {0};
  gr_pool_carve(&pool, &carver, 5, 5, 128);
  cr_assert_geq(carver.used, 5 * (128 + sizeof(struct gr_block)));
  carver.memory = aligned_alloc(GR_CARVE_ALIGNMENT, carver.used);
  cr_assert_not_null(carver.memory);
  void *memory = carver.memory;
  carver.used = 0;
  gr_pool_carve(&pool, &carver, 5, 5, 128);
  bool taken[5] = {false};
  for (int i = 0; i < 5; i++) {
    uint32_t block = gr_pool_take(&pool);
    cr_assert_lt(block, 5);
    cr_assert(!taken[block]);
    taken[block] = true;
    memset(gr_pool_bytes(&pool, block), i, 128);
  }
  cr_assert_eq(gr_pool_take(&pool), GR_NO_BLOCK);
  cr_assert_eq(pool.taken, 5);
  gr_pool_give(&pool, 3);
  gr_pool_give(&pool, 1);
  cr_assert_eq(pool.taken, 3);
  cr_assert_eq(gr_pool_take(&pool), 1);
  cr_assert_eq(gr_pool_take(&pool), 3);
  cr_assert_eq(pool.blocks[3].used, 0);
  cr_assert_eq(gr_pool_take(&pool), GR_NO_BLOCK);
  free(memory);
}

/* Two lanes own two blocks each of seven. */
Test(paxos_pool, a_lane_takes_what_is_spare_but_nothing_that_another_owns) {
  struct bench bench, other;
  bench_open(&bench, 512, 7);
  bench_open(&other, 512, 2);
  bench.lane.own = 2;
  bench.pool.shared = bench.pool.spare = 3;
  other.lane.pool = &bench.pool;
  for (uint64_t seq = 1; seq <= 5; seq++) {
    cr_assert_eq(gr_lane_blocks_left(&bench.lane), 6 - seq);
    cr_assert_eq(keep(&bench, seq, TEST_BATCH_MAX, false), GR_KEEP_STORED);
    cr_assert(gr_lane_advance(&bench.lane, &bench.limits));
  }
  cr_assert_eq(keep(&bench, 6, TEST_BATCH_MAX, false), GR_KEEP_NO_ROOM);
  cr_assert_eq(gr_lane_blocks_left(&other.lane), 2);
  for (uint64_t seq = 1; seq <= 2; seq++) {
    cr_assert_eq(keep(&other, seq, TEST_BATCH_MAX, false), GR_KEEP_STORED);
    cr_assert(gr_lane_advance(&other.lane, &other.limits));
  }
  cr_assert_eq(keep(&other, 3, TEST_BATCH_MAX, false), GR_KEEP_NO_ROOM);
  cr_assert_eq(bench.pool.taken, 7);
  bench.lane.ordered = 1;
  forget_delivered(&bench);
  cr_assert_eq(gr_lane_blocks_left(&other.lane), 1);
  cr_assert_eq(keep(&other, 3, TEST_BATCH_MAX, false), GR_KEEP_STORED);
  cr_assert_eq(gr_lane_blocks_left(&bench.lane), 0);
  gr_lane_clear(&other.lane);
  gr_lane_clear(&bench.lane);
  cr_assert_eq(bench.pool.taken, 0);
  cr_assert_eq(bench.pool.spare, 3);
  bench_close(&bench);
  bench_close(&other);
}

/* ---- the gap ---- */

Test(paxos_gap, is_patient_then_asks_then_asks_again_unless_answers_come) {
  struct gr_gap gap = {0};
  const gr_time patience = 5;
  cr_assert_eq(gr_gap_deadline(&gap, patience), GR_TIME_NEVER);
  gr_gap_watch(&gap, 3, 3, 100);
  cr_assert_eq(gr_gap_deadline(&gap, patience), GR_TIME_NEVER, "nothing is missing");
  gr_gap_watch(&gap, 3, 7, 100);
  gr_gap_watch(&gap, 4, 9, 102);
  cr_assert_eq(gr_gap_deadline(&gap, patience), 105, "more missing is no new watch");
  gr_gap_asked(&gap, 4, 105, 30);
  cr_assert_eq(gr_gap_deadline(&gap, patience), 135);
  gr_gap_watch(&gap, 5, 9, 120);
  cr_assert_eq(gr_gap_deadline(&gap, patience), 150, "the answer is coming in");
  gr_gap_watch(&gap, 5, 9, 130);
  cr_assert_eq(gr_gap_deadline(&gap, patience), 150, "or not any more");
  gr_gap_asked(&gap, 5, 150, 40);
  cr_assert_eq(gap.attempt, 2);
  cr_assert_eq(gr_gap_deadline(&gap, patience), 190);
  /* What was missing at first is here; what came to be known since is a new gap. */
  gr_gap_watch(&gap, 7, 9, 160);
  cr_assert_eq(gap.attempt, 0);
  cr_assert_eq(gr_gap_deadline(&gap, patience), 165);
  gr_gap_watch(&gap, 9, 9, 161);
  cr_assert_eq(gr_gap_deadline(&gap, patience), GR_TIME_NEVER);
}
