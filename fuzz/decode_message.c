/* SPDX-License-Identifier: MIT
 *
 * Every decoder of what members and joiners say to each other beside the order: frames,
 * the notes on heartbeats, and profiles. Whatever is well-formed is exactly what its
 * encoder makes. The header, the checksum and the digest of a chunk are made here, so
 * that the fuzzer gets behind them; in some modes they are the fuzzer's.
 *
 *   input: kind u8 | damage u16 | body ...
 *     kind 0         the frame is the body, as it is
 *     kind 1         the same, with the checksum put right
 *     kind 2 to 9    a frame of type kind + 30, with this body
 *     kind 10        a note, without a header
 *     kind 11        a profile, without a header
 */
#include "base/xxh64.h"
#include "fuzz.h"
#include "membership/message.h"
#include "membership_check.h"

#include <string.h>

#define BODY_BYTES_MAX 8192

enum kind {
  KIND_RAW,
  KIND_CHECKSUM,
  KIND_TYPES,
  KIND_NOTE = 10,
  KIND_PROFILE,
  KIND_COUNT
};

/* Puts the digest of a chunk's bytes right. */
static void digest_chunk(const struct gr_writer *writer) {
  const size_t head = GR_MESSAGE_HEADER_BYTES + GR_CHUNK_HEAD_BYTES;
  if (writer->used < head) return;
  struct gr_writer digest =
      gr_writer_of(writer->data + head - sizeof(uint64_t), sizeof(uint64_t));
  gr_write_u64(&digest, gr_xxh64(writer->data + head, writer->used - head, 0));
}

/* The frame of a kind, in memory of exactly its size. */
static uint8_t *make_frame(unsigned kind, struct fuzz_input body, size_t *size) {
  bool whole = kind == KIND_RAW || kind == KIND_CHECKSUM;
  *size = body.left + (whole ? 0 : GR_MESSAGE_HEADER_BYTES);
  uint8_t *frame = fuzz_allocate(*size);
  struct gr_writer writer = gr_writer_of(frame, *size);
  if (!whole) {
    struct gr_message_header header = {(enum gr_message_type)(GR_MESSAGE_JOIN +
                                                              (kind - KIND_TYPES)),
                                       0x6772, 7, 2};
    gr_message_begin(&writer, &header);
  }
  gr_write_bytes(&writer, body.at, body.left);
  if (kind == KIND_TYPES + (GR_MESSAGE_CHUNK - GR_MESSAGE_JOIN)) digest_chunk(&writer);
  if (kind != KIND_RAW && writer.used >= sizeof(uint32_t)) gr_message_end(&writer);
  return frame;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  struct fuzz_input input = {data, size};
  unsigned kind = fuzz_u8(&input) % KIND_COUNT;
  uint16_t damage = fuzz_u16(&input);
  struct fuzz_input body = fuzz_take(&input, BODY_BYTES_MAX);
  if (kind == KIND_NOTE || kind == KIND_PROFILE) {
    uint8_t *bytes = fuzz_allocate(body.left);
    if (body.left > 0) memcpy(bytes, body.at, body.left);
    if (kind == KIND_NOTE)
      note_check(bytes, body.left);
    else
      profile_check(bytes, body.left);
    free(bytes);
    return 0;
  }
  size_t frame_size;
  uint8_t *frame = make_frame(kind, body, &frame_size);
  if (membership_frame_check(frame, frame_size)) {
    /* One bit of a frame that was well-formed is turned over: it must not pass. */
    frame[damage / 8 % frame_size] ^= (uint8_t)(1 << damage % 8);
    FUZZ_CHECK(!membership_frame_check(frame, frame_size), "a damaged frame is refused");
  }
  free(frame);
  return 0;
}
