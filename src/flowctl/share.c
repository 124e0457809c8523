/* SPDX-License-Identifier: MIT */
#include "flowctl/share.h"

#include "flowctl/scale.h"

/* Who writes at less than this share of its own share, in percent, does not want more.
 * Who is slowed down writes at its share, about: that must not be taken for modesty. */
#define MODEST_PERCENT 75

static void sort_ascending(uint64_t *values, uint32_t count) {
  for (uint32_t i = 1; i < count; i++) {
    uint64_t value = values[i];
    uint32_t at = i;
    for (; at > 0 && values[at - 1] > value; at--) values[at] = values[at - 1];
    values[at] = value;
  }
}

uint64_t gr_flow_share(uint64_t quota, uint64_t *others, uint32_t count) {
  if (quota == GR_FLOW_UNLIMITED) return quota;
  sort_ascending(others, count);
  uint64_t left = quota;
  uint32_t sharing = count + 1;
  for (uint32_t i = 0; i < count; i++) {
    if (others[i] >= gr_flow_scale(left / sharing, MODEST_PERCENT, 100)) break;
    left -= others[i];
    sharing--;
  }
  return left / sharing;
}
