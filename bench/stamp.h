/* SPDX-License-Identifier: MIT
 *
 * What a benchmark's message says of itself: its number among its origin's messages and
 * its origin, in the first 16 bytes, and the number again in the last 8 if there is room.
 * Of messages too small for that, as much as fits.
 */
#ifndef BENCH_STAMP_H
#define BENCH_STAMP_H

#include <gr/host.h>

/* Writes the stamp into a message of `size` bytes. */
void stamp_write(uint8_t *message, size_t size, gr_member_id origin, uint64_t number);

/* True if the delivered message is of `size` bytes and carries this stamp. */
bool stamp_holds(const gr_delivery *delivery, size_t size, gr_member_id origin,
                 uint64_t number);

/* The number and origin that a delivered message claims. False if it is too small to say.
 */
bool stamp_read(const gr_delivery *delivery, gr_member_id *origin, uint64_t *number);

#endif
