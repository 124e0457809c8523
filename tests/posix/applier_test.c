/* SPDX-License-Identifier: MIT
 *
 * The applier, case by case. Transactions of the host stop at a barrier until the test
 * lets them go on, so each case is the same every time.
 */
#include <gr/applier.h>
#include <gr/posix.h>

#include <criterion/criterion.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#define SEQNOS 256

/* What the host has seen, and what it is to answer. */
struct host {
  pthread_mutex_t mutex;
  pthread_cond_t changed;
  bool begun[SEQNOS];
  bool may_end[SEQNOS];
  int answers[SEQNOS]; /* of apply; a retry once */
  gr_seqno committed[SEQNOS];
  size_t commits;
  size_t rollbacks;
  uint32_t attempts[SEQNOS];
  gr_seqno applied;
  gr_seqno failed;
  int error;
  uint64_t victim, victim_key;
  gr_seqno winner;
  gr_applier *applier;
};

static struct host host_of(void) {
  return (struct host){.mutex = PTHREAD_MUTEX_INITIALIZER,
                       .changed = PTHREAD_COND_INITIALIZER};
}

static void await(struct host *host, const bool *what) {
  pthread_mutex_lock(&host->mutex);
  while (!*what) pthread_cond_wait(&host->changed, &host->mutex);
  pthread_mutex_unlock(&host->mutex);
}

static void allow(struct host *host, gr_seqno seqno) {
  pthread_mutex_lock(&host->mutex);
  host->may_end[seqno] = true;
  pthread_cond_broadcast(&host->changed);
  pthread_mutex_unlock(&host->mutex);
}

static bool has_begun(struct host *host, gr_seqno seqno) {
  pthread_mutex_lock(&host->mutex);
  bool begun = host->begun[seqno];
  pthread_mutex_unlock(&host->mutex);
  return begun;
}

/* ---- callbacks ---- */

static int apply(void *context, uint32_t worker, const gr_applier_work *work) {
  struct host *host = context;
  (void)worker;
  pthread_mutex_lock(&host->mutex);
  host->begun[work->seqno] = true;
  host->attempts[work->seqno] = work->attempt;
  pthread_cond_broadcast(&host->changed);
  while (!host->may_end[work->seqno]) pthread_cond_wait(&host->changed, &host->mutex);
  int answer = host->answers[work->seqno];
  if (answer == GR_APPLIER_RETRY && work->attempt > 1) answer = 0;
  pthread_mutex_unlock(&host->mutex);
  return answer;
}

static int commit(void *context, uint32_t worker, const gr_applier_work *work) {
  struct host *host = context;
  (void)worker;
  pthread_mutex_lock(&host->mutex);
  host->committed[host->commits++] = work->seqno;
  pthread_mutex_unlock(&host->mutex);
  return 0;
}

static void rollback(void *context, uint32_t worker, const gr_applier_work *work) {
  struct host *host = context;
  (void)worker;
  (void)work;
  pthread_mutex_lock(&host->mutex);
  host->rollbacks++;
  pthread_mutex_unlock(&host->mutex);
}

static void applied(void *context, gr_seqno seqno) {
  struct host *host = context;
  pthread_mutex_lock(&host->mutex);
  host->applied = seqno;
  pthread_mutex_unlock(&host->mutex);
}

static void failed(void *context, gr_seqno seqno, int error) {
  struct host *host = context;
  pthread_mutex_lock(&host->mutex);
  host->failed = seqno;
  host->error = error;
  pthread_mutex_unlock(&host->mutex);
}

static void victim(void *context, uint64_t token, uint64_t key, gr_seqno winner) {
  struct host *host = context;
  host->victim = token;
  host->victim_key = key;
  host->winner = winner;
}

/* ---- calls ---- */

static void start(struct host *host, gr_applier_options options) {
  const gr_applier_host callbacks = {.size = sizeof(callbacks),
                                     .context = host,
                                     .apply = apply,
                                     .commit = commit,
                                     .rollback = rollback,
                                     .applied = applied,
                                     .failed = failed,
                                     .victim = victim};
  options.size = sizeof(options);
  cr_assert_eq(gr_applier_start(&host->applier, &options, &callbacks), GR_OK);
}

