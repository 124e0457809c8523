/* SPDX-License-Identifier: MIT
 *
 * Views as values: what a change makes of the seats of a view (paxos/seats.h), how both
 * are written down, how a table of slots keeps changes (paxos/log.h), and whose marks
 * count.
 */
#include "harness.h"

#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>

#define BODY_MAX 16384
#define MEMBERS_MOST 4

static const gr_ballot ballot = {1, 4, 20};
static const struct gr_roster roster = {.view = 1, .count = 3, .ids = {10, 20, 30}};

static void store(uint8_t *at, size_t width, uint64_t value) {
  for (size_t i = 0; i < width; i++) at[i] = (uint8_t)(value >> (8 * i));
}

/* ---- what a change makes of a view ---- */

/* Voters 10 and 20, and 30, who has no vote. */
static struct gr_seats sample_seats(void) {
  return (struct gr_seats){
      .number = 7,
      .first = 100,
      .next_id = 40,
      .count = 3,
      .seats = {{.id = 10, .incarnation = 1, .voter = true},
                {.id = 20, .incarnation = 2, .voter = true},
                {.id = 30, .incarnation = 3, .profile_bytes = 3, .profile = "abc"}}};
}

Test(paxos_seats, which_changes_apply) {
  const struct {
    enum gr_change_kind kind;
    gr_member_id member;
    uint64_t most;
    bool applies;
    const char *ids; /* of the next view; voters in capitals */
  } rows[] = {
      {GR_CHANGE_ADD, 40, 4, true, "A B c d"},
      {GR_CHANGE_ADD, 40, 3, false, "A B c"}, /* there are as many as may be */
      {GR_CHANGE_ADD, 41, 4, false, "A B c"}, /* not the next id */
      {GR_CHANGE_ADD, 39, 4, false, "A B c"}, /* an id that was used */
      {GR_CHANGE_ADD, 30, 4, false, "A B c"}, /* is a member */
      {GR_CHANGE_PROMOTE, 30, 4, true, "A B C"},
      {GR_CHANGE_PROMOTE, 30, 3, true, "A B C"},
      {GR_CHANGE_PROMOTE, 20, 4, false, "A B c"}, /* votes already */
      {GR_CHANGE_PROMOTE, 40, 4, false, "A B c"}, /* is none */
      {GR_CHANGE_REMOVE, 10, 4, true, "B c"},
      {GR_CHANGE_REMOVE, 20, 4, true, "A c"},
      {GR_CHANGE_REMOVE, 30, 4, true, "A B"},
      {GR_CHANGE_REMOVE, 40, 4, false, "A B c"}, /* is none */
      {0, 30, 4, false, "A B c"},                /* no change */
  };
  for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
    struct gr_seats seats = sample_seats();
    const struct gr_seats before = seats;
    struct gr_config config = {.kind = rows[i].kind,
                               .member = rows[i].member,
                               .incarnation = 4,
                               .profile_bytes = 2,
                               .profile = "xy"};
    cr_assert_eq(gr_seats_apply(&seats, &config, 131, rows[i].most), rows[i].applies,
                 "row %zu", i);
    char ids[16] = "";
    for (uint32_t k = 0; k < seats.count; k++) {
      ids[2 * k] =
          (char)((seats.seats[k].voter ? 'A' : 'a') + seats.seats[k].id / 10 - 1);
      ids[2 * k + 1] = k + 1 < seats.count ? ' ' : 0;
    }
    cr_assert_str_eq(ids, rows[i].ids, "row %zu", i);
    cr_assert_eq(seats.number, rows[i].applies ? 8 : 7, "row %zu", i);
    cr_assert_eq(seats.first, rows[i].applies ? 131 : 100, "row %zu", i);
    if (!rows[i].applies) cr_assert_arr_eq(&seats, &before, sizeof(seats), "row %zu", i);
  }
}

