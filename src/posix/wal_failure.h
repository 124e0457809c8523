/* SPDX-License-Identifier: MIT
 *
 * Why a log failed: the first cause, for good. What a disk holds after a write or sync
 * that failed nobody can tell, so nothing is ever tried again.
 */
#ifndef GR_POSIX_WAL_FAILURE_H
#define GR_POSIX_WAL_FAILURE_H

#include "posix/waker.h"

#include <pthread.h>

#define GR_WAL_TEXT_BYTES 512

/* One line that says what is wrong, for people. */
struct gr_wal_text {
  char line[GR_WAL_TEXT_BYTES];
};

struct gr_wal_failure {
  struct gr_waker *waker; /* notified; NULL: nobody */
  pthread_mutex_t mutex;
  _Atomic bool is_set; /* `text` is there, and does not change any more */
  struct gr_wal_text text;
};

void gr_wal_text_set(struct gr_wal_text *text, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

void gr_wal_failure_init(struct gr_wal_failure *failure, struct gr_waker *waker);
void gr_wal_failure_free(struct gr_wal_failure *failure);

/* From any thread. The first counts. */
void gr_wal_fail(struct gr_wal_failure *failure, const struct gr_wal_text *text);

static inline bool gr_wal_has_failed(const struct gr_wal_failure *failure) {
  return atomic_load(&failure->is_set);
}

#endif
