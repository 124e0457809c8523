/* SPDX-License-Identifier: MIT
 *
 * Frames between members: delay, loss, repetition, damage, connections that break, links
 * with a speed, and cuts.
 */
#include "simulation.h"

#include <string.h>

static struct sim_link *link_of(struct simulation *sim, uint32_t from, uint32_t to) {
  return &sim->links[from][to];
}

#define OLD_FRAMES                                                                       \
  (sizeof(((struct simulation *)0)->old_frames) / sizeof(struct sim_frame *))

void sim_network_begin(struct simulation *sim) {
  memset(sim->links, 0, sizeof(sim->links));
}

void sim_network_end(struct simulation *sim) {
  for (size_t i = 0; i < OLD_FRAMES; i++) {
    if (sim->old_frames[i]) sim_frame_free(sim->memory, sim->old_frames[i]);
    sim->old_frames[i] = NULL;
  }
}

/* ---- sending ---- */

static gr_time draw_delay(struct simulation *sim, const struct sim_link *link) {
  const struct sim_config *config = &sim->config;
  gr_time delay = config->delay_ns;
  if (config->delay == SIM_DELAY_UNIFORM)
    delay = sim_between(&sim->network_random, delay / 8, delay);
  else if (config->delay == SIM_DELAY_EXPONENTIAL)
    delay = sim_exponential(&sim->network_random, delay);
  return link->slow_until > sim->now ? 10 * delay + 20 * SIM_MS : delay;
}

static void plan_sendable(struct simulation *sim, uint32_t from, uint32_t to,
                          gr_time at) {
  link_of(sim, from, to)->blocked = true;
  sim_events_add(&sim->events, (struct sim_event){.at = at,
                                                  .kind = SIM_EVENT_SENDABLE,
                                                  .member = (uint8_t)from,
                                                  .other = (uint8_t)to});
}

/* Whether the transport takes a frame now; if not, it plans to say when it would. */
static bool takes(struct simulation *sim, uint32_t from, uint32_t to) {
  const struct sim_config *config = &sim->config;
  struct sim_link *link = link_of(sim, from, to);
  if (config->in_order && link->cuts > 0) {
    link->blocked = true; /* until it is healed */
    return false;
  }
  if (link->up_at > sim->now) {
    plan_sendable(sim, from, to, link->up_at);
    return false;
  }
  if (config->bytes_per_ms > 0 && link->free_at > sim->now + config->queue_ns) {
    plan_sendable(sim, from, to, link->free_at - config->queue_ns / 2);
    return false;
  }
  if (sim_chance(&sim->network_random, config->busy_ppm)) {
    gr_time wait = sim_exponential(&sim->network_random, 4 * config->delay_ns);
    plan_sendable(sim, from, to, sim->now + wait);
    return false;
  }
  return true;
}

static struct sim_frame *frame_of(struct simulation *sim, uint32_t from, uint32_t to,
                                  const gr_slice *parts, size_t part_count, size_t size) {
  struct sim_frame *frame = sim_frame_new(sim->memory, size);
  frame->from = (uint8_t)from;
  frame->to = (uint8_t)to;
  frame->sender = sim->processes[from].name;
  frame->link_epoch = link_of(sim, from, to)->epoch;
  size_t at = 0;
  for (size_t i = 0; i < part_count; i++) {
    if (parts[i].size > 0) memcpy(frame->bytes + at, parts[i].data, parts[i].size);
    at += parts[i].size;
  }
  return frame;
}

static void plan_arrival(struct simulation *sim, struct sim_frame *frame, gr_time at) {
  sim_events_add(&sim->events, (struct sim_event){.at = at,
                                                  .kind = SIM_EVENT_FRAME,
                                                  .frame = frame,
                                                  .member = frame->to,
                                                  .other = frame->from});
}

