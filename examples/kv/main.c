/* SPDX-License-Identifier: MIT
 *
 * gr-kv: a replicated key-value server. Starts what the other files are about, in the
 * order in which a failure costs least: a volatile member that has met the group can only
 * come back as a new one, so everything that may be refused comes before.
 */
#include "clients.h"
#include "log.h"
#include "server.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/signalfd.h>
#include <unistd.h>

/* Open files beside the clients: the group's connections, and what a process has anyway.
 */
#define FILES_BESIDE_CLIENTS 128u

/* Room for a line that names a file. */
#define TEXT_MAX (KV_PATH_MAX + 256)

static int refused(const char *text) {
  fprintf(stderr, "gr-kv: %s\n", text);
  return 1;
}

/* Makes sure that as many clients as promised can be connected. */
static bool raise_file_limit(uint32_t clients_max) {
  struct rlimit limit;
  rlim_t needed = clients_max + FILES_BESIDE_CLIENTS;
  if (getrlimit(RLIMIT_NOFILE, &limit) != 0 || limit.rlim_cur >= needed) return true;
  limit.rlim_cur = needed;
  if (needed <= limit.rlim_max && setrlimit(RLIMIT_NOFILE, &limit) == 0) return true;
  fprintf(stderr,
          "gr-kv: --max-clients %u needs %llu open files and the limit is %llu; raise it "
          "(ulimit -n) or lower --max-clients\n",
          clients_max, (unsigned long long)needed, (unsigned long long)limit.rlim_max);
  return false;
}

/* SIGTERM and SIGINT as a descriptor. Blocked before any thread starts, so that all have
 * it so. -1: errno says why. */
static int signals_as_descriptor(void) {
  sigset_t set;
  sigemptyset(&set);
  sigaddset(&set, SIGTERM);
  sigaddset(&set, SIGINT);
  if (sigprocmask(SIG_BLOCK, &set, NULL) != 0) return -1;
  return signalfd(-1, &set, SFD_NONBLOCK | SFD_CLOEXEC);
}

static int serve(const struct kv_options *options, struct kv_store **store,
                 struct kv_checkpoint *checkpoint, int signal_fd) {
  char text[TEXT_MAX];
  int listen_fd = kv_clients_listen(options, text, sizeof(text));
  if (listen_fd < 0) return refused(text);
  struct kv_snapshot state = {0};
  if (checkpoint) state = checkpoint->latest;
  struct kv_group *group =
      kv_group_start(options, checkpoint, &state, text, sizeof(text));
  if (!group) {
    close(listen_fd);
    return refused(text);
  }
  int status = kv_server_run(options, store, checkpoint, group, listen_fd, signal_fd);
  kv_group_stop(group);
  return status;
}

static int load_and_serve(const struct kv_options *options, int signal_fd) {
  char text[TEXT_MAX];
  struct kv_checkpoint checkpoint;
  struct kv_store *store = kv_store_new();
  if (!store) return refused(strerror(errno));
  bool durable = options->data_path != NULL;
  int status = 0;
  if (durable && !kv_checkpoint_open(&checkpoint, options, store, text, sizeof(text)))
    status = refused(text);
  else
    status = serve(options, &store, durable ? &checkpoint : NULL, signal_fd);
  if (durable) kv_checkpoint_close(&checkpoint);
  kv_store_free(store);
  return status;
}

int main(int argc, char **argv) {
  struct kv_options options;
  switch (kv_options_parse(&options, argc, argv)) {
  case KV_OPTIONS_EXIT:
    return 0;
  case KV_OPTIONS_BAD:
    return 2;
  case KV_OPTIONS_RUN:
    break;
  }
  if (!kv_log_open(options.log_path, options.id)) {
    fprintf(stderr, "gr-kv: cannot open --log %s: %s\n", options.log_path,
            strerror(errno));
    return 1;
  }
  if (!raise_file_limit(options.clients_max)) return 1;
  int signal_fd = signals_as_descriptor();
  if (signal_fd < 0) return refused(strerror(errno));
  int status = load_and_serve(&options, signal_fd);
  close(signal_fd);
  if (kv_log_failure() == 0) return status;
  fprintf(stderr, "gr-kv: writing the log failed: %s\n", strerror(kv_log_failure()));
  return 1;
}
