/* SPDX-License-Identifier: MIT
 *
 * Three nodes in one process, over loopback: one order for all, wrong hellos, hostile
 * bytes, lost connections, halts.
 */
#include "base/bytes.h"
#include "nodes.h"
#include "posix/address.h"
#include "posix/hello.h"

#include <criterion/criterion.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

static struct cluster cluster;

/* Broadcasts `count` messages at each member; sizes vary, up to beyond a fragment. */
static void broadcast_some(size_t count) {
  static uint8_t bytes[1 << 20];
  for (size_t i = 0; i < count; i++) {
    for (size_t m = 0; m < MEMBERS; m++) {
      size_t size = i % 50 == 49 ? sizeof(bytes) : i * 37 % 3000;
      memset(bytes, (int)(i + m), size);
      const gr_slice parts[] = {{bytes, size / 2}, {bytes + size / 2, size - size / 2}};
      int error =
          gr_node_broadcast(cluster.witnesses[m].node, parts, 2, 1000 * m + i, true);
      cr_assert_eq(error, GR_OK);
    }
  }
}

static void check_same_order(size_t count) {
  const struct witness *first = cluster.witnesses;
  for (size_t m = 0; m < MEMBERS; m++) {
    const struct witness *witness = cluster.witnesses + m;
    uint64_t numbers[MEMBERS] = {0};
    cr_assert_eq(witness->count, count);
    cr_assert_not(witness->gap);
    for (size_t i = 0; i < count; i++) {
      const struct record *record = witness->records + i;
      cr_assert_eq(record->origin, first->records[i].origin);
      cr_assert_eq(record->number, first->records[i].number);
      cr_assert_eq(record->bytes, first->records[i].bytes);
      cr_assert_eq(record->digest, first->records[i].digest);
      cr_assert_eq(record->number, ++numbers[record->origin - 1]);
      uint64_t tag = record->origin == m + 1 ? 1000 * m + record->number - 1 : 0;
      cr_assert_eq(record->tag, tag);
    }
  }
}

static void deliver_at(const char *host) {
  const size_t each = 200;
  cluster_init(&cluster, host);
  cluster_start(&cluster);
  broadcast_some(each);
  for (size_t m = 0; m < MEMBERS; m++)
    cr_assert(await_deliveries(cluster.witnesses + m, each * MEMBERS), "member %zu: %s",
              m + 1, cluster.witnesses[m].log);
  check_same_order(each * MEMBERS);
  cr_assert_gt(cluster.witnesses[0].turns, 0);
  cr_assert_leq(cluster.witnesses[0].turns, each * MEMBERS);
  cluster_stop(&cluster);
}

Test(nodes, same_order_over_ipv4) {
  deliver_at("127.0.0.1");
}

Test(nodes, same_order_over_ipv6) {
  deliver_at("[::1]");
}

Test(nodes, same_order_by_name) {
  deliver_at("localhost");
}

/* A group of one needs nobody; also each delivery here asks for the next. */
static int answer_with_next(void *context, const gr_delivery *delivery, uint64_t tag) {
  gr_node **node = context;
  cr_assert_eq(tag, delivery->number);
  if (delivery->number < 10000)
    cr_assert_eq(gr_node_broadcast(*node, NULL, 0, tag + 1, true), GR_OK);
  return 0;
}

Test(nodes, alone) {
  static gr_node *node;
  cluster_init(&cluster, "127.0.0.1");
  gr_options group = cluster.group;
  gr_node_options options = {.size = sizeof(options),
                             .group = &group,
                             .members = cluster.members,
                             .member_count = 1};
  group.self = 1;
  const gr_node_host host = {.size = sizeof(host),
                             .context = &node,
                             .deliver = answer_with_next};
  cr_assert_eq(gr_node_start(&node, &options, &host, NULL, 0), GR_OK);
  cr_assert_eq(gr_node_broadcast(node, NULL, 0, 1, true), GR_OK);
  gr_status status = {.size = sizeof(status)};
  for (int tries = 0; tries < 20000 && status.seqno < 10000; tries++, sleep_ms(1))
    cr_assert_eq(gr_node_status(node, &status), GR_OK);
  cr_assert_eq(status.seqno, 10000);
  gr_node_stop(node);
  cluster_stop(&cluster);
}

