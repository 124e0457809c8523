/* SPDX-License-Identifier: MIT
 *
 * The public functions of the durable mode: each documented code is produced, callbacks
 * may do what host.h says and nothing else, and a group of one keeps what it was told.
 */
#include "storage.h"

#include <criterion/criterion.h>
#include <string.h>

/* ---- a host with storage, and what its callbacks were answered ---- */

enum call {
  CALL_BROADCAST,
  CALL_RECEIVE,
  CALL_POLL,
  CALL_TRANSFER,
  CALL_STORED,
  CALL_FAILED,
  CALL_CHECKPOINT,
  CALL_RESTORE,
  CALL_RESUME,
  CALL_DISPATCH,
  CALL_FREE,
  CALL_SENDABLE,
  CALL_COUNT
};

struct answers {
  int of[CALL_COUNT];
  uint32_t calls;
};

struct host {
  gr_group *group;
  struct storage storage;
  gr_time now;
  char events[256]; /* a letter for each callback */
  char delivered[256];
  int store_answer;
  int trim_answer;
  int deliver_answer;
  struct answers in_store;
  struct answers in_sync;
  struct answers in_trim;
  struct answers in_deliver; /* without those that would change anything */
};

static struct host host;

static void note(char letter) {
  size_t used = strlen(host.events);
  if (used < sizeof(host.events) - 1) host.events[used] = letter;
}

static void call_input(struct answers *answers) {
  gr_group *group = host.group;
  const gr_slice frame = {"x", 1};
  answers->of[CALL_BROADCAST] = gr_group_broadcast(group, NULL, 0, 1, NULL);
  answers->of[CALL_RECEIVE] = gr_group_receive(group, 20, frame, 1);
  answers->of[CALL_POLL] = gr_group_poll(group, 1);
  answers->of[CALL_TRANSFER] = gr_group_transfer(group, 20, 1);
  answers->of[CALL_FAILED] = gr_group_storage_failed(group);
}

static void call_rest(struct answers *answers) {
  gr_group *group = host.group;
  const gr_slice record = {"x", 1};
  answers->of[CALL_STORED] = gr_group_stored(group, 0);
  answers->of[CALL_CHECKPOINT] = gr_group_checkpoint(group, 0);
  answers->of[CALL_RESTORE] = gr_group_restore(group, 1, record);
  answers->of[CALL_RESUME] = gr_group_resume(group, 1);
  answers->of[CALL_DISPATCH] = gr_group_dispatch(group);
  answers->of[CALL_FREE] = gr_group_free(group);
  answers->of[CALL_SENDABLE] = gr_group_sendable(group, 20);
  answers->calls++;
}

static bool on_send(void *context, gr_member_id to, const gr_slice *parts,
                    size_t part_count) {
  (void)context, (void)to, (void)parts, (void)part_count;
  note('f');
  return true;
}

static int on_store(void *context, gr_ticket ticket, const gr_slice *parts,
                    size_t part_count) {
  (void)context;
  note('s');
  call_input(&host.in_store);
  call_rest(&host.in_store);
  if (host.store_answer == 0) storage_append(&host.storage, ticket, parts, part_count);
  return host.store_answer;
}

static void on_sync(void *context) {
  (void)context;
  note('y');
  call_input(&host.in_sync);
  call_rest(&host.in_sync);
}

static int on_trim(void *context, gr_ticket first, gr_slice state) {
  (void)context;
  note('t');
  call_input(&host.in_trim);
  call_rest(&host.in_trim);
  if (host.trim_answer == 0) storage_trim(&host.storage, first, state);
  return host.trim_answer;
}

static int on_deliver(void *context, const gr_delivery *delivery) {
  (void)context;
  note('d');
  call_rest(&host.in_deliver);
  cr_assert_eq(delivery->part_count, 1);
  cr_assert_lt(strlen(host.delivered) + delivery->bytes, sizeof(host.delivered));
  strncat(host.delivered, delivery->parts[0].data, delivery->bytes);
  return host.deliver_answer;
}

