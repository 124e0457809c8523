/* SPDX-License-Identifier: MIT
 *
 * Members: each a real group with a host of the simplest kind. What arrives waits in the
 * inbox until the member's loop has its turn: it takes what came, broadcasts, polls,
 * dispatches. A paused member has no turns, and its inbox fills.
 */
#include "simulation.h"

#include <string.h>

/* A loop that has had so many turns within a moment, without an input, is spinning. */
#define TURNS_AT_ONCE_MAX 10000
#define MOMENT (20 * SIM_MS)

/* ---- the clock ---- */

static gr_time clock_now(const struct sim_process *process) {
  gr_time passed = process->sim->now - process->clock_base;
  return process->clock_local + passed * process->clock_rate / 1024;
}

/* When the clock will show `local`: not before, at most a tick late. */
static gr_time clock_when(const struct sim_process *process, gr_time local) {
  if (local <= process->clock_local) return process->clock_base;
  return process->clock_base +
         ((local - process->clock_local) * 1024 + process->clock_rate - 1) /
             process->clock_rate;
}

gr_time sim_process_clock(struct sim_process *process) {
  struct simulation *sim = process->sim;
  gr_time now = clock_now(process);
  if (!sim_chance(&sim->process_random, sim->config.backward_ppm)) return now;
  gr_time back = gr_random_below(&sim->process_random, SIM_SECOND);
  return now > back ? now - back : 0;
}

void sim_process_jump(struct simulation *sim, uint32_t index, gr_time jump) {
  struct sim_process *process = &sim->processes[index];
  sim_report_note(&sim->report, sim->now, index, "CLOCK JUMPS");
  process->clock_local = clock_now(process) + jump;
  process->clock_base = sim->now;
  sim_process_wake(process);
}

static void draw_clock(struct sim_process *process) {
  struct simulation *sim = process->sim;
  uint64_t spread = sim->config.clock_spread;
  process->clock_base = sim->now;
  process->clock_local = gr_random_below(&sim->process_random, 1000 * SIM_SECOND);
  process->clock_rate =
      sim_between(&sim->process_random, 1024 - spread, 1024 + 2 * spread);
}

/* ---- the host's callbacks ---- */

static bool host_send(void *context, gr_member_id to, const gr_slice *parts,
                      size_t part_count) {
  struct sim_process *process = context;
  if (process->dying) return false;
  if (process->sim->config.durable) sim_told(process, parts);
  if (process->sim->config.dynamic) sim_told_suspects(process, parts);
  uint32_t server = sim_servers_contact(process, to);
  if (server == SIM_SERVERS_MAX) return true; /* nobody is there */
  return sim_network_send(process->sim, process->index, server, parts, part_count);
}

static int host_store(void *context, gr_ticket ticket, const gr_slice *parts,
                      size_t part_count) {
  return sim_storage_store(context, ticket, parts, part_count);
}

static void host_sync(void *context) {
  sim_storage_sync(context);
}

static int host_trim(void *context, gr_ticket first, gr_slice state) {
  return sim_storage_trim(context, first, state);
}

static int host_deliver(void *context, const gr_delivery *delivery) {
  struct sim_process *process = context;
  struct simulation *sim = process->sim;
  gr_status status = {.size = sizeof(status)};
  if (process->dying) return -1;
  sim_servers_identify(process);
  gr_group_status(process->group, &status);
  if (sim_process_counts(process))
    sim_oracle_deliver(&sim->oracle, sim_process_member(process), delivery,
                       status.delivered + 1);
  sim_servers_applied(process, delivery, status.digest);
  sim_report_delivery(&sim->report, sim->now, process->index, delivery);
  sim_workload_delivered(process);
  return 0;
}

static void host_writable(void *context) {
  struct sim_process *process = context;
  process->full = false;
}

