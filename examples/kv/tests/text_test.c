/* SPDX-License-Identifier: MIT
 *
 * text.h: numbers in their one spelling, and patterns.
 */
#include "../text.h"

#include <criterion/criterion.h>
#include <inttypes.h>
#include <string.h>

Test(text, numbers_that_are_canonical_are_read_and_written_alike) {
  static const struct {
    const char *text;
    int64_t value;
  } cases[] = {{"0", 0},
               {"7", 7},
               {"-1", -1},
               {"10", 10},
               {"1000000000000000000", INT64_C(1000000000000000000)},
               {"9223372036854775807", INT64_MAX},
               {"-9223372036854775808", INT64_MIN}};
  for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
    int64_t value = 99;
    char text[KV_INTEGER_TEXT_MAX];
    cr_assert(kv_parse_integer(kv_string_of(cases[i].text), &value), "%s", cases[i].text);
    cr_assert_eq(value, cases[i].value, "%s gave %" PRId64, cases[i].text, value);
    size_t size = kv_format_integer(value, text);
    cr_assert_eq(size, strlen(cases[i].text));
    cr_assert_eq(memcmp(text, cases[i].text, size), 0, "%s", cases[i].text);
  }
}

Test(text, what_is_no_canonical_number_is_refused) {
  static const char *const cases[] = {"",
                                      "-",
                                      "+1",
                                      "-0",
                                      "00",
                                      "01",
                                      "1 ",
                                      " 1",
                                      "1a",
                                      "0x1",
                                      "9223372036854775808",
                                      "-9223372036854775809",
                                      "99999999999999999999",
                                      "-99999999999999999999"};
  for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
    int64_t value = 99;
    cr_assert_not(kv_parse_integer(kv_string_of(cases[i]), &value), "'%s'", cases[i]);
    cr_assert_eq(value, 99, "'%s' changed the value", cases[i]);
  }
}

Test(text, words_are_compared_without_case_and_as_a_whole) {
  cr_assert(kv_string_is(kv_string_of("get"), "GET"));
  cr_assert(kv_string_is(kv_string_of("GeT"), "GET"));
  cr_assert_not(kv_string_is(kv_string_of("ge"), "GET"));
  cr_assert_not(kv_string_is(kv_string_of("gets"), "GET"));
  cr_assert_not(kv_string_is(kv_string_of(""), "GET"));
  cr_assert_not(kv_string_is((struct kv_string){(const uint8_t *)"GET", 4}, "GET"));
}

Test(text, patterns) {
  static const struct {
    const char *pattern;
    const char *text;
    bool matches;
  } cases[] = {{"", "", true},
               {"", "a", false},
               {"*", "", true},
               {"*", "abc", true},
               {"**", "abc", true},
               {"a*", "abc", true},
               {"*c", "abc", true},
               {"*b", "abc", false},
               {"a*c", "ac", true},
               {"a*b*c", "a1b2bc", true},
               {"a*b*d", "a1b2bc", false},
               {"?", "a", true},
               {"?", "", false},
               {"??", "a", false},
               {"[abc]", "b", true},
               {"[abc]", "d", false},
               {"[^abc]", "d", true},
               {"[^abc]", "a", false},
               {"[a-c]x", "bx", true},
               {"[c-a]x", "bx", true},
               {"[a-c]", "d", false},
               {"[]]", "]", false},
               {"[a", "a", true},
               {"[", "a", false},
               {"\\*", "*", true},
               {"\\*", "a", false},
               {"a\\", "a\\", true},
               {"[\\]]", "]", true},
               {"*[0-9]", "key:7", true},
               {"*[0-9]", "key:x", false},
               {"h?llo*", "hallo you", true}};
  for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
    cr_assert_eq(kv_glob_matches(kv_string_of(cases[i].pattern),
                                 kv_string_of(cases[i].text)),
                 cases[i].matches, "'%s' on '%s'", cases[i].pattern, cases[i].text);
}

/* A pattern that makes a matcher of the naive kind try 2^30 ways. */
Test(text, many_stars_do_not_take_exponential_time, .timeout = 5) {
  char text[4096];
  memset(text, 'a', sizeof(text) - 1);
  text[sizeof(text) - 1] = '\0';
  cr_assert_not(kv_glob_matches(kv_string_of("*a*a*a*a*a*a*a*a*a*a*a*a*a*a*a*b"),
                                kv_string_of(text)));
}
