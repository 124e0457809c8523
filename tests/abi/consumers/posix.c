/* SPDX-License-Identifier: MIT
 *
 * A user of the installed libgroupcomm-posix, in the part of C that is C++ too.
 */
#include <gr/posix.h>
#include <stdio.h>

int main(void) {
  gr_time before = gr_posix_now();
  gr_node *node = NULL;
  char text[200] = "";
  int error = gr_node_start(&node, NULL, NULL, text, sizeof(text));
  printf("started nothing: %s; %s\n", gr_error_name(error), text);
  gr_node_stop(node);
  return error == GR_ERR_INVALID && node == NULL && text[0] != '\0' &&
                 gr_posix_now() >= before
             ? 0
             : 1;
}
