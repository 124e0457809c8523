/* SPDX-License-Identifier: MIT */
#include "base/fill.h"
#include "paxos/engine.h"

int gr_paxos_status(const gr_paxos *p, gr_status *status) {
  if (!p || !status) return GR_ERR_INVALID;
  gr_status now = {
      .self = p->roster.view == 0 ? 0 : p->roster.ids[p->self],
      .role = p->role,
      .leader = p->leader == GR_NOBODY ? 0 : p->roster.ids[p->leader],
      .promised = p->promised,
      .accepted = p->accepted,
      .chosen = p->chosen,
      .delivered = p->delivered,
      .log_first = p->log_first,
      .seqno = p->seqno,
      .broadcast = p->broadcasts,
      .unordered_bytes = p->unordered_bytes,
      .cache_bytes = p->pool.taken * p->pool.block_bytes,
      .cache_bytes_max = p->options.cache_bytes_max,
      .durable = p->roster.durable,
      .resumed = p->roster.durable && p->storage.resumed,
      .boot = p->roster.boot,
      .stored = p->storage.next - 1,
      .synced = p->storage.synced,
      .settled = p->roster.durable ? gr_storage_settled(p) : 0,
      .checkpoint = p->storage.checkpoint,
      .view = p->roster.view,
      .epoch = p->epoch.count,
      .digest = p->digest,
  };
  return gr_fill_in(status, status->size, &now, sizeof(now));
}

int gr_paxos_counters(const gr_paxos *p, gr_counters *counters) {
  if (!p || !counters) return GR_ERR_INVALID;
  return gr_fill_in(counters, counters->size, &p->counters, sizeof(p->counters));
}

static void fill_member(const struct gr_paxos *p, uint32_t index, gr_member *member) {
  const struct gr_peer *peer = &p->peers[index];
  const struct gr_lane *lane = &p->lanes[index];
  bool self = index == p->self;
  *member = (gr_member){
      .size = sizeof(*member),
      .id = p->roster.ids[index],
      .is_self = self,
      .reachable = self || gr_peer_reachable(p, index),
      .heard = self ? p->now : peer->heard,
      .round_trip = self ? 0 : peer->round_trip,
      .accepted = self ? p->accepted : peer->accepted,
      .chosen = self ? p->chosen : peer->chosen,
      .delivered = self ? p->delivered : peer->delivered,
      .held = lane->held,
      .ordered = lane->ordered,
      .view = self ? p->roster.view : peer->view,
      .state =
          gr_memberset_has(p->voters, index) ? GR_MEMBER_ONLINE : GR_MEMBER_RECOVERING,
  };
}

int gr_paxos_members(const gr_paxos *p, gr_member *members, size_t capacity,
                     size_t *count) {
  if (!p || !count || (capacity > 0 && !members)) return GR_ERR_INVALID;
  if (capacity > 0 && members[0].size != sizeof(gr_member)) return GR_ERR_INVALID;
  *count = 0;
  for (uint32_t i = 0; i < p->roster.count; i++) {
    if (!gr_is_member(p, i)) continue;
    if (*count < capacity) fill_member(p, i, &members[*count]);
    ++*count;
  }
  return GR_OK;
}

const char *gr_role_name(enum gr_role role) {
  switch (role) {
  case GR_ROLE_FORMING:
    return "forming";
  case GR_ROLE_FOLLOWER:
    return "follower";
  case GR_ROLE_PREVOTE:
    return "prevote";
  case GR_ROLE_CANDIDATE:
    return "candidate";
  case GR_ROLE_LEADER:
    return "leader";
  }
  return "unknown";
}

const char *gr_trace_name(enum gr_trace_kind kind) {
  switch (kind) {
  case GR_TRACE_FORMED:
    return "formed";
  case GR_TRACE_PREVOTE:
    return "prevote";
  case GR_TRACE_CANDIDATE:
    return "candidate";
  case GR_TRACE_PROMISE:
    return "promise";
  case GR_TRACE_LEADER:
    return "leader";
  case GR_TRACE_STEP_DOWN:
    return "step-down";
  case GR_TRACE_FOLLOW:
    return "follow";
  case GR_TRACE_PROPOSE:
    return "propose";
  case GR_TRACE_ACCEPT:
    return "accept";
  case GR_TRACE_CHOSEN:
    return "chosen";
  case GR_TRACE_FETCH_DATA:
    return "fetch-data";
  case GR_TRACE_FETCH_LOG:
    return "fetch-log";
  case GR_TRACE_EVICT:
    return "evict";
  case GR_TRACE_REFUSED:
    return "refused";
  case GR_TRACE_HALT:
    return "halt";
  case GR_TRACE_TRANSFER:
    return "transfer";
  case GR_TRACE_RESUME:
    return "resume";
  case GR_TRACE_CLOSE:
    return "close";
  case GR_TRACE_CHECKPOINT:
    return "checkpoint";
  case GR_TRACE_VIEW:
    return "view";
  case GR_TRACE_INSTALL:
    return "install";
  case GR_TRACE_STATE:
    return "state";
  case GR_TRACE_SUSPECT:
    return "suspect";
  case GR_TRACE_JOIN:
    return "join";
  case GR_TRACE_DONOR:
    return "donor";
  }
  return "unknown";
}

const char *gr_member_state_name(enum gr_member_state state) {
  switch (state) {
  case GR_MEMBER_OFFLINE:
    return "OFFLINE";
  case GR_MEMBER_RECOVERING:
    return "RECOVERING";
  case GR_MEMBER_ONLINE:
    return "ONLINE";
  case GR_MEMBER_ERROR:
    return "ERROR";
  }
  return "unknown";
}

const char *gr_view_reason_name(enum gr_view_reason reason) {
  static const char *const names[] = {
      [GR_VIEW_FOUNDED] = "founded",   [GR_VIEW_JOINED] = "joined",
      [GR_VIEW_ONLINE] = "online",     [GR_VIEW_LEFT] = "left",
      [GR_VIEW_SILENT] = "silent",     [GR_VIEW_REPLACED] = "replaced",
      [GR_VIEW_FLAPPING] = "flapping", [GR_VIEW_UNHEALTHY] = "unhealthy",
      [GR_VIEW_DIVERGED] = "diverged", [GR_VIEW_EXCLUDED] = "excluded",
      [GR_VIEW_FORCED] = "forced",     [GR_VIEW_BEHIND] = "behind"};
  return reason >= GR_VIEW_FOUNDED && reason <= GR_VIEW_BEHIND ? names[reason]
                                                               : "unknown";
}
