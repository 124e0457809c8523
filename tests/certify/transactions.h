/* SPDX-License-Identifier: MIT
 *
 * Transactions in a few letters. Keys are a text: "Xa Rb Sc" wrote row a, relies on row
 * b, and read row c.
 */
#ifndef TESTS_CERTIFY_TRANSACTIONS_H
#define TESTS_CERTIFY_TRANSACTIONS_H

#include <gr/certify.h>

#define ROWS_IN_UNIT 9 /* a certifier of `units` has room for so many each */

struct transaction {
  gr_seqno snapshot;
  uint32_t flags;
  const char *keys;
};

/* The write set, valid until the next call. */
gr_slice write_set_of(struct transaction transaction);

gr_certifier *certifier_of(uint64_t units, uint64_t window_max, uint32_t mode);
gr_certifier_status status_of(const gr_certifier *certifier);

/* Certifies, which must not be an error. */
gr_certifier_verdict certify(gr_certifier *certifier, gr_seqno seqno,
                             struct transaction transaction);

/* The verdict on keys with that snapshot, without flags. */
enum gr_certifier_verdict_kind verdict_on(gr_certifier *certifier, gr_seqno seqno,
                                          gr_seqno snapshot, const char *keys);

/* Has none to give. */
gr_allocator no_memory(void);

#endif
