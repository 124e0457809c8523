/* SPDX-License-Identifier: MIT
 *
 * The group handle: the engine with callbacks. It owns no protocol state; it guards
 * against re-entry, remembers which members the transport cannot take frames for, and
 * runs the host's callbacks, from one place and in one order.
 */
#include <gr/group.h>
#include <gr/inspect.h>
#include <gr/paxos.h>

#include "base/carve.h"
#include "base/default_allocator.h"

#include <string.h>

struct peer {
  gr_member_id id;
  bool blocked; /* send() answered "not now" */
};

struct gr_group {
  gr_paxos *paxos;
  gr_host host;
  gr_allocator allocator;
  bool dispatching;
  bool quiet; /* frames or records are out that point into the cache: no input may change
                 it */
  bool halt_told;
  bool unfinished;     /* the last dispatch stopped at its limit of rounds */
  gr_member_id leader; /* as last told to the host */
  struct peer peers[GR_MEMBERS_MAX];
  size_t peer_count;
};

/* ---- life cycle ---- */

size_t gr_group_footprint(const gr_options *options) {
  size_t engine = gr_paxos_footprint(options);
  return engine == 0 ? 0 : engine + sizeof(gr_group);
}

/* The host as far as the caller's struct goes; what a newer one has must be NULL. */
static int copy_host(gr_host *copy, const gr_host *host) {
  if (!host || host->size < sizeof(size_t)) return GR_ERR_INVALID;
  for (size_t i = sizeof(*copy); i < host->size; i++)
    if (((const uint8_t *)host)[i] != 0) return GR_ERR_VERSION;
  *copy = (gr_host){0};
  memcpy(copy, host, host->size < sizeof(*copy) ? host->size : sizeof(*copy));
  if (!copy->send || !copy->deliver) return GR_ERR_INVALID;
  bool stores = copy->store && copy->trim;
  return stores || (!copy->store && !copy->sync && !copy->trim) ? GR_OK : GR_ERR_INVALID;
}

/* The caller's options, as far as its struct goes, with the mode that the host's
 * callbacks choose. */
static const gr_options *with_mode(gr_options *copy, const gr_options *options,
                                   bool durable) {
  if (!options || options->size < sizeof(size_t) || options->size > sizeof(*copy))
    return options; /* to be refused, or newer than what we know */
  *copy = (gr_options){0};
  memcpy(copy, options, options->size);
  copy->size = sizeof(*copy);
  copy->durable = durable;
  return copy;
}

static void forward_trace(void *context, const gr_trace_event *event) {
  gr_group *group = context;
  group->host.trace(group->host.context, event);
}

static void init_peers(gr_group *group) {
  gr_member members[GR_MEMBERS_MAX] = {{.size = sizeof(gr_member)}};
  size_t count = 0;
  gr_paxos_members(group->paxos, members, GR_MEMBERS_MAX, &count);
  for (size_t i = 0; i < count; i++)
    if (!members[i].is_self) group->peers[group->peer_count++].id = members[i].id;
}

int gr_group_new(gr_group **group, const gr_options *options, const gr_host *host,
                 const gr_allocator *allocator, gr_time now) {
  if (!group) return GR_ERR_INVALID;
  *group = NULL;
  gr_host callbacks;
  int error = copy_host(&callbacks, host);
  if (error != GR_OK) return error;
  gr_paxos *paxos;
  gr_options chosen;
  error = gr_paxos_new(&paxos, with_mode(&chosen, options, callbacks.store != NULL),
                       allocator, now);
  if (error != GR_OK) return error;
  gr_allocator memory = allocator ? *allocator : gr_default_allocator();
  gr_group *g = memory.allocate(memory.context, sizeof(*g), GR_CARVE_ALIGNMENT);
  if (!g) {
    gr_paxos_free(paxos);
    return GR_ERR_NO_MEMORY;
  }
  *g = (gr_group){.paxos = paxos, .host = callbacks, .allocator = memory};
  init_peers(g);
  if (callbacks.trace) gr_paxos_trace(paxos, forward_trace, g);
  *group = g;
  return GR_OK;
}

int gr_group_free(gr_group *group) {
  if (!group) return GR_OK;
  if (group->dispatching) return GR_ERR_REENTRANT;
  gr_allocator memory = group->allocator;
  gr_paxos_free(group->paxos);
  memory.release(memory.context, group, sizeof(*group));
  return GR_OK;
}

