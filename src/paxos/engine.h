/* SPDX-License-Identifier: MIT
 *
 * The engine's state, and which file does what with it. Each file changes what its part
 * of the protocol owns; the others read.
 *
 *   heartbeat.c  meeting the founders; liveness; marks that others report
 *   view.c       who is a member, and who votes; from one view to the next
 *   acceptor.c   promises, accepts: the safety half of Paxos
 *   learner.c    what is chosen; delivery; forgetting
 *   proposer.c   the leader: proposals and their repetition
 *   election.c   who should lead: pre-vote, timers, stepping down, transfer
 *   candidate.c  phase 1: from PREPARE to the lead
 *   storage.c    what is to be kept, made into records; what of it is durable
 *   checkpoint.c letting storage forget
 *   restore.c    coming back from storage
 *   install.c    coming in from outside, and going out
 *   force.c      going on without a majority, by an operator's word
 *   repair.c     asking for what is missing, and serving those who ask
 *   outbox.c     what is due to whom, made into frames
 *   receive.c    frames in, to whom they concern
 *   inspect.c    status, counters
 *   paxos.c      life cycle, broadcast, time
 *
 * Members are known by their index in the roster, in ascending order of their ids.
 */
#ifndef GR_PAXOS_ENGINE_H
#define GR_PAXOS_ENGINE_H

#include "base/assert.h"
#include "base/random.h"
#include "paxos/ballot.h"
#include "paxos/frame.h"
#include "paxos/gap.h"
#include "paxos/lane.h"
#include "paxos/log.h"
#include "paxos/seats.h"
#include "paxos/storage.h"

#include <gr/paxos.h>

/* Slots that can be accepted but not known to be chosen: a leader has at most this many
 * in flight, whatever its option says, so every member can keep them (R1, R23). */
#define GR_SLOTS_UNDECIDED_MAX 1024

/* Slots that one promise spans at most. A candidate that lacks more catches up first
 * (R1). */
#define GR_PROMISE_SLOTS_MAX (2 * GR_SLOTS_UNDECIDED_MAX)

#define GR_NOBODY UINT32_MAX

/* Views whose seats are remembered, for positions that lie in them. */
#define GR_VIEWS_KEPT 8

/* For how long what a removed member lacks is kept, if memory allows, should its server
 * come back. */
#define GR_RETAINED_NS (UINT64_C(60) * 1000000000)

/* Frames that are due to one member, besides those that cursors tell. */
enum gr_due {
  GR_DUE_HEARTBEAT = 1 << 0,
  GR_DUE_ACCEPTED = 1 << 1,
  GR_DUE_PREVOTE = 1 << 2,
  GR_DUE_PREVOTE_ANSWER = 1 << 3,
  GR_DUE_PREPARE = 1 << 4,
  GR_DUE_PROMISE = 1 << 5,
  GR_DUE_FETCH_DATA = 1 << 6,
  GR_DUE_FETCH_LOG = 1 << 7,
  GR_DUE_LOG = 1 << 8,
  GR_DUE_TRANSFER = 1 << 9
};

/* Batches of one lane that a member asked for. Done when from > upto. */
struct gr_serving {
  uint64_t from;
  uint64_t upto;
};

/* A frame that was made for a member, and what its having been sent means. */
struct gr_offer {
  uint32_t done; /* frames that are no longer due: enum gr_due */
  enum gr_frame_type type;
  uint32_t lane; /* FETCH_DATA, and DATA that is served: the lane */
  bool serving;  /* DATA: on request */
  uint64_t next; /* PROMISE: the next slot to report */
  size_t bytes;
};

/* Another member: what it told of itself, and what is due to it. */
struct gr_peer {
  gr_member_id id;
  uint64_t view;   /* the latest that it was heard in */
  gr_slot removed; /* the slot that removed it; 0: it is a member */
  gr_time removed_at;
  bool former;  /* has not come over from the life of the group before it was forced */
  bool awaited; /* added, and not heard of yet: it gets nothing */

