/* SPDX-License-Identifier: MIT
 *
 * Frames in: each is checked as a whole before anything changes, then handed to the file
 * that it concerns.
 */
#include "paxos/engine.h"

typedef int receiver(struct gr_paxos *p, uint32_t from, struct gr_reader *body);

static int receive_data(struct gr_paxos *p, uint32_t from, struct gr_reader *body) {
  struct gr_batch batch;
  int error = gr_batch_open(body, &p->roster, &batch);
  if (error == GR_OK) gr_repair_receive_data(p, from, &batch);
  return error;
}

/* What only the owner of a ballot may say, and only in the ballot's view. */
static bool owns(const struct gr_paxos *p, uint32_t from, gr_ballot ballot) {
  return ballot.member == p->peers[from].id && ballot.view == p->roster.view;
}

static int receive_accept(struct gr_paxos *p, uint32_t from, struct gr_reader *body) {
  struct gr_accept accept;
  if (!gr_accept_decode(body, &p->roster, &accept) || !owns(p, from, accept.ballot))
    return GR_ERR_MALFORMED;
  gr_acceptor_receive_accept(p, from, &accept);
  return GR_OK;
}

static int receive_accepted(struct gr_paxos *p, uint32_t from, struct gr_reader *body) {
  struct gr_accepted accepted;
  if (!gr_accepted_decode(body, &accepted) || accepted.promised.view != p->roster.view)
    return GR_ERR_MALFORMED;
  gr_marks_report(p, from, accepted.promised, accepted.accepted, accepted.chosen,
                  accepted.delivered);
  gr_acceptor_leader_knows(p, from, accepted.promised, accepted.chosen);
  gr_learner_count(p);
  return GR_OK;
}

static int receive_prevote(struct gr_paxos *p, uint32_t from, struct gr_reader *body) {
  struct gr_prevote prevote;
  if (!gr_prevote_decode(body, &prevote) || !owns(p, from, prevote.ballot))
    return GR_ERR_MALFORMED;
  gr_election_receive_prevote(p, from, &prevote);
  return GR_OK;
}

static int receive_prevote_answer(struct gr_paxos *p, uint32_t from,
                                  struct gr_reader *body) {
  struct gr_prevote_answer answer;
  if (!gr_prevote_answer_decode(body, &answer)) return GR_ERR_MALFORMED;
  gr_election_receive_answer(p, from, &answer);
  return GR_OK;
}

static int receive_prepare(struct gr_paxos *p, uint32_t from, struct gr_reader *body) {
  struct gr_prepare prepare;
  if (!gr_prepare_decode(body, &prepare) || !owns(p, from, prepare.ballot))
    return GR_ERR_MALFORMED;
  gr_acceptor_receive_prepare(p, from, &prepare);
  return GR_OK;
}

static int receive_promise(struct gr_paxos *p, uint32_t from, struct gr_reader *body) {
  struct gr_promise promise;
  if (!gr_promise_decode(body, &promise) ||
      !gr_log_values_check(*body, &p->roster, promise.count, promise.ballot))
    return GR_ERR_MALFORMED;
  gr_candidate_receive(p, from, &promise, body);
  return GR_OK;
}

static int receive_fetch_data(struct gr_paxos *p, uint32_t from, struct gr_reader *body) {
  struct gr_fetch_data fetch;
  if (!gr_fetch_data_decode(body, &p->roster, &fetch)) return GR_ERR_MALFORMED;
  if (fetch.lane == p->roster.count) return GR_ERR_STALE;
  gr_repair_receive_fetch_data(p, from, &fetch);
  return GR_OK;
}

static int receive_fetch_log(struct gr_paxos *p, uint32_t from, struct gr_reader *body) {
  gr_slot first;
  if (!gr_fetch_log_decode(body, &first)) return GR_ERR_MALFORMED;
  gr_repair_receive_fetch_log(p, from, first);
  return GR_OK;
}

