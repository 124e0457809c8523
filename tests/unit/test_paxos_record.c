/* SPDX-License-Identifier: MIT
 *
 * paxos/record.h: every record survives its way through storage, and nothing but a
 * well-formed record of this member is taken.
 */
#include "storage.h"

#include <criterion/criterion.h>
#include <string.h>

#define RECORD_MAX 4096
#define SELF 20
#define HUGE_COUNT (UINT64_MAX / 4)

static const struct gr_roster roster = {.tag = 0x1234,
                                        .view = 1,
                                        .durable = true,
                                        .incarnation = 99,
                                        .boot = 3,
                                        .count = 3,
                                        .ids = {10, SELF, 30},
                                        .message_bytes_max = TEST_MESSAGE_MAX,
                                        .batch_bytes_max = TEST_BATCH_MAX};

static const gr_ballot ballot = {1, 4, 20};

/* ---- one row for each type: writes a sample; reads one and writes it again ---- */

struct row {
  enum gr_record_type type;
  void (*sample)(struct gr_writer *writer);
  int (*recode)(struct gr_reader *reader, struct gr_writer *writer);
};

#define GROUP 0x1234
#define PROFILE_BYTES 4

static const struct gr_view_record view = {
    .epoch = {1, 77},
    .self = SELF,
    .incarnation = 8,
    .formed = true,
    .seats = {.number = 4,
              .first = 11,
              .next_id = 35,
              .count = 3,
              .seats = {{.id = 10, .incarnation = 7, .voter = true},
                        {.id = SELF,
                         .incarnation = 8,
                         .voter = true,
                         .profile_bytes = PROFILE_BYTES,
                         .profile = "abc"},
                        {.id = 30, .incarnation = 9}}}};

static void sample_view(struct gr_writer *writer) {
  gr_view_record_encode(writer, GROUP, &view);
}

static int recode_view(struct gr_reader *reader, struct gr_writer *writer) {
  struct gr_view_record record;
  int error = gr_view_record_decode(reader, GROUP, &record);
  if (error == GR_OK) gr_view_record_encode(writer, GROUP, &record);
  return error;
}

static void sample_boot(struct gr_writer *writer) {
  gr_boot_record_encode(writer, 5);
}

static int recode_boot(struct gr_reader *reader, struct gr_writer *writer) {
  uint64_t boot;
  int error = gr_boot_record_decode(reader, &boot);
  if (error == GR_OK) gr_boot_record_encode(writer, boot);
  return error;
}

static void sample_promise(struct gr_writer *writer) {
  gr_promise_record_encode(writer, ballot);
}

static int recode_promise(struct gr_reader *reader, struct gr_writer *writer) {
  gr_ballot promised;
  int error = gr_promise_record_decode(reader, &promised);
  if (error == GR_OK) gr_promise_record_encode(writer, promised);
  return error;
}

/* Lane 0 goes on, and lane 2 begins its second boot. */
static void sample_accept(struct gr_writer *writer) {
  struct gr_accept_record accept = {.slot = 9,
                                    .ballot = ballot,
                                    .cut = {.lanes = 5,
                                            .marks = {{1, 4}, {0, 0}, {2, 0}}}};
  gr_accept_record_encode(writer, &roster, &accept);
}

static int recode_accept(struct gr_reader *reader, struct gr_writer *writer) {
  struct gr_accept_record accept;
  int error = gr_accept_record_decode(reader, &roster, &accept);
  if (error == GR_OK) gr_accept_record_encode(writer, &roster, &accept);
  return error;
}

static void sample_marks(struct gr_writer *writer) {
  gr_marks_record_encode(writer, &(struct gr_marks_record){8, 6, 7});
}

static int recode_marks(struct gr_reader *reader, struct gr_writer *writer) {
  struct gr_marks_record marks;
  int error = gr_marks_record_decode(reader, &marks);
  if (error == GR_OK) gr_marks_record_encode(writer, &marks);
  return error;
}

