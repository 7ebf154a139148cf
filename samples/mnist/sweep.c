/* In: options of the network, data. Out: seconds per epoch for each number of hidden units and each device. Every
 * network goes through its examples twice; the second time counts, when memory and processors are warm. */
#include "sweep.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "../common/canvas.h"

enum { EXAMPLES = 2000 };

/* Seconds of an epoch over all training examples; false where that failed. Where the device cannot be opened: NaN and
 * why. */
static bool measure(const mnist_options *options, const mnist_data *data, network_describe describe, double *seconds,
                    char why[NETWORK_WHY]) {
    digits examples = data->train;
    int64_t limit = options->limit ? options->limit : EXAMPLES;
    if (limit < examples.n) examples.n = limit;
    network net;
    *seconds = NAN;
    bool open = network_open(&net, options, &examples, &data->test, describe, true), good = open || !net.ctx;
    if (!net.ctx) snprintf(why, NETWORK_WHY, "%s", net.why);
    progress line = progress_start(2 * (open ? network_steps(&net) : 0), "steps");
    int64_t done = 0;
    for (int i = 0; open && good && i < 2; i++) {
        double loss, start = clock_seconds();
        good = network_epoch(&net, &line, &done, &loss);
        *seconds = (clock_seconds() - start) * (double)data->train.n / (double)examples.n;
    }
    progress_clear(&line);
    network_free(&net);
    return good;
}

static void print_cell(double seconds) {
    if (isnan(seconds))
        printf("  %10s", "-");
    else
        printf("  %8.2f s", seconds);
}

static void print_json(const sweep_table *t, const mnist_options *o) {
    printf("{\"batch\": %" PRId64 ", \"dtype\": \"%s\", \"table\": [", o->batch, sn_dtype_name(o->dtype));
    for (int i = 0; i < SWEEP_SIZES; i++) {
        printf("%s{\"nodes\": %" PRId64, i ? ",\n  " : "\n  ", t->hidden[i]);
        for (int d = 0; d < SWEEP_DEVICES; d++)
            if (isnan(t->seconds[d][i]))
                printf(", \"%s\": null", t->device[d]);
            else
                printf(", \"%s\": %.6g", t->device[d], t->seconds[d][i]);
        printf("}");
    }
    printf("]}\n");
}

bool sweep(const mnist_options *options, const mnist_data *data, network_describe describe) {
    sweep_table t = {.hidden = {200, 1000, 2000, 5000}, .device = {"cpu", "gpu"}};
    if (options->plot && !canvas_writable(options->plot)) return false;
    if (!options->json)
        printf("%s, 784-nodes-10, %s, %s, %s, %" PRId64 " example%s a step, %s: seconds per epoch\n\n"
               "  nodes         CPU         GPU\n",
               data->name, sn_activation_name(options->activation), mnist_loss_name(options->loss),
               mnist_optimizer_name(options->optimizer), options->batch, options->batch == 1 ? "" : "s",
               sn_dtype_name(options->dtype));
    for (int i = 0; i < SWEEP_SIZES; i++) {
        if (!options->json) printf("  %5" PRId64, t.hidden[i]);
        for (int d = 0; d < SWEEP_DEVICES; d++) {
            mnist_options o = *options;
            o.hidden = t.hidden[i];
            o.device = t.device[d];
            fflush(stdout);
            if (!measure(&o, data, describe, &t.seconds[d][i], t.why[d])) return false;
            if (!options->json) print_cell(t.seconds[d][i]);
        }
        if (!options->json) printf("\n");
    }
    for (int d = 0; d < SWEEP_DEVICES && !options->json; d++)
        if (t.why[d][0]) printf("\nno %s: %s\n", strcmp(t.device[d], "gpu") ? "CPU" : "GPU", t.why[d]);
    if (options->json) print_json(&t, options);
    if (!options->plot) return true;
    char title[128];
    snprintf(title, sizeof title, "784-nodes-10, %" PRId64 " example%s a step: seconds per epoch", options->batch,
             options->batch == 1 ? "" : "s");
    bool done = sweep_plot(options->plot, &t, title);
    if (done && !options->json) printf("\npicture %s\n", options->plot);
    return done;
}