static int count_delivery(void *context, const gr_delivery *delivery, uint64_t tag) {
  (void)tag;
  atomic_store((_Atomic uint64_t *)context, delivery->number);
  return 0;
}

static bool await_number(const _Atomic uint64_t *delivered, uint64_t number,
                         gr_time patience) {
  gr_time end = gr_posix_now() + patience;
  while (atomic_load(delivered) < number && gr_posix_now() < end) sched_yield();
  return atomic_load(delivered) >= number;
}

/* Little but the broadcast wakes this thread, every 2 s, so a lost wake-up shows. The
 * pauses vary, to meet the thread at every step of its way to sleep. */
Test(nodes, each_message_wakes_the_thread) {
  static _Atomic uint64_t delivered;
  gr_node *node;
  cluster_init(&cluster, "127.0.0.1");
  gr_options group = cluster.group;
  gr_node_options options = {.size = sizeof(options),
                             .group = &group,
                             .members = cluster.members,
                             .member_count = 1};
  group.self = 1;
  group.heartbeat_interval_ns = UINT64_C(2000000000);
  group.election_timeout_ns = UINT64_C(4000000000);
  const gr_node_host host = {.size = sizeof(host),
                             .context = &delivered,
                             .deliver = count_delivery};
  cr_assert_eq(gr_node_start(&node, &options, &host, NULL, 0), GR_OK);
  for (uint64_t number = 1; number <= 50000; number++) {
    cr_assert_eq(gr_node_broadcast(node, NULL, 0, 0, false), GR_OK);
    gr_time patience = number == 1 ? UINT64_C(20000000000) : UINT64_C(1000000000);
    cr_assert(await_number(&delivered, number, patience), "message %d sleeps",
              (int)number);
    for (volatile uint64_t pause = number * 7 % 3000; pause > 0;) pause--;
  }
  gr_node_stop(node);
  cluster_stop(&cluster);
}

Test(nodes, broadcast_arguments) {
  cluster_init(&cluster, "127.0.0.1");
  cluster_start(&cluster);
  gr_node *node = cluster.witnesses[0].node;
  const gr_slice huge = {&cluster, (4 << 20) + 1};
  const gr_slice null = {NULL, 1};
  const gr_slice half[] = {{&cluster, SIZE_MAX}, {&cluster, 2}};
  cr_assert_eq(gr_node_broadcast(NULL, NULL, 0, 0, false), GR_ERR_INVALID);
  cr_assert_eq(gr_node_broadcast(node, NULL, 1, 0, false), GR_ERR_INVALID);
  cr_assert_eq(gr_node_broadcast(node, &null, 1, 0, false), GR_ERR_INVALID);
  cr_assert_eq(gr_node_broadcast(node, &huge, 1, 0, false), GR_ERR_TOO_LARGE);
  cr_assert_eq(gr_node_broadcast(node, half, 2, 0, false), GR_ERR_TOO_LARGE);
  cr_assert_eq(gr_node_broadcast(node, NULL, 0, 5, false), GR_OK,
               "an empty one is allowed");
  cr_assert(await_deliveries(cluster.witnesses, 1));
  cr_assert_eq(cluster.witnesses[0].records[0].tag, 5);
  gr_node_close(node);
  cr_assert_eq(gr_node_broadcast(node, NULL, 0, 5, true), GR_ERR_HALTED);
  cluster_stop(&cluster);
}

