/* See nets.h. Everything is built with the public API; only running a net looks inside, for the sizes of what to pass.
 */
#include "support/nets.h"

#include <check.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ---- parts ------------------------------------------------------------------------------------------------------- */

void net_begin(net *n, sn_context *ctx, const char *name) {
    *n = (net){.ctx = ctx, .g = sn_graph_new(ctx, name)};
    ck_assert_ptr_nonnull(n->g);
}

void net_free(net *n) {
    sn_graph_free(n->g);
    for (uint32_t i = 0; i < n->n_var; i++) sn_var_free(n->var[i]);
    *n = (net){.ctx = NULL};
}

sn_dim net_dim(net *n, const char *name) { return sn_dim_new(n->g, name); }

static sn_expr add_input(net *n, const char *name, sn_dtype dtype, sn_shape shape, int64_t classes) {
    ck_assert_uint_lt(n->n_in, NET_MAX_INPUTS);
    n->classes[n->n_in] = classes;
    return n->in[n->n_in++] = sn_input(n->g, name, dtype, shape);
}

sn_expr net_input(net *n, const char *name, sn_shape shape) { return add_input(n, name, SN_F32, shape, 0); }

sn_expr net_ids(net *n, const char *name, sn_dim dim, int64_t classes) {
    return add_input(n, name, SN_I64, SN_SHAPE(dim), classes);
}

sn_expr net_var(net *n, const char *name, double fan_in, int32_t rank, const int64_t *sizes) {
    ck_assert_uint_lt(n->n_var, NET_MAX_VARS);
    sn_status status = sn_var_new(n->ctx, name, SN_F32, rank, sizes, &n->var[n->n_var]);
    ck_assert_msg(!status, "%s", sn_context_error(n->ctx));
    n->high[n->n_var] = 1 / sqrt(fan_in);
    n->low[n->n_var] = -n->high[n->n_var];
    n->param[n->n_var] = sn_use(n->g, n->var[n->n_var]);
    return n->param[n->n_var++];
}

sn_expr net_const(net *n, double value) { return sn_const(n->g, value); }

void net_output(net *n, sn_expr e) {
    ck_assert_uint_lt(n->n_out, NET_MAX_OUTPUTS);
    n->out[n->n_out++] = e;
}

void net_update(net *n, sn_expr old, sn_expr value) {
    uint32_t i = 0;
    while (i < n->n_var && n->param[i].id != old.id) i++;
    ck_assert_uint_lt(i, n->n_var);
    n->update[n->n_update++] = (sn_update){n->var[i], value};
}

/* ---- optimisers -------------------------------------------------------------------------------------------------- */

static void gradients(net *n, sn_expr *d) {
    ck_assert_msg(!sn_grad(n->loss, n->param, n->n_param, d), "%s", sn_graph_error(n->g));
}

/* A variable of the same sizes as parameter i. */
static sn_expr kept_like(net *n, const char *prefix, uint32_t i, double fan_in) {
    char name[64];
    sn_tensor type = sn_var_type(n->var[i]);
    snprintf(name, sizeof name, "%s.%.40s", prefix, sn_var_name(n->var[i]));
    return net_var(n, name, fan_in, type.rank, type.size);
}

void net_sgd(net *n, double rate) {
    sn_expr d[NET_MAX_VARS];
    gradients(n, d);
    for (uint32_t i = 0; i < n->n_param; i++)
        net_update(n, n->param[i], sn_sub(n->param[i], sn_mul(net_const(n, rate), d[i])));
}

void net_momentum(net *n, double rate, double keep) {
    sn_expr d[NET_MAX_VARS];
    gradients(n, d);
    for (uint32_t i = 0; i < n->n_param; i++) {
        sn_expr old = kept_like(n, "velocity", i, 100);
        sn_expr step = sn_mul(net_const(n, rate), d[i]);
        sn_expr velocity = sn_sub(sn_mul(net_const(n, keep), old), step);
        net_update(n, old, velocity);
        net_update(n, n->param[i], sn_add(n->param[i], velocity));
    }
}

