/* SPDX-License-Identifier: MIT
 *
 * Can this member reach a majority of the voters? If it cannot for a while it gives up
 * serving its host; it never gives up trying, so it comes back by itself. No threads, no
 * clock: `now` is the host's time, in nanoseconds, and never goes back.
 */
#ifndef GR_MEMBERSHIP_QUORUM_H
#define GR_MEMBERSHIP_QUORUM_H

#include "base/memberset.h"

enum gr_quorum_state {
  GR_QUORUM_HELD = 0,    /* a majority can be reached */
  GR_QUORUM_LOST = 1,    /* not since `lost_since`: it may come back any moment */
  GR_QUORUM_GIVEN_UP = 2 /* not for the unreachable timeout: the member is in ERROR */
};

/* All zero: held. */
struct gr_quorum {
  enum gr_quorum_state state;
  gr_time lost_since; /* unless held */
};

/* Takes in who can be reached now: those who are not suspected, this member included.
 * `unreachable_timeout_ns` GR_TIME_NEVER: never gives up. Returns the new state. */
enum gr_quorum_state gr_quorum_update(struct gr_quorum *quorum, gr_memberset voters,
                                      gr_memberset reachable,
                                      gr_time unreachable_timeout_ns, gr_time now);

/* When gr_quorum_update() will give up if nothing changes; GR_TIME_NEVER if it will not.
 */
gr_time gr_quorum_deadline(const struct gr_quorum *quorum,
                           gr_time unreachable_timeout_ns);

#endif
