/* SPDX-License-Identifier: MIT */
#include "flowctl/bucket.h"

#include "flowctl/scale.h"

/* Fractions of a nanosecond, so that a byte at gigabytes a second costs what it costs. */
#define FRACTION_BITS 10
/* A century; what is beyond is never paid back. */
#define DEBT_MAX (UINT64_MAX / 2)

static bool limits(const struct gr_flow_bucket *bucket) {
  return bucket->speed != 0 && bucket->speed != GR_FLOW_UNLIMITED;
}

static void lower(struct gr_flow_bucket *bucket, gr_time time) {
  bool all = time > (bucket->debt >> FRACTION_BITS);
  bucket->debt = all ? 0 : bucket->debt - (time << FRACTION_BITS);
}

static void pay(struct gr_flow_bucket *bucket, gr_time now) {
  gr_time passed = gr_flow_minus(now, bucket->paid);
  bucket->paid += passed;
  if (bucket->speed == 0) return; /* nothing goes on */
  lower(bucket, passed);
}

void gr_flow_bucket_set(struct gr_flow_bucket *bucket, uint64_t speed, gr_time now) {
  pay(bucket, now);
  bucket->speed = speed;
  if (speed == GR_FLOW_UNLIMITED) bucket->debt = 0;
  if (!limits(bucket) || speed == bucket->priced) return;
  bucket->debt = gr_flow_scale(bucket->debt, bucket->priced, speed);
  if (bucket->debt > DEBT_MAX) bucket->debt = DEBT_MAX;
  bucket->priced = speed;
}

gr_time gr_flow_bucket_due(struct gr_flow_bucket *bucket, gr_time allowance,
                           gr_time now) {
  pay(bucket, now);
  if (bucket->speed == 0) return GR_TIME_NEVER;
  uint64_t fraction = (UINT64_C(1) << FRACTION_BITS) - 1;
  gr_time owed = (bucket->debt >> FRACTION_BITS) + ((bucket->debt & fraction) != 0);
  return gr_flow_plus(now, gr_flow_minus(owed, allowance));
}

void gr_flow_bucket_forgive(struct gr_flow_bucket *bucket, gr_time time, gr_time now) {
  pay(bucket, now);
  lower(bucket, time);
}

void gr_flow_bucket_take(struct gr_flow_bucket *bucket, uint64_t cost, gr_time now) {
  pay(bucket, now);
  if (!limits(bucket)) return;
  uint64_t more = gr_flow_scale(cost, GR_FLOW_SPEED_ONE << FRACTION_BITS, bucket->speed);
  bucket->debt = gr_flow_plus(bucket->debt, more);
  if (bucket->debt > DEBT_MAX) bucket->debt = DEBT_MAX;
}
