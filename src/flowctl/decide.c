/* SPDX-License-Identifier: MIT */
#include "flowctl/flow.h"

#include "base/memberset.h"
#include "flowctl/scale.h"
#include "flowctl/share.h"

/* In a while of this share of a period as much may be admitted at once as in it in all.
 */
#define EVEN_SHARE 64
/* Reports that may fail to come. */
#define UNHEARD_PERIODS 10

static const struct gr_flow_bound nothing_limits = {GR_FLOW_UNLIMITED, false,
                                                    GR_FLOW_LIMIT_NONE, GR_FLOW_NOBODY};

gr_time gr_flow_feedback(const struct gr_flow *flow, const struct gr_flow_peer *peer) {
  gr_time silent = flow->now - peer->reported;
  gr_time feedback = silent > peer->interval ? silent : peer->interval;
  return feedback > 0 ? feedback : 1;
}

/* ---- one member ---- */

static enum gr_flow_standing standing_of(const struct gr_flow *flow,
                                         const struct gr_flow_peer *peer) {
  gr_time period = flow->options.period_ns;
  gr_time usual = peer->interval > period ? peer->interval : period;
  if (!peer->heard || flow->now - peer->reported > UNHEARD_PERIODS * usual)
    return GR_FLOW_UNHEARD;
  bool recovering = (peer->flags & GR_FLOW_RECOVERING) != 0;
  bool awaited = (peer->flags & GR_FLOW_AWAITED) != 0;
  switch (flow->options.policy) {
  case GR_FLOW_ALL:
    break;
  case GR_FLOW_MAJORITY:
    if (recovering) return GR_FLOW_UNAWAITED;
    break;
  case GR_FLOW_NAMED:
    if (!awaited) return GR_FLOW_UNAWAITED;
    break;
  }
  return GR_FLOW_COUNTS;
}

static struct gr_flow_law law_for(const struct gr_flow *flow,
                                  const struct gr_flow_peer *peer,
                                  enum gr_flow_queue_kind kind) {
  const gr_flow_options *o = &flow->options;
  const uint64_t limits[GR_FLOW_QUEUES] = {o->certifier_threshold, o->applier_threshold,
                                           o->bytes_threshold};
  return (struct gr_flow_law){.limit = limits[kind],
                              .lag_limit = o->lag_threshold_ns == GR_TIME_NEVER
                                               ? 0
                                               : o->lag_threshold_ns,
                              .hold = o->hold_percent,
                              .release = o->release_percent,
                              .feedback = gr_flow_feedback(flow, peer),
                              .never_pauses = (peer->flags & GR_FLOW_RECOVERING) != 0};
}

static enum gr_flow_limit limit_of(const struct gr_flow_queue *queue,
                                   enum gr_flow_queue_kind kind) {
  static const enum gr_flow_limit limits[GR_FLOW_QUEUES] = {GR_FLOW_LIMIT_CERTIFIER,
                                                            GR_FLOW_LIMIT_APPLIER,
                                                            GR_FLOW_LIMIT_BYTES};
  return queue->by_time ? GR_FLOW_LIMIT_LAG : limits[kind];
}

static void take_lower(struct gr_flow_bound *bound, struct gr_flow_bound other) {
  if (other.speed < bound->speed) *bound = other;
}

/* What this member lets the whole group do. */
static void judge(struct gr_flow *flow, uint32_t index, struct gr_flow_bound *bounds) {
  struct gr_flow_peer *peer = &flow->peers[index];
  peer->use_permille = 0;
  peer->limit = GR_FLOW_LIMIT_NONE;
  for (int u = 0; u < GR_FLOW_UNITS; u++) bounds[u] = nothing_limits;
  for (int k = 0; k < GR_FLOW_QUEUES; k++) {
    struct gr_flow_queue *queue = &peer->queues[k];
    struct gr_flow_law law = law_for(flow, peer, k);
    uint64_t speed = gr_flow_queue_judge(queue, &law, flow->now);
    enum gr_flow_limit limit = limit_of(queue, k);
    bool open = queue->quota == GR_FLOW_UNLIMITED;
    take_lower(&bounds[k == GR_FLOW_BYTES ? GR_FLOW_IN_BYTES : GR_FLOW_IN_TRANSACTIONS],
               (struct gr_flow_bound){speed, open, limit, index});
    if (queue->use_permille <= peer->use_permille) continue;
    peer->use_permille = queue->use_permille;
    peer->limit = limit;
  }
  uint64_t least =
      gr_flow_speed(flow->options.min_recovery_quota, flow->options.period_ns);
  struct gr_flow_bound *in_transactions = &bounds[GR_FLOW_IN_TRANSACTIONS];
  if ((peer->flags & GR_FLOW_RECOVERING) != 0 && in_transactions->speed < least)
    in_transactions->speed = least;
}

/* ---- the group ---- */

