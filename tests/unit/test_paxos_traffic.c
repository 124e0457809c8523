/* SPDX-License-Identifier: MIT
 *
 * Whole groups: what is broadcast is delivered once, everywhere, in one order, whatever
 * its size; and who broadcasts too much is held back and told when to go on.
 */
#include "cluster.h"

#include <criterion/criterion.h>

#define SECOND (1000 * TEST_MS)

static struct cluster cluster;

static void open_led(uint32_t members) {
  cluster_open(&cluster, members, NULL);
  cr_assert(cluster_run(&cluster, all_led, 0, SECOND));
}

static void check_delivered(uint64_t count) {
  cr_assert(cluster_run(&cluster, all_delivered, count, 10 * SECOND));
  cluster_check_order(&cluster);
  cr_assert(!cluster_run(&cluster, all_delivered, count + 1, SECOND), "nothing twice");
}

static gr_counters counters_of(uint32_t index) {
  gr_counters counters = {.size = sizeof(counters)};
  gr_group_counters(cluster.nodes[index].group, &counters);
  return counters;
}

Test(paxos_traffic, messages_of_every_size_in_groups_of_every_size) {
  /* Around the ends of fragments, batches and messages. */
  const size_t sizes[] = {0,    0,    1,    511,  512,  513,  960,  975,
                          976,  977,  980,  981,  1023, 1024, 1025, 2048,
                          3000, 4095, 4096, 4096, 0,    7,    4096};
  for (uint32_t members = 1; members <= TEST_MEMBERS_MAX; members++) {
    open_led(members);
    uint64_t count = 0;
    for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
      for (uint32_t from = 0; from < members; from++) {
        int error = cluster_broadcast(&cluster, from, sizes[i], (uint8_t)(i + from));
        cr_assert(error == GR_OK || error == GR_ERR_FULL);
        if (error == GR_OK) count++;
      }
      if (i % 2 == 1) cr_assert(cluster_run(&cluster, all_delivered, count, SECOND));
    }
    check_delivered(count);
    for (uint32_t i = 0; i < members; i++)
      cr_assert_eq(cluster.nodes[i].log_count, count);
    cluster_close(&cluster);
  }
}

/* The sender's own numbers come in order, without a gap. */
static void check_fifo(void) {
  uint64_t last[TEST_MEMBERS_MAX] = {0};
  const struct node *node = &cluster.nodes[0];
  for (size_t i = 0; i < node->log_count; i++)
    cr_assert_eq(node->log[i].number, ++last[node->log[i].origin / 10 - 1]);
}

Test(paxos_traffic, fragments_of_several_members_interleave) {
  open_led(3);
  for (int round = 0; round < 20; round++) {
    for (uint32_t from = 0; from < 3; from++)
      cr_assert_eq(cluster_broadcast(&cluster, from, 4000 + from, (uint8_t)round), GR_OK);
    cr_assert(cluster_run(&cluster, all_delivered, 3 * (uint64_t)(round + 1), SECOND));
  }
  check_delivered(60);
  check_fifo();
  cr_assert_gt(cluster.nodes[0].log[0].parts, 1);
  cluster_close(&cluster);
}

Test(paxos_traffic, loss_costs_time_only) {
  open_led(5);
  cluster.loss_percent = 20;
  uint64_t count = 0;
  for (int round = 0; round < 100; round++) {
    for (uint32_t from = 0; from < 5; from++)
      if (cluster_broadcast(&cluster, from, (size_t)round * 31, (uint8_t)round) == GR_OK)
        count++;
    cluster_run(&cluster, never, 0, 5 * TEST_MS);
  }
  cr_assert_gt(count, 100);
  cr_assert(cluster_run(&cluster, all_delivered, count, 60 * SECOND));
  cluster.loss_percent = 0;
  check_delivered(count);
  check_fifo();
  cluster_close(&cluster);
}

Test(paxos_traffic, a_message_of_the_largest_size_is_taken_and_one_byte_more_is_not) {
  open_led(1);
  cr_assert_eq(cluster_broadcast(&cluster, 0, TEST_MESSAGE_MAX, 1), GR_OK);
  cr_assert_eq(cluster_broadcast(&cluster, 0, TEST_MESSAGE_MAX + 1, 1), GR_ERR_TOO_LARGE);
  check_delivered(1);
  cr_assert_eq(cluster.nodes[0].log[0].bytes, TEST_MESSAGE_MAX);
  cluster_close(&cluster);
}

