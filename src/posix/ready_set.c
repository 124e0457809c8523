/* SPDX-License-Identifier: MIT
 *
 * See ready_set.h.
 */
#include "posix/ready_set.h"

#include "base/assert.h"

#include <stdlib.h>

#define WORD_BITS 64

bool gr_ready_set_init(struct gr_ready_set *set, uint64_t places) {
  set->word_count = places / WORD_BITS;
  set->count = 0;
  set->words = calloc(set->word_count, sizeof(*set->words));
  set->summary = calloc((set->word_count + WORD_BITS - 1) / WORD_BITS, sizeof(uint64_t));
  if (set->words && set->summary) return true;
  gr_ready_set_free(set);
  return false;
}

void gr_ready_set_free(struct gr_ready_set *set) {
  free(set->words);
  free(set->summary);
  set->words = NULL;
  set->summary = NULL;
}

static uint64_t bit(uint64_t at) {
  return UINT64_C(1) << (at % WORD_BITS);
}

static uint64_t first_bit(uint64_t bits) {
  return (uint64_t)__builtin_ctzll(bits);
}

void gr_ready_set_add(struct gr_ready_set *set, uint64_t place) {
  const uint64_t word = place / WORD_BITS;
  GR_CHECK(!(set->words[word] & bit(place)));
  set->words[word] |= bit(place);
  set->summary[word / WORD_BITS] |= bit(word);
  set->count++;
}

void gr_ready_set_remove(struct gr_ready_set *set, uint64_t place) {
  const uint64_t word = place / WORD_BITS;
  GR_CHECK(set->words[word] & bit(place));
  set->words[word] &= ~bit(place);
  if (set->words[word] == 0) set->summary[word / WORD_BITS] &= ~bit(word);
  set->count--;
}

/* The first word from `from` on that is not 0, around the end. */
static uint64_t next_word(const struct gr_ready_set *set, uint64_t from) {
  const uint64_t summary_count = (set->word_count + WORD_BITS - 1) / WORD_BITS;
  uint64_t at = from / WORD_BITS;
  uint64_t bits = set->summary[at] & ~(bit(from) - 1);
  while (bits == 0) {
    at = at + 1 < summary_count ? at + 1 : 0;
    bits = set->summary[at];
  }
  return at * WORD_BITS + first_bit(bits);
}

uint64_t gr_ready_set_next(const struct gr_ready_set *set, uint64_t from) {
  GR_CHECK(set->count > 0);
  uint64_t word = from / WORD_BITS;
  uint64_t bits = set->words[word] & ~(bit(from) - 1);
  if (bits == 0) {
    word = next_word(set, word + 1 < set->word_count ? word + 1 : 0);
    bits = set->words[word];
  }
  return word * WORD_BITS + first_bit(bits);
}
