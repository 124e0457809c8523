/* SPDX-License-Identifier: MIT
 *
 * Framing, both ways: the outbox writes frames to a socket, the frame reader cuts what
 * comes out. Plus the reader's refusals, and the ring of tags.
 */
#include "base/bytes.h"
#include "posix/frame_reader.h"
#include "posix/outbox.h"
#include "posix/tag_ring.h"

#include <criterion/criterion.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define FRAME_MAX 100000

static uint8_t byte_of(uint64_t frame, size_t at) {
  return (uint8_t)(frame * 131 + at * 3 + at / 256);
}

/* Feeds a stream of frames in pieces of `piece` bytes; all must come out whole. */
static void feed(const uint8_t *stream, size_t size, size_t piece, const size_t *sizes,
                 size_t frames) {
  struct gr_frame_reader reader;
  cr_assert(gr_frame_reader_init(&reader, 512, FRAME_MAX));
  size_t fed = 0;
  size_t seen = 0;
  while (fed < size) {
    size_t room = 0;
    uint8_t *at = gr_frame_reader_room(&reader, &room);
    cr_assert_gt(room, 0);
    size_t now = piece < room ? piece : room;
    if (now > size - fed) now = size - fed;
    memcpy(at, stream + fed, now);
    fed += now;
    gr_frame_reader_filled(&reader, now);
    gr_slice frame;
    enum gr_frame_result result;
    while ((result = gr_frame_reader_next(&reader, &frame)) == GR_FRAME_READY) {
      cr_assert_lt(seen, frames);
      cr_assert_eq(frame.size, sizes[seen]);
      for (size_t i = 0; i < frame.size; i++)
        cr_assert_eq(((const uint8_t *)frame.data)[i], byte_of(seen, i));
      seen++;
    }
    cr_assert_eq(result, GR_FRAME_PARTIAL);
  }
  cr_assert_eq(seen, frames);
  gr_frame_reader_free(&reader);
}

Test(frame_reader, any_split_gives_the_same_frames) {
  const size_t sizes[] = {0, 1, 4, 500, 508, 509, 3, 30000, 77, FRAME_MAX, 2, 1000, 0};
  const size_t frames = sizeof(sizes) / sizeof(sizes[0]);
  size_t size = 0;
  for (size_t i = 0; i < frames; i++) size += 4 + sizes[i];
  uint8_t *stream = malloc(size);
  uint8_t *at = stream;
  for (size_t i = 0; i < frames; i++) {
    gr_store_u32(at, (uint32_t)sizes[i]);
    for (size_t k = 0; k < sizes[i]; k++) at[4 + k] = byte_of(i, k);
    at += 4 + sizes[i];
  }
  const size_t pieces[] = {1, 2, 3, 5, 7, 64, 511, 512, 4096, 65536, 1 << 20};
  for (size_t i = 0; i < sizeof(pieces) / sizeof(pieces[0]); i++)
    feed(stream, size, pieces[i], sizes, frames);
  free(stream);
}

Test(frame_reader, an_oversized_length_is_refused_before_it_is_buffered) {
  struct gr_frame_reader reader;
  cr_assert(gr_frame_reader_init(&reader, 512, FRAME_MAX));
  size_t room = 0;
  gr_slice frame;
  gr_store_u32(gr_frame_reader_room(&reader, &room), FRAME_MAX + 1);
  gr_frame_reader_filled(&reader, 4);
  cr_assert_eq(gr_frame_reader_next(&reader, &frame), GR_FRAME_OVERSIZED);
  cr_assert_eq(frame.size, FRAME_MAX + 1);
  cr_assert_eq(reader.capacity, 512);
  gr_frame_reader_free(&reader);
  cr_assert(gr_frame_reader_init(&reader, 512, FRAME_MAX));
  memset(gr_frame_reader_room(&reader, &room), 0xff, 4);
  gr_frame_reader_filled(&reader, 4);
  cr_assert_eq(gr_frame_reader_next(&reader, &frame), GR_FRAME_OVERSIZED);
  gr_frame_reader_free(&reader);
}

/* ---- the outbox, over a socket pair whose reader is slow ---- */

struct pipe_under_test {
  int ends[2];
  struct gr_outbox *outbox;
  struct gr_frame_reader reader;
  uint64_t seen;
  const size_t *sizes;
  size_t size_count;
};

static void read_frames(struct pipe_under_test *test, size_t bytes_max) {
  size_t room = 0;
  uint8_t *at = gr_frame_reader_room(&test->reader, &room);
  ssize_t got =
      recv(test->ends[1], at, room < bytes_max ? room : bytes_max, MSG_DONTWAIT);
  if (got <= 0) return;
  gr_frame_reader_filled(&test->reader, (size_t)got);
  gr_slice frame;
  while (gr_frame_reader_next(&test->reader, &frame) == GR_FRAME_READY) {
    cr_assert_eq(frame.size, test->sizes[test->seen % test->size_count]);
    for (size_t i = 0; i < frame.size; i++)
      cr_assert_eq(((const uint8_t *)frame.data)[i], byte_of(test->seen, i));
    test->seen++;
  }
}

