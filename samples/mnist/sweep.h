/* The tutorial's table: how long an epoch takes with more and more hidden units, on each device. */
#ifndef MNIST_SWEEP_H
#define MNIST_SWEEP_H

#include <stdbool.h>

#include "network.h"

enum { SWEEP_SIZES = 4, SWEEP_DEVICES = 2 };

typedef struct sweep_table {
    int64_t hidden[SWEEP_SIZES];
    double seconds[SWEEP_DEVICES][SWEEP_SIZES]; /* of an epoch; NaN where there is no such device */
    const char *device[SWEEP_DEVICES];
    char why[SWEEP_DEVICES][NETWORK_WHY]; /* there is none; "" where there is one */
} sweep_table;

/* Measures each size on each device with options->limit examples (2000 where it is 0), prints the table, draws it. */
bool sweep(const mnist_options *options, const mnist_data *data, network_describe describe);

/* Writes a PNG of the table. On failure prints a sentence and returns false. */
bool sweep_plot(const char *path, const sweep_table *table, const char *title);

#endif
