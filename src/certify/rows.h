/* SPDX-License-Identifier: MIT
 *
 * What committed, in its order: one row for each key that is not SHARED. Rows never
 * change. They are numbered for ever, and lie in a ring:
 *
 *      first        live              end
 *        |           |                 |
 *   . . [dead rows] [rows above floor] . . .      at most `capacity` of them
 *
 * Dead rows wait to be purged; nothing that is decided depends on when they are.
 */
#ifndef GR_CERTIFY_ROWS_H
#define GR_CERTIFY_ROWS_H

#include <gr/certify.h>

struct gr_row {
  uint64_t hash;
  uint64_t mark; /* seqno << 1 | 1 if EXCLUSIVE, 0 if REFERENCE */
};

struct gr_rows {
  struct gr_row *ring;
  uint32_t capacity;
  uint32_t first_place; /* of row `first` */
  uint64_t first;
  uint64_t live;
  uint64_t end;
};

static inline gr_seqno gr_row_seqno(const struct gr_row *row) {
  return row->mark >> 1;
}

static inline uint64_t gr_row_mark(gr_seqno seqno, enum gr_key_kind kind) {
  return seqno << 1 | (kind == GR_KEY_EXCLUSIVE);
}

/* The place of a row that is held, or of the next one if there is room. */
static inline uint32_t gr_rows_place(const struct gr_rows *rows, uint64_t number) {
  uint64_t place = rows->first_place + (number - rows->first);
  return (uint32_t)(place < rows->capacity ? place : place - rows->capacity);
}

static inline const struct gr_row *gr_rows_at(const struct gr_rows *rows,
                                              uint64_t number) {
  return &rows->ring[gr_rows_place(rows, number)];
}

/* There must be room. Returns its place. */
static inline uint32_t gr_rows_append(struct gr_rows *rows, struct gr_row row) {
  uint32_t place = gr_rows_place(rows, rows->end++);
  rows->ring[place] = row;
  return place;
}

/* Forgets the first one, which must be dead. */
static inline void gr_rows_drop(struct gr_rows *rows) {
  rows->first++;
  if (++rows->first_place == rows->capacity) rows->first_place = 0;
}

/* Lets rows up to `floor` die: gallops, so that a small step takes few looks and a
 * large one not many more. */
static inline void gr_rows_raise(struct gr_rows *rows, gr_seqno floor) {
  uint64_t low = rows->live, high = rows->live, step = 1;
  while (high < rows->end && gr_row_seqno(gr_rows_at(rows, high)) <= floor) {
    low = high + 1;
    high = rows->end - low < step ? rows->end : low + step;
    step *= 2;
  }
  while (low < high) {
    uint64_t middle = low + (high - low) / 2;
    if (gr_row_seqno(gr_rows_at(rows, middle)) <= floor)
      low = middle + 1;
    else
      high = middle;
  }
  rows->live = low;
}

#endif
