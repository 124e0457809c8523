/* SPDX-License-Identifier: MIT */
#include "storage.h"

#include "base/xxh64.h"

#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>

static const gr_member_id founders[TEST_MEMBERS_MAX] = {10, 20, 30, 40, 50};

gr_member_id test_id(uint32_t index) {
  return founders[index];
}

gr_options test_options(uint32_t members, uint32_t self) {
  return (gr_options){.size = sizeof(gr_options),
                      .group_id = {{1, 2, 3}},
                      .self = founders[self],
                      .founders = founders,
                      .founder_count = members,
                      .seed = 1000 + self,
                      .message_bytes_max = TEST_MESSAGE_MAX,
                      .fragment_bytes_max = TEST_FRAGMENT_MAX,
                      .batch_bytes_max = TEST_BATCH_MAX,
                      .unordered_bytes_max = TEST_UNORDERED_MAX,
                      .cache_bytes_max = (TEST_MEMBERS_MAX + GR_PLACES_SPARE) *
                                         UINT64_C(512) * TEST_BATCH_MAX,
                      .log_slots_max = 4096,
                      .members_max = TEST_MEMBERS_MAX};
}

/* ---- allocator ---- */

static void *count_allocate(void *context, size_t size, size_t alignment) {
  struct counting *counting = context;
  if (++counting->calls == counting->fail_at) return NULL;
  void *memory = aligned_alloc(alignment, (size + alignment - 1) / alignment * alignment);
  cr_assert_not_null(memory);
  memset(memory, 0xa5, size); /* what is not initialised shows */
  counting->live++;
  counting->live_bytes += size;
  return memory;
}

static void count_release(void *context, void *memory, size_t size) {
  struct counting *counting = context;
  counting->live--;
  counting->live_bytes -= size;
  free(memory);
}

gr_allocator counting_allocator(struct counting *counting) {
  return (gr_allocator){counting, count_allocate, count_release};
}

/* ---- rig: life cycle ---- */

static struct counting rig_memory;

static void rig_make(struct rig *rig, const gr_options *options) {
  *rig = (struct rig){.now = 1000 * TEST_MS, .members = (uint32_t)options->founder_count};
  gr_allocator allocator = counting_allocator(&rig_memory);
  cr_assert_eq(gr_paxos_new(&rig->paxos, options, &allocator, rig->now), GR_OK);
  rig->self = rig->paxos->self;
  rig->heard = calloc(RIG_HEARD_MAX, sizeof(*rig->heard));
  cr_assert_not_null(rig->heard);
}

static void rig_know(struct rig *rig) {
  rig->roster = rig->paxos->roster;
  rig->incarnation = rig->roster.incarnation;
}

void rig_open(struct rig *rig, uint32_t members, uint32_t self) {
  gr_options options = test_options(members, self);
  rig_make(rig, &options);
  rig_know(rig);
}

static void rig_deliver(void *context) {
  struct rig *rig = context;
  gr_delivery delivery;
  while (gr_paxos_delivery(rig->paxos, &delivery)) {
    size_t used = strlen(rig->delivered);
    cr_assert_lt(used + delivery.bytes + 1, RIG_TEXT_MAX);
    for (size_t i = 0; i < delivery.part_count; used += delivery.parts[i++].size)
      memcpy(rig->delivered + used, delivery.parts[i].data, delivery.parts[i].size);
    memcpy(rig->delivered + used, " ", 2);
    gr_paxos_delivered(rig->paxos);
  }
}

void rig_open_unsynced(struct rig *rig, uint32_t members, uint32_t self,
                       struct storage *storage, gr_seqno applied) {
  gr_options options = test_options(members, self);
  options.durable = true;
  options.applied = applied;
  rig_make(rig, &options);
  rig->storage = storage;
  for (uint32_t i = 0; i < members; i++) rig->boots[i] = GR_BOOT_FIRST;
  cr_assert_eq(storage_give_back(storage, rig->paxos, rig_deliver, rig), GR_OK);
  cr_assert_eq(gr_paxos_resume(rig->paxos, rig->now), GR_OK);
  rig_know(rig);
}

