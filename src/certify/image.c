/* SPDX-License-Identifier: MIT
 *
 * The state as bytes: a header, the rows above the floor in their order, and the XXH64 of
 * all before it. The same bytes make the digest, so members with equal digests would
 * export equal images. All numbers are little-endian.
 *
 *   "grcertif" u64 + version | rows_max | window_max | mode | last | floor | watermark |
 *   barrier | rows: u64 each, rows x { hash u64 | mark u64 }, digest u64
 *
 * Rows do not change, so an export only remembers which it has yet to read, and purging
 * leaves those alone until their room is needed.
 */
#include "certify/certifier.h"

#include "base/bytes.h"

/* The version is the low byte. */
#define MAGIC UINT64_C(0x6669747265637201)

/* ---- out ---- */

static struct gr_image_header header_of(const gr_certifier *c) {
  return (struct gr_image_header){.rows_max = c->rows.capacity,
                                  .window_max = c->options.window_max,
                                  .mode = c->mode,
                                  .last = c->last,
                                  .floor = c->floor,
                                  .watermark = c->watermark,
                                  .barrier = c->barrier,
                                  .row_count = c->rows.end - c->rows.live};
}

static void encode_header(uint8_t *at, const struct gr_image_header *header) {
  const uint64_t numbers[] = {MAGIC,
                              header->rows_max,
                              header->window_max,
                              header->mode,
                              header->last,
                              header->floor,
                              header->watermark,
                              header->barrier,
                              header->row_count};
  _Static_assert(sizeof(numbers) == GR_IMAGE_HEADER_BYTES, "");
  for (size_t i = 0; i < sizeof(numbers) / sizeof(numbers[0]); i++)
    gr_store_u64(at + 8 * i, numbers[i]);
}

static void encode_row(uint8_t *at, const struct gr_row *row) {
  gr_store_u64(at, row->hash);
  gr_store_u64(at + 8, row->mark);
}

uint64_t gr_certifier_digest(const gr_certifier *c) {
  uint8_t piece[GR_IMAGE_HEADER_BYTES];
  struct gr_xxh64_stream hash;
  if (!c || c->importing.stage != GR_IMAGE_CLOSED) return 0;
  struct gr_image_header header = header_of(c);
  gr_xxh64_begin(&hash, 0);
  encode_header(piece, &header);
  gr_xxh64_add(&hash, piece, GR_IMAGE_HEADER_BYTES);
  for (uint64_t number = c->rows.live; number < c->rows.end; number++) {
    encode_row(piece, gr_rows_at(&c->rows, number));
    gr_xxh64_add(&hash, piece, GR_IMAGE_ROW_BYTES);
  }
  return gr_xxh64_end(&hash);
}

static void begin(struct gr_image *image) {
  *image =
      (struct gr_image){.stage = GR_IMAGE_HEADER, .piece_size = GR_IMAGE_HEADER_BYTES};
  gr_xxh64_begin(&image->hash, 0);
}

int gr_certifier_export_begin(gr_certifier *c) {
  if (!c) return GR_ERR_INVALID;
  if (c->exporting.stage != GR_IMAGE_CLOSED || c->importing.stage != GR_IMAGE_CLOSED)
    return GR_ERR_STATE;
  begin(&c->exporting);
  c->exporting.next = c->rows.live;
  c->exporting.end = c->rows.end;
  struct gr_image_header header = header_of(c);
  encode_header(c->exporting.piece, &header);
  return GR_OK;
}

/* The piece behind one that was read. */
static void next_piece(gr_certifier *c) {
  struct gr_image *image = &c->exporting;
  image->piece_used = 0;
  if (image->stage == GR_IMAGE_DIGEST) {
    image->stage = GR_IMAGE_DONE;
    image->piece_size = 0;
    return;
  }
  gr_xxh64_add(&image->hash, image->piece, image->piece_size);
  if (image->next < image->end) {
    image->stage = GR_IMAGE_ROWS;
    image->piece_size = GR_IMAGE_ROW_BYTES;
    encode_row(image->piece, gr_rows_at(&c->rows, image->next++));
    return;
  }
  image->stage = GR_IMAGE_DIGEST;
  image->piece_size = GR_IMAGE_DIGEST_BYTES;
  gr_store_u64(image->piece, gr_xxh64_end(&image->hash));
}

int gr_certifier_export_read(gr_certifier *c, void *buffer, size_t capacity,
                             size_t *size) {
  if (!c || !buffer || capacity == 0 || !size) return GR_ERR_INVALID;
  struct gr_image *image = &c->exporting;
  *size = 0;
  if (image->stage == GR_IMAGE_CLOSED) return GR_ERR_STATE;
  if (image->next < image->end && image->next < c->rows.first) return GR_ERR_OVERTAKEN;
  while (*size < capacity && image->stage != GR_IMAGE_DONE) {
    size_t left = image->piece_size - image->piece_used;
    size_t count = capacity - *size < left ? capacity - *size : left;
    memcpy((uint8_t *)buffer + *size, image->piece + image->piece_used, count);
    *size += count;
    image->piece_used += count;
    if (image->piece_used == image->piece_size) next_piece(c);
  }
  return GR_OK;
}

