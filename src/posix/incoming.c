/* SPDX-License-Identifier: MIT
 *
 * Connections that others open: this node receives on them, and writes nothing but the
 * answer to the hello. A stranger is one that has not said hello yet; after it, the
 * connection belongs to whom the hello names, and replaces the one that the same hello
 * opened before: the newer is the live one, for the other side opens a new one only when
 * it has given the old one up. Whether the one named is a member, the group knows: a
 * member's frames are taken by it, others are not. A visitor is a connection that is not
 * from one member to another, for example from one who asks to be let in.
 */
#include "posix/node.h"

#include <errno.h>
#include <inttypes.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <unistd.h>

/* What one read may bring at most, until a larger frame announces itself. */
#define READ_BYTES (256 * 1024)
#define VISIT_READ_BYTES (2 * GR_FRAME_HEADER_MAX)

/* What one connection may bring in one turn, so that the others have theirs. */
#define TURN_BYTES_MAX (1024 * 1024)

/* With no descriptors left, time until the next attempt to accept. */
#define ACCEPT_PAUSE_NS (UINT64_C(100) * 1000 * 1000)

/* A host that vanished without a word is noticed after IDLE + COUNT * INTERVAL seconds.
 * The member has most often connected anew by then. */
#define KEEPALIVE_IDLE_S 10
#define KEEPALIVE_INTERVAL_S 5
#define KEEPALIVE_COUNT 3

/* ---- the listener ---- */

int gr_listener_open(struct gr_listener *listener,
                     const struct gr_address_choices *choices) {
  *listener =
      (struct gr_listener){.endpoint = {.kind = GR_ENDPOINT_LISTENER, .socket = -1},
                           .paused_until = GR_TIME_NEVER};
  const struct sockaddr *at = (const struct sockaddr *)&choices->at[0];
  int fd = socket(at->sa_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
  if (fd < 0) return GR_ERR_SYSTEM;
  const int on = 1;
  if (setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on)) != 0 ||
      bind(fd, at, choices->size[0]) != 0 || listen(fd, SOMAXCONN) != 0) {
    int error = errno;
    close(fd);
    errno = error;
    return GR_ERR_SYSTEM;
  }
  listener->endpoint.socket = fd;
  return GR_OK;
}

/* ---- closing ---- */

static void forget_stranger(struct gr_listener *listener,
                            const struct gr_incoming *incoming) {
  size_t kept = 0;
  for (size_t i = 0; i < listener->stranger_count; i++)
    if (listener->strangers[i] != incoming)
      listener->strangers[kept++] = listener->strangers[i];
  listener->stranger_count = kept;
}

/* Events of this turn may still point at it: it is freed at the turn's end. */
static void close_incoming(struct gr_node *node, struct gr_incoming *incoming) {
  if (incoming->from != 0) {
    struct gr_incoming **at = &node->incoming;
    while (*at != incoming) at = &(*at)->next;
    *at = incoming->next;
  } else {
    forget_stranger(&node->listener, incoming);
  }
  gr_loop_close(node, &incoming->endpoint);
  incoming->next = node->closed;
  node->closed = incoming;
}

void gr_incoming_bury(struct gr_node *node) {
  while (node->closed) {
    struct gr_incoming *incoming = node->closed;
    node->closed = incoming->next;
    gr_frame_reader_free(&incoming->reader);
    free(incoming);
  }
}

void gr_listener_shut(struct gr_node *node) {
  gr_loop_close(node, &node->listener.endpoint);
  node->listener.paused_until = GR_TIME_NEVER;
  while (node->listener.stranger_count > 0)
    close_incoming(node, node->listener.strangers[0]);
  while (node->incoming) close_incoming(node, node->incoming);
}

bool gr_incoming_exists(const struct gr_node *node, gr_member_id from) {
  for (const struct gr_incoming *one = node->incoming; one; one = one->next)
    if (one->from == from) return true;
  return false;
}

/* ---- strangers ---- */

