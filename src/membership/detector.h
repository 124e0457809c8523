/* SPDX-License-Identifier: MIT
 *
 * Is a peer silent for longer than it used to be? One detector watches one peer. It
 * learns the peer's rhythm and derives from it how much silence means something: the mean
 * of the silences plus four of their mean deviations, which is how RFC 6298 (section 2)
 * sets a retransmission timer from round trips, in integers. It is the idea of the phi
 * accrual failure detector (Hayashibara, Defago, Yared, Katayama: The phi Accrual Failure
 * Detector, SRDS 2004) with one threshold instead of a scale, so without logarithms.
 *
 * A silence is learned at most once a heartbeat interval, and as no less than that
 * interval. A busy peer, whose frames come every few microseconds, is thus not suspected
 * as soon as it has nothing more to say than heartbeats, and a thousand frames at once
 * weigh no more than one. (No silence that matters is missed: one of an interval or more
 * is always learned.)
 *
 * No threads, no clock: `now` is the host's time and never goes back. Times are
 * nanoseconds.
 */
#ifndef GR_MEMBERSHIP_DETECTOR_H
#define GR_MEMBERSHIP_DETECTOR_H

#include <gr/types.h>

/* Of the times at which suspicion began so many are kept. */
#define GR_DETECTOR_FLAPS_MAX 16

struct gr_detector_settings {
  gr_time heartbeat_interval_ns; /* how often a peer with nothing else to say is heard */
  gr_time floor_ns;              /* silence below it is never suspect; default 500 ms */
  gr_time ceiling_ns;            /* silence beyond it always is; default 5 s */
};

struct gr_detector {
  gr_time heard;       /* the last frame, or the beginning */
  gr_time learned;     /* when a silence was learned last, or the beginning */
  gr_time mean;        /* of the silences; 0: none was learned yet */
  gr_time deviation;   /* their mean distance from the mean */
  bool suspected;      /* as of the last gr_detector_poll() */
  uint64_t suspicions; /* how often that became true */
  gr_time began[GR_DETECTOR_FLAPS_MAX]; /* when: the nth in place n modulo the size */
};

/* A peer that is new, or new as this process: nothing is known of its rhythm. */
void gr_detector_begin(struct gr_detector *detector, gr_time now);

/* A frame of the peer has come; any frame is a sign of life. Ends a suspicion. */
void gr_detector_heard(struct gr_detector *detector,
                       const struct gr_detector_settings *settings, gr_time now);

/* How much silence makes the peer suspect: between floor and ceiling, but never less than
 * two heartbeat intervals. The ceiling while nothing was learned. */
gr_time gr_detector_limit(const struct gr_detector *detector,
                          const struct gr_detector_settings *settings);

/* Whether the peer is suspected now; begins a suspicion if it is time. */
bool gr_detector_poll(struct gr_detector *detector,
                      const struct gr_detector_settings *settings, gr_time now);

/* When gr_detector_poll() will begin to suspect if nothing is heard; GR_TIME_NEVER if the
 * peer is suspected already. */
gr_time gr_detector_deadline(const struct gr_detector *detector,
                             const struct gr_detector_settings *settings);

/* How often a suspicion began within the last `window_ns`, up to GR_DETECTOR_FLAPS_MAX.
 */
uint32_t gr_detector_flaps(const struct gr_detector *detector, gr_time window_ns,
                           gr_time now);

/* ---- this process's own pauses ----
 *
 * A process that was stopped, or whose machine slept, has heard nobody meanwhile; that
 * says nothing about the others. It knows its own lateness: it ought to run at least once
 * a heartbeat interval. What it did not run is not counted as anybody's silence. */

struct gr_awake {
  gr_time turn; /* when this process last ran */
};

void gr_awake_begin(struct gr_awake *awake, gr_time now);

/* This process runs. To be called before anything else whenever time comes in, with a
 * frame as well. How long it was kept from running, which is to be given to
 * gr_detector_forgive() of every peer; 0 unless it is late by more than one interval. */
gr_time gr_awake_turn(struct gr_awake *awake, gr_time heartbeat_interval_ns, gr_time now);

/* Of the time that has passed since the peer was heard, `pause` does not count. */
void gr_detector_forgive(struct gr_detector *detector, gr_time pause);

#endif
