/* SPDX-License-Identifier: MIT
 *
 * The disk: takes records at once, makes them durable later, one sync at a time for all
 * that came before it began. A crash takes what was not synced, or some of it from the
 * end on: never one record and not a later one, which is what the checksums of a
 * write-ahead log see to. What a process finds when it starts is durable, for the log
 * syncs it then.
 */
#include "simulation.h"

#include <stdlib.h>
#include <string.h>

static struct sim_storage *storage_of(const struct sim_process *process) {
  return &process->sim->storages[process->index];
}

static void plan(const struct sim_process *process, gr_time wait,
                 enum sim_event_kind kind, uint64_t value) {
  struct simulation *sim = process->sim;
  sim_events_add(&sim->events,
                 (struct sim_event){.at = sim->now + wait,
                                    .kind = kind,
                                    .value = value,
                                    .member = (uint8_t)process->index,
                                    .generation = (uint16_t)process->generation});
}

static struct sim_frame *join(struct simulation *sim, const gr_slice *parts,
                              size_t part_count) {
  size_t size = 0, at = 0;
  for (size_t i = 0; i < part_count; i++) size += parts[i].size;
  struct sim_frame *copy = sim_frame_new(sim->memory, size);
  for (size_t i = 0; i < part_count; i++) {
    if (parts[i].size > 0) memcpy(copy->bytes + at, parts[i].data, parts[i].size);
    at += parts[i].size;
  }
  return copy;
}

static void drop(struct simulation *sim, struct sim_frame **frame) {
  if (*frame) sim_frame_free(sim->memory, *frame);
  *frame = NULL;
}

/* ---- life ---- */

void sim_storage_begin(struct simulation *sim) {
  for (uint32_t i = 0; i < SIM_SERVERS_MAX; i++) {
    struct sim_storage *storage = &sim->storages[i];
    *storage = (struct sim_storage){.records = storage->records,
                                    .capacity = storage->capacity,
                                    .kept.first = 1};
  }
}

void sim_storage_wipe(struct simulation *sim, uint32_t index) {
  struct sim_storage *storage = &sim->storages[index];
  for (size_t i = 0; i < storage->count; i++) drop(sim, &storage->records[i].copy);
  drop(sim, &storage->kept.state);
  drop(sim, &storage->begun.state);
  drop(sim, &storage->waiting.state);
  drop(sim, &storage->remnant);
  storage->count = 0;
  storage->last = storage->durable = storage->noted = storage->syncing = 0;
  storage->kept.first = 1;
  storage->applied = storage->applying = 0;
}

void sim_storage_end(struct simulation *sim) {
  for (uint32_t i = 0; i < SIM_SERVERS_MAX; i++) sim_storage_wipe(sim, i);
}

void sim_storage_release(struct simulation *sim) {
  for (uint32_t i = 0; i < SIM_SERVERS_MAX; i++) {
    free(sim->storages[i].records);
    sim->storages[i] = (struct sim_storage){0};
  }
}

/* ---- records ---- */

static bool is_full(const struct sim_process *process) {
  return storage_of(process)->full_until > process->sim->now;
}

static void keep(struct sim_storage *storage, struct sim_kept record) {
  if (storage->count == storage->capacity) {
    storage->capacity = storage->capacity ? 2 * storage->capacity : 256;
    storage->records =
        sim_reallocate(storage->records, storage->capacity * sizeof(*storage->records));
  }
  storage->records[storage->count++] = record;
  storage->last = record.ticket;
}

int sim_storage_store(struct sim_process *process, gr_ticket ticket,
                      const gr_slice *parts, size_t part_count) {
  struct simulation *sim = process->sim;
  struct sim_storage *storage = storage_of(process);
  if (process->dying) return -1;
  if (ticket != storage->last + 1)
    sim_oracle_fail(&sim->oracle, "STORE", "member %u stores ticket %llu after %llu",
                    process->index + 1, (unsigned long long)ticket,
                    (unsigned long long)storage->last);
  if (part_count == 0 || part_count > 2 || parts[0].size > GR_RECORD_HEADER_MAX)
    sim_oracle_fail(&sim->oracle, "STORE", "member %u stores a record of a wrong shape",
                    process->index + 1);
  if (is_full(process)) {
    process->storage_failed = true;
    return -1;
  }
  struct sim_kept record = {.ticket = ticket, .copy = join(sim, parts, part_count)};
  if (part_count == 2) {
    record.tail = parts[1].data;
    record.tail_bytes = parts[1].size;
  }
  keep(storage, record);
  sim_report_store(&sim->report, sim->now, process->index, "store", ticket, record.copy);
  if (sim->config.disk.no_sync_callback) sim_storage_sync(process);
  sim_oracle_digest(&sim->oracle, ticket << 32 ^ record.copy->size);
  return 0;
}

