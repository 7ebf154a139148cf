/* Where gradients do not flow, and what sn_grad says about it; errors, and running out of memory. */
#include <check.h>
#include <math.h>
#include <string.h>

#include "support/support_graph.h"

/* ---- paths without gradient ----------------------------------------------------------------------------------- */

typedef struct {
    ir_graph *g;
    ir_id y, wrt[2], d[2];
    uint32_t n;
} question;

static void ask(void *arg) {
    question *q = arg;
    ir_grad(q->g, q->y, q->wrt, q->n, q->d);
}

static void expect_error(support_graph *t, ir_id y, ir_id wrt, sn_status status, const char *part) {
    question q = {.g = &t->g, .y = y, .wrt = {wrt}, .n = 1};
    ck_assert_int_eq(support_try(t, ask, &q), status);
    ck_assert_msg(strstr(t->error, part) != NULL, "\"%s\" is not in \"%s\"", part, t->error);
}

IR_TEST(paths_without_gradient) {
    ir_graph *g = &t->g;
    ir_id x = support_random(t, "x", SIZES(3)), other = support_random(t, "other", SIZES(3)), d[2];
    g->here = (ir_place){"model.c", 41};
    ir_id f = ir_unary(g, IR_FLOOR, x), positive = ir_binary(g, IR_GT, x, ir_const_weak(g, 0));
    g->here = (ir_place){"model.c", 52};
    ir_id rounded = ir_cast(g, ir_cast(g, x, SN_I32), SN_F64);
    g->here = (ir_place){"", 0};

    /* floor: an error that names it, unless it is stopped; other paths do not excuse it. */
    expect_error(t, support_sum_all(t, ir_binary(g, IR_SUB, x, f)), x, SN_ERR_GRADIENT, "floor (model.c:41)");
    expect_error(t, support_sum_all(t, ir_binary(g, IR_SUB, x, f)), x, SN_ERR_GRADIENT, "x is f64[3]");
    ir_grad(g, support_sum_all(t, ir_binary(g, IR_SUB, x, ir_stop_gradient(g, f))), &x, 1, d);
    CHECK_FLOATS(t, d[0], 1, 1, 1);
    /* floor off the path, and as what is differentiated by. */
    ir_grad(g, support_sum_all(t, ir_binary(g, IR_MUL, f, other)), (ir_id[]){other, f}, 2, d);
    ck_assert_uint_eq(d[0], f);
    ck_assert_uint_eq(d[1], other);
    ir_grad(g, support_sum_all(t, ir_select(g, ir_binary(g, IR_GT, f, other), x, other)), &x, 1, d);

    /* Integers and bools alone: an error; beside another path: silent. */
    ir_id masked = ir_select(g, positive, other, ir_const_weak(g, 0));
    expect_error(t, support_sum_all(t, masked), x, SN_ERR_GRADIENT, "gt (model.c:41)");
    expect_error(t, support_sum_all(t, rounded), x, SN_ERR_GRADIENT, "cast (model.c:52)");
    expect_error(t, support_sum_all(t, ir_cast(g, positive, SN_F64)), x, SN_ERR_GRADIENT, "gt (model.c:41)");
    ir_grad(g, support_sum_all(t, ir_binary(g, IR_MUL, masked, x)), &x, 1, d);
    ck_assert_uint_eq(d[0], masked);
    ir_grad(g, support_sum_all(t, ir_binary(g, IR_ADD, rounded, x)), &x, 1, d);
    CHECK_FLOATS(t, d[0], 1, 1, 1);

    /* No path at all, or stopped ones: zeros. */
    ir_grad(g, support_sum_all(t, other), (ir_id[]){x, other}, 2, d);
    CHECK_FLOATS(t, d[0], 0, 0, 0);
    CHECK_FLOATS(t, d[1], 1, 1, 1);
    ir_grad(g, support_sum_all(t, ir_stop_gradient(g, ir_unary(g, IR_EXP, x))), &x, 1, d);
    CHECK_FLOATS(t, d[0], 0, 0, 0);
    ir_id stopped = ir_binary(g, IR_GT, ir_stop_gradient(g, x), ir_const_weak(g, 0));
    ir_grad(g, support_sum_all(t, ir_select(g, stopped, other, ir_const_weak(g, 0))), &x, 1, d);
    CHECK_FLOATS(t, d[0], 0, 0, 0);
    ir_id both = ir_select(g, positive, ir_stop_gradient(g, x), other);
    ir_grad(g, support_sum_all(t, both), &x, 1, d);
    CHECK_FLOATS(t, d[0], 0, 0, 0);
    ir_id later = ir_unary(g, IR_COS, x);
    ir_grad(g, support_sum_all(t, x), &later, 1, d);
    CHECK_FLOATS(t, d[0], 0, 0, 0);

    /* Masks that rules made are constant by definition, and so are conditions that were silent once: zeros. */
    ir_grad(g, support_sum_all(t, ir_unary(g, IR_RELU, x)), &x, 1, d);
    ir_grad(g, support_sum_all(t, d[0]), &x, 1, d);
    CHECK_FLOATS(t, d[0], 0, 0, 0);
    ir_grad(g, support_sum_all(t, ir_select(g, positive, x, ir_const_weak(g, 0))), &x, 1, d);
    ir_grad(g, support_sum_all(t, d[0]), &x, 1, d);
    CHECK_FLOATS(t, d[0], 0, 0, 0);
    ir_id picked = ir_gather(g, other, ir_cast(g, x, SN_I64));
    ir_grad(g, support_sum_all(t, ir_binary(g, IR_MUL, x, picked)), (ir_id[]){x, other}, 2, d);
    expect_error(t, support_sum_all(t, d[0]), x, SN_ERR_GRADIENT, "made by cast");
    ir_grad(g, support_sum_all(t, d[1]), &x, 1, d);
    CHECK_FLOATS(t, d[0], 1, 1, 1);

    /* What cannot be asked. */
    expect_error(t, x, x, SN_ERR_SHAPE, "x is f64[3]");
    expect_error(t, ir_reduce(g, IR_SUM, ir_cast(g, x, SN_I64), 1, 0), x, SN_ERR_DTYPE, "floating-point scalar");
    expect_error(t, support_sum_all(t, x), ir_cast(g, x, SN_I64), SN_ERR_DTYPE, "only floating-point");
}

