/* SPDX-License-Identifier: MIT
 *
 * Resolves names of hosts off the node's thread, for the system may take seconds. Numeric
 * addresses never come here, so a group that uses only those has no such thread.
 */
#ifndef GR_POSIX_RESOLVER_H
#define GR_POSIX_RESOLVER_H

#include "posix/address.h"
#include "posix/waker.h"

#include <gr/types.h>
#include <pthread.h>

enum gr_resolve_state {
  GR_RESOLVE_IDLE,
  GR_RESOLVE_ASKED,
  GR_RESOLVE_RUNS,
  GR_RESOLVE_DONE
};

struct gr_resolve_job {
  enum gr_resolve_state state;
  const struct gr_address *address; /* outlives the resolver */
  struct gr_address_choices choices;
  int code; /* as of gr_address_resolve() */
};

struct gr_resolver {
  struct gr_waker *waker; /* notified when a job is done */
  pthread_t thread;
  bool runs; /* the thread was started */
  bool stops;
  _Atomic uint32_t done; /* jobs in DONE, to look at without the lock */
  pthread_mutex_t mutex;
  pthread_cond_t asked;
  struct gr_resolve_job jobs[GR_MEMBERS_MAX];
};

void gr_resolver_init(struct gr_resolver *resolver, struct gr_waker *waker);

/* Ends the thread; waits for the name that is being resolved. */
void gr_resolver_free(struct gr_resolver *resolver);

/* Asks for `address` under the number `job`. False if the thread cannot be started. */
bool gr_resolver_ask(struct gr_resolver *resolver, size_t job,
                     const struct gr_address *address);

/* True if `job` is done: `*code` and, if that is 0, `*choices` are set. */
bool gr_resolver_take(struct gr_resolver *resolver, size_t job, int *code,
                      struct gr_address_choices *choices);

#endif
