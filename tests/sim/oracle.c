/* SPDX-License-Identifier: MIT
 *
 * Life of a run, deliveries, and marks. What Paxos must keep is in oracle_ballots.c.
 */
#include "oracle_internal.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ---- life cycle ---- */

void sim_oracle_begin(struct sim_oracle *oracle, const struct sim_content *content,
                      uint32_t members, struct sim_bounds bounds) {
  oracle->content = content;
  oracle->members = members;
  oracle->bounds = bounds;
  oracle->now = 0;
  oracle->failure.invariant = NULL;
  for (uint32_t i = 0; i < SIM_MEMBERS_MAX; i++) {
    for (uint32_t g = 0; g < SIM_GENERATIONS_MAX; g++) oracle->authors[i][g].count = 0;
    oracle->numbers[i] = 0;
    oracle->delivered[i] = 0;
    oracle->lonely_since[i] = GR_TIME_NEVER;
  }
  memset(oracle->witnesses, 0, sizeof(oracle->witnesses));
  memset(oracle->told, 0, sizeof(oracle->told));
  memset(oracle->suspected, 0, sizeof(oracle->suspected));
  oracle->order_count = 0;
  oracle->ballot_count = 0;
  oracle->chosen = oracle->unproven = 0;
  sim_oracle_founded(oracle);
  oracle->digest = 0;
}

void sim_oracle_release(struct sim_oracle *oracle) {
  for (uint32_t i = 0; i < SIM_MEMBERS_MAX; i++)
    for (uint32_t g = 0; g < SIM_GENERATIONS_MAX; g++)
      free(oracle->authors[i][g].submissions);
  free(oracle->order);
  free(oracle->ballots);
  free(oracle->views);
  memset(oracle, 0, sizeof(*oracle));
}

void sim_oracle_fail(struct sim_oracle *oracle, const char *invariant, const char *format,
                     ...) {
  if (oracle->failure.invariant) return;
  oracle->failure.invariant = invariant;
  oracle->failure.at = oracle->now;
  va_list arguments;
  va_start(arguments, format);
  vsnprintf(oracle->failure.text, sizeof(oracle->failure.text), format, arguments);
  va_end(arguments);
}

void sim_oracle_born(struct sim_oracle *oracle, uint32_t member, uint32_t generation) {
  oracle->witnesses[member] =
      (struct sim_witness){.generation = generation, .live = true, .born = oracle->now};
}

void sim_oracle_died(struct sim_oracle *oracle, uint32_t member) {
  oracle->witnesses[member].live = false;
}

void sim_oracle_digest(struct sim_oracle *oracle, uint64_t value) {
  uint64_t mixed = (oracle->digest ^ value) * UINT64_C(0x9e3779b97f4a7c15);
  oracle->digest = mixed ^ mixed >> 29;
}

/* ---- messages ---- */

static struct sim_author *author_of(struct sim_oracle *oracle, uint32_t member,
                                    uint32_t generation) {
  return &oracle->authors[member][oracle->bounds.durable ? 0 : generation];
}

/* The first message of a process goes behind all that are delivered of its member. */
static void begin_author(struct sim_oracle *oracle, uint32_t member) {
  struct sim_witness *witness = &oracle->witnesses[member];
  if (!oracle->bounds.durable || witness->broadcasts) return;
  witness->broadcasts = true;
  oracle->authors[member][0].count = oracle->numbers[member];
}

void sim_oracle_broadcast(struct sim_oracle *oracle, uint32_t member, uint64_t number,
                          uint32_t size) {
  uint32_t generation = oracle->witnesses[member].generation;
  struct sim_author *author = author_of(oracle, member, generation);
  begin_author(oracle, member);
  if (number != author->count + 1) {
    sim_oracle_fail(oracle, "A3", "member %u: broadcast was given number %llu, not %llu",
                    member + 1, (unsigned long long)number,
                    (unsigned long long)author->count + 1);
    return;
  }
  if (author->count == author->capacity) {
    author->capacity = author->capacity ? 2 * author->capacity : 256;
    author->submissions = sim_reallocate(author->submissions,
                                         author->capacity * sizeof(*author->submissions));
  }
  author->submissions[author->count++] =
      (struct sim_submission){.at = oracle->now, .size = size, .generation = generation};
}

static bool content_equals(const uint8_t *expected, const gr_delivery *delivery) {
  uint64_t at = 0;
  for (size_t i = 0; i < delivery->part_count; i++) {
    const gr_slice *part = &delivery->parts[i];
    if (part->size > delivery->bytes - at) return false;
    if (part->size > 0 && memcmp(expected + at, part->data, part->size) != 0)
      return false;
    at += part->size;
  }
  return at == delivery->bytes;
}

/* True if that process broadcast exactly this under this number. */
static bool broadcast_by(const struct sim_oracle *oracle, uint32_t origin,
                         uint32_t generation, const gr_delivery *delivery) {
  const struct sim_author *author = &oracle->authors[origin][generation];
  if (delivery->number == 0 || delivery->number > author->count) return false;
  const struct sim_submission *submission = &author->submissions[delivery->number - 1];
  if (submission->size != delivery->bytes) return false;
  return content_equals(sim_content_at(oracle->content, origin, submission->generation,
                                       delivery->number),
                        delivery);
}

