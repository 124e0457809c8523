/* SPDX-License-Identifier: MIT
 *
 * What certification promises, case by case: the table of conflicts of
 * doc/certification.md, and the anomalies that it prevents or, with keys of what was
 * written only, does not.
 */
#include "transactions.h"

#include <criterion/criterion.h>
#include <stdio.h>

/* ---- the table ---- */

static const struct conflict_case {
  char committed, later;
  bool conflict;
} table[] = {
    {'X', 'X', true},  {'X', 'R', true},  {'X', 'S', true},
    {'R', 'X', true},  {'R', 'R', false}, {'R', 'S', false},
    {'S', 'X', false}, {'S', 'R', false}, {'S', 'S', false},
};

Test(isolation, the_table_of_conflicts) {
  for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++) {
    gr_certifier *certifier = certifier_of(4, 0, 0);
    char first[] = {table[i].committed, 'a', 0}, other[] = {table[i].later, 'b', 0};
    char both[] = {'X', 'c', ' ', table[i].later, 'a', 0};
    cr_assert_eq(certify(certifier, 5, (struct transaction){4, 0, first}).kind,
                 GR_VERDICT_COMMIT);
    cr_assert_eq(verdict_on(certifier, 6, 4, other), GR_VERDICT_COMMIT, "another row");
    gr_certifier_verdict verdict =
        certify(certifier, 7, (struct transaction){4, 0, both});
    cr_assert_eq(verdict.kind == GR_VERDICT_CONFLICT, table[i].conflict,
                 "%c committed, then %c", table[i].committed, table[i].later);
    cr_assert_eq(verdict.winner, table[i].conflict ? 5 : 0);
    cr_assert_eq(verdict.key, table[i].conflict ? 1 : 0);
    verdict = certify(certifier, 8, (struct transaction){7, 0, both});
    cr_assert_eq(verdict.kind, GR_VERDICT_COMMIT, "what the snapshot has seen");
    gr_certifier_free(certifier);
  }
}

Test(isolation, the_winner_is_the_last_that_conflicts) {
  gr_certifier *certifier = certifier_of(4, 0, 0);
  verdict_on(certifier, 1, 0, "Xa");
  verdict_on(certifier, 2, 1, "Xa");
  verdict_on(certifier, 3, 2, "Ra");
  gr_certifier_verdict verdict =
      certify(certifier, 4, (struct transaction){0, 0, "Rb Sa"});
  cr_assert_eq(verdict.kind, GR_VERDICT_CONFLICT);
  cr_assert_eq(verdict.winner, 2, "a reference hides no write before it");
  verdict = certify(certifier, 5, (struct transaction){0, 0, "Xa"});
  cr_assert_eq(verdict.winner, 3);
  gr_certifier_free(certifier);
}

Test(isolation, who_lost_stands_in_nobodys_way) {
  gr_certifier *certifier = certifier_of(4, 0, 0);
  cr_assert_eq(verdict_on(certifier, 1, 0, "Xa"), GR_VERDICT_COMMIT);
  cr_assert_eq(verdict_on(certifier, 2, 0, "Xb Xa"), GR_VERDICT_CONFLICT);
  cr_assert_eq(verdict_on(certifier, 3, 0, "Xb"), GR_VERDICT_COMMIT);
  gr_certifier_free(certifier);
}

/* ---- anomalies ---- */

/* Two members, neither of which is slow or cut off: both read a counter, and both write
 * it before either has heard of the other. */
Test(isolation, no_update_is_lost) {
  gr_certifier *certifier = certifier_of(4, 0, 0);
  int counter = 10, seen_by_one = counter, seen_by_other = counter;
  if (verdict_on(certifier, 1, 0, "Xcounter") == GR_VERDICT_COMMIT)
    counter = seen_by_one + 1;
  if (verdict_on(certifier, 2, 0, "Xcounter") == GR_VERDICT_COMMIT)
    counter = seen_by_other + 1;
  else if (verdict_on(certifier, 3, 1, "Xcounter") == GR_VERDICT_COMMIT) /* once more */
    counter = counter + 1;
  cr_assert_eq(counter, 12);
  gr_certifier_free(certifier);
}

