/* SPDX-License-Identifier: MIT
 *
 * The group handle: broadcasts in, one total order out, alike at all members.
 *
 * What it promises, while at most a minority of the members crashes, whatever the network
 * does (loss, duplication, reordering, delay, partitions, also one-way ones):
 *  - no two members deliver different messages at one seqno;
 *  - each message is delivered at most once at each member, only if it was broadcast, and the
 *    messages of one member in the order in which it broadcast them;
 *  - what one member delivered, every member that stays up and connected delivers.
 * Two modes, one choice for the whole group:
 *  - volatile (no storage callbacks): members' states live in memory. A process that stops does
 *    not come back as itself but joins as a new member, and a group that loses a majority of its
 *    processes stands still (see gr_group_force()).
 *  - durable (host.store, host.trim): a process that stops comes back as itself, and when all
 *    lose power at once, a majority that is back goes on by itself, with everything that was
 *    ever delivered anywhere. A member whose storage was lost joins as a new one.
 * A group whose host has no `link` callback has its founders as members for ever; a founder that
 * lost its state is refused there, GR_ERR_REPLACED.
 * Byzantine members are out of scope, though every byte from the wire is treated as hostile.
 *
 * The host's loop, which is the whole integration:
 *
 *   for (;;) {
 *     wait for input, at most until gr_group_deadline(group);
 *     for each frame that arrived:      gr_group_receive(group, from, frame, now);
 *     for each message of the host's:   gr_group_broadcast(group, parts, count, now, &number);
 *     gr_group_poll(group, now);
 *     if (gr_group_dispatch(group) != GR_OK) stop;
 *   }
 *
 * In durable mode, before that loop:
 *
 *   if storage keeps a state:         gr_group_restore(group, 0, state);
 *   for each record that it keeps:    gr_group_restore(group, ticket, record);
 *   gr_group_resume(group, now);
 *
 * and in it, when storage has synced:  gr_group_stored(group, upto);
 *
 * Inputs change state and nothing else; gr_group_dispatch() acts. So messages are batched by
 * the turn of the loop, without a timer and without added delay.
 *
 * Threads: a group belongs to one thread at a time; different groups are independent. There
 * is no global state. Time: `now` never goes back; a smaller value counts as the latest seen.
 */
#ifndef GR_GROUP_H
#define GR_GROUP_H

#include <gr/error.h>
#include <gr/host.h>
#include <gr/options.h>
#include <gr/types.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef struct gr_group gr_group;

/* ---- life cycle ---- */

/* Bytes that gr_group_new() will ask of the allocator with these options, for a durable group
 * with options.durable set; 0 if they are not valid. Most of it is cache, touched only when it is used. */
GR_API size_t gr_group_footprint(const gr_options *options);

/* Makes a member. A founder takes part as soon as it has met all others; broadcasts before that
 * wait. One without founders joins, by options.seeds. All of its memory is allocated here. `allocator` NULL: malloc and free.
 *
 * GR_OK             `*group` is the caller's, to be released with gr_group_free()
 * GR_ERR_INVALID    an argument is NULL, an option is out of range (see gr_options_check()), or it
 *                   is to join and the host has no `link`
 * GR_ERR_VERSION    a struct is newer than this library
 * GR_ERR_NO_MEMORY  the allocator answered NULL
 * On any error `*group` is NULL, if `group` is not.
 */
GR_API int gr_group_new(gr_group **group, const gr_options *options, const gr_host *host,
                        const gr_allocator *allocator, gr_time now);

/* Releases the member; to the others it has crashed. NULL is allowed.
 *
 * GR_OK             released
 * GR_ERR_REENTRANT  called from inside a callback; nothing happened
 */
GR_API int gr_group_free(gr_group *group);

/* ---- durable mode: coming back ---- */

