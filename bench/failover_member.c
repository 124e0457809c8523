/* SPDX-License-Identifier: MIT
 *
 * A member's process: a node, and a client that sends at a steady rate as long as not too
 * many of its messages are in flight. After a stall the client does not make up for what
 * it did not send.
 */
#include "clock.h"
#include "failover_run.h"
#include "stamp.h"

#include <stdlib.h>
#include <string.h>

#define TICK_NS BENCH_MILLISECOND_NS

struct member {
  struct local_member local; /* first: the group's callbacks take the context for it */
  const struct failover_options *options;
  struct failover_report *report;
  _Atomic uint32_t *phase;
  uint64_t *log;
  uint8_t *message;
};

static void note_acknowledged(struct member *member, uint64_t now) {
  struct failover_report *report = member->report;
  uint64_t last = atomic_load(&report->last_ns);
  uint32_t phase = atomic_load(member->phase);
  _Atomic uint64_t *longest = NULL;
  if (phase == FAILOVER_LOAD) longest = &report->gap_before_ns;
  if (phase == FAILOVER_FAULT) longest = &report->gap_after_ns;
  if (last != 0 && longest != NULL && now - last > atomic_load(longest)) {
    atomic_store(longest, now - last);
    if (phase == FAILOVER_FAULT) atomic_store(&report->gap_after_began_ns, last);
  }
  atomic_store(&report->last_ns, now);
  atomic_fetch_add(&report->acknowledged, 1);
}

/* The log first, then the acknowledgement: a process may be killed between the two. */
static int on_deliver(void *context, const gr_delivery *delivery, uint64_t tag) {
  struct member *member = context;
  struct failover_report *report = member->report;
  gr_member_id origin = 0;
  uint64_t number = 0;
  uint64_t count = atomic_load(&report->delivered);
  if (!stamp_read(delivery, &origin, &number) || origin == 0 ||
      origin > FAILOVER_MEMBERS || number > FAILOVER_LOG_MAX || count == FAILOVER_LOG_MAX)
    child_fail("delivered what nobody sent, or more than there is room for");
  if (origin != delivery->origin || number != delivery->number ||
      delivery->seqno != count + 1 ||
      !stamp_holds(delivery, member->options->message_bytes, origin, number))
    atomic_fetch_add(&report->stamp_errors, 1);
  member->log[count] = failover_entry(origin, number);
  atomic_store(&report->delivered, count + 1);
  if (tag != 0) note_acknowledged(member, bench_now());
  return 0;
}

/* Falling behind is a result, not a failure of the benchmark. */
static void on_halted(void *context, int error, const char *text) {
  struct member *member = context;
  if (error != GR_ERR_BEHIND)
    child_fail("the member has halted with %s: %s", gr_error_name(error), text);
  atomic_store(&member->report->halted, error);
}

/* False when the member has halted. */
static bool send_next(struct member *member) {
  uint64_t number = atomic_load(&member->report->sent) + 1;
  stamp_write(member->message, member->options->message_bytes, member->local.index + 1,
              number);
  gr_slice part = {member->message, member->options->message_bytes};
  atomic_store(&member->report->sent, number);
  int error = gr_node_broadcast(member->local.node, &part, 1, number, true);
  if (error == GR_ERR_HALTED) return false;
  if (error != GR_OK) child_fail("gr_node_broadcast: %s", gr_error_text(error));
  return true;
}

static uint64_t in_flight(const struct member *member) {
  return atomic_load(&member->report->sent) - atomic_load(&member->report->acknowledged);
}

static void run_client(struct member *member) {
  uint64_t each_ns = BENCH_SECOND_NS / member->options->rate;
  uint64_t due = bench_now(); /* when the next message is */
  bool halted = false;
  while (!halted && atomic_load(member->phase) < FAILOVER_DRAIN) {
    uint64_t now = bench_now();
    while (due <= now && !halted && in_flight(member) < member->options->in_flight) {
      halted = !send_next(member);
      due += each_ns;
    }
    if (due < now) due = now;
    bench_sleep_until(now + TICK_NS);
  }
  atomic_store(&member->report->quiet, true);
}

static void await_phase(struct member *member, enum failover_phase phase) {
  while (atomic_load(member->phase) < phase) bench_pause_ms(1);
}

void failover_member_run(void *pointer, size_t index) {
  struct failover_context *context = pointer;
  struct member *member = calloc(1, sizeof(*member));
  if (member == NULL) child_fail("no memory");
  member->local.group = &context->shared->group;
  member->options = context->options;
  member->report = &context->shared->reports[index];
  member->phase = &context->shared->phase;
  member->log = context->logs + index * FAILOVER_LOG_MAX;
  member->message = calloc(1, context->options->message_bytes);
  if (member->message == NULL) child_fail("no memory for a message");

  local_member_start(&member->local, index,
                     (gr_node_host){.deliver = on_deliver, .halted = on_halted});
  await_phase(member, FAILOVER_LOAD);
  run_client(member);
  await_phase(member, FAILOVER_END);
  gr_node_stop(member->local.node);
}
