/* SPDX-License-Identifier: MIT
 *
 * Writes the first inputs of the targets: of those that decode, one well-formed specimen
 * of every kind, from the encoders themselves, so that the fuzzer begins behind the first
 * checks; of those that drive members, schedules of some length.
 * Run it anew when a format changes:
 *
 *   make_corpus fuzz/corpus
 */
#include "make_corpus.h"

#include "base/random.h"
#include "membership/message.h"
#include "message.h"
#include "paxos/frame.h"
#include "posix/hello.h"

#include <gr/gr.h>

#include <string.h>

#define PATH_BYTES_MAX 4096

static const struct gr_roster roster = {.tag = 0x6772,
                                        .view = 1,
                                        .incarnation = 7,
                                        .count = 3,
                                        .ids = {1, 2, 9},
                                        .message_bytes_max = 4096,
                                        .batch_bytes_max = 1088};
static const gr_ballot ballot = {1, 2, 9};
static const struct gr_cut cut = {.lanes = 5, .marks = {{0, 4}, {0, 0}, {0, 6}}};

void save(const char *folder, const char *target, const char *name,
          const struct gr_writer *seed) {
  char path[PATH_BYTES_MAX];
  FUZZ_CHECK(!seed->bad, "a seed is not too large");
  int length = snprintf(path, sizeof(path), "%s/%s/seed-%s", folder, target, name);
  FUZZ_CHECK(length > 0 && (size_t)length < sizeof(path), "the path is not too long");
  FILE *file = fopen(path, "wb");
  FUZZ_CHECK(file, "the folder of the target is there and can be written to");
  size_t written = fwrite(seed->data, 1, seed->used, file);
  FUZZ_CHECK(fclose(file) == 0 && written == seed->used, "the file was written");
}

/* ---- decode_frame ---- */

/* Begins a seed of a kind that decode_frame.c lists. */
static struct gr_writer frame_seed(uint8_t *bytes, uint8_t kind) {
  struct gr_writer seed = gr_writer_of(bytes, SEED_BYTES_MAX);
  gr_write_u8(&seed, kind);
  gr_write_u16(&seed, 261); /* which bit is damaged */
  return seed;
}

static struct gr_writer body_seed(uint8_t *bytes, enum gr_frame_type type) {
  return frame_seed(bytes, (uint8_t)(type + 2));
}

static void make_marks(const char *folder, uint8_t *bytes) {
  struct gr_writer seed = body_seed(bytes, GR_FRAME_HEARTBEAT);
  struct gr_heartbeat heartbeat = {.leads = true,
                                   .formed = true,
                                   .promised = ballot,
                                   .accepted = 9,
                                   .chosen = 8,
                                   .delivered = 7,
                                   .log_first = 2,
                                   .stamp = 1000,
                                   .echo = 900,
                                   .echo_age = 30,
                                   .named = 7,
                                   .incarnations = {7, 8, 9},
                                   .held = {{0, 4}, {0, 5}, {0, 6}},
                                   .note = {"note", 4}};
  gr_heartbeat_encode(&seed, &roster, &heartbeat);
  save(folder, "decode_frame", "heartbeat", &seed);
  seed = body_seed(bytes, GR_FRAME_ACCEPTED);
  gr_accepted_encode(&seed, &(struct gr_accepted){ballot, 9, 8, 7});
  save(folder, "decode_frame", "accepted", &seed);
  seed = body_seed(bytes, GR_FRAME_ACCEPT);
  struct gr_accept accept = {.ballot = ballot,
                             .slot = 10,
                             .start = 3,
                             .chosen = 8,
                             .delivered = 7,
                             .stable = 6,
                             .accepted = 9,
                             .cut = cut};
  gr_accept_encode(&seed, &roster, &accept);
  save(folder, "decode_frame", "accept", &seed);
}

