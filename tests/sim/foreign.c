/* SPDX-License-Identifier: MIT
 *
 * A frame that is whole and true, but of another group.
 */
#include "simulation.h"

#include <string.h>

static bool capture(void *context, gr_member_id to, const gr_slice *parts,
                    size_t part_count) {
  struct sim_foreign *foreign = context;
  (void)to;
  foreign->size = 0;
  for (size_t i = 0; i < part_count; i++) {
    if (parts[i].size > sizeof(foreign->bytes) - foreign->size) return false;
    memcpy(foreign->bytes + foreign->size, parts[i].data, parts[i].size);
    foreign->size += parts[i].size;
  }
  return true;
}

static int ignore(void *context, const gr_delivery *delivery) {
  (void)context;
  (void)delivery;
  return 0;
}

void sim_foreign_make(struct sim_foreign *foreign) {
  const gr_member_id founders[] = {1, 2};
  gr_options options = {.size = sizeof(options),
                        .group_id = {{9, 9, 9}},
                        .self = 1,
                        .founders = founders,
                        .founder_count = 2,
                        .seed = 1,
                        .message_bytes_max = 1024,
                        .batch_bytes_max = 1024,
                        .unordered_bytes_max = 1024};
  gr_host host = {.size = sizeof(host),
                  .context = foreign,
                  .send = capture,
                  .deliver = ignore};
  gr_group *group;
  foreign->size = 0;
  if (gr_group_new(&group, &options, &host, NULL, 1) != GR_OK) return;
  gr_group_poll(group, SIM_SECOND);
  gr_group_dispatch(group);
  gr_group_free(group);
}
