/* What fusion makes of whole networks: the groups (tests/golden/fuse), the launches, the bytes moved, and that results
 * are the evaluator's, fused and not, with no, one and more examples. */
#include <check.h>
#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "support/golden.h"
#include "support/nets.h"

/* ---- the cases --------------------------------------------------------------------------------------------------- */

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

static void relu3(net *n, sn_context *ctx, int64_t width) {
    net_relu3(n, ctx, width);
    net_output(n, n->loss);
    net_sgd(n, 0.1);
}
static void relu3_12(net *n, sn_context *ctx) { relu3(n, ctx, 12); }
static void relu3_32(net *n, sn_context *ctx) { relu3(n, ctx, 32); }

static void tanh3(net *n, sn_context *ctx) {
    net_tanh3(n, ctx);
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

/* Variables whose old values nobody asks for: results that stay where they are. */
static void written_only(net *n, sn_context *ctx) {
    net_begin(n, ctx, "written");
    sn_expr x = net_var(n, "x", 1, NET_SIZES(40, 20)), all = net_var(n, "all", 1, NET_SIZES(40, 20));
    sn_expr rows = net_var(n, "rows", 1, NET_SIZES(40)), e = sn_tanh(x);
    net_update(n, all, sn_softmax(e, 1));
    net_update(n, rows, sn_sum(e, SN_AXES(1), 0));
}

static void chain(net *n, sn_context *ctx) {
    net_begin(n, ctx, "chain");
    sn_dim N = net_dim(n, "N");
    sn_expr x = net_input(n, "x", SN_SHAPE(N, SN_DIM(8))), y = net_input(n, "y", SN_SHAPE(N, SN_DIM(8)));
    sn_expr bias = net_input(n, "bias", SN_SHAPE(SN_DIM(8)));
    net_output(n, sn_tanh(sn_mul(sn_add(sn_exp(sn_neg(x)), y), bias)));
}

/* ---- what is expected of them ------------------------------------------------------------------------------------ */

/* Bytes that a call must move with n for every named dim, counted by hand; 0: not counted. */
typedef uint64_t (*bytes_of)(uint64_t n);

static uint64_t chain_bytes(uint64_t n) { return 4 * (n * 8 + n * 8 + 8 + n * 8); } /* x, y and bias in, result out */
static uint64_t written_bytes(uint64_t n) { return (void)n, 4 * (40 * 20 + 40 * 20 + 40); }
static uint64_t softmax_bytes(uint64_t n) { return 4 * (n * n + n * n); }
static uint64_t column_bytes(uint64_t n) { return 4 * (n * n + n); }
static uint64_t add_transposed_bytes(uint64_t n) {
    return 4 * (n * n + n * n);
} /* x counts once, wherever it is read */

typedef struct {
    const char *name;
    void (*build)(net *n, sn_context *ctx);
    uint32_t n_kernels, n_matmuls;
    int fused; /* moves fewer bytes than unfused */
    bytes_of bytes;
} fuse_case;

static const fuse_case cases[] = {
#define CASE(name, kernels, matmuls, fused, bytes)                                                                     \
    { #name, name, kernels, matmuls, fused, bytes }
    CASE(moons_3, 2, 0, 1, NULL),
    CASE(moons_3_loss, 2, 0, 1, NULL),
    CASE(moons_1000, 2, 0, 1, NULL),
    CASE(moons_1000_loss, 3, 0, 1, NULL), /* the penalty is part of the updates' sweep, the loss comes after it */
    CASE(moons_3_t, 2, 0, 1, NULL),
    CASE(moons_1000_t, 2, 0, 1, NULL),
    CASE(moons_momentum, 2, 0, 1, NULL),
    CASE(moons_loss, 2, 0, 1, NULL),
    CASE(digit_out_in, 2, 0, 1, NULL),
    CASE(digit_in_out, 2, 0, 1, NULL),
    CASE(relu3_12, 2, 0, 1, NULL),
    CASE(relu3_32, 4, 5, 1, NULL),
    CASE(tanh3, 4, 5, 1, NULL),
    CASE(layer_norm_64, 2, 0, 1, NULL),
    CASE(softmax_regression, 2, 0, 1, NULL),
    CASE(softmax_regression_adam, 2, 0, 1, NULL),
    CASE(logistic, 2, 0, 1, NULL),
    CASE(softmax, 1, 0, 1, softmax_bytes),
    CASE(sum, 2, 0, 0, NULL),
    CASE(sum_and_max, 2, 0, 1, NULL),
    CASE(column_sums, 1, 0, 0, column_bytes),
    CASE(column_sums_of_5, 2, 0, 0, NULL),
    CASE(add_transposed, 1, 0, 0, add_transposed_bytes),
    CASE(swap, 2, 0, 0, NULL),
    CASE(written_only, 1, 0, 1, written_bytes),
    CASE(chain, 1, 0, 1, chain_bytes),
#undef CASE
};
enum { N_CASES = sizeof cases / sizeof *cases };

/* ---- groups ------------------------------------------------------------------------------------------------------ */

/* Nodes (%12) and groups (g3) numbered by first appearance, so that passes may number nodes as they like. */
static char *renumbered(const char *text) {
    enum { MOST = 4000 };
    static long seen[2][MOST];
    long n[2] = {0, 0};
    size_t cap = 2 * strlen(text) + 64, at = 0;
    char *out = malloc(cap);
    ck_assert_ptr_nonnull(out);
    for (const char *p = text; *p;) {
        int is_node = *p == '%', is_group = *p == 'g' && p > text && (p[-1] == ' ');
        ck_assert_uint_lt(at + 32, cap);
        if ((!is_node && !is_group) || !isdigit((unsigned char)p[1])) {
            out[at++] = *p++;
            continue;
        }
        char *end;
        long number = strtol(p + 1, &end, 10), place = 0;
        while (place < n[is_group] && seen[is_group][place] != number) place++;
        if (place == n[is_group]) seen[is_group][n[is_group]++] = number;
        ck_assert_int_lt(n[is_group], MOST);
        at += (size_t)sprintf(out + at, "%c%ld", *p, place);
        p = end;
    }
    out[at] = 0;
    return out;
}

START_TEST(groups) {
    const fuse_case *c = &cases[_i];
    sn_context *ctx = support_twin_context();
    net n;
    char file[128];
    c->build(&n, ctx);
    sn_function *f = net_function(&n);
    char *text = net_show(&n, f, SN_SHOW_FUSE), *same = renumbered(text);
    sn_function_stats stats;
    ck_assert_int_eq(sn_function_get_stats(f, &stats), SN_OK);
    snprintf(file, sizeof file, "fuse/%s.txt", c->name);
    golden_check(file, same);
    ck_assert_msg(stats.n_kernels == c->n_kernels && stats.n_matmuls == c->n_matmuls, "%s: %u kernels, %u matmuls",
                  c->name, stats.n_kernels, stats.n_matmuls);
    free(text);
    free(same);
    sn_function_free(f);
    net_free(&n);
    sn_context_free(ctx);
}
END_TEST

/* ---- results and bytes ------------------------------------------------------------------------------------------- */

typedef struct {
    int calls;
    uint64_t bytes[2]; /* fused, not */
    uint32_t kernels[2];
} measured;

static void measure(void *arg, sn_function *f) { /* called for the fused function, then for the other */
    measured *m = arg;
    sn_function_stats stats;
    ck_assert_int_lt(m->calls, 2);
    ck_assert_int_eq(sn_function_get_stats(f, &stats), SN_OK);
    m->bytes[m->calls] = stats.bytes_per_call;
    m->kernels[m->calls++] = stats.n_kernels;
}

START_TEST(results_and_bytes) {
    static const int64_t sizes[] = {0, 1, 7, 33};
    const fuse_case *c = &cases[_i];
    sn_context *ctx = support_twin_context();
    net n;
    c->build(&n, ctx);
    int symbolic = n.g->dim_name.n > 0;
    for (int i = 0; i < (symbolic ? 4 : 1); i++) {
        int64_t size = symbolic ? sizes[i] : 0;
        measured m = {.calls = 0};
        net_check(&n, (const int64_t[]){size, size}, (uint64_t)(100 + i), 0, measure, &m);
        ck_assert_int_eq(m.calls, 2);
        ck_assert_msg(m.kernels[0] <= m.kernels[1] && (m.kernels[0] < m.kernels[1]) >= c->fused,
                      "%s: %u launches, unfused %u", c->name, m.kernels[0], m.kernels[1]);
        if (c->bytes)
            ck_assert_msg(m.bytes[0] == c->bytes((uint64_t)size), "%s with %d: %llu bytes, not %llu", c->name,
                          (int)size, (unsigned long long)m.bytes[0], (unsigned long long)c->bytes((uint64_t)size));
        if (c->fused && (size > 1 || !symbolic))
            ck_assert_msg(m.bytes[0] < m.bytes[1], "%s with %d: %llu bytes, unfused %llu", c->name, (int)size,
                          (unsigned long long)m.bytes[0], (unsigned long long)m.bytes[1]);
    }
    net_free(&n);
    sn_context_free(ctx);
}
END_TEST

/* Symbolic sizes that differ from each other, and one that is no multiple of a vector beside one that is. */
START_TEST(two_sizes) {
    static const struct {
        void (*build)(net *n, sn_context *ctx);
        int64_t dim[2];
    } uses[] = {{logistic, {3, 0}}, {logistic, {0, 5}},  {logistic, {64, 17}},   {softmax, {5, 0}},
                {softmax, {0, 5}},  {softmax, {3, 100}}, {column_sums, {40, 3}}, {column_sums, {3, 0}}};
    sn_context *ctx = support_twin_context();
    net n;
    uses[_i].build(&n, ctx);
    net_check(&n, uses[_i].dim, 7, 0, NULL, NULL);
    net_free(&n);
    sn_context_free(ctx);
}
END_TEST

/* The step of the plane's network, by hand: per example 8 bytes of place and 8 of class; the weights and the partial
 * sums of their gradients. */
START_TEST(bytes_of_a_step) {
    sn_context *ctx = support_twin_context();
    net n;
    moons_3(&n, ctx);
    sn_function *f = net_function(&n);
    enum { N = 33, WEIGHTS = 4 * (2 * 3 + 3 + 3 * 2 + 2) };
    float x[2 * N];
    int64_t y[N];
    for (int i = 0; i < N; i++) {
        x[2 * i] = x[2 * i + 1] = (float)i / N;
        y[i] = i % 2;
    }
    sn_tensor in[] = {sn_tensor_of(SN_F32, x, 2, (int64_t[]){N, 2}), sn_tensor_of(SN_I64, y, 1, (int64_t[]){N})};
    ck_assert_int_eq(sn_function_call(f, in, 2, NULL, 0), SN_OK);
    sn_function_stats stats;
    ck_assert_int_eq(sn_function_get_stats(f, &stats), SN_OK);
    /* Rows and weights read; partials of one chunk written and read; weights read and written by the update. */
    ck_assert_uint_eq(stats.bytes_per_call, N * 16 + WEIGHTS + 2 * WEIGHTS + 2 * WEIGHTS);
    sn_function_free(f);
    net_free(&n);
    sn_context_free(ctx);
}
END_TEST

/* ---- determinism ------------------------------------------------------------------------------------------------- */

START_TEST(compiling_again_gives_the_same) {
    static const sn_show shows[] = {SN_SHOW_OPT, SN_SHOW_FUSE, SN_SHOW_WHY, SN_SHOW_KERNEL, SN_SHOW_PROGRAM};
    enum { N_SHOWS = sizeof shows / sizeof *shows };
    char *first[N_SHOWS] = {NULL};
    sn_context *ctx = support_twin_context();
    for (int again = 0; again < 20; again++) {
        net n;
        if (_i)
            layer_norm_64(&n, ctx);
        else
            moons_1000_loss(&n, ctx);
        sn_function *f = net_function(&n);
        for (int i = 0; i < N_SHOWS; i++) {
            char *text = net_show(&n, f, shows[i]);
            if (first[i]) {
                ck_assert_msg(!strcmp(text, first[i]), "view %d, time %d:\n%s\nbefore:\n%s", i, again, text, first[i]);
                free(text);
            } else {
                first[i] = text;
            }
        }
        sn_function_free(f);
        net_free(&n);
    }
    for (int i = 0; i < N_SHOWS; i++) free(first[i]);
    sn_context_free(ctx);
}
END_TEST

/* The plane's network with its nodes made in another order: variables, penalty and targets before the forward pass. */
static void moons_reordered(net *n, sn_context *ctx) {
    net_begin(n, ctx, "reordered");
    sn_expr b2 = net_var(n, "b2", 1, NET_SIZES(2)), w2 = net_var(n, "W2", 50, NET_SIZES(50, 2));
    sn_expr w1 = net_var(n, "W1", 2, NET_SIZES(2, 50)), b1 = net_var(n, "b1", 2, NET_SIZES(50));
    n->n_param = n->n_var;
    sn_dim N = net_dim(n, "N");
    sn_expr y = net_ids(n, "y", N, 2), x = net_input(n, "X", SN_SHAPE(N, SN_DIM(2)));
    sn_expr target = sn_one_hot(y, SN_DIM(2), SN_F32);
    sn_expr squares1 = sn_sum_all(sn_square(w1)), squares = sn_add(sn_sum_all(sn_square(w2)), squares1);
    sn_expr penalty = sn_mul(net_const(n, 0.005), squares);
    sn_expr hidden = sn_tanh(sn_add(b1, sn_matmul(x, w1)));
    sn_expr logits = sn_add(b2, sn_matmul(hidden, w2));
    sn_expr rows = sn_sum(sn_mul(target, sn_log_softmax(logits, 1)), SN_AXES(1), 0);
    sn_expr mean = sn_mean_all(rows);
    n->loss = sn_sub(sn_div(penalty, sn_cast(sn_dim_value(n->g, N), SN_F32)), mean);
    net_sgd(n, 0.01);
}

START_TEST(another_order_of_nodes) {
    static const int64_t sizes[] = {0, 1, 7, 33};
    sn_context *ctx = support_twin_context();
    net n;
    moons_reordered(&n, ctx);
    sn_function *f = net_function(&n);
    sn_function_stats stats;
    ck_assert_int_eq(sn_function_get_stats(f, &stats), SN_OK);
    ck_assert_uint_eq(stats.n_kernels, 2);
    sn_function_free(f);
    for (int i = 0; i < 4; i++) net_check(&n, &sizes[i], (uint64_t)i, 0, NULL, NULL);
    net_free(&n);
    sn_context_free(ctx);
}
END_TEST

int main(void) {
    Suite *suite = suite_create("fuse");
    TCase *tests = tcase_create("fuse");
    suite_add_tcase(suite, tests);
    tcase_add_loop_test(tests, groups, 0, N_CASES);
    tcase_add_loop_test(tests, results_and_bytes, 0, N_CASES);
    tcase_add_loop_test(tests, two_sizes, 0, 8);
    tcase_add_test(tests, bytes_of_a_step);
    tcase_add_loop_test(tests, compiling_again_gives_the_same, 0, 2);
    tcase_add_test(tests, another_order_of_nodes);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed != 0;
}
