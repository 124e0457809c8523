/* SPDX-License-Identifier: MIT
 *
 * See wal_writer.h.
 */
#include "posix/wal_writer.h"

#include <errno.h>
#include <gr/posix.h>
#include <inttypes.h>
#include <sched.h>
#include <string.h>
#include <unistd.h>

/* What is written on the node's thread, at most, and for how long. Measured with messages
 * of 128 bytes one by one, three members on two processors, syncs of 0.2 to 0.3 ms: so it
 * is half as long again if the other thread does it. */
#define QUICK_BYTES_MAX (32 * 1024)
#define QUICK_SYNC_NS_MAX 1000000

/* The weight of the latest sync in the usual one. */
#define USUAL_SHIFT 3

void gr_wal_writer_init(struct gr_wal_writer *writer, struct gr_wal_files *files,
                        struct gr_wal_failure *failure, struct gr_wal_keeper *keeper,
                        struct gr_waker *waker, gr_time spin_max_ns) {
  memset(writer, 0, sizeof(*writer));
  writer->files = files;
  writer->failure = failure;
  writer->keeper = keeper;
  writer->waker = waker;
  writer->spin_max_ns = spin_max_ns;
  atomic_init(&writer->durable, 0);
  atomic_init(&writer->requested, false);
  pthread_mutex_init(&writer->mutex, NULL);
  pthread_cond_init(&writer->request, NULL);
}

/* ---- one write ---- */

/* Answers false after it has made the log fail, with errno. */
static bool fail(struct gr_wal_writer *writer, const char *what, uint64_t bytes) {
  struct gr_wal_text why;
  const struct gr_wal_name name = gr_wal_segment_name(writer->segment->number);
  gr_wal_text_set(&why, "cannot %s %" PRIu64 " bytes at byte %" PRIu64 " of %s/%s: %s",
                  what, bytes, writer->vector_offset, writer->files->path, name.text,
                  strerror(errno));
  gr_wal_fail(writer->failure, &why);
  return false;
}

/* Forgets the first `bytes` of what the vectors hold. */
static void advance(struct gr_wal_writer *writer, struct iovec **vectors,
                    uint64_t bytes) {
  writer->vector_offset += bytes;
  writer->vector_bytes -= bytes;
  while (bytes > 0 && bytes >= (*vectors)->iov_len) {
    bytes -= (*vectors)->iov_len;
    ++*vectors;
  }
  if (bytes == 0) return;
  (*vectors)->iov_base = (uint8_t *)(*vectors)->iov_base + bytes;
  (*vectors)->iov_len -= bytes;
}

/* Writes what the vectors hold. */
static bool flush(struct gr_wal_writer *writer) {
  struct iovec *vectors = writer->vectors;
  struct iovec *end = vectors + writer->vector_count;
  while (writer->vector_bytes > 0) {
    ssize_t wrote = pwritev(writer->segment->file, vectors, (int)(end - vectors),
                            (off_t)writer->vector_offset);
    if (wrote < 0 && errno == EINTR) continue;
    if (wrote == 0) errno = ENOSPC;
    if (wrote <= 0) return fail(writer, "write", writer->vector_bytes);
    advance(writer, &vectors, (uint64_t)wrote);
  }
  writer->vector_count = 0;
  return true;
}

/* Adds bytes to the write, which follow those before it. */
static bool gather(struct gr_wal_writer *writer, const void *data, size_t size) {
  if (size == 0) return true;
  struct iovec *next = writer->vectors + writer->vector_count;
  writer->vector_bytes += size;
  writer->used += size;
  if (writer->vector_count > 0 &&
      (uint8_t *)next[-1].iov_base + next[-1].iov_len == data) {
    next[-1].iov_len += size;
    return true;
  }
  writer->vector_count++;
  *next = (struct iovec){.iov_base = (void *)(uintptr_t)data, .iov_len = size};
  return writer->vector_count < GR_WAL_VECTORS_MAX || flush(writer);
}

static bool gather_record(struct gr_wal_writer *writer, struct gr_wal_batch *batch,
                          const struct gr_wal_entry *entry) {
  const uint8_t *at = batch->arena + entry->at;
  gr_wal_batch_seal(batch, entry, writer->seed, atomic_load(&writer->durable));
  return gather(writer, at, entry->copied) &&
         gather(writer, entry->payload.data, entry->payload.size) &&
         gather(writer, at + entry->copied, entry->zeros);
}

