/* SPDX-License-Identifier: MIT
 *
 * See lockstep.h.
 */
#include "lockstep.h"

#include "certify/write_set.h"

#include <string.h>

#define ENCODED_MAX (GR_WRITESET_HEADER_BYTES + NAIVE_KEYS_MAX * GR_WRITESET_KEY_BYTES)
#define CALLS_MAX 256 /* a power of two */
#define CHUNK_MAX 256

enum call_kind { CALL_CERTIFY, CALL_STABLE, CALL_MODE };

/* A call that changed the state, to be made again elsewhere. */
struct call {
  enum call_kind kind;
  gr_seqno seqno;
  uint32_t mode;
  uint8_t bytes[ENCODED_MAX];
  size_t size;
  gr_certifier_verdict verdict;
};

struct lockstep {
  lockstep_choose *choose;
  void *context;
  struct lockstep_counts *counts;
  struct naive naive;
  gr_certifier *real;
  gr_certifier *other;
  uint64_t key_count;
  uint64_t snapshot_reach;
  uint64_t hash_factor; /* 0: hashes that all meet in one place of the table */
  bool exporting;
  uint64_t export_call; /* the first call behind the exported state */
  struct call calls[CALLS_MAX];
  uint64_t call_count;
};

/* False, and the message is kept, at the first check that fails. */
#define CHECK(condition, text)                                                           \
  do {                                                                                   \
    if (!(condition)) return (text);                                                     \
  } while (0)

static uint64_t choose(struct lockstep *l, uint64_t bound) {
  return l->choose(l->context, bound);
}

/* ---- write sets ---- */

static gr_key choose_key(struct lockstep *l) {
  static const enum gr_key_kind kinds[] = {GR_KEY_EXCLUSIVE, GR_KEY_EXCLUSIVE,
                                           GR_KEY_REFERENCE, GR_KEY_SHARED};
  uint64_t chosen = choose(l, 4 * l->key_count);
  uint64_t key = chosen / 4 + 1;
  uint64_t spread = key * UINT64_C(0x9e3779b97f4a7c15);
  return (gr_key){l->hash_factor == 0 ? key : (spread ^ spread >> 29) * l->hash_factor,
                  kinds[chosen % 4]};
}

static gr_seqno choose_snapshot(struct lockstep *l, gr_seqno seqno) {
  uint64_t back = choose(l, l->snapshot_reach + 2);
  if (back == l->snapshot_reach + 1) return GR_SNAPSHOT_NONE;
  if (back == l->snapshot_reach) return seqno + choose(l, 2); /* that is ahead */
  return seqno - 1 > back ? seqno - 1 - back : 0;
}

static struct naive_write_set choose_write_set(struct lockstep *l, gr_seqno seqno) {
  struct naive_write_set set = {.snapshot = choose_snapshot(l, seqno)};
  uint64_t rare = choose(l, 256);
  if (rare < 16) set.flags = (uint32_t)rare;
  set.key_count =
      rare == 16 ? 0 : (uint32_t)(1 + choose(l, rare < 48 ? NAIVE_KEYS_MAX : 4));
  for (uint32_t i = 0; i < set.key_count; i++) set.keys[i] = choose_key(l);
  return set;
}

static size_t encode(uint8_t *bytes, const struct naive_write_set *set) {
  struct gr_write_set header = {.snapshot = set->snapshot,
                                .flags = set->flags,
                                .key_count = set->key_count};
  gr_write_set_encode_header(bytes, &header);
  uint8_t *at = bytes + GR_WRITESET_HEADER_BYTES;
  for (uint32_t i = 0; i < set->key_count; i++, at += GR_WRITESET_KEY_BYTES) {
    gr_store_u64(at, set->keys[i].hash);
    at[8] = (uint8_t)set->keys[i].kind;
  }
  return (size_t)(at - bytes);
}

/* ---- calls, to both ---- */

static bool same_verdict(const gr_certifier_verdict *a, const gr_certifier_verdict *b) {
  return a->kind == b->kind && a->key == b->key && a->winner == b->winner &&
         a->depends_on == b->depends_on;
}

static struct call *next_call(struct lockstep *l) {
  return &l->calls[l->call_count % CALLS_MAX];
}

