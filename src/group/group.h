/* SPDX-License-Identifier: MIT
 *
 * What a group is inside, and which file does what with it.
 *
 *   group.c      life cycle, inputs, queries
 *   dispatch.c   outputs: the only place that runs the acting callbacks
 *   links.c      to whom frames can be sent
 *   members.c    the present view: who is heard, who is suspected, what state we are in
 *   leading.c    what a leader does for the membership: removes, promotes
 *   joining.c    coming in: asking seeds and the leader; again after a removal
 *   admission.c  answering those who ask
 *   recovery.c   a joiner's way from its admission to the log
 *   donation.c   giving another member what it lacks
 *   divergence.c comparing histories, and failures to apply
 *   leaving.c    going, and asking that somebody goes
 *
 * The engine orders; src/membership decides in pure functions; here they meet the host.
 */
#ifndef GR_GROUP_GROUP_H
#define GR_GROUP_GROUP_H

#include "membership/detector.h"
#include "membership/donor.h"
#include "membership/message.h"
#include "membership/quorum.h"
#include "membership/retry.h"
#include "membership/state.h"
#include "membership/suspicion.h"

#include <gr/group.h>
#include <gr/inspect.h>
#include <gr/paxos.h>

/* Ids of those who are no members. */
#define GR_GUEST_BIT (UINT64_C(1) << 63)
#define GR_SEED_BITS (UINT64_C(3) << 62)

/* Joiners that are answered at a time, and members that are given what they lack. */
#define GR_GUESTS_MAX 8
#define GR_DONATIONS_MAX 2

#define GR_LINKS_MAX 63
#define GR_SELF_PLACE 63 /* of this member, among the places of links */

_Static_assert(GR_MEMBERS_MAX + GR_SEEDS_MAX + GR_GUESTS_MAX <= GR_LINKS_MAX,
               "every member, seed and guest has a link");

/* Somebody to whom frames can be sent. Its place is its own until it is closed. */
struct gr_link {
  gr_member_id id; /* 0: the place is free */
  size_t address_bytes;
  uint8_t address[GR_ADDRESS_BYTES_MAX];
  bool told;     /* the host knows of it, */
  bool moved;    /* but not where it is by now */
  bool closing;  /* and is to forget it */
  bool blocked;  /* the transport takes nothing now */
  gr_time until; /* closed then; GR_TIME_NEVER: not by itself */

  /* a member of the present view, or of the one that we were let into */
  bool member;
  bool voter;
  uint64_t incarnation;
  uint64_t version;
  struct gr_detector detector;
  bool suspected;
  bool healthy;
  gr_time unhealthy_since;
  gr_time note_came;
  struct gr_note note; /* the last one; what it says of suspects is in `suspicion` */
  uint32_t tries;      /* as donor, in vain */

  /* due to it */
  uint32_t due;         /* a bit for each type of message: GR_DUE() */
  struct gr_join asked; /* a guest's request; the slices point into the following */
  uint8_t asked_bytes[GR_ATTRIBUTES_BYTES_MAX];
  bool asks; /* that has to be answered */
  gr_time asked_first;
  enum gr_answer_kind verdict;
  uint64_t answer_incarnation;
  int answer_error;
  uint64_t answer_detail;
  gr_member_id answer_member;
  uint64_t answer_group; /* hash of the id of the group that it asked for */
  struct gr_remove remove;
  struct gr_end end;
};

/* Messages are due as bits. */
#define GR_DUE(type) (UINT32_C(1) << ((type)-GR_MESSAGE_JOIN))

/* A member that is given what it lacks. */
struct gr_donation {
  gr_member_id to; /* 0: none */
  gr_seqno applied;
  bool opened;       /* its position is known */
  uint64_t number;   /* names the snapshot; 0: it needs none */
  uint64_t snapshot; /* the host's */
  gr_seqno seqno;
  size_t image_bytes;
  uint8_t *image; /* GR_IMAGE_BYTES_MAX */
  uint8_t *chunk; /* snapshot_chunk_bytes */
  uint64_t offset;
  uint64_t upto;
  uint64_t pulled; /* from where it was pulled last, */
  int repeats;     /* and how often again from there */
  gr_time heard;
};

enum gr_joining_stage {
  GR_JOINING_NOT = 0,
  GR_JOINING_ASKING,     /* to be let in */
  GR_JOINING_RECOVERING, /* let in; not part of the order yet */
  GR_JOINING_RESTING     /* removed, or refused: until the next try */
};

struct gr_joining {
  enum gr_joining_stage stage;
  gr_time since;
  uint32_t seed;       /* asked now */
  gr_member_id leader; /* asked instead; 0: nobody pointed to one */
  gr_time answer_due;
  int error; /* what stands in the way */
  struct gr_retry retry;
  bool again; /* it was a member before */
  gr_seqno applied;
  uint64_t digest;
  gr_member_id member;

