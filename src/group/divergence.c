/* SPDX-License-Identifier: MIT
 *
 * Comparing histories. All members deliver the same messages, unless memory, a disk or
 * this library is broken; and all hosts should be able to apply them. Members tell each
 * other, with their heartbeats, what their history was behind every so many messages, and
 * what their host could not apply. Whoever a majority of the voters contradicts stops: a
 * member that serves wrong answers is worse than one that is missing.
 */
#include "group/group.h"

/* The history is noted behind every so many messages. */
#define SPACING 1024

void gr_divergence_delivered(struct gr_group *group, gr_seqno seqno) {
  if (seqno % SPACING != 0) return;
  gr_status status = gr_members_status(group);
  memmove(&group->digests[1], &group->digests[0],
          (GR_DIGESTS_KEPT - 1) * sizeof(group->digests[0]));
  group->digests[0] = (struct gr_kept_digest){status.seqno, status.digest};
}

void gr_divergence_fill(const struct gr_group *group, struct gr_note *note) {
  note->digest_seqno = group->digests[0].seqno;
  note->digest = group->digests[0].digest;
  note->seqno = gr_members_status(group).seqno;
  note->failed = group->failed.seqno;
  note->failed_digest = group->failed.digest;
}

static bool history_differs(const struct gr_group *group, const struct gr_note *note) {
  for (uint32_t i = 0; note->digest_seqno != 0 && i < GR_DIGESTS_KEPT; i++)
    if (group->digests[i].seqno == note->digest_seqno)
      return group->digests[i].digest != note->digest;
  return false;
}

/* It failed where we did not, or not in the same way; or we did, and it has passed that.
 */
static bool failure_differs(const struct gr_group *group, const struct gr_note *note,
                            gr_seqno passed) {
  bool same =
      note->failed == group->failed.seqno && note->failed_digest == group->failed.digest;
  if (same) return false;
  if (note->failed > group->failed.seqno) return note->failed <= passed;
  return group->failed.seqno <= note->seqno;
}

void gr_divergence_tick(struct gr_group *group) {
  gr_memberset against = 0;
  gr_seqno passed = gr_members_status(group).seqno;
  for (uint32_t i = 0; i < group->link_end; i++) {
    const struct gr_link *link = &group->links[i];
    if (!link->member || !link->voter || link->note_came == 0) continue;
    if (history_differs(group, &link->note) ||
        failure_differs(group, &link->note, passed))
      against |= gr_memberset_one(i);
  }
  if (against == 0 || !gr_memberset_majority(against, group->suspicion.voters)) return;
  gr_paxos_halt(
      group->paxos, GR_ERR_DIVERGED,
      "a majority has another history, or could apply what this host could not");
}
