/* Memory of a GPU, on the stand-in: what is asked for in vain, what is given back and asked for again, what is still in
 * use when more is needed, shared memory of every size. */
#define _GNU_SOURCE
#include "jit_gpu/cuda_emit.h"
#include "support/support_app.h"

/* Work that is at fault is noticed first by whatever asks the driver next, even if that is for memory. */
START_TEST(lost_while_allocating) {
    app a;
    sn_array *more;
    if (!find("lost_while_allocating")) return;
    app_ok(&a, NULL, NULL);
    run_ok(&a);
    gpu.fail_at("cuMemAlloc_v2", 1, 700);
    ck_assert_int_eq(sn_array_new(a.ctx, SN_F32, 1, (int64_t[]){4}, &more), SN_ERR_NOMEM);
    ck_assert_msg(strstr(sn_context_error(a.ctx), "the CUDA context is lost") != NULL, "%s", sn_context_error(a.ctx));
    gpu.reset(); /* a driver may go on answering other questions */
    ck_assert_int_eq(sn_call_run(a.call), SN_ERR_INTERNAL);
    ck_assert_ptr_nonnull(strstr(sn_call_error(a.call), "asking for 16 bytes: "));
    gpu.fail_at("cuMemAlloc_v2", 1, 719); /* what comes of it later is not the cause */
    ck_assert_int_eq(sn_array_new(a.ctx, SN_F32, 1, (int64_t[]){2}, &more), SN_ERR_NOMEM);
    gpu.reset();
    ck_assert_int_eq(sn_call_run(a.call), SN_ERR_INTERNAL);
    ck_assert_ptr_nonnull(strstr(sn_call_error(a.call), "asking for 16 bytes: "));
    ck_assert_ptr_nonnull(strstr(sn_call_error(a.call), "the CUDA context is lost"));
    app_close(&a);
}
END_TEST

/* Calls that sn_function_call keeps for later give their memory back when another needs it; what is asked for in vain
 * is told with what there is. */
START_TEST(idle_calls_make_room) {
    app a;
    static float values[LARGE], sum;
    if (!find("idle_calls_make_room")) return;
    app_ok(&a, NULL, NULL);
    static float y[LARGE]; /* large enough to be copied by themselves */
    const sn_tensor in = VEC(values, LARGE), out[] = {VEC(y, LARGE), SCALAR(&sum)};
    uint64_t before = gpu.allocated();
    for (int i = 0; i < LARGE; i++) values[i] = (float)i;
    call_ok(a.f, &in, 1, out, 2);
    for (int i = 0; i < LARGE; i++) ck_assert(y[i] == (float)(2 * i + 1));
    uint64_t kept = gpu.allocated() - before;
    ck_assert_uint_ge(kept, 2 * sizeof values);
    sn_array *more, *most;
    gpu.memory(gpu.allocated() + 1000);
    ck_assert_msg(!sn_array_new(a.ctx, SN_F32, 1, (int64_t[]){LARGE}, &more), "%s", sn_context_error(a.ctx));
    ck_assert_uint_eq(gpu.allocated(), before + sizeof values);
    ck_assert_int_eq(sn_array_new(a.ctx, SN_F32, 1, (int64_t[]){10 * LARGE}, &most), SN_ERR_NOMEM);
    char want[128];
    snprintf(want, sizeof want, "800000 bytes asked for; %llu of the device's %llu bytes are free",
             (unsigned long long)(kept + 1000 - sizeof values), (unsigned long long)(before + kept + 1000));
    ck_assert_msg(strstr(sn_context_error(a.ctx), want) != NULL, "%s", sn_context_error(a.ctx));
    sn_array_free(more);
    call_ok(a.f, &in, 1, out, 2);
    sn_var *var;
    ck_assert_int_eq(sn_var_new(a.ctx, "most", SN_F32, 1, (int64_t[]){10 * LARGE}, &var), SN_ERR_NOMEM);
    ck_assert_ptr_nonnull(strstr(sn_context_error(a.ctx), "bytes are free"));
    gpu.reset();
    gpu.fail_at("cuMemGetInfo_v2", 1, 1);
    ck_assert_int_eq(sn_var_new(a.ctx, "most", SN_F32, 1, (int64_t[]){10 * LARGE}, &var), SN_ERR_NOMEM);
    ck_assert_str_eq(sn_context_error(a.ctx), "variable \"most\": out of memory: 800000 bytes asked for");
    gpu.memory(0);
    app_close(&a);
}
END_TEST

/* Rows that do not fit shared memory lie in scratch of the device, which is given back too; calls that were ready get
 * it again. */
