/* SPDX-License-Identifier: MIT
 *
 * Frames: what members say to each other, as bytes. Encoding and decoding only; what a
 * frame means is decided by those who call. The layout is in doc/protocol.md, "Wire
 * format".
 *
 * Every decoder treats its bytes as an attacker's: it reads within bounds, checks each
 * number against the roster (the members and limits that all frames must agree with), and
 * either fills in the struct completely or refuses.
 */
#ifndef GR_PAXOS_FRAME_H
#define GR_PAXOS_FRAME_H

#include "base/bytes.h"
#include "paxos/cut.h"

#include <gr/error.h>
#include <gr/types.h>

enum gr_frame_type {
  GR_FRAME_HEARTBEAT = 1,
  GR_FRAME_DATA = 2,
  GR_FRAME_ACCEPT = 3,
  GR_FRAME_ACCEPTED = 4,
  GR_FRAME_PREVOTE = 5,
  GR_FRAME_PREVOTE_ANSWER = 6,
  GR_FRAME_PREPARE = 7,
  GR_FRAME_PROMISE = 8,
  GR_FRAME_FETCH_DATA = 9,
  GR_FRAME_FETCH_LOG = 10,
  GR_FRAME_LOG = 11,
  GR_FRAME_TRANSFER = 12
};

#define GR_FRAME_MAGIC 0x7267 /* "gr" */
#define GR_FRAME_HEADER_BYTES 40
#define GR_BATCH_HEADER_BYTES 40
#define GR_ENTRY_HEADER_BYTES 4 /* of each entry in a batch: its size and */
#define GR_ENTRY_MORE                                                                    \
  UINT32_C(0x80000000) /* that another piece of the message follows                      \
                        */

/* What all frames of a group are checked against. */
struct gr_roster {
  uint64_t
      tag; /* hash of group id, durability and limits that must be equal, and epoch */
  uint64_t former_tag; /* of the life before it was forced; 0: none is known */
  uint64_t view;       /* the present view's number; 0: in no group */
  bool durable;        /* members come back from storage: lanes have boots */
  uint64_t
      incarnation; /* this process of this member; with storage: this storage of it */
  uint64_t boot;   /* which start of it; GR_BOOT_VOLATILE without storage */
  uint32_t count;  /* members that are known: those of the view, and some that were */
  gr_member_id ids[GR_PLACES_MAX]; /* ascending */
  uint64_t message_bytes_max;
  uint64_t batch_bytes_max;
};

/* The index of `id` among the members, or `count` if it is none. */
uint32_t gr_roster_index(const struct gr_roster *roster, gr_member_id id);

struct gr_frame_header {
  enum gr_frame_type type;
  bool former;          /* of the life of the group before the present one */
  uint64_t view;        /* the sender's */
  uint64_t incarnation; /* the sender's */
  uint64_t boot;        /* the sender's */
};

struct gr_heartbeat {
  bool leads;    /* the sender leads in `promised` */
  bool formed;   /* the sender has met all founders, and knows no others any more */
  bool founding; /* the note is the sender's profile, for who has not met it yet */
  gr_ballot promised;
  gr_slot accepted; /* accepted up to here in `promised` */
  gr_slot chosen;
  gr_slot delivered;
  gr_slot log_first;
  uint64_t
      stamp;     /* the sender's clock, to be echoed; never compared with another clock */
  uint64_t echo; /* the receiver's last stamp that the sender saw; 0: none */
  uint64_t echo_age;  /* for how long the sender held it, ns */
  gr_memberset named; /* members that it tells of: those that both know */
  uint64_t
      incarnations[GR_PLACES_MAX]; /* which process of each member it knows; 0: none */
  uint64_t boots[GR_PLACES_MAX];   /* and which start of it; 0: not heard of */
  struct gr_mark
      held[GR_PLACES_MAX]; /* its contiguous prefix of each lane; upto may be 0 */
  gr_slice note;           /* of the sender's group, opaque here; within the frame */
};

