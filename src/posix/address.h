/* SPDX-License-Identifier: MIT
 *
 * Addresses of members as text: "127.0.0.1:7001", "[::1]:7001", "host.example:7001".
 * Parsing is pure; resolving asks the system, and may block for a name but never for a
 * number.
 */
#ifndef GR_POSIX_ADDRESS_H
#define GR_POSIX_ADDRESS_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/socket.h>

#define GR_ADDRESS_HOST_MAX 253 /* a name of the DNS in text: RFC 1035, section 2.3.4 */
#define GR_ADDRESS_TEXT_MAX (GR_ADDRESS_HOST_MAX + sizeof("[]:65535"))
#define GR_ADDRESS_CHOICES_MAX 8

struct gr_address {
  char host[GR_ADDRESS_HOST_MAX + 1];
  char port[sizeof("65535")];
};

/* What an address stands for: candidates in the order in which the system prefers them.
 */
struct gr_address_choices {
  struct sockaddr_storage at[GR_ADDRESS_CHOICES_MAX];
  socklen_t size[GR_ADDRESS_CHOICES_MAX];
  size_t count;
};

/* False if `text` is no address: no port, a port that is not 1 to 65535, an empty or
 * overlong host, or an IPv6 address without its brackets. */
bool gr_address_parse(const char *text, struct gr_address *address);

/* 0, or a code for gai_strerror(). With `numeric_only`, a name is an error and nothing
 * blocks. At success there is at least one choice. */
int gr_address_resolve(const struct gr_address *address, bool numeric_only,
                       struct gr_address_choices *choices);

#endif
