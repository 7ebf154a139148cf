/* A layer of a network in whole calls on the GPU backend, on the stand-in: one matrix product with its bias and relu,
 * and nothing else; what the options of a context change; what happens where the library cannot. */
#define _GNU_SOURCE
#include <math.h>

#include "support/support_runtime.h"
#include "support/support_standin.h"

static support_standin gpu;
static int has_standin; /* else nothing is counted */

static uint32_t noise_seed = 1;
static double noise(void) { /* between -1 and 1 */
    noise_seed = noise_seed * 1664525u + 1013904223u;
    return (double)(noise_seed >> 8) / (1 << 23) - 1;
}

enum { ROWS = 72, IN = 68, OUT = 80 };

typedef struct {
    sn_context *ctx;
    sn_graph *g;
    sn_var *w, *b;
    sn_function *f;
    sn_call *call;
    float x[ROWS * IN], y[ROWS * OUT];
} layer;

static void layer_open(layer *l, const sn_context_options *given) {
    has_standin = support_standin_open(&gpu);
    memset(l, 0, sizeof *l);
    memory = (support_alloc){.fail_at = 0};
    sn_allocator allocator = support_allocator(&memory);
    sn_context_options options = *given;
    options.struct_size = sizeof options;
    options.allocator = &allocator;
    options.log = keep_log;
    options.backend = "gpu";
    ck_assert_msg(!sn_context_new(&options, &l->ctx), "%s", last_log);
    float w[IN * OUT], b[OUT];
    for (int i = 0; i < IN * OUT; i++) w[i] = (float)noise();
    for (int i = 0; i < OUT; i++) b[i] = (float)noise();
    for (int i = 0; i < ROWS * IN; i++) l->x[i] = (float)noise();
    ck_assert_int_eq(sn_var_new(l->ctx, "w", SN_F32, 2, (int64_t[]){IN, OUT}, &l->w), SN_OK);
    ck_assert_int_eq(sn_var_new(l->ctx, "b", SN_F32, 1, (int64_t[]){OUT}, &l->b), SN_OK);
    ck_assert_int_eq(sn_var_set(l->w, w, sizeof w), SN_OK);
    ck_assert_int_eq(sn_var_set(l->b, b, sizeof b), SN_OK);
    l->g = sn_graph_new(l->ctx, "layer");
    sn_expr x = sn_input(l->g, "x", SN_F32, SN_SHAPE(sn_dim_new(l->g, "N"), SN_DIM(IN)));
    sn_expr y = sn_relu(sn_add(sn_matmul(x, sn_use(l->g, l->w)), sn_use(l->g, l->b)));
    sn_function_desc desc = {.inputs = &x, .n_inputs = 1, .outputs = &y, .n_outputs = 1};
    l->f = function(l->g, &desc);
    ck_assert_int_eq(sn_call_new(l->f, &l->call), SN_OK);
}

static void layer_close(layer *l) {
    sn_call_free(l->call);
    sn_function_free(l->f);
    sn_graph_free(l->g);
    sn_var_free(l->w);
    sn_var_free(l->b);
    sn_context_free(l->ctx);
    ck_assert_int_eq(atomic_load(&memory.live), 0);
    ck_assert_int_eq(gpu.live(NULL), 0);
    ck_assert_int_eq(gpu.lt_live(), 0);
}

static sn_status layer_run(layer *l, int64_t rows) {
    const sn_tensor x = sn_tensor_of(SN_F32, l->x, 2, (int64_t[]){rows, IN}),
                    y = sn_tensor_of(SN_F32, l->y, 2, (int64_t[]){rows, OUT});
    sn_status status = sn_call_bind_input(l->call, 0, &x);
    if (!status) status = sn_call_bind_output(l->call, 0, &y);
    return status ? status : sn_call_run(l->call);
}

