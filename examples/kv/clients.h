/* SPDX-License-Identifier: MIT
 *
 * All client connections: accepting, watching, finding again, and the list of those that
 * have something to be done in this turn.
 */
#ifndef KV_CLIENTS_H
#define KV_CLIENTS_H

#include "connection.h"

struct kv_clients {
  struct kv_service *service;
  int epoll_fd;
  int listen_fd;
  bool listening; /* false while accepting failed for want of something */
  struct kv_connection *connections;
  uint32_t capacity;
  uint32_t first_free;
  uint32_t *work; /* indexes of those to be looked at */
  uint32_t work_count;
};

/* Marks what epoll reports as not being a client. */
#define KV_EVENT_LISTENER UINT64_MAX
#define KV_EVENT_HANDOVER (UINT64_MAX - 1)
#define KV_EVENT_SIGNAL (UINT64_MAX - 2)

/* Which connection a reply is for: a place, and who had it. */
struct kv_client_ref {
  uint32_t index;
  uint32_t generation;
};

/* Binds and listens. -1: `error_text` says why. */
int kv_clients_listen(const struct kv_options *options, char *error_text,
                      size_t error_text_size);

/* Takes over the listening socket. False: errno says why. */
bool kv_clients_init(struct kv_clients *clients, struct kv_service *service,
                     int listen_fd);
void kv_clients_release(struct kv_clients *clients);

/* Watches a descriptor that is no client. False: errno says why. */
bool kv_clients_watch(struct kv_clients *clients, int fd, uint64_t event);

/* Takes the connections that have arrived. */
void kv_clients_accept(struct kv_clients *clients);

/* Listens again after accepting failed. */
void kv_clients_resume(struct kv_clients *clients);

struct kv_client_ref kv_clients_ref(const struct kv_connection *connection);

/* The event's or reference's connection; NULL if it is gone. */
struct kv_connection *kv_clients_find(struct kv_clients *clients,
                                      struct kv_client_ref ref);
struct kv_client_ref kv_clients_of_event(uint64_t event);

/* Puts the connection on the list of this turn, once. */
void kv_clients_queue(struct kv_clients *clients, struct kv_connection *connection);

/* Watches the connection for what it needs now. */
void kv_clients_rearm(struct kv_clients *clients, struct kv_connection *connection);

/* Ends the connection. `reason`, if not NULL, is logged: it was not the client's wish. */
void kv_clients_drop(struct kv_clients *clients, struct kv_connection *connection,
                     const char *reason);

#endif
