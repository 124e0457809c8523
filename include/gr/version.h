/* SPDX-License-Identifier: MIT */
#ifndef GR_VERSION_H
#define GR_VERSION_H

#include <gr/types.h>

#ifdef __cplusplus
extern "C" {
#endif

#define GR_VERSION_MAJOR 0
#define GR_VERSION_MINOR 1
#define GR_VERSION_PATCH 0
#define GR_VERSION_STRING "0.1.0"

/* The version of the frames that members exchange. Members of different protocol versions
 * refuse each other's frames. */
#define GR_PROTOCOL_VERSION 1

/* Version of the library that runs (the macros tell the one compiled against), for example
 * "0.1.0". The text is static. */
GR_API const char *gr_version(void);

#ifdef __cplusplus
}
#endif
#endif