void gr_certifier_export_end(gr_certifier *c) {
  if (c) c->exporting.stage = GR_IMAGE_CLOSED;
}

/* ---- in ---- */

int gr_certifier_import_begin(gr_certifier *c) {
  if (!c) return GR_ERR_INVALID;
  gr_certifier_reset(c, 0, 0);
  c->mode = c->options.mode;
  begin(&c->importing);
  return GR_OK;
}

/* The piece that comes behind the one that was taken. */
static void await(struct gr_image *image) {
  image->stage = image->left > 0 ? GR_IMAGE_ROWS : GR_IMAGE_DIGEST;
  image->piece_size = image->left > 0 ? GR_IMAGE_ROW_BYTES : GR_IMAGE_DIGEST_BYTES;
}

static int take_header(gr_certifier *c) {
  struct gr_image *image = &c->importing;
  struct gr_reader reader = gr_reader_of(image->piece, GR_IMAGE_HEADER_BYTES);
  uint64_t magic = gr_read_u64(&reader);
  if ((magic ^ MAGIC) > UINT8_MAX) return GR_ERR_MALFORMED;
  if (magic != MAGIC) return GR_ERR_PROTOCOL;
  struct gr_image_header header;
  header.rows_max = gr_read_u64(&reader);
  header.window_max = gr_read_u64(&reader);
  header.mode = gr_read_u64(&reader);
  header.last = gr_read_u64(&reader);
  header.floor = gr_read_u64(&reader);
  header.watermark = gr_read_u64(&reader);
  header.barrier = gr_read_u64(&reader);
  header.row_count = gr_read_u64(&reader);
  if (header.rows_max != c->rows.capacity || header.window_max != c->options.window_max)
    return GR_ERR_LIMITS_DIFFER;
  if ((header.mode & ~(uint64_t)GR_CERTIFIER_MODES) != 0 ||
      header.last > GR_CERTIFY_SEQNO_MAX || header.floor > header.last ||
      header.watermark > header.floor || header.barrier > header.last ||
      (header.barrier > 0 && header.barrier <= header.floor) ||
      header.row_count > header.rows_max)
    return GR_ERR_MALFORMED;
  image->header = header;
  image->left = header.row_count;
  return GR_OK;
}

static int take_row(gr_certifier *c) {
  struct gr_image *image = &c->importing;
  struct gr_row row = {gr_load_u64(image->piece), gr_load_u64(image->piece + 8)};
  gr_seqno seqno = gr_row_seqno(&row), before = image->header.floor + 1;
  if (c->rows.end > 0) before = gr_row_seqno(gr_rows_at(&c->rows, c->rows.end - 1));
  if (seqno < before || seqno > image->header.last) return GR_ERR_MALFORMED;
  gr_certifier_append(c, row);
  image->left--;
  return GR_OK;
}

static int take_digest(gr_certifier *c) {
  struct gr_image *image = &c->importing;
  image->stage = GR_IMAGE_DONE;
  return gr_load_u64(image->piece) == gr_xxh64_end(&image->hash) ? GR_OK : GR_ERR_CORRUPT;
}

static int take_piece(gr_certifier *c) {
  struct gr_image *image = &c->importing;
  image->piece_used = 0;
  if (image->stage == GR_IMAGE_DIGEST) return take_digest(c);
  int error = image->stage == GR_IMAGE_HEADER ? take_header(c) : take_row(c);
  gr_xxh64_add(&image->hash, image->piece, image->piece_size);
  await(image);
  return error;
}

int gr_certifier_import_write(gr_certifier *c, gr_slice bytes) {
  if (!c || (!bytes.data && bytes.size > 0)) return GR_ERR_INVALID;
  struct gr_image *image = &c->importing;
  if (image->stage == GR_IMAGE_CLOSED) return GR_ERR_STATE;
  const uint8_t *at = bytes.data;
  size_t left = bytes.size;
  while (left > 0) {
    size_t room = image->piece_size - image->piece_used;
    size_t count = left < room ? left : room;
    int error = image->stage == GR_IMAGE_DONE ? GR_ERR_MALFORMED : GR_OK;
    if (error == GR_OK) {
      memcpy(image->piece + image->piece_used, at, count);
      image->piece_used += count;
      if (image->piece_used == image->piece_size) error = take_piece(c);
    }
    if (error != GR_OK) {
      gr_certifier_reset(c, 0, 0);
      return error;
    }
    at += count;
    left -= count;
  }
  return GR_OK;
}

int gr_certifier_import_end(gr_certifier *c) {
  if (!c) return GR_ERR_INVALID;
  if (c->importing.stage == GR_IMAGE_CLOSED) return GR_ERR_STATE;
  if (c->importing.stage != GR_IMAGE_DONE) {
    gr_certifier_reset(c, 0, 0);
    return GR_ERR_MALFORMED;
  }
  const struct gr_image_header *header = &c->importing.header;
  c->mode = (uint32_t)header->mode;
  c->last = header->last;
  c->floor = header->floor;
  c->watermark = header->watermark;
  c->barrier = header->barrier;
  c->importing.stage = GR_IMAGE_CLOSED;
  return GR_OK;
}
