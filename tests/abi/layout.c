/* SPDX-License-Identifier: MIT
 *
 * The layout of the public structs, as published: programs built against an older header
 * hand them to a newer library. A struct that begins with `size` may grow at its end; all
 * else here is never to be edited. The numbers are those of machines with 64-bit
 * pointers.
 */
#include <gr/gr.h>
#include <gr/paxos.h>
#include <gr/posix.h>
#include <stdio.h>

struct pin {
  const char *what;
  size_t is;
  size_t published;
};

#define SIZE(type, published)                                                            \
  { "sizeof(" #type ")", sizeof(type), published }
#define FIELD(type, field, published)                                                    \
  { #type "." #field, offsetof(type, field), published }

static const struct pin pins[] = {
    SIZE(gr_slice, 16),
    FIELD(gr_slice, data, 0),
    FIELD(gr_slice, size, 8),
    SIZE(gr_uuid, 16),
    FIELD(gr_uuid, bytes, 0),
    SIZE(gr_ballot, 24),
    FIELD(gr_ballot, view, 0),
    FIELD(gr_ballot, round, 8),
    FIELD(gr_ballot, member, 16),
    SIZE(gr_allocator, 24),
    FIELD(gr_allocator, context, 0),
    FIELD(gr_allocator, allocate, 8),
    FIELD(gr_allocator, release, 16),
    SIZE(gr_delivery, 48),
    FIELD(gr_delivery, seqno, 0),
    FIELD(gr_delivery, origin, 8),
    FIELD(gr_delivery, number, 16),
    FIELD(gr_delivery, parts, 24),
    FIELD(gr_delivery, part_count, 32),
    FIELD(gr_delivery, bytes, 40),
    SIZE(gr_trace_event, 72),
    FIELD(gr_trace_event, kind, 0),
    FIELD(gr_trace_event, now, 8),
    FIELD(gr_trace_event, ballot, 16),
    FIELD(gr_trace_event, slot, 40),
    FIELD(gr_trace_event, member, 48),
    FIELD(gr_trace_event, lane, 56),
    FIELD(gr_trace_event, value, 64),
    SIZE(gr_host, 72),
    FIELD(gr_host, size, 0),
    FIELD(gr_host, context, 8),
    FIELD(gr_host, send, 16),
    FIELD(gr_host, flush, 24),
    FIELD(gr_host, deliver, 32),
    FIELD(gr_host, leader, 40),
    FIELD(gr_host, writable, 48),
    FIELD(gr_host, log, 56),
    FIELD(gr_host, trace, 64),
    SIZE(gr_options, 144),
    FIELD(gr_options, size, 0),
    FIELD(gr_options, group_id, 8),
    FIELD(gr_options, self, 24),
    FIELD(gr_options, founders, 32),
    FIELD(gr_options, founder_count, 40),
    FIELD(gr_options, seed, 48),
    FIELD(gr_options, message_bytes_max, 56),
    FIELD(gr_options, fragment_bytes_max, 64),
    FIELD(gr_options, batch_bytes_max, 72),
    FIELD(gr_options, unordered_bytes_max, 80),
    FIELD(gr_options, cache_bytes_max, 88),
    FIELD(gr_options, log_slots_max, 96),
    FIELD(gr_options, slots_in_flight_max, 104),
    FIELD(gr_options, heartbeat_interval_ns, 112),
    FIELD(gr_options, election_timeout_ns, 120),
    FIELD(gr_options, gap_timeout_ns, 128),
    FIELD(gr_options, retry_timeout_ns, 136),
    SIZE(gr_status, 128),
    FIELD(gr_status, size, 0),
    FIELD(gr_status, self, 8),
    FIELD(gr_status, role, 16),
    FIELD(gr_status, leader, 24),
    FIELD(gr_status, promised, 32),
    FIELD(gr_status, accepted, 56),
    FIELD(gr_status, chosen, 64),
    FIELD(gr_status, delivered, 72),
    FIELD(gr_status, log_first, 80),
    FIELD(gr_status, seqno, 88),
    FIELD(gr_status, broadcast, 96),
    FIELD(gr_status, unordered_bytes, 104),
    FIELD(gr_status, cache_bytes, 112),
    FIELD(gr_status, cache_bytes_max, 120),
    SIZE(gr_member, 80),
    FIELD(gr_member, size, 0),
    FIELD(gr_member, id, 8),
    FIELD(gr_member, is_self, 16),
    FIELD(gr_member, reachable, 17),
    FIELD(gr_member, heard, 24),
    FIELD(gr_member, round_trip, 32),
    FIELD(gr_member, accepted, 40),
    FIELD(gr_member, chosen, 48),
    FIELD(gr_member, delivered, 56),
    FIELD(gr_member, held, 64),
    FIELD(gr_member, ordered, 72),
    SIZE(gr_counters, 232),
    FIELD(gr_counters, size, 0),
    FIELD(gr_counters, messages_broadcast, 8),
    FIELD(gr_counters, messages_delivered, 16),
    FIELD(gr_counters, bytes_delivered, 24),
    FIELD(gr_counters, batches_closed, 32),
    FIELD(gr_counters, slots_proposed, 40),
    FIELD(gr_counters, slots_reproposed, 48),
    FIELD(gr_counters, slots_learned, 56),
    FIELD(gr_counters, slots_fetched, 64),
    FIELD(gr_counters, prevotes_started, 72),
    FIELD(gr_counters, elections_started, 80),
    FIELD(gr_counters, elections_won, 88),
    FIELD(gr_counters, step_downs, 96),
    FIELD(gr_counters, frames_sent, 104),
    FIELD(gr_counters, frames_received, 112),
    FIELD(gr_counters, bytes_sent, 120),
    FIELD(gr_counters, bytes_received, 128),
    FIELD(gr_counters, data_fetches, 136),
    FIELD(gr_counters, data_repaired, 144),
    FIELD(gr_counters, data_repeated, 152),
    FIELD(gr_counters, data_dropped, 160),
    FIELD(gr_counters, log_fetches, 168),
    FIELD(gr_counters, accepts_resent, 176),
    FIELD(gr_counters, slots_evicted, 184),
    FIELD(gr_counters, refused_malformed, 192),
    FIELD(gr_counters, refused_corrupt, 200),
    FIELD(gr_counters, refused_foreign, 208),
    FIELD(gr_counters, refused_protocol, 216),
    FIELD(gr_counters, refused_stale, 224),
    SIZE(gr_frame, 40),
    FIELD(gr_frame, parts, 0),
    FIELD(gr_frame, part_count, 32),
    SIZE(gr_node_member, 16),
    FIELD(gr_node_member, id, 0),
    FIELD(gr_node_member, address, 8),
    SIZE(gr_node_options, 88),
    FIELD(gr_node_options, size, 0),
    FIELD(gr_node_options, group, 8),
    FIELD(gr_node_options, members, 16),
    FIELD(gr_node_options, member_count, 24),
    FIELD(gr_node_options, listen, 32),
    FIELD(gr_node_options, submit_bytes_max, 40),
    FIELD(gr_node_options, reconnect_min_ns, 48),
    FIELD(gr_node_options, reconnect_max_ns, 56),
    FIELD(gr_node_options, spin_max_ns, 64),
    FIELD(gr_node_options, data_directory, 72),
    FIELD(gr_node_options, segment_bytes, 80),
    SIZE(gr_node_host, 72),
    FIELD(gr_node_host, size, 0),
    FIELD(gr_node_host, context, 8),
    FIELD(gr_node_host, deliver, 16),
    FIELD(gr_node_host, delivered, 24),
    FIELD(gr_node_host, leader, 32),
    FIELD(gr_node_host, log, 40),
    FIELD(gr_node_host, trace, 48),
    FIELD(gr_node_host, halted, 56),
    FIELD(gr_node_host, restored, 64),
    SIZE(gr_node_link, 32),
    FIELD(gr_node_link, id, 0),
    FIELD(gr_node_link, connected_out, 8),
    FIELD(gr_node_link, connected_in, 9),
    FIELD(gr_node_link, connects, 16),
    FIELD(gr_node_link, refused_hellos, 24),
    SIZE(gr_node_storage, 96),
    FIELD(gr_node_storage, size, 0),
    FIELD(gr_node_storage, records, 8),
    FIELD(gr_node_storage, bytes, 16),
    FIELD(gr_node_storage, syncs, 24),
    FIELD(gr_node_storage, sync_time, 32),
    FIELD(gr_node_storage, sync_time_max, 40),
    FIELD(gr_node_storage, log_bytes, 48),
    FIELD(gr_node_storage, segments, 56),
    FIELD(gr_node_storage, restored_records, 64),
    FIELD(gr_node_storage, restored_bytes, 72),
    FIELD(gr_node_storage, restore_time, 80),
    FIELD(gr_node_storage, torn_bytes, 88),
};

int main(void) {
  int changed = 0;
  if (sizeof(void *) != 8 || sizeof(size_t) != 8) {
    puts("pinned for 64-bit pointers only: skipped");
    return 77;
  }
  for (size_t i = 0; i < sizeof(pins) / sizeof(pins[0]); i++) {
    if (pins[i].is == pins[i].published) continue;
    fprintf(stderr, "%s was published as %zu, and is %zu\n", pins[i].what,
            pins[i].published, pins[i].is);
    changed++;
  }
  printf("%zu pins, %d changed\n", sizeof(pins) / sizeof(pins[0]), changed);
  return changed == 0 ? 0 : 1;
}