static int try_submit(struct host *host, gr_seqno seqno, gr_seqno depends_on) {
  const uint64_t key = 1000 + seqno;
  const gr_applier_transaction transaction = {.size = sizeof(transaction),
                                              .seqno = seqno,
                                              .depends_on = depends_on,
                                              .keys = &key,
                                              .key_count = 1};
  return gr_applier_submit(host->applier, &transaction, false);
}

static void submit(struct host *host, gr_seqno seqno, gr_seqno depends_on) {
  cr_assert_eq(try_submit(host, seqno, depends_on), GR_OK);
}

static void drain_and_stop(struct host *host) {
  cr_assert_eq(gr_applier_drain(host->applier, GR_TIME_NEVER), GR_OK);
  cr_assert_eq(gr_applier_stop(host->applier), GR_OK);
}

/* ---- order ---- */

Test(applier, commits_come_in_order_though_work_ends_in_another) {
  struct host host = host_of();
  start(&host, (gr_applier_options){.workers = 4});
  for (gr_seqno seqno = 1; seqno <= 4; seqno++) submit(&host, seqno, 0);
  for (gr_seqno seqno = 1; seqno <= 4; seqno++) await(&host, &host.begun[seqno]);
  for (gr_seqno seqno = 4; seqno >= 1; seqno--) allow(&host, seqno);
  drain_and_stop(&host);
  cr_assert_eq(host.commits, 4);
  for (size_t i = 0; i < 4; i++) cr_assert_eq(host.committed[i], i + 1);
  cr_assert_eq(host.applied, 4);
}

Test(applier, commits_come_in_any_order_if_they_may) {
  struct host host = host_of();
  start(&host, (gr_applier_options){.workers = 2, .any_commit_order = true});
  submit(&host, 1, 0);
  submit(&host, 2, 0);
  submit(&host, 3, 2);
  allow(&host, 3);
  await(&host, &host.begun[1]);
  allow(&host, 2);
  for (gr_applier_figures figures = {.size = sizeof(figures)}; figures.remote == 0;)
    gr_applier_read_figures(host.applier, &figures);
  cr_assert_eq(gr_applier_applied(host.applier), 0, "the low-water mark stays");
  cr_assert_not(has_begun(&host, 3), "which depends on all up to 2");
  allow(&host, 1);
  drain_and_stop(&host);
  cr_assert_eq(host.committed[0], 2);
  cr_assert_eq(host.committed[1], 1);
  cr_assert_eq(host.committed[2], 3);
}

Test(applier, what_depends_on_another_waits_for_it) {
  struct host host = host_of();
  start(&host, (gr_applier_options){.workers = 4});
  submit(&host, 1, 0);
  submit(&host, 2, 1);
  submit(&host, 3, 0);
  await(&host, &host.begun[3]);
  cr_assert_not(has_begun(&host, 2));
  for (gr_seqno seqno = 3; seqno >= 1; seqno--) allow(&host, seqno);
  drain_and_stop(&host);
  for (size_t i = 0; i < 3; i++) cr_assert_eq(host.committed[i], i + 1);
}

/* ---- errors ---- */

Test(applier, an_error_ends_it_at_its_seqno) {
  struct host host = host_of();
  host.answers[2] = -7;
  start(&host, (gr_applier_options){.workers = 3});
  for (gr_seqno seqno = 1; seqno <= 3; seqno++) submit(&host, seqno, 0);
  for (gr_seqno seqno = 1; seqno <= 3; seqno++) await(&host, &host.begun[seqno]);
  for (gr_seqno seqno = 3; seqno >= 1; seqno--) allow(&host, seqno);
  cr_assert_eq(gr_applier_drain(host.applier, GR_TIME_NEVER), GR_ERR_HALTED);
  cr_assert_eq(gr_applier_wait(host.applier, 1, GR_TIME_NEVER), GR_OK);
  cr_assert_eq(try_submit(&host, 4, 0), GR_ERR_HALTED);
  cr_assert_eq(gr_applier_skip(host.applier, 5), GR_ERR_HALTED);
  cr_assert_eq(gr_applier_stop(host.applier), GR_OK);
  cr_assert_eq(host.failed, 2);
  cr_assert_eq(host.error, -7);
  cr_assert_eq(host.commits, 1, "all before it, nothing behind");
  cr_assert_eq(host.committed[0], 1);
  cr_assert_eq(host.rollbacks, 1, "what was under way behind it");
}

