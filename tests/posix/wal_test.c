/* SPDX-License-Identifier: MIT
 *
 * The write-ahead log from outside: coming back, checkpoints, recycled files, the lock,
 * and each thing that can be wrong with the directory, with the line that says so.
 */
#include "wal_images.h"

#include "base/bytes.h"

#include <criterion/criterion.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#define SEGMENT_BYTES 1024

static char path[64];

static void make_directory(void) {
  new_directory(path, sizeof(path));
}

static void drop_directory(void) {
  remove_directory(path);
}

TestSuite(wal, .init = make_directory, .fini = drop_directory, .timeout = 60);

/* A log of records 1 .. `count`, each synced by itself. */
static void write_log(gr_ticket count) {
  struct given given = {.first = 1};
  struct gr_wal *wal = open_log(path, SEGMENT_BYTES, &given);
  for (gr_ticket ticket = 1; ticket <= count; ticket++)
    append_records(wal, ticket, ticket);
  gr_wal_close(wal);
}

/* The directory is refused, with a line that has this in it. */
static void refused(int error, const char *line) {
  struct given given = {.first = 1};
  struct gr_wal_text why = {""};
  struct gr_wal *wal = NULL;
  int answer = gr_wal_open(&wal, path, SEGMENT_BYTES, 0, NULL, &why);
  if (answer == GR_OK) answer = gr_wal_start(wal, take_record, &given, &why);
  cr_assert_eq(answer, error, "answers %d: %s", answer, why.line);
  cr_assert(strstr(why.line, line), "says %s", why.line);
  gr_wal_close(wal);
}

static int file_in(const char *name, int flags) {
  char full[128];
  snprintf(full, sizeof(full), "%s/%s", path, name);
  int file = open(full, flags, 0600);
  cr_assert_geq(file, 0, "%s", full);
  return file;
}

static void remove_in(const char *name) {
  char full[128];
  snprintf(full, sizeof(full), "%s/%s", path, name);
  cr_assert_eq(unlink(full), 0, "%s", full);
}

/* Puts `size` bytes at `at`. */
static void overwrite(const char *name, size_t at, const void *bytes, size_t size) {
  int file = file_in(name, O_WRONLY);
  cr_assert_eq(pwrite(file, bytes, size, (off_t)at), (ssize_t)size);
  close(file);
}

/* ---- coming back ---- */

Test(wal, comes_back_again_and_again) {
  for (gr_ticket round = 0; round < 20; round++) {
    struct given given = {.first = 1};
    struct gr_wal *wal = open_log(path, SEGMENT_BYTES, &given);
    cr_assert_eq(given.count, round * 7);
    if (round % 3 != 2)
      append_records(wal, round * 7 + 1, round * 7 + 7);
    else /* without a sync: the close does it */
      for (gr_ticket ticket = round * 7 + 1; ticket <= round * 7 + 7; ticket++) {
        uint8_t bytes[RECORD_BYTES_MAX];
        record_fill(bytes, ticket);
        const gr_slice part = {.data = bytes, .size = record_bytes(ticket)};
        cr_assert(gr_wal_append(wal, ticket, &part, 1));
      }
    gr_wal_close(wal);
  }
}

Test(wal, figures) {
  struct given given = {.first = 1};
  struct gr_wal *wal = open_log(path, SEGMENT_BYTES, &given);
  append_records(wal, 1, 3);
  append_records(wal, 4, 4);
  gr_node_storage figures = {.size = sizeof(figures)};
  gr_wal_close(wal);
  given.count = 0;
  wal = open_log(path, SEGMENT_BYTES, &given);
  append_records(wal, 5, 6);
  while (figures.records < 2)
    gr_wal_measure(wal, &figures); /* just behind the durable ticket */
  cr_assert_eq(figures.records, 2);
  cr_assert_eq(figures.bytes, 32 + 24 + 40 + 24 + 136, "header and records 5 and 6");
  cr_assert_eq(figures.syncs, 1);
  cr_assert_eq(figures.restored_records, 4);
  cr_assert_eq(figures.restored_bytes, 32 + 32 + 32 + 40);
  cr_assert_eq(figures.torn_bytes, 0);
  gr_wal_close(wal);
}

