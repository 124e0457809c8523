/* SPDX-License-Identifier: MIT
 *
 * The state as bytes: handed over in chunks of any size while certifying goes on, and
 * bytes that are no state.
 */
#include "transactions.h"

#include "base/bytes.h"
#include "base/xxh64.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define UNITS 4
#define HEADER 72
#define IMAGE_MAX (HEADER + UNITS * ROWS_IN_UNIT * 16 + 8)

struct image {
  uint8_t bytes[IMAGE_MAX];
  size_t size;
};

/* Six rows above a floor of 2, a barrier at 5. */
static gr_certifier *worked(void) {
  gr_certifier *certifier = certifier_of(UNITS, 0, GR_CERTIFIER_STRICT);
  char keys[] = "Xa Rz";
  for (gr_seqno seqno = 1; seqno <= 5; seqno++, keys[1]++) {
    struct transaction transaction = {seqno - 1, seqno == 5 ? GR_WRITESET_BARRIER : 0,
                                      keys};
    cr_assert_eq(certify(certifier, seqno, transaction).kind, GR_VERDICT_COMMIT);
  }
  cr_assert_eq(gr_certifier_stable(certifier, 2), GR_OK);
  return certifier;
}

static void read_rest(gr_certifier *from, size_t chunk, struct image *image) {
  for (size_t size = 1; size > 0; image->size += size) {
    size_t room = IMAGE_MAX - image->size < chunk ? IMAGE_MAX - image->size : chunk;
    uint8_t beyond[1];
    uint8_t *to = room > 0 ? image->bytes + image->size : beyond;
    cr_assert_eq(gr_certifier_export_read(from, to, room > 0 ? room : 1, &size), GR_OK);
    cr_assert(room > 0 || size == 0);
  }
}

static struct image image_of(gr_certifier *certifier, size_t chunk) {
  struct image image = {.size = 0};
  cr_assert_eq(gr_certifier_export_begin(certifier), GR_OK);
  read_rest(certifier, chunk, &image);
  gr_certifier_export_end(certifier);
  return image;
}

/* The first error of an import in chunks. */
static int import(gr_certifier *certifier, const struct image *image, size_t chunk) {
  cr_assert_eq(gr_certifier_import_begin(certifier), GR_OK);
  for (size_t at = 0; at < image->size; at += chunk) {
    size_t size = image->size - at < chunk ? image->size - at : chunk;
    int error = gr_certifier_import_write(certifier, (gr_slice){image->bytes + at, size});
    if (error != GR_OK) return error;
  }
  return gr_certifier_import_end(certifier);
}

static bool is_as_new(const gr_certifier *certifier) {
  gr_certifier_status status = status_of(certifier);
  return status.last == 0 && status.floor == 0 && status.watermark == 0 &&
         status.barrier == 0 && status.rows_held == 0 &&
         gr_certifier_digest(certifier) != 0;
}

Test(image, comes_and_goes_in_chunks_of_any_size) {
  gr_certifier *from = worked();
  for (size_t chunk = 1; chunk <= IMAGE_MAX; chunk += chunk < 90 ? 1 : 17) {
    gr_certifier *to = certifier_of(UNITS, 0, 0);
    struct image image = image_of(from, chunk);
    cr_assert_eq(image.size, HEADER + 6 * 16 + 8);
    cr_assert_eq(import(to, &image, chunk), GR_OK);
    cr_assert_eq(gr_certifier_digest(to), gr_certifier_digest(from));
    cr_assert_eq(status_of(to).mode, GR_CERTIFIER_STRICT);
    cr_assert_eq(verdict_on(to, 6, 2, "Xd"), GR_VERDICT_CONFLICT);
    cr_assert_eq(verdict_on(to, 7, 2, "Xa"), GR_VERDICT_COMMIT);
    gr_certifier_free(to);
  }
  gr_certifier_free(from);
}

Test(image, is_of_the_moment_when_it_was_begun) {
  gr_certifier *from = worked(), *to = certifier_of(UNITS, 0, 0);
  uint64_t digest = gr_certifier_digest(from);
  struct image image = {.size = 0};
  cr_assert_eq(gr_certifier_export_begin(from), GR_OK);
  for (gr_seqno seqno = 6; seqno < 12; seqno++) {
    verdict_on(from, seqno, seqno - 1, "Xnew");
    gr_certifier_stable(from, seqno);
  }
  read_rest(from, 50, &image);
  cr_assert_eq(import(to, &image, 50), GR_OK);
  cr_assert_eq(gr_certifier_digest(to), digest);
  gr_certifier_free(from);
  gr_certifier_free(to);
}

