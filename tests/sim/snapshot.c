/* SPDX-License-Identifier: MIT
 *
 * A host's state on its way from a donor to a joiner: in pieces of odd sizes, which are
 * sometimes not ready and sometimes fail. The receiving host looks at every byte.
 */
#include "simulation.h"

#include "base/bytes.h"

#include <string.h>

/* ---- what a snapshot says ---- */

static uint64_t size_of(const struct simulation *sim, uint64_t hash) {
  uint64_t most = sim->config.membership.state_bytes;
  return SIM_SNAPSHOT_HEAD_BYTES + hash % (most + 1);
}

static void write_head(uint8_t *head, const struct sim_data *data) {
  gr_store_u64(head, data->seqno);
  gr_store_u64(head + 8, data->hash);
  gr_store_u64(head + 16, data->digest);
}

static struct sim_data read_head(const uint8_t *head) {
  return (struct sim_data){gr_load_u64(head), gr_load_u64(head + 8),
                           gr_load_u64(head + 16)};
}

static uint8_t byte_at(const struct simulation *sim, const uint8_t *head,
                       uint64_t offset) {
  if (offset < SIM_SNAPSHOT_HEAD_BYTES) return head[offset];
  uint64_t at = gr_load_u64(head + 8) + offset;
  return sim->content->bytes[at % SIM_CONTENT_PLACES];
}

/* ---- at a donor ---- */

static struct sim_snapshot *snapshot_of(struct sim_process *process, uint64_t handle) {
  for (uint32_t i = 0; i < SIM_SNAPSHOTS_MAX; i++)
    if (process->snapshots[i].handle == handle) return &process->snapshots[i];
  return NULL;
}

static int snapshot_open(void *context, uint64_t *handle) {
  struct sim_process *process = context;
  struct simulation *sim = process->sim;
  gr_status status = {.size = sizeof(status)};
  if (process->dying) return -1;
  gr_group_status(process->group, &status);
  if (status.seqno != process->data.seqno)
    sim_oracle_fail(&sim->oracle, "SNAPSHOT",
                    "member %llu opens a snapshot behind seqno %llu; its host has %llu",
                    (unsigned long long)process->id, (unsigned long long)status.seqno,
                    (unsigned long long)process->data.seqno);
  struct sim_snapshot *snapshot = snapshot_of(process, 0);
  if (!snapshot || sim_chance(&sim->server_random, sim->config.membership.busy_ppm))
    return -1;
  process->data.digest = status.digest;
  *snapshot = (struct sim_snapshot){++process->snapshot_count, process->data};
  *handle = snapshot->handle;
  sim_report_note(&sim->report, sim->now, process->index, "OPENS A SNAPSHOT");
  sim_churn_ambush(process);
  return 0;
}

static int snapshot_read(void *context, uint64_t handle, uint64_t offset, void *buffer,
                         size_t *size, bool *end) {
  struct sim_process *process = context;
  struct simulation *sim = process->sim;
  const struct sim_membership_config *config = &sim->config.membership;
  const struct sim_snapshot *snapshot = snapshot_of(process, handle);
  uint8_t head[SIM_SNAPSHOT_HEAD_BYTES];
  if (!snapshot || handle == 0 || *size == 0 ||
      offset > size_of(sim, snapshot->data.hash)) {
    sim_oracle_fail(&sim->oracle, "SNAPSHOT", "member %llu reads %zu bytes at %llu of %s",
                    (unsigned long long)process->id, *size, (unsigned long long)offset,
                    snapshot && handle > 0 ? "a shorter snapshot" : "none");
    return -1;
  }
  uint64_t left = size_of(sim, snapshot->data.hash) - offset;
  size_t piece = *size;
  *end = false;
  *size = 0;
  if (sim->faults_on && sim_chance(&sim->server_random, config->fails_ppm)) return -1;
  if (sim_chance(&sim->server_random, config->waits_ppm)) return 0;
  if (gr_random_below(&sim->server_random, 2) == 0)
    piece = sim_between(&sim->server_random, 1, piece);
  if (piece > left) piece = left;
  write_head(head, &snapshot->data);
  for (size_t i = 0; i < piece; i++)
    ((uint8_t *)buffer)[i] = byte_at(sim, head, offset + i);
  *size = piece;
  *end = piece == left;
  return 0;
}

