/* Calls on the GPU backend: the same results as the interpreter's to the bit, nothing across the bus that nobody asked
 * for, one start a step, no allocation after the first runs, and a sentence for everything that can fail. What counts
 * calls or makes them fail needs the stand-in and is skipped on a real device. */
#define _GNU_SOURCE
#include <unistd.h>

#include "jit_gpu/blob.h"
#include "support/support_run.h"
#include "support/support_runtime.h"
#include "support/support_standin.h"

enum { POINTS = 70, HIDDEN = 33 };

static support_standin gpu; /* does nothing where the device is a real one */

/* One step of a network 2-HIDDEN-2 on points of input, and its loss; HIDDEN is odd, so nothing is a whole tile. */
typedef struct {
    sn_context *ctx;
    sn_graph *g;
    sn_var *var[4];
    sn_function *f;
    sn_call *call;
    float X[POINTS][2], loss;
    int64_t y[POINTS];
} net;

static float noise(uint32_t *state) {
    *state = *state * 1664525u + 1013904223u;
    return (float)(*state >> 8) / (float)(1 << 24) - 0.5f;
}

static sn_status net_build(net *n) {
    sn_dim N = sn_dim_new(n->g, "N");
    sn_expr X = sn_input(n->g, "X", SN_F32, SN_SHAPE(N, SN_DIM(2))), y = sn_input(n->g, "y", SN_I64, SN_SHAPE(N));
    sn_expr p[4], d[4];
    for (int i = 0; i < 4; i++) p[i] = sn_use(n->g, n->var[i]);
    sn_expr z = sn_add(sn_matmul(sn_tanh(sn_add(sn_matmul(X, p[0]), p[1])), p[2]), p[3]);
    sn_expr loss = sn_mean_all(sn_cross_entropy(z, y));
    sn_grad(loss, p, 4, d);
    sn_update update[4];
    for (int i = 0; i < 4; i++) update[i] = (sn_update){n->var[i], sn_sub(p[i], sn_mul(sn_const(n->g, 0.5), d[i]))};
    sn_function_desc desc = {.inputs = (sn_expr[]){X, y},
                             .n_inputs = 2,
                             .outputs = &loss,
                             .n_outputs = 1,
                             .updates = update,
                             .n_updates = 4};
    return sn_function_new(n->g, &desc, &n->f);
}

/* As far as it gets; net_close undoes whatever is there. */
static sn_status net_open(net *n, const char *backend) {
    static const int64_t sizes[4][2] = {{2, HIDDEN}, {HIDDEN, 0}, {HIDDEN, 2}, {2, 0}};
    static const char *const names[] = {"W1", "b1", "W2", "b2"};
    memset(n, 0, sizeof *n);
    memory = (support_alloc){.fail_at = 0};
    last_log[0] = 0;
    sn_allocator allocator = support_allocator(&memory);
    sn_context_options options = {
        .struct_size = sizeof options, .allocator = &allocator, .log = keep_log, .threads = 1, .backend = backend};
    /* The interpreter runs the kernels that are scheduled for the GPU. */
    static be_backend interp;
    interp = be_interp;
    interp.machine = KN_FOR_GPU;
    sn_status status =
        strcmp(backend, "interp") ? sn_context_new(&options, &n->ctx) : rt_context_open(&options, &interp, &n->ctx);
    uint32_t seed = 7;
    for (int i = 0; i < 4 && !status; i++) {
        float values[2 * HIDDEN];
        size_t bytes = sizeof(float) * (size_t)(sizes[i][0] * (sizes[i][1] ? sizes[i][1] : 1));
        for (int k = 0; k < 2 * HIDDEN; k++) values[k] = noise(&seed);
        status = sn_var_new(n->ctx, names[i], SN_F32, sizes[i][1] ? 2 : 1, sizes[i], &n->var[i]);
        if (!status) status = sn_var_set(n->var[i], values, bytes);
    }
    for (int i = 0; i < POINTS; i++) {
        n->X[i][0] = 3 * noise(&seed);
        n->X[i][1] = 3 * noise(&seed);
        n->y[i] = n->X[i][0] > n->X[i][1] * n->X[i][1];
    }
    if (!status && !(n->g = sn_graph_new(n->ctx, "net"))) status = SN_ERR_NOMEM;
    if (!status) status = net_build(n);
    if (!status) status = sn_call_new(n->f, &n->call);
    return status;
}