static void sample_state(struct gr_writer *writer) {
  struct gr_state_record state = {.first = 40,
                                  .view = view,
                                  .boot = 3,
                                  .promised = {4, 4, 20},
                                  .slot = 12,
                                  .seqno = 50,
                                  .digest = UINT64_MAX,
                                  .lanes = {{1, 6, 7, 20}, {3, 5, 5, 30}, {1, 0, 1, 0}}};
  gr_state_record_encode(writer, GROUP, &state);
}

static int recode_state(struct gr_reader *reader, struct gr_writer *writer) {
  struct gr_state_record state;
  int error = gr_state_record_decode(reader, &roster, GROUP, &state);
  if (error == GR_OK) gr_state_record_encode(writer, GROUP, &state);
  return error;
}

static const struct row rows[] = {
    {GR_RECORD_STATE, sample_state, recode_state},
    {GR_RECORD_VIEW, sample_view, recode_view},
    {GR_RECORD_BOOT, sample_boot, recode_boot},
    {GR_RECORD_PROMISE, sample_promise, recode_promise},
    {GR_RECORD_ACCEPT, sample_accept, recode_accept},
    {GR_RECORD_MARKS, sample_marks, recode_marks},
};
#define ROW_COUNT (sizeof(rows) / sizeof(rows[0]))

static const struct row *row_of(enum gr_record_type type) {
  const struct row *row = rows;
  while (row->type != type) row++;
  return row;
}

/* A whole record; its size. */
static size_t sample_of(const struct row *row, uint8_t *bytes) {
  struct gr_writer writer = gr_writer_of(bytes, RECORD_MAX);
  gr_record_begin(&writer, row->type);
  row->sample(&writer);
  gr_record_end(&writer);
  cr_assert(!writer.bad);
  return writer.used;
}

/* Puts the checksum right. */
static void seal(uint8_t *bytes, size_t size) {
  struct gr_writer writer = {.data = bytes, .used = size};
  gr_record_end(&writer);
}

/* What becomes of a record of this type; `writer` gets it anew. */
static int open_with(const struct row *row, const uint8_t *bytes, size_t size,
                     struct gr_writer *writer) {
  struct gr_reader reader = gr_reader_of(bytes, size);
  enum gr_record_type type;
  int error = gr_record_open(&reader, &type);
  if (error != GR_OK) return error;
  cr_assert_eq(type, row->type);
  gr_record_begin(writer, type);
  error = row->recode(&reader, writer);
  gr_record_end(writer);
  return error;
}

static int open_as(const struct row *row, const uint8_t *bytes, size_t size) {
  uint8_t again[RECORD_MAX];
  struct gr_writer writer = gr_writer_of(again, sizeof(again));
  return open_with(row, bytes, size, &writer);
}

Test(paxos_record, every_record_survives_a_round_trip) {
  for (size_t i = 0; i < ROW_COUNT; i++) {
    uint8_t bytes[RECORD_MAX];
    uint8_t again[RECORD_MAX];
    size_t size = sample_of(&rows[i], bytes);
    struct gr_writer writer = gr_writer_of(again, sizeof(again));
    cr_assert_eq(open_with(&rows[i], bytes, size, &writer), GR_OK, "row %zu", i);
    cr_assert_eq(writer.used, size, "row %zu", i);
    cr_assert_arr_eq(again, bytes, size, "row %zu", i);
  }
}

Test(paxos_record, a_record_of_any_other_length_is_refused) {
  for (size_t i = 0; i < ROW_COUNT; i++) {
    uint8_t bytes[RECORD_MAX] = {0};
    size_t size = sample_of(&rows[i], bytes);
    for (size_t cut = 0; cut <= size + 9; cut++) {
      if (cut == size) continue;
      int damaged = cut < GR_RECORD_HEADER_BYTES ? GR_ERR_MALFORMED : GR_ERR_CORRUPT;
      cr_assert_eq(open_as(&rows[i], bytes, cut), damaged, "row %zu, %zu", i, cut);
    }
    for (size_t cut = GR_RECORD_HEADER_BYTES; cut <= size + 9; cut++) {
      seal(bytes, cut); /* as if it had been written so */
      cr_assert_eq(open_as(&rows[i], bytes, cut), cut == size ? GR_OK : GR_ERR_MALFORMED,
                   "row %zu, %zu of %zu", i, cut, size);
    }
  }
}