Test(image, gives_way_when_room_is_needed) {
  gr_certifier *from = worked();
  uint8_t byte;
  size_t size;
  cr_assert_eq(gr_certifier_export_begin(from), GR_OK);
  cr_assert_eq(gr_certifier_export_read(from, &byte, 1, &size), GR_OK);
  for (gr_seqno seqno = 6; seqno < 60; seqno++) {
    char keys[16];
    snprintf(keys, sizeof(keys), "X%d", (int)seqno);
    cr_assert_eq(verdict_on(from, seqno, seqno - 1, keys), GR_VERDICT_COMMIT);
  }
  cr_assert_eq(gr_certifier_export_read(from, &byte, 1, &size), GR_ERR_OVERTAKEN);
  cr_assert_eq(gr_certifier_export_begin(from), GR_ERR_STATE, "still open");
  gr_certifier_export_end(from);
  struct image image = image_of(from, 100);
  cr_assert_eq(image.size, IMAGE_MAX, "a full table");
  gr_certifier *to = certifier_of(UNITS, 0, 0);
  cr_assert_eq(import(to, &image, 100), GR_OK);
  gr_certifier_free(from);
  gr_certifier_free(to);
}

/* ---- bytes that are no state ---- */

Test(image, every_damage_is_found) {
  gr_certifier *from = worked(), *to = certifier_of(UNITS, 0, 0);
  const struct image whole = image_of(from, 100);
  for (size_t bit = 0; bit < whole.size * 8; bit++) {
    struct image damaged = whole;
    damaged.bytes[bit / 8] ^= (uint8_t)(1 << bit % 8);
    cr_assert_neq(import(to, &damaged, 64), GR_OK, "bit %zu", bit);
    cr_assert(is_as_new(to), "bit %zu", bit);
  }
  for (size_t size = 0; size < whole.size; size++) {
    struct image cut = whole;
    cut.size = size;
    cr_assert_eq(import(to, &cut, 64), GR_ERR_MALFORMED);
    cr_assert(is_as_new(to));
  }
  struct image longer = whole;
  longer.size++;
  cr_assert_eq(import(to, &longer, 64), GR_ERR_MALFORMED);
  cr_assert_eq(import(to, &whole, 64), GR_OK);
  gr_certifier_free(from);
  gr_certifier_free(to);
}

/* Numbers of the header, and of the rows behind it. */
enum { MAGIC, ROWS_MAX, WINDOW, MODE, LAST, FLOOR, WATERMARK, BARRIER, ROWS, ROW };

/* With a digest that is right: what is found here no accident has made. */
Test(image, what_cannot_be_is_refused_though_its_digest_is_right) {
  static const struct forgery {
    size_t number;
    uint64_t value;
    int error;
  } forgeries[] = {
      {MAGIC, 1, GR_ERR_MALFORMED},
      {MAGIC, UINT64_C(0x6669747265637202), GR_ERR_PROTOCOL},
      {ROWS_MAX, 2 * UNITS * ROWS_IN_UNIT, GR_ERR_LIMITS_DIFFER},
      {WINDOW, 17, GR_ERR_LIMITS_DIFFER},
      {MODE, 4, GR_ERR_MALFORMED},
      {MODE, UINT64_C(1) << 32, GR_ERR_MALFORMED},
      {LAST, GR_CERTIFY_SEQNO_MAX + 1, GR_ERR_MALFORMED},
      {LAST, 1, GR_ERR_MALFORMED},      /* below the floor */
      {LAST, 4, GR_ERR_MALFORMED},      /* below the barrier */
      {FLOOR, 6, GR_ERR_MALFORMED},     /* above the last */
      {FLOOR, 3, GR_ERR_MALFORMED},     /* above a row */
      {WATERMARK, 3, GR_ERR_MALFORMED}, /* above the floor */
      {BARRIER, 6, GR_ERR_MALFORMED},   /* above the last */
      {BARRIER, 2, GR_ERR_MALFORMED},   /* not above the floor */
      {ROWS, UNITS * ROWS_IN_UNIT + 1, GR_ERR_MALFORMED},
      {ROWS, UINT64_MAX, GR_ERR_MALFORMED},
      {ROWS, 5, GR_ERR_CORRUPT},           /* a row is taken for the digest */
      {ROW + 1, 2 << 1, GR_ERR_MALFORMED}, /* not above the floor */
      {ROW + 3, 6 << 1, GR_ERR_MALFORMED}, /* above the last */
      {ROW + 7, 3 << 1, GR_ERR_MALFORMED}, /* before the one before it */
      {ROW + 5, UINT64_MAX, GR_ERR_MALFORMED},
  };
  gr_certifier *from = worked(), *to = certifier_of(UNITS, 0, 0);
  const struct image whole = image_of(from, 100);
  for (size_t i = 0; i < sizeof(forgeries) / sizeof(forgeries[0]); i++) {
    struct image forged = whole;
    gr_store_u64(forged.bytes + 8 * forgeries[i].number, forgeries[i].value);
    gr_store_u64(forged.bytes + forged.size - 8,
                 gr_xxh64(forged.bytes, forged.size - 8, 0));
    cr_assert_eq(import(to, &forged, 64), forgeries[i].error, "forgery %zu", i);
    cr_assert(is_as_new(to));
  }
  gr_certifier_free(from);
  gr_certifier_free(to);
}

