/* SPDX-License-Identifier: MIT
 *
 * A few bare engines in one process, whose group may change: engines can be made outside
 * of it, come in, leave and come again. Frames lie in one queue; the test may thin it
 * out, let them land one by one, or all at once, step by step. The clock is the test's.
 *
 * (cluster.h runs whole groups, which decide for themselves who is a member.)
 */
#ifndef GR_TESTS_ENGINES_H
#define GR_TESTS_ENGINES_H

#include "storage.h"

#define ENGINES_MAX 6
#define ENGINE_LOG_MAX 2000
#define ENGINE_VIEWS_MAX 64

struct told {
  gr_member_id origin;
  uint64_t number;
  uint64_t hash; /* of the contents */
};

struct told_view {
  uint64_t number;
  gr_seqno seqno; /* it begins behind this message */
  enum gr_change_kind kind;
  gr_member_id member;
};

struct engines;

struct engine {
  struct engines *all;
  uint32_t index;
  gr_paxos *paxos;
  bool down;               /* neither hears nor speaks, but remembers */
  bool slow;               /* storage does not sync */
  struct storage *storage; /* NULL: none */
  gr_seqno first;          /* its log begins behind this message */
  gr_seqno seqno;
  struct told log[ENGINE_LOG_MAX]; /* by seqno - 1 */
  struct told_view views[ENGINE_VIEWS_MAX];
  size_t view_count;
};

struct frame_on_its_way {
  gr_member_id from;
  uint32_t to;
  enum gr_frame_type type;
  size_t size;
  uint8_t *bytes;
};

#define ENGINE_FRAMES_MAX 8192

/* True if the frame gets lost. */
typedef bool engine_filter(struct engines *all, const struct engine *from,
                           const struct engine *to, enum gr_frame_type type);

struct engines {
  gr_time now;
  uint32_t count;
  bool durable;
  uint64_t seed; /* of the engine that is made next */
  engine_filter *lost;
  uint32_t about; /* for the filter */
  struct engine list[ENGINES_MAX];
  struct frame_on_its_way frames[ENGINE_FRAMES_MAX];
  uint64_t frames_first;
  uint64_t frames_end;
  uint64_t sent[GR_FRAME_TRANSFER + 1]; /* by type */
};

/* Makes the founders; ids as in harness.h. */
void engines_open(struct engines *all, uint32_t founders, bool durable);
void engines_close(struct engines *all);
/* Makes one more, outside of the group. */
struct engine *engines_join(struct engines *all);
/* Ends an engine, loses what its storage has not synced, and makes it again from the
 * rest; what gr_paxos_resume() answered, or the first error before it. */
int engine_restart(struct engine *engine);

/* The engine's id in the group; 0: it is in none. */
gr_member_id engine_id(const struct engine *engine);
gr_status engine_status(const struct engine *engine);
/* Who leads; NULL: nobody yet. */
struct engine *engines_leader(struct engines *all);

/* Does all that is due at one of them. */
void engine_turn(struct engine *engine);
/* A message of `size` bytes, which depend on `tag`. */
int engine_broadcast(struct engine *engine, size_t size, uint8_t tag);
int engine_change(struct engine *leader, enum gr_change_kind kind, gr_member_id member,
                  const struct engine *joiner);
/* Takes over the donor's position as of `seqno` (UINT64_MAX: of now), as member `id`. */
int engine_install(struct engine *joiner, struct engine *donor, gr_seqno seqno,
                   gr_member_id id);
/* Adds the engine at the leader, and installs it from there; its id. */
gr_member_id engine_admit(struct engine *joiner);

/* All frames on their way land, in order, then all take a turn. */
void engines_step(struct engines *all);
/* Lets frames land and time pass until `done`, or for so long. True if done. */
typedef bool engines_goal(struct engines *all, uint64_t argument);
bool engines_run(struct engines *all, engines_goal *done, uint64_t argument,
                 gr_time patience);
/* Goals: a leader is known to all that are up and in the group; they have delivered up
 * to a message; they are in this view, and it has a leader; nothing. */
bool engines_led(struct engines *all, uint64_t ignored);
bool engines_delivered(struct engines *all, uint64_t seqno);
bool engines_in_view(struct engines *all, uint64_t number);
bool engines_never(struct engines *all, uint64_t ignored);

/* Fails unless all have the same messages, views and digests, as far as they go. */
void engines_check(const struct engines *all);

#endif
