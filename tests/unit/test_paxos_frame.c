/* SPDX-License-Identifier: MIT
 *
 * paxos/frame.h: every body survives its way over the wire, and nothing but a well-formed
 * frame of this group is taken.
 */
#include "harness.h"

#include <criterion/criterion.h>
#include <string.h>

#define BODY_MAX 4096

static const struct gr_roster roster = {.tag = 0x1234,
                                        .view = 1,
                                        .incarnation = 99,
                                        .count = 3,
                                        .ids = {10, 20, 30},
                                        .message_bytes_max = TEST_MESSAGE_MAX,
                                        .batch_bytes_max = TEST_BATCH_MAX};

static gr_ballot ballot_of(uint64_t round) {
  return (gr_ballot){1, round, 20};
}

static struct gr_cut two_lanes(void) {
  struct gr_cut cut = {.lanes = gr_memberset_one(0) | gr_memberset_one(2)};
  cut.marks[0].upto = 5;
  cut.marks[2].upto = 77;
  return cut;
}

static struct gr_log_value sample_value(uint64_t round) {
  return (struct gr_log_value){ballot_of(round), two_lanes()};
}

/* ---- bodies ---- */

/* One row for each body: writes a sample; reads one and writes it again. */
struct body {
  enum gr_frame_type type;
  void (*sample)(struct gr_writer *writer);
  bool (*recode)(struct gr_reader *reader, struct gr_writer *writer);
};

static void sample_heartbeat(struct gr_writer *writer) {
  struct gr_heartbeat heartbeat = {.leads = true,
                                   .formed = true,
                                   .founding = true,
                                   .promised = ballot_of(4),
                                   .accepted = 9,
                                   .chosen = 8,
                                   .delivered = 7,
                                   .log_first = 2,
                                   .stamp = 1000,
                                   .echo = 900,
                                   .echo_age = 3,
                                   .named = 7,
                                   .incarnations = {1, 2, 3},
                                   .held = {{0, 11}, {0, 12}, {0, 13}},
                                   .note = {"note", 4}};
  gr_heartbeat_encode(writer, &roster, &heartbeat);
}

static bool recode_heartbeat(struct gr_reader *reader, struct gr_writer *writer) {
  struct gr_heartbeat heartbeat;
  if (!gr_heartbeat_decode(reader, &roster, &heartbeat)) return false;
  gr_heartbeat_encode(writer, &roster, &heartbeat);
  return true;
}

static void sample_accept(struct gr_writer *writer) {
  struct gr_accept accept = {.ballot = ballot_of(4),
                             .slot = 9,
                             .start = 5,
                             .chosen = 8,
                             .delivered = 7,
                             .stable = 6,
                             .accepted = 9,
                             .cut = two_lanes()};
  gr_accept_encode(writer, &roster, &accept);
}

static bool recode_accept(struct gr_reader *reader, struct gr_writer *writer) {
  struct gr_accept accept;
  if (!gr_accept_decode(reader, &roster, &accept)) return false;
  gr_accept_encode(writer, &roster, &accept);
  return true;
}

static void sample_accepted(struct gr_writer *writer) {
  struct gr_accepted accepted = {ballot_of(4), 9, 8, 7};
  gr_accepted_encode(writer, &accepted);
}

static bool recode_accepted(struct gr_reader *reader, struct gr_writer *writer) {
  struct gr_accepted accepted;
  if (!gr_accepted_decode(reader, &accepted)) return false;
  gr_accepted_encode(writer, &accepted);
  return true;
}

static void sample_prevote(struct gr_writer *writer) {
  struct gr_prevote prevote = {.ballot = ballot_of(4), .asking = 3, .chosen = 8};
  gr_prevote_encode(writer, &prevote);
}

static bool recode_prevote(struct gr_reader *reader, struct gr_writer *writer) {
  struct gr_prevote prevote;
  if (!gr_prevote_decode(reader, &prevote)) return false;
  gr_prevote_encode(writer, &prevote);
  return true;
}

static void sample_prevote_answer(struct gr_writer *writer) {
  struct gr_prevote_answer answer = {.ballot = ballot_of(4),
                                     .asking = 3,
                                     .promised = ballot_of(2),
                                     .granted = true};
  gr_prevote_answer_encode(writer, &answer);
}

