/* SPDX-License-Identifier: MIT
 *
 * Write commands, from words to the ordered message. Only their spelling is checked here;
 * what they do is worked out when they are applied, in apply.c.
 */
#include "commands.h"

#define NOT_AN_INTEGER "ERR value is not an integer or out of range"

/* The message with everything but its number and flags. Its words are the request's from
 * the second on. */
static struct kv_message message_of(const struct kv_session *session,
                                    enum kv_operation operation, size_t word_count) {
  return (struct kv_message){.operation = operation,
                             .time_ms = session->now_ms,
                             .word_count = (uint32_t)word_count};
}

/* EX seconds or PX milliseconds, from now on, as the moment of expiry. */
static bool read_expiry(const struct kv_session *session, struct kv_string text,
                        int64_t unit_ms, struct kv_message *message,
                        struct kv_buffer *reply) {
  int64_t amount;
  if (!kv_parse_integer(text, &amount)) {
    kv_reply_error(reply, NOT_AN_INTEGER);
    return false;
  }
  if (amount <= 0 || amount > (INT64_MAX - (int64_t)session->now_ms) / unit_ms) {
    kv_reply_error(reply, "ERR invalid expire time in 'set' command");
    return false;
  }
  message->flags |= KV_FLAG_EXPIRES;
  message->number = (int64_t)session->now_ms + amount * unit_ms;
  return true;
}

static bool syntax_error(struct kv_buffer *reply) {
  kv_reply_error(reply, "ERR syntax error");
  return false;
}

/* SET key value [NX | XX] [EX seconds | PX milliseconds] */
bool kv_prepare_set(const struct kv_session *session, const struct kv_request *request,
                    struct kv_message *message, struct kv_buffer *reply) {
  *message = message_of(session, KV_SET, 2);
  for (size_t i = 3; i < request->count; i++) {
    struct kv_string word = kv_request_arg(request, i);
    bool seconds = kv_string_is(word, "EX");
    if (seconds || kv_string_is(word, "PX")) {
      if ((message->flags & KV_FLAG_EXPIRES) || i + 1 == request->count)
        return syntax_error(reply);
      if (!read_expiry(session, kv_request_arg(request, ++i), seconds ? 1000 : 1, message,
                       reply))
        return false;
      continue;
    }
    bool absent = kv_string_is(word, "NX");
    if (!absent && !kv_string_is(word, "XX")) return syntax_error(reply);
    message->flags |= absent ? KV_FLAG_IF_ABSENT : KV_FLAG_IF_PRESENT;
  }
  uint8_t both = KV_FLAG_IF_ABSENT | KV_FLAG_IF_PRESENT;
  return (message->flags & both) != both || syntax_error(reply);
}

static bool prepare_add(const struct kv_session *session, int64_t number,
                        struct kv_message *message) {
  *message = message_of(session, KV_ADD, 1);
  message->number = number;
  return true;
}

bool kv_prepare_incr(const struct kv_session *session, const struct kv_request *request,
                     struct kv_message *message, struct kv_buffer *reply) {
  (void)request;
  (void)reply;
  return prepare_add(session, 1, message);
}

bool kv_prepare_decr(const struct kv_session *session, const struct kv_request *request,
                     struct kv_message *message, struct kv_buffer *reply) {
  (void)request;
  (void)reply;
  return prepare_add(session, -1, message);
}

bool kv_prepare_incrby(const struct kv_session *session, const struct kv_request *request,
                       struct kv_message *message, struct kv_buffer *reply) {
  int64_t number;
  if (kv_parse_integer(kv_request_arg(request, 2), &number))
    return prepare_add(session, number, message);
  kv_reply_error(reply, NOT_AN_INTEGER);
  return false;
}

bool kv_prepare_decrby(const struct kv_session *session, const struct kv_request *request,
                       struct kv_message *message, struct kv_buffer *reply) {
  int64_t number;
  if (kv_parse_integer(kv_request_arg(request, 2), &number) && number != INT64_MIN)
    return prepare_add(session, -number, message);
  kv_reply_error(reply, NOT_AN_INTEGER);
  return false;
}

bool kv_prepare_append(const struct kv_session *session, const struct kv_request *request,
                       struct kv_message *message, struct kv_buffer *reply) {
  (void)request;
  (void)reply;
  *message = message_of(session, KV_APPEND, 2);
  return true;
}

bool kv_prepare_del(const struct kv_session *session, const struct kv_request *request,
                    struct kv_message *message, struct kv_buffer *reply) {
  (void)reply;
  *message = message_of(session, KV_DELETE, request->count - 1);
  return true;
}

bool kv_prepare_mset(const struct kv_session *session, const struct kv_request *request,
                     struct kv_message *message, struct kv_buffer *reply) {
  if (request->count % 2 == 0) {
    kv_reply_error(reply, "ERR wrong number of arguments for 'MSET'");
    return false;
  }
  *message = message_of(session, KV_SET_MANY, request->count - 1);
  return true;
}

/* FLUSHALL and FLUSHDB, [ASYNC | SYNC]: the words mean nothing here. */
bool kv_prepare_flush(const struct kv_session *session, const struct kv_request *request,
                      struct kv_message *message, struct kv_buffer *reply) {
  for (size_t i = 1; i < request->count; i++) {
    struct kv_string word = kv_request_arg(request, i);
    if (i > 1 || (!kv_string_is(word, "ASYNC") && !kv_string_is(word, "SYNC")))
      return syntax_error(reply);
  }
  *message = message_of(session, KV_CLEAR, 0);
  return true;
}
