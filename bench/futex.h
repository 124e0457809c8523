/* SPDX-License-Identifier: MIT
 *
 * Sleeping until another thread of the same process changes a word.
 */
#ifndef BENCH_FUTEX_H
#define BENCH_FUTEX_H

#include "clock.h"

#include <linux/futex.h>
#include <stdatomic.h>
#include <stddef.h>
#include <sys/syscall.h>
#include <unistd.h>

/* Sleeps while `*word` is `seen`, at most `timeout_ns`. May return early. */
static inline void futex_wait(_Atomic uint32_t *word, uint32_t seen,
                              uint64_t timeout_ns) {
  struct timespec timeout = {.tv_sec = (time_t)(timeout_ns / BENCH_SECOND_NS),
                             .tv_nsec = (long)(timeout_ns % BENCH_SECOND_NS)};
  syscall(SYS_futex, word, FUTEX_WAIT_PRIVATE, seen, &timeout, NULL, 0);
}

static inline void futex_wake(_Atomic uint32_t *word) {
  atomic_fetch_add(word, 1);
  syscall(SYS_futex, word, FUTEX_WAKE_PRIVATE, 1, NULL, NULL, 0);
}

#endif
