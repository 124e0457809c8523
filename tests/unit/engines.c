/* SPDX-License-Identifier: MIT */
#include "engines.h"

#include "base/xxh64.h"

#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>

/* ---- life cycle ---- */

static gr_options options_of(const struct engines *all, bool founder, uint32_t index,
                             uint32_t founders) {
  gr_options options = test_options(founder ? founders : 1, founder ? index : 0);
  options.seed = all->seed;
  options.durable = all->durable;
  if (founder) return options;
  options.self = 0;
  options.founders = NULL;
  options.founder_count = 0;
  options.attributes.uuid = (gr_uuid){{(uint8_t)(index + 1)}};
  return options;
}

static struct engine *add(struct engines *all, bool founder, uint32_t founders) {
  cr_assert_lt(all->count, ENGINES_MAX);
  struct engine *engine = &all->list[all->count];
  *engine = (struct engine){.all = all, .index = all->count++};
  all->seed++;
  gr_options options = options_of(all, founder, engine->index, founders);
  cr_assert_eq(gr_paxos_new(&engine->paxos, &options, NULL, all->now), GR_OK);
  if (!all->durable) return engine;
  engine->storage = calloc(1, sizeof(*engine->storage));
  cr_assert_not_null(engine->storage);
  cr_assert_eq(gr_paxos_resume(engine->paxos, all->now), GR_OK);
  return engine;
}

void engines_open(struct engines *all, uint32_t founders, bool durable) {
  memset(all, 0, sizeof(*all));
  all->now = 1000 * TEST_MS;
  all->durable = durable;
  all->seed = 100;
  for (uint32_t i = 0; i < founders; i++) add(all, true, founders);
}

struct engine *engines_join(struct engines *all) {
  return add(all, false, 0);
}

void engines_close(struct engines *all) {
  for (; all->frames_first < all->frames_end; all->frames_first++)
    free(all->frames[all->frames_first % ENGINE_FRAMES_MAX].bytes);
  for (uint32_t i = 0; i < all->count; i++) {
    gr_paxos_free(all->list[i].paxos);
    if (all->list[i].storage) storage_close(all->list[i].storage);
    free(all->list[i].storage);
  }
}

gr_status engine_status(const struct engine *engine) {
  gr_status status = {.size = sizeof(status)};
  cr_assert_eq(gr_paxos_status(engine->paxos, &status), GR_OK);
  return status;
}

gr_member_id engine_id(const struct engine *engine) {
  return engine_status(engine).self;
}

struct engine *engines_leader(struct engines *all) {
  struct engine *leader = NULL;
  for (uint32_t i = 0; i < all->count; i++)
    if (!all->list[i].down && engine_status(&all->list[i]).role == GR_ROLE_LEADER)
      leader = &all->list[i];
  return leader;
}

/* ---- a turn ---- */

static void take_view(struct engine *engine, const gr_change *change) {
  cr_assert_lt(engine->view_count, ENGINE_VIEWS_MAX);
  gr_status status = engine_status(engine);
  engine->views[engine->view_count++] =
      (struct told_view){status.view, status.seqno, change->kind, change->member};
}

static void take_message(struct engine *engine, const gr_delivery *delivery) {
  uint8_t bytes[TEST_MESSAGE_MAX];
  size_t size = 0;
  for (size_t i = 0; i < delivery->part_count; size += delivery->parts[i++].size)
    if (delivery->parts[i].size > 0)
      memcpy(bytes + size, delivery->parts[i].data, delivery->parts[i].size);
  cr_assert_eq(delivery->seqno, engine->seqno + 1, "engine %u", engine->index);
  cr_assert_lt(engine->seqno, ENGINE_LOG_MAX);
  engine->log[engine->seqno++] =
      (struct told){delivery->origin, delivery->number, gr_xxh64(bytes, size, 0)};
}

static bool deliver(struct engine *engine) {
  gr_delivery delivery;
  gr_change change;
  bool any = false;
  for (;; any = true) {
    if (gr_paxos_view_entered(engine->paxos, &change)) {
      take_view(engine, &change);
    } else if (gr_paxos_delivery(engine->paxos, &delivery)) {
      take_message(engine, &delivery);
      gr_paxos_delivered(engine->paxos);
    } else if (gr_paxos_view_entered(engine->paxos, &change)) {
      take_view(engine, &change);
    } else {
      return any;
    }
  }
}

static bool store(struct engine *engine) {
  if (!engine->storage) return false;
  bool any = storage_take(engine->storage, engine->paxos) > 0;
  gr_ticket stored = engine_status(engine).stored;
  if (!engine->slow && stored > 0)
    cr_assert_eq(gr_paxos_stored(engine->paxos, stored), GR_OK);
  return any;
}

static void trim(struct engine *engine) {
  gr_ticket first;
  gr_slice state;
  if (!engine->storage || !gr_paxos_trim(engine->paxos, &first, &state)) return;
  storage_trim(engine->storage, first, state);
}

