/* Which readers a matrix product takes over on a machine that has epilogues, and that results stay the evaluator's: on
 * the interpreter and by the GPU backend on the stand-in, fused and not. What is not taken says why. */
#define _POSIX_C_SOURCE 200809L
#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "runtime/function.h"
#include "support/support_paths.h"

enum { M = 104, N = 112, K = 100 }; /* large enough for a library's product, f64 too */

/* ---- graphs ------------------------------------------------------------------------------------------------------ */

static ir_id product_f(support_case *c, sn_dtype dtype, int64_t rows) {
    ir_dim m = rows < 0 ? support_case_dim(c, "N", M) : ir_dim_const(c->g, rows);
    ir_dim k = ir_dim_const(c->g, K), n = ir_dim_const(c->g, N);
    return ir_matmul(c->g, support_case_input(c, dtype, 2, (ir_dim[]){m, k}),
                     support_case_input(c, dtype, 2, (ir_dim[]){k, n}));
}
static ir_id product(support_case *c) { return product_f(c, SN_F32, M); }
static ir_id row(support_case *c) { return support_case_sizes(c, SN_F32, 1, (int64_t[]){N}); }
static ir_id relu(support_case *c, ir_id x) { return ir_unary(c->g, IR_RELU, x); }
static ir_id add(support_case *c, ir_id x, ir_id y) { return ir_binary(c->g, IR_ADD, x, y); }
static void out(support_case *c, ir_id x) { support_case_out(c, x, 0); }
static ir_id shaped(support_case *c, ir_id x, uint32_t rank, const int64_t *sizes) {
    ir_dim dims[SN_MAX_RANK];
    for (uint32_t i = 0; i < rank; i++) dims[i] = ir_dim_const(c->g, sizes[i]);
    return ir_reshape(c->g, x, rank, dims);
}