static gr_time arrival(struct simulation *sim, struct sim_link *link, size_t size) {
  gr_time at = sim->now;
  if (sim->config.bytes_per_ms > 0) {
    if (link->free_at > at) at = link->free_at;
    at += size * SIM_MS / sim->config.bytes_per_ms;
    link->free_at = at;
  }
  at += draw_delay(sim, link);
  if (sim->config.in_order && at < link->last_at) at = link->last_at;
  link->last_at = at;
  return at;
}

/* Flips bits, cuts short, or lengthens. */
static struct sim_frame *damaged_copy(struct simulation *sim,
                                      const struct sim_frame *frame) {
  struct gr_random *random = &sim->network_random;
  size_t size = frame->size;
  uint64_t kind = gr_random_below(random, 4);
  if (kind == 0) size = gr_random_below(random, size);
  if (kind == 1) size += sim_between(random, 1, 16);
  struct sim_frame *copy = sim_frame_new(sim->memory, size);
  size_t common = size < frame->size ? size : frame->size;
  memcpy(copy->bytes, frame->bytes, common);
  for (size_t i = common; i < size; i++) copy->bytes[i] = (uint8_t)gr_random_next(random);
  if (kind >= 2) {
    uint64_t at = gr_random_below(random, size);
    copy->bytes[at] ^= (uint8_t)sim_between(random, 1, 255);
  }
  copy->from = frame->from;
  copy->to = frame->to;
  copy->sender = frame->sender;
  copy->link_epoch = frame->link_epoch;
  copy->damaged = true;
  return copy;
}

static struct sim_frame *same_copy(struct simulation *sim,
                                   const struct sim_frame *frame) {
  gr_slice part = {frame->bytes, frame->size};
  struct sim_frame *copy = frame_of(sim, frame->from, frame->to, &part, 1, frame->size);
  copy->sender = frame->sender;
  return copy;
}

/* Keeps a few frames, of all ages, that may arrive again much later. */
static void keep_old(struct simulation *sim, const struct sim_frame *frame) {
  if (sim->config.fault_weights[SIM_FAULT_OLD_FRAMES] == 0) return;
  uint64_t place = gr_random_below(&sim->network_random, 16 * OLD_FRAMES);
  if (place >= OLD_FRAMES) return;
  if (sim->old_frames[place]) sim_frame_free(sim->memory, sim->old_frames[place]);
  sim->old_frames[place] = same_copy(sim, frame);
}

bool sim_network_send(struct simulation *sim, uint32_t from, uint32_t to,
                      const gr_slice *parts, size_t part_count) {
  const struct sim_config *config = &sim->config;
  struct gr_random *random = &sim->network_random;
  struct sim_link *link = link_of(sim, from, to);
  if (!takes(sim, from, to)) return false;
  link->frames++;
  if (link->cuts > 0 || sim_chance(random, config->loss_ppm)) return true;
  size_t size = 0;
  for (size_t i = 0; i < part_count; i++) size += parts[i].size;
  struct sim_frame *frame = frame_of(sim, from, to, parts, part_count, size);
  gr_time at = arrival(sim, link, size);
  if (sim_chance(random, config->duplicate_ppm))
    plan_arrival(sim, same_copy(sim, frame), at + draw_delay(sim, link));
  if (sim_chance(random, config->damage_ppm))
    plan_arrival(sim, damaged_copy(sim, frame), at);
  keep_old(sim, frame);
  plan_arrival(sim, frame, at);
  return true;
}

void sim_network_inject(struct simulation *sim, uint32_t from, uint32_t to,
                        const void *bytes, size_t size, bool damaged) {
  gr_slice part = {bytes, size};
  struct sim_frame *frame = frame_of(sim, from, to, &part, 1, size);
  frame->damaged = damaged;
  plan_arrival(sim, frame, sim->now + draw_delay(sim, link_of(sim, from, to)));
}

/* ---- arriving ---- */

void sim_network_arrive(struct simulation *sim, struct sim_frame *frame) {
  const struct sim_link *link = link_of(sim, frame->from, frame->to);
  bool lost =
      frame->link_epoch != link->epoch || (link->cuts > 0 && sim->config.cut_kills);
  if (lost)
    sim_frame_free(sim->memory, frame);
  else
    sim_process_input(sim, frame);
}