Test(paxos_traffic, who_broadcasts_too_much_is_held_back_and_told_when_to_go_on) {
  open_led(3);
  int error;
  uint64_t count = 0;
  while ((error = cluster_broadcast(&cluster, 1, 1000, 7)) == GR_OK) count++;
  cr_assert_eq(error, GR_ERR_FULL);
  cr_assert_eq(count, TEST_UNORDERED_MAX / 1004);
  cr_assert_eq(cluster.nodes[1].writable, 0);
  cr_assert(cluster_run(&cluster, all_delivered, count, SECOND));
  cluster_run(&cluster, never, 0, 10 * TEST_MS);
  cr_assert_eq(cluster.nodes[1].writable, 1, "once");
  cr_assert_eq(cluster.nodes[0].writable, 0);
  cr_assert_eq(cluster_broadcast(&cluster, 1, 1000, 7), GR_OK);
  check_delivered(count + 1);
  cluster_close(&cluster);
}

/* What was refused must find room when the host is told, or it would be told for ever. */
Test(paxos_traffic, writable_waits_for_the_room_that_the_refused_message_needs) {
  gr_options options = test_options(3, 0);
  options.unordered_bytes_max = 2048;
  options.cache_bytes_max = 0;
  cluster_open(&cluster, 3, &options);
  cr_assert(cluster_run(&cluster, all_led, 0, SECOND));
  cr_assert_eq(cluster_broadcast(&cluster, 1, 900, 1), GR_OK); /* less than half */
  cr_assert_eq(cluster_broadcast(&cluster, 1, 4000, 2), GR_ERR_FULL);
  cr_assert_eq(gr_group_dispatch(cluster.nodes[1].group), GR_OK);
  cr_assert_eq(cluster.nodes[1].writable, 0);
  cr_assert(cluster_run(&cluster, all_delivered, 1, SECOND));
  cr_assert_eq(cluster.nodes[1].writable, 1);
  cr_assert_eq(cluster_broadcast(&cluster, 1, 4000, 2), GR_OK);
  check_delivered(2);
  cluster_close(&cluster);
}

/* A batch never grows beyond what the others take, whatever multiple it is of. */
Test(paxos_traffic, batches_of_odd_limits_are_filled_and_taken) {
  for (uint64_t batch = 1024; batch <= 1090; batch += 6) {
    gr_options options = test_options(3, 0);
    options.batch_bytes_max = batch;
    options.cache_bytes_max = 0;
    cluster_open(&cluster, 3, &options);
    cr_assert(cluster_run(&cluster, all_led, 0, SECOND));
    uint64_t count = 0;
    for (size_t size = 40; size < 120; size++, count++) {
      cr_assert_eq(cluster_broadcast(&cluster, 1, size, 1), GR_OK);
      if (size % 20 == 0) cr_assert(cluster_run(&cluster, all_delivered, count, SECOND));
    }
    check_delivered(count);
    cluster_close(&cluster);
  }
}

static bool told_writable(struct cluster *told_to, uint64_t before) {
  return (uint64_t)told_to->nodes[0].writable > before;
}

/* While a member is down nothing is trimmed, so the own lane is always full and what
 * laggards lack has to go, block by block. */
Test(paxos_traffic, a_full_cache_takes_messages_of_every_size) {
  struct gr_random random = {7};
  open_led(3);
  cluster.nodes[2].down = true;
  cr_assert(cluster_run(&cluster, all_led, 0, 10 * SECOND));
  uint64_t count = 0;
  while (count < 9000) {
    for (int k = 0; k < 4; k++) {
      size_t size = gr_random_below(&random, 4) == 0
                        ? (size_t)gr_random_below(&random, TEST_MESSAGE_MAX + 1)
                        : (size_t)gr_random_below(&random, 900);
      uint64_t told = (uint64_t)cluster.nodes[0].writable;
      if (cluster_broadcast(&cluster, 0, size, (uint8_t)k) == GR_OK)
        count++;
      else
        cr_assert(cluster_run(&cluster, told_writable, told, SECOND));
    }
    cr_assert(cluster_run(&cluster, all_delivered, count, SECOND));
  }
  check_delivered(count);
  cr_assert_gt(counters_of(0).slots_evicted, 100);
  gr_status status = {.size = sizeof(status)};
  gr_group_status(cluster.nodes[0].group, &status);
  cr_assert_leq(status.cache_bytes, status.cache_bytes_max);
  cluster_close(&cluster);
}

