/* SPDX-License-Identifier: MIT
 *
 * Coming in: a process that is in no group asks one seed after the other, and the leader
 * that these point to, until it is let in, refused, or out of time. A member that was
 * removed against its will, or fell behind, does the same again after a while, with what
 * its host has by then. And a member that hears nobody asks whether it still is one.
 */
#include "group/group.h"

/* How long one who was asked may take before the next one is. */
static gr_time patience(const struct gr_group *group) {
  return 2 * group->options.election_timeout_ns;
}

static struct gr_retry_settings retry_settings(const struct gr_group *group) {
  uint64_t tries = group->options.rejoin_tries;
  return (struct gr_retry_settings){group->options.rejoin_interval_ns,
                                    UINT64_C(300) * 1000000000,
                                    tries == GR_REJOIN_NEVER ? 0 : tries};
}

/* Of all who ever were members, not only of those who still are. */
static gr_member_id highest_known(const struct gr_group *group) {
  gr_member_id next = gr_paxos_next_id(group->paxos);
  return next == 0 ? UINT64_MAX : next - 1; /* in no view yet: any */
}

void gr_joining_fill(const struct gr_group *group, struct gr_join *join) {
  enum gr_joining_stage stage = group->joining.stage;
  gr_member_id member = 0;
  gr_seqno applied = group->joining.applied;
  if (stage == GR_JOINING_NOT) member = gr_members_status(group).self;
  if (stage == GR_JOINING_RECOVERING) member = group->joining.member;
  *join = (struct gr_join){.member = member,
                           .known = highest_known(group),
                           .limits = gr_paxos_limits(group->paxos),
                           .applied =
                               applied == UINT64_MAX ? 0 : applied, /* it has nothing */
                           .members_max = group->options.members_max,
                           .attributes = group->options.attributes};
}

static void rename_to(struct gr_group *group, gr_member_id name) {
  if (group->name == name) return;
  group->name = name;
  group->name_due = group->links_due = true;
}

/* ---- asking ---- */

static void close_seeds(struct gr_group *group) {
  for (uint32_t i = 0; i < group->link_end; i++)
    if ((group->links[i].id & GR_SEED_BITS) == GR_SEED_BITS)
      gr_link_close(group, &group->links[i]);
}

/* One seed after the other; those who were members when we were are seeds, too. */
static struct gr_link *next_asked(struct gr_group *group) {
  struct gr_joining *joining = &group->joining;
  uint32_t places = GR_LINKS_MAX + (uint32_t)group->options.seed_count;
  for (uint32_t k = 0; k < places; k++) {
    joining->seed = (joining->seed + 1) % places;
    if (joining->seed >= GR_LINKS_MAX) {
      uint32_t seed = joining->seed - GR_LINKS_MAX;
      struct gr_link *link =
          gr_link_open(group, GR_SEED_BITS | (seed + 1), group->seeds[seed]);
      if (link) return link;
    } else if (group->links[joining->seed].id != 0 &&
               !group->links[joining->seed].closing &&
               group->links[joining->seed].id < GR_MEMBER_ID_MAX) {
      return &group->links[joining->seed];
    }
  }
  return NULL;
}

static void ask(struct gr_group *group) {
  struct gr_joining *joining = &group->joining;
  struct gr_link *link = gr_link_find(group, joining->leader);
  joining->leader = 0; /* once: should it not answer, the next seed knows better */
  if (!link) link = next_asked(group);
  joining->answer_due = group->now + patience(group);
  if (link) link->due |= GR_DUE(GR_MESSAGE_JOIN);
}

void gr_joining_begin(struct gr_group *group) {
  struct gr_joining *joining = &group->joining;
  joining->stage = GR_JOINING_ASKING;
  joining->since = joining->answer_due = group->now;
  joining->error = GR_ERR_TIMEOUT;
  joining->leader = 0;
  group->leaving = false;
  rename_to(group, GR_GUEST_BIT | (gr_paxos_incarnation(group->paxos) >> 2));
}

