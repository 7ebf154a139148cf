/* The graph evaluator against plain C: each class of operators over every dtype it takes, at edge values, and the
 * shapes that tend to break (0 and 1 elements, named dims). */
#include <check.h>
#include <math.h>

#include "ir/infer.h"
#include "support/support_graph.h"

/* ---- leaves --------------------------------------------------------------------------------------------------- */

IR_TEST(leaves) {
    ir_graph *g = &t->g;
    ir_dim n = support_named(t, "N", 3), twice = ir_dim_mul(g, n, support_size(t, 2));
    static const float weights[2] = {1.5f, -2};
    t->var[0] = weights;
    ir_id var = ir_use(g, NULL, "w", SN_F32, SIZES(2));
    CHECK_FLOATS(t, var, 1.5, -2);
    CHECK_FLOATS(t, ir_const(g, SN_F32, 0.1), (double)0.1f);
    CHECK_FLOATS(t, ir_const(g, SN_F64, -0.0), -0.0);
    CHECK_INTS(t, ir_const(g, SN_I64, -5), -5);
    CHECK_INTS(t, ir_const(g, SN_I32, -5), -5);
    CHECK_INTS(t, ir_const(g, SN_U8, 255), 255);
    CHECK_INTS(t, ir_const(g, SN_BOOL, 1), 1);
    CHECK_INTS(t, ir_iota(g, SN_I64, n), 0, 1, 2);
    CHECK_INTS(t, ir_iota(g, SN_U8, support_size(t, 3)), 0, 1, 2);
    CHECK_FLOATS(t, ir_iota(g, SN_F32, twice), 0, 1, 2, 3, 4, 5);
    CHECK_INTS(t, ir_dim_node(g, twice), 6);
    support_named(t, "N", 0);
    ck_assert_int_eq(support_count(t, ir_iota(g, SN_I64, n)), 0);
    support_eval(t, ir_iota(g, SN_I64, n));
    CHECK_INTS(t, ir_dim_node(g, twice), 0);
}

/* Outputs come first, then updates, each with its own value. */
IR_TEST(several_roots) {
    ir_graph *g = &t->g;
    double at = 3;
    ir_id x = support_input(t, "x", SN_F64, 0, NULL, &at), a = ir_unary(g, IR_SQUARE, x), b = ir_unary(g, IR_NEG, a);
    ir_id outs[2] = {b, x}, updates[1] = {a};
    uint32_t vars[1] = {0};
    ir_roots roots = {.n_out = 2, .out = outs, .n_update = 1, .update = updates, .update_var = vars};
    void *out[3];
    ir_eval(g, &roots, &(ir_values){t->input, t->var, t->dim}, &g->arena, out);
    ck_assert_double_eq(*(double *)out[0], -9);
    ck_assert_double_eq(*(double *)out[1], 3);
    ck_assert_double_eq(*(double *)out[2], 9);
}

/* Computed wider, rounded once when the node is done. */
IR_TEST(halves) {
    ir_graph *g = &t->g;
    ir_id ones = ir_broadcast_to(g, ir_const(g, SN_BF16, 1), 1, (ir_dim[]){support_size(t, 3000)});
    CHECK_FLOATS(t, ir_cast(g, ir_reduce(g, IR_SUM, ones, 1, 0), SN_F32), 3008); /* the nearest of 8 digits */
    CHECK_FLOATS(t, ir_cast(g, ir_const(g, SN_F16, 0.1), SN_F64), 0x1.998p-4);
    ir_id sum = ir_binary(g, IR_ADD, ir_const(g, SN_F16, 2048), ir_const(g, SN_F16, 3));
    CHECK_FLOATS(t, ir_cast(g, sum, SN_F64), 2052); /* to even */
    CHECK_FLOATS(t, ir_cast(g, ir_cast(g, ir_const(g, SN_F64, 0x1.002001p0), SN_F16), SN_F64), 0x1.004p0);
    CHECK_INTS(t, ir_cast(g, ir_const(g, SN_BF16, 1e30), SN_I32), INT32_MAX);
    CHECK_FLOATS(t, ir_cast(g, ir_cast(g, ir_const(g, SN_I64, 65520), SN_F16), SN_F32), INFINITY);
    CHECK_FLOATS(t, ir_cast(g, ir_iota(g, SN_BF16, support_size(t, 3)), SN_F32), 0, 1, 2);
}

