/* SPDX-License-Identifier: MIT
 *
 * What will happen, in the order of time; what happens at one time, in the order in which
 * it was planned. A heap with four children to a node: shallow, and siblings lie in two
 * cache lines.
 */
#ifndef SIM_EVENTS_H
#define SIM_EVENTS_H

#include "memory.h"

enum sim_event_kind {
  SIM_EVENT_FRAME,    /* arrives: frame */
  SIM_EVENT_TURN,     /* a member's loop runs */
  SIM_EVENT_TIMER,    /* a member's deadline, as known when this was planned */
  SIM_EVENT_WORKLOAD, /* a member has messages to broadcast */
  SIM_EVENT_SENDABLE, /* member can send to `other` again */
  SIM_EVENT_FAULT,    /* the next fault begins */
  SIM_EVENT_CUT,      /* a flapping link goes: value = its links, packed */
  SIM_EVENT_HEAL,     /* links can be used again: value = they, packed */
  SIM_EVENT_RESUME,   /* a paused member goes on */
  SIM_EVENT_SYNCED,   /* storage has synced: value = up to this ticket */
  SIM_EVENT_STORED,   /* a member hears of it: value as above */
  SIM_EVENT_TRIMMED,  /* storage keeps a new state */
  SIM_EVENT_APPLIED,  /* the host keeps what was delivered up to the seqno value */
  SIM_EVENT_CRASH,    /* a member crashes: value = whether with its machine */
  SIM_EVENT_RESTART,  /* a member that crashed comes back */
  SIM_EVENT_REJOIN,   /* a server that is no member tries again */
  SIM_EVENT_HEALTHY,  /* a host is well again */
  SIM_EVENT_FORCE,    /* an operator looks whether a majority is gone for good */
  SIM_EVENT_SCRIPT,   /* a scenario goes on */
  SIM_EVENT_CHECK     /* the liveness phase looks whether it is done */
};

struct sim_event {
  gr_time at;
  uint64_t order;
  union {
    struct sim_frame *frame;
    uint64_t value;
  };
  enum sim_event_kind kind;
  uint8_t member;
  uint8_t other;
  uint16_t generation; /* of the member's process, in those from SIM_EVENT_SYNCED on */
};

struct sim_events {
  struct sim_event *heap;
  size_t count;
  size_t capacity;
  uint64_t next_order;
};

void sim_events_add(struct sim_events *events, struct sim_event event);
/* Takes the next one; false if there is none. */
bool sim_events_take(struct sim_events *events, struct sim_event *event);

#endif
