/* SPDX-License-Identifier: MIT
 *
 * The links and incoming connections of one node, which is alone in its group: the test
 * plays the group that opens and closes them, and, with sockets, whoever is at the other
 * end.
 */
#include "base/bytes.h"
#include "nodes.h"
#include "posix/node.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define GUEST (UINT64_C(1) << 63)
#define FRAME_BYTES ((4 << 20) + GR_FRAME_HEADER_MAX)

static struct cluster cluster;

/* What the group asks for next, on the node's thread. */
static gr_member_id asked_id;
static char asked_address[GR_ADDRESS_BYTES_MAX];
static size_t asked_bytes;

static void start_alone(void) {
  char text[256];
  cluster_init(&cluster, "127.0.0.1");
  cluster.count = 1;
  cr_assert_eq(cluster_start_one(&cluster, 0, text, sizeof(text)), GR_OK, "%s", text);
}

static void stop(void) {
  cluster_stop(&cluster);
}

TestSuite(links, .init = start_alone, .fini = stop, .timeout = 30);

/* ---- the group's part ---- */

static void link_now(gr_node *node) {
  const gr_host host = gr_node_group_host(node);
  host.link(node, asked_id, (gr_slice){.data = asked_address, .size = asked_bytes});
}

static void unlink_now(gr_node *node) {
  gr_node_group_host(node).unlink(node, asked_id);
}

static void rename_now(gr_node *node) {
  gr_node_group_host(node).renamed(node, asked_id);
}

static void ask(gr_member_id id, void (*run)(gr_node *node)) {
  asked_id = id;
  run_on_thread(cluster.witnesses, run);
}

static void link_to(gr_member_id id, const void *address, size_t bytes) {
  memcpy(asked_address, address, bytes);
  asked_bytes = bytes;
  ask(id, link_now);
}

/* One large frame, and a small one behind it. */
static uint8_t large[FRAME_BYTES];

static void send_now(gr_node *node) {
  const gr_host host = gr_node_group_host(node);
  const gr_slice parts[] = {{large, GR_FRAME_HEADER_MAX},
                            {large + GR_FRAME_HEADER_MAX, 4 << 20}};
  const gr_slice last = {"end", 3};
  cr_assert(host.send(node, asked_id, parts, 2));
  host.flush(node);
  cr_assert_not(host.send(node, asked_id, &last, 1), "nobody has read it");
}

/* ---- the other end ---- */

struct server {
  int listener;
  char address[64];
};

