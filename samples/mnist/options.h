/* What the command line of the sample says. */
#ifndef MNIST_OPTIONS_H
#define MNIST_OPTIONS_H

#include <stdbool.h>
#include <stdint.h>

#include <sinter/nn.h>

typedef enum mnist_loss { MNIST_SQUARED, MNIST_CROSS_ENTROPY } mnist_loss;

typedef struct mnist_options {
    int64_t hidden;
    int64_t epochs;
    int64_t batch;
    int64_t limit; /* training examples an epoch; 0: all */
    double learning_rate;
    mnist_loss loss;
    sn_activation activation;
    sn_optimizer_kind optimizer;
    bool bias;
    int shuffle; /* a new order of the examples each epoch: 1 or 0 */
    int decay;   /* the learning rate falls from epoch to epoch: 1 or 0 */
    sn_dtype dtype;
    const char *device; /* of sn_context_options.backend; NULL: the library's choice */
    int32_t threads;    /* 0: the library's choice */
    uint64_t seed;
    const char *data; /* folder; NULL: mnist_load decides */
    const char *save, *load;
    const char *plot; /* NULL: no picture */
    int64_t show;     /* test digits to print */
    bool sweep, profile, json;
} mnist_options;

/* Reads the command line. Returns -1 to go on, else the program's exit status: 0 after --help, 2 after a sentence on
 * what was wrong. */
int mnist_options_read(int argc, char **argv, mnist_options *out);

const char *mnist_loss_name(mnist_loss loss);
const char *mnist_optimizer_name(sn_optimizer_kind optimizer);

#endif
