/* SPDX-License-Identifier: MIT
 *
 * The write-ahead log as bytes; all numbers little-endian.
 *
 *   segment     u64 magic, u32 version, u32 crc, u64 number, u64 first ticket; then
 * records record      u32 crc, u32 length, u64 ticket, u64 synced, payload, zeros up to 8
 * bytes end mark    a record without payload and with ticket 0: the log was closed here
 *   checkpoint  u64 magic, u32 version, u32 crc, u64 first, u64 length, state
 *
 * `synced` is what was known to be durable when the record was written: whoever finds a
 * sound record behind a broken one learns from it whether the broken one had been
 * durable.
 *
 * A checksum covers all but itself, of a record its zeros too. That of a record begins
 * with the segment's number: what a file held before it was recycled never passes for
 * content.
 */
#ifndef GR_POSIX_WAL_FORMAT_H
#define GR_POSIX_WAL_FORMAT_H

#include <gr/host.h>
#include <gr/types.h>

#define GR_WAL_VERSION 1
#define GR_WAL_SEGMENT_HEADER_BYTES 32
#define GR_WAL_RECORD_HEADER_BYTES 24
#define GR_WAL_CHECKPOINT_HEADER_BYTES 32

/* Beyond what any record of the core can be: a batch of 16 MiB and its header. */
#define GR_WAL_RECORD_BYTES_MAX (UINT32_C(64) << 20)

struct gr_wal_record {
  uint32_t crc;
  uint32_t length;  /* of the payload */
  gr_ticket ticket; /* 0: the end mark */
  gr_ticket synced;
};

enum gr_wal_header_kind {
  GR_WAL_HEADER_SOUND,
  GR_WAL_HEADER_OTHER_VERSION, /* sound, but of another version */
  GR_WAL_HEADER_BROKEN
};

/* Bytes that a record takes in its file. */
static inline uint64_t gr_wal_record_bytes(uint64_t length) {
  return (GR_WAL_RECORD_HEADER_BYTES + length + 7) & ~UINT64_C(7);
}

/* CRC-32C as gr_crc32c(), by the processor's instruction if it has one. */
uint32_t gr_wal_checksum(uint32_t crc, const void *data, size_t size);

void gr_wal_segment_header_encode(uint8_t *at, uint64_t number, gr_ticket first);

/* Whether `at` is the header of segment `number`; sets `*version` unless it is broken,
 * and
 * `*first` if it is sound. */
enum gr_wal_header_kind gr_wal_segment_header_decode(const uint8_t *at, uint64_t number,
                                                     uint32_t *version, gr_ticket *first);

/* What the checksums of a segment's records begin with. */
uint32_t gr_wal_record_seed(uint64_t number);

void gr_wal_record_encode(uint8_t *at, const struct gr_wal_record *record);
struct gr_wal_record gr_wal_record_decode(const uint8_t *at);

/* Over a record whose bytes are joined, header and zeros included. */
uint32_t gr_wal_record_checksum(uint32_t seed, const uint8_t *at, uint64_t bytes);

/* Header of a checkpoint of this state. */
void gr_wal_checkpoint_encode(uint8_t *at, gr_ticket first, gr_slice state);

/* The whole file; the state points into it. */
enum gr_wal_header_kind gr_wal_checkpoint_decode(gr_slice file, uint32_t *version,
                                                 gr_ticket *first, gr_slice *state);

#endif
