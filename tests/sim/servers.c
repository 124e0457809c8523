/* SPDX-License-Identifier: MIT
 *
 * Servers, and a host's part in membership. A server has a uuid and an address, and at
 * most one process; who that process is in the group, the library says.
 */
#include "simulation.h"

#include <stdio.h>
#include <string.h>

#define UUID_MARK 0xa5

/* How soon a server that is wanted, and is no member, tries again by itself. */
#define REJOIN_NS (2 * SIM_SECOND)

static struct sim_server *server_of(const struct sim_process *process) {
  return &process->sim->outlasting[process->index];
}

static bool is_lost(const struct sim_process *process) {
  return process->id != 0 && process->id == server_of(process)->lost;
}

/* What its host has, or had when it was forced out, is not the group's: the library is to
 * find that out, and until then delivers to it. */
static bool has_own_history(const struct sim_process *process) {
  return is_lost(process) || server_of(process)->diverged;
}

void sim_servers_begin(struct simulation *sim) {
  memset(sim->outlasting, 0, sizeof(sim->outlasting));
  for (uint32_t i = 0; i < sim->config.members; i++)
    sim->outlasting[i] = (struct sim_server){.wanted = true, .founder = true};
}

/* ---- names and addresses ---- */

static gr_slice write_address(char *text, size_t size, uint32_t server) {
  int written = snprintf(text, size, "s%u", server + 1);
  return (gr_slice){text, (size_t)written};
}

/* SIM_SERVERS_MAX: nobody lives there. */
static uint32_t read_address(const struct simulation *sim, gr_slice address) {
  const char *text = address.data;
  uint32_t number = 0;
  for (size_t i = 1; i < address.size; i++)
    number = 10 * number + (uint32_t)(text[i] - '0');
  bool lives = address.size > 1 && number >= 1 && number <= sim->servers;
  return lives ? number - 1 : SIM_SERVERS_MAX;
}

static gr_uuid uuid_of(uint32_t server) {
  return (gr_uuid){{UUID_MARK, (uint8_t)(server + 1)}};
}

static uint32_t server_with(const gr_uuid *uuid) {
  bool ours = uuid->bytes[0] == UUID_MARK && uuid->bytes[1] >= 1 &&
              uuid->bytes[1] <= SIM_SERVERS_MAX;
  return ours ? uuid->bytes[1] - 1u : SIM_SERVERS_MAX;
}

uint32_t sim_servers_of(const struct simulation *sim, gr_member_id id) {
  if (id == 0 || id > SIM_MEMBERS_MAX) return SIM_SERVERS_MAX;
  return sim->owners[id - 1];
}

uint32_t sim_servers_leader(const struct simulation *sim) {
  uint32_t leader = SIM_SERVERS_MAX;
  const gr_status *best = NULL;
  for (uint32_t i = 0; i < sim->servers; i++) {
    const struct sim_process *process = &sim->processes[i];
    const gr_status *status = &process->status;
    if (process->state != SIM_UP || process->id == 0 || status->role != GR_ROLE_LEADER)
      continue;
    if (best &&
        (best->view > status->view ||
         (best->view == status->view && best->promised.round > status->promised.round)))
      continue;
    best = status;
    leader = i;
  }
  return leader;
}

/* ---- what a process is given ---- */

/* In any order, as members come and go after they are written down; and one that was
 * never anybody's. */
static size_t draw_seeds(struct sim_process *process, struct sim_birth *birth) {
  struct simulation *sim = process->sim;
  uint32_t first = (uint32_t)gr_random_below(&sim->server_random, sim->servers);
  size_t count = 0;
  for (uint32_t i = 0; i < sim->servers; i++) {
    uint32_t index = (first + i) % sim->servers;
    if (index != process->index)
      birth->seeds[count++] =
          write_address(birth->addresses[index], sizeof(birth->addresses[index]), index);
  }
  if (gr_random_below(&sim->server_random, 2) == 0)
    birth->seeds[count++] =
        write_address(birth->addresses[SIM_SERVERS_MAX],
                      sizeof(birth->addresses[SIM_SERVERS_MAX]), SIM_SERVERS_MAX + 1);
  return count;
}