static void send(struct engine *engine, struct engine *to, const gr_frame *frame) {
  struct engines *all = engine->all;
  uint8_t type = ((const uint8_t *)frame->parts[0].data)[7];
  all->sent[type]++;
  if (all->lost && all->lost(all, engine, to, (enum gr_frame_type)type)) return;
  cr_assert_lt(all->frames_end - all->frames_first, ENGINE_FRAMES_MAX);
  struct frame_on_its_way *on = &all->frames[all->frames_end++ % ENGINE_FRAMES_MAX];
  *on = (struct frame_on_its_way){engine_id(engine), to->index, (enum gr_frame_type)type,
                                  0, NULL};
  for (size_t i = 0; i < frame->part_count; i++) on->size += frame->parts[i].size;
  uint8_t *at = on->bytes = malloc(on->size);
  cr_assert_not_null(at);
  for (size_t i = 0; i < frame->part_count; at += frame->parts[i++].size)
    memcpy(at, frame->parts[i].data, frame->parts[i].size);
}

static bool speak(struct engine *engine) {
  bool any = false;
  for (uint32_t i = 0; i < engine->all->count; i++) {
    struct engine *to = &engine->all->list[i];
    gr_member_id id = engine_id(to);
    gr_frame frame;
    while (id != 0 && to != engine && gr_paxos_frame(engine->paxos, id, &frame)) {
      send(engine, to, &frame);
      gr_paxos_frame_sent(engine->paxos, id);
      any = true;
    }
  }
  return any;
}

void engine_turn(struct engine *engine) {
  if (engine->down) return;
  bool any = true;
  while (any) {
    gr_paxos_flush(engine->paxos);
    any = store(engine);
    any = speak(engine) || any;
    any = deliver(engine) || any;
    trim(engine);
  }
}

static void restored(void *context) {
  deliver(context);
}

int engine_restart(struct engine *engine) {
  struct engines *all = engine->all;
  gr_status status = engine_status(engine);
  gr_member_id id = engine_id(engine);
  gr_paxos_free(engine->paxos);
  storage_lose(engine->storage, status.synced + 1 - storage_ticket(engine->storage, 0));
  all->seed++;
  gr_options options = options_of(all, false, engine->index, 0);
  options.applied = engine->seqno;
  cr_assert_eq(gr_paxos_new(&engine->paxos, &options, NULL, all->now), GR_OK);
  int error = storage_give_back(engine->storage, engine->paxos, restored, engine);
  if (error == GR_OK) error = gr_paxos_resume(engine->paxos, all->now);
  if (error == GR_OK && id != 0 && engine_id(engine) != 0)
    cr_assert_eq(engine_id(engine), id);
  return error;
}

/* ---- what the test asks for ---- */

int engine_broadcast(struct engine *engine, size_t size, uint8_t tag) {
  uint8_t bytes[TEST_MESSAGE_MAX];
  for (size_t i = 0; i < size; i++) bytes[i] = (uint8_t)(tag + i * 7);
  gr_slice part = {bytes, size};
  return gr_paxos_broadcast(engine->paxos, &part, 1, engine->all->now, NULL);
}

int engine_change(struct engine *leader, enum gr_change_kind kind, gr_member_id member,
                  const struct engine *joiner) {
  gr_change change = {.kind = kind, .member = member, .reason = (uint8_t)kind};
  if (joiner) {
    change.incarnation = gr_paxos_incarnation(joiner->paxos);
    change.profile = (gr_slice){"joiner", 6};
  }
  return gr_paxos_change(leader->paxos, &change, leader->all->now);
}

int engine_install(struct engine *joiner, struct engine *donor, gr_seqno seqno,
                   gr_member_id id) {
  gr_slice image;
  cr_assert(gr_paxos_image(donor->paxos, seqno, &image));
  gr_status status = engine_status(donor);
  gr_seqno applied = seqno < status.seqno ? seqno : status.seqno;
  memcpy(joiner->log, donor->log, applied * sizeof(joiner->log[0]));
  joiner->first = joiner->seqno = applied;
  joiner->view_count = 0;
  uint64_t digest = applied == status.seqno ? status.digest : 0;
  return gr_paxos_install(joiner->paxos, image, id, applied, digest, joiner->all->now);
}

gr_member_id engine_admit(struct engine *joiner) {
  struct engines *all = joiner->all;
  struct engine *leader = engines_leader(all);
  cr_assert_not_null(leader);
  uint64_t view = engine_status(leader).view;
  cr_assert_eq(engine_change(leader, GR_CHANGE_ADD, 0, joiner), GR_OK);
  cr_assert(engines_run(all, engines_in_view, view + 1, 1000 * TEST_MS));
  gr_member_id id = leader->views[leader->view_count - 1].member;
  cr_assert_eq(engine_install(joiner, engines_leader(all), UINT64_MAX, id), GR_OK);
  cr_assert(engines_run(all, engines_in_view, view + 1, 1000 * TEST_MS));
  return id;
}

/* ---- running ---- */

