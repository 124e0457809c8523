/* SPDX-License-Identifier: MIT
 *
 * Numbers in messages and files: little-endian, whatever the machine.
 */
#ifndef KV_NUMBER_H
#define KV_NUMBER_H

#include <stdint.h>

static inline void kv_number_put(uint8_t *at, uint64_t value, unsigned bytes) {
  for (unsigned i = 0; i < bytes; i++) at[i] = (uint8_t)(value >> (8 * i));
}

static inline uint64_t kv_number_get(const uint8_t *at, unsigned bytes) {
  uint64_t value = 0;
  for (unsigned i = 0; i < bytes; i++) value |= (uint64_t)at[i] << (8 * i);
  return value;
}

#endif
