/* The picture of the sample: where the network sees which class, and the points it was trained on. */
#ifndef MOONS_PLOT_H
#define MOONS_PLOT_H

#include <stdbool.h>

#include <sinter/sinter.h>

/* The part of the plane that the picture shows. */
typedef struct plot_view {
    double left, right, bottom, top;
} plot_view;

/* A view with all points and some space around them, in which both axes have the same scale. */
plot_view plot_view_of(const sn_tensor *X);

/* The plane in columns * rows cells: value is the probability of class 1 at the middle of each, row by row from the
 * bottom. */
typedef struct plot_grid {
    plot_view view;
    int columns, rows;
    const double *value;
} plot_grid;

/* The middle of a cell. */
double plot_grid_x(const plot_grid *grid, int column);
double plot_grid_y(const plot_grid *grid, int row);

/* Writes a PNG. On failure prints a sentence to standard error and returns false. */
bool plot_save(const char *path, const plot_grid *grid, const sn_tensor *X, const sn_tensor *y, const char *title);

#endif