static void row_relu(support_case *c) { out(c, relu(c, add(c, product(c), row(c)))); }
static void row_first(support_case *c) { out(c, relu(c, add(c, row(c), product(c)))); }
static void only_row(support_case *c) { out(c, add(c, product(c), row(c))); }
static void only_relu(support_case *c) { out(c, relu(c, product(c))); }
static void any_rows(support_case *c) { out(c, relu(c, add(c, product_f(c, SN_F32, -1), row(c)))); }
static void doubles(support_case *c) {
    out(c, relu(c, add(c, product_f(c, SN_F64, M), support_case_sizes(c, SN_F64, 1, (int64_t[]){N}))));
}
static void halves(support_case *c, sn_dtype dtype) {
    ir_id p = product_f(c, dtype, M);
    out(c, relu(c, add(c, p, support_case_sizes(c, dtype, 1, (int64_t[]){N}))));
}
static void f16(support_case *c) { halves(c, SN_F16); }
static void bf16(support_case *c) { halves(c, SN_BF16); }
/* As in mixed precision: cast for the product, the result goes on in f32. */
static void mixed(support_case *c) {
    ir_id x = support_case_sizes(c, SN_F32, 2, (int64_t[]){M, K}),
          w = support_case_sizes(c, SN_F32, 2, (int64_t[]){K, N}),
          p = ir_matmul(c->g, ir_cast(c->g, x, SN_BF16), ir_cast(c->g, w, SN_BF16)),
          h = relu(c, add(c, p, ir_cast(c->g, row(c), SN_BF16)));
    out(c, ir_unary(c->g, IR_TANH, ir_cast(c->g, h, SN_F32)));
}
static void row_of_rank_2(support_case *c) {
    out(c, relu(c, add(c, product(c), support_case_sizes(c, SN_F32, 2, (int64_t[]){1, N}))));
}
static void row_reshaped(support_case *c) {
    ir_id b = support_case_sizes(c, SN_F32, 2, (int64_t[]){4, N / 4});
    out(c, relu(c, add(c, product(c), shaped(c, b, 1, (int64_t[]){N}))));
}
/* x [3,M,K] by w [K,N]: one product of 3 M rows between reshapes. */
static void rank_3(support_case *c) {
    ir_id x = support_case_sizes(c, SN_F32, 3, (int64_t[]){3, M, K}),
          w = support_case_sizes(c, SN_F32, 2, (int64_t[]){K, N});
    out(c, relu(c, add(c, ir_matmul(c->g, x, w), row(c))));
}
static void batch(support_case *c) {
    ir_id x = support_case_sizes(c, SN_F32, 3, (int64_t[]){3, M, K}),
          w = support_case_sizes(c, SN_F32, 3, (int64_t[]){3, K, N});
    out(c, relu(c, add(c, ir_matmul(c->g, x, w), row(c))));
}
static void transposed(support_case *c) {
    ir_id x = support_case_sizes(c, SN_F32, 2, (int64_t[]){K, M}),
          w = support_case_sizes(c, SN_F32, 2, (int64_t[]){N, K});
    const uint8_t swap[] = {1, 0};
    out(c, relu(c, add(c, ir_matmul(c->g, ir_transpose(c->g, x, swap), ir_transpose(c->g, w, swap)), row(c))));
}
/* The row comes from another kernel, which has to run first. */
static void row_made(support_case *c) { out(c, relu(c, add(c, product(c), ir_unary(c->g, IR_TANH, row(c))))); }
static void row_made_and_more(support_case *c) { /* row and product are temporaries, both at once */
    out(c, ir_unary(c->g, IR_TANH, add(c, product(c), ir_unary(c->g, IR_TANH, row(c)))));
}
/* .. from a fold, whose partials have to be combined first .. */
static void row_folded(support_case *c) {
    ir_id x = support_case_sizes(c, SN_F32, 2, (int64_t[]){5000, N});
    out(c, relu(c, add(c, product(c), ir_reduce(c->g, IR_SUM, x, 1, 0))));
}
/* .. from another product's last row. */
static void row_of_product(support_case *c) {
    ir_id x = support_case_sizes(c, SN_F32, 2, (int64_t[]){M, K}),
          w = support_case_sizes(c, SN_F32, 2, (int64_t[]){K, N}), first = ir_matmul(c->g, x, w);
    out(c, relu(c, add(c, product(c), ir_reduce(c->g, IR_RMAX, relu(c, first), 1, 0))));
}
/* Two layers: the second reads what the first leaves. */
static void two_layers(support_case *c) {
    ir_id h = relu(c, add(c, product(c), row(c))), w = support_case_sizes(c, SN_F32, 2, (int64_t[]){N, N});
    out(c, relu(c, add(c, ir_matmul(c->g, h, w), row(c))));
}
static void relu_and_gradient(support_case *c) {
    ir_id x = support_case_sizes(c, SN_F32, 2, (int64_t[]){M, K}),
          w = support_case_sizes(c, SN_F32, 2, (int64_t[]){K, N}), b = row(c),
          h = relu(c, add(c, ir_matmul(c->g, x, w), b)), d[3];
    ir_grad(c->g, ir_reduce(c->g, IR_SUM, ir_unary(c->g, IR_SQUARE, h), 3, 0), (ir_id[]){x, w, b}, 3, d);
    for (int i = 0; i < 3; i++) out(c, d[i]);
}
static void tanh_of_row(support_case *c) { out(c, ir_unary(c->g, IR_TANH, add(c, product(c), row(c)))); }

static void two_readers(support_case *c) {
    ir_id p = product(c);
    out(c, relu(c, p));
    out(c, ir_unary(c->g, IR_TANH, p));
}
static void shown(support_case *c) {
    ir_id p = product(c);
    out(c, p);
    out(c, relu(c, add(c, p, row(c))));
}
static void sum_shown(support_case *c) {
    ir_id p = add(c, product(c), row(c));
    out(c, p);
    out(c, relu(c, p));
}
static void twice(support_case *c) {
    ir_id p = product(c);
    out(c, add(c, p, p));
}
static void column(support_case *c) {
    out(c, relu(c, add(c, product(c), support_case_sizes(c, SN_F32, 2, (int64_t[]){M, 1}))));
}
static void square_column(support_case *c) { /* as long as a row, and none */
    ir_id x = support_case_sizes(c, SN_F32, 2, (int64_t[]){N, K}),
          w = support_case_sizes(c, SN_F32, 2, (int64_t[]){K, N});
    out(c, relu(c, add(c, ir_matmul(c->g, x, w), support_case_sizes(c, SN_F32, 2, (int64_t[]){N, 1}))));
}
static void number(support_case *c) { out(c, relu(c, add(c, product(c), ir_const(c->g, SN_F32, 0.5)))); }
static void scalar(support_case *c) { out(c, relu(c, add(c, product(c), support_case_sizes(c, SN_F32, 0, NULL)))); }
static void matrix(support_case *c) {
    out(c, relu(c, add(c, product(c), support_case_sizes(c, SN_F32, 2, (int64_t[]){M, N}))));
}
static void part_of_row(support_case *c) {
    ir_id b = support_case_sizes(c, SN_F32, 1, (int64_t[]){2 * N});
    ir_range half = {.start = ir_dim_const(c->g, N), .step = 1, .size = ir_dim_const(c->g, N)};
    out(c, relu(c, add(c, product(c), ir_slice(c->g, b, &half))));
}
static void two_rows(support_case *c) {
    out(c, relu(c, add(c, add(c, product(c), row(c)), ir_unary(c->g, IR_TANH, row(c)))));
}
/* The last axis of what is added is not the product's. */
static void other_rows(support_case *c) {
    ir_id p = shaped(c, product(c), 2, (int64_t[]){2 * M, N / 2});
    out(c, relu(c, add(c, p, support_case_sizes(c, SN_F32, 1, (int64_t[]){N / 2}))));
}
static void across(support_case *c) {
    const uint8_t swap[] = {1, 0};
    ir_id x = support_case_sizes(c, SN_F32, 2, (int64_t[]){M, M});
    out(c, add(c, ir_transpose(c->g, relu(c, ir_matmul(c->g, x, x)), swap), x));
}

