/* SPDX-License-Identifier: MIT */
#include "flow_world.h"

#include <stdlib.h>
#include <string.h>

#define NS 1e9
#define REPORTS_EVERY_S 0.1
#define ORDER_NS (FLOW_NS_PER_S / 500) /* from admission to delivery: 2 ms */
#define TRANSIT_NS                                                                       \
  (FLOW_NS_PER_S / 200) /* of a heartbeat: 5 ms, and up to 10 ms more                    \
                         */
#define STEPS_PER_S_SLOW 1000
#define STEPS_PER_S_FAST 10000
#define FAST_FROM 1000.0 /* writes a second */
#define SESSIONS_MAX 256
#define ORDERED_MAX (1u << 20) /* on their way, or not applied everywhere */
#define CAUGHT_UP 1000         /* transactions: then a joiner is a member like others */

struct session {
  double ready;  /* when it wants to write its next one; in ns */
  gr_time asked; /* when it first asked for that; 0: not yet */
};

struct transaction {
  uint32_t origin;
  uint32_t bytes;
  gr_time delivered;
};

struct member {
  const struct flow_member_spec *spec;
  bool in, recovering;
  struct flow_law law;
  struct session sessions[SESSIONS_MAX];
  uint32_t session;                       /* that has waited longest */
  uint64_t delivered, certified, applied; /* positions in the order */
  double certify_credit, apply_credit;    /* ns to work with */
  double idle_ns;
  gr_flow_statistics statistics;
  gr_time heartbeat_due;
};

/* A heartbeat on its way. */
struct heartbeat {
  gr_time arrives;
  bool on_its_way;
  gr_flow_statistics statistics;
};

struct world {
  const struct flow_scenario *scenario;
  gr_time now, step, heartbeat;
  uint32_t count;
  struct member members[FLOW_MEMBERS_MAX];
  struct heartbeat heartbeats[FLOW_MEMBERS_MAX]; /* of each member, the last */
  struct transaction *order;                     /* ring */
  uint64_t ordered;
  uint64_t chance;
};

static uint64_t chance(struct world *world) {
  world->chance ^= world->chance << 13;
  world->chance ^= world->chance >> 7;
  world->chance ^= world->chance << 17;
  return world->chance;
}

/* ---- members ---- */

static void tell_members(struct world *world) {
  gr_flow_member list[FLOW_MEMBERS_MAX];
  size_t count = 0;
  for (uint32_t i = 0; i < world->count; i++)
    if (world->members[i].in)
      list[count++] =
          (gr_flow_member){i + 1, world->members[i].recovering ? GR_FLOW_RECOVERING : 0};
  for (uint32_t i = 0; i < world->count; i++) {
    struct member *member = &world->members[i];
    if (member->in)
      member->law.members(member->law.state, i + 1, list, count, world->now);
  }
}

static void come_and_go(struct world *world) {
  bool changed = false;
  for (uint32_t i = 0; i < world->count; i++) {
    struct member *member = &world->members[i];
    if (!member->in && (double)world->now >= member->spec->joins_s * NS) {
      member->in = changed = true;
      member->recovering = member->spec->joins_s > 0;
      member->delivered = member->certified = member->applied = world->ordered;
      member->statistics.applier_queue = member->spec->joins_behind;
      member->statistics.queue_bytes =
          member->spec->joins_behind * world->scenario->bytes_min;
    } else if (member->recovering && member->statistics.applier_queue < CAUGHT_UP) {
      member->recovering = false;
      changed = true;
    }
  }
  if (changed) tell_members(world);
}

/* ---- writing ---- */

static bool wanted(const struct world *world) {
  double every = world->scenario->writes_every_s * NS;
  if (every == 0) return true;
  double within =
      (double)world->now - every * (double)(uint64_t)((double)world->now / every);
  return within < world->scenario->writes_for_s * NS;
}

static void order(struct world *world, uint32_t origin, uint64_t bytes) {
  world->order[world->ordered++ % ORDERED_MAX] =
      (struct transaction){origin, (uint32_t)bytes, world->now + ORDER_NS};
}

static uint64_t size_of(const struct world *world, uint64_t number) {
  const struct flow_scenario *s = world->scenario;
  uint64_t scattered = number * UINT64_C(0x9E3779B97F4A7C15) >> 33;
  return s->bytes_min + scattered % (s->bytes_max - s->bytes_min + 1);
}

