/* SPDX-License-Identifier: MIT
 *
 * What gr_node_start() refuses, and the line that it says; and that a node, also one that
 * was not started, leaves nothing behind.
 */
#include "nodes.h"
#include "posix/address.h"

#include <criterion/criterion.h>
#include <dirent.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

static struct cluster cluster;

static int deliver(void *context, const gr_delivery *delivery, uint64_t tag) {
  (void)context;
  (void)delivery;
  (void)tag;
  return 0;
}

static gr_options group;

static gr_node_options good_options(void) {
  if (cluster.members[0].id == 0) cluster_init(&cluster, "127.0.0.1");
  group = cluster.group;
  gr_node_options options = {.size = sizeof(options),
                             .group = &group,
                             .members = cluster.members,
                             .member_count = MEMBERS};
  group.self = 1;
  return options;
}

static gr_node_host good_host(void) {
  return (gr_node_host){.size = sizeof(gr_node_host), .deliver = deliver};
}

static void refused(const gr_node_options *options, const gr_node_host *host, int error,
                    const char *line) {
  char text[256];
  gr_node *node = (gr_node *)&cluster;
  cr_assert_eq(gr_node_start(&node, options, host, text, sizeof(text)), error);
  cr_assert_null(node);
  cr_assert_str_eq(text, line);
}

Test(start, arguments) {
  const gr_node_options options = good_options();
  const gr_node_host host = good_host();
  refused(NULL, &host, GR_ERR_INVALID, "options or host is NULL");
  refused(&options, NULL, GR_ERR_INVALID, "options or host is NULL");
  cr_assert_eq(gr_node_start(NULL, &options, &host, NULL, 0), GR_ERR_INVALID);
  gr_node_host mute = host;
  mute.deliver = NULL;
  refused(&options, &mute, GR_ERR_INVALID, "host.deliver is NULL");
  gr_node_options sizeless = options;
  sizeless.size = 0;
  refused(&sizeless, &host, GR_ERR_INVALID,
          "gr_node_options.size is not set: set it to sizeof(gr_node_options)");
  gr_node_host newer = host;
  newer.size = sizeof(newer) + 8;
  char text[256];
  gr_node *node = NULL;
  cr_assert_eq(gr_node_start(&node, &options, &newer, text, sizeof(text)),
               GR_ERR_VERSION);
  cr_assert(strstr(text, "gr_node_host is newer than this library"));
}

Test(start, members) {
  gr_node_options options = good_options();
  const gr_node_host host = good_host();
  options.member_count = 32;
  refused(&options, &host, GR_ERR_INVALID, "members: there must be up to 31");
  options.member_count = MEMBERS;
  options.members = NULL;
  refused(&options, &host, GR_ERR_INVALID, "members: there must be up to 31");
  options.members = cluster.members;
  group.self = 9;
  refused(&options, &host, GR_ERR_INVALID, "group.self: member 9 is not among members");
  group.self = 1;
  cluster.members[1].address = "127.0.0.1";
  refused(&options, &host, GR_ERR_INVALID,
          "member 2: \"127.0.0.1\" is no address: write host:port or [ipv6]:port");
  cluster.members[1].address = NULL;
  refused(&options, &host, GR_ERR_INVALID,
          "member 2: \"\" is no address: write host:port or [ipv6]:port");
  cluster.members[1].address = cluster.addresses[1];
  options.listen = "here";
  refused(&options, &host, GR_ERR_INVALID,
          "listen: \"here\" is no address: write host:port or [ipv6]:port");
}

Test(start, a_joiner) {
  gr_node_options options = good_options();
  const gr_node_host host = good_host();
  options.member_count = 0;
  group.self = 0;
  refused(&options, &host, GR_ERR_INVALID,
          "listen: without members, this one joins: say where it listens");
  options.listen = "0.0.0.0:7001";
  refused(
      &options, &host, GR_ERR_INVALID,
      "advertise: say where the others reach this one, which listens at 0.0.0.0:7001");
  options.listen = "[::]:7001";
  refused(&options, &host, GR_ERR_INVALID,
          "advertise: say where the others reach this one, which listens at [::]:7001");
  options.advertise = "here";
  refused(&options, &host, GR_ERR_INVALID,
          "advertise: \"here\" is no address: write host:port or [ipv6]:port, up to 128 "
          "bytes");
  options.advertise = "[::1]:7001";
  refused(&options, &host, GR_ERR_INVALID,
          "group.attributes is out of range: see gr/options.h");
  group.attributes.uuid.bytes[0] = 1;
  const gr_slice seeds[] = {{"127.0.0.1:7001", 14}, {"127.0.0.1:7001", 9}};
  group.seeds = seeds;
  group.seed_count = 2;
  refused(&options, &host, GR_ERR_INVALID,
          "group.seeds: \"127.0.0.1\" is no address: write host:port or [ipv6]:port");
}

