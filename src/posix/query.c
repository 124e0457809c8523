/* SPDX-License-Identifier: MIT
 *
 * Questions of other threads. Each waits on its asker's stack; the node's thread answers
 * all that wait once a turn. On the node's own thread, that is inside a callback, the
 * answer is given directly.
 */
#include "posix/node.h"

#include <string.h>

void gr_query_queue_init(struct gr_query_queue *queries) {
  *queries = (struct gr_query_queue){.first = NULL};
  atomic_init(&queries->waits, false);
  pthread_mutex_init(&queries->mutex, NULL);
  pthread_cond_init(&queries->answered, NULL);
}

void gr_query_queue_free(struct gr_query_queue *queries) {
  pthread_mutex_destroy(&queries->mutex);
  pthread_cond_destroy(&queries->answered);
}

void gr_query_serve(struct gr_node *node) {
  struct gr_query_queue *queries = &node->queries;
  if (!atomic_load(&queries->waits)) return;
  pthread_mutex_lock(&queries->mutex);
  struct gr_query *query = queries->first;
  queries->first = NULL;
  atomic_store(&queries->waits, false);
  pthread_mutex_unlock(&queries->mutex);
  /* Without the lock: an answer may call back, to log or to trace. */
  for (struct gr_query *one = query; one; one = one->next) one->answer(node, one);
  pthread_mutex_lock(&queries->mutex);
  while (query) {
    struct gr_query *next = query->next; /* its asker may go once it is done */
    query->is_done = true;
    query = next;
  }
  pthread_cond_broadcast(&queries->answered);
  pthread_mutex_unlock(&queries->mutex);
}

void gr_query_end(struct gr_query_queue *queries) {
  pthread_mutex_lock(&queries->mutex);
  queries->ended = true;
  pthread_cond_broadcast(&queries->answered);
  while (queries->askers > 0) pthread_cond_wait(&queries->answered, &queries->mutex);
  pthread_mutex_unlock(&queries->mutex);
}

static int ask(struct gr_node *node, struct gr_query *query) {
  if (gr_loop_is_own_thread(node)) {
    query->answer(node, query);
    return query->result;
  }
  struct gr_query_queue *queries = &node->queries;
  pthread_mutex_lock(&queries->mutex);
  queries->askers++;
  if (!queries->ended) {
    query->next = queries->first;
    queries->first = query;
    atomic_store(&queries->waits, true);
    gr_waker_notify(&node->waker);
  }
  while (!query->is_done && !queries->ended)
    pthread_cond_wait(&queries->answered, &queries->mutex);
  int result = query->is_done ? query->result : GR_ERR_HALTED;
  if (--queries->askers == 0 && queries->ended)
    pthread_cond_broadcast(&queries->answered);
  pthread_mutex_unlock(&queries->mutex);
  return result;
}

static void answer_status(struct gr_node *node, struct gr_query *query) {
  query->result = gr_group_status(node->group, query->out);
}

static void answer_counters(struct gr_node *node, struct gr_query *query) {
  query->result = gr_group_counters(node->group, query->out);
}

static void answer_members(struct gr_node *node, struct gr_query *query) {
  query->result =
      gr_group_members(node->group, query->out, query->capacity, query->count);
}

static void answer_links(struct gr_node *node, struct gr_query *query) {
  gr_node_link *links = query->out;
  size_t count = 0;
  for (const struct gr_outgoing *link = node->links; link; link = link->next) {
    if (link->state == GR_OUTGOING_ENDING) continue;
    if (count++ >= query->capacity) continue;
    links[count - 1] = (gr_node_link){.id = link->id,
                                      .connected_out = link->state == GR_OUTGOING_READY,
                                      .connected_in = gr_incoming_exists(node, link->id),
                                      .connects = link->connects,
                                      .refused_hellos = link->refused_hellos};
  }
  *query->count = count;
  query->result = GR_OK;
}

static void answer_recovery(struct gr_node *node, struct gr_query *query) {
  query->result = gr_group_recovery(node->group, query->out);
}

static void answer_transfer(struct gr_node *node, struct gr_query *query) {
  query->result = gr_group_transfer(node->group, query->member, node->now);
}

static void answer_leave(struct gr_node *node, struct gr_query *query) {
  query->result = gr_group_leave(node->group, node->now);
}

static void answer_join(struct gr_node *node, struct gr_query *query) {
  query->result = gr_group_join(node->group, node->now);
}

