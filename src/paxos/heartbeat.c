/* SPDX-License-Identifier: MIT
 *
 * Heartbeats: how the founders meet, how members see that others are alive, and how marks
 * get through when the frames that carried them first were lost.
 *
 * Meeting. Members live in memory, so a process that stops must never come back as the
 * member that it was: it has forgotten its promises. Each process therefore draws an
 * incarnation. A member takes part (is formed) once every founder has told it that it
 * knows this very process; from then on it knows no other process of any of them. A
 * second process of a founder can thus never be formed while a formed member remembers
 * the first (I-MEET-1).
 */
#include "paxos/engine.h"

#include <string.h>

void gr_heartbeat_poll(struct gr_paxos *p) {
  if (p->now < p->heartbeat_due) return;
  p->heartbeat_due = p->now + p->options.heartbeat_interval_ns;
  gr_due_all(p, GR_DUE_HEARTBEAT);
  gr_storage_poll(p);
  if (p->transfer_to != GR_NOBODY) p->peers[p->transfer_to].due |= GR_DUE_TRANSFER;
}

void gr_heartbeat_fill(const struct gr_paxos *p, uint32_t to,
                       struct gr_heartbeat *heartbeat) {
  const struct gr_peer *peer = &p->peers[to];
  heartbeat->leads = p->role == GR_ROLE_LEADER;
  heartbeat->formed = p->formed;
  heartbeat->promised = p->told.promised;
  heartbeat->accepted = p->told.accepted;
  heartbeat->chosen = p->chosen;
  heartbeat->delivered = gr_storage_settled(p);
  heartbeat->log_first = p->log_first;
  heartbeat->stamp = p->now;
  heartbeat->echo = peer->stamp;
  heartbeat->echo_age = peer->stamp == 0 ? 0 : p->now - peer->stamp_since;
  const struct gr_seat_kept *seat = gr_view_own_seat(p);
  heartbeat->founding = p->roster.view == 1 && seat && !(p->met && peer->formed);
  if (heartbeat->founding)
    heartbeat->note = (gr_slice){seat->profile, seat->profile_bytes};
  else
    heartbeat->note = (gr_slice){p->note, p->note_bytes};
  heartbeat->named = gr_memberset_first(p->roster.count);
  for (uint32_t i = 0; i < p->roster.count; i++) {
    heartbeat->incarnations[i] =
        i == p->self ? p->roster.incarnation : p->peers[i].incarnation;
    heartbeat->boots[i] = i == p->self ? p->roster.boot : p->peers[i].boot;
    heartbeat->held[i] = (struct gr_mark){p->lanes[i].boot, p->lanes[i].held};
  }
}

/* ---- meeting ---- */

void gr_heartbeat_form(struct gr_paxos *p) {
  for (uint32_t i = 0; i < p->roster.count; i++)
    if (i != p->self && !p->peers[i].confirmed) return;
  p->met = true;
  gr_view_met(p);
  if (p->roster.durable)
    gr_storage_keep_view(p); /* who forgets whom it has met might meet another */
  else
    gr_heartbeat_begin(p);
}

void gr_heartbeat_begin(struct gr_paxos *p) {
  p->formed = true;
  p->role = GR_ROLE_FOLLOWER;
  gr_election_orphaned(p); /* there is no leader to be patient with */
  gr_due_all(p, GR_DUE_HEARTBEAT);
  gr_emit(p, (gr_trace_event){.kind = GR_TRACE_FORMED});
}

/* What it said of what it has synced still holds; what it merely knew or held may not. */
void gr_heartbeat_restarted(struct gr_paxos *p, uint32_t from, uint64_t boot) {
  struct gr_peer *peer = &p->peers[from];
  bool first = peer->boot == 0;
  peer->boot = boot;
  if (first) return;
  peer->stamp = peer->hears = 0;
  peer->due = GR_DUE_HEARTBEAT;
  peer->chosen = peer->delivered;
  peer->log_first = 1;
  peer->serving_lanes = peer->fetch_lanes = 0;
  memset(peer->held, 0, p->roster.count * sizeof(*peer->held));
  if (peer->data_next > p->lanes[p->self].ordered + 1)
    peer->data_next = p->lanes[p->self].ordered + 1;
  if (p->role == GR_ROLE_LEADER && peer->accept_next > p->chosen + 1)
    peer->accept_next = p->chosen + 1;
  if (p->formed && p->leader == from) gr_election_orphaned(p);
}