Test(wal, written_by_the_caller) {
  struct given given = {.first = 1};
  struct gr_wal *wal = open_log(path, SEGMENT_BYTES, &given);
  uint8_t bytes[RECORD_BYTES_MAX];
  for (gr_ticket ticket = 1; ticket <= 100; ticket++) {
    record_fill(bytes, ticket);
    const gr_slice part = {.data = bytes, .size = record_bytes(ticket)};
    cr_assert(gr_wal_append(wal, ticket, &part, 1));
    if (ticket == 1) cr_assert(gr_wal_is_quick(wal));
    gr_wal_write(wal);
    cr_assert_eq(gr_wal_durable(wal), ticket);
  }
  static const uint8_t much[32 * 1024];
  const gr_slice large = {.data = much, .size = sizeof(much)};
  cr_assert(gr_wal_append(wal, 101, &large, 1));
  cr_assert_not(gr_wal_is_quick(wal), "too much");
  gr_wal_close(wal);
}

static int take_large(void *context, gr_ticket ticket, gr_slice record) {
  uint64_t *bytes = context;
  cr_assert_gt(ticket, 0);
  for (size_t i = 0; i < record.size; i++)
    if (((const uint8_t *)record.data)[i] != (uint8_t)(i / 997 + ticket))
      return GR_ERR_HOST;
  *bytes += record.size;
  return GR_OK;
}

/* Records larger than a segment, and than the window that reads them. */
Test(wal, large_records) {
  const size_t size = 9 << 20;
  struct gr_wal *wal = NULL;
  struct gr_wal_text why;
  uint64_t got = 0;
  uint8_t *bytes = malloc(4 * size);
  cr_assert_eq(gr_wal_open(&wal, path, SEGMENT_BYTES, 0, NULL, &why), GR_OK);
  cr_assert_eq(gr_wal_start(wal, take_large, &got, &why), GR_OK);
  for (gr_ticket ticket = 1; ticket <= 4; ticket++) {
    uint8_t *record = bytes + (ticket - 1) * size;
    for (size_t i = 0; i < size; i++) record[i] = (uint8_t)(i / 997 + ticket);
    const gr_slice parts[] = {{record, 100},
                              {record + 100, (ticket % 2 ? size : 500) - 100}};
    cr_assert(gr_wal_append(wal, ticket, parts, 2));
  }
  gr_wal_close(wal);
  free(bytes);
  cr_assert_eq(gr_wal_open(&wal, path, SEGMENT_BYTES, 0, NULL, &why), GR_OK);
  cr_assert_eq(gr_wal_start(wal, take_large, &got, &why), GR_OK, "%s", why.line);
  cr_assert_eq(got, 2 * size + 2 * 500);
  gr_wal_close(wal);
}

Test(wal, what_the_callback_answers_ends_the_replay) {
  write_log(3);
  struct given given = {.first = 1, .answer = GR_ERR_FOREIGN};
  struct gr_wal_text why;
  struct gr_wal *wal = NULL;
  cr_assert_eq(gr_wal_open(&wal, path, SEGMENT_BYTES, 0, NULL, &why), GR_OK);
  cr_assert_eq(gr_wal_start(wal, take_record, &given, &why), GR_ERR_FOREIGN);
  cr_assert_eq(given.count, 1);
  cr_assert(strstr(why.line, "record 1 in"), "%s", why.line);
  gr_wal_close(wal);
}

/* ---- checkpoints ---- */