/* ---- what is expected -------------------------------------------------------------------------------------------- */

typedef struct {
    const char *name;
    void (*build)(support_case *c);
    int rows, relus; /* products that add a row, that take relu */
    int launches;    /* of the fused program; -1: not counted */
    const char *why; /* in what fusion says; NULL: nothing */
} expectation;
static const expectation expected[] = {
    {"row, relu", row_relu, 1, 1, 0, "in the epilogue of g0"},
    {"row first", row_first, 1, 1, 0, NULL},
    {"row", only_row, 1, 0, 0, "the epilogue ends here: it is a result"},
    {"relu", only_relu, 0, 1, 0, NULL},
    {"any rows", any_rows, 1, 1, 0, NULL},
    {"f64", doubles, 1, 1, 0, NULL},
    {"f16", f16, 1, 1, 0, NULL},
    {"bf16", bf16, 1, 1, 0, NULL},
    {"mixed", mixed, 1, 1, 2, NULL},
    {"row of rank 2", row_of_rank_2, 1, 1, 0, NULL},
    {"row reshaped", row_reshaped, 1, 1, 0, NULL},
    {"rank 3", rank_3, 1, 1, 0, NULL},
    {"batch", batch, 1, 1, 0, NULL},
    {"transposed", transposed, 1, 1, 0, NULL},
    {"row made", row_made, 1, 1, 1, NULL},
    {"row made, and more", row_made_and_more, 1, 0, 2, NULL},
    {"row folded", row_folded, 1, 1, 2, NULL},
    {"row of a product", row_of_product, 1, 2, -1, NULL},
    {"two layers", two_layers, 2, 2, 0, NULL},
    {"gradient", relu_and_gradient, 1, 1, -1, NULL},
    {"tanh", tanh_of_row, 1, 0, 1, "the epilogue ends here: its reader is not relu"},
    {"two readers", two_readers, 0, 0, -1, "no epilogue: more than one reads it"},
    {"shown", shown, 0, 0, -1, "no epilogue: more than one reads it"},
    {"sum shown", sum_shown, 1, 0, 1, "the epilogue ends here: more than one reads it"},
    {"twice", twice, 0, 0, -1, "no epilogue: more than one reads it"},
    {"column", column, 0, 0, 1, "no epilogue: what is added to it is no row in memory"},
    {"square, column", square_column, 0, 0, 1, "no epilogue: what is added to it is no row in memory"},
    {"number", number, 0, 0, 1, "no epilogue: what is added to it is no row in memory"},
    {"scalar", scalar, 0, 0, 1, "no epilogue: what is added to it is no row in memory"},
    {"matrix", matrix, 0, 0, 1, "no epilogue: what is added to it is no row in memory"},
    {"part of a row", part_of_row, 0, 0, 1, "no epilogue: what is added to it is no row in memory"},
    {"two rows", two_rows, 1, 0, 1, "the epilogue ends here: its reader is not relu"},
    {"other rows", other_rows, 0, 0, 1, "no epilogue: its reader neither adds a row nor is relu"},
    {"across", across, 0, 1, 1, "in the epilogue of g0"},
};

static void build_expected(support_case *c, const void *arg) { ((const expectation *)arg)->build(c); }

static void count_epilogues(const sn_function *f, int *rows, int *relus, int *launches) {
    *rows = *relus = *launches = 0;
    for (uint32_t i = 0; i < f->program->n_step; i++) {
        const pg_step *s = &f->program->step[i];
        *launches += s->kind == PG_LAUNCH;
        if (s->kind != PG_GEMM) continue;
        *rows += s->row.space != PG_NONE;
        *relus += s->relu;
    }
}

