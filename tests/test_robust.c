/* From the public API on the CPU backend: matrix products of every layout and around the size from which BLAS does
 * them, symbolic and empty sizes, operands that are views; and what happens where a library, an instruction set or the
 * parent process is missing. */
#define _GNU_SOURCE
#include <check.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "ir/fuse.h"
#include "sinter/sinter.h"
#include "support/support_alloc.h"

/* Threads in the forked child of a process with threads are beyond ThreadSanitizer. */
#if defined(__has_feature)
#if __has_feature(thread_sanitizer)
#define UNDER_TSAN 1
#endif
#elif defined(__SANITIZE_THREAD__)
#define UNDER_TSAN 1
#endif

static support_alloc memory;
static char last_warning[1024];

static void keep_warning(void *user, sn_log_level level, const char *message) {
    (void)user, (void)level;
    snprintf(last_warning, sizeof last_warning, "%s", message);
}

static sn_context *context(int threads) {
    memory = (support_alloc){.fail_at = 0};
    last_warning[0] = 0;
    static sn_allocator allocator;
    allocator = support_allocator(&memory);
    sn_context_options options = {.struct_size = sizeof options,
                                  .allocator = &allocator,
                                  .log = keep_warning,
                                  .log_level = SN_LOG_WARN,
                                  .threads = threads,
                                  .backend = "cpu"};
    sn_context *ctx;
    ck_assert_msg(!sn_context_new(&options, &ctx), "%s", last_warning);
    return ctx;
}

static void close_context(sn_context *ctx) {
    sn_context_free(ctx);
    ck_assert_int_eq(atomic_load(&memory.live), 0);
}

static sn_function *function(sn_graph *g, const sn_function_desc *desc) {
    sn_function *f;
    sn_status status = sn_function_new(g, desc, &f);
    ck_assert_msg(!status, "%s: %s", sn_status_name(status), sn_graph_error(g));
    return f;
}

static void call(sn_function *f, const sn_tensor *in, size_t n_in, const sn_tensor *out, size_t n_out) {
    sn_status status = sn_function_call(f, in, n_in, out, n_out);
    ck_assert_msg(!status, "%s: %s", sn_status_name(status), sn_function_error(f));
}

/* ---- matrices ---------------------------------------------------------------------------------------------------- */

static uint64_t random_state = 1;
static double random_value(void) { /* in [-1, 1), 20 bits */
    random_state = random_state * 6364136223846793005u + 1442695040888963407u;
    return (double)(int64_t)(random_state >> 44) / (1 << 19) - 1;
}

/* Of exactly these sizes, so that a sanitizer sees what reads too far. */
static sn_tensor matrix(sn_dtype dtype, int64_t rows, int64_t columns) {
    sn_tensor t = sn_tensor_of(dtype, NULL, 2, (int64_t[]){rows, columns});
    t.data = malloc(sn_tensor_bytes(&t));
    for (int64_t i = 0; i < rows * columns; i++) {
        if (dtype == SN_F32)
            ((float *)t.data)[i] = (float)random_value();
        else
            ((double *)t.data)[i] = random_value();
    }
    return t;
}

static double at(const sn_tensor *t, int64_t i, int64_t j, int transposed) {
    int64_t k = transposed ? j * t->size[1] + i : i * t->size[1] + j;
    return t->dtype == SN_F32 ? (double)((const float *)t->data)[k] : ((const double *)t->data)[k];
}

/* c against op(a) op(b) by a plain loop, within the error of adding in any order. */
static void check_product(const sn_tensor *c, const sn_tensor *a, const sn_tensor *b, int trans_a, int trans_b) {
    int64_t k = a->size[!trans_a];
    double epsilon = a->dtype == SN_F32 ? 0x1p-24 : 0x1p-53;
    for (int64_t i = 0; i < c->size[0]; i++)
        for (int64_t j = 0; j < c->size[1]; j++) {
            double sum = 0, magnitude = 0;
            for (int64_t l = 0; l < k; l++) {
                double term = at(a, i, l, trans_a) * at(b, l, j, trans_b);
                sum += term;
                magnitude += fabs(term);
            }
            double is = at(c, i, j, 0);
            ck_assert_msg(fabs(is - sum) <= 2 * (double)k * epsilon * magnitude,
                          "%s m %d n %d k %d trans %d %d at [%d, %d]: %g, expected %g", sn_dtype_name(a->dtype),
                          (int)c->size[0], (int)c->size[1], (int)k, trans_a, trans_b, (int)i, (int)j, is, sum);
        }
}