Test(nodes, queries) {
  cluster_init(&cluster, "127.0.0.1");
  cluster_start(&cluster);
  cr_assert_eq(gr_node_broadcast(cluster.witnesses[1].node, NULL, 0, 0, true), GR_OK);
  cr_assert(await_deliveries(cluster.witnesses + 1, 1));
  gr_node *node = cluster.witnesses[1].node;
  gr_status status = {.size = sizeof(status)};
  cr_assert_eq(gr_node_status(node, &status), GR_OK);
  cr_assert_eq(status.self, 2);
  cr_assert_eq(status.seqno, 1);
  gr_counters counters = {.size = sizeof(counters)};
  cr_assert_eq(gr_node_counters(node, &counters), GR_OK);
  cr_assert_eq(counters.messages_delivered, 1);
  gr_member members[MEMBERS] = {{.size = sizeof(gr_member)}};
  size_t count = 0;
  cr_assert_eq(gr_node_members(node, members, MEMBERS, &count), GR_OK);
  cr_assert_eq(count, MEMBERS);
  cr_assert_eq(members[2].id, 3);
  gr_node_link links[MEMBERS];
  cr_assert_eq(gr_node_links(node, links, 1, &count), GR_OK);
  cr_assert_eq(count, 2);
  cr_assert_eq(links[0].id, 1);
  cr_assert_eq(gr_node_transfer(node, 9), GR_ERR_INVALID);
  cr_assert_eq(gr_node_status(NULL, &status), GR_ERR_INVALID);
  cr_assert_eq(gr_node_status(node, NULL), GR_ERR_INVALID);
  cr_assert_eq(gr_node_links(node, NULL, 1, &count), GR_ERR_INVALID);
  cr_assert_eq(gr_node_members(node, members, 1, NULL), GR_ERR_INVALID);
  cluster_stop(&cluster);
}

/* ---- strangers ---- */

static void connect_socket(int fd, const char *text) {
  struct gr_address address;
  struct gr_address_choices choices;
  cr_assert(gr_address_parse(text, &address));
  cr_assert_eq(gr_address_resolve(&address, true, &choices), 0);
  cr_assert_eq(connect(fd, (const struct sockaddr *)&choices.at[0], choices.size[0]), 0);
}

static int connect_to(const char *text) {
  int fd = socket(AF_INET, SOCK_STREAM, 0);
  connect_socket(fd, text);
  return fd;
}

/* Waits until the other side closes; what it sent before goes into `answer`. */
static size_t read_to_end(int fd, uint8_t *answer, size_t size) {
  size_t used = 0;
  for (;;) {
    ssize_t got = recv(fd, answer + used, size - used, 0);
    if (got <= 0) break;
    used += (size_t)got;
  }
  close(fd);
  return used;
}

static void send_hello_on(int fd, const struct gr_hello *hello) {
  uint8_t bytes[4 + GR_HELLO_BYTES];
  gr_store_u32(bytes, GR_HELLO_BYTES);
  gr_hello_encode(hello, bytes + 4);
  cr_assert_eq(send(fd, bytes, sizeof(bytes), MSG_NOSIGNAL), sizeof(bytes));
}

static int send_hello(const struct gr_hello *hello) {
  int fd = connect_to(cluster.addresses[0]);
  send_hello_on(fd, hello);
  return fd;
}

static void expect_refusal(const struct gr_hello *hello, enum gr_hello_verdict verdict,
                           const char *line) {
  uint8_t answer[256];
  cr_assert_eq(read_to_end(send_hello(hello), answer, sizeof(answer)),
               4 + GR_HELLO_BYTES);
  struct gr_hello reply;
  cr_assert_eq(gr_hello_decode((gr_slice){answer + 4, GR_HELLO_BYTES}, &reply), GR_OK);
  cr_assert_eq(reply.kind, GR_HELLO_REPLY);
  cr_assert_eq(reply.verdict, verdict);
  cr_assert_eq(reply.from, 1);
  cr_assert(await_log(cluster.witnesses, line), "missing: %s", line);
}

static uint64_t refused_hellos_of(gr_member_id id) {
  gr_node_link links[MEMBERS];
  size_t count = 0;
  cr_assert_eq(gr_node_links(cluster.witnesses[0].node, links, MEMBERS, &count), GR_OK);
  for (size_t i = 0; i < count; i++)
    if (links[i].id == id) return links[i].refused_hellos;
  return UINT64_MAX;
}

static struct gr_hello good_hello(void) {
  return (struct gr_hello){.kind = GR_HELLO_OPEN,
                           .protocol_version = GR_PROTOCOL_VERSION,
                           .group = cluster.group.group_id,
                           .from = 2,
                           .to = 1};
}

