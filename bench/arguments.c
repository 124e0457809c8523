/* SPDX-License-Identifier: MIT
 *
 * Every mistake on the command line is one line on standard error that names the option.
 */
#include "arguments.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define EXIT_USAGE 2

static _Noreturn void help(const char *program, const char *purpose,
                           const struct argument *arguments, size_t argument_count) {
  printf("usage: %s [options]\n%s\n\n", program, purpose);
  for (size_t i = 0; i < argument_count; i++) {
    const struct argument *argument = &arguments[i];
    printf("  %-12s %s", argument->name, argument->help);
    if (argument->number != NULL)
      printf(" (%" PRIu64 " to %" PRIu64 "; default %" PRIu64 ")", argument->lowest,
             argument->highest, *argument->number);
    for (size_t k = 0; argument->word != NULL && argument->words[k] != NULL; k++)
      printf("%s%s", k == 0 ? " (" : "|", argument->words[k]);
    if (argument->word != NULL) printf("; default %s)", *argument->word);
    putchar('\n');
  }
  exit(EXIT_SUCCESS);
}

static _Noreturn void refuse(const char *program, const char *name, const char *why) {
  fprintf(stderr, "%s: %s %s; see --help\n", program, name, why);
  exit(EXIT_USAGE);
}

static void take_number(const char *program, const struct argument *argument,
                        const char *text) {
  char *end = NULL;
  errno = 0;
  unsigned long long value = strtoull(text, &end, 10);
  if (errno != 0 || end == text || *end != '\0' || text[0] == '-')
    refuse(program, argument->name, "takes a number");
  if (value < argument->lowest || value > argument->highest) {
    char why[80];
    snprintf(why, sizeof(why), "must be from %" PRIu64 " to %" PRIu64, argument->lowest,
             argument->highest);
    refuse(program, argument->name, why);
  }
  *argument->number = value;
}

static void take_word(const char *program, const struct argument *argument,
                      const char *text) {
  for (size_t i = 0; argument->words[i] != NULL; i++) {
    if (strcmp(argument->words[i], text) != 0) continue;
    *argument->word = argument->words[i];
    return;
  }
  refuse(program, argument->name, "does not take this value");
}

void arguments_parse(const char *program, const char *purpose,
                     const struct argument *arguments, size_t argument_count, int argc,
                     char **argv) {
  for (int i = 1; i < argc; i++) {
    if (strcmp(argv[i], "--help") == 0) help(program, purpose, arguments, argument_count);
    size_t k = 0;
    while (k < argument_count && strcmp(arguments[k].name, argv[i]) != 0) k++;
    if (k == argument_count) refuse(program, argv[i], "is no option");
    if (arguments[k].flag != NULL) {
      *arguments[k].flag = true;
      continue;
    }
    if (++i == argc) refuse(program, arguments[k].name, "needs a value");
    if (arguments[k].text != NULL)
      *arguments[k].text = argv[i];
    else if (arguments[k].number != NULL)
      take_number(program, &arguments[k], argv[i]);
    else
      take_word(program, &arguments[k], argv[i]);
  }
}
