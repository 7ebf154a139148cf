/* Activations, losses, optimisers and a network against NumPy: values and gradients in f64 to the last digits that two
 * orders of the same arithmetic leave, in f32 to its own. What a step of training costs in launches is held as well. */
#include "support/support_nn.h"

enum { STEPS = 7, W = 6 };

static const char *const backends[] = {"interp", "cpu"};

/* An f64 reference as values of the dtype under test. */
typedef union {
    double f64[256];
    float f32[256];
} values;

static values reference(sn_context *ctx, sn_dtype dtype, const char *name, int32_t rank, const int64_t *sizes) {
    values v;
    sn_tensor t = sn_tensor_of(SN_F64, NULL, rank, sizes);
    ck_assert_uint_le(sn_tensor_bytes(&t), sizeof v.f64);
    reference_into(ctx, name, SN_F64, rank, sizes, v.f64);
    if (dtype == SN_F64) return v;
    values narrow;
    for (size_t i = 0; i < sn_tensor_bytes(&t) / 8; i++) narrow.f32[i] = (float)v.f64[i];
    return narrow;
}

static double value_at(const values *v, sn_dtype dtype, size_t i) {
    return dtype == SN_F64 ? v->f64[i] : (double)v->f32[i];
}

/* Errors are measured by the largest magnitude, since sums of large terms may be small. */
static void expect_near(const char *what, sn_dtype dtype, const values *have, const values *want, size_t n,
                        double digits) {
    double scale = 1, bound = dtype == SN_F64 ? 0x1p-52 : 0x1p-23;
    for (size_t i = 0; i < n; i++) scale = fmax(scale, fabs(value_at(want, dtype, i)));
    for (size_t i = 0; i < n; i++) {
        double h = value_at(have, dtype, i), w = value_at(want, dtype, i);
        ck_assert_msg(fabs(h - w) <= digits * bound * scale, "%s, element %zu, %s: %.17g, not %.17g", what, i,
                      sn_dtype_name(dtype), h, w);
    }
}

static const sn_dtype dtypes[] = {SN_F64, SN_F32};

/* ---- element by element ------------------------------------------------------------------------------------------ */

/* Evaluates outs (of the sizes) at inputs. */
static void evaluate(sn_graph *g, const sn_expr *in, size_t n_in, const sn_tensor *at, const sn_expr *outs,
                     sn_tensor *to, size_t n_out) {
    sn_function *f;
    sn_function_desc desc = {.inputs = in, .n_inputs = n_in, .outputs = outs, .n_outputs = n_out};
    good(sn_function_new(g, &desc, &f), sn_graph_error(g));
    good(sn_function_call(f, at, n_in, to, n_out), sn_function_error(f));
    sn_function_free(f);
}

START_TEST(activations) {
    const int64_t n = 18;
    for (size_t d = 0; d < 2; d++) {
        sn_context *ctx = context_on(backends[_i], 1);
        sn_dtype dtype = dtypes[d];
        for (int a = SN_ACTIVATION_NONE; a <= SN_ACTIVATION_SOFTPLUS; a++) {
            char name[64], slope_name[80];
            snprintf(name, sizeof name, "activation.%s", sn_activation_name((sn_activation)a));
            snprintf(slope_name, sizeof slope_name, "%s.grad", name);
            values x = reference(ctx, dtype, "activation.x", 1, &n), y, slope;
            values want = reference(ctx, dtype, name, 1, &n), want_slope = reference(ctx, dtype, slope_name, 1, &n);
            sn_graph *g = sn_graph_new(ctx, "activation");
            sn_expr in = sn_input(g, "x", dtype, SN_SHAPE(sn_dim_new(g, "N")));
            sn_expr outs[2] = {sn_activate(in, (sn_activation)a)};
            good(sn_grad(sn_sum_all(outs[0]), &in, 1, &outs[1]), sn_graph_error(g));
            sn_tensor at = sn_tensor_of(dtype, &x, 1, &n);
            sn_tensor to[] = {sn_tensor_of(dtype, &y, 1, &n), sn_tensor_of(dtype, &slope, 1, &n)};
            evaluate(g, &in, 1, &at, outs, to, 2);
            expect_near(name, dtype, &y, &want, (size_t)n, 4);
            /* silu's slope has a term x * s * (1 - s), whose last factor is off by half an ulp of 1; |x| is up to 30.
             */
            expect_near(slope_name, dtype, &slope, &want_slope, (size_t)n, a == SN_ACTIVATION_SILU ? 32 : 8);
            sn_graph_free(g);
        }
        close_context(ctx);
    }
}
END_TEST