static void answer_remove(struct gr_node *node, struct gr_query *query) {
  query->result = gr_group_remove(node->group, query->member, node->now);
}

static void answer_force(struct gr_node *node, struct gr_query *query) {
  query->result = gr_group_force(node->group, query->members, query->capacity, node->now);
}

static void answer_health(struct gr_node *node, struct gr_query *query) {
  query->result = gr_group_health(node->group, query->healthy, node->now);
}

static void answer_checkpoint(struct gr_node *node, struct gr_query *query) {
  if (node->halt_error != GR_OK)
    query->result = GR_ERR_HALTED;
  else
    query->result =
        node->restored ? gr_group_checkpoint(node->group, query->applied) : GR_ERR_STATE;
}

/* As much as the caller's struct, which may be older, has room for. */
static void answer_storage(struct gr_node *node, struct gr_query *query) {
  gr_node_storage figures = {.size = *(const size_t *)query->out};
  query->result = node->wal ? GR_OK : GR_ERR_STATE;
  if (!node->wal) return;
  gr_wal_measure(node->wal, &figures);
  memcpy(query->out, &figures,
         figures.size < sizeof(figures) ? figures.size : sizeof(figures));
}

int gr_node_status(gr_node *node, gr_status *status) {
  if (!node || !status) return GR_ERR_INVALID;
  return ask(node, &(struct gr_query){.answer = answer_status, .out = status});
}

int gr_node_counters(gr_node *node, gr_counters *counters) {
  if (!node || !counters) return GR_ERR_INVALID;
  return ask(node, &(struct gr_query){.answer = answer_counters, .out = counters});
}

int gr_node_members(gr_node *node, gr_member *members, size_t capacity, size_t *count) {
  if (!node || !count || (!members && capacity > 0)) return GR_ERR_INVALID;
  int error = ask(node, &(struct gr_query){.answer = answer_members,
                                           .out = members,
                                           .capacity = capacity,
                                           .count = count});
  if (error != GR_OK || gr_loop_is_own_thread(node)) return error;
  for (size_t i = 0; i < capacity && i < *count; i++)
    members[i].attributes.address = members[i].attributes.user_data = (gr_slice){NULL, 0};
  return GR_OK;
}

int gr_node_links(gr_node *node, gr_node_link *links, size_t capacity, size_t *count) {
  if (!node || !count || (!links && capacity > 0)) return GR_ERR_INVALID;
  return ask(node, &(struct gr_query){.answer = answer_links,
                                      .out = links,
                                      .capacity = capacity,
                                      .count = count});
}

int gr_node_recovery(gr_node *node, gr_recovery *recovery) {
  if (!node || !recovery) return GR_ERR_INVALID;
  return ask(node, &(struct gr_query){.answer = answer_recovery, .out = recovery});
}

int gr_node_checkpoint(gr_node *node, gr_seqno applied) {
  if (!node) return GR_ERR_INVALID;
  return ask(node, &(struct gr_query){.answer = answer_checkpoint, .applied = applied});
}

int gr_node_storage_figures(gr_node *node, gr_node_storage *figures) {
  if (!node || !figures || figures->size < sizeof(figures->size)) return GR_ERR_INVALID;
  return ask(node, &(struct gr_query){.answer = answer_storage, .out = figures});
}

int gr_node_transfer(gr_node *node, gr_member_id to) {
  if (!node) return GR_ERR_INVALID;
  return ask(node, &(struct gr_query){.answer = answer_transfer, .member = to});
}

int gr_node_leave(gr_node *node) {
  if (!node) return GR_ERR_INVALID;
  return ask(node, &(struct gr_query){.answer = answer_leave});
}

int gr_node_join(gr_node *node) {
  if (!node) return GR_ERR_INVALID;
  return ask(node, &(struct gr_query){.answer = answer_join});
}

int gr_node_remove(gr_node *node, gr_member_id member) {
  if (!node) return GR_ERR_INVALID;
  return ask(node, &(struct gr_query){.answer = answer_remove, .member = member});
}

int gr_node_force(gr_node *node, const gr_member_id *members, size_t count) {
  if (!node || (!members && count > 0)) return GR_ERR_INVALID;
  return ask(node, &(struct gr_query){.answer = answer_force,
                                      .members = members,
                                      .capacity = count});
}

int gr_node_health(gr_node *node, bool healthy) {
  if (!node) return GR_ERR_INVALID;
  return ask(node, &(struct gr_query){.answer = answer_health, .healthy = healthy});
}
