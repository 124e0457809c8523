/* SPDX-License-Identifier: MIT
 *
 * Slots and their values. A table is a window of consecutive slots with a value each;
 * three of them make up what a member knows of the order: the log (accepted or chosen
 * values), the proposals that wait to be accepted, and, in a candidate, what promises
 * reported. Changes of the view are few and large: each table keeps some apart.
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
  uint8_t config; /* 1 + where the table keeps the change; 0: a cut */
  gr_ticket
      ticket; /* in the log: of its record in storage; GR_TICKET_NONE: not stored yet */
  struct gr_mark marks[]; /* one for each member */
};

/* Later than every ticket. */
#define GR_TICKET_NONE UINT64_MAX

/* Changes that a table keeps at most. Of undecided ones there is one for each promise or
 * proposal; of chosen ones the log keeps so many, and forgets what lies before. */
#define GR_CONFIGS_MAX 48

struct gr_kept_config {
  gr_slot slot; /* whose value it was when it was put here; 0: nobody's */
  struct gr_config config;
};

struct gr_slot_table {
  uint8_t *memory;
  size_t stride;
  uint64_t capacity; /* a power of two */
  struct gr_kept_config *configs;
};

static inline size_t gr_slot_stride(uint32_t members) {
  return sizeof(struct gr_slot_entry) + members * sizeof(struct gr_mark);
}

static inline void gr_slot_table_carve(struct gr_slot_table *table,
                                       struct gr_carver *carver, uint64_t capacity,
                                       uint32_t members) {
  uint8_t *memory = gr_carve(carver, capacity, gr_slot_stride(members));
  struct gr_kept_config *configs = gr_carve(carver, GR_CONFIGS_MAX, sizeof(*configs));
  if (carver->memory)
    *table = (struct gr_slot_table){memory, gr_slot_stride(members), capacity, configs};
}

static inline struct gr_slot_entry *gr_slot_at(const struct gr_slot_table *table,
                                               gr_slot slot) {
  return (struct gr_slot_entry *)(void *)(table->memory +
                                          (slot & (table->capacity - 1)) * table->stride);
}

static inline void gr_configs_clear(struct gr_slot_table *table) {
  for (uint32_t i = 0; i < GR_CONFIGS_MAX; i++) table->configs[i].slot = 0;
}

static inline void gr_slot_clear(struct gr_slot_table *table) {
  for (uint64_t i = 0; i < table->capacity; i++) {
    gr_slot_at(table, i)->slot = 0;
    gr_slot_at(table, i)->config = 0;
  }
  gr_configs_clear(table);
}

/* Whether a change that is kept is still the value of a slot that counts. */
static inline bool gr_config_used(const struct gr_slot_table *table, uint32_t index,
                                  gr_slot first, gr_slot end) {
  gr_slot slot = table->configs[index].slot;
  return slot >= first && slot < end && gr_slot_at(table, slot)->slot == slot &&
         gr_slot_at(table, slot)->config == index + 1;
}

/* A place for a change, where slots first .. end - 1 count; GR_CONFIGS_MAX if there is
 * none.
 */
static inline uint32_t gr_config_place(const struct gr_slot_table *table, gr_slot first,
                                       gr_slot end) {
  uint32_t index = 0;
  while (index < GR_CONFIGS_MAX && gr_config_used(table, index, first, end)) index++;
  return index;
}

/* Sets a slot's value, while slots first .. end - 1 count. False if it is a change, and
 * there are too many. */
static inline bool gr_slot_set(const struct gr_slot_table *table, gr_slot slot,
                               gr_ballot ballot, const struct gr_cut *cut,
                               uint32_t members, gr_slot first, gr_slot end) {
  struct gr_slot_entry *entry = gr_slot_at(table, slot);
  uint8_t config = 0;
  if (gr_is_config(cut)) {
    /* Beyond the slots that count lies what nobody wrote, or what somebody forgot. */
    bool counts = slot >= first && slot < end && entry->slot == slot;
    bool same = counts && entry->config != 0;
    uint32_t place = same ? entry->config - 1u : gr_config_place(table, first, end);
    if (place == GR_CONFIGS_MAX) return false;
    table->configs[place] = (struct gr_kept_config){slot, cut->config};
    config = (uint8_t)(place + 1);
  }
  entry->slot = slot;
  entry->ballot = ballot;
  entry->chosen = false;
  entry->config = config;
  entry->ticket = GR_TICKET_NONE;
  entry->lanes = cut->lanes;
  memcpy(entry->marks, cut->marks, members * sizeof(struct gr_mark));
  return true;
}

static inline const struct gr_config *gr_slot_config(const struct gr_slot_table *table,
                                                     const struct gr_slot_entry *entry) {
  return entry->config == 0 ? NULL : &table->configs[entry->config - 1].config;
}

static inline void gr_slot_cut(const struct gr_slot_table *table,
                               const struct gr_slot_entry *entry, uint32_t members,
                               struct gr_cut *cut) {
  cut->lanes = entry->lanes;
  memcpy(cut->marks, entry->marks, members * sizeof(struct gr_mark));
  cut->config.kind = 0;
  if (entry->config != 0) cut->config = *gr_slot_config(table, entry);
}

#endif
