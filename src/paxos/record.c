/* SPDX-License-Identifier: MIT */
#include "paxos/record.h"

#include "base/crc32c.h"

/* ---- heads ---- */

void gr_record_begin(struct gr_writer *writer, enum gr_record_type type) {
  gr_write_u32(writer, 0); /* the checksum, when all is known */
  gr_write_u8(writer, GR_RECORD_VERSION);
  gr_write_u8(writer, (uint8_t)type);
  gr_write_u16(writer, 0);
}

void gr_record_end(struct gr_writer *writer) {
  gr_store_u32(writer->data, gr_crc32c(0, writer->data + 4, writer->used - 4));
}

int gr_record_open(struct gr_reader *reader, enum gr_record_type *type) {
  const uint8_t *record = reader->at;
  size_t size = reader->left;
  if (size < GR_RECORD_HEADER_BYTES) return GR_ERR_MALFORMED;
  uint32_t checksum = gr_read_u32(reader);
  uint8_t version = gr_read_u8(reader);
  uint8_t known = gr_read_u8(reader);
  uint16_t reserved = gr_read_u16(reader);
  size_t covered = known == GR_RECORD_BATCH ? GR_RECORD_HEADER_BYTES : size;
  if (gr_crc32c(0, record + 4, covered - 4) != checksum) return GR_ERR_CORRUPT;
  if (version != GR_RECORD_VERSION) return GR_ERR_PROTOCOL;
  if (known < GR_RECORD_STATE || known > GR_RECORD_MARKS || reserved != 0)
    return GR_ERR_MALFORMED;
  *type = (enum gr_record_type)known;
  return GR_OK;
}

static int done(const struct gr_reader *reader, bool well_formed) {
  return well_formed && gr_reader_done(reader) ? GR_OK : GR_ERR_MALFORMED;
}

/* ---- bodies ---- */

void gr_view_record_encode(struct gr_writer *writer, uint64_t group,
                           const struct gr_view_record *view) {
  gr_write_u64(writer, group);
  gr_write_u64(writer, view->epoch.count);
  gr_write_u64(writer, view->epoch.random);
  gr_write_u64(writer, view->self);
  gr_write_u64(writer, view->incarnation);
  gr_write_u8(writer, view->formed);
  if (view->self != 0) gr_seats_encode(writer, &view->seats);
}

/* Those who have met know each other; before that a member knows at least itself. */
static bool seats_known(const struct gr_view_record *view) {
  for (uint32_t i = 0; i < view->seats.count; i++)
    if (view->formed && view->seats.seats[i].incarnation == 0) return false;
  return true;
}

static int view_read(struct gr_reader *reader, uint64_t group,
                     struct gr_view_record *view) {
  bool ours = gr_read_u64(reader) == group;
  view->epoch.count = gr_read_u64(reader);
  view->epoch.random = gr_read_u64(reader);
  view->self = gr_read_u64(reader);
  view->incarnation = gr_read_u64(reader);
  uint8_t formed = gr_read_u8(reader);
  if (reader->bad) return GR_ERR_MALFORMED;
  if (!ours) return GR_ERR_FOREIGN;
  view->formed = formed == 1;
  view->seats.number = 0;
  view->seats.count = 0;
  if (formed > 1) return GR_ERR_MALFORMED;
  if (view->self == 0) return GR_OK;
  if (view->incarnation == 0 || !gr_seats_decode(reader, &view->seats) ||
      !seats_known(view))
    return GR_ERR_MALFORMED;
  return GR_OK;
}

int gr_view_record_decode(struct gr_reader *reader, uint64_t group,
                          struct gr_view_record *view) {
  int error = view_read(reader, group, view);
  return error == GR_OK ? done(reader, view->self != 0) : error;
}

void gr_boot_record_encode(struct gr_writer *writer, uint64_t boot) {
  gr_write_u64(writer, boot);
}

int gr_boot_record_decode(struct gr_reader *reader, uint64_t *boot) {
  return done(reader, gr_count_decode(reader, boot) && *boot > 0);
}

void gr_promise_record_encode(struct gr_writer *writer, gr_ballot promised) {
  gr_ballot_encode(writer, promised);
}

int gr_promise_record_decode(struct gr_reader *reader, gr_ballot *promised) {
  return done(reader, gr_ballot_decode(reader, promised));
}

void gr_accept_record_encode(struct gr_writer *writer, const struct gr_roster *roster,
                             const struct gr_accept_record *accept) {
  struct gr_log_value value = {accept->ballot, accept->cut};
  gr_write_u64(writer, accept->slot);
  gr_log_value_encode(writer, roster, &value);
}

int gr_accept_record_decode(struct gr_reader *reader, const struct gr_roster *roster,
                            struct gr_accept_record *accept) {
  struct gr_log_value value;
  if (!gr_count_decode(reader, &accept->slot) || accept->slot == 0 ||
      !gr_log_value_decode(reader, roster, &value))
    return GR_ERR_MALFORMED;
  accept->ballot = value.ballot;
  accept->cut = value.cut;
  return done(reader, true);
}

void gr_marks_record_encode(struct gr_writer *writer,
                            const struct gr_marks_record *marks) {
  gr_write_u64(writer, marks->chosen);
  gr_write_u64(writer, marks->forgotten);
  gr_write_u64(writer, marks->spare);
}

int gr_marks_record_decode(struct gr_reader *reader, struct gr_marks_record *marks) {
  return done(reader, gr_count_decode(reader, &marks->chosen) &&
                          gr_count_decode(reader, &marks->forgotten) &&
                          gr_count_decode(reader, &marks->spare) &&
                          marks->forgotten <= marks->chosen);
}

void gr_state_record_encode(struct gr_writer *writer, uint64_t group,
                            const struct gr_state_record *state) {
  gr_view_record_encode(writer, group, &state->view);
  gr_write_u64(writer, state->first);
  gr_write_u64(writer, state->boot);
  gr_ballot_encode(writer, state->promised);
  gr_write_u64(writer, state->slot);
  gr_write_u64(writer, state->seqno);
  gr_write_u64(writer, state->digest);
  for (uint32_t i = 0; i < state->view.seats.count; i++) {
    gr_write_u64(writer, state->lanes[i].boot);
    gr_write_u64(writer, state->lanes[i].ordered);
    gr_write_u64(writer, state->lanes[i].first);
    gr_write_u64(writer, state->lanes[i].messages);
  }
}

static bool lane_state_decode(struct gr_reader *reader, const struct gr_roster *roster,
                              struct gr_lane_state *lane) {
  return gr_boot_decode(reader, roster, &lane->boot) &&
         gr_count_decode(reader, &lane->ordered) &&
         gr_count_decode(reader, &lane->first) && lane->first > 0 &&
         lane->first <= lane->ordered + 1 && gr_count_decode(reader, &lane->messages);
}

int gr_state_record_decode(struct gr_reader *reader, const struct gr_roster *roster,
                           uint64_t group, struct gr_state_record *state) {
  int error = view_read(reader, group, &state->view);
  if (error != GR_OK) return error;
  bool good =
      gr_count_decode(reader, &state->first) && gr_count_decode(reader, &state->boot) &&
      gr_ballot_or_none_decode(reader, &state->promised) &&
      gr_count_decode(reader, &state->slot) && gr_count_decode(reader, &state->seqno);
  state->digest = gr_read_u64(reader);
  for (uint32_t i = 0; good && i < state->view.seats.count; i++)
    good = lane_state_decode(reader, roster, &state->lanes[i]);
  return done(reader, good && state->promised.view == state->view.seats.number);
}
