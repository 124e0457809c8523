/* SPDX-License-Identifier: MIT
 *
 * See wal_files.h.
 */
#include "posix/wal_files.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#define NUMBER_DIGITS 20
#define SEGMENT_SUFFIX ".segment"
#define SPARE_SUFFIX ".spare"

struct gr_wal_name gr_wal_segment_name(uint64_t number) {
  struct gr_wal_name name;
  snprintf(name.text, sizeof(name.text), "%0*" PRIu64 SEGMENT_SUFFIX, NUMBER_DIGITS,
           number);
  return name;
}

struct gr_wal_name gr_wal_spare_name(uint64_t number) {
  struct gr_wal_name name;
  snprintf(name.text, sizeof(name.text), "%0*" PRIu64 SPARE_SUFFIX, NUMBER_DIGITS,
           number);
  return name;
}

int gr_wal_files_error(const struct gr_wal_files *files, const char *what,
                       const char *name, struct gr_wal_text *why) {
  gr_wal_text_set(why, "cannot %s %s/%s: %s", what, files->path, name, strerror(errno));
  return GR_ERR_STORAGE;
}

/* ---- opening ---- */

/* The directory that `path` is in: what a new directory's name is durable in. */
static int sync_parent(const char *path) {
  char *copy = strdup(path);
  if (!copy) return -1;
  size_t length = strlen(copy);
  while (length > 1 && copy[length - 1] == '/') copy[--length] = '\0';
  char *slash = strrchr(copy, '/');
  if (slash) slash[slash == copy ? 1 : 0] = '\0';
  int parent = open(slash ? copy : ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  free(copy);
  if (parent < 0) return -1;
  int result = fsync(parent);
  close(parent);
  return result;
}

static int open_directory(struct gr_wal_files *files, struct gr_wal_text *why) {
  const bool is_new = mkdir(files->path, 0700) == 0;
  if (!is_new && errno != EEXIST) {
    gr_wal_text_set(why, "cannot make the data directory %s: %s", files->path,
                    strerror(errno));
    return GR_ERR_SYSTEM;
  }
  files->directory = open(files->path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (files->directory >= 0 && (!is_new || sync_parent(files->path) == 0)) return GR_OK;
  gr_wal_text_set(why, "cannot open the data directory %s: %s", files->path,
                  strerror(errno));
  return GR_ERR_SYSTEM;
}

/* Says who has it, as that process wrote into the file. */
static void say_locked(const struct gr_wal_files *files, struct gr_wal_text *why) {
  char holder[NUMBER_DIGITS + 1] = "";
  ssize_t got = pread(files->lock, holder, sizeof(holder) - 1, 0);
  holder[got > 0 ? (size_t)got : 0] = '\0';
  gr_wal_text_set(why, "the data directory %s is in use by process %ld", files->path,
                  strtol(holder, NULL, 10));
}

static int take_lock(struct gr_wal_files *files, struct gr_wal_text *why) {
  files->lock = openat(files->directory, "lock", O_RDWR | O_CREAT | O_CLOEXEC, 0600);
  if (files->lock < 0) {
    (void)gr_wal_files_error(files, "open", "lock", why);
    return GR_ERR_SYSTEM;
  }
  if (flock(files->lock, LOCK_EX | LOCK_NB) != 0) {
    if (errno == EWOULDBLOCK)
      say_locked(files, why);
    else
      (void)gr_wal_files_error(files, "lock", "lock", why);
    return GR_ERR_SYSTEM;
  }
  char holder[NUMBER_DIGITS + 2];
  int length = snprintf(holder, sizeof(holder), "%ld\n", (long)getpid());
  if (ftruncate(files->lock, 0) == 0 &&
      pwrite(files->lock, holder, (size_t)length, 0) > 0)
    return GR_OK;
  (void)gr_wal_files_error(files, "write", "lock", why);
  return GR_ERR_SYSTEM;
}

int gr_wal_files_open(struct gr_wal_files *files, const char *path,
                      struct gr_wal_text *why) {
  *files = (struct gr_wal_files){.path = strdup(path), .directory = -1, .lock = -1};
  if (!files->path) {
    gr_wal_text_set(why, "no memory to open the data directory");
    return GR_ERR_NO_MEMORY;
  }
  int error = open_directory(files, why);
  if (error == GR_OK) error = take_lock(files, why);
  if (error != GR_OK) gr_wal_files_close(files);
  return error;
}

void gr_wal_files_close(struct gr_wal_files *files) {
  if (files->lock >= 0) close(files->lock);
  if (files->directory >= 0) close(files->directory);
  free(files->path);
  *files = (struct gr_wal_files){.directory = -1, .lock = -1};
}

/* ---- listing ---- */

/* Whether `name` is a number and this suffix. */
static bool parse(const char *name, const char *suffix, uint64_t *number) {
  if (strlen(name) != NUMBER_DIGITS + strlen(suffix)) return false;
  if (strcmp(name + NUMBER_DIGITS, suffix) != 0) return false;
  if (strspn(name, "0123456789") != NUMBER_DIGITS) return false;
  *number = strtoull(name, NULL, 10);
  return true;
}

struct numbers {
  uint64_t *at;
  size_t count;
  size_t capacity;
};

static bool add(struct numbers *numbers, uint64_t number) {
  if (numbers->count == numbers->capacity) {
    size_t capacity = numbers->capacity ? 2 * numbers->capacity : 64;
    uint64_t *larger = realloc(numbers->at, capacity * sizeof(*larger));
    if (!larger) return false;
    numbers->at = larger;
    numbers->capacity = capacity;
  }
  numbers->at[numbers->count++] = number;
  return true;
}

static int compare(const void *left, const void *right) {
  const uint64_t *a = left, *b = right;
  return *a < *b ? -1 : *a > *b;
}

static void sort(struct numbers *numbers) {
  if (numbers->count > 1)
    qsort(numbers->at, numbers->count, sizeof(*numbers->at), compare);
}

/* False, with errno, if the directory cannot be read or there is no memory. */
static bool read_names(DIR *directory, struct numbers *segments, struct numbers *spares) {
  for (;;) {
    errno = 0;
    const struct dirent *entry = readdir(directory);
    uint64_t number = 0;
    if (!entry) return errno == 0;
    if (parse(entry->d_name, SEGMENT_SUFFIX, &number)) {
      if (!add(segments, number)) return false;
    } else if (parse(entry->d_name, SPARE_SUFFIX, &number)) {
      if (!add(spares, number)) return false;
    }
  }
}

int gr_wal_files_list(struct gr_wal_files *files, uint64_t **segments,
                      size_t *segment_count, uint64_t **spares, size_t *spare_count,
                      struct gr_wal_text *why) {
  struct numbers found = {.at = NULL}, spare = {.at = NULL};
  int copy = openat(files->directory, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  DIR *directory = copy >= 0 ? fdopendir(copy) : NULL;
  bool ok = directory && read_names(directory, &found, &spare);
  if (!ok) {
    (void)gr_wal_files_error(files, "read the directory", ".", why);
    if (copy >= 0 && !directory) close(copy);
    free(found.at);
    free(spare.at);
  }
  if (directory) closedir(directory);
  if (!ok) return GR_ERR_SYSTEM;
  sort(&found);
  sort(&spare);
  *segments = found.at;
  *segment_count = found.count;
  *spares = spare.at;
  *spare_count = spare.count;
  return GR_OK;
}

/* ---- changing ---- */

int gr_wal_files_sync(struct gr_wal_files *files, struct gr_wal_text *why) {
  if (fsync(files->directory) == 0) return GR_OK;
  return gr_wal_files_error(files, "sync the directory", ".", why);
}

int gr_wal_files_rename(struct gr_wal_files *files, const char *from, const char *to,
                        struct gr_wal_text *why) {
  if (renameat(files->directory, from, files->directory, to) == 0) return GR_OK;
  return gr_wal_files_error(files, "rename", from, why);
}

int gr_wal_files_unlink(struct gr_wal_files *files, const char *name,
                        struct gr_wal_text *why) {
  if (unlinkat(files->directory, name, 0) == 0) return GR_OK;
  return gr_wal_files_error(files, "remove", name, why);
}

int gr_wal_files_write(const struct gr_wal_files *files, const char *name, int file,
                       gr_slice bytes, uint64_t offset, struct gr_wal_text *why) {
  const uint8_t *at = bytes.data;
  for (size_t left = bytes.size; left > 0;) {
    ssize_t wrote = pwrite(file, at, left, (off_t)offset);
    if (wrote < 0 && errno == EINTR) continue;
    if (wrote <= 0) {
      if (wrote == 0) errno = ENOSPC;
      gr_wal_text_set(why, "cannot write %zu bytes at byte %" PRIu64 " of %s/%s: %s",
                      left, offset, files->path, name, strerror(errno));
      return GR_ERR_STORAGE;
    }
    at += wrote;
    left -= (size_t)wrote;
    offset += (uint64_t)wrote;
  }
  return GR_OK;
}
