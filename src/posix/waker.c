/* SPDX-License-Identifier: MIT
 *
 * See waker.h.
 */
#include "posix/waker.h"

#include <stdint.h>
#include <sys/eventfd.h>
#include <unistd.h>

bool gr_waker_init(struct gr_waker *waker) {
  atomic_init(&waker->asleep, false);
  waker->eventfd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
  return waker->eventfd >= 0;
}

void gr_waker_free(struct gr_waker *waker) {
  if (waker->eventfd >= 0) close(waker->eventfd);
  waker->eventfd = -1;
}

void gr_waker_notify(struct gr_waker *waker) {
  if (!atomic_load(&waker->asleep)) return;
  if (!atomic_exchange(&waker->asleep, false)) return;
  const uint64_t one = 1;
  /* It can only fail when the counter is about to overflow, after 2^64 writes. */
  ssize_t written = write(waker->eventfd, &one, sizeof(one));
  (void)written;
}