/* A snapshot that is taken behind the first read claims to have seen what it has not. */
Test(isolation, a_snapshot_behind_the_first_read_loses_an_update) {
  gr_certifier *certifier = certifier_of(4, 0, 0);
  cr_assert_eq(verdict_on(certifier, 1, 0, "Xcounter"), GR_VERDICT_COMMIT);
  cr_assert_eq(verdict_on(certifier, 2, 0, "Xcounter"), GR_VERDICT_CONFLICT, "in time");
  cr_assert_eq(verdict_on(certifier, 3, 1, "Xcounter"), GR_VERDICT_COMMIT, "too late");
  gr_certifier_free(certifier);
}

/* Reads one row, and writes another by what it read, which is no longer so. */
Test(isolation, a_stale_read_is_caught_by_keys_of_reads_only) {
  gr_certifier *certifier = certifier_of(4, 0, 0);
  cr_assert_eq(verdict_on(certifier, 1, 0, "Xprice"), GR_VERDICT_COMMIT);
  cr_assert_eq(verdict_on(certifier, 2, 0, "Xorder1"), GR_VERDICT_COMMIT);
  cr_assert_eq(verdict_on(certifier, 3, 0, "Sprice Xorder2"), GR_VERDICT_CONFLICT);
  cr_assert_eq(verdict_on(certifier, 4, 1, "Sprice Xorder2"), GR_VERDICT_COMMIT);
  gr_certifier_free(certifier);
}

/* Both doctors see the other on call, and go. */
Test(isolation, write_skew_is_caught_by_keys_of_reads_only) {
  gr_certifier *certifier = certifier_of(4, 0, 0);
  cr_assert_eq(verdict_on(certifier, 1, 0, "Xalice"), GR_VERDICT_COMMIT);
  cr_assert_eq(verdict_on(certifier, 2, 0, "Xbob"), GR_VERDICT_COMMIT);
  cr_assert_eq(verdict_on(certifier, 3, 2, "Sbob Xalice"), GR_VERDICT_COMMIT);
  cr_assert_eq(verdict_on(certifier, 4, 2, "Salice Xbob"), GR_VERDICT_CONFLICT);
  gr_certifier_free(certifier);
}

Test(isolation, a_parent_does_not_vanish_under_its_children) {
  gr_certifier *certifier = certifier_of(4, 0, 0);
  cr_assert_eq(verdict_on(certifier, 1, 0, "Xchild1 Rparent"), GR_VERDICT_COMMIT);
  cr_assert_eq(verdict_on(certifier, 2, 0, "Xchild2 Rparent"), GR_VERDICT_COMMIT);
  cr_assert_eq(verdict_on(certifier, 3, 0, "Xparent"), GR_VERDICT_CONFLICT);
  cr_assert_eq(verdict_on(certifier, 4, 3, "Xparent"), GR_VERDICT_COMMIT);
  cr_assert_eq(verdict_on(certifier, 5, 3, "Xchild3 Rparent"), GR_VERDICT_CONFLICT);
  gr_certifier_free(certifier);
}

Test(isolation, who_depends_on_nothing_that_it_read_never_conflicts) {
  gr_certifier *certifier = certifier_of(4, 0, 0);
  cr_assert_eq(verdict_on(certifier, 1, 0, "Xa"), GR_VERDICT_COMMIT);
  cr_assert_eq(verdict_on(certifier, 2, GR_SNAPSHOT_NONE, "Xa"), GR_VERDICT_COMMIT);
  cr_assert_eq(verdict_on(certifier, 3, 1, "Xa"), GR_VERDICT_CONFLICT, "its keys count");
  gr_certifier_free(certifier);
}