/* One node alone, so that nobody else greets it. Lines are limited to one a second. */
Test(strangers, wrong_hellos_are_refused_told_and_counted) {
  char text[256];
  cluster_init(&cluster, "127.0.0.1");
  cr_assert_eq(cluster_start_one(&cluster, 0, text, sizeof(text)), GR_OK);
  struct gr_hello hello = good_hello();
  hello.group.bytes[0] = 9;
  expect_refusal(&hello, GR_HELLO_WRONG_GROUP,
                 "hello refused: wrong group: expected 010203");
  cr_assert_eq(refused_hellos_of(2), 1);
  sleep_ms(1000); /* the limit on lines */
  hello = good_hello();
  hello.protocol_version++;
  expect_refusal(&hello, GR_HELLO_WRONG_VERSION,
                 "wrong version: expected protocol version 1");
  cr_assert_eq(refused_hellos_of(2), 2);
  sleep_ms(1000);
  hello = good_hello();
  hello.from = 1;
  expect_refusal(&hello, GR_HELLO_SAME_NAME, "came member 1");
  sleep_ms(1000);
  hello = good_hello();
  hello.to = 3;
  expect_refusal(&hello, GR_HELLO_WRONG_TARGET, "came one to member 3");
  cr_assert_eq(refused_hellos_of(2), 3);
  cr_assert_eq(refused_hellos_of(3), 0);
  cluster_stop(&cluster);
}

/* The side that opens says it too, and counts. */
Test(strangers, the_opener_says_why_it_was_refused) {
  char text[256];
  cluster_init(&cluster, "127.0.0.1");
  cr_assert_eq(cluster_start_one(&cluster, 0, text, sizeof(text)), GR_OK);
  cluster.group.group_id.bytes[15] = 0xee;
  cr_assert_eq(cluster_start_one(&cluster, 1, text, sizeof(text)), GR_OK);
  cr_assert(await_log(cluster.witnesses,
                      "refused this member's hello: wrong group: expected "
                      "010203000000000000000000000000ee, came "
                      "01020300000000000000000000000000"));
  cr_assert_gt(refused_hellos_of(2), 0);
  cluster_stop(&cluster);
}

static void is_connected_in(gr_member_id id, bool expected) {
  gr_node_link links[MEMBERS];
  size_t count = 0;
  for (int tries = 0; tries < 5000; tries++, sleep_ms(1)) {
    cr_assert_eq(gr_node_links(cluster.witnesses[0].node, links, MEMBERS, &count), GR_OK);
    for (size_t i = 0; i < count; i++)
      if (links[i].id == id && links[i].connected_in == expected) return;
  }
  cr_assert_fail("connected_in stays %d", !expected);
}

Test(strangers, a_newer_connection_replaces_the_older) {
  char text[256];
  uint8_t answer[256];
  cluster_init(&cluster, "127.0.0.1");
  cr_assert_eq(cluster_start_one(&cluster, 0, text, sizeof(text)), GR_OK);
  const struct gr_hello hello = good_hello();
  int older = send_hello(&hello);
  is_connected_in(2, true);
  int newer = send_hello(&hello);
  cr_assert_eq(read_to_end(older, answer, sizeof(answer)), 4 + GR_HELLO_BYTES);
  is_connected_in(2, true);
  close(newer);
  is_connected_in(2, false);
  cluster_stop(&cluster);
}

/* Each piece on a connection of its own, before a hello and after a good one. */
static void send_garbage(const uint8_t *bytes, size_t size, bool greet) {
  uint8_t answer[256];
  const struct gr_hello hello = good_hello();
  int fd = greet ? send_hello(&hello) : connect_to(cluster.addresses[0]);
  /* The other side may have closed already: then it has refused enough. */
  (void)!send(fd, bytes, size, MSG_NOSIGNAL);
  shutdown(fd, SHUT_WR);
  read_to_end(fd, answer, sizeof(answer));
}

