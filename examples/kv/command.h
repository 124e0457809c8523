/* SPDX-License-Identifier: MIT
 *
 * The commands: names, numbers of words, and what each does. Two kinds: a write becomes
 * an ordered message (prepare); everything else is answered by this member alone (run).
 */
#ifndef KV_COMMAND_H
#define KV_COMMAND_H

#include "message.h"
#include "service.h"

struct kv_command {
  const char *name; /* upper case */
  int arity;        /* words, the name included; -n: n or more */

  /* Of a write: makes the message. False: the reply says what is wrong. Changes nothing.
   */
  bool (*prepare)(const struct kv_session *session, const struct kv_request *request,
                  struct kv_message *message, struct kv_buffer *reply);

  /* Of any other command: answers it. */
  void (*run)(struct kv_session *session, const struct kv_request *request,
              struct kv_buffer *reply);

  /* Where its keys are, for COMMAND: first, last (-1: to the end), step. */
  int first_key;
  int last_key;
  int key_step;

  bool while_loading; /* needs neither the store nor the group */
};

/* The command that the request names, with as many words as it needs; else NULL, and the
 * reply says what is wrong. */
const struct kv_command *kv_command_find(const struct kv_request *request,
                                         struct kv_buffer *reply);

/* All commands; `*count` is how many. */
const struct kv_command *kv_command_list(size_t *count);

/* The most words that a request may have. */
#define KV_ARGS_MAX 65536

#endif