/* How many this member has admitted. */
static uint64_t write_on(struct world *world, uint32_t index) {
  struct member *member = &world->members[index];
  uint32_t sessions = world->scenario->sessions;
  uint64_t admitted = 0;
  if (member->spec->writes_per_s == 0 || !member->in || !wanted(world)) return 0;
  double takes = sessions * NS / member->spec->writes_per_s;
  uint32_t looked_at = 0;
  while (looked_at < sessions) {
    struct session *session = &member->sessions[(member->session + looked_at) % sessions];
    if (session->ready > (double)world->now) break;
    if (session->asked == 0) session->asked = world->now;
    uint64_t bytes = size_of(world, world->ordered);
    if (!member->law.admit(member->law.state, bytes, session->asked, world->now)) {
      if (member->law.in_order) break;
      looked_at++;
      continue;
    }
    order(world, index, bytes);
    admitted++;
    bool waited = session->asked < world->now;
    session->ready = (waited ? (double)world->now : session->ready) + takes;
    if (session->ready < (double)world->now) session->ready = (double)world->now;
    session->asked = 0;
    member->session = (member->session + 1) % sessions;
  }
  return admitted;
}

/* ---- certifying and applying ---- */

static void deliver(struct world *world, struct member *member) {
  gr_flow_statistics *s = &member->statistics;
  while (member->delivered < world->ordered) {
    const struct transaction *next = &world->order[member->delivered % ORDERED_MAX];
    if (next->delivered > world->now) return;
    member->delivered++;
    s->certifier_queue++;
    s->queue_bytes += next->bytes;
  }
}

static void done(gr_flow_statistics *s, uint64_t bytes) {
  s->queue_bytes -= bytes < s->queue_bytes ? bytes : s->queue_bytes;
  s->applied++;
  s->applied_bytes += bytes;
}

static void certify(struct world *world, struct member *member, uint32_t index) {
  gr_flow_statistics *s = &member->statistics;
  double takes =
      member->spec->certifies_per_s > 0 ? NS / member->spec->certifies_per_s : 0;
  member->certify_credit += (double)world->step;
  while (member->certified < member->delivered && member->certify_credit >= takes) {
    const struct transaction *next = &world->order[member->certified++ % ORDERED_MAX];
    member->certify_credit -= takes;
    s->certifier_queue--;
    s->certified++;
    if (next->origin == index) {
      s->local++;
      s->local_bytes += next->bytes;
      done(s, next->bytes);
    } else {
      s->applier_queue++;
    }
  }
  if (member->certified == member->delivered) member->certify_credit = 0;
}

static double speed_factor(const struct world *world, uint32_t index) {
  const struct flow_trouble *trouble = &world->scenario->trouble;
  double since = (double)world->now - trouble->from_s * NS;
  if (index != world->scenario->slowest || trouble->for_s == 0 || since < 0) return 1;
  double every = trouble->every_s * NS;
  double within = since - every * (double)(uint64_t)(since / every);
  return within < trouble->for_s * NS ? trouble->factor : 1;
}

/* The backlog that a joiner brings is older than the order that is simulated. */
static bool next_to_apply(const struct world *world, struct member *member,
                          uint32_t index, uint64_t *bytes) {
  gr_flow_statistics *s = &member->statistics;
  if (s->applied < member->spec->joins_behind && member->spec->joins_s > 0) {
    *bytes = world->scenario->bytes_min;
    return true;
  }
  while (member->applied < member->certified) {
    const struct transaction *next = &world->order[member->applied % ORDERED_MAX];
    *bytes = next->bytes;
    if (next->origin != index) return true;
    member->applied++;
  }
  return false;
}

static void apply(struct world *world, struct member *member, uint32_t index) {
  gr_flow_statistics *s = &member->statistics;
  uint64_t bytes = 0;
  bool certifies_all = member->certified == member->delivered;
  member->apply_credit += (double)world->step * speed_factor(world, index);
  while (next_to_apply(world, member, index, &bytes)) {
    double takes = NS / member->spec->applies_per_s;
    if (member->spec->applies_bytes_per_s > 0)
      takes += (double)bytes * NS / member->spec->applies_bytes_per_s;
    if (member->apply_credit < takes) return;
    member->apply_credit -= takes;
    if (s->applied >= member->spec->joins_behind || member->spec->joins_s == 0)
      member->applied++;
    s->applier_queue--;
    done(s, bytes);
  }
  /* Nothing is left: the rest of this step it idles, unless the certifier keeps it
   * waiting. */
  if (certifies_all)
    member->idle_ns += member->apply_credit < (double)world->step ? member->apply_credit
                                                                  : (double)world->step;
  member->apply_credit = 0;
}

/* ---- heartbeats ---- */

