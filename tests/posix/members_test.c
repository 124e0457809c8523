/* SPDX-License-Identifier: MIT
 *
 * Nodes that come and go over loopback: joining by a seed, leaving, being removed, dying
 * and coming back; each time all that are there have delivered the same.
 */
#include "nodes.h"

#include <criterion/criterion.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static struct cluster cluster;

static void prepare(void) {
  cluster_init(&cluster, "127.0.0.1");
  cluster.group.expel_timeout_ns = UINT64_C(2000000000);
  cluster.group.suspect_ceiling_ns = UINT64_C(2000000000);
  cluster.group.rejoin_interval_ns = UINT64_C(100000000);
}

static void stop(void) {
  cluster_stop(&cluster);
}

TestSuite(members, .init = prepare, .fini = stop, .timeout = 120);

static void start(size_t index) {
  char text[256];
  cr_assert_eq(cluster_start_one(&cluster, index, text, sizeof(text)), GR_OK, "%s", text);
}

static void await_online(size_t index) {
  struct witness *witness = cluster.witnesses + index;
  cr_assert(await_state(witness, GR_MEMBER_ONLINE), "node %zu is in state %d (%s):\n%s",
            index, (int)witness->state, gr_error_name(witness->state_error),
            witness->log);
}

static void start_founders(void) {
  for (size_t i = 0; i < MEMBERS; i++) start(i);
  for (size_t i = 0; i < MEMBERS; i++) await_online(i);
}

static void broadcast(size_t index, size_t count) {
  static uint8_t bytes[2000];
  for (size_t i = 0; i < count; i++) {
    const gr_slice part = {bytes, i * 37 % sizeof(bytes)};
    memset(bytes, (int)(i + index), sizeof(bytes));
    cr_assert_eq(gr_node_broadcast(cluster.witnesses[index].node, &part, 1, i + 1, true),
                 GR_OK);
  }
}

/* Those of the first `nodes` that run have all delivered `count` messages, the same. */
static void await_same(size_t nodes, size_t count) {
  const struct witness *first = NULL;
  for (size_t i = 0; i < nodes; i++) {
    struct witness *witness = cluster.witnesses + i;
    if (!witness->node) continue;
    cr_assert(await_deliveries(witness, count), "node %zu: %zu of %zu\n%s", i,
              deliveries(witness), count, witness->log);
    cr_assert_eq(witness->count, count);
    cr_assert_not(witness->gap);
    if (!first) first = witness;
    for (size_t k = 0; k < count; k++) {
      cr_assert_eq(witness->records[k].origin, first->records[k].origin);
      cr_assert_eq(witness->records[k].number, first->records[k].number);
      cr_assert_eq(witness->records[k].digest, first->records[k].digest);
    }
  }
}

static gr_member_id self_of(size_t index) {
  gr_status status = {.size = sizeof(status)};
  cr_assert_eq(gr_node_status(cluster.witnesses[index].node, &status), GR_OK);
  return status.self;
}

/* ---- joining ---- */

struct writer {
  pthread_t thread;
  gr_node *node;
  _Atomic bool stops;
  size_t count;
};

static void *write_on(void *context) {
  struct writer *writer = context;
  for (; !atomic_load(&writer->stops); sleep_ms(1)) {
    const gr_slice part = {&writer->count, sizeof(writer->count)};
    if (gr_node_broadcast(writer->node, &part, 1, 0, true) != GR_OK) return NULL;
    writer->count++;
  }
  return NULL;
}

Test(members, two_join_while_others_broadcast) {
  static struct writer writers[2];
  start_founders();
  broadcast(0, 500);
  for (size_t i = 0; i < 2; i++) {
    writers[i].node = cluster.witnesses[i].node;
    pthread_create(&writers[i].thread, NULL, write_on, writers + i);
  }
  start(3);
  start(4);
  await_online(3);
  await_online(4);
  for (size_t i = 0; i < 2; i++) {
    atomic_store(&writers[i].stops, true);
    pthread_join(writers[i].thread, NULL);
  }
  for (size_t i = 0; i < NODES; i++)
    cr_assert(await_view(cluster.witnesses + i, NODES), "node %zu", i);
  broadcast(3, 10);
  broadcast(4, 10);
  await_same(NODES, 520 + writers[0].count + writers[1].count);
  const size_t count = cluster.witnesses[3].count;
  size_t tagged = 0;
  for (size_t i = 0; i < count; i++) {
    const struct record *record = cluster.witnesses[3].records + i;
    if (record->origin == self_of(3)) cr_assert_eq(record->tag, ++tagged);
  }
  cr_assert_eq(tagged, 10);
}

