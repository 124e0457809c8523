/* SPDX-License-Identifier: MIT
 *
 * Every decoder of frames, and the only proof of them that covers all bytes: whatever is
 * well-formed is exactly what its encoder makes. The header and the checksum are made
 * here, so that the fuzzer gets behind them; in some modes the header is the fuzzer's.
 *
 *   input: kind u8 | damage u16 | body ...
 *     kind 0         the frame is the body, as it is
 *     kind 1         the same, with the checksum put right
 *     kind 2         a sealed batch: lane u8, seq u64, messages u16, entries ...
 *     kind 3 to 14   a frame of type kind - 2, with this body
 *     128 more       the same, in a group with storage: with boots
 */
#include "frame_check.h"
#include "fuzz.h"

#include <string.h>

#define BODY_BYTES_MAX 8192
#define TYPE_OFFSET 7 /* in a header */

enum kind {
  KIND_RAW,
  KIND_CHECKSUM,
  KIND_BATCH,
  KIND_TYPES,
  KIND_COUNT = 15,
  KIND_DURABLE = 0x80
};

static struct gr_roster roster = {.tag = 0x6772,
                                  .view = 1,
                                  .incarnation = 7,
                                  .count = 3,
                                  .ids = {1, 2, 9},
                                  .message_bytes_max = 4096,
                                  .batch_bytes_max = 1088};

/* Frames as they are, or with the checksum put right. */
static size_t make_raw(uint8_t *frame, struct fuzz_input body, bool repair) {
  if (body.left > 0) memcpy(frame, body.at, body.left);
  if (repair && body.left >= GR_FRAME_HEADER_BYTES) {
    bool data = frame[TYPE_OFFSET] == GR_FRAME_DATA;
    struct gr_writer covered = gr_writer_of(frame, body.left);
    covered.used = data ? GR_FRAME_HEADER_BYTES : body.left;
    gr_frame_end(&covered);
  }
  return body.left;
}

static size_t make_batch(uint8_t *frame, struct fuzz_input body) {
  uint32_t lane = fuzz_u8(&body) % roster.count;
  uint64_t seq = fuzz_u64(&body);
  uint32_t messages = fuzz_u16(&body);
  struct gr_writer writer = gr_writer_of(frame, GR_FRAME_HEADER_BYTES);
  gr_frame_begin(&writer, &roster, roster.tag, GR_FRAME_DATA);
  gr_frame_end(&writer);
  uint8_t *batch = frame + GR_FRAME_HEADER_BYTES;
  uint32_t size = GR_BATCH_HEADER_BYTES + (uint32_t)body.left;
  memcpy(batch + GR_BATCH_HEADER_BYTES, body.at, body.left);
  gr_batch_seal(&roster, batch, size, lane, seq, messages);
  return GR_FRAME_HEADER_BYTES + size;
}

static size_t make_typed(uint8_t *frame, struct fuzz_input body,
                         enum gr_frame_type type) {
  struct gr_writer writer = gr_writer_of(frame, GR_FRAME_HEADER_BYTES + body.left);
  gr_frame_begin(&writer, &roster, roster.tag, type);
  gr_write_bytes(&writer, body.at, body.left);
  /* A batch keeps its own checksum, so the frame's covers the header only. */
  if (type == GR_FRAME_DATA) writer.used = GR_FRAME_HEADER_BYTES;
  gr_frame_end(&writer);
  return GR_FRAME_HEADER_BYTES + body.left;
}

static size_t make_frame(uint8_t *frame, unsigned kind, struct fuzz_input body) {
  if (kind == KIND_RAW || kind == KIND_CHECKSUM)
    return make_raw(frame, body, kind == KIND_CHECKSUM);
  if (kind == KIND_BATCH) return make_batch(frame, body);
  return make_typed(frame, body,
                    (enum gr_frame_type)(GR_FRAME_HEARTBEAT + (kind - KIND_TYPES)));
}

/* One bit of a frame that was well-formed is turned over: it must not pass. */
static void check_damage(uint8_t *frame, size_t size, uint16_t damage) {
  frame[damage / 8 % size] ^= (uint8_t)(1 << damage % 8);
  FUZZ_CHECK(frame_check(&roster, frame, size) != GR_OK, "a damaged frame is refused");
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  struct fuzz_input input = {data, size};
  unsigned kind = fuzz_u8(&input);
  roster.durable = (kind & KIND_DURABLE) != 0;
  roster.boot = roster.durable ? 3 : GR_BOOT_VOLATILE;
  kind = (kind & ~(unsigned)KIND_DURABLE) % KIND_COUNT;
  uint16_t damage = fuzz_u16(&input);
  struct fuzz_input body = fuzz_take(&input, BODY_BYTES_MAX);
  uint8_t *made =
      fuzz_allocate(GR_FRAME_HEADER_BYTES + GR_BATCH_HEADER_BYTES + body.left);
  size_t frame_size = make_frame(made, kind, body);
  uint8_t *frame = fuzz_allocate(frame_size);
  memcpy(frame, made, frame_size);
  free(made);
  if (frame_check(&roster, frame, frame_size) == GR_OK)
    check_damage(frame, frame_size, damage);
  free(frame);
  return 0;
}
