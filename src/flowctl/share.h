/* SPDX-License-Identifier: MIT
 *
 * Dividing the group's quota among those who write. Each gets the same, and what somebody
 * does not need goes to the others (max-min fairness). Each member computes its own share
 * only.
 */
#ifndef GR_FLOWCTL_SHARE_H
#define GR_FLOWCTL_SHARE_H

#include <gr/types.h>

/* Of `quota`, beside others who write at these speeds (0: does not write); all of one
 * unit. `others` is reordered. */
uint64_t gr_flow_share(uint64_t quota, uint64_t *others, uint32_t count);

#endif