static bool recode_prevote_answer(struct gr_reader *reader, struct gr_writer *writer) {
  struct gr_prevote_answer answer;
  if (!gr_prevote_answer_decode(reader, &answer)) return false;
  gr_prevote_answer_encode(writer, &answer);
  return true;
}

static void sample_prepare(struct gr_writer *writer) {
  struct gr_prepare prepare = {ballot_of(4), 9, {.view = 1}};
  gr_prepare_encode(writer, &prepare);
}

static bool recode_prepare(struct gr_reader *reader, struct gr_writer *writer) {
  struct gr_prepare prepare;
  if (!gr_prepare_decode(reader, &prepare)) return false;
  gr_prepare_encode(writer, &prepare);
  return true;
}

static bool recode_values(struct gr_reader *reader, struct gr_writer *writer,
                          uint32_t count) {
  if (!gr_log_values_check(*reader, &roster, count, ballot_of(4))) return false;
  for (uint32_t i = 0; i < count; i++) {
    struct gr_log_value value;
    cr_assert(gr_log_value_decode(reader, &roster, &value));
    gr_log_value_encode(writer, &roster, &value);
  }
  return gr_reader_done(reader);
}

static void sample_promise(struct gr_writer *writer) {
  struct gr_promise promise = {.ballot = ballot_of(4),
                               .chosen = 8,
                               .log_first = 2,
                               .from = 8,
                               .end = 20,
                               .count = 2};
  struct gr_log_value values[] = {sample_value(1), sample_value(2)};
  gr_promise_encode(writer, &promise);
  for (int i = 0; i < 2; i++) gr_log_value_encode(writer, &roster, &values[i]);
}

static bool recode_promise(struct gr_reader *reader, struct gr_writer *writer) {
  struct gr_promise promise;
  if (!gr_promise_decode(reader, &promise)) return false;
  gr_promise_encode(writer, &promise);
  return recode_values(reader, writer, promise.count);
}

static void sample_log(struct gr_writer *writer) {
  struct gr_log_run run = {.from = 7, .chosen = 8, .log_first = 2, .count = 2};
  struct gr_log_value values[] = {sample_value(1), sample_value(2)};
  gr_log_run_encode(writer, &run);
  for (int i = 0; i < 2; i++) gr_log_value_encode(writer, &roster, &values[i]);
}

static bool recode_log(struct gr_reader *reader, struct gr_writer *writer) {
  struct gr_log_run run;
  if (!gr_log_run_decode(reader, &run)) return false;
  gr_log_run_encode(writer, &run);
  return recode_values(reader, writer, run.count);
}

static void sample_fetch_data(struct gr_writer *writer) {
  struct gr_fetch_data fetch = {.lane = 1, .from = 4, .upto = 9};
  gr_fetch_data_encode(writer, &roster, &fetch);
}

static bool recode_fetch_data(struct gr_reader *reader, struct gr_writer *writer) {
  struct gr_fetch_data fetch;
  if (!gr_fetch_data_decode(reader, &roster, &fetch)) return false;
  gr_fetch_data_encode(writer, &roster, &fetch);
  return true;
}

static void sample_fetch_log(struct gr_writer *writer) {
  gr_fetch_log_encode(writer, 9);
}

static bool recode_fetch_log(struct gr_reader *reader, struct gr_writer *writer) {
  gr_slot from;
  if (!gr_fetch_log_decode(reader, &from)) return false;
  gr_fetch_log_encode(writer, from);
  return true;
}

static void sample_transfer(struct gr_writer *writer) {
  gr_transfer_encode(writer, ballot_of(4));
}

static bool recode_transfer(struct gr_reader *reader, struct gr_writer *writer) {
  gr_ballot ballot;
  if (!gr_transfer_decode(reader, &ballot)) return false;
  gr_transfer_encode(writer, ballot);
  return true;
}

