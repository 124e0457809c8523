/* SPDX-License-Identifier: MIT
 *
 * The public functions' contracts: each documented code is produced, nothing leaks when
 * an allocation fails, and callbacks may do what host.h says and nothing else.
 */
#include "cluster.h"

#include <criterion/criterion.h>
#include <string.h>

/* ---- a host that does as it is told ---- */

struct host_state {
  gr_group *group;
  uint32_t delivered;
  int deliver_answer;
  uint32_t broadcasts_left; /* made from inside deliver */
  int dispatch_answer;      /* what calls from inside deliver answered */
  int free_answer;
  int broadcast_in_send;
  int receive_in_send;
  bool refuse;    /* send: not now */
  uint32_t sends; /* asked */
  uint32_t logs;
  const char *log_text;
};

static bool host_send(void *context, gr_member_id to, const gr_slice *parts,
                      size_t part_count) {
  struct host_state *state = context;
  (void)to;
  cr_assert_geq(part_count, 1);
  cr_assert_leq(parts[0].size, GR_FRAME_HEADER_MAX);
  state->sends++;
  state->broadcast_in_send = gr_group_broadcast(state->group, NULL, 0, 1, NULL);
  state->receive_in_send = gr_group_receive(state->group, 20, parts[0], 1);
  return !state->refuse;
}

static int host_deliver(void *context, const gr_delivery *delivery) {
  struct host_state *state = context;
  cr_assert_eq(delivery->seqno, state->delivered + 1);
  state->delivered++;
  state->dispatch_answer = gr_group_dispatch(state->group);
  state->free_answer = gr_group_free(state->group);
  if (state->broadcasts_left > 0) {
    state->broadcasts_left--;
    cr_assert_eq(gr_group_broadcast(state->group, NULL, 0, 1, NULL), GR_OK);
  }
  return state->deliver_answer;
}

static void host_log(void *context, enum gr_log_level level, const char *text) {
  struct host_state *state = context;
  if (level == GR_LOG_ERROR) state->logs++;
  state->log_text = text;
}

static void host_link(void *context, gr_member_id id, gr_slice address) {
  (void)context;
  (void)id;
  (void)address;
}

static gr_host host_of(struct host_state *state) {
  return (gr_host){.size = sizeof(gr_host),
                   .context = state,
                   .send = host_send,
                   .deliver = host_deliver,
                   .log = host_log};
}

static struct host_state state;

/* A group of `members`; one of one leads already. */
static gr_group *open_group(uint32_t members) {
  state = (struct host_state){.delivered = 0};
  gr_options options = test_options(members, 0);
  gr_host host = host_of(&state);
  cr_assert_eq(gr_group_new(&state.group, &options, &host, NULL, TEST_MS), GR_OK);
  gr_group_poll(state.group, 1000 * TEST_MS);
  return state.group;
}

/* ---- life cycle ---- */

/* Each in turn, until none does; whatever was allocated before is released. */
static void fail_each_allocation(const gr_options *options, const gr_host *host) {
  size_t fail_at = 1;
  for (int error = GR_ERR_NO_MEMORY; error != GR_OK; fail_at++) {
    struct counting counting = {.fail_at = fail_at};
    gr_allocator allocator = counting_allocator(&counting);
    gr_group *group = (gr_group *)&counting;
    error = gr_group_new(&group, options, host, &allocator, 1);
    if (error == GR_OK) {
      cr_assert_eq(counting.live_bytes, gr_group_footprint(options));
      cr_assert_eq(gr_group_free(group), GR_OK);
    } else {
      cr_assert_eq(error, GR_ERR_NO_MEMORY);
      cr_assert_null(group);
    }
    cr_assert_eq(counting.live, 0);
    cr_assert_eq(counting.live_bytes, 0);
  }
  cr_assert_gt(fail_at, 2, "at least one allocation did fail");
}

Test(paxos_calls, every_allocation_may_fail) {
  gr_options options = test_options(3, 0);
  gr_host host = host_of(&state);
  fail_each_allocation(&options, &host);
}

/* The largest that there is: a joiner's seeds, and pieces of snapshots to give away. */
Test(paxos_calls, every_allocation_of_a_joiner_may_fail) {
  static const gr_slice seeds[] = {{"seed:1", 6}, {"seed:2", 6}};
  gr_options options = test_options(3, 0);
  options.self = 0;
  options.founders = NULL;
  options.founder_count = 0;
  options.attributes.uuid.bytes[0] = 1;
  options.attributes.address = (gr_slice){"joiner:1", 8};
  options.seeds = seeds;
  options.seed_count = 2;
  options.snapshot_chunk_bytes = 4 << 20;
  gr_host host = host_of(&state);
  host.link = host_link;
  fail_each_allocation(&options, &host);
}

