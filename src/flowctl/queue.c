/* SPDX-License-Identifier: MIT */
#include "flowctl/queue.h"

#include "flowctl/scale.h"

/* In thousandths of the limit. */
#define LEVEL_1 100
#define LEVEL_5 900
#define ZERO_LINE 950
/* The aim is not lower, however much is held back: below level 1 the quota would come and
 * go. */
#define AIM_LEAST 125

#define WINDOW_COUNT 16
#define WINDOW_PERIODS 4

uint64_t gr_flow_level(uint64_t use_permille) {
  static const uint64_t begins[GR_FLOW_LEVEL_MAX] = {LEVEL_1, 250, 500, 750, LEVEL_5};
  uint64_t level = 0;
  while (level < GR_FLOW_LEVEL_MAX && use_permille >= begins[level]) level++;
  return level;
}

/* ---- speeds ---- */

void gr_flow_meter_begin(struct gr_flow_meter *meter, uint64_t total, gr_time now) {
  *meter = (struct gr_flow_meter){total, total, now};
}

bool gr_flow_meter_count(struct gr_flow_meter *meter, uint64_t total, gr_time period,
                         gr_time now, uint64_t *speed) {
  bool moved = total > meter->total;
  uint64_t count = total - meter->window_total;
  gr_time passed = now - meter->window_since;
  gr_time few = (moved || count == 0 ? WINDOW_PERIODS : 2 * WINDOW_PERIODS) * period;
  meter->total = total;
  if (passed < period || (count < WINDOW_COUNT && passed < few)) return false;
  *speed = gr_flow_speed(count, passed);
  gr_flow_meter_begin(meter, total, now);
  return true;
}

void gr_flow_queue_begin(struct gr_flow_queue *queue, uint64_t waiting, uint64_t done,
                         gr_time now) {
  *queue = (struct gr_flow_queue){.waiting = waiting,
                                  .quota = GR_FLOW_UNLIMITED,
                                  .limit = GR_FLOW_UNLIMITED,
                                  .idle = waiting == 0};
  gr_flow_meter_begin(&queue->done, done, now);
}

/* Of a window in which it was idle for a while only that it is no slower is known; and a
 * member that stands still is not slow: it says nothing about how fast it is otherwise.
 */
static void learn(struct gr_flow_queue *queue, uint64_t sample) {
  if (sample == 0) return;
  if (queue->speed == 0 || (queue->idle && sample > queue->speed))
    queue->speed = sample;
  else if (!queue->idle)
    queue->speed = queue->speed - queue->speed / 4 + sample / 4;
}

/* There is hardly ever nothing on its way to a member that waits for more. So few as
 * would be worked off until the next report, and as nobody is held up for: it may be idle
 * in between. */
static bool may_idle(const struct gr_flow_queue *queue, uint64_t worked_off) {
  uint64_t few = gr_flow_scale(queue->limit, LEVEL_1, 1000);
  return queue->waiting == 0 || (queue->waiting < worked_off && queue->waiting < few);
}

void gr_flow_queue_report(struct gr_flow_queue *queue, uint64_t waiting, uint64_t done,
                          gr_time period, gr_time now) {
  uint64_t sample;
  queue->waiting = waiting;
  bool idle = may_idle(queue, done - queue->done.total);
  queue->idle = queue->idle || idle;
  if (!gr_flow_meter_count(&queue->done, done, period, now, &sample)) return;
  learn(queue, sample);
  queue->idle = idle;
}

/* Before the first window has closed: what is seen of it so far. */
static uint64_t speed_now(const struct gr_flow_queue *queue, gr_time now) {
  if (queue->speed > 0) return queue->speed;
  const struct gr_flow_meter *done = &queue->done;
  return gr_flow_speed(done->total - done->window_total, now - done->window_since);
}

/* ---- the law ---- */

