/* SPDX-License-Identifier: MIT
 *
 * One member against two peers that say anything. The peers' frames have good headers and
 * checksums; what they say is the fuzzer's, from bytes that are no body at all to bodies
 * whose every field is near to what the member expects. In between time passes, the host
 * broadcasts, dispatches, and its transport refuses.
 *
 * Two peers of three that lie are more than the protocol tolerates: the member may halt.
 * What it must not do is to touch memory that is not its own, exceed its limits, send
 * frames with wrong headers or checksums, or deliver out of its peers' own order. (That
 * honest members send only what is well-formed, cluster.c checks.)
 *
 *   input: mode u8 | steps ...; each step begins with a byte that selects it
 */
#include "frame_check.h"
#include "fuzz.h"
#include "members.h"

#include <string.h>

#define SELF 1
#define STEPS_MAX 400
#define MESSAGES_MAX STEPS_MAX
#define FRAME_BYTES_MAX 4096
#define CALLBACK_BROADCASTS_MAX 8

struct run {
  gr_group *group;
  gr_time now;
  struct gr_roster roster; /* the tag is known from the first frame on */
  uint8_t refused;         /* bit of each peer for which the transport has no room */
  gr_seqno seqno;
  uint64_t numbers[MEMBERS];
  uint64_t next_seq[MEMBERS]; /* of the batches that the peers send */
  size_t sizes[MESSAGES_MAX]; /* of the own messages, by number - 1 */
  uint64_t broadcasts;
  uint32_t callback_broadcasts; /* how many more the callbacks will make */
};

/* ---- the host ---- */

static bool host_send(void *context, gr_member_id to, const gr_slice *parts,
                      size_t part_count) {
  struct run *run = context;
  if (run->refused >> to & 1) return false;
  size_t size = 0;
  FUZZ_CHECK(part_count >= 1 && parts[0].size <= GR_FRAME_HEADER_MAX, "a header fits");
  for (size_t i = 0; i < part_count; i++) size += parts[i].size;
  uint8_t *frame = fuzz_allocate(size);
  size_t at = 0;
  for (size_t i = 0; i < part_count; at += parts[i++].size)
    memcpy(frame + at, parts[i].data, parts[i].size);
  bool is_batch = part_count > 1;
  if (run->roster.tag == 0) {
    FUZZ_CHECK(size >= GR_FRAME_HEADER_BYTES, "a frame has a header");
    run->roster.tag = gr_load_u64(frame + 8);
    run->roster.incarnation = gr_load_u64(frame + 16);
  }
  /* Marks that contradict each other may come from what it was told; nothing else may. */
  int error = frame_check(&run->roster, frame, size);
  FUZZ_CHECK(error == GR_OK || (error == GR_ERR_MALFORMED && !is_batch),
             "what a member sends is well-formed");
  FUZZ_CHECK(gr_load_u64(frame + 16) == run->roster.incarnation,
             "a process has one incarnation");
  free(frame);
  return true;
}

static void broadcast(struct run *run, size_t size) {
  uint8_t bytes[MESSAGE_BYTES_MAX + 1];
  uint64_t number = 0;
  if (run->broadcasts == MESSAGES_MAX) return;
  message_fill(bytes, size, SELF, run->broadcasts + 1);
  gr_slice parts[2] = {{bytes, size / 2}, {bytes + size / 2, size - size / 2}};
  int error = gr_group_broadcast(run->group, parts, 2, run->now, &number);
  FUZZ_CHECK((error == GR_ERR_TOO_LARGE) ==
                 (size > MESSAGE_BYTES_MAX && error != GR_ERR_HALTED),
             "exactly what is larger than the limit is too large");
  if (error != GR_OK) return;
  FUZZ_CHECK(number == run->broadcasts + 1, "own messages are counted");
  run->sizes[run->broadcasts++] = size;
}

