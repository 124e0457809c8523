/* SPDX-License-Identifier: MIT
 *
 * The state is a sequence of words; a piece may begin and end inside of one.
 */
#include "join_state.h"

#include <string.h>

#define WORD_BYTES sizeof(uint64_t)

/* An odd factor: words at different places, or of different states, differ. */
static uint64_t word_at(uint64_t seqno, uint64_t place) {
  return (place ^ seqno << 32) * 0x9e3779b97f4a7c15u;
}

/* The bytes up to the next beginning of a word, at most `size`. */
static size_t to_next_word(uint64_t offset, size_t size) {
  size_t rest = WORD_BYTES - (size_t)(offset % WORD_BYTES);
  return rest < size ? rest : size;
}

void join_state_write(uint64_t seqno, uint64_t offset, uint8_t *bytes, size_t size) {
  for (size_t done = 0, here; done < size; done += here) {
    uint64_t at = offset + done;
    uint64_t word = word_at(seqno, at / WORD_BYTES);
    here = to_next_word(at, size - done);
    if (here == WORD_BYTES) /* nearly all: of a size that the compiler knows */
      memcpy(bytes + done, &word, WORD_BYTES);
    else
      memcpy(bytes + done, (const uint8_t *)&word + at % WORD_BYTES, here);
  }
}

bool join_state_holds(uint64_t seqno, uint64_t offset, const uint8_t *bytes,
                      size_t size) {
  uint8_t expected[4096];
  for (size_t done = 0, here; done < size; done += here) {
    here = size - done < sizeof(expected) ? size - done : sizeof(expected);
    join_state_write(seqno, offset + done, expected, here);
    if (memcmp(bytes + done, expected, here) != 0) return false;
  }
  return true;
}
