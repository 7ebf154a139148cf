/* Every reason that fusion gives for keeping two nodes apart: a small graph that it refuses for that reason, beside a
 * near miss that fuses; both give the evaluator's results. Then larger graphs that must not become one kernel. */
#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "ir/fuse.h"
#include "runtime/context.h"
#include "support/nets.h"

/* ---- reading decisions ------------------------------------------------------------------------------------------- */

typedef struct {
    net n;
    sn_function *f;
    char *why, *fuse;
    sn_function_stats stats;
} view;

static void open_view(view *v) {
    v->f = net_function(&v->n);
    v->why = net_show(&v->n, v->f, SN_SHOW_WHY);
    v->fuse = net_show(&v->n, v->f, SN_SHOW_FUSE);
    ck_assert_int_eq(sn_function_get_stats(v->f, &v->stats), SN_OK);
}

static void close_view(view *v) {
    sn_context *ctx = v->n.ctx;
    free(v->why);
    free(v->fuse);
    sn_function_free(v->f);
    net_free(&v->n);
    sn_context_free(ctx);
}

/* The decision about one node or update: its line, which contains `probe`, and the indented ones after it. */
static void decision(const view *v, const char *probe, char *out, size_t n) {
    const char *start = v->why;
    while (start) { /* a line that is not indented, with the probe in it */
        const char *end = strchr(start, '\n');
        const char *found = strstr(start, probe);
        if (!end) break;
        if (*start != ' ' && found && found < end) {
            while (end[1] == ' ') end = strchr(end + 1, '\n');
            snprintf(out, n, "%.*s", (int)(end - start), start);
            return;
        }
        start = end + 1;
    }
    ck_abort_msg("no decision about %s in:\n%s", probe, v->why);
}

static void expect_refused(const view *v, const char *probe, fu_reason reason) {
    char text[1024];
    decision(v, probe, text, sizeof text);
    ck_assert_msg(strstr(text, fu_reason_text(reason)) && !strstr(text, "fused into"),
                  "not refused for \"%s\":\n%s\nall:\n%s", fu_reason_text(reason), text, v->why);
}

static void expect_fused(const view *v, const char *probe) {
    char text[1024];
    decision(v, probe, text, sizeof text);
    ck_assert_msg(strstr(text, "fused into") != NULL, "not fused:\n%s\nall:\n%s", text, v->why);
}

/* ---- one pair of graphs for each reason -------------------------------------------------------------------------- */

/* Each makes the graph, with the node in question called "probe" (or the variable in question W). near: the near miss.
 */
typedef void (*maker)(net *n, int near);

static sn_expr probe(sn_expr e) { return sn_name(e, "probe"); }

/* A vector's sum is complete after all its points; a row's is complete at each point. */
static void make_cycle(net *n, int near) {
    sn_dim N = net_dim(n, "N");
    sn_expr e = sn_exp(net_input(n, "x", near ? SN_SHAPE(N, SN_DIM(8)) : SN_SHAPE(N)));
    sn_expr total = near ? sn_sum(e, SN_AXES(1), 1) : sn_sum_all(e);
    net_output(n, probe(sn_div(e, total)));
}

/* Neighbours of a computed value; neighbours of an input. */
static void make_shifted(net *n, int near) {
    sn_dim N = net_dim(n, "N"), next = sn_dim_add(n->g, N, SN_DIM(1));
    sn_expr x = net_input(n, "x", SN_SHAPE(next));
    sn_expr a = x, b = x;
    if (!near) a = b = sn_exp(x);
    a = sn_slice(a, 0, SN_DIM(1), SN_END);
    b = sn_slice(b, 0, SN_DIM(0), N);
    if (near) {
        a = sn_exp(a);
        b = sn_exp(b);
    }
    net_output(n, probe(sn_sub(a, b)));
}

/* The weights of a product of few columns, squared: they have none of its rows. Another function of the product. */
static void make_points(net *n, int near) {
    sn_dim N = net_dim(n, "N");
    sn_expr w = net_input(n, "w", SN_SHAPE(SN_DIM(200), SN_DIM(12)));
    sn_expr z = sn_matmul(net_input(n, "x", SN_SHAPE(N, SN_DIM(200))), w);
    net_output(n, z);
    net_output(n, probe(sn_square(near ? z : w)));
}