START_TEST(scratch_comes_back) {
    enum { ROWS = 40, COLUMNS = 300 };
    char least[16];
    app a;
    static double x[ROWS * COLUMNS], y[ROWS * COLUMNS], first[ROWS * COLUMNS];
    if (!find("scratch_comes_back")) return;
    snprintf(least, sizeof least, "%d", 2 * CE_MAX_BATCH_BYTES + 64);
    setenv("STANDIN_SHARED", least, 1);
    app_ok(&a, NULL, NULL);
    sn_graph *g = sn_graph_new(a.ctx, "rows");
    sn_expr in = sn_input(g, "x", SN_F64, SN_SHAPE(SN_DIM(ROWS), SN_DIM(COLUMNS)));
    sn_expr out = sn_softmax(in, -1);
    sn_function_desc desc = {.inputs = &in, .n_inputs = 1, .outputs = &out, .n_outputs = 1};
    sn_function *f = function(g, &desc);
    sn_call *call;
    ck_assert_int_eq(sn_call_new(f, &call), SN_OK);
    for (int i = 0; i < ROWS * COLUMNS; i++) x[i] = (double)(i % 17);
    const int64_t size[] = {ROWS, COLUMNS};
    const sn_tensor tx = sn_tensor_of(SN_F64, x, 2, size), ty = sn_tensor_of(SN_F64, y, 2, size);
    ck_assert_int_eq(sn_call_bind_input(call, 0, &tx), SN_OK);
    ck_assert_int_eq(sn_call_bind_output(call, 0, &ty), SN_OK);
    for (int i = 0; i < 3; i++) ck_assert_msg(!sn_call_run(call), "%s", sn_call_error(call));
    memcpy(first, y, sizeof y);
    uint64_t before = gpu.allocated();
    sn_array *most;
    gpu.memory(before);
    ck_assert_int_eq(sn_array_new(a.ctx, SN_F32, 1, (int64_t[]){180 * ROWS * COLUMNS}, &most), SN_ERR_NOMEM);
    ck_assert_uint_lt(gpu.allocated(), before);
    gpu.memory(0);
    gpu.reset();
    for (int i = 0; i < 3; i++) {
        memset(y, 0, sizeof y);
        ck_assert_msg(!sn_call_run(call), "%s", sn_call_error(call));
        ck_assert_mem_eq(first, y, sizeof y);
    }
    ck_assert_uint_eq(gpu.count("cuMemAlloc_v2"), 1);
    ck_assert_uint_eq(gpu.count("cuGraphLaunch"), 3);
    /* It is asked for twice, and a call that got none can be run again. */
    gpu.memory(1);
    ck_assert_int_eq(sn_array_new(a.ctx, SN_F32, 1, (int64_t[]){1}, &most), SN_ERR_NOMEM);
    gpu.memory(gpu.allocated());
    for (int i = 0; i < 2; i++) {
        ck_assert_int_eq(sn_call_run(call), SN_ERR_NOMEM);
        ck_assert_msg(strstr(sn_call_error(call), " bytes for the rows of a kernel, 0 of ") != NULL, "%s",
                      sn_call_error(call));
    }
    gpu.memory(0);
    gpu.reset();
    gpu.fail_at("cuMemAlloc_v2", 1, 2);
    ck_assert_msg(!sn_call_run(call), "%s", sn_call_error(call));
    ck_assert_uint_eq(gpu.count("cuMemAlloc_v2"), 2);
    ck_assert_mem_eq(first, y, sizeof y);
    sn_call_free(call);
    sn_function_free(f);
    sn_graph_free(g);
    app_close(&a);
}
END_TEST

