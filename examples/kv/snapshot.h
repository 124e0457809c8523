/* SPDX-License-Identifier: MIT
 *
 * The store as bytes: what a member that comes back begins with, so that its log need
 * only hold what came later; and what a member that joins is given by another one.
 *
 *   offset  0   8  "gr-kv-sn"
 *           8   4  version, 2
 *          12   4  0
 *          16  16  the group
 *          32   8  seqno of the last message in it
 *          40   8  logical time
 *          48   8  number of entries
 *          56   8  the store's digest
 *          64   8  the group's digest of all messages up to that one (gr_status)
 *          72   8  check: hash of the above
 *          80      entries, each:
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

#include "buffer.h"
#include "store.h"

#include <gr/types.h>

#define KV_SNAPSHOT_FILE "snapshot"

/* What is said of a snapshot beside the store's contents. */
struct kv_snapshot {
  gr_seqno seqno;
  uint64_t history; /* the group's digest up to there */
  uint64_t bytes;   /* in all; a writer does not look at it */
};

/* Writes the store to the file; with `durable` so that it outlives a loss of power. Only
 * system calls and the stack, no memory, no lock: a forked child of a process with
 * threads may call it. 0, or the errno. */
int kv_snapshot_write(int fd, const struct kv_store *store, const gr_uuid *group,
                      const struct kv_snapshot *snapshot, bool durable);

/* The same, durably, into a file of this name in the open directory, whole or not at all.
 */
int kv_snapshot_write_file(int directory, const char *name, const struct kv_store *store,
                           const gr_uuid *group, const struct kv_snapshot *snapshot);

/* Gives such a file the name KV_SNAPSHOT_FILE, durably. 0, or the errno. */
int kv_snapshot_publish(int directory, const char *name);

/* ---- reading ---- */

/* Reads a snapshot into an empty store, as its bytes come. It keeps no more of them than
 * one entry. */
struct kv_snapshot_parser {
  const gr_uuid *group;
  struct kv_store *store;
  struct kv_buffer pending; /* what is not complete yet */
  bool has_head;
  uint64_t at; /* where that begins */
  uint64_t count;
  uint64_t digest;
  struct kv_snapshot snapshot;
  char error[160]; /* once something is wrong: the offset, and what it is */
};

void kv_snapshot_parser_init(struct kv_snapshot_parser *parser, const gr_uuid *group,
                             struct kv_store *store);
void kv_snapshot_parser_release(struct kv_snapshot_parser *parser);

/* Takes the next bytes. False: they are refused, and the store is of no use any more. */
bool kv_snapshot_parser_feed(struct kv_snapshot_parser *parser, const void *bytes,
                             size_t size);

/* There are no more. False: as above. */
bool kv_snapshot_parser_finish(struct kv_snapshot_parser *parser);

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
