/* SPDX-License-Identifier: MIT
 *
 * The order of a group as spin checks it: what there is. group.pml says what members do
 * with it, README.md how to read both.
 */

/* ---- bounds: each may be set with -D ---- */

#ifndef MEMBERS
#define MEMBERS 3 /* up to 4 */
#endif
#ifndef FOUNDERS
#define FOUNDERS 7 /* the voters of the first view: a bit for each member */
#endif
#ifndef LEARNERS
#define LEARNERS 0 /* and its learners */
#endif
#ifndef VIEWS
#define VIEWS 1
#endif
#ifndef REMOVABLE
#define REMOVABLE FOUNDERS /* whom a CONFIG may remove */
#endif
#ifndef ROUNDS
#define ROUNDS 2 /* ballots of each view */
#endif
#ifndef SLOTS
#define SLOTS 2 /* up to 4 */
#endif
#ifndef LANES
#define LANES 2 /* those of members 0, 1, ...; up to 3 */
#endif
#ifndef BATCHES
#define BATCHES 1 /* of each lane; up to 3 */
#endif
#ifndef RESTARTS
#define RESTARTS 0 /* of all members together; not 0: members have storage */
#endif
#if RESTARTS > 0 && VIEWS > 1
#error "restarts are modelled within one view"
#endif

/* ---- values ---- */

/* A cut has two bits for each lane: up to which batch it is ordered. 0 is no value. */
#define UPTO(cut, lane) (((cut) >> (2 * (lane))) & 3)
#define COVERS(have, cut)                                                          \
  (UPTO(have, 0) >= UPTO(cut, 0) && UPTO(have, 1) >= UPTO(cut, 1) &&               \
   UPTO(have, 2) >= UPTO(cut, 2))

/* A CONFIG changes one member. It names no batch. */
#define ADD 128 /* as a learner */
#define PROMOTE 144
#define REMOVE 160
#define IS_CONFIG(value) ((value) >= ADD)
#define HOLDS(m, value) (IS_CONFIG(value) || COVERS(held[m], value))

/* ---- what members have published, which stays readable for ever ---- */

/* A ballot is a number from 1 on, in the order of (view, round, member); its member is
 * whoever takes it first. Views count from 0. */
#define BALLOTS (VIEWS * ROUNDS)
#define VIEW_OF(ballot) (((ballot) - 1) / ROUNDS)
#define NOBODY 255 /* its leader has lost its memory */

byte owner[BALLOTS + 1];    /* PREPARE: the member and 1; 0: nobody has taken it */
byte start[BALLOTS + 1];    /* ACCEPT: its first slot; 0: it does not lead */
byte proposal[(BALLOTS + 1) * SLOTS];
byte told[BALLOTS + 1];     /* ACCEPT: `chosen`, the leader's word on its own ballot */
byte accepted[(BALLOTS + 1) * MEMBERS]; /* ACCEPTED(ballot, upto) of each member */
byte made[LANES];           /* DATA */

#define PROPOSAL(b, s) proposal[(b)*SLOTS + (s)-1]
#define ACCEPTED(b, m) accepted[(b)*MEMBERS + (m)]

/* ---- what members remember ---- */

byte promised[MEMBERS];
byte log[MEMBERS * SLOTS]; /* in which ballot the slot's value was accepted or chosen */
byte chosen[MEMBERS];      /* learned up to here */
byte held[MEMBERS];        /* batches, as a cut */
byte view[MEMBERS];

#if RESTARTS > 0
byte disk[MEMBERS * SLOTS]; /* of the log, what a restart gives back */
byte restarts;
#define DISK(m, s) disk[(m)*SLOTS + (s)-1]
#endif

/* A candidate's: who has promised, and the highest ballot reported for each slot. */
byte promises[BALLOTS + 1];
byte reported[(BALLOTS + 1) * SLOTS];

#define LOG(m, s) log[(m)*SLOTS + (s)-1]
#define VALUE(m, s) PROPOSAL(LOG(m, s), s)
#define REPORTED(b, s) reported[(b)*SLOTS + (s)-1]

/* ---- what nobody sees: the views, and what is chosen ---- */

byte voters[VIEWS + 1], learners[VIEWS + 1], first[VIEWS + 1];
byte decided[SLOTS + 1];

/* Used within a step, from its last choice on: spin does not restore what is hidden.
 * The assertions are given names, for the reader of a report. */
hidden byte pick, slot, kept, other;
hidden byte agreed, payload_kept, log_has_no_holes, views_follow, end_unreachable;

#define BIT(m) (1 << (m))
#define EVERYBODY (BIT(MEMBERS) - 1)
#define COUNT(set) (((set)&1) + ((set) >> 1 & 1) + ((set) >> 2 & 1) + ((set) >> 3 & 1))
#ifdef BREAK_COUNT_LEARNER
#define VOTES(v) (voters[v] | learners[v])
#else
#define VOTES(v) voters[v]
#endif
#define MAJORITY(set, v) (2 * COUNT((set)&VOTES(v)) > COUNT(voters[v]))

#if MEMBERS > 3
#define FOURTH(condition) | ((condition) << 3)
#else
#define FOURTH(condition)
#endif
#define STANDING(b, s)                                                             \
  ((ACCEPTED(b, 0) >= (s)) | ((ACCEPTED(b, 1) >= (s)) << 1) |                      \
   ((ACCEPTED(b, 2) >= (s)) << 2) FOURTH(ACCEPTED(b, 3) >= (s)))
#define HOLDING(value)                                                             \
  (HOLDS(0, value) | (HOLDS(1, value) << 1) | (HOLDS(2, value) << 2)               \
   FOURTH(HOLDS(3, value)))

/* It has promised a ballot of its view. */
#define ACTIVE(m) (promised[m] > view[m] * ROUNDS)
#define IS_VOTER(m) (voters[view[m]] & BIT(m))
#define IS_MEMBER(m) ((voters[view[m]] | learners[view[m]]) & BIT(m))
#define OWNS(m) (ACTIVE(m) && owner[promised[m]] == (m) + 1)
#define LEADS(m) (OWNS(m) && start[promised[m]] != 0)
#define COLLECTS(m) (OWNS(m) && start[promised[m]] == 0)