/* Sums of row sums: 40 points of 90000 elements are too few; 70 are not. */
static void make_few_points(net *n, int near) {
    sn_expr x = net_input(n, "x", SN_SHAPE(SN_DIM(near ? 70 : 40), SN_DIM(30), SN_DIM(300)));
    net_output(n, probe(sn_sum(sn_tanh(sn_sum(x, SN_AXES(2), 0)), SN_AXES(1), 0)));
}

/* Sums of sums: the inner one is a loop of 40 in a loop of 100, or is unrolled. */
static void make_nest(net *n, int near) {
    sn_dim N = net_dim(n, "N");
    sn_expr x = net_input(n, "x", SN_SHAPE(N, SN_DIM(100), SN_DIM(near ? 20 : 40)));
    sn_expr inner = sn_sum(sn_exp(x), SN_AXES(2), 0);
    net_output(n, probe(sn_sum(sn_tanh(inner), SN_AXES(1), 0)));
}

/* A row of exponentials that is used again when their sum is known: 40 kB or 32 kB a point. */
static void make_row(net *n, int near) {
    sn_dim N = net_dim(n, "N"), C = SN_DIM(near ? 8000 : 10000);
    sn_expr e = sn_exp(net_input(n, "x", SN_SHAPE(N, C)));
    net_output(n, probe(sn_div(e, sn_sum(e, SN_AXES(1), 1))));
}

/* Column sums where the points are rows: 280 kB a chunk, or 240 kB. */
static void make_accumulators(net *n, int near) {
    sn_dim N = net_dim(n, "N"), C = SN_DIM(near ? 60000 : 70000);
    sn_expr x = net_input(n, "x", SN_SHAPE(N, C));
    net_output(n, probe(sn_sum(sn_mul(x, sn_sum(x, SN_AXES(1), 1)), SN_AXES(0), 0)));
}

/* The same of symbolic size. */
static void make_accumulators_symbolic(net *n, int near) {
    sn_dim N = net_dim(n, "N"), C = near ? SN_DIM(20) : net_dim(n, "C");
    sn_expr x = net_input(n, "x", SN_SHAPE(N, C));
    net_output(n, probe(sn_sum(sn_mul(x, sn_sum(x, SN_AXES(1), 1)), SN_AXES(0), 0)));
}

/* Rows of 300 x 17, whose loop leaves something for each of 17 columns, unrolled: of four folds, or of three. */
static void make_registers(net *n, int near) {
    sn_expr x = net_input(n, "x", SN_SHAPE(net_dim(n, "N"), SN_DIM(300), SN_DIM(17)));
    net_output(n, sn_sum(x, SN_AXES(1, 2), 0));
    if (!near) net_output(n, sn_prod(x, SN_AXES(1), 0));
    net_output(n, sn_amax(x, SN_AXES(1), 0));
    net_output(n, sn_amin(x, SN_AXES(1), 0));
    net_output(n, probe(sn_sum(x, SN_AXES(1), 0)));
}

/* The sum of 26 inputs, or of 24. */
static void make_memories(net *n, int near) {
    sn_dim N = net_dim(n, "N");
    sn_expr total = net_input(n, "x0", SN_SHAPE(N));
    int count = near ? FU_MAX_MEMS : FU_MAX_MEMS + 1;
    for (int i = 1; i < count; i++) {
        char name[16];
        snprintf(name, sizeof name, "x%d", i);
        total = sn_add(sn_tanh(total), net_input(n, name, SN_SHAPE(N)));
    }
    net_output(n, probe(total));
}

/* A long chain of costly operators, one shorter than the budget or longer. */
static void make_instructions(net *n, int near) {
    sn_expr y = net_input(n, "x", SN_SHAPE(net_dim(n, "N")));
    int length = FU_MAX_INSTS / (ir_ops[IR_SIN].cost + 1) + !near;
    for (int i = 1; i < length; i++) y = sn_sin(y);
    net_output(n, probe(sn_sin(y)));
}

/* A variable's new value, while its old one is needed after the kernel that makes the new one. */
static void make_in_place(net *n, int near) {
    sn_expr w = net_var(n, "W", 1, NET_SIZES(5000));
    sn_expr e = sn_exp(w);
    net_update(n, w, e);
    net_output(n, sn_mul(w, near ? net_const(n, 2) : sn_sum_all(e)));
}

