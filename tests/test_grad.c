/* Gradients against central differences in f64 through the graph evaluator: every differentiable operator of the table,
 * alone and differentiated twice; then shapes, ties, composites. What has no gradient: test_grad_paths.c. With SN_TWIN
 * the graphs of gradients are compiled and run, too. */
#include <check.h>
#include <float.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "ir/infer.h"
#include "support/support_compiled.h"

/* ---- central differences -------------------------------------------------------------------------------------- */

/* The domain's inner scale at x: a step of this times 1e-5 keeps the error of a difference far below the tolerance. */
static double scale_at(ir_domain domain, double x) {
    switch (domain) {
        case IR_DOM_POS:
        case IR_DOM_NONZERO:
        case IR_DOM_POWER: return fabs(x) < 1 ? fabs(x) + 1e-9 : 1;
        case IR_DOM_ABOVE_M1: return x < 0 ? 1 + x : 1;
        default: return 1;
    }
}

static const void **value_slot(support_graph *t, ir_id input) {
    for (uint32_t i = 0; i < t->g.input.n; i++)
        if (t->g.input.at[i] == input) return &t->input[i];
    ck_abort_msg("not an input");
}

/* Compares d, which is said to be dy/dx for the f64 input x, with differences of y. */
static void check_against_differences(support_graph *t, const char *what, ir_id y, ir_id x, ir_id d, ir_domain domain) {
    const ir_node *have = ir_at(&t->g, d), *want = ir_at(&t->g, x);
    ck_assert_msg(have->dtype == want->dtype && have->rank == want->rank, "%s: wrong type", what);
    for (uint32_t i = 0; i < want->rank; i++) ck_assert_uint_eq(have->dim[i], want->dim[i]);

    const void **slot = value_slot(t, x);
    int64_t n = support_count(t, x);
    const double *at = *slot, *slope = support_eval(t, d);
    double *moved = ARENA_ARRAY(&t->g.arena, double, (size_t)n);
    for (int64_t i = 0; i < n; i++) {
        double h = 1e-5 * scale_at(domain, at[i]);
        memcpy(moved, at, (size_t)n * sizeof *moved);
        *slot = moved;
        moved[i] = at[i] + h;
        double up = support_eval_scalar(t, y), right = moved[i];
        moved[i] = at[i] - h;
        double down = support_eval_scalar(t, y), left = moved[i];
        *slot = at;
        double difference = (up - down) / (right - left);
        double tolerance = 2e-6 * fabs(difference) + 64 * DBL_EPSILON * (1 + fabs(up)) / h;
        ck_assert_msg(fabs(slope[i] - difference) <= tolerance,
                      "%s: element %lld at %.17g: gradient %.12g, difference %.12g", what, (long long)i, at[i],
                      slope[i], difference);
    }
}

static void verify(support_graph *t, const ir_id *d, uint32_t n) {
    char text[256];
    const char *broken = ir_verify(&t->g, &(ir_roots){.n_out = n, .out = d}, text);
    ck_assert_msg(!broken, "%s", broken);
}

/* sum(w * e) for random weights w: a scalar through which every element of e has its own adjoint. */
static ir_id weigh(support_graph *t, ir_id e) {
    const ir_node node = *ir_at(&t->g, e);
    char name[16];
    snprintf(name, sizeof name, "weight%u", t->g.input.n);
    int64_t n = support_count(t, e);
    double *w = ARENA_ARRAY(&t->g.arena, double, (size_t)n);
    for (int64_t i = 0; i < n; i++) w[i] = support_uniform(t, 0.5, 1.5);
    ir_id weights = support_input_dims(t, name, SN_F64, node.rank, node.dim, w);
    return ir_reduce(&t->g, IR_SUM, ir_binary(&t->g, IR_MUL, e, weights), (1u << node.rank) - 1, 0);
}

