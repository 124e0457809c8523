/* SPDX-License-Identifier: MIT
 *
 * See options.h. Ranges of what is handed on to the library are the library's to check.
 */
#include "options.h"

#include "text.h"

#include <errno.h>
#include <getopt.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

static const char help_text[] =
    "gr-kv: a replicated key-value server for clients of the Redis protocol (RESP2).\n"
    "\n"
    "  gr-kv --id N --group UUID --member ID=HOST:PORT ... --port PORT [options]\n"
    "\n"
    "  --id N                      this member; one of those named by --member\n"
    "  --group UUID                the group's name, the same at all members\n"
    "  --member ID=HOST:PORT       a member and where members reach it; once for each\n"
    "  --port PORT                 where clients connect\n"
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

static int hex_digit(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  if (c >= 'a' && c <= 'f') return c - 'a' + 10;
  if (c >= 'A' && c <= 'F') return c - 'A' + 10;
  return -1;
}

static bool read_uuid(const char *text, gr_uuid *uuid) {
  static const char shape[] = "xxxxxxxx-xxxx-xxxx-xxxx-xxxxxxxxxxxx";
  size_t digits = 0;
  bool sound = strlen(text) == sizeof(shape) - 1;
  for (size_t i = 0; sound && i < sizeof(shape) - 1; i++) {
    int digit = hex_digit(text[i]);
    sound = shape[i] == '-' ? text[i] == '-' : digit >= 0;
    if (!sound || shape[i] == '-') continue;
    uint8_t *byte = &uuid->bytes[digits++ / 2];
    *byte = (uint8_t)(*byte << 4 | digit);
  }
  return sound || bad("--group '%s' is not a UUID such as "
                      "6c0f5a3e-6d9e-4f53-9a5e-3f1f5b6a7c8d",
                      text);
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

/* Takes one option of the command line. */
static bool take(struct kv_options *options, int option, const char *name,
                 const char *text) {
  uint64_t number = 0;
  const uint64_t day_ms = UINT64_C(24) * 60 * 60 * 1000;
  switch (option) {
  case ID:
    return read_number(name, text, 1, INT64_MAX, &options->id);
  case GROUP:
    return read_uuid(text, &options->group);
  case MEMBER:
    return read_member(options, text);
  case PORT:
    if (!read_number(name, text, 1, UINT16_MAX, &number)) return false;
    options->port = (uint16_t)number;
    return true;
  case BIND:
    options->bind = text;
    return true;
  case LOG:
    options->log_path = text;
    return true;
  case CLIENTS:
    if (!read_number(name, text, 1, 65536, &number)) return false;
    options->clients_max = (uint32_t)number;
    return true;
  case MESSAGE_BYTES:
    return read_number(name, text, 1024, UINT64_C(1) << 30, &options->message_bytes_max);
  case OUTPUT_BYTES:
    return read_number(name, text, 1024, UINT64_C(1) << 40, &options->output_bytes_max);
  case OUTPUT_TIMEOUT:
    return read_number(name, text, 1, day_ms, &options->output_timeout_ms);
  case ELECTION:
    return read_number(name, text, 1, day_ms, &options->election_timeout_ms);
  case HEARTBEAT:
    return read_number(name, text, 1, day_ms, &options->heartbeat_interval_ms);
  case DATA:
    return read_data(options, text);
  case SEGMENT_BYTES:
    return read_number(name, text, 1, INT64_MAX, &options->segment_bytes);
  case CHECKPOINT_BYTES:
    return read_number(name, text, 1, INT64_MAX, &options->checkpoint_bytes);
  case CACHE_BYTES:
    return read_number(name, text, 1, INT64_MAX, &options->cache_bytes_max);
  case LOG_SLOTS:
    return read_number(name, text, 1, INT64_MAX, &options->log_slots_max);
  default:
    return false;
  }
}

/* Says it on standard output, which may be a full disk. */
static enum kv_options_outcome say(const char *text) {
  if (fputs(text, stdout) != EOF && fflush(stdout) == 0) return KV_OPTIONS_EXIT;
  fprintf(stderr, "gr-kv: writing to standard output failed: %s\n", strerror(errno));
  return KV_OPTIONS_BAD;
}

static bool is_complete(const struct kv_options *options, uint32_t seen) {
  if (!(seen & 1u)) return bad("--id is missing");
  if (!(seen & 2u)) return bad("--group is missing");
  if (!(seen & 4u)) return bad("--member is missing");
  if (!(seen & 8u)) return bad("--port is missing");
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
  uint32_t seen = 0;
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
    seen |= UINT32_C(1) << (option - ID);
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
