/* SPDX-License-Identifier: MIT
 *
 * A write set as the bytes of a stranger: what decodes is what the builder makes of its
 * keys, and a certifier takes exactly what decodes.
 *
 *   input: seqno u16 | the write set ...
 */
#include "fuzz.h"

#include "certify/write_set.h"

#include <gr/error.h>

#include <string.h>

#define BYTES_MAX 4096

/* Its header and its keys, one by one, are the bytes that came. */
static void check_round_trip(gr_slice bytes, const gr_writeset_info *info) {
  struct gr_write_set header = {.snapshot = info->snapshot,
                                .flags = info->flags,
                                .key_count = info->key_count};
  uint8_t again[GR_WRITESET_HEADER_BYTES];
  gr_write_set_encode_header(again, &header);
  FUZZ_CHECK(bytes.size ==
                 sizeof(again) + (size_t)info->key_count * GR_WRITESET_KEY_BYTES,
             "a write set is as large as its keys say");
  FUZZ_CHECK(memcmp(again, bytes.data, sizeof(again)) == 0,
             "a header that decodes is what its encoder makes of it");
  const uint8_t *at = (const uint8_t *)bytes.data + sizeof(again);
  for (uint32_t i = 0; i < info->key_count; i++, at += GR_WRITESET_KEY_BYTES) {
    gr_key key;
    FUZZ_CHECK(gr_writeset_key(bytes, i, &key) == GR_OK, "each key can be asked for");
    FUZZ_CHECK(gr_load_u64(at) == key.hash && at[8] == (uint8_t)key.kind,
               "a key is what it was");
  }
}

static int certify(gr_seqno seqno, gr_slice bytes) {
  gr_certifier_options options = {.size = sizeof(options), .memory_bytes_max = 20000};
  gr_certifier_verdict verdict = {.size = sizeof(verdict)};
  gr_certifier *certifier;
  FUZZ_CHECK(gr_certifier_new(&certifier, &options, NULL) == GR_OK, "there is memory");
  gr_certifier_prefetch(certifier, bytes);
  int error = gr_certifier_certify(certifier, seqno, bytes, &verdict);
  if (error == GR_OK)
    FUZZ_CHECK(verdict.kind == GR_VERDICT_COMMIT || verdict.kind == GR_VERDICT_TOO_LARGE,
               "the first one has nobody to conflict with");
  gr_certifier_free(certifier);
  return error;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  struct fuzz_input input = {data, size};
  gr_seqno seqno = 1 + (gr_seqno)fuzz_u16(&input);
  size_t left = input.left < BYTES_MAX ? input.left : BYTES_MAX;
  uint8_t *copy = fuzz_allocate(left);
  if (left > 0) memcpy(copy, input.at, left);
  gr_slice bytes = {copy, left};
  gr_writeset_info info = {.size = sizeof(info)};
  int error = gr_writeset_read(bytes, &info);
  FUZZ_CHECK(error == GR_OK || error == GR_ERR_MALFORMED || error == GR_ERR_PROTOCOL,
             "the answer is one of those that the header lists");
  if (error == GR_OK) check_round_trip(bytes, &info);
  bool possible =
      error == GR_OK && (info.snapshot == GR_SNAPSHOT_NONE || info.snapshot < seqno);
  int expected = error != GR_OK ? error : possible ? GR_OK : GR_ERR_MALFORMED;
  FUZZ_CHECK(certify(seqno, bytes) == expected, "what decodes is certified");
  free(copy);
  return 0;
}