/* First and second derivatives of the scalar y by inputs x[]. */
static void check_scalar(support_graph *t, const char *what, ir_id y, const ir_id *x, uint32_t n, ir_domain domain) {
    ir_id d[4], dd[4], all[20];
    uint32_t n_all = n;
    char second[96];
    ck_assert_uint_le(n, 4);
    ir_grad(&t->g, y, x, n, d);
    verify(t, d, n);
    memcpy(all, d, n * sizeof *d);
    for (uint32_t i = 0; i < n; i++) check_against_differences(t, what, y, x[i], d[i], domain);
    for (uint32_t i = 0; i < n; i++) {
        ir_id s = weigh(t, d[i]);
        snprintf(second, sizeof second, "%s, second by operand %u", what, i);
        ir_grad(&t->g, s, x, n, dd);
        verify(t, dd, n);
        for (uint32_t k = 0; k < n; k++) check_against_differences(t, second, s, x[k], all[n_all++] = dd[k], domain);
    }
    support_check_compiled(t, what, all, n_all);
}

static void check_expr(support_graph *t, const char *what, ir_id e, const ir_id *x, uint32_t n) {
    check_scalar(t, what, weigh(t, e), x, n, IR_DOM_ANY);
}

/* ---- every element-wise operator ------------------------------------------------------------------------------ */

typedef struct {
    uint32_t rank[2];
    int64_t size[2][3];
} shapes;

static const shapes all_shapes[] = {
    {{0, 0}, {{0}, {0}}},    {{1, 1}, {{1}, {1}}},    {{1, 1}, {{5}, {5}}},    {{2, 2}, {{3, 4}, {3, 4}}},
    {{2, 1}, {{3, 1}, {4}}}, {{1, 2}, {{4}, {3, 4}}}, {{0, 2}, {{0}, {2, 3}}}, {{3, 2}, {{2, 1, 3}, {4, 1}}},
    {{2, 1}, {{0, 3}, {3}}}, {{2, 1}, {{3, 0}, {1}}},
};

static int op_under_test;
static const shapes *shapes_under_test;

static int differentiable(int op) {
    const ir_op_info *info = &ir_ops[op];
    return info->cls == IR_CLASS_EWISE && op != IR_CAST && op != IR_SELECT && (info->types & IR_T_F) &&
           !info->to_bool && !(info->flags & IR_NOGRAD);
}

static void one_operator(support_graph *t) {
    int op = op_under_test;
    const ir_op_info *info = &ir_ops[op];
    ir_id x[2] = {0}, x32[2] = {0}, d[2], d32[2];
    for (int k = 0; k < info->n_operands; k++) {
        uint32_t rank = shapes_under_test->rank[k];
        const int64_t *size = shapes_under_test->size[k];
        int64_t n = 1;
        for (uint32_t i = 0; i < rank; i++) n *= size[i];
        double *value = support_domain(t, (ir_domain)info->domain, k, n);
        float *single = ARENA_ARRAY(&t->g.arena, float, (size_t)n);
        for (int64_t i = 0; i < n; i++) value[i] = (double)(single[i] = (float)value[i]);
        x[k] = support_input(t, k ? "b" : "a", SN_F64, rank, size, value);
        x32[k] = support_input(t, k ? "b32" : "a32", SN_F32, rank, size, single);
    }
    check_scalar(t, info->name, weigh(t, support_apply(t, op, x[0], x[1])), x, info->n_operands,
                 (ir_domain)info->domain);

    /* The same rule in f32. */
    ir_id e = support_apply(t, op, x[0], x[1]), e32 = support_apply(t, op, x32[0], x32[1]);
    uint32_t axes = (1u << ir_at(&t->g, e)->rank) - 1;
    ir_grad(&t->g, ir_reduce(&t->g, IR_SUM, e, axes, 0), x, info->n_operands, d);
    ir_grad(&t->g, ir_reduce(&t->g, IR_SUM, e32, axes, 0), x32, info->n_operands, d32);
    support_check_compiled(t, info->name, d32, info->n_operands);
    for (int k = 0; k < info->n_operands; k++) {
        ck_assert_uint_eq(ir_at(&t->g, d32[k])->dtype, SN_F32);
        const double *wide = support_eval(t, d[k]);
        const float *single = support_eval(t, d32[k]);
        for (int64_t i = 0, n = support_count(t, d[k]); i < n; i++)
            ck_assert_msg(fabs((double)single[i] - wide[i]) <= 1e-5 * (fabs(wide[i]) + 1), "%s in f32: %g, %g",
                          info->name, (double)single[i], wide[i]);
    }
}

