/* SPDX-License-Identifier: MIT
 *
 * Groups whose members change: who comes in gets everything from then on, who leaves is
 * waited for no longer, and whatever fails in between, all that remain see the same views
 * behind the same messages.
 */
#include "engines.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <string.h>

#define SECOND (1000 * TEST_MS)

static struct engines all;

static struct engine *at(uint32_t index) {
  return &all.list[index];
}

static struct engine *open_led(uint32_t founders, bool durable) {
  engines_open(&all, founders, durable);
  cr_assert(engines_run(&all, engines_led, 0, 2 * SECOND));
  return engines_leader(&all);
}

/* Each that takes part sends one, and all get them. */
static void chat(uint8_t tag) {
  gr_seqno expected = 0;
  for (uint32_t i = 0; i < all.count; i++)
    if (at(i)->seqno > expected) expected = at(i)->seqno;
  for (uint32_t i = 0; i < all.count; i++) {
    if (at(i)->down || engine_status(at(i)).view == 0) continue;
    cr_assert_eq(engine_broadcast(at(i), 10 + i, tag), GR_OK);
    expected++;
  }
  cr_assert(engines_run(&all, engines_delivered, expected, 2 * SECOND));
  engines_check(&all);
}

static void close_all(void) {
  engines_check(&all);
  engines_close(&all);
}

static void remove_member(gr_member_id member) {
  struct engine *leader = engines_leader(&all);
  uint64_t view = engine_status(leader).view;
  cr_assert_eq(engine_change(leader, GR_CHANGE_REMOVE, member, NULL), GR_OK);
  cr_assert(engines_run(&all, engines_in_view, view + 1, 2 * SECOND));
}

static void promote(gr_member_id member) {
  struct engine *leader = engines_leader(&all);
  uint64_t view = engine_status(leader).view;
  cr_assert_eq(engine_change(leader, GR_CHANGE_PROMOTE, member, NULL), GR_OK);
  cr_assert(engines_run(&all, engines_in_view, view + 1, 2 * SECOND));
}

/* Neither the leader nor down. */
static struct engine *any_follower(void) {
  uint32_t i = 0;
  while (at(i)->down || at(i) == engines_leader(&all)) i++;
  return at(i);
}

static void check_seats(const struct engine *engine, const char *expected) {
  gr_seat seats[GR_MEMBERS_MAX];
  size_t count;
  char text[256] = "";
  gr_paxos_view(engine->paxos, seats, GR_MEMBERS_MAX, &count);
  for (size_t i = 0; i < count; i++)
    snprintf(text + strlen(text), sizeof(text) - strlen(text), "%u%s ",
             (unsigned)seats[i].id, seats[i].voter ? "" : "-");
  cr_assert_str_eq(text, expected, "engine %u", engine->index);
}

/* ---- coming in ---- */

Test(paxos_views, who_was_admitted_gets_everything_from_then_on) {
  for (int durable = 0; durable < 2; durable++) {
    open_led(3, durable == 1);
    for (uint8_t i = 0; i < 5; i++) chat(i);
    struct engine *joiner = engines_join(&all);
    gr_member_id id = engine_admit(joiner);
    cr_assert_eq(id, 31, "one more than the last founder");
    cr_assert_eq(joiner->first, 15);
    for (uint32_t i = 0; i < 4; i++) check_seats(at(i), "10 20 30 31- ");
    for (uint8_t i = 0; i < 5; i++) chat(i);
    cr_assert_eq(joiner->seqno, 15 + 4 * 5, "its own among them");
    cr_assert_eq(at(0)->log[15 + 3].origin, 31);
    promote(id);
    for (uint32_t i = 0; i < 4; i++) check_seats(at(i), "10 20 30 31 ");
    chat(1);
    close_all();
  }
}

/* It was given an older position, or needed long: what was ordered since is kept for it,
 * the view that admits it included. */
