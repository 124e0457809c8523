/* SPDX-License-Identifier: MIT
 *
 * A user of the installed libgroupcomm, in C11: a group of one, which orders one message.
 */
#include <gr/gr.h>
#include <stdio.h>
#include <string.h>

static bool send_to_nobody(void *context, gr_member_id to, const gr_slice *parts,
                           size_t part_count) {
  (void)context, (void)to, (void)parts, (void)part_count;
  return true;
}

static int deliver(void *context, const gr_delivery *delivery) {
  size_t *delivered = context;
  if (delivery->bytes != 5 || memcmp(delivery->parts[0].data, "hello", 5) != 0) return -1;
  *delivered += 1;
  return 0;
}

int main(void) {
  const gr_member_id founders[] = {1};
  size_t delivered = 0;
  gr_options options = {.size = sizeof(options),
                        .group_id = {{1}},
                        .self = 1,
                        .founders = founders,
                        .founder_count = 1,
                        .seed = 7};
  gr_host host = {.size = sizeof(host),
                  .context = &delivered,
                  .send = send_to_nobody,
                  .deliver = deliver};
  gr_group *group = NULL;
  gr_time now = 1;
  int error = gr_group_new(&group, &options, &host, NULL, now);
  const gr_slice hello = {"hello", 5};
  if (error == GR_OK) error = gr_group_broadcast(group, &hello, 1, now, NULL);
  for (int turn = 0; turn < 1000 && error == GR_OK && delivered == 0; turn++) {
    now = gr_group_deadline(group);
    error = gr_group_poll(group, now);
    if (error == GR_OK) error = gr_group_dispatch(group);
  }
  gr_group_free(group);
  printf("libgroupcomm %s: %zu delivered, %s\n", gr_version(), delivered,
         gr_error_text(error));
  return error == GR_OK && delivered == 1 ? 0 : 1;
}
