/* SPDX-License-Identifier: MIT
 *
 * Flow control, usable alone: statistics of the members in, this member's quota out. So
 * that no member falls behind for ever, who writes is slowed to what those who count can
 * take. Every member decides for itself, for its own writers, from what all members
 * report; how the reports travel (on heartbeats, for example) is the host's.
 * doc/flow-control.md says what the law is.
 *
 *   gr_flow_members()  who is there: at each view
 *   gr_flow_report()   as statistics come, this member's own ones too: the more often,
 * the tighter the control; a tenth of a period is good gr_flow_poll()     when
 * gr_flow_deadline() is due gr_flow_admit()    before a transaction is broadcast
 *
 * Time is an argument and must not go back. All functions but gr_flow_new() are free of
 * allocation. One owner at a time: no locks.
 */
#ifndef GR_FLOWCTL_H
#define GR_FLOWCTL_H

#include <gr/error.h>
#include <gr/types.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef struct gr_flow gr_flow;

enum gr_flow_mode {
  GR_FLOW_QUOTA = 0,   /* the default */
  GR_FLOW_DISABLED = 1 /* everything is admitted; statistics go on */
};

/* Whom writers wait for. */
enum gr_flow_policy {
  GR_FLOW_ALL = 0, /* the slowest member counts; the default */
  GR_FLOW_MAJORITY =
      1,            /* the slowest of the fastest majority; recovering ones don't count */
  GR_FLOW_NAMED = 2 /* the slowest of those with GR_FLOW_AWAITED */
};

enum gr_flow_timeout {
  GR_FLOW_REFUSE = 0, /* who has waited too long gets an error; the default */
  GR_FLOW_PASS = 1    /* is admitted all the same; what it costs, later ones wait for */
};

/* In a field of gr_flow_options whose zero means a default: none. */
#define GR_FLOW_NONE UINT64_MAX

/* Set `size` to sizeof(gr_flow_options) and what you do not set to zero, which means the
 * default. Quotas are transactions a period of the whole group. Fields are only ever
 * appended. */
typedef struct gr_flow_options {
  size_t size;
  enum gr_flow_mode mode;
  enum gr_flow_policy policy;
  gr_time period_ns; /* over which speeds are measured; default 1 s; 10 ms to 60 s */
  uint64_t certifier_threshold; /* most that may wait at a member to be certified; default
                                   25,000; up to 2^31 - 1; GR_FLOW_NONE */
  uint64_t applier_threshold;   /* and to be applied; as above */
  uint64_t bytes_threshold;     /* and bytes to be applied; default none; up to 2^50 */
  gr_time lag_threshold_ns; /* and how long it takes to apply them, as estimated from the
                               member's speed; default none; 10 ms to 1 h */
  uint64_t hold_percent; /* of the capacity that is held back, so that a backlog shrinks;
                            default 10; up to 100; GR_FLOW_NONE: 0 */
  uint64_t release_percent; /* by which the quota may grow in a period; default 50; up to
                               1000; GR_FLOW_NONE: 0, it ends at once */
  uint64_t min_quota; /* the quota is never lower, whoever falls behind by that; default
                         0; up to 2^31 - 1, and to max_quota */
  uint64_t min_recovery_quota; /* the same for the sake of recovering members alone */
  uint64_t max_quota;          /* the quota is never higher, whether somebody lags or not;
                                  default none; up to 2^31 - 1 */
  uint64_t member_quota_percent; /* this member's share if several write; default: as
                                    shared fairly; up to 100 */
  gr_time wait_timeout_ns; /* how long a writer waits at most; default 10 s; 1 ms to 1 h;
                              GR_TIME_NEVER */
  enum gr_flow_timeout wait_timeout; /* and what becomes of it then */
  gr_time laggard_timeout_ns; /* a member that has made writes pause for so long does not
                                 count until half of its queue is gone; default 30 s; 10
                                 ms to 1 h; GR_TIME_NEVER */
  gr_time removal_timeout_ns; /* and is proposed for removal from the group if it stays so
                                 for so long again; default never; 10 ms to 1 h */
} gr_flow_options;

