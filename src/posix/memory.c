/* SPDX-License-Identifier: MIT
 *
 * See memory.h.
 */
#include "posix/memory.h"

#include <stdlib.h>
#include <sys/mman.h>

/* Of x86-64 and, with pages of 4 KiB, of AArch64; where it is another it does no harm. */
#define HUGE_PAGE_BYTES ((size_t)2 << 20)

static size_t round_up(size_t size, size_t alignment) {
  return (size + alignment - 1) / alignment * alignment;
}

static void *allocate(void *context, size_t size, size_t alignment) {
  (void)context;
  if (size < HUGE_PAGE_BYTES || size > SIZE_MAX - HUGE_PAGE_BYTES)
    return aligned_alloc(alignment, round_up(size, alignment));
  size_t rounded = round_up(size, HUGE_PAGE_BYTES);
  void *memory = aligned_alloc(HUGE_PAGE_BYTES, rounded);
  /* A wish: without it, it is slower. */
  if (memory) (void)madvise(memory, rounded, MADV_HUGEPAGE);
  return memory;
}

static void release(void *context, void *memory, size_t size) {
  (void)context;
  (void)size;
  free(memory);
}

gr_allocator gr_memory_allocator(void) {
  return (gr_allocator){.allocate = allocate, .release = release};
}
