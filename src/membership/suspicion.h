/* SPDX-License-Identifier: MIT
 *
 * Who suspects whom, as the members last said, and whom a majority agrees on. What one
 * member suspects is its own affair: a link may be cut in one direction, or between two
 * members only. Only what a majority of the voters has suspected for the expel timeout
 * without interruption is acted upon. Any two majorities share a voter, and one member is
 * removed at a time, after which the new voters must agree anew: so two sides never
 * remove each other, and two members that merely do not hear each other both stay.
 *
 * Members are known by their places in a gr_memberset. No threads, no clock: `now` is the
 * host's time, in nanoseconds, and never goes back.
 */
#ifndef GR_MEMBERSHIP_SUSPICION_H
#define GR_MEMBERSHIP_SUSPICION_H

#include "base/memberset.h"

/* As many as a gr_memberset has bits. */
#define GR_SUSPICION_PLACES (8 * sizeof(gr_memberset))

struct gr_suspicion {
  gr_time lifetime_ns;   /* a report that is as old as this does not count any more */
  gr_memberset members;  /* may be suspected */
  gr_memberset voters;   /* and are asked */
  gr_memberset reported; /* whose report counts */
  gr_memberset agreed;   /* suspected by a majority */
  gr_memberset suspects[GR_SUSPICION_PLACES]; /* as last reported */
  gr_time reported_at[GR_SUSPICION_PLACES];
  gr_time agreed_since[GR_SUSPICION_PLACES]; /* of those in `agreed` */
};

/* In no view yet. `lifetime_ns` is several heartbeat intervals. */
void gr_suspicion_begin(struct gr_suspicion *suspicion, gr_time lifetime_ns);

/* A view was entered; `voters` are among `members`. What was said of, or by, those who
 * are in both views still holds. (A place that has gone to another member between two
 * views must be left out once in between.) */
void gr_suspicion_enter(struct gr_suspicion *suspicion, gr_memberset members,
                        gr_memberset voters, gr_time now);

/* Member `from`, or this one itself, suspects these now, and nobody else. What learners
 * report is not counted; nor what a member says of itself. */
void gr_suspicion_report(struct gr_suspicion *suspicion, uint32_t from,
                         gr_memberset suspects, gr_time now);

/* All that was reported is void: this process was stopped, so it does not know what the
 * others have said since. */
void gr_suspicion_forget(struct gr_suspicion *suspicion);

/* Since when a majority has suspected this member; GR_TIME_NEVER if none does now. */
gr_time gr_suspicion_agreed_since(struct gr_suspicion *suspicion, uint32_t index,
                                  gr_time now);

/* Whom to remove: the member that a majority has suspected for longest, if that is at
 * least `expel_timeout_ns`; of several the one with the lowest place; never `self`.
 * False: nobody. */
bool gr_suspicion_to_expel(struct gr_suspicion *suspicion, uint32_t self,
                           gr_time expel_timeout_ns, gr_time now, uint32_t *index);

/* The next time at which gr_suspicion_to_expel() may find somebody whom it does not find
 * now, if the reports stay as they are; GR_TIME_NEVER if there is none. */
gr_time gr_suspicion_deadline(const struct gr_suspicion *suspicion, uint32_t self,
                              gr_time expel_timeout_ns, gr_time now);

#endif