static int host_deliver(void *context, const gr_delivery *delivery) {
  struct run *run = context;
  FUZZ_CHECK(delivery->seqno == run->seqno + 1, "the order has no holes");
  FUZZ_CHECK(delivery->origin >= 1 && delivery->origin <= MEMBERS, "a member's message");
  uint64_t *number = &run->numbers[delivery->origin - 1];
  FUZZ_CHECK(delivery->number == *number + 1, "an origin's messages come in its order");
  FUZZ_CHECK(delivery->bytes <= MESSAGE_BYTES_MAX, "a message is within the limit");
  run->seqno++;
  ++*number;
  if (delivery->origin == SELF) {
    FUZZ_CHECK(*number <= run->broadcasts, "only what was broadcast is delivered");
    message_check(delivery, run->sizes[*number - 1]);
  }
  FUZZ_CHECK(gr_group_dispatch(run->group) == GR_ERR_REENTRANT, "no call from inside");
  if (run->callback_broadcasts > 0) {
    run->callback_broadcasts--;
    broadcast(run, 100);
  }
  return 0;
}

/* ---- values near to what the member expects ---- */

static uint64_t near(struct fuzz_input *input, uint64_t base) {
  uint8_t choice = fuzz_u8(input);
  if (choice >= 0xf8) return fuzz_u64(input);
  uint64_t value = base + choice % 16;
  return value > 4 ? value - 4 : 0;
}

static gr_status status_of(const struct run *run) {
  gr_status status = {.size = sizeof(status)};
  gr_group_status(run->group, &status);
  return status;
}

/* A round about the promised one; mostly of the member that says it. */
static gr_ballot near_ballot(struct run *run, struct fuzz_input *input,
                             gr_member_id from) {
  uint8_t choice = fuzz_u8(input);
  gr_ballot ballot = {1, status_of(run).promised.round + (choice & 3), from};
  if (choice & 4 && ballot.round > 0) ballot.round--;
  if (choice & 8) ballot.member = (choice >> 4) % (MEMBERS + 1u);
  if (choice == 0xff) ballot.view = fuzz_u64(input);
  return ballot;
}

/* The ballot that the member has promised, as answers to its questions need it. */
static gr_ballot asked_ballot(struct run *run, struct fuzz_input *input) {
  gr_ballot ballot = near_ballot(run, input, SELF);
  ballot.member = SELF;
  return ballot;
}

static struct gr_cut near_cut(struct run *run, struct fuzz_input *input) {
  struct gr_cut cut = {.lanes = fuzz_u8(input) % 8};
  if (cut.lanes == 0) cut.lanes = 2;
  gr_member member[MEMBERS] = {{.size = sizeof(gr_member)}};
  size_t count;
  gr_group_members(run->group, member, MEMBERS, &count);
  for (uint32_t i = 0; i < MEMBERS; i++)
    if (gr_memberset_has(cut.lanes, i))
      cut.marks[i].upto = near(input, member[i].held + 3);
  return cut;
}

/* ---- frames of the peers ---- */

static void write_heartbeat(struct run *run, struct fuzz_input *input, gr_member_id from,
                            struct gr_writer *writer) {
  gr_status status = status_of(run);
  struct gr_heartbeat heartbeat = {.promised = near_ballot(run, input, from)};
  uint8_t flags = fuzz_u8(input);
  heartbeat.leads = flags & 1;
  heartbeat.formed = (flags & 2) == 0;
  heartbeat.accepted = near(input, status.accepted);
  heartbeat.delivered = near(input, status.delivered);
  heartbeat.chosen = near(input, heartbeat.delivered + 4);
  heartbeat.log_first = flags & 4 ? near(input, status.log_first + 4) : 1;
  heartbeat.stamp = run->now;
  heartbeat.echo = near(input, run->now);
  heartbeat.echo_age = near(input, 4);
  for (uint32_t i = 0; i < MEMBERS; i++) {
    heartbeat.incarnations[i] = i + 1 == SELF ? run->roster.incarnation : i + 1;
    heartbeat.held[i].upto = near(input, run->next_seq[i] + 3);
  }
  gr_heartbeat_encode(writer, &run->roster, &heartbeat);
}

