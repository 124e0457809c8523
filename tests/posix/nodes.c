/* SPDX-License-Identifier: MIT
 *
 * See nodes.h.
 */
#include "nodes.h"

#include "base/xxh64.h"
#include "posix/address.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define PATIENCE_NS (UINT64_C(60) * 1000 * 1000 * 1000)

void sleep_ms(unsigned milliseconds) {
  const struct timespec span = {.tv_sec = milliseconds / 1000,
                                .tv_nsec = (long)(milliseconds % 1000) * 1000000};
  nanosleep(&span, NULL);
}

static bool is_free(const char *text) {
  struct gr_address address;
  struct gr_address_choices choices;
  if (!gr_address_parse(text, &address) ||
      gr_address_resolve(&address, false, &choices) != 0)
    return false;
  int fd = socket(choices.at[0].ss_family, SOCK_STREAM, 0);
  if (fd < 0) return false;
  bool is_bound = bind(fd, (const struct sockaddr *)&choices.at[0], choices.size[0]) == 0;
  close(fd);
  return is_bound;
}

unsigned free_port(const char *host) {
  static unsigned next; /* test processes run side by side: each begins elsewhere */
  if (next == 0) next = (unsigned)getpid() * 61 % 18000;
  for (unsigned tries = 0; tries < 18000; tries++) {
    unsigned port = 12000 + next++ % 18000;
    char text[64];
    snprintf(text, sizeof(text), "%s:%u", host, port);
    if (is_free(text)) return port;
  }
  fprintf(stderr, "no free port at %s\n", host);
  abort();
}

static int on_deliver(void *context, const gr_delivery *delivery, uint64_t tag) {
  struct witness *witness = context;
  uint64_t digest = 0;
  for (size_t i = 0; i < delivery->part_count; i++)
    digest = gr_xxh64(delivery->parts[i].data, delivery->parts[i].size, digest);
  pthread_mutex_lock(&witness->mutex);
  if (delivery->seqno != witness->seqno + 1) witness->gap = true;
  witness->seqno = delivery->seqno;
  if (witness->count < RECORDS_MAX)
    witness->records[witness->count++] = (struct record){.origin = delivery->origin,
                                                         .number = delivery->number,
                                                         .tag = tag,
                                                         .bytes = delivery->bytes,
                                                         .digest = digest};
  int answer = witness->deliver_answer;
  void (*run)(gr_node * node) = witness->at_delivery;
  witness->at_delivery = NULL;
  pthread_mutex_unlock(&witness->mutex);
  if (run) run(witness->node);
  return answer;
}

static void on_delivered(void *context) {
  struct witness *witness = context;
  pthread_mutex_lock(&witness->mutex);
  witness->turns++;
  pthread_mutex_unlock(&witness->mutex);
}

static void on_leader(void *context, gr_member_id leader) {
  struct witness *witness = context;
  pthread_mutex_lock(&witness->mutex);
  witness->leader = leader;
  pthread_mutex_unlock(&witness->mutex);
}

static void on_log(void *context, enum gr_log_level level, const char *text) {
  struct witness *witness = context;
  (void)level;
  pthread_mutex_lock(&witness->mutex);
  int wrote = snprintf(witness->log + witness->log_used, LOG_BYTES - witness->log_used,
                       "%s\n", text);
  if (wrote > 0 && witness->log_used + (size_t)wrote < LOG_BYTES)
    witness->log_used += (size_t)wrote;
  pthread_mutex_unlock(&witness->mutex);
}

static void on_halted(void *context, int error, const char *text) {
  struct witness *witness = context;
  pthread_mutex_lock(&witness->mutex);
  witness->halted = error;
  snprintf(witness->halt_text, sizeof(witness->halt_text), "%s", text);
  pthread_mutex_unlock(&witness->mutex);
}

static void on_restored(void *context) {
  struct witness *witness = context;
  pthread_mutex_lock(&witness->mutex);
  witness->restored = witness->count + 1;
  pthread_mutex_unlock(&witness->mutex);
}

/* ---- membership ---- */

static void on_failed(void *context, uint64_t tag, int error) {
  struct witness *witness = context;
  pthread_mutex_lock(&witness->mutex);
  witness->failed++;
  witness->failed_tag = tag;
  witness->failed_error = error;
  pthread_mutex_unlock(&witness->mutex);
}

static void on_view(void *context, const gr_view *view) {
  struct witness *witness = context;
  pthread_mutex_lock(&witness->mutex);
  witness->view = view->number;
  witness->view_count = view->count;
  witness->view_reason = view->reason;
  witness->view_member = view->member;
  pthread_mutex_unlock(&witness->mutex);
}

