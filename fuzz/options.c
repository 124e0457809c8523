/* SPDX-License-Identifier: MIT
 *
 * The check of options, with any values and any size of the struct: what it lets pass is
 * in range and makes a member from exactly the memory that was announced; what it refuses
 * it names, and leaves as it was.
 *
 *   input: struct size u16 | founders u8 | their ids u8 ... | the struct's bytes ...
 */
#include "fuzz.h"

#include <gr/gr.h>

#include <string.h>

#define STRUCT_BYTES_MAX 768
#define FOUNDERS_MAX 40
/* A member is made only of less than this. */
#define FOOTPRINT_MAX ((size_t)8 << 20)

struct memory {
  size_t announced; /* and not yet asked for */
};

static void *allocate(void *context, size_t size, size_t alignment) {
  struct memory *memory = context;
  FUZZ_CHECK(size <= memory->announced, "no more memory than announced is asked for");
  memory->announced -= size;
  void *block = NULL;
  FUZZ_CHECK(posix_memalign(&block, alignment, size) == 0, "there is memory");
  return block;
}

static void release(void *context, void *block, size_t size) {
  struct memory *memory = context;
  memory->announced += size;
  free(block);
}

static bool never_send(void *context, gr_member_id to, const gr_slice *parts,
                       size_t part_count) {
  (void)context, (void)to, (void)parts, (void)part_count;
  return false;
}

static int never_deliver(void *context, const gr_delivery *delivery) {
  (void)context, (void)delivery;
  return 0;
}

static int never_store(void *context, gr_ticket ticket, const gr_slice *parts,
                       size_t part_count) {
  (void)context, (void)ticket, (void)parts, (void)part_count;
  return -1;
}

static int never_trim(void *context, gr_ticket first, gr_slice state) {
  (void)context, (void)first, (void)state;
  return -1;
}

static void never_link(void *context, gr_member_id member, gr_slice address) {
  (void)context, (void)member, (void)address;
}

/* What was refused cannot be made into a member either. */
static void check_refused(const gr_options *options, int error) {
  gr_group *group;
  gr_host host = {.size = sizeof(host), .send = never_send, .deliver = never_deliver};
  FUZZ_CHECK(gr_group_footprint(options) == 0, "refused options need no memory");
  FUZZ_CHECK(gr_group_new(&group, options, &host, NULL, 1) == error && !group,
             "refused options make no member");
}

static void check_member(const gr_options *options) {
  size_t footprint = gr_group_footprint(options);
  FUZZ_CHECK(footprint > 0, "good options need memory");
  if (footprint > FOOTPRINT_MAX) return;
  struct memory memory = {.announced = footprint};
  gr_allocator allocator = {&memory, allocate, release};
  gr_host host = {.size = sizeof(host), .send = never_send, .deliver = never_deliver};
  if (options->durable) host.store = never_store, host.trim = never_trim;
  if (options->founder_count == 0) host.link = never_link; /* to ask somebody */
  gr_group *group;
  FUZZ_CHECK(gr_group_new(&group, options, &host, &allocator, 1) == GR_OK,
             "good options make a member");
  FUZZ_CHECK(memory.announced == 0, "it takes exactly the memory announced");
  FUZZ_CHECK(gr_group_dispatch(group) == (options->durable ? GR_ERR_STATE : GR_OK),
             "it runs, once it has come back");
  FUZZ_CHECK(gr_group_free(group) == GR_OK, "it ends");
  FUZZ_CHECK(memory.announced == footprint, "it gives its memory back");
}

