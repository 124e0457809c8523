/* SPDX-License-Identifier: MIT
 *
 * Positions: what a donor gives, what a joiner takes, and what remains of it when power
 * is lost at any moment.
 */
#include "engines.h"

#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>

#define SECOND (1000 * TEST_MS)

static struct engines all;

static struct engine *at(uint32_t index) {
  return &all.list[index];
}

static struct engine *open_led(uint32_t founders, bool durable) {
  engines_open(&all, founders, durable);
  cr_assert(engines_run(&all, engines_led, 0, 2 * SECOND));
  return engines_leader(&all);
}

static void chat(uint8_t tag) {
  gr_seqno expected = 0;
  for (uint32_t i = 0; i < all.count; i++)
    if (at(i)->seqno > expected) expected = at(i)->seqno;
  for (uint32_t i = 0; i < all.count; i++) {
    if (at(i)->down || engine_status(at(i)).view == 0) continue;
    for (int tries = 0; engine_broadcast(at(i), 10 + i, tag) != GR_OK; tries++) {
      cr_assert_lt(tries, 20, "engine %u", i);
      engines_run(&all, engines_never, 0, 100 * TEST_MS);
    }
    expected++;
  }
  cr_assert(engines_run(&all, engines_delivered, expected, 2 * SECOND));
  engines_check(&all);
}

static void close_all(void) {
  engines_check(&all);
  engines_close(&all);
}

static struct engine *any_follower(void) {
  uint32_t i = 0;
  while (at(i)->down || at(i) == engines_leader(&all)) i++;
  return at(i);
}

/* A copy: an image is valid until the next call only. */
static gr_slice image_of(struct engine *donor, gr_seqno seqno, uint8_t *bytes) {
  gr_slice image;
  cr_assert(gr_paxos_image(donor->paxos, seqno, &image));
  cr_assert_leq(image.size, GR_IMAGE_BYTES_MAX);
  memcpy(bytes, image.data, image.size);
  return (gr_slice){bytes, image.size};
}

static int install(struct engine *joiner, gr_slice image, gr_seqno applied,
                   uint64_t digest) {
  uint8_t *exact = malloc(image.size);
  memcpy(exact, image.data, image.size);
  int error = gr_paxos_install(joiner->paxos, (gr_slice){exact, image.size}, 31, applied,
                               digest, all.now);
  free(exact);
  return error;
}

/* ---- what is taken ---- */

Test(paxos_install, arguments_are_checked) {
  struct engine *leader = open_led(3, false);
  chat(1);
  uint8_t bytes[GR_IMAGE_BYTES_MAX];
  gr_slice image = image_of(leader, UINT64_MAX, bytes);
  struct engine *joiner = engines_join(&all);
  gr_paxos *paxos = joiner->paxos;
  cr_assert_eq(gr_paxos_install(NULL, image, 31, 3, 0, 1), GR_ERR_INVALID);
  cr_assert_eq(gr_paxos_install(paxos, (gr_slice){NULL, 0}, 31, 3, 0, 1), GR_ERR_INVALID);
  cr_assert_eq(gr_paxos_install(paxos, image, 0, 3, 0, 1), GR_ERR_INVALID);
  cr_assert_eq(gr_paxos_install(paxos, image, GR_MEMBER_ID_MAX, 3, 0, 1), GR_ERR_INVALID);
  cr_assert_eq(gr_paxos_install(leader->paxos, image, 31, 3, 0, 1), GR_ERR_INVALID);
  cr_assert_eq(gr_paxos_install(paxos, image, 31, 2, 0, 1), GR_ERR_OUTDATED);
  cr_assert_eq(engine_status(joiner).view, 0, "nothing changed");
  cr_assert_eq(gr_paxos_install(paxos, image, 31, 3, 0, 1), GR_OK);
  cr_assert_eq(gr_paxos_install(paxos, image, 31, 3, 0, 1), GR_ERR_INVALID);
  cr_assert(!gr_paxos_image(NULL, 0, &image));
  cr_assert(!gr_paxos_image(leader->paxos, 0, NULL));
  cr_assert_eq(gr_paxos_reset(NULL, 1), GR_ERR_INVALID);
  cr_assert_eq(gr_paxos_incarnation(NULL), 0);
  engines_close(&all);
}