Test(applier, what_could_not_be_done_is_tried_again) {
  struct host host = host_of();
  host.answers[1] = GR_APPLIER_RETRY;
  start(&host, (gr_applier_options){.workers = 2, .retry_pause_ns = 1000});
  submit(&host, 1, 0);
  submit(&host, 2, 0);
  allow(&host, 2);
  allow(&host, 1);
  drain_and_stop(&host);
  cr_assert_eq(host.attempts[1], 2);
  cr_assert_eq(host.committed[0], 1);
  cr_assert_eq(host.committed[1], 2);
}

static int always_retry(void *context, uint32_t worker, const gr_applier_work *work) {
  (void)worker;
  *(uint32_t *)context = work->attempt;
  return GR_APPLIER_RETRY;
}

Test(applier, but_not_for_ever) {
  uint32_t attempts = 0;
  const gr_applier_options options = {.size = sizeof(options),
                                      .workers = 1,
                                      .retries_max = 3,
                                      .retry_pause_ns = 1};
  const gr_applier_host callbacks = {.size = sizeof(callbacks),
                                     .context = &attempts,
                                     .apply = always_retry};
  struct host host = host_of();
  cr_assert_eq(gr_applier_start(&host.applier, &options, &callbacks), GR_OK);
  submit(&host, 1, 0);
  cr_assert_eq(gr_applier_drain(host.applier, GR_TIME_NEVER), GR_ERR_HALTED);
  cr_assert_eq(gr_applier_stop(host.applier), GR_OK);
  cr_assert_eq(attempts, 4);
}

/* ---- local transactions ---- */

static void *commit_local(void *context) {
  struct host *host = context;
  cr_assert_eq(gr_applier_enter(host->applier, 2), GR_OK);
  commit(host, 0, &(gr_applier_work){.seqno = 2});
  cr_assert_eq(gr_applier_leave(host->applier, 2), GR_OK);
  return NULL;
}

Test(applier, a_local_transaction_has_its_turn_at_the_gate) {
  struct host host = host_of();
  pthread_t client;
  start(&host, (gr_applier_options){.workers = 2});
  const gr_applier_transaction local = {.size = sizeof(local), .seqno = 2, .local = true};
  submit(&host, 1, 0);
  cr_assert_eq(gr_applier_submit(host.applier, &local, false), GR_OK);
  submit(&host, 3, 0);
  cr_assert_eq(gr_applier_enter(host.applier, 4), GR_ERR_INVALID);
  cr_assert_eq(gr_applier_leave(host.applier, 2), GR_ERR_STATE, "not its turn");
  cr_assert_eq(pthread_create(&client, NULL, commit_local, &host), 0);
  await(&host, &host.begun[3]);
  allow(&host, 3);
  allow(&host, 1);
  pthread_join(client, NULL);
  drain_and_stop(&host);
  for (size_t i = 0; i < 3; i++) cr_assert_eq(host.committed[i], i + 1);
}

Test(applier, who_can_only_lose_is_told_at_once) {
  struct host host = host_of();
  const uint64_t keys[] = {1001, 1005};
  start(&host, (gr_applier_options){.workers = 1});
  submit(&host, 1, 0);
  await(&host, &host.begun[1]); /* the only worker is busy */
  cr_assert_eq(gr_applier_hold(host.applier, 77, keys, 2), GR_OK);
  submit(&host, 4, 0);
  cr_assert_eq(host.winner, 0, "nobody holds that key");
  submit(&host, 5, 0);
  cr_assert_eq(host.victim, 77);
  cr_assert_eq(host.victim_key, 1005);
  cr_assert_eq(host.winner, 5);
  cr_assert_not(has_begun(&host, 5), "long before its turn");
  cr_assert_eq(gr_applier_release(host.applier, 77), GR_OK);
  cr_assert_eq(gr_applier_release(host.applier, 77), GR_ERR_INVALID);
  allow(&host, 1);
  allow(&host, 4);
  allow(&host, 5);
  drain_and_stop(&host);
}

