/* SPDX-License-Identifier: MIT
 *
 * Giving another member what it lacks: a position, and, where the log does not reach back
 * far enough, a snapshot of the host before it. The receiver pulls; a donor keeps one
 * piece in memory, sends no faster than it may, and forgets who is silent.
 */
#include "group/group.h"

/* Asked so often again for one piece, which others have overtaken, a donor sends it again
 * (as TCP does, RFC 5681, section 3.2); then for a while not, since answers are on their
 * way. */
#define REPEATS_OF_LOSS 3
#define REPEATS_ON_THE_WAY 8

/* A receiver that says nothing for so many election timeouts is given up. */
#define GIVEN_UP_TIMEOUTS 20

struct gr_donation *gr_donation_to(struct gr_group *group, gr_member_id to) {
  for (uint32_t i = 0; to != 0 && i < GR_DONATIONS_MAX; i++)
    if (group->donations[i].to == to) return &group->donations[i];
  return NULL;
}

static void stop(struct gr_group *group, struct gr_donation *donation) {
  if (donation->opened && donation->number != 0)
    group->host.snapshot_close(group->host.context, donation->snapshot);
  donation->to = 0;
  donation->opened = false;
}

void gr_donation_stop_all(struct gr_group *group) {
  for (uint32_t i = 0; i < GR_DONATIONS_MAX; i++)
    if (group->donations[i].to != 0) stop(group, &group->donations[i]);
}

static void refuse(struct gr_group *group, gr_member_id to, uint64_t number) {
  struct gr_link *link = gr_link_find(group, to);
  if (!link) return;
  link->end = (struct gr_end){number, false};
  link->due |= GR_DUE(GR_MESSAGE_END);
}

void gr_donation_asked(struct gr_group *group, gr_member_id from, gr_seqno applied) {
  const struct gr_link *link = gr_link_find(group, from);
  if (!link || !link->member) return;
  struct gr_donation *donation = gr_donation_to(group, from);
  for (uint32_t i = 0; !donation && i < GR_DONATIONS_MAX; i++)
    if (group->donations[i].to == 0) donation = &group->donations[i];
  if (!donation) {
    refuse(group, from, 0);
    return;
  }
  donation->heard = group->now;
  if (donation->to == from && donation->applied != applied)
    stop(group, donation); /* it lacks something else by now */
  if (donation->to == from) {
    /* It has not got the answer. */
    if (donation->opened) gr_link_find(group, from)->due |= GR_DUE(GR_MESSAGE_POSITION);
    return;
  }
  donation->to = from;
  donation->applied = applied;
  donation->opened = false;
}

void gr_donation_pulled(struct gr_group *group, gr_member_id from,
                        const struct gr_pull *pull) {
  struct gr_donation *donation = gr_donation_to(group, from);
  if (!donation || !donation->opened || donation->number != pull->snapshot) {
    refuse(group, from, pull->snapshot);
    return;
  }
  bool silent = group->now - donation->heard >= 2 * group->options.retry_timeout_ns;
  donation->heard = group->now;
  donation->upto = pull->upto;
  donation->repeats = donation->pulled == pull->from ? donation->repeats + 1 : 0;
  donation->pulled = pull->from;
  /* Pieces behind it have come, or nothing for some time: it was lost on the way. */
  bool lost = silent || donation->repeats == REPEATS_OF_LOSS;
  if (donation->offset < pull->from || lost) {
    donation->offset = pull->from;
    donation->repeats = -REPEATS_ON_THE_WAY;
  }
}

void gr_donation_ended(struct gr_group *group, gr_member_id from,
                       const struct gr_end *end) {
  struct gr_donation *donation = gr_donation_to(group, from);
  if (donation && donation->opened && donation->number == end->snapshot)
    stop(group, donation);
}

/* ---- opening ---- */

static void keep_image(struct gr_donation *donation, gr_slice image) {
  memcpy(donation->image, image.data, image.size);
  donation->image_bytes = image.size;
  donation->opened = true;
  donation->offset = donation->upto = 0;
}

