/* SPDX-License-Identifier: MIT
 *
 * A group that is well: three members with a copy each, clients at all of them, and one
 * order, which members follow at their own pace. Whatever commits must be as if it had
 * run alone at its place of the order; that nothing is lost, though nobody fails, is the
 * work of certification alone.
 */
#include "transactions.h"

#include "base/random.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <string.h>

#define MEMBERS 3
#define ROWS 8
#define MESSAGES 5000
#define KEYS_BYTES 16

/* Adds one to `written`, having read that and `read`. Or a mark: all have applied so far.
 */
struct message {
  bool is_mark;
  gr_seqno mark;
  gr_seqno snapshot;
  char keys[KEYS_BYTES];
  unsigned written, read;
  uint64_t written_before, read_value; /* what its client saw */
};

struct member {
  gr_certifier *certifier;
  uint64_t rows[ROWS];
  gr_seqno applied;
};

struct group {
  struct gr_random random;
  struct member members[MEMBERS];
  struct message order[MESSAGES + 1]; /* from 1 on */
  gr_seqno ordered;
  enum gr_certifier_verdict_kind verdicts[MESSAGES + 1]; /* of who was first to judge */
  uint64_t commits[ROWS];                                /* that added one */
  uint64_t conflicts, lost, stale;
};

static uint64_t draw(struct group *group, uint64_t below) {
  return gr_random_below(&group->random, below);
}

/* A client at a member, between two messages. */
static void run_client(struct group *group, bool gives_reads) {
  const struct member *member = &group->members[draw(group, MEMBERS)];
  struct message *message = &group->order[++group->ordered];
  unsigned written = (unsigned)draw(group, ROWS), read = (unsigned)draw(group, ROWS);
  *message = (struct message){.snapshot = member->applied,
                              .written = written,
                              .read = read,
                              .written_before = member->rows[written],
                              .read_value = member->rows[read]};
  snprintf(message->keys, sizeof(message->keys), gives_reads ? "X%u S%u" : "X%u", written,
           read);
}

static void put_mark(struct group *group) {
  struct message *message = &group->order[++group->ordered];
  *message = (struct message){.is_mark = true, .mark = GR_CERTIFY_SEQNO_MAX};
  for (unsigned i = 0; i < MEMBERS; i++)
    if (group->members[i].applied < message->mark)
      message->mark = group->members[i].applied;
}

/* What the order says of one that commits, when all before it is applied. */
static void check_commit(struct group *group, const struct member *member,
                         const struct message *message) {
  group->commits[message->written]++;
  group->lost += member->rows[message->written] != message->written_before;
  group->stale += member->rows[message->read] != message->read_value;
}

/* The next message of the order, at one member. */
static void deliver(struct group *group, struct member *member, bool obeys) {
  if (member->applied == group->ordered) return;
  gr_seqno seqno = ++member->applied;
  const struct message *message = &group->order[seqno];
  if (message->is_mark) {
    cr_assert_eq(gr_certifier_stable(member->certifier, message->mark), GR_OK);
    return;
  }
  bool is_first = true;
  for (unsigned i = 0; i < MEMBERS; i++)
    if (&group->members[i] != member && group->members[i].applied >= seqno)
      is_first = false;
  enum gr_certifier_verdict_kind verdict =
      verdict_on(member->certifier, seqno, message->snapshot, message->keys);
  if (is_first) group->verdicts[seqno] = verdict;
  cr_assert_eq(verdict, group->verdicts[seqno], "all members judge alike");
  cr_assert_neq(verdict, GR_VERDICT_TOO_OLD, "no client is older than the watermark");
  bool commits = verdict == GR_VERDICT_COMMIT || !obeys;
  if (is_first) group->conflicts += verdict == GR_VERDICT_CONFLICT;
  if (is_first && commits) check_commit(group, member, message);
  if (commits) member->rows[message->written] = message->written_before + 1;
}

/* `obeys` false: members apply what they should not, which shows what would be lost. */
static struct group *run_group(bool gives_reads, bool obeys) {
  static struct group group;
  group = (struct group){.random = {.state = 11}};
  for (unsigned i = 0; i < MEMBERS; i++)
    group.members[i].certifier = certifier_of(50, 0, 0);
  while (group.ordered < MESSAGES) {
    if (draw(&group, 3) == 0) run_client(&group, gives_reads);
    if (draw(&group, 100) == 0 && group.ordered < MESSAGES) put_mark(&group);
    deliver(&group, &group.members[draw(&group, MEMBERS)], obeys);
  }
  for (unsigned i = 0; i < MEMBERS; i++)
    while (group.members[i].applied < group.ordered)
      deliver(&group, &group.members[i], obeys);
  for (unsigned i = 1; i < MEMBERS; i++) {
    cr_assert_eq(memcmp(group.members[i].rows, group.members[0].rows,
                        sizeof(uint64_t[ROWS])),
                 0, "copies are equal");
    cr_assert_eq(gr_certifier_digest(group.members[i].certifier),
                 gr_certifier_digest(group.members[0].certifier));
  }
  for (unsigned i = 0; i < MEMBERS; i++) gr_certifier_free(group.members[i].certifier);
  return &group;
}

static bool adds_up(const struct group *group) {
  return memcmp(group->members[0].rows, group->commits, sizeof(group->commits)) == 0;
}

Test(members, no_update_is_lost_in_a_group_that_is_well) {
  const struct group *group = run_group(false, true);
  cr_assert_gt(group->conflicts, MESSAGES / 20, "some were not first");
  cr_assert(adds_up(group));
  cr_assert_eq(group->lost, 0);
}

Test(members, without_verdicts_updates_are_lost) {
  const struct group *group = run_group(false, false);
  cr_assert_not(adds_up(group));
  cr_assert_gt(group->lost, MESSAGES / 20);
}

Test(members, with_keys_of_writes_only_reads_may_be_stale) {
  cr_assert_gt(run_group(false, true)->stale, MESSAGES / 100);
}

Test(members, with_keys_of_reads_none_is_stale) {
  const struct group *group = run_group(true, true);
  cr_assert_eq(group->stale, 0);
  cr_assert_eq(group->lost, 0);
  cr_assert(adds_up(group));
}
