/* SPDX-License-Identifier: MIT
 *
 * The order of a group as spin checks it: what members do, and what must hold. README.md
 * says how to read it. Each `inline` is a step, or a part of one; CAN_ says when.
 */
#include "state.pml"

/* ---- what must hold ---- */

/* A majority accepted: the slot is chosen, now and for ever; the payload can be found. */
inline decide(b) {
  slot = start[b];
  do
  :: slot <= SLOTS && MAJORITY(STANDING(b, slot), VIEW_OF(b)) ->
     if
     :: decided[slot] == 0 ->
        decided[slot] = PROPOSAL(b, slot);
        payload_kept = MAJORITY(STANDING(b, slot) & HOLDING(decided[slot]), VIEW_OF(b));
        assert(payload_kept);
        if
        :: IS_CONFIG(decided[slot]) -> begin_view(VIEW_OF(b) + 1, decided[slot])
        :: else
        fi
     :: else
     fi;
     agreed = decided[slot] == PROPOSAL(b, slot) && decided[slot] != 0;
     assert(agreed);
     slot++
  :: else -> break
  od;
  slot = 0
}

inline begin_view(v, config) {
  views_follow = first[v] == 0;
  assert(views_follow);
  first[v] = slot + 1;
  voters[v] = voters[v - 1];
  learners[v] = learners[v - 1];
  if
  :: config < PROMOTE -> learners[v] = learners[v] | BIT(config - ADD)
  :: config >= PROMOTE && config < REMOVE ->
     learners[v] = learners[v] & ~BIT(config - PROMOTE);
     voters[v] = voters[v] | BIT(config - PROMOTE)
  :: config >= REMOVE -> voters[v] = voters[v] & ~BIT(config - REMOVE)
  fi
}

/* ---- lanes ---- */

/* Makes the next batch of its own lane, or gets another's, from whomever. */
#define CAN_HOLD(m, lane)                                                          \
  (lane < LANES && UPTO(held[m], lane) < (lane == m -> BATCHES : made[lane % LANES]))
inline hold(m, lane) {
  held[m] = held[m] + (1 << (2 * lane));
  if
  :: made[lane] < UPTO(held[m], lane) -> made[lane] = UPTO(held[m], lane)
  :: else
  fi
}

/* ---- acceptors ---- */

/* What a candidate has collected is of no use once it has promised another ballot. */
inline promise(m, b) {
  if
  :: COLLECTS(m) -> forget_reports(promised[m])
  :: else
  fi;
  promised[m] = b
}

inline forget_reports(b) {
  promises[b] = 0;
  slot = 1;
  do
  :: slot <= SLOTS -> REPORTED(b, slot) = 0; slot++
  :: else -> break
  od;
  slot = 0
}

/* On PREPARE, or on ACCEPT before it can accept. */
#define CAN_PROMISE(m, b)                                                          \
  (b <= BALLOTS && owner[b] != 0 && promised[m] < b && VIEW_OF(b) == view[m] &&    \
   IS_MEMBER(m))

#ifdef BREAK_ACCEPT_WITHOUT_BATCHES
#define HAS_BATCHES(m, value) true
#else
#define HAS_BATCHES(m, value) HOLDS(m, value)
#endif

/* How far it has accepted in the ballot that it has promised, once it has learned all
 * below the ballot's start (R11). Slots that it knows to be chosen count. */
#define HAS(m, s)                                                                  \
  (s <= chosen[m] || (s <= SLOTS && LOG(m, (s - 1) % SLOTS + 1) == promised[m]))
#define MARK(m)                                                                    \
  (!HAS(m, 1) -> 0 : (!HAS(m, 2) -> 1 : (!HAS(m, 3) -> 2 : (!HAS(m, 4) -> 3 : 4))))
#define STARTED(m)                                                                 \
  (ACTIVE(m) && start[promised[m]] != 0 && start[promised[m]] <= chosen[m] + 1)
