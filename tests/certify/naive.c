/* SPDX-License-Identifier: MIT
 *
 * See naive.h.
 */
#include "naive.h"

bool naive_conflicts(enum gr_key_kind mine, enum gr_key_kind committed) {
  static const bool table[3][3] = {
      [GR_KEY_SHARED] = {[GR_KEY_EXCLUSIVE] = true},
      [GR_KEY_REFERENCE] = {[GR_KEY_EXCLUSIVE] = true},
      [GR_KEY_EXCLUSIVE] = {[GR_KEY_REFERENCE] = true, [GR_KEY_EXCLUSIVE] = true},
  };
  return table[mine][committed];
}

static void raise_floor(struct naive *naive, gr_seqno floor) {
  uint32_t kept = 0;
  if (floor <= naive->floor) return;
  naive->floor = floor;
  for (uint32_t i = 0; i < naive->row_count; i++)
    if (naive->rows[i].seqno > floor) naive->rows[kept++] = naive->rows[i];
  naive->row_count = kept;
}

void naive_stable(struct naive *naive, gr_seqno watermark) {
  if (watermark > naive->watermark) naive->watermark = watermark;
  if (watermark > naive->last) naive->last = watermark;
  raise_floor(naive, watermark);
}

static uint32_t stored_count(const struct naive_write_set *set) {
  uint32_t count = 0;
  for (uint32_t i = 0; i < set->key_count; i++)
    if (set->keys[i].kind != GR_KEY_SHARED) count++;
  return count;
}

static bool is_barrier(const struct naive_write_set *set) {
  bool says_nothing = set->key_count == 0 && !(set->flags & GR_WRITESET_READ_ONLY);
  return says_nothing || (set->flags & GR_WRITESET_BARRIER);
}

static gr_seqno greater(gr_seqno a, gr_seqno b) {
  return a > b ? a : b;
}

/* The last one that committed what this key meets; 0: none. */
static gr_seqno last_met(const struct naive *naive, gr_key key) {
  gr_seqno last = 0;
  for (uint32_t i = 0; i < naive->row_count; i++) {
    const struct naive_row *row = &naive->rows[i];
    if (row->key.hash == key.hash && naive_conflicts(key.kind, row->key.kind))
      last = greater(last, row->seqno);
  }
  return last;
}

static gr_certifier_verdict judge(const struct naive *naive, gr_seqno seqno,
                                  const struct naive_write_set *set) {
  bool strict = naive->mode & GR_CERTIFIER_STRICT;
  bool judges = !(naive->mode & GR_CERTIFIER_DEPENDENCIES_ONLY);
  if (strict && (set->flags & GR_WRITESET_SERIALIZABLE))
    return (gr_certifier_verdict){.kind = GR_VERDICT_REFUSED_SERIALIZABLE};
  if (strict && (set->flags & GR_WRITESET_CASCADING))
    return (gr_certifier_verdict){.kind = GR_VERDICT_REFUSED_CASCADING};
  if (stored_count(set) > naive->rows_max)
    return (gr_certifier_verdict){.kind = GR_VERDICT_TOO_LARGE};
  if (judges && set->snapshot != GR_SNAPSHOT_NONE && set->snapshot < naive->floor)
    return (gr_certifier_verdict){.kind = GR_VERDICT_TOO_OLD};
  gr_seqno depends_on = greater(naive->floor, naive->barrier);
  for (uint32_t i = 0; i < set->key_count; i++) {
    gr_seqno met = last_met(naive, set->keys[i]);
    if (judges && set->snapshot != GR_SNAPSHOT_NONE && met > set->snapshot)
      return (gr_certifier_verdict){.kind = GR_VERDICT_CONFLICT, .key = i, .winner = met};
    depends_on = greater(depends_on, met);
  }
  if (is_barrier(set)) depends_on = seqno - 1;
  return (gr_certifier_verdict){.kind = GR_VERDICT_COMMIT, .depends_on = depends_on};
}

static void remember(struct naive *naive, gr_seqno seqno,
                     const struct naive_write_set *set) {
  while (naive->row_count + stored_count(set) > naive->rows_max)
    raise_floor(naive, naive->rows[0].seqno);
  for (uint32_t i = 0; i < set->key_count; i++)
    if (set->keys[i].kind != GR_KEY_SHARED)
      naive->rows[naive->row_count++] = (struct naive_row){set->keys[i], seqno};
  if (is_barrier(set)) naive->barrier = seqno;
}

int naive_certify(struct naive *naive, gr_seqno seqno, const struct naive_write_set *set,
                  gr_certifier_verdict *verdict) {
  if (seqno <= naive->last) return GR_ERR_INVALID;
  if (set->snapshot != GR_SNAPSHOT_NONE && set->snapshot >= seqno)
    return GR_ERR_MALFORMED;
  if ((set->flags & GR_WRITESET_READ_ONLY) && stored_count(set) > 0)
    return GR_ERR_MALFORMED;
  naive->last = seqno;
  if (naive->window_max > 0 && seqno - 1 > naive->window_max)
    raise_floor(naive, seqno - 1 - naive->window_max);
  *verdict = judge(naive, seqno, set);
  if (verdict->kind == GR_VERDICT_COMMIT) remember(naive, seqno, set);
  return GR_OK;
}
