/* SPDX-License-Identifier: MIT
 *
 * See frame_check.h.
 */
#include "frame_check.h"

#include "fuzz.h"
#include "paxos/ballot.h"

#include <string.h>

/* Decodes a body and encodes it again; false if it is not well-formed. */
typedef bool codec(const struct gr_roster *roster, struct gr_reader *reader,
                   struct gr_writer *writer);

static bool heartbeat_codec(const struct gr_roster *roster, struct gr_reader *reader,
                            struct gr_writer *writer) {
  struct gr_heartbeat heartbeat;
  if (!gr_heartbeat_decode(reader, roster, &heartbeat)) return false;
  gr_heartbeat_encode(writer, roster, &heartbeat);
  return true;
}

static bool accept_codec(const struct gr_roster *roster, struct gr_reader *reader,
                         struct gr_writer *writer) {
  struct gr_accept accept;
  if (!gr_accept_decode(reader, roster, &accept)) return false;
  gr_accept_encode(writer, roster, &accept);
  return true;
}

static bool accepted_codec(const struct gr_roster *roster, struct gr_reader *reader,
                           struct gr_writer *writer) {
  struct gr_accepted accepted;
  (void)roster;
  if (!gr_accepted_decode(reader, &accepted)) return false;
  gr_accepted_encode(writer, &accepted);
  return true;
}

static bool prevote_codec(const struct gr_roster *roster, struct gr_reader *reader,
                          struct gr_writer *writer) {
  struct gr_prevote prevote;
  (void)roster;
  if (!gr_prevote_decode(reader, &prevote)) return false;
  gr_prevote_encode(writer, &prevote);
  return true;
}

static bool prevote_answer_codec(const struct gr_roster *roster, struct gr_reader *reader,
                                 struct gr_writer *writer) {
  struct gr_prevote_answer answer;
  (void)roster;
  if (!gr_prevote_answer_decode(reader, &answer)) return false;
  gr_prevote_answer_encode(writer, &answer);
  return true;
}

static bool prepare_codec(const struct gr_roster *roster, struct gr_reader *reader,
                          struct gr_writer *writer) {
  struct gr_prepare prepare;
  (void)roster;
  if (!gr_prepare_decode(reader, &prepare)) return false;
  gr_prepare_encode(writer, &prepare);
  return true;
}

/* The values of a run, which the check has passed. */
static void values_copy(const struct gr_roster *roster, struct gr_reader *reader,
                        uint32_t count, gr_ballot highest, struct gr_writer *writer) {
  struct gr_log_value value;
  for (uint32_t i = 0; i < count; i++) {
    FUZZ_CHECK(gr_log_value_decode(reader, roster, &value), "a checked value decodes");
    FUZZ_CHECK(gr_ballot_compare(value.ballot, highest) <= 0,
               "no value is of a higher ballot than the run may have");
    gr_log_value_encode(writer, roster, &value);
  }
  FUZZ_CHECK(gr_reader_done(reader), "a checked run ends with its last value");
}

static bool promise_codec(const struct gr_roster *roster, struct gr_reader *reader,
                          struct gr_writer *writer) {
  struct gr_promise promise;
  if (!gr_promise_decode(reader, &promise) ||
      !gr_log_values_check(*reader, roster, promise.count, promise.ballot))
    return false;
  gr_promise_encode(writer, &promise);
  values_copy(roster, reader, promise.count, promise.ballot, writer);
  return true;
}

static bool log_codec(const struct gr_roster *roster, struct gr_reader *reader,
                      struct gr_writer *writer) {
  static const gr_ballot no_limit = {UINT64_MAX, UINT64_MAX, UINT64_MAX};
  struct gr_log_run run;
  if (!gr_log_run_decode(reader, &run) ||
      !gr_log_values_check(*reader, roster, run.count, no_limit))
    return false;
  gr_log_run_encode(writer, &run);
  values_copy(roster, reader, run.count, no_limit, writer);
  return true;
}

