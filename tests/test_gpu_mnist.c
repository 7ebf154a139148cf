/* The network of samples/mnist on the GPU backend: one step of its two trainings on every path, within what the table
 * of operators allows and to the bit where no product is a library's; and training in calls of many steps, which must
 * give the interpreter's bits, come as near to the CPU's as f32 lets it, learn, and pass nothing across the bus. */
#include <math.h>

#include <sinter/nn.h>

#include "support/nets.h"
#include "support/support_run.h"
#include "support/support_runtime.h"
#include "support/support_standin.h"

enum { EXAMPLES = 96, PIXELS = 784, CLASSES = 10 };

/* ---- one step ---------------------------------------------------------------------------------------------------- */

START_TEST(one_example) {
    sn_context *ctx = support_twin_context();
    net n;
    net_digit(&n, ctx, 1);
    net_sgd(&n, 0.1);
    net_output(&n, n.loss);
    net_check(&n, NULL, 5, SUPPORT_COMPILED | SUPPORT_FUSED_ONLY, NULL, NULL);
    net_free(&n);
    sn_context_free(ctx);
}
END_TEST

/* Wide enough that the products of the first layer are a library's. */
START_TEST(a_batch_with_adam) {
    sn_context *ctx = support_twin_context();
    net n;
    net_begin(&n, ctx, "batch");
    sn_dim N = net_dim(&n, "N");
    sn_expr x = net_input(&n, "x", SN_SHAPE(N, SN_DIM(PIXELS))), y = net_ids(&n, "y", N, CLASSES);
    sn_expr w1 = net_var(&n, "W1", PIXELS, NET_SIZES(40, PIXELS)), w2 = net_var(&n, "W2", 40, NET_SIZES(CLASSES, 40));
    n.n_param = n.n_var;
    n.loss = sn_mean_all(sn_cross_entropy(sn_matmul(sn_relu(sn_matmul(x, sn_t(w1))), sn_t(w2)), y));
    net_output(&n, n.loss);
    net_adam(&n, 0.001);
    net_check(&n, (const int64_t[]){support_slow() ? 500 : 100}, 6, SUPPORT_COMPILED | SUPPORT_FUSED_ONLY, NULL, NULL);
    net_free(&n);
    sn_context_free(ctx);
}
END_TEST

/* ---- training ---------------------------------------------------------------------------------------------------- */

/* batch 1: sigmoids, squared error, plain descent; else relu, cross-entropy, Adam. */
typedef struct {
    sn_context *ctx;
    sn_graph *g;
    sn_params *params;
    sn_optimizer *optimizer;
    sn_var *pictures, *labels, *total;
    sn_function *step;
    sn_call *call;
    int64_t batch, rows[EXAMPLES];
    float rate;
} training;

static void fill(training *t) {
    static float pictures[EXAMPLES][PIXELS];
    int64_t labels[EXAMPLES];
    for (int64_t i = 0; i < EXAMPLES; i++) { /* a bar at one of ten places, over noise */
        labels[i] = i * 7 % CLASSES;
        for (int64_t k = 0; k < PIXELS; k++) {
            uint32_t h = (uint32_t)(i * PIXELS + k) * 2654435761u;
            float ink = k / 28 / 3 == labels[i] ? 0.7f : 0;
            pictures[i][k] = 0.01f + ink + 0.25f * (float)(h >> 8) / (1 << 24);
        }
    }
    ck_assert_int_eq(sn_var_new(t->ctx, "pictures", SN_F32, 2, (int64_t[]){EXAMPLES, PIXELS}, &t->pictures), SN_OK);
    ck_assert_int_eq(sn_var_new(t->ctx, "labels", SN_I64, 1, (int64_t[]){EXAMPLES}, &t->labels), SN_OK);
    ck_assert_int_eq(sn_var_new(t->ctx, "total", SN_F64, 0, NULL, &t->total), SN_OK);
    ck_assert_int_eq(sn_var_set(t->pictures, pictures, sizeof pictures), SN_OK);
    ck_assert_int_eq(sn_var_set(t->labels, labels, sizeof labels), SN_OK);
}

