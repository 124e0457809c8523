/* SPDX-License-Identifier: MIT
 *
 * What the targets that drive whole members share: small options, memory that is used
 * again by the next run, and messages whose contents tell what they are.
 */
#ifndef GR_FUZZ_MEMBERS_H
#define GR_FUZZ_MEMBERS_H

#include <gr/gr.h>

#define MEMBERS 3
#define MESSAGE_BYTES_MAX 4096
#define BATCH_BYTES_MAX 1088
#define UNORDERED_BYTES_MAX 8192
#define MS UINT64_C(1000000)

/* Options of member `id` of the group of MEMBERS members, 1, 2, 3. */
gr_options member_options(gr_member_id id, uint64_t seed, uint64_t slots_in_flight_max);

/* Each member's memory is one piece of exactly its size, kept for the next member that
 * needs as much, and always begins with the same contents, which are not zeroes: so a run
 * is fast, and repeats exactly even if something is read that was never written. */
gr_allocator member_allocator(void);

/* Fills in the message with this number of this member. */
void message_fill(uint8_t *bytes, size_t size, gr_member_id origin, uint64_t number);

/* Checks that the parts are this message, with its size. */
void message_check(const gr_delivery *delivery, size_t size);

/* What always holds of a member, halted or not. */
void member_check(const gr_group *group);

#endif
