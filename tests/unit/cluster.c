/* SPDX-License-Identifier: MIT */
#include "cluster.h"

#include "base/xxh64.h"

#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>

/* ---- the host ---- */

static bool on_send(void *context, gr_member_id to, const gr_slice *parts,
                    size_t part_count) {
  struct node *node = context;
  struct cluster *cluster = node->cluster;
  if (gr_random_below(&cluster->random, 100) < cluster->loss_percent) return true;
  cr_assert_lt(cluster->flying_end - cluster->flying_first, CLUSTER_FLYING_MAX);
  struct flying *frame = &cluster->flying[cluster->flying_end++ % CLUSTER_FLYING_MAX];
  *frame = (struct flying){.from = node->index, .to = (uint32_t)(to / 10 - 1)};
  for (size_t i = 0; i < part_count; i++) frame->size += parts[i].size;
  uint8_t *at = frame->bytes = malloc(frame->size);
  cr_assert_not_null(at);
  for (size_t i = 0; i < part_count; i++) {
    memcpy(at, parts[i].data, parts[i].size);
    at += parts[i].size;
  }
  return true;
}

static int on_deliver(void *context, const gr_delivery *delivery) {
  struct node *node = context;
  uint64_t hash = 0;
  size_t bytes = 0;
  uint8_t message[TEST_MESSAGE_MAX];
  for (size_t i = 0; i < delivery->part_count; i++) {
    cr_assert_leq(bytes + delivery->parts[i].size, sizeof(message));
    if (delivery->parts[i].size > 0)
      memcpy(message + bytes, delivery->parts[i].data, delivery->parts[i].size);
    bytes += delivery->parts[i].size;
  }
  hash = gr_xxh64(message, bytes, 0);
  cr_assert_eq(bytes, delivery->bytes);
  cr_assert_eq(delivery->seqno, node->log_count + 1);
  cr_assert_lt(node->log_count, CLUSTER_LOG_MAX);
  node->log[node->log_count++] = (struct delivered){delivery->origin, delivery->number,
                                                    bytes, hash, delivery->part_count};
  return 0;
}

static void on_leader(void *context, gr_member_id leader) {
  struct node *node = context;
  node->leader = leader;
}

static void on_writable(void *context) {
  struct node *node = context;
  node->writable++;
}

/* ---- life cycle ---- */

void cluster_open(struct cluster *cluster, uint32_t members, const gr_options *limits) {
  *cluster = (struct cluster){.now = 5 * TEST_MS, .members = members, .random = {42}};
  cluster->flying = calloc(CLUSTER_FLYING_MAX, sizeof(*cluster->flying));
  cr_assert_not_null(cluster->flying);
  for (uint32_t i = 0; i < members; i++) {
    struct node *node = &cluster->nodes[i];
    *node = (struct node){.cluster = cluster, .index = i};
    node->log = calloc(CLUSTER_LOG_MAX, sizeof(*node->log));
    cr_assert_not_null(node->log);
    gr_options options = limits ? *limits : test_options(members, i);
    options.self = test_id(i);
    options.seed = 1000 + i;
    gr_host host = {.size = sizeof(host),
                    .context = node,
                    .send = on_send,
                    .deliver = on_deliver,
                    .leader = on_leader,
                    .writable = on_writable};
    cr_assert_eq(gr_group_new(&node->group, &options, &host, NULL, cluster->now), GR_OK);
  }
}

void cluster_close(struct cluster *cluster) {
  for (; cluster->flying_first < cluster->flying_end; cluster->flying_first++)
    free(cluster->flying[cluster->flying_first % CLUSTER_FLYING_MAX].bytes);
  free(cluster->flying);
  for (uint32_t i = 0; i < cluster->members; i++) {
    gr_group_free(cluster->nodes[i].group);
    free(cluster->nodes[i].log);
  }
}

/* ---- running ---- */

static void dispatch_all(struct cluster *cluster) {
  for (uint32_t i = 0; i < cluster->members; i++)
    if (!cluster->nodes[i].down)
      cr_assert_eq(gr_group_dispatch(cluster->nodes[i].group), GR_OK);
}

