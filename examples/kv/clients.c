/* SPDX-License-Identifier: MIT
 *
 * See clients.h.
 */
#include "clients.h"

#include "log.h"

#include <errno.h>
#include <netdb.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#define NOBODY UINT32_MAX

/* Connections that may wait to be accepted. */
#define BACKLOG 511

/* Connections taken in one turn, so that a flood of them does not hold up the others. */
#define ACCEPTS_MAX 64

static int refuse(int fd, const struct kv_options *options, const char *why,
                  char *error_text, size_t error_text_size) {
  snprintf(error_text, error_text_size, "cannot listen for clients on %s port %u: %s",
           options->bind, options->port, why);
  if (fd >= 0) close(fd);
  return -1;
}

int kv_clients_listen(const struct kv_options *options, char *error_text,
                      size_t error_text_size) {
  struct addrinfo hints = {.ai_socktype = SOCK_STREAM,
                           .ai_flags = AI_PASSIVE | AI_NUMERICHOST | AI_NUMERICSERV};
  struct addrinfo *address;
  char port[8];
  snprintf(port, sizeof(port), "%u", options->port);
  int failed = getaddrinfo(options->bind, port, &hints, &address);
  if (failed != 0)
    return refuse(-1, options, gai_strerror(failed), error_text, error_text_size);
  int fd = socket(address->ai_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
  int on = 1;
  bool listens =
      fd >= 0 && setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on)) == 0 &&
      bind(fd, address->ai_addr, address->ai_addrlen) == 0 && listen(fd, BACKLOG) == 0;
  int error = errno;
  freeaddrinfo(address);
  if (listens) return fd;
  return refuse(fd, options, strerror(error), error_text, error_text_size);
}

bool kv_clients_watch(struct kv_clients *clients, int fd, uint64_t event) {
  struct epoll_event watch = {.events = EPOLLIN, .data.u64 = event};
  return epoll_ctl(clients->epoll_fd, EPOLL_CTL_ADD, fd, &watch) == 0;
}

bool kv_clients_init(struct kv_clients *clients, struct kv_service *service,
                     int listen_fd) {
  uint32_t capacity = service->options->clients_max;
  *clients =
      (struct kv_clients){.service = service, .listen_fd = listen_fd, .listening = true};
  clients->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
  clients->connections = calloc(capacity, sizeof(*clients->connections));
  clients->work = calloc(capacity, sizeof(*clients->work));
  if (clients->epoll_fd < 0 || !clients->connections || !clients->work) return false;
  for (uint32_t i = 0; i < capacity; i++) {
    clients->connections[i] =
        (struct kv_connection){.fd = -1,
                               .index = i,
                               .next_free = i + 1 < capacity ? i + 1 : NOBODY};
  }
  clients->capacity = capacity;
  return kv_clients_watch(clients, listen_fd, KV_EVENT_LISTENER);
}

void kv_clients_release(struct kv_clients *clients) {
  for (uint32_t i = 0; i < clients->capacity; i++)
    if (clients->connections[i].fd >= 0) kv_connection_close(&clients->connections[i]);
  free(clients->connections);
  free(clients->work);
  if (clients->epoll_fd >= 0) close(clients->epoll_fd);
  close(clients->listen_fd);
}

struct kv_client_ref kv_clients_ref(const struct kv_connection *connection) {
  return (struct kv_client_ref){connection->index, connection->generation};
}

struct kv_client_ref kv_clients_of_event(uint64_t event) {
  return (struct kv_client_ref){(uint32_t)event, (uint32_t)(event >> 32)};
}

static uint64_t event_of(const struct kv_connection *connection) {
  return (uint64_t)connection->generation << 32 | connection->index;
}

struct kv_connection *kv_clients_find(struct kv_clients *clients,
                                      struct kv_client_ref ref) {
  if (ref.index >= clients->capacity) return NULL;
  struct kv_connection *connection = &clients->connections[ref.index];
  if (connection->fd < 0 || connection->generation != ref.generation) return NULL;
  return connection;
}

static void refuse_client(struct kv_clients *clients, int fd) {
  static const char text[] = "-ERR max number of clients reached\r\n";
  clients->service->clients_refused++;
  /* Best effort: the client learns it from the closed connection otherwise. */
  if (send(fd, text, sizeof(text) - 1, MSG_DONTWAIT | MSG_NOSIGNAL) < 0) errno = 0;
  close(fd);
}

static void take(struct kv_clients *clients, int fd) {
  if (clients->first_free == NOBODY) {
    refuse_client(clients, fd);
    return;
  }
  struct kv_connection *connection = &clients->connections[clients->first_free];
  uint32_t next_free = connection->next_free;
  kv_connection_open(connection, fd, clients->service);
  struct epoll_event watch = {.events = EPOLLIN, .data.u64 = event_of(connection)};
  if (epoll_ctl(clients->epoll_fd, EPOLL_CTL_ADD, fd, &watch) != 0) {
    kv_log(GR_LOG_ERROR, "client %s: cannot be watched: %s", connection->peer,
           strerror(errno));
    connection->next_free = next_free;
    kv_connection_close(connection);
    return;
  }
  connection->events = EPOLLIN;
  clients->first_free = next_free;
  clients->service->clients++;
}

void kv_clients_accept(struct kv_clients *clients) {
  for (int i = 0; i < ACCEPTS_MAX; i++) {
    int fd = accept4(clients->listen_fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
    if (fd >= 0) {
      take(clients, fd);
      continue;
    }
    if (errno == EAGAIN) return;
    if (errno != EMFILE && errno != ENFILE && errno != ENOBUFS && errno != ENOMEM)
      continue;
    /* The listener stays readable: watching it now would spin. */
    kv_log(GR_LOG_WARNING, "no client is accepted for a second: %s", strerror(errno));
    clients->listening = false;
    epoll_ctl(clients->epoll_fd, EPOLL_CTL_DEL, clients->listen_fd, NULL);
    return;
  }
}

void kv_clients_resume(struct kv_clients *clients) {
  if (clients->listening) return;
  clients->listening = kv_clients_watch(clients, clients->listen_fd, KV_EVENT_LISTENER);
}

void kv_clients_queue(struct kv_clients *clients, struct kv_connection *connection) {
  if (connection->queued) return;
  connection->queued = true;
  clients->work[clients->work_count++] = connection->index;
}

void kv_clients_rearm(struct kv_clients *clients, struct kv_connection *connection) {
  uint32_t events = kv_connection_interest(connection);
  if (events == connection->events) return;
  struct epoll_event watch = {.events = events, .data.u64 = event_of(connection)};
  if (epoll_ctl(clients->epoll_fd, EPOLL_CTL_MOD, connection->fd, &watch) == 0)
    connection->events = events;
  else
    kv_clients_drop(clients, connection, strerror(errno));
}

void kv_clients_drop(struct kv_clients *clients, struct kv_connection *connection,
                     const char *reason) {
  if (reason) {
    kv_log(GR_LOG_WARNING, "client %s is disconnected: %s", connection->peer, reason);
    clients->service->clients_dropped++;
  }
  kv_connection_close(connection);
  connection->next_free = clients->first_free;
  clients->first_free = connection->index;
  clients->service->clients--;
}