/* ---- the queue ---- */

Test(applier, a_full_queue_takes_no_more) {
  struct host host = host_of();
  gr_seqno seqno = 1;
  start(&host, (gr_applier_options){.workers = 1, .queue_max = 64});
  while (seqno < SEQNOS && try_submit(&host, seqno, 0) == GR_OK) seqno++;
  cr_assert_eq(seqno, 65);
  cr_assert_eq(try_submit(&host, 65, 0), GR_ERR_FULL);
  gr_applier_figures figures = {.size = sizeof(figures)};
  cr_assert_eq(gr_applier_read_figures(host.applier, &figures), GR_OK);
  cr_assert_eq(figures.queued, 64);
  cr_assert_eq(figures.submitted, 64);
  for (gr_seqno other = 1; other < SEQNOS; other++) allow(&host, other);
  cr_assert_eq(gr_applier_wait(host.applier, 1, GR_TIME_NEVER), GR_OK);
  submit(&host, 65, 0);
  drain_and_stop(&host);
  cr_assert_eq(host.commits, 65);
}

Test(applier, what_is_skipped_counts_as_applied) {
  struct host host = host_of();
  start(&host, (gr_applier_options){.workers = 1, .applied = 10});
  cr_assert_eq(gr_applier_applied(host.applier), 10);
  cr_assert_eq(gr_applier_skip(host.applier, 10), GR_ERR_INVALID);
  cr_assert_eq(gr_applier_skip(host.applier, 20), GR_OK);
  cr_assert_eq(gr_applier_applied(host.applier), 20);
  submit(&host, 30, 29);
  await(&host, &host.begun[30]);
  cr_assert_eq(gr_applier_applied(host.applier), 29, "a gap needs no skipping");
  cr_assert_eq(gr_applier_skip(host.applier, 40), GR_OK);
  cr_assert_eq(gr_applier_wait(host.applier, 40, gr_posix_now()), GR_ERR_TIMEOUT);
  allow(&host, 30);
  drain_and_stop(&host);
  cr_assert_eq(host.applied, 40);
}

Test(applier, a_stop_drops_what_is_not_begun) {
  struct host host = host_of();
  start(&host, (gr_applier_options){.workers = 1});
  submit(&host, 1, 0);
  submit(&host, 2, 0);
  await(&host, &host.begun[1]);
  allow(&host, 1);
  cr_assert_eq(gr_applier_wait(host.applier, 1, GR_TIME_NEVER), GR_OK);
  await(&host, &host.begun[2]);
  submit(&host, 3, 0);
  allow(&host, 2);
  allow(&host, 3);
  cr_assert_eq(gr_applier_stop(host.applier), GR_OK);
  cr_assert_geq(host.commits, 2);
  cr_assert_eq(host.failed, 0);
}

/* ---- calls that are wrong ---- */

static int try_start(gr_applier_options options, gr_applier_host host) {
  gr_applier *applier;
  int error = gr_applier_start(&applier, &options, &host);
  if (error == GR_OK) gr_applier_stop(applier);
  return error;
}