static gr_host callbacks(void) {
  return (gr_host){.size = sizeof(gr_host),
                   .send = on_send,
                   .deliver = on_deliver,
                   .store = on_store,
                   .sync = on_sync,
                   .trim = on_trim};
}

/* Not resumed yet. */
static gr_group *open_with(uint32_t members, gr_seqno applied, uint64_t digest) {
  gr_options options = test_options(members, 0);
  gr_host with = callbacks();
  options.applied = applied;
  options.applied_digest = digest;
  host.now += 1000 * TEST_MS;
  memset(host.events, 0, sizeof(host.events));
  memset(host.delivered, 0, sizeof(host.delivered));
  cr_assert_eq(gr_group_new(&host.group, &options, &with, NULL, host.now), GR_OK);
  return host.group;
}

static gr_group *open_group(uint32_t members, gr_seqno applied) {
  return open_with(members, applied, 0);
}

static void close_group(void) {
  cr_assert_eq(gr_group_free(host.group), GR_OK);
}

static gr_status status_of(void) {
  gr_status status = {.size = sizeof(status)};
  cr_assert_eq(gr_group_status(host.group, &status), GR_OK);
  return status;
}

/* Lets time pass, and storage sync what it was given, until it has nothing more to do. */
static void settle(void) {
  for (int i = 0; i < 20; i++) {
    host.now += 50 * TEST_MS;
    cr_assert_eq(gr_group_poll(host.group, host.now), GR_OK);
    cr_assert_eq(gr_group_dispatch(host.group), GR_OK);
    cr_assert_eq(gr_group_stored(host.group, status_of().stored), GR_OK);
  }
}

static void give_back(void) {
  struct storage *storage = &host.storage;
  if (storage->state.bytes)
    cr_assert_eq(gr_group_restore(host.group, 0, storage_state(storage)), GR_OK);
  for (size_t i = 0; i < storage->count; i++)
    cr_assert_eq(gr_group_restore(host.group, storage_ticket(storage, i),
                                  storage_record(storage, i)),
                 GR_OK);
}

/* A group of one that leads. */
static gr_group *open_alone(gr_seqno applied) {
  open_group(1, applied);
  give_back();
  cr_assert_eq(gr_group_resume(host.group, host.now), GR_OK);
  settle();
  cr_assert_eq(status_of().role, GR_ROLE_LEADER);
  return host.group;
}

static uint64_t broadcast(const char *text) {
  uint64_t number = 0;
  gr_slice part = {text, strlen(text)};
  cr_assert_eq(gr_group_broadcast(host.group, &part, 1, host.now, &number), GR_OK);
  return number;
}

/* ---- life cycle ---- */

Test(paxos_durable, storage_is_given_whole_or_not_at_all) {
  const struct {
    bool store, sync, trim;
    int error;
  } rows[] = {{false, false, false, GR_OK},
              {true, false, true, GR_OK},
              {true, true, true, GR_OK},
              {true, false, false, GR_ERR_INVALID},
              {false, true, false, GR_ERR_INVALID},
              {false, false, true, GR_ERR_INVALID},
              {true, true, false, GR_ERR_INVALID},
              {false, true, true, GR_ERR_INVALID}};
  for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
    gr_options options = test_options(3, 0);
    options.durable = i % 2 == 0; /* whatever it says */
    gr_host with = callbacks();
    gr_status status = {.size = sizeof(status)};
    if (!rows[i].store) with.store = NULL;
    if (!rows[i].sync) with.sync = NULL;
    if (!rows[i].trim) with.trim = NULL;
    gr_group *group;
    cr_assert_eq(gr_group_new(&group, &options, &with, NULL, 1), rows[i].error, "%zu", i);
    if (rows[i].error != GR_OK) continue;
    cr_assert_eq(gr_group_status(group, &status), GR_OK);
    cr_assert_eq(status.durable, rows[i].store);
    cr_assert(!status.resumed);
    gr_group_free(group);
  }
}

Test(paxos_durable, a_host_from_before_there_was_storage_has_none) {
  gr_options options = test_options(3, 0);
  gr_host with = callbacks();
  with.size = offsetof(gr_host, store);
  gr_status status = {.size = sizeof(status)};
  gr_group *group;
  cr_assert_eq(gr_group_new(&group, &options, &with, NULL, 1), GR_OK);
  cr_assert_eq(gr_group_status(group, &status), GR_OK);
  cr_assert(!status.durable);
  gr_group_free(group);
}