  /* recovering */
  gr_member_id donor;
  uint64_t attempts;
  gr_time donor_due; /* must have been heard by then */
  gr_time helped;    /* when a donor gave something last */
  gr_time pull_due;
  uint64_t snapshot; /* 0: none is being received */
  gr_seqno seqno;    /* behind which it lies */
  uint64_t received;
  uint64_t total;               /* of it; 0: not known */
  bool ended;                   /* the last byte is here */
  uint64_t per_second, counted; /* bytes in the last second, in this one */
  gr_time second;
  size_t image_bytes;
  uint8_t *image; /* GR_IMAGE_BYTES_MAX */
};

/* The history behind some messages, to be compared with what others say of it. */
#define GR_DIGESTS_KEPT 8

struct gr_kept_digest {
  gr_seqno seqno;
  uint64_t digest;
};

struct gr_group {
  gr_paxos *paxos;
  gr_host host;
  gr_options options;
  gr_allocator allocator;
  size_t footprint;
  gr_time now;
  bool dispatching;
  bool quiet; /* frames or records are out that point into the cache: no input may change
                 it */
  bool halt_told;
  bool unfinished;      /* the last dispatch stopped at its limit of rounds */
  gr_member_id leader;  /* as last told to the host */
  gr_time leader_until; /* while a view begins it is not told that there is none */

  uint8_t own_address[GR_ADDRESS_BYTES_MAX];
  uint8_t own_user_data[GR_USER_DATA_BYTES_MAX];
  gr_slice seeds[GR_SEEDS_MAX];
  uint8_t seed_bytes[GR_SEEDS_MAX][GR_ADDRESS_BYTES_MAX];
  uint64_t id_hash; /* of the group's id */
  struct gr_link links[GR_LINKS_MAX];
  uint32_t link_end; /* places from here on are free */
  bool links_due;    /* the host is to be told of some */
  bool guests_ask;   /* somebody waits for an answer */
  gr_seqno kept;     /* durable mode: what the host keeps, whatever happens */
  gr_member_id name; /* by which the transport knows us */
  bool name_due;     /* and is to be told */

  struct gr_state state;
  int state_error;
  bool state_due; /* the host is to be told */
  bool begins;    /* has yet to take part in the view that it stands in */
  bool view_due;  /* which the host has yet to hear of */
  struct gr_awake awake;
  struct gr_suspicion suspicion;
  struct gr_quorum quorum;
  gr_time tick_due;
  uint64_t reached;      /* by a learner, in slots and batches, */
  gr_time reached_since; /* and for how long not further */
  bool unhealthy;
  bool serves;       /* broadcasts are taken, as far as the membership goes */
  bool turned_away;  /* one was not, to be tried again */
  bool writable_due; /* it would be answered otherwise now */
  bool leaving;
  gr_member_id removing; /* as gr_group_remove() asked; 0: nobody */
  gr_time removing_until;
  gr_time leave_due;  /* when to ask the leader again that somebody goes */
  gr_time asked_due;  /* when to ask others whether we are a member still */
  gr_time left_until; /* a member that has gone answers the others until then */
  int left_error;     /* why it has gone; GR_OK: it asked to */
  bool comes_back;    /* and asks to be let in again at once */

  struct gr_joining joining;
  struct gr_donation donations[GR_DONATIONS_MAX];
  uint64_t snapshot_number; /* of the last one opened. The first is by chance: a former
                               process of this member may have given others */
  struct gr_kept_digest digests[GR_DIGESTS_KEPT]; /* the latest in place 0 */
  struct gr_kept_digest failed; /* what the host could not apply; seqno 0: nothing */
  gr_time chunk_due;            /* no piece of a snapshot is sent before */
  gr_counters counters;         /* of messages; those of the order the engine counts */
  uint8_t *header; /* GR_FRAME_HEADER_MAX, for the message that is being made */
};

/* ---- links.c ---- */

/* NULL if there is none. */
struct gr_link *gr_link_find(struct gr_group *group, gr_member_id id);
/* The link, made if need be; NULL if there are too many. The address may be empty: it is
 * then left as it was. */
struct gr_link *gr_link_open(struct gr_group *group, gr_member_id id, gr_slice address);
void gr_link_close(struct gr_group *group, struct gr_link *link);
/* Closes those whose time is over. */
void gr_links_tick(struct gr_group *group);
/* Tells the host whom to link, and whom no more. */
void gr_links_act(struct gr_group *group);
static inline uint32_t gr_link_place(const struct gr_group *group,
                                     const struct gr_link *link) {
  return (uint32_t)(link - group->links);
}

/* ---- members.c ---- */

/* What holds for this view: links, detectors, suspicions. */
void gr_members_enter(struct gr_group *group);
/* A view was entered because of this change. Tells the host. */
void gr_members_changed(struct gr_group *group, const gr_change *change);
/* Tells the host of the view that it begins with. */
void gr_members_begin(struct gr_group *group);
/* Time has come in, before anything else: should this process not have run for a while,
 * the silence was its own. */
