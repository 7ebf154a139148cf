/* Which axis the vectors of a kernel lie along: the one along which most of what is read is contiguous; and how much of
 * each row they take where a loop goes across rows. */
#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "runtime/function.h"
#include "support/nets.h"
#include "support/support_runtime.h"

enum { EXAMPLES = 6000, IN = 784, OUT = 200 };

/* The kernels of the weights' product with one example: a row of a variable that holds thousands, by number or by a
 * list of one number, or an input. transposed: weights [OUT, IN]. */
static char *kernels(sn_context *ctx, int transposed, int how) {
    sn_var *data, *weights;
    ck_assert(!sn_var_new(ctx, "data", SN_F32, 2, (int64_t[]){EXAMPLES, IN}, &data));
    ck_assert(
        !sn_var_new(ctx, "weights", SN_F32, 2, (int64_t[]){transposed ? OUT : IN, transposed ? IN : OUT}, &weights));
    sn_graph *g = sn_graph_new(ctx, "one");
    sn_expr w = sn_use(g, weights), all = sn_use(g, data), in, x;
    if (how == 0) {
        in = sn_input(g, "at", SN_I64, SN_SCALAR);
        x = sn_slice_at_index(all, 0, in, SN_DIM(1));
    } else if (how == 1) {
        in = sn_input(g, "ids", SN_I64, SN_SHAPE(SN_DIM(1)));
        x = sn_gather(all, in);
    } else {
        in = sn_input(g, "x", SN_F32, SN_SHAPE(SN_DIM(1), SN_DIM(IN)));
        x = in;
    }
    sn_expr y = sn_tanh(sn_matmul(x, transposed ? sn_t(w) : w));
    sn_function_desc desc = {.inputs = &in, .n_inputs = 1, .outputs = &y, .n_outputs = 1};
    sn_function *f;
    ck_assert_msg(!sn_function_new(g, &desc, &f), "%s", sn_graph_error(g));
    char *shown, *text;
    ck_assert(!sn_function_show(f, SN_SHOW_KERNEL, &shown));
    text = strdup(shown);
    sn_string_free(ctx, shown);
    sn_function_free(f);
    sn_graph_free(g);
    sn_var_free(weights);
    sn_var_free(data);
    return text;
}

/* The header of the phase that reads the weights. */
static void phase_of_weights(const char *text, char *out, size_t size) {
    const char *read = strstr(text, "f32 weights["), *phase = NULL;
    ck_assert_msg(read != NULL, "%s", text);
    for (const char *at = text; (at = strstr(at, "  phase ")) && at < read; at++) phase = at;
    ck_assert_msg(phase != NULL, "%s", text);
    snprintf(out, size, "%.*s", (int)strcspn(phase, "\n"), phase);
}

START_TEST(weights_decide_not_the_data_around_the_row) {
    sn_context *ctx;
    ck_assert(!sn_context_new(&(sn_context_options){.backend = "interp"}, &ctx));
    for (int transposed = 0; transposed < 2; transposed++)
        for (int how = 0; how < 3; how++) {
            char *text = kernels(ctx, transposed, how), phase[128];
            phase_of_weights(text, phase, sizeof phase);
            ck_assert_msg(strstr(phase, transposed ? "lanes j" : "lanes n"), "transposed %d, how %d: %s\n%s",
                          transposed, how, phase, text);
            free(text);
        }
    sn_context_free(ctx);
}
END_TEST

/* One row times a matrix [IN, out]: tiles of 256 bytes of each of its rows where there are four and all that the loop
 * does is to read it; else of 16 columns. The last tile is ragged. What computes more for each element goes along rows,
 * four at a time. */
static const struct {
    int64_t out;
    sn_dtype dtype;
    int heavy, tile;
} streams[] = {
    {500, SN_F32, 0, 64}, {256, SN_F32, 0, 64}, {255, SN_F32, 0, 16}, {500, SN_F32, 1, 4},
    {137, SN_F64, 0, 32}, {127, SN_F64, 0, 16}, {300, SN_F32, 0, 64},
};