#define NEXT_PROPOSAL(m) PROPOSAL(promised[m], MARK(m) + 1)
#define CAN_ACCEPT(m)                                                              \
  (STARTED(m) && MARK(m) < SLOTS && NEXT_PROPOSAL(m) != 0 &&                       \
   HAS_BATCHES(m, NEXT_PROPOSAL(m)) && CAN_STORE(m))
inline accept(m) {
  kept = MARK(m) + 1;
  LOG(m, kept) = promised[m];
  store(m);
  if
  :: ACCEPTED(promised[m], m) < kept -> ACCEPTED(promised[m], m) = kept
  :: else
  fi;
  kept = 0;
  decide(promised[m])
}

/* Tells of slots that it has not accepted in this ballot, but knows to be chosen. */
#define CAN_COUNT(m)                                                               \
  (STARTED(m) && chosen[m] >= start[promised[m]] &&                                \
   ACCEPTED(promised[m], m) < chosen[m])
inline count(m) {
  ACCEPTED(promised[m], m) = chosen[m];
  decide(promised[m])
}

/* ---- learners ---- */

#ifdef BREAK_TRUST_ANY_CHOSEN
#define TOLD(m, s) (chosen[0] >= s || chosen[1] >= s || chosen[2] >= s)
#else
#define TOLD(m, s) (told[promised[m]] >= s)
#endif
#ifdef BREAK_LEARN_OLDER_BALLOT
#define OWN_VALUE(m, s) (LOG(m, s) != 0)
#else
#define OWN_VALUE(m, s) HAS(m, s)
#endif

/* From the marks of a majority, or from the word of the ballot's leader (R5). */
#define CAN_LEARN(m)                                                               \
  (STARTED(m) && chosen[m] < SLOTS && OWN_VALUE(m, chosen[m] + 1) &&               \
   (TOLD(m, chosen[m] + 1) ||                                                      \
    MAJORITY(STANDING(promised[m], chosen[m] + 1), view[m])))
inline learn(m) {
  slot = chosen[m] + 1;
  learned(m);
  slot = 0
}

/* From the log of another: who uses it promises its ballot first (R5). */
#define CAN_FETCH(m, from) (from < MEMBERS && chosen[from % MEMBERS] > chosen[m])
inline fetch(m, from) {
  slot = chosen[m] + 1;
  fetched(m, from);
  slot = 0
}

inline fetched(m, from) {
  kept = slot;
  if
  :: LOG(from, kept) > promised[m] -> promise(m, LOG(from, kept))
  :: else
  fi;
  slot = kept;
  kept = 0;
  LOG(m, slot) = LOG(from, slot);
  learned(m)
}

/* All is learned by everybody, in the last view: with FIND_END it is an error to get
 * there, which shows that the bounds leave room for whole runs. */
#define LEARNED_ALL                                                                \
  (chosen[0] == SLOTS && chosen[1] == SLOTS && chosen[2] == SLOTS &&               \
   chosen[MEMBERS - 1] == SLOTS && first[VIEWS - 1] != 0)

/* Every member learns what a majority accepted, and nothing else. */
inline learned(m) {
  agreed = VALUE(m, slot) == decided[slot] && decided[slot] != 0;
  assert(agreed);
  chosen[m] = slot;
#ifdef FIND_END
  end_unreachable = !LEARNED_ALL;
  assert(end_unreachable);
#endif
  if
  :: LEADS(m) -> told[promised[m]] = slot
  :: else
  fi;
  if
  :: IS_CONFIG(decided[slot]) -> enter_view(m)
  :: else
  fi
}

/* It has learned everything below the view's first slot. What it accepted in earlier
 * views beyond is void, and it answers no ballot of theirs any more. */
inline enter_view(m) {
  kept = slot;
  promise(m, (view[m] + 1) * ROUNDS);
  view[m] = view[m] + 1;
  slot = kept + 1;
  do
  :: slot <= SLOTS -> LOG(m, slot) = 0; slot++
  :: else -> break
  od;
  slot = kept;
  kept = 0
}

/* ---- candidates ---- */

/* It promises its own ballot before it asks (R4). */
#define CAN_ASK(m, b)                                                              \
  (b <= BALLOTS && owner[b] == 0 && promised[m] < b && VIEW_OF(b) == view[m] &&    \
   IS_VOTER(m))
