/* SPDX-License-Identifier: MIT
 *
 * gr/error.h: every code of the list has its name, its text and its class, and nothing
 * else has. The codes that were ever published keep their values.
 */
#include <gr/error.h>
#include <gr/version.h>

#include <criterion/criterion.h>
#include <stdio.h>
#include <string.h>

struct error_row {
  int code;
  const char *name;
  const char *text;
  enum gr_error_class class;
};

#define ERROR_ROW(code, name, class_, text)                                              \
  {code, "GR_ERR_" #name, text, GR_CLASS_##class_},
static const struct error_row rows[] = {GR_ERROR_LIST(ERROR_ROW)};
#define ROW_COUNT (sizeof(rows) / sizeof(rows[0]))

Test(error, every_code_answers) {
  for (size_t i = 0; i < ROW_COUNT; i++) {
    cr_assert_lt(rows[i].code, 0);
    cr_assert_str_eq(gr_error_name(rows[i].code), rows[i].name);
    cr_assert_str_eq(gr_error_text(rows[i].code), rows[i].text);
    cr_assert_eq(gr_error_classify(rows[i].code), rows[i].class);
    cr_assert_gt(strlen(rows[i].text), 10, "%s has no sentence", rows[i].name);
  }
}

Test(error, names_and_texts_differ) {
  for (size_t i = 0; i < ROW_COUNT; i++) {
    for (size_t j = 0; j < i; j++) {
      cr_assert_str_neq(rows[i].name, rows[j].name);
      cr_assert_str_neq(rows[i].text, rows[j].text);
    }
  }
}

Test(error, success_is_no_error) {
  cr_assert_eq(GR_OK, 0);
  cr_assert_str_eq(gr_error_name(GR_OK), "GR_OK");
  cr_assert_str_eq(gr_error_text(GR_OK), "no error");
  cr_assert_eq(gr_error_classify(GR_OK), GR_CLASS_OK);
}

static bool is_listed(int code) {
  for (size_t i = 0; i < ROW_COUNT; i++) {
    if (rows[i].code == code) return true;
  }
  return code == GR_OK;
}

Test(error, other_numbers_are_unknown) {
  for (int code = -1000; code <= 1000; code++) {
    if (is_listed(code)) continue;
    cr_assert_str_eq(gr_error_name(code), "GR_ERR_UNKNOWN", "%d", code);
    cr_assert_str_eq(gr_error_text(code), "unknown error", "%d", code);
    cr_assert_eq(gr_error_classify(code), GR_CLASS_FATAL, "%d", code);
  }
}

/* The numbers as they were published: never to be edited, only added to. */
Test(error, codes_keep_their_values) {
  const struct {
    int code;
    int published;
  } pins[] = {{GR_ERR_INVALID, -1},         {GR_ERR_STATE, -2},
              {GR_ERR_REENTRANT, -3},       {GR_ERR_VERSION, -4},
              {GR_ERR_TOO_LARGE, -5},       {GR_ERR_FULL, -20},
              {GR_ERR_NOT_LEADER, -21},     {GR_ERR_UNREACHABLE, -22},
              {GR_ERR_MALFORMED, -40},      {GR_ERR_CORRUPT, -41},
              {GR_ERR_FOREIGN, -42},        {GR_ERR_PROTOCOL, -43},
              {GR_ERR_STALE, -44},          {GR_ERR_NO_MEMORY, -60},
              {GR_ERR_HOST, -61},           {GR_ERR_INVARIANT, -62},
              {GR_ERR_BEHIND, -63},         {GR_ERR_REPLACED, -64},
              {GR_ERR_HALTED, -65},         {GR_ERR_SYSTEM, -66},
              {GR_ERR_STORAGE, -67},        {GR_ERR_OUTDATED, -68},
              {GR_ERR_NO_QUORUM, -23},      {GR_ERR_BUSY, -24},
              {GR_ERR_NOT_ONLINE, -25},     {GR_ERR_OVERTAKEN, -26},      {GR_ERR_WRONG_GROUP, -80},
              {GR_ERR_UUID_PRESENT, -81},   {GR_ERR_VERSION_TOO_LOW, -82},
              {GR_ERR_GROUP_IS_FULL, -83},  {GR_ERR_LIMITS_DIFFER, -84},
              {GR_ERR_NOT_AUTHORIZED, -85}, {GR_ERR_DIVERGED, -86},
              {GR_ERR_REMOVED, -87},        {GR_ERR_TIMEOUT, -88}};
  for (size_t i = 0; i < sizeof(pins) / sizeof(pins[0]); i++) {
    cr_assert_eq(pins[i].code, pins[i].published);
  }
  cr_assert_eq(sizeof(pins) / sizeof(pins[0]), ROW_COUNT,
               "a new code is to be pinned here too");
}

Test(version, is_the_one_of_the_headers) {
  char text[32];
  snprintf(text, sizeof(text), "%d.%d.%d", GR_VERSION_MAJOR, GR_VERSION_MINOR,
           GR_VERSION_PATCH);
  cr_assert_str_eq(gr_version(), text);
  cr_assert_str_eq(GR_VERSION_STRING, text);
  cr_assert_str_eq(MESON_PROJECT_VERSION, text, "meson.build and version.h disagree");
}
