/* SPDX-License-Identifier: MIT
 *
 * Coming back from storage: what a member promised, accepted and learned is there again;
 * what does not fit together is refused, never guessed.
 */
#include "storage.h"

#include <criterion/criterion.h>
#include <string.h>

static struct rig rig;
static struct storage storage;

static void restart(gr_seqno applied) {
  rig_close(&rig);
  rig_open_stored(&rig, 5, 0, &storage, applied);
}

static void close_all(void) {
  rig_close(&rig);
  storage_close(&storage);
}

/* Member 1 leads in round 3; its batch with this number is what the slot of the same
 * number orders. */
static void accept(uint64_t number, const char *text, gr_slot chosen) {
  struct gr_cut cut = rig_boot_cut(1, GR_BOOT_FIRST, number);
  cr_assert_eq(rig_data(&rig, 1, 1, number, text), GR_OK);
  cr_assert_eq(rig_accept(&rig, rig_ballot(3, 1), number, 1, chosen, cut), GR_OK);
}

/* Of five members; three messages are delivered, and slot 4 is accepted. */
static void live(void) {
  rig_open_stored(&rig, 5, 0, &storage, 0);
  rig_meet(&rig);
  accept(1, "a", 0);
  accept(2, "b", 1);
  accept(3, "c", 2);
  accept(4, "d", 3);
  rig_sync(&rig);
  rig_pass(&rig, 100 * TEST_MS); /* how much is chosen */
  rig_sync(&rig);
  cr_assert_str_eq(rig.delivered, "a b c ");
}

/* ---- what comes back ---- */

Test(paxos_restore, what_was_promised_accepted_and_chosen_comes_back) {
  live();
  uint64_t incarnation = rig.incarnation;
  restart(0);
  cr_assert_str_eq(rig.delivered, "a b c ");
  gr_status status = rig_status(&rig);
  cr_assert_eq(status.promised.round, 3);
  cr_assert_eq(status.promised.member, test_id(1));
  cr_assert_eq(status.chosen, 3);
  cr_assert_eq(status.delivered, 3);
  cr_assert_eq(status.settled, 3);
  cr_assert_eq(status.boot, 2);
  cr_assert_eq(status.role, GR_ROLE_FOLLOWER, "it had met the others");
  cr_assert_eq(rig.incarnation, incarnation);
  cr_assert_eq(rig_counters(&rig).records_restored, storage.count - 1, "not the BOOT");
  rig.boots[0] = 2;
  cr_assert_eq(rig_prepare(&rig, rig_ballot(2, 2), 4), GR_OK);
  cr_assert_eq(rig_prepare(&rig, rig_ballot(9, 3), 4), GR_OK);
  rig_sync(&rig);
  cr_assert_null(rig_heard(&rig, 2, GR_FRAME_PROMISE), "below what it has promised");
  struct gr_promise promise;
  struct gr_log_value value;
  struct gr_reader body = rig_body(&rig, 3, GR_FRAME_PROMISE);
  cr_assert(gr_promise_decode(&body, &promise));
  cr_assert_eq(promise.count, 1);
  cr_assert_eq(promise.chosen, 3);
  cr_assert(gr_log_value_decode(&body, &rig.roster, &value));
  cr_assert_eq(value.ballot.round, 3);
  cr_assert_eq(value.cut.marks[1].upto, 4);
  close_all();
}

/* Proposed again by the same leader, the value needs no second record. */
Test(paxos_restore, what_was_accepted_in_the_same_ballot_still_is) {
  live();
  restart(0);
  struct gr_cut cut = rig_boot_cut(1, GR_BOOT_FIRST, 4);
  cr_assert_eq(rig_accept(&rig, rig_ballot(3, 1), 4, 1, 3, cut), GR_OK);
  rig_turn(&rig);
  struct gr_accepted accepted;
  struct gr_reader body = rig_body(&rig, 1, GR_FRAME_ACCEPTED);
  cr_assert(gr_accepted_decode(&body, &accepted));
  cr_assert_eq(accepted.accepted, 4);
  close_all();
}

/* Storage that was read may be lost yet: until the new boot is durable, nothing of it
 * counts. */
