/* SPDX-License-Identifier: MIT
 *
 * The nodes run with the library's defaults: what is measured is what a user gets.
 */
#include "local_group.h"

#include "clock.h"

#include <limits.h>
#include <stdio.h>
#include <string.h>

void local_group_init(struct local_group *group, size_t count,
                      const char *data_directory) {
  uint16_t ports[PROCESSES_MAX];
  group->count = count;
  group->data_directory = data_directory;
  free_ports(ports, count);
  for (size_t i = 0; i < count; i++)
    snprintf(group->addresses[i], LOCAL_ADDRESS_BYTES, "127.0.0.1:%u", ports[i]);
}

static void on_leader(void *context, gr_member_id leader) {
  struct local_member *member = context;
  atomic_store(&member->group->leaders[member->index], leader);
  atomic_fetch_add(&member->group->leader_changes, 1);
}

static void on_log(void *context, enum gr_log_level level, const char *text) {
  struct local_member *member = context;
  if (level == GR_LOG_ERROR) fprintf(stderr, "member %zu: %s\n", member->index + 1, text);
}

static void on_halted(void *context, int error, const char *text) {
  (void)context;
  child_fail("the member has halted with %s: %s", gr_error_name(error), text);
}

static gr_options group_options(const struct local_member *member) {
  gr_options options = {0};
  if (member->limits != NULL) options = *member->limits;
  options.size = sizeof(options);
  options.group_id = (gr_uuid){.bytes = "benchmark"};
  return options;
}

static void start(struct local_member *member, size_t index, gr_node_options *options,
                  gr_node_host host) {
  char error_text[PROCESSES_ERROR_BYTES];
  char data_directory[PATH_MAX];
  if (member->group->data_directory != NULL) {
    snprintf(data_directory, sizeof(data_directory), "%s/%zu",
             member->group->data_directory, index + 1);
    options->data_directory = data_directory;
  }
  member->index = index;
  host.size = sizeof(host);
  host.context = member;
  host.leader = on_leader;
  host.log = on_log;
  if (host.halted == NULL) host.halted = on_halted;
  int error =
      gr_node_start(&member->node, options, &host, error_text, sizeof(error_text));
  if (error != GR_OK) child_fail("%s", error_text);
}

void local_member_start(struct local_member *member, size_t index, gr_node_host host) {
  gr_node_member members[PROCESSES_MAX];
  for (size_t i = 0; i < member->group->count; i++)
    members[i] = (gr_node_member){.id = i + 1, .address = member->group->addresses[i]};
  gr_options group = group_options(member);
  group.self = index + 1;
  gr_node_options options = {.size = sizeof(options),
                             .group = &group,
                             .members = members,
                             .member_count = member->group->count};
  start(member, index, &options, host);
}

void local_member_join(struct local_member *member, size_t index, gr_node_host host) {
  gr_slice seeds[GR_SEEDS_MAX];
  gr_options group = group_options(member);
  group.seeds = seeds;
  for (size_t i = 0; i < member->group->count && i < GR_SEEDS_MAX; i++) {
    const char *address = member->group->addresses[i];
    seeds[group.seed_count++] = (gr_slice){address, strlen(address)};
  }
  memset(group.attributes.uuid.bytes, (int)index + 1, sizeof(gr_uuid));
  gr_node_options options = {.size = sizeof(options),
                             .group = &group,
                             .listen = member->group->addresses[index]};
  start(member, index, &options, host);
}

gr_member_id local_group_await_leader(struct local_group *group,
                                      struct processes *processes, uint64_t deadline_ns) {
  for (;;) {
    gr_member_id leader = atomic_load(&group->leaders[0]);
    size_t agreed = 0;
    while (agreed < group->count && leader != 0 &&
           atomic_load(&group->leaders[agreed]) == leader)
      agreed++;
    if (agreed == group->count) return leader;
    processes_watch(processes);
    if (bench_now() > deadline_ns)
      processes_fail(processes, "the members did not agree on a leader in time");
    bench_pause_ms(1);
  }
}
