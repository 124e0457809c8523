/* SPDX-License-Identifier: MIT
 *
 * The rules of a change of the view, frame by frame: nothing stands behind it, the next
 * view begins with a phase 1 of its own, and what is said in one view counts in no other.
 */
#include "storage.h"

#include <criterion/criterion.h>
#include <string.h>

static struct rig rig;
static struct storage storage;

static void open_met(uint32_t members) {
  rig_open(&rig, members, 0);
  rig_meet(&rig);
}

static struct gr_cut removal_of(uint32_t member) {
  return (struct gr_cut){
      .config = {.kind = GR_CHANGE_REMOVE, .member = test_id(member), .reason = 4}};
}

static gr_ballot ballot_of_view(uint64_t view, uint64_t round, uint32_t owner) {
  return (gr_ballot){view, round, test_id(owner)};
}

/* Delivers all; the number of the view that is told, or 0. */
static uint64_t deliver(void) {
  gr_delivery delivery;
  gr_change change;
  uint64_t told = 0;
  for (int i = 0; i < 3; i++) {
    while (gr_paxos_delivery(rig.paxos, &delivery)) gr_paxos_delivered(rig.paxos);
    if (gr_paxos_view_entered(rig.paxos, &change)) told = rig_status(&rig).view;
  }
  return told;
}

/* Slots 1 to 3 are accepted in a ballot of member 1, and chosen by nobody. */
static gr_ballot accept_three(void) {
  gr_ballot ballot = rig_ballot(3, 1);
  for (uint64_t seq = 1; seq <= 3; seq++) {
    cr_assert_eq(rig_data(&rig, 1, 1, seq, "x"), GR_OK);
    cr_assert_eq(rig_accept(&rig, ballot, seq, 1, 0, rig_cut(1, seq)), GR_OK);
  }
  cr_assert_eq(rig_status(&rig).accepted, 3);
  return ballot;
}

static struct gr_promise promise_to(uint32_t member) {
  struct gr_promise promise;
  struct gr_reader body = rig_body(&rig, member, GR_FRAME_PROMISE);
  cr_assert(gr_promise_decode(&body, &promise));
  return promise;
}

/* ---- R3: nothing stands behind a change ---- */

Test(paxos_view_rules, what_was_accepted_behind_a_change_is_void) {
  open_met(5);
  accept_three();
  gr_ballot higher = rig_ballot(4, 2);
  cr_assert_eq(rig_accept(&rig, higher, 1, 1, 0, removal_of(4)), GR_OK);
  cr_assert_eq(rig_status(&rig).accepted, 1);
  cr_assert_eq(rig_prepare(&rig, rig_ballot(5, 3), 1), GR_OK);
  rig_turn(&rig);
  struct gr_promise promise = promise_to(3);
  cr_assert_eq(promise.count, 1, "the change, and nothing behind it");
  cr_assert_eq(promise.end, 2);
  rig_close(&rig);
}

Test(paxos_view_rules, nothing_is_accepted_behind_a_change) {
  open_met(5);
  gr_ballot ballot = rig_ballot(3, 1);
  cr_assert_eq(rig_data(&rig, 1, 1, 1, "x"), GR_OK);
  cr_assert_eq(rig_accept(&rig, ballot, 2, 1, 0, rig_cut(1, 1)), GR_OK);
  cr_assert_eq(rig_accept(&rig, ballot, 1, 1, 0, removal_of(4)), GR_OK);
  cr_assert_eq(rig_status(&rig).accepted, 1);
  rig_close(&rig);
}

/* A cut that takes the change's place, before it is chosen, lets the log go on. */
Test(paxos_view_rules, a_change_that_was_not_chosen_can_be_replaced) {
  open_met(5);
  cr_assert_eq(rig_data(&rig, 1, 1, 1, "x"), GR_OK);
  cr_assert_eq(rig_accept(&rig, rig_ballot(3, 2), 1, 1, 0, removal_of(4)), GR_OK);
  gr_ballot higher = rig_ballot(4, 1);
  cr_assert_eq(rig_accept(&rig, higher, 1, 1, 0, rig_cut(1, 1)), GR_OK);
  cr_assert_eq(rig_accept(&rig, higher, 2, 1, 1, rig_cut(1, 1)), GR_OK);
  cr_assert_eq(rig_status(&rig).accepted, 2);
  cr_assert_eq(rig_status(&rig).chosen, 1);
  cr_assert_eq(deliver(), 0);
  cr_assert_eq(rig_status(&rig).view, 1);
  rig_close(&rig);
}