Test(paxos_traffic, a_new_leader_is_found_when_the_old_one_is_gone) {
  open_led(5);
  uint64_t count = 0;
  for (int round = 0; round < 2; round++) {
    gr_member_id leader = 0;
    for (uint32_t i = 0; i < 5; i++)
      if (!cluster.nodes[i].down) leader = cluster.nodes[i].leader;
    cluster.nodes[leader / 10 - 1].down = true;
    cr_assert(cluster_run(&cluster, all_led, 0, 10 * SECOND));
    for (uint32_t i = 0; i < 5; i++)
      if (!cluster.nodes[i].down && cluster_broadcast(&cluster, i, 100, 1) == GR_OK)
        count++;
    cr_assert(cluster_run(&cluster, all_delivered, count, 10 * SECOND));
  }
  cluster_check_order(&cluster);
  cluster_close(&cluster);
}

Test(paxos_traffic, the_lead_is_transferred) {
  open_led(3);
  gr_member_id leader = cluster.nodes[0].leader;
  gr_group *leading = cluster.nodes[leader / 10 - 1].group;
  gr_member_id to = leader == 10 ? 20 : 10;
  gr_group *following = cluster.nodes[to / 10 - 1].group;
  cr_assert_eq(gr_group_transfer(following, leader, cluster.now), GR_ERR_NOT_LEADER);
  cr_assert_eq(gr_group_transfer(leading, leader, cluster.now), GR_ERR_INVALID);
  cr_assert_eq(gr_group_transfer(leading, 77, cluster.now), GR_ERR_INVALID);
  cr_assert_eq(gr_group_transfer(leading, to, cluster.now), GR_OK);
  gr_time before = cluster.now;
  cr_assert(cluster_run(&cluster, all_led_by, to, SECOND));
  cr_assert_lt(cluster.now - before, 100 * TEST_MS, "no election timeout passes");
  cr_assert_eq(cluster_broadcast(&cluster, 2, 100, 1), GR_OK);
  check_delivered(1);
  cluster.nodes[leader / 10 - 1].down = true;
  cluster_run(&cluster, never, 0, SECOND);
  cr_assert_eq(gr_group_transfer(following, leader, cluster.now), GR_ERR_UNREACHABLE);
  cluster_close(&cluster);
}

Test(paxos_traffic, an_idle_group_sends_nothing_but_heartbeats) {
  open_led(5);
  for (uint32_t i = 0; i < 5; i++)
    cr_assert_eq(cluster_broadcast(&cluster, i, 100, 1), 0);
  check_delivered(5);
  cluster_run(&cluster, never, 0, SECOND);
  uint64_t before[5];
  for (uint32_t i = 0; i < 5; i++) before[i] = counters_of(i).frames_sent;
  cluster_run(&cluster, never, 0, 10 * SECOND);
  for (uint32_t i = 0; i < 5; i++)
    cr_assert_leq(counters_of(i).frames_sent - before[i], 4 * 101);
  cluster_close(&cluster);
}

Test(paxos_traffic, a_member_that_was_away_catches_up) {
  open_led(3);
  cluster.nodes[2].down = true;
  cr_assert(cluster_run(&cluster, all_led, 0, 10 * SECOND));
  uint64_t count = 0;
  for (; count < 200; count++) {
    cr_assert_eq(cluster_broadcast(&cluster, count % 2, 300, (uint8_t)count), GR_OK);
    cr_assert(cluster_run(&cluster, all_delivered, count + 1, SECOND));
  }
  cluster.nodes[2].down = false;
  check_delivered(count);
  cr_assert_gt(counters_of(2).slots_fetched, 0);
  cluster_close(&cluster);
}
