/* SPDX-License-Identifier: MIT
 *
 * base/crc32c.h: the published vectors; the table against the polynomial; and the fast
 * version against one that works bit by bit.
 */
#include "base/crc32c.h"

#include "base/crc32c_table.h"
#include "base/random.h"

#include <criterion/criterion.h>
#include <string.h>

#define POLYNOMIAL 0x82f63b78u /* of CRC-32C, bits reversed */

static uint32_t divide_by_bits(uint32_t state, uint32_t bits) {
  for (uint32_t i = 0; i < bits; i++) state = state >> 1 ^ (state & 1 ? POLYNOMIAL : 0);
  return state;
}

static uint32_t crc32c_plainly(const uint8_t *data, size_t size) {
  uint32_t state = ~UINT32_C(0);
  for (size_t i = 0; i < size; i++) state = divide_by_bits(state ^ data[i], 8);
  return ~state;
}

Test(crc32c, the_table_follows_from_the_polynomial) {
  for (uint32_t row = 0; row < 8; row++) {
    for (uint32_t byte = 0; byte < 256; byte++) {
      cr_assert_eq(gr_crc32c_table[row][byte], divide_by_bits(byte, 8 * (row + 1)),
                   "row %u, entry %u", row, byte);
    }
  }
}

/* RFC 3720, appendix B.4, and the check value that catalogues of CRCs quote. */
Test(crc32c, published_vectors) {
  uint8_t data[32];
  cr_assert_eq(gr_crc32c(0, "123456789", 9), 0xe3069283u);
  memset(data, 0, sizeof(data));
  cr_assert_eq(gr_crc32c(0, data, sizeof(data)), 0x8a9136aau);
  memset(data, 0xff, sizeof(data));
  cr_assert_eq(gr_crc32c(0, data, sizeof(data)), 0x62a8ab43u);
  for (size_t i = 0; i < sizeof(data); i++) data[i] = (uint8_t)i;
  cr_assert_eq(gr_crc32c(0, data, sizeof(data)), 0x46dd794eu);
  for (size_t i = 0; i < sizeof(data); i++) data[i] = (uint8_t)(31 - i);
  cr_assert_eq(gr_crc32c(0, data, sizeof(data)), 0x113fdb5cu);
}

/* The iSCSI read command of RFC 3720, appendix B.4. */
Test(crc32c, published_read_command) {
  const uint8_t command[48] = {0x01,        0xc0,        [16] = 0x14, [22] = 0x04,
                               [27] = 0x14, [31] = 0x18, [32] = 0x28, [40] = 0x02};
  cr_assert_eq(gr_crc32c(0, command, sizeof(command)), 0xd9963a56u);
}

Test(crc32c, nothing_changes_nothing) {
  cr_assert_eq(gr_crc32c(0, NULL, 0), 0);
  cr_assert_eq(gr_crc32c(0x12345678, NULL, 0), 0x12345678);
}

Test(crc32c, every_length_and_alignment) {
  struct gr_random random = {.state = 4};
  uint8_t data[16 + 300];
  for (size_t i = 0; i < sizeof(data); i++) data[i] = (uint8_t)gr_random_next(&random);
  for (size_t shift = 0; shift < 16; shift++) {
    for (size_t size = 0; size <= 300; size++) {
      cr_assert_eq(gr_crc32c(0, data + shift, size), crc32c_plainly(data + shift, size),
                   "size %zu, shift %zu", size, shift);
    }
  }
}

Test(crc32c, every_split_in_three) {
  uint8_t data[100];
  for (size_t i = 0; i < sizeof(data); i++) data[i] = (uint8_t)(i * 7 + 1);
  uint32_t whole = gr_crc32c(0, data, sizeof(data));
  for (size_t one = 0; one <= sizeof(data); one++) {
    for (size_t two = one; two <= sizeof(data); two++) {
      uint32_t crc = gr_crc32c(0, data, one);
      crc = gr_crc32c(crc, data + one, two - one);
      crc = gr_crc32c(crc, data + two, sizeof(data) - two);
      cr_assert_eq(crc, whole, "splits %zu and %zu", one, two);
    }
  }
}

/* What it is for. */
Test(crc32c, sees_every_change_of_one_and_two_bits) {
  uint8_t data[48];
  for (size_t i = 0; i < sizeof(data); i++) data[i] = (uint8_t)(i * 11);
  const uint32_t right = gr_crc32c(0, data, sizeof(data));
  for (size_t one = 0; one < 8 * sizeof(data); one++) {
    data[one / 8] ^= (uint8_t)(1u << one % 8);
    cr_assert_neq(gr_crc32c(0, data, sizeof(data)), right);
    for (size_t two = 0; two < one; two++) {
      data[two / 8] ^= (uint8_t)(1u << two % 8);
      cr_assert_neq(gr_crc32c(0, data, sizeof(data)), right, "bits %zu and %zu", one,
                    two);
      data[two / 8] ^= (uint8_t)(1u << two % 8);
    }
    data[one / 8] ^= (uint8_t)(1u << one % 8);
  }
}
