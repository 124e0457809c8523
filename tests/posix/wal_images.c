/* SPDX-License-Identifier: MIT
 *
 * See wal_images.h.
 */
#include "wal_images.h"

#include "base/bytes.h"
#include "base/crc32c.h"

#include <criterion/criterion.h>
#include <dirent.h>
#include <fcntl.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

void new_directory(char *path, size_t size) {
  snprintf(path, size, "%s/wal-test-XXXXXX",
           access("/dev/shm", W_OK) == 0 ? "/dev/shm" : "/tmp");
  cr_assert(mkdtemp(path));
}

/* Calls `visit` with each file's name. */
static void for_each_file(const char *path,
                          void (*visit)(void *context, const char *name), void *context) {
  DIR *directory = opendir(path);
  cr_assert(directory);
  for (const struct dirent *entry; (entry = readdir(directory)) != NULL;)
    if (entry->d_name[0] != '.') visit(context, entry->d_name);
  closedir(directory);
}

static void remove_file(void *context, const char *name) {
  char path[512];
  snprintf(path, sizeof(path), "%s/%s", (const char *)context, name);
  cr_assert_eq(unlink(path), 0);
}

void remove_directory(const char *path) {
  for_each_file(path, remove_file, (void *)(uintptr_t)path);
  cr_assert_eq(rmdir(path), 0);
}

/* ---- records ---- */

size_t record_bytes(gr_ticket ticket) {
  static const size_t sizes[] = {0, 1, 7, 8, 9, 40, 130, 23, 300, 64, 3};
  return sizes[ticket % 11];
}

void record_fill(uint8_t *bytes, gr_ticket ticket) {
  for (size_t i = 0; i < record_bytes(ticket); i++)
    bytes[i] = (uint8_t)(ticket * 31 + i * 7 + 1);
}

int take_record(void *context, gr_ticket ticket, gr_slice record) {
  struct given *given = context;
  uint8_t expected[RECORD_BYTES_MAX];
  if (ticket == 0) {
    cr_assert_eq(given->count, 0);
    cr_assert_eq(record.size, sizeof(uint64_t));
    given->state = gr_load_u64(record.data);
    return given->answer;
  }
  cr_assert_eq(ticket, given->first + given->count, "ticket %d", (int)ticket);
  cr_assert_eq(record.size, record_bytes(ticket));
  record_fill(expected, ticket);
  cr_assert(record.size == 0 || memcmp(record.data, expected, record.size) == 0);
  given->count++;
  return given->answer;
}

struct gr_wal *open_log(const char *path, uint64_t segment_bytes, struct given *given) {
  struct gr_wal *wal = NULL;
  struct gr_wal_text why;
  cr_assert_eq(gr_wal_open(&wal, path, segment_bytes, 0, NULL, &why), GR_OK, "%s",
               why.line);
  cr_assert_eq(gr_wal_start(wal, take_record, given, &why), GR_OK, "%s", why.line);
  return wal;
}

/* In one part or two. */
static void append_record(struct gr_wal *wal, gr_ticket ticket, uint8_t *bytes) {
  const size_t size = record_bytes(ticket), split = size / 3;
  record_fill(bytes, ticket);
  const gr_slice parts[] = {{bytes, ticket % 2 ? split : size},
                            {bytes + split, size - split}};
  cr_assert(gr_wal_append(wal, ticket, parts, ticket % 2 ? 2 : 1));
}

void append_records(struct gr_wal *wal, gr_ticket from, gr_ticket upto) {
  uint8_t *bytes = malloc((upto - from + 1) * RECORD_BYTES_MAX);
  for (gr_ticket ticket = from; ticket <= upto; ticket++)
    append_record(wal, ticket, bytes + (ticket - from) * RECORD_BYTES_MAX);
  gr_wal_sync(wal);
  while (gr_wal_durable(wal) < upto) {
    cr_assert_null(gr_wal_failure_text(wal), "%s", gr_wal_failure_text(wal));
    sched_yield();
  }
  free(bytes);
}

