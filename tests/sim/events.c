/* SPDX-License-Identifier: MIT */
#include "events.h"

#define CHILDREN 4

static bool before(const struct sim_event *a, const struct sim_event *b) {
  return a->at < b->at || (a->at == b->at && a->order < b->order);
}

void sim_events_add(struct sim_events *events, struct sim_event event) {
  if (events->count == events->capacity) {
    events->capacity = events->capacity ? 2 * events->capacity : 1024;
    events->heap = sim_reallocate(events->heap, events->capacity * sizeof(*events->heap));
  }
  event.order = events->next_order++;
  size_t at = events->count++;
  while (at > 0 && before(&event, &events->heap[(at - 1) / CHILDREN])) {
    events->heap[at] = events->heap[(at - 1) / CHILDREN];
    at = (at - 1) / CHILDREN;
  }
  events->heap[at] = event;
}

static size_t first_child(const struct sim_events *events, size_t parent) {
  size_t begin = CHILDREN * parent + 1;
  size_t end = begin + CHILDREN < events->count ? begin + CHILDREN : events->count;
  size_t first = begin;
  for (size_t i = begin + 1; i < end; i++)
    if (before(&events->heap[i], &events->heap[first])) first = i;
  return first;
}

bool sim_events_take(struct sim_events *events, struct sim_event *event) {
  if (events->count == 0) return false;
  *event = events->heap[0];
  struct sim_event last = events->heap[--events->count];
  size_t at = 0;
  while (CHILDREN * at + 1 < events->count) {
    size_t child = first_child(events, at);
    if (!before(&events->heap[child], &last)) break;
    events->heap[at] = events->heap[child];
    at = child;
  }
  if (events->count > 0) events->heap[at] = last;
  return true;
}
