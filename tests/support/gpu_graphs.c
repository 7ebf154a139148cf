/* Graphs that show what the schedule for GPUs makes of them: rows and columns, sums, products, gathers, half types. */
#include "support/gpu_graphs.h"

static void softmax(net *n, sn_context *ctx) {
    net_begin(n, ctx, "softmax");
    net_output(n, sn_softmax(net_input(n, "x", SN_SHAPE(net_dim(n, "N"), net_dim(n, "C"))), 1));
}

static void moons(net *n, sn_context *ctx) {
    net_moons(n, ctx, 1000, 0);
    net_sgd(n, 0.01);
}

static void digit(net *n, sn_context *ctx) {
    net_digit(n, ctx, 1);
    net_sgd(n, 0.1);
}

static void chain(net *n, sn_context *ctx) {
    net_begin(n, ctx, "chain");
    sn_dim N = net_dim(n, "N");
    sn_expr x = net_input(n, "x", SN_SHAPE(N)), y = net_input(n, "y", SN_SHAPE(N));
    net_output(n, sn_mul(sn_relu(sn_add(sn_neg(x), y)), y));
}

static void column_sums(net *n, sn_context *ctx) {
    net_begin(n, ctx, "columns");
    net_output(n, sn_sum(net_input(n, "x", SN_SHAPE(net_dim(n, "N"), net_dim(n, "C"))), SN_AXES(0), 0));
}

static void gather(net *n, sn_context *ctx) {
    net_begin(n, ctx, "gather");
    sn_expr table = net_var(n, "table", 1, NET_SIZES(5000, 64));
    net_output(n, sn_mul(sn_gather(table, net_ids(n, "ids", net_dim(n, "N"), 5000)), net_const(n, 2)));
}

static void total(net *n, sn_context *ctx) {
    net_begin(n, ctx, "total");
    net_output(n, sn_sum_all(net_input(n, "x", SN_SHAPE(net_dim(n, "N")))));
}

/* Many values of each point, which are not to be more than registers. */
static void many_factors(net *n, sn_context *ctx) {
    net_begin(n, ctx, "factors");
    sn_expr x = net_input(n, "x", SN_SHAPE(SN_DIM(20), net_dim(n, "N"), SN_DIM(7), SN_DIM(2)));
    net_output(n, sn_prod(sn_cast(x, SN_F64), SN_AXES(0, 2, 3), 0));
}

static void halves(net *n, sn_context *ctx) {
    net_begin(n, ctx, "halves");
    sn_dim N = net_dim(n, "N"), C = net_dim(n, "C");
    sn_expr x = net_input(n, "x", SN_SHAPE(N, C)), y = sn_cast(x, SN_BF16);
    net_output(n, sn_cast(sn_mul(sn_cast(x, SN_F16), sn_const_of(n->g, SN_F16, 3)), SN_F32));
    net_output(n, sn_softmax(y, 1));
    net_output(n, sn_sum(sn_cast(sn_exp(y), SN_F16), SN_AXES(0), 0));
}

static sn_expr typed(net *n, const char *name, sn_dtype dtype, sn_shape shape) {
    return n->in[n->n_in++] = sn_input(n->g, name, dtype, shape);
}

/* Small types in and out: more elements for each thread. */
static void small(net *n, sn_context *ctx) {
    net_begin(n, ctx, "small");
    sn_dim N = net_dim(n, "N"), C = net_dim(n, "C");
    sn_expr x = typed(n, "x", SN_BF16, SN_SHAPE(N)), y = typed(n, "y", SN_U8, SN_SHAPE(C));
    net_output(n, sn_softmax(typed(n, "rows", SN_F16, SN_SHAPE(N, C)), 1));
    net_output(n, sn_gt(sn_mul(x, x), x));
    net_output(n, sn_sum_all(sn_cast(sn_add(y, y), SN_F32)));
}

/* The last layer of a network of ten classes, and a step of Adam for it. */
static void classes(net *n, sn_context *ctx) {
    net_begin(n, ctx, "classes");
    sn_dim N = net_dim(n, "N");
    sn_expr x = net_input(n, "x", SN_SHAPE(N, SN_DIM(500))), y = net_ids(n, "y", N, 10);
    sn_expr w = net_var(n, "W", 500, NET_SIZES(500, 10)), b = net_var(n, "b", 1, NET_SIZES(10));
    n->n_param = n->n_var;
    n->loss = sn_mean_all(sn_cross_entropy(sn_linear(sn_relu(x), w, b), y));
    net_adam(n, 0.001);
}

/* A constant extent of 0, between others. */
static void empty(net *n, sn_context *ctx) {
    net_begin(n, ctx, "empty");
    sn_expr x = net_input(n, "x", SN_SHAPE(net_dim(n, "N"), SN_DIM(0), SN_DIM(5)));
    net_output(n, sn_add(x, net_input(n, "y", SN_SHAPE(SN_DIM(0), SN_DIM(1)))));
}

/* Sizes of a multiple of all vectors and of none; past a tile, and within one. */
const gpu_graph gpu_graphs[GPU_GRAPHS] = {{"softmax", softmax, {{6, 256}, {5, 77}}},
                                          {"many_factors", many_factors, {{128}, {33}}},
                                          {"moons", moons, {{64}, {7}}},
                                          {"digit", digit, {{0}, {0}}},
                                          {"chain", chain, {{4096}, {1027}}},
                                          {"column_sums", column_sums, {{64, 128}, {33, 7}}},
                                          {"gather", gather, {{32}, {5}}},
                                          {"total", total, {{8192}, {3001}}},
                                          {"halves", halves, {{16, 128}, {9, 35}}},
                                          {"small", small, {{16, 1024}, {9, 35}}},
                                          {"classes", classes, {{20}, {7}}},
                                          {"empty", empty, {{8}, {3}}}};
