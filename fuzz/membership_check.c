/* SPDX-License-Identifier: MIT
 *
 * See membership_check.h.
 */
#include "membership_check.h"

#include "fuzz.h"
#include "membership/message.h"

#include <string.h>

/* Decodes a body and encodes it again; false if it is not well-formed. */
typedef bool codec(struct gr_reader *reader, struct gr_writer *writer);

static bool join_codec(struct gr_reader *reader, struct gr_writer *writer) {
  struct gr_join join;
  if (!gr_join_decode(reader, &join)) return false;
  gr_join_encode(writer, &join);
  return true;
}

static bool answer_codec(struct gr_reader *reader, struct gr_writer *writer) {
  struct gr_answer answer;
  if (!gr_answer_decode(reader, &answer)) return false;
  FUZZ_CHECK(answer.error <= 0, "errors are not positive");
  gr_answer_encode(writer, &answer);
  return true;
}

static bool remove_codec(struct gr_reader *reader, struct gr_writer *writer) {
  struct gr_remove body;
  if (!gr_remove_decode(reader, &body)) return false;
  gr_remove_encode(writer, &body);
  return true;
}

static bool recover_codec(struct gr_reader *reader, struct gr_writer *writer) {
  struct gr_recover body;
  if (!gr_recover_decode(reader, &body)) return false;
  gr_recover_encode(writer, &body);
  return true;
}

static bool position_codec(struct gr_reader *reader, struct gr_writer *writer) {
  struct gr_position position;
  if (!gr_position_decode(reader, &position)) return false;
  gr_position_encode(writer, &position);
  return true;
}

static bool pull_codec(struct gr_reader *reader, struct gr_writer *writer) {
  struct gr_pull pull;
  if (!gr_pull_decode(reader, &pull)) return false;
  FUZZ_CHECK(pull.from <= pull.upto, "a pull goes forward");
  gr_pull_encode(writer, &pull);
  return true;
}

static bool chunk_codec(struct gr_reader *reader, struct gr_writer *writer) {
  struct gr_chunk chunk;
  if (!gr_chunk_decode(reader, &chunk)) return false;
  FUZZ_CHECK(chunk.offset + chunk.bytes.size >= chunk.offset, "a chunk has an end");
  gr_chunk_encode(writer, &chunk);
  gr_write_bytes(writer, chunk.bytes.data, chunk.bytes.size);
  return true;
}

static bool end_codec(struct gr_reader *reader, struct gr_writer *writer) {
  struct gr_end end;
  if (!gr_end_decode(reader, &end)) return false;
  gr_end_encode(writer, &end);
  return true;
}

static bool note_codec(struct gr_reader *reader, struct gr_writer *writer) {
  struct gr_note note;
  if (!gr_note_decode(reader, &note)) return false;
  gr_note_encode(writer, &note);
  return true;
}

static bool profile_codec(struct gr_reader *reader, struct gr_writer *writer) {
  gr_attributes attributes;
  if (!gr_attributes_decode(reader, &attributes) || !gr_reader_done(reader)) return false;
  FUZZ_CHECK(writer->capacity <= GR_ATTRIBUTES_BYTES_MAX, "attributes fit their buffers");
  gr_attributes_encode(writer, &attributes);
  return true;
}

static codec *codec_of(enum gr_message_type type) {
  switch (type) {
  case GR_MESSAGE_JOIN:
    return join_codec;
  case GR_MESSAGE_ANSWER:
    return answer_codec;
  case GR_MESSAGE_REMOVE:
    return remove_codec;
  case GR_MESSAGE_RECOVER:
    return recover_codec;
  case GR_MESSAGE_POSITION:
    return position_codec;
  case GR_MESSAGE_PULL:
    return pull_codec;
  case GR_MESSAGE_CHUNK:
    return chunk_codec;
  case GR_MESSAGE_END:
    return end_codec;
  }
  return NULL;
}

/* Whether a copy of the bytes, cut or with zeroes added, is still a body of this kind. */
static bool decodes(codec *run, const uint8_t *body, size_t size, size_t copy_size) {
  uint8_t *copy = fuzz_allocate(copy_size);
  uint8_t *scratch = fuzz_allocate(copy_size);
  memset(copy, 0, copy_size);
  memcpy(copy, body, size < copy_size ? size : copy_size);
  struct gr_reader reader = gr_reader_of(copy, copy_size);
  struct gr_writer writer = gr_writer_of(scratch, copy_size);
  bool decoded = run(&reader, &writer);
  free(scratch);
  free(copy);
  return decoded;
}

/* A body that is well-formed is what its encoder makes. Of those that end in bytes of any
 * number another length is well-formed, too; of no other one. */
static bool body_check(codec *run, const uint8_t *body, size_t size) {
  bool open_ended = run == position_codec || run == chunk_codec;
  uint8_t *again = fuzz_allocate(size);
  struct gr_reader reader = gr_reader_of(body, size);
  struct gr_writer writer = gr_writer_of(again, size);
  bool decoded = run(&reader, &writer);
  if (decoded) {
    FUZZ_CHECK(!writer.bad && writer.used == size && memcmp(again, body, size) == 0,
               "a body that decodes is what its encoder makes of it");
    FUZZ_CHECK(open_ended || !decodes(run, body, size, size - 1),
               "a cut body is refused");
    FUZZ_CHECK(open_ended || !decodes(run, body, size, size + 1),
               "a longer body is refused");
  }
  free(again);
  return decoded;
}

bool membership_frame_check(const uint8_t *frame, size_t size) {
  struct gr_reader reader = gr_reader_of(frame, size);
  struct gr_message_header header;
  if (gr_message_open(&reader, &header) != GR_OK) return false;
  FUZZ_CHECK(gr_message_is((gr_slice){frame, size}), "what opens is told from the order");
  FUZZ_CHECK(header.incarnation != 0, "a frame comes from a process");
  FUZZ_CHECK(reader.left == size - GR_MESSAGE_HEADER_BYTES,
             "the body is all that is left");
  uint8_t *again = fuzz_allocate(size);
  struct gr_writer writer = gr_writer_of(again, size);
  gr_message_begin(&writer, &header);
  gr_write_bytes(&writer, reader.at, reader.left);
  gr_message_end(&writer);
  FUZZ_CHECK(memcmp(again, frame, size) == 0, "a frame is as it was made");
  free(again);
  codec *run = codec_of(header.type);
  FUZZ_CHECK(run, "a frame that opens is of a known type");
  return body_check(run, reader.at, reader.left);
}

bool note_check(const uint8_t *bytes, size_t size) {
  return body_check(note_codec, bytes, size);
}

bool profile_check(const uint8_t *bytes, size_t size) {
  return body_check(profile_codec, bytes, size);
}