/* One member that says so again and again is believed too, or two processes that were
 * started anew together would wait for ever. */
#define REFUSED_TIMEOUTS 10

/* Others that took part with a former process of this member refuse this one for ever. */
static void check_replaced(struct gr_paxos *p) {
  gr_memberset refusing = 0;
  bool lasting = false;
  for (uint32_t i = 0; i < p->roster.count; i++) {
    const struct gr_peer *peer = &p->peers[i];
    if (i == p->self || peer->refuses_since == 0) continue;
    refusing |= gr_memberset_one(i);
    if (p->now - peer->refuses_since >= REFUSED_TIMEOUTS * p->options.election_timeout_ns)
      lasting = true;
  }
  if (lasting || gr_memberset_majority(refusing, p->voters & ~gr_memberset_one(p->self)))
    GR_HALT(
        &p->halt, GR_ERR_REPLACED,
        "the others know a former process of this member, which took part in the group; "
        "a member without storage cannot come back");
}

static void take_note(struct gr_paxos *p, struct gr_peer *peer, gr_slice note) {
  if (note.size > 0) memcpy(peer->note, note.data, note.size);
  peer->note_bytes = note.size;
  peer->note_came = p->now;
}

static void meet(struct gr_paxos *p, uint32_t from, uint64_t incarnation,
                 const struct gr_heartbeat *heartbeat) {
  struct gr_peer *peer = &p->peers[from];
  uint64_t known =
      gr_memberset_has(heartbeat->named, p->self) ? heartbeat->incarnations[p->self] : 0;
  if (peer->incarnation != incarnation) {
    peer->incarnation = incarnation;
    peer->boot = 0;
    peer->confirmed = false;
    peer->stamp = 0;
    peer->due |= GR_DUE_HEARTBEAT;
  }
  bool refuses = heartbeat->formed && known != p->roster.incarnation;
  if (!refuses)
    peer->refuses_since = 0;
  else if (peer->refuses_since == 0)
    peer->refuses_since = p->now;
  if (refuses) {
    check_replaced(p);
  } else if (known == p->roster.incarnation) {
    peer->confirmed = true;
    gr_heartbeat_form(p);
  } else {
    peer->due |= GR_DUE_HEARTBEAT;
  }
}

/* ---- marks ---- */

void gr_marks_report(struct gr_paxos *p, uint32_t from, gr_ballot promised,
                     gr_slot accepted, gr_slot chosen, gr_slot delivered) {
  struct gr_peer *peer = &p->peers[from];
  bool same_view = promised.view == p->roster.view;
  int order = same_view ? gr_ballot_compare(promised, peer->promised) : -1;
  if (order > 0 || (order == 0 && accepted > peer->accepted)) {
    peer->promised = promised;
    peer->accepted = accepted;
    peer->accept_retry = p->now + gr_retry_timeout(p, from); /* it makes progress */
  }
  if (peer->chosen < chosen) peer->chosen = chosen;
  if (peer->delivered < delivered) {
    peer->delivered = delivered;
    peer->delivered_rose = p->now;
  }
  if (!same_view || gr_ballot_compare(promised, p->promised) <= 0) return;
  /* It will accept nothing in our ballot any more. */
  gr_election_see(p, promised);
  if (p->role == GR_ROLE_LEADER || p->role == GR_ROLE_CANDIDATE) gr_election_step_down(p);
}

/* RFC 6298, section 2: one eighth of each new sample. */
static void measure_round_trip(struct gr_paxos *p, struct gr_peer *peer,
                               const struct gr_heartbeat *heartbeat) {
  if (heartbeat->echo == 0 || heartbeat->echo > p->now ||
      p->now - heartbeat->echo < heartbeat->echo_age)
    return;
  gr_time sample = p->now - heartbeat->echo - heartbeat->echo_age;
  /* The host's clock has jumped: no group could work with such a round trip. */
  if (sample > p->options.election_timeout_ns) return;
  if (peer->round_trip == 0)
    peer->round_trip = sample;
  else
    peer->round_trip += sample / 8 - peer->round_trip / 8;
}

