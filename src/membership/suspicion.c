/* SPDX-License-Identifier: MIT */
#include "membership/suspicion.h"

void gr_suspicion_begin(struct gr_suspicion *suspicion, gr_time lifetime_ns) {
  *suspicion = (struct gr_suspicion){.lifetime_ns = lifetime_ns};
}

static void drop_old_reports(struct gr_suspicion *suspicion, gr_time now) {
  for (gr_memberset left = suspicion->reported; left != 0; left &= left - 1) {
    uint32_t i = gr_memberset_lowest(left);
    if (now - suspicion->reported_at[i] >= suspicion->lifetime_ns)
      suspicion->reported &= ~gr_memberset_one(i);
  }
}

/* Whose reports name `target`: of them a majority of the voters is looked for. */
static gr_memberset accusers_of(const struct gr_suspicion *suspicion, uint32_t target) {
  gr_memberset accusers = 0;
  gr_memberset others = suspicion->reported & ~gr_memberset_one(target);
  for (gr_memberset left = others; left != 0; left &= left - 1) {
    uint32_t i = gr_memberset_lowest(left);
    if (gr_memberset_has(suspicion->suspects[i], target)) accusers |= gr_memberset_one(i);
  }
  return accusers;
}

static void judge(struct gr_suspicion *suspicion, gr_time now) {
  drop_old_reports(suspicion, now);
  suspicion->agreed &= suspicion->members;
  for (gr_memberset left = suspicion->members; left != 0; left &= left - 1) {
    uint32_t i = gr_memberset_lowest(left);
    gr_memberset one = gr_memberset_one(i);
    if (!gr_memberset_majority(accusers_of(suspicion, i), suspicion->voters)) {
      suspicion->agreed &= ~one;
    } else if (!gr_memberset_has(suspicion->agreed, i)) {
      suspicion->agreed |= one;
      suspicion->agreed_since[i] = now;
    }
  }
}

void gr_suspicion_enter(struct gr_suspicion *suspicion, gr_memberset members,
                        gr_memberset voters, gr_time now) {
  suspicion->members = members;
  suspicion->voters = voters;
  suspicion->reported &= members;
  for (uint32_t i = 0; i < GR_SUSPICION_PLACES; i++) suspicion->suspects[i] &= members;
  judge(suspicion, now);
}

void gr_suspicion_report(struct gr_suspicion *suspicion, uint32_t from,
                         gr_memberset suspects, gr_time now) {
  judge(suspicion, now); /* or an agreement that has lapsed by now would seem to go on */
  suspicion->reported |= gr_memberset_one(from);
  suspicion->reported_at[from] = now;
  suspicion->suspects[from] = suspects & suspicion->members;
  judge(suspicion, now);
}

void gr_suspicion_forget(struct gr_suspicion *suspicion) {
  suspicion->reported = 0;
  suspicion->agreed = 0;
}

gr_time gr_suspicion_agreed_since(struct gr_suspicion *suspicion, uint32_t index,
                                  gr_time now) {
  judge(suspicion, now);
  return gr_memberset_has(suspicion->agreed, index) ? suspicion->agreed_since[index]
                                                    : GR_TIME_NEVER;
}

bool gr_suspicion_to_expel(struct gr_suspicion *suspicion, uint32_t self,
                           gr_time expel_timeout_ns, gr_time now, uint32_t *index) {
  judge(suspicion, now);
  gr_time longest = GR_TIME_NEVER;
  for (uint32_t i = 0; i < GR_SUSPICION_PLACES; i++) {
    gr_time since = suspicion->agreed_since[i];
    if (i == self || !gr_memberset_has(suspicion->agreed, i)) continue;
    if (now - since < expel_timeout_ns || since >= longest) continue;
    longest = since;
    *index = i;
  }
  return longest != GR_TIME_NEVER;
}

gr_time gr_suspicion_deadline(const struct gr_suspicion *suspicion, uint32_t self,
                              gr_time expel_timeout_ns, gr_time now) {
  gr_time deadline = GR_TIME_NEVER;
  for (uint32_t i = 0; i < GR_SUSPICION_PLACES; i++) {
    if (i == self || !gr_memberset_has(suspicion->agreed, i)) continue;
    gr_time due = suspicion->agreed_since[i] + expel_timeout_ns;
    if (due > now && due < deadline) deadline = due;
  }
  return deadline;
}