static void host_trace(void *context, const gr_trace_event *event) {
  struct sim_process *process = context;
  struct simulation *sim = process->sim;
  bool enters = event->kind == GR_TRACE_INSTALL || event->kind == GR_TRACE_VIEW ||
                event->kind == GR_TRACE_RESUME;
  if (enters) sim_servers_identify(process);
  if (event->kind == GR_TRACE_CANDIDATE) {
    sim->elections++;
    sim_soak_election(&sim->soak, sim->now);
  }
  if (sim_process_counts(process))
    sim_oracle_trace(&sim->oracle, sim_process_member(process), event);
  sim_report_trace(&sim->report, sim->now, process->index, event);
  /* It has begun to take part: what was cut off may not be any more. */
  if (event->kind == GR_TRACE_FORMED) sim_network_tell(sim, true);
  if (event->kind == GR_TRACE_PROPOSE || event->kind == GR_TRACE_LEADER)
    sim_faults_ambush(sim, process->index, event->kind);
  if (sim->config.durable) sim_crashes_ambush(process, event->kind);
}

/* ---- life ---- */

static gr_host host_of(struct sim_process *process) {
  const struct sim_config *config = &process->sim->config;
  gr_host host = {.size = sizeof(host),
                  .context = process,
                  .send = host_send,
                  .deliver = host_deliver,
                  .writable = host_writable,
                  .trace = host_trace};
  if (config->dynamic) sim_servers_host(process, &host);
  if (!config->durable) return host;
  host.store = host_store;
  host.trim = host_trim;
  if (!config->disk.no_sync_callback) host.sync = host_sync;
  return host;
}

/* A new process, which knows nothing yet. False if there is none. */
static bool make_group(struct sim_process *process) {
  struct simulation *sim = process->sim;
  uint32_t index = process->index;
  struct sim_birth birth;
  gr_options options = sim_servers_options(process, &birth);
  gr_host host = host_of(process);
  gr_allocator allocator = sim_memory_allocator(sim->memory);
  process->name = options.self;
  if (!sim->config.dynamic) {
    process->id = options.self;
    sim_oracle_born(&sim->oracle, index, process->generation);
  }
  int error =
      gr_group_new(&process->group, &options, &host, &allocator, clock_now(process));
  if (error == GR_OK) {
    sim_servers_identify(process);
    return true;
  }
  sim_oracle_fail(&sim->oracle, "API", "gr_group_new: %s", gr_error_name(error));
  process->state = SIM_DOWN;
  return false;
}

static void free_group(struct sim_process *process) {
  int error = gr_group_free(process->group);
  if (error != GR_OK)
    sim_oracle_fail(&process->sim->oracle, "API", "gr_group_free: %s",
                    gr_error_name(error));
  process->group = NULL;
}

/* Where members change, what storage kept says who it is. */
static void restores(struct sim_process *process) {
  struct simulation *sim = process->sim;
  const struct sim_storage *storage = &sim->storages[process->index];
  if (process->id != 0)
    sim_oracle_restores(&sim->oracle, sim_process_member(process), storage->applied,
                        storage->wiped);
}

/* What storage kept makes the new process the old one. */
static bool come_back(struct sim_process *process) {
  struct simulation *sim = process->sim;
  struct sim_data data = process->data;
  restores(process);
  if (sim_restore_refused(process)) {
    free_group(process);
    process->data = data;
    process->id = 0;
    if (!make_group(process)) return false;
    restores(process);
  }
  sim_restore(process);
  sim_network_tell(sim, true);
  return true;
}

void sim_process_start_with(struct simulation *sim, uint32_t index, uint32_t generation,
                            struct sim_data data) {
  struct sim_process *process = &sim->processes[index];
  sim_report_note(&sim->report, sim->now, index, "START");
  *process = (struct sim_process){.sim = sim,
                                  .index = index,
                                  .generation = generation,
                                  .life = sim->config.dynamic && !sim->config.durable
                                              ? 0
                                              : generation,
                                  .state = SIM_UP,
                                  .data = data,
                                  .timer_at = GR_TIME_NEVER,
                                  .burst_size = UINT32_MAX};
  process->inbox_end = &process->inbox;
  draw_clock(process);
  if (!make_group(process) || (sim->config.durable && !come_back(process))) return;
  /* A group of one takes part at once, before anybody could trace it. */
  if (sim->config.members == 1 && process->id == 1 && !sim->config.durable)
    sim_oracle_trace(&sim->oracle, index, &(gr_trace_event){.kind = GR_TRACE_FORMED});
  sim_process_wake(process);
}

