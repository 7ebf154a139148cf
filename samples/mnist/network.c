/* In: options, digits, and a description of a network. Out: its state on the device, and steps of training and test.
 *
 * Pictures go to the device as bytes and become numbers there. An epoch is a few calls of thousands of steps each, as
 * many as take about a twentieth of a second, so that somebody who watches sees it move; how many does not change what
 * is computed. */
#include "network.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../common/array.h"
#include "../common/random.h"

enum { TEST_ROWS = 1000 };
static const double CALL_SECONDS = 0.05;

bool network_good(sn_status status, const char *doing, const char *sentence) {
    if (status) fprintf(stderr, "mnist: %s: %s (%s)\n", doing, sentence, sn_status_name(status));
    return !status;
}

static bool no_memory(const char *what) {
    fprintf(stderr, "mnist: not enough memory for %s\n", what);
    return false;
}

/* ---- what lies on the device ------------------------------------------------------------------------------------- */

static bool make_variable(network *net, const char *name, sn_dtype dtype, int32_t rank, const int64_t *size,
                          sn_var **out) {
    return network_good(sn_var_new(net->ctx, name, dtype, rank, size, out), "making a variable",
                        sn_context_error(net->ctx));
}

/* 0 .. 255 to 0.01 .. 1.00 by a function with one update, which is used once. */
static bool unpack(network *net, const digits *d, sn_var *pictures) {
    sn_graph *g = sn_graph_new(net->ctx, "unpack");
    if (!g) return no_memory("a graph");
    int64_t size[] = {d->n, MNIST_PIXELS};
    sn_dtype dtype = net->options->dtype;
    sn_expr bytes = sn_input(g, "bytes", SN_U8, sn_shape_of_sizes(2, size));
    sn_expr scaled = sn_add(sn_mul(sn_cast(bytes, dtype), sn_const(g, 0.99 / 255)), sn_const(g, 0.01));
    sn_update update = {pictures, scaled};
    sn_function_desc desc = {.inputs = &bytes, .n_inputs = 1, .updates = &update, .n_updates = 1};
    sn_function *f = NULL;
    bool done = network_good(sn_function_new(g, &desc, &f), "compiling", sn_graph_error(g));
    sn_tensor in = sn_tensor_of(SN_U8, d->pixel, 2, size);
    done = done && network_good(sn_function_call(f, &in, 1, NULL, 0), "unpacking the pictures", sn_function_error(f));
    sn_function_free(f);
    sn_graph_free(g);
    return done;
}

static bool put_digits(network *net, const char *pictures, const char *labels, const digits *d, network_digits *out) {
    out->n = d->n;
    return make_variable(net, pictures, net->options->dtype, 2, (int64_t[]){d->n, MNIST_PIXELS}, &out->pictures) &&
           make_variable(net, labels, SN_U8, 1, &d->n, &out->labels) && unpack(net, d, out->pictures) &&
           network_good(sn_var_set(out->labels, d->label, (size_t)d->n), "setting a variable",
                        sn_context_error(net->ctx));
}

static bool first_weights(network *net) {
    const mnist_options *o = net->options;
    sn_status status =
        o->load ? sn_params_load(net->params, o->load, SN_LOAD_ALL) : sn_params_init(net->params, o->seed);
    return network_good(status, o->load ? "loading the weights" : "making the first weights",
                        sn_context_error(net->ctx));
}

/* ---- from options to functions ----------------------------------------------------------------------------------- */

/* The library's log as it would print it, and its last error kept: what there is to say where no context is made. */
static void keep_errors(void *user, sn_log_level level, const char *message) {
    static const char *const name[] = {"", "error", "warning", "info", "debug"};
    network *net = user;
    if (level == SN_LOG_ERROR)
        snprintf(net->why, sizeof net->why, "%s", message);
    else
        fprintf(stderr, "sinter: %s: %s\n", name[level], message);
}

bool network_compile(network *net, const char *name, const sn_expr *inputs, size_t n_inputs, const sn_expr *outputs,
                     size_t n_outputs, const sn_update *updates, size_t n_updates, sn_function **out) {
    sn_function_desc desc = {.struct_size = sizeof desc,
                             .name = name,
                             .inputs = inputs,
                             .n_inputs = n_inputs,
                             .outputs = outputs,
                             .n_outputs = n_outputs,
                             .updates = updates,
                             .n_updates = n_updates};
    return network_good(sn_function_new(net->graph, &desc, out), "compiling", sn_graph_error(net->graph));
}

bool network_open(network *net, const mnist_options *options, const digits *train, const digits *test,
                  network_describe describe, bool quiet) {
    *net = (network){.options = options};
    sn_context_options context = {.struct_size = sizeof context,
                                  .log = keep_errors,
                                  .log_user = net,
                                  .threads = options->threads,
                                  .backend = options->device};
    sn_status status = sn_context_new(&context, &net->ctx);
    if (status && quiet) return false;
    if (!network_good(status, "opening the device", net->why)) return false;
    sn_optimizer_options how = {.struct_size = sizeof how, .kind = options->optimizer};
    if (!network_good(sn_params_new(net->ctx, &net->params), "starting", sn_context_error(net->ctx)) ||
        !network_good(sn_optimizer_new(net->params, &how, &net->optimizer), "starting", sn_context_error(net->ctx)))
        return false;
    net->graph = sn_graph_new(net->ctx, "mnist");
    if (!net->graph) return no_memory("a graph");
    return put_digits(net, "pictures", "labels", train, &net->train) &&
           put_digits(net, "test_pictures", "test_labels", test, &net->test) &&
           (!options->shuffle || make_variable(net, "order", SN_I64, 1, &train->n, &net->order)) &&
           make_variable(net, "total", SN_F64, 0, NULL, &net->total) && describe(net) && first_weights(net);
}

