/* SPDX-License-Identifier: MIT */
#include "flowctl/flow.h"

#include "base/carve.h"
#include "base/default_allocator.h"
#include "flowctl/options.h"
#include "flowctl/scale.h"

#include <string.h>

/* ---- life cycle ---- */

int gr_flow_new(gr_flow **flow, const gr_flow_options *options,
                const gr_allocator *allocator, gr_time now) {
  if (!flow) return GR_ERR_INVALID;
  *flow = NULL;
  if (allocator && (!allocator->allocate || !allocator->release)) return GR_ERR_INVALID;
  gr_flow_options checked;
  int error = gr_flow_options_copy(&checked, options);
  if (error != GR_OK) return error;
  gr_allocator memory = allocator ? *allocator : gr_default_allocator();
  struct gr_flow *f = memory.allocate(memory.context, sizeof(*f), GR_CARVE_ALIGNMENT);
  if (!f) return GR_ERR_NO_MEMORY;
  memset(f, 0, sizeof(*f));
  f->allocator = memory;
  f->options = checked;
  f->now = now;
  f->period_end = now + checked.period_ns;
  f->self = GR_FLOW_NOBODY;
  gr_flow_decide(f);
  *flow = f;
  return GR_OK;
}

void gr_flow_free(gr_flow *flow) {
  if (!flow) return;
  gr_allocator memory = flow->allocator;
  memory.release(memory.context, flow, sizeof(*flow));
}

static void advance(struct gr_flow *flow, gr_time now) {
  if (now > flow->now) flow->now = now;
}

int gr_flow_configure(gr_flow *flow, const gr_flow_options *options, gr_time now) {
  gr_flow_options checked;
  if (!flow) return GR_ERR_INVALID;
  int error = gr_flow_options_copy(&checked, options);
  if (error != GR_OK) return error;
  advance(flow, now);
  flow->options = checked;
  if (flow->period_end > flow->now + checked.period_ns)
    flow->period_end = flow->now + checked.period_ns;
  gr_flow_decide(flow);
  return GR_OK;
}

/* ---- members ---- */

struct gr_flow_peer *gr_flow_find(struct gr_flow *flow, gr_member_id id) {
  for (uint32_t i = 0; i < flow->count; i++)
    if (flow->peers[i].id == id) return &flow->peers[i];
  return NULL;
}

static bool good_members(gr_member_id self, const gr_flow_member *members, size_t count) {
  bool found = self == 0;
  if (count > GR_MEMBERS_MAX || (count > 0 && !members)) return false;
  for (size_t i = 0; i < count; i++) {
    if (members[i].id == 0) return false;
    for (size_t k = 0; k < i; k++)
      if (members[k].id == members[i].id) return false;
    found = found || members[i].id == self;
  }
  return found;
}

int gr_flow_members(gr_flow *flow, gr_member_id self, const gr_flow_member *members,
                    size_t count, gr_time now) {
  if (!flow || !good_members(self, members, count)) return GR_ERR_INVALID;
  advance(flow, now);
  struct gr_flow_peer peers[GR_MEMBERS_MAX];
  uint32_t own = GR_FLOW_NOBODY;
  for (uint32_t i = 0; i < count; i++) {
    const struct gr_flow_peer *known = gr_flow_find(flow, members[i].id);
    peers[i] = known ? *known
                     : (struct gr_flow_peer){.id = members[i].id,
                                             .over_since = GR_TIME_NEVER,
                                             .left_since = GR_TIME_NEVER};
    peers[i].flags = members[i].flags;
    if (members[i].id == self) own = i;
  }
  memcpy(flow->peers, peers, count * sizeof(*peers));
  flow->count = (uint32_t)count;
  flow->self = own;
  gr_flow_decide(flow);
  return GR_OK;
}

/* ---- reports ---- */

struct told {
  uint64_t waiting[GR_FLOW_QUEUES];
  uint64_t done[GR_FLOW_QUEUES];
  uint64_t wrote[GR_FLOW_UNITS];
};

static struct told told_by(const gr_flow_statistics *s) {
  return (struct told){{s->certifier_queue, s->applier_queue, s->queue_bytes},
                       {s->certified, s->applied, s->applied_bytes},
                       {s->local, s->local_bytes}};
}

static void begin(struct gr_flow_peer *peer, const struct told *told, gr_time now) {
  for (int i = 0; i < GR_FLOW_QUEUES; i++)
    gr_flow_queue_begin(&peer->queues[i], told->waiting[i], told->done[i], now);
  for (int i = 0; i < GR_FLOW_UNITS; i++) {
    gr_flow_meter_begin(&peer->wrote[i], told->wrote[i], now);
    peer->writes[i] = 0;
  }
  peer->heard = true;
  peer->interval = GR_FLOW_SECOND_NS; /* to be safe */
  peer->reported = peer->progressed = now;
}

static bool fell(const struct gr_flow_peer *peer, const struct told *told) {
  for (int i = 0; i < GR_FLOW_QUEUES; i++)
    if (told->done[i] < peer->queues[i].done.total) return true;
  for (int i = 0; i < GR_FLOW_UNITS; i++)
    if (told->wrote[i] < peer->wrote[i].total) return true;
  return false;
}

