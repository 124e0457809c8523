/* SPDX-License-Identifier: MIT
 *
 * INFO: the state of this member, as lines of "name:value" in sections, for people and
 * for scripts.
 */
#include "commands.h"
#include "identity.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#define NS_PER_S UINT64_C(1000000000)
#define NS_PER_US UINT64_C(1000)

typedef unsigned long long number;

static void line(struct kv_buffer *text, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

static void line(struct kv_buffer *text, const char *format, ...) {
  char bytes[384];
  va_list values;
  va_start(values, format);
  int size = vsnprintf(bytes, sizeof(bytes), format, values);
  va_end(values);
  if (size < 0) return;
  kv_buffer_append(text, bytes,
                   (size_t)size < sizeof(bytes) ? (size_t)size : sizeof(bytes) - 1);
  kv_buffer_append(text, "\r\n", 2);
}

static void server(const struct kv_service *service, struct kv_buffer *text) {
  line(text, "# Server");
  line(text, "gr_kv_version:%s", GR_VERSION_STRING);
  line(text, "libgroupcomm_version:%s", gr_version());
  line(text, "process_id:%ld", (long)getpid());
  line(text, "tcp_port:%u", service->options->port);
  line(text, "uptime_in_seconds:%llu",
       (number)((gr_posix_now() - service->started) / NS_PER_S));
}

static void clients(const struct kv_service *service, struct kv_buffer *text) {
  line(text, "# Clients");
  line(text, "connected_clients:%llu", (number)service->clients);
  line(text, "maxclients:%u", service->options->clients_max);
  line(text, "total_connections_received:%llu", (number)service->clients_total);
  line(text, "rejected_connections:%llu", (number)service->clients_refused);
  line(text, "dropped_connections:%llu", (number)service->clients_dropped);
  line(text, "total_commands_processed:%llu", (number)service->commands);
  line(text, "total_writes_broadcast:%llu", (number)service->writes);
}

static void group(const struct kv_service *service, struct kv_buffer *text) {
  char group_id[KV_UUID_TEXT_BYTES];
  kv_uuid_format(&service->options->group, group_id);
  line(text, "# Group");
  line(text, "group_id:%s", group_id);
  line(text, "seqno:%llu", (number)service->applied);
  line(text, "digest:%016llx", (number)kv_store_digest(service->store));
  line(text, "undecodable_messages:%llu", (number)service->undecodable);
  struct kv_group_facts facts;
  if (!service->inspect(service->group_context, &facts)) {
    line(text, "role:%s", service->loading ? "loading" : "halted");
    return;
  }
  const gr_status *status = &facts.status;
  line(text, "member_id:%llu", (number)status->self);
  size_t reachable = 0;
  for (size_t i = 0; i < facts.member_count; i++) reachable += facts.members[i].reachable;
  line(text, "role:%s", gr_role_name(status->role));
  line(text, "leader:%llu", (number)status->leader);
  line(text, "members:%zu", facts.member_count);
  line(text, "members_reachable:%zu", reachable);
  line(text, "slot_accepted:%llu", (number)status->accepted);
  line(text, "slot_chosen:%llu", (number)status->chosen);
  line(text, "slot_delivered:%llu", (number)status->delivered);
  line(text, "seqno_delivered:%llu", (number)status->seqno);
  line(text, "unordered_bytes:%llu", (number)status->unordered_bytes);
  line(text, "cache_bytes:%llu", (number)status->cache_bytes);
  line(text, "cache_bytes_max:%llu", (number)status->cache_bytes_max);
  for (size_t i = 0; i < facts.member_count; i++) {
    const gr_member *member = &facts.members[i];
    line(text,
         "member%llu:self=%d,reachable=%d,accepted=%llu,chosen=%llu,delivered=%llu,held=%"
         "llu,"
         "ordered=%llu,round_trip_us=%llu",
         (number)member->id, member->is_self, member->reachable, (number)member->accepted,
         (number)member->chosen, (number)member->delivered, (number)member->held,
         (number)member->ordered, (number)(member->round_trip / NS_PER_US));
  }
}

static void membership(const struct kv_service *service, struct kv_buffer *text) {
  line(text, "# Membership");
  line(text, "state:%s", gr_member_state_name(service->state));
  line(text, "state_error:%s",
       service->state_error == GR_OK ? "" : gr_error_name(service->state_error));
  struct kv_group_facts facts;
  if (!service->inspect(service->group_context, &facts)) return;
  line(text, "view:%llu", (number)facts.status.view);
  line(text, "quorum:%d", facts.status.quorum);
  for (size_t i = 0; i < facts.member_count; i++)
    line(text, "state%llu:%s", (number)facts.members[i].id,
         kv_member_state_text(&facts.members[i]));
  kv_write_recovery(&facts, text);
}

/* What the log has been through; nothing before it is restored. */
static void storage(const struct kv_service *service, struct kv_buffer *text) {
  struct kv_group_facts facts;
  if (!service->inspect(service->group_context, &facts)) return;
  const gr_node_storage *storage = &facts.storage;
  uint64_t syncs = storage->syncs ? storage->syncs : 1;
  line(text, "boot:%llu", (number)facts.status.boot);
  line(text, "log_bytes:%llu", (number)storage->log_bytes);
  line(text, "log_segments:%llu", (number)storage->segments);
  line(text, "log_records_written:%llu", (number)storage->records);
  line(text, "log_bytes_written:%llu", (number)storage->bytes);
  line(text, "syncs:%llu", (number)storage->syncs);
  line(text, "sync_us_average:%llu", (number)(storage->sync_time / syncs / NS_PER_US));
  line(text, "sync_us_max:%llu", (number)(storage->sync_time_max / NS_PER_US));
  line(text, "restored_records:%llu", (number)storage->restored_records);
  line(text, "restored_bytes:%llu", (number)storage->restored_bytes);
  line(text, "restore_us:%llu", (number)(storage->restore_time / NS_PER_US));
  line(text, "torn_bytes:%llu", (number)storage->torn_bytes);
}

static void durable(const struct kv_service *service, struct kv_buffer *text) {
  const struct kv_checkpoint *checkpoint = service->checkpoint;
  line(text, "# Durable");
  line(text, "mode:%s", checkpoint ? "durable" : "volatile");
  if (!checkpoint) return;
  line(text, "loading:%d", service->loading);
  line(text, "snapshot_seqno:%llu", (number)checkpoint->latest.seqno);
  line(text, "snapshot_bytes:%llu", (number)checkpoint->latest.bytes);
  line(text, "snapshots_written:%llu", (number)checkpoint->count);
  line(text, "snapshot_in_progress:%d", checkpoint->child != 0);
  line(text, "snapshot_last_status:%s",
       checkpoint->error ? strerror(checkpoint->error) : "ok");
  storage(service, text);
}

static void keyspace(const struct kv_service *service, struct kv_buffer *text) {
  line(text, "# Keyspace");
  line(text, "db0:keys=%zu", kv_store_count(service->store));
}

/* INFO [section...] */
void kv_run_info(struct kv_session *session, const struct kv_request *request,
                 struct kv_buffer *reply) {
  static const struct {
    const char *name;
    void (*write)(const struct kv_service *service, struct kv_buffer *text);
  } sections[] = {{"SERVER", server},   {"CLIENTS", clients},
                  {"GROUP", group},     {"MEMBERSHIP", membership},
                  {"DURABLE", durable}, {"KEYSPACE", keyspace}};
  struct kv_buffer text = kv_buffer_of(reply->limit);
  for (size_t i = 0; i < sizeof(sections) / sizeof(sections[0]); i++) {
    bool wanted = request->count == 1;
    for (size_t j = 1; j < request->count && !wanted; j++) {
      struct kv_string word = kv_request_arg(request, j);
      wanted = kv_string_is(word, sections[i].name) || kv_string_is(word, "ALL") ||
               kv_string_is(word, "DEFAULT") || kv_string_is(word, "EVERYTHING");
    }
    if (!wanted) continue;
    if (text.size > 0) kv_buffer_append(&text, "\r\n", 2);
    sections[i].write(session->service, &text);
  }
  if (text.failed) reply->failed = true;
  kv_reply_bulk(reply, (struct kv_string){kv_buffer_data(&text), text.size});
  kv_buffer_release(&text);
}
