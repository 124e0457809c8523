/* SPDX-License-Identifier: MIT
 *
 * Coming in from outside: a member that was admitted takes over the position of another
 * one, a boundary between two slots, and learns from there on like anybody who lags
 * (R12). Going out: the engine forgets everything, and may come in again as somebody
 * else.
 *
 * A position says nothing of what its new owner promised, since it never did: it has no
 * vote until a later view, with ballots of its own, gives it one.
 */
#include "paxos/engine.h"

static int check_image(const struct gr_paxos *p, gr_slice image, gr_seqno applied,
                       struct gr_state_record *state) {
  struct gr_reader reader = gr_reader_of(image.data, image.size);
  enum gr_record_type type;
  int error = gr_record_open(&reader, &type);
  if (error == GR_OK && type != GR_RECORD_STATE) error = GR_ERR_MALFORMED;
  if (error == GR_OK)
    error = gr_state_record_decode(&reader, &p->roster, p->group, state);
  if (error != GR_OK) return error;
  if (state->view.self == 0 || !state->view.formed ||
      state->view.seats.count > p->options.members_max)
    return GR_ERR_MALFORMED;
  return applied < state->seqno ? GR_ERR_OUTDATED : GR_OK;
}

/* Its own position goes to storage before anything else. */
static void store_position(struct gr_paxos *p) {
  struct gr_storage *storage = &p->storage;
  if (!p->roster.durable) return;
  storage->state_due = true;
  storage->boot_ticket = GR_TICKET_NONE;
  storage->next_slot = p->log_end;
  storage->marks = (struct gr_marks_record){p->chosen, p->log_first - 1, 0};
  storage->settled = storage->settling = p->chosen;
  storage->applied = p->seqno;
}

int gr_paxos_install(gr_paxos *p, gr_slice image, gr_member_id self, gr_seqno applied,
                     uint64_t digest, gr_time now) {
  if (!p || !image.data || self == 0 || self >= GR_MEMBER_ID_MAX) return GR_ERR_INVALID;
  if (gr_halted(p)) return GR_ERR_HALTED;
  if (p->roster.view != 0 || !p->storage.resumed) return GR_ERR_INVALID;
  if (p->forgetting) return GR_ERR_BUSY;
  struct gr_state_record state;
  int error = check_image(p, image, applied, &state);
  if (error != GR_OK) return error;
  gr_latch(p, now);
  state.view.self = self;
  state.view.incarnation = p->roster.incarnation;
  gr_view_take_position(p, &state);
  p->options.self = self;
  p->options.applied = applied;
  p->digest_due = digest;
  store_position(p);
  gr_emit(p, (gr_trace_event){.kind = GR_TRACE_INSTALL, .slot = p->delivered});
  gr_learner_check_digest(p);
  gr_heartbeat_begin(p);
  return gr_halted(p) ? GR_ERR_HALTED : GR_OK;
}

/* Nothing of what storage was handed lies in memory any more. */
void gr_install_forget(struct gr_paxos *p) {
  struct gr_storage before = p->storage;
  uint64_t incarnation = p->roster.incarnation;
  if (!p->forgetting || before.synced + 1 < before.next) return;
  gr_paxos_again(p);
  p->roster.incarnation = incarnation;
  p->roster.boot = p->roster.durable ? GR_BOOT_FIRST : GR_BOOT_VOLATILE;
  p->storage.next = before.next;
  p->storage.synced = before.synced;
  p->storage.resumed = true;
  p->storage.outside_due = before.next > 1;
}

int gr_paxos_reset(gr_paxos *p, gr_time now) {
  if (!p) return GR_ERR_INVALID;
  if (p->halt.error == GR_ERR_STORAGE) return GR_ERR_HALTED;
  if (!p->storage.resumed) return GR_ERR_STATE;
  gr_latch(p, now);
  p->halt = (struct gr_halt){0};
  gr_paxos_outside(p);
  p->roster.incarnation = 0;
  while (p->roster.incarnation == 0) p->roster.incarnation = gr_random_next(&p->random);
  p->forgetting = true;
  gr_install_forget(p);
  return GR_OK;
}

uint64_t gr_paxos_incarnation(const gr_paxos *p) {
  return p ? p->roster.incarnation : 0;
}

bool gr_paxos_forgetting(const gr_paxos *p) {
  return p && (p->forgetting || p->storage.outside_due);
}
