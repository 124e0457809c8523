/* SPDX-License-Identifier: MIT
 *
 * See options.h. Ranges of what is handed on to the library are the library's to check.
 */
#include "options.h"

#include "identity.h"
#include "text.h"

#include <errno.h>
#include <getopt.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

static const char help_text[] =
    "gr-kv: a replicated key-value server for clients of the Redis protocol (RESP2).\n"
    "\n"
    "  gr-kv --group UUID --port PORT --id N --member ID=HOST:PORT ... [options]\n"
    "  gr-kv --group UUID --port PORT --join HOST:PORT,... --listen HOST:PORT [options]\n"
    "\n"
    "  --group UUID                the group's name, the same at all members\n"
    "  --port PORT                 where clients connect\n"
    "  --id N                      this founder; one of those named by --member\n"
    "  --member ID=HOST:PORT       a founder and where members reach it; once for each\n"
    "  --join HOST:PORT,...        come into a group that is there: some of its members\n"
    "  --listen HOST:PORT          where members connect (a founder's own address)\n"
    "  --advertise HOST:PORT       where they are told to, if that is another address\n"
    "  --uuid UUID                 this server's name over all of its lives (kept in "
    "--data)\n"
    "  --weight N                  0 to 100: who is preferred as primary (0)\n"
    "  --bind ADDRESS              the address that clients connect to (127.0.0.1)\n"
    "  --log FILE                  add log lines to FILE (standard error)\n"
    "  --max-clients N             connections at once, 1 to 65536 (4096)\n"
    "  --message-bytes N           largest write command; equal at all members "
    "(16777216)\n"
    "  --output-bytes N            replies that a client may leave unread (67108864)\n"
    "  --output-timeout-ms N       and for how long (30000)\n"
    "  --election-timeout-ms N     silence of the leader that starts an election (300)\n"
    "  --heartbeat-interval-ms N   (100, or a third of the election timeout if that is "
    "less)\n"
    "  --suspect-floor-ms N        silence after which a member may be suspected (500)\n"
    "  --suspect-ceiling-ms N      and is, at the latest (5000)\n"
    "  --expel-timeout-ms N        how long it may stay so before it is removed (5000)\n"
    "  --unreachable-timeout-ms N  how long writes wait for a majority (30000)\n"
    "  --join-timeout-ms N         how long joining may take to be answered (60000)\n"
    "  --rejoin-interval-ms N      before a removed member joins again; doubles (1000)\n"
    "  --members-max N             most members at a time; equal at all members (9)\n"
    "  --snapshot-rate N           bytes a second that it gives to joiners (268435456)\n"
    "  --data DIR                  keep the state in DIR, made if it is not there, and "
    "come "
    "back\n"
    "                              with it; at all members or at none (state in memory)\n"
    "  --segment-bytes N           size of the log's files (67108864)\n"
    "  --checkpoint-bytes N        growth of the log between snapshots; a larger "
    "snapshot "
    "waits\n"
    "                              for its own size (67108864)\n"
    "  --cache-bytes N             writes kept in memory for members that are away or "
    "lag\n"
    "                              (268435456; with --data 1073741824)\n"
    "  --log-slots N               and decisions (65536; with --data 524288)\n"
    "  --help, --version\n"
    "\n"
    "Exit status: 0 after SIGTERM or SIGINT, 1 if the member halted or the system "
    "refused\n"
    "something, 2 for a bad option.\n";

enum {
  ID = 256,
  GROUP,
  MEMBER,
  PORT,
  BIND,
  LOG,
  CLIENTS,
  MESSAGE_BYTES,
  OUTPUT_BYTES,
  OUTPUT_TIMEOUT,
  ELECTION,
  HEARTBEAT,
  DATA,
  SEGMENT_BYTES,
  CHECKPOINT_BYTES,
  CACHE_BYTES,
  LOG_SLOTS,
  JOIN,
  LISTEN,
  ADVERTISE,
  OWN_UUID,
  WEIGHT,
  SUSPECT_FLOOR,
  SUSPECT_CEILING,
  EXPEL,
  UNREACHABLE,
  JOIN_TIMEOUT,
  REJOIN_INTERVAL,
  MEMBERS_MAX,
  SNAPSHOT_RATE,
  HELP,
  VERSION
};