/* Gives back, once each and in order, what storage kept of this member: first, with ticket 0,
 * the state that host.trim() was given last, if it ever was; then the records, by ascending
 * tickets without a gap; those below the state's `first` may be among them. Copies what it
 * keeps, and delivers as it goes (host.deliver runs inside), but nothing up to
 * options.applied. Of the last messages the records alone may not prove that they are decided:
 * these follow after gr_group_resume(), when a majority is back. What is given back need not be
 * durable yet: what storage reports as such later includes it. An empty storage gives back
 * nothing: that is a new member.
 *
 * GR_OK             taken
 * GR_ERR_INVALID    an argument is NULL
 * GR_ERR_STATE      the group is not durable, or has been resumed
 * GR_ERR_MALFORMED, GR_ERR_CORRUPT, GR_ERR_PROTOCOL
 *                   the record is damaged, missing its predecessor, or of a newer library
 * GR_ERR_FOREIGN    it is of another group, member, or other limits: see gr_options
 * GR_ERR_OUTDATED   options.applied lies before what storage begins with: the host's own
 *                   state is older than its last checkpoint
 * GR_ERR_NO_MEMORY  the cache, or the log, is too small for what was kept: start with a larger
 *                   cache_bytes_max or log_slots_max, which need not be equal at all members
 * GR_ERR_REENTRANT  called from inside a callback; nothing happened
 * GR_ERR_HALTED     the member has halted: host.deliver failed, for example
 * After any error but GR_ERR_INVALID and GR_ERR_REENTRANT only gr_group_free() is of use.
 */
GR_API int gr_group_restore(gr_group *group, gr_ticket ticket, gr_slice record);

/* All has been given back. The member begins a new boot; it says nothing to anybody until that
 * is durable, and its broadcasts wait (GR_ERR_FULL, then host.writable) until the group has
 * decided what becomes of those of its former process.
 *
 * GR_OK             done
 * GR_ERR_INVALID    `group` is NULL
 * GR_ERR_STATE      the group is not durable, or has been resumed
 * GR_ERR_MALFORMED  records are missing: what was given back does not fit together
 * GR_ERR_REENTRANT  called from inside a callback; nothing happened
 * GR_ERR_HALTED     the member has halted
 */
GR_API int gr_group_resume(gr_group *group, gr_time now);

/* ---- inputs: they only change state ----
 *
 * Inside all acting callbacks but deliver, leader and writable they answer GR_ERR_REENTRANT,
 * except gr_group_sendable(). In durable mode they answer GR_ERR_STATE before
 * gr_group_resume(). */

/* Durable mode: every record up to this ticket is durable; more may come with later calls.
 *
 * GR_OK             noted
 * GR_ERR_INVALID    `group` is NULL, or no record of that ticket was handed over
 * GR_ERR_STATE      the group is not durable, or not resumed
 * GR_ERR_REENTRANT  as said above; nothing happened
 * GR_ERR_HALTED     the member has halted
 */
GR_API int gr_group_stored(gr_group *group, gr_ticket upto);

/* Durable mode: storage could not write or sync, and nobody can tell any more what it holds.
 * Halts the member with GR_ERR_STORAGE; a new start from what is really there is safe.
 *
 * GR_OK             halted
 * GR_ERR_INVALID    `group` is NULL
 * GR_ERR_REENTRANT  as said above; nothing happened
 */
GR_API int gr_group_storage_failed(gr_group *group);

/* Durable mode: the host itself keeps, durably, the effects of every message up to `applied`,
 * and will come back with options.applied no lower. The next dispatch lets storage forget
 * what is not needed any more, by host.trim(): that is, up to what every member has kept too,
 * or what the limits let members keep for each other. To be called from time to time: it
 * bounds the size of storage and the time of a restart. A member that was removed, and joins
 * again, recovers from the log only behind what its host keeps: it does well to call this in ERROR.
 *
 * GR_OK             noted; a lower number than before says nothing new
 * GR_ERR_INVALID    `group` is NULL, or `applied` has not been delivered yet
 * GR_ERR_STATE      the group is not durable, or not resumed
 * GR_ERR_REENTRANT  as said above; nothing happened
 * GR_ERR_HALTED     the member has halted
 */
GR_API int gr_group_checkpoint(gr_group *group, gr_seqno applied);

/* Takes one frame that the transport says came from `from`. Copies what it needs.
 *
 * GR_OK             taken, or a repeat that said nothing new
 * GR_ERR_INVALID    an argument is NULL
 * GR_ERR_MALFORMED, GR_ERR_CORRUPT, GR_ERR_FOREIGN, GR_ERR_PROTOCOL, GR_ERR_STALE
 *                   refused; counted by reason, nothing else changed. A host may leave
 *                   it at that; GR_ERR_STALE is common while members meet
 * GR_ERR_REENTRANT  as said above; nothing happened
 * GR_ERR_STATE      durable, and not resumed yet
 * GR_ERR_HALTED     the member has halted: see gr_group_halt_reason()
 */