static sn_expr product(sn_expr a, sn_expr b, int trans_a, int trans_b) {
    return sn_matmul(trans_a ? sn_t(a) : a, trans_b ? sn_t(b) : b);
}

/* ---- products through the runtime -------------------------------------------------------------------------------- */

static void multiply(sn_context *ctx, sn_dtype dtype, const int64_t e[3], int trans_a, int trans_b) {
    int64_t m = e[0], n = e[1], k = e[2];
    sn_tensor in[] = {trans_a ? matrix(dtype, k, m) : matrix(dtype, m, k),
                      trans_b ? matrix(dtype, n, k) : matrix(dtype, k, n)},
              c = matrix(dtype, m, n);
    sn_graph *g = sn_graph_new(ctx, "product");
    sn_expr x[] = {sn_input(g, "a", dtype, sn_shape_of_sizes(2, in[0].size)),
                   sn_input(g, "b", dtype, sn_shape_of_sizes(2, in[1].size))};
    sn_expr y = product(x[0], x[1], trans_a, trans_b);
    sn_function *f = function(g, &(sn_function_desc){.inputs = x, .n_inputs = 2, .outputs = &y, .n_outputs = 1});
    sn_function_stats stats;
    sn_function_get_stats(f, &stats);
    int to_blas = m > FU_FEW_ROWS && n > FU_FEW_COLUMNS && k > FU_FEW_SUMMED && m * n * k >= FU_BLAS_PRODUCTS;
    ck_assert_int_eq((int)stats.n_matmuls, to_blas);
    ck_assert_int_eq((int)stats.n_kernels, !to_blas);
    call(f, in, 2, &c, 1);
    check_product(&c, &in[0], &in[1], trans_a, trans_b);
    sn_function_free(f);
    sn_graph_free(g);
    free(in[0].data), free(in[1].data), free(c.data);
}

START_TEST(products_of_all_layouts_around_the_threshold) {
    static const int64_t extents[][3] = {{8, 100, 100},  {9, 100, 100}, {100, 15, 100}, {100, 16, 100}, {100, 100, 15},
                                         {100, 100, 16}, {15, 17, 16},  {16, 16, 16},   {9, 26, 17},    {9, 27, 17},
                                         {33, 33, 33},   {97, 97, 97},  {1, 50, 70},    {50, 1, 70},    {50, 70, 1}};
    sn_context *ctx = context(2);
    for (size_t s = 0; s < sizeof extents / sizeof *extents; s++)
        for (int variant = 0; variant < 8; variant++)
            multiply(ctx, variant & 4 ? SN_F64 : SN_F32, extents[s], variant & 1, variant >> 1 & 1);
    close_context(ctx);
}
END_TEST

/* One function, called with batches of any size: the batch as m, as n and as k of a product. */
static void batches(sn_context *ctx, int trans) {
    enum { IN = 60, OUT = 70 };
    sn_graph *g = sn_graph_new(ctx, "batches");
    sn_dim n = sn_dim_new(g, "N");
    sn_expr in[] = {
        sn_input(g, "X", SN_F32, trans ? SN_SHAPE(SN_DIM(IN), n) : SN_SHAPE(n, SN_DIM(IN))),
        sn_input(g, "W", SN_F32, trans ? SN_SHAPE(SN_DIM(OUT), SN_DIM(IN)) : SN_SHAPE(SN_DIM(IN), SN_DIM(OUT))),
        sn_input(g, "Y", SN_F32, SN_SHAPE(n, SN_DIM(OUT)))};
    sn_expr out[] = {product(in[0], in[1], trans, trans), product(in[1], in[0], !trans, !trans),
                     product(in[0], in[2], !trans, 0)};
    sn_function *f = function(g, &(sn_function_desc){.inputs = in, .n_inputs = 3, .outputs = out, .n_outputs = 3});
    sn_function_stats stats;
    sn_function_get_stats(f, &stats);
    ck_assert_uint_eq(stats.n_matmuls, 3);
    static const int64_t sizes[] = {7, 0, 1, 2, 31, 32, 33, 0, 513, 1};
    for (size_t s = 0; s < sizeof sizes / sizeof *sizes; s++) {
        int64_t b = sizes[s];
        sn_tensor t[] = {trans ? matrix(SN_F32, IN, b) : matrix(SN_F32, b, IN),
                         trans ? matrix(SN_F32, OUT, IN) : matrix(SN_F32, IN, OUT), matrix(SN_F32, b, OUT)};
        sn_tensor c[] = {matrix(SN_F32, b, OUT), matrix(SN_F32, OUT, b), matrix(SN_F32, IN, OUT)};
        call(f, t, 3, c, 3);
        check_product(&c[0], &t[0], &t[1], trans, trans);
        check_product(&c[1], &t[1], &t[0], !trans, !trans);
        check_product(&c[2], &t[0], &t[2], !trans, 0); /* of no batch: zeros */
        for (int i = 0; i < 3; i++) free(t[i].data), free(c[i].data);
    }
    sn_function_free(f);
    sn_graph_free(g);
}

