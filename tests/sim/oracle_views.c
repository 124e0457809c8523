/* SPDX-License-Identifier: MIT
 *
 * A6 and A7: who is a member when, and what the members' hosts have made of the messages.
 */
#include "oracle_internal.h"

#include <string.h>

/* ---- views ---- */

const struct sim_view *sim_oracle_view_of(const struct sim_oracle *oracle,
                                          uint64_t number) {
  if (number == 0 || number > oracle->view_count) return NULL;
  const struct sim_view *view = &oracle->views[number - 1];
  return view->number > 0 ? view : NULL;
}

const struct sim_view *sim_oracle_view_now(const struct sim_oracle *oracle) {
  return &oracle->views[oracle->view_count - 1];
}

static struct sim_view *add_view(struct sim_oracle *oracle) {
  if (oracle->view_count == oracle->view_capacity) {
    oracle->view_capacity = oracle->view_capacity ? 2 * oracle->view_capacity : 64;
    oracle->views =
        sim_reallocate(oracle->views, oracle->view_capacity * sizeof(*oracle->views));
  }
  struct sim_view *view = &oracle->views[oracle->view_count++];
  *view = (struct sim_view){.number = oracle->view_count};
  return view;
}

void sim_oracle_founded(struct sim_oracle *oracle) {
  oracle->view_count = 0;
  oracle->next_first = 0;
  oracle->forcing = false;
  struct sim_view *view = add_view(oracle);
  view->first = 1;
  view->reason = GR_VIEW_FOUNDED;
  view->voters = oracle->members;
  for (uint32_t i = 0; i < oracle->members; i++) view->seats[i] = SIM_SEAT_VOTER;
}

/* What a host was told, as the oracle keeps it. */
static bool view_from(struct sim_oracle *oracle, uint32_t member, const gr_view *told,
                      struct sim_view *view) {
  *view = (struct sim_view){.number = told->number,
                            .seqno = told->seqno,
                            .reason = told->reason,
                            .member = told->member};
  for (size_t i = 0; i < told->count; i++) {
    const gr_view_member *one = &told->members[i];
    bool ascends = i == 0 || one->id > told->members[i - 1].id;
    if (one->id == 0 || one->id > SIM_MEMBERS_MAX || !ascends) {
      sim_oracle_fail(oracle, "A6", "member %u is told a view with member %llu",
                      member + 1, (unsigned long long)one->id);
      return false;
    }
    bool votes = one->state == GR_MEMBER_ONLINE;
    view->seats[one->id - 1] = votes ? SIM_SEAT_VOTER : SIM_SEAT_LEARNER;
    view->voters += votes;
    for (size_t k = 0; k < i; k++)
      if (memcmp(&told->members[k].attributes.uuid, &one->attributes.uuid,
                 sizeof(gr_uuid)) == 0)
        sim_oracle_fail(oracle, "A6", "members %llu and %llu of view %llu are one server",
                        (unsigned long long)told->members[k].id,
                        (unsigned long long)one->id, (unsigned long long)told->number);
  }
  return true;
}

static bool same_view(const struct sim_view *a, const struct sim_view *b,
                      bool beginning) {
  bool same_cause = beginning || (a->seqno == b->seqno && a->reason == b->reason &&
                                  a->member == b->member);
  return same_cause && memcmp(a->seats, b->seats, sizeof(a->seats)) == 0;
}

