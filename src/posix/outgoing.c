/* SPDX-License-Identifier: MIT
 *
 * Outgoing: the connection that this node opens to another, and sends on. It only ever
 * reads the hello's reply from it, and its end.
 *
 *   WAITING --> RESOLVING --> CONNECTING --> GREETING --> READY --> ENDING
 *      ^            |             |              |          |
 *      +------------+-------------+--------------+----------+   failed: pause, doubling
 *
 * The socket is watched edge-triggered from the beginning, so that no system call changes
 * what is watched: a write that the kernel took only in part is followed by an edge when
 * there is room again, and a full read by one when more arrives.
 */
#include "posix/node.h"

#include <errno.h>
#include <inttypes.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>

/* Sent data that is not acknowledged for so long means that the other's host is gone. */
#define UNACKNOWLEDGED_MS 10000

/* What a link that is not needed any more has left may take so long. */
#define LINGER_NS (UINT64_C(1000) * 1000 * 1000)

static void set_name(struct gr_outgoing *link) {
  int used = gr_hello_is_member(link->id)
                 ? snprintf(link->name, sizeof(link->name), "member %" PRIu64, link->id)
                 : snprintf(link->name, sizeof(link->name), "the server");
  snprintf(link->name + used, sizeof(link->name) - (size_t)used, " at %s port %s",
           link->address.host, link->address.port);
}

struct gr_outgoing *gr_outgoing_new(struct gr_node *node, gr_member_id id,
                                    const struct gr_address *address) {
  struct gr_outgoing *link = calloc(1, sizeof(*link));
  if (!link) return NULL;
  link->endpoint =
      (struct gr_endpoint){.kind = GR_ENDPOINT_LINK, .socket = -1, .owner = link};
  link->id = id;
  link->address = *address;
  set_name(link);
  link->state = GR_OUTGOING_WAITING;
  link->pause = node->reconnect_min_ns;
  link->is_name = gr_address_resolve(&link->address, true, &link->choices) != 0;
  if (link->is_name) link->choices.count = 0;
  if (gr_outbox_init(&link->outbox, gr_node_frame_bytes_max(node, id)) &&
      gr_frame_reader_init(&link->reader, 2 * GR_HELLO_BYTES_MAX, GR_HELLO_BYTES_MAX))
    return link;
  gr_outgoing_free(node, link);
  return NULL;
}

void gr_outgoing_free(struct gr_node *node, struct gr_outgoing *link) {
  gr_loop_close(node, &link->endpoint);
  gr_outbox_free(&link->outbox);
  gr_frame_reader_free(&link->reader);
  free(link);
}

/* The connection is over; what it had gathered is lost, which the group tolerates. */
static void drop_connection(struct gr_node *node, struct gr_outgoing *link) {
  gr_loop_close(node, &link->endpoint);
  gr_outbox_clear(&link->outbox);
  link->reader.first = link->reader.end = 0;
}

void gr_outgoing_shut(struct gr_node *node, struct gr_outgoing *link) {
  drop_connection(node, link);
  if (link->state != GR_OUTGOING_ENDING) link->state = GR_OUTGOING_WAITING;
  link->deadline = GR_TIME_NEVER;
}

void gr_outgoing_end(struct gr_node *node, struct gr_outgoing *link) {
  gr_outgoing_flush(node, link);
  bool has_more = link->state == GR_OUTGOING_READY && link->outbox.leftover_end > 0;
  link->state = GR_OUTGOING_ENDING;
  link->deadline = node->now + LINGER_NS;
  if (has_more)
    gr_loop_set_timer(node, link->deadline);
  else
    gr_outgoing_shut(node, link);
}

void gr_outgoing_renew(struct gr_node *node, struct gr_outgoing *link) {
  if (link->state != GR_OUTGOING_GREETING && link->state != GR_OUTGOING_READY) return;
  drop_connection(node, link);
  link->state = GR_OUTGOING_WAITING;
  link->deadline = node->now;
  gr_loop_set_timer(node, link->deadline);
}

/* Waits for the pause, between half of it and all, then doubles it for the next time. */
static void wait_and_retry(struct gr_node *node, struct gr_outgoing *link) {
  drop_connection(node, link);
  if (link->is_name) link->choices.count = 0;
  link->state = GR_OUTGOING_WAITING;
  link->deadline =
      node->now + link->pause / 2 + gr_random_below(&node->random, link->pause / 2 + 1);
  link->pause =
      link->pause > node->reconnect_max_ns / 2 ? node->reconnect_max_ns : 2 * link->pause;
  gr_loop_set_timer(node, link->deadline);
}

