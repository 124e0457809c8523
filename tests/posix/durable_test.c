/* SPDX-License-Identifier: MIT
 *
 * Nodes with a write-ahead log: they stop and come back, one or all, with all that was
 * delivered; and what is wrong with a directory is said.
 */
#include "nodes.h"

#include <criterion/criterion.h>
#include <dirent.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

static struct cluster cluster;
static char root[64];

static void remove_all(const char *path) {
  char command[128];
  snprintf(command, sizeof(command), "rm -rf %s", path);
  cr_assert_eq(system(command), 0);
}

static void make_cluster(void) {
  cluster_init(&cluster, "127.0.0.1");
  snprintf(root, sizeof(root), "/tmp/durable-test-XXXXXX");
  cr_assert(mkdtemp(root));
  cluster.directory = root;
  cluster.segment_bytes = 1 << 20;
}

static void drop_cluster(void) {
  cluster_stop(&cluster);
  remove_all(root);
}

TestSuite(durable, .init = make_cluster, .fini = drop_cluster, .timeout = 120);

static void directory_of(size_t index, char *path, size_t size) {
  snprintf(path, size, "%s/%zu", root, index + 1);
}

/* Broadcasts messages `from` .. `upto` at one member; some are large; the tag is the
 * number. */
static void broadcast(size_t index, uint64_t from, uint64_t upto) {
  static uint8_t bytes[300000];
  for (uint64_t i = from; i <= upto; i++) {
    const gr_slice parts[] = {{&i, sizeof(i)},
                              {bytes, i % 50 == 7 ? sizeof(bytes) : i % 500}};
    cr_assert_eq(gr_node_broadcast(cluster.witnesses[index].node, parts, 2, i, true),
                 GR_OK);
  }
}

static void await_all(size_t count) {
  for (size_t m = 0; m < MEMBERS; m++)
    cr_assert(await_deliveries(cluster.witnesses + m, count),
              "member %zu: %zu of %zu:\n%s", m + 1, deliveries(cluster.witnesses + m),
              count, cluster.witnesses[m].log);
}

static void stop_all(void) {
  for (size_t m = 0; m < MEMBERS; m++) cluster_stop_one(&cluster, m);
}

static void reset_all(gr_seqno applied) {
  for (size_t m = 0; m < MEMBERS; m++) witness_reset(cluster.witnesses + m, applied);
}

/* What member 1 saw so far. */
static struct record *remember(size_t count) {
  struct record *records = calloc(count, sizeof(*records));
  memcpy(records, cluster.witnesses[0].records, count * sizeof(*records));
  return records;
}

/* Each member saw these again; tags of the former process are gone. */
static void check_again(const struct record *records, size_t count) {
  for (size_t m = 0; m < MEMBERS; m++) {
    const struct witness *witness = cluster.witnesses + m;
    cr_assert_not(witness->gap);
    for (size_t i = 0; i < count; i++) {
      cr_assert_eq(witness->records[i].origin, records[i].origin);
      cr_assert_eq(witness->records[i].number, records[i].number);
      cr_assert_eq(witness->records[i].digest, records[i].digest);
      cr_assert_eq(witness->records[i].tag, 0);
    }
  }
}

/* Of the records from `begin` on, those of a member carry tags `from` .. `upto`, at
 * itself. */
static void check_tags(size_t begin, uint64_t from, uint64_t upto) {
  for (size_t m = 0; m < MEMBERS; m++) {
    const struct witness *witness = cluster.witnesses + m;
    uint64_t next = from;
    for (size_t i = begin; i < witness->count; i++) {
      const struct record *record = witness->records + i;
      if (record->origin == m + 1)
        cr_assert_eq(record->tag, next++);
      else
        cr_assert_eq(record->tag, 0);
    }
    cr_assert_eq(next, upto + 1);
  }
}

