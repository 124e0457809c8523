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
#include "peers.h"

#include <string.h>

#define STEPS_MAX 400
#define MESSAGES_MAX STEPS_MAX
#define CALLBACK_BROADCASTS_MAX 8
#define KNOWN 8 /* members, and those that changes may add */

struct run {
  struct peers peers; /* the tag is known from the first frame on */
  uint8_t refused;    /* bit of each peer for which the transport has no room */
  gr_seqno seqno;
  uint64_t numbers[KNOWN];
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
  if (run->peers.roster.tag == 0) {
    FUZZ_CHECK(size >= GR_FRAME_HEADER_BYTES, "a frame has a header");
    run->peers.roster.tag = gr_load_u64(frame + 8);
    run->peers.roster.incarnation = gr_load_u64(frame + 16);
  }
  /* Marks that contradict each other may come from what it was told; nothing else may. */
  int error = frame_check(&run->peers.roster, frame, size);
  FUZZ_CHECK(error == GR_OK || (error == GR_ERR_MALFORMED && !is_batch),
             "what a member sends is well-formed");
  FUZZ_CHECK(gr_load_u64(frame + 16) == run->peers.roster.incarnation,
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
  int error = gr_group_broadcast(run->peers.group, parts, 2, run->peers.now, &number);
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
  FUZZ_CHECK(delivery->origin >= 1 && delivery->origin <= KNOWN, "a member's message");
  uint64_t *number = &run->numbers[delivery->origin - 1];
  FUZZ_CHECK(delivery->number == *number + 1, "an origin's messages come in its order");
  FUZZ_CHECK(delivery->bytes <= MESSAGE_BYTES_MAX, "a message is within the limit");
  run->seqno++;
  ++*number;
  if (delivery->origin == SELF) {
    FUZZ_CHECK(*number <= run->broadcasts, "only what was broadcast is delivered");
    message_check(delivery, run->sizes[*number - 1]);
  }
  FUZZ_CHECK(gr_group_dispatch(run->peers.group) == GR_ERR_REENTRANT,
             "no call from inside");
  if (run->callback_broadcasts > 0) {
    run->callback_broadcasts--;
    broadcast(run, 100);
  }
  return 0;
}

/* ---- a run ---- */

static void start(struct run *run, uint8_t mode) {
  gr_host host = {.size = sizeof(host),
                  .context = run,
                  .send = host_send,
                  .deliver = host_deliver};
  gr_allocator allocator = member_allocator();
  gr_options options = member_options(SELF, 7, mode & 1 ? 1 : 32);
  run->peers.roster = (struct gr_roster){.view = 1,
                                         .count = KNOWN,
                                         .ids = {1, 2, 3, 4, 5, 6, 7, 8},
                                         .message_bytes_max = MESSAGE_BYTES_MAX,
                                         .batch_bytes_max = BATCH_BYTES_MAX};
  run->peers.now = 1000 * MS;
  run->callback_broadcasts = mode & 2 ? CALLBACK_BROADCASTS_MAX : 0;
  FUZZ_CHECK(gr_group_new(&run->peers.group, &options, &host, &allocator,
                          run->peers.now) == GR_OK,
             "the options are good");
  gr_group_poll(run->peers.group, run->peers.now);
  gr_group_dispatch(run->peers.group);
  FUZZ_CHECK(run->peers.roster.tag != 0, "a member begins with heartbeats");
}

static void meet(struct run *run) {
  gr_status status = {.size = sizeof(status)};
  peers_meet(&run->peers);
  gr_group_status(run->peers.group, &status);
  FUZZ_CHECK(status.role == GR_ROLE_FOLLOWER, "who has met all takes part");
}

static void step(struct run *run, struct fuzz_input *input) {
  static const size_t sizes[] = {0, 1, 100, 511, 512, 513, 1024, 4095, 4096, 4097};
  uint8_t choice = fuzz_u8(input) % 18;
  if (choice < GR_FRAME_TRANSFER) {
    peer_speaks(&run->peers, input, (enum gr_frame_type)(choice + GR_FRAME_HEARTBEAT));
    return;
  }
  uint8_t argument = fuzz_u8(input);
  switch (choice) {
  case 12:
    run->peers.now += argument < 128 ? argument * MS / 10 : argument * 4 * MS;
    gr_group_poll(run->peers.group, run->peers.now);
    break;
  case 13:
    broadcast(run, sizes[argument % (sizeof(sizes) / sizeof(sizes[0]))]);
    break;
  case 14:
    run->refused = argument;
    for (gr_member_id to = 2; to <= MEMBERS; to++)
      if ((argument >> to & 1) == 0) gr_group_sendable(run->peers.group, to);
    break;
  case 15:
    gr_group_transfer(run->peers.group, argument % 5, run->peers.now);
    break;
  default:
    gr_group_dispatch(run->peers.group);
    break;
  }
}

static void check_halted(struct run *run) {
  const char *text = NULL;
  int error = gr_group_halt_reason(run->peers.group, &text);
  FUZZ_CHECK(error == GR_ERR_INVARIANT || error == GR_ERR_BEHIND,
             "a reason that peers give");
  FUZZ_CHECK(text && text[0] != 0, "a halt is explained");
  FUZZ_CHECK(gr_group_dispatch(run->peers.group) == GR_ERR_HALTED,
             "who has halted is silent");
  FUZZ_CHECK(gr_group_deadline(run->peers.group) == GR_TIME_NEVER,
             "and waits for nothing");
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  static struct run run;
  struct fuzz_input input = {data, size};
  run = (struct run){.seqno = 0};
  start(&run, fuzz_u8(&input));
  meet(&run);
  for (size_t i = 0; i < STEPS_MAX && input.left > 0; i++) {
    step(&run, &input);
    member_check(run.peers.group);
    if (gr_group_halt_reason(run.peers.group, NULL) == GR_OK) continue;
    check_halted(&run);
    break;
  }
  gr_group_dispatch(run.peers.group);
  FUZZ_CHECK(gr_group_free(run.peers.group) == GR_OK, "it ends");
  return 0;
}
