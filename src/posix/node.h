/* SPDX-License-Identifier: MIT
 *
 * The node's parts, and which file does what:
 *
 *   node.c        start, close, stop, broadcast: what other threads call
 *   query.c       questions of other threads, answered by the node's thread
 *   loop.c        the node's thread: wait, read, broadcast, poll, dispatch
 *   group_host.c  the callbacks that the group calls, and how a node halts
 *   wal_host.c    durable mode: the group's storage callbacks, on the write-ahead log
 *   member_host.c membership: whom to link, and what the host is told
 *   outgoing.c    one connection to somebody else: connect, hello, send
 *   links.c       all of them
 *   incoming.c    connections that others opened: accept, hello, receive
 *
 * Everything here belongs to the node's thread, except where it says otherwise.
 */
#ifndef GR_POSIX_NODE_H
#define GR_POSIX_NODE_H

#include "base/random.h"
#include "posix/address.h"
#include "posix/frame_reader.h"
#include "posix/hello.h"
#include "posix/outbox.h"
#include "posix/resolver.h"
#include "posix/submit_queue.h"
#include "posix/tag_ring.h"
#include "posix/wal.h"
#include "posix/waker.h"

#include <gr/posix.h>

/* A hello, with the connection's making, must be done in this time. */
#define GR_HELLO_TIMEOUT_NS (UINT64_C(5) * 1000 * 1000 * 1000)

/* Incoming connections that have not said hello yet; beyond it the oldest goes. */
#define GR_STRANGERS_MAX 64

/* Incoming connections that are not from one member to another. They carry small frames
 * only; beyond it the one that has been silent for longest goes. */
#define GR_VISITORS_MAX 16

/* What epoll's events point at. */
enum gr_endpoint_kind {
  GR_ENDPOINT_WAKER,
  GR_ENDPOINT_LISTENER,
  GR_ENDPOINT_INCOMING,
  GR_ENDPOINT_LINK
};

struct gr_endpoint {
  enum gr_endpoint_kind kind;
  int socket;  /* -1: closed; the waker's is its eventfd */
  void *owner; /* the link or the incoming connection */
};

/* Lets one line pass a second, and counts the others. */
struct gr_log_limit {
  gr_time next;
  uint64_t suppressed;
};

enum gr_outgoing_state {
  GR_OUTGOING_WAITING,    /* until `deadline`, then it is tried */
  GR_OUTGOING_RESOLVING,  /* the resolver works on the name */
  GR_OUTGOING_CONNECTING, /* until `deadline` at most */
  GR_OUTGOING_GREETING,   /* the hello is sent; until `deadline` at most */
  GR_OUTGOING_READY,      /* frames may be sent */
  GR_OUTGOING_ENDING      /* what was taken is still written, until `deadline`; then it is
                             freed */
};

/* The connection to somebody else. */
struct gr_outgoing {
  struct gr_endpoint endpoint;
  gr_member_id id;
  char name[sizeof("member 18446744073709551615 at  port 65535") + GR_ADDRESS_HOST_MAX];
  struct gr_address address;
  struct gr_resolve_job job;
  bool is_name; /* to be resolved again when a connection failed */
  struct gr_address_choices choices;
  size_t choice; /* counts attempts; the one to try next is choice modulo count */
  enum gr_outgoing_state state;
  gr_time deadline;
  gr_time pause;     /* before the next attempt, without jitter */
  bool refused_send; /* send() answered false: gr_group_sendable() is owed */
  bool down_logged;  /* that it cannot be reached was said once */
  uint64_t connects;
  uint64_t refused_hellos;
  struct gr_log_limit log_limit;
  struct gr_frame_reader reader; /* of the hello's reply */
  struct gr_outbox outbox;
  struct gr_outgoing *next;
};

/* A connection that another opened. */
struct gr_incoming {
  struct gr_endpoint endpoint;
  gr_member_id from; /* as its hello says; 0: it has not said hello yet */
  gr_member_id to;
  gr_time deadline; /* to have said it by */
  gr_time heard;
  bool stale_logged;
  struct gr_frame_reader reader;
  struct gr_incoming *next; /* of those that have said hello, or of those closed */
};

struct gr_listener {
  struct gr_endpoint endpoint;
  gr_time paused_until; /* no descriptors left: tried again then; GR_TIME_NEVER: runs */
  struct gr_log_limit log_limit;
  struct gr_incoming *strangers[GR_STRANGERS_MAX]; /* oldest first */
  size_t stranger_count;
};