void sim_process_start(struct simulation *sim, uint32_t index, uint32_t generation) {
  gr_seqno applied = sim->storages[index].applied;
  sim_process_start_with(sim, index, generation, sim_oracle_data(&sim->oracle, applied));
}

static void drop_inbox(struct sim_process *process) {
  while (process->inbox) {
    struct sim_frame *frame = process->inbox;
    process->inbox = frame->next;
    sim_frame_free(process->sim->memory, frame);
  }
  process->inbox_end = &process->inbox;
}

void sim_process_crash(struct simulation *sim, uint32_t index, bool power) {
  struct sim_process *process = &sim->processes[index];
  sim_report_note(&sim->report, sim->now, index, power ? "LOSES POWER" : "CRASH");
  drop_inbox(process);
  if (sim->config.dynamic) sim_servers_crash(process);
  free_group(process);
  process->state = SIM_DOWN;
  if (sim->config.durable) sim_storage_crash(sim, index, power);
  if (process->id != 0) sim_oracle_died(&sim->oracle, sim_process_member(process));
  sim_network_tell(sim, false);
}

void sim_process_pause(struct simulation *sim, uint32_t index, gr_time lasts) {
  struct sim_process *process = &sim->processes[index];
  sim_report_note(&sim->report, sim->now, index, "PAUSE");
  process->state = SIM_PAUSED;
  process->resume_at = sim->now + lasts;
  sim_events_add(&sim->events, (struct sim_event){.at = process->resume_at,
                                                  .kind = SIM_EVENT_RESUME,
                                                  .member = (uint8_t)index});
}

void sim_process_resume(struct simulation *sim, uint32_t index) {
  struct sim_process *process = &sim->processes[index];
  if (process->state != SIM_PAUSED || sim->now < process->resume_at) return;
  sim_report_note(&sim->report, sim->now, index, "RESUME");
  process->state = SIM_UP;
  sim_process_wake(process);
}

/* ---- turns ---- */

void sim_process_wake(struct sim_process *process) {
  struct simulation *sim = process->sim;
  if (process->state != SIM_UP || process->turn_planned) return;
  gr_time at = sim->now;
  if (sim->config.turn_delay_ns > 0)
    at += gr_random_below(&sim->process_random, sim->config.turn_delay_ns);
  if (at < process->busy_until) at = process->busy_until;
  process->turn_planned = true;
  sim_events_add(&sim->events, (struct sim_event){.at = at,
                                                  .kind = SIM_EVENT_TURN,
                                                  .member = (uint8_t)process->index});
}

void sim_process_input(struct simulation *sim, struct sim_frame *frame) {
  struct sim_process *process = &sim->processes[frame->to];
  if (process->state == SIM_DOWN || process->state == SIM_HALTED) {
    sim_frame_free(sim->memory, frame);
    return;
  }
  frame->next = NULL;
  *process->inbox_end = frame;
  process->inbox_end = &frame->next;
  sim_process_wake(process);
}

static bool same_marks(const gr_status *a, const gr_status *b) {
  return a->role == b->role && a->leader == b->leader &&
         a->promised.view == b->promised.view && a->promised.round == b->promised.round &&
         a->promised.member == b->promised.member && a->accepted == b->accepted &&
         a->chosen == b->chosen && a->delivered == b->delivered &&
         a->log_first == b->log_first && a->seqno == b->seqno &&
         a->cache_bytes == b->cache_bytes && a->state == b->state && a->view == b->view &&
         a->digest == b->digest;
}

