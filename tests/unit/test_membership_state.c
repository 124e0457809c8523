/* SPDX-License-Identifier: MIT
 *
 * membership/state.h: each cause in each situation that a member can be in.
 */
#include "membership/state.h"

#include <criterion/criterion.h>
#include <string.h>

/* The situations that differ: the four states, ERROR once for each way into it. */
static const struct gr_state situations[] = {
    {GR_MEMBER_OFFLINE, GR_CAUSE_NONE},    {GR_MEMBER_RECOVERING, GR_CAUSE_JOINED},
    {GR_MEMBER_ONLINE, GR_CAUSE_PROMOTED}, {GR_MEMBER_ERROR, GR_CAUSE_QUORUM_LOST},
    {GR_MEMBER_ERROR, GR_CAUSE_REMOVED},   {GR_MEMBER_ERROR, GR_CAUSE_FELL_BEHIND},
    {GR_MEMBER_ERROR, GR_CAUSE_FAILED},
};

/* clang-format off */
/* A row a cause, a column a situation: what it becomes (Off, Rec, Onl, Err), - if refused. */
static const struct {
  enum gr_state_cause cause;
  const char *outcomes;
} expected[] = {
    /*                     OFFL REC  ONL  ERROR by lost quorum, removal, lag, failure */
    {GR_CAUSE_NONE,        " -   -   -   -   -   -   - "},
    {GR_CAUSE_FOUNDED,     "Onl  -   -   -   -   -   - "},
    {GR_CAUSE_JOINED,      "Rec  -   -   -  Rec Rec  - "},
    {GR_CAUSE_RESUMED,     "Rec  -   -   -   -   -   - "},
    {GR_CAUSE_PROMOTED,    " -  Onl  -   -   -   -   - "},
    {GR_CAUSE_CAUGHT_UP,   " -  Onl  -   -   -   -   - "},
    {GR_CAUSE_QUORUM_LOST, " -  Err Err  -   -   -   - "},
    {GR_CAUSE_QUORUM_BACK, " -   -   -  Rec  -   -   - "},
    {GR_CAUSE_REMOVED,     " -  Err Err Err  -  Err  - "},
    {GR_CAUSE_FELL_BEHIND, " -  Err Err Err  -   -   - "},
    {GR_CAUSE_REFUSED,     "Off  -   -   -  Off Off  - "},
    {GR_CAUSE_LEFT,        "Off Off Off Off Off Off  - "},
    {GR_CAUSE_FAILED,      "Err Err Err Err Err Err  - "},
};
/* clang-format on */

static const char *const words[] = {"Off", "Rec", "Onl", "Err"};

Test(membership_state, each_cause_in_each_situation) {
  size_t causes = sizeof(expected) / sizeof(expected[0]);
  cr_assert_eq(causes, GR_CAUSE_COUNT);
  for (size_t row = 0; row < causes; row++) {
    for (size_t column = 0; column < sizeof(situations) / sizeof(situations[0]);
         column++) {
      struct gr_state state = situations[column];
      const char *outcome = expected[row].outcomes + 4 * column;
      int error = gr_state_step(&state, expected[row].cause);
      if (outcome[1] == '-') {
        cr_assert_eq(error, GR_ERR_STATE, "row %zu, column %zu", row, column);
        cr_assert_eq(state.state, situations[column].state);
        cr_assert_eq(state.cause, situations[column].cause);
      } else {
        cr_assert_eq(error, GR_OK, "row %zu, column %zu", row, column);
        cr_assert_eq(strncmp(words[state.state], outcome, 3), 0, "row %zu, column %zu",
                     row, column);
        cr_assert_eq(state.cause, expected[row].cause);
      }
    }
  }
}

Test(membership_state, all_zero_is_a_member_just_made) {
  struct gr_state state;
  memset(&state, 0, sizeof(state));
  cr_assert_eq(state.state, GR_MEMBER_OFFLINE);
  cr_assert_eq(state.cause, GR_CAUSE_NONE);
}

Test(membership_state, no_value_beyond_the_list_is_a_cause) {
  for (size_t i = 0; i < sizeof(situations) / sizeof(situations[0]); i++) {
    struct gr_state state = situations[i];
    cr_assert_eq(gr_state_step(&state, GR_CAUSE_COUNT), GR_ERR_STATE);
  }
}
