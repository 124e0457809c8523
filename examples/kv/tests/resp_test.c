/* SPDX-License-Identifier: MIT
 *
 * resp.h: every input whole, cut in two at every place, and byte by byte, from memory of
 * exactly its size, so that a sanitizer sees a read beyond it.
 */
#include "../resp.h"

#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>

static const struct kv_resp_limits limits = {.args_max = 4,
                                             .command_bytes_max = 128,
                                             .inline_bytes_max = 48};

/* Inputs of one command or more, and what is to be read: words in brackets, a dot behind
 * each command, then "more" or "broken". */
static const struct {
  const char *input;
  size_t size; /* 0: up to its zero */
  const char *expected;
} cases[] = {
    {"*1\r\n$4\r\nPING\r\n", 0, "[PING].more"},
    {"*2\r\n$3\r\nGET\r\n$1\r\na\r\n*1\r\n$4\r\nPING\r\n", 0, "[GET][a].[PING].more"},
    {"*2\r\n$3\r\nGET\r\n$0\r\n\r\n", 0, "[GET][].more"},
    {"*2\r\n$3\r\nGET\r\n$4\r\n\r\n\0x\r\n", 23, "[GET][~~~x].more"},
    {"*0\r\n*1\r\n$1\r\na\r\n", 0, ".[a].more"},
    {"*-1\r\n*1\r\n$1\r\na\r\n", 0, ".[a].more"},
    {"*2\r\n$3\r\nGET\r\n$1\r\n", 0, "more"},
    {"PING\r\n", 0, "[PING].more"},
    {"PING\nGET  a\t b \r\n", 0, "[PING].[GET][a][b].more"},
    {"\r\n\nPING\r\n", 0, "..[PING].more"},
    {"SET \"a b\" 'c d'\r\n", 0, "[SET][a b][c d].more"},
    {"SET \"\" ''\n", 0, "[SET][][].more"},
    {"SET \"\\x41\\n\\\"\\q\\x4\" '\\'\\n'\n", 0, "[SET][A~\"qx4]['\\n].more"},
    {"SET a\"b c\"\n", 0, "[SET][ab c].more"},
    {"a b c d\n", 0, "[a][b][c][d].more"},
    {"*4\r\n$1\r\na\r\n$1\r\nb\r\n$1\r\nc\r\n$1\r\nd\r\n", 0, "[a][b][c][d].more"},
    {"PING\r\n*1\r\n$4\r\nPING\r\nPING\r\n", 0, "[PING].[PING].[PING].more"},
    /* Broken ones. */
    {"a b c d e\n", 0, "broken"},
    {"*5\r\n", 0, "broken"},
    {"*x\r\n", 0, "broken"},
    {"*\r\n", 0, "broken"},
    {"*1\rx", 0, "broken"},
    {"*99999999999999999999999999", 0, "broken"},
    {"*9223372036854775807\r\n", 0, "broken"},
    {"*1\r\n:3\r\n", 0, "broken"},
    {"*1\r\nPING\r\n", 0, "broken"},
    {"*1\r\n$-1\r\n", 0, "broken"},
    {"*1\r\n$\r\n", 0, "broken"},
    {"*1\r\n$9223372036854775807\r\n", 0, "broken"},
    {"*1\r\n$18446744073709551615\r\n", 0, "broken"},
    {"*1\r\n$4\r\nPINGxx", 0, "broken"},
    {"*1\r\n$4\r\nPING\rx", 0, "broken"},
    {"*1\r\n$117\r\n", 0, "broken"},
    {"*1\r\n$116\r\n", 0, "more"},
    {"GET \"a\n", 0, "broken"},
    {"GET 'a\n", 0, "broken"},
    {"GET \"a\"b\n", 0, "broken"},
    {"GET \"a\\", 0, "more"},
    {"GET \"a\\\n", 0, "broken"},
    {"aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa", 0, "broken"},
    {"aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa", 0, "more"},
    {"PING\n*x\r\n", 0, "[PING].broken"},
};

#define CASE_COUNT (sizeof(cases) / sizeof(cases[0]))

/* What has been read of one input. */
struct reading {
  struct kv_parser parser;
  struct kv_buffer input;
  char text[256];
  size_t size;
  bool broken;
};

static void note(struct reading *reading, const void *bytes, size_t size) {
  cr_assert_lt(reading->size + size, sizeof(reading->text));
  for (size_t i = 0; i < size; i++) {
    uint8_t byte = ((const uint8_t *)bytes)[i];
    reading->text[reading->size++] = byte < 32 ? '~' : (char)byte;
  }
  reading->text[reading->size] = '\0';
}

/* Looks from memory that ends where the input does. */
static enum kv_parse look(struct reading *reading, uint8_t **copy) {
  size_t size = reading->input.size;
  *copy = malloc(size ? size : 1);
  if (size > 0) memcpy(*copy, kv_buffer_data(&reading->input), size);
  enum kv_parse result = kv_parser_look(&reading->parser, *copy, size);
  cr_assert_eq(kv_parser_look(&reading->parser, *copy, size), result, "asked twice");
  return result;
}

