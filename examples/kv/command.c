/* SPDX-License-Identifier: MIT
 *
 * The table of commands. See command.h.
 */
#include "commands.h"

/* In the order of how often they come: the search is linear. */
static const struct kv_command commands[] = {
    {"GET", 2, NULL, kv_run_get, 1, 1, 1, false},
    {"SET", -3, kv_prepare_set, NULL, 1, 1, 1, false},
    {"INCR", 2, kv_prepare_incr, NULL, 1, 1, 1, false},
    {"MGET", -2, NULL, kv_run_mget, 1, -1, 1, false},
    {"MSET", -3, kv_prepare_mset, NULL, 1, -1, 2, false},
    {"DEL", -2, kv_prepare_del, NULL, 1, -1, 1, false},
    {"EXISTS", -2, NULL, kv_run_exists, 1, -1, 1, false},
    {"APPEND", 3, kv_prepare_append, NULL, 1, 1, 1, false},
    {"INCRBY", 3, kv_prepare_incrby, NULL, 1, 1, 1, false},
    {"DECR", 2, kv_prepare_decr, NULL, 1, 1, 1, false},
    {"DECRBY", 3, kv_prepare_decrby, NULL, 1, 1, 1, false},
    {"PING", -1, NULL, kv_run_ping, 0, 0, 0, false},
    {"ECHO", 2, NULL, kv_run_echo, 0, 0, 0, true},
    {"KEYS", 2, NULL, kv_run_keys, 0, 0, 0, false},
    {"SCAN", -2, NULL, kv_run_scan, 0, 0, 0, false},
    {"DBSIZE", 1, NULL, kv_run_dbsize, 0, 0, 0, false},
    {"DIGEST", 1, NULL, kv_run_digest, 0, 0, 0, false},
    {"FLUSHALL", -1, kv_prepare_flush, NULL, 0, 0, 0, false},
    {"FLUSHDB", -1, kv_prepare_flush, NULL, 0, 0, 0, false},
    {"INFO", -1, NULL, kv_run_info, 0, 0, 0, true},
    {"GR", -2, NULL, kv_run_gr, 0, 0, 0, true},
    {"COMMAND", -1, NULL, kv_run_command, 0, 0, 0, true},
    {"CONFIG", -2, NULL, kv_run_config, 0, 0, 0, true},
    {"CLIENT", -2, NULL, kv_run_client, 0, 0, 0, true},
    {"SELECT", 2, NULL, kv_run_select, 0, 0, 0, true},
    {"HELLO", -1, NULL, kv_run_hello, 0, 0, 0, true},
    {"QUIT", -1, NULL, kv_run_quit, 0, 0, 0, true},
    {"MULTI", -1, NULL, kv_run_transaction, 0, 0, 0, false},
    {"EXEC", -1, NULL, kv_run_transaction, 0, 0, 0, false},
    {"DISCARD", -1, NULL, kv_run_transaction, 0, 0, 0, false},
    {"WATCH", -1, NULL, kv_run_transaction, 0, 0, 0, false},
    {"UNWATCH", -1, NULL, kv_run_transaction, 0, 0, 0, false},
};

#define COMMAND_COUNT (sizeof(commands) / sizeof(commands[0]))

/* As much of an unknown name as an error repeats. */
#define NAME_SHOWN_MAX 64

const struct kv_command *kv_command_list(size_t *count) {
  *count = COMMAND_COUNT;
  return commands;
}

static bool takes(const struct kv_command *command, size_t words) {
  if (command->arity < 0) return words >= (size_t)-command->arity;
  return words == (size_t)command->arity;
}

const struct kv_command *kv_command_find(const struct kv_request *request,
                                         struct kv_buffer *reply) {
  struct kv_string name = kv_request_arg(request, 0);
  for (size_t i = 0; i < COMMAND_COUNT; i++) {
    if (!kv_string_is(name, commands[i].name)) continue;
    if (takes(&commands[i], request->count)) return &commands[i];
    kv_reply_error(reply, "ERR wrong number of arguments for '%s'", commands[i].name);
    return NULL;
  }
  int shown = (int)(name.size < NAME_SHOWN_MAX ? name.size : NAME_SHOWN_MAX);
  kv_reply_error(reply, "ERR unknown command '%.*s'", shown, (const char *)name.data);
  return NULL;
}