START_TEST(products_of_symbolic_batches) {
    sn_context *ctx = context(3);
    batches(ctx, 0);
    batches(ctx, 1);
    close_context(ctx);
}
END_TEST

/* Views of an input, computed operands and a product's result read through views. */
START_TEST(products_of_views) {
    enum { S = 64 };
    sn_context *ctx = context(2);
    sn_graph *g = sn_graph_new(ctx, "views");
    sn_expr big = sn_input(g, "big", SN_F32, SN_SHAPE(SN_DIM(2), SN_DIM(S + 5), SN_DIM(2 * S)));
    sn_expr row = sn_input(g, "row", SN_F32, SN_SHAPE(SN_DIM(S)));
    sn_expr in[] = {big, row};
    sn_expr plane = sn_reshape(sn_slice(big, 0, SN_DIM(1), SN_DIM(2)), SN_SHAPE(SN_DIM(S + 5), SN_DIM(2 * S)));
    sn_expr a = sn_slice(sn_slice(plane, 0, SN_DIM(3), SN_DIM(S + 3)), 1, SN_DIM(7), SN_DIM(S + 7));
    sn_expr b = sn_slice_step(sn_slice(plane, 0, SN_DIM(0), SN_DIM(S)), 1, SN_DIM(0), SN_DIM(2 * S), 2);
    sn_expr same = sn_broadcast_to(row, SN_SHAPE(SN_DIM(S), SN_DIM(S)));
    sn_expr ab = sn_matmul(a, b), computed = sn_mul(a, same);
    sn_expr out[] = {ab,
                     sn_matmul(sn_t(a), b),
                     sn_matmul(a, same),
                     sn_matmul(computed, sn_t(b)),
                     sn_t(ab),
                     sn_reshape(sn_matmul(ab, b), SN_SHAPE(SN_DIM(S * S / 2), SN_DIM(2))),
                     sn_matmul(a, a)};
    enum { N_OUT = sizeof out / sizeof *out };
    sn_function *f = function(g, &(sn_function_desc){.inputs = in, .n_inputs = 2, .outputs = out, .n_outputs = N_OUT});
    sn_function_stats stats;
    sn_function_get_stats(f, &stats);
    ck_assert_uint_eq(stats.n_matmuls, 6);

    sn_tensor x = matrix(SN_F32, 2 * (S + 5), 2 * S), r = matrix(SN_F32, 1, S), c[N_OUT];
    sn_tensor given[] = {sn_tensor_of(SN_F32, x.data, 3, (int64_t[]){2, S + 5, 2 * S}),
                         sn_tensor_of(SN_F32, r.data, 1, (int64_t[]){S})};
    for (size_t i = 0; i < N_OUT; i++) c[i] = matrix(SN_F32, i == 5 ? S * S / 2 : S, i == 5 ? 2 : S);
    call(f, given, 2, c, N_OUT);

    sn_tensor va = matrix(SN_F32, S, S), vb = matrix(SN_F32, S, S), vs = matrix(SN_F32, S, S),
              vc = matrix(SN_F32, S, S);
    const float *second = (const float *)x.data + (S + 5) * 2 * S;
    for (int64_t i = 0; i < S; i++)
        for (int64_t j = 0; j < S; j++) {
            ((float *)va.data)[i * S + j] = second[(i + 3) * 2 * S + j + 7];
            ((float *)vb.data)[i * S + j] = second[i * 2 * S + 2 * j];
            ((float *)vs.data)[i * S + j] = ((float *)r.data)[j];
            ((float *)vc.data)[i * S + j] = ((float *)va.data)[i * S + j] * ((float *)r.data)[j];
        }
    check_product(&c[0], &va, &vb, 0, 0);
    check_product(&c[1], &va, &vb, 1, 0);
    check_product(&c[2], &va, &vs, 0, 0);
    check_product(&c[3], &vc, &vb, 0, 1);
    for (int64_t i = 0; i < S; i++)
        for (int64_t j = 0; j < S; j++) ck_assert(at(&c[4], i, j, 0) == at(&c[0], i, j, 1));
    sn_tensor square = sn_tensor_of(SN_F32, c[5].data, 2, (int64_t[]){S, S});
    check_product(&square, &c[0], &vb, 0, 0);
    check_product(&c[6], &va, &va, 0, 0);

    for (size_t i = 0; i < N_OUT; i++) free(c[i].data);
    free(x.data), free(r.data), free(va.data), free(vb.data), free(vs.data), free(vc.data);
    sn_function_free(f);
    sn_graph_free(g);
    close_context(ctx);
}
END_TEST