Test(paxos_record, every_flipped_bit_is_noticed) {
  for (size_t i = 0; i < ROW_COUNT; i++) {
    uint8_t bytes[RECORD_MAX];
    size_t size = sample_of(&rows[i], bytes);
    for (size_t bit = 0; bit < 8 * size; bit++) {
      bytes[bit / 8] ^= (uint8_t)(1 << bit % 8);
      cr_assert_eq(open_as(&rows[i], bytes, size), GR_ERR_CORRUPT, "row %zu, bit %zu", i,
                   bit);
      bytes[bit / 8] ^= (uint8_t)(1 << bit % 8);
    }
  }
}

/* A sample in which one number is changed to what must not be. */
struct spoiled {
  enum gr_record_type type;
  size_t offset; /* in the record */
  size_t width;
  uint64_t value;
  int error;
  const char *what;
};

#define HEAD GR_RECORD_HEADER_BYTES
#define VIEW_SEATS (HEAD + 41)
#define SEAT (VIEW_SEATS + 25)
#define STATE_REST (SEAT + 3 * 19 + PROFILE_BYTES) /* behind the state's view */
#define STATE_LANES (STATE_REST + 8 * 8)

static const struct spoiled spoiled[] = {
    {GR_RECORD_BOOT, 4, 1, 2, GR_ERR_PROTOCOL, "version"},
    {GR_RECORD_BOOT, 5, 1, 0, GR_ERR_MALFORMED, "type 0"},
    {GR_RECORD_BOOT, 5, 1, 8, GR_ERR_MALFORMED, "type 8"},
    {GR_RECORD_BOOT, 6, 2, 1, GR_ERR_MALFORMED, "reserved"},
    {GR_RECORD_BOOT, HEAD, 8, 0, GR_ERR_MALFORMED, "boot 0"},
    {GR_RECORD_BOOT, HEAD, 8, HUGE_COUNT, GR_ERR_MALFORMED, "boot too large"},
    {GR_RECORD_VIEW, HEAD, 8, 0x1235, GR_ERR_FOREIGN, "another group"},
    {GR_RECORD_VIEW, HEAD + 24, 8, 0, GR_ERR_MALFORMED, "nobody"},
    {GR_RECORD_VIEW, HEAD + 32, 8, 0, GR_ERR_MALFORMED, "no process"},
    {GR_RECORD_VIEW, HEAD + 40, 1, 2, GR_ERR_MALFORMED, "neither formed nor not"},
    {GR_RECORD_VIEW, VIEW_SEATS, 8, 0, GR_ERR_MALFORMED, "view 0"},
    {GR_RECORD_VIEW, VIEW_SEATS, 8, HUGE_COUNT, GR_ERR_MALFORMED, "view too large"},
    {GR_RECORD_VIEW, VIEW_SEATS + 8, 8, 0, GR_ERR_MALFORMED, "begins at slot 0"},
    {GR_RECORD_VIEW, VIEW_SEATS + 16, 8, 30, GR_ERR_MALFORMED, "an id to be used again"},
    {GR_RECORD_VIEW, VIEW_SEATS + 16, 8, GR_MEMBER_ID_MAX + 1, GR_ERR_MALFORMED, "ids"},
    {GR_RECORD_VIEW, VIEW_SEATS + 24, 1, 0, GR_ERR_MALFORMED, "no members"},
    {GR_RECORD_VIEW, VIEW_SEATS + 24, 1, 2, GR_ERR_MALFORMED, "fewer members"},
    {GR_RECORD_VIEW, VIEW_SEATS + 24, 1, 32, GR_ERR_MALFORMED, "too many members"},
    {GR_RECORD_VIEW, SEAT, 8, 0, GR_ERR_MALFORMED, "member 0"},
    {GR_RECORD_VIEW, SEAT, 8, SELF, GR_ERR_MALFORMED, "a member twice"},
    {GR_RECORD_VIEW, SEAT, 8, 25, GR_ERR_MALFORMED, "members out of order"},
    {GR_RECORD_VIEW, SEAT + 8, 8, 0, GR_ERR_MALFORMED, "formed, and one is not known"},
    {GR_RECORD_VIEW, SEAT + 16, 1, 2, GR_ERR_MALFORMED, "neither voter nor learner"},
    {GR_RECORD_VIEW, SEAT + 17, 2, 321, GR_ERR_MALFORMED, "profile too large"},
    {GR_RECORD_VIEW, SEAT + 17, 2, 1, GR_ERR_MALFORMED, "profile of another size"},
    {GR_RECORD_PROMISE, HEAD, 8, 0, GR_ERR_MALFORMED, "view 0"},
    {GR_RECORD_PROMISE, HEAD + 8, 8, 0, GR_ERR_MALFORMED, "round 0"},
    {GR_RECORD_PROMISE, HEAD + 16, 8, 0, GR_ERR_MALFORMED, "ballot of nobody"},
    {GR_RECORD_ACCEPT, HEAD, 8, 0, GR_ERR_MALFORMED, "slot 0"},
    {GR_RECORD_ACCEPT, HEAD, 8, HUGE_COUNT, GR_ERR_MALFORMED, "slot too large"},
    {GR_RECORD_ACCEPT, HEAD + 8, 8, 0, GR_ERR_MALFORMED, "view 0"},
    {GR_RECORD_ACCEPT, HEAD + 33, 1, 0, GR_ERR_MALFORMED, "no lane"},
    {GR_RECORD_ACCEPT, HEAD + 42, 8, 0, GR_ERR_MALFORMED, "no boot"},
    {GR_RECORD_MARKS, HEAD, 8, 5, GR_ERR_MALFORMED, "forgotten and not chosen"},
    {GR_RECORD_MARKS, HEAD, 8, HUGE_COUNT, GR_ERR_MALFORMED, "chosen too large"},
    {GR_RECORD_MARKS, HEAD + 16, 8, HUGE_COUNT, GR_ERR_MALFORMED, "spare too large"},
    {GR_RECORD_STATE, HEAD, 8, 0x1235, GR_ERR_FOREIGN, "another group"},
    {GR_RECORD_STATE, HEAD + 24, 8, 0, GR_ERR_MALFORMED, "nobody, and what follows"},
    {GR_RECORD_STATE, STATE_REST, 8, HUGE_COUNT, GR_ERR_MALFORMED, "first ticket"},
    {GR_RECORD_STATE, STATE_REST + 8, 8, HUGE_COUNT, GR_ERR_MALFORMED, "boot"},
    {GR_RECORD_STATE, STATE_REST + 16, 8, 2, GR_ERR_MALFORMED, "another view"},
    {GR_RECORD_STATE, STATE_REST + 40, 8, HUGE_COUNT, GR_ERR_MALFORMED, "slot"},
    {GR_RECORD_STATE, STATE_REST + 48, 8, HUGE_COUNT, GR_ERR_MALFORMED, "seqno"},
    {GR_RECORD_STATE, STATE_LANES, 8, 0, GR_ERR_MALFORMED, "a lane of no boot"},
    {GR_RECORD_STATE, STATE_LANES + 16, 8, 0, GR_ERR_MALFORMED, "a lane from 0"},
    {GR_RECORD_STATE, STATE_LANES + 16, 8, 8, GR_ERR_MALFORMED, "a lane with a hole"},
};