Test(wal, a_checkpoint_bounds_the_log) {
  struct given given = {.first = 1};
  struct gr_wal *wal = open_log(path, SEGMENT_BYTES, &given);
  for (gr_ticket ticket = 1; ticket <= 3000; ticket++) {
    append_records(wal, ticket, ticket);
    if (ticket % 20 == 0) trim_log(wal, path, ticket - 10, ticket);
    if (ticket % 100 != 50) continue;
    gr_node_storage figures;
    gr_wal_measure(wal, &figures);
    cr_assert_leq(figures.segments, 8);
    cr_assert_leq(figures.log_bytes, 8 * SEGMENT_BYTES);
  }
  gr_wal_close(wal);
  struct image image = image_load(path);
  cr_assert_leq(image.count, 14);
  image_free(&image);
  given = (struct given){.first = 2990};
  gr_wal_close(open_log(path, SEGMENT_BYTES, &given));
  cr_assert_eq(given.state, 3000);
  cr_assert_eq(given.count, 11);
}

/* One life of a log that keeps its last six records, and ends in a crash or in order. */
static void live(gr_ticket last, gr_ticket upto, bool crashes) {
  struct given given = {.first = last > 5 ? last - 5 : 1};
  struct gr_wal *wal = open_log(path, SEGMENT_BYTES, &given);
  cr_assert_eq(given.count, last + 1 - given.first);
  for (gr_ticket ticket = last + 1; ticket <= upto; ticket++)
    append_records(wal, ticket, ticket);
  trim_log(wal, path, upto - 5, upto);
  if (!crashes) gr_wal_close(wal);
}

/* Recycled files are full of records of their former lives. */
Test(wal, what_a_file_held_before_never_comes_back) {
  gr_ticket last = 0;
  for (gr_ticket round = 0; round < 40; round++) {
    const gr_ticket upto = last + 17 + round;
    const bool crashes = round % 2 == 0;
    int status = 1;
    pid_t child = fork();
    if (child == 0) {
      alarm(30); /* nobody else would end it */
      live(last, upto, crashes);
      _exit(0);
    }
    cr_assert_eq(waitpid(child, &status, 0), child);
    cr_assert_eq(status, 0, "round %d", (int)round);
    last = upto;
  }
}

/* One life of a log that keeps no record, only the state. Every third ends before it has
 * written one. */
static void live_on_state(gr_ticket last, gr_ticket upto, gr_ticket content,
                          bool crashes) {
  struct given given = {.first = last + 1};
  struct gr_wal *wal = open_log(path, SEGMENT_BYTES, &given);
  cr_assert_eq(given.count, 0);
  cr_assert_eq(given.state, content - 1);
  if (upto > last) append_records(wal, last + 1, upto);
  trim_log(wal, path, upto + 1, content);
  if (!crashes) gr_wal_close(wal);
}

Test(wal, a_state_in_place_of_all_records) {
  gr_ticket last = 0;
  for (gr_ticket round = 1; round <= 40; round++) {
    const gr_ticket upto = round % 3 == 0 ? last : last + round;
    int status = 1;
    pid_t child = fork();
    if (child == 0) {
      alarm(30);
      live_on_state(last, upto, round, round % 2 == 0);
      _exit(0);
    }
    cr_assert_eq(waitpid(child, &status, 0), child);
    cr_assert_eq(status, 0, "round %d", (int)round);
    last = upto;
  }
}

/* A checkpoint waits until what comes before it is durable. */
Test(wal, a_checkpoint_is_not_ahead_of_the_records) {
  struct given given = {.first = 1};
  struct gr_wal *wal = open_log(path, SEGMENT_BYTES, &given);
  uint8_t bytes[8] = {0};
  const gr_slice state = {.data = bytes, .size = 8};
  const gr_slice part = {.data = bytes, .size = record_bytes(1)};
  record_fill(bytes, 1);
  cr_assert(gr_wal_append(wal, 1, &part, 1));
  cr_assert(gr_wal_trim(wal, 2, state));
  char name[128];
  snprintf(name, sizeof(name), "%s/checkpoint", path);
  usleep(20000); /* in which it could be written by mistake */
  cr_assert_neq(access(name, R_OK), 0);
  append_records(wal, 2, 2);
  while (access(name, R_OK) != 0) cr_assert_null(gr_wal_failure_text(wal));
  gr_wal_close(wal);
  given = (struct given){.first = 2};
  gr_wal_close(open_log(path, SEGMENT_BYTES, &given));
  cr_assert_eq(given.count, 1);
}