/* The ranges as options.h states them. */
static void check_ranges(const gr_options *o) {
  const uint64_t kib = 1024, mib = kib * kib, gib = kib * mib, us = 1000;
  const uint64_t ms = 1000 * us, second = 1000 * ms;
  FUZZ_CHECK(o->seed != 0, "no default, not zero");
  FUZZ_CHECK((o->self == 0) == (o->founder_count == 0), "a founder, or one who joins");
  FUZZ_CHECK(o->members_max >= o->founder_count && o->members_max >= 1 &&
                 o->members_max <= GR_MEMBERS_MAX,
             "members");
  FUZZ_CHECK(o->message_bytes_max >= kib && o->message_bytes_max <= gib, "messages");
  FUZZ_CHECK(o->batch_bytes_max >= kib && o->batch_bytes_max <= 16 * mib, "batches");
  FUZZ_CHECK(o->fragment_bytes_max >= 256 &&
                 o->fragment_bytes_max <= o->batch_bytes_max - 64,
             "fragments");
  FUZZ_CHECK(o->unordered_bytes_max >= o->batch_bytes_max &&
                 o->unordered_bytes_max <= 4 * gib,
             "unordered");
  FUZZ_CHECK(o->cache_bytes_max >= o->members_max * 6 * o->batch_bytes_max &&
                 o->cache_bytes_max <= kib * gib,
             "cache");
  FUZZ_CHECK(o->log_slots_max >= 2048 && o->log_slots_max <= 16777216, "slots");
  FUZZ_CHECK(o->slots_in_flight_max >= 1 && o->slots_in_flight_max <= 1024, "in flight");
  FUZZ_CHECK(o->heartbeat_interval_ns >= ms && o->heartbeat_interval_ns <= 10 * second,
             "heartbeat");
  FUZZ_CHECK(o->election_timeout_ns >= 2 * o->heartbeat_interval_ns &&
                 o->election_timeout_ns <= 3600 * second,
             "election");
  FUZZ_CHECK(o->gap_timeout_ns >= 10 * us && o->gap_timeout_ns <= 10 * second, "gap");
  FUZZ_CHECK(o->retry_timeout_ns >= 100 * us && o->retry_timeout_ns <= 10 * second,
             "retry");
}

static void check_ranges_of_membership(const gr_options *o) {
  const uint64_t kib = 1024, ms = 1000 * 1000, hour = 3600 * 1000 * ms;
  FUZZ_CHECK(o->attributes.weight <= 100, "weight");
  FUZZ_CHECK(o->attributes.address.size <= GR_ADDRESS_BYTES_MAX, "address");
  FUZZ_CHECK(o->attributes.user_data.size <= GR_USER_DATA_BYTES_MAX, "user data");
  FUZZ_CHECK(o->seed_count <= GR_SEEDS_MAX, "seeds");
  FUZZ_CHECK(o->suspect_floor_ns >= 10 * ms &&
                 o->suspect_floor_ns <= o->suspect_ceiling_ns &&
                 o->suspect_ceiling_ns <= hour,
             "suspect");
  FUZZ_CHECK(o->expel_timeout_ns >= ms && o->expel_timeout_ns <= hour, "expel");
  FUZZ_CHECK(o->unreachable_timeout_ns >= ms, "unreachable");
  FUZZ_CHECK(o->join_timeout_ns >= 100 * ms && o->join_timeout_ns <= hour, "join");
  FUZZ_CHECK(o->rejoin_tries >= 1, "rejoin");
  FUZZ_CHECK(o->rejoin_interval_ns >= ms && o->rejoin_interval_ns <= hour, "again");
  FUZZ_CHECK(o->online_lag_max >= 1 && o->online_lag_max <= 65536, "lag");
  FUZZ_CHECK(o->snapshot_chunk_bytes >= kib && o->snapshot_chunk_bytes <= 4096 * kib,
             "chunks");
}

static void check_passed(const uint8_t *bytes, size_t size) {
  gr_options full = {0};
  memcpy(&full, bytes, size < sizeof(full) ? size : sizeof(full));
  full.size = sizeof(full);
  gr_options again = full;
  const char *field = "x";
  /* A struct that ends within a field keeps a part of that field's default only. */
  if (size % sizeof(uint64_t) != 0 && size < sizeof(full)) return;
  FUZZ_CHECK(gr_options_check(&again, &field) == GR_OK && !field, "it passes again");
  if (size < sizeof(full)) return; /* the rest had its defaults filled in just now */
  FUZZ_CHECK(memcmp(&again, &full, sizeof(full)) == 0, "its defaults were all filled in");
  check_ranges(&full);
  check_ranges_of_membership(&full);
  check_member(&full);
}