/* W = A W and V = W A read the old W, whichever is written first. */
START_TEST(products_that_update_their_operand) {
    enum { S = 64 };
    sn_context *ctx = context(2);
    sn_var *w, *v;
    int64_t sizes[] = {S, S};
    ck_assert_int_eq(sn_var_new(ctx, "W", SN_F32, 2, sizes, &w), SN_OK);
    ck_assert_int_eq(sn_var_new(ctx, "V", SN_F32, 2, sizes, &v), SN_OK);
    sn_graph *g = sn_graph_new(ctx, "update");
    sn_expr a = sn_input(g, "A", SN_F32, SN_SHAPE(SN_DIM(S), SN_DIM(S))), old = sn_use(g, w);
    sn_update ups[] = {{w, sn_matmul(a, old)}, {v, sn_matmul(old, a)}};
    sn_function *f = function(g, &(sn_function_desc){.inputs = &a, .n_inputs = 1, .updates = ups, .n_updates = 2});
    sn_tensor in = matrix(SN_F32, S, S), before = matrix(SN_F32, S, S), is = matrix(SN_F32, S, S);
    ck_assert_int_eq(sn_var_set(w, before.data, sn_tensor_bytes(&before)), SN_OK);
    call(f, &in, 1, NULL, 0);
    ck_assert_int_eq(sn_var_get(w, is.data, sn_tensor_bytes(&is)), SN_OK);
    check_product(&is, &in, &before, 0, 0);
    ck_assert_int_eq(sn_var_get(v, is.data, sn_tensor_bytes(&is)), SN_OK);
    check_product(&is, &before, &in, 0, 0);
    free(in.data), free(before.data), free(is.data);
    sn_function_free(f);
    sn_graph_free(g);
    sn_var_free(w);
    sn_var_free(v);
    close_context(ctx);
}
END_TEST

/* ---- what is missing --------------------------------------------------------------------------------------------- */

typedef struct {
    sn_graph *g;
    sn_expr in[2], out[2];
} pair;

/* tanh(a) b for BLAS, and a small kernel without. */
static pair pair_new(sn_context *ctx) {
    pair p = {.g = sn_graph_new(ctx, "pair")};
    p.in[0] = sn_input(p.g, "a", SN_F32, SN_SHAPE(SN_DIM(100), SN_DIM(100)));
    p.in[1] = sn_input(p.g, "b", SN_F32, SN_SHAPE(SN_DIM(100), SN_DIM(100)));
    p.out[0] = sn_matmul(sn_tanh(p.in[0]), p.in[1]);
    p.out[1] = sn_add(p.in[0], p.in[1]);
    return p;
}

static sn_status try_pair(const pair *p, int with_product, sn_function **f) {
    sn_function_desc desc = {.inputs = p->in, .n_inputs = 2, .outputs = &p->out[!with_product], .n_outputs = 1};
    return sn_function_new(p->g, &desc, f);
}

static void call_pair(sn_function *f) {
    sn_tensor in[] = {matrix(SN_F32, 100, 100), matrix(SN_F32, 100, 100)}, out = matrix(SN_F32, 100, 100);
    call(f, in, 2, &out, 1);
    free(in[0].data), free(in[1].data), free(out.data);
}