static void beat(struct world *world, uint32_t index) {
  struct member *member = &world->members[index];
  struct heartbeat *beat = &world->heartbeats[index];
  if (member->in && world->now >= member->heartbeat_due) {
    member->heartbeat_due += world->heartbeat;
    member->law.report(member->law.state, index + 1, &member->statistics, world->now);
    uint64_t more = chance(world) % (2 * TRANSIT_NS);
    *beat = (struct heartbeat){world->now + TRANSIT_NS + more, true, member->statistics};
  }
  if (!beat->on_its_way || world->now < beat->arrives) return;
  beat->on_its_way = false;
  for (uint32_t i = 0; i < world->count; i++) {
    struct flow_law *law = &world->members[i].law;
    if (i != index && world->members[i].in)
      law->report(law->state, index + 1, &beat->statistics, world->now);
  }
}

/* ---- the run ---- */

static double percent_of(double value, double limit) {
  return limit > 0 ? 100 * value / limit : 0;
}

/* Of the fullest queue, in percent of its limit. */
static double backlog(const struct world *world) {
  const gr_flow_options *o = &world->scenario->options;
  double most = 0;
  for (uint32_t i = 0; i < world->count; i++) {
    const struct member *member = &world->members[i];
    if (!member->in || member->recovering) continue;
    const gr_flow_statistics *s = &member->statistics;
    double takes_ns = (double)s->applier_queue * NS / member->spec->applies_per_s;
    double percents[] = {percent_of((double)s->certifier_queue,
                                    (double)o->certifier_threshold),
                         percent_of((double)s->applier_queue,
                                    (double)o->applier_threshold),
                         percent_of((double)s->queue_bytes, (double)o->bytes_threshold),
                         percent_of(takes_ns, (double)o->lag_threshold_ns)};
    for (int k = 0; k < 4; k++)
      if (percents[k] > most) most = percents[k];
  }
  return most;
}

static void begin(struct world *world, const struct flow_scenario *scenario,
                  struct flow_law (*law)(const gr_flow_options *options)) {
  double fastest = 0;
  world->scenario = scenario;
  world->chance = 1;
  double every =
      scenario->reports_every_s > 0 ? scenario->reports_every_s : REPORTS_EVERY_S;
  world->heartbeat = (gr_time)(every * NS);
  world->order = malloc(ORDERED_MAX * sizeof(*world->order));
  if (!world->order) abort();
  for (uint32_t i = 0; i < FLOW_MEMBERS_MAX && scenario->members[i].applies_per_s > 0;
       i++) {
    struct member *member = &world->members[world->count++];
    member->spec = &scenario->members[i];
    member->law = law(&scenario->options);
    member->statistics.size = sizeof(member->statistics);
    member->heartbeat_due = world->heartbeat * i / FLOW_MEMBERS_MAX;
    if (member->spec->writes_per_s > fastest) fastest = member->spec->writes_per_s;
  }
  world->step =
      FLOW_NS_PER_S / (fastest < FAST_FROM ? STEPS_PER_S_SLOW : STEPS_PER_S_FAST);
}

static uint64_t step(struct world *world) {
  uint64_t admitted = 0;
  come_and_go(world);
  for (uint32_t i = 0; i < world->count; i++) {
    struct member *member = &world->members[i];
    if (!member->in) continue;
    deliver(world, member);
    certify(world, member, i);
    apply(world, member, i);
    beat(world, i);
    member->law.tick(member->law.state, world->now);
    admitted += write_on(world, i);
  }
  return admitted;
}

void flow_world_run(const struct flow_scenario *scenario,
                    struct flow_law (*law)(const gr_flow_options *options),
                    uint32_t periods, struct flow_series *series) {
  struct world *world = calloc(1, sizeof(*world));
  if (!world) abort();
  memset(series, 0, sizeof(*series));
  begin(world, scenario, law);
  const struct member *slowest = &world->members[scenario->slowest];
  uint64_t steps = FLOW_NS_PER_S / world->step;
  for (uint32_t period = 0; period < periods; period++) {
    double idle_before = slowest->idle_ns;
    for (uint64_t i = 0; i < steps; i++) {
      world->now += world->step;
      uint64_t admitted = step(world);
      series->admitted[period] += admitted;
      series->parts[period * FLOW_PARTS + i * FLOW_PARTS / steps] += admitted;
      double now = backlog(world);
      if (now > series->backlog[period]) series->backlog[period] = now;
    }
    series->busy[period] = 1 - (slowest->idle_ns - idle_before) / NS;
  }
  for (uint32_t i = 0; i < world->count; i++)
    world->members[i].law.free(world->members[i].law.state);
  free(world->order);
  free(world);
}
