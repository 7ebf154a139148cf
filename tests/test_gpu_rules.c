/* The rules of NVIDIA's driver that a real device holds us to and that a friendlier one would let pass, on the
 * stand-in, which has them: recordings of the application's that our work must not break, code that has to be there
 * before it is recorded, code that the driver does not take, processes that fork or end. */
#define _GNU_SOURCE
#include <pthread.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#include "jit_gpu/blob.h"
#include "jit_gpu/dynlib.h"
#include "support/kernels.h"
#include "support/support_app.h"

/* ---- recordings of the application's ----------------------------------------------------------------------------- */

/* All that a program does with us, from the first to the last: allocations, loading, waits. */
static void *live(void *unused) {
    (void)unused;
    app a;
    app_ok(&a, NULL, NULL);
    ck_assert_int_eq(sn_array_set(a.x, ramp(1), LARGE * sizeof(float)), SN_OK);
    for (int i = 0; i < 5; i++) run_ok(&a);
    y_is(a.y, ramp(1), LARGE);
    ck_assert_int_eq(sn_context_sync(a.ctx), SN_OK);
    app_close(&a);
    ck_assert_int_eq(gpu.capture_mode(), 0);
    return NULL;
}

/* While the application records on a stream that we were not given, on this thread or another, in each mode. */
START_TEST(leaves_recordings_alone) {
    void *context, *stream, *was, *graph;
    int mode = _i % 3, elsewhere = _i / 3;
    if (!find("leaves_recordings_alone")) return;
    ck_assert_int_eq(driver.context_create(&context, 0, 0), 0);
    ck_assert_int_eq(driver.stream_create(&stream, 0), 0);
    ck_assert_int_eq(driver.begin_capture(stream, mode), 0);
    gpu.reset();
    if (elsewhere) {
        pthread_t thread;
        ck_assert_int_eq(pthread_create(&thread, NULL, live, NULL), 0);
        ck_assert_int_eq(pthread_join(thread, NULL), 0);
    } else {
        live(NULL);
    }
    ck_assert_uint_eq(gpu.count("cuGraphLaunch"), 3);
    ck_assert_int_eq(driver.end_capture(stream, &graph), 0);
    ck_assert_ptr_nonnull(graph);
    ck_assert_int_eq(driver.graph_destroy(graph), 0);
    ck_assert_int_eq(driver.stream_destroy(stream), 0);
    ck_assert_int_eq(driver.pop(&was), 0);
    ck_assert_int_eq(driver.context_destroy(context), 0);
}
END_TEST

/* Without our precautions the same would have been refused, and would have spoilt the recording. */
START_TEST(the_stand_in_is_strict) {
    void *context, *stream, *was, *graph;
    if (!find("the_stand_in_is_strict")) return;
    ck_assert_int_eq(driver.context_create(&context, 0, 0), 0);
    ck_assert_int_eq(driver.stream_create(&stream, 0), 0);
    ck_assert_int_eq(driver.begin_capture(stream, 0), 0);
    uint64_t at;
    int (*allocate)(uint64_t *, size_t) = NULL;
    void *found = dlsym(dlopen("libcuda.so.1", RTLD_NOW | RTLD_NOLOAD), "cuMemAlloc_v2");
    memcpy(&allocate, &found, sizeof found);
    ck_assert_int_eq(allocate(&at, 16), 900);
    ck_assert_int_eq(driver.end_capture(stream, &graph), 901);
    ck_assert_ptr_null(graph);
    ck_assert_int_eq(driver.stream_destroy(stream), 0);
    ck_assert_int_eq(driver.pop(&was), 0);
    ck_assert_int_eq(driver.context_destroy(context), 0);
}
END_TEST

