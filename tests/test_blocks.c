/* Values that lie across each other in memory: which groups become blocks (fuse_block.c), with which tiles
 * (schedule.c), and that results are those of the other paths, for extents around the size of a block, every dtype and
 * several numbers of threads. */
#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "support/golden.h"
#include "support/nets.h"

/* ---- results ----------------------------------------------------------------------------------------------------- */

typedef struct {
    sn_dtype dtype;
    int64_t n, m;
    int is_const;
} block_case;

static ir_dim size_of(support_case *c, const block_case *b, const char *name, int64_t value) {
    return b->is_const ? ir_dim_const(c->g, value) : support_case_dim(c, name, value);
}

static ir_id combine(support_case *c, const block_case *b, ir_id x, ir_id y) {
    return ir_binary(c->g, b->dtype == SN_BOOL ? IR_XOR : IR_SUB, x, y);
}

/* An operand that lies across the others; copies in another order; folds along and across; in a kernel with rows that
 * are used twice. */
static void build_blocks(support_case *c, const void *arg) {
    const block_case *b = arg;
    static const uint8_t swap[] = {1, 0}, last_two[] = {0, 2, 1}, channels_first[] = {0, 3, 1, 2},
                         channels_last[] = {0, 2, 3, 1};
    ir_graph *g = c->g;
    ir_dim N = size_of(c, b, "N", b->n), M = size_of(c, b, "M", b->m), two = ir_dim_const(g, 2),
           ten = ir_dim_const(g, 10);
    ir_dim nm[2] = {N, M}, mn[2] = {M, N}, three[3] = {two, M, N}, image[4] = {two, N, M, ten},
           few[4] = {M, ten, N, two};
    ir_id x = support_case_input(c, b->dtype, 2, nm), y = support_case_input(c, b->dtype, 2, mn);
    ir_id z = support_case_input(c, b->dtype, 3, three), im = support_case_input(c, b->dtype, 4, image);
    ir_id back = support_case_input(c, b->dtype, 4, few);
    ir_id across = combine(c, b, x, ir_transpose(g, y, swap));
    support_case_out(c, across, 0);
    support_case_out(c, ir_transpose(g, y, swap), 0);
    support_case_out(c, ir_transpose(g, z, last_two), 0);
    support_case_out(c, ir_transpose(g, im, channels_first), 0);
    support_case_out(c, ir_transpose(g, back, channels_last), 0);
    if (b->dtype == SN_BOOL || b->n == 0 || b->m == 0) return;
    support_case_out(c, ir_reduce(g, IR_RMAX, ir_binary(g, IR_MIN, x, ir_transpose(g, y, swap)), 2, 0), 0);
    support_case_out(c, ir_reduce(g, IR_RMIN, ir_binary(g, IR_MAX, x, ir_transpose(g, y, swap)), 1, 0), 0);
    uint8_t rows[] = {0};
    ir_id most = ir_reduce(g, IR_RMAX, across, 2, 0);
    support_case_out(c, combine(c, b, across, ir_broadcast(g, most, 2, nm, rows)), 0);
}

START_TEST(results) {
    static const sn_dtype dtypes[] = {SN_F32, SN_F64, SN_I64, SN_I32, SN_U8, SN_BOOL};
    static const int64_t sizes[][2] = {{33, 50}, {0, 5}, {1, 1}, {7, 33}, {16, 16}, {17, 15}, {48, 64}, {131, 18}};
    sn_context *ctx = support_twin_context();
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
        block_case b = {dtypes[_i], sizes[i][0], sizes[i][1], 0};
        char what[80];
        snprintf(what, sizeof what, "blocks, %s, %d x %d", sn_dtype_name(b.dtype), (int)b.n, (int)b.m);
        support_run_case(ctx, what, build_blocks, &b,
                         SUPPORT_ULP | SUPPORT_COMPILED | SUPPORT_FUSED_ONLY | (i == 0 ? SUPPORT_THREADS : 0));
    }
    block_case b = {dtypes[_i], 40, 67, 1};
    if (_i < 2) support_run_case(ctx, "blocks of constant extents", build_blocks, &b, SUPPORT_ULP | SUPPORT_COMPILED);
    sn_context_free(ctx);
}
END_TEST

/* ---- kernels: tests/golden/blocks -------------------------------------------------------------------------------- */

#define SIZES(...) sn_shape_of_sizes(NET_SIZES(__VA_ARGS__))

/* Most lies along the columns: those are the loop. */
static void across(net *n) {
    sn_dim N = net_dim(n, "N"), M = net_dim(n, "M");
    sn_expr a = net_input(n, "A", SN_SHAPE(N, M)), b = net_input(n, "B", SN_SHAPE(M, N));
    net_output(n, sn_mul(sn_add(a, sn_t(b)), a));
}
static void copy(net *n) { net_output(n, sn_t(net_input(n, "x", SIZES(512, 4096)))); }
/* The channels are the loop: a row of 56 fills blocks to 7/8, its 16 rows of channels all. */
static void images(net *n) {
    sn_expr x = net_input(n, "x", SIZES(8, 56, 56, 64));
    net_output(n, sn_transpose(x, SN_AXES(0, 3, 1, 2)));
}
/* Too few to be a loop: unrolled, with the points as lanes. */
static void few(net *n) { net_output(n, sn_t(net_input(n, "x", SN_SHAPE(net_dim(n, "N"), SN_DIM(10))))); }
/* A fold along the loop, and one over the points. */
static void products(net *n) {
    sn_dim N = net_dim(n, "N"), M = net_dim(n, "M");
    sn_expr a = net_input(n, "A", SN_SHAPE(N, M)), b = net_input(n, "B", SN_SHAPE(M, N));
    net_output(n, sn_sum(sn_mul(a, sn_t(b)), SN_AXES(1), 0));
    net_output(n, sn_sum(sn_mul(a, sn_t(b)), SN_AXES(0), 0));
}
/* Too little to be worth it. */
static void tiny(net *n) {
    net_output(n, sn_add(net_input(n, "A", SIZES(20, 9)), sn_t(net_input(n, "B", SIZES(9, 20)))));
}

static const struct {
    const char *name;
    void (*build)(net *n);
} nets[] = {{"across", across}, {"copy", copy},         {"images", images},
            {"few", few},       {"products", products}, {"tiny", tiny}};
enum { N_NETS = sizeof nets / sizeof *nets };

START_TEST(kernels) {
    sn_context *ctx = support_twin_context();
    net n;
    char file[64], both[1 << 14];
    net_begin(&n, ctx, nets[_i].name);
    nets[_i].build(&n);
    sn_function *f = net_function(&n);
    char *why = net_show(&n, f, SN_SHOW_WHY), *kernel = net_show(&n, f, SN_SHOW_KERNEL);
    ck_assert_int_lt(snprintf(both, sizeof both, "%s\n%s", why, kernel), (int)sizeof both);
    snprintf(file, sizeof file, "blocks/%s.txt", nets[_i].name);
    golden_check(file, both);
    free(why);
    free(kernel);
    sn_function_free(f);
    net_free(&n);
    sn_context_free(ctx);
}
END_TEST

int main(void) {
    Suite *suite = suite_create("blocks");
    TCase *run = tcase_create("results"), *text = tcase_create("kernels");
    tcase_add_loop_test(run, results, 0, 6);
    tcase_add_loop_test(text, kernels, 0, N_NETS);
    suite_add_tcase(suite, run);
    suite_add_tcase(suite, text);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed != 0;
}