static bool add(struct pipe_under_test *test, uint64_t frame, uint8_t *payload) {
  size_t size = test->sizes[frame % test->size_count];
  size_t header = size < 40 ? size : 40;
  uint8_t head[40]; /* overwritten by the next frame: must be copied */
  for (size_t i = 0; i < header; i++) head[i] = byte_of(frame, i);
  for (size_t i = header; i < size; i++) payload[i] = byte_of(frame, i);
  const gr_slice parts[] = {{head, header}, {payload + header, size - header}};
  bool taken = gr_outbox_add(test->outbox, parts, 2);
  memset(head, 0, sizeof(head));
  return taken;
}

Test(outbox, partial_writes_lose_nothing) {
  const size_t sizes[] = {0, 10, 40, 41, 200, 5000, FRAME_MAX, 257, 296, 297};
  struct pipe_under_test test = {.sizes = sizes, .size_count = 10};
  const int small = 20000;
  cr_assert_eq(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, test.ends), 0);
  cr_assert_eq(setsockopt(test.ends[0], SOL_SOCKET, SO_SNDBUF, &small, sizeof(small)), 0);
  cr_assert(gr_frame_reader_init(&test.reader, 65536, FRAME_MAX));
  test.outbox = malloc(sizeof(*test.outbox));
  cr_assert(gr_outbox_init(test.outbox, FRAME_MAX));
  uint8_t *payloads[8];
  for (size_t i = 0; i < 8; i++) payloads[i] = malloc(FRAME_MAX);
  uint64_t sent = 0;
  size_t blocked = 0;
  while (sent < 2000) {
    for (size_t i = 0; i < 8 && add(&test, sent, payloads[i]); i++) sent++;
    if (gr_outbox_flush(test.outbox, test.ends[0]) == GR_OUTBOX_BLOCKED) {
      const gr_slice none = {NULL, 0};
      cr_assert_not(gr_outbox_add(test.outbox, &none, 1), "nothing goes past a leftover");
    }
    for (size_t i = 0; i < 8; i++)
      memset(payloads[i], 0, FRAME_MAX); /* the round is over */
    while (gr_outbox_resume(test.outbox, test.ends[0]) == GR_OUTBOX_BLOCKED) {
      blocked++;
      read_frames(&test, 7777);
    }
  }
  while (test.seen < sent) read_frames(&test, 65536);
  cr_assert_gt(blocked, 100);
  for (size_t i = 0; i < 8; i++) free(payloads[i]);
  gr_frame_reader_free(&test.reader);
  gr_outbox_free(test.outbox);
  free(test.outbox);
  close(test.ends[0]);
  close(test.ends[1]);
}

Test(outbox, a_round_is_bounded) {
  struct gr_outbox *outbox = malloc(sizeof(*outbox));
  cr_assert(gr_outbox_init(outbox, FRAME_MAX));
  uint8_t *payload = calloc(1, FRAME_MAX);
  const gr_slice large[] = {{"head", 4}, {payload, FRAME_MAX - 4}};
  size_t taken = 0;
  while (gr_outbox_add(outbox, large, 2)) taken++;
  cr_assert_eq(taken, 6, "the first beyond 512 KiB is the last");
  gr_outbox_clear(outbox);
  const gr_slice all_header = {payload, FRAME_MAX};
  for (taken = 0; gr_outbox_add(outbox, &all_header, 1);) taken++;
  cr_assert_eq(taken, 1, "the arena holds one large header");
  gr_outbox_clear(outbox);
  const gr_slice payloads[] = {{"head", 4}, {payload, 257}};
  for (taken = 0; gr_outbox_add(outbox, payloads, 2);) taken++;
  cr_assert_eq(taken, (GR_OUTBOX_VECTORS_MAX - 1) / 2, "the vectors");
  gr_outbox_free(outbox);
  free(outbox);
  free(payload);
}

Test(outbox, broken) {
  int ends[2];
  cr_assert_eq(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, ends), 0);
  close(ends[1]);
  struct gr_outbox *outbox = malloc(sizeof(*outbox));
  cr_assert(gr_outbox_init(outbox, FRAME_MAX));
  const gr_slice part = {"x", 1};
  cr_assert(gr_outbox_add(outbox, &part, 1));
  cr_assert_eq(gr_outbox_flush(outbox, ends[0]), GR_OUTBOX_BROKEN);
  cr_assert_eq(errno, EPIPE);
  gr_outbox_free(outbox);
  free(outbox);
  close(ends[0]);
}

/* ---- tags ---- */

Test(tag_ring, by_number_and_growing) {
  struct gr_tag_ring tags;
  cr_assert(gr_tag_ring_init(&tags));
  uint64_t popped = 0;
  for (uint64_t number = 1; number <= 20000; number++) {
    cr_assert(gr_tag_ring_reserve(&tags));
    cr_assert(gr_tag_ring_push(&tags, number, number * 3));
    uint64_t tag = 0;
    if (number % 3 != 0) continue;
    popped++;
    cr_assert(gr_tag_ring_pop(&tags, popped, &tag));
    cr_assert_eq(tag, popped * 3);
  }
  uint64_t tag = 0;
  cr_assert_not(gr_tag_ring_pop(&tags, popped, &tag), "again");
  cr_assert_not(gr_tag_ring_pop(&tags, popped + 2, &tag), "not the oldest");
  cr_assert_not(gr_tag_ring_push(&tags, 20002, 0), "one left out");
  while (popped < 20000) cr_assert(gr_tag_ring_pop(&tags, ++popped, &tag));
  cr_assert_not(gr_tag_ring_pop(&tags, popped + 1, &tag), "none there");
  gr_tag_ring_free(&tags);
}