static void on_state(void *context, enum gr_member_state state, int error) {
  struct witness *witness = context;
  pthread_mutex_lock(&witness->mutex);
  witness->state = state;
  witness->state_error = error;
  pthread_mutex_unlock(&witness->mutex);
}

/* Records are only ever appended, so a count is a snapshot. */
static int on_snapshot_open(void *context, uint64_t *snapshot) {
  struct witness *witness = context;
  pthread_mutex_lock(&witness->mutex);
  *snapshot = witness->count;
  witness->snapshots_given++;
  pthread_mutex_unlock(&witness->mutex);
  return 0;
}

static int on_snapshot_read(void *context, uint64_t snapshot, uint64_t offset,
                            void *buffer, size_t *size, bool *end) {
  const struct witness *witness = context;
  const uint64_t left = snapshot * sizeof(struct record) - offset;
  if (*size > left) *size = left;
  memcpy(buffer, (const uint8_t *)witness->records + offset, *size);
  *end = *size == left;
  return 0;
}

static void on_snapshot_close(void *context, uint64_t snapshot) {
  (void)context;
  (void)snapshot;
}

static int on_restore_begin(void *context, gr_seqno seqno) {
  struct witness *witness = context;
  pthread_mutex_lock(&witness->mutex);
  witness->count = 0;
  witness->seqno = seqno;
  pthread_mutex_unlock(&witness->mutex);
  return 0;
}

static int on_restore_write(void *context, uint64_t offset, gr_slice bytes) {
  struct witness *witness = context;
  if (offset + bytes.size > RECORDS_MAX * sizeof(struct record)) return -1;
  memcpy((uint8_t *)witness->records + offset, bytes.data, bytes.size);
  return 0;
}

/* Each message is a record. */
static int on_restore_end(void *context, bool complete) {
  struct witness *witness = context;
  pthread_mutex_lock(&witness->mutex);
  if (complete) witness->count = witness->seqno;
  if (complete) witness->snapshots_taken++;
  pthread_mutex_unlock(&witness->mutex);
  return 0;
}

/* ---- the cluster ---- */

void cluster_init(struct cluster *cluster, const char *host) {
  memset(cluster, 0, sizeof(*cluster));
  for (size_t i = 0; i < NODES; i++) {
    snprintf(cluster->addresses[i], sizeof(cluster->addresses[i]), "%s:%u", host,
             free_port(host));
    cluster->joins[i] = i >= MEMBERS;
    if (i < MEMBERS)
      cluster->members[i] =
          (gr_node_member){.id = i + 1, .address = cluster->addresses[i]};
    pthread_mutex_init(&cluster->witnesses[i].mutex, NULL);
    cluster->witnesses[i].records = calloc(RECORDS_MAX, sizeof(struct record));
  }
  cluster->group = (gr_options){.size = sizeof(gr_options),
                                .group_id = {{1, 2, 3}},
                                .message_bytes_max = 4 << 20,
                                .batch_bytes_max = 256 << 10,
                                .unordered_bytes_max = 4 << 20};
}

int cluster_start_one(struct cluster *cluster, size_t index, char *text,
                      size_t text_size) {
  struct witness *witness = cluster->witnesses + index;
  gr_options group = cluster->group;
  char directory[128];
  gr_slice seeds[MEMBERS];
  for (size_t i = 0; i < MEMBERS; i++)
    seeds[i] = (gr_slice){cluster->addresses[i], strlen(cluster->addresses[i])};
  group.attributes.uuid.bytes[0] = (uint8_t)(index + 1);
  group.applied = witness->seqno;
  if (cluster->joins[index]) {
    group.seeds = seeds;
    group.seed_count = MEMBERS;
  } else {
    group.self = index + 1;
  }
  snprintf(directory, sizeof(directory), "%s/%zu", cluster->directory, index + 1);
  gr_node_options options = {.size = sizeof(options),
                             .group = &group,
                             .members = cluster->members,
                             .member_count = cluster->count ? cluster->count : MEMBERS,
                             .listen = cluster->addresses[index],
                             .submit_bytes_max = cluster->submit_bytes_max,
                             .data_directory = cluster->directory ? directory : NULL,
                             .segment_bytes = cluster->segment_bytes};
  if (cluster->joins[index]) options.member_count = 0;
  const gr_node_host host = {.size = sizeof(host),
                             .context = witness,
                             .deliver = on_deliver,
                             .delivered = on_delivered,
                             .leader = on_leader,
                             .log = on_log,
                             .halted = on_halted,
                             .restored = on_restored,
                             .failed = on_failed,
                             .view = on_view,
                             .state = on_state,
                             .snapshot_open = on_snapshot_open,
                             .snapshot_read = on_snapshot_read,
                             .snapshot_close = on_snapshot_close,
                             .restore_begin = on_restore_begin,
                             .restore_write = on_restore_write,
                             .restore_end = on_restore_end};
  return gr_node_start(&witness->node, &options, &host, text, text_size);
}

