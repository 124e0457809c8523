/* SPDX-License-Identifier: MIT
 *
 * A node's life: what gr_node_start() checks and makes, what gr_node_stop() ends, and the
 * way in for messages.
 */
#include "posix/memory.h"
#include "posix/node.h"

#include <errno.h>
#include <inttypes.h>
#include <netdb.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/random.h>
#include <unistd.h>

#define SUBMIT_BYTES_DEFAULT (UINT64_C(4) << 20) /* and the largest message */
#define SUBMIT_RING_BYTES_MIN (UINT64_C(64) << 10)
#define SUBMIT_BYTES_MAX (UINT64_C(1) << 40)
#define RECONNECT_MIN_NS_DEFAULT (UINT64_C(20) * 1000 * 1000)
#define RECONNECT_MAX_NS_DEFAULT (UINT64_C(1000) * 1000 * 1000)
#define SPIN_MAX_NS_DEFAULT UINT64_C(200000)
#define SPIN_NS_MAX UINT64_C(10000000)
#define SEGMENT_BYTES_DEFAULT (UINT64_C(64) << 20)
#define SEGMENT_BYTES_MIN (UINT64_C(64) << 10)
#define SEGMENT_BYTES_MAX (UINT64_C(1) << 30)
#define RECONNECT_NS_MIN (UINT64_C(1000) * 1000)
#define SNAPSHOT_CHUNK_BYTES_MAX (4 << 20) /* of any member: see gr/options.h */
#define RECONNECT_NS_MAX (UINT64_C(3600) * 1000 * 1000 * 1000)

/* What gr_node_start() gathers before there is a node. */
struct start {
  gr_node_options options; /* defaults filled in */
  gr_options group;        /* likewise */
  gr_node_host host;
  gr_member_id founders[GR_MEMBERS_MAX];
  const char *listen_text;
  struct gr_address listen;
  char *error_text;
  size_t error_text_size;
};