/* .. and what was recorded with it is recorded anew, runs that count an input, too. */
START_TEST(steps_without_scratch) {
    enum { ROWS = 4, COLUMNS = 300, STEPS = 40 };
    static double x[ROWS * COLUMNS], y[ROWS * COLUMNS];
    char least[16];
    app a;
    if (!find("steps_without_scratch")) return;
    snprintf(least, sizeof least, "%d", 2 * CE_MAX_BATCH_BYTES + 64);
    setenv("STANDIN_SHARED", least, 1);
    app_ok(&a, NULL, NULL);
    sn_graph *g = sn_graph_new(a.ctx, "rows");
    sn_expr in[] = {sn_input(g, "x", SN_F64, SN_SHAPE(SN_DIM(ROWS), SN_DIM(COLUMNS))),
                    sn_input(g, "i", SN_I64, SN_SCALAR)};
    sn_expr out = sn_add(sn_softmax(in[0], -1), sn_cast(in[1], SN_F64));
    sn_function *f = function(g, &(sn_function_desc){.inputs = in, .n_inputs = 2, .outputs = &out, .n_outputs = 1});
    const int64_t size[] = {ROWS, COLUMNS};
    const sn_tensor tx = sn_tensor_of(SN_F64, x, 2, size), ty = sn_tensor_of(SN_F64, y, 2, size);
    sn_call *call;
    sn_array *most;
    ck_assert_int_eq(sn_call_new(f, &call), SN_OK);
    ck_assert_int_eq(sn_call_bind_input(call, 0, &tx), SN_OK);
    ck_assert_int_eq(sn_call_bind_output(call, 0, &ty), SN_OK);
    for (int round = 0; round < 2; round++) {
        gpu.reset();
        memset(y, 0, sizeof y);
        ck_assert_msg(!sn_call_run_steps(call, 1, 0, STEPS), "%s", sn_call_error(call));
        for (int k = 0; k < ROWS * COLUMNS; k++) ck_assert_double_eq_tol(y[k], STEPS - 1 + 1.0 / COLUMNS, 1e-13);
        ck_assert_uint_eq(gpu.count("cuStreamBeginCapture_v2"), 2); /* of many runs, and of one */
        gpu.memory(1);
        ck_assert_int_eq(sn_array_new(a.ctx, SN_F64, 0, NULL, &most), SN_ERR_NOMEM);
        gpu.memory(0);
    }
    sn_call_free(call);
    sn_function_free(f);
    sn_graph_free(g);
    app_close(&a);
}
END_TEST

/* .. and while a call is at work in it, another that needs more waits. */
START_TEST(scratch_in_use) {
    enum { ROWS = 40, COLUMNS = 300, MOST = 20 * ROWS };
    char least[16];
    app a;
    if (!find("scratch_in_use")) return;
    snprintf(least, sizeof least, "%d", 2 * CE_MAX_BATCH_BYTES + 64);
    setenv("STANDIN_SHARED", least, 1);
    app_ok(&a, NULL, NULL);
    sn_graph *g = sn_graph_new(a.ctx, "rows");
    sn_expr in = sn_input(g, "x", SN_F64, SN_SHAPE(sn_dim_new(g, "N"), SN_DIM(COLUMNS)));
    sn_expr out = sn_softmax(in, -1);
    sn_function_desc desc = {.inputs = &in, .n_inputs = 1, .outputs = &out, .n_outputs = 1};
    sn_function *f = function(g, &desc);
    sn_array *x[2], *y[2];
    sn_call *call[2];
    double *have = malloc(sizeof(double) * MOST * COLUMNS);
    gpu.defer(1);
    for (int i = 0; i < 2; i++) { /* the first waits for its turn while the second is laid out */
        const int64_t size[] = {i ? MOST : ROWS, COLUMNS};
        ck_assert_int_eq(sn_array_new(a.ctx, SN_F64, 2, size, &x[i]), SN_OK);
        ck_assert_int_eq(sn_array_new(a.ctx, SN_F64, 2, size, &y[i]), SN_OK);
        ck_assert_int_eq(sn_call_new(f, &call[i]), SN_OK);
        ck_assert_int_eq(sn_call_bind_input_array(call[i], 0, x[i]), SN_OK);
        ck_assert_int_eq(sn_call_bind_output_array(call[i], 0, y[i]), SN_OK);
        for (int run = 0; run < (i ? 1 : 3); run++) ck_assert_msg(!sn_call_run(call[i]), "%s", sn_call_error(call[i]));
        if (i) continue;
        ck_assert_int_eq(sn_context_sync(a.ctx), SN_OK);
        ck_assert_int_eq(sn_call_run(call[i]), SN_OK);
        gpu.reset();
    }
    ck_assert_uint_eq(gpu.count("cuMemFree_v2"), 1);
    ck_assert_uint_eq(gpu.count("cuStreamSynchronize"), 1);
    for (int i = 0; i < 2; i++) {
        size_t n = (size_t)(i ? MOST : ROWS) * COLUMNS;
        ck_assert_int_eq(sn_array_get(y[i], have, n * sizeof *have), SN_OK);
        for (size_t k = 0; k < n; k++) ck_assert_double_eq_tol(have[k], 1.0 / COLUMNS, 1e-15);
    }
    gpu.reset(); /* what was recorded has the address of the scratch that is gone, and stays unused if it is not
                    replaced */
    gpu.fail_at("cuStreamEndCapture", 1, 2);
    for (unsigned run = 0; run < 2; run++) {
        ck_assert_int_eq(sn_call_run(call[0]), SN_OK);
        ck_assert_uint_eq(gpu.count("cuStreamBeginCapture_v2"), run + 1);
        ck_assert_uint_eq(gpu.count("cuGraphLaunch"), run);
    }
    /* It is not given back while a call is at work in it, either. */
    sn_array *most;
    ck_assert_int_eq(sn_call_run(call[0]), SN_OK);
    gpu.reset();
    gpu.memory(1);
    ck_assert_int_eq(sn_array_new(a.ctx, SN_F64, 0, NULL, &most), SN_ERR_NOMEM);
    gpu.memory(0);
    ck_assert_uint_eq(gpu.count("cuMemFree_v2"), 1);
    ck_assert_uint_eq(gpu.count("cuStreamSynchronize"), 1);
    for (int i = 0; i < 2; i++) {
        sn_array_free(x[i]), sn_array_free(y[i]);
        sn_call_free(call[i]);
    }
    free(have);
    sn_function_free(f);
    sn_graph_free(g);
    app_close(&a);
}
END_TEST