void rig_open_stored(struct rig *rig, uint32_t members, uint32_t self,
                     struct storage *storage, gr_seqno applied) {
  rig_open_unsynced(rig, members, self, storage, applied);
  rig_sync(rig);
  if (rig_status(rig).role != GR_ROLE_FORMING) cr_assert_eq(rig_beat_all(rig), GR_OK);
}

void rig_close(struct rig *rig) {
  gr_paxos_free(rig->paxos);
  free(rig->heard);
  cr_assert_eq(rig_memory.live, 0);
}

void rig_meet(struct rig *rig) {
  cr_assert_eq(rig_beat_all(rig), GR_OK);
  if (rig->storage) rig_sync(rig); /* whom it has met */
  cr_assert_eq(rig_status(rig).role, GR_ROLE_FOLLOWER);
  rig_turn(rig);
}

gr_ballot rig_lead(struct rig *rig) {
  while (rig_status(rig).role == GR_ROLE_FOLLOWER) rig_pass(rig, 10 * TEST_MS);
  uint32_t peer = rig->self == 0 ? 1 : 0;
  struct gr_reader body = rig_body(rig, peer, GR_FRAME_PREVOTE);
  struct gr_prevote prevote;
  cr_assert(gr_prevote_decode(&body, &prevote));
  for (uint32_t i = 0; i < rig->members; i++)
    if (i != rig->self) rig_grant(rig, i, &prevote);
  gr_status status = rig_status(rig);
  struct gr_promise promise = {.ballot = status.promised,
                               .chosen = status.chosen,
                               .log_first = 1,
                               .from = status.chosen + 1,
                               .end = status.chosen + 1};
  for (uint32_t i = 0; i < rig->members; i++)
    if (i != rig->self) rig_promise(rig, i, &promise, NULL);
  if (rig->storage)
    rig_sync(rig); /* its own promise */
  else
    rig_turn(rig);
  cr_assert_eq(rig_status(rig).role, GR_ROLE_LEADER);
  return status.promised;
}

/* ---- rig: what the engine says ---- */

static void hear(struct rig *rig, uint32_t to, const gr_frame *frame) {
  cr_assert_lt(rig->heard_count, RIG_HEARD_MAX, "the engine does not stop talking");
  struct heard *heard = &rig->heard[rig->heard_count++];
  heard->to = to;
  heard->size = 0;
  for (size_t i = 0; i < frame->part_count; i++) {
    cr_assert_leq(heard->size + frame->parts[i].size, sizeof(heard->bytes));
    memcpy(heard->bytes + heard->size, frame->parts[i].data, frame->parts[i].size);
    heard->size += frame->parts[i].size;
  }
  struct gr_reader reader = gr_reader_of(heard->bytes, heard->size);
  struct gr_frame_header header;
  cr_assert_eq(gr_frame_open(&reader, &rig->roster, &header), GR_OK);
  cr_assert_eq(header.incarnation, rig->incarnation);
  heard->type = header.type;
}

void rig_turn(struct rig *rig) {
  rig->heard_count = 0;
  gr_paxos_flush(rig->paxos);
  if (rig->storage) storage_take(rig->storage, rig->paxos);
  for (uint32_t i = 0; i < rig->members; i++) {
    gr_frame frame;
    while (gr_paxos_frame(rig->paxos, test_id(i), &frame)) {
      hear(rig, i, &frame);
      gr_paxos_frame_sent(rig->paxos, test_id(i));
    }
  }
  if (rig->storage) rig_deliver(rig);
}

void rig_sync(struct rig *rig) {
  gr_paxos_flush(rig->paxos);
  storage_take(rig->storage, rig->paxos);
  cr_assert_eq(gr_paxos_stored(rig->paxos, rig_status(rig).stored), GR_OK);
  rig_turn(rig);
}

