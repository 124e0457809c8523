/* SPDX-License-Identifier: MIT
 *
 * A group of nodes on 127.0.0.1, one in each process: who listens where, and who leads.
 * Lives in memory that the processes share.
 */
#ifndef BENCH_LOCAL_GROUP_H
#define BENCH_LOCAL_GROUP_H

#include "processes.h"

#include <gr/posix.h>
#include <stdatomic.h>

#define LOCAL_ADDRESS_BYTES 32

struct local_group {
  size_t count;
  const char *data_directory; /* member i + 1 has its log under it; NULL: volatile */
  char addresses[PROCESSES_MAX][LOCAL_ADDRESS_BYTES]; /* member i + 1 listens at i */
  _Atomic uint64_t leaders[PROCESSES_MAX]; /* whom each member takes for it; 0: none */
  _Atomic uint64_t leader_changes;         /* at all members */
};

/* In the parent: chooses the ports. */
void local_group_init(struct local_group *group, size_t count,
                      const char *data_directory);

/* In child `index`: starts its node; ends the process if it cannot. The callbacks
 * `leader`, `log` and `halted` are the group's own, and find it through `host->context`,
 * which must point at a struct local_member. */
struct local_member {
  struct local_group *group;
  size_t index;
  const gr_options *limits; /* NULL: all defaults; who takes part in what is filled in */
  gr_node *node;
};
void local_member_start(struct local_member *member, size_t index, gr_node_host host);

/* The same for a process that joins the group's members at their addresses; its own is
 * that of `index` as well. */
void local_member_join(struct local_member *member, size_t index, gr_node_host host);

/* In the parent: waits until all agree on a leader; fails at the deadline. */
gr_member_id local_group_await_leader(struct local_group *group,
                                      struct processes *processes, uint64_t deadline_ns);

#endif
