/* SPDX-License-Identifier: MIT
 *
 * A user of the installed libgroupcomm, in C++17: a group of one, which orders one
 * message.
 */
#include <gr/gr.h>
#include <gr/paxos.h>

#include <array>
#include <cstdio>
#include <memory>
#include <string>
#include <vector>

int main() {
  const std::array<gr_member_id, 1> founders{1};
  std::vector<std::string> delivered;

  gr_options options{};
  options.size = sizeof(options);
  options.group_id.bytes[0] = 1;
  options.self = 1;
  options.founders = founders.data();
  options.founder_count = founders.size();
  options.seed = 7;

  gr_host host{};
  host.size = sizeof(host);
  host.context = &delivered;
  host.send = [](void *, gr_member_id, const gr_slice *, size_t) { return true; };
  host.deliver = [](void *context, const gr_delivery *delivery) {
    std::string text;
    for (size_t i = 0; i < delivery->part_count; i++) {
      text.append(static_cast<const char *>(delivery->parts[i].data),
                  delivery->parts[i].size);
    }
    static_cast<std::vector<std::string> *>(context)->push_back(text);
    return 0;
  };

  gr_group *made = nullptr;
  if (gr_group_new(&made, &options, &host, nullptr, 1) != GR_OK) return 1;
  const std::unique_ptr<gr_group, int (*)(gr_group *)> group(made, gr_group_free);
  const gr_slice hello{"hello", 5};
  if (gr_group_broadcast(group.get(), &hello, 1, 1, nullptr) != GR_OK) return 1;
  for (int turn = 0; turn < 1000 && delivered.empty(); turn++) {
    if (gr_group_poll(group.get(), gr_group_deadline(group.get())) != GR_OK) return 1;
    if (gr_group_dispatch(group.get()) != GR_OK) return 1;
  }
  std::printf("libgroupcomm %s: %zu delivered\n", gr_version(), delivered.size());
  return delivered == std::vector<std::string>{"hello"} ? 0 : 1;
}