GR_API int gr_group_receive(gr_group *group, gr_member_id from, gr_slice frame, gr_time now);

/* Broadcasts one message: the parts, joined. Copies it. `number`, if not NULL, is set to its
 * place among this member's own messages (1, 2, 3, ...), which its delivery repeats.
 * An empty message is allowed, and is delivered like any other.
 *
 * GR_OK             it will be delivered, unless this member crashes first
 * GR_ERR_INVALID    an argument is NULL
 * GR_ERR_TOO_LARGE  it exceeds message_bytes_max
 * GR_ERR_NOT_ONLINE this member has no vote yet, or any more, or it leaves
 * GR_ERR_NO_QUORUM  it cannot reach a majority: what it would take could not be ordered
 * GR_ERR_FULL       unordered_bytes_max is reached, or the cache is nearly full of what a
 *                   member that is catching up still lacks, or this member has come back and
 *                   its former process is not settled; try again after host.writable
 * GR_ERR_REENTRANT  as said above; nothing happened
 * GR_ERR_STATE      durable, and not resumed yet
 * GR_ERR_HALTED     the member has halted
 */
GR_API int gr_group_broadcast(gr_group *group, const gr_slice *parts, size_t part_count,
                              gr_time now, uint64_t *number);

/* The transport takes frames for `to` again, after send() answered false or the connection
 * was made anew.
 *
 * GR_OK             noted
 * GR_ERR_INVALID    `to` is no other member of the group
 * GR_ERR_HALTED     the member has halted
 */
GR_API int gr_group_sendable(gr_group *group, gr_member_id to);

/* Lets time pass: due at gr_group_deadline(), harmless at any other time.
 *
 * GR_OK             done
 * GR_ERR_INVALID    `group` is NULL
 * GR_ERR_REENTRANT  as said above; nothing happened
 * GR_ERR_STATE      durable, and not resumed yet
 * GR_ERR_HALTED     the member has halted
 */
GR_API int gr_group_poll(gr_group *group, gr_time now);

/* Asks `to` to take over the lead. It is a request: whether it came to pass, host.leader tells.
 *
 * GR_OK               asked; the call repeats the request by itself for an election timeout
 * GR_ERR_INVALID      `to` is no other member of the group
 * GR_ERR_NOT_LEADER   this member does not lead
 * GR_ERR_UNREACHABLE  `to` has been silent for an election timeout
 * GR_ERR_REENTRANT    as said above; nothing happened
 * GR_ERR_STATE        durable, and not resumed yet
 * GR_ERR_HALTED       the member has halted
 */
GR_API int gr_group_transfer(gr_group *group, gr_member_id to, gr_time now);

/* ---- membership ----
 *
 * A group is begun by its founders. Others join: such a member finds the group by its seeds
 * and is RECOVERING, without a vote, until it has what the others have; then it is ONLINE. The
 * group removes a member that asks to leave, or that a majority has not heard for
 * options.expel_timeout_ns. One that was removed against its will joins again by itself. */

/* Leaves the group: no more broadcasts are taken, those taken are delivered, the lead moves to
 * another member, and the others are asked to go on without this one, which they do as soon as
 * a majority of those who stay can be reached. host.state tells when that has come to pass
 * (OFFLINE, GR_OK). A member that is alone in its group just stops. A join under way is called
 * off, and so are the tries of one that was removed.
 *
 * GR_OK             it leaves, or joins no more
 * GR_ERR_INVALID    `group` is NULL
 * GR_ERR_STATE      it is OFFLINE, or leaves already
 * GR_ERR_REENTRANT  as said above; nothing happened
 * GR_ERR_HALTED     the member has halted
 */
GR_API int gr_group_leave(gr_group *group, gr_time now);

/* Joins again, after host.state said ERROR with GR_ERR_REMOVED or GR_ERR_BEHIND and
 * options.rejoin_tries are used up, or OFFLINE.
 *
 * GR_OK             it joins
 * GR_ERR_INVALID    `group` is NULL
 * GR_ERR_STATE      it is a member, or joins already
 * GR_ERR_REENTRANT  as said above; nothing happened
 * GR_ERR_HALTED     the member has halted
 */