Test(paxos_calls, new_checks_its_arguments) {
  gr_options options = test_options(3, 0);
  gr_host host = host_of(&state);
  gr_group *group;
  cr_assert_eq(gr_group_new(NULL, &options, &host, NULL, 1), GR_ERR_INVALID);
  struct {
    const gr_options *options;
    const gr_host *host;
    gr_allocator allocator;
  } rows[] = {
      {NULL, &host, {0}},
      {&options, NULL, {0}},
      {&options, &(gr_host){.size = sizeof(host), .send = host_send}, {0}},
      {&options, &(gr_host){.size = sizeof(host), .deliver = host_deliver}, {0}},
      {&options, &(gr_host){.size = 3, .send = host_send, .deliver = host_deliver}, {0}},
      {&options, &(gr_host){.size = offsetof(gr_host, deliver), .send = host_send}, {0}},
      {&options, &host, {.allocate = counting_allocator(NULL).allocate}},
      {&options, &host, {.release = counting_allocator(NULL).release}},
  };
  for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
    bool given = rows[i].allocator.allocate || rows[i].allocator.release;
    group = (gr_group *)rows;
    cr_assert_eq(gr_group_new(&group, rows[i].options, rows[i].host,
                              given ? &rows[i].allocator : NULL, 1),
                 GR_ERR_INVALID, "row %zu", i);
    cr_assert_null(group, "row %zu", i);
  }
}

Test(paxos_calls, hosts_of_other_sizes) {
  gr_options options = test_options(3, 0);
  gr_group *group;
  struct {
    gr_host host;
    void *later;
  } newer = {.host = host_of(&state)};
  newer.host.size = sizeof(newer);
  cr_assert_eq(gr_group_new(&group, &options, &newer.host, NULL, 1), GR_OK);
  gr_group_free(group);
  newer.later = &newer;
  cr_assert_eq(gr_group_new(&group, &options, &newer.host, NULL, 1), GR_ERR_VERSION);
  cr_assert_null(group);
  newer.host.size = offsetof(gr_host, leader); /* an older one */
  cr_assert_eq(gr_group_new(&group, &options, &newer.host, NULL, 1), GR_OK);
  gr_group_free(group);
}

Test(paxos_calls, calls_without_a_handle_are_refused) {
  gr_slice empty = {NULL, 0};
  gr_status status = {.size = sizeof(status)};
  gr_counters counters = {.size = sizeof(counters)};
  size_t count;
  cr_assert_eq(gr_group_free(NULL), GR_OK);
  cr_assert_eq(gr_group_footprint(NULL), 0);
  cr_assert_eq(gr_group_receive(NULL, 10, empty, 1), GR_ERR_INVALID);
  cr_assert_eq(gr_group_broadcast(NULL, NULL, 0, 1, NULL), GR_ERR_INVALID);
  cr_assert_eq(gr_group_sendable(NULL, 10), GR_ERR_INVALID);
  cr_assert_eq(gr_group_transfer(NULL, 10, 1), GR_ERR_INVALID);
  cr_assert_eq(gr_group_status(NULL, &status), GR_ERR_INVALID);
  cr_assert_eq(gr_group_counters(NULL, &counters), GR_ERR_INVALID);
  cr_assert_eq(gr_group_members(NULL, NULL, 0, &count), GR_ERR_INVALID);
  cr_assert_eq(gr_group_deadline(NULL), GR_TIME_NEVER);
  gr_paxos_free(NULL);
  gr_paxos_trace(NULL, NULL, NULL);
  gr_frame frame;
  gr_delivery delivery;
  cr_assert(!gr_paxos_frame(NULL, 10, &frame));
  cr_assert(!gr_paxos_delivery(NULL, &delivery));
  cr_assert(!gr_paxos_writable(NULL));
  gr_paxos_frame_sent(NULL, 10);
  gr_paxos_delivered(NULL);
}