/* The memory of temporaries grows with the sizes, and what was recorded for others before has its old address. */
START_TEST(temporaries_move) {
    app a;
    sn_array *small;
    if (!find("temporaries_move")) return;
    app_ok(&a, NULL, NULL);
    ck_assert_int_eq(sn_array_new(a.ctx, SN_F32, 1, (int64_t[]){3}, &small), SN_OK);
    ck_assert_int_eq(sn_array_set(small, ramp(1), 3 * sizeof(float)), SN_OK);
    ck_assert_int_eq(sn_array_set(a.x, ramp(1), LARGE * sizeof(float)), SN_OK);
    for (int round = 0; round < 2; round++) {
        gpu.reset();
        ck_assert_int_eq(sn_call_bind_input_array(a.call, 0, small), SN_OK);
        for (int i = 0; i < 4; i++) {
            run_ok(&a);
            ck_assert_uint_eq(gpu.count("cuGraphLaunch") > 0, i > (round ? 0 : 1));
            y_is(a.y, ramp(1), 3);
        }
        if (round) continue;
        ck_assert_int_eq(sn_call_bind_input_array(a.call, 0, a.x), SN_OK);
        run_ok(&a);
        y_is(a.y, ramp(1), LARGE);
    }
    sn_array_free(small);
    app_close(&a);
}
END_TEST

/* Staging memory that becomes too small is freed when what lies in it has been sent. */
START_TEST(staging_in_use) {
    static float x[40000];
    enum { RUNS = 4 /* the first two are timed, and waited for */ };
    const int64_t sizes[RUNS][2] = {{40000, 1}, {40000, 1}, {10, 10}, {10000, 10}};
    app a;
    if (!find("staging_in_use")) return;
    app_ok(&a, NULL, NULL);
    sn_graph *g = sn_graph_new(a.ctx, "sums");
    sn_expr in[2] = {sn_input(g, "x", SN_F32, SN_SHAPE(sn_dim_new(g, "N"))),
                     sn_input(g, "y", SN_F32, SN_SHAPE(sn_dim_new(g, "M")))};
    sn_expr out = sn_add(sn_sum_all(in[0]), sn_sum_all(in[1]));
    sn_function_desc desc = {.inputs = in, .n_inputs = 2, .outputs = &out, .n_outputs = 1};
    sn_function *f = function(g, &desc);
    sn_call *call;
    sn_array *sum[RUNS];
    ck_assert_int_eq(sn_call_new(f, &call), SN_OK);
    for (int i = 0; i < 40000; i++) x[i] = 1;
    gpu.defer(1);
    for (int i = 0; i < RUNS; i++) {
        ck_assert_int_eq(sn_array_new(a.ctx, SN_F32, 0, NULL, &sum[i]), SN_OK);
        for (uint32_t k = 0; k < 2; k++) {
            const sn_tensor t = sn_tensor_of(SN_F32, x, 1, &sizes[i][k]);
            ck_assert_int_eq(sn_call_bind_input(call, k, &t), SN_OK);
        }
        ck_assert_int_eq(sn_call_bind_output_array(call, 0, sum[i]), SN_OK);
        ck_assert_msg(!sn_call_run(call), "%s", sn_call_error(call));
    }
    for (int i = 0; i < RUNS; i++) {
        float have;
        ck_assert_int_eq(sn_array_get(sum[i], &have, sizeof have), SN_OK);
        ck_assert(have == (float)(sizes[i][0] + sizes[i][1]));
        sn_array_free(sum[i]);
    }
    sn_call_free(call);
    sn_function_free(f);
    sn_graph_free(g);
    app_close(&a);
}
END_TEST

