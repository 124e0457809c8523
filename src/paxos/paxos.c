/* SPDX-License-Identifier: MIT
 *
 * The engine's life cycle, broadcasts, and time.
 */
#include "base/default_allocator.h"
#include "base/xxh64.h"
#include "paxos/engine.h"
#include "paxos/options.h"

#include <string.h>

/* ---- memory: one block, carved ---- */

struct sizes {
  uint32_t members;
  uint32_t blocks;
  uint32_t lane_blocks; /* each one's own */
  uint64_t block_bytes;
  uint64_t lane_batches;
  uint64_t parts;
};

static struct sizes sizes_of(const gr_options *options) {
  struct gr_lane_limits limits = gr_options_lane_limits(options);
  struct sizes sizes = {.members = gr_options_places(options),
                        .block_bytes = options->batch_bytes_max};
  sizes.blocks = (uint32_t)(options->cache_bytes_max / sizes.block_bytes);
  sizes.lane_blocks = (uint32_t)gr_lane_blocks_min(&limits, options->unordered_bytes_max);
  sizes.lane_batches = gr_lane_batches(&limits, options->unordered_bytes_max,
                                       sizes.blocks / sizes.members);
  sizes.parts = options->message_bytes_max / options->fragment_bytes_max + 1;
  return sizes;
}

/* Lays the engine out; with carver->memory NULL, only measures. */
static struct gr_paxos *carve(struct gr_carver *carver, const gr_options *options) {
  static const struct gr_peer no_peer = {0};
  struct sizes sizes = sizes_of(options);
  struct gr_paxos measured;
  struct gr_paxos *engine = gr_carve(carver, 1, sizeof(*engine));
  struct gr_paxos *p = engine ? memset(engine, 0, sizeof(*engine)) : &measured;
  p->peers = gr_carve(carver, sizes.members, sizeof(*p->peers));
  p->lanes = gr_carve(carver, sizes.members, sizeof(*p->lanes));
  p->lane_gaps = gr_carve(carver, sizes.members, sizeof(*p->lane_gaps));
  p->views = gr_carve(carver, GR_VIEWS_KEPT, sizeof(*p->views));
  for (uint32_t i = 0; i < sizes.members; i++) {
    struct gr_mark *held = gr_carve(carver, sizes.members, sizeof(*held));
    struct gr_serving *serving = gr_carve(carver, sizes.members, sizeof(*serving));
    struct gr_lane spare = {0};
    gr_lane_carve(p->lanes ? &p->lanes[i] : &spare, carver, sizes.lane_batches);
    if (!carver->memory) continue;
    p->peers[i] = no_peer;
    p->peers[i].held = memset(held, 0, sizes.members * sizeof(*held));
    p->peers[i].serving = memset(serving, 0, sizes.members * sizeof(*serving));
    p->lane_gaps[i] = (struct gr_gap){0};
  }
  gr_slot_table_carve(&p->log, carver, gr_ring_round_up(options->log_slots_max),
                      sizes.members);
  gr_slot_table_carve(&p->proposals, carver, GR_SLOTS_UNDECIDED_MAX, sizes.members);
  gr_slot_table_carve(&p->reported, carver, GR_PROMISE_SLOTS_MAX, sizes.members);
  p->header = gr_carve(carver, 1, GR_FRAME_HEADER_MAX);
  p->image = gr_carve(carver, 1, GR_RECORD_HEADER_MAX);
  p->parts = gr_carve(carver, sizes.parts, sizeof(*p->parts));
  p->storage.boundaries =
      gr_carve(carver, GR_BOUNDARIES_MAX, sizeof(*p->storage.boundaries));
  if (options->durable) p->record = gr_carve(carver, 1, GR_RECORD_HEADER_MAX);
  gr_pool_carve(&p->pool, carver, sizes.blocks, sizes.members * sizes.lane_blocks,
                sizes.block_bytes);
  return engine;
}

static size_t footprint(const gr_options *options) {
  struct gr_carver carver = {0};
  carve(&carver, options);
  return carver.used;
}

size_t gr_paxos_footprint(const gr_options *options) {
  gr_options checked;
  return gr_options_copy(&checked, options) == GR_OK ? footprint(&checked) : 0;
}

/* ---- life cycle ---- */

