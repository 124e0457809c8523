/* SPDX-License-Identifier: MIT
 *
 * The certifier's limits and its life: the floor, memory, purging, arguments.
 */
#include "transactions.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <string.h>

/* ---- the floor ---- */

Test(certifier, a_snapshot_below_the_watermark_is_too_old) {
  gr_certifier *certifier = certifier_of(4, 0, 0);
  for (gr_seqno seqno = 1; seqno <= 5; seqno++)
    verdict_on(certifier, seqno, seqno - 1, "Xa");
  cr_assert_eq(gr_certifier_stable(certifier, 4), GR_OK);
  cr_assert_eq(verdict_on(certifier, 6, 3, "Xb"), GR_VERDICT_TOO_OLD);
  cr_assert_eq(verdict_on(certifier, 7, 4, "Xb"), GR_VERDICT_COMMIT);
  cr_assert_eq(verdict_on(certifier, 8, 4, "Xa"), GR_VERDICT_CONFLICT);
  cr_assert_eq(gr_certifier_stable(certifier, 2), GR_OK, "a lower mark is ignored");
  gr_certifier_status status = status_of(certifier);
  cr_assert_eq(status.floor, 4);
  cr_assert_eq(status.watermark, 4);
  cr_assert_eq(status.too_old, 1);
  cr_assert_eq(status.conflicts, 1);
  cr_assert_eq(status.committed, 6);
  gr_certifier_free(certifier);
}

Test(certifier, a_snapshot_behind_the_window_is_too_old) {
  gr_certifier *certifier = certifier_of(4, 10, 0);
  cr_assert_eq(verdict_on(certifier, 100, 88, "Xa"), GR_VERDICT_TOO_OLD);
  cr_assert_eq(verdict_on(certifier, 101, 90, "Xa"), GR_VERDICT_COMMIT);
  cr_assert_eq(status_of(certifier).floor, 90);
  gr_certifier_free(certifier);
}

Test(certifier, memory_lets_the_oldest_go) {
  gr_certifier *certifier = certifier_of(1, 0, 0);
  char keys[] = "Xa";
  for (gr_seqno seqno = 1; seqno <= ROWS_IN_UNIT; seqno++, keys[1]++)
    cr_assert_eq(verdict_on(certifier, seqno, 0, keys), GR_VERDICT_COMMIT);
  cr_assert_eq(status_of(certifier).rows, ROWS_IN_UNIT);
  cr_assert_eq(verdict_on(certifier, 10, 0, "Xz"), GR_VERDICT_COMMIT);
  cr_assert_eq(verdict_on(certifier, 11, 0, "Xy"), GR_VERDICT_TOO_OLD);
  cr_assert_eq(verdict_on(certifier, 12, 1, "Xb"), GR_VERDICT_CONFLICT);
  cr_assert_eq(verdict_on(certifier, 13, 1, "Xa"), GR_VERDICT_COMMIT);
  gr_certifier_status status = status_of(certifier);
  cr_assert_eq(status.rows, ROWS_IN_UNIT);
  cr_assert_eq(status.rows_max, ROWS_IN_UNIT);
  cr_assert_eq(status.floor, 2);
  cr_assert_eq(status.watermark, 0);
  gr_certifier_free(certifier);
}

Test(certifier, a_transaction_that_never_has_room) {
  gr_certifier *certifier = certifier_of(1, 0, 0);
  cr_assert_eq(verdict_on(certifier, 1, 0, "Xa Xb Xc Xd Xe Xf Xg Xh Xi Xj"),
               GR_VERDICT_TOO_LARGE);
  cr_assert_eq(verdict_on(certifier, 2, 0, "Xa Xb Xc Xd Xe Xf Xg Xh Xi Sj"),
               GR_VERDICT_COMMIT, "what was only read takes none");
  cr_assert_eq(status_of(certifier).too_large, 1);
  gr_certifier_free(certifier);
}

/* ---- purging ---- */

