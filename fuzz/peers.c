/* SPDX-License-Identifier: MIT
 *
 * See peers.h.
 */
#include "peers.h"

#include "membership/message.h"

#include <string.h>

#define FRAME_BYTES_MAX 4096
#define VIEW_OFFSET 32 /* in a header */

/* ---- values near to what the member expects ---- */

static uint64_t near(struct fuzz_input *input, uint64_t base) {
  uint8_t choice = fuzz_u8(input);
  if (choice >= 0xf8) return fuzz_u64(input);
  uint64_t value = base + choice % 16;
  return value > 4 ? value - 4 : 0;
}

static gr_status status_of(const struct peers *peers) {
  gr_status status = {.size = sizeof(status)};
  gr_group_status(peers->group, &status);
  return status;
}

/* A round about the promised one; mostly of the member that says it. */
static gr_ballot near_ballot(struct peers *peers, struct fuzz_input *input,
                             gr_member_id from) {
  uint8_t choice = fuzz_u8(input);
  gr_status status = status_of(peers);
  gr_ballot ballot = {status.view, status.promised.round + (choice & 3), from};
  if (choice & 4 && ballot.round > 0) ballot.round--;
  if (choice & 8) ballot.member = (choice >> 4) % (MEMBERS + 1u);
  if (choice == 0xff) ballot.view = fuzz_u64(input);
  return ballot;
}

/* The ballot that the member has promised, as answers to its questions need it. */
static gr_ballot asked_ballot(struct peers *peers, struct fuzz_input *input) {
  gr_ballot ballot = near_ballot(peers, input, SELF);
  ballot.member = SELF;
  return ballot;
}

/* Without storage there are no boots. */
static uint64_t near_boot(const struct peers *peers, struct fuzz_input *input) {
  return peers->roster.durable ? 1 + fuzz_u8(input) % 3 : GR_BOOT_VOLATILE;
}

/* A change of the view, of a member or somebody who may be the next one. */
static struct gr_config near_change(struct fuzz_input *input, enum gr_change_kind kind) {
  uint8_t choice = fuzz_u8(input);
  struct gr_config config = {.kind = kind, .member = 1 + (choice & 7)};
  if (kind != GR_CHANGE_ADD) return config;
  config.incarnation = config.member;
  config.profile_bytes = choice >> 3;
  return config;
}

static struct gr_cut near_cut(struct peers *peers, struct fuzz_input *input) {
  uint8_t choice = fuzz_u8(input);
  struct gr_cut cut = {.lanes = choice % 8};
  if (choice >= 0xf8 && choice % 4 != 0) {
    cut.lanes = 0;
    cut.config = near_change(input, (enum gr_change_kind)(choice % 4));
    return cut;
  }
  if (cut.lanes == 0) cut.lanes = 2;
  gr_member member[MEMBERS] = {{.size = sizeof(gr_member)}};
  size_t count;
  gr_group_members(peers->group, member, MEMBERS, &count);
  for (uint32_t i = 0; i < MEMBERS; i++) {
    if (!gr_memberset_has(cut.lanes, i)) continue;
    cut.marks[i].upto = near(input, member[i].held + 3);
    cut.marks[i].boot = near_boot(peers, input);
  }
  return cut;
}

/* ---- frames of the peers ---- */

/* What the membership tells with heartbeats. */
static gr_slice near_note(struct peers *peers, struct fuzz_input *input, uint8_t *bytes) {
  uint8_t choice = fuzz_u8(input);
  gr_seqno seqno = status_of(peers).seqno;
  struct gr_note note = {.healthy = (choice & 1) == 0,
                         .leaving = (choice & 2) != 0,
                         .digest_seqno = near(input, seqno + 4),
                         .digest = near(input, 4),
                         .seqno = near(input, seqno + 4),
                         .suspect_count = choice >> 2 & 3};
  if (choice & 16) note.failed = near(input, seqno + 4);
  for (uint32_t i = 0; i < note.suspect_count; i++) note.suspects[i] = near(input, i + 5);
  struct gr_writer writer = gr_writer_of(bytes, GR_NOTE_BYTES_MAX);
  gr_note_encode(&writer, &note);
  return (gr_slice){bytes, writer.used};
}

static void write_heartbeat(struct peers *peers, struct fuzz_input *input,
                            gr_member_id from, struct gr_writer *writer) {
  gr_status status = status_of(peers);
  struct gr_heartbeat heartbeat = {.promised = near_ballot(peers, input, from)};
  uint8_t flags = fuzz_u8(input);
  heartbeat.leads = flags & 1;
  heartbeat.formed = (flags & 2) == 0;
  heartbeat.founding = (flags & 8) != 0;
  heartbeat.accepted = near(input, status.accepted);
  heartbeat.delivered = near(input, status.delivered);
  heartbeat.chosen = near(input, heartbeat.delivered + 4);
  heartbeat.log_first = flags & 4 ? near(input, status.log_first + 4) : 1;
  heartbeat.stamp = peers->now;
  heartbeat.echo = near(input, peers->now);
  heartbeat.echo_age = near(input, 4);
  heartbeat.named = gr_memberset_first(MEMBERS) & ~(gr_memberset)(flags >> 5);
  for (uint32_t i = 0; i < MEMBERS; i++) {
    heartbeat.incarnations[i] = i + 1 == SELF ? peers->roster.incarnation : i + 1;
    heartbeat.held[i].upto = near(input, peers->next_seq[i] + 3);
    heartbeat.held[i].boot = near_boot(peers, input);
    if (peers->roster.durable) heartbeat.boots[i] = fuzz_u8(input) % 4;
  }
  uint8_t note[GR_NOTE_BYTES_MAX];
  if (flags & 16) heartbeat.note = near_note(peers, input, note);
  gr_heartbeat_encode(writer, &peers->roster, &heartbeat);
}

