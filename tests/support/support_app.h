/* An application on the stand-in device: the driver's functions that it calls itself, and a context with one function,
 * its call and its arrays. Everything is static: a program of tests includes this once. */
#ifndef SUPPORT_APP_H
#define SUPPORT_APP_H

#include <dlfcn.h>
#include <limits.h>

#include "support/support_runtime.h"
#include "support/support_standin.h"

enum { N = 33, LARGE = 20000 };
static int64_t length = LARGE; /* of the arrays */

static support_standin gpu;

/* What an application calls of the driver. */
static struct {
    int (*context_create)(void **context, unsigned flags, int device);
    int (*context_destroy)(void *context);
    int (*retain)(void **context, int device);
    int (*release)(int device);
    int (*stream_create)(void **stream, unsigned flags);
    int (*stream_destroy)(void *stream);
    int (*pop)(void **context);
    int (*push)(void *context);
    int (*begin_capture)(void *stream, int mode);
    int (*end_capture)(void *stream, void **graph);
    int (*graph_destroy)(void *graph);
} driver;

/* 0: the device is a real one, and the test is about the stand-in's counters. */
__attribute__((unused)) static int find(const char *test) {
    if (!support_standin_needed(&gpu, test)) return 0;
    const struct {
        const char *name;
        void *at;
    } wanted[] = {{"cuCtxCreate_v2", &driver.context_create},
                  {"cuCtxDestroy_v2", &driver.context_destroy},
                  {"cuDevicePrimaryCtxRetain", &driver.retain},
                  {"cuDevicePrimaryCtxRelease_v2", &driver.release},
                  {"cuStreamCreate", &driver.stream_create},
                  {"cuStreamDestroy_v2", &driver.stream_destroy},
                  {"cuCtxPopCurrent_v2", &driver.pop},
                  {"cuCtxPushCurrent_v2", &driver.push},
                  {"cuStreamBeginCapture_v2", &driver.begin_capture},
                  {"cuStreamEndCapture", &driver.end_capture},
                  {"cuGraphDestroy", &driver.graph_destroy}};
    char path[PATH_MAX];
    snprintf(path, sizeof path, "%s/libcuda.so.1", getenv("SINTER_CUDA_PATH"));
    void *library = dlopen(path, RTLD_NOW | RTLD_LOCAL);
    ck_assert_ptr_nonnull(library);
    for (size_t i = 0; i < sizeof wanted / sizeof *wanted; i++) {
        void *function_at = dlsym(library, wanted[i].name);
        ck_assert_ptr_nonnull(function_at);
        memcpy(wanted[i].at, &function_at, sizeof function_at);
    }
    return 1;
}

/* y[N] = 2 x + 1, and the sum of x. */
typedef struct {
    sn_context *ctx;
    sn_graph *g;
    sn_function *f;
    sn_call *call;
    sn_array *x, *y, *sum;
    sn_var *var;
} app;

/* As far as it gets; app_close undoes whatever is there. */
static sn_status app_open(app *a, void *context, void *stream) {
    memset(a, 0, sizeof *a);
    memory = (support_alloc){.fail_at = 0};
    last_log[0] = 0;
    sn_allocator allocator = support_allocator(&memory);
    sn_context_options options = {.struct_size = sizeof options,
                                  .allocator = &allocator,
                                  .log = keep_log,
                                  .backend = "gpu",
                                  .cuda_context = context,
                                  .cuda_stream = stream};
    sn_status status = sn_context_new(&options, &a->ctx);
    if (!status && !(a->g = sn_graph_new(a->ctx, "twice"))) status = SN_ERR_NOMEM;
    if (!status) status = sn_var_new(a->ctx, "runs", SN_I64, 0, NULL, &a->var);
    if (status) return status;
    sn_expr x = sn_input(a->g, "x", SN_F32, SN_SHAPE(sn_dim_new(a->g, "N")));
    sn_expr out[] = {sn_add(sn_mul(sn_const(a->g, 2), x), sn_const(a->g, 1)), sn_sum_all(x)};
    sn_update update = {a->var, sn_add(sn_use(a->g, a->var), sn_const(a->g, 1))};
    sn_function_desc desc = {
        .inputs = &x, .n_inputs = 1, .outputs = out, .n_outputs = 2, .updates = &update, .n_updates = 1};
    status = sn_function_new(a->g, &desc, &a->f);
    if (!status) status = sn_call_new(a->f, &a->call);
    if (!status) status = sn_array_new(a->ctx, SN_F32, 1, &length, &a->x);
    if (!status) status = sn_array_new(a->ctx, SN_F32, 1, &length, &a->y);
    if (!status) status = sn_array_new(a->ctx, SN_F32, 0, NULL, &a->sum);
    if (!status) status = sn_call_bind_input_array(a->call, 0, a->x);
    if (!status) status = sn_call_bind_output_array(a->call, 0, a->y);
    return status ? status : sn_call_bind_output_array(a->call, 1, a->sum);
}

static void app_close(app *a) {
    sn_array_free(a->x), sn_array_free(a->y), sn_array_free(a->sum);
    sn_call_free(a->call);
    sn_function_free(a->f);
    sn_graph_free(a->g);
    sn_var_free(a->var);
    sn_context_free(a->ctx);
    ck_assert_int_eq(atomic_load(&memory.live), 0);
}

static void app_ok(app *a, void *context, void *stream) {
    ck_assert_msg(!app_open(a, context, stream), "%s", a->ctx ? sn_context_error(a->ctx) : last_log);
}

__attribute__((unused)) static void run_ok(app *a) {
    ck_assert_msg(!sn_call_run(a->call), "%s", sn_call_error(a->call));
}

__attribute__((unused)) static void y_is(sn_array *y, const float *x, int64_t n) {
    float have[LARGE];
    ck_assert_int_eq(sn_array_type(y).size[0], n);
    ck_assert_int_eq(sn_array_get(y, have, (size_t)n * sizeof *have), SN_OK);
    for (int64_t i = 0; i < n; i++) ck_assert_msg(have[i] == 2 * x[i] + 1, "element %lld", (long long)i);
}

static const float *ramp(float from) {
    static float values[LARGE];
    for (int i = 0; i < LARGE; i++) values[i] = from + (float)(i % 100);
    return values;
}

#endif