/* ---- reductions and products ---------------------------------------------------------------------------------- */

IR_TEST(reductions) {
    ir_graph *g = &t->g;
    enum { A = 3, B = 4, C = 2, N = A * B * C };
    double x[N];
    int32_t n[N];
    for (int i = 0; i < N; i++) x[i] = n[i] = (int32_t)support_below(t, 200) - 100;
    ir_id wide_in = support_input(t, "x", SN_F64, SIZES(A, B, C), x),
          ints = support_input(t, "n", SN_I32, SIZES(A, B, C), n);
    for (uint32_t axes = 0; axes < 8; axes++) {
        int64_t size[3] = {axes & 1 ? 1 : A, axes & 2 ? 1 : B, axes & 4 ? 1 : C};
        int64_t sum[N], least[N], most[N], count = size[0] * size[1] * size[2];
        double wide[3][N];
        for (int i = 0; i < N; i++) sum[i] = 0, least[i] = INT64_MAX, most[i] = INT64_MIN;
        for (int i = 0; i < N; i++) {
            int64_t at[3] = {i / (B * C), i / C % B, i % C};
            for (int a = 0; a < 3; a++)
                if (axes >> a & 1) at[a] = 0;
            int64_t to = (at[0] * size[1] + at[1]) * size[2] + at[2];
            sum[to] += n[i];
            if (n[i] < least[to]) least[to] = n[i];
            if (n[i] > most[to]) most[to] = n[i];
        }
        for (int64_t i = 0; i < count; i++)
            wide[0][i] = (double)sum[i] + 0.0, wide[1][i] = (double)most[i], wide[2][i] = (double)least[i];
        const int64_t *want[] = {sum, most, least};
        for (int k = 0; k < 3; k++)
            for (int keep = 0; keep < 2; keep++) {
                ir_op op = (const ir_op[]){IR_SUM, IR_RMAX, IR_RMIN}[k];
                support_check_node_ints(t, ir_ops[op].name, ir_reduce(g, op, ints, axes, keep), want[k], count);
                ir_id e = ir_reduce(g, op, wide_in, axes, keep);
                ck_assert_int_eq(support_count(t, e), count);
                support_check_floats(ir_ops[op].name, support_eval(t, e), SN_F64, wide[k], count);
            }
    }
}