static bool fetch_data_codec(const struct gr_roster *roster, struct gr_reader *reader,
                             struct gr_writer *writer) {
  struct gr_fetch_data fetch;
  const uint8_t *id = reader->at;
  if (!gr_fetch_data_decode(reader, roster, &fetch)) return false;
  if (fetch.lane < roster->count) {
    gr_fetch_data_encode(writer, roster, &fetch);
    return true;
  }
  /* The lane of somebody whom this member knows no more: for its caller to pass over. */
  FUZZ_CHECK(fetch.lane == roster->count, "a lane is a member's, or plainly nobody's");
  gr_write_bytes(writer, id, sizeof(gr_member_id));
  gr_write_u64(writer, fetch.boot);
  gr_write_u64(writer, fetch.from);
  gr_write_u64(writer, fetch.upto);
  return true;
}

static bool fetch_log_codec(const struct gr_roster *roster, struct gr_reader *reader,
                            struct gr_writer *writer) {
  gr_slot from;
  (void)roster;
  if (!gr_fetch_log_decode(reader, &from)) return false;
  gr_fetch_log_encode(writer, from);
  return true;
}

static bool transfer_codec(const struct gr_roster *roster, struct gr_reader *reader,
                           struct gr_writer *writer) {
  gr_ballot ballot;
  (void)roster;
  if (!gr_transfer_decode(reader, &ballot)) return false;
  gr_transfer_encode(writer, ballot);
  return true;
}

static codec *codec_of(enum gr_frame_type type) {
  switch (type) {
  case GR_FRAME_HEARTBEAT:
    return heartbeat_codec;
  case GR_FRAME_DATA:
    return NULL; /* has a checksum of its own: see batch_check() */
  case GR_FRAME_ACCEPT:
    return accept_codec;
  case GR_FRAME_ACCEPTED:
    return accepted_codec;
  case GR_FRAME_PREVOTE:
    return prevote_codec;
  case GR_FRAME_PREVOTE_ANSWER:
    return prevote_answer_codec;
  case GR_FRAME_PREPARE:
    return prepare_codec;
  case GR_FRAME_PROMISE:
    return promise_codec;
  case GR_FRAME_FETCH_DATA:
    return fetch_data_codec;
  case GR_FRAME_FETCH_LOG:
    return fetch_log_codec;
  case GR_FRAME_LOG:
    return log_codec;
  case GR_FRAME_TRANSFER:
    return transfer_codec;
  }
  return NULL;
}

/* Whether a copy of the bytes, cut or with zeroes added, is still a body of this kind. */
static bool decodes(const struct gr_roster *roster, codec *run, const uint8_t *body,
                    size_t size, size_t copy_size) {
  uint8_t *copy = fuzz_allocate(copy_size);
  uint8_t *scratch = fuzz_allocate(size + 1);
  memset(copy, 0, copy_size);
  memcpy(copy, body, size < copy_size ? size : copy_size);
  struct gr_reader reader = gr_reader_of(copy, copy_size);
  struct gr_writer writer = gr_writer_of(scratch, size + 1);
  bool decoded = run(roster, &reader, &writer);
  free(scratch);
  free(copy);
  return decoded;
}

/* Of those whom it does not know a member keeps nothing, and passes nothing on. */
static int heartbeat_check(const struct gr_roster *roster, const uint8_t *body,
                           size_t size) {
  uint8_t *first = fuzz_allocate(size);
  uint8_t *second = fuzz_allocate(size);
  struct gr_reader reader = gr_reader_of(body, size);
  struct gr_writer once = gr_writer_of(first, size);
  bool decoded = heartbeat_codec(roster, &reader, &once);
  if (decoded) {
    FUZZ_CHECK(!once.bad, "a heartbeat without strangers is no longer than with them");
    reader = gr_reader_of(first, once.used);
    struct gr_writer twice = gr_writer_of(second, size);
    FUZZ_CHECK(heartbeat_codec(roster, &reader, &twice), "what is encoded decodes");
    FUZZ_CHECK(twice.used == once.used && memcmp(second, first, once.used) == 0,
               "what is left of a heartbeat stays");
    FUZZ_CHECK(!decodes(roster, heartbeat_codec, body, size, size - 1),
               "a cut heartbeat is refused");
    FUZZ_CHECK(!decodes(roster, heartbeat_codec, body, size, size + 1),
               "a longer heartbeat is refused");
  }
  free(second);
  free(first);
  return decoded ? GR_OK : GR_ERR_MALFORMED;
}

