/* SPDX-License-Identifier: MIT
 *
 * What tests of whole nodes share: free ports, three founders and two joiners in this
 * process, and their deliveries, views, states and log lines. What a node has delivered
 * is its host's state: a snapshot is a copy of that.
 */
#ifndef GR_TESTS_POSIX_NODES_H
#define GR_TESTS_POSIX_NODES_H

#include <gr/posix.h>

#include <pthread.h>

#define MEMBERS 3
#define NODES 5 /* with those that join */
#define LOG_BYTES 65536
#define RECORDS_MAX 400000

/* One delivery; messages of these tests are up to 16 bytes of number and any filling. */
struct record {
  gr_member_id origin;
  uint64_t number;
  uint64_t tag;
  uint64_t bytes;
  uint64_t digest;
};

struct witness {
  gr_node *node;
  pthread_mutex_t mutex;
  struct record *records;
  size_t count;
  size_t turns; /* host.delivered was called */
  gr_seqno seqno;
  bool gap; /* a seqno was not the one that follows */
  gr_member_id leader;
  int halted;
  char halt_text[512];
  size_t restored; /* records when host.restored was called, and 1; 0: it was not */
  int deliver_answer;
  void (*at_delivery)(gr_node *node); /* run once, on the node's thread */
  char log[LOG_BYTES];
  size_t log_used;
  enum gr_member_state state;
  int state_error;
  uint64_t view; /* the number of the present one, with: */
  size_t view_count;
  enum gr_view_reason view_reason;
  gr_member_id view_member;
  size_t failed; /* own messages that came to nothing; the last: */
  uint64_t failed_tag;
  int failed_error;
  size_t snapshot_count; /* records in the one that was opened last */
  size_t snapshots_given;
  size_t snapshots_taken;
};

struct cluster {
  char addresses[NODES][64];
  gr_node_member members[MEMBERS];
  struct witness witnesses[NODES];
  bool joins[NODES]; /* starts without founders; founders' addresses are its seeds */
  gr_options group;  /* for all; `self` is set for each */
  uint64_t submit_bytes_max;
  size_t count;          /* of the members; 0: all */
  const char *directory; /* durable mode: the members' directories are in it */
  uint64_t segment_bytes;
};

/* Fills in the members 1..3 at free ports of `host` ("127.0.0.1", "[::1]"), and the
 * addresses of those that join later. */
void cluster_init(struct cluster *cluster, const char *host);

/* Starts member `index` + 1, or the joiner `index`. The answer of gr_node_start(). */
int cluster_start_one(struct cluster *cluster, size_t index, char *text,
                      size_t text_size);

/* Forgets what the witness saw; the node that starts next has applied all up to
 * `applied`. */
void witness_reset(struct witness *witness, gr_seqno applied);

/* Stops one; what its witness saw stays. */
void cluster_stop_one(struct cluster *cluster, size_t index);

void cluster_start(struct cluster *cluster);
void cluster_stop(struct cluster *cluster);

/* Waits until `index` has `count` deliveries; false after 60 s. */
bool await_deliveries(struct witness *witness, size_t count);

/* Waits until the node is in this state; false after 60 s. */
bool await_state(struct witness *witness, enum gr_member_state state);

/* Waits until the node was not let in: OFFLINE, with an error; false after 60 s. */
bool await_refusal(struct witness *witness);

/* Waits until the node is in a view of so many; false after 60 s. */
bool await_view(struct witness *witness, size_t count);

/* Waits until so many own messages have come to nothing; false after 60 s. */
bool await_failed(struct witness *witness, size_t count);

/* Waits until the node has halted; false after 60 s. */
bool await_halt(struct witness *witness);

/* Waits until `text` is in the log; false after 60 s. */
bool await_log(struct witness *witness, const char *text);

/* Runs it on the node's thread, inside host.deliver; for a group of one. */
void run_on_thread(struct witness *witness, void (*run)(gr_node *node));

size_t deliveries(struct witness *witness);
void sleep_ms(unsigned milliseconds);

/* A port that nobody listens at, outside of the range that the system gives out itself.
 */
unsigned free_port(const char *host);

#endif
