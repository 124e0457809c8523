/* SPDX-License-Identifier: MIT
 *
 * Random histories through the applier, against the same history one by one: made to be
 * run under ThreadSanitizer, without Criterion, which does not start there.
 *
 * A transaction reads its rows, and writes them. Rows are plain memory: two transactions
 * that touch one row side by side are a race, which the sanitizer sees, and another
 * result, which the comparison sees. Each round draws its own options: workers, order of
 * commits, the gate used by apply or by the applier, sizes of the queue, retries, local
 * transactions, skipped seqnos and gaps; holders of keys that come and go; readers that
 * wait for positions; an error, or a stop, in the midst.
 *
 * usage: applier-stress [rounds] [first seed]
 */
#include <gr/applier.h>
#include <gr/posix.h>

#include "base/random.h"

#include <inttypes.h>
#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define REQUIRE(condition, ...)                                                          \
  do {                                                                                   \
    if (condition) break;                                                                \
    fprintf(stderr, "%s:%d: seed %" PRIu64 ": %s: ", __FILE__, __LINE__, seed,           \
            #condition);                                                                 \
    fprintf(stderr, __VA_ARGS__);                                                        \
    fprintf(stderr, "\n");                                                               \
    exit(1);                                                                             \
  } while (0)

#define TRANSACTIONS 3000
#define SEQNOS_MAX (3 * TRANSACTIONS)
#define ROWS 64
#define ROWS_TOUCHED_MAX 4
#define CLIENTS 2
#define WORKERS_MAX 8

struct transaction {
  gr_seqno seqno, depends_on;
  uint64_t rows[ROWS_TOUCHED_MAX];
  size_t row_count;
  size_t filling; /* of the payload, behind the rows */
  uint32_t retries;
  bool is_local;
};

enum gate { GATE_BY_APPLIER, GATE_BY_APPLY, GATE_NONE };

/* What the transaction writes to its rows, until the commit. */
struct session {
  uint64_t values[ROWS_TOUCHED_MAX];
};

static uint64_t seed;
static struct gr_random random_state;

/* The history; [seqno] is 0 where there is nothing to apply. */
static struct transaction transactions[TRANSACTIONS];
static size_t transaction_count;
static uint64_t index_of[SEQNOS_MAX + 2];
static gr_seqno last_seqno;
static gr_seqno failing; /* 0: none */

/* The run. */
static gr_applier *applier;
static enum gate gate;
static bool is_ordered;
static struct session sessions[WORKERS_MAX];
static uint64_t rows[ROWS];
static _Atomic bool is_done[SEQNOS_MAX + 2];
static _Atomic gr_seqno verified; /* all up to here was found to be done */
static _Atomic gr_seqno visible;  /* the latest in the order of commits */
static _Atomic gr_seqno told;
static _Atomic gr_seqno failed_seqno;
static _Atomic uint32_t running[WORKERS_MAX];
static _Atomic uint64_t rolled_back;
static _Atomic bool over;

static uint64_t draw(uint64_t below) {
  return gr_random_below(&random_state, below);
}

static uint64_t mix(uint64_t value, uint64_t with) {
  value = (value ^ with) * UINT64_C(0x9e3779b97f4a7c15);
  return value ^ value >> 29;
}

/* ---- the history ---- */

static struct transaction *transaction_of(gr_seqno seqno) {
  REQUIRE(seqno <= last_seqno && index_of[seqno] > 0, "no transaction %" PRIu64, seqno);
  return transactions + index_of[seqno] - 1;
}

static void make_history(void) {
  gr_seqno writers[ROWS] = {0};
  gr_seqno seqno = 0;
  const uint64_t touched = 1 + draw(ROWS_TOUCHED_MAX);
  const uint64_t hot = draw(2) ? ROWS : 6;
  memset(index_of, 0, sizeof(index_of));
  for (size_t i = 0; i < transaction_count; i++) {
    struct transaction *transaction = transactions + i;
    seqno += draw(8) == 0 ? 1 + draw(3) : 1;
    *transaction = (struct transaction){.seqno = seqno,
                                        .row_count = 1 + draw(touched),
                                        .filling = draw(20) ? draw(50) : draw(1500),
                                        .retries = draw(50) ? 0 : (uint32_t)(1 + draw(2)),
                                        .is_local = draw(6) == 0};
    index_of[seqno] = i + 1;
    for (size_t k = 0; k < transaction->row_count; k++) {
      const uint64_t row = draw(hot);
      transaction->rows[k] = row;
      if (writers[row] > transaction->depends_on && writers[row] != seqno)
        transaction->depends_on = writers[row];
      writers[row] = seqno;
    }
    if (draw(100) == 0) transaction->depends_on = seqno - 1;
    if (draw(1000) == 0) seqno += 1;
  }
  last_seqno = seqno;
}

static void read_rows(const struct transaction *transaction, const uint64_t *from,
                      struct session *session) {
  uint64_t all = transaction->seqno;
  for (size_t k = 0; k < transaction->row_count; k++)
    all = mix(all, from[transaction->rows[k]]);
  for (size_t k = 0; k < transaction->row_count; k++) session->values[k] = mix(all, k);
}

static void write_rows(const struct transaction *transaction, uint64_t *to,
                       const struct session *session) {
  for (size_t k = 0; k < transaction->row_count; k++)
    to[transaction->rows[k]] = session->values[k];
}

/* What the rows must be when all up to `through` is applied. */
static void check_rows(gr_seqno through) {
  uint64_t expected[ROWS] = {0};
  struct session session;
  for (size_t i = 0; i < transaction_count && transactions[i].seqno <= through; i++) {
    read_rows(transactions + i, expected, &session);
    write_rows(transactions + i, expected, &session);
  }
  REQUIRE(memcmp(expected, rows, sizeof(rows)) == 0,
          "the rows are not those of the history up to %" PRIu64, through);
}

/* ---- what must hold at each step ---- */

/* Proves that everything up to `through` is done. */
static void check_done(gr_seqno seqno, gr_seqno through) {
  gr_seqno at = atomic_load(&verified);
  for (; at < through; at++)
    REQUIRE(index_of[at + 1] == 0 || atomic_load(&is_done[at + 1]),
            "%" PRIu64 ", which depends on %" PRIu64 ", was started before %" PRIu64
            " was done",
            seqno, through, at + 1);
  gr_seqno before = atomic_load(&verified);
  while (before < at && !atomic_compare_exchange_weak(&verified, &before, at)) {
  }
}

static void become_visible(const struct transaction *transaction,
                           const struct session *session) {
  if (is_ordered && gate != GATE_NONE) {
    REQUIRE(atomic_load(&visible) < transaction->seqno, "%" PRIu64 " behind %" PRIu64,
            transaction->seqno, atomic_load(&visible));
    for (gr_seqno s = atomic_load(&visible) + 1; s < transaction->seqno; s++)
      REQUIRE(index_of[s] == 0, "%" PRIu64 " before %" PRIu64, transaction->seqno, s);
    REQUIRE(failing == 0 || transaction->seqno < failing, "behind the error");
    atomic_store(&visible, transaction->seqno);
  }
  write_rows(transaction, rows, session);
  atomic_store(&is_done[transaction->seqno], true);
}

/* ---- the host ---- */

static void check_payload(const gr_applier_work *work,
                          const struct transaction *transaction) {
  const uint8_t *bytes = work->payload.data;
  const size_t head = transaction->row_count * sizeof(uint64_t);
  REQUIRE((uintptr_t)bytes % 16 == 0, "alignment");
  REQUIRE(work->payload.size == head + transaction->filling, "size");
  REQUIRE(memcmp(bytes, transaction->rows, head) == 0, "payload");
  for (size_t i = 0; i < transaction->filling; i++)
    REQUIRE(bytes[head + i] == (uint8_t)(work->seqno + i), "payload at %zu", i);
}

static int apply(void *context, uint32_t worker, const gr_applier_work *work) {
  const struct transaction *transaction = transaction_of(work->seqno);
  struct session *session = sessions + worker;
  (void)context;
  REQUIRE(!transaction->is_local, "a local one");
  REQUIRE(work->tag == work->seqno * 3, "tag");
  check_done(work->seqno, work->depends_on);
  check_payload(work, transaction);
  read_rows(transaction, rows, session);
  if (work->seqno % 7 == 0) sched_yield();
  if (work->attempt <= transaction->retries) return GR_APPLIER_RETRY;
  if (work->seqno == failing) return -1000;
  if (gate == GATE_BY_APPLIER) {
    REQUIRE(atomic_fetch_add(&running[worker], 1) == 0, "two in one session");
    return 0;
  }
  if (gate == GATE_BY_APPLY) {
    int error = gr_applier_enter(applier, work->seqno);
    REQUIRE(error == GR_OK || (error == GR_ERR_HALTED && (failing || atomic_load(&over))),
            "enter: %s", gr_error_name(error));
    if (error != GR_OK) return error;
  }
  become_visible(transaction, session);
  if (gate == GATE_BY_APPLY)
    REQUIRE(gr_applier_leave(applier, work->seqno) == GR_OK, "leave");
  return 0;
}

static int commit(void *context, uint32_t worker, const gr_applier_work *work) {
  (void)context;
  REQUIRE(atomic_fetch_sub(&running[worker], 1) == 1, "commit of what is not prepared");
  become_visible(transaction_of(work->seqno), sessions + worker);
  return 0;
}

static void rollback(void *context, uint32_t worker, const gr_applier_work *work) {
  (void)context;
  REQUIRE(atomic_fetch_sub(&running[worker], 1) == 1, "rollback of what is not prepared");
  REQUIRE(atomic_load(&over) || (failing && work->seqno > failing), "rollback");
  atomic_fetch_add(&rolled_back, 1);
}

static void applied_to(void *context, gr_seqno applied) {
  (void)context;
  REQUIRE(atomic_exchange(&told, applied) < applied, "told twice, or back");
  REQUIRE(gr_applier_applied(applier) >= applied, "told what is not so");
  check_done(0, applied);
}

static void failed(void *context, gr_seqno seqno, int error) {
  (void)context;
  REQUIRE(error == -1000 && seqno == failing, "failed at %" PRIu64 ": %d", seqno, error);
  REQUIRE(atomic_exchange(&failed_seqno, seqno) == 0, "told twice");
}

static void victim(void *context, uint64_t token, uint64_t key, gr_seqno winner) {
  (void)context;
  REQUIRE(token < 1000 && key < ROWS && index_of[winner] > 0, "victim");
}

/* ---- clients ---- */

/* Local transactions on their way to their clients. */
static struct {
  pthread_mutex_t mutex;
  pthread_cond_t more;
  gr_seqno seqnos[TRANSACTIONS];
  size_t count;
  size_t taken;
  bool is_closed;
} mailbox = {.mutex = PTHREAD_MUTEX_INITIALIZER, .more = PTHREAD_COND_INITIALIZER};

static gr_seqno take_mail(void) {
  gr_seqno seqno = 0;
  pthread_mutex_lock(&mailbox.mutex);
  while (mailbox.taken == mailbox.count && !mailbox.is_closed)
    pthread_cond_wait(&mailbox.more, &mailbox.mutex);
  if (mailbox.taken < mailbox.count) seqno = mailbox.seqnos[mailbox.taken++];
  pthread_mutex_unlock(&mailbox.mutex);
  return seqno;
}

static void send_mail(gr_seqno seqno) {
  pthread_mutex_lock(&mailbox.mutex);
  if (seqno > 0)
    mailbox.seqnos[mailbox.count++] = seqno;
  else
    mailbox.is_closed = true;
  pthread_cond_broadcast(&mailbox.more);
  pthread_mutex_unlock(&mailbox.mutex);
}

/* Reads when the engine would have: by its snapshot, which has all that it depends on. */
static void *commit_locals(void *context) {
  (void)context;
  for (gr_seqno seqno = take_mail(); seqno > 0; seqno = take_mail()) {
    const struct transaction *transaction = transaction_of(seqno);
    struct session session;
    if (gr_applier_wait(applier, transaction->depends_on, GR_TIME_NEVER) != GR_OK)
      continue;
    check_done(seqno, transaction->depends_on);
    read_rows(transaction, rows, &session);
    int error = gr_applier_enter(applier, seqno);
    REQUIRE(error == GR_OK || (error == GR_ERR_HALTED && (failing || atomic_load(&over))),
            "enter: %s", gr_error_name(error));
    if (error != GR_OK) continue;
    become_visible(transaction, &session);
    REQUIRE(gr_applier_leave(applier, seqno) == GR_OK, "leave");
  }
  return NULL;
}

/* Holds some keys, again and again; and waits for positions. */
static void *hold_and_wait(void *context) {
  struct gr_random own = {.state = seed + (uintptr_t)context};
  for (uint64_t token = (uintptr_t)context * 100; !atomic_load(&over); token ^= 1) {
    const uint64_t keys[] = {gr_random_below(&own, ROWS), gr_random_below(&own, ROWS)};
    gr_applier_figures figures = {.size = sizeof(figures)};
    REQUIRE(gr_applier_hold(applier, token, keys, 2) == GR_OK, "hold");
    const gr_seqno position = gr_applier_applied(applier) + 1 + gr_random_below(&own, 50);
    int error = gr_applier_wait(applier, position, gr_posix_now() + 1000000);
    REQUIRE(error == GR_OK || error == GR_ERR_TIMEOUT ||
                (error == GR_ERR_HALTED && (failing || atomic_load(&over))),
            "wait: %s", gr_error_name(error));
    if (error == GR_OK && position <= last_seqno) check_done(0, position);
    REQUIRE(gr_applier_release(applier, token) == GR_OK, "release");
    REQUIRE(gr_applier_read_figures(applier, &figures) == GR_OK, "figures");
    REQUIRE(figures.applied <= figures.submitted, "figures");
  }
  return NULL;
}

/* ---- a round ---- */

static int submit(const struct transaction *transaction, bool wait) {
  uint8_t filling[1500];
  for (size_t i = 0; i < transaction->filling; i++)
    filling[i] = (uint8_t)(transaction->seqno + i);
  const gr_slice parts[] = {{transaction->rows,
                             transaction->row_count * sizeof(uint64_t)},
                            {filling, transaction->filling}};
  const gr_applier_transaction submission = {.size = sizeof(submission),
                                             .seqno = transaction->seqno,
                                             .depends_on = transaction->depends_on,
                                             .tag = transaction->seqno * 3,
                                             .parts = parts,
                                             .part_count = 2,
                                             .keys = transaction->rows,
                                             .key_count = transaction->row_count,
                                             .local = transaction->is_local};
  return gr_applier_submit(applier, &submission, wait);
}

/* Answers how many were taken. Before a stop midway nobody commits the local ones, so the
 * queue may be full for ever. */
static size_t submit_all(bool stops_midway) {
  for (size_t i = 0; i < transaction_count; i++) {
    const struct transaction *transaction = transactions + i;
    int error = GR_OK;
    if (transaction->seqno > 1 && index_of[transaction->seqno - 1] == 0 &&
        transaction->seqno % 2)
      error = gr_applier_skip(applier, transaction->seqno - 1);
    if (error == GR_OK) error = submit(transaction, !stops_midway);
    if (error == GR_OK && transaction->is_local) send_mail(transaction->seqno);
    if (error == GR_OK) continue;
    if (error == GR_ERR_FULL && stops_midway) return i;
    REQUIRE(error == GR_ERR_HALTED && failing, "submit: %s", gr_error_name(error));
    return i;
  }
  return transaction_count;
}

static void reset(void) {
  memset(rows, 0, sizeof(rows));
  memset(sessions, 0, sizeof(sessions));
  for (size_t i = 0; i < SEQNOS_MAX + 2; i++) atomic_store(&is_done[i], false);
  for (size_t i = 0; i < WORKERS_MAX; i++) atomic_store(&running[i], 0);
  atomic_store(&verified, 0);
  atomic_store(&visible, 0);
  atomic_store(&told, 0);
  atomic_store(&failed_seqno, 0);
  atomic_store(&rolled_back, 0);
  atomic_store(&over, false);
  mailbox.count = mailbox.taken = 0;
  mailbox.is_closed = false;
}

static void start(void) {
  const gr_applier_options options = {
      .size = sizeof(options),
      .workers = (uint32_t)(1 + draw(WORKERS_MAX)),
      .retry_pause_ns = 10000,
      .queue_max = draw(2) ? 64 : 4096,
      .queue_bytes_max = draw(2) ? 4096 : 1 << 20,
      .any_commit_order = !is_ordered,
  };
  const gr_applier_host host = {.size = sizeof(host),
                                .apply = apply,
                                .commit = gate == GATE_BY_APPLIER ? commit : NULL,
                                .rollback = rollback,
                                .applied = applied_to,
                                .failed = failed,
                                .victim = victim};
  REQUIRE(gr_applier_start(&applier, &options, &host) == GR_OK, "start");
}

/* After all, or an error. What is behind an error is not visible, if commits are ordered.
 */
static void check_end(size_t taken) {
  const bool has_failed = atomic_load(&failed_seqno) != 0;
  const gr_seqno applied = gr_applier_applied(applier);
  REQUIRE(has_failed == (failing != 0), "failed");
  if (has_failed)
    REQUIRE(applied == failing - 1, "applied %" PRIu64, applied);
  else
    REQUIRE(taken == transaction_count && applied == last_seqno, "applied %" PRIu64,
            applied);
  REQUIRE(atomic_load(&told) == applied, "told %" PRIu64 " of %" PRIu64,
          atomic_load(&told), applied);
  if (!has_failed || (is_ordered && gate != GATE_NONE)) check_rows(applied);
}

static void run(bool stops_midway) {
  pthread_t clients[CLIENTS];
  pthread_t holders[2];
  reset();
  start();
  for (size_t i = 0; i < CLIENTS && !stops_midway; i++)
    REQUIRE(pthread_create(clients + i, NULL, commit_locals, NULL) == 0, "thread");
  for (size_t i = 0; i < 2; i++)
    REQUIRE(pthread_create(holders + i, NULL, hold_and_wait, (void *)(i + 1)) == 0,
            "thread");
  const size_t taken = submit_all(stops_midway);
  send_mail(0);
  if (!stops_midway) {
    int error = gr_applier_drain(applier, GR_TIME_NEVER);
    REQUIRE(error == (failing ? GR_ERR_HALTED : GR_OK), "drain: %s",
            gr_error_name(error));
    const gr_time end = gr_posix_now() + UINT64_C(20000000000);
    while ((failing ? !atomic_load(&failed_seqno)
                    : atomic_load(&told) < gr_applier_applied(applier)) &&
           gr_posix_now() < end)
      sched_yield();
  }
  for (size_t i = 0; i < CLIENTS && !stops_midway; i++) pthread_join(clients[i], NULL);
  atomic_store(&over, true);
  for (size_t i = 0; i < 2; i++) pthread_join(holders[i], NULL);
  if (!stops_midway) check_end(taken);
  REQUIRE(gr_applier_stop(applier) == GR_OK, "stop");
  for (size_t i = 0; i < WORKERS_MAX; i++)
    REQUIRE(atomic_load(&running[i]) == 0, "neither committed nor rolled back");
}

int main(int argc, char **argv) {
  const uint64_t rounds = argc > 1 ? strtoull(argv[1], NULL, 10) : 60;
  const uint64_t first = argc > 2 ? strtoull(argv[2], NULL, 10) : 1;
  uint64_t errors = 0;
  uint64_t stops = 0;
  uint64_t rollbacks = 0;
  for (seed = first; seed < first + rounds; seed++) {
    random_state.state = seed;
    transaction_count = 50 + draw(TRANSACTIONS - 50);
    make_history();
    is_ordered = draw(4) != 0;
    gate = (enum gate)draw(3);
    failing = 0;
    const bool stops_midway = draw(4) == 0;
    const struct transaction *unlucky = transactions + draw(transaction_count);
    if (!stops_midway && draw(3) == 0 && !unlucky->is_local) failing = unlucky->seqno;
    run(stops_midway);
    errors += failing != 0;
    stops += stops_midway;
    rollbacks += atomic_load(&rolled_back);
  }
  printf("%" PRIu64 " histories, %" PRIu64 " with an error, %" PRIu64
         " stopped midway; %" PRIu64 " rolled back\n",
         rounds, errors, stops, rollbacks);
  return 0;
}
