/* A network with one hidden layer learns to tell two half-moons apart: the classic first Theano program, in C.
 *
 *   describe   the network, its loss, the gradients and the updates as expressions, once
 *   compile    four functions over the same four variables: a training step, loss, probabilities, predictions
 *   train      call the step; then ask the other functions how well it went, and draw it
 *
 * Each sinter function that can fail is checked, and the sentence it left is printed. */
#include <errno.h>
#include <inttypes.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include <sinter/nn.h>

#include "../common/array.h"
#include "../common/canvas.h"
#include "../common/progress.h"
#include "data.h"
#include "options.h"
#include "plot.h"

enum { FEATURES = 2, CLASSES = 2 };
enum { W1, B1, W2, B2, PARAMETERS };
static const char *const parameter_name[PARAMETERS] = {"W1", "b1", "W2", "b2"};

typedef struct network {
    sn_context *ctx;
    sn_var *parameter[PARAMETERS];
    sn_graph *graph;
    sn_function *step, *loss, *probabilities, *predict;
} network;

/* true where status is SN_OK; else prints what could not be done and why. */
static bool good(sn_status status, const char *doing, const char *sentence) {
    if (status) fprintf(stderr, "moons: %s: %s (%s)\n", doing, sentence, sn_status_name(status));
    return !status;
}

static bool no_memory(const char *what) {
    fprintf(stderr, "moons: not enough memory for %s\n", what);
    return false;
}

/* ---- the network ------------------------------------------------------------------------------------------------- */

/* Weights from N(0, 1) / sqrt(fan in), biases 0. */
static bool make_parameters(network *net, const moons_options *o) {
    const int32_t rank[PARAMETERS] = {2, 1, 2, 1};
    const int64_t size[PARAMETERS][2] = {{FEATURES, o->hidden}, {o->hidden}, {o->hidden, CLASSES}, {CLASSES}};
    for (int i = 0; i < PARAMETERS; i++) {
        sn_var **var = &net->parameter[i];
        if (!good(sn_var_new(net->ctx, parameter_name[i], o->dtype, rank[i], size[i], var), "making a variable",
                  sn_context_error(net->ctx)))
            return false;
        if (rank[i] == 1) continue; /* a new variable is zero */
        sn_tensor weights;
        if (!array_new(o->dtype, rank[i], size[i], &weights)) return no_memory("the weights");
        moons_weights(o->seed, (uint64_t)i, &weights);
        bool set = good(sn_var_set(*var, weights.data, sn_tensor_bytes(&weights)), "setting a variable",
                        sn_context_error(net->ctx));
        array_free(&weights);
        if (!set) return false;
    }
    return true;
}

static bool compile(network *net, const char *name, sn_function_desc desc, sn_function **out) {
    desc.struct_size = sizeof desc;
    desc.name = name;
    return good(sn_function_new(net->graph, &desc, out), "compiling", sn_graph_error(net->graph));
}

static bool describe_and_compile(network *net, const moons_options *o) {
    sn_graph *g = net->graph = sn_graph_new(net->ctx, "moons");
    if (!g) return no_memory("a graph");

    /* What a call is given: points and their classes, any number of them, and the learning rate. */
    sn_dim N = sn_dim_new(g, "N");
    sn_expr X = sn_input(g, "X", o->dtype, SN_SHAPE(N, SN_DIM(FEATURES)));
    sn_expr y = sn_input(g, "y", SN_I64, SN_SHAPE(N));
    sn_expr learning_rate = sn_input(g, "learning_rate", o->dtype, SN_SCALAR);
    sn_expr p[PARAMETERS];
    for (int i = 0; i < PARAMETERS; i++) p[i] = sn_use(g, net->parameter[i]);

    /* Forward. */
    sn_expr a1 = sn_name(sn_tanh(sn_linear(X, p[W1], p[B1])), "a1");
    sn_expr z2 = sn_name(sn_linear(a1, p[W2], p[B2]), "z2");
    sn_expr probabilities = sn_softmax(z2, 1);
    sn_expr prediction = sn_argmax(z2, 1, 0);

    /* Mean cross-entropy, and 1/N lambda/2 of the sum of all squared weights. */
    sn_expr squares = sn_add(sn_sum_all(sn_square(p[W1])), sn_sum_all(sn_square(p[W2])));
    sn_expr penalty =
        sn_div(sn_mul(sn_const(g, o->regularisation / 2), squares), sn_cast(sn_dim_value(g, N), o->dtype));
    sn_expr loss = sn_add(sn_mean_all(sn_cross_entropy(z2, y)), penalty);

    /* Backward, and gradient descent: every update reads the values from before the step. */
    sn_expr gradient[PARAMETERS];
    if (!good(sn_grad(loss, p, PARAMETERS, gradient), "differentiating", sn_graph_error(g))) return false;
    sn_update updates[PARAMETERS];
    for (int i = 0; i < PARAMETERS; i++)
        updates[i] = (sn_update){net->parameter[i], sn_sub(p[i], sn_mul(learning_rate, gradient[i]))};

    const sn_expr inputs[] = {X, y, learning_rate};
    return compile(net, "step",
                   (sn_function_desc){.inputs = inputs, .n_inputs = 3, .updates = updates, .n_updates = PARAMETERS},
                   &net->step) &&
           compile(net, "loss", (sn_function_desc){.inputs = inputs, .n_inputs = 2, .outputs = &loss, .n_outputs = 1},
                   &net->loss) &&
           compile(net, "probabilities",
                   (sn_function_desc){.inputs = inputs, .n_inputs = 1, .outputs = &probabilities, .n_outputs = 1},
                   &net->probabilities) &&
           compile(net, "predict",
                   (sn_function_desc){.inputs = inputs, .n_inputs = 1, .outputs = &prediction, .n_outputs = 1},
                   &net->predict);
}

