/* SPDX-License-Identifier: MIT
 *
 * libgroupcomm-posix: a finished host. A node is a group member with TCP connections to the
 * others and one thread that runs it all.
 *
 * Threads: gr_node_broadcast() and the queries may be called from any thread at any time.
 * The callbacks run on the node's own thread; no lock is held meanwhile. All but log and trace
 * may call the node. gr_node_stop() may be called from any thread but the node's own.
 *
 * Connections: a node opens one TCP connection to every other member, and sends on it; it
 * receives on those that the others open. Lost ones are made anew. Members tell each other at
 * the beginning who they are, which finds mistakes of configuration; it does not authenticate,
 * and nothing is encrypted: the members' network must be trusted.
 *
 * A founder is started with the addresses of all founders; a node that joins with none, but
 * with seeds, addresses of any members: "10.0.0.1:7001". Members know the addresses of those
 * that join by what these advertise.
 *
 * A clean end: gr_node_close(), join the threads that broadcast, gr_node_stop().
 */
#ifndef GR_POSIX_H
#define GR_POSIX_H

#include <gr/gr.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef struct gr_node gr_node;

#define GR_NODE_SPIN_NEVER 1

/* Where a member listens: "127.0.0.1:7001", "[::1]:7001", "host.example:7001". */
typedef struct gr_node_member {
  gr_member_id id;
  const char *address;
} gr_node_member;

/* Set `size` to sizeof(gr_node_options) and the rest to zero before filling it in. The node
 * copies it all. */
typedef struct gr_node_options {
  size_t size;
  const gr_options *group; /* founders and founder_count are taken from `members`; seed 0: the node
                       takes one from the operating system; seeds are addresses as above;
                       attributes.address empty: see `advertise` */
  const gr_node_member *members; /* all founders, this member included; none: it joins, or comes
                                    back from its data directory */
  size_t member_count;
  const char *listen;            /* address to bind; NULL: this member's own from `members` */
  uint64_t submit_bytes_max;     /* messages waiting for the loop; beyond it gr_node_broadcast()
                                    waits or refuses. At least message_bytes_max + 64 KiB, up
                                    to 1 TiB; default message_bytes_max + 4 MiB */
  gr_time reconnect_min_ns;      /* first pause before a connection is tried again; default
                                    20 ms, doubling; at least 1 ms */
  gr_time reconnect_max_ns;      /* default 1 s; up to 1 h */
  /* For how long at most the loop looks again and again before it sleeps, while things happen at
   * such intervals: it saves the wake-up, and costs processor time. It yields meanwhile, and
   * never does so on a quiet node. Default 200 us; GR_NODE_SPIN_NEVER: never; up to 10 ms. */
  gr_time spin_max_ns;

  /* Durable mode: the directory of this member's write-ahead log, made if it is not there; NULL:
   * volatile. Only one node at a time can have it open. What it delivers at the start begins
   * behind group->applied. */
  const char *data_directory;
  uint64_t segment_bytes; /* of the log's files, which are filled with zeros in advance; default
                             64 MiB; 64 KiB to 1 GiB */

  const char *advertise; /* where the others reach this member, up to GR_ADDRESS_BYTES_MAX; NULL:
                            at its own address from `members`, else at `listen`, which then
                            must not stand for all addresses of the host, as "0.0.0.0:7001"
                            does */
} gr_node_options;

