/* SPDX-License-Identifier: MIT
 *
 * Boots: what a member that comes back had broadcast and nobody ordered is dropped alike
 * everywhere (R14), and it goes on behind that; who has lost its storage is refused.
 */
#include "storage.h"

#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>

static struct rig rig;
static struct storage storage;

static void open_met(void) {
  rig_open_stored(&rig, 3, 0, &storage, 0);
  rig_meet(&rig);
}

static void restart(void) {
  rig_close(&rig);
  rig_open_stored(&rig, 3, 0, &storage, 0);
}

static void close_all(void) {
  rig_close(&rig);
  storage_close(&storage);
}

static int broadcast(const char *text, uint64_t *number) {
  gr_slice part = {text, strlen(text)};
  return gr_paxos_broadcast(rig.paxos, &part, 1, rig.now, number);
}

/* Member 1 leads in round 3; what it proposes is chosen when it is accepted here. */
static void order(gr_slot slot, uint32_t lane, uint64_t boot, uint64_t upto) {
  struct gr_cut cut = rig_boot_cut(lane, boot, upto);
  cr_assert_eq(rig_accept(&rig, rig_ballot(3, 1), slot, 1, slot - 1, cut), GR_OK);
  rig_sync(&rig);
}

/* A batch of another boot than the first. */
static int data(uint32_t from, uint32_t lane, uint64_t boot, uint64_t seq,
                const char *text) {
  uint64_t before = rig.boots[lane];
  rig.boots[lane] = boot;
  int error = rig_data(&rig, from, lane, seq, text);
  rig.boots[lane] = before;
  return error;
}

/* The member was started once more, and says so. */
static void peer_restarts(uint32_t index) {
  struct gr_heartbeat heartbeat = rig_beat_of(&rig);
  rig.boots[index]++;
  cr_assert_eq(rig_beat(&rig, index, &heartbeat), GR_OK);
}

/* The proposals to member 1 that the last turn brought, in order. */
static size_t proposals(struct gr_accept *accepts) {
  size_t count = 0;
  for (size_t i = 0; i < rig.heard_count; i++) {
    const struct heard *heard = &rig.heard[i];
    if (heard->to != 1 || heard->type != GR_FRAME_ACCEPT) continue;
    struct gr_reader body = gr_reader_of(heard->bytes + GR_FRAME_HEADER_BYTES,
                                         heard->size - GR_FRAME_HEADER_BYTES);
    cr_assert(gr_accept_decode(&body, &rig.roster, &accepts[count++]));
  }
  return count;
}

/* ---- the member that comes back ---- */

Test(paxos_boots, broadcasts_wait_until_the_former_boot_is_closed) {
  uint64_t number = 0;
  open_met();
  cr_assert_eq(broadcast("x", &number), GR_OK);
  rig_turn(&rig);
  order(1, 0, 1, 1);
  cr_assert_str_eq(rig.delivered, "x ");
  cr_assert_eq(broadcast("lost", &number), GR_OK);
  cr_assert_eq(number, 2);
  rig_turn(&rig);
  restart();
  cr_assert_eq(rig_status(&rig).boot, 2);
  cr_assert_eq(broadcast("y", &number), GR_ERR_FULL);
  cr_assert(!gr_paxos_writable(rig.paxos));
  order(2, 0, 2, 0);
  cr_assert(gr_paxos_writable(rig.paxos));
  cr_assert(!gr_paxos_writable(rig.paxos), "said once");
  cr_assert_eq(broadcast("y", &number), GR_OK);
  cr_assert_eq(number, 2, "as many as were ever delivered, and one");
  rig_turn(&rig);
  const struct heard *heard = rig_heard(&rig, 1, GR_FRAME_DATA);
  cr_assert_not_null(heard);
  cr_assert_eq(gr_load_u64(heard->bytes + GR_FRAME_HEADER_BYTES + 8), 2, "the boot");
  cr_assert_eq(gr_load_u64(heard->bytes + GR_FRAME_HEADER_BYTES + 16), 2, "its number");
  order(3, 0, 2, 2);
  cr_assert_str_eq(rig.delivered, "x y ");
  close_all();
}

/* The others may have what its own storage lost, and may have ordered it. */
Test(paxos_boots, own_batches_of_a_former_boot_are_fetched) {
  open_met();
  cr_assert_eq(broadcast("x", NULL), GR_OK);
  rig_turn(&rig);
  restart();
  cr_assert_str_eq(rig.delivered, "");
  order(1, 0, 1, 1);
  order(2, 0, 2, 0);
  for (int i = 0; i < 5 && !rig_heard(&rig, 1, GR_FRAME_FETCH_DATA); i++)
    rig_pass(&rig, TEST_MS);
  struct gr_fetch_data fetch;
  struct gr_reader body = rig_body(&rig, 1, GR_FRAME_FETCH_DATA);
  cr_assert(gr_fetch_data_decode(&body, &rig.roster, &fetch));
  cr_assert_eq(fetch.lane, 0);
  cr_assert_eq(fetch.boot, 1);
  cr_assert_eq(fetch.from, 1);
  cr_assert_eq(broadcast("y", NULL), GR_ERR_FULL, "its CLOSE waits for that");
  cr_assert_eq(rig_data(&rig, 1, 0, 1, "x"), GR_OK);
  rig_sync(&rig);
  cr_assert_str_eq(rig.delivered, "x ");
  cr_assert_eq(broadcast("y", NULL), GR_OK);
  close_all();
}