void net_adam(net *n, double rate) {
    sn_expr d[NET_MAX_VARS], one = net_const(n, 1);
    double b1 = 0.9, b2 = 0.999;
    gradients(n, d);
    sn_expr steps = net_var(n, "steps", 1, 0, NULL);
    n->low[n->n_var - 1] = 0;
    sn_expr t = sn_add(steps, one);
    net_update(n, steps, t);
    sn_expr part1 = sn_sub(one, sn_pow(net_const(n, b1), t)), part2 = sn_sub(one, sn_pow(net_const(n, b2), t));
    sn_expr root = sn_sqrt(part2), step = sn_div(sn_mul(net_const(n, rate), root), part1);
    for (uint32_t i = 0; i < n->n_param; i++) {
        sn_expr m = kept_like(n, "m", i, 100), v = kept_like(n, "v", i, 100);
        n->low[n->n_var - 1] = 0; /* a mean of squares */
        sn_expr m2 = sn_mul(net_const(n, 1 - b1), d[i]), m1 = sn_add(sn_mul(net_const(n, b1), m), m2);
        sn_expr square = sn_square(d[i]), v2 = sn_mul(net_const(n, 1 - b2), square);
        sn_expr v1 = sn_add(sn_mul(net_const(n, b2), v), v2);
        net_update(n, m, m1);
        net_update(n, v, v1);
        sn_expr least = net_const(n, 1e-8), below = sn_add(sn_sqrt(v1), least);
        sn_expr move = sn_div(sn_mul(step, m1), below);
        net_update(n, n->param[i], sn_sub(n->param[i], move));
    }
}

/* ---- nets -------------------------------------------------------------------------------------------------------- */

void net_moons(net *n, sn_context *ctx, int64_t h, int transposed) {
    net_begin(n, ctx, "moons");
    sn_dim N = net_dim(n, "N");
    sn_expr x = net_input(n, "X", SN_SHAPE(N, SN_DIM(2))), y = net_ids(n, "y", N, 2);
    sn_expr w1 = transposed ? net_var(n, "W1", 2, NET_SIZES(h, 2)) : net_var(n, "W1", 2, NET_SIZES(2, h));
    sn_expr b1 = net_var(n, "b1", 2, NET_SIZES(h));
    sn_expr w2 =
        transposed ? net_var(n, "W2", (double)h, NET_SIZES(2, h)) : net_var(n, "W2", (double)h, NET_SIZES(h, 2));
    sn_expr b2 = net_var(n, "b2", 1, NET_SIZES(2));
    n->n_param = n->n_var;
    sn_expr hidden = sn_tanh(sn_linear(x, transposed ? sn_t(w1) : w1, b1));
    sn_expr logits = sn_linear(hidden, transposed ? sn_t(w2) : w2, b2);
    sn_expr squares2 = sn_sum_all(sn_square(w2)), squares = sn_add(sn_sum_all(sn_square(w1)), squares2);
    sn_expr examples = sn_cast(sn_dim_value(n->g, N), SN_F32);
    sn_expr penalty = sn_div(sn_mul(net_const(n, 0.005), squares), examples);
    n->loss = sn_add(sn_mean_all(sn_cross_entropy(logits, y)), penalty);
}

void net_digit(net *n, sn_context *ctx, int transposed) {
    net_begin(n, ctx, "digit");
    sn_dim one = SN_DIM(1), inputs = SN_DIM(784), classes = SN_DIM(10);
    sn_expr x, t, out;
    if (transposed) {
        x = net_input(n, "x", SN_SHAPE(inputs));
        t = net_input(n, "t", SN_SHAPE(classes));
        sn_expr w1 = net_var(n, "W1", 784, NET_SIZES(200, 784)), w2 = net_var(n, "W2", 200, NET_SIZES(10, 200));
        out = sn_sigmoid(sn_matmul(w2, sn_sigmoid(sn_matmul(w1, x))));
    } else {
        x = net_input(n, "x", SN_SHAPE(one, inputs));
        t = net_input(n, "t", SN_SHAPE(one, classes));
        sn_expr w1 = net_var(n, "W1", 784, NET_SIZES(784, 200)), w2 = net_var(n, "W2", 200, NET_SIZES(200, 10));
        out = sn_sigmoid(sn_matmul(sn_sigmoid(sn_matmul(x, w1)), w2));
    }
    n->n_param = n->n_var;
    n->loss = sn_sum_all(sn_square(sn_sub(out, t)));
}