typedef enum { SQUARED, ABSOLUTE, HUBER, CROSS, CROSS_PROBS, BINARY, N_LOSSES } loss_kind;
static const char *const loss_names[] = {
    "squared", "absolute", "huber", "cross_entropy", "cross_entropy_probs", "binary_cross_entropy"};

static sn_expr loss_of(loss_kind kind, sn_expr y, sn_expr t, sn_reduction reduction) {
    switch (kind) {
        case SQUARED: return sn_loss_squared(y, t, reduction);
        case ABSOLUTE: return sn_loss_absolute(y, t, reduction);
        case HUBER: return sn_loss_huber(y, t, 0.75, reduction);
        case CROSS: return sn_loss_cross_entropy(y, t, reduction);
        case CROSS_PROBS: return sn_loss_cross_entropy_probs(y, t, reduction);
        case BINARY: return sn_loss_binary_cross_entropy(y, t, reduction);
        case N_LOSSES: break;
    }
    return y;
}

static void check_loss(sn_context *ctx, sn_dtype dtype, loss_kind kind) {
    static const char *const targets[] = {"loss.t", "loss.t", "loss.t", "loss.ids", "loss.probs", "loss.labels"};
    const int64_t full[] = {5, 4}, rows = 5;
    const int by_id = kind == CROSS, by_row = kind == CROSS || kind == CROSS_PROBS;
    char name[64], slope_name[80];
    snprintf(name, sizeof name, "loss.%s", loss_names[kind]);
    snprintf(slope_name, sizeof slope_name, "%s.grad", name);
    values y = reference(ctx, dtype, "loss.y", 2, full), each, slope, mean_slope, mean, sum, t;
    values want = reference(ctx, dtype, name, by_row ? 1 : 2, full);
    values want_slope = reference(ctx, dtype, slope_name, 2, full), scaled = want_slope, want_mean, want_sum;
    int64_t ids[5];
    if (by_id)
        reference_into(ctx, targets[kind], SN_I64, 1, &rows, ids);
    else
        t = reference(ctx, dtype, targets[kind], 2, full);

    sn_graph *g = sn_graph_new(ctx, "loss");
    sn_dim n = sn_dim_new(g, "N");
    sn_expr in[2] = {sn_input(g, "y", dtype, SN_SHAPE(n, SN_DIM(4)))};
    in[1] = by_id ? sn_input(g, "t", SN_I64, SN_SHAPE(n)) : sn_input(g, "t", dtype, SN_SHAPE(n, SN_DIM(4)));
    sn_expr outs[5] = {loss_of(kind, in[0], in[1], SN_REDUCE_NONE), loss_of(kind, in[0], in[1], SN_REDUCE_MEAN),
                       loss_of(kind, in[0], in[1], SN_REDUCE_SUM)};
    good(sn_grad(outs[2], in, 1, &outs[3]), sn_graph_error(g));
    good(sn_grad(outs[1], in, 1, &outs[4]), sn_graph_error(g));
    sn_tensor at[] = {sn_tensor_of(dtype, &y, 2, full),
                      by_id ? sn_tensor_of(SN_I64, ids, 1, &rows) : sn_tensor_of(dtype, &t, 2, full)};
    sn_tensor to[] = {sn_tensor_of(dtype, &each, by_row ? 1 : 2, full), sn_tensor_of(dtype, &mean, 0, NULL),
                      sn_tensor_of(dtype, &sum, 0, NULL), sn_tensor_of(dtype, &slope, 2, full),
                      sn_tensor_of(dtype, &mean_slope, 2, full)};
    evaluate(g, in, 2, at, outs, to, 5);

    const size_t n_each = by_row ? 5 : 20;
    double total = 0;
    for (size_t i = 0; i < n_each; i++) total += value_at(&want, dtype, i);
    if (dtype == SN_F64) {
        want_sum.f64[0] = total;
        want_mean.f64[0] = total / (double)n_each;
        for (size_t i = 0; i < 20; i++) scaled.f64[i] /= (double)n_each;
    } else {
        want_sum.f32[0] = (float)total;
        want_mean.f32[0] = (float)(total / (double)n_each);
        for (size_t i = 0; i < 20; i++) scaled.f32[i] /= (float)n_each;
    }
    expect_near(name, dtype, &each, &want, n_each, 8);
    expect_near("mean", dtype, &mean, &want_mean, 1, 8);
    expect_near("sum", dtype, &sum, &want_sum, 1, 16);
    expect_near(slope_name, dtype, &slope, &want_slope, 20, 8);
    expect_near("gradient of the mean", dtype, &mean_slope, &scaled, 20, 8);
    sn_graph_free(g);
}

