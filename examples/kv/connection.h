/* SPDX-License-Identifier: MIT
 *
 * One client's connection: its socket and its two buffers. What the bytes mean is not
 * decided here.
 */
#ifndef KV_CONNECTION_H
#define KV_CONNECTION_H

#include "resp.h"
#include "service.h"

#define KV_PEER_NAME_MAX 64

struct kv_connection {
  int fd;              /* -1: this place is free */
  uint32_t index;      /* its place among all */
  uint32_t generation; /* how many connections had this place before */
  uint32_t next_free;
  uint32_t events;      /* what epoll watches for it */
  uint32_t in_flight;   /* writes that are broadcast and not applied */
  uint64_t first_write; /* number of the oldest of them; 0: none */
  uint64_t last_write;
  bool queued;  /* its place is on the list of those to be looked at in this turn */
  bool ended;   /* the client sends nothing more */
  bool blocked; /* has a command that must wait */
  bool closing; /* to be closed once the replies are sent */
  uint64_t unread_since_ms; /* since when the client has taken none of its replies; 0:
                               took all */
  struct kv_buffer input;
  struct kv_buffer output;
  struct kv_parser parser;
  struct kv_session session;
  char peer[KV_PEER_NAME_MAX];
};

/* Takes over the socket. The place stays what it is, and on the list of this turn if it
 * is. */
void kv_connection_open(struct kv_connection *connection, int fd,
                        struct kv_service *service);

/* Closes the socket and releases the buffers. */
void kv_connection_close(struct kv_connection *connection);

/* Reads what is there, up to a piece. False: the connection is lost. */
bool kv_connection_receive(struct kv_connection *connection);

/* Sends what the socket takes. False: the connection is lost. */
bool kv_connection_send(struct kv_connection *connection, uint64_t now_ms);

/* What to watch the socket for now. */
uint32_t kv_connection_interest(const struct kv_connection *connection);

#endif
