/* SPDX-License-Identifier: MIT
 *
 * Counts of a long run.
 */
#ifndef SIM_SOAK_H
#define SIM_SOAK_H

#include "config.h"

struct sim_soak {
  enum sim_fault last;
  gr_time last_at;
  /* by the kind of trouble before them; the last place: none */
  uint64_t troubles[SIM_FAULT_COUNT];
  uint64_t elections[SIM_FAULT_COUNT + 1];
  uint64_t expulsions[SIM_FAULT_COUNT + 1];
  uint64_t needless;
};

void sim_soak_config(struct sim_config *config, uint64_t seed, uint64_t hours);
void sim_soak_trouble(struct sim_soak *soak, gr_time now, enum sim_fault fault);
/* Somebody begins to be a candidate. */
void sim_soak_election(struct sim_soak *soak, gr_time now);
/* A member was removed that had not asked for it; `was_well`: it could be reached. */
void sim_soak_expulsion(struct sim_soak *soak, gr_time now, bool was_well);
void sim_soak_print(const struct sim_soak *soak);

#endif