static void describe(training *t, int64_t hidden) {
    sn_graph *g = t->g = sn_graph_new(t->ctx, "mnist");
    int classic = t->batch == 1;
    sn_expr step = sn_input(g, "step", SN_I64, SN_SCALAR), rate = sn_input(g, "rate", SN_F32, SN_SCALAR);
    sn_expr rows = sn_input(g, "rows", SN_I64, SN_SHAPE(SN_DIM(t->batch)));
    sn_expr these = sn_add(rows, sn_mul(step, sn_const(g, (double)t->batch)));
    sn_expr x = sn_gather(sn_use(g, t->pictures), these), y = sn_gather(sn_use(g, t->labels), these);
    sn_expr h = sn_activate(sn_layer_linear(t->params, x, "W1", NULL, hidden, sn_init_lecun()),
                            classic ? SN_ACTIVATION_SIGMOID : SN_ACTIVATION_RELU);
    sn_expr out = sn_layer_linear(t->params, h, "W2", NULL, CLASSES, sn_init_lecun()), sum;
    if (classic) {
        sn_expr right = sn_one_hot(y, SN_DIM(CLASSES), SN_F32);
        sn_expr target = sn_add(sn_mul(right, sn_const(g, 0.98)), sn_const(g, 0.01));
        sum = sn_loss_squared(sn_sigmoid(out), target, SN_REDUCE_SUM);
    } else {
        sum = sn_loss_cross_entropy(out, y, SN_REDUCE_SUM);
    }
    sn_update updates[16];
    size_t n;
    const sn_update *learn = sn_optimizer_updates(t->optimizer, sn_div(sum, sn_const(g, (double)t->batch)), rate, &n);
    ck_assert_msg(learn != NULL, "%s", sn_graph_error(g));
    memcpy(updates, learn, n * sizeof *learn);
    updates[n++] = (sn_update){t->total, sn_add(sn_use(g, t->total), sn_cast(sum, SN_F64))};
    const sn_expr in[] = {step, rows, rate};
    const sn_function_desc desc = {.inputs = in, .n_inputs = 3, .updates = updates, .n_updates = n};
    ck_assert_msg(!sn_function_new(g, &desc, &t->step), "%s", sn_graph_error(g));
}

/* backend "interp" runs what is scheduled for the GPU. */
static void training_open(training *t, const char *backend, int64_t batch, int64_t hidden) {
    *t = (training){.batch = batch, .rate = batch == 1 ? 0.1f : 0.002f};
    static be_backend interp;
    interp = be_interp;
    interp.machine = KN_FOR_GPU;
    const sn_context_options options = {.struct_size = sizeof options, .threads = 1, .backend = backend};
    ck_assert_int_eq(strcmp(backend, "interp") ? sn_context_new(&options, &t->ctx)
                                               : rt_context_open(&options, &interp, &t->ctx),
                     SN_OK);
    ck_assert_int_eq(sn_params_new(t->ctx, &t->params), SN_OK);
    const sn_optimizer_options how = {.kind = batch == 1 ? SN_OPTIMIZER_SGD : SN_OPTIMIZER_ADAM};
    ck_assert_int_eq(sn_optimizer_new(t->params, &how, &t->optimizer), SN_OK);
    fill(t);
    describe(t, hidden);
    ck_assert_int_eq(sn_params_init(t->params, 3), SN_OK);
    for (int64_t i = 0; i < batch; i++) t->rows[i] = i;
    ck_assert_int_eq(sn_call_new(t->step, &t->call), SN_OK);
    sn_tensor rows = sn_tensor_of(SN_I64, t->rows, 1, &batch), rate = sn_tensor_of(SN_F32, &t->rate, 0, NULL);
    ck_assert_int_eq(sn_call_bind_input(t->call, 1, &rows), SN_OK);
    ck_assert_int_eq(sn_call_bind_input(t->call, 2, &rate), SN_OK);
}

static void training_close(training *t) {
    sn_call_free(t->call);
    sn_function_free(t->step);
    sn_graph_free(t->g);
    sn_optimizer_free(t->optimizer);
    sn_params_free(t->params);
    sn_var_free(t->pictures);
    sn_var_free(t->labels);
    sn_var_free(t->total);
    sn_context_free(t->ctx);
}

static void train(training *t, int64_t first, int64_t n) {
    ck_assert_msg(!sn_call_run_steps(t->call, 0, first, n), "%s", sn_call_error(t->call));
}

/* The largest difference of weights, relative to the largest weight; -1 where they are the same bits. */
static double difference(const training *a, const training *b) {
    double worst = 0;
    int same = 1;
    for (size_t i = 0; i < sn_params_count(a->params); i++) {
        sn_var *of_a = sn_params_get(a->params, i), *of_b = sn_params_get(b->params, i);
        const sn_tensor type = sn_var_type(of_a);
        size_t bytes = sn_tensor_bytes(&type);
        float *x = malloc(bytes), *y = malloc(bytes), off = 0, largest = 0;
        ck_assert(x && y);
        ck_assert_int_eq(sn_var_get(of_a, x, bytes), SN_OK);
        ck_assert_int_eq(sn_var_get(of_b, y, bytes), SN_OK);
        for (size_t k = 0; k < bytes / sizeof *x; k++) {
            ck_assert(isfinite(x[k]));
            off = fmaxf(off, fabsf(x[k] - y[k]));
            largest = fmaxf(largest, fabsf(y[k]));
        }
        same &= !memcmp(x, y, bytes);
        worst = fmax(worst, (double)(off / largest));
        free(x);
        free(y);
    }
    return same ? -1 : worst;
}