/* What a group with storage adds: boots, and the CLOSE of one. */
static void make_boots(const char *folder, uint8_t *bytes) {
  struct gr_roster durable = roster;
  durable.durable = true;
  durable.boot = 3;
  struct gr_cut close = {.lanes = 7, .marks = {{2, 4}, {3, 0}, {1, 6}}};
  struct gr_writer seed = frame_seed(bytes, 0x80 | (GR_FRAME_ACCEPT + 2));
  struct gr_accept accept = {.ballot = ballot, .slot = 10, .start = 10, .chosen = 9};
  accept.cut = close;
  gr_accept_encode(&seed, &durable, &accept);
  save(folder, "decode_frame", "accept-close", &seed);
  seed = frame_seed(bytes, 0x80 | (GR_FRAME_HEARTBEAT + 2));
  struct gr_heartbeat heartbeat = {.formed = true,
                                   .promised = ballot,
                                   .log_first = 1,
                                   .named = 5,
                                   .incarnations = {7, 8, 9},
                                   .held = {{2, 4}, {3, 0}, {1, 6}}};
  gr_heartbeat_encode(&seed, &durable, &heartbeat);
  save(folder, "decode_frame", "heartbeat-boots", &seed);
  seed = frame_seed(bytes, 0x80 | (GR_FRAME_FETCH_DATA + 2));
  struct gr_fetch_data fetch = {.lane = 1, .boot = 2, .from = 4, .upto = 6};
  gr_fetch_data_encode(&seed, &durable, &fetch);
  save(folder, "decode_frame", "fetch-data-boot", &seed);
}

/* Changes of the view, as values of the log. */
static void make_changes(const char *folder, uint8_t *bytes) {
  static const char *const names[] = {"add", "promote", "remove"};
  for (uint8_t kind = GR_CHANGE_ADD; kind <= GR_CHANGE_REMOVE; kind++) {
    struct gr_writer seed = body_seed(bytes, GR_FRAME_ACCEPT);
    struct gr_accept accept = {.ballot = ballot, .slot = 10, .start = 10, .chosen = 9};
    accept.cut.config =
        (struct gr_config){.kind = (enum gr_change_kind)kind, .member = 10, .reason = 2};
    if (kind == GR_CHANGE_ADD) {
      accept.cut.config.incarnation = 77;
      accept.cut.config.profile_bytes = 9;
    }
    gr_accept_encode(&seed, &roster, &accept);
    save(folder, "decode_frame", names[kind - GR_CHANGE_ADD], &seed);
  }
}

static void make_elections(const char *folder, uint8_t *bytes) {
  struct gr_writer seed = body_seed(bytes, GR_FRAME_PREVOTE);
  gr_prevote_encode(&seed,
                    &(struct gr_prevote){.ballot = ballot, .asking = 3, .chosen = 8});
  save(folder, "decode_frame", "prevote", &seed);
  seed = body_seed(bytes, GR_FRAME_PREVOTE_ANSWER);
  struct gr_prevote_answer answer = {.ballot = ballot,
                                     .asking = 3,
                                     .promised = {.view = 1},
                                     .granted = true};
  gr_prevote_answer_encode(&seed, &answer);
  save(folder, "decode_frame", "prevote-answer", &seed);
  seed = body_seed(bytes, GR_FRAME_PREPARE);
  gr_prepare_encode(&seed, &(struct gr_prepare){ballot, 9, {1, 1, 9}});
  save(folder, "decode_frame", "prepare", &seed);
  seed = body_seed(bytes, GR_FRAME_TRANSFER);
  gr_transfer_encode(&seed, ballot);
  save(folder, "decode_frame", "transfer", &seed);
}

static void make_runs(const char *folder, uint8_t *bytes) {
  struct gr_log_value value = {ballot, cut};
  struct gr_writer seed = body_seed(bytes, GR_FRAME_PROMISE);
  gr_promise_encode(&seed, &(struct gr_promise){ballot, 8, 2, 9, 11, 2});
  gr_log_value_encode(&seed, &roster, &value);
  gr_log_value_encode(&seed, &roster, &value);
  save(folder, "decode_frame", "promise", &seed);
  seed = body_seed(bytes, GR_FRAME_LOG);
  gr_log_run_encode(&seed, &(struct gr_log_run){7, 8, 2, 2});
  gr_log_value_encode(&seed, &roster, &value);
  gr_log_value_encode(&seed, &roster, &value);
  save(folder, "decode_frame", "log", &seed);
  seed = body_seed(bytes, GR_FRAME_FETCH_LOG);
  gr_fetch_log_encode(&seed, 9);
  save(folder, "decode_frame", "fetch-log", &seed);
  seed = body_seed(bytes, GR_FRAME_FETCH_DATA);
  gr_fetch_data_encode(&seed, &roster,
                       &(struct gr_fetch_data){.lane = 1, .from = 4, .upto = 6});
  save(folder, "decode_frame", "fetch-data", &seed);
}