START_TEST(every_operator) {
    op_under_test = _i;
    if (!differentiable(_i)) return;
    for (size_t s = 0; s < sizeof all_shapes / sizeof *all_shapes; s++) {
        shapes_under_test = &all_shapes[s];
        support_run(one_operator);
    }
}
END_TEST

/* ---- single operators, exactly -------------------------------------------------------------------------------- */

IR_TEST(polynomial_is_9_at_2) {
    double at = 2;
    ir_graph *g = &t->g;
    ir_id x = support_input(t, "x", SN_F64, 0, NULL, &at), d, dd;
    ir_id y = ir_binary(g, IR_ADD,
                        ir_binary(g, IR_ADD, ir_unary(g, IR_SQUARE, x), ir_binary(g, IR_MUL, ir_const_weak(g, 5), x)),
                        ir_const_weak(g, 2));
    ir_grad(g, y, &x, 1, &d);
    ck_assert_double_eq(support_eval_scalar(t, y), 16);
    ck_assert_double_eq(support_eval_scalar(t, d), 9);
    ir_grad(g, d, &x, 1, &dd);
    ck_assert_double_eq(support_eval_scalar(t, dd), 2);
    ir_grad(g, dd, &x, 1, &d);
    ck_assert_double_eq(support_eval_scalar(t, d), 0);
}

/* Graphs of gradients have no seed in them: equal expressions are equal nodes. */
IR_TEST(lean_results) {
    ir_graph *g = &t->g;
    ir_id x = support_random(t, "x", SIZES(3, 4)), d;
    ir_grad(g, ir_reduce(g, IR_SUM, ir_unary(g, IR_SQUARE, x), 3, 0), &x, 1, &d);
    ck_assert_uint_eq(d, ir_binary(g, IR_ADD, x, x));
    ir_grad(g, ir_reduce(g, IR_SUM, ir_unary(g, IR_SIN, x), 3, 0), &x, 1, &d);
    ck_assert_uint_eq(d, ir_unary(g, IR_COS, x));
    ir_id e = ir_unary(g, IR_EXP, x);
    ir_grad(g, ir_reduce(g, IR_SUM, ir_reduce(g, IR_SUM, e, 2, 0), 1, 0), &x, 1, &d);
    ck_assert_uint_eq(d, e);

    /* Only what was asked for is built. */
    ir_id a = support_random(t, "a", SIZES(3, 2)), b = support_random(t, "b", SIZES(2, 4));
    ir_id y = ir_reduce(g, IR_SUM, ir_binary(g, IR_MUL, ir_matmul(g, a, b), x), 3, 0);
    ir_id want = ir_matmul_flags(g, a, x, 1);
    uint32_t before = g->node.n;
    ir_grad(g, y, &b, 1, &d);
    ck_assert_uint_eq(d, want);
    ck_assert_uint_le(g->node.n, before + 3); /* the seed, and its way through sum and mul */
}

