/* SPDX-License-Identifier: MIT
 *
 * What every fuzz target shares: its entry point, the reading of choices from the
 * fuzzer's bytes, and a check that is live in every build.
 *
 * A target never looks at anything but its bytes, so that an input that broke it once
 * breaks it again. Bytes that have run out read as zeroes.
 */
#ifndef GR_FUZZ_FUZZ_H
#define GR_FUZZ_FUZZ_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

/* libFuzzer's name for it. run_corpus.c calls it too, so every target runs without
 * libFuzzer as well. Always 0. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* What must hold; `text` says it. */
#define FUZZ_CHECK(condition, text)                                                      \
  ((condition) ? (void)0 : fuzz_failed(__FILE__, __LINE__, (text)))

static inline _Noreturn void fuzz_failed(const char *file, int line, const char *text) {
  fprintf(stderr, "%s:%d: does not hold: %s\n", file, line, text);
  fflush(NULL);
  abort();
}

struct fuzz_input {
  const uint8_t *at;
  size_t left;
};

static inline uint8_t fuzz_u8(struct fuzz_input *input) {
  if (input->left == 0) return 0;
  input->left--;
  return *input->at++;
}

static inline uint16_t fuzz_u16(struct fuzz_input *input) {
  uint16_t low = fuzz_u8(input);
  return (uint16_t)(low | fuzz_u8(input) << 8);
}

static inline uint64_t fuzz_u64(struct fuzz_input *input) {
  uint64_t value = 0;
  for (unsigned i = 0; i < 8; i++) value |= (uint64_t)fuzz_u8(input) << 8 * i;
  return value;
}

/* The next bytes, as many as asked for or as are left. */
static inline struct fuzz_input fuzz_take(struct fuzz_input *input, size_t size) {
  struct fuzz_input taken = {input->at, size < input->left ? size : input->left};
  input->at += taken.left;
  input->left -= taken.left;
  return taken;
}

/* Memory of exactly this size, so that a sanitizer sees the first byte read beyond. */
static inline uint8_t *fuzz_allocate(size_t size) {
  uint8_t *memory = malloc(size > 0 ? size : 1);
  FUZZ_CHECK(memory, "there is memory");
  return memory;
}

#endif
