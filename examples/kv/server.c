/* SPDX-License-Identifier: MIT
 *
 * See server.h. A turn: read what clients sent; apply what the group delivered, replies
 * going to the clients' buffers; then, for each client with something new, carry out its
 * commands and send its replies with one system call.
 *
 * The order of replies on a connection. Its writes are answered in the order of their
 * delivery, which is the order of their broadcast. Everything else is answered at once,
 * and so waits until no write of the connection is in flight; so do the commands behind
 * it. That also makes a client see its own writes.
 */
#include "server.h"

#include "apply.h"
#include "command.h"
#include "log.h"
#include "waiting.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <time.h>

/* Writes of one client that may be on their way through the group. */
#define CLIENT_IN_FLIGHT_MAX 1024u

/* Replies are sent before a turn's end once they are so many. */
#define SEND_BYTES ((size_t)256 * 1024)

/* A turn without events: for what is checked by the clock, and for writes that the group
 * had no room for. */
#define IDLE_MS 1000
#define RETRY_MS 10

/* How often it is looked whether a snapshot is due, or done. */
#define TEND_MS 100

#define EVENTS_MAX 256

struct server {
  struct kv_service service;
  struct kv_clients clients;
  struct kv_checkpoint *checkpoint; /* NULL: volatile */
  struct kv_group *group;
  struct kv_buffer batch;   /* what the group delivered */
  struct kv_buffer message; /* the one being broadcast */

  struct kv_waiting waiting; /* a write's tag is its number in there */
  uint64_t history;          /* the group's digest of what the store holds, */
  gr_seqno history_seqno;    /* if that is as of the last message in it */
  char refusal[160];         /* why writes are not taken now */

  bool group_full; /* in this turn a write found no room */
  bool stopping;
  struct kv_handover_state state;
  uint64_t now_ms; /* wall clock */
  uint64_t checked_ms;
  uint64_t tended_ms;
  int status;
};