gr_options sim_servers_options(struct sim_process *process, struct sim_birth *birth) {
  struct simulation *sim = process->sim;
  const struct sim_server *server = server_of(process);
  gr_options options =
      sim_config_options(&sim->config, process->index,
                         gr_random_next(&sim->process_random) | 1, birth->founders);
  if (!sim->config.dynamic) {
    options.applied = sim->storages[process->index].applied;
    return options;
  }
  char *address = birth->addresses[SIM_SERVERS_MAX + 1];
  options.attributes.uuid =
      uuid_of(server->twin_of > 0 ? server->twin_of - 1 : process->index);
  if (server->stray) options.group_id.bytes[0] ^= 0xff;
  options.attributes.version = server->version;
  options.attributes.address =
      write_address(address, sizeof(birth->addresses[0]), process->index);
  options.applied = process->data.seqno;
  options.seeds = birth->seeds;
  options.seed_count = draw_seeds(process, birth);
  if (sim->config.durable) options.applied_digest = process->data.digest;
  if (server->founder) return options;
  options.self = 0;
  options.founders = NULL;
  options.founder_count = 0;
  options.applied_digest = process->data.digest;
  return options;
}

/* ---- whom it can send to ---- */

bool sim_process_counts(const struct sim_process *process) {
  return process->id != 0 && !is_lost(process);
}

uint32_t sim_servers_contact(const struct sim_process *process, gr_member_id id) {
  if (!process->sim->config.dynamic) return (uint32_t)(id - 1);
  for (uint32_t i = 0; i < process->contact_count; i++)
    if (process->contacts[i].id == id) return process->contacts[i].server;
  sim_oracle_fail(&process->sim->oracle, "LINK", "server %u sends to %llx without a link",
                  process->index + 1, (unsigned long long)id);
  return SIM_SERVERS_MAX;
}

void sim_servers_sendable(struct sim_process *process, uint32_t to) {
  for (uint32_t i = 0; i < process->contact_count; i++) {
    if (process->contacts[i].server != to) continue;
    int error = gr_group_sendable(process->group, process->contacts[i].id);
    /* It may be about to be unlinked. */
    if (error != GR_OK && error != GR_ERR_HALTED && error != GR_ERR_INVALID)
      sim_oracle_fail(&process->sim->oracle, "API", "gr_group_sendable: %s",
                      gr_error_name(error));
  }
}

static void host_link(void *context, gr_member_id id, gr_slice address) {
  struct sim_process *process = context;
  uint32_t server = read_address(process->sim, address);
  /* Founders know each other's addresses from elsewhere. */
  if (address.size == 0 && id <= process->sim->config.members)
    server = (uint32_t)(id - 1);
  uint32_t at = 0;
  while (at < process->contact_count && process->contacts[at].id != id) at++;
  if (at == SIM_CONTACTS_MAX) {
    sim_oracle_fail(&process->sim->oracle, "LINK", "server %u has too many links",
                    process->index + 1);
    return;
  }
  if (at == process->contact_count) process->contact_count++;
  process->contacts[at] = (struct sim_contact){id, server};
}

static void host_unlink(void *context, gr_member_id id) {
  struct sim_process *process = context;
  uint32_t at = 0;
  while (at < process->contact_count && process->contacts[at].id != id) at++;
  if (at == process->contact_count)
    sim_oracle_fail(&process->sim->oracle, "LINK", "server %u unlinks %llx, no link",
                    process->index + 1, (unsigned long long)id);
  else
    process->contacts[at] = process->contacts[--process->contact_count];
}

static void host_renamed(void *context, gr_member_id name) {
  struct sim_process *process = context;
  process->name = name;
}

/* ---- who it is ---- */

