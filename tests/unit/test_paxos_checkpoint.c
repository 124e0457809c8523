/* SPDX-License-Identifier: MIT
 *
 * Letting storage forget: never beyond what the host keeps, what this member has settled,
 * and what its memory keeps for the others (I-TRIM-1); and a start from what is left.
 */
#include "storage.h"

#include <criterion/criterion.h>
#include <string.h>

static struct rig rig;
static struct storage storage;

static void open_met(void) {
  rig_open_stored(&rig, 3, 0, &storage, 0);
  rig_meet(&rig);
}

static void restart(gr_seqno applied) {
  rig_close(&rig);
  rig_open_stored(&rig, 3, 0, &storage, applied);
}

static void close_all(void) {
  rig_close(&rig);
  storage_close(&storage);
}

/* Member 1 leads in round 3. */
static void accept(gr_slot slot, struct gr_cut cut) {
  cr_assert_eq(rig_accept(&rig, rig_ballot(3, 1), slot, 1, 0, cut), GR_OK);
}

/* Nobody but this member has accepted it, so it is not chosen. */
static void propose(uint64_t round, gr_slot slot, gr_slot chosen, struct gr_cut cut) {
  struct gr_accept accept = {.ballot = rig_ballot(round, 1),
                             .slot = slot,
                             .start = chosen + 1,
                             .chosen = chosen,
                             .cut = cut};
  struct gr_writer writer = rig_begin(&rig, 1, GR_FRAME_ACCEPT);
  gr_accept_encode(&writer, &rig.roster, &accept);
  cr_assert_eq(rig_end(&rig, 1, &writer), GR_OK);
}

/* Slots as far as this one, each with a batch of lane 1, which is a letter. */
static void order_upto(gr_slot last) {
  for (gr_slot slot = rig_status(&rig).chosen + 1; slot <= last; slot++) {
    const char text[] = {(char)('a' + (slot - 1) % 26), 0};
    cr_assert_eq(rig_data(&rig, 1, 1, slot, text), GR_OK);
    accept(slot, rig_boot_cut(1, GR_BOOT_FIRST, slot));
    rig_sync(&rig);
  }
  cr_assert_eq(rig_status(&rig).delivered, last);
}

/* A piece of a message, and a letter, as the next batch of lane 1. */
static void send_piece(uint64_t seq, bool more) {
  uint32_t size = GR_BATCH_HEADER_BYTES + GR_ENTRY_HEADER_BYTES + 1;
  struct gr_writer writer = rig_begin(&rig, 1, GR_FRAME_DATA);
  gr_frame_end(&writer);
  uint8_t *batch = gr_write_room(&writer, size);
  cr_assert_not_null(batch);
  gr_store_u32(batch + GR_BATCH_HEADER_BYTES, 1 | (more ? GR_ENTRY_MORE : 0));
  batch[size - 1] = (uint8_t)('a' + seq - 1);
  gr_batch_seal(&rig.roster, batch, size, 1, seq, more ? 0 : 1);
  gr_slice frame = {writer.data, writer.used};
  cr_assert_eq(gr_paxos_receive(rig.paxos, test_id(1), frame, rig.now), GR_OK);
}

/* So many slots that the position of the last one is not remembered, and that of the one
 * before it is. */
#define AFTER_THINNING (GR_BOUNDARIES_MAX + 32)

/* All that is known to be chosen is durable. */
static void settle(void) {
  rig_pass(&rig, 100 * TEST_MS);
  rig_sync(&rig);
  cr_assert_eq(rig_status(&rig).settled, rig_status(&rig).delivered);
}

/* The others have settled so much. */
static void others_settled(gr_slot slot) {
  for (uint32_t i = 1; i < 3; i++) {
    struct gr_heartbeat heartbeat = rig_beat_of(&rig);
    heartbeat.chosen = heartbeat.delivered = slot;
    cr_assert_eq(rig_beat(&rig, i, &heartbeat), GR_OK);
  }
  rig_turn(&rig);
}

