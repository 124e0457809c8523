/* SPDX-License-Identifier: MIT
 *
 * The QUOTA mode of MySQL Group Replication 8.0, as published, for comparison. Once a
 * period every member sends its statistics and sets its quota for the next period:
 *
 * - It counts as a hold if a member reports a queue beyond its threshold.
 * - With a hold the quota is the least that a member certified or applied in its last
 * period, those left out that did nothing; at least 5 % of the lower threshold, or
 * min_quota; less hold_percent; divided by the members that wrote; less what was
 * overdrawn before.
 * - Without one the quota grows by release_percent, until it is without effect.
 * - A transaction beyond the quota waits until the next period begins, or for a second,
 * and then goes on all the same.
 */
#include "flow_law.h"

#include <stdlib.h>

/* The greatest number of transactions that it counts to. */
#define UNLIMITED 2147483647.0
#define PATIENCE_NS FLOW_NS_PER_S
#define FLOOR_SHARE 0.05
#define FORGET_PERIODS 10

struct sender {
  gr_member_id id;
  bool known;
  bool recovering;
  gr_time came;
  gr_flow_statistics last;
  uint64_t certified, local; /* in its last period, */
  uint64_t applied;          /* of those of others */
};

struct mysql {
  gr_flow_options options;
  struct sender senders[FLOW_MEMBERS_MAX];
  size_t sender_count;
  gr_time step_due, stepped;
  bool held;
  double quota, used;
};

static void members(void *state, gr_member_id self, const gr_flow_member *list,
                    size_t count, gr_time now) {
  struct mysql *mysql = state;
  struct sender senders[FLOW_MEMBERS_MAX] = {{0}};
  (void)self, (void)now;
  for (size_t i = 0; i < count; i++) {
    for (size_t k = 0; k < mysql->sender_count; k++)
      if (mysql->senders[k].id == list[i].id) senders[i] = mysql->senders[k];
    senders[i].id = list[i].id;
    senders[i].recovering = (list[i].flags & GR_FLOW_RECOVERING) != 0;
  }
  for (size_t i = 0; i < count; i++) mysql->senders[i] = senders[i];
  mysql->sender_count = count;
}

static bool over(const struct mysql *mysql, const gr_flow_statistics *statistics) {
  return statistics->certifier_queue > mysql->options.certifier_threshold ||
         statistics->applier_queue > mysql->options.applier_threshold;
}

/* Its messages come once a period; the simulation tells more often. */
static void report(void *state, gr_member_id from, const gr_flow_statistics *statistics,
                   gr_time now) {
  struct mysql *mysql = state;
  for (size_t i = 0; i < mysql->sender_count; i++) {
    struct sender *sender = &mysql->senders[i];
    if (sender->id != from) continue;
    if (sender->known && now - sender->came < mysql->options.period_ns * 19 / 20) return;
    if (sender->known) {
      sender->certified = statistics->certified - sender->last.certified;
      sender->local = statistics->local - sender->last.local;
      sender->applied = statistics->applied - sender->last.applied - sender->local;
    }
    sender->known = true;
    sender->came = now;
    sender->last = *statistics;
    mysql->held = mysql->held || over(mysql, statistics);
  }
}

static double lower(double least, uint64_t value) {
  return value > 0 && (double)value < least ? (double)value : least;
}

static double capacity(const struct mysql *mysql, double *writers, gr_time now) {
  const gr_flow_options *o = &mysql->options;
  double certified = UNLIMITED, applied = UNLIMITED, safe = UNLIMITED;
  bool only_recovering = true;
  for (size_t i = 0; i < mysql->sender_count; i++) {
    const struct sender *s = &mysql->senders[i];
    if (!s->known || now - s->came > FORGET_PERIODS * o->period_ns) continue;
    safe = lower(lower(safe, s->certified), s->applied);
    if (s->last.certifier_queue > o->certifier_threshold)
      certified = lower(certified, s->certified);
    if (s->last.applier_queue > o->applier_threshold) {
      applied = lower(applied, s->applied);
      if (s->applied > 0 && !s->recovering) only_recovering = false;
    }
    if (s->local > 0) *writers += 1;
  }
  uint64_t threshold = o->certifier_threshold < o->applier_threshold
                           ? o->certifier_threshold
                           : o->applier_threshold;
  double least = (double)(uint64_t)(FLOOR_SHARE * (double)threshold);
  if (o->min_recovery_quota > 0 && only_recovering) least = (double)o->min_recovery_quota;
  if (o->min_quota > 0) least = (double)o->min_quota;
  double cap = certified < applied ? certified : applied;
  if (safe < cap) cap = safe;
  return cap > least ? cap : least;
}

static void tick(void *state, gr_time now) {
  struct mysql *mysql = state;
  if (now < mysql->step_due) return;
  const gr_flow_options *o = &mysql->options;
  double extra =
      mysql->quota > 0 && mysql->used > mysql->quota ? mysql->used - mysql->quota : 0;
  if (mysql->held) {
    double writers = 0;
    mysql->quota = capacity(mysql, &writers, now) * (1 - (double)o->hold_percent / 100);
    if (writers > 1) mysql->quota /= writers;
    mysql->quota = mysql->quota - extra > 1 ? mysql->quota - extra : 1;
  } else if (mysql->quota > 0) {
    double grown = mysql->quota * (1 + (double)o->release_percent / 100);
    if (grown < mysql->quota + 1) grown = mysql->quota + 1;
    mysql->quota = grown < UNLIMITED ? grown : 0;
  }
  mysql->quota = (double)(uint64_t)mysql->quota;
  mysql->held = false;
  mysql->used = 0;
  mysql->stepped = now;
  mysql->step_due = now + o->period_ns;
}

static bool admit(void *state, uint64_t bytes, gr_time since, gr_time now) {
  struct mysql *mysql = state;
  (void)bytes;
  if (now > since) /* has asked before */
    return mysql->stepped > since || now - since >= PATIENCE_NS;
  mysql->used += 1;
  return mysql->quota == 0 || mysql->used <= mysql->quota;
}

struct flow_law flow_law_mysql(const gr_flow_options *options) {
  struct mysql *mysql = calloc(1, sizeof(*mysql));
  if (!mysql) abort();
  mysql->options = *options;
  mysql->options.size = sizeof(*options);
  if (gr_flow_options_check(&mysql->options, NULL) != GR_OK) abort();
  mysql->step_due = mysql->options.period_ns;
  return (struct flow_law){mysql, false, members, report, tick, admit, free};
}