IR_TEST(ties_share) {
    ir_graph *g = &t->g;
    double a[] = {1, 2, 3}, b[] = {2, 2, 2}, m[] = {5, 1, 5, 5, 2, 0};
    ir_id x[2] = {support_input(t, "a", SN_F64, SIZES(3), a), support_input(t, "b", SN_F64, SIZES(3), b)}, d[2];
    ir_grad(g, support_sum_all(t, ir_binary(g, IR_MAX, x[0], x[1])), x, 2, d);
    CHECK_FLOATS(t, d[0], 0, 0.5, 1);
    CHECK_FLOATS(t, d[1], 1, 0.5, 0);
    ir_grad(g, support_sum_all(t, ir_binary(g, IR_MIN, x[0], x[1])), x, 2, d);
    CHECK_FLOATS(t, d[0], 1, 0.5, 0);
    CHECK_FLOATS(t, d[1], 0, 0.5, 1);
    ir_grad(g, support_sum_all(t, ir_binary(g, IR_MAX, x[0], x[0])), x, 1, d);
    CHECK_FLOATS(t, d[0], 1, 1, 1);

    ir_id y = support_input(t, "m", SN_F64, SIZES(2, 3), m);
    ir_grad(g, support_sum_all(t, ir_reduce(g, IR_RMAX, y, 2, 0)), &y, 1, d);
    CHECK_FLOATS(t, d[0], 0.5, 0, 0.5, 1, 0, 0);
    ir_grad(g, ir_reduce(g, IR_RMAX, y, 3, 0), &y, 1, d);
    CHECK_FLOATS(t, d[0], 1.0 / 3, 0, 1.0 / 3, 1.0 / 3, 0, 0);
    ir_grad(g, support_sum_all(t, ir_reduce(g, IR_RMIN, y, 1, 1)), &y, 1, d);
    CHECK_FLOATS(t, d[0], 0.5, 1, 0, 0.5, 0, 1);
}

/* Derivatives at the points where formulas would give 0 * infinity. */
IR_TEST(corners) {
    ir_graph *g = &t->g;
    double a[] = {0, 0, 2, -2, 0}, b[] = {2, 0, 0, 3, 1}, z[] = {-1, 0, 2, -0.0, 1};
    ir_id x[2] = {support_input(t, "a", SN_F64, SIZES(5), a), support_input(t, "b", SN_F64, SIZES(5), b)}, d[2];
    ir_grad(g, support_sum_all(t, ir_binary(g, IR_POW, x[0], x[1])), x, 1, d);
    CHECK_FLOATS(t, d[0], 0, 0, 0, 12, 1);
    ir_grad(g, support_sum_all(t, ir_binary(g, IR_POW, x[0], x[1])), x, 2, d);
    support_check_compiled(t, "corners of pow", d, 2);
    const double *db = support_eval(t, d[1]);
    ck_assert_double_eq(db[0], 0);
    ck_assert_double_eq(db[1], 0);
    ck_assert_double_eq_tol(db[2], log(2), 1e-15);
    ck_assert(isnan(db[3])); /* (-2)^b is not real beside b = 3 */
    ck_assert_double_eq(db[4], 0);
    ir_grad(g, support_sum_all(t, ir_binary(g, IR_POW, x[0], ir_const(g, SN_F64, 0))), x, 1, d);
    CHECK_FLOATS(t, d[0], 0, 0, 0, 0, 0);
    ir_grad(g, support_sum_all(t, ir_binary(g, IR_POW, x[0], ir_const(g, SN_F64, 2))), x, 1, d);
    CHECK_FLOATS(t, d[0], 0, 0, 4, -4, 0);

    ir_id y = support_input(t, "z", SN_F64, SIZES(5), z);
    ir_grad(g, support_sum_all(t, ir_unary(g, IR_RELU, y)), &y, 1, d);
    CHECK_FLOATS(t, d[0], 0, 0, 1, 0, 1);
    ir_grad(g, support_sum_all(t, ir_unary(g, IR_ABS, y)), &y, 1, d);
    CHECK_FLOATS(t, d[0], -1, 0, 1, -0.0, 1);
    ir_grad(g, support_sum_all(t, ir_unary(g, IR_SIGN, y)), &y, 1, d);
    CHECK_FLOATS(t, d[0], 0, 0, 0, 0, 0);
}

/* ---- reductions, products, views ------------------------------------------------------------------------------ */