/* One member's seat differs, as the reason says. */
static bool is_step(const struct sim_oracle *oracle, const struct sim_view *before,
                    const struct sim_view *view) {
  if (view->member == 0 || view->member > SIM_MEMBERS_MAX) return false;
  uint32_t who = (uint32_t)(view->member - 1);
  for (uint32_t i = 0; i < SIM_MEMBERS_MAX; i++)
    if (i != who && view->seats[i] != before->seats[i]) return false;
  switch (view->reason) {
  case GR_VIEW_JOINED:
    return who >= oracle->members && view->seats[who] == SIM_SEAT_LEARNER;
  case GR_VIEW_ONLINE:
    return before->seats[who] == SIM_SEAT_LEARNER && view->seats[who] == SIM_SEAT_VOTER;
  case GR_VIEW_LEFT:
  case GR_VIEW_SILENT:
  case GR_VIEW_REPLACED:
  case GR_VIEW_FLAPPING:
  case GR_VIEW_UNHEALTHY:
  case GR_VIEW_DIVERGED:
  case GR_VIEW_EXCLUDED:
  case GR_VIEW_BEHIND:
    return before->seats[who] != SIM_SEAT_NONE && view->seats[who] == SIM_SEAT_NONE;
  case GR_VIEW_FOUNDED:
  case GR_VIEW_FORCED:
    return false;
  }
  return false;
}

void sim_oracle_suspects(struct sim_oracle *oracle, uint32_t member, gr_member_id whom) {
  if (whom > 0 && whom <= SIM_MEMBERS_MAX) oracle->suspected[member][whom - 1] = true;
}

/* Nobody goes because some of the others cannot hear it. */
static void check_expulsion(struct sim_oracle *oracle, const struct sim_view *before,
                            const struct sim_view *view) {
  uint32_t accusers = 0;
  if (view->reason != GR_VIEW_SILENT && view->reason != GR_VIEW_FLAPPING &&
      view->reason != GR_VIEW_BEHIND)
    return;
  for (uint32_t i = 0; i < SIM_MEMBERS_MAX; i++)
    accusers +=
        before->seats[i] == SIM_SEAT_VOTER && oracle->suspected[i][view->member - 1];
  if (2 * accusers <= before->voters)
    sim_oracle_fail(oracle, "A6",
                    "member %llu is removed in view %llu; of %u voters %u suspected it",
                    (unsigned long long)view->member, (unsigned long long)view->number,
                    before->voters, accusers);
}

/* Nothing was chosen behind the end of a view with the votes of that view. */
static void check_end(struct sim_oracle *oracle, const struct sim_view *view) {
  if (view->first > 0 && oracle->chosen >= view->first)
    sim_oracle_fail(
        oracle, "A8",
        "slots to %llu are chosen by voters whose view ended before slot %llu",
        (unsigned long long)oracle->chosen, (unsigned long long)view->first);
}

/* Somebody is the first to enter the next view. */
static void next_view(struct sim_oracle *oracle, const struct sim_view *view) {
  const struct sim_view *before = sim_oracle_view_now(oracle);
  if (view->reason != GR_VIEW_FORCED && !is_step(oracle, before, view))
    sim_oracle_fail(oracle, "A6",
                    "view %llu (%s %llu) does not follow from the one before",
                    (unsigned long long)view->number, gr_view_reason_name(view->reason),
                    (unsigned long long)view->member);
  else
    check_expulsion(oracle, before, view);
  struct sim_view *added = add_view(oracle);
  gr_slot first = oracle->next_first;
  *added = *view;
  added->first = first;
  if (view->reason == GR_VIEW_FORCED) {
    oracle->forcing = false;
    oracle->chosen = first - 1;
  }
  oracle->next_first = 0;
  check_end(oracle, added);
  for (uint32_t i = 0; i < SIM_MEMBERS_MAX; i++)
    if (view->seats[i] != SIM_SEAT_NONE && i >= oracle->members) oracle->members = i + 1;
  sim_oracle_recount(oracle, added);
}

void sim_oracle_enters(struct sim_oracle *oracle, uint32_t member, uint64_t number,
                       gr_slot first) {
  const struct sim_view *view = sim_oracle_view_of(oracle, number);
  gr_slot known = view ? view->first : oracle->next_first;
  if (number > oracle->view_count + 1)
    sim_oracle_fail(oracle, "A6", "member %u enters view %llu; view %llu is the last",
                    member + 1, (unsigned long long)number,
                    (unsigned long long)oracle->view_count);
  else if (known == 0)
    oracle->next_first = first;
  else if (known != first)
    sim_oracle_fail(oracle, "A6",
                    "member %u enters view %llu in slot %llu; another did in slot %llu",
                    member + 1, (unsigned long long)number, (unsigned long long)first,
                    (unsigned long long)known);
}

