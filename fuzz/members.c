/* SPDX-License-Identifier: MIT
 *
 * See members.h.
 */
#include "members.h"

#include "fuzz.h"

#include <string.h>

/* Pieces of memory at most: two for each member, and another options' sizes. */
#define PIECES_MAX 16
#define UNWRITTEN 0xa5
/* Longer than any run: nobody is expelled for its silence. */
#define NEVER_SUSPECT_NS (3600 * 1000 * MS)

static const gr_member_id founders[MEMBERS] = {1, 2, 3};

gr_options member_options(gr_member_id id, uint64_t seed, uint64_t slots_in_flight_max) {
  return (gr_options){.size = sizeof(gr_options),
                      .group_id = {{'f', 'u', 'z', 'z'}},
                      .self = id,
                      .founders = founders,
                      .founder_count = MEMBERS,
                      .seed = seed,
                      .message_bytes_max = MESSAGE_BYTES_MAX,
                      .fragment_bytes_max = 512,
                      .batch_bytes_max = BATCH_BYTES_MAX,
                      .unordered_bytes_max = UNORDERED_BYTES_MAX,
                      .cache_bytes_max = 1072 * UINT64_C(1024),
                      .log_slots_max = 4096,
                      .members_max = MEMBERS + 1,
                      .suspect_floor_ns = NEVER_SUSPECT_NS,
                      .suspect_ceiling_ns = NEVER_SUSPECT_NS,
                      .slots_in_flight_max = slots_in_flight_max};
}

/* ---- memory ---- */

struct piece {
  void *memory;
  size_t size;
  bool taken;
};

static struct piece pieces[PIECES_MAX];

static void *allocate(void *context, size_t size, size_t alignment) {
  (void)context;
  size_t i = 0;
  while (i < PIECES_MAX && pieces[i].memory &&
         (pieces[i].taken || pieces[i].size != size))
    i++;
  FUZZ_CHECK(i < PIECES_MAX, "the members of a run need few pieces of memory");
  if (!pieces[i].memory) {
    FUZZ_CHECK(posix_memalign(&pieces[i].memory, alignment, size) == 0,
               "there is memory");
    pieces[i].size = size;
  }
  pieces[i].taken = true;
  memset(pieces[i].memory, UNWRITTEN, size);
  return pieces[i].memory;
}

static void release(void *context, void *memory, size_t size) {
  (void)context;
  size_t i = 0;
  while (i < PIECES_MAX && pieces[i].memory != memory) i++;
  FUZZ_CHECK(i < PIECES_MAX && pieces[i].taken && pieces[i].size == size,
             "what is released was allocated, with this size");
  pieces[i].taken = false;
}

gr_allocator member_allocator(void) {
  return (gr_allocator){NULL, allocate, release};
}

/* ---- messages ---- */

static uint8_t content(gr_member_id origin, uint64_t number, size_t at) {
  return (uint8_t)(origin * 83 + number * 7 + at + at / 251);
}

void message_fill(uint8_t *bytes, size_t size, gr_member_id origin, uint64_t number) {
  for (size_t i = 0; i < size; i++) bytes[i] = content(origin, number, i);
}

void message_check(const gr_delivery *delivery, size_t size) {
  size_t at = 0;
  FUZZ_CHECK(delivery->bytes == size,
             "a message has the size that it was broadcast with");
  for (size_t k = 0; k < delivery->part_count; k++) {
    const uint8_t *part = delivery->parts[k].data;
    for (size_t i = 0; i < delivery->parts[k].size; i++, at++)
      FUZZ_CHECK(part[i] == content(delivery->origin, delivery->number, at),
                 "a message is delivered as it was broadcast");
  }
  FUZZ_CHECK(at == size, "the parts are the message");
}

/* ---- members ---- */

void member_check(const gr_group *group) {
  gr_status status = {.size = sizeof(status)};
  FUZZ_CHECK(gr_group_status(group, &status) == GR_OK, "the status can be asked for");
  FUZZ_CHECK(status.cache_bytes <= status.cache_bytes_max, "memory is within its limit");
  FUZZ_CHECK(status.unordered_bytes <= UNORDERED_BYTES_MAX + MESSAGE_BYTES_MAX,
             "what waits for its order is within its limit");
  FUZZ_CHECK(status.delivered <= status.chosen, "only what is chosen is delivered");
  FUZZ_CHECK(status.log_first <= status.delivered + 1,
             "what is not delivered is not forgotten");
}
