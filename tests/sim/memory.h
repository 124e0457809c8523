/* SPDX-License-Identifier: MIT
 *
 * Memory that outlives a run: what the groups of one run give back, those of the next one
 * get, as it is; so is memory of frames.
 */
#ifndef SIM_MEMORY_H
#define SIM_MEMORY_H

#include <gr/types.h>

#define SIM_BLOCKS_MAX 64
#define SIM_FRAME_CLASSES 26

/* A frame on its way. */
struct sim_frame {
  struct sim_frame *next; /* in an inbox, or of the free ones */
  uint32_t size;
  uint64_t sender;     /* the name that its connection told */
  uint32_t link_epoch; /* of its connection, when it was sent */
  uint8_t from;        /* servers */
  uint8_t to;
  uint8_t size_class;
  bool damaged; /* must be refused */
  uint8_t bytes[];
};

struct sim_block {
  void *memory;
  size_t size;
  bool taken;
};

struct sim_memory {
  struct sim_block blocks[SIM_BLOCKS_MAX];
  size_t block_count;
  struct sim_frame *frames[SIM_FRAME_CLASSES];
};

/* What groups are given. */
gr_allocator sim_memory_allocator(struct sim_memory *memory);

struct sim_frame *sim_frame_new(struct sim_memory *memory, size_t size);
void sim_frame_free(struct sim_memory *memory, struct sim_frame *frame);

/* malloc() and realloc() that end the program instead of failing. */
void *sim_allocate(size_t size);
void *sim_reallocate(void *memory, size_t size);

void sim_memory_release(struct sim_memory *memory);

#endif
