/* SPDX-License-Identifier: MIT
 *
 * One run: a group of members in one thread under virtual time. Which file does what:
 *
 *   config.c    what the seed decides
 *   events.c    what happens when
 *   network.c   frames between members, and what becomes of them
 *   process.c   members: their turns, clocks, crashes and pauses
 *   servers.c   a host's part in membership: whom it can send to, views, states
 *   snapshot.c  a host's state on its way from a donor to a joiner
 *   churn.c     servers that join, leave, are removed, die for good
 *   reunion.c   the second phase where members change
 *   scenario.c  runs that a script decides
 *   storage.c   what their disks keep, where they have storage
 *   restore.c   coming back from it
 *   told.c      what their frames promise
 *   workload.c  what they broadcast
 *   faults.c    what goes wrong
 *   crashes.c   crashes of members with storage
 *   oracle*.c   what must hold
 *   run.c       a run from its beginning to its end
 *   liveness.c  its second phase, without faults: progress
 *   report.c    the trace, and what a failure looks like
 *   memory.c    memory that is reused
 *
 * Servers are known by index. A server's process is a member of the group or none; the
 * oracle knows members by index too, which is one below the id. Where founders never
 * change, a server and its member have the same index.
 */
#ifndef SIM_SIMULATION_H
#define SIM_SIMULATION_H

#include "chance.h"
#include "config.h"
#include "events.h"
#include "report.h"
#include "servers.h"
#include "soak.h"
#include "storage.h"

struct sim_scenario;

enum sim_state { SIM_DOWN, SIM_UP, SIM_PAUSED, SIM_HALTED };

/* From one member to another. */
struct sim_link {
  uint32_t cuts;   /* faults that cut it now */
  uint32_t epoch;  /* of the connection */
  gr_time up_at;   /* a broken connection is made anew then */
  gr_time free_at; /* all that was sent has left then, at the link's speed */
  gr_time last_at; /* the last arrival, for what comes in order */
  gr_time slow_until;
  bool blocked;    /* the sender was told "not now" */
  uint64_t frames; /* sent */
};

struct sim_process {
  struct simulation *sim; /* the callbacks' way back */
  gr_group *group;
  uint32_t index;
  gr_member_id id; /* who it is in the group; 0: nobody */
  uint32_t generation;
  uint32_t life; /* counts the processes of this member */
  enum sim_state state;
  bool told_halt;

  /* its clock: local = clock_local + (now - clock_base) * rate / 1024 */
  gr_time clock_base;
  gr_time clock_local;
  uint64_t clock_rate;

  struct sim_frame *inbox;
  struct sim_frame **inbox_end;
  bool turn_planned;
  gr_time busy_until;
  gr_time timer_at;       /* when the earliest timer event comes; GR_TIME_NEVER: none */
  gr_time turn_last;      /* since when they are counted: */
  uint32_t turns_at_once; /* a loop that spins */
  gr_time resume_at;

  /* membership */
  gr_member_id name; /* by which those know it whom it connects to */
  struct sim_contact contacts[SIM_CONTACTS_MAX];
  uint32_t contact_count;
  enum gr_member_state member_state;
  int state_error;
  int expected_error;   /* for which the group must not let it in; GR_OK: none */
  bool ready;           /* has been ONLINE once as this member */
  bool leaves;          /* by its own wish, as this member */
  struct sim_data data; /* the host's state */
  bool data_broken;     /* it is being replaced */
  struct sim_snapshot snapshots[SIM_SNAPSHOTS_MAX];
  uint64_t snapshot_count;
  struct sim_receipt receipt;
  bool ending; /* its group is being freed */

  uint64_t broadcasts;
  uint64_t number;     /* of the last of them; 0: none yet */
  uint32_t burst;      /* messages still to be broadcast now */
  uint32_t burst_size; /* of the one that was refused; UINT32_MAX: none */
  bool full;           /* waits for writable */
  bool waits;          /* for a majority, until some time has passed */
  gr_status status;

