/* SPDX-License-Identifier: MIT
 *
 * See wal_replay.h.
 */
#include "posix/wal_replay.h"

#include "posix/wal_reader.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

struct replay {
  struct gr_wal_files *files;
  const struct gr_wal_checkpoint *checkpoint;
  gr_wal_take *take;
  void *context;
  struct gr_wal_text *why;
  struct gr_wal_replayed *out;
  struct gr_wal_reader reader;
  uint64_t *numbers; /* of all segment files */
  gr_ticket *firsts; /* of each; 0: its header is not sound */
  size_t count;
  size_t begin; /* segments begin .. end - 1 hold records */
  size_t end;
  bool is_closed; /* the last of them has the end mark */
};

static int read_error(const struct replay *replay) {
  if (errno != ENOMEM)
    return gr_wal_files_error(replay->files, "read", replay->reader.name.text,
                              replay->why);
  gr_wal_text_set(replay->why, "no memory to read %s/%s", replay->files->path,
                  replay->reader.name.text);
  return GR_ERR_NO_MEMORY;
}

static int damaged(const struct replay *replay, const char *name, uint64_t offset,
                   gr_ticket ticket) {
  gr_wal_text_set(replay->why,
                  "%s/%s is damaged at byte %" PRIu64 ": record %" PRIu64
                  " is not there, though it was durable",
                  replay->files->path, name, offset, ticket);
  return GR_ERR_STORAGE;
}

/* ---- which segments count ---- */

static int read_header(struct replay *replay, size_t index) {
  struct gr_wal_reader *reader = &replay->reader;
  int error =
      gr_wal_reader_open(reader, replay->files, replay->numbers[index], replay->why);
  if (error != GR_OK) return error;
  uint32_t version = 0;
  if (reader->size >= GR_WAL_SEGMENT_HEADER_BYTES) {
    uint8_t bytes[GR_WAL_SEGMENT_HEADER_BYTES];
    enum gr_wal_header_kind kind = GR_WAL_HEADER_BROKEN;
    if (pread(reader->file, bytes, sizeof(bytes), 0) == sizeof(bytes))
      kind = gr_wal_segment_header_decode(bytes, replay->numbers[index], &version,
                                          replay->firsts + index);
    else
      error = read_error(replay);
    if (kind == GR_WAL_HEADER_OTHER_VERSION) {
      gr_wal_text_set(replay->why,
                      "%s/%s is of version %" PRIu32 ", this library reads %d",
                      replay->files->path, reader->name.text, version, GR_WAL_VERSION);
      error = GR_ERR_STORAGE;
    }
    if (kind != GR_WAL_HEADER_SOUND) replay->firsts[index] = 0;
  }
  gr_wal_reader_close(reader);
  return error;
}

/* What the checkpoint replaced may be there or not, and in any state. */
static int find_range(struct replay *replay) {
  for (size_t i = 0; i < replay->count; i++) {
    int error = read_header(replay, i);
    if (error != GR_OK) return error;
    const gr_ticket first = replay->firsts[i];
    if (first == 0) continue;
    if (first <= replay->checkpoint->first || replay->end == 0) replay->begin = i;
    replay->end = i + 1;
  }
  if (replay->end == 0 && !replay->checkpoint->exists) return GR_OK;
  if (replay->end > 0 && replay->firsts[replay->begin] <= replay->checkpoint->first)
    return GR_OK;
  if (replay->begin > 0 || (replay->end == 0 && replay->count > 0)) {
    const uint64_t number = replay->numbers[replay->begin > 0 ? replay->begin - 1 : 0];
    const struct gr_wal_name name = gr_wal_segment_name(number);
    return damaged(replay, name.text, 0, replay->checkpoint->first);
  }
  gr_wal_text_set(replay->why, "%s: the segment with record %" PRIu64 " is missing",
                  replay->files->path, replay->checkpoint->first);
  return GR_ERR_STORAGE;
}

/* ---- the records ---- */

