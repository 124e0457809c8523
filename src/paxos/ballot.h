/* SPDX-License-Identifier: MIT
 *
 * Ballots: (view, round, member), compared in that order. A ballot belongs to one member,
 * so no two leaders ever share one; the view comes first, so a ballot never spans two
 * sets of voters.
 */
#ifndef GR_PAXOS_BALLOT_H
#define GR_PAXOS_BALLOT_H

#include <gr/types.h>

/* Below 0, 0, above 0: as a is lower than, equal to, higher than b. */
static inline int gr_ballot_compare(gr_ballot a, gr_ballot b) {
  if (a.view != b.view) return a.view < b.view ? -1 : 1;
  if (a.round != b.round) return a.round < b.round ? -1 : 1;
  if (a.member != b.member) return a.member < b.member ? -1 : 1;
  return 0;
}

#endif