/* A candidate proposes a reported change again, and nothing that was reported behind. */
Test(paxos_view_rules, a_new_leader_ends_with_the_change) {
  open_met(3);
  cr_assert_eq(rig_prepare(&rig, rig_ballot(9, 2), 1), GR_OK);
  cr_assert_eq(rig_data(&rig, 1, 1, 1, "x"), GR_OK);
  while (rig_status(&rig).role == GR_ROLE_FOLLOWER) rig_pass(&rig, 10 * TEST_MS);
  struct gr_reader body = rig_body(&rig, 1, GR_FRAME_PREVOTE);
  struct gr_prevote prevote;
  cr_assert(gr_prevote_decode(&body, &prevote));
  cr_assert_eq(rig_grant(&rig, 1, &prevote), GR_OK);
  struct gr_promise promise = {.ballot = rig_status(&rig).promised,
                               .log_first = 1,
                               .from = 1,
                               .end = 3,
                               .count = 2};
  const struct gr_log_value values[] = {{rig_ballot(5, 2), removal_of(2)},
                                        {rig_ballot(4, 1), rig_cut(1, 1)}};
  cr_assert_eq(rig_promise(&rig, 1, &promise, values), GR_OK);
  cr_assert_eq(rig_status(&rig).role, GR_ROLE_LEADER);
  cr_assert_eq(rig_status(&rig).accepted, 1);
  const gr_slice message = {"m", 1};
  cr_assert_eq(gr_paxos_broadcast(rig.paxos, &message, 1, rig.now, NULL), GR_OK);
  rig_turn(&rig);
  cr_assert_eq(rig_status(&rig).accepted, 1, "nothing new behind it either");
  cr_assert_eq(rig_accepted(&rig, 1, promise.ballot, 1), GR_OK);
  cr_assert_eq(deliver(), 2);
  cr_assert_eq(rig_status(&rig).role, GR_ROLE_CANDIDATE, "phase 1 of the next view");
  rig_close(&rig);
}

/* ---- R10: a view is entered when all before it is delivered ---- */

Test(paxos_view_rules, a_view_is_entered_behind_all_that_is_before_it) {
  open_met(5);
  gr_ballot ballot = rig_ballot(3, 1);
  const struct gr_log_value values[] = {{ballot, rig_cut(2, 1)}, {ballot, removal_of(4)}};
  cr_assert_eq(rig_log(&rig, 1, 1, 2, values, 2), GR_OK);
  cr_assert_eq(rig_status(&rig).chosen, 2);
  cr_assert_eq(deliver(), 0, "a batch of slot 1 is missing");
  cr_assert_eq(rig_status(&rig).view, 1);
  const struct gr_log_value next = {ballot_of_view(2, 1, 1), rig_cut(1, 1)};
  rig.roster.view = 2;
  cr_assert_eq(rig_log(&rig, 1, 3, 3, &next, 1), GR_ERR_STALE);
  cr_assert_eq(rig_status(&rig).chosen, 2, "what is chosen in the next view waits");
  cr_assert_eq(rig_data(&rig, 2, 2, 1, "it comes"), GR_OK);
  cr_assert_eq(deliver(), 2);
  cr_assert_eq(rig_status(&rig).delivered, 2);
  cr_assert_eq(rig_log(&rig, 1, 3, 3, &next, 1), GR_OK);
  cr_assert_eq(rig_status(&rig).chosen, 3);
  rig_close(&rig);
}