static void snapshot_close(void *context, uint64_t handle) {
  struct sim_process *process = context;
  struct sim_snapshot *snapshot = snapshot_of(process, handle);
  if (snapshot && handle > 0)
    *snapshot = (struct sim_snapshot){0};
  else
    sim_oracle_fail(&process->sim->oracle, "SNAPSHOT", "member %llu closes no snapshot",
                    (unsigned long long)process->id);
}

/* ---- at a joiner ---- */

static void fail(struct sim_process *process, const char *what) {
  sim_oracle_fail(&process->sim->oracle, "SNAPSHOT", "server %u: %s", process->index + 1,
                  what);
}

/* What the host had is gone from now on. */
static int restore_begin(void *context, gr_seqno seqno) {
  struct sim_process *process = context;
  struct simulation *sim = process->sim;
  if (process->receipt.begun) fail(process, "a snapshot begins within another");
  sim_report_note(&sim->report, sim->now, process->index, "RECEIVES A SNAPSHOT");
  sim_churn_ambush(process);
  sim_storage_await_trim(process);
  process->receipt = (struct sim_receipt){.begun = true, .seqno = seqno};
  process->data_broken = true;
  sim->storages[process->index].applied = sim->storages[process->index].applying = 0;
  return 0;
}

static int restore_write(void *context, uint64_t offset, gr_slice bytes) {
  struct sim_process *process = context;
  struct simulation *sim = process->sim;
  struct sim_receipt *receipt = &process->receipt;
  if (!receipt->begun) fail(process, "a piece of no snapshot comes");
  if (offset != receipt->received) fail(process, "a piece comes out of order");
  for (size_t i = 0; i < bytes.size; i++) {
    uint8_t byte = ((const uint8_t *)bytes.data)[i];
    uint64_t at = receipt->received++;
    if (at < SIM_SNAPSHOT_HEAD_BYTES) {
      receipt->head[at] = byte;
    } else if (byte != byte_at(sim, receipt->head, at)) {
      fail(process, "a piece differs from what was sent");
      return 0;
    }
  }
  return 0;
}

/* The state is that of the donor then. */
static void take_over(struct sim_process *process) {
  struct simulation *sim = process->sim;
  const struct sim_receipt *receipt = &process->receipt;
  process->data = read_head(receipt->head);
  process->data_broken = false;
  if (receipt->received < SIM_SNAPSHOT_HEAD_BYTES ||
      receipt->received != size_of(sim, process->data.hash))
    fail(process, "a snapshot is said to be complete, and is not");
  if (process->data.seqno != receipt->seqno)
    fail(process, "a snapshot is of another seqno than it began with");
  sim_oracle_history(&sim->oracle, process->index, &process->data);
  sim->storages[process->index].applied = process->data.seqno;
  sim->outlasting[process->index].diverged = false;
  sim_report_note(&sim->report, sim->now, process->index, "HAS THE SNAPSHOT");
}

static int restore_end(void *context, bool complete) {
  struct sim_process *process = context;
  if (!process->receipt.begun) fail(process, "a snapshot ends that never began");
  if (complete) take_over(process);
  process->receipt.begun = false;
  return 0;
}

void sim_snapshot_host(gr_host *host) {
  host->snapshot_open = snapshot_open;
  host->snapshot_read = snapshot_read;
  host->snapshot_close = snapshot_close;
  host->restore_begin = restore_begin;
  host->restore_write = restore_write;
  host->restore_end = restore_end;
}