void rig_pass(struct rig *rig, gr_time duration) {
  rig->now += duration;
  gr_paxos_poll(rig->paxos, rig->now);
  rig_turn(rig);
}

const struct heard *rig_heard(const struct rig *rig, uint32_t to,
                              enum gr_frame_type type) {
  for (size_t i = rig->heard_count; i-- > 0;)
    if (rig->heard[i].to == to && rig->heard[i].type == type) return &rig->heard[i];
  return NULL;
}

struct gr_reader rig_body(const struct rig *rig, uint32_t to, enum gr_frame_type type) {
  const struct heard *heard = rig_heard(rig, to, type);
  cr_assert_not_null(heard, "no frame of type %d to member %u", (int)type, to);
  return gr_reader_of(heard->bytes + GR_FRAME_HEADER_BYTES,
                      heard->size - GR_FRAME_HEADER_BYTES);
}

gr_status rig_status(const struct rig *rig) {
  gr_status status = {.size = sizeof(status)};
  cr_assert_eq(gr_paxos_status(rig->paxos, &status), GR_OK);
  return status;
}

gr_counters rig_counters(const struct rig *rig) {
  gr_counters counters = {.size = sizeof(counters)};
  cr_assert_eq(gr_paxos_counters(rig->paxos, &counters), GR_OK);
  return counters;
}

/* ---- rig: what the peers say ---- */

struct gr_writer rig_begin(struct rig *rig, uint32_t from, enum gr_frame_type type) {
  rig->roster.incarnation = 7000 + from;
  rig->roster.boot = rig->boots[from];
  struct gr_writer writer = gr_writer_of(rig->frame, sizeof(rig->frame));
  gr_frame_begin(&writer, &rig->roster, rig->roster.tag, type);
  return writer;
}

int rig_end(struct rig *rig, uint32_t from, struct gr_writer *writer) {
  cr_assert(!writer->bad);
  gr_frame_end(writer);
  gr_slice frame = {writer->data, writer->used};
  return gr_paxos_receive(rig->paxos, test_id(from), frame, rig->now);
}

gr_ballot rig_ballot(uint64_t round, uint32_t owner) {
  return (gr_ballot){1, round, test_id(owner)};
}

struct gr_cut rig_boot_cut(uint32_t lane, uint64_t boot, uint64_t upto) {
  struct gr_cut cut = {.lanes = gr_memberset_one(lane)};
  cut.marks[lane] = (struct gr_mark){boot, upto};
  return cut;
}

struct gr_cut rig_cut(uint32_t lane, uint64_t upto) {
  return rig_boot_cut(lane, GR_BOOT_VOLATILE, upto);
}

struct gr_heartbeat rig_beat_of(const struct rig *rig) {
  struct gr_heartbeat heartbeat = {.formed = true,
                                   .promised = {.view = 1},
                                   .log_first = 1,
                                   .echo = rig->now,
                                   .named = gr_memberset_first(rig->members)};
  for (uint32_t i = 0; i < rig->members; i++)
    heartbeat.incarnations[i] = i == rig->self ? rig->incarnation : 7000 + i;
  for (uint32_t i = 0; i < rig->members; i++) heartbeat.held[i].boot = rig->boots[i];
  return heartbeat;
}

int rig_beat(struct rig *rig, uint32_t from, const struct gr_heartbeat *heartbeat) {
  struct gr_writer writer = rig_begin(rig, from, GR_FRAME_HEARTBEAT);
  gr_heartbeat_encode(&writer, &rig->roster, heartbeat);
  return rig_end(rig, from, &writer);
}

int rig_beat_all(struct rig *rig) {
  int error = GR_OK;
  for (uint32_t i = 0; i < rig->members && error == GR_OK; i++) {
    struct gr_heartbeat heartbeat = rig_beat_of(rig);
    if (i != rig->self) error = rig_beat(rig, i, &heartbeat);
  }
  return error;
}

static uint32_t owner_of(const struct rig *rig, gr_ballot ballot) {
  return gr_roster_index(&rig->roster, ballot.member);
}