/* A8: whoever was heard by no majority since before the broadcast got it ordered. */
static void check_quorum(struct sim_oracle *oracle, uint32_t member,
                         const struct sim_ordered *ordered) {
  gr_time lonely = oracle->lonely_since[ordered->origin];
  const struct sim_author *author =
      &oracle->authors[ordered->origin][ordered->generation];
  if (lonely >= author->submissions[ordered->number - 1].at) return;
  sim_oracle_fail(oracle, "A8",
                  "member %u delivers message %llu of member %u, which no majority can "
                  "have heard of",
                  member + 1, (unsigned long long)ordered->number, ordered->origin + 1);
}

/* The message is the first one at its seqno: it extends the one order. */
static void order_append(struct sim_oracle *oracle, uint32_t member, uint32_t origin,
                         const gr_delivery *delivery, gr_slot slot) {
  uint32_t generation = 0;
  uint32_t generations = oracle->bounds.durable ? 1 : SIM_GENERATIONS_MAX;
  while (generation < generations && !broadcast_by(oracle, origin, generation, delivery))
    generation++;
  if (generation == generations) {
    sim_oracle_fail(oracle, "A2",
                    "member %u delivers at seqno %llu a message %llu of member %u, %zu "
                    "bytes, which was never broadcast like this",
                    member + 1, (unsigned long long)delivery->seqno,
                    (unsigned long long)delivery->number, origin + 1, delivery->bytes);
    return;
  }
  if (delivery->number != ++oracle->numbers[origin]) {
    sim_oracle_fail(oracle, delivery->number < oracle->numbers[origin] ? "A2" : "A3",
                    "member %u delivers at seqno %llu message %llu of member %u, whose "
                    "next one is %llu",
                    member + 1, (unsigned long long)delivery->seqno,
                    (unsigned long long)delivery->number, origin + 1,
                    (unsigned long long)oracle->numbers[origin]);
    return;
  }
  if (oracle->order_count == oracle->order_capacity) {
    oracle->order_capacity = oracle->order_capacity ? 2 * oracle->order_capacity : 4096;
    oracle->order =
        sim_reallocate(oracle->order, oracle->order_capacity * sizeof(*oracle->order));
  }
  uint64_t before = sim_oracle_data(oracle, oracle->order_count).hash;
  struct sim_ordered *ordered = &oracle->order[oracle->order_count++];
  *ordered = (struct sim_ordered){.slot = slot,
                                  .number = delivery->number,
                                  .size = (uint32_t)delivery->bytes,
                                  .origin = (uint8_t)origin,
                                  .generation = (uint8_t)generation,
                                  .hash = sim_data_hash(before, origin, delivery->number,
                                                        delivery->bytes)};
  check_quorum(oracle, member, ordered);
}

/* Another member was first at this seqno: it must be the same message, in the same slot.
 */
static void check_agreement(struct sim_oracle *oracle, uint32_t member, uint32_t origin,
                            const gr_delivery *delivery, gr_slot slot) {
  const struct sim_ordered *ordered = &oracle->order[delivery->seqno - 1];
  if (ordered->origin != origin || ordered->number != delivery->number)
    sim_oracle_fail(oracle, "A1",
                    "member %u delivers at seqno %llu message %llu of member %u; another "
                    "delivered message %llu of member %u",
                    member + 1, (unsigned long long)delivery->seqno,
                    (unsigned long long)delivery->number, origin + 1,
                    (unsigned long long)ordered->number, ordered->origin + 1);
  else if (!broadcast_by(oracle, origin, ordered->generation, delivery))
    sim_oracle_fail(oracle, "A2",
                    "member %u delivers at seqno %llu message %llu of member %u with "
                    "other bytes than were broadcast",
                    member + 1, (unsigned long long)delivery->seqno,
                    (unsigned long long)delivery->number, origin + 1);
  else if (ordered->slot != slot)
    sim_oracle_fail(oracle, "A4",
                    "member %u delivers seqno %llu in slot %llu; another did in slot "
                    "%llu",
                    member + 1, (unsigned long long)delivery->seqno,
                    (unsigned long long)slot, (unsigned long long)ordered->slot);
}

void sim_oracle_deliver(struct sim_oracle *oracle, uint32_t member,
                        const gr_delivery *delivery, gr_slot slot) {
  struct sim_witness *witness = &oracle->witnesses[member];
  uint32_t origin = (uint32_t)(delivery->origin - 1);
  if (witness->formed == 0 && !witness->restores)
    sim_oracle_fail(oracle, "I-MEET-1", "member %u delivers before it takes part",
                    member + 1);
  if (delivery->seqno != ++witness->seqno) {
    sim_oracle_fail(oracle, "A3", "member %u delivers seqno %llu, but %llu is next",
                    member + 1, (unsigned long long)delivery->seqno,
                    (unsigned long long)witness->seqno);
    return;
  }
  if (origin >= oracle->members) {
    sim_oracle_fail(oracle, "A2", "member %u delivers a message of nobody", member + 1);
    return;
  }
  sim_oracle_must_be_chosen(oracle, member, slot);
  if (delivery->seqno > oracle->order_count)
    order_append(oracle, member, origin, delivery, slot);
  else
    check_agreement(oracle, member, origin, delivery, slot);
  witness->numbers[origin] = delivery->number;
  sim_oracle_digest(oracle, (uint64_t)member << 56 ^ delivery->seqno);
  sim_oracle_digest(oracle, delivery->origin << 56 ^ delivery->number);
  sim_oracle_digest(oracle, delivery->bytes);
}