/* The legacy default stream is ours, and the application records on a stream that waits for it. */
START_TEST(default_stream) {
    void *context, *stream, *was, *graph;
    app a;
    if (!find("default_stream")) return;
    ck_assert_int_eq(driver.context_create(&context, 0, 0), 0);
    ck_assert_int_eq(driver.stream_create(&stream, 0), 0);
    app_ok(&a, context, (void *)1);
    run_ok(&a);
    ck_assert_int_eq(driver.begin_capture(stream, 2), 0);
    ck_assert_int_eq(sn_call_run(a.call), SN_ERR_UNSUPPORTED);
    ck_assert_ptr_nonnull(
        strstr(sn_call_error(a.call), "is recording a CUDA graph on its stream, or on one that waits"));
    ck_assert_int_eq(sn_context_sync(a.ctx), SN_ERR_UNSUPPORTED);
    ck_assert_int_eq(driver.end_capture(stream, &graph), 0);
    ck_assert_int_eq(driver.graph_destroy(graph), 0);
    for (int i = 0; i < 3; i++) run_ok(&a);
    app_close(&a);
    /* The per-thread default stream is another one for each thread of a program. */
    ck_assert_int_eq(app_open(&a, context, (void *)2), SN_ERR_ARGUMENT);
    ck_assert_ptr_nonnull(strstr(last_log, "is the per-thread default stream"));
    app_close(&a);
    ck_assert_int_eq(driver.stream_destroy(stream), 0);
    ck_assert_int_eq(driver.pop(&was), 0);
    ck_assert_int_eq(driver.context_destroy(context), 0);
}
END_TEST

/* ---- recordings of ours ------------------------------------------------------------------------------------------ */

/* Whatever refuses to be recorded is run all the same, whole, and the log says why. */
START_TEST(what_cannot_be_recorded_runs) {
    static const struct {
        const char *name;
        int code;
    } refusals[] = {{"cuStreamBeginCapture_v2", 900},
                    {"cuStreamEndCapture", 901},
                    {"cuLaunchKernel", 900},
                    {"cuGraphInstantiateWithFlags", 801},
                    {"cuGraphInstantiateWithFlags", 2}};
    app a;
    if (!find("what_cannot_be_recorded_runs")) return;
    app_ok(&a, NULL, NULL);
    ck_assert_int_eq(sn_array_set(a.x, ramp(1), LARGE * sizeof(float)), SN_OK);
    for (int i = 0; i < 2; i++) run_ok(&a);
    last_log[0] = 0;
    gpu.reset();
    gpu.fail_at(refusals[_i].name, 1, refusals[_i].code);
    run_ok(&a);
    ck_assert_str_eq(gpu.failed(), refusals[_i].name);
    ck_assert_msg(strstr(last_log, "a call is started piece by piece, since it cannot be recorded: ") != NULL, "%s",
                  last_log);
    ck_assert_uint_eq(gpu.count("cuGraphLaunch"), 0);
    y_is(a.y, ramp(1), LARGE);
    for (int i = 0; i < 3; i++) run_ok(&a);
    y_is(a.y, ramp(1), LARGE);
    ck_assert_uint_eq(gpu.count("cuGraphLaunch"), 3);
    int64_t runs;
    ck_assert_int_eq(sn_var_get(a.var, &runs, sizeof runs), SN_OK);
    ck_assert_int_eq(runs, 6);
    app_close(&a);
}
END_TEST

/* .. and after three tries it is not tried again; what comes in its place is. */
START_TEST(tries_to_record_end) {
    enum { OTHERS = 8, TRIES = 3 };
    app a;
    sn_array *x[OTHERS];
    if (!find("tries_to_record_end")) return;
    length = N;
    app_ok(&a, NULL, NULL);
    ck_assert_int_eq(sn_array_set(a.x, ramp(1), N * sizeof(float)), SN_OK);
    for (int i = 0; i < 2; i++) run_ok(&a);
    gpu.reset();
    gpu.fail_always("cuStreamBeginCapture_v2", 900);
    for (int i = 0; i < 2 * TRIES; i++) run_ok(&a);
    ck_assert_uint_eq(gpu.count("cuStreamBeginCapture_v2"), TRIES);
    ck_assert_uint_eq(gpu.count("cuGraphLaunch"), 0);
    y_is(a.y, ramp(1), N);
    gpu.reset();
    run_ok(&a);
    for (int i = 0; i < OTHERS; i++) {
        ck_assert_int_eq(sn_array_new(a.ctx, SN_F32, 1, (int64_t[]){N}, &x[i]), SN_OK);
        ck_assert_int_eq(sn_call_bind_input_array(a.call, 0, x[i]), SN_OK);
        for (int run = 0; run < 3; run++) run_ok(&a);
    }
    ck_assert_uint_eq(gpu.count("cuStreamBeginCapture_v2"), OTHERS);
    ck_assert_uint_eq(gpu.count("cuGraphLaunch"), 2 * OTHERS);
    for (int i = 0; i < OTHERS; i++) sn_array_free(x[i]);
    app_close(&a);
}
END_TEST