/* Three linear layers; variables W1, b1 .. */
static sn_expr three_layers(net *n, sn_expr x, const int64_t widths[4], int use_tanh) {
    for (int layer = 0; layer < 3; layer++) {
        char name[8];
        int64_t in = widths[layer], out = widths[layer + 1];
        snprintf(name, sizeof name, "W%d", layer + 1);
        sn_expr w = net_var(n, name, (double)in, NET_SIZES(in, out));
        snprintf(name, sizeof name, "b%d", layer + 1);
        x = sn_linear(x, w, net_var(n, name, (double)in, NET_SIZES(out)));
        if (layer < 2) x = use_tanh ? sn_tanh(x) : sn_relu(x);
    }
    n->n_param = n->n_var;
    return x;
}

void net_relu3(net *n, sn_context *ctx, int64_t width) {
    net_begin(n, ctx, "relu3");
    sn_dim N = net_dim(n, "N");
    sn_expr x = net_input(n, "x", SN_SHAPE(N, SN_DIM(16))), t = net_input(n, "t", SN_SHAPE(N, SN_DIM(1)));
    n->loss = sn_mse(three_layers(n, x, (const int64_t[]){16, width, width, 1}, 0), t);
}

void net_tanh3(net *n, sn_context *ctx) {
    net_begin(n, ctx, "tanh3");
    sn_dim N = net_dim(n, "N");
    sn_expr x = net_input(n, "x", SN_SHAPE(N, SN_DIM(64))), ids = net_ids(n, "ids", N, 10);
    n->loss = sn_mean_all(sn_cross_entropy(three_layers(n, x, (const int64_t[]){64, 64, 64, 10}, 1), ids));
}

void net_layer_norm(net *n, sn_context *ctx, int64_t width) {
    net_begin(n, ctx, "layernorm");
    sn_dim N = net_dim(n, "N");
    sn_expr x = net_input(n, "x", SN_SHAPE(N, SN_DIM(8))), t = net_input(n, "t", SN_SHAPE(N));
    sn_expr w = net_var(n, "W", 8, NET_SIZES(8, width)), b = net_var(n, "b", 8, NET_SIZES(width));
    sn_expr gain = net_var(n, "gain", 1, NET_SIZES(width)), shift = net_var(n, "shift", 1, NET_SIZES(width));
    n->n_param = n->n_var;
    sn_expr z = sn_linear(x, w, b);
    sn_expr centred = sn_sub(z, sn_mean(z, SN_AXES(1), 1));
    sn_expr variance = sn_mean(sn_square(centred), SN_AXES(1), 1);
    sn_expr normal = sn_mul(centred, sn_rsqrt(sn_add(variance, net_const(n, 1e-5))));
    sn_expr y = sn_relu(sn_add(sn_mul(normal, gain), shift));
    n->loss = sn_mse(sn_mean(y, SN_AXES(1), 0), t);
}

void net_softmax_regression(net *n, sn_context *ctx) {
    net_begin(n, ctx, "softreg");
    sn_dim N = net_dim(n, "N");
    sn_expr x = net_input(n, "x", SN_SHAPE(N, SN_DIM(32))), ids = net_ids(n, "ids", N, 10);
    sn_expr w = net_var(n, "W", 32, NET_SIZES(32, 10)), b = net_var(n, "b", 32, NET_SIZES(10));
    n->n_param = n->n_var;
    n->loss = sn_mean_all(sn_cross_entropy(sn_linear(x, w, b), ids));
}

void net_logistic(net *n, sn_context *ctx) {
    net_begin(n, ctx, "logistic");
    sn_dim N = net_dim(n, "N"), D = net_dim(n, "D");
    sn_expr x = net_input(n, "x", SN_SHAPE(N, D)), t = net_input(n, "t", SN_SHAPE(N));
    n->param[0] = net_input(n, "w", SN_SHAPE(D));
    n->n_param = 1;
    sn_expr z = sn_matmul(x, n->param[0]);
    sn_expr tz = sn_mul(t, z);
    n->loss = sn_mean_all(sn_sub(sn_softplus(z), tz));
}

