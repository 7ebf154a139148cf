/* Values and gradients of composite operators against plain C, and on every path: clamp, tests, gelu, any and all, eye,
 * pad, variances; and products of batches, small ones that fuse and large ones for BLAS. */
#include <check.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "ir/infer.h"
#include "runtime/context.h"
#include "support/support_graph.h"
#include "support/support_paths.h"

static sn_expr of(ir_graph *g, ir_id id) { return (sn_expr){g, id}; }
static ir_id made(ir_graph *g, sn_expr e) {
    if (!e.id) base_fail(&g->trap, sn_graph_status(g), "%s", sn_graph_error(g));
    return e.id;
}
#define CHECK_EXPR(t, e, ...) CHECK_FLOATS(t, made(&(t)->g, e), __VA_ARGS__)

static ir_id gradient(support_graph *t, sn_expr y, sn_expr wrt) {
    sn_expr d;
    ck_assert_msg(!sn_grad(sn_sum_all(y), &wrt, 1, &d), "%s", sn_graph_error(&t->g));
    return d.id;
}

static void expect(ir_graph *g, sn_expr e, sn_status status, const char *words) {
    ck_assert_uint_eq(e.id, 0);
    ck_assert_int_eq(sn_graph_status(g), status);
    ck_assert_msg(strstr(sn_graph_error(g), words) != NULL, "%s: %s", words, sn_graph_error(g));
    g->error = SN_OK;
    g->error_text[0] = 0;
}

IR_TEST(clamps) {
    ir_graph *g = &t->g;
    static const double in[] = {-3, -1, 0.5, 2, 7, NAN, INFINITY, -INFINITY};
    static const int32_t whole[] = {-5, 0, 9};
    sn_expr x = of(g, support_input(t, "x", SN_F64, SIZES(8), in)), low = sn_const(g, -1), high = sn_const(g, 2);
    CHECK_EXPR(t, sn_clamp(x, low, high), -1, -1, 0.5, 2, 2, NAN, 2, -1);
    CHECK_EXPR(t, sn_clamp(x, high, low), -1, -1, -1, -1, -1, NAN, -1, -1); /* as NumPy's clip */
    sn_expr y = sn_clamp(x, low, high);
    CHECK_FLOATS(t, gradient(t, y, x), 0, 1, 1, 1, 0, 1, 0, 0);
    double bound = 1;
    sn_expr top = of(g, support_input(t, "top", SN_F64, 0, NULL, &bound));
    CHECK_FLOATS(t, gradient(t, sn_clamp(x, low, top), top), 3); /* 2, 7 and infinity */
    sn_expr i = of(g, support_input(t, "i", SN_I32, SIZES(3), whole));
    CHECK_INTS(t, made(g, sn_clamp(i, sn_const(g, -1), sn_const(g, 4))), -1, 0, 4);
    CHECK_INTS(t, made(g, sn_isnan(x)), 0, 0, 0, 0, 0, 1, 0, 0);
    CHECK_INTS(t, made(g, sn_isfinite(x)), 1, 1, 1, 1, 1, 0, 0, 0);
    expect(g, sn_clamp(sn_isnan(x), low, high), SN_ERR_DTYPE, "clamp: not for bool");
    expect(g, sn_isnan(i), SN_ERR_DTYPE, "isnan: takes floating-point operands");
    expect(g, sn_isfinite(i), SN_ERR_DTYPE, "isfinite: takes floating-point operands");
}

IR_TEST(gelus) {
    ir_graph *g = &t->g;
    enum { N = 161 };
    double in[N];
    for (int i = 0; i < N; i++) in[i] = (i - 80) / 10.0;
    sn_expr x = of(g, support_input(t, "x", SN_F64, SIZES(N), in));
    const double *exact = support_eval(t, made(g, sn_gelu(x))), *usual = support_eval(t, made(g, sn_gelu_tanh(x)));
    const double *slope = support_eval(t, gradient(t, sn_gelu(x), x));
    for (int i = 0; i < N; i++) {
        double a = in[i], density = exp(-a * a / 2) / sqrt(2 * acos(-1.0));
        ck_assert_double_eq_tol(exact[i], 0.5 * a * erfc(-a / sqrt(2)), 2e-15 * (1 + fabs(a)));
        ck_assert_double_eq_tol(usual[i], 0.5 * a * (1 + tanh(sqrt(2 / acos(-1.0)) * (a + 0.044715 * a * a * a))),
                                4e-15);
        ck_assert_double_le(fabs(usual[i] - exact[i]), 5e-4); /* that it is an approximation of the other */
        ck_assert_double_eq_tol(slope[i], 0.5 * erfc(-a / sqrt(2)) + a * density, 4e-15);
    }
    expect(g, sn_gelu(sn_isnan(x)), SN_ERR_DTYPE, "gelu: takes floating-point operands");
}

