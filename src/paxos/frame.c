/* SPDX-License-Identifier: MIT */
#include "paxos/frame.h"

#include "base/crc32c.h"
#include "base/xxh64.h"
#include "paxos/ballot.h"

#include <gr/version.h>

/* Kinds of values. Others may come with later protocol versions; this one refuses them.
 */
enum gr_value_kind { GR_VALUE_CUT = 1, GR_VALUE_CONFIG = 2 };

#define CONFIG_BYTES 21 /* without the profile */

/* Slots, rounds and batch numbers stay below this, so that adding to one never wraps. */
#define GR_COUNT_MAX (UINT64_MAX / 4)

uint32_t gr_roster_index(const struct gr_roster *roster, gr_member_id id) {
  uint32_t index = 0;
  while (index < roster->count && roster->ids[index] != id) index++;
  return index;
}

static bool boot_fits(const struct gr_roster *roster, uint64_t boot) {
  return boot < GR_COUNT_MAX && (boot != GR_BOOT_VOLATILE) == roster->durable;
}

/* ---- headers ---- */

void gr_frame_begin(struct gr_writer *writer, const struct gr_roster *roster,
                    uint64_t tag, enum gr_frame_type type) {
  gr_write_u32(writer, 0); /* the checksum, when all is known */
  gr_write_u16(writer, GR_FRAME_MAGIC);
  gr_write_u8(writer, GR_PROTOCOL_VERSION);
  gr_write_u8(writer, (uint8_t)type);
  gr_write_u64(writer, tag);
  gr_write_u64(writer, roster->incarnation);
  gr_write_u64(writer, roster->boot);
  gr_write_u64(writer, roster->view);
}

void gr_frame_end(struct gr_writer *writer) {
  gr_store_u32(writer->data, gr_crc32c(0, writer->data + 4, writer->used - 4));
}

static bool frame_type_known(uint8_t type) {
  return type >= GR_FRAME_HEARTBEAT && type <= GR_FRAME_TRANSFER;
}

int gr_frame_open(struct gr_reader *reader, const struct gr_roster *roster,
                  struct gr_frame_header *header) {
  const uint8_t *frame = reader->at;
  size_t size = reader->left;
  if (size < GR_FRAME_HEADER_BYTES) return GR_ERR_MALFORMED;
  uint32_t checksum = gr_read_u32(reader);
  if (gr_read_u16(reader) != GR_FRAME_MAGIC) return GR_ERR_MALFORMED;
  if (gr_read_u8(reader) != GR_PROTOCOL_VERSION) return GR_ERR_PROTOCOL;
  uint8_t type = gr_read_u8(reader);
  if (!frame_type_known(type)) return GR_ERR_MALFORMED;
  /* A batch carries a checksum of its own, which it keeps wherever it goes. */
  size_t covered = type == GR_FRAME_DATA ? GR_FRAME_HEADER_BYTES : size;
  if (gr_crc32c(0, frame + 4, covered - 4) != checksum) return GR_ERR_CORRUPT;
  uint64_t tag = gr_read_u64(reader);
  header->former = tag != roster->tag;
  if (header->former && (tag != roster->former_tag || tag == 0)) return GR_ERR_FOREIGN;
  header->type = (enum gr_frame_type)type;
  header->incarnation = gr_read_u64(reader);
  bool boot_good = gr_boot_decode(reader, roster, &header->boot);
  bool view_good = gr_count_decode(reader, &header->view) && header->view > 0;
  return header->incarnation == 0 || !boot_good || !view_good ? GR_ERR_MALFORMED : GR_OK;
}

/* ---- batches ---- */

static uint64_t batch_checksum(const uint8_t *bytes, uint32_t size) {
  uint64_t seed = gr_xxh64(bytes, GR_BATCH_HEADER_BYTES - 8, 0);
  return gr_xxh64(bytes + GR_BATCH_HEADER_BYTES, size - GR_BATCH_HEADER_BYTES, seed);
}