/* Flags of a member. */
#define GR_FLOW_RECOVERING UINT64_C(1) /* slows writers, but never makes them pause */
#define GR_FLOW_PRIMARY UINT64_C(2)    /* never proposed for removal */
#define GR_FLOW_AWAITED UINT64_C(4)    /* counts under the policy GR_FLOW_NAMED */

typedef struct gr_flow_member {
  gr_member_id id;
  uint64_t flags;
} gr_flow_member;

/* What a member tells of itself. Set `size` to sizeof(gr_flow_statistics) and what you do
 * not measure to zero. The totals only grow; if one falls, the member begins anew. */
typedef struct gr_flow_statistics {
  size_t size;
  uint64_t certifier_queue; /* transactions delivered and not yet certified */
  uint64_t applier_queue;   /* certified and not yet applied */
  uint64_t queue_bytes;     /* bytes of all these */
  uint64_t certified;       /* total */
  uint64_t applied;         /* total, those included that need no applying */
  uint64_t applied_bytes;   /* total */
  uint64_t local;       /* total of this member's own transactions that were certified */
  uint64_t local_bytes; /* total */
} gr_flow_statistics;

/* What limits. */
enum gr_flow_limit {
  GR_FLOW_LIMIT_NONE = 0,
  GR_FLOW_LIMIT_CERTIFIER = 1,
  GR_FLOW_LIMIT_APPLIER = 2,
  GR_FLOW_LIMIT_BYTES = 3,
  GR_FLOW_LIMIT_LAG = 4,
  GR_FLOW_LIMIT_MAX_QUOTA = 5
};

/* Set `size` to sizeof(gr_flow_status) before the call. */
typedef struct gr_flow_status {
  size_t size;
  uint64_t level; /* 0 to 5, by the fullest queue that counts: up to 10 % of its limit 0,
                     to 25 % 1, to 50 % 2, to 75 % 3, to 90 % 4; 5: writes pause */
  uint64_t quota; /* transactions that this member may admit a period, rounded down;
                     GR_FLOW_NONE: any */
  uint64_t quota_bytes; /* bytes; as above */
  uint64_t group_quota; /* of all members together */
  uint64_t group_quota_bytes;
  enum gr_flow_limit limit; /* what binds transactions; if nothing does, bytes */
  gr_member_id member;      /* whose limit it is; 0: nobody's */
  gr_member_id remove;      /* is proposed for removal; 0: nobody */
  uint64_t writers;         /* members that wrote lately */
  uint64_t counted;         /* members that count */
  uint64_t admitted;        /* total of transactions admitted; */
  uint64_t waited;    /* of those that waited until they were admitted or refused, */
  uint64_t waited_ns; /* and for how long, all together; */
  uint64_t passed;    /* of those admitted since they had waited too long; */
  uint64_t refused;   /* and of those refused for that */
} gr_flow_status;

enum gr_flow_standing {
  GR_FLOW_COUNTS = 0,
  GR_FLOW_UNHEARD = 1,   /* has not reported at all, or for ten periods, ten
                            seconds, and ten times as long as usual */
  GR_FLOW_UNAWAITED = 2, /* does not count, by policy */
  GR_FLOW_LEFT_OUT = 3   /* a laggard */
};

/* Set `size` to sizeof(gr_flow_member_status) before the call. */
typedef struct gr_flow_member_status {
  size_t size;
  gr_member_id id;
  enum gr_flow_standing standing;
  bool stuck;            /* has a queue, and made no progress for three periods, in which
                            it was to be expected */
  bool remove;           /* is proposed for removal */
  uint64_t level;        /* of its fullest queue */
  uint64_t use_permille; /* how full that is, in thousandths of its limit */
  enum gr_flow_limit limit; /* and which it is */
  uint64_t applied_per_s;   /* while it has something to apply, as estimated */
  uint64_t bytes_per_s;
  gr_time lag_ns; /* how long its queue takes to apply; GR_TIME_NEVER: not known */
} gr_flow_member_status;