/* The loss of the device is no reason to try it otherwise. */
START_TEST(loss_while_recording) {
    app a;
    if (!find("loss_while_recording")) return;
    app_ok(&a, NULL, NULL);
    for (int i = 0; i < 2; i++) run_ok(&a);
    last_log[0] = 0;
    gpu.reset();
    gpu.fail_at("cuStreamEndCapture", 1, 719);
    ck_assert_int_eq(sn_call_run(a.call), SN_ERR_INTERNAL);
    ck_assert_ptr_nonnull(strstr(sn_call_error(a.call), "GPU: recording a call: CUDA_ERROR_LAUNCH_FAILED"));
    ck_assert_ptr_nonnull(strstr(sn_call_error(a.call), "the CUDA context is lost"));
    ck_assert_str_eq(last_log, "");
    gpu.reset();
    app_close(&a);
}
END_TEST

/* A driver loads code when it is first started, which must not be in a recording. */
START_TEST(code_is_loaded_early) {
    app a;
    if (!find("code_is_loaded_early")) return;
    gpu.reset();
    app_ok(&a, NULL, NULL);
    ck_assert_uint_ge(gpu.count("cuModuleLoadData"), 1);
    ck_assert_uint_eq(gpu.count("cuFuncLoad"), gpu.count("cuModuleLoadData"));
    app_close(&a);
}
END_TEST

/* ---- code -------------------------------------------------------------------------------------------------------- */

/* Code that the driver does not take: a sentence; where it was kept from before, it is compiled anew. */
START_TEST(code_of_a_newer_cuda) {
    static const int codes[] = {200, 209, 218, 222};
    char dir[] = "/tmp/sinter-gpu-XXXXXX", command[64];
    app a;
    if (!find("code_of_a_newer_cuda")) return;
    gpu.fail_at("cuModuleLoadData", 1, codes[_i]);
    ck_assert_int_eq(app_open(&a, NULL, NULL), SN_ERR_COMPILE);
    ck_assert_msg(strstr(sn_graph_error(a.g), "is the code from a newer CUDA than the driver is for?") != NULL, "%s",
                  sn_graph_error(a.g));
    app_close(&a);
    ck_assert_ptr_nonnull(mkdtemp(dir));
    setenv("SINTER_CACHE", "rw", 1);
    setenv("SINTER_CACHE_DIR", dir, 1);
    sn_function_stats stats;
    for (int again = 0; again < 3; again++) {
        gpu.reset();
        if (again) gpu.fail_at("cuModuleLoadData", 1, again == 1 ? codes[_i] : 0);
        app_ok(&a, NULL, NULL);
        ck_assert_int_eq(sn_function_get_stats(a.f, &stats), SN_OK);
        ck_assert_uint_eq(stats.n_compiled, again == 0 ? stats.n_kernels : again == 1);
        run_ok(&a);
        app_close(&a);
    }
    snprintf(command, sizeof command, "rm -r %s", dir);
    ck_assert_int_eq(system(command), 0);
}
END_TEST

/* A compiler that does not know all options is asked with those that each version has. */
START_TEST(an_older_compiler) {
    app a;
    if (!find("an_older_compiler")) return;
    setenv("STANDIN_OLD_NVRTC", "1", 1);
    app_ok(&a, NULL, NULL);
    ck_assert_int_eq(sn_array_set(a.x, ramp(1), LARGE * sizeof(float)), SN_OK);
    run_ok(&a);
    y_is(a.y, ramp(1), LARGE);
    app_close(&a);
}
END_TEST

/* PTX that the driver does not compile: its compiler's words are in the sentence. */
START_TEST(ptx_is_refused) {
    base_alloc alloc;
    base_log log;
    base_strbuf blob;
    base_trap err = {.armed = 0};
    be_device *dev;
    be_exec *exec;
    if (!find("ptx_is_refused")) return;
    base_alloc_init(&alloc, NULL);
    base_log_init(&log, keep_log, NULL, SN_LOG_ERROR);
    base_strbuf_init(&blob, &alloc);
    const be_options options = {.alloc = &alloc, .log = &log};
    ck_assert_int_eq(be_gpu.open(&options, &dev, &err), SN_OK);
    base_arena arena;
    base_arena_init(&arena, &alloc, NULL);
    base_strbuf_add(&blob, "nothing", 8);
    gpu_blob_end(&blob, 0, 8);
    ck_assert_int_eq(be_gpu.load(dev, rt_count_kernel(&arena), blob.at, blob.n, "count", &exec, &err), SN_ERR_COMPILE);
    ck_assert_msg(strstr(err.text, "loading kernel count: PTX, line 1: ") != NULL, "%s", err.text);
    base_arena_free(&arena);
    base_strbuf_free(&blob);
    be_gpu.close(dev);
}
END_TEST