static void free_network(network *net) {
    sn_function_free(net->step);
    sn_function_free(net->loss);
    sn_function_free(net->probabilities);
    sn_function_free(net->predict);
    sn_graph_free(net->graph);
    for (int i = 0; i < PARAMETERS; i++) sn_var_free(net->parameter[i]);
    sn_context_free(net->ctx);
}

/* ---- training and what is asked of the network ------------------------------------------------------------------- */

/* The loss, in whichever type the network computes. */
static bool print_loss(const network *net, const moons_options *o, const sn_tensor data[2], int64_t pass) {
    union {
        float f32;
        double f64;
    } value;
    sn_tensor out = sn_tensor_of(o->dtype, &value, 0, NULL);
    if (!good(sn_function_call(net->loss, data, 2, &out, 1), "computing the loss", sn_function_error(net->loss)))
        return false;
    printf("pass %9" PRId64 "   loss %.*g\n", pass, o->dtype == SN_F32 ? 9 : 17, array_get(&out, 0));
    fflush(stdout);
    return true;
}

/* A thousand passes, or what is left of them, between two lines with the loss. */
static bool train_until(sn_call *step, int64_t from, int64_t to, progress *p) {
    for (int64_t pass = from; pass < to; pass++) {
        if (!good(sn_call_run(step), "training", sn_call_error(step))) return false;
        if (pass % 16 == 0) progress_update(p, pass); /* asking for the time costs about 1 % of a small step */
    }
    progress_clear(p);
    return true;
}

/* started: when main was entered. */
static bool train(const network *net, const moons_options *o, const sn_tensor data[2], sn_call *step, double started) {
    union {
        float f32;
        double f64;
    } rate;
    sn_tensor learning_rate = sn_tensor_of(o->dtype, &rate, 0, NULL);
    array_put(&learning_rate, 0, o->learning_rate);
    const sn_tensor inputs[] = {data[0], data[1], learning_rate};
    for (size_t i = 0; i < 3; i++)
        if (!good(sn_call_bind_input(step, i, &inputs[i]), "binding", sn_call_error(step))) return false;

    progress line = progress_start(o->passes, "passes");
    double seconds = 0;
    for (int64_t pass = 0;;) {
        if (!print_loss(net, o, data, pass)) return false;
        if (pass == o->passes) break;
        int64_t next = pass + 1000 < o->passes ? pass + 1000 : o->passes;
        double start = clock_seconds();
        if (pass == 0) {
            if (!train_until(step, pass++, 1, &line)) return false;
            printf("first step done %.2f ms after the start\n", (clock_seconds() - started) * 1e3);
        }
        if (!train_until(step, pass, next, &line)) return false;
        seconds += clock_seconds() - start;
        pass = next;
    }
    printf("\ntrained %" PRId64 " passes in %.3f s", o->passes, seconds);
    if (o->passes) printf(", %.3f us per step", seconds * 1e6 / (double)o->passes);
    printf("\n");
    return true;
}