/* A batch as it is sent, cached and served: its header and its entries in one piece. */
struct gr_batch {
  uint32_t lane; /* index of the origin */
  uint64_t boot; /* of the origin */
  uint64_t seq;
  uint32_t messages;    /* how many messages end in this batch */
  bool pieces;          /* an entry is a piece of a message that goes on in the next */
  const uint8_t *bytes; /* header and entries */
  uint32_t size;
};

struct gr_accept {
  gr_ballot ballot;
  gr_slot slot;
  gr_slot start;     /* everything below was chosen before this ballot proposed */
  gr_slot chosen;    /* the leader's; in its own ballot, so proof for the acceptor (R5) */
  gr_slot delivered; /* the leader's */
  gr_slot stable;    /* every member has delivered every slot up to here */
  gr_slot accepted;  /* the leader's own acceptance (R4: it counts only once it holds) */
  struct gr_cut cut;
};

struct gr_accepted {
  gr_ballot promised; /* also tells a leader of a lower ballot that its time is over */
  gr_slot accepted;
  gr_slot chosen;
  gr_slot delivered;
};

struct gr_prevote {
  gr_ballot ballot; /* the one that the sender would use */
  uint64_t
      asking; /* counts the sender's pre-votes, so that late answers are told apart */
  gr_slot chosen;
};

struct gr_prevote_answer {
  gr_ballot ballot;   /* as asked */
  uint64_t asking;    /* as asked */
  gr_ballot promised; /* the answerer's */
  bool granted;
};

struct gr_prepare {
  gr_ballot ballot;
  gr_slot from; /* wants every accepted or chosen slot from here on */
  gr_ballot
      ended; /* the candidate's own ballot in which the change that began its view was
                chosen, right below `from`; none: it is not known to be its own */
};

/* One chunk of a promise (R23). Its entries follow each other from `from`. */
struct gr_promise {
  gr_ballot ballot;
  gr_slot chosen;    /* the acceptor's */
  gr_slot log_first; /* R1: what lies below was trimmed, not empty */
  gr_slot from;
  gr_slot end; /* one behind the last slot of the whole promise */
  uint32_t count;
};

/* One run of chosen slots. */
struct gr_log_run {
  gr_slot from;
  gr_slot chosen;    /* the sender's */
  gr_slot log_first; /* the sender's */
  uint32_t count;
};

/* A slot's value with the ballot that it was accepted, or chosen, in. */
struct gr_log_value {
  gr_ballot ballot;
  struct gr_cut cut;
};

struct gr_fetch_data {
  uint32_t lane; /* the roster's count: of a member that it does not know, or any more */
  uint64_t boot;
  uint64_t from;
  uint64_t upto;
};

/* ---- headers ---- */

/* Begins a frame; the body follows in the same writer. */
void gr_frame_begin(struct gr_writer *writer, const struct gr_roster *roster,
                    uint64_t tag, enum gr_frame_type type);
/* Fills in the checksum. To be called when the body (for DATA: the header) is complete.
 */
void gr_frame_end(struct gr_writer *writer);

/* Checks magic, version, type, checksum and group, and leaves `reader` at the body.
 * GR_OK, GR_ERR_MALFORMED, GR_ERR_PROTOCOL, GR_ERR_CORRUPT, GR_ERR_FOREIGN. */
int gr_frame_open(struct gr_reader *reader, const struct gr_roster *roster,
                  struct gr_frame_header *header);

/* ---- batches ---- */

/* Writes a batch's header before its entries, which are in place already. */
void gr_batch_seal(const struct gr_roster *roster, uint8_t *bytes, uint32_t size,
                   uint32_t lane, uint64_t seq, uint32_t messages);
/* GR_OK, GR_ERR_MALFORMED, GR_ERR_CORRUPT, GR_ERR_STALE: of a member that is not known.
 * The bytes are not copied. */