void gr_batch_seal(const struct gr_roster *roster, uint8_t *bytes, uint32_t size,
                   uint32_t lane, uint64_t seq, uint32_t messages) {
  gr_store_u64(bytes, roster->ids[lane]);
  gr_store_u64(bytes + 8, roster->boot);
  gr_store_u64(bytes + 16, seq);
  gr_store_u32(bytes + 24, messages);
  gr_store_u32(bytes + 28, size);
  gr_store_u64(bytes + 32, batch_checksum(bytes, size));
}

/* The entries fill the batch exactly, and as many messages end in it as it says. */
static bool batch_entries_check(struct gr_batch *batch, uint64_t message_bytes_max) {
  uint32_t at = GR_BATCH_HEADER_BYTES;
  uint32_t messages = 0;
  batch->pieces = false;
  while (at < batch->size) {
    if (batch->size - at < GR_ENTRY_HEADER_BYTES) return false;
    uint32_t head = gr_load_u32(batch->bytes + at);
    uint32_t size = head & ~GR_ENTRY_MORE;
    at += GR_ENTRY_HEADER_BYTES;
    if (size > batch->size - at || size > message_bytes_max) return false;
    at += size;
    if (head & GR_ENTRY_MORE)
      batch->pieces = true;
    else
      messages++;
  }
  return messages == batch->messages;
}

int gr_batch_open(struct gr_reader *reader, const struct gr_roster *roster,
                  struct gr_batch *batch) {
  size_t left = reader->left;
  const uint8_t *bytes = gr_read_bytes(reader, left);
  if (!bytes || left <= GR_BATCH_HEADER_BYTES || left > roster->batch_bytes_max)
    return GR_ERR_MALFORMED;
  batch->bytes = bytes;
  batch->size = gr_load_u32(bytes + 28);
  batch->lane = gr_roster_index(roster, gr_load_u64(bytes));
  batch->boot = gr_load_u64(bytes + 8);
  batch->seq = gr_load_u64(bytes + 16);
  batch->messages = gr_load_u32(bytes + 24);
  if (batch->size != left || !boot_fits(roster, batch->boot) || batch->seq == 0 ||
      batch->seq > GR_COUNT_MAX)
    return GR_ERR_MALFORMED;
  if (gr_load_u64(bytes + 32) != batch_checksum(bytes, batch->size))
    return GR_ERR_CORRUPT;
  if (batch->lane == roster->count) return GR_ERR_STALE; /* of another view's member */
  return batch_entries_check(batch, roster->message_bytes_max) ? GR_OK : GR_ERR_MALFORMED;
}

/* ---- parts of bodies ---- */

void gr_ballot_encode(struct gr_writer *writer, gr_ballot ballot) {
  gr_write_u64(writer, ballot.view);
  gr_write_u64(writer, ballot.round);
  gr_write_u64(writer, ballot.member);
}

static gr_ballot ballot_read(struct gr_reader *reader) {
  gr_ballot ballot;
  ballot.view = gr_read_u64(reader);
  ballot.round = gr_read_u64(reader);
  ballot.member = gr_read_u64(reader);
  return ballot;
}

bool gr_ballot_decode(struct gr_reader *reader, gr_ballot *ballot) {
  *ballot = ballot_read(reader);
  return ballot->view > 0 && ballot->view < GR_COUNT_MAX && ballot->round > 0 &&
         ballot->round < GR_COUNT_MAX && ballot->member > 0;
}

bool gr_ballot_or_none_decode(struct gr_reader *reader, gr_ballot *ballot) {
  *ballot = ballot_read(reader);
  if (ballot->round == 0 && ballot->member == 0)
    return !reader->bad && ballot->view < GR_COUNT_MAX;
  return ballot->view > 0 && ballot->view < GR_COUNT_MAX && ballot->round > 0 &&
         ballot->round < GR_COUNT_MAX && ballot->member > 0;
}

bool gr_count_decode(struct gr_reader *reader, uint64_t *count) {
  *count = gr_read_u64(reader);
  return *count < GR_COUNT_MAX;
}

