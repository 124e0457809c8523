/* SPDX-License-Identifier: MIT
 *
 * A few whole groups in one process, joined by a queue of frames that the test may thin
 * out, under a clock of its own. Not a simulator: it knows no faults but loss and members
 * that are down, and checks only what the test asks for.
 */
#ifndef GR_TESTS_CLUSTER_H
#define GR_TESTS_CLUSTER_H

#include "harness.h"

struct delivered {
  gr_member_id origin;
  uint64_t number;
  size_t bytes;
  uint64_t hash; /* of the contents */
  size_t parts;
};

#define CLUSTER_LOG_MAX 20000

struct cluster;

struct node {
  struct cluster *cluster;
  uint32_t index;
  gr_group *group;
  gr_member_id leader; /* as the host was told */
  uint32_t writable;   /* how often it was told */
  bool down;
  struct delivered *log;
  size_t log_count;
};

struct flying {
  uint32_t from;
  uint32_t to;
  size_t size;
  uint8_t *bytes;
};

#define CLUSTER_FLYING_MAX 65536

struct cluster {
  gr_time now;
  uint32_t members;
  struct node nodes[TEST_MEMBERS_MAX];
  struct flying *flying;
  uint64_t flying_first;
  uint64_t flying_end;
  uint32_t loss_percent;
  struct gr_random random;
};

/* Makes the groups. They have not met. */
void cluster_open(struct cluster *cluster, uint32_t members, const gr_options *limits);
void cluster_close(struct cluster *cluster);
/* Takes turns, and lets time pass when nothing is in the air, until `done` or the
 * deadline (after `patience`). True if done. */
typedef bool cluster_goal(struct cluster *cluster, uint64_t argument);
bool cluster_run(struct cluster *cluster, cluster_goal *done, uint64_t argument,
                 gr_time patience);
/* Goals: everyone that is up has delivered so many; knows the leader; nothing (so it runs
 * until the deadline). */
bool all_delivered(struct cluster *cluster, uint64_t count);
bool all_led(struct cluster *cluster, uint64_t ignored);
bool all_led_by(struct cluster *cluster, uint64_t id);
bool never(struct cluster *cluster, uint64_t ignored);
/* Fails the test unless all logs are equal as far as they go. */
void cluster_check_order(const struct cluster *cluster);
/* Broadcasts `bytes` bytes, which depend on `tag`, in two parts. */
int cluster_broadcast(struct cluster *cluster, uint32_t index, size_t bytes, uint8_t tag);

#endif
