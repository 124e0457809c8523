/* SPDX-License-Identifier: MIT
 *
 * The submitting thread. It looks for room and copies without the mutex, which it takes
 * once for each transaction.
 */
#include "posix/applier.h"

#include <string.h>

#define BYTES_ALIGNMENT 16

/* What a transaction takes of the ring of bytes: the payload, then the keys. */
struct extent {
  uint64_t payload_bytes;
  uint64_t key_bytes;
  uint64_t all;
  uint64_t at; /* where it begins; both count for ever */
  uint64_t end;
};

static uint64_t aligned(uint64_t bytes) {
  return (bytes + BYTES_ALIGNMENT - 1) & ~(uint64_t)(BYTES_ALIGNMENT - 1);
}

static int check(const gr_applier *applier, const gr_applier_transaction *transaction) {
  if (!applier || !transaction || transaction->size < sizeof(transaction->size))
    return GR_ERR_INVALID;
  if (transaction->size > sizeof(*transaction)) return GR_ERR_VERSION;
  if (transaction->size < sizeof(*transaction)) return GR_ERR_INVALID;
  if (gr_applier_is_worker(applier)) return GR_ERR_REENTRANT;
  if (transaction->seqno <= applier->submitted || transaction->seqno == UINT64_MAX ||
      transaction->depends_on >= transaction->seqno)
    return GR_ERR_INVALID;
  if ((!transaction->parts && transaction->part_count > 0) ||
      (!transaction->keys && transaction->key_count > 0))
    return GR_ERR_INVALID;
  for (size_t i = 0; i < transaction->part_count; i++)
    if (!transaction->parts[i].data && transaction->parts[i].size > 0)
      return GR_ERR_INVALID;
  return GR_OK;
}

/* GR_OK, GR_ERR_TOO_LARGE. */
static int measure(const gr_applier *applier, const gr_applier_transaction *transaction,
                   struct extent *extent) {
  const uint64_t most = applier->options.queue_bytes_max;
  *extent = (struct extent){.all = 0};
  if (transaction->local) return GR_OK;
  for (size_t i = 0; i < transaction->part_count; i++) {
    if (transaction->parts[i].size > most - extent->payload_bytes)
      return GR_ERR_TOO_LARGE;
    extent->payload_bytes += transaction->parts[i].size;
  }
  if (transaction->key_count > most / sizeof(uint64_t)) return GR_ERR_TOO_LARGE;
  extent->key_bytes = transaction->key_count * sizeof(uint64_t);
  extent->all = aligned(extent->payload_bytes) + aligned(extent->key_bytes);
  return extent->all > most ? GR_ERR_TOO_LARGE : GR_OK;
}

/* Finds room: a slot, and bytes in one piece. An empty ring begins anew at its start. */
static bool find_room(struct gr_applier *applier, struct extent *extent) {
  const uint64_t ring = applier->options.queue_bytes_max;
  const uint64_t head = atomic_load_explicit(&applier->head, memory_order_acquire);
  if (applier->tail - head > applier->slot_mask) return false;
  if (applier->tail == head && (applier->bytes_tail & (ring - 1)) != 0) {
    applier->bytes_tail = (applier->bytes_tail | (ring - 1)) + 1;
    atomic_store_explicit(&applier->bytes_head, applier->bytes_tail,
                          memory_order_relaxed);
  }
  extent->at = applier->bytes_tail;
  const uint64_t before_end = ring - (extent->at & (ring - 1));
  if (before_end < extent->all) extent->at += before_end;
  extent->end = extent->at + extent->all;
  return extent->end - atomic_load_explicit(&applier->bytes_head, memory_order_acquire) <=
         ring;
}

static int await_room(struct gr_applier *applier, struct extent *extent) {
  pthread_mutex_lock(&applier->mutex);
  gr_applier_visit(applier);
  while (applier->end == GR_APPLIER_NONE && !find_room(applier, extent)) {
    applier->wants_room = true;
    pthread_cond_wait(&applier->room, &applier->mutex);
  }
  applier->wants_room = false;
  int error = applier->end == GR_APPLIER_NONE ? GR_OK : GR_ERR_HALTED;
  gr_applier_depart(applier);
  pthread_mutex_unlock(&applier->mutex);
  return error;
}

