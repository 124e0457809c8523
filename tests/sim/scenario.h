/* SPDX-License-Identifier: MIT
 *
 * Scenarios: runs that a script decides, one statement a line, in the order of time. What
 * they say is in tests/sim/scenarios/README.md; they run on a network that does no harm
 * by itself, and the oracle watches as it does everywhere.
 */
#ifndef SIM_SCENARIO_H
#define SIM_SCENARIO_H

#include "liveness.h"

#define SIM_SCENARIO_LINES_MAX 128
#define SIM_SCENARIO_WORDS_MAX 20
#define SIM_SCENARIO_NAMES_MAX 8

struct sim_statement {
  uint32_t line;
  char text[128];
  char words_text[128]; /* cut at the spaces */
  uint32_t count;
  char *words[SIM_SCENARIO_WORDS_MAX];
};

struct sim_scenario {
  char name[64];
  struct sim_statement statements[SIM_SCENARIO_LINES_MAX];
  uint32_t count;
  uint32_t next;   /* the statement that is due */
  gr_time began;   /* that one, waiting for what it expects; 0: not begun */
  gr_time started; /* the run */
  gr_seqno noted;  /* the order's length when progress was noted last */
  uint64_t noted_view;
  uint64_t elections; /* seen so far */
  struct {
    char name[8];
    uint32_t server;
  } names[SIM_SCENARIO_NAMES_MAX];
  uint32_t name_count;
};

/* False, with a line on stderr, if the file can't be read or says what nobody knows. */
bool sim_scenario_load(struct sim_scenario *scenario, const char *path);
/* One more line, which is changed; `path` and `number` say where it stands. */
bool sim_scenario_add(struct sim_scenario *scenario, const char *path, uint32_t number,
                      char *line);
/* What its first statements say of the group. */
bool sim_scenario_config(const struct sim_scenario *scenario, struct sim_config *config);
/* The next statement is due, or is to be looked at again. */
void sim_scenario_step(struct sim_liveness *run);

/* ---- the parts of a statement ---- */

struct sim_words {
  struct simulation *sim;
  struct sim_scenario *scenario;
  const struct sim_statement *statement;
  uint32_t at;
};

/* "" at the end. */
const char *sim_words_next(struct sim_words *words);
bool sim_words_take(struct sim_words *words, const char *word);
/* 1, 2, ..., or leader, follower, or a name given before; SIM_SERVERS_MAX, and a failure,
 * if it is none. */
uint32_t sim_words_server(struct sim_words *words);
/* All that follow, as a set of bits. */
uint32_t sim_words_servers(struct sim_words *words);
/* 1s, 250ms, ... */
bool sim_words_time(struct sim_words *words, gr_time *time);
bool sim_words_number(struct sim_words *words, uint64_t *number);
void sim_words_fail(struct sim_words *words, const char *why);

/* Does what the statement says; false if it is no command. */
bool sim_scenario_command(struct sim_words *words);
/* What is expected holds now. `*known`: it can be. */
bool sim_scenario_holds(struct sim_words words, bool *known);

#endif
