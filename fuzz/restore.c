/* SPDX-License-Identifier: MIT
 *
 * One member that comes back from a storage that holds anything: records with good heads
 * and checksums, whose bodies are near to what the member expects, or no bodies at all,
 * some of them damaged or out of order. If it takes them, it goes on: its peers say
 * anything, time passes, storage syncs when it likes, and the member is started again
 * from what it stored.
 *
 * It may refuse, with one of the codes that are documented, and then it has halted. What
 * it must not do is to touch memory that is not its own, to deliver what the host has
 * applied, or anything out of order, or to store what it cannot read back.
 *
 *   input: mode u8 | applied u8 | records u8 | records ... | steps ...
 */
#include "fuzz.h"
#include "paxos/record.h"
#include "peers.h"
#include "storage.h"

#include <string.h>

#define RECORDS_MAX 64
#define STEPS_MAX 200
#define RECORD_BYTES_MAX 4096
#define INCARNATION 7

enum mode {
  MODE_STATE = 1 << 0,  /* storage begins with a state */
  MODE_WHOLE = 1 << 1,  /* and with a view, a boot and a promise */
  MODE_FORMED = 1 << 2, /* which says that all have met */
  MODE_AHEAD = 1 << 3   /* the host has applied more than storage can know */
};

struct run {
  struct peers peers; /* `boots` and `next_seq` also of the records */
  gr_seqno seqno;     /* delivered, or applied before */
  struct storage storage;
  gr_ticket ticket; /* the next record's */
  uint64_t group;   /* as records name it */
  uint64_t epoch;   /* its random part: which founders' */
  uint64_t view;    /* the number of the view, as far as records say */
  uint64_t round;   /* promised, likewise */
  gr_slot slot;     /* the next one */
};

/* ---- the host ---- */

static bool host_send(void *context, gr_member_id to, const gr_slice *parts,
                      size_t part_count) {
  struct run *run = context;
  FUZZ_CHECK(to != SELF && part_count >= 1, "a frame for a peer");
  FUZZ_CHECK(parts[0].size >= GR_FRAME_HEADER_BYTES, "a frame has a header");
  run->peers.roster.tag = gr_load_u64((const uint8_t *)parts[0].data + 8);
  run->peers.roster.incarnation = gr_load_u64((const uint8_t *)parts[0].data + 16);
  return true;
}

static int host_deliver(void *context, const gr_delivery *delivery) {
  struct run *run = context;
  FUZZ_CHECK(delivery->seqno == run->seqno + 1, "the order has no holes");
  FUZZ_CHECK(delivery->bytes <= MESSAGE_BYTES_MAX, "a message is within the limit");
  run->seqno++;
  return 0;
}

static int host_store(void *context, gr_ticket ticket, const gr_slice *parts,
                      size_t part_count) {
  struct run *run = context;
  storage_append(&run->storage, ticket, parts, part_count);
  return 0;
}

static int host_trim(void *context, gr_ticket first, gr_slice state) {
  struct run *run = context;
  storage_trim(&run->storage, first, state);
  return 0;
}

static void open_member(struct run *run, gr_seqno applied) {
  gr_host host = {.size = sizeof(host),
                  .context = run,
                  .send = host_send,
                  .deliver = host_deliver,
                  .store = host_store,
                  .trim = host_trim};
  gr_allocator allocator = member_allocator();
  gr_options options = member_options(SELF, 7, 32);
  options.applied = applied;
  run->seqno = applied;
  FUZZ_CHECK(gr_group_new(&run->peers.group, &options, &host, &allocator,
                          run->peers.now) == GR_OK,
             "the options are good");
}

static gr_status status_of(const struct run *run) {
  gr_status status = {.size = sizeof(status)};
  gr_group_status(run->peers.group, &status);
  return status;
}