Test(paxos_durable, every_allocation_may_fail) {
  gr_options options = test_options(3, 0);
  options.durable = true;
  gr_host with = callbacks();
  size_t fail_at = 1;
  for (int error = GR_ERR_NO_MEMORY; error != GR_OK; fail_at++) {
    struct counting counting = {.fail_at = fail_at};
    gr_allocator allocator = counting_allocator(&counting);
    gr_group *group = (gr_group *)&counting;
    error = gr_group_new(&group, &options, &with, &allocator, 1);
    if (error == GR_OK) {
      cr_assert_eq(counting.live_bytes, gr_group_footprint(&options));
      cr_assert_eq(gr_group_free(group), GR_OK);
    } else {
      cr_assert_eq(error, GR_ERR_NO_MEMORY);
      cr_assert_null(group);
    }
    cr_assert_eq(counting.live, 0);
  }
  cr_assert_gt(fail_at, 2, "at least one allocation did fail");
}

/* ---- arguments and states ---- */

Test(paxos_durable, calls_without_a_handle_are_refused) {
  const gr_slice record = {"x", 1};
  gr_record made;
  gr_ticket first;
  gr_slice state;
  cr_assert_eq(gr_group_restore(NULL, 1, record), GR_ERR_INVALID);
  cr_assert_eq(gr_group_resume(NULL, 1), GR_ERR_INVALID);
  cr_assert_eq(gr_group_stored(NULL, 1), GR_ERR_INVALID);
  cr_assert_eq(gr_group_storage_failed(NULL), GR_ERR_INVALID);
  cr_assert_eq(gr_group_checkpoint(NULL, 1), GR_ERR_INVALID);
  cr_assert_eq(gr_paxos_restore(NULL, 1, record), GR_ERR_INVALID);
  cr_assert_eq(gr_paxos_resume(NULL, 1), GR_ERR_INVALID);
  cr_assert_eq(gr_paxos_stored(NULL, 1), GR_ERR_INVALID);
  cr_assert_eq(gr_paxos_checkpoint(NULL, 1), GR_ERR_INVALID);
  cr_assert(!gr_paxos_record(NULL, &made));
  cr_assert(!gr_paxos_trim(NULL, &first, &state));
  gr_paxos_recorded(NULL);
}

Test(paxos_durable, the_pull_interface_checks_its_arguments) {
  gr_options options = test_options(1, 0);
  options.durable = true;
  gr_paxos *paxos;
  gr_record record;
  gr_ticket first;
  gr_slice state;
  cr_assert_eq(gr_paxos_new(&paxos, &options, NULL, TEST_MS), GR_OK);
  cr_assert(!gr_paxos_record(paxos, &record), "not resumed");
  cr_assert_eq(gr_paxos_resume(paxos, TEST_MS), GR_OK);
  cr_assert(!gr_paxos_record(paxos, NULL));
  cr_assert(!gr_paxos_trim(paxos, NULL, &state));
  cr_assert(!gr_paxos_trim(paxos, &first, NULL));
  cr_assert(!gr_paxos_trim(paxos, &first, &state), "nothing is due");
  cr_assert(gr_paxos_record(paxos, &record));
  gr_paxos_halt(paxos, GR_ERR_STORAGE, "test");
  cr_assert(!gr_paxos_record(paxos, &record));
  gr_paxos_free(paxos);
}

Test(paxos_durable, without_storage_its_calls_are_refused) {
  gr_options options = test_options(1, 0);
  gr_paxos *paxos;
  gr_record record;
  gr_ticket first;
  gr_slice state;
  cr_assert_eq(gr_paxos_new(&paxos, &options, NULL, TEST_MS), GR_OK);
  cr_assert_eq(gr_paxos_restore(paxos, 1, (gr_slice){"x", 1}), GR_ERR_STATE);
  cr_assert_eq(gr_paxos_resume(paxos, TEST_MS), GR_ERR_STATE);
  cr_assert_eq(gr_paxos_stored(paxos, 0), GR_ERR_STATE);
  cr_assert_eq(gr_paxos_checkpoint(paxos, 0), GR_ERR_STATE);
  cr_assert(!gr_paxos_record(paxos, &record));
  cr_assert(!gr_paxos_trim(paxos, &first, &state));
  cr_assert_eq(gr_paxos_halt_reason(paxos, NULL), GR_OK);
  gr_paxos_free(paxos);
}

