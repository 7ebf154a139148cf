/* The network everyone starts with, on real data: 28 x 28 pixels go through one hidden layer to ten answers.
 *
 *   describe   the network, its loss and a step of training as expressions, once
 *   train      thousands of steps a call: the pictures lie on the device, a step is told by a number
 *   look       how many of the digits that it has never seen it reads right, and which it does not
 *
 * The defaults are those of the classic tutorials: sigmoid after both layers, no biases, squared error against targets
 * of 0.01 and 0.99, one example a step. --batch 100 --activation relu --loss xent --optimizer adam is what one would do
 * today. */
#include <stdio.h>
#include <stdlib.h>

#include "network.h"
#include "report.h"
#include "sweep.h"

/* Ten numbers for each picture; the largest is at the answer. Parameters are made the first time. */
static sn_expr answer(const network *net, sn_expr pictures) {
    const mnist_options *o = net->options;
    sn_init init = o->activation == SN_ACTIVATION_RELU ? sn_init_he_normal() : sn_init_lecun();
    sn_expr hidden = sn_layer_linear(net->params, pictures, "W1", o->bias ? "b1" : NULL, o->hidden, init);
    hidden = sn_activate(hidden, o->activation);
    sn_expr out = sn_layer_linear(net->params, hidden, "W2", o->bias ? "b2" : NULL, MNIST_CLASSES, sn_init_lecun());
    return o->loss == MNIST_SQUARED ? sn_sigmoid(out) : out;
}

/* The sum of the examples' losses. */
static sn_expr loss_of(const network *net, sn_expr out, sn_expr labels) {
    if (net->options->loss == MNIST_CROSS_ENTROPY) return sn_loss_cross_entropy(out, labels, SN_REDUCE_SUM);
    sn_expr right = sn_one_hot(labels, SN_DIM(MNIST_CLASSES), net->options->dtype);
    sn_expr target = sn_add(sn_mul(right, sn_const(net->graph, 0.98)), sn_const(net->graph, 0.01));
    return sn_loss_squared(out, target, SN_REDUCE_SUM);
}

static bool describe(network *net) {
    const mnist_options *o = net->options;
    sn_graph *g = net->graph;

    /* Step number s takes N examples of the training data: numbers s N + rows, where rows are usually 0 to N - 1, in
     * the order of the data or in this epoch's. */
    sn_dim N = o->batch == 1 ? SN_DIM(1) : sn_dim_new(g, "N");
    sn_expr step = sn_input(g, "step", SN_I64, SN_SCALAR);
    sn_expr rows = sn_input(g, "rows", SN_I64, SN_SHAPE(N));
    sn_expr rate = sn_input(g, "rate", o->dtype, SN_SCALAR);
    sn_expr n = sn_dim_value(g, N), these = sn_add(rows, sn_mul(step, n));
    if (net->order) these = sn_gather(sn_use(g, net->order), these);
    sn_expr pictures = sn_gather(sn_use(g, net->train.pictures), these);
    sn_expr labels = sn_gather(sn_use(g, net->train.labels), these);

    sn_expr sum = loss_of(net, answer(net, pictures), labels);
    sn_expr mean = sn_div(sum, sn_cast(n, o->dtype));

    /* What a step changes: the weights, what the optimiser remembers, and the loss of the epoch so far. */
    sn_update updates[NETWORK_UPDATES];
    size_t n_updates;
    const sn_update *learn = sn_optimizer_updates(net->optimizer, mean, rate, &n_updates);
    for (size_t i = 0; i < n_updates; i++) updates[i] = learn[i];
    updates[n_updates++] = (sn_update){net->total, sn_add(sn_use(g, net->total), sn_cast(sum, SN_F64))};

    /* The same network with any number of test pictures. */
    sn_expr asked = sn_input(g, "asked", SN_I64, SN_SHAPE(sn_dim_new(g, "M")));
    sn_expr told = sn_argmax(answer(net, sn_gather(sn_use(g, net->test.pictures), asked)), 1, 0);

    return network_compile(net, "step", (sn_expr[]){step, rows, rate}, 3, NULL, 0, updates, n_updates, &net->step) &&
           network_compile(net, "answers", &asked, 1, &told, 1, NULL, 0, &net->answers);
}

/* Epoch after epoch, with a test after each. */
static bool train(network *net, const mnist_data *data, report *r) {
    progress line = progress_start(net->options->epochs * network_steps(net), "steps");
    int64_t done = 0;
    for (int64_t epoch = 0; epoch < net->options->epochs; epoch++) {
        double loss;
        report_training(r);
        if (!network_epoch(net, &line, &done, &loss)) return false;
        report_trained(r);
        if (!network_test(net, &data->test, r->answer, &r->right)) return false;
        progress_clear(&line);
        report_epoch(r, loss);
    }
    return net->options->epochs || network_test(net, &data->test, r->answer, &r->right);
}

static bool run(network *net, const mnist_options *o, const mnist_data *data, report_time start, report *r) {
    digits examples = data->train;
    if (o->limit && o->limit < examples.n) examples.n = o->limit;
    return report_open(r, o, data, start) && network_open(net, o, &examples, &data->test, describe, false) &&
           report_start(r, net) && train(net, data, r) && report_end(r, net);
}

int main(int argc, char **argv) {
    report_time start = report_now();
    mnist_options options;
    int status = mnist_options_read(argc, argv, &options);
    if (status >= 0) return status;

    mnist_data data;
    if (!mnist_load(options.data, &data)) return EXIT_FAILURE;
    bool done;
    if (options.sweep)
        done = sweep(&options, &data, describe);
    else {
        network net = {0};
        report r = {0};
        done = run(&net, &options, &data, start, &r);
        report_free(&r);
        network_free(&net);
    }
    mnist_free(&data);
    if (fflush(stdout)) {
        perror("standard output");
        done = false;
    }
    return done ? EXIT_SUCCESS : EXIT_FAILURE;
}