IR_TEST(reductions) {
    ir_graph *g = &t->g;
    ir_id x = support_random(t, "x", SIZES(2, 3, 4)), empty = support_random(t, "e", SIZES(3, 0));
    for (uint32_t axes = 1; axes < 8; axes++)
        for (int keep = 0; keep < 2; keep++) {
            ir_id sq = ir_unary(g, IR_SQUARE, ir_reduce(g, IR_SUM, x, axes, keep));
            check_expr(t, "sum", sq, &x, 1);
            check_expr(t, "max", ir_unary(g, IR_SQUARE, ir_reduce(g, IR_RMAX, x, axes, keep)), &x, 1);
            check_expr(t, "min", ir_unary(g, IR_SQUARE, ir_reduce(g, IR_RMIN, x, axes, keep)), &x, 1);
        }
    check_expr(t, "sum of nothing", ir_reduce(g, IR_SUM, empty, 2, 0), &empty, 1);
}

IR_TEST(matmuls) {
    ir_graph *g = &t->g;
    ir_id a[2] = {support_random(t, "a", SIZES(3, 2)), support_random(t, "at", SIZES(2, 3))};
    ir_id b[2] = {support_random(t, "b", SIZES(2, 4)), support_random(t, "bt", SIZES(4, 2))};
    for (int flags = 0; flags < 4; flags++) {
        ir_id x[2] = {a[flags & 1], b[flags >> 1]};
        check_expr(t, "matmul", ir_matmul_flags(g, x[0], x[1], flags), x, 2);
    }
    ir_id v = support_random(t, "v", SIZES(2)), u = support_random(t, "u", SIZES(3)),
          none = support_random(t, "none", SIZES(2, 0));
    check_expr(t, "matrix vector", ir_matmul(g, a[0], v), (ir_id[]){a[0], v}, 2);
    check_expr(t, "vector matrix", ir_matmul(g, u, a[0]), (ir_id[]){u, a[0]}, 2);
    check_expr(t, "dot", ir_matmul(g, v, v), &v, 1);
    check_expr(t, "empty", ir_matmul(g, a[0], none), (ir_id[]){a[0], none}, 2);
    ir_id many[2] = {support_random(t, "many", SIZES(2, 3, 2)), support_random(t, "manyt", SIZES(2, 2, 3))};
    ir_id more[2] = {support_random(t, "more", SIZES(2, 2, 4)), support_random(t, "moret", SIZES(2, 4, 2))};
    for (int flags = 0; flags < 4; flags++) {
        ir_id x[2] = {many[flags & 1], more[flags >> 1]};
        check_expr(t, "batches", ir_matmul_flags(g, x[0], x[1], flags), x, 2);
    }
    ir_id spread = support_random(t, "spread", SIZES(3, 1, 2, 2));
    check_expr(t, "batches that broadcast", ir_matmul(g, spread, more[0]), (ir_id[]){spread, more[0]}, 2);
    check_expr(t, "a batch and a matrix", ir_matmul(g, many[0], b[0]), (ir_id[]){many[0], b[0]}, 2);
    check_expr(t, "a matrix and a batch", ir_matmul(g, a[0], more[0]), (ir_id[]){a[0], more[0]}, 2);
    check_expr(t, "a batch and a vector", ir_matmul(g, many[0], v), (ir_id[]){many[0], v}, 2);
    ir_id square = support_random(t, "s", SIZES(3, 3));
    check_expr(t, "a matrix twice", ir_matmul_flags(g, square, ir_matmul(g, square, square), 1), &square, 1);
}