static void net_free(net *n) {
    sn_call_free(n->call);
    sn_function_free(n->f);
    sn_graph_free(n->g);
    for (int i = 0; i < 4; i++) sn_var_free(n->var[i]);
    sn_context_free(n->ctx);
}

static void net_close(net *n) {
    net_free(n);
    ck_assert_int_eq(atomic_load(&memory.live), 0);
}

static sn_status net_bind(net *n, int64_t points) {
    const sn_tensor X = sn_tensor_of(SN_F32, n->X, 2, (int64_t[]){points, 2}),
                    y = sn_tensor_of(SN_I64, n->y, 1, &points), loss = SCALAR(&n->loss);
    sn_status status = sn_call_bind_input(n->call, 0, &X);
    if (!status) status = sn_call_bind_input(n->call, 1, &y);
    return status ? status : sn_call_bind_output(n->call, 0, &loss);
}

static void net_same(const net *a, const net *b) {
    float x[2 * HIDDEN], y[2 * HIDDEN];
    ck_assert_mem_eq(&a->loss, &b->loss, sizeof a->loss);
    for (int i = 0; i < 4; i++) {
        sn_tensor type = sn_var_type(a->var[i]);
        ck_assert_int_eq(sn_var_get(a->var[i], x, sn_tensor_bytes(&type)), SN_OK);
        ck_assert_int_eq(sn_var_get(b->var[i], y, sn_tensor_bytes(&type)), SN_OK);
        ck_assert_mem_eq(x, y, sn_tensor_bytes(&type));
    }
}

/* Sizes change between runs, down and up and to nothing; every order of threads; work at once and put off. */
START_TEST(trains_as_the_interpreter_does) {
    static const int64_t points[] = {POINTS, POINTS, POINTS, 1, 1, 1, 33, 33, 33, POINTS, POINTS};
    net a, b;
    support_standin_open(&gpu);
    gpu.order((unsigned)_i % 3 ? (unsigned)_i : 0);
    gpu.defer(_i >= 3);
    ck_assert_msg(!net_open(&a, "gpu"), "%s", last_log);
    ck_assert_int_eq(net_open(&b, "interp"), SN_OK);
    for (size_t i = 0; i < sizeof points / sizeof *points; i++) {
        ck_assert_int_eq(net_bind(&a, points[i]), SN_OK);
        ck_assert_int_eq(net_bind(&b, points[i]), SN_OK);
        ck_assert_msg(!sn_call_run(a.call), "%s", sn_call_error(a.call));
        ck_assert_int_eq(sn_call_run(b.call), SN_OK);
        net_same(&a, &b);
    }
    net_free(&b);
    net_free(&a);
    ck_assert_uint_eq(gpu.allocated(), 0);
}
END_TEST

/* What a training loop costs once it is warm. */
START_TEST(a_warm_step_is_one_start) {
    net n;
    if (!support_standin_needed(&gpu, "a_warm_step_is_one_start")) return;
    ck_assert_msg(!net_open(&n, "gpu"), "%s", last_log);
    ck_assert_int_eq(net_bind(&n, POINTS), SN_OK);
    for (int i = 0; i < 4; i++) ck_assert_int_eq(sn_call_run(n.call), SN_OK);
    uint64_t in = gpu.bytes_in(), out = gpu.bytes_out();
    gpu.reset();
    enum { RUNS = 100 };
    for (int i = 0; i < RUNS; i++) ck_assert_int_eq(sn_call_run(n.call), SN_OK);
    ck_assert_uint_eq(gpu.count("cuGraphLaunch"), RUNS);
    ck_assert_uint_eq(gpu.count("cuLaunchKernel"), 0);
    ck_assert_uint_eq(gpu.count("cuMemAlloc_v2"), 0);
    ck_assert_uint_eq(gpu.count("cuMemHostAlloc"), 0);
    ck_assert_uint_eq(gpu.count("cuMemcpyHtoDAsync_v2"), RUNS); /* both inputs at once */
    ck_assert_uint_eq(gpu.count("cuMemcpyDtoHAsync_v2"), RUNS);
    ck_assert_uint_le(gpu.bytes_in() - in, (uint64_t)RUNS * (sizeof n.X + sizeof n.y + 512));
    ck_assert_uint_le(gpu.bytes_out() - out, (uint64_t)RUNS * 256);
    net_close(&n);
}
END_TEST

