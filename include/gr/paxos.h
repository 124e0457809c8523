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

/* As the functions of the same name in inspect.h. */
GR_API int gr_paxos_status(const gr_paxos *paxos, gr_status *status);
GR_API int gr_paxos_counters(const gr_paxos *paxos, gr_counters *counters);
GR_API int gr_paxos_members(const gr_paxos *paxos, gr_member *members, size_t capacity,
                            size_t *count);

#ifdef __cplusplus
}
#endif
#endif