IR_TEST(views) {
    ir_graph *g = &t->g;
    ir_id x = support_random(t, "x", SIZES(2, 3, 4)), s = ir_unary(g, IR_SQUARE, x);
    ir_dim d2 = support_size(t, 2), d3 = support_size(t, 3), d4 = support_size(t, 4), d1 = support_size(t, 1);
    check_expr(t, "reshape", ir_reshape(g, s, 2, (ir_dim[]){support_size(t, 6), d4}), &x, 1);
    check_expr(t, "transpose", ir_transpose(g, s, (uint8_t[]){2, 0, 1}), &x, 1);
    ir_id col = support_random(t, "col", SIZES(3, 1)), c2 = ir_unary(g, IR_SQUARE, col);
    check_expr(t, "broadcast", ir_broadcast(g, c2, 3, (ir_dim[]){d2, d3, d4}, (uint8_t[]){1, 2}), &col, 1);
    check_expr(t, "broadcast turned", ir_broadcast(g, c2, 3, (ir_dim[]){d4, d2, d3}, (uint8_t[]){2, 0}), &col, 1);
    ir_id m = support_random(t, "m", SIZES(2, 3));
    check_expr(t, "broadcast swapped",
               ir_broadcast(g, ir_unary(g, IR_SQUARE, m), 3, (ir_dim[]){d3, d4, d2}, (uint8_t[]){2, 0}), &m, 1);
    check_expr(t, "broadcast of ones kept", ir_broadcast(g, c2, 3, (ir_dim[]){d1, d3, d1}, (uint8_t[]){1, 2}), &col, 1);
    check_expr(t, "concat", ir_concat(g, 3, (ir_id[]){s, x, s}, 1), &x, 1);
    ir_id y = support_random(t, "y", SIZES(2, 0, 4)), z = support_random(t, "z", SIZES(2, 1, 4));
    check_expr(t, "concat of three", ir_concat(g, 3, (ir_id[]){y, s, z}, 1), (ir_id[]){x, y, z}, 3);
}

IR_TEST(slices) {
    ir_graph *g = &t->g;
    ir_id x = support_random(t, "x", SIZES(7, 5)), s = ir_unary(g, IR_SQUARE, x);
    ir_dim d2 = support_size(t, 2), d3 = support_size(t, 3), d9 = support_size(t, 9), d5 = support_size(t, 5);
    ir_range step[2] = {{.start = support_size(t, 1), .step = 2, .size = d3}, {.start = 0, .step = 1, .size = d5}};
    check_expr(t, "slice by 2", ir_slice(g, s, step), &x, 1);
    for (int64_t at = -3; at < 12; at += 3) {
        int64_t *start = ARENA_NEW(&t->g.arena, int64_t);
        *start = at;
        char name[32];
        snprintf(name, sizeof name, "start%lld", (long long)at);
        ir_id runtime = support_input(t, name, SN_I64, 0, NULL, start);
        ir_range moving[2] = {{.runtime = runtime, .step = 2, .size = d3}, {.runtime = runtime, .step = 1, .size = d2}};
        check_expr(t, "slice from a runtime start", ir_slice(g, s, moving), &x, 1);
        ir_range inside[2] = {{.runtime = runtime, .step = 1, .size = support_size(t, 7)}, {.step = 1, .size = d5}};
        check_expr(t, "pad at a runtime start", ir_pad(g, s, inside, (ir_dim[]){d9, d5}), &x, 1);
    }
}

IR_TEST(rows) {
    ir_graph *g = &t->g;
    static const int64_t ids[] = {2, 0, 2, -1, 9, 1};
    static const int32_t one = 1;
    ir_id x = support_random(t, "x", SIZES(4, 3)), s = ir_unary(g, IR_SQUARE, x);
    ir_id flat = support_input(t, "ids", SN_I64, SIZES(6), ids),
          square = support_input(t, "ids2", SN_I64, SIZES(2, 3), ids);
    ir_id single = support_input(t, "id", SN_I32, 0, NULL, &one);
    check_expr(t, "gather", ir_gather(g, s, flat), &x, 1);
    check_expr(t, "gather by a matrix", ir_gather(g, s, square), &x, 1);
    check_expr(t, "gather one", ir_gather(g, s, single), &x, 1);
    ir_id v = support_random(t, "v", SIZES(6)), m = support_random(t, "m", SIZES(2, 3, 2));
    check_expr(t, "scatter_add", ir_scatter_add(g, flat, ir_unary(g, IR_SQUARE, v), support_size(t, 4)), &v, 1);
    check_expr(t, "scatter_add by a matrix", ir_scatter_add(g, square, ir_unary(g, IR_SQUARE, m), support_size(t, 3)),
               &m, 1);
}

