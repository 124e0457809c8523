/* SPDX-License-Identifier: MIT
 *
 * Decodes any frame, and proves of each that is well-formed that its encoding is the only
 * one: encoded again it gives the same bytes, and one byte less or more is refused.
 */
#ifndef GR_FUZZ_FRAME_CHECK_H
#define GR_FUZZ_FRAME_CHECK_H

#include "paxos/frame.h"

/* The code with which a receiver that checks everything before it acts would answer. */
int frame_check(const struct gr_roster *roster, const uint8_t *frame, size_t size);

#endif