/* Not even connected: said once, until it has been reached again. */
static void fail_attempt(struct gr_node *node, struct gr_outgoing *link,
                         const char *what) {
  if (!link->down_logged)
    gr_node_log(node, GR_LOG_WARNING, "%s is not reached: %s; trying again", link->name,
                what);
  link->down_logged = true;
  wait_and_retry(node, link);
}

static void lose(struct gr_node *node, struct gr_outgoing *link, const char *what) {
  if (gr_log_limit_pass(node, &link->log_limit))
    gr_node_log(node, GR_LOG_WARNING, "connection to %s is lost: %s; connecting again",
                link->name, what);
  wait_and_retry(node, link);
}

static void set_options(int socket) {
  const int on = 1;
  const unsigned unacknowledged = UNACKNOWLEDGED_MS;
  /* Without these it would be slower, not wrong: no need to look at the answers. */
  (void)setsockopt(socket, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
  (void)setsockopt(socket, IPPROTO_TCP, TCP_USER_TIMEOUT, &unacknowledged,
                   sizeof(unacknowledged));
}

static void connect_now(struct gr_node *node, struct gr_outgoing *link) {
  size_t choice = link->choice++ % link->choices.count;
  const struct sockaddr *at = (const struct sockaddr *)&link->choices.at[choice];
  int fd = socket(at->sa_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
  link->endpoint.socket = fd;
  if (fd < 0) {
    fail_attempt(node, link, strerror(errno));
    return;
  }
  set_options(fd);
  if (connect(fd, at, link->choices.size[choice]) != 0 && errno != EINPROGRESS) {
    fail_attempt(node, link, strerror(errno));
    return;
  }
  if (!gr_loop_watch(node, &link->endpoint, EPOLLIN | EPOLLOUT | EPOLLRDHUP | EPOLLET)) {
    fail_attempt(node, link, strerror(errno));
    return;
  }
  link->state = GR_OUTGOING_CONNECTING;
  link->deadline = node->now + GR_HELLO_TIMEOUT_NS;
  gr_loop_set_timer(node, link->deadline);
}

static void attempt(struct gr_node *node, struct gr_outgoing *link) {
  if (link->choices.count > 0) {
    connect_now(node, link);
    return;
  }
  link->state = GR_OUTGOING_RESOLVING;
  link->deadline = GR_TIME_NEVER; /* the system's resolver has limits of its own */
  if (!gr_resolver_ask(&node->resolver, &link->job, &link->address))
    fail_attempt(node, link, "no thread can be started to resolve its name");
}

void gr_outgoing_resolved(struct gr_node *node, struct gr_outgoing *link) {
  int code = 0;
  if (!gr_resolver_take(&node->resolver, &link->job, &code, &link->choices)) return;
  if (link->state != GR_OUTGOING_RESOLVING) return;
  if (code != 0) {
    link->choices.count = 0;
    fail_attempt(node, link, gai_strerror(code));
  } else {
    connect_now(node, link);
  }
}

gr_time gr_outgoing_timer(struct gr_node *node, struct gr_outgoing *link) {
  if (node->now < link->deadline) return link->deadline;
  switch (link->state) {
  case GR_OUTGOING_WAITING:
    attempt(node, link);
    break;
  case GR_OUTGOING_CONNECTING:
    fail_attempt(node, link, "it does not answer");
    break;
  case GR_OUTGOING_GREETING:
    fail_attempt(node, link, "it does not answer the hello");
    break;
  case GR_OUTGOING_ENDING:
    gr_outgoing_shut(node, link);
    break;
  case GR_OUTGOING_RESOLVING:
  case GR_OUTGOING_READY:
    break;
  }
  return link->deadline;
}

static struct gr_hello hello_of(const struct gr_node *node,
                                const struct gr_outgoing *link) {
  return (struct gr_hello){.kind = GR_HELLO_OPEN,
                           .hello_version = GR_HELLO_VERSION,
                           .protocol_version = GR_PROTOCOL_VERSION,
                           .group = node->group_id,
                           .from = node->self,
                           .to = gr_hello_is_member(link->id) ? link->id
                                                              : GR_HELLO_ANYBODY};
}

static void say_hello(struct gr_node *node, struct gr_outgoing *link) {
  int error = 0;
  socklen_t size = sizeof(error);
  if (getsockopt(link->endpoint.socket, SOL_SOCKET, SO_ERROR, &error, &size) != 0)
    error = errno;
  if (error != 0) {
    fail_attempt(node, link, strerror(error));
    return;
  }
  const struct gr_hello hello = hello_of(node, link);
  uint8_t bytes[GR_HELLO_BYTES];
  gr_hello_encode(&hello, bytes);
  const gr_slice part = {.data = bytes, .size = sizeof(bytes)};
  if (!gr_outbox_add(&link->outbox, &part, 1) ||
      gr_outbox_flush(&link->outbox, link->endpoint.socket) != GR_OUTBOX_EMPTY) {
    fail_attempt(node, link, "the hello cannot be sent");
    return;
  }
  link->state = GR_OUTGOING_GREETING;
}

/* Says why the two do not talk. `theirs`: the other refused; else this node does. */
static void refuse(struct gr_node *node, struct gr_outgoing *link, bool theirs,
                   const char *why) {
  link->refused_hellos++;
  if (gr_log_limit_pass(node, &link->log_limit))
    gr_node_log(node, GR_LOG_ERROR, "%s %s: %s", link->name,
                theirs ? "refused this member's hello" : "answered a hello wrongly", why);
  wait_and_retry(node, link);
}

/* The other's verdict, as it looks from here: what it expected is what it says of itself.
 * One of the seeds may be this process's own address: then it has refused itself. */
static void take_refusal(struct gr_node *node, struct gr_outgoing *link,
                         const struct gr_hello *reply) {
  if (reply->verdict == GR_HELLO_SAME_NAME && !gr_hello_is_member(link->id)) {
    link->pause = node->reconnect_max_ns;
    wait_and_retry(node, link);
    return;
  }
  const struct gr_hello ours = hello_of(node, link);
  struct gr_hello expected = *reply;
  expected.to = reply->from;
  char why[256];
  gr_hello_explain(reply->verdict, &ours, &expected, why, sizeof(why));
  if (reply->verdict != GR_HELLO_WRONG_TARGET) {
    refuse(node, link, true, why);
    return;
  }
  link->refused_hellos++; /* said once: its server may be another member by now */
  fail_attempt(node, link, why);
}

static void become_ready(struct gr_node *node, struct gr_outgoing *link) {
  link->state = GR_OUTGOING_READY;
  link->deadline = GR_TIME_NEVER;
  link->pause = node->reconnect_min_ns;
  link->connects++;
  link->down_logged = false;
  link->refused_send = false;
  gr_node_log(node, GR_LOG_INFO, "connected to %s", link->name);
  (void)gr_group_sendable(node->group, link->id);
}

/* A guest may answer for a member: it is one, and does not know yet. */
static bool is_from_whom_it_is_for(const struct gr_node *node,
                                   const struct gr_outgoing *link,
                                   const struct gr_hello *reply) {
  if (reply->to != node->self) return false;
  if (memcmp(&reply->group, &node->group_id, sizeof(reply->group)) != 0) return false;
  return reply->from == link->id || !gr_hello_is_member(link->id) ||
         !gr_hello_is_member(reply->from);
}

static void take_reply(struct gr_node *node, struct gr_outgoing *link, gr_slice frame) {
  struct gr_hello reply;
  int error = gr_hello_decode(frame, &reply);
  if (error == GR_ERR_PROTOCOL) {
    char why[96];
    const struct gr_hello none = {0};
    gr_hello_explain(GR_HELLO_WRONG_VERSION, &reply, &none, why, sizeof(why));
    refuse(node, link, false, why);
  } else if (error != GR_OK || reply.kind != GR_HELLO_REPLY) {
    refuse(node, link, false, "its answer is no hello");
  } else if (reply.verdict != GR_HELLO_OK) {
    take_refusal(node, link, &reply);
  } else if (!is_from_whom_it_is_for(node, link, &reply)) {
    refuse(node, link, false, "its answer names another member or group");
  } else {
    become_ready(node, link);
  }
}

/* Reads what there is: only a hello's reply is ever expected. False when the end was
 * reached, or the connection is lost. */
static bool read_some(struct gr_outgoing *link, const char **what) {
  size_t room = 0;
  uint8_t *at = gr_frame_reader_room(&link->reader, &room);
  ssize_t got = at ? recv(link->endpoint.socket, at, room, 0) : 0;
  if (got < 0 && (errno == EAGAIN || errno == EINTR)) return true;
  *what = got < 0 ? strerror(errno) : "the other side closed it";
  if (got <= 0) return false;
  gr_frame_reader_filled(&link->reader, (size_t)got);
  return true;
}

static void read_reply(struct gr_node *node, struct gr_outgoing *link) {
  const char *what = NULL;
  bool open = read_some(link, &what);
  gr_slice frame;
  switch (gr_frame_reader_next(&link->reader, &frame)) {
  case GR_FRAME_READY:
    take_reply(node, link, frame);
    return;
  case GR_FRAME_OVERSIZED:
    refuse(node, link, false, "its answer is no hello");
    return;
  case GR_FRAME_PARTIAL:
    if (!open) fail_attempt(node, link, what);
    return;
  }
}

static void read_end(struct gr_node *node, struct gr_outgoing *link) {
  const char *what = NULL;
  if (!read_some(link, &what))
    lose(node, link, what);
  else if (link->reader.end > 0)
    lose(node, link, "the other side sent what it should not");
}

/* More may be sent now: the group is told if it waits for that. */
static void drained(struct gr_node *node, struct gr_outgoing *link) {
  if (!link->refused_send) return;
  link->refused_send = false;
  (void)gr_group_sendable(node->group, link->id);
}

/* Only what is left over is still written. */
static void go_on_ending(struct gr_node *node, struct gr_outgoing *link,
                         uint32_t events) {
  if ((events & (EPOLLERR | EPOLLHUP | EPOLLRDHUP)) ||
      gr_outbox_resume(&link->outbox, link->endpoint.socket) != GR_OUTBOX_BLOCKED)
    gr_outgoing_shut(node, link);
}

static void resume(struct gr_node *node, struct gr_outgoing *link) {
  switch (gr_outbox_resume(&link->outbox, link->endpoint.socket)) {
  case GR_OUTBOX_EMPTY:
    drained(node, link);
    return;
  case GR_OUTBOX_BLOCKED:
    return;
  case GR_OUTBOX_BROKEN:
    lose(node, link, strerror(errno));
    return;
  }
}

void gr_outgoing_event(struct gr_node *node, struct gr_outgoing *link, uint32_t events) {
  if (link->endpoint.socket < 0) return; /* closed earlier in this turn */
  const uint32_t ended = EPOLLERR | EPOLLHUP | EPOLLRDHUP;
  if (link->state == GR_OUTGOING_CONNECTING && (events & (EPOLLOUT | ended)))
    say_hello(node, link);
  if (link->state == GR_OUTGOING_GREETING && (events & (EPOLLIN | ended)))
    read_reply(node, link);
  else if (link->state == GR_OUTGOING_READY && (events & (EPOLLIN | ended)))
    read_end(node, link);
  if (link->state == GR_OUTGOING_READY && (events & EPOLLOUT)) resume(node, link);
  if (link->state == GR_OUTGOING_ENDING) go_on_ending(node, link, events);
}

bool gr_outgoing_send(struct gr_node *node, struct gr_outgoing *link,
                      const gr_slice *parts, size_t part_count) {
  size_t size = 0;
  for (size_t i = 0; i < part_count; i++) size += parts[i].size;
  if (size > link->outbox.frame_bytes_max)
    gr_node_halt(node, GR_ERR_INVARIANT, "a frame exceeds what the connections carry");
  else if (link->state == GR_OUTGOING_READY &&
           gr_outbox_add(&link->outbox, parts, part_count))
    return true;
  link->refused_send = true;
  return false;
}

void gr_outgoing_flush(struct gr_node *node, struct gr_outgoing *link) {
  if (link->state != GR_OUTGOING_READY || link->outbox.gathered == 0) return;
  switch (gr_outbox_flush(&link->outbox, link->endpoint.socket)) {
  case GR_OUTBOX_EMPTY:
    drained(node, link);
    return; /* the round's limit was all: go on */
  case GR_OUTBOX_BLOCKED:
    return;
  case GR_OUTBOX_BROKEN:
    lose(node, link, strerror(errno));
    return;
  }
}