/* The slot behind which the state that is due stands; 0 if none is due. */
static gr_slot trimmed(void) {
  gr_ticket first;
  gr_slice state;
  gr_slot before = rig_status(&rig).checkpoint;
  if (!gr_paxos_trim(rig.paxos, &first, &state)) {
    cr_assert_eq(rig_status(&rig).checkpoint, before);
    return 0;
  }
  cr_assert_leq(first, rig_status(&rig).synced + 1);
  storage_trim(&storage, first, state);
  return rig_status(&rig).checkpoint;
}

static gr_slot checkpoint(gr_seqno applied) {
  cr_assert_eq(gr_paxos_checkpoint(rig.paxos, applied), GR_OK);
  return trimmed();
}

/* ---- how far ---- */

Test(paxos_checkpoint, storage_forgets_what_the_host_and_all_members_keep) {
  const struct {
    bool settled;
    gr_slot others;
    gr_seqno applied;
    gr_slot reached;
    const char *what;
  } rows[] = {
      {true, 6, 6, 6, "everything"},
      {true, 6, 4, 4, "what the host has applied"},
      {true, 6, 0, 0, "nothing, as the host has"},
      {true, 0, 6, 0, "nothing: the others may still ask for it"},
      {true, 3, 6, 0, "not yet: the rest may soon be reached"},
      {false, 6, 6, 0, "nothing: this member may not know it after losing power"},
  };
  for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
    open_met();
    order_upto(6);
    if (rows[i].settled) settle();
    others_settled(rows[i].others);
    cr_assert_eq(trimmed(), 0, "%s: not asked for", rows[i].what);
    cr_assert_eq(checkpoint(rows[i].applied), rows[i].reached, "%s", rows[i].what);
    cr_assert_eq(trimmed(), 0, "%s: once", rows[i].what);
    close_all();
  }
}

Test(paxos_checkpoint, one_that_waits_is_done_when_it_can_be) {
  open_met();
  order_upto(6);
  others_settled(6);
  cr_assert_eq(checkpoint(6), 0);
  settle();
  rig_turn(&rig);
  cr_assert_eq(trimmed(), 6);
  cr_assert_eq(rig_counters(&rig).checkpoints, 1);
  close_all();
}

/* A host that asks again gets what can be had, or a laggard would hold up all of it. */
Test(paxos_checkpoint, the_next_one_takes_what_can_be_reached) {
  open_met();
  order_upto(6);
  settle();
  others_settled(3);
  cr_assert_eq(checkpoint(5), 0);
  cr_assert_eq(checkpoint(6), 3);
  others_settled(6);
  cr_assert_eq(trimmed(), 6);
  close_all();
}

Test(paxos_checkpoint, what_was_said_before_says_nothing_new) {
  open_met();
  order_upto(6);
  settle();
  others_settled(6);
  cr_assert_eq(checkpoint(4), 4);
  cr_assert_eq(checkpoint(4), 0);
  cr_assert_eq(checkpoint(2), 0);
  cr_assert_eq(checkpoint(5), 5);
  cr_assert_eq(gr_paxos_checkpoint(rig.paxos, 7), GR_ERR_INVALID);
  close_all();
  open_met();
  order_upto(6);
  settle();
  others_settled(3);
  cr_assert_eq(checkpoint(5), 0);
  cr_assert_eq(checkpoint(2), 0, "the one that waits goes on waiting");
  others_settled(6);
  cr_assert_eq(trimmed(), 5);
  close_all();
}

/* Not every slot's position is remembered, but some near to any that is asked for. */
Test(paxos_checkpoint, remembered_positions_thin_out_evenly) {
  const gr_seqno applied[] = {100, 250, 500, 777, 1000};
  open_met();
  order_upto(1000);
  settle();
  others_settled(1000);
  for (size_t i = 0; i < sizeof(applied) / sizeof(applied[0]); i++) {
    gr_slot reached = checkpoint(applied[i]);
    cr_assert_leq(reached, applied[i]);
    cr_assert_gt(reached + 1000 / (GR_BOUNDARIES_MAX / 2) + 1, applied[i], "%zu: %zu", i,
                 (size_t)reached);
  }
  cr_assert_eq(rig_status(&rig).checkpoint, 1000, "the present position is exact");
  cr_assert_lt(storage.count, 10);
  close_all();
}