/* Until this moment the library must not have touched the second parts. */
static void check_tails(struct sim_process *process, gr_ticket upto) {
  struct sim_storage *storage = storage_of(process);
  while (storage->noted < upto) {
    gr_ticket ticket = ++storage->noted;
    if (storage->count == 0 || ticket < storage->records[0].ticket) continue;
    struct sim_kept *record = &storage->records[ticket - storage->records[0].ticket];
    if (!record->tail) continue;
    const uint8_t *copied = record->copy->bytes + record->copy->size - record->tail_bytes;
    if (memcmp(record->tail, copied, record->tail_bytes) != 0)
      sim_oracle_fail(
          &process->sim->oracle, "STORE",
          "member %u changed a part of record %llu, which was not durable yet",
          process->index + 1, (unsigned long long)ticket);
    record->tail = NULL;
  }
}

/* ---- syncs ---- */

static gr_time draw_sync(struct simulation *sim, uint32_t index) {
  const struct sim_disk_config *disk = &sim->config.disk;
  gr_time time = sim_exponential(&sim->disk_random, disk->sync_ns);
  if (disk->slow_members >> index & 1) time *= SIM_SLOW_DISK;
  if (sim_chance(&sim->disk_random, disk->stall_ppm))
    time += gr_random_below(&sim->disk_random, 2 * SIM_SECOND);
  return time;
}

void sim_storage_sync(struct sim_process *process) {
  struct sim_storage *storage = storage_of(process);
  if (process->dying || process->storage_failed) return;
  if (storage->syncing > 0 || storage->last == storage->durable) return;
  storage->syncing = storage->last;
  plan(process, draw_sync(process->sim, process->index), SIM_EVENT_SYNCED,
       storage->syncing);
}

/* The member hears of it now, or later, and perhaps again. */
static void give_notice(struct sim_process *process, gr_ticket upto) {
  struct simulation *sim = process->sim;
  const struct sim_disk_config *disk = &sim->config.disk;
  gr_time later = 4 * disk->sync_ns + SIM_MS;
  if (sim_chance(&sim->disk_random, disk->late_notice_ppm))
    plan(process, gr_random_below(&sim->disk_random, later), SIM_EVENT_STORED, upto);
  else
    sim_storage_stored(process, upto);
  if (sim_chance(&sim->disk_random, disk->twice_notice_ppm))
    plan(process, gr_random_below(&sim->disk_random, later), SIM_EVENT_STORED, upto);
}

static void synced(struct sim_process *process, gr_ticket upto) {
  struct simulation *sim = process->sim;
  struct sim_storage *storage = storage_of(process);
  if (storage->stalls_until > sim->now) {
    plan(process, storage->stalls_until - sim->now, SIM_EVENT_SYNCED, upto);
    return;
  }
  storage->syncing = 0;
  if (storage->fails) {
    storage->fails = false;
    process->storage_failed = true;
    sim_process_wake(process);
    return;
  }
  storage->durable = upto;
  sim_report_store(&sim->report, sim->now, process->index, "durable", upto, NULL);
  give_notice(process, upto);
  sim_storage_sync(process);
}

/* The loop will find it in its next turn. */
void sim_storage_stored(struct sim_process *process, gr_ticket upto) {
  size_t places = sizeof(process->notices) / sizeof(process->notices[0]);
  if (process->notice_count == places) {
    /* Each says all that a lower one says. */
    gr_ticket *first = &process->notices[0];
    if (*first < upto) *first = upto;
  } else {
    process->notices[process->notice_count++] = upto;
  }
  sim_process_wake(process);
}