Test(paxos_restore, what_came_back_counts_when_the_boot_is_durable) {
  live();
  rig_close(&rig);
  rig_open_unsynced(&rig, 5, 0, &storage, 0);
  struct gr_cut cut = rig_boot_cut(1, GR_BOOT_FIRST, 4);
  cr_assert_eq(rig_beat_all(&rig), GR_OK);
  cr_assert_eq(rig_accept(&rig, rig_ballot(3, 1), 4, 1, 3, cut), GR_OK);
  cr_assert_eq(rig_accepted(&rig, 2, rig_ballot(3, 1), 4), GR_OK);
  rig_turn(&rig);
  cr_assert_eq(rig.heard_count, 0);
  cr_assert_eq(rig_status(&rig).chosen, 3, "two of five");
  rig_sync(&rig);
  cr_assert_eq(rig_status(&rig).chosen, 4);
  close_all();
}

Test(paxos_restore, a_leader_that_comes_back_leads_in_a_higher_ballot) {
  rig_open_stored(&rig, 5, 0, &storage, 0);
  rig_meet(&rig);
  gr_ballot before = rig_lead(&rig);
  restart(0);
  cr_assert_eq(rig_status(&rig).role, GR_ROLE_FOLLOWER);
  cr_assert_eq(rig_beat_all(&rig), GR_OK);
  gr_ballot after = rig_lead(&rig);
  cr_assert_gt(after.round, before.round);
  close_all();
}

Test(paxos_restore, only_what_the_host_lacks_is_delivered_again) {
  const struct {
    gr_seqno applied;
    const char *delivered;
  } rows[] = {{0, "a b c "}, {1, "b c "}, {2, "c "}, {3, ""}, {4, ""}};
  live();
  for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
    restart(rows[i].applied);
    cr_assert_str_eq(rig.delivered, rows[i].delivered, "applied %zu", i);
    cr_assert_eq(rig_status(&rig).seqno, 3);
  }
  /* The host may know more than its storage: the fourth message is not delivered. */
  accept(5, "e", 5);
  rig_turn(&rig);
  cr_assert_str_eq(rig.delivered, "e ");
  cr_assert_eq(rig_status(&rig).seqno, 5);
  close_all();
}

/* A crash may take any number of the newest records. */
Test(paxos_restore, every_beginning_of_a_log_makes_a_member) {
  live();
  rig_close(&rig);
  for (size_t count = storage.count; count > 0; count--) {
    storage_lose(&storage, count);
    rig_open_stored(&rig, 5, 0, &storage, 0);
    cr_assert_gt(storage.count, count, "it is a member, and says so");
    rig_close(&rig);
  }
  storage_close(&storage);
}

Test(paxos_restore, tickets_go_on) {
  live();
  gr_ticket last = rig_status(&rig).stored;
  restart(0);
  cr_assert_eq(rig_status(&rig).stored, last + 1);
  cr_assert_eq(storage_ticket(&storage, storage.count - 1), last + 1);
  cr_assert_eq(storage.records[storage.count - 1].type, GR_RECORD_BOOT);
  close_all();
}

/* ---- what is refused ---- */

static gr_options options_of(void) {
  gr_options options = test_options(5, 0);
  options.durable = true;
  return options;
}

static void take_deliveries(void *context) {
  gr_delivery delivery;
  while (gr_paxos_delivery(context, &delivery)) gr_paxos_delivered(context);
}

/* Another engine is given what is stored, and resumes; the first error. */
static int come_back(const gr_options *options) {
  gr_paxos *paxos;
  cr_assert_eq(gr_paxos_new(&paxos, options, NULL, TEST_MS), GR_OK);
  int error = storage_give_back(&storage, paxos, take_deliveries, paxos);
  if (error == GR_OK) error = gr_paxos_resume(paxos, TEST_MS);
  if (error != GR_OK) {
    cr_assert_eq(gr_paxos_halt_reason(paxos, NULL), error);
    cr_assert_eq(gr_paxos_resume(paxos, TEST_MS), GR_ERR_HALTED);
    cr_assert_eq(gr_paxos_restore(paxos, 1, (gr_slice){"x", 1}), GR_ERR_HALTED);
  }
  gr_paxos_free(paxos);
  return error;
}