  /* meeting: see heartbeat.c */
  uint64_t incarnation; /* which process of it we know; 0: none yet */
  uint64_t boot;        /* which start of it, as far as we have heard */
  bool confirmed;       /* that process knows us */
  bool formed;          /* and has met all, as it last said */
  gr_time
      refuses_since; /* since when it says to know another process of ours; 0: not so */

  gr_time heard; /* 0: never */
  gr_time hears; /* it heard us then or later: our latest stamp that it echoed */
  gr_time round_trip;
  uint64_t stamp;      /* its last time stamp, to be echoed */
  gr_time stamp_since; /* when that came */

  /* marks, as it reported them */
  gr_ballot promised;
  gr_slot accepted; /* in `promised` */
  gr_slot chosen;
  gr_slot delivered;
  gr_time delivered_rose; /* when `delivered` did last */
  gr_slot log_first;
  struct gr_mark *held; /* by lane */

  /* due to it */
  uint32_t due;          /* enum gr_due */
  struct gr_offer offer; /* what gr_paxos_frame() gave last */
  uint64_t data_next;    /* next batch of the own lane */
  uint64_t back_to;      /* where sending our lane began again last; 0: never */
  gr_time went_back;
  bool serve_next; /* what it asked for takes turns with the rest: repeats never starve it
                    */
  gr_slot accept_next;        /* next proposal, if we lead */
  gr_time accept_retry;       /* when to repeat those it has not acknowledged */
  struct gr_prevote prevote;  /* the one to be answered */
  struct gr_prepare prepare;  /* of the next view, to be answered there; round 0: none */
  gr_slot promise_from;       /* where its PREPARE asked us to begin */
  gr_slot promise_next;       /* next slot to report */
  gr_slot promise_chosen;     /* what we knew to be chosen when it asked */
  gr_slot log_next;           /* next slot that it asked for */
  struct gr_serving *serving; /* by lane */
  gr_memberset serving_lanes; /* those with something left */
  gr_memberset fetch_lanes;   /* lanes that we ask it for */

  /* what its last heartbeat carried for the group */
  uint8_t note[GR_NOTE_BYTES_MAX];
  size_t note_bytes;
  gr_time note_came;

  /* as candidate: its promise to us */
  gr_slot promised_next; /* first slot not reported yet */
  bool promise_complete;
};

struct gr_paxos {
  struct gr_halt halt;
  gr_options options;
  gr_allocator allocator;
  size_t footprint;
  gr_trace_callback *trace;
  void *trace_context;
  struct gr_random random;
  gr_time now; /* of the call that runs; never goes back */

  uint64_t founders; /* names the first life of the group; 0: begun by others */
  uint64_t group;    /* hash of group id, durability and limits that must be equal */
  struct gr_epoch epoch;
  uint64_t epoch_view; /* the view that began it, if this member was there */
  struct gr_roster roster;
  struct gr_lane_limits limits;
  uint32_t self;
  gr_memberset members; /* of the present view; those known besides have been removed */
  gr_memberset voters;
  uint32_t places;          /* members that can be known at a time */
  struct gr_seats *views;   /* the last GR_VIEWS_KEPT, by number */
  struct gr_config entered; /* what began the present view: the host is to be told */
  bool entered_due;
  struct gr_config wanted; /* the change that this leader is to propose; kind 0: none */
  gr_memberset
      forcing;    /* those who are to go on alone, all of whom must promise; 0: nobody */
  gr_slot forced; /* the slot that ended the former life; told to others once durable */
  gr_time forcing_since; /* all have promised */
  gr_slot changing;      /* the slot in which it has proposed one; 0: none */
  gr_ballot ended; /* the own ballot in which the present view's change was chosen */
  uint8_t note[GR_NOTE_BYTES_MAX]; /* what heartbeats carry for the group */
  size_t note_bytes;
  struct gr_peer *peers; /* by index; the own place is unused */
  bool forgetting;       /* is to begin anew, but storage still writes */
  bool lacks_pieces;     /* see gr_learner_lacks_pieces(); may be true a little longer */
  bool met;              /* every founder knows our process, and we its */
  bool formed;           /* and that will not be forgotten: takes part */

