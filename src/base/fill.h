/* SPDX-License-Identifier: MIT
 *
 * Filling in a caller's struct, or taking one over, which begins with its size and may be
 * older or newer than ours.
 */
#ifndef GR_BASE_FILL_H
#define GR_BASE_FILL_H

#include <gr/error.h>

#include <string.h>

/* Copies as much as the caller's struct has room for, all but the size; what is beyond
 * ours becomes zero. GR_OK, or GR_ERR_INVALID if the size does not even cover itself. */
static inline int gr_fill_in(void *to, size_t to_size, const void *from,
                             size_t from_size) {
  if (to_size < sizeof(size_t)) return GR_ERR_INVALID;
  size_t size = to_size < from_size ? to_size : from_size;
  memcpy((uint8_t *)to + sizeof(size_t), (const uint8_t *)from + sizeof(size_t),
         size - sizeof(size_t));
  if (to_size > from_size) memset((uint8_t *)to + from_size, 0, to_size - from_size);
  return GR_OK;
}

/* Takes over as much as the caller's struct has; the rest becomes zero. What a newer
 * caller has set and we do not know must be zero: GR_ERR_VERSION. GR_ERR_INVALID if there
 * is no struct, or the size does not even cover itself. */
static inline int gr_take_in(void *to, size_t to_size, const void *from) {
  size_t size = 0;
  memset(to, 0, to_size);
  if (from) memcpy(&size, from, sizeof(size));
  if (size < sizeof(size)) return GR_ERR_INVALID;
  for (size_t i = to_size; i < size; i++)
    if (((const uint8_t *)from)[i] != 0) return GR_ERR_VERSION;
  memcpy(to, from, size < to_size ? size : to_size);
  return GR_OK;
}

#endif