/* Before the host has heard of the view it gets no message of it. */
Test(paxos_view_rules, the_host_hears_of_a_view_before_its_messages) {
  open_met(5);
  const struct gr_log_value change = {rig_ballot(3, 1), removal_of(4)};
  const struct gr_log_value cut = {ballot_of_view(2, 1, 1), rig_cut(1, 1)};
  const struct gr_log_value again = {ballot_of_view(2, 1, 1), removal_of(3)};
  gr_delivery delivery;
  gr_change told;
  cr_assert_eq(rig_data(&rig, 1, 1, 1, "x"), GR_OK);
  cr_assert_eq(rig_log(&rig, 1, 1, 1, &change, 1), GR_OK);
  cr_assert(!gr_paxos_view_entered(rig.paxos, &told));
  cr_assert(!gr_paxos_delivery(rig.paxos, &delivery));
  rig.roster.view = 2;
  cr_assert_eq(rig_log(&rig, 1, 2, 2, &cut, 1), GR_OK);
  cr_assert_eq(rig_log(&rig, 1, 3, 3, &again, 1), GR_OK);
  cr_assert(gr_paxos_view_entered(rig.paxos, &told));
  cr_assert_eq(told.kind, GR_CHANGE_REMOVE);
  cr_assert_eq(told.member, 50);
  cr_assert_eq(told.reason, 4);
  cr_assert(!gr_paxos_view_entered(rig.paxos, &told), "once");
  cr_assert(gr_paxos_delivery(rig.paxos, &delivery));
  gr_paxos_delivered(rig.paxos);
  cr_assert(!gr_paxos_delivery(rig.paxos, &delivery));
  cr_assert_eq(rig_status(&rig).view, 3);
  cr_assert(!gr_paxos_view_entered(NULL, &told));
  cr_assert(!gr_paxos_view_entered(rig.paxos, NULL));
  cr_assert(gr_paxos_view_entered(rig.paxos, &told));
  rig_close(&rig);
}

/* ---- ballots of one view ---- */

static const struct gr_log_value change_in_3 = {
    {1, 3, 20}, {.config = {.kind = GR_CHANGE_REMOVE, .member = 50, .reason = 4}}};

static void enter_second_view(void) {
  cr_assert_eq(rig_log(&rig, 1, 1, 1, &change_in_3, 1), GR_OK);
  cr_assert_eq(deliver(), 2);
}

static int say(uint32_t from, enum gr_frame_type type, uint64_t view, gr_ballot ballot) {
  rig.roster.view = view;
  struct gr_accept accept = {.ballot = ballot, .slot = 2, .start = 2, .chosen = 1};
  struct gr_accepted accepted = {.promised = ballot, .accepted = 2, .chosen = 1};
  struct gr_prevote prevote = {.ballot = ballot, .asking = 1};
  struct gr_prevote_answer answer = {.ballot = ballot, .asking = 1, .promised = ballot};
  struct gr_prepare prepare = {ballot, 2, {.view = view}};
  struct gr_promise promise = {
      .ballot = ballot, .chosen = 1, .log_first = 1, .from = 2, .end = 2};
  accept.cut = rig_cut(1, 1);
  struct gr_writer writer = rig_begin(&rig, from, type);
  switch ((int)type) {
  case GR_FRAME_ACCEPT:
    gr_accept_encode(&writer, &rig.roster, &accept);
    break;
  case GR_FRAME_ACCEPTED:
    gr_accepted_encode(&writer, &accepted);
    break;
  case GR_FRAME_PREVOTE:
    gr_prevote_encode(&writer, &prevote);
    break;
  case GR_FRAME_PREVOTE_ANSWER:
    gr_prevote_answer_encode(&writer, &answer);
    break;
  case GR_FRAME_PREPARE:
    gr_prepare_encode(&writer, &prepare);
    break;
  case GR_FRAME_PROMISE:
    gr_promise_encode(&writer, &promise);
    break;
  default:
    gr_transfer_encode(&writer, ballot);
    break;
  }
  return rig_end(&rig, from, &writer);
}

static const enum gr_frame_type of_one_view[] = {
    GR_FRAME_ACCEPT,  GR_FRAME_ACCEPTED, GR_FRAME_PREVOTE, GR_FRAME_PREVOTE_ANSWER,
    GR_FRAME_PREPARE, GR_FRAME_PROMISE,  GR_FRAME_TRANSFER};
#define OF_ONE_VIEW (sizeof(of_one_view) / sizeof(of_one_view[0]))

Test(paxos_view_rules, what_is_said_in_another_view_is_stale) {
  open_met(5);
  enter_second_view();
  gr_status before = rig_status(&rig);
  for (size_t i = 0; i < OF_ONE_VIEW; i++) {
    for (uint64_t view = 1; view <= 4; view++) {
      if (view == 2 || (view == 3 && of_one_view[i] == GR_FRAME_PREPARE)) continue;
      cr_assert_eq(say(1, of_one_view[i], view, ballot_of_view(view, 9, 1)), GR_ERR_STALE,
                   "type %d of view %u", (int)of_one_view[i], (unsigned)view);
    }
  }
  gr_status after = rig_status(&rig);
  cr_assert_eq(gr_ballot_compare(after.promised, before.promised), 0);
  cr_assert_eq(after.promised.view, 2);
  cr_assert_eq(after.promised.round, 0, "nothing is promised there yet");
  rig_close(&rig);
}

