/* SPDX-License-Identifier: MIT
 *
 * See transactions.h.
 */
#include "transactions.h"

#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>

static enum gr_key_kind kind_of(char letter) {
  cr_assert(letter == 'X' || letter == 'R' || letter == 'S');
  return letter == 'X'   ? GR_KEY_EXCLUSIVE
         : letter == 'R' ? GR_KEY_REFERENCE
                         : GR_KEY_SHARED;
}

gr_slice write_set_of(struct transaction transaction) {
  static uint8_t bytes[4096];
  gr_writeset *writeset;
  gr_slice encoded;
  cr_assert_eq(gr_writeset_new(&writeset, sizeof(bytes), NULL), GR_OK);
  gr_writeset_snapshot(writeset, transaction.snapshot);
  gr_writeset_flag(writeset, transaction.flags);
  for (const char *at = transaction.keys; *at != 0;) {
    size_t length = strcspn(at, " ");
    gr_slice row = {(const uint8_t *)at + 1, length - 1};
    cr_assert_eq(gr_writeset_add(writeset, kind_of(*at), &row, 1, NULL), GR_OK);
    at += length + (at[length] == ' ');
  }
  cr_assert_eq(gr_writeset_encode(writeset, &encoded), GR_OK);
  memcpy(bytes, encoded.data, encoded.size);
  encoded.data = bytes;
  gr_writeset_free(writeset);
  return encoded;
}

gr_certifier *certifier_of(uint64_t units, uint64_t window_max, uint32_t mode) {
  gr_certifier_options options = {.size = sizeof(options),
                                  .memory_bytes_max = 4096 + 208 * units,
                                  .window_max = window_max,
                                  .mode = mode};
  gr_certifier *certifier;
  cr_assert_eq(gr_certifier_new(&certifier, &options, NULL), GR_OK);
  return certifier;
}

gr_certifier_status status_of(const gr_certifier *certifier) {
  gr_certifier_status status = {.size = sizeof(status)};
  cr_assert_eq(gr_certifier_inspect(certifier, &status), GR_OK);
  return status;
}

gr_certifier_verdict certify(gr_certifier *certifier, gr_seqno seqno,
                             struct transaction transaction) {
  gr_certifier_verdict verdict = {.size = sizeof(verdict)};
  cr_assert_eq(gr_certifier_certify(certifier, seqno, write_set_of(transaction),
                                    &verdict),
               GR_OK);
  return verdict;
}

enum gr_certifier_verdict_kind verdict_on(gr_certifier *certifier, gr_seqno seqno,
                                          gr_seqno snapshot, const char *keys) {
  return certify(certifier, seqno, (struct transaction){snapshot, 0, keys}).kind;
}

static void *give_none(void *context, size_t size, size_t alignment) {
  (void)context;
  (void)size;
  (void)alignment;
  return NULL;
}

static void release(void *context, void *memory, size_t size) {
  (void)context;
  (void)size;
  free(memory);
}

gr_allocator no_memory(void) {
  return (gr_allocator){.allocate = give_none, .release = release};
}
