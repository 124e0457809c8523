/* SPDX-License-Identifier: MIT
 *
 * The processes of a run. A founder's node sends from its own thread, at the end of each
 * round of deliveries; any founder may be the donor. The joiner only takes.
 */
#include "clock.h"
#include "join_run.h"
#include "join_state.h"
#include "stamp.h"

#include <sched.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

struct member {
  struct local_member local; /* first: the group's callbacks take the context for it */
  const struct join_options *options;
  struct join_shared *shared;
  struct join_report *report;
  gr_options limits;
  uint8_t *message;

  /* Of the node's thread. */
  uint64_t seqno;                      /* of the last message delivered */
  uint64_t numbers[JOIN_FOUNDERS + 1]; /* the last of each origin */
  uint64_t owed;                       /* messages to be sent at the end of the round */
  uint64_t round;                      /* messages delivered in it */
  uint64_t last_round_ns;
  uint64_t restores; /* the snapshot that it is given lies behind this message */
};

/* ---- the load ---- */

static bool send_next(struct member *member) {
  uint64_t number = atomic_load(&member->report->sent) + 1;
  uint64_t tag = number % JOIN_LATENCY_STRIDE == 0 ? bench_now() : 0;
  stamp_write(member->message, member->options->message_bytes, member->local.index + 1,
              number);
  gr_slice part = {member->message, member->options->message_bytes};
  /* Counted before it is sent: its delivery may come before the call returns. */
  atomic_store(&member->report->sent, number);
  int error = gr_node_broadcast(member->local.node, &part, 1, tag, false);
  if (error == GR_OK) return true;
  if (error != GR_ERR_FULL) child_fail("gr_node_broadcast: %s", gr_error_text(error));
  atomic_store(&member->report->sent, number - 1);
  return false;
}

static void check(struct member *member, const gr_delivery *delivery) {
  if (delivery->origin == 0 || delivery->origin > JOIN_FOUNDERS)
    child_fail("delivered a message of an unknown origin");
  uint64_t *number = &member->numbers[delivery->origin];
  bool first = *number == 0; /* a joiner's begin anywhere */
  if ((!first && delivery->number != *number + 1) ||
      delivery->seqno != member->seqno + 1 ||
      !stamp_holds(delivery, member->options->message_bytes, delivery->origin,
                   delivery->number))
    atomic_fetch_add(&member->report->errors, 1);
  *number = delivery->number;
  member->seqno = delivery->seqno;
}

static int on_deliver(void *context, const gr_delivery *delivery, uint64_t tag) {
  struct member *member = context;
  check(member, delivery);
  member->round++;
  if (delivery->origin != member->local.index + 1) return 0;
  member->owed += delivery->number == 1 ? member->options->in_flight : 1;
  atomic_fetch_add(&member->report->acknowledged, 1);
  uint32_t window = atomic_load(&member->shared->window);
  if (tag != 0)
    histogram_add(&member->report->windows[window].latency, bench_now() - tag);
  return 0;
}

/* The end of a round. */
static void on_delivered(void *context) {
  struct member *member = context;
  uint32_t window = atomic_load(&member->shared->window);
  uint64_t now = bench_now();
  uint64_t gap = member->last_round_ns == 0 ? 0 : now - member->last_round_ns;
  member->last_round_ns = now;
  _Atomic uint64_t *longest = &member->report->windows[window].longest_gap;
  if (gap > atomic_load(longest)) atomic_store(longest, gap);
  atomic_fetch_add(&member->report->windows[window].delivered, member->round);
  member->round = 0;
  atomic_store(&member->report->delivered, member->seqno);
  if (atomic_load(&member->shared->phase) != JOIN_LOAD) return;
  while (member->owed > 0 && send_next(member)) member->owed--;
}

/* ---- membership ---- */

/* Who recovers has no vote, and all others have. */
static void on_view(void *context, const gr_view *view) {
  struct member *member = context;
  uint64_t voters = 0;
  for (size_t i = 0; i < view->count; i++)
    voters += view->members[i].state == GR_MEMBER_ONLINE;
  bool holds =
      voters == JOIN_FOUNDERS || (voters == JOIN_PROCESSES && view->count == voters);
  if (!holds) atomic_fetch_add(&member->report->errors, 1);
  atomic_store(&member->report->voters, voters);
  atomic_store(&member->report->members, view->count);
}

static void on_joiner_state(void *context, enum gr_member_state state, int error) {
  struct member *member = context;
  if (state == GR_MEMBER_RECOVERING) atomic_store(&member->shared->admitted, true);
  if (state == GR_MEMBER_ONLINE) atomic_store(&member->shared->online, true);
  if (state == GR_MEMBER_OFFLINE)
    child_fail("the joiner is refused: %s", gr_error_text(error));
}

/* ---- the snapshot: named by the message behind which it lies ---- */

