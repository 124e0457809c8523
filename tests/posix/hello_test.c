/* SPDX-License-Identifier: MIT
 *
 * The hello: its layout, what is refused, how it is judged and explained.
 */
#include "posix/hello.h"

#include <criterion/criterion.h>
#include <gr/error.h>
#include <stdlib.h>
#include <string.h>

#define GUEST (UINT64_C(1) << 63 | 5)

static struct gr_hello example(void) {
  struct gr_hello hello = {.kind = GR_HELLO_OPEN,
                           .hello_version = GR_HELLO_VERSION,
                           .protocol_version = 7,
                           .from = 11,
                           .to = 12};
  for (uint8_t i = 0; i < 16; i++) hello.group.bytes[i] = (uint8_t)(0xa0 + i);
  return hello;
}

static struct gr_hello expected(void) {
  struct gr_hello hello = example();
  hello.from = 0;
  return hello;
}

static int decode(const uint8_t *bytes, size_t size, struct gr_hello *hello) {
  /* Memory of just that size, so that a sanitizer sees a read beyond it. */
  uint8_t *copy = malloc(size > 0 ? size : 1);
  memcpy(copy, bytes, size);
  int error = gr_hello_decode((gr_slice){.data = copy, .size = size}, hello);
  free(copy);
  return error;
}

Test(hello, layout) {
  const struct gr_hello hello = example();
  const uint8_t layout[GR_HELLO_BYTES] = {'G',  'r',  'g',  'c',  1,    0,    1,    0,
                                          7,    0,    0,    0,    0xa0, 0xa1, 0xa2, 0xa3,
                                          0xa4, 0xa5, 0xa6, 0xa7, 0xa8, 0xa9, 0xaa, 0xab,
                                          0xac, 0xad, 0xae, 0xaf, 11,   0,    0,    0,
                                          0,    0,    0,    0,    12,   0,    0,    0,
                                          0,    0,    0,    0};
  uint8_t bytes[GR_HELLO_BYTES];
  gr_hello_encode(&hello, bytes);
  cr_assert_arr_eq(bytes, layout, sizeof(layout));
}

Test(hello, round_trip) {
  for (int verdict = GR_HELLO_OK; verdict <= GR_HELLO_WRONG_TARGET; verdict++) {
    struct gr_hello hello = example();
    hello.kind = GR_HELLO_REPLY;
    hello.verdict = (enum gr_hello_verdict)verdict;
    uint8_t bytes[GR_HELLO_BYTES];
    gr_hello_encode(&hello, bytes);
    struct gr_hello back;
    cr_assert_eq(decode(bytes, sizeof(bytes), &back), GR_OK);
    cr_assert_eq(back.kind, hello.kind);
    cr_assert_eq(back.verdict, hello.verdict);
    cr_assert_eq(back.hello_version, GR_HELLO_VERSION);
    cr_assert_eq(back.protocol_version, hello.protocol_version);
    cr_assert_arr_eq(back.group.bytes, hello.group.bytes, 16);
    cr_assert_eq(back.from, hello.from);
    cr_assert_eq(back.to, hello.to);
  }
}

Test(hello, every_other_length_is_malformed) {
  uint8_t bytes[2 * GR_HELLO_BYTES] = {0};
  const struct gr_hello hello = example();
  gr_hello_encode(&hello, bytes);
  for (size_t size = 0; size <= sizeof(bytes); size++) {
    struct gr_hello back;
    int error = decode(bytes, size, &back);
    cr_assert_eq(error, size == GR_HELLO_BYTES ? GR_OK : GR_ERR_MALFORMED, "%zu bytes",
                 size);
  }
}

static int decode_with(size_t at, uint8_t value, struct gr_hello *back) {
  uint8_t bytes[GR_HELLO_BYTES];
  const struct gr_hello hello = example();
  gr_hello_encode(&hello, bytes);
  bytes[at] = value;
  return decode(bytes, sizeof(bytes), back);
}

Test(hello, refusals) {
  struct gr_hello back;
  for (size_t at = 0; at < 4; at++)
    cr_assert_eq(decode_with(at, 'x', &back), GR_ERR_MALFORMED, "magic, byte %zu", at);
  cr_assert_eq(decode_with(6, 0, &back), GR_ERR_MALFORMED, "no kind");
  cr_assert_eq(decode_with(6, 3, &back), GR_ERR_MALFORMED, "unknown kind");
  cr_assert_eq(decode_with(28, 0, &back), GR_ERR_MALFORMED, "an OPEN of nobody");
  cr_assert_eq(decode_with(7, 5, &back), GR_ERR_MALFORMED, "unknown verdict");
  cr_assert_eq(decode_with(7, GR_HELLO_WRONG_GROUP, &back), GR_ERR_MALFORMED,
               "an OPEN with a verdict");
}

