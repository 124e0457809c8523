/* SPDX-License-Identifier: MIT
 *
 * The clock that nodes run by. CLOCK_MONOTONIC: not set by anybody, and read without a
 * system call.
 */
#include <gr/posix.h>

#include <time.h>

gr_time gr_posix_now(void) {
  struct timespec at;
  (void)clock_gettime(CLOCK_MONOTONIC, &at); /* cannot fail: the clock is always there */
  return (gr_time)at.tv_sec * UINT64_C(1000000000) + (gr_time)at.tv_nsec;
}
