/* SPDX-License-Identifier: MIT
 *
 * See wal_checkpoint.h.
 */
#include "posix/wal_checkpoint.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <unistd.h>

/* As much as fits. -1, with errno, if it cannot be read. */
static ssize_t read_whole(int file, uint8_t *bytes, size_t capacity) {
  size_t used = 0;
  while (used < capacity) {
    ssize_t got = pread(file, bytes + used, capacity - used, (off_t)used);
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) return -1;
    if (got == 0) break;
    used += (size_t)got;
  }
  return (ssize_t)used;
}

static int check(const struct gr_wal_files *files, struct gr_wal_checkpoint *checkpoint,
                 gr_slice file, struct gr_wal_text *why) {
  uint32_t version = 0;
  switch (
      gr_wal_checkpoint_decode(file, &version, &checkpoint->first, &checkpoint->state)) {
  case GR_WAL_HEADER_SOUND:
    checkpoint->exists = true;
    return GR_OK;
  case GR_WAL_HEADER_OTHER_VERSION:
    gr_wal_text_set(why, "%s/%s is of version %" PRIu32 ", this library reads %d",
                    files->path, GR_WAL_CHECKPOINT_NAME, version, GR_WAL_VERSION);
    break;
  case GR_WAL_HEADER_BROKEN:
    gr_wal_text_set(why, "%s/%s is damaged at byte 0: its checksum does not match",
                    files->path, GR_WAL_CHECKPOINT_NAME);
    break;
  }
  return GR_ERR_STORAGE;
}

int gr_wal_checkpoint_read(struct gr_wal_files *files,
                           struct gr_wal_checkpoint *checkpoint,
                           struct gr_wal_text *why) {
  checkpoint->exists = false;
  checkpoint->first = 1;
  int file = openat(files->directory, GR_WAL_CHECKPOINT_NAME, O_RDONLY | O_CLOEXEC);
  if (file < 0 && errno == ENOENT) return GR_OK;
  if (file < 0) return gr_wal_files_error(files, "open", GR_WAL_CHECKPOINT_NAME, why);
  ssize_t size = read_whole(file, checkpoint->bytes, sizeof(checkpoint->bytes));
  int error =
      size < 0 ? gr_wal_files_error(files, "read", GR_WAL_CHECKPOINT_NAME, why) : GR_OK;
  close(file);
  if (error != GR_OK) return error;
  const gr_slice bytes = {.data = checkpoint->bytes, .size = (size_t)size};
  return check(files, checkpoint, bytes, why);
}

static int write_new(struct gr_wal_files *files, int file, gr_ticket first,
                     gr_slice state, struct gr_wal_text *why) {
  const char *name = GR_WAL_CHECKPOINT_NEW_NAME;
  uint8_t header[GR_WAL_CHECKPOINT_HEADER_BYTES];
  gr_wal_checkpoint_encode(header, first, state);
  const gr_slice head = {.data = header, .size = sizeof(header)};
  int error = gr_wal_files_write(files, name, file, head, 0, why);
  if (error == GR_OK)
    error = gr_wal_files_write(files, name, file, state, sizeof(header), why);
  if (error == GR_OK && fdatasync(file) != 0)
    error = gr_wal_files_error(files, "sync", name, why);
  return error;
}

int gr_wal_checkpoint_write(struct gr_wal_files *files, gr_ticket first, gr_slice state,
                            struct gr_wal_text *why) {
  const char *name = GR_WAL_CHECKPOINT_NEW_NAME;
  int file =
      openat(files->directory, name, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
  if (file < 0) return gr_wal_files_error(files, "create", name, why);
  int error = write_new(files, file, first, state, why);
  close(file);
  if (error == GR_OK)
    error = gr_wal_files_rename(files, name, GR_WAL_CHECKPOINT_NAME, why);
  return error == GR_OK ? gr_wal_files_sync(files, why) : error;
}