/* Epochs whose last batch is smaller, and one of a single point, which has a plan of its own: after two of them every
 * step is one start. */
START_TEST(epochs_are_one_start_a_step) {
    static const int64_t points[] = {POINTS, POINTS, POINTS, 33, 1};
    enum { STEPS = sizeof points / sizeof *points, EPOCHS = 3 };
    net n, same;
    if (!support_standin_needed(&gpu, "epochs_are_one_start_a_step")) return;
    ck_assert_msg(!net_open(&n, "gpu"), "%s", last_log);
    ck_assert_int_eq(net_open(&same, "interp"), SN_OK);
    for (int epoch = 0; epoch < EPOCHS; epoch++) {
        if (epoch == 2) gpu.reset();
        for (int i = 0; i < STEPS; i++) {
            ck_assert_int_eq(net_bind(&n, points[i]), SN_OK);
            ck_assert_int_eq(net_bind(&same, points[i]), SN_OK);
            ck_assert_msg(!sn_call_run(n.call), "%s", sn_call_error(n.call));
            ck_assert_int_eq(sn_call_run(same.call), SN_OK);
            net_same(&n, &same);
        }
    }
    ck_assert_uint_eq(gpu.count("cuGraphLaunch"), STEPS);
    ck_assert_uint_eq(gpu.count("cuLaunchKernel"), 0);
    ck_assert_uint_eq(gpu.count("cuStreamBeginCapture_v2"), 0);
    ck_assert_uint_eq(gpu.count("cuMemAlloc_v2"), 0);
    net_free(&same);
    net_free(&n);
}
END_TEST

/* Runs that count one input, then runs that count another: of both there are enough to be recorded together. */
START_TEST(one_input_then_another) {
    net n;
    if (!support_standin_needed(&gpu, "one_input_then_another")) return;
    ck_assert_msg(!net_open(&n, "gpu"), "%s", last_log);
    sn_graph *g = sn_graph_new(n.ctx, "count");
    sn_expr in[] = {sn_input(g, "i", SN_I64, SN_SCALAR), sn_input(g, "j", SN_I64, SN_SCALAR)};
    sn_var *var;
    ck_assert_int_eq(sn_var_new(n.ctx, "sum", SN_I64, 0, NULL, &var), SN_OK);
    sn_expr sum = sn_add(sn_mul(sn_const_of(g, SN_I64, 3), sn_use(g, var)), sn_add(sn_mul(in[0], in[0]), in[1]));
    sn_update update = {var, sum};
    sn_function_desc desc = {.inputs = in, .n_inputs = 2, .updates = &update, .n_updates = 1};
    sn_function *f = function(g, &desc);
    sn_call *call;
    ck_assert_int_eq(sn_call_new(f, &call), SN_OK);
    gpu.reset();
    int64_t at[2] = {1000, 7}, have;
    uint64_t want = 0;
    for (size_t i = 0; i < 2; i++) {
        const sn_tensor t = sn_tensor_of(SN_I64, &at[i], 0, NULL);
        ck_assert_int_eq(sn_call_bind_input(call, i, &t), SN_OK);
    }
    for (size_t round = 0; round < 4; round++) {
        ck_assert_msg(!sn_call_run_steps(call, round % 2, 5, 40), "%s", sn_call_error(call));
        for (uint64_t step = 5; step < 45; step++) want = 3 * want + (round % 2 ? 1000 * 1000 + step : step * step + 7);
        ck_assert_int_eq(sn_var_get(var, &have, sizeof have), SN_OK);
        ck_assert_uint_eq((uint64_t)have, want);
    }
    sn_call_free(call);
    sn_function_free(f);
    ck_assert_uint_eq(gpu.count("cuGraphExecDestroy"), gpu.count("cuGraphInstantiateWithFlags"));
    sn_graph_free(g);
    sn_var_free(var);
    net_close(&n);
}
END_TEST

static uint64_t number_after(const sn_function *f, const char *name) {
    char *text;
    ck_assert_int_eq(sn_function_show((sn_function *)(uintptr_t)f, SN_SHOW_PROFILE_JSON, &text), SN_OK);
    const char *at = strstr(text, name);
    ck_assert_msg(at != NULL, "%s has no %s", text, name);
    uint64_t n = strtoull(at + strlen(name), NULL, 10);
    sn_string_free(f->ctx, text);
    return n;
}

