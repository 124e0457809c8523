/* SPDX-License-Identifier: MIT
 *
 * A forked child that writes one file while this process goes on: it sees the memory as
 * it was at the fork.
 */
#ifndef KV_CHILD_H
#define KV_CHILD_H

#include <stdbool.h>
#include <sys/types.h>

/* What the child does: 0, or an errno. Its parent has threads, and any of them may hold
 * any lock at the moment of the fork: only system calls, no memory, no lock. */
typedef int kv_child_work(const void *context, int fd);

/* Begins it. It keeps nothing open but the standard streams and `fd`, which it knows by
 * another number, and does not outlive the thread that calls this. -1: errno says why. */
pid_t kv_child_begin(kv_child_work *work, const void *context, int fd);

/* True if it has ended; `*error` is what its work answered. Not to be asked again then.
 */
bool kv_child_has_ended(pid_t child, int *error);

/* Ends it at once. */
void kv_child_kill(pid_t child);

#endif