Test(wal, a_crash_before_the_new_checkpoint_counts) {
  struct given given = {.first = 1};
  struct gr_wal *wal = open_log(path, SEGMENT_BYTES, &given);
  append_records(wal, 1, 30);
  trim_log(wal, path, 10, 77);
  gr_wal_close(wal);
  close(file_in("checkpoint.new", O_WRONLY | O_CREAT)); /* begun, not renamed */
  given = (struct given){.first = 10};
  wal = open_log(path, SEGMENT_BYTES, &given);
  cr_assert_eq(given.state, 77);
  cr_assert_eq(given.count, 21);
  trim_log(wal, path, 20, 78);
  gr_wal_close(wal);
  given = (struct given){.first = 20};
  gr_wal_close(open_log(path, SEGMENT_BYTES, &given));
  cr_assert_eq(given.state, 78);
}

Test(wal, each_byte_of_the_checkpoint_counts) {
  struct given given = {.first = 1};
  struct gr_wal *wal = open_log(path, SEGMENT_BYTES, &given);
  append_records(wal, 1, 30);
  trim_log(wal, path, 10, 77);
  gr_wal_close(wal);
  struct image image = image_load(path);
  size_t at = 0;
  while (strcmp(image.files[at].name, "checkpoint") != 0) at++;
  struct image_file *checkpoint = image.files + at;
  cr_assert_eq(checkpoint->size, 40);
  for (size_t i = 0; i < 40; i++) {
    checkpoint->bytes[i] ^= 0x10;
    image_store(&image, path);
    refused(GR_ERR_STORAGE, "/checkpoint is damaged at byte 0");
    checkpoint->bytes[i] ^= 0x10;
    checkpoint->size = i;
    image_store(&image, path);
    refused(GR_ERR_STORAGE, "/checkpoint is damaged at byte 0");
    checkpoint->size = 40;
  }
  checkpoint->size = 41; /* the image has a byte more */
  image_store(&image, path);
  refused(GR_ERR_STORAGE, "/checkpoint is damaged at byte 0");
  image_free(&image);
}

Test(wal, a_lost_checkpoint) {
  struct given given = {.first = 1};
  struct gr_wal *wal = open_log(path, SEGMENT_BYTES, &given);
  for (gr_ticket ticket = 1; ticket <= 60; ticket++) append_records(wal, ticket, ticket);
  trim_log(wal, path, 60, 77);
  gr_wal_close(wal);
  remove_in("checkpoint");
  refused(GR_ERR_STORAGE, "the segment with record 1 is missing");
}

/* ---- what can be wrong ---- */

Test(wal, a_missing_segment) {
  write_log(60);
  remove_in("00000000000000000002.segment");
  refused(GR_ERR_STORAGE, "00000000000000000001.segment is damaged at byte ");
}

Test(wal, the_missing_first_segment) {
  write_log(60);
  remove_in("00000000000000000001.segment");
  refused(GR_ERR_STORAGE, "the segment with record 1 is missing");
}

Test(wal, the_missing_last_segments) {
  struct given given = {.first = 1};
  struct gr_wal *wal = open_log(path, SEGMENT_BYTES, &given);
  append_records(wal, 1, 60);
  trim_log(wal, path, 61, 77);
  append_records(wal, 61, 61);
  gr_wal_close(wal);
  struct image image = image_load(path);
  for (size_t i = 0; i < image.count; i++)
    if (strstr(image.files[i].name, ".segment")) remove_in(image.files[i].name);
  image_free(&image);
  refused(GR_ERR_STORAGE, "the segment with record 61 is missing");
}

/* All of the log is sound, but record `ticket` of the last segment is not in it any more.
 */
static void splice_out(gr_ticket ticket) {
  struct image image = image_load(path);
  const struct layout layout = image_layout(&image);
  const struct place *place = layout.places;
  while (place->ticket != ticket) place++;
  struct image_file *file = image.files + place->file;
  cr_assert_eq(place->file, layout.places[layout.count - 1].file);
  memmove(file->bytes + place->at, file->bytes + place->at + place->bytes,
          file->size - place->at - place->bytes);
  file->size -= place->bytes;
  image_store(&image, path);
  image_free(&image);
  char line[128];
  snprintf(line, sizeof(line), "is damaged at byte %zu: record %d ", place->at,
           (int)ticket);
  refused(GR_ERR_STORAGE, line);
}

