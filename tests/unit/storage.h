/* SPDX-License-Identifier: MIT
 *
 * A member's storage in memory: what it was given, record by record, so that a test can
 * look into it, lose its end, damage it, and give it back.
 */
#ifndef GR_TESTS_STORAGE_H
#define GR_TESTS_STORAGE_H

#include "harness.h"

#include "paxos/record.h"

struct stored {
  enum gr_record_type type;
  size_t size;
  uint8_t *bytes; /* exactly so many */
};

#define STORED_MAX 8192

struct storage {
  struct stored records[STORED_MAX];
  gr_ticket first; /* of the first record; 0: as if it were 1 */
  size_t count;
  struct stored state; /* bytes NULL: none */
};

/* Copies. Tickets must go on where the last one ended. */
void storage_append(struct storage *storage, gr_ticket ticket, const gr_slice *parts,
                    size_t part_count);
/* Keeps the state, and forgets the records below `first`. */
void storage_trim(struct storage *storage, gr_ticket first, gr_slice state);
/* Forgets the newest records, all but `count`. */
void storage_lose(struct storage *storage, size_t count);
void storage_close(struct storage *storage);

gr_ticket storage_ticket(const struct storage *storage, size_t index);
gr_slice storage_record(const struct storage *storage, size_t index);
gr_slice storage_state(const struct storage *storage);
/* The body of a record; the reader of the last one of this type, which there must be. */
struct gr_reader storage_body(const struct stored *stored);
struct gr_reader storage_last(const struct storage *storage, enum gr_record_type type);
/* How many of the records, from the index on, are of this type. */
size_t storage_count(const struct storage *storage, size_t from,
                     enum gr_record_type type);

/* Hands over what is due, without syncing; how many records that were. */
size_t storage_take(struct storage *storage, gr_paxos *paxos);
/* The state and the records, with all deliveries taken in between by `deliver`; the first
 * error. */
int storage_give_back(const struct storage *storage, gr_paxos *paxos,
                      void (*deliver)(void *context), void *context);

#endif