void trim_log(struct gr_wal *wal, const char *path, gr_ticket first, gr_ticket content) {
  uint8_t state[8], kept[64] = {0};
  char name[512];
  gr_store_u64(state, content);
  cr_assert(gr_wal_trim(wal, first, (gr_slice){.data = state, .size = sizeof(state)}));
  snprintf(name, sizeof(name), "%s/checkpoint", path);
  while (gr_load_u64(kept + 16) != first || gr_load_u64(kept + 32) != content) {
    int file = open(name, O_RDONLY);
    if (file >= 0) cr_assert_geq(read(file, kept, sizeof(kept)), 0);
    if (file >= 0) close(file);
    cr_assert_null(gr_wal_failure_text(wal), "%s", gr_wal_failure_text(wal));
    sched_yield();
  }
}

/* ---- images ---- */

struct loading {
  const char *path;
  struct image *image;
};

static void load_file(void *context, const char *name) {
  struct loading *loading = context;
  struct image_file *file = loading->image->files + loading->image->count++;
  char path[512];
  cr_assert_leq(loading->image->count, IMAGE_FILES_MAX);
  size_t length = strlen(name);
  cr_assert_lt(length, sizeof(file->name));
  memcpy(file->name, name, length + 1);
  snprintf(path, sizeof(path), "%s/%s", loading->path, name);
  FILE *stream = fopen(path, "rb");
  cr_assert(stream);
  fseek(stream, 0, SEEK_END);
  file->size = (size_t)ftell(stream);
  rewind(stream);
  file->bytes = malloc(file->size + 1);
  cr_assert_eq(fread(file->bytes, 1, file->size, stream), file->size);
  fclose(stream);
}

static int by_name(const void *left, const void *right) {
  return strcmp(((const struct image_file *)left)->name,
                ((const struct image_file *)right)->name);
}

struct image image_load(const char *path) {
  struct image image = {.count = 0};
  for_each_file(path, load_file, &(struct loading){.path = path, .image = &image});
  qsort(image.files, image.count, sizeof(*image.files), by_name);
  return image;
}

void image_store(const struct image *image, const char *path) {
  for_each_file(path, remove_file, (void *)(uintptr_t)path);
  for (size_t i = 0; i < image->count; i++) {
    char name[512];
    snprintf(name, sizeof(name), "%s/%s", path, image->files[i].name);
    FILE *stream = fopen(name, "wb");
    cr_assert(stream);
    cr_assert_eq(fwrite(image->files[i].bytes, 1, image->files[i].size, stream),
                 image->files[i].size);
    fclose(stream);
  }
}

void image_free(struct image *image) {
  for (size_t i = 0; i < image->count; i++) free(image->files[i].bytes);
}

/* ---- layouts ---- */

static bool is_record(const struct image_file *file, size_t at, uint64_t number,
                      struct place *place) {
  uint8_t seed[8];
  if (at + 24 > file->size) return false;
  const uint8_t *bytes = file->bytes + at;
  place->at = at;
  place->bytes = (24 + (size_t)gr_load_u32(bytes + 4) + 7) / 8 * 8;
  place->ticket = gr_load_u64(bytes + 8);
  place->synced = gr_load_u64(bytes + 16);
  if (place->bytes > file->size - at) return false;
  gr_store_u64(seed, number);
  uint32_t crc = gr_crc32c(gr_crc32c(0, seed, 8), bytes + 4, place->bytes - 4);
  return crc == gr_load_u32(bytes);
}

struct layout image_layout(const struct image *image) {
  struct layout layout = {.count = 0};
  for (size_t i = 0; i < image->count; i++) {
    const struct image_file *file = image->files + i;
    if (!strstr(file->name, ".segment") || file->size < 32) continue;
    const uint64_t number = strtoull(file->name, NULL, 10);
    if (gr_load_u64(file->bytes + 16) != number) continue; /* prepared */
    struct place place = {.file = i};
    for (size_t at = 32; is_record(file, at, number, &place); at += place.bytes)
      layout.places[layout.count++] = place;
  }
  return layout;
}