/* Voters only, each once, in order. */
Test(paxos_seats, who_goes_on_by_force) {
  const struct {
    gr_member_id named[3];
    uint16_t bytes;
    bool applies;
  } rows[] = {{{10}, 8, true},           {{20}, 8, true},       {{10, 20}, 16, true},
              {{20, 10}, 16, false},     {{10, 10}, 16, false}, {{30}, 8, false},
              {{10, 20, 30}, 24, false}, {{40}, 8, false},      {{10}, 0, false},
              {{10}, 7, false},          {{10}, 9, false}};
  for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
    struct gr_seats seats = sample_seats();
    struct gr_config config = {.kind = GR_CHANGE_FORCE, .profile_bytes = rows[i].bytes};
    for (uint32_t k = 0; k < 3; k++)
      store(config.profile + (size_t)8 * k, 8, rows[i].named[k]);
    cr_assert_eq(gr_seats_apply(&seats, &config, 131, MEMBERS_MOST), rows[i].applies,
                 "row %zu", i);
    cr_assert_eq(seats.number, rows[i].applies ? 8 : 7, "row %zu", i);
    cr_assert_eq(seats.count, rows[i].applies ? rows[i].bytes / 8 : 3, "row %zu", i);
    cr_assert_eq(seats.next_id, 40, "ids go on");
    if (rows[i].applies) cr_assert_eq(seats.seats[0].id, rows[i].named[0]);
  }
}

Test(paxos_seats, who_is_added_has_its_profile_and_no_vote) {
  struct gr_seats seats = sample_seats();
  struct gr_config config = {.kind = GR_CHANGE_ADD,
                             .member = 40,
                             .incarnation = 4,
                             .profile_bytes = 2,
                             .profile = "xy"};
  cr_assert(gr_seats_apply(&seats, &config, 131, MEMBERS_MOST));
  const struct gr_seat_kept *seat = &seats.seats[gr_seats_find(&seats, 40)];
  cr_assert_eq(seat->incarnation, 4);
  cr_assert(!seat->voter);
  cr_assert_eq(seat->profile_bytes, 2);
  cr_assert_arr_eq(seat->profile, "xy", 2);
  cr_assert_eq(seats.next_id, 41);
  cr_assert_eq(gr_seats_find(&seats, 41), seats.count);
}

/* Not even the id of the one who was added last, and has left. */
Test(paxos_seats, no_id_is_used_twice) {
  struct gr_seats seats = sample_seats();
  struct gr_config add = {.kind = GR_CHANGE_ADD, .incarnation = 4};
  struct gr_config gone = {.kind = GR_CHANGE_REMOVE};
  for (gr_member_id id = 40; id < 60; id++) {
    add.member = gone.member = id;
    cr_assert(gr_seats_apply(&seats, &add, 131, MEMBERS_MOST));
    cr_assert(gr_seats_apply(&seats, &gone, 132, MEMBERS_MOST));
    cr_assert(!gr_seats_apply(&seats, &add, 133, MEMBERS_MOST));
  }
  cr_assert_eq(seats.number, 7 + 40);
}

Test(paxos_seats, the_last_vote_stays) {
  struct gr_seats seats = sample_seats();
  struct gr_config gone = {.kind = GR_CHANGE_REMOVE, .member = 10};
  cr_assert(gr_seats_apply(&seats, &gone, 131, MEMBERS_MOST));
  gone.member = 20;
  cr_assert(!gr_seats_apply(&seats, &gone, 132, MEMBERS_MOST));
  gone.member = 30;
  cr_assert(gr_seats_apply(&seats, &gone, 132, MEMBERS_MOST), "who has none may go");
}

Test(paxos_seats, the_largest_view_is_full) {
  struct gr_seats seats = sample_seats();
  struct gr_config add = {.kind = GR_CHANGE_ADD, .incarnation = 4};
  for (uint32_t count = 3; count <= GR_MEMBERS_MAX; count++) {
    add.member = seats.next_id;
    cr_assert_eq(gr_seats_apply(&seats, &add, 131, GR_MEMBERS_MAX + 1),
                 count < GR_MEMBERS_MAX);
  }
  cr_assert_eq(seats.count, GR_MEMBERS_MAX);
}

