/* SPDX-License-Identifier: MIT
 *
 * A cut: the value of a slot. It names lanes and says up to which batch each is ordered;
 * the lanes that it does not name stay where they are. Lanes are kept by the index of
 * their member in the view, which is the order in which a cut delivers them.
 */
#ifndef GR_PAXOS_CUT_H
#define GR_PAXOS_CUT_H

#include "base/memberset.h"

struct gr_cut {
  gr_memberset lanes;
  uint64_t upto[GR_MEMBERS_MAX]; /* by member index; meaningless for lanes not named */
};

#endif