static void look(void *arg, sn_function *f) {
    const expectation *e = arg;
    int rows, relus, launches;
    count_epilogues(f, &rows, &relus, &launches);
    const char *why = f->program->why_text;
    ck_assert_msg(rows == e->rows && relus == e->relus, "%s: %d rows, %d relus\n%s", e->name, rows, relus, why);
    ck_assert_msg(e->launches < 0 || launches == e->launches, "%s: %d launches\n%s", e->name, launches, why);
    ck_assert_msg(!e->why || strstr(why, e->why), "%s: no \"%s\" in\n%s", e->name, e->why, why);
}

START_TEST(taken_over_or_told_why) {
    sn_context *ctx = support_twin_context();
    const expectation *e = &expected[_i];
    support_look_case(ctx, e->name, 1, build_expected, e, SUPPORT_COMPILED | SUPPORT_FUSED_ONLY, look,
                      (void *)(uintptr_t)e);
    sn_context_free(ctx);
}
END_TEST

/* ---- random chains ----------------------------------------------------------------------------------------------- */

static const int64_t extents[] = {97, 100, 112, 128};

/* A product and up to five steps behind it, each of which may read it again. */
static void build_random(support_case *c, const void *arg) {
    (void)arg;
    int64_t m = extents[support_case_below(c, 4)], n = extents[support_case_below(c, 4)];
    static const sn_dtype dtypes[] = {SN_F32, SN_F32, SN_F32, SN_F64, SN_F16, SN_BF16};
    sn_dtype dtype = dtypes[support_case_below(c, 6)];
    ir_id a = support_case_sizes(c, dtype, 2, (int64_t[]){m, K}),
          b = support_case_sizes(c, dtype, 2, (int64_t[]){K, n}), v = ir_matmul(c->g, a, b), first = v;
    ir_id made = ir_unary(c->g, IR_TANH, support_case_sizes(c, dtype, 1, (int64_t[]){n}));
    uint32_t steps = 1 + support_case_below(c, 5);
    for (uint32_t i = 0; i < steps; i++) {
        switch (support_case_below(c, 10)) {
            case 0:
            case 1: v = add(c, v, support_case_sizes(c, dtype, 1, (int64_t[]){n})); break;
            case 2:
            case 3: v = relu(c, v); break;
            case 4: v = add(c, made, v); break;
            case 5: v = shaped(c, shaped(c, v, 3, (int64_t[]){1, m, n}), 2, (int64_t[]){m, n}); break;
            case 6: v = ir_unary(c->g, IR_TANH, v); break;
            case 7: v = add(c, v, first); break;
            case 8: v = add(c, v, support_case_sizes(c, dtype, 2, (int64_t[]){m, 1})); break;
            default: v = ir_matmul(c->g, v, support_case_sizes(c, dtype, 2, (int64_t[]){n, n}));
        }
        if (!support_case_below(c, 6)) out(c, v);
    }
    if (!support_case_below(c, 4)) {
        ir_id d[2];
        ir_grad(c->g, ir_reduce(c->g, IR_SUM, v, 3, 0), (ir_id[]){a, made}, 2, d);
        out(c, d[0]);
        out(c, d[1]);
    }
    out(c, v);
}

static void count_taken(void *arg, sn_function *f) {
    int rows, relus, launches, *taken = arg;
    count_epilogues(f, &rows, &relus, &launches);
    *taken += rows + relus;
}

START_TEST(random_chains) {
    sn_context *ctx = support_twin_context();
    const char *count = getenv("SN_SLOW");
    int taken = 0, seeds = count ? 600 : 40;
    for (int i = 0; i < seeds; i++) {
        char what[32];
        snprintf(what, sizeof what, "seed %d", i);
        support_look_case(ctx, what, (uint64_t)i, build_random, NULL,
                          SUPPORT_FUSED_ONLY | (i % 8 ? 0 : SUPPORT_COMPILED), count_taken, &taken);
    }
    ck_assert_int_gt(taken, seeds / 4);
    sn_context_free(ctx);
}
END_TEST

int main(void) {
    setenv("SN_TWIN", "gpu", 1);
    Suite *suite = suite_create("gpu_epilogue");
    TCase *tc = tcase_create("gpu_epilogue");
    tcase_add_loop_test(tc, taken_over_or_told_why, 0, (int)(sizeof expected / sizeof *expected));
    tcase_add_test(tc, random_chains);
    suite_add_tcase(suite, tc);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed != 0;
}