/* The callbacks; each runs on the node's thread. */
typedef struct gr_node_host {
  size_t size;
  void *context;

  /* As in gr_host. `tag` is what gr_node_broadcast() was given if this process of the member
   * broadcast it, else 0. Required. */
  int (*deliver)(void *context, const gr_delivery *delivery, uint64_t tag);

  /* The messages that were due have all been delivered: the moment to answer clients. May be
   * NULL. */
  void (*delivered)(void *context);

  void (*leader)(void *context, gr_member_id leader);                        /* may be NULL */
  void (*log)(void *context, enum gr_log_level level, const char *text);     /* may be NULL */
  void (*trace)(void *context, const gr_trace_event *event);                 /* may be NULL */

  /* The member has halted: its connections are closed, gr_node_broadcast() answers
   * GR_ERR_HALTED, only the queries are still answered. gr_node_stop() is still to be called.
   * Called once. May be NULL. */
  void (*halted)(void *context, int error, const char *text);

  /* Durable mode: the log has been read, and all of it that the log alone proves to be decided
   * has been delivered; the end of it may only be delivered again once a majority is back. Before
   * this call the node takes no broadcasts from the queue, and answers no other thread's query.
   * May be NULL. */
  void (*restored)(void *context);

  /* A message that gr_node_broadcast() has taken will not be delivered here with its tag:
   *
   * GR_ERR_NOT_ONLINE, GR_ERR_NO_QUORUM
   *                 it was not broadcast
   * any other       the member's state was told with this error: it was removed, or has fallen
   *                 behind. Whether the group has the message is not known; if it has, it is
   *                 delivered here with tag 0, should this member join again
   * May be NULL; but then nobody learns of it. */
  void (*failed)(void *context, uint64_t tag, int error);

  /* As in gr_host; each may be NULL, of the snapshots' all or none. The snapshot is read, and
   * written, on the node's thread, which does nothing else meanwhile. */
  void (*view)(void *context, const gr_view *view);
  void (*state)(void *context, enum gr_member_state state, int error);
  bool (*authorize)(void *context, const gr_attributes *joiner);
  int (*snapshot_open)(void *context, uint64_t *snapshot);
  int (*snapshot_read)(void *context, uint64_t snapshot, uint64_t offset, void *buffer,
                       size_t *size, bool *end);
  void (*snapshot_close)(void *context, uint64_t snapshot);
  int (*restore_begin)(void *context, gr_seqno seqno);
  int (*restore_write)(void *context, uint64_t offset, gr_slice bytes);
  int (*restore_end)(void *context, bool complete);
  uint64_t (*snapshot_bytes)(void *context, uint64_t snapshot); /* may be NULL */
} gr_node_host;

/* Figures of one link, for people and for monitoring. */
typedef struct gr_node_link {
  gr_member_id id; /* with the top bit set: of somebody who is no member, see gr_host.link */
  bool connected_out; /* the connection that this node opened, and sends on */
  bool connected_in;  /* the connection that the other opened */
  uint64_t connects;  /* times a connection was made */
  uint64_t refused_hellos; /* connections, of either direction, that ended because of a wrong
                              group, version or member */
} gr_node_link;

/* Figures of the log of a durable node, since its start. */
typedef struct gr_node_storage {
  size_t size;             /* set to sizeof(gr_node_storage) before the call */
  uint64_t records;        /* written */
  uint64_t bytes;          /* written, headers of the log included */
  uint64_t syncs;          /* calls of fdatasync() for records */
  gr_time sync_time;       /* in them, all together */
  gr_time sync_time_max;   /* in the longest */
  uint64_t log_bytes;      /* what the directory's segments hold that is still needed, as of now */
  uint64_t segments;       /* in use */
  uint64_t restored_records; /* replayed at the start */
  uint64_t restored_bytes;
  gr_time restore_time;
  uint64_t torn_bytes;     /* cut off the log's end at the start: written, but never known to be
                              synced */
} gr_node_storage;

/* Starts a node: binds, starts the thread, connects. `error_text`, if not NULL, receives one
 * line that says what is wrong and what to do, always terminated, of at most
 * `error_text_size` bytes.
 *
 * GR_OK             `*node` is the caller's, to be ended with gr_node_stop()
 * GR_ERR_INVALID    an argument is NULL, an address cannot be parsed, or an option is out of
 *                   range
 * GR_ERR_VERSION    a struct is newer than this library
 * GR_ERR_NO_MEMORY  an allocation failed
 * GR_ERR_SYSTEM     the operating system refused: the address is in use, or another process has
 *                   the data directory open, for example
 * GR_ERR_STORAGE    the data directory holds what cannot be read; the text names file and offset
 * What is in the data directory is read by the node's thread, after this returns: damage that is
 * found then halts the node (host.halted), with such a text.
 */
GR_API int gr_node_start(gr_node **node, const gr_node_options *options,
                         const gr_node_host *host, char *error_text, size_t error_text_size);

