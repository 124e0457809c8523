/* SPDX-License-Identifier: MIT
 *
 * See log.h. One write() a line, so that the lines of two threads, or of two processes
 * with one file, do not mix.
 */
#include "log.h"

#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <time.h>
#include <unistd.h>

static struct {
  int fd;
  _Atomic gr_member_id member; /* 0: it has no name yet */
  atomic_int failure;
} journal = {.fd = STDERR_FILENO};

void kv_log_name(gr_member_id member) {
  atomic_store(&journal.member, member);
}

bool kv_log_open(const char *path, gr_member_id member) {
  kv_log_name(member);
  if (!path) return true;
  journal.fd = open(path, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0644);
  return journal.fd >= 0;
}

static const char *level_name(enum gr_log_level level) {
  switch (level) {
  case GR_LOG_ERROR:
    return "error";
  case GR_LOG_WARNING:
    return "warning";
  case GR_LOG_INFO:
    return "info";
  }
  return "unknown";
}

static void note_failure(int error) {
  int none = 0;
  atomic_compare_exchange_strong(&journal.failure, &none, error);
}

void kv_log(enum gr_log_level level, const char *format, ...) {
  char line[1024];
  struct timespec now;
  struct tm calendar;
  clock_gettime(CLOCK_REALTIME, &now);
  gmtime_r(&now.tv_sec, &calendar);
  size_t size = strftime(line, sizeof(line), "%Y-%m-%dT%H:%M:%S", &calendar);
  size += (size_t)snprintf(line + size, sizeof(line) - size,
                           ".%03ldZ member %llu %s: ", now.tv_nsec / 1000000,
                           (unsigned long long)atomic_load(&journal.member),
                           level_name(level));
  va_list values;
  va_start(values, format);
  int text = vsnprintf(line + size, sizeof(line) - size - 1, format, values);
  va_end(values);
  size_t room = sizeof(line) - size - 2;
  size += text < 0 ? 0 : (size_t)text < room ? (size_t)text : room;
  line[size++] = '\n';
  for (size_t at = 0; at < size;) {
    ssize_t written = write(journal.fd, line + at, size - at);
    if (written < 0 && errno == EINTR) continue;
    if (written <= 0) {
      note_failure(written < 0 ? errno : ENOSPC);
      return;
    }
    at += (size_t)written;
  }
}

int kv_log_failure(void) {
  return atomic_load(&journal.failure);
}