/* One node alone: it must refuse it all, stay up, and have learned nothing. */
Test(strangers, hostile_bytes_change_nothing) {
  char text[256];
  cluster_init(&cluster, "127.0.0.1");
  cr_assert_eq(cluster_start_one(&cluster, 0, text, sizeof(text)), GR_OK);
  uint8_t bytes[3000];
  struct gr_random {
    uint64_t state;
  } random = {12345};
  for (int round = 0; round < 400; round++) {
    size_t size = (size_t)(round * 7) % sizeof(bytes);
    for (size_t i = 0; i < size; i++) {
      random.state = random.state * UINT64_C(6364136223846793005) + 1442695040888963407;
      bytes[i] = (uint8_t)(random.state >> 56);
    }
    if (round % 3 == 0 && size >= 4) gr_store_u32(bytes, (uint32_t)size - 4); /* framed */
    send_garbage(bytes, size, round % 2 == 1);
  }
  const uint8_t oversized[4] = {0xff, 0xff, 0xff, 0x7f};
  sleep_ms(1000); /* the limit on lines */
  send_garbage(oversized, sizeof(oversized), true);
  cr_assert(await_log(cluster.witnesses, "a frame of 2147483647 bytes was announced"));
  gr_status status = {.size = sizeof(status)};
  cr_assert_eq(gr_node_status(cluster.witnesses[0].node, &status), GR_OK);
  cr_assert_eq(status.role, GR_ROLE_FORMING);
  cr_assert_eq(status.seqno, 0);
  cr_assert_eq(cluster.witnesses[0].halted, GR_OK);
  cluster_stop(&cluster);
}

Test(strangers, a_crowd_does_not_keep_members_out) {
  char text[256];
  int crowd[100];
  cluster_init(&cluster, "127.0.0.1");
  cr_assert_eq(cluster_start_one(&cluster, 0, text, sizeof(text)), GR_OK);
  for (size_t i = 0; i < 100; i++) crowd[i] = connect_to(cluster.addresses[0]);
  cr_assert(await_log(cluster.witnesses, "too many wait without a hello"));
  const struct gr_hello hello = good_hello();
  int member = send_hello(&hello);
  is_connected_in(2, true);
  close(member);
  for (size_t i = 0; i < 100; i++) close(crowd[i]);
  cluster_stop(&cluster);
}

Test(strangers, one_that_says_nothing_is_closed) {
  char text[256];
  uint8_t answer[256];
  cluster_init(&cluster, "127.0.0.1");
  cr_assert_eq(cluster_start_one(&cluster, 0, text, sizeof(text)), GR_OK);
  gr_time before = gr_posix_now();
  int silent = connect_to(cluster.addresses[0]);
  cr_assert_eq(send(silent, "\x2c\0\0\0Grgc", 8, MSG_NOSIGNAL), 8, "half a hello");
  cr_assert_eq(read_to_end(silent, answer, sizeof(answer)), 0);
  gr_time waited = gr_posix_now() - before;
  cr_assert_geq(waited, UINT64_C(5000000000));
  cr_assert_lt(waited, UINT64_C(8000000000));
  cr_assert(await_log(cluster.witnesses, "no hello came in time"));
  cluster_stop(&cluster);
}

/* Out of descriptors, the listener rests instead of spinning, and comes back by itself.
 */
Test(strangers, without_descriptors_they_wait) {
  char text[256];
  cluster_init(&cluster, "127.0.0.1");
  cr_assert_eq(cluster_start_one(&cluster, 0, text, sizeof(text)), GR_OK);
  int member = socket(AF_INET, SOCK_STREAM, 0);
  struct rlimit before;
  cr_assert_eq(getrlimit(RLIMIT_NOFILE, &before), 0);
  const struct rlimit none = {.rlim_cur = (rlim_t)member + 1,
                              .rlim_max = before.rlim_max};
  cr_assert_eq(setrlimit(RLIMIT_NOFILE, &none), 0);
  connect_socket(member, cluster.addresses[0]);
  cr_assert(await_log(cluster.witnesses, "Too many open files"));
  clock_t used = clock();
  sleep_ms(1000);
  cr_assert_lt(clock() - used, CLOCKS_PER_SEC / 5, "the listener spins");
  cr_assert_eq(setrlimit(RLIMIT_NOFILE, &before), 0);
  const struct gr_hello hello = good_hello();
  send_hello_on(member, &hello);
  is_connected_in(2, true);
  close(member);
  cluster_stop(&cluster);
}

/* ---- what goes wrong later ---- */