/* ---- inputs ---- */

int gr_group_stored(gr_group *group, gr_ticket upto) {
  if (!group) return GR_ERR_INVALID;
  if (group->quiet) return GR_ERR_REENTRANT;
  return gr_paxos_stored(group->paxos, upto);
}

int gr_group_storage_failed(gr_group *group) {
  if (!group) return GR_ERR_INVALID;
  if (group->quiet) return GR_ERR_REENTRANT;
  gr_paxos_halt(group->paxos, GR_ERR_STORAGE, "the host's storage failed");
  return GR_OK;
}

int gr_group_checkpoint(gr_group *group, gr_seqno applied) {
  if (!group) return GR_ERR_INVALID;
  if (group->quiet) return GR_ERR_REENTRANT;
  return gr_paxos_checkpoint(group->paxos, applied);
}

int gr_group_receive(gr_group *group, gr_member_id from, gr_slice frame, gr_time now) {
  if (!group) return GR_ERR_INVALID;
  if (group->quiet) return GR_ERR_REENTRANT;
  return gr_paxos_receive(group->paxos, from, frame, now);
}

int gr_group_broadcast(gr_group *group, const gr_slice *parts, size_t part_count,
                       gr_time now, uint64_t *number) {
  if (!group) return GR_ERR_INVALID;
  if (group->quiet) return GR_ERR_REENTRANT;
  return gr_paxos_broadcast(group->paxos, parts, part_count, now, number);
}

int gr_group_sendable(gr_group *group, gr_member_id to) {
  if (!group) return GR_ERR_INVALID;
  if (gr_paxos_halt_reason(group->paxos, NULL) != GR_OK) return GR_ERR_HALTED;
  for (size_t i = 0; i < group->peer_count; i++) {
    if (group->peers[i].id != to) continue;
    group->peers[i].blocked = false;
    return GR_OK;
  }
  return GR_ERR_INVALID;
}

int gr_group_poll(gr_group *group, gr_time now) {
  if (!group) return GR_ERR_INVALID;
  if (group->quiet) return GR_ERR_REENTRANT;
  return gr_paxos_poll(group->paxos, now);
}

int gr_group_transfer(gr_group *group, gr_member_id to, gr_time now) {
  if (!group) return GR_ERR_INVALID;
  if (group->quiet) return GR_ERR_REENTRANT;
  return gr_paxos_transfer(group->paxos, to, now);
}

/* ---- output ---- */

static void log_line(const gr_group *group, enum gr_log_level level, const char *text) {
  if (group->host.log) group->host.log(group->host.context, level, text);
}

static bool store_all(gr_group *group) {
  bool stored = false;
  gr_record record;
  group->quiet = true;
  while (gr_paxos_record(group->paxos, &record)) {
    if (group->host.store(group->host.context, record.ticket, record.parts,
                          record.part_count) != 0) {
      gr_paxos_halt(group->paxos, GR_ERR_STORAGE, "host.store reported failure");
      break;
    }
    gr_paxos_recorded(group->paxos);
    stored = true;
  }
  if (stored && group->host.sync) group->host.sync(group->host.context);
  group->quiet = false;
  return stored;
}

static void trim(gr_group *group) {
  gr_ticket first;
  gr_slice state;
  if (!gr_paxos_trim(group->paxos, &first, &state)) return;
  group->quiet = true;
  if (group->host.trim(group->host.context, first, state) != 0)
    gr_paxos_halt(group->paxos, GR_ERR_STORAGE, "host.trim reported failure");
  group->quiet = false;
}

static bool send_to(gr_group *group, struct peer *peer) {
  bool sent = false;
  gr_frame frame;
  while (!peer->blocked && gr_paxos_frame(group->paxos, peer->id, &frame)) {
    if (!group->host.send(group->host.context, peer->id, frame.parts, frame.part_count)) {
      peer->blocked = true;
      break;
    }
    gr_paxos_frame_sent(group->paxos, peer->id);
    sent = true;
  }
  return sent;
}

static bool send_all(gr_group *group) {
  bool sent = false;
  group->quiet = true;
  for (size_t i = 0; i < group->peer_count; i++)
    sent = send_to(group, &group->peers[i]) || sent;
  if (sent && group->host.flush) group->host.flush(group->host.context);
  group->quiet = false;
  return sent;
}

