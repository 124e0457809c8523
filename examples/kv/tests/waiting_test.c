/* SPDX-License-Identifier: MIT
 *
 * waiting.h: writes of several clients are delivered, and fail, in any mixture that the
 * node may make of them, and each client gets its answers in the order of its commands.
 */
#include "../waiting.h"

#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>

#define CLIENTS 3u

static struct kv_connection connections[CLIENTS];
static uint32_t work[CLIENTS];
static struct kv_clients clients;
static struct kv_waiting waiting;

static void begin(void) {
  for (uint32_t i = 0; i < CLIENTS; i++)
    connections[i] = (struct kv_connection){.fd = 100 + (int)i,
                                            .index = i,
                                            .generation = 1,
                                            .output = kv_buffer_of(1000)};
  clients =
      (struct kv_clients){.connections = connections, .capacity = CLIENTS, .work = work};
  cr_assert(kv_waiting_init(&waiting, &clients));
}

static void end(void) {
  for (uint32_t i = 0; i < CLIENTS; i++) kv_buffer_release(&connections[i].output);
  kv_waiting_release(&waiting);
}

TestSuite(waiting, .init = begin, .fini = end);

/* The write is delivered, and answered by its number. */
static void deliver(uint64_t number) {
  struct kv_connection *connection;
  cr_assert(kv_waiting_deliver(&waiting, number, &connection));
  if (connection) kv_reply_integer(&connection->output, (int64_t)number);
  kv_waiting_answered(&waiting, number, connection);
}

static void expect(uint32_t client, const char *replies) {
  const struct kv_buffer *output = &connections[client].output;
  cr_assert_eq(output->size, strlen(replies), "client %u", client);
  if (output->size == 0) return; /* it may have no memory at all */
  cr_assert_eq(memcmp(kv_buffer_data(output), replies, output->size), 0,
               "client %u: %.*s", client, (int)output->size,
               (const char *)kv_buffer_data(output));
}

Test(waiting, deliveries_are_answered) {
  for (uint32_t i = 0; i < 6; i++) kv_waiting_add(&waiting, &connections[i % 2]);
  cr_assert_eq(connections[0].in_flight, 3);
  for (uint64_t number = 1; number <= 6; number++) deliver(number);
  expect(0, ":1\r\n:3\r\n:5\r\n");
  expect(1, ":2\r\n:4\r\n:6\r\n");
  cr_assert_eq(connections[0].in_flight, 0);
  cr_assert_eq(waiting.oldest, 7);
}

Test(waiting, a_failure_waits_for_its_turn_and_for_no_other_client) {
  kv_waiting_add(&waiting, &connections[0]); /* 1 */
  kv_waiting_add(&waiting, &connections[1]); /* 2 */
  kv_waiting_add(&waiting, &connections[0]); /* 3 */
  kv_waiting_add(&waiting, &connections[0]); /* 4 */
  kv_waiting_fail(&waiting, 3, "THREE");
  kv_waiting_fail(&waiting, 2, "TWO");
  expect(0, "");
  expect(1, "-TWO\r\n");
  kv_waiting_fail(&waiting, 4, "FOUR");
  deliver(1);
  expect(0, ":1\r\n-THREE\r\n-FOUR\r\n");
  cr_assert_eq(connections[0].in_flight, 0);
}

Test(waiting, what_failed_and_comes_all_the_same_is_answered_once) {
  for (uint32_t i = 0; i < 4; i++) kv_waiting_add(&waiting, &connections[i % 2]);
  kv_waiting_fail_all(&waiting, "GONE");
  expect(0, "-GONE\r\n-GONE\r\n");
  expect(1, "-GONE\r\n-GONE\r\n");
  deliver(1);
  deliver(3);
  expect(0, "-GONE\r\n-GONE\r\n");
  kv_waiting_add(&waiting, &connections[0]); /* 5 */
  deliver(5);
  expect(0, "-GONE\r\n-GONE\r\n:5\r\n");
}

Test(waiting, a_client_that_is_gone_is_passed_over) {
  kv_waiting_add(&waiting, &connections[0]);
  kv_waiting_add(&waiting, &connections[1]);
  kv_waiting_add(&waiting, &connections[0]);
  connections[0].generation++; /* somebody else has its place */
  connections[0].in_flight = 0;
  kv_waiting_add(&waiting, &connections[0]); /* 4 */
  deliver(1);
  deliver(2);
  kv_waiting_fail(&waiting, 3, "GONE");
  expect(0, "");
  expect(1, ":2\r\n");
  deliver(4);
  expect(0, ":4\r\n");
  cr_assert_eq(waiting.oldest, 5);
}

Test(waiting, deliveries_out_of_order_are_noticed) {
  struct kv_connection *connection;
  kv_waiting_add(&waiting, &connections[0]);
  kv_waiting_add(&waiting, &connections[0]);
  cr_assert_not(kv_waiting_deliver(&waiting, 2, &connection),
                "its elder is not answered");
  cr_assert_not(kv_waiting_deliver(&waiting, 3, &connection), "it was never broadcast");
}

Test(waiting, any_mixture_keeps_the_order) {
  srand(7);
  uint64_t delivered = 0;
  uint64_t answers[CLIENTS] = {0};
  for (unsigned step = 0; step < 200000; step++) {
    uint64_t open = waiting.broadcast - delivered;
    if (rand() % 2 == 0 && !kv_waiting_is_full(&waiting)) {
      kv_waiting_add(&waiting, &connections[(unsigned)rand() % CLIENTS]);
    } else if (open > 0 && rand() % 3 == 0) {
      kv_waiting_fail(&waiting, delivered + 1 + (uint64_t)rand() % open, "NO");
    } else if (open > 0) {
      deliver(++delivered);
    }
    for (unsigned i = 0; i < CLIENTS; i++) {
      answers[i] += connections[i].output.size > 0;
      kv_buffer_clear(&connections[i].output);
    }
    clients.work_count = 0;
    for (unsigned i = 0; i < CLIENTS; i++) connections[i].queued = false;
  }
  while (delivered < waiting.broadcast) deliver(++delivered);
  for (unsigned i = 0; i < CLIENTS; i++) {
    cr_assert_eq(connections[i].in_flight, 0);
    cr_assert_gt(answers[i], 0);
  }
  cr_assert_eq(waiting.oldest, waiting.broadcast + 1);
}
