/* SPDX-License-Identifier: MIT
 *
 * First inputs of the targets of certification.
 */
#include "make_corpus.h"

#include <gr/certify.h>

/* A write set with a key of each kind, and what a certifier remembers of many. */
void make_certified(const char *folder, uint8_t *bytes) {
  gr_certifier_options options = {.size = sizeof(options),
                                  .memory_bytes_max = 4928,
                                  .mode = GR_CERTIFIER_DEPENDENCIES_ONLY};
  gr_certifier_verdict verdict = {.size = sizeof(verdict)};
  gr_writeset *writeset;
  gr_certifier *certifier;
  gr_slice set, row = {(const uint8_t *)"row", 3};
  int error = gr_writeset_new(&writeset, 100, NULL);
  if (error == GR_OK) error = gr_certifier_new(&certifier, &options, NULL);
  FUZZ_CHECK(error == GR_OK, "there is memory");
  gr_writeset_snapshot(writeset, 3);
  for (unsigned kind = GR_KEY_SHARED; kind <= GR_KEY_EXCLUSIVE; kind++)
    gr_writeset_add(writeset, (enum gr_key_kind)kind, &row, 1, NULL);
  gr_writeset_encode(writeset, &set);
  struct gr_writer seed = gr_writer_of(bytes, SEED_BYTES_MAX);
  gr_write_u16(&seed, 4);
  gr_write_bytes(&seed, set.data, set.size);
  save(folder, "write_set", "each-kind", &seed);
  for (gr_seqno seqno = 5; seqno <= 22; seqno++) /* until it is full */
    gr_certifier_certify(certifier, seqno, set, &verdict);
  gr_certifier_export_begin(certifier);
  bytes[0] = 16;
  gr_certifier_export_read(certifier, bytes + 1, SEED_BYTES_MAX - 1, &seed.used);
  seed.used -= 8 - 1; /* the target adds the digest */
  save(folder, "certifier_image", "full", &seed);
  gr_writeset_free(writeset);
  gr_certifier_free(certifier);
}
