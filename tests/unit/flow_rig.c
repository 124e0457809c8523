/* SPDX-License-Identifier: MIT */
#include "flow_rig.h"

#include <criterion/criterion.h>

#define BYTES 100

void flow_rig_begin(struct flow_rig *rig, uint32_t members,
                    const gr_flow_options *options) {
  gr_flow_options complete = *options;
  complete.size = sizeof(complete);
  *rig = (struct flow_rig){.now = FLOW_S, .count = members};
  cr_assert_eq(gr_flow_new(&rig->flow, &complete, NULL, rig->now), GR_OK);
  for (uint32_t i = 0; i < members; i++) {
    rig->members[i].id = i + 1;
    rig->told[i].size = sizeof(rig->told[i]);
  }
  cr_assert_eq(gr_flow_members(rig->flow, 1, rig->members, members, rig->now), GR_OK);
}

void flow_rig_end(struct flow_rig *rig) {
  gr_flow_free(rig->flow);
}

void flow_rig_flags(struct flow_rig *rig, gr_member_id id, uint64_t flags) {
  rig->members[id - 1].flags = flags;
  cr_assert_eq(gr_flow_members(rig->flow, 1, rig->members, rig->count, rig->now), GR_OK);
}

void flow_rig_tell(struct flow_rig *rig, gr_member_id id, uint64_t applied,
                   uint64_t waiting) {
  gr_flow_statistics *told = &rig->told[id - 1];
  told->certified += applied;
  told->applied += applied;
  told->applied_bytes += applied * BYTES;
  told->applier_queue = waiting;
  told->queue_bytes = waiting * BYTES;
  cr_assert_eq(gr_flow_report(rig->flow, id, told, rig->now), GR_OK);
}

void flow_rig_pass(struct flow_rig *rig, gr_time time) {
  rig->now += time;
  if (rig->now >= gr_flow_deadline(rig->flow)) gr_flow_poll(rig->flow, rig->now);
}

void flow_rig_run(struct flow_rig *rig, uint64_t seconds, const uint64_t *speeds,
                  const uint64_t *queues) {
  for (uint64_t tenth = 0; tenth < 10 * seconds; tenth++) {
    flow_rig_pass(rig, 100 * FLOW_MS);
    for (uint32_t i = 0; i < rig->count; i++) {
      uint64_t applied = speeds[i] * (tenth + 1) / 10 - speeds[i] * tenth / 10;
      flow_rig_tell(rig, i + 1, applied, queues[i]);
    }
  }
}

enum gr_flow_verdict flow_rig_ask(struct flow_rig *rig) {
  return gr_flow_admit(rig->flow, 1, BYTES, rig->now, rig->now, NULL);
}

gr_flow_status flow_rig_status(const struct flow_rig *rig) {
  gr_flow_status status = {.size = sizeof(status)};
  cr_assert_eq(gr_flow_status_get(rig->flow, &status), GR_OK);
  return status;
}

gr_flow_member_status flow_rig_member(const struct flow_rig *rig, gr_member_id id) {
  gr_flow_member_status status = {.size = sizeof(status)};
  cr_assert_eq(gr_flow_member_status_get(rig->flow, id, &status), GR_OK);
  return status;
}
