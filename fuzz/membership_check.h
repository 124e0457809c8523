/* SPDX-License-Identifier: MIT
 *
 * Decodes what members and joiners say to each other beside the order, and checks that
 * what is well-formed is exactly what its encoder makes. True if it is well-formed.
 */
#ifndef GR_FUZZ_MEMBERSHIP_CHECK_H
#define GR_FUZZ_MEMBERSHIP_CHECK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* A whole frame. */
bool membership_frame_check(const uint8_t *frame, size_t size);

/* What a heartbeat carries for the group, and a member's attributes. */
bool note_check(const uint8_t *bytes, size_t size);
bool profile_check(const uint8_t *bytes, size_t size);

#endif
