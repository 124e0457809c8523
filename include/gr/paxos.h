/* SPDX-License-Identifier: MIT
 *
 * The ordering engine on its own: lanes that carry, Paxos that orders. gr_group is this engine
 * with callbacks. Use it directly to pull outputs at your own pace; what each call means, and
 * what the engine promises, is said in group.h.
 *
 * One turn of a host's loop:
 *
 *   gr_paxos_receive(), gr_paxos_broadcast(), gr_paxos_poll(): as they come
 *   gr_paxos_flush(): close the batch, propose
 *   in durable mode:
 *     while (gr_paxos_record(paxos, &record)) store it, then gr_paxos_recorded(paxos);
 *   for each other member that can be sent to:
 *     while (gr_paxos_frame(paxos, to, &frame)) send it, then gr_paxos_frame_sent(paxos, to);
 *   while (gr_paxos_delivery(paxos, &delivery)) take it, then gr_paxos_delivered(paxos);
 *   in durable mode:
 *     if (gr_paxos_trim(paxos, &first, &state)) keep the state, forget records below first.
 *
 * Between gr_paxos_frame() and gr_paxos_frame_sent(), and between gr_paxos_record() and
 * gr_paxos_recorded(), no other call may come.
 *
 * In durable mode gr_paxos_restore(), with the deliveries that it makes due, and then
 * gr_paxos_resume() come before all else.
 *
 * Delivering may make more frames due (the room that it frees may let a batch go): repeat
 * until neither has anything.
 */
#ifndef GR_PAXOS_H
#define GR_PAXOS_H

#include <gr/error.h>
#include <gr/host.h>
#include <gr/inspect.h>
#include <gr/options.h>
#include <gr/types.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef struct gr_paxos gr_paxos;

/* Slices of a frame at most. */
#define GR_FRAME_PARTS_MAX 2

/* A frame to be sent: its parts, joined. The bytes are valid until the next call on the
 * engine that is not a gr_paxos_frame() or gr_paxos_frame_sent(); the header, parts[0], of at
 * most GR_FRAME_HEADER_MAX bytes, only until the next gr_paxos_frame(). */
typedef struct gr_frame {
  gr_slice parts[GR_FRAME_PARTS_MAX];
  size_t part_count;
} gr_frame;

/* Slices of a record at most. */
#define GR_RECORD_PARTS_MAX 2

/* A record to be stored: its parts, joined; how long they are valid, host.store says. */
typedef struct gr_record {
  gr_ticket ticket;
  gr_slice parts[GR_RECORD_PARTS_MAX];
  size_t part_count;
} gr_record;

/* Called at every transition; may be NULL; must not call the engine. */
typedef void gr_trace_callback(void *context, const gr_trace_event *event);

/* As gr_group_footprint(), gr_group_new() and gr_group_free(). */
GR_API size_t gr_paxos_footprint(const gr_options *options);
GR_API int gr_paxos_new(gr_paxos **paxos, const gr_options *options,
                        const gr_allocator *allocator, gr_time now);
GR_API void gr_paxos_free(gr_paxos *paxos);

/* Sets who sees the trace events. */
GR_API void gr_paxos_trace(gr_paxos *paxos, gr_trace_callback *callback, void *context);

/* Inputs, as the functions of the same name in group.h. */
GR_API int gr_paxos_receive(gr_paxos *paxos, gr_member_id from, gr_slice frame, gr_time now);
GR_API int gr_paxos_broadcast(gr_paxos *paxos, const gr_slice *parts, size_t part_count,
                              gr_time now, uint64_t *number);
GR_API int gr_paxos_poll(gr_paxos *paxos, gr_time now);
GR_API int gr_paxos_transfer(gr_paxos *paxos, gr_member_id to, gr_time now);

GR_API int gr_paxos_restore(gr_paxos *paxos, gr_ticket ticket, gr_slice record);
GR_API int gr_paxos_resume(gr_paxos *paxos, gr_time now);
GR_API int gr_paxos_stored(gr_paxos *paxos, gr_ticket upto);
GR_API int gr_paxos_checkpoint(gr_paxos *paxos, gr_seqno applied);

/* Closes the open batch and, on the leader, proposes what it holds. GR_OK, GR_ERR_HALTED. */
GR_API int gr_paxos_flush(gr_paxos *paxos);

