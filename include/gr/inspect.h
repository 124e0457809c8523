/* SPDX-License-Identifier: MIT
 *
 * Looking inside a group. Queries only: nothing here changes anything.
 */
#ifndef GR_INSPECT_H
#define GR_INSPECT_H

#include <gr/group.h>

#ifdef __cplusplus
extern "C" {
#endif

enum gr_role {
  GR_ROLE_FORMING = 0,   /* has not met all founders yet */
  GR_ROLE_FOLLOWER = 1,
  GR_ROLE_PREVOTE = 2,   /* asks whether the others lost the leader too */
  GR_ROLE_CANDIDATE = 3, /* in phase 1 */
  GR_ROLE_LEADER = 4
};

/* This member's marks; of a halted one, as they were then. Set `size` to sizeof(gr_status) before the call. */
typedef struct gr_status {
  size_t size;
  gr_member_id self;
  enum gr_role role;
  gr_member_id leader;  /* 0: none known */
  gr_ballot promised;   /* the highest ballot promised */
  gr_slot accepted;     /* has accepted every slot up to here in that ballot */
  gr_slot chosen;       /* knows every slot up to here to be chosen, and what with */
  gr_slot delivered;    /* has delivered every slot up to here */
  gr_slot log_first;    /* still keeps the slots from here on */
  gr_seqno seqno;       /* the last message delivered */
  uint64_t broadcast;   /* own messages taken */
  uint64_t unordered_bytes; /* own bytes not yet delivered here */
  uint64_t cache_bytes; /* payload memory in use, in whole blocks */
  uint64_t cache_bytes_max;

  /* durable mode; else false and 0 */
  bool durable;
  bool resumed;        /* gr_group_resume() has been called */
  uint64_t boot;       /* counts the starts of this member, this one included */
  gr_ticket stored;    /* records handed to storage up to here */
  gr_ticket synced;    /* records durable up to here, as storage said */
  gr_slot settled;     /* slots up to here this member could deliver again after losing power */
  gr_slot checkpoint;  /* the last state given to host.trim stands behind this slot */

  enum gr_member_state state;
  uint64_t view;    /* number of the view that this member is in; 0: in none */
  uint64_t epoch;   /* counts gr_group_force() */
  bool quorum;      /* a majority can be reached, as far as this member knows */
  uint64_t digest;  /* of the history: of all messages delivered, in their order */
} gr_status;

/* One member as this member sees it. Set `size` to sizeof(gr_member) before the call. */
typedef struct gr_member {
  size_t size;
  gr_member_id id;
  bool is_self;
  bool reachable;     /* heard from within the last election timeout; true for self */
  gr_time heard;      /* when it was last heard from, in the host's time; 0: never */
  gr_time round_trip; /* smoothed; 0: not known yet */
  gr_slot accepted;   /* its marks, as last reported */
  gr_slot chosen;
  gr_slot delivered;
  uint64_t held;      /* batches of this member's lane that we hold without a gap */
  uint64_t ordered;   /* batches of this member's lane that have a place in the order */
  enum gr_member_state state; /* RECOVERING or ONLINE; of this member itself also others */
  uint64_t view;              /* the latest view that it was heard in */
  bool unreachable;           /* it is suspected: silent for longer than it used to be */
  gr_attributes attributes;   /* valid until the next call that is no query */
} gr_member;

/* What a joiner is doing. */
enum gr_recovery_stage {
  GR_RECOVERY_NONE = 0,
  GR_RECOVERY_ASKING = 1,   /* asks to be let in */
  GR_RECOVERY_CHOOSING = 2, /* a member; looks for a donor */
  GR_RECOVERY_SNAPSHOT = 3, /* receives the host's state */
  GR_RECOVERY_LOG = 4       /* receives what was ordered since */
};

/* Set `size` to sizeof(gr_recovery) before the call. */
typedef struct gr_recovery {
  size_t size;
  enum gr_recovery_stage stage;
  gr_member_id donor;
  uint64_t snapshot_bytes; /* received of the present snapshot */
  uint64_t bytes_per_s;    /* over the last second of it */
  gr_slot slot;            /* has everything up to here, */
  gr_slot target;          /* of what the group has */
  uint64_t attempts;       /* donors that were tried */
  uint64_t given;          /* snapshots that this member is giving to others now */
  uint64_t snapshot_total; /* bytes of the present snapshot in all; 0: the donor cannot tell */
  gr_time remaining;       /* until the snapshot is here, at bytes_per_s; 0: not known */
} gr_recovery;

/* Counters since creation, each with the name under which it is exported and a description.
 * X(field, text) */
#define GR_COUNTER_LIST(X)                                                               \
  X(messages_broadcast, "own messages taken from the host")                              \
  X(messages_delivered, "messages handed to the host")                                   \
  X(bytes_delivered, "payload bytes handed to the host")                                 \
  X(batches_closed, "own batches")                                                       \
  X(slots_proposed, "cuts proposed as leader, re-proposals not counted")                 \
  X(slots_reproposed, "values proposed again by a new leader")                           \
  X(slots_learned, "slots learned to be chosen")                                         \
  X(slots_fetched, "slots learned from FETCH_LOG")                                       \
  X(prevotes_started, "elections considered")                                            \
  X(elections_started, "phases 1 begun")                                                 \
  X(elections_won, "times this member became leader")                                    \
  X(step_downs, "times it ceased to lead")                                               \
  X(frames_sent, "frames that the transport took")                                       \
  X(frames_received, "frames taken")                                                     \
  X(bytes_sent, "bytes of frames that the transport took")                               \
  X(bytes_received, "bytes of frames taken")                                             \
  X(data_fetches, "FETCH_DATA sent")                                                     \
  X(data_repaired, "batches sent again on request")                                      \
  X(data_repeated, "batches received that were held already")                            \
  X(data_dropped, "batches not kept for want of room; fetched again later")              \
  X(log_fetches, "FETCH_LOG sent")                                                       \
  X(accepts_resent, "times a member was sent its proposals again")                       \
  X(slots_evicted, "slots forgotten that a lagging member still lacked")                 \
  X(refused_malformed, "frames that could not be decoded")                               \
  X(refused_corrupt, "frames with a wrong checksum")                                     \
  X(refused_foreign, "frames of another group or from no member")                        \
  X(refused_protocol, "frames of another protocol version")                              \
  X(refused_stale, "frames of processes of members that are not known")                  \
  X(records_stored, "records handed to storage")                                         \
  X(bytes_stored, "bytes of records handed to storage")                                  \
  X(syncs_asked, "rounds that handed records to storage")                                \
  X(records_restored, "records given back by storage at the start")                      \
  X(checkpoints, "states given to storage, to forget what lies before")                  \
  X(changes_proposed, "changes of the view proposed as leader")                          \
  X(views_entered, "views entered")

/* Set `size` to sizeof(gr_counters) before the call. Fields are only ever appended. */
typedef struct gr_counters {
  size_t size;
#define GR_COUNTER_FIELD(field, text) uint64_t field;
  GR_COUNTER_LIST(GR_COUNTER_FIELD)
#undef GR_COUNTER_FIELD
} gr_counters;

/* Each fills in as much of the struct as `size` covers.
 *
 * GR_OK            filled in
 * GR_ERR_INVALID   an argument is NULL, or `size` does not even cover itself
 */
GR_API int gr_group_status(const gr_group *group, gr_status *status);
GR_API int gr_group_counters(const gr_group *group, gr_counters *counters);

/* Fills in up to `capacity` members, in the order of their ids; `*count` is how many there
 * are. members[0].size tells the size of each.
 *
 * GR_OK            filled in
 * GR_ERR_INVALID   an argument is NULL, or members[0].size is not sizeof(gr_member)
 */
GR_API int gr_group_members(const gr_group *group, gr_member *members, size_t capacity,
                            size_t *count);

/* How far this member's recovery is, and what it does for that of others.
 *
 * GR_OK            filled in
 * GR_ERR_INVALID   an argument is NULL, or `size` does not even cover itself
 */
GR_API int gr_group_recovery(const gr_group *group, gr_recovery *recovery);

/* The name of a state, and of a view's reason, for people; "unknown" for other values. Static. */
GR_API const char *gr_member_state_name(enum gr_member_state state);
GR_API const char *gr_view_reason_name(enum gr_view_reason reason);

/* The name of a role and of a trace kind, for people; "unknown" for other values. Static. */
GR_API const char *gr_role_name(enum gr_role role);
GR_API const char *gr_trace_name(enum gr_trace_kind kind);

#ifdef __cplusplus
}
#endif
#endif