  struct gr_pool pool;
  uint64_t lane_batches;
  uint32_t lane_blocks;  /* each one's own */
  struct gr_lane *lanes; /* by index */
  struct gr_gap *lane_gaps;
  uint64_t broadcasts;      /* own messages taken */
  uint64_t unordered_bytes; /* of them, not yet delivered here */
  bool refused_full;        /* a broadcast was refused since the last writable: */
  uint64_t refused_bytes;   /* the smallest was of so many bytes */

  /* acceptor */
  gr_ballot promised;
  bool started;  /* the start of the promised ballot is known and learned up to (R11) */
  gr_slot start; /* 0: not known yet */
  gr_slot accepted;  /* in the promised ballot, accepted every slot up to here */
  gr_slot log_first; /* the log holds slots log_first .. log_end - 1, */
  gr_slot log_end;   /* each accepted in some ballot or known to be chosen */
  struct gr_slot_table log;
  struct gr_slot_table proposals; /* of the promised ballot, beyond `accepted` */

  /* storage */
  struct gr_storage storage;
  struct gr_told told;

  /* learner */
  gr_slot leader_chosen; /* what the leader of the promised ballot knows to be chosen */
  gr_slot chosen;
  gr_slot delivered;
  gr_slot stable; /* every member has delivered every slot up to here */
  gr_seqno seqno;
  uint64_t digest;         /* of all that was delivered, in order */
  uint64_t digest_due;     /* what it must be at options.applied; 0: anything */
  uint64_t digest_applied; /* and was; 0: not there yet */
  bool lane_closed;        /* cuts that name its former boot need nothing any more */
  bool deliver_begun;      /* something of slot delivered + 1 is ordered */
  uint32_t deliver_lane;   /* in it */
  uint32_t deliver_offset; /* of the next entry in batch lane.ordered + 1; 0: its begin */
  bool delivering;         /* gr_paxos_delivery() gave a message, of */
  uint64_t delivery_bytes; /* so many bytes, */
  uint32_t delivery_next;  /* with this offset behind it */
  gr_slice *parts;
  struct gr_gap log_gap;
  gr_time behind_since; /* since when nobody has kept what we lack; 0: not so */

  /* election */
  enum gr_role role;
  uint32_t leader; /* GR_NOBODY: none known */
  gr_time leader_heard;
  gr_time election_due;
  gr_time heartbeat_due;
  uint64_t round_seen; /* the highest round of any ballot heard of */
  gr_memberset prevotes;
  gr_ballot prevote_ballot;

  /* candidate */
  gr_slot prepare_from;
  gr_time prepare_retry;
  struct gr_slot_table reported; /* the best of all promises, by slot */
  gr_slot reported_end;
  bool reproposing; /* a majority promised; waiting for the batches named (R15) */

  /* leader */
  gr_slot proposed;
  gr_time leads_since;
  gr_time cut_at;                        /* when it proposed a cut last */
  uint64_t proposed_upto[GR_PLACES_MAX]; /* by lane, over all proposals */
  uint64_t proposed_boot[GR_PLACES_MAX]; /* likewise, CLOSE included */
  uint32_t transfer_to;                  /* GR_NOBODY: nobody */
  gr_time transfer_until;

  gr_counters counters;
  uint8_t *header; /* GR_FRAME_HEADER_MAX bytes, for the frame that is being made */
  uint8_t *image;  /* GR_RECORD_HEADER_MAX bytes, for what a joiner is given */
  uint8_t *record; /* GR_RECORD_HEADER_MAX bytes, for the record or state; durable only */
};

/* ---- used everywhere ---- */

static inline bool gr_halted(const struct gr_paxos *p) {
  return p->halt.error != GR_OK;
}

static inline void gr_emit(const struct gr_paxos *p, gr_trace_event event) {
  if (!p->trace) return;
  event.now = p->now;
  p->trace(p->trace_context, &event);
}

/* Time as the host says; it never goes back, and adding to it never wraps. */
static inline void gr_latch(struct gr_paxos *p, gr_time now) {
  if (now > GR_TIME_NEVER / 2) now = GR_TIME_NEVER / 2;
  if (p->now < now) p->now = now;
}

/* Heard from within the last election timeout. */
static inline bool gr_peer_reachable(const struct gr_paxos *p, uint32_t index) {
  const struct gr_peer *peer = &p->peers[index];
  return peer->heard != 0 && p->now - peer->heard < p->options.election_timeout_ns;
}

