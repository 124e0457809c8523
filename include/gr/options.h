/* SPDX-License-Identifier: MIT
 *
 * What can be set. Zero means the default everywhere but in the four fields that have
 * none. Values out of range are refused with the name of the field.
 */
#ifndef GR_OPTIONS_H
#define GR_OPTIONS_H

#include <gr/types.h>

#ifdef __cplusplus
extern "C" {
#endif

/* Set `size` to sizeof(gr_options) and everything else to zero before filling it in.
 * Fields are only ever appended. The library copies all of it, the founders included. */
typedef struct gr_options {
  size_t size;

  /* -- no defaults -- */

  gr_uuid group_id;  /* not all zero; the same at all members */
  gr_member_id self; /* this member: one of the founders; 0: it joins, see seeds */
  const gr_member_id
      *founders;        /* who begins the group: the same set at all of them, in any order. One
                           alone, or several that all have to meet once. Members that come
                           back from storage know better who is a member: of them only `self`
                           is still used, to tell whose storage it is */
  size_t founder_count; /* 1 to GR_MEMBERS_MAX; 0: it joins */
  /* The group's one source of chance, which must differ at every start of a process: it
   * also names the incarnation, by which the others notice that a process lost its
   * memory. Not 0. */
  uint64_t seed;

  /* -- limits: memory is reserved from them at creation -- */

  uint64_t message_bytes_max; /* largest message; default 64 MiB; 1 KiB to 1 GiB. Equal at
                                 all */
  uint64_t fragment_bytes_max; /* larger messages travel in pieces of this size; default 1
                                  MiB, or what fits a batch; 256 B to batch_bytes_max
                                  - 64. Equal at all members */
  uint64_t batch_bytes_max; /* largest batch of messages; default 1 MiB + 64; 1 KiB to 16
                               MiB. Equal at all members */
  uint64_t unordered_bytes_max; /* own bytes not yet delivered here, beyond which a
                                   broadcast is answered with GR_ERR_FULL; default 16 MiB;
                                   at least batch_bytes_max, up to 4 GiB. Equal at all
                                   members */
  uint64_t
      cache_bytes_max;    /* payload kept for members that lag, over all lanes. Default:
                             256 MiB, or what the lanes need at least, if that is more:
                             about members * 2 * (message_bytes_max +
                             unordered_bytes_max) with some batches to spare. Up to 1 TiB */
  uint64_t log_slots_max; /* decisions kept for members that lag; default 65,536; 4,096 to
                             16,777,216 */
  uint64_t slots_in_flight_max; /* proposals of a leader that are not yet chosen; default
                                   32; 1 to 1,024 */

  /* -- times, in nanoseconds -- */

  gr_time heartbeat_interval_ns; /* default 100 ms; 1 ms to 10 s */
  gr_time election_timeout_ns;   /* silence of the leader that starts an election; default
                                    300 ms; at least 2 heartbeat intervals, up to 1 h. Four
                                    round trips between members must fit into it, in durable
                                    mode four syncs as well */
  gr_time gap_timeout_ns;   /* how long something known to be missing may be on its way
                               before it is asked for; default 5 ms; 10 us to 10 s */
  gr_time retry_timeout_ns; /* how long an answer may take before it is asked for again;
                               default 30 ms; 100 us to 10 s */

  /* -- durable mode -- */

  bool durable; /* state is kept in storage; equal at all members. gr_group_new() sets it by
                   itself: true if the host has the storage callbacks */
  gr_seqno applied; /* the host's own state holds every message up to here, so that none of
                       them is delivered again; 0: none. In durable mode anything, also what
                       storage does not know of yet. A joiner's: see applied_digest */

  /* -- membership -- */

  gr_attributes attributes; /* of this member. All that it points to is copied */

  /* A joiner: founder_count is 0, self is 0, and here is where members of the group may be
   * found: addresses for host.link, any of which may be dead, up to GR_SEEDS_MAX. */
  const gr_slice *seeds;
  size_t seed_count;

  uint64_t applied_digest; /* with applied > 0: what gr_status.digest was when the host had
                              applied just that. A joiner is let in only if the group's history
                              is the same up to there, and then gets what follows, while some
                              member still keeps it, else a snapshot. In durable mode what
                              storage kept is compared as well: gr_group_resume() halts with
                              GR_ERR_DIVERGED if it differs. 0: not compared */

  uint64_t members_max; /* most members at a time; default 9, or the founders if they are more;
                           1 to GR_MEMBERS_MAX. Equal at all members */
  gr_time suspect_floor_ns;   /* silence after which a member may be suspected, at least;
                                 default 500 ms; 10 ms to 1 h */
  gr_time suspect_ceiling_ns; /* and is, at the latest; default 5 s; at least the floor. In
                                 between the limit follows how regularly the member was
                                 heard before */
  gr_time expel_timeout_ns;   /* a member that a majority has suspected for so long is removed;
                                 default 5 s; 1 ms to 1 h */
  gr_time unreachable_timeout_ns; /* a member that cannot reach a majority for so long is in
                                     ERROR until it can; default 30 s; 1 ms to 1 h;
                                     GR_TIME_NEVER: never */
  gr_time join_timeout_ns; /* how long a join may wait for an answer, and for a former member
                              of the same uuid to be gone; default 60 s; 100 ms to 1 h */
  uint64_t rejoin_tries;   /* how often a member that was removed against its will, or fell
                              behind, joins again by itself; default 3; GR_REJOIN_NEVER */
  gr_time rejoin_interval_ns; /* before the first of these tries; doubles up to 300 s;
                                 default 1 s; 1 ms to 1 h */
  uint64_t online_lag_max;    /* a recovering member is ONLINE when it lacks so many slots at
                                 most; default 64; 1 to 65,536 */
  uint64_t snapshot_chunk_bytes; /* how much of a snapshot travels at once; default 256 KiB;
                                    1 KiB to 4 MiB */
  uint64_t snapshot_bytes_per_s; /* how fast a donor sends at most, so that the group has
                                    time for its messages; default 256 MiB/s; UINT64_MAX: no
                                    limit */
} gr_options;

#define GR_SEEDS_MAX 16
#define GR_REJOIN_NEVER UINT64_MAX

/* Checks the options and fills in the defaults of the fields that are zero, so that what
 * holds can be printed. `field`, if not NULL, is set to the offending field's name
 * (static), or to NULL.
 *
 * GR_OK           all in range; defaults filled in
 * GR_ERR_INVALID  `*field` is out of range; nothing changed
 * GR_ERR_VERSION  `size` is larger than this library knows, and the rest is not zero
 */
GR_API int gr_options_check(gr_options *options, const char **field);

#ifdef __cplusplus
}
#endif
#endif