/* ---- calls that are wrong ---- */

Test(image, calls_out_of_order) {
  gr_certifier *certifier = worked();
  gr_certifier_verdict verdict = {.size = sizeof(verdict)};
  gr_slice set = write_set_of((struct transaction){5, 0, "Xa"}), none = {NULL, 0};
  uint8_t byte = 0;
  size_t size;
  cr_assert_eq(gr_certifier_export_read(certifier, &byte, 1, &size), GR_ERR_STATE);
  cr_assert_eq(gr_certifier_import_write(certifier, none), GR_ERR_STATE);
  cr_assert_eq(gr_certifier_import_end(certifier), GR_ERR_STATE);
  cr_assert_eq(gr_certifier_export_begin(certifier), GR_OK);
  cr_assert_eq(gr_certifier_import_begin(certifier), GR_OK, "which ends the export");
  cr_assert_eq(gr_certifier_export_read(certifier, &byte, 1, &size), GR_ERR_STATE);
  cr_assert_eq(gr_certifier_export_begin(certifier), GR_ERR_STATE);
  cr_assert_eq(gr_certifier_certify(certifier, 6, set, &verdict), GR_ERR_STATE);
  cr_assert_eq(gr_certifier_record(certifier, 6, set, true, NULL), GR_ERR_STATE);
  cr_assert_eq(gr_certifier_stable(certifier, 6), GR_ERR_STATE);
  cr_assert_eq(gr_certifier_mode(certifier, 0), GR_ERR_STATE);
  cr_assert_eq(gr_certifier_digest(certifier), 0);
  cr_assert_eq(gr_certifier_begin_at(certifier, 5, 5), GR_OK, "which ends the import");
  cr_assert_eq(gr_certifier_certify(certifier, 6, set, &verdict), GR_OK);
  gr_certifier_free(certifier);
}

Test(image, arguments) {
  gr_certifier *certifier = worked();
  uint8_t byte = 0;
  size_t size;
  cr_assert_eq(gr_certifier_export_begin(NULL), GR_ERR_INVALID);
  gr_certifier_export_end(NULL);
  cr_assert_eq(gr_certifier_export_begin(certifier), GR_OK);
  cr_assert_eq(gr_certifier_export_read(NULL, &byte, 1, &size), GR_ERR_INVALID);
  cr_assert_eq(gr_certifier_export_read(certifier, NULL, 1, &size), GR_ERR_INVALID);
  cr_assert_eq(gr_certifier_export_read(certifier, &byte, 0, &size), GR_ERR_INVALID);
  cr_assert_eq(gr_certifier_export_read(certifier, &byte, 1, NULL), GR_ERR_INVALID);
  cr_assert_eq(gr_certifier_import_begin(NULL), GR_ERR_INVALID);
  cr_assert_eq(gr_certifier_import_begin(certifier), GR_OK);
  cr_assert_eq(gr_certifier_import_write(NULL, (gr_slice){&byte, 1}), GR_ERR_INVALID);
  cr_assert_eq(gr_certifier_import_write(certifier, (gr_slice){NULL, 1}), GR_ERR_INVALID);
  cr_assert_eq(gr_certifier_import_write(certifier, (gr_slice){NULL, 0}), GR_OK);
  cr_assert_eq(gr_certifier_import_end(NULL), GR_ERR_INVALID);
  gr_certifier_free(certifier);
}