/* Sum of losses since it was last asked. */
static double loss_since(training *t) {
    double total, zero = 0;
    ck_assert_int_eq(sn_var_get(t->total, &total, sizeof total), SN_OK);
    ck_assert_int_eq(sn_var_set(t->total, &zero, sizeof zero), SN_OK);
    return total;
}

/* One example a step, in calls of as many steps as fill a recording, of more, and of a few. */
START_TEST(classic_training) {
    static const int64_t calls[] = {16, 19, 3};
    support_standin gpu;
    training on_gpu, interp, cpu;
    int counted = support_standin_open(&gpu);
    gpu.order((unsigned)_i);
    int64_t hidden = support_slow() ? 200 : _i ? 20 : 48;
    training_open(&on_gpu, "gpu", 1, hidden);
    training_open(&interp, "interp", 1, hidden);
    training_open(&cpu, "cpu", 1, hidden);
    for (size_t i = 0, first = 0; i < sizeof calls / sizeof *calls; first += (size_t)calls[i++]) {
        train(&on_gpu, (int64_t)first, calls[i]);
        train(&interp, (int64_t)first, calls[i]);
        train(&cpu, (int64_t)first, calls[i]);
        ck_assert_msg(difference(&on_gpu, &interp) < 0, "after call %d", (int)i);
        double off = difference(&on_gpu, &cpu);
        ck_assert_msg(off <= 1e-5, "after call %d weights differ by %g from the CPU's", (int)i, off);
    }
    double before = loss_since(&on_gpu) / (16 + 19 + 3);
    gpu.reset();
    uint64_t in = gpu.bytes_in(), out = gpu.bytes_out();
    train(&on_gpu, 0, EXAMPLES);
    ck_assert_uint_le(gpu.bytes_in() - in, 4096); /* what starts the call; none of it grows with the steps */
    ck_assert_uint_le(gpu.bytes_out() - out, 4096);
    ck_assert_uint_eq(gpu.count("cuMemAlloc_v2"), 0);
    if (counted) ck_assert_uint_le(gpu.count("cuGraphLaunch") + gpu.count("cuLaunchKernel"), EXAMPLES);
    double loss = loss_since(&on_gpu) / EXAMPLES;
    ck_assert_msg(loss < 0.9 * before, "loss of a step: %g, then %g", before, loss);
    training_close(&cpu);
    training_close(&interp);
    training_close(&on_gpu);
}
END_TEST

/* Products are a library's, so bits differ; Adam makes a whole step of a gradient's sign, so the bound is wider. */
START_TEST(training_in_batches) {
    enum { BATCH = 48, STEPS = EXAMPLES / BATCH, EPOCHS = 4 };
    support_standin gpu;
    training on_gpu, cpu;
    double loss = 0, first = 0;
    support_standin_open(&gpu);
    gpu.order((unsigned)_i);
    training_open(&on_gpu, "gpu", BATCH, 40);
    training_open(&cpu, "cpu", BATCH, 40);
    for (int epoch = 0; epoch < EPOCHS; epoch++) {
        train(&on_gpu, 0, STEPS);
        train(&cpu, 0, STEPS);
        loss = loss_since(&on_gpu);
        double want = loss_since(&cpu);
        ck_assert_msg(fabs(loss - want) <= 1e-4 * want, "epoch %d: loss %g, the CPU's %g", epoch, loss, want);
        if (!epoch) first = loss;
    }
    ck_assert_msg(loss < 0.9 * first, "losses of an epoch: %g, at last %g", first, loss);
    double off = difference(&on_gpu, &cpu);
    ck_assert_msg(off <= 1e-3, "weights differ by %g from the CPU's", off);
    training_close(&cpu);
    training_close(&on_gpu);
}
END_TEST

int main(void) {
    setenv("SN_TWIN", "gpu", 1);
    Suite *suite = suite_create("gpu mnist");
    TCase *step = tcase_create("one step"), *trained = tcase_create("training");
    tcase_add_test(step, one_example);
    tcase_add_test(step, a_batch_with_adam);
    tcase_add_loop_test(trained, classic_training, 0, 3);
    tcase_add_loop_test(trained, training_in_batches, 0, 3);
    suite_add_tcase(suite, step);
    suite_add_tcase(suite, trained);
    return support_main(suite);
}
