/* SPDX-License-Identifier: MIT
 *
 * The node's thread. One turn: wait for sockets, the waker, or a deadline; take what
 * came; broadcast what is queued; let time pass; dispatch once, which sends and delivers;
 * answer questions. It sleeps only when nothing is left to do.
 *
 * System calls of a turn without load: one epoll_pwait2, one recv per socket with data,
 * one sendmsg per member with frames.
 */
#include "posix/node.h"

#include <errno.h>
#include <sched.h>
#include <sys/epoll.h>
#include <unistd.h>

#define EVENTS_MAX 64

/* Queued messages that are broadcast in one turn at most, so that they travel while the
 * next are copied. Measured with 16 KiB messages: 1 MiB more than doubles the latency for
 * the same processor time. */
#define TURN_BROADCAST_BYTES_MAX (256 * 1024)

/* Counted for a message beside its bytes, so that a flood of empty ones ends a turn too.
 */
#define BROADCAST_COST_BYTES 32

static _Thread_local const struct gr_node *node_of_this_thread;

bool gr_loop_is_own_thread(const struct gr_node *node) {
  return node_of_this_thread == node;
}

bool gr_loop_watch(struct gr_node *node, struct gr_endpoint *endpoint, uint32_t events) {
  struct epoll_event event = {.events = events, .data.ptr = endpoint};
  return epoll_ctl(node->epoll, EPOLL_CTL_ADD, endpoint->socket, &event) == 0;
}

void gr_loop_close(struct gr_node *node, struct gr_endpoint *endpoint) {
  if (endpoint->socket < 0) return;
  if (node->epoll >= 0)
    (void)epoll_ctl(node->epoll, EPOLL_CTL_DEL, endpoint->socket, NULL);
  close(endpoint->socket);
  endpoint->socket = -1;
}

void gr_loop_set_timer(struct gr_node *node, gr_time due) {
  if (due < node->timer_due) node->timer_due = due;
}

/* ---- waiting ---- */

static bool is_idle(const struct gr_node *node) {
  if (atomic_load(&node->stops) || atomic_load(&node->queries.waits)) return false;
  if (node->halt_error != GR_OK) return true; /* what else comes is of no use any more */
  if (atomic_load(&node->resolver.done) > 0 || gr_wal_host_has_news(node)) return false;
  return node->group_full || gr_submit_queue_is_empty(&node->queue);
}

static gr_time next_deadline(const struct gr_node *node) {
  if (node->halt_error != GR_OK) return GR_TIME_NEVER;
  gr_time due = gr_group_deadline(node->group);
  return due < node->timer_due ? due : node->timer_due;
}

/* Waits `wait` nanoseconds at most; GR_TIME_NEVER: for ever. */
static int wait_for_events(struct gr_node *node, struct epoll_event *events,
                           gr_time wait) {
  if (!node->epoll_is_coarse) {
    const struct timespec span = {.tv_sec = (time_t)(wait / 1000000000),
                                  .tv_nsec = (long)(wait % 1000000000)};
    int count = epoll_pwait2(node->epoll, events, EVENTS_MAX,
                             wait == GR_TIME_NEVER ? NULL : &span, NULL);
    if (count >= 0 || (errno != ENOSYS && errno != EPERM)) return count;
    node->epoll_is_coarse = true; /* a kernel before 5.11, or a sandbox of that age */
  }
  gr_time milliseconds =
      wait / 1000000 + (wait % 1000000 != 0); /* not before the deadline */
  int timeout = wait == GR_TIME_NEVER  ? -1
                : milliseconds > 60000 ? 60000
                                       : (int)milliseconds;
  return epoll_wait(node->epoll, events, EVENTS_MAX, timeout);
}

/* Looks for work again and again for a while before sleeping: a wake-up costs more than a
 * round trip over loopback. The same rule as the Linux kernel's for idle virtual
 * processors (Documentation/virt/kvm/halt-polling.rst): go on for as long as sleeps are
 * short. */
static int look_for_a_while(struct gr_node *node, struct epoll_event *events) {
  gr_time now = gr_posix_now();
  gr_time due = next_deadline(node);
  gr_time until = now + node->spin_ns < due ? now + node->spin_ns : due;
  int count = 0;
  for (; now < until && count == 0 && is_idle(node); now = gr_posix_now()) {
    count = wait_for_events(node, events, 0);
    if (count == 0) sched_yield();
  }
  return count;
}

static void learn_from_sleep(struct gr_node *node, gr_time slept) {
  node->spin_ns = slept < node->spin_max_ns ? node->spin_max_ns : 0;
}

/* Sleeps unless there is work; see waker.h for why no wake-up is lost. */
static int sleep_or_look(struct gr_node *node, struct epoll_event *events) {
  gr_time wait = 0, now = 0;
  /* While the log's thread writes, the processor is better left to it. */
  bool log_writes = node->wal && gr_wal_is_busy(node->wal);
  if (node->spin_ns > 0 && !log_writes && is_idle(node)) {
    int found = look_for_a_while(node, events);
    node->now = gr_posix_now();
    if (found != 0 || !is_idle(node)) return found;
  }
  atomic_store(&node->waker.asleep, true);
  if (is_idle(node)) {
    gr_time due = next_deadline(node);
    now = gr_posix_now();
    wait = due == GR_TIME_NEVER ? due : due > now ? due - now : 0;
  }
  if (wait == 0) atomic_store_explicit(&node->waker.asleep, false, memory_order_relaxed);
  int count = wait_for_events(node, events, wait);
  if (wait > 0) atomic_store_explicit(&node->waker.asleep, false, memory_order_relaxed);
  node->now = gr_posix_now();
  if (wait > 0) learn_from_sleep(node, node->now - now);
  return count;
}

