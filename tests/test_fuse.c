/* What fusion makes of whole networks: the groups (tests/golden/fuse), the launches, the bytes moved, and that results are
 * the evaluator's, fused and not, with no, one and more examples. */
#include <check.h>
#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "support/golden.h"
#include "support/nets.h"

/* ---- the cases ---------------------------------------------------------------------------------------------------------- */

static void moons(net *n, sn_context *ctx, int64_t h, int transposed, int with_loss) {
    net_moons(n, ctx, h, transposed);
    if (with_loss) net_output(n, n->loss);
    net_sgd(n, 0.01);
}
static void moons_3(net *n, sn_context *ctx) { moons(n, ctx, 3, 0, 0); }
static void moons_3_loss(net *n, sn_context *ctx) { moons(n, ctx, 3, 0, 1); }
static void moons_1000(net *n, sn_context *ctx) { moons(n, ctx, 1000, 0, 0); }
static void moons_1000_loss(net *n, sn_context *ctx) { moons(n, ctx, 1000, 0, 1); }
static void moons_3_t(net *n, sn_context *ctx) { moons(n, ctx, 3, 1, 0); }
static void moons_1000_t(net *n, sn_context *ctx) { moons(n, ctx, 1000, 1, 0); }

static void moons_momentum(net *n, sn_context *ctx) {
    net_moons(n, ctx, 1000, 0);
    net_momentum(n, 0.01, 0.9);
}

static void moons_loss(net *n, sn_context *ctx) {
    net_moons(n, ctx, 1000, 0);
    net_output(n, n->loss);
}

static void digit_out_in(net *n, sn_context *ctx) {
    net_digit(n, ctx, 1);
    net_sgd(n, 0.1);
}

static void digit_in_out(net *n, sn_context *ctx) {
    net_digit(n, ctx, 0);
    net_sgd(n, 0.1);
}

static void relu3(net *n, sn_context *ctx) {
    net_relu3(n, ctx);
    net_output(n, n->loss);
    net_sgd(n, 0.1);
}

static void layer_norm_64(net *n, sn_context *ctx) {
    net_layer_norm(n, ctx, 64);
    net_output(n, n->loss);
    net_sgd(n, 0.1);
}

static void softmax_regression(net *n, sn_context *ctx) {
    net_softmax_regression(n, ctx);
    net_output(n, n->loss);
    net_sgd(n, 0.1);
}

static void softmax_regression_adam(net *n, sn_context *ctx) {
    net_softmax_regression(n, ctx);
    net_adam(n, 0.001);
}

static void logistic(net *n, sn_context *ctx) {
    net_logistic(n, ctx);
    sn_expr d;
    ck_assert_int_eq(sn_grad(n->loss, n->param, 1, &d), SN_OK);
    net_output(n, d);
}

static void softmax(net *n, sn_context *ctx) {
    net_begin(n, ctx, "softmax");
    sn_dim N = net_dim(n, "N"), C = net_dim(n, "C");
    net_output(n, sn_softmax(net_input(n, "x", SN_SHAPE(N, C)), 1));
}

static void sum(net *n, sn_context *ctx) {
    net_begin(n, ctx, "sum");
    net_output(n, sn_sum_all(net_input(n, "x", SN_SHAPE(net_dim(n, "N")))));
}

static void sum_and_max(net *n, sn_context *ctx) {
    net_begin(n, ctx, "summax");
    sn_expr x = net_input(n, "x", SN_SHAPE(net_dim(n, "N")));
    net_output(n, sn_sum_all(x));
    net_output(n, sn_amax_all(x));
}

static void column_sums(net *n, sn_context *ctx) {
    net_begin(n, ctx, "columns");
    sn_dim N = net_dim(n, "N"), C = net_dim(n, "C");
    net_output(n, sn_sum(net_input(n, "x", SN_SHAPE(N, C)), SN_AXES(0), 0));
}

static void column_sums_of_5(net *n, sn_context *ctx) {
    net_begin(n, ctx, "columns5");
    net_output(n, sn_sum(net_input(n, "x", SN_SHAPE(net_dim(n, "N"), SN_DIM(5))), SN_AXES(0), 0));
}