static uint64_t wall_clock_ms(void) {
  struct timespec now;
  clock_gettime(CLOCK_REALTIME, &now);
  return (uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000;
}

static void fail(struct server *server, const char *what, const char *why) {
  kv_log(GR_LOG_ERROR, "%s: %s", what, why);
  server->stopping = true;
  server->status = 1;
}

static bool inspect(void *context, struct kv_group_facts *facts) {
  struct server *server = context;
  return !server->state.halted && !server->service.loading &&
         kv_group_inspect(server->group, facts);
}

static int order(void *context, enum kv_order order, const gr_member_id *members,
                 size_t count) {
  struct server *server = context;
  if (server->state.halted) return GR_ERR_HALTED;
  if (server->service.loading) return GR_ERR_STATE;
  return kv_group_order(server->group, order, members, count);
}

/* What the store holds, and what led to it; false while that is not known. */
static bool now_held(const struct server *server, struct kv_snapshot *held) {
  *held =
      (struct kv_snapshot){.seqno = server->service.applied, .history = server->history};
  return server->history_seqno == server->service.applied;
}

/* ---- applying ---- */

static void apply_message(struct server *server,
                          const struct kv_handover_record *record) {
  struct kv_service *service = &server->service;
  struct kv_connection *connection = NULL;
  if (record->tag != 0 &&
      !kv_waiting_deliver(&server->waiting, record->tag, &connection)) {
    fail(server, "the group", "own writes came back in another order");
    return;
  }
  struct kv_buffer *reply = connection ? &connection->output : NULL;
  service->commands += reply != NULL;
  struct kv_message message;
  if (!kv_message_decode(record->bytes, record->size, &message)) {
    if (service->undecodable++ == 0)
      kv_log(GR_LOG_WARNING,
             "message %llu cannot be decoded and is left out, as at all members",
             (unsigned long long)record->seqno);
    kv_reply_error(reply, "ERR the write could not be decoded");
  } else if (!kv_apply(service->store, &message, reply)) {
    fail(server, "the store", "out of memory");
  }
  service->applied = record->seqno;
  if (record->tag != 0) kv_waiting_answered(&server->waiting, record->tag, connection);
}

static const char *failure_text(int error) {
  switch (error) {
  case GR_ERR_NO_QUORUM:
    return KV_NO_QUORUM_TEXT;
  case GR_ERR_NOT_ONLINE:
    return KV_NOT_ONLINE_TEXT;
  default:
    return "NOTONLINE this member is not one of the group any more, and this write may "
           "have taken effect or not: see GR MEMBERS";
  }
}

/* True if one who was refused for this has nothing to wait for. */
static bool is_refusal_for_good(int error) {
  return error == GR_ERR_WRONG_GROUP || error == GR_ERR_VERSION_TOO_LOW ||
         error == GR_ERR_GROUP_IS_FULL || error == GR_ERR_LIMITS_DIFFER ||
         error == GR_ERR_NOT_AUTHORIZED || error == GR_ERR_UUID_PRESENT ||
         error == GR_ERR_DIVERGED || error == GR_ERR_TIMEOUT;
}

static void enter_state(struct server *server, const struct kv_handover_record *record) {
  struct kv_service *service = &server->service;
  bool lacks_majority = record->error == GR_ERR_NO_QUORUM;
  service->state = record->state;
  service->state_error = record->error;
  if (record->state == GR_MEMBER_ONLINE) {
    service->has_state = service->was_online = true;
  } else if (record->state == GR_MEMBER_OFFLINE ||
             (record->state == GR_MEMBER_ERROR && !lacks_majority)) {
    service->has_state = false;
    if (server->checkpoint) kv_checkpoint_hurry(server->checkpoint);
    if (!service->was_online && is_refusal_for_good(record->error))
      fail(server, "the group does not let this member in", gr_error_text(record->error));
  }
  if (record->state == GR_MEMBER_ERROR && lacks_majority)
    kv_waiting_fail_all(&server->waiting,
                        "NOQUORUM a majority of the members cannot be reached, and this "
                        "write may take effect once it can: see GR MEMBERS");
}

static void replace_store(struct server *server,
                          const struct kv_handover_record *record) {
  struct kv_service *service = &server->service;
  struct kv_snapshot held = {.seqno = record->seqno,
                             .history = record->digest,
                             .bytes = record->snapshot_bytes};
  kv_store_free(service->store);
  service->store = record->store;
  service->applied = server->history_seqno = record->seqno;
  server->history = record->digest;
  if (server->checkpoint) kv_checkpoint_end_replacing(server->checkpoint, &held);
  kv_log(GR_LOG_INFO, "the store is another member's as of message %llu: %zu keys",
         (unsigned long long)record->seqno, kv_store_count(service->store));
}

static void give_snapshot(struct server *server,
                          const struct kv_handover_record *record) {
  struct kv_snapshot held = {.seqno = record->seqno, .history = record->digest};
  kv_donor_begin(kv_group_donor(server->group), record->place, server->service.store,
                 &held);
}

static void take_record(struct server *server, const struct kv_handover_record *record) {
  switch (record->kind) {
  case KV_RECORD_MESSAGE:
    apply_message(server, record);
    break;
  case KV_RECORD_FAILED:
    kv_waiting_fail(&server->waiting, record->tag, failure_text(record->error));
    break;
  case KV_RECORD_STATE:
    enter_state(server, record);
    break;
  case KV_RECORD_HISTORY:
    server->history_seqno = record->seqno;
    server->history = record->digest;
    break;
  case KV_RECORD_SNAPSHOT:
    give_snapshot(server, record);
    break;
  case KV_RECORD_RESTORED:
    replace_store(server, record);
    break;
  }
}

/* The store is the group's, as of some moment not long ago: clients may see it. */
static void end_loading(struct server *server) {
  server->service.loading = false;
  if (server->service.applied > 0) server->service.has_state = true;
  kv_log(GR_LOG_INFO, "restored up to message %llu",
         (unsigned long long)server->service.applied);
}

static void halt(struct server *server) {
  char name[64];
  snprintf(name, sizeof(name), "halted, %s", gr_error_name(server->state.error));
  fail(server, name, server->state.text);
  kv_waiting_fail_all(&server->waiting,
                      "ERR halted: see the log (this write may have taken effect)");
  /* Those that wait for room get their error too. */
  for (uint32_t i = 0; i < server->clients.capacity; i++)
    if (server->clients.connections[i].fd >= 0)
      kv_clients_queue(&server->clients, &server->clients.connections[i]);
}

static void take_batch(struct server *server) {
  kv_handover_take(kv_group_handover(server->group), &server->batch, &server->state);
  size_t at = 0;
  struct kv_handover_record record;
  while (server->status == 0 && kv_handover_next(&server->batch, &at, &record))
    take_record(server, &record);
  kv_buffer_consume(&server->batch, server->batch.size);
  if (server->service.loading && server->state.restored) end_loading(server);
  if (server->state.halted) halt(server);
}

/* ---- commands ---- */

/* Broadcasts a write. False: it must wait. */
static bool submit(struct server *server, struct kv_connection *connection,
                   const struct kv_message *message, const struct kv_request *request) {
  if (connection->in_flight == CLIENT_IN_FLIGHT_MAX) return false;
  if (kv_waiting_is_full(&server->waiting)) server->group_full = true;
  if (server->group_full) return false;
  kv_buffer_clear(&server->message);
  int result = GR_ERR_TOO_LARGE;
  if (kv_message_encode(message, request, &server->message))
    result = kv_group_broadcast(server->group, kv_buffer_data(&server->message),
                                server->message.size, server->waiting.broadcast + 1);
  if (result == GR_OK) {
    kv_waiting_add(&server->waiting, connection);
    server->service.writes++;
    return true;
  }
  if (result == GR_ERR_FULL) {
    server->group_full = true;
    return false;
  }
  if (connection->in_flight > 0) return false;
  kv_reply_error(&connection->output, "ERR %s (%s)", gr_error_text(result),
                 gr_error_name(result));
  return true;
}

/* Why the command cannot be carried out in this member's state; NULL if it can. */
static const char *refusal(struct server *server, const struct kv_command *command) {
  const struct kv_service *service = &server->service;
  if (command->while_loading) return NULL;
  if (server->state.halted && (command->prepare || service->loading)) {
    snprintf(server->refusal, sizeof(server->refusal), "ERR halted: %.120s",
             server->state.text);
    return server->refusal;
  }
  if (service->loading) return "LOADING gr-kv is delivering what its log holds";
  if (!service->has_state) return KV_NOT_ONLINE_TEXT;
  if (!command->prepare || service->state == GR_MEMBER_ONLINE) return NULL;
  return service->state_error == GR_ERR_NO_QUORUM ? KV_NO_QUORUM_TEXT
                                                  : KV_NOT_ONLINE_TEXT;
}

/* Carries out the command that the parser holds. False: it must wait. */
static bool execute(struct server *server, struct kv_connection *connection) {
  struct kv_request request =
      kv_parser_request(&connection->parser, kv_buffer_data(&connection->input));
  if (request.count == 0) return true;
  /* While writes are in flight nothing else may be answered: errors wait like reads. */
  struct kv_buffer *reply = connection->in_flight == 0 ? &connection->output : NULL;
  struct kv_session *session = &connection->session;
  session->now_ms = server->now_ms;
  const struct kv_command *command = kv_command_find(&request, reply);
  const char *text = command ? refusal(server, command) : NULL;
  if (text) {
    kv_reply_error(reply, "%s", text);
    return reply != NULL;
  }
  struct kv_message message;
  if (command && command->prepare && command->prepare(session, &request, &message, reply))
    return submit(server, connection, &message, &request);
  if (!reply) return false;
  if (command && command->run) command->run(session, &request, reply);
  server->service.commands++;
  return true;
}

static void answer_broken(struct server *server, struct kv_connection *connection) {
  kv_reply_error(&connection->output, "ERR Protocol error: %s", connection->parser.error);
  kv_log(GR_LOG_WARNING, "client %s: protocol error: %s", connection->peer,
         connection->parser.error);
  server->service.clients_dropped++;
  connection->closing = true;
}

/* Carries out the commands that have arrived, as far as they need not wait. */
static void carry_out(struct server *server, struct kv_connection *connection) {
  connection->blocked = false;
  while (!connection->closing && !connection->output.failed) {
    struct kv_buffer *input = &connection->input;
    enum kv_parse parse =
        kv_parser_look(&connection->parser, kv_buffer_data(input), input->size);
    if (parse == KV_PARSE_MORE) return;
    bool crowded = connection->output.size > connection->output.limit / 2;
    connection->blocked =
        crowded || (parse == KV_PARSE_BROKEN ? connection->in_flight > 0
                                             : !execute(server, connection));
    if (connection->blocked) return;
    if (parse == KV_PARSE_BROKEN) {
      answer_broken(server, connection);
      return;
    }
    kv_buffer_consume(input, kv_parser_next(&connection->parser));
    if (connection->session.quitting) connection->closing = true;
    if (connection->output.size > SEND_BYTES && !connection->output.failed &&
        !kv_connection_send(connection, server->now_ms))
      connection->closing = true;
  }
}

/* True if the connection has served its purpose. */
static bool is_done(const struct kv_connection *connection) {
  if (connection->output.size > 0 || connection->in_flight > 0) return false;
  return connection->closing || (connection->ended && !connection->blocked);
}

static void look_at(struct server *server, struct kv_connection *connection) {
  struct kv_clients *clients = &server->clients;
  do {
    carry_out(server, connection);
    if (connection->output.failed) {
      kv_clients_drop(clients, connection, "its unread replies exceed --output-bytes");
      return;
    }
    if (!kv_connection_send(connection, server->now_ms)) {
      kv_clients_drop(clients, connection, NULL);
      return;
    }
    /* Blocked by its own replies, which are gone now: it can go on at once. */
  } while (connection->blocked && connection->in_flight == 0 && !server->group_full &&
           connection->output.size == 0);
  if (is_done(connection))
    kv_clients_drop(clients, connection, NULL);
  else
    kv_clients_rearm(clients, connection);
}

/* ---- the loop ---- */

/* Looks at every client of this turn's list. Those that found no room in the group are on
 * the next turn's list. */
static void work_off(struct server *server) {
  struct kv_clients *clients = &server->clients;
  uint32_t count = clients->work_count;
  uint32_t kept = 0;
  server->group_full = false;
  for (uint32_t i = 0; i < count; i++) {
    struct kv_connection *connection = &clients->connections[clients->work[i]];
    connection->queued = false;
    if (connection->fd < 0) continue;
    struct kv_client_ref ref = kv_clients_ref(connection);
    look_at(server, connection);
    if (!kv_clients_find(clients, ref) || !connection->blocked || !server->group_full ||
        connection->in_flight > 0)
      continue;
    connection->queued = true;
    clients->work[kept++] = connection->index;
  }
  clients->work_count = kept;
}

static void client_event(struct server *server, uint64_t event, uint32_t events) {
  struct kv_clients *clients = &server->clients;
  struct kv_connection *connection = kv_clients_find(clients, kv_clients_of_event(event));
  if (!connection) return;
  bool lost = (events & (EPOLLERR | EPOLLHUP)) != 0;
  if (!lost && (events & EPOLLIN)) lost = !kv_connection_receive(connection);
  if (lost)
    kv_clients_drop(clients, connection, NULL);
  else
    kv_clients_queue(clients, connection);
}

/* True, and begins the interval anew, if it is over. A clock that was set back ends it.
 */
static bool is_time(uint64_t now_ms, uint64_t *latest_ms, uint64_t interval_ms) {
  if (now_ms >= *latest_ms && now_ms - *latest_ms < interval_ms) return false;
  *latest_ms = now_ms;
  return true;
}

static void tend_checkpoint(struct server *server) {
  struct kv_snapshot held;
  if (!server->checkpoint || server->service.loading || server->stopping ||
      !now_held(server, &held))
    return;
  if (is_time(server->now_ms, &server->tended_ms, TEND_MS))
    kv_checkpoint_tend(server->checkpoint, server->group, server->service.store, &held,
                       server->now_ms);
}

/* What is checked by the clock, once in a while. */
static void check(struct server *server) {
  struct kv_clients *clients = &server->clients;
  uint64_t timeout_ms = server->service.options->output_timeout_ms;
  if (kv_log_failure() != 0) {
    server->stopping = true;
    server->status = 1;
  }
  if (!is_time(server->now_ms, &server->checked_ms, IDLE_MS)) return;
  kv_clients_resume(clients);
  for (uint32_t i = 0; i < clients->capacity; i++) {
    struct kv_connection *connection = &clients->connections[i];
    if (connection->fd >= 0 && connection->unread_since_ms != 0 &&
        server->now_ms > connection->unread_since_ms + timeout_ms)
      kv_clients_drop(clients, connection, "it reads no replies for --output-timeout-ms");
  }
}

static void turn(struct server *server) {
  struct epoll_event events[EVENTS_MAX];
  int timeout_ms = server->clients.work_count > 0 ? RETRY_MS : IDLE_MS;
  int count = epoll_wait(server->clients.epoll_fd, events, EVENTS_MAX, timeout_ms);
  if (count < 0 && errno != EINTR) {
    fail(server, "waiting for clients", strerror(errno));
    return;
  }
  server->now_ms = wall_clock_ms();
  for (int i = 0; i < count; i++) {
    uint64_t event = events[i].data.u64;
    if (event == KV_EVENT_LISTENER)
      kv_clients_accept(&server->clients);
    else if (event == KV_EVENT_HANDOVER)
      take_batch(server);
    else if (event == KV_EVENT_SIGNAL)
      server->stopping = true;
    else
      client_event(server, event, events[i].events);
  }
  work_off(server);
  check(server);
  tend_checkpoint(server);
}

static bool start(struct server *server, const struct kv_options *options, int listen_fd,
                  int signal_fd) {
  server->service.options = options;
  server->service.started = gr_posix_now();
  server->service.inspect = inspect;
  server->service.order = order;
  server->service.group_context = server;
  int handover_fd = kv_handover_event_fd(kv_group_handover(server->group));
  bool ready = kv_waiting_init(&server->waiting, &server->clients) &&
               kv_clients_init(&server->clients, &server->service, listen_fd) &&
               kv_clients_watch(&server->clients, handover_fd, KV_EVENT_HANDOVER) &&
               kv_clients_watch(&server->clients, signal_fd, KV_EVENT_SIGNAL);
  if (ready) return true;
  fail(server, "cannot start", strerror(errno));
  return false;
}

int kv_server_run(const struct kv_options *options, struct kv_store **store,
                  struct kv_checkpoint *checkpoint, struct kv_group *group, int listen_fd,
                  int signal_fd) {
  struct server server = {.group = group,
                          .checkpoint = checkpoint,
                          .batch = kv_buffer_of(SIZE_MAX),
                          .message = kv_buffer_of((size_t)options->message_bytes_max),
                          .now_ms = wall_clock_ms()};
  server.service.store = *store;
  server.service.checkpoint = checkpoint;
  server.service.loading = checkpoint != NULL;
  if (checkpoint) {
    server.service.applied = server.history_seqno = checkpoint->latest.seqno;
    server.history = checkpoint->latest.history;
  }
  if (start(&server, options, listen_fd, signal_fd)) {
    kv_log(GR_LOG_INFO, "clients connect to %s port %u", options->bind, options->port);
    while (!server.stopping) turn(&server);
    if (server.status == 0) kv_log(GR_LOG_INFO, "stopped by a signal");
  }
  kv_clients_release(&server.clients);
  struct kv_snapshot held;
  if (checkpoint && server.status == 0 && !server.service.loading &&
      now_held(&server, &held))
    kv_checkpoint_finish(checkpoint, group, server.service.store, &held);
  *store = server.service.store;
  kv_buffer_release(&server.batch);
  kv_buffer_release(&server.message);
  kv_waiting_release(&server.waiting);
  return server.status;
}