/* ---- dependencies ---- */

Test(isolation, dependencies) {
  gr_certifier *certifier = certifier_of(9, 0, 0);
  static const struct dependency_case {
    uint32_t flags;
    const char *keys;
    gr_seqno depends_on;
  } cases[] = {
      {0, "Xa", 0},
      {0, "Xb", 0},
      {0, "Rc", 0},
      {0, "Rc Sd", 0},                   /* 4: references side by side */
      {0, "Xc", 4},                      /* behind them */
      {0, "Sa Sc", 5},                   /* 6: read keys come behind writers */
      {0, "Xd", 0},                      /* which nobody waits for */
      {GR_WRITESET_BARRIER, "Xe", 7},    /* 8: behind all */
      {0, "Xf", 8},                      /* before all */
      {0, "Xf Xe", 9},                   /* 10 */
      {0, "", 10},                       /* nothing says what it touches */
      {0, "Xg", 11},                     /* 12 */
      {GR_WRITESET_READ_ONLY, "", 11},   /* which touches nothing */
      {GR_WRITESET_READ_ONLY, "Sg", 12}, /* 14 */
      {0, "Xh", 11},
  };
  for (gr_seqno seqno = 1; seqno <= sizeof(cases) / sizeof(cases[0]); seqno++) {
    const struct dependency_case *now = &cases[seqno - 1];
    gr_certifier_verdict verdict =
        certify(certifier, seqno, (struct transaction){seqno - 1, now->flags, now->keys});
    cr_assert_eq(verdict.kind, GR_VERDICT_COMMIT);
    cr_assert_eq(verdict.depends_on, now->depends_on, "at %d", (int)seqno);
  }
  cr_assert_eq(gr_certifier_stable(certifier, 14), GR_OK);
  cr_assert_eq(certify(certifier, 16, (struct transaction){14, 0, "Xnew"}).depends_on, 14,
               "nobody knows any more what lies below the floor");
  gr_certifier_free(certifier);
}

/* ---- modes ---- */

Test(isolation, what_keys_do_not_cover_is_refused_where_several_write) {
  gr_certifier *certifier = certifier_of(4, 0, GR_CERTIFIER_STRICT);
  struct transaction serializable = {0, GR_WRITESET_SERIALIZABLE, "Xa"};
  struct transaction cascading = {0, GR_WRITESET_CASCADING, "Xa"};
  cr_assert_eq(certify(certifier, 1, serializable).kind, GR_VERDICT_REFUSED_SERIALIZABLE);
  cr_assert_eq(certify(certifier, 2, cascading).kind, GR_VERDICT_REFUSED_CASCADING);
  cr_assert_eq(gr_certifier_mode(certifier, 0), GR_OK);
  cr_assert_eq(certify(certifier, 3, cascading).kind, GR_VERDICT_COMMIT);
  serializable.snapshot = 3;
  cr_assert_eq(certify(certifier, 4, serializable).kind, GR_VERDICT_COMMIT);
  gr_certifier_free(certifier);
}

Test(isolation, one_writer_has_dependencies_only) {
  gr_certifier *certifier = certifier_of(4, 0, GR_CERTIFIER_DEPENDENCIES_ONLY);
  verdict_on(certifier, 1, 0, "Xa");
  gr_certifier_verdict verdict = certify(certifier, 2, (struct transaction){0, 0, "Xa"});
  cr_assert_eq(verdict.kind, GR_VERDICT_COMMIT);
  cr_assert_eq(verdict.depends_on, 1);
  gr_certifier_stable(certifier, 2);
  cr_assert_eq(verdict_on(certifier, 3, 0, "Xb"), GR_VERDICT_COMMIT, "none is too old");
  gr_certifier_mode(certifier, 0);
  cr_assert_eq(verdict_on(certifier, 4, 2, "Xb"), GR_VERDICT_CONFLICT,
               "what committed meanwhile is remembered");
  gr_certifier_free(certifier);
}
