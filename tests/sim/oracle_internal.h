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

/* A slot is delivered or taken for chosen: it must be so. */
void sim_oracle_must_be_chosen(struct sim_oracle *oracle, uint32_t member, gr_slot slot);
/* What was taken for chosen before its voters were known has had its time. */
void sim_oracle_unproven(struct sim_oracle *oracle);
/* It is known who votes in a view: what was accepted in it counts. */
void sim_oracle_recount(struct sim_oracle *oracle, const struct sim_view *view);
/* The first view. */
void sim_oracle_founded(struct sim_oracle *oracle);

#endif