static bool deliver_all(gr_group *group) {
  bool delivered = false;
  gr_delivery delivery;
  while (gr_paxos_delivery(group->paxos, &delivery)) {
    if (group->host.deliver(group->host.context, &delivery) != 0) {
      gr_paxos_halt(group->paxos, GR_ERR_HOST, "host.deliver reported failure");
      return delivered;
    }
    gr_paxos_delivered(group->paxos);
    delivered = true;
  }
  return delivered;
}

static bool tell_leader(gr_group *group) {
  gr_status status = {.size = sizeof(status)};
  gr_paxos_status(group->paxos, &status);
  if (status.leader == group->leader) return false;
  group->leader = status.leader;
  if (group->host.leader) group->host.leader(group->host.context, status.leader);
  return true;
}

static bool tell_writable(gr_group *group) {
  if (!gr_paxos_writable(group->paxos)) return false;
  if (group->host.writable) group->host.writable(group->host.context);
  return true;
}

static void tell_halt(gr_group *group) {
  const char *text;
  int error = gr_paxos_halt_reason(group->paxos, &text);
  if (group->halt_told) return;
  group->halt_told = true;
  log_line(group, GR_LOG_ERROR, text);
  if (group->host.trace)
    group->host.trace(group->host.context,
                      &(gr_trace_event){.kind = GR_TRACE_HALT, .value = error});
}

/* Rounds of one dispatch at most. A group of one, or a transport that takes everything at
 * once, could go on for ever with a host that answers each delivery with a broadcast. */
#define DISPATCH_ROUNDS_MAX 64

int gr_group_dispatch(gr_group *group) {
  if (!group) return GR_ERR_INVALID;
  if (group->dispatching) return GR_ERR_REENTRANT;
  group->dispatching = true;
  int error;
  bool acted;
  uint32_t rounds = 0;
  do {
    error = gr_paxos_flush(group->paxos);
    if (error != GR_OK) break;
    acted = store_all(group);
    acted = send_all(group) || acted;
    acted = deliver_all(group) || acted;
    trim(group);
    if (gr_paxos_halt_reason(group->paxos, NULL) != GR_OK) break;
    acted = tell_leader(group) || acted;
    acted = tell_writable(group) || acted;
  } while (acted && ++rounds < DISPATCH_ROUNDS_MAX);
  group->unfinished = error == GR_OK && acted;
  if (gr_paxos_halt_reason(group->paxos, NULL) != GR_OK) {
    error = GR_ERR_HALTED;
    tell_halt(group);
  }
  group->dispatching = false;
  return error;
}

gr_time gr_group_deadline(const gr_group *group) {
  if (!group) return GR_TIME_NEVER;
  gr_time deadline = gr_paxos_deadline(group->paxos);
  return group->unfinished && deadline != GR_TIME_NEVER ? 0 : deadline;
}

int gr_group_halt_reason(const gr_group *group, const char **text) {
  return gr_paxos_halt_reason(group ? group->paxos : NULL, text);
}

/* ---- coming back ---- */

int gr_group_restore(gr_group *group, gr_ticket ticket, gr_slice record) {
  if (!group) return GR_ERR_INVALID;
  if (group->dispatching) return GR_ERR_REENTRANT;
  int error = gr_paxos_restore(group->paxos, ticket, record);
  if (error != GR_OK) return error;
  group->dispatching = true;
  deliver_all(group);
  group->dispatching = false;
  return gr_paxos_halt_reason(group->paxos, NULL) == GR_OK ? GR_OK : GR_ERR_HALTED;
}

int gr_group_resume(gr_group *group, gr_time now) {
  if (!group) return GR_ERR_INVALID;
  if (group->dispatching) return GR_ERR_REENTRANT;
  return gr_paxos_resume(group->paxos, now);
}

/* ---- queries ---- */

int gr_group_status(const gr_group *group, gr_status *status) {
  return group ? gr_paxos_status(group->paxos, status) : GR_ERR_INVALID;
}

int gr_group_counters(const gr_group *group, gr_counters *counters) {
  return group ? gr_paxos_counters(group->paxos, counters) : GR_ERR_INVALID;
}

int gr_group_members(const gr_group *group, gr_member *members, size_t capacity,
                     size_t *count) {
  return group ? gr_paxos_members(group->paxos, members, capacity, count)
               : GR_ERR_INVALID;
}
