/* SPDX-License-Identifier: MIT
 *
 * See wal_reader.h.
 */
#include "posix/wal_reader.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#define WINDOW_BYTES ((size_t)4 << 20)

int gr_wal_reader_open(struct gr_wal_reader *reader, const struct gr_wal_files *files,
                       uint64_t number, struct gr_wal_text *why) {
  reader->name = gr_wal_segment_name(number);
  reader->seed = gr_wal_record_seed(number);
  reader->base = 0;
  reader->filled = 0;
  reader->file = openat(files->directory, reader->name.text, O_RDWR | O_CLOEXEC);
  struct stat status;
  if (reader->file < 0) return gr_wal_files_error(files, "open", reader->name.text, why);
  if (fstat(reader->file, &status) != 0) {
    int error = gr_wal_files_error(files, "look at", reader->name.text, why);
    gr_wal_reader_close(reader);
    return error;
  }
  reader->size = (uint64_t)status.st_size;
  return GR_OK;
}

void gr_wal_reader_close(struct gr_wal_reader *reader) {
  close(reader->file);
}

void gr_wal_reader_free(struct gr_wal_reader *reader) {
  free(reader->window);
}

static bool make_room(struct gr_wal_reader *reader, uint64_t bytes) {
  size_t capacity = bytes > WINDOW_BYTES ? (size_t)bytes : WINDOW_BYTES;
  if (reader->capacity >= capacity) return true;
  free(reader->window);
  reader->window = malloc(capacity);
  reader->capacity = reader->window ? capacity : 0;
  return reader->window != NULL;
}

const uint8_t *gr_wal_reader_view(struct gr_wal_reader *reader, uint64_t offset,
                                  uint64_t bytes) {
  if (offset >= reader->base && offset + bytes <= reader->base + reader->filled)
    return reader->window + (offset - reader->base);
  reader->filled = 0;
  reader->base = offset;
  if (!make_room(reader, bytes)) return NULL;
  uint64_t left = reader->size - offset;
  size_t wanted = left < reader->capacity ? (size_t)left : reader->capacity;
  while (reader->filled < wanted) {
    ssize_t got = pread(reader->file, reader->window + reader->filled,
                        wanted - reader->filled, (off_t)(offset + reader->filled));
    if (got < 0 && errno == EINTR) continue;
    if (got == 0) errno = EIO; /* shorter than it was a moment ago */
    if (got <= 0) return NULL;
    reader->filled += (size_t)got;
  }
  return reader->window;
}

enum gr_wal_read gr_wal_reader_record(struct gr_wal_reader *reader, uint64_t offset,
                                      struct gr_wal_record *record,
                                      const uint8_t **payload) {
  if (offset + GR_WAL_RECORD_HEADER_BYTES > reader->size) return GR_WAL_READ_BROKEN;
  const uint8_t *at = gr_wal_reader_view(reader, offset, GR_WAL_RECORD_HEADER_BYTES);
  if (!at) return GR_WAL_READ_FAILED;
  *record = gr_wal_record_decode(at);
  const uint64_t bytes = gr_wal_record_bytes(record->length);
  if (record->length > GR_WAL_RECORD_BYTES_MAX || bytes > reader->size - offset)
    return GR_WAL_READ_BROKEN;
  at = gr_wal_reader_view(reader, offset, bytes);
  if (!at) return GR_WAL_READ_FAILED;
  if (gr_wal_record_checksum(reader->seed, at, bytes) != record->crc)
    return GR_WAL_READ_BROKEN;
  *payload = at + GR_WAL_RECORD_HEADER_BYTES;
  return GR_WAL_READ_SOUND;
}

/* Whether these bytes may be the header of a record behind the one of `ticket`; spares
 * the checksum of nearly all places where none is. */
static bool is_plausible(const uint8_t *at, gr_ticket ticket, uint64_t bytes_left) {
  const struct gr_wal_record record = gr_wal_record_decode(at);
  if (record.ticket == 0) return record.length == 0 && record.crc != 0;
  return record.ticket >= ticket && record.synced < record.ticket &&
         record.ticket - ticket <= bytes_left / GR_WAL_RECORD_HEADER_BYTES;
}

/* The write that tore may have left nothing but this record's own header. */
static uint64_t own_extent(const uint8_t *at, gr_ticket ticket, uint64_t bytes_left) {
  const struct gr_wal_record record = gr_wal_record_decode(at);
  if (record.ticket != ticket) return 0;
  const uint64_t bytes = gr_wal_record_bytes(record.length);
  return bytes < bytes_left ? bytes : bytes_left;
}

bool gr_wal_reader_examine(struct gr_wal_reader *reader, uint64_t offset,
                           gr_ticket ticket, struct gr_wal_evidence *evidence) {
  *evidence = (struct gr_wal_evidence){.end = offset};
  for (uint64_t at = offset; at + GR_WAL_RECORD_HEADER_BYTES <= reader->size;) {
    const uint8_t *bytes = gr_wal_reader_view(reader, at, GR_WAL_RECORD_HEADER_BYTES);
    if (!bytes) return false;
    uint64_t step = 8;
    if (at == offset) evidence->end += own_extent(bytes, ticket, reader->size - at);
    if (is_plausible(bytes, ticket, reader->size - offset)) {
      struct gr_wal_record record;
      const uint8_t *payload = NULL;
      enum gr_wal_read read = gr_wal_reader_record(reader, at, &record, &payload);
      if (read == GR_WAL_READ_FAILED) return false;
      if (read == GR_WAL_READ_SOUND) {
        step = gr_wal_record_bytes(record.length);
        if (record.synced >= ticket) evidence->was_durable = true;
        if (at + step > evidence->end) evidence->end = at + step;
      }
    }
    at += step;
  }
  return true;
}
