/* SPDX-License-Identifier: MIT
 *
 * A hint that a cache line will be needed soon.
 */
#ifndef GR_BASE_PREFETCH_H
#define GR_BASE_PREFETCH_H

/* The empty instruction counts as an effect. Without it GCC takes a function that does
 * nothing but prefetch for one without any, and deletes the calls of it. */
static inline void gr_prefetch(const void *line) {
  __builtin_prefetch(line);
  __asm__ volatile("");
}

#endif