/* A ballot of another view than that of its frame is no ballot. */
Test(paxos_view_rules, a_frame_and_its_ballot_are_of_one_view) {
  open_met(5);
  enter_second_view();
  for (size_t i = 0; i < OF_ONE_VIEW; i++) {
    bool answers = of_one_view[i] == GR_FRAME_PREVOTE_ANSWER ||
                   of_one_view[i] == GR_FRAME_PROMISE; /* echo what was asked */
    for (uint64_t view = 1; view <= 3; view += 2)
      cr_assert_eq(say(1, of_one_view[i], 2, ballot_of_view(view, 9, 1)),
                   answers ? GR_OK : GR_ERR_MALFORMED, "type %d", (int)of_one_view[i]);
  }
  cr_assert_eq(rig_status(&rig).promised.round, 0);
  rig_close(&rig);
}

Test(paxos_view_rules, who_was_removed_has_no_say) {
  open_met(5);
  enter_second_view();
  for (size_t i = 0; i < OF_ONE_VIEW; i++)
    cr_assert_eq(say(4, of_one_view[i], 2, ballot_of_view(2, 9, 4)), GR_ERR_STALE,
                 "type %d", (int)of_one_view[i]);
  cr_assert_eq(rig_status(&rig).promised.round, 0);
  /* It may still ask for what it lacks: how else would it learn of its end. */
  struct gr_writer writer = rig_begin(&rig, 4, GR_FRAME_FETCH_LOG);
  gr_fetch_log_encode(&writer, 1);
  cr_assert_eq(rig_end(&rig, 4, &writer), GR_OK);
  rig_turn(&rig);
  cr_assert_not_null(rig_heard(&rig, 4, GR_FRAME_LOG));
  rig_close(&rig);
}

/* ---- a PREPARE of the next view ---- */

static int prepare_early(uint32_t from, gr_ballot ballot, gr_ballot ended) {
  struct gr_prepare prepare = {ballot, 2, ended};
  rig.roster.view = 2;
  struct gr_writer writer = rig_begin(&rig, from, GR_FRAME_PREPARE);
  gr_prepare_encode(&writer, &prepare);
  int error = rig_end(&rig, from, &writer);
  rig.roster.view = 1;
  return error;
}

/* Its sender led in the ballot that we follow, so we learn from it that the change is
 * chosen, and answer. */
Test(paxos_view_rules, an_early_prepare_tells_that_the_change_is_chosen) {
  open_met(5);
  gr_ballot ballot = rig_ballot(3, 1);
  gr_ballot next = ballot_of_view(2, 4, 1);
  cr_assert_eq(rig_accept(&rig, ballot, 1, 1, 0, removal_of(4)), GR_OK);
  cr_assert_eq(rig_status(&rig).chosen, 0);
  cr_assert_eq(prepare_early(1, next, ballot), GR_OK);
  cr_assert_eq(rig_status(&rig).chosen, 1);
  cr_assert_eq(deliver(), 2);
  cr_assert_eq(gr_ballot_compare(rig_status(&rig).promised, next), 0);
  rig_turn(&rig);
  struct gr_promise promise = promise_to(1);
  cr_assert_eq(gr_ballot_compare(promise.ballot, next), 0);
  cr_assert_eq(promise.chosen, 1);
  cr_assert_eq(promise.end, 2);
  cr_assert_eq(rig_status(&rig).leader, 0, "asking is not leading");
  rig_close(&rig);
}

/* What was accepted in another ballot than the one in which the change was chosen, or is
 * another's, may be something else. */
Test(paxos_view_rules, an_early_prepare_proves_nothing_of_other_ballots) {
  const struct {
    uint32_t from;
    gr_ballot ended;
    int error;
  } rows[] = {{1, {1, 2, 20}, GR_OK},
              {1, {1, 4, 20}, GR_OK},
              {1, {2, 3, 20}, GR_OK},
              {1, {1, 0, 0}, GR_OK},
              {2, {1, 3, 20}, GR_ERR_MALFORMED},
              {1, {1, 3, 30}, GR_ERR_MALFORMED}};
  for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
    open_met(5);
    cr_assert_eq(rig_accept(&rig, rig_ballot(3, 1), 1, 1, 0, removal_of(4)), GR_OK);
    cr_assert_eq(prepare_early(rows[i].from, ballot_of_view(2, 4, rows[i].from),
                               rows[i].ended),
                 rows[i].error, "row %zu", i);
    cr_assert_eq(rig_status(&rig).chosen, 0, "row %zu", i);
    cr_assert_eq(rig_status(&rig).promised.view, 1);
    rig_close(&rig);
  }
}