/* Of all that count; or the slowest of the fastest majority. */
static struct gr_flow_bound by_policy(const struct gr_flow *flow,
                                      struct gr_flow_bound (*bounds)[GR_FLOW_UNITS],
                                      int unit) {
  uint64_t speeds[GR_MEMBERS_MAX];
  uint32_t voters = 0;
  struct gr_flow_bound lowest = nothing_limits;
  for (uint32_t i = 0; i < flow->count; i++) {
    bool counts = flow->peers[i].standing == GR_FLOW_COUNTS;
    if (counts) take_lower(&lowest, bounds[i][unit]);
    if ((flow->peers[i].flags & GR_FLOW_RECOVERING) == 0)
      speeds[voters++] = counts ? bounds[i][unit].speed : GR_FLOW_UNLIMITED;
  }
  if (flow->options.policy != GR_FLOW_MAJORITY || voters == 0) return lowest;
  uint64_t mark = gr_majority_mark(speeds, voters);
  for (uint32_t i = 0; i < flow->count; i++)
    if (flow->peers[i].standing == GR_FLOW_COUNTS && bounds[i][unit].speed == mark)
      return bounds[i][unit];
  return nothing_limits;
}

/* The floor and the ceiling that are set, in transactions. The floor in bytes is that of
 * so many transactions of the size that the member that limits gets. */
static void apply_quotas(const struct gr_flow *flow, struct gr_flow_bound *group) {
  gr_time period = flow->options.period_ns;
  uint64_t least = gr_flow_speed(flow->options.min_quota, period);
  struct gr_flow_bound *transactions = &group[GR_FLOW_IN_TRANSACTIONS];
  struct gr_flow_bound *bytes = &group[GR_FLOW_IN_BYTES];
  if (transactions->speed < least) transactions->speed = least;
  if (least > 0 && bytes->member != GR_FLOW_NOBODY) {
    const struct gr_flow_queue *queues = flow->peers[bytes->member].queues;
    uint64_t least_bytes =
        gr_flow_scale(least, queues[GR_FLOW_BYTES].speed, queues[GR_FLOW_APPLIER].speed);
    if (bytes->speed < least_bytes) bytes->speed = least_bytes;
  }
  if (flow->options.max_quota == 0) return;
  take_lower(transactions,
             (struct gr_flow_bound){gr_flow_speed(flow->options.max_quota, period), false,
                                    GR_FLOW_LIMIT_MAX_QUOTA, GR_FLOW_NOBODY});
}

static uint64_t own_share(struct gr_flow *flow, uint64_t quota, int unit) {
  uint64_t others[GR_MEMBERS_MAX];
  uint32_t count = 0;
  for (uint32_t i = 0; i < flow->count; i++) {
    const struct gr_flow_peer *peer = &flow->peers[i];
    if (i == flow->self || peer->standing == GR_FLOW_UNHEARD) continue;
    if (peer->writes[unit] > 0) others[count++] = peer->writes[unit];
  }
  uint64_t percent = flow->options.member_quota_percent;
  if (unit == GR_FLOW_IN_TRANSACTIONS) flow->writers = count + 1;
  if (count > 0 && percent > 0 && quota != GR_FLOW_UNLIMITED)
    return gr_flow_scale(quota, percent, 100);
  return gr_flow_share(quota, others, count);
}

static void set_own(struct gr_flow *flow, int unit) {
  const struct gr_flow_bound *bound = &flow->group[unit];
  uint64_t share = own_share(flow, bound->speed, unit);
  if (flow->options.mode == GR_FLOW_DISABLED) share = GR_FLOW_UNLIMITED;
  gr_flow_bucket_set(&flow->own[unit], share, flow->now);
  flow->allowance[unit] = flow->options.period_ns / EVEN_SHARE;
  if (!bound->open || bound->member == GR_FLOW_NOBODY) return;
  gr_time half = gr_flow_feedback(flow, &flow->peers[bound->member]) / 2;
  if (half > flow->allowance[unit]) flow->allowance[unit] = half;
}

void gr_flow_decide(struct gr_flow *flow) {
  struct gr_flow_bound bounds[GR_MEMBERS_MAX][GR_FLOW_UNITS];
  flow->level = 0;
  for (uint32_t i = 0; i < flow->count; i++) {
    flow->peers[i].standing = standing_of(flow, &flow->peers[i]);
    judge(flow, i, bounds[i]);
  }
  gr_flow_laggards(flow);
  for (uint32_t i = 0; i < flow->count; i++) {
    const struct gr_flow_peer *peer = &flow->peers[i];
    uint64_t level = gr_flow_level(peer->use_permille);
    bool recovering = (peer->flags & GR_FLOW_RECOVERING) != 0;
    if (recovering && level == GR_FLOW_LEVEL_MAX) level--;
    if (peer->standing == GR_FLOW_COUNTS && level > flow->level) flow->level = level;
  }
  for (int u = 0; u < GR_FLOW_UNITS; u++) flow->group[u] = by_policy(flow, bounds, u);
  apply_quotas(flow, flow->group);
  for (int u = 0; u < GR_FLOW_UNITS; u++) set_own(flow, u);
}
