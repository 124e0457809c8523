/* SPDX-License-Identifier: MIT
 *
 * One process and the membership: a founder alone that lets others in, a member of three,
 * or a joiner. Guests, seeds and members say anything to it: requests, answers, positions
 * and pieces of snapshots, from bytes that are no body at all to bodies whose every field
 * is near to what the process expects; and frames of the order, as in receive.c. Its host
 * has snapshots that are not always ready, or fail.
 *
 * More of them lie than the protocol tolerates: the process may halt, leave, or be let
 * into a group that there is none of. What it must not do is to touch memory that is not
 * its own, exceed its limits, send what is not well-formed or to whom it has no link, mix
 * up its host's snapshots, or deliver out of order.
 *
 *   input: mode u8 | steps ...; each step begins with a byte that selects it
 */
#include "fuzz.h"
#include "group/group.h"
#include "membership_check.h"
#include "paxos/engine.h"
#include "peers.h"

#include <string.h>

#define STEPS_MAX 400
#define FRAME_BYTES_MAX 4096
#define SNAPSHOT_BYTES 2500
#define STEP_KINDS 32

enum mode {
  MODE_ALONE, /* the one founder, which leads */
  MODE_MEMBER,
  MODE_JOINER,
  MODE_COUNT
};

struct run {
  struct peers peers;
  enum mode mode;
  gr_seqno seqno;     /* what the host has */
  gr_seqno restoring; /* of the snapshot that it gets */
  bool restores;      /* it gets one, */
  uint64_t restored;  /* so many bytes of it so far */
  uint8_t snapshot;   /* how its own snapshots behave */
  uint64_t opened;    /* snapshots, ever */
  uint32_t open;      /* of them now */
  bool refuses;       /* the transport has no room */
  gr_member_id linked[GR_LINKS_MAX];
};

/* ---- the host ---- */

static size_t link_place(const struct run *run, gr_member_id id) {
  size_t place = 0;
  while (place < GR_LINKS_MAX && run->linked[place] != id) place++;
  return place;
}

static void host_link(void *context, gr_member_id id, gr_slice address) {
  struct run *run = context;
  FUZZ_CHECK(id != 0 && address.size <= GR_ADDRESS_BYTES_MAX, "a link leads somewhere");
  if (link_place(run, id) < GR_LINKS_MAX) return; /* it has moved */
  size_t place = link_place(run, 0);
  FUZZ_CHECK(place < GR_LINKS_MAX, "there are so many links at most");
  run->linked[place] = id;
}

static void host_unlink(void *context, gr_member_id id) {
  struct run *run = context;
  size_t place = link_place(run, id);
  FUZZ_CHECK(place < GR_LINKS_MAX, "who is unlinked was linked");
  run->linked[place] = 0;
}

static bool host_send(void *context, gr_member_id to, const gr_slice *parts,
                      size_t part_count) {
  struct run *run = context;
  size_t size = 0, at = 0;
  FUZZ_CHECK(link_place(run, to) < GR_LINKS_MAX, "frames go to those who are linked");
  if (run->refuses) return false;
  for (size_t i = 0; i < part_count; i++) size += parts[i].size;
  FUZZ_CHECK(size >= GR_MESSAGE_HEADER_BYTES, "a frame has a header");
  uint8_t *frame = fuzz_allocate(size);
  for (size_t i = 0; i < part_count; at += parts[i++].size)
    memcpy(frame + at, parts[i].data, parts[i].size);
  if (gr_message_is((gr_slice){frame, size}))
    FUZZ_CHECK(membership_frame_check(frame, size), "what a member says is well-formed");
  free(frame);
  return true;
}

static int host_deliver(void *context, const gr_delivery *delivery) {
  struct run *run = context;
  FUZZ_CHECK(!run->restores, "nothing is delivered amid a snapshot");
  FUZZ_CHECK(delivery->seqno == run->seqno + 1, "the order has no holes");
  FUZZ_CHECK(delivery->bytes <= MESSAGE_BYTES_MAX, "a message is within the limit");
  run->seqno++;
  return 0;
}

static void host_view(void *context, const gr_view *view) {
  (void)context;
  FUZZ_CHECK(view->count <= GR_MEMBERS_MAX, "a view has so many members at most");
  for (size_t i = 1; i < view->count; i++)
    FUZZ_CHECK(view->members[i - 1].id < view->members[i].id, "members ascend");
}