static bool got_on(const struct gr_flow_peer *peer, const struct told *told) {
  bool idle = true;
  for (int i = 0; i < GR_FLOW_QUEUES; i++) {
    if (told->done[i] > peer->queues[i].done.total) return true;
    idle = idle && told->waiting[i] == 0;
  }
  return idle;
}

static void take_report(struct gr_flow_peer *peer, const struct told *told,
                        gr_time period, gr_time now) {
  gr_time gap = now - peer->reported;
  gr_time forgotten = gr_flow_scale(peer->interval, gap, 2 * GR_FLOW_SECOND_NS);
  peer->interval = gr_flow_minus(peer->interval, forgotten);
  if (gap > peer->interval) peer->interval = gap;
  peer->reported = now;
  if (got_on(peer, told)) peer->progressed = now;
  for (int i = 0; i < GR_FLOW_QUEUES; i++)
    gr_flow_queue_report(&peer->queues[i], told->waiting[i], told->done[i], period, now);
  for (int i = 0; i < GR_FLOW_UNITS; i++) {
    uint64_t speed;
    if (gr_flow_meter_count(&peer->wrote[i], told->wrote[i], period, now, &speed))
      peer->writes[i] = speed == 0 ? 0 : peer->writes[i] / 2 + speed / 2;
  }
}

int gr_flow_report(gr_flow *flow, gr_member_id member,
                   const gr_flow_statistics *statistics, gr_time now) {
  if (!flow || !statistics || statistics->size < sizeof(size_t)) return GR_ERR_INVALID;
  struct gr_flow_peer *peer = gr_flow_find(flow, member);
  if (!peer) return GR_ERR_INVALID;
  advance(flow, now);
  gr_flow_statistics known = {0};
  size_t size = statistics->size < sizeof(known) ? statistics->size : sizeof(known);
  memcpy(&known, statistics, size);
  const struct told told = told_by(&known);
  if (!peer->heard || fell(peer, &told))
    begin(peer, &told, flow->now);
  else
    take_report(peer, &told, flow->options.period_ns, flow->now);
  gr_flow_decide(flow);
  return GR_OK;
}

/* ---- time ---- */

int gr_flow_poll(gr_flow *flow, gr_time now) {
  if (!flow) return GR_ERR_INVALID;
  advance(flow, now);
  if (flow->now < flow->period_end) return GR_OK;
  for (uint32_t i = 0; i < flow->count; i++)
    for (int k = 0; k < GR_FLOW_QUEUES; k++)
      gr_flow_queue_release(&flow->peers[i].queues[k], flow->options.release_percent);
  flow->period_end = flow->now + flow->options.period_ns;
  gr_flow_decide(flow);
  return GR_OK;
}

gr_time gr_flow_deadline(const gr_flow *flow) {
  return flow ? flow->period_end : GR_TIME_NEVER;
}

/* ---- admission ---- */

static enum gr_flow_verdict admit(struct gr_flow *flow, const uint64_t *cost) {
  for (int i = 0; i < GR_FLOW_UNITS; i++)
    gr_flow_bucket_take(&flow->own[i], cost[i], flow->now);
  flow->admitted += cost[GR_FLOW_IN_TRANSACTIONS];
  return GR_FLOW_ADMITTED;
}

/* When what this costs may go on. */
static gr_time due_of(struct gr_flow *flow, const uint64_t *cost) {
  gr_time due = flow->now;
  for (int i = 0; i < GR_FLOW_UNITS; i++) {
    gr_time paid = gr_flow_bucket_due(&flow->own[i], flow->allowance[i], flow->now);
    if (cost[i] > 0 && paid > due) due = paid;
  }
  return due;
}

static void count_wait(struct gr_flow *flow, uint64_t transactions, gr_time wait) {
  if (wait == 0) return;
  flow->waited += transactions;
  flow->waited_ns = gr_flow_plus(flow->waited_ns, gr_flow_scale(wait, transactions, 1));
}

enum gr_flow_verdict gr_flow_admit(gr_flow *flow, uint64_t transactions, uint64_t bytes,
                                   gr_time since, gr_time now, gr_time *until) {
  if (until) *until = now;
  if (!flow) return GR_FLOW_REFUSED;
  advance(flow, now);
  const uint64_t cost[GR_FLOW_UNITS] = {transactions, bytes};
  gr_time due = due_of(flow, cost);
  gr_time last = gr_flow_plus(since, flow->options.wait_timeout_ns);
  if (due > flow->now && flow->now < last) {
    if (until) *until = due < last ? due : last;
    return GR_FLOW_WAIT;
  }
  count_wait(flow, transactions, gr_flow_minus(flow->now, since));
  if (due == flow->now) return admit(flow, cost);
  bool passes = flow->options.wait_timeout == GR_FLOW_PASS;
  *(passes ? &flow->passed : &flow->refused) += transactions;
  return passes ? admit(flow, cost) : GR_FLOW_REFUSED;
}