static uint64_t limit_of(struct gr_flow_queue *queue, const struct gr_flow_law *law,
                         uint64_t speed) {
  queue->by_time = false;
  if (law->lag_limit == 0 || speed == 0) return law->limit;
  uint64_t by_time = gr_flow_count(speed, law->lag_limit);
  queue->by_time = by_time < law->limit;
  if (!queue->by_time) return law->limit;
  return by_time > 0 ? by_time : 1;
}

static uint64_t aim_permille(const struct gr_flow_law *law) {
  uint64_t grown = 100 + law->release;
  uint64_t most =
      grown > law->hold ? grown - law->hold : 0; /* of 100: with nothing waiting */
  uint64_t aim = most > 100 ? ZERO_LINE * (most - 100) / most : 0;
  return aim > AIM_LEAST ? aim : AIM_LEAST;
}

/* On the line of the picture. It is flatter if it takes longer for news to come than to
 * empty the queue: who corrects faster than he sees overshoots. */
static uint64_t on_the_line(uint64_t waiting, uint64_t limit, uint64_t speed,
                            const struct gr_flow_law *law) {
  uint64_t aim = gr_flow_scale(limit, aim_permille(law), 1000);
  uint64_t zero = gr_flow_scale(limit, ZERO_LINE, 1000);
  gr_time slope = gr_flow_duration(zero - aim, speed);
  if (slope < 2 * law->feedback) slope = 2 * law->feedback;
  if (waiting <= aim) return gr_flow_plus(speed, gr_flow_speed(aim - waiting, slope));
  return gr_flow_minus(speed, gr_flow_speed(waiting - aim, slope));
}

/* As long as nothing shows, no more than there is room for, and is worked off meanwhile;
 * before it is known how long that takes, to the aim only. */
static uint64_t open_quota(struct gr_flow_queue *queue, uint64_t limit, uint64_t speed,
                           const struct gr_flow_law *law) {
  uint64_t permille = speed > 0 ? ZERO_LINE : aim_permille(law);
  uint64_t room = gr_flow_minus(gr_flow_scale(limit, permille, 1000), queue->waiting);
  queue->burst = room / 2;
  return gr_flow_plus(speed, gr_flow_speed(room - room / 2, law->feedback));
}

void gr_flow_queue_release(struct gr_flow_queue *queue, uint64_t release) {
  if (queue->quota == GR_FLOW_UNLIMITED || gr_flow_level(queue->use_permille) > 0) return;
  queue->quota =
      release == 0 ? GR_FLOW_UNLIMITED : gr_flow_scale(queue->quota, 100 + release, 100);
}

uint64_t gr_flow_queue_judge(struct gr_flow_queue *queue, const struct gr_flow_law *law,
                             gr_time now) {
  uint64_t speed = speed_now(queue, now);
  uint64_t limit = queue->limit = limit_of(queue, law, speed);
  queue->use_permille = 0;
  if (limit == GR_FLOW_UNLIMITED) return queue->quota = GR_FLOW_UNLIMITED;
  queue->use_permille = gr_flow_scale(queue->waiting, 1000, limit);
  uint64_t level = gr_flow_level(queue->use_permille);
  uint64_t open = open_quota(queue, limit, speed, law);
  uint64_t least = law->never_pauses ? gr_flow_scale(speed, 100 - law->hold, 100) : 0;
  if (law->never_pauses && speed == 0) return queue->quota = GR_FLOW_UNLIMITED;
  if (level == GR_FLOW_LEVEL_MAX) {
    queue->quota = least;
  } else if (level > 0) {
    queue->quota = speed > 0 ? on_the_line(queue->waiting, limit, speed, law) : open;
    if (queue->quota < least) queue->quota = least;
  } else {
    if (queue->quota < speed) queue->quota = speed;
    if (speed > 0 && queue->quota < open) return queue->quota;
    queue->quota = GR_FLOW_UNLIMITED; /* released */
    return open;
  }
  return queue->quota;
}