static int give(struct replay *replay, const struct gr_wal_record *record,
                const uint8_t *payload) {
  replay->out->records++;
  replay->out->bytes += gr_wal_record_bytes(record->length);
  if (record->ticket < replay->checkpoint->first) return GR_OK;
  const gr_slice slice = {.data = payload, .size = record->length};
  int error = replay->take(replay->context, record->ticket, slice);
  if (error != GR_OK)
    gr_wal_text_set(replay->why, "record %" PRIu64 " in %s/%s is refused: %s",
                    record->ticket, replay->files->path, replay->reader.name.text,
                    gr_error_text(error));
  return error;
}

/* All records of the open segment. `*used` is where they end; `*is_closed`: there is the
 * end mark, after all that was durable. */
static int read_records(struct replay *replay, uint64_t *used, bool *is_closed) {
  gr_ticket *next = &replay->out->next;
  for (*used = GR_WAL_SEGMENT_HEADER_BYTES;;) {
    struct gr_wal_record record;
    const uint8_t *payload = NULL;
    enum gr_wal_read read =
        gr_wal_reader_record(&replay->reader, *used, &record, &payload);
    if (read == GR_WAL_READ_FAILED) return read_error(replay);
    if (read == GR_WAL_READ_BROKEN) return GR_OK;
    *is_closed = record.ticket == 0 && record.synced + 1 == *next;
    if (record.ticket != *next) return GR_OK;
    int error = give(replay, &record, payload);
    if (error != GR_OK) return error;
    *used += gr_wal_record_bytes(record.length);
    ++*next;
  }
}

/* The open segment's records end at `offset`. Is that all that was durable? */
static int examine(struct replay *replay, uint64_t offset) {
  struct gr_wal_evidence evidence;
  if (!gr_wal_reader_examine(&replay->reader, offset, replay->out->next, &evidence))
    return read_error(replay);
  if (evidence.was_durable)
    return damaged(replay, replay->reader.name.text, offset, replay->out->next);
  replay->out->torn_bytes += evidence.end - offset;
  return GR_OK;
}

/* What the last segment holds is made durable, and read as it is on the disk: a process
 * that was told of a failed write may have left pages that only look as if they were
 * there. */
static int settle(struct replay *replay) {
  if (fdatasync(replay->reader.file) != 0)
    return gr_wal_files_error(replay->files, "sync", replay->reader.name.text,
                              replay->why);
  (void)posix_fadvise(replay->reader.file, 0, 0, POSIX_FADV_DONTNEED);
  return GR_OK;
}

/* What lies behind the last record was never durable: it must not turn up later. */
static int cut(struct replay *replay, size_t index) {
  const uint64_t offset = replay->out->segments[index - replay->begin].used;
  if (ftruncate(replay->reader.file, (off_t)offset) == 0 &&
      fsync(replay->reader.file) == 0)
    return GR_OK;
  return gr_wal_files_error(replay->files, "cut", replay->reader.name.text, replay->why);
}

static int read_segment(struct replay *replay, size_t index) {
  const bool is_last = index + 1 == replay->end;
  struct gr_wal_found *found = replay->out->segments + replay->out->segment_count++;
  int error = is_last ? settle(replay) : GR_OK;
  if (error == GR_OK) error = read_records(replay, &found->used, &replay->is_closed);
  if (error != GR_OK) return error;
  found->number = replay->numbers[index];
  found->first = replay->firsts[index];
  if (is_last) return replay->is_closed ? GR_OK : examine(replay, found->used);
  const gr_ticket next = replay->firsts[index + 1];
  if (next == 0 || next == replay->out->next) return GR_OK; /* 0: that one is damaged */
  return damaged(replay, replay->reader.name.text, found->used, replay->out->next);
}

typedef int segment_step(struct replay *replay, size_t index);