/* A batch of up to eight entries; pieces as the fuzzer likes them. */
static void write_batch(struct run *run, struct fuzz_input *input, gr_member_id from,
                        struct gr_writer *writer) {
  uint8_t choice = fuzz_u8(input);
  uint32_t lane = choice & 0x80 ? (choice >> 5) % MEMBERS : (uint32_t)(from - 1);
  uint8_t *batch = gr_write_room(writer, GR_BATCH_HEADER_BYTES);
  size_t begin = writer->used;
  uint32_t messages = 0;
  uint8_t pieces = fuzz_u8(input);
  for (uint32_t i = 0; i <= (choice & 7u); i++) {
    uint32_t more = pieces >> i & 1;
    uint32_t size = fuzz_u8(input);
    if (size >= 0xf0) size = 512;
    gr_write_u32(writer, size | (more ? GR_ENTRY_MORE : 0));
    uint8_t *room = gr_write_room(writer, size);
    if (room) memset(room, (int)i, size);
    messages += !more;
  }
  uint64_t seq = choice & 0x10 ? near(input, run->next_seq[lane]) : ++run->next_seq[lane];
  gr_batch_seal(&run->roster, batch,
                (uint32_t)(writer->used - begin) + GR_BATCH_HEADER_BYTES, lane, seq,
                messages);
}

static void write_accept(struct run *run, struct fuzz_input *input, gr_member_id from,
                         struct gr_writer *writer) {
  gr_status status = status_of(run);
  struct gr_accept accept = {.ballot = near_ballot(run, input, from)};
  accept.slot = near(input, status.accepted + 5);
  accept.start = near(input, status.chosen + 5);
  accept.chosen = near(input, accept.start + 3);
  accept.delivered = near(input, status.delivered + 4);
  accept.stable = near(input, status.log_first + 3);
  accept.accepted = near(input, status.accepted + 4);
  accept.cut = near_cut(run, input);
  gr_accept_encode(writer, &run->roster, &accept);
}

static void write_values(struct run *run, struct fuzz_input *input, gr_member_id from,
                         uint32_t count, struct gr_writer *writer) {
  for (uint32_t i = 0; i < count; i++) {
    struct gr_log_value value = {near_ballot(run, input, from), near_cut(run, input)};
    gr_log_value_encode(writer, &run->roster, &value);
  }
}

static void write_promise(struct run *run, struct fuzz_input *input, gr_member_id from,
                          struct gr_writer *writer) {
  gr_status status = status_of(run);
  uint32_t count = fuzz_u8(input) % 8;
  struct gr_promise promise = {.ballot = asked_ballot(run, input), .count = count};
  promise.chosen = near(input, status.chosen + 4);
  promise.log_first = near(input, status.log_first + 4);
  promise.from = near(input, status.chosen + 5);
  promise.end = near(input, promise.from + count + 4);
  gr_promise_encode(writer, &promise);
  write_values(run, input, from, count, writer);
}

static void write_log(struct run *run, struct fuzz_input *input, gr_member_id from,
                      struct gr_writer *writer) {
  gr_status status = status_of(run);
  uint32_t count = fuzz_u8(input) % 8;
  struct gr_log_run log = {.count = count};
  log.from = near(input, status.chosen + 5);
  log.chosen = near(input, log.from + count + 4);
  log.log_first = near(input, status.log_first + 4);
  gr_log_run_encode(writer, &log);
  write_values(run, input, from, count, writer);
}

static void write_question(struct run *run, struct fuzz_input *input, gr_member_id from,
                           enum gr_frame_type type, struct gr_writer *writer) {
  gr_status status = status_of(run);
  if (type == GR_FRAME_PREVOTE) {
    struct gr_prevote prevote = {.ballot = near_ballot(run, input, from),
                                 .asking = 1,
                                 .chosen = near(input, status.chosen + 4)};
    gr_prevote_encode(writer, &prevote);
  } else if (type == GR_FRAME_PREPARE) {
    struct gr_prepare prepare = {near_ballot(run, input, from),
                                 near(input, status.chosen + 5)};
    gr_prepare_encode(writer, &prepare);
  } else if (type == GR_FRAME_FETCH_DATA) {
    uint32_t lane = fuzz_u8(input) % MEMBERS;
    struct gr_fetch_data fetch = {.lane = lane, .from = near(input, 5)};
    fetch.upto = near(input, fetch.from + 4);
    gr_fetch_data_encode(writer, &run->roster, &fetch);
  } else if (type == GR_FRAME_FETCH_LOG) {
    gr_fetch_log_encode(writer, near(input, status.log_first + 4));
  } else {
    gr_transfer_encode(writer, near_ballot(run, input, from));
  }
}

