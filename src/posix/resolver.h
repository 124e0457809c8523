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

/* All zero: idle. Stays where it is until it is idle again. */
struct gr_resolve_job {
  enum gr_resolve_state state;
  const struct gr_address *address;
  struct gr_address_choices choices;
  int code; /* as of gr_address_resolve() */
  struct gr_resolve_job *next;
};

struct gr_resolver {
  struct gr_waker *waker; /* notified when a job is done */
  pthread_t thread;
  bool runs; /* the thread was started */
  bool stops;
  _Atomic uint32_t done; /* jobs in DONE, to look at without the lock */
  pthread_mutex_t mutex;
  pthread_cond_t asked;
  struct gr_resolve_job *first; /* of those asked */
};

void gr_resolver_init(struct gr_resolver *resolver, struct gr_waker *waker);

/* Ends the thread; waits for the name that is being resolved. */
void gr_resolver_free(struct gr_resolver *resolver);

/* Asks for `address`, which stays where it is; the job is idle. False if the thread
 * cannot be started. */
bool gr_resolver_ask(struct gr_resolver *resolver, struct gr_resolve_job *job,
                     const struct gr_address *address);

/* True if the job is done, and so idle again: `*code` and, if that is 0, `*choices` are
 * set. */
bool gr_resolver_take(struct gr_resolver *resolver, struct gr_resolve_job *job, int *code,
                      struct gr_address_choices *choices);

/* The answer is not wanted any more. False while the name is being resolved: the job is
 * still needed, and will be done. */
bool gr_resolver_forget(struct gr_resolver *resolver, struct gr_resolve_job *job);

#endif