/* ---- seats, written down ---- */

static size_t write_seats(const struct gr_seats *seats, uint8_t *bytes) {
  struct gr_writer writer = gr_writer_of(bytes, BODY_MAX);
  gr_seats_encode(&writer, seats);
  cr_assert(!writer.bad);
  return writer.used;
}

static bool seats_taken(const uint8_t *bytes, size_t size, struct gr_seats *seats) {
  struct gr_reader reader = gr_reader_of(bytes, size);
  memset(seats, 0, sizeof(*seats));
  return gr_seats_decode(&reader, seats) && gr_reader_done(&reader);
}

static void check_seats_survive(const struct gr_seats *seats) {
  uint8_t bytes[BODY_MAX] = {0};
  struct gr_seats again;
  size_t size = write_seats(seats, bytes);
  for (size_t cut = 0; cut <= size + 9; cut++)
    cr_assert_eq(seats_taken(bytes, cut, &again), cut == size, "%zu of %zu", cut, size);
  cr_assert(seats_taken(bytes, size, &again));
  cr_assert_arr_eq(&again, seats, sizeof(again));
}

Test(paxos_seats, seats_survive_a_round_trip) {
  struct gr_seats seats = sample_seats();
  check_seats_survive(&seats);
  for (uint32_t i = 0; i < GR_MEMBERS_MAX; i++) {
    seats.seats[i] = (struct gr_seat_kept){.id = i + 1,
                                           .incarnation = i,
                                           .voter = i == 30,
                                           .profile_bytes = GR_PROFILE_BYTES_MAX};
    memset(seats.seats[i].profile, (int)i, GR_PROFILE_BYTES_MAX);
  }
  seats.count = GR_MEMBERS_MAX;
  check_seats_survive(&seats);
}

#define SEAT 25
#define SEAT_BYTES 19

Test(paxos_seats, spoiled_seats_are_refused) {
  const struct {
    size_t offset;
    size_t width;
    uint64_t value;
    const char *what;
  } rows[] = {
      {0, 8, 0, "no view"},
      {0, 8, UINT64_MAX / 4, "view too large"},
      {8, 8, 0, "begins at slot 0"},
      {8, 8, UINT64_MAX / 4, "begins too late"},
      {16, 8, 30, "the next id is used"},
      {16, 8, GR_MEMBER_ID_MAX + 1, "no member's id"},
      {24, 1, 0, "nobody"},
      {24, 1, 4, "more than there are"},
      {24, 1, GR_MEMBERS_MAX + 1, "more than may be"},
      {SEAT, 8, 0, "member 0"},
      {SEAT, 8, 20, "a member twice"},
      {SEAT, 8, 21, "out of order"},
      {SEAT + 16, 1, 2, "neither voter nor learner"},
      {SEAT + 17, 2, GR_PROFILE_BYTES_MAX + 1, "profile too large"},
      {SEAT + 2 * SEAT_BYTES + 17, 2, 2, "profile too short"},
      {SEAT + 2 * SEAT_BYTES + 17, 2, 4, "profile too long"},
  };
  for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
    struct gr_seats seats = sample_seats();
    uint8_t bytes[BODY_MAX];
    size_t size = write_seats(&seats, bytes);
    store(bytes + rows[i].offset, rows[i].width, rows[i].value);
    cr_assert(!seats_taken(bytes, size, &seats), "%s", rows[i].what);
  }
  struct gr_seats mute = sample_seats();
  mute.seats[0].voter = mute.seats[1].voter = false;
  uint8_t bytes[BODY_MAX];
  size_t size = write_seats(&mute, bytes);
  cr_assert(!seats_taken(bytes, size, &mute), "nobody votes");
}

/* ---- changes, as values of the log ---- */

static struct gr_cut change_of(enum gr_change_kind kind) {
  struct gr_cut cut = {
      .config = {.kind = kind, .member = 40, .reason = 2, .profile_bytes = 0}};
  if (kind != GR_CHANGE_ADD && kind != GR_CHANGE_FORCE) return cut;
  cut.config.incarnation = 0x5678;
  cut.config.profile_bytes = GR_PROFILE_BYTES_MAX;
  memset(cut.config.profile, 0x77, GR_PROFILE_BYTES_MAX);
  return cut;
}

