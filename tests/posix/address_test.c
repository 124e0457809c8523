/* SPDX-License-Identifier: MIT
 *
 * Addresses as text: what is taken, what is refused, and what they resolve to.
 */
#include "posix/address.h"

#include <criterion/criterion.h>
#include <netdb.h>
#include <netinet/in.h>
#include <string.h>

struct row {
  const char *text;
  const char *host; /* NULL: refused */
  const char *port;
};

static const struct row rows[] = {
    {"127.0.0.1:7001", "127.0.0.1", "7001"},
    {"[::1]:7001", "::1", "7001"},
    {"[fe80::1%eth0]:1", "fe80::1%eth0", "1"},
    {"host.example:65535", "host.example", "65535"},
    {"", NULL, NULL},
    {":7001", NULL, NULL},
    {"[]:7001", NULL, NULL},
    {"127.0.0.1", NULL, NULL},
    {"127.0.0.1:", NULL, NULL},
    {"127.0.0.1:0", NULL, NULL},
    {"127.0.0.1:07001", NULL, NULL},
    {"127.0.0.1:65536", NULL, NULL},
    {"127.0.0.1:99999", NULL, NULL},
    {"127.0.0.1:4294967297", NULL, NULL},
    {"127.0.0.1:-1", NULL, NULL},
    {"127.0.0.1: 1", NULL, NULL},
    {"127.0.0.1:7001x", NULL, NULL},
    {"::1:7001", NULL, NULL},
    {"[::1]7001", NULL, NULL},
    {"[::1]", NULL, NULL},
    {"[::1:7001", NULL, NULL},
};

Test(address, parse) {
  for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
    struct gr_address address;
    bool taken = gr_address_parse(rows[i].text, &address);
    cr_assert_eq(taken, rows[i].host != NULL, "\"%s\"", rows[i].text);
    if (!taken) continue;
    cr_assert_str_eq(address.host, rows[i].host);
    cr_assert_str_eq(address.port, rows[i].port);
  }
}

Test(address, host_length) {
  char text[GR_ADDRESS_HOST_MAX + 16];
  struct gr_address address;
  memset(text, 'a', sizeof(text));
  strcpy(text + GR_ADDRESS_HOST_MAX, ":1");
  cr_assert(gr_address_parse(text, &address));
  cr_assert_eq(strlen(address.host), GR_ADDRESS_HOST_MAX);
  memset(text, 'a', sizeof(text));
  strcpy(text + GR_ADDRESS_HOST_MAX + 1, ":1");
  cr_assert_not(gr_address_parse(text, &address));
}

Test(address, resolve_numbers) {
  struct gr_address address;
  struct gr_address_choices choices;
  cr_assert(gr_address_parse("127.0.0.1:7001", &address));
  cr_assert_eq(gr_address_resolve(&address, true, &choices), 0);
  cr_assert_eq(choices.count, 1);
  const struct sockaddr_in *four = (const struct sockaddr_in *)&choices.at[0];
  cr_assert_eq(four->sin_family, AF_INET);
  cr_assert_eq(ntohl(four->sin_addr.s_addr), INADDR_LOOPBACK);
  cr_assert_eq(ntohs(four->sin_port), 7001);
  cr_assert(gr_address_parse("[::1]:7002", &address));
  cr_assert_eq(gr_address_resolve(&address, true, &choices), 0);
  const struct sockaddr_in6 *six = (const struct sockaddr_in6 *)&choices.at[0];
  cr_assert_eq(six->sin6_family, AF_INET6);
  cr_assert_eq(ntohs(six->sin6_port), 7002);
}

Test(address, a_name_is_no_number) {
  struct gr_address address;
  struct gr_address_choices choices;
  cr_assert(gr_address_parse("localhost:7001", &address));
  cr_assert_eq(gr_address_resolve(&address, true, &choices), EAI_NONAME);
  cr_assert_eq(gr_address_resolve(&address, false, &choices), 0);
  cr_assert_geq(choices.count, 1);
}