static void fill_in(struct gr_applier *applier, struct gr_applier_slot *slot,
                    const gr_applier_transaction *transaction,
                    const struct extent *extent) {
  uint8_t *payload =
      applier->bytes + (extent->at & (applier->options.queue_bytes_max - 1));
  uint8_t *keys = payload + aligned(extent->payload_bytes);
  uint8_t *to = payload;
  *slot = (struct gr_applier_slot){
      .work = {.seqno = transaction->seqno,
               .depends_on = transaction->depends_on,
               .tag = transaction->tag,
               .payload = {.data = payload, .size = extent->payload_bytes}},
      .keys = (const uint64_t *)(const void *)keys,
      .key_count = transaction->local ? 0 : transaction->key_count,
      .bytes_end = extent->end,
      .first_waiting = GR_APPLIER_NONE,
      .state = transaction->local ? GR_SLOT_LOCAL : GR_SLOT_WAITING};
  if (transaction->local) return;
  for (size_t i = 0; i < transaction->part_count; i++) {
    if (transaction->parts[i].size == 0) continue;
    memcpy(to, transaction->parts[i].data, transaction->parts[i].size);
    to += transaction->parts[i].size;
  }
  if (extent->key_bytes > 0) memcpy(keys, transaction->keys, extent->key_bytes);
}

/* Appends the slot behind the tail, which is filled in. With the mutex held. `last` is
 * the last index that it depends on. */
static void append(struct gr_applier *applier, struct gr_applier_slot *slot,
                   uint64_t last) {
  const uint64_t index = applier->tail++;
  applier->submitted = slot->work.seqno;
  if (index == atomic_load_explicit(&applier->head, memory_order_relaxed))
    gr_applier_advance(applier); /* what is left out before it counts as applied */
  if (slot->state == GR_SLOT_LOCAL) return;
  if (slot->work.depends_on <=
      atomic_load_explicit(&applier->applied, memory_order_relaxed)) {
    gr_applier_make_ready(applier, index);
    return;
  }
  slot->next = gr_applier_slot_at(applier, last)->first_waiting;
  gr_applier_slot_at(applier, last)->first_waiting = index;
}

int gr_applier_submit(gr_applier *applier, const gr_applier_transaction *transaction,
                      bool wait) {
  struct extent extent;
  int error = check(applier, transaction);
  if (error == GR_OK) error = measure(applier, transaction, &extent);
  if (error != GR_OK) return error;
  if (!find_room(applier, &extent)) {
    error = wait ? await_room(applier, &extent) : GR_ERR_FULL;
    if (error != GR_OK) return error;
  }
  gr_applier_tell_victims(applier, transaction->keys, transaction->key_count,
                          transaction->seqno);
  struct gr_applier_slot *slot = gr_applier_slot_at(applier, applier->tail);
  fill_in(applier, slot, transaction, &extent);
  const uint64_t last = gr_applier_find_behind(applier, atomic_load(&applier->head),
                                               applier->tail, transaction->depends_on) -
                        1;
  pthread_mutex_lock(&applier->mutex);
  if (applier->end == GR_APPLIER_NONE) {
    applier->bytes_tail = extent.end;
    append(applier, slot, last);
    gr_applier_tell(applier);
  } else {
    error = GR_ERR_HALTED;
  }
  gr_applier_unlock(applier);
  return error;
}

int gr_applier_skip(gr_applier *applier, gr_seqno seqno) {
  if (!applier || seqno == UINT64_MAX) return GR_ERR_INVALID;
  if (gr_applier_is_worker(applier)) return GR_ERR_REENTRANT;
  pthread_mutex_lock(&applier->mutex);
  int error = GR_OK;
  if (seqno <= applier->submitted) {
    error = GR_ERR_INVALID;
  } else if (applier->end != GR_APPLIER_NONE) {
    error = GR_ERR_HALTED;
  } else {
    applier->submitted = seqno;
    if (atomic_load(&applier->head) == applier->tail) gr_applier_advance(applier);
    gr_applier_tell(applier);
  }
  gr_applier_unlock(applier);
  return error;
}