void sim_storage_tell(struct sim_process *process) {
  struct simulation *sim = process->sim;
  for (size_t i = 0; i < process->notice_count; i++) {
    check_tails(process, process->notices[i]);
    int error = gr_group_stored(process->group, process->notices[i]);
    if (error != GR_OK && error != GR_ERR_HALTED)
      sim_oracle_fail(&sim->oracle, "API", "gr_group_stored: %s", gr_error_name(error));
  }
  process->notice_count = 0;
  if (!process->storage_failed) return;
  int error = gr_group_storage_failed(process->group);
  if (error != GR_OK)
    sim_oracle_fail(&sim->oracle, "API", "gr_group_storage_failed: %s",
                    gr_error_name(error));
}

/* ---- states ---- */

static void begin_trim(struct sim_process *process, struct sim_trim trim) {
  struct simulation *sim = process->sim;
  storage_of(process)->begun = trim;
  plan(process, sim_exponential(&sim->disk_random, sim->config.disk.trim_ns),
       SIM_EVENT_TRIMMED, 0);
}

int sim_storage_trim(struct sim_process *process, gr_ticket first, gr_slice state) {
  struct simulation *sim = process->sim;
  struct sim_storage *storage = storage_of(process);
  if (process->dying) return -1;
  gr_ticket before = storage->kept.first;
  if (storage->begun.state) before = storage->begun.first;
  if (storage->waiting.state) before = storage->waiting.first;
  if (first < before || first > storage->last + 1 || state.size > GR_RECORD_HEADER_MAX)
    sim_oracle_fail(&sim->oracle, "STORE",
                    "member %u trims to ticket %llu; it did to %llu, and has %llu",
                    process->index + 1, (unsigned long long)first,
                    (unsigned long long)before, (unsigned long long)storage->last);
  if (is_full(process)) {
    process->storage_failed = true;
    return -1;
  }
  struct sim_trim trim = {first, join(sim, &state, 1)};
  if (!storage->begun.state) {
    begin_trim(process, trim);
    return 0;
  }
  drop(sim, &storage->waiting.state);
  storage->waiting = trim;
  return 0;
}

/* From the front. */
static void drop_records(struct simulation *sim, struct sim_storage *storage,
                         size_t count) {
  for (size_t i = 0; i < count; i++) drop(sim, &storage->records[i].copy);
  storage->count -= count;
  if (count > 0)
    memmove(storage->records, storage->records + count,
            storage->count * sizeof(*storage->records));
}

/* Records go from the front, all that may or, as with files of many records, fewer. */
static void forget(struct simulation *sim, struct sim_storage *storage) {
  size_t most = 0;
  while (most < storage->count && storage->records[most].ticket < storage->kept.first)
    most++;
  size_t gone = most;
  if (gr_random_below(&sim->disk_random, 2) == 0)
    gone = (size_t)gr_random_below(&sim->disk_random, most + 1);
  drop_records(sim, storage, gone);
}

static void keep_state(struct simulation *sim, struct sim_storage *storage) {
  drop(sim, &storage->kept.state);
  storage->kept = storage->begun;
  storage->begun.state = NULL;
  forget(sim, storage);
}

static void trimmed(struct sim_process *process) {
  struct sim_storage *storage = storage_of(process);
  if (!storage->begun.state) return; /* somebody could not wait for it */
  keep_state(process->sim, storage);
  sim_report_store(&process->sim->report, process->sim->now, process->index, "trimmed",
                   storage->kept.first, NULL);
  /* Now what is not durable yet has to do without what was forgotten. */
  sim_crashes_ambush(process, GR_TRACE_CHECKPOINT);
  if (!storage->waiting.state) return;
  struct sim_trim next = storage->waiting;
  storage->waiting.state = NULL;
  begin_trim(process, next);
}

/* ---- the host's own state ---- */

static void applied(struct sim_process *process, gr_seqno seqno) {
  struct simulation *sim = process->sim;
  struct sim_storage *storage = storage_of(process);
  if (storage->applying != seqno) return; /* another state has taken its place */
  if (storage->applied < seqno) storage->applied = seqno;
  storage->applying = 0;
  if (!sim_chance(&sim->disk_random, sim->config.disk.checkpoint_ppm)) return;
  process->checkpoint_due = true;
  sim_process_wake(process);
}

