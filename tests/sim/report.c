/* SPDX-License-Identifier: MIT */
#include "simulation.h"

#include <inttypes.h>
#include <stdio.h>

/* Where a frame tells its type: doc/protocol.md, "Wire format". */
#define FRAME_TYPE_AT 7

/* Where a record tells its type. */
#define RECORD_TYPE_AT 5

/* ---- lines ---- */

static const char *frame_name(uint64_t type) {
  static const char *const names[] = {
      "?",        "HEARTBEAT",  "DATA",           "ACCEPT",
      "ACCEPTED", "PREVOTE",    "PREVOTE_ANSWER", "PREPARE",
      "PROMISE",  "FETCH_DATA", "FETCH_LOG",      "LOG",
      "TRANSFER"};
  return names[type < sizeof(names) / sizeof(names[0]) ? type : 0];
}

static void print_trace(const gr_trace_event *event) {
  printf("%-11s", gr_trace_name(event->kind));
  if (event->ballot.round)
    printf(" ballot %" PRIu64 ".%" PRIu64, event->ballot.round, event->ballot.member);
  if (event->slot) printf(" slot %" PRIu64, event->slot);
  if (event->lane) printf(" lane %" PRIu64, event->lane);
  if (event->member) printf(" member %" PRIu64, event->member);
  if (event->value < 0)
    printf(" %s", gr_error_name((int)event->value));
  else if (event->value > 0)
    printf(" value %" PRId64, event->value);
}

static void print_links(const struct sim_record *record) {
  printf("%-11s", record->numbers.a ? "cut" : "heal");
  struct sim_links links = sim_links_unpack(record->numbers.b);
  for (uint32_t from = 0; from < SIM_SERVERS_MAX; from++)
    for (uint32_t to = 0; to < SIM_SERVERS_MAX; to++)
      if (sim_links_has(links, from, to)) printf(" %u>%u", from + 1, to + 1);
}

static void print_store(const struct sim_record *record) {
  static const char *const names[] = {"",        "STATE", "VIEW",   "BOOT",
                                      "PROMISE", "BATCH", "ACCEPT", "MARKS"};
  uint32_t type = record->store.type;
  printf("%-11s ticket %" PRIu64, record->store.what, record->store.ticket);
  if (type > 0 && type < sizeof(names) / sizeof(names[0]))
    printf(" %s, %u bytes", names[type], record->store.size);
}

static void print_servers(uint64_t servers, const char *mark) {
  for (uint32_t i = 0; i < SIM_SERVERS_MAX; i++)
    if (servers >> i & 1) printf(" %u%s", i + 1, mark);
}

static void print_view(const struct sim_record *record) {
  printf("view        %" PRIu64 " behind %" PRIu64 ":", record->view.number,
         record->view.seqno);
  print_servers(record->view.voters, "");
  print_servers(record->view.learners, "(recovers)");
  if (record->view.member)
    printf(", member %" PRIu64 " %s", record->view.member,
           gr_view_reason_name(record->view.reason));
}

static void print_body(const struct sim_record *record) {
  switch (record->kind) {
  case SIM_RECORD_TRACE:
    print_trace(&record->trace);
    break;
  case SIM_RECORD_FRAME:
    printf("receive     %s of %" PRIu64 ", %" PRIu64 " bytes%s",
           frame_name(record->numbers.a), record->numbers.b, record->numbers.c,
           record->numbers.d ? ", damaged" : "");
    break;
  case SIM_RECORD_DELIVERY:
    printf("deliver     seqno %" PRIu64 ": message %" PRIu64 " of %" PRIu64 ", %" PRIu64
           " bytes",
           record->numbers.a, record->numbers.b, record->numbers.c, record->numbers.d);
    break;
  case SIM_RECORD_BROADCAST:
    printf("broadcast   message %" PRIu64 ", %" PRIu64 " bytes", record->numbers.a,
           record->numbers.b);
    break;
  case SIM_RECORD_LINKS:
    print_links(record);
    break;
  case SIM_RECORD_STORE:
    print_store(record);
    break;
  case SIM_RECORD_VIEW:
    print_view(record);
    break;
  case SIM_RECORD_STATE:
    printf("state       %s",
           gr_member_state_name((enum gr_member_state)record->numbers.a));
    if (record->numbers.b > 0) printf(", %s", gr_error_name(-(int)record->numbers.b));
    break;
  case SIM_RECORD_LEADER:
    printf("leader      %" PRIu64, record->numbers.a);
    break;
  case SIM_RECORD_NOTE:
    printf("%s", record->text);
    break;
  }
}

