/* SPDX-License-Identifier: MIT
 *
 * The hello of a connection, whole and as the bytes of a stranger: what decodes is what
 * the encoder makes, every verdict is explained within the room given, and a hello is
 * accepted only from a member that means this one.
 *
 *   input: text size u8 | the frame ...
 */
#include "fuzz.h"

#include "posix/hello.h"

#include <gr/error.h>

#include <string.h>

static const struct gr_hello expected = {.kind = GR_HELLO_OPEN,
                                         .hello_version = GR_HELLO_VERSION,
                                         .protocol_version = 1,
                                         .group = {{'g', 'r'}},
                                         .from = 0,
                                         .to = 1};

/* The text ends within its room, whatever the verdict and the room. */
static void check_text(const struct gr_hello *hello, enum gr_hello_verdict verdict,
                       size_t text_size) {
  char *text = (char *)fuzz_allocate(text_size);
  memset(text, 'x', text_size);
  gr_hello_explain(verdict, hello, &expected, text, text_size);
  FUZZ_CHECK(memchr(text, 0, text_size), "an explanation ends within its room");
  free(text);
}

static void check_judgement(const struct gr_hello *hello) {
  enum gr_hello_verdict verdict = gr_hello_judge(hello, &expected);
  bool welcome = hello->protocol_version == expected.protocol_version &&
                 memcmp(&hello->group, &expected.group, sizeof(gr_uuid)) == 0 &&
                 (hello->to == 1 || hello->to == GR_HELLO_ANYBODY) && hello->from != 1;
  FUZZ_CHECK((verdict == GR_HELLO_OK) == welcome,
             "a hello is accepted exactly from another of this group to this one");
}

static void check_round_trip(const struct gr_hello *hello, const uint8_t *frame,
                             size_t size) {
  uint8_t again[GR_HELLO_BYTES];
  gr_hello_encode(hello, again);
  FUZZ_CHECK(size == sizeof(again) && memcmp(again, frame, size) == 0,
             "a hello that decodes is what its encoder makes of it");
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  struct fuzz_input input = {data, size};
  size_t text_size = 1 + (size_t)fuzz_u8(&input);
  uint8_t *frame = fuzz_allocate(input.left);
  if (input.left > 0) memcpy(frame, input.at, input.left);
  struct gr_hello hello = {0};
  int error = gr_hello_decode((gr_slice){frame, input.left}, &hello);
  FUZZ_CHECK(error == GR_OK || error == GR_ERR_MALFORMED || error == GR_ERR_PROTOCOL,
             "the answer is one of those that the header lists");
  if (error != GR_ERR_MALFORMED)
    for (int verdict = GR_HELLO_OK; verdict <= GR_HELLO_WRONG_TARGET; verdict++)
      check_text(&hello, (enum gr_hello_verdict)verdict, text_size);
  if (error == GR_OK) {
    check_judgement(&hello);
    check_round_trip(&hello, frame, input.left);
  }
  free(frame);
  return 0;
}
