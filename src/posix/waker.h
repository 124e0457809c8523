/* SPDX-License-Identifier: MIT
 *
 * Wakes the node's thread from others, with a system call only if it sleeps.
 *
 * No wake-up is lost. A producer first makes its work visible, then reads `asleep`; the
 * loop first sets `asleep`, then looks for work. Each of these four accesses is
 * sequentially consistent, so in their one order either the producer's read follows the
 * loop's set, and the producer writes to the eventfd, or the loop's look follows the
 * producer's work, and the loop does not sleep. Of several producers that see `asleep`,
 * the exchange lets one write.
 *
 * The eventfd is watched edge-triggered: every write to it is a new edge, so nobody ever
 * needs to read it.
 */
#ifndef GR_POSIX_WAKER_H
#define GR_POSIX_WAKER_H

#include <stdatomic.h>
#include <stdbool.h>

struct gr_waker {
  _Atomic bool asleep;
  int eventfd;
};

/* False, with errno, if the system gives no eventfd. */
bool gr_waker_init(struct gr_waker *waker);
void gr_waker_free(struct gr_waker *waker);

/* From any thread, after a sequentially consistent store that makes the work visible. */
void gr_waker_notify(struct gr_waker *waker);

#endif