static void layer_check(const layer *l, int64_t rows) {
    float w[IN * OUT], b[OUT];
    ck_assert_int_eq(sn_var_get(l->w, w, sizeof w), SN_OK);
    ck_assert_int_eq(sn_var_get(l->b, b, sizeof b), SN_OK);
    for (int64_t i = 0; i < rows; i++)
        for (int j = 0; j < OUT; j++) {
            double sum = (double)b[j];
            for (int q = 0; q < IN; q++) sum += (double)l->x[i * IN + q] * (double)w[q * OUT + j];
            ck_assert_double_eq_tol((double)l->y[i * OUT + j], sum > 0 ? sum : 0, 1e-5);
        }
}

/* A layer of more than one row is one product and nothing else; sizes change, and come back; algorithms are not asked
 * for while a call is recorded or replayed. */
START_TEST(a_layer_is_one_product) {
    static const int64_t rows[] = {ROWS, ROWS, ROWS, ROWS, 2, 2, 2, 40, ROWS, 40, 0, 33, 34, 35, 34, 35};
    layer *l = malloc(sizeof *l);
    layer_open(l, &(sn_context_options){.tf32 = 0});
    char *text;
    ck_assert_int_eq(sn_function_show(l->f, SN_SHOW_PROGRAM, &text), SN_OK);
    ck_assert_msg(strstr(text, "matmul f32 out0[N,80] = x x w over 68, + b, relu") != NULL, "%s", text);
    sn_string_free(l->ctx, text);
    ck_assert_int_eq(sn_function_show(l->f, SN_SHOW_FUSE, &text), SN_OK);
    ck_assert_msg(strstr(text, "layer.0 matmul add relu") && strstr(text, " relu f32[N,80] stored"), "%s", text);
    sn_string_free(l->ctx, text);
    ck_assert_int_eq(sn_function_show(l->f, SN_SHOW_PROFILE, &text), SN_OK);
    ck_assert_msg(strstr(text, "matmul add relu") != NULL, "%s", text);
    sn_string_free(l->ctx, text);
    gpu.reset();
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        ck_assert_msg(!layer_run(l, rows[i]), "%s", sn_call_error(l->call));
        layer_check(l, rows[i]);
    }
    ck_assert_uint_eq(gpu.count("cuLaunchKernel"), 0);
    ck_assert_uint_eq(gpu.count("cublasLtMatmulAlgoGetHeuristic"),
                      has_standin ? 6 : 0);                                /* of 72, 2, 40, 33, 34, 35 rows */
    for (int i = 0; i < 2; i++) ck_assert_int_eq(layer_run(l, 33), SN_OK); /* as it is, then recorded */
    gpu.reset();
    for (int i = 0; i < 10; i++) ck_assert_int_eq(layer_run(l, 33), SN_OK);
    ck_assert_uint_eq(gpu.count("cublasLtMatmulAlgoGetHeuristic"), 0);
    ck_assert_uint_eq(gpu.count("cublasLtMatmul"), 0); /* all of it from the recording */
    if (has_standin) {                                 /* what can fail does before anything is sent */
        gpu.reset();
        gpu.fail_at("cublasLtMatmulAlgoGetHeuristic", 1, 3);
        ck_assert_int_eq(layer_run(l, 36), SN_ERR_NOMEM);
        ck_assert_uint_eq(gpu.count("cuMemcpyHtoDAsync_v2"), 0);
        ck_assert_int_eq(layer_run(l, 36), SN_OK);
        layer_check(l, 36);
    }
    layer_close(l);
    free(l);
}
END_TEST

/* More sizes than recordings are kept of, the last of another plan, which is a kernel: no update of what was recorded
 * for others, so that is replaced; and back again. */