/* Writes the rest of what was gathered, and has it durable. */
static bool write_and_sync(struct gr_wal_writer *writer, struct gr_wal_written *written) {
  if (!flush(writer)) return false;
  const gr_time before = gr_posix_now();
  if (fdatasync(writer->segment->file) != 0) return fail(writer, "sync", writer->used);
  const gr_time took = gr_posix_now() - before;
  written->syncs++;
  written->sync_time += took;
  if (took > written->sync_time_max) written->sync_time_max = took;
  return true;
}

/* ---- batches ---- */

/* Goes on in the next segment. */
static bool begin_segment(struct gr_wal_writer *writer, gr_ticket first) {
  struct gr_wal_segment *segment = gr_wal_keeper_next(writer->keeper, first);
  if (!segment) return false;
  writer->segment = segment;
  writer->seed = gr_wal_record_seed(segment->number);
  writer->used = 0;
  writer->vector_offset = 0;
  gr_wal_segment_header_encode(writer->header, segment->number, first);
  return gather(writer, writer->header, sizeof(writer->header));
}

/* Whether a record goes into the segment that is being written. One that is larger than a
 * segment has one of its own. */
static bool fits(const struct gr_wal_writer *writer, const struct gr_wal_entry *entry) {
  return writer->segment &&
         writer->used + gr_wal_entry_bytes(entry) <= writer->keeper->segment_bytes;
}

static void publish(struct gr_wal_writer *writer, const struct gr_wal_written *written,
                    gr_ticket durable) {
  atomic_store(&writer->durable, durable);
  if (writer->waker) gr_waker_notify(writer->waker);
  pthread_mutex_lock(&writer->mutex);
  const gr_time took = written->sync_time - writer->written.sync_time;
  writer->usual_sync_ns += (took >> USUAL_SHIFT) - (writer->usual_sync_ns >> USUAL_SHIFT);
  writer->written = *written;
  pthread_mutex_unlock(&writer->mutex);
  gr_wal_keeper_advance(writer->keeper, durable, writer->used);
}

/* Writes entries from `begin` on, as far as one segment goes. Answers where it ended;
 * `begin` if the log has failed. */
static size_t write_some(struct gr_wal_writer *writer, struct gr_wal_batch *batch,
                         size_t begin) {
  struct gr_wal_written written = writer->written;
  size_t end = begin;
  if (!fits(writer, batch->entries + begin) &&
      !begin_segment(writer, batch->entries[begin].ticket))
    return begin;
  const uint64_t before = writer->used - writer->vector_bytes;
  do {
    if (!gather_record(writer, batch, batch->entries + end)) return begin;
  } while (++end < batch->count && fits(writer, batch->entries + end));
  if (!write_and_sync(writer, &written)) return begin;
  written.records += end - begin;
  written.bytes += writer->used - before;
  publish(writer, &written, batch->entries[end - 1].ticket);
  return end;
}

static bool write_batch(struct gr_wal_writer *writer, struct gr_wal_batch *batch) {
  for (size_t at = 0; at < batch->count;) {
    size_t end = write_some(writer, batch, at);
    if (end == at) return false;
    at = end;
  }
  return true;
}

/* Shows the next start that nothing is missing at the end. */
static void write_end_mark(struct gr_wal_writer *writer) {
  uint8_t mark[GR_WAL_RECORD_HEADER_BYTES];
  struct gr_wal_record record = {.synced = atomic_load(&writer->durable)};
  struct gr_wal_written written = writer->written;
  gr_wal_record_encode(mark, &record);
  record.crc = gr_wal_record_checksum(writer->seed, mark, sizeof(mark));
  gr_wal_record_encode(mark, &record);
  if (gather(writer, mark, sizeof(mark))) (void)write_and_sync(writer, &written);
}

/* ---- the thread ---- */

/* Looks for a while before it sleeps, by the rule of the node's thread: see loop.c. */
static void look_for_a_while(struct gr_wal_writer *writer) {
  if (writer->spin_ns == 0) return;
  const gr_time until = gr_posix_now() + writer->spin_ns;
  while (!atomic_load(&writer->requested) && gr_posix_now() < until) sched_yield();
}

static bool has_work(const struct gr_wal_writer *writer) {
  return !writer->is_writing && (atomic_load(&writer->requested) || writer->stops);
}

static void sleep_until_work(struct gr_wal_writer *writer) {
  if (has_work(writer)) return;
  const gr_time before = gr_posix_now();
  writer->is_asleep = true;
  while (!has_work(writer)) pthread_cond_wait(&writer->request, &writer->mutex);
  writer->is_asleep = false;
  const gr_time slept = gr_posix_now() - before;
  writer->spin_ns = slept < writer->spin_max_ns ? writer->spin_max_ns : 0;
}