Test(paxos_views, who_comes_late_catches_up) {
  struct engine *leader = open_led(3, false);
  for (uint8_t i = 0; i < 5; i++) chat(i);
  struct engine *joiner = engines_join(&all);
  at(2)->down = leader != at(2); /* keeps the log from being forgotten */
  at(1)->down = leader == at(2);
  for (uint8_t i = 0; i < 5; i++) chat(i);
  cr_assert_eq(engine_change(leader, GR_CHANGE_ADD, 0, joiner), GR_OK);
  cr_assert(engines_run(&all, engines_in_view, 2, SECOND));
  for (uint8_t i = 0; i < 5; i++) chat(i);
  cr_assert_eq(engine_install(joiner, leader, 17, 31), GR_OK);
  cr_assert_eq(engine_status(joiner).view, 1, "before the change that adds it");
  cr_assert(engines_run(&all, engines_in_view, 2, SECOND));
  cr_assert(engines_run(&all, engines_delivered, leader->seqno, SECOND));
  cr_assert_eq(joiner->views[0].member, 31);
  at(1)->down = at(2)->down = false;
  cr_assert(engines_run(&all, engines_in_view, 2, 2 * SECOND));
  chat(9);
  close_all();
}

/* Two are added, and the second begins before the first was: members are in the order of
 * their ids there too, which is that of their messages within a slot. */
Test(paxos_views, who_begins_before_others_were_added_orders_as_they_do) {
  struct engine *leader = open_led(3, false);
  chat(1);
  any_follower()->down = true; /* keeps the log from being forgotten */
  chat(2);
  struct engine *first = engines_join(&all);
  gr_member_id id = engine_admit(first);
  struct engine *second = engines_join(&all);
  cr_assert_eq(engine_change(leader, GR_CHANGE_ADD, 0, second), GR_OK);
  cr_assert(engines_run(&all, engines_in_view, 3, SECOND));
  for (uint8_t i = 0; i < 5; i++) chat(i);
  cr_assert_eq(engine_install(second, leader, 4, id + 1), GR_OK);
  cr_assert_eq(engine_status(second).view, 1);
  cr_assert(engines_run(&all, engines_in_view, 3, SECOND));
  cr_assert(engines_run(&all, engines_delivered, leader->seqno, SECOND));
  for (uint8_t i = 0; i < 5; i++) chat(i);
  for (uint32_t i = 1; i < second->paxos->roster.count; i++)
    cr_assert_lt(second->paxos->roster.ids[i - 1], second->paxos->roster.ids[i]);
  check_seats(second, "10 20 30 31- 32- ");
  close_all();
}

Test(paxos_views, two_majorities_of_different_views_need_the_joiner) {
  open_led(3, false);
  struct engine *joiner = engines_join(&all);
  promote(engine_admit(joiner));
  any_follower()->down = true;
  chat(1); /* three of four, the joiner among them */
  joiner->down = true;
  struct engine *leader = engines_leader(&all);
  gr_seqno before = leader->seqno;
  cr_assert_eq(engine_broadcast(leader, 5, 7), GR_OK);
  cr_assert(!engines_run(&all, engines_delivered, before + 1, SECOND), "two of four");
  joiner->down = false;
  cr_assert(engines_run(&all, engines_delivered, before + 1, 3 * SECOND));
  close_all();
}

/* ---- learners ---- */

static bool from_or_to_others(struct engines *engines, const struct engine *from,
                              const struct engine *to, enum gr_frame_type type) {
  (void)type;
  uint32_t between = (1u << from->index) | (1u << to->index);
  return (between & ~engines->about) != 0;
}

/* The leader and the learner are two of four, and one of three votes. */
Test(paxos_views, a_learner_s_acceptance_does_not_count) {
  struct engine *leader = open_led(3, false);
  struct engine *joiner = engines_join(&all);
  engine_admit(joiner);
  chat(1);
  gr_seqno before = leader->seqno;
  gr_slot chosen = engine_status(leader).chosen;
  all.about = (1u << leader->index) | (1u << joiner->index);
  all.lost = from_or_to_others;
  cr_assert_eq(engine_broadcast(leader, 5, 7), GR_OK);
  cr_assert(!engines_run(&all, engines_delivered, before + 1, 100 * TEST_MS));
  cr_assert_eq(engine_status(joiner).accepted, chosen + 1, "it does accept");
  cr_assert_eq(engine_status(leader).chosen, chosen);
  cr_assert_eq(engine_status(joiner).chosen, chosen);
  all.lost = NULL;
  cr_assert(engines_run(&all, engines_delivered, before + 1, SECOND));
  close_all();
}

