/* SPDX-License-Identifier: MIT */
#include "flow_law.h"

#include <stdio.h>
#include <stdlib.h>

static void members(void *state, gr_member_id self, const gr_flow_member *list,
                    size_t count, gr_time now) {
  if (gr_flow_members(state, self, list, count, now) != GR_OK) abort();
}

static void report(void *state, gr_member_id from, const gr_flow_statistics *statistics,
                   gr_time now) {
  if (gr_flow_report(state, from, statistics, now) != GR_OK) abort();
}

static void tick(void *state, gr_time now) {
  if (now >= gr_flow_deadline(state)) gr_flow_poll(state, now);
}

static bool admit(void *state, uint64_t bytes, gr_time since, gr_time now) {
  return gr_flow_admit(state, 1, bytes, since, now, NULL) == GR_FLOW_ADMITTED;
}

static void end(void *state) {
  gr_flow_free(state);
}

struct flow_law flow_law_ours(const gr_flow_options *options) {
  gr_flow *flow;
  int error = gr_flow_new(&flow, options, NULL, 0);
  if (error != GR_OK) {
    fprintf(stderr, "flowctl-bench: %s\n", gr_error_text(error));
    exit(1);
  }
  return (struct flow_law){flow, true, members, report, tick, admit, end};
}
