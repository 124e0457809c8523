/* SPDX-License-Identifier: MIT
 *
 * See identity.h.
 */
#include "identity.h"

#include "number.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/random.h>
#include <unistd.h>

static int hex_digit(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  if (c >= 'a' && c <= 'f') return c - 'a' + 10;
  if (c >= 'A' && c <= 'F') return c - 'A' + 10;
  return -1;
}

bool kv_uuid_parse(const char *text, gr_uuid *uuid) {
  static const char shape[] = "xxxxxxxx-xxxx-xxxx-xxxx-xxxxxxxxxxxx";
  if (strlen(text) != sizeof(shape) - 1) return false;
  *uuid = (gr_uuid){{0}};
  size_t digits = 0;
  for (size_t i = 0; i < sizeof(shape) - 1; i++) {
    int digit = hex_digit(text[i]);
    if (shape[i] == '-' ? text[i] != '-' : digit < 0) return false;
    if (shape[i] == '-') continue;
    uint8_t *byte = &uuid->bytes[digits++ / 2];
    *byte = (uint8_t)(*byte << 4 | digit);
  }
  return true;
}

void kv_uuid_format(const gr_uuid *uuid, char text[KV_UUID_TEXT_BYTES]) {
  static const char digits[] = "0123456789abcdef";
  size_t at = 0;
  for (size_t i = 0; i < sizeof(uuid->bytes); i++) {
    if (i == 4 || i == 6 || i == 8 || i == 10) text[at++] = '-';
    text[at++] = digits[uuid->bytes[i] >> 4];
    text[at++] = digits[uuid->bytes[i] & 15];
  }
  text[at] = '\0';
}

bool kv_uuid_draw(gr_uuid *uuid) {
  if (getrandom(uuid->bytes, sizeof(uuid->bytes), 0) != sizeof(uuid->bytes)) return false;
  uuid->bytes[6] = (uint8_t)((uuid->bytes[6] & 0x0f) | 0x40); /* version 4 */
  uuid->bytes[8] = (uint8_t)((uuid->bytes[8] & 0x3f) | 0x80); /* of RFC 4122 */
  return true;
}

gr_uuid kv_uuid_of_founder(const gr_uuid *group, gr_member_id id) {
  gr_uuid uuid = *group;
  uint8_t *half = uuid.bytes + 8;
  kv_number_put(half, kv_number_get(half, 8) ^ id, 8);
  return uuid;
}

static bool write_new(int directory, const char *name, const char *text) {
  int fd = openat(directory, name, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0644);
  if (fd < 0) return false;
  size_t size = strlen(text);
  bool kept = write(fd, text, size) == (ssize_t)size && fsync(fd) == 0;
  int error = errno;
  close(fd);
  if (kept && fsync(directory) == 0) return true;
  if (!kept) unlinkat(directory, name, 0);
  errno = error;
  return false;
}

bool kv_uuid_keep(int directory, const char *name, gr_uuid *uuid) {
  char text[KV_UUID_TEXT_BYTES + 1] = {0};
  int fd = openat(directory, name, O_RDONLY | O_CLOEXEC);
  if (fd < 0 && errno != ENOENT) return false;
  if (fd >= 0) {
    ssize_t size = read(fd, text, sizeof(text) - 1);
    close(fd);
    text[size > 0 ? strcspn(text, "\n") : 0] = '\0';
    if (kv_uuid_parse(text, uuid)) return true;
    errno = EINVAL;
    return false;
  }
  if (!kv_uuid_draw(uuid)) return false;
  kv_uuid_format(uuid, text);
  text[KV_UUID_TEXT_BYTES - 1] = '\n';
  return write_new(directory, name, text);
}