static bool host_authorize(void *context, const gr_attributes *joiner) {
  (void)context;
  return joiner->weight != 99;
}

static int host_snapshot_open(void *context, uint64_t *snapshot) {
  struct run *run = context;
  if ((run->snapshot & 7) == 7) return -1;
  FUZZ_CHECK(++run->open <= GR_DONATIONS_MAX, "few snapshots are open at a time");
  *snapshot = ++run->opened;
  return 0;
}

static int host_snapshot_read(void *context, uint64_t snapshot, uint64_t offset,
                              void *buffer, size_t *size, bool *end) {
  struct run *run = context;
  FUZZ_CHECK(run->open > 0 && snapshot <= run->opened, "what is read is open");
  if ((run->snapshot >> 3 & 7) == 7 || offset > SNAPSHOT_BYTES) return -1;
  uint64_t left = SNAPSHOT_BYTES - offset;
  if (*size > left) *size = (size_t)left;
  if ((run->snapshot >> 6 & 1) == 1) *size = 0; /* not ready */
  memset(buffer, 's', *size);
  *end = *size == left;
  return 0;
}

static uint64_t host_snapshot_bytes(void *context, uint64_t snapshot) {
  struct run *run = context;
  FUZZ_CHECK(run->open > 0 && snapshot <= run->opened, "what is asked for is open");
  return SNAPSHOT_BYTES;
}

static void host_snapshot_close(void *context, uint64_t snapshot) {
  struct run *run = context;
  FUZZ_CHECK(run->open > 0 && snapshot <= run->opened, "what is closed was opened");
  run->open--;
}

static int host_restore_begin(void *context, gr_seqno seqno) {
  struct run *run = context;
  FUZZ_CHECK(!run->restores, "one snapshot at a time");
  run->restores = true;
  run->restoring = seqno;
  run->restored = 0;
  return 0;
}

static int host_restore_write(void *context, uint64_t offset, gr_slice bytes) {
  struct run *run = context;
  FUZZ_CHECK(run->restores && offset == run->restored, "pieces follow one another");
  run->restored += bytes.size;
  return 0;
}

static int host_restore_end(void *context, bool complete) {
  struct run *run = context;
  FUZZ_CHECK(run->restores, "what ends has begun");
  run->restores = false;
  run->seqno = complete ? run->restoring : 0;
  return 0;
}

static void start(struct run *run, uint8_t mode) {
  static const gr_slice seeds[] = {{"seed:1", 6}, {"seed:2", 6}};
  gr_host host = {.size = sizeof(host),
                  .context = run,
                  .send = host_send,
                  .deliver = host_deliver,
                  .link = host_link,
                  .unlink = host_unlink,
                  .view = host_view,
                  .authorize = host_authorize,
                  .snapshot_open = host_snapshot_open,
                  .snapshot_read = host_snapshot_read,
                  .snapshot_close = host_snapshot_close,
                  .snapshot_bytes = host_snapshot_bytes,
                  .restore_begin = host_restore_begin,
                  .restore_write = host_restore_write,
                  .restore_end = host_restore_end};
  gr_allocator allocator = member_allocator();
  gr_options options = member_options(SELF, 7, 32);
  options.suspect_floor_ns = 300 * MS;
  options.suspect_ceiling_ns = options.expel_timeout_ns = 1000 * MS;
  options.unreachable_timeout_ns = options.join_timeout_ns = 2000 * MS;
  options.rejoin_interval_ns = 100 * MS;
  options.snapshot_chunk_bytes = 1024;
  options.attributes.address = (gr_slice){"self", 4};
  options.attributes.uuid.bytes[8] = SELF;
  options.seeds = seeds;
  options.seed_count = 2;
  run->mode = (enum mode)(mode % MODE_COUNT);
  if (run->mode == MODE_ALONE) options.founder_count = 1;
  if (run->mode == MODE_JOINER) {
    options.self = options.founder_count = 0;
    options.founders = NULL;
    options.applied = run->seqno = mode >> 4 & 1;
  }
  run->peers.roster = (struct gr_roster){.view = 1,
                                         .count = 8,
                                         .ids = {1, 2, 3, 4, 5, 6, 7, 8},
                                         .message_bytes_max = MESSAGE_BYTES_MAX,
                                         .batch_bytes_max = BATCH_BYTES_MAX};
  run->peers.now = 1000 * MS;
  FUZZ_CHECK(gr_group_new(&run->peers.group, &options, &host, &allocator,
                          run->peers.now) == GR_OK,
             "the options are good");
  gr_group_poll(run->peers.group, run->peers.now);
  gr_group_dispatch(run->peers.group);
}

