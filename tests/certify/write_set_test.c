/* SPDX-License-Identifier: MIT
 *
 * Write sets: keys of any parts, images, savepoints, the limit of size; and bytes that
 * are none.
 */
#include "base/bytes.h"
#include "base/xxh64.h"
#include "transactions.h"

#include <gr/certify.h>

#include <criterion/criterion.h>
#include <string.h>

#define BYTES_OF(keys) (GR_WRITESET_HEADER_BYTES + (keys)*GR_WRITESET_KEY_BYTES)

static gr_slice text(const char *characters) {
  return (gr_slice){(const uint8_t *)characters, strlen(characters)};
}

static gr_writeset *writeset_of(size_t keys_max) {
  gr_writeset *writeset;
  cr_assert_eq(gr_writeset_new(&writeset, BYTES_OF(keys_max), NULL), GR_OK);
  return writeset;
}

static int add(gr_writeset *writeset, enum gr_key_kind kind, const char *row) {
  gr_slice part = text(row);
  return gr_writeset_add(writeset, kind, &part, 1, NULL);
}

static gr_key key_at(gr_writeset *writeset, uint32_t index) {
  gr_slice encoded;
  gr_key key;
  cr_assert_eq(gr_writeset_encode(writeset, &encoded), GR_OK);
  cr_assert_eq(gr_writeset_key(encoded, index, &key), GR_OK);
  return key;
}

/* ---- the encoding of keys ---- */

#define PARTS_MAX 3
#define STRINGS 10 /* of up to two bytes, and three that look like lengths of others */
#define LISTS (STRINGS + STRINGS * STRINGS + STRINGS * STRINGS * STRINGS)

static const gr_slice strings[STRINGS] = {
    {(const uint8_t *)"", 0},
    {(const uint8_t *)"\0", 1},
    {(const uint8_t *)"\1", 1},
    {(const uint8_t *)"\0\0", 2},
    {(const uint8_t *)"\0\1", 2},
    {(const uint8_t *)"\1\0", 2},
    {(const uint8_t *)"\1\1", 2},
    {(const uint8_t *)"\0\0\0\0\0\0\0\0", 8},
    {(const uint8_t *)"\1\0\0\0\0\0\0\0\1", 9},
    {(const uint8_t *)"\0\0\0\0\0\0\0\0\1\0\0\0\0\0\0\0\1", 17},
};

/* The list of this number, of one part or more. */
static size_t list_of(uint32_t number, gr_slice *parts) {
  size_t count = 1;
  for (uint32_t lists = STRINGS; number >= lists; lists *= STRINGS, count++)
    number -= lists;
  for (size_t i = 0; i < count; i++, number /= STRINGS)
    parts[i] = strings[number % STRINGS];
  return count;
}

/* What gr_key_hash() says that it hashes. */
static size_t encode_list(uint8_t *bytes, const gr_slice *parts, size_t count) {
  uint8_t *at = bytes;
  for (size_t i = 0; i < count; i++) {
    gr_store_u64(at, parts[i].size);
    memcpy(at + 8, parts[i].data, parts[i].size);
    at += 8 + parts[i].size;
  }
  return (size_t)(at - bytes);
}

static bool decodes_to(const uint8_t *bytes, size_t size, const gr_slice *parts,
                       size_t count) {
  const uint8_t *at = bytes, *end = bytes + size;
  size_t found = 0;
  for (; at < end; found++) {
    uint64_t length = gr_load_u64(at);
    if (found == count || length != parts[found].size ||
        memcmp(at + 8, parts[found].data, length) != 0)
      return false;
    at += 8 + length;
  }
  return found == count;
}

static int compare_hashes(const void *a, const void *b) {
  uint64_t left, right;
  memcpy(&left, a, sizeof(left));
  memcpy(&right, b, sizeof(right));
  return (left > right) - (left < right);
}

Test(write_set, no_two_lists_of_parts_encode_alike) {
  static uint64_t hashes[LISTS];
  for (uint32_t number = 0; number < LISTS; number++) {
    uint8_t bytes[PARTS_MAX * 32];
    gr_slice parts[PARTS_MAX];
    size_t count = list_of(number, parts);
    size_t size = encode_list(bytes, parts, count);
    cr_assert(decodes_to(bytes, size, parts, count), "a reader finds the list again");
    hashes[number] = gr_key_hash(parts, count);
    cr_assert_eq(hashes[number], gr_xxh64(bytes, size, 0), "and these bytes are hashed");
  }
  qsort(hashes, LISTS, sizeof(hashes[0]), compare_hashes);
  for (uint32_t i = 1; i < LISTS; i++) cr_assert_neq(hashes[i - 1], hashes[i]);
}