/* A batch of up to eight entries; pieces as the fuzzer likes them. */
static void write_batch(struct peers *peers, struct fuzz_input *input, gr_member_id from,
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
  uint64_t seq =
      choice & 0x10 ? near(input, peers->next_seq[lane]) : ++peers->next_seq[lane];
  struct gr_roster sealer = peers->roster;
  sealer.boot = near_boot(peers, input);
  gr_batch_seal(&sealer, batch, (uint32_t)(writer->used - begin) + GR_BATCH_HEADER_BYTES,
                lane, seq, messages);
}

static void write_accept(struct peers *peers, struct fuzz_input *input, gr_member_id from,
                         struct gr_writer *writer) {
  gr_status status = status_of(peers);
  struct gr_accept accept = {.ballot = near_ballot(peers, input, from)};
  accept.slot = near(input, status.accepted + 5);
  accept.start = near(input, status.chosen + 5);
  accept.chosen = near(input, accept.start + 3);
  accept.delivered = near(input, status.delivered + 4);
  accept.stable = near(input, status.log_first + 3);
  accept.accepted = near(input, status.accepted + 4);
  accept.cut = near_cut(peers, input);
  gr_accept_encode(writer, &peers->roster, &accept);
}

static void write_values(struct peers *peers, struct fuzz_input *input, gr_member_id from,
                         uint32_t count, struct gr_writer *writer) {
  for (uint32_t i = 0; i < count; i++) {
    struct gr_log_value value = {near_ballot(peers, input, from), near_cut(peers, input)};
    gr_log_value_encode(writer, &peers->roster, &value);
  }
}

static void write_promise(struct peers *peers, struct fuzz_input *input,
                          gr_member_id from, struct gr_writer *writer) {
  gr_status status = status_of(peers);
  uint32_t count = fuzz_u8(input) % 8;
  struct gr_promise promise = {.ballot = asked_ballot(peers, input), .count = count};
  promise.chosen = near(input, status.chosen + 4);
  promise.log_first = near(input, status.log_first + 4);
  promise.from = near(input, status.chosen + 5);
  promise.end = near(input, promise.from + count + 4);
  gr_promise_encode(writer, &promise);
  write_values(peers, input, from, count, writer);
}

static void write_log(struct peers *peers, struct fuzz_input *input, gr_member_id from,
                      struct gr_writer *writer) {
  gr_status status = status_of(peers);
  uint32_t count = fuzz_u8(input) % 8;
  struct gr_log_run log = {.count = count};
  log.from = near(input, status.chosen + 5);
  log.chosen = near(input, log.from + count + 4);
  log.log_first = near(input, status.log_first + 4);
  gr_log_run_encode(writer, &log);
  write_values(peers, input, from, count, writer);
}

static void write_question(struct peers *peers, struct fuzz_input *input,
                           gr_member_id from, enum gr_frame_type type,
                           struct gr_writer *writer) {
  gr_status status = status_of(peers);
  if (type == GR_FRAME_PREVOTE) {
    struct gr_prevote prevote = {.ballot = near_ballot(peers, input, from),
                                 .asking = 1,
                                 .chosen = near(input, status.chosen + 4)};
    gr_prevote_encode(writer, &prevote);
  } else if (type == GR_FRAME_PREPARE) {
    struct gr_prepare prepare = {near_ballot(peers, input, from),
                                 near(input, status.chosen + 5),
                                 {.view = 1}};
    uint8_t choice = fuzz_u8(input);
    if (choice & 1) prepare.ended = near_ballot(peers, input, from);
    if (choice & 2) prepare.ballot.view++;
    gr_prepare_encode(writer, &prepare);
  } else if (type == GR_FRAME_FETCH_DATA) {
    uint32_t lane = fuzz_u8(input) % MEMBERS;
    struct gr_fetch_data fetch = {.lane = lane, .from = near(input, 5)};
    fetch.upto = near(input, fetch.from + 4);
    fetch.boot = near_boot(peers, input);
    gr_fetch_data_encode(writer, &peers->roster, &fetch);
  } else if (type == GR_FRAME_FETCH_LOG) {
    gr_fetch_log_encode(writer, near(input, status.log_first + 4));
  } else {
    gr_transfer_encode(writer, near_ballot(peers, input, from));
  }
}

