/* SPDX-License-Identifier: MIT
 *
 * One process for each member, one thread in each. Between a sender and a receiver there
 * is one connection of its own, made before the processes start:
 *
 *   member 1 --> member 2     a sender writes the same bytes to all of its connections,
 *            \-> member 3     a receiver reads and counts
 *
 * A sender's own bytes count at itself when the slowest of its peers' connections has
 * taken them. No connection runs ahead of the slowest by more than AHEAD_BYTES_MAX, since
 * bytes that only one peer has got are of no use to a group.
 */
#include "bare_tcp.h"

#include "clock.h"
#include "histogram.h"
#include "processes.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

#define AHEAD_BYTES_MAX (4u << 20)

/* Shared by the processes of a run. */
struct bare_shared {
  _Atomic bool stop;
  struct {
    _Alignas(64) _Atomic uint64_t
        got; /* payload bytes that this member has, its own included */
  } members[PROCESSES_MAX];
  struct histogram round_trips;
};

struct bare_run {
  const struct bare_tcp_options *options;
  uint64_t write_bytes; /* rounded to whole messages */
  struct bare_shared *shared;
  int ends[PROCESSES_MAX][PROCESSES_MAX]
          [2]; /* [sender][receiver]: write to 0, read from 1 */
};

/* One member's process. */
struct bare_member {
  const struct bare_run *run;
  uint8_t *bytes; /* what is sent, and where what arrives is read to */
  struct pollfd polls[2 * PROCESSES_MAX];
  size_t out_count; /* the first so many polls are written to, the others read from */
  size_t poll_count;
  uint64_t sent[PROCESSES_MAX];
  uint64_t received;
};

static _Noreturn void give_up(const char *call) {
  fprintf(stderr, "bare TCP on 127.0.0.1: %s: %s\n", call, strerror(errno));
  exit(EXIT_FAILURE);
}

/* Two ends of one TCP connection over loopback. */
static void connect_pair(int ends[2]) {
  struct sockaddr_in address = {.sin_family = AF_INET,
                                .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
  socklen_t size = sizeof(address);
  int on = 1;
  int listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  if (listener < 0 || bind(listener, (struct sockaddr *)&address, size) != 0 ||
      listen(listener, 1) != 0 ||
      getsockname(listener, (struct sockaddr *)&address, &size) != 0)
    give_up("listen");
  ends[0] = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  if (ends[0] < 0 || connect(ends[0], (struct sockaddr *)&address, size) != 0)
    give_up("connect");
  ends[1] = accept4(listener, NULL, NULL, SOCK_CLOEXEC);
  if (ends[1] < 0) give_up("accept");
  for (int i = 0; i < 2; i++)
    if (setsockopt(ends[i], IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on)) != 0)
      give_up("TCP_NODELAY");
  close(listener);
}

static void *touched_buffer(uint64_t bytes) {
  void *buffer = malloc(bytes);
  if (buffer == NULL) child_fail("no memory for a buffer of %zu bytes", (size_t)bytes);
  memset(buffer, 0x5a, bytes);
  return buffer;
}

static uint64_t least_sent(const struct bare_member *member) {
  uint64_t least = UINT64_MAX;
  for (size_t i = 0; i < member->out_count; i++)
    if (member->sent[i] < least) least = member->sent[i];
  return member->out_count == 0 ? 0 : least;
}

/* How many bytes the connection may be given now: up to the end of the write that is
 * under way, so that writes end with whole messages. */
static uint64_t sendable(const struct bare_member *member, size_t out) {
  if (member->sent[out] - least_sent(member) >= AHEAD_BYTES_MAX) return 0;
  return member->run->write_bytes - member->sent[out] % member->run->write_bytes;
}

static void send_some(struct bare_member *member, size_t out) {
  uint64_t bytes = sendable(member, out);
  if (bytes == 0) return;
  const uint8_t *from = member->bytes + member->run->write_bytes - bytes;
  ssize_t taken = send(member->polls[out].fd, from, bytes, MSG_NOSIGNAL);
  if (taken > 0)
    member->sent[out] += (uint64_t)taken;
  else if (errno != EAGAIN && errno != EINTR)
    child_fail("send: %s", strerror(errno));
}

static void receive_some(struct bare_member *member, size_t in) {
  ssize_t got = recv(member->polls[in].fd, member->bytes, member->run->write_bytes, 0);
  if (got > 0)
    member->received += (uint64_t)got;
  else if (got < 0 && errno != EAGAIN && errno != EINTR)
    child_fail("recv: %s", strerror(errno));
}

static void add_poll(struct bare_member *member, int end, short events) {
  if (fcntl(end, F_SETFL, O_NONBLOCK) != 0) child_fail("O_NONBLOCK: %s", strerror(errno));
  member->polls[member->poll_count++] = (struct pollfd){.fd = end, .events = events};
}

static void run_member(void *context, size_t index) {
  const struct bare_run *run = context;
  size_t members = run->options->members;
  size_t senders = run->options->senders;
  struct bare_member member = {.run = run, .bytes = touched_buffer(run->write_bytes)};
  for (size_t i = 0; index < senders && i < members; i++)
    if (i != index) add_poll(&member, run->ends[index][i][0], POLLOUT);
  member.out_count = member.poll_count;
  for (size_t i = 0; i < senders; i++)
    if (i != index) add_poll(&member, run->ends[i][index][1], POLLIN);

  while (!atomic_load_explicit(&run->shared->stop, memory_order_relaxed)) {
    for (size_t i = 0; i < member.out_count; i++)
      member.polls[i].events = sendable(&member, i) > 0 ? POLLOUT : 0;
    if (poll(member.polls, member.poll_count, 10) < 0) child_fail("poll failed");
    for (size_t i = 0; i < member.poll_count; i++) {
      if (member.polls[i].revents == 0) continue;
      if (i < member.out_count)
        send_some(&member, i);
      else
        receive_some(&member, i);
    }
    atomic_store_explicit(&run->shared->members[index].got,
                          member.received + least_sent(&member), memory_order_relaxed);
  }
}

