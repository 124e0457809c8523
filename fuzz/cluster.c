/* SPDX-License-Identifier: MIT
 *
 * A whole group of three, whose schedule is the fuzzer's: which frame arrives when, is
 * lost or comes twice, whose clock runs, who broadcasts, whose transport refuses, who is
 * cut off, and which one member, if any, crashes for ever.
 *
 * Whatever the schedule: all members deliver the same messages in the same order, each
 * once and as it was broadcast, an origin's in its order; no frame of a member is refused
 * by another as not well-formed; no member halts. And when the schedule ends and all is
 * well again, those that are left come to agree on a leader, and deliver everything that
 * was broadcast at them and everything that the crashed one had delivered.
 *
 * With storage, members also crash and come back, with what was synced and some of what
 * was not; storage syncs when the schedule says so; and nothing that was ever delivered
 * is lost, whoever crashed.
 *
 *   input: mode u8 | steps ...; each step is a byte that selects it and its argument
 */
#include "fuzz.h"
#include "members.h"
#include "network.h"
#include "storage.h"

#include <string.h>

#define STEPS_MAX 300
#define CALLBACK_BROADCASTS_MAX 8
#define MESSAGES_MAX (STEPS_MAX + CALLBACK_BROADCASTS_MAX + 1) /* of one member */
#define CONVERGENCE_NS (20000 * MS)

/* With this much of its own, batches' headers included, a member's lane cannot fill its
 * share of the cache even if half of every block is wasted: so nobody is left behind. */
#define BUDGET_BYTES (44 * 1024)
#define CHARGE_BYTES 64 /* of each message, beside its own */

enum mode {
  MODE_COLD = 1 << 0,      /* begins before the members have met */
  MODE_TIGHT = 1 << 1,     /* more than the cache holds: laggards may be left behind */
  MODE_CALLBACKS = 1 << 2, /* broadcasts from inside deliver */
  MODE_ONE_SLOT = 1 << 3,  /* one proposal at a time */
  MODE_DURABLE = 1 << 7    /* members have storage */
};

/* What a host keeps of the messages itself. */
struct applied {
  gr_seqno seqno;
  uint64_t numbers[MEMBERS]; /* delivered of each origin */
};

struct member {
  gr_group *group;
  struct run *run;
  uint8_t index;
  bool gone; /* crashed, or left behind */
  gr_time now;
  uint8_t refused; /* bit of each member for which the transport has no room */
  struct applied applied;
  uint64_t broadcasts;
  uint64_t budget;
  /* with storage */
  struct storage storage;
  bool slow;           /* it syncs when the schedule says so only */
  bool fresh;          /* came back, and has broadcast nothing since */
  struct applied kept; /* what the host will know after a crash, at least */
};

struct order {
  gr_member_id origin;
  uint64_t number;
};

struct run {
  uint8_t mode;
  struct member members[MEMBERS];
  struct network network;
  struct order order[MEMBERS * MESSAGES_MAX]; /* as the first to deliver told it */
  size_t order_count;
  size_t sizes[MEMBERS][MESSAGES_MAX];
  uint32_t gone;
  uint32_t restarts;
  uint32_t callback_broadcasts;
};

/* ---- the host ---- */

static bool host_send(void *context, gr_member_id to, const gr_slice *parts,
                      size_t part_count) {
  struct member *member = context;
  uint8_t index = (uint8_t)(to - 1);
  if (member->refused >> index & 1) return false;
  network_send(&member->run->network, member->index, index, parts, part_count);
  return true;
}