bool gr_boot_decode(struct gr_reader *reader, const struct gr_roster *roster,
                    uint64_t *boot) {
  *boot = gr_read_u64(reader);
  return boot_fits(roster, *boot);
}

static void config_encode(struct gr_writer *writer, const struct gr_config *config) {
  gr_write_u8(writer, GR_VALUE_CONFIG);
  gr_write_u8(writer, (uint8_t)config->kind);
  gr_write_u8(writer, config->reason);
  gr_write_u64(writer, config->member);
  gr_write_u64(writer, config->incarnation);
  gr_write_u16(writer, config->profile_bytes);
  gr_write_bytes(writer, config->profile, config->profile_bytes);
}

static bool config_decode(struct gr_reader *reader, struct gr_config *config) {
  uint8_t kind = gr_read_u8(reader);
  config->reason = gr_read_u8(reader);
  config->member = gr_read_u64(reader);
  config->incarnation = gr_read_u64(reader);
  config->profile_bytes = gr_read_u16(reader);
  if (kind < GR_CHANGE_ADD || kind > GR_CHANGE_FORCE || config->member == 0 ||
      config->member > GR_MEMBER_ID_MAX || config->profile_bytes > GR_PROFILE_BYTES_MAX)
    return false;
  /* Those who are left stand in the place of a profile. */
  bool adds = kind == GR_CHANGE_ADD || kind == GR_CHANGE_FORCE;
  if (adds != (config->incarnation != 0) || (!adds && config->profile_bytes > 0))
    return false;
  const uint8_t *profile = gr_read_bytes(reader, config->profile_bytes);
  if (!profile) return false;
  memcpy(config->profile, profile, config->profile_bytes);
  config->kind = (enum gr_change_kind)kind;
  return true;
}

static void cut_encode(struct gr_writer *writer, const struct gr_roster *roster,
                       const struct gr_cut *cut) {
  if (gr_is_config(cut)) {
    config_encode(writer, &cut->config);
    return;
  }
  gr_write_u8(writer, GR_VALUE_CUT);
  gr_write_u8(writer, (uint8_t)gr_memberset_size(cut->lanes));
  for (uint32_t i = 0; i < roster->count; i++) {
    if (!gr_memberset_has(cut->lanes, i)) continue;
    gr_write_u64(writer, roster->ids[i]);
    gr_write_u64(writer, cut->marks[i].boot);
    gr_write_u64(writer, cut->marks[i].upto);
  }
}

static bool cut_decode(struct gr_reader *reader, const struct gr_roster *roster,
                       struct gr_cut *cut) {
  cut->lanes = 0;
  cut->config.kind = 0;
  uint8_t kind = gr_read_u8(reader);
  if (kind == GR_VALUE_CONFIG) return config_decode(reader, &cut->config);
  if (kind != GR_VALUE_CUT) return false;
  uint32_t lanes = gr_read_u8(reader);
  uint32_t next = 0; /* lanes ascend, so none is named twice */
  for (uint32_t k = 0; k < lanes; k++) {
    uint32_t index = gr_roster_index(roster, gr_read_u64(reader));
    if (index < next || index == roster->count) return false;
    struct gr_mark *mark = &cut->marks[index];
    if (!gr_boot_decode(reader, roster, &mark->boot) ||
        !gr_count_decode(reader, &mark->upto) ||
        (gr_mark_is_close(*mark) && !roster->durable))
      return false;
    cut->lanes |= gr_memberset_one(index);
    next = index + 1;
  }
  return !reader->bad && lanes > 0;
}

/* ---- bodies ---- */

