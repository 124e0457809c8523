/* SPDX-License-Identifier: MIT
 *
 * Reads back what a log holds: which segments count, where the records end, and whether
 * anything is amiss.
 *
 * The records end where the last segment that was begun has no sound record any more.
 * That is how a crash leaves a log, and what lies behind is cut off; but if it was
 * durable once, it is damage, and an error, like anything else that is missing or broken.
 * A segment is begun when its header is sound.
 */
#ifndef GR_POSIX_WAL_REPLAY_H
#define GR_POSIX_WAL_REPLAY_H

#include "posix/wal_checkpoint.h"
#include "posix/wal_files.h"

/* Takes one record; anything but GR_OK ends the replay, which answers that. Ticket 0: the
 * checkpoint's state. */
typedef int gr_wal_take(void *context, gr_ticket ticket, gr_slice record);

struct gr_wal_found {
  uint64_t number;
  gr_ticket first; /* of its records */
  uint64_t used;   /* bytes up to the end of its records */
};

/* What a replay found out. The arrays are the caller's to free. */
struct gr_wal_replayed {
  struct gr_wal_found *segments; /* with records that are needed, ascending */
  size_t segment_count;
  uint64_t *leftovers; /* segments that hold nothing, or nothing that is needed */
  size_t leftover_count;
  uint64_t *spares;
  size_t spare_count;
  gr_ticket next; /* the ticket that follows */
  uint64_t records;
  uint64_t bytes;
  uint64_t torn_bytes;
};

/* Gives all to `take`; then cuts off what is torn and makes the rest durable.
 * GR_ERR_NO_MEMORY, GR_ERR_SYSTEM, GR_ERR_STORAGE, and what `take` answers. */
int gr_wal_replay(struct gr_wal_files *files, const struct gr_wal_checkpoint *checkpoint,
                  gr_wal_take *take, void *context, struct gr_wal_replayed *replayed,
                  struct gr_wal_text *why);

void gr_wal_replayed_free(struct gr_wal_replayed *replayed);

#endif
