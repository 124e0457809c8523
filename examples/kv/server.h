/* SPDX-License-Identifier: MIT
 *
 * The client thread: reads commands, broadcasts the writes, applies what the group has
 * ordered, and answers. It is the only one that touches the store.
 */
#ifndef KV_SERVER_H
#define KV_SERVER_H

#include "checkpoint.h"

/* Serves the store, which this member keeps by way of `checkpoint`, or not if that is
 * NULL, until a signal arrives on `signal_fd` or the member halts. Closes `listen_fd`.
 * Returns the exit status of the process; whatever is not 0 has been said in the log, if
 * it can be written. */
int kv_server_run(const struct kv_options *options, struct kv_store **store,
                  struct kv_checkpoint *checkpoint, struct kv_group *group, int listen_fd,
                  int signal_fd);

#endif
