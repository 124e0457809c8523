/* SPDX-License-Identifier: MIT */
#include "memory.h"

#include <stdio.h>
#include <stdlib.h>

#define ALIGNMENT 64
#define FRAME_BYTES_LEAST 64

void *sim_reallocate(void *memory, size_t size) {
  void *moved = realloc(memory, size);
  if (moved) return moved;
  fprintf(stderr, "gr-sim: out of memory (%zu bytes)\n", size);
  exit(EXIT_FAILURE);
}

void *sim_allocate(size_t size) {
  return sim_reallocate(NULL, size);
}

/* ---- groups ---- */

/* The smallest free block that fits, or NULL. */
static struct sim_block *best_fit(struct sim_memory *memory, size_t size) {
  struct sim_block *best = NULL;
  for (size_t i = 0; i < memory->block_count; i++) {
    struct sim_block *block = &memory->blocks[i];
    if (block->taken || block->size < size) continue;
    if (!best || block->size < best->size) best = block;
  }
  return best;
}

/* A place for a new block: that of a free one which proved too small, or a new place. */
static struct sim_block *place_for(struct sim_memory *memory, size_t size) {
  for (size_t i = 0; i < memory->block_count; i++) {
    struct sim_block *block = &memory->blocks[i];
    if (block->taken || block->size < size / 4) continue;
    free(block->memory);
    return block;
  }
  if (memory->block_count == SIM_BLOCKS_MAX) return NULL;
  return &memory->blocks[memory->block_count++];
}

static void *allocate(void *context, size_t size, size_t alignment) {
  struct sim_memory *memory = context;
  (void)alignment; /* at most ALIGNMENT, as the header says */
  struct sim_block *block = best_fit(memory, size);
  if (!block) {
    block = place_for(memory, size);
    if (!block) return NULL;
    block->size = (size + size / 4) / ALIGNMENT * ALIGNMENT + ALIGNMENT;
    block->memory = aligned_alloc(ALIGNMENT, block->size);
    if (!block->memory) sim_reallocate(NULL, SIZE_MAX / 2); /* says so and ends */
  }
  block->taken = true;
  return block->memory;
}

static void release(void *context, void *pointer, size_t size) {
  struct sim_memory *memory = context;
  (void)size;
  for (size_t i = 0; i < memory->block_count; i++)
    if (memory->blocks[i].memory == pointer) memory->blocks[i].taken = false;
}

gr_allocator sim_memory_allocator(struct sim_memory *memory) {
  return (gr_allocator){memory, allocate, release};
}

/* ---- frames ---- */

struct sim_frame *sim_frame_new(struct sim_memory *memory, size_t size) {
  uint8_t size_class = 0;
  while ((size_t)FRAME_BYTES_LEAST << size_class < size) size_class++;
  struct sim_frame *frame = memory->frames[size_class];
  if (frame)
    memory->frames[size_class] = frame->next;
  else
    frame = sim_allocate(sizeof(*frame) + ((size_t)FRAME_BYTES_LEAST << size_class));
  frame->next = NULL;
  frame->size = (uint32_t)size;
  frame->size_class = size_class;
  frame->damaged = false;
  return frame;
}

void sim_frame_free(struct sim_memory *memory, struct sim_frame *frame) {
  frame->next = memory->frames[frame->size_class];
  memory->frames[frame->size_class] = frame;
}

void sim_memory_release(struct sim_memory *memory) {
  for (size_t i = 0; i < memory->block_count; i++) free(memory->blocks[i].memory);
  memory->block_count = 0;
  for (size_t i = 0; i < SIM_FRAME_CLASSES; i++) {
    while (memory->frames[i]) {
      struct sim_frame *frame = memory->frames[i];
      memory->frames[i] = frame->next;
      free(frame);
    }
  }
}