IR_TEST(selects_and_casts) {
    ir_graph *g = &t->g;
    ir_id x[2] = {support_random(t, "x", SIZES(3, 4)), support_random(t, "y", SIZES(4))}, d[2];
    ir_id c = ir_binary(g, IR_LT, x[0], ir_const_weak(g, 0.25));
    check_expr(t, "select", ir_select(g, c, ir_unary(g, IR_SQUARE, x[0]), ir_unary(g, IR_EXP, x[1])), x, 2);
    ir_id low = ir_cast(g, ir_unary(g, IR_SQUARE, x[0]), SN_F32);
    ir_grad(g, support_sum_all(t, ir_cast(g, low, SN_F64)), x, 1, d);
    ck_assert_uint_eq(ir_at(g, d[0])->dtype, SN_F64);
    const double *slope = support_eval(t, d[0]), *at = *value_slot(t, x[0]);
    for (int i = 0; i < 12; i++) ck_assert_double_eq(slope[i], 2 * at[i]);
}

/* ---- named dims ----------------------------------------------------------------------------------------------- */

IR_TEST(named_dims) {
    ir_graph *g = &t->g;
    double a[6] = {1, 2, 3, 4, 5, 6}, b[6] = {1, -1, 2, -2, 3, -3}, bias[2] = {0.5, -0.5};
    for (int64_t n = 0; n < 4; n++) {
        ir_dim n_rows = support_named(t, "N", n), other = support_named(t, "M", n), d2 = support_size(t, 2);
        if (!n) {
            support_input_dims(t, "a", SN_F64, DIMS(n_rows, d2), a);
            support_input_dims(t, "b", SN_F64, DIMS(other, d2), b);
            support_input_dims(t, "bias", SN_F64, DIMS(d2), bias);
        }
        /* N and M are checked to be equal; each gradient keeps its own name. */
        ir_id x[3] = {g->input.at[0], g->input.at[1], g->input.at[2]}, d[3];
        ir_id y = ir_binary(g, IR_MUL, ir_binary(g, IR_ADD, ir_unary(g, IR_SQUARE, x[0]), x[2]), x[1]);
        ir_grad(g, support_sum_all(t, y), x, 3, d);
        verify(t, d, 3);
        for (int k = 0; k < 3; k++)
            check_against_differences(t, "named dims", support_sum_all(t, y), x[k], d[k], IR_DOM_ANY);
        ir_id mm = ir_matmul_flags(g, x[0], x[1], 1);
        check_scalar(t, "matmul over named dims", support_sum_all(t, ir_unary(g, IR_SQUARE, mm)), x, 2, IR_DOM_ANY);
        ir_id both = ir_unary(g, IR_SQUARE, ir_concat(g, 2, (ir_id[]){x[0], x[1]}, 0));
        check_scalar(t, "concat of named dims", support_sum_all(t, both), x, 2, IR_DOM_ANY);
    }
}

/* ---- accumulation and composites ------------------------------------------------------------------------------ */

IR_TEST(one_expression_used_often) {
    ir_graph *g = &t->g;
    ir_id x = support_random(t, "x", SIZES(4)), e = ir_unary(g, IR_TANH, x), y = e, d[2], again[2];
    for (int i = 0; i < 20; i++)
        y = ir_binary(g, i % 2 ? IR_MUL : IR_ADD, y, ir_binary(g, IR_SUB, e, ir_const(g, SN_F64, 0.1 * i)));
    y = weigh(t, y);
    check_scalar(t, "used often", y, &x, 1, IR_DOM_ANY);
    /* The same question has the same answer: the same nodes. An inner expression and a repeated wrt are fine. */
    ir_grad(g, y, (ir_id[]){x, e}, 2, d);
    uint32_t before = g->node.n;
    ir_grad(g, y, (ir_id[]){e, e}, 2, again);
    ck_assert_uint_eq(g->node.n, before);
    ck_assert_uint_eq(again[0], d[1]);
    ck_assert_uint_eq(again[1], d[1]);
    ir_grad(g, y, &y, 1, d);
    ck_assert_double_eq(support_eval_scalar(t, d[0]), 1);
}

