/* SPDX-License-Identifier: MIT
 *
 * See wal_format.h.
 */
#include "posix/wal_format.h"

#include "base/bytes.h"
#include "base/crc32c.h"

#define SEGMENT_MAGIC UINT64_C(0x20206c61772d7267)    /* "gr-wal  " */
#define CHECKPOINT_MAGIC UINT64_C(0x6b636568632d7267) /* "gr-check" */

/* Where a file's header has its fields: the same in both kinds. */
#define AT_VERSION 8
#define AT_CRC 12
#define AT_REST 16

/* ---- the checksum ---- */

#if defined(__x86_64__)
/* One stream of the instruction is faster than any disk. */
__attribute__((target("sse4.2"))) static uint32_t
checksum_by_instruction(uint32_t crc, const uint8_t *at, size_t size) {
  uint64_t state = ~crc;
  for (; size >= 8; size -= 8, at += 8) {
    uint64_t word;
    memcpy(&word, at, sizeof(word));
    state = __builtin_ia32_crc32di(state, word);
  }
  for (; size > 0; size--, at++) state = __builtin_ia32_crc32qi((uint32_t)state, *at);
  return ~(uint32_t)state;
}

uint32_t gr_wal_checksum(uint32_t crc, const void *data, size_t size) {
  return __builtin_cpu_supports("sse4.2") ? checksum_by_instruction(crc, data, size)
                                          : gr_crc32c(crc, data, size);
}
#else
uint32_t gr_wal_checksum(uint32_t crc, const void *data, size_t size) {
  return gr_crc32c(crc, data, size);
}
#endif

/* All of a file's header but the checksum itself. */
static uint32_t header_checksum(const uint8_t *at, size_t bytes) {
  uint32_t crc = gr_wal_checksum(0, at, AT_CRC);
  return gr_wal_checksum(crc, at + AT_REST, bytes - AT_REST);
}

static enum gr_wal_header_kind check_header(const uint8_t *at, uint64_t magic,
                                            uint32_t crc, uint32_t *version) {
  if (gr_load_u64(at) != magic || gr_load_u32(at + AT_CRC) != crc)
    return GR_WAL_HEADER_BROKEN;
  *version = gr_load_u32(at + AT_VERSION);
  return *version == GR_WAL_VERSION ? GR_WAL_HEADER_SOUND : GR_WAL_HEADER_OTHER_VERSION;
}

/* ---- segments ---- */

void gr_wal_segment_header_encode(uint8_t *at, uint64_t number, gr_ticket first) {
  gr_store_u64(at, SEGMENT_MAGIC);
  gr_store_u32(at + AT_VERSION, GR_WAL_VERSION);
  gr_store_u64(at + AT_REST, number);
  gr_store_u64(at + AT_REST + 8, first);
  gr_store_u32(at + AT_CRC, header_checksum(at, GR_WAL_SEGMENT_HEADER_BYTES));
}

enum gr_wal_header_kind gr_wal_segment_header_decode(const uint8_t *at, uint64_t number,
                                                     uint32_t *version,
                                                     gr_ticket *first) {
  /* That of another number is what the file was before. */
  if (gr_load_u64(at + AT_REST) != number) return GR_WAL_HEADER_BROKEN;
  *first = gr_load_u64(at + AT_REST + 8);
  return check_header(at, SEGMENT_MAGIC, header_checksum(at, GR_WAL_SEGMENT_HEADER_BYTES),
                      version);
}

/* ---- records ---- */

uint32_t gr_wal_record_seed(uint64_t number) {
  uint8_t bytes[8];
  gr_store_u64(bytes, number);
  return gr_wal_checksum(0, bytes, sizeof(bytes));
}

void gr_wal_record_encode(uint8_t *at, const struct gr_wal_record *record) {
  gr_store_u32(at, record->crc);
  gr_store_u32(at + 4, record->length);
  gr_store_u64(at + 8, record->ticket);
  gr_store_u64(at + 16, record->synced);
}

struct gr_wal_record gr_wal_record_decode(const uint8_t *at) {
  return (struct gr_wal_record){.crc = gr_load_u32(at),
                                .length = gr_load_u32(at + 4),
                                .ticket = gr_load_u64(at + 8),
                                .synced = gr_load_u64(at + 16)};
}

uint32_t gr_wal_record_checksum(uint32_t seed, const uint8_t *at, uint64_t bytes) {
  return gr_wal_checksum(seed, at + 4, bytes - 4);
}

/* ---- checkpoints ---- */

static uint32_t checkpoint_checksum(const uint8_t *header, gr_slice state) {
  uint32_t crc = header_checksum(header, GR_WAL_CHECKPOINT_HEADER_BYTES);
  return gr_wal_checksum(crc, state.data, state.size);
}

void gr_wal_checkpoint_encode(uint8_t *at, gr_ticket first, gr_slice state) {
  gr_store_u64(at, CHECKPOINT_MAGIC);
  gr_store_u32(at + AT_VERSION, GR_WAL_VERSION);
  gr_store_u64(at + AT_REST, first);
  gr_store_u64(at + AT_REST + 8, state.size);
  gr_store_u32(at + AT_CRC, checkpoint_checksum(at, state));
}

enum gr_wal_header_kind gr_wal_checkpoint_decode(gr_slice file, uint32_t *version,
                                                 gr_ticket *first, gr_slice *state) {
  const uint8_t *at = file.data;
  if (file.size < GR_WAL_CHECKPOINT_HEADER_BYTES) return GR_WAL_HEADER_BROKEN;
  *first = gr_load_u64(at + AT_REST);
  *state = (gr_slice){.data = at + GR_WAL_CHECKPOINT_HEADER_BYTES,
                      .size = file.size - GR_WAL_CHECKPOINT_HEADER_BYTES};
  if (gr_load_u64(at + AT_REST + 8) != state->size) return GR_WAL_HEADER_BROKEN;
  return check_header(at, CHECKPOINT_MAGIC, checkpoint_checksum(at, *state), version);
}