void gr_heartbeat_encode(struct gr_writer *writer, const struct gr_roster *roster,
                         const struct gr_heartbeat *heartbeat) {
  gr_write_u8(writer, (uint8_t)((heartbeat->leads ? 1 : 0) | (heartbeat->formed ? 2 : 0) |
                                (heartbeat->founding ? 4 : 0)));
  gr_ballot_encode(writer, heartbeat->promised);
  gr_write_u64(writer, heartbeat->accepted);
  gr_write_u64(writer, heartbeat->chosen);
  gr_write_u64(writer, heartbeat->delivered);
  gr_write_u64(writer, heartbeat->log_first);
  gr_write_u64(writer, heartbeat->stamp);
  gr_write_u64(writer, heartbeat->echo);
  gr_write_u64(writer, heartbeat->echo_age);
  gr_write_u8(writer, (uint8_t)gr_memberset_size(heartbeat->named));
  for (uint32_t i = 0; i < roster->count; i++) {
    if (!gr_memberset_has(heartbeat->named, i)) continue;
    gr_write_u64(writer, roster->ids[i]);
    gr_write_u64(writer, heartbeat->incarnations[i]);
    gr_write_u64(writer, heartbeat->boots[i]);
    gr_write_u64(writer, heartbeat->held[i].boot);
    gr_write_u64(writer, heartbeat->held[i].upto);
  }
  gr_write_u16(writer, (uint16_t)heartbeat->note.size);
  gr_write_bytes(writer, heartbeat->note.data, heartbeat->note.size);
}

/* What it tells of one member; one that we do not know, or any more, is passed over. */
static bool heartbeat_member_decode(struct gr_reader *reader,
                                    const struct gr_roster *roster,
                                    struct gr_heartbeat *heartbeat) {
  gr_member_id id = gr_read_u64(reader);
  uint64_t incarnation = gr_read_u64(reader);
  uint64_t boot;
  struct gr_mark held;
  if (!gr_count_decode(reader, &boot) || (boot != GR_BOOT_VOLATILE && !roster->durable) ||
      !gr_boot_decode(reader, roster, &held.boot) || !gr_count_decode(reader, &held.upto))
    return false;
  /* Who has met all knows them all. */
  if (reader->bad || id == 0 || (heartbeat->formed && incarnation == 0)) return false;
  uint32_t index = gr_roster_index(roster, id);
  if (index == roster->count) return true;
  heartbeat->named |= gr_memberset_one(index);
  heartbeat->incarnations[index] = incarnation;
  heartbeat->boots[index] = boot;
  heartbeat->held[index] = held;
  return true;
}

bool gr_heartbeat_decode(struct gr_reader *reader, const struct gr_roster *roster,
                         struct gr_heartbeat *heartbeat) {
  uint8_t flags = gr_read_u8(reader);
  heartbeat->leads = (flags & 1) != 0;
  heartbeat->formed = (flags & 2) != 0;
  heartbeat->founding = (flags & 4) != 0;
  if (flags > 7 || !gr_ballot_or_none_decode(reader, &heartbeat->promised) ||
      !gr_count_decode(reader, &heartbeat->accepted) ||
      !gr_count_decode(reader, &heartbeat->chosen) ||
      !gr_count_decode(reader, &heartbeat->delivered) ||
      !gr_count_decode(reader, &heartbeat->log_first) || heartbeat->log_first == 0 ||
      heartbeat->delivered > heartbeat->chosen)
    return false;
  heartbeat->stamp = gr_read_u64(reader);
  heartbeat->echo = gr_read_u64(reader);
  heartbeat->echo_age = gr_read_u64(reader);
  uint32_t members = gr_read_u8(reader);
  heartbeat->named = 0;
  for (uint32_t k = 0; k < members; k++)
    if (!heartbeat_member_decode(reader, roster, heartbeat)) return false;
  size_t note = gr_read_u16(reader);
  heartbeat->note = (gr_slice){gr_read_bytes(reader, note), note};
  return note <= GR_NOTE_BYTES_MAX && gr_reader_done(reader);
}

void gr_accept_encode(struct gr_writer *writer, const struct gr_roster *roster,
                      const struct gr_accept *accept) {
  gr_ballot_encode(writer, accept->ballot);
  gr_write_u64(writer, accept->slot);
  gr_write_u64(writer, accept->start);
  gr_write_u64(writer, accept->chosen);
  gr_write_u64(writer, accept->delivered);
  gr_write_u64(writer, accept->stable);
  gr_write_u64(writer, accept->accepted);
  cut_encode(writer, roster, &accept->cut);
}

