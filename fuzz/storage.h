/* SPDX-License-Identifier: MIT
 *
 * A member's storage in memory: what it was given, record by record, of which a crash may
 * take the end.
 */
#ifndef GR_FUZZ_STORAGE_H
#define GR_FUZZ_STORAGE_H

#include <gr/gr.h>

struct piece {
  uint8_t *bytes; /* exactly so many */
  size_t size;
};

struct storage {
  struct piece *records;
  size_t count;
  size_t capacity;
  gr_ticket first; /* of the first record; 0: none yet */
  struct piece state;
};

void storage_open(struct storage *storage);
void storage_clear(struct storage *storage);

/* What host.store and host.trim are given. */
void storage_append(struct storage *storage, gr_ticket ticket, const gr_slice *parts,
                    size_t part_count);
void storage_trim(struct storage *storage, gr_ticket first, gr_slice state);

/* Forgets the records beyond this ticket. */
void storage_lose(struct storage *storage, gr_ticket upto);

/* Gives everything back; the first error. */
int storage_give_back(const struct storage *storage, gr_group *group);

#endif
