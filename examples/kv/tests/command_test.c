/* SPDX-License-Identifier: MIT
 *
 * Write commands from their words to what they do to the store and what they answer, and
 * the commands that one member answers alone.
 */
#include "words.h"

#include <criterion/criterion.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

/* Steps on one store, at 1000 ms unless a step sets the time: "@ms command". */
static const struct {
  const char *command;
  const char *reply;
} steps[] = {
    {"SET a 1", "+OK\r\n"},
    {"SET a 2 NX", "$-1\r\n"},
    {"set b 2 nx", "+OK\r\n"},
    {"SET c 2 XX", "$-1\r\n"},
    {"SET a 10 XX", "+OK\r\n"},
    {"INCR a", ":11\r\n"},
    {"INCRBY a 9", ":20\r\n"},
    {"DECR a", ":19\r\n"},
    {"DECRBY a 29", ":-10\r\n"},
    {"INCR new", ":1\r\n"},
    {"DECR new2", ":-1\r\n"},
    {"APPEND a x", ":4\r\n"},
    {"INCR a", "-ERR value is not an integer or out of range\r\n"},
    {"APPEND fresh abc", ":3\r\n"},
    {"SET big 9223372036854775807", "+OK\r\n"},
    {"INCR big", "-ERR increment or decrement would overflow\r\n"},
    {"INCRBY big -9223372036854775808", ":-1\r\n"},
    {"INCRBY big -9223372036854775807", ":-9223372036854775808\r\n"},
    {"DECR big", "-ERR increment or decrement would overflow\r\n"},
    {"DECRBY big -9223372036854775808",
     "-ERR value is not an integer or out of range\r\n"},
    {"INCRBY a 1x", "-ERR value is not an integer or out of range\r\n"},
    {"DEL a b nothere", ":2\r\n"},
    {"MSET a 1 b 2 a 3", "+OK\r\n"},
    {"INCR a", ":4\r\n"},
    {"MSET a 1 b", "-ERR wrong number of arguments for 'MSET'\r\n"},
    {"SET a", "-ERR wrong number of arguments for 'SET'\r\n"},
    {"SET a 1 ZZ", "-ERR syntax error\r\n"},
    {"SET a 1 NX XX", "-ERR syntax error\r\n"},
    {"SET a 1 EX", "-ERR syntax error\r\n"},
    {"SET a 1 EX 1 PX 1", "-ERR syntax error\r\n"},
    {"SET a 1 EX one", "-ERR value is not an integer or out of range\r\n"},
    {"SET a 1 EX 0", "-ERR invalid expire time in 'set' command\r\n"},
    {"SET a 1 PX -5", "-ERR invalid expire time in 'set' command\r\n"},
    {"SET a 1 EX 9223372036854775807", "-ERR invalid expire time in 'set' command\r\n"},
    {"SET a 1 PX 9223372036854774808", "-ERR invalid expire time in 'set' command\r\n"},
    {"FLUSHALL LATER", "-ERR syntax error\r\n"},
    {"FLUSHALL ASYNC", "+OK\r\n"},
    {"SET e 1 PX 100", "+OK\r\n"},
    {"@1099 SET e 2 NX", "$-1\r\n"},
    {"@1099 INCR e", ":2\r\n"},
    {"@1100 SET e 5 NX EX 1", "+OK\r\n"},
    {"@1050 SET e 6 NX", "$-1\r\n"},
    {"@2099 SET e 7 XX", "+OK\r\n"},
    {"@9000 INCR e", ":8\r\n"},
    {"NOSUCH a", "-ERR unknown command 'NOSUCH'\r\n"},
};

Test(command, writes_step_by_step) {
  struct kv_store *store = kv_store_new();
  for (size_t i = 0; i < sizeof(steps) / sizeof(steps[0]); i++) {
    unsigned long long now_ms = 1000;
    int skip = 0;
    if (steps[i].command[0] == '@')
      cr_assert_eq(sscanf(steps[i].command, "@%llu %n", &now_ms, &skip), 1);
    const char *reply = words_apply(store, now_ms, steps[i].command + skip);
    cr_assert_str_eq(reply, steps[i].reply, "step %zu, %s", i, steps[i].command);
  }
  kv_store_free(store);
}

static bool no_group(void *context, struct kv_group_facts *facts) {
  (void)context;
  (void)facts;
  return false;
}

/* Runs a command that is no write, on a store with keys a and key:1. */
static const char *run(struct kv_session *session, const char *text) {
  struct words words;
  words_split(&words, text);
  struct kv_buffer reply = kv_buffer_of(4000);
  const struct kv_command *command = kv_command_find(&words.request, &reply);
  if (command) {
    cr_assert_not_null(command->run, "%s is a write", text);
    command->run(session, &words.request, &reply);
  }
  const char *taken = words_taken(&reply);
  kv_buffer_release(&reply);
  return taken;
}

