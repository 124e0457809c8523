/* SPDX-License-Identifier: MIT
 *
 * A joiner's way from its admission to the log: it chooses a donor, which gives it a
 * position. If the log reaches back to what the host has, that is all; else a snapshot of
 * the donor's host comes first, which the joiner pulls piece by piece, so that neither
 * side keeps more of it than a few pieces. Then the engine takes the position over, and
 * learns from there on like anybody who lags. A donor that falls silent is given up for
 * the next one.
 */
#include "group/group.h"

#define SECOND UINT64_C(1000000000)

/* Pieces of a snapshot that may be on their way. */
#define WINDOW_CHUNKS 8

static gr_time patience(const struct gr_group *group) {
  return 4 * group->options.election_timeout_ns;
}

/* ---- donors ---- */

void gr_recovery_begin(struct gr_group *group, const struct gr_answer *answer) {
  for (uint32_t i = 0; i < answer->contact_count; i++) {
    const struct gr_contact *contact = &answer->contacts[i];
    struct gr_link *link = gr_link_open(group, contact->id, contact->address);
    if (!link) continue;
    link->member = true;
    link->voter = contact->voter;
    link->version = contact->version;
    link->until = GR_TIME_NEVER;
    if (contact->leads) group->joining.leader = contact->id;
  }
  group->joining.donor = 0;
  group->joining.attempts = 0;
  group->joining.helped = group->now;
}

static struct gr_link *choose_donor(struct gr_group *group) {
  static const struct gr_donor_weights weights = {40, 30, 20, 10};
  struct gr_donor candidates[GR_LINKS_MAX];
  uint32_t count = 0;
  uint64_t version = group->options.attributes.version;
  for (uint32_t i = 0; i < group->link_end; i++) {
    const struct gr_link *link = &group->links[i];
    if (!link->member || !link->voter) continue;
    candidates[count++] =
        (struct gr_donor){.id = link->id,
                          .completeness = 1000,
                          .version_distance = version > link->version
                                                  ? version - link->version
                                                  : link->version - version,
                          .tries = link->tries,
                          .leads = link->id == group->joining.leader};
  }
  const struct gr_donor *donor = gr_donor_choose(candidates, count, &weights);
  return donor ? gr_link_find(group, donor->id) : NULL;
}

/* The host was told that a snapshot begins, and is told that it broke off. */
static void break_off(struct gr_group *group) {
  struct gr_joining *joining = &group->joining;
  if (joining->snapshot == 0) return;
  joining->snapshot = 0;
  joining->applied = UINT64_MAX; /* what the host had is gone: only a snapshot helps */
  joining->digest = 0;
  if (group->host.restore_end(group->host.context, false) != 0)
    gr_paxos_halt(group->paxos, GR_ERR_HOST, "host.restore_end reported failure");
}

static void end_donation(struct gr_group *group, bool complete) {
  struct gr_link *link = gr_link_find(group, group->joining.donor);
  if (!link || group->joining.snapshot == 0) return;
  link->end = (struct gr_end){group->joining.snapshot, complete};
  link->due |= GR_DUE(GR_MESSAGE_END);
}

void gr_recovery_stop(struct gr_group *group) {
  end_donation(group, false);
  break_off(group);
  group->joining.donor = 0;
}

static void next_donor(struct gr_group *group) {
  struct gr_joining *joining = &group->joining;
  gr_recovery_stop(group);
  struct gr_link *link = choose_donor(group);
  joining->donor_due = group->now + patience(group);
  if (!link) return;
  joining->donor = link->id;
  joining->attempts++;
  link->tries++;
  link->due |= GR_DUE(GR_MESSAGE_RECOVER);
  if (group->host.trace)
    group->host.trace(group->host.context, &(gr_trace_event){.kind = GR_TRACE_DONOR,
                                                             .now = group->now,
                                                             .member = link->id});
}

static void pull(struct gr_group *group) {
  struct gr_link *link = gr_link_find(group, group->joining.donor);
  group->joining.pull_due = group->now + 2 * group->options.retry_timeout_ns +
                            group->options.heartbeat_interval_ns;
  if (link) link->due |= GR_DUE(GR_MESSAGE_PULL);
}

/* Until it takes part in the order, asking whether it still is a member is its sign of
 * life; who was removed meanwhile is told so. */
static void tell_alive(struct gr_group *group) {
  for (uint32_t i = 0; i < group->link_end; i++)
    if (group->links[i].member) group->links[i].due |= GR_DUE(GR_MESSAGE_JOIN);
}

void gr_recovery_tick(struct gr_group *group) {
  struct gr_joining *joining = &group->joining;
  if (group->now - joining->second >= SECOND) {
    joining->per_second = joining->counted;
    joining->counted = 0;
    joining->second = group->now;
  }
  if (group->now - joining->helped >= group->options.join_timeout_ns) {
    gr_joining_removed(group, GR_CAUSE_REMOVED, GR_ERR_TIMEOUT); /* by all who are left */
    return;
  }
  tell_alive(group);
  if (joining->donor == 0 || group->now >= joining->donor_due) {
    next_donor(group);
    return;
  }
  struct gr_link *link = gr_link_find(group, joining->donor);
  if (joining->snapshot != 0 && group->now >= joining->pull_due)
    pull(group);
  else if (joining->snapshot == 0 && link)
    link->due |= GR_DUE(GR_MESSAGE_RECOVER);
}