/* A batch of a whole message, a piece, and an empty message that ends it. */
static void make_batches(const char *folder, uint8_t *bytes) {
  struct gr_writer seed = frame_seed(bytes, 2);
  gr_write_u8(&seed, 1);  /* lane */
  gr_write_u64(&seed, 4); /* its number */
  gr_write_u16(&seed, 2); /* messages */
  gr_write_u32(&seed, 5);
  gr_write_bytes(&seed, "hello", 5);
  gr_write_u32(&seed, 3 | GR_ENTRY_MORE);
  gr_write_bytes(&seed, "abc", 3);
  gr_write_u32(&seed, 0);
  save(folder, "decode_frame", "batch", &seed);
  seed = frame_seed(bytes, 0);
  struct gr_writer frame = gr_writer_of(bytes + seed.used, SEED_BYTES_MAX - seed.used);
  gr_frame_begin(&frame, &roster, roster.tag, GR_FRAME_FETCH_LOG);
  gr_fetch_log_encode(&frame, 1);
  gr_frame_end(&frame);
  seed.used += frame.used;
  save(folder, "decode_frame", "whole", &seed);
  seed.data[0] = 1;
  save(folder, "decode_frame", "checksum", &seed);
}

/* ---- decode_message ---- */

/* Begins a seed of a kind that decode_message.c lists. */
static struct gr_writer message_seed(uint8_t *bytes, enum gr_message_type type) {
  return frame_seed(bytes, (uint8_t)(type - 30));
}

static void make_joins(const char *folder, uint8_t *bytes) {
  gr_attributes attributes = {.uuid = {{1, 2, 3}},
                              .version = 4,
                              .weight = 50,
                              .address = {"host:1", 6},
                              .user_data = {"data", 4}};
  struct gr_join join = {0, 9, 77, 5, 9, attributes};
  struct gr_writer seed = message_seed(bytes, GR_MESSAGE_JOIN);
  gr_join_encode(&seed, &join);
  save(folder, "decode_message", "join", &seed);
  struct gr_answer answer = {.verdict = GR_ANSWER_ADMITTED,
                             .incarnation = 7,
                             .member = 4,
                             .contact_count = 2,
                             .contacts = {{1, true, true, 4, {"host:1", 6}},
                                          {9, false, false, 5, {"", 0}}}};
  seed = message_seed(bytes, GR_MESSAGE_ANSWER);
  gr_answer_encode(&seed, &answer);
  save(folder, "decode_message", "answer", &seed);
  answer = (struct gr_answer){.verdict = GR_ANSWER_REFUSED,
                              .incarnation = 7,
                              .error = GR_ERR_GROUP_IS_FULL};
  seed = message_seed(bytes, GR_MESSAGE_ANSWER);
  gr_answer_encode(&seed, &answer);
  save(folder, "decode_message", "refused", &seed);
  seed = message_seed(bytes, GR_MESSAGE_REMOVE);
  gr_remove_encode(&seed, &(struct gr_remove){9, 4});
  save(folder, "decode_message", "remove", &seed);
  seed = frame_seed(bytes, 11);
  gr_attributes_encode(&seed, &attributes);
  save(folder, "decode_message", "profile", &seed);
}

static void make_recoveries(const char *folder, uint8_t *bytes) {
  struct gr_writer seed = message_seed(bytes, GR_MESSAGE_RECOVER);
  gr_recover_encode(&seed, &(struct gr_recover){5});
  save(folder, "decode_message", "recover", &seed);
  seed = message_seed(bytes, GR_MESSAGE_POSITION);
  gr_position_encode(&seed, &(struct gr_position){1, 5, {"image", 5}});
  save(folder, "decode_message", "position", &seed);
  seed = message_seed(bytes, GR_MESSAGE_PULL);
  gr_pull_encode(&seed, &(struct gr_pull){1, 100, 900});
  save(folder, "decode_message", "pull", &seed);
  seed = message_seed(bytes, GR_MESSAGE_CHUNK);
  gr_chunk_encode(&seed, &(struct gr_chunk){1, 100, 900, true, {"bytes", 5}});
  gr_write_bytes(&seed, "bytes", 5);
  save(folder, "decode_message", "chunk", &seed);
  seed = message_seed(bytes, GR_MESSAGE_END);
  gr_end_encode(&seed, &(struct gr_end){1, true});
  save(folder, "decode_message", "end", &seed);
  struct gr_note note = {.healthy = true,
                         .digest_seqno = 1024,
                         .digest = 77,
                         .seqno = 1030,
                         .suspect_count = 2,
                         .suspects = {2, 9}};
  seed = frame_seed(bytes, 10);
  gr_note_encode(&seed, &note);
  save(folder, "decode_message", "note", &seed);
}