Test(paxos_install, a_damaged_image_is_refused) {
  struct engine *leader = open_led(3, false);
  chat(1);
  uint8_t bytes[GR_IMAGE_BYTES_MAX];
  gr_slice image = image_of(leader, UINT64_MAX, bytes);
  struct engine *joiner = engines_join(&all);
  for (size_t i = 0; i < image.size; i++) {
    bytes[i] ^= 0x10;
    cr_assert_eq(install(joiner, image, 3, 0), GR_ERR_CORRUPT, "byte %zu", i);
    bytes[i] ^= 0x10;
  }
  for (size_t size = 1; size < image.size; size++) {
    int error = install(joiner, (gr_slice){bytes, size}, 3, 0);
    cr_assert_eq(gr_error_classify(error), GR_CLASS_INPUT, "%zu bytes", size);
  }
  struct gr_writer writer = gr_writer_of(bytes, sizeof(bytes));
  gr_record_begin(&writer, GR_RECORD_BOOT);
  gr_boot_record_encode(&writer, 5);
  gr_record_end(&writer);
  cr_assert_eq(install(joiner, (gr_slice){bytes, writer.used}, 3, 0), GR_ERR_MALFORMED);
  cr_assert_eq(engine_status(joiner).view, 0);
  close_all();
}

Test(paxos_install, an_image_of_another_group_is_refused) {
  struct engine *leader = open_led(3, false);
  chat(1);
  uint8_t bytes[GR_IMAGE_BYTES_MAX];
  gr_slice image = image_of(leader, UINT64_MAX, bytes);
  const size_t offsets[] = {offsetof(gr_options, group_id),
                            offsetof(gr_options, members_max),
                            offsetof(gr_options, message_bytes_max)};
  for (size_t i = 0; i < sizeof(offsets) / sizeof(offsets[0]); i++) {
    gr_options options = test_options(1, 0);
    options.self = 0;
    options.founder_count = 0;
    options.attributes.uuid = (gr_uuid){{1}};
    ((uint8_t *)&options)[offsets[i]] ^= 1;
    options.cache_bytes_max = 0;
    gr_paxos *paxos;
    cr_assert_eq(gr_paxos_new(&paxos, &options, NULL, 1), i < 2 ? GR_OK : GR_OK);
    cr_assert_eq(gr_paxos_install(paxos, image, 31, 3, 0, 1), GR_ERR_FOREIGN, "row %zu",
                 i);
    gr_paxos_free(paxos);
  }
  close_all();
}

/* ---- where a position may be had ---- */

Test(paxos_install, a_position_of_the_past_is_the_last_one_before_it) {
  struct engine *leader = open_led(3, false);
  struct engine *away = any_follower();
  chat(1);
  away->down = true; /* so that the log is kept */
  for (uint8_t i = 0; i < 10; i++) chat(i);
  for (gr_seqno seqno = 3; seqno <= leader->seqno; seqno++) {
    uint8_t bytes[GR_IMAGE_BYTES_MAX];
    gr_slice image = image_of(leader, seqno, bytes);
    struct engine *joiner = engines_join(&all);
    /* It lies not behind what is asked for, and what lies between is not given twice. */
    joiner->first = joiner->seqno = seqno;
    cr_assert_eq(install(joiner, image, seqno, 0), GR_OK);
    cr_assert_leq(engine_status(joiner).seqno, seqno);
    gr_paxos_free(joiner->paxos);
    all.count--;
  }
  gr_slice image;
  cr_assert_eq(leader->paxos->log_first, engine_status(leader).log_first);
  cr_assert(gr_paxos_image(leader->paxos, 3, &image));
  close_all();
}

Test(paxos_install, what_the_log_does_not_reach_back_to_is_no_position) {
  struct engine *leader = open_led(3, false);
  for (uint8_t i = 0; i < 10; i++) chat(i);
  engines_run(&all, engines_never, 0, SECOND); /* all know that all have delivered it */
  gr_slice image;
  cr_assert_gt(engine_status(leader).log_first, 1);
  cr_assert(!gr_paxos_image(leader->paxos, 3, &image));
  cr_assert(gr_paxos_image(leader->paxos, leader->seqno, &image));
  close_all();
}

