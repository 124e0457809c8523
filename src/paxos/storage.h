/* SPDX-License-Identifier: MIT
 *
 * What the engine remembers of its storage: see storage.c, checkpoint.c, restore.c.
 */
#ifndef GR_PAXOS_STORAGE_H
#define GR_PAXOS_STORAGE_H

#include "paxos/record.h"

/* What others are told of the promise and the acceptances: what is durable. */
struct gr_told {
  gr_ballot promised;
  bool started; /* something has been accepted in it, if only what was chosen before */
  gr_slot accepted; /* in it, up to here */
};

/* A slot boundary from which a replay could begin. */
struct gr_boundary {
  gr_slot slot;
  uint64_t view; /* that slot + 1 belongs to */
  gr_seqno seqno;
  uint64_t digest;
  gr_ticket first; /* of the records that such a replay needs */
  gr_ticket last;  /* of those given by then: to be durable before those before go */
  struct gr_lane_state lanes[GR_MEMBERS_MAX]; /* by seat of the view */
};

#define GR_BOUNDARIES_MAX 64

struct gr_storage {
  bool resumed;
  gr_ticket next;   /* the next record's */
  gr_ticket synced; /* durable up to here; without storage: everything is */

  /* what has been given to storage, each with the ticket that says when it is durable */
  bool state_due;   /* the position with which this member came in */
  bool outside_due; /* everything is to be forgotten: it is in no group any more */
  bool view_due;
  gr_ticket formed_ticket; /* of the view in which all have met */
  bool boot_due;
  gr_ticket boot_ticket;
  gr_ticket promise_ticket;     /* of the present promise */
  gr_slot next_slot;            /* the values of slots below it have been given */
  gr_slot closed;               /* the last slot delivered that ended a boot */
  struct gr_marks_record marks; /* as given last */
  gr_ticket marks_ticket;
  bool marks_due;   /* give them although nothing else is due */
  bool marks_given; /* in this round */
  bool round_given; /* anything, in this round */

  gr_slot settled;  /* durable with payload, and durably known as chosen, up to here */
  gr_slot settling; /* the next value of it, once this ticket is durable */
  gr_ticket settling_ticket;

  /* the record that gr_paxos_record() gave last */
  enum gr_record_type offered; /* 0: none */
  gr_slot slot;
  uint32_t lane;
  uint64_t seq;
  struct gr_marks_record marking;
  size_t offered_bytes;

  /* checkpoints: see checkpoint.c */
  struct gr_boundary *boundaries;
  uint32_t boundary_count;
  gr_slot boundary_spacing;
  gr_seqno applied;   /* as the host said last */
  gr_slot trim_slot;  /* the boundary to be reached; 0: no trim is due */
  bool trim_now;      /* whatever can be reached */
  gr_slot checkpoint; /* the last one given */
  gr_ticket trimmed;  /* and the first ticket that it kept */

  /* replay: see restore.c */
  bool restoring;        /* something has been given back */
  bool came_in;          /* it began with another member's position */
  bool restored_view;    /* and with it, who this member is */
  gr_ticket restored;    /* the last record given back; 0: none */
  gr_ticket state_first; /* records below are older than the state; 0: no state */
  gr_slot restored_forgotten;
  gr_slot restored_spare;
};

#endif