inline ask(m, b) {
  promise(m, b);
  owner[b] = m + 1;
  report(m, m, b)
}

/* Of a voter that has promised; a promise without it is one that got lost. */
#define CAN_REPORT(m)                                                              \
  (ACTIVE(m) && IS_VOTER(m) && start[promised[m]] == 0 &&                          \
   owner[promised[m]] <= MEMBERS && (promises[promised[m]] & BIT(m)) == 0 &&       \
   promised[owner[promised[m]] - 1] == promised[m])

/* What it knows to be chosen the candidate learns; of the rest the highest ballot
 * counts. */
inline report(m, candidate, b) {
  slot = chosen[candidate] + 1;
  do
  :: slot <= chosen[m] -> fetched(candidate, m); slot++
  :: else -> break
  od;
  do
  :: slot <= SLOTS ->
     if
     :: REPORTED(b, slot) < LOG(m, slot) -> REPORTED(b, slot) = LOG(m, slot)
     :: else
     fi;
     slot++
  :: else -> break
  od;
  slot = 0;
  promises[b] = promises[b] | BIT(m)
}

#ifdef BREAK_SKIP_PHASE_1
#define PROMISED(m) (view[m] > 0 || MAJORITY(promises[promised[m]], view[m]))
#else
#define PROMISED(m) MAJORITY(promises[promised[m]], view[m])
#endif
#define BEST(m, s) PROPOSAL(REPORTED(promised[m], s), s)
#define CAN_REPEAT(m, s)                                                           \
  (s > SLOTS || s <= chosen[m] || HOLDS(m, BEST(m, (s - 1) % SLOTS + 1)))

/* It leads once it holds the batches of what it proposes again (R15). */
#define CAN_LEAD(m)                                                                \
  (COLLECTS(m) && chosen[m] < SLOTS && PROMISED(m) && CAN_REPEAT(m, 1) &&          \
   CAN_REPEAT(m, 2) && CAN_REPEAT(m, 3) && CAN_REPEAT(m, 4))
inline lead(m) {
  start[promised[m]] = chosen[m] + 1;
  told[promised[m]] = chosen[m];
  slot = chosen[m] + 1;
  do
  :: slot <= SLOTS && REPORTED(promised[m], slot) != 0 ->
     PROPOSAL(promised[m], slot) = BEST(m, slot);
     proposed(m, slot);
     if
     :: IS_CONFIG(PROPOSAL(promised[m], slot)) ->
        slot = SLOTS /* what is behind it is dropped */
     :: else
     fi;
     slot++
  :: else -> break
  od;
  do
  :: slot <= SLOTS ->
     log_has_no_holes = REPORTED(promised[m], slot) == 0; /* I-PRO-1 */
     assert(log_has_no_holes);
     slot++
  :: else -> break
  od;
  forget_reports(promised[m]);
  decide(promised[m])
}

/* ---- leaders ---- */

/* The slot before it, proposed or learned; 0 if there is none. */
#define LAST(m, s)                                                                 \
  (s == 1 -> 0 : (s > start[promised[m]] -> PROPOSAL(promised[m], s - 1)           \
                                          : VALUE(m, s - 1)))
#define IS_NEXT(m, s)                                                              \
  (s <= SLOTS && s >= start[promised[m]] && PROPOSAL(promised[m], s) == 0 &&       \
   (s == start[promised[m]] || PROPOSAL(promised[m], s - 1) != 0))
#ifdef BREAK_PROPOSE_BEHIND_CONFIG
#define BEHIND_CONFIG(m, s) false
#else
#define BEHIND_CONFIG(m, s) (s > start[promised[m]] && IS_CONFIG(LAST(m, s)))
#endif
#define MAY_PROPOSE(m, s) (LEADS(m) && IS_NEXT(m, s) && !BEHIND_CONFIG(m, s))

