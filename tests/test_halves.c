/* f16 and bf16 through the whole of Sinter, on every path (evaluator, interpreter, compiled; on the GPU under the name
 * gpu_halves): where values round and where they do not, what accumulates in f32, large products, the one NaN, networks
 * and their gradients; and the text of a kernel. */
#include <check.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "runtime/function.h"
#include "sinter/nn.h"
#include "support/golden.h"
#include "support/support_paths.h"
#include "support/support_run.h"
#include "support/support_twin.h"

static const sn_dtype halves[] = {SN_F16, SN_BF16};

static void run(const char *what, void (*build)(support_case *c, const void *arg), sn_dtype dtype, int flags) {
    sn_context *ctx = support_twin_context();
    support_run_case(ctx, what, build, &dtype, flags | SUPPORT_COMPILED);
    sn_context_free(ctx);
}

static sn_expr expr(support_case *c, ir_id id) { return (sn_expr){c->g, id}; }
static ir_id full(support_case *c, sn_dtype dtype, int64_t n, double value) {
    ir_id x = support_case_sizes(c, dtype, 1, &n);
    for (int64_t i = 0; i < n; i++) support_put(support_case_data(c, x), dtype, i, value);
    return x;
}

/* ---- rounding ---------------------------------------------------------------------------------------------------- */

/* Casts that are cast back, from each float and integer, at random and next to where rounding turns. */
static void build_casts(support_case *c, const void *arg) {
    sn_dtype dtype = *(const sn_dtype *)arg;
    static const sn_dtype from[] = {SN_F64, SN_F32, SN_I64, SN_I32, SN_F16, SN_BF16};
    const int64_t n = 4001;
    for (size_t t = 0; t < sizeof from / sizeof *from; t++) {
        ir_id x = support_case_sizes(c, from[t], 1, &n);
        for (int64_t i = 0; i < n; i++) {
            double step = base_float_epsilon(dtype) / 2,
                   middle = 1 + (double)(2 * support_case_below(c, 64) + 1) * step;
            double scale = ldexp(1, (int)support_case_below(c, base_is_float(from[t]) ? 50 : 20) -
                                        (base_is_float(from[t]) ? 30 : -12));
            double off = (double)support_case_below(c, 3) - 1; /* on the tie, or next to it */
            double eps = base_is_float(from[t]) ? base_float_epsilon(from[t]) : 0;
            support_put(support_case_data(c, x), from[t], i, (middle * (1 + off * eps)) * scale + (eps > 0 ? 0 : off));
        }
        ir_id y = ir_cast(c->g, x, dtype);
        support_case_out(c, y, 0);
        support_case_out(c, ir_cast(c->g, y, SN_F64), 0);
        support_case_out(c, ir_binary(c->g, IR_MUL, ir_cast(c->g, y, SN_F32), ir_const(c->g, SN_F32, 3)), 0);
    }
}

/* Integers that an f64 would have to round first, on a tie of bf16 or next to it. */
static void build_large_integers(support_case *c, const void *arg) {
    const int64_t n = 2003;
    ir_id x = support_case_sizes(c, SN_I64, 1, &n);
    int64_t *value = support_case_data(c, x);
    for (int64_t i = 0; i < n; i++) {
        int64_t tie = (int64_t)(2 * (128 + support_case_below(c, 128)) + 1) << support_case_below(c, 55);
        value[i] = (support_case_below(c, 2) ? -tie : tie) + (int64_t)support_case_below(c, 3) - 1;
    }
    const int64_t ends[] = {INT64_MIN, INT64_MAX, INT64_MIN + 1, -1, 0, 1, (int64_t)1 << 53, -((int64_t)1 << 53)};
    memcpy(value, ends, sizeof ends);
    support_case_out(c, ir_cast(c->g, x, *(const sn_dtype *)arg), 0);
}

START_TEST(large_integers_round_once) { run("large integers", build_large_integers, halves[_i], SUPPORT_ULP); }
END_TEST

START_TEST(casts_round_once) { run("casts", build_casts, halves[_i], SUPPORT_ULP); }
END_TEST

static void build_chain(support_case *c, const void *arg) {
    sn_dtype dtype = *(const sn_dtype *)arg;
    ir_dim n = support_case_dim(c, "N", 531);
    ir_id x = support_case_input(c, dtype, 1, &n), y = support_case_input(c, dtype, 1, &n);
    ir_id z = ir_binary(c->g, IR_ADD, ir_binary(c->g, IR_MUL, x, y), ir_const_weak(c->g, 0.3));
    support_case_out(c, ir_unary(c->g, IR_TANH, z), 0);
    support_case_out(c, ir_binary(c->g, IR_MUL, ir_unary(c->g, IR_EXP, z), x), 0);
    support_case_out(c, ir_cast(c->g, ir_iota(c->g, dtype, ir_dim_const(c->g, 3000)), SN_F32), 0);
}

