/* SPDX-License-Identifier: MIT
 *
 * See wal_keeper.h.
 */
#include "posix/wal_keeper.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* Zeros are synced in pieces, for a sync of records next to a large one takes long. */
#define FILL_SYNC_BYTES (UINT64_C(4) << 20)

/* Of the first segment, for which a start waits, no more is filled than this. */
#define FIRST_FILL_BYTES_MAX (UINT64_C(64) << 20)

void gr_wal_keeper_init(struct gr_wal_keeper *keeper, struct gr_wal_files *files,
                        struct gr_wal_failure *failure, uint64_t segment_bytes) {
  memset(keeper, 0, sizeof(*keeper));
  keeper->files = files;
  keeper->failure = failure;
  keeper->segment_bytes = segment_bytes;
  atomic_init(&keeper->is_awaited, false);
  pthread_mutex_init(&keeper->mutex, NULL);
  pthread_cond_init(&keeper->work, NULL);
  pthread_cond_init(&keeper->ready, NULL);
  pthread_cond_init(&keeper->trimmed, NULL);
}

static void free_segment(struct gr_wal_segment *segment) {
  if (segment->file >= 0) close(segment->file);
  free(segment);
}

/* ---- making a segment ---- */

/* Fills up to this size. Stops early once the writer waits. */
static int fill(struct gr_wal_keeper *keeper, const struct gr_wal_segment *segment,
                uint64_t bytes, const char *name, struct gr_wal_text *why) {
  struct stat status;
  if (fstat(segment->file, &status) != 0)
    return gr_wal_files_error(keeper->files, "look at", name, why);
  uint64_t unsynced = 0;
  for (uint64_t at = (uint64_t)status.st_size;
       at < bytes && !atomic_load(&keeper->is_awaited);) {
    const uint64_t left = bytes - at;
    const gr_slice zeros = {.data = keeper->zeros,
                            .size = left < GR_WAL_FILL_BYTES ? (size_t)left
                                                             : GR_WAL_FILL_BYTES};
    int error = gr_wal_files_write(keeper->files, name, segment->file, zeros, at, why);
    if (error != GR_OK) return error;
    at += zeros.size;
    unsynced += zeros.size;
    if (unsynced < FILL_SYNC_BYTES && at < bytes) continue;
    if (fdatasync(segment->file) != 0)
      return gr_wal_files_error(keeper->files, "sync", name, why);
    unsynced = 0;
  }
  return GR_OK;
}

/* A file of this name: a spare one if there is one, else new. */
static int open_segment(struct gr_wal_keeper *keeper, struct gr_wal_segment *segment,
                        const char *name, struct gr_wal_text *why) {
  int flags = O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC;
  if (keeper->spare_count > 0) {
    const struct gr_wal_name spare =
        gr_wal_spare_name(keeper->spares[--keeper->spare_count]);
    int error = gr_wal_files_rename(keeper->files, spare.text, name, why);
    if (error != GR_OK) return error;
    flags = O_RDWR | O_CLOEXEC;
  }
  segment->file = openat(keeper->files->directory, name, flags, 0600);
  return segment->file >= 0 ? GR_OK
                            : gr_wal_files_error(keeper->files, "create", name, why);
}

static int make_segment(struct gr_wal_keeper *keeper, uint64_t bytes,
                        struct gr_wal_segment **made, struct gr_wal_text *why) {
  struct gr_wal_segment *segment = calloc(1, sizeof(*segment));
  if (!segment) {
    gr_wal_text_set(why, "no memory for the next segment of %s", keeper->files->path);
    return GR_ERR_NO_MEMORY;
  }
  segment->number = keeper->next_number++;
  segment->file = -1;
  const struct gr_wal_name name = gr_wal_segment_name(segment->number);
  int error = open_segment(keeper, segment, name.text, why);
  if (error == GR_OK) error = fill(keeper, segment, bytes, name.text, why);
  if (error == GR_OK) error = gr_wal_files_sync(keeper->files, why);
  if (error != GR_OK) {
    free_segment(segment);
    return error;
  }
  *made = segment;
  return GR_OK;
}

/* ---- giving files back ---- */

/* Keeps the file for later, or removes it. The caller syncs the directory. */
static int retire(struct gr_wal_keeper *keeper, uint64_t number, const char *name,
                  bool is_of_use, struct gr_wal_text *why) {
  if (!is_of_use || keeper->spare_count == GR_WAL_SPARES_MAX)
    return gr_wal_files_unlink(keeper->files, name, why);
  const struct gr_wal_name spare = gr_wal_spare_name(number);
  int error = gr_wal_files_rename(keeper->files, name, spare.text, why);
  if (error == GR_OK) keeper->spares[keeper->spare_count++] = number;
  return error;
}

/* Takes out of the list what a checkpoint at `first` replaces; with the lock. */
static struct gr_wal_segment *take_obsolete(struct gr_wal_keeper *keeper,
                                            gr_ticket first) {
  struct gr_wal_segment *obsolete = NULL;
  struct gr_wal_segment **end = &obsolete;
  while (keeper->oldest && keeper->oldest->next && keeper->oldest->next->first <= first) {
    *end = keeper->oldest;
    keeper->oldest = keeper->oldest->next;
    (*end)->next = NULL;
    end = &(*end)->next;
  }
  return obsolete;
}