static void write_answer(struct run *run, struct fuzz_input *input, gr_member_id from,
                         enum gr_frame_type type, struct gr_writer *writer) {
  gr_status status = status_of(run);
  if (type == GR_FRAME_PREVOTE_ANSWER) {
    gr_counters counters = {.size = sizeof(counters)};
    gr_group_counters(run->group, &counters);
    struct gr_prevote_answer answer = {.ballot = asked_ballot(run, input),
                                       .promised = near_ballot(run, input, from)};
    answer.asking = near(input, counters.prevotes_started + 4);
    answer.granted = fuzz_u8(input) & 1;
    gr_prevote_answer_encode(writer, &answer);
    return;
  }
  struct gr_accepted accepted = {.promised = near_ballot(run, input, SELF)};
  accepted.accepted = near(input, status.accepted + 4);
  accepted.delivered = near(input, status.delivered + 4);
  accepted.chosen = near(input, accepted.delivered + 4);
  gr_accepted_encode(writer, &accepted);
}

static void write_body(struct run *run, struct fuzz_input *input, gr_member_id from,
                       enum gr_frame_type type, struct gr_writer *writer) {
  switch (type) {
  case GR_FRAME_HEARTBEAT:
    write_heartbeat(run, input, from, writer);
    return;
  case GR_FRAME_DATA:
    write_batch(run, input, from, writer);
    return;
  case GR_FRAME_ACCEPT:
    write_accept(run, input, from, writer);
    return;
  case GR_FRAME_ACCEPTED:
  case GR_FRAME_PREVOTE_ANSWER:
    write_answer(run, input, from, type, writer);
    return;
  case GR_FRAME_PREVOTE:
  case GR_FRAME_PREPARE:
  case GR_FRAME_FETCH_DATA:
  case GR_FRAME_FETCH_LOG:
  case GR_FRAME_TRANSFER:
    write_question(run, input, from, type, writer);
    return;
  case GR_FRAME_PROMISE:
    write_promise(run, input, from, writer);
    return;
  case GR_FRAME_LOG:
    write_log(run, input, from, writer);
    return;
  }
}

/* Hands a frame of a peer to the member, in memory of exactly its size. */
static void receive(struct run *run, gr_member_id from, const struct gr_writer *writer) {
  if (writer->bad) return;
  uint8_t *frame = fuzz_allocate(writer->used);
  memcpy(frame, writer->data, writer->used);
  gr_group_receive(run->group, from, (gr_slice){frame, writer->used}, run->now);
  free(frame);
}

static struct gr_writer begin(struct run *run, uint8_t *bytes, gr_member_id from,
                              enum gr_frame_type type) {
  struct gr_writer writer = gr_writer_of(bytes, FRAME_BYTES_MAX);
  struct gr_roster sender = run->roster;
  sender.incarnation = from;
  gr_frame_begin(&writer, &sender, type);
  return writer;
}

/* Fills in the header's checksum, which does not cover a batch. */
static void end(struct gr_writer *writer, enum gr_frame_type type) {
  struct gr_writer covered = *writer;
  if (type == GR_FRAME_DATA) covered.used = GR_FRAME_HEADER_BYTES;
  gr_frame_end(&covered);
}

static void peer_speaks(struct run *run, struct fuzz_input *input,
                        enum gr_frame_type type) {
  uint8_t bytes[FRAME_BYTES_MAX];
  uint8_t choice = fuzz_u8(input);
  gr_member_id from = 2 + (choice & 1);
  struct gr_writer writer = begin(run, bytes, from, type);
  if (choice >= 0xf0) {
    struct fuzz_input body = fuzz_take(input, fuzz_u8(input));
    gr_write_bytes(&writer, body.at, body.left);
  } else {
    write_body(run, input, from, type, &writer);
  }
  end(&writer, type);
  receive(run, from, &writer);
}

/* ---- a run ---- */

