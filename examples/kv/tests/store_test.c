/* SPDX-License-Identifier: MIT
 *
 * store.h: against a naive model, the digest against one made anew from the contents,
 * expiry, and scans that go on while the table grows.
 */
#include "../store.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <string.h>

static struct kv_string key_number(char text[16], unsigned number) {
  snprintf(text, 16, "key:%u", number);
  return kv_string_of(text);
}

/* One key of the model. */
struct model {
  bool present;
  char value[64];
  uint64_t expires_ms;
};

#define MODEL_KEYS 50

/* The digest that a store with the model's contents has, made in the order of the keys.
 */
static uint64_t digest_of(const struct model *models, uint64_t time_ms) {
  struct kv_store *store = kv_store_new();
  kv_store_advance(store, time_ms);
  for (unsigned i = 0; i < MODEL_KEYS; i++) {
    char key[16];
    if (models[i].present)
      cr_assert(kv_store_set(store, key_number(key, i), kv_string_of(models[i].value),
                             models[i].expires_ms));
  }
  uint64_t digest = kv_store_digest(store);
  kv_store_free(store);
  return digest;
}

static void check(const struct kv_store *store, const struct model *models,
                  uint64_t time_ms) {
  size_t present = 0;
  for (unsigned i = 0; i < MODEL_KEYS; i++) {
    char key[16];
    struct kv_string value;
    bool found = kv_store_get(store, key_number(key, i), 0, &value);
    cr_assert_eq(found, models[i].present, "key %u at %llu", i,
                 (unsigned long long)time_ms);
    if (!found) continue;
    present++;
    cr_assert_eq(value.size, strlen(models[i].value));
    cr_assert_eq(memcmp(value.data, models[i].value, value.size), 0);
  }
  cr_assert_eq(kv_store_count(store), present);
  cr_assert_eq(kv_store_digest(store), digest_of(models, time_ms));
}

/* One change of the store and of the model. */
static void change(struct kv_store *store, struct model *models, uint32_t chance,
                   uint64_t *time_ms) {
  unsigned index = chance >> 8 & 0xff;
  if (index >= MODEL_KEYS) index %= MODEL_KEYS;
  struct model *model = &models[index];
  char text[16];
  struct kv_string key = key_number(text, index);
  char value[8];
  snprintf(value, sizeof(value), "%u", chance >> 20);
  size_t size = strlen(model->value);
  switch (chance % 6) {
  case 0:
  case 1:
    model->present = true;
    strcpy(model->value, value);
    model->expires_ms = chance % 6 == 0 ? KV_NEVER : *time_ms + 1 + (chance >> 16) % 50;
    cr_assert(kv_store_set(store, key, kv_string_of(value), model->expires_ms));
    break;
  case 2:
    if (!model->present) *model = (struct model){.present = true};
    if (size + strlen(value) >= sizeof(model->value)) break;
    strcat(model->value, value);
    cr_assert(kv_store_append(store, key, kv_string_of(value), &size));
    cr_assert_eq(size, strlen(model->value));
    break;
  case 3:
    if (!model->present) *model = (struct model){.present = true};
    strcpy(model->value, value);
    cr_assert(kv_store_update(store, key, kv_string_of(value)));
    break;
  case 4:
    cr_assert_eq(kv_store_remove(store, key), model->present);
    *model = (struct model){0};
    break;
  default:
    *time_ms += chance >> 28;
    kv_store_advance(store, *time_ms);
    for (unsigned i = 0; i < MODEL_KEYS; i++)
      if (models[i].expires_ms != KV_NEVER && models[i].expires_ms <= *time_ms)
        models[i] = (struct model){0};
  }
}

Test(store, does_what_a_naive_model_does) {
  for (uint32_t seed = 1; seed <= 20; seed++) {
    struct kv_store *store = kv_store_new();
    struct model models[MODEL_KEYS] = {{0}};
    uint64_t time_ms = 1000;
    kv_store_advance(store, time_ms);
    uint32_t state = seed;
    for (int i = 0; i < 500; i++) {
      state = state * 1664525 + 1013904223;
      change(store, models, state ^ state >> 15, &time_ms);
      check(store, models, time_ms);
    }
    kv_store_clear(store);
    cr_assert_eq(kv_store_count(store), 0);
    cr_assert_eq(kv_store_digest(store), 0);
    kv_store_free(store);
  }
}