/* ---- connections ---- */

static void make_hellos(const char *folder, uint8_t *bytes) {
  struct gr_hello hello = {.kind = GR_HELLO_OPEN,
                           .protocol_version = 1,
                           .group = {{'g', 'r'}},
                           .from = 2,
                           .to = 1};
  struct gr_writer seed = gr_writer_of(bytes, SEED_BYTES_MAX);
  gr_write_u8(&seed, 63); /* room for texts */
  gr_hello_encode(&hello, seed.data + seed.used);
  seed.used += GR_HELLO_BYTES;
  save(folder, "hello", "open", &seed);
  hello.kind = GR_HELLO_REPLY;
  hello.verdict = GR_HELLO_WRONG_GROUP;
  gr_hello_encode(&hello, seed.data + 1);
  save(folder, "hello", "reply", &seed);
}

static void make_framing(const char *folder, uint8_t *bytes) {
  struct gr_writer seed = gr_writer_of(bytes, SEED_BYTES_MAX);
  gr_write_u8(&seed, 12);   /* capacity */
  gr_write_u16(&seed, 100); /* limit */
  gr_write_u64(&seed, UINT64_C(0x0001020304050607));
  for (uint32_t size = 0; size < 60; size += 19) {
    gr_write_u32(&seed, size);
    for (uint32_t i = 0; i < size; i++) gr_write_u8(&seed, (uint8_t)i);
  }
  save(folder, "framing", "frames", &seed);
  gr_write_u32(&seed, 101);
  save(folder, "framing", "oversized", &seed);
}

/* ---- options ---- */

static void make_options(const char *folder, uint8_t *bytes, bool smallest,
                         bool durable) {
  gr_options options = {.size = sizeof(options), .group_id = {{1}}, .self = 2, .seed = 3};
  if (smallest) {
    options.message_bytes_max = 1024;
    options.batch_bytes_max = 1024;
    options.unordered_bytes_max = 1024;
    options.log_slots_max = 4096;
    options.members_max = 3;
    options.cache_bytes_max = UINT64_C(7) * 1024 * 200;
  }
  options.durable = durable;
  struct gr_writer seed = gr_writer_of(bytes, SEED_BYTES_MAX);
  gr_write_u16(&seed, (uint16_t)sizeof(options));
  gr_write_u8(&seed, 3);
  gr_write_bytes(&seed, "\1\2\3", 3);
  gr_write_bytes(&seed, &options, sizeof(options));
  const char *name = smallest ? "smallest" : "standard";
  save(folder, "options", durable ? "durable" : name, &seed);
}

/* ---- gr-kv ---- */

static void make_resp(const char *folder, uint8_t *bytes, const char *name,
                      const char *text) {
  struct gr_writer seed = gr_writer_of(bytes, SEED_BYTES_MAX);
  gr_write_u64(&seed, UINT64_C(0x0040220403120105));
  gr_write_bytes(&seed, text, strlen(text));
  save(folder, "resp", name, &seed);
}

static void add_message(struct gr_writer *seed, struct kv_message message,
                        const char *const *words) {
  struct kv_span spans[8];
  char text[256];
  size_t size = 0;
  for (uint32_t i = 0; i < message.word_count; i++) {
    spans[i + 1] = (struct kv_span){size, strlen(words[i])};
    memcpy(text + size, words[i], spans[i + 1].size);
    size += spans[i + 1].size;
  }
  struct kv_request request = {(const uint8_t *)text, spans,
                               (size_t)message.word_count + 1};
  struct kv_buffer buffer = kv_buffer_of(SEED_BYTES_MAX);
  FUZZ_CHECK(kv_message_encode(&message, &request, &buffer), "there is memory");
  gr_write_u16(seed, (uint16_t)buffer.size);
  gr_write_bytes(seed, kv_buffer_data(&buffer), buffer.size);
  kv_buffer_release(&buffer);
}

