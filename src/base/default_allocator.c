/* SPDX-License-Identifier: MIT
 *
 * The allocator for hosts that name none: the only file of the core that calls libc for
 * more than moving bytes.
 */
#include "base/default_allocator.h"

#include <stdlib.h>

static void *default_allocate(void *context, size_t size, size_t alignment) {
  (void)context;
  return aligned_alloc(alignment, (size + alignment - 1) / alignment * alignment);
}

static void default_release(void *context, void *memory, size_t size) {
  (void)context;
  (void)size;
  free(memory);
}

gr_allocator gr_default_allocator(void) {
  return (gr_allocator){.allocate = default_allocate, .release = default_release};
}
