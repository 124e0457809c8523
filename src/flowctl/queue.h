/* SPDX-License-Identifier: MIT
 *
 * The law, for one queue of one member: how much waits there and how fast it is worked
 * off in, the quota for the whole group out.
 *
 * The quota is the speed at which the queue is worked off, corrected so that the queue
 * comes to its aim, and stays there: so full that who works it off never idles.
 *
 *   quota ^
 *         |\  speed * (1 + release - hold)
 *         |  \
 *   speed |- - \
 *         |    : \
 *         |    :   \
 *         |    :     \
 *         |    :       |
 *         +----+-------+--> waiting
 *         0   aim     90 % of the limit
 *
 * The line would meet zero at 95 % of the limit; from 90 % on writes pause. Up to 10 %
 * (level 0) there is no quota; one that was there is released: from the speed on, by
 * release_percent a period.
 */
#ifndef GR_FLOWCTL_QUEUE_H
#define GR_FLOWCTL_QUEUE_H

#include <gr/types.h>

/* Counts over windows of at least a period, and of 16 things or four periods, so that a
 * slow member's speed is not mostly rounding; for the same reason a window of few ends as
 * one of them is counted, if that happens in another four. */
struct gr_flow_meter {
  uint64_t total;        /* as last told */
  uint64_t window_total; /* as the window began */
  gr_time window_since;
};

struct gr_flow_queue {
  struct gr_flow_meter done;
  uint64_t waiting;
  uint64_t speed; /* thousandths a second, while there is something to do; 0: not known */
  uint64_t quota; /* thousandths a second, by the law; GR_FLOW_UNLIMITED: none */
  bool idle;      /* may have been, for some of this window */

  /* As judged last. */
  uint64_t limit;
  uint64_t burst;        /* may be admitted at once, if there is no quota */
  uint64_t use_permille; /* of its limit */
  bool by_time;          /* its limit is the time that it takes */
};

struct gr_flow_law {
  uint64_t limit;    /* GR_FLOW_UNLIMITED: none */
  gr_time lag_limit; /* 0: none */
  uint64_t hold;     /* percent */
  uint64_t release;  /* percent */
  gr_time feedback;  /* how long it takes until a change shows */
  bool never_pauses; /* of a member that recovers: it has to catch up */
};

/* Levels 0 to 5. */
#define GR_FLOW_LEVEL_MAX 5
uint64_t gr_flow_level(uint64_t use_permille);

void gr_flow_meter_begin(struct gr_flow_meter *meter, uint64_t total, gr_time now);

/* True if a window has closed with that: then `*speed` was the speed in it. */
bool gr_flow_meter_count(struct gr_flow_meter *meter, uint64_t total, gr_time period,
                         gr_time now, uint64_t *speed);

void gr_flow_queue_begin(struct gr_flow_queue *queue, uint64_t waiting, uint64_t done,
                         gr_time now);
void gr_flow_queue_report(struct gr_flow_queue *queue, uint64_t waiting, uint64_t done,
                          gr_time period, gr_time now);

/* A period has ended. */
void gr_flow_queue_release(struct gr_flow_queue *queue, uint64_t release);

/* What all members together may admit, in thousandths a second. */
uint64_t gr_flow_queue_judge(struct gr_flow_queue *queue, const struct gr_flow_law *law,
                             gr_time now);

#endif
