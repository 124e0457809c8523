/* SPDX-License-Identifier: MIT
 *
 * Strings that are bytes and a size: comparing, reading numbers, matching patterns.
 * Clients may put any byte into a key, so nothing here relies on a terminating zero.
 */
#ifndef KV_TEXT_H
#define KV_TEXT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Bytes that somebody else owns. */
struct kv_string {
  const uint8_t *data;
  size_t size;
};

/* The bytes of a C string, without its zero. */
struct kv_string kv_string_of(const char *text);

/* Compares with an upper-case word, letter case ignored. */
bool kv_string_is(struct kv_string string, const char *upper_case_word);

/* Reads a whole decimal number in its one canonical spelling: no blanks, no plus sign, no
 * leading zeroes. That makes "010" a string, as in Redis. */
bool kv_parse_integer(struct kv_string string, int64_t *value);

/* Room for any number that kv_format_integer() writes. */
#define KV_INTEGER_TEXT_MAX 20

/* Writes the canonical spelling, without a zero; returns its size. */
size_t kv_format_integer(int64_t value, char text[KV_INTEGER_TEXT_MAX]);

/* Glob patterns of KEYS and SCAN: ? * [abc] [^a-z] and \ before a character that stands
 * for itself. */
bool kv_glob_matches(struct kv_string pattern, struct kv_string text);

#endif