START_TEST(a_missing_blas_is_an_error_and_leaves_nothing) {
    sn_context *ctx = context(1);
    pair p = pair_new(ctx);
    sn_function *f;
    setenv("SINTER_BLAS", "/nonexistent/libblas.so", 1);
    int64_t live = 0;
    for (int again = 0; again < 3; again++) {
        f = (sn_function *)(uintptr_t)&p; /* something to be overwritten */
        ck_assert_int_eq(try_pair(&p, 1, &f), SN_ERR_UNAVAILABLE);
        ck_assert_ptr_null(f);
        const char *text = sn_graph_error(p.g);
        ck_assert_msg(strstr(text, "/nonexistent/libblas.so") && strstr(text, "SINTER_BLAS"), "%s", text);
        ck_assert_int_eq(sn_graph_status(p.g), SN_ERR_UNAVAILABLE);
        if (again) ck_assert_int_eq(atomic_load(&memory.live), live); /* but for the cached kernel nothing stays */
        live = atomic_load(&memory.live);
    }
    ck_assert_msg(!try_pair(&p, 0, &f), "%s", sn_graph_error(p.g)); /* functions without products work */
    ck_assert_int_eq(sn_graph_status(p.g), SN_OK);                  /* the graph was not to blame */
    call_pair(f);
    sn_function_free(f);
    unsetenv("SINTER_BLAS");
    ck_assert_msg(!try_pair(&p, 1, &f), "%s", sn_graph_error(p.g)); /* the failure is not remembered */
    sn_function_stats stats;
    ck_assert_int_eq(sn_function_get_stats(f, &stats), SN_OK);
    ck_assert_uint_eq(stats.n_compiled, 0);
    call_pair(f);
    sn_function_free(f);
    sn_graph_free(p.g);
    close_context(ctx);
}
END_TEST

START_TEST(a_missing_compiler_is_an_error_and_leaves_nothing) {
    char *here = getenv("SINTER_LLVM") ? strdup(getenv("SINTER_LLVM")) : NULL;
    sn_context *ctx = context(1);
    pair p = pair_new(ctx);
    sn_function *f;
    setenv("SINTER_LLVM", "/nonexistent/plugin.so", 1);
    int64_t live = 0;
    for (int again = 0; again < 3; again++) {
        f = (sn_function *)(uintptr_t)&p;
        ck_assert_int_eq(try_pair(&p, 1, &f), SN_ERR_UNAVAILABLE);
        ck_assert_ptr_null(f);
        const char *text = sn_graph_error(p.g);
        ck_assert_msg(strstr(text, "/nonexistent/plugin.so") && strstr(text, "SINTER_LLVM"), "%s", text);
        ck_assert_int_eq(sn_graph_status(p.g), SN_ERR_UNAVAILABLE);
        if (again) ck_assert_int_eq(atomic_load(&memory.live), live);
        live = atomic_load(&memory.live);
    }
    unsetenv("SINTER_LLVM"); /* then it is looked for beside this program, where it is not, and as the system does */
    if (try_pair(&p, 1, &f)) {
        const char *text = sn_graph_error(p.g);
        ck_assert_msg(strstr(text, "tests/libsinter-llvm.so") && strstr(text, "; libsinter-llvm.so"), "%s", text);
    }
    sn_function_free(f);
    if (here) {
        setenv("SINTER_LLVM", here, 1);
        ck_assert_msg(!try_pair(&p, 1, &f), "%s", sn_graph_error(p.g));
        call_pair(f);
        sn_function_free(f);
    }
    free(here);
    sn_graph_free(p.g);
    close_context(ctx);
}
END_TEST

START_TEST(processors_below_v3_are_served_by_the_interpreter) {
    setenv("SINTER_CPU", "v2", 1);
    sn_context *ctx = context(2);
    ck_assert_str_eq(sn_context_backend(ctx), "interp");
    ck_assert_msg(strstr(last_warning, "x86-64-v2") && strstr(last_warning, "interpreted"), "%s", last_warning);
    ck_assert_str_eq(sn_context_error(ctx), "");
    static const int64_t extents[][3] = {{33, 50, 40}, {100, 100, 33}};
    for (int i = 0; i < 2; i++) multiply(ctx, SN_F32, extents[i], i, !i);
    close_context(ctx);

    setenv("SINTER_CPU", "v9", 1);
    sn_context_options options = {.struct_size = sizeof options, .log = keep_warning};
    ck_assert_int_eq(sn_context_new(&options, &ctx), SN_ERR_ARGUMENT);
    ck_assert_ptr_null(ctx);
    ck_assert_msg(strstr(last_warning, "SINTER_CPU is 'v9'") != NULL, "%s", last_warning);
    unsetenv("SINTER_CPU");
}
END_TEST

/* ---- fork -------------------------------------------------------------------------------------------------------- */

#ifndef UNDER_TSAN
enum { ROWS = 20000, COLUMNS = 64 };