bool gr_accept_decode(struct gr_reader *reader, const struct gr_roster *roster,
                      struct gr_accept *accept) {
  return gr_ballot_decode(reader, &accept->ballot) &&
         gr_count_decode(reader, &accept->slot) &&
         gr_count_decode(reader, &accept->start) &&
         gr_count_decode(reader, &accept->chosen) &&
         gr_count_decode(reader, &accept->delivered) &&
         gr_count_decode(reader, &accept->stable) &&
         gr_count_decode(reader, &accept->accepted) && accept->start > 0 &&
         accept->slot >= accept->start && accept->chosen >= accept->start - 1 &&
         accept->delivered <= accept->chosen && accept->stable <= accept->delivered &&
         cut_decode(reader, roster, &accept->cut) && gr_reader_done(reader);
}

void gr_accepted_encode(struct gr_writer *writer, const struct gr_accepted *accepted) {
  gr_ballot_encode(writer, accepted->promised);
  gr_write_u64(writer, accepted->accepted);
  gr_write_u64(writer, accepted->chosen);
  gr_write_u64(writer, accepted->delivered);
}

bool gr_accepted_decode(struct gr_reader *reader, struct gr_accepted *accepted) {
  return gr_ballot_decode(reader, &accepted->promised) &&
         gr_count_decode(reader, &accepted->accepted) &&
         gr_count_decode(reader, &accepted->chosen) &&
         gr_count_decode(reader, &accepted->delivered) &&
         accepted->delivered <= accepted->chosen && gr_reader_done(reader);
}

void gr_prevote_encode(struct gr_writer *writer, const struct gr_prevote *prevote) {
  gr_ballot_encode(writer, prevote->ballot);
  gr_write_u64(writer, prevote->asking);
  gr_write_u64(writer, prevote->chosen);
}

bool gr_prevote_decode(struct gr_reader *reader, struct gr_prevote *prevote) {
  return gr_ballot_decode(reader, &prevote->ballot) &&
         gr_count_decode(reader, &prevote->asking) &&
         gr_count_decode(reader, &prevote->chosen) && gr_reader_done(reader);
}

void gr_prevote_answer_encode(struct gr_writer *writer,
                              const struct gr_prevote_answer *answer) {
  gr_ballot_encode(writer, answer->ballot);
  gr_write_u64(writer, answer->asking);
  gr_ballot_encode(writer, answer->promised);
  gr_write_u8(writer, answer->granted);
}

bool gr_prevote_answer_decode(struct gr_reader *reader,
                              struct gr_prevote_answer *answer) {
  if (!gr_ballot_decode(reader, &answer->ballot) ||
      !gr_count_decode(reader, &answer->asking) ||
      !gr_ballot_or_none_decode(reader, &answer->promised))
    return false;
  uint8_t granted = gr_read_u8(reader);
  answer->granted = granted == 1;
  return granted <= 1 && gr_reader_done(reader);
}

void gr_prepare_encode(struct gr_writer *writer, const struct gr_prepare *prepare) {
  gr_ballot_encode(writer, prepare->ballot);
  gr_write_u64(writer, prepare->from);
  gr_ballot_encode(writer, prepare->ended);
}

bool gr_prepare_decode(struct gr_reader *reader, struct gr_prepare *prepare) {
  return gr_ballot_decode(reader, &prepare->ballot) &&
         gr_count_decode(reader, &prepare->from) && prepare->from > 0 &&
         gr_ballot_or_none_decode(reader, &prepare->ended) && gr_reader_done(reader);
}

void gr_fetch_data_encode(struct gr_writer *writer, const struct gr_roster *roster,
                          const struct gr_fetch_data *fetch) {
  gr_write_u64(writer, roster->ids[fetch->lane]);
  gr_write_u64(writer, fetch->boot);
  gr_write_u64(writer, fetch->from);
  gr_write_u64(writer, fetch->upto);
}