enum gr_flow_verdict { GR_FLOW_ADMITTED = 0, GR_FLOW_WAIT = 1, GR_FLOW_REFUSED = 2 };

/* Checks the options and fills in the defaults of the fields that are zero. `field`, if
 * not NULL, is set to the offending field's name (static), or to NULL.
 *
 * GR_OK           all in range; defaults filled in
 * GR_ERR_INVALID  `*field` is out of range; nothing changed
 * GR_ERR_VERSION  `size` is larger than this library knows, and the rest is not zero
 */
GR_API int gr_flow_options_check(gr_flow_options *options, const char **field);

/* `allocator` may be NULL: malloc. GR_OK, as gr_flow_options_check(), GR_ERR_NO_MEMORY.
 */
GR_API int gr_flow_new(gr_flow **flow, const gr_flow_options *options,
                       const gr_allocator *allocator, gr_time now);
GR_API void gr_flow_free(gr_flow *flow);

/* Other options from now on; what is known of the members stays. As
 * gr_flow_options_check(); nothing changes unless GR_OK. */
GR_API int gr_flow_configure(gr_flow *flow, const gr_flow_options *options, gr_time now);

/* The members from now on, this one, `self`, among them (or 0: it is none). What is known
 * of those that stay is kept.
 *
 * GR_OK           done
 * GR_ERR_INVALID  an argument is NULL, there are more than GR_MEMBERS_MAX, an id is 0 or
 *                 twice there, or self is not there; nothing changed
 */
GR_API int gr_flow_members(gr_flow *flow, gr_member_id self,
                           const gr_flow_member *members, size_t count, gr_time now);

/* What a member told. GR_OK, GR_ERR_INVALID (an argument is NULL, `size` does not even
 * cover itself, or it is no member: nothing changed). */
GR_API int gr_flow_report(gr_flow *flow, gr_member_id member,
                          const gr_flow_statistics *statistics, gr_time now);

/* A period may have ended. GR_OK, GR_ERR_INVALID (`flow` is NULL). */
GR_API int gr_flow_poll(gr_flow *flow, gr_time now);

/* When gr_flow_poll() is due next. */
GR_API gr_time gr_flow_deadline(const gr_flow *flow);

/* May `transactions` of `bytes` together, which wait since `since`, be broadcast now?
 *
 * GR_FLOW_ADMITTED  yes, and they are counted
 * GR_FLOW_WAIT      ask again at `*until`, or sooner after a report. Ask in the order of
 *                   arrival: who waits longest first, and no other until that one is
 * through GR_FLOW_REFUSED   they have waited for wait_timeout_ns; or `flow` is NULL
 *
 * `until` may be NULL. */
GR_API enum gr_flow_verdict gr_flow_admit(gr_flow *flow, uint64_t transactions,
                                          uint64_t bytes, gr_time since, gr_time now,
                                          gr_time *until);

/* Fills in as much of the struct as `size` covers. GR_OK, GR_ERR_INVALID (an argument is
 * NULL, or `size` does not even cover itself; or it is no member). */
GR_API int gr_flow_status_get(const gr_flow *flow, gr_flow_status *status);
GR_API int gr_flow_member_status_get(const gr_flow *flow, gr_member_id member,
                                     gr_flow_member_status *status);

/* The name of a limit and of a standing, for people; "unknown" for other values. Static.
 */
GR_API const char *gr_flow_limit_name(enum gr_flow_limit limit);
GR_API const char *gr_flow_standing_name(enum gr_flow_standing standing);

#ifdef __cplusplus
}
#endif
#endif