static void fail(struct gr_group *group, int error) {
  struct gr_joining *joining = &group->joining;
  struct gr_retry_settings settings = retry_settings(group);
  gr_recovery_stop(group);
  close_seeds(group);
  joining->stage = GR_JOINING_RESTING;
  gr_retry_failed(&joining->retry, &settings, group->now);
  if (!joining->again || joining->retry.state == GR_RETRY_EXHAUSTED)
    gr_members_step(group, GR_CAUSE_REFUSED, error);
}

int gr_joining_stop(struct gr_group *group) {
  struct gr_joining *joining = &group->joining;
  bool rests = joining->stage == GR_JOINING_RESTING;
  if (rests && joining->retry.state != GR_RETRY_WAITING) return GR_ERR_STATE;
  if (joining->stage == GR_JOINING_NOT) return GR_ERR_STATE;
  gr_joining_removed(group, GR_CAUSE_LEFT, GR_OK);
  gr_retry_stop(&joining->retry);
  close_seeds(group);
  return GR_OK;
}

/* ---- answers ---- */

/* Those who were members when we were are asked no more. */
static void close_former(struct gr_group *group) {
  for (uint32_t i = 0; i < group->link_end; i++)
    if (group->links[i].id != 0 && group->links[i].id < GR_MEMBER_ID_MAX)
      group->links[i].until = group->now + patience(group);
}

static void admitted(struct gr_group *group, const struct gr_answer *answer) {
  close_seeds(group);
  close_former(group);
  gr_retry_stop(&group->joining.retry);
  group->joining.stage = GR_JOINING_RECOVERING;
  group->joining.member = answer->member;
  gr_members_step(group, GR_CAUSE_JOINED, GR_OK);
  rename_to(group, answer->member);
  gr_recovery_begin(group, answer);
}

static void redirected(struct gr_group *group, const struct gr_contact *contact) {
  struct gr_link *link = gr_link_open(group, contact->id, contact->address);
  if (!link) return;
  if (link->until == GR_TIME_NEVER && !link->member)
    link->until = group->now + group->options.join_timeout_ns;
  group->joining.leader = contact->id;
  group->joining.answer_due = group->now; /* at once */
}

void gr_joining_answered(struct gr_group *group, gr_member_id from,
                         const struct gr_answer *answer) {
  struct gr_joining *joining = &group->joining;
  if (answer->incarnation != gr_paxos_incarnation(group->paxos)) return;
  if (joining->stage == GR_JOINING_NOT && answer->verdict == GR_ANSWER_GONE) {
    /* A founder that has not met the others is told in another way. */
    gr_status status = gr_members_status(group);
    if (group->left_until != 0) return;
    if (status.role == GR_ROLE_FORMING) {
      /* The others have begun without this process, or with a former one. */
      gr_joining_anew(group);
      return;
    }
    /* While a majority is heard only a later life of the group overrules it (R7). */
    if (group->quorum.state == GR_QUORUM_HELD && answer->detail <= status.epoch) return;
    if (answer->detail < status.epoch) return;
    if (group->leaving) /* it has come to pass */
      gr_leaving_done(group, GR_CAUSE_LEFT, GR_OK);
    else if (answer->error == GR_ERR_BEHIND)
      gr_joining_removed(group, GR_CAUSE_FELL_BEHIND, GR_ERR_BEHIND);
    else
      gr_joining_removed(group, GR_CAUSE_REMOVED, GR_ERR_REMOVED);
    return;
  }
  if (joining->stage == GR_JOINING_RECOVERING && answer->verdict == GR_ANSWER_GONE) {
    gr_joining_removed(group, GR_CAUSE_REMOVED, GR_ERR_REMOVED);
    return;
  }
  if (joining->stage != GR_JOINING_ASKING) return;
  switch (answer->verdict) {
  case GR_ANSWER_WAIT:
    if (answer->error != GR_OK) joining->error = answer->error;
    joining->leader = from < GR_MEMBER_ID_MAX ? from : 0;
    joining->answer_due = group->now + group->options.heartbeat_interval_ns;
    break;
  case GR_ANSWER_REDIRECT:
    redirected(group, &answer->contacts[0]);
    break;
  case GR_ANSWER_ADMITTED:
    admitted(group, answer);
    break;
  case GR_ANSWER_REFUSED:
    fail(group, answer->error);
    break;
  case GR_ANSWER_GONE:
    break;
  }
}