/* As which life of which process others know it by now. */
static void know(struct run *run) {
  run->peers.roster.tag = run->peers.group->paxos->roster.tag;
  run->peers.roster.incarnation = run->peers.group->paxos->roster.incarnation;
}

/* ---- what is said ---- */

/* Mostly the base itself. */
static uint64_t near(struct fuzz_input *input, uint64_t base) {
  uint8_t choice = fuzz_u8(input);
  if (choice >= 0xf8) return fuzz_u64(input);
  if (choice >= 0x40 || choice == 0) return base;
  uint64_t value = base + choice % 8;
  return value > 2 ? value - 2 : 0;
}

static gr_attributes near_attributes(struct fuzz_input *input, uint64_t server) {
  static const char *const addresses[] = {"", "a:1", "a:2", "self"};
  uint8_t choice = fuzz_u8(input);
  const char *address = addresses[choice >> 2 & 3];
  gr_attributes attributes = {.version = choice >> 4 & 1,
                              .weight = choice >> 5 == 7 ? 99 : 50,
                              .address = {address, strlen(address)},
                              .user_data = {"data", choice >> 6}};
  gr_store_u64(attributes.uuid.bytes + 8, (choice & 3) == 3 ? SELF : server);
  return attributes;
}

/* Guests are who they are as members later on: those of the incarnations 2 and 3. */
static void write_join(struct run *run, struct fuzz_input *input, gr_member_id from,
                       uint64_t incarnation, struct gr_writer *writer) {
  struct gr_join join = {.member = from < GR_MEMBER_ID_MAX ? from : 0,
                         .known = near(input, SELF),
                         .limits = gr_paxos_limits(run->peers.group->paxos),
                         .members_max = near(input, MEMBERS + 1)};
  if (fuzz_u8(input) >= 0xf0) join.limits++;
  join.applied = near(input, 0);
  join.attributes = near_attributes(input, incarnation);
  gr_join_encode(writer, &join);
}

static void write_answer(struct run *run, struct fuzz_input *input,
                         struct gr_writer *writer) {
  uint8_t choice = fuzz_u8(input);
  struct gr_answer answer = {.verdict = (enum gr_answer_kind)(choice % 5),
                             .incarnation = near(input, gr_paxos_incarnation(
                                                            run->peers.group->paxos)),
                             .detail = near(input, 1),
                             .contact_count = choice >> 3 & 3};
  if (answer.verdict == GR_ANSWER_REFUSED || choice & 0x80)
    answer.error = -(1 + fuzz_u8(input) % 30);
  if (answer.verdict == GR_ANSWER_ADMITTED) answer.member = near(input, SELF);
  if (answer.verdict == GR_ANSWER_REDIRECT) answer.contact_count = 1;
  for (uint32_t i = 0; i < answer.contact_count; i++)
    answer.contacts[i] = (struct gr_contact){.id = near(input, i + 2),
                                             .leads = (choice & 0x20) != 0,
                                             .voter = (choice & 0x40) == 0,
                                             .version = 1,
                                             .address = {"a:1", 3}};
  gr_answer_encode(writer, &answer);
}

/* A state as another member would give it. */
static size_t make_image(struct run *run, struct fuzz_input *input, uint8_t *bytes,
                         size_t size) {
  const gr_paxos *paxos = run->peers.group->paxos;
  struct gr_state_record state = {.view = {.epoch = {near(input, 1), 5},
                                           .self = 2,
                                           .incarnation = 2,
                                           .formed = true}};
  struct gr_seats *seats = &state.view.seats;
  seats->number = near(input, 2);
  seats->first = near(input, 2);
  seats->next_id = near(input, MEMBERS + 1);
  seats->count = 1 + fuzz_u8(input) % MEMBERS;
  for (uint32_t i = 0; i < seats->count; i++)
    seats->seats[i] =
        (struct gr_seat_kept){.id = near(input, i + 1),
                              .incarnation = i == 0 ? paxos->roster.incarnation : i + 1,
                              .voter = i != 0 || (fuzz_u8(input) & 1) != 0};
  state.promised = (gr_ballot){seats->number, near(input, 1), 2};
  state.slot = near(input, 3);
  state.seqno = near(input, run->peers.group->joining.seqno);
  for (uint32_t i = 0; i < seats->count; i++) {
    struct gr_lane_state *lane = &state.lanes[i];
    lane->ordered = near(input, 0);
    lane->first = near(input, lane->ordered + 1);
    lane->messages = near(input, 0);
  }
  struct gr_writer writer = gr_writer_of(bytes, size);
  gr_record_begin(&writer, GR_RECORD_STATE);
  gr_state_record_encode(&writer, near(input, paxos->group), &state);
  gr_record_end(&writer);
  return writer.used;
}

