/* SPDX-License-Identifier: MIT
 *
 * The peers of one member, which say anything: frames with good headers and checksums,
 * whose bodies are the fuzzer's, from bytes that are no body at all to bodies whose every
 * field is near to what the member expects.
 */
#ifndef GR_FUZZ_PEERS_H
#define GR_FUZZ_PEERS_H

#include "fuzz.h"
#include "members.h"
#include "paxos/frame.h"

/* The member; the others are the peers. */
#define SELF 1

struct peers {
  gr_group *group; /* the member's */
  gr_time now;
  struct gr_roster roster;    /* with the member's incarnation */
  uint64_t boots[MEMBERS];    /* of the peers; 0 without storage */
  uint64_t next_seq[MEMBERS]; /* of the batches that they send */
};

/* Every peer says that it knows the member. */
void peers_meet(struct peers *peers);

/* One of them says something of this type. */
void peer_speaks(struct peers *peers, struct fuzz_input *input, enum gr_frame_type type);

#endif