static const struct body bodies[] = {
    {GR_FRAME_HEARTBEAT, sample_heartbeat, recode_heartbeat},
    {GR_FRAME_ACCEPT, sample_accept, recode_accept},
    {GR_FRAME_ACCEPTED, sample_accepted, recode_accepted},
    {GR_FRAME_PREVOTE, sample_prevote, recode_prevote},
    {GR_FRAME_PREVOTE_ANSWER, sample_prevote_answer, recode_prevote_answer},
    {GR_FRAME_PREPARE, sample_prepare, recode_prepare},
    {GR_FRAME_PROMISE, sample_promise, recode_promise},
    {GR_FRAME_FETCH_DATA, sample_fetch_data, recode_fetch_data},
    {GR_FRAME_FETCH_LOG, sample_fetch_log, recode_fetch_log},
    {GR_FRAME_LOG, sample_log, recode_log},
    {GR_FRAME_TRANSFER, sample_transfer, recode_transfer},
};
#define BODY_COUNT (sizeof(bodies) / sizeof(bodies[0]))

static const struct body *body_of(enum gr_frame_type type) {
  const struct body *body = bodies;
  while (body->type != type) body++;
  return body;
}

static size_t sample_of(const struct body *body, uint8_t *bytes) {
  struct gr_writer writer = gr_writer_of(bytes, BODY_MAX);
  body->sample(&writer);
  cr_assert(!writer.bad);
  return writer.used;
}

static bool taken(const struct body *body, const uint8_t *bytes, size_t size) {
  uint8_t again[BODY_MAX];
  struct gr_writer writer = gr_writer_of(again, sizeof(again));
  struct gr_reader reader = gr_reader_of(bytes, size);
  return body->recode(&reader, &writer);
}

Test(paxos_frame, every_body_survives_a_round_trip) {
  for (size_t i = 0; i < BODY_COUNT; i++) {
    uint8_t bytes[BODY_MAX];
    uint8_t again[BODY_MAX];
    size_t size = sample_of(&bodies[i], bytes);
    struct gr_reader reader = gr_reader_of(bytes, size);
    struct gr_writer writer = gr_writer_of(again, sizeof(again));
    cr_assert(bodies[i].recode(&reader, &writer), "type %d", (int)bodies[i].type);
    cr_assert_eq(writer.used, size, "type %d", (int)bodies[i].type);
    cr_assert_arr_eq(again, bytes, size, "type %d", (int)bodies[i].type);
  }
}

Test(paxos_frame, a_body_of_any_other_length_is_refused) {
  for (size_t i = 0; i < BODY_COUNT; i++) {
    uint8_t bytes[BODY_MAX] = {0};
    size_t size = sample_of(&bodies[i], bytes);
    for (size_t cut = 0; cut <= size + 9; cut++)
      cr_assert_eq(taken(&bodies[i], bytes, cut), cut == size, "type %d, %zu of %zu",
                   (int)bodies[i].type, cut, size);
  }
}

/* A sample in which one number is changed to what must not be. */
struct spoiled {
  enum gr_frame_type type;
  size_t offset;
  size_t width;
  uint64_t value;
  const char *what;
};

#define HUGE_COUNT (UINT64_MAX / 4)

