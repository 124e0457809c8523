/* SPDX-License-Identifier: MIT
 *
 * See text.h. The matcher goes back to the latest star only: what an earlier star could
 * take, the latest can take too, so its cost is at most pattern times text.
 */
#include "text.h"

#include <string.h>

struct kv_string kv_string_of(const char *text) {
  return (struct kv_string){.data = (const uint8_t *)text, .size = strlen(text)};
}

static uint8_t upper(uint8_t byte) {
  return byte >= 'a' && byte <= 'z' ? (uint8_t)(byte - 'a' + 'A') : byte;
}

bool kv_string_is(struct kv_string string, const char *upper_case_word) {
  for (size_t i = 0; i < string.size; i++)
    if (upper_case_word[i] == '\0' ||
        upper(string.data[i]) != (uint8_t)upper_case_word[i])
      return false;
  return upper_case_word[string.size] == '\0';
}

bool kv_parse_integer(struct kv_string string, int64_t *value) {
  bool negative = string.size > 0 && string.data[0] == '-';
  size_t at = negative ? 1 : 0;
  size_t digits = string.size - at;
  if (digits == 0 || digits > KV_INTEGER_TEXT_MAX - 1) return false;
  if (string.data[at] == '0' && (digits > 1 || negative)) return false;
  uint64_t magnitude = 0;
  for (; at < string.size; at++) {
    if (string.data[at] < '0' || string.data[at] > '9') return false;
    magnitude = magnitude * 10 + (uint64_t)(string.data[at] - '0');
  }
  /* 19 digits fit 64 bits, so magnitude has not wrapped. */
  uint64_t largest = (uint64_t)INT64_MAX + (negative ? 1 : 0);
  if (magnitude > largest) return false;
  if (!negative)
    *value = (int64_t)magnitude;
  else
    *value = magnitude == largest ? INT64_MIN : -(int64_t)magnitude;
  return true;
}

size_t kv_format_integer(int64_t value, char text[KV_INTEGER_TEXT_MAX]) {
  uint64_t magnitude = value < 0 ? 0 - (uint64_t)value : (uint64_t)value;
  char reversed[KV_INTEGER_TEXT_MAX];
  size_t count = 0;
  do {
    reversed[count++] = (char)('0' + magnitude % 10);
    magnitude /= 10;
  } while (magnitude > 0);
  if (value < 0) reversed[count++] = '-';
  for (size_t i = 0; i < count; i++) text[i] = reversed[count - 1 - i];
  return count;
}

/* Matches one byte against the class that begins at pattern[*at] == '['; moves *at past
 * it. A class without its closing bracket ends with the pattern. */
static bool class_matches(struct kv_string pattern, size_t *at, uint8_t byte) {
  size_t i = *at + 1;
  bool inverted = i < pattern.size && pattern.data[i] == '^';
  if (inverted) i++;
  bool found = false;
  while (i < pattern.size && pattern.data[i] != ']') {
    if (pattern.data[i] == '\\' && i + 1 < pattern.size) i++;
    uint8_t low = pattern.data[i];
    uint8_t high = low;
    if (i + 2 < pattern.size && pattern.data[i + 1] == '-' &&
        pattern.data[i + 2] != ']') {
      high = pattern.data[i + 2];
      i += 2;
    }
    if (low > high) {
      uint8_t swap = low;
      low = high;
      high = swap;
    }
    if (byte >= low && byte <= high) found = true;
    i++;
  }
  *at = i < pattern.size ? i + 1 : i;
  return found != inverted;
}

/* Matches one byte against the element at pattern[*at], which is not a star; moves *at
 * past the element. */
static bool element_matches(struct kv_string pattern, size_t *at, uint8_t byte) {
  uint8_t element = pattern.data[*at];
  if (element == '[') return class_matches(pattern, at, byte);
  if (element == '\\' && *at + 1 < pattern.size)
    element = pattern.data[++*at];
  else if (element == '?')
    element = byte;
  ++*at;
  return element == byte;
}

bool kv_glob_matches(struct kv_string pattern, struct kv_string text) {
  size_t at = 0;
  size_t here = 0;
  size_t after_star = SIZE_MAX; /* where the pattern goes on after the latest star */
  size_t star_ends = 0;         /* how far that star has taken the text */
  while (here < text.size) {
    if (at < pattern.size && pattern.data[at] == '*') {
      after_star = ++at;
      star_ends = here;
      continue;
    }
    if (at < pattern.size && element_matches(pattern, &at, text.data[here])) {
      here++;
      continue;
    }
    if (after_star == SIZE_MAX) return false;
    at = after_star;
    here = ++star_ends;
  }
  while (at < pattern.size && pattern.data[at] == '*') at++;
  return at == pattern.size;
}