/* Prints how many of the points the network puts into their class; *percent gets the same. */
static bool print_accuracy(const network *net, const sn_tensor data[2], double *percent) {
    int64_t n = data[1].size[0], right = 0;
    sn_tensor predicted;
    if (!array_new(SN_I64, 1, &n, &predicted)) return no_memory("the predictions");
    bool done =
        good(sn_function_call(net->predict, data, 1, &predicted, 1), "predicting", sn_function_error(net->predict));
    if (done) {
        for (int64_t i = 0; i < n; i++) right += array_get(&predicted, i) == array_get(&data[1], i);
        *percent = 100 * (double)right / (double)n;
        printf("accuracy %.4f %%: %" PRId64 " of %" PRId64 " points\n", *percent, right, n);
    }
    array_free(&predicted);
    return done;
}

/* Probabilities of class 1 over a plot's grid. The function was compiled for any N; a row at a time needs little memory
 * with any number of hidden units. */
static bool fill_grid(const network *net, sn_dtype dtype, const plot_grid *grid, double *value) {
    sn_tensor at = {0}, probability = {0};
    bool done = array_new(dtype, 2, (int64_t[]){grid->columns, FEATURES}, &at) &&
                array_new(dtype, 2, (int64_t[]){grid->columns, CLASSES}, &probability);
    if (!done) no_memory("the picture");
    for (int row = 0; done && row < grid->rows; row++) {
        for (int column = 0; column < grid->columns; column++) {
            array_put(&at, FEATURES * column, plot_grid_x(grid, column));
            array_put(&at, FEATURES * column + 1, plot_grid_y(grid, row));
        }
        done = good(sn_function_call(net->probabilities, &at, 1, &probability, 1), "drawing",
                    sn_function_error(net->probabilities));
        for (int column = 0; column < grid->columns; column++)
            value[row * grid->columns + column] = array_get(&probability, CLASSES * column + 1);
    }
    array_free(&at);
    array_free(&probability);
    return done;
}

static bool draw(const network *net, const moons_options *o, const sn_tensor data[2], double percent) {
    plot_grid grid = {.view = plot_view_of(&data[0]), .columns = 400, .rows = 300};
    double *value = malloc((size_t)grid.columns * (size_t)grid.rows * sizeof *value);
    if (!value) return no_memory("the picture");
    grid.value = value;
    char title[128];
    snprintf(title, sizeof title, "Two moons, %" PRId64 " hidden unit%s: %.2f %% of %" PRId64 " points right",
             o->hidden, o->hidden == 1 ? "" : "s", percent, data[1].size[0]);
    bool done = fill_grid(net, o->dtype, &grid, value) && plot_save(o->plot, &grid, &data[0], &data[1], title);
    if (done) printf("picture %s\n", o->plot);
    free(value);
    return done;
}

/* ---- what can be looked at --------------------------------------------------------------------------------------- */

/* A text about the training step, to standard output or, where path is given, to a file. */
static bool show(const network *net, sn_show what, const char *path) {
    char *text;
    if (!good(sn_function_show(net->step, what, &text), "showing", sn_function_error(net->step))) return false;
    FILE *file = path ? fopen(path, "w") : stdout;
    bool done = file && fputs(text, file) >= 0 && (path || fputc('\n', file) >= 0);
    if (path && file && fclose(file)) done = false;
    if (!done) perror(path ? path : "standard output");
    sn_string_free(net->ctx, text);
    return done;
}

static bool show_compiled(const network *net, const moons_options *o) {
    const sn_function *functions[] = {net->step, net->loss, net->probabilities, net->predict};
    sn_function_stats stats, step;
    double ms = 0;
    for (int i = 0; i < 4; i++) {
        if (!good(sn_function_get_stats(functions[i], &stats), "asking", sn_function_error(functions[i]))) return false;
        if (i == 0) step = stats;
        ms += stats.compile_ms;
    }
    printf("compiled step, loss, probabilities, predictions in %.1f ms\n", ms);
    printf("a step is %" PRIu32 " kernel%s and %" PRIu32 " matrix product%s, compiled in %.1f ms:\n\n", step.n_kernels,
           step.n_kernels == 1 ? "" : "s", step.n_matmuls, step.n_matmuls == 1 ? "" : "s", step.compile_ms);
    if (o->show_graph && !(show(net, SN_SHOW_GRAPH, NULL) && show(net, SN_SHOW_OPT, NULL))) return false;
    if (!show(net, SN_SHOW_FUSE, NULL)) return false;
    if (o->show_graph && !show(net, SN_SHOW_PROGRAM, NULL)) return false;
    return !o->dot || show(net, SN_SHOW_DOT, o->dot);
}