Test(paxos_boots, a_boot_stays_closed_over_the_next_restart) {
  open_met();
  restart();
  order(1, 0, 2, 0);
  cr_assert_eq(broadcast("y", NULL), GR_OK);
  rig_turn(&rig);
  order(2, 0, 2, 1);
  rig_pass(&rig, 100 * TEST_MS);
  rig_sync(&rig);
  restart();
  cr_assert_str_eq(rig.delivered, "y ");
  cr_assert_eq(rig_status(&rig).boot, 3);
  cr_assert_eq(broadcast("z", NULL), GR_ERR_FULL);
  close_all();
}

/* ---- the others ---- */

Test(paxos_boots, the_rest_of_a_boot_is_dropped) {
  open_met();
  cr_assert_eq(rig_data(&rig, 2, 2, 1, "a"), GR_OK);
  cr_assert_eq(rig_data(&rig, 2, 2, 2, "lost"), GR_OK);
  order(1, 2, 1, 1);
  peer_restarts(2);
  order(2, 2, 2, 0);
  cr_assert_eq(data(1, 2, 1, 2, "lost"), GR_OK, "from who still has it");
  cr_assert_eq(data(2, 2, 2, 2, "b"), GR_OK);
  order(3, 2, 2, 2);
  cr_assert_str_eq(rig.delivered, "a b ");
  rig_pass(&rig, 100 * TEST_MS); /* how much is chosen */
  rig_sync(&rig);
  restart();
  cr_assert_str_eq(rig.delivered, "a b ", "and so it is kept");
  close_all();
}

/* A new leader may propose again what was proposed before the boot ended. */
Test(paxos_boots, a_proposal_of_a_former_boot_adds_nothing) {
  open_met();
  cr_assert_eq(rig_data(&rig, 2, 2, 1, "a"), GR_OK);
  peer_restarts(2);
  order(1, 2, 2, 0);
  order(2, 2, 1, 7); /* of which nothing is here, nor needed */
  gr_status status = rig_status(&rig);
  cr_assert_eq(status.accepted, 2);
  cr_assert_eq(status.delivered, 2);
  cr_assert_str_eq(rig.delivered, "");
  order(3, 2, 2, 0); /* nor does another CLOSE */
  cr_assert_eq(rig_status(&rig).delivered, 3);
  cr_assert_eq(data(2, 2, 2, 1, "b"), GR_OK);
  order(4, 2, 2, 1);
  cr_assert_str_eq(rig.delivered, "b ");
  close_all();
}

Test(paxos_boots, a_leader_that_hears_of_a_boot_closes_the_one_before) {
  open_met();
  gr_ballot ballot = rig_lead(&rig);
  cr_assert_eq(rig_data(&rig, 2, 2, 1, "a"), GR_OK);
  peer_restarts(2);
  rig_turn(&rig);
  struct gr_accept accepts[8];
  cr_assert_eq(proposals(accepts), 1);
  cr_assert_eq(accepts[0].cut.marks[2].boot, 1, "first what it has of it");
  cr_assert_eq(accepts[0].cut.marks[2].upto, 1);
  rig_turn(&rig);
  cr_assert_eq(proposals(accepts), 1);
  cr_assert_eq(accepts[0].cut.lanes, gr_memberset_one(2));
  cr_assert_eq(accepts[0].cut.marks[2].boot, 2);
  cr_assert(gr_mark_is_close(accepts[0].cut.marks[2]));
  rig_turn(&rig);
  cr_assert_eq(proposals(accepts), 0, "proposed once");
  cr_assert_eq(rig_accepted(&rig, 1, ballot, 2), GR_OK);
  rig_sync(&rig);
  cr_assert_str_eq(rig.delivered, "a ");
  close_all();
}

/* The leader may not hear who has come back. */
Test(paxos_boots, a_boot_is_heard_of_from_others_too) {
  open_met();
  rig_lead(&rig);
  struct gr_heartbeat heartbeat = rig_beat_of(&rig);
  heartbeat.boots[2] = 2;
  heartbeat.incarnations[2] = 8002; /* a process that we do not know */
  cr_assert_eq(rig_beat(&rig, 1, &heartbeat), GR_OK);
  rig_turn(&rig);
  struct gr_accept accepts[8];
  cr_assert_eq(proposals(accepts), 0);
  heartbeat.incarnations[2] = 7002;
  cr_assert_eq(rig_beat(&rig, 1, &heartbeat), GR_OK);
  rig_turn(&rig);
  cr_assert_eq(proposals(accepts), 1);
  cr_assert_eq(accepts[0].cut.marks[2].boot, 2);
  cr_assert(gr_mark_is_close(accepts[0].cut.marks[2]));
  cr_assert_eq(rig_prepare(&rig, rig_ballot(9, 2), 1), GR_ERR_STALE);
  close_all();
}