/* The group is in the first record of a new member, the tag in its first frame. */
static void find_tag(struct run *run) {
  open_member(run, 0);
  FUZZ_CHECK(gr_group_resume(run->peers.group, run->peers.now) == GR_OK, "a new member");
  gr_group_dispatch(run->peers.group);
  FUZZ_CHECK(run->storage.count == 2, "it stores who it is, and its boot");
  const uint8_t *view = run->storage.records[0].bytes + GR_RECORD_HEADER_BYTES;
  run->group = gr_load_u64(view);
  run->epoch = gr_load_u64(view + 16);
  gr_group_stored(run->peers.group, 2);
  gr_group_poll(run->peers.group, run->peers.now);
  gr_group_dispatch(run->peers.group);
  FUZZ_CHECK(run->peers.roster.tag != 0, "it speaks");
  gr_group_free(run->peers.group);
  storage_clear(&run->storage);
}

/* ---- records ---- */

static uint64_t near(struct fuzz_input *input, uint64_t base) {
  uint8_t choice = fuzz_u8(input);
  if (choice >= 0xf8) return fuzz_u64(input);
  if (choice >= 0x40) return base;
  uint64_t value = base + choice % 8;
  return value > 2 ? value - 2 : 0;
}

static struct gr_view_record view_of(const struct run *run, bool formed) {
  struct gr_view_record view = {.epoch = {1, run->epoch},
                                .self = SELF,
                                .incarnation = INCARNATION,
                                .formed = formed};
  struct gr_seats *seats = &view.seats;
  *seats = (struct gr_seats){.number = run->view, .first = 1, .next_id = MEMBERS + 1};
  for (seats->count = 0; seats->count < MEMBERS; seats->count++)
    seats->seats[seats->count] =
        (struct gr_seat_kept){.id = seats->count + 1,
                              .incarnation = seats->count + 1 == SELF ? INCARNATION
                                                                      : seats->count + 1,
                              .voter = true};
  return view;
}

static void write_view(struct run *run, bool formed, struct gr_writer *writer) {
  struct gr_view_record view = view_of(run, formed);
  gr_view_record_encode(writer, run->group, &view);
}

static void write_state(struct run *run, struct fuzz_input *input, bool formed,
                        struct gr_writer *writer) {
  struct gr_state_record state = {.first = near(input, 1), .boot = near(input, 1)};
  run->view = near(input, 1);
  state.view = view_of(run, formed);
  state.promised = (gr_ballot){run->view, near(input, 1), 2};
  state.slot = near(input, 3);
  state.seqno = near(input, 0);
  for (uint32_t i = 0; i < MEMBERS; i++) {
    struct gr_lane_state *lane = &state.lanes[i];
    lane->boot = near(input, 1);
    lane->ordered = near(input, 2);
    lane->first = near(input, lane->ordered + 1);
    lane->messages = near(input, 2);
    run->peers.boots[i] = lane->boot;
    run->peers.next_seq[i] = lane->first;
  }
  run->ticket = state.first;
  run->round = state.promised.round;
  run->slot = state.slot + 1;
  gr_state_record_encode(writer, run->group, &state);
}

/* Behind the record's head; of one or two entries. */
static void write_batch(struct run *run, struct fuzz_input *input,
                        struct gr_writer *writer) {
  uint8_t choice = fuzz_u8(input);
  uint32_t lane = choice % MEMBERS;
  uint8_t *batch = gr_write_room(writer, GR_BATCH_HEADER_BYTES);
  size_t begin = writer->used;
  uint32_t messages = 0;
  for (uint32_t i = 0; i <= (choice >> 2 & 1u); i++) {
    uint32_t more = choice >> (3 + i) & 1;
    uint32_t size = choice & 0x20 ? 500 : fuzz_u8(input);
    gr_write_u32(writer, size | (more ? GR_ENTRY_MORE : 0));
    uint8_t *room = gr_write_room(writer, size);
    if (room) memset(room, (int)i, size);
    messages += !more;
  }
  struct gr_roster sealer = run->peers.roster;
  sealer.boot = near(input, run->peers.boots[lane]);
  uint64_t seq = near(input, run->peers.next_seq[lane]);
  run->peers.next_seq[lane] = seq + 1;
  gr_batch_seal(&sealer, batch, (uint32_t)(writer->used - begin) + GR_BATCH_HEADER_BYTES,
                lane, seq, messages);
}

