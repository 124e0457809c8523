/* SPDX-License-Identifier: MIT
 *
 * kv-probe: a client that finds out what a failure costs. It writes new keys, one after
 * the other, each once its predecessor is acknowledged, and tells how many were
 * acknowledged and the longest time that it had to wait for one. The writes are APPENDs
 * to keys that only it uses, so that a write that takes effect twice shows, in the reply
 * and in the value.
 *
 *   kv-probe --port PORT --name NAME --seconds S [--host ADDRESS]
 *
 * Writes "x" to probe:NAME:1, probe:NAME:2, ... and prints one line when the time is
 * over, on SIGTERM, or when the connection is lost:
 *
 *   acknowledged=N unknown=0|1 doubled=N lost=0|1 longest_us=N longest_at_ms=N
 *
 * "unknown" is a write that was sent and not answered; "longest" is the longest time
 * between two acknowledgements, the wait at the end included, and when it began. Exit
 * status: 0, or 1 if the server answered anything else, 2 for a bad option.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <getopt.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define NS_PER_MS INT64_C(1000000)
#define NS_PER_S INT64_C(1000000000)

#define NAME_MAX_BYTES 64
#define REPLY_MAX 512

struct probe {
  const char *host;
  const char *name;
  long port;
  long seconds;
  int fd;
  int signal_fd;
  int64_t started_ns;
  int64_t latest_ns; /* when the latest acknowledgement came, or it all began */
  int64_t longest_ns;
  int64_t longest_at_ns;
  uint64_t acknowledged;
  uint64_t doubled;
  bool unknown;
  bool lost;
  bool over;
};

static int64_t now_ns(void) {
  struct timespec now;
  clock_gettime(CLOCK_MONOTONIC, &now);
  return (int64_t)now.tv_sec * NS_PER_S + now.tv_nsec;
}

static int complain(const char *what, const char *why) {
  fprintf(stderr, "kv-probe: %s: %s\n", what, why);
  return 1;
}

static bool read_options(struct probe *probe, int argc, char **argv) {
  static const struct option options[] = {{"port", required_argument, NULL, 'p'},
                                          {"name", required_argument, NULL, 'n'},
                                          {"seconds", required_argument, NULL, 's'},
                                          {"host", required_argument, NULL, 'h'},
                                          {NULL, 0, NULL, 0}};
  *probe = (struct probe){.host = "127.0.0.1", .fd = -1, .signal_fd = -1};
  for (;;) {
    int option = getopt_long(argc, argv, "", options, NULL);
    if (option == -1) break;
    if (option == 'p')
      probe->port = strtol(optarg, NULL, 10);
    else if (option == 's')
      probe->seconds = strtol(optarg, NULL, 10);
    else if (option == 'n')
      probe->name = optarg;
    else if (option == 'h')
      probe->host = optarg;
    else
      return false;
  }
  return optind == argc && probe->port > 0 && probe->port <= UINT16_MAX &&
         probe->seconds > 0 && probe->name && strlen(probe->name) <= NAME_MAX_BYTES;
}

static bool open_connection(struct probe *probe) {
  struct sockaddr_in address = {.sin_family = AF_INET,
                                .sin_port = htons((uint16_t)probe->port)};
  if (inet_pton(AF_INET, probe->host, &address.sin_addr) != 1) {
    errno = EINVAL;
    return false;
  }
  int on = 1;
  probe->fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  return probe->fd >= 0 &&
         connect(probe->fd, (const struct sockaddr *)&address, sizeof(address)) == 0 &&
         setsockopt(probe->fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on)) == 0;
}

static bool watch_signals(struct probe *probe) {
  sigset_t set;
  sigemptyset(&set);
  sigaddset(&set, SIGTERM);
  sigaddset(&set, SIGINT);
  if (sigprocmask(SIG_BLOCK, &set, NULL) != 0) return false;
  probe->signal_fd = signalfd(-1, &set, SFD_CLOEXEC);
  return probe->signal_fd >= 0;
}

