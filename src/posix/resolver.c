/* SPDX-License-Identifier: MIT
 *
 * See resolver.h.
 */
#include "posix/resolver.h"

void gr_resolver_init(struct gr_resolver *resolver, struct gr_waker *waker) {
  *resolver = (struct gr_resolver){.waker = waker};
  atomic_init(&resolver->done, 0);
  pthread_mutex_init(&resolver->mutex, NULL);
  pthread_cond_init(&resolver->asked, NULL);
}

void gr_resolver_free(struct gr_resolver *resolver) {
  pthread_mutex_lock(&resolver->mutex);
  resolver->stops = true;
  pthread_cond_signal(&resolver->asked);
  pthread_mutex_unlock(&resolver->mutex);
  if (resolver->runs) pthread_join(resolver->thread, NULL);
  pthread_mutex_destroy(&resolver->mutex);
  pthread_cond_destroy(&resolver->asked);
}

static struct gr_resolve_job *next_asked(struct gr_resolver *resolver) {
  for (size_t i = 0; i < GR_MEMBERS_MAX; i++)
    if (resolver->jobs[i].state == GR_RESOLVE_ASKED) return resolver->jobs + i;
  return NULL;
}

static void *resolver_main(void *context) {
  struct gr_resolver *resolver = context;
  pthread_mutex_lock(&resolver->mutex);
  while (!resolver->stops) {
    struct gr_resolve_job *job = next_asked(resolver);
    if (!job) {
      pthread_cond_wait(&resolver->asked, &resolver->mutex);
      continue;
    }
    job->state = GR_RESOLVE_RUNS; /* nobody else touches it until DONE */
    pthread_mutex_unlock(&resolver->mutex);
    int code = gr_address_resolve(job->address, false, &job->choices);
    pthread_mutex_lock(&resolver->mutex);
    job->code = code;
    job->state = GR_RESOLVE_DONE;
    atomic_fetch_add(&resolver->done, 1);
    gr_waker_notify(resolver->waker);
  }
  pthread_mutex_unlock(&resolver->mutex);
  return NULL;
}

bool gr_resolver_ask(struct gr_resolver *resolver, size_t job,
                     const struct gr_address *address) {
  if (!resolver->runs)
    resolver->runs =
        pthread_create(&resolver->thread, NULL, resolver_main, resolver) == 0;
  if (!resolver->runs) return false;
  pthread_mutex_lock(&resolver->mutex);
  resolver->jobs[job].address = address;
  resolver->jobs[job].state = GR_RESOLVE_ASKED;
  pthread_cond_signal(&resolver->asked);
  pthread_mutex_unlock(&resolver->mutex);
  return true;
}

bool gr_resolver_take(struct gr_resolver *resolver, size_t job, int *code,
                      struct gr_address_choices *choices) {
  if (atomic_load(&resolver->done) == 0) return false;
  pthread_mutex_lock(&resolver->mutex);
  struct gr_resolve_job *taken = resolver->jobs + job;
  bool is_done = taken->state == GR_RESOLVE_DONE;
  if (is_done) {
    *code = taken->code;
    *choices = taken->choices;
    taken->state = GR_RESOLVE_IDLE;
    atomic_fetch_sub(&resolver->done, 1);
  }
  pthread_mutex_unlock(&resolver->mutex);
  return is_done;
}
