/* SPDX-License-Identifier: MIT
 *
 * base/assert.h: a broken invariant is remembered with its place, and the first one
 * counts, since those after it are its consequences.
 */
#include "base/assert.h"

#include <criterion/criterion.h>
#include <signal.h>

Test(assert, what_holds_latches_nothing) {
  struct gr_halt halt = {0};
  cr_assert(GR_ENSURE(&halt, 1 + 1 == 2, "arithmetic"));
  cr_assert_eq(halt.error, GR_OK);
  cr_assert_null(halt.reason);
}

Test(assert, what_does_not_is_named) {
  struct gr_halt halt = {0};
  int line = __LINE__ + 1;
  cr_assert(!GR_ENSURE(&halt, 1 + 1 == 3, "first"));
  cr_assert_eq(halt.error, GR_ERR_INVARIANT);
  cr_assert_str_eq(halt.reason, "first");
  cr_assert_str_eq(halt.file, __FILE__);
  cr_assert_eq(halt.line, line);
}

Test(assert, only_the_first_cause_is_kept) {
  struct gr_halt halt = {0};
  GR_HALT(&halt, GR_ERR_HOST, "first");
  int line = halt.line;
  cr_assert(!GR_ENSURE(&halt, false, "second"));
  GR_HALT(&halt, GR_ERR_NO_MEMORY, "third");
  cr_assert_eq(halt.error, GR_ERR_HOST);
  cr_assert_str_eq(halt.reason, "first");
  cr_assert_eq(halt.line, line);
}

#ifdef NDEBUG
Test(assert, checks_cost_nothing_in_release) {
  int evaluated = 0;
  GR_CHECK(evaluated++ != 0);
  cr_assert_eq(evaluated, 0);
}
#else
Test(assert, checks_trap_in_debug, .signal = SIGILL) {
  GR_CHECK(1 + 1 == 3);
}

Test(assert, checks_that_hold_go_on) {
  GR_CHECK(1 + 1 == 2);
}
#endif