/* What the parent reads at the ends of the measured time. */
struct bare_reading {
  uint64_t now;
  uint64_t cpu_ns;
  uint64_t got[PROCESSES_MAX];
};

static struct bare_reading read_all(struct processes *processes,
                                    struct bare_shared *shared) {
  struct bare_reading reading = {.now = bench_now()};
  for (size_t i = 0; i < processes->count; i++) {
    reading.got[i] = atomic_load(&shared->members[i].got);
    reading.cpu_ns += processes_cpu_ns(processes, i);
  }
  return reading;
}

static void close_all(const struct bare_run *run) {
  for (size_t from = 0; from < run->options->senders; from++)
    for (size_t to = 0; to < run->options->members; to++)
      for (int i = 0; from != to && i < 2; i++) close(run->ends[from][to][i]);
}

struct bare_tcp_result bare_tcp_throughput(const struct bare_tcp_options *options) {
  struct bare_run run = {.options = options, .write_bytes = options->write_bytes};
  if (run.write_bytes == 0) run.write_bytes = BARE_TCP_WRITE_BYTES;
  run.write_bytes -= run.write_bytes % options->message_bytes;
  if (run.write_bytes == 0) run.write_bytes = options->message_bytes;
  run.shared = shared_memory(sizeof(*run.shared));
  for (size_t from = 0; from < options->senders; from++)
    for (size_t to = 0; to < options->members; to++)
      if (from != to) connect_pair(run.ends[from][to]);

  struct processes processes;
  processes_start(&processes, options->members, run_member, &run);
  bench_sleep_until(bench_now() + options->warmup_ns);
  processes_watch(&processes);
  struct bare_reading first = read_all(&processes, run.shared);
  bench_sleep_until(first.now + options->measured_ns);
  processes_watch(&processes);
  struct bare_reading last = read_all(&processes, run.shared);
  atomic_store(&run.shared->stop, true);
  processes_join(&processes, bench_now() + 10 * BENCH_SECOND_NS);
  close_all(&run);
  munmap(run.shared, sizeof(*run.shared));

  uint64_t least = UINT64_MAX;
  for (size_t i = 0; i < options->members; i++)
    if (last.got[i] - first.got[i] < least) least = last.got[i] - first.got[i];
  double seconds = (double)(last.now - first.now) / 1e9;
  double messages = (double)least / (double)options->message_bytes;
  struct bare_tcp_result result = {.payload_mb_per_s = (double)least / 1e6 / seconds,
                                   .messages_per_s = messages / seconds};
  if (messages > 0)
    result.cpu_us_per_message = (double)(last.cpu_ns - first.cpu_ns) / 1e3 / messages;
  return result;
}

/* ---- round trips ---- */

struct ping_run {
  struct bare_shared *shared;
  uint64_t message_bytes;
  uint64_t measured_ns;
  int ends[2];
};

static void send_whole(int end, const uint8_t *bytes, uint64_t count) {
  while (count > 0) {
    ssize_t taken = send(end, bytes, count, MSG_NOSIGNAL);
    if (taken < 0 && errno != EINTR) child_fail("send: %s", strerror(errno));
    if (taken > 0) count -= (uint64_t)taken;
  }
}

/* False when the other end was closed. */
static bool receive_whole(int end, uint8_t *bytes, uint64_t count) {
  while (count > 0) {
    ssize_t got = recv(end, bytes, count, MSG_WAITALL);
    if (got == 0) return false;
    if (got < 0 && errno != EINTR) child_fail("recv: %s", strerror(errno));
    if (got > 0) count -= (uint64_t)got;
  }
  return true;
}

static void run_ping(void *context, size_t index) {
  struct ping_run *run = context;
  int end = run->ends[index];
  close(run->ends[1 - index]);
  uint8_t *bytes = touched_buffer(run->message_bytes);
  if (index == 1) {
    while (receive_whole(end, bytes, run->message_bytes))
      send_whole(end, bytes, run->message_bytes);
    return;
  }
  uint64_t start = bench_now();
  uint64_t sent = start;
  while (sent - start < run->measured_ns) {
    send_whole(end, bytes, run->message_bytes);
    if (!receive_whole(end, bytes, run->message_bytes)) child_fail("the peer is gone");
    uint64_t back = bench_now();
    histogram_add(&run->shared->round_trips, back - sent);
    sent = back;
  }
}

struct bare_tcp_round_trip bare_tcp_latency(uint64_t message_bytes,
                                            uint64_t measured_ns) {
  struct ping_run run = {.shared = shared_memory(sizeof(*run.shared)),
                         .message_bytes = message_bytes,
                         .measured_ns = measured_ns};
  connect_pair(run.ends);
  struct processes processes;
  processes_start(&processes, 2, run_ping, &run);
  close(run.ends[0]);
  close(run.ends[1]);
  processes_join(&processes, bench_now() + measured_ns + 10 * BENCH_SECOND_NS);
  struct bare_tcp_round_trip result = {
      .p50_us = (double)histogram_percentile(&run.shared->round_trips, 0.5) / 1e3,
      .p99_us = (double)histogram_percentile(&run.shared->round_trips, 0.99) / 1e3};
  munmap(run.shared, sizeof(*run.shared));
  return result;
}
