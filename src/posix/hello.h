/* SPDX-License-Identifier: MIT
 *
 * The first frame on a connection, in both directions: who speaks, to whom, of which
 * group, in which version. Pure: no I/O. It tells mistakes of configuration apart with a
 * clear word; it does not authenticate anybody.
 *
 * Somebody who is no member yet goes by a guest's name, an id with the top bit set. Where
 * the opener does not know who listens, at a seed or at a guest's, it asks for anybody.
 *
 *   opener                        acceptor
 *     | OPEN  (from, to, group)  --> |  judges it
 *     | <-- REPLY (verdict, its own) |  and closes unless the verdict is OK
 *     | frames of the protocol   --> |
 *
 * The first 8 bytes keep their layout in all versions, so that members of any two can
 * tell each other why they do not talk:
 *
 *   0 magic u32 | 4 hello version u16 | 6 kind u8 | 7 verdict u8 |
 *   8 protocol version u32 | 12 group 16 bytes | 28 from u64 | 36 to u64 | 44
 */
#ifndef GR_POSIX_HELLO_H
#define GR_POSIX_HELLO_H

#include <gr/types.h>

#define GR_HELLO_VERSION 1
#define GR_HELLO_ANYBODY 0 /* as the target */
#define GR_HELLO_BYTES 44
#define GR_HELLO_BYTES_MAX 256 /* of any version: more is no hello */

enum gr_hello_kind { GR_HELLO_OPEN = 1, GR_HELLO_REPLY = 2 };

enum gr_hello_verdict {
  GR_HELLO_OK = 0,
  GR_HELLO_WRONG_VERSION = 1,
  GR_HELLO_WRONG_GROUP = 2,
  GR_HELLO_SAME_NAME = 3,
  GR_HELLO_WRONG_TARGET = 4
};

struct gr_hello {
  enum gr_hello_kind kind;
  enum gr_hello_verdict verdict; /* OK in an OPEN */
  uint16_t hello_version;
  uint32_t protocol_version;
  gr_uuid group;
  gr_member_id from;
  gr_member_id to;
};

/* Writes `hello`, with GR_HELLO_VERSION whatever its hello_version says. */
void gr_hello_encode(const struct gr_hello *hello, uint8_t bytes[GR_HELLO_BYTES]);

/* GR_OK; GR_ERR_MALFORMED if it is no hello; GR_ERR_PROTOCOL if it is one of another
 * hello version: then only `kind`, `verdict` and `hello_version` are filled in. */
int gr_hello_decode(gr_slice frame, struct gr_hello *hello);

/* True for a member's name; false for a guest's, and for none. */
bool gr_hello_is_member(gr_member_id name);

/* What the process named `expected->to` says to a decoded OPEN. `expected` has the group
 * and the protocol version that must match. A guest may be called by any member's name:
 * the others learn sooner than it does by which it was let in. A hello under the
 * process's own name is not welcome: another one runs under its id, or it has called
 * itself. */
enum gr_hello_verdict gr_hello_judge(const struct gr_hello *hello,
                                     const struct gr_hello *expected);

/* One line: why `verdict` was given, what was expected and what came. Cut at `text_size`.
 */
void gr_hello_explain(enum gr_hello_verdict verdict, const struct gr_hello *came,
                      const struct gr_hello *expected, char *text, size_t text_size);

#endif