static int retire_all(struct gr_wal_keeper *keeper, struct gr_wal_segment *obsolete,
                      struct gr_wal_text *why) {
  int error = GR_OK;
  const bool any = obsolete != NULL;
  while (obsolete) {
    struct gr_wal_segment *segment = obsolete;
    const struct gr_wal_name name = gr_wal_segment_name(segment->number);
    const bool is_of_use = segment->used <= keeper->segment_bytes;
    obsolete = segment->next;
    if (error == GR_OK)
      error = retire(keeper, segment->number, name.text, is_of_use, why);
    free_segment(segment);
  }
  return error == GR_OK && any ? gr_wal_files_sync(keeper->files, why) : error;
}

/* ---- the thread ---- */

static bool trim_is_due(const struct gr_wal_keeper *keeper) {
  return keeper->trim_wanted && keeper->durable + 1 >= keeper->trim_first;
}

/* With the lock, which it gives up meanwhile. */
static int trim(struct gr_wal_keeper *keeper, struct gr_wal_text *why) {
  const gr_ticket first = keeper->trim_first;
  const gr_slice state = {.data = keeper->state, .size = keeper->trim_size};
  memcpy(keeper->state, keeper->trim_state, keeper->trim_size);
  keeper->trim_wanted = false;
  keeper->trims = true;
  pthread_mutex_unlock(&keeper->mutex);
  int error = gr_wal_checkpoint_write(keeper->files, first, state, why);
  pthread_mutex_lock(&keeper->mutex);
  keeper->trims = false;
  pthread_cond_broadcast(&keeper->trimmed);
  if (error != GR_OK) return error;
  struct gr_wal_segment *obsolete = take_obsolete(keeper, first);
  pthread_mutex_unlock(&keeper->mutex);
  error = retire_all(keeper, obsolete, why);
  pthread_mutex_lock(&keeper->mutex);
  return error;
}

/* With the lock, which it gives up meanwhile. */
static int prepare(struct gr_wal_keeper *keeper, struct gr_wal_text *why) {
  struct gr_wal_segment *made = NULL;
  pthread_mutex_unlock(&keeper->mutex);
  int error = make_segment(keeper, keeper->segment_bytes, &made, why);
  pthread_mutex_lock(&keeper->mutex);
  keeper->prepared = made;
  if (error == GR_OK) pthread_cond_signal(&keeper->ready);
  return error;
}

static void *keeper_main(void *context) {
  struct gr_wal_keeper *keeper = context;
  struct gr_wal_text why;
  int error = GR_OK;
  pthread_mutex_lock(&keeper->mutex);
  for (;;) {
    if (gr_wal_has_failed(keeper->failure)) break;
    if (trim_is_due(keeper))
      error = trim(keeper, &why);
    else if (keeper->stops)
      break;
    else if (!keeper->prepared)
      error = prepare(keeper, &why);
    else
      pthread_cond_wait(&keeper->work, &keeper->mutex);
    if (error != GR_OK) gr_wal_fail(keeper->failure, &why);
  }
  pthread_cond_signal(&keeper->ready); /* the writer sees the failure */
  pthread_cond_broadcast(&keeper->trimmed);
  pthread_mutex_unlock(&keeper->mutex);
  return NULL;
}

/* ---- starting and ending ---- */

static void append(struct gr_wal_keeper *keeper, struct gr_wal_segment *segment) {
  if (keeper->newest)
    keeper->newest->next = segment;
  else
    keeper->oldest = segment;
  keeper->newest = segment;
}

static int take_over_segments(struct gr_wal_keeper *keeper,
                              const struct gr_wal_replayed *found,
                              struct gr_wal_text *why) {
  for (size_t i = 0; i < found->segment_count; i++) {
    struct gr_wal_segment *segment = calloc(1, sizeof(*segment));
    if (!segment) {
      gr_wal_text_set(why, "no memory for the segments of %s", keeper->files->path);
      return GR_ERR_NO_MEMORY;
    }
    *segment = (struct gr_wal_segment){.number = found->segments[i].number,
                                       .first = found->segments[i].first,
                                       .used = found->segments[i].used,
                                       .file = -1};
    append(keeper, segment);
  }
  return GR_OK;
}

/* New numbers are above all there are: no bytes of any file are of such a number. */
static void take_over_number(struct gr_wal_keeper *keeper, uint64_t number) {
  if (keeper->next_number <= number) keeper->next_number = number + 1;
}

