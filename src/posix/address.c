/* SPDX-License-Identifier: MIT
 *
 * See address.h. A host without brackets must not contain a colon, so that "::1:7001" is
 * refused instead of being read as one of the two addresses that it could mean.
 */
#include "posix/address.h"

#include <netdb.h>
#include <string.h>

/* The port's digits, 1 to 65535, without a sign, a blank or leading zeroes. */
static bool parse_port(const char *text, struct gr_address *address) {
  size_t length = strlen(text);
  if (length == 0 || length >= sizeof(address->port) || text[0] == '0') return false;
  unsigned value = 0;
  for (size_t i = 0; i < length; i++) {
    if (text[i] < '0' || text[i] > '9') return false;
    value = value * 10 + (unsigned)(text[i] - '0');
  }
  if (value > 65535) return false;
  memcpy(address->port, text, length + 1);
  return true;
}

bool gr_address_parse(const char *text, struct gr_address *address) {
  const char *host = text;
  const char *end = NULL;
  const char *colon = NULL;
  if (text[0] == '[') {
    host = text + 1;
    end = strchr(host, ']');
    if (!end || end[1] != ':') return false;
    colon = end + 1;
  } else {
    end = colon = strchr(text, ':');
    if (!colon || strchr(colon + 1, ':')) return false;
  }
  size_t length = (size_t)(end - host);
  if (length == 0 || length > GR_ADDRESS_HOST_MAX) return false;
  memcpy(address->host, host, length);
  address->host[length] = '\0';
  return parse_port(colon + 1, address);
}

int gr_address_resolve(const struct gr_address *address, bool numeric_only,
                       struct gr_address_choices *choices) {
  struct addrinfo hints = {.ai_family = AF_UNSPEC,
                           .ai_socktype = SOCK_STREAM,
                           .ai_flags =
                               AI_NUMERICSERV | (numeric_only ? AI_NUMERICHOST : 0)};
  struct addrinfo *found = NULL;
  int code = getaddrinfo(address->host, address->port, &hints, &found);
  if (code != 0) return code;
  choices->count = 0;
  for (struct addrinfo *one = found; one; one = one->ai_next) {
    if (choices->count == GR_ADDRESS_CHOICES_MAX) break;
    if (one->ai_family != AF_INET && one->ai_family != AF_INET6) continue;
    memcpy(&choices->at[choices->count], one->ai_addr, one->ai_addrlen);
    choices->size[choices->count] = one->ai_addrlen;
    choices->count++;
  }
  freeaddrinfo(found);
  return choices->count > 0 ? 0 : EAI_NONAME;
}