/* Ends the time since the latest acknowledgement. */
static void note_wait(struct probe *probe) {
  int64_t now = now_ns();
  int64_t waited = now - probe->latest_ns;
  if (waited > probe->longest_ns) {
    probe->longest_ns = waited;
    probe->longest_at_ns = probe->latest_ns - probe->started_ns;
  }
  probe->latest_ns = now;
}

static bool send_write(struct probe *probe) {
  char key[NAME_MAX_BYTES + 32];
  char bytes[NAME_MAX_BYTES + 96];
  int key_size = snprintf(key, sizeof(key), "probe:%s:%llu", probe->name,
                          (unsigned long long)probe->acknowledged + 1);
  int size = snprintf(bytes, sizeof(bytes),
                      "*3\r\n$6\r\nAPPEND\r\n$%d\r\n%s\r\n$1\r\nx\r\n", key_size, key);
  /* A hundred bytes, one write at a time: the socket takes them as a whole or is lost. */
  return send(probe->fd, bytes, (size_t)size, MSG_NOSIGNAL) == size;
}

/* Waits for bytes, for the end of the time, or for a signal. False: over or lost. */
static bool wait_for_bytes(struct probe *probe) {
  int64_t left_ns = probe->started_ns + probe->seconds * NS_PER_S - now_ns();
  struct pollfd watched[] = {{.fd = probe->fd, .events = POLLIN},
                             {.fd = probe->signal_fd, .events = POLLIN}};
  int timeout_ms = left_ns > 0 ? (int)(left_ns / NS_PER_MS) + 1 : 0;
  int ready = poll(watched, 2, timeout_ms);
  probe->over = ready == 0 || watched[1].revents != 0;
  return ready > 0 && !probe->over;
}

/* Reads one reply, a line. False: over or lost. */
static bool read_reply(struct probe *probe, char reply[REPLY_MAX]) {
  size_t size = 0;
  while (size == 0 || reply[size - 1] != '\n') {
    if (!wait_for_bytes(probe)) return false;
    ssize_t got =
        size < REPLY_MAX - 1 ? recv(probe->fd, reply + size, REPLY_MAX - 1 - size, 0) : 0;
    if (got <= 0) {
      probe->lost = true;
      return false;
    }
    size += (size_t)got;
  }
  reply[size] = '\0';
  return true;
}

static bool is_time_over(const struct probe *probe) {
  return now_ns() - probe->started_ns >= probe->seconds * NS_PER_S;
}

/* Writes until it is over. The exit status. */
static int run(struct probe *probe) {
  char reply[REPLY_MAX];
  probe->started_ns = now_ns();
  probe->latest_ns = probe->started_ns;
  while (!probe->over && !probe->lost && !is_time_over(probe)) {
    probe->unknown = true;
    probe->lost = !send_write(probe);
    if (probe->lost || !read_reply(probe, reply)) continue;
    if (reply[0] != ':') {
      reply[strcspn(reply, "\r\n")] = '\0';
      return complain("the server answered", reply);
    }
    probe->unknown = false;
    probe->doubled += strcmp(reply, ":1\r\n") != 0;
    probe->acknowledged++;
    note_wait(probe);
  }
  note_wait(probe);
  return 0;
}

int main(int argc, char **argv) {
  struct probe probe;
  if (!read_options(&probe, argc, argv)) {
    fputs("kv-probe: usage: kv-probe --port PORT --name NAME --seconds S [--host "
          "ADDRESS]\n",
          stderr);
    return 2;
  }
  if (!watch_signals(&probe)) return complain("signals", strerror(errno));
  if (!open_connection(&probe)) return complain("connecting", strerror(errno));
  int status = run(&probe);
  int printed =
      printf("acknowledged=%llu unknown=%d doubled=%llu lost=%d longest_us=%lld "
             "longest_at_ms=%lld\n",
             (unsigned long long)probe.acknowledged, probe.unknown,
             (unsigned long long)probe.doubled, probe.lost,
             (long long)(probe.longest_ns / 1000),
             (long long)(probe.longest_at_ns / NS_PER_MS));
  if (printed < 0 || fflush(stdout) != 0)
    status = complain("writing the result", strerror(errno));
  close(probe.fd);
  close(probe.signal_fd);
  return status;
}
