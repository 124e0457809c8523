/* SPDX-License-Identifier: MIT
 *
 * What a seed decides: the options of the group, how bad its world is, and the load.
 */
#ifndef SIM_CONFIG_H
#define SIM_CONFIG_H

#include "oracle.h"

#define SIM_MS UINT64_C(1000000)
#define SIM_SECOND (1000 * SIM_MS)

/* X(name, what it stresses) */
#define SIM_PROFILE_LIST(X)                                                              \
  X(swarm, "everything, in proportions of the seed's own")                               \
  X(calm, "no faults, the default load")                                                 \
  X(tcp, "connections in order, without loss, that break")                               \
  X(lossy, "loss, repetition, reordering, damage")                                       \
  X(partition, "cut links, sides, flapping")                                             \
  X(crash, "processes that stop, and come back without memory")                          \
  X(pause, "processes that are stopped and continued, slow processors")                  \
  X(clock, "clocks that differ and jump")                                                \
  X(quorum_loss, "a majority is lost")                                                   \
  X(tiny, "caches so small that laggards are left behind")                               \
  X(large, "large messages")                                                             \
  X(form, "faults while the founders meet")                                              \
  X(election, "leaders cut off in the middle of what they propose")                      \
  X(durable, "members with storage that stop and come back, in a world of another kind") \
  X(outage, "all members lose power at once, again and again")                           \
  X(disk, "storage that is slow, full, fails, or was torn")                              \
  X(membership, "servers that join, leave, are removed, and come back as others")

enum sim_profile {
#define SIM_PROFILE_ENUM(name, text) SIM_PROFILE_##name,
  SIM_PROFILE_LIST(SIM_PROFILE_ENUM)
#undef SIM_PROFILE_ENUM
      SIM_PROFILE_COUNT
};

enum sim_fault {
  SIM_FAULT_PARTITION,     /* two sides */
  SIM_FAULT_ISOLATE,       /* a member, often the leader */
  SIM_FAULT_CUT,           /* one link, one way or both */
  SIM_FAULT_FLAP,          /* a link goes and comes several times */
  SIM_FAULT_RESET,         /* connections break: what is on its way is lost */
  SIM_FAULT_SLOW_LINK,     /* a link becomes slow for a while */
  SIM_FAULT_CRASH,         /* for ever */
  SIM_FAULT_RESTART,       /* a crashed member comes back without memory */
  SIM_FAULT_PAUSE,         /* a member, often the leader */
  SIM_FAULT_CLOCK_JUMP,    /* forward */
  SIM_FAULT_TRANSFER,      /* the leader is asked to hand over */
  SIM_FAULT_OLD_FRAMES,    /* frames of long ago arrive again */
  SIM_FAULT_GARBAGE,       /* bytes that no member sent */
  SIM_FAULT_LOSE_MAJORITY, /* enough crash at once that no majority is left */
  SIM_FAULT_OUTAGE,        /* all members crash, at once or within some time */
  SIM_FAULT_DISK_STALL,    /* a sync takes very long */
  SIM_FAULT_DISK_FULL,     /* a member's storage takes no records for a while */
  SIM_FAULT_DISK_FAILURE,  /* a sync fails */
  SIM_FAULT_WIPE,          /* a member comes back without its storage */
  SIM_FAULT_JOIN,          /* a server that was none becomes a member */
  SIM_FAULT_LEAVE,         /* a member asks to go */
  SIM_FAULT_REMOVE,        /* an operator removes one */
  SIM_FAULT_ILLNESS,       /* a host says that it makes no progress, for a while */
  SIM_FAULT_DIVERGE,       /* a host comes with a history of its own */
  SIM_FAULT_REBIRTH,       /* a server comes back at once, as somebody else */
  SIM_FAULT_KILL_HELPER,   /* who gives or takes a snapshot crashes */
  SIM_FAULT_COUNT
};

enum sim_delay { SIM_DELAY_CONSTANT, SIM_DELAY_UNIFORM, SIM_DELAY_EXPONENTIAL };

/* How the links between the liveness phase's core and the rest stay, for ever. */
enum sim_remains {
  SIM_REMAINS_CUT,
  SIM_REMAINS_WHOLE,
  SIM_REMAINS_MIXED,
  SIM_REMAINS_ONE_WAY
};

/* What a member with storage has, or lacks. */
struct sim_disk_config {
  gr_time sync_ns;           /* mean; a slow member's is 100 times */
  uint32_t slow_members;     /* as a set of bits */
  uint32_t stall_ppm;        /* of syncs: they take very long */
  uint32_t late_notice_ppm;  /* of syncs: the member hears of it late, after later ones */
  uint32_t twice_notice_ppm; /* and again */
  bool no_sync_callback;     /* a sync begins as soon as there is a record */
  gr_time trim_ns;           /* until a new state is durable, mean */
  uint32_t unknown_ppm;      /* of crashes: only part of what was not synced is left */
  uint32_t damage_ppm;       /* of restarts: storage gives back a damaged record first */
  gr_time down_ns;           /* until a member comes back, mean */
  uint32_t stay_ppm;       /* of crashes: it stays away until something brings it back */
  uint32_t ambush_ppm;     /* of transitions: the member crashes there, */
  uint32_t ambush_all_ppm; /* of those: and all others with it */