/* Its process is another member now, or none. */
static void become(struct sim_process *process, gr_member_id id) {
  struct simulation *sim = process->sim;
  struct sim_server *server = server_of(process);
  if (process->id != 0) {
    sim_oracle_died(&sim->oracle, sim_process_member(process));
    server->founder = false;
    /* What it had accepted is gone with its seat. */
    if (server->id == process->id) server->id = 0;
  }
  process->id = id;
  process->ready = false;
  process->number = process->broadcasts = 0;
  process->speaks = process->full = process->leaves = false;
  process->burst = 0;
  process->first_ticket = 0;
  if (id == 0) return;
  if (id > SIM_MEMBERS_MAX) {
    sim_oracle_fail(&sim->oracle, "RUN", "the run needs more than %u ids",
                    SIM_MEMBERS_MAX);
    process->id = 0;
    return;
  }
  server->id = id;
  if (is_lost(process)) return;
  uint32_t member = sim_process_member(process);
  bool comes_back = sim->config.durable && process->generation > 0 && !process->resumed;
  if (server->founder || comes_back)
    sim_oracle_born(&sim->oracle, member, process->life);
  else
    sim_oracle_admitted(&sim->oracle, member, process->life, process->data.seqno);
  if (comes_back) sim_oracle_restores(&sim->oracle, member, process->data.seqno, false);
}

void sim_servers_identify(struct sim_process *process) {
  gr_status status = {.size = sizeof(status)};
  if (!process->sim->config.dynamic || !process->group) return;
  gr_group_status(process->group, &status);
  gr_member_id id = status.self < GR_MEMBER_ID_MAX ? status.self : 0;
  if (id != process->id) become(process, id);
}

/* ---- views and states ---- */

/* A server is where its address is; founders that are not met yet have none. */
static void note_owners(struct simulation *sim, const gr_view *view, uint64_t *voters,
                        uint64_t *learners) {
  for (size_t i = 0; i < view->count; i++) {
    const gr_view_member *member = &view->members[i];
    uint32_t server = read_address(sim, member->attributes.address);
    if (member->id == 0 || member->id > SIM_MEMBERS_MAX) continue;
    sim->owners[member->id - 1] = server;
    uint64_t bit = server < SIM_SERVERS_MAX ? UINT64_C(1) << server : 0;
    *(member->state == GR_MEMBER_ONLINE ? voters : learners) |= bit;
  }
}

/* Nobody has cut it off, and it runs. */
static bool is_well(const struct simulation *sim, uint32_t server) {
  if (server == SIM_SERVERS_MAX || sim->processes[server].state != SIM_UP) return false;
  for (uint32_t i = 0; i < sim->servers; i++)
    if (sim->links[server][i].cuts + sim->links[i][server].cuts > 0) return false;
  return true;
}

static void count_expulsion(struct simulation *sim, const gr_view *view) {
  if (view->reason == GR_VIEW_SILENT || view->reason == GR_VIEW_FLAPPING)
    sim_soak_expulsion(&sim->soak, sim->now,
                       is_well(sim, sim_servers_of(sim, view->member)));
}

/* What a member had broadcast before it left of its own wish is part of the order. */
static void check_left(struct simulation *sim, const gr_view *view) {
  uint32_t server = sim_servers_of(sim, view->member);
  if (view->reason != GR_VIEW_LEFT || server == SIM_SERVERS_MAX) return;
  const struct sim_process *process = &sim->processes[server];
  if (process->id != view->member || !process->leaves || is_lost(process)) return;
  uint64_t ordered = sim->oracle.numbers[view->member - 1];
  if (ordered < process->number)
    sim_oracle_fail(&sim->oracle, "A6",
                    "member %llu has left; ordered are %llu of its %llu messages",
                    (unsigned long long)view->member, (unsigned long long)ordered,
                    (unsigned long long)process->number);
}

static void host_view(void *context, const gr_view *view) {
  struct sim_process *process = context;
  struct simulation *sim = process->sim;
  uint64_t voters = 0, learners = 0;
  if (process->dying) return;
  sim_servers_identify(process);
  note_owners(sim, view, &voters, &learners);
  sim_report_view(&sim->report, sim->now, process->index, view, voters, learners);
  if (view->number > sim->oracle.view_count) {
    count_expulsion(sim, view);
    check_left(sim, view);
  }
  if (process->id != 0 && !is_lost(process))
    sim_oracle_told_view(&sim->oracle, sim_process_member(process), view);
}

