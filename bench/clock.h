/* SPDX-License-Identifier: MIT
 *
 * Time for the benchmarks: the monotonic clock, and pauses on it.
 */
#ifndef BENCH_CLOCK_H
#define BENCH_CLOCK_H

#include <stdint.h>
#include <time.h>

#define BENCH_SECOND_NS 1000000000ull
#define BENCH_MILLISECOND_NS 1000000ull

static inline uint64_t bench_now(void) {
  struct timespec now;
  clock_gettime(CLOCK_MONOTONIC, &now);
  return (uint64_t)now.tv_sec * BENCH_SECOND_NS + (uint64_t)now.tv_nsec;
}

static inline void bench_sleep_until(uint64_t when) {
  struct timespec until = {.tv_sec = (time_t)(when / BENCH_SECOND_NS),
                           .tv_nsec = (long)(when % BENCH_SECOND_NS)};
  while (clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &until, NULL) != 0) {
  }
}

static inline void bench_pause_ms(uint64_t milliseconds) {
  bench_sleep_until(bench_now() + milliseconds * BENCH_MILLISECOND_NS);
}

#endif