/* A snapshot at the very position: nothing is delivered in between. False: not now. */
static bool open_snapshot(struct gr_group *group, struct gr_donation *donation) {
  gr_slice image;
  if (!gr_paxos_image(group->paxos, UINT64_MAX, &image))
    return false; /* at the next slot */
  if (!group->host.snapshot_open ||
      group->host.snapshot_open(group->host.context, &donation->snapshot) != 0) {
    refuse(group, donation->to, 0);
    donation->to = 0;
    return false;
  }
  donation->number = ++group->snapshot_number;
  donation->seqno = gr_members_status(group).seqno;
  keep_image(donation, image);
  return true;
}

static bool open_log(struct gr_group *group, struct gr_donation *donation) {
  gr_slice image;
  if (donation->applied > gr_members_status(group).seqno ||
      !gr_paxos_image(group->paxos, donation->applied, &image))
    return false;
  donation->number = 0;
  donation->seqno = donation->applied;
  keep_image(donation, image);
  return true;
}

void gr_donation_act(struct gr_group *group) {
  for (uint32_t i = 0; i < GR_DONATIONS_MAX; i++) {
    struct gr_donation *donation = &group->donations[i];
    if (donation->to == 0 || donation->opened) continue;
    if (!open_log(group, donation) && !open_snapshot(group, donation)) continue;
    struct gr_link *link = gr_link_find(group, donation->to);
    if (link) link->due |= GR_DUE(GR_MESSAGE_POSITION);
  }
}

void gr_donation_tick(struct gr_group *group) {
  for (uint32_t i = 0; i < GR_DONATIONS_MAX; i++) {
    struct gr_donation *donation = &group->donations[i];
    if (donation->to == 0) continue;
    const struct gr_link *link = gr_link_find(group, donation->to);
    gr_time silence = group->now - donation->heard;
    bool takes_part = link && link->note_came != 0; /* what ended it was lost */
    if (!link || !link->member || takes_part ||
        silence >= GIVEN_UP_TIMEOUTS * group->options.election_timeout_ns)
      stop(group, donation);
    else if (donation->opened && donation->number != 0)
      gr_link_find(group, donation->to)->due |= GR_DUE(GR_MESSAGE_CHUNK);
  }
}

/* ---- sending ---- */

uint64_t gr_donation_total(const struct gr_group *group,
                           const struct gr_donation *donation) {
  if (!group->host.snapshot_bytes) return 0;
  return group->host.snapshot_bytes(group->host.context, donation->snapshot);
}

bool gr_donation_chunk(struct gr_group *group, struct gr_donation *donation,
                       struct gr_chunk *chunk) {
  if (!donation->opened || donation->number == 0 || donation->offset >= donation->upto ||
      group->now < group->chunk_due)
    return false;
  size_t size = group->options.snapshot_chunk_bytes;
  bool end = false;
  if (group->host.snapshot_read(group->host.context, donation->snapshot, donation->offset,
                                donation->chunk, &size, &end) != 0) {
    refuse(group, donation->to, donation->number);
    stop(group, donation);
    return false;
  }
  if (size == 0 && !end) return false; /* not ready */
  *chunk = (struct gr_chunk){.snapshot = donation->number,
                             .offset = donation->offset,
                             .total = gr_donation_total(group, donation),
                             .last = end,
                             .bytes = {donation->chunk, size}};
  return true;
}

void gr_donation_sent(struct gr_group *group, struct gr_donation *donation,
                      const struct gr_chunk *chunk) {
  donation->offset += chunk->bytes.size;
  if (chunk->last) donation->upto = donation->offset; /* until it is asked for again */
  /* Evenly: what could not be sent in time is not made up for by a burst. */
  uint64_t rate = group->options.snapshot_bytes_per_s;
  gr_time span = chunk->bytes.size * UINT64_C(1000000000) / rate;
  gr_time late = group->now - group->chunk_due;
  group->chunk_due = group->now + (span > late ? span - late : 0);
}

/* How often a snapshot is looked at that is not ready. */
#define LOOK_NS UINT64_C(1000000)

gr_time gr_donation_deadline(const struct gr_group *group) {
  for (uint32_t i = 0; i < GR_DONATIONS_MAX; i++) {
    const struct gr_donation *donation = &group->donations[i];
    if (donation->to == 0) continue;
    if (!donation->opened) return group->now + LOOK_NS;
    if (donation->number != 0 && donation->offset < donation->upto)
      return group->now < group->chunk_due ? group->chunk_due : group->now + LOOK_NS;
  }
  return GR_TIME_NEVER;
}