static const struct spoiled spoiled[] = {
    {GR_FRAME_HEARTBEAT, 0, 1, 8, "unknown flag"},
    {GR_FRAME_HEARTBEAT, 1, 8, 0, "view 0"},
    {GR_FRAME_HEARTBEAT, 9, 8, 0, "round 0 of a member"},
    {GR_FRAME_HEARTBEAT, 17, 8, 0, "ballot of nobody"},
    {GR_FRAME_HEARTBEAT, 25, 8, HUGE_COUNT, "accepted too large"},
    {GR_FRAME_HEARTBEAT, 33, 8, 6, "delivered beyond chosen"},
    {GR_FRAME_HEARTBEAT, 49, 8, 0, "log begins at 0"},
    {GR_FRAME_HEARTBEAT, 81, 1, 4, "more members than it tells of"},
    {GR_FRAME_HEARTBEAT, 81, 1, 2, "fewer members than it tells of"},
    {GR_FRAME_HEARTBEAT, 82, 8, 0, "tells of nobody"},
    {GR_FRAME_HEARTBEAT, 90, 8, 0, "formed, and one of them is not known"},
    {GR_FRAME_HEARTBEAT, 98, 8, 1, "a boot without storage"},
    {GR_FRAME_HEARTBEAT, 106, 8, 1, "lane of another boot"},
    {GR_FRAME_HEARTBEAT, 114, 8, HUGE_COUNT, "held too large"},
    {GR_FRAME_HEARTBEAT, 202, 2, 5, "note beyond the end"},
    {GR_FRAME_HEARTBEAT, 202, 2, 3, "note before the end"},
    {GR_FRAME_ACCEPT, 0, 8, 0, "view 0"},
    {GR_FRAME_ACCEPT, 8, 8, 0, "round 0"},
    {GR_FRAME_ACCEPT, 8, 8, HUGE_COUNT, "round too large"},
    {GR_FRAME_ACCEPT, 16, 8, 0, "ballot of nobody"},
    {GR_FRAME_ACCEPT, 24, 8, 4, "slot below the start"},
    {GR_FRAME_ACCEPT, 24, 8, HUGE_COUNT, "slot too large"},
    {GR_FRAME_ACCEPT, 32, 8, 0, "start 0"},
    {GR_FRAME_ACCEPT, 40, 8, 3, "a leader that had not learned all below its start"},
    {GR_FRAME_ACCEPT, 48, 8, 9, "delivered beyond chosen"},
    {GR_FRAME_ACCEPT, 56, 8, 8, "stable beyond delivered"},
    {GR_FRAME_ACCEPT, 72, 1, 2, "a cut that says it is a change"},
    {GR_FRAME_ACCEPT, 72, 1, 3, "unknown kind of value"},
    {GR_FRAME_ACCEPT, 73, 1, 0, "no lane"},
    {GR_FRAME_ACCEPT, 73, 1, 3, "more lanes than there are"},
    {GR_FRAME_ACCEPT, 73, 1, 255, "more lanes than members"},
    {GR_FRAME_ACCEPT, 74, 8, 40, "lane of a stranger"},
    {GR_FRAME_ACCEPT, 74, 8, 30, "lane named twice"},
    {GR_FRAME_ACCEPT, 98, 8, 10, "lane named twice"},
    {GR_FRAME_ACCEPT, 82, 8, 1, "lane of another boot"},
    {GR_FRAME_ACCEPT, 90, 8, 0, "lane up to 0"},
    {GR_FRAME_ACCEPT, 90, 8, HUGE_COUNT, "lane too far"},
    {GR_FRAME_ACCEPTED, 8, 8, 0, "no ballot"},
    {GR_FRAME_ACCEPTED, 40, 8, 9, "delivered beyond chosen"},
    {GR_FRAME_PREVOTE_ANSWER, 56, 1, 2, "neither yes nor no"},
    {GR_FRAME_PREPARE, 24, 8, 0, "from slot 0"},
    {GR_FRAME_PREPARE, 40, 8, 1, "a view that ended in a ballot of nobody"},
    {GR_FRAME_PROMISE, 24, 8, 20, "chosen beyond the end"},
    {GR_FRAME_PROMISE, 32, 8, 0, "log begins at 0"},
    {GR_FRAME_PROMISE, 40, 8, 0, "from slot 0"},
    {GR_FRAME_PROMISE, 40, 8, 21, "from behind the end"},
    {GR_FRAME_PROMISE, 56, 4, 13, "more values than slots"},
    {GR_FRAME_PROMISE, 56, 4, 3, "more values than there are"},
    {GR_FRAME_PROMISE, 56, 4, 1, "fewer values than there are"},
    {GR_FRAME_PROMISE, 56, 4, UINT32_MAX, "absurdly many values"},
    {GR_FRAME_PROMISE, 68, 8, 5, "a value above the promised ballot"},
    {GR_FRAME_LOG, 0, 8, 0, "from slot 0"},
    {GR_FRAME_LOG, 0, 8, 8, "values beyond chosen"},
    {GR_FRAME_LOG, 16, 8, 0, "log begins at 0"},
    {GR_FRAME_LOG, 24, 4, 3, "more values than there are"},
    {GR_FRAME_FETCH_DATA, 8, 8, 1, "lane of another boot"},
    {GR_FRAME_FETCH_DATA, 16, 8, 0, "from batch 0"},
    {GR_FRAME_FETCH_DATA, 24, 8, 3, "up to before from"},
    {GR_FRAME_FETCH_LOG, 0, 8, 0, "from slot 0"},
    {GR_FRAME_FETCH_LOG, 0, 8, HUGE_COUNT, "from too large"},
    {GR_FRAME_TRANSFER, 16, 8, 0, "ballot of nobody"},
};

