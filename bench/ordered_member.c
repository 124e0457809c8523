/* SPDX-License-Identifier: MIT
 *
 * A member's side of a run: a node, a sender that keeps so many messages in flight, and
 * the checks of what is delivered.
 *
 * The sender is the process's first thread. It sleeps when its messages are all in
 * flight, and is woken, once a round of deliveries, when half of them are back. With
 * `from_callback` the node's own thread sends instead, at the end of a round.
 */
#include "clock.h"
#include "futex.h"
#include "ordered_run.h"
#include "stamp.h"

#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>

#define WAIT_NS                                                                          \
  (50 * BENCH_MILLISECOND_NS) /* how long a sender may overlook a new phase */

struct member {
  struct local_member local; /* first: the group's callbacks take the context for it */
  const struct ordered_options *options;
  struct ordered_report *report;
  _Atomic uint32_t *phase;
  uint64_t *checkpoints;

  /* Of whoever sends. */
  uint8_t *message;
  _Atomic uint64_t sent;
  _Atomic bool stopped; /* from_callback: sends no more */

  /* Of the node's thread, but that the sender reads the first. */
  _Alignas(64) _Atomic uint64_t own_delivered;
  uint64_t delivered;
  uint64_t hash;
  uint64_t owed; /* from_callback: messages to be sent at the end of the round */
  uint64_t numbers[PROCESSES_MAX + 1]; /* the last of each origin */
  uint64_t kept_bytes; /* durable: payload since the log was told that all is kept */

  _Alignas(64) _Atomic uint32_t wakes;
  _Atomic bool asleep;
};

static enum ordered_phase phase_of(const struct member *member) {
  return (enum ordered_phase)atomic_load_explicit(member->phase, memory_order_relaxed);
}

static uint64_t in_flight(struct member *member) {
  return atomic_load(&member->sent) - atomic_load(&member->own_delivered);
}

/* ---- sending ---- */

/* Sends the next message. False if the node's queue is full, which only a sender that
 * does not wait sees. */
static bool send_next(struct member *member, bool wait) {
  const struct ordered_options *options = member->options;
  uint64_t number = atomic_load_explicit(&member->sent, memory_order_relaxed) + 1;
  bool timed =
      options->in_flight <= LATENCY_ALL_IN_FLIGHT || number % LATENCY_STRIDE == 0;
  stamp_write(member->message, options->message_bytes, member->local.index + 1, number);
  gr_slice part = {member->message, options->message_bytes};
  /* Counted before it is sent: its delivery may come before the call returns. */
  atomic_store_explicit(&member->sent, number, memory_order_release);
  int error =
      gr_node_broadcast(member->local.node, &part, 1, timed ? bench_now() : 0, wait);
  if (error == GR_OK) return true;
  if (error != GR_ERR_FULL || wait)
    child_fail("gr_node_broadcast: %s", gr_error_text(error));
  atomic_store_explicit(&member->sent, number - 1, memory_order_release);
  return false;
}

static void await_room(struct member *member) {
  uint32_t seen = atomic_load(&member->wakes);
  atomic_store(&member->asleep, true);
  if (in_flight(member) > member->options->in_flight / 2)
    futex_wait(&member->wakes, seen, WAIT_NS);
  atomic_store(&member->asleep, false);
}

static void send_from_thread(struct member *member) {
  uint64_t limit = 0; /* may send up to this number before it looks again */
  while (phase_of(member) < PHASE_DRAIN) {
    if (atomic_load_explicit(&member->sent, memory_order_relaxed) < limit) {
      send_next(member, true);
      continue;
    }
    limit = atomic_load(&member->own_delivered) + member->options->in_flight;
    if (atomic_load(&member->sent) >= limit) await_room(member);
  }
}

/* The end of a round: `owed` messages have come back. */
static void send_from_callback(struct member *member) {
  if (phase_of(member) >= PHASE_DRAIN) {
    atomic_store(&member->stopped, true);
    return;
  }
  while (member->owed > 0 && send_next(member, false)) member->owed--;
}

/* ---- delivering ---- */

static uint64_t mix(uint64_t hash, gr_member_id origin, uint64_t number) {
  hash = (hash ^ (number * PROCESSES_MAX + origin)) * 0x9e3779b97f4a7c15u;
  return hash ^ (hash >> 32);
}

