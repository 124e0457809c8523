/* SPDX-License-Identifier: MIT
 *
 * A member's attributes as bytes: what the order carries of them, and a joiner's request.
 */
#ifndef GR_MEMBERSHIP_PROFILE_H
#define GR_MEMBERSHIP_PROFILE_H

#include "base/bytes.h"

#include <gr/types.h>

/* Bytes that attributes take at most. */
#define GR_ATTRIBUTES_BYTES_MAX 320

void gr_attributes_encode(struct gr_writer *writer, const gr_attributes *attributes);

/* The slices point into what is read. False if it is malformed. */
bool gr_attributes_decode(struct gr_reader *reader, gr_attributes *attributes);

/* The attributes of a profile; all zero if it has none. */
void gr_attributes_of(gr_slice profile, gr_attributes *attributes);

static inline bool gr_uuid_equal(const gr_uuid *a, const gr_uuid *b) {
  return memcmp(a, b, sizeof(*a)) == 0;
}

static inline bool gr_slice_equal(gr_slice a, gr_slice b) {
  return a.size == b.size && (a.size == 0 || memcmp(a.data, b.data, a.size) == 0);
}

#endif
