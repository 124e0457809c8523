/* SPDX-License-Identifier: MIT */
#include "paxos/seats.h"

#include "paxos/frame.h"

uint32_t gr_seats_find(const struct gr_seats *seats, gr_member_id id) {
  uint32_t at = 0;
  while (at < seats->count && seats->seats[at].id != id) at++;
  return at;
}

static uint32_t voters_of(const struct gr_seats *seats) {
  uint32_t voters = 0;
  for (uint32_t i = 0; i < seats->count; i++) voters += seats->seats[i].voter;
  return voters;
}

static bool add(struct gr_seats *seats, const struct gr_config *config,
                uint64_t members_max) {
  if (config->member != seats->next_id || seats->count >= members_max ||
      seats->count >= GR_MEMBERS_MAX)
    return false;
  struct gr_seat_kept *seat = &seats->seats[seats->count++];
  *seat = (struct gr_seat_kept){.id = config->member,
                                .incarnation = config->incarnation,
                                .profile_bytes = config->profile_bytes};
  memcpy(seat->profile, config->profile, config->profile_bytes);
  seats->next_id++;
  return true;
}

static bool promote(struct gr_seats *seats, gr_member_id member) {
  uint32_t at = gr_seats_find(seats, member);
  if (at == seats->count || seats->seats[at].voter) return false;
  seats->seats[at].voter = true;
  return true;
}

static bool take_out(struct gr_seats *seats, gr_member_id member) {
  uint32_t at = gr_seats_find(seats, member);
  if (at == seats->count) return false;
  if (seats->seats[at].voter && voters_of(seats) == 1) return false;
  seats->count--;
  memmove(&seats->seats[at], &seats->seats[at + 1],
          (seats->count - at) * sizeof(seats->seats[0]));
  return true;
}

/* Those named go on, and nobody else. */
static bool force(struct gr_seats *seats, const struct gr_config *config) {
  struct gr_seats left = *seats;
  left.count = 0;
  for (uint32_t at = 0; at + 8 <= config->profile_bytes; at += 8) {
    uint32_t from = gr_seats_find(seats, gr_load_u64(config->profile + at));
    if (from == seats->count || !seats->seats[from].voter) return false;
    if (left.count > 0 && left.seats[left.count - 1].id >= seats->seats[from].id)
      return false;
    left.seats[left.count++] = seats->seats[from];
  }
  if (left.count == 0 || config->profile_bytes % 8 != 0) return false;
  *seats = left;
  return true;
}

bool gr_seats_apply(struct gr_seats *seats, const struct gr_config *config, gr_slot first,
                    uint64_t members_max) {
  bool applies = false;
  switch (config->kind) {
  case GR_CHANGE_ADD:
    applies = add(seats, config, members_max);
    break;
  case GR_CHANGE_PROMOTE:
    applies = promote(seats, config->member);
    break;
  case GR_CHANGE_REMOVE:
    applies = take_out(seats, config->member);
    break;
  case GR_CHANGE_FORCE:
    applies = force(seats, config);
    break;
  }
  if (!applies) return false;
  seats->number++;
  seats->first = first;
  return true;
}

void gr_seats_encode(struct gr_writer *writer, const struct gr_seats *seats) {
  gr_write_u64(writer, seats->number);
  gr_write_u64(writer, seats->first);
  gr_write_u64(writer, seats->next_id);
  gr_write_u8(writer, (uint8_t)seats->count);
  for (uint32_t i = 0; i < seats->count; i++) {
    const struct gr_seat_kept *seat = &seats->seats[i];
    gr_write_u64(writer, seat->id);
    gr_write_u64(writer, seat->incarnation);
    gr_write_u8(writer, seat->voter);
    gr_write_u16(writer, seat->profile_bytes);
    gr_write_bytes(writer, seat->profile, seat->profile_bytes);
  }
}

static bool seat_decode(struct gr_reader *reader, struct gr_seat_kept *seat) {
  seat->id = gr_read_u64(reader);
  seat->incarnation = gr_read_u64(reader);
  uint8_t voter = gr_read_u8(reader);
  seat->voter = voter == 1;
  seat->profile_bytes = gr_read_u16(reader);
  if (reader->bad || voter > 1 || seat->profile_bytes > GR_PROFILE_BYTES_MAX)
    return false;
  const uint8_t *profile = gr_read_bytes(reader, seat->profile_bytes);
  if (!profile) return false;
  memcpy(seat->profile, profile, seat->profile_bytes);
  return true;
}

bool gr_seats_decode(struct gr_reader *reader, struct gr_seats *seats) {
  if (!gr_count_decode(reader, &seats->number) || seats->number == 0 ||
      !gr_count_decode(reader, &seats->first) || seats->first == 0)
    return false;
  seats->next_id = gr_read_u64(reader);
  seats->count = gr_read_u8(reader);
  if (reader->bad || seats->count == 0 || seats->count > GR_MEMBERS_MAX ||
      seats->next_id > GR_MEMBER_ID_MAX)
    return false;
  gr_member_id last = 0;
  for (uint32_t i = 0; i < seats->count; i++) {
    if (!seat_decode(reader, &seats->seats[i]) || seats->seats[i].id <= last)
      return false;
    last = seats->seats[i].id;
  }
  return last < seats->next_id && voters_of(seats) > 0;
}