static const struct option long_options[] = {
    {"id", required_argument, NULL, ID},
    {"group", required_argument, NULL, GROUP},
    {"member", required_argument, NULL, MEMBER},
    {"port", required_argument, NULL, PORT},
    {"bind", required_argument, NULL, BIND},
    {"log", required_argument, NULL, LOG},
    {"max-clients", required_argument, NULL, CLIENTS},
    {"message-bytes", required_argument, NULL, MESSAGE_BYTES},
    {"output-bytes", required_argument, NULL, OUTPUT_BYTES},
    {"output-timeout-ms", required_argument, NULL, OUTPUT_TIMEOUT},
    {"election-timeout-ms", required_argument, NULL, ELECTION},
    {"heartbeat-interval-ms", required_argument, NULL, HEARTBEAT},
    {"data", required_argument, NULL, DATA},
    {"segment-bytes", required_argument, NULL, SEGMENT_BYTES},
    {"checkpoint-bytes", required_argument, NULL, CHECKPOINT_BYTES},
    {"cache-bytes", required_argument, NULL, CACHE_BYTES},
    {"log-slots", required_argument, NULL, LOG_SLOTS},
    {"join", required_argument, NULL, JOIN},
    {"listen", required_argument, NULL, LISTEN},
    {"advertise", required_argument, NULL, ADVERTISE},
    {"uuid", required_argument, NULL, OWN_UUID},
    {"weight", required_argument, NULL, WEIGHT},
    {"suspect-floor-ms", required_argument, NULL, SUSPECT_FLOOR},
    {"suspect-ceiling-ms", required_argument, NULL, SUSPECT_CEILING},
    {"expel-timeout-ms", required_argument, NULL, EXPEL},
    {"unreachable-timeout-ms", required_argument, NULL, UNREACHABLE},
    {"join-timeout-ms", required_argument, NULL, JOIN_TIMEOUT},
    {"rejoin-interval-ms", required_argument, NULL, REJOIN_INTERVAL},
    {"members-max", required_argument, NULL, MEMBERS_MAX},
    {"snapshot-rate", required_argument, NULL, SNAPSHOT_RATE},
    {"help", no_argument, NULL, HELP},
    {"version", no_argument, NULL, VERSION},
    {NULL, 0, NULL, 0}};

static bool bad(const char *format, ...) __attribute__((format(printf, 1, 2)));

static bool bad(const char *format, ...) {
  fputs("gr-kv: ", stderr);
  va_list values;
  va_start(values, format);
  vfprintf(stderr, format, values);
  va_end(values);
  fputs("; see gr-kv --help\n", stderr);
  return false;
}

/* Reads a number of a stated range; says what is wrong with any other. */
static bool read_number(const char *name, const char *text, uint64_t low, uint64_t high,
                        uint64_t *value) {
  int64_t number;
  if (!kv_parse_integer(kv_string_of(text), &number) || number < 0 ||
      (uint64_t)number < low || (uint64_t)number > high)
    return bad("--%s '%s' is not a number from %llu to %llu", name, text,
               (unsigned long long)low, (unsigned long long)high);
  *value = (uint64_t)number;
  return true;
}

static bool read_uuid(const char *name, const char *text, gr_uuid *uuid) {
  return kv_uuid_parse(text, uuid) ||
         bad("--%s '%s' is not a UUID such as 6c0f5a3e-6d9e-4f53-9a5e-3f1f5b6a7c8d", name,
             text);
}

/* "HOST:PORT,HOST:PORT"; whether the addresses can be parsed is the library's to say. */
static bool read_seeds(struct kv_options *options, const char *text) {
  for (const char *at = text;; at++) {
    size_t size = strcspn(at, ",");
    if (size == 0) return bad("--join '%s' is not HOST:PORT,HOST:PORT,...", text);
    if (options->seed_count == GR_SEEDS_MAX)
      return bad("--join names more than %d", GR_SEEDS_MAX);
    options->seeds[options->seed_count++] = (gr_slice){at, size};
    at += size;
    if (*at == '\0') return true;
  }
}