static void print_record(const struct sim_record *record) {
  printf("%12" PRIu64 ".%03" PRIu64 " us  ", record->at / 1000, record->at % 1000);
  if (record->member == SIM_EVERYBODY)
    printf("%-10s", "-");
  else
    printf("%-10u", record->member + 1);
  print_body(record);
  putchar('\n');
}

static void print_time(gr_time at) {
  printf("%8" PRIu64 ".%03" PRIu64 " s  ", at / SIM_SECOND, at / SIM_MS % 1000);
}

/* Of what all members are told alike, the first of them is enough. */
static bool is_news(struct sim_report *report, const struct sim_record *record) {
  switch (record->kind) {
  case SIM_RECORD_VIEW:
    if (record->view.number <= report->view_said) return false;
    report->view_said = record->view.number;
    return true;
  case SIM_RECORD_LEADER:
    if (record->numbers.a == 0 || record->numbers.a == report->leader_said) return false;
    report->leader_said = record->numbers.a;
    return true;
  case SIM_RECORD_STATE:
  case SIM_RECORD_NOTE:
    return true;
  case SIM_RECORD_TRACE:
  case SIM_RECORD_FRAME:
  case SIM_RECORD_DELIVERY:
  case SIM_RECORD_BROADCAST:
  case SIM_RECORD_LINKS:
  case SIM_RECORD_STORE:
    return false;
  }
  return false;
}

static void print_news(const struct sim_record *record) {
  print_time(record->at);
  bool one = record->kind == SIM_RECORD_STATE || record->kind == SIM_RECORD_NOTE;
  if (one && record->member != SIM_EVERYBODY)
    printf("  server %-4u", record->member + 1);
  else
    printf("  %-11s", "");
  print_body(record);
  putchar('\n');
}

void sim_report_statement(const struct sim_report *report, gr_time at, const char *text) {
  if (!report->transcript) return;
  print_time(at);
  printf("> %s\n", text);
}

/* ---- keeping ---- */

static struct sim_record *next_record(struct sim_report *report) {
  return &report->records[report->count++ & (SIM_RECORDS - 1)];
}

static void keep(struct sim_report *report, const struct sim_record *record) {
  *next_record(report) = *record;
  if (report->tracing) print_record(record);
  if (report->transcript && !report->tracing && is_news(report, record))
    print_news(record);
}

void sim_report_view(struct sim_report *report, gr_time at, uint32_t server,
                     const gr_view *view, uint64_t voters, uint64_t learners) {
  keep(report, &(struct sim_record){.at = at,
                                    .kind = SIM_RECORD_VIEW,
                                    .member = server,
                                    .view = {view->number, view->seqno, view->reason,
                                             view->member, voters, learners}});
}

void sim_report_state(struct sim_report *report, gr_time at, uint32_t server,
                      enum gr_member_state state, int error) {
  keep(report,
       &(struct sim_record){.at = at,
                            .kind = SIM_RECORD_STATE,
                            .member = server,
                            .numbers = {(uint64_t)state, (uint64_t)-error, 0, 0}});
}

void sim_report_leader(struct sim_report *report, gr_time at, uint32_t server,
                       gr_member_id leader) {
  keep(report, &(struct sim_record){.at = at,
                                    .kind = SIM_RECORD_LEADER,
                                    .member = server,
                                    .numbers = {leader, 0, 0, 0}});
}

void sim_report_trace(struct sim_report *report, gr_time at, uint32_t member,
                      const gr_trace_event *event) {
  keep(report, &(struct sim_record){.at = at,
                                    .kind = SIM_RECORD_TRACE,
                                    .member = member,
                                    .trace = *event});
}

/* Too many to be kept. */
void sim_report_frame(struct sim_report *report, gr_time at, uint32_t member,
                      const struct sim_frame *frame) {
  if (!report->tracing) return;
  uint64_t type = frame->size > FRAME_TYPE_AT ? frame->bytes[FRAME_TYPE_AT] : 0;
  print_record(&(struct sim_record){.at = at,
                                    .kind = SIM_RECORD_FRAME,
                                    .member = member,
                                    .numbers = {type, frame->from + 1u, frame->size,
                                                frame->damaged}});
}

void sim_report_store(struct sim_report *report, gr_time at, uint32_t member,
                      const char *what, gr_ticket ticket,
                      const struct sim_frame *record) {
  if (!report->tracing) return;
  bool typed = record && record->size > RECORD_TYPE_AT;
  print_record(
      &(struct sim_record){.at = at,
                           .kind = SIM_RECORD_STORE,
                           .member = member,
                           .store = {.what = what,
                                     .ticket = ticket,
                                     .type = typed ? record->bytes[RECORD_TYPE_AT] : 0,
                                     .size = typed ? record->size : 0}});
}