IR_TEST(any_and_all) {
    ir_graph *g = &t->g;
    static const uint8_t in[] = {0, 0, 1, 1, 1, 1, 0, 0, 0};
    sn_expr x = of(g, support_input(t, "x", SN_BOOL, SIZES(3, 3), in));
    sn_expr none = of(g, support_input(t, "none", SN_BOOL, SIZES(2, 0), NULL));
    CHECK_INTS(t, made(g, sn_any(x, SN_AXES(1), 0)), 1, 1, 0);
    CHECK_INTS(t, made(g, sn_any(x, SN_AXES(0), 1)), 1, 1, 1);
    CHECK_INTS(t, made(g, sn_all(x, SN_AXES(1), 1)), 0, 1, 0);
    CHECK_INTS(t, made(g, sn_all(x, SN_AXES(0, 1), 0)), 0);
    CHECK_INTS(t, made(g, sn_any(none, SN_AXES(1), 0)), 0, 0);
    CHECK_INTS(t, made(g, sn_all(none, SN_AXES(1), 0)), 1, 1);
    ck_assert_int_eq(sn_expr_dtype(sn_any(x, SN_AXES(1), 0)), SN_BOOL);
    expect(g, sn_any(sn_const_of(g, SN_I32, 1), sn_axes_of(0, NULL), 0), SN_ERR_DTYPE, "any: takes bools");
    expect(g, sn_all(x, SN_AXES(2), 0), SN_ERR_SHAPE, "all: no axis 2");
}

IR_TEST(eyes) {
    ir_graph *g = &t->g;
    sn_dim n = {0, support_named(t, "N", 3)};
    CHECK_EXPR(t, sn_eye(g, SN_F32, SN_DIM(2), SN_DIM(3)), 1, 0, 0, 0, 1, 0);
    CHECK_EXPR(t, sn_eye(g, SN_F64, n, SN_DIM(2)), 1, 0, 0, 1, 0, 0);
    CHECK_INTS(t, made(g, sn_eye(g, SN_BOOL, SN_DIM(2), SN_DIM(2))), 1, 0, 0, 1);
    ck_assert_int_eq(support_count(t, made(g, sn_eye(g, SN_I32, SN_DIM(0), n))), 0);
    expect(g, sn_eye(g, SN_F32, SN_DIM(-1), n), SN_ERR_SHAPE, "eye: negative size");
}