static void feed(struct reading *reading, const char *bytes, size_t size) {
  cr_assert(kv_buffer_append(&reading->input, bytes, size));
  while (!reading->broken) {
    uint8_t *copy;
    enum kv_parse result = look(reading, &copy);
    if (result == KV_PARSE_COMMAND) {
      struct kv_request request = kv_parser_request(&reading->parser, copy);
      for (size_t i = 0; i < request.count; i++) {
        struct kv_string word = kv_request_arg(&request, i);
        note(reading, "[", 1);
        note(reading, word.data, word.size);
        note(reading, "]", 1);
      }
      note(reading, ".", 1);
      kv_buffer_consume(&reading->input, kv_parser_next(&reading->parser));
    }
    reading->broken = result == KV_PARSE_BROKEN;
    free(copy);
    if (result != KV_PARSE_COMMAND) break;
  }
}

static struct reading reading_of(void) {
  struct reading reading = {.input = kv_buffer_of(4096)};
  kv_parser_init(&reading.parser, &limits);
  return reading;
}

static void finish(struct reading *reading, size_t index, size_t cut) {
  const char *end = reading->broken ? "broken" : "more";
  note(reading, end, strlen(end));
  cr_expect_str_eq(reading->text, cases[index].expected,
                   "case %zu, '%s', cut at %zu: '%s' (%s)", index, cases[index].input,
                   cut, reading->text, reading->parser.error);
  cr_expect_eq(reading->broken, reading->parser.error[0] != '\0');
  kv_parser_release(&reading->parser);
  kv_buffer_release(&reading->input);
}

static size_t size_of_case(size_t index) {
  return cases[index].size ? cases[index].size : strlen(cases[index].input);
}

Test(resp, inputs_cut_at_every_place) {
  for (size_t i = 0; i < CASE_COUNT; i++) {
    for (size_t cut = 0; cut <= size_of_case(i); cut++) {
      struct reading reading = reading_of();
      feed(&reading, cases[i].input, cut);
      feed(&reading, cases[i].input + cut, size_of_case(i) - cut);
      finish(&reading, i, cut);
    }
  }
}

Test(resp, inputs_byte_by_byte) {
  for (size_t i = 0; i < CASE_COUNT; i++) {
    struct reading reading = reading_of();
    for (size_t at = 0; at < size_of_case(i); at++)
      feed(&reading, cases[i].input + at, 1);
    finish(&reading, i, SIZE_MAX);
  }
}

Test(resp, replies) {
  struct kv_buffer reply = kv_buffer_of(256);
  kv_reply_status(&reply, "OK");
  kv_reply_error(&reply, "ERR %s", "two\r\nlines");
  kv_reply_integer(&reply, INT64_MIN);
  kv_reply_array(&reply, 2);
  kv_reply_nil(&reply);
  kv_reply_bulk(&reply, kv_string_of("ab"));
  kv_reply_bulk(&reply, (struct kv_string){0});
  static const char expected[] =
      "+OK\r\n-ERR two  lines\r\n:-9223372036854775808\r\n*2\r\n"
      "$-1\r\n$2\r\nab\r\n$0\r\n\r\n";
  cr_assert_eq(reply.size, sizeof(expected) - 1);
  cr_assert_eq(memcmp(kv_buffer_data(&reply), expected, reply.size), 0);
  kv_buffer_release(&reply);
}

Test(resp, a_reply_beyond_the_limit_fails_for_good) {
  struct kv_buffer reply = kv_buffer_of(8);
  kv_reply_bulk(&reply, kv_string_of("12345678"));
  cr_assert(reply.failed);
  cr_assert_leq(reply.size, 8);
  kv_reply_nil(&reply);
  cr_assert(reply.failed);
  kv_buffer_consume(&reply, reply.size);
  cr_assert(reply.failed, "taking out what is incomplete does not mend it");
  kv_buffer_release(&reply);

  reply = kv_buffer_of(1000000);
  static const uint8_t large[600000];
  kv_reply_bulk(&reply, (struct kv_string){large, sizeof(large)});
  kv_reply_bulk(&reply, (struct kv_string){large, sizeof(large)});
  cr_assert(reply.failed);
  kv_buffer_consume(&reply, reply.size);
  cr_assert(reply.failed, "nor does giving back its memory");
  kv_buffer_release(&reply);
}

/* A queue of bytes against a counter: what goes in comes out, whatever the sizes. */
Test(resp, a_buffer_is_a_queue) {
  struct kv_buffer buffer = kv_buffer_of(3000);
  uint32_t state = 1;
  uint8_t in = 0;
  uint8_t out = 0;
  for (int i = 0; i < 20000; i++) {
    state = state * 1664525 + 1013904223;
    size_t size = state >> 24;
    if (state >> 16 & 1 && buffer.size + size <= 3000) {
      uint8_t bytes[256];
      for (size_t j = 0; j < size; j++) bytes[j] = in++;
      cr_assert(kv_buffer_append(&buffer, bytes, size));
    } else {
      if (size > buffer.size) size = buffer.size;
      for (size_t j = 0; j < size; j++, out++)
        cr_assert_eq(kv_buffer_data(&buffer)[j], out);
      kv_buffer_consume(&buffer, size);
    }
    cr_assert_leq(buffer.capacity, 3000);
  }
  kv_buffer_release(&buffer);
}
