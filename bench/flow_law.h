/* SPDX-License-Identifier: MIT
 *
 * A law of flow control, as the simulation sees it: one for each member.
 */
#ifndef BENCH_FLOW_LAW_H
#define BENCH_FLOW_LAW_H

#include <gr/flowctl.h>

#define FLOW_MEMBERS_MAX 8
#define FLOW_NS_PER_S UINT64_C(1000000000)

struct flow_law {
  void *state;
  bool in_order; /* who waits longest is asked for first, and alone */
  void (*members)(void *state, gr_member_id self, const gr_flow_member *members,
                  size_t count, gr_time now);
  void (*report)(void *state, gr_member_id from, const gr_flow_statistics *statistics,
                 gr_time now);
  void (*tick)(void *state, gr_time now);
  /* One transaction that came at `since`. */
  bool (*admit)(void *state, uint64_t bytes, gr_time since, gr_time now);
  void (*free)(void *state);
};

struct flow_law flow_law_ours(const gr_flow_options *options);

/* The QUOTA mode of MySQL Group Replication, for comparison:
 * see flow_mysql.c. */
struct flow_law flow_law_mysql(const gr_flow_options *options);

#endif
