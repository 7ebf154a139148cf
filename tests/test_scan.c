/* Products, running sums and products, recurrences: against plain loops, gradients at zeros and to the second order
 * against central differences, and every path. */
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

static void expect(ir_graph *g, sn_expr e, sn_status status, const char *words) {
    ck_assert_uint_eq(e.id, 0);
    ck_assert_int_eq(sn_graph_status(g), status);
    ck_assert_msg(strstr(sn_graph_error(g), words) != NULL, "%s: %s", words, sn_graph_error(g));
    g->error = SN_OK;
    g->error_text[0] = 0;
}

/* ---- values ------------------------------------------------------------------------------------------------------ */

IR_TEST(products) {
    ir_graph *g = &t->g;
    static const double in[] = {1, 2, 3, -4, 0, 5};
    static const int32_t whole[] = {1 << 20, 1 << 10, 3, -7};
    sn_expr x = of(g, support_input(t, "x", SN_F64, SIZES(2, 3), in)),
            none = of(g, support_random(t, "e", SIZES(2, 0)));
    CHECK_EXPR(t, sn_prod(x, SN_AXES(1), 0), 6, -0.0);
    CHECK_EXPR(t, sn_prod(x, SN_AXES(0), 1), -4, 0, 15);
    CHECK_EXPR(t, sn_prod_all(x), -0.0);
    CHECK_EXPR(t, sn_prod(none, SN_AXES(1), 0), 1, 1);
    sn_expr i = of(g, support_input(t, "i", SN_I32, SIZES(2, 2), whole));
    CHECK_INTS(t, made(g, sn_prod(i, SN_AXES(1), 0)), 1 << 30, -21);
    CHECK_INTS(t, made(g, sn_prod_all(i)), (int32_t)((uint32_t)(1 << 30) * (uint32_t)-21));
    expect(g, sn_prod(sn_gt(x, none), SN_AXES(0), 0), SN_ERR_SHAPE, "gt: shapes do not fit");
    expect(g, sn_prod_all(sn_isnan(x)), SN_ERR_DTYPE, "prod_all: not for bool");
}

IR_TEST(running) {
    ir_graph *g = &t->g;
    static const double in[] = {1, 2, 3, 4, 5, 6};
    static const uint8_t bytes[] = {200, 100, 3};
    sn_expr x = of(g, support_input(t, "x", SN_F64, SIZES(2, 3), in)),
            u = of(g, support_input(t, "u", SN_U8, SIZES(3), bytes));
    CHECK_EXPR(t, sn_cumsum(x, 1, 0, 0), 1, 3, 6, 4, 9, 15);
    CHECK_EXPR(t, sn_cumsum(x, 0, 0, 0), 1, 2, 3, 5, 7, 9);
    CHECK_EXPR(t, sn_cumsum(x, -1, 1, 0), 0, 1, 3, 0, 4, 9);
    CHECK_EXPR(t, sn_cumsum(x, -1, 0, 1), 6, 5, 3, 15, 11, 6);
    CHECK_EXPR(t, sn_cumsum(x, -1, 1, 1), 5, 3, 0, 11, 6, 0);
    CHECK_EXPR(t, sn_cumprod(x, 1, 0, 0), 1, 2, 6, 4, 20, 120);
    CHECK_EXPR(t, sn_cumprod(x, 1, 1, 0), 1, 1, 2, 1, 4, 20);
    CHECK_EXPR(t, sn_cumprod(x, 1, 0, 1), 6, 6, 3, 120, 30, 6);
    CHECK_EXPR(t, sn_cumprod(x, 1, 1, 1), 6, 3, 1, 30, 6, 1);
    CHECK_INTS(t, made(g, sn_cumsum(u, 0, 0, 0)), 200, 44, 47);
    CHECK_INTS(t, made(g, sn_cumprod(u, 0, 0, 0)), 200, 20000 & 255, 60000 & 255);
    CHECK_EXPR(t, sn_recurrence(sn_const(g, 0.5), x, 1, 0), 1, 2.5, 4.25, 4, 7, 9.5);
    CHECK_EXPR(t, sn_recurrence(x, sn_const(g, 1), 1, 1), 1 + 1 * (1 + 2 * 1), 1 + 2 * 1, 1, 1 + 4 * (1 + 5 * 1), 1 + 5,
               1);
    /* An infinite factor in front of nothing is no NaN. */
    static const double odd[] = {INFINITY, 2, 0};
    CHECK_EXPR(t, sn_cumprod(of(g, support_input(t, "o", SN_F64, SIZES(3), odd)), 0, 0, 0), INFINITY, INFINITY, NAN);
    sn_dim n = {0, support_named(t, "N", 0)};
    ck_assert_int_eq(support_count(t, made(g, sn_cumprod(sn_iota(g, SN_F32, n), 0, 1, 1))), 0);
    support_named(t, "N", 3);
    CHECK_EXPR(t, sn_cumprod(sn_iota(g, SN_F32, n), 0, 1, 1), 2, 2, 1);
    expect(g, sn_cumsum(sn_isnan(x), 0, 0, 0), SN_ERR_DTYPE, "cumsum: not for bool");
    expect(g, sn_cumsum(x, 2, 0, 0), SN_ERR_SHAPE, "cumsum: no axis 2");
    expect(g, sn_recurrence(x, u, 0, 0), SN_ERR_DTYPE, "element types differ");
    expect(g, sn_recurrence(sn_const(g, 1), sn_const(g, 1), 0, 0), SN_ERR_SHAPE, "recurrence: no axis 0");
}