/* ---- running ----------------------------------------------------------------------------------------------------- */

sn_function *net_function(net *n) {
    sn_function_desc desc = {.inputs = n->in,
                             .n_inputs = n->n_in,
                             .outputs = n->out,
                             .n_outputs = n->n_out,
                             .updates = n->update,
                             .n_updates = n->n_update};
    sn_function *f;
    ck_assert_msg(!sn_function_new(n->g, &desc, &f), "%s", sn_graph_error(n->g));
    return f;
}

char *net_show(net *n, sn_function *f, sn_show what) {
    char *text;
    ck_assert_int_eq(sn_function_show(f, what, &text), SN_OK);
    char *copy = malloc(strlen(text) + 1);
    ck_assert_ptr_nonnull(copy);
    strcpy(copy, text);
    sn_string_free(n->ctx, text);
    return copy;
}

static uint64_t next_random(uint64_t *state) {
    *state = *state * 6364136223846793005u + 1442695040888963407u;
    return *state >> 33;
}

static double uniform(uint64_t *state, double low, double high) {
    return low + (high - low) * (double)next_random(state) * 0x1p-31;
}

static void set_variables(net *n, uint64_t *state) {
    for (uint32_t i = 0; i < n->n_var; i++) {
        sn_tensor type = sn_var_type(n->var[i]);
        size_t bytes = sn_tensor_bytes(&type);
        float *values = malloc(bytes + 1);
        ck_assert_ptr_nonnull(values);
        for (size_t k = 0; k < bytes / sizeof *values; k++) values[k] = (float)uniform(state, n->low[i], n->high[i]);
        ck_assert_int_eq(sn_var_set(n->var[i], values, bytes), SN_OK);
        free(values);
    }
}

static void *make_input(net *n, uint32_t i, const int64_t *dim, uint64_t *state) {
    sn_dtype dtype = sn_expr_dtype(n->in[i]);
    size_t bytes = support_bytes(n->g, n->in[i].id, dim), count = bytes / sn_dtype_size(dtype);
    void *at = malloc(bytes + 1);
    ck_assert_ptr_nonnull(at);
    for (size_t k = 0; k < count; k++) {
        int64_t values = n->classes[i] ? n->classes[i] : dtype == SN_BOOL ? 2 : 200;
        int is_number = base_is_float(dtype) && !n->classes[i];
        support_put(at, dtype, (int64_t)k,
                    is_number ? uniform(state, -2, 2) : (double)((int64_t)next_random(state) % values));
    }
    return at;
}

void net_check(net *n, const int64_t *dim, uint64_t seed, int flags, support_look look, void *arg) {
    support_body body = {.g = n->g};
    ir_id out[NET_MAX_OUTPUTS], update[NET_MAX_VARS];
    uint32_t update_var[NET_MAX_VARS];
    char text[1024];
    set_variables(n, &seed);
    void *made[NET_MAX_INPUTS];
    for (uint32_t i = 0; i < n->n_in; i++) body.input[i] = made[i] = make_input(n, i, dim, &seed);
    for (uint32_t i = 0; i < n->g->dim_name.n; i++) body.dim[i] = dim[i];
    for (uint32_t i = 0; i < n->n_out; i++) out[i] = n->out[i].id;
    for (uint32_t i = 0; i < n->n_update; i++) {
        update[i] = n->update[i].value.id;
        for (uint32_t k = 0; k < n->g->var.n; k++)
            if (n->g->var.at[k].var == n->update[i].var) update_var[i] = k;
    }
    body.roots = (ir_roots){n->n_out, n->n_update, out, update, update_var};
    int ok = support_paths(&body, flags, look, arg, text, sizeof text);
    for (uint32_t i = 0; i < n->n_in; i++) free(made[i]);
    ck_assert_msg(ok, "%s: %s", n->g->name, text);
}
