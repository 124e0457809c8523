/* SPDX-License-Identifier: MIT */
#ifndef GR_FLOWCTL_OPTIONS_H
#define GR_FLOWCTL_OPTIONS_H

#include <gr/flowctl.h>

/* Copies the caller's options, of whatever size, checked and complete: GR_FLOW_NONE has
 * become the value that means none. As gr_flow_options_check(). */
int gr_flow_options_copy(gr_flow_options *copy, const gr_flow_options *options);

#endif
