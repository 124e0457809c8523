/* SPDX-License-Identifier: MIT
 *
 * certify-lockstep: random histories, on the real certifier and the naive one
 * (lockstep.h), until so many certifications are done.
 *
 *   certify-lockstep --certifications N --seed S
 *
 * Each history has a seed of its own, which is printed if it fails; with it, and
 * --certifications 1, only that history runs.
 */
#include "lockstep.h"

#include "base/random.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define STEPS 4000

static uint64_t choose(void *context, uint64_t bound) {
  return (gr_random_next(context) >> 32) * bound >> 32;
}

static bool parse(int argc, char **argv, uint64_t *certifications, uint64_t *seed) {
  for (int i = 1; i + 1 < argc; i += 2) {
    uint64_t *number = strcmp(argv[i], "--certifications") == 0 ? certifications
                       : strcmp(argv[i], "--seed") == 0         ? seed
                                                                : NULL;
    char *end = NULL;
    if (number) *number = strtoull(argv[i + 1], &end, 10);
    if (!number || *end != 0) return false;
  }
  return argc % 2 == 1;
}

int main(int argc, char **argv) {
  uint64_t certifications = 1000000, seed = 1;
  struct lockstep_counts counts = {0};
  if (!parse(argc, argv, &certifications, &seed)) {
    fprintf(stderr, "usage: %s [--certifications N] [--seed S]\n", argv[0]);
    return 2;
  }
  clock_t began = clock();
  uint64_t history = seed;
  for (; counts.certifications < certifications; history++) {
    struct gr_random random = {.state = history * UINT64_C(0xd1342543de82ef95)};
    const char *wrong = lockstep_run(choose, &random, STEPS, &counts);
    if (!wrong) continue;
    fprintf(stderr, "--seed %" PRIu64 ": does not hold: %s\n", history, wrong);
    return 1;
  }
  double seconds = (double)(clock() - began) / CLOCKS_PER_SEC;
  printf("%" PRIu64 " certifications in %" PRIu64 " histories: committed %" PRIu64
         ", conflicts %" PRIu64 ", too old %" PRIu64 ", refused %" PRIu64
         ", too large %" PRIu64 ", refused calls %" PRIu64 "\n",
         counts.certifications, history - seed, counts.verdicts[GR_VERDICT_COMMIT],
         counts.verdicts[GR_VERDICT_CONFLICT], counts.verdicts[GR_VERDICT_TOO_OLD],
         counts.verdicts[GR_VERDICT_REFUSED_SERIALIZABLE] +
             counts.verdicts[GR_VERDICT_REFUSED_CASCADING],
         counts.verdicts[GR_VERDICT_TOO_LARGE], counts.refused_calls);
  printf("imports %" PRIu64 ", overtaken %" PRIu64 ", rebuilds %" PRIu64
         ", floor forced %" PRIu64 "\n",
         counts.imports, counts.overtaken, counts.rebuilds, counts.forced);
  printf("%.0f certifications/s\n", (double)counts.certifications / seconds);
  return 0;
}
