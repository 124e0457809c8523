/* SPDX-License-Identifier: MIT
 *
 * Attempts at growing intervals: the first soon, each further one after twice the wait,
 * up to a longest wait, and only so many. For joining again after a removal, and for
 * recovery. No threads, no clock: `now` is the host's time, in nanoseconds, and never
 * goes back.
 */
#ifndef GR_MEMBERSHIP_RETRY_H
#define GR_MEMBERSHIP_RETRY_H

#include <gr/types.h>

struct gr_retry_settings {
  gr_time first_ns;   /* before the first attempt; default 1 s */
  gr_time longest_ns; /* before any attempt, at most; default 300 s */
  uint64_t tries;     /* attempts at most; default 3; 0: none */
};

enum gr_retry_state {
  GR_RETRY_IDLE = 0,     /* there is nothing to attempt */
  GR_RETRY_WAITING = 1,  /* for `due` */
  GR_RETRY_TRYING = 2,   /* an attempt is under way */
  GR_RETRY_EXHAUSTED = 3 /* all attempts have failed */
};

/* All zero: idle. */
struct gr_retry {
  enum gr_retry_state state;
  uint64_t attempts; /* begun so far */
  gr_time due;
};

/* Something is to be attempted from now on, whatever was before. */
void gr_retry_start(struct gr_retry *retry, const struct gr_retry_settings *settings,
                    gr_time now);

/* True if it is time for an attempt, which begins with that. */
bool gr_retry_next(struct gr_retry *retry, gr_time now);

/* The attempt that was under way has failed; without one nothing happens. */
void gr_retry_failed(struct gr_retry *retry, const struct gr_retry_settings *settings,
                     gr_time now);

/* There is nothing to attempt any more: it has succeeded, or is not wanted. */
void gr_retry_stop(struct gr_retry *retry);

/* When gr_retry_next() will be true; GR_TIME_NEVER if nothing is waited for. */
gr_time gr_retry_deadline(const struct gr_retry *retry);

#endif