/* ---- marks ---- */

static void check_bounds(struct sim_oracle *oracle, uint32_t member,
                         const gr_status *status) {
  const struct sim_bounds *bounds = &oracle->bounds;
  if (status->cache_bytes > status->cache_bytes_max ||
      status->cache_bytes_max > bounds->cache_bytes_max)
    sim_oracle_fail(oracle, "A10", "member %u keeps %llu bytes of payload; allowed: %llu",
                    member + 1, (unsigned long long)status->cache_bytes,
                    (unsigned long long)bounds->cache_bytes_max);
  /* A message is let into an empty lane whatever its size, with its own header. */
  uint64_t most = bounds->message_bytes_max + 64;
  if (most < bounds->unordered_bytes_max) most = bounds->unordered_bytes_max;
  if (status->unordered_bytes > most)
    sim_oracle_fail(oracle, "A10", "member %u has %llu unordered bytes; allowed: %llu",
                    member + 1, (unsigned long long)status->unordered_bytes,
                    (unsigned long long)most);
}

static bool majority_delivered(const struct sim_oracle *oracle,
                               const struct sim_view *view, gr_slot slot) {
  uint32_t count = 0;
  for (uint32_t i = 0; i < oracle->members; i++)
    if (view->seats[i] == SIM_SEAT_VOTER && oracle->delivered[i] >= slot) count++;
  return 2 * count > view->voters;
}

/* What only a minority ever delivered, a majority might lack for ever. */
static void check_forgotten(struct sim_oracle *oracle, uint32_t member,
                            const gr_status *status) {
  if (oracle->bounds.durable)
    sim_oracle_told_settled(oracle, member, status->settled);
  else if (oracle->delivered[member] < status->delivered)
    oracle->delivered[member] = status->delivered;
  const struct sim_witness *witness = &oracle->witnesses[member];
  gr_slot before = witness->status.log_first;
  /* What was before a joiner came it never had. */
  if (status->log_first <= before || (witness->joined && before == 0)) return;
  /* It may have forgotten them in a view from which it has moved on in the same turn. */
  uint64_t number = witness->status.view > 0 ? witness->status.view : status->view;
  for (; number <= status->view; number++) {
    const struct sim_view *view = sim_oracle_view_of(oracle, number);
    if (!view) view = sim_oracle_view_now(oracle);
    if (majority_delivered(oracle, view, status->log_first - 1)) return;
  }
  sim_oracle_fail(oracle, "I-EVICT-1",
                  "member %u has forgotten the slots before %llu, which no majority has "
                  "delivered",
                  member + 1, (unsigned long long)status->log_first);
}

void sim_oracle_status(struct sim_oracle *oracle, uint32_t member,
                       const gr_status *status) {
  struct sim_witness *witness = &oracle->witnesses[member];
  const gr_status *before = &witness->status;
  if (status->chosen < before->chosen || status->delivered < before->delivered ||
      status->log_first < before->log_first || status->seqno < before->seqno)
    sim_oracle_fail(oracle, "A4", "member %u: a mark went back", member + 1);
  if (sim_ballot_compare(status->promised, before->promised) < 0)
    sim_oracle_fail(oracle, "A4", "member %u: its promise went back", member + 1);
  if (sim_ballot_compare(status->promised, before->promised) == 0 &&
      status->accepted < before->accepted)
    sim_oracle_fail(oracle, "A4", "member %u: accepted went back in one ballot",
                    member + 1);
  /* Nothing is delivered to a host that has it. */
  gr_seqno seqno = status->seqno > witness->applied ? status->seqno : witness->applied;
  if (status->delivered > status->chosen || seqno != witness->seqno)
    sim_oracle_fail(oracle, "A4", "member %u: its marks contradict each other",
                    member + 1);
  if (oracle->unproven > 0) sim_oracle_unproven(oracle);
  check_bounds(oracle, member, status);
  check_forgotten(oracle, member, status);
  witness->status = *status;
}

void sim_oracle_halt(struct sim_oracle *oracle, uint32_t member, int error,
                     const char *text) {
  const struct sim_witness *witness = &oracle->witnesses[member];
  bool replaced = error == GR_ERR_REPLACED &&
                  (oracle->bounds.durable ? witness->wiped : witness->generation > 0);
  bool behind = error == GR_ERR_BEHIND && oracle->bounds.may_fall_behind;
  if (!replaced && !behind)
    sim_oracle_fail(oracle, "HALT", "member %u halts: %s: %s", member + 1,
                    gr_error_name(error), text);
  oracle->witnesses[member].live = false;
}