/* ---- one turn ---- */

static void take_event(struct gr_node *node, const struct epoll_event *event) {
  struct gr_endpoint *endpoint = event->data.ptr;
  if (endpoint->socket < 0) return; /* closed earlier in this turn */
  switch (endpoint->kind) {
  case GR_ENDPOINT_WAKER:
    return; /* that it woke the thread is all */
  case GR_ENDPOINT_LISTENER:
    gr_listener_event(node);
    return;
  case GR_ENDPOINT_INCOMING:
    gr_incoming_event(node, endpoint->owner);
    return;
  case GR_ENDPOINT_LINK:
    gr_outgoing_event(node, endpoint->owner, event->events);
    return;
  }
}

static void run_timers(struct gr_node *node) {
  if (node->now < node->timer_due) return;
  node->timer_due = GR_TIME_NEVER;
  gr_loop_set_timer(node, gr_listener_timer(node));
  for (struct gr_outgoing *link = node->links; link; link = link->next)
    gr_loop_set_timer(node, gr_outgoing_timer(node, link));
}

static void take_resolved(struct gr_node *node) {
  if (atomic_load(&node->resolver.done) == 0) return;
  for (struct gr_outgoing *link = node->links; link; link = link->next)
    gr_outgoing_resolved(node, link);
}

/* Hands one queued message to the group. False: no more in this turn. A member that
 * cannot take it says so at once: nothing waits until it can. */
static bool broadcast_one(struct gr_node *node, const struct gr_submission *message) {
  if (!gr_tag_ring_reserve(&node->tags)) {
    gr_node_halt(node, GR_ERR_NO_MEMORY, "no memory for the tags of own messages");
    return false;
  }
  uint64_t number = 0;
  int error = gr_group_broadcast(node->group, message->parts, message->part_count,
                                 node->now, &number);
  if (error == GR_ERR_NOT_ONLINE || error == GR_ERR_NO_QUORUM) {
    gr_member_host_fail(node, message->tag, error);
    return true;
  }
  if (error == GR_ERR_FULL) node->group_full = true;
  if (error == GR_ERR_FULL || error == GR_ERR_HALTED) return false;
  if (error == GR_OK && node->first_number == 0) {
    node->first_number = number;
    gr_tag_ring_begin(&node->tags, number);
  }
  if (error != GR_OK || !gr_tag_ring_push(&node->tags, number, message->tag)) {
    gr_node_halt(node, GR_ERR_INVARIANT, "own messages were not counted one by one");
    return false;
  }
  return true;
}

static void broadcast_queued(struct gr_node *node) {
  struct gr_submission message;
  for (size_t done = 0; done < TURN_BROADCAST_BYTES_MAX && !node->group_full;
       done += message.size + BROADCAST_COST_BYTES) {
    if (!gr_submit_queue_peek(&node->queue, &message)) break;
    if (!broadcast_one(node, &message)) break;
    gr_submit_queue_pop(&node->queue);
  }
  gr_submit_queue_release(&node->queue);
}

static void dispatch_once(struct gr_node *node) {
  if (gr_group_dispatch(node->group) == GR_OK) return;
  const char *text = NULL;
  int error = gr_group_halt_reason(node->group, &text);
  gr_node_halt(node, error, text);
}

static void dispatch(struct gr_node *node) {
  dispatch_once(node);
  if (node->halt_error == GR_OK && gr_wal_host_write(node)) dispatch_once(node);
  gr_node_tell_delivered(node);
}

/* Silence, for the others a crash; questions are answered until gr_node_stop(). */
static void report_halt(struct gr_node *node) {
  gr_submit_queue_close(&node->queue);
  gr_listener_shut(node);
  for (struct gr_outgoing *link = node->links; link; link = link->next)
    gr_outgoing_shut(node, link);
  if (gr_group_halt_reason(node->group, NULL) ==
      GR_OK) /* the group has not said so itself */
    gr_node_log(node, GR_LOG_ERROR, "the member has halted: %s: %s",
                gr_error_name(node->halt_error), node->halt_text);
  if (node->host.halted)
    node->host.halted(node->host.context, node->halt_error, node->halt_text);
}

/* What callbacks broadcast goes out in the same turn, once: a host that answers each
 * delivery with a message must not keep the sockets waiting. */
static void dispatch_twice(struct gr_node *node) {
  node->queued_inside = false;
  dispatch(node);
  if (!node->queued_inside || node->halt_error != GR_OK) return;
  broadcast_queued(node);
  if (node->halt_error == GR_OK) dispatch(node);
}

/* Errors of inputs that say "halted" need no look: dispatch says so too. */
static void turn(struct gr_node *node, const struct epoll_event *events, int count) {
  for (int i = 0; i < count; i++) take_event(node, events + i);
  take_resolved(node);
  gr_wal_host_tell(node);
  run_timers(node);
  broadcast_queued(node);
  if (node->now >= gr_group_deadline(node->group))
    (void)gr_group_poll(node->group, node->now);
  gr_query_serve(node); /* before the dispatch: a request to transfer makes it send */
  if (node->halt_error == GR_OK) dispatch_twice(node);
  if (node->halt_error != GR_OK) report_halt(node);
  gr_incoming_bury(node);
  gr_links_bury(node);
}

void *gr_loop_main(void *context) {
  struct gr_node *node = context;
  struct epoll_event events[EVENTS_MAX];
  node_of_this_thread = node;
  gr_wal_host_restore(node);
  if (node->halt_error != GR_OK) report_halt(node);
  while (!atomic_load(&node->stops)) {
    int count = sleep_or_look(node, events);
    if (node->halt_error == GR_OK)
      turn(node, events, count);
    else
      gr_query_serve(node);
  }
  return NULL;
}
