/* SPDX-License-Identifier: MIT
 *
 * See disk.h.
 */
#include "disk.h"

#include "clock.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define PAGE_BYTES 4096u
#define CHUNK_BYTES (1u << 20)
#define ZEROED_BYTES (16u << 20) /* of the file that is written over */

static _Noreturn void give_up(const char *call, const char *directory) {
  fprintf(stderr, "cannot %s a file in %s: %s\n", call, directory, strerror(errno));
  exit(EXIT_FAILURE);
}

/* A file without a name: gone when it is closed. */
static int make_file(const char *directory) {
  int file = open(directory, O_TMPFILE | O_RDWR | O_CLOEXEC, 0666);
  if (file < 0) give_up("make", directory);
  return file;
}

static void write_at(const char *directory, int file, const uint8_t *bytes, size_t size,
                     uint64_t offset) {
  if (pwrite(file, bytes, size, (off_t)offset) != (ssize_t)size)
    give_up("write", directory);
}

static void sync_data(const char *directory, int file) {
  if (fdatasync(file) != 0) give_up("sync", directory);
}

static void write_chunks(const char *directory, int file, uint64_t bytes, int value) {
  uint8_t *chunk = malloc(CHUNK_BYTES);
  if (chunk == NULL) give_up("find memory for", directory);
  memset(chunk, value, CHUNK_BYTES);
  for (uint64_t offset = 0; offset < bytes; offset += CHUNK_BYTES)
    write_at(directory, file, chunk, CHUNK_BYTES, offset);
  sync_data(directory, file);
  free(chunk);
}

void disk_write_and_sync(const char *directory, bool append, uint64_t duration_ns,
                         struct histogram *times) {
  uint8_t page[PAGE_BYTES];
  int file = make_file(directory);
  memset(page, 0x5a, sizeof(page));
  if (!append) write_chunks(directory, file, ZEROED_BYTES, 0);
  const uint64_t start = bench_now();
  uint64_t before = start;
  for (uint64_t offset = 0; before - start < duration_ns; offset += PAGE_BYTES) {
    write_at(directory, file, page, sizeof(page),
             append ? offset : offset % ZEROED_BYTES);
    sync_data(directory, file);
    const uint64_t after = bench_now();
    histogram_add(times, after - before);
    before = after;
  }
  close(file);
}

double disk_bandwidth(const char *directory, uint64_t bytes) {
  int file = make_file(directory);
  const uint64_t before = bench_now();
  write_chunks(directory, file, bytes, 0x5a);
  const uint64_t took = bench_now() - before;
  close(file);
  return (double)bytes * 1e3 / (double)took;
}