int gr_batch_open(struct gr_reader *reader, const struct gr_roster *roster,
                  struct gr_batch *batch);

/* ---- parts of bodies, and of records ---- */

void gr_ballot_encode(struct gr_writer *writer, gr_ballot ballot);
/* A ballot, of any view. */
bool gr_ballot_decode(struct gr_reader *reader, gr_ballot *ballot);
/* A ballot that may be the one below all others of its view: nothing promised yet. */
bool gr_ballot_or_none_decode(struct gr_reader *reader, gr_ballot *ballot);
/* A number that adding to never wraps. */
bool gr_count_decode(struct gr_reader *reader, uint64_t *count);
/* The boot of a member: none without storage, some with it. */
bool gr_boot_decode(struct gr_reader *reader, const struct gr_roster *roster,
                    uint64_t *boot);

/* ---- bodies: each decoder is true if the whole body was well-formed ---- */

void gr_heartbeat_encode(struct gr_writer *writer, const struct gr_roster *roster,
                         const struct gr_heartbeat *heartbeat);
bool gr_heartbeat_decode(struct gr_reader *reader, const struct gr_roster *roster,
                         struct gr_heartbeat *heartbeat);
void gr_accept_encode(struct gr_writer *writer, const struct gr_roster *roster,
                      const struct gr_accept *accept);
bool gr_accept_decode(struct gr_reader *reader, const struct gr_roster *roster,
                      struct gr_accept *accept);
void gr_accepted_encode(struct gr_writer *writer, const struct gr_accepted *accepted);
bool gr_accepted_decode(struct gr_reader *reader, struct gr_accepted *accepted);
void gr_prevote_encode(struct gr_writer *writer, const struct gr_prevote *prevote);
bool gr_prevote_decode(struct gr_reader *reader, struct gr_prevote *prevote);
void gr_prevote_answer_encode(struct gr_writer *writer,
                              const struct gr_prevote_answer *answer);
bool gr_prevote_answer_decode(struct gr_reader *reader, struct gr_prevote_answer *answer);
void gr_prepare_encode(struct gr_writer *writer, const struct gr_prepare *prepare);
bool gr_prepare_decode(struct gr_reader *reader, struct gr_prepare *prepare);
void gr_fetch_data_encode(struct gr_writer *writer, const struct gr_roster *roster,
                          const struct gr_fetch_data *fetch);
bool gr_fetch_data_decode(struct gr_reader *reader, const struct gr_roster *roster,
                          struct gr_fetch_data *fetch);
void gr_fetch_log_encode(struct gr_writer *writer, gr_slot from);
bool gr_fetch_log_decode(struct gr_reader *reader, gr_slot *from);
void gr_transfer_encode(struct gr_writer *writer, gr_ballot ballot);
bool gr_transfer_decode(struct gr_reader *reader, gr_ballot *ballot);

/* ---- bodies with a run of values ----
 * Encoded as a head and then `count` values; decoded likewise: the head, then value by
 * value, then gr_reader_done(). A first pass that only decodes checks a run before it is
 * used. */

void gr_promise_encode(struct gr_writer *writer, const struct gr_promise *promise);
bool gr_promise_decode(struct gr_reader *reader, struct gr_promise *promise);
void gr_log_run_encode(struct gr_writer *writer, const struct gr_log_run *run);
bool gr_log_run_decode(struct gr_reader *reader, struct gr_log_run *run);
void gr_log_value_encode(struct gr_writer *writer, const struct gr_roster *roster,
                         const struct gr_log_value *value);
bool gr_log_value_decode(struct gr_reader *reader, const struct gr_roster *roster,
                         struct gr_log_value *value);
/* True if `count` values and nothing else are left, none of a ballot above `highest`. */
bool gr_log_values_check(struct gr_reader reader, const struct gr_roster *roster,
                         uint32_t count, gr_ballot highest);

/* Bytes of one value. */
size_t gr_log_value_bytes(const struct gr_cut *cut);

#endif