Test(paxos_install, within_a_slot_there_is_no_position) {
  struct engine *leader = open_led(1, false);
  gr_slice image;
  cr_assert(gr_paxos_image(leader->paxos, UINT64_MAX, &image));
  for (uint8_t i = 0; i < 3; i++) cr_assert_eq(engine_broadcast(leader, 5, i), GR_OK);
  gr_paxos_flush(leader->paxos);
  gr_delivery delivery;
  for (int i = 0; i < 3; i++) {
    cr_assert(gr_paxos_delivery(leader->paxos, &delivery));
    cr_assert_eq(gr_paxos_image(leader->paxos, UINT64_MAX, &image), i == 0);
    gr_paxos_delivered(leader->paxos);
  }
  cr_assert(!gr_paxos_image(leader->paxos, UINT64_MAX, &image));
  cr_assert(!gr_paxos_delivery(leader->paxos, &delivery), "the slot's end is passed");
  cr_assert(gr_paxos_image(leader->paxos, UINT64_MAX, &image));
  engines_close(&all);
}

Test(paxos_install, outside_and_before_the_meeting_there_is_no_position) {
  engines_open(&all, 3, false);
  gr_slice image;
  cr_assert(!gr_paxos_image(at(0)->paxos, UINT64_MAX, &image));
  cr_assert(!gr_paxos_image(engines_join(&all)->paxos, UINT64_MAX, &image));
  engines_close(&all);
}

/* ---- the history ---- */

Test(paxos_install, a_history_that_is_not_the_group_s_halts) {
  for (int wrong = 0; wrong < 2; wrong++) {
    for (int late = 0; late < 2; late++) {
      struct engine *leader = open_led(3, false);
      struct engine *away = any_follower();
      chat(1);
      away->down = true;
      chat(2);
      gr_status then = engine_status(leader);
      chat(3);
      struct engine *joiner = engines_join(&all);
      cr_assert_eq(engine_change(leader, GR_CHANGE_ADD, 0, joiner), GR_OK);
      cr_assert(engines_run(&all, engines_in_view, 2, SECOND));
      /* With `late` the position lies before what the host has applied. */
      uint8_t bytes[GR_IMAGE_BYTES_MAX];
      gr_slice image = image_of(leader, late ? 3 : then.seqno, bytes);
      joiner->first = joiner->seqno = then.seqno;
      memcpy(joiner->log, leader->log, sizeof(joiner->log));
      int error = install(joiner, image, then.seqno, then.digest ^ (uint64_t)wrong);
      if (late || !wrong) cr_assert_eq(error, GR_OK);
      if (error == GR_OK) engines_run(&all, engines_delivered, leader->seqno, SECOND);
      const char *text;
      cr_assert_eq(gr_paxos_halt_reason(joiner->paxos, &text),
                   wrong ? GR_ERR_DIVERGED : GR_OK, "wrong %d, late %d: %s", wrong, late,
                   text);
      if (!wrong)
        cr_assert_eq(engine_status(joiner).digest, engine_status(leader).digest);
      engines_close(&all);
    }
  }
}

/* Of what is delivered, in its order: nothing else. */
Test(paxos_install, the_digest_is_that_of_the_messages) {
  for (int durable = 0; durable < 2; durable++) {
    open_led(3, durable == 1);
    uint64_t before = engine_status(at(0)).digest;
    for (uint8_t i = 0; i < 5; i++) {
      chat(i);
      uint64_t digest = engine_status(at(0)).digest;
      cr_assert_neq(digest, before);
      before = digest;
      for (uint32_t k = 1; k < 3; k++) cr_assert_eq(engine_status(at(k)).digest, digest);
    }
    engine_admit(engines_join(&all));
    cr_assert_eq(engine_status(at(0)).digest, before, "a view is no message");
    cr_assert_eq(engine_status(at(3)).digest, before);
    close_all();
  }
}

/* ---- losing power ---- */

static void restart(struct engine *engine) {
  int error = engine_restart(engine);
  cr_assert_eq(error, GR_OK, "engine %u: %s", engine->index, gr_error_name(error));
}