/* The new value is the old one transposed, element by element of another place; or of the same. */
static void make_in_place_transposed(net *n, int near) {
    sn_expr w = net_var(n, "W", 1, NET_SIZES(40, 40));
    net_update(n, w, sn_exp(near ? w : sn_t(w)));
}

/* A vector in common with another kernel, beside a matrix of 64 times its size; beside another vector. */
static void make_profit(net *n, int near) {
    sn_dim N = net_dim(n, "N"), D = SN_DIM(64);
    sn_expr shared = net_input(n, "shared", SN_SHAPE(N));
    sn_expr own = net_input(n, "own", near ? SN_SHAPE(N) : SN_SHAPE(N, D));
    net_output(n, sn_exp(shared));
    net_output(n, probe(sn_mul(own, near ? shared : sn_expand(shared, 1))));
}

enum { FOR_GPU = -1 /* instead of a size: scheduled for one, where nothing runs here */ };

typedef struct {
    fu_reason reason;
    maker make;
    const char *probe;
    uint32_t n_kernels, n_near; /* launches */
    int64_t most;               /* largest size to run */
} refusal;

static const refusal refusals[] = {
    {FU_CYCLE, make_cycle, "\"probe\"", 2, 1, 33},
    {FU_SHIFTED, make_shifted, "\"probe\"", 2, 1, 33},
    {FU_POINTS, make_points, "\"probe\"", 1, 1, 33}, /* two parts of a launch; one */
    {FU_FEW_POINTS, make_few_points, "\"probe\"", 2, 1, 0},
    {FU_NEST, make_nest, "\"probe\"", 2, 1, 7},
    {FU_ROW, make_row, "\"probe\"", 2, 1, 7},
    {FU_ACCUMULATORS, make_accumulators, "\"probe\"", 2, 2, 1}, /* partials are combined in a launch of their own */
    {FU_ACCUMULATORS, make_accumulators_symbolic, "\"probe\"", 2, 2, 33},
    {FU_REGISTERS, make_registers, "\"probe\"", 1, 1, FOR_GPU}, /* two parts of a launch; one */
    {FU_BUDGET, make_memories, "\"probe\"", 2, 1, 33},
    {FU_BUDGET, make_instructions, "\"probe\"", 2, 1, 7},
    {FU_IN_PLACE, make_in_place, "@W", 3, 1, 0},
    {FU_IN_PLACE, make_in_place_transposed, "@W", 2, 1, 0},
    {FU_PROFIT, make_profit, "\"probe\"", 1, 1, 33},
};
enum { N_REFUSALS = sizeof refusals / sizeof *refusals };

static void check_sizes(net *n, int64_t most) {
    static const int64_t sizes[] = {0, 1, 7, 33};
    for (int i = 0; i < 4 && sizes[i] <= most; i++)
        net_check(n, (const int64_t[]){sizes[i], 9}, (uint64_t)i, 0, NULL, NULL);
}

START_TEST(every_reason_has_its_graph) {
#define COUNTED(name, text) FU_##name##_COUNTED,
    enum { FU_REASONS(COUNTED) N_REASONS };
#undef COUNTED
    for (int reason = FU_OK + 1; reason <= N_REASONS; reason++) {
        int found = 0;
        for (int i = 0; i < N_REFUSALS; i++) found |= (int)refusals[i].reason == reason;
        ck_assert_msg(found, "nothing is refused for \"%s\"", fu_reason_text((fu_reason)reason));
    }
}
END_TEST

static sn_context *gpu_context(void) {
    static be_backend gpu;
    sn_context *ctx;
    gpu = be_interp;
    gpu.machine = KN_FOR_GPU;
    ck_assert_int_eq(rt_context_open(NULL, &gpu, &ctx), SN_OK);
    return ctx;
}

START_TEST(refused_and_near_miss) {
    const refusal *r = &refusals[_i];
    for (int near = 0; near < 2; near++) {
        view v;
        net_begin(&v.n, r->most == FOR_GPU ? gpu_context() : support_twin_context(), near ? "near" : "refused");
        r->make(&v.n, near);
        open_view(&v);
        if (near)
            expect_fused(&v, r->probe);
        else
            expect_refused(&v, r->probe, r->reason);
        ck_assert_msg(v.stats.n_kernels == (near ? r->n_near : r->n_kernels), "%s: %u kernels:\n%s",
                      fu_reason_text(r->reason), v.stats.n_kernels, v.fuse);
        check_sizes(&v.n, r->most);
        close_view(&v);
    }
}
END_TEST