static void make_messages(const char *folder, uint8_t *bytes) {
  static const char *const pair[] = {"key", "41", "other", "value"};
  struct gr_writer seed = gr_writer_of(bytes, SEED_BYTES_MAX);
  add_message(&seed, (struct kv_message){KV_SET, .time_ms = 5, .word_count = 2}, pair);
  add_message(&seed,
              (struct kv_message){KV_ADD, .time_ms = 6, .number = 1, .word_count = 1},
              pair);
  add_message(&seed, (struct kv_message){KV_APPEND, .time_ms = 7, .word_count = 2}, pair);
  save(folder, "kv_message", "one-key", &seed);
  seed.used = 0;
  add_message(&seed,
              (struct kv_message){KV_SET, KV_FLAG_IF_ABSENT | KV_FLAG_EXPIRES, 5, 9, 2,
                                  NULL},
              pair);
  add_message(&seed, (struct kv_message){KV_SET_MANY, .time_ms = 7, .word_count = 4},
              pair);
  add_message(&seed, (struct kv_message){KV_DELETE, .time_ms = 10, .word_count = 1},
              pair);
  save(folder, "kv_message", "expiry", &seed);
  add_message(&seed, (struct kv_message){KV_CLEAR, .time_ms = 11}, NULL);
  save(folder, "kv_message", "clear", &seed);
}

/* ---- whole members ---- */

/* Of the steps of cluster.c: how often each comes, of the schedules of one kind. */
struct schedule_kind {
  const char *name;
  uint8_t mode;
  const char *selectors; /* one for each step, drawn alike, in hexadecimal */
};

/* Long schedules at random, so that the fuzzer need not grow them byte by byte. */
static void make_schedules(const char *folder, uint8_t *bytes) {
  static const struct schedule_kind kinds[] = {
      {"calm", 0, "8888fff9"},
      {"cold", 1, "0002557788f"},
      {"loss", 0, "000333445578889f"},
      {"silence", 8, "dd66778888ffff"},
      {"crash", 4, "cc88887700222ff"},
      {"refusal", 0, "aaabb88889927ff"},
      {"transfer", 16, "ee8888270022f"},
      {"laggard", 2, "d888888ffffff7"},
      {"all", 32, "0123456789abcdef"},
      {"storage", 128, "88889f2227"},
      {"storage-cold", 129, "8889f055227"},
      {"storage-loss", 144, "83345788ff9"},
  };
  struct gr_random random = {.state = 2026};
  for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++) {
    struct gr_writer seed = gr_writer_of(bytes, SEED_BYTES_MAX);
    gr_write_u8(&seed, kinds[i].mode);
    for (uint32_t step = 0; step < 200; step++) {
      uint64_t at = gr_random_below(&random, strlen(kinds[i].selectors));
      char selector[] = {kinds[i].selectors[at], 0};
      bool stores = (kinds[i].mode & 128) != 0 && gr_random_below(&random, 4) == 0;
      gr_write_u8(&seed, (uint8_t)(strtoul(selector, NULL, 16) | (stores ? 32 : 0)));
      gr_write_u8(&seed, (uint8_t)gr_random_next(&random));
    }
    save(folder, "cluster", kinds[i].name, &seed);
  }
}

/* What two peers might say to receive.c, and others to membership.c: anything. */
static void make_babble(const char *folder, const char *target, uint8_t *bytes) {
  struct gr_random random = {.state = 1};
  for (unsigned i = 0; i < 6; i++) {
    struct gr_writer seed = gr_writer_of(bytes, SEED_BYTES_MAX);
    char name[] = {'b', 'a', 'b', 'b', 'l', 'e', '-', (char)('a' + i), 0};
    for (unsigned k = 0; k < 200; k++)
      gr_write_u8(&seed, (uint8_t)gr_random_next(&random));
    save(folder, target, name, &seed);
  }
}

/* Steps of receive.c. Zeroes stand for the values that the member expects. */