Test(certifier, each_call_purges_a_part) {
  enum { UNITS = 200, ROWS = 1000 };
  gr_certifier *certifier = certifier_of(UNITS, 0, 0);
  char keys[16];
  for (gr_seqno seqno = 1; seqno <= ROWS; seqno++) {
    snprintf(keys, sizeof(keys), "X%d", (int)seqno);
    cr_assert_eq(verdict_on(certifier, seqno, seqno - 1, keys), GR_VERDICT_COMMIT);
  }
  cr_assert_eq(gr_certifier_stable(certifier, ROWS), GR_OK);
  gr_certifier_status before = status_of(certifier);
  cr_assert_eq(before.rows, 0);
  cr_assert_eq(before.rows_held, ROWS, "the mark itself purges nothing");
  for (gr_seqno seqno = ROWS + 1; before.rows_held > before.rows; seqno++) {
    cr_assert_leq(seqno, ROWS + ROWS / 8, "it comes to an end");
    cr_assert_eq(verdict_on(certifier, seqno, ROWS, "X1"),
                 seqno == ROWS + 1 ? GR_VERDICT_COMMIT : GR_VERDICT_CONFLICT);
    gr_certifier_status after = status_of(certifier);
    cr_assert_gt(after.purged, before.purged);
    cr_assert_leq(after.purged - before.purged, 32, "a part at a time");
    before = after;
  }
  cr_assert_eq(before.purged, ROWS);
  gr_certifier_free(certifier);
}

/* ---- coming back ---- */

Test(certifier, what_was_judged_can_be_given_again) {
  gr_certifier *first = certifier_of(4, 0, 0), *second = certifier_of(4, 0, 0);
  struct transaction history[] = {{3, 0, "Xa"}, {3, 0, "Xa"}, {3, 0, "Xb Rc"}};
  gr_seqno depends_on;
  for (gr_seqno seqno = 1; seqno <= 3; seqno++) verdict_on(first, seqno, 0, "");
  gr_certifier_stable(first, 3);
  cr_assert_eq(gr_certifier_begin_at(second, 3, 3), GR_OK);
  for (size_t i = 0; i < 3; i++) {
    gr_certifier_verdict verdict = certify(first, 4 + i, history[i]);
    bool committed = verdict.kind == GR_VERDICT_COMMIT;
    gr_slice bytes = committed ? write_set_of(history[i]) : (gr_slice){NULL, 0};
    cr_assert_eq(gr_certifier_record(second, 4 + i, bytes, committed, &depends_on),
                 GR_OK);
    cr_assert_eq(depends_on, verdict.depends_on);
  }
  cr_assert_eq(gr_certifier_digest(first), gr_certifier_digest(second));
  gr_slice bytes = write_set_of(history[0]);
  cr_assert_eq(gr_certifier_record(NULL, 7, bytes, true, NULL), GR_ERR_INVALID);
  cr_assert_eq(gr_certifier_record(second, 6, bytes, true, NULL), GR_ERR_INVALID);
  cr_assert_eq(gr_certifier_record(second, 7, (gr_slice){NULL, 0}, true, NULL),
               GR_ERR_MALFORMED);
  cr_assert_eq(gr_certifier_begin_at(NULL, 0, 0), GR_ERR_INVALID);
  cr_assert_eq(gr_certifier_begin_at(second, 3, 4), GR_ERR_INVALID);
  cr_assert_eq(gr_certifier_begin_at(second, GR_CERTIFY_SEQNO_MAX + 1, 0),
               GR_ERR_INVALID);
  gr_certifier_free(first);
  gr_certifier_free(second);
}

Test(certifier, what_never_had_room_was_not_committed) {
  gr_certifier *certifier = certifier_of(1, 0, 0);
  struct transaction large = {0, 0, "Xa Xb Xc Xd Xe Xf Xg Xh Xi Xj"};
  cr_assert_eq(gr_certifier_record(certifier, 1, write_set_of(large), true, NULL),
               GR_ERR_TOO_LARGE);
  cr_assert_eq(status_of(certifier).last, 0, "nothing changed");
  gr_certifier_free(certifier);
}

/* ---- calls that are wrong ---- */

static int try_options(gr_certifier_options options) {
  gr_certifier *certifier = NULL;
  int error = gr_certifier_new(&certifier, &options, NULL);
  cr_assert_eq(error == GR_OK, certifier != NULL);
  gr_certifier_free(certifier);
  return error;
}