Test(paxos_calls, arguments_are_checked) {
  gr_group *group = open_group(3);
  const gr_slice parts[] = {{NULL, 1}, {"x", SIZE_MAX}, {"x", 2}};
  cr_assert_eq(gr_group_receive(group, 20, parts[0], 1), GR_ERR_INVALID);
  cr_assert_eq(gr_group_receive(group, 20, (gr_slice){NULL, 0}, 1), GR_ERR_MALFORMED);
  cr_assert_eq(gr_group_broadcast(group, NULL, 1, 1, NULL), GR_ERR_INVALID);
  cr_assert_eq(gr_group_broadcast(group, parts, 1, 1, NULL), GR_ERR_INVALID);
  cr_assert_eq(gr_group_broadcast(group, parts + 1, 1, 1, NULL), GR_ERR_TOO_LARGE);
  cr_assert_eq(gr_group_broadcast(group, parts + 1, 2, 1, NULL), GR_ERR_INVALID,
               "sizes that wrap");
  cr_assert_eq(gr_group_sendable(group, 20), GR_OK);
  cr_assert_eq(gr_group_sendable(group, 10), GR_ERR_INVALID, "itself");
  cr_assert_eq(gr_group_sendable(group, 40), GR_ERR_INVALID);
  cr_assert_eq(gr_group_transfer(group, 10, 1), GR_ERR_INVALID);
  cr_assert_eq(gr_group_transfer(group, 40, 1), GR_ERR_INVALID);
  cr_assert_eq(gr_group_transfer(group, 20, 1), GR_ERR_NOT_LEADER);
  cr_assert_eq(gr_group_free(group), GR_OK);
}

Test(paxos_calls, queries_fill_in_as_much_as_the_struct_has) {
  gr_group *group = open_group(3);
  gr_status status = {.size = sizeof(size_t) - 1};
  cr_assert_eq(gr_group_status(group, NULL), GR_ERR_INVALID);
  cr_assert_eq(gr_group_status(group, &status), GR_ERR_INVALID);
  status = (gr_status){.size = offsetof(gr_status, role), .leader = 77};
  cr_assert_eq(gr_group_status(group, &status), GR_OK);
  cr_assert_eq(status.self, 10);
  cr_assert_eq(status.leader, 77, "beyond the caller's struct");
  struct {
    gr_counters counters;
    uint64_t later;
  } newer = {.counters.size = sizeof(newer), .later = 77};
  cr_assert_eq(gr_group_counters(group, NULL), GR_ERR_INVALID);
  cr_assert_eq(gr_group_counters(group, &newer.counters), GR_OK);
  cr_assert_eq(newer.later, 0, "what the library does not know is 0");
  gr_member members[3] = {{.size = sizeof(gr_member) - 1}};
  size_t count = 0;
  cr_assert_eq(gr_group_members(group, members, 3, &count), GR_ERR_INVALID);
  members[0].size = sizeof(gr_member);
  cr_assert_eq(gr_group_members(group, members, 3, NULL), GR_ERR_INVALID);
  cr_assert_eq(gr_group_members(group, NULL, 3, &count), GR_ERR_INVALID);
  cr_assert_eq(gr_group_members(group, NULL, 0, &count), GR_OK);
  cr_assert_eq(count, 3);
  members[2].id = 77;
  cr_assert_eq(gr_group_members(group, members, 2, &count), GR_OK);
  cr_assert_eq(members[1].id, 20);
  cr_assert(members[0].is_self && !members[1].is_self);
  cr_assert_eq(members[2].id, 77);
  cr_assert_eq(gr_group_free(group), GR_OK);
}

Test(paxos_calls, every_role_and_trace_kind_has_a_name) {
  for (int role = GR_ROLE_FORMING; role <= GR_ROLE_LEADER; role++)
    cr_assert_str_neq(gr_role_name((enum gr_role)role), "unknown");
  cr_assert_str_eq(gr_role_name((enum gr_role)77), "unknown");
  for (int kind = GR_TRACE_FORMED; kind <= GR_TRACE_TRANSFER; kind++)
    cr_assert_str_neq(gr_trace_name((enum gr_trace_kind)kind), "unknown");
  cr_assert_str_eq(gr_trace_name((enum gr_trace_kind)0), "unknown");
}

/* ---- callbacks ---- */

Test(paxos_calls, deliver_may_broadcast_but_not_dispatch_or_free) {
  gr_group *group = open_group(1);
  state.broadcasts_left = 10;
  uint64_t number = 0;
  cr_assert_eq(gr_group_broadcast(group, NULL, 0, 1, &number), GR_OK);
  cr_assert_eq(number, 1);
  cr_assert_eq(gr_group_dispatch(group), GR_OK);
  cr_assert_eq(state.delivered, 11);
  cr_assert_eq(state.dispatch_answer, GR_ERR_REENTRANT);
  cr_assert_eq(state.free_answer, GR_ERR_REENTRANT);
  cr_assert_eq(gr_group_free(group), GR_OK);
}

Test(paxos_calls, send_may_not_change_what_it_is_sending) {
  gr_group *group = open_group(3);
  cr_assert_eq(gr_group_dispatch(group), GR_OK);
  cr_assert_gt(state.sends, 0);
  cr_assert_eq(state.broadcast_in_send, GR_ERR_REENTRANT);
  cr_assert_eq(state.receive_in_send, GR_ERR_REENTRANT);
  cr_assert_eq(gr_group_broadcast(group, NULL, 0, 1, NULL), GR_OK);
  cr_assert_eq(gr_group_free(group), GR_OK);
}

