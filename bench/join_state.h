/* SPDX-License-Identifier: MIT
 *
 * A host's state of any size that takes no memory: each byte follows from the message
 * behind which the state lies and from its own place, so a receiver can check it.
 */
#ifndef BENCH_JOIN_STATE_H
#define BENCH_JOIN_STATE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Writes `size` bytes of the state behind message `seqno`, from `offset` on. */
void join_state_write(uint64_t seqno, uint64_t offset, uint8_t *bytes, size_t size);

/* True if these are its bytes there. */
bool join_state_holds(uint64_t seqno, uint64_t offset, const uint8_t *bytes, size_t size);

#endif