/* A question of another thread, in its own stack. */
struct gr_query {
  void (*answer)(struct gr_node *node, struct gr_query *query);
  void *out;
  size_t capacity;
  size_t *count;
  gr_member_id member;
  const gr_member_id *members;
  gr_seqno applied;
  bool healthy;
  int result;
  bool is_done;
  struct gr_query *next;
};

struct gr_query_queue {
  pthread_mutex_t mutex;
  pthread_cond_t answered;
  struct gr_query *first; /* guarded by the mutex, like all but `waits` */
  bool ended;             /* the thread answers no more */
  size_t askers;          /* threads inside */
  _Atomic bool waits;     /* `first` is not NULL, to look at without the lock */
};

/* Where a founder is, if it does not say so itself. */
struct gr_founder {
  gr_member_id id;
  struct gr_address address;
};

struct gr_node {
  struct gr_submit_queue queue; /* any thread */
  struct gr_query_queue queries;
  struct gr_waker waker;
  _Atomic bool stops;
  pthread_t thread;
  uint64_t message_bytes_max; /* this and what follows up to `self` does not change */
  gr_node_host host;
  gr_time reconnect_min_ns;
  gr_time reconnect_max_ns;
  gr_time spin_max_ns;
  gr_uuid group_id;
  size_t frame_bytes_max; /* between members */
  size_t members_max;
  struct gr_founder founders[GR_MEMBERS_MAX];
  size_t founder_count;

  gr_member_id self;   /* the name by which the others know this process; 0: none yet */
  gr_member_id former; /* the member's name that it had before; 0: none */
  gr_group *group;
  struct gr_wal *wal;    /* NULL: volatile */
  bool write_due;        /* records wait for the end of the dispatch */
  gr_ticket stored;      /* what the group knows to be durable */
  bool restored;         /* what the log held has been given back */
  uint64_t first_number; /* of the own messages of this process under its present name; 0:
                            none was broadcast yet */
  struct gr_wal_text halt_line; /* what halt_text points at, if it is not static */
  gr_time now;                  /* of this turn */
  gr_time spin_ns;              /* how long to look before sleeping, as of late */
  int epoll;
  struct gr_endpoint wakes; /* the waker's, which owns the descriptor */
  bool epoll_is_coarse;     /* the system has no epoll_pwait2() */
  bool group_full;          /* broadcasts wait for host.writable */
  bool delivered_some;      /* since the last host.delivered */
  bool queued_inside;       /* a callback of this turn has broadcast */
  int halt_error;           /* GR_OK: runs */
  const char *halt_text;
  gr_time
      timer_due; /* no later than the first deadline of listener, strangers and links */
  gr_member_id leader;
  struct gr_random random;
  struct gr_tag_ring tags;
  struct gr_resolver resolver;
  struct gr_listener listener;
  struct gr_incoming *incoming; /* connections that have said hello */
  struct gr_incoming
      *closed; /* freed at the end of the turn: events may still point at them */
  struct gr_outgoing *links;
  bool links_end; /* some are ENDING */
};

/* ---- group_host.c ---- */

/* Makes the group's host callbacks for this node. */
gr_host gr_node_group_host(struct gr_node *node);