START_TEST(loops_across_rows_take_several_lines_of_each) {
    int64_t out = streams[_i].out;
    char expected[32];
    net n;
    net_begin(&n, support_twin_context(), "stream");
    sn_expr x = sn_input(n.g, "x", streams[_i].dtype, SN_SHAPE(SN_DIM(1), SN_DIM(97)));
    sn_expr w = sn_input(n.g, "w", streams[_i].dtype, SN_SHAPE(SN_DIM(97), SN_DIM(out)));
    n.in[n.n_in++] = x;
    n.in[n.n_in++] = w;
    net_output(&n, sn_relu(sn_matmul(x, streams[_i].heavy ? sn_tanh(w) : w)));
    sn_function *f = net_function(&n);
    char *text = net_show(&n, f, SN_SHOW_KERNEL);
    snprintf(expected, sizeof expected, "tile %d ", streams[_i].tile);
    ck_assert_msg(strstr(text, expected) != NULL, "%s in\n%s", expected, text);
    if (streams[_i].tile > 16) ck_assert_msg(strstr(text, "ilp 2") != NULL, "%s", text);
    free(text);
    sn_function_free(f);
    net_check(&n, NULL, 5, 0, NULL, NULL);
    sn_context *ctx = n.ctx;
    net_free(&n);
    sn_context_free(ctx);
}
END_TEST

/* The gradient of a matrix by few rows, added up in partials: a vector goes along what lies together there, not along
 * the rows that it is made of, which would be read and written a number at a time. */
START_TEST(sums_of_rows_are_added_to_as_they_lie) {
    net n;
    net_begin(&n, support_twin_context(), "partials");
    sn_expr h = net_input(&n, "x", SN_SHAPE(SN_DIM(8), SN_DIM(128)));
    for (int i = 0; i < 2; i++) h = sn_relu(sn_matmul(h, net_var(&n, i ? "w1" : "w0", 128, NET_SIZES(128, 128))));
    sn_expr w = net_var(&n, "w", 128, NET_SIZES(128, 10));
    n.n_param = n.n_var;
    n.loss = sn_neg(sn_mean_all(sn_slice(sn_log_softmax(sn_matmul(h, w), 1), 1, SN_DIM(0), SN_DIM(1))));
    net_sgd(&n, 0.1);
    sn_function *f = net_function(&n);
    char *text = net_show(&n, f, SN_SHOW_KERNEL);
    int found = 0;
    for (const char *line = text; (line = strstr(line, "\n    part ")); line++) { /* part t54.part[j2*D0 + j3] = .. */
        int outer, inner;
        char lanes[16];
        const char *at = strchr(line, '[');
        if (!at || sscanf(at, "[j%d*D0 + j%d] = fold", &outer, &inner) != 2) continue;
        const char *phase = line;
        while (phase > text && strncmp(phase, "\n  phase ", 9)) phase--;
        snprintf(lanes, sizeof lanes, "lanes j%d ", inner);
        const char *said = strstr(phase, "lanes ");
        ck_assert_msg(said && !strncmp(said, lanes, strlen(lanes)), "%s in\n%.500s", lanes, phase);
        found++;
    }
    ck_assert_int_gt(found, 0);
    free(text);
    sn_function_free(f);
    sn_context *ctx = n.ctx;
    net_free(&n);
    sn_context_free(ctx);
}
END_TEST

/* Ten classes of a batch, softmax and gradients: four examples at a time, as lanes where there is no loop, whether the
 * batch is large, small or symbolic. */
static const struct {
    int64_t batch, hidden; /* batch 0: symbolic */
    int tile;
} batches[] = {{0, 32, 4}, {100, 32, 4}, {32, 32, 4}, {16, 64, 4}, {8, 500, 4}};