/* Nobody answers: what is broadcast comes back at once, and the attempt ends. */
Test(members, a_joiner_finds_nobody) {
  cluster.group.join_timeout_ns = UINT64_C(500000000);
  start(3);
  struct witness *witness = cluster.witnesses + 3;
  broadcast(3, 3);
  cr_assert(await_failed(witness, 3));
  cr_assert_eq(witness->failed_error, GR_ERR_NOT_ONLINE);
  cr_assert_eq(witness->failed_tag, 3);
  cr_assert(await_refusal(witness));
  cr_assert_eq(witness->state_error, GR_ERR_TIMEOUT);
  cr_assert_eq(witness->count, 0);
}

Test(members, a_joiner_of_another_group) {
  start_founders();
  cluster.group.group_id.bytes[0] ^= 1;
  cluster.group.join_timeout_ns = UINT64_C(2000000000);
  start(3);
  cr_assert(await_log(cluster.witnesses, "hello refused: wrong group"));
  cr_assert(await_log(cluster.witnesses + 3, "refused this member's hello: wrong group"));
  cr_assert(await_refusal(cluster.witnesses + 3));
  cr_assert_eq(cluster.witnesses[0].view_count, MEMBERS);
}

/* ---- leaving ---- */

Test(members, one_leaves_and_joins_again) {
  start_founders();
  start(3);
  await_online(3);
  broadcast(3, 50);
  await_same(4, 50);
  const gr_member_id id = self_of(3);
  struct witness *witness = cluster.witnesses + 3;
  cr_assert_eq(gr_node_leave(witness->node), GR_OK);
  cr_assert(await_state(witness, GR_MEMBER_OFFLINE));
  cr_assert_eq(witness->state_error, GR_OK);
  for (size_t i = 0; i < MEMBERS; i++) {
    cr_assert(await_view(cluster.witnesses + i, MEMBERS));
    cr_assert_eq(cluster.witnesses[i].view_reason, GR_VIEW_LEFT);
    cr_assert_eq(cluster.witnesses[i].view_member, id);
  }
  broadcast(3, 1);
  cr_assert(await_failed(witness, 1));
  cr_assert_eq(witness->failed_error, GR_ERR_NOT_ONLINE);
  broadcast(0, 50);
  await_same(MEMBERS, 100);
  int error = GR_ERR_STATE; /* until the others know that it has gone */
  for (int tries = 0; tries < 20000 && error == GR_ERR_STATE; tries++, sleep_ms(1))
    error = gr_node_join(witness->node);
  cr_assert_eq(error, GR_OK, "%s", gr_error_name(error));
  await_online(3);
  cr_assert_neq(self_of(3), id);
  broadcast(3, 50);
  await_same(4, 150);
}

Test(members, the_leader_leaves) {
  start_founders();
  broadcast(0, 10);
  await_same(MEMBERS, 10);
  size_t leader = cluster.witnesses[0].leader - 1;
  cr_assert_eq(gr_node_leave(cluster.witnesses[leader].node), GR_OK);
  cr_assert(await_state(cluster.witnesses + leader, GR_MEMBER_OFFLINE));
  cluster_stop_one(&cluster, leader);
  for (size_t i = 0; i < MEMBERS; i++) {
    if (i == leader) continue;
    cr_assert(await_view(cluster.witnesses + i, 2));
    broadcast(i, 10);
  }
  await_same(MEMBERS, 30);
}

/* ---- removal and death ---- */

