/* SPDX-License-Identifier: MIT
 *
 * Answering those who ask to be let in, and those who ask whether they still are members.
 * Only the leader lets in; others point to it. A server that comes back while its former
 * incarnation is still a member has that one removed first, if it is silent or was where
 * the new one is (R21); so a uuid never stands twice in a view.
 */
#include "group/group.h"

static void answer(struct gr_link *link, enum gr_answer_kind verdict, int error,
                   uint64_t detail) {
  link->verdict = verdict;
  link->answer_error = error;
  link->answer_detail = detail;
  link->due |= GR_DUE(GR_MESSAGE_ANSWER);
}

static bool keep_request(struct gr_link *link, const struct gr_join *join) {
  struct gr_writer writer = gr_writer_of(link->asked_bytes, sizeof(link->asked_bytes));
  gr_attributes_encode(&writer, &join->attributes);
  if (writer.bad) return false;
  link->asked = *join;
  struct gr_reader reader = gr_reader_of(link->asked_bytes, writer.used);
  return gr_attributes_decode(&reader, &link->asked.attributes);
}

/* Those who are no members, and have asked something. */
static uint32_t guests(const struct gr_group *group) {
  uint32_t count = 0;
  for (uint32_t i = 0; i < group->link_end; i++) {
    const struct gr_link *link = &group->links[i];
    bool seed = (link->id & GR_SEED_BITS) == GR_SEED_BITS;
    if (link->id != 0 && !link->member && !seed && link->until != GR_TIME_NEVER) count++;
  }
  return count;
}

/* Is whoever asks still a member, by this name and in this life? */
static void answer_member(struct gr_group *group, gr_member_id from,
                          const struct gr_message_header *header,
                          const struct gr_join *join) {
  struct gr_link *link = gr_link_find(group, from);
  gr_seat seats[GR_MEMBERS_MAX];
  size_t count;
  gr_paxos_view(group->paxos, seats, GR_MEMBERS_MAX, &count);
  bool seated = false;
  if (from >= gr_paxos_next_id(group->paxos)) return; /* we have yet to hear of it */
  for (size_t i = 0; i < count; i++)
    if (seats[i].id == from && seats[i].incarnation == header->incarnation) seated = true;
  /* It stands in a view that knows nobody like us: nothing of ours reaches it. */
  bool behind = seated && join->known < gr_members_status(group).self;
  if (seated && !behind) return;
  if (!link && guests(group) >= GR_GUESTS_MAX) return;
  if (!link) link = gr_link_open(group, from, join->attributes.address);
  if (!link) return;
  if (!link->member && link->until == GR_TIME_NEVER)
    link->until = group->now + group->options.join_timeout_ns;
  link->answer_incarnation = header->incarnation;
  link->answer_group = header->group;
  answer(link, GR_ANSWER_GONE, behind ? GR_ERR_BEHIND : GR_ERR_REMOVED,
         gr_members_status(group).epoch);
}

void gr_admission_asked(struct gr_group *group, gr_member_id from,
                        const struct gr_message_header *header,
                        const struct gr_join *join) {
  if (from < GR_MEMBER_ID_MAX) {
    if (join->member == from && gr_members_status(group).role != GR_ROLE_FORMING)
      answer_member(group, from, header, join);
    return;
  }
  if ((from & GR_SEED_BITS) != GR_GUEST_BIT || join->attributes.address.size == 0) return;
  struct gr_link *link = gr_link_find(group, from);
  if (!link && guests(group) >= GR_GUESTS_MAX) return;
  if (!link) {
    link = gr_link_open(group, from, join->attributes.address);
    if (!link) return;
    link->asked_first = group->now;
  }
  if (!keep_request(link, join)) return;
  link->until = group->now + 4 * group->options.election_timeout_ns;
  link->answer_incarnation = header->incarnation;
  link->answer_group = header->group;
  link->asks = group->guests_ask = true;
}

/* ---- the verdict ---- */

static bool same_uuid(const gr_seat *seat, const struct gr_join *join,
                      gr_attributes *attributes) {
  gr_attributes_of(seat->profile, attributes);
  return gr_uuid_equal(&attributes->uuid, &join->attributes.uuid);
}

/* The former incarnation goes first, unless it lives somewhere else. */
static void replace(struct gr_group *group, struct gr_link *link, const gr_seat *seat,
                    const gr_attributes *attributes) {
  const struct gr_link *former = gr_link_find(group, seat->id);
  bool moved = gr_slice_equal(attributes->address, link->asked.attributes.address);
  bool gone = moved || !former || former->suspected;
  if (seat->id == gr_members_status(group).self ||
      (!gone && group->now - link->asked_first >= group->options.suspect_ceiling_ns)) {
    answer(link, GR_ANSWER_REFUSED, GR_ERR_UUID_PRESENT, seat->id);
    return;
  }
  if (gone) gr_leading_remove(group, seat->id, GR_VIEW_REPLACED);
  answer(link, GR_ANSWER_WAIT, GR_ERR_UUID_PRESENT, seat->id);
}

/* True if the view knows its uuid, and the answer follows from that. */
static bool is_known(struct gr_group *group, struct gr_link *link, const gr_seat *seats,
                     size_t count) {
  for (size_t i = 0; i < count; i++) {
    gr_attributes attributes;
    if (!same_uuid(&seats[i], &link->asked, &attributes)) continue;
    if (seats[i].incarnation == link->answer_incarnation) {
      link->answer_member = seats[i].id;
      answer(link, GR_ANSWER_ADMITTED, GR_OK, 0);
    } else {
      replace(group, link, &seats[i], &attributes);
    }
    return true;
  }
  return false;
}

