/* SPDX-License-Identifier: MIT
 *
 * Snapshots that this member gives to others. The node's thread asks for one and reads
 * it; the client thread, once it has applied all messages up to there, forks a child that
 * writes the store to a file without a name, which is read as it grows. So neither thread
 * waits for the other, or for the disk.
 */
#ifndef KV_DONOR_H
#define KV_DONOR_H

#include "options.h"
#include "snapshot.h"

/* Given at the same time at most. */
#define KV_DONATIONS_MAX 8

struct kv_donor;

/* NULL: out of memory. */
struct kv_donor *kv_donor_new(const struct kv_options *options);
void kv_donor_free(struct kv_donor *donor);

/* On the node's thread. False: not now. */
bool kv_donor_open(struct kv_donor *donor, uint32_t *place);

/* On the node's thread; as host.snapshot_read. False: the snapshot failed. */
bool kv_donor_read(struct kv_donor *donor, uint32_t place, uint64_t offset, void *buffer,
                   size_t *size, bool *end);

/* On the node's thread. How many bytes it has; 0: not all of it is written yet. */
uint64_t kv_donor_bytes(struct kv_donor *donor, uint32_t place);

/* On the node's thread. */
void kv_donor_close(struct kv_donor *donor, uint32_t place);

/* On the client thread: the store is now what the snapshot is to hold. */
void kv_donor_begin(struct kv_donor *donor, uint32_t place, const struct kv_store *store,
                    const struct kv_snapshot *snapshot);

/* How long the client thread stood still for the latest one, and how many there were. */
struct kv_donor_figures {
  uint64_t begun;
  uint64_t fork_us;
};
struct kv_donor_figures kv_donor_figures(const struct kv_donor *donor);

#endif
