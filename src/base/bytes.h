/* SPDX-License-Identifier: MIT
 *
 * Bounded readers and writers of bytes. All numbers on the wire are little-endian and as
 * wide as their type. A reader that runs out, or a writer that is full, turns bad and
 * stays so: check once, at the end. A bad reader yields zeroes, so nothing read from it
 * can be used as a size before the check.
 */
#ifndef GR_BASE_BYTES_H
#define GR_BASE_BYTES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

static inline void gr_store_u16(uint8_t *at, uint16_t value) {
  at[0] = (uint8_t)value;
  at[1] = (uint8_t)(value >> 8);
}

static inline void gr_store_u32(uint8_t *at, uint32_t value) {
  at[0] = (uint8_t)value;
  at[1] = (uint8_t)(value >> 8);
  at[2] = (uint8_t)(value >> 16);
  at[3] = (uint8_t)(value >> 24);
}

static inline void gr_store_u64(uint8_t *at, uint64_t value) {
  gr_store_u32(at, (uint32_t)value);
  gr_store_u32(at + 4, (uint32_t)(value >> 32));
}

static inline uint16_t gr_load_u16(const uint8_t *at) {
  return (uint16_t)(at[0] | (uint16_t)(at[1] << 8));
}

static inline uint32_t gr_load_u32(const uint8_t *at) {
  return (uint32_t)at[0] | (uint32_t)at[1] << 8 | (uint32_t)at[2] << 16 |
         (uint32_t)at[3] << 24;
}

static inline uint64_t gr_load_u64(const uint8_t *at) {
  return (uint64_t)gr_load_u32(at) | (uint64_t)gr_load_u32(at + 4) << 32;
}

struct gr_reader {
  const uint8_t *at;
  size_t left;
  bool bad;
};

/* Over nothing, `data` may be NULL; the reader never holds NULL, so NULL only ever means
 * bad. */
static inline struct gr_reader gr_reader_of(const void *data, size_t size) {
  return (struct gr_reader){.at = size > 0 ? data : "", .left = size, .bad = false};
}

/* The next `size` bytes, or NULL (and bad) if there are fewer. */
static inline const uint8_t *gr_read_bytes(struct gr_reader *reader, size_t size) {
  if (reader->bad || reader->left < size) {
    reader->bad = true;
    return NULL;
  }
  const uint8_t *at = reader->at;
  reader->at += size;
  reader->left -= size;
  return at;
}

static inline uint8_t gr_read_u8(struct gr_reader *reader) {
  const uint8_t *at = gr_read_bytes(reader, 1);
  return at ? *at : 0;
}

static inline uint16_t gr_read_u16(struct gr_reader *reader) {
  const uint8_t *at = gr_read_bytes(reader, 2);
  return at ? gr_load_u16(at) : 0;
}

static inline uint32_t gr_read_u32(struct gr_reader *reader) {
  const uint8_t *at = gr_read_bytes(reader, 4);
  return at ? gr_load_u32(at) : 0;
}

static inline uint64_t gr_read_u64(struct gr_reader *reader) {
  const uint8_t *at = gr_read_bytes(reader, 8);
  return at ? gr_load_u64(at) : 0;
}

/* True if everything was there and nothing is left over. */
static inline bool gr_reader_done(const struct gr_reader *reader) {
  return !reader->bad && reader->left == 0;
}

struct gr_writer {
  uint8_t *data;
  size_t used;
  size_t capacity;
  bool bad;
};

static inline struct gr_writer gr_writer_of(void *data, size_t capacity) {
  return (struct gr_writer){.data = data, .used = 0, .capacity = capacity, .bad = false};
}

/* Room for `size` bytes to be filled in, or NULL (and bad) if there is less. */
static inline uint8_t *gr_write_room(struct gr_writer *writer, size_t size) {
  if (writer->bad || writer->capacity - writer->used < size) {
    writer->bad = true;
    return NULL;
  }
  uint8_t *at = writer->data + writer->used;
  writer->used += size;
  return at;
}

static inline void gr_write_bytes(struct gr_writer *writer, const void *data,
                                  size_t size) {
  uint8_t *at = gr_write_room(writer, size);
  if (at && size > 0) memcpy(at, data, size);
}

static inline void gr_write_u8(struct gr_writer *writer, uint8_t value) {
  uint8_t *at = gr_write_room(writer, 1);
  if (at) *at = value;
}

static inline void gr_write_u16(struct gr_writer *writer, uint16_t value) {
  uint8_t *at = gr_write_room(writer, 2);
  if (at) gr_store_u16(at, value);
}

static inline void gr_write_u32(struct gr_writer *writer, uint32_t value) {
  uint8_t *at = gr_write_room(writer, 4);
  if (at) gr_store_u32(at, value);
}

static inline void gr_write_u64(struct gr_writer *writer, uint64_t value) {
  uint8_t *at = gr_write_room(writer, 8);
  if (at) gr_store_u64(at, value);
}

#endif
