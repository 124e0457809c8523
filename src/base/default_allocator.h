/* SPDX-License-Identifier: MIT */
#ifndef GR_BASE_DEFAULT_ALLOCATOR_H
#define GR_BASE_DEFAULT_ALLOCATOR_H

#include <gr/types.h>

/* malloc and free behind the allocator interface. */
gr_allocator gr_default_allocator(void);

#endif
