/* SPDX-License-Identifier: MIT
 *
 * See scratch.h.
 */
#include "scratch.h"

#include <errno.h>
#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#define OPEN_DIRECTORIES_MAX 8

static _Noreturn void give_up(const char *path) {
  fprintf(stderr, "no directory can be made at %s: %s\n", path, strerror(errno));
  exit(EXIT_FAILURE);
}

struct scratch scratch_make(const char *parent) {
  struct scratch scratch;
  if (mkdir(parent, 0777) != 0 && errno != EEXIST) give_up(parent);
  int length = snprintf(scratch.path, sizeof(scratch.path), "%s/run-XXXXXX", parent);
  if (length >= (int)sizeof(scratch.path)) errno = ENAMETOOLONG;
  if (length >= (int)sizeof(scratch.path) || mkdtemp(scratch.path) == NULL)
    give_up(parent);
  return scratch;
}

static int remove_one(const char *path, const struct stat *status, int type,
                      struct FTW *where) {
  (void)status;
  (void)type;
  (void)where;
  return remove(path);
}

void scratch_remove(const struct scratch *scratch) {
  if (nftw(scratch->path, remove_one, OPEN_DIRECTORIES_MAX, FTW_DEPTH | FTW_PHYS) != 0)
    fprintf(stderr, "%s cannot be removed: %s\n", scratch->path, strerror(errno));
}
