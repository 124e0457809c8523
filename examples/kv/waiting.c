/* SPDX-License-Identifier: MIT
 *
 * See waiting.h. A ring; the writes of one connection are linked in their order.
 */
#include "waiting.h"

#include <stdlib.h>

/* Writes of all clients that may be on their way: a power of two. */
#define WRITES_MAX 65536u

struct kv_waiting_write {
  struct kv_client_ref client;
  uint64_t next;       /* number of the connection's next one; 0: none yet */
  const char *failure; /* what its client is to be told, once it is its turn */
  bool open;           /* not answered */
};

bool kv_waiting_init(struct kv_waiting *waiting, struct kv_clients *clients) {
  *waiting = (struct kv_waiting){.clients = clients, .oldest = 1};
  waiting->ring = calloc(WRITES_MAX, sizeof(*waiting->ring));
  return waiting->ring != NULL;
}

void kv_waiting_release(struct kv_waiting *waiting) {
  free(waiting->ring);
}

static struct kv_waiting_write *at(struct kv_waiting *waiting, uint64_t number) {
  return &waiting->ring[number & (WRITES_MAX - 1)];
}

bool kv_waiting_is_full(const struct kv_waiting *waiting) {
  return waiting->broadcast + 1 - waiting->oldest == WRITES_MAX;
}

void kv_waiting_add(struct kv_waiting *waiting, struct kv_connection *connection) {
  uint64_t number = ++waiting->broadcast;
  *at(waiting, number) =
      (struct kv_waiting_write){.client = kv_clients_ref(connection), .open = true};
  if (connection->in_flight++ == 0)
    connection->first_write = number;
  else
    at(waiting, connection->last_write)->next = number;
  connection->last_write = number;
}

static bool is_open(struct kv_waiting *waiting, uint64_t number) {
  return number >= waiting->oldest && number <= waiting->broadcast &&
         at(waiting, number)->open;
}

static void close_write(struct kv_waiting *waiting, uint64_t number) {
  at(waiting, number)->open = false;
  while (waiting->oldest <= waiting->broadcast && !at(waiting, waiting->oldest)->open)
    waiting->oldest++;
}

bool kv_waiting_deliver(struct kv_waiting *waiting, uint64_t number,
                        struct kv_connection **connection) {
  *connection = NULL;
  if (number <= waiting->delivered || number > waiting->broadcast) return false;
  waiting->delivered = number;
  if (!is_open(waiting, number)) return true; /* its client was told that it may fail */
  *connection = kv_clients_find(waiting->clients, at(waiting, number)->client);
  return !*connection || (*connection)->first_write == number;
}

/* The connection's oldest write is answered: so are those behind it that have failed. */
static void advance(struct kv_waiting *waiting, struct kv_connection *connection) {
  kv_clients_queue(waiting->clients, connection);
  for (;;) {
    uint64_t number = connection->first_write;
    connection->first_write = at(waiting, number)->next;
    close_write(waiting, number);
    if (--connection->in_flight == 0) return;
    const char *failure = at(waiting, connection->first_write)->failure;
    if (!failure) return;
    kv_reply_error(&connection->output, "%s", failure);
  }
}

void kv_waiting_answered(struct kv_waiting *waiting, uint64_t number,
                         struct kv_connection *connection) {
  if (connection)
    advance(waiting, connection);
  else if (is_open(waiting, number))
    close_write(waiting, number);
}

void kv_waiting_fail(struct kv_waiting *waiting, uint64_t number, const char *text) {
  if (!is_open(waiting, number)) return;
  struct kv_waiting_write *write = at(waiting, number);
  struct kv_connection *connection = kv_clients_find(waiting->clients, write->client);
  if (!connection) {
    close_write(waiting, number);
  } else if (connection->first_write != number) {
    write->failure = text;
  } else {
    kv_reply_error(&connection->output, "%s", text);
    advance(waiting, connection);
  }
}

void kv_waiting_fail_all(struct kv_waiting *waiting, const char *text) {
  for (uint64_t number = waiting->oldest; number <= waiting->broadcast; number++)
    kv_waiting_fail(waiting, number, text);
}
