/* SPDX-License-Identifier: MIT
 *
 * A set of places in a ring, as bits with a summary above them: adding, removing and
 * finding the next one from some place on take a few instructions.
 */
#ifndef GR_POSIX_READY_SET_H
#define GR_POSIX_READY_SET_H

#include <stdbool.h>
#include <stdint.h>

struct gr_ready_set {
  uint64_t *words;   /* a bit for each place */
  uint64_t *summary; /* a bit for each word that is not 0 */
  uint64_t word_count;
  uint64_t count; /* of places in the set */
};

/* For `places`, a power of two of 64 at least. False if an allocation failed. */
bool gr_ready_set_init(struct gr_ready_set *set, uint64_t places);
void gr_ready_set_free(struct gr_ready_set *set);

/* `place` is not in the set. */
void gr_ready_set_add(struct gr_ready_set *set, uint64_t place);

/* `place` is in the set. */
void gr_ready_set_remove(struct gr_ready_set *set, uint64_t place);

/* The first place in the set from `from` on, around the ring's end. The set is not empty.
 */
uint64_t gr_ready_set_next(const struct gr_ready_set *set, uint64_t from);

#endif
