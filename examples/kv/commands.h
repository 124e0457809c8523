/* SPDX-License-Identifier: MIT
 *
 * The functions behind the table of commands; see kv_command. Writes are in writes.c,
 * reads in reads.c, what concerns the server and the connection in admin.c and info.c,
 * and the group in members.c.
 */
#ifndef KV_COMMANDS_H
#define KV_COMMANDS_H

#include "command.h"

typedef bool kv_prepare(const struct kv_session *session,
                        const struct kv_request *request, struct kv_message *message,
                        struct kv_buffer *reply);
typedef void kv_run(struct kv_session *session, const struct kv_request *request,
                    struct kv_buffer *reply);

kv_prepare kv_prepare_append, kv_prepare_decr, kv_prepare_decrby, kv_prepare_del,
    kv_prepare_flush, kv_prepare_incr, kv_prepare_incrby, kv_prepare_mset, kv_prepare_set;

kv_run kv_run_dbsize, kv_run_digest, kv_run_exists, kv_run_get, kv_run_keys, kv_run_mget,
    kv_run_scan;

kv_run kv_run_client, kv_run_command, kv_run_config, kv_run_echo, kv_run_gr, kv_run_hello,
    kv_run_info, kv_run_ping, kv_run_quit, kv_run_select, kv_run_transaction;

/* What INFO and GR have in common: a member's state, and the lines about recovery. */
const char *kv_member_state_text(const gr_member *member);
void kv_write_recovery(const struct kv_group_facts *facts, struct kv_buffer *text);

#endif
