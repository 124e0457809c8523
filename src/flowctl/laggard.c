/* SPDX-License-Identifier: MIT */
#include "flowctl/flow.h"

/* Of its limit, in thousandths: when a laggard counts again. */
#define CAUGHT_UP 500

static bool longer_than(gr_time since, gr_time time, gr_time now) {
  return since != GR_TIME_NEVER && time != GR_TIME_NEVER && now - since >= time;
}

/* Who recovers makes nobody pause; who does not count by policy does not either. */
static void watch(struct gr_flow *flow, struct gr_flow_peer *peer) {
  bool exempt = (peer->flags & GR_FLOW_RECOVERING) != 0 ||
                peer->standing == GR_FLOW_UNAWAITED || !peer->heard;
  bool over = !exempt && gr_flow_level(peer->use_permille) == GR_FLOW_LEVEL_MAX;
  bool back = exempt || peer->use_permille <= CAUGHT_UP;
  if (back) peer->left_since = GR_TIME_NEVER;
  if (back || (!over && peer->left_since == GR_TIME_NEVER))
    peer->over_since = GR_TIME_NEVER;
  else if (peer->over_since == GR_TIME_NEVER)
    peer->over_since = flow->now;
}

static uint32_t left_out(const struct gr_flow *flow) {
  uint32_t count = 0;
  for (uint32_t i = 0; i < flow->count; i++)
    count += flow->peers[i].left_since != GR_TIME_NEVER;
  return count;
}

/* The one that has lagged for longest, of those that have for too long; NULL: nobody. */
static struct gr_flow_peer *worst(struct gr_flow *flow) {
  struct gr_flow_peer *found = NULL;
  for (uint32_t i = 0; i < flow->count; i++) {
    struct gr_flow_peer *peer = &flow->peers[i];
    if (peer->left_since != GR_TIME_NEVER ||
        !longer_than(peer->over_since, flow->options.laggard_timeout_ns, flow->now))
      continue;
    if (!found || peer->over_since < found->over_since) found = peer;
  }
  return found;
}

void gr_flow_laggards(struct gr_flow *flow) {
  struct gr_flow_peer *laggard;
  for (uint32_t i = 0; i < flow->count; i++) watch(flow, &flow->peers[i]);
  /* If more than half of the members lag, it is the others that are ahead. */
  while (2 * (left_out(flow) + 1) <= flow->count && (laggard = worst(flow)))
    laggard->left_since = flow->now;
  for (uint32_t i = 0; i < flow->count; i++) {
    struct gr_flow_peer *peer = &flow->peers[i];
    bool left = peer->left_since != GR_TIME_NEVER;
    if (left && peer->standing == GR_FLOW_COUNTS) peer->standing = GR_FLOW_LEFT_OUT;
    peer->remove =
        (peer->flags & GR_FLOW_PRIMARY) == 0 &&
        longer_than(peer->left_since, flow->options.removal_timeout_ns, flow->now);
  }
}
