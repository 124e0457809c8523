/* SPDX-License-Identifier: MIT
 *
 * snapshot.h: what is written is read again, and a file that was cut, damaged or forged
 * at any place is refused with that place.
 */
#include "../snapshot.h"

#include "../hash.h"
#include "../number.h"

#include <criterion/criterion.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define FILE_MAX 4096
#define UNFINISHED_FILE "snapshot.tmp"

static const gr_uuid group = {
    .bytes = {1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16}};

static char folder[64];
static char path[128];
static int directory;

static void open_folder(void) {
  strcpy(folder, "/tmp/gr-kv-snapshot-XXXXXX");
  cr_assert(mkdtemp(folder));
  snprintf(path, sizeof(path), "%s/%s", folder, KV_SNAPSHOT_FILE);
  directory = open(folder, O_RDONLY | O_DIRECTORY);
  cr_assert_geq(directory, 0);
}

static void close_folder(void) {
  unlink(path);
  close(directory);
  cr_assert_eq(rmdir(folder), 0, "something is left in %s", folder);
}

TestSuite(snapshot, .init = open_folder, .fini = close_folder);

/* Some entries: with and without expiry, empty, with zeroes in them. */
static struct kv_store *make_store(void) {
  struct kv_store *store = kv_store_new();
  kv_store_advance(store, 1000);
  cr_assert(kv_store_set(store, kv_string_of("a"), kv_string_of("first"), KV_NEVER));
  cr_assert(kv_store_set(store, kv_string_of("soon"), kv_string_of("x"), 1001));
  cr_assert(kv_store_set(store, kv_string_of("later"), kv_string_of(""), 5000));
  cr_assert(kv_store_set(store, kv_string_of(""), kv_string_of("empty key"), KV_NEVER));
  struct kv_string zeroes = {(const uint8_t *)"\0\0\0", 3};
  cr_assert(kv_store_set(store, zeroes, zeroes, KV_NEVER));
  return store;
}

/* Writes it as a member does. 0, or the errno. */
static int write_it(const struct kv_store *store, gr_seqno seqno) {
  struct kv_snapshot snapshot = {.seqno = seqno, .history = ~seqno};
  int error =
      kv_snapshot_write_file(directory, UNFINISHED_FILE, store, &group, &snapshot);
  return error == 0 ? kv_snapshot_publish(directory, UNFINISHED_FILE) : error;
}

static enum kv_snapshot_outcome read_it(struct kv_store **store,
                                        struct kv_snapshot *snapshot, char text[256]) {
  *store = kv_store_new();
  return kv_snapshot_read(path, &group, *store, snapshot, text, 256);
}

Test(snapshot, what_is_written_is_read) {
  struct kv_store *store = make_store();
  cr_assert_eq(write_it(store, 77), 0);
  struct kv_store *read;
  struct kv_snapshot snapshot;
  char text[256];
  cr_assert_eq(read_it(&read, &snapshot, text), KV_SNAPSHOT_READ, "%s", text);
  struct stat facts;
  cr_assert_eq(stat(path, &facts), 0);
  cr_assert_eq(snapshot.seqno, 77);
  cr_assert_eq(snapshot.history, ~UINT64_C(77));
  cr_assert_eq(snapshot.bytes, (uint64_t)facts.st_size);
  cr_assert_eq(kv_store_time(read), 1000);
  cr_assert_eq(kv_store_count(read), 5);
  cr_assert_eq(kv_store_digest(read), kv_store_digest(store));
  /* Times of expiry are kept: both lose the same keys at the same moments. */
  for (uint64_t time_ms = 1001; time_ms <= 5000; time_ms += 3999) {
    kv_store_advance(store, time_ms);
    kv_store_advance(read, time_ms);
    cr_assert_eq(kv_store_count(read), time_ms == 1001 ? 4 : 3);
    cr_assert_eq(kv_store_digest(read), kv_store_digest(store));
  }
  kv_store_free(store);
  kv_store_free(read);
}