static int on_snapshot_open(void *context, uint64_t *snapshot) {
  struct member *member = context;
  *snapshot = member->seqno;
  atomic_store(&member->shared->donor, member->local.index);
  return 0;
}

static int on_snapshot_read(void *context, uint64_t snapshot, uint64_t offset,
                            void *buffer, size_t *size, bool *end) {
  const struct member *member = context;
  uint64_t rest = member->options->snapshot_bytes - offset;
  if (*size >= rest) {
    *size = (size_t)rest;
    *end = true;
  }
  join_state_write(snapshot, offset, buffer, *size);
  return 0;
}

static void on_snapshot_close(void *context, uint64_t snapshot) {
  (void)context;
  (void)snapshot;
}

static int on_restore_begin(void *context, gr_seqno seqno) {
  struct member *member = context;
  member->restores = seqno;
  memset(member->numbers, 0, sizeof(member->numbers));
  atomic_store(&member->shared->complete, false);
  atomic_store(&member->shared->received, 0);
  atomic_fetch_add(&member->report->snapshots, 1);
  return 0;
}

static int on_restore_write(void *context, uint64_t offset, gr_slice bytes) {
  struct member *member = context;
  if (offset != atomic_load(&member->shared->received) ||
      !join_state_holds(member->restores, offset, bytes.data, bytes.size))
    atomic_fetch_add(&member->report->errors, 1);
  atomic_store(&member->shared->received, offset + bytes.size);
  return 0;
}

static int on_restore_end(void *context, bool complete) {
  struct member *member = context;
  uint64_t received = atomic_load(&member->shared->received);
  if (complete && received != member->options->snapshot_bytes)
    atomic_fetch_add(&member->report->errors, 1);
  member->seqno = member->restores;
  atomic_store(&member->shared->complete, complete);
  return 0;
}

/* ---- the process ---- */

static void stay_on_own_processors(const struct join_options *options, bool joiner) {
  cpu_set_t all, own;
  if (!options->apart) return;
  sched_getaffinity(0, sizeof(all), &all);
  if (CPU_COUNT(&all) < 2) child_fail("there is one processor: use --shared");
  size_t last = CPU_SETSIZE - 1;
  while (!CPU_ISSET(last, &all)) last--;
  CPU_ZERO(&own);
  CPU_SET(last, &own);
  if (!joiner) CPU_XOR(&own, &own, &all);
  sched_setaffinity(0, sizeof(own), &own);
}

static struct member *new_member(struct join_context *context, size_t index) {
  const struct join_options *options = context->options;
  struct member *member = calloc(1, sizeof(*member));
  if (member == NULL) child_fail("no memory");
  member->options = options;
  member->shared = context->shared;
  member->report = &context->shared->reports[index];
  member->message = calloc(1, options->message_bytes);
  if (member->message == NULL) child_fail("no memory for a message");
  member->limits = (gr_options){.members_max = JOIN_PROCESSES,
                                .message_bytes_max = 1 << 20,
                                .cache_bytes_max = options->cache_bytes,
                                .snapshot_bytes_per_s = options->snapshot_bytes_per_s};
  member->local.group = &context->shared->group;
  member->local.limits = &member->limits;
  return member;
}

static void await_phase(struct member *member, enum join_phase phase) {
  while (atomic_load(&member->shared->phase) < phase) bench_pause_ms(1);
}

static gr_node_host host_of_both(void) {
  return (gr_node_host){.deliver = on_deliver,
                        .delivered = on_delivered,
                        .snapshot_open = on_snapshot_open,
                        .snapshot_read = on_snapshot_read,
                        .snapshot_close = on_snapshot_close,
                        .restore_begin = on_restore_begin,
                        .restore_write = on_restore_write,
                        .restore_end = on_restore_end};
}

static void run_founder(struct member *member, size_t index) {
  gr_node_host host = host_of_both();
  host.view = on_view;
  if (!member->options->fresh && mlockall(MCL_CURRENT | MCL_FUTURE) != 0)
    child_fail("a founder's memory cannot be locked: see ulimit -l, or use --fresh");
  local_member_start(&member->local, index, host);
  await_phase(member, JOIN_LOAD);
  send_next(member); /* its delivery owes all that are to be in flight */
}

static void run_joiner(struct member *member, size_t index) {
  gr_node_host host = host_of_both();
  host.state = on_joiner_state;
  while (!atomic_load(&member->shared->joins)) bench_pause_ms(1);
  local_member_join(&member->local, index, host);
}

void join_member_run(void *pointer, size_t index) {
  struct join_context *context = pointer;
  struct member *member = new_member(context, index);
  stay_on_own_processors(context->options, index == JOINER);
  if (index == JOINER)
    run_joiner(member, index);
  else
    run_founder(member, index);
  await_phase(member, JOIN_END);
  gr_status status = {.size = sizeof(status)};
  gr_node_status(member->local.node, &status);
  member->report->digest = status.digest;
  gr_node_stop(member->local.node);
}