/* True if the member took the message. */
static bool broadcast(struct member *member, size_t size) {
  struct run *run = member->run;
  uint8_t bytes[MESSAGE_BYTES_MAX + 1];
  uint64_t number;
  uint8_t index = member->index;
  /* Of what it broadcast before a crash, only what was delivered counts. */
  uint64_t before = member->fresh ? member->applied.numbers[index] : member->broadcasts;
  if (member->gone || before == MESSAGES_MAX) return false;
  if ((run->mode & MODE_TIGHT) == 0 && member->budget < size + CHARGE_BYTES) return false;
  message_fill(bytes, size, index + 1u, before + 1);
  gr_slice parts[2] = {{bytes, size / 3}, {bytes + size / 3, size - size / 3}};
  int error = gr_group_broadcast(member->group, parts, 2, member->now, &number);
  FUZZ_CHECK((error == GR_ERR_TOO_LARGE) == (size > MESSAGE_BYTES_MAX),
             "exactly what is larger than the limit is too large");
  FUZZ_CHECK(error == GR_OK || error == GR_ERR_FULL || error == GR_ERR_TOO_LARGE ||
                 error == GR_ERR_NO_QUORUM || (error == GR_ERR_STATE && member->fresh),
             "a member that is well refuses only what is too much");
  if (error != GR_OK) return false;
  FUZZ_CHECK(number == before + 1, "own messages are counted");
  run->sizes[index][before] = size;
  member->broadcasts = number;
  member->fresh = false;
  member->budget -= (run->mode & MODE_TIGHT) ? 0 : size + CHARGE_BYTES;
  return true;
}

static int host_deliver(void *context, const gr_delivery *delivery) {
  struct member *member = context;
  struct run *run = member->run;
  FUZZ_CHECK(delivery->seqno == member->applied.seqno + 1, "the order has no holes");
  FUZZ_CHECK(delivery->origin >= 1 && delivery->origin <= MEMBERS, "a member's message");
  uint64_t *number = &member->applied.numbers[delivery->origin - 1];
  FUZZ_CHECK(delivery->number == *number + 1, "an origin's messages come in its order");
  FUZZ_CHECK(delivery->number <= run->members[delivery->origin - 1].broadcasts,
             "only what was broadcast is delivered");
  message_check(delivery, run->sizes[delivery->origin - 1][*number]);
  ++*number;
  if (member->applied.seqno == run->order_count)
    run->order[run->order_count++] = (struct order){delivery->origin, delivery->number};
  const struct order *agreed = &run->order[member->applied.seqno++];
  FUZZ_CHECK(agreed->origin == delivery->origin && agreed->number == delivery->number,
             "all members deliver in one order");
  if ((run->mode & MODE_CALLBACKS) && run->callback_broadcasts > 0) {
    run->callback_broadcasts--;
    broadcast(member, 77);
  }
  return 0;
}

static int host_store(void *context, gr_ticket ticket, const gr_slice *parts,
                      size_t part_count) {
  struct member *member = context;
  storage_append(&member->storage, ticket, parts, part_count);
  return 0;
}

static int host_trim(void *context, gr_ticket first, gr_slice state) {
  struct member *member = context;
  storage_trim(&member->storage, first, state);
  return 0;
}

/* ---- members ---- */

static gr_status status_of(const struct member *member) {
  gr_status status = {.size = sizeof(status)};
  gr_group_status(member->group, &status);
  return status;
}

/* Members go for ever; what they sent may still arrive. */
static void leave(struct member *member) {
  if (member->gone) return;
  member->gone = true;
  member->run->gone++;
}

static void check_halt(struct member *member) {
  const char *text;
  int error = gr_group_halt_reason(member->group, &text);
  if (error == GR_OK) return;
  if (error == GR_ERR_BEHIND && (member->run->mode & MODE_TIGHT)) {
    leave(member);
    return;
  }
  FUZZ_CHECK(error == GR_OK, text);
}

static void dispatch_once(struct member *member) {
  if (member->gone) return;
  gr_group_dispatch(member->group);
  member_check(member->group);
  check_halt(member);
}

/* True if something was not durable. */
static bool sync_all(struct member *member) {
  gr_status status = status_of(member);
  if (member->gone || member->slow || status.synced == status.stored) return false;
  gr_group_stored(member->group, status.stored);
  check_halt(member);
  return true;
}

static void dispatch(struct member *member) {
  do dispatch_once(member);
  while (sync_all(member));
}

