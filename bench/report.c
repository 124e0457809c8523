/* SPDX-License-Identifier: MIT
 *
 * The line of JSON is the last that a benchmark prints.
 */
#include "report.h"

#include <stdio.h>

static void print_json(const struct report_figure *figures, size_t figure_count) {
  bool several = false;
  const char *separator = "{";
  for (size_t i = 0; i < figure_count; i++) {
    if (figures[i].runs.count == 0) continue;
    several = several || figures[i].runs.count > 1;
    printf("%s\"%s\":%.*f", separator, figures[i].name, figures[i].decimals,
           summary_median(&figures[i].runs));
    separator = ",";
  }
  if (several) {
    separator = ",\"spread\":{";
    for (size_t i = 0; i < figure_count; i++) {
      if (figures[i].runs.count == 0) continue;
      printf("%s\"%s\":[%.*f,%.*f]", separator, figures[i].name, figures[i].decimals,
             summary_lowest(&figures[i].runs), figures[i].decimals,
             summary_highest(&figures[i].runs));
      separator = ",";
    }
    putchar('}');
  }
  puts("}");
}

static void print_table(const struct report_figure *figures, size_t figure_count) {
  for (size_t i = 0; i < figure_count; i++) {
    const struct summary *runs = &figures[i].runs;
    if (runs->count == 0) continue;
    printf("%-24s %14.*f", figures[i].name, figures[i].decimals, summary_median(runs));
    if (runs->count > 1)
      printf("   (%.*f to %.*f in %zu runs)", figures[i].decimals, summary_lowest(runs),
             figures[i].decimals, summary_highest(runs), runs->count);
    putchar('\n');
  }
}

void report_print(const struct report_figure *figures, size_t figure_count, bool json) {
  if (json)
    print_json(figures, figure_count);
  else
    print_table(figures, figure_count);
}