static int take_over(struct gr_wal_keeper *keeper, const struct gr_wal_replayed *found,
                     struct gr_wal_text *why) {
  int error = GR_OK;
  keeper->next_number = 1;
  keeper->durable = found->next - 1;
  for (size_t i = 0; i < found->segment_count; i++)
    take_over_number(keeper, found->segments[i].number);
  for (size_t i = 0; i < found->spare_count && error == GR_OK; i++) {
    const struct gr_wal_name name = gr_wal_spare_name(found->spares[i]);
    take_over_number(keeper, found->spares[i]);
    error = retire(keeper, found->spares[i], name.text, true, why);
  }
  for (size_t i = 0; i < found->leftover_count && error == GR_OK; i++) {
    const struct gr_wal_name name = gr_wal_segment_name(found->leftovers[i]);
    take_over_number(keeper, found->leftovers[i]);
    error = retire(keeper, found->leftovers[i], name.text, true, why);
  }
  if (error == GR_OK) error = gr_wal_files_sync(keeper->files, why);
  return error == GR_OK ? take_over_segments(keeper, found, why) : error;
}

int gr_wal_keeper_start(struct gr_wal_keeper *keeper, const struct gr_wal_replayed *found,
                        struct gr_wal_text *why) {
  const uint64_t bytes = keeper->segment_bytes < FIRST_FILL_BYTES_MAX
                             ? keeper->segment_bytes
                             : FIRST_FILL_BYTES_MAX;
  int error = take_over(keeper, found, why);
  if (error == GR_OK) error = make_segment(keeper, bytes, &keeper->prepared, why);
  if (error != GR_OK) return error;
  int code = pthread_create(&keeper->thread, NULL, keeper_main, keeper);
  keeper->runs = code == 0;
  if (keeper->runs) return GR_OK;
  gr_wal_text_set(why, "no thread for the log's files: %s", strerror(code));
  return GR_ERR_SYSTEM;
}

void gr_wal_keeper_stop(struct gr_wal_keeper *keeper) {
  pthread_mutex_lock(&keeper->mutex);
  keeper->stops = true;
  pthread_cond_signal(&keeper->work);
  pthread_mutex_unlock(&keeper->mutex);
  if (keeper->runs) pthread_join(keeper->thread, NULL);
  if (keeper->prepared) free_segment(keeper->prepared);
  while (keeper->oldest) {
    struct gr_wal_segment *segment = keeper->oldest;
    keeper->oldest = segment->next;
    free_segment(segment);
  }
  pthread_mutex_destroy(&keeper->mutex);
  pthread_cond_destroy(&keeper->work);
  pthread_cond_destroy(&keeper->ready);
  pthread_cond_destroy(&keeper->trimmed);
}

/* ---- for the writer ---- */

struct gr_wal_segment *gr_wal_keeper_next(struct gr_wal_keeper *keeper, gr_ticket first) {
  atomic_store(&keeper->is_awaited, true);
  pthread_mutex_lock(&keeper->mutex);
  while (!keeper->prepared && !gr_wal_has_failed(keeper->failure))
    pthread_cond_wait(&keeper->ready, &keeper->mutex);
  struct gr_wal_segment *segment = keeper->prepared;
  keeper->prepared = NULL;
  atomic_store(&keeper->is_awaited, false);
  if (segment) {
    if (keeper->newest && keeper->newest->file >= 0) {
      close(keeper->newest->file); /* all in it is synced */
      keeper->newest->file = -1;
    }
    segment->first = first;
    append(keeper, segment);
    pthread_cond_signal(&keeper->work);
  }
  pthread_mutex_unlock(&keeper->mutex);
  return segment;
}

void gr_wal_keeper_advance(struct gr_wal_keeper *keeper, gr_ticket durable,
                           uint64_t used) {
  pthread_mutex_lock(&keeper->mutex);
  keeper->durable = durable;
  keeper->newest->used = used;
  if (trim_is_due(keeper)) pthread_cond_signal(&keeper->work);
  pthread_mutex_unlock(&keeper->mutex);
}

/* ---- for the owner ---- */

void gr_wal_keeper_trim(struct gr_wal_keeper *keeper, gr_ticket first, gr_slice state) {
  pthread_mutex_lock(&keeper->mutex);
  keeper->trim_wanted = true;
  keeper->trim_first = first;
  keeper->trim_size = state.size;
  if (state.size > 0) memcpy(keeper->trim_state, state.data, state.size);
  if (trim_is_due(keeper)) pthread_cond_signal(&keeper->work);
  pthread_mutex_unlock(&keeper->mutex);
}

bool gr_wal_keeper_await_trim(struct gr_wal_keeper *keeper) {
  pthread_mutex_lock(&keeper->mutex);
  while ((keeper->trims || trim_is_due(keeper)) && !gr_wal_has_failed(keeper->failure))
    pthread_cond_wait(&keeper->trimmed, &keeper->mutex);
  pthread_mutex_unlock(&keeper->mutex);
  return !gr_wal_has_failed(keeper->failure);
}

void gr_wal_keeper_measure(struct gr_wal_keeper *keeper, uint64_t *segments,
                           uint64_t *bytes) {
  *segments = 0;
  *bytes = 0;
  pthread_mutex_lock(&keeper->mutex);
  for (const struct gr_wal_segment *one = keeper->oldest; one; one = one->next) {
    ++*segments;
    *bytes += one->used;
  }
  pthread_mutex_unlock(&keeper->mutex);
}
