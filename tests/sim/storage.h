/* SPDX-License-Identifier: MIT
 *
 * A member's storage, which outlives its processes: what a disk keeps of what it was
 * given, and when. It stands for a write-ahead log and the host's own state.
 */
#ifndef SIM_STORAGE_H
#define SIM_STORAGE_H

#include "memory.h"

#include <gr/group.h>

/* A record as it was handed over, and where the library must keep its second part as it
 * is until the record is durable. */
struct sim_kept {
  gr_ticket ticket;
  struct sim_frame *copy;
  const uint8_t *tail; /* NULL: there is none, or it is free */
  size_t tail_bytes;
};

/* A state, which stands for all records before `first`. */
struct sim_trim {
  gr_ticket first;
  struct sim_frame *state; /* NULL: none */
};

struct sim_storage {
  /* the log */
  struct sim_kept *records; /* by ascending tickets without a gap */
  size_t count;
  size_t capacity;
  gr_ticket last;    /* the last one handed over; after a crash, that is left */
  gr_ticket durable; /* up to here nothing can be lost any more */
  gr_ticket syncing; /* a sync is under way, up to here; 0: none */
  gr_ticket noted;   /* the process has been told up to here */
  struct sim_trim kept;
  struct sim_trim begun;     /* on its way to the disk */
  struct sim_trim waiting;   /* to be begun next */
  struct sim_frame *remnant; /* of the first record that a crash took; NULL: none */

  /* faults */
  gr_time stalls_until;
  gr_time full_until;
  bool fails; /* the next sync does */

  /* the host's own state */
  gr_seqno applied;
  gr_seqno applying; /* on its way; 0: none */

  uint64_t broadcasts; /* of all processes */
  bool met;            /* that the group has formed is durable */
  bool wiped;          /* what was there before is gone */
  bool gone;           /* no process of this member can take part any more */
};

#endif
