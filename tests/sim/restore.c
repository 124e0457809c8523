/* SPDX-License-Identifier: MIT
 *
 * A member comes back: its new process is given what storage kept. Sometimes that is
 * first tried with a record that is damaged or missing, which must be refused, and then,
 * by yet another process, without.
 */
#include "simulation.h"

#include <string.h>

/* ---- what was kept ---- */

static int give(struct sim_process *process, gr_ticket ticket,
                const struct sim_frame *record) {
  struct simulation *sim = process->sim;
  sim_report_store(&sim->report, sim->now, process->index, "restore", ticket, record);
  return gr_group_restore(process->group, ticket,
                          (gr_slice){record->bytes, record->size});
}

static int give_all(struct sim_process *process) {
  const struct sim_storage *storage = &process->sim->storages[process->index];
  int error = GR_OK;
  if (storage->kept.state) error = give(process, 0, storage->kept.state);
  for (size_t i = 0; i < storage->count && error == GR_OK; i++)
    error = give(process, storage->records[i].ticket, storage->records[i].copy);
  return error;
}

/* ---- damage ---- */

/* Bits are flipped, or the end is missing. */
static struct sim_frame *damaged(struct simulation *sim, const struct sim_frame *record) {
  struct gr_random *random = &sim->disk_random;
  size_t size = record->size;
  bool cut = gr_random_below(random, 2) == 0;
  if (cut) size = gr_random_below(random, size);
  struct sim_frame *copy = sim_frame_new(sim->memory, size);
  memcpy(copy->bytes, record->bytes, size);
  if (!cut) {
    uint64_t at = gr_random_below(random, size);
    copy->bytes[at] ^= (uint8_t)sim_between(random, 1, 255);
  }
  return copy;
}

/* What a crash left of the record behind the last. */
static int give_remnant(struct sim_process *process) {
  struct simulation *sim = process->sim;
  const struct sim_storage *storage = &sim->storages[process->index];
  int error = give_all(process);
  if (error != GR_OK) return error;
  struct sim_frame *copy = damaged(sim, storage->remnant);
  error = give(process, storage->last + 1, copy);
  sim_frame_free(sim->memory, copy);
  return error;
}

/* All but one of the last few that are needed, which is damaged or left out. */
static int give_most(struct sim_process *process) {
  struct simulation *sim = process->sim;
  const struct sim_storage *storage = &sim->storages[process->index];
  uint64_t few = storage->last + 1 - storage->kept.first;
  if (few > storage->count) few = storage->count;
  if (few > 8) few = 8;
  size_t bad = storage->count - 1 - gr_random_below(&sim->disk_random, few);
  bool skip = bad + 1 < storage->count && gr_random_below(&sim->disk_random, 3) == 0;
  int error = GR_OK;
  if (storage->kept.state) error = give(process, 0, storage->kept.state);
  for (size_t i = 0; i < storage->count && error == GR_OK; i++) {
    const struct sim_kept *record = &storage->records[i];
    if (i == bad && skip) continue;
    if (i != bad) {
      error = give(process, record->ticket, record->copy);
      continue;
    }
    struct sim_frame *copy = damaged(sim, record->copy);
    error = give(process, record->ticket, copy);
    sim_frame_free(sim->memory, copy);
  }
  return error;
}

bool sim_restore_refused(struct sim_process *process) {
  struct simulation *sim = process->sim;
  const struct sim_storage *storage = &sim->storages[process->index];
  if (!storage->remnant && storage->last < storage->kept.first) return false;
  if (!sim_chance(&sim->disk_random, sim->config.disk.damage_ppm)) return false;
  sim_report_note(&sim->report, sim->now, process->index, "FINDS DAMAGE");
  int error = storage->remnant ? give_remnant(process) : give_most(process);
  if (gr_error_classify(error) != GR_CLASS_INPUT)
    sim_oracle_fail(&sim->oracle, "REFUSE",
                    "member %u answers a record that is damaged or missing with %s",
                    process->index + 1, gr_error_name(error));
  return true;
}

/* ---- coming back ---- */

static void fail(struct sim_process *process, const char *call, int error) {
  const char *text;
  gr_group_halt_reason(process->group, &text);
  sim_oracle_fail(&process->sim->oracle, "RESTORE", "member %u: %s: %s: %s",
                  process->index + 1, call, gr_error_name(error), text);
}

/* Its host's state is not what the log made of it. */
static bool is_found_out(const struct sim_process *process) {
  return process->sim->outlasting[process->index].diverged &&
         gr_group_halt_reason(process->group, NULL) == GR_ERR_DIVERGED;
}

bool sim_restore(struct sim_process *process) {
  struct simulation *sim = process->sim;
  struct sim_storage *storage = &sim->storages[process->index];
  const char *call = "gr_group_restore";
  int error = give_all(process);
  if (error == GR_OK) {
    call = "gr_group_resume";
    error = gr_group_resume(process->group, sim_process_clock(process));
  }
  if (error != GR_OK) {
    if (!is_found_out(process)) fail(process, call, error);
    return false;
  }
  process->resumed = true;
  process->first_ticket = storage->last + 1;
  process->status.size = sizeof(process->status);
  sim_servers_identify(process);
  gr_group_status(process->group, &process->status);
  if (sim_process_counts(process))
    sim_oracle_resumed(&sim->oracle, sim_process_member(process), &process->status);
  return true;
}