START_TEST(recordings_of_other_plans) {
    enum { KEPT = 8 };
    static const int64_t rows[KEPT + 1] = {72, 66, 61, 57, 52, 43, 34, 25, 1};
    if (!support_standin_needed(&gpu, "recordings_of_other_plans")) return;
    layer *l = malloc(sizeof *l);
    layer_open(l, &(sn_context_options){.tf32 = 0});
    for (int i = 0; i < 2; i++) ck_assert_msg(!layer_run(l, 10), "%s", sn_call_error(l->call)); /* timed */
    gpu.reset();
    for (int round = 0; round < 2; round++)
        for (int i = 0; i <= KEPT; i++)
            for (int run = 0; run < 3; run++) {
                ck_assert_msg(!layer_run(l, rows[i]), "%s", sn_call_error(l->call));
                layer_check(l, rows[i]);
            }
    /* Of the first round the last is new in another's place; of the second all are, one of them in its place. */
    ck_assert_uint_eq(gpu.count("cuGraphExecUpdate_v2"), 1 + KEPT + 1);
    ck_assert_uint_eq(gpu.count("cuGraphInstantiateWithFlags"), KEPT + 3);
    ck_assert_int_eq(gpu.live("recording"), KEPT);
    layer_close(l);
    free(l);
}
END_TEST

/* What a call holds it lets go when it is freed: of the shapes that nobody holds only so many are kept. */
START_TEST(shapes_of_calls_that_are_gone) {
    enum { KEPT = 256, MORE = 10, DESCRIPTORS = 5 };
    if (!support_standin_needed(&gpu, "shapes_of_calls_that_are_gone")) return;
    layer *l = malloc(sizeof *l);
    float *x = calloc((KEPT + MORE + 2) * IN, sizeof *x), *y = calloc((KEPT + MORE + 2) * OUT, sizeof *y);
    layer_open(l, &(sn_context_options){.tf32 = 0});
    for (int64_t rows = 2; rows < KEPT + MORE + 2; rows++) {
        const sn_tensor from = sn_tensor_of(SN_F32, x, 2, (int64_t[]){rows, IN}),
                        to = sn_tensor_of(SN_F32, y, 2, (int64_t[]){rows, OUT});
        sn_call *call;
        ck_assert_int_eq(sn_call_new(l->f, &call), SN_OK);
        ck_assert_int_eq(sn_call_bind_input(call, 0, &from), SN_OK);
        ck_assert_int_eq(sn_call_bind_output(call, 0, &to), SN_OK);
        ck_assert_msg(!sn_call_run(call), "%s", sn_call_error(call));
        sn_call_free(call);
    }
    ck_assert_int_eq(gpu.lt_live(), 1 + DESCRIPTORS * KEPT);
    layer_close(l);
    free(x);
    free(y);
    free(l);
}
END_TEST

/* Many steps in one start, of sizes that are new: what the library loads for them is loaded by a run before. */
START_TEST(steps_of_new_sizes) {
    static float x[ROWS * IN], y[ROWS * OUT];
    if (!support_standin_needed(&gpu, "steps_of_new_sizes")) return;
    layer *l = malloc(sizeof *l);
    layer_open(l, &(sn_context_options){.tf32 = 0});
    sn_graph *g = sn_graph_new(l->ctx, "steps");
    sn_expr in[] = {sn_input(g, "x", SN_F32, SN_SHAPE(sn_dim_new(g, "N"), SN_DIM(IN))),
                    sn_input(g, "i", SN_I64, SN_SCALAR)};
    sn_expr out = sn_add(sn_matmul(in[0], sn_use(g, l->w)), sn_cast(in[1], SN_F32));
    sn_function *f = function(g, &(sn_function_desc){.inputs = in, .n_inputs = 2, .outputs = &out, .n_outputs = 1});
    sn_call *call;
    ck_assert_int_eq(sn_call_new(f, &call), SN_OK);
    last_log[0] = 0;
    for (int64_t rows = ROWS; rows > ROWS - 3; rows--) {
        const sn_tensor from = sn_tensor_of(SN_F32, x, 2, (int64_t[]){rows, IN}),
                        to = sn_tensor_of(SN_F32, y, 2, (int64_t[]){rows, OUT});
        ck_assert_int_eq(sn_call_bind_input(call, 0, &from), SN_OK);
        ck_assert_int_eq(sn_call_bind_output(call, 0, &to), SN_OK);
        ck_assert_msg(!sn_call_run_steps(call, 1, 0, 40), "%s", sn_call_error(call));
        ck_assert(y[rows * OUT - 1] == 39);
        ck_assert_str_eq(last_log, "");
    }
    sn_call_free(call);
    sn_function_free(f);
    sn_graph_free(g);
    layer_close(l);
    free(l);
}
END_TEST

