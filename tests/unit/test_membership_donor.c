/* SPDX-License-Identifier: MIT
 *
 * membership/donor.h: which of several candidates is asked.
 */
#include "membership/donor.h"
#include "base/random.h"

#include <criterion/criterion.h>

#define MS UINT64_C(1000000)

static const struct gr_donor_weights weights = {40, 30, 20, 10};

static gr_member_id chosen(struct gr_donor *candidates, uint32_t count) {
  const struct gr_donor *donor = gr_donor_choose(candidates, count, &weights);
  return donor ? donor->id : 0;
}

/* In each case the candidate with id 2 is the one, in either order. Fields as in struct
 * gr_donor: id, round trip, load, completeness, version distance, tries, leads. */
Test(membership_donor, which_of_two) {
  static const struct {
    struct gr_donor one;
    struct gr_donor two;
    const char *why;
  } cases[] = {
      {{1, 4 * MS, 500, 500, 0, 0, false}, {2, 2 * MS, 500, 500, 0, 0, false}, "nearer"},
      {{1, 0, 500, 500, 0, 0, false}, {2, 9 * MS, 500, 500, 0, 0, false}, "known"},
      {{1, 2 * MS, 501, 500, 0, 0, false},
       {2, 2 * MS, 500, 500, 0, 0, false},
       "less busy"},
      {{1, 2 * MS, UINT32_MAX, 500, 0, 0, false},
       {2, 2 * MS, 999, 500, 0, 0, false},
       "no wrap"},
      {{1, 2 * MS, 500, 499, 0, 0, false},
       {2, 2 * MS, 500, 500, 0, 0, false},
       "has more"},
      {{1, 2 * MS, 500, UINT32_MAX, 0, 0, false},
       {2, 2 * MS, 499, 1000, 0, 0, false},
       "more than all is all"},
      {{1, 2 * MS, 500, 500, 1, 0, false},
       {2, 2 * MS, 500, 500, 0, 0, false},
       "same version"},
      {{1, 2 * MS, 500, 500, UINT64_MAX, 0, false},
       {2, 2 * MS, 500, 500, 100, 0, false},
       "nearer version"},
      {{3, 2 * MS, 500, 500, 0, 0, false},
       {2, 2 * MS, 500, 500, 0, 0, false},
       "the smaller id of equals"},
      /* 40 * 500 points against 30 * 600 and 30 * 700 */
      {{1, 4 * MS, 0, 500, 0, 0, false},
       {2, 2 * MS, 600, 500, 0, 0, false},
       "near outweighs somewhat idle"},
      {{1, 2 * MS, 700, 500, 0, 0, false},
       {2, 4 * MS, 0, 500, 0, 0, false},
       "very idle outweighs near"},
      {{1, 2 * MS, 0, 500, 0, 0, true},
       {2, 2 * MS, 1000, 500, 0, 0, false},
       "the leader is spared"},
      {{1, 2 * MS, 0, 500, 0, 1, false},
       {2, 2 * MS, 1000, 500, 0, 0, false},
       "another one after a failure"},
      {{1, 2 * MS, 500, 500, 0, 1, false},
       {2, 2 * MS, 500, 500, 0, 0, true},
       "the leader before one that has failed"},
      {{1, 2 * MS, 500, 500, 0, 1, true},
       {2, 2 * MS, 500, 500, 0, 1, false},
       "again, and the leader last"},
  };
  for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
    struct gr_donor forth[] = {cases[i].one, cases[i].two};
    struct gr_donor back[] = {cases[i].two, cases[i].one};
    cr_assert_eq(chosen(forth, 2), 2, "%s", cases[i].why);
    cr_assert_eq(chosen(back, 2), 2, "%s, the other way round", cases[i].why);
  }
}

Test(membership_donor, of_none_none_and_of_one_that) {
  struct gr_donor alone = {9, 2 * MS, 500, 500, 0, 7, true};
  cr_assert_null(gr_donor_choose(&alone, 0, &weights));
  cr_assert_eq(chosen(&alone, 1), 9);
}

/* While all fail each is asked in its turn, the leader last in each round. */
Test(membership_donor, failures_go_round) {
  struct gr_donor candidates[] = {{1, 2 * MS, 500, 500, 0, 0, true},
                                  {2, 2 * MS, 500, 500, 0, 0, false},
                                  {3, 1 * MS, 500, 500, 0, 0, false},
                                  {4, 2 * MS, 900, 500, 0, 0, false}};
  static const gr_member_id turns[] = {3, 2, 4, 1, 3, 2, 4, 1};
  for (size_t i = 0; i < sizeof(turns) / sizeof(turns[0]); i++) {
    struct gr_donor *donor = gr_donor_choose(candidates, 4, &weights);
    cr_assert_not_null(donor);
    cr_assert_eq(donor->id, turns[i], "turn %zu", i);
    donor->tries++;
  }
}

/* With a weight alone, only its property decides. */
Test(membership_donor, weights_are_obeyed) {
  struct gr_donor candidates[] = {
      {.id = 1, .round_trip = 9 * MS, .load = 900, .version_distance = 9},
      {.id = 2, .round_trip = 1 * MS, .load = 900, .version_distance = 9},
      {.id = 3, .round_trip = 9 * MS, .load = 100, .version_distance = 9},
      {.id = 4,
       .round_trip = 9 * MS,
       .load = 900,
       .completeness = 1,
       .version_distance = 9},
      {.id = 5, .round_trip = 9 * MS, .load = 900, .version_distance = 0}};
  static const struct {
    struct gr_donor_weights weights;
    gr_member_id id;
  } cases[] = {{{0, 0, 0, 0}, 1},
               {{1, 0, 0, 0}, 2},
               {{0, 1, 0, 0}, 3},
               {{0, 0, 1, 0}, 4},
               {{0, 0, 0, 1}, 5}};
  for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
    cr_assert_eq(gr_donor_choose(candidates, 5, &cases[i].weights)->id, cases[i].id,
                 "case %zu", i);
}

Test(membership_donor, order_does_not_matter) {
  struct gr_random random = {.state = 1};
  for (int draw = 0; draw < 10000; draw++) {
    struct gr_donor candidates[9];
    for (uint32_t i = 0; i < 9; i++)
      candidates[i] = (struct gr_donor){
          .id = i + 1,
          .round_trip = gr_random_below(&random, 4) * MS,
          .load = (uint32_t)gr_random_below(&random, 3) * 400,
          .completeness = (uint32_t)gr_random_below(&random, 3) * 400,
          .version_distance = gr_random_below(&random, 3),
          .tries = (uint32_t)gr_random_below(&random, 2),
          .leads = gr_random_below(&random, 4) == 0,
      };
    gr_member_id first = chosen(candidates, 9);
    for (uint32_t i = 8; i > 0; i--) {
      uint32_t other = (uint32_t)gr_random_below(&random, i + 1);
      struct gr_donor swap = candidates[i];
      candidates[i] = candidates[other];
      candidates[other] = swap;
    }
    cr_assert_eq(chosen(candidates, 9), first);
  }
}
