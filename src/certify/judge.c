/* SPDX-License-Identifier: MIT
 *
 * Verdicts. A search of the table misses the cache once or twice; so all buckets of a
 * write set are called for first, then the rows that they name, and only then is anything
 * decided.
 *
 * Nothing here asks whether a row that was found is dead, up to the floor. A snapshot
 * below the floor is too old before its keys are looked at; for any other a dead row is
 * no conflict, and as a dependency it is one on the floor, which everything has.
 */
#include "certify/certifier.h"

#include "base/assert.h"
#include "base/fill.h"
#include "certify/write_set.h"

/* Keys that are under way to the cache at a time: enough to hide memory, and few enough
 * not to push each other out. */
#define AHEAD 16

/* Dead rows purged for each call: for each key that it may add two, so that a backlog
 * shrinks, and a few more, so that it does where little is added. */
#define PURGE_FIXED 16
#define PURGE_PER_KEY 2

/* ---- the path to the cache ---- */

static void prefetch_buckets(const struct gr_index *index, const struct gr_write_set *set,
                             uint32_t from, uint32_t to) {
  if (to > set->key_count) to = set->key_count;
  for (uint32_t i = from; i < to; i++)
    gr_index_prefetch(index, gr_write_set_hash(set, i));
}

static void prefetch_rows(const gr_certifier *c, const struct gr_write_set *set,
                          uint32_t from, uint32_t to) {
  if (to > set->key_count) to = set->key_count;
  for (uint32_t i = from; i < to; i++)
    gr_index_prefetch_rows(&c->index, c->rows.ring, gr_write_set_hash(set, i));
}

/* The rows of a key can be called for only when its bucket has come: so keys wait in a
 * ring while others are announced. */
static void announce(gr_certifier *c, uint64_t hash) {
  uint64_t *place = &c->announced[c->announced_next++ % GR_ANNOUNCED];
  c->announced_count++;
  gr_index_prefetch_rows(&c->index, c->rows.ring, *place);
  gr_index_prefetch(&c->index, hash);
  *place = hash;
}

void gr_certifier_prefetch(gr_certifier *c, gr_slice write_set) {
  struct gr_write_set set;
  if (!c || gr_write_set_decode_header(&set, write_set) != GR_OK) return;
  for (uint32_t i = 0; i < set.key_count && i < GR_ANNOUNCED; i++)
    announce(c, gr_write_set_hash(&set, i));
}

/* Whether all keys of the next write set are on their way already. A guess: who is
 * announced is counted, not remembered. If something else comes, it only takes longer. */
static bool was_announced(gr_certifier *c, uint32_t key_count) {
  bool guess = key_count <= GR_ANNOUNCED && key_count <= c->announced_count;
  c->announced_count -= key_count < c->announced_count ? key_count : c->announced_count;
  return guess;
}

/* ---- purging ---- */

/* Forgets up to `count` dead rows. Those that will be next are called for: the buckets of
 * some, and the rows that say which buckets those behind have. */
static void purge(gr_certifier *c, uint64_t count) {
  struct gr_rows *rows = &c->rows;
  uint64_t until = rows->live - rows->first < count ? rows->live : rows->first + count;
  c->purged += until - rows->first;
  while (rows->first < until) {
    if (rows->first + 8 * AHEAD < rows->end)
      gr_prefetch(gr_rows_at(rows, rows->first + 8 * AHEAD));
    if (rows->first + 2 * AHEAD < rows->end)
      gr_index_prefetch(&c->index, gr_rows_at(rows, rows->first + 2 * AHEAD)->hash);
    gr_index_remove(&c->index, gr_rows_at(rows, rows->first)->hash, rows->first_place);
    gr_rows_drop(rows);
  }
}

/* A part of what is dead and that no export has yet to read. */
static void purge_some(gr_certifier *c, uint32_t key_count) {
  uint64_t count = PURGE_FIXED + PURGE_PER_KEY * (uint64_t)key_count;
  const struct gr_image *image = &c->exporting;
  bool reading = image->stage != GR_IMAGE_CLOSED && image->next < image->end;
  if (reading && image->next >= c->rows.first && image->next - c->rows.first < count)
    count = image->next - c->rows.first;
  purge(c, count);
}

/* Room for `count` rows, by letting the oldest transactions go as far as they must: first
 * as far as verdicts are concerned, and then the rows themselves, read or not. */
static void make_room(gr_certifier *c, uint32_t count) {
  struct gr_rows *rows = &c->rows;
  while (rows->end - rows->live > rows->capacity - count)
    gr_certifier_raise(c, gr_row_seqno(gr_rows_at(rows, rows->live)));
  uint64_t held = rows->end - rows->first;
  if (held > rows->capacity - count) purge(c, held - (rows->capacity - count));
}

/* ---- verdicts ---- */

/* Everything depends on the floor: of what lies below nobody knows what it touched. */
static gr_seqno least_dependency(const gr_certifier *c, gr_seqno seqno,
                                 const struct gr_write_set *set) {
  if (gr_write_set_is_barrier(set)) return seqno - 1;
  return c->barrier > c->floor ? c->barrier : c->floor;
}

/* Looks at all keys, in their order, until one conflicts. */
static void judge_keys(const gr_certifier *c, const struct gr_write_set *set,
                       gr_seqno snapshot, gr_certifier_verdict *verdict) {
  if (!set->is_near) {
    prefetch_buckets(&c->index, set, 0, 2 * AHEAD);
    prefetch_rows(c, set, 0, AHEAD);
  }
  for (uint32_t i = 0; i < set->key_count; i++) {
    if (i % AHEAD == 0 && i > 0) {
      prefetch_buckets(&c->index, set, i + AHEAD, i + 2 * AHEAD);
      prefetch_rows(c, set, i, i + AHEAD);
    }
    gr_seqno newest = gr_index_newest(&c->index, c->rows.ring, gr_write_set_hash(set, i),
                                      gr_write_set_kind(set, i));
    if (newest > snapshot) {
      verdict->kind = GR_VERDICT_CONFLICT;
      verdict->key = i;
      verdict->winner = newest;
      return;
    }
    if (newest > verdict->depends_on) verdict->depends_on = newest;
  }
}