Test(durable, all_come_back_with_all_that_was_delivered) {
  cluster_start(&cluster);
  for (size_t m = 0; m < MEMBERS; m++) broadcast(m, 1, 100);
  await_all(300);
  check_tags(0, 1, 100);
  struct record *records = remember(300);
  for (uint64_t round = 1; round <= 3; round++) {
    stop_all();
    reset_all(0);
    cluster_start(&cluster);
    for (size_t m = 0; m < MEMBERS; m++) broadcast(m, 1, 50);
    await_all(300 + 150 * round);
    check_again(records, 300 + 150 * (round - 1));
    check_tags(300 + 150 * (round - 1), 1, 50);
    for (size_t m = 0; m < MEMBERS; m++) cr_assert_gt(cluster.witnesses[m].restored, 0);
    free(records);
    records = remember(300 + 150 * round);
  }
  free(records);
}

Test(durable, what_is_applied_is_not_delivered_again) {
  cluster_start(&cluster);
  for (size_t m = 0; m < MEMBERS; m++) broadcast(m, 1, 100);
  await_all(300);
  stop_all();
  reset_all(300);
  cluster_start(&cluster);
  for (size_t m = 0; m < MEMBERS; m++) broadcast(m, 1, 10);
  await_all(30);
  check_tags(0, 1, 10);
  for (size_t m = 0; m < MEMBERS; m++) {
    cr_assert_eq(cluster.witnesses[m].count, 30);
    cr_assert_eq(cluster.witnesses[m].seqno, 330);
    cr_assert_not(cluster.witnesses[m].gap);
  }
}

Test(durable, one_comes_back_while_the_others_go_on) {
  cluster_start(&cluster);
  broadcast(0, 1, 100);
  await_all(100);
  for (uint64_t round = 0; round < 3; round++) {
    const size_t gone = round % MEMBERS, other = (round + 1) % MEMBERS;
    const gr_seqno applied = cluster.witnesses[gone].seqno;
    cluster_stop_one(&cluster, gone);
    broadcast(other, 1, 100);
    witness_reset(cluster.witnesses + gone, applied);
    char text[256];
    cr_assert_eq(cluster_start_one(&cluster, gone, text, sizeof(text)), GR_OK, "%s",
                 text);
    broadcast(gone, 1, 10);
    gr_seqno goal = 100 + 110 * (round + 1);
    for (size_t m = 0; m < MEMBERS; m++)
      for (gr_seqno seqno = 0; seqno < goal; sleep_ms(1)) {
        pthread_mutex_lock(&cluster.witnesses[m].mutex);
        seqno = cluster.witnesses[m].seqno;
        cr_assert_eq(cluster.witnesses[m].halted, GR_OK, "%s",
                     cluster.witnesses[m].halt_text);
        pthread_mutex_unlock(&cluster.witnesses[m].mutex);
      }
  }
  for (size_t m = 0; m < MEMBERS; m++) cr_assert_not(cluster.witnesses[m].gap);
}

/* What a process that ends without warning leaves to the next one. */
struct legacy {
  struct record records[MEMBERS][20000];
  size_t counts[MEMBERS];
};

/* Runs all three, until each has so many deliveries. Never returns. */
static void run_and_crash(struct legacy *legacy, size_t count) {
  alarm(60); /* nobody else would end it */
  cluster_start(&cluster);
  for (uint64_t i = 1; deliveries(cluster.witnesses) < count; i += 10)
    for (size_t m = 0; m < MEMBERS; m++) broadcast(m, i, i + 9);
  for (size_t m = 0; m < MEMBERS; m++) {
    struct witness *witness = cluster.witnesses + m;
    pthread_mutex_lock(&witness->mutex);
    legacy->counts[m] = witness->count < 20000 ? witness->count : 20000;
    memcpy(legacy->records[m], witness->records,
           legacy->counts[m] * sizeof(struct record));
    pthread_mutex_unlock(&witness->mutex);
  }
  _exit(0);
}