static void write_accept(struct run *run, struct fuzz_input *input,
                         struct gr_writer *writer) {
  struct gr_accept_record accept = {.slot = near(input, run->slot)};
  accept.ballot = (gr_ballot){run->view, near(input, run->round), 2};
  uint8_t choice = fuzz_u8(input);
  accept.cut.lanes = choice % 8;
  if (choice >= 0xf8 && choice % 4 != 0) {
    accept.cut.lanes = 0;
    accept.cut.config = (struct gr_config){.kind = (enum gr_change_kind)(choice % 4),
                                           .member = near(input, MEMBERS + 1),
                                           .incarnation = choice % 4 == GR_CHANGE_ADD};
    run->view++;
  }
  for (uint32_t i = 0; i < MEMBERS; i++) {
    if (!gr_memberset_has(accept.cut.lanes, i)) continue;
    struct gr_mark *mark = &accept.cut.marks[i];
    mark->boot = near(input, run->peers.boots[i]);
    mark->upto = near(input, run->peers.next_seq[i] - 1);
    if (gr_mark_is_close(*mark)) run->peers.boots[i] = mark->boot;
  }
  run->slot = accept.slot + 1;
  gr_accept_record_encode(writer, &run->peers.roster, &accept);
}

static void write_marks(struct run *run, struct fuzz_input *input,
                        struct gr_writer *writer) {
  struct gr_marks_record marks = {.chosen = near(input, run->slot - 1)};
  marks.forgotten = near(input, fuzz_u8(input) & 1 ? marks.chosen : 0);
  gr_marks_record_encode(writer, &marks);
}

static void write_body(struct run *run, struct fuzz_input *input,
                       enum gr_record_type type, struct gr_writer *writer) {
  switch (type) {
  case GR_RECORD_STATE:
    write_state(run, input, fuzz_u8(input) & 1, writer);
    return;
  case GR_RECORD_VIEW:
    write_view(run, fuzz_u8(input) & 1, writer);
    return;
  case GR_RECORD_BOOT:
    gr_boot_record_encode(writer, near(input, 1));
    return;
  case GR_RECORD_PROMISE:
    run->round = near(input, run->round + 1);
    gr_promise_record_encode(writer, (gr_ballot){run->view, run->round, 2});
    return;
  case GR_RECORD_BATCH:
    write_batch(run, input, writer);
    return;
  case GR_RECORD_ACCEPT:
    write_accept(run, input, writer);
    return;
  case GR_RECORD_MARKS:
    write_marks(run, input, writer);
    return;
  }
}

/* Fills in the head's checksum, which does not cover a batch. */
static void end(struct gr_writer *writer, enum gr_record_type type) {
  struct gr_writer covered = *writer;
  if (type == GR_RECORD_BATCH) covered.used = GR_RECORD_HEADER_BYTES;
  gr_record_end(&covered);
}

/* Hands a record to the member, in memory of exactly its size; and to its storage. */
static int restore(struct run *run, gr_ticket ticket, const struct gr_writer *writer) {
  gr_slice record = {writer->data, writer->used};
  struct storage *storage = &run->storage;
  if (writer->bad) return GR_OK;
  uint8_t *copy = fuzz_allocate(record.size);
  memcpy(copy, record.data, record.size);
  int error = gr_group_restore(run->peers.group, ticket, (gr_slice){copy, record.size});
  free(copy);
  if (error != GR_OK) return error;
  if (ticket == 0) {
    storage_trim(storage, run->ticket, record);
    storage->first = 0; /* older records may follow */
  } else {
    storage_append(storage, ticket, &record, 1);
  }
  return GR_OK;
}

static int restore_body(struct run *run, struct fuzz_input *input,
                        enum gr_record_type type, uint8_t choice) {
  uint8_t bytes[RECORD_BYTES_MAX];
  struct gr_writer writer = gr_writer_of(bytes, sizeof(bytes));
  gr_record_begin(&writer, type);
  if (choice >= 0xf8) {
    struct fuzz_input body = fuzz_take(input, fuzz_u8(input));
    gr_write_bytes(&writer, body.at, body.left);
  } else {
    write_body(run, input, type, &writer);
  }
  end(&writer, type);
  if (choice >= 0xf0 && choice < 0xf8) writer.data[fuzz_u16(input) % writer.used] ^= 1;
  gr_ticket ticket = type == GR_RECORD_STATE ? 0 : run->ticket;
  if (choice >= 0xe8 && choice < 0xf0) ticket = near(input, ticket);
  if (ticket != 0) run->ticket = ticket + 1;
  return restore(run, ticket, &writer);
}

