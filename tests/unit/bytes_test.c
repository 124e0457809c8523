/* SPDX-License-Identifier: MIT
 *
 * base/bytes.h: what is written is read back, in the byte order of the wire; and neither
 * a short input nor a small buffer is ever overrun, at any length.
 */
#include "base/bytes.h"

#include <criterion/criterion.h>

#define U8 0xa1u
#define U16 0xb2c3u
#define U32 0xd4e5f607u
#define U64 UINT64_C(0x18293a4b5c6d7e8f)
#define TEXT "lane"

/* One of each, and how they stand on the wire. */
static const uint8_t wire[] = {0xa1, 0xc3, 0xb2, 0x07, 0xf6, 0xe5, 0xd4, 0x8f, 0x7e, 0x6d,
                               0x5c, 0x4b, 0x3a, 0x29, 0x18, 'l',  'a',  'n',  'e'};

static void write_one_of_each(struct gr_writer *writer) {
  gr_write_u8(writer, U8);
  gr_write_u16(writer, U16);
  gr_write_u32(writer, U32);
  gr_write_u64(writer, U64);
  gr_write_bytes(writer, TEXT, 4);
}

Test(bytes, writes_little_endian) {
  uint8_t buffer[sizeof(wire)];
  struct gr_writer writer = gr_writer_of(buffer, sizeof(buffer));
  write_one_of_each(&writer);
  cr_assert(!writer.bad);
  cr_assert_eq(writer.used, sizeof(wire));
  cr_assert_arr_eq(buffer, wire, sizeof(wire));
}

Test(bytes, reads_what_was_written) {
  struct gr_reader reader = gr_reader_of(wire, sizeof(wire));
  cr_assert_eq(gr_read_u8(&reader), U8);
  cr_assert_eq(gr_read_u16(&reader), U16);
  cr_assert_eq(gr_read_u32(&reader), U32);
  cr_assert(!gr_reader_done(&reader), "text is left over");
  cr_assert_eq(gr_read_u64(&reader), U64);
  const uint8_t *text = gr_read_bytes(&reader, 4);
  cr_assert_not_null(text);
  cr_assert_arr_eq(text, TEXT, 4);
  cr_assert(gr_reader_done(&reader));
}

Test(bytes, loads_and_stores_need_no_alignment) {
  uint8_t buffer[16 + 8];
  for (size_t shift = 0; shift < 16; shift++) {
    uint8_t *at = buffer + shift;
    gr_store_u16(at, U16);
    cr_assert_eq(gr_load_u16(at), U16);
    gr_store_u32(at, U32);
    cr_assert_eq(gr_load_u32(at), U32);
    gr_store_u64(at, U64);
    cr_assert_eq(gr_load_u64(at), U64);
  }
}

Test(bytes, extreme_values_survive) {
  const uint64_t values[] = {0,      1,         0x7f,       0x80,      0xff,
                             0xffff, INT32_MAX, UINT32_MAX, UINT64_MAX};
  for (size_t i = 0; i < sizeof(values) / sizeof(values[0]); i++) {
    uint8_t buffer[15];
    struct gr_writer writer = gr_writer_of(buffer, sizeof(buffer));
    gr_write_u64(&writer, values[i]);
    gr_write_u32(&writer, (uint32_t)values[i]);
    gr_write_u16(&writer, (uint16_t)values[i]);
    gr_write_u8(&writer, (uint8_t)values[i]);
    struct gr_reader reader = gr_reader_of(buffer, writer.used);
    cr_assert_eq(gr_read_u64(&reader), values[i]);
    cr_assert_eq(gr_read_u32(&reader), (uint32_t)values[i]);
    cr_assert_eq(gr_read_u16(&reader), (uint16_t)values[i]);
    cr_assert_eq(gr_read_u8(&reader), (uint8_t)values[i]);
    cr_assert(gr_reader_done(&reader));
  }
}

/* Reads the fields in order from an input cut after `length`: those that are whole are
 * right, and from the first that is not, everything is zero. */
Test(bytes, truncated_input_turns_bad_and_stays_so) {
  for (size_t length = 0; length < sizeof(wire); length++) {
    struct gr_reader reader = gr_reader_of(wire, length);
    cr_assert_eq(gr_read_u8(&reader), length >= 1 ? U8 : 0);
    cr_assert_eq(gr_read_u16(&reader), length >= 3 ? U16 : 0);
    cr_assert_eq(gr_read_u32(&reader), length >= 7 ? U32 : 0);
    cr_assert_eq(gr_read_u64(&reader), length >= 15 ? U64 : 0);
    cr_assert_null(gr_read_bytes(&reader, 4));
    cr_assert(reader.bad);
    cr_assert(!gr_reader_done(&reader));
    cr_assert_eq(gr_read_u8(&reader), 0, "a bad reader yields what is left, at %zu",
                 length);
    cr_assert_null(gr_read_bytes(&reader, 0), "a bad reader recovers, at %zu", length);
    cr_assert(reader.bad);
  }
}

Test(bytes, a_size_beyond_the_input_is_refused) {
  const size_t sizes[] = {sizeof(wire) + 1, SIZE_MAX / 2, SIZE_MAX};
  for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
    struct gr_reader reader = gr_reader_of(wire, sizeof(wire));
    cr_assert_null(gr_read_bytes(&reader, sizes[i]));
    cr_assert(reader.bad);
  }
}

Test(bytes, an_empty_input_is_done) {
  struct gr_reader reader = gr_reader_of(NULL, 0);
  cr_assert(gr_reader_done(&reader));
  cr_assert_not_null(gr_read_bytes(&reader, 0), "NULL would mean that it is bad");
  cr_assert(gr_reader_done(&reader), "reading nothing turned it bad");
  (void)gr_read_u8(&reader);
  cr_assert(reader.bad);
}

Test(bytes, a_full_writer_turns_bad_and_stays_so) {
  for (size_t capacity = 0; capacity < sizeof(wire); capacity++) {
    uint8_t buffer[sizeof(wire)];
    memset(buffer, 0xee, sizeof(buffer));
    struct gr_writer writer = gr_writer_of(buffer, capacity);
    write_one_of_each(&writer);
    cr_assert(writer.bad);
    cr_assert_leq(writer.used, capacity);
    cr_assert_arr_eq(buffer, wire, writer.used);
    size_t used = writer.used;
    gr_write_u8(&writer, 1);
    cr_assert_null(gr_write_room(&writer, 0), "a bad writer recovers, at %zu", capacity);
    cr_assert_eq(writer.used, used);
    for (size_t i = used; i < sizeof(buffer); i++) {
      cr_assert_eq(buffer[i], 0xee, "byte %zu written with room for %zu", i, capacity);
    }
  }
}

Test(bytes, room_beyond_the_capacity_is_refused) {
  uint8_t buffer[8];
  struct gr_writer writer = gr_writer_of(buffer, sizeof(buffer));
  gr_write_u8(&writer, 1);
  cr_assert_null(gr_write_room(&writer, SIZE_MAX));
  cr_assert(writer.bad);
}

Test(bytes, writing_nothing_from_nowhere_is_allowed) {
  uint8_t buffer[1];
  struct gr_writer writer = gr_writer_of(buffer, sizeof(buffer));
  gr_write_bytes(&writer, NULL, 0);
  cr_assert(!writer.bad);
  cr_assert_eq(writer.used, 0);
}
