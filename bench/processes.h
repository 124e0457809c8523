/* SPDX-License-Identifier: MIT
 *
 * The processes of one run. Children never outlive it: they are killed when the run
 * fails, and the kernel kills them if the parent dies. A child that fails leaves one line
 * for the parent.
 */
#ifndef BENCH_PROCESSES_H
#define BENCH_PROCESSES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#define PROCESSES_MAX 31
#define PROCESSES_ERROR_BYTES 256

struct processes {
  size_t count;
  pid_t pids[PROCESSES_MAX];             /* 0: not running */
  char (*errors)[PROCESSES_ERROR_BYTES]; /* shared: why each failed */
};

/* Memory that this process and its future children share, zeroed, taken from the system
 * only where it is touched. Ends the process if there is none. */
void *shared_memory(size_t bytes);

/* What a child does; `index` says which it is. Returning ends it with success. */
typedef void child_function(void *context, size_t index);

void processes_start(struct processes *processes, size_t count, child_function *function,
                     void *context);

/* In a child: ends it with the line that the parent will print. */
_Noreturn void child_fail(const char *format, ...) __attribute__((format(printf, 1, 2)));

/* In the parent: ends it, and all children, with one line. */
_Noreturn void processes_fail(struct processes *processes, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

/* Fails, with its own words, if a child has ended. To be called while waiting for them.
 */
void processes_watch(struct processes *processes);

/* Waits until all have ended well; fails when one does not, or at the deadline. */
void processes_join(struct processes *processes, uint64_t deadline_ns);

/* Kills one, and waits until it is gone. */
void processes_kill(struct processes *processes, size_t index);

/* The processor time, of user and system, that one has used so far. */
uint64_t processes_cpu_ns(struct processes *processes, size_t index);

/* The most memory that one has had in use so far. */
uint64_t processes_peak_bytes(struct processes *processes, size_t index);

/* Finds `count` TCP ports that nobody listens on now, below the range from which the
 * system gives ports to outgoing connections. Ends the process if there are not enough.
 */
void free_ports(uint16_t *ports, size_t count);

#endif
