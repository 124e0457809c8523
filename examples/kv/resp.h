/* SPDX-License-Identifier: MIT
 *
 * The wire format of Redis clients, RESP2: bytes in, commands out, and the writing of
 * replies. No input or output here, and nothing is known of any command.
 *
 * A command is an array of bulk strings ("*2\r\n$3\r\nGET\r\n$1\r\na\r\n") or a line of
 * words as typed into telnet ("GET a\r\n", with "quotes" where a word has blanks). A
 * parser remembers how far it has looked, so that a command that arrives in many pieces
 * is read once.
 */
#ifndef KV_RESP_H
#define KV_RESP_H

#include "buffer.h"
#include "text.h"

/* What a client may send. */
struct kv_resp_limits {
  size_t args_max;          /* words of one command */
  size_t command_bytes_max; /* one command as it is on the wire */
  size_t inline_bytes_max;  /* one typed line */
};

/* Where a word stands, from the command's first byte. */
struct kv_span {
  size_t offset;
  size_t size;
};

struct kv_parser {
  struct kv_resp_limits limits;
  size_t position;      /* bytes of the command that are done with */
  size_t args_expected; /* words of the array, once position is not 0 */
  size_t bulk_size;     /* of the word that comes next, if bulk_known */
  bool bulk_known;
  bool complete; /* a command is there and has not been taken */
  size_t span_count;
  size_t span_capacity;
  struct kv_span *spans;
  char error[96]; /* what is wrong with the input, once something is */
};

enum kv_parse {
  KV_PARSE_MORE,    /* the command is not complete yet */
  KV_PARSE_COMMAND, /* a command is there; take it, then kv_parser_next() */
  KV_PARSE_BROKEN /* not RESP: see error; nothing can be read from this client any more */
};

/* A complete command: its words, in the bytes that it came in. */
struct kv_request {
  const uint8_t *bytes;
  const struct kv_span *spans;
  size_t count;
};

void kv_parser_init(struct kv_parser *parser, const struct kv_resp_limits *limits);
void kv_parser_release(struct kv_parser *parser);

/* Looks at the input, `bytes` to its end, which begins with the command that the parser
 * is at. Quoted words of a typed line are unquoted in place. Asked again about the same
 * command it answers the same. An empty array or line gives a command of no words. */
enum kv_parse kv_parser_look(struct kv_parser *parser, uint8_t *bytes, size_t size);

/* The command that kv_parser_look() found; `bytes` as given to it, or moved since. */
struct kv_request kv_parser_request(const struct kv_parser *parser, const uint8_t *bytes);

/* Goes on to the next command; returns the bytes that the finished one took. */
size_t kv_parser_next(struct kv_parser *parser);

struct kv_string kv_request_arg(const struct kv_request *request, size_t index);

/* Replies. With a NULL `reply` nobody waits for it, and nothing is written. */
void kv_reply_status(struct kv_buffer *reply, const char *text);
void kv_reply_error(struct kv_buffer *reply, const char *format, ...)
    __attribute__((format(printf, 2, 3)));
void kv_reply_integer(struct kv_buffer *reply, int64_t value);
void kv_reply_bulk(struct kv_buffer *reply, struct kv_string value);
void kv_reply_nil(struct kv_buffer *reply);
/* The head of an array; `count` replies follow. */
void kv_reply_array(struct kv_buffer *reply, size_t count);

#endif
