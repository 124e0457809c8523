/* SPDX-License-Identifier: MIT
 *
 * The group's host: its callbacks, turned into frames on links and into the node's own
 * callbacks. They run on the node's thread, inside gr_group_dispatch() except for log and
 * trace.
 */
#include "posix/node.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>

#define LOG_LINE_BYTES_MAX 512
#define LOG_INTERVAL_NS (UINT64_C(1000) * 1000 * 1000)

void gr_node_log(struct gr_node *node, enum gr_log_level level, const char *format, ...) {
  if (!node->host.log) return;
  char text[LOG_LINE_BYTES_MAX];
  va_list arguments;
  va_start(arguments, format);
  vsnprintf(text, sizeof(text), format, arguments);
  va_end(arguments);
  node->host.log(node->host.context, level, text);
}

bool gr_log_limit_pass(struct gr_node *node, struct gr_log_limit *limit) {
  if (node->now < limit->next) {
    limit->suppressed++;
    return false;
  }
  if (limit->suppressed > 0)
    gr_node_log(node, GR_LOG_WARNING, "%" PRIu64 " lines like the next were left out",
                limit->suppressed);
  limit->suppressed = 0;
  limit->next = node->now + LOG_INTERVAL_NS;
  return true;
}

void gr_node_halt(struct gr_node *node, int error, const char *text) {
  if (node->halt_error != GR_OK) return;
  node->halt_error = error;
  node->halt_text = text;
}

void gr_node_tell_delivered(struct gr_node *node) {
  if (!node->delivered_some) return;
  node->delivered_some = false;
  if (node->host.delivered) node->host.delivered(node->host.context);
}

size_t gr_node_frame_bytes_max(const struct gr_node *node, gr_member_id name) {
  return gr_hello_is_member(name) ? node->frame_bytes_max : GR_FRAME_HEADER_MAX;
}

static bool on_send(void *context, gr_member_id to, const gr_slice *parts,
                    size_t part_count) {
  struct gr_node *node = context;
  struct gr_outgoing *link = gr_links_find(node, to);
  return link && gr_outgoing_send(node, link, parts, part_count);
}

/* The leader's copy goes first: the others wait for what it makes of it. */
static void on_flush(void *context) {
  struct gr_node *node = context;
  struct gr_outgoing *leader = gr_links_find(node, node->leader);
  if (leader) gr_outgoing_flush(node, leader);
  for (struct gr_outgoing *link = node->links; link; link = link->next)
    if (link != leader) gr_outgoing_flush(node, link);
}

/* Whether this process broadcast it, rather than a former one of this member. */
static bool is_own(const struct gr_node *node, const gr_delivery *delivery) {
  return delivery->origin == node->self && node->first_number > 0 &&
         delivery->number >= node->first_number;
}

static int on_deliver(void *context, const gr_delivery *delivery) {
  struct gr_node *node = context;
  uint64_t tag = 0;
  if (is_own(node, delivery) && !gr_tag_ring_pop(&node->tags, delivery->number, &tag)) {
    gr_node_halt(node, GR_ERR_INVARIANT,
                 "own messages were not delivered in their order");
    return -1;
  }
  node->delivered_some = true;
  return node->host.deliver(node->host.context, delivery, tag);
}

static void on_leader(void *context, gr_member_id leader) {
  struct gr_node *node = context;
  node->leader = leader;
  if (node->host.leader) node->host.leader(node->host.context, leader);
}

static void on_writable(void *context) {
  struct gr_node *node = context;
  node->group_full = false;
}

static void on_log(void *context, enum gr_log_level level, const char *text) {
  struct gr_node *node = context;
  node->host.log(node->host.context, level, text);
}

static void on_trace(void *context, const gr_trace_event *event) {
  struct gr_node *node = context;
  node->host.trace(node->host.context, event);
}

gr_host gr_node_group_host(struct gr_node *node) {
  gr_host host = {.size = sizeof(gr_host),
                  .context = node,
                  .send = on_send,
                  .flush = on_flush,
                  .deliver = on_deliver,
                  .leader = on_leader,
                  .writable = on_writable,
                  .log = node->host.log ? on_log : NULL,
                  .trace = node->host.trace ? on_trace : NULL};
  gr_member_host_add_callbacks(node, &host);
  gr_wal_host_add_callbacks(node, &host);
  return host;
}
