/* SPDX-License-Identifier: MIT
 *
 * The limit of this machine: the same bytes to the same peers over bare TCP, with no
 * protocol at all. Nothing is framed, checked, ordered or kept; only counted.
 */
#ifndef BENCH_BARE_TCP_H
#define BENCH_BARE_TCP_H

#include <stddef.h>
#include <stdint.h>

struct bare_tcp_options {
  size_t members;
  size_t senders;         /* the first so many members send */
  uint64_t message_bytes; /* a write is of whole messages */
  uint64_t write_bytes;   /* about so many bytes with each write and read */
  uint64_t warmup_ns;
  uint64_t measured_ns;
};

/* 0 of the options' `write_bytes` stands for this, the best of what was tried. */
#define BARE_TCP_WRITE_BYTES 262144u

struct bare_tcp_result {
  double payload_mb_per_s;   /* of all senders, at the member that got the least, its own
                                bytes   included as in an ordered broadcast */
  double messages_per_s;     /* the same in messages */
  double cpu_us_per_message; /* of all processes */
};

/* Runs one process for each member. Ends the process with one line if it cannot. */
struct bare_tcp_result bare_tcp_throughput(const struct bare_tcp_options *options);

struct bare_tcp_round_trip {
  double p50_us;
  double p99_us;
};

/* Two processes send one message of `message_bytes` back and forth. */
struct bare_tcp_round_trip bare_tcp_latency(uint64_t message_bytes, uint64_t measured_ns);

#endif
