/* SPDX-License-Identifier: MIT
 *
 * A small log, cut at every byte and with every byte damaged: each time a replay gives
 * exactly the records before the damage, and says so unless a crash can have left the log
 * like this.
 */
#include "wal_images.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define SEGMENT_BYTES 1024
#define RECORDS 36
#define HEADER_BYTES 32

static char path[64];
static struct image clean;   /* closed */
static struct image crashed; /* as it was before that */

/* Groups of several sizes, each synced before the next is appended. */
static void write_groups(struct gr_wal *wal) {
  gr_ticket from = 1;
  for (gr_ticket size = 1; from <= RECORDS; size = size % 4 + 1) {
    gr_ticket upto = from + size - 1 < RECORDS ? from + size - 1 : RECORDS;
    append_records(wal, from, upto);
    from = upto + 1;
  }
}

/* Until the next segment is prepared, the directory may change. */
static struct image load_when_prepared(size_t files) {
  for (;;) {
    struct image image = image_load(path);
    if (image.count == files && image.files[files - 2].size == SEGMENT_BYTES)
      return image;
    image_free(&image);
  }
}

static void make_images(void) {
  struct given given = {.first = 1};
  new_directory(path, sizeof(path));
  struct gr_wal *wal = open_log(path, SEGMENT_BYTES, &given);
  write_groups(wal);
  crashed = load_when_prepared(5);
  gr_wal_close(wal);
  clean = image_load(path);
}

static void free_images(void) {
  image_free(&clean);
  image_free(&crashed);
  remove_directory(path);
}

TestSuite(wal_damage, .init = make_images, .fini = free_images, .timeout = 300);

/* What a replay must say. */
struct verdict {
  gr_ticket records; /* given */
  bool is_damaged;   /* refused, with: */
  size_t file;
  size_t at;
};

/* Damage that begins at byte `at` of `file` and hides `hidden` bytes from there on. */
static struct verdict judge(const struct layout *layout, size_t last_file, size_t file,
                            size_t at, size_t hidden) {
  struct verdict verdict = {.records = RECORDS, .file = file};
  const struct place *broken = NULL;
  gr_ticket first = RECORDS + 1; /* record that is missing */
  for (size_t i = 0; i < layout->count && !broken; i++) {
    const struct place *place = layout->places + i;
    if (place->file != file || place->ticket == 0) continue;
    bool in_header = place->at == HEADER_BYTES && at < HEADER_BYTES;
    if (!in_header && (place->at + place->bytes <= at)) continue;
    broken = place;
    first = place->ticket;
    verdict.at = in_header ? 0 : place->at;
  }
  if (!broken) return verdict;
  verdict.records = first - 1;
  verdict.is_damaged = file != last_file;
  for (size_t i = 0; i < layout->count; i++) {
    const struct place *place = layout->places + i;
    if (place->file != file || (place->at >= at && place->at - at < hidden)) continue;
    if (place->at <= at && at < place->at + place->bytes) continue;
    if (place->at > broken->at && place->synced >= first) verdict.is_damaged = true;
    if (at < HEADER_BYTES && place->synced >= first) verdict.is_damaged = true;
  }
  return verdict;
}

/* Opens what is in the directory and compares; answers whether the log was refused. */
static bool check(const struct image *image, const struct verdict *verdict,
                  const char *what, size_t at) {
  struct given given = {.first = 1};
  struct gr_wal *wal = NULL;
  struct gr_wal_text why = {""};
  char place[128];
  const char *name = image->files[verdict->file].name;
  cr_assert_eq(gr_wal_open(&wal, path, SEGMENT_BYTES, 0, NULL, &why), GR_OK);
  int error = gr_wal_start(wal, take_record, &given, &why);
  cr_assert_eq(error, verdict->is_damaged ? GR_ERR_STORAGE : GR_OK,
               "%s %zu of %s: answers %d, gave %d of %d: %s", what, at, name, error,
               (int)given.count, (int)verdict->records, why.line);
  cr_assert_eq(given.count, verdict->records, "%s %zu of %s: gave %d, should be %d", what,
               at, name, (int)given.count, (int)verdict->records);
  snprintf(place, sizeof(place), "%s is damaged at byte %zu:", name, verdict->at);
  if (verdict->is_damaged)
    cr_assert(strstr(why.line, place), "%s %zu of %s: says %s", what, at, name, why.line);
  else if (given.count < RECORDS)
    append_records(wal, given.count + 1, RECORDS);
  gr_wal_close(wal);
  return verdict->is_damaged;
}

