/* SPDX-License-Identifier: MIT
 *
 * The oracle: sees all members at once, is told everything that they do, and knows what
 * must always hold. It shares no code and no state with the library. The invariants have
 * the names of doc/protocol.md:
 *
 *   A1 agreement      one message at each seqno, in one slot, at all members
 *   A2 integrity      only what was broadcast, once, byte for byte
 *   A3 order          seqnos without gap; each origin's messages in their order, no gap
 *   A4 chosen         known to be chosen only if a majority accepted it in one ballot;
 *                     one leader a ballot; promises and marks never go back
 *   A5 durability    with storage: what anybody delivered is there for ever; who comes
 *                    back keeps all that it told, and delivers on from what its host
 *                    applied
 *   A6 views         one sequence of views, each behind the same message at all members,
 *                    one change of one member each; ids are never used again
 *   A7 history       the library's digest, and a hash of the host's own, are equal where
 *                    seqnos are, whether delivered or taken over from a donor
 *   A8 quorum        nothing is delivered that no majority of the voters can have seen
 *   A10 bounds       memory within the options
 *   I-EVICT-1        what a member forgets, a majority has delivered
 *   I-MEET-1         no member takes part with two processes of another one
 *   STATE            members' states change as doc/membership.md says
 *   HALT             nobody halts but for a reason that the run gives
 *
 * A9, liveness, is checked by the run: see run.c.
 */
#ifndef SIM_ORACLE_H
#define SIM_ORACLE_H

#include "content.h"

#include <gr/group.h>
#include <gr/inspect.h>

/* Ids that a run may use, over all of its views; and servers. */
#define SIM_MEMBERS_MAX 96
#define SIM_SERVERS_MAX 12
#define SIM_FOUNDERS_MAX 9
#define SIM_GENERATIONS_MAX 4

struct sim_submission {
  gr_time at;
  uint32_t size;
  uint32_t generation; /* whose process it was */
};

/* One process of a member, by generation. What it broadcast outlives it. With storage all
 * processes of a member are one author: a new one goes on counting behind what was
 * delivered, in place of what never will be. */
struct sim_author {
  struct sim_submission *submissions; /* number n is at n - 1 */
  uint64_t count;
  uint64_t capacity;
};

/* What the oracle knows of a member's present process. */
struct sim_witness {
  uint32_t generation;
  bool live; /* neither crashed nor halted */
  gr_time born;
  gr_time formed; /* 0: not yet */
  gr_seqno seqno;
  uint64_t numbers[SIM_MEMBERS_MAX]; /* delivered of each origin */
  gr_ballot promised;
  gr_slot chosen;   /* as far as it knows */
  uint64_t view;    /* the last that its host was told; 0: none yet */
  gr_status status; /* as of its last turn */

  /* with storage */
  bool restores;    /* is being given what was kept */
  bool wiped;       /* nothing was, though there had been something */
  bool broadcasts;  /* has done so */
  gr_seqno applied; /* its host had, when it started */
  bool joined;      /* admitted by a view; no founder */
};

/* What a member's processes said, or had durable, and so every later one must keep. */
struct sim_told {
  uint64_t boot; /* the highest that spoke */
  gr_ballot promised;
  gr_slot settled;
  gr_slot chosen; /* as far as any of them knew */
};

/* The place of a message in the one order. */
struct sim_ordered {
  gr_slot slot;
  uint64_t number;
  uint32_t size;
  uint8_t origin;
  uint8_t generation;
  uint64_t hash;   /* of the host's state behind it */
  uint64_t digest; /* gr_status.digest behind it; 0: not known yet */
};

/* A host's state: what it has made of the messages up to one. */
struct sim_data {
  gr_seqno seqno;
  uint64_t hash;
  uint64_t digest; /* gr_status.digest there */
};

/* How far members accepted in a ballot. */
struct sim_ballot {
  gr_ballot ballot;
  bool led;
  uint32_t generation; /* the process of the leader that leads it */
  gr_slot accepted[SIM_MEMBERS_MAX];
  gr_slot voted[SIM_MEMBERS_MAX]; /* the same, but for what only was known to be chosen */
};