static void add_steps(struct gr_writer *seed, const char *steps) {
  for (; steps[0] && steps[1]; steps += 3) {
    gr_write_u8(seed, (uint8_t)strtoul(steps, NULL, 16));
    if (!steps[2]) return;
  }
}

/* Member 2 sends batches of two pieces each, orders them, and member 3 agrees. */
static void make_led(const char *folder, uint8_t *bytes, unsigned batches,
                     const char *name) {
  struct gr_writer seed = gr_writer_of(bytes, SEED_BYTES_MAX);
  gr_write_u8(&seed, 2);
  for (unsigned i = 1; i < batches; i++) add_steps(&seed, "01 00 01 03 ff ff");
  add_steps(&seed, "01 00 01 01 ff 20");
  add_steps(&seed, "02 00 01 00 00 00 00 00 00 02 01");
  add_steps(&seed, "03 01 28 00 00 00");
  add_steps(&seed, "10 00 10 00");
  save(folder, "receive", name, &seed);
}

/* Time passes; the others vote for the member, promise, and accept what it proposes. */
static void make_leading(const char *folder, uint8_t *bytes) {
  struct gr_writer seed = gr_writer_of(bytes, SEED_BYTES_MAX);
  gr_write_u8(&seed, 0);
  add_steps(&seed, "0c ff 10 00");
  add_steps(&seed, "05 00 01 08 00 01 05 01 01 08 00 01 10 00");
  add_steps(&seed, "07 00 00 00 00 00 00 00 07 01 00 00 00 00 00 00 10 00");
  add_steps(&seed, "0d 06 10 00");
  add_steps(&seed, "03 00 00 00 00 00 03 01 00 00 00 00 10 00");
  save(folder, "receive", "leading", &seed);
}

/* A storage for restore.c that fits together, and what comes after the start. 40 is what
 * the member expects. */
static void make_restored(const char *folder, uint8_t *bytes, uint8_t mode,
                          const char *name) {
  struct gr_writer seed = gr_writer_of(bytes, SEED_BYTES_MAX);
  gr_write_u8(&seed, mode);
  add_steps(&seed, "00 0e"); /* nothing applied; so many records */
  if (mode & 1) add_steps(&seed, "40 40 40 40 40 40 40 40 40 40 40 40 40 40 40 40 40 40");
  for (unsigned i = 0; i < 4; i++) {
    add_steps(&seed, "00 00 01 05 40 40");              /* a batch of member 2, */
    add_steps(&seed, "01 00 40 40 02 40 40");           /* a slot that names it */
    if (i % 2 == 1) add_steps(&seed, "02 00 40 00 40"); /* and that it is chosen */
  }
  add_steps(&seed, "06 00 40");                /* another promise */
  add_steps(&seed, "01 00 41 40 02 00 01");    /* and a slot again */
  add_steps(&seed, "02 00 40 00 40 06 00 40"); /* chosen */
  add_steps(&seed, "0f 00 0c 10 12 00 0f 00 10 00 0f 00 0c ff 12 00 0f 00");
  add_steps(&seed, "01 00 01 03 ff ff 40 02 00 01 00 00 00 00 00 00 00 02 01 40");
  add_steps(&seed, "0f 00 0c 40 0f 00 11 00 12 00 0d 20 12 00 0f 00 11 00 12 00");
  save(folder, "restore", name, &seed);
}

/* Steps of membership.c. 40 is what the process expects. */

/* A founder alone lets a guest in, opens a snapshot for it, and sends it. */
static void make_admitted(const char *folder, uint8_t *bytes) {
  struct gr_writer seed = gr_writer_of(bytes, SEED_BYTES_MAX);
  gr_write_u8(&seed, 0);
  add_steps(&seed, "14 ff 1f 00 17 e8 17 e8 1f 00"); /* it leads; two messages */
  for (unsigned i = 0; i < 2; i++) add_steps(&seed, "0c 02 40 40 00 40 04 1f 00");
  add_steps(&seed, "0f 00 01 1f 00 0f 00 01 1f 00"); /* a snapshot is asked for, */
  add_steps(&seed, "11 00 40 40 40 1f 00 1f 00 1f 00 1f 00");          /* pulled, */
  add_steps(&seed, "00 00 00 00 04 04 00 04 00 01 01 01 14 a0 1f 00"); /* and has come */
  save(folder, "membership", "admitted", &seed);
}