  /* with storage */
  bool resumed;
  bool speaks;         /* has sent a frame */
  bool dying;          /* crashes at the end of this call: nothing leaves any more */
  bool storage_failed; /* so it must halt */
  bool checkpoint_due;
  gr_ticket first_ticket; /* of this process */
  gr_ticket notices[8];   /* for its next turn */
  size_t notice_count;
};

/* A heartbeat of a member of another group. */
struct sim_foreign {
  uint8_t bytes[1024];
  size_t size;
};

struct simulation {
  struct sim_config config;
  const char *members_given; /* how to say it on the command line; or "" */
  struct sim_memory *memory;
  const struct sim_content *content;
  struct sim_events events;
  struct sim_oracle oracle;
  struct sim_report report;
  struct gr_random network_random;
  struct gr_random process_random;
  struct gr_random fault_random;
  struct gr_random load_random;
  struct gr_random disk_random;
  struct gr_random server_random;

  gr_time now;
  uint32_t servers;
  struct sim_process processes[SIM_SERVERS_MAX];
  struct sim_server outlasting[SIM_SERVERS_MAX];
  uint32_t owners[SIM_MEMBERS_MAX]; /* the servers of members */
  struct sim_storage storages[SIM_SERVERS_MAX];
  struct sim_link links[SIM_SERVERS_MAX][SIM_SERVERS_MAX]; /* [from][to] */
  struct sim_frame *old_frames[16];                        /* copies, to arrive again */
  bool faults_on;
  bool met; /* once, all members took part */
  const struct sim_foreign *foreign;
  struct sim_scenario *scenario; /* NULL: the seed decides */
  uint64_t elections;            /* candidates so far */
  struct sim_soak soak;
  uint64_t event_count;
  uint64_t turn_count;
};

/* ---- run.c ---- */

struct sim_result {
  uint64_t events;
  gr_time virtual_ns;
  uint64_t digest;
  bool failed;
  bool checked_liveness;
};

/* Runs one seed from its beginning to its end. */
struct sim_result sim_run(struct simulation *sim, const struct sim_config *config);
void sim_release(struct simulation *sim);
void sim_foreign_make(struct sim_foreign *foreign);

/* ---- network.c ---- */

void sim_network_begin(struct simulation *sim);
void sim_network_end(struct simulation *sim);
/* host.send of the member `from`. */
bool sim_network_send(struct simulation *sim, uint32_t from, uint32_t to,
                      const gr_slice *parts, size_t part_count);
void sim_network_arrive(struct simulation *sim, struct sim_frame *frame);
void sim_network_sendable(struct simulation *sim, uint32_t from, uint32_t to);
/* Sends bytes that nobody made as if `from` had. */
void sim_network_inject(struct simulation *sim, uint32_t from, uint32_t to,
                        const void *bytes, size_t size, bool damaged);
void sim_network_cut(struct simulation *sim, struct sim_links links, gr_time lasts);
void sim_network_heal(struct simulation *sim, struct sim_links links);
/* Breaks the connection in both directions. */
void sim_network_reset(struct simulation *sim, uint32_t from, uint32_t to);
/* Tells the oracle who can reach whom. */
void sim_network_tell(struct simulation *sim, bool healed);
/* All members can reach all again, without delays of long ago. */
void sim_network_repair(struct simulation *sim);

/* ---- process.c ---- */

void sim_process_start(struct simulation *sim, uint32_t index, uint32_t generation);
/* With what its host has. */
void sim_process_start_with(struct simulation *sim, uint32_t index, uint32_t generation,
                            struct sim_data data);
