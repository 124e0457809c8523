/* SPDX-License-Identifier: MIT */
#include "flowctl/flow.h"

#include "base/fill.h"
#include "flowctl/scale.h"

/* Periods without progress. */
#define STUCK_PERIODS 3
/* And what would have been done meanwhile, at the member's speed. */
#define STUCK_COUNT 8

static uint64_t a_period(const struct gr_flow *flow, uint64_t speed) {
  if (speed == GR_FLOW_UNLIMITED) return GR_FLOW_NONE;
  return gr_flow_count(speed, flow->options.period_ns);
}

/* An open quota is none. */
static uint64_t quota_of(const struct gr_flow *flow, int unit, uint64_t speed) {
  bool open = flow->group[unit].open || flow->options.mode == GR_FLOW_DISABLED;
  return open ? GR_FLOW_NONE : a_period(flow, speed);
}

int gr_flow_status_get(const gr_flow *flow, gr_flow_status *status) {
  if (!flow || !status) return GR_ERR_INVALID;
  const struct gr_flow_bound *in_transactions = &flow->group[GR_FLOW_IN_TRANSACTIONS];
  const struct gr_flow_bound *in_bytes = &flow->group[GR_FLOW_IN_BYTES];
  const struct gr_flow_bound *binds =
      quota_of(flow, GR_FLOW_IN_TRANSACTIONS, in_transactions->speed) != GR_FLOW_NONE
          ? in_transactions
          : in_bytes;
  bool bound = quota_of(flow, binds == in_bytes, binds->speed) != GR_FLOW_NONE;
  gr_flow_status filled = {
      .level = flow->level,
      .quota = quota_of(flow, GR_FLOW_IN_TRANSACTIONS,
                        flow->own[GR_FLOW_IN_TRANSACTIONS].speed),
      .quota_bytes = quota_of(flow, GR_FLOW_IN_BYTES, flow->own[GR_FLOW_IN_BYTES].speed),
      .group_quota = quota_of(flow, GR_FLOW_IN_TRANSACTIONS, in_transactions->speed),
      .group_quota_bytes = quota_of(flow, GR_FLOW_IN_BYTES, in_bytes->speed),
      .limit = bound ? binds->limit : GR_FLOW_LIMIT_NONE,
      .writers = flow->writers,
      .admitted = flow->admitted,
      .waited = flow->waited,
      .waited_ns = flow->waited_ns,
      .passed = flow->passed,
      .refused = flow->refused};
  if (bound && binds->member != GR_FLOW_NOBODY)
    filled.member = flow->peers[binds->member].id;
  gr_time first = GR_TIME_NEVER;
  for (uint32_t i = 0; i < flow->count; i++) {
    const struct gr_flow_peer *peer = &flow->peers[i];
    filled.counted += peer->standing == GR_FLOW_COUNTS;
    if (!peer->remove || peer->left_since >= first) continue;
    first = peer->left_since;
    filled.remove = peer->id;
  }
  return gr_fill_in(status, status->size, &filled, sizeof(filled));
}

/* A slow one takes its time for each. */
static bool is_stuck(const struct gr_flow *flow, const struct gr_flow_peer *peer) {
  gr_time patience = STUCK_PERIODS * flow->options.period_ns;
  for (int i = 0; i <= GR_FLOW_APPLIER; i++) {
    const struct gr_flow_queue *queue = &peer->queues[i];
    if (queue->waiting == 0 || queue->speed == 0) continue;
    gr_time usual = gr_flow_duration(STUCK_COUNT, queue->speed);
    if (usual > patience) patience = usual;
  }
  return peer->reported - peer->progressed >= patience;
}

static gr_time lag_of(const struct gr_flow_queue *queues) {
  gr_time lag = 0;
  for (int i = 0; i < GR_FLOW_QUEUES; i++) {
    gr_time time = gr_flow_duration(queues[i].waiting, queues[i].speed);
    if (time > lag) lag = time;
  }
  return lag;
}

int gr_flow_member_status_get(const gr_flow *flow, gr_member_id member,
                              gr_flow_member_status *status) {
  if (!flow || !status) return GR_ERR_INVALID;
  for (uint32_t i = 0; i < flow->count; i++) {
    const struct gr_flow_peer *peer = &flow->peers[i];
    if (peer->id != member) continue;
    gr_flow_member_status filled = {
        .id = member,
        .standing = peer->standing,
        .stuck = is_stuck(flow, peer),
        .remove = peer->remove,
        .level = gr_flow_level(peer->use_permille),
        .use_permille = peer->use_permille,
        .limit = peer->limit,
        .applied_per_s = peer->queues[GR_FLOW_APPLIER].speed / 1000,
        .bytes_per_s = peer->queues[GR_FLOW_BYTES].speed / 1000,
        .lag_ns = peer->heard ? lag_of(peer->queues) : GR_TIME_NEVER};
    return gr_fill_in(status, status->size, &filled, sizeof(filled));
  }
  return GR_ERR_INVALID;
}

const char *gr_flow_limit_name(enum gr_flow_limit limit) {
  switch (limit) {
  case GR_FLOW_LIMIT_NONE:
    return "none";
  case GR_FLOW_LIMIT_CERTIFIER:
    return "certifier queue";
  case GR_FLOW_LIMIT_APPLIER:
    return "applier queue";
  case GR_FLOW_LIMIT_BYTES:
    return "bytes";
  case GR_FLOW_LIMIT_LAG:
    return "lag";
  case GR_FLOW_LIMIT_MAX_QUOTA:
    return "max quota";
  }
  return "unknown";
}

const char *gr_flow_standing_name(enum gr_flow_standing standing) {
  switch (standing) {
  case GR_FLOW_COUNTS:
    return "counts";
  case GR_FLOW_UNHEARD:
    return "unheard";
  case GR_FLOW_UNAWAITED:
    return "unawaited";
  case GR_FLOW_LEFT_OUT:
    return "left out";
  }
  return "unknown";
}