START_TEST(losses) {
    for (size_t d = 0; d < 2; d++) {
        sn_context *ctx = context_on(backends[_i], 1);
        for (int kind = 0; kind < N_LOSSES; kind++) check_loss(ctx, dtypes[d], (loss_kind)kind);
        close_context(ctx);
    }
}
END_TEST

/* Where the plain formula overflows, or divides zero by zero. */
START_TEST(losses_at_the_ends) {
    sn_context *ctx = context_on(backends[_i], 1);
    sn_graph *g = sn_graph_new(ctx, "ends");
    const int64_t n = 4;
    float y[] = {1000, -1000, 3e38f, 0}, t[] = {1, 0, 0, 0}, loss[2][4], slope[2][4];
    sn_expr in[] = {sn_input(g, "y", SN_F32, SN_SHAPE(SN_DIM(4))), sn_input(g, "t", SN_F32, SN_SHAPE(SN_DIM(4)))};
    sn_expr outs[4] = {sn_loss_binary_cross_entropy(in[0], in[1], SN_REDUCE_NONE),
                       sn_loss_huber(in[0], in[1], 0.5, SN_REDUCE_NONE)};
    for (int i = 0; i < 2; i++) good(sn_grad(sn_sum_all(outs[i]), in, 1, &outs[2 + i]), sn_graph_error(g));
    sn_tensor at[] = {sn_tensor_of(SN_F32, y, 1, &n), sn_tensor_of(SN_F32, t, 1, &n)}, to[4];
    for (int i = 0; i < 4; i++) to[i] = sn_tensor_of(SN_F32, i < 2 ? loss[i] : slope[i - 2], 1, &n);
    evaluate(g, in, 2, at, outs, to, 4);
    const float want[2][4] = {{0, 0, 3e38f, logf(2)}, {999 * 0.5f - 0.125f, 499.875f, 1.5e38f, 0}};
    const float want_slope[2][4] = {{0, 0, 1, 0.5f}, {0.5f, -0.5f, 0.5f, 0}};
    for (int k = 0; k < 2; k++)
        for (int i = 0; i < 4; i++) {
            ck_assert_float_eq_tol(loss[k][i], want[k][i], 1e-6f * fmaxf(1, fabsf(want[k][i])));
            ck_assert_float_eq_tol(slope[k][i], want_slope[k][i], 1e-6f);
        }
    sn_graph_free(g);
    close_context(ctx);
}
END_TEST

/* ---- optimisers -------------------------------------------------------------------------------------------------- */

static const struct {
    const char *name;
    sn_optimizer_options options;
    int states;
} rules[] = {
    {"sgd", {.kind = SN_OPTIMIZER_SGD}, 0},
    {"sgd_decay", {.kind = SN_OPTIMIZER_SGD, .weight_decay = 0.3}, 0},
    {"momentum", {.kind = SN_OPTIMIZER_MOMENTUM}, 1},
    {"nesterov", {.kind = SN_OPTIMIZER_MOMENTUM, .momentum = 0.7, .nesterov = 1, .weight_decay = 0.2}, 1},
    {"adam", {.kind = SN_OPTIMIZER_ADAM}, 2},
    {"adam_decay", {.kind = SN_OPTIMIZER_ADAM, .beta1 = 0.8, .beta2 = 0.99, .epsilon = 1e-3, .weight_decay = 0.3}, 2},
    {"adamw", {.kind = SN_OPTIMIZER_ADAMW, .weight_decay = 0.3}, 2},
};