static inline bool gr_is_member(const struct gr_paxos *p, uint32_t index) {
  return gr_memberset_has(p->members, index);
}

/* Has a vote in the present view. */
static inline bool gr_votes(const struct gr_paxos *p) {
  return gr_memberset_has(p->voters, p->self);
}

/* How long an answer of this member may take before it is asked for again; of nobody in
 * particular: GR_NOBODY. */
static inline gr_time gr_retry_timeout(const struct gr_paxos *p, uint32_t index) {
  gr_time twice = index == GR_NOBODY ? 0 : 2 * p->peers[index].round_trip;
  return twice > p->options.retry_timeout_ns ? twice : p->options.retry_timeout_ns;
}

/* True if this member makes batches of its lane: not while those of its former boot are
 * not settled. */
static inline bool gr_produces(const struct gr_paxos *p) {
  return p->storage.resumed && gr_is_member(p, p->self) &&
         p->lanes[p->self].boot == p->roster.boot;
}

/* Makes a frame due to all other members of the view. */
static inline void gr_due_all(struct gr_paxos *p, enum gr_due due) {
  for (uint32_t i = 0; i < p->roster.count; i++)
    if (i != p->self && gr_is_member(p, i)) p->peers[i].due |= (uint32_t)due;
}

/* The mark that a majority of the voters stand at or beyond; `marks` by index. */
static inline uint64_t gr_voters_mark(const struct gr_paxos *p, const uint64_t *marks) {
  uint64_t voting[GR_PLACES_MAX];
  uint32_t count = 0;
  for (uint32_t i = 0; i < p->roster.count; i++)
    if (gr_memberset_has(p->voters, i)) voting[count++] = marks[i];
  return gr_majority_mark(voting, count);
}

/* ---- view.c ---- */

static inline struct gr_seats *gr_view_seats(const struct gr_paxos *p) {
  return &p->views[p->roster.view % GR_VIEWS_KEPT];
}

/* Begins with these seats, as member `self`. */
void gr_view_begin(struct gr_paxos *p, const struct gr_seats *seats, gr_member_id self);
/* This member's own; NULL if it has none. */
struct gr_seat_kept *gr_view_own_seat(const struct gr_paxos *p);
/* All founders have met. */
void gr_view_met(struct gr_paxos *p);
/* Which life of the group it is. */
void gr_view_epoch(struct gr_paxos *p, struct gr_epoch epoch);
/* What is learned next belongs to another view, which has not been entered. */
bool gr_view_ends(const struct gr_paxos *p);
/* A change has been delivered. False if it must wait for room. */
bool gr_view_enter(struct gr_paxos *p, const struct gr_config *config);
/* Ceases to know those removed members of whom nothing is kept any more. */
void gr_view_compact(struct gr_paxos *p);

/* ---- heartbeat.c ---- */

/* Has met, if every founder has confirmed that it knows this process. */
void gr_heartbeat_form(struct gr_paxos *p);
/* Takes part from now on. */
void gr_heartbeat_begin(struct gr_paxos *p);
/* Another member's process was started anew, from its storage. */
void gr_heartbeat_restarted(struct gr_paxos *p, uint32_t from, uint64_t boot);
void gr_heartbeat_poll(struct gr_paxos *p);
void gr_heartbeat_fill(const struct gr_paxos *p, uint32_t to,
                       struct gr_heartbeat *heartbeat);
/* There is a later process of this member. */
void gr_heartbeat_superseded(struct gr_paxos *p);
/* GR_OK or GR_ERR_STALE. */
int gr_heartbeat_receive(struct gr_paxos *p, uint32_t from,
                         const struct gr_frame_header *header,
                         const struct gr_heartbeat *heartbeat);
/* Takes reported marks into account; they only ever rise. */
void gr_marks_report(struct gr_paxos *p, uint32_t from, gr_ballot promised,
                     gr_slot accepted, gr_slot chosen, gr_slot delivered);

/* ---- acceptor.c ---- */