IR_TEST(reductions_at_the_edges) {
    ir_graph *g = &t->g;
    ir_id none = support_input(t, "none", SN_F64, SIZES(2, 0), NULL),
          no_ints = support_input(t, "i", SN_I32, SIZES(0), NULL);
    CHECK_FLOATS(t, ir_reduce(g, IR_SUM, none, 2, 0), 0, 0);
    CHECK_FLOATS(t, ir_reduce(g, IR_RMAX, none, 2, 0), -INFINITY, -INFINITY);
    CHECK_FLOATS(t, ir_reduce(g, IR_RMIN, none, 2, 1), INFINITY, INFINITY);
    CHECK_INTS(t, ir_reduce(g, IR_SUM, no_ints, 1, 0), 0);
    CHECK_INTS(t, ir_reduce(g, IR_RMAX, no_ints, 1, 0), INT32_MIN);
    CHECK_INTS(t, ir_reduce(g, IR_RMIN, no_ints, 1, 0), INT32_MAX);
    ir_id no_bytes = support_input(t, "u", SN_U8, SIZES(0), NULL),
          no_longs = support_input(t, "l", SN_I64, SIZES(0), NULL);
    CHECK_INTS(t, ir_reduce(g, IR_RMAX, no_bytes, 1, 0), 0);
    CHECK_INTS(t, ir_reduce(g, IR_RMIN, no_longs, 1, 0), INT64_MAX);
    ck_assert_int_eq(support_count(t, ir_reduce(g, IR_SUM, none, 1, 0)), 0);
    support_eval(t, ir_reduce(g, IR_SUM, none, 1, 0));

    static const double nan[] = {1, NAN, 3, 1, 2, 3};
    ir_id x = support_input(t, "nan", SN_F64, SIZES(2, 3), nan);
    CHECK_FLOATS(t, ir_reduce(g, IR_RMAX, x, 2, 0), NAN, 3);
    CHECK_FLOATS(t, ir_reduce(g, IR_RMIN, x, 2, 0), NAN, 1);
    CHECK_FLOATS(t, ir_reduce(g, IR_SUM, x, 2, 0), NAN, 6);
    CHECK_INTS(t, ir_reduce(g, IR_ARGMAX, x, 2, 0), 1, 2);
    CHECK_INTS(t, ir_reduce(g, IR_ARGMIN, x, 2, 0), 1, 0);
    CHECK_INTS(t, ir_reduce(g, IR_ARGMAX, x, 1, 0), 0, 0, 0);
    CHECK_INTS(t, ir_reduce(g, IR_ARGMAX, no_ints, 1, 0), INT64_MAX);

    /* As NumPy: the first of equal values, zeros are equal, infinities are values, the first NaN wins. */
    static const double ties[] = {0,         -0.0,      0,         -0.0,      0,         -0.0,     /* zeros */
                                  -INFINITY, INFINITY,  -INFINITY, INFINITY,  -INFINITY, INFINITY, /* infinities */
                                  3,         NAN,       INFINITY,  NAN,       -INFINITY, 1,        /* NaNs */
                                  2,         7,         7,         1,         1,         5,        /* equal */
                                  -INFINITY, -INFINITY, -INFINITY, -INFINITY, -INFINITY, -INFINITY};
    ir_id tied = support_input(t, "ties", SN_F64, SIZES(5, 6), ties);
    CHECK_INTS(t, ir_reduce(g, IR_ARGMAX, tied, 2, 0), 0, 1, 1, 1, 0);
    CHECK_INTS(t, ir_reduce(g, IR_ARGMIN, tied, 2, 0), 0, 0, 1, 3, 0);
    CHECK_INTS(t, ir_reduce(g, IR_ARGMAX, tied, 1, 1), 2, 2, 2, 2, 3, 1);

    static const uint8_t bytes[] = {200, 100};
    static const int32_t large[] = {INT32_MAX, 1};
    ir_id two_bytes = support_input(t, "b", SN_U8, SIZES(2), bytes),
          two = support_input(t, "w", SN_I32, SIZES(2), large);
    CHECK_INTS(t, ir_reduce(g, IR_SUM, two_bytes, 1, 0), 44);
    CHECK_INTS(t, ir_reduce(g, IR_SUM, two, 1, 0), INT32_MIN);

    /* Rounded once: additions in f32 would lose every one of the ones; the same for f64 beside 2^53. */
    float ones[1001];
    double ones64[1001];
    for (int i = 0; i < 1001; i++) ones[i] = i ? 1.0f : 0x1p24f, ones64[i] = i ? 1.0 : 0x1p53;
    ir_id single = support_input(t, "ones", SN_F32, SIZES(1001), ones);
    ir_id wide = support_input(t, "ones64", SN_F64, SIZES(1001), ones64);
    CHECK_FLOATS(t, ir_reduce(g, IR_SUM, single, 1, 0), 0x1p24 + 1000);
    CHECK_FLOATS(t, ir_reduce(g, IR_SUM, wide, 1, 0), 0x1p53 + 1000);
}