/* One line to the host's log. */
void gr_node_log(struct gr_node *node, enum gr_log_level level, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

/* True if a line may be written now. Says first how many could not be since the last. */
bool gr_log_limit_pass(struct gr_node *node, struct gr_log_limit *limit);

/* Tells the host once that messages have been delivered, if some were since the last
 * time. */
void gr_node_tell_delivered(struct gr_node *node);

/* Stops the member at the end of the turn. The first cause counts; `text` stays. */
void gr_node_halt(struct gr_node *node, int error, const char *text);

/* The largest frame on a connection to or from this name: only members send each other
 * large ones. */
size_t gr_node_frame_bytes_max(const struct gr_node *node, gr_member_id name);

/* ---- member_host.c ---- */

/* Adds the callbacks of membership. */
void gr_member_host_add_callbacks(const struct gr_node *node, gr_host *host);

/* Tells the host that the message with this tag failed. */
void gr_member_host_fail(struct gr_node *node, uint64_t tag, int error);

/* ---- wal_host.c: nothing happens in any of them on a volatile node ---- */

/* Opens the log. GR_OK, or an error with the line that says why. */
int gr_wal_host_open(struct gr_node *node, const char *directory, uint64_t segment_bytes,
                     struct gr_wal_text *why);

/* Adds the storage callbacks. */
void gr_wal_host_add_callbacks(const struct gr_node *node, gr_host *host);

/* Gives the group back what the log holds, and lets it begin. Halts the node if that
 * fails. */
void gr_wal_host_restore(struct gr_node *node);

/* Whether the log has anything to tell the group, or to write. Sequentially consistent:
 * see waker.h.
 */
bool gr_wal_host_has_news(const struct gr_node *node);

/* Tells it. */
void gr_wal_host_tell(struct gr_node *node);

/* Writes what the dispatch stored, if that is left to this thread, and tells the group.
 * True: it has something to do again. */
bool gr_wal_host_write(struct gr_node *node);

/* ---- loop.c ---- */

void *gr_loop_main(void *node);

/* True on the node's own thread. */
bool gr_loop_is_own_thread(const struct gr_node *node);

/* Watches or re-watches a socket. False, with errno, if the system refuses. */
bool gr_loop_watch(struct gr_node *node, struct gr_endpoint *endpoint, uint32_t events);

/* Ends the watch and closes the socket. (Closing alone would leave the watch to a child
 * process that the program may have forked, and its events to us.) */
void gr_loop_close(struct gr_node *node, struct gr_endpoint *endpoint);

/* The timers are looked at no later than `due`. */
void gr_loop_set_timer(struct gr_node *node, gr_time due);

/* ---- outgoing.c ---- */

/* NULL if there is no memory. The link waits to be tried at once. */
struct gr_outgoing *gr_outgoing_new(struct gr_node *node, gr_member_id id,
                                    const struct gr_address *address);
void gr_outgoing_free(struct gr_node *node, struct gr_outgoing *link);

/* It is not needed any more: ENDING. */
void gr_outgoing_end(struct gr_node *node, struct gr_outgoing *link);

/* This process has another name, which a new hello must say. */
void gr_outgoing_renew(struct gr_node *node, struct gr_outgoing *link);

/* Closes the connection for good; the link stays quiet. */
void gr_outgoing_shut(struct gr_node *node, struct gr_outgoing *link);

void gr_outgoing_event(struct gr_node *node, struct gr_outgoing *link, uint32_t events);

/* Runs what is due, and answers when to be called next. */
gr_time gr_outgoing_timer(struct gr_node *node, struct gr_outgoing *link);

/* Looks whether the resolver has answered. */
void gr_outgoing_resolved(struct gr_node *node, struct gr_outgoing *link);

bool gr_outgoing_send(struct gr_node *node, struct gr_outgoing *link,
                      const gr_slice *parts, size_t part_count);
void gr_outgoing_flush(struct gr_node *node, struct gr_outgoing *link);

/* ---- links.c ---- */

/* NULL: there is none, or it is ENDING. */
struct gr_outgoing *gr_links_find(struct gr_node *node, gr_member_id id);

/* Opens a link, or moves it to another address. False if there is no memory. */
bool gr_links_open(struct gr_node *node, gr_member_id id,
                   const struct gr_address *address);
void gr_links_close(struct gr_node *node, gr_member_id id);

/* gr_outgoing_renew() of all. */
void gr_links_renew(struct gr_node *node);

/* Frees what has ended; at the end of a turn, when no event points at it any more. */
void gr_links_bury(struct gr_node *node);

/* ---- incoming.c ---- */

/* Whether `from` has a connection to this node. */
bool gr_incoming_exists(const struct gr_node *node, gr_member_id from);

/* Binds and listens; GR_OK, or GR_ERR_SYSTEM with errno. */
int gr_listener_open(struct gr_listener *listener,
                     const struct gr_address_choices *choices);

/* Closes the listener and all incoming connections. */
void gr_listener_shut(struct gr_node *node);

void gr_listener_event(struct gr_node *node);
void gr_incoming_event(struct gr_node *node, struct gr_incoming *incoming);

/* Closes strangers whose time is over; answers when to be called next. */
gr_time gr_listener_timer(struct gr_node *node);

/* Frees what was closed in this turn. */
void gr_incoming_bury(struct gr_node *node);

/* ---- query.c ---- */

void gr_query_queue_init(struct gr_query_queue *queries);
void gr_query_queue_free(struct gr_query_queue *queries);

/* Answers all that wait. */
void gr_query_serve(struct gr_node *node);

/* Answers GR_ERR_HALTED from now on, and waits until every asker has left. */
void gr_query_end(struct gr_query_queue *queries);

#endif
