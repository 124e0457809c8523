/* SPDX-License-Identifier: MIT */
#ifndef BENCH_FLOW_SCENARIOS_H
#define BENCH_FLOW_SCENARIOS_H

#include "flow_world.h"

extern const struct flow_scenario flow_scenarios[];
extern const size_t flow_scenario_count;

#endif