/* Softmaxes of rows, warps at them, and besides their column sums, blocks at them, with ever more shared memory: for
 * nothing, for the row of one team, of all teams of a block, for a row or for sums, for both. */
START_TEST(shared_memory_of_every_size) {
    enum { ROWS = 25, COLUMNS = 1001 /* an odd number, or registers hold the rows */ };
    app a;
    static double x[ROWS * COLUMNS], y[ROWS * COLUMNS];
    double sum[COLUMNS];
    char bytes[16];
    if (!find("shared_memory_of_every_size")) return;
    snprintf(bytes, sizeof bytes, "%d", 2 * CE_MAX_BATCH_BYTES + 64 + 4096 * _i);
    setenv("STANDIN_SHARED", bytes, 1);
    app_ok(&a, NULL, NULL);
    sn_graph *g = sn_graph_new(a.ctx, "rows");
    sn_expr in = sn_input(g, "x", SN_F64, SN_SHAPE(sn_dim_new(g, "N"), SN_DIM(COLUMNS))), rows = sn_softmax(in, -1);
    sn_expr out[2] = {rows, sn_sum(rows, SN_AXES(0), 0)};
    for (int with_sums = 0; with_sums < 2; with_sums++) {
        const size_t n_out = (size_t)with_sums + 1;
        sn_function_desc desc = {.inputs = &in, .n_inputs = 1, .outputs = out, .n_outputs = n_out};
        sn_function *f = function(g, &desc);
        for (int64_t n = ROWS; n; n /= 25) {
            const int64_t size[] = {n, COLUMNS}, columns = COLUMNS;
            const sn_tensor t = sn_tensor_of(SN_F64, x, 2, size);
            const sn_tensor to[] = {sn_tensor_of(SN_F64, y, 2, size), sn_tensor_of(SN_F64, sum, 1, &columns)};
            memset(y, 0, sizeof y);
            ck_assert_msg(!sn_function_call(f, &t, 1, to, n_out), "%s bytes: %s", bytes, sn_function_error(f));
            for (int64_t k = 0; k < n * COLUMNS; k++) ck_assert_double_eq_tol(y[k], 1.0 / COLUMNS, 1e-15);
            for (int k = 0; k < COLUMNS && with_sums; k++) ck_assert_double_eq_tol(sum[k], (double)n / COLUMNS, 1e-12);
        }
        sn_function_free(f);
    }
    sn_graph_free(g);
    app_close(&a);
}
END_TEST

/* Neither a recording nor the code of a kernel that finds no memory at first is an error: runs are started piece by
 * piece, code is loaded again. */
START_TEST(recordings_without_room) {
    app a;
    if (!find("recordings_without_room")) return;
    gpu.fail_at("cuModuleLoadData", 1, 2);
    app_ok(&a, NULL, NULL);
    ck_assert_str_eq(gpu.failed(), "cuModuleLoadData");
    ck_assert_int_eq(sn_array_set(a.x, ramp(1), LARGE * sizeof(float)), SN_OK);
    for (int i = 0; i < 2; i++) run_ok(&a);
    gpu.reset();
    gpu.fail_at("cuGraphInstantiateWithFlags", 1, 2);
    for (int i = 0; i < 3; i++) run_ok(&a);
    y_is(a.y, ramp(1), LARGE);
    ck_assert_uint_eq(gpu.count("cuGraphLaunch"), 2);
    int64_t runs;
    ck_assert_int_eq(sn_var_get(a.var, &runs, sizeof runs), SN_OK);
    ck_assert_int_eq(runs, 5);
    app_close(&a);
}
END_TEST

int main(void) {
    Suite *s = suite_create("gpu memory");
    TCase *t = tcase_create("memory");
    tcase_add_test(t, lost_while_allocating);
    tcase_add_test(t, idle_calls_make_room);
    tcase_add_test(t, scratch_comes_back);
    tcase_add_test(t, steps_without_scratch);
    tcase_add_test(t, scratch_in_use);
    tcase_add_test(t, temporaries_move);
    tcase_add_test(t, staging_in_use);
    tcase_add_loop_test(t, shared_memory_of_every_size, 0, 12);
    tcase_add_test(t, recordings_without_room);
    suite_add_tcase(s, t);
    SRunner *r = srunner_create(s);
    srunner_run_all(r, CK_NORMAL);
    int failed = srunner_ntests_failed(r);
    srunner_free(r);
    return failed ? 1 : 0;
}