Test(store, the_digest_tells_apart_what_differs_a_little) {
  static const struct {
    const char *key;
    const char *value;
    uint64_t expires_ms;
  } cases[] = {{"a", "b", 0}, {"b", "a", 0}, {"ab", "", 0},  {"", "ab", 0},
               {"a", "b", 5}, {"a", "b", 6}, {"a", "c", 0},  {"aa", "b", 0},
               {"a", "", 0},  {"", "", 0},   {"a", "b1", 0}, {"a1", "b", 0}};
  const size_t count = sizeof(cases) / sizeof(cases[0]);
  uint64_t digests[sizeof(cases) / sizeof(cases[0])];
  for (size_t i = 0; i < count; i++) {
    struct kv_store *store = kv_store_new();
    cr_assert(kv_store_set(store, kv_string_of(cases[i].key),
                           kv_string_of(cases[i].value), cases[i].expires_ms));
    digests[i] = kv_store_digest(store);
    cr_assert_neq(digests[i], 0);
    for (size_t j = 0; j < i; j++)
      cr_assert_neq(digests[i], digests[j], "%zu and %zu", i, j);
    kv_store_free(store);
  }
}

Test(store, readers_do_not_see_what_is_over_by_their_clock) {
  struct kv_store *store = kv_store_new();
  struct kv_string key = kv_string_of("a");
  struct kv_string value;
  cr_assert(kv_store_set(store, key, kv_string_of("b"), 100));
  cr_assert(kv_store_get(store, key, 99, &value));
  cr_assert_not(kv_store_get(store, key, 100, &value));
  cr_assert_eq(kv_store_count(store), 1);
  kv_store_advance(store, 99);
  cr_assert_eq(kv_store_count(store), 1);
  kv_store_advance(store, 100);
  cr_assert_eq(kv_store_count(store), 0);
  kv_store_advance(store, 50);
  cr_assert(kv_store_set(store, key, kv_string_of("b"), 100), "time has not gone back");
  cr_assert_eq(kv_store_count(store), 0);
  kv_store_free(store);
}

#define EXPIRING_KEYS 500

/* Keys that expire at any of 1000 moments, some given up before their time: after each
 * moment just those are left that expire later. */
Test(store, keys_expire_each_at_its_moment) {
  struct kv_store *store = kv_store_new();
  uint64_t expires_ms[EXPIRING_KEYS];
  char text[16];
  uint32_t state = 1;
  for (unsigned i = 0; i < EXPIRING_KEYS; i++) {
    state = state * 1664525 + 1013904223;
    expires_ms[i] = 1 + (state >> 16) % 1000;
    cr_assert(kv_store_set(store, key_number(text, i), kv_string_of("x"), expires_ms[i]));
  }
  for (unsigned i = 0; i < EXPIRING_KEYS; i += 1 + i % 3) {
    cr_assert(kv_store_remove(store, key_number(text, i)));
    expires_ms[i] = 0;
  }
  for (uint64_t time_ms = 1; time_ms <= 1000; time_ms++) {
    kv_store_advance(store, time_ms);
    size_t left = 0;
    for (unsigned i = 0; i < EXPIRING_KEYS; i++) left += expires_ms[i] > time_ms;
    cr_assert_eq(kv_store_count(store), left, "at %llu", (unsigned long long)time_ms);
  }
  cr_assert_eq(kv_store_digest(store), 0);
  kv_store_free(store);
}

#define SCANNED_KEYS 3000

static void visit(void *context, struct kv_string key) {
  bool *seen = context;
  char text[16] = {0};
  unsigned number;
  memcpy(text, key.data, key.size);
  cr_assert_eq(sscanf(text, "key:%u", &number), 1);
  if (number < SCANNED_KEYS) seen[number] = true;
}

/* Keys are added between the calls, so that the table doubles several times. */
Test(store, a_scan_misses_no_key_while_the_table_grows) {
  struct kv_store *store = kv_store_new();
  char text[16];
  for (unsigned i = 0; i < SCANNED_KEYS; i++)
    cr_assert(kv_store_set(store, key_number(text, i), kv_string_of("x"), KV_NEVER));
  static bool seen[SCANNED_KEYS];
  uint64_t cursor = 0;
  unsigned added = SCANNED_KEYS;
  unsigned calls = 0;
  do {
    cursor = kv_store_scan(store, cursor, 0, visit, seen);
    for (unsigned i = 0; i < 20 && added < 60000; i++)
      cr_assert(
          kv_store_set(store, key_number(text, added++), kv_string_of("x"), KV_NEVER));
    cr_assert_lt(++calls, 1000000u, "the scan does not end");
  } while (cursor != 0);
  for (unsigned i = 0; i < SCANNED_KEYS; i++) cr_assert(seen[i], "key %u was missed", i);
  kv_store_free(store);
}