IR_TEST(pads) {
    ir_graph *g = &t->g;
    static const double in[] = {1, 2, 3, 4};
    static const int32_t whole[] = {5};
    sn_dim n = {0, support_named(t, "N", 1)};
    sn_expr x = of(g, support_input(t, "x", SN_F64, SIZES(2, 2), in)), zero = sn_const(g, 0), nan = sn_const(g, NAN);
    sn_shape none = SN_SHAPE(SN_DIM(0), SN_DIM(0)), low = SN_SHAPE(SN_DIM(1), SN_DIM(0)), high = SN_SHAPE(SN_DIM(0), n);
    CHECK_EXPR(t, sn_pad(x, low, high, zero), 0, 0, 0, 1, 2, 0, 3, 4, 0);
    CHECK_EXPR(t, sn_pad(x, low, high, nan), NAN, NAN, NAN, 1, 2, NAN, 3, 4, NAN);
    CHECK_EXPR(t, sn_pad(x, none, low, sn_const(g, -1)), 1, 2, 3, 4, -1, -1);
    ck_assert_uint_eq(sn_pad(x, none, none, nan).id, x.id);
    sn_expr one = of(g, support_input(t, "i", SN_I32, SIZES(1), whole));
    CHECK_INTS(t, made(g, sn_pad(one, SN_SHAPE(n), SN_SHAPE(SN_DIM(2)), sn_const(g, 7))), 7, 5, 7, 7);
    CHECK_INTS(t, made(g, sn_pad(sn_gt(one, sn_const(g, 0)), SN_SHAPE(n), SN_SHAPE(n), sn_const(g, 1))), 1, 1, 1);
    CHECK_FLOATS(t, gradient(t, sn_square(sn_pad(x, low, high, nan)), x), 2, 4, 6, 8);
    double fill = 3;
    sn_expr value = of(g, support_input(t, "v", SN_F64, 0, NULL, &fill));
    CHECK_FLOATS(t, gradient(t, sn_square(sn_pad(x, low, high, value)), value), 2 * 3 * 5);
    expect(g, sn_pad(x, low, SN_SHAPE(SN_DIM(1)), zero), SN_ERR_SHAPE, "pad: 2 and 1 amounts for x is f64[2,2]");
    expect(g, sn_pad(x, low, SN_SHAPE(SN_DIM(-1), SN_DIM(0)), zero), SN_ERR_SHAPE, "must not be negative");
    expect(g, sn_pad(x, low, high, x), SN_ERR_DTYPE, "pad: the value must be a scalar");
    expect(g, sn_pad(x, low, high, sn_const_of(g, SN_F32, 0)), SN_ERR_DTYPE, "pad: the value must be a scalar");
}

IR_TEST(variances) {
    ir_graph *g = &t->g;
    static const double in[] = {1, 2, 4, 9, 5, 5};
    sn_expr x = of(g, support_input(t, "x", SN_F64, SIZES(2, 3), in));
    const double *have = support_eval(t, made(g, sn_variance_ddof(x, SN_AXES(1), 1, 0)));
    ck_assert_double_eq_tol(have[0], 7.0 / 3, 1e-15);
    ck_assert_double_eq_tol(have[1], 16.0 / 3, 1e-14);
    have = support_eval(t, made(g, sn_std(x, SN_AXES(0), 0, 1)));
    for (int i = 0; i < 3; i++) ck_assert_double_eq_tol(have[i], fabs(in[i] - in[i + 3]) / 2, 1e-15);
    const double *biased = support_eval(t, made(g, sn_variance(x, SN_AXES(0, 1), 0)));
    have = support_eval(t, made(g, sn_variance_ddof(x, SN_AXES(0, 1), 0, 0)));
    ck_assert_double_eq_tol(have[0], biased[0], 1e-14);
    have = support_eval(t, made(g, sn_std(sn_slice(x, 0, SN_DIM(0), SN_DIM(1)), SN_AXES(0), 1, 0))); /* of one number */
    ck_assert(isnan(have[0]) && isnan(have[2]));
    expect(g, sn_std(sn_const_of(g, SN_I32, 1), sn_axes_of(0, NULL), 1, 0), SN_ERR_DTYPE, "std: takes floating-point");
}

/* ---- on every path ----------------------------------------------------------------------------------------------- */

static sn_context *ctx;
static void open_context(void) { ctx = support_twin_context(); }
static void close_context(void) { sn_context_free(ctx); }

static void paths_of_elements(support_case *c, const void *arg) {
    ir_graph *g = c->g;
    sn_dtype dtype = *(const sn_dtype *)arg;
    ir_dim n = support_case_dim(c, "N", 37);
    sn_expr x = of(g, support_case_input(c, dtype, 2, (const ir_dim[]){n, ir_dim_const(g, 50)})), d;
    sn_expr low = sn_const(g, -1), high = sn_const(g, 0.5), positive = sn_gt(x, sn_const(g, 0));
    sn_shape before = SN_SHAPE(SN_DIM(2), SN_DIM(0)), after = SN_SHAPE(SN_DIM(0), (sn_dim){0, n});
    sn_expr outs[] = {sn_clamp(x, low, high),
                      sn_gelu(x),
                      sn_gelu_tanh(x),
                      sn_round(sn_mul(x, sn_const(g, 4))),
                      sn_any(positive, SN_AXES(1), 0),
                      sn_all(positive, SN_AXES(0), 0),
                      sn_pad(x, before, after, low),
                      sn_pad(sn_square(x), before, after, sn_const(g, INFINITY)),
                      sn_std(x, SN_AXES(1), 1, 1),
                      sn_variance_ddof(x, SN_AXES(0), 2, 0),
                      sn_matmul(x, sn_eye(g, dtype, SN_DIM(50), SN_DIM(7)))};
    sn_expr total = sn_const_of(g, dtype, 0);
    for (size_t i = 0; i < sizeof outs / sizeof *outs; i++) {
        support_case_out(c, made(g, outs[i]), 0);
        if (i < 3 || i == 6 || i == 8 || i == 9) total = sn_add(total, sn_sum_all(outs[i]));
    }
    if (sn_grad(total, &x, 1, &d)) base_fail(&g->trap, SN_ERR_GRADIENT, "%s", sn_graph_error(g));
    support_case_out(c, d.id, 0);
}