/* What an option of the context asks for reaches fusion and the library. */
START_TEST(options_arrive) {
    if (!support_standin_needed(&gpu, "options_arrive")) return;
    layer *l = malloc(sizeof *l);
    float plain[OUT], nan = NAN;
    for (int way = 0; way < 3; way++) {
        noise_seed = 5;
        layer_open(l, &(sn_context_options){.tf32 = way == 1, .keep_nan = way == 2});
        ck_assert_int_eq(layer_run(l, 2), SN_OK);
        if (!way) memcpy(plain, l->y, sizeof plain);
        if (way == 1) ck_assert_mem_ne(plain, l->y, sizeof plain);
        if (way == 2) layer_check(l, 2);
        float b[OUT] = {nan, nan, nan};
        gpu.reset();
        ck_assert_int_eq(sn_var_set(l->b, b, sizeof b), SN_OK);
        ck_assert_int_eq(layer_run(l, 2), SN_OK);
        ck_assert_uint_eq(gpu.count("cuLaunchKernel"), way == 2);
        ck_assert_int_eq(isnan(l->y[1]) != 0, way == 2);
        ck_assert(!isnan(l->y[5]));
        char *text;
        ck_assert_int_eq(sn_function_show(l->f, SN_SHOW_WHY, &text), SN_OK);
        ck_assert_int_eq(strstr(text, "relu is to keep NaNs") != NULL, way == 2);
        sn_string_free(l->ctx, text);
        layer_close(l);
    }
    free(l);
}
END_TEST

/* A product that the library has no algorithm for fails the call before anything of it runs; later it works. */
START_TEST(refused_calls_can_be_repeated) {
    if (!support_standin_needed(&gpu, "refused_calls_can_be_repeated")) return;
    layer *l = malloc(sizeof *l);
    layer_open(l, &(sn_context_options){.tf32 = 0});
    gpu.lt_refuse(2);
    ck_assert_int_eq(layer_run(l, 3), SN_ERR_UNSUPPORTED);
    ck_assert_ptr_nonnull(strstr(sn_call_error(l->call), "no algorithm"));
    gpu.reset();
    ck_assert_int_eq(layer_run(l, 3), SN_ERR_UNSUPPORTED);
    ck_assert_uint_eq(gpu.count("cuMemcpyHtoDAsync_v2"), 0); /* it fails before anything is sent, again */
    gpu.lt_refuse(1);                                        /* then without its epilogue, in recordings too */
    for (int i = 0; i < 4; i++) {
        ck_assert_msg(!layer_run(l, 3), "%s", sn_call_error(l->call));
        layer_check(l, 3);
    }
    layer_close(l);
    free(l);
}
END_TEST

/* Each call of the driver and of the library fails once, in laying out, running or recording a call, with epilogues and
 * without: an error with a sentence, and afterwards everything works. */
START_TEST(every_failure_has_a_sentence) {
    if (!support_standin_needed(&gpu, "every_failure_has_a_sentence")) return;
    layer *l = malloc(sizeof *l);
    unsigned long failures = 0;
    for (unsigned long k = 1, reached = 1; reached; k++) {
        layer_open(l, &(sn_context_options){.tf32 = 0});
        gpu.lt_refuse((unsigned)_i);
        gpu.reset();
        gpu.fail_at(NULL, k, 3);
        for (int i = 0; i < 4; i++) {
            if (!layer_run(l, 3)) continue;
            ck_assert_msg(sn_call_error(l->call)[0], "failure %lu has no sentence", k);
            failures++;
        }
        reached = gpu.count(NULL) >= k;
        gpu.fail_at(NULL, 0, 0);
        for (int i = 0; i < 3; i++) {
            ck_assert_msg(!layer_run(l, 3), "after failure %lu: %s", k, sn_call_error(l->call));
            layer_check(l, 3);
        }
        layer_close(l);
    }
    ck_assert_uint_gt(failures, 20);
    free(l);
}
END_TEST