/* ---- gradients --------------------------------------------------------------------------------------------------- */

enum { MOST = 12 };

/* d and, by differentiating its weighted sum again, every second derivative, against central differences of f, which is
 * a polynomial of the inputs: no limits are needed and zeros are as good as other values. */
static void check_orders(support_graph *t, ir_id y, ir_id x, double *at, int n) {
    ir_graph *g = &t->g;
    ir_id d, dd[MOST];
    ir_grad(g, y, &x, 1, &d);
    for (int i = 0; i < n; i++) {
        ir_id flat = ir_reshape(g, d, 1, (const ir_dim[]){support_size(t, n)});
        ir_id one = ir_slice(g, flat, &(ir_range){.start = support_size(t, i), .step = 1, .size = support_size(t, 1)});
        ir_grad(g, support_sum_all(t, one), &x, 1, &dd[i]);
    }
    const double h = 1e-3;
    for (int i = 0; i < n; i++) {
        double was = at[i], low, high, slope, lows[MOST], have;
        at[i] = was - h, low = support_eval_scalar(t, y), memcpy(lows, support_eval(t, d), sizeof *lows * (size_t)n);
        at[i] = was + h, high = support_eval_scalar(t, y);
        const double *highs = support_eval(t, d);
        at[i] = was;
        slope = ((const double *)support_eval(t, d))[i];
        ck_assert_msg(fabs(slope - (high - low) / (2 * h)) < 1e-4, "d %d: %g, not %g", i, slope,
                      (high - low) / (2 * h));
        for (int k = 0; k < n; k++) {
            have = ((const double *)support_eval(t, dd[k]))[i];
            double want = (highs[k] - lows[k]) / (2 * h);
            ck_assert_msg(fabs(have - want) < 1e-4, "d %d d %d: %g, not %g", k, i, have, want);
        }
    }
}

IR_TEST(product_gradients) {
    ir_graph *g = &t->g;
    static double none[] = {1, -2, 0.5, 3, 1.5, -1}, one[] = {1, 0, 0.5, 3, 1.5, -1}, two[] = {0, -2, 0, 3, 0, -1};
    double *all[] = {none, one, two};
    for (int k = 0; k < 3; k++) {
        char name[2] = {(char)('a' + k), 0};
        ir_id x = support_input(t, name, SN_F64, SIZES(2, 3), all[k]);
        for (uint32_t axes = 1; axes < 4; axes++) {
            ir_id y = ir_reduce(g, IR_PROD, x, axes, 0);
            if (axes < 3)
                y = ir_binary(g, IR_MUL, y,
                              ir_binary(g, IR_ADD, ir_iota(g, SN_F64, ir_at(g, y)->dim[0]), ir_const_weak(g, 1)));
            check_orders(t, support_sum_all(t, y), x, all[k], 6);
        }
    }
    /* A row without elements. */
    ir_id e = support_random(t, "e", SIZES(2, 0)), d;
    ir_grad(g, support_sum_all(t, ir_reduce(g, IR_PROD, e, 2, 0)), &e, 1, &d);
    ck_assert_int_eq(support_count(t, d), 0);
}

