/* Plans for different dims: which functions have them, which runs, that results are those of the evaluator on both
 * sides of every predicate, and that going back and forth between plans compiles and allocates nothing. And the kernels
 * of products of few rows, in every form. */
#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "support/golden.h"
#include "support/nets.h"
#include "support/support_run.h"
#include "support/support_runtime.h"

/* ---- products of few rows ---------------------------------------------------------------------------------------- */

typedef struct {
    sn_dtype dtype;
    int few, across_a, across_b, batch, is_const; /* few: 0 rows, 1 columns */
    int64_t rows, many, sum;
} few_case;

static void build_product(support_case *c, const void *arg) {
    const few_case *f = arg;
    static const uint8_t swap[] = {1, 0}, swap_last[] = {0, 2, 1};
    ir_graph *g = c->g;
    ir_dim rows = f->is_const ? ir_dim_const(g, f->rows) : support_case_dim(c, "N", f->rows);
    ir_dim many = ir_dim_const(g, f->many), sum = ir_dim_const(g, f->sum), batch = ir_dim_const(g, 3);
    ir_dim m = f->few ? many : rows, n = f->few ? rows : many;
    ir_dim a[3] = {batch, f->across_a ? sum : m, f->across_a ? m : sum};
    ir_dim b[3] = {batch, f->across_b ? n : sum, f->across_b ? sum : n};
    uint32_t rank = f->batch ? 3 : 2, from = f->batch ? 0 : 1;
    ir_id x = support_case_input(c, f->dtype, rank, a + from), y = support_case_input(c, f->dtype, rank, b + from);
    if (f->across_a) x = ir_transpose(g, x, f->batch ? swap_last : swap);
    if (f->across_b) y = ir_transpose(g, y, f->batch ? swap_last : swap);
    support_case_out(c, ir_matmul(g, x, y), 0);
    support_case_out(c, ir_unary(g, IR_TANH, ir_matmul(g, x, y)), 0);
}

START_TEST(few_rows) {
    sn_context *ctx = support_twin_context();
    for (int form = 0; form < 32; form++) {
        few_case f = {_i ? SN_F64 : SN_F32, form & 1, form >> 1 & 1, form >> 2 & 1, form >> 3 & 1, form >> 4, 0, 0, 0};
        static const int64_t counts[] = {1, 2, 3, 5, 8, 9, 0};
        for (int i = 0; i < 7; i++) {
            if (f.is_const && !counts[i]) continue;
            f.rows = counts[i];
            f.many = i & 1 ? 97 : 131;
            f.sum = i & 2 ? 100 : 129;
            char what[120];
            snprintf(what, sizeof what, "%s, form %d, %d x %d over %d", sn_dtype_name(f.dtype), form, (int)f.rows,
                     (int)f.many, (int)f.sum);
            int flags = SUPPORT_FUSED_ONLY; /* one of each form's sizes is compiled, too */
            if (i == form % 6) flags |= SUPPORT_COMPILED | (form % 5 ? 0 : SUPPORT_THREADS);
            support_run_case(ctx, what, build_product, &f, flags);
        }
    }
    sn_context_free(ctx);
}
END_TEST

/* ---- which plans there are --------------------------------------------------------------------------------------- */

static sn_function *function_of(sn_graph *g, const sn_expr *in, size_t n_in, sn_expr out) {
    sn_function_desc desc = {.inputs = in, .n_inputs = n_in, .outputs = &out, .n_outputs = 1};
    return function(g, &desc);
}

/* The assumptions of a function's plans, each with a newline. */
static char *plans_of(const sn_function *f) {
    base_strbuf text;
    base_strbuf_init(&text, &f->ctx->alloc);
    for (uint32_t i = 0; i < f->plans.n; i++) {
        pg_print_assumption(f->plans.at[i], &text);
        base_strbuf_puts(&text, "\n");
    }
    char *copy = strdup(text.at);
    base_strbuf_free(&text);
    return copy;
}

static void check_plans(sn_graph *g, const sn_expr *in, size_t n_in, sn_expr out, const char *want) {
    sn_function *f = function_of(g, in, n_in, out);
    char *have = plans_of(f);
    ck_assert_str_eq(have, want);
    free(have);
    sn_function_free(f);
}