/* It does not want to go, and comes back by itself as a new member. */
Test(members, one_is_removed_and_comes_back) {
  start_founders();
  start(3);
  await_online(3);
  const gr_member_id id = self_of(3);
  cr_assert_eq(gr_node_remove(cluster.witnesses[1].node, 99), GR_ERR_INVALID);
  cr_assert_eq(gr_node_remove(cluster.witnesses[1].node, id), GR_OK);
  cr_assert(await_view(cluster.witnesses, MEMBERS));
  cr_assert(await_view(cluster.witnesses, 4));
  for (int tries = 0; tries < 60000 && self_of(3) <= id; tries++) sleep_ms(1);
  await_online(3);
  cr_assert_gt(self_of(3), id);
  broadcast(3, 20);
  broadcast(0, 20);
  await_same(4, 40);
}

/* Each message that was taken is delivered with its tag, or comes back with an error. */
Test(members, every_tag_comes_back) {
  cluster.group.rejoin_tries = GR_REJOIN_NEVER;
  start_founders();
  start(3);
  await_online(3);
  struct witness *witness = cluster.witnesses + 3;
  const gr_member_id id = self_of(3);
  const size_t count = 20000;
  for (size_t i = 0; i < count; i++) {
    cr_assert_eq(gr_node_broadcast(witness->node, NULL, 0, i + 1, true), GR_OK);
    if (i == count / 4)
      cr_assert_eq(gr_node_remove(cluster.witnesses[0].node, id), GR_OK);
  }
  cr_assert(await_state(witness, GR_MEMBER_ERROR));
  size_t tagged = 0;
  for (size_t i = 0; i < witness->count; i++)
    if (witness->records[i].tag != 0) cr_assert_eq(witness->records[i].tag, ++tagged);
  for (int tries = 0; tries < 10000 && tagged + witness->failed < count; tries++)
    sleep_ms(1);
  cr_assert_eq(tagged + witness->failed, count);
  cr_assert_gt(witness->failed, 1, "it was too late");
}

/* Its process dies, and another one takes its place at the same address at once. */
Test(members, one_dies_and_is_started_again) {
  start_founders();
  start(3);
  await_online(3);
  broadcast(3, 50);
  await_same(4, 50);
  cluster_stop_one(&cluster, 3);
  witness_reset(cluster.witnesses + 3, 0);
  start(3);
  await_online(3);
  broadcast(3, 50);
  await_same(4, 100);
  cr_assert_eq(cluster.witnesses[0].view_count, 4);
}

/* A founder dies too; the next process of its server joins. */
Test(members, a_founder_dies_and_joins) {
  start_founders();
  broadcast(0, 50);
  await_same(MEMBERS, 50);
  cluster_stop_one(&cluster, 2);
  cr_assert(await_view(cluster.witnesses, 2));
  cr_assert_eq(cluster.witnesses[0].view_reason, GR_VIEW_SILENT);
  broadcast(0, 50);
  witness_reset(cluster.witnesses + 2, 0);
  cluster.joins[2] = true;
  start(2);
  await_online(2);
  broadcast(2, 50);
  await_same(MEMBERS, 150);
}

/* Without a majority broadcasts are refused; an operator's word makes one go on alone. */
Test(members, the_last_one_goes_on_by_force) {
  cluster.group.unreachable_timeout_ns = UINT64_C(1000000000);
  start_founders();
  broadcast(0, 50);
  await_same(MEMBERS, 50);
  const gr_member_id self = 1;
  cr_assert_eq(gr_node_force(cluster.witnesses[0].node, &self, 1), GR_ERR_STATE);
  cluster_stop_one(&cluster, 1);
  cluster_stop_one(&cluster, 2);
  struct witness *witness = cluster.witnesses;
  cr_assert(await_state(witness, GR_MEMBER_ERROR));
  cr_assert_eq(witness->state_error, GR_ERR_NO_QUORUM);
  broadcast(0, 1);
  cr_assert(await_failed(witness, 1));
  cr_assert_eq(witness->failed_error, GR_ERR_NO_QUORUM);
  cr_assert_eq(gr_node_force(witness->node, &self, 1), GR_OK);
  cr_assert(await_view(witness, 1));
  await_online(0);
  broadcast(0, 50);
  await_same(1, 100);
}

/* ---- recovery ---- */