static int restore_any(struct run *run, struct fuzz_input *input) {
  static const enum gr_record_type types[] = {GR_RECORD_BATCH,   GR_RECORD_ACCEPT,
                                              GR_RECORD_MARKS,   GR_RECORD_BATCH,
                                              GR_RECORD_ACCEPT,  GR_RECORD_MARKS,
                                              GR_RECORD_PROMISE, GR_RECORD_VIEW,
                                              GR_RECORD_BOOT,    GR_RECORD_STATE};
  uint8_t choice = fuzz_u8(input);
  return restore_body(run, input, types[choice % (sizeof(types) / sizeof(types[0]))],
                      fuzz_u8(input));
}

/* What every storage begins with. */
static int restore_head(struct run *run, struct fuzz_input *input, uint8_t mode) {
  uint8_t bytes[RECORD_BYTES_MAX];
  struct gr_writer writer = gr_writer_of(bytes, sizeof(bytes));
  bool formed = (mode & MODE_FORMED) != 0;
  if (mode & MODE_STATE) {
    gr_record_begin(&writer, GR_RECORD_STATE);
    write_state(run, input, formed, &writer);
    gr_record_end(&writer);
    int error = restore(run, 0, &writer);
    if (error != GR_OK) return error;
  }
  if ((mode & MODE_WHOLE) == 0) return GR_OK;
  writer.used = 0;
  gr_record_begin(&writer, GR_RECORD_VIEW);
  write_view(run, formed, &writer);
  gr_record_end(&writer);
  int error = restore(run, run->ticket++, &writer);
  static const uint8_t plain = 0; /* no choice: as expected */
  struct fuzz_input none = {&plain, 0};
  if (error == GR_OK) error = restore_body(run, &none, GR_RECORD_BOOT, 0);
  if (error == GR_OK) error = restore_body(run, &none, GR_RECORD_PROMISE, 0);
  return error;
}

static void check_refused(struct run *run, int error) {
  static const int documented[] = {GR_ERR_MALFORMED, GR_ERR_CORRUPT,  GR_ERR_PROTOCOL,
                                   GR_ERR_FOREIGN,   GR_ERR_OUTDATED, GR_ERR_NO_MEMORY,
                                   GR_ERR_HALTED};
  size_t i = 0;
  while (i < sizeof(documented) / sizeof(documented[0]) && documented[i] != error) i++;
  FUZZ_CHECK(i < sizeof(documented) / sizeof(documented[0]), "a code as listed");
  const char *text = NULL;
  int reason = gr_group_halt_reason(run->peers.group, &text);
  FUZZ_CHECK(reason == error || (error == GR_ERR_HALTED && reason == GR_ERR_INVARIANT),
             "who refuses has halted");
  FUZZ_CHECK(text && text[0] != 0, "a halt is explained");
  FUZZ_CHECK(gr_group_resume(run->peers.group, run->peers.now) == GR_ERR_HALTED,
             "and does not resume");
}

/* ---- after the start ---- */

static void check_member(struct run *run) {
  gr_status status = status_of(run);
  member_check(run->peers.group);
  FUZZ_CHECK(status.synced <= status.stored, "only what was stored is durable");
  FUZZ_CHECK(status.settled <= status.delivered, "what is settled is delivered");
  FUZZ_CHECK(run->storage.count == 0 ||
                 status.stored + 1 == run->storage.first + run->storage.count,
             "storage has what it was given");
}

/* Started again from what is durable, and more if `kept` says so. */
static int start_again(struct run *run, uint8_t kept, gr_seqno applied) {
  gr_status status = status_of(run);
  gr_group_free(run->peers.group);
  storage_lose(&run->storage, status.synced + kept);
  open_member(run, applied);
  int error = storage_give_back(&run->storage, run->peers.group);
  if (error != GR_OK) return error;
  return gr_group_resume(run->peers.group, run->peers.now);
}