IR_TEST(matmuls) {
    ir_graph *g = &t->g;
    enum { M = 3, K = 4, N = 2 };
    double a[M * K], b[K * N], at[M * K], bt[K * N], want[M * N] = {0};
    float fa[M * K], fb[K * N];
    for (int i = 0; i < M; i++)
        for (int k = 0; k < K; k++) a[i * K + k] = at[k * M + i] = (double)support_below(t, 20) - 10;
    for (int k = 0; k < K; k++)
        for (int j = 0; j < N; j++) b[k * N + j] = bt[j * K + k] = (double)support_below(t, 20) - 10;
    for (int i = 0; i < M; i++)
        for (int j = 0; j < N; j++)
            for (int k = 0; k < K; k++) want[i * N + j] += a[i * K + k] * b[k * N + j];
    for (int i = 0; i < M * K; i++) fa[i] = (float)a[i];
    for (int i = 0; i < K * N; i++) fb[i] = (float)b[i];
    ir_id x[2] = {support_input(t, "a", SN_F64, SIZES(M, K), a), support_input(t, "at", SN_F64, SIZES(K, M), at)};
    ir_id y[2] = {support_input(t, "b", SN_F64, SIZES(K, N), b), support_input(t, "bt", SN_F64, SIZES(N, K), bt)};
    for (int flags = 0; flags < 4; flags++)
        support_check_floats("matmul", support_eval(t, ir_matmul_flags(g, x[flags & 1], y[flags >> 1], flags)), SN_F64,
                             want, M * N);
    ir_id single =
        ir_matmul(g, support_input(t, "fa", SN_F32, SIZES(M, K), fa), support_input(t, "fb", SN_F32, SIZES(K, N), fb));
    support_check_floats("matmul in f32", support_eval(t, single), SN_F32, want, M * N);

    double dot = 0;
    for (int k = 0; k < K; k++) dot += a[k] * a[k];
    ir_id v = support_input(t, "v", SN_F64, SIZES(K), a);
    CHECK_FLOATS(t, ir_matmul(g, v, v), dot);
    ir_id tall = support_input(t, "tall", SN_F64, SIZES(2, 0), NULL),
          flat = support_input(t, "flat", SN_F64, SIZES(0, 2), NULL);
    CHECK_FLOATS(t, ir_matmul(g, tall, flat), 0, 0, 0, 0);
    ck_assert_int_eq(support_count(t, ir_matmul(g, flat, tall)), 0);
    support_eval(t, ir_matmul(g, flat, tall));
}

/* ---- moving elements ------------------------------------------------------------------------------------------ */

IR_TEST(views) {
    ir_graph *g = &t->g;
    int32_t x[24];
    for (int i = 0; i < 24; i++) x[i] = i;
    ir_id e = support_input(t, "x", SN_I32, SIZES(2, 3, 4), x);
    static const uint8_t perms[][3] = {{0, 1, 2}, {0, 2, 1}, {1, 0, 2}, {1, 2, 0}, {2, 0, 1}, {2, 1, 0}};
    for (int p = 0; p < 6; p++) {
        ir_id turned = ir_transpose(g, e, perms[p]);
        const int32_t *have = support_eval(t, turned);
        int64_t size[3] = {2, 3, 4}, at[3], i = 0;
        for (at[0] = 0; at[0] < size[perms[p][0]]; at[0]++)
            for (at[1] = 0; at[1] < size[perms[p][1]]; at[1]++)
                for (at[2] = 0; at[2] < size[perms[p][2]]; at[2]++) {
                    int64_t from[3] = {0};
                    for (int a = 0; a < 3; a++) from[perms[p][a]] = at[a];
                    ck_assert_int_eq(have[i++], (from[0] * 3 + from[1]) * 4 + from[2]);
                }
    }
    ir_dim d2 = support_size(t, 2), d3 = support_size(t, 3), d1 = support_size(t, 1), d6 = support_size(t, 6);
    ir_id row = support_input(t, "row", SN_I32, SIZES(3), (const int32_t[]){7, 8, 9}),
          column = ir_reshape(g, row, DIMS(d3, d1));
    CHECK_INTS(t, ir_reshape(g, row, DIMS(d1, d3)), 7, 8, 9);
    CHECK_INTS(t, ir_broadcast_to(g, row, DIMS(d2, d3)), 7, 8, 9, 7, 8, 9);
    CHECK_INTS(t, ir_broadcast_to(g, column, DIMS(d3, d2)), 7, 7, 8, 8, 9, 9);
    CHECK_INTS(t, ir_broadcast(g, row, DIMS(d3, d2), (const uint8_t[]){0}), 7, 7, 8, 8, 9, 9);
    CHECK_INTS(t, ir_broadcast(g, column, DIMS(d2, d3), (const uint8_t[]){1, 0}), 7, 8, 9, 7, 8, 9);
    CHECK_INTS(t, ir_broadcast_to(g, ir_const(g, SN_I32, 4), DIMS(d2)), 4, 4);
    CHECK_INTS(t, ir_reshape(g, ir_broadcast_to(g, row, DIMS(d2, d3)), DIMS(d6)), 7, 8, 9, 7, 8, 9);
    CHECK_INTS(t, ir_binary(g, IR_ADD, column, row), 14, 15, 16, 15, 16, 17, 16, 17, 18);
    CHECK_INTS(t, ir_stop_gradient(g, row), 7, 8, 9);
    CHECK_INTS(t, ir_concat(g, 3, (const ir_id[]){row, support_input(t, "none", SN_I32, SIZES(0), NULL), row}, 0), 7, 8,
               9, 7, 8, 9);
    ir_id wide = ir_broadcast_to(g, row, DIMS(d2, d3));
    CHECK_INTS(t, ir_concat(g, 2, (const ir_id[]){wide, ir_reshape(g, ir_iota(g, SN_I32, d2), DIMS(d2, d1))}, 1), 7, 8,
               9, 0, 7, 8, 9, 1);
}

