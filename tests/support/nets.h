/* nets.h: networks and small graphs, built through the public API, with what a test needs to run them. */
#ifndef NETS_H
#define NETS_H

#include "support/support_paths.h"

enum { NET_MAX_INPUTS = 32, NET_MAX_VARS = SUPPORT_MAX_VARS, NET_MAX_OUTPUTS = 6 };

typedef struct {
    sn_context *ctx; /* not the net's */
    sn_graph *g;
    uint32_t n_in, n_param, n_var, n_out, n_update;
    sn_expr in[NET_MAX_INPUTS];
    int64_t classes[NET_MAX_INPUTS];              /* > 0: an input of class ids, all below it */
    sn_var *var[NET_MAX_VARS];                    /* the parameters, then what an optimiser keeps */
    sn_expr param[NET_MAX_VARS];                  /* values of the variables when a call begins */
    double low[NET_MAX_VARS], high[NET_MAX_VARS]; /* of the variables' values in a test */
    sn_expr loss;
    sn_expr out[NET_MAX_OUTPUTS];
    sn_update update[NET_MAX_VARS];
} net;

/* ---- parts: for nets that only one test needs -------------------------------------------------------------------- */

void net_begin(net *n, sn_context *ctx, const char *name);
void net_free(net *n);
sn_dim net_dim(net *n, const char *name);
sn_expr net_input(net *n, const char *name, sn_shape shape); /* f32 */
sn_expr net_ids(net *n, const char *name, sn_dim dim, int64_t classes);
/* An f32 variable of these sizes; fan_in bounds its values in a test: uniform in +-1/sqrt(fan_in). */
sn_expr net_var(net *n, const char *name, double fan_in, int32_t rank, const int64_t *sizes);
#define NET_SIZES(...)                                                                                                 \
    (int32_t)(sizeof((const int64_t[]){__VA_ARGS__}) / sizeof(int64_t)), (const int64_t[]) { __VA_ARGS__ }
sn_expr net_const(net *n, double value);
void net_output(net *n, sn_expr e);
/* The new value of the variable whose old value is `old`. */
void net_update(net *n, sn_expr old, sn_expr value);

/* Updates of all variables so far, which are the parameters, along the gradients of the loss. */
void net_sgd(net *n, double rate);
void net_momentum(net *n, double rate, double keep);
void net_adam(net *n, double rate); /* with its step count as one more variable */

/* ---- nets: each sets in, param, loss ----------------------------------------------------------------------------- */

/* Two classes of points in the plane, one tanh layer of h, softmax, a quadratic penalty on the weights. transposed: the
 * weights are stored [out, in]. */
void net_moons(net *n, sn_context *ctx, int64_t h, int transposed);
/* One example: 784-200-10, sigmoids, squared error. transposed: weights [out, in], vectors; else [in, out], rows of 1.
 */
void net_digit(net *n, sn_context *ctx, int transposed);
/* 16-width-width-1, relu, mean squared error. */
void net_relu3(net *n, sn_context *ctx, int64_t width);
/* 64-64-64-10, tanh, cross-entropy: the two wide layers' products are left to BLAS. */
void net_tanh3(net *n, sn_context *ctx);
/* relu(layer norm(x W + b)) of 8 inputs and `width` hidden units, mean squared error to its row sums. */
void net_layer_norm(net *n, sn_context *ctx, int64_t width);
/* Softmax regression: 32 inputs, 10 classes. */
void net_softmax_regression(net *n, sn_context *ctx);
/* Logistic regression of symbolic size; the weights are an input and param[0]. */
void net_logistic(net *n, sn_context *ctx);

/* ---- running ----------------------------------------------------------------------------------------------------- */

sn_function *net_function(net *n); /* must succeed */
/* Text of sn_function_show, to be freed with free. */
char *net_show(net *n, sn_function *f, sn_show what);
/* Runs the net fused and not, as support_paths says, on values that follow from the seed; dim: of the named dims in
 * order. Fails the test where results differ from the evaluator's. look is called with each function. */
void net_check(net *n, const int64_t *dim, uint64_t seed, int flags, support_look look, void *arg);

#endif