static void let_pass(struct member *member, gr_time duration) {
  if (member->gone) return;
  member->now += duration;
  gr_group_poll(member->group, member->now);
  check_halt(member);
}

static void receive(struct run *run, const struct frame *frame) {
  struct member *member = &run->members[frame->to];
  if (member->gone) return;
  gr_slice bytes = {frame->bytes, frame->size};
  int error = gr_group_receive(member->group, frame->from + 1u, bytes, member->now);
  FUZZ_CHECK(error == GR_OK || error == GR_ERR_HALTED ||
                 (error == GR_ERR_STALE && (run->mode & MODE_COLD || run->restarts > 0)),
             "a member takes the frames of its group");
  check_halt(member);
}

static void deliver(struct run *run, size_t index) {
  struct frame frame = network_take(&run->network, index);
  receive(run, &frame);
  free(frame.bytes);
}

/* What is on its way now arrives, in order; then each member ends its turn. */
static void round_trip(struct run *run, gr_time duration) {
  for (size_t left = run->network.count; left > 0 && run->network.count > 0; left--)
    deliver(run, 0);
  for (uint32_t i = 0; i < MEMBERS; i++) {
    let_pass(&run->members[i], duration);
    dispatch(&run->members[i]);
  }
}

/* ---- convergence ---- */

/* The members that are left agree on a leader among them, and have delivered all that
 * they broadcast and all that anybody delivered. */
static bool settled(const struct run *run) {
  gr_member_id leader = 0;
  for (uint32_t i = 0; i < MEMBERS; i++) {
    const struct member *member = &run->members[i];
    if (member->gone) continue;
    gr_status status = status_of(member);
    if (status.leader == 0 || (leader != 0 && status.leader != leader)) return false;
    leader = status.leader;
    if (member->applied.seqno != run->order_count) return false;
    for (uint32_t k = 0; k < MEMBERS; k++)
      if (!run->members[k].gone && !run->members[k].fresh &&
          member->applied.numbers[k] != run->members[k].broadcasts)
        return false;
  }
  return !run->members[leader - 1].gone;
}

/* Until the next of the members' deadlines, so that all clocks run alike. */
static gr_time until_deadline(const struct run *run) {
  gr_time least = 100 * MS;
  for (uint32_t i = 0; i < MEMBERS; i++) {
    const struct member *member = &run->members[i];
    if (member->gone) continue;
    gr_time deadline = gr_group_deadline(member->group);
    gr_time wait = deadline > member->now ? deadline - member->now : 0;
    if (wait < least) least = wait;
  }
  return least > MS / 10 ? least : MS / 10;
}

/* False if the members that are left are not required to settle: too few, or one that
 * crashed before it had met the others, who will wait for it for ever. */
static bool must_settle(const struct run *run) {
  if (run->gone == 0) return true;
  if (run->gone > 1) return false;
  for (uint32_t i = 0; i < MEMBERS; i++)
    if (!run->members[i].gone && status_of(&run->members[i]).role == GR_ROLE_FORMING)
      return false;
  return true;
}

static void settle(struct run *run) {
  for (gr_time passed = 0; must_settle(run) && !settled(run);) {
    gr_time wait = run->network.count > 0 ? MS / 10 : until_deadline(run);
    round_trip(run, wait);
    passed += wait;
    FUZZ_CHECK(passed < CONVERGENCE_NS, "when all is well the members settle");
  }
}

static void heal(struct run *run) {
  memset(run->network.cut, 0, sizeof(run->network.cut));
  for (uint32_t i = 0; i < MEMBERS; i++) {
    struct member *member = &run->members[i];
    member->refused = 0;
    member->slow = false;
    for (gr_member_id to = 1; to <= MEMBERS && !member->gone; to++)
      if (to != i + 1) gr_group_sendable(member->group, to);
  }
}

