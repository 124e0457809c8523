/* SPDX-License-Identifier: MIT
 *
 * The log's directory, and what is in it:
 *
 *   lock             held while a log is open; says by which process
 *   checkpoint       the state that the records follow; checkpoint.new while it is
 * written NUMBER.segment   records; also one that is prepared and has nothing in it yet
 *   NUMBER.spare     a file that waits to become a segment again
 *
 * Functions that can fail answer GR_OK, or an error with the line that says what
 * happened.
 */
#ifndef GR_POSIX_WAL_FILES_H
#define GR_POSIX_WAL_FILES_H

#include "posix/wal_failure.h"

#include <gr/error.h>
#include <gr/types.h>

#define GR_WAL_NAME_BYTES 32
#define GR_WAL_CHECKPOINT_NAME "checkpoint"
#define GR_WAL_CHECKPOINT_NEW_NAME "checkpoint.new"

struct gr_wal_files {
  char *path;
  int directory;
  int lock;
};

struct gr_wal_name {
  char text[GR_WAL_NAME_BYTES];
};

struct gr_wal_name gr_wal_segment_name(uint64_t number);
struct gr_wal_name gr_wal_spare_name(uint64_t number);

/* Makes the directory if it is not there, and locks it. GR_ERR_NO_MEMORY, GR_ERR_SYSTEM.
 */
int gr_wal_files_open(struct gr_wal_files *files, const char *path,
                      struct gr_wal_text *why);
void gr_wal_files_close(struct gr_wal_files *files);

/* Numbers of the segments and of the spare files, ascending, in arrays that are the
 * caller's to free. GR_ERR_NO_MEMORY, GR_ERR_SYSTEM. */
int gr_wal_files_list(struct gr_wal_files *files, uint64_t **segments,
                      size_t *segment_count, uint64_t **spares, size_t *spare_count,
                      struct gr_wal_text *why);

/* Makes what happened to names durable. */
int gr_wal_files_sync(struct gr_wal_files *files, struct gr_wal_text *why);

int gr_wal_files_rename(struct gr_wal_files *files, const char *from, const char *to,
                        struct gr_wal_text *why);
int gr_wal_files_unlink(struct gr_wal_files *files, const char *name,
                        struct gr_wal_text *why);

/* The line for a system call that failed on a file, with errno; answers GR_ERR_STORAGE.
 */
int gr_wal_files_error(const struct gr_wal_files *files, const char *what,
                       const char *name, struct gr_wal_text *why);

/* Writes all of it. GR_ERR_STORAGE. */
int gr_wal_files_write(const struct gr_wal_files *files, const char *name, int file,
                       gr_slice bytes, uint64_t offset, struct gr_wal_text *why);

#endif
