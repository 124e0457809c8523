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

uint64_t gr_xxh64(const void *data, size_t size, uint64_t seed);

#endif