/* ---- what comes ---- */

/* The callbacks of a restoring host may not call the group. */
static int guarded(struct gr_group *group, int error) {
  if (error != 0)
    gr_paxos_halt(group->paxos, GR_ERR_HOST, "a restore callback reported failure");
  return error == 0 ? GR_OK : GR_ERR_HALTED;
}

static int install(struct gr_group *group, gr_slice image, gr_seqno applied,
                   uint64_t digest) {
  struct gr_joining *joining = &group->joining;
  int error =
      gr_paxos_install(group->paxos, image, joining->member, applied, digest, group->now);
  if (error == GR_OK || error == GR_ERR_HALTED) {
    joining->stage = GR_JOINING_NOT;
    joining->donor = 0;
    if (error == GR_OK) group->begins = group->view_due = true;
    return error;
  }
  if (error != GR_ERR_BUSY) joining->donor_due = group->now; /* another donor's may do */
  return GR_OK;
}

int gr_recovery_positioned(struct gr_group *group, gr_member_id from,
                           const struct gr_position *position) {
  struct gr_joining *joining = &group->joining;
  if (joining->stage != GR_JOINING_RECOVERING || from != joining->donor)
    return GR_ERR_STALE;
  joining->donor_due = group->now + patience(group);
  joining->helped = group->now;
  if (joining->snapshot != 0) return GR_OK; /* a repeat */
  bool has_nothing = joining->applied == UINT64_MAX;
  if (position->snapshot == 0 && has_nothing)
    return GR_ERR_STALE; /* late: for what the host had before a snapshot broke off */
  if (position->snapshot == 0)
    return install(group, position->image, joining->applied, joining->digest);
  /* Storage still writes for the former life, which must not outlive the host's state. */
  if (gr_paxos_forgetting(group->paxos)) return GR_OK;
  if (!group->host.restore_begin || position->image.size > GR_IMAGE_BYTES_MAX) {
    joining->donor_due = group->now;
    return GR_ERR_MALFORMED;
  }
  memcpy(joining->image, position->image.data, position->image.size);
  joining->image_bytes = position->image.size;
  joining->snapshot = position->snapshot;
  joining->seqno = position->seqno;
  joining->received = joining->total = 0;
  joining->ended = false;
  pull(group);
  return guarded(group, group->host.restore_begin(group->host.context, position->seqno));
}

static int complete(struct gr_group *group) {
  struct gr_joining *joining = &group->joining;
  int error = guarded(group, group->host.restore_end(group->host.context, true));
  end_donation(group, true);
  joining->snapshot = 0;
  if (error != GR_OK) return error;
  joining->applied = group->kept = joining->seqno;
  joining->digest = 0; /* the donor's own */
  return install(group, (gr_slice){joining->image, joining->image_bytes}, joining->seqno,
                 0);
}

int gr_recovery_received(struct gr_group *group, gr_member_id from,
                         const struct gr_chunk *chunk) {
  struct gr_joining *joining = &group->joining;
  if (joining->stage != GR_JOINING_RECOVERING || from != joining->donor ||
      chunk->snapshot != joining->snapshot || joining->snapshot == 0)
    return GR_ERR_STALE;
  joining->donor_due = group->now + patience(group);
  joining->total = chunk->total;
  if (chunk->bytes.size == 0 && !chunk->last) return GR_OK; /* it has nothing now */
  if (chunk->offset > joining->received) pull(group);       /* one before it is missing */
  if (chunk->offset != joining->received) return GR_OK;
  int error = guarded(group, group->host.restore_write(group->host.context, chunk->offset,
                                                       chunk->bytes));
  if (error != GR_OK) return error;
  joining->helped = group->now;
  joining->received += chunk->bytes.size;
  joining->counted += chunk->bytes.size;
  if (chunk->last) return complete(group);
  pull(group);
  return GR_OK;
}

void gr_recovery_ended(struct gr_group *group, gr_member_id from,
                       const struct gr_end *end) {
  if (group->joining.stage == GR_JOINING_RECOVERING && from == group->joining.donor &&
      !end->complete)
    group->joining.donor_due = group->now;
}

gr_time gr_recovery_remaining(const struct gr_group *group) {
  const struct gr_joining *joining = &group->joining;
  if (joining->snapshot == 0 || joining->per_second == 0 ||
      joining->total <= joining->received)
    return 0;
  uint64_t rest = joining->total - joining->received;
  uint64_t seconds = rest / joining->per_second;
  if (seconds >= GR_TIME_NEVER / SECOND) return GR_TIME_NEVER;
  /* Bytes a second fit 34 bits by far: no product overflows. */
  return seconds * SECOND +
         rest % joining->per_second * 1000000 / joining->per_second * 1000;
}

void gr_recovery_fill_pull(const struct gr_group *group, struct gr_pull *pull) {
  const struct gr_joining *joining = &group->joining;
  *pull = (struct gr_pull){joining->snapshot, joining->received,
                           joining->received +
                               WINDOW_CHUNKS * group->options.snapshot_chunk_bytes};
}
