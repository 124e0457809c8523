/* SPDX-License-Identifier: MIT
 *
 * The certifier's state. What sways verdicts is {mode, last, floor, watermark, barrier,
 * rows above the floor}, a pure function of the calls: the image (image.c) is exactly
 * that.
 *
 *   certifier.c  life cycle, queries, the floor
 *   judge.c      verdicts, remembering, purging
 *   image.c      the state as bytes: export, import, digest
 */
#ifndef GR_CERTIFY_CERTIFIER_H
#define GR_CERTIFY_CERTIFIER_H

#include "base/xxh64.h"
#include "certify/index.h"

/* What is not rows and index: part of the published formula of rows_max. */
#define GR_CERTIFIER_FIXED_BYTES 4096

/* A bucket and its rows. */
#define GR_CERTIFIER_UNIT_BYTES                                                          \
  (sizeof(struct gr_bucket) + GR_BUCKET_ROWS * sizeof(struct gr_row))

_Static_assert(GR_CERTIFIER_UNIT_BYTES == 208, "published: nine rows in 208 bytes");

#define GR_CERTIFIER_MODES (GR_CERTIFIER_STRICT | GR_CERTIFIER_DEPENDENCIES_ONLY)

#define GR_IMAGE_HEADER_BYTES 72
#define GR_IMAGE_ROW_BYTES 16
#define GR_IMAGE_DIGEST_BYTES 8

struct gr_image_header {
  uint64_t rows_max;
  uint64_t window_max;
  uint64_t mode;
  gr_seqno last;
  gr_seqno floor;
  gr_seqno watermark;
  gr_seqno barrier;
  uint64_t row_count;
};

/* The image is read and written in pieces of any size; `piece` is the part of it, header,
 * row or digest, that is half read or written. */
enum gr_image_stage {
  GR_IMAGE_CLOSED = 0,
  GR_IMAGE_HEADER,
  GR_IMAGE_ROWS,
  GR_IMAGE_DIGEST,
  GR_IMAGE_DONE
};

struct gr_image {
  enum gr_image_stage stage; /* of the piece */
  uint8_t piece[GR_IMAGE_HEADER_BYTES];
  size_t piece_size;
  size_t piece_used;
  struct gr_xxh64_stream hash; /* of all whole pieces */
  struct gr_image_header header;
  uint64_t next; /* export: number of the next row; those from here to `end` must stay */
  uint64_t end;
  uint64_t left; /* import: rows to come */
};

/* Announced keys whose buckets are on their way to the cache: enough to hide memory. */
#define GR_ANNOUNCED 16

struct gr_certifier {
  struct gr_rows rows;
  struct gr_index index;
  uint32_t mode;
  gr_seqno last;
  gr_seqno floor;
  gr_seqno watermark;
  gr_seqno barrier;
  uint64_t announced[GR_ANNOUNCED]; /* hashes, from `announced_next` on in the order of
                                       coming */
  uint32_t announced_next;
  uint64_t announced_count; /* keys whose turn is still to come */
  struct gr_image exporting;
  struct gr_image importing;
  gr_certifier_options options; /* with defaults filled in */
  uint64_t verdicts[GR_VERDICT_TOO_LARGE + 1];
  uint64_t purged;
  gr_allocator allocator;
  size_t footprint;
};

_Static_assert(sizeof(struct gr_certifier) <= GR_CERTIFIER_FIXED_BYTES, "");

/* Forgets all; `last`, floor and watermark are as given. */
void gr_certifier_reset(gr_certifier *c, gr_seqno floor, gr_seqno watermark);

/* The floor never falls. */
void gr_certifier_raise(gr_certifier *c, gr_seqno floor);

/* Takes a row behind all others; there must be room. */
void gr_certifier_append(gr_certifier *c, struct gr_row row);

#endif
