/* SPDX-License-Identifier: MIT
 *
 * GR: the group's members, and what an operator may want of them.
 */
#include "commands.h"
#include "identity.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

typedef unsigned long long number;

const char *kv_member_state_text(const gr_member *member) {
  if (member->unreachable && !member->is_self) return "UNREACHABLE";
  return gr_member_state_name(member->state);
}

static void reply_member(const struct kv_group_facts *facts, size_t i,
                         struct kv_buffer *reply) {
  const gr_member *member = &facts->members[i];
  char uuid[KV_UUID_TEXT_BYTES];
  char line[320];
  kv_uuid_format(&member->attributes.uuid, uuid);
  snprintf(line, sizeof(line),
           "id=%llu uuid=%s address=%s state=%s role=%s version=%llu weight=%llu self=%d",
           (number)member->id, uuid, facts->addresses[i], kv_member_state_text(member),
           member->id == facts->status.leader ? "leader" : "follower",
           (number)member->attributes.version, (number)member->attributes.weight,
           member->is_self);
  kv_reply_bulk(reply, kv_string_of(line));
}

static void reply_members(const struct kv_group_facts *facts, struct kv_buffer *reply) {
  kv_reply_array(reply, facts->member_count);
  for (size_t i = 0; i < facts->member_count; i++) reply_member(facts, i, reply);
}

static void line(struct kv_buffer *text, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

static void line(struct kv_buffer *text, const char *format, ...) {
  char bytes[160];
  va_list values;
  va_start(values, format);
  int size = vsnprintf(bytes, sizeof(bytes), format, values);
  va_end(values);
  if (size < 0 || (size_t)size >= sizeof(bytes)) return;
  kv_buffer_append(text, bytes, (size_t)size);
  kv_buffer_append(text, "\r\n", 2);
}

static const char *stage_name(enum gr_recovery_stage stage) {
  switch (stage) {
  case GR_RECOVERY_NONE:
    return "none";
  case GR_RECOVERY_ASKING:
    return "asking";
  case GR_RECOVERY_CHOOSING:
    return "choosing";
  case GR_RECOVERY_SNAPSHOT:
    return "snapshot";
  case GR_RECOVERY_LOG:
    return "log";
  }
  return "unknown";
}

/* Also a part of INFO. */
void kv_write_recovery(const struct kv_group_facts *facts, struct kv_buffer *text) {
  const gr_recovery *recovery = &facts->recovery;
  line(text, "recovery_stage:%s", stage_name(recovery->stage));
  line(text, "recovery_donor:%llu", (number)recovery->donor);
  line(text, "recovery_snapshot_bytes:%llu", (number)recovery->snapshot_bytes);
  line(text, "recovery_snapshot_total:%llu", (number)recovery->snapshot_total);
  line(text, "recovery_remaining_ms:%llu", (number)(recovery->remaining / 1000000));
  line(text, "recovery_bytes_per_s:%llu", (number)recovery->bytes_per_s);
  line(text, "recovery_slot:%llu", (number)recovery->slot);
  line(text, "recovery_target:%llu", (number)recovery->target);
  line(text, "recovery_attempts:%llu", (number)recovery->attempts);
  line(text, "snapshots_being_given:%llu", (number)recovery->given);
  line(text, "snapshots_given:%llu", (number)facts->donor.begun);
  line(text, "snapshot_fork_us:%llu", (number)facts->donor.fork_us);
}

static void reply_stats(const struct kv_group_facts *facts, struct kv_buffer *reply) {
  const gr_status *status = &facts->status;
  struct kv_buffer text = kv_buffer_of(reply->limit);
  line(&text, "state:%s", gr_member_state_name(status->state));
  line(&text, "view:%llu", (number)status->view);
  line(&text, "epoch:%llu", (number)status->epoch);
  line(&text, "quorum:%d", status->quorum);
  line(&text, "history_digest:%016llx", (number)status->digest);
  kv_write_recovery(facts, &text);
#define LINE(field, description)                                                         \
  line(&text, #field ":%llu", (number)facts->counters.field);
  GR_COUNTER_LIST(LINE)
#undef LINE
  if (text.failed) reply->failed = true;
  kv_reply_bulk(reply, (struct kv_string){kv_buffer_data(&text), text.size});
  kv_buffer_release(&text);
}

/* The members that the words from the third on name. */
static bool read_ids(const struct kv_request *request, gr_member_id ids[GR_MEMBERS_MAX],
                     size_t *count) {
  *count = 0;
  for (size_t i = 2; i < request->count; i++) {
    int64_t id;
    if (*count == GR_MEMBERS_MAX || !kv_parse_integer(kv_request_arg(request, i), &id) ||
        id < 1)
      return false;
    ids[(*count)++] = (gr_member_id)id;
  }
  return true;
}

static void carry_out(const struct kv_service *service, enum kv_order order,
                      const gr_member_id *ids, size_t count, struct kv_buffer *reply) {
  int error = service->order(service->group_context, order, ids, count);
  if (error == GR_OK)
    kv_reply_status(reply, "OK");
  else if (error == GR_ERR_NOT_ONLINE)
    kv_reply_error(reply, KV_NOT_ONLINE_TEXT);
  else if (error == GR_ERR_STATE && order == KV_ORDER_FORCE)
    kv_reply_error(reply, "ERR a majority of the members can be reached: this is not "
                          "needed; to remove a member, GR REMOVE");
  else
    kv_reply_error(reply, "ERR %s (%s)", gr_error_text(error), gr_error_name(error));
}

/* GR MEMBERS | STATS | LEAVE | JOIN | REMOVE id | FORCE id [id ...] */
void kv_run_gr(struct kv_session *session, const struct kv_request *request,
               struct kv_buffer *reply) {
  const struct kv_service *service = session->service;
  struct kv_string verb = kv_request_arg(request, 1);
  struct kv_group_facts facts;
  gr_member_id ids[GR_MEMBERS_MAX];
  size_t count;
  if (!read_ids(request, ids, &count)) {
    kv_reply_error(reply, "ERR a member is named by its id, see GR MEMBERS");
  } else if ((kv_string_is(verb, "MEMBERS") || kv_string_is(verb, "STATS")) &&
             count == 0) {
    if (!service->inspect(service->group_context, &facts))
      kv_reply_error(reply, "ERR this member has halted, or is loading: see INFO");
    else if (kv_string_is(verb, "MEMBERS"))
      reply_members(&facts, reply);
    else
      reply_stats(&facts, reply);
  } else if (kv_string_is(verb, "LEAVE") && count == 0) {
    carry_out(service, KV_ORDER_LEAVE, ids, count, reply);
  } else if (kv_string_is(verb, "JOIN") && count == 0) {
    carry_out(service, KV_ORDER_JOIN, ids, count, reply);
  } else if (kv_string_is(verb, "REMOVE") && count == 1) {
    carry_out(service, KV_ORDER_REMOVE, ids, count, reply);
  } else if (kv_string_is(verb, "FORCE") && count > 0) {
    carry_out(service, KV_ORDER_FORCE, ids, count, reply);
  } else {
    kv_reply_error(reply, "ERR GR knows MEMBERS, STATS, LEAVE, JOIN, REMOVE id, FORCE id "
                          "[id ...]");
  }
}