/* Each member delivers again what any member had delivered. */
static void check_legacy(const struct legacy *legacy) {
  size_t most = 0;
  for (size_t m = 0; m < MEMBERS; m++)
    if (legacy->counts[m] > legacy->counts[most]) most = m;
  await_all(legacy->counts[most]);
  for (size_t m = 0; m < MEMBERS; m++)
    for (size_t i = 0; i < legacy->counts[most]; i++) {
      const struct record *record = cluster.witnesses[m].records + i;
      cr_assert_eq(record->digest, legacy->records[most][i].digest);
      cr_assert_eq(record->number, legacy->records[most][i].number);
      cr_assert_eq(record->origin, legacy->records[most][i].origin);
      cr_assert_eq(record->tag, 0);
    }
}

Test(durable, all_crash_at_once_under_load) {
  struct legacy *legacy = mmap(NULL, sizeof(*legacy), PROT_READ | PROT_WRITE,
                               MAP_SHARED | MAP_ANONYMOUS, -1, 0);
  cr_assert_neq(legacy, MAP_FAILED);
  for (size_t round = 1; round <= 5; round++) {
    int status = 1;
    pid_t child = fork();
    if (child == 0) run_and_crash(legacy, round * 2000);
    cr_assert_eq(waitpid(child, &status, 0), child);
    cr_assert_eq(status, 0);
    cluster_start(&cluster);
    check_legacy(legacy);
    stop_all();
    reset_all(0);
  }
  munmap(legacy, sizeof(*legacy));
}

Test(durable, two_nodes_at_one_directory) {
  cluster_start(&cluster);
  gr_node *first = cluster.witnesses[0].node;
  char text[256], path[128], line[256];
  directory_of(0, path, sizeof(path));
  snprintf(line, sizeof(line), "the data directory %s is in use by process %ld", path,
           (long)getpid());
  cr_assert_eq(cluster_start_one(&cluster, 0, text, sizeof(text)), GR_ERR_SYSTEM);
  cr_assert_str_eq(text, line);
  cluster.witnesses[0].node = first;
}

/* It is not the member any more that it was, and joins as another one. */
Test(durable, a_wiped_directory_makes_a_new_member) {
  char path[128], text[256];
  cluster_start(&cluster);
  broadcast(0, 1, 100);
  await_all(100);
  cluster_stop_one(&cluster, 2);
  directory_of(2, path, sizeof(path));
  remove_all(path);
  witness_reset(cluster.witnesses + 2, 0);
  cr_assert_eq(cluster_start_one(&cluster, 2, text, sizeof(text)), GR_OK, "%s", text);
  cr_assert(await_state(cluster.witnesses + 2, GR_MEMBER_ONLINE), "%s",
            cluster.witnesses[2].log);
  gr_status status = {.size = sizeof(status)};
  cr_assert_eq(gr_node_status(cluster.witnesses[2].node, &status), GR_OK);
  cr_assert_eq(status.self, 4);
  broadcast(2, 1, 100);
  await_all(200);
}

Test(durable, the_directory_of_another_member) {
  char one[128], two[128], text[256];
  cluster_start(&cluster);
  broadcast(0, 1, 100);
  await_all(100);
  stop_all();
  directory_of(0, one, sizeof(one));
  directory_of(1, two, sizeof(two));
  remove_all(one);
  cr_assert_eq(rename(two, one), 0);
  reset_all(0);
  cr_assert_eq(cluster_start_one(&cluster, 0, text, sizeof(text)), GR_OK, "%s", text);
  cr_assert(await_halt(cluster.witnesses));
  cr_assert_eq(cluster.witnesses[0].halted, GR_ERR_FOREIGN);
  cr_assert(strstr(cluster.witnesses[0].halt_text, "record 1 in "), "%s",
            cluster.witnesses[0].halt_text);
}

/* ---- one alone ---- */

static void start_alone(void) {
  cluster.count = 1;
  cluster_start(&cluster);
}

static gr_node_storage figures_of(size_t index) {
  gr_node_storage figures = {.size = sizeof(figures)};
  cr_assert_eq(gr_node_storage_figures(cluster.witnesses[index].node, &figures), GR_OK);
  return figures;
}

