/* SPDX-License-Identifier: MIT
 *
 * See hello.h.
 */
#include "posix/hello.h"

#include "base/bytes.h"

#include <gr/error.h>

#include <inttypes.h>
#include <stdio.h>

#define HELLO_MAGIC UINT32_C(0x63677247) /* "Grgc" as bytes on the wire */

void gr_hello_encode(const struct gr_hello *hello, uint8_t bytes[GR_HELLO_BYTES]) {
  struct gr_writer writer = gr_writer_of(bytes, GR_HELLO_BYTES);
  gr_write_u32(&writer, HELLO_MAGIC);
  gr_write_u16(&writer, GR_HELLO_VERSION);
  gr_write_u8(&writer, (uint8_t)hello->kind);
  gr_write_u8(&writer, (uint8_t)hello->verdict);
  gr_write_u32(&writer, hello->protocol_version);
  gr_write_bytes(&writer, hello->group.bytes, sizeof(hello->group.bytes));
  gr_write_u64(&writer, hello->from);
  gr_write_u64(&writer, hello->to);
}

int gr_hello_decode(gr_slice frame, struct gr_hello *hello) {
  struct gr_reader reader = gr_reader_of(frame.data, frame.size);
  uint32_t magic = gr_read_u32(&reader);
  uint16_t version = gr_read_u16(&reader);
  uint8_t kind = gr_read_u8(&reader);
  uint8_t verdict = gr_read_u8(&reader);
  if (reader.bad || magic != HELLO_MAGIC) return GR_ERR_MALFORMED;
  if (kind != GR_HELLO_OPEN && kind != GR_HELLO_REPLY) return GR_ERR_MALFORMED;
  if (verdict > GR_HELLO_WRONG_TARGET) return GR_ERR_MALFORMED;
  if (kind == GR_HELLO_OPEN && verdict != GR_HELLO_OK) return GR_ERR_MALFORMED;
  *hello = (struct gr_hello){.kind = (enum gr_hello_kind)kind,
                             .verdict = (enum gr_hello_verdict)verdict,
                             .hello_version = version};
  if (version != GR_HELLO_VERSION) return GR_ERR_PROTOCOL;
  hello->protocol_version = gr_read_u32(&reader);
  const uint8_t *group = gr_read_bytes(&reader, sizeof(hello->group.bytes));
  hello->from = gr_read_u64(&reader);
  hello->to = gr_read_u64(&reader);
  if (!gr_reader_done(&reader) || !group) return GR_ERR_MALFORMED;
  if (kind == GR_HELLO_OPEN && hello->from == 0) return GR_ERR_MALFORMED;
  memcpy(hello->group.bytes, group, sizeof(hello->group.bytes));
  return GR_OK;
}

bool gr_hello_is_member(gr_member_id name) {
  return name != 0 && name >> 63 == 0;
}

enum gr_hello_verdict gr_hello_judge(const struct gr_hello *hello,
                                     const struct gr_hello *expected) {
  if (hello->hello_version != GR_HELLO_VERSION) return GR_HELLO_WRONG_VERSION;
  if (hello->protocol_version != expected->protocol_version)
    return GR_HELLO_WRONG_VERSION;
  if (memcmp(&hello->group, &expected->group, sizeof(hello->group)) != 0)
    return GR_HELLO_WRONG_GROUP;
  if (hello->to != GR_HELLO_ANYBODY && hello->to != expected->to &&
      gr_hello_is_member(expected->to))
    return GR_HELLO_WRONG_TARGET;
  return hello->from == expected->to ? GR_HELLO_SAME_NAME : GR_HELLO_OK;
}

/* A group's name as 32 hexadecimal digits. */
static const char *group_text(const gr_uuid *group, char text[33]) {
  for (size_t i = 0; i < sizeof(group->bytes); i++)
    snprintf(text + 2 * i, 3, "%02x", group->bytes[i]);
  return text;
}

void gr_hello_explain(enum gr_hello_verdict verdict, const struct gr_hello *came,
                      const struct gr_hello *expected, char *text, size_t text_size) {
  char one[33];
  char other[33];
  switch (verdict) {
  case GR_HELLO_OK:
    snprintf(text, text_size, "accepted");
    return;
  case GR_HELLO_WRONG_VERSION:
    if (came->hello_version != GR_HELLO_VERSION)
      snprintf(text, text_size, "wrong version: expected hello version %d, came %u",
               GR_HELLO_VERSION, (unsigned)came->hello_version);
    else
      snprintf(text, text_size,
               "wrong version: expected protocol version %" PRIu32 ", came %" PRIu32,
               expected->protocol_version, came->protocol_version);
    return;
  case GR_HELLO_WRONG_GROUP:
    snprintf(text, text_size, "wrong group: expected %s, came %s",
             group_text(&expected->group, one), group_text(&came->group, other));
    return;
  case GR_HELLO_SAME_NAME:
    snprintf(text, text_size,
             "another process runs under this member's own id: came member %" PRIu64,
             came->from);
    return;
  case GR_HELLO_WRONG_TARGET:
    snprintf(text, text_size,
             "wrong target: expected a hello to member %" PRIu64
             ", came one to member %" PRIu64,
             expected->to, came->to);
    return;
  }
}
