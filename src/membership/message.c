/* SPDX-License-Identifier: MIT */
#include "membership/message.h"

#include "base/crc32c.h"
#include "base/xxh64.h"

#include <gr/version.h>

#define MAGIC 0x7267 /* "gr", as in every frame */
#define TYPE_AT 7

/* ---- heads ---- */

bool gr_message_is(gr_slice frame) {
  return frame.size > TYPE_AT &&
         ((const uint8_t *)frame.data)[TYPE_AT] >= GR_MESSAGE_JOIN;
}

void gr_message_begin(struct gr_writer *writer, const struct gr_message_header *header) {
  gr_write_u32(writer, 0); /* the checksum, when all is known */
  gr_write_u16(writer, MAGIC);
  gr_write_u8(writer, GR_PROTOCOL_VERSION);
  gr_write_u8(writer, (uint8_t)header->type);
  gr_write_u64(writer, header->group);
  gr_write_u64(writer, header->incarnation);
  gr_write_u64(writer, header->sender);
  gr_write_u64(writer, 0);
}

/* Over all of a frame behind the checksum itself; but the bytes of a snapshot have a
 * digest of their own, which takes a fraction of the time. */
static uint32_t checksum_of(const uint8_t *frame, size_t size) {
  const size_t head = GR_MESSAGE_HEADER_BYTES + GR_CHUNK_HEAD_BYTES;
  if (size > head && frame[TYPE_AT] == GR_MESSAGE_CHUNK) size = head;
  return gr_crc32c(0, frame + sizeof(uint32_t), size - sizeof(uint32_t));
}

void gr_message_end(struct gr_writer *writer) {
  gr_store_u32(writer->data, checksum_of(writer->data, writer->used));
}

int gr_message_open(struct gr_reader *reader, struct gr_message_header *header) {
  const uint8_t *frame = reader->at;
  size_t size = reader->left;
  if (size < GR_MESSAGE_HEADER_BYTES) return GR_ERR_MALFORMED;
  uint32_t checksum = gr_read_u32(reader);
  if (gr_read_u16(reader) != MAGIC) return GR_ERR_MALFORMED;
  if (gr_read_u8(reader) != GR_PROTOCOL_VERSION) return GR_ERR_PROTOCOL;
  uint8_t type = gr_read_u8(reader);
  if (type < GR_MESSAGE_JOIN || type > GR_MESSAGE_END) return GR_ERR_MALFORMED;
  if (checksum_of(frame, size) != checksum) return GR_ERR_CORRUPT;
  header->type = (enum gr_message_type)type;
  header->group = gr_read_u64(reader);
  header->incarnation = gr_read_u64(reader);
  header->sender = gr_read_u64(reader);
  uint64_t reserved = gr_read_u64(reader);
  return header->incarnation == 0 || reserved != 0 ? GR_ERR_MALFORMED : GR_OK;
}

/* ---- bodies ---- */

static bool flag_decode(struct gr_reader *reader, bool *flag) {
  uint8_t byte = gr_read_u8(reader);
  *flag = byte == 1;
  return byte <= 1 && !reader->bad;
}

void gr_join_encode(struct gr_writer *writer, const struct gr_join *join) {
  gr_write_u64(writer, join->member);
  gr_write_u64(writer, join->known);
  gr_write_u64(writer, join->limits);
  gr_write_u64(writer, join->applied);
  gr_write_u64(writer, join->members_max);
  gr_attributes_encode(writer, &join->attributes);
}

bool gr_join_decode(struct gr_reader *reader, struct gr_join *join) {
  join->member = gr_read_u64(reader);
  join->known = gr_read_u64(reader);
  join->limits = gr_read_u64(reader);
  join->applied = gr_read_u64(reader);
  join->members_max = gr_read_u64(reader);
  return gr_attributes_decode(reader, &join->attributes) && gr_reader_done(reader);
}

static void contact_encode(struct gr_writer *writer, const struct gr_contact *contact) {
  gr_write_u64(writer, contact->id);
  gr_write_u8(writer, contact->leads);
  gr_write_u8(writer, contact->voter);
  gr_write_u64(writer, contact->version);
  gr_write_u16(writer, (uint16_t)contact->address.size);
  gr_write_bytes(writer, contact->address.data, contact->address.size);
}

static bool contact_decode(struct gr_reader *reader, struct gr_contact *contact) {
  contact->id = gr_read_u64(reader);
  if (!flag_decode(reader, &contact->leads) || !flag_decode(reader, &contact->voter))
    return false;
  contact->version = gr_read_u64(reader);
  contact->address.size = gr_read_u16(reader);
  if (contact->address.size > GR_ADDRESS_BYTES_MAX) return false;
  contact->address.data = gr_read_bytes(reader, contact->address.size);
  return !reader->bad && contact->id > 0 && contact->id < GR_MEMBER_ID_MAX;
}

void gr_answer_encode(struct gr_writer *writer, const struct gr_answer *answer) {
  gr_write_u8(writer, (uint8_t)answer->verdict);
  gr_write_u64(writer, answer->incarnation);
  gr_write_u32(writer, (uint32_t)-answer->error);
  gr_write_u64(writer, answer->detail);
  gr_write_u64(writer, answer->member);
  gr_write_u8(writer, (uint8_t)answer->contact_count);
  for (uint32_t i = 0; i < answer->contact_count; i++)
    contact_encode(writer, &answer->contacts[i]);
}

