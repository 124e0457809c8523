/* SPDX-License-Identifier: MIT */
#include "storage.h"

#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>

static struct stored copy_of(const gr_slice *parts, size_t part_count) {
  struct stored stored = {.size = 0};
  for (size_t i = 0; i < part_count; i++) stored.size += parts[i].size;
  uint8_t *at = stored.bytes = malloc(stored.size);
  cr_assert_not_null(at);
  for (size_t i = 0; i < part_count; at += parts[i++].size)
    memcpy(at, parts[i].data, parts[i].size);
  struct gr_reader reader = gr_reader_of(stored.bytes, stored.size);
  cr_assert_eq(gr_record_open(&reader, &stored.type), GR_OK);
  return stored;
}

gr_ticket storage_ticket(const struct storage *storage, size_t index) {
  return (storage->first == 0 ? 1 : storage->first) + index;
}

void storage_append(struct storage *storage, gr_ticket ticket, const gr_slice *parts,
                    size_t part_count) {
  cr_assert_lt(storage->count, STORED_MAX);
  cr_assert_leq(parts[0].size, GR_RECORD_HEADER_MAX);
  if (storage->count == 0) storage->first = ticket;
  cr_assert_eq(ticket, storage_ticket(storage, storage->count));
  storage->records[storage->count++] = copy_of(parts, part_count);
}

void storage_trim(struct storage *storage, gr_ticket first, gr_slice state) {
  cr_assert_geq(first, storage_ticket(storage, 0), "trimming never goes back");
  cr_assert_leq(first, storage_ticket(storage, storage->count));
  free(storage->state.bytes);
  storage->state = copy_of(&state, 1);
  size_t gone = (size_t)(first - storage_ticket(storage, 0));
  for (size_t i = 0; i < gone; i++) free(storage->records[i].bytes);
  storage->count -= gone;
  memmove(storage->records, storage->records + gone,
          storage->count * sizeof(storage->records[0]));
  storage->first = first;
}

void storage_lose(struct storage *storage, size_t count) {
  while (storage->count > count) free(storage->records[--storage->count].bytes);
}

void storage_close(struct storage *storage) {
  storage_lose(storage, 0);
  free(storage->state.bytes);
  *storage = (struct storage){.first = 0};
}

gr_slice storage_record(const struct storage *storage, size_t index) {
  return (gr_slice){storage->records[index].bytes, storage->records[index].size};
}

gr_slice storage_state(const struct storage *storage) {
  return (gr_slice){storage->state.bytes, storage->state.size};
}

struct gr_reader storage_body(const struct stored *stored) {
  enum gr_record_type type;
  struct gr_reader reader = gr_reader_of(stored->bytes, stored->size);
  cr_assert_eq(gr_record_open(&reader, &type), GR_OK);
  return reader;
}

struct gr_reader storage_last(const struct storage *storage, enum gr_record_type type) {
  size_t i = storage->count;
  while (i > 0 && storage->records[i - 1].type != type) i--;
  cr_assert_gt(i, 0, "no record of type %d", (int)type);
  return storage_body(&storage->records[i - 1]);
}

size_t storage_count(const struct storage *storage, size_t from,
                     enum gr_record_type type) {
  size_t count = 0;
  for (size_t i = from; i < storage->count; i++)
    if (storage->records[i].type == type) count++;
  return count;
}

size_t storage_take(struct storage *storage, gr_paxos *paxos) {
  size_t before = storage->count;
  gr_record record;
  while (gr_paxos_record(paxos, &record)) {
    storage_append(storage, record.ticket, record.parts, record.part_count);
    gr_paxos_recorded(paxos);
  }
  return storage->count - before;
}

int storage_give_back(const struct storage *storage, gr_paxos *paxos,
                      void (*deliver)(void *context), void *context) {
  int error = GR_OK;
  if (storage->state.bytes) error = gr_paxos_restore(paxos, 0, storage_state(storage));
  for (size_t i = 0; error == GR_OK && i < storage->count; i++) {
    error =
        gr_paxos_restore(paxos, storage_ticket(storage, i), storage_record(storage, i));
    deliver(context);
  }
  return error;
}