void gr_members_awake(struct gr_group *group);
void gr_members_tick(struct gr_group *group);
/* A frame of this member has come. */
void gr_members_heard(struct gr_group *group, gr_member_id from);
/* Takes a step in the table of states. */
void gr_members_step(struct gr_group *group, enum gr_state_cause cause, int error);
/* This member alone, or with these attributes, as the host is told. */
gr_status gr_members_status(const struct gr_group *group);
/* This member has a seat in its view. */
gr_memberset gr_members_left_behind(struct gr_group *group);
bool gr_members_seated(const struct gr_group *group);
bool gr_is_voter(const struct gr_group *group);
/* The furthest that any member is known to be. */
gr_slot gr_members_target(const struct gr_group *group);

/* ---- leading.c ---- */

void gr_leading_tick(struct gr_group *group);
/* Whether a majority that is heard would be left without the member in this place. */
bool gr_leading_can_do_without(struct gr_group *group, uint32_t place);
/* Asks the order to go on without a member. True if that is under way. */
bool gr_leading_remove(struct gr_group *group, gr_member_id member, uint8_t reason);

/* ---- joining.c ---- */

void gr_joining_begin(struct gr_group *group);

/* Calls a join off, and every further try. GR_ERR_STATE: there is none. */
int gr_joining_stop(struct gr_group *group);
void gr_joining_tick(struct gr_group *group);
void gr_joining_answered(struct gr_group *group, gr_member_id from,
                         const struct gr_answer *answer);
/* This member is out, against its will; its engine forgets everything. */
void gr_joining_removed(struct gr_group *group, enum gr_state_cause cause, int error);
/* The same, but it asks to be let in as somebody else at once. */
void gr_joining_anew(struct gr_group *group);
void gr_joining_fill(const struct gr_group *group, struct gr_join *join);

/* ---- admission.c ---- */

void gr_admission_asked(struct gr_group *group, gr_member_id from,
                        const struct gr_message_header *header,
                        const struct gr_join *join);
/* A joiner has been let in: the one who asked here learns so at once. */
void gr_admission_entered(struct gr_group *group, const gr_change *change);
/* Answers those who wait; may ask the host. */
void gr_admission_act(struct gr_group *group);
void gr_admission_fill(struct gr_group *group, const struct gr_link *link,
                       struct gr_answer *answer);

/* ---- recovery.c ---- */

void gr_recovery_begin(struct gr_group *group, const struct gr_answer *answer);
void gr_recovery_tick(struct gr_group *group);
int gr_recovery_positioned(struct gr_group *group, gr_member_id from,
                           const struct gr_position *position);
int gr_recovery_received(struct gr_group *group, gr_member_id from,
                         const struct gr_chunk *chunk);
void gr_recovery_ended(struct gr_group *group, gr_member_id from,
                       const struct gr_end *end);
void gr_recovery_stop(struct gr_group *group);
/* How long the rest of the snapshot will take; 0: not known. */
gr_time gr_recovery_remaining(const struct gr_group *group);
void gr_recovery_fill_pull(const struct gr_group *group, struct gr_pull *pull);

/* ---- donation.c ---- */

void gr_donation_asked(struct gr_group *group, gr_member_id from, gr_seqno applied);
void gr_donation_pulled(struct gr_group *group, gr_member_id from,
                        const struct gr_pull *pull);
void gr_donation_ended(struct gr_group *group, gr_member_id from,
                       const struct gr_end *end);
/* Opens what was asked for; calls the host. */
void gr_donation_act(struct gr_group *group);
void gr_donation_tick(struct gr_group *group);
struct gr_donation *gr_donation_to(struct gr_group *group, gr_member_id to);
/* How many bytes its snapshot has in all; 0: the host cannot tell. */
uint64_t gr_donation_total(const struct gr_group *group,
                           const struct gr_donation *donation);
/* The next chunk for it; false if nothing may be sent now. */
bool gr_donation_chunk(struct gr_group *group, struct gr_donation *donation,
                       struct gr_chunk *chunk);
void gr_donation_sent(struct gr_group *group, struct gr_donation *donation,
                      const struct gr_chunk *chunk);
gr_time gr_donation_deadline(const struct gr_group *group);
void gr_donation_stop_all(struct gr_group *group);

/* ---- divergence.c ---- */

/* A message has been delivered. */
void gr_divergence_delivered(struct gr_group *group, gr_seqno seqno);
void gr_divergence_fill(const struct gr_group *group, struct gr_note *note);
void gr_divergence_tick(struct gr_group *group);

/* ---- leaving.c ---- */

void gr_leaving_tick(struct gr_group *group);
/* The view goes on without this member. It answers the others for a while. */
void gr_leaving_done(struct gr_group *group, enum gr_state_cause cause, int error);
/* It had gone before it stopped, and others may still need to hear so. */
void gr_leaving_resumed(struct gr_group *group);
/* It is not to come back. False: it is a member, or comes in. */
bool gr_leaving_stays_out(struct gr_group *group);
/* A member asked that one goes. */
void gr_leaving_asked(struct gr_group *group, gr_member_id from,
                      const struct gr_remove *remove);

/* ---- dispatch.c ---- */

/* Hands views and messages to the host, in order. True if there were any. */
bool gr_deliver_all(struct gr_group *group);

#endif