/* At every moment of a change, one of them, or all at once, lose what is not durable. */
static void lose_power_at(uint32_t step, uint32_t who, enum gr_change_kind kind) {
  struct engine *leader = open_led(3, true);
  chat(1);
  struct engine *joiner = NULL;
  gr_member_id member = 0;
  if (kind == GR_CHANGE_ADD)
    joiner = engines_join(&all);
  else
    member = engine_id(any_follower());
  cr_assert_eq(engine_change(leader, kind, member, joiner), GR_OK);
  cr_assert_eq(engine_broadcast(leader, 5, 7), GR_OK);
  engine_turn(leader);
  for (uint32_t i = 0; i < step; i++) engines_step(&all);
  for (uint32_t i = 0; i < 3; i++)
    if (i == who || who == 3) restart(at(i));
  bool settled = engines_run(&all, engines_led, 0, 5 * SECOND);
  if (kind == GR_CHANGE_REMOVE)
    for (uint32_t i = 0; i < 3; i++)
      if (engine_id(at(i)) == member && engine_status(at(i)).view == 2)
        at(i)->down = true; /* it is out, and leads nobody */
  settled = engines_run(&all, engines_led, 0, 5 * SECOND);
  cr_assert(settled, "step %u, %u", step, who);
  engines_run(&all, engines_never, 0, SECOND);
  uint64_t view = engine_status(engines_leader(&all)).view;
  for (uint32_t i = 0; i < 3; i++)
    if (view == 2 && engine_id(at(i)) == member) at(i)->down = true;
  cr_assert(engines_run(&all, engines_in_view, view, 5 * SECOND), "step %u", step);
  chat(2);
  for (uint32_t i = 0; i < 3; i++)
    if (!at(i)->down) restart(at(i));
  cr_assert(engines_run(&all, engines_in_view, view, 5 * SECOND));
  chat(3);
  close_all();
}

Test(paxos_install, power_may_be_lost_at_any_moment_of_a_change, .timeout = 60) {
  for (uint32_t step = 0; step < 8; step++)
    for (uint32_t who = 0; who <= 3; who++) {
      lose_power_at(step, who, GR_CHANGE_ADD);
      lose_power_at(step, who, GR_CHANGE_REMOVE);
    }
}

/* Two of four go on alone; what an operator asked for is forgotten, and asked for again.
 */
static void lose_power_in_a_force(uint32_t step, uint32_t who) {
  const gr_member_id left[] = {10, 20};
  open_led(4, true);
  chat(1);
  at(2)->down = at(3)->down = true;
  cr_assert_eq(engine_broadcast(at(0), 5, 7), GR_OK);
  cr_assert_eq(gr_paxos_force(at(0)->paxos, left, 2, all.now), GR_OK);
  engine_turn(at(0));
  for (uint32_t i = 0; i < step; i++) engines_step(&all);
  for (uint32_t i = 0; i < 2; i++)
    if (i == who || who == 2) restart(at(i));
  engines_run(&all, engines_in_view, 2, 10 * SECOND);
  if (engine_status(at(0)).view == 1)
    cr_assert_eq(gr_paxos_force(at(0)->paxos, left, 2, all.now), GR_OK);
  cr_assert(engines_run(&all, engines_in_view, 2, 10 * SECOND), "step %u, %u", step, who);
  chat(2);
  restart(at(0));
  restart(at(1));
  cr_assert(engines_run(&all, engines_in_view, 2, 10 * SECOND));
  chat(3);
  cr_assert_eq(engine_status(at(0)).epoch, 2);
  cr_assert_eq(engine_status(at(1)).epoch, 2);
  close_all();
}

Test(paxos_install, power_may_be_lost_at_any_moment_of_a_force, .timeout = 60) {
  for (uint32_t step = 0; step < 8; step++)
    for (uint32_t who = 0; who <= 2; who++) lose_power_in_a_force(step, who);
}

/* What it was given is its first record: from there it comes back, as the same member. */
Test(paxos_install, a_joiner_comes_back_from_the_position_that_it_was_given) {
  for (int chats = 0; chats < 3; chats++) {
    open_led(3, true);
    chat(1);
    struct engine *joiner = engines_join(&all);
    gr_member_id id = engine_admit(joiner);
    cr_assert_eq(joiner->storage->records[0].type, GR_RECORD_STATE);
    for (int i = 0; i < chats; i++) chat((uint8_t)i);
    restart(joiner);
    cr_assert_eq(engine_id(joiner), id);
    cr_assert_eq(engine_status(joiner).boot, 2);
    cr_assert(engines_run(&all, engines_in_view, 2, 5 * SECOND));
    chat(5);
    restart(joiner);
    chat(6);
    close_all();
  }
}