Test(paxos_restore, a_damaged_record_is_refused) {
  live();
  gr_options options = options_of();
  cr_assert_eq(come_back(&options), GR_OK);
  for (size_t i = 0; i < storage.count; i++) {
    struct stored *stored = &storage.records[i];
    for (size_t at = 0; at < stored->size; at++) {
      stored->bytes[at] ^= 0xff;
      int error = come_back(&options);
      bool head = at < GR_RECORD_HEADER_BYTES;
      cr_assert(error == GR_ERR_CORRUPT || (stored->type == GR_RECORD_BATCH && !head &&
                                            error == GR_ERR_MALFORMED),
                "record %zu at %zu: %s", i, at, gr_error_name(error));
      stored->bytes[at] ^= 0xff;
    }
    size_t size = stored->size;
    for (stored->size = 0; stored->size < size; stored->size++)
      cr_assert_neq(come_back(&options), GR_OK, "record %zu, %zu", i, stored->size);
  }
  close_all();
}

Test(paxos_restore, records_of_others_are_refused) {
  live();
  const gr_member_id others[] = {10, 20, 30, 40, 60};
  gr_options rows[] = {options_of(), options_of(), options_of(), options_of()};
  rows[0].group_id.bytes[15] = 1;
  rows[1].self = 20;
  rows[2].message_bytes_max /= 2;
  rows[3].founders = others;
  for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
    cr_assert_eq(come_back(&rows[i]), GR_ERR_FOREIGN, "row %zu", i);
  close_all();
}

/* Records are given back by ascending tickets, each once, from the first one on. */
Test(paxos_restore, records_in_another_order_are_refused) {
  live();
  gr_slice view = storage_record(&storage, 0);
  gr_slice boot = storage_record(&storage, 1);
  const struct {
    gr_ticket tickets[2];
    gr_slice second;
  } rows[] = {{{1, 3}, boot}, {{1, 1}, view}, {{2, 3}, boot},
              {{0, 1}, view}, {{1, 0}, boot}, {{1, UINT64_MAX}, boot}};
  gr_options options = options_of();
  for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
    gr_paxos *paxos;
    cr_assert_eq(gr_paxos_new(&paxos, &options, NULL, TEST_MS), GR_OK);
    int error = gr_paxos_restore(paxos, rows[i].tickets[0], view);
    cr_assert_eq(error == GR_OK, rows[i].tickets[0] == 1, "row %zu", i);
    if (error == GR_OK)
      error = gr_paxos_restore(paxos, rows[i].tickets[1], rows[i].second);
    cr_assert_eq(error, GR_ERR_MALFORMED, "row %zu", i);
    gr_paxos_free(paxos);
  }
  close_all();
}

/* The beginning of a message, which a state says is still needed, is not there. */
Test(paxos_restore, a_lost_piece_is_missed) {
  rig_open_stored(&rig, 5, 0, &storage, 0);
  for (int lost = 0; lost < 2; lost++) {
    struct gr_state_record state = {.first = storage_ticket(&storage, storage.count),
                                    .boot = 1,
                                    .promised = rig_ballot(3, 1)};
    gr_storage_view(rig.paxos, 1, &state.view);
    for (uint32_t i = 0; i < 5; i++)
      state.lanes[i] = (struct gr_lane_state){GR_BOOT_FIRST, (uint64_t)lost, 1, 0};
    uint8_t bytes[512];
    struct gr_writer writer = gr_writer_of(bytes, sizeof(bytes));
    gr_record_begin(&writer, GR_RECORD_STATE);
    gr_state_record_encode(&writer, rig.paxos->group, &state);
    gr_record_end(&writer);
    storage_trim(&storage, state.first, (gr_slice){writer.data, writer.used});
    gr_options options = options_of();
    cr_assert_eq(come_back(&options), lost ? GR_ERR_MALFORMED : GR_OK);
  }
  close_all();
}

/* ---- records that are well-formed and do not fit together ---- */

static uint8_t crafted[TEST_BATCH_MAX + 64];

static struct gr_writer begin(enum gr_record_type type) {
  struct gr_writer writer = gr_writer_of(crafted, sizeof(crafted));
  gr_record_begin(&writer, type);
  return writer;
}