START_TEST(chains) { run("chain", build_chain, halves[_i], SUPPORT_THREADS); }
END_TEST

/* Every NaN is stored as one; infinities, what overflows, subnormals and zeros of both signs. */
static void build_specials(support_case *c, const void *arg) {
    sn_dtype dtype = *(const sn_dtype *)arg;
    int64_t n = 1 << 16;
    ir_id x = support_case_sizes(c, dtype, 1, &n);
    uint16_t *at = support_case_data(c, x);
    for (int64_t i = 0; i < n; i++) at[i] = (uint16_t)i;
    support_case_out(c, ir_unary(c->g, IR_NEG, x), 0);
    support_case_out(c, ir_binary(c->g, IR_ADD, x, x), 0);
    support_case_out(c, ir_binary(c->g, IR_MUL, x, ir_const_weak(c->g, 0.25)), 0);
    support_case_out(c, ir_cast(c->g, x, SN_F32), 0);
    support_case_out(c, ir_binary(c->g, IR_EQ, x, x), 0);
}

static void one_nan(void *arg, sn_function *f) {
    const sn_dtype dtype = *(const sn_dtype *)arg;
    enum { N = 77 };
    uint16_t in[N], out[N];
    for (int i = 0; i < N; i++) in[i] = (uint16_t)((0x7fff - i % 3) | (i % 2) << 15);
    const int64_t n = N;
    sn_tensor x = sn_tensor_of(dtype, in, 1, &n), y = sn_tensor_of(dtype, out, 1, &n);
    for (support_twin.compiled = 0; support_twin.compiled < 2; support_twin.compiled++) {
        memset(out, 0, sizeof out);
        ck_assert_msg(!sn_function_call(f, &x, 1, &y, 1), "%s", sn_function_error(f));
        for (int i = 0; i < N; i++) ck_assert_uint_eq(out[i], BASE_HALF_NAN);
    }
    support_twin.compiled = 0;
}

static void build_nans(support_case *c, const void *arg) {
    ir_dim n = support_case_dim(c, "N", 40);
    support_case_out(c, ir_unary(c->g, IR_NEG, support_case_input(c, *(const sn_dtype *)arg, 1, &n)), 0);
}

START_TEST(special_values) {
    run("specials", build_specials, halves[_i], SUPPORT_ULP);
    sn_dtype dtype = halves[_i];
    sn_context *ctx = support_twin_context();
    support_look_case(ctx, "one NaN", 1, build_nans, &dtype, SUPPORT_COMPILED, one_nan, &dtype);
    sn_context_free(ctx);
}
END_TEST

/* ---- what is f32 ------------------------------------------------------------------------------------------------- */

/* 6000 is a value of neither type's that counting in steps of 1 would come to. */
static void build_sums(support_case *c, const void *arg) {
    sn_dtype dtype = *(const sn_dtype *)arg;
    ir_id x = full(c, dtype, 6000, 1), ids = full(c, SN_I64, 6000, 2);
    support_case_out(c, ir_reduce(c->g, IR_SUM, x, 1, 0), 0);
    support_case_out(c, sn_mean_all(expr(c, x)).id, 0);
    support_case_out(c, ir_cumsum(c->g, x, 0, 0, 0), 0);
    support_case_out(c, ir_scatter_add(c->g, ids, x, ir_dim_const(c->g, 4)), 0);
    ir_id many = full(c, dtype, 100000, 0.5); /* the number of elements is beyond f16 */
    support_case_out(c, sn_mean_all(expr(c, many)).id, 0);
    support_case_out(c, sn_variance(expr(c, many), SN_AXES(0), 0).id, 0);
}

START_TEST(sums_are_f32) { run("sums", build_sums, halves[_i], SUPPORT_ULP); }
END_TEST

/* ---- products, networks ------------------------------------------------------------------------------------------ */

static void build_products(support_case *c, const void *arg) {
    sn_dtype dtype = *(const sn_dtype *)arg;
    ir_id a = support_case_sizes(c, dtype, 2, (const int64_t[]){70, 90});
    ir_id b = support_case_sizes(c, dtype, 2, (const int64_t[]){90, 130});
    ir_id w = support_case_sizes(c, dtype, 2, (const int64_t[]){5, 130});
    ir_id p = ir_matmul(c->g, a, b), relu = ir_unary(c->g, IR_RELU, p);
    support_case_out(c, relu, 0);
    support_case_out(c, ir_matmul(c->g, relu, ir_transpose(c->g, w, (const uint8_t[]){1, 0})), 0);
    support_case_out(c, ir_matmul(c->g, ir_transpose(c->g, a, (const uint8_t[]){1, 0}), p), 0);
}