Test(certifier, making_one) {
  const gr_certifier_options good = {.size = sizeof(good), .memory_bytes_max = 10000};
  gr_certifier_options bad = good;
  gr_certifier *certifier;
  gr_allocator none = no_memory();
  gr_allocator half = {.release = none.release};
  cr_assert_eq(try_options(good), GR_OK);
  bad.size = sizeof(bad) + 1;
  cr_assert_eq(try_options(bad), GR_ERR_VERSION);
  bad.size = 0;
  cr_assert_eq(try_options(bad), GR_ERR_INVALID);
  bad = good;
  bad.memory_bytes_max = GR_CERTIFIER_BYTES_MIN - 1;
  cr_assert_eq(try_options(bad), GR_ERR_INVALID);
  bad.memory_bytes_max = GR_CERTIFIER_BYTES_MIN;
  cr_assert_eq(try_options(bad), GR_OK);
  bad.memory_bytes_max = GR_CERTIFIER_BYTES_MAX + 1;
  cr_assert_eq(try_options(bad), GR_ERR_INVALID);
  bad = good;
  bad.window_max = GR_CERTIFY_SEQNO_MAX + 1;
  cr_assert_eq(try_options(bad), GR_ERR_INVALID);
  bad = good;
  bad.mode = 4;
  cr_assert_eq(try_options(bad), GR_ERR_INVALID);
  cr_assert_eq(gr_certifier_new(NULL, &good, NULL), GR_ERR_INVALID);
  cr_assert_eq(gr_certifier_new(&certifier, NULL, NULL), GR_ERR_INVALID);
  cr_assert_eq(gr_certifier_new(&certifier, &good, &half), GR_ERR_INVALID);
  cr_assert_eq(gr_certifier_new(&certifier, &good, &none), GR_ERR_NO_MEMORY);
  cr_assert_null(certifier);
  gr_certifier_free(NULL);
}

Test(certifier, memory_is_as_published) {
  gr_certifier_options options = {.size = sizeof(options)};
  gr_certifier *certifier;
  cr_assert_eq(gr_certifier_new(&certifier, &options, NULL), GR_OK);
  gr_certifier_status status = status_of(certifier);
  cr_assert_leq(status.bytes, UINT64_C(64) << 20, "the default");
  cr_assert_eq(status.rows_max, ((UINT64_C(64) << 20) - 4096) / 208 * 9);
  cr_assert_leq(status.bytes, status.rows_max * 24);
  gr_certifier_free(certifier);
}

Test(certifier, arguments) {
  gr_certifier *certifier = certifier_of(2, 0, 0);
  gr_slice set = write_set_of((struct transaction){4, 0, "Xa"});
  gr_certifier_verdict verdict = {.size = sizeof(verdict)}, sizeless = {0};
  gr_certifier_status status = {0};
  uint64_t digest = gr_certifier_digest(certifier);
  cr_assert_eq(gr_certifier_certify(NULL, 5, set, &verdict), GR_ERR_INVALID);
  cr_assert_eq(gr_certifier_certify(certifier, 5, set, NULL), GR_ERR_INVALID);
  cr_assert_eq(gr_certifier_certify(certifier, 5, set, &sizeless), GR_ERR_INVALID);
  cr_assert_eq(gr_certifier_certify(certifier, 0, set, &verdict), GR_ERR_INVALID);
  cr_assert_eq(gr_certifier_certify(certifier, GR_CERTIFY_SEQNO_MAX + 1, set, &verdict),
               GR_ERR_INVALID);
  cr_assert_eq(gr_certifier_certify(certifier, 4, set, &verdict), GR_ERR_MALFORMED,
               "nobody has seen what is not yet");
  cr_assert_eq(gr_certifier_certify(certifier, 5, (gr_slice){NULL, 0}, &verdict),
               GR_ERR_MALFORMED);
  gr_certifier_prefetch(NULL, set);
  gr_certifier_prefetch(certifier, (gr_slice){NULL, 0});
  cr_assert_eq(gr_certifier_stable(NULL, 1), GR_ERR_INVALID);
  cr_assert_eq(gr_certifier_stable(certifier, GR_CERTIFY_SEQNO_MAX + 1), GR_ERR_INVALID);
  cr_assert_eq(gr_certifier_mode(NULL, 0), GR_ERR_INVALID);
  cr_assert_eq(gr_certifier_mode(certifier, 4), GR_ERR_INVALID);
  cr_assert_eq(gr_certifier_inspect(NULL, &status), GR_ERR_INVALID);
  cr_assert_eq(gr_certifier_inspect(certifier, NULL), GR_ERR_INVALID);
  cr_assert_eq(gr_certifier_inspect(certifier, &status), GR_ERR_INVALID);
  cr_assert_eq(gr_certifier_digest(NULL), 0);
  cr_assert_eq(gr_certifier_digest(certifier), digest, "nothing changed");
  cr_assert_eq(gr_certifier_certify(certifier, 5, set, &verdict), GR_OK);
  cr_assert_eq(gr_certifier_certify(certifier, 5, set, &verdict), GR_ERR_INVALID,
               "seqnos ascend");
  cr_assert_neq(gr_certifier_digest(certifier), digest);
  gr_certifier_free(certifier);
}