/* What happened before is not in anybody's log any more. */
Test(members, a_joiner_gets_a_snapshot) {
  cluster.group.log_slots_max = 4096;
  cluster.group.snapshot_chunk_bytes = 4 << 20;
  start_founders();
  for (size_t sent = 0; sent < 200000; sent += 1000) {
    broadcast(0, 1000);
    cr_assert(await_deliveries(cluster.witnesses, sent + 1000));
  }
  start(3);
  await_online(3);
  broadcast(3, 10);
  await_same(4, 200010);
  cr_assert_eq(cluster.witnesses[3].snapshots_taken, 1);
}

/* ---- durable ---- */

static char root[32];

static void prepare_durable(void) {
  prepare();
  snprintf(root, sizeof(root), "/tmp/members-test-XXXXXX");
  cr_assert(mkdtemp(root));
  cluster.directory = root;
  cluster.segment_bytes = 1 << 20;
}

static void stop_durable(void) {
  char command[64];
  stop();
  snprintf(command, sizeof(command), "rm -rf %s", root);
  cr_assert_eq(system(command), 0);
}

TestSuite(durable_members, .init = prepare_durable, .fini = stop_durable, .timeout = 120);

/* Its host has kept all that it has delivered. */
static void start_again(size_t index) {
  struct witness *witness = cluster.witnesses + index;
  const size_t count = witness->count;
  cluster_stop_one(&cluster, index);
  witness_reset(witness, witness->seqno);
  witness->count = count;
  start(index);
  await_online(index);
}

Test(durable_members, a_joiner_is_stopped_and_comes_back) {
  start_founders();
  broadcast(0, 100);
  start(3);
  await_online(3);
  const gr_member_id id = self_of(3);
  broadcast(3, 100);
  await_same(4, 200);
  start_again(3);
  cr_assert_eq(self_of(3), id);
  broadcast(3, 100);
  await_same(4, 300);
}

/* As a new member it has nothing to do with its former records. */
Test(durable_members, one_is_removed_and_forgets_its_records) {
  start_founders();
  start(3);
  await_online(3);
  broadcast(3, 1000);
  await_same(4, 1000);
  const gr_member_id id = self_of(3);
  cr_assert_eq(gr_node_remove(cluster.witnesses[0].node, id), GR_OK);
  for (int tries = 0; tries < 60000 && self_of(3) <= id; tries++) sleep_ms(1);
  await_online(3);
  const gr_member_id next = self_of(3);
  cr_assert_gt(next, id);
  broadcast(3, 100);
  await_same(4, 1100);
  start_again(3);
  cr_assert_eq(self_of(3), next);
  broadcast(3, 100);
  await_same(4, 1200);
}

/* Its storage says only that it is in no group: it joins, as it did before. */
Test(durable_members, one_is_removed_and_stopped) {
  cluster.group.rejoin_tries = GR_REJOIN_NEVER;
  start_founders();
  start(3);
  await_online(3);
  broadcast(3, 100);
  await_same(4, 100);
  const gr_member_id id = self_of(3);
  cr_assert_eq(gr_node_remove(cluster.witnesses[0].node, id), GR_OK);
  struct witness *witness = cluster.witnesses + 3;
  cr_assert(await_state(witness, GR_MEMBER_ERROR));
  cr_assert_eq(witness->state_error, GR_ERR_REMOVED);
  broadcast(3, 1);
  cr_assert(await_failed(witness, 1));
  broadcast(0, 100);
  start_again(3);
  cr_assert_gt(self_of(3), id);
  broadcast(3, 100);
  await_same(4, 300);
}

/* All go down together, the joiner among them, and go on as they were. */
Test(durable_members, all_come_back) {
  start_founders();
  start(3);
  await_online(3);
  broadcast(3, 100);
  await_same(4, 100);
  for (size_t i = 0; i < 4; i++) cluster_stop_one(&cluster, i);
  for (size_t i = 0; i < 4; i++) {
    struct witness *witness = cluster.witnesses + i;
    witness_reset(witness, 100);
    witness->count = 100;
    start(i);
  }
  for (size_t i = 0; i < 4; i++) {
    await_online(i);
    cr_assert(await_view(cluster.witnesses + i, 4));
  }
  broadcast(3, 100);
  broadcast(0, 100);
  await_same(4, 300);
}