/* Of several toolkits the newest that is not newer than the driver. */
START_TEST(names_of_libraries) {
    static const struct {
        int driver;
        const char *names;
    } cases[] = {{12040, "lib.12 lib.13 lib "},
                 {13000, "lib.13 lib.12 lib "},
                 {15020, "lib.15 lib.14 lib.13 lib.12 lib "},
                 {0, "lib.13 lib.12 lib "},
                 {99000, NULL}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        gpu_names names;
        char text[512] = "";
        gpu_toolkit_names("lib", cases[i].driver, &names);
        for (int k = 0; names.name[k]; k++) {
            strcat(text, names.name[k]);
            strcat(text, " ");
        }
        if (cases[i].names) ck_assert_str_eq(text, cases[i].names);
        ck_assert_ptr_nonnull(strstr(text, "lib.12 "));
    }
    char folder[] = "/tmp/sinter-gpu-XXXXXX", path[PATH_MAX], real[PATH_MAX], list[PATH_MAX];
    const char *had = getenv("SINTER_CUDA_PATH");
    if (!find("names_of_libraries")) return;
    ck_assert_ptr_nonnull(mkdtemp(folder));
    snprintf(real, sizeof real, "%s/libnvrtc.so.13", had);
    snprintf(path, sizeof path, "%s/libnvrtc.so.12", folder);
    ck_assert_int_eq(symlink(real, path), 0);
    snprintf(list, sizeof list, "%s:%s", had, folder); /* the newer one is met first */
    setenv("SINTER_CUDA_PATH", list, 1);
    for (int version = 12000; version <= 13000; version += 1000) {
        base_alloc alloc;
        base_strbuf found;
        base_trap err = {.armed = 0};
        gpu_names names;
        base_alloc_init(&alloc, NULL);
        base_strbuf_init(&found, &alloc);
        gpu_toolkit_names("libnvrtc.so", version, &names);
        ck_assert_ptr_nonnull(gpu_dynlib_open(&alloc, "compiler", names.name, NULL, 0, &found, &err));
        ck_assert_str_eq(found.at, version == 12000 ? path : real);
        base_strbuf_free(&found);
    }
    unlink(path);
    rmdir(folder);
}
END_TEST

/* ---- launches ---------------------------------------------------------------------------------------------------- */

/* Rows that threads keep in registers take no shared memory, others that of one row for each team of a block, in lines
 * of 64 bytes, so that what comes behind is aligned for vectors, and sums over tiles of four rows likewise; but not so
 * much that few blocks would fit a processor. */
START_TEST(shared_memory_of_rows) {
    enum { TEAMS = 4 /* warps of a block */, MOST = 8004 };
    static double x[2 * MOST], y[2 * MOST], sum[MOST];
    static const struct {
        int64_t rows, columns;
        size_t shared, n_out;
    } cases[] = {{8, 1024, 0, 1},     {8, 1001, TEAMS * 8064, 1}, {8, 100, 0, 1}, {1, 1001, TEAMS * 8064, 1},
                 {8, 2001, 16064, 1}, {8, 1001, 32064 + 8064, 2}};
    app a;
    if (!find("shared_memory_of_rows")) return;
    app_ok(&a, NULL, NULL);
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        sn_graph *g = sn_graph_new(a.ctx, "rows");
        sn_expr in = sn_input(g, "x", SN_F64, SN_SHAPE(sn_dim_new(g, "N"), SN_DIM(cases[i].columns)));
        sn_expr rows = sn_softmax(in, -1), out[] = {rows, sn_sum(rows, SN_AXES(0), 0)};
        sn_function_desc desc = {.inputs = &in, .n_inputs = 1, .outputs = out, .n_outputs = cases[i].n_out};
        sn_function *f = function(g, &desc);
        const int64_t size[] = {cases[i].rows, cases[i].columns};
        const sn_tensor from = sn_tensor_of(SN_F64, x, 2, size),
                        to[] = {sn_tensor_of(SN_F64, y, 2, size), sn_tensor_of(SN_F64, sum, 1, &size[1])};
        (void)gpu.dynamic();
        ck_assert_msg(!sn_function_call(f, &from, 1, to, cases[i].n_out), "%s", sn_function_error(f));
        ck_assert_uint_eq(gpu.dynamic(), cases[i].shared);
        sn_function_free(f);
        sn_graph_free(g);
    }
    app_close(&a);
}
END_TEST