/* `power`: its machine goes down with it. */
void sim_process_crash(struct simulation *sim, uint32_t index, bool power);
void sim_process_pause(struct simulation *sim, uint32_t index, gr_time lasts);
void sim_process_resume(struct simulation *sim, uint32_t index);
void sim_process_input(struct simulation *sim, struct sim_frame *frame);
/* Something is to be done: plans a turn, or has it at once. */
void sim_process_wake(struct sim_process *process);
void sim_process_turn(struct simulation *sim, uint32_t index);
void sim_process_timer(struct simulation *sim, const struct sim_event *event);
void sim_process_jump(struct simulation *sim, uint32_t index, gr_time jump);
/* The member's clock, as it shows it for this call. */
gr_time sim_process_clock(struct sim_process *process);
/* The member that it is, as the oracle counts them. */
static inline uint32_t sim_process_member(const struct sim_process *process) {
  return (uint32_t)(process->id - 1);
}
/* What it does counts for the oracle. */
bool sim_process_counts(const struct sim_process *process);
static inline bool sim_process_runs(const struct sim_process *process) {
  return process->state == SIM_UP;
}

/* ---- servers.c ---- */

void sim_servers_begin(struct simulation *sim);
/* What a server's next process is given. The memory is the caller's. */
struct sim_birth {
  gr_member_id founders[SIM_SERVERS_MAX];
  char addresses[SIM_SERVERS_MAX + 2][8];
  gr_slice seeds[SIM_SERVERS_MAX + 1];
};
gr_options sim_servers_options(struct sim_process *process, struct sim_birth *birth);
/* Its group has halted. */
void sim_servers_halted(struct sim_process *process, int error);
/* The callbacks. */
void sim_servers_host(struct sim_process *process, gr_host *host);
/* Who it is by now. */
void sim_servers_identify(struct sim_process *process);
/* The server behind an id; SIM_SERVERS_MAX: there is none. */
uint32_t sim_servers_contact(const struct sim_process *process, gr_member_id id);
/* A link can be used again: to all ids behind which that server is. */
void sim_servers_sendable(struct sim_process *process, uint32_t to);
/* The end of a turn: history is compared. */
void sim_servers_turn(struct sim_process *process);
/* A message was delivered. */
void sim_servers_applied(struct sim_process *process, const gr_delivery *delivery,
                         uint64_t digest);
/* The server's process starts, whatever it was before. */
void sim_servers_start(struct simulation *sim, uint32_t index);
/* The process ends: what is left of its host's state. */
void sim_servers_crash(struct sim_process *process);
/* It is time for a server that is wanted, and no member, to try again. */
void sim_servers_rejoin(struct simulation *sim, const struct sim_event *event);
/* The server of a member, by its id; SIM_SERVERS_MAX: not known. */
uint32_t sim_servers_of(const struct simulation *sim, gr_member_id id);
/* The member that leads, as far as the members themselves know: a server. */
uint32_t sim_servers_leader(const struct simulation *sim);

/* ---- churn.c ---- */

/* What an operator does. */
void sim_churn_join(struct simulation *sim, uint32_t index);
bool sim_churn_leave(struct simulation *sim, uint32_t index);
int sim_churn_remove(struct simulation *sim, uint32_t by, uint32_t index);
/* These servers go on without all others. */
int sim_churn_force(struct simulation *sim, uint32_t by, uint32_t servers);
/* An operator sees that a majority is gone for good: those who are left go on. */
void sim_churn_force_event(struct simulation *sim);
void sim_churn_force_left(struct simulation *sim);
void sim_churn_health(struct simulation *sim, uint32_t index, bool healthy);
/* Its storage is lost, and perhaps what its host has. */
void sim_churn_forget(struct simulation *sim, uint32_t index, bool host_too);
/* The member is alive, or will be. */
bool sim_churn_can_vote(const struct simulation *sim, gr_member_id id);
/* Without this server a majority of the latest view's voters would surely be left. */
bool sim_churn_spares(const struct simulation *sim, uint32_t index);
/* None is, whoever comes back: an operator has to say so. */
bool sim_churn_majority_lost(const struct simulation *sim);
/* A fault where members change; false if it is one as everywhere. */
bool sim_churn_begin(struct simulation *sim, enum sim_fault fault);
/* The process gives a snapshot, or takes one. */
void sim_churn_ambush(struct sim_process *process);
void sim_churn_healthy(struct simulation *sim, const struct sim_event *event);