/* One frame lands, and its receiver has its turn. */
static void land(struct cluster *cluster) {
  struct flying frame = cluster->flying[cluster->flying_first++ % CLUSTER_FLYING_MAX];
  struct node *to = &cluster->nodes[frame.to];
  if (!to->down && !cluster->nodes[frame.from].down) {
    gr_slice bytes = {frame.bytes, frame.size};
    int error = gr_group_receive(to->group, test_id(frame.from), bytes, cluster->now);
    cr_assert(error == GR_OK || error == GR_ERR_STALE, "%s", gr_error_name(error));
    cr_assert_eq(gr_group_dispatch(to->group), GR_OK);
  }
  free(frame.bytes);
}

static void wait(struct cluster *cluster, gr_time until) {
  gr_time next = until;
  for (uint32_t i = 0; i < cluster->members; i++) {
    gr_time due = gr_group_deadline(cluster->nodes[i].group);
    if (!cluster->nodes[i].down && due < next) next = due;
  }
  if (cluster->now < next) cluster->now = next;
  for (uint32_t i = 0; i < cluster->members; i++)
    if (!cluster->nodes[i].down)
      cr_assert_eq(gr_group_poll(cluster->nodes[i].group, cluster->now), GR_OK);
}

bool cluster_run(struct cluster *cluster, cluster_goal *done, uint64_t argument,
                 gr_time patience) {
  gr_time until = cluster->now + patience;
  dispatch_all(cluster);
  while (!done(cluster, argument)) {
    if (cluster->flying_first < cluster->flying_end) {
      cluster->now += 1000; /* a microsecond a frame */
      land(cluster);
    } else if (cluster->now >= until) {
      return false;
    } else {
      wait(cluster, until);
      dispatch_all(cluster);
    }
  }
  return true;
}

/* ---- goals ---- */

bool all_delivered(struct cluster *cluster, uint64_t count) {
  for (uint32_t i = 0; i < cluster->members; i++)
    if (!cluster->nodes[i].down && cluster->nodes[i].log_count < count) return false;
  return true;
}

bool all_led_by(struct cluster *cluster, uint64_t id) {
  for (uint32_t i = 0; i < cluster->members; i++)
    if (!cluster->nodes[i].down && cluster->nodes[i].leader != id) return false;
  return true;
}

bool all_led(struct cluster *cluster, uint64_t ignored) {
  (void)ignored;
  uint32_t first = 0;
  while (first + 1 < cluster->members && cluster->nodes[first].down) first++;
  gr_member_id leader = cluster->nodes[first].leader;
  return leader != 0 && !cluster->nodes[leader / 10 - 1].down &&
         all_led_by(cluster, leader);
}

bool never(struct cluster *cluster, uint64_t ignored) {
  (void)cluster;
  (void)ignored;
  return false;
}

void cluster_check_order(const struct cluster *cluster) {
  for (uint32_t i = 1; i < cluster->members; i++) {
    const struct node *a = &cluster->nodes[0];
    const struct node *b = &cluster->nodes[i];
    size_t count = a->log_count < b->log_count ? a->log_count : b->log_count;
    for (size_t k = 0; k < count; k++) {
      cr_assert_eq(a->log[k].origin, b->log[k].origin, "seqno %zu", k + 1);
      cr_assert_eq(a->log[k].number, b->log[k].number, "seqno %zu", k + 1);
      cr_assert_eq(a->log[k].hash, b->log[k].hash, "seqno %zu", k + 1);
    }
  }
}

int cluster_broadcast(struct cluster *cluster, uint32_t index, size_t bytes,
                      uint8_t tag) {
  uint8_t message[TEST_MESSAGE_MAX + 1];
  for (size_t i = 0; i < bytes; i++) message[i] = (uint8_t)(tag + i * 7);
  gr_slice parts[] = {{message, bytes / 3}, {message + bytes / 3, bytes - bytes / 3}};
  return gr_group_broadcast(cluster->nodes[index].group, parts, 2, cluster->now, NULL);
}