static int body_check(const struct gr_roster *roster, codec *run,
                      struct gr_reader *reader) {
  const uint8_t *body = reader->at;
  size_t size = reader->left;
  if (run == heartbeat_codec) return heartbeat_check(roster, body, size);
  uint8_t *again = fuzz_allocate(size);
  struct gr_writer writer = gr_writer_of(again, size);
  bool decoded = run(roster, reader, &writer);
  if (decoded) {
    FUZZ_CHECK(!writer.bad && writer.used == size && memcmp(again, body, size) == 0,
               "a body that decodes is what its encoder makes of it");
    FUZZ_CHECK(!decodes(roster, run, body, size, size - 1), "a cut body is refused");
    FUZZ_CHECK(!decodes(roster, run, body, size, size + 1), "a longer body is refused");
  }
  free(again);
  return decoded ? GR_OK : GR_ERR_MALFORMED;
}

/* Walks through the entries on its own account. */
static void entries_check(const struct gr_roster *roster, const struct gr_batch *batch) {
  size_t at = GR_BATCH_HEADER_BYTES;
  uint32_t messages = 0;
  bool pieces = false;
  while (at < batch->size) {
    FUZZ_CHECK(batch->size - at >= GR_ENTRY_HEADER_BYTES, "an entry's head is whole");
    uint32_t head = gr_load_u32(batch->bytes + at);
    size_t bytes = head & ~GR_ENTRY_MORE;
    FUZZ_CHECK(bytes <= roster->message_bytes_max, "an entry is within the limit");
    at += GR_ENTRY_HEADER_BYTES + bytes;
    messages += (head & GR_ENTRY_MORE) == 0;
    pieces = pieces || (head & GR_ENTRY_MORE) != 0;
  }
  FUZZ_CHECK(at == batch->size, "the entries fill the batch exactly");
  FUZZ_CHECK(messages == batch->messages, "as many messages end as the batch says");
  FUZZ_CHECK(pieces == batch->pieces, "pieces are noticed");
}

static int batch_check(const struct gr_roster *roster, struct gr_reader *reader) {
  struct gr_batch batch;
  const uint8_t *bytes = reader->at;
  size_t size = reader->left;
  int error = gr_batch_open(reader, roster, &batch);
  if (error != GR_OK) return error;
  FUZZ_CHECK(batch.bytes == bytes && batch.size == size, "a batch is the whole body");
  FUZZ_CHECK(batch.lane < roster->count && batch.seq > 0, "a batch has its place");
  FUZZ_CHECK(size <= roster->batch_bytes_max, "a batch is within the limit");
  entries_check(roster, &batch);
  uint8_t *again = fuzz_allocate(size);
  memcpy(again, bytes, size);
  struct gr_roster sealer = *roster;
  sealer.boot = batch.boot;
  gr_batch_seal(&sealer, again, batch.size, batch.lane, batch.seq, batch.messages);
  FUZZ_CHECK(memcmp(again, bytes, size) == 0, "a batch that opens is as it was sealed");
  free(again);
  return GR_OK;
}

int frame_check(const struct gr_roster *roster, const uint8_t *frame, size_t size) {
  struct gr_reader reader = gr_reader_of(frame, size);
  struct gr_frame_header header;
  int error = gr_frame_open(&reader, roster, &header);
  if (error != GR_OK) return error;
  FUZZ_CHECK(header.incarnation != 0, "a frame comes from a process");
  FUZZ_CHECK(header.view != 0, "a frame comes from a member of some view");
  FUZZ_CHECK(reader.left == size - GR_FRAME_HEADER_BYTES, "the body is all that is left");
  if (header.type == GR_FRAME_DATA) return batch_check(roster, &reader);
  codec *run = codec_of(header.type);
  FUZZ_CHECK(run, "a frame that opens is of a known type");
  return body_check(roster, run, &reader);
}