void sim_storage_turn(struct sim_process *process) {
  struct simulation *sim = process->sim;
  const struct sim_disk_config *disk = &sim->config.disk;
  struct sim_storage *storage = storage_of(process);
  gr_seqno delivered = process->data.seqno;
  if (sim->oracle.witnesses[sim_process_member(process)].formed != 0 &&
      storage->durable == storage->last)
    storage->met = true;
  if (storage->applying > 0 || delivered <= storage->applied ||
      !sim_chance(&sim->disk_random, disk->apply_ppm))
    return;
  storage->applying = delivered;
  if (sim_chance(&sim->disk_random, disk->apply_lag_ppm))
    storage->applying = sim_between(&sim->disk_random, storage->applied + 1, delivered);
  plan(process, sim_exponential(&sim->disk_random, disk->apply_ns), SIM_EVENT_APPLIED,
       storage->applying);
}

void sim_storage_checkpoint(struct sim_process *process) {
  struct simulation *sim = process->sim;
  process->checkpoint_due = false;
  if (process->id == 0) return;
  int error = gr_group_checkpoint(process->group, storage_of(process)->applied);
  /* A joiner comes to what its host has only later. */
  if (sim->config.dynamic && error == GR_ERR_INVALID) return;
  if (error != GR_OK && error != GR_ERR_HALTED)
    sim_oracle_fail(&sim->oracle, "API", "gr_group_checkpoint: %s", gr_error_name(error));
}

/* ---- crashes ---- */

/* How many of the records that were not synced are left. Those of a process that was
 * killed are with the system; of those of a machine without power nobody knows. */
static uint64_t draw_left(struct simulation *sim, uint64_t unsynced, bool power) {
  if (sim_chance(&sim->disk_random, sim->config.disk.unknown_ppm))
    return sim_between(&sim->disk_random, 0, unsynced);
  return power ? 0 : unsynced;
}

void sim_storage_crash(struct simulation *sim, uint32_t index, bool power) {
  struct sim_storage *storage = &sim->storages[index];
  uint64_t unsynced = storage->last - storage->durable;
  uint64_t lost = unsynced - draw_left(sim, unsynced, power);
  drop(sim, &storage->remnant);
  for (; lost > 0 && storage->count > 0; lost--) {
    drop(sim, &storage->remnant);
    storage->remnant = storage->records[--storage->count].copy;
    storage->last--;
  }
  for (size_t i = storage->count; i-- > 0 && storage->records[i].ticket > storage->noted;)
    storage->records[i].tail = NULL;
  bool trimmed = storage->begun.state && gr_random_below(&sim->disk_random, 2) == 0;
  if (trimmed) keep_state(sim, storage);
  drop(sim, &storage->begun.state);
  drop(sim, &storage->waiting.state);
  if (storage->last + 1 < storage->kept.first) {
    drop_records(sim, storage, storage->count);
    drop(sim, &storage->remnant);
    storage->last = storage->kept.first - 1;
  }
  if (storage->applying > 0 && gr_random_below(&sim->disk_random, 2) == 0)
    storage->applied = storage->applying;
  storage->applying = 0;
  storage->durable = storage->noted = storage->last;
  storage->syncing = 0;
  storage->fails = false;
}

void sim_storage_await_trim(struct sim_process *process) {
  struct simulation *sim = process->sim;
  struct sim_storage *storage = storage_of(process);
  if (storage->waiting.state) {
    drop(sim, &storage->begun.state);
    storage->begun = storage->waiting;
    storage->waiting.state = NULL;
  }
  if (storage->begun.state) keep_state(sim, storage);
}

/* ---- events ---- */

void sim_storage_event(struct simulation *sim, const struct sim_event *event) {
  struct sim_process *process = &sim->processes[event->member];
  bool runs = process->state == SIM_UP || process->state == SIM_PAUSED;
  if (!runs || event->generation != (uint16_t)process->generation) return;
  if (event->kind == SIM_EVENT_SYNCED)
    synced(process, event->value);
  else if (event->kind == SIM_EVENT_STORED)
    sim_storage_stored(process, event->value);
  else if (event->kind == SIM_EVENT_TRIMMED)
    trimmed(process);
  else
    applied(process, event->value);
}

uint64_t sim_storage_bytes(const struct sim_storage *storage) {
  uint64_t bytes = 0;
  for (size_t i = 0; i < storage->count; i++)
    if (storage->records[i].ticket >= storage->kept.first)
      bytes += storage->records[i].copy->size;
  return bytes;
}