/* Raises the promise. The ballot must be higher than the one promised. */
void gr_acceptor_promise(struct gr_paxos *p, gr_ballot ballot);
/* What the leader of the promised ballot knows to be chosen is (R5). */
void gr_acceptor_leader_knows(struct gr_paxos *p, uint32_t from, gr_ballot ballot,
                              gr_slot chosen);
void gr_acceptor_receive_accept(struct gr_paxos *p, uint32_t from,
                                const struct gr_accept *accept);
void gr_acceptor_receive_prepare(struct gr_paxos *p, uint32_t from,
                                 const struct gr_prepare *prepare);
/* Accepts what can be accepted by now. */
void gr_acceptor_advance(struct gr_paxos *p);
/* Every batch that the cut adds to the order is here, or delivered already. */
bool gr_cut_held(const struct gr_paxos *p, gr_memberset lanes,
                 const struct gr_mark *marks);
/* Notes that the cut's batches exist, and that `holder` (or GR_NOBODY) has them. */
void gr_cut_want(struct gr_paxos *p, const struct gr_cut *cut, uint32_t holder);
/* Notes that a member holds a lane up to there. */
void gr_peer_holds(struct gr_paxos *p, uint32_t index, uint32_t lane,
                   struct gr_mark mark);
/* Writes a slot at or behind the log's end. False if the log has no room for it. */
bool gr_log_write(struct gr_paxos *p, gr_slot slot, gr_ballot ballot,
                  const struct gr_cut *cut);
/* The value of a slot that the log holds. */
static inline void gr_log_read(const struct gr_paxos *p, gr_slot slot,
                               struct gr_log_value *value) {
  const struct gr_slot_entry *entry = gr_slot_at(&p->log, slot);
  value->ballot = entry->ballot;
  gr_slot_cut(&p->log, entry, p->roster.count, &value->cut);
}

/* ---- storage.c ---- */

/* The boot is durable: frames may leave. */
bool gr_storage_ready(const struct gr_paxos *p);
/* The present promise is durable. */
bool gr_storage_promise_told(const struct gr_paxos *p);
/* Slots up to here this member could deliver again after losing power; without storage
 * those that it has delivered. */
gr_slot gr_storage_settled(const struct gr_paxos *p);
/* Tells others what has become durable of the promise and the acceptances. */
void gr_storage_tell(struct gr_paxos *p);
/* The promise has changed. */
void gr_storage_promised(struct gr_paxos *p);
/* A slot of the log has a new value. */
void gr_storage_wrote(struct gr_paxos *p, gr_slot slot);
/* Whom this member has met has changed. */
void gr_storage_keep_view(struct gr_paxos *p);
/* Some time has passed: marks that went with no other record go alone. */
void gr_storage_poll(struct gr_paxos *p);
/* Who this member is, as of the view with this number. */
void gr_storage_view(const struct gr_paxos *p, uint64_t number,
                     struct gr_view_record *view);

/* ---- checkpoint.c ---- */

/* The delivery has passed a slot. */
void gr_checkpoint_passed(struct gr_paxos *p);
/* Writes the present position as the body of a STATE record. */
void gr_checkpoint_encode_now(struct gr_paxos *p, struct gr_writer *writer);

/* ---- learner.c ---- */

/* Counts the marks of the promised ballot. */
void gr_learner_count(struct gr_paxos *p);
/* Learns the next slot from somebody who knows it to be chosen. False if it has no room.
 */
bool gr_learner_learn(struct gr_paxos *p, gr_slot slot, const struct gr_log_value *value);
/* Compares the history with what the host said of it. */
void gr_learner_check_digest(struct gr_paxos *p);
/* A member that came in lacks pieces of messages that had begun before: to the others it
 * has delivered nothing until it has them, or they would be forgotten. */
bool gr_learner_lacks_pieces(const struct gr_paxos *p);
/* Forgets the slots, and their batches, that every member has settled. */
void gr_learner_trim(struct gr_paxos *p);
/* Forgets the slots below this one, and their batches, that are delivered here. */
void gr_learner_forget(struct gr_paxos *p, gr_slot first);
/* Slots up to here a majority has settled. */
gr_slot gr_learner_spare(const struct gr_paxos *p);
/* A member, or one that was removed not long ago: its server may come back for what it
 * lacks. */
