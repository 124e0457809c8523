/* SPDX-License-Identifier: MIT
 *
 * UUIDs, and which of them names this server over all of its lives in the group.
 */
#ifndef KV_IDENTITY_H
#define KV_IDENTITY_H

#include <gr/types.h>

/* "6c0f5a3e-6d9e-4f53-9a5e-3f1f5b6a7c8d" and its zero. */
#define KV_UUID_TEXT_BYTES 37

/* False: the text is none. */
bool kv_uuid_parse(const char *text, gr_uuid *uuid);
void kv_uuid_format(const gr_uuid *uuid, char text[KV_UUID_TEXT_BYTES]);

/* A new one, by chance. False: errno says why. */
bool kv_uuid_draw(gr_uuid *uuid);

/* That of a founder that was given none: made of the group's and its id, so that it is
 * the same whenever it is started. */
gr_uuid kv_uuid_of_founder(const gr_uuid *group, gr_member_id id);

/* The one that is kept in the file; or a new one, which is kept there from now on. False:
 * errno says why, EINVAL if the file holds something else. */
bool kv_uuid_keep(int directory, const char *name, gr_uuid *uuid);

#endif