/* Before that record is durable nobody hears of it, and it is as if it had not been. */
Test(paxos_install, a_position_that_is_not_durable_is_none) {
  struct engine *leader = open_led(3, true);
  chat(1);
  struct engine *joiner = engines_join(&all);
  cr_assert_eq(engine_change(leader, GR_CHANGE_ADD, 0, joiner), GR_OK);
  cr_assert(engines_run(&all, engines_in_view, 2, SECOND));
  joiner->slow = true;
  cr_assert_eq(engine_install(joiner, leader, UINT64_MAX, 31), GR_OK);
  memset(all.sent, 0, sizeof(all.sent));
  while (all.frames_first < all.frames_end) engines_step(&all);
  memset(all.sent, 0, sizeof(all.sent));
  all.now += SECOND / 10;
  cr_assert_eq(gr_paxos_poll(joiner->paxos, all.now), GR_OK);
  engine_turn(joiner);
  for (int type = 0; type <= GR_FRAME_TRANSFER; type++) cr_assert_eq(all.sent[type], 0);
  restart(joiner);
  cr_assert_eq(engine_status(joiner).view, 0);
  engines_close(&all);
}

Test(paxos_install, who_has_forgotten_its_group_comes_back_in_none) {
  open_led(3, true);
  chat(1);
  struct engine *gone = any_follower();
  gr_ticket stored = engine_status(gone).stored;
  gone->down = true;
  chat(2);
  gone->down = false;
  cr_assert_eq(gr_paxos_reset(gone->paxos, all.now), GR_OK);
  engine_turn(gone);
  cr_assert_not_null(gone->storage->state.bytes, "storage was told");
  cr_assert_eq(gone->storage->count, 0);
  cr_assert_eq(gone->storage->first, stored + 1, "tickets go on");
  restart(gone);
  cr_assert_eq(engine_status(gone).view, 0);
  cr_assert_eq(engine_broadcast(gone, 1, 1), GR_ERR_NOT_ONLINE);
  gr_frame frame;
  cr_assert(!gr_paxos_frame(gone->paxos, 10, &frame));
  /* And comes in again as somebody else. */
  struct engine *leader = engines_leader(&all);
  cr_assert_eq(engine_change(leader, GR_CHANGE_REMOVE, test_id(gone->index), NULL),
               GR_OK);
  cr_assert(engines_run(&all, engines_in_view, 2, SECOND));
  cr_assert_eq(engine_admit(gone), 31);
  chat(3);
  restart(gone);
  cr_assert_eq(engine_id(gone), 31);
  chat(4);
  close_all();
}

/* Storage may still be writing from memory: until it is done nothing new begins there. */
Test(paxos_install, what_storage_writes_stays_until_it_is_written) {
  struct engine *leader = open_led(3, true);
  chat(1);
  struct engine *gone = any_follower();
  gone->slow = true;
  cr_assert_eq(engine_broadcast(gone, 100, 1), GR_OK);
  cr_assert(engines_run(&all, engines_delivered, 4, SECOND));
  cr_assert_lt(engine_status(gone).synced, engine_status(gone).stored);
  cr_assert_eq(gr_paxos_reset(gone->paxos, all.now), GR_OK);
  uint64_t incarnation = gr_paxos_incarnation(gone->paxos);
  cr_assert_eq(engine_status(gone).view, 0);
  cr_assert_eq(engine_change(leader, GR_CHANGE_REMOVE, test_id(gone->index), NULL),
               GR_OK);
  cr_assert(engines_run(&all, engines_in_view, 2, SECOND));
  cr_assert_eq(engine_change(leader, GR_CHANGE_ADD, 0, gone), GR_OK);
  cr_assert(engines_run(&all, engines_in_view, 3, SECOND));
  cr_assert_eq(engine_install(gone, leader, UINT64_MAX, 31), GR_ERR_BUSY);
  gone->slow = false;
  engine_turn(gone);
  cr_assert_eq(gr_paxos_incarnation(gone->paxos), incarnation, "the one that was added");
  cr_assert_eq(engine_install(gone, leader, UINT64_MAX, 31), GR_OK);
  cr_assert(engines_run(&all, engines_in_view, 3, SECOND));
  chat(2);
  restart(gone);
  chat(3);
  close_all();
}

