/* SPDX-License-Identifier: MIT
 *
 * paxos/repair.h: what of the own lane is sent to whom has asked for it. The engine has
 * made sixty batches and sent each of them once.
 */
#include "harness.h"

#include <criterion/criterion.h>

static struct rig rig;

static void open_sent(void) {
  rig_open(&rig, 3, 0);
  rig_meet(&rig);
  for (int i = 0; i < 60; i++) {
    cr_assert_eq(gr_paxos_broadcast(rig.paxos, NULL, 0, rig.now, NULL), GR_OK);
    rig_turn(&rig);
    cr_assert_not_null(rig_heard(&rig, 1, GR_FRAME_DATA));
  }
}

static void ask(uint64_t from, uint64_t upto) {
  const struct gr_fetch_data fetch = {.lane = 0, .from = from, .upto = upto};
  struct gr_writer writer = rig_begin(&rig, 1, GR_FRAME_FETCH_DATA);
  gr_fetch_data_encode(&writer, &rig.roster, &fetch);
  cr_assert_eq(rig_end(&rig, 1, &writer), GR_OK);
}

/* The next turn sends it just these batches, in their order. */
static void expect(uint64_t from, uint64_t upto) {
  uint64_t next = from;
  rig_turn(&rig);
  for (size_t i = 0; i < rig.heard_count; i++) {
    if (rig.heard[i].to != 1 || rig.heard[i].type != GR_FRAME_DATA) continue;
    struct gr_batch batch;
    struct gr_reader body = gr_reader_of(rig.heard[i].bytes + GR_FRAME_HEADER_BYTES,
                                         rig.heard[i].size - GR_FRAME_HEADER_BYTES);
    cr_assert_eq(gr_batch_open(&body, &rig.roster, &batch), GR_OK);
    cr_assert_eq(batch.seq, next);
    next++;
  }
  cr_assert_eq(next, upto + 1);
}

Test(paxos_repair, a_small_gap_is_filled) {
  open_sent();
  ask(21, 30);
  expect(21, 30);
  cr_assert_eq(rig_counters(&rig).data_repaired, 10);
  rig_close(&rig);
}

Test(paxos_repair, who_lacks_much_is_sent_all_that_follows_once) {
  open_sent();
  ask(11, 50);
  cr_assert_eq(gr_paxos_broadcast(rig.paxos, NULL, 0, rig.now, NULL), GR_OK);
  expect(11, 61);
  cr_assert_eq(rig_counters(&rig).data_repaired, 0);
  rig_close(&rig);
}

Test(paxos_repair, who_asks_again_at_once_waits_for_what_is_on_its_way) {
  open_sent();
  ask(11, 60);
  expect(11, 60);
  ask(11, 60);
  expect(11, 10);
  rig_pass(&rig, 300 * TEST_MS);
  ask(11, 60);
  expect(11, 60);
  rig_close(&rig);
}

Test(paxos_repair, what_is_on_its_way_already_is_not_gone_back_from) {
  open_sent();
  ask(11, 60);
  ask(21, 60);
  expect(11, 60);
  rig_close(&rig);
}