/* A message whose rest never comes must not hold up all that comes after it. */
Test(paxos_checkpoint, a_message_in_pieces_does_not_keep_what_came_after_it) {
  open_met();
  order_upto(1);
  send_piece(2, true);
  send_piece(3, true);
  accept(2, rig_boot_cut(1, GR_BOOT_FIRST, 3));
  for (gr_slot slot = 3; slot <= 60; slot++) {
    cr_assert_eq(rig_data(&rig, 2, 2, slot - 2, "z"), GR_OK);
    accept(slot, rig_boot_cut(2, GR_BOOT_FIRST, slot - 2));
    rig_sync(&rig);
    if (slot % 10 != 0) continue;
    settle();
    others_settled(slot);
    cr_assert_neq(checkpoint(slot - 1), 0);
    rig_sync(&rig);
  }
  cr_assert_lt(storage.count, 60);
  restart(59);
  send_piece(4, false);
  accept(61, rig_boot_cut(1, GR_BOOT_FIRST, 4));
  rig_sync(&rig);
  cr_assert_str_eq(rig.delivered, "bcd ");
  close_all();
}

/* Positions lie between slots, whatever of one is delivered. */
Test(paxos_checkpoint, a_slot_is_behind_a_state_as_a_whole) {
  open_met();
  order_upto(AFTER_THINNING);
  cr_assert_eq(rig_data(&rig, 1, 1, AFTER_THINNING + 1, "y"), GR_OK);
  cr_assert_eq(rig_data(&rig, 1, 1, AFTER_THINNING + 2, "z"), GR_OK);
  accept(AFTER_THINNING + 1, rig_boot_cut(1, GR_BOOT_FIRST, AFTER_THINNING + 2));
  storage_take(&storage, rig.paxos);
  cr_assert_eq(gr_paxos_stored(rig.paxos, rig_status(&rig).stored), GR_OK);
  gr_delivery delivery;
  gr_seqno half = AFTER_THINNING + 1;
  cr_assert(gr_paxos_delivery(rig.paxos, &delivery));
  cr_assert_eq(gr_paxos_checkpoint(rig.paxos, half), GR_ERR_INVALID, "not delivered yet");
  gr_paxos_delivered(rig.paxos);
  cr_assert_eq(gr_paxos_checkpoint(rig.paxos, half), GR_OK);
  rig_turn(&rig);
  settle();
  others_settled(AFTER_THINNING + 1);
  cr_assert_eq(trimmed(), AFTER_THINNING - 1);
  restart(half);
  cr_assert_str_eq(rig.delivered, "z ");
  close_all();
}

/* A slot has two values in storage, of two ballots. Until the newer one is durable it is
 * the older one that counts, and must stay. */
Test(paxos_checkpoint, what_is_replaced_stays_until_that_is_durable) {
  struct gr_cut cut = rig_boot_cut(1, GR_BOOT_FIRST, AFTER_THINNING + 1);
  for (int given = 0; given < 2; given++) {
    open_met();
    order_upto(AFTER_THINNING);
    settle();
    others_settled(AFTER_THINNING);
    cr_assert_eq(rig_data(&rig, 1, 1, AFTER_THINNING + 1, "z"), GR_OK);
    propose(3, AFTER_THINNING + 1, AFTER_THINNING, cut);
    rig_sync(&rig);
    propose(5, AFTER_THINNING + 1, AFTER_THINNING, cut);
    if (given) rig_turn(&rig);
    gr_slot reached = checkpoint(AFTER_THINNING);
    cr_assert_eq(reached, given ? 0 : AFTER_THINNING - 1, "given %d: %d", given,
                 (int)reached);
    size_t durable = rig_status(&rig).synced - storage_ticket(&storage, 0) + 1;
    if (given) {
      rig_sync(&rig);
      cr_assert_eq(trimmed(), AFTER_THINNING);
    } else { /* the newer one is lost */
      storage_lose(&storage, durable);
    }
    restart(AFTER_THINNING);
    cr_assert_eq(rig_prepare(&rig, rig_ballot(9, 2), AFTER_THINNING + 1), GR_OK);
    rig_sync(&rig);
    struct gr_promise promise;
    struct gr_log_value value;
    struct gr_reader body = rig_body(&rig, 2, GR_FRAME_PROMISE);
    cr_assert(gr_promise_decode(&body, &promise));
    cr_assert_eq(promise.count, 1);
    cr_assert(gr_log_value_decode(&body, &rig.roster, &value));
    cr_assert_eq(value.ballot.round, given ? 5 : 3);
    close_all();
  }
}