Test(paxos_calls, a_member_whose_transport_is_full_is_left_alone_until_it_is_sendable) {
  gr_group *group = open_group(3);
  state.refuse = true;
  cr_assert_eq(gr_group_dispatch(group), GR_OK);
  cr_assert_eq(state.sends, 2, "each other member was tried once");
  gr_group_poll(group, 2000 * TEST_MS);
  cr_assert_eq(gr_group_dispatch(group), GR_OK);
  cr_assert_eq(state.sends, 2);
  state.refuse = false;
  cr_assert_eq(gr_group_sendable(group, 30), GR_OK);
  cr_assert_eq(gr_group_dispatch(group), GR_OK);
  cr_assert_eq(state.sends, 3, "one of them, once: what was due twice is said once");
  cr_assert_eq(gr_group_free(group), GR_OK);
}

Test(paxos_calls, a_host_that_fails_to_deliver_halts_the_member) {
  gr_group *group = open_group(1);
  const char *text = NULL;
  cr_assert_eq(gr_group_halt_reason(group, &text), GR_OK);
  state.deliver_answer = 1;
  cr_assert_eq(gr_group_broadcast(group, NULL, 0, 1, NULL), GR_OK);
  cr_assert_eq(gr_group_broadcast(group, NULL, 0, 1, NULL), GR_OK);
  cr_assert_eq(gr_group_dispatch(group), GR_ERR_HALTED);
  cr_assert_eq(state.delivered, 1);
  cr_assert_eq(gr_group_halt_reason(group, &text), GR_ERR_HOST);
  cr_assert_not_null(strstr(text, "deliver"));
  cr_assert_eq(state.logs, 1);
  cr_assert_str_eq(state.log_text, text);
  const gr_slice frame = {"x", 1};
  const int answers[] = {gr_group_dispatch(group),
                         gr_group_poll(group, 1),
                         gr_group_broadcast(group, NULL, 0, 1, NULL),
                         gr_group_receive(group, 20, frame, 1),
                         gr_group_sendable(group, 20),
                         gr_group_transfer(group, 20, 1)};
  for (size_t i = 0; i < sizeof(answers) / sizeof(answers[0]); i++)
    cr_assert_eq(answers[i], GR_ERR_HALTED, "call %zu", i);
  cr_assert_eq(gr_group_deadline(group), GR_TIME_NEVER);
  cr_assert_eq(state.delivered, 1);
  cr_assert_eq(state.logs, 1, "said once");
  gr_status status = {.size = sizeof(status)};
  cr_assert_eq(gr_group_status(group, &status), GR_OK, "queries still answer");
  cr_assert_eq(status.seqno, 0);
  cr_assert_eq(gr_group_free(group), GR_OK);
}

Test(paxos_calls, the_pull_interface_repeats_what_was_not_taken) {
  gr_options options = test_options(1, 0);
  gr_paxos *paxos;
  cr_assert_eq(gr_paxos_new(&paxos, &options, NULL, TEST_MS), GR_OK);
  gr_paxos_poll(paxos, 1000 * TEST_MS);
  const gr_slice message = {"abc", 3};
  for (int i = 0; i < 2; i++)
    cr_assert_eq(gr_paxos_broadcast(paxos, &message, 1, 1, NULL), GR_OK);
  cr_assert_eq(gr_paxos_flush(paxos), GR_OK);
  gr_delivery delivery;
  for (int i = 0; i < 3; i++) {
    cr_assert(gr_paxos_delivery(paxos, &delivery));
    cr_assert_eq(delivery.seqno, 1);
    cr_assert_arr_eq(delivery.parts[0].data, "abc", 3);
  }
  gr_paxos_delivered(paxos);
  gr_paxos_delivered(paxos); /* nothing was offered meanwhile */
  cr_assert(gr_paxos_delivery(paxos, &delivery));
  cr_assert_eq(delivery.seqno, 2);
  gr_paxos_delivered(paxos);
  cr_assert(!gr_paxos_delivery(paxos, &delivery));
  gr_paxos_halt(paxos, GR_OK, "no error is no reason");
  cr_assert_eq(gr_paxos_halt_reason(paxos, NULL), GR_OK);
  gr_paxos_halt(paxos, GR_ERR_HOST, "first");
  gr_paxos_halt(paxos, GR_ERR_SYSTEM, "second");
  const char *text;
  cr_assert_eq(gr_paxos_halt_reason(paxos, &text), GR_ERR_HOST);
  cr_assert_str_eq(text, "first");
  cr_assert_eq(gr_paxos_flush(paxos), GR_ERR_HALTED);
  gr_paxos_free(paxos);
}