static size_t write_change(enum gr_change_kind kind, uint8_t *bytes) {
  struct gr_log_value value = {ballot, change_of(kind)};
  struct gr_writer writer = gr_writer_of(bytes, BODY_MAX);
  gr_log_value_encode(&writer, &roster, &value);
  cr_assert_eq(writer.used, gr_log_value_bytes(&value.cut));
  return writer.used;
}

static bool change_taken(const uint8_t *bytes, size_t size, struct gr_log_value *value) {
  struct gr_reader reader = gr_reader_of(bytes, size);
  memset(value, 0x33, sizeof(*value));
  return gr_log_value_decode(&reader, &roster, value) && gr_reader_done(&reader);
}

Test(paxos_seats, a_change_survives_a_round_trip) {
  for (enum gr_change_kind kind = GR_CHANGE_ADD; kind <= GR_CHANGE_FORCE; kind++) {
    uint8_t bytes[BODY_MAX] = {0};
    struct gr_log_value value;
    size_t size = write_change(kind, bytes);
    for (size_t cut = 0; cut <= size + 9; cut++)
      cr_assert_eq(change_taken(bytes, cut, &value), cut == size, "kind %d, %zu of %zu",
                   (int)kind, cut, size);
    cr_assert(change_taken(bytes, size, &value));
    struct gr_cut change = change_of(kind);
    cr_assert(gr_is_config(&value.cut));
    cr_assert_eq(value.cut.lanes, 0, "a change names no lanes");
    cr_assert_eq(value.cut.config.kind, kind);
    cr_assert_eq(value.cut.config.member, 40);
    cr_assert_eq(value.cut.config.incarnation, change.config.incarnation);
    cr_assert_eq(value.cut.config.reason, 2);
    cr_assert_eq(value.cut.config.profile_bytes, change.config.profile_bytes);
    cr_assert_arr_eq(value.cut.config.profile, change.config.profile,
                     change.config.profile_bytes);
  }
}

#define CHANGE 25 /* behind the ballot, and the kind of value */

Test(paxos_seats, a_spoiled_change_is_refused) {
  const struct {
    enum gr_change_kind kind;
    size_t offset;
    size_t width;
    uint64_t value;
    const char *what;
  } rows[] = {
      {GR_CHANGE_ADD, CHANGE, 1, 0, "no kind"},
      {GR_CHANGE_ADD, CHANGE, 1, 5, "unknown kind"},
      {GR_CHANGE_ADD, CHANGE, 1, GR_CHANGE_REMOVE, "a profile of who is removed"},
      {GR_CHANGE_ADD, CHANGE + 2, 8, 0, "adds nobody"},
      {GR_CHANGE_ADD, CHANGE + 2, 8, GR_MEMBER_ID_MAX + 1, "no member's id"},
      {GR_CHANGE_ADD, CHANGE + 10, 8, 0, "adds no process"},
      {GR_CHANGE_ADD, CHANGE + 18, 2, GR_PROFILE_BYTES_MAX + 1, "profile too large"},
      {GR_CHANGE_ADD, CHANGE + 18, 2, GR_PROFILE_BYTES_MAX - 1, "profile too short"},
      {GR_CHANGE_PROMOTE, CHANGE + 2, 8, 0, "promotes nobody"},
      {GR_CHANGE_PROMOTE, CHANGE + 10, 8, 1, "promotes a process"},
      {GR_CHANGE_REMOVE, CHANGE + 10, 8, 1, "removes a process"},
      {GR_CHANGE_REMOVE, CHANGE, 1, GR_CHANGE_ADD, "adds no process"},
  };
  for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
    uint8_t bytes[BODY_MAX];
    struct gr_log_value value;
    size_t size = write_change(rows[i].kind, bytes);
    store(bytes + rows[i].offset, rows[i].width, rows[i].value);
    cr_assert(!change_taken(bytes, size, &value), "%s", rows[i].what);
  }
}

