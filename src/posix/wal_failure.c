/* SPDX-License-Identifier: MIT
 *
 * See wal_failure.h.
 */
#include "posix/wal_failure.h"

#include <stdarg.h>
#include <stdio.h>

void gr_wal_text_set(struct gr_wal_text *text, const char *format, ...) {
  va_list arguments;
  va_start(arguments, format);
  vsnprintf(text->line, sizeof(text->line), format, arguments);
  va_end(arguments);
}

void gr_wal_failure_init(struct gr_wal_failure *failure, struct gr_waker *waker) {
  failure->waker = waker;
  failure->text.line[0] = '\0';
  atomic_init(&failure->is_set, false);
  pthread_mutex_init(&failure->mutex, NULL);
}

void gr_wal_failure_free(struct gr_wal_failure *failure) {
  pthread_mutex_destroy(&failure->mutex);
}

void gr_wal_fail(struct gr_wal_failure *failure, const struct gr_wal_text *text) {
  pthread_mutex_lock(&failure->mutex);
  if (!gr_wal_has_failed(failure)) {
    failure->text = *text;
    atomic_store(&failure->is_set, true);
  }
  pthread_mutex_unlock(&failure->mutex);
  if (failure->waker) gr_waker_notify(failure->waker);
}