/* The first two runs of a call are timed, however many are asked for at once, and all are counted; at other addresses
 * one run comes before what is recorded. */
START_TEST(steps_are_counted) {
    enum { STEPS = 40 /* 2 and 32 and 6, then 1 and 32 and 7 */, ROUNDS = 10 /* more than recordings are kept */ };
    net n;
    if (!support_standin_needed(&gpu, "steps_are_counted")) return;
    ck_assert_msg(!net_open(&n, "gpu"), "%s", last_log);
    sn_graph *g = sn_graph_new(n.ctx, "count");
    sn_expr i = sn_input(g, "i", SN_I64, SN_SCALAR), out = sn_add(i, sn_const_of(g, SN_I64, 1));
    sn_function_desc desc = {.inputs = &i, .n_inputs = 1, .outputs = &out, .n_outputs = 1};
    sn_function *f = function(g, &desc);
    sn_call *call;
    sn_array *to[ROUNDS];
    ck_assert_int_eq(sn_call_new(f, &call), SN_OK);
    for (uint64_t round = 0; round < ROUNDS; round++) {
        int64_t have;
        ck_assert_int_eq(sn_array_new(n.ctx, SN_I64, 0, NULL, &to[round]), SN_OK);
        ck_assert_int_eq(sn_call_bind_output_array(call, 0, to[round]), SN_OK);
        gpu.reset();
        ck_assert_msg(!sn_call_run_steps(call, 0, 5, STEPS), "%s", sn_call_error(call));
        ck_assert_int_eq(sn_array_get(to[round], &have, sizeof have), SN_OK);
        ck_assert_int_eq(have, 5 + STEPS);
        ck_assert_uint_eq(gpu.count("cuStreamBeginCapture_v2"), 2);
        ck_assert_uint_eq(gpu.count("cuGraphLaunch"), 2 + (round ? 7 : 6));
        ck_assert_uint_eq(number_after(f, "\"calls\": "), (round + 1) * STEPS);
        ck_assert_uint_eq(number_after(f, "\"timed\": "), 2);
        ck_assert_uint_eq(number_after(f, "\"graph_launches\": "), 8 + 9 * round);
    }
    for (int k = 0; k < ROUNDS; k++) sn_array_free(to[k]);
    sn_call_free(call);
    /* Where nothing can be recorded, each way is tried three times. */
    int64_t have;
    const sn_tensor one = sn_tensor_of(SN_I64, &have, 0, NULL);
    ck_assert_int_eq(sn_call_new(f, &call), SN_OK);
    ck_assert_int_eq(sn_call_bind_output(call, 0, &one), SN_OK);
    gpu.reset();
    gpu.fail_always("cuStreamBeginCapture_v2", 900);
    ck_assert_msg(!sn_call_run_steps(call, 0, 0, 100), "%s", sn_call_error(call));
    ck_assert_int_eq(have, 100);
    ck_assert_uint_eq(gpu.count("cuStreamBeginCapture_v2"), 2 * 3);
    gpu.reset();
    sn_call_free(call);
    sn_function_free(f);
    sn_graph_free(g);
    net_close(&n);
}
END_TEST

/* Steps that count take one kernel more for sixteen. On a lost device the first step that fails is the last that is
 * begun, of however many. */