/* ---- larger graphs that must stay apart, and some that must not -------------------------------------------------- */

static void begin_view(view *v, const char *name) { net_begin(&v->n, support_twin_context(), name); }

static uint32_t count(const char *text, const char *part) {
    uint32_t n = 0;
    for (const char *at = text; (at = strstr(at, part)); at += strlen(part)) n++;
    return n;
}

#define EXPECT_LAUNCHES(v, kernels, matmuls)                                                                           \
    ck_assert_msg((v)->stats.n_kernels == (kernels) && (v)->stats.n_matmuls == (matmuls),                              \
                  "%u kernels, %u matmuls:\n%s", (v)->stats.n_kernels, (v)->stats.n_matmuls, (v)->fuse)

/* A product left to BLAS reads its operands from memory and leaves its result there. */
START_TEST(matrix_products_stay_alone) {
    view v;
    begin_view(&v, "layers");
    sn_dim N = net_dim(&v.n, "N"), D = SN_DIM(128);
    sn_expr x = net_input(&v.n, "x", SN_SHAPE(N, D)), w = net_input(&v.n, "w", SN_SHAPE(D, D));
    sn_expr b = net_input(&v.n, "b", SN_SHAPE(D));
    sn_expr h = sn_relu(sn_linear(sn_mul(x, x), w, b));
    net_output(&v.n, sn_tanh(sn_matmul(h, w)));
    open_view(&v);
    EXPECT_LAUNCHES(&v, 3, 2);
    ck_assert_uint_eq(count(v.why, "alone: a matrix product for BLAS"), 2);
    check_sizes(&v.n, 33);
    close_view(&v);
}
END_TEST

/* One row of a million: the maximum, the sum and the scaling are three sweeps, each spread over all cores. */
START_TEST(softmax_of_one_long_row) {
    view v;
    begin_view(&v, "long");
    net_output(&v.n, sn_softmax(net_input(&v.n, "x", SN_SHAPE(SN_DIM(1), SN_DIM(1000000))), 1));
    open_view(&v);
    EXPECT_LAUNCHES(&v, 3, 0);
    ck_assert_uint_eq(count(v.fuse, "partial per chunk"), 2);
    ck_assert_uint_eq(count(v.fuse, "points (1000000)"), 3);
    net_check(&v.n, NULL, 1, SUPPORT_FUSED_ONLY, NULL, NULL);
    close_view(&v);
}
END_TEST

/* Hidden layers whose rows are too large for one kernel: they are kept, and the gradients have points of their own. */
START_TEST(wide_hidden_layers) {
    static const int64_t widths[] = {4000, 100000, 1000000};
    view v;
    memset(&v, 0, sizeof v);
    net_moons(&v.n, support_twin_context(), widths[_i], 0);
    net_sgd(&v.n, 0.01);
    open_view(&v);
    int narrow = widths[_i] == 4000;
    ck_assert_msg(narrow == !strstr(v.why, fu_reason_text(FU_ROW)), "rows:\n%s", v.why);
    ck_assert_uint_le(v.stats.n_kernels, narrow ? 2 : 3);
    ck_assert_uint_eq(count(v.fuse, "partial per chunk"), narrow ? 4 : 1);
    if (widths[_i] < 1000000) net_check(&v.n, (const int64_t[]){3}, 1, SUPPORT_FUSED_ONLY, NULL, NULL);
    close_view(&v);
}
END_TEST

/* An exponential that is needed on both sides of a barrier is kept, not computed again; a reader that needs no barrier
 * joins the first kernel. */
START_TEST(costly_producers_are_not_repeated) {
    view v;
    begin_view(&v, "shared");
    sn_expr e = sn_exp(net_input(&v.n, "x", SN_SHAPE(net_dim(&v.n, "N"))));
    net_output(&v.n, sn_name(sn_div(e, sn_sum_all(e)), "behind"));
    net_output(&v.n, sn_name(sn_square(e), "beside"));
    open_view(&v);
    expect_refused(&v, "\"behind\"", FU_CYCLE);
    expect_fused(&v, "\"beside\"");
    EXPECT_LAUNCHES(&v, 2, 0);
    ck_assert_uint_eq(count(v.fuse, " exp "), 2); /* once as a member, once in the launch's name */
    ck_assert_msg(strstr(v.fuse, "exp f32[N] stored") != NULL, "%s", v.fuse);
    check_sizes(&v.n, 33);
    close_view(&v);
}
END_TEST