static bool make_folder(const char *folder) {
    if (!mkdir(folder, 0777) || errno == EEXIST) return true;
    fprintf(stderr, "cannot make the folder %s: %s\n", folder, strerror(errno));
    return false;
}

/* Writes folder/NAME.npy. */
static bool dump_array(const network *net, const char *folder, const char *name, const sn_tensor *array) {
    char path[4096];
    int length = snprintf(path, sizeof path, "%s/%s.npy", folder, name);
    if (length < 0 || (size_t)length >= sizeof path) {
        fprintf(stderr, "the path %.40s.../%s.npy is longer than %zu bytes\n", folder, name, sizeof path - 1);
        return false;
    }
    return good(sn_npy_write(net->ctx, path, array), "writing an array", sn_context_error(net->ctx));
}

/* Writes the four parameters as DIR/W1.npy .. or DIR/W1_init.npy .. */
static bool dump_parameters(const network *net, const char *folder, const char *suffix) {
    for (int i = 0; i < PARAMETERS; i++) {
        sn_tensor type = sn_var_type(net->parameter[i]), copy;
        if (!array_new(type.dtype, type.rank, type.size, &copy)) return no_memory("a copy of the weights");
        char name[32];
        snprintf(name, sizeof name, "%s%s", parameter_name[i], suffix);
        bool done = good(sn_var_get(net->parameter[i], copy.data, sn_tensor_bytes(&copy)), "reading a variable",
                         sn_context_error(net->ctx)) &&
                    dump_array(net, folder, name, &copy);
        array_free(&copy);
        if (!done) return false;
    }
    return true;
}

/* Before the training, so that a folder or file that cannot be written is not found out after it. */
static bool prepare_files(const network *net, const moons_options *o, const sn_tensor data[2]) {
    if (o->plot && !canvas_writable(o->plot)) return false;
    return !o->dump || (make_folder(o->dump) && dump_array(net, o->dump, "X", &data[0]) &&
                        dump_array(net, o->dump, "y", &data[1]) && dump_parameters(net, o->dump, "_init"));
}

/* ---- the program ------------------------------------------------------------------------------------------------- */

static bool run(network *net, const moons_options *o, const sn_tensor data[2], double started) {
    const sn_context_options options = {.struct_size = sizeof options, .backend = o->device};
    if (!good(sn_context_new(&options, &net->ctx), "starting", "no context could be made")) return false;
    printf("moons: %" PRId64 " points, %" PRId64 " hidden units, %s, seed %" PRIu64 ", backend %s\n", o->points,
           o->hidden, sn_dtype_name(o->dtype), o->seed, sn_context_backend(net->ctx));
    if (!make_parameters(net, o) || !describe_and_compile(net, o) || !show_compiled(net, o) ||
        !prepare_files(net, o, data))
        return false;

    sn_call *step;
    if (!good(sn_call_new(net->step, &step), "preparing a call", sn_function_error(net->step))) return false;
    bool trained = train(net, o, data, step, started);
    sn_call_free(step);

    double percent;
    return trained && print_accuracy(net, data, &percent) && (!o->plot || draw(net, o, data, percent)) &&
           (!o->dump || dump_parameters(net, o->dump, "")) && (!o->profile || show(net, SN_SHOW_PROFILE, NULL));
}

int main(int argc, char **argv) {
    double started = clock_seconds();
    moons_options options;
    int status = moons_options_read(argc, argv, &options);
    if (status >= 0) return status;

    sn_tensor data[2] = {{0}, {0}}; /* X and y */
    network net = {0};
    bool done = array_new(options.dtype, 2, (int64_t[]){options.points, FEATURES}, &data[0]) &&
                array_new(SN_I64, 1, &options.points, &data[1]);
    if (!done) no_memory("the points");
    if (done) {
        moons_points(options.seed, 0.20, &data[0], &data[1]);
        done = run(&net, &options, data, started);
    }
    free_network(&net);
    array_free(&data[0]);
    array_free(&data[1]);
    if (fflush(stdout)) {
        perror("standard output");
        done = false;
    }
    return done ? EXIT_SUCCESS : EXIT_FAILURE;
}