/* ---- out, and in again ---- */

void gr_joining_removed(struct gr_group *group, enum gr_state_cause cause, int error) {
  struct gr_joining *joining = &group->joining;
  if (group->leaving) { /* whatever came first: it was not to stay */
    cause = GR_CAUSE_LEFT;
    error = GR_OK;
  }
  gr_status status = gr_members_status(group);
  /* Its host may have more than the engine has come to. */
  if (status.view != 0 && joining->applied < status.seqno) {
    joining->applied = status.seqno;
    joining->digest = status.digest;
  }
  gr_members_step(group, cause, error);
  gr_recovery_stop(group);
  gr_donation_stop_all(group);
  gr_paxos_reset(group->paxos, group->now);
  group->halt_told = false;
  group->leaving = false;
  group->removing = 0;
  group->left_until = 0;
  bool comes_back = group->comes_back;
  group->comes_back = false;
  group->quorum = (struct gr_quorum){0};
  memset(group->digests, 0, sizeof(group->digests));
  group->failed = (struct gr_kept_digest){0};
  for (uint32_t i = 0; i < group->link_end; i++) {
    struct gr_link *link = &group->links[i];
    link->member = link->voter = link->suspected = false;
    link->tries = 0;
    if (link->id != 0 && link->id < GR_MEMBER_ID_MAX)
      link->until = GR_TIME_NEVER; /* whom to ask when we come back */
  }
  joining->again = error != GR_OK;
  joining->stage = GR_JOINING_RESTING;
  struct gr_retry_settings settings = retry_settings(group);
  if (joining->again) gr_retry_start(&joining->retry, &settings, group->now);
  if (comes_back) gr_joining_begin(group); /* at once; should that fail, it tries again */
}

void gr_joining_anew(struct gr_group *group) {
  group->comes_back = true;
  gr_joining_removed(group, GR_CAUSE_NONE, GR_OK);
}

/* Others may live by now where the founders were. */
static void ask_seeds(struct gr_group *group) {
  for (uint32_t i = 0; i < group->options.seed_count; i++) {
    struct gr_link *link = gr_link_open(group, GR_SEED_BITS | (i + 1), group->seeds[i]);
    if (!link) return;
    link->until = group->now + 2 * patience(group);
    link->due |= GR_DUE(GR_MESSAGE_JOIN);
  }
}

/* Whom we do not hear may have gone on without us; whom we have not met, begun. */
static void ask_whether_member(struct gr_group *group) {
  if (group->left_until != 0 || group->now < group->asked_due || !group->host.link)
    return;
  bool forming = gr_members_status(group).role == GR_ROLE_FORMING;
  bool lost = forming || group->quorum.state != GR_QUORUM_HELD;
  group->asked_due = group->now + patience(group);
  for (uint32_t i = 0; i < group->link_end; i++)
    if (group->links[i].member && (lost || group->links[i].suspected))
      group->links[i].due |= GR_DUE(GR_MESSAGE_JOIN);
  /* All whom it knows may have gone by now. */
  if (lost) ask_seeds(group);
}

void gr_joining_tick(struct gr_group *group) {
  struct gr_joining *joining = &group->joining;
  switch (joining->stage) {
  case GR_JOINING_NOT:
    ask_whether_member(group);
    break;
  case GR_JOINING_ASKING:
    if (group->now - joining->since >= group->options.join_timeout_ns)
      fail(group, joining->error);
    else if (group->now >= joining->answer_due)
      ask(group);
    break;
  case GR_JOINING_RECOVERING:
    gr_recovery_tick(group);
    break;
  case GR_JOINING_RESTING:
    if (gr_retry_next(&joining->retry, group->now)) gr_joining_begin(group);
    break;
  }
}