void cluster_start(struct cluster *cluster) {
  for (size_t i = 0; i < (cluster->count ? cluster->count : MEMBERS); i++) {
    char text[256];
    int error = cluster_start_one(cluster, i, text, sizeof(text));
    if (error == GR_OK) continue;
    fprintf(stderr, "start of member %zu: %s\n", i + 1, text);
    abort();
  }
}

void witness_reset(struct witness *witness, gr_seqno applied) {
  witness->count = 0;
  witness->seqno = applied;
  witness->halted = GR_OK;
  witness->restored = 0;
  witness->log_used = 0;
  witness->state = GR_MEMBER_OFFLINE;
  witness->state_error = GR_OK;
  witness->view_count = 0;
}

void cluster_stop_one(struct cluster *cluster, size_t index) {
  gr_node_stop(cluster->witnesses[index].node);
  cluster->witnesses[index].node = NULL;
}

void cluster_stop(struct cluster *cluster) {
  for (size_t i = 0; i < NODES; i++) {
    gr_node_stop(cluster->witnesses[i].node);
    cluster->witnesses[i].node = NULL;
    free(cluster->witnesses[i].records);
    pthread_mutex_destroy(&cluster->witnesses[i].mutex);
  }
}

size_t deliveries(struct witness *witness) {
  pthread_mutex_lock(&witness->mutex);
  size_t count = witness->count;
  pthread_mutex_unlock(&witness->mutex);
  return count;
}

void run_on_thread(struct witness *witness, void (*run)(gr_node *node)) {
  gr_status status = {.size = sizeof(status)};
  pthread_mutex_lock(&witness->mutex);
  const size_t count = witness->count;
  witness->at_delivery = run;
  pthread_mutex_unlock(&witness->mutex);
  /* A question is answered by the same thread, when the message has been delivered. */
  if (gr_node_broadcast(witness->node, NULL, 0, 0, true) != GR_OK ||
      !await_deliveries(witness, count + 1) ||
      gr_node_status(witness->node, &status) != GR_OK) {
    fprintf(stderr, "the node's thread does not run\n");
    abort();
  }
}

bool await_deliveries(struct witness *witness, size_t count) {
  for (gr_time end = gr_posix_now() + PATIENCE_NS; gr_posix_now() < end; sleep_ms(1))
    if (deliveries(witness) >= count) return true;
  return false;
}

/* Asks again and again under the lock; false after 60 s. */
static bool await(struct witness *witness,
                  bool (*holds)(const struct witness *witness, size_t value),
                  size_t value) {
  for (gr_time end = gr_posix_now() + PATIENCE_NS; gr_posix_now() < end; sleep_ms(1)) {
    pthread_mutex_lock(&witness->mutex);
    bool is_so = holds(witness, value);
    pthread_mutex_unlock(&witness->mutex);
    if (is_so) return true;
  }
  return false;
}

static bool is_in_state(const struct witness *witness, size_t state) {
  return witness->state == (enum gr_member_state)state;
}

bool await_state(struct witness *witness, enum gr_member_state state) {
  return await(witness, is_in_state, state);
}

static bool is_refused(const struct witness *witness, size_t none) {
  (void)none;
  return witness->state == GR_MEMBER_OFFLINE && witness->state_error != GR_OK;
}

bool await_refusal(struct witness *witness) {
  return await(witness, is_refused, 0);
}

static bool is_in_view_of(const struct witness *witness, size_t count) {
  return witness->view_count == count;
}

bool await_view(struct witness *witness, size_t count) {
  return await(witness, is_in_view_of, count);
}

static bool has_failed(const struct witness *witness, size_t count) {
  return witness->failed >= count;
}

bool await_failed(struct witness *witness, size_t count) {
  return await(witness, has_failed, count);
}

bool await_halt(struct witness *witness) {
  for (gr_time end = gr_posix_now() + PATIENCE_NS; gr_posix_now() < end; sleep_ms(1)) {
    pthread_mutex_lock(&witness->mutex);
    bool halted = witness->halted != GR_OK;
    pthread_mutex_unlock(&witness->mutex);
    if (halted) return true;
  }
  return false;
}

bool await_log(struct witness *witness, const char *text) {
  for (gr_time end = gr_posix_now() + PATIENCE_NS; gr_posix_now() < end; sleep_ms(1)) {
    pthread_mutex_lock(&witness->mutex);
    bool found = strstr(witness->log, text) != NULL;
    pthread_mutex_unlock(&witness->mutex);
    if (found) return true;
  }
  return false;
}
