/* SPDX-License-Identifier: MIT
 *
 * See resp.h. Every number that a client sends is checked against a limit before it is
 * used as a size, and memory grows with what has arrived, never with what was announced.
 */
#include "resp.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Words that ordinary commands have. */
#define SPANS_MIN 16

/* A parser that once held more words than this gives the memory back. */
#define SPANS_KEPT 1024

/* "*" or "$", a number of up to 20 characters, carriage return, line feed. */
#define HEAD_BYTES_MAX 23

void kv_parser_init(struct kv_parser *parser, const struct kv_resp_limits *limits) {
  *parser = (struct kv_parser){.limits = *limits};
}

void kv_parser_release(struct kv_parser *parser) {
  free(parser->spans);
  kv_parser_init(parser, &(struct kv_resp_limits){0});
}

static enum kv_parse broken(struct kv_parser *parser, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

static enum kv_parse broken(struct kv_parser *parser, const char *format, ...) {
  va_list values;
  va_start(values, format);
  vsnprintf(parser->error, sizeof(parser->error), format, values);
  va_end(values);
  return KV_PARSE_BROKEN;
}

static enum kv_parse add_span(struct kv_parser *parser, size_t offset, size_t size) {
  if (parser->span_count == parser->span_capacity) {
    size_t capacity = parser->span_capacity ? parser->span_capacity * 2 : SPANS_MIN;
    struct kv_span *spans = realloc(parser->spans, capacity * sizeof(*spans));
    if (!spans) return broken(parser, "out of memory");
    parser->spans = spans;
    parser->span_capacity = capacity;
  }
  parser->spans[parser->span_count++] = (struct kv_span){.offset = offset, .size = size};
  return KV_PARSE_COMMAND;
}

/* Reads "<mark><number>\r\n" at the position; moves the position past it. */
static enum kv_parse read_head(struct kv_parser *parser, const uint8_t *bytes,
                               size_t size, int64_t *number) {
  const uint8_t *head = bytes + parser->position;
  size_t left = size - parser->position;
  size_t within = left < HEAD_BYTES_MAX ? left : HEAD_BYTES_MAX;
  const uint8_t *end = within > 0 ? memchr(head, '\r', within) : NULL;
  if (!end)
    return left < HEAD_BYTES_MAX
               ? KV_PARSE_MORE
               : broken(parser, "a length is longer than a number can be");
  size_t line = (size_t)(end - head);
  if (line + 1 == left) return KV_PARSE_MORE;
  if (head[line + 1] != '\n') return broken(parser, "carriage return without line feed");
  if (!kv_parse_integer((struct kv_string){head + 1, line - 1}, number))
    return broken(parser, "a length is not a number");
  parser->position += line + 2;
  return KV_PARSE_COMMAND;
}

/* True if a word of this size, and its line end, would pass the limit of a command. */
static bool exceeds_limit(const struct kv_parser *parser, uint64_t word_size) {
  size_t limit = parser->limits.command_bytes_max;
  size_t left = limit > parser->position ? limit - parser->position : 0;
  return left < 2 || word_size > left - 2;
}

/* Reads one bulk string. */
static enum kv_parse read_bulk(struct kv_parser *parser, const uint8_t *bytes,
                               size_t size) {
  if (!parser->bulk_known) {
    if (parser->position == size) return KV_PARSE_MORE;
    uint8_t mark = bytes[parser->position];
    if (mark != '$')
      return broken(parser, "expected '$', got '%c'",
                    mark >= 32 && mark < 127 ? mark : '?');
    int64_t number;
    enum kv_parse result = read_head(parser, bytes, size, &number);
    if (result != KV_PARSE_COMMAND) return result;
    if (number < 0) return broken(parser, "invalid bulk length");
    if (exceeds_limit(parser, (uint64_t)number))
      return broken(parser, "the command exceeds %zu bytes",
                    parser->limits.command_bytes_max);
    parser->bulk_size = (size_t)number;
    parser->bulk_known = true;
  }
  if (size - parser->position < parser->bulk_size + 2) return KV_PARSE_MORE;
  const uint8_t *end = bytes + parser->position + parser->bulk_size;
  if (end[0] != '\r' || end[1] != '\n')
    return broken(parser, "a bulk string does not end where its length says");
  enum kv_parse result = add_span(parser, parser->position, parser->bulk_size);
  if (result != KV_PARSE_COMMAND) return result;
  parser->position += parser->bulk_size + 2;
  parser->bulk_known = false;
  return KV_PARSE_COMMAND;
}

static enum kv_parse look_at_array(struct kv_parser *parser, const uint8_t *bytes,
                                   size_t size) {
  if (parser->position == 0) {
    int64_t number;
    enum kv_parse result = read_head(parser, bytes, size, &number);
    if (result != KV_PARSE_COMMAND) return result;
    if (number > 0 && (uint64_t)number > parser->limits.args_max)
      return broken(parser, "invalid multibulk length: more than %zu words",
                    parser->limits.args_max);
    parser->args_expected = number > 0 ? (size_t)number : 0;
  }
  while (parser->span_count < parser->args_expected) {
    enum kv_parse result = read_bulk(parser, bytes, size);
    if (result != KV_PARSE_COMMAND) return result;
  }
  return KV_PARSE_COMMAND;
}

static int hex_digit(uint8_t byte) {
  if (byte >= '0' && byte <= '9') return byte - '0';
  if (byte >= 'a' && byte <= 'f') return byte - 'a' + 10;
  if (byte >= 'A' && byte <= 'F') return byte - 'A' + 10;
  return -1;
}

/* Reads what follows a backslash between double quotes, at bytes[*at]; moves *at past it.
 */
static uint8_t escaped(const uint8_t *bytes, size_t *at, size_t line) {
  uint8_t byte = bytes[(*at)++];
  if (byte == 'x' && line - *at >= 2) {
    int high = hex_digit(bytes[*at]);
    int low = hex_digit(bytes[*at + 1]);
    if (high >= 0 && low >= 0) {
      *at += 2;
      return (uint8_t)(high << 4 | low);
    }
  }
  switch (byte) {
  case 'n':
    return '\n';
  case 'r':
    return '\r';
  case 't':
    return '\t';
  case 'b':
    return '\b';
  case 'a':
    return '\a';
  default:
    return byte;
  }
}

/* Unquotes the word that begins at bytes[*at], over itself, which it cannot outgrow;
 * moves *at past it. False if a quote does not end, or a letter follows where a blank
 * must. */
static bool unquote(uint8_t *bytes, size_t *at, size_t line, size_t *word_size) {
  size_t write = *at;
  size_t begin = *at;
  uint8_t quote = 0;
  while (*at < line) {
    uint8_t byte = bytes[(*at)++];
    if (quote == 0) {
      if (byte == ' ' || byte == '\t') break;
      if (byte == '"' || byte == '\'')
        quote = byte;
      else
        bytes[write++] = byte;
    } else if (byte == quote) {
      if (*at < line && bytes[*at] != ' ' && bytes[*at] != '\t') return false;
      quote = 0;
    } else if (byte == '\\' && *at < line && (quote == '"' || bytes[*at] == '\'')) {
      bytes[write++] = escaped(bytes, at, line);
    } else {
      bytes[write++] = byte;
    }
  }
  *word_size = write - begin;
  return quote == 0;
}

static enum kv_parse look_at_line(struct kv_parser *parser, uint8_t *bytes, size_t size) {
  size_t within =
      size < parser->limits.inline_bytes_max ? size : parser->limits.inline_bytes_max;
  const uint8_t *end = memchr(bytes + parser->position, '\n', within - parser->position);
  if (!end) {
    if (within == parser->limits.inline_bytes_max)
      return broken(parser, "too big inline request: more than %zu bytes", within);
    parser->position = within;
    return KV_PARSE_MORE;
  }
  size_t line = (size_t)(end - bytes);
  parser->position = line + 1;
  if (line > 0 && bytes[line - 1] == '\r') line--;
  size_t at = 0;
  while (at < line) {
    if (bytes[at] == ' ' || bytes[at] == '\t') {
      at++;
      continue;
    }
    size_t begin = at;
    size_t word_size;
    if (parser->span_count == parser->limits.args_max)
      return broken(parser, "more than %zu words", parser->limits.args_max);
    if (!unquote(bytes, &at, line, &word_size))
      return broken(parser, "unbalanced quotes in request");
    enum kv_parse result = add_span(parser, begin, word_size);
    if (result != KV_PARSE_COMMAND) return result;
  }
  return KV_PARSE_COMMAND;
}

enum kv_parse kv_parser_look(struct kv_parser *parser, uint8_t *bytes, size_t size) {
  if (parser->error[0] != '\0') return KV_PARSE_BROKEN;
  if (parser->complete) return KV_PARSE_COMMAND;
  if (size == 0) return KV_PARSE_MORE;
  enum kv_parse result = bytes[0] == '*' ? look_at_array(parser, bytes, size)
                                         : look_at_line(parser, bytes, size);
  parser->complete = result == KV_PARSE_COMMAND;
  return result;
}

struct kv_request kv_parser_request(const struct kv_parser *parser,
                                    const uint8_t *bytes) {
  return (struct kv_request){.bytes = bytes,
                             .spans = parser->spans,
                             .count = parser->span_count};
}

size_t kv_parser_next(struct kv_parser *parser) {
  size_t taken = parser->position;
  if (parser->span_capacity > SPANS_KEPT) {
    free(parser->spans);
    parser->spans = NULL;
    parser->span_capacity = 0;
  }
  parser->position = 0;
  parser->args_expected = 0;
  parser->span_count = 0;
  parser->complete = false;
  return taken;
}

struct kv_string kv_request_arg(const struct kv_request *request, size_t index) {
  struct kv_span span = request->spans[index];
  return (struct kv_string){.data = request->bytes + span.offset, .size = span.size};
}

static void append_line(struct kv_buffer *reply, char mark, const char *text,
                        size_t size) {
  uint8_t *room = kv_buffer_reserve(reply, size + 3);
  if (!room) return;
  room[0] = (uint8_t)mark;
  memcpy(room + 1, text, size);
  memcpy(room + 1 + size, "\r\n", 2);
  kv_buffer_commit(reply, size + 3);
}

static void append_number(struct kv_buffer *reply, char mark, int64_t value) {
  char text[KV_INTEGER_TEXT_MAX];
  append_line(reply, mark, text, kv_format_integer(value, text));
}

void kv_reply_status(struct kv_buffer *reply, const char *text) {
  if (reply) append_line(reply, '+', text, strlen(text));
}

void kv_reply_error(struct kv_buffer *reply, const char *format, ...) {
  if (!reply) return;
  char text[256];
  va_list values;
  va_start(values, format);
  vsnprintf(text, sizeof(text), format, values);
  va_end(values);
  /* A line end in the text, from a client's own words, would be a reply of its own. */
  for (char *at = text; *at; at++)
    if (*at == '\r' || *at == '\n') *at = ' ';
  append_line(reply, '-', text, strlen(text));
}

void kv_reply_integer(struct kv_buffer *reply, int64_t value) {
  if (reply) append_number(reply, ':', value);
}

void kv_reply_bulk(struct kv_buffer *reply, struct kv_string value) {
  if (!reply) return;
  append_number(reply, '$', (int64_t)value.size);
  kv_buffer_append(reply, value.data, value.size);
  kv_buffer_append(reply, "\r\n", 2);
}

void kv_reply_nil(struct kv_buffer *reply) {
  if (reply) kv_buffer_append(reply, "$-1\r\n", 5);
}

void kv_reply_array(struct kv_buffer *reply, size_t count) {
  if (reply) append_number(reply, '*', (int64_t)count);
}
