/* SPDX-License-Identifier: MIT
 *
 * CRC-32C in portable C, eight bytes a step ("slicing by 8": Kounavis, Berry: A
 * Systematic Approach to Building High Performance, Software-based, CRC Generators, ISCC
 * 2005). No special instructions: what it guards is a few hundred bytes at most, and a
 * choice made at run time would need static state.
 */
#include "base/crc32c.h"

#include "base/bytes.h"
#include "base/crc32c_table.h"

/* The remainder after eight more bytes: those nearest the end have the fewest behind
 * them. */
static inline uint32_t crc32c_step_eight(uint32_t state, const uint8_t *at) {
  uint32_t low = state ^ gr_load_u32(at);
  uint32_t high = gr_load_u32(at + 4);
  return gr_crc32c_table[7][low & 0xff] ^ gr_crc32c_table[6][low >> 8 & 0xff] ^
         gr_crc32c_table[5][low >> 16 & 0xff] ^ gr_crc32c_table[4][low >> 24] ^
         gr_crc32c_table[3][high & 0xff] ^ gr_crc32c_table[2][high >> 8 & 0xff] ^
         gr_crc32c_table[1][high >> 16 & 0xff] ^ gr_crc32c_table[0][high >> 24];
}

uint32_t gr_crc32c(uint32_t crc, const void *data, size_t size) {
  const uint8_t *at = data;
  uint32_t state = ~crc;
  for (; size >= 8; size -= 8, at += 8) state = crc32c_step_eight(state, at);
  for (; size > 0; size--, at++)
    state = state >> 8 ^ gr_crc32c_table[0][(state ^ *at) & 0xff];
  return ~state;
}