static struct server listen_somewhere(void) {
  struct server server;
  struct gr_address address;
  struct gr_address_choices choices;
  const int on = 1;
  snprintf(server.address, sizeof(server.address), "127.0.0.1:%u",
           free_port("127.0.0.1"));
  cr_assert(gr_address_parse(server.address, &address));
  cr_assert_eq(gr_address_resolve(&address, true, &choices), 0);
  server.listener = socket(AF_INET, SOCK_STREAM, 0);
  setsockopt(server.listener, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
  cr_assert_eq(bind(server.listener, (const struct sockaddr *)&choices.at[0],
                    choices.size[0]),
               0);
  cr_assert_eq(listen(server.listener, 8), 0);
  return server;
}

static void read_exactly(int fd, void *bytes, size_t size) {
  for (size_t used = 0; used < size;) {
    ssize_t got = recv(fd, (uint8_t *)bytes + used, size - used, 0);
    cr_assert_gt(got, 0, "%zu of %zu bytes came", used, size);
    used += (size_t)got;
  }
}

/* True if the other side has closed it, cleanly or not, rather than sent something. */
static bool is_at_end(int fd) {
  char byte;
  return recv(fd, &byte, 1, 0) <= 0;
}

/* Waits for a connection and its hello. */
static int accept_hello(const struct server *server, struct gr_hello *hello) {
  uint8_t bytes[4 + GR_HELLO_BYTES];
  int fd = accept(server->listener, NULL, NULL);
  cr_assert_geq(fd, 0);
  read_exactly(fd, bytes, sizeof(bytes));
  cr_assert_eq(gr_load_u32(bytes), GR_HELLO_BYTES);
  cr_assert_eq(gr_hello_decode((gr_slice){bytes + 4, GR_HELLO_BYTES}, hello), GR_OK);
  return fd;
}

static void send_hello(int fd, enum gr_hello_kind kind, gr_member_id from,
                       gr_member_id to) {
  const struct gr_hello hello = {.kind = kind,
                                 .protocol_version = GR_PROTOCOL_VERSION,
                                 .group = cluster.group.group_id,
                                 .from = from,
                                 .to = to};
  uint8_t bytes[4 + GR_HELLO_BYTES];
  gr_store_u32(bytes, GR_HELLO_BYTES);
  gr_hello_encode(&hello, bytes + 4);
  cr_assert_eq(send(fd, bytes, sizeof(bytes), MSG_NOSIGNAL), sizeof(bytes));
}

/* Waits for a connection, and welcomes it as `self`. */
static int welcome(const struct server *server, gr_member_id self) {
  struct gr_hello hello;
  int fd = accept_hello(server, &hello);
  send_hello(fd, GR_HELLO_REPLY, self, hello.from);
  return fd;
}

static void await_connected_out(gr_member_id id) {
  gr_node_link links[4];
  size_t count = 0;
  for (int tries = 0; tries < 5000; tries++, sleep_ms(1)) {
    cr_assert_eq(gr_node_links(cluster.witnesses[0].node, links, 4, &count), GR_OK);
    for (size_t i = 0; i < count; i++)
      if (links[i].id == id && links[i].connected_out) return;
  }
  cr_assert_fail("not connected");
}

static size_t link_count(void) {
  size_t count = 99;
  cr_assert_eq(gr_node_links(cluster.witnesses[0].node, NULL, 0, &count), GR_OK);
  return count;
}

/* ---- links ---- */

Test(links, a_hello_names_both) {
  struct server server = listen_somewhere();
  struct gr_hello hello;
  link_to(7, server.address, strlen(server.address));
  int member = accept_hello(&server, &hello);
  cr_assert_eq(hello.from, 1);
  cr_assert_eq(hello.to, 7);
  link_to(GUEST | 7, server.address, strlen(server.address));
  int guest = accept_hello(&server, &hello);
  cr_assert_eq(hello.from, 1);
  cr_assert_eq(hello.to, GR_HELLO_ANYBODY);
  send_hello(member, GR_HELLO_REPLY, 7, 1);
  send_hello(guest, GR_HELLO_REPLY, 8, 1); /* whoever listens there */
  await_connected_out(7);
  await_connected_out(GUEST | 7);
  cr_assert_eq(link_count(), 2);
  close(member);
  close(guest);
}

Test(links, a_guest_may_answer_for_a_member) {
  struct server server = listen_somewhere();
  link_to(7, server.address, strlen(server.address));
  close(welcome(&server, 8)); /* another member may not */
  cr_assert(await_log(cluster.witnesses, "its answer names another member or group"));
  int fd = welcome(&server, GUEST | 3);
  await_connected_out(7);
  close(fd);
}

Test(links, an_end_closes_the_connection) {
  struct server server = listen_somewhere();
  link_to(7, server.address, strlen(server.address));
  int fd = welcome(&server, 7);
  await_connected_out(7);
  ask(7, unlink_now);
  cr_assert(is_at_end(fd));
  cr_assert_eq(link_count(), 0);
  ask(7, unlink_now); /* of one that is not there */
  close(fd);
}

/* A link can end in any state: here before its hello is answered, and while it waits. */
Test(links, an_end_at_any_time) {
  struct server server = listen_somewhere();
  struct gr_hello hello;
  link_to(7, server.address, strlen(server.address));
  int fd = accept_hello(&server, &hello);
  ask(7, unlink_now);
  cr_assert(is_at_end(fd));
  close(fd);
  close(server.listener);
  link_to(7, server.address, strlen(server.address));
  cr_assert(await_log(cluster.witnesses, "is not reached: Connection refused"));
  ask(7, unlink_now);
  link_to(7, "no-such-host.invalid:1", 22);
  ask(7, unlink_now); /* the name is being resolved */
  link_to(7, "no-such-host.invalid:2", 22);
  cr_assert(await_log(cluster.witnesses, "no-such-host.invalid port 2 is not reached"));
  cr_assert_eq(link_count(), 1);
}

/* What was taken before the end is handed over, if the other side reads it. */
Test(links, what_is_queued_comes_before_the_end) {
  struct server server = listen_somewhere();
  uint8_t *bytes = malloc(4 + FRAME_BYTES);
  for (size_t i = 0; i < FRAME_BYTES; i++) large[i] = (uint8_t)(i / 251);
  link_to(7, server.address, strlen(server.address));
  int fd = welcome(&server, 7);
  await_connected_out(7);
  ask(7, send_now);
  ask(7, unlink_now);
  cr_assert_eq(link_count(), 0);
  read_exactly(fd, bytes, 4 + FRAME_BYTES);
  cr_assert_eq(gr_load_u32(bytes), FRAME_BYTES);
  cr_assert(memcmp(bytes + 4, large, FRAME_BYTES) == 0);
  cr_assert(is_at_end(fd));
  free(bytes);
  close(fd);
}

/* Nobody reads: it ends nevertheless. */
Test(links, an_end_does_not_wait_for_ever) {
  struct server server = listen_somewhere();
  link_to(7, server.address, strlen(server.address));
  int fd = welcome(&server, 7);
  await_connected_out(7);
  ask(7, send_now);
  ask(7, unlink_now);
  sleep_ms(1500);
  size_t came = 0;
  static uint8_t bytes[65536];
  for (ssize_t got; (got = recv(fd, bytes, sizeof(bytes), 0)) > 0;) came += (size_t)got;
  cr_assert_lt(came, 4 + FRAME_BYTES);
  close(fd);
}

Test(links, a_link_moves_to_another_address) {
  struct server one = listen_somewhere();
  struct server other = listen_somewhere();
  link_to(7, one.address, strlen(one.address));
  int before = welcome(&one, 7);
  await_connected_out(7);
  link_to(7, one.address, strlen(one.address)); /* changes nothing */
  link_to(7, other.address, strlen(other.address));
  int after = welcome(&other, 7);
  cr_assert(is_at_end(before));
  await_connected_out(7);
  cr_assert_eq(link_count(), 1);
  close(before);
  close(after);
}

Test(links, a_new_name_is_said_in_a_new_hello) {
  struct server server = listen_somewhere();
  struct gr_hello hello;
  link_to(7, server.address, strlen(server.address));
  int before = welcome(&server, 7);
  await_connected_out(7);
  ask(9, rename_now);
  cr_assert(is_at_end(before));
  int after = accept_hello(&server, &hello);
  cr_assert_eq(hello.from, 9);
  close(before);
  close(after);
}

static void broadcast_ten(gr_node *node) {
  for (uint64_t tag = 1; tag <= 10; tag++)
    cr_assert_eq(gr_node_broadcast(node, NULL, 0, tag, false), GR_OK);
  cluster.witnesses[0].at_delivery = rename_now; /* when the first is delivered */
}

/* What was broadcast under the old name does not come back under the new one. */
Test(links, a_new_name_ends_what_is_on_its_way) {
  struct witness *witness = cluster.witnesses;
  ask(9, broadcast_ten);
  cr_assert(await_deliveries(witness, 11));
  cr_assert_eq(witness->failed, 9);
  cr_assert_eq(witness->failed_tag, 10);
  cr_assert_eq(witness->failed_error, GR_ERR_REMOVED);
  for (size_t i = 0; i < 11; i++) cr_assert_eq(witness->records[i].tag, i == 1 ? 1 : 0);
}

/* A founder that says nothing of its address is where the list of founders says. */
Test(links, founders_addresses) {
  link_to(7, "", 0);
  cr_assert(await_log(cluster.witnesses, "7 cannot be reached"));
  link_to(1, "", 0);
  cr_assert_eq(link_count(), 1);
}

/* Addresses are other members' words. */
Test(links, addresses_may_be_anything) {
  static const char *const wrong[] = {"x", "x:0", ":1", "1.2.3.4:70000", "[::1:5"};
  for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++)
    link_to(7 + i, wrong[i], strlen(wrong[i]));
  link_to(20, "127.0.0.1:1\0002", 13);
  char longest[GR_ADDRESS_BYTES_MAX];
  memset(longest, 'a', sizeof(longest));
  link_to(21, longest, sizeof(longest));
  cr_assert_eq(link_count(), 0);
  memcpy(longest + sizeof(longest) - 2, ":1", 2);
  link_to(21, longest, sizeof(longest));
  cr_assert_eq(link_count(), 1);
}

