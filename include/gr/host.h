/* SPDX-License-Identifier: MIT
 *
 * What the library asks of its host.
 *
 * Two kinds of callbacks. The acting ones (store, sync, send, flush, deliver, trim, leader,
 * writable) run only inside gr_group_dispatch(), on the thread that called it, in the order
 * that it documents; deliver and view also inside gr_group_restore(); those of snapshots also
 * inside gr_group_receive(), gr_group_poll() and gr_group_free(). Inside deliver, view,
 * state, leader and writable the host may call the inputs (gr_group_broadcast() and so on) and the queries;
 * inside the others only the queries and gr_group_sendable(). gr_group_dispatch() and gr_group_free() answer GR_ERR_REENTRANT in all
 * of them. The observing ones (log, trace) may run in any call and must not call the group.
 */
#ifndef GR_HOST_H
#define GR_HOST_H

#include <gr/types.h>

#ifdef __cplusplus
extern "C" {
#endif

/* The part of a frame that send() must copy if it does not send at once. */
#define GR_FRAME_HEADER_MAX 16384

/* The part of a record that store() must copy if it does not write at once; and the largest
 * state that trim() is given. */
#define GR_RECORD_HEADER_MAX 16384

/* One message, at its place in the order. */
typedef struct gr_delivery {
  gr_seqno seqno;
  gr_member_id origin;   /* who broadcast it */
  uint64_t number;       /* the origin's own count: 1, 2, 3, ... as gr_group_broadcast() said */
  const gr_slice *parts; /* the message; more than one slice only if it was fragmented */
  size_t part_count;
  size_t bytes; /* the message's size: the sum of its parts */
} gr_delivery;

/* ---- membership ---- */

/* How a member takes part. The table of transitions is in doc/membership.md. */
enum gr_member_state {
  GR_MEMBER_OFFLINE = 0,    /* in no group: not yet, not any more */
  GR_MEMBER_RECOVERING = 1, /* a member that catches up; has no vote */
  GR_MEMBER_ONLINE = 2,
  GR_MEMBER_ERROR = 3 /* serves nobody: it was removed, failed, or lacks a majority */
};

/* Why a view differs from the one before it. */
enum gr_view_reason {
  GR_VIEW_FOUNDED = 1,   /* the first that this member sees: the founders', or, for one that
                            comes in or comes back, the one in which it begins */
  GR_VIEW_JOINED = 2,    /* a member was admitted, and recovers */
  GR_VIEW_ONLINE = 3,    /* it has caught up, and votes from now on */
  GR_VIEW_LEFT = 4,      /* it asked to */
  GR_VIEW_SILENT = 5,    /* a majority has not heard it for the expel timeout */
  GR_VIEW_REPLACED = 6,  /* its server came back as a new member */
  GR_VIEW_FLAPPING = 7,  /* it was suspected, and heard again, too often */
  GR_VIEW_UNHEALTHY = 8, /* its host says that it makes no progress */
  GR_VIEW_DIVERGED = 9,  /* its history differs from the others' */
  GR_VIEW_EXCLUDED = 10, /* an operator removed it */
  GR_VIEW_FORCED = 11,   /* an operator declared the others lost */
  GR_VIEW_BEHIND = 12    /* a majority has forgotten what it lacks: it is to begin anew */
};

typedef struct gr_view_member {
  gr_member_id id;
  enum gr_member_state state; /* RECOVERING or ONLINE */
  gr_attributes attributes;
} gr_view_member;

/* The members from some place of the order on. */
typedef struct gr_view {
  size_t size;
  uint64_t number; /* counts the views */
  gr_seqno seqno;  /* it begins behind this message */
  enum gr_view_reason reason;
  gr_member_id member; /* whom the reason is about; 0: all */
  const gr_view_member *members; /* by ascending ids */
  size_t count;
} gr_view;

/* Kinds of trace events. The numbers are stable; members of gr_trace_event as said here. */
enum gr_trace_kind {
  GR_TRACE_FORMED = 1,      /* all founders have met */
  GR_TRACE_PREVOTE = 2,     /* asks whether others lost the leader too; ballot */
  GR_TRACE_CANDIDATE = 3,   /* begins phase 1; ballot */
  GR_TRACE_PROMISE = 4,     /* promised; ballot, member = the candidate */
  GR_TRACE_LEADER = 5,      /* leads; ballot, slot = its start */
  GR_TRACE_STEP_DOWN = 6,   /* leads no more; ballot */
  GR_TRACE_FOLLOW = 7,      /* heard of a leader; ballot, member = the leader */
  GR_TRACE_PROPOSE = 8,     /* proposed; ballot, slot */
  GR_TRACE_ACCEPT = 9,      /* accepted all up to; ballot, slot */
  GR_TRACE_CHOSEN = 10,     /* knows all to be chosen up to; slot */
  GR_TRACE_FETCH_DATA = 11, /* asks for batches; member = whom, lane, slot = first batch */
  GR_TRACE_FETCH_LOG = 12,  /* asks for slots; member = whom, slot = first */
  GR_TRACE_EVICT = 13,      /* memory is short: forgets what laggards still lack; slot = first kept */
  GR_TRACE_REFUSED = 14,    /* dropped a frame; member = from whom, value = the error code */
  GR_TRACE_HALT = 15,       /* halted; value = the error code */
  GR_TRACE_TRANSFER = 16,   /* was asked to, or asks to, move the lead; member = to whom */
  GR_TRACE_RESUME = 17,     /* came back from storage; ballot = promised, slot = delivered,
                               value = boot */
  GR_TRACE_CLOSE = 18,      /* a lane's former boot ended; lane, slot, value = the new boot */
  GR_TRACE_CHECKPOINT = 19, /* storage begins anew behind; slot, value = first ticket kept */
  GR_TRACE_VIEW = 20,       /* entered a view; slot = its first, member = who changed,
                               value = the view's number */
  GR_TRACE_INSTALL = 21,    /* took over another member's position; slot */
  GR_TRACE_STATE = 22,      /* this member's state changed; value = enum gr_member_state */
  GR_TRACE_SUSPECT = 23,    /* begins (value 1) or ceases (0) to suspect; member */
  GR_TRACE_JOIN = 24,       /* asked to be let in, or was asked; member, value = error code */
  GR_TRACE_DONOR = 25       /* chose a donor; member */
};

/* One transition. What a kind does not use is 0. */
typedef struct gr_trace_event {
  enum gr_trace_kind kind;
  gr_time now;
  gr_ballot ballot;
  gr_slot slot;
  gr_member_id member;
  gr_member_id lane;
  int64_t value;
} gr_trace_event;

enum gr_log_level { GR_LOG_ERROR = 1, GR_LOG_WARNING = 2, GR_LOG_INFO = 3 };

/* Set `size` to sizeof(gr_host) and everything else to zero before filling it in:
 *   gr_host host = {.size = sizeof(host), ...};
 * The library copies the struct. */
typedef struct gr_host {
  size_t size;
  void *context; /* handed to every callback */

  /* Hands the parts of one frame, to be joined, to the transport. True: taken (it may still
   * be lost on the way; that costs time only). False: not now; the library keeps its place,
   * offers nothing more to this member until gr_group_sendable(), and makes the frame anew
   * then. parts[0] is the frame's header, of at most GR_FRAME_HEADER_MAX bytes, valid until
   * send() returns; parts[1], if there is one, is a batch in the library's cache, valid until
   * flush() returns (without a flush: until send() returns). Required. */
  bool (*send)(void *context, gr_member_id to, const gr_slice *parts, size_t part_count);

  /* All sends of this round have been handed over: the moment for one system call a peer.
   * Called only if send() took something since. May be NULL. */
  void (*flush)(void *context);

  /* Takes one message, in order, exactly once. The host copies what it keeps: the bytes are
   * valid until it returns. Anything but 0 halts the member with GR_ERR_HOST. Required. */
  int (*deliver)(void *context, const gr_delivery *delivery);

  /* The leader, as far as this member knows, is now another one; 0 while there is none.
   * May be NULL. */
  void (*leader)(void *context, gr_member_id leader);

  /* gr_group_broadcast() answered GR_ERR_FULL, GR_ERR_NO_QUORUM or GR_ERR_NOT_ONLINE before,
   * and would answer otherwise now: most likely it takes a message. May be NULL. */
  void (*writable)(void *context);

  /* Something an operator may want to read: one line without a line end. May be NULL. */
  void (*log)(void *context, enum gr_log_level level, const char *text);

  /* Every transition, for tests and tools. May be NULL. */
  void (*trace)(void *context, const gr_trace_event *event);

  /* -- storage: all three NULL, or store and trim given: durable mode -- */

  /* Appends one record, the parts joined, to the member's storage. Tickets count up by one
   * from call to call, over restarts too. Nothing is durable yet: when everything up to a
   * ticket is, the host says so with gr_group_stored(). parts[0], of at most
   * GR_RECORD_HEADER_MAX bytes, is valid until store() returns; parts[1], if there is one, is
   * a batch in the library's cache, valid and unchanged until gr_group_stored() has named the
   * ticket, or the group is freed. Anything but 0 halts the member with GR_ERR_STORAGE. */
  int (*store)(void *context, gr_ticket ticket, const gr_slice *parts, size_t part_count);

  /* All records of this round have been handed over: the moment for one write and one sync,
   * which may take their time. Called only if store() was since. May be NULL. */
  void (*sync)(void *context);

  /* Once `state` is durable in their place (and in that of any state before), the records
   * with tickets below `first` are not needed any more. The host copies the state, and takes
   * its time. Until it is done, all must stay: at a restart either the old state comes with
   * the old records, or the new one. Anything but 0 halts the member with GR_ERR_STORAGE. */
  int (*trim)(void *context, gr_ticket first, gr_slice state);

  /* -- membership: may be NULL where founders never change -- */

  /* From now on frames are sent to `id`, who can be reached at `address`: another member, or,
   * with the top bit of the id set, somebody who is not one: a seed of options.seeds, or one
   * who asks to be let in. (The address is empty for founders that gave none, and valid until
   * the callback returns.) The transport opens what it needs, and tells those whom it
   * connects to the id by which `renamed` named this process last, or, before, options.self. */
  void (*link)(void *context, gr_member_id id, gr_slice address);

  /* No more frames are sent to `id`. */
  void (*unlink)(void *context, gr_member_id id);

  /* The others know this process by this id from now on: once when a joiner is made (an id
   * with the top bit set), and again when it is let in. */
  void (*renamed)(void *context, gr_member_id self);

  /* A new view, in order with the messages: all members see the same views behind the same
   * messages. Like deliver, also called inside gr_group_restore(). */
  void (*view)(void *context, const gr_view *view);

  /* This member's own state has changed; `error` says why if it is ERROR or OFFLINE: GR_OK
   * after gr_group_leave(), else for example GR_ERR_REMOVED, GR_ERR_NO_QUORUM, or what the
   * group refused it for. In ERROR for want of a majority it comes back by itself. */
  void (*state)(void *context, enum gr_member_state state, int error);

  /* True if that server may join. Asked at the leader. NULL: all may. */
  bool (*authorize)(void *context, const gr_attributes *joiner);

  /* -- snapshots: all NULL (members then recover from the log alone), or all given -- */

  /* At a donor: opens a snapshot of the host's state as of the message delivered last, and
   * names it, so that it can be read while further messages change the state. Anything but 0:
   * not now, another donor may be asked. */
  int (*snapshot_open)(void *context, uint64_t *snapshot);

  /* Reads up to `*size` bytes at the offset; sets `*size` to how many they are, 0 if they are
   * not ready yet, and `*end` if nothing follows them. Anything but 0: the snapshot failed. */
  int (*snapshot_read)(void *context, uint64_t snapshot, uint64_t offset, void *buffer,
                       size_t *size, bool *end);
  void (*snapshot_close)(void *context, uint64_t snapshot);

  /* At a joiner: a snapshot as of message `seqno` begins, in place of whatever the host has. In
   * durable mode what storage has of a former membership goes first: before the host gives up
   * its own state, that which trim() was given last has to be durable. */
  int (*restore_begin)(void *context, gr_seqno seqno);
  int (*restore_write)(void *context, uint64_t offset, gr_slice bytes);

  /* Complete: the host's state is that of the snapshot (in durable mode, durably) and what is
   * delivered next follows it; or not: it was broken off, and restore_begin() comes again.
   * Anything but 0 of the three halts the member with GR_ERR_HOST. */
  int (*restore_end)(void *context, bool complete);

  /* At a donor: how many bytes the snapshot has in all, as far as the host can tell, 0 if it
   * cannot: so that the joiner can tell how long it will take. May be NULL. */
  uint64_t (*snapshot_bytes)(void *context, uint64_t snapshot);
} gr_host;

#ifdef __cplusplus
}
#endif
#endif