static void store(uint8_t *at, size_t width, uint64_t value) {
  for (size_t i = 0; i < width; i++) at[i] = (uint8_t)(value >> (8 * i));
}

Test(paxos_record, a_spoiled_record_is_refused) {
  for (size_t i = 0; i < sizeof(spoiled) / sizeof(spoiled[0]); i++) {
    const struct spoiled *row = &spoiled[i];
    uint8_t bytes[RECORD_MAX];
    size_t size = sample_of(row_of(row->type), bytes);
    cr_assert_leq(row->offset + row->width, size);
    store(bytes + row->offset, row->width, row->value);
    seal(bytes, size);
    cr_assert_eq(open_as(row_of(row->type), bytes, size), row->error, "type %d: %s",
                 (int)row->type, row->what);
  }
}

Test(paxos_record, whoever_has_not_met_knows_itself_at_least) {
  struct gr_view_record alone = view;
  uint8_t bytes[RECORD_MAX];
  alone.formed = false;
  for (uint32_t i = 0; i < 3; i++) alone.seats.seats[i].incarnation = 0;
  for (int known = 1; known >= 0; known--) {
    if (!known) alone.incarnation = 0;
    struct gr_writer writer = gr_writer_of(bytes, sizeof(bytes));
    gr_view_record_encode(&writer, GROUP, &alone);
    struct gr_reader reader = gr_reader_of(bytes, writer.used);
    struct gr_view_record record;
    cr_assert_eq(gr_view_record_decode(&reader, GROUP, &record),
                 known ? GR_OK : GR_ERR_MALFORMED);
  }
}