/* A seed may be this process itself. */
Test(links, it_does_not_call_itself) {
  gr_node_link link;
  size_t count = 0;
  link_to(GUEST, cluster.addresses[0], strlen(cluster.addresses[0]));
  for (int tries = 0; tries < 500; tries++, sleep_ms(1))
    cr_assert_eq(gr_node_links(cluster.witnesses[0].node, &link, 1, &count), GR_OK);
  cr_assert_eq(link.connects, 0);
  cr_assert_not(strstr(cluster.witnesses[0].log, "refused"));
}

/* ---- incoming connections ---- */

static int call(gr_member_id from, gr_member_id to) {
  struct gr_address address;
  struct gr_address_choices choices;
  uint8_t reply[4 + GR_HELLO_BYTES];
  cr_assert(gr_address_parse(cluster.addresses[0], &address));
  cr_assert_eq(gr_address_resolve(&address, true, &choices), 0);
  int fd = socket(AF_INET, SOCK_STREAM, 0);
  cr_assert_eq(connect(fd, (const struct sockaddr *)&choices.at[0], choices.size[0]), 0);
  send_hello(fd, GR_HELLO_OPEN, from, to);
  read_exactly(fd, reply, sizeof(reply));
  cr_assert_eq(reply[4 + 7], GR_HELLO_OK);
  (void)link_count(); /* answered when what the hello brought about is done */
  return fd;
}