enum sim_seat { SIM_SEAT_NONE, SIM_SEAT_LEARNER, SIM_SEAT_VOTER };

/* Who belongs to the group from some place of the order on. */
struct sim_view {
  uint64_t number; /* 0: nobody has said yet who is in it */
  gr_slot first;   /* its first slot; 0: not known */
  gr_seqno seqno;
  enum gr_view_reason reason;
  gr_member_id member;
  uint32_t voters;
  enum sim_seat seats[SIM_MEMBERS_MAX];
};

/* What a run's options promise. */
struct sim_bounds {
  uint64_t cache_bytes_max;
  uint64_t unordered_bytes_max;
  uint64_t message_bytes_max;
  bool may_fall_behind;
  bool durable;
};

struct sim_failure {
  const char *invariant; /* NULL: none */
  gr_time at;
  char text[256];
};

struct sim_oracle {
  const struct sim_content *content;
  uint32_t members; /* ids given so far */
  struct sim_bounds bounds;
  gr_time now; /* set by the run before anything is told */
  struct sim_failure failure;

  struct sim_author authors[SIM_MEMBERS_MAX][SIM_GENERATIONS_MAX];
  struct sim_witness witnesses[SIM_MEMBERS_MAX];
  struct sim_told told[SIM_MEMBERS_MAX];

  struct sim_ordered *order; /* seqno s is at s - 1 */
  uint64_t order_count;
  uint64_t order_capacity;
  uint64_t numbers[SIM_MEMBERS_MAX]; /* of each origin, in the order so far */

  struct sim_ballot *ballots; /* as they were first heard of */
  uint64_t ballot_count;
  uint64_t ballot_capacity;
  gr_slot delivered[SIM_MEMBERS_MAX]; /* by each member, as of its last turn, ever; where
                                         members have storage: settled */
  gr_slot chosen;                     /* a majority accepted every slot up to here */

  bool suspected[SIM_MEMBERS_MAX][SIM_MEMBERS_MAX]; /* [by][whom], at some time */

  struct sim_view *views; /* number n is at n - 1 */
  uint64_t view_count;
  uint64_t view_capacity;
  bool forcing;
  gr_slot next_first; /* of the next view: somebody has entered it; 0: nobody */
  gr_slot unproven;   /* taken for chosen in a view whose voters are not known; 0: none */
  uint32_t unproven_by;

  /* Since when no majority can hear of what a member broadcasts, even through others;
   * GR_TIME_NEVER if one can. */
  gr_time lonely_since[SIM_MEMBERS_MAX];

  uint64_t digest;
};

/* A new run. Keeps the memory of the one before. */
void sim_oracle_begin(struct sim_oracle *oracle, const struct sim_content *content,
                      uint32_t members, struct sim_bounds bounds);
void sim_oracle_release(struct sim_oracle *oracle);

/* Notes what is wrong; the first thing counts. */
void sim_oracle_fail(struct sim_oracle *oracle, const char *invariant, const char *format,
                     ...) __attribute__((format(printf, 3, 4)));

/* ---- what members do; `member` is an index, its id is one higher ---- */

void sim_oracle_born(struct sim_oracle *oracle, uint32_t member, uint32_t generation);
void sim_oracle_died(struct sim_oracle *oracle, uint32_t member);
void sim_oracle_broadcast(struct sim_oracle *oracle, uint32_t member, uint64_t number,
                          uint32_t size);
/* `slot` is the one that is being delivered. */
void sim_oracle_deliver(struct sim_oracle *oracle, uint32_t member,
                        const gr_delivery *delivery, gr_slot slot);
void sim_oracle_trace(struct sim_oracle *oracle, uint32_t member,
                      const gr_trace_event *event);
/* The marks after a turn. */
void sim_oracle_status(struct sim_oracle *oracle, uint32_t member,
                       const gr_status *status);