static void store(uint8_t *at, size_t width, uint64_t value) {
  for (size_t i = 0; i < width; i++) at[i] = (uint8_t)(value >> (8 * i));
}

Test(paxos_frame, a_spoiled_body_is_refused) {
  for (size_t i = 0; i < sizeof(spoiled) / sizeof(spoiled[0]); i++) {
    const struct spoiled *row = &spoiled[i];
    uint8_t bytes[BODY_MAX];
    size_t size = sample_of(body_of(row->type), bytes);
    cr_assert_leq(row->offset + row->width, size);
    store(bytes + row->offset, row->width, row->value);
    cr_assert(!taken(body_of(row->type), bytes, size), "type %d: %s", (int)row->type,
              row->what);
  }
}

Test(paxos_frame, lanes_out_of_order_are_refused) {
  uint8_t bytes[BODY_MAX];
  size_t size = sample_of(body_of(GR_FRAME_ACCEPT), bytes);
  store(bytes + 74, 8, 30);
  store(bytes + 98, 8, 10);
  cr_assert(!taken(body_of(GR_FRAME_ACCEPT), bytes, size));
  store(bytes + 74, 8, 10);
  store(bytes + 98, 8, 20);
  cr_assert(taken(body_of(GR_FRAME_ACCEPT), bytes, size));
}

/* ---- headers ---- */

Test(paxos_frame, only_frames_of_this_group_are_opened) {
  const struct {
    size_t offset;
    size_t width;
    uint64_t value;
    bool seal; /* with a checksum that matches */
    int error;
    const char *what;
  } rows[] = {
      {4, 2, 0x7268, true, GR_ERR_MALFORMED, "magic"},
      {6, 1, 2, true, GR_ERR_PROTOCOL, "version"},
      {7, 1, 0, true, GR_ERR_MALFORMED, "type 0"},
      {7, 1, 13, true, GR_ERR_MALFORMED, "type 13"},
      {7, 1, GR_FRAME_PREPARE, false, GR_ERR_CORRUPT, "another type"},
      {0, 4, 0, false, GR_ERR_CORRUPT, "checksum"},
      {8, 8, 0x1235, true, GR_ERR_FOREIGN, "tag"},
      {16, 8, 0, true, GR_ERR_MALFORMED, "incarnation 0"},
      {24, 8, 1, true, GR_ERR_MALFORMED, "a boot without storage"},
      {32, 8, 0, true, GR_ERR_MALFORMED, "no view"},
      {32, 8, HUGE_COUNT, true, GR_ERR_MALFORMED, "view too large"},
      {32, 8, 2, true, GR_OK, "another view, of which the engine judges"},
      {40, 1, 77, false, GR_ERR_CORRUPT, "body"},
      {40, 1, 77, true, GR_OK, "body, which is no business of the header's"},
  };
  for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
    uint8_t bytes[BODY_MAX];
    struct gr_writer writer = gr_writer_of(bytes, sizeof(bytes));
    gr_frame_begin(&writer, &roster, roster.tag, GR_FRAME_PREVOTE);
    sample_prevote(&writer);
    gr_frame_end(&writer);
    store(bytes + rows[i].offset, rows[i].width, rows[i].value);
    if (rows[i].seal) gr_frame_end(&writer);
    struct gr_reader reader = gr_reader_of(bytes, writer.used);
    struct gr_frame_header header;
    cr_assert_eq(gr_frame_open(&reader, &roster, &header), rows[i].error, "%s",
                 rows[i].what);
  }
}

/* ---- batches ---- */

