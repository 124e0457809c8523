/* SPDX-License-Identifier: MIT
 *
 * The parts of a gr_flow, and who owns them:
 *
 *   flow.c     life cycle, members, reports, admission
 *   decide.c   from all members' queues to this member's quota
 *   laggard.c  who has lagged for too long
 *   status.c   what is told of it all
 *
 * queue.c (the law), share.c and bucket.c know nothing of it.
 */
#ifndef GR_FLOWCTL_FLOW_H
#define GR_FLOWCTL_FLOW_H

#include "flowctl/bucket.h"
#include "flowctl/queue.h"

#include <gr/flowctl.h>

enum gr_flow_queue_kind {
  GR_FLOW_CERTIFIER,
  GR_FLOW_APPLIER,
  GR_FLOW_BYTES,
  GR_FLOW_QUEUES
};

/* What quotas are counted in. */
enum gr_flow_unit { GR_FLOW_IN_TRANSACTIONS, GR_FLOW_IN_BYTES, GR_FLOW_UNITS };

/* What limits, and whom. */
struct gr_flow_bound {
  uint64_t speed; /* thousandths a second; GR_FLOW_UNLIMITED: nothing limits */
  bool open;      /* no quota: just no more than there is room for until news come, */
  uint64_t burst; /* and so much of that at once */
  enum gr_flow_limit limit;
  uint32_t member; /* its index; GR_FLOW_NOBODY */
};
#define GR_FLOW_NOBODY UINT32_MAX

struct gr_flow_peer {
  gr_member_id id;
  uint64_t flags;

  bool heard;
  gr_time reported; /* when last */
  gr_time
      interval; /* between reports, the longest of late: half is forgotten in a second */
  gr_time progressed; /* when it last got on, or had nothing to do */
  struct gr_flow_queue queues[GR_FLOW_QUEUES];
  struct gr_flow_bound bounds[GR_FLOW_UNITS]; /* what it lets the group do */
  struct gr_flow_meter wrote[GR_FLOW_UNITS];
  uint64_t writes[GR_FLOW_UNITS]; /* thousandths a second, smoothed */

  enum gr_flow_standing standing;
  gr_time over_since; /* made writes pause; GR_TIME_NEVER: does not */
  gr_time left_since; /* left out; GR_TIME_NEVER: is not */
  bool remove;
  uint64_t use_permille;    /* of its fullest queue, */
  enum gr_flow_limit limit; /* which this is */
};

struct gr_flow {
  gr_allocator allocator;
  gr_flow_options options;
  gr_time now;
  gr_time period_end;
  uint32_t count;
  uint32_t self; /* index; GR_FLOW_NOBODY */
  struct gr_flow_peer peers[GR_MEMBERS_MAX];

  /* As decided last. */
  uint64_t level;
  uint64_t writers;
  struct gr_flow_bound group[GR_FLOW_UNITS];
  struct gr_flow_bucket own[GR_FLOW_UNITS];
  gr_time allowance[GR_FLOW_UNITS];
  bool open[GR_FLOW_UNITS]; /* the group's quota was, with that allowance */

  uint64_t admitted;
  uint64_t waited;
  uint64_t waited_ns;
  uint64_t passed;
  uint64_t refused;
};

/* Something has changed: members, a report, the time. */
void gr_flow_decide(struct gr_flow *flow);

/* Every member's use is known: whoever has lagged for too long is left out. */
void gr_flow_laggards(struct gr_flow *flow);

/* How long it takes until what is done now shows in what this member reports. */
gr_time gr_flow_feedback(const struct gr_flow *flow, const struct gr_flow_peer *peer);

/* NULL: no member. */
struct gr_flow_peer *gr_flow_find(struct gr_flow *flow, gr_member_id id);

#endif
