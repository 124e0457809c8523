/* SPDX-License-Identifier: MIT
 *
 * The cutting of a connection's bytes into frames. However the bytes arrive, the frames
 * are those that a reading of the whole gives; and memory stays within the largest frame.
 *
 *   input: capacity u8 | limit u16 | arrivals u64 | the stream ...
 */
#include "fuzz.h"

#include "base/bytes.h"
#include "posix/frame_reader.h"

#include <string.h>

/* The stream read as a whole, one frame at a time. */
struct reference {
  const uint8_t *at;
  size_t left;
  size_t frame_bytes_max;
};

static enum gr_frame_result reference_next(struct reference *reference, gr_slice *frame) {
  if (reference->left < GR_FRAME_LENGTH_BYTES) return GR_FRAME_PARTIAL;
  size_t length = gr_load_u32(reference->at);
  if (length > reference->frame_bytes_max) return GR_FRAME_OVERSIZED;
  if (length > reference->left - GR_FRAME_LENGTH_BYTES) return GR_FRAME_PARTIAL;
  *frame = (gr_slice){reference->at + GR_FRAME_LENGTH_BYTES, length};
  reference->at += GR_FRAME_LENGTH_BYTES + length;
  reference->left -= GR_FRAME_LENGTH_BYTES + length;
  return GR_FRAME_READY;
}

/* Cuts all that has arrived; false at the end of the connection. */
static bool cut(struct gr_frame_reader *reader, struct reference *reference) {
  for (;;) {
    gr_slice frame;
    enum gr_frame_result result = gr_frame_reader_next(reader, &frame);
    if (result == GR_FRAME_PARTIAL) return true;
    gr_slice wanted;
    FUZZ_CHECK(reference_next(reference, &wanted) == result,
               "the same as when all is read at once");
    if (result == GR_FRAME_OVERSIZED) return false;
    FUZZ_CHECK(frame.size == wanted.size, "a frame has its length");
    FUZZ_CHECK(memcmp(frame.data, wanted.data, frame.size) == 0, "a frame is unchanged");
  }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  struct fuzz_input input = {data, size};
  size_t capacity = GR_FRAME_LENGTH_BYTES + (size_t)fuzz_u8(&input);
  size_t limit = fuzz_u16(&input);
  uint64_t arrivals = fuzz_u64(&input);
  struct reference reference = {input.at, input.left, limit};
  struct gr_frame_reader reader;
  FUZZ_CHECK(gr_frame_reader_init(&reader, capacity, limit), "there is memory");
  bool open = true;
  while (open && input.left > 0) {
    size_t room_size;
    uint8_t *room = gr_frame_reader_room(&reader, &room_size);
    FUZZ_CHECK(room && room_size > 0, "there is always room to read into");
    FUZZ_CHECK(reader.capacity <= GR_FRAME_LENGTH_BYTES + limit + capacity,
               "no more than the largest frame is kept");
    size_t arriving = 1 + (arrivals & 0xff);
    arrivals = arrivals >> 8 | arrivals << 56;
    struct fuzz_input part =
        fuzz_take(&input, arriving < room_size ? arriving : room_size);
    memcpy(room, part.at, part.left);
    gr_frame_reader_filled(&reader, part.left);
    open = cut(&reader, &reference);
  }
  gr_slice frame;
  if (open)
    FUZZ_CHECK(reference_next(&reference, &frame) == GR_FRAME_PARTIAL,
               "every whole frame was cut");
  gr_frame_reader_free(&reader);
  return 0;
}
