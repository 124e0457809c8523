/* SPDX-License-Identifier: MIT
 *
 * base/memberset.h: majorities, which all of Paxos rests on, against the plainest
 * possible reckoning, for every size of group.
 */
#include "base/memberset.h"
#include "base/random.h"

#include <criterion/criterion.h>

static uint32_t count_plainly(gr_memberset set) {
  uint32_t count = 0;
  for (uint32_t index = 0; index < 64; index++) count += (uint32_t)(set >> index & 1);
  return count;
}

Test(memberset, first_has_and_size_agree) {
  for (uint32_t n = 0; n <= GR_PLACES_MAX; n++) {
    gr_memberset set = gr_memberset_first(n);
    cr_assert_eq(gr_memberset_size(set), n);
    for (uint32_t index = 0; index < GR_PLACES_MAX; index++) {
      cr_assert_eq(gr_memberset_has(set, index), index < n);
      cr_assert_eq((set & gr_memberset_one(index)) != 0, index < n);
    }
  }
}

/* Every set of members, for every group up to 16. */
Test(memberset, majority_of_every_small_set) {
  for (uint32_t n = 1; n <= 16; n++) {
    gr_memberset voters = gr_memberset_first(n);
    for (gr_memberset set = 0; set <= voters; set++) {
      cr_assert_eq(gr_memberset_majority(set, voters), count_plainly(set) >= n / 2 + 1,
                   "n %u, set %lx", n, set);
    }
  }
}

/* Every number of members, for every group up to the largest; the members at random. */
Test(memberset, majority_of_every_size) {
  struct gr_random random = {.state = 1};
  for (uint32_t n = 1; n <= GR_PLACES_MAX; n++) {
    gr_memberset voters = gr_memberset_first(n);
    for (uint32_t size = 0; size <= n; size++) {
      for (int draw = 0; draw < 20; draw++) {
        gr_memberset set = 0;
        while (count_plainly(set) < size) {
          set |= gr_memberset_one((uint32_t)gr_random_below(&random, n));
        }
        cr_assert_eq(gr_memberset_majority(set, voters), size > n - size, "n %u, set %lx",
                     n, set);
      }
    }
  }
}

Test(memberset, only_voters_count) {
  struct gr_random random = {.state = 2};
  for (int draw = 0; draw < 100000; draw++) {
    gr_memberset voters = gr_random_next(&random) & gr_memberset_first(GR_PLACES_MAX);
    gr_memberset set = gr_random_next(&random);
    uint32_t inside = count_plainly(set & voters);
    cr_assert_eq(gr_memberset_majority(set, voters),
                 inside > count_plainly(voters) - inside);
  }
  cr_assert(!gr_memberset_majority(~(gr_memberset)0, 0), "nobody has no majority");
}

/* Those below stay where they are, those above move down, and nobody else comes. */
Test(memberset, without_one_the_others_close_up) {
  struct gr_random random = {.state = 4};
  for (uint32_t gone = 0; gone < GR_PLACES_MAX; gone++) {
    for (int draw = 0; draw < 100; draw++) {
      gr_memberset set = gr_random_next(&random) & gr_memberset_first(GR_PLACES_MAX);
      gr_memberset rest = gr_memberset_without(set, gone);
      for (uint32_t i = 0; i + 1 < GR_PLACES_MAX; i++)
        cr_assert_eq(gr_memberset_has(rest, i),
                     gr_memberset_has(set, i < gone ? i : i + 1), "gone %u, %u", gone, i);
      cr_assert_eq(rest >> (GR_PLACES_MAX - 1), 0);
    }
  }
}

Test(memberset, two_majorities_meet) {
  for (uint32_t n = 1; n <= 9; n++) {
    gr_memberset voters = gr_memberset_first(n);
    for (gr_memberset one = 0; one <= voters; one++) {
      if (!gr_memberset_majority(one, voters)) continue;
      for (gr_memberset other = 0; other <= voters; other++) {
        if (gr_memberset_majority(other, voters)) cr_assert_neq(one & other, 0);
      }
    }
  }
}

/* By definition: the highest of the values that more than half stand at or beyond. */
static uint64_t majority_mark_plainly(const uint64_t *values, uint32_t count) {
  uint64_t best = 0;
  for (uint32_t i = 0; i < count; i++) {
    uint32_t at_or_beyond = 0;
    for (uint32_t j = 0; j < count; j++) at_or_beyond += values[j] >= values[i];
    if (at_or_beyond > count - at_or_beyond && values[i] > best) best = values[i];
  }
  return best;
}

Test(memberset, majority_mark_of_every_size) {
  struct gr_random random = {.state = 3};
  for (uint32_t n = 1; n <= GR_PLACES_MAX; n++) {
    for (int draw = 0; draw < 2000; draw++) {
      uint64_t values[GR_PLACES_MAX];
      /* Few distinct values, so that ties are common; now and then the whole range. */
      uint64_t bound = draw % 4 == 0 ? UINT64_MAX : 1 + gr_random_below(&random, 2 * n);
      for (uint32_t i = 0; i < n; i++) values[i] = gr_random_below(&random, bound);
      cr_assert_eq(gr_majority_mark(values, n), majority_mark_plainly(values, n),
                   "n %u, draw %d", n, draw);
    }
  }
}

Test(memberset, majority_mark_by_hand) {
  cr_assert_eq(gr_majority_mark((uint64_t[]){5}, 1), 5);
  cr_assert_eq(gr_majority_mark((uint64_t[]){5, 9}, 2), 5);
  cr_assert_eq(gr_majority_mark((uint64_t[]){5, 9, 7}, 3), 7);
  cr_assert_eq(gr_majority_mark((uint64_t[]){9, 9, 1, 1}, 4), 1);
  cr_assert_eq(gr_majority_mark((uint64_t[]){0, UINT64_MAX, 0, UINT64_MAX, UINT64_MAX},
                                5),
               UINT64_MAX);
}
