/* SPDX-License-Identifier: MIT
 *
 * See hash.h. Eight bytes at a time through a multiply and a rotate, four sums side by
 * side in long input, so that the digest of large values costs little.
 */
#include "hash.h"

/* Odd numbers with about half of their bits set, without a pattern: digits of the golden
 * ratio, of the square roots of 2 and 3, and of pi. */
#define GOLDEN UINT64_C(0x9e3779b97f4a7c15)
#define ROOT_2 UINT64_C(0x6a09e667f3bcc909)
#define ROOT_3 UINT64_C(0xbb67ae8584caa73b)
#define PI_DIGITS UINT64_C(0x243f6a8885a308d3)

static uint64_t load(const uint8_t *at) {
  uint64_t value = 0;
  for (unsigned i = 0; i < 8; i++) value |= (uint64_t)at[i] << (8 * i);
  return value;
}

static uint64_t rotate(uint64_t value, unsigned bits) {
  return value << bits | value >> (64 - bits);
}

static uint64_t stir(uint64_t sum, uint64_t word) {
  return rotate(sum ^ (word * ROOT_2), 29) * GOLDEN;
}

uint64_t kv_hash_mix(uint64_t value) {
  value = (value ^ (value >> 32)) * GOLDEN;
  value = (value ^ (value >> 29)) * ROOT_3;
  return value ^ (value >> 32);
}

uint64_t kv_hash(struct kv_string bytes, uint64_t seed) {
  const uint8_t *at = bytes.data;
  size_t left = bytes.size;
  uint64_t sum = kv_hash_mix(seed ^ PI_DIGITS) + (uint64_t)bytes.size;
  if (left >= 32) {
    uint64_t sums[4] = {sum, sum + GOLDEN, sum ^ ROOT_2, sum ^ ROOT_3};
    for (; left >= 32; at += 32, left -= 32)
      for (unsigned i = 0; i < 4; i++) sums[i] = stir(sums[i], load(at + (size_t)8 * i));
    for (unsigned i = 0; i < 4; i++) sum = stir(sum, kv_hash_mix(sums[i]));
  }
  for (; left >= 8; at += 8, left -= 8) sum = stir(sum, load(at));
  uint64_t tail = 0;
  for (size_t i = 0; i < left; i++) tail |= (uint64_t)at[i] << (8 * i);
  return kv_hash_mix(stir(sum, tail));
}