bool gr_is_waited_for(const struct gr_paxos *p, uint32_t index);
/* Forgets the oldest slot though others lack it. False if it is not delivered here, and
 * by a majority. */
bool gr_learner_evict(struct gr_paxos *p);

/* ---- proposer.c ---- */

void gr_proposer_begin(struct gr_paxos *p, gr_slot start);
void gr_proposer_propose(struct gr_paxos *p);
void gr_proposer_poll(struct gr_paxos *p);
/* When it is due next. */
gr_time gr_proposer_deadline(const struct gr_paxos *p);

/* ---- election.c ---- */

void gr_election_poll(struct gr_paxos *p);
/* A frame says that its sender leads in this ballot, which is not below the promised one.
 */
void gr_election_follow(struct gr_paxos *p, gr_ballot ballot);
void gr_election_step_down(struct gr_paxos *p);
/* The leader is known to be gone. */
void gr_election_orphaned(struct gr_paxos *p);
/* Sets the election timer: after the timeout, later by rank, and a little by chance. */
void gr_election_rearm(struct gr_paxos *p);
void gr_election_receive_prevote(struct gr_paxos *p, uint32_t from,
                                 const struct gr_prevote *prevote);
void gr_election_answer(const struct gr_paxos *p, uint32_t to,
                        struct gr_prevote_answer *answer);
void gr_election_receive_answer(struct gr_paxos *p, uint32_t from,
                                const struct gr_prevote_answer *answer);
void gr_election_receive_transfer(struct gr_paxos *p, uint32_t from, gr_ballot ballot);
/* This member's ballot above all that it has heard of. */
gr_ballot gr_election_next_ballot(const struct gr_paxos *p);
/* Notes a round heard of. */
void gr_election_see(struct gr_paxos *p, gr_ballot ballot);

/* ---- candidate.c ---- */

void gr_candidate_begin(struct gr_paxos *p);
void gr_candidate_poll(struct gr_paxos *p);
gr_time gr_candidate_deadline(const struct gr_paxos *p);
/* `values` is at the promise's first value; the run has been checked. */
void gr_candidate_receive(struct gr_paxos *p, uint32_t from,
                          const struct gr_promise *promise, struct gr_reader *values);
/* Begins to lead if nothing is missing any more. */
void gr_candidate_advance(struct gr_paxos *p);

/* ---- restore.c ---- */

/* Is who the record says, in its view. */
void gr_view_take(struct gr_paxos *p, const struct gr_view_record *view);
/* Stands where the state says. */
void gr_view_take_position(struct gr_paxos *p, const struct gr_state_record *state);
/* During a replay: forgets the first slot, if life could have done so next. */
bool gr_restore_evict(struct gr_paxos *p);

/* ---- install.c ---- */

/* Goes on with forgetting, if that has begun and storage is done with what it was handed.
 */
void gr_install_forget(struct gr_paxos *p);

/* ---- force.c ---- */

/* What a forced end decided is durable, so that others may hear of it. */
bool gr_force_told(const struct gr_paxos *p);
void gr_force_poll(struct gr_paxos *p);
/* All who are to go on have promised, and said what they have. */
void gr_force_advance(struct gr_paxos *p);

/* ---- paxos.c ---- */

/* Is in no group. */
void gr_paxos_outside(struct gr_paxos *p);
/* Lays the engine out anew in its memory, with these options and nothing else. */
void gr_paxos_again(struct gr_paxos *p);

/* ---- repair.c ---- */

void gr_repair_poll(struct gr_paxos *p);
gr_time gr_repair_deadline(const struct gr_paxos *p);
void gr_repair_receive_data(struct gr_paxos *p, uint32_t from,
                            const struct gr_batch *batch);
void gr_repair_receive_fetch_data(struct gr_paxos *p, uint32_t from,
                                  const struct gr_fetch_data *fetch);
void gr_repair_receive_fetch_log(struct gr_paxos *p, uint32_t from, gr_slot first);
void gr_repair_receive_log(struct gr_paxos *p, uint32_t from,
                           const struct gr_log_run *run, struct gr_reader *values);

#endif