Test(paxos_durable, before_it_has_resumed_a_member_takes_no_input) {
  gr_group *group = open_group(3, 0);
  const gr_slice frame = {"x", 1};
  const int answers[] = {gr_group_broadcast(group, NULL, 0, 1, NULL),
                         gr_group_receive(group, 20, frame, 1),
                         gr_group_poll(group, 1),
                         gr_group_transfer(group, 20, 1),
                         gr_group_stored(group, 0),
                         gr_group_checkpoint(group, 0),
                         gr_group_dispatch(group)};
  for (size_t i = 0; i < sizeof(answers) / sizeof(answers[0]); i++)
    cr_assert_eq(answers[i], GR_ERR_STATE, "call %zu", i);
  cr_assert_eq(gr_group_sendable(group, 20), GR_OK);
  cr_assert_eq(gr_group_deadline(group), GR_TIME_NEVER);
  cr_assert_eq(gr_group_restore(group, 1, (gr_slice){NULL, 0}), GR_ERR_INVALID);
  cr_assert_str_eq(host.events, "");
  cr_assert_eq(gr_group_resume(group, host.now), GR_OK, "nothing of it did harm");
  cr_assert(status_of().resumed);
  close_group();
}

Test(paxos_durable, a_member_resumes_once) {
  gr_group *group = open_group(3, 0);
  cr_assert_eq(gr_group_resume(group, host.now), GR_OK);
  cr_assert_eq(gr_group_resume(group, host.now), GR_ERR_STATE);
  cr_assert_eq(gr_group_restore(group, 1, (gr_slice){"x", 1}), GR_ERR_STATE);
  cr_assert_eq(gr_group_halt_reason(group, NULL), GR_OK);
  cr_assert_eq(status_of().boot, 1);
  close_group();
}

Test(paxos_durable, marks_of_the_host_are_checked) {
  gr_group *group = open_alone(0);
  broadcast("a");
  settle();
  gr_ticket stored = status_of().stored;
  cr_assert_eq(gr_group_stored(group, stored + 1), GR_ERR_INVALID);
  cr_assert_eq(gr_group_checkpoint(group, 2), GR_ERR_INVALID);
  cr_assert_eq(gr_group_checkpoint(group, 1), GR_OK);
  cr_assert_eq(gr_group_checkpoint(group, 0), GR_OK, "says nothing new");
  cr_assert_eq(gr_group_checkpoint(group, UINT64_MAX), GR_ERR_INVALID);
  cr_assert_eq(gr_group_stored(group, UINT64_MAX), GR_ERR_INVALID);
  close_group();
  storage_close(&host.storage);
}

/* ---- callbacks ---- */

/* All that is called from inside, but for what only asks or is always allowed. */
static void check_quiet(const struct answers *answers, const char *where) {
  cr_assert_gt(answers->calls, 0, "%s", where);
  for (int i = 0; i < CALL_SENDABLE; i++)
    cr_assert_eq(answers->of[i], GR_ERR_REENTRANT, "%s: call %d", where, i);
}

Test(paxos_durable, callbacks_of_storage_may_not_change_what_they_store) {
  open_alone(0);
  broadcast("a");
  settle();
  cr_assert_eq(gr_group_checkpoint(host.group, 1), GR_OK);
  settle();
  check_quiet(&host.in_store, "store");
  check_quiet(&host.in_sync, "sync");
  check_quiet(&host.in_trim, "trim");
  close_group();
  storage_close(&host.storage);
}

