/* SPDX-License-Identifier: MIT
 *
 * The memory of a node's group, most of which is the cache, in huge pages where the
 * system has them. A cache that grows since a member lags is touched for the first time
 * at the pace of the messages: with small pages a third of a busy member's time went
 * into that.
 */
#ifndef GR_POSIX_MEMORY_H
#define GR_POSIX_MEMORY_H

#include <gr/types.h>

gr_allocator gr_memory_allocator(void);

#endif