IR_TEST(slices_and_pads) {
    ir_graph *g = &t->g;
    static const int64_t x[] = {10, 11, 12, 13, 14, 15, 16};
    int64_t start = 0;
    ir_id e = support_input(t, "x", SN_I64, SIZES(7), x), at = support_input(t, "start", SN_I64, 0, NULL, &start);
    ir_dim d3 = support_size(t, 3), d7 = support_size(t, 7), d0 = support_size(t, 0), d2 = support_size(t, 2);
    CHECK_INTS(t, ir_slice(g, e, &(ir_range){.start = support_size(t, 1), .step = 2, .size = d3}), 11, 13, 15);
    CHECK_INTS(t, ir_slice(g, e, &(ir_range){.start = support_size(t, 6), .step = 9, .size = support_size(t, 1)}), 16);
    ck_assert_int_eq(support_count(t, ir_slice(g, e, &(ir_range){.start = d7, .step = 1, .size = d0})), 0);
    support_eval(t, ir_slice(g, e, &(ir_range){.start = d7, .step = 1, .size = d0}));

    ir_id small = ir_slice(g, e, &(ir_range){.start = d2, .step = 1, .size = d3});
    CHECK_INTS(t, ir_pad(g, small, &(ir_range){.start = support_size(t, 1), .step = 2, .size = d3}, &d7), 0, 12, 0, 13,
               0, 14, 0);

    /* size 3 by 2 spans 5 of 7: starts 0 .. 2; with the constant 1 added the runtime part is clamped to -1 .. 1 */
    ir_range moving = {.runtime = at, .step = 2, .size = d3},
             shifted = {.start = support_size(t, 1), .runtime = at, .step = 2, .size = d3};
    static const int64_t starts[] = {INT64_MIN, -7, -1, 0, 1, 2, 3, 100, INT64_MAX};
    for (int i = 0; i < COUNT(starts); i++) {
        start = starts[i];
        int64_t s = start < 0 ? 0 : start > 2 ? 2 : start, s1 = start < -1 ? 0 : start > 1 ? 2 : start + 1;
        CHECK_INTS(t, ir_slice(g, e, &moving), 10 + s, 12 + s, 14 + s);
        CHECK_INTS(t, ir_slice(g, e, &shifted), 10 + s1, 12 + s1, 14 + s1);
        int64_t want[7] = {0};
        for (int k = 0; k < 3; k++) want[s + 2 * k] = 12 + k;
        support_check_node_ints(t, "pad", ir_pad(g, small, &moving, &d7), want, 7);
    }
    ir_id m = ir_reshape(g, ir_iota(g, SN_I64, support_size(t, 12)), DIMS(d3, support_size(t, 4)));
    ir_range box[2] = {{.start = support_size(t, 1), .step = 1, .size = d2},
                       {.start = support_size(t, 1), .step = 2, .size = d2}};
    CHECK_INTS(t, ir_slice(g, m, box), 5, 7, 9, 11);
    CHECK_INTS(t, ir_pad(g, ir_slice(g, m, box), box, (const ir_dim[]){d3, support_size(t, 4)}), 0, 0, 0, 0, 0, 5, 0, 7,
               0, 9, 0, 11);
}