START_TEST(predicates) {
    sn_context *ctx = context();
    sn_graph *g = sn_graph_new(ctx, "plans");
    sn_dim N = sn_dim_new(g, "N"), M = sn_dim_new(g, "M"), K = sn_dim_new(g, "K"), c = SN_DIM(100);
    sn_expr x = sn_input(g, "x", SN_F32, SN_SHAPE(N, c)), w = sn_input(g, "w", SN_F32, SN_SHAPE(c, c));
    sn_expr y = sn_input(g, "y", SN_F32, SN_SHAPE(c, M)), z = sn_input(g, "z", SN_F32, SN_SHAPE(K, SN_DIM(10)));
    sn_expr narrow = sn_input(g, "narrow", SN_F32, SN_SHAPE(c, SN_DIM(4)));
    const sn_expr xw[] = {x, w}, xy[] = {x, y}, xn[] = {x, narrow}, all[] = {x, w, y, z};
    check_plans(g, xw, 2, sn_matmul(x, w), "N = 1\n1 <= N <= 8\nall other sizes\n");
    check_plans(g, xw, 2, sn_tanh(sn_add(sn_matmul(x, w), sn_sum(w, SN_AXES(0), 0))),
                "N = 1\n1 <= N <= 8\nall other sizes\n");
    /* Two dims: the first wins where both have as much, both plans of it come first. */
    check_plans(g, xy, 2, sn_matmul(x, y), "N = 1\n1 <= N <= 8\n1 <= M <= 8\nall other sizes\n");
    /* The dim with more arithmetic wins; one that no product for BLAS has makes no plan. */
    sn_expr two = sn_add(sn_sum_all(sn_matmul(x, sn_matmul(w, y))), sn_sum_all(z));
    check_plans(g, all, 4, two, "M = 1\n1 <= M <= 8\n1 <= N <= 8\nall other sizes\n");
    /* Nothing is left to BLAS: one plan. */
    check_plans(g, xn, 2, sn_matmul(x, narrow), "all other sizes\n");
    check_plans(g, &x, 1, sn_tanh(x), "all other sizes\n");
    /* N = 1 cannot be: rows from the third on are used; five of them are wanted. */
    sn_expr rest = sn_slice(x, 0, SN_DIM(2), SN_END);
    check_plans(g, xw, 2, sn_add(sn_sum_all(sn_matmul(x, w)), sn_sum_all(rest)), "1 <= N <= 8\nall other sizes\n");
    sn_graph_free(g);
    close_context(ctx);
}
END_TEST

static const sn_show views[] = {SN_SHOW_OPT,    SN_SHOW_FUSE,    SN_SHOW_WHY,
                                SN_SHOW_KERNEL, SN_SHOW_PROGRAM, SN_SHOW_PROFILE};

static void net_mnist(net *n, sn_context *ctx, int64_t hidden) {
    net_begin(n, ctx, "mnist");
    sn_dim N = net_dim(n, "N");
    sn_expr x = net_input(n, "x", SN_SHAPE(N, SN_DIM(784))), ids = net_ids(n, "ids", N, 10);
    sn_expr w1 = net_var(n, "W1", 784, NET_SIZES(784, hidden)), b1 = net_var(n, "b1", 784, NET_SIZES(hidden));
    sn_expr w2 = net_var(n, "W2", (double)hidden, NET_SIZES(hidden, 10)),
            b2 = net_var(n, "b2", (double)hidden, NET_SIZES(10));
    n->n_param = n->n_var;
    n->loss = sn_mean_all(sn_cross_entropy(sn_linear(sn_relu(sn_linear(x, w1, b1)), w2, b2), ids));
    net_sgd(n, 0.1);
}

START_TEST(texts) {
    sn_context *ctx = support_twin_context();
    net n;
    net_mnist(&n, ctx, 500);
    sn_function *f = net_function(&n);
    char *text = net_show(&n, f, SN_SHOW_PROGRAM);
    golden_check("variants/mnist_500.txt", text);
    free(text);
    for (size_t i = 0; i < sizeof views / sizeof *views; i++) {
        text = net_show(&n, f, views[i]);
        SUPPORT_HAS(text, "plan 1 of 3: N = 1\n");
        SUPPORT_HAS(text, "plan 2 of 3: 1 <= N <= 8\n");
        SUPPORT_HAS(text, "plan 3 of 3: all other sizes\n");
        free(text);
    }
    text = net_show(&n, f, SN_SHOW_PROFILE_JSON);
    SUPPORT_HAS(text, "\"plan\": \"1 <= N <= 8\", \"kind\"");
    free(text);
    text = net_show(&n, f, SN_SHOW_WHY);
    SUPPORT_HAS(text, "a product of few rows, which reads the large matrix once");
    SUPPORT_HAS(text, "a matrix product for BLAS");
    free(text);
    sn_function_free(f);
    net_free(&n);
    sn_context_free(ctx);
}
END_TEST