/* Takes no more messages: gr_node_broadcast() answers GR_ERR_HALTED from now on, also to the
 * threads that wait in it. What was queued is still broadcast, and the node goes on delivering.
 * From any thread. NULL is allowed. */
GR_API void gr_node_close(gr_node *node);

/* Stops the thread, closes the connections and releases the node. Messages not yet delivered
 * may be lost or delivered at the others. Threads that wait in gr_node_broadcast() or in a
 * query are answered GR_ERR_HALTED first; no thread may call the node any more. Waits for a
 * name that is being resolved. NULL is allowed. */
GR_API void gr_node_stop(gr_node *node);

/* Broadcasts the parts, joined, as one message. Copies it. From any thread, callbacks included.
 * With `wait`, blocks while the queue is full (never inside a callback, where `wait` is
 * ignored).
 *
 * GR_OK             queued; its delivery here carries `tag`, or host.failed tells it
 * GR_ERR_INVALID    an argument is NULL
 * GR_ERR_TOO_LARGE  it exceeds message_bytes_max
 * GR_ERR_FULL       the queue is full
 * GR_ERR_HALTED     the member has halted, or the node is closed
 * GR_ERR_NO_MEMORY  an allocation failed; only for messages of more than a quarter of the queue
 */
GR_API int gr_node_broadcast(gr_node *node, const gr_slice *parts, size_t part_count,
                             uint64_t tag, bool wait);

/* Asks `to` to take over the lead, and answers as gr_group_transfer(): GR_OK, GR_ERR_INVALID,
 * GR_ERR_NOT_LEADER, GR_ERR_UNREACHABLE, GR_ERR_HALTED. */
GR_API int gr_node_transfer(gr_node *node, gr_member_id to);

/* As gr_group_leave(), gr_group_join(), gr_group_remove(), gr_group_force() and
 * gr_group_health(), and they answer as these; from any thread, callbacks included. What came of
 * it, host.state and host.view tell. GR_ERR_HALTED once the node's thread has ended. */
GR_API int gr_node_leave(gr_node *node);
GR_API int gr_node_join(gr_node *node);
GR_API int gr_node_remove(gr_node *node, gr_member_id member);
GR_API int gr_node_force(gr_node *node, const gr_member_id *members, size_t count);
GR_API int gr_node_health(gr_node *node, bool healthy);

/* As gr_group_checkpoint(): the host keeps the effects of every message up to `applied`. From any
 * thread, callbacks included; takes effect soon after.
 *
 * GR_OK             noted
 * GR_ERR_INVALID    `node` is NULL, or `applied` has not been delivered yet
 * GR_ERR_STATE      the node is volatile, or host.restored is still to come
 * GR_ERR_HALTED     the member has halted
 */
GR_API int gr_node_checkpoint(gr_node *node, gr_seqno applied);

/* Figures of the log, from any thread. GR_OK, GR_ERR_INVALID, GR_ERR_STATE (volatile),
 * GR_ERR_HALTED. */
GR_API int gr_node_storage_figures(gr_node *node, gr_node_storage *figures);

/* As gr_group_status(), gr_group_counters(), gr_group_members() and gr_group_recovery(), from any
 * thread: the node's thread answers, so the answer is as of one moment. Inside a callback they
 * answer directly. Address and user data of members' attributes, which lie in memory of that
 * thread, are given inside a callback only; elsewhere they are empty: see host.view.
 * GR_ERR_HALTED once the node's thread has ended. */
GR_API int gr_node_status(gr_node *node, gr_status *status);
GR_API int gr_node_counters(gr_node *node, gr_counters *counters);
GR_API int gr_node_members(gr_node *node, gr_member *members, size_t capacity, size_t *count);
GR_API int gr_node_recovery(gr_node *node, gr_recovery *recovery);

/* Fills in up to `capacity` links; `*count` is how many there are. GR_OK, GR_ERR_INVALID,
 * GR_ERR_HALTED. */
GR_API int gr_node_links(gr_node *node, gr_node_link *links, size_t capacity, size_t *count);

/* The monotonic clock that nodes run by, in nanoseconds. */
GR_API gr_time gr_posix_now(void);

#ifdef __cplusplus
}
#endif
#endif