/* A damaged frame is refused, is counted, and changes nothing else. */
static void receive_damaged(struct sim_process *process, gr_slice bytes,
                            gr_member_id from) {
  gr_status before = {.size = sizeof(before)}, after = {.size = sizeof(after)};
  gr_counters count = {.size = sizeof(count)}, counted = {.size = sizeof(counted)};
  gr_group_status(process->group, &before);
  gr_group_counters(process->group, &count);
  int error = gr_group_receive(process->group, from, bytes, sim_process_clock(process));
  gr_group_status(process->group, &after);
  gr_group_counters(process->group, &counted);
  struct sim_oracle *oracle = &process->sim->oracle;
  /* What comes before it takes part is as if lost, whatever it says. */
  if (error == GR_ERR_HALTED || process->id == 0 ||
      oracle->witnesses[sim_process_member(process)].formed == 0)
    return;
  if (gr_error_classify(error) != GR_CLASS_INPUT)
    sim_oracle_fail(oracle, "REFUSE", "member %u answers a damaged frame with %s",
                    process->index + 1, gr_error_name(error));
  if (!same_marks(&before, &after))
    sim_oracle_fail(oracle, "REFUSE", "a damaged frame changes the state of member %u",
                    process->index + 1);
  uint64_t refused = counted.refused_malformed + counted.refused_corrupt +
                     counted.refused_foreign + counted.refused_protocol +
                     counted.refused_stale - count.refused_malformed -
                     count.refused_corrupt - count.refused_foreign -
                     count.refused_protocol - count.refused_stale;
  if (refused != 1 || counted.frames_received != count.frames_received)
    sim_oracle_fail(oracle, "REFUSE", "member %u does not count a damaged frame",
                    process->index + 1);
}

static void receive(struct sim_process *process, const struct sim_frame *frame) {
  struct simulation *sim = process->sim;
  gr_slice bytes = {frame->bytes, frame->size};
  sim_report_frame(&sim->report, sim->now, process->index, frame);
  if (frame->damaged) {
    receive_damaged(process, bytes, frame->sender);
    return;
  }
  int error =
      gr_group_receive(process->group, frame->sender, bytes, sim_process_clock(process));
  /* Whoever was behind the address, or the name, may be somebody else by now. */
  if (sim->config.dynamic && error == GR_ERR_FOREIGN) return;
  /* Old frames may be refused; but those of this version and group are not malformed. */
  if (error != GR_OK && error != GR_ERR_STALE && error != GR_ERR_HALTED)
    sim_oracle_fail(&sim->oracle, "REFUSE", "member %u refuses a frame of member %u: %s",
                    process->index + 1, frame->from + 1u, gr_error_name(error));
}

static void take_inputs(struct sim_process *process) {
  for (uint32_t i = 0; process->inbox && i < process->sim->config.inputs_max; i++) {
    struct sim_frame *frame = process->inbox;
    process->inbox = frame->next;
    if (!process->inbox) process->inbox_end = &process->inbox;
    receive(process, frame);
    sim_frame_free(process->sim->memory, frame);
  }
}

static void plan_timer(struct sim_process *process) {
  struct simulation *sim = process->sim;
  gr_time local = gr_group_deadline(process->group);
  if (local == GR_TIME_NEVER) return;
  gr_time at = clock_when(process, local);
  if (at <= sim->now) at = sim->now + 1000; /* no host's loop is quicker */
  if (at >= process->timer_at) return;
  process->timer_at = at;
  sim_events_add(&sim->events, (struct sim_event){.at = at,
                                                  .kind = SIM_EVENT_TIMER,
                                                  .member = (uint8_t)process->index});
}

