/* SPDX-License-Identifier: MIT
 *
 * What commands work on: the service, which all clients share, and a session, one for
 * each client. All on the client thread.
 */
#ifndef KV_SERVICE_H
#define KV_SERVICE_H

#include "checkpoint.h"
#include "group.h"
#include "store.h"

struct kv_service {
  const struct kv_options *options;
  struct kv_store *store;
  const struct kv_checkpoint *checkpoint; /* NULL: volatile */
  bool loading;                           /* the node's log is still being replayed */
  gr_seqno applied;                       /* the last message in the store */
  enum gr_member_state state;             /* this member's, as of that message */
  int state_error;                        /* why it is ERROR or OFFLINE */
  bool has_state;  /* the store is the group's, as of some moment: clients may see it */
  bool was_online; /* in this process */
  uint64_t undecodable; /* messages left out, as they are at all members */
  uint64_t commands;    /* answered */
  uint64_t writes;      /* of this member's clients, broadcast */
  uint64_t clients;     /* connected now */
  uint64_t clients_total;
  uint64_t clients_refused;
  uint64_t clients_dropped; /* for what they sent, or did not read */
  gr_time started;

  /* Asks the group; false: it has halted, or is loading. */
  bool (*inspect)(void *context, struct kv_group_facts *facts);

  /* An operator's wish; GR_OK or an error of the library. */
  int (*order)(void *context, enum kv_order order, const gr_member_id *members,
               size_t count);
  void *group_context; /* of both */
};

/* What clients are told whose commands this member cannot carry out. */
#define KV_NOT_ONLINE_TEXT                                                               \
  "NOTONLINE this member is not ONLINE: it joins, recovers, or has left; ask another "   \
  "one, see GR MEMBERS"
#define KV_NO_QUORUM_TEXT                                                                \
  "NOQUORUM a majority of the members cannot be reached: writes are taken again once "   \
  "they can; if they are lost for good, see GR FORCE"

#define KV_CLIENT_NAME_MAX 64

struct kv_session {
  struct kv_service *service;
  uint64_t id;
  uint64_t now_ms; /* wall clock, of this turn */
  bool quitting;   /* the connection ends when the replies are sent */
  size_t name_size;
  uint8_t name[KV_CLIENT_NAME_MAX];
};

#endif
