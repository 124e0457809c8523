/* SPDX-License-Identifier: MIT
 *
 * A group under flow control, simulated in virtual time. Members certify and apply what
 * all of them write, each at its own speed; what a member wrote itself it need not apply.
 * Writers are sessions that write, wait until they are admitted, and write on at once:
 * demand is as high as the writer is fast, unless it pauses. Each member tells all others
 * of itself ten times a second, if nothing else is said, and they hear it a little later.
 * No chance, no clock: the same run every time.
 */
#ifndef BENCH_FLOW_WORLD_H
#define BENCH_FLOW_WORLD_H

#include "flow_law.h"

#define FLOW_PERIODS_MAX 1000
#define FLOW_PARTS 10 /* of a period, for how evenly it is used */

struct flow_member_spec {
  double writes_per_s; /* when never held up; 0: writes nothing */
  double applies_per_s;
  double certifies_per_s;     /* 0: at once */
  double applies_bytes_per_s; /* besides; 0: bytes cost nothing */
  double joins_s; /* 0: is there from the beginning; else comes in then, recovering, */
  uint64_t joins_behind; /* with so many transactions to apply */
};

/* Of the slowest member, from `from_s` on once in `every_s`, for `for_s`: it applies at
 * `factor` of its speed. */
struct flow_trouble {
  double from_s, every_s, for_s, factor;
};

struct flow_scenario {
  const char *name;
  const char *title;
  struct flow_member_spec members[FLOW_MEMBERS_MAX];
  uint32_t slowest;              /* index */
  uint32_t sessions;             /* of each writer */
  uint64_t bytes_min, bytes_max; /* of a transaction; even in between */
  gr_flow_options options;
  struct flow_trouble trouble;
  double reports_every_s;              /* 0: a tenth of a second */
  double writes_every_s, writes_for_s; /* demand; 0: always */
  bool steady;    /* nothing changes: the admitted rate should not either */
  bool saturated; /* demand never ends: the slowest should never idle */
};

struct flow_series {
  uint64_t admitted[FLOW_PERIODS_MAX];
  uint64_t parts[FLOW_PERIODS_MAX * FLOW_PARTS]; /* admitted in each tenth of a period */
  double backlog[FLOW_PERIODS_MAX]; /* at most, of the fullest queue, in percent of its
                                       limit */
  double busy[FLOW_PERIODS_MAX];    /* share of the time in which the slowest had work */
};

/* Runs for so many periods, of one second; the members recovering do not count into the
 * backlog. */
void flow_world_run(const struct flow_scenario *scenario,
                    struct flow_law (*law)(const gr_flow_options *options),
                    uint32_t periods, struct flow_series *series);

#endif
