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

static void *resolver_main(void *context) {
  struct gr_resolver *resolver = context;
  pthread_mutex_lock(&resolver->mutex);
  while (!resolver->stops) {
    struct gr_resolve_job *job = resolver->first;
    if (!job) {
      pthread_cond_wait(&resolver->asked, &resolver->mutex);
      continue;
    }
    resolver->first = job->next;
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

bool gr_resolver_ask(struct gr_resolver *resolver, struct gr_resolve_job *job,
                     const struct gr_address *address) {
  if (!resolver->runs)
    resolver->runs =
        pthread_create(&resolver->thread, NULL, resolver_main, resolver) == 0;
  if (!resolver->runs) return false;
  pthread_mutex_lock(&resolver->mutex);
  struct gr_resolve_job **end = &resolver->first;
  while (*end) end = &(*end)->next;
  *end = job;
  job->next = NULL;
  job->address = address;
  job->state = GR_RESOLVE_ASKED;
  pthread_cond_signal(&resolver->asked);
  pthread_mutex_unlock(&resolver->mutex);
  return true;
}

/* With the lock: a job that is done is idle from now on. */
static void settle(struct gr_resolver *resolver, struct gr_resolve_job *job) {
  job->state = GR_RESOLVE_IDLE;
  atomic_fetch_sub(&resolver->done, 1);
}

bool gr_resolver_take(struct gr_resolver *resolver, struct gr_resolve_job *job, int *code,
                      struct gr_address_choices *choices) {
  if (atomic_load(&resolver->done) == 0) return false;
  pthread_mutex_lock(&resolver->mutex);
  bool is_done = job->state == GR_RESOLVE_DONE;
  if (is_done) {
    *code = job->code;
    *choices = job->choices;
    settle(resolver, job);
  }
  pthread_mutex_unlock(&resolver->mutex);
  return is_done;
}

bool gr_resolver_forget(struct gr_resolver *resolver, struct gr_resolve_job *job) {
  pthread_mutex_lock(&resolver->mutex);
  if (job->state == GR_RESOLVE_ASKED) {
    struct gr_resolve_job **at = &resolver->first;
    while (*at != job) at = &(*at)->next;
    *at = job->next;
    job->state = GR_RESOLVE_IDLE;
  } else if (job->state == GR_RESOLVE_DONE) {
    settle(resolver, job);
  }
  bool is_idle = job->state == GR_RESOLVE_IDLE;
  pthread_mutex_unlock(&resolver->mutex);
  return is_idle;
}