void network_free(network *net) {
    sn_function_free(net->step);
    sn_function_free(net->answers);
    sn_graph_free(net->graph);
    sn_optimizer_free(net->optimizer);
    sn_params_free(net->params);
    sn_var *const var[] = {net->total,        net->order,         net->train.pictures,
                           net->train.labels, net->test.pictures, net->test.labels};
    for (size_t i = 0; i < sizeof var / sizeof *var; i++) sn_var_free(var[i]);
    sn_context_free(net->ctx);
}

/* ---- training ---------------------------------------------------------------------------------------------------- */

int64_t network_steps(const network *net) { return (net->train.n + net->options->batch - 1) / net->options->batch; }

/* Of the epoch that has begun. */
static double rate_now(const network *net) {
    const mnist_options *o = net->options;
    return o->decay ? o->learning_rate * (double)(o->epochs - net->n_epoch + 1) / (double)o->epochs : o->learning_rate;
}

/* first, first + 1 .. of an array of its own. */
static bool count_rows(int64_t first, int64_t n, sn_tensor *out) {
    if (!array_new(SN_I64, 1, &n, out)) return no_memory("the numbers of a batch");
    for (int64_t i = 0; i < n; i++) ((int64_t *)out->data)[i] = first + i;
    return true;
}

/* Steps number 0 to n - 1 of batches that all have these rows. */
static bool run_steps(network *net, const sn_tensor *rows, int64_t n, progress *line, int64_t *done) {
    union {
        float f32;
        double f64;
    } value;
    sn_tensor rate = sn_tensor_of(net->options->dtype, &value, 0, NULL);
    array_put(&rate, 0, rate_now(net));
    sn_call *call;
    if (!network_good(sn_call_new(net->step, &call), "preparing a call", sn_function_error(net->step))) return false;
    bool good = network_good(sn_call_bind_input(call, 1, rows), "binding", sn_call_error(call)) &&
                network_good(sn_call_bind_input(call, 2, &rate), "binding", sn_call_error(call));
    for (int64_t at = 0, most = 16; good && at < n;) {
        int64_t some = most < n - at ? most : n - at;
        double start = clock_seconds();
        good = network_good(sn_call_run_steps(call, 0, at, some), "training", sn_call_error(call));
        double seconds = clock_seconds() - start;
        if (seconds < CALL_SECONDS / 2) most *= 2;
        if (seconds > CALL_SECONDS * 2 && most > 1) most /= 2;
        at += some;
        *done += some;
        progress_update(line, *done);
    }
    sn_call_free(call);
    return good;
}

/* Fisher and Yates; the numbers are those of a stream of the seed for each epoch. */
static bool shuffle(network *net) {
    sn_tensor order;
    if (!count_rows(0, net->train.n, &order)) return false;
    int64_t *at = order.data;
    random_stream r = random_open(net->options->seed, (uint64_t)net->n_epoch);
    for (int64_t i = net->train.n - 1; i > 0; i--) {
        int64_t other = (int64_t)(random_bits(&r) % (uint64_t)(i + 1)), keep = at[i];
        at[i] = at[other];
        at[other] = keep;
    }
    bool done = network_good(sn_var_set(net->order, at, sn_tensor_bytes(&order)), "setting the order",
                             sn_context_error(net->ctx));
    array_free(&order);
    return done;
}

bool network_epoch(network *net, progress *line, int64_t *done, double *loss) {
    int64_t n = net->train.n, batch = net->options->batch, full = n / batch, rest = n % batch;
    double total = 0;
    if (net->order && !shuffle(net)) return false;
    net->n_epoch++;
    if (!network_good(sn_var_set(net->total, &total, sizeof total), "training", sn_context_error(net->ctx)))
        return false;
    sn_tensor rows = {0}, last = {0};
    bool good = (!full || (count_rows(0, batch, &rows) && run_steps(net, &rows, full, line, done))) &&
                (!rest || (count_rows(full * batch, rest, &last) && run_steps(net, &last, 1, line, done))) &&
                network_good(sn_var_get(net->total, &total, sizeof total), "training", sn_context_error(net->ctx));
    array_free(&rows);
    array_free(&last);
    *loss = total / (double)n;
    return good;
}

bool network_test(network *net, const digits *test, uint8_t *answer, int64_t *right) {
    *right = 0;
    for (int64_t at = 0; at < test->n; at += TEST_ROWS) {
        int64_t n = test->n - at < TEST_ROWS ? test->n - at : TEST_ROWS, told[TEST_ROWS];
        sn_tensor rows, out = sn_tensor_of(SN_I64, told, 1, &n);
        if (!count_rows(at, n, &rows)) return false;
        bool good =
            network_good(sn_function_call(net->answers, &rows, 1, &out, 1), "testing", sn_function_error(net->answers));
        array_free(&rows);
        if (!good) return false;
        for (int64_t i = 0; i < n; i++) {
            answer[at + i] = (uint8_t)told[i];
            *right += told[i] == test->label[at + i];
        }
    }
    return true;
}
