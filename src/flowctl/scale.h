/* SPDX-License-Identifier: MIT
 *
 * Proportions in integers. Speeds are in thousandths a second, so that one transaction in
 * ten minutes is still a speed.
 */
#ifndef GR_FLOWCTL_SCALE_H
#define GR_FLOWCTL_SCALE_H

#include <gr/types.h>

#define GR_FLOW_SECOND_NS UINT64_C(1000000000)
/* A speed of s takes one thing a GR_FLOW_SPEED_ONE / s nanoseconds. */
#define GR_FLOW_SPEED_ONE (UINT64_C(1000) * GR_FLOW_SECOND_NS)
#define GR_FLOW_UNLIMITED UINT64_MAX

static inline uint64_t gr_flow_plus(uint64_t a, uint64_t b) {
  return a > UINT64_MAX - b ? UINT64_MAX : a + b;
}

static inline uint64_t gr_flow_minus(uint64_t a, uint64_t b) {
  return a > b ? a - b : 0;
}

/* a * b / c: exact if it and the remainder's product fit into 64 bits, which is so for
 * all that is realistic; else to about the precision that does fit; UINT64_MAX if it is
 * more than that. */
static inline uint64_t gr_flow_scale(uint64_t a, uint64_t b, uint64_t c) {
  if (a == 0 || b == 0) return 0;
  if (c == 0) return UINT64_MAX;
  uint64_t whole = a / c;
  uint64_t rest = a % c;
  if (whole > UINT64_MAX / b) return UINT64_MAX;
  while (rest > UINT64_MAX / b) {
    rest >>= 1;
    c >>= 1;
  }
  return gr_flow_plus(whole * b, rest / c * b + rest % c * b / c);
}

/* How many a second, in thousandths, `count` in `time` are; and back. */
static inline uint64_t gr_flow_speed(uint64_t count, gr_time time) {
  return gr_flow_scale(count, GR_FLOW_SPEED_ONE, time);
}

static inline uint64_t gr_flow_count(uint64_t speed, gr_time time) {
  return gr_flow_scale(speed, time, GR_FLOW_SPEED_ONE);
}

static inline gr_time gr_flow_duration(uint64_t count, uint64_t speed) {
  return gr_flow_scale(count, GR_FLOW_SPEED_ONE, speed);
}

#endif