static const char *certify(struct lockstep *l) {
  struct call *call = next_call(l);
  gr_seqno seqno = l->naive.last + 1;
  if (choose(l, 8) == 0) seqno += choose(l, 3) - 1; /* may wrap: none ascends, then */
  struct naive_write_set set = choose_write_set(l, seqno);
  gr_certifier_verdict expected = {.kind = GR_VERDICT_COMMIT};
  call->kind = CALL_CERTIFY;
  call->seqno = seqno;
  call->size = encode(call->bytes, &set);
  call->verdict.size = sizeof(call->verdict);
  gr_seqno floor = l->naive.floor;
  int error = naive_certify(&l->naive, seqno, &set, &expected);
  gr_slice bytes = {call->bytes, call->size};
  if (seqno % 2 == 0) gr_certifier_prefetch(l->real, bytes); /* which changes nothing */
  CHECK(gr_certifier_certify(l->real, seqno, bytes, &call->verdict) == error,
        "both accept the call, or both refuse it alike");
  l->counts->refused_calls += error != GR_OK;
  if (error != GR_OK) return NULL;
  l->counts->certifications++;
  CHECK(same_verdict(&call->verdict, &expected), "the verdict is the naive one's");
  l->counts->verdicts[expected.kind]++;
  l->counts->forced += l->naive.floor != floor;
  l->call_count++;
  return NULL;
}

static const char *stable(struct lockstep *l) {
  struct call *call = next_call(l);
  uint64_t back = choose(l, 24);
  gr_seqno ahead = choose(l, 32) == 0 ? 3 : 0;
  call->kind = CALL_STABLE;
  call->seqno = (l->naive.last > back ? l->naive.last - back : 0) + ahead;
  naive_stable(&l->naive, call->seqno);
  CHECK(gr_certifier_stable(l->real, call->seqno) == GR_OK, "a mark is taken");
  l->call_count++;
  return NULL;
}

static const char *change_mode(struct lockstep *l) {
  struct call *call = next_call(l);
  call->kind = CALL_MODE;
  call->mode = (uint32_t)choose(l, 4);
  l->naive.mode = call->mode;
  CHECK(gr_certifier_mode(l->real, call->mode) == GR_OK, "every mode can be set");
  l->call_count++;
  return NULL;
}

/* ---- another one takes over ---- */

static const char *repeat_call(gr_certifier *certifier, const struct call *call) {
  gr_certifier_verdict verdict = {.size = sizeof(verdict)};
  switch (call->kind) {
  case CALL_STABLE:
    gr_certifier_stable(certifier, call->seqno);
    break;
  case CALL_MODE:
    gr_certifier_mode(certifier, call->mode);
    break;
  case CALL_CERTIFY:
    CHECK(gr_certifier_certify(certifier, call->seqno,
                               (gr_slice){call->bytes, call->size}, &verdict) == GR_OK,
          "who was made from another certifies what that one did");
    CHECK(same_verdict(&verdict, &call->verdict),
          "who was made from another has its verdicts");
    break;
  }
  return NULL;
}

static const char *take_over(struct lockstep *l) {
  CHECK(gr_certifier_digest(l->other) == gr_certifier_digest(l->real),
        "who was made from another is equal to it");
  gr_certifier *other = l->other;
  gr_certifier_export_end(l->real);
  l->exporting = false;
  l->other = l->real;
  l->real = other;
  return NULL;
}

static const char *finish_import(struct lockstep *l) {
  CHECK(gr_certifier_import_end(l->other) == GR_OK, "a whole image is taken");
  for (uint64_t i = l->export_call; i < l->call_count; i++) {
    const char *wrong = repeat_call(l->other, &l->calls[i % CALLS_MAX]);
    if (wrong) return wrong;
  }
  l->counts->imports++;
  return take_over(l);
}

/* Begins an export, or carries some bytes from one to the other. */
static const char *carry(struct lockstep *l) {
  uint8_t chunk[CHUNK_MAX];
  size_t size;
  if (l->exporting && l->call_count - l->export_call > CALLS_MAX - 8) {
    gr_certifier_export_end(l->real);
    l->exporting = false;
  }
  if (!l->exporting) {
    CHECK(gr_certifier_export_begin(l->real) == GR_OK, "an export begins");
    gr_certifier_import_begin(l->other);
    l->exporting = true;
    l->export_call = l->call_count;
  }
  int error =
      gr_certifier_export_read(l->real, chunk, 1 + choose(l, sizeof(chunk)), &size);
  if (error == GR_ERR_OVERTAKEN) {
    l->counts->overtaken++;
    gr_certifier_export_end(l->real);
    l->exporting = false;
    return NULL;
  }
  CHECK(error == GR_OK, "an export is read");
  if (size == 0) return finish_import(l);
  size_t cut = choose(l, size + 1);
  CHECK(gr_certifier_import_write(l->other, (gr_slice){chunk, cut}) == GR_OK &&
            gr_certifier_import_write(l->other, (gr_slice){chunk + cut, size - cut}) ==
                GR_OK,
        "what was exported is imported");
  return NULL;
}