static gr_certifier_verdict judge(const gr_certifier *c, gr_seqno seqno,
                                  const struct gr_write_set *set) {
  gr_certifier_verdict verdict = {.kind = GR_VERDICT_COMMIT};
  bool strict = (c->mode & GR_CERTIFIER_STRICT) != 0;
  bool conflicts = (c->mode & GR_CERTIFIER_DEPENDENCIES_ONLY) == 0;
  if (strict && (set->flags & GR_WRITESET_SERIALIZABLE) != 0) {
    verdict.kind = GR_VERDICT_REFUSED_SERIALIZABLE;
  } else if (strict && (set->flags & GR_WRITESET_CASCADING) != 0) {
    verdict.kind = GR_VERDICT_REFUSED_CASCADING;
  } else if (set->stored_count > c->rows.capacity) {
    verdict.kind = GR_VERDICT_TOO_LARGE;
  } else if (conflicts && set->snapshot < c->floor) {
    verdict.kind = GR_VERDICT_TOO_OLD;
  } else {
    verdict.depends_on = least_dependency(c, seqno, set);
    judge_keys(c, set, conflicts ? set->snapshot : GR_SNAPSHOT_NONE, &verdict);
  }
  if (verdict.kind != GR_VERDICT_COMMIT) verdict.depends_on = 0;
  return verdict;
}

void gr_certifier_append(gr_certifier *c, struct gr_row row) {
  gr_index_put(&c->index, c->rows.ring, gr_rows_append(&c->rows, row));
}

/* Remembers what the transaction touched. */
static void remember(gr_certifier *c, gr_seqno seqno, const struct gr_write_set *set) {
  make_room(c, set->stored_count);
  for (uint32_t i = 0; i < set->key_count; i++) {
    enum gr_key_kind kind = gr_write_set_kind(set, i);
    if (i >= AHEAD && i % AHEAD == 0) prefetch_buckets(&c->index, set, i, i + AHEAD);
    if (kind == GR_KEY_SHARED) continue;
    gr_certifier_append(c, (struct gr_row){gr_write_set_hash(set, i),
                                           gr_row_mark(seqno, kind)});
  }
  if (gr_write_set_is_barrier(set)) c->barrier = seqno;
}

/* ---- calls ---- */

/* Whether it may be the next one, and what it holds. */
static int take(const gr_certifier *c, gr_seqno seqno, gr_slice bytes,
                struct gr_write_set *set) {
  if (c->importing.stage != GR_IMAGE_CLOSED) return GR_ERR_STATE;
  if (seqno <= c->last || seqno > GR_CERTIFY_SEQNO_MAX) return GR_ERR_INVALID;
  int error = gr_write_set_decode(set, bytes);
  if (error != GR_OK) return error;
  bool possible = set->snapshot == GR_SNAPSHOT_NONE || set->snapshot < seqno;
  return possible ? GR_OK : GR_ERR_MALFORMED;
}

/* The order has come to `seqno`. */
static void advance(gr_certifier *c, gr_seqno seqno) {
  uint64_t window = c->options.window_max;
  c->last = seqno;
  if (seqno - 1 > window) gr_certifier_raise(c, seqno - 1 - window);
}

int gr_certifier_certify(gr_certifier *c, gr_seqno seqno, gr_slice write_set,
                         gr_certifier_verdict *verdict) {
  struct gr_write_set set;
  if (!c || !verdict || verdict->size < sizeof(verdict->size)) return GR_ERR_INVALID;
  int error = take(c, seqno, write_set, &set);
  if (error != GR_OK) return error;
  set.is_near = was_announced(c, set.key_count);
  if (!set.is_near) prefetch_buckets(&c->index, &set, 0, AHEAD);
  advance(c, seqno);
  purge_some(c, set.stored_count);
  gr_certifier_verdict judged = judge(c, seqno, &set);
  if (judged.kind == GR_VERDICT_COMMIT) remember(c, seqno, &set);
  c->verdicts[judged.kind]++;
  return gr_fill_in(verdict, verdict->size, &judged, sizeof(judged));
}

int gr_certifier_record(gr_certifier *c, gr_seqno seqno, gr_slice write_set,
                        bool committed, gr_seqno *depends_on) {
  struct gr_write_set set = {.flags = GR_WRITESET_READ_ONLY};
  gr_certifier_verdict verdict = {.kind = GR_VERDICT_COMMIT};
  if (!c) return GR_ERR_INVALID;
  static const uint8_t nothing[GR_WRITESET_HEADER_BYTES] = {GR_WRITE_SET_VERSION};
  bool absent = !committed && write_set.size == 0;
  gr_slice bytes = absent ? (gr_slice){nothing, sizeof(nothing)} : write_set;
  int error = take(c, seqno, bytes, &set);
  if (error != GR_OK) return error;
  if (committed && set.stored_count > c->rows.capacity) return GR_ERR_TOO_LARGE;
  advance(c, seqno);
  purge_some(c, set.stored_count);
  if (committed) {
    verdict.depends_on = least_dependency(c, seqno, &set);
    judge_keys(c, &set, GR_SNAPSHOT_NONE, &verdict);
    remember(c, seqno, &set);
  }
  if (depends_on) *depends_on = verdict.depends_on;
  return GR_OK;
}
