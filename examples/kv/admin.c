/* SPDX-License-Identifier: MIT
 *
 * Commands about the server and the connection: what redis-cli and redis-benchmark ask
 * for before they get to work.
 */
#include "commands.h"

#include <stdio.h>
#include <string.h>

static void reply_text(struct kv_buffer *reply, const char *text) {
  kv_reply_bulk(reply, kv_string_of(text));
}

void kv_run_ping(struct kv_session *session, const struct kv_request *request,
                 struct kv_buffer *reply) {
  (void)session;
  if (request->count == 1)
    kv_reply_status(reply, "PONG");
  else if (request->count == 2)
    kv_reply_bulk(reply, kv_request_arg(request, 1));
  else
    kv_reply_error(reply, "ERR wrong number of arguments for 'PING'");
}

void kv_run_echo(struct kv_session *session, const struct kv_request *request,
                 struct kv_buffer *reply) {
  (void)session;
  kv_reply_bulk(reply, kv_request_arg(request, 1));
}

void kv_run_quit(struct kv_session *session, const struct kv_request *request,
                 struct kv_buffer *reply) {
  (void)request;
  session->quitting = true;
  kv_reply_status(reply, "OK");
}

void kv_run_select(struct kv_session *session, const struct kv_request *request,
                   struct kv_buffer *reply) {
  (void)session;
  if (kv_string_is(kv_request_arg(request, 1), "0"))
    kv_reply_status(reply, "OK");
  else
    kv_reply_error(reply, "ERR DB index is out of range: there is only 0");
}

void kv_run_transaction(struct kv_session *session, const struct kv_request *request,
                        struct kv_buffer *reply) {
  (void)session;
  struct kv_string name = kv_request_arg(request, 0);
  kv_reply_error(reply, "ERR %.*s is not supported: gr-kv has no transactions",
                 (int)name.size, (const char *)name.data);
}

/* HELLO [2]: who is there. Version 3 of the protocol is refused as by a server without
 * it. */
void kv_run_hello(struct kv_session *session, const struct kv_request *request,
                  struct kv_buffer *reply) {
  if (request->count > 1 && !kv_string_is(kv_request_arg(request, 1), "2")) {
    kv_reply_error(reply, "NOPROTO unsupported protocol version");
    return;
  }
  if (request->count > 2) {
    kv_reply_error(reply,
                   "ERR HELLO takes no options here: there are no users to authenticate");
    return;
  }
  kv_reply_array(reply, 14);
  reply_text(reply, "server");
  reply_text(reply, "gr-kv");
  reply_text(reply, "version");
  reply_text(reply, GR_VERSION_STRING);
  reply_text(reply, "proto");
  kv_reply_integer(reply, 2);
  reply_text(reply, "id");
  kv_reply_integer(reply, (int64_t)session->id);
  reply_text(reply, "mode");
  reply_text(reply, "replicated");
  reply_text(reply, "role");
  reply_text(reply, "master"); /* every member takes writes */
  reply_text(reply, "modules");
  kv_reply_array(reply, 0);
}

static void set_name(struct kv_session *session, struct kv_string name,
                     struct kv_buffer *reply) {
  for (size_t i = 0; i < name.size; i++) {
    if (name.data[i] > ' ' && name.data[i] < 127) continue;
    kv_reply_error(reply, "ERR client names cannot contain blanks or special characters");
    return;
  }
  if (name.size > KV_CLIENT_NAME_MAX) {
    kv_reply_error(reply, "ERR client names are of %d bytes at most", KV_CLIENT_NAME_MAX);
    return;
  }
  if (name.size > 0) memcpy(session->name, name.data, name.size);
  session->name_size = name.size;
  kv_reply_status(reply, "OK");
}

/* CLIENT ID | GETNAME | SETNAME name | SETINFO attribute value */
void kv_run_client(struct kv_session *session, const struct kv_request *request,
                   struct kv_buffer *reply) {
  struct kv_string verb = kv_request_arg(request, 1);
  if (kv_string_is(verb, "ID") && request->count == 2) {
    kv_reply_integer(reply, (int64_t)session->id);
  } else if (kv_string_is(verb, "GETNAME") && request->count == 2) {
    if (session->name_size == 0)
      kv_reply_nil(reply);
    else
      kv_reply_bulk(reply, (struct kv_string){session->name, session->name_size});
  } else if (kv_string_is(verb, "SETNAME") && request->count == 3) {
    set_name(session, kv_request_arg(request, 2), reply);
  } else if (kv_string_is(verb, "SETINFO") && request->count == 4) {
    kv_reply_status(reply, "OK");
  } else {
    kv_reply_error(reply,
                   "ERR CLIENT knows ID, GETNAME, SETNAME name, SETINFO attribute value");
  }
}

/* CONFIG GET pattern...: what clients of Redis look at, and the limits. */
void kv_run_config(struct kv_session *session, const struct kv_request *request,
                   struct kv_buffer *reply) {
  if (!kv_string_is(kv_request_arg(request, 1), "GET") || request->count < 3) {
    kv_reply_error(
        reply, "ERR CONFIG knows GET pattern: settings are given on the command line");
    return;
  }
  const struct kv_options *options = session->service->options;
  char clients[24];
  char bulk[24];
  snprintf(clients, sizeof(clients), "%u", options->clients_max);
  snprintf(bulk, sizeof(bulk), "%llu", (unsigned long long)options->message_bytes_max);
  const char *const settings[][2] = {{"save", ""},
                                     {"appendonly", options->data_path ? "yes" : "no"},
                                     {"databases", "1"},
                                     {"maxclients", clients},
                                     {"proto-max-bulk-len", bulk}};
  const size_t count = sizeof(settings) / sizeof(settings[0]);
  bool wanted[sizeof(settings) / sizeof(settings[0])] = {false};
  size_t found = 0;
  for (size_t i = 0; i < count; i++)
    for (size_t j = 2; j < request->count && !wanted[i]; j++)
      wanted[i] =
          kv_glob_matches(kv_request_arg(request, j), kv_string_of(settings[i][0]));
  for (size_t i = 0; i < count; i++) found += wanted[i];
  kv_reply_array(reply, found * 2);
  for (size_t i = 0; i < count; i++) {
    if (!wanted[i]) continue;
    reply_text(reply, settings[i][0]);
    reply_text(reply, settings[i][1]);
  }
}

static void reply_command(struct kv_buffer *reply, const struct kv_command *command) {
  kv_reply_array(reply, 6);
  reply_text(reply, command->name);
  kv_reply_integer(reply, command->arity);
  kv_reply_array(reply, 1);
  kv_reply_status(reply, command->prepare ? "write" : "readonly");
  kv_reply_integer(reply, command->first_key);
  kv_reply_integer(reply, command->last_key);
  kv_reply_integer(reply, command->key_step);
}

/* COMMAND [COUNT | DOCS ...]: the table; there are no texts to it. */
void kv_run_command(struct kv_session *session, const struct kv_request *request,
                    struct kv_buffer *reply) {
  (void)session;
  size_t count;
  const struct kv_command *list = kv_command_list(&count);
  if (request->count == 1) {
    kv_reply_array(reply, count);
    for (size_t i = 0; i < count; i++) reply_command(reply, &list[i]);
  } else if (kv_string_is(kv_request_arg(request, 1), "COUNT") && request->count == 2) {
    kv_reply_integer(reply, (int64_t)count);
  } else if (kv_string_is(kv_request_arg(request, 1), "DOCS")) {
    kv_reply_array(reply, 0);
  } else {
    kv_reply_error(reply, "ERR COMMAND knows COUNT and DOCS");
  }
}
