/* What the command line of the sample says. */
#ifndef MOONS_OPTIONS_H
#define MOONS_OPTIONS_H

#include <stdbool.h>
#include <stdint.h>

#include <sinter/sinter.h>

typedef struct moons_options {
    int64_t points;
    int64_t hidden;
    int64_t passes;
    double learning_rate;
    double regularisation;
    sn_dtype dtype;
    const char *device; /* NULL: SINTER_BACKEND, else the CPU */
    uint64_t seed;
    const char *plot; /* NULL: no picture */
    const char *dot;  /* NULL: no graph for Graphviz */
    const char *dump; /* NULL: no .npy files */
    bool show_graph;
    bool profile;
} moons_options;

/* Reads the command line. Returns -1 to go on, else the program's exit status: 0 after --help, 2 after a sentence on
 * what was wrong. */
int moons_options_read(int argc, char **argv, moons_options *out);

#endif
