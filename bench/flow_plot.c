/* SPDX-License-Identifier: MIT */
#include "flow_plot.h"

#include <stdio.h>

enum row { ADMITTED, BACKLOG, ROWS };

static void data(FILE *to, const struct flow_series *series, enum row row,
                 uint32_t periods) {
  for (uint32_t i = 0; i < periods; i++) {
    double value = row == ADMITTED ? (double)series->admitted[i] : series->backlog[i];
    fprintf(to, "%u %.3f\n", i + 1, value);
  }
  fputs("e\n", to);
}

static void panel(FILE *to, const struct flow_curve *curve, enum row row,
                  uint32_t periods) {
  const char *title = row == ADMITTED ? curve->title : "";
  fprintf(to, "set title '%s'\n", title);
  fprintf(to, "set ylabel '%s'\n",
          row == ADMITTED ? "admitted in a period" : "backlog, % of its limit");
  double level = row == ADMITTED ? curve->scale : 100;
  fprintf(to,
          "plot [1:%u][0:] %g with lines lc rgb '#999999' dt 2 title '%s', "
          "'-' with steps lc rgb '#d95f02' lw 1.5 title 'MySQL Group Replication', "
          "'-' with steps lc rgb '#1b9e77' lw 2 title 'libgroupcomm'\n",
          periods, level, row == ADMITTED ? "speed of the slowest" : "limit");
  data(to, curve->mysql, row, periods);
  data(to, curve->ours, row, periods);
}

bool flow_plot(const char *path, const struct flow_curve *curves, size_t count,
               uint32_t periods) {
  FILE *gnuplot = popen("gnuplot", "w");
  if (!gnuplot) return false;
  fprintf(gnuplot,
          "set terminal pngcairo size %zu,640 font 'sans,10'\nset output '%s'\n"
          "set multiplot layout %d,%zu\nset key below\nset grid lc rgb '#eeeeee'\n"
          "set xlabel 'period'\n",
          count * 440, path, ROWS, count);
  for (enum row row = ADMITTED; row < ROWS; row++)
    for (size_t i = 0; i < count; i++) panel(gnuplot, &curves[i], row, periods);
  fputs("unset multiplot\n", gnuplot);
  return pclose(gnuplot) == 0;
}