/* It is answered when the view is entered, whoever told of that. */
Test(paxos_view_rules, an_early_prepare_is_answered_in_its_view) {
  open_met(5);
  gr_ballot next = ballot_of_view(2, 4, 2);
  cr_assert_eq(prepare_early(2, next, (gr_ballot){.view = 1}), GR_OK);
  cr_assert_eq(prepare_early(3, ballot_of_view(2, 2, 3), (gr_ballot){.view = 1}), GR_OK);
  rig_turn(&rig);
  cr_assert_null(rig_heard(&rig, 2, GR_FRAME_PROMISE));
  enter_second_view();
  cr_assert_eq(gr_ballot_compare(rig_status(&rig).promised, next), 0, "the higher one");
  rig_turn(&rig);
  cr_assert_eq(gr_ballot_compare(promise_to(2).ballot, next), 0);
  cr_assert_null(rig_heard(&rig, 3, GR_FRAME_PROMISE));
  rig_close(&rig);
}

/* From a candidate that the change removed nothing is promised. */
Test(paxos_view_rules, an_early_prepare_of_who_is_removed_is_stale) {
  open_met(5);
  cr_assert_eq(prepare_early(4, ballot_of_view(2, 4, 4), (gr_ballot){.view = 1}), GR_OK);
  enter_second_view();
  rig_turn(&rig);
  cr_assert_null(rig_heard(&rig, 4, GR_FRAME_PROMISE));
  cr_assert_eq(rig_status(&rig).promised.round, 0, "nor does it raise the promise");
  rig_close(&rig);
}

/* ---- durable mode ---- */

/* A promise of the next view stands behind all that ends the one before. */
Test(paxos_view_rules, r10_what_ends_a_view_is_stored_before_a_promise_of_the_next) {
  rig_open_stored(&rig, 5, 0, &storage, 0);
  rig_meet(&rig);
  struct gr_log_value change = change_in_3;
  cr_assert_eq(rig_log(&rig, 1, 1, 1, &change, 1), GR_OK);
  cr_assert_eq(deliver(), 0, "storage has yet to be given what ends the view");
  storage_take(&storage, rig.paxos);
  cr_assert_eq(deliver(), 2);
  rig.roster.view = 2;
  struct gr_prepare prepare = {ballot_of_view(2, 4, 1), 2, {.view = 1}};
  struct gr_writer writer = rig_begin(&rig, 1, GR_FRAME_PREPARE);
  gr_prepare_encode(&writer, &prepare);
  cr_assert_eq(rig_end(&rig, 1, &writer), GR_OK);
  rig_turn(&rig);
  cr_assert_null(rig_heard(&rig, 1, GR_FRAME_PROMISE), "not durable yet");
  size_t promise = storage.count, marks = storage.count, accept = storage.count;
  for (size_t i = 0; i < storage.count; i++) {
    struct gr_reader body = storage_body(&storage.records[i]);
    gr_ballot promised;
    if (storage.records[i].type == GR_RECORD_PROMISE &&
        gr_promise_record_decode(&body, &promised) == GR_OK && promised.view == 2)
      promise = i;
    if (storage.records[i].type == GR_RECORD_MARKS) marks = i;
    if (storage.records[i].type == GR_RECORD_ACCEPT) accept = i;
  }
  cr_assert_lt(promise, storage.count);
  cr_assert_lt(accept, marks);
  cr_assert_lt(marks, promise);
  rig_sync(&rig);
  cr_assert_not_null(rig_heard(&rig, 1, GR_FRAME_PROMISE));
  rig_close(&rig);
  storage_close(&storage);
}

/* ---- notes ---- */

