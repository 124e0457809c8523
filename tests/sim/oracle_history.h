/* SPDX-License-Identifier: MIT
 *
 * Histories for tests of the oracle: what members do, in short.
 */
#ifndef SIM_ORACLE_HISTORY_H
#define SIM_ORACLE_HISTORY_H

#include "memory.h"
#include "oracle.h"

#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>

#define MEMBERS 3

static struct sim_content *content;
static struct sim_oracle *oracle;

static const gr_ballot first_ballot = {.view = 1, .round = 1, .member = 1};

static inline void begin(void) {
  content = sim_allocate(sizeof(*content));
  oracle = memset(sim_allocate(sizeof(*oracle)), 0, sizeof(*oracle));
  sim_content_fill(content);
  sim_oracle_begin(oracle, content, MEMBERS,
                   (struct sim_bounds){.cache_bytes_max = 1000,
                                       .unordered_bytes_max = 1000,
                                       .message_bytes_max = 1000});
  oracle->now = 1;
  for (uint32_t i = 0; i < MEMBERS; i++) {
    sim_oracle_born(oracle, i, 0);
    sim_oracle_trace(oracle, i, &(gr_trace_event){.kind = GR_TRACE_FORMED});
  }
}

static inline void end(void) {
  sim_oracle_release(oracle);
  free(oracle);
  free(content);
}

/* ---- what members do, in short ---- */

static inline void trace(uint32_t member, enum gr_trace_kind kind, gr_ballot ballot,
                         gr_slot slot) {
  sim_oracle_trace(oracle, member,
                   &(gr_trace_event){.kind = kind, .ballot = ballot, .slot = slot});
}

static inline void promise_all(gr_ballot ballot) {
  for (uint32_t i = 0; i < MEMBERS; i++) trace(i, GR_TRACE_PROMISE, ballot, 0);
}

/* Slots up to this one are chosen, in the first ballot. */
static inline void choose(gr_slot slot) {
  trace(0, GR_TRACE_PROPOSE, first_ballot, slot);
  trace(1, GR_TRACE_ACCEPT, first_ballot, slot);
}

static inline void lead(void) {
  promise_all(first_ballot);
  trace(0, GR_TRACE_LEADER, first_ballot, 1);
}

static inline void deliver_bytes(uint32_t member, gr_seqno seqno, uint32_t origin,
                                 uint64_t number, gr_slot slot, const uint8_t *bytes,
                                 size_t size) {
  gr_slice parts[2] = {{bytes, size / 3}, {bytes + size / 3, size - size / 3}};
  sim_oracle_deliver(oracle, member,
                     &(gr_delivery){.seqno = seqno,
                                    .origin = origin + 1,
                                    .number = number,
                                    .parts = parts,
                                    .part_count = 2,
                                    .bytes = size},
                     slot);
}

/* Messages are of 10 bytes and their number. */
static inline void broadcast(uint32_t member, uint64_t number) {
  sim_oracle_broadcast(oracle, member, number, (uint32_t)(10 + number));
}

static inline void deliver(uint32_t member, gr_seqno seqno, uint32_t origin,
                           uint64_t number, gr_slot slot) {
  deliver_bytes(member, seqno, origin, number, slot,
                sim_content_at(content, origin, 0, number), 10 + number);
}

/* Two messages of each of two members, chosen in slots 1 and 2. */
static inline void prepare(void) {
  lead();
  for (uint64_t number = 1; number <= 2; number++) {
    broadcast(0, number);
    broadcast(1, number);
  }
  choose(1);
  choose(2);
}

static inline void expect(const char *invariant) {
  cr_assert_not_null(oracle->failure.invariant, "nothing was found; expected %s",
                     invariant);
  cr_expect_str_eq(oracle->failure.invariant, invariant, "found %s: %s",
                   oracle->failure.invariant, oracle->failure.text);
}

#endif
