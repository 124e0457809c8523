/* SPDX-License-Identifier: MIT
 *
 * membership/suspicion.h: only what a majority of the voters suspects, without
 * interruption, for long enough, leads to a removal; one at a time; never this member.
 */
#include "membership/suspicion.h"
#include "base/random.h"

#include <criterion/criterion.h>

#define MS UINT64_C(1000000)
#define S (1000 * MS)
#define LIFETIME (1 * S)
#define EXPEL (5 * S)
#define NOBODY UINT32_MAX

/* Members by their places. */
enum { A, B, C, D, E, F };

static gr_memberset set_of(const char *names) {
  gr_memberset set = 0;
  for (; *names; names++) set |= gr_memberset_one((uint32_t)(*names - 'A'));
  return set;
}

static struct gr_suspicion group(const char *members, const char *voters) {
  struct gr_suspicion suspicion;
  gr_suspicion_begin(&suspicion, LIFETIME);
  gr_suspicion_enter(&suspicion, set_of(members), set_of(voters), 0);
  return suspicion;
}

static void report(struct gr_suspicion *suspicion, uint32_t from, const char *suspects,
                   gr_time now) {
  gr_suspicion_report(suspicion, from, set_of(suspects), now);
}

static gr_time since(struct gr_suspicion *suspicion, uint32_t index, gr_time now) {
  return gr_suspicion_agreed_since(suspicion, index, now);
}

static uint32_t to_expel(struct gr_suspicion *suspicion, uint32_t self, gr_time now) {
  uint32_t index = NOBODY;
  bool found = gr_suspicion_to_expel(suspicion, self, EXPEL, now, &index);
  cr_assert_eq(found, index != NOBODY);
  return index;
}

/* ---- who is agreed on ---- */

/* What each of up to six members reports at once, and on whom a majority then agrees. */
Test(membership_suspicion, a_majority_of_all_voters_agrees) {
  static const struct {
    const char *members;
    const char *voters;
    const char *reports[6];
    const char *agreed;
  } cases[] = {
      {"ABC", "ABC", {"C", "C", ""}, "C"},
      {"ABC", "ABC", {"C", "", ""}, ""},
      {"ABC", "ABC", {"", "", "AB"}, ""},         /* cut off alone: suspects all */
      {"ABC", "ABC", {"B", "A", ""}, ""},         /* do not hear each other */
      {"ABC", "ABC", {"", "C", "C"}, ""},         /* what C says of itself is void */
      {"AB", "AB", {"B", ""}, ""},                /* of two nobody is removed */
      {"ABCD", "ABCD", {"CD", "CD", "", ""}, ""}, /* half is no majority */
      {"ABCD", "ABCD", {"D", "D", "D", ""}, "D"},
      {"ABCDE", "ABCDE", {"DE", "DE", "DE", "ABC", "ABC"}, "DE"}, /* a clean cut */
      {"ABCDE", "ABCDE", {"DE", "DE", "", "AB", "AB"}, ""},       /* C hears all */
      {"ABCDE", "ABCDE", {"E", "E", "", "", ""}, ""},   /* suspects are voters too */
      {"ABCDE", "ABC", {"DE", "DE", "", "", ""}, "DE"}, /* learners can be suspected, */
      {"ABCDE", "ABC", {"", "", "A", "A", "A"}, ""},    /* but are not asked */
      {"AB", "A", {"B", ""}, "B"},
      {"ABC", "ABC", {"F", "F", "F"}, ""}, /* no member */
  };
  for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
    struct gr_suspicion suspicion = group(cases[i].members, cases[i].voters);
    for (uint32_t from = 0; from < 6; from++)
      if (cases[i].reports[from]) report(&suspicion, from, cases[i].reports[from], 7 * S);
    for (uint32_t index = 0; index < 6; index++) {
      bool agreed = gr_memberset_has(set_of(cases[i].agreed), index);
      cr_assert_eq(since(&suspicion, index, 7 * S), agreed ? 7 * S : GR_TIME_NEVER,
                   "case %zu, %c", i, 'A' + (int)index);
    }
  }
}