/* A cut of all that it holds, if there is something new. */
#define CAN_PROPOSE_CUT(m, s)                                                      \
  (MAY_PROPOSE(m, s) && held[m] != 0 &&                                            \
   (IS_CONFIG(LAST(m, s)) || !COVERS(LAST(m, s), held[m])))

/* One member a change; the last view is not left. */
#define CAN_ADD(m, x) ((EVERYBODY & BIT(x) & ~(voters[view[m]] | learners[view[m]])) != 0)
#define CAN_PROMOTE(m, x) ((learners[view[m]] & BIT(x)) != 0)
#define CAN_REMOVE(m, x) ((voters[view[m]] & BIT(x) & REMOVABLE) != 0)
#define CAN_PROPOSE_CONFIG(m, s) (MAY_PROPOSE(m, s) && view[m] < VIEWS - 1)
inline propose(m, value) {
  slot = start[promised[m]];
  do
  :: PROPOSAL(promised[m], slot) != 0 -> slot++
  :: else -> break
  od;
  PROPOSAL(promised[m], slot) = value;
  proposed(m, slot);
  decide(promised[m])
}

/* ---- storage ---- */

/* Without it a leader accepts as it proposes. With it its acceptance counts once durable,
 * and all is stored in the order of slots, each behind its batches (I-STO-1). What a
 * member accepted and did not tell counts as not accepted: so acceptance is one step. */
#if RESTARTS == 0
#define CAN_STORE(m) true
inline store(m) { skip }
inline proposed(m, s) {
  LOG(m, s) = promised[m];
  ACCEPTED(promised[m], m) = s
}
#else
#define CAN_STORE_SLOT(m, s)                                                       \
  (s > MARK(m) || HOLDS(m, VALUE(m, (s - 1) % SLOTS + 1)))
#define CAN_STORE(m)                                                               \
  (CAN_STORE_SLOT(m, 1) && CAN_STORE_SLOT(m, 2) && CAN_STORE_SLOT(m, 3) &&         \
   CAN_STORE_SLOT(m, 4))
inline proposed(m, s) { skip }
#ifdef BREAK_TELL_BEFORE_SYNC
inline store(m) { skip }
#else
inline store(m) {
  slot = 1;
  do
  :: slot <= kept -> DISK(m, slot) = LOG(m, slot); slot++
  :: else -> break
  od;
  slot = 0
}
#endif

/* What was learned may be durable up to a slot, and known as chosen up to another one. Of
 * the batches those come back that stored values name; no ballot is led again (R4). */
#define CAN_RESTART(m, durable, known)                                             \
  (restarts < RESTARTS && durable <= chosen[m] && known <= durable &&              \
   (durable < 1 || HOLDS(m, VALUE(m, 1))) &&                                       \
   (durable < 2 || HOLDS(m, VALUE(m, 2))))
inline restart(m, durable, known) {
  restarts++;
  if
  :: COLLECTS(m) -> forget_reports(promised[m])
  :: else
  fi;
  if
  :: OWNS(m) -> owner[promised[m]] = NOBODY
  :: else
  fi;
  kept = 0;
  slot = 1;
  do
  :: slot <= SLOTS ->
     if
     :: slot <= durable -> DISK(m, slot) = LOG(m, slot)
     :: else -> LOG(m, slot) = DISK(m, slot)
     fi;
     keep_batches(VALUE(m, slot));
     slot++
  :: else -> break
  od;
  held[m] = kept;
  kept = 0;
  chosen[m] = known;
  slot = 1;
  do
  :: slot <= SLOTS ->
     payload_kept = decided[slot] == 0 || MAJORITY(HOLDING(decided[slot]), 0);
     assert(payload_kept);
     slot++
  :: else -> break
  od;
  slot = 0
}

inline keep_batches(cut) {
  other = 0;
  do
  :: other < 3 ->
     if
     :: UPTO(kept, other) < UPTO(cut, other) ->
        kept = kept + ((UPTO(cut, other) - UPTO(kept, other)) << (2 * other))
     :: else
     fi;
     other++
  :: else -> break
  od;
  other = 0
}
#endif

/* ---- members ---- */

