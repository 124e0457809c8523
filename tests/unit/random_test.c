/* SPDX-License-Identifier: MIT
 *
 * base/random.h: SplitMix64, bit for bit, since runs must replay on every machine.
 */
#include "base/random.h"

#include <criterion/criterion.h>

/* Published for the seed 1234567 at
 * rosettacode.org/wiki/Pseudo-random_numbers/Splitmix64. */
Test(random, published_sequence) {
  const uint64_t expected[] = {UINT64_C(6457827717110365317),
                               UINT64_C(3203168211198807973),
                               UINT64_C(9817491932198370423),
                               UINT64_C(4593380528125082431),
                               UINT64_C(16408922859458223821)};
  struct gr_random random = {.state = 1234567};
  for (size_t i = 0; i < sizeof(expected) / sizeof(expected[0]); i++) {
    cr_assert_eq(gr_random_next(&random), expected[i], "value %zu", i);
  }
}

Test(random, below_stays_below) {
  struct gr_random random = {.state = 9};
  const uint64_t bounds[] = {1, 2, 3, 10, 1000, UINT64_C(1) << 63, UINT64_MAX};
  for (size_t i = 0; i < sizeof(bounds) / sizeof(bounds[0]); i++) {
    for (int draw = 0; draw < 1000; draw++) {
      cr_assert_lt(gr_random_below(&random, bounds[i]), bounds[i]);
    }
  }
}

Test(random, below_nothing_is_zero_and_draws_nothing) {
  struct gr_random random = {.state = 9};
  cr_assert_eq(gr_random_below(&random, 0), 0);
  cr_assert_eq(random.state, 9);
}

Test(random, below_reaches_every_value) {
  struct gr_random random = {.state = 10};
  uint32_t seen = 0;
  for (int draw = 0; draw < 1000; draw++)
    seen |= UINT32_C(1) << gr_random_below(&random, 31);
  cr_assert_eq(seen, UINT32_MAX >> 1);
}