void sim_oracle_halt(struct sim_oracle *oracle, uint32_t member, int error,
                     const char *text);

/* ---- members with storage ---- */

/* The process just born is about to be given what was kept. */
void sim_oracle_restores(struct sim_oracle *oracle, uint32_t member, gr_seqno applied,
                         bool wiped);
/* It has been. */
void sim_oracle_resumed(struct sim_oracle *oracle, uint32_t member,
                        const gr_status *status);
/* It sends its first frame. */
void sim_oracle_speaks(struct sim_oracle *oracle, uint32_t member);
/* It tells a promise, and how far it has accepted in it; 0: it says nothing of that. */
void sim_oracle_told(struct sim_oracle *oracle, uint32_t member, gr_ballot promised,
                     gr_slot accepted);
/* It tells what others need not keep for it. */
void sim_oracle_told_settled(struct sim_oracle *oracle, uint32_t member, gr_slot slot);
/* It reports in a promise what it has accepted: slots before `end`, and then values. */
void sim_oracle_reports(struct sim_oracle *oracle, uint32_t member, uint64_t view,
                        gr_slot end);
void sim_oracle_reports_value(struct sim_oracle *oracle, uint32_t member, gr_slot slot,
                              gr_ballot ballot);
/* ---- membership ---- */

/* The view with this number; NULL if nobody has said who is in it. */
const struct sim_view *sim_oracle_view_of(const struct sim_oracle *oracle,
                                          uint64_t number);
/* The latest view that is known. */
const struct sim_view *sim_oracle_view_now(const struct sim_oracle *oracle);
/* A member enters a view. */
void sim_oracle_enters(struct sim_oracle *oracle, uint32_t member, uint64_t number,
                       gr_slot first);
/* Its host is told. */
void sim_oracle_told_view(struct sim_oracle *oracle, uint32_t member,
                          const gr_view *view);
/* A process is a member from now on, whose host has the effects of what is behind it. */
void sim_oracle_admitted(struct sim_oracle *oracle, uint32_t member, uint32_t life,
                         gr_seqno seqno);
/* A member tells that it cannot hear another, or that this one cannot keep up. */
void sim_oracle_suspects(struct sim_oracle *oracle, uint32_t member, gr_member_id whom);
/* The state of a server's process changes. */
void sim_oracle_state(struct sim_oracle *oracle, uint32_t server,
                      enum gr_member_state from, enum gr_member_state to, int error);
/* Some members go on without the others: what only those knew is void, and so is that
 * anything needs a majority until the view is entered in which these are alone. `seqno`,
 * `view`: what any of them has delivered, and been told. */
void sim_oracle_force(struct sim_oracle *oracle, gr_seqno seqno, uint64_t view);
/* The host's state behind a message. */
struct sim_data sim_oracle_data(const struct sim_oracle *oracle, gr_seqno seqno);
/* What the host's state becomes with one more message. */
uint64_t sim_data_hash(uint64_t before, uint32_t origin, uint64_t number, uint64_t bytes);
/* Compares a host's state, and the library's digest, with those of the order. */
void sim_oracle_history(struct sim_oracle *oracle, uint32_t server,
                        const struct sim_data *data);

/* A converged member has all that was ever delivered. */
void sim_oracle_complete(struct sim_oracle *oracle, uint32_t member);

/* Somebody who lives takes part. */
bool sim_oracle_begun(const struct sim_oracle *oracle);
/* The member's process lives and takes part, or can still come to. */
bool sim_oracle_able(const struct sim_oracle *oracle, uint32_t member);

/* Something that must be the same when the run is repeated. */
void sim_oracle_digest(struct sim_oracle *oracle, uint64_t value);

/* Links changed. Bit `to` of links[from]: frames get from `from` to `to`. `healed`: some
 * link works again, or a member has begun to take part, so old isolation proves nothing.
 */
void sim_oracle_links(struct sim_oracle *oracle, const uint32_t *links, bool healed);

#endif