Test(write_set, keys_of_very_many_parts) {
  enum { COUNT = 1000 };
  gr_slice parts[COUNT];
  for (size_t i = 0; i < COUNT; i++) parts[i] = text("part");
  gr_writeset *writeset = writeset_of(2);
  cr_assert_eq(gr_writeset_add(writeset, GR_KEY_EXCLUSIVE, parts, COUNT, NULL), GR_OK);
  cr_assert_eq(gr_writeset_add(writeset, GR_KEY_EXCLUSIVE, parts, COUNT - 1, NULL),
               GR_OK);
  cr_assert_eq(gr_writeset_count(writeset), 2);
  gr_writeset_free(writeset);
}

/* ---- building ---- */

Test(write_set, tells_what_it_was_told) {
  gr_writeset *writeset = writeset_of(3);
  gr_slice encoded, row = text("row");
  gr_writeset_info info = {.size = sizeof(info)};
  uint32_t index;
  cr_assert_eq(gr_writeset_snapshot(writeset, 7), GR_OK);
  cr_assert_eq(gr_writeset_flag(writeset, GR_WRITESET_CASCADING), GR_OK);
  cr_assert_eq(gr_writeset_flag(writeset, GR_WRITESET_BARRIER), GR_OK);
  cr_assert_eq(add(writeset, GR_KEY_REFERENCE, "parent"), GR_OK);
  cr_assert_eq(gr_writeset_add(writeset, GR_KEY_EXCLUSIVE, &row, 1, &index), GR_OK);
  cr_assert_eq(index, 1);
  cr_assert_eq(gr_writeset_encode(writeset, &encoded), GR_OK);
  cr_assert_eq(encoded.size, BYTES_OF(2));
  cr_assert_eq(gr_writeset_read(encoded, &info), GR_OK);
  cr_assert_eq(info.snapshot, 7);
  cr_assert_eq(info.flags, GR_WRITESET_CASCADING | GR_WRITESET_BARRIER);
  cr_assert_eq(info.key_count, 2);
  cr_assert_eq(key_at(writeset, 0).kind, GR_KEY_REFERENCE);
  cr_assert_eq(key_at(writeset, 1).kind, GR_KEY_EXCLUSIVE);
  cr_assert_eq(key_at(writeset, 1).hash, gr_key_hash(&row, 1));
  gr_writeset_clear(writeset);
  cr_assert_eq(gr_writeset_encode(writeset, &encoded), GR_OK);
  cr_assert_eq(gr_writeset_read(encoded, &info), GR_OK);
  cr_assert_eq(info.snapshot, GR_SNAPSHOT_NONE);
  cr_assert_eq(info.flags, 0);
  cr_assert_eq(info.key_count, 0);
  gr_writeset_free(writeset);
}

Test(write_set, a_key_is_there_once_of_each_kind) {
  gr_writeset *writeset = writeset_of(10);
  gr_slice row = text("row");
  uint32_t index = 9;
  for (unsigned again = 0; again < 2; again++) {
    cr_assert_eq(add(writeset, GR_KEY_SHARED, "row"), GR_OK);
    cr_assert_eq(gr_writeset_add(writeset, GR_KEY_EXCLUSIVE, &row, 1, &index), GR_OK);
    cr_assert_eq(index, 1);
  }
  cr_assert_eq(gr_writeset_count(writeset), 2);
  gr_writeset_free(writeset);
}

Test(write_set, images_before_and_after) {
  gr_writeset *writeset = writeset_of(3);
  gr_slice a = text("a"), b = text("b"), c = text("c"), d = text("d");
  cr_assert_eq(gr_writeset_change(writeset, &a, 1, &b, 1), GR_OK, "an update");
  cr_assert_eq(gr_writeset_count(writeset), 2);
  cr_assert_eq(key_at(writeset, 0).hash, gr_key_hash(&a, 1));
  cr_assert_eq(key_at(writeset, 1).hash, gr_key_hash(&b, 1));
  cr_assert_eq(gr_writeset_change(writeset, &c, 1, &d, 1), GR_ERR_TOO_LARGE);
  cr_assert_eq(gr_writeset_count(writeset), 2, "both images, or none");
  cr_assert_eq(gr_writeset_change(writeset, NULL, 0, &c, 1), GR_OK, "an insertion");
  cr_assert_eq(gr_writeset_change(writeset, &b, 1, NULL, 0), GR_OK, "a deletion");
  cr_assert_eq(gr_writeset_change(writeset, &c, 1, &c, 1), GR_OK, "nothing of the key");
  cr_assert_eq(gr_writeset_count(writeset), 3);
  cr_assert_eq(gr_writeset_change(writeset, NULL, 0, NULL, 0), GR_ERR_INVALID);
  cr_assert_eq(gr_writeset_change(writeset, NULL, 1, &a, 1), GR_ERR_INVALID);
  cr_assert_eq(gr_writeset_change(writeset, &a, 1, NULL, 1), GR_ERR_INVALID);
  gr_writeset_free(writeset);
}

