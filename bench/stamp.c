/* SPDX-License-Identifier: MIT
 *
 * Stamps are in the machine's own byte order: they never leave it.
 */
#include "stamp.h"

#include <string.h>

#define HEAD_BYTES 16u
#define TAIL_BYTES 8u

void stamp_write(uint8_t *message, size_t size, gr_member_id origin, uint64_t number) {
  uint64_t stamp[2] = {number, origin};
  memcpy(message, stamp, size < HEAD_BYTES ? size : HEAD_BYTES);
  if (size >= HEAD_BYTES + TAIL_BYTES)
    memcpy(message + size - TAIL_BYTES, &number, TAIL_BYTES);
}

/* Copies `count` bytes of the message from `offset`; it may be in several parts. */
static void copy_out(const gr_delivery *delivery, size_t offset, size_t count,
                     uint8_t *out) {
  for (size_t i = 0; i < delivery->part_count && count > 0; i++) {
    const gr_slice *part = &delivery->parts[i];
    if (offset >= part->size) {
      offset -= part->size;
      continue;
    }
    size_t here = part->size - offset < count ? part->size - offset : count;
    memcpy(out, (const uint8_t *)part->data + offset, here);
    out += here;
    count -= here;
    offset = 0;
  }
}

/* The usual message: in one part, with room for the whole stamp. Numbers are compared as
 * numbers, since this is done for every message at every member. */
static bool whole_stamp_holds(const gr_slice *part, gr_member_id origin,
                              uint64_t number) {
  const uint8_t *bytes = part->data;
  uint64_t found[3];
  memcpy(&found[0], bytes, sizeof(found[0]));
  memcpy(&found[1], bytes + sizeof(number), sizeof(found[1]));
  memcpy(&found[2], bytes + part->size - TAIL_BYTES, sizeof(found[2]));
  return found[0] == number && found[1] == origin && found[2] == number;
}

bool stamp_holds(const gr_delivery *delivery, size_t size, gr_member_id origin,
                 uint64_t number) {
  if (delivery->bytes != size) return false;
  if (delivery->part_count == 1 && size >= HEAD_BYTES + TAIL_BYTES)
    return whole_stamp_holds(&delivery->parts[0], origin, number);
  uint64_t stamp[2] = {number, origin};
  uint8_t found[HEAD_BYTES] = {0};
  size_t head = size < HEAD_BYTES ? size : HEAD_BYTES;
  copy_out(delivery, 0, head, found);
  if (memcmp(found, stamp, head) != 0) return false;
  if (size < HEAD_BYTES + TAIL_BYTES) return true;
  copy_out(delivery, size - TAIL_BYTES, TAIL_BYTES, found);
  return memcmp(found, &number, TAIL_BYTES) == 0;
}

bool stamp_read(const gr_delivery *delivery, gr_member_id *origin, uint64_t *number) {
  uint64_t stamp[2];
  if (delivery->bytes < HEAD_BYTES) return false;
  copy_out(delivery, 0, HEAD_BYTES, (uint8_t *)stamp);
  *number = stamp[0];
  *origin = stamp[1];
  return true;
}
