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
 * What it does not: members' states live in memory. A process that stops does not come back
 * as itself (the others refuse it, GR_ERR_REPLACED), and a group that loses a majority of its
 * processes stands still. Byzantine members are out of scope, though every byte from the wire
 * is treated as hostile.
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

/* Bytes that gr_group_new() will ask of the allocator with these options; 0 if they are not
 * valid. Most of it is cache, touched only when it is used. */
GR_API size_t gr_group_footprint(const gr_options *options);

/* Makes a member. It takes part as soon as it has met all founders; broadcasts before that
 * wait. All of its memory is allocated here. `allocator` NULL: malloc and free.
 *
 * GR_OK             `*group` is the caller's, to be released with gr_group_free()
 * GR_ERR_INVALID    an argument is NULL, or an option is out of range: see gr_options_check()
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

/* ---- inputs: they only change state ----
 *
 * Inside host.send and host.flush all but gr_group_sendable() answer GR_ERR_REENTRANT. */

/* Takes one frame that the transport says came from `from`. Copies what it needs.
 *
 * GR_OK             taken, or a repeat that said nothing new
 * GR_ERR_INVALID    an argument is NULL
 * GR_ERR_MALFORMED, GR_ERR_CORRUPT, GR_ERR_FOREIGN, GR_ERR_PROTOCOL, GR_ERR_STALE
 *                   refused; counted by reason, nothing else changed. A host may leave
 *                   it at that; GR_ERR_STALE is common while members meet
 * GR_ERR_REENTRANT  called from inside host.send or host.flush; nothing happened
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
 * GR_ERR_FULL       unordered_bytes_max is reached, or the cache is nearly full of what a
 *                   member that is catching up still lacks; try again after host.writable
 * GR_ERR_REENTRANT  called from inside host.send or host.flush; nothing happened
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
 * GR_ERR_REENTRANT  called from inside host.send or host.flush; nothing happened
 * GR_ERR_HALTED     the member has halted
 */
GR_API int gr_group_poll(gr_group *group, gr_time now);

/* Asks `to` to take over the lead. It is a request: whether it came to pass, host.leader tells.
 *
 * GR_OK               asked; the call repeats the request by itself for an election timeout
 * GR_ERR_INVALID      `to` is no other member of the group
 * GR_ERR_NOT_LEADER   this member does not lead
 * GR_ERR_UNREACHABLE  `to` has been silent for an election timeout
 * GR_ERR_REENTRANT    called from inside host.send or host.flush; nothing happened
 * GR_ERR_HALTED       the member has halted
 */
GR_API int gr_group_transfer(gr_group *group, gr_member_id to, gr_time now);

/* ---- output ---- */

/* Does all that is due, and is the only function that runs the acting callbacks: closes the
 * open batch, proposes if this member leads, then (1) send for every member that is sendable,
 * and flush; (2) deliver, in seqno order; (3) leader; (4) writable; and again until nothing
 * is due. Call it once at the end of each turn of the loop.
 *
 * GR_OK             nothing more is due now, or, if callbacks cause ever more work, a limit of
 *                   rounds is reached and gr_group_deadline() is past: come back at once
 * GR_ERR_INVALID    `group` is NULL
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