/* One more message of each, now that all is well. */
static void go_on(struct run *run) {
  for (uint32_t i = 0; i < MEMBERS && must_settle(run); i++) {
    struct member *member = &run->members[i];
    member->budget = UINT64_MAX;
    for (gr_time passed = 0;
         !member->gone && member->broadcasts < MESSAGES_MAX && !broadcast(member, 5);
         passed += MS) {
      FUZZ_CHECK(member->fresh && passed < CONVERGENCE_NS,
                 "who has settled takes messages");
      round_trip(run, MS);
    }
  }
  settle(run);
}

/* ---- storage ---- */

static void open_member(struct member *member) {
  struct run *run = member->run;
  gr_allocator allocator = member_allocator();
  gr_host host = {.size = sizeof(host),
                  .context = member,
                  .send = host_send,
                  .deliver = host_deliver};
  gr_options options =
      member_options(member->index + 1u, 100u + (run->mode >> 4) * 3u + member->index,
                     run->mode & MODE_ONE_SLOT ? 1 : 32);
  options.seed += 1000 * run->restarts;
  options.applied = member->applied.seqno;
  if (run->mode & MODE_DURABLE) host.store = host_store, host.trim = host_trim;
  FUZZ_CHECK(gr_group_new(&member->group, &options, &host, &allocator, member->now) ==
                 GR_OK,
             "the options are good");
  if ((run->mode & MODE_DURABLE) == 0) return;
  FUZZ_CHECK(storage_give_back(&member->storage, member->group) == GR_OK,
             "what was stored can be read back");
  FUZZ_CHECK(gr_group_resume(member->group, member->now) == GR_OK, "and is complete");
}

/* With some of the records that were not durable; the host knows what it kept, or all. */
static void restart(struct member *member, uint8_t records, bool all) {
  gr_status status = status_of(member);
  gr_group_free(member->group);
  storage_lose(&member->storage,
               status.synced + records % (status.stored - status.synced + 1));
  if (!all) member->applied = member->kept;
  member->fresh = true;
  member->run->restarts++;
  open_member(member);
}

static void step_storage(struct member *member, uint8_t rest, bool more) {
  gr_status status = status_of(member);
  if (member->gone) return;
  switch (rest % 4) {
  case 0:
    member->slow = !member->slow;
    break;
  case 1:
    gr_group_stored(member->group,
                    status.synced + rest / 4u % (status.stored - status.synced + 1));
    break;
  case 2:
    member->kept = member->applied;
    FUZZ_CHECK(gr_group_checkpoint(member->group, member->kept.seqno) == GR_OK,
               "what was delivered can be kept");
    break;
  default:
    restart(member, rest / 4, more);
    return;
  }
  check_halt(member);
  if (more) dispatch(member);
}

/* ---- the schedule ---- */

static void set_refused(struct member *member, uint8_t to, bool refused) {
  uint8_t bit = (uint8_t)(1u << to);
  if (member->gone || to == member->index) return;
  member->refused = (uint8_t)(refused ? member->refused | bit : member->refused & ~bit);
  if (!refused) gr_group_sendable(member->group, to + 1u);
}

/* Cuts a link, or puts it back; with the high bit, all links of a member. */
static void cut_links(struct run *run, uint8_t argument) {
  uint8_t from = argument % MEMBERS;
  uint8_t to = argument / MEMBERS % MEMBERS;
  bool cut = !run->network.cut[from][(from + 1) % MEMBERS];
  if ((argument & 0x80) == 0) {
    run->network.cut[from][to] = !run->network.cut[from][to];
    return;
  }
  for (uint8_t i = 0; i < MEMBERS; i++)
    run->network.cut[from][i] = run->network.cut[i][from] = cut;
}

static void broadcast_sized(struct member *member, uint8_t choice) {
  static const size_t sizes[] = {1,   0,   10,   100,  255,  256,  511,  512,
                                 513, 900, 1023, 1024, 2000, 3000, 4096, 4097};
  broadcast(member, sizes[choice % (sizeof(sizes) / sizeof(sizes[0]))]);
}