Test(paxos_boots, frames_of_a_former_boot_are_stale) {
  open_met();
  peer_restarts(2);
  struct gr_heartbeat heartbeat = rig_beat_of(&rig);
  cr_assert_eq(rig_prepare(&rig, rig_ballot(3, 2), 1), GR_OK);
  rig.boots[2] = 1;
  cr_assert_eq(rig_prepare(&rig, rig_ballot(4, 2), 1), GR_ERR_STALE);
  cr_assert_eq(rig_beat(&rig, 2, &heartbeat), GR_ERR_STALE);
  cr_assert_eq(rig_status(&rig).promised.round, 3);
  close_all();
}

/* What its former process said may still be on its way: a heartbeat tells them apart. */
Test(paxos_boots, a_boot_begins_with_a_heartbeat) {
  open_met();
  rig.boots[2] = 2;
  cr_assert_eq(rig_prepare(&rig, rig_ballot(3, 2), 1), GR_ERR_STALE);
  rig.boots[2] = 1;
  peer_restarts(2);
  cr_assert_eq(rig_prepare(&rig, rig_ballot(3, 2), 1), GR_OK);
  close_all();
}

/* ---- who is let in ---- */

Test(paxos_boots, who_has_lost_its_storage_is_refused) {
  rig_open_stored(&rig, 3, 0, &storage, 0);
  struct gr_heartbeat heartbeat = rig_beat_of(&rig);
  heartbeat.incarnations[0] = 777; /* as they knew it before */
  for (uint32_t i = 1; i < 3; i++) {
    cr_assert_eq(gr_paxos_halt_reason(rig.paxos, NULL), GR_OK);
    rig_beat(&rig, i, &heartbeat);
  }
  cr_assert_eq(gr_paxos_halt_reason(rig.paxos, NULL), GR_ERR_REPLACED);
  close_all();
}

/* Two processes with copies of one storage: the one that was started first stops. */
Test(paxos_boots, an_old_copy_of_a_storage_is_refused) {
  open_met();
  struct gr_heartbeat heartbeat = rig_beat_of(&rig);
  heartbeat.boots[0] = 1;
  cr_assert_eq(rig_beat(&rig, 1, &heartbeat), GR_OK);
  heartbeat.boots[0] = 2;
  rig_beat(&rig, 1, &heartbeat);
  cr_assert_eq(gr_paxos_halt_reason(rig.paxos, NULL), GR_ERR_REPLACED);
  close_all();
  open_met(); /* or it learns so from the order */
  struct gr_cut cut = rig_boot_cut(0, 2, 0);
  cr_assert_eq(rig_accept(&rig, rig_ballot(3, 1), 1, 1, 0, cut), GR_OK);
  rig_sync(&rig);
  cr_assert_eq(gr_paxos_halt_reason(rig.paxos, NULL), GR_ERR_REPLACED);
  close_all();
}

/* Whom it has met it knows again, though it has not heard of them since. */
Test(paxos_boots, an_identity_is_kept_over_restarts) {
  open_met();
  restart();
  struct gr_heartbeat heartbeat = rig_beat_of(&rig);
  cr_assert_eq(rig_beat(&rig, 1, &heartbeat), GR_OK);
  struct gr_writer writer = rig_begin(&rig, 2, GR_FRAME_HEARTBEAT);
  gr_heartbeat_encode(&writer, &rig.roster, &heartbeat);
  gr_store_u64(rig.frame + 16, 8002); /* a member 2 whose storage was lost */
  cr_assert_eq(rig_end(&rig, 2, &writer), GR_ERR_STALE);
  close_all();
}

Test(paxos_boots, members_with_and_without_storage_refuse_each_other) {
  struct rig without;
  open_met();
  rig_open(&without, 3, 0);
  rig_meet(&without);
  struct gr_prepare prepare = {rig_ballot(3, 1), 1, {.view = 1}};
  struct gr_writer writer = rig_begin(&rig, 1, GR_FRAME_PREPARE);
  gr_prepare_encode(&writer, &prepare);
  gr_frame_end(&writer);
  gr_slice frame = {writer.data, writer.used};
  cr_assert_eq(gr_paxos_receive(without.paxos, test_id(1), frame, 1), GR_ERR_FOREIGN);
  writer = rig_begin(&without, 1, GR_FRAME_PREPARE);
  gr_prepare_encode(&writer, &prepare);
  gr_frame_end(&writer);
  frame = (gr_slice){writer.data, writer.used};
  cr_assert_eq(gr_paxos_receive(rig.paxos, test_id(1), frame, 1), GR_ERR_FOREIGN);
  gr_paxos_free(without.paxos);
  free(without.heard);
  close_all();
}
