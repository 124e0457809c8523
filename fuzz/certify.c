/* SPDX-License-Identifier: MIT
 *
 * The certifier beside one that is plainly right, with the fuzzer's choices: verdicts,
 * limits, and the state that goes from one certifier to another
 * (tests/certify/lockstep.h).
 *
 *   input: what is chosen, two bytes each
 */
#include "fuzz.h"

#include "lockstep.h"

#define STEPS_MAX 3000

static uint64_t choose(void *context, uint64_t bound) {
  return fuzz_u16(context) * bound >> 16;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  struct fuzz_input input = {data, size};
  struct lockstep_counts counts = {0};
  /* A step takes two choices at least. */
  size_t steps = size / 4 < STEPS_MAX ? size / 4 : STEPS_MAX;
  const char *wrong = lockstep_run(choose, &input, steps, &counts);
  if (wrong) FUZZ_CHECK(false, wrong);
  return 0;
}