/* A naive copy: everything recomputed from a list of the last reports. */
Test(membership_suspicion, agrees_with_a_plain_count_on_random_reports) {
  struct gr_random random = {.state = 1};
  for (int round = 0; round < 200; round++) {
    uint32_t count = 1 + (uint32_t)gr_random_below(&random, 9);
    gr_memberset members = gr_memberset_first(count);
    gr_memberset voters = (gr_memberset)gr_random_next(&random) & members;
    struct gr_suspicion suspicion;
    gr_suspicion_begin(&suspicion, LIFETIME);
    gr_suspicion_enter(&suspicion, members, voters, 0);
    gr_memberset said[9] = {0};
    gr_time at[9] = {0};
    bool agreed[9] = {0};
    for (gr_time now = 0; now < 5 * S; now += 50 * MS) {
      for (uint32_t i = 0; i < count; i++)
        if (at[i] + LIFETIME <= now) said[i] = 0;
      uint32_t from = (uint32_t)gr_random_below(&random, count);
      said[from] =
          (gr_memberset)gr_random_next(&random) | (gr_memberset)gr_random_next(&random);
      at[from] = now;
      gr_suspicion_report(&suspicion, from, said[from], now);
      for (uint32_t target = 0; target < count; target++) {
        uint32_t accusers = 0;
        for (uint32_t i = 0; i < count; i++)
          if (i != target && gr_memberset_has(voters, i))
            accusers += gr_memberset_has(said[i], target);
        agreed[target] = 2 * accusers > gr_memberset_size(voters);
        cr_assert_eq(since(&suspicion, target, now) != GR_TIME_NEVER, agreed[target]);
      }
    }
  }
}

/* ---- since when ---- */

Test(membership_suspicion, agreement_goes_on_while_majorities_change) {
  struct gr_suspicion suspicion = group("ABCDE", "ABCDE");
  report(&suspicion, A, "E", 1 * S);
  report(&suspicion, B, "E", 1100 * MS);
  cr_assert_eq(since(&suspicion, E, 1100 * MS), GR_TIME_NEVER);
  report(&suspicion, C, "E", 1200 * MS);
  cr_assert_eq(since(&suspicion, E, 1200 * MS), 1200 * MS);
  report(&suspicion, D, "E", 1300 * MS);
  report(&suspicion, A, "", 1400 * MS);
  cr_assert_eq(since(&suspicion, E, 1400 * MS), 1200 * MS, "B, C, D still agree");
  report(&suspicion, B, "", 1500 * MS);
  cr_assert_eq(since(&suspicion, E, 1500 * MS), GR_TIME_NEVER);
  report(&suspicion, B, "E", 1600 * MS);
  cr_assert_eq(since(&suspicion, E, 1600 * MS), 1600 * MS, "it was interrupted");
}

Test(membership_suspicion, old_reports_do_not_count) {
  struct gr_suspicion suspicion = group("ABC", "ABC");
  report(&suspicion, A, "C", 1 * S);
  report(&suspicion, B, "C", 1 * S);
  cr_assert_eq(since(&suspicion, C, 2 * S - 1), 1 * S);
  cr_assert_eq(since(&suspicion, C, 2 * S), GR_TIME_NEVER);
}

Test(membership_suspicion, nobody_is_removed_for_what_was_said_long_ago) {
  struct gr_suspicion suspicion = group("ABC", "ABC");
  report(&suspicion, A, "C", 1 * S);
  report(&suspicion, B, "C", 1 * S);
  cr_assert_eq(to_expel(&suspicion, A, 20 * S), NOBODY);
}

/* Nobody asked between the lapse and the next report. */
Test(membership_suspicion, an_unnoticed_lapse_is_an_interruption) {
  struct gr_suspicion suspicion = group("ABC", "ABC");
  report(&suspicion, A, "C", 1 * S);
  report(&suspicion, B, "C", 1 * S);
  report(&suspicion, A, "C", 1500 * MS);
  report(&suspicion, B, "C", 2200 * MS);
  cr_assert_eq(since(&suspicion, C, 2200 * MS), 2200 * MS);
}