/* A member that stops: the two others go on, and say that they lost it. */
Test(nodes, two_of_three_go_on) {
  cluster_init(&cluster, "127.0.0.1");
  cluster_start(&cluster);
  broadcast_some(20);
  for (size_t m = 0; m < MEMBERS; m++)
    cr_assert(await_deliveries(cluster.witnesses + m, 20 * MEMBERS));
  gr_node_stop(cluster.witnesses[0].node);
  cluster.witnesses[0].node = NULL;
  for (size_t i = 0; i < 50; i++)
    cr_assert_eq(gr_node_broadcast(cluster.witnesses[1 + i % 2].node, NULL, 0, 0, true),
                 GR_OK);
  cr_assert(await_deliveries(cluster.witnesses + 1, 20 * MEMBERS + 50));
  cr_assert(await_deliveries(cluster.witnesses + 2, 20 * MEMBERS + 50));
  cr_assert(await_log(cluster.witnesses + 1, "connection to member 1 at"));
  cluster_stop(&cluster);
}

struct blocked {
  pthread_t thread;
  gr_node *node;
  _Atomic uint64_t taken;
  int answer;
};

static void *broadcast_until_refused(void *context) {
  struct blocked *blocked = context;
  static const uint8_t bytes[100000];
  const gr_slice part = {bytes, sizeof(bytes)};
  for (;;) {
    blocked->answer = gr_node_broadcast(blocked->node, &part, 1, 0, true);
    if (blocked->answer != GR_OK) return NULL;
    atomic_fetch_add(&blocked->taken, 1);
  }
}

/* Waits until nothing has been taken for 300 ms: then all wait for room. */
static void await_standstill(struct blocked *blocked, size_t count) {
  uint64_t before = 0;
  for (unsigned quiet = 0; quiet < 300; quiet++, sleep_ms(1)) {
    uint64_t now = 0;
    for (size_t i = 0; i < count; i++) now += atomic_load(&blocked[i].taken);
    if (now != before || now == 0) quiet = 0;
    before = now;
  }
}

/* Without a majority nothing is delivered, so the queue fills up and its producers wait.
 * The end is told by a close, or by the stop itself. */
static void release_those_who_wait(bool by_close) {
  char text[256];
  static struct blocked blocked[4];
  cluster_init(&cluster, "127.0.0.1");
  cr_assert_eq(cluster_start_one(&cluster, 0, text, sizeof(text)), GR_OK);
  gr_node *node = cluster.witnesses[0].node;
  for (size_t i = 0; i < 4; i++) {
    blocked[i].node = node;
    pthread_create(&blocked[i].thread, NULL, broadcast_until_refused, blocked + i);
  }
  await_standstill(blocked, 4);
  if (by_close)
    gr_node_close(node);
  else
    cluster_stop(&cluster);
  for (size_t i = 0; i < 4; i++) {
    pthread_join(blocked[i].thread, NULL);
    cr_assert_eq(blocked[i].answer, GR_ERR_HALTED);
  }
  if (by_close) cluster_stop(&cluster);
}

Test(nodes, close_releases_those_who_wait) {
  release_those_who_wait(true);
}

Test(nodes, stop_releases_those_who_wait) {
  release_those_who_wait(false);
}

Test(nodes, a_callback_that_fails_halts_the_member) {
  cluster_init(&cluster, "127.0.0.1");
  cluster.witnesses[1].deliver_answer = 1;
  cluster_start(&cluster);
  struct witness *witness = cluster.witnesses + 1;
  cr_assert_eq(gr_node_broadcast(cluster.witnesses[0].node, NULL, 0, 0, true), GR_OK);
  cr_assert(await_log(witness, "host.deliver reported failure"));
  while (gr_node_broadcast(witness->node, NULL, 0, 0, true) == GR_OK) sleep_ms(1);
  cr_assert_eq(gr_node_broadcast(witness->node, NULL, 0, 0, true), GR_ERR_HALTED);
  gr_status status = {.size = sizeof(status)};
  cr_assert_eq(gr_node_status(witness->node, &status), GR_OK,
               "questions are still answered");
  gr_node_link links[MEMBERS];
  size_t count = 0;
  cr_assert_eq(gr_node_links(witness->node, links, MEMBERS, &count), GR_OK);
  cr_assert(!links[0].connected_in && !links[0].connected_out);
  cluster_stop(&cluster);
  cr_assert_eq(witness->halted, GR_ERR_HOST);
}
