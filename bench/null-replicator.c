/* SPDX-License-Identifier: MIT
 *
 * null-replicator: what this machine can do at most, measured with bare_tcp.h.
 */
#include "arguments.h"
#include "bare_tcp.h"
#include "clock.h"
#include "processes.h"

#include <stdio.h>

int main(int argc, char **argv) {
  uint64_t members = 3, senders = 3, size = 1024, seconds = 5, warmup = 1;
  uint64_t write_bytes = BARE_TCP_WRITE_BYTES;
  bool latency = false, json = false;
  const struct argument arguments[] = {
      {"--members", "processes", .number = &members, .lowest = 2,
       .highest = PROCESSES_MAX},
      {"--senders", "of them send to all others", .number = &senders, .lowest = 1,
       .highest = PROCESSES_MAX},
      {"--size", "bytes of a message", .number = &size, .lowest = 1, .highest = 1 << 26},
      {"--write", "bytes of a write, about", .number = &write_bytes, .lowest = 1,
       .highest = 1 << 26},
      {"--seconds", "measured", .number = &seconds, .lowest = 1, .highest = 3600},
      {"--warmup", "seconds before that", .number = &warmup, .lowest = 0,
       .highest = 3600},
      {"--latency", "one message back and forth between two processes", .flag = &latency},
      {"--json", "one line of JSON", .flag = &json},
  };
  arguments_parse(
      "null-replicator",
      "The same bytes to the same peers over bare TCP on loopback, without any "
      "protocol.",
      arguments, sizeof(arguments) / sizeof(arguments[0]), argc, argv);
  if (senders > members) {
    fprintf(stderr, "null-replicator: --senders must not exceed --members\n");
    return 2;
  }
  if (latency) {
    struct bare_tcp_round_trip trip = bare_tcp_latency(size, seconds * BENCH_SECOND_NS);
    printf(json ? "{\"null_round_trip_p50_us\":%.2f,\"null_round_trip_p99_us\":%.2f}\n"
                : "round trip: p50 %.2f us, p99 %.2f us\n",
           trip.p50_us, trip.p99_us);
    return 0;
  }
  struct bare_tcp_options options = {.members = members,
                                     .senders = senders,
                                     .message_bytes = size,
                                     .write_bytes = write_bytes,
                                     .warmup_ns = warmup * BENCH_SECOND_NS,
                                     .measured_ns = seconds * BENCH_SECOND_NS};
  struct bare_tcp_result result = bare_tcp_throughput(&options);
  printf(json
             ? "{\"null_mb_per_s\":%.1f,\"null_messages_per_s\":%.0f,"
               "\"null_cpu_us_per_message\":%.4f}\n"
             : "payload at each member: %.1f MB/s, %.0f messages/s, %.4f us of processor "
               "time a message\n",
         result.payload_mb_per_s, result.messages_per_s, result.cpu_us_per_message);
  return 0;
}
