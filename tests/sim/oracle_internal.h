/* SPDX-License-Identifier: MIT */
#ifndef SIM_ORACLE_INTERNAL_H
#define SIM_ORACLE_INTERNAL_H

#include "memory.h"
#include "oracle.h"

/* The oracle's own idea of the order of ballots. */
static inline int sim_ballot_compare(gr_ballot a, gr_ballot b) {
  if (a.view != b.view) return a.view < b.view ? -1 : 1;
  if (a.round != b.round) return a.round < b.round ? -1 : 1;
  if (a.member != b.member) return a.member < b.member ? -1 : 1;
  return 0;
}

#endif