#define BALLOT(step, m)                                                            \
  :: step(m, 1) -> pick = 1                                                        \
  :: BALLOTS > 1 && step(m, 2) -> pick = 2                                         \
  :: BALLOTS > 2 && step(m, 3) -> pick = 3                                         \
  :: BALLOTS > 3 && step(m, 4) -> pick = 4                                         \
  :: BALLOTS > 4 && step(m, 5) -> pick = 5                                         \
  :: BALLOTS > 5 && step(m, 6) -> pick = 6

#define ANY_SLOT(can, m) (can(m, 1) || can(m, 2) || can(m, 3) || can(m, 4))

#define CHANGE(can, kind, m)                                                       \
  :: can(m, 0) && ANY_SLOT(CAN_PROPOSE_CONFIG, m) -> pick = kind                   \
  :: can(m, 1) && ANY_SLOT(CAN_PROPOSE_CONFIG, m) -> pick = kind + 1               \
  :: can(m, 2) && ANY_SLOT(CAN_PROPOSE_CONFIG, m) -> pick = kind + 2               \
  :: can(m, 3) && ANY_SLOT(CAN_PROPOSE_CONFIG, m) -> pick = kind + 3

/* A member that stops takes no more steps. Every run is also that of members which stop
 * wherever they do nothing any more, so that stopping needs no step of its own. */
proctype member(byte self) {
end:
  do
  :: d_step { CAN_HOLD(self, 0) -> hold(self, 0) }
#if LANES > 1
  :: d_step { CAN_HOLD(self, 1) -> hold(self, 1) }
#endif
#if LANES > 2
  :: d_step { CAN_HOLD(self, 2) -> hold(self, 2) }
#endif
  :: d_step { CAN_ACCEPT(self) -> accept(self) }
  :: d_step { CAN_COUNT(self) -> count(self) }
  :: d_step { CAN_LEARN(self) -> learn(self) }
  :: d_step {
       CAN_REPORT(self) -> report(self, owner[promised[self]] - 1, promised[self])
     }
  :: d_step { CAN_LEAD(self) -> lead(self) }
  :: atomic {
       if
       BALLOT(CAN_PROMISE, self)
       fi;
       d_step { promise(self, pick); pick = 0 }
     }
  :: atomic {
       if
       BALLOT(CAN_ASK, self)
       fi;
       d_step { ask(self, pick); pick = 0 }
     }
  :: atomic {
       if
       :: CAN_FETCH(self, 0) -> pick = 0
       :: CAN_FETCH(self, 1) -> pick = 1
       :: CAN_FETCH(self, 2) -> pick = 2
       :: CAN_FETCH(self, 3) -> pick = 3
       fi;
       d_step { fetch(self, pick); pick = 0 }
     }
  :: d_step { ANY_SLOT(CAN_PROPOSE_CUT, self) -> propose(self, held[self]) }
#if VIEWS > 1
  :: atomic {
       if
       CHANGE(CAN_ADD, ADD, self)
       CHANGE(CAN_PROMOTE, PROMOTE, self)
       CHANGE(CAN_REMOVE, REMOVE, self)
       fi;
       d_step { propose(self, pick); pick = 0 }
     }
#endif
#if RESTARTS > 0
  :: atomic {
       if
       :: CAN_RESTART(self, 0, 0) -> pick = 0; other = 0
       :: CAN_RESTART(self, 1, 0) -> pick = 1; other = 0
       :: CAN_RESTART(self, 1, 1) -> pick = 1; other = 1
       :: CAN_RESTART(self, 2, 0) -> pick = 2; other = 0
       :: CAN_RESTART(self, 2, 1) -> pick = 2; other = 1
       :: CAN_RESTART(self, 2, 2) -> pick = 2; other = 2
       fi;
       d_step { restart(self, pick, other); pick = 0; other = 0 }
     }
#endif
  od
}

init {
  atomic {
    first[0] = 1;
    voters[0] = FOUNDERS;
    learners[0] = LEARNERS;
    run member(0);
    run member(1);
    run member(2);
#if MEMBERS > 3
    run member(3)
#endif
  }
}