IR_TEST(rows_by_id) {
    ir_graph *g = &t->g;
    static const int32_t x[] = {0, 1, 10, 11, 20, 21};
    static const int64_t ids[] = {2, 0, -5, 3, 2, 1};
    ir_dim d3 = support_size(t, 3), d2 = support_size(t, 2), d1 = support_size(t, 1);
    ir_id e = support_input(t, "x", SN_I32, SIZES(3, 2), x), i = support_input(t, "ids", SN_I64, SIZES(6), ids);
    CHECK_INTS(t, ir_gather(g, e, i), 20, 21, 0, 1, 0, 1, 20, 21, 20, 21, 10, 11);
    ck_assert_uint_eq(ir_at(g, ir_gather(g, e, ir_reshape(g, i, DIMS(d3, d2))))->rank, 3);
    CHECK_INTS(t, ir_gather(g, e, ir_reshape(g, i, DIMS(d3, d2, d1))), 20, 21, 0, 1, 0, 1, 20, 21, 20, 21, 10, 11);
    CHECK_INTS(t, ir_gather(g, e, ir_const(g, SN_I32, 1)), 10, 11);
    ir_id none = support_input(t, "none", SN_I64, SIZES(0), NULL);
    ck_assert_int_eq(support_count(t, ir_gather(g, e, none)), 0);
    support_eval(t, ir_gather(g, e, none));

    ir_id ones = ir_iota(g, SN_I32, support_size(t, 6));
    CHECK_INTS(t, ir_scatter_add(g, i, ones, d3), 1 + 2, 5, 0 + 3 + 4);
    ir_id rows2 = ir_broadcast(g, ones, DIMS(support_size(t, 6), d2), (const uint8_t[]){0});
    CHECK_INTS(t, ir_scatter_add(g, i, rows2, d3), 3, 3, 5, 5, 7, 7);
    CHECK_FLOATS(t, ir_scatter_add(g, i, ir_cast(g, ones, SN_F32), d3), 3, 5, 7);
    CHECK_INTS(t, ir_scatter_add(g, none, ir_iota(g, SN_I32, support_size(t, 0)), d3), 0, 0, 0);
    /* A named number of rows may be 0: nothing to read, nothing to add to. */
    ir_dim n = support_named(t, "N", 0);
    ir_id empty = support_input_dims(t, "empty", SN_F64, DIMS(n), NULL);
    CHECK_FLOATS(t, ir_gather(g, empty, i), 0, 0, 0, 0, 0, 0);
    ck_assert_int_eq(support_count(t, ir_scatter_add(g, i, ones, n)), 0);
    support_eval(t, ir_scatter_add(g, i, ones, n));
}

/* ---- what goes wrong at a call -------------------------------------------------------------------------------- */

typedef struct {
    support_graph *t;
    ir_id id;
} question;

static void ask(void *arg) {
    question *q = arg;
    support_eval(q->t, q->id);
}

static void expect_error(support_graph *t, ir_id id, sn_status status, const char *part) {
    question q = {t, id};
    ck_assert_int_eq(support_try(t, ask, &q), status);
    ck_assert_msg(strstr(t->error, part) != NULL, "\"%s\" is not in \"%s\"", part, t->error);
}

IR_TEST(errors) {
    ir_graph *g = &t->g;
    static const double x[4] = {1, 2, 3, 4};
    ir_dim n = support_named(t, "N", 2), m = support_named(t, "M", 2), big = support_named(t, "BIG", 1);
    ir_id a = support_input_dims(t, "a", SN_F64, DIMS(n), x), b = support_input_dims(t, "b", SN_F64, DIMS(m), x);
    g->here = (ir_place){"model.c", 7};
    ir_id sum = ir_binary(g, IR_ADD, a, b);
    ir_dim less = ir_dim_sub(g, n, support_size(t, 3));
    CHECK_FLOATS(t, sum, 2, 4);
    support_named(t, "M", 3);
    expect_error(t, sum, SN_ERR_SHAPE, "model.c:7: add: ");
    support_named(t, "M", 1); /* a named dim does not broadcast */
    expect_error(t, sum, SN_ERR_SHAPE, "model.c:7: add: ");
    expect_error(t, ir_iota(g, SN_I64, less), SN_ERR_SHAPE, "size");
    ir_id part = ir_slice(g, a, &(ir_range){.start = support_size(t, 1), .step = 1, .size = m});
    CHECK_FLOATS(t, part, 2);
    support_named(t, "M", 2);
    expect_error(t, part, SN_ERR_SHAPE, "slice");
    ir_dim product = ir_dim_mul(g, ir_dim_mul(g, big, big), big);
    support_named(t, "BIG", 1ll << 22);
    expect_error(t, ir_dim_node(g, product), SN_ERR_SHAPE, "overflow");
    ir_id missing = support_input(t, "missing", SN_F64, 0, NULL, NULL);
    expect_error(t, ir_unary(g, IR_NEG, missing), SN_ERR_MISSING, "missing");
    expect_error(t, 0, SN_ERR_ARGUMENT, "no expression");
    expect_error(t, 1u << 30, SN_ERR_ARGUMENT, "no expression");
    /* What is not needed is not touched. */
    support_named(t, "M", 5);
    CHECK_FLOATS(t, ir_unary(g, IR_NEG, a), -1, -2);
}

