/* SPDX-License-Identifier: MIT
 *
 * CRC-32C (Castagnoli; RFC 3720, appendix B.4): guards what is small, the frames' headers
 * and control frames.
 */
#ifndef GR_BASE_CRC32C_H
#define GR_BASE_CRC32C_H

#include <stddef.h>
#include <stdint.h>

/* The checksum of `size` bytes. To go on over several pieces, pass the result of the
 * piece before as `crc`; begin with 0. */
uint32_t gr_crc32c(uint32_t crc, const void *data, size_t size);

#endif
