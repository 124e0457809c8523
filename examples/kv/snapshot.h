/* SPDX-License-Identifier: MIT
 *
 * The store as a file: what a member that comes back begins with, so that its log need
 * only hold what came later.
 *
 *   offset  0   8  "gr-kv-sn"
 *           8   4  version, 1
 *          12   4  0
 *          16  16  the group
 *          32   8  seqno of the last message in it
 *          40   8  logical time
 *          48   8  number of entries
 *          56   8  the store's digest
 *          64   8  check: hash of the above
 *          72      entries, each:
 *                  4  size of the key
 *                  4  size of the value
 *                  8  expiry
 *                  8  check: hash of the entry and of its number, 0 for the first
 *                     the key, the value
 *
 * All numbers little-endian. A reader takes nothing for granted, and says where the first
 * damage is.
 */
#ifndef KV_SNAPSHOT_H
#define KV_SNAPSHOT_H

#include "store.h"

#include <gr/types.h>

#define KV_SNAPSHOT_FILE "snapshot"

/* What is said of a snapshot beside its contents. */
struct kv_snapshot {
  gr_seqno seqno;
  uint64_t bytes; /* of the file */
};

/* Writes the store into the open directory as KV_SNAPSHOT_FILE, whole and durable or not
 * at all: under another name first. Only system calls and the stack, no memory, no lock:
 * a forked child of a process with threads may call it. 0, or the errno. */
int kv_snapshot_write(int directory, const struct kv_store *store, const gr_uuid *group,
                      gr_seqno seqno);

enum kv_snapshot_outcome {
  KV_SNAPSHOT_READ,
  KV_SNAPSHOT_NONE,   /* there is no such file; the store is as it was */
  KV_SNAPSHOT_REFUSED /* the text says why; the store is of no use any more */
};

/* Reads the file at `path` into an empty store. */
enum kv_snapshot_outcome kv_snapshot_read(const char *path, const gr_uuid *group,
                                          struct kv_store *store,
                                          struct kv_snapshot *snapshot, char *error_text,
                                          size_t error_text_size);

#endif
