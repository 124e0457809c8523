/* SPDX-License-Identifier: MIT
 *
 * What the disk under a directory can do, measured with plain system calls: the limits of
 * whatever keeps a log there. Each ends the process with one line if a call fails.
 */
#ifndef BENCH_DISK_H
#define BENCH_DISK_H

#include "histogram.h"

#include <stdbool.h>

/* Writes 4 KiB and syncs, again and again: behind the end of a file, so that each sync
 * has its size to write too, or over zeros that were written before. */
void disk_write_and_sync(const char *directory, bool append, uint64_t duration_ns,
                         struct histogram *times);

/* Megabytes (10^6) a second, of a new file of so many bytes, written 1 MiB at a time and
 * synced at the end. */
double disk_bandwidth(const char *directory, uint64_t bytes);

#endif