/* Large enough for all threads; the bits are those of the first time. */
static int repeat(sn_function *f, const sn_tensor *x, sn_tensor *y, const float *first) {
    memset(y->data, 0xff, sn_tensor_bytes(y));
    return !sn_function_call(f, x, 1, y, 1) && !memcmp(y->data, first, sn_tensor_bytes(y));
}

static sn_function *row_products(sn_context *ctx, double scale) {
    sn_graph *g = sn_graph_new(ctx, "rows");
    sn_expr x = sn_input(g, "x", SN_F32, SN_SHAPE(sn_dim_new(g, "N"), SN_DIM(COLUMNS)));
    sn_expr y = sn_matmul(sn_tanh(sn_mul(x, sn_const(g, scale))),
                          sn_full(g, SN_F32, 0.5, SN_SHAPE(SN_DIM(COLUMNS), SN_DIM(COLUMNS))));
    sn_function *f;
    if (sn_function_new(g, &(sn_function_desc){.inputs = &x, .n_inputs = 1, .outputs = &y, .n_outputs = 1}, &f))
        f = NULL;
    sn_graph_free(g);
    return f;
}

/* All of the library again in a child: the same function, a new one, a new context. 0 if all is well. */
static int child(sn_context *ctx, sn_function *f, const sn_tensor *x, sn_tensor *y, const float *first) {
    if (!repeat(f, x, y, first) || !repeat(f, x, y, first)) return 1;
    sn_function *again = row_products(ctx, 1), *other = row_products(ctx, 0.25);
    if (!again || !repeat(again, x, y, first)) return 2;
    if (!other || sn_function_call(other, x, 1, y, 1) || !memcmp(y->data, first, sn_tensor_bytes(y))) return 3;
    sn_function_free(again);
    sn_function_free(other);
    sn_function_free(f);
    sn_context_free(ctx);
    if (atomic_load(&memory.live)) return 4;
    ctx = context(2);
    f = row_products(ctx, 1);
    if (!f || !repeat(f, x, y, first)) return 5;
    sn_function_free(f);
    sn_context_free(ctx);
    return atomic_load(&memory.live) ? 6 : 0;
}

START_TEST(a_forked_child_goes_on) {
    sn_context *ctx = context(3);
    sn_function *f = row_products(ctx, 1);
    ck_assert_ptr_nonnull(f);
    sn_tensor x = matrix(SN_F32, ROWS, COLUMNS), y = matrix(SN_F32, ROWS, COLUMNS);
    call(f, &x, 1, &y, 1);
    float *first = malloc(sn_tensor_bytes(&y));
    memcpy(first, y.data, sn_tensor_bytes(&y));
    for (int round = 0; round < 3; round++) {
        pid_t pid = fork();
        ck_assert_int_ge(pid, 0);
        if (!pid) {
            alarm(60);
            _exit(child(ctx, f, &x, &y, first));
        }
        ck_assert(repeat(f, &x, &y, first)); /* both at work */
        int status;
        ck_assert_int_eq(waitpid(pid, &status, 0), pid);
        ck_assert_msg(WIFEXITED(status), "the child ended with signal %d", WTERMSIG(status));
        ck_assert_int_eq(WEXITSTATUS(status), 0);
        ck_assert(repeat(f, &x, &y, first));
    }
    free(x.data), free(y.data), free(first);
    sn_function_free(f);
    close_context(ctx);
}
END_TEST
#endif

int main(void) {
    sn_context_options options = {.struct_size = sizeof options, .log_level = SN_LOG_OFF, .backend = "cpu"};
    sn_context *ctx;
    int is_served = !sn_context_new(&options, &ctx) && !strcmp(sn_context_backend(ctx), "cpu");
    sn_context_free(ctx);
    Suite *suite = suite_create("robust");
    TCase *tests = tcase_create("robust");
    tcase_set_timeout(tests, 120);
    tcase_add_test(tests, processors_below_v3_are_served_by_the_interpreter);
    if (is_served) {
        tcase_add_test(tests, products_of_all_layouts_around_the_threshold);
        tcase_add_test(tests, products_of_symbolic_batches);
        tcase_add_test(tests, products_of_views);
        tcase_add_test(tests, products_that_update_their_operand);
        tcase_add_test(tests, a_missing_blas_is_an_error_and_leaves_nothing);
        tcase_add_test(tests, a_missing_compiler_is_an_error_and_leaves_nothing);
#ifndef UNDER_TSAN
        tcase_add_test(tests, a_forked_child_goes_on);
#endif
    }
    suite_add_tcase(suite, tests);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed != 0;
}