static void write_position(struct run *run, struct fuzz_input *input,
                           struct gr_writer *writer) {
  uint8_t image[FRAME_BYTES_MAX / 2];
  struct gr_position position = {.snapshot = near(input, fuzz_u8(input) & 1),
                                 .seqno = near(input, run->seqno),
                                 .image = {image, 0}};
  position.image.size = make_image(run, input, image, sizeof(image));
  gr_position_encode(writer, &position);
}

static void write_piece(struct run *run, struct fuzz_input *input,
                        struct gr_writer *writer) {
  const struct gr_joining *joining = &run->peers.group->joining;
  uint8_t bytes[1280] = {0};
  uint8_t choice = fuzz_u8(input);
  struct gr_chunk chunk = {.snapshot = near(input, joining->snapshot),
                           .offset = near(input, joining->received),
                           .total = choice & 2 ? UINT64_MAX : SNAPSHOT_BYTES,
                           .last = (choice & 1) != 0,
                           .bytes = {bytes, choice * 5u}};
  gr_chunk_encode(writer, &chunk);
  gr_write_bytes(writer, bytes, chunk.bytes.size);
}

static void write_body(struct run *run, struct fuzz_input *input,
                       const struct gr_message_header *header, struct gr_writer *writer) {
  struct gr_group *group = run->peers.group;
  gr_member_id from = header->sender;
  switch (header->type) {
  case GR_MESSAGE_JOIN:
    write_join(run, input, from, header->incarnation, writer);
    return;
  case GR_MESSAGE_ANSWER:
    write_answer(run, input, writer);
    return;
  case GR_MESSAGE_REMOVE:
    gr_remove_encode(writer, &(struct gr_remove){near(input, from), fuzz_u8(input) % 12});
    return;
  case GR_MESSAGE_RECOVER:
    gr_recover_encode(writer,
                      &(struct gr_recover){fuzz_u8(input) & 1 ? UINT64_MAX
                                                              : near(input, run->seqno)});
    return;
  case GR_MESSAGE_POSITION:
    write_position(run, input, writer);
    return;
  case GR_MESSAGE_PULL:
    gr_write_u64(writer, near(input, group->snapshot_number));
    gr_write_u64(writer, near(input, group->donations[0].offset));
    gr_write_u64(writer, near(input, SNAPSHOT_BYTES));
    return;
  case GR_MESSAGE_CHUNK:
    write_piece(run, input, writer);
    return;
  case GR_MESSAGE_END:
    gr_end_encode(writer, &(struct gr_end){near(input, group->joining.snapshot != 0
                                                           ? group->joining.snapshot
                                                           : group->snapshot_number),
                                           (fuzz_u8(input) & 1) != 0});
    return;
  }
}

/* Somebody says something of the membership. The transport tells truly who it is. */
static void somebody_speaks(struct run *run, struct fuzz_input *input,
                            enum gr_message_type type) {
  static const gr_member_id speakers[] = {
      2, 3, GR_GUEST_BIT | 2, GR_GUEST_BIT | 3, GR_SEED_BITS | 1, GR_SEED_BITS | 2, 4, 1};
  uint8_t bytes[FRAME_BYTES_MAX];
  uint8_t choice = fuzz_u8(input);
  struct gr_message_header header = {.type = type,
                                     .group = run->peers.group->id_hash,
                                     .sender = speakers[choice & 7]};
  header.incarnation = choice & 8 ? 9 : 2 + (choice & 1);
  if ((choice & 0x70) == 0x70) header.group++;
  struct gr_writer writer = gr_writer_of(bytes, sizeof(bytes));
  gr_message_begin(&writer, &header);
  if (choice >= 0xf0) {
    struct fuzz_input body = fuzz_take(input, fuzz_u8(input));
    gr_write_bytes(&writer, body.at, body.left);
  } else {
    write_body(run, input, &header, &writer);
  }
  FUZZ_CHECK(!writer.bad, "what is said fits");
  gr_message_end(&writer);
  uint8_t *frame = fuzz_allocate(writer.used);
  memcpy(frame, bytes, writer.used);
  gr_group_receive(run->peers.group, header.sender, (gr_slice){frame, writer.used},
                   run->peers.now);
  free(frame);
}

