/* SPDX-License-Identifier: MIT
 *
 * See network.h.
 */
#include "network.h"

#include "fuzz.h"

#include <string.h>

void network_send(struct network *network, uint8_t from, uint8_t to,
                  const gr_slice *parts, size_t part_count) {
  if (network->cut[from][to]) return;
  if (network->count == FRAMES_MAX) free(network_take(network, 0).bytes);
  struct frame frame = {.from = from, .to = to};
  for (size_t i = 0; i < part_count; i++) frame.size += parts[i].size;
  frame.bytes = fuzz_allocate(frame.size);
  size_t at = 0;
  for (size_t i = 0; i < part_count; at += parts[i++].size)
    memcpy(frame.bytes + at, parts[i].data, parts[i].size);
  network->frames[network->count++] = frame;
}

struct frame network_take(struct network *network, size_t index) {
  struct frame frame = network->frames[index];
  network->count--;
  memmove(network->frames + index, network->frames + index + 1,
          (network->count - index) * sizeof(frame));
  return frame;
}

size_t network_find(const struct network *network, uint8_t from, uint8_t to) {
  size_t index = 0;
  while (index < network->count &&
         (network->frames[index].from != from || network->frames[index].to != to))
    index++;
  return index;
}

void network_clear(struct network *network) {
  while (network->count > 0) free(network_take(network, network->count - 1).bytes);
}
