/* SPDX-License-Identifier: MIT
 *
 * The queue of messages, from one thread: order, bytes, wrapping, limits, closing. What
 * it does between threads, stress.c shows.
 */
#include "posix/submit_queue.h"

#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>

#define RING_BYTES 4096
#define LINES (RING_BYTES / GR_SUBMIT_LINE_BYTES)

static struct gr_submit_queue *make(uint64_t large_bytes_max) {
  struct gr_submit_queue *queue =
      aligned_alloc(GR_SUBMIT_LINE_BYTES, sizeof(struct gr_submit_queue));
  cr_assert_eq(gr_submit_queue_init(queue, RING_BYTES, large_bytes_max), GR_OK);
  return queue;
}

static void end(struct gr_submit_queue *queue) {
  gr_submit_queue_free(queue);
  free(queue);
}

/* The byte at `at` of message `number`. */
static uint8_t byte_of(uint64_t number, size_t at) {
  return (uint8_t)(number * 31 + at * 7 + at / 251);
}

/* Pushes message `number` of `size` bytes, in three parts. */
static int push(struct gr_submit_queue *queue, uint64_t number, size_t size) {
  uint8_t *bytes = malloc(size + 1);
  for (size_t i = 0; i < size; i++) bytes[i] = byte_of(number, i);
  size_t third = size / 3;
  const gr_slice parts[] = {{bytes, third}, {NULL, 0}, {bytes + third, size - third}};
  int error = gr_submit_queue_push(queue, parts, 3, size, number);
  free(bytes);
  return error;
}

/* Takes the oldest message, which must be `number`. Answers whether it was in two parts.
 */
static bool take(struct gr_submit_queue *queue, uint64_t number, size_t size) {
  struct gr_submission message;
  cr_assert(gr_submit_queue_peek(queue, &message));
  cr_assert_eq(message.tag, number);
  cr_assert_eq(message.size, size);
  size_t at = 0;
  for (size_t i = 0; i < message.part_count; i++) {
    const uint8_t *bytes = message.parts[i].data;
    for (size_t k = 0; k < message.parts[i].size; k++, at++)
      cr_assert_eq(bytes[k], byte_of(number, at), "byte %zu of %zu", at, size);
  }
  cr_assert_eq(at, size);
  gr_submit_queue_pop(queue);
  return message.part_count == 2;
}

Test(submit_queue, order_bytes_and_wrapping) {
  struct gr_submit_queue *queue = make(0);
  const size_t sizes[] = {0, 1, 63, 64, 65, 128, 300, 1000, 1024};
  const size_t size_count = sizeof(sizes) / sizeof(sizes[0]);
  size_t wrapped = 0;
  for (uint64_t number = 1; number < 2000; number++) {
    cr_assert(gr_submit_queue_is_empty(queue));
    size_t one = sizes[number % size_count];
    size_t two = sizes[number * 5 / 3 % size_count];
    cr_assert_eq(push(queue, 2 * number, one), GR_OK);
    cr_assert_eq(push(queue, 2 * number + 1, two), GR_OK);
    cr_assert_not(gr_submit_queue_is_empty(queue));
    wrapped += take(queue, 2 * number, one);
    wrapped += take(queue, 2 * number + 1, two);
    gr_submit_queue_release(queue);
  }
  cr_assert_gt(wrapped, 100);
  end(queue);
}

Test(submit_queue, full_until_released) {
  struct gr_submit_queue *queue = make(0);
  for (uint64_t number = 0; number < LINES; number++)
    cr_assert_eq(push(queue, number, number % 2 ? 64 : 0), GR_OK);
  cr_assert_eq(push(queue, 99, 0), GR_ERR_FULL);
  take(queue, 0, 0);
  cr_assert_eq(push(queue, 99, 0), GR_ERR_FULL, "what was taken is not released yet");
  gr_submit_queue_release(queue);
  cr_assert_eq(push(queue, 99, 65), GR_ERR_FULL, "two lines do not fit in one");
  cr_assert_eq(push(queue, 100, 64), GR_OK);
  for (uint64_t number = 1; number < LINES; number++)
    take(queue, number, number % 2 ? 64 : 0);
  take(queue, 100, 64);
  cr_assert(gr_submit_queue_is_empty(queue));
  end(queue);
}

Test(submit_queue, large_messages_are_bounded_apart) {
  const size_t large = RING_BYTES / 4 + 1;
  struct gr_submit_queue *queue = make(2 * large + 10);
  cr_assert_eq(push(queue, 1, large), GR_OK);
  cr_assert_eq(push(queue, 2, large), GR_OK);
  cr_assert_eq(push(queue, 3, large), GR_ERR_FULL);
  cr_assert_eq(push(queue, 3, large - 1), GR_OK, "small ones have room of their own");
  take(queue, 1, large);
  cr_assert_eq(push(queue, 4, 3 * large), GR_ERR_FULL, "more than the limit");
  cr_assert_eq(push(queue, 4, large + 10), GR_OK);
  take(queue, 2, large);
  take(queue, 3, large - 1);
  take(queue, 4, large + 10);
  cr_assert(gr_submit_queue_is_empty(queue));
  end(queue);
}

Test(submit_queue, what_is_left_is_freed) {
  struct gr_submit_queue *queue = make(1 << 20);
  for (uint64_t number = 0; number < 5; number++)
    cr_assert_eq(push(queue, number, 9999), GR_OK);
  end(queue); /* the leak check looks */
}

Test(submit_queue, closed) {
  struct gr_submit_queue *queue = make(1 << 20);
  cr_assert_eq(push(queue, 1, 10), GR_OK);
  gr_submit_queue_close(queue);
  cr_assert_eq(push(queue, 2, 10), GR_ERR_HALTED);
  cr_assert_eq(push(queue, 2, 9999), GR_ERR_HALTED);
  const gr_slice part = {"x", 1};
  cr_assert_eq(gr_submit_queue_push_wait(queue, &part, 1, 1, 0), GR_ERR_HALTED);
  gr_submit_queue_await_leavers(queue);
  take(queue, 1, 10);
  cr_assert(gr_submit_queue_is_empty(queue));
  end(queue);
}