/* ---- a start from what is left ---- */

Test(paxos_checkpoint, a_member_comes_back_from_a_state) {
  open_met();
  order_upto(6);
  settle();
  others_settled(6);
  cr_assert_eq(checkpoint(4), 4);
  restart(4);
  cr_assert_str_eq(rig.delivered, "e f ");
  gr_status status = rig_status(&rig);
  cr_assert_eq(status.seqno, 6);
  cr_assert_eq(status.checkpoint, 4);
  cr_assert_eq(status.promised.round, 3);
  cr_assert_eq(status.boot, 2);
  cr_assert_eq(status.role, GR_ROLE_FOLLOWER);
  order_upto(8);
  cr_assert_str_eq(rig.delivered, "e f g h ");
  settle();
  others_settled(8);
  cr_assert_eq(checkpoint(8), 8);
  restart(8);
  cr_assert_str_eq(rig.delivered, "");
  cr_assert_eq(rig_status(&rig).boot, 3);
  order_upto(9);
  cr_assert_str_eq(rig.delivered, "i ");
  close_all();
}

Test(paxos_checkpoint, a_host_that_has_applied_less_than_the_state_is_outdated) {
  open_met();
  order_upto(6);
  settle();
  others_settled(6);
  cr_assert_eq(checkpoint(4), 4);
  for (gr_seqno applied = 0; applied <= 5; applied++) {
    gr_options options = test_options(3, 0);
    options.durable = true;
    options.applied = applied;
    gr_paxos *paxos;
    cr_assert_eq(gr_paxos_new(&paxos, &options, NULL, 1), GR_OK);
    int error = applied < 4 ? GR_ERR_OUTDATED : GR_OK;
    cr_assert_eq(gr_paxos_restore(paxos, 0, storage_state(&storage)), error);
    cr_assert_eq(gr_paxos_halt_reason(paxos, NULL), error);
    gr_paxos_free(paxos);
  }
  close_all();
}

/* Records that the state made needless may still be there, from the first one on. */
Test(paxos_checkpoint, a_state_may_be_newer_than_the_records) {
  gr_ticket first;
  gr_slice state;
  open_met();
  order_upto(6);
  settle();
  others_settled(6);
  cr_assert_eq(gr_paxos_checkpoint(rig.paxos, 4), GR_OK);
  cr_assert(gr_paxos_trim(rig.paxos, &first, &state));
  gr_ticket kept = storage_ticket(&storage, 0);
  storage_trim(&storage, kept, state); /* nothing is gone */
  restart(4);
  cr_assert_str_eq(rig.delivered, "e f ");
  close_all();
}

/* The records that a state still needs must be there. */
Test(paxos_checkpoint, records_that_begin_behind_the_state_are_refused) {
  open_met();
  order_upto(6);
  settle();
  others_settled(6);
  cr_assert_eq(checkpoint(4), 4);
  gr_options options = test_options(3, 0);
  options.durable = true;
  options.applied = 4;
  gr_paxos *paxos;
  cr_assert_eq(gr_paxos_new(&paxos, &options, NULL, 1), GR_OK);
  cr_assert_eq(gr_paxos_restore(paxos, 0, storage_state(&storage)), GR_OK);
  cr_assert_eq(gr_paxos_restore(paxos, storage_ticket(&storage, 1),
                                storage_record(&storage, 1)),
               GR_ERR_MALFORMED);
  gr_paxos_free(paxos);
  close_all();
}

