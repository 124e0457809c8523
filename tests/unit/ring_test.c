/* SPDX-License-Identifier: MIT
 *
 * base/ring.h: a window that slides over a sequence never gives two numbers one place.
 */
#include "base/ring.h"

#include <criterion/criterion.h>

/* Slides windows of every small capacity over the sequence, against an array that says
 * which number is where. */
Test(ring, present_numbers_have_places_of_their_own) {
  for (uint64_t capacity = 1; capacity <= 16; capacity *= 2) {
    const uint64_t first = 1000 - capacity;
    struct gr_ring ring = gr_ring_of(first, capacity);
    uint64_t owner[16] = {0};
    cr_assert_eq(gr_ring_capacity(&ring), capacity);
    for (uint64_t turn = 0; turn < 5 * capacity; turn++) {
      while (!gr_ring_full(&ring)) {
        cr_assert_lt(gr_ring_place(&ring, ring.end), capacity);
        owner[gr_ring_place(&ring, ring.end)] = ring.end;
        ring.end++;
      }
      cr_assert_eq(gr_ring_count(&ring), capacity);
      for (uint64_t number = ring.first; number < ring.end; number++) {
        cr_assert(gr_ring_has(&ring, number));
        cr_assert_eq(owner[gr_ring_place(&ring, number)], number);
      }
      cr_assert(!gr_ring_has(&ring, ring.first - 1));
      cr_assert(!gr_ring_has(&ring, ring.end));
      ring.first += 1 + turn % capacity;
    }
  }
}

Test(ring, an_empty_window_has_nothing) {
  struct gr_ring ring = gr_ring_of(7, 8);
  cr_assert_eq(gr_ring_count(&ring), 0);
  cr_assert(!gr_ring_full(&ring));
  cr_assert(!gr_ring_has(&ring, 6));
  cr_assert(!gr_ring_has(&ring, 7));
}

Test(ring, rounds_up_to_powers_of_two) {
  const struct {
    uint64_t count;
    uint64_t capacity;
  } cases[] = {{0, 1},
               {1, 1},
               {2, 2},
               {3, 4},
               {4, 4},
               {5, 8},
               {1023, 1024},
               {1024, 1024},
               {1025, 2048},
               {(UINT64_C(1) << 62) + 1, UINT64_C(1) << 63},
               {UINT64_C(1) << 63, UINT64_C(1) << 63}};
  for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
    cr_assert_eq(gr_ring_round_up(cases[i].count), cases[i].capacity, "case %zu", i);
  }
}