  /* the host's own state */
  uint32_t apply_ppm;      /* of turns: it begins to keep what was delivered */
  gr_time apply_ns;        /* until that is durable, mean */
  uint32_t apply_lag_ppm;  /* of those: only a part of what was delivered */
  uint32_t checkpoint_ppm; /* of what is durable: it says so to the group */
};

/* What servers that come and go have to do with. */
struct sim_membership_config {
  bool snapshots;       /* hosts give them; else joiners have but the log */
  uint64_t state_bytes; /* of a host's state, at most */
  uint32_t busy_ppm;    /* of snapshots: the donor opens none now */
  uint32_t waits_ppm;   /* of pieces: not ready */
  uint32_t fails_ppm;   /* of pieces: the snapshot fails */
  bool shy;             /* hosts sometimes do not let others in */
  bool some_stay_away;  /* for ever, in the end */
  uint32_t ambush_ppm;  /* of snapshots: a side crashes soon */
};

/* A slow disk takes so many times as long. */
#define SIM_SLOW_DISK 100

struct sim_config {
  enum sim_profile profile;
  enum sim_profile world; /* the profile, or that which a durable one is drawn like */
  uint64_t seed;
  uint32_t members; /* founders */
  uint32_t servers;
  bool dynamic; /* members change */
  struct sim_membership_config membership;
  gr_options
      options; /* as all members have them; self, founders and seed are their own */
  bool may_fall_behind;
  bool durable;
  struct sim_disk_config disk;

  /* network */
  enum sim_delay delay;
  gr_time delay_ns; /* constant, most, or mean */
  bool in_order;    /* as TCP: no loss, no repetition; cut links are broken connections */
  bool cut_kills;   /* what is on its way over a link that is cut is lost */
  uint32_t loss_ppm;
  uint32_t duplicate_ppm;
  uint32_t damage_ppm;   /* an extra, damaged copy arrives */
  uint32_t busy_ppm;     /* the transport says "not now" without reason */
  uint64_t bytes_per_ms; /* of each link; 0: without limit */
  gr_time queue_ns;      /* how much of it may wait before the transport says "not now" */

  /* processes */
  gr_time turn_delay_ns; /* from an input to the turn that takes it, at most */
  gr_time
      turn_cost_ns; /* processor time of a turn, at most; a slow member's is 20 times */
  uint32_t slow_members; /* as a set of bits */
  uint32_t inputs_max;   /* of one turn */
  uint32_t skip_dispatch_ppm;
  uint32_t odd_poll_ppm; /* poll although it is not due */
  uint32_t clock_spread; /* rates differ by up to so many of 1,024 */
  uint32_t backward_ppm; /* a call's `now` lies before an earlier one's */

  /* faults */
  gr_time fault_every_ns; /* mean; 0: none */
  gr_time fault_lasts_ns; /* mean */
  uint16_t fault_weights[SIM_FAULT_COUNT];
  uint32_t ambush_ppm;      /* of proposals: the leader is cut off before they leave */
  uint32_t ambush_lead_ppm; /* of elections: the new leader is, at once */
  bool faults_early;        /* while the founders meet, too */
  enum sim_remains remains;

  /* load */
  gr_time idle_ns;     /* between bursts of a member, mean */
  uint32_t burst_max;  /* messages */
  uint64_t budget;     /* messages of a member in the whole run */
  uint32_t size_usual; /* most sizes are up to this */
  uint32_t size_rare;  /* some are up to this */
  uint32_t nested_ppm; /* deliver broadcasts another one */

  gr_time safety_ns; /* how long the first phase lasts */
};

/* Draws the configuration. `members` 0: the seed decides that too. */
void sim_config_draw(struct sim_config *config, enum sim_profile profile, uint64_t seed,
                     uint32_t members);

/* The options of one of the members; `founders` has SIM_SERVERS_MAX places. */
gr_options sim_config_options(const struct sim_config *config, uint32_t index,
                              uint64_t seed, gr_member_id *founders);

/* A network that does no harm, with what a scenario says of the group. */
void sim_config_calm(struct sim_config *config, uint32_t founders, uint32_t servers,
                     bool durable);
/* Fills in the defaults. */
void sim_config_finish(struct sim_config *config);

const char *sim_profile_name(enum sim_profile profile);
const char *sim_fault_name(enum sim_fault fault);

/* SIM_PROFILE_COUNT if there is none of that name. */
enum sim_profile sim_profile_of(const char *name);

#endif