/* A joiner is let in, gets a snapshot in two pieces, and takes its position over. */
static void make_joined(const char *folder, uint8_t *bytes) {
  struct gr_writer seed = gr_writer_of(bytes, SEED_BYTES_MAX);
  gr_write_u8(&seed, 2);
  add_steps(&seed, "14 40 1f 00 0d 04 16 40 40 40 40 40 1f 00 14 a0 1f 00");
  for (uint8_t from = 0; from < 2; from++) { /* one of them is the donor */
    gr_write_u8(&seed, 16);
    gr_write_u8(&seed, from);
    add_steps(&seed, "01 40 40 40 40 40 40 01 40 00 40 40 40 40 40 40 40 40 40 40 40");
  }
  for (uint8_t choice = 100; choice < 102; choice++)
    for (uint8_t from = 0; from < 2; from++) {
      gr_write_u8(&seed, 18);
      gr_write_u8(&seed, from);
      gr_write_u8(&seed, choice);
      add_steps(&seed, "40 40");
    }
  add_steps(
      &seed,
      "1f 00 14 a0 1f 00 00 00 00 00 04 04 00 04 00 01 01 01 14 a0 1f 00 14 a0 1f 00");
  save(folder, "membership", "joined", &seed);
}

/* A joiner's snapshot breaks off, and then a position comes that needs none. */
static void make_broken_off(const char *folder, uint8_t *bytes) {
  struct gr_writer seed = gr_writer_of(bytes, SEED_BYTES_MAX);
  gr_write_u8(&seed, 2);
  add_steps(&seed, "14 40 1f 00 0d 04 16 40 40 40 40 40 1f 00 14 a0 1f 00");
  add_steps(&seed,
            "10 00 01 40 40 40 40 40 40 01 40 00 40 40 40 40 40 40 40 40 40 40 40");
  add_steps(&seed, "13 00 40 00 14 a0 1f 00"); /* the donor has given up */
  add_steps(&seed,
            "10 01 00 40 40 40 40 40 40 01 40 00 40 40 40 40 40 40 40 40 40 40 40");
  add_steps(&seed, "1f 00 14 a0 1f 00");
  save(folder, "membership", "broken-off", &seed);
}

int main(int argc, char **argv) {
  static uint8_t bytes[SEED_BYTES_MAX];
  if (argc != 2) {
    fprintf(stderr, "usage: %s FOLDER\n", argv[0]);
    return 2;
  }
  make_marks(argv[1], bytes);
  make_boots(argv[1], bytes);
  make_changes(argv[1], bytes);
  make_elections(argv[1], bytes);
  make_runs(argv[1], bytes);
  make_batches(argv[1], bytes);
  make_joins(argv[1], bytes);
  make_recoveries(argv[1], bytes);
  make_hellos(argv[1], bytes);
  make_framing(argv[1], bytes);
  make_options(argv[1], bytes, false, false);
  make_options(argv[1], bytes, true, false);
  make_options(argv[1], bytes, true, true);
  make_resp(
      argv[1], bytes, "arrays",
      "*2\r\n$3\r\nGET\r\n$1\r\na\r\n*0\r\n*3\r\n$3\r\nSET\r\n$1\r\na\r\n$0\r\n\r\n");
  make_resp(argv[1], bytes, "lines",
            "GET a\r\n\r\nset 'it\\'s' \"\\x41\\n\\\"\"  tail\n*1\r\n$4\r\nPING\r\n");
  make_resp(argv[1], bytes, "unbalanced", "set \"a\r\n");
  make_messages(argv[1], bytes);
  make_schedules(argv[1], bytes);
  make_babble(argv[1], "receive", bytes);
  make_babble(argv[1], "membership", bytes);
  make_babble(argv[1], "certify", bytes);
  make_certified(argv[1], bytes);
  make_joined(argv[1], bytes);
  make_broken_off(argv[1], bytes);
  make_admitted(argv[1], bytes);
  make_led(argv[1], bytes, 2, "led");
  make_led(argv[1], bytes, 6, "led-oversized");
  make_leading(argv[1], bytes);
  make_restored(argv[1], bytes, 2, "alone");
  make_restored(argv[1], bytes, 6, "formed");
  make_restored(argv[1], bytes, 7, "state");
  return 0;
}
