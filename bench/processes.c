/* SPDX-License-Identifier: MIT
 *
 * Starting, watching and ending the processes of a run.
 */
#include "processes.h"

#include "clock.h"

#include <arpa/inet.h>
#include <errno.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

/* Where the running child leaves its last words. */
static char *child_error;

void *shared_memory(size_t bytes) {
  void *memory = mmap(NULL, bytes, PROT_READ | PROT_WRITE,
                      MAP_SHARED | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  if (memory != MAP_FAILED) return memory;
  fprintf(stderr, "no shared memory of %zu bytes: %s\n", bytes, strerror(errno));
  exit(EXIT_FAILURE);
}

static _Noreturn void run_child(struct processes *processes, size_t index, pid_t parent,
                                child_function *function, void *context) {
  child_error = processes->errors[index];
  prctl(PR_SET_PDEATHSIG, SIGKILL);
  if (getppid() != parent) _exit(EXIT_FAILURE); /* it died before we could ask for that */
  function(context, index);
  _exit(EXIT_SUCCESS);
}

void processes_start(struct processes *processes, size_t count, child_function *function,
                     void *context) {
  *processes = (struct processes){.count = count};
  processes->errors = shared_memory(count * PROCESSES_ERROR_BYTES);
  pid_t parent = getpid();
  fflush(NULL); /* what is buffered must not be printed again by each child */
  for (size_t i = 0; i < count; i++) {
    pid_t pid = fork();
    if (pid == 0) run_child(processes, i, parent, function, context);
    if (pid < 0) processes_fail(processes, "fork: %s", strerror(errno));
    processes->pids[i] = pid;
  }
}

_Noreturn void child_fail(const char *format, ...) {
  va_list arguments;
  va_start(arguments, format);
  vsnprintf(child_error, PROCESSES_ERROR_BYTES, format, arguments);
  va_end(arguments);
  _exit(EXIT_FAILURE);
}

_Noreturn void processes_fail(struct processes *processes, const char *format, ...) {
  va_list arguments;
  va_start(arguments, format);
  vfprintf(stderr, format, arguments);
  va_end(arguments);
  fputc('\n', stderr);
  for (size_t i = 0; i < processes->count; i++) processes_kill(processes, i);
  exit(EXIT_FAILURE);
}

/* Notes how the child ended; fails unless it ended well and that was expected. */
static void ended(struct processes *processes, size_t index, int status, bool expected) {
  processes->pids[index] = 0;
  if (expected && WIFEXITED(status) && WEXITSTATUS(status) == EXIT_SUCCESS) return;
  const char *error = processes->errors[index];
  if (WIFSIGNALED(status))
    processes_fail(processes, "process %zu was ended by signal %d", index + 1,
                   WTERMSIG(status));
  processes_fail(processes, "process %zu: %s", index + 1,
                 error[0] != '\0' ? error : "ended before it should have");
}

static size_t reap(struct processes *processes, bool expected) {
  size_t running = 0;
  for (size_t i = 0; i < processes->count; i++) {
    int status = 0;
    if (processes->pids[i] == 0) continue;
    if (waitpid(processes->pids[i], &status, WNOHANG) == processes->pids[i])
      ended(processes, i, status, expected);
    else
      running++;
  }
  return running;
}

void processes_watch(struct processes *processes) {
  reap(processes, false);
}

void processes_join(struct processes *processes, uint64_t deadline_ns) {
  while (reap(processes, true) > 0) {
    if (bench_now() > deadline_ns)
      processes_fail(processes, "a process did not end when it was told to");
    bench_pause_ms(1);
  }
  munmap(processes->errors, processes->count * PROCESSES_ERROR_BYTES);
}

void processes_kill(struct processes *processes, size_t index) {
  if (processes->pids[index] == 0) return;
  kill(processes->pids[index], SIGKILL);
  waitpid(processes->pids[index], NULL, 0);
  processes->pids[index] = 0;
}

uint64_t processes_cpu_ns(struct processes *processes, size_t index) {
  clockid_t clock;
  struct timespec used;
  if (clock_getcpuclockid(processes->pids[index], &clock) != 0 ||
      clock_gettime(clock, &used) != 0)
    processes_fail(processes, "no processor clock of process %zu", index + 1);
  return (uint64_t)used.tv_sec * BENCH_SECOND_NS + (uint64_t)used.tv_nsec;
}

uint64_t processes_peak_bytes(struct processes *processes, size_t index) {
  char line[128];
  unsigned long long kib = 0;
  snprintf(line, sizeof(line), "/proc/%d/status", (int)processes->pids[index]);
  FILE *status = fopen(line, "r");
  while (status != NULL && kib == 0 && fgets(line, sizeof(line), status) != NULL)
    sscanf(line, "VmHWM: %llu kB", &kib);
  if (status != NULL) fclose(status);
  if (kib == 0) processes_fail(processes, "no memory figures of process %zu", index + 1);
  return (uint64_t)kib * 1024;
}

static bool is_free(uint16_t port) {
  int listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  if (listener < 0) return false;
  struct sockaddr_in address = {.sin_family = AF_INET,
                                .sin_port = htons(port),
                                .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
  bool bound = bind(listener, (struct sockaddr *)&address, sizeof(address)) == 0;
  close(listener);
  return bound;
}

void free_ports(uint16_t *ports, size_t count) {
  const uint32_t lowest = 12000;
  const uint32_t range =
      20000; /* ends below 32768, where the system's own choice begins */
  uint32_t start = (uint32_t)(bench_now() / 1000 + (uint64_t)getpid() * 997) % range;
  size_t found = 0;
  for (uint32_t i = 0; i < range && found < count; i++) {
    uint16_t port = (uint16_t)(lowest + (start + i) % range);
    if (is_free(port)) ports[found++] = port;
  }
  if (found == count) return;
  fprintf(stderr, "no %zu free ports on 127.0.0.1\n", count);
  exit(EXIT_FAILURE);
}
