/* SPDX-License-Identifier: MIT */
#include <gr/error.h>
#include <gr/version.h>

/* X-macro rows become one case each, so that a code without a text cannot exist. */

const char *gr_error_text(int error) {
  switch (error) {
  case GR_OK:
    return "no error";
#define GR_ERROR_TEXT(code, name, class_, text)                                          \
  case code:                                                                             \
    return text;
    GR_ERROR_LIST(GR_ERROR_TEXT)
#undef GR_ERROR_TEXT
  default:
    return "unknown error";
  }
}

const char *gr_error_name(int error) {
  switch (error) {
  case GR_OK:
    return "GR_OK";
#define GR_ERROR_NAME(code, name, class_, text)                                          \
  case code:                                                                             \
    return "GR_ERR_" #name;
    GR_ERROR_LIST(GR_ERROR_NAME)
#undef GR_ERROR_NAME
  default:
    return "GR_ERR_UNKNOWN";
  }
}

enum gr_error_class gr_error_classify(int error) {
  switch (error) {
  case GR_OK:
    return GR_CLASS_OK;
#define GR_ERROR_CLASS(code, name, class_, text)                                         \
  case code:                                                                             \
    return GR_CLASS_##class_;
    GR_ERROR_LIST(GR_ERROR_CLASS)
#undef GR_ERROR_CLASS
  default:
    return GR_CLASS_FATAL;
  }
}

const char *gr_version(void) {
  return GR_VERSION_STRING;
}
