/* SPDX-License-Identifier: MIT
 *
 * Log lines, from any thread. A line that cannot be written is not lost silently: the
 * process then ends with an error, which kv_log_failure() lets it notice.
 */
#ifndef KV_LOG_H
#define KV_LOG_H

#include <gr/posix.h>

/* Opens the log; NULL is standard error. False: errno says why. Once, before any thread.
 */
bool kv_log_open(const char *path, gr_member_id member);

/* Lines name this member from now on. From any thread. */
void kv_log_name(gr_member_id member);

/* Writes one line: time, member, level, text. */
void kv_log(enum gr_log_level level, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

/* The errno of the first line that could not be written; 0 if there is none. */
int kv_log_failure(void);

#endif
