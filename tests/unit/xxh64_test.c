/* SPDX-License-Identifier: MIT
 *
 * base/xxh64.h: the vectors that the xxHash project publishes and checks itself with, and
 * values taken once from its own library.
 */
#include "base/xxh64.h"

#include <criterion/criterion.h>
#include <string.h>

#define SEED UINT64_C(2654435761)

/* The bytes over which the xxHash project's vectors are reckoned. */
static void fill(uint8_t *data, size_t size) {
  uint64_t state = UINT64_C(2654435761);
  for (size_t i = 0; i < size; i++) {
    data[i] = (uint8_t)(state >> 56);
    state *= UINT64_C(11400714785074694797);
  }
}

Test(xxh64, published_texts) {
  cr_assert_eq(gr_xxh64(NULL, 0, 0), UINT64_C(0xef46db3751d8e999));
  cr_assert_eq(gr_xxh64("a", 1, 0), UINT64_C(0xd24ec4f1a98c6e5b));
  cr_assert_eq(gr_xxh64("abc", 3, 0), UINT64_C(0x44bc2cf5ad770999));
}

/* cli/xsum_sanity_check.c of the xxHash project; those of 32 bytes and more than 222 come
 * from XXH64() of libxxhash 0.8.1. */
Test(xxh64, published_vectors) {
  const struct {
    size_t size;
    uint64_t seed;
    uint64_t hash;
  } vectors[] = {{0, 0, UINT64_C(0xef46db3751d8e999)},
                 {0, SEED, UINT64_C(0xac75fda2929b17ef)},
                 {1, 0, UINT64_C(0xe934a84adb052768)},
                 {1, SEED, UINT64_C(0x5014607643a9b4c3)},
                 {4, 0, UINT64_C(0x9136a0dca57457ee)},
                 {14, 0, UINT64_C(0x8282dcc4994e35c8)},
                 {14, SEED, UINT64_C(0xc3bd6bf63deb6df0)},
                 {32, 0, UINT64_C(0x18b216492bb44b70)},
                 {222, 0, UINT64_C(0xb641ae8cb691c174)},
                 {222, SEED, UINT64_C(0x20cb8ab7ae10c14a)},
                 {4095, 1, UINT64_C(0xa859a560ed8b3648)},
                 {4096, 0, UINT64_C(0xab77f4af85f4e70b)},
                 {4096, SEED, UINT64_C(0xcb8b60cba513125d)}};
  uint8_t data[4096];
  fill(data, sizeof(data));
  for (size_t i = 0; i < sizeof(vectors) / sizeof(vectors[0]); i++) {
    cr_assert_eq(gr_xxh64(data, vectors[i].size, vectors[i].seed), vectors[i].hash,
                 "vector %zu", i);
  }
}

/* Every length from 0 to 1024, each hash the seed of the next: one value for all of them,
 * which libxxhash 0.8.1 gives too. At every alignment. */
Test(xxh64, every_length_and_alignment) {
  uint8_t data[16 + 1024];
  for (size_t shift = 0; shift < 16; shift++) {
    fill(data + shift, 1024);
    uint64_t hash = 0;
    for (size_t size = 0; size <= 1024; size++) hash = gr_xxh64(data + shift, size, hash);
    cr_assert_eq(hash, UINT64_C(0x2676f2c2024d9642), "shift %zu", shift);
  }
}

Test(xxh64, sees_every_changed_bit) {
  uint8_t data[200];
  fill(data, sizeof(data));
  const uint64_t right = gr_xxh64(data, sizeof(data), 0);
  for (size_t bit = 0; bit < 8 * sizeof(data); bit++) {
    data[bit / 8] ^= (uint8_t)(1u << bit % 8);
    cr_assert_neq(gr_xxh64(data, sizeof(data), 0), right, "bit %zu", bit);
    data[bit / 8] ^= (uint8_t)(1u << bit % 8);
  }
}

/* In pieces of every size, each cut anew by what the last one left. */
Test(xxh64, does_not_depend_on_how_the_bytes_are_cut) {
  uint8_t data[300];
  fill(data, sizeof(data));
  for (size_t size = 0; size <= sizeof(data); size += 1 + size / 40) {
    uint64_t whole = gr_xxh64(data, size, SEED);
    for (size_t piece = 1; piece <= 70; piece++) {
      struct gr_xxh64_stream stream;
      gr_xxh64_begin(&stream, SEED);
      for (size_t at = 0; at < size; at += piece)
        gr_xxh64_add(&stream, data + at, size - at < piece ? size - at : piece);
      gr_xxh64_add(&stream, NULL, 0);
      cr_assert_eq(gr_xxh64_end(&stream), whole, "%zu bytes in pieces of %zu", size,
                   piece);
    }
  }
}