/* A chain of 2^60 paths: the sweep visits each node once. */
IR_TEST(many_paths) {
    ir_graph *g = &t->g;
    double one = 1;
    ir_id x = support_input(t, "x", SN_F64, 0, NULL, &one), y = x, d;
    for (int i = 0; i < 60; i++) y = ir_binary(g, IR_ADD, y, y);
    ir_grad(g, y, &x, 1, &d);
    ck_assert_double_eq(support_eval_scalar(t, d), 0x1p60);
}

static ir_id log_softmax(ir_graph *g, ir_id z) {
    ir_id m = ir_stop_gradient(g, ir_reduce(g, IR_RMAX, z, 2, 1));
    ir_id c = ir_binary(g, IR_SUB, z, m);
    return ir_binary(g, IR_SUB, c, ir_unary(g, IR_LOG, ir_reduce(g, IR_SUM, ir_unary(g, IR_EXP, c), 2, 1)));
}

IR_TEST(network) {
    ir_graph *g = &t->g;
    static const int64_t ids[] = {1, 0, 2, 1};
    ir_id x = support_random(t, "x", SIZES(4, 2)), w1 = support_random(t, "w1", SIZES(2, 5)),
          b1 = support_random(t, "b1", SIZES(5));
    ir_id w2 = support_random(t, "w2", SIZES(5, 3)), b2 = support_random(t, "b2", SIZES(3)),
          y = support_input(t, "y", SN_I64, SIZES(4), ids);
    ir_id h = ir_unary(g, IR_TANH, ir_binary(g, IR_ADD, ir_matmul(g, x, w1), b1));
    ir_id z = ir_binary(g, IR_ADD, ir_matmul(g, h, w2), b2);
    ir_id hot = ir_binary(g, IR_EQ, ir_reshape(g, y, DIMS(support_size(t, 4), support_size(t, 1))),
                          ir_iota(g, SN_I64, support_size(t, 3)));
    ir_id picked = ir_select(g, hot, log_softmax(g, z), ir_const_weak(g, 0));
    ir_id loss = ir_binary(g, IR_MUL, ir_unary(g, IR_NEG, support_sum_all(t, picked)), ir_const_weak(g, 0.25));
    check_scalar(t, "network", loss, (ir_id[]){w1, b1, w2, b2}, 4, IR_DOM_ANY);
}

IR_TEST(normalised_rows) {
    ir_graph *g = &t->g;
    ir_id x = support_random(t, "x", SIZES(3, 5)), n = ir_const_weak(g, 0.2);
    ir_id mean = ir_binary(g, IR_MUL, ir_reduce(g, IR_SUM, x, 2, 1), n), c = ir_binary(g, IR_SUB, x, mean);
    ir_id var = ir_binary(g, IR_MUL, ir_reduce(g, IR_SUM, ir_unary(g, IR_SQUARE, c), 2, 1), n);
    ir_id e = ir_binary(g, IR_MUL, c, ir_unary(g, IR_RSQRT, ir_binary(g, IR_ADD, var, ir_const_weak(g, 1e-5))));
    check_expr(t, "layer norm", e, &x, 1);
}

int main(void) {
    Suite *suite = suite_create("grad");
    TCase *ops = tcase_create("operators");
    tcase_set_timeout(ops, 120);
    tcase_add_loop_test(ops, every_operator, 0, IR_OP_COUNT);
    tcase_add_test(ops, polynomial_is_9_at_2);
    tcase_add_test(ops, lean_results);
    tcase_add_test(ops, ties_share);
    tcase_add_test(ops, corners);
    tcase_add_test(ops, reductions);
    tcase_add_test(ops, matmuls);
    tcase_add_test(ops, views);
    tcase_add_test(ops, slices);
    tcase_add_test(ops, rows);
    tcase_add_test(ops, selects_and_casts);
    tcase_add_test(ops, named_dims);
    suite_add_tcase(suite, ops);
    TCase *graphs = tcase_create("graphs");
    tcase_add_test(graphs, one_expression_used_often);
    tcase_add_test(graphs, many_paths);
    tcase_add_test(graphs, network);
    tcase_add_test(graphs, normalised_rows);
    suite_add_tcase(suite, graphs);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed != 0;
}