/* From the calls themselves, with their verdicts, if they are remembered far enough. */
static const char *rebuild(struct lockstep *l) {
  uint64_t first = l->call_count > CALLS_MAX - 8 ? l->call_count - (CALLS_MAX - 8) : 0;
  const struct call *oldest = &l->calls[first % CALLS_MAX];
  if (l->exporting) return NULL;
  if (first > 0 && (oldest->kind != CALL_CERTIFY || oldest->seqno > l->naive.floor))
    return NULL;
  CHECK(gr_certifier_begin_at(l->other, l->naive.floor, l->naive.watermark) == GR_OK,
        "it begins at a floor");
  CHECK(gr_certifier_mode(l->other, l->naive.mode) == GR_OK, "every mode can be set");
  for (uint64_t i = first; i < l->call_count; i++) {
    const struct call *call = &l->calls[i % CALLS_MAX];
    gr_seqno depends_on;
    if (call->kind != CALL_CERTIFY || call->seqno <= l->naive.floor) continue;
    bool committed = call->verdict.kind == GR_VERDICT_COMMIT;
    bool absent = !committed && choose(l, 2) == 0;
    gr_slice bytes = {call->bytes, absent ? 0 : call->size};
    CHECK(gr_certifier_record(l->other, call->seqno, bytes, committed, &depends_on) ==
              GR_OK,
          "what was judged is recorded");
    CHECK(depends_on >= call->verdict.depends_on, "no dependency is lost on the way");
  }
  l->counts->rebuilds++;
  return take_over(l);
}

/* ---- the history ---- */

static const char *check_status(struct lockstep *l) {
  gr_certifier_status status = {.size = sizeof(status)};
  const struct naive *naive = &l->naive;
  CHECK(gr_certifier_inspect(l->real, &status) == GR_OK, "the status can be asked for");
  CHECK(status.floor == naive->floor, "the floor is the naive one's");
  CHECK(status.rows == naive->row_count, "as many rows as the naive one has");
  CHECK(status.last == naive->last, "the last seqno is the naive one's");
  CHECK(status.watermark == naive->watermark, "the watermark is the naive one's");
  CHECK(status.barrier == (naive->barrier > naive->floor ? naive->barrier : 0),
        "the barrier is the naive one's");
  CHECK(status.rows_held <= status.rows_max, "no more rows than there is room for");
  return NULL;
}

static const char *step(struct lockstep *l) {
  uint64_t chosen = choose(l, 256);
  const char *wrong;
  if (chosen < 12)
    wrong = stable(l);
  else if (chosen < 14)
    wrong = change_mode(l);
  else if (chosen < 40)
    wrong = carry(l);
  else if (chosen == 40)
    wrong = rebuild(l);
  else
    wrong = certify(l);
  return wrong ? wrong : check_status(l);
}

const char *lockstep_run(lockstep_choose *choose_, void *context, uint64_t steps,
                         struct lockstep_counts *counts) {
  static const uint32_t key_counts[] = {2, 7, 20, 60, 300, 5000};
  struct lockstep l = {.choose = choose_, .context = context, .counts = counts};
  uint64_t units = 1 + choose(&l, 8);
  uint64_t window = choose(&l, 3) == 0 ? 1 + choose(&l, 40) : 0;
  uint32_t mode = choose(&l, 4) == 0 ? (uint32_t)choose(&l, 4) : 0;
  l.key_count = key_counts[choose(&l, sizeof(key_counts) / sizeof(key_counts[0]))];
  l.snapshot_reach = 1 + choose(&l, 30);
  l.hash_factor = choose(&l, 4) == 0 ? 0 : 1;
  gr_certifier_options options = {.size = sizeof(options),
                                  .memory_bytes_max = 4096 + 208 * units,
                                  .window_max = window,
                                  .mode = mode};
  l.naive = (struct naive){.rows_max = (uint32_t)(9 * units),
                           .window_max = window,
                           .mode = mode};
  const char *wrong = NULL;
  if (gr_certifier_new(&l.real, &options, NULL) != GR_OK ||
      gr_certifier_new(&l.other, &options, NULL) != GR_OK)
    wrong = "there is memory";
  for (uint64_t i = 0; i < steps && !wrong; i++) wrong = step(&l);
  gr_certifier_free(l.real);
  gr_certifier_free(l.other);
  return wrong;
}