/* It stands for no election, and its promise is not asked for. */
Test(paxos_views, a_learner_alone_elects_nobody) {
  open_led(3, false);
  struct engine *joiner = engines_join(&all);
  engine_admit(joiner);
  for (uint32_t i = 0; i < 3; i++) at(i)->down = true;
  cr_assert(!engines_run(&all, engines_never, 0, 3 * SECOND));
  cr_assert_eq(engine_status(joiner).role, GR_ROLE_FOLLOWER);
  at(0)->down = false;
  cr_assert(!engines_run(&all, engines_never, 0, 3 * SECOND));
  cr_assert_neq(engine_status(at(0)).role, GR_ROLE_LEADER, "one of three, and a learner");
  at(1)->down = false;
  cr_assert(engines_run(&all, engines_led, 0, 3 * SECOND));
  close_all();
}

/* ---- a change, and what comes behind it ---- */

static bool no_acceptance(struct engines *engines, const struct engine *from,
                          const struct engine *to, enum gr_frame_type type) {
  (void)engines, (void)from, (void)to;
  return type == GR_FRAME_ACCEPTED || type == GR_FRAME_HEARTBEAT;
}

Test(paxos_views, nothing_is_proposed_behind_a_change) {
  struct engine *leader = open_led(3, false);
  chat(1);
  gr_slot last = engine_status(leader).accepted;
  all.lost = no_acceptance;
  cr_assert_eq(engine_broadcast(leader, 5, 7), GR_OK);
  cr_assert_eq(engine_change(leader, GR_CHANGE_REMOVE, any_follower()->index * 10 + 10,
                             NULL),
               GR_OK);
  engine_turn(leader);
  cr_assert_eq(engine_status(leader).accepted, last + 2, "the change, behind all else");
  for (int i = 0; i < 20; i++) {
    cr_assert_eq(engine_broadcast(leader, 5, 8), GR_OK);
    engines_step(&all);
  }
  cr_assert_eq(engine_status(leader).accepted, last + 2);
  any_follower()->down = true;
  all.lost = NULL;
  cr_assert(engines_run(&all, engines_in_view, 2, 2 * SECOND));
  cr_assert(engines_run(&all, engines_delivered, 3 + 21, SECOND));
  close_all();
}

static uint32_t steps_until(engines_goal *goal, uint64_t argument) {
  uint32_t steps = 0;
  for (; !goal(&all, argument); steps++) {
    cr_assert_lt(steps, 100);
    engines_step(&all);
  }
  return steps;
}

static bool leader_delivered(struct engines *engines, uint64_t seqno) {
  return at(engines->about)->seqno >= seqno;
}

/* All that is on its way lands in one step, so two steps are a round trip. The phase 1 of
 * the next view costs one, and the change itself, which nothing may overtake, another. */
Test(paxos_views, a_change_delays_messages_by_two_round_trips) {
  struct engine *leader = open_led(3, false);
  chat(1);
  while (all.frames_first < all.frames_end) engines_step(&all);
  all.about = leader->index;
  gr_seqno before = leader->seqno;
  cr_assert_eq(engine_broadcast(leader, 5, 7), GR_OK);
  engine_turn(leader);
  cr_assert_eq(steps_until(leader_delivered, before + 1), 2);
  while (all.frames_first < all.frames_end) engines_step(&all);
  memset(all.sent, 0, sizeof(all.sent));
  struct engine *joiner = engines_join(&all);
  cr_assert_eq(engine_change(leader, GR_CHANGE_ADD, 0, joiner), GR_OK);
  engine_turn(leader);
  cr_assert_eq(engine_broadcast(leader, 5, 8), GR_OK);
  cr_assert_eq(steps_until(leader_delivered, before + 2), 2 + 4);
  cr_assert_eq(all.sent[GR_FRAME_PREPARE], 2, "one to each other voter");
  cr_assert_eq(all.sent[GR_FRAME_PROMISE], 2);
  cr_assert_eq(all.sent[GR_FRAME_PREVOTE], 0, "who led goes on at once");
  cr_assert_eq(engines_leader(&all), leader);
  cr_assert_eq(engine_status(leader).promised.view, 2);
  close_all();
}