static void write_answer(struct peers *peers, struct fuzz_input *input, gr_member_id from,
                         enum gr_frame_type type, struct gr_writer *writer) {
  gr_status status = status_of(peers);
  if (type == GR_FRAME_PREVOTE_ANSWER) {
    gr_counters counters = {.size = sizeof(counters)};
    gr_group_counters(peers->group, &counters);
    struct gr_prevote_answer answer = {.ballot = asked_ballot(peers, input),
                                       .promised = near_ballot(peers, input, from)};
    answer.asking = near(input, counters.prevotes_started + 4);
    answer.granted = fuzz_u8(input) & 1;
    gr_prevote_answer_encode(writer, &answer);
    return;
  }
  struct gr_accepted accepted = {.promised = near_ballot(peers, input, SELF)};
  accepted.accepted = near(input, status.accepted + 4);
  accepted.delivered = near(input, status.delivered + 4);
  accepted.chosen = near(input, accepted.delivered + 4);
  gr_accepted_encode(writer, &accepted);
}

static void write_body(struct peers *peers, struct fuzz_input *input, gr_member_id from,
                       enum gr_frame_type type, struct gr_writer *writer) {
  switch (type) {
  case GR_FRAME_HEARTBEAT:
    write_heartbeat(peers, input, from, writer);
    return;
  case GR_FRAME_DATA:
    write_batch(peers, input, from, writer);
    return;
  case GR_FRAME_ACCEPT:
    write_accept(peers, input, from, writer);
    return;
  case GR_FRAME_ACCEPTED:
  case GR_FRAME_PREVOTE_ANSWER:
    write_answer(peers, input, from, type, writer);
    return;
  case GR_FRAME_PREVOTE:
  case GR_FRAME_PREPARE:
  case GR_FRAME_FETCH_DATA:
  case GR_FRAME_FETCH_LOG:
  case GR_FRAME_TRANSFER:
    write_question(peers, input, from, type, writer);
    return;
  case GR_FRAME_PROMISE:
    write_promise(peers, input, from, writer);
    return;
  case GR_FRAME_LOG:
    write_log(peers, input, from, writer);
    return;
  }
}

/* Hands a frame of a peer to the member, in memory of exactly its size. */
static void receive(struct peers *peers, gr_member_id from,
                    const struct gr_writer *writer) {
  if (writer->bad) return;
  uint8_t *frame = fuzz_allocate(writer->used);
  memcpy(frame, writer->data, writer->used);
  gr_group_receive(peers->group, from, (gr_slice){frame, writer->used}, peers->now);
  free(frame);
}

static struct gr_writer begin(struct peers *peers, uint8_t *bytes, gr_member_id from,
                              enum gr_frame_type type) {
  struct gr_writer writer = gr_writer_of(bytes, FRAME_BYTES_MAX);
  struct gr_roster sender = peers->roster;
  sender.view = status_of(peers).view;
  sender.incarnation = from;
  sender.boot = peers->boots[from - 1];
  gr_frame_begin(&writer, &sender, sender.tag, type);
  return writer;
}

/* Fills in the header's checksum, which does not cover a batch. */
static void end(struct gr_writer *writer, enum gr_frame_type type) {
  struct gr_writer covered = *writer;
  if (type == GR_FRAME_DATA) covered.used = GR_FRAME_HEADER_BYTES;
  gr_frame_end(&covered);
}

void peer_speaks(struct peers *peers, struct fuzz_input *input, enum gr_frame_type type) {
  uint8_t bytes[FRAME_BYTES_MAX];
  uint8_t choice = fuzz_u8(input);
  gr_member_id from = 2 + (choice & 1);
  if (peers->roster.durable && (choice & 0xf0) == 0xe0) peers->boots[from - 1]++;
  bool early = (choice & 0xf0) == 0xd0; /* of the next view */
  struct gr_writer writer = begin(peers, bytes, from, type);
  if (early) gr_store_u64(bytes + VIEW_OFFSET, status_of(peers).view + 1);
  if (choice >= 0xf0) {
    struct fuzz_input body = fuzz_take(input, fuzz_u8(input));
    gr_write_bytes(&writer, body.at, body.left);
  } else {
    write_body(peers, input, from, type, &writer);
  }
  end(&writer, type);
  receive(peers, from, &writer);
}

/* The peers' heartbeats make the member take part. */
void peers_meet(struct peers *peers) {
  for (gr_member_id from = 2; from <= MEMBERS; from++) {
    uint8_t bytes[FRAME_BYTES_MAX];
    struct gr_writer writer = begin(peers, bytes, from, GR_FRAME_HEARTBEAT);
    struct gr_heartbeat heartbeat = {.promised = {.view = 1}, .log_first = 1, .stamp = 1};
    heartbeat.named = gr_memberset_first(MEMBERS);
    for (uint32_t i = 0; i < MEMBERS; i++) {
      heartbeat.incarnations[i] = i + 1 == SELF ? peers->roster.incarnation : i + 1;
      heartbeat.held[i].boot = peers->roster.durable ? GR_BOOT_FIRST : GR_BOOT_VOLATILE;
    }
    gr_heartbeat_encode(&writer, &peers->roster, &heartbeat);
    end(&writer, GR_FRAME_HEARTBEAT);
    receive(peers, from, &writer);
  }
}