static int receive_log(struct gr_paxos *p, uint32_t from, struct gr_reader *body) {
  struct gr_log_run run;
  const gr_ballot highest = {UINT64_MAX, UINT64_MAX, UINT64_MAX};
  if (!gr_log_run_decode(body, &run)) return GR_ERR_MALFORMED;
  if (gr_view_ends(p)) return GR_ERR_STALE; /* it may name members of the next view */
  /* What is known already may name members that are not any more; and what a former
   * process of this member asked for, those that are not yet. */
  if (!gr_log_values_check(*body, &p->roster, run.count, highest))
    return run.from == p->chosen + 1 ? GR_ERR_MALFORMED : GR_ERR_STALE;
  gr_repair_receive_log(p, from, &run, body);
  return GR_OK;
}

static int receive_transfer(struct gr_paxos *p, uint32_t from, struct gr_reader *body) {
  gr_ballot ballot;
  if (!gr_transfer_decode(body, &ballot) || !owns(p, from, ballot))
    return GR_ERR_MALFORMED;
  gr_election_receive_transfer(p, from, ballot);
  return GR_OK;
}

static receiver *receiver_of(enum gr_frame_type type) {
  switch (type) {
  case GR_FRAME_HEARTBEAT:
    return NULL; /* also carries what concerns its header */
  case GR_FRAME_DATA:
    return receive_data;
  case GR_FRAME_ACCEPT:
    return receive_accept;
  case GR_FRAME_ACCEPTED:
    return receive_accepted;
  case GR_FRAME_PREVOTE:
    return receive_prevote;
  case GR_FRAME_PREVOTE_ANSWER:
    return receive_prevote_answer;
  case GR_FRAME_PREPARE:
    return receive_prepare;
  case GR_FRAME_PROMISE:
    return receive_promise;
  case GR_FRAME_FETCH_DATA:
    return receive_fetch_data;
  case GR_FRAME_FETCH_LOG:
    return receive_fetch_log;
  case GR_FRAME_LOG:
    return receive_log;
  case GR_FRAME_TRANSFER:
    return receive_transfer;
  }
  return NULL;
}

/* Frames of an election, or a term, that belong to one view. */
static bool of_one_view(enum gr_frame_type type) {
  switch (type) {
  case GR_FRAME_ACCEPT:
  case GR_FRAME_ACCEPTED:
  case GR_FRAME_PREVOTE:
  case GR_FRAME_PREVOTE_ANSWER:
  case GR_FRAME_PREPARE:
  case GR_FRAME_PROMISE:
  case GR_FRAME_TRANSFER:
    return true;
  case GR_FRAME_HEARTBEAT:
  case GR_FRAME_DATA:
  case GR_FRAME_FETCH_DATA:
  case GR_FRAME_FETCH_LOG:
  case GR_FRAME_LOG:
    return false;
  }
  return false;
}

/* A candidate of the next view says that the present one has ended: where its change was
 * chosen in a ballot that we follow, that tells us too (R5). It is answered there. */
static int receive_early_prepare(struct gr_paxos *p, uint32_t from,
                                 struct gr_reader *body) {
  struct gr_peer *peer = &p->peers[from];
  struct gr_prepare prepare;
  if (!gr_prepare_decode(body, &prepare) || prepare.ballot.member != peer->id ||
      (prepare.ended.round > 0 && prepare.ended.member != peer->id))
    return GR_ERR_MALFORMED;
  peer->prepare = prepare;
  if (peer->chosen < prepare.from - 1) peer->chosen = prepare.from - 1;
  gr_acceptor_leader_knows(p, from, prepare.ended, prepare.from - 1);
  gr_learner_count(p);
  return GR_OK;
}