Test(paxos_install, who_has_halted_may_begin_anew) {
  struct engine *leader = open_led(3, false);
  chat(1);
  struct engine *gone = any_follower();
  gr_paxos_halt(gone->paxos, GR_ERR_BEHIND, "left behind");
  cr_assert_eq(gr_paxos_poll(gone->paxos, all.now), GR_ERR_HALTED);
  cr_assert_eq(gr_paxos_reset(gone->paxos, all.now), GR_OK);
  cr_assert_eq(gr_paxos_halt_reason(gone->paxos, NULL), GR_OK);
  cr_assert_eq(engine_change(leader, GR_CHANGE_REMOVE, test_id(gone->index), NULL),
               GR_OK);
  cr_assert(engines_run(&all, engines_in_view, 2, SECOND));
  cr_assert_eq(engine_admit(gone), 31);
  chat(2);
  gr_paxos_halt(gone->paxos, GR_ERR_STORAGE, "a disk failed");
  cr_assert_eq(gr_paxos_reset(gone->paxos, all.now), GR_ERR_HALTED,
               "it would fail again");
  engines_close(&all);
}

static uint32_t batches_left; /* of those that reach anybody */

static bool batches_of_one(struct engines *engines, const struct engine *from,
                           const struct engine *to, enum gr_frame_type type) {
  (void)to;
  if (from->index != engines->about || type != GR_FRAME_DATA) return false;
  if (batches_left == 0) return true;
  batches_left--;
  return false;
}

/* The beginning of a message keeps all records since in storage, over a removal and the
 * checkpoint behind it: so they name somebody whom the state does not know. */
Test(paxos_install, records_of_former_members_are_passed_over) {
  struct engine *leader = open_led(4, true);
  chat(1);
  struct engine *others[3];
  for (uint32_t i = 0, k = 0; i < 4; i++)
    if (at(i) != leader) others[k++] = at(i);
  struct engine *sender = others[0], *gone = others[1], *stays = others[2];
  all.about = sender->index;
  all.lost = batches_of_one;
  batches_left = 3;
  cr_assert_eq(engine_broadcast(sender, TEST_MESSAGE_MAX, 1), GR_OK);
  cr_assert(!engines_run(&all, engines_never, 0, SECOND / 10));
  gr_seqno before = leader->seqno;
  cr_assert_eq(before, 4, "its end is missing");
  cr_assert_eq(engine_broadcast(gone, 10, 2), GR_OK);
  cr_assert(engines_run(&all, engines_delivered, before + 1, SECOND));
  cr_assert_eq(engine_change(leader, GR_CHANGE_REMOVE, engine_id(gone), NULL), GR_OK);
  gone->down = true;
  cr_assert(engines_run(&all, engines_in_view, 2, SECOND));
  for (uint32_t i = 0; i < 40; i++) {
    cr_assert_eq(engine_broadcast(stays, 10, 2), GR_OK);
    engines_run(&all, engines_never, 0, 2 * SECOND);
  }
  cr_assert_eq(stays->paxos->roster.count, 3, "nobody knows it any more");
  size_t records = stays->storage->count;
  cr_assert_eq(gr_paxos_checkpoint(stays->paxos, stays->seqno), GR_OK);
  engine_turn(stays);
  engines_run(&all, engines_never, 0, SECOND);
  cr_assert_not_null(stays->storage->state.bytes);
  cr_assert_gt(stays->storage->count, records / 2, "most must stay");
  restart(stays);
  cr_assert_eq(engine_status(stays).view, 2);
  all.lost = NULL;
  cr_assert(engines_run(&all, engines_delivered, before + 1 + 40 + 1, 5 * SECOND));
  chat(5);
  close_all();
}

/* ---- memory ---- */

Test(paxos_install, a_joiner_s_allocation_may_fail) {
  gr_options options = test_options(1, 0);
  options.self = 0;
  options.founders = NULL;
  options.founder_count = 0;
  options.attributes.uuid = (gr_uuid){{1}};
  struct counting counting = {.fail_at = 1};
  gr_allocator allocator = counting_allocator(&counting);
  gr_paxos *paxos = (gr_paxos *)&counting;
  cr_assert_eq(gr_paxos_new(&paxos, &options, &allocator, 1), GR_ERR_NO_MEMORY);
  cr_assert_null(paxos);
  cr_assert_eq(counting.live, 0);
  cr_assert_eq(gr_paxos_new(&paxos, &options, &allocator, 1), GR_OK);
  cr_assert_eq(counting.live_bytes, gr_paxos_footprint(&options));
  cr_assert_eq(gr_paxos_reset(paxos, 1), GR_OK);
  cr_assert_eq(counting.calls, 2, "a reset allocates nothing");
  gr_paxos_free(paxos);
  cr_assert_eq(counting.live, 0);
}