static void start(struct run *run, uint8_t mode) {
  gr_host host = {.size = sizeof(host),
                  .context = run,
                  .send = host_send,
                  .deliver = host_deliver};
  gr_allocator allocator = member_allocator();
  gr_options options = member_options(SELF, 7, mode & 1 ? 1 : 32);
  run->roster = (struct gr_roster){.view = 1,
                                   .count = MEMBERS,
                                   .ids = {1, 2, 3},
                                   .message_bytes_max = MESSAGE_BYTES_MAX,
                                   .batch_bytes_max = BATCH_BYTES_MAX};
  run->now = 1000 * MS;
  run->callback_broadcasts = mode & 2 ? CALLBACK_BROADCASTS_MAX : 0;
  FUZZ_CHECK(gr_group_new(&run->group, &options, &host, &allocator, run->now) == GR_OK,
             "the options are good");
  gr_group_poll(run->group, run->now);
  gr_group_dispatch(run->group);
  FUZZ_CHECK(run->roster.tag != 0, "a member begins with heartbeats");
}

/* The peers' heartbeats make the member take part. */
static void meet(struct run *run) {
  for (gr_member_id from = 2; from <= MEMBERS; from++) {
    uint8_t bytes[FRAME_BYTES_MAX];
    struct gr_writer writer = begin(run, bytes, from, GR_FRAME_HEARTBEAT);
    struct gr_heartbeat heartbeat = {.promised = {.view = 1}, .log_first = 1, .stamp = 1};
    for (uint32_t i = 0; i < MEMBERS; i++)
      heartbeat.incarnations[i] = i + 1 == SELF ? run->roster.incarnation : i + 1;
    gr_heartbeat_encode(&writer, &run->roster, &heartbeat);
    end(&writer, GR_FRAME_HEARTBEAT);
    receive(run, from, &writer);
  }
  FUZZ_CHECK(status_of(run).role == GR_ROLE_FOLLOWER, "who has met all takes part");
}

static void step(struct run *run, struct fuzz_input *input) {
  static const size_t sizes[] = {0, 1, 100, 511, 512, 513, 1024, 4095, 4096, 4097};
  uint8_t choice = fuzz_u8(input) % 18;
  if (choice < GR_FRAME_TRANSFER) {
    peer_speaks(run, input, (enum gr_frame_type)(choice + GR_FRAME_HEARTBEAT));
    return;
  }
  uint8_t argument = fuzz_u8(input);
  switch (choice) {
  case 12:
    run->now += argument < 128 ? argument * MS / 10 : argument * 4 * MS;
    gr_group_poll(run->group, run->now);
    break;
  case 13:
    broadcast(run, sizes[argument % (sizeof(sizes) / sizeof(sizes[0]))]);
    break;
  case 14:
    run->refused = argument;
    for (gr_member_id to = 2; to <= MEMBERS; to++)
      if ((argument >> to & 1) == 0) gr_group_sendable(run->group, to);
    break;
  case 15:
    gr_group_transfer(run->group, argument % 5, run->now);
    break;
  default:
    gr_group_dispatch(run->group);
    break;
  }
}

static void check_halted(struct run *run) {
  const char *text = NULL;
  int error = gr_group_halt_reason(run->group, &text);
  FUZZ_CHECK(error == GR_ERR_INVARIANT || error == GR_ERR_BEHIND,
             "a reason that peers give");
  FUZZ_CHECK(text && text[0] != 0, "a halt is explained");
  FUZZ_CHECK(gr_group_dispatch(run->group) == GR_ERR_HALTED, "who has halted is silent");
  FUZZ_CHECK(gr_group_deadline(run->group) == GR_TIME_NEVER, "and waits for nothing");
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  static struct run run;
  struct fuzz_input input = {data, size};
  run = (struct run){.now = 0};
  start(&run, fuzz_u8(&input));
  meet(&run);
  for (size_t i = 0; i < STEPS_MAX && input.left > 0; i++) {
    step(&run, &input);
    member_check(run.group);
    if (gr_group_halt_reason(run.group, NULL) == GR_OK) continue;
    check_halted(&run);
    break;
  }
  gr_group_dispatch(run.group);
  FUZZ_CHECK(gr_group_free(run.group) == GR_OK, "it ends");
  return 0;
}