static void check(struct member *member, const gr_delivery *delivery) {
  struct ordered_report *report = member->report;
  if (delivery->origin == 0 || delivery->origin > member->options->members)
    child_fail("delivered a message of an unknown origin");
  uint64_t number = ++member->numbers[delivery->origin];
  if (delivery->number != number ||
      !stamp_holds(delivery, member->options->message_bytes, delivery->origin, number))
    report->fifo_errors++;
  if (delivery->seqno != member->delivered) report->order_errors++;
  member->hash = mix(member->hash, delivery->origin, delivery->number);
  uint64_t checkpoint = member->delivered / CHECKPOINT_MESSAGES;
  if (member->delivered % CHECKPOINT_MESSAGES == 0 && checkpoint <= CHECKPOINTS_MAX)
    member->checkpoints[checkpoint - 1] = member->hash;
}

/* ---- durable runs ---- */

static void read_storage(struct member *member, struct storage_reading *reading) {
  reading->now = bench_now();
  reading->delivered = atomic_load(&member->report->delivered);
  reading->storage.size = sizeof(reading->storage);
  int error = gr_node_storage_figures(member->local.node, &reading->storage);
  if (error != GR_OK) child_fail("gr_node_storage_figures: %s", gr_error_text(error));
}

/* The end of a round, on the node's thread. */
static void look_after_log(struct member *member) {
  struct storage_reading *first = &member->report->measured[0];
  if (first->now == 0 && phase_of(member) == PHASE_MEASURED) read_storage(member, first);
  if (member->kept_bytes < KEPT_BYTES) return;
  member->kept_bytes = 0;
  int error = gr_node_checkpoint(member->local.node, member->delivered);
  if (error != GR_OK) child_fail("gr_node_checkpoint: %s", gr_error_text(error));
}

/* ---- callbacks ---- */

static int on_deliver(void *context, const gr_delivery *delivery, uint64_t tag) {
  struct member *member = context;
  member->delivered++;
  member->kept_bytes += delivery->bytes;
  check(member, delivery);
  if (delivery->origin != member->local.index + 1) return 0;
  if (tag != 0 && phase_of(member) == PHASE_MEASURED)
    histogram_add(&member->report->latency, bench_now() - tag);
  atomic_store_explicit(&member->own_delivered, delivery->number, memory_order_release);
  member->owed += delivery->number == 1 ? member->options->in_flight : 1;
  return 0;
}

static void on_delivered(void *context) {
  struct member *member = context;
  atomic_store_explicit(&member->report->delivered, member->delivered,
                        memory_order_relaxed);
  if (member->options->data_directory != NULL) look_after_log(member);
  if (member->options->from_callback) {
    if (member->owed > 0) send_from_callback(member);
    return;
  }
  atomic_thread_fence(
      memory_order_seq_cst); /* own_delivered before asleep: see await_room */
  if (atomic_load(&member->asleep) && in_flight(member) <= member->options->in_flight / 2)
    futex_wake(&member->wakes);
}

/* ---- the process ---- */

static void await_phase(struct member *member, enum ordered_phase phase) {
  while (phase_of(member) < phase) bench_pause_ms(5);
}

static void send_and_drain(struct member *member) {
  if (member->options->from_callback) {
    send_next(member, true); /* its delivery owes all that are to be in flight */
    while (!atomic_load(&member->stopped)) bench_pause_ms(1);
  } else {
    send_from_thread(member);
  }
  while (in_flight(member) > 0) bench_pause_ms(1);
}

void ordered_member_run(void *pointer, size_t index) {
  struct ordered_context *context = pointer;
  struct member *member = aligned_alloc(_Alignof(struct member), sizeof(*member));
  if (member == NULL) child_fail("no memory");
  memset(member, 0, sizeof(*member));
  member->local.group = &context->shared->group;
  member->options = context->options;
  member->report = &context->shared->reports[index];
  member->phase = &context->shared->phase;
  member->checkpoints = context->checkpoints + index * CHECKPOINTS_MAX;
  member->message = malloc(context->options->message_bytes);
  if (member->message == NULL) child_fail("no memory for a message");
  memset(member->message, 0x5a, context->options->message_bytes);

  local_member_start(&member->local, index,
                     (gr_node_host){.deliver = on_deliver, .delivered = on_delivered});
  await_phase(member, PHASE_WARMUP);
  if (atomic_load(&member->report->sends)) send_and_drain(member);
  await_phase(member, PHASE_DRAIN);
  if (context->options->data_directory != NULL)
    read_storage(member, &member->report->measured[1]);
  atomic_store(&member->report->sent, atomic_load(&member->sent));
  atomic_store(&member->report->drained, true);
  await_phase(member, PHASE_END);
  gr_node_stop(member->local.node);

  struct rusage usage;
  getrusage(RUSAGE_SELF, &usage);
  member->report->hash = member->hash;
  member->report->max_rss_kib = (uint64_t)usage.ru_maxrss;
}