static const int64_t batch_shapes[][4] = {{5, 3, 4, 2}, {3, 70, 40, 50}, {2, 64, 100, 33}, {0, 4, 3, 2},
                                          {3, 0, 5, 4}, {2, 3, 5, 0},    {40, 1, 1, 16},   {2, 128, 128, 128}};

static void paths_of_batches(support_case *c, const void *arg) {
    ir_graph *g = c->g;
    const int64_t *s = arg;
    ir_id plain[2] = {support_case_sizes(c, SN_F32, 3, (const int64_t[]){s[0], s[1], s[3]}),
                      support_case_sizes(c, SN_F32, 3, (const int64_t[]){s[0], s[3], s[2]})};
    ir_id across[2] = {support_case_sizes(c, SN_F32, 3, (const int64_t[]){s[0], s[3], s[1]}),
                       support_case_sizes(c, SN_F32, 3, (const int64_t[]){s[0], s[2], s[3]})};
    for (int64_t flags = 0; flags < 4; flags++) {
        ir_id y = ir_matmul_flags(g, flags & 1 ? across[0] : plain[0], flags & 2 ? across[1] : plain[1], flags);
        support_case_out(c, flags & 1 ? y : ir_unary(g, IR_TANH, y), 0);
    }
    ir_id one = support_case_sizes(c, SN_F32, 2, (const int64_t[]){s[3], s[2]});
    ir_id bias = support_case_sizes(c, SN_F32, 1, (const int64_t[]){s[2]});
    support_case_out(c, ir_binary(g, IR_ADD, ir_matmul(g, plain[0], one), bias), 0);
    support_case_out(c, ir_matmul(g, ir_transpose(g, one, (const uint8_t[]){1, 0}), across[0]), 0);
    ir_id y = ir_reduce(g, IR_SUM, ir_unary(g, IR_SQUARE, ir_matmul(g, plain[0], plain[1])), 7, 0), d[2];
    ir_grad(g, y, plain, 2, d);
    support_case_out(c, d[0], 0);
    support_case_out(c, d[1], 0);
}

START_TEST(elements_on_paths) {
    static const sn_dtype reals[] = {SN_F32, SN_F64};
    for (int k = 0; k < 2; k++)
        support_run_case(ctx, "composites", paths_of_elements, &reals[k], SUPPORT_COMPILED | SUPPORT_THREADS);
}
END_TEST

START_TEST(batches_on_paths) {
    support_run_case(ctx, "batches", paths_of_batches, batch_shapes[_i], SUPPORT_COMPILED | SUPPORT_THREADS);
}
END_TEST

int main(void) {
    Suite *suite = suite_create("more composites");
    TCase *tests = tcase_create("values");
    tcase_add_test(tests, clamps);
    tcase_add_test(tests, gelus);
    tcase_add_test(tests, any_and_all);
    tcase_add_test(tests, eyes);
    tcase_add_test(tests, pads);
    tcase_add_test(tests, variances);
    suite_add_tcase(suite, tests);
    TCase *runs = tcase_create("paths");
    tcase_set_timeout(runs, 120);
    tcase_add_checked_fixture(runs, open_context, close_context);
    tcase_add_test(runs, elements_on_paths);
    tcase_add_loop_test(runs, batches_on_paths, 0, (int)(sizeof batch_shapes / sizeof *batch_shapes));
    suite_add_tcase(suite, runs);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed != 0;
}
