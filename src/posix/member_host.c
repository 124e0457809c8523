/* SPDX-License-Identifier: MIT
 *
 * Members that come and go: the group says whom to link and by which name it knows this
 * process; the host is told of views and states, lets others in, and gives and takes
 * snapshots.
 */
#include "posix/node.h"

#include <inttypes.h>
#include <string.h>

/* ---- links ---- */

/* Somebody else's word: any bytes. */
static bool parse(gr_slice bytes, struct gr_address *address) {
  char text[GR_ADDRESS_BYTES_MAX + 1];
  if (bytes.size > GR_ADDRESS_BYTES_MAX || memchr(bytes.data, '\0', bytes.size))
    return false;
  memcpy(text, bytes.data, bytes.size);
  text[bytes.size] = '\0';
  return gr_address_parse(text, address);
}

static bool find_founder(const struct gr_node *node, gr_member_id id,
                         struct gr_address *address) {
  for (size_t i = 0; i < node->founder_count; i++) {
    if (node->founders[i].id != id) continue;
    *address = node->founders[i].address;
    return true;
  }
  return false;
}

static void on_link(void *context, gr_member_id id, gr_slice bytes) {
  struct gr_node *node = context;
  struct gr_address address;
  if (bytes.size > 0 ? !parse(bytes, &address) : !find_founder(node, id, &address)) {
    if (gr_log_limit_pass(node, &node->listener.log_limit))
      gr_node_log(node, GR_LOG_WARNING,
                  "%" PRIu64 " cannot be reached: it gives no address of a host and port",
                  id);
    gr_links_close(node, id);
  } else if (!gr_links_open(node, id, &address)) {
    gr_node_halt(node, GR_ERR_NO_MEMORY, "no memory for a connection");
  }
}

static void on_unlink(void *context, gr_member_id id) {
  gr_links_close(context, id);
}

/* ---- own messages ---- */

void gr_member_host_fail(struct gr_node *node, uint64_t tag, int error) {
  if (node->host.failed) node->host.failed(node->host.context, tag, error);
}

/* Those on their way will not come back under this process's name. */
static void fail_all(struct gr_node *node, int error) {
  uint64_t tag = 0;
  while (gr_tag_ring_pop(&node->tags, node->tags.ring.first, &tag))
    gr_member_host_fail(node, tag, error);
  node->first_number = 0;
}

static void on_renamed(void *context, gr_member_id self) {
  struct gr_node *node = context;
  if (self == node->self) return;
  fail_all(node, GR_ERR_REMOVED);
  if (gr_hello_is_member(node->self)) node->former = node->self;
  node->self = self;
  gr_links_renew(node);
}

/* ---- what the host is told and asked ---- */

/* A member without a majority is still one: what it has broadcast may still be delivered.
 */
static void on_state(void *context, enum gr_member_state state, int error) {
  struct gr_node *node = context;
  node->group_full = false; /* it may answer otherwise now */
  if (state == GR_MEMBER_OFFLINE ||
      (state == GR_MEMBER_ERROR && error != GR_ERR_NO_QUORUM))
    fail_all(node, error == GR_OK ? GR_ERR_NOT_ONLINE : error);
  if (node->host.state) node->host.state(node->host.context, state, error);
}

static void on_view(void *context, const gr_view *view) {
  struct gr_node *node = context;
  node->host.view(node->host.context, view);
}

static bool on_authorize(void *context, const gr_attributes *joiner) {
  struct gr_node *node = context;
  return node->host.authorize(node->host.context, joiner);
}

static int on_snapshot_open(void *context, uint64_t *snapshot) {
  struct gr_node *node = context;
  return node->host.snapshot_open(node->host.context, snapshot);
}

static int on_snapshot_read(void *context, uint64_t snapshot, uint64_t offset,
                            void *buffer, size_t *size, bool *end) {
  struct gr_node *node = context;
  return node->host.snapshot_read(node->host.context, snapshot, offset, buffer, size,
                                  end);
}

static void on_snapshot_close(void *context, uint64_t snapshot) {
  struct gr_node *node = context;
  node->host.snapshot_close(node->host.context, snapshot);
}

static uint64_t on_snapshot_bytes(void *context, uint64_t snapshot) {
  struct gr_node *node = context;
  return node->host.snapshot_bytes(node->host.context, snapshot);
}

static int on_restore_begin(void *context, gr_seqno seqno) {
  struct gr_node *node = context;
  /* A log of what the host is about to give up must not come back. */
  if (node->wal && !gr_wal_await_trim(node->wal)) return -1;
  return node->host.restore_begin(node->host.context, seqno);
}

static int on_restore_write(void *context, uint64_t offset, gr_slice bytes) {
  struct gr_node *node = context;
  return node->host.restore_write(node->host.context, offset, bytes);
}

static int on_restore_end(void *context, bool complete) {
  struct gr_node *node = context;
  return node->host.restore_end(node->host.context, complete);
}

void gr_member_host_add_callbacks(const struct gr_node *node, gr_host *host) {
  const gr_node_host *given = &node->host;
  host->link = on_link;
  host->unlink = on_unlink;
  host->renamed = on_renamed;
  host->state = on_state;
  host->view = given->view ? on_view : NULL;
  host->authorize = given->authorize ? on_authorize : NULL;
  host->snapshot_open = given->snapshot_open ? on_snapshot_open : NULL;
  host->snapshot_read = given->snapshot_read ? on_snapshot_read : NULL;
  host->snapshot_close = given->snapshot_close ? on_snapshot_close : NULL;
  host->snapshot_bytes = given->snapshot_bytes ? on_snapshot_bytes : NULL;
  host->restore_begin = given->restore_begin ? on_restore_begin : NULL;
  host->restore_write = given->restore_write ? on_restore_write : NULL;
  host->restore_end = given->restore_end ? on_restore_end : NULL;
}