Test(paxos_durable, deliver_may_say_what_is_durable_but_not_come_back) {
  open_alone(0);
  broadcast("a");
  settle();
  const struct answers *answers = &host.in_deliver;
  cr_assert_eq(answers->calls, 1);
  cr_assert_eq(answers->of[CALL_STORED], GR_OK);
  cr_assert_eq(answers->of[CALL_CHECKPOINT], GR_OK);
  const enum call refused[] = {CALL_RESTORE, CALL_RESUME, CALL_DISPATCH, CALL_FREE};
  for (size_t i = 0; i < 4; i++)
    cr_assert_eq(answers->of[refused[i]], GR_ERR_REENTRANT, "call %zu", i);
  close_group();
  /* The same from a delivery that a restore makes. */
  host.in_deliver = (struct answers){.calls = 0};
  open_alone(0);
  cr_assert_str_eq(host.delivered, "a");
  cr_assert_eq(answers->calls, 1);
  cr_assert_eq(answers->of[CALL_STORED], GR_ERR_STATE);
  cr_assert_eq(answers->of[CALL_CHECKPOINT], GR_ERR_STATE);
  for (size_t i = 0; i < 4; i++)
    cr_assert_eq(answers->of[refused[i]], GR_ERR_REENTRANT, "call %zu", i);
  close_group();
  storage_close(&host.storage);
}

/* In ticket order, then one sync; before frames; a trim behind the deliveries. */
Test(paxos_durable, a_dispatch_stores_and_syncs_before_it_sends) {
  gr_group *group = open_group(3, 0);
  cr_assert_eq(gr_group_resume(group, host.now), GR_OK);
  cr_assert_eq(gr_group_poll(group, host.now), GR_OK);
  cr_assert_eq(gr_group_dispatch(group), GR_OK);
  cr_assert_str_eq(host.events, "ssy", "who it is, and its boot");
  cr_assert_eq(gr_group_stored(group, 2), GR_OK);
  cr_assert_eq(gr_group_dispatch(group), GR_OK);
  cr_assert_str_eq(host.events, "ssyff", "a heartbeat to each");
  close_group();
  storage_close(&host.storage);
}

static void check_storage_halted(const char *what) {
  const char *text;
  cr_assert_eq(gr_group_halt_reason(host.group, &text), GR_ERR_STORAGE);
  cr_assert_not_null(strstr(text, what), "%s", text);
  cr_assert_eq(gr_group_stored(host.group, 1), GR_ERR_HALTED);
  cr_assert_eq(gr_group_checkpoint(host.group, 0), GR_ERR_HALTED);
  cr_assert_eq(gr_group_restore(host.group, 1, (gr_slice){"x", 1}), GR_ERR_HALTED);
  cr_assert_eq(gr_group_resume(host.group, 1), GR_ERR_HALTED);
  cr_assert_eq(gr_group_dispatch(host.group), GR_ERR_HALTED);
  cr_assert_eq(gr_group_storage_failed(host.group), GR_OK);
  cr_assert_eq(gr_group_halt_reason(host.group, NULL), GR_ERR_STORAGE);
}

Test(paxos_durable, a_host_that_fails_to_store_halts_the_member) {
  gr_group *group = open_group(3, 0);
  host.store_answer = -1;
  cr_assert_eq(gr_group_resume(group, host.now), GR_OK);
  cr_assert_eq(gr_group_poll(group, host.now), GR_OK);
  cr_assert_eq(gr_group_dispatch(group), GR_ERR_HALTED);
  cr_assert_str_eq(host.events, "s", "no sync, and no frame");
  check_storage_halted("store");
  close_group();
}

Test(paxos_durable, a_host_that_fails_to_trim_halts_the_member) {
  gr_group *group = open_alone(0);
  broadcast("a");
  settle();
  host.trim_answer = 1;
  cr_assert_eq(gr_group_checkpoint(group, 1), GR_OK);
  cr_assert_eq(gr_group_dispatch(group), GR_ERR_HALTED);
  check_storage_halted("trim");
  close_group();
  storage_close(&host.storage);
}

Test(paxos_durable, storage_that_failed_halts_the_member) {
  gr_group *group = open_group(3, 0);
  cr_assert_eq(gr_group_storage_failed(group), GR_OK);
  check_storage_halted("storage");
  close_group();
}

