/* SPDX-License-Identifier: MIT
 *
 * XXH64, written from its specification, whose section "XXH64 Algorithm Description"
 * names the six steps; all loads are little-endian on every machine, and none needs
 * alignment.
 */
#include "base/xxh64.h"

#include "base/bytes.h"

#define PRIME_1 UINT64_C(0x9e3779b185ebca87)
#define PRIME_2 UINT64_C(0xc2b2ae3d27d4eb4f)
#define PRIME_3 UINT64_C(0x165667b19e3779f9)
#define PRIME_4 UINT64_C(0x85ebca77c2b2ae63)
#define PRIME_5 UINT64_C(0x27d4eb2f165667c5)

/* `count` is 1 to 63. */
static inline uint64_t rotate_left(uint64_t value, unsigned count) {
  return value << count | value >> (64 - count);
}

static inline uint64_t accumulate(uint64_t accumulator, uint64_t lane) {
  return rotate_left(accumulator + lane * PRIME_2, 31) * PRIME_1;
}

static inline uint64_t merge(uint64_t hash, uint64_t accumulator) {
  return (hash ^ accumulate(0, accumulator)) * PRIME_1 + PRIME_4;
}

/* Step 1. */
static void begin(uint64_t accumulators[4], uint64_t seed) {
  accumulators[0] = seed + PRIME_1 + PRIME_2;
  accumulators[1] = seed + PRIME_2;
  accumulators[2] = seed;
  accumulators[3] = seed - PRIME_1;
}

/* Step 2. Four chains that do not wait for each other keep the multiplier busy. */
static void take_stripes(uint64_t accumulators[4], const uint8_t *at, size_t stripes) {
  uint64_t first = accumulators[0], second = accumulators[1];
  uint64_t third = accumulators[2], fourth = accumulators[3];
  for (; stripes > 0; stripes--, at += GR_XXH64_STRIPE_BYTES) {
    first = accumulate(first, gr_load_u64(at));
    second = accumulate(second, gr_load_u64(at + 8));
    third = accumulate(third, gr_load_u64(at + 16));
    fourth = accumulate(fourth, gr_load_u64(at + 24));
  }
  accumulators[0] = first, accumulators[1] = second;
  accumulators[2] = third, accumulators[3] = fourth;
}

/* Step 3, for at least one stripe. */
static uint64_t converge(const uint64_t accumulators[4]) {
  uint64_t hash = rotate_left(accumulators[0], 1) + rotate_left(accumulators[1], 7) +
                  rotate_left(accumulators[2], 12) + rotate_left(accumulators[3], 18);
  for (unsigned i = 0; i < 4; i++) hash = merge(hash, accumulators[i]);
  return hash;
}

/* Step 5: the rest, which is less than a stripe. */
static uint64_t hash_rest(uint64_t hash, const uint8_t *at, size_t size) {
  for (; size >= 8; size -= 8, at += 8) {
    hash = rotate_left(hash ^ accumulate(0, gr_load_u64(at)), 27) * PRIME_1 + PRIME_4;
  }
  if (size >= 4) {
    hash = rotate_left(hash ^ gr_load_u32(at) * PRIME_1, 23) * PRIME_2 + PRIME_3;
    size -= 4;
    at += 4;
  }
  for (; size > 0; size--, at++) hash = rotate_left(hash ^ *at * PRIME_5, 11) * PRIME_1;
  return hash;
}

/* Step 6: every bit of the input sways every bit of the hash. */
static uint64_t avalanche(uint64_t hash) {
  hash = (hash ^ hash >> 33) * PRIME_2;
  hash = (hash ^ hash >> 29) * PRIME_3;
  return hash ^ hash >> 32;
}

uint64_t gr_xxh64(const void *data, size_t size, uint64_t seed) {
  struct gr_xxh64_stream stream;
  gr_xxh64_begin(&stream, seed);
  gr_xxh64_add(&stream, data, size);
  return gr_xxh64_end(&stream);
}

void gr_xxh64_begin(struct gr_xxh64_stream *stream, uint64_t seed) {
  stream->seed = seed;
  stream->size = 0;
  begin(stream->accumulators, seed);
}

void gr_xxh64_add(struct gr_xxh64_stream *stream, const void *data, size_t size) {
  const uint8_t *at = data;
  size_t held = stream->size % GR_XXH64_STRIPE_BYTES;
  if (size == 0) return;
  stream->size += size;
  if (held + size < GR_XXH64_STRIPE_BYTES) {
    memcpy(stream->rest + held, at, size);
    return;
  }
  if (held > 0) {
    size_t missing = GR_XXH64_STRIPE_BYTES - held;
    memcpy(stream->rest + held, at, missing);
    take_stripes(stream->accumulators, stream->rest, 1);
    at += missing;
    size -= missing;
  }
  take_stripes(stream->accumulators, at, size / GR_XXH64_STRIPE_BYTES);
  held = size % GR_XXH64_STRIPE_BYTES;
  memcpy(stream->rest, at + (size - held), held);
}

uint64_t gr_xxh64_end(const struct gr_xxh64_stream *stream) {
  bool striped = stream->size >= GR_XXH64_STRIPE_BYTES;
  uint64_t hash = striped ? converge(stream->accumulators) : stream->seed + PRIME_5;
  hash += stream->size; /* step 4 */
  return avalanche(hash_rest(hash, stream->rest, stream->size % GR_XXH64_STRIPE_BYTES));
}
