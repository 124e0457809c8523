/* SPDX-License-Identifier: MIT
 *
 * See donor.h.
 */
#include "donor.h"

#include "child.h"
#include "log.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define NS_PER_US UINT64_C(1000)

enum phase {
  FREE = 0,
  ASKED,   /* the client thread has not come to it yet */
  FORKING, /* it is at it, without the lock */
  CLOSED,  /* nobody wants it any more, and the client thread will see to it */
  WRITING,
  WRITTEN,
  FAILED
};

struct donation {
  enum phase phase;
  int fd;
  pid_t child;
};

struct kv_donor {
  const struct kv_options *options;
  pthread_mutex_t lock;
  struct donation donations[KV_DONATIONS_MAX];
  struct kv_donor_figures figures; /* the client thread's own */
};

struct kv_donor *kv_donor_new(const struct kv_options *options) {
  struct kv_donor *donor = calloc(1, sizeof(*donor));
  if (!donor) return NULL;
  donor->options = options;
  pthread_mutex_init(&donor->lock, NULL);
  return donor;
}

static void release(struct donation *donation) {
  if (donation->phase == WRITING) kv_child_kill(donation->child);
  close(donation->fd);
  donation->phase = FREE;
}

void kv_donor_free(struct kv_donor *donor) {
  if (!donor) return;
  for (uint32_t i = 0; i < KV_DONATIONS_MAX; i++)
    if (donor->donations[i].phase != FREE) release(&donor->donations[i]);
  pthread_mutex_destroy(&donor->lock);
  free(donor);
}

/* A file that is gone when it is closed. */
static int open_file(const struct kv_options *options) {
  char path[KV_PATH_MAX];
  const char *folder = options->data_path ? options->data_path : getenv("TMPDIR");
  if (!folder || folder[0] == '\0') folder = "/tmp";
  int size = snprintf(path, sizeof(path), "%s/gr-kv-given-XXXXXX", folder);
  if (size < 0 || (size_t)size >= sizeof(path)) {
    errno = ENAMETOOLONG;
    return -1;
  }
  int fd = mkostemp(path, O_CLOEXEC);
  if (fd >= 0) unlink(path);
  return fd;
}

bool kv_donor_open(struct kv_donor *donor, uint32_t *place) {
  int fd = open_file(donor->options);
  if (fd < 0) {
    kv_log(GR_LOG_WARNING, "no snapshot can be given: a file for it cannot be made: %s",
           strerror(errno));
    return false;
  }
  bool found = false;
  pthread_mutex_lock(&donor->lock);
  for (uint32_t i = 0; i < KV_DONATIONS_MAX && !found; i++) {
    if (donor->donations[i].phase != FREE) continue;
    donor->donations[i] = (struct donation){.phase = ASKED, .fd = fd};
    *place = i;
    found = true;
  }
  pthread_mutex_unlock(&donor->lock);
  if (!found) close(fd);
  return found;
}

/* ---- writing ---- */

struct work {
  const struct kv_store *store;
  const gr_uuid *group;
  const struct kv_snapshot *snapshot;
};

static int write_in_child(const void *context, int fd) {
  const struct work *work = context;
  return kv_snapshot_write(fd, work->store, work->group, work->snapshot, false);
}

/* The lock is not held in the fork, which may take its time: the node's thread goes on.
 */
void kv_donor_begin(struct kv_donor *donor, uint32_t place, const struct kv_store *store,
                    const struct kv_snapshot *snapshot) {
  struct donation *donation = &donor->donations[place];
  pthread_mutex_lock(&donor->lock);
  bool wanted = donation->phase == ASKED;
  donation->phase = wanted ? FORKING : FREE;
  if (!wanted) close(donation->fd);
  pthread_mutex_unlock(&donor->lock);
  if (!wanted) return;

  struct work work = {store, &donor->options->group, snapshot};
  gr_time begun = gr_posix_now();
  pid_t child = kv_child_begin(write_in_child, &work, donation->fd);
  if (child < 0) kv_log(GR_LOG_WARNING, "no snapshot can be given: %s", strerror(errno));
  donor->figures.begun++;
  donor->figures.fork_us = (gr_posix_now() - begun) / NS_PER_US;

  pthread_mutex_lock(&donor->lock);
  wanted = donation->phase == FORKING;
  donation->child = child;
  donation->phase = child < 0 ? FAILED : WRITING;
  if (!wanted) release(donation);
  pthread_mutex_unlock(&donor->lock);
}

struct kv_donor_figures kv_donor_figures(const struct kv_donor *donor) {
  return donor->figures;
}

/* ---- reading ---- */

static void look_at_child(struct donation *donation) {
  int error = 0;
  if (donation->phase != WRITING || !kv_child_has_ended(donation->child, &error)) return;
  donation->phase = error == 0 ? WRITTEN : FAILED;
  if (error != 0)
    kv_log(GR_LOG_WARNING, "a snapshot for another member failed: %s", strerror(error));
}

bool kv_donor_read(struct kv_donor *donor, uint32_t place, uint64_t offset, void *buffer,
                   size_t *size, bool *end) {
  struct donation *donation = &donor->donations[place];
  pthread_mutex_lock(&donor->lock);
  look_at_child(donation);
  enum phase phase = donation->phase;
  pthread_mutex_unlock(&donor->lock);
  *end = false;
  ssize_t got = 0;
  if (phase == WRITING || phase == WRITTEN)
    got = pread(donation->fd, buffer, *size, (off_t)offset);
  struct stat facts;
  if (got < 0 || phase == FAILED || fstat(donation->fd, &facts) != 0) return false;
  *size = (size_t)got;
  *end = phase == WRITTEN && offset + *size >= (uint64_t)facts.st_size;
  return true;
}

uint64_t kv_donor_bytes(struct kv_donor *donor, uint32_t place) {
  const struct donation *donation = &donor->donations[place];
  pthread_mutex_lock(&donor->lock);
  bool written = donation->phase == WRITTEN;
  pthread_mutex_unlock(&donor->lock);
  struct stat facts;
  return written && fstat(donation->fd, &facts) == 0 ? (uint64_t)facts.st_size : 0;
}

void kv_donor_close(struct kv_donor *donor, uint32_t place) {
  struct donation *donation = &donor->donations[place];
  pthread_mutex_lock(&donor->lock);
  if (donation->phase == ASKED || donation->phase == FORKING)
    donation->phase = CLOSED;
  else
    release(donation);
  pthread_mutex_unlock(&donor->lock);
}