START_TEST(steps_of_training) {
    static const int64_t sizes[] = {1, 2, 7, 8, 9, 33};
    sn_context *ctx = support_twin_context();
    net n;
    net_mnist(&n, ctx, 40);
    net_check(&n, &sizes[_i], (uint64_t)(7 + _i), SUPPORT_COMPILED | SUPPORT_THREADS, NULL, NULL);
    net_free(&n);
    sn_context_free(ctx);
}
END_TEST

/* ---- back and forth ---------------------------------------------------------------------------------------------- */

enum { WIDE = 100, MOST = 50 };

static int compiles;
static void count_compiles(void *user, sn_log_level level, const char *message) {
    (void)user;
    (void)level;
    compiles += strstr(message, "compiled") != NULL;
}

START_TEST(back_and_forth) {
    static float x[MOST * WIDE], w[WIDE * WIDE], y[MOST * WIDE], first[MOST + 1][MOST * WIDE];
    static const int64_t sizes[] = {1, 50, 8, 9, 1, 8, 50, 3};
    memory = (support_alloc){.fail_at = 0};
    sn_allocator allocator = support_allocator(&memory);
    sn_context_options options = {.allocator = &allocator,
                                  .log = count_compiles,
                                  .log_level = SN_LOG_DEBUG,
                                  .threads = 2,
                                  .cache_mode = SN_CACHE_OFF,
                                  .backend = _i ? "cpu" : "interp"};
    sn_context *ctx;
    ck_assert_int_eq(sn_context_new(&options, &ctx), SN_OK);
    sn_graph *g = sn_graph_new(ctx, "back_and_forth");
    const sn_expr in[] = {sn_input(g, "x", SN_F32, SN_SHAPE(sn_dim_new(g, "N"), SN_DIM(WIDE))),
                          sn_input(g, "w", SN_F32, SN_SHAPE(SN_DIM(WIDE), SN_DIM(WIDE)))};
    sn_function *f = function_of(g, in, 2, sn_matmul(sn_tanh(sn_matmul(in[0], in[1])), in[1]));
    sn_graph_free(g);
    sn_call *call;
    ck_assert_int_eq(sn_call_new(f, &call), SN_OK);
    for (int i = 0; i < MOST * WIDE; i++) x[i] = (float)(i % 17) / 16 - 0.5f;
    for (int i = 0; i < WIDE * WIDE; i++) w[i] = (float)(i % 23) / 64 - 0.125f;
    sn_tensor at_w = sn_tensor_of(SN_F32, w, 2, (int64_t[]){WIDE, WIDE});
    ck_assert_int_eq(sn_call_bind_input(call, 1, &at_w), SN_OK);
    int64_t asked = 0;
    int compiled = compiles;
    for (int round = 0; round < 3; round++)
        for (int i = 0; i < 8; i++) {
            sn_tensor at_x = sn_tensor_of(SN_F32, x, 2, (int64_t[]){sizes[i], WIDE}),
                      at_y = sn_tensor_of(SN_F32, y, 2, (int64_t[]){sizes[i], WIDE});
            ck_assert_int_eq(sn_call_bind_input(call, 0, &at_x), SN_OK);
            ck_assert_int_eq(sn_call_bind_output(call, 0, &at_y), SN_OK);
            ck_assert_msg(!sn_call_run(call), "%s", sn_call_error(call));
            size_t bytes = (size_t)sizes[i] * WIDE * sizeof *y;
            if (round == 0) memcpy(first[sizes[i]], y, bytes);
            ck_assert_msg(!memcmp(first[sizes[i]], y, bytes), "N = %d differs in round %d", (int)sizes[i], round);
            if (round == 0 && i == 3) asked = atomic_load(&memory.calls);
        }
    ck_assert_int_eq(atomic_load(&memory.calls), asked);
    ck_assert_int_eq(compiles, compiled);
    sn_function_stats stats;
    ck_assert_int_eq(sn_function_get_stats(f, &stats), SN_OK);
    ck_assert_uint_eq(stats.n_plans, 3);
    ck_assert_uint_eq(stats.n_matmuls, 0); /* of the plan for 3 */
    sn_call_free(call);
    sn_function_free(f);
    close_context(ctx);
}
END_TEST

int main(void) {
    Suite *suite = suite_create("variants");
    TCase *tc = tcase_create("variants");
    tcase_set_timeout(tc, 120);
    tcase_add_loop_test(tc, few_rows, 0, 2);
    tcase_add_test(tc, predicates);
    tcase_add_test(tc, texts);
    tcase_add_loop_test(tc, steps_of_training, 0, 6);
    tcase_add_loop_test(tc, back_and_forth, 0, 2);
    suite_add_tcase(suite, tc);
    return support_main(suite);
}