Test(membership_suspicion, what_was_said_before_a_pause_is_void) {
  struct gr_suspicion suspicion = group("ABC", "ABC");
  report(&suspicion, A, "C", 1 * S);
  report(&suspicion, B, "C", 1 * S);
  gr_suspicion_forget(&suspicion);
  cr_assert_eq(gr_suspicion_deadline(&suspicion, A, EXPEL, 1 * S), GR_TIME_NEVER);
  report(&suspicion, A, "C", 1100 * MS);
  cr_assert_eq(since(&suspicion, C, 1100 * MS), GR_TIME_NEVER);
  report(&suspicion, B, "C", 1200 * MS);
  cr_assert_eq(since(&suspicion, C, 1200 * MS), 1200 * MS);
}

/* ---- views ---- */

Test(membership_suspicion, a_new_view_keeps_what_was_said_of_those_who_stay) {
  struct gr_suspicion suspicion = group("ABCDE", "ABCDE");
  for (uint32_t from = A; from <= C; from++) report(&suspicion, from, "DE", 1 * S);
  gr_suspicion_enter(&suspicion, set_of("ABCE"), set_of("ABCE"), 1500 * MS);
  cr_assert_eq(since(&suspicion, D, 1500 * MS), GR_TIME_NEVER);
  cr_assert_eq(since(&suspicion, E, 1500 * MS), 1 * S);
  gr_suspicion_enter(&suspicion, set_of("ABCDE"), set_of("ABCDE"), 1600 * MS);
  cr_assert_eq(since(&suspicion, D, 1600 * MS), GR_TIME_NEVER, "D's place is another's");
}

Test(membership_suspicion, a_new_view_may_make_a_majority_of_a_minority) {
  struct gr_suspicion suspicion = group("ABCD", "ABCD");
  report(&suspicion, A, "D", 1 * S);
  report(&suspicion, B, "D", 1 * S);
  gr_suspicion_enter(&suspicion, set_of("ABD"), set_of("ABD"), 1200 * MS);
  cr_assert_eq(since(&suspicion, D, 1500 * MS), 1200 * MS);
}

Test(membership_suspicion, who_was_removed_is_not_counted_any_more) {
  struct gr_suspicion suspicion = group("ABCD", "ABC");
  report(&suspicion, A, "D", 1 * S);
  report(&suspicion, B, "D", 1 * S);
  gr_suspicion_enter(&suspicion, set_of("ACD"), set_of("AC"), 1 * S);
  gr_suspicion_enter(&suspicion, set_of("ABCD"), set_of("ABC"), 1 * S);
  cr_assert_eq(since(&suspicion, D, 1 * S), GR_TIME_NEVER, "B's place is another's");
}

/* ---- whom to remove ---- */

/* Keeps up the same reports of some members until `end`. */
static void keep_reporting(struct gr_suspicion *suspicion, const char *from,
                           const char *suspects, gr_time begin, gr_time end) {
  for (gr_time now = begin; now <= end; now += 100 * MS)
    for (const char *name = from; *name; name++)
      report(suspicion, (uint32_t)(*name - 'A'), suspects, now);
}

Test(membership_suspicion, removes_after_the_timeout_and_not_before) {
  struct gr_suspicion suspicion = group("ABC", "ABC");
  keep_reporting(&suspicion, "AB", "C", 1 * S, 6 * S - 100 * MS);
  cr_assert_eq(gr_suspicion_deadline(&suspicion, A, EXPEL, 5900 * MS), 6 * S);
  cr_assert_eq(to_expel(&suspicion, A, 6 * S - 1), NOBODY);
  cr_assert_eq(to_expel(&suspicion, A, 6 * S), C);
  cr_assert_eq(gr_suspicion_deadline(&suspicion, A, EXPEL, 6 * S), GR_TIME_NEVER,
               "who is due needs no timer");
}

Test(membership_suspicion, never_removes_itself) {
  struct gr_suspicion suspicion = group("ABC", "ABC");
  keep_reporting(&suspicion, "BC", "A", 1 * S, 10 * S);
  cr_assert_eq(gr_suspicion_deadline(&suspicion, A, EXPEL, 2 * S), GR_TIME_NEVER);
  cr_assert_eq(to_expel(&suspicion, A, 10 * S), NOBODY);
  cr_assert_eq(to_expel(&suspicion, B, 10 * S), A);
}