static void append(struct gr_writer *writer) {
  gr_slice record = {writer->data, writer->used};
  cr_assert(!writer->bad);
  storage_append(&storage, storage_ticket(&storage, storage.count), &record, 1);
}

static void put_promise(uint64_t round) {
  struct gr_writer writer = begin(GR_RECORD_PROMISE);
  gr_promise_record_encode(&writer, rig_ballot(round, 1));
  gr_record_end(&writer);
  append(&writer);
}

static void put_accept(gr_slot slot, uint64_t round) {
  struct gr_accept_record record = {slot, rig_ballot(round, 1),
                                    rig_boot_cut(1, GR_BOOT_FIRST, slot)};
  struct gr_writer writer = begin(GR_RECORD_ACCEPT);
  gr_accept_record_encode(&writer, &rig.roster, &record);
  gr_record_end(&writer);
  append(&writer);
}

static void put_marks(gr_slot chosen) {
  struct gr_writer writer = begin(GR_RECORD_MARKS);
  gr_marks_record_encode(&writer, &(struct gr_marks_record){.chosen = chosen});
  gr_record_end(&writer);
  append(&writer);
}

static void put_batch(uint64_t boot, uint64_t seq, uint32_t bytes) {
  struct gr_roster sealer = rig.roster;
  uint32_t size = GR_BATCH_HEADER_BYTES + GR_ENTRY_HEADER_BYTES + bytes;
  sealer.boot = boot;
  struct gr_writer writer = begin(GR_RECORD_BATCH);
  gr_record_end(&writer);
  uint8_t *batch = gr_write_room(&writer, size);
  cr_assert_not_null(batch);
  memset(batch, 'x', size);
  gr_store_u32(batch + GR_BATCH_HEADER_BYTES, bytes);
  gr_batch_seal(&sealer, batch, size, 1, seq, 1);
  append(&writer);
}

static void put_hole(void) {
  put_accept(2, 3);
}
static void put_hole_chosen(void) {
  put_accept(2, 3);
  put_marks(2);
}
static void put_chosen_beyond(void) {
  put_accept(1, 3);
  put_marks(2);
}
static void put_above_the_promise(void) {
  put_accept(1, 4);
}
static void put_later_boot(void) {
  put_batch(2, 1, 1);
}
static void put_far_slot(void) {
  put_accept(5000, 3);
}
static void put_many_batches(void) {
  for (uint64_t seq = 1; seq <= 5000; seq++) put_batch(1, seq, 900);
}
static void put_boot_closed_later(void) {
  struct gr_accept_record record = {1, rig_ballot(3, 1), rig_boot_cut(0, 2, 0)};
  struct gr_writer writer = begin(GR_RECORD_ACCEPT);
  gr_accept_record_encode(&writer, &rig.roster, &record);
  gr_record_end(&writer);
  append(&writer);
  put_marks(1);
}
static void put_nothing(void) {
}

Test(paxos_restore, records_that_do_not_fit_together_are_refused) {
  const struct {
    void (*put)(void);
    int error;
    const char *what;
  } rows[] = {
      {put_nothing, GR_OK, "nothing more"},
      {put_hole, GR_ERR_MALFORMED, "a slot is missing"},
      {put_hole_chosen, GR_ERR_MALFORMED, "a slot is missing, and chosen"},
      {put_chosen_beyond, GR_ERR_MALFORMED, "chosen, and not there"},
      {put_above_the_promise, GR_ERR_MALFORMED, "accepted without a promise"},
      {put_later_boot, GR_ERR_MALFORMED, "a boot that has not begun"},
      {put_boot_closed_later, GR_ERR_MALFORMED, "an own boot that was never begun"},
      {put_far_slot, GR_ERR_NO_MEMORY, "more slots than there is room for"},
      {put_many_batches, GR_ERR_NO_MEMORY, "more batches than there is room for"},
  };
  rig_open_stored(&rig, 5, 0, &storage, 0);
  gr_options options = options_of();
  size_t whole = storage.count;
  for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
    put_promise(3);
    rows[i].put();
    cr_assert_eq(come_back(&options), rows[i].error, "%s", rows[i].what);
    storage_lose(&storage, whole);
  }
  close_all();
}