START_TEST(products) { run("products", build_products, halves[_i], SUPPORT_THREADS); }
END_TEST

/* One step of a small network whose weights are halves, and a version with weights in f32 that are cast. */
static void build_network(support_case *c, const void *arg) {
    sn_dtype dtype = *(const sn_dtype *)arg;
    ir_dim n = support_case_dim(c, "N", 37);
    sn_expr x = expr(c, support_case_input(c, dtype, 2, (const ir_dim[]){n, ir_dim_const(c->g, 20)}));
    sn_expr ids = expr(c, support_case_input(c, SN_I64, 1, &n));
    sn_expr w[4] = {expr(c, support_case_sizes(c, dtype, 2, (const int64_t[]){20, 48})),
                    expr(c, support_case_sizes(c, dtype, 2, (const int64_t[]){48, 9})),
                    expr(c, support_case_sizes(c, SN_F32, 2, (const int64_t[]){20, 48})),
                    expr(c, support_case_sizes(c, SN_F32, 2, (const int64_t[]){48, 9}))};
    for (int k = 0; k < 2; k++) {
        sn_expr *at = &w[2 * k], g[2];
        sn_expr hidden = sn_tanh(sn_mul(sn_matmul(x, sn_cast(at[0], dtype)), sn_const(c->g, 0.2)));
        sn_expr logits = sn_matmul(hidden, sn_cast(at[1], dtype));
        sn_expr loss = sn_mean_all(sn_cross_entropy(logits, sn_clamp(ids, sn_const(c->g, 0), sn_const(c->g, 8))));
        ck_assert_msg(!sn_grad(loss, at, 2, g), "%s", sn_graph_error(c->g));
        support_case_out(c, loss.id, 0);
        for (int i = 0; i < 2; i++) support_case_out(c, sn_sub(at[i], sn_mul(g[i], sn_const(c->g, 0.1))).id, 0);
    }
}

START_TEST(networks) { run("network", build_network, halves[_i], SUPPORT_THREADS); }
END_TEST

/* ---- text -------------------------------------------------------------------------------------------------------- */

static void build_text(support_case *c, const void *arg) {
    (void)arg;
    ir_dim n = support_case_dim(c, "N", 9);
    ir_id x = support_case_input(c, SN_F16, 2, (const ir_dim[]){n, ir_dim_const(c->g, 40)});
    ir_id y = ir_binary(c->g, IR_MUL, ir_cast(c->g, ir_cast(c->g, x, SN_BF16), SN_F16), ir_const_weak(c->g, 0.1));
    support_case_out(c, sn_softmax(expr(c, y), 1).id, 0);
    support_case_out(c, ir_reduce(c->g, IR_SUM, y, 1, 0), 0);
}

static void keep_text(void *arg, sn_function *f) {
    base_strbuf *text = arg;
    base_strbuf_free(text);
    for (uint32_t i = 0; i < f->program->n_step; i++)
        if (f->program->step[i].kind == PG_LAUNCH) kn_print(f->program->step[i].kernel, text);
}

START_TEST(text) {
    if (getenv("SN_TWIN")) return; /* another schedule: tests/golden/cuda */
    sn_context *ctx = support_twin_context();
    base_alloc alloc;
    base_strbuf kernels;
    base_alloc_init(&alloc, NULL);
    base_strbuf_init(&kernels, &alloc);
    support_look_case(ctx, "text", 1, build_text, NULL, SUPPORT_FUSED_ONLY, keep_text, &kernels);
    golden_check("kernels/halves.txt", kernels.at);
    base_strbuf_free(&kernels);
    sn_context_free(ctx);
}
END_TEST

int main(void) {
    Suite *suite = suite_create("halves");
    TCase *tests = tcase_create("halves");
    tcase_add_loop_test(tests, casts_round_once, 0, 2);
    tcase_add_loop_test(tests, large_integers_round_once, 0, 2);
    tcase_add_loop_test(tests, chains, 0, 2);
    tcase_add_loop_test(tests, special_values, 0, 2);
    tcase_add_loop_test(tests, sums_are_f32, 0, 2);
    tcase_add_loop_test(tests, products, 0, 2);
    tcase_add_loop_test(tests, networks, 0, 2);
    tcase_add_test(tests, text);
    suite_add_tcase(suite, tests);
    return support_main(suite);
}
