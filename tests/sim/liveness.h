/* SPDX-License-Identifier: MIT
 *
 * The phases of a run: how far it is, and what the next look at it is for.
 */
#ifndef SIM_LIVENESS_H
#define SIM_LIVENESS_H

#include "simulation.h"

enum sim_phase {
  SIM_PHASE_SAFETY,
  SIM_PHASE_CONVERGE,
  SIM_PHASE_SETTLE,
  SIM_PHASE_IDLE,
  SIM_PHASE_TRIM,
  SIM_PHASE_DONE
};

struct sim_liveness {
  struct simulation *sim;
  enum sim_phase phase;
  gr_time phase_ends;
  uint32_t core;         /* as a set of bits */
  uint64_t order_before; /* length of the order when the last check was planned */
  uint64_t frames_before[SIM_SERVERS_MAX][SIM_SERVERS_MAX];
  gr_ticket stored_before[SIM_SERVERS_MAX];
  gr_ticket noted_before[SIM_SERVERS_MAX];
  uint32_t trims;
  gr_time operator_at; /* when somebody looks next whether a majority is gone */
  bool noted;          /* the frames before the idle window */
  uint64_t idle_view;  /* the latest view when all had converged */
  bool checked;
};

/* The run's next look at itself is planned for then. */
void sim_liveness_plan(struct simulation *sim, gr_time at);
/* It is due. */
void sim_liveness_check(struct sim_liveness *run);
/* The same where members change. */
void sim_reunion_check(struct sim_liveness *run);

/* A network that is as quick as the election timeout presumes. */
void sim_liveness_make_whole(struct sim_liveness *run);
/* With nothing to do: what is sent between the core's members. */
gr_time sim_liveness_idle_window(const struct simulation *sim);
void sim_liveness_note_frames(struct sim_liveness *run);
void sim_liveness_check_frames(struct sim_liveness *run);

#endif
