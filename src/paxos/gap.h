/* SPDX-License-Identifier: MIT
 *
 * A gap: something is known to exist that we do not have. It may well be on its way, so
 * it is asked for only after some patience, and again, of somebody else, when no answer
 * helps.
 */
#ifndef GR_PAXOS_GAP_H
#define GR_PAXOS_GAP_H

#include <gr/types.h>

struct gr_gap {
  uint64_t target; /* what was known to exist when the watch began; 0: no watch */
  uint64_t have;   /* what we had when the watch began, or when we last asked */
  gr_time since;
  uint32_t attempt; /* how often we have asked in this watch */
  gr_time retry;    /* how long the answer may take */
};

/* Begins, goes on with or ends the watch. */
static inline void gr_gap_watch(struct gr_gap *gap, uint64_t have, uint64_t want,
                                gr_time now) {
  if (want <= have) {
    gap->target = 0;
    return;
  }
  if (gap->target == 0 || gap->target <= have) {
    *gap = (struct gr_gap){.target = want, .have = have, .since = now};
  } else if (gap->attempt > 0 && gap->have < have) {
    gap->have = have; /* the answer is coming in */
    gap->since = now;
  }
}

/* When to ask; GR_TIME_NEVER without a watch. */
static inline gr_time gr_gap_deadline(const struct gr_gap *gap, gr_time patience) {
  if (gap->target == 0) return GR_TIME_NEVER;
  return gap->since + (gap->attempt == 0 ? patience : gap->retry);
}

/* We ask now, somebody whose answer may take until `retry` from now. */
static inline void gr_gap_asked(struct gr_gap *gap, uint64_t have, gr_time now,
                                gr_time retry) {
  gap->retry = retry;
  gap->have = have;
  gap->since = now;
  gap->attempt++;
}

#endif
