/* SPDX-License-Identifier: MIT
 *
 * The seats of a view: who its members are and which of them vote. A pure value; what a
 * change makes of it, and how it is written down.
 */
#ifndef GR_PAXOS_SEATS_H
#define GR_PAXOS_SEATS_H

#include "base/bytes.h"
#include "paxos/cut.h"

struct gr_seat_kept {
  gr_member_id id;
  uint64_t incarnation; /* 0: a founder that is not met yet */
  bool voter;
  uint16_t profile_bytes;
  uint8_t profile[GR_PROFILE_BYTES_MAX];
};

struct gr_seats {
  uint64_t number;      /* of the view; 0: none */
  gr_slot first;        /* its first slot */
  gr_member_id next_id; /* of the member that is added next: greater than any before */
  uint32_t count;
  struct gr_seat_kept seats[GR_MEMBERS_MAX]; /* by ascending ids */
};

/* The seat of `id`, or `count`. */
uint32_t gr_seats_find(const struct gr_seats *seats, gr_member_id id);

/* What a change makes of a view: of the next one, which begins at `first`. False, and
 * nothing changed, if it does not apply: the new member's id is not the next one, there
 * are `members_max` already, the member is none or votes already, or nobody would vote.
 */
bool gr_seats_apply(struct gr_seats *seats, const struct gr_config *config, gr_slot first,
                    uint64_t members_max);

void gr_seats_encode(struct gr_writer *writer, const struct gr_seats *seats);
bool gr_seats_decode(struct gr_reader *reader, struct gr_seats *seats);

#endif