/* What was gathered, to be written by the caller; NULL: nothing, or the log has failed.
 * With the mutex. */
static struct gr_wal_batch *take_batch(struct gr_wal_writer *writer) {
  struct gr_wal_batch *batch = writer->batches + writer->filling;
  atomic_store(&writer->requested, false);
  if (batch->count == 0 || gr_wal_has_failed(writer->failure)) return NULL;
  writer->filling = 1 - writer->filling;
  writer->is_writing = true;
  return batch;
}

/* With the mutex, which it gives up meanwhile. */
static void write_taken(struct gr_wal_writer *writer, struct gr_wal_batch *batch) {
  pthread_mutex_unlock(&writer->mutex);
  (void)write_batch(writer, batch); /* if it failed, so has the log */
  gr_wal_batch_clear(batch);
  pthread_mutex_lock(&writer->mutex);
  writer->is_writing = false;
}

static void *writer_main(void *context) {
  struct gr_wal_writer *writer = context;
  for (bool ends = false; !ends;) {
    look_for_a_while(writer);
    pthread_mutex_lock(&writer->mutex);
    sleep_until_work(writer);
    struct gr_wal_batch *batch = take_batch(writer);
    if (batch) write_taken(writer, batch);
    ends = writer->stops && !batch;
    pthread_mutex_unlock(&writer->mutex);
  }
  if (writer->segment && !gr_wal_has_failed(writer->failure)) write_end_mark(writer);
  return NULL;
}

/* ---- the owner ---- */

int gr_wal_writer_start(struct gr_wal_writer *writer, gr_ticket durable,
                        struct gr_wal_text *why) {
  atomic_store(&writer->durable, durable);
  int code = pthread_create(&writer->thread, NULL, writer_main, writer);
  writer->runs = code == 0;
  if (writer->runs) return GR_OK;
  gr_wal_text_set(why, "no thread for the log: %s", strerror(code));
  return GR_ERR_SYSTEM;
}

void gr_wal_writer_stop(struct gr_wal_writer *writer) {
  pthread_mutex_lock(&writer->mutex);
  writer->stops = true;
  pthread_cond_signal(&writer->request);
  pthread_mutex_unlock(&writer->mutex);
  if (writer->runs) pthread_join(writer->thread, NULL);
  for (size_t i = 0; i < 2; i++) gr_wal_batch_free(writer->batches + i);
  pthread_mutex_destroy(&writer->mutex);
  pthread_cond_destroy(&writer->request);
}

bool gr_wal_writer_add(struct gr_wal_writer *writer, gr_ticket ticket,
                       const gr_slice *parts, size_t part_count) {
  pthread_mutex_lock(&writer->mutex);
  bool ok =
      gr_wal_batch_add(writer->batches + writer->filling, ticket, parts, part_count);
  pthread_mutex_unlock(&writer->mutex);
  return ok;
}

void gr_wal_writer_sync(struct gr_wal_writer *writer) {
  pthread_mutex_lock(&writer->mutex);
  const bool any = writer->batches[writer->filling].count > 0;
  const bool is_asleep = writer->is_asleep;
  if (any) atomic_store(&writer->requested, true);
  pthread_mutex_unlock(&writer->mutex);
  /* Without the mutex: whom it wakes wants that first. */
  if (any && is_asleep) pthread_cond_signal(&writer->request);
}

bool gr_wal_writer_is_quick(struct gr_wal_writer *writer) {
  pthread_mutex_lock(&writer->mutex);
  bool is_quick = !writer->is_writing && !atomic_load(&writer->requested) &&
                  writer->usual_sync_ns < QUICK_SYNC_NS_MAX &&
                  writer->batches[writer->filling].bytes <= QUICK_BYTES_MAX;
  pthread_mutex_unlock(&writer->mutex);
  return is_quick;
}

void gr_wal_writer_write(struct gr_wal_writer *writer) {
  pthread_mutex_lock(&writer->mutex);
  if (writer->is_writing) {
    atomic_store(&writer->requested, true);
  } else {
    struct gr_wal_batch *batch = take_batch(writer);
    if (batch) write_taken(writer, batch);
  }
  pthread_mutex_unlock(&writer->mutex);
}

struct gr_wal_written gr_wal_writer_measure(struct gr_wal_writer *writer) {
  pthread_mutex_lock(&writer->mutex);
  struct gr_wal_written written = writer->written;
  pthread_mutex_unlock(&writer->mutex);
  return written;
}
