/* SPDX-License-Identifier: MIT
 *
 * membership/detector.h: the limit follows the rhythm of the peer, bursts teach nothing,
 * an outage does not blind, and a pause of one's own accuses nobody.
 */
#include "membership/detector.h"
#include "base/random.h"

#include <criterion/criterion.h>

#define MS UINT64_C(1000000)
#define S (1000 * MS)

static const struct gr_detector_settings settings = {.heartbeat_interval_ns = 100 * MS,
                                                     .floor_ns = 500 * MS,
                                                     .ceiling_ns = 5 * S};

/* Hears the peer `count` times, `gap` apart; returns the time of the last frame. */
static gr_time hear(struct gr_detector *detector, gr_time now, gr_time gap,
                    uint32_t count) {
  for (uint32_t i = 0; i < count; i++) {
    now += gap;
    gr_detector_heard(detector, &settings, now);
  }
  return now;
}

/* ---- the limit ---- */

Test(membership_detector, unlearned_it_waits_for_the_ceiling) {
  struct gr_detector detector;
  gr_detector_begin(&detector, 7 * S);
  cr_assert_eq(gr_detector_limit(&detector, &settings), 5 * S);
  cr_assert_eq(gr_detector_deadline(&detector, &settings), 12 * S);
}

Test(membership_detector, first_gap_is_taken_as_rfc_6298_does) {
  static const struct gr_detector_settings low = {100 * MS, 0, 60 * S};
  struct gr_detector detector;
  gr_detector_begin(&detector, 0);
  gr_detector_heard(&detector, &low, 400 * MS);
  /* mean 400, deviation 200, one interval */
  cr_assert_eq(gr_detector_limit(&detector, &low), (400 + 4 * 200 + 100) * MS);
  gr_detector_heard(&detector, &low, 1200 * MS);
  /* deviation 200 + (400 - 200) / 4 = 250; mean 400 + (800 - 400) / 8 = 450 */
  cr_assert_eq(gr_detector_limit(&detector, &low), (450 + 4 * 250 + 100) * MS);
  gr_detector_heard(&detector, &low, 1300 * MS);
  /* deviation 250 + (350 - 250) / 4 = 275; mean 450 - (450 - 100) / 8 = 406.25 */
  cr_assert_eq(gr_detector_limit(&detector, &low), 406250000 + (4 * 275 + 100) * MS);
}

/* A rhythm kept for long, and the limit that it leads to. */
Test(membership_detector, limit_follows_the_rhythm) {
  static const struct {
    gr_time gap;
    gr_time least;
    gr_time most;
  } cases[] = {
      {100 * MS, 500 * MS, 500 * MS},  /* just heartbeats: the floor */
      {10 * 1000, 500 * MS, 500 * MS}, /* 100,000 frames a second: no less */
      {99 * MS, 500 * MS, 500 * MS},   /* just below the interval: each counts once */
      {600 * MS, 700 * MS, 701 * MS},  /* slow, but regular: mean and one interval */
      {3 * S, 3100 * MS, 3101 * MS},   {20 * S, 5 * S, 5 * S}, /* the ceiling */
  };
  for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
    struct gr_detector detector;
    gr_detector_begin(&detector, 0);
    hear(&detector, 0, cases[i].gap, 100000);
    gr_time limit = gr_detector_limit(&detector, &settings);
    cr_assert_geq(limit, cases[i].least, "case %zu: %lu", i, (unsigned long)limit);
    cr_assert_leq(limit, cases[i].most, "case %zu: %lu", i, (unsigned long)limit);
  }
}

Test(membership_detector, never_below_two_intervals_whatever_the_settings) {
  static const struct gr_detector_settings tight = {100 * MS, 1 * MS, 50 * MS};
  struct gr_detector detector;
  gr_detector_begin(&detector, 0);
  cr_assert_eq(gr_detector_limit(&detector, &tight), 200 * MS);
  gr_detector_heard(&detector, &tight, 100 * MS);
  cr_assert_eq(gr_detector_limit(&detector, &tight), 200 * MS);
}