static struct engine *engine_of(struct engines *all, gr_member_id id) {
  for (uint32_t i = 0; i < all->count; i++)
    if (engine_id(&all->list[i]) == id) return &all->list[i];
  return NULL;
}

static void land(struct engines *all) {
  struct frame_on_its_way frame = all->frames[all->frames_first++ % ENGINE_FRAMES_MAX];
  struct engine *from = engine_of(all, frame.from);
  struct engine *to = &all->list[frame.to];
  if (!to->down && from && !from->down) {
    gr_slice bytes = {frame.bytes, frame.size};
    int error = gr_paxos_receive(to->paxos, frame.from, bytes, all->now);
    cr_assert(error == GR_OK || error == GR_ERR_STALE || error == GR_ERR_FOREIGN ||
                  error == GR_ERR_HALTED,
              "%s of type %d", gr_error_name(error), (int)frame.type);
  }
  free(frame.bytes);
}

void engines_step(struct engines *all) {
  for (uint64_t left = all->frames_end - all->frames_first; left > 0; left--) land(all);
  for (uint32_t i = 0; i < all->count; i++) engine_turn(&all->list[i]);
}

static void wait(struct engines *all, gr_time until) {
  gr_time next = until;
  for (uint32_t i = 0; i < all->count; i++) {
    gr_time due = gr_paxos_deadline(all->list[i].paxos);
    if (!all->list[i].down && due < next) next = due;
  }
  if (all->now < next) all->now = next;
  for (uint32_t i = 0; i < all->count; i++)
    if (!all->list[i].down) gr_paxos_poll(all->list[i].paxos, all->now);
}

bool engines_run(struct engines *all, engines_goal *done, uint64_t argument,
                 gr_time patience) {
  gr_time until = all->now + patience;
  for (uint32_t i = 0; i < all->count; i++) engine_turn(&all->list[i]);
  while (!done(all, argument)) {
    if (all->frames_first == all->frames_end) {
      if (all->now >= until) return false;
      wait(all, until);
    }
    all->now += 1000;
    engines_step(all);
  }
  return true;
}

/* ---- goals ---- */

static bool takes_part(const struct engine *engine) {
  return !engine->down && engine_status(engine).view != 0;
}

bool engines_led(struct engines *all, uint64_t ignored) {
  (void)ignored;
  struct engine *leader = engines_leader(all);
  if (!leader) return false;
  for (uint32_t i = 0; i < all->count; i++)
    if (takes_part(&all->list[i]) &&
        engine_status(&all->list[i]).leader != engine_id(leader))
      return false;
  return true;
}

bool engines_delivered(struct engines *all, uint64_t seqno) {
  for (uint32_t i = 0; i < all->count; i++)
    if (takes_part(&all->list[i]) && all->list[i].seqno < seqno) return false;
  return true;
}

bool engines_in_view(struct engines *all, uint64_t number) {
  for (uint32_t i = 0; i < all->count; i++)
    if (takes_part(&all->list[i]) && engine_status(&all->list[i]).view != number)
      return false;
  return engines_led(all, 0);
}

bool engines_never(struct engines *all, uint64_t ignored) {
  (void)all, (void)ignored;
  return false;
}

/* ---- what must hold ---- */

static void check_messages(const struct engine *a, const struct engine *b) {
  gr_seqno count = a->seqno < b->seqno ? a->seqno : b->seqno;
  for (gr_seqno k = 0; k < count; k++) {
    cr_assert_eq(a->log[k].origin, b->log[k].origin, "seqno %zu", (size_t)k + 1);
    cr_assert_eq(a->log[k].number, b->log[k].number, "seqno %zu", (size_t)k + 1);
    cr_assert_eq(a->log[k].hash, b->log[k].hash, "seqno %zu", (size_t)k + 1);
  }
}

/* Of those views that both were told of. */
static void check_views(const struct engine *a, const struct engine *b) {
  for (size_t i = 0; i < a->view_count; i++) {
    for (size_t k = 0; k < b->view_count; k++) {
      if (a->views[i].number != b->views[k].number) continue;
      cr_assert_eq(a->views[i].seqno, b->views[k].seqno, "view %zu",
                   (size_t)a->views[i].number);
      cr_assert_eq(a->views[i].kind, b->views[k].kind);
      cr_assert_eq(a->views[i].member, b->views[k].member);
    }
  }
}

void engines_check(const struct engines *all) {
  for (uint32_t i = 0; i < all->count; i++) {
    const struct engine *a = &all->list[i];
    const char *text;
    cr_assert_eq(gr_paxos_halt_reason(a->paxos, &text), GR_OK, "engine %u: %s", i, text);
    for (uint32_t k = 0; k < i; k++) {
      const struct engine *b = &all->list[k];
      check_messages(a, b);
      check_views(a, b);
      if (engine_status(a).seqno == engine_status(b).seqno)
        cr_assert_eq(engine_status(a).digest, engine_status(b).digest, "%u and %u", i, k);
    }
  }
}
