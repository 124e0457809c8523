/* SPDX-License-Identifier: MIT
 *
 * See child.h.
 */
#include "child.h"

#include <errno.h>
#include <limits.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

/* It has time: clients and members do not wait for it. */
#define NICENESS 10

/* Nothing stays open that others wait to see closed: neither sockets nor the log, which a
 * next process must be able to lock. The child does not outlive its parent, whose
 * successor writes the same files. */
static void work_in_child(kv_child_work *work, const void *context, int fd,
                          pid_t parent) {
  const int kept = STDERR_FILENO + 1;
  if (prctl(PR_SET_PDEATHSIG, SIGKILL) != 0 || getppid() != parent) _exit(ESRCH);
  if (setpriority(PRIO_PROCESS, 0, NICENESS) != 0) _exit(errno);
  if (fd != kept && dup2(fd, kept) < 0) _exit(errno);
  if (close_range(kept + 1, UINT_MAX, 0) != 0) _exit(errno);
  _exit(work(context, kept));
}

pid_t kv_child_begin(kv_child_work *work, const void *context, int fd) {
  pid_t self = getpid();
  pid_t child = fork();
  if (child == 0) work_in_child(work, context, fd, self);
  return child;
}

bool kv_child_has_ended(pid_t child, int *error) {
  int status = 0;
  pid_t ended = waitpid(child, &status, WNOHANG);
  if (ended == 0) return false;
  *error = ended > 0 && WIFEXITED(status) ? WEXITSTATUS(status) : EINTR;
  return true;
}

void kv_child_kill(pid_t child) {
  kill(child, SIGKILL);
  waitpid(child, NULL, 0);
}