/* Irregular gaps raise the limit above that of regular ones with the same mean. */
Test(membership_detector, irregularity_raises_the_limit) {
  struct gr_random random = {.state = 1};
  struct gr_detector detector;
  gr_detector_begin(&detector, 0);
  gr_time now = 0;
  for (int i = 0; i < 1000; i++)
    now = hear(&detector, now, 100 * MS + gr_random_below(&random, 800 * MS), 1);
  gr_time limit = gr_detector_limit(&detector, &settings);
  cr_assert_gt(limit, 900 * MS, "it would suspect a peer that keeps its rhythm");
  cr_assert_lt(limit, 2 * S);
}

/* ---- what is learned ---- */

Test(membership_detector, a_burst_weighs_no_more_than_a_frame) {
  struct gr_detector alone;
  struct gr_detector burst;
  gr_detector_begin(&alone, 0);
  gr_detector_begin(&burst, 0);
  gr_time now = 0;
  for (int i = 0; i < 20; i++) {
    gr_detector_heard(&alone, &settings, now += 800 * MS);
    for (int j = 0; j < 1000; j++) gr_detector_heard(&burst, &settings, now);
  }
  cr_assert_eq(gr_detector_limit(&burst, &settings),
               gr_detector_limit(&alone, &settings));
}

Test(membership_detector, a_stream_of_frames_is_learned_as_heartbeats) {
  static const struct gr_detector_settings low = {100 * MS, 0, 60 * S};
  struct gr_detector detector;
  gr_detector_begin(&detector, 0);
  gr_time now = 0;
  for (int i = 0; i < 100000; i++) gr_detector_heard(&detector, &low, now += 1 * MS);
  gr_detector_heard(&detector, &low, now + 300 * MS);
  /* deviation 200 / 4, mean 100 + 200 / 8; the first deviation has faded */
  gr_time expected = (125 + 4 * 50 + 100) * MS;
  gr_time limit = gr_detector_limit(&detector, &low);
  cr_assert_leq(limit - expected, 1000, "%lu", (unsigned long)limit);
}

Test(membership_detector, a_silence_within_a_stream_of_frames_is_noticed) {
  struct gr_detector detector;
  gr_detector_begin(&detector, 0);
  gr_time now = 0;
  for (int i = 0; i < 50; i++) {
    now = hear(&detector, now, 1 * MS, 150);
    now = hear(&detector, now, 700 * MS, 1);
  }
  cr_assert_gt(gr_detector_limit(&detector, &settings), 700 * MS);
}

Test(membership_detector, an_outage_is_forgotten_within_seconds) {
  struct gr_detector detector;
  gr_detector_begin(&detector, 0);
  gr_time now = hear(&detector, 0, 100 * MS, 100);
  now = hear(&detector, now, 3600 * S, 1);
  cr_assert_leq(gr_detector_limit(&detector, &settings), 5 * S);
  hear(&detector, now, 100 * MS, 40);
  cr_assert_eq(gr_detector_limit(&detector, &settings), 500 * MS);
}

/* ---- suspicion ---- */

Test(membership_detector, suspects_at_the_deadline_and_not_before) {
  struct gr_detector detector;
  gr_detector_begin(&detector, 0);
  gr_time heard = hear(&detector, 0, 100 * MS, 100);
  gr_time deadline = gr_detector_deadline(&detector, &settings);
  cr_assert_eq(deadline, heard + 500 * MS);
  cr_assert(!gr_detector_poll(&detector, &settings, deadline - 1));
  cr_assert(gr_detector_poll(&detector, &settings, deadline));
  cr_assert_eq(gr_detector_deadline(&detector, &settings), GR_TIME_NEVER);
  cr_assert(gr_detector_poll(&detector, &settings, deadline + 1));
  cr_assert_eq(detector.suspicions, 1, "one suspicion is one");
  gr_detector_heard(&detector, &settings, deadline + 2);
  cr_assert(!gr_detector_poll(&detector, &settings, deadline + 2));
  cr_assert_neq(gr_detector_deadline(&detector, &settings), GR_TIME_NEVER);
}