Test(membership_suspicion, the_longest_agreed_on_goes_first) {
  struct gr_suspicion suspicion = group("ABCDE", "ABC");
  keep_reporting(&suspicion, "AB", "E", 1 * S, 2 * S);
  keep_reporting(&suspicion, "AB", "DE", 2 * S, 10 * S);
  cr_assert_eq(gr_suspicion_deadline(&suspicion, A, EXPEL, 3 * S), 6 * S);
  cr_assert_eq(gr_suspicion_deadline(&suspicion, A, EXPEL, 6 * S), 7 * S);
  cr_assert_eq(to_expel(&suspicion, A, 10 * S), E);
  gr_suspicion_enter(&suspicion, set_of("ABCD"), set_of("ABC"), 10 * S);
  cr_assert_eq(to_expel(&suspicion, A, 10 * S), D);
}

Test(membership_suspicion, of_equals_the_lowest_place_goes_first) {
  struct gr_suspicion suspicion = group("ABCDE", "ABC");
  keep_reporting(&suspicion, "AB", "DE", 1 * S, 10 * S);
  cr_assert_eq(to_expel(&suspicion, A, 10 * S), D);
}

Test(membership_suspicion, the_deadline_is_the_earliest) {
  struct gr_suspicion suspicion = group("ABCDE", "ABC");
  keep_reporting(&suspicion, "AB", "D", 1 * S, 2 * S);
  keep_reporting(&suspicion, "AB", "DE", 2 * S, 3 * S);
  cr_assert_eq(gr_suspicion_deadline(&suspicion, A, EXPEL, 3 * S), 6 * S);
}

/* C and D hear neither A nor B, who do not hear each other; E hears everybody. A majority
 * agrees on both, yet only one is removed: then there is no majority any more. */
Test(membership_suspicion, a_removal_is_judged_by_the_new_voters) {
  struct gr_suspicion suspicion = group("ABCDE", "ABCDE");
  keep_reporting(&suspicion, "BCD", "A", 1 * S, 1 * S);
  keep_reporting(&suspicion, "ACD", "B", 1100 * MS, 1100 * MS);
  for (gr_time now = 1100 * MS; now <= 10 * S; now += 100 * MS) {
    report(&suspicion, A, "B", now);
    report(&suspicion, B, "A", now);
    report(&suspicion, C, "AB", now);
    report(&suspicion, D, "AB", now);
    report(&suspicion, E, "", now);
  }
  cr_assert_neq(since(&suspicion, B, 10 * S), GR_TIME_NEVER);
  cr_assert_eq(to_expel(&suspicion, C, 10 * S), A);
  gr_suspicion_enter(&suspicion, set_of("BCDE"), set_of("BCDE"), 10 * S);
  cr_assert_eq(to_expel(&suspicion, C, 10 * S), NOBODY);
}

/* Every pair of a group is cut, in one direction or both, for as long as you like. */
Test(membership_suspicion, a_cut_between_two_removes_nobody) {
  for (uint32_t count = 3; count <= 9; count++) {
    for (uint32_t pair = 0; pair < 2 * count * count; pair++) {
      uint32_t one = pair / 2 / count;
      uint32_t other = pair / 2 % count;
      if (one == other) continue;
      struct gr_suspicion suspicion;
      gr_suspicion_begin(&suspicion, LIFETIME);
      gr_suspicion_enter(&suspicion, gr_memberset_first(count), gr_memberset_first(count),
                         0);
      for (gr_time now = 0; now < 10 * S; now += 500 * MS) {
        for (uint32_t i = 0; i < count; i++) {
          gr_memberset suspects = i == one ? gr_memberset_one(other) : 0;
          if (i == other && pair % 2 == 1) suspects = gr_memberset_one(one);
          gr_suspicion_report(&suspicion, i, suspects, now);
        }
        cr_assert_eq(to_expel(&suspicion, one, now), NOBODY);
      }
    }
  }
}
