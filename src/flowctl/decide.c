/* SPDX-License-Identifier: MIT */
#include "flowctl/flow.h"

#include "flowctl/scale.h"
#include "flowctl/share.h"

/* In a while of this share of a period as much may be admitted at once as in it in all.
 */
#define EVEN_SHARE 64
/* Who waits is woken by timers, and these are no finer than a millisecond. */
#define EVEN_LEAST_NS (GR_FLOW_SECOND_NS / 500)
/* Reports that may fail to come. */
#define UNHEARD_PERIODS 10

static const struct gr_flow_bound nothing_limits = {GR_FLOW_UNLIMITED, false, 0,
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
  gr_time usual = period > GR_FLOW_SECOND_NS ? period : GR_FLOW_SECOND_NS;
  if (peer->interval > usual) usual = peer->interval;
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
                                  const struct gr_flow_peer *peer, int kind) {
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

static enum gr_flow_limit limit_of(const struct gr_flow_queue *queue, int kind) {
  static const enum gr_flow_limit limits[GR_FLOW_QUEUES] = {GR_FLOW_LIMIT_CERTIFIER,
                                                            GR_FLOW_LIMIT_APPLIER,
                                                            GR_FLOW_LIMIT_BYTES};
  return queue->by_time ? GR_FLOW_LIMIT_LAG : limits[kind];
}

static void take_lower(struct gr_flow_bound *bound, struct gr_flow_bound other) {
  if (other.speed < bound->speed) *bound = other;
}

/* No lower than so many transactions a second, and so many of those that `peer` gets in
 * bytes. */
static void raise_to(uint64_t least, const struct gr_flow_peer *peer,
                     struct gr_flow_bound *bounds) {
  uint64_t bytes = gr_flow_scale(least, peer->queues[GR_FLOW_BYTES].speed,
                                 peer->queues[GR_FLOW_APPLIER].speed);
  if (bounds[GR_FLOW_IN_TRANSACTIONS].speed < least)
    bounds[GR_FLOW_IN_TRANSACTIONS].speed = least;
  if (bounds[GR_FLOW_IN_BYTES].speed < bytes) bounds[GR_FLOW_IN_BYTES].speed = bytes;
}

static bool was_seen(const struct gr_flow_queue *queue) {
  return queue->waiting > 0 || queue->done.total > 0;
}

/* A member that tells of other queues, and never of this one, does not measure it. */
static bool measures(const struct gr_flow_peer *peer, int kind) {
  bool others = false;
  for (int k = 0; k < GR_FLOW_QUEUES; k++) others = others || was_seen(&peer->queues[k]);
  return was_seen(&peer->queues[kind]) || !others;
}

/* What this member lets the whole group do. */
static void judge(struct gr_flow *flow, uint32_t index) {
  struct gr_flow_peer *peer = &flow->peers[index];
  peer->use_permille = 0;
  peer->limit = GR_FLOW_LIMIT_NONE;
  for (int u = 0; u < GR_FLOW_UNITS; u++) peer->bounds[u] = nothing_limits;
  for (int k = 0; k < GR_FLOW_QUEUES; k++) {
    struct gr_flow_queue *queue = &peer->queues[k];
    if (!measures(peer, k)) continue;
    struct gr_flow_law law = law_for(flow, peer, k);
    uint64_t speed = gr_flow_queue_judge(queue, &law, flow->now);
    enum gr_flow_limit limit = limit_of(queue, k);
    bool open = queue->quota == GR_FLOW_UNLIMITED;
    int unit = k == GR_FLOW_BYTES ? GR_FLOW_IN_BYTES : GR_FLOW_IN_TRANSACTIONS;
    take_lower(&peer->bounds[unit],
               (struct gr_flow_bound){speed, open, queue->burst, limit, index});
    if (queue->use_permille <= peer->use_permille) continue;
    peer->use_permille = queue->use_permille;
    peer->limit = limit;
  }
  uint64_t least =
      gr_flow_speed(flow->options.min_recovery_quota, flow->options.period_ns);
  if ((peer->flags & GR_FLOW_RECOVERING) != 0) raise_to(least, peer, peer->bounds);
}

static uint64_t level_of(const struct gr_flow_peer *peer) {
  uint64_t level = gr_flow_level(peer->use_permille);
  bool never_pauses = (peer->flags & GR_FLOW_RECOVERING) != 0;
  return level == GR_FLOW_LEVEL_MAX && never_pauses ? level - 1 : level;
}

/* ---- the group ---- */

/* How many of those that count are waited for: all, or a majority of the members. */
static uint32_t awaited(const struct gr_flow *flow) {
  uint32_t counted = 0;
  uint32_t voters = 0;
  for (uint32_t i = 0; i < flow->count; i++) {
    counted += flow->peers[i].standing == GR_FLOW_COUNTS;
    voters += (flow->peers[i].flags & GR_FLOW_RECOVERING) == 0;
  }
  uint32_t majority = voters / 2 + 1;
  bool all = flow->options.policy != GR_FLOW_MAJORITY || counted < majority;
  return all ? counted : majority;
}

/* The member with the lowest of the `count` highest values, of those that count. */
static uint32_t lowest_of(const struct gr_flow *flow, const uint64_t *values,
                          uint32_t count) {
  for (uint32_t i = 0; i < flow->count; i++) {
    if (flow->peers[i].standing != GR_FLOW_COUNTS) continue;
    uint32_t rank = 1;
    for (uint32_t k = 0; k < flow->count; k++)
      if (flow->peers[k].standing == GR_FLOW_COUNTS)
        rank += values[k] > values[i] || (values[k] == values[i] && k < i);
    if (rank == count) return i;
  }
  return GR_FLOW_NOBODY;
}

/* The floor and the ceiling that are set. */
static void apply_quotas(struct gr_flow *flow) {
  gr_time period = flow->options.period_ns;
  uint64_t least = gr_flow_speed(flow->options.min_quota, period);
  uint32_t member = flow->group[GR_FLOW_IN_BYTES].member;
  if (member == GR_FLOW_NOBODY) member = flow->group[GR_FLOW_IN_TRANSACTIONS].member;
  if (member != GR_FLOW_NOBODY) raise_to(least, &flow->peers[member], flow->group);
  if (flow->options.max_quota == 0) return;
  take_lower(&flow->group[GR_FLOW_IN_TRANSACTIONS],
             (struct gr_flow_bound){gr_flow_speed(flow->options.max_quota, period), false,
                                    0, GR_FLOW_LIMIT_MAX_QUOTA, GR_FLOW_NOBODY});
}

static void decide_for_group(struct gr_flow *flow) {
  uint64_t values[GR_MEMBERS_MAX];
  uint32_t count = awaited(flow);
  for (uint32_t i = 0; i < flow->count; i++)
    values[i] = GR_FLOW_LEVEL_MAX - level_of(&flow->peers[i]);
  uint32_t member = lowest_of(flow, values, count);
  flow->level = member == GR_FLOW_NOBODY ? 0 : level_of(&flow->peers[member]);
  for (int u = 0; u < GR_FLOW_UNITS; u++) {
    for (uint32_t i = 0; i < flow->count; i++) values[i] = flow->peers[i].bounds[u].speed;
    member = lowest_of(flow, values, count);
    flow->group[u] =
        member == GR_FLOW_NOBODY ? nothing_limits : flow->peers[member].bounds[u];
  }
  apply_quotas(flow);
}

/* ---- this member ---- */

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
  struct gr_flow_bucket *own = &flow->own[unit];
  uint64_t share = own_share(flow, bound->speed, unit);
  if (flow->options.mode == GR_FLOW_DISABLED) share = GR_FLOW_UNLIMITED;
  gr_time allowance = flow->options.period_ns / EVEN_SHARE;
  if (allowance < EVEN_LEAST_NS) allowance = EVEN_LEAST_NS;
  gr_time burst = bound->open ? gr_flow_duration(bound->burst, bound->speed) : 0;
  if (burst > allowance) allowance = burst;
  /* A burst that was let through shows in the queues, and is not to be paid for twice. */
  if (flow->open[unit] && !bound->open)
    gr_flow_bucket_forgive(own, flow->allowance[unit], flow->now);
  gr_flow_bucket_set(own, share, flow->now);
  flow->allowance[unit] = allowance;
  flow->open[unit] = bound->open;
}

void gr_flow_decide(struct gr_flow *flow) {
  for (uint32_t i = 0; i < flow->count; i++) {
    flow->peers[i].standing = standing_of(flow, &flow->peers[i]);
    judge(flow, i);
  }
  gr_flow_laggards(flow);
  decide_for_group(flow);
  for (int u = 0; u < GR_FLOW_UNITS; u++) set_own(flow, u);
}
