/* SPDX-License-Identifier: MIT
 *
 * What the leader does for the membership: it asks the order to go on without members
 * that a majority has given up, and to let those vote who have caught up. One change at a
 * time; what cannot be done now is found again at the next tick, by this leader or the
 * next one.
 */
#include "group/group.h"

static bool change(struct gr_group *group, enum gr_change_kind kind, gr_member_id member,
                   uint8_t reason) {
  gr_change wanted = {.kind = kind, .member = member, .reason = reason};
  int error = gr_paxos_change(group->paxos, &wanted, group->now);
  return error == GR_OK || error == GR_ERR_BUSY;
}

bool gr_leading_remove(struct gr_group *group, gr_member_id member, uint8_t reason) {
  return change(group, GR_CHANGE_REMOVE, member, reason);
}

/* Whether a majority of the voters would be left that is heard, and can follow: of who
 * lacks what has been forgotten here nothing can be expected. */
bool gr_leading_can_do_without(struct gr_group *group, uint32_t place) {
  gr_member members[GR_MEMBERS_MAX] = {{.size = sizeof(gr_member)}};
  size_t count = 0;
  gr_slot log_first = gr_members_status(group).log_first;
  gr_memberset left = group->suspicion.voters & ~gr_memberset_one(place);
  gr_memberset able = gr_memberset_one(GR_SELF_PLACE);
  gr_paxos_members(group->paxos, members, GR_MEMBERS_MAX, &count);
  for (size_t i = 0; i < count; i++) {
    const struct gr_link *link = gr_link_find(group, members[i].id);
    if (!link || link->suspected || !members[i].reachable) continue;
    if (members[i].delivered + 1 >= log_first)
      able |= gr_memberset_one(gr_link_place(group, link));
  }
  return gr_memberset_majority(able, left);
}

static bool expel(struct gr_group *group) {
  uint32_t place;
  if (!gr_suspicion_to_expel(&group->suspicion, GR_SELF_PLACE,
                             group->options.expel_timeout_ns, group->now, &place))
    return false;
  if (!gr_leading_can_do_without(group, place)) return false;
  const struct gr_link *link = &group->links[place];
  enum gr_view_reason reason = GR_VIEW_FLAPPING;
  if (link->suspected)
    reason = GR_VIEW_SILENT;
  else if (gr_memberset_has(gr_members_left_behind(group), place))
    reason = GR_VIEW_BEHIND;
  return gr_leading_remove(group, link->id, (uint8_t)reason);
}

static bool remove_unhealthy(struct gr_group *group) {
  for (uint32_t i = 0; i < group->link_end; i++) {
    const struct gr_link *link = &group->links[i];
    if (!link->member || link->healthy || !gr_leading_can_do_without(group, i)) continue;
    if (group->now - link->unhealthy_since >= group->options.expel_timeout_ns)
      return gr_leading_remove(group, link->id, GR_VIEW_UNHEALTHY);
  }
  return false;
}

/* It has come in, stands in this view, and lacks little. */
static bool has_caught_up(const struct gr_group *group, const gr_member *member,
                          const gr_status *status) {
  return member->state == GR_MEMBER_RECOVERING && !member->is_self &&
         member->view == status->view &&
         member->delivered + group->options.online_lag_max >= status->chosen;
}

static bool promote(struct gr_group *group) {
  gr_member members[GR_MEMBERS_MAX] = {{.size = sizeof(gr_member)}};
  size_t count = 0;
  gr_status status = gr_members_status(group);
  gr_paxos_members(group->paxos, members, GR_MEMBERS_MAX, &count);
  for (size_t i = 0; i < count; i++)
    if (has_caught_up(group, &members[i], &status))
      return change(group, GR_CHANGE_PROMOTE, members[i].id, GR_VIEW_ONLINE);
  return false;
}

void gr_leading_tick(struct gr_group *group) {
  if (gr_members_status(group).role != GR_ROLE_LEADER) return;
  if (!expel(group) && !remove_unhealthy(group)) promote(group);
}