static int refusal(const struct gr_group *group, const struct gr_link *link,
                   const gr_seat *seats, size_t count, uint64_t *detail) {
  const struct gr_join *join = &link->asked;
  if (link->answer_group != group->id_hash) return GR_ERR_WRONG_GROUP;
  if (join->members_max != group->options.members_max ||
      join->limits != gr_paxos_limits(group->paxos))
    return GR_ERR_LIMITS_DIFFER;
  if (count >= group->options.members_max) return GR_ERR_GROUP_IS_FULL;
  uint64_t lowest = UINT64_MAX;
  for (size_t i = 0; i < count; i++) {
    gr_attributes attributes;
    gr_attributes_of(seats[i].profile, &attributes);
    if (attributes.version < lowest) lowest = attributes.version;
  }
  if (join->attributes.version < lowest) return GR_ERR_VERSION_TOO_LOW;
  *detail = gr_members_status(group).seqno;
  return join->applied > *detail ? GR_ERR_DIVERGED : GR_OK;
}

static void admit(struct gr_group *group, struct gr_link *link) {
  uint8_t profile[GR_PROFILE_BYTES_MAX];
  struct gr_writer writer = gr_writer_of(profile, sizeof(profile));
  gr_attributes_encode(&writer, &link->asked.attributes);
  gr_change change = {.kind = GR_CHANGE_ADD,
                      .incarnation = link->answer_incarnation,
                      .reason = GR_VIEW_JOINED,
                      .profile = {profile, writer.used}};
  gr_paxos_change(group->paxos, &change, group->now);
  answer(link, GR_ANSWER_WAIT, GR_OK, 0);
}

static void decide(struct gr_group *group, struct gr_link *link) {
  gr_seat seats[GR_MEMBERS_MAX];
  size_t count;
  gr_paxos_view(group->paxos, seats, GR_MEMBERS_MAX, &count);
  uint64_t detail = 0;
  if (link->answer_group == group->id_hash && is_known(group, link, seats, count)) return;
  int error = refusal(group, link, seats, count, &detail);
  /* What the leader itself has yet to learn may explain it. */
  bool may_pass = error == GR_ERR_DIVERGED &&
                  group->now - link->asked_first < 4 * group->options.election_timeout_ns;
  if (may_pass)
    answer(link, GR_ANSWER_WAIT, error, detail);
  else if (error != GR_OK)
    answer(link, GR_ANSWER_REFUSED, error, detail);
  else if (group->host.authorize &&
           !group->host.authorize(group->host.context, &link->asked.attributes))
    answer(link, GR_ANSWER_REFUSED, GR_ERR_NOT_AUTHORIZED, 0);
  else
    admit(group, link);
}

void gr_admission_act(struct gr_group *group) {
  if (!group->guests_ask) return;
  group->guests_ask = false;
  gr_status status = gr_members_status(group);
  for (uint32_t i = 0; i < group->link_end; i++) {
    struct gr_link *link = &group->links[i];
    if (link->id == 0 || !link->asks) continue;
    link->asks = false; /* it asks again */
    if (link->answer_group != group->id_hash)
      answer(link, GR_ANSWER_REFUSED, GR_ERR_WRONG_GROUP, 0);
    else if (status.view == 0 || !gr_members_seated(group))
      continue; /* another one may know more */
    else if (status.role == GR_ROLE_LEADER)
      decide(group, link);
    else
      answer(link, status.leader != 0 ? GR_ANSWER_REDIRECT : GR_ANSWER_WAIT, GR_OK, 0);
  }
}

void gr_admission_entered(struct gr_group *group, const gr_change *change) {
  for (uint32_t i = 0; i < group->link_end; i++) {
    struct gr_link *link = &group->links[i];
    if ((link->id & GR_SEED_BITS) != GR_GUEST_BIT ||
        link->answer_incarnation != change->incarnation)
      continue;
    link->answer_member = change->member;
    answer(link, GR_ANSWER_ADMITTED, GR_OK, 0);
  }
}

/* ---- the answer as a message ---- */

static void contact_of(const gr_seat *seat, gr_member_id leader,
                       struct gr_contact *contact) {
  gr_attributes attributes;
  gr_attributes_of(seat->profile, &attributes);
  *contact = (struct gr_contact){.id = seat->id,
                                 .leads = seat->id == leader,
                                 .voter = seat->voter,
                                 .version = attributes.version,
                                 .address = attributes.address};
}

void gr_admission_fill(struct gr_group *group, const struct gr_link *link,
                       struct gr_answer *answer) {
  gr_seat seats[GR_MEMBERS_MAX];
  size_t count;
  gr_paxos_view(group->paxos, seats, GR_MEMBERS_MAX, &count);
  gr_member_id leader = gr_members_status(group).leader;
  *answer = (struct gr_answer){.verdict = link->verdict,
                               .incarnation = link->answer_incarnation,
                               .error = link->answer_error,
                               .detail = link->answer_detail,
                               .member = link->verdict == GR_ANSWER_ADMITTED
                                             ? link->answer_member
                                             : 0};
  for (size_t i = 0; i < count; i++) {
    bool tells = answer->verdict == GR_ANSWER_ADMITTED
                     ? seats[i].id != link->answer_member
                     : answer->verdict == GR_ANSWER_REDIRECT && seats[i].id == leader;
    if (tells) contact_of(&seats[i], leader, &answer->contacts[answer->contact_count++]);
  }
  if (answer->verdict == GR_ANSWER_REDIRECT && answer->contact_count == 0)
    answer->verdict = GR_ANSWER_WAIT; /* it is known no more */
}
