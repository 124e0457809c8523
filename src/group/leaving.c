/* SPDX-License-Identifier: MIT
 *
 * Going, and asking that somebody goes. The leader proposes it; a leader that goes itself
 * first moves the lead to somebody else, so that nobody ever removes itself.
 */
#include "group/group.h"

/* Asked again after so many heartbeat intervals. */
#define ASK_INTERVALS 2

/* The voter that stays, and is closest to having everything. */
static gr_member_id successor(struct gr_group *group) {
  gr_member members[GR_MEMBERS_MAX] = {{.size = sizeof(gr_member)}};
  size_t count = 0;
  gr_paxos_members(group->paxos, members, GR_MEMBERS_MAX, &count);
  const gr_member *best = NULL;
  for (size_t i = 0; i < count; i++) {
    const gr_member *member = &members[i];
    const struct gr_link *link = gr_link_find(group, member->id);
    if (!link || link->note.leaving) continue; /* two would pass the lead to and fro */
    if (!member->reachable || member->state != GR_MEMBER_ONLINE) continue;
    if (!best || member->accepted > best->accepted) best = member;
  }
  return best ? best->id : 0;
}

/* Where all others leave too it stays, until they have. */
static void move_lead(struct gr_group *group) {
  gr_member_id next = successor(group);
  if (next != 0) gr_paxos_transfer(group->paxos, next, group->now);
}

static void ask_leader(struct gr_group *group, gr_member_id leader, gr_member_id member,
                       uint8_t reason) {
  struct gr_link *link = gr_link_find(group, leader);
  if (!link) return;
  link->remove = (struct gr_remove){member, reason};
  link->due |= GR_DUE(GR_MESSAGE_REMOVE);
}

/* Some may not know yet that it was chosen (R17). */
#define LINGER_TIMEOUTS 5

void gr_leaving_done(struct gr_group *group, enum gr_state_cause cause, int error) {
  group->left_until = group->now + LINGER_TIMEOUTS * group->options.election_timeout_ns;
  group->left_error = error;
  gr_members_step(group, cause, error);
}

void gr_leaving_resumed(struct gr_group *group) {
  group->comes_back = true;
  gr_leaving_done(group, GR_CAUSE_NONE, GR_OK);
}

bool gr_leaving_stays_out(struct gr_group *group) {
  if (group->left_until == 0) return false;
  group->left_error = GR_OK;
  group->comes_back = false;
  gr_members_step(group, GR_CAUSE_LEFT, GR_OK);
  return true;
}

static void leave(struct gr_group *group, const gr_status *status) {
  size_t count;
  gr_paxos_view(group->paxos, NULL, 0, &count);
  if (status->view == 0 || count <= 1) { /* there is nobody to tell */
    gr_members_step(group, GR_CAUSE_LEFT, GR_OK);
    gr_joining_removed(group, GR_CAUSE_NONE, GR_OK);
    return;
  }
  if (status->unordered_bytes > 0) return; /* what was taken is delivered first */
  if (status->role == GR_ROLE_LEADER) {
    move_lead(group);
  } else if (status->leader != 0) {
    ask_leader(group, status->leader, status->self, GR_VIEW_LEFT);
  }
}

/* Those who stay must be a majority: else it waits, for others to come back or be
 * removed. */
static bool can_go(struct gr_group *group, gr_member_id member) {
  const struct gr_link *link = gr_link_find(group, member);
  return link && gr_leading_can_do_without(group, gr_link_place(group, link));
}

static void remove_other(struct gr_group *group, const gr_status *status) {
  if (group->now >= group->removing_until) group->removing = 0;
  if (group->removing == 0) return;
  if (status->role == GR_ROLE_LEADER && can_go(group, group->removing))
    gr_leading_remove(group, group->removing, GR_VIEW_EXCLUDED);
  else if (status->leader != 0)
    ask_leader(group, status->leader, group->removing, GR_VIEW_EXCLUDED);
}

void gr_leaving_tick(struct gr_group *group) {
  if (group->left_until != 0) {
    if (group->now >= group->left_until)
      gr_joining_removed(group, GR_CAUSE_NONE, group->left_error);
    return;
  }
  if (!group->leaving && group->removing == 0) return;
  if (group->now < group->leave_due) return;
  group->leave_due = group->now + ASK_INTERVALS * group->options.heartbeat_interval_ns;
  gr_status status = gr_members_status(group);
  if (group->leaving)
    leave(group, &status);
  else
    remove_other(group, &status);
}

void gr_leaving_asked(struct gr_group *group, gr_member_id from,
                      const struct gr_remove *remove) {
  const struct gr_link *link = gr_link_find(group, from);
  if (!link || !link->member) return;
  bool itself = remove->reason == GR_VIEW_LEFT && remove->member == from;
  bool other = remove->reason == GR_VIEW_EXCLUDED;
  gr_status status = gr_members_status(group);
  if (status.role != GR_ROLE_LEADER) return;
  /* Nobody removes itself: the next leader is asked again. (Of two who want to be rid of
   * each other the one that leads comes first.) */
  if (other && remove->member == status.self && group->removing != from)
    move_lead(group);
  else if ((itself || other) && can_go(group, remove->member))
    gr_leading_remove(group, remove->member, remove->reason);
}