Test(command, what_one_member_answers_alone) {
  static const struct {
    const char *command;
    const char *reply;
  } cases[] = {
      {"PING", "+PONG\r\n"},
      {"ping hello", "$5\r\nhello\r\n"},
      {"PING a b", "-ERR wrong number of arguments for 'PING'\r\n"},
      {"ECHO hello", "$5\r\nhello\r\n"},
      {"GET a", "$1\r\n1\r\n"},
      {"GET b", "$-1\r\n"},
      {"MGET a b a", "*3\r\n$1\r\n1\r\n$-1\r\n$1\r\n1\r\n"},
      {"EXISTS a b a", ":2\r\n"},
      {"DBSIZE", ":2\r\n"},
      {"KEYS key:*", "*1\r\n$5\r\nkey:1\r\n"},
      {"SCAN 0 MATCH a COUNT 100000", "*2\r\n$1\r\n0\r\n*1\r\n$1\r\na\r\n"},
      {"SCAN x", "-ERR invalid cursor\r\n"},
      {"SCAN 99999999999999999999", "-ERR invalid cursor\r\n"},
      {"SCAN 0 COUNT 0", "-ERR syntax error\r\n"},
      {"SCAN 0 MATCH", "-ERR syntax error\r\n"},
      {"SELECT 0", "+OK\r\n"},
      {"SELECT 1", "-ERR DB index is out of range: there is only 0\r\n"},
      {"HELLO 3", "-NOPROTO unsupported protocol version\r\n"},
      {"CONFIG GET save", "*2\r\n$4\r\nsave\r\n$0\r\n\r\n"},
      {"CONFIG GET appendonly", "*2\r\n$10\r\nappendonly\r\n$2\r\nno\r\n"},
      {"CLIENT GETNAME", "$-1\r\n"},
      {"CLIENT SETNAME me", "+OK\r\n"},
      {"CLIENT GETNAME", "$2\r\nme\r\n"},
      {"CLIENT SETINFO lib-name x", "+OK\r\n"},
      {"COMMAND DOCS", "*0\r\n"},
      {"MULTI", "-ERR MULTI is not supported: gr-kv has no transactions\r\n"},
      {"GET", "-ERR wrong number of arguments for 'GET'\r\n"},
  };
  static const struct kv_options options = {.clients_max = 7};
  struct kv_service service = {.options = &options,
                               .store = kv_store_new(),
                               .inspect = no_group};
  struct kv_session session = {.service = &service, .now_ms = 1000};
  words_apply(service.store, 1000, "MSET a 1 key:1 2");
  for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
    cr_assert_str_eq(run(&session, cases[i].command), cases[i].reply, "%s",
                     cases[i].command);
  cr_assert(strstr(run(&session, "INFO group"), "role:halted\r\n"));
  cr_assert_not(strstr(run(&session, "INFO group"), "process_id"));
  cr_assert(strstr(run(&session, "INFO"), "db0:keys=2\r\n"));
  cr_assert_str_eq(strstr(run(&session, "INFO durable"), "#"),
                   "# Durable\r\nmode:volatile\r\n\r\n");
  cr_assert_not(session.quitting);
  cr_assert_str_eq(run(&session, "QUIT"), "+OK\r\n");
  cr_assert(session.quitting);
  kv_store_free(service.store);
}

Test(command, a_durable_member_tells_of_its_snapshot) {
  static const struct kv_options options = {.data_path = "somewhere"};
  const struct kv_checkpoint checkpoint = {.latest = {.seqno = 77, .bytes = 1234},
                                           .count = 3,
                                           .child = 1,
                                           .error = ENOSPC};
  struct kv_service service = {.options = &options,
                               .store = kv_store_new(),
                               .checkpoint = &checkpoint,
                               .loading = true,
                               .inspect = no_group};
  struct kv_session session = {.service = &service};
  static const char *const lines[] = {"mode:durable\r\n",
                                      "loading:1\r\n",
                                      "snapshot_seqno:77\r\n",
                                      "snapshot_bytes:1234\r\n",
                                      "snapshots_written:3\r\n",
                                      "snapshot_in_progress:1\r\n",
                                      "snapshot_last_status:No space left on device\r\n"};
  for (size_t i = 0; i < sizeof(lines) / sizeof(lines[0]); i++)
    cr_assert(strstr(run(&session, "INFO durable"), lines[i]), "%s", lines[i]);
  cr_assert(strstr(run(&session, "INFO group"), "role:loading\r\n"));
  cr_assert_str_eq(run(&session, "CONFIG GET appendonly"),
                   "*2\r\n$10\r\nappendonly\r\n$3\r\nyes\r\n");
  kv_store_free(service.store);
}

/* While the log is replayed, all that shows or changes the state must wait. */
Test(command, what_needs_the_state_waits_for_it) {
  size_t count;
  const struct kv_command *list = kv_command_list(&count);
  for (size_t i = 0; i < count; i++) {
    const char *name = list[i].name;
    bool harmless =
        !strcmp(name, "INFO") || !strcmp(name, "ECHO") || !strcmp(name, "COMMAND") ||
        !strcmp(name, "CONFIG") || !strcmp(name, "CLIENT") || !strcmp(name, "SELECT") ||
        !strcmp(name, "HELLO") || !strcmp(name, "QUIT") || !strcmp(name, "GR");
    cr_assert_eq(list[i].while_loading, harmless, "%s", name);
  }
}

/* The digest is a function of what was written, not of how: two stores, two ways. */
Test(command, the_same_contents_by_other_ways_have_the_same_digest) {
  struct kv_store *one = kv_store_new();
  struct kv_store *other = kv_store_new();
  words_apply(one, 1000, "MSET a 12 b xy c 1");
  words_apply(one, 1000, "DEL c");
  words_apply(other, 2000, "APPEND b x");
  words_apply(other, 2000, "INCRBY a 12");
  cr_assert_neq(kv_store_digest(one), kv_store_digest(other));
  words_apply(other, 2000, "APPEND b y");
  cr_assert_eq(kv_store_digest(one), kv_store_digest(other));
  kv_store_free(one);
  kv_store_free(other);
}
