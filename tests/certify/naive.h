/* SPDX-License-Identifier: MIT
 *
 * A certifier that is plainly right, and slow: a list of what committed, and the rules of
 * doc/certification.md one by one. The real one must agree with it in everything.
 */
#ifndef TESTS_CERTIFY_NAIVE_H
#define TESTS_CERTIFY_NAIVE_H

#include <gr/certify.h>

#define NAIVE_KEYS_MAX 16
#define NAIVE_ROWS_MAX 128

struct naive_write_set {
  gr_seqno snapshot;
  uint32_t flags;
  uint32_t key_count;
  gr_key keys[NAIVE_KEYS_MAX];
};

struct naive_row {
  gr_key key;
  gr_seqno seqno;
};

struct naive {
  uint32_t rows_max; /* up to NAIVE_ROWS_MAX */
  uint64_t window_max;
  uint32_t mode;
  gr_seqno last;
  gr_seqno floor;
  gr_seqno watermark;
  gr_seqno barrier; /* 0: none yet */
  uint32_t row_count;
  struct naive_row
      rows[NAIVE_ROWS_MAX]; /* above the floor, in the order of their coming */
};

/* Whether a key meets a committed one of the same row: a conflict, if it is newer. */
bool naive_conflicts(enum gr_key_kind mine, enum gr_key_kind committed);

/* GR_OK; GR_ERR_INVALID if `seqno` does not ascend; GR_ERR_MALFORMED if the snapshot lies
 * ahead, or a READ_ONLY one writes. */
int naive_certify(struct naive *naive, gr_seqno seqno, const struct naive_write_set *set,
                  gr_certifier_verdict *verdict);

void naive_stable(struct naive *naive, gr_seqno watermark);

#endif