Test(paxos_views, changes_are_checked) {
  struct engine *leader = open_led(3, false);
  struct engine *joiner = engines_join(&all);
  gr_member_id own = engine_id(leader);
  cr_assert_eq(engine_change(any_follower(), GR_CHANGE_ADD, 0, joiner),
               GR_ERR_NOT_LEADER);
  cr_assert_eq(engine_change(leader, GR_CHANGE_REMOVE, own, NULL), GR_ERR_INVALID);
  cr_assert_eq(engine_change(leader, GR_CHANGE_REMOVE, 31, NULL), GR_ERR_INVALID);
  cr_assert_eq(engine_change(leader, GR_CHANGE_PROMOTE, own, NULL), GR_ERR_INVALID);
  cr_assert_eq(engine_change(leader, 4, own, NULL), GR_ERR_INVALID);
  gr_change change = {.kind = GR_CHANGE_ADD};
  cr_assert_eq(gr_paxos_change(leader->paxos, &change, all.now), GR_ERR_INVALID);
  change.incarnation = 5;
  change.profile = (gr_slice){"", GR_PROFILE_BYTES_MAX + 1};
  cr_assert_eq(gr_paxos_change(leader->paxos, &change, all.now), GR_ERR_INVALID);
  change.profile = (gr_slice){NULL, 1};
  cr_assert_eq(gr_paxos_change(leader->paxos, &change, all.now), GR_ERR_INVALID);
  cr_assert_eq(gr_paxos_change(leader->paxos, NULL, all.now), GR_ERR_INVALID);
  cr_assert_eq(gr_paxos_change(NULL, &change, all.now), GR_ERR_INVALID);
  cr_assert_eq(engine_change(leader, GR_CHANGE_ADD, 77, joiner), GR_OK, "not its choice");
  cr_assert_eq(engine_change(leader, GR_CHANGE_ADD, 0, joiner), GR_ERR_BUSY);
  engine_turn(leader);
  cr_assert_eq(engine_change(leader, GR_CHANGE_ADD, 0, joiner), GR_ERR_BUSY, "proposed");
  cr_assert(engines_run(&all, engines_in_view, 2, SECOND));
  check_seats(leader, "10 20 30 31- ");
  for (uint64_t view = 3; view <= 4; view++) {
    cr_assert_eq(engine_change(engines_leader(&all), GR_CHANGE_ADD, 0, joiner),
                 view == 3 ? GR_OK : GR_ERR_INVALID, "five are as many as may be");
    if (view == 3) cr_assert(engines_run(&all, engines_in_view, view, SECOND));
  }
  close_all();
}

/* What the host was told of each view is what the change said. */
Test(paxos_views, views_are_told_with_what_the_change_said) {
  struct engine *leader = open_led(3, false);
  struct engine *joiner = engines_join(&all);
  engine_admit(joiner);
  cr_assert_eq(leader->view_count, 1);
  cr_assert_eq(leader->views[0].kind, GR_CHANGE_ADD);
  cr_assert_eq(joiner->view_count, 0, "it begins in the view that has it");
  gr_seat seats[GR_MEMBERS_MAX];
  size_t count;
  for (uint32_t i = 0; i < 4; i++) {
    cr_assert_eq(gr_paxos_view(at(i)->paxos, seats, GR_MEMBERS_MAX, &count), 2);
    cr_assert_eq(count, 4);
    cr_assert_eq(seats[3].incarnation, gr_paxos_incarnation(joiner->paxos));
    cr_assert_eq(seats[3].profile.size, 6);
    cr_assert_arr_eq(seats[3].profile.data, "joiner", 6);
  }
  gr_counters counters = {.size = sizeof(counters)};
  gr_paxos_counters(leader->paxos, &counters);
  cr_assert_eq(counters.changes_proposed, 1);
  cr_assert_eq(counters.views_entered, 1);
  close_all();
}

