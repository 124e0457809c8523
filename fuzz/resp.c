/* SPDX-License-Identifier: MIT
 *
 * The parser of Redis clients: however a client's bytes arrive, it reads the same
 * commands, and calls the same inputs broken; every word lies within what came.
 *
 *   input: arrivals u64 | what the client sends ...
 */
#include "fuzz.h"

#include "resp.h"

#include <string.h>

static const struct kv_resp_limits limits = {.args_max = 16,
                                             .command_bytes_max = 512,
                                             .inline_bytes_max = 128};

/* What is left of the client's bytes, and the parser that looks at them. */
struct reading {
  struct kv_parser parser;
  uint8_t *bytes;
  size_t size;
  size_t arrived;
};

static struct reading reading_of(struct fuzz_input input, size_t arrived) {
  struct reading reading = {.size = input.left, .arrived = arrived};
  reading.bytes = fuzz_allocate(input.left);
  if (input.left > 0) memcpy(reading.bytes, input.at, input.left);
  kv_parser_init(&reading.parser, &limits);
  return reading;
}

static void reading_end(struct reading *reading) {
  kv_parser_release(&reading->parser);
  free(reading->bytes);
}

/* Looks at a copy of exactly what has arrived, in which words are unquoted in place. */
static enum kv_parse look(struct reading *reading) {
  uint8_t *arrived = fuzz_allocate(reading->arrived);
  memcpy(arrived, reading->bytes, reading->arrived);
  enum kv_parse result = kv_parser_look(&reading->parser, arrived, reading->arrived);
  memcpy(reading->bytes, arrived, reading->arrived);
  free(arrived);
  return result;
}

/* Looks again as more arrives, until there is a command or nothing more will come. */
static enum kv_parse read_command(struct reading *reading, uint64_t *arrivals) {
  for (;;) {
    enum kv_parse result = look(reading);
    if (result != KV_PARSE_MORE || reading->arrived == reading->size) return result;
    size_t more = 1 + (*arrivals & 0x1f);
    *arrivals = *arrivals >> 5 | *arrivals << 59;
    size_t left = reading->size - reading->arrived;
    reading->arrived += more < left ? more : left;
  }
}

static void take_command(struct reading *reading) {
  size_t used = kv_parser_next(&reading->parser);
  FUZZ_CHECK(used > 0 && used <= reading->arrived, "a command takes some of what came");
  memmove(reading->bytes, reading->bytes + used, reading->size - used);
  reading->size -= used;
  reading->arrived -= used;
}

static void check_same(const struct reading *one, const struct reading *other) {
  struct kv_request a = kv_parser_request(&one->parser, one->bytes);
  struct kv_request b = kv_parser_request(&other->parser, other->bytes);
  FUZZ_CHECK(a.count == b.count, "the same number of words");
  FUZZ_CHECK(a.count <= limits.args_max, "no more words than allowed");
  for (size_t i = 0; i < a.count; i++) {
    struct kv_string word = kv_request_arg(&a, i);
    struct kv_string same = kv_request_arg(&b, i);
    FUZZ_CHECK(a.spans[i].size <= one->arrived &&
                   a.spans[i].offset <= one->arrived - a.spans[i].size,
               "a word lies within what came");
    FUZZ_CHECK(word.size == same.size && memcmp(word.data, same.data, word.size) == 0,
               "the same words");
  }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  struct fuzz_input input = {data, size};
  uint64_t arrivals = fuzz_u64(&input);
  struct reading whole = reading_of(input, input.left);
  struct reading parts = reading_of(input, 0);
  uint64_t none = 0;
  for (;;) {
    enum kv_parse result = read_command(&whole, &none);
    FUZZ_CHECK(read_command(&parts, &arrivals) == result,
               "in parts the same is found as in whole");
    if (result == KV_PARSE_BROKEN)
      FUZZ_CHECK(memchr(whole.parser.error, 0, sizeof(whole.parser.error)) &&
                     whole.parser.error[0] != 0,
                 "what is broken is explained");
    if (result != KV_PARSE_COMMAND) break;
    check_same(&whole, &parts);
    FUZZ_CHECK(look(&parts) == KV_PARSE_COMMAND, "asked again, the same answer");
    check_same(&whole, &parts);
    take_command(&whole);
    take_command(&parts);
  }
  reading_end(&whole);
  reading_end(&parts);
  return 0;
}