void sim_report_delivery(struct sim_report *report, gr_time at, uint32_t member,
                         const gr_delivery *delivery) {
  keep(report, &(struct sim_record){.at = at,
                                    .kind = SIM_RECORD_DELIVERY,
                                    .member = member,
                                    .numbers = {delivery->seqno, delivery->number,
                                                delivery->origin, delivery->bytes}});
}

void sim_report_broadcast(struct sim_report *report, gr_time at, uint32_t member,
                          uint64_t number, uint64_t size) {
  keep(report, &(struct sim_record){.at = at,
                                    .kind = SIM_RECORD_BROADCAST,
                                    .member = member,
                                    .numbers = {number, size, 0, 0}});
}

void sim_report_links(struct sim_report *report, gr_time at, bool cut,
                      struct sim_links links) {
  keep(report, &(struct sim_record){.at = at,
                                    .kind = SIM_RECORD_LINKS,
                                    .member = SIM_EVERYBODY,
                                    .numbers = {cut, sim_links_pack(links), 0, 0}});
}

void sim_report_note(struct sim_report *report, gr_time at, uint32_t member,
                     const char *text) {
  keep(report, &(struct sim_record){
                   .at = at, .kind = SIM_RECORD_NOTE, .member = member, .text = text});
}

/* ---- what a seed decided ---- */

static double milliseconds(gr_time time) {
  return (double)time / (double)SIM_MS;
}

static void print_disk(const struct sim_config *config) {
  const struct sim_disk_config *disk = &config->disk;
  printf("storage  sync %.3f ms (slow: %x)%s, stalls %u, late notices %u, twice %u ppm, "
         "states %.3f ms\n",
         milliseconds(disk->sync_ns), disk->slow_members & ((1u << config->members) - 1),
         disk->no_sync_callback ? ", no callback" : "", disk->stall_ppm,
         disk->late_notice_ppm, disk->twice_notice_ppm, milliseconds(disk->trim_ns));
  printf("         crashes: part is left %u, damage %u, ambushes %u, of all %u, stay "
         "away %u "
         "ppm, down %.3f ms\n",
         disk->unknown_ppm, disk->damage_ppm, disk->ambush_ppm, disk->ambush_all_ppm,
         disk->stay_ppm, milliseconds(disk->down_ns));
  printf("         host: keeps %u ppm of turns in %.3f ms, a part %u, tells %u ppm\n",
         disk->apply_ppm, milliseconds(disk->apply_ns), disk->apply_lag_ppm,
         disk->checkpoint_ppm);
}

void sim_report_config(const struct sim_config *config) {
  const gr_options *options = &config->options;
  static const char *const delays[] = {"constant", "uniform", "exponential"};
  static const char *const remains[] = {"cut", "whole", "mixed", "one-way"};
  printf("seed %" PRIu64 ", profile %s, %u members\n", config->seed,
         sim_profile_name(config->profile), config->members);
  printf("options  message %" PRIu64 ", fragment %" PRIu64 ", batch %" PRIu64
         ", unordered %" PRIu64 ", cache %" PRIu64 ", log %" PRIu64 ", in flight %" PRIu64
         "\n",
         options->message_bytes_max, options->fragment_bytes_max,
         options->batch_bytes_max, options->unordered_bytes_max, options->cache_bytes_max,
         options->log_slots_max, options->slots_in_flight_max);
  printf("         heartbeat %.3f ms, election %.3f ms, gap %.3f ms, retry %.3f ms\n",
         milliseconds(options->heartbeat_interval_ns),
         milliseconds(options->election_timeout_ns),
         milliseconds(options->gap_timeout_ns), milliseconds(options->retry_timeout_ns));
  printf("network  %s delay %.3f ms%s, loss %u, duplicates %u, damage %u, busy %u ppm, "
         "%" PRIu64 " bytes/ms\n",
         delays[config->delay], milliseconds(config->delay_ns),
         config->in_order ? ", in order" : "", config->loss_ppm, config->duplicate_ppm,
         config->damage_ppm, config->busy_ppm, config->bytes_per_ms);
  printf(
      "process  turn delay %.3f ms, cost %.3f ms (slow: %x), inputs %u, no dispatch %u, "
      "odd polls %u, backward %u ppm, clocks differ by %u/1024\n",
      milliseconds(config->turn_delay_ns), milliseconds(config->turn_cost_ns),
      config->slow_members & ((1u << config->members) - 1), config->inputs_max,
      config->skip_dispatch_ppm, config->odd_poll_ppm, config->backward_ppm,
      config->clock_spread);
  if (config->durable) print_disk(config);
  printf("load     idle %.3f ms, bursts to %u, budget %" PRIu64
         ", sizes to %u, sometimes %u, nested %u ppm\n",
         milliseconds(config->idle_ns), config->burst_max, config->budget,
         config->size_usual, config->size_rare, config->nested_ppm);
  printf("faults   for %.3f ms, every %.3f ms, last %.3f ms%s, remains %s:",
         milliseconds(config->safety_ns), milliseconds(config->fault_every_ns),
         milliseconds(config->fault_lasts_ns), config->faults_early ? ", early" : "",
         remains[config->remains]);
  for (uint32_t i = 0; i < SIM_FAULT_COUNT; i++)
    if (config->fault_weights[i] > 0)
      printf(" %s %u", sim_fault_name((enum sim_fault)i), config->fault_weights[i]);
  putchar('\n');
}