/* A batch with the pieces "ab" (more to come), "" and "cde". */
static uint32_t sample_batch(uint8_t *bytes) {
  uint8_t *at = bytes + GR_BATCH_HEADER_BYTES;
  const struct {
    uint32_t head;
    const char *text;
  } entries[] = {{2 | GR_ENTRY_MORE, "ab"}, {0, ""}, {3, "cde"}};
  for (size_t i = 0; i < 3; i++) {
    gr_store_u32(at, entries[i].head);
    memcpy(at + 4, entries[i].text, strlen(entries[i].text));
    at += 4 + strlen(entries[i].text);
  }
  uint32_t size = (uint32_t)(at - bytes);
  gr_batch_seal(&roster, bytes, size, 2, 8, 2);
  return size;
}

Test(paxos_frame, a_batch_says_what_is_in_it) {
  uint8_t bytes[BODY_MAX];
  uint32_t size = sample_batch(bytes);
  struct gr_reader reader = gr_reader_of(bytes, size);
  struct gr_batch batch;
  cr_assert_eq(gr_batch_open(&reader, &roster, &batch), GR_OK);
  cr_assert_eq(batch.lane, 2);
  cr_assert_eq(batch.seq, 8);
  cr_assert_eq(batch.messages, 2);
  cr_assert(batch.pieces);
  cr_assert_eq(batch.size, size);
  for (size_t cut = 0; cut < size; cut++) {
    reader = gr_reader_of(bytes, cut);
    cr_assert_neq(gr_batch_open(&reader, &roster, &batch), GR_OK, "%zu", cut);
  }
  for (size_t i = 0; i < size; i++) {
    bytes[i] ^= 0x10;
    reader = gr_reader_of(bytes, size);
    cr_assert_neq(gr_batch_open(&reader, &roster, &batch), GR_OK, "byte %zu", i);
    bytes[i] ^= 0x10;
  }
}

Test(paxos_frame, a_batch_that_does_not_add_up_is_refused) {
  const struct {
    uint32_t lane, messages, grow;
    uint64_t seq;
    size_t offset;
    uint32_t head; /* of the entry at `offset`, if that is not 0 */
    const char *what;
  } rows[] = {
      {2, 3, 0, 8, 0, 0, "more messages than end in it"},
      {2, 1, 0, 8, 0, 0, "fewer messages than end in it"},
      {2, 2, 0, 0, 0, 0, "number 0"},
      {2, 2, 0, HUGE_COUNT + 1, 0, 0, "number too large"},
      {2, 2, 2, 8, 0, 0, "half an entry's header at the end"},
      {2, 2, 0, 8, 50, 4, "an entry beyond the end"},
      {2, 2, 0, 8, 50, 0x7fffffff, "an entry of absurd size"},
      {2, 2, 2000, 8, 0, 0, "larger than a batch may be"},
  };
  for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
    uint8_t bytes[BODY_MAX] = {0};
    uint32_t size = sample_batch(bytes) + rows[i].grow;
    if (rows[i].offset > 0) gr_store_u32(bytes + rows[i].offset, rows[i].head);
    gr_batch_seal(&roster, bytes, size, rows[i].lane, rows[i].seq, rows[i].messages);
    struct gr_reader reader = gr_reader_of(bytes, size);
    struct gr_batch batch;
    cr_assert_eq(gr_batch_open(&reader, &roster, &batch), GR_ERR_MALFORMED, "%s",
                 rows[i].what);
  }
}

/* ---- at the engine ---- */

static uint64_t refused_in_all(const gr_counters *counters) {
  return counters->refused_malformed + counters->refused_corrupt +
         counters->refused_foreign + counters->refused_protocol + counters->refused_stale;
}

/* Nothing changes but one of the counters. */
static void check_refused(struct rig *rig, gr_member_id from, size_t size,
                          const char *what, size_t position) {
  gr_status before = rig_status(rig);
  gr_counters counters = rig_counters(rig);
  gr_slice frame = {rig->frame, size};
  int error = gr_paxos_receive(rig->paxos, from, frame, rig->now);
  cr_assert_eq(gr_error_classify(error), GR_CLASS_INPUT, "%s at %zu: %s", what, position,
               gr_error_name(error));
  gr_status after = rig_status(rig);
  gr_counters now = rig_counters(rig);
  cr_assert_arr_eq(&after, &before, sizeof(before));
  cr_assert_eq(refused_in_all(&now), refused_in_all(&counters) + 1);
  now.refused_malformed = counters.refused_malformed;
  now.refused_corrupt = counters.refused_corrupt;
  now.refused_foreign = counters.refused_foreign;
  now.refused_protocol = counters.refused_protocol;
  now.refused_stale = counters.refused_stale;
  cr_assert_arr_eq(&now, &counters, sizeof(now));
}