static uint64_t hash_of(const uint64_t *numbers, size_t count, uint64_t seed) {
  uint8_t bytes[sizeof(uint64_t)];
  for (size_t i = 0; i < count; i++) {
    gr_store_u64(bytes, numbers[i]);
    seed = gr_xxh64(bytes, sizeof(bytes), seed);
  }
  return seed;
}

/* Whatever must be equal at all members goes into what names the group, so that those who
 * differ refuse each other instead of diverging. */
static uint64_t group_of(const gr_options *options) {
  uint64_t fields[] = {options->message_bytes_max, options->fragment_bytes_max,
                       options->batch_bytes_max,   options->unordered_bytes_max,
                       options->durable,           options->members_max};
  return hash_of(fields, sizeof(fields) / sizeof(fields[0]),
                 gr_xxh64(options->group_id.bytes, sizeof(options->group_id.bytes), 0));
}

void gr_view_epoch(struct gr_paxos *p, struct gr_epoch epoch) {
  uint64_t words[] = {epoch.count, epoch.random};
  p->epoch = epoch;
  p->roster.tag = hash_of(words, 2, p->group);
}

static void sort_founders(const gr_options *options, struct gr_seats *seats) {
  for (size_t i = 0; i < options->founder_count; i++) {
    gr_member_id id = options->founders[i];
    uint32_t at = seats->count++;
    for (; at > 0 && seats->seats[at - 1].id > id; at--)
      seats->seats[at] = seats->seats[at - 1];
    seats->seats[at] = (struct gr_seat_kept){.id = id, .voter = true};
  }
}

/* The first view: that of the founders. */
static void found(struct gr_paxos *p) {
  struct gr_seats seats = {.number = 1, .first = 1};
  const gr_options *options = &p->options;
  uint64_t ids[GR_MEMBERS_MAX];
  sort_founders(options, &seats);
  for (uint32_t i = 0; i < seats.count; i++) ids[i] = seats.seats[i].id;
  seats.next_id = ids[seats.count - 1] + 1;
  p->founders = hash_of(ids, seats.count, seats.count);
  if (!options->durable && options->applied > 0) {
    /* A history from before goes on. */
    uint64_t history[] = {options->applied, options->applied_digest};
    p->founders = hash_of(history, 2, p->founders);
    p->seqno = options->applied;
    p->digest = options->applied_digest;
  }
  gr_view_epoch(p, (struct gr_epoch){1, p->founders});
  gr_view_begin(p, &seats, options->self);
}

void gr_paxos_outside(struct gr_paxos *p) {
  p->roster.view = 0;
  p->roster.count = 0;
  p->members = p->voters = 0;
  p->promised = (gr_ballot){0};
  p->told = (struct gr_told){0};
  p->founders = 0;
  p->met = p->formed = false;
  p->role = GR_ROLE_FORMING;
}

static void init(struct gr_paxos *p) {
  struct sizes sizes = sizes_of(&p->options);
  p->places = sizes.members;
  p->lane_batches = sizes.lane_batches;
  p->lane_blocks = sizes.lane_blocks;
  p->group = group_of(&p->options);
  p->roster.durable = p->options.durable;
  p->roster.message_bytes_max = p->options.message_bytes_max;
  p->roster.batch_bytes_max = p->options.batch_bytes_max;
  /* With storage it is drawn once, and given back. */
  while (!p->roster.durable && p->roster.incarnation == 0)
    p->roster.incarnation = gr_random_next(&p->random);
  p->log_first = p->log_end = 1;
  p->storage.next = p->storage.next_slot = 1;
  p->storage.boundary_spacing = 1;
  p->storage.resumed = !p->options.durable;
  if (p->options.durable) p->digest_due = p->options.applied_digest;
  p->leader = p->transfer_to = GR_NOBODY;
  p->heartbeat_due = p->now;
  p->counters.size = sizeof(p->counters);
  gr_configs_clear(&p->log); /* its slots count only from first to end */
  gr_slot_clear(&p->proposals);
  gr_slot_clear(&p->reported);
  if (p->options.founder_count > 0)
    found(p);
  else
    gr_paxos_outside(p);
  p->options.founders = NULL; /* the caller's */
  /* A group of one has met already. */
  if (!p->options.durable && p->roster.view != 0) gr_heartbeat_form(p);
}

