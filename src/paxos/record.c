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

void gr_view_record_encode(struct gr_writer *writer, const struct gr_roster *roster,
                           gr_member_id self, const struct gr_view_record *view) {
  gr_write_u64(writer, roster->tag);
  gr_write_u64(writer, roster->view);
  gr_write_u64(writer, self);
  gr_write_u8(writer, view->formed);
  gr_write_u8(writer, (uint8_t)roster->count);
  for (uint32_t i = 0; i < roster->count; i++)
    gr_write_u64(writer, view->incarnations[i]);
}

static int view_read(struct gr_reader *reader, const struct gr_roster *roster,
                     gr_member_id self, struct gr_view_record *view) {
  bool ours = gr_read_u64(reader) == roster->tag;
  ours = gr_read_u64(reader) == roster->view && ours;
  ours = gr_read_u64(reader) == self && ours;
  if (reader->bad) return GR_ERR_MALFORMED;
  if (!ours) return GR_ERR_FOREIGN;
  uint8_t formed = gr_read_u8(reader);
  view->formed = formed == 1;
  if (formed > 1 || gr_read_u8(reader) != roster->count) return GR_ERR_MALFORMED;
  bool known = true;
  for (uint32_t i = 0; i < roster->count; i++) {
    view->incarnations[i] = gr_read_u64(reader);
    bool must_be = view->formed || roster->ids[i] == self;
    known = known && (view->incarnations[i] != 0 || !must_be);
  }
  return reader->bad || !known ? GR_ERR_MALFORMED : GR_OK;
}

int gr_view_record_decode(struct gr_reader *reader, const struct gr_roster *roster,
                          gr_member_id self, struct gr_view_record *view) {
  int error = view_read(reader, roster, self, view);
  return error == GR_OK ? done(reader, true) : error;
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

int gr_promise_record_decode(struct gr_reader *reader, const struct gr_roster *roster,
                             gr_ballot *promised) {
  return done(reader, gr_ballot_decode(reader, roster, promised));
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

void gr_state_record_encode(struct gr_writer *writer, const struct gr_roster *roster,
                            gr_member_id self, const struct gr_state_record *state) {
  gr_view_record_encode(writer, roster, self, &state->view);
  gr_write_u64(writer, state->first);
  gr_write_u64(writer, state->boot);
  gr_ballot_encode(writer, state->promised);
  gr_write_u64(writer, state->slot);
  gr_write_u64(writer, state->seqno);
  for (uint32_t i = 0; i < roster->count; i++) {
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
                           gr_member_id self, struct gr_state_record *state) {
  int error = view_read(reader, roster, self, &state->view);
  if (error != GR_OK) return error;
  bool good = gr_count_decode(reader, &state->first) && state->first > 0 &&
              gr_count_decode(reader, &state->boot) && state->boot > 0 &&
              gr_ballot_or_none_decode(reader, roster, &state->promised) &&
              gr_count_decode(reader, &state->slot) &&
              gr_count_decode(reader, &state->seqno);
  for (uint32_t i = 0; good && i < roster->count; i++)
    good = lane_state_decode(reader, roster, &state->lanes[i]);
  return done(reader, good);
}