GR_API int gr_group_join(gr_group *group, gr_time now);

/* Asks the group to remove a member: an operator's word, for one that is not wanted any more.
 * It is a request: whether it came to pass, host.view tells.
 *
 * GR_OK             asked; repeated until it is done, or a minute has passed
 * GR_ERR_INVALID    `member` is none, or this one: see gr_group_leave()
 * GR_ERR_BUSY       such a request is under way
 * GR_ERR_NOT_ONLINE this member cannot ask
 * GR_ERR_REENTRANT  as said above; nothing happened
 * GR_ERR_HALTED     the member has halted
 */
GR_API int gr_group_remove(gr_group *group, gr_member_id member, gr_time now);

/* For an operator who has lost a majority of the members for good: the members named, this one
 * among them, go on without all others. Each of them must be up, and answer. Whatever only the
 * lost ones knew is gone. Should one of those come back it is refused: no frame of the group
 * as it was counts any more. Never done by itself, and never needed while a majority lives.
 *
 * GR_OK             begun; host.view tells when it is done
 * GR_ERR_INVALID    the list is empty, or names somebody who is no member, or not this one
 * GR_ERR_STATE      a majority can be reached: this is not needed
 * GR_ERR_NOT_ONLINE this member has no vote
 * GR_ERR_REENTRANT  as said above; nothing happened
 * GR_ERR_HALTED     the member has halted
 */
GR_API int gr_group_force(gr_group *group, const gr_member_id *members, size_t count,
                          gr_time now);

/* What the host thinks of its own health: true while it makes progress. A member that says for
 * options.expel_timeout_ns that it does not is removed, unless that would leave no majority.
 *
 * GR_OK             noted, and told to the others
 * GR_ERR_INVALID    `group` is NULL
 * GR_ERR_REENTRANT  as said above; nothing happened
 * GR_ERR_HALTED     the member has halted
 */
GR_API int gr_group_health(gr_group *group, bool healthy, gr_time now);

/* The host could not apply a message; `digest` says how (a hash of the error, say, so that equal
 * failures have equal digests). The members compare: where a majority failed in the same way
 * the group goes on, and whoever did not fail stops; else whoever failed stops, with
 * GR_ERR_DIVERGED. The host calls it in place of a failure of host.deliver, and goes on.
 *
 * GR_OK             noted, and told to the others
 * GR_ERR_INVALID    `group` is NULL, or `seqno` has not been handed to the host
 * GR_ERR_REENTRANT  as said above; nothing happened
 * GR_ERR_HALTED     the member has halted
 */
GR_API int gr_group_apply_failed(gr_group *group, gr_seqno seqno, uint64_t digest, gr_time now);

/* ---- output ---- */

/* Does all that is due, and is the only function that runs the acting callbacks: closes the
 * open batch, proposes if this member leads, then (1) store, in ticket order, and sync; (2)
 * send for every member that is sendable, and flush; (3) deliver, in seqno order; (4) trim;
 * (5) leader; (6) writable; and again until nothing is due. In durable mode nothing is sent
 * that depends on a record which is not durable yet. Call it once at the end of each turn of the loop.
 *
 * GR_OK             nothing more is due now, or, if callbacks cause ever more work, a limit of
 *                   rounds is reached and gr_group_deadline() is past: come back at once
 * GR_ERR_INVALID    `group` is NULL
 * GR_ERR_STATE      durable, and not resumed yet
 * GR_ERR_REENTRANT  called from inside a callback; nothing happened
 * GR_ERR_HALTED     the member has halted, now or before: see gr_group_halt_reason()
 */
GR_API int gr_group_dispatch(gr_group *group);

/* When gr_group_poll() and gr_group_dispatch() are due next, in the host's time; in the past if
 * at once; GR_TIME_NEVER when halted, or if `group` is NULL. */
GR_API gr_time gr_group_deadline(const gr_group *group);

/* Why the member halted: GR_OK while it has not, else the error that did it; GR_ERR_INVALID if
 * `group` is NULL. `text`, if not
 * NULL, is set to a sentence that names the invariant, or the callback, or what to do;
 * static. A halted member is silent, which the others see as a crash; only the queries and
 * gr_group_free() are of use. */
GR_API int gr_group_halt_reason(const gr_group *group, const char **text);

#ifdef __cplusplus
}
#endif
#endif