START_TEST(many_steps_end_early) {
    net n;
    if (!support_standin_needed(&gpu, "many_steps_end_early")) return;
    ck_assert_msg(!net_open(&n, "gpu"), "%s", last_log);
    sn_graph *g = sn_graph_new(n.ctx, "count");
    sn_expr i = sn_input(g, "i", SN_I64, SN_SCALAR);
    sn_update update = {n.var[3], sn_add(sn_use(g, n.var[3]), sn_cast(i, SN_F32))};
    sn_function_desc desc = {.inputs = &i, .n_inputs = 1, .updates = &update, .n_updates = 1};
    sn_function *f = function(g, &desc);
    sn_call *call;
    ck_assert_int_eq(sn_call_new(f, &call), SN_OK);
    ck_assert_int_eq(sn_var_set(n.var[3], (float[2]){0}, sizeof(float[2])), SN_OK);
    ck_assert_msg(!sn_call_run_steps(call, 0, 0, 3), "%s", sn_call_error(call));
    gpu.reset();
    ck_assert_msg(!sn_call_run_steps(call, 0, 3, 97), "%s", sn_call_error(call));
    /* Sixteen steps in a recording with one kernel that counts; one alone was recorded before. */
    ck_assert_uint_eq(gpu.count("cuGraphLaunch"), 7);
    ck_assert_uint_eq(gpu.count("cuLaunchKernel"), 16 + 1);
    float sum[2];
    ck_assert_int_eq(sn_var_get(n.var[3], sum, sizeof sum), SN_OK);
    ck_assert_float_eq(sum[1], 99 * 100 / 2);
    gpu.fail_at("cuGraphLaunch", 3, 700);
    ck_assert_int_eq(sn_call_run_steps(call, 0, 0, (int64_t)1 << 50), SN_ERR_INTERNAL); /* which would take years */
    ck_assert_ptr_nonnull(strstr(sn_call_error(call), "the CUDA context is lost"));
    gpu.reset();
    ck_assert_int_eq(sn_call_run_steps(call, 0, 0, (int64_t)1 << 50), SN_ERR_INTERNAL);
    ck_assert_uint_eq(gpu.count("cuLaunchKernel"), 0);
    sn_call_free(call);
    sn_function_free(f);
    sn_graph_free(g);
    net_close(&n);
}
END_TEST

/* Each call of the driver, the compiler's and the products' libraries fails once: an error with a sentence, or no harm
 * done; nothing leaks, and what is there can be used and freed. */
START_TEST(every_failure_has_a_sentence) {
    net n;
    if (!support_standin_needed(&gpu, "every_failure_has_a_sentence")) return;
    int reached = 1, failures = 0;
    for (unsigned long k = 1; reached; k++) {
        gpu.reset();
        gpu.fail_at(NULL, k, _i);
        sn_status status = net_open(&n, "gpu");
        const char *text = last_log;
        if (status && n.ctx) text = n.g ? sn_graph_error(n.g) : sn_context_error(n.ctx);
        for (int i = 0; i < 4 && !status; i++) {
            status = net_bind(&n, i == 3 ? 9 : POINTS);
            if (!status) status = sn_call_run(n.call);
            text = sn_call_error(n.call);
        }
        reached = gpu.count(NULL) >= k;
        if (status) {
            ck_assert_msg(text[0], "failure %lu has no sentence", k);
            failures++;
        }
        if (!reached) ck_assert_int_eq(status, SN_OK);
        gpu.fail_at(NULL, 0, 0);
        gpu.reset();
        net_close(&n);
        if (_i < 700) /* memory of a device that is lost cannot be given back */
            ck_assert_msg(gpu.live(NULL) == 0, "failure %lu left %ld objects, and %lu bytes on the device", k,
                          gpu.live(NULL), (unsigned long)gpu.allocated());
    }
    ck_assert_int_gt(failures, 20);
}
END_TEST

/* A run that failed, at whatever it asked of the driver, spoils none that come after it: they start no half of a
 * recording. */
START_TEST(runs_after_a_failure_are_whole) {
    net n;
    if (!support_standin_needed(&gpu, "runs_after_a_failure_are_whole")) return;
    for (unsigned long k = 1, reached = 1; reached; k++) {
        gpu.reset();
        ck_assert_msg(!net_open(&n, "gpu"), "%s", last_log);
        ck_assert_int_eq(net_bind(&n, POINTS), SN_OK);
        for (int i = 0; i < 2; i++) ck_assert_int_eq(sn_call_run(n.call), SN_OK);
        gpu.reset();
        gpu.fail_at(NULL, k, 2);
        (void)sn_call_run(n.call); /* the one that records */
        reached = gpu.count(NULL) >= k;
        gpu.fail_at(NULL, 0, 0);
        float before = 0, after;
        for (int i = 0; i < 3; i++) {
            ck_assert_msg(!sn_call_run(n.call), "%s", sn_call_error(n.call));
            after = n.loss;
            ck_assert_msg(!i || after < before, "failure %lu: step %d trains nothing", k, i);
            before = after;
        }
        net_close(&n);
    }
}
END_TEST