Test(paxos_durable, a_host_that_fails_to_deliver_again_halts_the_member) {
  open_alone(0);
  broadcast("a");
  settle();
  close_group();
  gr_group *group = open_group(1, 0);
  host.deliver_answer = 1;
  int error = GR_OK;
  for (size_t i = 0; error == GR_OK && i < host.storage.count; i++)
    error = gr_group_restore(group, storage_ticket(&host.storage, i),
                             storage_record(&host.storage, i));
  cr_assert_eq(error, GR_ERR_HALTED);
  cr_assert_eq(gr_group_halt_reason(group, NULL), GR_ERR_HOST);
  close_group();
  storage_close(&host.storage);
}

/* ---- a group of one ---- */

Test(paxos_durable, a_group_of_one_keeps_its_messages) {
  open_alone(0);
  cr_assert_eq(broadcast("a"), 1);
  cr_assert_eq(broadcast("b"), 2);
  settle();
  cr_assert_str_eq(host.delivered, "ab");
  close_group();
  open_alone(1);
  cr_assert_str_eq(host.delivered, "b");
  cr_assert_eq(broadcast("c"), 3);
  settle();
  cr_assert_str_eq(host.delivered, "bc");
  cr_assert_eq(gr_group_checkpoint(host.group, 3), GR_OK);
  cr_assert_eq(gr_group_dispatch(host.group), GR_OK);
  cr_assert_not_null(host.storage.state.bytes);
  close_group();
  open_alone(3);
  cr_assert_str_eq(host.delivered, "");
  cr_assert_eq(broadcast("d"), 4);
  settle();
  cr_assert_str_eq(host.delivered, "d");
  cr_assert_eq(status_of().boot, 3);
  close_group();
  storage_close(&host.storage);
}

/* What it was told to broadcast and had not synced is gone, and its number is given
 * again. */
Test(paxos_durable, what_was_not_synced_may_be_lost) {
  open_alone(0);
  cr_assert_eq(broadcast("a"), 1);
  settle();
  size_t durable = host.storage.count;
  cr_assert_eq(broadcast("b"), 2);
  cr_assert_eq(gr_group_dispatch(host.group), GR_OK);
  cr_assert_str_eq(host.delivered, "a", "one of one has not accepted it yet");
  close_group();
  storage_lose(&host.storage, durable);
  open_alone(1);
  cr_assert_eq(broadcast("c"), 2);
  settle();
  cr_assert_str_eq(host.delivered, "c");
  close_group();
  storage_close(&host.storage);
}

/* What a host that has applied the first message, or all, is told about its history. */
static int resume_with(gr_seqno applied, uint64_t digest) {
  open_with(1, applied, digest);
  give_back();
  int error = gr_group_resume(host.group, host.now);
  if (error == GR_OK) settle();
  if (error == GR_OK && applied > status_of().seqno) {
    broadcast("c"); /* which its host has already, it says */
    error = gr_group_dispatch(host.group);
    if (error == GR_OK) error = gr_group_stored(host.group, status_of().stored);
    if (error == GR_OK) error = gr_group_dispatch(host.group);
  }
  if (error != GR_OK)
    cr_assert_eq(gr_group_halt_reason(host.group, NULL), GR_ERR_DIVERGED);
  close_group();
  return error;
}

Test(paxos_durable, a_host_whose_state_is_not_of_this_history_halts) {
  uint64_t digests[4] = {0};
  open_alone(0);
  for (size_t i = 1; i <= 2; i++) {
    broadcast("a");
    settle();
    digests[i] = status_of().digest;
  }
  close_group();
  for (gr_seqno applied = 1; applied <= 2; applied++) {
    cr_assert_eq(resume_with(applied, 0), GR_OK);
    cr_assert_eq(resume_with(applied, digests[applied]), GR_OK);
    cr_assert_eq(resume_with(applied, digests[applied] ^ 1), GR_ERR_HALTED);
  }
  cr_assert_eq(resume_with(3, digests[2]), GR_ERR_HALTED, "found when it gets there");
  storage_close(&host.storage);
}