/* "ID=HOST:PORT"; whether the address can be parsed is the library's to say. */
static bool read_member(struct kv_options *options, const char *text) {
  const char *equals = strchr(text, '=');
  int64_t id = 0;
  if (!equals || equals[1] == '\0' ||
      !kv_parse_integer((struct kv_string){(const uint8_t *)text,
                                           (size_t)(equals - text)},
                        &id) ||
      id < 1)
    return bad("--member '%s' is not ID=HOST:PORT with an ID of 1 or more", text);
  if (options->member_count == GR_MEMBERS_MAX)
    return bad("--member is given more than %d times", GR_MEMBERS_MAX);
  for (size_t i = 0; i < options->member_count; i++)
    if (options->members[i].id == (gr_member_id)id)
      return bad("--member %lld is given twice", (long long)id);
  options->members[options->member_count++] =
      (gr_node_member){.id = (gr_member_id)id, .address = equals + 1};
  return true;
}

static bool read_data(struct kv_options *options, const char *text) {
  size_t room = sizeof(options->data_log_path);
  int size = snprintf(options->data_log_path, room, "%s/log", text);
  if (text[0] == '\0' || size < 0 || (size_t)size >= room)
    return bad("--data '%s' is no directory's name", text);
  options->data_path = text;
  return true;
}

/* Options that are a number, and where it goes. */
static bool take_number(struct kv_options *options, int option, const char *name,
                        const char *text) {
  const uint64_t any = INT64_MAX;
  const uint64_t day_ms = UINT64_C(24) * 60 * 60 * 1000;
  const struct {
    int option;
    uint64_t low;
    uint64_t high;
    uint64_t *value;
  } numbers[] = {{ID, 1, any, &options->id},
                 {WEIGHT, 0, 100, &options->weight},
                 {MESSAGE_BYTES, 1024, UINT64_C(1) << 30, &options->message_bytes_max},
                 {OUTPUT_BYTES, 1024, UINT64_C(1) << 40, &options->output_bytes_max},
                 {OUTPUT_TIMEOUT, 1, day_ms, &options->output_timeout_ms},
                 {ELECTION, 1, day_ms, &options->election_timeout_ms},
                 {HEARTBEAT, 1, day_ms, &options->heartbeat_interval_ms},
                 {SEGMENT_BYTES, 1, any, &options->segment_bytes},
                 {CHECKPOINT_BYTES, 1, any, &options->checkpoint_bytes},
                 {CACHE_BYTES, 1, any, &options->cache_bytes_max},
                 {LOG_SLOTS, 1, any, &options->log_slots_max},
                 {SUSPECT_FLOOR, 1, day_ms, &options->suspect_floor_ms},
                 {SUSPECT_CEILING, 1, day_ms, &options->suspect_ceiling_ms},
                 {EXPEL, 1, day_ms, &options->expel_timeout_ms},
                 {UNREACHABLE, 1, day_ms, &options->unreachable_timeout_ms},
                 {JOIN_TIMEOUT, 1, day_ms, &options->join_timeout_ms},
                 {REJOIN_INTERVAL, 1, day_ms, &options->rejoin_interval_ms},
                 {MEMBERS_MAX, 1, GR_MEMBERS_MAX, &options->members_max},
                 {SNAPSHOT_RATE, 1, any, &options->snapshot_bytes_per_s}};
  for (size_t i = 0; i < sizeof(numbers) / sizeof(numbers[0]); i++)
    if (numbers[i].option == option)
      return read_number(name, text, numbers[i].low, numbers[i].high, numbers[i].value);
  return false;
}

static bool take_text(const char **value, const char *text) {
  *value = text;
  return true;
}