/* What is pointed at is there: a pointer is NULL, or to so much as may be. */
static void point(uint8_t *bytes, size_t struct_size, size_t offset, const void *there) {
  if (struct_size < offset) return;
  size_t left = struct_size - offset;
  uintptr_t pointer = (uintptr_t)there;
  if (left < sizeof(pointer) || (bytes[offset] & 1)) pointer = 0;
  memcpy(bytes + offset, &pointer, left < sizeof(pointer) ? left : sizeof(pointer));
}

static void point_all(uint8_t *bytes, size_t struct_size) {
  static const uint8_t text[GR_ADDRESS_BYTES_MAX + GR_USER_DATA_BYTES_MAX];
  static gr_slice seeds[GR_SEEDS_MAX];
  for (size_t i = 0; i < GR_SEEDS_MAX; i++) seeds[i] = (gr_slice){text, i};
  seeds[GR_SEEDS_MAX - 1].size = GR_ADDRESS_BYTES_MAX + 1;
  point(bytes, struct_size, offsetof(gr_options, attributes.address.data), text);
  point(bytes, struct_size, offsetof(gr_options, attributes.user_data.data), text);
  point(bytes, struct_size, offsetof(gr_options, seeds), seeds);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  struct fuzz_input input = {data, size};
  size_t struct_size = fuzz_u16(&input) % (STRUCT_BYTES_MAX + 1);
  gr_member_id founders[FOUNDERS_MAX];
  size_t founder_count = fuzz_u8(&input) % (FOUNDERS_MAX + 1);
  for (size_t i = 0; i < founder_count; i++) founders[i] = fuzz_u8(&input);
  size_t memory_size = struct_size > sizeof(size_t) ? struct_size : sizeof(size_t);
  uint8_t *bytes = fuzz_allocate(memory_size);
  memset(bytes, 0, memory_size);
  struct fuzz_input rest = fuzz_take(&input, struct_size);
  if (rest.left > 0) memcpy(bytes, rest.at, rest.left);
  /* The pointer, the count and the size are the only ones that must be true, and a
   * truth value one. */
  gr_options *options = (gr_options *)(void *)bytes;
  memcpy(bytes, &struct_size, sizeof(struct_size));
  const gr_member_id *pointer = founder_count > 0 ? founders : NULL;
  size_t pointer_at = offsetof(gr_options, founders);
  size_t count_at = offsetof(gr_options, founder_count);
  if (struct_size >= pointer_at) {
    size_t left = struct_size - pointer_at;
    size_t whole = left < sizeof(pointer) ? 0 : sizeof(pointer);
    memset(bytes + pointer_at, 0, left < sizeof(pointer) ? left : sizeof(pointer));
    memcpy(bytes + pointer_at, &pointer, whole);
  }
  if (struct_size >= count_at + sizeof(founder_count))
    memcpy(bytes + count_at, &founder_count, sizeof(founder_count));
  size_t durable_at = offsetof(gr_options, durable);
  if (struct_size > durable_at) bytes[durable_at] &= 1;
  point_all(bytes, struct_size);
  uint8_t *before = fuzz_allocate(memory_size);
  memcpy(before, bytes, memory_size);
  const char *field = "x";
  int error = gr_options_check(options, &field);
  if (error == GR_OK) {
    FUZZ_CHECK(!field, "what passes has no bad field");
    check_passed(bytes, struct_size);
  } else {
    FUZZ_CHECK(error == GR_ERR_INVALID || error == GR_ERR_VERSION, "a code as listed");
    FUZZ_CHECK(memcmp(before, bytes, memory_size) == 0, "nothing changed");
    FUZZ_CHECK(error == GR_ERR_VERSION || struct_size < sizeof(size_t) || field,
               "the bad field is named");
    check_refused(options, error);
  }
  free(before);
  free(bytes);
  return 0;
}