/* Whatever the rhythm, if it is kept the peer is not suspected. */
Test(membership_detector, who_keeps_a_rhythm_is_never_suspected) {
  for (gr_time gap = 1 * MS; gap < 4 * S; gap += gap / 3 + 1) {
    struct gr_detector detector;
    gr_detector_begin(&detector, 0);
    gr_time now = 0;
    for (int i = 0; i < 500; i++) {
      cr_assert(!gr_detector_poll(&detector, &settings, now + gap - 1), "gap %lu, %d",
                (unsigned long)gap, i);
      now = hear(&detector, now, gap, 1);
    }
  }
}

Test(membership_detector, flaps_are_counted_within_the_window) {
  struct gr_detector detector;
  gr_detector_begin(&detector, 0);
  gr_time now = 0;
  for (uint32_t flap = 1; flap <= 40; flap++) {
    now = hear(&detector, now, 100 * MS, 50);
    now += 5 * S;
    cr_assert(gr_detector_poll(&detector, &settings, now));
    /* one every 10 s */
    uint32_t expected = flap < 6 ? flap : 6;
    cr_assert_eq(gr_detector_flaps(&detector, 60 * S, now), expected, "flap %u", flap);
  }
  cr_assert_eq(gr_detector_flaps(&detector, 60 * S, now + 60 * S), 0);
  cr_assert_eq(gr_detector_flaps(&detector, 3600 * S, now), GR_DETECTOR_FLAPS_MAX);
}

/* ---- own pauses ---- */

Test(membership_detector, lateness_is_what_exceeds_an_interval) {
  static const struct {
    gr_time passed;
    gr_time pause;
  } cases[] = {
      {0, 0},
      {100 * MS, 0},
      {200 * MS, 0}, /* late by one interval: a busy process */
      {201 * MS, 101 * MS},
      {3 * S, 2900 * MS},
  };
  for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
    struct gr_awake awake;
    gr_awake_begin(&awake, 5 * S);
    gr_time now = 5 * S + cases[i].passed;
    cr_assert_eq(gr_awake_turn(&awake, 100 * MS, now), cases[i].pause, "case %zu", i);
    cr_assert_eq(gr_awake_turn(&awake, 100 * MS, now), 0, "a pause is told once");
  }
}

/* An observer that runs each 50 ms, and is stopped for 3 s. */
Test(membership_detector, a_paused_observer_suspects_only_who_is_silent) {
  struct gr_detector talking;
  struct gr_detector dead;
  struct gr_awake awake;
  gr_detector_begin(&talking, 0);
  gr_detector_begin(&dead, 0);
  gr_awake_begin(&awake, 0);
  gr_time now = 0;
  for (; now < 10 * S; now += 50 * MS) {
    cr_assert_eq(gr_awake_turn(&awake, settings.heartbeat_interval_ns, now), 0);
    gr_detector_heard(&talking, &settings, now);
    gr_detector_heard(&dead, &settings, now);
  }
  gr_time limit = gr_detector_limit(&talking, &settings);
  now += 3 * S;
  gr_time pause = gr_awake_turn(&awake, settings.heartbeat_interval_ns, now);
  gr_detector_forgive(&talking, pause);
  gr_detector_forgive(&dead, pause);
  cr_assert(!gr_detector_poll(&talking, &settings, now));
  cr_assert(!gr_detector_poll(&dead, &settings, now));
  gr_detector_heard(&talking, &settings, now + 1 * MS);
  cr_assert_eq(gr_detector_limit(&talking, &settings), limit, "a pause teaches nothing");
  cr_assert(gr_detector_poll(&dead, &settings, now + 500 * MS));
  cr_assert(!gr_detector_poll(&talking, &settings, now + 500 * MS));
}
