/* SPDX-License-Identifier: MIT
 *
 * See certify_run.h. Write sets are made beforehand, in batches; keys are numbers, mixed:
 * fresh ones count up, others lie back by less than the rows that are live.
 */
#include "certify_run.h"

#include "clock.h"

#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>

/* Transactions between two advances of the watermark. */
#define MARK_INTERVAL 256

#define HUGE_PAGE ((size_t)2 << 20)

static void ensure(bool condition, const char *text) {
  if (condition) return;
  fprintf(stderr, "certify-bench: does not hold: %s\n", text);
  exit(1);
}

/* SplitMix64's. */
static uint64_t mix(uint64_t z) {
  z = (z ^ z >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
  z = (z ^ z >> 27) * UINT64_C(0x94d049bb133111eb);
  return z ^ z >> 31;
}

static void store_u64(uint8_t *at, uint64_t value) {
  for (unsigned i = 0; i < 8; i++) at[i] = (uint8_t)(value >> 8 * i);
}

/* The time that this thread ran: what it would take on a core of its own. */
static uint64_t cpu_time(void) {
  struct timespec now;
  clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
  return (uint64_t)now.tv_sec * BENCH_SECOND_NS + (uint64_t)now.tv_nsec;
}

/* Memory in huge pages, where the system has any. */
static void *allocate(void *context, size_t size, size_t alignment) {
  (void)context;
  (void)alignment;
  void *memory = aligned_alloc(HUGE_PAGE, (size + HUGE_PAGE - 1) & ~(HUGE_PAGE - 1));
  if (memory) madvise(memory, size, MADV_HUGEPAGE);
  return memory;
}

static void release(void *context, void *memory, size_t size) {
  (void)context;
  (void)size;
  free(memory);
}

static const gr_allocator huge_pages = {.allocate = allocate, .release = release};

/* A stream of transactions. */
struct stream {
  struct certify_settings settings;
  gr_certifier *certifier;
  gr_certifier_status status; /* just made */
  uint64_t live;              /* rows that the watermark leaves */
  uint64_t fresh;             /* keys so far */
  uint64_t random;
  gr_seqno made; /* the last one */
  gr_seqno certified;
  uint64_t conflicts;
  size_t bytes; /* of each write set */
};

static struct stream stream_of(const struct certify_settings *settings,
                               uint64_t memory_bytes) {
  struct stream s = {.settings = *settings};
  gr_certifier_options options = {.size = sizeof(options),
                                  .memory_bytes_max = memory_bytes};
  ensure(gr_certifier_new(&s.certifier, &options, &huge_pages) == GR_OK,
         "there is memory");
  s.status.size = sizeof(s.status);
  ensure(gr_certifier_inspect(s.certifier, &s.status) == GR_OK, "it says what it has");
  s.live = s.status.rows_max / 16 * 15;
  if (settings->window > 0 && settings->window < s.live / settings->keys)
    s.live = settings->window * settings->keys;
  s.bytes = GR_WRITESET_HEADER_BYTES + settings->keys * GR_WRITESET_KEY_BYTES;
  return s;
}

static uint64_t next_key(struct stream *s) {
  uint64_t random = mix(s->random += UINT64_C(0x9e3779b97f4a7c15));
  if (s->fresh > s->live && random % 100 < s->settings.hit_percent)
    return mix(s->fresh - (random >> 32) * (s->live / 2) / UINT32_MAX);
  return mix(++s->fresh);
}

/* Writes the next `count` write sets, one behind the other, as they travel. */
static void make(struct stream *s, uint8_t *at, uint64_t count) {
  for (; count > 0; count--) {
    gr_seqno seqno = ++s->made;
    uint64_t lag = s->settings.lag + 1;
    *at++ = 1;
    for (unsigned i = 0; i < 3; i++) *at++ = 0;
    for (unsigned i = 0; i < 4; i++) *at++ = (uint8_t)(s->settings.keys >> 8 * i);
    store_u64(at, seqno > lag ? seqno - lag : 0);
    at += 8;
    for (uint64_t i = 0; i < s->settings.keys; i++, at += GR_WRITESET_KEY_BYTES) {
      store_u64(at, next_key(s));
      at[8] = GR_KEY_EXCLUSIVE;
    }
  }
}

static void certify(struct stream *s, const uint8_t *batch, uint64_t count) {
  uint64_t back = s->live / s->settings.keys;
  for (uint64_t i = 0; i < count; i++) {
    gr_certifier_verdict verdict = {.size = sizeof(verdict)};
    if (i + s->settings.ahead < count && s->settings.ahead > 0)
      gr_certifier_prefetch(s->certifier,
                            (gr_slice){batch + (i + s->settings.ahead) * s->bytes,
                                       s->bytes});
    int error =
        gr_certifier_certify(s->certifier, ++s->certified,
                             (gr_slice){batch + i * s->bytes, s->bytes}, &verdict);
    ensure(error == GR_OK && verdict.kind <= GR_VERDICT_CONFLICT, "it is judged");
    s->conflicts += verdict.kind == GR_VERDICT_CONFLICT;
    if (s->certified % MARK_INTERVAL == 0 && s->certified > back)
      ensure(gr_certifier_stable(s->certifier, s->certified - back) == GR_OK,
             "the mark is taken");
  }
}

struct certify_figures certify_run(const struct certify_settings *settings) {
  struct stream s = stream_of(settings, settings->mib << 20);
  uint8_t *batch = malloc(settings->transactions * s.bytes);
  ensure(batch != NULL, "there is memory");
  /* Three halves of a table: it is full, and has been purged. */
  for (uint64_t rows = 0; rows < s.status.rows_max / 2 * 3;
       rows += settings->transactions * settings->keys) {
    make(&s, batch, settings->transactions);
    certify(&s, batch, settings->transactions);
  }
  make(&s, batch, settings->transactions);
  s.conflicts = 0;
  uint64_t began = cpu_time();
  certify(&s, batch, settings->transactions);
  uint64_t took = cpu_time() - began;
  gr_certifier_status status = {.size = sizeof(status)};
  gr_certifier_inspect(s.certifier, &status);
  ensure(status.rows_held > s.live / 10 * 9, "the table is as full as it should be");
  ensure(status.purged > 0, "rows are purged");
  gr_certifier_free(s.certifier);
  free(batch);
  double count = (double)settings->transactions;
  return (struct certify_figures){.transactions_per_s =
                                      count * (double)BENCH_SECOND_NS / (double)took,
                                  .conflict_percent = 100 * (double)s.conflicts / count,
                                  .rows = status.rows,
                                  .bytes_per_row =
                                      (double)status.bytes / (double)status.rows_max};
}

/* ---- steps ---- */

/* Steps of one run are kept in order: the least of each, and of all the longest. */
struct step_times {
  uint32_t *least_ns;
  uint64_t count;
  uint64_t at;
  uint64_t longest_ns;
};

static void add_step(struct step_times *times, uint64_t took) {
  ensure(times->at < times->count, "each run has as many steps");
  uint32_t *least = &times->least_ns[times->at++];
  if (took < *least) *least = (uint32_t)took;
  if (took > times->longest_ns) times->longest_ns = took;
}

/* Certifies a batch, of which the watermark stays `back` behind; 0: it stays where it is.
 */
static void time_batch(struct stream *s, const uint8_t *batch, uint64_t count,
                       uint64_t back, struct step_times *times) {
  for (uint64_t i = 0; i < count; i++) {
    gr_certifier_verdict verdict = {.size = sizeof(verdict)};
    uint64_t began = bench_now();
    gr_certifier_certify(s->certifier, ++s->certified,
                         (gr_slice){batch + i * s->bytes, s->bytes}, &verdict);
    uint64_t judged = bench_now();
    add_step(times, judged - began);
    if (back == 0 || i % MARK_INTERVAL != 0) continue;
    gr_certifier_stable(s->certifier, s->certified - back);
    add_step(times, bench_now() - judged);
  }
}

/* One run; the nanoseconds for each row that is purged by calls that do nothing else. */
static double run_steps(uint64_t rows, uint64_t keys, uint64_t batch_count,
                        struct step_times *times) {
  const struct certify_settings settings = {.keys = keys, .hit_percent = 20, .lag = 16};
  struct stream s = stream_of(&settings, 4096 + 208 * (rows / 6));
  uint8_t *batch = malloc((rows / keys + batch_count) * s.bytes);
  ensure(batch != NULL, "there is memory");
  s.live = rows;
  make(&s, batch, rows / keys);
  certify(&s, batch, rows / keys);
  times->at = 0;
  uint64_t back = s.certified - 1;
  for (unsigned still = 0; still < 2; still++) {
    make(&s, batch, batch_count);
    time_batch(&s, batch, batch_count, still ? 0 : back, times);
  }
  uint64_t began = bench_now();
  gr_certifier_stable(s.certifier, s.certified);
  add_step(times, bench_now() - began);
  make(&s, batch, batch_count);
  time_batch(&s, batch, batch_count, 0, times);
  /* What is left is purged by transactions without keys. */
  gr_certifier_status before = {.size = sizeof(before)}, after = before;
  gr_certifier_inspect(s.certifier, &before);
  uint8_t empty[GR_WRITESET_HEADER_BYTES] = {1, GR_WRITESET_READ_ONLY};
  store_u64(empty + 8, GR_SNAPSHOT_NONE);
  began = cpu_time();
  for (uint64_t i = 0; i < rows / 64; i++) {
    gr_certifier_verdict verdict = {.size = sizeof(verdict)};
    gr_certifier_certify(s.certifier, ++s.certified, (gr_slice){empty, sizeof(empty)},
                         &verdict);
  }
  uint64_t took = cpu_time() - began;
  gr_certifier_inspect(s.certifier, &after);
  ensure(after.purged - before.purged > rows / 8, "rows are purged");
  gr_certifier_free(s.certifier);
  free(batch);
  return (double)took / (double)(after.purged - before.purged);
}

struct certify_steps certify_steps_run(uint64_t rows, uint64_t keys, unsigned runs) {
  uint64_t batch_count = rows / 8 / keys;
  uint64_t marks = (batch_count + MARK_INTERVAL - 1) / MARK_INTERVAL;
  struct step_times times = {.count = 3 * batch_count + marks + 1};
  struct certify_steps found = {.steps = times.count, .rows = rows};
  times.least_ns = malloc(times.count * sizeof(*times.least_ns));
  ensure(times.least_ns != NULL, "there is memory");
  for (uint64_t i = 0; i < times.count; i++) times.least_ns[i] = UINT32_MAX;
  for (unsigned run = 0; run < runs; run++) {
    double purge = run_steps(rows, keys, batch_count, &times);
    if (run == 0 || purge < found.purge_ns_per_row) found.purge_ns_per_row = purge;
  }
  for (uint64_t i = 0; i < times.count; i++)
    if (times.least_ns[i] / 1e3 > found.longest_us)
      found.longest_us = times.least_ns[i] / 1e3;
  found.longest_of_once_us = (double)times.longest_ns / 1e3;
  free(times.least_ns);
  return found;
}