static void plan_rejoin(struct sim_process *process) {
  struct simulation *sim = process->sim;
  if (sim->scenario) return;
  sim_events_add(&sim->events,
                 (struct sim_event){.at = sim->now + REJOIN_NS,
                                    .kind = SIM_EVENT_REJOIN,
                                    .member = (uint8_t)process->index,
                                    .generation = (uint16_t)process->generation});
}

/* Who was out already when the group went on by force may have more than went on. */
static bool is_of_former_life(const struct sim_process *process) {
  const struct sim_data *data = &process->data;
  struct sim_data ordered = sim_oracle_data(&process->sim->oracle, data->seqno);
  return data->seqno > 0 && ordered.hash != data->hash;
}

/* Its host's state is what the group refuses: so it goes. */
static void check_refused(struct sim_process *process, int error) {
  struct simulation *sim = process->sim;
  struct sim_server *server = server_of(process);
  if (sim->scenario) return; /* which says what it expects */
  bool expected =
      error == GR_OK || error == GR_ERR_TIMEOUT || error == GR_ERR_UUID_PRESENT ||
      error == GR_ERR_NO_QUORUM || error == GR_ERR_REMOVED || error == GR_ERR_BEHIND ||
      error == GR_ERR_GROUP_IS_FULL ||
      (error == GR_ERR_NOT_AUTHORIZED && sim->config.membership.shy) ||
      (error == GR_ERR_DIVERGED && (server->diverged || is_of_former_life(process))) ||
      error == process->expected_error || process->storage_failed || is_lost(process);
  if (!expected)
    sim_oracle_fail(&sim->oracle, "STATE", "server %u is kept out: %s",
                    process->index + 1, gr_error_name(error));
}

static void host_state(void *context, enum gr_member_state state, int error) {
  struct sim_process *process = context;
  struct simulation *sim = process->sim;
  if (process->dying || process->ending) return;
  sim_oracle_state(&sim->oracle, process->index, process->member_state, state, error);
  sim_report_state(&sim->report, sim->now, process->index, state, error);
  process->member_state = state;
  process->state_error = error;
  if (state == GR_MEMBER_ONLINE) process->ready = true;
  if (state == GR_MEMBER_ONLINE || state == GR_MEMBER_RECOVERING) return;
  process->burst = 0;
  /* It has left: as the last one, with its seat. */
  if (state == GR_MEMBER_OFFLINE && error == GR_OK)
    sim->outlasting[process->index].id = 0;
  check_refused(process, error);
  plan_rejoin(process);
}

static void host_leader(void *context, gr_member_id leader) {
  struct sim_process *process = context;
  sim_report_leader(&process->sim->report, process->sim->now, process->index, leader);
}

static bool host_authorize(void *context, const gr_attributes *joiner) {
  struct sim_process *process = context;
  struct simulation *sim = process->sim;
  if (server_with(&joiner->uuid) >= sim->servers)
    sim_oracle_fail(&sim->oracle, "A6", "a server asks to join that does not exist");
  return !sim->config.membership.shy || !sim->faults_on ||
         gr_random_below(&sim->server_random, 4) > 0;
}

void sim_servers_host(struct sim_process *process, gr_host *host) {
  host->link = host_link;
  host->unlink = host_unlink;
  host->renamed = host_renamed;
  host->view = host_view;
  host->state = host_state;
  host->leader = host_leader;
  host->authorize = host_authorize;
  if (process->sim->config.membership.snapshots) sim_snapshot_host(host);
}

/* ---- the host's own state ---- */

