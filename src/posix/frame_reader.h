/* SPDX-License-Identifier: MIT
 *
 * Cuts the byte stream of one connection into frames: u32 length, then that many bytes.
 * The frames are handed out in place. Pure: the owner reads from the socket into the room
 * that it is given.
 *
 *   buffer:  [ consumed | whole and partial frames | room ]
 *            0          first                      end    capacity
 *
 * A length is checked before a byte of its frame is kept, so a peer cannot make us buffer
 * more than the largest frame.
 */
#ifndef GR_POSIX_FRAME_READER_H
#define GR_POSIX_FRAME_READER_H

#include <gr/types.h>

#define GR_FRAME_LENGTH_BYTES 4

struct gr_frame_reader {
  uint8_t *buffer;
  size_t capacity;
  size_t first;
  size_t end;
  size_t frame_bytes_max;
};

enum gr_frame_result {
  GR_FRAME_READY,    /* a frame was cut */
  GR_FRAME_PARTIAL,  /* nothing whole: read more */
  GR_FRAME_OVERSIZED /* the announced length exceeds the limit: close the connection */
};

/* False if there is no memory. */
bool gr_frame_reader_init(struct gr_frame_reader *reader, size_t capacity,
                          size_t frame_bytes_max);
void gr_frame_reader_free(struct gr_frame_reader *reader);

/* Raises the capacity and the limit, and keeps the bytes. False if there is no memory. */
bool gr_frame_reader_widen(struct gr_frame_reader *reader, size_t capacity,
                           size_t frame_bytes_max);

/* Room for the next read: never empty, and enough that a frame which has begun can be
 * completed. To be called when gr_frame_reader_next() answered GR_FRAME_PARTIAL. NULL if
 * there is no memory. */
uint8_t *gr_frame_reader_room(struct gr_frame_reader *reader, size_t *size);

/* `size` bytes were read into the room. */
void gr_frame_reader_filled(struct gr_frame_reader *reader, size_t size);

/* Cuts the next frame; it is valid until the next call of gr_frame_reader_room(). On
 * GR_FRAME_OVERSIZED, `frame->size` is the announced length. */
enum gr_frame_result gr_frame_reader_next(struct gr_frame_reader *reader,
                                          gr_slice *frame);

#endif
