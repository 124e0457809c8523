/* SPDX-License-Identifier: MIT
 *
 * See log_run.h.
 */
#include "log_run.h"

#include "clock.h"
#include "posix/wal.h"

#include <gr/gr.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define RECORD_BYTES 128u
#define SEGMENT_BYTES (UINT64_C(64) << 20)
#define SPIN_NS UINT64_C(200000) /* as nodes have it */
#define SELF 1u
#define SLOTS_IN_FLIGHT 1024u
#define SETTLED_SLOTS 256u /* after which a log that is made is synced */

static _Noreturn void give_up(const char *what, const char *why) {
  fprintf(stderr, "%s: %s\n", what, why);
  exit(EXIT_FAILURE);
}

static void expect(int error, const char *call) {
  if (error != GR_OK) give_up(call, gr_error_text(error));
}

/* Opens the log, and gives what it holds to `take`. */
static struct gr_wal *open_log(const char *directory, gr_wal_take *take, void *context,
                               gr_node_storage *figures) {
  struct gr_wal *wal = NULL;
  struct gr_wal_text why;
  if (gr_wal_open(&wal, directory, SEGMENT_BYTES, SPIN_NS, NULL, &why) != GR_OK ||
      gr_wal_start(wal, take, context, &why) != GR_OK)
    give_up(directory, why.line);
  gr_wal_measure(wal, figures);
  return wal;
}

static double replayed_mb_per_s(const gr_node_storage *figures) {
  return (double)figures->restored_bytes * 1e3 / (double)figures->restore_time;
}

static int take_nothing(void *context, gr_ticket ticket, gr_slice record) {
  (void)context;
  (void)ticket;
  (void)record;
  return GR_OK;
}

/* ---- storing ---- */

void log_run_store(const char *directory, bool by_own_thread, uint64_t duration_ns,
                   struct histogram *times) {
  gr_node_storage figures;
  struct gr_wal *wal = open_log(directory, take_nothing, NULL, &figures);
  uint8_t bytes[RECORD_BYTES];
  memset(bytes, 0x5a, sizeof(bytes));
  const gr_slice record = {bytes, sizeof(bytes)};
  const uint64_t start = bench_now();
  uint64_t before = start;
  for (gr_ticket ticket = 1; before - start < duration_ns; ticket++) {
    (void)gr_wal_append(wal, ticket, &record, 1);
    if (by_own_thread)
      gr_wal_sync(wal);
    else
      gr_wal_write(wal);
    while (gr_wal_durable(wal) < ticket) {
      if (gr_wal_failure_text(wal) != NULL) give_up("log", gr_wal_failure_text(wal));
      sched_yield();
    }
    const uint64_t after = bench_now();
    histogram_add(times, after - before);
    before = after;
  }
  gr_wal_close(wal);
}

/* ---- a member ---- */

struct member {
  gr_group *group;
  struct gr_wal *wal;
  uint64_t delivered;
  uint64_t bytes; /* of the records */
};

static bool on_send(void *context, gr_member_id to, const gr_slice *parts,
                    size_t part_count) {
  (void)context;
  (void)to;
  (void)parts;
  (void)part_count;
  return true; /* a group of one has nobody to send to */
}

static int on_deliver(void *context, const gr_delivery *delivery) {
  struct member *member = context;
  member->delivered++;
  return delivery->seqno == member->delivered ? 0 : -1;
}

static int on_store(void *context, gr_ticket ticket, const gr_slice *parts,
                    size_t part_count) {
  struct member *member = context;
  for (size_t i = 0; i < part_count; i++) member->bytes += parts[i].size;
  return gr_wal_append(member->wal, ticket, parts, part_count) ? 0 : -1;
}

static int on_trim(void *context, gr_ticket first, gr_slice state) {
  struct member *member = context;
  return gr_wal_trim(member->wal, first, state) ? 0 : -1;
}

static int restore(void *context, gr_ticket ticket, gr_slice record) {
  struct member *member = context;
  return gr_group_restore(member->group, ticket, record);
}

static void make_group(struct member *member) {
  const gr_options options = {.size = sizeof(options),
                              .group_id = {.bytes = "benchmark"},
                              .self = SELF,
                              .founders = &(const gr_member_id){SELF},
                              .founder_count = 1,
                              .seed = 1,
                              .slots_in_flight_max = SLOTS_IN_FLIGHT};
  const gr_host host = {.size = sizeof(host),
                        .context = member,
                        .send = on_send,
                        .deliver = on_deliver,
                        .store = on_store,
                        .trim = on_trim};
  expect(gr_group_new(&member->group, &options, &host, NULL, gr_posix_now()),
         "gr_group_new");
}

/* Has all written and synced that was stored so far. */
static void settle(struct member *member) {
  gr_wal_write(member->wal);
  expect(gr_group_stored(member->group, gr_wal_durable(member->wal)), "gr_group_stored");
  expect(gr_group_poll(member->group, gr_posix_now()), "gr_group_poll");
  expect(gr_group_dispatch(member->group), "gr_group_dispatch");
}

static void free_member(struct member *member) {
  gr_wal_close(member->wal); /* what it still writes lies in the group's cache */
  expect(gr_group_free(member->group), "gr_group_free");
}

/* Answers how many messages there are, each in a batch of its own. */
static uint64_t write_log(const char *directory, uint64_t message_bytes,
                          uint64_t log_bytes) {
  struct member member = {.delivered = 0};
  gr_node_storage figures;
  uint8_t *message = malloc(message_bytes);
  if (message == NULL) give_up("message", "no memory");
  memset(message, 0x5a, message_bytes);
  const gr_slice part = {message, message_bytes};
  make_group(&member);
  member.wal = open_log(directory, restore, &member, &figures);
  expect(gr_group_resume(member.group, gr_posix_now()), "gr_group_resume");
  uint64_t sent = 0;
  for (; member.bytes < log_bytes; sent++) {
    int error = GR_ERR_FULL;
    while (error == GR_ERR_FULL) {
      error = gr_group_broadcast(member.group, &part, 1, gr_posix_now(), NULL);
      if (error != GR_OK || sent % SETTLED_SLOTS == 0) settle(&member);
    }
    expect(error, "gr_group_broadcast");
    expect(gr_group_dispatch(member.group), "gr_group_dispatch");
    while (member.delivered == 0) settle(&member); /* it begins to lead */
  }
  while (member.delivered < sent) settle(&member);
  free(message);
  free_member(&member);
  return sent;
}

struct log_replay log_run_replay(const char *directory, uint64_t message_bytes,
                                 uint64_t log_bytes) {
  const uint64_t sent = write_log(directory, message_bytes, log_bytes);
  gr_node_storage figures;
  gr_wal_close(open_log(directory, take_nothing, NULL, &figures));
  struct log_replay replay = {.log_mb_per_s = replayed_mb_per_s(&figures)};
  struct member member = {.delivered = 0};
  make_group(&member);
  member.wal = open_log(directory, restore, &member, &figures);
  replay.member_mb_per_s = replayed_mb_per_s(&figures);
  expect(gr_group_resume(member.group, gr_posix_now()), "gr_group_resume");
  while (member.delivered < sent)
    settle(&member); /* the last may not be known as chosen */
  free_member(&member);
  return replay;
}