/* The record that is due next; false when there is none. Asking again without
 * gr_paxos_recorded() gives the same record. */
GR_API bool gr_paxos_record(gr_paxos *paxos, gr_record *record);

/* Storage took the record that gr_paxos_record() gave last. */
GR_API void gr_paxos_recorded(gr_paxos *paxos);

/* True once after each checkpoint that lets storage forget something: what host.trim is given.
 * The state is valid until the next call on the engine. */
GR_API bool gr_paxos_trim(gr_paxos *paxos, gr_ticket *first, gr_slice *state);

/* The frame that is due next for `to`; false when there is none. Asking again without
 * gr_paxos_frame_sent() gives the same frame, or a newer one of the same purpose. */
GR_API bool gr_paxos_frame(gr_paxos *paxos, gr_member_id to, gr_frame *frame);

/* The transport took the frame that gr_paxos_frame() gave last for `to`. */
GR_API void gr_paxos_frame_sent(gr_paxos *paxos, gr_member_id to);

/* The message that is next in the order; false when there is none yet. */
GR_API bool gr_paxos_delivery(gr_paxos *paxos, gr_delivery *delivery);

/* The host took the message that gr_paxos_delivery() gave last. */
GR_API void gr_paxos_delivered(gr_paxos *paxos);

/* True once after a broadcast was refused with GR_ERR_FULL and there is room again. */
GR_API bool gr_paxos_writable(gr_paxos *paxos);

/* When gr_paxos_poll() is due next. */
GR_API gr_time gr_paxos_deadline(const gr_paxos *paxos);

/* Stops the engine, as a broken invariant does. The first call counts. `reason` is static. */
GR_API void gr_paxos_halt(gr_paxos *paxos, int error, const char *reason);
GR_API int gr_paxos_halt_reason(const gr_paxos *paxos, const char **text);

/* ---- views ----
 *
 * What gr_group makes of membership it does with these. The engine orders changes, one member
 * a change, and enters views; who should be a member, it does not ask. */

/* Bytes that go with a member from its admission on, opaque to the engine. */
#define GR_PROFILE_BYTES_MAX 320

enum gr_change_kind {
  GR_CHANGE_ADD = 1,     /* as a learner: receives all, has no vote */
  GR_CHANGE_PROMOTE = 2, /* a learner becomes a voter */
  GR_CHANGE_REMOVE = 3,
  GR_CHANGE_FORCE = 4 /* only those named are left, in a new life of the group: never by
                         gr_paxos_change(), see gr_paxos_force() */
};

typedef struct gr_change {
  enum gr_change_kind kind;
  gr_member_id member;  /* ADD: 0, the engine assigns the next id */
  uint64_t incarnation; /* ADD: of the joiner; not 0 */
  uint8_t reason;       /* opaque to the engine */
  gr_slice profile;     /* ADD */
} gr_change;

/* One member of a view, as the engine knows it. */
typedef struct gr_seat {
  gr_member_id id;
  uint64_t incarnation;
  bool voter;
  gr_slice profile; /* valid until the next view */
} gr_seat;

/* Asks for a change; the leader proposes it as soon as all that it has proposed is chosen, and
 * proposes nothing behind it until it is. Whether it came to pass, the next views tell.
 *
 * GR_OK              it will be proposed, if this member still leads then
 * GR_ERR_INVALID     it does not apply to the present view, or would leave no voter, or removes
 *                    this member (transfer the lead first)
 * GR_ERR_NOT_LEADER  this member does not lead, or has not begun to in this view
 * GR_ERR_BUSY        one is under way
 * GR_ERR_HALTED      the member has halted
 */
GR_API int gr_paxos_change(gr_paxos *paxos, const gr_change *change, gr_time now);

/* As gr_group_force(). It is tried until it has come to pass, this member leaves the view, or
 * it is called with nobody named, which ends it.
 *
 * GR_OK           begun
 * GR_ERR_STATE    durable, and not resumed yet
 * GR_ERR_INVALID  an argument is NULL, the list names no members of the present view that are
 *                 all voters, or not this one
 * GR_ERR_HALTED   the member has halted
 */
GR_API int gr_paxos_force(gr_paxos *paxos, const gr_member_id *members, size_t count,
                          gr_time now);

/* True once for each view entered, in order with the deliveries: asked for before each
 * gr_paxos_delivery(). */