/* Values larger than what the writer gathers, and enough of them to be synced between. */
Test(snapshot, large_values_and_many) {
  struct kv_store *store = kv_store_new();
  const size_t size = (size_t)3 << 20;
  uint8_t *value = malloc(size);
  for (size_t i = 0; i < size; i++) value[i] = (uint8_t)(i * 7 >> 3);
  for (unsigned i = 0; i < 20000; i++) {
    char key[16];
    snprintf(key, sizeof(key), "key:%u", i);
    struct kv_string bytes = {value + i, i % 5000 == 0 ? size - i : i % 100};
    cr_assert(kv_store_set(store, kv_string_of(key), bytes, KV_NEVER));
  }
  cr_assert_eq(write_it(store, 1), 0);
  struct kv_store *read;
  struct kv_snapshot snapshot;
  char text[256];
  cr_assert_eq(read_it(&read, &snapshot, text), KV_SNAPSHOT_READ, "%s", text);
  cr_assert_eq(kv_store_digest(read), kv_store_digest(store));
  cr_assert_eq(kv_store_count(read), 20000);
  free(value);
  kv_store_free(store);
  kv_store_free(read);
}

Test(snapshot, an_empty_store_and_no_file) {
  struct kv_store *read;
  struct kv_snapshot snapshot;
  char text[256];
  cr_assert_eq(read_it(&read, &snapshot, text), KV_SNAPSHOT_NONE);
  cr_assert_eq(write_it(read, 5), 0);
  kv_store_free(read);
  cr_assert_eq(read_it(&read, &snapshot, text), KV_SNAPSHOT_READ, "%s", text);
  cr_assert_eq(kv_store_count(read), 0);
  cr_assert_eq(snapshot.seqno, 5);
  kv_store_free(read);
}

/* As they come from another member: in pieces of any size. */
Test(snapshot, bytes_may_come_in_pieces) {
  struct kv_store *store = make_store();
  cr_assert_eq(write_it(store, 77), 0);
  uint8_t bytes[FILE_MAX];
  int fd = open(path, O_RDONLY);
  ssize_t size = read(fd, bytes, sizeof(bytes));
  close(fd);
  cr_assert(size > 0 && size < FILE_MAX);
  for (size_t piece = 1; piece <= (size_t)size; piece++) {
    struct kv_store *read = kv_store_new();
    struct kv_snapshot_parser parser;
    kv_snapshot_parser_init(&parser, &group, read);
    for (size_t at = 0; at < (size_t)size; at += piece) {
      size_t left = (size_t)size - at;
      cr_assert(kv_snapshot_parser_feed(&parser, bytes + at, left < piece ? left : piece),
                "%s", parser.error);
    }
    cr_assert(kv_snapshot_parser_finish(&parser), "%s", parser.error);
    cr_assert_eq(parser.snapshot.bytes, (uint64_t)size);
    cr_assert_eq(kv_store_digest(read), kv_store_digest(store));
    kv_snapshot_parser_release(&parser);
    kv_store_free(read);
  }
  kv_store_free(store);
}

/* ---- damage ---- */

static uint8_t whole[FILE_MAX];
static size_t whole_size;

/* Where the head and each entry begin, and the end. */
static uint64_t begins[8];
static size_t begin_count;

static void write_whole(void) {
  struct kv_store *store = make_store();
  cr_assert_eq(write_it(store, 77), 0);
  kv_store_free(store);
  int fd = open(path, O_RDONLY);
  ssize_t size = read(fd, whole, sizeof(whole));
  close(fd);
  cr_assert(size > 0 && size < FILE_MAX);
  whole_size = (size_t)size;
  begins[0] = 0;
  begin_count = 1;
  for (size_t at = 80; at < whole_size;
       at += 24 + kv_number_get(whole + at, 4) + kv_number_get(whole + at + 4, 4))
    begins[begin_count++] = at;
  cr_assert_eq(begin_count, 6);
}

/* The last of the places that is not beyond `at`. */
static uint64_t begin_of(size_t at) {
  size_t i = begin_count - 1;
  while (begins[i] > at) i--;
  return begins[i];
}

