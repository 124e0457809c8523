/* SPDX-License-Identifier: MIT
 *
 * Carving one block of memory into arrays. Run once without memory to learn the size,
 * then again, through the same code, with it: so the two cannot disagree.
 */
#ifndef GR_BASE_CARVE_H
#define GR_BASE_CARVE_H

#include <stddef.h>
#include <stdint.h>

/* Enough for every type, and a cache line. */
#define GR_CARVE_ALIGNMENT 64

struct gr_carver {
  uint8_t *memory; /* NULL while only the size is wanted */
  size_t used;
};

/* The next `count` elements of `size` bytes; NULL while only the size is wanted. */
static inline void *gr_carve(struct gr_carver *carver, size_t count, size_t size) {
  size_t bytes =
      (count * size + GR_CARVE_ALIGNMENT - 1) & ~(size_t)(GR_CARVE_ALIGNMENT - 1);
  uint8_t *at = carver->memory ? carver->memory + carver->used : NULL;
  carver->used += bytes;
  return at;
}

#endif
