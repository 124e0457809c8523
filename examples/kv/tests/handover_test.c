/* SPDX-License-Identifier: MIT
 *
 * handover.h: two threads; what comes out is what went in, in its order; what waits is
 * bounded, and the bound yields.
 */
#include "../handover.h"

#include <criterion/criterion.h>
#include <poll.h>
#include <pthread.h>
#include <stdatomic.h>
#include <string.h>

#define BYTES_MAX ((size_t)3 * 1024 * 1024)
#define MESSAGE_BYTES ((size_t)10000)
#define MESSAGES 5000u

/* What the node's log held before. */
#define RESTORED 1234u

struct producer {
  struct kv_handover *handover;
  atomic_uint produced;
  pthread_t thread;
};

/* Delivers messages in two parts each, in turns of seven, then halts. */
static void *produce(void *context) {
  struct producer *producer = context;
  uint8_t bytes[MESSAGE_BYTES];
  for (unsigned i = 1; i <= MESSAGES; i++) {
    memset(bytes, (int)(i & 0xff), sizeof(bytes));
    gr_slice parts[] = {{bytes, i % 100}, {bytes, sizeof(bytes) - i % 100}};
    gr_delivery delivery = {.seqno = i,
                            .parts = parts,
                            .part_count = 2,
                            .bytes = sizeof(bytes)};
    if (!kv_handover_add(producer->handover, &delivery, i % 2 ? i : 0)) return NULL;
    if (i == RESTORED && !kv_handover_restored(producer->handover)) return NULL;
    if (i % 7 == 0 && !kv_handover_publish(producer->handover)) return NULL;
    atomic_store(&producer->produced, i);
  }
  if (!kv_handover_publish(producer->handover)) return NULL;
  kv_handover_halt(producer->handover, GR_ERR_HOST, "the test is over");
  return producer;
}

static void start(struct producer *producer) {
  producer->handover = kv_handover_new(BYTES_MAX);
  cr_assert_not_null(producer->handover);
  cr_assert_eq(pthread_create(&producer->thread, NULL, produce, producer), 0);
}

/* Checks the batch's records against what the producer made; the last seqno seen. */
static gr_seqno check(const struct kv_buffer *batch, gr_seqno seqno) {
  size_t at = 0;
  struct kv_handover_record record;
  while (kv_handover_next(batch, &at, &record)) {
    cr_assert_eq(record.seqno, seqno + 1);
    seqno = record.seqno;
    cr_assert_eq(record.tag, seqno % 2 ? seqno : 0);
    cr_assert_eq(record.size, MESSAGE_BYTES);
    for (size_t i = 0; i < record.size; i++)
      if (record.bytes[i] != (seqno & 0xff)) cr_assert_fail("message %zu", (size_t)seqno);
  }
  return seqno;
}

/* Takes all until the halt. The largest batch is returned. */
static size_t take_all(struct producer *producer) {
  struct kv_buffer batch = kv_buffer_of(SIZE_MAX);
  gr_seqno seqno = 0;
  size_t largest = 0;
  struct kv_handover_state state = {0};
  while (!state.halted) {
    struct pollfd watched = {.fd = kv_handover_event_fd(producer->handover),
                             .events = POLLIN};
    cr_assert_eq(poll(&watched, 1, 10000), 1, "nothing came for 10 s after %zu",
                 (size_t)seqno);
    kv_handover_take(producer->handover, &batch, &state);
    if (batch.size > largest) largest = batch.size;
    seqno = check(&batch, seqno);
    if (state.restored)
      cr_assert_geq(seqno, RESTORED);
    else
      cr_assert_leq(seqno, RESTORED);
    kv_buffer_consume(&batch, batch.size);
  }
  cr_assert(state.restored);
  cr_assert_eq(seqno, MESSAGES);
  cr_assert_eq(state.error, GR_ERR_HOST);
  cr_assert_str_eq(state.text, "the test is over");
  kv_buffer_release(&batch);
  return largest;
}

static void finish(struct producer *producer) {
  void *result;
  pthread_join(producer->thread, &result);
  cr_assert_eq(result, producer, "the producer ran out of memory");
  kv_handover_free(producer->handover);
}

Test(handover, everything_comes_out_in_order_and_what_waits_is_bounded) {
  struct producer producer = {0};
  start(&producer);
  /* What was there when the producer began to wait, and one more piece. */
  size_t bound = BYTES_MAX + (size_t)2 * 1024 * 1024;
  /* Nothing is taken for a while, in which an unhindered producer is done. */
  for (int tries = 0; tries < 200; tries++) {
    cr_assert_leq(atomic_load(&producer.produced) * MESSAGE_BYTES, bound);
    poll(NULL, 0, 1);
  }
  cr_assert_gt(atomic_load(&producer.produced) * MESSAGE_BYTES, BYTES_MAX / 2);
  cr_assert_leq(take_all(&producer), bound);
  finish(&producer);
}

Test(handover, a_consumer_that_takes_nothing_can_let_the_producer_go_on) {
  struct producer producer = {0};
  start(&producer);
  kv_handover_yield(producer.handover, true);
  for (int tries = 0; atomic_load(&producer.produced) < MESSAGES; tries++) {
    cr_assert_lt(tries, 10000, "the producer stands still at %u",
                 atomic_load(&producer.produced));
    poll(NULL, 0, 1);
  }
  kv_handover_yield(producer.handover, false);
  cr_assert_gt(take_all(&producer), BYTES_MAX);
  finish(&producer);
}
