/* SPDX-License-Identifier: MIT
 *
 * A certifier's image as the bytes of a stranger, with its digest made right, and cut
 * anyhow: what is taken is what would be exported, and leaves a certifier that works.
 *
 *   input: chunk u8 | the image, without its digest ...
 */
#include "fuzz.h"

#include "base/bytes.h"
#include "base/xxh64.h"

#include <gr/certify.h>

#include <string.h>

#define DIGEST_BYTES 8

static int import(gr_certifier *certifier, const uint8_t *image, size_t size,
                  size_t chunk) {
  FUZZ_CHECK(gr_certifier_import_begin(certifier) == GR_OK, "an import begins");
  for (size_t at = 0; at < size; at += chunk) {
    size_t count = size - at < chunk ? size - at : chunk;
    int error = gr_certifier_import_write(certifier, (gr_slice){image + at, count});
    if (error != GR_OK) return error;
  }
  return gr_certifier_import_end(certifier);
}

static void check_export(gr_certifier *certifier, const uint8_t *image, size_t size) {
  uint8_t *again = fuzz_allocate(size + 1);
  size_t count = 0, read = 0;
  FUZZ_CHECK(gr_certifier_export_begin(certifier) == GR_OK, "an export begins");
  do {
    FUZZ_CHECK(gr_certifier_export_read(certifier, again + read, size + 1 - read,
                                        &count) == GR_OK,
               "an export is read");
    read += count;
  } while (count > 0 && read <= size);
  FUZZ_CHECK(read == size && memcmp(again, image, size) == 0,
             "what was imported is what is exported");
  gr_certifier_export_end(certifier);
  free(again);
}

/* It goes on: one who has seen all conflicts with nobody. */
static void check_work(gr_certifier *certifier) {
  gr_certifier_status status = {.size = sizeof(status)};
  gr_certifier_verdict verdict = {.size = sizeof(verdict)};
  gr_writeset *writeset;
  gr_slice part = {(const uint8_t *)"row", 3}, set;
  gr_certifier_inspect(certifier, &status);
  if (status.last >= GR_CERTIFY_SEQNO_MAX) return;
  FUZZ_CHECK(gr_writeset_new(&writeset, 100, NULL) == GR_OK, "there is memory");
  gr_writeset_snapshot(writeset, status.last);
  gr_writeset_add(writeset, GR_KEY_EXCLUSIVE, &part, 1, NULL);
  gr_writeset_encode(writeset, &set);
  FUZZ_CHECK(gr_certifier_certify(certifier, status.last + 1, set, &verdict) == GR_OK &&
                 verdict.kind == GR_VERDICT_COMMIT,
             "who has seen all may commit");
  gr_writeset_free(writeset);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  struct fuzz_input input = {data, size};
  gr_certifier_options options = {.size = sizeof(options),
                                  .memory_bytes_max = 4096 + 4 * 208};
  size_t chunk = 1 + (size_t)fuzz_u8(&input);
  size_t image_size = input.left + DIGEST_BYTES;
  uint8_t *image = fuzz_allocate(image_size);
  if (input.left > 0) memcpy(image, input.at, input.left);
  gr_store_u64(image + input.left, gr_xxh64(image, input.left, 0));
  gr_certifier *certifier;
  FUZZ_CHECK(gr_certifier_new(&certifier, &options, NULL) == GR_OK, "there is memory");
  if (import(certifier, image, image_size, chunk) == GR_OK) {
    check_export(certifier, image, image_size);
    check_work(certifier);
  }
  gr_certifier_free(certifier);
  free(image);
  return 0;
}
