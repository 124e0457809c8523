/* SPDX-License-Identifier: MIT
 *
 * Pieces of snapshots as frames: their bytes have a digest of their own.
 */
#include "base/xxh64.h"
#include "membership/message.h"

#include <criterion/criterion.h>
#include <string.h>

#define PIECE_BYTES 1000
#define FRAME_BYTES (GR_MESSAGE_HEADER_BYTES + GR_CHUNK_HEAD_BYTES + PIECE_BYTES)

static uint8_t piece[PIECE_BYTES];
static uint8_t frame[FRAME_BYTES];

/* As a donor sends it: the bytes follow what was encoded. */
static void make_frame(void) {
  for (size_t i = 0; i < sizeof(piece); i++) piece[i] = (uint8_t)(i * 7);
  const struct gr_message_header header = {GR_MESSAGE_CHUNK, 1, 2, 3};
  const struct gr_chunk chunk = {5, 6000, 70000, true, {piece, sizeof(piece)}};
  struct gr_writer writer = gr_writer_of(frame, sizeof(frame));
  gr_message_begin(&writer, &header);
  gr_chunk_encode(&writer, &chunk);
  gr_message_end(&writer);
  cr_assert_eq(writer.used, GR_MESSAGE_HEADER_BYTES + GR_CHUNK_HEAD_BYTES);
  gr_write_bytes(&writer, piece, sizeof(piece));
  cr_assert(!writer.bad);
}

static int read_frame(size_t size, struct gr_chunk *chunk) {
  struct gr_reader reader = gr_reader_of(frame, size);
  struct gr_message_header header;
  int error = gr_message_open(&reader, &header);
  if (error == GR_OK && !gr_chunk_decode(&reader, chunk)) error = GR_ERR_MALFORMED;
  return error;
}

Test(membership_message, a_piece_comes_as_it_was_sent) {
  struct gr_chunk chunk;
  make_frame();
  cr_assert_eq(read_frame(sizeof(frame), &chunk), GR_OK);
  cr_assert_eq(chunk.snapshot, 5);
  cr_assert_eq(chunk.offset, 6000);
  cr_assert_eq(chunk.total, 70000);
  cr_assert(chunk.last);
  cr_assert_eq(chunk.bytes.size, sizeof(piece));
  cr_assert_eq(memcmp(chunk.bytes.data, piece, sizeof(piece)), 0);
}

Test(membership_message, every_bit_of_a_piece_counts) {
  struct gr_chunk chunk;
  make_frame();
  for (size_t bit = 0; bit < 8 * sizeof(frame); bit++) {
    frame[bit / 8] ^= (uint8_t)(1 << bit % 8);
    cr_assert_neq(read_frame(sizeof(frame), &chunk), GR_OK, "bit %zu", bit);
    frame[bit / 8] ^= (uint8_t)(1 << bit % 8);
  }
}

Test(membership_message, a_piece_that_was_cut_is_refused) {
  struct gr_chunk chunk;
  make_frame();
  for (size_t size = 0; size < sizeof(frame); size++)
    cr_assert_neq(read_frame(size, &chunk), GR_OK, "%zu bytes", size);
}