/* One frame, of those on their way: arrives, is lost, or comes twice. */
static void touch_frame(struct run *run, unsigned selected, uint8_t argument) {
  if (run->network.count == 0) return;
  size_t index = argument % run->network.count;
  struct frame frame = run->network.frames[index];
  if (selected == 3)
    free(network_take(&run->network, index).bytes);
  else if (selected == 4)
    receive(run, &frame);
  else
    deliver(run, index);
  if (selected == 0) dispatch(&run->members[frame.to]);
}

static void step(struct run *run, uint8_t selector, uint8_t argument) {
  struct member *member = &run->members[argument % MEMBERS];
  uint8_t rest = argument / MEMBERS;
  uint8_t other = rest % MEMBERS;
  if ((run->mode & MODE_DURABLE) && (selector & 32)) {
    step_storage(member, rest, selector & 16);
    return;
  }
  switch (selector & 15) {
  case 0:
  case 1:
  case 3:
  case 4:
    touch_frame(run, selector & 15, argument);
    return;
  case 2:
    for (size_t at;
         (at = network_find(&run->network, member->index, other)) < run->network.count;)
      deliver(run, at);
    dispatch(&run->members[other]);
    return;
  case 5:
    let_pass(member, (rest + 1u) * MS / 10);
    dispatch(member);
    return;
  case 6:
    let_pass(member, (rest + 1u) * 10 * MS);
    dispatch(member);
    return;
  case 7:
    if (member->gone) return;
    let_pass(member, gr_group_deadline(member->group) > member->now
                         ? gr_group_deadline(member->group) - member->now
                         : 0);
    dispatch(member);
    return;
  case 8:
    broadcast_sized(member, rest);
    if (selector & 16) dispatch(member);
    return;
  case 9:
    dispatch(member);
    return;
  case 10:
  case 11:
    set_refused(member, other, (selector & 1) == 0);
    return;
  case 12: /* rarely, or nearly every schedule would have its crash */
    if (argument >= 0xf0 && run->gone == 0) leave(member);
    return;
  case 13:
    cut_links(run, argument);
    return;
  case 14:
    if (!member->gone) gr_group_transfer(member->group, other + 1u, member->now);
    return;
  default:
    for (uint8_t i = 0; i <= argument % 8; i++)
      round_trip(run, (argument / 8u) * MS / 10);
    return;
  }
}

/* ---- a run ---- */

static void start(struct run *run) {
  for (uint8_t i = 0; i < MEMBERS; i++) {
    struct member *member = &run->members[i];
    *member = (struct member){.run = run,
                              .index = i,
                              .now = (i + 1u) * 1000 * MS,
                              .budget = BUDGET_BYTES};
    storage_open(&member->storage);
    open_member(member);
    let_pass(member, 0);
    dispatch(member);
  }
  run->callback_broadcasts = CALLBACK_BROADCASTS_MAX;
}

/* Unless the schedule wanted it so, nothing was forgotten that somebody lacked. */
static void check_counters(const struct run *run) {
  for (uint32_t i = 0; i < MEMBERS; i++) {
    gr_counters counters = {.size = sizeof(counters)};
    gr_group_counters(run->members[i].group, &counters);
    FUZZ_CHECK((run->mode & MODE_TIGHT) || counters.slots_evicted == 0,
               "what fits the cache is kept for those that lag");
    FUZZ_CHECK(run->restarts > 0 ||
                   counters.messages_delivered == run->members[i].applied.seqno,
               "counted alike");
  }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  static struct run run;
  struct fuzz_input input = {data, size};
  memset(&run, 0, sizeof(run));
  run.mode = fuzz_u8(&input);
  start(&run);
  if ((run.mode & MODE_COLD) == 0) settle(&run);
  for (size_t i = 0; i < STEPS_MAX && input.left > 0; i++) {
    uint8_t selector = fuzz_u8(&input);
    step(&run, selector, fuzz_u8(&input));
  }
  heal(&run);
  settle(&run);
  go_on(&run);
  check_counters(&run);
  network_clear(&run.network);
  for (uint32_t i = 0; i < MEMBERS; i++) {
    gr_group_free(run.members[i].group);
    storage_clear(&run.members[i].storage);
  }
  return 0;
}