Test(applier, making_one) {
  const gr_applier_options options = {.size = sizeof(options), .workers = 1};
  const gr_applier_host host = {.size = sizeof(host), .apply = always_retry};
  gr_applier_options bad = options;
  gr_applier_host bad_host = host;
  gr_applier *applier;
  cr_assert_eq(try_start(options, host), GR_OK);
  cr_assert_eq(gr_applier_start(NULL, &options, &host), GR_ERR_INVALID);
  cr_assert_eq(gr_applier_start(&applier, NULL, &host), GR_ERR_INVALID);
  cr_assert_eq(gr_applier_start(&applier, &options, NULL), GR_ERR_INVALID);
  bad.size++;
  cr_assert_eq(try_start(bad, host), GR_ERR_VERSION);
  bad.size = 0;
  cr_assert_eq(try_start(bad, host), GR_ERR_INVALID);
  bad = options;
  bad.workers = GR_APPLIER_WORKERS_MAX + 1;
  cr_assert_eq(try_start(bad, host), GR_ERR_INVALID);
  bad = options;
  bad.queue_max = 63;
  cr_assert_eq(try_start(bad, host), GR_ERR_INVALID);
  bad = options;
  bad.queue_bytes_max = 4095;
  cr_assert_eq(try_start(bad, host), GR_ERR_INVALID);
  bad_host.apply = NULL;
  cr_assert_eq(try_start(options, bad_host), GR_ERR_INVALID);
  bad_host.size++;
  cr_assert_eq(try_start(options, bad_host), GR_ERR_VERSION);
  cr_assert_eq(gr_applier_stop(NULL), GR_OK);
}

Test(applier, arguments) {
  struct host host = host_of();
  start(&host, (gr_applier_options){.workers = 1, .queue_bytes_max = 4096});
  gr_applier *applier = host.applier;
  const gr_slice none = {NULL, 1}, large = {(const uint8_t *)&host, 5000};
  gr_applier_transaction bad = {.size = sizeof(bad),
                                .seqno = 5,
                                .parts = &none,
                                .part_count = 1};
  gr_applier_figures sizeless = {0};
  cr_assert_eq(gr_applier_submit(NULL, &bad, false), GR_ERR_INVALID);
  cr_assert_eq(gr_applier_submit(applier, NULL, false), GR_ERR_INVALID);
  cr_assert_eq(gr_applier_submit(applier, &bad, false), GR_ERR_INVALID);
  bad.parts = &large;
  cr_assert_eq(gr_applier_submit(applier, &bad, false), GR_ERR_TOO_LARGE);
  bad.part_count = 0;
  bad.key_count = 1;
  cr_assert_eq(gr_applier_submit(applier, &bad, false), GR_ERR_INVALID);
  bad.key_count = 0;
  bad.depends_on = 5;
  cr_assert_eq(gr_applier_submit(applier, &bad, false), GR_ERR_INVALID);
  bad.depends_on = 0;
  bad.seqno = 0;
  cr_assert_eq(gr_applier_submit(applier, &bad, false), GR_ERR_INVALID);
  bad.size++;
  cr_assert_eq(gr_applier_submit(applier, &bad, false), GR_ERR_VERSION);
  cr_assert_eq(gr_applier_skip(NULL, 1), GR_ERR_INVALID);
  cr_assert_eq(gr_applier_skip(applier, UINT64_MAX), GR_ERR_INVALID);
  cr_assert_eq(gr_applier_applied(NULL), 0);
  cr_assert_eq(gr_applier_wait(NULL, 1, 0), GR_ERR_INVALID);
  cr_assert_eq(gr_applier_drain(NULL, 0), GR_ERR_INVALID);
  cr_assert_eq(gr_applier_enter(NULL, 1), GR_ERR_INVALID);
  cr_assert_eq(gr_applier_leave(NULL, 1), GR_ERR_INVALID);
  cr_assert_eq(gr_applier_leave(applier, 1), GR_ERR_INVALID);
  cr_assert_eq(gr_applier_hold(NULL, 1, NULL, 0), GR_ERR_INVALID);
  cr_assert_eq(gr_applier_hold(applier, 1, NULL, 1), GR_ERR_INVALID);
  cr_assert_eq(gr_applier_release(NULL, 1), GR_ERR_INVALID);
  cr_assert_eq(gr_applier_read_figures(NULL, &sizeless), GR_ERR_INVALID);
  cr_assert_eq(gr_applier_read_figures(applier, NULL), GR_ERR_INVALID);
  cr_assert_eq(gr_applier_read_figures(applier, &sizeless), GR_ERR_INVALID);
  drain_and_stop(&host);
}
