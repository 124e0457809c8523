/* SPDX-License-Identifier: MIT
 *
 * Founders that broadcast without a pause while others join, leave, are removed and die,
 * and threads ask all of them; made to be run under ThreadSanitizer, without Criterion,
 * which does not start there. It verifies that all that are there in the end have
 * delivered the same.
 *
 * usage: members_stress [rounds]
 */
#include "nodes.h"

#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define REQUIRE(condition, ...)                                                          \
  do {                                                                                   \
    if (condition) break;                                                                \
    fprintf(stderr, "%s:%d: %s: ", __FILE__, __LINE__, #condition);                      \
    fprintf(stderr, __VA_ARGS__);                                                        \
    fprintf(stderr, "\n");                                                               \
    exit(1);                                                                             \
  } while (0)

struct worker {
  pthread_t thread;
  gr_node *node;
  size_t count; /* broadcast */
};

static struct cluster cluster;
static _Atomic bool over;

static void *produce(void *context) {
  struct worker *worker = context;
  for (; !atomic_load(&over); sleep_ms(1)) {
    const gr_slice part = {&worker->count, sizeof(worker->count)};
    int error = gr_node_broadcast(worker->node, &part, 1, worker->count, true);
    REQUIRE(error == GR_OK, "%s", gr_error_name(error));
    worker->count++;
  }
  return NULL;
}

static void *inquire(void *context) {
  const struct worker *worker = context;
  while (!atomic_load(&over)) {
    gr_status status = {.size = sizeof(status)};
    gr_recovery recovery = {.size = sizeof(recovery)};
    gr_member members[NODES] = {{.size = sizeof(gr_member)}};
    gr_node_link links[NODES];
    size_t count = 0;
    REQUIRE(gr_node_status(worker->node, &status) == GR_OK, "status");
    REQUIRE(gr_node_recovery(worker->node, &recovery) == GR_OK, "recovery");
    REQUIRE(gr_node_members(worker->node, members, NODES, &count) == GR_OK, "members");
    REQUIRE(members[0].attributes.address.data == NULL, "memory of another thread");
    REQUIRE(gr_node_links(worker->node, links, NODES, &count) == GR_OK, "links");
    REQUIRE(gr_node_health(worker->node, true) == GR_OK, "health");
    sleep_ms(1);
  }
  return NULL;
}

static void start(size_t index) {
  char text[256];
  int error = cluster_start_one(&cluster, index, text, sizeof(text));
  REQUIRE(error == GR_OK, "%s", text);
}

static void await_online(size_t index) {
  struct witness *witness = cluster.witnesses + index;
  REQUIRE(await_state(witness, GR_MEMBER_ONLINE), "node %zu is in state %d:\n%s", index,
          (int)witness->state, witness->log);
}

/* One joins, broadcasts, and goes in one of three ways. */
static void come_and_go(size_t round) {
  struct witness *witness = cluster.witnesses + 3;
  gr_status status = {.size = sizeof(status)};
  witness_reset(witness, 0);
  start(3);
  await_online(3);
  size_t count = deliveries(witness);
  REQUIRE(gr_node_broadcast(witness->node, NULL, 0, 0, true) == GR_OK, "broadcast");
  REQUIRE(await_deliveries(witness, count + 1), "nothing is delivered");
  REQUIRE(gr_node_status(witness->node, &status) == GR_OK, "status");
  if (round % 3 == 0) {
    REQUIRE(gr_node_leave(witness->node) == GR_OK, "leave");
    REQUIRE(await_state(witness, GR_MEMBER_OFFLINE), "it does not leave");
  } else if (round % 3 == 1) {
    int error = gr_node_remove(cluster.witnesses[0].node, status.self);
    REQUIRE(error == GR_OK, "%s", gr_error_name(error));
    REQUIRE(await_state(witness, GR_MEMBER_ERROR), "it is not removed");
  }
  cluster_stop_one(&cluster, 3);
  REQUIRE(await_view(cluster.witnesses, MEMBERS), "it is still a member");
}

static void check_same(size_t index, size_t count) {
  struct witness *witness = cluster.witnesses + index;
  REQUIRE(await_deliveries(witness, count), "node %zu: %zu of %zu", index,
          deliveries(witness), count);
  REQUIRE(!witness->gap, "a gap in the seqnos of node %zu", index);
  for (size_t i = 0; i < count; i++)
    REQUIRE(witness->records[i].digest == cluster.witnesses[0].records[i].digest &&
                witness->records[i].origin == cluster.witnesses[0].records[i].origin,
            "nodes 0 and %zu differ at %zu", index, i);
}

int main(int argc, char **argv) {
  const size_t rounds = argc > 1 ? strtoul(argv[1], NULL, 10) : 6;
  static struct worker producers[MEMBERS], askers[MEMBERS];
  cluster_init(&cluster, "127.0.0.1");
  cluster.group.expel_timeout_ns = UINT64_C(1000000000);
  cluster.group.suspect_ceiling_ns = UINT64_C(2000000000);
  cluster.group.rejoin_tries = GR_REJOIN_NEVER;
  cluster_start(&cluster);
  for (size_t i = 0; i < MEMBERS; i++) await_online(i);
  for (size_t i = 0; i < MEMBERS; i++) {
    producers[i].node = askers[i].node = cluster.witnesses[i].node;
    pthread_create(&producers[i].thread, NULL, produce, producers + i);
    pthread_create(&askers[i].thread, NULL, inquire, askers + i);
  }
  for (size_t round = 0; round < rounds; round++) come_and_go(round);
  start(4);
  await_online(4);
  atomic_store(&over, true);
  size_t count = rounds;
  for (size_t i = 0; i < MEMBERS; i++) {
    pthread_join(producers[i].thread, NULL);
    pthread_join(askers[i].thread, NULL);
    count += producers[i].count;
    REQUIRE(cluster.witnesses[i].failed == 0, "node %zu lost messages", i);
  }
  for (size_t i = 0; i < NODES; i++)
    if (i != 3) check_same(i, count);
  cluster_stop(&cluster);
  printf("%zu came and went; %zu messages in one order\n", rounds, count);
  return 0;
}