/* The log goes on behind what was cut off, and all is there at the next start. */
static void check_whole(void) {
  struct given given = {.first = 1};
  gr_wal_close(open_log(path, SEGMENT_BYTES, &given));
  cr_assert_eq(given.count, RECORDS);
}

static size_t last_file(const struct layout *layout) {
  return layout->places[layout->count - 1].file;
}

static void flip_all(struct image *image, size_t *refused, size_t *taken) {
  const struct layout layout = image_layout(image);
  for (size_t i = 0; i <= last_file(&layout); i++) {
    struct image_file *file = image->files + i;
    if (!strstr(file->name, ".segment")) continue;
    for (size_t at = 0; at < file->size; at++) {
      const struct verdict verdict = judge(&layout, last_file(&layout), i, at, 1);
      file->bytes[at] ^= (uint8_t)(1 << at % 8);
      image_store(image, path);
      bool is_refused = check(image, &verdict, "flip", at);
      if (!is_refused) check_whole();
      *(is_refused ? refused : taken) += 1;
      file->bytes[at] ^= (uint8_t)(1 << at % 8);
    }
  }
}

static void cut_all(struct image *image, size_t *refused, size_t *taken) {
  const struct layout layout = image_layout(image);
  for (size_t i = 0; i <= last_file(&layout); i++) {
    struct image_file *file = image->files + i;
    if (!strstr(file->name, ".segment")) continue;
    const size_t size = file->size;
    for (size_t at = 0; at < size; at++) {
      const struct verdict verdict = judge(&layout, last_file(&layout), i, at, SIZE_MAX);
      file->size = at;
      image_store(image, path);
      bool is_refused = check(image, &verdict, "cut", at);
      if (!is_refused) check_whole();
      *(is_refused ? refused : taken) += 1;
      file->size = size;
    }
  }
}

Test(wal_damage, the_images_are_as_meant) {
  const struct layout layout = image_layout(&crashed);
  const struct layout closed = image_layout(&clean);
  cr_assert_eq(layout.count, RECORDS);
  cr_assert_eq(closed.count, RECORDS + 1);
  cr_assert_eq(closed.places[RECORDS].ticket, 0);
  cr_assert_eq(closed.places[RECORDS].synced, RECORDS);
  cr_assert_eq(layout.places[RECORDS - 1].file - layout.places[0].file, 2, "3 segments");
  for (size_t i = 0; i < RECORDS; i++) cr_assert_eq(layout.places[i].ticket, i + 1);
  gr_ticket before = 0; /* the last record of the groups before */
  for (gr_ticket size = 1; before < RECORDS; before += size, size = size % 4 + 1)
    for (gr_ticket i = before; i < before + size && i < RECORDS; i++) {
      cr_assert_geq(layout.places[i].synced, before);
      cr_assert_leq(layout.places[i].synced, i);
    }
}

Test(wal_damage, every_byte_flipped_after_a_crash) {
  size_t refused = 0, taken = 0;
  flip_all(&crashed, &refused, &taken);
  const struct layout layout = image_layout(&crashed);
  cr_assert_gt(refused, 2000);
  cr_assert_geq(taken,
                layout.places[RECORDS - 1].bytes); /* of the last write, and slack */
}

Test(wal_damage, every_byte_flipped_after_a_clean_end) {
  size_t refused = 0, taken = 0;
  const struct layout layout = image_layout(&clean);
  flip_all(&clean, &refused, &taken);
  size_t expected = 0;
  for (size_t i = 0; i < RECORDS; i++) expected += layout.places[i].bytes;
  cr_assert_eq(refused, expected + 3 * HEADER_BYTES, "all that is not slack");
}

Test(wal_damage, cut_at_every_byte_after_a_crash) {
  size_t refused = 0, taken = 0;
  cut_all(&crashed, &refused, &taken);
  const struct layout layout = image_layout(&crashed);
  cr_assert_gt(refused, 1500);
  /* The last segment everywhere; it may not have been filled with zeros to its end. */
  cr_assert_geq(taken, crashed.files[last_file(&layout)].size);
}

Test(wal_damage, cut_at_every_byte_after_a_clean_end) {
  size_t refused = 0, taken = 0;
  cut_all(&clean, &refused, &taken);
  cr_assert_gt(refused, 1500);
}