/* ---- the public function -------------------------------------------------------------------------------------- */

IR_TEST(public_function) {
    ir_graph *g = &t->g;
    ir_id x = support_random(t, "x", SIZES(3));
    sn_expr wrt = {g, x}, y = {g, support_sum_all(t, ir_unary(g, IR_SQUARE, x))}, d = {NULL, 7}, bad = {g, 0},
            vector = {g, x};
    ck_assert_int_eq(sn_grad(y, &wrt, 1, &d), SN_OK);
    ck_assert_ptr_eq(d.graph, g);
    ck_assert_uint_eq(d.id, ir_binary(g, IR_ADD, x, x));
    ck_assert_int_eq(g->error, SN_OK);
    ck_assert_int_eq(sn_grad(y, NULL, 0, NULL), SN_OK);

    ck_assert_int_eq(sn_grad(vector, &wrt, 1, &d), SN_ERR_SHAPE);
    ck_assert_uint_eq(d.id, 0);
    ck_assert_int_eq(g->error, SN_ERR_SHAPE);
    ck_assert_ptr_nonnull(strstr(g->error_text, "grad: "));
    /* The first error is kept. */
    ck_assert_int_eq(sn_grad(y, &bad, 1, &d), SN_ERR_ARGUMENT);
    ck_assert_int_eq(sn_grad(bad, &wrt, 1, &d), SN_ERR_ARGUMENT);
    ck_assert_int_eq(sn_grad(y, &wrt, 1, NULL), SN_ERR_ARGUMENT);
    ck_assert_int_eq(sn_grad(y, &(sn_expr){NULL, x}, 1, &d), SN_ERR_ARGUMENT);
    ck_assert_int_eq(sn_grad((sn_expr){NULL, 0}, &wrt, 1, &d), SN_ERR_ARGUMENT);
    ck_assert_int_eq(g->error, SN_ERR_SHAPE);
    base_clear_error(&g->trap);
}

/* Whatever allocation fails, sn_grad reports it, and the graph still works when there is memory again. */
static int64_t failing_allocation;
static sn_status status_then;
static double slope[3]; /* where nothing failed */

static void grad_without_memory(support_graph *t) {
    ir_graph *g = &t->g;
    ir_id x = support_random(t, "x", SIZES(3)), y = x;
    for (int i = 0; i < 300; i++) y = ir_unary(g, i % 2 ? IR_SIN : IR_SOFTPLUS, ir_binary(g, IR_MUL, y, x));
    sn_expr sum = {g, support_sum_all(t, y)}, wrt = {g, x}, d;
    atomic_store(&t->alloc.fail_at, failing_allocation);
    status_then = sn_grad(sum, &wrt, 1, &d);
    atomic_store(&t->alloc.fail_at, 0);
    if (status_then) {
        ck_assert_int_eq(status_then, SN_ERR_NOMEM);
        ck_assert_uint_eq(d.id, 0);
        ck_assert_int_eq(g->error, SN_ERR_NOMEM);
        ck_assert_int_eq(sn_grad(sum, &wrt, 1, &d), SN_OK);
        base_clear_error(&g->trap);
    }
    if (failing_allocation)
        support_check_floats("after a failure", support_eval(t, d.id), SN_F64, slope, 3);
    else
        memcpy(slope, support_eval(t, d.id), sizeof slope);
}

START_TEST(out_of_memory) {
    failing_allocation = 0;
    support_run(grad_without_memory);
    ck_assert_int_eq(status_then, SN_OK);
    for (int i = 0; i < 3; i++) ck_assert(isfinite(slope[i]) && slope[i] != 0);
    do {
        failing_allocation++;
        support_run(grad_without_memory);
    } while (status_then);
    ck_assert_int_gt(failing_allocation, 2); /* several allocations did fail */
}
END_TEST

int main(void) {
    Suite *suite = suite_create("grad_paths");
    TCase *tests = tcase_create("paths");
    tcase_add_test(tests, paths_without_gradient);
    tcase_add_test(tests, public_function);
    tcase_add_test(tests, out_of_memory);
    suite_add_tcase(suite, tests);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed != 0;
}