void gr_paxos_again(struct gr_paxos *p) {
  struct gr_paxos before = *p;
  struct gr_carver carver = {.memory = (void *)p};
  carve(&carver, &before.options);
  p->options = before.options;
  p->options.founder_count = 0;
  p->options.applied = p->options.applied_digest = 0;
  p->limits = before.limits;
  p->allocator = before.allocator;
  p->footprint = before.footprint;
  p->trace = before.trace;
  p->trace_context = before.trace_context;
  p->random = before.random;
  p->now = before.now;
  p->counters = before.counters;
  init(p);
}

int gr_paxos_new(gr_paxos **paxos, const gr_options *options,
                 const gr_allocator *allocator, gr_time now) {
  if (!paxos) return GR_ERR_INVALID;
  *paxos = NULL;
  if (allocator && (!allocator->allocate || !allocator->release)) return GR_ERR_INVALID;
  gr_options checked;
  int error = gr_options_copy(&checked, options);
  if (error != GR_OK) return error;
  gr_allocator memory = allocator ? *allocator : gr_default_allocator();
  struct gr_carver carver = {0};
  size_t size = footprint(&checked);
  carver.memory = memory.allocate(memory.context, size, GR_CARVE_ALIGNMENT);
  if (!carver.memory) return GR_ERR_NO_MEMORY;
  struct gr_paxos *p = carve(&carver, &checked);
  p->options = checked;
  p->limits = gr_options_lane_limits(&checked);
  p->allocator = memory;
  p->footprint = size;
  p->random.state = checked.seed;
  p->now = now > 0 ? now : 1; /* 0 means never */
  init(p);
  *paxos = p;
  return GR_OK;
}

void gr_paxos_free(gr_paxos *p) {
  if (!p) return;
  gr_allocator memory = p->allocator;
  memory.release(memory.context, p, p->footprint);
}

uint64_t gr_paxos_limits(const gr_paxos *p) {
  return p ? p->group : 0;
}

void gr_paxos_trace(gr_paxos *p, gr_trace_callback *callback, void *context) {
  if (!p) return;
  p->trace = callback;
  p->trace_context = context;
}

void gr_paxos_halt(gr_paxos *p, int error, const char *reason) {
  if (p && error != GR_OK) GR_HALT(&p->halt, error, reason);
}

int gr_paxos_halt_reason(const gr_paxos *p, const char **text) {
  if (text) *text = p && p->halt.reason ? p->halt.reason : "";
  return p ? p->halt.error : GR_ERR_INVALID;
}

/* ---- broadcasts ---- */

/* The size of the parts together; false if a part is not there, or it is absurd. */
static bool parts_size(const gr_slice *parts, size_t part_count, uint64_t *bytes) {
  *bytes = 0;
  if (part_count > 0 && !parts) return false;
  for (size_t i = 0; i < part_count; i++) {
    if (!parts[i].data && parts[i].size > 0) return false;
    if (parts[i].size > UINT64_MAX - *bytes) return false;
    *bytes += parts[i].size;
  }
  return true;
}

/* Who lacks the very first slot kept lags but comes closer: to forget it would lose the
 * member, for want of a moment. For one that is silent, or stands still, nobody waits. */
static bool laggard_comes_closer(const struct gr_paxos *p) {
  for (uint32_t i = 0; i < p->roster.count; i++) {
    const struct gr_peer *peer = &p->peers[i];
    if (i != p->self && gr_is_member(p, i) && peer->delivered + 1 == p->log_first &&
        gr_peer_reachable(p, i) &&
        p->now - peer->delivered_rose < p->options.election_timeout_ns)
      return true;
  }
  return false;
}

/* Broadcasts wait for a laggard while less than a quarter of the blocks is left that the
 * own lane may take; at the others, which keep as much, that is for what is on its way.
 */
static bool should_wait(const struct gr_paxos *p) {
  const struct gr_lane *lane = &p->lanes[p->self];
  return 4 * gr_lane_blocks_left(lane) < (uint64_t)lane->own + p->pool.shared &&
         laggard_comes_closer(p);
}

static bool find_room(struct gr_paxos *p, uint64_t bytes) {
  if (!gr_produces(p)) return false;
  uint64_t charge = bytes + GR_ENTRY_HEADER_BYTES;
  /* Into an empty lane any message may go, or the largest never could. */
  if (p->unordered_bytes > 0 &&
      p->unordered_bytes + charge > p->options.unordered_bytes_max)
    return false;
  if (should_wait(p)) return false;
  while (!gr_lane_has_room(&p->lanes[p->self], &p->limits, bytes))
    if (!gr_learner_evict(p)) return false;
  return true;
}