/* Takes one option of the command line. */
static bool take(struct kv_options *options, int option, const char *name,
                 const char *text) {
  uint64_t number = 0;
  switch (option) {
  case GROUP:
    return read_uuid(name, text, &options->group);
  case OWN_UUID:
    options->has_uuid = true;
    return read_uuid(name, text, &options->uuid);
  case MEMBER:
    return read_member(options, text);
  case JOIN:
    return read_seeds(options, text);
  case PORT:
    if (!read_number(name, text, 1, UINT16_MAX, &number)) return false;
    options->port = (uint16_t)number;
    return true;
  case CLIENTS:
    if (!read_number(name, text, 1, 65536, &number)) return false;
    options->clients_max = (uint32_t)number;
    return true;
  case BIND:
    return take_text(&options->bind, text);
  case LISTEN:
    return take_text(&options->listen, text);
  case ADVERTISE:
    return take_text(&options->advertise, text);
  case LOG:
    return take_text(&options->log_path, text);
  case DATA:
    return read_data(options, text);
  default:
    return take_number(options, option, name, text);
  }
}

/* Says it on standard output, which may be a full disk. */
static enum kv_options_outcome say(const char *text) {
  if (fputs(text, stdout) != EOF && fflush(stdout) == 0) return KV_OPTIONS_EXIT;
  fprintf(stderr, "gr-kv: writing to standard output failed: %s\n", strerror(errno));
  return KV_OPTIONS_BAD;
}

static bool has(uint64_t seen, int option) {
  return (seen >> (option - ID) & 1) != 0;
}

static bool is_complete(const struct kv_options *options, uint64_t seen) {
  if (!has(seen, GROUP)) return bad("--group is missing");
  if (!has(seen, PORT)) return bad("--port is missing");
  if (has(seen, JOIN)) {
    if (has(seen, ID) || has(seen, MEMBER))
      return bad("a founder is given by --id and --member, one that joins by --join");
    return has(seen, LISTEN) || bad("--listen is missing: where members connect");
  }
  if (!has(seen, ID)) return bad("--id is missing");
  if (!has(seen, MEMBER)) return bad("--member is missing");
  for (size_t i = 0; i < options->member_count; i++)
    if (options->members[i].id == options->id) return true;
  return bad("--id %llu is not among the --member options",
             (unsigned long long)options->id);
}

enum kv_options_outcome kv_options_parse(struct kv_options *options, int argc,
                                         char **argv) {
  *options = (struct kv_options){.bind = "127.0.0.1",
                                 .clients_max = 4096,
                                 .message_bytes_max = UINT64_C(16) << 20,
                                 .output_bytes_max = UINT64_C(64) << 20,
                                 .output_timeout_ms = 30000,
                                 .checkpoint_bytes = UINT64_C(64) << 20};
  uint64_t seen = 0;
  opterr = 0;
  for (;;) {
    int index = 0;
    int option = getopt_long(argc, argv, ":", long_options, &index);
    if (option == -1) break;
    if (option == HELP) return say(help_text);
    if (option == VERSION) return say("gr-kv " GR_VERSION_STRING "\n");
    if (option == ':' || option == '?') {
      bad(option == ':' ? "'%s' needs a value" : "'%s' is not an option",
          argv[optind - 1]);
      return KV_OPTIONS_BAD;
    }
    if (!take(options, option, long_options[index].name, optarg)) return KV_OPTIONS_BAD;
    seen |= UINT64_C(1) << (option - ID);
  }
  if (optind < argc) {
    bad("'%s' is not an option", argv[optind]);
    return KV_OPTIONS_BAD;
  }
  if (!is_complete(options, seen)) return KV_OPTIONS_BAD;
  if (options->heartbeat_interval_ms == 0 && options->election_timeout_ms != 0 &&
      options->election_timeout_ms < 300)
    options->heartbeat_interval_ms = (options->election_timeout_ms + 2) / 3;
  /* Members that come back find in the others' memory what they have missed. */
  if (options->data_path && options->cache_bytes_max == 0)
    options->cache_bytes_max = UINT64_C(1) << 30;
  if (options->data_path && options->log_slots_max == 0)
    options->log_slots_max = UINT64_C(1) << 19;
  return KV_OPTIONS_RUN;
}