int rig_accept(struct rig *rig, gr_ballot ballot, gr_slot slot, gr_slot start,
               gr_slot chosen, struct gr_cut cut) {
  uint32_t from = owner_of(rig, ballot);
  struct gr_accept accept = {.ballot = ballot,
                             .slot = slot,
                             .start = start,
                             .chosen = chosen,
                             .accepted = slot,
                             .cut = cut};
  struct gr_writer writer = rig_begin(rig, from, GR_FRAME_ACCEPT);
  gr_accept_encode(&writer, &rig->roster, &accept);
  return rig_end(rig, from, &writer);
}

int rig_accepted(struct rig *rig, uint32_t from, gr_ballot ballot, gr_slot accepted) {
  struct gr_accepted body = {.promised = ballot, .accepted = accepted};
  struct gr_writer writer = rig_begin(rig, from, GR_FRAME_ACCEPTED);
  gr_accepted_encode(&writer, &body);
  return rig_end(rig, from, &writer);
}

int rig_prepare(struct rig *rig, gr_ballot ballot, gr_slot from) {
  uint32_t owner = owner_of(rig, ballot);
  struct gr_prepare prepare = {ballot, from, {.view = 1}};
  struct gr_writer writer = rig_begin(rig, owner, GR_FRAME_PREPARE);
  gr_prepare_encode(&writer, &prepare);
  return rig_end(rig, owner, &writer);
}

int rig_grant(struct rig *rig, uint32_t from, const struct gr_prevote *prevote) {
  struct gr_prevote_answer answer = {.ballot = prevote->ballot,
                                     .asking = prevote->asking,
                                     .promised = {.view = 1},
                                     .granted = true};
  struct gr_writer writer = rig_begin(rig, from, GR_FRAME_PREVOTE_ANSWER);
  gr_prevote_answer_encode(&writer, &answer);
  return rig_end(rig, from, &writer);
}

int rig_promise(struct rig *rig, uint32_t from, const struct gr_promise *promise,
                const struct gr_log_value *values) {
  struct gr_writer writer = rig_begin(rig, from, GR_FRAME_PROMISE);
  gr_promise_encode(&writer, promise);
  for (uint32_t i = 0; i < promise->count; i++)
    gr_log_value_encode(&writer, &rig->roster, &values[i]);
  return rig_end(rig, from, &writer);
}

int rig_log(struct rig *rig, uint32_t from_member, gr_slot from, gr_slot chosen,
            const struct gr_log_value *values, uint32_t count) {
  struct gr_log_run run = {from, chosen, 1, count};
  struct gr_writer writer = rig_begin(rig, from_member, GR_FRAME_LOG);
  gr_log_run_encode(&writer, &run);
  for (uint32_t i = 0; i < count; i++)
    gr_log_value_encode(&writer, &rig->roster, &values[i]);
  return rig_end(rig, from_member, &writer);
}

int rig_data(struct rig *rig, uint32_t from, uint32_t lane, uint64_t seq,
             const char *text) {
  uint32_t bytes = (uint32_t)strlen(text);
  uint32_t size = GR_BATCH_HEADER_BYTES + GR_ENTRY_HEADER_BYTES + bytes;
  struct gr_writer writer = rig_begin(rig, from, GR_FRAME_DATA);
  gr_frame_end(&writer);
  uint8_t *batch = gr_write_room(&writer, size);
  cr_assert_not_null(batch);
  gr_store_u32(batch + GR_BATCH_HEADER_BYTES, bytes);
  memcpy(batch + GR_BATCH_HEADER_BYTES + GR_ENTRY_HEADER_BYTES, text, bytes);
  rig->roster.boot = rig->boots[lane];
  gr_batch_seal(&rig->roster, batch, size, lane, seq, 1);
  gr_slice frame = {writer.data, writer.used};
  return gr_paxos_receive(rig->paxos, test_id(from), frame, rig->now);
}