int gr_paxos_broadcast(gr_paxos *p, const gr_slice *parts, size_t part_count, gr_time now,
                       uint64_t *number) {
  uint64_t bytes;
  if (!p || !parts_size(parts, part_count, &bytes)) return GR_ERR_INVALID;
  if (gr_halted(p)) return GR_ERR_HALTED;
  if (!p->storage.resumed) return GR_ERR_STATE;
  gr_latch(p, now);
  if (p->roster.view == 0 || !gr_is_member(p, p->self)) return GR_ERR_NOT_ONLINE;
  if (bytes > p->options.message_bytes_max) return GR_ERR_TOO_LARGE;
  if (!find_room(p, bytes)) {
    if (!p->refused_full || p->refused_bytes > bytes) p->refused_bytes = bytes;
    p->refused_full = true;
    return GR_ERR_FULL;
  }
  if (!GR_ENSURE(&p->halt,
                 gr_lane_append(&p->lanes[p->self], &p->roster, &p->limits, p->self,
                                parts, bytes),
                 "I-LANE-2: a lane that has room takes the message"))
    return GR_ERR_HALTED;
  p->unordered_bytes += bytes + GR_ENTRY_HEADER_BYTES;
  p->counters.messages_broadcast++;
  p->broadcasts++;
  if (number) *number = p->broadcasts;
  return GR_OK;
}

bool gr_paxos_writable(gr_paxos *p) {
  if (!p || gr_halted(p) || !p->refused_full || p->roster.view == 0) return false;
  /* Not before it is worth a turn, nor before what was refused would be taken. */
  if (p->unordered_bytes > p->options.unordered_bytes_max / 2) return false;
  if (!find_room(p, p->refused_bytes)) return false;
  p->refused_full = false;
  return true;
}

int gr_paxos_flush(gr_paxos *p) {
  if (!p) return GR_ERR_INVALID;
  if (gr_halted(p)) return GR_ERR_HALTED;
  if (!p->storage.resumed) return GR_ERR_STATE;
  if (p->roster.view == 0) return GR_OK;
  gr_view_compact(p);
  gr_learner_trim(p);
  if (p->lane_closed) {
    p->lane_closed = false;
    gr_acceptor_advance(p);
    gr_candidate_advance(p);
    gr_learner_count(p);
  }
  struct gr_lane *lane = &p->lanes[p->self];
  if (gr_is_member(p, p->self) && lane->held - lane->ordered < GR_BATCHES_UNORDERED_MAX)
    gr_lane_close(lane, &p->roster, p->self);
  if (gr_produces(p)) p->counters.batches_closed = lane->held - lane->base;
  gr_proposer_propose(p);
  return gr_halted(p) ? GR_ERR_HALTED : GR_OK;
}

/* ---- time ---- */

int gr_paxos_poll(gr_paxos *p, gr_time now) {
  if (!p) return GR_ERR_INVALID;
  if (gr_halted(p)) return GR_ERR_HALTED;
  if (!p->storage.resumed) return GR_ERR_STATE;
  gr_latch(p, now);
  if (p->roster.view == 0) return GR_OK;
  gr_heartbeat_poll(p);
  gr_election_poll(p);
  gr_force_poll(p);
  gr_candidate_poll(p);
  gr_proposer_poll(p);
  gr_repair_poll(p);
  return gr_halted(p) ? GR_ERR_HALTED : GR_OK;
}

gr_time gr_paxos_deadline(const gr_paxos *p) {
  if (!p || gr_halted(p) || !p->storage.resumed || p->roster.view == 0)
    return GR_TIME_NEVER;
  gr_time election = p->formed && p->role != GR_ROLE_LEADER && gr_votes(p)
                         ? p->election_due
                         : GR_TIME_NEVER;
  gr_time deadlines[] = {p->heartbeat_due, election, gr_candidate_deadline(p),
                         gr_proposer_deadline(p), gr_repair_deadline(p)};
  gr_time first = GR_TIME_NEVER;
  for (size_t i = 0; i < sizeof(deadlines) / sizeof(deadlines[0]); i++)
    if (deadlines[i] < first) first = deadlines[i];
  return first;
}