void sim_servers_applied(struct sim_process *process, const gr_delivery *delivery,
                         uint64_t digest) {
  struct sim_data *data = &process->data;
  struct simulation *sim = process->sim;
  if (process->data_broken || delivery->seqno != data->seqno + 1)
    sim_oracle_fail(&sim->oracle, "A7",
                    "server %u delivers seqno %llu to a host that has %s %llu",
                    process->index + 1, (unsigned long long)delivery->seqno,
                    process->data_broken ? "lost what it had up to" : "applied",
                    (unsigned long long)data->seqno);
  /* The digest behind the message before this one. */
  data->digest = digest;
  if (!has_own_history(process)) sim_oracle_history(&sim->oracle, process->index, data);
  data->hash = sim_data_hash(data->hash, (uint32_t)(delivery->origin - 1),
                             delivery->number, delivery->bytes);
  data->seqno = delivery->seqno;
  data->digest = 0;
}

/* What a host that starts has. */
static struct sim_data data_at_start(const struct simulation *sim, uint32_t index) {
  const struct sim_server *server = &sim->outlasting[index];
  gr_seqno seqno = sim->config.durable ? sim->storages[index].applied : server->kept;
  struct sim_data data = sim_oracle_data(&sim->oracle, seqno);
  if (server->diverged && data.seqno > 0) {
    data.hash ^= 1;
    data.digest ^= 1;
  }
  return data;
}

void sim_servers_start(struct simulation *sim, uint32_t index) {
  struct sim_process *process = &sim->processes[index];
  if (process->group) sim_process_crash(sim, index, false);
  struct sim_data data = data_at_start(sim, index);
  if (data.seqno == 0) sim->outlasting[index].diverged = false; /* nothing is left */
  /* A founder that was one once, and has no storage, is none any more. */
  if (!sim->config.durable) sim->outlasting[index].founder = false;
  sim_process_start_with(sim, index, process->generation + 1, data);
}

void sim_servers_crash(struct sim_process *process) {
  struct simulation *sim = process->sim;
  struct sim_server *server = server_of(process);
  gr_seqno most = process->data.digest != 0 ? process->data.seqno : 0;
  process->ending = true;
  if (sim->config.durable) return;
  server->kept = 0;
  if (process->data_broken || is_lost(process) || most == 0) return;
  uint64_t how = sim->scenario ? 1 : gr_random_below(&sim->server_random, 3);
  if (how == 1) server->kept = most;
  if (how == 2) server->kept = sim_between(&sim->server_random, 1, most);
}

void sim_servers_turn(struct sim_process *process) {
  struct sim_data *data = &process->data;
  if (process->status.seqno != data->seqno || process->data_broken) return;
  data->digest = process->status.digest;
  if (has_own_history(process)) return;
  sim_oracle_history(&process->sim->oracle, process->index, data);
}

/* ---- again ---- */

void sim_servers_halted(struct sim_process *process, int error) {
  struct simulation *sim = process->sim;
  if (process->id != 0) sim_oracle_died(&sim->oracle, sim_process_member(process));
  process->state_error = error;
  check_refused(process, error);
  plan_rejoin(process);
}

void sim_servers_rejoin(struct simulation *sim, const struct sim_event *event) {
  struct sim_process *process = &sim->processes[event->member];
  struct sim_server *server = server_of(process);
  bool out = process->member_state == GR_MEMBER_OFFLINE ||
             (process->member_state == GR_MEMBER_ERROR &&
              process->state_error != GR_ERR_NO_QUORUM);
  if (event->generation != (uint16_t)process->generation || !process->group || !out ||
      !server->wanted)
    return;
  if (process->state == SIM_HALTED && process->state_error != GR_ERR_DIVERGED) {
    if (!process->storage_failed) sim_servers_start(sim, event->member);
    return;
  }
  if (process->state_error == GR_ERR_DIVERGED) {
    /* Its operator gives it nothing to begin with. */
    server->diverged = false;
    sim_churn_forget(sim, event->member, true);
    sim_servers_start(sim, event->member);
    return;
  }
  plan_rejoin(process);
  if (process->state != SIM_UP || process->dying) return;
  int error = gr_group_join(process->group, sim_process_clock(process));
  if (error != GR_OK && error != GR_ERR_STATE && error != GR_ERR_HALTED)
    sim_oracle_fail(&sim->oracle, "API", "gr_group_join: %s", gr_error_name(error));
  sim_process_wake(process);
}