/* Whoever begins is told what holds there, whatever brought it about. */
static bool is_beginning(const gr_view *view) {
  return view->reason == GR_VIEW_FOUNDED;
}

/* In order with the messages. What a host had before is not delivered again. */
static void check_place(struct sim_oracle *oracle, uint32_t member, const gr_view *view) {
  struct sim_witness *witness = &oracle->witnesses[member];
  if (is_beginning(view)) {
    if (view->number < witness->view)
      sim_oracle_fail(oracle, "A6", "member %u begins with view %llu after view %llu",
                      member + 1, (unsigned long long)view->number,
                      (unsigned long long)witness->view);
    witness->view = view->number;
    return;
  }
  bool replay = witness->seqno == witness->applied && view->seqno <= witness->seqno;
  if (view->seqno != witness->seqno && !replay)
    sim_oracle_fail(
        oracle, "A6",
        "member %u is told view %llu behind seqno %llu, but has delivered %llu",
        member + 1, (unsigned long long)view->number, (unsigned long long)view->seqno,
        (unsigned long long)witness->seqno);
  if (witness->view > 0 && view->number != witness->view + 1)
    sim_oracle_fail(oracle, "A6", "member %u is told view %llu after view %llu",
                    member + 1, (unsigned long long)view->number,
                    (unsigned long long)witness->view);
  witness->view = view->number;
}

void sim_oracle_told_view(struct sim_oracle *oracle, uint32_t member,
                          const gr_view *told) {
  struct sim_view view;
  if (!view_from(oracle, member, told, &view)) return;
  check_place(oracle, member, told);
  if (told->number == oracle->view_count + 1) {
    next_view(oracle, &view);
  } else {
    const struct sim_view *known = sim_oracle_view_of(oracle, told->number);
    if (!known || !same_view(known, &view, is_beginning(told)))
      sim_oracle_fail(oracle, "A6", "member %u is told another view %llu than others",
                      member + 1, (unsigned long long)told->number);
  }
  sim_oracle_digest(oracle, (uint64_t)member << 56 ^ told->number << 32 ^ told->seqno);
}

/* ---- joiners ---- */

void sim_oracle_admitted(struct sim_oracle *oracle, uint32_t member, uint32_t life,
                         gr_seqno seqno) {
  sim_oracle_born(oracle, member, life);
  struct sim_witness *witness = &oracle->witnesses[member];
  witness->joined = true;
  witness->formed = oracle->now;
  witness->seqno = witness->applied = seqno;
  for (uint64_t i = 0; i < seqno && i < oracle->order_count; i++)
    witness->numbers[oracle->order[i].origin] = oracle->order[i].number;
}

void sim_oracle_state(struct sim_oracle *oracle, uint32_t server,
                      enum gr_member_state from, enum gr_member_state to, int error) {
  /* By the state left: those that may follow, as bits. */
  static const uint8_t follow[] = {
      [GR_MEMBER_OFFLINE] = 1 << GR_MEMBER_OFFLINE | 1 << GR_MEMBER_RECOVERING |
                            1 << GR_MEMBER_ONLINE | 1 << GR_MEMBER_ERROR,
      [GR_MEMBER_RECOVERING] =
          1 << GR_MEMBER_OFFLINE | 1 << GR_MEMBER_ONLINE | 1 << GR_MEMBER_ERROR,
      [GR_MEMBER_ONLINE] = 1 << GR_MEMBER_OFFLINE | 1 << GR_MEMBER_ERROR,
      [GR_MEMBER_ERROR] =
          1 << GR_MEMBER_OFFLINE | 1 << GR_MEMBER_RECOVERING | 1 << GR_MEMBER_ERROR};
  if ((follow[from] >> to & 1) == 0)
    sim_oracle_fail(oracle, "STATE", "server %u goes from %s to %s (%s)", server + 1,
                    gr_member_state_name(from), gr_member_state_name(to),
                    gr_error_name(error));
  if (to == GR_MEMBER_ERROR && error == GR_OK)
    sim_oracle_fail(oracle, "STATE", "server %u is in ERROR without a reason",
                    server + 1);
  sim_oracle_digest(oracle, (uint64_t)server << 56 ^ (uint64_t)to << 8 ^ 1);
}