IR_TEST(running_gradients) {
    ir_graph *g = &t->g;
    static double at[] = {1, 0, 0.5, 3, -1.5, 0}, other[] = {0.5, -1, 2, 0, 1, 0.25};
    ir_id x = support_input(t, "x", SN_F64, SIZES(2, 3), at), w = support_input(t, "w", SN_F64, SIZES(2, 3), other);
    for (int k = 0; k < 8; k++) {
        uint32_t axis = k & 1;
        int exclusive = k >> 1 & 1, back = k >> 2;
        ir_id sum = ir_cumsum(g, ir_unary(g, IR_SQUARE, x), axis, exclusive, back);
        check_orders(t, support_sum_all(t, ir_binary(g, IR_MUL, sum, w)), x, at, 6);
        ir_id product = ir_cumprod(g, x, axis, exclusive, back);
        check_orders(t, support_sum_all(t, ir_binary(g, IR_MUL, product, w)), x, at, 6);
        ir_id y = ir_unary(g, IR_SQUARE, ir_recurrence(g, x, w, axis, back));
        check_orders(t, support_sum_all(t, y), x, at, 6);
        check_orders(t, support_sum_all(t, y), w, other, 6);
    }
    /* The gradient of a running sum is the running sum from the other end, and nothing is moved for it. */
    ir_id d;
    ir_grad(g, support_sum_all(t, ir_binary(g, IR_MUL, ir_cumsum(g, x, 1, 0, 0), w)), &x, 1, &d);
    ck_assert_uint_eq(d, ir_cumsum(g, w, 1, 0, 1));
}

/* ---- on every path ----------------------------------------------------------------------------------------------- */

static sn_context *ctx;
static void open_context(void) { ctx = support_twin_context(); }
static void close_context(void) { sn_context_free(ctx); }

static const struct {
    uint32_t rank;
    int64_t size[3];
} shapes[] = {{1, {1000}},  {1, {1}},         {1, {0}},        {2, {37, 19}},  {2, {1, 70}},
              {2, {70, 1}}, {3, {5, 33, 18}}, {3, {40, 3, 1}}, {3, {4, 0, 5}}, {2, {300, 40}}};
enum { N_SHAPES = sizeof shapes / sizeof *shapes };

static void paths(support_case *c, const void *arg) {
    ir_graph *g = c->g;
    int which = *(const int *)arg, is_real = which >= N_SHAPES;
    uint32_t rank = shapes[which % N_SHAPES].rank;
    static const sn_dtype whole[] = {SN_I64, SN_I32, SN_U8};
    sn_dtype dtype = is_real ? (which & 1 ? SN_F32 : SN_F64) : whole[which % 3];
    ir_dim dims[3] = {0};
    for (uint32_t i = 0; i < rank; i++)
        dims[i] = i || which % 4 == 0 ? ir_dim_const(g, shapes[which % N_SHAPES].size[i])
                                      : support_case_dim(c, "N", shapes[which % N_SHAPES].size[i]);
    ir_id x = support_case_input(c, dtype, rank, dims), y = support_case_input(c, dtype, rank, dims);
    if (is_real) x = ir_unary(g, IR_TANH, x); /* that nothing grows without bound */
    for (uint32_t axis = 0; axis < rank; axis++)
        for (int back = 0; back < 2; back++) {
            support_case_out(c, ir_recurrence(g, x, y, axis, back), 0);
            support_case_out(c, ir_cumsum(g, y, axis, back, back), 0);
            support_case_out(c, ir_cumprod(g, x, axis, !back, back), 0);
            if (rank == 3 && back) continue;
            ir_id small = ir_const(g, dtype, is_real ? 0.75 : 3);
            ir_id z = ir_recurrence(g, small, ir_binary(g, IR_MUL, x, y), axis, back);
            support_case_out(c, ir_binary(g, IR_ADD, z, y), 0);
        }
    for (uint32_t axes = 1; axes < 1u << rank; axes++) support_case_out(c, ir_reduce(g, IR_PROD, x, axes, 0), 0);
    if (!is_real) return;
    ir_id total = ir_reduce(g, IR_SUM, ir_recurrence(g, x, y, 0, 0), (1u << rank) - 1, 0), wrt[2] = {x, y}, d[2];
    ir_grad(g, ir_binary(g, IR_ADD, total, ir_reduce(g, IR_SUM, ir_reduce(g, IR_PROD, x, 1, 1), (1u << rank) - 1, 0)),
            wrt, 2, d);
    support_case_out(c, d[0], 0);
    support_case_out(c, d[1], 0);
}

START_TEST(on_every_path) {
    int which = _i;
    support_run_case(ctx, "scans", paths, &which, SUPPORT_COMPILED | SUPPORT_THREADS);
}
END_TEST

int main(void) {
    Suite *suite = suite_create("scan");
    TCase *tests = tcase_create("values");
    tcase_add_test(tests, products);
    tcase_add_test(tests, running);
    tcase_add_test(tests, product_gradients);
    tcase_add_test(tests, running_gradients);
    suite_add_tcase(suite, tests);
    TCase *runs = tcase_create("paths");
    tcase_set_timeout(runs, 120);
    tcase_add_checked_fixture(runs, open_context, close_context);
    tcase_add_loop_test(runs, on_every_path, 0, 2 * N_SHAPES);
    suite_add_tcase(suite, runs);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed != 0;
}