void gr_heartbeat_superseded(struct gr_paxos *p) {
  GR_HALT(&p->halt, GR_ERR_REPLACED,
          "the others know a later start of this member: its storage is an old copy, or "
          "another process runs with one");
}

/* Others may hear a member that came back where we cannot: the leader must know of its
 * new boot, to end the former one. */
static void take_boots(struct gr_paxos *p, const struct gr_heartbeat *heartbeat) {
  for (uint32_t i = 0; i < p->roster.count; i++) {
    if (i == p->self || !gr_memberset_has(heartbeat->named, i)) continue;
    if (p->peers[i].incarnation == heartbeat->incarnations[i] &&
        p->peers[i].boot < heartbeat->boots[i])
      gr_heartbeat_restarted(p, i, heartbeat->boots[i]);
  }
  if (gr_memberset_has(heartbeat->named, p->self) &&
      heartbeat->incarnations[p->self] == p->roster.incarnation &&
      heartbeat->boots[p->self] > p->roster.boot)
    gr_heartbeat_superseded(p);
}

static void take_marks(struct gr_paxos *p, uint32_t from,
                       const struct gr_heartbeat *heartbeat) {
  struct gr_peer *peer = &p->peers[from];
  if (peer->log_first < heartbeat->log_first) peer->log_first = heartbeat->log_first;
  for (uint32_t i = 0; i < p->roster.count; i++) {
    if (!gr_memberset_has(heartbeat->named, i)) continue;
    struct gr_lane *lane = &p->lanes[i];
    struct gr_mark held = heartbeat->held[i];
    gr_peer_holds(p, from, i, held);
    bool ours = i == p->self && gr_produces(p);
    /* R18: what anybody holds exists. */
    if (!ours && gr_is_member(p, i) && held.boot == lane->boot &&
        lane->wanted < held.upto)
      lane->wanted = held.upto;
  }
  gr_marks_report(p, from, heartbeat->promised, heartbeat->accepted, heartbeat->chosen,
                  heartbeat->delivered);
}

/* It has come in, where it was added: from now on it gets what is sent to all. */
static void arrived(struct gr_paxos *p, struct gr_peer *peer) {
  peer->awaited = false;
  peer->data_next = p->lanes[p->self].held + 1;
  peer->accept_next = p->chosen + 1;
}

int gr_heartbeat_receive(struct gr_paxos *p, uint32_t from,
                         const struct gr_frame_header *header,
                         const struct gr_heartbeat *heartbeat) {
  struct gr_peer *peer = &p->peers[from];
  if (!p->met) {
    if (heartbeat->note.size > GR_PROFILE_BYTES_MAX) return GR_ERR_MALFORMED;
    if (heartbeat->founding) take_note(p, peer, heartbeat->note);
    peer->formed = heartbeat->formed;
    meet(p, from, header->incarnation, heartbeat);
  }
  if (peer->incarnation != header->incarnation || header->boot < peer->boot)
    return GR_ERR_STALE;
  if (header->boot > peer->boot) gr_heartbeat_restarted(p, from, header->boot);
  peer->heard = p->now;
  if (peer->hears < heartbeat->echo && heartbeat->echo <= p->now)
    peer->hears = heartbeat->echo;
  if (peer->stamp < heartbeat->stamp) {
    peer->stamp = heartbeat->stamp;
    peer->stamp_since = p->now;
    measure_round_trip(p, peer, heartbeat);
  }
  if (!p->formed) return GR_OK;
  if (!peer->confirmed) return GR_ERR_STALE;
  if (peer->view < header->view) peer->view = header->view;
  if (peer->awaited) arrived(p, peer);
  peer->formed = heartbeat->formed;
  if (!heartbeat->founding) take_note(p, peer, heartbeat->note);
  take_boots(p, heartbeat);
  take_marks(p, from, heartbeat);
  if (heartbeat->leads && heartbeat->promised.member == peer->id &&
      heartbeat->promised.view == p->roster.view && gr_is_member(p, from)) {
    int order = gr_ballot_compare(heartbeat->promised, p->promised);
    if (order > 0) gr_acceptor_promise(p, heartbeat->promised);
    if (order >= 0)
      gr_election_follow(p, heartbeat->promised);
    else
      peer->due |= GR_DUE_ACCEPTED; /* tells it of the higher ballot */
  }
  gr_learner_count(p);
  return GR_OK;
}
