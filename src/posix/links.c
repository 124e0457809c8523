/* SPDX-License-Identifier: MIT
 *
 * All links of a node: opened and closed as the group says, in the order in which they
 * were opened. One that was closed is in the list until what it had left is written, but
 * is found no more.
 */
#include "posix/node.h"

#include <string.h>

struct gr_outgoing *gr_links_find(struct gr_node *node, gr_member_id id) {
  for (struct gr_outgoing *link = node->links; link; link = link->next)
    if (link->id == id && link->state != GR_OUTGOING_ENDING) return link;
  return NULL;
}

static bool is_same(const struct gr_address *one, const struct gr_address *other) {
  return strcmp(one->host, other->host) == 0 && strcmp(one->port, other->port) == 0;
}

static void end(struct gr_node *node, struct gr_outgoing *link) {
  gr_outgoing_end(node, link);
  node->links_end = true;
}

bool gr_links_open(struct gr_node *node, gr_member_id id,
                   const struct gr_address *address) {
  struct gr_outgoing *known = gr_links_find(node, id);
  if (known && is_same(&known->address, address)) return true;
  if (known) end(node, known);
  struct gr_outgoing *link = gr_outgoing_new(node, id, address);
  if (!link) return false;
  struct gr_outgoing **last = &node->links;
  while (*last) last = &(*last)->next;
  *last = link;
  gr_loop_set_timer(node, link->deadline);
  return true;
}

void gr_links_close(struct gr_node *node, gr_member_id id) {
  struct gr_outgoing *link = gr_links_find(node, id);
  if (link) end(node, link);
}

void gr_links_renew(struct gr_node *node) {
  for (struct gr_outgoing *link = node->links; link; link = link->next)
    gr_outgoing_renew(node, link);
}

void gr_links_bury(struct gr_node *node) {
  if (!node->links_end) return;
  node->links_end = false;
  struct gr_outgoing **at = &node->links;
  while (*at) {
    struct gr_outgoing *link = *at;
    if (link->state == GR_OUTGOING_ENDING && link->endpoint.socket < 0 &&
        gr_resolver_forget(&node->resolver, &link->job)) {
      *at = link->next;
      gr_outgoing_free(node, link);
    } else {
      node->links_end = node->links_end || link->state == GR_OUTGOING_ENDING;
      at = &link->next;
    }
  }
}