/* Runs `step` with segment `index` open. */
static int with_segment(struct replay *replay, size_t index, segment_step *step) {
  int error = gr_wal_reader_open(&replay->reader, replay->files, replay->numbers[index],
                                 replay->why);
  if (error != GR_OK) return error;
  error = step(replay, index);
  gr_wal_reader_close(&replay->reader);
  return error;
}

/* A segment behind the last that was begun: prepared, or torn at its very beginning. */
static int read_unbegun(struct replay *replay, size_t index) {
  (void)index;
  return examine(replay, 0);
}

static int check_enough(const struct replay *replay) {
  if (replay->out->next >= replay->checkpoint->first) return GR_OK;
  const struct gr_wal_name name = gr_wal_segment_name(replay->numbers[replay->end - 1]);
  const size_t last = replay->out->segment_count - 1;
  return damaged(replay, name.text, replay->out->segments[last].used, replay->out->next);
}

static int read_all(struct replay *replay) {
  struct gr_wal_replayed *out = replay->out;
  int error = GR_OK;
  if (replay->checkpoint->exists)
    error = replay->take(replay->context, 0, replay->checkpoint->state);
  if (error != GR_OK)
    gr_wal_text_set(replay->why, "the state in %s/%s is refused: %s", replay->files->path,
                    GR_WAL_CHECKPOINT_NAME, gr_error_text(error));
  out->next = replay->end > 0 ? replay->firsts[replay->begin] : 1;
  for (size_t i = replay->begin; i < replay->end && error == GR_OK; i++) {
    if (replay->firsts[i] == 0) {
      const struct gr_wal_name name = gr_wal_segment_name(replay->numbers[i]);
      return damaged(replay, name.text, 0, out->next);
    }
    error = with_segment(replay, i, read_segment);
  }
  for (size_t i = replay->end; i < replay->count && error == GR_OK; i++)
    error = with_segment(replay, i, read_unbegun);
  return error == GR_OK ? check_enough(replay) : error;
}

/* ---- the whole ---- */

static int allocate(struct replay *replay) {
  const size_t count = replay->count > 0 ? replay->count : 1;
  replay->firsts = calloc(count, sizeof(*replay->firsts));
  replay->out->segments = calloc(count, sizeof(*replay->out->segments));
  replay->out->leftovers = calloc(count, sizeof(*replay->out->leftovers));
  if (replay->firsts && replay->out->segments && replay->out->leftovers) return GR_OK;
  gr_wal_text_set(replay->why, "no memory to read %s", replay->files->path);
  return GR_ERR_NO_MEMORY;
}

static void list_leftovers(struct replay *replay) {
  struct gr_wal_replayed *out = replay->out;
  for (size_t i = 0; i < replay->count; i++)
    if (i < replay->begin || i >= replay->end)
      out->leftovers[out->leftover_count++] = replay->numbers[i];
}

int gr_wal_replay(struct gr_wal_files *files, const struct gr_wal_checkpoint *checkpoint,
                  gr_wal_take *take, void *context, struct gr_wal_replayed *replayed,
                  struct gr_wal_text *why) {
  *replayed = (struct gr_wal_replayed){.segments = NULL};
  struct replay replay = {.files = files,
                          .checkpoint = checkpoint,
                          .take = take,
                          .context = context,
                          .why = why,
                          .out = replayed};
  int error = gr_wal_files_list(files, &replay.numbers, &replay.count, &replayed->spares,
                                &replayed->spare_count, why);
  if (error == GR_OK) error = allocate(&replay);
  if (error == GR_OK) error = find_range(&replay);
  if (error == GR_OK) error = read_all(&replay);
  if (error == GR_OK && replay.end > 0 && !replay.is_closed)
    error = with_segment(&replay, replay.end - 1, cut);
  if (error == GR_OK) list_leftovers(&replay);
  gr_wal_reader_free(&replay.reader);
  free(replay.numbers);
  free(replay.firsts);
  return error;
}

void gr_wal_replayed_free(struct gr_wal_replayed *replayed) {
  free(replayed->segments);
  free(replayed->leftovers);
  free(replayed->spares);
}
