/* SPDX-License-Identifier: MIT
 *
 * What a person sees of a run: with --trace a line for each event; after a failure the
 * last of them.
 */
#ifndef SIM_REPORT_H
#define SIM_REPORT_H

#include "config.h"
#include "links.h"
#include "memory.h"

#define SIM_RECORDS 64 /* a power of two */

enum sim_record_kind {
  SIM_RECORD_TRACE,
  SIM_RECORD_FRAME,
  SIM_RECORD_DELIVERY,
  SIM_RECORD_BROADCAST,
  SIM_RECORD_LINKS,
  SIM_RECORD_STORE,
  SIM_RECORD_VIEW,
  SIM_RECORD_STATE,
  SIM_RECORD_LEADER,
  SIM_RECORD_NOTE
};

/* An event as it is kept: made into text only when it is wanted. */
struct sim_record {
  gr_time at;
  enum sim_record_kind kind;
  uint32_t member;
  union {
    gr_trace_event trace;
    struct {
      uint64_t a, b, c, d;
    } numbers;
    struct {
      uint64_t number;
      gr_seqno seqno;
      enum gr_view_reason reason;
      gr_member_id member;
      uint64_t voters; /* servers, as sets of bits */
      uint64_t learners;
    } view;
    const char *text;
    struct {
      const char *what;
      gr_ticket ticket;
      uint32_t type;
      uint32_t size;
    } store;
  };
};

/* The member of a note on the whole run. */
#define SIM_EVERYBODY UINT32_MAX

struct sim_report {
  bool tracing;
  bool transcript;    /* a line for each event that an operator would care for */
  uint64_t view_said; /* in it: the latest view, and leader */
  gr_member_id leader_said;
  bool brief; /* a failure is one line */
  uint64_t count;
  struct sim_record records[SIM_RECORDS];
};

void sim_report_trace(struct sim_report *report, gr_time at, uint32_t member,
                      const gr_trace_event *event);
void sim_report_frame(struct sim_report *report, gr_time at, uint32_t member,
                      const struct sim_frame *frame);
/* A record is stored or given back, up to a ticket is durable, or records go: `what` is
 * static. */
void sim_report_store(struct sim_report *report, gr_time at, uint32_t member,
                      const char *what, gr_ticket ticket, const struct sim_frame *record);
void sim_report_delivery(struct sim_report *report, gr_time at, uint32_t member,
                         const gr_delivery *delivery);
void sim_report_broadcast(struct sim_report *report, gr_time at, uint32_t member,
                          uint64_t number, uint64_t size);
/* Links are cut or healed. */
void sim_report_links(struct sim_report *report, gr_time at, bool cut,
                      struct sim_links links);
/* A host is told of a view, of its state, of the leader. */
void sim_report_view(struct sim_report *report, gr_time at, uint32_t server,
                     const gr_view *view, uint64_t voters, uint64_t learners);
void sim_report_state(struct sim_report *report, gr_time at, uint32_t server,
                      enum gr_member_state state, int error);
void sim_report_leader(struct sim_report *report, gr_time at, uint32_t server,
                       gr_member_id leader);
/* `text` is static. */
void sim_report_note(struct sim_report *report, gr_time at, uint32_t member,
                     const char *text);

/* In a transcript: what is done now. */
void sim_report_statement(const struct sim_report *report, gr_time at, const char *text);

struct simulation;
void sim_report_config(const struct sim_config *config);
void sim_report_failure(const struct simulation *sim);

#endif