Test(durable, figures_and_their_errors) {
  gr_node_storage figures = {.size = sizeof(figures)};
  start_alone();
  gr_node *node = cluster.witnesses[0].node;
  broadcast(0, 1, 100);
  cr_assert(await_deliveries(cluster.witnesses, 100));
  figures = figures_of(0);
  cr_assert_gt(figures.records, 0);
  cr_assert_gt(figures.bytes, 600000);
  cr_assert_gt(figures.syncs, 0);
  cr_assert_geq(figures.sync_time, figures.sync_time_max);
  cr_assert_eq(figures.log_bytes, figures.bytes);
  cr_assert_eq(figures.restored_records, 0);
  cr_assert_eq(gr_node_storage_figures(NULL, &figures), GR_ERR_INVALID);
  cr_assert_eq(gr_node_storage_figures(node, NULL), GR_ERR_INVALID);
  gr_node_storage sizeless = {.size = 0};
  cr_assert_eq(gr_node_storage_figures(node, &sizeless), GR_ERR_INVALID);
  gr_node_storage older = {.size = 16, .bytes = 7};
  cr_assert_eq(gr_node_storage_figures(node, &older), GR_OK);
  cr_assert_geq(older.records, figures.records);
  cr_assert_eq(older.bytes, 7);
  cr_assert_eq(gr_node_checkpoint(NULL, 1), GR_ERR_INVALID);
  cr_assert_eq(gr_node_checkpoint(node, 101), GR_ERR_INVALID);
  cr_assert_eq(gr_node_checkpoint(node, 100), GR_OK);
  cluster_stop_one(&cluster, 0);
  witness_reset(cluster.witnesses, 100);
  cluster_start(&cluster);
  broadcast(0, 1, 1);
  cr_assert(await_deliveries(cluster.witnesses, 1));
  cr_assert_gt(figures_of(0).restored_records, 0);
}

Test(durable, a_volatile_node_has_none) {
  gr_node_storage figures = {.size = sizeof(figures)};
  cluster.directory = NULL;
  start_alone();
  cr_assert_eq(gr_node_storage_figures(cluster.witnesses[0].node, &figures),
               GR_ERR_STATE);
  cr_assert_eq(gr_node_checkpoint(cluster.witnesses[0].node, 0), GR_ERR_STATE);
}

/* A log may shrink only when the others have settled what it keeps for them: soon. */
static void await_small_log(size_t m, gr_seqno applied) {
  const struct timespec pause = {.tv_nsec = 1000000};
  const gr_time until = gr_posix_now() + UINT64_C(20) * 1000 * 1000 * 1000;
  while (figures_of(m).log_bytes > 8 << 20) {
    cr_assert_lt(gr_posix_now(), until, "the log of member %zu does not shrink", m);
    cr_assert_eq(gr_node_checkpoint(cluster.witnesses[m].node, applied), GR_OK);
    nanosleep(&pause, NULL);
  }
}

Test(durable, checkpoints_bound_the_directory) {
  cluster_start(&cluster);
  uint64_t written = 0;
  for (uint64_t round = 0; round < 60; round++) {
    broadcast(round % MEMBERS, 1, 100);
    await_all(100 * (round + 1));
    for (size_t m = 0; m < MEMBERS; m++)
      cr_assert_eq(gr_node_checkpoint(cluster.witnesses[m].node, 100 * (round + 1)),
                   GR_OK);
    if (round % 10 != 9) continue;
    for (size_t m = 0; m < MEMBERS; m++) await_small_log(m, 100 * (round + 1));
    written = figures_of(0).bytes;
  }
  /* Its own log may lag behind what it delivers, which a majority has. */
  const gr_time until = gr_posix_now() + UINT64_C(20) * 1000 * 1000 * 1000;
  for (; written <= 32 << 20; sleep_ms(1), written = figures_of(0).bytes)
    cr_assert_lt(gr_posix_now(), until, "only %d bytes were written", (int)written);
  stop_all();
  reset_all(6000);
  cluster_start(&cluster);
  broadcast(0, 1, 10);
  await_all(10);
  for (size_t m = 0; m < MEMBERS; m++)
    cr_assert_leq(figures_of(m).restored_bytes, 8 << 20);
}