static void set_options(int socket) {
  const int on = 1;
  const int idle = KEEPALIVE_IDLE_S;
  const int interval = KEEPALIVE_INTERVAL_S;
  const int count = KEEPALIVE_COUNT;
  (void)setsockopt(socket, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
  (void)setsockopt(socket, SOL_SOCKET, SO_KEEPALIVE, &on, sizeof(on));
  (void)setsockopt(socket, IPPROTO_TCP, TCP_KEEPIDLE, &idle, sizeof(idle));
  (void)setsockopt(socket, IPPROTO_TCP, TCP_KEEPINTVL, &interval, sizeof(interval));
  (void)setsockopt(socket, IPPROTO_TCP, TCP_KEEPCNT, &count, sizeof(count));
}

/* A line about connections that cannot be laid at a known member's door. */
static void log_stranger(struct gr_node *node, const char *what) {
  if (gr_log_limit_pass(node, &node->listener.log_limit))
    gr_node_log(node, GR_LOG_WARNING, "incoming connection closed: %s", what);
}

static struct gr_incoming *new_incoming(gr_time deadline, int socket) {
  struct gr_incoming *incoming = calloc(1, sizeof(*incoming));
  if (!incoming) return NULL;
  incoming->endpoint = (struct gr_endpoint){.kind = GR_ENDPOINT_INCOMING,
                                            .socket = socket,
                                            .owner = incoming};
  incoming->deadline = deadline;
  if (gr_frame_reader_init(&incoming->reader, 2 * GR_HELLO_BYTES_MAX, GR_HELLO_BYTES_MAX))
    return incoming;
  free(incoming);
  return NULL;
}

static void take_stranger(struct gr_node *node, int socket) {
  struct gr_listener *listener = &node->listener;
  if (listener->stranger_count == GR_STRANGERS_MAX) {
    log_stranger(node, "too many wait without a hello");
    close_incoming(node, listener->strangers[0]);
  }
  set_options(socket);
  struct gr_incoming *incoming = new_incoming(node->now + GR_HELLO_TIMEOUT_NS, socket);
  if (!incoming) {
    close(socket);
    log_stranger(node, "no memory");
    return;
  }
  listener->strangers[listener->stranger_count++] = incoming;
  if (gr_loop_watch(node, &incoming->endpoint, EPOLLIN)) {
    gr_loop_set_timer(node, incoming->deadline);
  } else {
    log_stranger(node, strerror(errno));
    close_incoming(node, incoming);
  }
}

/* Out of descriptors or memory: the listener would report itself for ever, so it rests.
 */
static void pause_listener(struct gr_node *node, const char *why) {
  log_stranger(node, why);
  struct epoll_event none = {.data.ptr = &node->listener.endpoint};
  (void)epoll_ctl(node->epoll, EPOLL_CTL_MOD, node->listener.endpoint.socket, &none);
  node->listener.paused_until = node->now + ACCEPT_PAUSE_NS;
  gr_loop_set_timer(node, node->listener.paused_until);
}

void gr_listener_event(struct gr_node *node) {
  for (size_t accepted = 0; accepted < GR_STRANGERS_MAX; accepted++) {
    int fd =
        accept4(node->listener.endpoint.socket, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
    if (fd >= 0) {
      take_stranger(node, fd);
      continue;
    }
    if (errno == EAGAIN || errno == EWOULDBLOCK) return;
    if (errno == EMFILE || errno == ENFILE || errno == ENOBUFS || errno == ENOMEM) {
      pause_listener(node, strerror(errno));
      return;
    }
    /* Else that one connection failed before it was accepted: on to the next. */
  }
}

gr_time gr_listener_timer(struct gr_node *node) {
  struct gr_listener *listener = &node->listener;
  if (node->now >= listener->paused_until) {
    listener->paused_until = GR_TIME_NEVER;
    struct epoll_event event = {.events = EPOLLIN, .data.ptr = &listener->endpoint};
    (void)epoll_ctl(node->epoll, EPOLL_CTL_MOD, listener->endpoint.socket, &event);
  }
  while (listener->stranger_count > 0 && node->now >= listener->strangers[0]->deadline) {
    log_stranger(node, "no hello came in time");
    close_incoming(node, listener->strangers[0]);
  }
  gr_time due = listener->paused_until;
  if (listener->stranger_count > 0 && listener->strangers[0]->deadline < due)
    due = listener->strangers[0]->deadline;
  return due;
}

/* ---- the hello ---- */

/* The answer fits any new socket's buffer; if it is not taken, the connection is no good.
 */
static bool answer_hello(const struct gr_node *node, const struct gr_incoming *incoming,
                         const struct gr_hello *hello, enum gr_hello_verdict verdict) {
  const struct gr_hello reply = {.kind = GR_HELLO_REPLY,
                                 .verdict = verdict,
                                 .protocol_version = GR_PROTOCOL_VERSION,
                                 .group = node->group_id,
                                 .from = node->self,
                                 .to = hello->from};
  uint8_t bytes[GR_FRAME_LENGTH_BYTES + GR_HELLO_BYTES] = {GR_HELLO_BYTES};
  gr_hello_encode(&reply, bytes + GR_FRAME_LENGTH_BYTES);
  return send(incoming->endpoint.socket, bytes, sizeof(bytes), MSG_NOSIGNAL) ==
         (ssize_t)sizeof(bytes);
}

/* Nobody's mistake: this process has called itself, at one of its seeds; or somebody has
 * not heard yet that it is not the member any more that it was. */
static bool is_common(const struct gr_node *node, const struct gr_hello *hello,
                      enum gr_hello_verdict verdict) {
  if (verdict == GR_HELLO_SAME_NAME) return hello->to == GR_HELLO_ANYBODY;
  return verdict == GR_HELLO_WRONG_TARGET && hello->to == node->former;
}

static void refuse_hello(struct gr_node *node, struct gr_incoming *incoming,
                         const struct gr_hello *hello, const struct gr_hello *expected,
                         enum gr_hello_verdict verdict) {
  struct gr_outgoing *link = gr_links_find(node, hello->from);
  if (link) link->refused_hellos++;
  char why[256];
  char line[384];
  gr_hello_explain(verdict, hello, expected, why, sizeof(why));
  snprintf(line, sizeof(line), "hello refused: %s", why);
  if (!is_common(node, hello, verdict)) log_stranger(node, line);
  (void)answer_hello(node, incoming, hello, verdict);
  close_incoming(node, incoming);
}

static bool is_visit(gr_member_id from, gr_member_id to) {
  return !gr_hello_is_member(from) || !gr_hello_is_member(to);
}

/* Closes the connection that this one replaces; or, where there are too many of its kind,
 * the one that has been silent for longest. */
static void make_room(struct gr_node *node, const struct gr_hello *hello) {
  const bool visits = is_visit(hello->from, hello->to);
  struct gr_incoming *quietest = NULL;
  size_t count = 0;
  for (struct gr_incoming *one = node->incoming; one; one = one->next) {
    if (one->from == hello->from && one->to == hello->to) {
      close_incoming(node, one);
      return;
    }
    if (is_visit(one->from, one->to) != visits) continue;
    count++;
    if (!quietest || one->heard <= quietest->heard) quietest = one;
  }
  if (count < (visits ? GR_VISITORS_MAX : node->members_max)) return;
  log_stranger(node, "there are too many, and it was silent for longest");
  close_incoming(node, quietest);
}

static void accept_hello(struct gr_node *node, struct gr_incoming *incoming,
                         const struct gr_hello *hello) {
  const bool visits = is_visit(hello->from, hello->to);
  const size_t frame_bytes_max = visits ? GR_FRAME_HEADER_MAX : node->frame_bytes_max;
  if (!answer_hello(node, incoming, hello, GR_HELLO_OK) ||
      !gr_frame_reader_widen(&incoming->reader, visits ? VISIT_READ_BYTES : READ_BYTES,
                             frame_bytes_max)) {
    log_stranger(node, "its hello cannot be answered");
    close_incoming(node, incoming);
    return;
  }
  make_room(node, hello);
  forget_stranger(&node->listener, incoming);
  incoming->from = hello->from;
  incoming->to = hello->to;
  incoming->deadline = GR_TIME_NEVER;
  incoming->heard = node->now;
  incoming->next = node->incoming;
  node->incoming = incoming;
}

static void take_hello(struct gr_node *node, struct gr_incoming *incoming,
                       gr_slice frame) {
  struct gr_hello hello;
  int error = gr_hello_decode(frame, &hello);
  if (error == GR_ERR_MALFORMED || hello.kind != GR_HELLO_OPEN) {
    log_stranger(node, "what it sent first is no hello");
    close_incoming(node, incoming);
    return;
  }
  const struct gr_hello expected = {.protocol_version = GR_PROTOCOL_VERSION,
                                    .group = node->group_id,
                                    .to = node->self};
  enum gr_hello_verdict verdict = gr_hello_judge(&hello, &expected);
  if (verdict == GR_HELLO_OK)
    accept_hello(node, incoming, &hello);
  else
    refuse_hello(node, incoming, &hello, &expected, verdict);
}

/* ---- frames ---- */

static void lose(struct gr_node *node, struct gr_incoming *incoming, const char *what) {
  struct gr_outgoing *link = gr_links_find(node, incoming->from);
  if (!link || !gr_hello_is_member(incoming->from))
    log_stranger(node, what);
  else if (gr_log_limit_pass(node, &link->log_limit))
    gr_node_log(node, GR_LOG_WARNING, "connection from member %" PRIu64 " closed: %s",
                link->id, what);
  close_incoming(node, incoming);
}

/* The other side has closed it: for one that only visited that is how it goes. */
static void take_end(struct gr_node *node, struct gr_incoming *incoming) {
  if (incoming->from != 0 && is_visit(incoming->from, incoming->to))
    close_incoming(node, incoming);
  else
    lose(node, incoming, "the other side closed it");
}

/* A frame of a former process or of another group is somebody's mistake. But while the
 * members meet, frames of processes not known yet are common, and to one who is not in
 * the group all of them are foreign. */
static bool is_mistake(const struct gr_node *node, const struct gr_incoming *incoming,
                       int error) {
  if (!gr_hello_is_member(node->self) || !gr_hello_is_member(incoming->from))
    return false;
  return error == GR_ERR_FOREIGN || (error == GR_ERR_STALE && node->leader != 0);
}

/* What the group refused. A stream that carries garbage is broken and is closed; a
 * mistake is told once. */
static void refused(struct gr_node *node, struct gr_incoming *incoming, int error) {
  if (error == GR_ERR_MALFORMED || error == GR_ERR_CORRUPT || error == GR_ERR_PROTOCOL) {
    lose(node, incoming, gr_error_text(error));
  } else if (!incoming->stale_logged && is_mistake(node, incoming, error)) {
    incoming->stale_logged = true;
    gr_node_log(node, GR_LOG_WARNING, "frames of member %" PRIu64 " are ignored: %s",
                incoming->from, gr_error_text(error));
  }
}

static void oversized(struct gr_node *node, struct gr_incoming *incoming, size_t size) {
  char what[128];
  snprintf(what, sizeof(what), "a frame of %zu bytes was announced, the limit is %zu",
           size, incoming->reader.frame_bytes_max);
  lose(node, incoming, what);
}

/* Takes all whole frames that were read. */
static void take_frames(struct gr_node *node, struct gr_incoming *incoming) {
  gr_slice frame;
  incoming->heard = node->now;
  while (incoming->endpoint.socket >= 0) {
    switch (gr_frame_reader_next(&incoming->reader, &frame)) {
    case GR_FRAME_PARTIAL:
      return;
    case GR_FRAME_OVERSIZED:
      oversized(node, incoming, frame.size);
      return;
    case GR_FRAME_READY:
      break;
    }
    if (incoming->from == 0) {
      take_hello(node, incoming, frame);
      continue;
    }
    int error = gr_group_receive(node->group, incoming->from, frame, node->now);
    if (error != GR_OK) refused(node, incoming, error);
  }
}

/* Less than was asked for means that there is no more now: no further read, which would
 * only say so. Were there more by then, epoll would report it. */
void gr_incoming_event(struct gr_node *node, struct gr_incoming *incoming) {
  for (size_t taken = 0; taken < TURN_BYTES_MAX && incoming->endpoint.socket >= 0;) {
    size_t room = 0;
    uint8_t *at = gr_frame_reader_room(&incoming->reader, &room);
    if (!at) {
      lose(node, incoming, "no memory for its frames");
      return;
    }
    ssize_t got = recv(incoming->endpoint.socket, at, room, 0);
    if (got < 0 && (errno == EAGAIN || errno == EWOULDBLOCK || errno == EINTR)) return;
    if (got < 0) {
      lose(node, incoming, strerror(errno));
      return;
    }
    if (got == 0) {
      take_end(node, incoming);
      return;
    }
    gr_frame_reader_filled(&incoming->reader, (size_t)got);
    take_frames(node, incoming);
    if ((size_t)got < room) return;
    taken += (size_t)got;
  }
}