/* ---- heartbeats between views ---- */

/* A change of the next view may be known to the sender only. */
Test(paxos_seats, a_heartbeat_that_tells_of_strangers_is_taken_without_them) {
  struct gr_roster larger = roster;
  larger.count = 4;
  larger.ids[3] = 40;
  struct gr_heartbeat heartbeat = {.formed = true,
                                   .promised = ballot,
                                   .log_first = 1,
                                   .named = 0xd,
                                   .incarnations = {1, 2, 3, 4},
                                   .held = {{0, 11}, {0, 12}, {0, 13}, {0, 14}}};
  uint8_t bytes[BODY_MAX];
  struct gr_writer writer = gr_writer_of(bytes, sizeof(bytes));
  gr_heartbeat_encode(&writer, &larger, &heartbeat);
  struct gr_reader reader = gr_reader_of(bytes, writer.used);
  struct gr_heartbeat decoded;
  cr_assert(gr_heartbeat_decode(&reader, &roster, &decoded));
  cr_assert_eq(decoded.named, 5, "those that both know");
  cr_assert_eq(decoded.incarnations[0], 1);
  cr_assert_eq(decoded.held[2].upto, 13);
  cr_assert_eq(decoded.note.size, 0);
}

Test(paxos_seats, a_note_has_its_limit) {
  uint8_t note[GR_NOTE_BYTES_MAX + 1] = {0};
  for (size_t size = GR_NOTE_BYTES_MAX; size <= GR_NOTE_BYTES_MAX + 1; size++) {
    struct gr_heartbeat heartbeat = {.promised = ballot,
                                     .log_first = 1,
                                     .note = {note, size}};
    uint8_t bytes[BODY_MAX];
    struct gr_writer writer = gr_writer_of(bytes, sizeof(bytes));
    gr_heartbeat_encode(&writer, &roster, &heartbeat);
    struct gr_reader reader = gr_reader_of(bytes, writer.used);
    cr_assert_eq(gr_heartbeat_decode(&reader, &roster, &heartbeat),
                 size <= GR_NOTE_BYTES_MAX);
  }
}

/* ---- tables of slots that hold changes ---- */

#define SLOTS 64
#define LANES 3

static struct gr_slot_table open_table(void **memory) {
  struct gr_carver measure = {0};
  struct gr_slot_table table = {0};
  gr_slot_table_carve(&table, &measure, SLOTS, LANES);
  *memory = aligned_alloc(GR_CARVE_ALIGNMENT, (measure.used + 63) / 64 * 64);
  cr_assert_not_null(*memory);
  memset(*memory, 0xa5, measure.used);
  struct gr_carver carver = {.memory = *memory};
  gr_slot_table_carve(&table, &carver, SLOTS, LANES);
  gr_slot_clear(&table);
  return table;
}

static bool set(const struct gr_slot_table *table, gr_slot slot, gr_member_id removed,
                gr_slot first, gr_slot end) {
  struct gr_cut cut = {.lanes = removed == 0 ? 5 : 0,
                       .marks = {{0, slot}, {0, 0}, {0, 9}}};
  if (removed != 0)
    cut.config = (struct gr_config){.kind = GR_CHANGE_REMOVE, .member = removed};
  return gr_slot_set(table, slot, ballot, &cut, LANES, first, end);
}

/* Whom the slot's value removes; 0: it is a cut. */
static gr_member_id removed_at(const struct gr_slot_table *table, gr_slot slot) {
  struct gr_cut cut;
  gr_slot_cut(table, gr_slot_at(table, slot), LANES, &cut);
  cr_assert_eq(cut.lanes, gr_is_config(&cut) ? 0 : 5);
  if (!gr_is_config(&cut)) cr_assert_eq(cut.marks[0].upto, slot);
  return gr_is_config(&cut) ? cut.config.member : 0;
}