/* What a member keeps that has forgotten its group. */
Test(paxos_record, a_state_may_be_outside_of_any_group) {
  struct gr_state_record outside = {.first = 40, .boot = 3};
  uint8_t bytes[RECORD_MAX];
  struct gr_writer writer = gr_writer_of(bytes, sizeof(bytes));
  gr_state_record_encode(&writer, GROUP, &outside);
  struct gr_reader reader = gr_reader_of(bytes, writer.used);
  struct gr_state_record state;
  cr_assert_eq(gr_state_record_decode(&reader, &roster, GROUP, &state), GR_OK);
  cr_assert_eq(state.view.self, 0);
  cr_assert_eq(state.view.seats.count, 0);
  cr_assert_eq(state.first, 40);
}

/* A batch keeps its own checksum: the record's covers its head only. */
Test(paxos_record, a_batch_is_its_own_body) {
  uint8_t bytes[RECORD_MAX];
  struct gr_writer writer = gr_writer_of(bytes, sizeof(bytes));
  gr_record_begin(&writer, GR_RECORD_BATCH);
  gr_record_end(&writer);
  uint8_t *batch = gr_write_room(&writer, GR_BATCH_HEADER_BYTES + 4 + 3);
  cr_assert_not_null(batch);
  if (!batch) return;
  gr_store_u32(batch + GR_BATCH_HEADER_BYTES, 3);
  memcpy(batch + GR_BATCH_HEADER_BYTES + 4, "abc", 3);
  gr_batch_seal(&roster, batch, GR_BATCH_HEADER_BYTES + 7, 2, 8, 1);
  for (size_t flip = 0; flip <= writer.used; flip++) { /* the last one: nothing */
    if (flip < writer.used) bytes[flip] ^= 0x10;
    struct gr_reader reader = gr_reader_of(bytes, writer.used);
    enum gr_record_type type;
    struct gr_batch opened;
    int error = gr_record_open(&reader, &type);
    cr_assert_eq(error == GR_OK, flip >= GR_RECORD_HEADER_BYTES, "byte %zu", flip);
    if (error == GR_OK) error = gr_batch_open(&reader, &roster, &opened);
    cr_assert_eq(error == GR_OK, flip == writer.used, "byte %zu", flip);
    if (error == GR_OK) cr_assert_eq(opened.boot, 3);
    if (flip < writer.used) bytes[flip] ^= 0x10;
  }
}