/* More blocks than a grid has, or longer rows than 31 bits count, are refused when a call is laid out. */
START_TEST(launches_beyond_the_limits) {
    if (!find("launches_beyond_the_limits")) return;
    base_alloc alloc;
    base_log log;
    base_strbuf bytes;
    base_trap err = {.armed = 0};
    be_device *dev;
    be_exec *exec;
    be_blob blob;
    kernels_room room;
    kernels_room_init(&room);
    base_alloc_init(&alloc, NULL);
    base_log_init(&log, keep_log, NULL, SN_LOG_ERROR);
    base_strbuf_init(&bytes, &alloc);
    const be_options options = {.alloc = &alloc, .log = &log};
    const kn_kernel *k = kernels_make(
        &room, kernels_softmax, &(kernels_schedule){.tile = 1, .grain = 1, .max_chunks = 8, .width = 4, .ilp = 1});
    ck_assert_int_eq(be_gpu.open(&options, &dev, &err), SN_OK);
    kn_encode(k, &bytes);
    ck_assert_msg(!be_gpu.compile(dev, bytes.at, bytes.n, &blob, &err), "%s", err.text);
    ck_assert_msg(!be_gpu.load(dev, k, blob.at, blob.n, "softmax", &exec, &err), "%s", err.text);
    const int64_t dims[] = {(int64_t)1 << 40, 7}, wide[] = {3, (int64_t)1 << 29}, fine[] = {3, 7};
    const int64_t many = (int64_t)1 << 34, most = (int64_t)INT32_MAX * 4, few = 3;
    kn_launch launch = {NULL, dims, NULL};
    ck_assert_int_eq(be_gpu.remote->prepare(dev, exec, &launch, &many, &err), SN_ERR_UNSUPPORTED);
    ck_assert_str_eq(err.text, "GPU: a launch of 4294967296 blocks with 64 bytes of rows each");
    base_clear_error(&err);
    ck_assert_int_eq(be_gpu.remote->prepare(dev, exec, &launch, &most, &err), SN_OK);
    launch.dim = wide;
    ck_assert_int_eq(be_gpu.remote->prepare(dev, exec, &launch, &few, &err), SN_ERR_UNSUPPORTED);
    ck_assert_str_eq(err.text, "GPU: a launch of 1 blocks with 2147483648 bytes of rows each");
    base_clear_error(&err);
    /* Teams of a warp: four rows a block, and no more than 64 kB of them in shared memory. */
    const int64_t shared[] = {3, 4000}, global[] = {3, 4200};
    launch.dim = shared;
    uint64_t before = gpu.allocated();
    ck_assert_msg(!be_gpu.remote->prepare(dev, exec, &launch, &few, &err), "%s", err.text);
    ck_assert_uint_eq(gpu.allocated(), before);
    launch.dim = global;
    ck_assert_msg(!be_gpu.remote->prepare(dev, exec, &launch, &few, &err), "%s", err.text);
    ck_assert_uint_eq(gpu.allocated(), before + 4 * 16832);
    launch.dim = fine;
    ck_assert_msg(!be_gpu.remote->prepare(dev, exec, &launch, &few, &err), "%s", err.text);
    be_gpu.unload(dev, exec);
    base_free(&alloc, blob.at, blob.n);
    base_strbuf_free(&bytes);
    be_gpu.close(dev);
    kernels_room_free(&room);
}
END_TEST

/* ---- processes --------------------------------------------------------------------------------------------------- */

/* A forked process has nothing of the device: a sentence, and all can be freed. */
START_TEST(forked) {
    app a;
    if (!find("forked")) return;
    length = N;
    app_ok(&a, NULL, NULL);
    for (int i = 0; i < 4; i++) run_ok(&a);
    pid_t child = fork();
    if (!child) {
        int wrong = sn_call_run(a.call) != SN_ERR_UNAVAILABLE ||
                    !strstr(sn_call_error(a.call), "forked after the device was opened");
        if (wrong) fprintf(stderr, "%s\n", sn_call_error(a.call));
        app_close(&a);
        _exit(wrong);
    }
    int state;
    ck_assert_int_eq(waitpid(child, &state, 0), child);
    ck_assert_int_eq(state, 0);
    run_ok(&a);
    app_close(&a);
}
END_TEST