/* The host's memory runs out while a call is laid out or run: likewise. */
START_TEST(out_of_host_memory) {
    layer *l = malloc(sizeof *l);
    int64_t failures = 0;
    for (int64_t k = 1, reached = 1; reached; k++) {
        layer_open(l, &(sn_context_options){.tf32 = 0});
        gpu.lt_refuse((unsigned)_i);
        memory.fail_at = k;
        for (int i = 0; i < 4; i++) {
            sn_status status = layer_run(l, 3);
            if (!status) continue;
            ck_assert_msg(sn_call_error(l->call)[0], "allocation %d has no sentence", (int)k);
            failures++;
        }
        reached = memory.fail_at <= 0;
        memory.fail_at = 0;
        ck_assert_msg(!layer_run(l, 3), "after allocation %d: %s", (int)k, sn_call_error(l->call));
        layer_check(l, 3);
        layer_close(l);
    }
    ck_assert_int_gt(failures, 1);
    free(l);
}
END_TEST

/* ---- training ---------------------------------------------------------------------------------------------------- */

enum { HIDDEN = OUT, CLASSES = 72, VARS = 4 };

typedef struct {
    sn_context *ctx;
    sn_graph *g;
    sn_var *var[VARS];
    sn_function *f;
    sn_call *call;
    float x[ROWS * IN], y[ROWS * CLASSES], loss;
} net;

static void net_open(net *n, const char *backend) {
    static const int64_t sizes[VARS][2] = {{IN, HIDDEN}, {HIDDEN, 0}, {HIDDEN, CLASSES}, {CLASSES, 0}};
    memset(n, 0, sizeof *n);
    const sn_context_options options = {
        .struct_size = sizeof options, .log = keep_log, .threads = 1, .backend = backend};
    ck_assert_msg(!sn_context_new(&options, &n->ctx), "%s", last_log);
    n->g = sn_graph_new(n->ctx, "net");
    sn_expr p[VARS], d[VARS];
    noise_seed = 3;
    for (int i = 0; i < VARS; i++) {
        float values[HIDDEN * CLASSES];
        size_t count = (size_t)sizes[i][0] * (size_t)(sizes[i][1] ? sizes[i][1] : 1);
        for (size_t k = 0; k < count; k++) values[k] = (float)noise() / 4;
        char name[] = {'p', (char)('0' + i), 0};
        ck_assert_int_eq(sn_var_new(n->ctx, name, SN_F32, sizes[i][1] ? 2 : 1, sizes[i], &n->var[i]), SN_OK);
        ck_assert_int_eq(sn_var_set(n->var[i], values, count * sizeof *values), SN_OK);
        p[i] = sn_use(n->g, n->var[i]);
    }
    for (int i = 0; i < ROWS * IN; i++) n->x[i] = (float)noise();
    for (int i = 0; i < ROWS * CLASSES; i++) n->y[i] = (float)noise();
    sn_dim N = sn_dim_new(n->g, "N");
    sn_expr x = sn_input(n->g, "x", SN_F32, SN_SHAPE(N, SN_DIM(IN))),
            y = sn_input(n->g, "y", SN_F32, SN_SHAPE(N, SN_DIM(CLASSES)));
    sn_expr z = sn_add(sn_matmul(sn_relu(sn_add(sn_matmul(x, p[0]), p[1])), p[2]), p[3]);
    sn_expr loss = sn_mean_all(sn_square(sn_sub(z, y)));
    ck_assert_int_eq(sn_grad(loss, p, VARS, d), SN_OK);
    sn_update update[VARS];
    for (int i = 0; i < VARS; i++) update[i] = (sn_update){n->var[i], sn_sub(p[i], sn_mul(sn_const(n->g, 0.5), d[i]))};
    sn_function_desc desc = {.inputs = (sn_expr[]){x, y},
                             .n_inputs = 2,
                             .outputs = &loss,
                             .n_outputs = 1,
                             .updates = update,
                             .n_updates = VARS};
    n->f = function(n->g, &desc);
    ck_assert_int_eq(sn_call_new(n->f, &n->call), SN_OK);
}

