/* SPDX-License-Identifier: MIT
 *
 * What the tests of flow control share: a gr_flow with members 1, 2, 3, ..., of which
 * this is 1, and what they told.
 */
#ifndef TESTS_UNIT_FLOW_RIG_H
#define TESTS_UNIT_FLOW_RIG_H

#include <gr/flowctl.h>

#define FLOW_MS UINT64_C(1000000)
#define FLOW_S (1000 * FLOW_MS)
#define FLOW_RIG_MEMBERS_MAX 8

struct flow_rig {
  gr_flow *flow;
  gr_time now;
  uint32_t count;
  gr_flow_member members[FLOW_RIG_MEMBERS_MAX];
  gr_flow_statistics told[FLOW_RIG_MEMBERS_MAX]; /* as last */
};

/* `options->size` is filled in. */
void flow_rig_begin(struct flow_rig *rig, uint32_t members,
                    const gr_flow_options *options);
void flow_rig_end(struct flow_rig *rig);

/* Other flags of that member. */
void flow_rig_flags(struct flow_rig *rig, gr_member_id id, uint64_t flags);

/* The member has certified and applied so many more, of 100 bytes, and so many wait to be
 * applied. */
void flow_rig_tell(struct flow_rig *rig, gr_member_id id, uint64_t applied,
                   uint64_t waiting);

/* So much later, and a period may have ended. */
void flow_rig_pass(struct flow_rig *rig, gr_time time);

/* All tell ten times a second, for so many seconds, that they applied speeds[i] a second
 * and have queues[i]. */
void flow_rig_run(struct flow_rig *rig, uint64_t seconds, const uint64_t *speeds,
                  const uint64_t *queues);

/* Asks once for one, which came just now. */
enum gr_flow_verdict flow_rig_ask(struct flow_rig *rig);

gr_flow_status flow_rig_status(const struct flow_rig *rig);
gr_flow_member_status flow_rig_member(const struct flow_rig *rig, gr_member_id id);

#endif