Test(hello, another_hello_version_is_told) {
  struct gr_hello back;
  cr_assert_eq(decode_with(4, 9, &back), GR_ERR_PROTOCOL);
  cr_assert_eq(back.kind, GR_HELLO_OPEN);
  cr_assert_eq(back.hello_version, 9);
  /* Its layout behind the first 8 bytes is not known, so any length will do. */
  const uint8_t shorter[8] = {'G', 'r', 'g', 'c', 2, 0, 2, 1};
  cr_assert_eq(decode(shorter, sizeof(shorter), &back), GR_ERR_PROTOCOL);
  cr_assert_eq(back.kind, GR_HELLO_REPLY);
  cr_assert_eq(back.verdict, GR_HELLO_WRONG_VERSION);
}

static void judge(struct gr_hello hello, enum gr_hello_verdict verdict,
                  const char *line) {
  const struct gr_hello ours = expected();
  cr_assert_eq(gr_hello_judge(&hello, &ours), verdict);
  char text[256];
  gr_hello_explain(verdict, &hello, &ours, text, sizeof(text));
  cr_assert_str_eq(text, line);
}

Test(hello, judged_and_explained) {
  struct gr_hello hello = example();
  judge(hello, GR_HELLO_OK, "accepted");
  hello.from = 13;
  judge(hello, GR_HELLO_OK, "accepted");
  hello.from = GUEST;
  judge(hello, GR_HELLO_OK, "accepted");
  hello.to = GR_HELLO_ANYBODY;
  judge(hello, GR_HELLO_OK, "accepted");
  hello.to = 12;
  hello.from = 12;
  judge(hello, GR_HELLO_SAME_NAME,
        "another process runs under this member's own id: came member 12");
  hello = example();
  hello.to = 13;
  judge(hello, GR_HELLO_WRONG_TARGET,
        "wrong target: expected a hello to member 12, came one to member 13");
  hello = example();
  hello.protocol_version = 8;
  judge(hello, GR_HELLO_WRONG_VERSION,
        "wrong version: expected protocol version 7, came 8");
  hello.hello_version = 2;
  judge(hello, GR_HELLO_WRONG_VERSION, "wrong version: expected hello version 1, came 2");
  hello = example();
  hello.group.bytes[15] = 0;
  judge(hello, GR_HELLO_WRONG_GROUP,
        "wrong group: expected a0a1a2a3a4a5a6a7a8a9aaabacadaeaf, came "
        "a0a1a2a3a4a5a6a7a8a9aaabacadae00");
}

static void judge_for(gr_member_id self, gr_member_id to, enum gr_hello_verdict verdict) {
  struct gr_hello ours = expected();
  struct gr_hello hello = example();
  ours.to = self;
  hello.to = to;
  cr_assert_eq(gr_hello_judge(&hello, &ours), verdict);
}

/* The others know by which name it was let in before it does. */
Test(hello, a_guest_is_called_by_any_name) {
  judge_for(GUEST, 14, GR_HELLO_OK);
  judge_for(GUEST, GR_HELLO_ANYBODY, GR_HELLO_OK);
  judge_for(GUEST, 13, GR_HELLO_OK);
  judge_for(0, 14, GR_HELLO_OK);
  judge_for(12, 14, GR_HELLO_WRONG_TARGET);
  judge_for(12, GUEST, GR_HELLO_WRONG_TARGET);
  judge_for(11, GR_HELLO_ANYBODY, GR_HELLO_SAME_NAME);
}

Test(hello, who_is_a_member) {
  cr_assert(gr_hello_is_member(1));
  cr_assert(gr_hello_is_member(GR_MEMBER_ID_MAX));
  cr_assert_not(gr_hello_is_member(0));
  cr_assert_not(gr_hello_is_member(GUEST));
}

Test(hello, explanation_is_cut) {
  const struct gr_hello hello = example();
  char text[8] = {0};
  gr_hello_explain(GR_HELLO_WRONG_GROUP, &hello, &hello, text, sizeof(text));
  cr_assert_str_eq(text, "wrong g");
}