/* ---- a run ---- */

static void call(struct run *run, uint8_t argument) {
  gr_group *group = run->peers.group;
  gr_time now = run->peers.now;
  const gr_member_id members[] = {SELF, 2};
  gr_slice part = {"message", argument >> 5};
  switch (argument % 9) {
  case 0:
    gr_group_leave(group, now);
    return;
  case 1:
    gr_group_join(group, now);
    return;
  case 2:
    gr_group_remove(group, argument >> 4, now);
    return;
  case 3:
    gr_group_force(group, members, 1 + (argument >> 4 & 1), now);
    return;
  case 4:
    gr_group_health(group, (argument & 16) != 0, now);
    return;
  case 5:
    gr_group_apply_failed(group, run->seqno + (argument >> 7), argument, now);
    return;
  case 6:
    gr_group_transfer(group, argument >> 4, now);
    return;
  default:
    gr_group_broadcast(group, &part, 1, now, NULL);
    return;
  }
}

static void set_transport(struct run *run, bool refuses) {
  run->refuses = refuses;
  for (size_t i = 0; !refuses && i < GR_LINKS_MAX; i++)
    if (run->linked[i] != 0) gr_group_sendable(run->peers.group, run->linked[i]);
}

static void step(struct run *run, struct fuzz_input *input) {
  uint8_t choice = fuzz_u8(input) % STEP_KINDS;
  know(run);
  if (choice < GR_FRAME_TRANSFER) {
    peer_speaks(&run->peers, input, (enum gr_frame_type)(choice + GR_FRAME_HEARTBEAT));
    return;
  }
  if (choice < GR_FRAME_TRANSFER + 8) {
    somebody_speaks(run, input,
                    (enum gr_message_type)(choice - GR_FRAME_TRANSFER + GR_MESSAGE_JOIN));
    return;
  }
  uint8_t argument = fuzz_u8(input);
  switch (choice) {
  case 20:
  case 21:
    run->peers.now += argument < 128 ? argument * MS / 10 : argument * 4 * MS;
    gr_group_poll(run->peers.group, run->peers.now);
    return;
  case 22:
    set_transport(run, (argument & 1) != 0);
    return;
  case 23:
    call(run, argument);
    return;
  case 24:
    run->snapshot = argument;
    return;
  case 25:
    peers_meet(&run->peers);
    return;
  default:
    gr_group_dispatch(run->peers.group);
    return;
  }
}

/* What the process comes in with is what its host has. */
static void check_position(const struct run *run) {
  const gr_paxos *paxos = run->peers.group->paxos;
  FUZZ_CHECK(paxos->roster.view == 0 || paxos->options.applied <= run->seqno,
             "nothing is left out that the host has not got");
}

static void check_halted(struct run *run) {
  const char *text = NULL;
  int error = gr_group_halt_reason(run->peers.group, &text);
  FUZZ_CHECK(error == GR_ERR_INVARIANT || error == GR_ERR_BEHIND ||
                 error == GR_ERR_REPLACED || error == GR_ERR_DIVERGED,
             "a reason that others give");
  FUZZ_CHECK(text && text[0] != 0, "a halt is explained");
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  static struct run run;
  struct fuzz_input input = {data, size};
  run = (struct run){.seqno = 0};
  start(&run, fuzz_u8(&input));
  know(&run);
  if (run.mode == MODE_MEMBER) peers_meet(&run.peers);
  for (size_t i = 0; i < STEPS_MAX && input.left > 0; i++) {
    step(&run, &input);
    member_check(run.peers.group);
    check_position(&run);
    if (gr_group_halt_reason(run.peers.group, NULL) != GR_OK) check_halted(&run);
  }
  gr_group_dispatch(run.peers.group);
  FUZZ_CHECK(gr_group_free(run.peers.group) == GR_OK, "it ends");
  FUZZ_CHECK(run.open == 0 && !run.restores, "no snapshot stays open");
  return 0;
}
