/* SPDX-License-Identifier: MIT
 *
 * See storage.h.
 */
#include "storage.h"

#include "fuzz.h"

#include <string.h>

static struct piece copy_of(const gr_slice *parts, size_t part_count) {
  struct piece piece = {.size = 0};
  for (size_t i = 0; i < part_count; i++) piece.size += parts[i].size;
  uint8_t *at = piece.bytes = fuzz_allocate(piece.size);
  for (size_t i = 0; i < part_count; at += parts[i++].size)
    memcpy(at, parts[i].data, parts[i].size);
  return piece;
}

void storage_open(struct storage *storage) {
  *storage = (struct storage){.count = 0};
}

void storage_clear(struct storage *storage) {
  storage_lose(storage, 0);
  free(storage->records);
  free(storage->state.bytes);
  storage_open(storage);
}

void storage_append(struct storage *storage, gr_ticket ticket, const gr_slice *parts,
                    size_t part_count) {
  if (storage->count == 0 && storage->first == 0) storage->first = ticket;
  FUZZ_CHECK(ticket == storage->first + storage->count, "tickets count up by one");
  FUZZ_CHECK(part_count >= 1 && parts[0].size <= GR_RECORD_HEADER_MAX, "a header fits");
  if (storage->count == storage->capacity) {
    storage->capacity = 2 * storage->capacity + 64;
    storage->records =
        realloc(storage->records, storage->capacity * sizeof(storage->records[0]));
    FUZZ_CHECK(storage->records, "there is memory");
  }
  storage->records[storage->count++] = copy_of(parts, part_count);
}

void storage_trim(struct storage *storage, gr_ticket first, gr_slice state) {
  if (storage->count == 0) storage->first = first;
  FUZZ_CHECK(first >= storage->first, "what was forgotten is not needed again");
  FUZZ_CHECK(first <= storage->first + storage->count, "only what was stored is needed");
  FUZZ_CHECK(state.size <= GR_RECORD_HEADER_MAX, "a state fits");
  free(storage->state.bytes);
  storage->state = copy_of(&state, 1);
  size_t gone = (size_t)(first - storage->first);
  for (size_t i = 0; i < gone; i++) free(storage->records[i].bytes);
  storage->count -= gone;
  if (storage->count > 0)
    memmove(storage->records, storage->records + gone,
            storage->count * sizeof(storage->records[0]));
  storage->first = first;
}

void storage_lose(struct storage *storage, gr_ticket upto) {
  while (storage->count > 0 && storage->first + storage->count - 1 > upto)
    free(storage->records[--storage->count].bytes);
}

int storage_give_back(const struct storage *storage, gr_group *group) {
  int error = GR_OK;
  if (storage->state.bytes)
    error =
        gr_group_restore(group, 0, (gr_slice){storage->state.bytes, storage->state.size});
  for (size_t i = 0; error == GR_OK && i < storage->count; i++)
    error =
        gr_group_restore(group, storage->first + i,
                         (gr_slice){storage->records[i].bytes, storage->records[i].size});
  return error;
}