/* ---- leaving ---- */

static bool from_or_to_one(struct engines *engines, const struct engine *from,
                           const struct engine *to, enum gr_frame_type type) {
  (void)type;
  return from->index == engines->about || to->index == engines->about;
}

static bool all_but_data_of_one(struct engines *engines, const struct engine *from,
                                const struct engine *to, enum gr_frame_type type) {
  (void)to;
  return from->index == engines->about && type != GR_FRAME_DATA;
}

/* What it sent, and nobody ordered before it was removed, is ordered nowhere. */
Test(paxos_views, the_lane_of_who_is_removed_ends) {
  struct engine *leader = open_led(3, false);
  chat(1);
  struct engine *gone = any_follower();
  gr_member_id id = engine_id(gone);
  cr_assert_eq(engine_broadcast(gone, 900, 1), GR_OK);
  cr_assert(engines_run(&all, engines_delivered, 4, SECOND));
  all.about = gone->index;
  all.lost = all_but_data_of_one; /* nor does it say that it knows of its removal */
  cr_assert_eq(engine_change(leader, GR_CHANGE_REMOVE, id, NULL), GR_OK);
  engine_turn(leader); /* the change is proposed: it is the last of the view */
  for (uint8_t i = 0; i < 3; i++) {
    cr_assert_eq(engine_broadcast(gone, 900, i), GR_OK);
    engine_turn(gone);
  }
  cr_assert_eq(leader->paxos->lanes[gone->index].held, 2);
  engines_step(&all);
  cr_assert_gt(leader->paxos->lanes[gone->index].held, 2, "they have come");
  for (int i = 0; i < 20; i++) engines_step(&all);
  gone->down = true;
  cr_assert(engines_run(&all, engines_in_view, 2, SECOND));
  uint32_t index = gr_roster_index(&leader->paxos->roster, id);
  cr_assert_lt(index, leader->paxos->roster.count, "still known");
  cr_assert_eq(leader->paxos->lanes[index].held, leader->paxos->lanes[index].ordered);
  cr_assert_eq(leader->paxos->lanes[index].ring.end,
               leader->paxos->lanes[index].ordered + 1);
  chat(2);
  cr_assert_eq(leader->seqno, 4 + 2);
  close_all();
}

/* Its place becomes free when nobody may come back for what it lacked, its id never. */
Test(paxos_views, places_are_used_again_and_ids_never) {
  open_led(2, false);
  gr_member_id last = 20;
  for (int i = 0; i < 2 * TEST_MEMBERS_MAX + 2 * GR_PLACES_SPARE; i++) {
    struct engine *leader = engines_leader(&all);
    uint64_t view = engine_status(leader).view;
    gr_change change = {.kind = GR_CHANGE_ADD, .incarnation = 1000 + (uint64_t)i};
    cr_assert_eq(gr_paxos_change(leader->paxos, &change, all.now), GR_OK);
    cr_assert(engines_run(&all, engines_in_view, view + 1, SECOND), "%d", i);
    leader = engines_leader(&all);
    gr_member_id id = leader->views[leader->view_count - 1].member;
    cr_assert_eq(id, last + 1);
    last = id;
    chat((uint8_t)i);
    remove_member(id);
  }
  struct engine *leader = engines_leader(&all);
  cr_assert_gt(leader->paxos->roster.count, 2, "some who may come back are known yet");
  check_seats(leader, "10 20 ");
  engines_run(&all, engines_never, 0, 61 * SECOND);
  chat(1);
  engines_run(&all, engines_never, 0, SECOND);
  cr_assert_eq(leader->paxos->roster.count, 2);
  close_all();
}