static app at_the_end;
static void leave(void) { _exit(0); } /* before anybody looks for leaks: what is NVIDIA's is left behind */
static void close_at_exit(void) {
    if (sn_call_run(at_the_end.call) != SN_ERR_UNAVAILABLE) _exit(2);
    if (!strstr(sn_call_error(at_the_end.call), "the process is ending")) _exit(3);
    app_close(&at_the_end);
}

/* What is freed after the driver has ended crashes nothing, and touches nothing of NVIDIA's. */
START_TEST(ended) {
    if (!find("ended")) return;
    length = N;
    pid_t child = fork();
    if (!child) {
        gpu.leave(1);
        if (atexit(leave) || atexit(close_at_exit)) _exit(1);
        if (app_open(&at_the_end, NULL, NULL)) _exit(4);
        base_trap err = {.armed = 0};
        const sn_context *ctx = at_the_end.ctx;
        if (ctx->backend->reserve_gemm(ctx->device, &err)) _exit(5);
        for (int i = 0; i < 4; i++)
            if (sn_call_run(at_the_end.call)) _exit(6);
        exit(0);
    }
    int state;
    ck_assert_int_eq(waitpid(child, &state, 0), child);
    ck_assert_msg(WIFEXITED(state) && !WEXITSTATUS(state), "state %d", state);
}
END_TEST

/* ---- sentences --------------------------------------------------------------------------------------------------- */

START_TEST(sentences) {
    static const struct {
        const char *name, *text;
        int code;
        sn_status status;
    } cases[] = {{"cuInit", "nvidia-fabricmanager", 802, SN_ERR_UNAVAILABLE},
                 {"cuInit", "nvidia_uvm", 999, SN_ERR_UNAVAILABLE},
                 {"cuInit", "MPS", 805, SN_ERR_UNAVAILABLE},
                 {"cuInit", "/dev/nvidia*", 304, SN_ERR_UNAVAILABLE},
                 {"cuDevicePrimaryCtxRetain", "compute mode", 46, SN_ERR_UNAVAILABLE}};
    app a;
    if (!find("sentences")) return;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        gpu.fail_at(cases[i].name, 1, cases[i].code);
        ck_assert_int_eq(app_open(&a, NULL, NULL), cases[i].status);
        ck_assert_msg(strstr(last_log, cases[i].text) != NULL, "%s", last_log);
        app_close(&a);
    }
    setenv("STANDIN_MODE", "2", 1);
    ck_assert_int_eq(app_open(&a, NULL, NULL), SN_ERR_UNAVAILABLE);
    ck_assert_ptr_nonnull(strstr(last_log, "compute mode is prohibited"));
    app_close(&a);
    setenv("STANDIN_MODE", "3", 1);
    ck_assert_int_eq(app_open(&a, NULL, NULL), SN_ERR_UNAVAILABLE);
    ck_assert_ptr_nonnull(strstr(last_log, "compute mode is exclusive, and another process has it"));
    app_close(&a);
}
END_TEST

int main(void) {
    Suite *s = suite_create("gpu rules");
    TCase *t = tcase_create("rules");
    tcase_add_loop_test(t, leaves_recordings_alone, 0, 6);
    tcase_add_test(t, the_stand_in_is_strict);
    tcase_add_test(t, default_stream);
    tcase_add_loop_test(t, what_cannot_be_recorded_runs, 0, 5);
    tcase_add_test(t, tries_to_record_end);
    tcase_add_test(t, loss_while_recording);
    tcase_add_test(t, code_is_loaded_early);
    tcase_add_loop_test(t, code_of_a_newer_cuda, 0, 4);
    tcase_add_test(t, an_older_compiler);
    tcase_add_test(t, ptx_is_refused);
    tcase_add_test(t, names_of_libraries);
    tcase_add_test(t, shared_memory_of_rows);
    tcase_add_test(t, launches_beyond_the_limits);
    tcase_add_test(t, forked);
    tcase_add_test(t, ended);
    tcase_add_test(t, sentences);
    suite_add_tcase(s, t);
    SRunner *r = srunner_create(s);
    srunner_run_all(r, CK_NORMAL);
    int failed = srunner_ntests_failed(r);
    srunner_free(r);
    return failed ? 1 : 0;
}
