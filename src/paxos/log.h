/* SPDX-License-Identifier: MIT
 *
 * Slots and their values. A table is a window of consecutive slots with a value each;
 * three of them make up what a member knows of the order: the log (accepted or chosen
 * values), the proposals that wait to be accepted, and, in a candidate, what promises
 * reported.
 */
#ifndef GR_PAXOS_LOG_H
#define GR_PAXOS_LOG_H

#include "base/carve.h"
#include "base/ring.h"
#include "paxos/cut.h"

#include <string.h>

struct gr_slot_entry {
  gr_slot
      slot; /* tells whether a place of an unordered table holds this slot; 0: nothing */
  gr_ballot ballot;
  gr_memberset lanes;
  bool chosen;
  gr_ticket
      ticket; /* in the log: of its record in storage; GR_TICKET_NONE: not stored yet */
  struct gr_mark marks[]; /* one for each member */
};

/* Later than every ticket. */
#define GR_TICKET_NONE UINT64_MAX

struct gr_slot_table {
  uint8_t *memory;
  size_t stride;
  uint64_t capacity; /* a power of two */
};

static inline size_t gr_slot_stride(uint32_t members) {
  return sizeof(struct gr_slot_entry) + members * sizeof(struct gr_mark);
}

static inline void gr_slot_table_carve(struct gr_slot_table *table,
                                       struct gr_carver *carver, uint64_t capacity,
                                       uint32_t members) {
  uint8_t *memory = gr_carve(carver, capacity, gr_slot_stride(members));
  if (carver->memory)
    *table = (struct gr_slot_table){memory, gr_slot_stride(members), capacity};
}

static inline struct gr_slot_entry *gr_slot_at(const struct gr_slot_table *table,
                                               gr_slot slot) {
  return (struct gr_slot_entry *)(void *)(table->memory +
                                          (slot & (table->capacity - 1)) * table->stride);
}

static inline void gr_slot_clear(struct gr_slot_table *table) {
  for (uint64_t i = 0; i < table->capacity; i++) gr_slot_at(table, i)->slot = 0;
}

static inline void gr_slot_set(const struct gr_slot_table *table, gr_slot slot,
                               gr_ballot ballot, const struct gr_cut *cut,
                               uint32_t members) {
  struct gr_slot_entry *entry = gr_slot_at(table, slot);
  entry->slot = slot;
  entry->ballot = ballot;
  entry->chosen = false;
  entry->ticket = GR_TICKET_NONE;
  entry->lanes = cut->lanes;
  memcpy(entry->marks, cut->marks, members * sizeof(struct gr_mark));
}

static inline void gr_slot_cut(const struct gr_slot_entry *entry, uint32_t members,
                               struct gr_cut *cut) {
  cut->lanes = entry->lanes;
  memcpy(cut->marks, entry->marks, members * sizeof(struct gr_mark));
}

#endif