static int fail(const struct start *start, int error, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

static int fail(const struct start *start, int error, const char *format, ...) {
  va_list arguments;
  va_start(arguments, format);
  if (start->error_text && start->error_text_size > 0)
    vsnprintf(start->error_text, start->error_text_size, format, arguments);
  va_end(arguments);
  return error;
}

/* ---- checks ---- */

/* Copies a struct of a caller that may be older; it begins with its size. */
static int take_struct(const struct start *start, void *ours, size_t our_size,
                       const void *theirs, const char *name) {
  size_t size = 0;
  memcpy(&size, theirs, sizeof(size));
  if (size < sizeof(size))
    return fail(start, GR_ERR_INVALID, "%s.size is not set: set it to sizeof(%s)", name,
                name);
  if (size > our_size)
    return fail(start, GR_ERR_VERSION,
                "%s is newer than this library (%zu bytes, known are %zu)", name, size,
                our_size);
  memcpy(ours, theirs, size);
  return GR_OK;
}

static int check_members(struct start *start) {
  const gr_node_options *options = &start->options;
  if ((!options->members && options->member_count > 0) ||
      options->member_count > GR_MEMBERS_MAX)
    return fail(start, GR_ERR_INVALID, "members: there must be up to %d", GR_MEMBERS_MAX);
  const char *listen = options->listen;
  struct gr_address address;
  for (size_t i = 0; i < options->member_count; i++) {
    const gr_node_member *member = options->members + i;
    if (!member->address || !gr_address_parse(member->address, &address))
      return fail(start, GR_ERR_INVALID,
                  "member %" PRIu64
                  ": \"%s\" is no address: write host:port or [ipv6]:port",
                  member->id, member->address ? member->address : "");
    start->founders[i] = member->id;
    if (member->id == start->group.self && !listen) listen = member->address;
  }
  if (!listen && options->member_count == 0)
    return fail(start, GR_ERR_INVALID,
                "listen: without members, this one joins: say where it listens");
  if (!listen)
    return fail(start, GR_ERR_INVALID,
                "group.self: member %" PRIu64 " is not among members", start->group.self);
  start->listen_text = listen;
  if (!gr_address_parse(listen, &start->listen))
    return fail(start, GR_ERR_INVALID,
                "listen: \"%s\" is no address: write host:port or [ipv6]:port", listen);
  return GR_OK;
}

/* Of whatever size the caller's are; what a newer caller has and we do not know must be
 * zero. */
static int take_group(struct start *start) {
  const uint8_t *theirs = (const uint8_t *)start->options.group;
  size_t size = start->options.group->size;
  for (size_t i = sizeof(start->group); i < size; i++)
    if (theirs[i] != 0)
      return fail(start, GR_ERR_VERSION,
                  "group.size: gr_options is newer than this library");
  memcpy(&start->group, theirs,
         size < sizeof(start->group) ? size : sizeof(start->group));
  start->group.size = sizeof(start->group);
  return size < sizeof(size_t)
             ? fail(start, GR_ERR_INVALID,
                    "group.size is not set: set it to sizeof(gr_options)")
             : GR_OK;
}

static bool parse_slice(gr_slice text, struct gr_address *address) {
  char copy[GR_ADDRESS_BYTES_MAX + 1];
  if (!text.data || text.size > GR_ADDRESS_BYTES_MAX ||
      memchr(text.data, '\0', text.size))
    return false;
  memcpy(copy, text.data, text.size);
  copy[text.size] = '\0';
  return gr_address_parse(copy, address);
}

/* Where the others are to reach this node: what it says, else its own address from the
 * founders' list, else where it listens, unless that stands for all of its host's. */
static int choose_address(struct start *start) {
  gr_slice *address = &start->group.attributes.address;
  const gr_node_options *options = &start->options;
  const char *text = options->advertise;
  struct gr_address parsed;
  if (address->size == 0) {
    for (size_t i = 0; i < options->member_count && !text; i++)
      if (options->members[i].id == start->group.self) text = options->members[i].address;
    if (!text && (strcmp(start->listen.host, "0.0.0.0") == 0 ||
                  strcmp(start->listen.host, "::") == 0))
      return fail(start, GR_ERR_INVALID,
                  "advertise: say where the others reach this one, which listens at %s",
                  start->listen_text);
    if (!text) text = start->listen_text;
    *address = (gr_slice){.data = text, .size = strlen(text)};
  }
  if (parse_slice(*address, &parsed)) return GR_OK;
  return fail(start, GR_ERR_INVALID,
              "advertise: \"%.*s\" is no address: write host:port or [ipv6]:port, up to "
              "%d bytes",
              (int)address->size, (const char *)address->data, GR_ADDRESS_BYTES_MAX);
}

static int check_seeds(const struct start *start) {
  const gr_options *group = &start->group;
  struct gr_address parsed;
  for (size_t i = 0; i < group->seed_count; i++)
    if (!parse_slice(group->seeds[i], &parsed))
      return fail(start, GR_ERR_INVALID,
                  "group.seeds: \"%.*s\" is no address: write host:port or [ipv6]:port",
                  (int)group->seeds[i].size, (const char *)group->seeds[i].data);
  return GR_OK;
}

static int check_group(struct start *start) {
  gr_options *group = &start->group;
  group->founders = start->founders;
  group->founder_count = start->options.member_count;
  while (group->seed == 0)
    if (getrandom(&group->seed, sizeof(group->seed), 0) != sizeof(group->seed))
      return fail(start, GR_ERR_SYSTEM, "the system gives no random seed: %s",
                  strerror(errno));
  const char *field = NULL;
  int error = gr_options_check(group, &field);
  if (error != GR_OK)
    return fail(start, error, "group.%s is out of range: see gr/options.h",
                field ? field : "?");
  return GR_OK;
}

/* Fills in the node's own defaults and checks them; after check_group(). */
static int check_limits(struct start *start) {
  gr_node_options *options = &start->options;
  const uint64_t message = start->group.message_bytes_max;
  if (options->submit_bytes_max == 0)
    options->submit_bytes_max = SUBMIT_BYTES_DEFAULT + message;
  if (options->reconnect_min_ns == 0)
    options->reconnect_min_ns = RECONNECT_MIN_NS_DEFAULT;
  if (options->reconnect_max_ns == 0)
    options->reconnect_max_ns = RECONNECT_MAX_NS_DEFAULT;
  if (options->spin_max_ns == 0) options->spin_max_ns = SPIN_MAX_NS_DEFAULT;
  if (options->segment_bytes == 0) options->segment_bytes = SEGMENT_BYTES_DEFAULT;
  if (options->segment_bytes < SEGMENT_BYTES_MIN ||
      options->segment_bytes > SEGMENT_BYTES_MAX)
    return fail(start, GR_ERR_INVALID, "segment_bytes is out of range: 64 KiB to 1 GiB");
  if (options->spin_max_ns > SPIN_NS_MAX)
    return fail(start, GR_ERR_INVALID, "spin_max_ns is out of range: up to 10 ms");
  if (options->submit_bytes_max < message + SUBMIT_RING_BYTES_MIN ||
      options->submit_bytes_max > SUBMIT_BYTES_MAX)
    return fail(start, GR_ERR_INVALID,
                "submit_bytes_max is out of range: message_bytes_max + 64 KiB to 1 TiB");
  if (options->reconnect_min_ns < RECONNECT_NS_MIN ||
      options->reconnect_max_ns > RECONNECT_NS_MAX ||
      options->reconnect_min_ns > options->reconnect_max_ns)
    return fail(
        start, GR_ERR_INVALID,
        "reconnect_min_ns, reconnect_max_ns are out of range: 1 ms to 1 h, in order");
  return GR_OK;
}

static int check(struct start *start, const gr_node_options *options,
                 const gr_node_host *host) {
  if (!options || !host) return fail(start, GR_ERR_INVALID, "options or host is NULL");
  int error = take_struct(start, &start->options, sizeof(start->options), options,
                          "gr_node_options");
  if (error == GR_OK)
    error = take_struct(start, &start->host, sizeof(start->host), host, "gr_node_host");
  if (error != GR_OK) return error;
  if (!start->host.deliver) return fail(start, GR_ERR_INVALID, "host.deliver is NULL");
  if (!start->options.group) return fail(start, GR_ERR_INVALID, "group is NULL");
  error = take_group(start);
  if (error == GR_OK) error = check_members(start);
  if (error == GR_OK) error = choose_address(start);
  if (error == GR_OK) error = check_group(start);
  if (error == GR_OK) error = check_seeds(start);
  if (error == GR_OK) error = check_limits(start);
  return error;
}

/* ---- making ---- */

/* Everything that the node holds but its thread. Good for a node half made. */
static void release(struct gr_node *node) {
  gr_resolver_free(&node->resolver);
  gr_listener_shut(node);
  gr_incoming_bury(node);
  while (node->links) {
    struct gr_outgoing *link = node->links;
    node->links = link->next;
    gr_outgoing_free(node, link);
  }
  gr_wal_close(node->wal); /* what it still writes lies in the group's cache */
  (void)gr_group_free(node->group);
  if (node->epoll >= 0) close(node->epoll);
  gr_waker_free(&node->waker);
  gr_tag_ring_free(&node->tags);
  gr_query_queue_free(&node->queries);
  gr_submit_queue_free(&node->queue);
  free(node);
}

/* The part of submit_bytes_max that is the ring: what the largest message leaves, as a
 * power of two. Messages too large for the ring have the rest. */
static uint64_t ring_bytes(const struct start *start) {
  uint64_t spare = start->options.submit_bytes_max - start->group.message_bytes_max;
  uint64_t bytes = SUBMIT_RING_BYTES_MIN;
  while (2 * bytes <= spare) bytes *= 2;
  return bytes;
}

/* A node that can be released, with all that only needs memory. NULL: there is none. */
static struct gr_node *allocate(const struct start *start) {
  const size_t size = (sizeof(struct gr_node) + alignof(struct gr_node) - 1) /
                      alignof(struct gr_node) * alignof(struct gr_node);
  struct gr_node *node = aligned_alloc(alignof(struct gr_node), size);
  if (!node) return NULL;
  memset(node, 0, size);
  const uint64_t ring = ring_bytes(start);
  if (gr_submit_queue_init(&node->queue, ring, start->options.submit_bytes_max - ring) !=
      GR_OK) {
    free(node);
    return NULL;
  }
  node->epoll = -1;
  node->waker.eventfd = -1;
  node->listener.endpoint.socket = -1;
  atomic_init(&node->stops, false);
  gr_query_queue_init(&node->queries);
  gr_resolver_init(&node->resolver, &node->waker);
  if (gr_tag_ring_init(&node->tags)) return node;
  release(node);
  return NULL;
}

static void take_options(struct gr_node *node, const struct start *start) {
  const gr_node_options *options = &start->options;
  node->host = start->host;
  node->message_bytes_max = start->group.message_bytes_max;
  node->reconnect_min_ns = options->reconnect_min_ns;
  node->reconnect_max_ns = options->reconnect_max_ns;
  node->spin_max_ns = options->spin_max_ns;
  node->self = start->group.self;
  node->group_id = start->group.group_id;
  node->members_max = start->group.members_max;
  node->frame_bytes_max =
      GR_FRAME_HEADER_MAX + (start->group.batch_bytes_max > SNAPSHOT_CHUNK_BYTES_MAX
                                 ? start->group.batch_bytes_max
                                 : SNAPSHOT_CHUNK_BYTES_MAX);
  node->random.state = start->group.seed;
  node->now = gr_posix_now();
}

static void take_founders(struct gr_node *node, const struct start *start) {
  for (size_t i = 0; i < start->options.member_count; i++) {
    const gr_node_member *member = start->options.members + i;
    struct gr_founder *founder = node->founders + node->founder_count++;
    founder->id = member->id;
    (void)gr_address_parse(member->address, &founder->address); /* was checked */
  }
}

static int make_storage(struct gr_node *node, const struct start *start) {
  const gr_node_options *options = &start->options;
  struct gr_wal_text why;
  int error =
      gr_wal_host_open(node, options->data_directory, options->segment_bytes, &why);
  return error == GR_OK ? GR_OK : fail(start, error, "%s", why.line);
}

static int make_listener(struct gr_node *node, const struct start *start) {
  struct gr_address_choices choices;
  int code = gr_address_resolve(&start->listen, false, &choices);
  if (code != 0)
    return fail(start, GR_ERR_SYSTEM,
                "the address to listen at, host %s, is not found: %s", start->listen.host,
                gai_strerror(code));
  if (gr_listener_open(&node->listener, &choices) == GR_OK) return GR_OK;
  return fail(start, GR_ERR_SYSTEM, "cannot listen at host %s port %s: %s%s",
              start->listen.host, start->listen.port, strerror(errno),
              errno == EADDRINUSE ? "; another process listens there" : "");
}

static int make_loop(struct gr_node *node, const struct start *start) {
  node->epoll = epoll_create1(EPOLL_CLOEXEC);
  if (node->epoll < 0 || !gr_waker_init(&node->waker))
    return fail(start, GR_ERR_SYSTEM, "no epoll or eventfd: %s", strerror(errno));
  node->wakes =
      (struct gr_endpoint){.kind = GR_ENDPOINT_WAKER, .socket = node->waker.eventfd};
  if (!gr_loop_watch(node, &node->wakes, EPOLLIN | EPOLLET) ||
      !gr_loop_watch(node, &node->listener.endpoint, EPOLLIN))
    return fail(start, GR_ERR_SYSTEM, "epoll refuses: %s", strerror(errno));
  return GR_OK;
}

/* The thread takes no signals: they are the program's. */
static int make_thread(struct gr_node *node, const struct start *start) {
  sigset_t all;
  sigset_t before;
  sigfillset(&all);
  pthread_sigmask(SIG_SETMASK, &all, &before);
  int error = pthread_create(&node->thread, NULL, gr_loop_main, node);
  pthread_sigmask(SIG_SETMASK, &before, NULL);
  if (error == 0) return GR_OK;
  return fail(start, GR_ERR_SYSTEM, "no thread: %s", strerror(error));
}

static int make(struct gr_node *node, const struct start *start) {
  take_options(node, start);
  take_founders(node, start);
  int error = make_storage(node, start);
  if (error == GR_OK) error = make_listener(node, start);
  if (error == GR_OK) error = make_loop(node, start);
  if (error != GR_OK) return error;
  const gr_host host = gr_node_group_host(node);
  const gr_allocator memory = gr_memory_allocator();
  error = gr_group_new(&node->group, &start->group, &host, &memory, node->now);
  if (error != GR_OK)
    return fail(start, error, "the group cannot be made: %s", gr_error_text(error));
  return make_thread(node, start);
}

int gr_node_start(gr_node **node, const gr_node_options *options,
                  const gr_node_host *host, char *error_text, size_t error_text_size) {
  struct start start = {.error_text = error_text, .error_text_size = error_text_size};
  if (error_text && error_text_size > 0) error_text[0] = '\0';
  if (!node) return fail(&start, GR_ERR_INVALID, "node is NULL");
  *node = NULL;
  int error = check(&start, options, host);
  if (error != GR_OK) return error;
  struct gr_node *made = allocate(&start);
  if (!made) return fail(&start, GR_ERR_NO_MEMORY, "no memory for the node");
  *node = made; /* callbacks may run before this function returns, and ask the node */
  error = make(made, &start);
  if (error != GR_OK) {
    *node = NULL;
    release(made);
  }
  return error;
}

/* ---- ending ---- */

void gr_node_close(gr_node *node) {
  if (node) gr_submit_queue_close(&node->queue);
}

void gr_node_stop(gr_node *node) {
  if (!node) return;
  if (gr_loop_is_own_thread(node)) {
    gr_node_log(node, GR_LOG_ERROR,
                "gr_node_stop() was called on the node's own thread: nothing done");
    return;
  }
  gr_submit_queue_close(&node->queue);
  atomic_store(&node->stops, true);
  gr_waker_notify(&node->waker);
  pthread_join(node->thread, NULL);
  gr_submit_queue_await_leavers(&node->queue);
  gr_query_end(&node->queries);
  release(node);
}

/* ---- broadcasting ---- */

int gr_node_broadcast(gr_node *node, const gr_slice *parts, size_t part_count,
                      uint64_t tag, bool wait) {
  if (!node || (!parts && part_count > 0)) return GR_ERR_INVALID;
  uint64_t size = 0;
  for (size_t i = 0; i < part_count; i++) {
    if (!parts[i].data && parts[i].size > 0) return GR_ERR_INVALID;
    if (parts[i].size > node->message_bytes_max - size) return GR_ERR_TOO_LARGE;
    size += parts[i].size;
  }
  const bool is_inside = gr_loop_is_own_thread(node);
  if (is_inside) node->queued_inside = true;
  int error = wait && !is_inside
                  ? gr_submit_queue_push_wait(&node->queue, parts, part_count, size, tag)
                  : gr_submit_queue_push(&node->queue, parts, part_count, size, tag);
  if (error == GR_OK) gr_waker_notify(&node->waker);
  return error;
}