Test(wal, a_record_that_is_left_out) {
  write_log(10);
  splice_out(8);
}

Test(wal, the_last_record_is_left_out) {
  write_log(10);
  splice_out(10); /* only the end mark is behind it */
}

Test(wal, records_end_before_the_checkpoint) {
  struct given given = {.first = 1};
  struct gr_wal *wal = open_log(path, SEGMENT_BYTES, &given);
  append_records(wal, 1, 8);
  trim_log(wal, path, 9, 77);
  gr_wal_close(wal);
  char full[128];
  snprintf(full, sizeof(full), "%s/00000000000000000001.segment", path);
  cr_assert_eq(truncate(full, 32), 0);
  refused(GR_ERR_STORAGE,
          "00000000000000000001.segment is damaged at byte 32: record 1 ");
}

Test(wal, another_version) {
  write_log(60);
  struct image image = image_load(path);
  uint8_t *header = image.files[1].bytes;
  gr_store_u32(header + 8, 2);
  uint32_t crc = gr_wal_checksum(gr_wal_checksum(0, header, 12), header + 16, 16);
  gr_store_u32(header + 12, crc);
  image_store(&image, path);
  image_free(&image);
  refused(GR_ERR_STORAGE,
          "00000000000000000002.segment is of version 2, this library reads 1");
}

Test(wal, torn_bytes_are_counted) {
  write_log(12);
  struct image image = image_load(path);
  const struct layout layout = image_layout(&image);
  const struct place *last = layout.places + layout.count - 2; /* before the end mark */
  cr_assert_eq(last->ticket, 12);
  const uint8_t zeros[24] = {0};
  const char *name = image.files[last->file].name;
  overwrite(name, layout.places[layout.count - 1].at, zeros, 24); /* no end mark */
  overwrite(name, last->at + last->bytes - 8, zeros, 8);
  struct given given = {.first = 1};
  struct gr_wal *wal = open_log(path, SEGMENT_BYTES, &given);
  gr_node_storage figures;
  gr_wal_measure(wal, &figures);
  cr_assert_eq(given.count, 11);
  cr_assert_eq(figures.torn_bytes, last->bytes);
  gr_wal_close(wal);
  given.count = 0;
  wal = open_log(path, SEGMENT_BYTES, &given);
  gr_wal_measure(wal, &figures);
  cr_assert_eq(given.count, 11);
  cr_assert_eq(figures.torn_bytes, 0, "it has been cut off");
  gr_wal_close(wal);
  image_free(&image);
}

Test(wal, one_at_a_time) {
  struct given given = {.first = 1};
  struct gr_wal *wal = open_log(path, SEGMENT_BYTES, &given);
  char line[128];
  snprintf(line, sizeof(line), "the data directory %s is in use by process %ld", path,
           (long)getpid());
  refused(GR_ERR_SYSTEM, line);
  pid_t child = fork();
  if (child == 0) {
    struct gr_wal *other = NULL;
    struct gr_wal_text why;
    int answer = gr_wal_open(&other, path, SEGMENT_BYTES, 0, NULL, &why);
    _exit(answer == GR_ERR_SYSTEM && strcmp(why.line, line) == 0 ? 0 : 1);
  }
  int status = 1;
  cr_assert_eq(waitpid(child, &status, 0), child);
  cr_assert_eq(status, 0);
  gr_wal_close(wal);
  gr_wal_close(open_log(path, SEGMENT_BYTES, &given));
}