void sim_network_sendable(struct simulation *sim, uint32_t from, uint32_t to) {
  struct sim_link *link = link_of(sim, from, to);
  struct sim_process *process = &sim->processes[from];
  if (!link->blocked) return;
  link->blocked = false;
  if (!process->group || process->state == SIM_HALTED) return;
  if (sim->config.dynamic) {
    sim_servers_sendable(process, to);
    sim_process_wake(process);
    return;
  }
  int error = gr_group_sendable(process->group, to + 1);
  if (error != GR_OK && error != GR_ERR_HALTED)
    sim_oracle_fail(&sim->oracle, "API", "gr_group_sendable: %s", gr_error_name(error));
  sim_process_wake(process);
}

/* ---- cuts and breaks ---- */

void sim_network_tell(struct simulation *sim, bool healed) {
  if (sim->config.dynamic) return; /* who votes changes; see A8 in oracle_views.c */
  uint32_t links[SIM_SERVERS_MAX] = {0};
  for (uint32_t from = 0; from < sim->servers; from++)
    for (uint32_t to = 0; to < sim->servers; to++)
      if (from != to && sim->links[from][to].cuts == 0) links[from] |= 1u << to;
  sim_oracle_links(&sim->oracle, links, healed);
}

void sim_network_cut(struct simulation *sim, struct sim_links links, gr_time lasts) {
  sim_report_links(&sim->report, sim->now, true, links);
  for (uint32_t from = 0; from < sim->servers; from++) {
    for (uint32_t to = 0; to < sim->servers; to++) {
      if (!sim_links_has(links, from, to)) continue;
      sim->links[from][to].cuts++;
      if (sim->config.in_order) sim->links[from][to].epoch++;
    }
  }
  sim_network_tell(sim, false);
  if (lasts != GR_TIME_NEVER)
    sim_events_add(&sim->events, (struct sim_event){.at = sim->now + lasts,
                                                    .kind = SIM_EVENT_HEAL,
                                                    .value = sim_links_pack(links)});
}

void sim_network_heal(struct simulation *sim, struct sim_links links) {
  sim_report_links(&sim->report, sim->now, false, links);
  for (uint32_t from = 0; from < sim->servers; from++) {
    for (uint32_t to = 0; to < sim->servers; to++) {
      struct sim_link *link = link_of(sim, from, to);
      if (!sim_links_has(links, from, to) || link->cuts == 0) continue;
      link->cuts--;
      if (link->cuts == 0 && link->blocked)
        plan_sendable(sim, from, to, sim->now + 2 * sim->config.delay_ns);
    }
  }
  sim_network_tell(sim, true);
}

static void break_one_way(struct simulation *sim, uint32_t from, uint32_t to,
                          gr_time up_at) {
  struct sim_link *link = link_of(sim, from, to);
  link->epoch++;
  link->up_at = up_at;
  link->free_at = link->last_at = sim->now;
}

void sim_network_reset(struct simulation *sim, uint32_t from, uint32_t to) {
  gr_time up_at = sim->now + sim_exponential(&sim->network_random, 50 * SIM_MS);
  break_one_way(sim, from, to, up_at);
  break_one_way(sim, to, from, up_at);
}

void sim_network_repair(struct simulation *sim) {
  for (uint32_t from = 0; from < sim->servers; from++) {
    for (uint32_t to = 0; to < sim->servers; to++) {
      struct sim_link *link = link_of(sim, from, to);
      if (link->blocked) plan_sendable(sim, from, to, sim->now + sim->config.delay_ns);
      link->cuts = 0;
      link->slow_until = 0;
      link->up_at = 0;
      /* What a slow link still has in its queue goes with its connection, or it would
       * hold up all that follows for as long as it was slow. */
      if (sim->config.in_order) link->epoch++;
      link->free_at = link->last_at = sim->now;
    }
  }
}