Test(write_set, a_rollback_forgets_what_came_behind_the_mark) {
  enum { KEYS = 500 };
  gr_writeset *writeset = writeset_of(KEYS);
  for (uint32_t round = 0; round < 3; round++) {
    for (uint32_t i = round == 0 ? 0 : KEYS / 2; i < KEYS; i++) {
      uint64_t number = i < KEYS / 2 ? i : i + round * KEYS;
      gr_slice part = {(const uint8_t *)&number, sizeof(number)};
      uint32_t index;
      cr_assert_eq(gr_writeset_add(writeset, GR_KEY_EXCLUSIVE, &part, 1, &index), GR_OK);
      cr_assert_eq(index, i, "nothing is left of what was rolled back");
    }
    cr_assert_eq(add(writeset, GR_KEY_EXCLUSIVE, "one more"), GR_ERR_TOO_LARGE);
    cr_assert_eq(gr_writeset_rollback(writeset, KEYS / 2), GR_OK);
    cr_assert_eq(gr_writeset_count(writeset), KEYS / 2);
  }
  for (uint64_t number = 0; number < KEYS / 2; number++) {
    gr_slice part = {(const uint8_t *)&number, sizeof(number)};
    uint32_t index;
    cr_assert_eq(gr_writeset_add(writeset, GR_KEY_EXCLUSIVE, &part, 1, &index), GR_OK);
    cr_assert_eq(index, number, "all is left of what came before");
  }
  cr_assert_eq(gr_writeset_rollback(writeset, KEYS / 2 + 1), GR_ERR_INVALID);
  gr_writeset_free(writeset);
}

Test(write_set, the_limit_of_size) {
  gr_writeset *writeset;
  cr_assert_eq(gr_writeset_new(&writeset, BYTES_OF(2) - 1, NULL), GR_OK);
  cr_assert_eq(add(writeset, GR_KEY_EXCLUSIVE, "a"), GR_OK);
  cr_assert_eq(add(writeset, GR_KEY_EXCLUSIVE, "b"), GR_ERR_TOO_LARGE);
  cr_assert_eq(add(writeset, GR_KEY_EXCLUSIVE, "a"), GR_OK, "that one is there");
  gr_writeset_free(writeset);
  cr_assert_eq(gr_writeset_new(&writeset, BYTES_OF(0), NULL), GR_OK);
  cr_assert_eq(add(writeset, GR_KEY_EXCLUSIVE, "a"), GR_ERR_TOO_LARGE);
  gr_writeset_free(writeset);
}

Test(write_set, who_wrote_nothing_has_written_nothing) {
  gr_writeset *writeset = writeset_of(2);
  gr_slice encoded;
  gr_writeset_flag(writeset, GR_WRITESET_READ_ONLY);
  cr_assert_eq(add(writeset, GR_KEY_SHARED, "a"), GR_OK);
  cr_assert_eq(gr_writeset_encode(writeset, &encoded), GR_OK);
  cr_assert_eq(add(writeset, GR_KEY_REFERENCE, "a"), GR_OK);
  cr_assert_eq(gr_writeset_encode(writeset, &encoded), GR_ERR_STATE);
  cr_assert_eq(gr_writeset_rollback(writeset, 1), GR_OK);
  cr_assert_eq(gr_writeset_encode(writeset, &encoded), GR_OK);
  gr_writeset_free(writeset);
}

/* ---- calls that are wrong ---- */

Test(write_set, making_one) {
  gr_writeset *writeset = NULL;
  gr_allocator none = no_memory();
  gr_allocator half = {.allocate = none.allocate};
  cr_assert_eq(gr_writeset_new(NULL, 100, NULL), GR_ERR_INVALID);
  cr_assert_eq(gr_writeset_new(&writeset, BYTES_OF(0) - 1, NULL), GR_ERR_INVALID);
  cr_assert_eq(gr_writeset_new(&writeset, ((size_t)1 << 30) + 1, NULL), GR_ERR_INVALID);
  cr_assert_eq(gr_writeset_new(&writeset, 100, &half), GR_ERR_INVALID);
  cr_assert_eq(gr_writeset_new(&writeset, 100, &none), GR_ERR_NO_MEMORY);
  cr_assert_null(writeset);
  gr_writeset_free(NULL);
}