static void forget_member(struct sim_oracle *oracle, uint32_t member) {
  oracle->witnesses[member] = (struct sim_witness){0};
  oracle->told[member] = (struct sim_told){0};
  oracle->delivered[member] = 0;
  oracle->lonely_since[member] = GR_TIME_NEVER;
  memset(oracle->suspected[member], 0, sizeof(oracle->suspected[member]));
  for (uint32_t i = 0; i < SIM_MEMBERS_MAX; i++) oracle->suspected[i][member] = false;
  for (uint32_t i = 0; i < SIM_GENERATIONS_MAX; i++) oracle->authors[member][i].count = 0;
}

/* The views of a life that is over, its members' ids and its ballots may come again. */
static void forget_life(struct sim_oracle *oracle) {
  uint64_t kept = 0;
  for (uint64_t i = 0; i < oracle->ballot_count; i++)
    if (oracle->ballots[i].ballot.view <= oracle->view_count)
      oracle->ballots[kept++] = oracle->ballots[i];
  oracle->ballot_count = kept;
  oracle->members = 0;
  for (uint64_t k = 0; k < oracle->view_count; k++)
    for (uint32_t i = oracle->members; i < SIM_MEMBERS_MAX; i++)
      if (oracle->views[k].seats[i] != SIM_SEAT_NONE) oracle->members = i + 1;
  for (uint32_t i = oracle->members; i < SIM_MEMBERS_MAX; i++) forget_member(oracle, i);
}

void sim_oracle_force(struct sim_oracle *oracle, gr_seqno seqno, uint64_t view) {
  oracle->forcing = true;
  if (view > 0 && view < oracle->view_count) {
    oracle->view_count = view;
    forget_life(oracle);
  }
  oracle->next_first = 0;
  if (seqno < oracle->order_count) oracle->order_count = seqno;
  memset(oracle->numbers, 0, sizeof(oracle->numbers));
  for (uint64_t i = 0; i < oracle->order_count; i++)
    oracle->numbers[oracle->order[i].origin] = oracle->order[i].number;
}

/* ---- the hosts' states ---- */

struct sim_data sim_oracle_data(const struct sim_oracle *oracle, gr_seqno seqno) {
  if (seqno == 0 || seqno > oracle->order_count) return (struct sim_data){0};
  const struct sim_ordered *ordered = &oracle->order[seqno - 1];
  return (struct sim_data){seqno, ordered->hash, ordered->digest};
}

uint64_t sim_data_hash(uint64_t before, uint32_t origin, uint64_t number,
                       uint64_t bytes) {
  uint64_t hash = before ^ (uint64_t)origin << 56 ^ number << 24 ^ bytes;
  hash *= UINT64_C(0x9e3779b97f4a7c15);
  return hash ^ hash >> 29;
}

void sim_oracle_history(struct sim_oracle *oracle, uint32_t server,
                        const struct sim_data *data) {
  if (data->seqno == 0) return;
  if (data->seqno > oracle->order_count) {
    sim_oracle_fail(oracle, "A7", "server %u has a state as of seqno %llu of %llu",
                    server + 1, (unsigned long long)data->seqno,
                    (unsigned long long)oracle->order_count);
    return;
  }
  struct sim_ordered *ordered = &oracle->order[data->seqno - 1];
  if (ordered->digest == 0) ordered->digest = data->digest;
  if (data->hash != ordered->hash || data->digest != ordered->digest)
    sim_oracle_fail(oracle, "A7", "server %u has another history behind seqno %llu: %s",
                    server + 1, (unsigned long long)data->seqno,
                    data->hash != ordered->hash ? "its host's" : "the library's digest");
}