Test(paxos_seats, a_table_keeps_changes_beside_cuts) {
  void *memory;
  struct gr_slot_table table = open_table(&memory);
  for (gr_slot slot = 1; slot <= 30; slot++)
    cr_assert(set(&table, slot, slot % 3 == 0 ? slot : 0, 1, slot));
  for (gr_slot slot = 1; slot <= 30; slot++)
    cr_assert_eq(removed_at(&table, slot), slot % 3 == 0 ? slot : 0);
  /* A slot's value may become another: a change a cut, a cut a change, and so on. */
  cr_assert(set(&table, 3, 0, 1, 31));
  cr_assert(set(&table, 4, 77, 1, 31));
  cr_assert(set(&table, 6, 78, 1, 31));
  cr_assert_eq(removed_at(&table, 3), 0);
  cr_assert_eq(removed_at(&table, 4), 77);
  cr_assert_eq(removed_at(&table, 6), 78);
  cr_assert_eq(removed_at(&table, 9), 9);
  free(memory);
}

Test(paxos_seats, a_table_has_room_for_so_many_changes_and_no_more) {
  void *memory;
  struct gr_slot_table table = open_table(&memory);
  for (gr_slot slot = 1; slot <= GR_CONFIGS_MAX; slot++)
    cr_assert(set(&table, slot, slot, 1, slot));
  gr_slot end = GR_CONFIGS_MAX + 1;
  cr_assert(!set(&table, end, end, 1, end));
  cr_assert_eq(removed_at(&table, GR_CONFIGS_MAX), GR_CONFIGS_MAX, "nothing changed");
  cr_assert(set(&table, end, 0, 1, end), "a cut finds room");
  cr_assert(set(&table, 7, 77, 1, end + 1), "what is replaced makes room");
  cr_assert_eq(removed_at(&table, 7), 77);
  /* What is forgotten makes room too, and what is become a cut. */
  cr_assert(set(&table, end + 1, 200, 2, end + 1));
  cr_assert(!set(&table, end + 2, 201, 2, end + 2));
  cr_assert(set(&table, 9, 0, 2, end + 2));
  cr_assert(set(&table, end + 2, 201, 2, end + 2));
  for (gr_slot slot = 2; slot <= GR_CONFIGS_MAX; slot++)
    cr_assert_eq(removed_at(&table, slot), slot == 7 ? 77 : slot == 9 ? 0 : slot);
  cr_assert_eq(removed_at(&table, end + 1), 200);
  cr_assert_eq(removed_at(&table, end + 2), 201);
  free(memory);
}

/* The log is not cleared slot by slot: what lies beyond its end may be from before. */
Test(paxos_seats, what_is_forgotten_holds_no_place) {
  void *memory;
  struct gr_slot_table table = open_table(&memory);
  cr_assert(set(&table, 5, 50, 5, 5));
  gr_configs_clear(&table);
  cr_assert(set(&table, 3, 30, 3, 3));
  cr_assert(set(&table, 4, 0, 3, 4));
  cr_assert(set(&table, 5, 51, 3, 5));
  cr_assert_eq(removed_at(&table, 3), 30);
  cr_assert_eq(removed_at(&table, 5), 51);
  cr_assert(set(&table, 5, 52, 3, 6), "and what counts is replaced where it is");
  cr_assert_eq(removed_at(&table, 3), 30);
  cr_assert_eq(removed_at(&table, 5), 52);
  free(memory);
}

/* ---- whose marks count ---- */

Test(paxos_seats, marks_of_those_without_a_vote_do_not_count) {
  static struct gr_paxos paxos; /* nothing of it is read but what is set here */
  const uint64_t marks[] = {5, 90, 7, 90, 3};
  const struct {
    gr_memberset voters;
    uint64_t mark;
  } rows[] = {{0x1f, 7},  {0x15, 5},  {0x05, 5}, {0x04, 7},
              {0x0a, 90}, {0x0b, 90}, {0x1d, 5}};
  paxos.roster.count = 5;
  for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
    paxos.voters = rows[i].voters;
    cr_assert_eq(gr_voters_mark(&paxos, marks), rows[i].mark, "row %zu", i);
  }
}