/* The file with these bytes is refused, and the text names it and this offset. */
static void expect_refusal(const uint8_t *bytes, size_t size, uint64_t offset) {
  int fd = open(path, O_WRONLY | O_TRUNC);
  cr_assert_eq(write(fd, bytes, size), (ssize_t)size);
  close(fd);
  struct kv_store *read;
  struct kv_snapshot snapshot;
  char text[256];
  cr_assert_eq(read_it(&read, &snapshot, text), KV_SNAPSHOT_REFUSED, "damage at %llu",
               (unsigned long long)offset);
  char expected[160];
  snprintf(expected, sizeof(expected), "%s, offset %llu: ", path,
           (unsigned long long)offset);
  cr_assert_eq(strncmp(text, expected, strlen(expected)), 0, "%s, not %s", text,
               expected);
  kv_store_free(read);
}

Test(snapshot, every_cut_is_refused) {
  write_whole();
  for (size_t size = 0; size < whole_size; size++)
    expect_refusal(whole, size, begin_of(size));
}

Test(snapshot, every_damaged_byte_is_refused) {
  write_whole();
  uint8_t bytes[FILE_MAX];
  for (size_t at = 0; at < whole_size; at++) {
    for (unsigned bit = 0; bit < 8; bit++) {
      memcpy(bytes, whole, whole_size);
      bytes[at] ^= (uint8_t)(1u << bit);
      expect_refusal(bytes, whole_size, begin_of(at));
    }
  }
}

Test(snapshot, bytes_behind_the_end_are_refused) {
  write_whole();
  uint8_t bytes[FILE_MAX] = {0};
  memcpy(bytes, whole, whole_size);
  expect_refusal(bytes, whole_size + 1, whole_size);
}

static void seal_head(uint8_t *bytes) {
  kv_number_put(bytes + 72, kv_hash((struct kv_string){bytes, 72}, 0), 8);
}

/* What holds together byte by byte, and is not what was written. */
Test(snapshot, a_forged_head_is_refused) {
  write_whole();
  uint8_t bytes[FILE_MAX];
  memcpy(bytes, whole, whole_size);
  kv_number_put(bytes + 8, 1, 4); /* the version */
  seal_head(bytes);
  expect_refusal(bytes, whole_size, 0);
  memcpy(bytes, whole, whole_size);
  bytes[16] ^= 1; /* the group */
  seal_head(bytes);
  expect_refusal(bytes, whole_size, 0);
  memcpy(bytes, whole, whole_size);
  kv_number_put(bytes + 56, 1, 8); /* the digest */
  seal_head(bytes);
  expect_refusal(bytes, whole_size, whole_size);
  memcpy(bytes, whole, whole_size);
  kv_number_put(bytes + 48, UINT64_MAX, 8); /* the number of entries */
  seal_head(bytes);
  expect_refusal(bytes, whole_size, whole_size);
  kv_number_put(bytes + 48, 4, 8);
  seal_head(bytes);
  expect_refusal(bytes, whole_size, begins[5]);
}

/* An entry that had expired by the file's own time cannot have been in the store. */
Test(snapshot, an_expired_entry_is_refused) {
  write_whole();
  uint8_t bytes[FILE_MAX];
  memcpy(bytes, whole, whole_size);
  kv_number_put(bytes + 40, 5000, 8);
  seal_head(bytes);
  uint64_t first = 0;
  for (size_t i = 1; i < begin_count && first == 0; i++)
    if (kv_number_get(whole + begins[i] + 8, 8) != KV_NEVER) first = begins[i];
  expect_refusal(bytes, whole_size, first);
}

/* What cannot be written leaves the file of before, and nothing else. */
Test(snapshot, a_failed_write_leaves_the_former) {
  struct kv_store *store = make_store();
  cr_assert_eq(write_it(store, 77), 0);
  char unfinished[160];
  snprintf(unfinished, sizeof(unfinished), "%s/snapshot.tmp", folder);
  cr_assert_eq(mkdir(unfinished, 0700), 0);
  cr_assert_eq(write_it(store, 78), EISDIR);
  cr_assert_eq(rmdir(unfinished), 0);
  struct kv_store *read;
  struct kv_snapshot snapshot;
  char text[256];
  cr_assert_eq(read_it(&read, &snapshot, text), KV_SNAPSHOT_READ, "%s", text);
  cr_assert_eq(snapshot.seqno, 77);
  kv_store_free(store);
  kv_store_free(read);
}