/* Their records are older than the position of the state. */
Test(paxos_checkpoint, slots_that_were_accepted_long_before_stay) {
  const char *const texts[] = {"a", "b", "c", "d", "e"};
  open_met();
  for (uint64_t i = 0; i < 5; i++) {
    cr_assert_eq(rig_data(&rig, 1, 1, i + 1, texts[i]), GR_OK);
    accept(i < 4 ? i + 1 : 6, rig_boot_cut(1, GR_BOOT_FIRST, i + 1));
  }
  accept(5, rig_boot_cut(2, 2, 0)); /* has no batch that would stay */
  rig_turn(&rig);
  cr_assert_str_eq(rig.delivered, "");
  rig_sync(&rig);
  cr_assert_str_eq(rig.delivered, "a b c d e ");
  settle();
  others_settled(4);
  cr_assert_eq(checkpoint(4), 0);
  cr_assert_eq(checkpoint(5), 4);
  restart(4);
  cr_assert_str_eq(rig.delivered, "e ");
  close_all();
}

/* Accepted before the state, chosen behind it. */
Test(paxos_checkpoint, what_is_accepted_and_not_delivered_stays) {
  open_met();
  order_upto(3);
  cr_assert_eq(rig_data(&rig, 1, 1, 5, "z"), GR_OK);
  cr_assert_eq(rig_data(&rig, 1, 1, 4, "y"), GR_OK);
  propose(3, 4, 3, rig_boot_cut(1, GR_BOOT_FIRST, 5));
  settle();
  others_settled(3);
  cr_assert_eq(rig_status(&rig).delivered, 3);
  cr_assert_eq(rig_status(&rig).accepted, 4);
  cr_assert_eq(checkpoint(3), 3);
  restart(3);
  cr_assert_eq(rig_status(&rig).chosen, 3);
  cr_assert_eq(rig_accepted(&rig, 1, rig_ballot(3, 1), 4), GR_OK);
  accept(4, rig_boot_cut(1, GR_BOOT_FIRST, 5));
  rig_turn(&rig);
  cr_assert_str_eq(rig.delivered, "y z ", "from storage: nobody sent it again");
  close_all();
}

/* The pieces of a message may lie on both sides of the state. */
Test(paxos_checkpoint, the_beginning_of_a_message_stays) {
  open_met();
  order_upto(1);
  send_piece(2, true);
  send_piece(3, false);
  accept(2, rig_boot_cut(1, GR_BOOT_FIRST, 2));
  rig_sync(&rig);
  settle();
  others_settled(2);
  cr_assert_eq(rig_status(&rig).delivered, 2);
  cr_assert_eq(checkpoint(1), 2, "the slot has brought no message");
  accept(3, rig_boot_cut(1, GR_BOOT_FIRST, 3));
  rig_sync(&rig);
  cr_assert_str_eq(rig.delivered, "a bc ");
  settle();
  restart(1);
  cr_assert_str_eq(rig.delivered, "bc ");
  close_all();
}

Test(paxos_checkpoint, a_state_remembers_boots_and_numbers) {
  uint64_t number = 0;
  open_met();
  restart(0);
  accept(1, rig_boot_cut(0, 2, 0));
  rig_sync(&rig);
  for (int i = 0; i < 3; i++)
    cr_assert_eq(gr_paxos_broadcast(rig.paxos, &(gr_slice){"x", 1}, 1, 1, &number),
                 GR_OK);
  rig_turn(&rig);
  accept(2, rig_boot_cut(0, 2, 1));
  rig_sync(&rig);
  settle();
  others_settled(2);
  cr_assert_eq(checkpoint(3), 2);
  restart(3);
  cr_assert_eq(rig_status(&rig).boot, 3);
  accept(3, rig_boot_cut(0, 3, 0));
  rig_sync(&rig);
  cr_assert_eq(gr_paxos_broadcast(rig.paxos, NULL, 0, 1, &number), GR_OK);
  cr_assert_eq(number, 4);
  close_all();
}