/* Memory is asked for twice; a call that failed can be run again. */
START_TEST(out_of_memory_passes) {
    net n;
    if (!support_standin_needed(&gpu, "out_of_memory_passes")) return;
    ck_assert_msg(!net_open(&n, "gpu"), "%s", last_log);
    ck_assert_int_eq(net_bind(&n, POINTS), SN_OK);
    gpu.memory(256);
    ck_assert_int_eq(sn_call_run(n.call), SN_ERR_NOMEM);
    ck_assert_ptr_nonnull(strstr(sn_call_error(n.call), " bytes of "));
    ck_assert_ptr_nonnull(strstr(sn_call_error(n.call), " of the device's 256 bytes are free"));
    gpu.memory(0);
    ck_assert_int_eq(sn_call_run(n.call), SN_OK);
    ck_assert_int_eq(net_bind(&n, 9), SN_OK);
    gpu.fail_at("cuMemAlloc_v2", 1, 2);
    ck_assert_int_eq(sn_call_run(n.call), SN_OK);
    net_close(&n);
}
END_TEST

START_TEST(no_device) {
    net n;
    char about[512] = "";
    ck_assert_msg(!sn_device_available("gpu", about, sizeof about), "%s", about);
    ck_assert_ptr_nonnull(strstr(about, ", compute capability "));
    if (support_standin_open(&gpu)) {
        ck_assert_str_eq(about, "stand-in, compute capability 8.0, driver for CUDA 13.0");
        setenv("STANDIN_NO_DEVICE", "1", 1);
        ck_assert_int_eq(net_open(&n, "gpu"), SN_ERR_UNAVAILABLE);
        ck_assert_ptr_nonnull(strstr(last_log, "no device"));
        net_close(&n);
        ck_assert_int_eq(sn_device_available("gpu", NULL, 0), SN_ERR_UNAVAILABLE);
        unsetenv("STANDIN_NO_DEVICE");
    }
    char text[512] = "";
    ck_assert_int_eq(sn_device_available("abacus", text, sizeof text), SN_ERR_ARGUMENT);
    ck_assert_ptr_nonnull(strstr(text, "abacus"));
    ck_assert_int_eq(sn_device_available("interp", text, sizeof text), SN_OK);
}
END_TEST

static int is_loaded(const char *library) {
    char line[4096];
    int found = 0;
    FILE *maps = fopen("/proc/self/maps", "r");
    ck_assert_ptr_nonnull(maps);
    while (!found && fgets(line, sizeof line, maps)) found = strstr(line, library) != NULL;
    fclose(maps);
    return found;
}

/* The library of products, which has hundreds of megabytes, comes with the first large one: neither a look at the
 * device nor a small product loads it. */
START_TEST(products_come_late) {
    char text[512];
    net n;
    ck_assert_msg(!sn_device_available("gpu", text, sizeof text), "%s", text);
    ck_assert_msg(!net_open(&n, "gpu"), "%s", last_log); /* has two */
    ck_assert_int_eq(net_bind(&n, POINTS), SN_OK);
    ck_assert_msg(!sn_call_run(n.call), "%s", sn_call_error(n.call));
    ck_assert(is_loaded("libcuda.so"));
    ck_assert(!is_loaded("libcublasLt"));
    sn_graph *g = sn_graph_new(n.ctx, "large");
    sn_expr x = sn_input(g, "x", SN_F32, SN_SHAPE(SN_DIM(200), SN_DIM(200))), y = sn_matmul(x, x);
    sn_function *f = function(g, &(sn_function_desc){.inputs = &x, .n_inputs = 1, .outputs = &y, .n_outputs = 1});
    ck_assert(is_loaded("libcublasLt"));
    sn_function_free(f);
    sn_graph_free(g);
    net_close(&n);
}
END_TEST

/* Cubin and PTX as they are kept: whole, or refused. */
START_TEST(blobs) {
    base_alloc alloc;
    base_strbuf bytes;
    gpu_blob blob;
    base_alloc_init(&alloc, NULL);
    base_strbuf_init(&bytes, &alloc);
    base_strbuf_add(&bytes, "cubinPTX", 9);
    gpu_blob_end(&bytes, 5, 4);
    ck_assert(gpu_blob_open(&blob, bytes.at, bytes.n));
    ck_assert_uint_eq(blob.cubin_bytes, 5);
    ck_assert_str_eq(blob.ptx, "PTX");
    for (size_t n = 0; n < bytes.n; n++) ck_assert(!gpu_blob_open(&blob, bytes.at, n));
    for (size_t i = 8; i < bytes.n; i++) { /* the NUL and what is behind it */
        bytes.at[i] ^= 1;
        ck_assert(!gpu_blob_open(&blob, bytes.at, bytes.n));
        bytes.at[i] ^= 1;
    }
    base_strbuf_free(&bytes);
}
END_TEST

