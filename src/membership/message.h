/* SPDX-License-Identifier: MIT
 *
 * What members and those who want to become members say to each other beside the order:
 * encoding and decoding only. Layout in doc/membership.md, "Frames".
 *
 * These frames begin like those of the order, with types from 32 on; but instead of the
 * tag of one life of a group they carry a hash of its id alone, as a joiner knows no
 * more. Every decoder treats its bytes as an attacker's, and fills in the struct
 * completely or refuses.
 */
#ifndef GR_MEMBERSHIP_MESSAGE_H
#define GR_MEMBERSHIP_MESSAGE_H

#include "base/bytes.h"
#include "membership/profile.h"

#include <gr/error.h>
#include <gr/types.h>

enum gr_message_type {
  GR_MESSAGE_JOIN = 32, /* let me in; or, from a member that hears nobody: am I still? */
  GR_MESSAGE_ANSWER = 33,  /* to that */
  GR_MESSAGE_REMOVE = 34,  /* to the leader: go on without this member */
  GR_MESSAGE_RECOVER = 35, /* to a donor: give me what I lack */
  GR_MESSAGE_POSITION =
      36, /* where the receiver begins; behind a snapshot, if there is one */
  GR_MESSAGE_PULL = 37, /* send the snapshot from here on */
  GR_MESSAGE_CHUNK = 38,
  GR_MESSAGE_END = 39 /* no more of this snapshot: it is complete there, or failed here */
};

#define GR_MESSAGE_HEADER_BYTES 40

/* True if the frame is one of these; nothing else of it has been checked. */
bool gr_message_is(gr_slice frame);

struct gr_message_header {
  enum gr_message_type type;
  uint64_t group;       /* hash of the group's id */
  uint64_t incarnation; /* the sender's */
  gr_member_id sender;  /* by which it is known; 0: not yet */
};

struct gr_join {
  gr_member_id member; /* what the sender is, or was; 0: it comes for the first time */
  gr_member_id known;  /* the highest id that it has heard of */
  uint64_t limits;     /* hash of what must be equal at all members */
  gr_seqno applied;
  uint64_t members_max;
  gr_attributes attributes;
};

enum gr_answer_kind {
  GR_ANSWER_WAIT = 0, /* ask again: the leader is not known, or something is under way */
  GR_ANSWER_REDIRECT = 1, /* ask this member */
  GR_ANSWER_ADMITTED = 2, /* you are this member of the view that follows */
  GR_ANSWER_REFUSED = 3,  /* for this error */
  GR_ANSWER_GONE = 4      /* you are no member any more */
};

#define GR_CONTACTS_MAX GR_MEMBERS_MAX

/* A member as a joiner has to know it. */
struct gr_contact {
  gr_member_id id;
  bool leads;
  bool voter;
  uint64_t version;
  gr_slice address;
};

struct gr_answer {
  enum gr_answer_kind verdict;
  uint64_t incarnation;   /* whom it is for */
  int error;              /* REFUSED; WAIT: what it would be refused for if that lasts */
  uint64_t detail;        /* the seqno, or the member, that stands in the way */
  gr_member_id member;    /* ADMITTED: the receiver's id */
  uint32_t contact_count; /* ADMITTED: all others; REDIRECT: the one to ask */
  struct gr_contact contacts[GR_CONTACTS_MAX];
};

struct gr_remove {
  gr_member_id member;
  uint8_t reason;
};

struct gr_recover {
  gr_seqno applied; /* what the receiver's host has; UINT64_MAX: it needs a snapshot */
};

struct gr_position {
  uint64_t snapshot; /* names it between these two; 0: there is none */
  gr_seqno seqno;    /* what the position lies behind */
  gr_slice image;
};

struct gr_pull {
  uint64_t snapshot;
  uint64_t from;
  uint64_t upto; /* may be sent without asking again */
};

struct gr_chunk {
  uint64_t snapshot;
  uint64_t offset;
  uint64_t total; /* of the whole snapshot, as far as the donor can tell; 0: it cannot */
  bool last;
  gr_slice bytes;
};

struct gr_end {
  uint64_t snapshot;
  bool complete;
};

/* Begins a frame. The body follows in the same writer, then gr_message_end(). */
void gr_message_begin(struct gr_writer *writer, const struct gr_message_header *header);
void gr_message_end(struct gr_writer *writer);

/* GR_OK, GR_ERR_MALFORMED, GR_ERR_CORRUPT, GR_ERR_PROTOCOL. `reader` is left at the body.
 */
int gr_message_open(struct gr_reader *reader, struct gr_message_header *header);

/* Bodies; each decoder is true if the whole body was well-formed. What they point to lies
 * in the frame. */
void gr_join_encode(struct gr_writer *writer, const struct gr_join *join);
bool gr_join_decode(struct gr_reader *reader, struct gr_join *join);
void gr_answer_encode(struct gr_writer *writer, const struct gr_answer *answer);
bool gr_answer_decode(struct gr_reader *reader, struct gr_answer *answer);
void gr_remove_encode(struct gr_writer *writer, const struct gr_remove *remove);
bool gr_remove_decode(struct gr_reader *reader, struct gr_remove *remove);
void gr_recover_encode(struct gr_writer *writer, const struct gr_recover *recover);
bool gr_recover_decode(struct gr_reader *reader, struct gr_recover *recover);
void gr_position_encode(struct gr_writer *writer, const struct gr_position *position);
bool gr_position_decode(struct gr_reader *reader, struct gr_position *position);
void gr_pull_encode(struct gr_writer *writer, const struct gr_pull *pull);
bool gr_pull_decode(struct gr_reader *reader, struct gr_pull *pull);
/* Without the bytes, which follow, but with their digest in the last places. */
#define GR_CHUNK_HEAD_BYTES 33u
void gr_chunk_encode(struct gr_writer *writer, const struct gr_chunk *chunk);
bool gr_chunk_decode(struct gr_reader *reader, struct gr_chunk *chunk);
void gr_end_encode(struct gr_writer *writer, const struct gr_end *end);
bool gr_end_decode(struct gr_reader *reader, struct gr_end *end);

/* What heartbeats carry for the group. */
struct gr_note {
  bool healthy;
  bool leaving;
  gr_seqno digest_seqno; /* what the history was behind that message */
  uint64_t digest;
  gr_seqno seqno;         /* delivered up to here */
  gr_seqno failed;        /* the last message that the host could not apply; 0: none */
  uint64_t failed_digest; /* how it failed */
  uint32_t suspect_count;
  gr_member_id suspects[GR_MEMBERS_MAX];
};

void gr_note_encode(struct gr_writer *writer, const struct gr_note *note);
bool gr_note_decode(struct gr_reader *reader, struct gr_note *note);

#endif