static void add_transposed(net *n, sn_context *ctx) {
    net_begin(n, ctx, "addt");
    sn_dim N = net_dim(n, "N");
    sn_expr x = net_input(n, "x", SN_SHAPE(N, N));
    net_output(n, sn_add(x, sn_t(x)));
}

static void swap(net *n, sn_context *ctx) {
    net_begin(n, ctx, "swap");
    sn_expr a = net_var(n, "A", 1, NET_SIZES(50, 20)), b = net_var(n, "B", 1, NET_SIZES(50, 20));
    net_update(n, a, b);
    net_update(n, b, a);
}

static void chain(net *n, sn_context *ctx) {
    net_begin(n, ctx, "chain");
    sn_dim N = net_dim(n, "N");
    sn_expr x = net_input(n, "x", SN_SHAPE(N, SN_DIM(8))), y = net_input(n, "y", SN_SHAPE(N, SN_DIM(8)));
    sn_expr bias = net_input(n, "bias", SN_SHAPE(SN_DIM(8)));
    net_output(n, sn_tanh(sn_mul(sn_add(sn_exp(sn_neg(x)), y), bias)));
}

/* ---- what is expected of them --------------------------------------------------------------------------------------------- */

typedef struct {
    const char *name;
    void (*build)(net *n, sn_context *ctx);
    uint32_t n_kernels, n_matmuls;
    int fused; /* moves fewer bytes than unfused */
} fuse_case;

static const fuse_case cases[] = {
#define CASE(name, kernels, matmuls, fused) {#name, name, kernels, matmuls, fused}
    CASE(moons_3, 2, 0, 1),
    CASE(moons_3_loss, 3, 0, 1),
    CASE(moons_1000, 2, 0, 1),
    CASE(moons_1000_loss, 3, 0, 1),
    CASE(moons_3_t, 2, 0, 1),
    CASE(moons_1000_t, 2, 0, 1),
    CASE(moons_momentum, 2, 0, 1),
    CASE(moons_loss, 2, 0, 1),
    CASE(digit_out_in, 2, 0, 1),
    CASE(digit_in_out, 2, 0, 1),
    CASE(relu3, 2, 0, 1),
    CASE(layer_norm_64, 2, 0, 1),
    CASE(softmax_regression, 2, 0, 1),
    CASE(softmax_regression_adam, 2, 0, 1),
    CASE(logistic, 2, 0, 1),
    CASE(softmax, 1, 0, 1),
    CASE(sum, 2, 0, 0),
    CASE(sum_and_max, 2, 0, 0),
    CASE(column_sums, 1, 0, 0),
    CASE(column_sums_of_5, 1, 0, 0),
    CASE(add_transposed, 1, 0, 0),
    CASE(swap, 1, 0, 0),
    CASE(chain, 1, 0, 1),
#undef CASE
};
enum { N_CASES = sizeof cases / sizeof *cases };
START_TEST(show) {
    int i = _i;
        sn_context *ctx = support_twin_context(); net n; cases[i].build(&n, ctx);
        sn_function *f = net_function(&n);
        sn_function_stats s; sn_function_get_stats(f,&s);
        char *t = net_show(&n, f, SN_SHOW_FUSE);
        printf("##### %s: %u/%u kernels %u matmuls\n%s", cases[i].name, s.n_kernels, cases[i].n_kernels, s.n_matmuls, t);
        if (getenv("WHY")) { puts(net_show(&n, f, SN_SHOW_WHY)); }
        if (getenv("OPT")) { puts(net_show(&n, f, SN_SHOW_OPT)); }
        free(t); sn_function_free(f); net_free(&n); sn_context_free(ctx);
} END_TEST
int main(void){ Suite *s = suite_create("f"); TCase *c = tcase_create("c"); suite_add_tcase(s,c); 
 const char *only=getenv("ONLY"); for (int i=0;i<N_CASES;i++) if(!only||!strcmp(only,cases[i].name)) tcase_add_loop_test(c, show, i, i+1);
 SRunner *r = srunner_create(s); srunner_run_all(r, CK_NORMAL); return srunner_ntests_failed(r)!=0; }
