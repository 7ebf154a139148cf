/* A network on a device: its data, parameters, state and functions; what main.c describes, and what trains and tests
 * it. */
#ifndef MNIST_NETWORK_H
#define MNIST_NETWORK_H

#include <stdbool.h>
#include <stdint.h>

#include <sinter/nn.h>

#include "../common/progress.h"
#include "data.h"
#include "options.h"

enum { NETWORK_WHY = 512, NETWORK_UPDATES = 16 };

/* Digits as variables: what a step reads of them is decided by an index inside the graph. */
typedef struct network_digits {
    int64_t n;
    sn_var *pictures; /* [n, MNIST_PIXELS], 0.01 .. 1.00 */
    sn_var *labels;   /* u8[n] */
} network_digits;

typedef struct network network;
/* Makes net->step and net->answers out of everything else. */
typedef bool (*network_describe)(network *net);

struct network {
    const mnist_options *options;
    sn_context *ctx;
    sn_params *params;
    sn_optimizer *optimizer;
    sn_graph *graph;
    network_digits train, test;
    sn_var *order;         /* i64[train.n]: the examples of this epoch; NULL: as they lie */
    int64_t n_epoch;       /* that have begun */
    sn_var *total;         /* f64: sum of the losses of the examples since it was last set to 0 */
    sn_function *step;     /* inputs step, rows, rate; updates everything */
    sn_function *answers;  /* input asked; output i64[M], the classes of these test pictures */
    char why[NETWORK_WHY]; /* the last error of the library's log */
};

/* true where status is SN_OK; else prints what could not be done and why. */
bool network_good(sn_status status, const char *doing, const char *sentence);

/* Opens the device and puts the data and the first weights there: random or from a file. test may be NULL. On failure
 * prints a sentence, unless quiet, and returns false, with the sentence in net->why where no device could be opened.
 * Free it in any case. */
bool network_open(network *net, const mnist_options *options, const digits *train, const digits *test,
                  network_describe describe, bool quiet);
void network_free(network *net);

/* Compiles a function of the network's graph. */
bool network_compile(network *net, const char *name, const sn_expr *inputs, size_t n_inputs, const sn_expr *outputs,
                     size_t n_outputs, const sn_update *updates, size_t n_updates, sn_function **out);

/* Trains with all examples, options->batch a step and the rest in a last one; *loss is their mean loss. line
 * goes on by as many steps, from *done. */
bool network_epoch(network *net, progress *line, int64_t *done, double *loss);
/* The class of each test picture; returns how many are right in *right. */
bool network_test(network *net, const digits *test, uint8_t *answer, int64_t *right);
/* Steps of an epoch. */
int64_t network_steps(const network *net);

#endif
