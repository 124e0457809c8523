/* SPDX-License-Identifier: MIT
 *
 * A joiner's snapshot as its host sees it: how fast it comes, and what is told of it.
 * Two whole groups, a founder and a joiner, under a clock of their own.
 */
#include "harness.h"

#include "group/group.h"

#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>

#define SNAPSHOT_BYTES UINT64_C(1000000)
#define RATE UINT64_C(200000)
#define FRAMES_MAX 1024

enum { FOUNDER, JOINER, PROCESSES };

struct frame {
  int to;
  gr_member_id from; /* as the receiver knows the sender */
  size_t size;
  uint8_t *bytes;
};

static struct {
  gr_time now;
  gr_group *groups[PROCESSES];
  gr_member_id joiner; /* its name */
  gr_seqno delivered;
  uint64_t told;     /* by the donor's host */
  uint64_t received; /* by the joiner's */
  bool complete;
  struct frame frames[FRAMES_MAX];
  size_t first, end;
} world;

/* ---- hosts: the context is which of the two it is ---- */

static const int processes[] = {FOUNDER, JOINER};

static bool host_send(void *context, gr_member_id to, const gr_slice *parts,
                      size_t part_count) {
  const int sender = *(const int *)context;
  /* Who is a guest has asked a seed, and is answered by that. */
  const gr_member_id founder = to >= GR_GUEST_BIT ? GR_SEED_BITS | 1 : test_id(0);
  struct frame *frame = &world.frames[world.end++ % FRAMES_MAX];
  cr_assert_leq(world.end - world.first, FRAMES_MAX);
  *frame = (struct frame){.to = sender == FOUNDER ? JOINER : FOUNDER,
                          .from = sender == FOUNDER ? founder : world.joiner};
  for (size_t i = 0; i < part_count; i++) frame->size += parts[i].size;
  uint8_t *at = frame->bytes = malloc(frame->size);
  cr_assert_not_null(at);
  for (size_t i = 0; i < part_count; at += parts[i++].size)
    memcpy(at, parts[i].data, parts[i].size);
  return true;
}

static int host_deliver(void *context, const gr_delivery *delivery) {
  if (*(const int *)context == FOUNDER) world.delivered = delivery->seqno;
  return 0;
}

static void host_link(void *context, gr_member_id id, gr_slice address) {
  (void)context;
  (void)id;
  (void)address;
}

static void host_unlink(void *context, gr_member_id id) {
  (void)context;
  (void)id;
}

static void host_renamed(void *context, gr_member_id self) {
  if (*(const int *)context == JOINER) world.joiner = self;
}

static int host_snapshot_open(void *context, uint64_t *snapshot) {
  (void)context;
  *snapshot = 1;
  return 0;
}

static int host_snapshot_read(void *context, uint64_t snapshot, uint64_t offset,
                              void *buffer, size_t *size, bool *end) {
  (void)context;
  (void)snapshot;
  const uint64_t rest = SNAPSHOT_BYTES - offset;
  *end = *size >= rest;
  if (*end) *size = (size_t)rest;
  memset(buffer, 's', *size);
  return 0;
}

static void host_snapshot_close(void *context, uint64_t snapshot) {
  (void)context;
  (void)snapshot;
}

static uint64_t host_snapshot_bytes(void *context, uint64_t snapshot) {
  (void)context;
  (void)snapshot;
  return world.told;
}

static int host_restore_begin(void *context, gr_seqno seqno) {
  (void)context;
  cr_assert_eq(seqno, world.delivered);
  world.received = 0;
  return 0;
}

static int host_restore_write(void *context, uint64_t offset, gr_slice bytes) {
  (void)context;
  cr_assert_eq(offset, world.received);
  world.received += bytes.size;
  return 0;
}

static int host_restore_end(void *context, bool complete) {
  (void)context;
  world.complete = complete;
  return 0;
}

/* ---- the two ---- */

static void open_process(int index) {
  static const gr_slice seed = {"founder:1", 9};
  gr_options options = test_options(1, 0);
  options.attributes.uuid.bytes[0] = (uint8_t)(index + 1);
  options.attributes.address = index == FOUNDER ? seed : (gr_slice){"joiner:1", 8};
  options.snapshot_chunk_bytes = 4096;
  options.snapshot_bytes_per_s = RATE;
  if (index == JOINER) {
    options.self = 0;
    options.founders = NULL;
    options.founder_count = 0;
    options.seeds = &seed;
    options.seed_count = 1;
    options.seed++;
  }
  gr_host host = {.size = sizeof(host),
                  .context = (void *)&processes[index],
                  .send = host_send,
                  .deliver = host_deliver,
                  .link = host_link,
                  .unlink = host_unlink,
                  .renamed = host_renamed,
                  .snapshot_open = host_snapshot_open,
                  .snapshot_read = host_snapshot_read,
                  .snapshot_close = host_snapshot_close,
                  .restore_begin = host_restore_begin,
                  .restore_write = host_restore_write,
                  .restore_end = host_restore_end,
                  .snapshot_bytes = host_snapshot_bytes};
  cr_assert_eq(gr_group_new(&world.groups[index], &options, &host, NULL, world.now),
               GR_OK);
}