static bool is_open(int fd) {
  char byte;
  return recv(fd, &byte, 1, MSG_DONTWAIT) < 0;
}

/* So many at a time, whoever they say they are; the newest have the room. */
static void crowd(size_t limit, gr_member_id first, gr_member_id to) {
  int fds[40];
  cr_assert_leq(limit + 5, sizeof(fds) / sizeof(fds[0]));
  for (size_t i = 0; i < limit + 5; i++) fds[i] = call(first + i, to);
  for (size_t i = 0; i < 5; i++) cr_assert(is_at_end(fds[i]), "connection %zu", i);
  for (size_t i = 5; i < limit + 5; i++) cr_assert(is_open(fds[i]), "connection %zu", i);
  for (size_t i = 0; i < limit + 5; i++) close(fds[i]);
}

Test(links, a_crowd_of_guests) {
  int member = call(2, 1);
  crowd(GR_VISITORS_MAX, GUEST, GR_HELLO_ANYBODY);
  cr_assert(is_open(member));
  close(member);
}

Test(links, a_crowd_of_members) {
  int guest = call(GUEST | 2, 1);
  crowd(9, 2, 1);
  cr_assert(is_open(guest));
  close(guest);
}

/* One process may call another both as a guest and as the member that it becomes. */
Test(links, a_call_replaces_only_the_same) {
  int one = call(2, 1);
  int other = call(2, GR_HELLO_ANYBODY);
  int again = call(2, 1);
  cr_assert(is_at_end(one));
  cr_assert(is_open(other));
  cr_assert(is_open(again));
  close(one);
  close(other);
  close(again);
}

/* Sends a frame that is nonsense to the group, and waits until it has been looked at. */
static void send_frame(gr_member_id from, size_t size) {
  uint8_t *frame = calloc(1, 4 + size);
  int fd = call(from, 1);
  gr_store_u32(frame, (uint32_t)size);
  for (size_t sent = 0; sent < 4 + size;) {
    ssize_t wrote = send(fd, frame + sent, 4 + size - sent, MSG_NOSIGNAL);
    if (wrote < 0) break;
    sent += (size_t)wrote;
  }
  shutdown(fd, SHUT_WR);
  cr_assert(is_at_end(fd));
  close(fd);
  free(frame);
}

static uint64_t malformed(void) {
  gr_counters counters = {.size = sizeof(counters)};
  cr_assert_eq(gr_node_counters(cluster.witnesses[0].node, &counters), GR_OK);
  return counters.refused_malformed + counters.refused_protocol +
         counters.refused_corrupt + counters.refused_foreign;
}

/* Of a member it takes whatever a donor may send; of others no more than a header. */
Test(links, frames_have_a_limit) {
  send_frame(2, FRAME_BYTES);
  cr_assert_eq(malformed(), 1, "it came to the group");
  send_frame(2, FRAME_BYTES + 1);
  cr_assert_eq(malformed(), 1);
  send_frame(GUEST, GR_FRAME_HEADER_MAX);
  cr_assert_eq(malformed(), 2);
  send_frame(GUEST, GR_FRAME_HEADER_MAX + 1);
  cr_assert_eq(malformed(), 2);
}