static void check_spinning(struct sim_process *process) {
  struct simulation *sim = process->sim;
  sim->turn_count++;
  if (sim->now - process->turn_last > MOMENT || process->inbox) {
    process->turns_at_once = 0;
    process->turn_last = sim->now;
  }
  if (++process->turns_at_once > TURNS_AT_ONCE_MAX)
    sim_oracle_fail(&sim->oracle, "SPIN", "member %u has no end of turns at one moment",
                    process->index + 1);
}

/* With storage: halts that its host brought about, by failing or by dying. */
static bool may_halt(const struct sim_process *process, int error) {
  if (process->storage_failed && error == GR_ERR_STORAGE) return true;
  return process->dying && (error == GR_ERR_STORAGE || error == GR_ERR_HOST);
}

static void halted(struct sim_process *process) {
  struct simulation *sim = process->sim;
  const char *text;
  int error = gr_group_halt_reason(process->group, &text);
  process->state = SIM_HALTED;
  drop_inbox(process);
  if (may_halt(process, error)) {
    if (process->id != 0) sim_oracle_died(&sim->oracle, sim_process_member(process));
    sim_crashes_plan_restart(sim, process->index);
  } else if (sim->config.dynamic) {
    sim_servers_halted(process, error);
  } else {
    sim->storages[process->index].gone = true;
    sim_oracle_halt(&sim->oracle, sim_process_member(process), error, text);
  }
  sim_network_tell(sim, false);
}

static void charge(struct sim_process *process) {
  struct simulation *sim = process->sim;
  if (sim->config.turn_cost_ns == 0) return;
  gr_time cost = gr_random_below(&sim->process_random, sim->config.turn_cost_ns);
  if (sim->config.slow_members >> process->index & 1) cost *= 20;
  process->busy_until = sim->now + cost;
}

static void finish_turn(struct sim_process *process) {
  struct simulation *sim = process->sim;
  process->status.size = sizeof(process->status);
  sim_servers_identify(process);
  gr_group_status(process->group, &process->status);
  if (sim_process_counts(process)) {
    sim_oracle_status(&sim->oracle, sim_process_member(process), &process->status);
    sim_servers_turn(process);
  }
  if (sim->config.durable && process->id != 0) sim_storage_turn(process);
  charge(process);
  bool broadcasts = process->burst > 0 && !process->full && !process->waits;
  if (process->inbox || broadcasts) sim_process_wake(process);
  plan_timer(process);
}

static void take_turn(struct sim_process *process) {
  struct simulation *sim = process->sim;
  const struct sim_config *config = &sim->config;
  sim_storage_tell(process);
  take_inputs(process);
  sim_workload_turn(process);
  if (process->checkpoint_due) sim_storage_checkpoint(process);
  if (gr_group_deadline(process->group) <= clock_now(process) ||
      sim_chance(&sim->process_random, config->odd_poll_ppm))
    gr_group_poll(process->group, sim_process_clock(process));
  if (sim_chance(&sim->process_random, config->skip_dispatch_ppm)) {
    sim_process_wake(process);
    return;
  }
  int error = gr_group_dispatch(process->group);
  if (error == GR_ERR_HALTED)
    halted(process);
  else if (error != GR_OK)
    sim_oracle_fail(&sim->oracle, "API", "gr_group_dispatch: %s", gr_error_name(error));
  else
    finish_turn(process);
}

void sim_process_turn(struct simulation *sim, uint32_t index) {
  struct sim_process *process = &sim->processes[index];
  process->turn_planned = false;
  if (process->state != SIM_UP) return;
  check_spinning(process);
  if (!process->dying) take_turn(process);
  if (process->dying) sim_crashes_member(sim, index, true);
}

void sim_process_timer(struct simulation *sim, const struct sim_event *event) {
  struct sim_process *process = &sim->processes[event->member];
  if (event->at != process->timer_at) return; /* superseded by an earlier one */
  process->timer_at = GR_TIME_NEVER;
  process->waits = false;
  if (process->state != SIM_UP) return;
  if (gr_group_deadline(process->group) > clock_now(process))
    plan_timer(process);
  else
    sim_process_wake(process);
}