static void step(void) {
  world.now += TEST_MS;
  for (int i = 0; i < PROCESSES && world.groups[i]; i++)
    gr_group_poll(world.groups[i], world.now);
  for (int i = 0; i < PROCESSES && world.groups[i]; i++)
    while (gr_group_dispatch(world.groups[i]) > 0) {
    }
  while (world.first < world.end) {
    struct frame *frame = &world.frames[world.first++ % FRAMES_MAX];
    gr_group_receive(world.groups[frame->to], frame->from,
                     (gr_slice){frame->bytes, frame->size}, world.now);
    free(frame->bytes);
  }
}

static gr_recovery recovery(void) {
  gr_recovery recovery = {.size = sizeof(recovery)};
  cr_assert_eq(gr_group_recovery(world.groups[JOINER], &recovery), GR_OK);
  return recovery;
}

/* The founder has forgotten its first messages, so that nobody can do without a snapshot.
 */
static void join(uint64_t told) {
  memset(&world, 0, sizeof(world));
  world.now = TEST_MS;
  world.told = told;
  open_process(FOUNDER);
  for (int i = 0; i < 1000; i++) step();
  for (gr_seqno seqno = 1; seqno <= 10; seqno++) {
    cr_assert_eq(gr_group_broadcast(world.groups[FOUNDER], NULL, 0, world.now, NULL),
                 GR_OK);
    for (int i = 0; i < 10; i++) step();
    cr_assert_eq(world.delivered, seqno);
  }
  open_process(JOINER);
  for (int i = 0; i < 10000 && recovery().stage != GR_RECOVERY_SNAPSHOT; i++) step();
  cr_assert_eq(recovery().stage, GR_RECOVERY_SNAPSHOT);
}

static void leave(void) {
  for (int i = 0; i < PROCESSES; i++) gr_group_free(world.groups[i]);
}

Test(group_recovery, a_snapshot_comes_no_faster_than_it_may) {
  join(0);
  const gr_time began = world.now;
  while (!world.complete) {
    step();
    const gr_time elapsed = world.now - began;
    const uint64_t most = RATE * elapsed / (1000 * TEST_MS) + 2 * 4096;
    cr_assert_leq(world.received, most);
    /* Every piece is on time to within another one. */
    if (world.received < SNAPSHOT_BYTES && elapsed > 100 * TEST_MS)
      cr_assert_geq(world.received + 4 * 4096, RATE * elapsed / (1000 * TEST_MS));
  }
  cr_assert_eq(world.received, SNAPSHOT_BYTES);
  leave();
}

Test(group_recovery, the_joiner_is_told_how_far_it_is) {
  join(SNAPSHOT_BYTES);
  for (int i = 0; i < 2500; i++) step();
  const gr_recovery now = recovery();
  cr_assert_eq(now.stage, GR_RECOVERY_SNAPSHOT);
  cr_assert_eq(now.snapshot_bytes, world.received);
  cr_assert_eq(now.snapshot_total, SNAPSHOT_BYTES);
  const uint64_t rest = SNAPSHOT_BYTES - world.received;
  cr_assert_eq(now.remaining / 1000, rest * 1000000 / now.bytes_per_s);
  const gr_time told_at = world.now;
  while (!world.complete) step();
  /* A piece travels for 20 ms. */
  cr_assert_leq(world.now, told_at + now.remaining + 100 * TEST_MS);
  cr_assert_geq(world.now + 100 * TEST_MS, told_at + now.remaining);
  for (int i = 0; i < 10000 && recovery().stage != GR_RECOVERY_NONE; i++) step();
  cr_assert_eq(recovery().stage, GR_RECOVERY_NONE);
  cr_assert_eq(recovery().remaining, 0);
  leave();
}

Test(group_recovery, a_donor_that_cannot_tell_promises_nothing) {
  join(0);
  for (int i = 0; i < 2500; i++) step();
  cr_assert_gt(recovery().bytes_per_s, 0);
  cr_assert_eq(recovery().snapshot_total, 0);
  cr_assert_eq(recovery().remaining, 0);
  leave();
}

/* As far as the host can tell: the snapshot may become larger. */
Test(group_recovery, a_donor_that_told_too_little_promises_nothing) {
  join(1000);
  for (int i = 0; i < 2500; i++) step();
  cr_assert_eq(recovery().snapshot_total, 1000);
  cr_assert_eq(recovery().remaining, 0);
  while (!world.complete) step();
  leave();
}