/* lr is f64 here: a rate of another dtype than the parameter's is converted. */
static void check_rule(sn_context *ctx, sn_dtype dtype, size_t rule) {
    const int64_t size[] = {3, 2}, path_size[] = {STEPS, 3, 2};
    char name[64];
    snprintf(name, sizeof name, "optimizer.%s", rules[rule].name);
    values w0 = reference(ctx, dtype, "optimizer.w0", 2, size), a = reference(ctx, dtype, "optimizer.a", 2, size);
    values s = reference(ctx, dtype, "optimizer.s", 2, size), path = reference(ctx, dtype, name, 3, path_size);
    sn_params *params;
    sn_optimizer *o;
    good(sn_params_new(ctx, &params), sn_context_error(ctx));
    good(sn_params_add(params, "W", dtype, 2, size, sn_init_zeros(), NULL), sn_context_error(ctx));
    good(sn_optimizer_new(params, &rules[rule].options, &o), sn_context_error(ctx));
    ck_assert_uint_eq(sn_params_count(sn_optimizer_state(o)), 0);

    sn_graph *g = sn_graph_new(ctx, rules[rule].name);
    sn_expr in[] = {sn_input(g, "a", dtype, sn_shape_of_sizes(2, size)),
                    sn_input(g, "s", dtype, sn_shape_of_sizes(2, size)), sn_input(g, "lr", SN_F64, SN_SCALAR)};
    sn_expr loss = sn_sum_all(sn_mul(in[1], sn_square(sn_sub(sn_params_use(params, g, "W"), in[0]))));
    sn_function_desc desc = {.inputs = in, .n_inputs = 3};
    desc.updates = sn_optimizer_updates(o, loss, in[2], &desc.n_updates);
    sn_function *f;
    good(sn_function_new(g, &desc, &f), sn_graph_error(g));
    sn_function_stats stats;
    good(sn_function_get_stats(f, &stats), "stats");
    ck_assert_uint_eq(stats.n_kernels, 1); /* all of a step */
    ck_assert_uint_eq(stats.n_matmuls, 0);

    const size_t bytes = W * sn_dtype_size(dtype);
    good(sn_var_set(sn_params_get(params, 0), &w0, bytes), sn_context_error(ctx));
    for (int i = 0; i < STEPS; i++) {
        double lr = 0.1 / (1 + i);
        sn_tensor at[] = {sn_tensor_of(dtype, &a, 2, size), sn_tensor_of(dtype, &s, 2, size),
                          sn_tensor_of(SN_F64, &lr, 0, NULL)};
        good(sn_function_call(f, at, 3, NULL, 0), sn_function_error(f));
        values w, want;
        good(sn_var_get(sn_params_get(params, 0), &w, bytes), sn_context_error(ctx));
        memcpy(&want, (const char *)&path + (size_t)i * bytes, bytes);
        expect_near(name, dtype, &w, &want, W, 32);
    }

    const sn_params *state = sn_optimizer_state(o);
    ck_assert_uint_eq(sn_params_count(state), (size_t)rules[rule].states + (rules[rule].states == 2));
    for (int k = 0; k < rules[rule].states; k++) {
        char of[80];
        snprintf(of, sizeof of, "%s.%c", name, "mv"[k]);
        values want = reference(ctx, dtype, of, 2, size), have;
        sn_var *var = sn_params_find(state, k ? "W.v" : "W.m");
        ck_assert_ptr_nonnull(var);
        good(sn_var_get(var, &have, bytes), sn_context_error(ctx));
        expect_near(of, dtype, &have, &want, W, 32);
    }
    if (rules[rule].states == 2) {
        int64_t steps;
        good(sn_var_get(sn_params_find(state, "optimizer.step"), &steps, sizeof steps), sn_context_error(ctx));
        ck_assert_int_eq(steps, STEPS);
    }
    sn_function_free(f);
    sn_graph_free(g);
    sn_optimizer_free(o);
    sn_params_free(params);
}

START_TEST(optimizers) {
    for (size_t d = 0; d < 2; d++) {
        sn_context *ctx = context_on(backends[_i], 1);
        for (size_t rule = 0; rule < sizeof rules / sizeof *rules; rule++) check_rule(ctx, dtypes[d], rule);
        close_context(ctx);
    }
}
END_TEST

/* 1 - beta^t in f32 near t = 1, where beta^t has lost half of its digits. */
START_TEST(first_step_of_adam_in_f32) {
    sn_context *ctx = context_on(backends[_i], 1);
    sn_params *params;
    sn_optimizer *o;
    good(sn_params_new(ctx, &params), sn_context_error(ctx));
    good(sn_params_add(params, "w", SN_F32, 0, NULL, sn_init_zeros(), NULL), sn_context_error(ctx));
    good(sn_optimizer_new(params, &(sn_optimizer_options){.kind = SN_OPTIMIZER_ADAM, .beta2 = 0.999999}, &o), "");
    sn_graph *g = sn_graph_new(ctx, "first");
    sn_function_desc desc = {.n_inputs = 0};
    sn_expr loss = sn_mul(sn_params_use(params, g, "w"), sn_const(g, 3));
    desc.updates = sn_optimizer_updates(o, loss, sn_const(g, 1), &desc.n_updates);
    sn_function *f;
    good(sn_function_new(g, &desc, &f), sn_graph_error(g));
    for (int i = 1; i <= 3; i++) {
        float w;
        good(sn_function_call(f, NULL, 0, NULL, 0), sn_function_error(f));
        good(sn_var_get(sn_params_get(params, 0), &w, sizeof w), "");
        ck_assert_float_eq_tol(w, (float)-i, 2e-6f * (float)i); /* a constant gradient gives steps of lr */
    }
    sn_function_free(f);
    sn_graph_free(g);
    sn_optimizer_free(o);
    sn_params_free(params);
    close_context(ctx);
}
END_TEST

