/* SPDX-License-Identifier: MIT
 *
 * What the tests of the engine share: small options, an allocator that counts, and the
 * rig: one engine, whose peers the test plays, frame by frame. (For whole groups see
 * cluster.h.)
 *
 * Members are known by their index; the id of index i is 10 * (i + 1).
 */
#ifndef GR_TESTS_HARNESS_H
#define GR_TESTS_HARNESS_H

#include "paxos/engine.h"

#include <gr/gr.h>
#include <gr/paxos.h>

#define TEST_MEMBERS_MAX 5
#define TEST_MS UINT64_C(1000000)

/* Limits so small that each is easily reached. */
#define TEST_MESSAGE_MAX 4096
#define TEST_BATCH_MAX 1024
#define TEST_FRAGMENT_MAX 512
#define TEST_UNORDERED_MAX 8192

gr_member_id test_id(uint32_t index);

/* Valid options of a member in a group of `members`, with the limits above. The founders
 * are static. */
gr_options test_options(uint32_t members, uint32_t self);

/* An allocator that counts, and refuses the call with the number `fail_at` (1, 2, ...).
 */
struct counting {
  size_t calls;
  size_t live;       /* allocations not released yet */
  size_t live_bytes; /* as the sizes said */
  size_t fail_at;    /* 0: none */
};
gr_allocator counting_allocator(struct counting *counting);

/* ---- rig ---- */

struct heard {
  uint32_t to;
  enum gr_frame_type type;
  size_t size;
  uint8_t bytes[GR_FRAME_HEADER_MAX + TEST_BATCH_MAX];
};

#define RIG_HEARD_MAX 256
#define RIG_TEXT_MAX 4096

struct storage;

struct rig {
  gr_paxos *paxos;
  gr_time now;
  uint32_t members;
  uint32_t self;
  struct gr_roster roster; /* the engine's, with the incarnation of whom the test plays */
  uint64_t incarnation;    /* the engine's */
  uint64_t boots[TEST_MEMBERS_MAX]; /* of whom the test plays: 1 with storage, else 0 */
  struct storage *storage;          /* NULL: none */
  char delivered[RIG_TEXT_MAX];     /* each message's text and a space */
  struct heard *heard;              /* what the last rig_turn() brought */
  size_t heard_count;
  uint8_t frame[GR_FRAME_HEADER_MAX + TEST_BATCH_MAX];
};

void rig_open(struct rig *rig, uint32_t members, uint32_t self);
/* With storage: the engine comes back from what it keeps. */
void rig_open_unsynced(struct rig *rig, uint32_t members, uint32_t self,
                       struct storage *storage, gr_seqno applied);
/* The same; its boot is durable, and it has heard from the peers that it had met. */
void rig_open_stored(struct rig *rig, uint32_t members, uint32_t self,
                     struct storage *storage, gr_seqno applied);
void rig_close(struct rig *rig);
/* All peers tell the engine that they have met all founders. */
void rig_meet(struct rig *rig);
/* The engine asks, is granted, prepares, is promised, and leads. Returns its ballot. */
gr_ballot rig_lead(struct rig *rig);

/* Flushes and collects all frames that are due. With storage: stores before, without a
 * sync, and delivers behind. */
void rig_turn(struct rig *rig);
/* All that has been stored is durable; then a turn. */
void rig_sync(struct rig *rig);
/* Lets time pass, polls, and does a turn. */
void rig_pass(struct rig *rig, gr_time duration);
/* The last frame of a type to a member in the last turn; NULL if there was none. */
const struct heard *rig_heard(const struct rig *rig, uint32_t to,
                              enum gr_frame_type type);
/* The body of such a frame; fails the test if there is none. */
struct gr_reader rig_body(const struct rig *rig, uint32_t to, enum gr_frame_type type);
gr_status rig_status(const struct rig *rig);
gr_counters rig_counters(const struct rig *rig);

/* A frame from a peer: begin, encode the body, end. */
struct gr_writer rig_begin(struct rig *rig, uint32_t from, enum gr_frame_type type);
int rig_end(struct rig *rig, uint32_t from, struct gr_writer *writer);

gr_ballot rig_ballot(uint64_t round, uint32_t owner);
struct gr_cut rig_cut(uint32_t lane, uint64_t upto);
/* The same with storage, where lanes have boots. */
struct gr_cut rig_boot_cut(uint32_t lane, uint64_t boot, uint64_t upto);
/* Frames whose bodies are common. All answer what gr_paxos_receive() does. */
/* A heartbeat of a peer that is idle, has promised nothing, and hears the engine well. */
struct gr_heartbeat rig_beat_of(const struct rig *rig);
int rig_beat(struct rig *rig, uint32_t from, const struct gr_heartbeat *heartbeat);
int rig_beat_all(struct rig *rig);
int rig_accept(struct rig *rig, gr_ballot ballot, gr_slot slot, gr_slot start,
               gr_slot chosen, struct gr_cut cut);
int rig_accepted(struct rig *rig, uint32_t from, gr_ballot ballot, gr_slot accepted);
int rig_prepare(struct rig *rig, gr_ballot ballot, gr_slot from);
int rig_grant(struct rig *rig, uint32_t from, const struct gr_prevote *prevote);
int rig_promise(struct rig *rig, uint32_t from, const struct gr_promise *promise,
                const struct gr_log_value *values);
/* `chosen` is the sender's; the values go from slot `from` on. */
int rig_log(struct rig *rig, uint32_t from_member, gr_slot from, gr_slot chosen,
            const struct gr_log_value *values, uint32_t count);
/* A batch with one message. */
int rig_data(struct rig *rig, uint32_t from, uint32_t lane, uint64_t seq,
             const char *text);

#endif
