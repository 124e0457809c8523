/* SPDX-License-Identifier: MIT
 *
 * The command line of gr-kv.
 */
#ifndef KV_OPTIONS_H
#define KV_OPTIONS_H

#include <gr/posix.h>

#define KV_PATH_MAX 4096

struct kv_options {
  gr_uuid group;
  gr_member_id id;                        /* of a founder; 0: it joins */
  gr_node_member members[GR_MEMBERS_MAX]; /* the founders; addresses point into argv */
  size_t member_count;
  gr_slice
      seeds[GR_SEEDS_MAX]; /* whom it asks to join, if it does; they point into argv */
  size_t seed_count;
  const char *listen;    /* where members connect; NULL: a founder's own address */
  const char *advertise; /* where they are told to; NULL: there */
  gr_uuid uuid;          /* if has_uuid */
  bool has_uuid;
  uint64_t weight;
  const char *bind; /* where clients connect */
  uint16_t port;
  const char *log_path; /* NULL: standard error */
  uint32_t clients_max;
  uint64_t message_bytes_max;
  uint64_t output_bytes_max;       /* replies that a client has not read yet */
  uint64_t output_timeout_ms;      /* how long a client may read nothing of them */
  uint64_t election_timeout_ms;    /* 0: the library's default */
  uint64_t heartbeat_interval_ms;  /* 0: the library's default, or what fits the former */
  const char *data_path;           /* NULL: volatile */
  char data_log_path[KV_PATH_MAX]; /* the node's log in there */
  uint64_t segment_bytes;          /* of the log's files; 0: the library's default */
  uint64_t checkpoint_bytes; /* what the log grows by, at least, between snapshots */
  uint64_t cache_bytes_max;  /* kept for members that lag; 0: the library's default */
  uint64_t log_slots_max;    /* likewise */

  /* 0: the library's default */
  uint64_t members_max;
  uint64_t suspect_floor_ms;
  uint64_t suspect_ceiling_ms;
  uint64_t expel_timeout_ms;
  uint64_t unreachable_timeout_ms;
  uint64_t join_timeout_ms;
  uint64_t rejoin_interval_ms;
  uint64_t snapshot_bytes_per_s;
};

enum kv_options_outcome {
  KV_OPTIONS_RUN,
  KV_OPTIONS_EXIT, /* --help or --version was answered: exit status 0 */
  KV_OPTIONS_BAD   /* one line on standard error has said what: exit status 2 */
};

enum kv_options_outcome kv_options_parse(struct kv_options *options, int argc,
                                         char **argv);

#endif