/* ---- a network --------------------------------------------------------------------------------------------------- */

static sn_expr network(sn_params *net, sn_expr x) {
    sn_expr h = sn_activate(sn_layer_linear(net, x, "W1", "b1", 5, sn_init_he_normal()), SN_ACTIVATION_RELU);
    return sn_layer_linear(net, h, "W2", "b2", 3, sn_init_xavier_uniform());
}

START_TEST(training) {
    sn_context *ctx = context_on(backends[_i], 1);
    static const char *const names[] = {"W1", "b1", "W2", "b2"};
    sn_params *net;
    sn_optimizer *adam;
    good(sn_params_new(ctx, &net), "");
    good(sn_optimizer_new(net, &(sn_optimizer_options){.kind = SN_OPTIMIZER_ADAM}, &adam), "");
    sn_graph *g = sn_graph_new(ctx, "training");
    sn_dim n = sn_dim_new(g, "N");
    sn_expr in[] = {sn_input(g, "x", SN_F64, SN_SHAPE(n, SN_DIM(6))), sn_input(g, "digits", SN_I64, SN_SHAPE(n))};
    sn_expr loss = sn_loss_cross_entropy(network(net, in[0]), in[1], SN_REDUCE_MEAN);
    sn_function_desc desc = {.inputs = in, .n_inputs = 2, .outputs = &loss, .n_outputs = 1};
    desc.updates = sn_optimizer_updates(adam, loss, sn_const(g, 0.02), &desc.n_updates);
    sn_function *f;
    good(sn_function_new(g, &desc, &f), sn_graph_error(g));
    ck_assert_uint_eq(desc.n_updates, 13);
    sn_function_stats stats;
    good(sn_function_get_stats(f, &stats), "stats");
    ck_assert_uint_le(stats.n_kernels, 2);

    const int64_t x_size[] = {9, 6}, rows = 9, n_losses = 20;
    values x = reference(ctx, SN_F64, "net.X", 2, x_size), path = reference(ctx, SN_F64, "net.losses", 1, &n_losses);
    int64_t digits[9];
    reference_into(ctx, "net.digits", SN_I64, 1, &rows, digits);
    for (size_t i = 0; i < 4; i++) {
        char name[32];
        snprintf(name, sizeof name, "net.%s", names[i]);
        ck_assert_str_eq(sn_var_name(sn_params_get(net, i)), names[i]);
        sn_tensor type = sn_var_type(sn_params_get(net, i));
        values w = reference(ctx, SN_F64, name, type.rank, type.size);
        good(sn_var_set(sn_params_get(net, i), &w, sn_tensor_bytes(&type)), "");
    }
    values have;
    for (int i = 0; i < n_losses; i++) {
        sn_tensor at[] = {sn_tensor_of(SN_F64, &x, 2, x_size), sn_tensor_of(SN_I64, digits, 1, &rows)};
        sn_tensor to = sn_tensor_of(SN_F64, &have.f64[i], 0, NULL);
        good(sn_function_call(f, at, 2, &to, 1), sn_function_error(f));
    }
    expect_near("losses", SN_F64, &have, &path, (size_t)n_losses, 4096);
    for (size_t i = 0; i < 4; i++) {
        char name[32];
        snprintf(name, sizeof name, "net.%s.trained", names[i]);
        sn_tensor type = sn_var_type(sn_params_get(net, i));
        values want = reference(ctx, SN_F64, name, type.rank, type.size), w;
        good(sn_var_get(sn_params_get(net, i), &w, sn_tensor_bytes(&type)), "");
        expect_near(name, SN_F64, &w, &want, sn_tensor_bytes(&type) / 8, 65536);
    }
    sn_function_free(f);
    sn_graph_free(g);
    sn_optimizer_free(adam);
    sn_params_free(net);
    close_context(ctx);
}
END_TEST

int main(void) {
    Suite *suite = suite_create("nn_reference");
    TCase *tests = tcase_create("numpy");
    suite_add_tcase(suite, tests);
    tcase_add_loop_test(tests, activations, 0, 2);
    tcase_add_loop_test(tests, losses, 0, 2);
    tcase_add_loop_test(tests, losses_at_the_ends, 0, 2);
    tcase_add_loop_test(tests, optimizers, 0, 2);
    tcase_add_loop_test(tests, first_step_of_adam_in_f32, 0, 2);
    tcase_add_loop_test(tests, training, 0, 2);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed != 0;
}
