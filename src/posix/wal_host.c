/* SPDX-License-Identifier: MIT
 *
 * Durable mode: what the group stores goes to the write-ahead log, what is durable is
 * told to the group at the beginning of a turn, and what the log held is given back
 * before the first.
 */
#include "posix/node.h"

#include <inttypes.h>

int gr_wal_host_open(struct gr_node *node, const char *directory, uint64_t segment_bytes,
                     struct gr_wal_text *why) {
  if (!directory) return GR_OK;
  return gr_wal_open(&node->wal, directory, segment_bytes, node->spin_max_ns,
                     &node->waker, why);
}

/* ---- callbacks ---- */

/* The group only knows that storage failed; people want to know why. */
static void report_failure(struct gr_node *node) {
  gr_node_halt(node, GR_ERR_STORAGE, gr_wal_failure_text(node->wal));
  gr_node_log(node, GR_LOG_ERROR, "%s", gr_wal_failure_text(node->wal));
}

static int on_store(void *context, gr_ticket ticket, const gr_slice *parts,
                    size_t part_count) {
  struct gr_node *node = context;
  if (gr_wal_append(node->wal, ticket, parts, part_count)) return 0;
  report_failure(node);
  return -1;
}

static void on_sync(void *context) {
  struct gr_node *node = context;
  if (gr_wal_is_quick(node->wal))
    node->write_due = true; /* once the others have been sent what is to be sent */
  else
    gr_wal_sync(node->wal);
}

static int on_trim(void *context, gr_ticket first, gr_slice state) {
  struct gr_node *node = context;
  if (gr_wal_trim(node->wal, first, state)) return 0;
  report_failure(node);
  return -1;
}

void gr_wal_host_add_callbacks(const struct gr_node *node, gr_host *host) {
  if (!node->wal) return;
  host->store = on_store;
  host->sync = on_sync;
  host->trim = on_trim;
}

/* ---- coming back ---- */

static int give_back(void *context, gr_ticket ticket, gr_slice record) {
  struct gr_node *node = context;
  if (atomic_load(&node->stops)) return GR_ERR_HALTED;
  return gr_group_restore(node->group, ticket, record);
}

static void report_log(struct gr_node *node) {
  gr_node_storage figures;
  gr_wal_measure(node->wal, &figures);
  if (figures.torn_bytes > 0)
    gr_node_log(node, GR_LOG_WARNING,
                "the log's last %" PRIu64 " bytes were written but never synced: cut off",
                figures.torn_bytes);
  gr_node_log(node, GR_LOG_INFO,
              "the log gave back %" PRIu64 " records of %" PRIu64 " bytes in %" PRIu64
              " ms",
              figures.restored_records, figures.restored_bytes,
              figures.restore_time / 1000000);
}

/* A record that is refused is named by the log; a callback that failed, by the group. */
static void halt(struct gr_node *node, int error) {
  const char *reason = NULL;
  const int cause = gr_group_halt_reason(node->group, &reason);
  if (error == GR_ERR_HALTED) {
    gr_node_halt(node, cause, reason);
    gr_node_log(node, GR_LOG_ERROR, "%s", reason);
    return;
  }
  gr_node_halt(node, error, node->halt_line.line);
  if (cause != GR_OK) /* else loop.c says it */
    gr_node_log(node, GR_LOG_ERROR, "%s: %s", node->halt_text, reason);
}

void gr_wal_host_restore(struct gr_node *node) {
  if (!node->wal) return;
  int error = gr_wal_start(node->wal, give_back, node, &node->halt_line);
  if (atomic_load(&node->stops)) return;
  if (error == GR_OK) {
    report_log(node);
    node->now = gr_posix_now();
    error = gr_group_resume(node->group, node->now);
    if (error != GR_OK)
      gr_wal_text_set(&node->halt_line, "the log does not fit together: %s",
                      gr_error_text(error));
  }
  if (error != GR_OK) {
    halt(node, error);
    return;
  }
  node->stored = gr_wal_durable(node->wal);
  gr_node_tell_delivered(node);
  node->restored = true;
  if (node->host.restored) node->host.restored(node->host.context);
}

/* ---- telling ---- */

bool gr_wal_host_has_news(const struct gr_node *node) {
  return node->wal && (node->write_due || gr_wal_durable(node->wal) != node->stored ||
                       gr_wal_failure_text(node->wal) != NULL);
}

void gr_wal_host_tell(struct gr_node *node) {
  if (!node->wal) return;
  const gr_ticket durable = gr_wal_durable(node->wal);
  if (durable != node->stored) (void)gr_group_stored(node->group, durable);
  node->stored = durable;
  if (!gr_wal_failure_text(node->wal)) return;
  report_failure(node);
  (void)gr_group_storage_failed(node->group);
}

bool gr_wal_host_write(struct gr_node *node) {
  if (!node->write_due) return false;
  node->write_due = false;
  gr_wal_write(node->wal);
  gr_wal_host_tell(node);
  return node->halt_error == GR_OK;
}