/* Who is removed and was away hears of it from those who remain. */
Test(paxos_views, who_was_away_learns_that_it_was_removed) {
  open_led(3, false);
  chat(1);
  struct engine *gone = any_follower();
  gr_member_id id = engine_id(gone);
  gone->down = true;
  remove_member(id);
  gone->down = false;
  cr_assert(!engines_run(&all, engines_never, 0, 2 * SECOND));
  cr_assert_eq(engine_status(gone).view, 2);
  cr_assert_eq(gone->view_count, 1);
  cr_assert_eq(gone->views[0].kind, GR_CHANGE_REMOVE);
  cr_assert_eq(gone->views[0].member, id);
  cr_assert_eq(engine_broadcast(gone, 1, 1), GR_ERR_NOT_ONLINE);
  gone->down = true;
  chat(2);
  close_all();
}

/* The others go on without it, and it comes in again as somebody else. */
Test(paxos_views, who_was_removed_comes_again_under_another_id) {
  for (int durable = 0; durable < 2; durable++) {
    open_led(3, durable == 1);
    chat(1);
    struct engine *gone = any_follower();
    uint64_t incarnation = gr_paxos_incarnation(gone->paxos);
    all.about = gone->index;
    all.lost = from_or_to_one;
    cr_assert_eq(engine_broadcast(gone, 100, 1), GR_OK, "will be lost");
    gone->down = true;
    remove_member(engine_id(gone));
    gone->down = false;
    cr_assert_eq(gr_paxos_reset(gone->paxos, all.now), GR_OK);
    all.lost = NULL;
    cr_assert_eq(engine_status(gone).view, 0);
    cr_assert_neq(gr_paxos_incarnation(gone->paxos), incarnation);
    cr_assert_eq(engine_broadcast(gone, 1, 1), GR_ERR_NOT_ONLINE);
    chat(2);
    gr_member_id id = engine_admit(gone);
    cr_assert_eq(id, 31);
    promote(id);
    chat(3);
    cr_assert_eq(gone->seqno, 3 + 2 + 3);
    close_all();
  }
}

/* ---- the leader dies with its change under way ---- */

static struct engine *dying;
static uint32_t reached; /* bits of those whom its proposals reach */

static bool partly_reached(struct engines *engines, const struct engine *from,
                           const struct engine *to, enum gr_frame_type type) {
  (void)engines;
  return from == dying && type == GR_FRAME_ACCEPT && (reached >> to->index & 1) == 0;
}

/* Its change is accepted by so many followers, and it dies before it learns that. */
static void die_in_a_change(uint32_t followers) {
  dying = open_led(5, false);
  chat(1);
  uint32_t victim = 5;
  reached = 0;
  for (uint32_t i = 0; i < 5; i++) {
    if (at(i) == dying) continue;
    if (followers > 0) {
      reached |= 1u << i;
      followers--;
    } else {
      victim = i;
    }
  }
  cr_assert_lt(victim, 5);
  all.lost = partly_reached;
  cr_assert_eq(engine_change(dying, GR_CHANGE_REMOVE, test_id(victim), NULL), GR_OK);
  engine_turn(dying);
  all.about = victim;
  engines_step(&all); /* the proposals land */
  dying->down = true;
  all.lost = NULL;
}

Test(paxos_views, a_change_that_a_minority_accepted_may_be_dropped) {
  die_in_a_change(0);
  cr_assert(engines_run(&all, engines_led, 0, 5 * SECOND));
  chat(2);
  dying->down = false;
  cr_assert(engines_run(&all, engines_in_view, 1, 5 * SECOND), "nobody else knew of it");
  chat(3);
  for (uint32_t i = 0; i < 5; i++) check_seats(at(i), "10 20 30 40 50 ");
  close_all();
}

Test(paxos_views, a_change_that_a_majority_accepted_is_completed) {
  for (uint32_t followers = 2; followers <= 3; followers++) {
    die_in_a_change(followers);
    uint32_t victim = all.about;
    /* Nobody but the dead leader could know that it was chosen. */
    for (uint32_t i = 0; i < 5; i++)
      if (at(i) != dying) cr_assert_leq(engine_status(at(i)).chosen, 5);
    at(victim)->down = true;
    cr_assert(engines_run(&all, engines_in_view, 2, 5 * SECOND));
    chat(2);
    dying->down = false;
    cr_assert(engines_run(&all, engines_in_view, 2, 5 * SECOND));
    chat(3);
    close_all();
  }
}

