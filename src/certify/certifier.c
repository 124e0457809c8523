/* SPDX-License-Identifier: MIT
 *
 * Life cycle and queries of a certifier, and its floor.
 */
#include "certify/certifier.h"

#include "base/carve.h"
#include "base/default_allocator.h"
#include "base/fill.h"

#define DEFAULT_MEMORY_BYTES (UINT64_C(64) << 20)

/* ---- life cycle ---- */

static int copy_options(gr_certifier_options *copy, const gr_certifier_options *options) {
  if (!options || options->size < sizeof(options->size)) return GR_ERR_INVALID;
  if (options->size > sizeof(*copy)) return GR_ERR_VERSION;
  *copy = (gr_certifier_options){0};
  memcpy(copy, options, options->size);
  copy->size = sizeof(*copy);
  if (copy->memory_bytes_max == 0) copy->memory_bytes_max = DEFAULT_MEMORY_BYTES;
  if (copy->window_max == 0) copy->window_max = GR_CERTIFY_SEQNO_MAX;
  if (copy->memory_bytes_max < GR_CERTIFIER_BYTES_MIN ||
      copy->memory_bytes_max > GR_CERTIFIER_BYTES_MAX ||
      copy->window_max > GR_CERTIFY_SEQNO_MAX || (copy->mode & ~GR_CERTIFIER_MODES) != 0)
    return GR_ERR_INVALID;
  return GR_OK;
}

/* The places of all rows, plus one, must fit. */
static uint32_t place_mask(uint32_t capacity) {
  uint32_t mask = 1;
  while (mask < capacity) mask = mask << 1 | 1;
  return mask;
}

static gr_certifier *carve(struct gr_carver *carver,
                           const gr_certifier_options *options) {
  uint64_t units =
      (options->memory_bytes_max - GR_CERTIFIER_FIXED_BYTES) / GR_CERTIFIER_UNIT_BYTES;
  gr_certifier *c = gr_carve(carver, 1, sizeof(*c));
  struct gr_bucket *buckets = gr_carve(carver, units, sizeof(*buckets));
  struct gr_row *ring = gr_carve(carver, units * GR_BUCKET_ROWS, sizeof(*ring));
  if (!carver->memory) return NULL;
  uint32_t capacity = (uint32_t)(units * GR_BUCKET_ROWS);
  *c = (gr_certifier){.rows = {.ring = ring, .capacity = capacity},
                      .index = {.buckets = buckets,
                                .bucket_count = (uint32_t)units,
                                .place_mask = place_mask(capacity)},
                      .mode = options->mode,
                      .options = *options};
  memset(ring, 0, capacity * sizeof(*ring)); /* no call waits for the system's pages */
  gr_certifier_reset(c, 0, 0);
  return c;
}

int gr_certifier_new(gr_certifier **certifier, const gr_certifier_options *options,
                     const gr_allocator *allocator) {
  if (!certifier) return GR_ERR_INVALID;
  *certifier = NULL;
  if (allocator && (!allocator->allocate || !allocator->release)) return GR_ERR_INVALID;
  gr_certifier_options checked;
  int error = copy_options(&checked, options);
  if (error != GR_OK) return error;
  gr_allocator memory = allocator ? *allocator : gr_default_allocator();
  struct gr_carver carver = {0};
  carve(&carver, &checked);
  size_t size = carver.used;
  carver = (struct gr_carver){
      .memory = memory.allocate(memory.context, size, GR_CARVE_ALIGNMENT)};
  if (!carver.memory) return GR_ERR_NO_MEMORY;
  *certifier = carve(&carver, &checked);
  (*certifier)->allocator = memory;
  (*certifier)->footprint = size;
  return GR_OK;
}

void gr_certifier_free(gr_certifier *c) {
  if (!c) return;
  gr_allocator memory = c->allocator;
  memory.release(memory.context, c, c->footprint);
}

void gr_certifier_reset(gr_certifier *c, gr_seqno floor, gr_seqno watermark) {
  memset(c->index.buckets, 0, c->index.bucket_count * sizeof(*c->index.buckets));
  c->rows.first_place = 0;
  c->rows.first = c->rows.live = c->rows.end = 0;
  c->last = c->floor = floor;
  c->watermark = watermark;
  c->barrier = 0;
  c->exporting.stage = GR_IMAGE_CLOSED;
  c->importing.stage = GR_IMAGE_CLOSED;
}

int gr_certifier_begin_at(gr_certifier *c, gr_seqno floor, gr_seqno watermark) {
  if (!c || floor > GR_CERTIFY_SEQNO_MAX || watermark > floor) return GR_ERR_INVALID;
  gr_certifier_reset(c, floor, watermark);
  return GR_OK;
}

/* ---- the floor ---- */

void gr_certifier_raise(gr_certifier *c, gr_seqno floor) {
  if (floor <= c->floor) return;
  c->floor = floor;
  if (c->barrier <= floor) c->barrier = 0; /* what depends on it depends on the floor */
  gr_rows_raise(&c->rows, floor);
}

int gr_certifier_stable(gr_certifier *c, gr_seqno watermark) {
  if (!c || watermark > GR_CERTIFY_SEQNO_MAX) return GR_ERR_INVALID;
  if (c->importing.stage != GR_IMAGE_CLOSED) return GR_ERR_STATE;
  if (watermark > c->watermark) c->watermark = watermark;
  if (watermark > c->last) c->last = watermark;
  gr_certifier_raise(c, watermark);
  return GR_OK;
}

int gr_certifier_mode(gr_certifier *c, uint32_t mode) {
  if (!c || (mode & ~GR_CERTIFIER_MODES) != 0) return GR_ERR_INVALID;
  if (c->importing.stage != GR_IMAGE_CLOSED) return GR_ERR_STATE;
  c->mode = mode;
  return GR_OK;
}

/* ---- queries ---- */

int gr_certifier_inspect(const gr_certifier *c, gr_certifier_status *status) {
  if (!c || !status) return GR_ERR_INVALID;
  const uint64_t *verdicts = c->verdicts;
  gr_certifier_status now = {
      .last = c->last,
      .floor = c->floor,
      .watermark = c->watermark,
      .barrier = c->barrier,
      .mode = c->mode,
      .rows = c->rows.end - c->rows.live,
      .rows_held = c->rows.end - c->rows.first,
      .rows_max = c->rows.capacity,
      .bytes = c->footprint,
      .committed = verdicts[GR_VERDICT_COMMIT],
      .conflicts = verdicts[GR_VERDICT_CONFLICT],
      .too_old = verdicts[GR_VERDICT_TOO_OLD],
      .refused_serializable = verdicts[GR_VERDICT_REFUSED_SERIALIZABLE],
      .refused_cascading = verdicts[GR_VERDICT_REFUSED_CASCADING],
      .too_large = verdicts[GR_VERDICT_TOO_LARGE],
      .purged = c->purged,
  };
  return gr_fill_in(status, status->size, &now, sizeof(now));
}
