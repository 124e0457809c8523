/* SPDX-License-Identifier: MIT
 *
 * The write-ahead log's threads at each other: one that appends and checkpoints as fast
 * as it can, the log's own two, and one that reads figures; made to be run under
 * ThreadSanitizer, without Criterion, which does not start there. It verifies that the
 * durable ticket never goes back, and that each start gives back all that was appended
 * since the checkpoint.
 *
 * usage: wal_stress [directory] [rounds] [records]
 */
#include "posix/wal.h"

#include <pthread.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define SEGMENT_BYTES (64 << 10)
#define PAYLOAD_BYTES 5000

#define REQUIRE(condition, ...)                                                          \
  do {                                                                                   \
    if (condition) break;                                                                \
    fprintf(stderr, "%s:%d: %s: ", __FILE__, __LINE__, #condition);                      \
    fprintf(stderr, __VA_ARGS__);                                                        \
    fprintf(stderr, "\n");                                                               \
    exit(1);                                                                             \
  } while (0)

static struct gr_wal *wal;
static struct gr_waker waker;
static _Atomic bool over;
static uint8_t payload[PAYLOAD_BYTES];

/* Of this start: the ticket that must come next, 0 before the first. */
struct restored {
  gr_ticket next;
  gr_ticket first; /* as the state says */
};

static int take(void *context, gr_ticket ticket, gr_slice record) {
  struct restored *restored = context;
  uint64_t content = 0;
  REQUIRE(record.size >= sizeof(content), "%zu bytes", record.size);
  memcpy(&content, record.data, sizeof(content));
  if (ticket == 0) {
    restored->first = content;
    restored->next = content;
    return GR_OK;
  }
  REQUIRE(ticket == restored->next, "%d instead of %d", (int)ticket, (int)restored->next);
  REQUIRE(content == ticket, "the content of record %d", (int)ticket);
  restored->next++;
  return GR_OK;
}

static void *measure(void *context) {
  uint64_t before = 0;
  (void)context;
  while (!atomic_load(&over)) {
    gr_node_storage figures;
    gr_wal_measure(wal, &figures);
    REQUIRE(figures.records >= before, "fewer records");
    before = figures.records;
  }
  return NULL;
}

/* Appends up to `last`, and writes at times itself; some rounds of several records, some
 * with a payload of their own.
 */
static void append(gr_ticket first, gr_ticket last, bool writes) {
  gr_ticket durable = first - 1;
  for (gr_ticket ticket = first; ticket <= last; ticket++) {
    const gr_slice parts[] = {{&ticket, sizeof(ticket)},
                              {payload, ticket * 7 % PAYLOAD_BYTES}};
    REQUIRE(gr_wal_append(wal, ticket, parts, 1 + ticket % 3 / 2), "%s",
            gr_wal_failure_text(wal));
    if (writes && (ticket % 32 == 4 || (ticket % 16 < 9 && gr_wal_is_quick(wal))))
      gr_wal_write(wal);
    else if (ticket % 16 < 9)
      gr_wal_sync(wal);
    gr_ticket now = gr_wal_durable(wal);
    for (; ticket % 16 == 8 && now < ticket; now = gr_wal_durable(wal)) sched_yield();
    REQUIRE(now >= durable && now <= ticket, "durable up to %d", (int)now);
    durable = now;
    /* At times ahead of what is durable: the checkpoint waits. */
    const gr_ticket from = ticket > 40 ? ticket - 40 : 1;
    const gr_slice state = {.data = &from, .size = sizeof(from)};
    if (ticket % 50 == 0) REQUIRE(gr_wal_trim(wal, from, state), "trim");
  }
}

static gr_ticket run(const char *directory, gr_ticket known, gr_ticket count,
                     gr_time spin_ns) {
  struct restored restored = {.next = 1, .first = 1};
  struct gr_wal_text why;
  pthread_t reader;
  REQUIRE(gr_wal_open(&wal, directory, SEGMENT_BYTES, spin_ns, &waker, &why) == GR_OK,
          "%s", why.line);
  REQUIRE(gr_wal_start(wal, take, &restored, &why) == GR_OK, "%s", why.line);
  REQUIRE(restored.next == known + 1, "%d records lost",
          (int)(known + 1 - restored.next));
  atomic_store(&over, false);
  REQUIRE(pthread_create(&reader, NULL, measure, NULL) == 0, "thread");
  append(known + 1, known + count, spin_ns > 0);
  atomic_store(&over, true);
  pthread_join(reader, NULL);
  gr_node_storage figures;
  gr_wal_measure(wal, &figures);
  printf("%d records so far, %d restored; %d syncs, %d segments\n", (int)(known + count),
         (int)figures.restored_records, (int)figures.syncs, (int)figures.segments);
  gr_wal_close(wal);
  return known + count;
}

int main(int argc, char **argv) {
  char made[] = "/dev/shm/wal-stress-XXXXXX"; /* where a sync takes no time */
  const char *directory = argc > 1 ? argv[1] : mkdtemp(made);
  unsigned long rounds = argc > 2 ? strtoul(argv[2], NULL, 10) : 4;
  unsigned long count = argc > 3 ? strtoul(argv[3], NULL, 10) : 20000;
  gr_ticket known = 0;
  REQUIRE(directory && gr_waker_init(&waker), "cannot begin");
  atomic_store(&waker.asleep, true);
  for (unsigned long i = 0; i < rounds; i++)
    known = run(directory, known, count, i % 2 * 50000); /* 0: the thread writes all */
  gr_waker_free(&waker);
  if (argc > 1) return 0;
  char command[64];
  snprintf(command, sizeof(command), "rm -r %s", made);
  return system(command) == 0 ? 0 : 1;
}