Test(durable, a_full_disk_halts) {
  const struct rlimit limit = {.rlim_cur = 1 << 19, .rlim_max = RLIM_INFINITY};
  start_alone();
  signal(SIGXFSZ, SIG_IGN);
  static uint8_t bytes[2 << 20];
  broadcast(0, 1, 10);
  cr_assert(await_deliveries(cluster.witnesses, 10));
  cr_assert_eq(setrlimit(RLIMIT_FSIZE, &limit), 0);
  const gr_slice part = {.data = bytes, .size = sizeof(bytes)};
  cr_assert_eq(gr_node_broadcast(cluster.witnesses[0].node, &part, 1, 0, true), GR_OK);
  cr_assert(await_halt(cluster.witnesses));
  cr_assert_eq(cluster.witnesses[0].halted, GR_ERR_STORAGE);
  cr_assert(strstr(cluster.witnesses[0].halt_text, "cannot write "), "%s",
            cluster.witnesses[0].halt_text);
  cr_assert(strstr(cluster.witnesses[0].log, cluster.witnesses[0].halt_text));
  cr_assert_eq(gr_node_checkpoint(cluster.witnesses[0].node, 1), GR_ERR_HALTED);
  cluster_stop_one(&cluster, 0);
  const struct rlimit none = {.rlim_cur = RLIM_INFINITY, .rlim_max = RLIM_INFINITY};
  cr_assert_eq(setrlimit(RLIMIT_FSIZE, &none), 0);
  witness_reset(cluster.witnesses, 0);
  cluster_start(&cluster);
  cr_assert(await_deliveries(cluster.witnesses, 10));
}

/* Turns a byte of the first segment around. */
static void damage(off_t at) {
  char path[128], name[256];
  uint8_t byte = 0;
  directory_of(0, path, sizeof(path));
  snprintf(name, sizeof(name), "%s/00000000000000000001.segment", path);
  int file = open(name, O_RDWR);
  cr_assert_eq(pread(file, &byte, 1, at), 1);
  byte ^= 1;
  cr_assert_eq(pwrite(file, &byte, 1, at), 1);
  close(file);
}

Test(durable, damage_is_said_and_where) {
  start_alone();
  broadcast(0, 1, 100);
  cr_assert(await_deliveries(cluster.witnesses, 100));
  cluster_stop_one(&cluster, 0);
  witness_reset(cluster.witnesses, 0);
  damage(40);
  cluster_start(&cluster);
  cr_assert(await_halt(cluster.witnesses));
  cr_assert_eq(cluster.witnesses[0].halted, GR_ERR_STORAGE);
  cr_assert(strstr(cluster.witnesses[0].halt_text,
                   "/1/00000000000000000001.segment is damaged at byte 32: record 1 "),
            "%s", cluster.witnesses[0].halt_text);
  cr_assert_eq(gr_node_broadcast(cluster.witnesses[0].node, NULL, 0, 0, false),
               GR_ERR_HALTED);
  cluster_stop_one(&cluster, 0);
  damage(40); /* and back */
  witness_reset(cluster.witnesses, 0);
  cluster_start(&cluster);
  cr_assert(await_deliveries(cluster.witnesses, 100));
}

Test(durable, a_host_that_is_behind_its_checkpoint) {
  start_alone();
  broadcast(0, 1, 400);
  cr_assert(await_deliveries(cluster.witnesses, 400));
  cr_assert_eq(gr_node_checkpoint(cluster.witnesses[0].node, 400), GR_OK);
  broadcast(0, 1, 1);
  cr_assert(await_deliveries(cluster.witnesses, 401));
  cluster_stop_one(&cluster, 0);
  witness_reset(cluster.witnesses, 0);
  cluster_start(&cluster);
  cr_assert(await_halt(cluster.witnesses), "%s", cluster.witnesses[0].log);
  cr_assert_eq(cluster.witnesses[0].halted, GR_ERR_OUTDATED);
}