Test(paxos_view_rules, heartbeats_carry_a_note) {
  open_met(3);
  gr_slice note;
  gr_time came;
  uint8_t large[GR_NOTE_BYTES_MAX + 1] = {0};
  cr_assert_eq(gr_paxos_note(NULL, (gr_slice){NULL, 0}), GR_ERR_INVALID);
  cr_assert_eq(gr_paxos_note(rig.paxos, (gr_slice){large, sizeof(large)}),
               GR_ERR_INVALID);
  cr_assert_eq(gr_paxos_note(rig.paxos, (gr_slice){NULL, 1}), GR_ERR_INVALID);
  cr_assert_eq(gr_paxos_note(rig.paxos, (gr_slice){"of mine", 7}), GR_OK);
  rig_pass(&rig, 200 * TEST_MS);
  struct gr_reader body = rig_body(&rig, 1, GR_FRAME_HEARTBEAT);
  struct gr_heartbeat heartbeat;
  cr_assert(gr_heartbeat_decode(&body, &rig.roster, &heartbeat));
  cr_assert(!heartbeat.founding);
  cr_assert_eq(heartbeat.note.size, 7);
  cr_assert_arr_eq(heartbeat.note.data, "of mine", 7);
  heartbeat = rig_beat_of(&rig);
  heartbeat.note = (gr_slice){"of another", 10};
  cr_assert_eq(rig_beat(&rig, 2, &heartbeat), GR_OK);
  cr_assert(gr_paxos_note_of(rig.paxos, 30, &note, &came));
  cr_assert_eq(note.size, 10);
  cr_assert_arr_eq(note.data, "of another", 10);
  cr_assert_eq(came, rig.now);
  cr_assert(!gr_paxos_note_of(rig.paxos, 10, &note, &came), "its own");
  cr_assert(!gr_paxos_note_of(rig.paxos, 40, &note, &came));
  cr_assert(!gr_paxos_note_of(NULL, 30, &note, &came));
  cr_assert(!gr_paxos_note_of(rig.paxos, 30, NULL, &came));
  cr_assert(!gr_paxos_note_of(rig.paxos, 30, &note, NULL));
  rig_close(&rig);
}

/* Founders tell each other of themselves when they meet. */
Test(paxos_view_rules, founders_exchange_their_profiles) {
  rig_open(&rig, 3, 0);
  uint8_t large[GR_PROFILE_BYTES_MAX + 1] = {0};
  cr_assert_eq(gr_paxos_profile(NULL, (gr_slice){NULL, 0}), GR_ERR_INVALID);
  cr_assert_eq(gr_paxos_profile(rig.paxos, (gr_slice){large, sizeof(large)}),
               GR_ERR_INVALID);
  cr_assert_eq(gr_paxos_profile(rig.paxos, (gr_slice){NULL, 1}), GR_ERR_INVALID);
  cr_assert_eq(gr_paxos_profile(rig.paxos, (gr_slice){"mine", 4}), GR_OK);
  rig_pass(&rig, 200 * TEST_MS);
  struct gr_reader body = rig_body(&rig, 1, GR_FRAME_HEARTBEAT);
  struct gr_heartbeat heartbeat;
  cr_assert(gr_heartbeat_decode(&body, &rig.roster, &heartbeat));
  cr_assert(heartbeat.founding);
  cr_assert_eq(heartbeat.note.size, 4);
  for (uint32_t i = 1; i <= 2; i++) {
    heartbeat = rig_beat_of(&rig);
    heartbeat.founding = true;
    heartbeat.formed = i == 1; /* it may have met all others before */
    heartbeat.note = (gr_slice){i == 1 ? "b" : "cc", i};
    cr_assert_eq(rig_beat(&rig, i, &heartbeat), GR_OK);
  }
  cr_assert_eq(rig_status(&rig).role, GR_ROLE_FOLLOWER);
  gr_seat seats[3];
  size_t count;
  cr_assert_eq(gr_paxos_view(rig.paxos, seats, 3, &count), 1);
  cr_assert_eq(count, 3);
  const char *const profiles[] = {"mine", "b", "cc"};
  for (uint32_t i = 0; i < 3; i++) {
    cr_assert_eq(seats[i].id, test_id(i));
    cr_assert(seats[i].voter);
    cr_assert_eq(seats[i].incarnation, i == 0 ? rig.incarnation : 7000 + i);
    cr_assert_eq(seats[i].profile.size, strlen(profiles[i]));
    cr_assert_arr_eq(seats[i].profile.data, profiles[i], seats[i].profile.size);
  }
  cr_assert_eq(gr_paxos_profile(rig.paxos, (gr_slice){"late", 4}), GR_ERR_STATE);
  rig_close(&rig);
}
