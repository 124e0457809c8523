/* SPDX-License-Identifier: MIT
 *
 * See frame_reader.h. The buffer begins at the size of an ordinary read and grows once,
 * when the first frame announces itself that does not fit. Bytes are moved only when the
 * frame that has begun would not fit behind its beginning.
 */
#include "posix/frame_reader.h"

#include "base/bytes.h"

#include <stdlib.h>

/* Less room than this at the end is not worth a system call. */
#define ROOM_BYTES_MIN 16384

bool gr_frame_reader_init(struct gr_frame_reader *reader, size_t capacity,
                          size_t frame_bytes_max) {
  *reader = (struct gr_frame_reader){.buffer = malloc(capacity),
                                     .capacity = capacity,
                                     .frame_bytes_max = frame_bytes_max};
  return reader->buffer != NULL;
}

void gr_frame_reader_free(struct gr_frame_reader *reader) {
  free(reader->buffer);
  *reader = (struct gr_frame_reader){0};
}

bool gr_frame_reader_widen(struct gr_frame_reader *reader, size_t capacity,
                           size_t frame_bytes_max) {
  if (capacity > reader->capacity) {
    uint8_t *buffer = realloc(reader->buffer, capacity);
    if (!buffer) return false;
    reader->buffer = buffer;
    reader->capacity = capacity;
  }
  reader->frame_bytes_max = frame_bytes_max;
  return true;
}

/* Bytes that the frame which has begun takes, its length included; just the length's as
 * long as that is not known. */
static size_t begun_bytes(const struct gr_frame_reader *reader) {
  if (reader->end - reader->first < GR_FRAME_LENGTH_BYTES) return GR_FRAME_LENGTH_BYTES;
  return GR_FRAME_LENGTH_BYTES + gr_load_u32(reader->buffer + reader->first);
}

uint8_t *gr_frame_reader_room(struct gr_frame_reader *reader, size_t *size) {
  size_t need = begun_bytes(reader);
  if (need > reader->capacity) {
    /* Grown once for all: what remains of the next frames fits behind the largest one. */
    size_t capacity = GR_FRAME_LENGTH_BYTES + reader->frame_bytes_max + reader->capacity;
    if (!gr_frame_reader_widen(reader, capacity, reader->frame_bytes_max)) return NULL;
  }
  size_t room_min = reader->capacity / 2 < ROOM_BYTES_MIN ? 1 : ROOM_BYTES_MIN;
  size_t kept = reader->end - reader->first;
  if (kept == 0) {
    reader->first = reader->end = 0;
  } else if (reader->first > 0 && (reader->first + need > reader->capacity ||
                                   reader->capacity - reader->end < room_min)) {
    memmove(reader->buffer, reader->buffer + reader->first, kept);
    reader->first = 0;
    reader->end = kept;
  }
  *size = reader->capacity - reader->end;
  return reader->buffer + reader->end;
}

void gr_frame_reader_filled(struct gr_frame_reader *reader, size_t size) {
  reader->end += size;
}

enum gr_frame_result gr_frame_reader_next(struct gr_frame_reader *reader,
                                          gr_slice *frame) {
  size_t kept = reader->end - reader->first;
  if (kept < GR_FRAME_LENGTH_BYTES) return GR_FRAME_PARTIAL;
  const uint8_t *at = reader->buffer + reader->first;
  size_t length = gr_load_u32(at);
  *frame = (gr_slice){.data = at + GR_FRAME_LENGTH_BYTES, .size = length};
  if (length > reader->frame_bytes_max) return GR_FRAME_OVERSIZED;
  if (kept - GR_FRAME_LENGTH_BYTES < length) return GR_FRAME_PARTIAL;
  reader->first += GR_FRAME_LENGTH_BYTES + length;
  return GR_FRAME_READY;
}
