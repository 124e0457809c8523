/* SPDX-License-Identifier: MIT
 *
 * See connection.h.
 */
#include "connection.h"

#include "command.h"

#include <errno.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

/* What one read takes at most: some hundred small commands. */
#define RECEIVE_BYTES ((size_t)64 * 1024)

/* A client that must wait for a write may send this much ahead. */
#define AHEAD_BYTES ((size_t)64 * 1024)

/* A typed line. */
#define INLINE_BYTES_MAX ((size_t)64 * 1024)

/* What RESP adds to the words of a command of the largest message, if it has few. */
#define RESP_OVERHEAD ((size_t)4096)

static void name_peer(struct kv_connection *connection) {
  struct sockaddr_storage address;
  socklen_t size = sizeof(address);
  char host[46];
  char port[6];
  if (getpeername(connection->fd, (struct sockaddr *)&address, &size) == 0 &&
      getnameinfo((struct sockaddr *)&address, size, host, sizeof(host), port,
                  sizeof(port), NI_NUMERICHOST | NI_NUMERICSERV) == 0)
    snprintf(connection->peer, sizeof(connection->peer), "%s:%s", host, port);
  else
    snprintf(connection->peer, sizeof(connection->peer), "unknown");
}

void kv_connection_open(struct kv_connection *connection, int fd,
                        struct kv_service *service) {
  const struct kv_options *options = service->options;
  size_t command_bytes_max = (size_t)options->message_bytes_max + RESP_OVERHEAD;
  struct kv_resp_limits limits = {.args_max = KV_ARGS_MAX,
                                  .command_bytes_max = command_bytes_max,
                                  .inline_bytes_max = INLINE_BYTES_MAX};
  /* A partial command of the largest size, or as much ahead as a waiting client may send;
   * and one read on top. */
  size_t input_max = command_bytes_max + AHEAD_BYTES + RECEIVE_BYTES;
  uint32_t index = connection->index;
  uint32_t generation = connection->generation + 1;
  bool queued = connection->queued;
  *connection =
      (struct kv_connection){.fd = fd,
                             .index = index,
                             .generation = generation,
                             .queued = queued,
                             .input = kv_buffer_of(input_max),
                             .output = kv_buffer_of((size_t)options->output_bytes_max),
                             .session = {.service = service,
                                         .id = ++service->clients_total}};
  kv_parser_init(&connection->parser, &limits);
  name_peer(connection);
  int on = 1;
  setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
}

void kv_connection_close(struct kv_connection *connection) {
  close(connection->fd);
  connection->fd = -1;
  kv_buffer_release(&connection->input);
  kv_buffer_release(&connection->output);
  kv_parser_release(&connection->parser);
}

bool kv_connection_receive(struct kv_connection *connection) {
  uint8_t *room = kv_buffer_reserve(&connection->input, RECEIVE_BYTES);
  if (!room) return false;
  ssize_t size = recv(connection->fd, room, RECEIVE_BYTES, MSG_DONTWAIT);
  if (size > 0) kv_buffer_commit(&connection->input, (size_t)size);
  if (size == 0) connection->ended = true;
  return size >= 0 || errno == EAGAIN || errno == EINTR;
}

bool kv_connection_send(struct kv_connection *connection, uint64_t now_ms) {
  struct kv_buffer *output = &connection->output;
  while (output->size > 0) {
    ssize_t size = send(connection->fd, kv_buffer_data(output), output->size,
                        MSG_DONTWAIT | MSG_NOSIGNAL);
    if (size < 0 && errno == EINTR) continue;
    if (size < 0 && errno == EAGAIN) break;
    if (size < 0) return false;
    kv_buffer_consume(output, (size_t)size);
    connection->unread_since_ms = now_ms;
  }
  if (output->size == 0)
    connection->unread_since_ms = 0;
  else if (connection->unread_since_ms == 0)
    connection->unread_since_ms = now_ms;
  return true;
}

uint32_t kv_connection_interest(const struct kv_connection *connection) {
  uint32_t events = 0;
  bool waits = connection->blocked && connection->input.size >= AHEAD_BYTES;
  if (!connection->ended && !connection->closing && !waits) events |= EPOLLIN;
  if (connection->output.size > 0) events |= EPOLLOUT;
  return events;
}
