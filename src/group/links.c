/* SPDX-License-Identifier: MIT
 *
 * Links: to whom frames can be sent. The members of the view, for a while those that were
 * removed, and those who are no members: seeds that a joiner asks, and guests who ask to
 * be let in. The host is told of each, in dispatch.
 */
#include "group/group.h"

struct gr_link *gr_link_find(struct gr_group *group, gr_member_id id) {
  for (uint32_t i = 0; id != 0 && i < group->link_end; i++)
    if (group->links[i].id == id && !group->links[i].closing) return &group->links[i];
  return NULL;
}

static struct gr_link *free_place(struct gr_group *group) {
  for (uint32_t i = 0; i < GR_LINKS_MAX; i++) {
    if (group->links[i].id != 0) continue;
    if (group->link_end <= i) group->link_end = i + 1;
    return &group->links[i];
  }
  return NULL;
}

static void set_address(struct gr_group *group, struct gr_link *link, gr_slice address) {
  if (address.size == 0 || address.size > sizeof(link->address)) return;
  if (gr_slice_equal((gr_slice){link->address, link->address_bytes}, address)) return;
  memcpy(link->address, address.data, address.size);
  link->address_bytes = address.size;
  link->moved = link->told; /* it is to be found elsewhere */
  group->links_due = true;
}

struct gr_link *gr_link_open(struct gr_group *group, gr_member_id id, gr_slice address) {
  struct gr_link *link = gr_link_find(group, id);
  if (!link) {
    link = free_place(group);
    if (!link) return NULL;
    group->links_due = true;
    *link = (struct gr_link){.id = id, .until = GR_TIME_NEVER, .healthy = true};
  }
  set_address(group, link, address);
  return link;
}

void gr_link_close(struct gr_group *group, struct gr_link *link) {
  link->closing = true;
  group->links_due = true;
  link->member = link->voter = link->asks = false;
  link->due = 0;
  if (!link->told || !group->host.unlink) link->id = 0;
}

void gr_links_tick(struct gr_group *group) {
  for (uint32_t i = 0; i < group->link_end; i++) {
    struct gr_link *link = &group->links[i];
    if (link->id != 0 && !link->closing && group->now >= link->until)
      gr_link_close(group, link);
  }
}

static void free_places(struct gr_group *group) {
  while (group->link_end > 0 && group->links[group->link_end - 1].id == 0)
    group->link_end--;
}

/* Before others are linked: who comes again may have a new place already. */
static void unlink_closing(struct gr_group *group) {
  for (uint32_t i = 0; i < group->link_end; i++) {
    struct gr_link *link = &group->links[i];
    if (link->id == 0 || !link->closing) continue;
    group->host.unlink(group->host.context, link->id);
    link->id = 0;
  }
}

void gr_links_act(struct gr_group *group) {
  if (!group->links_due) return;
  group->links_due = false;
  if (group->name_due && group->host.renamed)
    group->host.renamed(group->host.context, group->name);
  group->name_due = false;
  unlink_closing(group);
  for (uint32_t i = 0; i < group->link_end; i++) {
    struct gr_link *link = &group->links[i];
    if (link->id == 0 || (link->told && !link->moved)) continue;
    link->told = true;
    link->moved = link->blocked = false;
    if (group->host.link)
      group->host.link(group->host.context, link->id,
                       (gr_slice){link->address, link->address_bytes});
  }
  free_places(group);
}
