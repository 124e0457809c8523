/* SPDX-License-Identifier: MIT
 *
 * The state of this member, and what may change it: the table of doc/membership.md,
 * "States". A cause that the table does not know in the present state is refused, and its
 * caller is wrong. How a member came to be in ERROR matters: one that lacks a majority
 * comes back with the majority, one that was removed has to join, one that has failed
 * stays.
 */
#ifndef GR_MEMBERSHIP_STATE_H
#define GR_MEMBERSHIP_STATE_H

#include <gr/error.h>
#include <gr/host.h>

enum gr_state_cause {
  GR_CAUSE_NONE = 0,    /* it has just been made */
  GR_CAUSE_FOUNDED,     /* all founders have met */
  GR_CAUSE_JOINED,      /* a view admits it, as a learner */
  GR_CAUSE_RESUMED,     /* it came back from its storage, and is still a member */
  GR_CAUSE_PROMOTED,    /* a view makes the learner a voter */
  GR_CAUSE_CAUGHT_UP,   /* a voter that was away has what the others have */
  GR_CAUSE_QUORUM_LOST, /* no majority for the unreachable timeout */
  GR_CAUSE_QUORUM_BACK, /* a majority can be reached again */
  GR_CAUSE_REMOVED,     /* the group went on without it, and it did not ask for that */
  GR_CAUSE_FELL_BEHIND, /* nobody keeps any more what it lacks */
  GR_CAUSE_REFUSED,     /* the group does not let it in */
  GR_CAUSE_LEFT,        /* it asked to leave, and that has come to pass */
  GR_CAUSE_FAILED,      /* it has halted */
  GR_CAUSE_COUNT
};

/* All zero: OFFLINE, just made. */
struct gr_state {
  enum gr_member_state state;
  enum gr_state_cause cause; /* of the last step */
};

/* GR_OK         `state` is the new one
 * GR_ERR_STATE  the table has no such step; nothing changed */
int gr_state_step(struct gr_state *state, enum gr_state_cause cause);

#endif