GR_API bool gr_paxos_view_entered(gr_paxos *paxos, gr_change *change);

/* The present view: its number (0: this engine is in no group), its seats in ascending order
 * of ids. */
GR_API uint64_t gr_paxos_view(const gr_paxos *paxos, gr_seat *seats, size_t capacity,
                              size_t *count);

/* A founder's own profile, up to GR_PROFILE_BYTES_MAX; before anything else. The others get
 * it when they meet. GR_OK, GR_ERR_INVALID, GR_ERR_STATE (it has met others already). */
GR_API int gr_paxos_profile(gr_paxos *paxos, gr_slice profile);

/* The id of the member that is added next: greater than any before; 0: in no group. */
GR_API gr_member_id gr_paxos_next_id(const gr_paxos *paxos);

/* Bytes that this member's heartbeats carry to the others from now on, up to GR_NOTE_BYTES_MAX;
 * and what another member's last heartbeat carried, valid until the next call that is no
 * query, with the time when it came. */
#define GR_NOTE_BYTES_MAX 512
GR_API int gr_paxos_note(gr_paxos *paxos, gr_slice note);
GR_API bool gr_paxos_note_of(const gr_paxos *paxos, gr_member_id member, gr_slice *note,
                             gr_time *came);

/* -- coming in from outside: an engine made without founders is in no group -- */

/* At a donor, between two slots of the delivery: this member's position, as bytes, for somebody
 * whose host has the effects of all messages up to `seqno` (UINT64_MAX: of those that this
 * member has delivered, for example by a snapshot taken right now). False if the delivery is
 * within a slot, or the log does not reach back that far. Valid until the next call. */
#define GR_IMAGE_BYTES_MAX GR_RECORD_HEADER_MAX
GR_API bool gr_paxos_image(gr_paxos *paxos, gr_seqno seqno, gr_slice *image);

/* At an engine that is in no group: takes the position of an image, as member `self`, admitted
 * with this engine's incarnation. Messages up to `applied`, which is not below the image's own
 * seqno, are not delivered; when the history has come to `applied` its digest must be `digest`
 * (0: any), or the engine halts with GR_ERR_DIVERGED.
 *
 * GR_OK             it is a member, and catches up
 * GR_ERR_INVALID    an argument is NULL, or it is in a group
 * GR_ERR_BUSY       it is just forgetting another one: again after gr_paxos_stored()
 * GR_ERR_OUTDATED   `applied` lies before the image
 * GR_ERR_MALFORMED, GR_ERR_CORRUPT, GR_ERR_PROTOCOL, GR_ERR_FOREIGN
 *                   no image, or of another group; nothing changed
 * GR_ERR_HALTED     the member has halted
 */
GR_API int gr_paxos_install(gr_paxos *paxos, gr_slice image, gr_member_id self,
                            gr_seqno applied, uint64_t digest, gr_time now);

/* Forgets everything: the engine is in no group, as if it had just been made without founders,
 * with a new incarnation. In durable mode storage forgets too, by gr_paxos_trim(). Halted ones
 * come back to life, unless storage failed.
 *
 * GR_OK           done; while storage still writes what it was handed nothing can be installed
 * GR_ERR_INVALID  `paxos` is NULL
 * GR_ERR_STATE    storage has yet to give back what it keeps
 * GR_ERR_HALTED   storage has failed
 */
GR_API int gr_paxos_reset(gr_paxos *paxos, gr_time now);

/* Whether that is still under way: storage writes what it was handed before, or has not been told
 * by gr_paxos_trim() to forget it. Until then the host keeps what it has. */
GR_API bool gr_paxos_forgetting(const gr_paxos *paxos);

/* This process: what the ADD that admits it must name. */
GR_API uint64_t gr_paxos_incarnation(const gr_paxos *paxos);

/* Hash of all options that must be equal at all members. */
GR_API uint64_t gr_paxos_limits(const gr_paxos *paxos);

/* As the functions of the same name in inspect.h. */
GR_API int gr_paxos_status(const gr_paxos *paxos, gr_status *status);
GR_API int gr_paxos_counters(const gr_paxos *paxos, gr_counters *counters);
GR_API int gr_paxos_members(const gr_paxos *paxos, gr_member *members, size_t capacity,
                            size_t *count);

#ifdef __cplusplus
}
#endif
#endif