Test(write_set, arguments) {
  gr_writeset *writeset = writeset_of(3);
  gr_slice row = text("row"), lost = {NULL, 1}, encoded;
  gr_writeset_clear(NULL);
  cr_assert_eq(gr_writeset_snapshot(NULL, 1), GR_ERR_INVALID);
  cr_assert_eq(gr_writeset_snapshot(writeset, GR_CERTIFY_SEQNO_MAX + 1), GR_ERR_INVALID);
  cr_assert_eq(gr_writeset_snapshot(writeset, GR_SNAPSHOT_NONE), GR_OK);
  cr_assert_eq(gr_writeset_flag(NULL, 0), GR_ERR_INVALID);
  cr_assert_eq(gr_writeset_flag(writeset, 16), GR_ERR_INVALID);
  cr_assert_eq(gr_writeset_add(NULL, GR_KEY_SHARED, &row, 1, NULL), GR_ERR_INVALID);
  cr_assert_eq(gr_writeset_add(writeset, GR_KEY_SHARED, NULL, 1, NULL), GR_ERR_INVALID);
  cr_assert_eq(gr_writeset_add(writeset, GR_KEY_SHARED, &row, 0, NULL), GR_ERR_INVALID);
  cr_assert_eq(gr_writeset_add(writeset, GR_KEY_SHARED, &lost, 1, NULL), GR_ERR_INVALID);
  cr_assert_eq(gr_writeset_add(writeset, (enum gr_key_kind)3, &row, 1, NULL),
               GR_ERR_INVALID);
  cr_assert_eq(gr_writeset_change(NULL, &row, 1, &row, 1), GR_ERR_INVALID);
  cr_assert_eq(gr_writeset_count(NULL), 0);
  cr_assert_eq(gr_writeset_count(writeset), 0);
  cr_assert_eq(gr_writeset_rollback(NULL, 0), GR_ERR_INVALID);
  cr_assert_eq(gr_writeset_encode(NULL, &encoded), GR_ERR_INVALID);
  cr_assert_eq(gr_writeset_encode(writeset, NULL), GR_ERR_INVALID);
  cr_assert_eq(gr_key_hash(NULL, 1), 0);
  gr_writeset_free(writeset);
}

/* ---- bytes that may be anybody's ---- */

Test(write_set, bytes_that_are_none) {
  gr_writeset *writeset = writeset_of(2);
  gr_writeset_info info = {.size = sizeof(info)};
  gr_slice encoded;
  gr_key key;
  uint8_t bytes[BYTES_OF(2) + 1];
  cr_assert_eq(add(writeset, GR_KEY_EXCLUSIVE, "a"), GR_OK);
  cr_assert_eq(add(writeset, GR_KEY_SHARED, "b"), GR_OK);
  cr_assert_eq(gr_writeset_encode(writeset, &encoded), GR_OK);
  memcpy(bytes, encoded.data, encoded.size);
  bytes[encoded.size] = 0;
  for (size_t size = 0; size <= sizeof(bytes); size++)
    cr_assert_eq(gr_writeset_read((gr_slice){bytes, size}, &info),
                 size == encoded.size ? GR_OK : GR_ERR_MALFORMED);
  static const struct damage {
    size_t at;
    uint8_t value;
    int error;
  } damages[] = {
      {0, 2, GR_ERR_PROTOCOL},                      /* version */
      {1, 0x10, GR_ERR_MALFORMED},                  /* a flag that is not known */
      {1, GR_WRITESET_READ_ONLY, GR_ERR_MALFORMED}, /* which wrote */
      {2, 1, GR_ERR_MALFORMED},                     /* reserved */
      {3, 1, GR_ERR_MALFORMED},
      {4, 1, GR_ERR_MALFORMED}, /* keys */
      {4, 3, GR_ERR_MALFORMED},
      {7, 0xff, GR_ERR_MALFORMED},
      {BYTES_OF(1) - 1, 3, GR_ERR_MALFORMED}, /* a kind */
  };
  for (size_t i = 0; i < sizeof(damages) / sizeof(damages[0]); i++) {
    uint8_t before = bytes[damages[i].at];
    bytes[damages[i].at] = damages[i].value;
    gr_slice damaged = {bytes, encoded.size};
    cr_assert_eq(gr_writeset_read(damaged, &info), damages[i].error, "damage %zu", i);
    cr_assert_eq(gr_writeset_key(damaged, 0, &key), damages[i].error);
    bytes[damages[i].at] = before;
  }
  cr_assert_eq(gr_writeset_key(encoded, 2, &key), GR_ERR_INVALID);
  cr_assert_eq(gr_writeset_key(encoded, 0, NULL), GR_ERR_INVALID);
  cr_assert_eq(gr_writeset_read(encoded, NULL), GR_ERR_INVALID);
  cr_assert_eq(gr_writeset_read((gr_slice){NULL, 16}, &info), GR_ERR_MALFORMED);
  info.size = 0;
  cr_assert_eq(gr_writeset_read(encoded, &info), GR_ERR_INVALID);
  gr_writeset_free(writeset);
}
