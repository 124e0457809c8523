/* SPDX-License-Identifier: MIT
 *
 * What tests of the write-ahead log share: records whose content follows from their
 * ticket, directories as images that can be damaged and put back, and what lies where in
 * them.
 */
#ifndef GR_TESTS_POSIX_WAL_IMAGES_H
#define GR_TESTS_POSIX_WAL_IMAGES_H

#include "posix/wal.h"

#define IMAGE_FILES_MAX 32
#define RECORD_BYTES_MAX 8192

/* A file of an image. */
struct image_file {
  char name[256];
  uint8_t *bytes;
  size_t size;
};

struct image {
  struct image_file files[IMAGE_FILES_MAX]; /* by name */
  size_t count;
};

/* One record, or end mark, in an image. */
struct place {
  size_t file; /* in the image */
  size_t at;
  size_t bytes;
  gr_ticket ticket; /* 0: the end mark */
  gr_ticket synced;
};

struct layout {
  struct place places[512];
  size_t count;
};

/* What a replay gave. */
struct given {
  gr_ticket first; /* the ticket that must come first */
  gr_ticket count;
  gr_ticket state; /* of the checkpoint: its content; 0: none came */
  int answer;      /* of the callback */
};

/* A new directory's name, in memory if the system has such files. */
void new_directory(char *path, size_t size);
void remove_directory(const char *path);

/* The content of record `ticket`. */
size_t record_bytes(gr_ticket ticket);
void record_fill(uint8_t *bytes, gr_ticket ticket);

/* Takes and checks records for `struct given`. */
int take_record(void *given, gr_ticket ticket, gr_slice record);

/* Opens and starts a log; aborts the test if it cannot. */
struct gr_wal *open_log(const char *path, uint64_t segment_bytes, struct given *given);

/* Appends records `from` .. `upto` and waits until they are durable. */
void append_records(struct gr_wal *wal, gr_ticket from, gr_ticket upto);

/* Has the state with the content `content` replace what is below `first`, and waits until
 * the checkpoint is there. */
void trim_log(struct gr_wal *wal, const char *path, gr_ticket first, gr_ticket content);

struct image image_load(const char *path);
void image_store(const struct image *image, const char *path);
void image_free(struct image *image);

/* Reads an undamaged image, by the description in wal_format.h alone. */
struct layout image_layout(const struct image *image);

#endif
