/* SPDX-License-Identifier: MIT
 *
 * What the files of make_corpus share.
 */
#ifndef GR_FUZZ_MAKE_CORPUS_H
#define GR_FUZZ_MAKE_CORPUS_H

#include "fuzz.h"

#include "base/bytes.h"

#define SEED_BYTES_MAX 4096

/* Writes the seed `name` of a target. */
void save(const char *folder, const char *target, const char *name,
          const struct gr_writer *seed);

/* write_set and certifier_image. `bytes` are SEED_BYTES_MAX. */
void make_certified(const char *folder, uint8_t *bytes);

#endif