static size_t engine_frame(struct rig *rig, const struct body *body) {
  struct gr_writer writer = rig_begin(rig, 1, body->type);
  body->sample(&writer);
  gr_frame_end(&writer);
  return writer.used;
}

Test(paxos_frame, the_engine_refuses_every_damage_and_only_counts_it) {
  struct rig rig;
  rig_open(&rig, 3, 0);
  rig_meet(&rig);
  for (size_t i = 0; i < BODY_COUNT; i++) {
    size_t size = engine_frame(&rig, &bodies[i]);
    for (size_t cut = 0; cut < size; cut++) check_refused(&rig, 20, cut, "cut", cut);
    for (size_t at = 0; at < size; at++) {
      rig.frame[at] ^= 0xff;
      check_refused(&rig, 20, size, "damage", at);
      rig.frame[at] ^= 0xff;
    }
    check_refused(&rig, 40, size, "from a stranger", 0);
    check_refused(&rig, 10, size, "from itself", 0);
    /* Cut or grown, and with a checksum that matches. */
    for (size_t cut = GR_FRAME_HEADER_BYTES; cut <= size + 1; cut++) {
      if (cut == size) continue;
      engine_frame(&rig, &bodies[i]);
      rig.frame[size] = 0;
      struct gr_writer sealed = {.data = rig.frame, .used = cut};
      gr_frame_end(&sealed);
      check_refused(&rig, 20, cut, "sealed", cut);
    }
  }
  rig_close(&rig);
}

Test(paxos_frame, only_its_owner_speaks_for_a_ballot) {
  const enum gr_frame_type types[] = {GR_FRAME_ACCEPT, GR_FRAME_PREVOTE, GR_FRAME_PREPARE,
                                      GR_FRAME_TRANSFER};
  struct rig rig;
  rig_open(&rig, 3, 0);
  rig_meet(&rig);
  for (size_t i = 0; i < sizeof(types) / sizeof(types[0]); i++) {
    struct gr_writer writer = rig_begin(&rig, 2, types[i]);
    body_of(types[i])->sample(&writer); /* a ballot of member 20 */
    gr_frame_end(&writer);
    check_refused(&rig, 30, writer.used, "another's ballot", 0);
  }
  rig_close(&rig);
}

Test(paxos_frame, members_that_differ_in_what_must_be_equal_refuse_each_other) {
  const size_t offsets[] = {offsetof(gr_options, group_id),
                            offsetof(gr_options, founder_count),
                            offsetof(gr_options, message_bytes_max),
                            offsetof(gr_options, fragment_bytes_max),
                            offsetof(gr_options, batch_bytes_max),
                            offsetof(gr_options, unordered_bytes_max)};
  const uint8_t deltas[] = {1, 1,  64,
                            0, 64, 64}; /* added to the second byte, or the first */
  for (size_t i = 0; i < sizeof(offsets) / sizeof(offsets[0]); i++) {
    struct rig rig;
    rig_open(&rig, 4, 0);
    gr_options options = test_options(4, 1);
    uint8_t *field = (uint8_t *)&options + offsets[i];
    if (deltas[i] == 0)
      field[1]--; /* fragments: smaller */
    else
      field[0] = (uint8_t)(field[0] ^ deltas[i]);
    gr_paxos *other;
    cr_assert_eq(gr_paxos_new(&other, &options, NULL, rig.now), GR_OK, "row %zu", i);
    gr_paxos_poll(other, rig.now);
    gr_frame frame;
    cr_assert(gr_paxos_frame(other, test_id(0), &frame));
    cr_assert_eq(gr_paxos_receive(rig.paxos, test_id(1), frame.parts[0], rig.now),
                 GR_ERR_FOREIGN, "row %zu", i);
    gr_paxos_free(other);
    rig_close(&rig);
  }
}