Test(wal, a_directory_that_cannot_be) {
  struct gr_wal *wal = NULL;
  struct gr_wal_text why;
  char name[128];
  snprintf(name, sizeof(name), "%s/a/b", path);
  cr_assert_eq(gr_wal_open(&wal, name, SEGMENT_BYTES, 0, NULL, &why), GR_ERR_SYSTEM);
  cr_assert(strstr(why.line, "cannot make the data directory"), "%s", why.line);
  close(file_in("file", O_WRONLY | O_CREAT));
  snprintf(name, sizeof(name), "%s/file", path);
  cr_assert_eq(gr_wal_open(&wal, name, SEGMENT_BYTES, 0, NULL, &why), GR_ERR_SYSTEM);
  cr_assert(strstr(why.line, "cannot open the data directory"), "%s", why.line);
}

Test(wal, a_directory_is_made) {
  struct given given = {.first = 1};
  char name[128];
  snprintf(name, sizeof(name), "%s/new/", path);
  gr_wal_close(open_log(name, SEGMENT_BYTES, &given));
  struct stat status;
  cr_assert_eq(stat(name, &status), 0);
  cr_assert_eq(status.st_mode & 0777, 0700);
  remove_directory(name);
}

/* ---- a disk that takes no more ---- */

/* Files of this process end at so many bytes. */
static void limit_files(rlim_t bytes) {
  const struct rlimit limit = {.rlim_cur = bytes, .rlim_max = RLIM_INFINITY};
  signal(SIGXFSZ, SIG_IGN);
  cr_assert_eq(setrlimit(RLIMIT_FSIZE, &limit), 0);
}

static void await_failure(struct gr_wal *wal) {
  while (!gr_wal_failure_text(wal)) usleep(100);
}

Test(wal, a_write_that_fails) {
  static uint8_t bytes[3000];
  struct given given = {.first = 1};
  struct gr_wal *wal = open_log(path, SEGMENT_BYTES, &given);
  append_records(wal, 1, 2);
  limit_files(2000);
  const gr_slice part = {.data = bytes, .size = sizeof(bytes)};
  cr_assert(gr_wal_append(wal, 3, &part, 1));
  gr_wal_sync(wal);
  await_failure(wal);
  char line[256];
  snprintf(line, sizeof(line),
           "cannot write 1056 bytes at byte 2000 of %s/00000000000000000002.segment: %s",
           path, strerror(EFBIG));
  cr_assert_str_eq(gr_wal_failure_text(wal), line);
  cr_assert_eq(gr_wal_durable(wal), 2);
  cr_assert_not(gr_wal_append(wal, 4, &part, 1));
  cr_assert_not(gr_wal_trim(wal, 1, part));
  gr_wal_close(wal);
  limit_files(RLIM_INFINITY);
  gr_wal_close(open_log(path, SEGMENT_BYTES, &given)); /* what was durable is there */
  cr_assert_eq(given.count, 2);
}

Test(wal, no_room_for_the_next_segment) {
  struct given given = {.first = 1};
  struct gr_wal *wal = open_log(path, 1 << 20, &given);
  limit_files(1 << 19);
  for (gr_ticket ticket = 1; !gr_wal_failure_text(wal); ticket++) {
    uint8_t bytes[4096] = {0};
    const gr_slice part = {.data = bytes, .size = sizeof(bytes)};
    if (!gr_wal_append(wal, ticket, &part, 1)) break;
    gr_wal_sync(wal);
  }
  await_failure(wal);
  cr_assert(strstr(gr_wal_failure_text(wal), strerror(EFBIG)), "%s",
            gr_wal_failure_text(wal));
  gr_wal_close(wal);
}

Test(wal, no_room_at_the_start) {
  limit_files(512);
  refused(GR_ERR_STORAGE, "cannot write 512 bytes at byte 512 of ");
}

Test(wal, a_ticket_out_of_turn) {
  struct given given = {.first = 1};
  struct gr_wal *wal = open_log(path, SEGMENT_BYTES, &given);
  const gr_slice part = {.data = "", .size = 0};
  cr_assert_not(gr_wal_append(wal, 2, &part, 1));
  cr_assert(
      strstr(gr_wal_failure_text(wal), "record 2 cannot be appended to the log in"));
  cr_assert_not(gr_wal_append(wal, 1, &part, 1), "it has failed for good");
  gr_wal_close(wal);
}