static void net_step(net *n, int64_t rows) {
    const sn_tensor x = sn_tensor_of(SN_F32, n->x, 2, (int64_t[]){rows, IN}),
                    y = sn_tensor_of(SN_F32, n->y, 2, (int64_t[]){rows, CLASSES}), loss = SCALAR(&n->loss);
    ck_assert_int_eq(sn_call_bind_input(n->call, 0, &x), SN_OK);
    ck_assert_int_eq(sn_call_bind_input(n->call, 1, &y), SN_OK);
    ck_assert_int_eq(sn_call_bind_output(n->call, 0, &loss), SN_OK);
    ck_assert_msg(!sn_call_run(n->call), "%s", sn_call_error(n->call));
}

static void net_close(net *n) {
    sn_call_free(n->call);
    sn_function_free(n->f);
    sn_graph_free(n->g);
    for (int i = 0; i < VARS; i++) sn_var_free(n->var[i]);
    sn_context_free(n->ctx);
}

/* Biases are read by products and updated in place; the gradient of relu needs nothing but its result. */
START_TEST(training) {
    static const int64_t rows[] = {ROWS, ROWS, ROWS, ROWS, 50, 50, 50, ROWS, ROWS, 1};
    net *a = malloc(sizeof *a), *b = malloc(sizeof *b);
    has_standin = support_standin_open(&gpu);
    net_open(a, "gpu");
    net_open(b, "interp");
    int added = 0, relus = 0;
    for (uint32_t i = 0; i < a->f->program->n_step; i++) {
        const pg_step *s = &a->f->program->step[i];
        added += s->kind == PG_GEMM && s->row.space == PG_VAR;
        relus += s->kind == PG_GEMM && s->relu;
    }
    ck_assert_int_eq(added, 2);
    ck_assert_int_eq(relus, 1);
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        net_step(a, rows[i]);
        net_step(b, rows[i]);
        ck_assert_msg(fabsf(a->loss - b->loss) <= 1e-4f * b->loss, "step %zu: %g, not %g", i, (double)a->loss,
                      (double)b->loss);
    }
    for (int i = 0; i < VARS; i++) {
        float x[HIDDEN * CLASSES], y[HIDDEN * CLASSES];
        sn_tensor type = sn_var_type(a->var[i]);
        size_t bytes = sn_tensor_bytes(&type);
        ck_assert_int_eq(sn_var_get(a->var[i], x, bytes), SN_OK);
        ck_assert_int_eq(sn_var_get(b->var[i], y, bytes), SN_OK);
        for (size_t k = 0; k < bytes / sizeof *x; k++) ck_assert_float_eq_tol(x[k], y[k], 1e-4f);
    }
    net_close(a);
    net_close(b);
    ck_assert_uint_eq(gpu.allocated(), 0);
    free(a);
    free(b);
}
END_TEST

int main(void) {
    Suite *suite = suite_create("gpu_layer");
    TCase *tc = tcase_create("gpu_layer");
    tcase_add_test(tc, a_layer_is_one_product);
    tcase_add_test(tc, recordings_of_other_plans);
    tcase_add_test(tc, steps_of_new_sizes);
    tcase_add_test(tc, shapes_of_calls_that_are_gone);
    tcase_add_test(tc, options_arrive);
    tcase_add_test(tc, refused_calls_can_be_repeated);
    tcase_add_loop_test(tc, every_failure_has_a_sentence, 0, 2);
    tcase_add_loop_test(tc, out_of_host_memory, 0, 2);
    tcase_add_test(tc, training);
    suite_add_tcase(suite, tc);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed != 0;
}