static int tool(const char *dir, const char *words, char *out, size_t size) {
    char command[1024];
    snprintf(command, sizeof command, "%s/sinter cache --dir %s %s 2>&1", support_build_dir(), dir, words);
    FILE *f = popen(command, "r");
    ck_assert_ptr_nonnull(f);
    size_t n = fread(out, 1, size - 1, f);
    out[n] = 0;
    while (!feof(f) && !ferror(f)) (void)!fread(command, 1, sizeof command, f);
    return pclose(f);
}

/* Kernels of the GPU in the cache on disk: found again, and what the tool makes of them. */
START_TEST(kept_on_disk) {
    char dir[] = "/tmp/sinter-gpu-XXXXXX", text[4096];
    ck_assert_ptr_nonnull(mkdtemp(dir));
    for (int again = 0; again < 2; again++) {
        sn_context_options options = {.struct_size = sizeof options,
                                      .log = keep_log,
                                      .backend = "gpu",
                                      .cache_mode = again ? SN_CACHE_ONLY : SN_CACHE_RW,
                                      .cache_dir = dir};
        sn_context *ctx;
        ck_assert_int_eq(sn_context_new(&options, &ctx), SN_OK);
        sn_graph *g = sn_graph_new(ctx, "kept");
        sn_expr x = sn_input(g, "x", SN_F32, SN_SHAPE(sn_dim_new(g, "N"))), y = sn_exp(x);
        sn_function_desc desc = {.inputs = &x, .n_inputs = 1, .outputs = &y, .n_outputs = 1};
        sn_function *f = function(g, &desc);
        sn_function_stats stats;
        ck_assert_int_eq(sn_function_get_stats(f, &stats), SN_OK);
        ck_assert_uint_eq(stats.n_compiled, again ? 0 : 1);
        sn_function_free(f);
        sn_graph_free(g);
        sn_context_free(ctx);
    }
    ck_assert_int_eq(tool(dir, "verify", text, sizeof text), 0);
    ck_assert_ptr_nonnull(strstr(text, "1 entry, 0 damaged"));
    ck_assert_int_eq(tool(dir, "show kept.0 cuda", text, sizeof text), 0);
    ck_assert_ptr_nonnull(strstr(text, "typedef long long i64;"));
    ck_assert_int_eq(tool(dir, "show kept.0 ptx", text, sizeof text), 0);
    ck_assert_ptr_nonnull(strstr(text, ".version "));
    ck_assert_int_ne(tool(dir, "show kept.0 disasm", text, sizeof text), 0);
    ck_assert_ptr_nonnull(strstr(text, "code for a GPU: it has no disasm"));
    ck_assert_int_eq(tool(dir, "rm --all", text, sizeof text), 0);
    rmdir(dir);
}
END_TEST

int main(void) {
    Suite *s = suite_create("gpu");
    TCase *training = tcase_create("training"), *t = tcase_create("calls");
    tcase_add_loop_test(training, trains_as_the_interpreter_does, 0, 5);
    tcase_add_test(training, a_warm_step_is_one_start);
    tcase_add_test(training, epochs_are_one_start_a_step);
    tcase_add_test(training, many_steps_end_early);
    tcase_add_test(training, steps_are_counted);
    tcase_add_test(training, one_input_then_another);
    tcase_add_loop_test(t, every_failure_has_a_sentence, 2, 3);
    tcase_add_loop_test(t, every_failure_has_a_sentence, 719, 720);
    tcase_add_test(t, runs_after_a_failure_are_whole);
    tcase_add_test(t, out_of_memory_passes);
    tcase_add_test(t, no_device);
    tcase_add_test(t, products_come_late);
    tcase_add_test(t, blobs);
    tcase_add_test(t, kept_on_disk);
    suite_add_tcase(s, training);
    suite_add_tcase(s, t);
    SRunner *r = srunner_create(s);
    srunner_run_all(r, CK_NORMAL);
    int failed = srunner_ntests_failed(r);
    srunner_free(r);
    return failed ? 1 : 0;
}
