/* SPDX-License-Identifier: MIT
 *
 * base/carve.h: the size that the dry run reckons is the size that the arrays take, and
 * no two of them overlap.
 */
#include "base/carve.h"

#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>

static const struct {
  size_t count;
  size_t size;
} arrays[] = {{1, 1}, {0, 8}, {3, 7}, {64, 1}, {65, 1}, {5, 40}, {1, 4096}};
#define ARRAY_COUNT (sizeof(arrays) / sizeof(arrays[0]))

Test(carve, the_dry_run_tells_the_size) {
  struct gr_carver dry = {0};
  for (size_t i = 0; i < ARRAY_COUNT; i++) {
    cr_assert_null(gr_carve(&dry, arrays[i].count, arrays[i].size));
  }
  uint8_t *memory = aligned_alloc(GR_CARVE_ALIGNMENT, dry.used);
  cr_assert_not_null(memory);
  memset(memory, 0, dry.used);
  struct gr_carver carver = {.memory = memory};
  for (size_t i = 0; i < ARRAY_COUNT; i++) {
    uint8_t *at = gr_carve(&carver, arrays[i].count, arrays[i].size);
    cr_assert_eq((uintptr_t)at % GR_CARVE_ALIGNMENT, 0);
    for (size_t byte = 0; byte < arrays[i].count * arrays[i].size; byte++) {
      cr_assert_eq(at[byte], 0, "array %zu overlaps one before it", i);
      at[byte] = 0xee;
    }
  }
  cr_assert_eq(carver.used, dry.used);
  free(memory);
}