/* A frame of another view than ours. Who is behind learns so from our heartbeat. */
static int receive_other_view(struct gr_paxos *p, uint32_t from,
                              const struct gr_frame_header *header,
                              struct gr_reader *body) {
  struct gr_peer *peer = &p->peers[from];
  if (peer->view < header->view) peer->view = header->view;
  if (header->view < p->roster.view) peer->due |= GR_DUE_HEARTBEAT;
  if (header->type == GR_FRAME_PREPARE && header->view == p->roster.view + 1)
    return receive_early_prepare(p, from, body);
  return GR_ERR_STALE;
}

static int receive_heartbeat(struct gr_paxos *p, uint32_t from,
                             const struct gr_frame_header *header,
                             struct gr_reader *body) {
  struct gr_heartbeat heartbeat;
  if (!gr_heartbeat_decode(body, &p->roster, &heartbeat)) return GR_ERR_MALFORMED;
  return gr_heartbeat_receive(p, from, header, &heartbeat);
}

/* What a member may still say in the life of the group that was ended by force: that it
 * has not come over, and what it lacks. */
static bool tells_former(enum gr_frame_type type) {
  return type == GR_FRAME_HEARTBEAT || type == GR_FRAME_FETCH_DATA ||
         type == GR_FRAME_FETCH_LOG;
}

static int receive(struct gr_paxos *p, gr_member_id from, gr_slice frame) {
  struct gr_reader reader = gr_reader_of(frame.data, frame.size);
  struct gr_frame_header header;
  uint32_t index = gr_roster_index(&p->roster, from);
  if (p->roster.view == 0) return GR_ERR_STALE; /* it has yet to come in */
  if (index == p->roster.count || index == p->self) return GR_ERR_FOREIGN;
  int error = gr_frame_open(&reader, &p->roster, &header);
  if (error != GR_OK) return error;
  if (header.former && !gr_is_member(p, index)) return GR_ERR_FOREIGN;
  p->peers[index].former = header.former && header.view < p->roster.view;
  if (header.type == GR_FRAME_HEARTBEAT)
    return receive_heartbeat(p, index, &header, &reader);
  struct gr_peer *peer = &p->peers[index];
  if (header.former && !tells_former(header.type)) return GR_ERR_FOREIGN;
  /* I-MEET-1: only processes that have met take part; what they say before is as if lost.
   */
  if (!p->formed || peer->incarnation != header.incarnation || peer->boot != header.boot)
    return GR_ERR_STALE;
  if (of_one_view(header.type) && header.view != p->roster.view)
    error = receive_other_view(p, index, &header, &reader);
  else if (of_one_view(header.type) && !gr_is_member(p, index))
    error = GR_ERR_STALE;
  else
    error = receiver_of(header.type)(p, index, &reader);
  if (error == GR_OK) peer->heard = p->now;
  return error;
}

static void count_refused(struct gr_paxos *p, gr_member_id from, int error) {
  switch (error) {
  case GR_ERR_CORRUPT:
    p->counters.refused_corrupt++;
    break;
  case GR_ERR_FOREIGN:
    p->counters.refused_foreign++;
    break;
  case GR_ERR_PROTOCOL:
    p->counters.refused_protocol++;
    break;
  case GR_ERR_STALE:
    p->counters.refused_stale++;
    break;
  default:
    p->counters.refused_malformed++;
    break;
  }
  gr_emit(p, (gr_trace_event){.kind = GR_TRACE_REFUSED, .member = from, .value = error});
}

int gr_paxos_receive(gr_paxos *p, gr_member_id from, gr_slice frame, gr_time now) {
  if (!p || (!frame.data && frame.size > 0)) return GR_ERR_INVALID;
  if (gr_halted(p)) return GR_ERR_HALTED;
  if (!p->storage.resumed) return GR_ERR_STATE;
  gr_latch(p, now);
  int error = receive(p, from, frame);
  if (error != GR_OK) {
    count_refused(p, from, error);
    return error;
  }
  p->counters.frames_received++;
  p->counters.bytes_received += frame.size;
  return gr_halted(p) ? GR_ERR_HALTED : GR_OK;
}