/* 40 rows of 50: few points, but so little work that spreading it would cost more than it gives. */
START_TEST(tiny_work_is_not_spread) {
    view v;
    begin_view(&v, "tiny");
    net_output(&v.n, sn_softmax(net_input(&v.n, "x", SN_SHAPE(SN_DIM(40), SN_DIM(50))), 1));
    open_view(&v);
    EXPECT_LAUNCHES(&v, 1, 0);
    check_sizes(&v.n, 0);
    close_view(&v);
}
END_TEST

/* Column means are few, so they are held in registers; the matrix that they meet gives up its columns as points. */
START_TEST(values_in_registers_take_points_away) {
    view v;
    begin_view(&v, "columns");
    sn_dim N = net_dim(&v.n, "N"), M = net_dim(&v.n, "M"), C = SN_DIM(8);
    sn_expr x = net_input(&v.n, "x", SN_SHAPE(N, C)), y = net_input(&v.n, "y", SN_SHAPE(M, C));
    net_output(&v.n, sn_name(sn_mul(sn_exp(x), sn_sum(y, SN_AXES(0), 0)), "probe"));
    open_view(&v);
    expect_fused(&v, "\"probe\"");
    EXPECT_LAUNCHES(&v, 2, 0);
    check_sizes(&v.n, 33);
    close_view(&v);
}
END_TEST

/* Two groups with one input in common become one only if neither gives up points for it. */
START_TEST(siblings_keep_their_points) {
    view v;
    begin_view(&v, "siblings");
    sn_dim N = net_dim(&v.n, "N"), D = SN_DIM(2000);
    sn_expr x = net_input(&v.n, "x", SN_SHAPE(N, D)), row = net_input(&v.n, "row", SN_SHAPE(D));
    net_output(&v.n, sn_mul(x, row));
    net_output(&v.n, sn_exp(row));
    open_view(&v);
    EXPECT_LAUNCHES(&v, 1, 0);
    ck_assert_msg(strstr(v.fuse, "points (N, 2000)") && strstr(v.fuse, "points (2000)"), "%s", v.fuse);
    check_sizes(&v.n, 7);
    close_view(&v);
}
END_TEST

/* A small variable that another kernel of the launch still reads is written through a temporary: a copy costs less than
 * a launch. A large one waits. */
START_TEST(updates_before_the_last_reader) {
    for (int large = 0; large < 2; large++) {
        view v;
        begin_view(&v, "velocity");
        int64_t size = large ? 5000 : 5;
        sn_expr w = net_var(&v.n, "W", 1, NET_SIZES(size)), velocity = net_var(&v.n, "V", 1, NET_SIZES(size));
        sn_expr gradient = sn_sum_all(net_input(&v.n, "x", SN_SHAPE(net_dim(&v.n, "N"))));
        sn_expr next = sn_add(velocity, sn_mul(gradient, sn_square(w)));
        net_update(&v.n, velocity, next);
        net_update(&v.n, w, sn_add(w, next));
        open_view(&v);
        EXPECT_LAUNCHES(&v, 2, 0);
        ck_assert_msg(large == !strstr(v.fuse, "through a temporary"), "%s", v.fuse);
        check_sizes(&v.n, 33);
        close_view(&v);
    }
}
END_TEST

int main(void) {
    Suite *suite = suite_create("fuse_refusals");
    TCase *tests = tcase_create("refusals");
    suite_add_tcase(suite, tests);
    tcase_add_test(tests, every_reason_has_its_graph);
    tcase_add_loop_test(tests, refused_and_near_miss, 0, N_REFUSALS);
    tcase_add_test(tests, matrix_products_stay_alone);
    tcase_add_test(tests, softmax_of_one_long_row);
    tcase_add_loop_test(tests, wide_hidden_layers, 0, 3);
    tcase_add_test(tests, costly_producers_are_not_repeated);
    tcase_add_test(tests, tiny_work_is_not_spread);
    tcase_add_test(tests, values_in_registers_take_points_away);
    tcase_add_test(tests, siblings_keep_their_points);
    tcase_add_test(tests, updates_before_the_last_reader);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed != 0;
}
