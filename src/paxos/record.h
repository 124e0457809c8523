/* SPDX-License-Identifier: MIT
 *
 * Records: what a member keeps in storage, as bytes. Encoding and decoding only:
 * storage.c says when they are made, restore.c what they bring back. The layout is in
 * doc/protocol.md, "Storage".
 *
 * A record is a head of eight bytes (checksum, version, type) and a body. In BATCH the
 * body is the batch as it travels, with its own checksum; the head's covers the head
 * only.
 */
#ifndef GR_PAXOS_RECORD_H
#define GR_PAXOS_RECORD_H

#include "paxos/frame.h"
#include "paxos/seats.h"

enum gr_record_type {
  GR_RECORD_STATE = 1, /* a position: all that the records before it said; what trim() is
                          given, and where a member begins that came in from outside */
  GR_RECORD_VIEW = 2,  /* who this member is, and who the others are */
  GR_RECORD_BOOT = 3,  /* this member was started once more */
  GR_RECORD_PROMISE = 4, /* a ballot was promised */
  GR_RECORD_BATCH = 5,   /* a batch that an ACCEPT behind it names */
  GR_RECORD_ACCEPT = 6,  /* a slot's value, accepted or learned */
  GR_RECORD_MARKS = 7    /* how far the values before it are known to be chosen */
};

#define GR_RECORD_VERSION 1
#define GR_RECORD_HEADER_BYTES 8

/* Which life of the group it is: begun by its founders, or forced since. Members of
 * another one are refused. */
struct gr_epoch {
  uint64_t count;
  uint64_t random;
};

/* Who this member is, and who the others are. */
struct gr_view_record {
  struct gr_epoch epoch;
  gr_member_id self;    /* 0: in no group */
  uint64_t incarnation; /* of this member */
  bool formed;          /* all founders have met: I-MEET-1 */
  struct gr_seats seats;
};

struct gr_accept_record {
  gr_slot slot;
  gr_ballot ballot;
  struct gr_cut cut;
};

struct gr_marks_record {
  gr_slot chosen; /* the values that stand here for the slots up to this one are chosen */
  gr_slot forgotten; /* memory no longer holds the slots up to this one */
  gr_slot spare; /* and need not hold those up to this one: a majority has settled them */
};

/* A lane as of a slot boundary. */
struct gr_lane_state {
  uint64_t boot;
  uint64_t ordered;
  uint64_t first;    /* the first batch that is still needed: a piece, or ordered + 1 */
  uint64_t messages; /* delivered */
};

struct gr_state_record {
  gr_ticket first; /* records from here on still count */
  struct gr_view_record view;
  uint64_t boot;
  gr_ballot promised;
  gr_slot slot; /* delivered up to here */
  gr_seqno seqno;
  uint64_t digest;
  struct gr_lane_state lanes[GR_MEMBERS_MAX]; /* by seat */
};

/* Begins a record; the body follows in the same writer, then gr_record_end(). */
void gr_record_begin(struct gr_writer *writer, enum gr_record_type type);
void gr_record_end(struct gr_writer *writer);

/* Checks version, type and checksum, and leaves `reader` at the body. GR_OK,
 * GR_ERR_MALFORMED, GR_ERR_PROTOCOL, GR_ERR_CORRUPT. */
int gr_record_open(struct gr_reader *reader, enum gr_record_type *type);

/* ---- bodies. Decoders: GR_OK, GR_ERR_MALFORMED, and GR_ERR_FOREIGN where they name the
 * group. ---- */

void gr_view_record_encode(struct gr_writer *writer, uint64_t group,
                           const struct gr_view_record *view);
/* `group` names the group and the limits that must be equal. */
int gr_view_record_decode(struct gr_reader *reader, uint64_t group,
                          struct gr_view_record *view);
void gr_boot_record_encode(struct gr_writer *writer, uint64_t boot);
int gr_boot_record_decode(struct gr_reader *reader, uint64_t *boot);
void gr_promise_record_encode(struct gr_writer *writer, gr_ballot promised);
int gr_promise_record_decode(struct gr_reader *reader, gr_ballot *promised);
void gr_accept_record_encode(struct gr_writer *writer, const struct gr_roster *roster,
                             const struct gr_accept_record *accept);
int gr_accept_record_decode(struct gr_reader *reader, const struct gr_roster *roster,
                            struct gr_accept_record *accept);
void gr_marks_record_encode(struct gr_writer *writer,
                            const struct gr_marks_record *marks);
int gr_marks_record_decode(struct gr_reader *reader, struct gr_marks_record *marks);
void gr_state_record_encode(struct gr_writer *writer, uint64_t group,
                            const struct gr_state_record *state);
int gr_state_record_decode(struct gr_reader *reader, const struct gr_roster *roster,
                           uint64_t group, struct gr_state_record *state);

#endif