/* ---- snapshot.c ---- */

void sim_snapshot_host(gr_host *host);

/* ---- storage.c ---- */

void sim_storage_begin(struct simulation *sim);
void sim_storage_end(struct simulation *sim);
void sim_storage_release(struct simulation *sim);
/* host.store, host.sync and host.trim. */
int sim_storage_store(struct sim_process *process, gr_ticket ticket,
                      const gr_slice *parts, size_t part_count);
void sim_storage_sync(struct sim_process *process);
int sim_storage_trim(struct sim_process *process, gr_ticket first, gr_slice state);
void sim_storage_event(struct simulation *sim, const struct sim_event *event);
/* A notice for the process. */
void sim_storage_stored(struct sim_process *process, gr_ticket upto);
/* In a turn: the process hears of what storage did. */
void sim_storage_tell(struct sim_process *process);
/* At the end of a turn: the host may begin to keep what was delivered. */
void sim_storage_turn(struct sim_process *process);
/* What is being trimmed is, before anything else happens. */
void sim_storage_await_trim(struct sim_process *process);
/* The host tells the group what it keeps. */
void sim_storage_checkpoint(struct sim_process *process);
void sim_storage_crash(struct simulation *sim, uint32_t index, bool power);
void sim_storage_wipe(struct simulation *sim, uint32_t index);
/* What a restart would need. */
uint64_t sim_storage_bytes(const struct sim_storage *storage);

/* ---- restore.c ---- */

/* Gives the process all that was kept, and resumes it. False: it has halted, since its
 * host's state was changed behind its back. */
bool sim_restore(struct sim_process *process);
/* True if the process was given something damaged, and is of no use any more. */
bool sim_restore_refused(struct sim_process *process);

/* ---- told.c ---- */

/* A frame leaves. */
void sim_told(struct sim_process *process, const gr_slice *parts);
/* A heartbeat tells whom its sender suspects. */
void sim_told_suspects(struct sim_process *process, const gr_slice *parts);

/* ---- crashes.c ---- */

/* A member crashes, and perhaps a time is set for it to come back. */
void sim_crashes_member(struct simulation *sim, uint32_t index, bool power);
/* All members, or a majority of them. */
void sim_crashes_outage(struct simulation *sim);
void sim_crashes_majority(struct simulation *sim);
void sim_crashes_restart(struct simulation *sim);
void sim_crashes_wipe(struct simulation *sim);
/* A transition at which it would hurt. */
void sim_crashes_ambush(struct sim_process *process, enum gr_trace_kind kind);
/* The member has halted because of its storage, or crashed: when it comes back. */
void sim_crashes_plan_restart(struct simulation *sim, uint32_t index);
void sim_crashes_event(struct simulation *sim, const struct sim_event *event);
/* Whoever is not gone for ever is up again. */
void sim_crashes_restart_all(struct simulation *sim);

/* ---- workload.c ---- */

void sim_workload_plan(struct simulation *sim, uint32_t index);
void sim_workload_burst(struct simulation *sim, uint32_t index);
/* In a turn: broadcasts what is left of the burst. */
void sim_workload_turn(struct sim_process *process);
/* In host.deliver. */
void sim_workload_delivered(struct sim_process *process);

/* ---- faults.c ---- */

void sim_faults_plan(struct simulation *sim);
void sim_faults_next(struct simulation *sim);
/* A member proposes, or leads from now on; what it has to say has not left yet. */
void sim_faults_ambush(struct simulation *sim, uint32_t leader, enum gr_trace_kind kind);
/* One of several cuts that a fault planned. */
void sim_faults_cut(struct simulation *sim, struct sim_links links);

#endif
