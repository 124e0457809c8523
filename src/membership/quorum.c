/* SPDX-License-Identifier: MIT */
#include "membership/quorum.h"

gr_time gr_quorum_deadline(const struct gr_quorum *quorum,
                           gr_time unreachable_timeout_ns) {
  if (quorum->state != GR_QUORUM_LOST || unreachable_timeout_ns == GR_TIME_NEVER)
    return GR_TIME_NEVER;
  return quorum->lost_since + unreachable_timeout_ns;
}

enum gr_quorum_state gr_quorum_update(struct gr_quorum *quorum, gr_memberset voters,
                                      gr_memberset reachable,
                                      gr_time unreachable_timeout_ns, gr_time now) {
  if (gr_memberset_majority(reachable, voters)) {
    quorum->state = GR_QUORUM_HELD;
    return quorum->state;
  }
  if (quorum->state == GR_QUORUM_HELD) {
    quorum->state = GR_QUORUM_LOST;
    quorum->lost_since = now;
  }
  if (now >= gr_quorum_deadline(quorum, unreachable_timeout_ns))
    quorum->state = GR_QUORUM_GIVEN_UP;
  return quorum->state;
}