/* ops.def's promise that every row can be evaluated: none falls through to the internal error. */
IR_TEST(every_class_is_covered) {
    ir_graph *g = &t->g;
    static const double x[4] = {1, 2, 3, 4};
    ir_id e = support_input(t, "x", SN_F64, SIZES(2, 2), x), i = ir_iota(g, SN_I64, support_size(t, 2)),
          made[IR_OP_COUNT] = {0};
    ir_range half[2] = {{.step = 1, .size = support_size(t, 1)}, {.step = 1, .size = support_size(t, 1)}};
    t->var[0] = x;
    ir_id all[] = {
        e,
        ir_use(g, NULL, "v", SN_F64, SIZES(2)),
        ir_const(g, SN_F64, 1),
        i,
        ir_dim_node(g, support_named(t, "N", 1)),
        ir_cast(g, e, SN_F32),
        ir_select(g, ir_binary(g, IR_LT, e, e), e, e),
        ir_reduce(g, IR_SUM, e, 1, 0),
        ir_reduce(g, IR_RMAX, e, 1, 0),
        ir_reduce(g, IR_RMIN, e, 1, 0),
        ir_reduce(g, IR_PROD, e, 1, 0),
        ir_reduce(g, IR_ARGMAX, e, 1, 0),
        ir_reduce(g, IR_ARGMIN, e, 1, 0),
        ir_recurrence(g, e, e, 1, 0),
        ir_matmul(g, e, e),
        ir_reshape(g, e, 1, (const ir_dim[]){support_size(t, 4)}),
        ir_transpose(g, e, (const uint8_t[]){1, 0}),
        ir_broadcast_to(g, ir_const(g, SN_F64, 1), 1, (const ir_dim[]){support_size(t, 4)}),
        ir_slice(g, e, half),
        ir_pad(g, ir_slice(g, e, half), half, ir_at(g, e)->dim),
        ir_concat(g, 2, (const ir_id[]){e, e}, 0),
        ir_gather(g, e, i),
        ir_scatter_add(g, i, e, support_size(t, 3)),
        ir_stop_gradient(g, e),
    };
    for (int k = 0; k < COUNT(all); k++) made[ir_at(g, all[k])->op] = all[k];
    for (int op = 1; op < IR_OP_COUNT; op++) {
        ir_id b = ir_ops[op].types & IR_T_F ? e : i;
        if (!made[op]) {
            ck_assert_msg(ir_ops[op].cls == IR_CLASS_EWISE, "%s is not made", ir_ops[op].name);
            made[op] = support_apply(t, op, b, b);
        }
        ck_assert_msg(ir_at(g, made[op])->op == op, "%s is not tried", ir_ops[op].name);
        support_eval(t, made[op]);
    }
}

int main(void) {
    Suite *suite = suite_create("eval");
    TCase *tests = tcase_create("evaluator");
    tcase_add_test(tests, leaves);
    tcase_add_test(tests, several_roots);
    tcase_add_test(tests, halves);
    tcase_add_test(tests, reductions);
    tcase_add_test(tests, reductions_at_the_edges);
    tcase_add_test(tests, matmuls);
    tcase_add_test(tests, views);
    tcase_add_test(tests, slices_and_pads);
    tcase_add_test(tests, rows_by_id);
    tcase_add_test(tests, errors);
    tcase_add_test(tests, every_class_is_covered);
    suite_add_tcase(suite, tests);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed != 0;
}
