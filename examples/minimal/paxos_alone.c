/* SPDX-License-Identifier: MIT
 *
 * The ordering engine on its own, through gr/paxos.h: no callbacks. The host asks for
 * frames and for messages when it wants them. Three engines in one process; a frame goes
 * straight from the engine that made it into the engine that it is for.
 *
 * Member 1 broadcasts numbers to be added, member 2 factors to multiply by: only if all
 * three compute in the same order do they end with the same sum. The program fails if
 * they do not.
 */
#include <gr/paxos.h>

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { MEMBERS = 3, OPERATIONS_EACH = 20, OPERATIONS = 2 * OPERATIONS_EACH };

#define STEP_NS 1000000 /* virtual time between two turns */
#define STEPS_MAX 10000

struct operation {
  char kind; /* '+' or '*' */
  uint8_t operand;
};

/* A state machine: what it does depends on nothing but the operations and their order. */
struct machine {
  uint64_t sum;
  int operations;
};

static void check(int error, const char *call) {
  if (error == GR_OK) return;
  fprintf(stderr, "%s: %s (%s)\n", call, gr_error_text(error), gr_error_name(error));
  exit(EXIT_FAILURE);
}

static gr_paxos *start(gr_member_id id) {
  static const gr_member_id founders[MEMBERS] = {1, 2, 3};
  gr_options options = {.size = sizeof(options),
                        .group_id = {.bytes = "paxos alone"},
                        .self = id,
                        .founders = founders,
                        .founder_count = MEMBERS,
                        .seed = 2000 + id}; /* a real host asks the operating system */
  gr_paxos *paxos = NULL;
  check(gr_paxos_new(&paxos, &options, NULL, 0), "gr_paxos_new");
  return paxos;
}

static void broadcast(gr_paxos *paxos, char kind, int operand, gr_time now) {
  struct operation operation = {.kind = kind, .operand = (uint8_t)operand};
  gr_slice part = {&operation, sizeof(operation)};
  check(gr_paxos_broadcast(paxos, &part, 1, now, NULL), "gr_paxos_broadcast");
}

/* Pulls every frame that `from` has for the others and hands it over. A frame has two
 * parts at most; a real host gives them to writev(). One that is refused, since it came
 * to a member that has not met all others yet, counts as lost on the way: it is sent
 * again. */
static void exchange(gr_paxos *const *members, int from, gr_time now) {
  static uint8_t
      wire[GR_FRAME_HEADER_MAX + 2 * 1024 * 1024]; /* a header and a default batch */
  for (int to = 0; to < MEMBERS; to++) {
    gr_frame frame;
    if (to == from) continue;
    while (gr_paxos_frame(members[from], (gr_member_id)to + 1, &frame)) {
      size_t size = 0;
      for (size_t i = 0; i < frame.part_count; i++) {
        memcpy(wire + size, frame.parts[i].data, frame.parts[i].size);
        size += frame.parts[i].size;
      }
      gr_paxos_frame_sent(members[from], (gr_member_id)to + 1);
      gr_slice bytes = {wire, size};
      int error = gr_paxos_receive(members[to], (gr_member_id)from + 1, bytes, now);
      if (gr_error_classify(error) != GR_CLASS_INPUT) check(error, "gr_paxos_receive");
    }
  }
}

/* Pulls every message that has its place in the order by now. */
static void apply(gr_paxos *paxos, struct machine *machine) {
  gr_delivery delivery;
  while (gr_paxos_delivery(paxos, &delivery)) {
    struct operation operation;
    memcpy(&operation, delivery.parts[0].data, sizeof(operation));
    if (operation.kind == '+')
      machine->sum += operation.operand;
    else
      machine->sum *= operation.operand;
    machine->operations++;
    gr_paxos_delivered(paxos);
  }
}

int main(void) {
  gr_paxos *members[MEMBERS];
  struct machine machines[MEMBERS] = {{0, 0}};
  for (int i = 0; i < MEMBERS; i++) members[i] = start((gr_member_id)i + 1);

  bool done = false;
  for (int turn = 0, sent = 0; turn < STEPS_MAX && !done; turn++) {
    gr_time now = (gr_time)turn * STEP_NS;
    if (sent < OPERATIONS_EACH &&
        machines[0].operations == 2 * sent) { /* the last are done */
      sent++;
      broadcast(members[0], '+', sent, now);
      broadcast(members[1], '*', 3, now);
    }
    done = true;
    for (int i = 0; i < MEMBERS; i++) {
      check(gr_paxos_poll(members[i], now), "gr_paxos_poll");
      check(gr_paxos_flush(members[i]), "gr_paxos_flush");
      exchange(members, i, now);
      apply(members[i], &machines[i]);
      done = done && machines[i].operations == OPERATIONS;
    }
  }

  for (int i = 0; i < MEMBERS; i++) {
    printf("member %d: %d operations, sum %" PRIu64 "\n", i + 1, machines[i].operations,
           machines[i].sum);
    done = done && machines[i].sum == machines[0].sum;
    gr_paxos_free(members[i]);
  }
  printf(done ? "All members agree.\n" : "The members disagree, or did not finish.\n");
  return done ? EXIT_SUCCESS : EXIT_FAILURE;
}