/* ---- going on by force ---- */

static int force(struct engine *engine, const gr_member_id *named, size_t count) {
  return gr_paxos_force(engine->paxos, named, count, all.now);
}

/* A majority is lost for good: those who are left are a group again, of another life. */
Test(paxos_views, who_is_left_goes_on_by_force) {
  for (int durable = 0; durable < 2; durable++) {
    open_led(5, durable == 1);
    chat(1);
    for (uint32_t i = 2; i < 5; i++) at(i)->down = true;
    cr_assert_eq(engine_broadcast(at(0), 10, 2), GR_OK);
    cr_assert(!engines_run(&all, engines_never, 0, SECOND), "two of five");
    const gr_member_id left[] = {10, 20};
    cr_assert_eq(force(at(1), left, 2), GR_OK);
    cr_assert(engines_run(&all, engines_in_view, 2, 10 * SECOND));
    for (uint32_t i = 0; i < 2; i++) {
      check_seats(at(i), "10 20 ");
      cr_assert_eq(engine_status(at(i)).epoch, 2);
    }
    chat(3);
    cr_assert_eq(at(0)->seqno, 5 + 1 + 2, "what nobody had ordered is ordered now");
    /* Those given up are of another life, and can change nothing here. */
    for (uint32_t i = 2; i < 5; i++) at(i)->down = false;
    engines_run(&all, engines_never, 0, 5 * SECOND);
    for (uint32_t i = 0; i < 2; i++) cr_assert_eq(engine_status(at(i)).view, 2);
    for (uint32_t i = 2; i < 5; i++) {
      cr_assert_neq(engine_status(at(i)).epoch, 2, "engine %u", i);
      at(i)->down = true;
    }
    chat(4);
    if (durable)
      for (uint32_t i = 0; i < 2; i++) cr_assert_eq(engine_restart(at(i)), GR_OK);
    engines_run(&all, engines_never, 0, 2 * SECOND); /* former boots end */
    chat(5);
    close_all();
  }
}

Test(paxos_views, force_is_checked) {
  open_led(3, false);
  struct engine *joiner = engines_join(&all);
  engine_admit(joiner);
  const gr_member_id left[] = {10, 20, 31, 40};
  cr_assert_eq(gr_paxos_force(NULL, left, 1, all.now), GR_ERR_INVALID);
  cr_assert_eq(force(at(0), NULL, 1), GR_ERR_INVALID);
  cr_assert_eq(force(at(0), left + 1, 1), GR_ERR_INVALID, "not without itself");
  cr_assert_eq(force(at(0), left, 3), GR_ERR_INVALID, "one has no vote");
  cr_assert_eq(force(at(0), left + 3, 1), GR_ERR_INVALID, "one is no member");
  cr_assert_eq(force(at(0), NULL, 0), GR_OK, "nothing is under way");
  cr_assert(engines_run(&all, engines_in_view, 2, 2 * SECOND));
  chat(1);
  close_all();
}

/* Both must answer; and it can be called off. */
Test(paxos_views, force_waits_for_all_who_are_named) {
  open_led(5, false);
  for (uint32_t i = 2; i < 5; i++) at(i)->down = true;
  const gr_member_id left[] = {10, 20};
  at(1)->down = true;
  cr_assert_eq(force(at(0), left, 2), GR_OK);
  cr_assert(!engines_run(&all, engines_never, 0, 5 * SECOND));
  cr_assert_eq(engine_status(at(0)).view, 1);
  cr_assert_eq(force(at(0), NULL, 0), GR_OK);
  at(1)->down = false;
  cr_assert(!engines_run(&all, engines_never, 0, 5 * SECOND));
  cr_assert_eq(engine_status(at(0)).view, 1);
  for (uint32_t i = 2; i < 5; i++) at(i)->down = false;
  cr_assert(engines_run(&all, engines_led, 0, 5 * SECOND));
  chat(2);
  close_all();
}