START_TEST(constant_batches_have_the_tiles_of_symbolic_ones) {
    char expected[32];
    net n;
    net_begin(&n, support_twin_context(), "classes");
    sn_dim N = batches[_i].batch ? SN_DIM(batches[_i].batch) : net_dim(&n, "N");
    sn_expr h = net_input(&n, "h", SN_SHAPE(N, SN_DIM(batches[_i].hidden)));
    sn_expr w = net_var(&n, "w", 10, NET_SIZES(batches[_i].hidden, 10));
    n.n_param = n.n_var;
    n.loss = sn_neg(sn_mean_all(sn_slice(sn_log_softmax(sn_matmul(sn_relu(h), w), 1), 1, SN_DIM(0), SN_DIM(1))));
    net_sgd(&n, 0.1);
    sn_function *f = net_function(&n);
    char *text = net_show(&n, f, SN_SHOW_KERNEL);
    snprintf(expected, sizeof expected, "  tile %d  ", batches[_i].tile);
    const char *kernel = strstr(text, "reduce_max"), *part = kernel ? strstr(kernel, "part 0  points n0") : NULL;
    ck_assert_msg(part && strstr(part, expected) == strstr(part, "  tile "), "%s in\n%s", expected, text);
    free(text);
    sn_function_free(f);
    sn_context *ctx = n.ctx;
    net_free(&n);
    sn_context_free(ctx);
}
END_TEST

/* Sums of many inputs, each of a size of its own: as many in one launch as its parameters have room for on a GPU. */
START_TEST(parameters_fit) {
    enum { SUMS = 16, TERMS = 20, MOST = 4096 };
    be_backend gpu = be_interp;
    gpu.machine = KN_FOR_GPU;
    sn_context *ctx;
    ck_assert_int_eq(rt_context_open(NULL, &gpu, &ctx), SN_OK);
    sn_graph *g = sn_graph_new(ctx, "sums");
    static sn_expr in[SUMS * TERMS], out[SUMS];
    char name[16];
    for (int i = 0; i < SUMS; i++)
        for (int k = 0; k < TERMS; k++) {
            snprintf(name, sizeof name, "x%d_%d", i, k);
            sn_expr x = in[i * TERMS + k] = sn_input(g, name, SN_F32, SN_SHAPE(SN_DIM(1000 + i)));
            out[i] = k ? sn_add(out[i], x) : x;
        }
    sn_function *f =
        function(g, &(sn_function_desc){.inputs = in, .n_inputs = SUMS * TERMS, .outputs = out, .n_outputs = SUMS});
    size_t launches = 0;
    for (uint32_t i = 0; i < f->program->n_step; i++) {
        const kn_kernel *k = f->program->step[i].kernel;
        ck_assert_int_eq(f->program->step[i].kind, PG_LAUNCH);
        /* cuda_emit.h: an address and a place for each memory, six numbers for each part. */
        size_t bytes = k->n_mem * (sizeof(void *) + sizeof(int32_t)) + 8 * (size_t)(k->n_dim + k->n_scalar) +
                       k->n_part * (4 * sizeof(int64_t) + 2 * sizeof(int32_t)) + 24;
        ck_assert_uint_le(bytes, MOST);
        launches++;
    }
    ck_assert_uint_eq(launches, 2);
    sn_function_free(f);
    sn_graph_free(g);
    sn_context_free(ctx);
}
END_TEST

/* A step of a network on 5000 points, whose 1000 hidden units are neither in memory beside the points: lanes along
 * these, in as many blocks as fill a GPU, and no row that leaves the registers. As lanes the points would be 20 blocks.
 */
START_TEST(few_points_leave_the_lanes_to_loops) {
    enum { POINTS = 5000, HIDDEN = 1000 };
    be_backend gpu = be_interp;
    gpu.machine = KN_FOR_GPU;
    sn_context *ctx;
    ck_assert_int_eq(rt_context_open(NULL, &gpu, &ctx), SN_OK);
    net n;
    net_begin(&n, ctx, "points");
    sn_expr x = net_var(&n, "x", 1, NET_SIZES(POINTS, 2)), w1 = net_var(&n, "w1", 1, NET_SIZES(2, HIDDEN));
    sn_expr w2 = net_var(&n, "w2", 1, NET_SIZES(HIDDEN, 2));
    n.n_param = n.n_var;
    n.loss = sn_sum_all(sn_square(sn_matmul(sn_tanh(sn_matmul(x, w1)), w2)));
    net_sgd(&n, 0.1);
    sn_function *f = net_function(&n);
    const kn_kernel *k = f->program->step[0].kernel;
    const kn_part *part = &k->part[0];
    ck_assert_uint_ge(part->max_chunks, 128);
    ck_assert_uint_le(part->tile, 8);
    ck_assert_uint_ge(part->rounds, 1);
    for (uint32_t p = part->first_phase; p < part->end_phase; p++) {
        const kn_phase *phase = &k->phase[p];
        if (phase->n_loop && !phase->at_entry) ck_assert_uint_eq(phase->lanes, phase->loop[phase->n_loop - 1]);
    }
    sn_function_free(f);
    net_free(&n);
    sn_context_free(ctx);
}
END_TEST

