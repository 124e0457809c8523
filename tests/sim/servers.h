/* SPDX-License-Identifier: MIT
 *
 * Servers: what outlives their processes, whom a process can send to, and the host's own
 * state with its snapshots.
 */
#ifndef SIM_SERVERS_H
#define SIM_SERVERS_H

#include "oracle.h"

#define SIM_CONTACTS_MAX 64
#define SIM_SNAPSHOTS_MAX 8

/* The part of a snapshot that says what it is; noise follows. */
#define SIM_SNAPSHOT_HEAD_BYTES 24

/* Whom the library named in host.link. */
struct sim_contact {
  gr_member_id id;
  uint32_t server; /* SIM_SERVERS_MAX: nobody lives there */
};

/* A snapshot that a donor holds open. */
struct sim_snapshot {
  uint64_t handle; /* 0: none */
  struct sim_data data;
};

/* What a joiner has received of one. */
struct sim_receipt {
  bool begun;
  gr_seqno seqno;
  uint64_t received;
  uint8_t head[SIM_SNAPSHOT_HEAD_BYTES];
};

struct sim_server {
  bool wanted;       /* it is to be a member */
  bool founder;      /* its next process is one of the founders */
  bool diverged;     /* its host's state was changed behind the group's back */
  bool unhealthy;    /* its host says so */
  gr_member_id lost; /* an operator went on without this member; 0: never */
  bool ambushed;     /* crashes as soon as it gives or takes a snapshot */
  bool stray;        /* its next process is configured for another group */
  uint32_t twin_of;  /* says that it is that server, by number; 0: it does not */
  bool gone;         /* it never comes back */
  gr_member_id id;   /* the last that it had */
  gr_seqno kept;     /* without storage: what its host has of it at the next start */
  uint64_t version;
};

#endif
