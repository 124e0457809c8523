/* SPDX-License-Identifier: MIT
 *
 * Evens out what is admitted. Each admission puts the bucket into debt, by the time that
 * it takes at the present speed; time pays it back; as long as the debt is no more than a
 * short time the next one is admitted. (The generic cell rate algorithm of ATM.) One that
 * costs more than that is admitted as well, and those behind it wait.
 */
#ifndef GR_FLOWCTL_BUCKET_H
#define GR_FLOWCTL_BUCKET_H

#include <gr/types.h>

/* All zero: nothing is owed, and nothing goes on until a speed is set. */
struct gr_flow_bucket {
  uint64_t speed;  /* thousandths a second; GR_FLOW_UNLIMITED: any; 0: nothing */
  uint64_t debt;   /* in units of 2^-10 ns, */
  uint64_t priced; /* at this speed */
  gr_time paid;    /* up to when time has been counted */
};

/* What is owed is owed on, at the new speed. */
void gr_flow_bucket_set(struct gr_flow_bucket *bucket, uint64_t speed, gr_time now);

/* When the debt is `allowance` at most: `now` or later; GR_TIME_NEVER: at this speed
 * never. */
gr_time gr_flow_bucket_due(struct gr_flow_bucket *bucket, gr_time allowance, gr_time now);

/* Up to so much of the debt. */
void gr_flow_bucket_forgive(struct gr_flow_bucket *bucket, gr_time time, gr_time now);

void gr_flow_bucket_take(struct gr_flow_bucket *bucket, uint64_t cost, gr_time now);

#endif