/* The first part of the first kernel for a GPU. */
static kn_part first_part(void (*build)(net *, int), int variant, uint32_t *width) {
    be_backend gpu = be_interp;
    gpu.machine = KN_FOR_GPU;
    sn_context *ctx;
    net n;
    ck_assert_int_eq(rt_context_open(NULL, &gpu, &ctx), SN_OK);
    net_begin(&n, ctx, "part");
    build(&n, variant);
    sn_function *f = net_function(&n);
    const kn_kernel *k = f->program->step[0].kernel;
    kn_part part = k->part[0];
    *width = 0;
    for (uint32_t p = part.first_phase; p < part.end_phase; p++)
        if (k->phase[p].width > *width) *width = k->phase[p].width;
    sn_function_free(f);
    net_free(&n);
    sn_context_free(ctx);
    return part;
}

/* Rows of 300 x 7, of which so many loops leave something for each of 7 columns, and for all chunks. */
static void build_folds(net *n, int folds) {
    sn_expr x = net_input(n, "x", SN_SHAPE(net_dim(n, "N"), SN_DIM(300), SN_DIM(7)));
    sn_expr total = sn_expand(sn_sum(x, SN_AXES(1, 2), 0), 1);
    sn_expr (*const fold[])(sn_expr, sn_axes, int, const char *, int) = {sn_sum_at, sn_prod_at, sn_amax_at, sn_amin_at};
    for (int i = 0; i < folds; i++) net_output(n, sn_mul(fold[i](x, SN_AXES(1), 0, __FILE__, __LINE__), total));
}

/* What a thread keeps of all values fits its registers: of one fold the lanes of a thread are 16 bytes, with four of
 * them less. */
START_TEST(gpu_threads_keep_what_fits_registers) {
    uint32_t width;
    kn_part one = first_part(build_folds, 1, &width);
    ck_assert_uint_eq(width, 4u * one.team);
    kn_part four = first_part(build_folds, 4, &width);
    ck_assert_uint_le(width, 2u * four.team);
}
END_TEST

static void build_rows(net *n, int sines) {
    sn_expr y = net_input(n, "x", SN_SHAPE(net_dim(n, "N"), SN_DIM(1024)));
    for (int i = 0; i < sines; i++) y = sn_sin(y);
    net_output(n, sn_softmax(y, 1));
}

/* Rounds are written out as long as that is no book. */
START_TEST(gpu_rounds_of_much_stay_loops) {
    uint32_t width;
    ck_assert_uint_eq(first_part(build_rows, 0, &width).rounds, 8);
    ck_assert_uint_eq(first_part(build_rows, 8, &width).rounds, 0);
}
END_TEST

int main(void) {
    TCase *t = tcase_create("schedule");
    tcase_add_test(t, few_points_leave_the_lanes_to_loops);
    tcase_add_test(t, gpu_threads_keep_what_fits_registers);
    tcase_add_test(t, gpu_rounds_of_much_stay_loops);
    tcase_add_test(t, parameters_fit);
    tcase_add_test(t, sums_of_rows_are_added_to_as_they_lie);
    tcase_add_test(t, weights_decide_not_the_data_around_the_row);
    tcase_add_loop_test(t, constant_batches_have_the_tiles_of_symbolic_ones, 0, sizeof batches / sizeof *batches);
    tcase_add_loop_test(t, loops_across_rows_take_several_lines_of_each, 0, sizeof streams / sizeof *streams);
    Suite *s = suite_create("schedule");
    suite_add_tcase(s, t);
    SRunner *r = srunner_create(s);
    srunner_run_all(r, CK_NORMAL);
    int failed = srunner_ntests_failed(r);
    srunner_free(r);
    return failed != 0;
}
