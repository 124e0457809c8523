/* SPDX-License-Identifier: MIT
 *
 * The smallest host: three members in one process and one thread.
 *
 * A host gives the library three things: a way to send a frame to another member, a place
 * that takes the messages in their order, and the time. Here the network is a queue in
 * memory and the time is a number that we move ourselves. In a real host they are sockets
 * and a monotonic clock; the calls stay the same.
 *
 * Every member broadcasts a few messages, all at the same time. The program prints what
 * each delivered, and fails unless it is the same everywhere.
 */
#include <gr/gr.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { MEMBERS = 3, ROUNDS = 4, MESSAGES = MEMBERS * ROUNDS };
#define TEXT_MAX 32
#define FRAMES_MAX 256
#define DEADLINE_NS 10000000000u /* of virtual time: enough for many elections */

struct frame {
  gr_member_id from, to;
  size_t size;
  unsigned char *bytes;
};

/* The network: frames on their way, oldest first. */
struct network {
  struct frame frames[FRAMES_MAX];
  size_t first, count;
};

struct member {
  gr_member_id id;
  gr_group *group;
  struct network *network;
  char texts[MESSAGES][TEXT_MAX]; /* what this host makes of the order */
  size_t delivered_count;
};

static void check(int error, const char *call) {
  if (error == GR_OK) return;
  fprintf(stderr, "%s: %s\n", call, gr_error_text(error));
  exit(EXIT_FAILURE);
}

/* host.send: the parts are only lent to us, so we copy them, joined. A network may lose
 * what it took, as this one does without room: the members notice, and send it again. */
static bool send_frame(void *context, gr_member_id to, const gr_slice *parts,
                       size_t part_count) {
  struct member *member = context;
  struct network *network = member->network;
  size_t size = 0;
  for (size_t i = 0; i < part_count; i++) size += parts[i].size;
  struct frame frame = {.from = member->id, .to = to};
  if (network->count < FRAMES_MAX) frame.bytes = malloc(size);
  if (frame.bytes == NULL) return true;
  for (size_t i = 0; i < part_count; frame.size += parts[i++].size)
    memcpy(frame.bytes + frame.size, parts[i].data, parts[i].size);
  network->frames[(network->first + network->count) % FRAMES_MAX] = frame;
  network->count++;
  return true;
}

/* host.deliver: one message, at its place in the order. A database would apply it here.
 * Small messages come in one part. Anything but 0 halts this member. */
static int deliver(void *context, const gr_delivery *delivery) {
  struct member *member = context;
  if (member->delivered_count == MESSAGES || delivery->part_count != 1) return -1;
  snprintf(member->texts[member->delivered_count++], TEXT_MAX, "%.*s",
           (int)delivery->parts[0].size, (const char *)delivery->parts[0].data);
  return 0;
}

static void start(struct member *member, gr_member_id id, struct network *network) {
  static const gr_member_id founders[MEMBERS] = {1, 2, 3};
  gr_options options = {.size = sizeof(options), .group_id = {.bytes = "example"}};
  options.self = id;
  options.founders = founders;
  options.founder_count = MEMBERS;
  options.seed = 1000 + id; /* a real host asks the operating system for one */
  gr_host host = {sizeof(host), member, .send = send_frame, .deliver = deliver};
  *member = (struct member){.id = id, .network = network};
  check(gr_group_new(&member->group, &options, &host, NULL, 0), "gr_group_new");
}

/* One step of the world: the oldest frame arrives, or, if none is on its way, time passes
 * until a member wants to act by itself. Answers the new time. */
static gr_time step(struct member *members, struct network *network, gr_time now) {
  if (network->count > 0) {
    struct frame frame = network->frames[network->first];
    network->first = (network->first + 1) % FRAMES_MAX;
    network->count--;
    now += 50000; /* it was on its way for 50 us */
    gr_group *receiver = members[frame.to - 1].group;
    gr_slice bytes = {frame.bytes, frame.size};
    int error = gr_group_receive(receiver, frame.from, bytes, now);
    free(frame.bytes); /* the library has copied what it needs */
    if (gr_error_classify(error) != GR_CLASS_INPUT) /* refused frames count as lost */
      check(error, "gr_group_receive");
  } else {
    gr_time due = gr_group_deadline(members[0].group);
    for (int i = 1; i < MEMBERS; i++)
      if (gr_group_deadline(members[i].group) < due)
        due = gr_group_deadline(members[i].group);
    if (due > now) now = due;
  }
  for (int i = 0; i < MEMBERS; i++) { /* dispatch is what runs the callbacks */
    check(gr_group_poll(members[i].group, now), "gr_group_poll");
    check(gr_group_dispatch(members[i].group), "gr_group_dispatch");
  }
  return now;
}

static void broadcast(const struct member *member, int round, gr_time now) {
  char text[TEXT_MAX];
  snprintf(text, TEXT_MAX, "message %d of member %d", round, (int)member->id);
  gr_slice part = {text, strlen(text)};
  check(gr_group_broadcast(member->group, &part, 1, now, NULL), "gr_group_broadcast");
}

int main(void) {
  static struct network network;
  static struct member members[MEMBERS];
  gr_time now = 0;
  for (int i = 0; i < MEMBERS; i++) start(&members[i], (gr_member_id)i + 1, &network);

  for (size_t round = 1; round <= ROUNDS; round++) {
    /* All at once: which of them comes first, the group decides. */
    for (int i = 0; i < MEMBERS; i++) broadcast(&members[i], (int)round, now);
    for (int i = 0; i < MEMBERS; i++)
      while (members[i].delivered_count < round * MEMBERS && now < DEADLINE_NS)
        now = step(members, &network, now);
  }

  bool same = members[0].delivered_count == MESSAGES;
  for (int i = 0; i < MEMBERS; i++) {
    printf("member %d delivered:\n", i + 1);
    for (size_t k = 0; k < members[i].delivered_count; k++)
      printf("  %2zu. %s\n", k + 1, members[i].texts[k]);
    same = same && memcmp(members[i].texts, members[0].texts, MESSAGES * TEXT_MAX) == 0;
    check(gr_group_free(members[i].group), "gr_group_free");
  }
  for (; network.count > 0; network.count--)
    free(network.frames[network.first++ % FRAMES_MAX].bytes);
  puts(same ? "The same order everywhere." : "The orders differ, or miss messages.");
  return same ? EXIT_SUCCESS : EXIT_FAILURE;
}