Test(start, options) {
  gr_node_options options = good_options();
  const gr_node_host host = good_host();
  group.slots_in_flight_max = 5000;
  refused(&options, &host, GR_ERR_INVALID,
          "group.slots_in_flight_max is out of range: see gr/options.h");
  options = good_options();
  options.submit_bytes_max = (4 << 20) + 100;
  refused(&options, &host, GR_ERR_INVALID,
          "submit_bytes_max is out of range: message_bytes_max + 64 KiB to 1 TiB");
  options = good_options();
  options.segment_bytes = 65535;
  refused(&options, &host, GR_ERR_INVALID,
          "segment_bytes is out of range: 64 KiB to 1 GiB");
  options.segment_bytes = (1 << 30) + 1;
  refused(&options, &host, GR_ERR_INVALID,
          "segment_bytes is out of range: 64 KiB to 1 GiB");
  options = good_options();
  options.data_directory = "/nowhere/at/all";
  refused(&options, &host, GR_ERR_SYSTEM,
          "cannot make the data directory /nowhere/at/all: No such file or directory");
  options = good_options();
  options.reconnect_min_ns = UINT64_C(2000000000);
  refused(&options, &host, GR_ERR_INVALID,
          "reconnect_min_ns, reconnect_max_ns are out of range: 1 ms to 1 h, in order");
}

Test(start, the_line_is_cut_and_terminated) {
  gr_node_options options = good_options();
  const gr_node_host host = good_host();
  group.self = 9;
  char text[6] = "xxxxx";
  gr_node *node = NULL;
  cr_assert_eq(gr_node_start(&node, &options, &host, text, sizeof(text)), GR_ERR_INVALID);
  cr_assert_str_eq(text, "group");
}

/* Entries of a directory of this process, "." and ".." and the reading itself included.
 */
static size_t entries(const char *path) {
  DIR *directory = opendir(path);
  size_t count = 0;
  while (readdir(directory)) count++;
  closedir(directory);
  return count;
}

Test(start, port_taken) {
  gr_node_options options = good_options();
  const gr_node_host host = good_host();
  struct gr_address address;
  struct gr_address_choices choices;
  cr_assert(gr_address_parse(cluster.addresses[0], &address));
  cr_assert_eq(gr_address_resolve(&address, true, &choices), 0);
  int taken = socket(AF_INET, SOCK_STREAM, 0);
  cr_assert_eq(bind(taken, (const struct sockaddr *)&choices.at[0], choices.size[0]), 0);
  cr_assert_eq(listen(taken, 1), 0);
  size_t descriptors = entries("/proc/self/fd");
  char line[256];
  snprintf(
      line, sizeof(line),
      "cannot listen at host 127.0.0.1 port %s: Address already in use; another process "
      "listens there",
      address.port);
  refused(&options, &host, GR_ERR_SYSTEM, line);
  cr_assert_eq(entries("/proc/self/fd"), descriptors);
  close(taken);
}

Test(start, a_name_that_nobody_knows) {
  gr_node_options options = good_options();
  const gr_node_host host = good_host();
  options.listen = "no-such-host.invalid:7001";
  char text[256];
  gr_node *node = NULL;
  cr_assert_eq(gr_node_start(&node, &options, &host, text, sizeof(text)), GR_ERR_SYSTEM);
  cr_assert(
      strstr(text, "the address to listen at, host no-such-host.invalid, is not found"));
}

Test(start, stop_leaves_nothing) {
  size_t descriptors = entries("/proc/self/fd");
  size_t threads = entries("/proc/self/task");
  cluster_init(&cluster, "127.0.0.1");
  for (int round = 0; round < 5; round++) {
    cluster_start(&cluster);
    cr_assert_gt(entries("/proc/self/fd"), descriptors);
    cr_assert_eq(entries("/proc/self/task"), threads + MEMBERS);
    for (size_t i = 0; i < MEMBERS; i++) gr_node_stop(cluster.witnesses[i].node);
    cr_assert_eq(entries("/proc/self/fd"), descriptors);
    cr_assert_eq(entries("/proc/self/task"), threads);
  }
}
