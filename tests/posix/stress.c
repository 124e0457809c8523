/* SPDX-License-Identifier: MIT
 *
 * Three nodes, volatile and durable, several producer threads each, threads that ask, and
 * an end in the middle of it all; made to be run under ThreadSanitizer, without
 * Criterion, which does not start there. It verifies one total order, the order of each
 * producer, and that every message that was taken before the close is delivered exactly
 * once, everywhere, or has come back: a machine may be so slow that a member does not
 * hear a majority for a moment.
 *
 * usage: stress [rounds] [messages per producer]
 */
#include "nodes.h"

#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define PRODUCERS 3 /* at each member */
#define ASKERS 2
#define MIDWAY 30000 /* deliveries before the nodes are closed under their producers */

struct producer {
  pthread_t thread;
  struct witness *witness;
  uint64_t id;    /* its tags are id << 32 | 0, 1, 2, ... */
  uint64_t count; /* to send; UINT64_MAX: until refused */
  uint64_t taken;
};

static struct cluster cluster;
static struct producer producers[MEMBERS * PRODUCERS];
static char directory[64]; /* of the durable nodes of this run */
static _Atomic bool over;

#define REQUIRE(condition, ...)                                                          \
  do {                                                                                   \
    if (condition) break;                                                                \
    fprintf(stderr, "%s:%d: %s: ", __FILE__, __LINE__, #condition);                      \
    fprintf(stderr, __VA_ARGS__);                                                        \
    fprintf(stderr, "\n");                                                               \
    exit(1);                                                                             \
  } while (0)

/* Sizes with wraps, large ones and empty ones among them. */
static size_t size_of(uint64_t number) {
  if (number % 4999 == 4998) return 1500000;
  if (number % 101 == 100) return 20000;
  return number * 29 % 400;
}

static void *produce(void *context) {
  struct producer *producer = context;
  static const uint8_t filling[1500000];
  while (producer->taken < producer->count) {
    uint64_t tag = producer->id << 32 | producer->taken;
    const gr_slice parts[] = {{&tag, sizeof(tag)}, {filling, size_of(producer->taken)}};
    bool wait = producer->taken % 3 != 0;
    int error = gr_node_broadcast(producer->witness->node, parts, 2, tag, wait);
    if (error == GR_ERR_HALTED) break;
    REQUIRE(error == GR_OK || (error == GR_ERR_FULL && !wait), "answer %d", error);
    if (error == GR_OK) producer->taken++;
  }
  return NULL;
}

static void *inquire(void *context) {
  struct witness *witness = context;
  gr_seqno before = 0;
  while (!atomic_load(&over)) {
    gr_status status = {.size = sizeof(status)};
    gr_counters counters = {.size = sizeof(counters)};
    gr_member members[MEMBERS] = {{.size = sizeof(gr_member)}};
    gr_node_link links[MEMBERS];
    size_t count = 0;
    REQUIRE(gr_node_status(witness->node, &status) == GR_OK, "status");
    REQUIRE(status.seqno >= before, "seqno went back");
    before = status.seqno;
    REQUIRE(gr_node_counters(witness->node, &counters) == GR_OK, "counters");
    REQUIRE(gr_node_members(witness->node, members, MEMBERS, &count) == GR_OK, "members");
    REQUIRE(gr_node_links(witness->node, links, MEMBERS, &count) == GR_OK, "links");
    REQUIRE(count == MEMBERS - 1, "links: %zu", count);
    sleep_ms(1);
  }
  return NULL;
}

static size_t failed(void) {
  size_t count = 0;
  for (size_t m = 0; m < MEMBERS; m++) {
    struct witness *witness = cluster.witnesses + m;
    pthread_mutex_lock(&witness->mutex);
    count += witness->failed;
    REQUIRE(witness->failed == 0 || witness->failed_error == GR_ERR_NO_QUORUM, "%s",
            gr_error_name(witness->failed_error));
    pthread_mutex_unlock(&witness->mutex);
  }
  return count;
}

/* Waits until all that was taken has been delivered or has come back. */
static void await_all(size_t taken) {
  for (size_t m = 0; m < MEMBERS; m++) {
    struct witness *witness = cluster.witnesses + m;
    const gr_time end = gr_posix_now() + UINT64_C(60000000000);
    while (deliveries(witness) + failed() < taken && gr_posix_now() < end) sleep_ms(1);
    REQUIRE(deliveries(witness) + failed() == taken,
            "member %zu: %zu of %zu, %zu came back; its log:\n%s", m + 1,
            deliveries(witness), taken, failed(), witness->log);
  }
}

/* At each member: one order, own tags in the order of each producer, no repeats, and no
 * more left out than have come back. */
static void check_orders(void) {
  size_t shortest = SIZE_MAX;
  for (size_t m = 0; m < MEMBERS; m++)
    if (cluster.witnesses[m].count < shortest) shortest = cluster.witnesses[m].count;
  for (size_t m = 0; m < MEMBERS; m++) {
    const struct witness *witness = cluster.witnesses + m;
    uint64_t next[MEMBERS * PRODUCERS + 1] = {0};
    uint64_t numbers[MEMBERS] = {0};
    uint64_t left_out = 0;
    REQUIRE(!witness->gap, "a gap in the seqnos of member %zu", m + 1);
    for (size_t i = 0; i < witness->count; i++) {
      const struct record *record = witness->records + i;
      const struct record *same = cluster.witnesses[0].records + i;
      REQUIRE(record->number == ++numbers[record->origin - 1], "number at %zu", i);
      if (i < shortest)
        REQUIRE(record->digest == same->digest && record->origin == same->origin &&
                    record->bytes == same->bytes,
                "members 1 and %zu differ at %zu", m + 1, i);
      if (record->origin != m + 1) {
        REQUIRE(record->tag == 0, "a tag of another's message");
        continue;
      }
      uint64_t producer = record->tag >> 32;
      REQUIRE(producer >= 1 && producer <= MEMBERS * PRODUCERS, "producer of a tag");
      const uint64_t number = record->tag & UINT32_MAX;
      REQUIRE(number >= next[producer], "order of producer %d at %zu", (int)producer, i);
      left_out += number - next[producer];
      next[producer] = number + 1;
    }
    REQUIRE(left_out <= witness->failed, "%d left out", (int)left_out);
  }
}

static void start_producers(uint64_t count) {
  for (size_t i = 0; i < MEMBERS * PRODUCERS; i++) {
    producers[i] = (struct producer){.witness = cluster.witnesses + i % MEMBERS,
                                     .id = i + 1,
                                     .count = count};
    REQUIRE(pthread_create(&producers[i].thread, NULL, produce, producers + i) == 0,
            "thread");
  }
}

static size_t join_producers(void) {
  size_t taken = 0;
  for (size_t i = 0; i < MEMBERS * PRODUCERS; i++) {
    pthread_join(producers[i].thread, NULL);
    taken += producers[i].taken;
  }
  return taken;
}

/* With the smallest queue, so that it is full most of the time and producers wait. */
static void init_cluster(bool durable) {
  cluster_init(&cluster, "127.0.0.1");
  snprintf(directory, sizeof(directory), "/tmp/stress-XXXXXX");
  if (durable) REQUIRE(mkdtemp(directory), "directory");
  cluster.directory = durable ? directory : NULL;
  cluster.segment_bytes = 4 << 20;
  cluster.submit_bytes_max = cluster.group.message_bytes_max + (64 << 10);
}

static void end_cluster(void) {
  char command[128];
  cluster_stop(&cluster);
  snprintf(command, sizeof(command), "rm -r %s", directory);
  if (cluster.directory) REQUIRE(system(command) == 0, "%s", command);
}

/* All that was taken must come, everywhere, before the nodes stop; if `cut_short`, the
 * nodes are closed while the producers are at it. */
static void run(uint64_t count, bool cut_short, bool durable) {
  pthread_t askers[ASKERS];
  init_cluster(durable);
  cluster_start(&cluster);
  atomic_store(&over, false);
  for (size_t i = 0; i < ASKERS; i++)
    REQUIRE(pthread_create(askers + i, NULL, inquire, cluster.witnesses + i) == 0,
            "thread");
  start_producers(cut_short ? UINT64_MAX : count);
  if (cut_short) {
    REQUIRE(await_deliveries(cluster.witnesses, MIDWAY), "only %zu",
            deliveries(cluster.witnesses));
    for (size_t m = 0; m < MEMBERS; m++) gr_node_close(cluster.witnesses[m].node);
  }
  size_t taken = join_producers();
  await_all(taken);
  atomic_store(&over, true);
  for (size_t i = 0; i < ASKERS; i++) pthread_join(askers[i], NULL);
  check_orders();
  printf("%s: %zu messages, each once, in one order%s; %zu came back\n",
         durable ? "durable" : "volatile", taken, cut_short ? ", closed midway" : "",
         failed());
  end_cluster();
}

/* Stops the nodes while all is on its way: nothing to verify but the order so far, and
 * that nothing is touched that is gone. */
static void run_and_stop(bool durable) {
  init_cluster(durable);
  cluster_start(&cluster);
  start_producers(UINT64_MAX);
  REQUIRE(await_deliveries(cluster.witnesses, MIDWAY), "only %zu",
          deliveries(cluster.witnesses));
  for (size_t m = 0; m < MEMBERS; m++) gr_node_close(cluster.witnesses[m].node);
  join_producers();
  for (size_t m = 0; m < MEMBERS; m++) {
    gr_node_stop(cluster.witnesses[m].node);
    cluster.witnesses[m].node = NULL;
  }
  check_orders();
  printf("%s: stopped midway\n", durable ? "durable" : "volatile");
  end_cluster();
}

int main(int argc, char **argv) {
  unsigned long rounds = argc > 1 ? strtoul(argv[1], NULL, 10) : 2;
  unsigned long count = argc > 2 ? strtoul(argv[2], NULL, 10) : 1500;
  setvbuf(stdout, NULL, _IOLBF, 0);
  for (unsigned long i = 0; i < rounds; i++) {
    for (int durable = 0; durable < 2; durable++) {
      run(count, false, durable);
      run(0, true, durable);
      run_and_stop(durable);
    }
  }
  return 0;
}