static void broadcast(struct run *run, size_t size) {
  static const uint8_t bytes[MESSAGE_BYTES_MAX];
  gr_slice part = {bytes, size};
  int error = gr_group_broadcast(run->peers.group, &part, 1, run->peers.now, NULL);
  FUZZ_CHECK(error == GR_OK || error == GR_ERR_FULL, "taken, or not now");
}

static void step(struct run *run, struct fuzz_input *input) {
  gr_group *group = run->peers.group;
  gr_status status = status_of(run);
  uint8_t choice = fuzz_u8(input) % 20;
  if (choice < GR_FRAME_TRANSFER) {
    peer_speaks(&run->peers, input, (enum gr_frame_type)(choice + GR_FRAME_HEARTBEAT));
    return;
  }
  uint8_t argument = fuzz_u8(input);
  switch (choice) {
  case 12:
    run->peers.now += argument < 128 ? argument * MS / 10 : argument * 4 * MS;
    gr_group_poll(group, run->peers.now);
    return;
  case 13:
    broadcast(run, argument * 8u);
    return;
  case 14:
    gr_group_stored(group,
                    status.stored - argument % (status.stored - status.synced + 1));
    return;
  case 15:
    gr_group_stored(group, status.stored);
    gr_group_dispatch(group);
    return;
  case 16:
    peers_meet(&run->peers);
    return;
  case 17:
    gr_group_checkpoint(group, status.seqno - argument % (status.seqno + 1));
    return;
  default:
    gr_group_dispatch(group);
    return;
  }
}

static void check_halted(struct run *run) {
  int error = gr_group_halt_reason(run->peers.group, NULL);
  FUZZ_CHECK(error == GR_ERR_INVARIANT || error == GR_ERR_BEHIND ||
                 error == GR_ERR_REPLACED,
             "a reason that peers give");
  FUZZ_CHECK(gr_group_dispatch(run->peers.group) == GR_ERR_HALTED,
             "who has halted is silent");
}

/* A storage that ends before its state begins has lost what the state does not need. */
static void skip_gap(struct run *run) {
  struct storage *storage = &run->storage;
  if (storage->count == 0 || storage->first + storage->count == status_of(run).stored + 1)
    return;
  storage_lose(storage, 0);
  storage->first = 0;
}

static void live(struct run *run, struct fuzz_input *input) {
  skip_gap(run);
  for (size_t i = 0; i < STEPS_MAX && input->left > 0; i++) {
    step(run, input);
    check_member(run);
    if (gr_group_halt_reason(run->peers.group, NULL) == GR_OK) continue;
    check_halted(run);
    return;
  }
}

/* ---- a run ---- */

static void start(struct run *run) {
  run->peers.roster = (struct gr_roster){.view = 1,
                                         .durable = true,
                                         .incarnation = INCARNATION,
                                         .boot = 1,
                                         .count = MEMBERS,
                                         .ids = {1, 2, 3},
                                         .message_bytes_max = MESSAGE_BYTES_MAX,
                                         .batch_bytes_max = BATCH_BYTES_MAX};
  run->peers.now = 1000 * MS;
  run->view = 1;
  storage_open(&run->storage);
  find_tag(run);
  for (uint32_t i = 0; i < MEMBERS; i++) run->peers.boots[i] = run->peers.next_seq[i] = 1;
  run->ticket = run->slot = run->round = run->view = 1;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  static struct run run;
  struct fuzz_input input = {data, size};
  memset(&run, 0, sizeof(run));
  start(&run);
  uint8_t mode = fuzz_u8(&input);
  gr_seqno applied = fuzz_u8(&input) % 8;
  open_member(&run, mode & MODE_AHEAD ? UINT64_MAX : applied);
  uint8_t records = fuzz_u8(&input) % RECORDS_MAX;
  int error = restore_head(&run, &input, mode);
  for (uint8_t i = 0; error == GR_OK && i < records; i++)
    error = restore_any(&run, &input);
  if (error == GR_OK) error = gr_group_resume(run.peers.group, run.peers.now);
  if (error == GR_OK) {
    live(&run, &input);
    error = start_again(&run, 0, run.seqno);
  }
  if (error != GR_OK) check_refused(&run, error);
  FUZZ_CHECK(gr_group_free(run.peers.group) == GR_OK, "it ends");
  storage_clear(&run.storage);
  return 0;
}