/* ---- a failure ---- */

static void print_storages(const struct simulation *sim) {
  printf("member  boot  kept  first    last  durable  noted  synced  settled  applied\n");
  for (uint32_t i = 0; i < sim->servers; i++) {
    const struct sim_storage *storage = &sim->storages[i];
    const gr_status *status = &sim->processes[i].status;
    printf("%6u  %4" PRIu64 "  %4zu  %5" PRIu64 "  %6" PRIu64 "  %7" PRIu64 "  %5" PRIu64
           "  %6" PRIu64 "  %7" PRIu64 "  %7" PRIu64 "%s%s\n",
           i + 1, status->boot, storage->count, storage->kept.first, storage->last,
           storage->durable, storage->noted, status->synced, status->settled,
           storage->applied, storage->wiped ? ", wiped" : "",
           storage->gone ? ", gone" : "");
  }
}

/* How far a member has each lane, and how far each is ordered there. */
static void print_lanes(const struct sim_process *process) {
  gr_member members[SIM_SERVERS_MAX] = {{.size = sizeof(gr_member)}};
  size_t count = 0;
  if (!process->group) return;
  gr_group_members(process->group, members, SIM_SERVERS_MAX, &count);
  printf("%6u  lanes held/ordered:", process->index + 1);
  for (size_t i = 0; i < count; i++)
    printf("  %" PRIu64 "/%" PRIu64 "%s", members[i].held, members[i].ordered,
           members[i].reachable ? "" : " (silent)");
  putchar('\n');
}

static void print_states(const struct simulation *sim) {
  static const char *const states[] = {"down", "up", "paused", "halted"};
  printf("member  gen  state   role       leader  promised  accepted  chosen  delivered  "
         "log_first   seqno  broadcast  unordered\n");
  for (uint32_t i = 0; i < sim->servers; i++) {
    const struct sim_process *process = &sim->processes[i];
    const gr_status *status = &process->status;
    printf("%6u  %3u  %-6s  %-9s  %6" PRIu64 "  %6" PRIu64 ".%" PRIu64 "  %8" PRIu64
           "  %6" PRIu64 "  %9" PRIu64 "  %9" PRIu64 "  %6" PRIu64 "  %9" PRIu64
           "  %9" PRIu64 "\n",
           i + 1, process->generation, states[process->state], gr_role_name(status->role),
           status->leader, status->promised.round, status->promised.member,
           status->accepted, status->chosen, status->delivered, status->log_first,
           status->seqno, process->broadcasts, status->unordered_bytes);
  }
  if (sim->config.durable) print_storages(sim);
  for (uint32_t i = 0; i < sim->servers; i++) print_lanes(&sim->processes[i]);
}

void sim_report_failure(const struct simulation *sim) {
  const struct sim_failure *failure = &sim->oracle.failure;
  const struct sim_report *report = &sim->report;
  printf("FAILED  %s at %" PRIu64 " us: %s\n", failure->invariant, failure->at / 1000,
         failure->text);
  if (!report->brief) {
    sim_report_config(&sim->config);
    print_states(sim);
    printf("the last events:\n");
    uint64_t first = report->count > 40 ? report->count - 40 : 0;
    for (uint64_t i = first; i < report->count; i++)
      print_record(&report->records[i & (SIM_RECORDS - 1)]);
  }
  if (sim->scenario) return;
  printf("replay:  gr-sim --profile %s --seed %" PRIu64 "%s --trace\n",
         sim_profile_name(sim->config.profile), sim->config.seed, sim->members_given);
}