bool gr_fetch_data_decode(struct gr_reader *reader, const struct gr_roster *roster,
                          struct gr_fetch_data *fetch) {
  fetch->lane = gr_roster_index(roster, gr_read_u64(reader));
  return gr_boot_decode(reader, roster, &fetch->boot) &&
         gr_count_decode(reader, &fetch->from) && gr_count_decode(reader, &fetch->upto) &&
         fetch->from > 0 && fetch->from <= fetch->upto && gr_reader_done(reader);
}

void gr_fetch_log_encode(struct gr_writer *writer, gr_slot from) {
  gr_write_u64(writer, from);
}

bool gr_fetch_log_decode(struct gr_reader *reader, gr_slot *from) {
  return gr_count_decode(reader, from) && *from > 0 && gr_reader_done(reader);
}

void gr_transfer_encode(struct gr_writer *writer, gr_ballot ballot) {
  gr_ballot_encode(writer, ballot);
}

bool gr_transfer_decode(struct gr_reader *reader, gr_ballot *ballot) {
  return gr_ballot_decode(reader, ballot) && gr_reader_done(reader);
}

/* ---- bodies with a run of values ---- */

void gr_promise_encode(struct gr_writer *writer, const struct gr_promise *promise) {
  gr_ballot_encode(writer, promise->ballot);
  gr_write_u64(writer, promise->chosen);
  gr_write_u64(writer, promise->log_first);
  gr_write_u64(writer, promise->from);
  gr_write_u64(writer, promise->end);
  gr_write_u32(writer, promise->count);
}

bool gr_promise_decode(struct gr_reader *reader, struct gr_promise *promise) {
  if (!gr_ballot_decode(reader, &promise->ballot) ||
      !gr_count_decode(reader, &promise->chosen) ||
      !gr_count_decode(reader, &promise->log_first) ||
      !gr_count_decode(reader, &promise->from) || !gr_count_decode(reader, &promise->end))
    return false;
  promise->count = gr_read_u32(reader);
  return !reader->bad && promise->log_first > 0 && promise->from > 0 &&
         promise->from <= promise->end && promise->chosen < promise->end &&
         promise->count <= promise->end - promise->from;
}

void gr_log_run_encode(struct gr_writer *writer, const struct gr_log_run *run) {
  gr_write_u64(writer, run->from);
  gr_write_u64(writer, run->chosen);
  gr_write_u64(writer, run->log_first);
  gr_write_u32(writer, run->count);
}

bool gr_log_run_decode(struct gr_reader *reader, struct gr_log_run *run) {
  if (!gr_count_decode(reader, &run->from) || !gr_count_decode(reader, &run->chosen) ||
      !gr_count_decode(reader, &run->log_first))
    return false;
  run->count = gr_read_u32(reader);
  return !reader->bad && run->from > 0 && run->log_first > 0 &&
         run->from + run->count <= run->chosen + 1;
}

void gr_log_value_encode(struct gr_writer *writer, const struct gr_roster *roster,
                         const struct gr_log_value *value) {
  gr_ballot_encode(writer, value->ballot);
  cut_encode(writer, roster, &value->cut);
}

bool gr_log_value_decode(struct gr_reader *reader, const struct gr_roster *roster,
                         struct gr_log_value *value) {
  return gr_ballot_decode(reader, &value->ballot) &&
         cut_decode(reader, roster, &value->cut);
}

bool gr_log_values_check(struct gr_reader reader, const struct gr_roster *roster,
                         uint32_t count, gr_ballot highest) {
  struct gr_log_value value;
  for (uint32_t i = 0; i < count; i++)
    if (!gr_log_value_decode(&reader, roster, &value) ||
        gr_ballot_compare(value.ballot, highest) > 0)
      return false;
  return gr_reader_done(&reader);
}

size_t gr_log_value_bytes(const struct gr_cut *cut) {
  size_t ballot = 3 * sizeof(uint64_t);
  if (gr_is_config(cut)) return ballot + CONFIG_BYTES + cut->config.profile_bytes;
  return ballot + 2 + gr_memberset_size(cut->lanes) * 3 * sizeof(uint64_t);
}
