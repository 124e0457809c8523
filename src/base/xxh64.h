/* SPDX-License-Identifier: MIT
 *
 * XXH64 (Yann Collet; doc/xxhash_spec.md, version 0.1.1, of the xxHash project): guards
 * what is large, the payload of batches, at the speed of memory and alike on every
 * machine.
 */
#ifndef GR_BASE_XXH64_H
#define GR_BASE_XXH64_H

#include <stddef.h>
#include <stdint.h>

#define GR_XXH64_STRIPE_BYTES 32

uint64_t gr_xxh64(const void *data, size_t size, uint64_t seed);

/* The same hash of bytes that come in pieces, however they are cut. */
struct gr_xxh64_stream {
  uint64_t seed;
  uint64_t accumulators[4];
  uint64_t size;
  uint8_t rest[GR_XXH64_STRIPE_BYTES]; /* the last size % 32 bytes */
};

void gr_xxh64_begin(struct gr_xxh64_stream *stream, uint64_t seed);
void gr_xxh64_add(struct gr_xxh64_stream *stream, const void *data, size_t size);

/* Of all that was added; more may be added behind it. */
uint64_t gr_xxh64_end(const struct gr_xxh64_stream *stream);

#endif
