/* SPDX-License-Identifier: MIT
 *
 * See wal.h.
 */
#include "posix/wal.h"

#include "posix/wal_writer.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

struct gr_wal {
  struct gr_wal_files files;
  struct gr_wal_failure failure;
  struct gr_wal_keeper keeper;
  struct gr_wal_writer writer;
  struct gr_wal_checkpoint checkpoint; /* as it was when the log was opened */
  gr_ticket next;                      /* the ticket that follows the last */
  uint64_t restored_records;
  uint64_t restored_bytes;
  gr_time restore_time;
  uint64_t torn_bytes;
};

int gr_wal_open(struct gr_wal **wal, const char *directory, uint64_t segment_bytes,
                gr_time spin_max_ns, struct gr_waker *waker, struct gr_wal_text *why) {
  struct gr_wal *made = calloc(1, sizeof(*made));
  if (!made) {
    gr_wal_text_set(why, "no memory for the log in %s", directory);
    return GR_ERR_NO_MEMORY;
  }
  int error = gr_wal_files_open(&made->files, directory, why);
  if (error == GR_OK)
    error = gr_wal_checkpoint_read(&made->files, &made->checkpoint, why);
  if (error != GR_OK) {
    gr_wal_files_close(&made->files);
    free(made);
    return error;
  }
  gr_wal_failure_init(&made->failure, waker);
  gr_wal_keeper_init(&made->keeper, &made->files, &made->failure, segment_bytes);
  gr_wal_writer_init(&made->writer, &made->files, &made->failure, &made->keeper, waker,
                     spin_max_ns);
  *wal = made;
  return GR_OK;
}

int gr_wal_start(struct gr_wal *wal, gr_wal_take *take, void *context,
                 struct gr_wal_text *why) {
  struct gr_wal_replayed found;
  const gr_time before = gr_posix_now();
  int error = gr_wal_replay(&wal->files, &wal->checkpoint, take, context, &found, why);
  wal->next = found.next;
  wal->restored_records = found.records;
  wal->restored_bytes = found.bytes;
  wal->restore_time = gr_posix_now() - before;
  wal->torn_bytes = found.torn_bytes;
  if (error == GR_OK) error = gr_wal_keeper_start(&wal->keeper, &found, why);
  if (error == GR_OK) error = gr_wal_writer_start(&wal->writer, found.next - 1, why);
  gr_wal_replayed_free(&found);
  return error;
}

void gr_wal_close(struct gr_wal *wal) {
  if (!wal) return;
  gr_wal_writer_stop(&wal->writer);
  gr_wal_keeper_stop(&wal->keeper);
  gr_wal_failure_free(&wal->failure);
  gr_wal_files_close(&wal->files);
  free(wal);
}

/* Answers false. */
static bool refuse(struct gr_wal *wal, gr_ticket ticket, const char *reason) {
  struct gr_wal_text why;
  gr_wal_text_set(&why, "record %" PRIu64 " cannot be appended to the log in %s: %s",
                  ticket, wal->files.path, reason);
  gr_wal_fail(&wal->failure, &why);
  return false;
}

bool gr_wal_append(struct gr_wal *wal, gr_ticket ticket, const gr_slice *parts,
                   size_t part_count) {
  if (gr_wal_has_failed(&wal->failure)) return false;
  if (ticket != wal->next) return refuse(wal, ticket, "another one is next");
  size_t bytes = parts[0].size + (part_count > 1 ? parts[1].size : 0);
  if (bytes > GR_WAL_RECORD_BYTES_MAX) return refuse(wal, ticket, "it is too large");
  if (!gr_wal_writer_add(&wal->writer, ticket, parts, part_count))
    return refuse(wal, ticket, "no memory");
  wal->next++;
  return true;
}

void gr_wal_sync(struct gr_wal *wal) {
  gr_wal_writer_sync(&wal->writer);
}

bool gr_wal_is_quick(struct gr_wal *wal) {
  return gr_wal_writer_is_quick(&wal->writer);
}

void gr_wal_write(struct gr_wal *wal) {
  gr_wal_writer_write(&wal->writer);
}

bool gr_wal_trim(struct gr_wal *wal, gr_ticket first, gr_slice state) {
  if (gr_wal_has_failed(&wal->failure)) return false;
  if (first > wal->next || state.size > GR_RECORD_HEADER_MAX)
    return refuse(wal, first, "the state that is to replace what is before it is wrong");
  gr_wal_keeper_trim(&wal->keeper, first, state);
  return true;
}

bool gr_wal_await_trim(struct gr_wal *wal) {
  return gr_wal_keeper_await_trim(&wal->keeper);
}

gr_ticket gr_wal_durable(const struct gr_wal *wal) {
  return atomic_load(&wal->writer.durable);
}

bool gr_wal_is_busy(const struct gr_wal *wal) {
  return gr_wal_durable(wal) + 1 < wal->next;
}

const char *gr_wal_failure_text(const struct gr_wal *wal) {
  return gr_wal_has_failed(&wal->failure) ? wal->failure.text.line : NULL;
}

void gr_wal_measure(struct gr_wal *wal, gr_node_storage *figures) {
  const struct gr_wal_written written = gr_wal_writer_measure(&wal->writer);
  figures->records = written.records;
  figures->bytes = written.bytes;
  figures->syncs = written.syncs;
  figures->sync_time = written.sync_time;
  figures->sync_time_max = written.sync_time_max;
  gr_wal_keeper_measure(&wal->keeper, &figures->segments, &figures->log_bytes);
  figures->restored_records = wal->restored_records;
  figures->restored_bytes = wal->restored_bytes;
  figures->restore_time = wal->restore_time;
  figures->torn_bytes = wal->torn_bytes;
}
