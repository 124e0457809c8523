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

/* Bytes that the four accumulators take at a time. */
#define STRIPE_BYTES 32

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

/* Steps 1 to 3 for at least one stripe. Four chains that do not wait for each other keep
 * the multiplier busy. */
static uint64_t hash_stripes(const uint8_t *at, size_t stripes, uint64_t seed) {
  uint64_t first = seed + PRIME_1 + PRIME_2;
  uint64_t second = seed + PRIME_2;
  uint64_t third = seed;
  uint64_t fourth = seed - PRIME_1;
  for (; stripes > 0; stripes--, at += STRIPE_BYTES) {
    first = accumulate(first, gr_load_u64(at));
    second = accumulate(second, gr_load_u64(at + 8));
    third = accumulate(third, gr_load_u64(at + 16));
    fourth = accumulate(fourth, gr_load_u64(at + 24));
  }
  uint64_t hash = rotate_left(first, 1) + rotate_left(second, 7) +
                  rotate_left(third, 12) + rotate_left(fourth, 18);
  return merge(merge(merge(merge(hash, first), second), third), fourth);
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
  const uint8_t *at = data;
  size_t stripes = size / STRIPE_BYTES;
  uint64_t hash = stripes > 0 ? hash_stripes(at, stripes, seed) : seed + PRIME_5;
  hash += size;
  if (stripes > 0) at += stripes * STRIPE_BYTES;
  return avalanche(hash_rest(hash, at, size % STRIPE_BYTES));
}