bool gr_answer_decode(struct gr_reader *reader, struct gr_answer *answer) {
  uint8_t verdict = gr_read_u8(reader);
  answer->incarnation = gr_read_u64(reader);
  uint32_t error = gr_read_u32(reader);
  answer->detail = gr_read_u64(reader);
  answer->member = gr_read_u64(reader);
  answer->contact_count = gr_read_u8(reader);
  if (reader->bad || verdict > GR_ANSWER_GONE || error > 1000 ||
      answer->contact_count > GR_CONTACTS_MAX || answer->member >= GR_MEMBER_ID_MAX)
    return false;
  answer->verdict = (enum gr_answer_kind)verdict;
  answer->error = -(int)error;
  for (uint32_t i = 0; i < answer->contact_count; i++)
    if (!contact_decode(reader, &answer->contacts[i])) return false;
  if (answer->verdict == GR_ANSWER_ADMITTED && answer->member == 0) return false;
  if (answer->verdict == GR_ANSWER_REDIRECT && answer->contact_count != 1) return false;
  if (answer->verdict == GR_ANSWER_REFUSED && answer->error == GR_OK) return false;
  return gr_reader_done(reader);
}

void gr_remove_encode(struct gr_writer *writer, const struct gr_remove *remove) {
  gr_write_u64(writer, remove->member);
  gr_write_u8(writer, remove->reason);
}

bool gr_remove_decode(struct gr_reader *reader, struct gr_remove *remove) {
  remove->member = gr_read_u64(reader);
  remove->reason = gr_read_u8(reader);
  return remove->member > 0 && gr_reader_done(reader);
}

void gr_recover_encode(struct gr_writer *writer, const struct gr_recover *recover) {
  gr_write_u64(writer, recover->applied);
}

bool gr_recover_decode(struct gr_reader *reader, struct gr_recover *recover) {
  recover->applied = gr_read_u64(reader);
  return gr_reader_done(reader);
}

void gr_position_encode(struct gr_writer *writer, const struct gr_position *position) {
  gr_write_u64(writer, position->snapshot);
  gr_write_u64(writer, position->seqno);
  gr_write_bytes(writer, position->image.data, position->image.size);
}

bool gr_position_decode(struct gr_reader *reader, struct gr_position *position) {
  position->snapshot = gr_read_u64(reader);
  position->seqno = gr_read_u64(reader);
  position->image.size = reader->left;
  position->image.data = gr_read_bytes(reader, reader->left);
  return !reader->bad && position->image.size > 0;
}

void gr_pull_encode(struct gr_writer *writer, const struct gr_pull *pull) {
  gr_write_u64(writer, pull->snapshot);
  gr_write_u64(writer, pull->from);
  gr_write_u64(writer, pull->upto);
}

bool gr_pull_decode(struct gr_reader *reader, struct gr_pull *pull) {
  pull->snapshot = gr_read_u64(reader);
  pull->from = gr_read_u64(reader);
  pull->upto = gr_read_u64(reader);
  return pull->snapshot > 0 && pull->from <= pull->upto && gr_reader_done(reader);
}

void gr_chunk_encode(struct gr_writer *writer, const struct gr_chunk *chunk) {
  gr_write_u64(writer, chunk->snapshot);
  gr_write_u64(writer, chunk->offset);
  gr_write_u64(writer, chunk->total);
  gr_write_u8(writer, chunk->last);
  gr_write_u64(writer, gr_xxh64(chunk->bytes.data, chunk->bytes.size, 0));
}

bool gr_chunk_decode(struct gr_reader *reader, struct gr_chunk *chunk) {
  chunk->snapshot = gr_read_u64(reader);
  chunk->offset = gr_read_u64(reader);
  chunk->total = gr_read_u64(reader);
  if (!flag_decode(reader, &chunk->last)) return false;
  uint64_t digest = gr_read_u64(reader);
  chunk->bytes.size = reader->left;
  chunk->bytes.data = gr_read_bytes(reader, reader->left);
  return !reader->bad && chunk->snapshot > 0 &&
         chunk->offset <= UINT64_MAX - chunk->bytes.size &&
         gr_xxh64(chunk->bytes.data, chunk->bytes.size, 0) == digest;
}

void gr_end_encode(struct gr_writer *writer, const struct gr_end *end) {
  gr_write_u64(writer, end->snapshot);
  gr_write_u8(writer, end->complete);
}

bool gr_end_decode(struct gr_reader *reader, struct gr_end *end) {
  end->snapshot = gr_read_u64(reader);
  return flag_decode(reader, &end->complete) && gr_reader_done(reader);
}

/* ---- notes ---- */

void gr_note_encode(struct gr_writer *writer, const struct gr_note *note) {
  gr_write_u8(writer, (uint8_t)((note->healthy ? 1 : 0) | (note->leaving ? 2 : 0)));
  gr_write_u64(writer, note->digest_seqno);
  gr_write_u64(writer, note->digest);
  gr_write_u64(writer, note->seqno);
  gr_write_u64(writer, note->failed);
  gr_write_u64(writer, note->failed_digest);
  gr_write_u8(writer, (uint8_t)note->suspect_count);
  for (uint32_t i = 0; i < note->suspect_count; i++)
    gr_write_u64(writer, note->suspects[i]);
}

bool gr_note_decode(struct gr_reader *reader, struct gr_note *note) {
  uint8_t flags = gr_read_u8(reader);
  note->healthy = (flags & 1) != 0;
  note->leaving = (flags & 2) != 0;
  note->digest_seqno = gr_read_u64(reader);
  note->digest = gr_read_u64(reader);
  note->seqno = gr_read_u64(reader);
  note->failed = gr_read_u64(reader);
  note->failed_digest = gr_read_u64(reader);
  note->suspect_count = gr_read_u8(reader);
  if (reader->bad || flags > 3 || note->suspect_count > GR_MEMBERS_MAX) return false;
  for (uint32_t i = 0; i < note->suspect_count; i++)
    note->suspects[i] = gr_read_u64(reader);
  return gr_reader_done(reader);
}
