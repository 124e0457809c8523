/* SPDX-License-Identifier: MIT */
#ifndef GR_PAXOS_OPTIONS_H
#define GR_PAXOS_OPTIONS_H

#include "paxos/lane.h"

#include <gr/options.h>

/* Copies the caller's options, of whatever size, checked and complete. As
 * gr_options_check(). */
int gr_options_copy(gr_options *copy, const gr_options *options);

/* Of options that have been checked. */
struct gr_lane_limits gr_options_lane_limits(const gr_options *options);

/* Members that an engine can know at a time: of the view, and some that were. */
uint32_t gr_options_places(const gr_options *options);

#endif
